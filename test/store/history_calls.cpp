#include <persist/store/history_calls.hpp>

#include <persist/codec/chunked.hpp>
#include <persist/lock/optimistic.hpp>
#include <persist/testing/faulty.hpp>

#include <support/narrow.hpp>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "spill_case.hpp"

// Older states of records, from where a game and a person see them.

namespace test {
namespace {

using persist::HistoryRule;
using persist::KeptVersion;
using persist::Value;
using persist::codec::Cbor;
using persist::lock::Lease;
using Shared = persist::Store<std::uint64_t, Save, Db, persist::access::Shared<Lease<>>>;

struct HistoryCalls : SpillCase {
  persist::StoreOptions keeping(HistoryRule rule = {.keep = 5}, std::string server = "eu-1") {
    auto told = options(std::move(server));
    told.history = rule;
    return told;
  }
  Players players{"players", db, keeping()};

  /// Saves that many coins, and says under which version.
  template <class Store>
  std::uint64_t save(Store& store, std::uint64_t key, std::int64_t coins) {
    auto session = store.load(key);
    EXPECT_TRUE(session) << session.error();
    session->edit([&](auto& data) { data.coins = coins; });
    const auto saved = session->release();
    EXPECT_TRUE(saved) << saved.error();
    clock.advance(1min);
    return saved->version;
  }
  std::uint64_t save(std::uint64_t key, std::int64_t coins) { return save(players, key, coins); }
  template <class Store>
  std::vector<std::int64_t> coins_kept(Store& store, std::uint64_t key) {
    std::vector<std::int64_t> all;
    const auto versions = store.versions(key);
    EXPECT_TRUE(versions) << versions.error();
    for (const KeptVersion& each : *versions)
      all.push_back(store.peek(key, each.version)->data.coins);
    return all;
  }
  using Coins = std::vector<std::int64_t>;
};

TEST_F(HistoryCalls, a_store_that_is_not_told_to_keeps_nothing) {
  Players plain = open();
  for (const std::int64_t coins : {1, 2, 3})
    save(plain, 1, coins);
  EXPECT_TRUE(plain.versions(1u)->empty());
}

TEST_F(HistoryCalls, half_a_rule_of_periods_is_refused_in_words) {
  for (const HistoryRule& half : {HistoryRule{.every = 1h}, HistoryRule{.for_ = 24h}}) {
    Players store("halves", db, keeping(half));
    EXPECT_TRUE(store.status().is(Errc::invalid));
  }
}

TEST_F(HistoryCalls, versions_lists_what_is_kept_in_pages_and_between_times) {
  const auto began = clock.wall();
  for (const std::int64_t coins : {1, 2, 3, 4, 5, 6, 7})
    save(1, coins);
  const auto all = players.versions(1u);
  ASSERT_TRUE(all) << all.error();
  ASSERT_EQ(all->size(), 5U);
  EXPECT_EQ(all->front().version, 6U);
  EXPECT_EQ(all->back().version, 2U);
  EXPECT_EQ(all->front().until - all->front().at, 1min);
  EXPECT_GT(all->front().bytes, 0U);
  const auto oldest = players.versions(1u, {.newest_first = false, .most = 2});
  ASSERT_EQ(oldest->size(), 2U);
  EXPECT_EQ(oldest->front().version, 2U);
  EXPECT_EQ(oldest->back().version, 3U);
  const auto between = players.versions(1u, {.from = began + 3min, .to = began + 4min});
  ASSERT_EQ(between->size(), 2U);
  EXPECT_EQ(between->front().version, 5U);
  EXPECT_EQ(between->back().version, 4U);
  EXPECT_TRUE(players.versions(2u).is(Errc::not_found));
}

TEST_F(HistoryCalls, peek_reads_an_older_state_and_says_when_it_was) {
  const auto began = clock.wall();
  const auto first = save(1, 10);
  save(1, 20);
  const auto old = players.peek(1u, first);
  ASSERT_TRUE(old) << old.error();
  EXPECT_EQ(old->data.coins, 10);
  EXPECT_EQ(old->version, first);
  EXPECT_EQ(old->updated, began);
  EXPECT_EQ(players.peek(1u)->data.coins, 20);
  EXPECT_EQ(players.peek(1u, 2)->data.coins, 20) << "what is there has a version too";
  const auto gone = players.peek(1u, 9);
  ASSERT_TRUE(gone.is(Errc::not_found));
  EXPECT_NE(gone.error().message().find("there are 2 (now), 1"), std::string::npos) << gone.error();
  EXPECT_TRUE(players.peek(7u, 1).is(Errc::not_found));
}

TEST_F(HistoryCalls, a_restore_can_be_undone_by_another) {
  const auto first = save(1, 10);
  const auto second = save(1, 20);
  const auto restored = players.restore(1u, first);
  ASSERT_TRUE(restored) << restored.error();
  EXPECT_EQ(restored->version, 3U);
  EXPECT_EQ(players.peek(1u)->data.coins, 10);
  EXPECT_EQ(coins_kept(players, 1), (Coins{20, 10}));
  ASSERT_TRUE(players.restore(1u, second));
  EXPECT_EQ(players.peek(1u)->data.coins, 20);
  EXPECT_EQ(coins_kept(players, 1), (Coins{10, 20, 10}));
  EXPECT_TRUE(players.restore(1u, 77).is(Errc::not_found));
  EXPECT_TRUE(players.restore(2u, 1).is(Errc::not_found));
  EXPECT_TRUE(players.versions(2u).is(Errc::not_found)) << "and makes no record";
}

TEST_F(HistoryCalls, a_restore_changes_data_only) {
  const auto first = save(1, 10);
  {
    auto session = *players.load(1u);
    ASSERT_TRUE(session.grant_once("receipt", [](Player& player) { player.coins = 30; }));
    ASSERT_TRUE(session.add_user_id(1001));
    ASSERT_TRUE(session.set_metadata(Value("note")));
    ASSERT_TRUE(session.release());
  }
  ASSERT_TRUE(players.post(1u, Gift{1}));
  ASSERT_TRUE(players.restore(1u, first));
  EXPECT_EQ(players.peek(1u)->data.coins, 10);
  EXPECT_EQ(players.peek(1u)->user_ids, (std::vector<std::uint64_t>{1001}));
  EXPECT_EQ(players.peek(1u)->metadata, Value("note"));
  EXPECT_EQ(players.peek_inbox(1u)->size(), 1U);
  EXPECT_EQ(*players.grant_once(1u, "receipt", [](Player& player) { player.coins = 99; }),
            persist::Grant::durable)
      << "nobody buys it twice";
  EXPECT_EQ(players.peek(1u)->data.coins, 10);
}

TEST_F(HistoryCalls, who_has_the_record_elsewhere_loses_it_to_a_restore) {
  const auto first = save(1, 10);
  save(1, 20);
  Players elsewhere("players", db, keeping({.keep = 5}, "us-1"));
  auto session = *elsewhere.load(1u);
  session.edit()->coins = 1000;
  ASSERT_TRUE(players.restore(1u, 77).is(Errc::not_found));
  ASSERT_TRUE(session.save()) << "a restore that is refused takes nothing from anybody";
  ASSERT_TRUE(players.restore(1u, first));
  session.edit()->coins = 2000;
  EXPECT_TRUE(session.save().is(Errc::fenced));
  EXPECT_EQ(session.state(), State::lost);
  EXPECT_EQ(players.peek(1u)->data.coins, 10);
  EXPECT_EQ(coins_kept(players, 1), (Coins{1000, 20, 10}));
}

TEST_F(HistoryCalls, the_session_that_is_open_here_goes_on_with_the_older_state) {
  const auto first = save(1, 10);
  auto session = *players.load(1u);
  session.edit()->coins = 20;
  ASSERT_TRUE(session.save());
  session.edit()->coins = 30;  // not saved
  const auto restored = players.restore(1u, first);
  ASSERT_TRUE(restored) << restored.error();
  EXPECT_EQ(session.view()->coins, 10);
  EXPECT_EQ(session.state(), State::open);
  EXPECT_FALSE(session.is_dirty());
  EXPECT_EQ(players.peek(1u)->data.coins, 10);
  EXPECT_EQ(coins_kept(players, 1), (Coins{20, 10}));
  const auto guard = session.edit();
  EXPECT_TRUE(players.restore(1u, first).is(Errc::busy));
}

TEST_F(HistoryCalls, a_session_restores_its_data_as_an_edit) {
  const auto first = save(1, 10);
  auto session = *players.load(1u);
  session.edit()->coins = 20;
  ASSERT_TRUE(session.save());
  int changes = 0;
  const auto watching = session.on_changed<&Player::coins>([&](auto&&...) { ++changes; });
  ASSERT_TRUE(session.restore(first));
  EXPECT_EQ(changes, 1);
  EXPECT_TRUE(session.is_dirty());
  EXPECT_EQ(session.view()->coins, 10);
  EXPECT_EQ(players.peek(1u)->data.coins, 20) << "until the next save";
  ASSERT_TRUE(session.save());
  EXPECT_EQ(players.peek(1u)->data.coins, 10);
  const auto gone = session.restore(77);
  ASSERT_TRUE(gone.is(Errc::not_found));
  EXPECT_EQ(gone.error().key(), "1");
  EXPECT_FALSE(session.is_dirty());
  {
    const auto guard = session.edit();
    EXPECT_TRUE(session.restore(first).is(Errc::busy));
  }
  ASSERT_TRUE(session.release());
  EXPECT_TRUE(session.restore(first).is(Errc::closed));
}

struct Purse {
  std::int64_t coins = 0;
};
struct Lenient {
  using data_type = Purse;
};
struct Strict {
  using data_type = Purse;
  static persist::Result<void> validate(const Purse& purse) {
    if (purse.coins < 100) return persist::success;
    return persist::Error(Errc::invalid, "too rich");
  }
};

TEST_F(HistoryCalls, a_state_that_breaks_a_rule_of_today_is_not_restored) {
  using Old = persist::Store<std::uint64_t, Lenient, Db>;
  using New = persist::Store<std::uint64_t, Strict, Db>;
  std::uint64_t rich = 0;
  {
    Old purses("purses", db, keeping());
    rich = save(purses, 1, 500);
    save(purses, 1, 50);
  }
  New purses("purses", db, keeping());
  Old elsewhere("purses", db, keeping({}, "us-1"));
  auto held = *elsewhere.load(1u);
  EXPECT_TRUE(purses.restore(1u, rich).is(Errc::invalid));
  held.touch();
  ASSERT_TRUE(held.release()) << "nobody loses the record to a restore that is refused";
  auto session = *purses.load(1u);
  EXPECT_TRUE(session.restore(rich).is(Errc::invalid));
  EXPECT_EQ(session.view()->coins, 50);
  EXPECT_FALSE(session.is_dirty());
}

/// A newer build, with a member that the other has not.
struct Newer {
  std::int64_t coins = 0;
  std::string title = "none";
};
Newer upgrade(Purse&& old) {
  return {old.coins, "squire"};
}
struct SavesNewer {
  using data_type = Newer;
  using migrations = persist::Migrations<Purse, persist::Additive<Newer>>;
};

TEST_F(HistoryCalls, an_older_state_is_read_and_restored_as_what_the_type_is_today) {
  using Old = persist::Store<std::uint64_t, Lenient, Db>;
  using New = persist::Store<std::uint64_t, SavesNewer, Db>;
  std::uint64_t first = 0;
  {
    Old purses("purses", db, keeping());
    first = save(purses, 1, 10);
  }
  New purses("purses", db, keeping());
  save(purses, 1, 20);
  EXPECT_EQ(purses.peek(1u, first)->data.title, "squire");
  ASSERT_TRUE(purses.restore(1u, first));
  EXPECT_EQ(purses.peek(1u)->data.title, "squire");
  EXPECT_EQ(purses.peek(1u)->data.coins, 10);
}

TEST_F(HistoryCalls, what_this_build_does_not_know_survives_a_restore) {
  using Old = persist::Store<std::uint64_t, Lenient, Db>;
  using New = persist::Store<std::uint64_t, SavesNewer, Db>;
  std::uint64_t titled = 0;
  {
    New newer("purses", db, keeping());
    auto session = *newer.load(1u);
    session.edit()->title = "duke";
    titled = session.save()->version;
    session.edit()->title = "none any more";
    ASSERT_TRUE(session.release());
  }
  Old older("purses", db, keeping());
  ASSERT_TRUE(older.restore(1u, titled));
  {
    auto session = *older.load(1u);
    ASSERT_TRUE(session.restore(titled));
    session.edit()->coins = 7;
    ASSERT_TRUE(session.release());
  }
  New newer("purses", db, keeping());
  EXPECT_EQ(newer.peek(1u)->data.title, "duke") << "and it is not migrated a second time";
  EXPECT_EQ(newer.peek(1u)->data.coins, 7);
}

TEST_F(HistoryCalls, a_restore_that_is_refused_leaves_what_this_build_does_not_know) {
  using Old = persist::Store<std::uint64_t, Lenient, Db>;
  using New = persist::Store<std::uint64_t, SavesNewer, Db>;
  using Wary = persist::Store<std::uint64_t, Strict, Db>;
  std::uint64_t rich = 0;
  {
    Old older("purses", db, keeping());
    rich = save(older, 1, 500);
    New newer("purses", db, keeping());
    auto session = *newer.load(1u);
    session.edit([](Newer& purse) { purse = {50, "duke"}; });
    ASSERT_TRUE(session.release());
  }
  Wary wary("purses", db, keeping());
  auto session = *wary.load(1u);
  ASSERT_TRUE(session.restore(rich).is(Errc::invalid));
  session.edit()->coins = 60;
  ASSERT_TRUE(session.release());
  New newer("purses", db, keeping());
  EXPECT_EQ(newer.peek(1u)->data.coins, 60);
  EXPECT_EQ(newer.peek(1u)->data.title, "duke");
}

TEST_F(HistoryCalls, a_difference_is_a_json_patch) {
  const auto first = save(1, 10);
  {
    auto session = *players.load(1u);
    session.edit()->name = "Ann";
    session.edit()->coins = 20;
    ASSERT_TRUE(session.release());
  }
  const auto text = players.diff(1u, first, 0);
  ASSERT_TRUE(text) << text.error();
  EXPECT_EQ(*text, R"([{"op":"replace","path":"/name","value":"Ann"},)"
                   R"({"op":"replace","path":"/coins","value":20}])");
  EXPECT_EQ(*players.diff(1u, first, first), "[]");
  EXPECT_EQ(*players.diff(1u, 0, first), R"([{"op":"replace","path":"/name","value":""},)"
                                         R"({"op":"replace","path":"/coins","value":10}])");
  EXPECT_TRUE(players.diff(1u, first, 9).is(Errc::not_found));
  EXPECT_TRUE(players.diff(1u, 9, first).is(Errc::not_found));
}

TEST_F(HistoryCalls, an_erased_record_has_no_older_states_and_none_come_back) {
  save(1, 10);
  save(1, 20);
  ASSERT_TRUE(players.erase(1u));
  EXPECT_TRUE(players.versions(1u).is(Errc::not_found));
  save(1, 30);
  EXPECT_TRUE(players.versions(1u)->empty());
}

TEST_F(HistoryCalls, a_save_whose_reply_was_lost_is_kept_once) {
  save(1, 10);
  auto session = *players.load(1u);
  session.edit()->coins = 20;
  db.lose_reply();
  EXPECT_TRUE(session.save().is(Errc::unknown_outcome));
  session.edit()->coins = 30;
  play(10s, players);
  ASSERT_TRUE(session.release());
  EXPECT_EQ(coins_kept(players, 1), (Coins{20, 10}));
}

TEST_F(HistoryCalls, a_trade_keeps_the_states_of_both) {
  auto one = *players.load(1u), two = *players.load(2u);
  ASSERT_TRUE(one.save({.force = true}) && two.save({.force = true}));
  ASSERT_TRUE(players.transact(
      one, two, [](Player& mine, Player& theirs) { mine.coins -= 5, theirs.coins += 5; }));
  EXPECT_EQ(coins_kept(players, 1), (Coins{100}));
  EXPECT_EQ(coins_kept(players, 2), (Coins{100}));
}

TEST_F(HistoryCalls, a_rule_that_is_taken_away_leaves_what_was_kept) {
  const auto first = save(1, 10);
  save(1, 20);
  Players plain = open();
  save(plain, 1, 30);
  EXPECT_EQ(coins_kept(plain, 1), (Coins{10}));
  ASSERT_TRUE(plain.restore(1u, first));
  EXPECT_EQ(plain.peek(1u)->data.coins, 10);
}

TEST_F(HistoryCalls, a_spilled_save_keeps_what_it_replaces_when_it_is_sent) {
  {
    auto told = spilling();
    told.history = {.keep = 5};
    Players spills("players", db, told);
    save(spills, 1, 10);
    auto session = *spills.load(1u);
    session.edit()->coins = 20;
    down();
    EXPECT_EQ(spills.close_all(10s), 1U);
  }
  up();
  Players sends = open_spilling();  // which itself has no rule
  EXPECT_TRUE(sends.spilled()->empty());
  EXPECT_EQ(sends.peek(1u)->data.coins, 20);
  EXPECT_EQ(coins_kept(sends, 1), (Coins{10}));
}

struct MaybeSave {
  using data_type = std::optional<Player>;
};

TEST_F(HistoryCalls, data_that_was_removed_can_be_restored) {
  using Maybe = persist::Store<std::uint64_t, MaybeSave, Db>;
  Maybe maybe("maybe", db, keeping());
  auto session = *maybe.load(1u);
  session.edit()->emplace().coins = 10;
  const auto first = session.save()->version;
  session.edit()->reset();
  ASSERT_TRUE(session.release());
  EXPECT_TRUE(maybe.peek(1u).is(Errc::not_found));
  ASSERT_EQ(maybe.versions(1u)->size(), 1U);
  EXPECT_EQ(maybe.peek(1u, first)->data->coins, 10);
  ASSERT_TRUE(maybe.restore(1u, first));
  EXPECT_EQ(maybe.peek(1u)->data->coins, 10);
}

TEST_F(HistoryCalls, states_of_another_shape_are_read_under_the_schema_that_they_share) {
  using Old = persist::Store<std::uint64_t, Lenient, Db, Lease<>, persist::codec::SharedPacked>;
  using New = persist::Store<std::uint64_t, SavesNewer, Db, Lease<>, persist::codec::SharedPacked>;
  std::uint64_t first = 0;
  {
    Old purses("purses", db, keeping());
    first = save(purses, 1, 10);
  }
  New purses("purses", db, keeping());
  save(purses, 1, 20);
  const auto old = purses.peek(1u, first);
  ASSERT_TRUE(old) << old.error();
  EXPECT_EQ(old->data.coins, 10);
  EXPECT_EQ(old->data.title, "squire");
  ASSERT_TRUE(purses.restore(1u, first));
  EXPECT_EQ(purses.peek(1u)->data.coins, 10);
}

TEST_F(HistoryCalls, a_store_whose_records_may_lie_in_pieces_keeps_no_history) {
  using Chunky =
      persist::Store<std::uint64_t, Save, Narrow<Db>, Lease<>, persist::codec::Chunked<Cbor>>;
  Chunky refused("chunky", Narrow<Db>(db), keeping());
  ASSERT_TRUE(refused.status().is(Errc::unsupported));
  EXPECT_NE(refused.status().error().message().find("Chunked"), std::string::npos);
  EXPECT_TRUE(refused.load(1u).is(Errc::unsupported));
  Chunky plain("chunky", Narrow<Db>(db), options());
  EXPECT_TRUE(plain.status());
}

/// Of a record that another tool kept the states of.
TEST_F(HistoryCalls, a_state_that_lay_in_pieces_is_not_read_as_another) {
  using Chunky =
      persist::Store<std::uint64_t, Save, Narrow<Db>, Lease<>, persist::codec::Chunked<Cbor>>;
  Chunky chunky("chunky", Narrow<Db>(db), options());
  auto session = *chunky.load(1u);
  session.edit()->name = std::string(5000, 'x');
  ASSERT_TRUE(session.release());
  persist::OpenStoreRequest open;
  open.name = "chunky";
  db.open_store({&open, 1});
  persist::AcquireRequest take{open.store, "1", db.next_owner(persist::ServerId("tool"))};
  db.acquire({&take, 1});
  const HistoryRule rule{.keep = 5};
  persist::Buffer same(take.record.data.view());
  persist::Change change;
  change.store = open.store, change.key = "1", change.data = &same, change.history = &rule;
  change.fence = {take.record.fence.epoch, take.owner, 1};
  change.lease = persist::LeaseChange::release;
  persist::CommitRequest commit{{&change, 1}};
  db.commit({&commit, 1});
  ASSERT_EQ(chunky.versions(1u)->size(), 1U);
  EXPECT_TRUE(chunky.peek(1u, 1).is(Errc::unsupported));
  EXPECT_TRUE(chunky.restore(1u, 1).is(Errc::unsupported));
}

/// As a backend that knows nothing of it.
struct Forgetful : persist::backend::Memory {
  static constexpr bool keeps_history = false;
  using Memory::Memory;
};

TEST_F(HistoryCalls, a_backend_that_keeps_no_history_is_not_asked_to) {
  static_assert(!persist::versioned_backend<Forgetful>);
  using OnForgetful = persist::Store<std::uint64_t, Save, Forgetful>;
  const Forgetful backend(clock);
  EXPECT_TRUE(OnForgetful("players", backend, keeping()).status().is(Errc::unsupported));
  OnForgetful plain("players", backend, options());
  save(plain, 1, 10);
  EXPECT_TRUE(plain.versions(1u).is(Errc::unsupported));
  EXPECT_TRUE(plain.peek(1u, 1).is(Errc::unsupported));
  EXPECT_TRUE(plain.restore(1u, 1).is(Errc::unsupported));
  EXPECT_TRUE(plain.diff(1u, 1, 1).is(Errc::unsupported));
  EXPECT_EQ(plain.peek(1u)->data.coins, 10);
}

TEST_F(HistoryCalls, shared_and_optimistic_stores_have_it_too) {
  Shared shared("shared", db, keeping());
  const auto first = save(shared, 1, 10);
  auto session = *shared.load(1u);
  session.edit([](Player& player) { player.coins = 20; });
  ASSERT_TRUE(session.save());
  ASSERT_TRUE(session.restore(first));
  ASSERT_TRUE(session.release());
  EXPECT_EQ(coins_kept(shared, 1), (Coins{20, 10}));

  using Guilds = persist::Store<std::uint64_t, Save, Db, persist::lock::Optimistic>;
  Guilds guilds("guilds", db, keeping());
  for (const std::int64_t coins : {10, 20})
    ASSERT_TRUE(guilds.update(1u, [&](Player& guild) { guild.coins = coins; }, {.create = true}));
  ASSERT_TRUE(guilds.restore(1u, 1));
  EXPECT_EQ(guilds.peek(1u)->data.coins, 10);
  EXPECT_EQ(coins_kept(guilds, 1), (Coins{20, 10}));
}

/// Writes down what was written under each version of each record.
template <class Inner>
class Recorder : public Inner {
 public:
  using Account = std::map<std::string, std::map<std::uint64_t, std::string>>;
  explicit Recorder(Inner inner) : Inner(std::move(inner)) {}

