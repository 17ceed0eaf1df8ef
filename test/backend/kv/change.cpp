#include <persist/backend/kv/change.hpp>

#include <persist/persist.hpp>
#include <persist/testing/laws/backend/batch.hpp>

#include <gtest/gtest.h>
#include <support/scripted_map.hpp>

// What a record in one value is to a game: through a store, in a map of narrow values, and held
// against the reference.

namespace {

using namespace persist;
using namespace std::chrono_literals;
using persist::backend::Kv;
using test::MemoryMap;

// The reference and Kv do the same with the same requests.
TEST(KvChange, is_what_memory_makes_of_it) {
  using backend::Memory;
  persist::testing::ManualClock clock;
  persist::testing::Report report;
  Memory memory(clock);
  Kv<MemoryMap> kv{MemoryMap(clock)};
  persist::testing::laws::Driver<Memory> reference(memory, clock, report);
  persist::testing::laws::Driver<Kv<MemoryMap>> driver(kv, clock, report);
  persist::testing::laws::RandomBatches<Memory, Kv<MemoryMap>> batches(reference, driver);
  for (std::uint64_t seed = 0; seed < 1000 && report.failures().empty(); ++seed) {
    batches.run(seed);
    if (seed % 16 == 0) clock.advance(20s);
  }
  EXPECT_TRUE(report.passed()) << report.text();
}

/// Takes no value above 64 KiB.
struct NarrowMap : MemoryMap {
  using MemoryMap::MemoryMap;
  [[nodiscard]] std::size_t largest_value() const noexcept { return std::size_t{64} << 10; }
  [[nodiscard]] Result<void> status() const { return Errc::unavailable; }
};
using Narrow = Kv<NarrowMap>;
static_assert(limits_data<Narrow> && !limits_data<Kv<MemoryMap>>);

struct KvNarrow : ::testing::Test {
  persist::testing::ManualClock clock;
  persist::testing::Report report;
  NarrowMap map{clock};
  Narrow kv{map};
  persist::testing::laws::Driver<Narrow> d{kv, clock, report};
  const std::string half = std::string(32 << 10, 'x');
  void TearDown() override { EXPECT_TRUE(report.passed()) << report.text(); }
};

TEST_F(KvNarrow, is_as_well_as_its_map) {
  EXPECT_TRUE(kv.status().is(Errc::unavailable));
  EXPECT_TRUE(Kv<MemoryMap>(MemoryMap(clock)).status());
}

TEST_F(KvNarrow, older_states_go_where_there_is_no_room) {
  EXPECT_EQ(kv.largest_data(), half.size());
  const HistoryRule rule{.keep = 10};
  persist::testing::laws::Holding mine = d.take("k");
  for (const char c : {'1', '2', '3'}) {
    auto save = d.next(mine).data(std::string(20'000, c)).history(rule);
    EXPECT_EQ(d.commit(save), CommitRequest::Outcome::applied);
  }
  ReadRequest asks{d.store, "k"};
  asks.wants_versions = true;
  kv.read({&asks, 1});
  ASSERT_EQ(asks.versions.size(), 2U);
  auto save = d.next(mine).data(half).history(rule);
  EXPECT_EQ(d.commit(save), CommitRequest::Outcome::applied);
  kv.read({&asks, 1});
  ASSERT_EQ(asks.versions.size(), 1U);
  EXPECT_EQ(asks.versions[0].version, 3U) << "the oldest first";
}

TEST_F(KvNarrow, messages_leave_room_for_the_data) {
  persist::testing::laws::Holding mine = d.take("k");
  std::uint64_t id = 0;
  while (!failed(d.post("k", ++id, std::string(1000, 'm')).error) && id < 100) {
  }
  EXPECT_EQ(d.post("k", 1000, std::string(1000, 'm')).error, Errc::full);
  EXPECT_GE(d.read("k").inbox_messages, 10U);
  EXPECT_EQ(d.commit(d.next(mine).data(half)), CommitRequest::Outcome::applied);
  EXPECT_EQ(d.commit(d.next(mine).data(half + half)), CommitRequest::Outcome::failed);
  EXPECT_TRUE(d.holds_text("k", half)) << "what does not fit is refused, and nothing is lost";
}

// A game on it.

struct Purse {
  std::int64_t coins = 0;
};
struct Gift {
  std::int64_t coins = 0;
};
struct PurseSave {
  using data_type = Purse;
  using message = std::variant<Gift>;
  using indexes = Indexes<Index<"coins", &Purse::coins>>;
};
template <class Map>
using Purses = Store<std::uint64_t, PurseSave, Kv<Map>>;

struct KvGame : ::testing::Test {
  persist::testing::ManualClock clock;
  MemoryMap map{clock};
  StoreOptions options(std::string server) {
    StoreOptions told;
    told.server_id = std::move(server);
    told.clock = &clock;
    told.log.sink = [](LogLevel, std::string_view) {};
    return told;
  }
};

TEST_F(KvGame, plays_on_two_servers) {
  Purses<MemoryMap> a("purses", Kv<MemoryMap>(map), options("eu-1"));
  Purses<MemoryMap> b("purses", Kv<MemoryMap>(map), options("eu-2"));
  for (Purses<MemoryMap>* store : {&a, &b})
    store->on_message([](Purse& purse, const Gift& gift) { purse.coins += gift.coins; });
  auto mine = *a.load(1u);
  mine.edit()->coins = 10;
  ASSERT_TRUE(mine.send(2u, Gift{5}));
  ASSERT_TRUE(mine.save());
  EXPECT_TRUE(b.try_load(1u).is(Errc::locked));
  auto theirs = *b.load(2u);
  b.poll();
  EXPECT_EQ(theirs.view()->coins, 5);
  ASSERT_TRUE(theirs.release());
  ASSERT_TRUE(mine.release());
  mine = *b.load(1u);
  EXPECT_EQ(mine.view()->coins, 10);
  ASSERT_TRUE(mine.release());
  EXPECT_EQ(*a.update(2u, [](Purse& purse) { return purse.coins += 1; }), 6);
  const auto board = b.top<"coins">(9);
  ASSERT_TRUE(board);
  ASSERT_EQ(board->size(), 2U);
  EXPECT_EQ(board->at(0).key, "1");
  EXPECT_EQ(board->at(1).value, 6);
  EXPECT_EQ(a.scan()->keys.size(), 2U);
  ASSERT_TRUE(a.erase(1u));
  EXPECT_TRUE(b.peek(1u).is(Errc::not_found));
}

/// Nothing but what a map must have.
struct BareMap {
  MemoryMap map;
  Result<backend::kv::Entry> get(std::string_view key) { return map.get(key); }
  Result<backend::kv::Swap> compare_and_swap(std::string_view key, std::string_view seen,
                                             ByteView value) {
    return map.compare_and_swap(key, seen, value);
  }
};

TEST_F(KvGame, a_holder_that_died_is_found_out_by_watching) {
  using Bare = Store<std::uint64_t, Purse, Kv<BareMap>>;
  const auto open = [&](std::string server) {
    return Bare("purses", Kv<BareMap>(BareMap{map}, {.calendar = &clock}),
                options(std::move(server)));
  };
  Bare a = open("eu-1"), b = open("eu-2");
  auto held = *a.load(1u);
  held.edit()->coins = 3;
  ASSERT_TRUE(held.save());
  auto loading = b.begin_load(1u);
  Duration waited{};
  while (!loading.ready() && waited < 120s) {
    b.poll();
    clock.advance(1s), waited += 1s;
  }
  auto session = loading.take();
  ASSERT_TRUE(session) << session.error();
  EXPECT_GE(waited, 66s) << "a lease and a tenth more";
  EXPECT_EQ(session->view()->coins, 3);
  EXPECT_TRUE(held.save({.force = true}).is(Errc::fenced));
}

}  // namespace
