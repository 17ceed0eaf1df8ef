#include <persist/backend/kv.hpp>

#include "backend/law_cases.hpp"

namespace {

using persist::backend::Kv;
using persist::backend::kv::MemoryMap;
using KvMemory = Kv<MemoryMap>;

static_assert(persist::record_backend<KvMemory> && !persist::transactional_backend<KvMemory>);
static_assert(persist::watched_backend<KvMemory> && persist::queries_indexes<KvMemory>);
static_assert(persist::versioned_backend<KvMemory> && persist::holds_schemas<KvMemory>);

/// Nothing but what a map must have.
struct BareMap {
  MemoryMap map;

  persist::Result<persist::backend::kv::Entry> get(std::string_view key) { return map.get(key); }
  persist::Result<persist::backend::kv::Swap> compare_and_swap(std::string_view key,
                                                               std::string_view seen,
                                                               persist::ByteView value) {
    return map.compare_and_swap(key, seen, value);
  }
};
using KvBare = Kv<BareMap>;
static_assert(persist::record_backend<KvBare> && !persist::scans_keys<KvBare>);
static_assert(!persist::queries_indexes<KvBare> && !persist::judges_leases<KvBare>);

const int laws_on_bare =
    persist_test::register_laws<KvBare>("LawsOnBareKv", [](persist::testing::ManualClock& clock) {
      return KvBare(BareMap{MemoryMap(clock)}, {.calendar = &clock});
    });

const int laws_on_kv = persist_test::register_laws<KvMemory>(
    "LawsOnKv", [](persist::testing::ManualClock& clock) { return KvMemory(MemoryMap(clock)); });

TEST(KvBackend, HoldsToEveryLaw) {
  EXPECT_EQ(static_cast<std::size_t>(laws_on_kv),
            persist::testing::backend_laws<KvMemory>().size());
  EXPECT_EQ(static_cast<std::size_t>(laws_on_bare),
            persist::testing::backend_laws<KvBare>().size());
}

TEST(KvBackend, ListsItsStores) {
  const MemoryMap map;
  KvMemory here{map};
  const std::vector<std::string> names = {"a", "a/b", "players", "players2", "~", "Ü"};
  for (const std::string& name : names) {
    persist::OpenStoreRequest request;
    request.name = name;
    request.lock = name == "a" ? persist::LockKind::optimistic : persist::LockKind::lease;
    here.open_store(std::span(&request, 1));
    ASSERT_FALSE(failed(request.error)) << request.error;
  }
  std::vector<std::string> found;
  for (const auto& store : KvMemory{map}.stores()) {
    found.push_back(store.name);
    EXPECT_EQ(store.lock == persist::LockKind::optimistic, store.name == "a");
  }
  std::sort(found.begin(), found.end());
  EXPECT_EQ(found, (std::vector<std::string>{"a", "a/b", "players", "players2", "~", "Ü"}));
}

TEST(KvBackend, KnowsOfAnOutboxThatItSawWhereTheMapListsNothing) {
  persist::testing::ManualClock clock;
  persist::testing::Report report;
  const MemoryMap map(clock);
  KvBare one(BareMap{map}, {.calendar = &clock}), two(BareMap{map}, {.calendar = &clock});
  persist::testing::laws::Driver<KvBare> here(one, clock, report), there(two, clock, report);
  persist::RecordLimits none;
  none.inbox_messages = 0;
  auto mine = here.take("sender");
  (void)here.commit(here.next(mine).data("x").send("receiver", 1, "a").limits(none));
  EXPECT_EQ(here.waiting().size(), 1U);
  EXPECT_TRUE(there.waiting().empty()) << "nobody told it";
  (void)there.take_away("sender");
  const auto waiting = there.waiting();
  ASSERT_EQ(waiting.size(), 1U) << "a load does";
  there.take_out("sender", waiting[0].messages);
  EXPECT_TRUE(there.waiting().empty());
  EXPECT_TRUE(here.waiting().empty()) << "and whoever looks finds that it is gone";
  EXPECT_TRUE(report.passed()) << report.text();
}

}  // namespace