  [[nodiscard]] Account& account() noexcept { return *account_; }
  // A line calls what is declared here.
  void open_store(std::span<persist::OpenStoreRequest> batch) { Inner::open_store(batch); }
  void acquire(std::span<persist::AcquireRequest> batch) { Inner::acquire(batch); }
  void read(std::span<persist::ReadRequest> batch) { Inner::read(batch); }
  void post(std::span<persist::PostRequest> batch) { Inner::post(batch); }
  void relay(std::span<persist::RelayRequest> batch) { Inner::relay(batch); }
  void scan(std::span<persist::ScanRequest> batch) { Inner::scan(batch); }
  void read_schemas(std::span<persist::SchemaRequest> batch) { Inner::read_schemas(batch); }
  void commit(std::span<persist::CommitRequest> batch) {
    for (persist::CommitRequest& request : batch) {
      std::vector<std::optional<std::string>> written;  // the backend may take the bytes
      for (const persist::Change& change : request.changes)
        written.push_back(change.data ? std::optional<std::string>(as_text(*change.data))
                                      : std::nullopt);
      Inner::commit(std::span(&request, 1));
      if (request.outcome != persist::CommitRequest::Outcome::applied) continue;
      for (std::size_t i = 0; i < written.size(); ++i)
        if (const persist::Change& change = request.changes[i]; written[i])
          account()[std::string(change.key)].try_emplace(change.version, *written[i]);
    }
  }
  void erase(std::span<persist::EraseRequest> batch) {
    for (persist::EraseRequest& request : batch) {
      Inner::erase(std::span(&request, 1));
      if (request.found && !failed(request.error)) account().erase(std::string(request.key));
    }
  }

