#include <persist/backend/kv.hpp>

#include "backend/law_cases.hpp"

namespace {

using persist::backend::Kv;
using persist::backend::kv::MemoryMap;
using KvMemory = Kv<MemoryMap>;

static_assert(persist::record_backend<KvMemory> && !persist::transactional_backend<KvMemory>);
static_assert(persist::watched_backend<KvMemory> && persist::queries_indexes<KvMemory>);
static_assert(persist::versioned_backend<KvMemory> && persist::holds_schemas<KvMemory>);

const int laws_on_kv = persist_test::register_laws<KvMemory>(
    "LawsOnKv",
    [](persist::testing::ManualClock& clock) { return KvMemory(MemoryMap(clock)); });

TEST(KvBackend, HoldsToEveryLaw) {
  EXPECT_EQ(static_cast<std::size_t>(laws_on_kv),
            persist::testing::backend_laws<KvMemory>().size());
}

}  // namespace
