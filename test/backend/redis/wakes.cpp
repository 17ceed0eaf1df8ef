#include <persist/backend/redis/wakes.hpp>

#include "backend/redis/support.hpp"

namespace {

namespace redis = persist::backend::redis;
using persist::Hint;
using persist::Intent;
using persist::WakeQueue;
using persist::Woken;
using persist::testing::laws::Holding;
using persist::testing::laws::Outcome;
using persist_test::OnRedis;
using persist_test::Redis;
using persist_test::RedisDriver;

struct RedisWakes : OnRedis {};

/// Waits for the next hint; it comes or the test does not end well.
std::vector<Woken> next_hint(WakeQueue& queue) {
  std::vector<Woken> hints;
  for (int tries = 0; hints.empty() && tries < 50; ++tries) {
    queue.wake().wait_for(std::chrono::milliseconds(200));
    queue.drain(hints);
  }
  return hints;
}

TEST_F(RedisWakes, a_hint_is_read_as_it_was_sent_and_what_is_none_is_none) {
  const std::string good = redis::encode_hint("store", "k{1}", Hint::message);
  const auto hint = redis::decode_hint(good);
  ASSERT_TRUE(hint);
  EXPECT_TRUE(hint->store == "store" && hint->key == "k{1}" && hint->why == Hint::message);
  for (std::size_t size = 0; size <= good.size() - 4; ++size)
    EXPECT_FALSE(redis::decode_hint(good.substr(0, size))) << size;
  std::string bad = good;
  bad[4] = 3;
  EXPECT_FALSE(redis::decode_hint(bad));
  EXPECT_FALSE(redis::decode_hint(redis::encode_hint("s", std::string(256, 'k'), Hint::asked)));
}

TEST_F(RedisWakes, another_server_wakes_the_holder_and_is_woken_by_the_release) {
  Redis one = open(), two = open();
  RedisDriver here = drive(one), there = drive(two);
  const auto mine = std::make_shared<WakeQueue>(), theirs = std::make_shared<WakeQueue>();
  one.watch(here.store, mine);
  two.watch(there.store, theirs);
  Holding held = here.take("k");
  (void)there.acquire("k", there.somebody(), Intent::request);
  auto hints = next_hint(*mine);
  ASSERT_EQ(hints.size(), 1u);
  EXPECT_TRUE(hints[0].key == "k" && hints[0].why == Hint::asked);
  EXPECT_EQ(here.commit(here.next(held).release()), Outcome::applied);
  hints = next_hint(*theirs);
  ASSERT_EQ(hints.size(), 1u);
  EXPECT_TRUE(hints[0].key == "k" && hints[0].why == Hint::freed);
  Holding again = here.take("k");
  (void)there.post("k", 1, "gift");
  hints = next_hint(*mine);
  ASSERT_EQ(hints.size(), 1u);
  EXPECT_TRUE(hints[0].why == Hint::message);
}

TEST_F(RedisWakes, rubbish_wakes_nobody_and_a_lost_connection_is_made_again) {
  Redis one = open(), two = open();
  RedisDriver here = drive(one), there = drive(two);
  const auto queue = std::make_shared<WakeQueue>();
  one.watch(here.store, queue);
  const std::string channel = redis::channel_of(here.somebody().nonce);
  EXPECT_EQ(server({"PUBLISH", channel, "rubbish"}), "1");
  server({"CLIENT", "KILL", "TYPE", "pubsub"});
  Holding held = here.take("k");
  for (int tries = 0; server({"PUBSUB", "NUMSUB", channel}) != channel + " 1" && tries < 5000;
       ++tries)
    ::usleep(2000);
  (void)there.acquire("k", there.somebody(), Intent::request);
  const auto hints = next_hint(*queue);
  ASSERT_EQ(hints.size(), 1u);
  EXPECT_EQ(hints[0].key, "k");
}

TEST_F(RedisWakes, who_wants_none_has_no_connection_for_them) {
  options.wakes = false;
  Redis one = open();
  RedisDriver here = drive(one);
  const auto queue = std::make_shared<WakeQueue>();
  one.watch(here.store, queue);
  EXPECT_EQ(server({"PUBSUB", "CHANNELS"}), "");
  Holding held = here.take("k");
  (void)here.acquire("k", here.somebody(), Intent::request);
  std::vector<Woken> hints;
  queue->drain(hints);
  EXPECT_EQ(hints.size(), 1u) << "of this process it hears all the same";
}

}  // namespace
