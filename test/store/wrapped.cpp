// What a store does with a codec that wraps its records.

#include <persist/store.hpp>

#include <support/run_length.hpp>
#include <support/world.hpp>

namespace {

using namespace test;
using persist::codec::Cbor;
using Squeezed = persist::codec::Compressed<Cbor, RunLength>;
using SqueezedPlayers = persist::Store<std::uint64_t, Player, Db, persist::lock::Lease<>, Squeezed>;

struct WrappedStore : World {
  SqueezedPlayers players{"players", db, options()};
  ~WrappedStore() override { RunLength::is_broken = false; }

  SqueezedPlayers::Session filled(std::uint64_t key) {
    auto session = *players.load(key);
    session.edit()->name = std::string(1000, 'x');
    return session;
  }
};

TEST_F(WrappedStore, says_what_is_stored_and_what_that_is_of) {
  auto session = filled(1);
  const auto saved = session.save();
  ASSERT_TRUE(saved) << saved.error();
  EXPECT_LT(session.stored_bytes(), 200U);
  EXPECT_EQ(saved->bytes, session.stored_bytes());
  EXPECT_GT(session.usage().bytes, 1000U);
  EXPECT_EQ(players.metrics().bytes_saved, session.stored_bytes());
  const std::size_t stored = session.stored_bytes();
  const std::size_t encoded = session.usage().bytes;
  ASSERT_TRUE(session.release());
  EXPECT_EQ(players.peek(1u)->data.name.size(), 1000U);
  auto again = players.load(1u);
  ASSERT_TRUE(again) << again.error();
  EXPECT_EQ(again->view()->name.size(), 1000U);
  EXPECT_EQ(again->stored_bytes(), stored);
  EXPECT_EQ(again->usage().bytes, encoded);
}

TEST_F(WrappedStore, a_clean_session_is_not_written_at_its_release) {
  ASSERT_TRUE(filled(1).release());
  auto session = players.load(1u);
  const auto version = session->version();
  ASSERT_TRUE(session->release());
  EXPECT_EQ(players.peek(1u)->version, version);
}

TEST_F(WrappedStore, what_is_sent_again_is_the_same_bytes) {
  auto session = filled(1);
  db.lose_reply();
  const int before = RunLength::compressed;
  EXPECT_TRUE(session.release().is(Errc::unknown_outcome));
  play(10s, players);
  EXPECT_EQ(session.state(), State::released);
  EXPECT_EQ(RunLength::compressed, before + 1);
  EXPECT_EQ(players.peek(1u)->data.name.size(), 1000U);
}

TEST_F(WrappedStore, what_did_not_arrive_is_not_wrapped_again) {
  auto session = filled(1);
  db.fail_commits(Errc::unknown_outcome);
  const int before = RunLength::compressed;
  EXPECT_TRUE(session.release().is(Errc::unknown_outcome));
  play(10s, players);
  EXPECT_EQ(session.state(), State::released);
  EXPECT_EQ(RunLength::compressed, before + 1);
  EXPECT_EQ(players.peek(1u)->data.name.size(), 1000U);
}

TEST_F(WrappedStore, what_cannot_be_wrapped_is_not_sent_and_holds_up_nobody_else) {
  auto first = filled(1);
  auto second = filled(2);
  RunLength::is_broken = true;
  const std::size_t sent = db.script().commit_requests;
  const auto saved = first.save();
  ASSERT_TRUE(saved.is(Errc::invalid)) << saved.error();
  EXPECT_EQ(saved.error().key(), "1");
  EXPECT_NE(saved.error().detail().find("out of order"), std::string_view::npos);
  EXPECT_EQ(db.script().commit_requests, sent);
  EXPECT_TRUE(first.is_dirty());
  EXPECT_EQ(first.state(), State::open);

  auto third = *players.load(3u);
  third.edit()->coins += 1;
  (void)second.request_save();
  (void)third.request_save();
  players.poll();
  EXPECT_TRUE(second.is_dirty());
  EXPECT_FALSE(third.is_dirty());

  RunLength::is_broken = false;
  play(60s, players);
  EXPECT_FALSE(first.is_dirty());
  EXPECT_EQ(players.peek(1u)->data.name.size(), 1000U);
  EXPECT_EQ(players.peek(2u)->data.name.size(), 1000U);
}

TEST_F(WrappedStore, what_cannot_be_wrapped_does_not_cost_the_lease) {
  auto session = filled(1);
  int failed = 0;
  const auto listening = session.on_saved([&](const auto& saved) { failed += saved ? 0 : 1; });
  RunLength::is_broken = true;
  SqueezedPlayers elsewhere("players", db, options("us-1"));
  for (int minute = 0; minute < 5; ++minute) {
    play(60s, players);
    ASSERT_TRUE(elsewhere.load(1u, {.conflict = persist::Conflict::refuse}).is(Errc::locked));
  }
  EXPECT_EQ(session.state(), State::open);
  EXPECT_TRUE(session.is_dirty());
  EXPECT_GT(failed, 5) << "each try is told";
  EXPECT_LT(failed, 150) << "and they are not made all the time";
  RunLength::is_broken = false;
  play(30s, players);
  EXPECT_FALSE(session.is_dirty());
  EXPECT_EQ(elsewhere.peek(1u)->data.name.size(), 1000U);
}

TEST_F(WrappedStore, a_release_that_cannot_be_wrapped_is_tried_again_with_pauses) {
  auto session = filled(1);
  RunLength::is_broken = true;
  const int before = RunLength::compressed;
  EXPECT_TRUE(session.release().is(Errc::invalid));
  play(120s, players);
  EXPECT_EQ(session.state(), State::releasing);
  EXPECT_GT(RunLength::compressed, before + 5);
  EXPECT_LT(RunLength::compressed, before + 40);
  SqueezedPlayers elsewhere("players", db, options("us-1"));
  EXPECT_TRUE(elsewhere.load(1u, {.conflict = persist::Conflict::refuse}).is(Errc::locked))
      << "the lease is kept for what is not saved";
  RunLength::is_broken = false;
  play(30s, players);
  EXPECT_EQ(session.state(), State::released);
  EXPECT_EQ(players.peek(1u)->data.name.size(), 1000U);
}

TEST_F(WrappedStore, partners_of_what_cannot_be_wrapped_wait_for_it_and_keep_their_leases) {
  auto broken = filled(1);
  auto other = *players.load(2u);
  RunLength::is_broken = true;
  const auto done = players.transact(broken, other, [](Player& from, Player& to) {
    from.coins -= 10, to.coins += 10;
    return persist::Result<void>(persist::success);
  });
  ASSERT_TRUE(done) << done.error();
  EXPECT_EQ(*done, persist::Transacted::pending);
  SqueezedPlayers elsewhere("players", db, options("us-1"));
  play(120s, players);
  for (const std::uint64_t key : {1U, 2U}) {
    EXPECT_TRUE(elsewhere.load(key, {.conflict = persist::Conflict::refuse}).is(Errc::locked));
    EXPECT_TRUE(elsewhere.peek(key).is(Errc::not_found)) << "all or nothing";
  }
  RunLength::is_broken = false;
  play(60s, players);
  EXPECT_EQ(elsewhere.peek(1u)->data.coins, 90);
  EXPECT_EQ(elsewhere.peek(2u)->data.coins, 110);
}

TEST_F(WrappedStore, a_record_that_would_be_too_large_is_left_alone) {
  ASSERT_TRUE(filled(1).release());
  auto told = options();
  told.record_limit = 500;
  SqueezedPlayers narrow("players", db, told);
  EXPECT_TRUE(narrow.load(1u).is(Errc::too_large));
  EXPECT_TRUE(narrow.peek(1u).is(Errc::too_large));
  EXPECT_EQ(players.peek(1u)->data.name.size(), 1000U);
}

/// The same player as the build before had it.
struct OldPlayer {
  std::string name;
  std::int64_t coins = 100;
};
using Sharing = persist::codec::SharedPacked;
using OldPlayers = persist::Store<std::uint64_t, OldPlayer, Db, persist::lock::Lease<>,
                                  persist::codec::Compressed<Sharing, RunLength>>;
using SharingPlayers = persist::Store<std::uint64_t, Player, Db, persist::lock::Lease<>, Sharing>;
using SharingBoth =
    persist::Store<std::uint64_t, Player, Db, persist::lock::Lease<>,
                   persist::codec::AnyOf<Sharing, persist::codec::Compressed<Sharing, RunLength>>>;

struct SharingStore : World {};

TEST_F(SharingStore, sends_a_schema_once_in_its_life) {
  SharingPlayers players("players", db, options());
  auto first = *players.load(1u);
  first.edit()->coins = 1;
  ASSERT_TRUE(first.save());
  EXPECT_EQ(db.script().commit_requests, 2U) << "the second with the schema";
  first.edit()->coins = 2;
  ASSERT_TRUE(first.release());
  EXPECT_EQ(db.script().commit_requests, 3U);
  SharingPlayers elsewhere("players", db, options("us-1"));
  EXPECT_EQ(elsewhere.peek(1u)->data.coins, 2);
  auto again = *elsewhere.load(1u);
  again.edit()->coins = 3;
  ASSERT_TRUE(again.release());
  EXPECT_EQ(db.script().commit_requests, 4U);
}

TEST_F(SharingStore, a_batch_that_needs_one_goes_twice_at_most) {
  SharingPlayers players("players", db, options());
  std::vector<SharingPlayers::Session> open;
  for (std::uint64_t key = 0; key < 20; ++key) {
    open.push_back(*players.load(key));
    open.back().edit()->coins = 7;
    (void)open.back().request_save();
  }
  players.poll();
  EXPECT_EQ(db.script().commit_batches, 2U);
  for (const auto& session : open)
    EXPECT_FALSE(session.is_dirty());
}

TEST_F(SharingStore, a_schema_whose_reply_was_lost_is_not_missed) {
  SharingPlayers players("players", db, options());
  auto session = *players.load(1u);
  session.edit()->coins = 1;
  db.script().commits = {{Errc::unknown_schema, false}, {Errc::unknown_outcome, true}};
  EXPECT_TRUE(session.save().is(Errc::unknown_outcome));
  play(30s, players);
  EXPECT_FALSE(session.is_dirty());
  EXPECT_EQ(players.peek(1u)->data.coins, 1);
}

TEST_F(SharingStore, a_backend_that_will_have_none_does_not_cost_the_lease) {
  SharingPlayers players("players", db, options());
  auto session = *players.load(1u);
  session.edit()->coins = 1;
  SharingPlayers elsewhere("players", db, options("us-1"));
  db.script().data = Errc::unknown_schema;
  for (int minute = 0; minute < 5; ++minute) {
    play(60s, players);
    ASSERT_TRUE(elsewhere.load(1u, {.conflict = persist::Conflict::refuse}).is(Errc::locked));
  }
  EXPECT_LT(db.script().commit_requests, 200U);
  db.script().data.reset();
  play(60s, players);
  EXPECT_EQ(players.peek(1u)->data.coins, 1);
}

TEST_F(SharingStore, a_record_of_another_shape_is_read_by_its_schema) {
  OldPlayers before("players", db, options());
  auto old = *before.load(1u);
  old.edit()->coins = 5;
  old.edit()->name = std::string(1000, 'x');
  ASSERT_TRUE(old.release());
  SharingBoth players("players", db, options());
  EXPECT_EQ(players.peek(1u)->data.coins, 5);
  auto session = players.load(1u, {.reconcile_with = Player{.coins = 1, .level = 9, .name = {}}});
  ASSERT_TRUE(session) << session.error();
  EXPECT_EQ(session->view()->coins, 5);
  EXPECT_EQ(session->view()->name.size(), 1000U);
  EXPECT_EQ(session->view()->level, 9) << "the template waited for the schema too";
  session->edit()->level = 3;
  ASSERT_TRUE(session->release());
  auto back = before.load(1u);
  ASSERT_TRUE(back) << back.error();
  EXPECT_EQ(back->view()->coins, 5);
  ASSERT_TRUE(back->release());
  auto begun = players.begin_load(1u);
  while (!begun.ready())
    players.poll();
  auto last = begun.take();
  ASSERT_TRUE(last) << last.error();
  EXPECT_EQ(last->view()->level, 3) << "what the older build does not know came through it";
}

}  // namespace
