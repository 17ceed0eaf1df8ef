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

TEST_F(WrappedStore, a_record_that_would_be_too_large_is_left_alone) {
  ASSERT_TRUE(filled(1).release());
  auto told = options();
  told.record_limit = 500;
  SqueezedPlayers narrow("players", db, told);
  EXPECT_TRUE(narrow.load(1u).is(Errc::too_large));
  EXPECT_TRUE(narrow.peek(1u).is(Errc::too_large));
  EXPECT_EQ(players.peek(1u)->data.name.size(), 1000U);
}

}  // namespace