 private:
  std::shared_ptr<Account> account_ = std::make_shared<Account>();
};

/// What is kept is what was written, the newest of it, whole and in order.
template <class Inner, class Store>
void check_kept(Recorder<Inner>& database, Store& store, std::size_t most) {
  for (const auto& [key, states] : database.account()) {
    const auto number = static_cast<std::uint64_t>(std::stoull(key));
    const auto kept = store.versions(number);
    ASSERT_TRUE(kept) << kept.error();
    auto expected = states.rbegin();  // what is there now
    ASSERT_EQ(expected->first, store.peek(number)->version);
    for (const KeptVersion& each : *kept) {
      ASSERT_NE(++expected, states.rend());
      EXPECT_EQ(each.version, expected->first) << key;
      persist::ReadRequest read{.key = key, .version = each.version};
      database.read(std::span(&read, 1));
      EXPECT_EQ(as_text(read.record.data), expected->second) << key;
    }
    EXPECT_EQ(kept->size(), (std::min)(most, states.size() - 1)) << key;
  }
}

/// Servers that lose, repeat and delay what they say, restore, erase and take records from each
/// other.
template <class Inner>
void play_badly(Inner inner, persist::testing::ManualClock& clock, std::uint64_t seed) {
  SCOPED_TRACE(seed);
  using persist::testing::Random;
  using Recorded = Recorder<Inner>;
  using Line = persist::testing::Faulty<Recorded>;
  using Store = persist::Store<std::uint64_t, Save, Line>;
  constexpr HistoryRule rule{.keep = 4};
  Recorded database(std::move(inner));
  persist::testing::Stragglers stragglers(clock, Random(seed));
  persist::testing::Faults faults{
      .refused = 30, .no_reply = 60, .late = 60, .twice = 60, .latest = 20s};
  Line lines[] = {Line(database, stragglers, faults), Line(database, stragglers, faults)};
  for (Line& line : lines)
    line.set_faults({});
  persist::StoreOptions told;
  told.clock = &clock, told.history = rule;
  told.log.sink = [](persist::LogLevel, std::string_view) {};
  Store stores[] = {Store("players", lines[0], told), Store("players", lines[1], told)};
  for (Line& line : lines)
    line.set_faults(faults);
  Random random(seed);
  int restored = 0;
  for (int step = 0; step < 400; ++step) {
    Store& store = stores[random.below(2)];
    const std::uint64_t key = random.below(4);
    const std::uint64_t dice = random.below(100);
    if (dice < 50) {
      auto session = store.try_load(key, {.conflict = persist::Conflict::steal});
      if (session) session->edit([&](Player& player) { player.coins = step, ++player.level; });
      if (session && random.below(2) == 0) (void)session->save();
      if (session && random.below(2) == 0) (void)session->release();
    } else if (dice < 65) {
      const auto versions = store.versions(key);
      if (versions && !versions->empty())
        restored += store.restore(key, (*versions)[random.below(versions->size())].version) ? 1 : 0;
    } else if (dice < 67) {
      (void)store.erase(key);
    }
    clock.advance(std::chrono::milliseconds(random.below(2000)));
    stragglers.arrive();
    stores[0].poll(), stores[1].poll();
  }
  for (Line& line : lines)
    line.set_faults({});
  stragglers.arrive_all();
  EXPECT_GT(restored, 5);
  EXPECT_GE(database.account().size(), 2U);
  check_kept(database, stores[0], rule.keep);
}

TEST_F(HistoryCalls, whatever_goes_wrong_what_is_kept_is_what_was_written) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    play_badly(persist::backend::Memory(clock), clock, seed);
    const std::string name = root + "/save" + std::to_string(seed);
    const persist::backend::FileOptions relaxed{.durability = persist::backend::Durability::relaxed,
                                                .clock = &clock};
    if (seed <= 4) play_badly(persist::backend::File(name, relaxed), clock, seed);
  }
}

}  // namespace
}  // namespace test
