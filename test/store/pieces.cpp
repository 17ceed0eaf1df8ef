#include <persist/store/pieces.hpp>

#include <persist/codec/chunked.hpp>
#include <persist/store.hpp>

#include <support/narrow.hpp>
#include <support/run_length.hpp>
#include <support/world.hpp>

#include <functional>
#include <optional>

namespace {

using namespace test;
using persist::Conflict;
using persist::codec::AnyOf;
using persist::codec::Cbor;
using persist::codec::Chunked;
using persist::codec::Compressed;
using persist::lock::Lease;
using NarrowDb = Narrow<Db>;
using Large =
    persist::Store<std::uint64_t, Player, NarrowDb, Lease<>, Chunked<Compressed<Cbor, RunLength>>>;
using Session = Large::Session;

/// A text that no run length shortens.
std::string text(std::size_t size, char first = 'a') {
  std::string made(size, first);
  for (std::size_t i = 1; i < size; i += 2)
    made[i] = static_cast<char>('0' + i % 10);
  return made;
}

struct Pieces : World {
  NarrowDb narrow{db};
  Large players{"players", narrow, options()};
  Large elsewhere{"players", narrow, options("us-1")};

  static persist::Result<persist::Saved> save(Session& session, const std::string& name) {
    session.edit()->name = name;
    return session.save();
  }
  Session filled(std::uint64_t key, const std::string& name) {
    auto session = *players.load(key);
    const auto saved = save(session, name);
    EXPECT_TRUE(saved) << saved.error();
    return session;
  }
  Session stolen(std::uint64_t key) {
    Large::LoadOptions steal;
    steal.conflict = Conflict::steal;
    return *elsewhere.load(key, std::move(steal));
  }
  std::string name_of(std::uint64_t key) {
    auto read = players.peek(key);
    EXPECT_TRUE(read) << read.error();
    return read ? read->data.name : "";
  }
  persist::StoreId open_raw(std::string_view name, persist::LockKind lock) {
    persist::OpenStoreRequest open;
    open.name = name;
    open.lock = lock;
    db.open_store(std::span(&open, 1));
    EXPECT_FALSE(failed(open.error)) << open.error;
    return open.store;
  }
  persist::StoreId pieces_store() { return open_raw("players#pieces", persist::LockKind::none); }
  /// The keys of pieces that have data.
  std::vector<std::string> pieces() {
    persist::ScanRequest page{.store = pieces_store()};
    db.scan(std::span(&page, 1));
    return page.keys;
  }
  /// Somebody damages a piece, or takes it away.
  void damage(const std::string& key, const std::function<void(persist::Buffer&)>& how) {
    persist::AcquireRequest taken{
        .store = pieces_store(), .key = key, .owner = db.next_owner(persist::ServerId("x"))};
    db.acquire(std::span(&taken, 1));
    persist::Buffer data = taken.record.data;
    how(data);
    persist::Change change;
    change.store = taken.store;
    change.key = key;
    change.fence = {taken.record.fence.epoch, taken.owner, 1};
    if (data.empty())
      change.removes_data = true;
    else
      change.data = &data;
    persist::CommitRequest commit{std::span(&change, 1)};
    db.commit(std::span(&commit, 1));
    EXPECT_EQ(commit.outcome, persist::CommitRequest::Outcome::applied);
  }
};

TEST_F(Pieces, a_large_record_is_another_servers_after_its_release) {
  auto session = filled(7, text(5000));
  EXPECT_EQ(pieces().size(), 4U);
  std::size_t sent = 0;
  for (const std::size_t size : narrow.told().sizes)
    sent += size;
  EXPECT_EQ(session.stored_bytes(), sent);
  EXPECT_EQ(players.metrics().bytes_saved, sent);
  EXPECT_EQ(players.inspect(7u)->bytes, sent);
  EXPECT_EQ(session.durable()->name, text(5000));
  const std::size_t encoded = session.usage().bytes;
  ASSERT_TRUE(session.release());
  EXPECT_EQ(name_of(7), text(5000));
  auto again = elsewhere.load(7u);
  ASSERT_TRUE(again) << again.error();
  EXPECT_EQ(again->view()->name, text(5000));
  EXPECT_EQ(again->stored_bytes(), sent);
  EXPECT_EQ(again->usage().bytes, encoded);
  const auto version = again->version();
  ASSERT_TRUE(again->release());
  EXPECT_EQ(players.peek(7u)->version, version) << "nothing changed";
  EXPECT_EQ(players.scan()->keys, std::vector<std::string>{"7"}) << "pieces are no records of it";
}

TEST_F(Pieces, a_poll_loads_and_saves_many_at_once) {
  std::vector<Session> open;
  for (std::uint64_t key = 0; key < 20; ++key) {
    open.push_back(*players.load(key));
    open.back().edit()->name = text(3000);
    (void)open.back().request_save();
  }
  db.script() = {};
  players.poll();
  EXPECT_EQ(db.script().commit_batches, 1U);
  EXPECT_EQ(db.script().acquire_batches, 1U) << "their pieces, all together";
  for (auto& session : open) {
    EXPECT_FALSE(session.is_dirty());
    ASSERT_TRUE(session.release());
  }
  auto begun = elsewhere.begin_load(3u);
  while (!begun.ready())
    elsewhere.poll();
  auto session = begun.take();
  ASSERT_TRUE(session) << session.error();
  EXPECT_EQ(session->view()->name, text(3000));
}

TEST_F(Pieces, who_has_them_saves_in_one_round_trip) {
  ASSERT_TRUE(filled(7, text(3000)).release());
  auto session = *elsewhere.load(7u);
  NarrowDb& theirs = elsewhere.core().backend();
  theirs.told() = {};
  ASSERT_TRUE(save(session, text(3000, 'b')));
  EXPECT_EQ(theirs.told().acquired, 0U);
  ASSERT_TRUE(save(session, text(5000, 'b')));
  EXPECT_EQ(theirs.told().acquired, 2U) << "those that are new";
  ASSERT_TRUE(save(session, text(5000, 'c')));
  EXPECT_EQ(theirs.told().acquired, 2U);
}

TEST_F(Pieces, of_one_record_are_not_anothers) {
  auto a = filled(1, text(3000, 'a'));
  auto b = filled(2, text(3000, 'b'));
  EXPECT_EQ(pieces().size(), 4U);
  EXPECT_EQ(name_of(1), text(3000, 'a'));
  EXPECT_EQ(name_of(2), text(3000, 'b'));
}

TEST_F(Pieces, go_when_the_record_shrinks) {
  auto session = filled(7, text(5000));
  ASSERT_TRUE(save(session, text(2500)));
  EXPECT_EQ(pieces().size(), 2U);
  EXPECT_EQ(name_of(7), text(2500));
  ASSERT_TRUE(save(session, std::string(5000, 'x')));
  EXPECT_EQ(pieces().size(), 0U) << "what was compressed is what is measured";
  EXPECT_LT(session.stored_bytes(), 200U);
  EXPECT_EQ(name_of(7), std::string(5000, 'x'));
  narrow.told().keys.clear();
  ASSERT_TRUE(save(session, "small"));
  EXPECT_EQ(narrow.told().keys, std::vector<std::string>{"7"}) << "nothing is left to be emptied";
}

TEST_F(Pieces, an_erased_record_leaves_none) {
  ASSERT_TRUE(filled(7, text(30'000)).release());
  EXPECT_GT(pieces().size(), 16U);
  auto other = filled(8, text(3000));
  ASSERT_TRUE(players.erase(7u));
  EXPECT_EQ(pieces().size(), 2U) << "another's";
  EXPECT_EQ(name_of(8), text(3000));
  EXPECT_TRUE(players.load(7u)->is_new());
}

TEST_F(Pieces, that_a_crash_left_of_an_erased_record_are_in_nobodys_way) {
  ASSERT_TRUE(filled(7, text(5000)).release());
  persist::EraseRequest erase{.store = players.core().store(), .key = "7"};
  db.erase(std::span(&erase, 1));
  EXPECT_EQ(pieces().size(), 4U);
  ASSERT_TRUE(filled(7, text(2500, 'b')).release());
  EXPECT_EQ(name_of(7), text(2500, 'b'));
  ASSERT_TRUE(players.erase(7u));
  EXPECT_EQ(pieces().size(), 0U);
  EXPECT_TRUE(players.erase(7u).is(Errc::not_found));
}

TEST_F(Pieces, of_a_record_that_is_made_while_the_old_one_is_erased_stay) {
  for (int moment = 0; moment < 3; ++moment) {
    ASSERT_TRUE(filled(7, text(5000)).release());
    const auto make = [&] {
      auto fresh = *elsewhere.load(7u);
      ASSERT_TRUE(save(fresh, text(2500, 'n')));
      ASSERT_TRUE(fresh.release());
    };
    if (moment == 0) db.script().after_erase = make;
    NarrowDb::Told& told = players.core().backend().told();
    if (moment == 1) told.after_read = make;
    if (moment == 2) told.after_read = [&] { told.after_read = [&] { told.after_read = make; }; };
    ASSERT_TRUE(players.erase(7u));
    EXPECT_EQ(name_of(7), text(2500, 'n')) << moment;
    ASSERT_TRUE(players.erase(7u));
    EXPECT_EQ(pieces().size(), 0U);
  }
}

TEST_F(Pieces, of_a_save_that_was_fenced_are_not_written) {
  auto session = filled(7, text(2500));
  auto thief = stolen(7);
  EXPECT_TRUE(save(session, text(5000, 'b')).is(Errc::fenced));
  EXPECT_EQ(session.state(), State::lost);
  EXPECT_EQ(pieces().size(), 2U);
  EXPECT_EQ(name_of(7), text(2500));
  ASSERT_TRUE(save(thief, text(5000, 'c')));
  EXPECT_EQ(name_of(7), text(5000, 'c'));
}

TEST_F(Pieces, that_who_lost_the_record_acquires_are_acquired_anew) {
  auto session = filled(7, "small");
  auto thief = stolen(7);
  ASSERT_TRUE(save(thief, text(3000)));
  EXPECT_TRUE(save(session, text(5000, 'b')).is(Errc::fenced));
  EXPECT_EQ(pieces().size(), 2U);
  auto saved = save(thief, text(4000, 'c'));
  ASSERT_TRUE(saved) << saved.error();
  EXPECT_EQ(name_of(7), text(4000, 'c'));
  EXPECT_EQ(thief.state(), State::open);
}

TEST_F(Pieces, that_somebody_acquires_each_time_hold_the_save_up) {
  auto session = filled(7, text(3000));
  const std::string key = pieces()[0];
  const std::function<void()> again = [&] {
    persist::AcquireRequest taken{
        .store = pieces_store(), .key = key, .owner = db.next_owner(persist::ServerId("x"))};
    db.acquire(std::span(&taken, 1));
    db.script().during_commit = again;
  };
  db.script().during_commit = again;
  EXPECT_TRUE(save(session, text(3000, 'b')).is(Errc::unavailable));
  EXPECT_EQ(name_of(7), text(3000));
  db.script().during_commit = nullptr;
  play(20s, players);
  EXPECT_EQ(name_of(7), text(3000, 'b'));
}

TEST_F(Pieces, that_somebody_keeps_to_himself_hold_up_a_load) {
  ASSERT_TRUE(filled(7, text(3000)).release());
  const std::string key = pieces()[0];
  persist::AcquireRequest taken{.store = pieces_store(),
                                .key = key,
                                .owner = db.next_owner(persist::ServerId("x")),
                                .lease = 60s};
  db.acquire(std::span(&taken, 1));
  EXPECT_TRUE(players.load(7u).is(Errc::unavailable)) << "and not damaged";
  clock.advance(61s);
  EXPECT_TRUE(players.load(7u));
}

TEST_F(Pieces, that_an_erase_could_not_reach_are_for_another_one) {
  ASSERT_TRUE(filled(7, text(3000)).release());
  db.script().acquires = {{Errc::unavailable}};
  const auto erased = players.erase(7u);
  ASSERT_TRUE(erased.is(Errc::unavailable)) << erased.error();
  EXPECT_NE(erased.error().detail().find("erase it again"), std::string_view::npos);
  EXPECT_TRUE(players.peek(7u).is(Errc::not_found));
  EXPECT_EQ(pieces().size(), 2U);
  EXPECT_TRUE(players.erase(7u).is(Errc::not_found));
  EXPECT_EQ(pieces().size(), 0U);
}

TEST_F(Pieces, go_again_as_they_were_when_a_reply_was_lost) {
  auto session = *players.load(7u);
  session.edit()->name = text(3000);
  for (int tries = 0; tries < 2; ++tries)
    db.fail_commits(Errc::unknown_outcome);
  db.lose_reply();
  NarrowDb::Told& told = players.core().backend().told();
  const int before = RunLength::compressed;
  EXPECT_TRUE(session.release().is(Errc::unknown_outcome));
  play(20s, players);
  EXPECT_EQ(session.state(), State::released);
  EXPECT_EQ(RunLength::compressed, before + 1);
  ASSERT_EQ(told.keys.size(), 4U * 3U);
  for (std::size_t i = 3; i < told.keys.size(); ++i)
    EXPECT_EQ(told.keys[i], told.keys[i - 3]);
  EXPECT_EQ(name_of(7), text(3000));
}

TEST_F(Pieces, that_may_have_been_written_are_emptied_by_a_later_save) {
  auto session = *players.load(7u);
  db.lose_reply();
  EXPECT_TRUE(save(session, text(5000)).is(Errc::unknown_outcome));
  EXPECT_EQ(pieces().size(), 4U);
  session.edit()->name = "small";
  play(20s, players);
  EXPECT_FALSE(session.is_dirty());
  EXPECT_EQ(pieces().size(), 0U);
  EXPECT_EQ(name_of(7), "small");
}

TEST_F(Pieces, that_may_still_be_there_are_emptied_by_a_later_save) {
  auto session = filled(7, text(5000));
  db.fail_commits(Errc::unknown_outcome);
  EXPECT_TRUE(save(session, text(2500)).is(Errc::unknown_outcome));
  EXPECT_EQ(pieces().size(), 4U) << "it did not land";
  session.edit()->name = "small";
  play(20s, players);
  EXPECT_FALSE(session.is_dirty());
  EXPECT_EQ(pieces().size(), 0U);
}

TEST_F(Pieces, of_a_save_that_failed_are_not_written) {
  auto session = *players.load(7u);
  db.fail_commits(Errc::unavailable);
  EXPECT_TRUE(save(session, text(5000)).is(Errc::unavailable));
  EXPECT_EQ(pieces().size(), 0U);
  play(20s, players);
  EXPECT_EQ(name_of(7), text(5000));
}

TEST_F(Pieces, that_cannot_be_acquired_hold_the_save_up_and_nobody_elses) {
  auto session = *players.load(7u);
  auto other = *players.load(8u);
  db.script().acquires = {{Errc::unknown_outcome, true}};
  EXPECT_TRUE(save(session, text(3000)).is(Errc::unavailable)) << "it was not sent, that is known";
  clock.advance(2s);
  db.script().acquires = {{Errc::unknown_outcome, true}};
  session.edit()->name = text(3000);
  other.edit()->coins = 3;
  (void)session.request_save();
  (void)other.request_save();
  players.poll();
  EXPECT_TRUE(session.is_dirty());
  EXPECT_FALSE(other.is_dirty());
  EXPECT_EQ(players.core().backend().told().keys, std::vector<std::string>{"8"});
  play(20s, players);
  EXPECT_EQ(name_of(7), text(3000));
}

TEST_F(Pieces, that_are_damaged_or_missing_are_corrupt_and_nothing_is_replaced) {
  ASSERT_TRUE(filled(7, text(5000)).release());
  const std::vector<std::string> keys = pieces();
  for (const auto& how : std::vector<std::function<void(persist::Buffer&)>>{
           [](auto& data) { data.data()[3] ^= std::byte{1}; },
           [](auto& data) { data = persist::Buffer(); }}) {
    damage(keys[1], how);
    EXPECT_TRUE(players.peek(7u).is(Errc::corrupt));
    const auto loaded = players.load(7u);
    ASSERT_TRUE(loaded.is(Errc::corrupt)) << loaded.error();
    EXPECT_EQ(loaded.error().key(), "7");
    EXPECT_TRUE(players.overwrite(7u, Player{}).is(Errc::corrupt));
    EXPECT_GE(pieces().size(), 3U);
  }
  ASSERT_TRUE(players.erase(7u));
  EXPECT_TRUE(players.load(7u)->is_new());
}

TEST_F(Pieces, that_are_read_while_the_record_is_saved_are_read_again) {
  auto session = filled(7, text(3000));
  NarrowDb::Told& told = elsewhere.core().backend().told();
  told.after_read = [&] { ASSERT_TRUE(save(session, text(6000, 'b'))); };
  auto seen = elsewhere.peek(7u);
  ASSERT_TRUE(seen) << seen.error();
  EXPECT_EQ(seen->data.name, text(6000, 'b'));
  EXPECT_EQ(seen->version, session.version());
  told.after_read = [&] { ASSERT_TRUE(save(session, "small")); };
  EXPECT_EQ(elsewhere.peek(7u)->data.name, "small");
  ASSERT_TRUE(save(session, text(3000)));
  told.after_read = [&] { ASSERT_TRUE(players.erase(7u)); };
  EXPECT_TRUE(elsewhere.peek(7u).is(Errc::not_found));
}

TEST_F(Pieces, of_another_session_are_not_what_this_one_has_durable) {
  auto session = filled(7, text(3000));
  NarrowDb::Told& told = players.core().backend().told();
  told.after_read = [&] {
    auto thief = stolen(7);
    ASSERT_TRUE(save(thief, text(3000, 'c')));
  };
  EXPECT_TRUE(session.durable().is(Errc::fenced));
}

TEST_F(Pieces, that_are_saved_each_time_they_are_read_are_unavailable) {
  auto session = filled(7, text(3000));
  NarrowDb::Told& told = elsewhere.core().backend().told();
  char next = 'b';
  const std::function<void()> again = [&] {
    ASSERT_TRUE(save(session, text(3000, next++)));
    told.after_read = again;
  };
  told.after_read = again;
  EXPECT_TRUE(elsewhere.peek(7u).is(Errc::unavailable));
  told.after_read = nullptr;
}

TEST_F(Pieces, of_a_record_that_is_taken_while_it_is_loaded_are_no_damage) {
  ASSERT_TRUE(filled(7, text(3000)).release());
  std::optional<Session> thief;
  // The second acquisition of the load is that of the pieces.
  db.script().during_acquire = [&] {
    db.script().during_acquire = [&] {
      thief = stolen(7);
      ASSERT_TRUE(save(*thief, text(3000, 'c')));
    };
  };
  Large third("players", narrow, options("as-1"));
  const auto loaded = third.try_load(7u);
  EXPECT_TRUE(loaded.is(Errc::unavailable)) << loaded.error();
  EXPECT_EQ(name_of(7), text(3000, 'c'));
}

TEST_F(Pieces, of_a_transaction_are_written_with_all_of_it) {
  auto a = filled(1, text(3000, 'a'));
  auto b = filled(2, text(3000, 'b'));
  const auto trade = [](Player& from, Player& to) -> persist::Result<void> {
    from.coins -= 30, to.coins += 30;
    std::swap(from.name, to.name);
    return persist::success;
  };
  db.script() = {};
  ASSERT_TRUE(players.transact(a, b, trade));
  EXPECT_EQ(db.script().commit_requests, 1U);
  EXPECT_EQ(db.script().changes, 6U);
  EXPECT_EQ(name_of(1), text(3000, 'b'));
  EXPECT_EQ(name_of(2), text(3000, 'a'));
  auto thief = stolen(2);
  (void)players.transact(a, b, trade);
  EXPECT_EQ(a.state(), State::lost);
  EXPECT_EQ(b.state(), State::lost);
  EXPECT_EQ(name_of(1), text(3000, 'b')) << "and none of it";
  EXPECT_EQ(name_of(2), text(3000, 'a'));
}

TEST_F(Pieces, of_one_save_that_has_begun_go_before_a_transaction) {
  auto a = filled(1, text(3000));
  auto b = filled(2, text(3000));
  auto& core = players.core();
  const auto trade = [](Player& from, Player& to) -> persist::Result<void> {
    from.coins -= 30, to.coins += 30;
    return persist::success;
  };
  persist::Flight flight;
  {
    persist::detail::Transaction<Large::Stack, Large::Stack> transaction(a, b);
    ASSERT_FALSE(failed(transaction.check()));
    // What another thread does that saves one of the partners between the check and the change.
    a.edit()->level = 2;
    flight.add(persist::SessionPtr(&a.node()), core);
    flight.changes.resize(1);
    ASSERT_FALSE(failed(core.board(a.node(), persist::Aim::save)));
    EXPECT_TRUE(transaction.run(trade).is(Errc::busy));
  }
  core.cut(a.node(), flight.cuts[0], flight.changes[0]);
  flight.request.changes = flight.changes;
  persist::perform(core.backend(), flight);
  EXPECT_EQ(flight.request.changes.size(), 3U);
  persist::Result<persist::Saved> result;
  core.settle(a.node(), flight.cuts[0], flight.changes[0], flight, result);
  ASSERT_TRUE(result) << result.error();
  db.script() = {};
  EXPECT_EQ(*players.transact(a, b, trade), persist::Transacted::durable);
  EXPECT_EQ(db.script().changes, 6U);
  EXPECT_EQ(players.peek(1u)->data.coins, 70);
  EXPECT_EQ(players.peek(2u)->data.coins, 130);
}

/// A store whose codec splits nothing yet, and whose records may be empty.
using Beginning = persist::Store<std::uint64_t, std::optional<Player>, NarrowDb, Lease<>,
                                 AnyOf<Cbor, Chunked<Cbor>>>;

TEST_F(Pieces, are_joined_and_emptied_by_a_codec_that_only_reads_them) {
  ASSERT_TRUE(filled(7, text(3000)).release());
  Beginning before("players", narrow, options());
  auto session = *before.load(7u);
  EXPECT_EQ((**session.view()).name, text(3000));
  session.edit()->value().coins = 3;
  const auto saved = session.save();
  ASSERT_TRUE(saved.is(Errc::too_large)) << saved.error();
  EXPECT_EQ(saved.error().key(), "7");
  EXPECT_TRUE(session.is_dirty());
  EXPECT_EQ(players.peek(7u)->data.coins, 100);
  session.edit()->reset();
  ASSERT_TRUE(session.save());
  EXPECT_EQ(pieces().size(), 0U);
  EXPECT_TRUE(players.peek(7u).is(Errc::not_found));
}

using Whole = persist::Store<std::uint64_t, Save, NarrowDb, Lease<>, Cbor>;

TEST_F(Pieces, a_record_that_is_too_large_for_its_backend_is_not_sent) {
  Whole whole("whole", narrow, options());
  whole.on_message([](Player& player, const Letter& letter) { player.name = letter.text; });
  auto session = *whole.load(7u);
  db.script() = {};
  session.edit()->name = text(3000);
  const auto saved = session.save();
  ASSERT_TRUE(saved.is(Errc::too_large)) << saved.error();
  EXPECT_NE(saved.error().detail().find("the limit is 1024"), std::string_view::npos);
  EXPECT_EQ(db.script().commit_requests, 0U);
  EXPECT_TRUE(session.is_dirty());
  session.edit()->name = "small";
  ASSERT_TRUE(session.save());
  const auto granted = session.grant_once("purchase", [](Player& player) {
    player.name = text(3000);
    return persist::Result<void>(persist::success);
  });
  EXPECT_TRUE(granted.is(Errc::too_large)) << "or all later saves would be refused";
  EXPECT_EQ(session.view()->name, "small");
}

TEST_F(Pieces, have_a_store_that_no_game_opens) {
  Large theirs("theirs#pieces", narrow, options());
  EXPECT_TRUE(theirs.status().is(Errc::invalid));
  EXPECT_TRUE(theirs.load(1u).is(Errc::invalid));
  (void)open_raw("others#pieces", persist::LockKind::lease);
  Large others("others", narrow, options());
  EXPECT_TRUE(others.load(1u).is(Errc::invalid)) << "somebody else made it";
}

TEST_F(Pieces, one_that_only_looks_leaves_them_with_their_holder) {
  auto held = filled(1, text(9000));
  Large::LoadOptions ignoring;
  ignoring.lock = persist::LockUse::ignore;
  auto looking = elsewhere.load(1, ignoring);
  ASSERT_TRUE(looking) << looking.error();
  EXPECT_EQ(looking->view()->name, text(9000));
  db.script() = {};
  ASSERT_TRUE(save(held, text(9001)));
  EXPECT_EQ(db.script().acquire_requests, 0U) << "it has its pieces still";
  EXPECT_TRUE(save(*looking, text(50)).is(Errc::fenced)) << "the holder saved since";
  EXPECT_EQ(name_of(1), text(9001));
}

TEST_F(Pieces, a_claim_writes_those_that_it_needs_and_empties_the_others) {
  auto held = filled(1, text(9000));
  const auto before = pieces().size();
  Large::LoadOptions ignoring;
  ignoring.lock = persist::LockUse::ignore;
  auto repair = elsewhere.load(1, ignoring);
  ASSERT_TRUE(repair) << repair.error();
  ASSERT_TRUE(save(*repair, text(3000, 'b')));
  EXPECT_LT(pieces().size(), before);
  EXPECT_EQ(name_of(1), text(3000, 'b'));
  EXPECT_TRUE(save(held, text(5)).is(Errc::fenced));
  ASSERT_TRUE(save(*repair, text(8000, 'c')));
  EXPECT_EQ(name_of(1), text(8000, 'c'));
}

TEST_F(Pieces, a_record_with_many_writers_may_be_large) {
  using Guilds = persist::Store<std::uint64_t, Player, NarrowDb, persist::lock::Optimistic,
                                Chunked<Compressed<Cbor, RunLength>>>;
  Guilds one("guilds", narrow, options()), two("guilds", narrow, options("us-1"));
  for (int i = 0; i < 4; ++i) {
    Guilds& guilds = i % 2 == 0 ? one : two;
    const auto grow = [](Player& chest) { chest.name += text(3000); };
    const auto done = guilds.update(1, grow, {.create = true});
    ASSERT_TRUE(done) << done.error();
  }
  EXPECT_EQ(one.peek(1)->data.name.size(), 12000U);
}

}  // namespace
