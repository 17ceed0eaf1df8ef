#include <persist/record/wake.hpp>

#include <gtest/gtest.h>

namespace {

using namespace persist;

TEST(WakeQueue, HandsOutWhatCameAndRings) {
  WakeQueue queue;
  EXPECT_TRUE(queue.empty());
  queue.push("a");
  queue.push("b");
  EXPECT_FALSE(queue.empty());
  EXPECT_TRUE(queue.wake().take());
  EXPECT_FALSE(queue.wake().take()) << "once";
  std::vector<std::string> keys{"old"};
  queue.drain(keys);
  EXPECT_EQ(keys, (std::vector<std::string>{"a", "b"}));
  queue.drain(keys);
  EXPECT_TRUE(keys.empty());
}

TEST(WakeQueue, IsBoundedAndStillRings) {
  WakeQueue queue;
  for (std::size_t i = 0; i < WakeQueue::capacity + 10; ++i)
    queue.push("k");
  (void)queue.wake().take();
  queue.push("one more");
  EXPECT_TRUE(queue.wake().take()) << "that something happened is always told";
  std::vector<std::string> keys;
  queue.drain(keys);
  EXPECT_EQ(keys.size(), WakeQueue::capacity);
}

}  // namespace
