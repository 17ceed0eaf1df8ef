#include <persist/record/message.hpp>

#include <gtest/gtest.h>

namespace {

using namespace persist;

TEST(MessageOrigin, IsANumberOnlyWithAnEpoch) {
  EXPECT_FALSE((MessageOrigin{{1, 2}, 0, 0, {}}).is_numbered());
  EXPECT_TRUE((MessageOrigin{{1, 2}, 3, 0, {}}).is_numbered());
}

TEST(OutgoingMessage, ShowsWhatItHolds) {
  const OutgoingMessage message{
      {1}, "k", 5, 1, "Gift", 2, 3, WallTime(std::chrono::hours(4)), Buffer(as_bytes("bytes"))};
  const MessageView view = message.view();
  EXPECT_EQ(view.type, "Gift");
  EXPECT_EQ(view.codec, 2);
  EXPECT_EQ(view.priority, 3);
  EXPECT_EQ(view.expires, message.expires);
  EXPECT_EQ(view.payload.data(), message.payload.data()) << "without a copy";
}

}  // namespace
