#include <persist/record/wake.hpp>

#include <gtest/gtest.h>

namespace {

using namespace persist;

TEST(WakeQueue, HandsOutWhatCameAndRings) {
  WakeQueue queue;
  EXPECT_TRUE(queue.empty());
  queue.push("a", Hint::asked);
  queue.push("b", Hint::freed);
  EXPECT_FALSE(queue.empty());
  EXPECT_TRUE(queue.wake().take());
  EXPECT_FALSE(queue.wake().take()) << "once";
  std::vector<Woken> keys{{"old"}};
  queue.drain(keys);
  ASSERT_EQ(keys.size(), 2U);
  EXPECT_EQ(keys[0].key + keys[1].key, "ab");
  EXPECT_EQ(keys[0].why, Hint::asked);
  queue.drain(keys);
  EXPECT_TRUE(keys.empty());
}

TEST(WakeQueue, IsBoundedAndStillRings) {
  WakeQueue queue;
  for (std::size_t i = 0; i < WakeQueue::capacity + 10; ++i)
    queue.push("k", Hint::freed);
  (void)queue.wake().take();
  queue.push("one more", Hint::message);
  EXPECT_TRUE(queue.wake().take()) << "that something happened is always told";
  std::vector<Woken> keys;
  queue.drain(keys);
  EXPECT_EQ(keys.size(), WakeQueue::capacity);
}

}  // namespace
