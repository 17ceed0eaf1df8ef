#include <persist/backend/redis/index.hpp>

#include "backend/redis/support.hpp"

#include <limits>

namespace {

namespace redis = persist::backend::redis;
using persist::IndexRequest;
using persist::testing::laws::Holding;
using persist::testing::laws::Outcome;
using persist_test::OnRedis;
using persist_test::Redis;
using persist_test::RedisDriver;

struct RedisIndex : OnRedis {};

TEST_F(RedisIndex, values_are_ordered_as_bytes_as_they_are_as_numbers) {
  using Limits = std::numeric_limits<std::int64_t>;
  const std::int64_t rising[] = {(Limits::min)(), -(1LL << 53) - 1, -(1LL << 53),   -1, 0, 1,
                                 (1LL << 53),     (1LL << 53) + 1,  (Limits::max)()};
  std::string before;
  for (const std::int64_t value : rising) {
    const std::string bytes = redis::ordered(value);
    EXPECT_LT(before, bytes) << value;
    before = bytes;
    const auto back = redis::position_of(bytes + "key");
    ASSERT_TRUE(back);
    EXPECT_TRUE(back->value == value && back->key == "key");
  }
  EXPECT_FALSE(redis::position_of(redis::ordered(1))) << "without a key";
}

TEST_F(RedisIndex, no_value_is_rounded) {
  Redis db = open();
  RedisDriver driver = drive(db);
  const std::int64_t large = (1LL << 53) + 1;
  for (std::int64_t i = 0; i < 3; ++i) {
    Holding mine = driver.take("k" + std::to_string(i));
    EXPECT_EQ(driver.commit(driver.next(mine).data("x").in("level", large - i)), Outcome::applied);
  }
  IndexRequest asked{driver.store, "level", "k1"};
  asked.most = 10;
  db.query({&asked, 1});
  ASSERT_EQ(asked.rows.size(), 3u);
  EXPECT_TRUE(asked.found && asked.row.place == 1 && asked.row.value == large - 1);
  EXPECT_EQ(asked.rows[2].value, large);
}

TEST_F(RedisIndex, bounds_are_the_narrower_of_two) {
  IndexRequest asked;
  asked.only = 5;
  asked.after = persist::IndexPosition{5, "k"};
  EXPECT_EQ(redis::bounds_of(asked).low, '(' + redis::ordered(5) + 'k');
  EXPECT_EQ(redis::bounds_of(asked).high, '(' + redis::ordered(6));
  asked.after->value = 4;
  EXPECT_EQ(redis::bounds_of(asked).low, '[' + redis::ordered(5));
  asked.falls = true;
  EXPECT_EQ(redis::bounds_of(asked).high, '(' + redis::ordered(4) + 'k');
  asked.after->value = 7;
  EXPECT_EQ(redis::bounds_of(asked).high, '(' + redis::ordered(6));
}

}  // namespace
