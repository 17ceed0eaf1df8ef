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

}  // namespace
