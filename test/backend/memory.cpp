#include <persist/backend/memory.hpp>

#include "backend/law_cases.hpp"

#include <persist/persist.hpp>

namespace {

using persist::backend::Memory;

static_assert(persist::transactional_backend<Memory>);
static_assert(persist::watched_backend<Memory> && persist::queries_indexes<Memory>);
static_assert(persist::versioned_backend<Memory>);

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

struct Purse {
  int coins = 0;
};
struct PurseSave {
  using data_type = Purse;
  using indexes = persist::Indexes<persist::Index<"coins", &Purse::coins>>;
};

TEST(Memory, IndexesAreThoseOfTheBackupThatIsPutBack) {
  Memory memory;
  persist::Store<int, PurseSave, Memory> purses("purses", memory);
  ASSERT_TRUE(purses.overwrite(1, {5}));
  const Memory::Backup backup = memory.backup();
  ASSERT_TRUE(purses.overwrite(1, {6}));
  ASSERT_TRUE(purses.overwrite(2, {7}));
  memory.restore(backup);
  const auto board = purses.top<"coins">(9);
  ASSERT_EQ(board->size(), 1U);
  EXPECT_EQ(board->at(0).key + "=" + std::to_string(board->at(0).value), "1=5");
  ASSERT_TRUE(purses.overwrite(1, {8}));
  EXPECT_EQ(*purses.index_size<"coins">(), 1U) << "the entry of before is found again";
}

TEST(Memory, IsPutBackToWhatItWasWhenTheBackupWasMade) {
  persist::testing::ManualClock clock;
  Memory memory(clock);
  using Purses = persist::Store<int, Purse, Memory>;
  const auto quiet = [](persist::LogLevel, std::string_view) {};
  persist::StoreOptions told{.clock = &clock, .log = {.sink = quiet}};
  Purses purses("purses", memory, told);
  auto kept = *purses.load(1);
  kept.edit()->coins = 1;
  ASSERT_TRUE(kept.release());
  const Memory::Backup backup = memory.backup();

  auto open = *purses.load(1);
  open.edit()->coins = 2;
  ASSERT_TRUE(open.save());
  ASSERT_TRUE(purses.load(2)->save({.force = true}));
  Purses later("made later", memory, told);
  ASSERT_TRUE(later.load(1)->save({.force = true}));

  memory.restore(backup);
  EXPECT_EQ(purses.peek(1)->data.coins, 1);
  EXPECT_TRUE(purses.peek(2).is(persist::Errc::not_found));
  EXPECT_TRUE(later.peek(1).is(persist::Errc::not_found)) << "it is there, and empty";

  // The same epoch is given out once more, and only its new owner can write.
  Purses elsewhere("purses", memory, told);
  auto newest = *elsewhere.load(1);
  EXPECT_EQ(newest.epoch(), open.epoch());
  open.edit()->coins = 3;
  EXPECT_TRUE(open.save().is(persist::Errc::fenced));
  newest.edit()->coins += 10;
  ASSERT_TRUE(newest.save());
  EXPECT_EQ(purses.peek(1)->data.coins, 11);
}

}  // namespace
