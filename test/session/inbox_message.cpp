#include <persist/session/inbox_message.hpp>

#include <persist/codec/json.hpp>

#include <string>
#include <utility>

#include <gtest/gtest.h>

namespace {

using namespace persist;

struct Parcel {
  int weight = 0;
};

Message parcel(int weight) {
  Message message;
  message.position = 4;
  message.type = "Parcel";
  message.priority = 2;
  message.codec = codec::Cbor::id;
  EXPECT_TRUE(encode_message(Parcel{weight}, message.payload));
  return message;
}

TEST(InboxMessage, says_what_is_in_it_to_who_knows_its_type_and_to_who_does_not) {
  const InboxMessage message(parcel(7));
  EXPECT_EQ(message.position, 4U);
  EXPECT_EQ(message.type, "Parcel");
  EXPECT_EQ(message.as<Parcel>()->weight, 7);
  const auto content = message.as<Value>();
  ASSERT_TRUE(content) << content.error();
  EXPECT_EQ(to_json(*content, {.indent = 0}).value_or(""), R"({"weight":7})");
}

TEST(InboxMessage, that_cannot_be_read_says_so) {
  Message damaged = parcel(7);
  damaged.payload.shrink(3);
  EXPECT_FALSE(InboxMessage(damaged).as<Value>());
  Message foreign = parcel(7);
  foreign.codec = 99;
  EXPECT_TRUE(InboxMessage(foreign).as<Value>().is(Errc::wrong_codec));
}

TEST(InboxMessage, is_a_dead_letter_after_so_many_tries) {
  EXPECT_FALSE(InboxMessage(parcel(7), most_message_tries - 1).is_dead_letter());
  EXPECT_TRUE(InboxMessage(parcel(7), most_message_tries).is_dead_letter());
}

}  // namespace
