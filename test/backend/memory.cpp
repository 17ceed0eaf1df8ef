#include <persist/backend/memory.hpp>

#include "backend/law_cases.hpp"

namespace {

using persist::backend::Memory;

static_assert(persist::transactional_backend<Memory>);
static_assert(persist::watched_backend<Memory>);

const int laws = persist_test::register_laws<Memory>(
    "LawsOnMemory", [](persist::testing::ManualClock& clock) { return Memory(clock); });

TEST(Memory, HoldsToEveryLaw) {
  EXPECT_EQ(static_cast<std::size_t>(laws), persist::testing::backend_laws<Memory>().size());
}

TEST(Memory, IsItsOwnDatabaseEachTime) {
  Memory one, two;
  EXPECT_FALSE(one.same_database(two));
  EXPECT_TRUE(one.same_database(Memory(one)));
  EXPECT_TRUE(one.status());
}

}  // namespace
