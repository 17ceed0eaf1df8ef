#include <persist/session/message_codec.hpp>

#include <gtest/gtest.h>

namespace {

using namespace persist;

struct Gift {
  std::int64_t coins = 0;
  std::string note;
};
struct Data {
  std::int64_t coins = 0;
};

Message message_of(const Gift& gift) {
  Message message;
  message.type = "Gift";
  message.codec = codec::Cbor::id;
  EXPECT_TRUE(encode_message(gift, message.payload));
  return message;
}

TEST(MessageCodec, a_message_is_cbor_whatever_the_stores_codec) {
  const auto read = decode_message<Gift>(message_of({7, "hi"}));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->coins, 7);
  EXPECT_EQ(read->note, "hi");
}

TEST(MessageCodec, json_messages_are_read_too_and_others_are_named) {
  Message message;
  message.codec = codec::Json::id;
  message.payload.append(R"({"coins": 3, "later": true})");
  EXPECT_EQ(decode_message<Gift>(message)->coins, 3);
  message.codec = 77;
  EXPECT_TRUE(decode_message<Gift>(message).is(Errc::wrong_codec));
}

TEST(MessageCodec, hostile_bytes_are_an_error) {
  Message message = message_of({7, "hi"});
  for (std::size_t size = 0; size < message.payload.size(); ++size) {
    Message cut = message;
    cut.payload.shrink(size);
    EXPECT_FALSE(decode_message<Gift>(cut)) << size;
  }
}

TEST(MessageCodec, a_handler_may_return_nothing_a_bool_or_a_result) {
  Data data;
  const auto plain = core_handler<Data, Gift>([](Data& d, const Gift& g) { d.coins += g.coins; });
  EXPECT_EQ(plain.type, "Gift");
  EXPECT_TRUE(plain.handle(data, message_of({7, ""})));
  EXPECT_EQ(data.coins, 7);
  const auto no = core_handler<Data, Gift>([](Data&, const Gift&) { return false; });
  EXPECT_TRUE(no.handle(data, message_of({7, ""})).is(Errc::refused));
  const auto why = core_handler<Data, Gift>(
      [](Data&, const Gift&) -> Result<void> { return Error(Errc::full, "no room"); });
  EXPECT_TRUE(why.handle(data, message_of({7, ""})).is(Errc::full));
}

}  // namespace
