#include <persist/host/turns.hpp>

#include <gtest/gtest.h>

namespace {

using namespace persist;

struct Nothing final : LaneTask {
  void perform() override {}
  void complete() override {}
  void hand_back(std::unique_ptr<LaneTask>) override {}
};
LaneTurns::Waiting some(Priority priority = Priority::save) {
  return {std::make_unique<Nothing>(), priority};
}

TEST(LaneTurns, one_of_a_record_is_on_its_way_and_the_others_follow_as_they_came) {
  LaneTurns turns;
  const int stores[2] = {};
  const LaneTurns::Record record{&stores[0], "k"};
  auto first = some(), second = some(Priority::bulk), third = some();
  EXPECT_TRUE(turns.begin(record, first));
  EXPECT_TRUE(first.task);
  EXPECT_FALSE(turns.begin(record, second));
  EXPECT_FALSE(turns.begin(record, third));
  EXPECT_FALSE(second.task || third.task);
  auto other = some();
  EXPECT_TRUE(turns.begin({&stores[1], "k"}, other)) << "of another store";
  EXPECT_TRUE(turns.begin({&stores[0], "l"}, other)) << "of another key";
  EXPECT_EQ(turns.end(record).priority, Priority::bulk);
  EXPECT_TRUE(turns.end(record).task);
  EXPECT_FALSE(turns.end(record).task);
  EXPECT_TRUE(turns.begin(record, first)) << "nothing is left of it";
}

}  // namespace
