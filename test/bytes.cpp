// builds: single no-exceptions
#include <persist/bytes.hpp>

#include <gtest/gtest.h>

namespace {

using persist::Buffer;

TEST(Bytes, a_buffer_grows_at_its_end_and_keeps_what_it_has) {
  Buffer bytes;
  for (int i = 0; i < 1000; ++i)
    bytes.push(static_cast<std::byte>(i));
  ASSERT_EQ(bytes.size(), 1000U);
  for (std::size_t i = 0; i < 1000; ++i)
    ASSERT_EQ(bytes.data()[i], static_cast<std::byte>(i));
  bytes.shrink(3);
  bytes.append("xy");
  EXPECT_EQ(bytes.size(), 5U);
  bytes.shrink(99);
  EXPECT_EQ(bytes.size(), 5U);
  bytes.clear();
  EXPECT_TRUE(bytes.empty());
  EXPECT_GE(bytes.capacity(), 1000U);
}

TEST(Bytes, copies_are_their_own_and_a_moved_buffer_is_empty) {
  Buffer one(persist::as_bytes("abc"));
  Buffer two = one;
  EXPECT_EQ(one, two);
  two.push(std::byte{'d'});
  EXPECT_EQ(persist::as_text(one), "abc");
  const Buffer three = std::move(two);
  EXPECT_EQ(persist::as_text(three), "abcd");
  EXPECT_TRUE(two.empty());  // NOLINT: said so
  EXPECT_EQ(Buffer(), Buffer());
}

TEST(Bytes, numbers_are_little_endian_whatever_the_machine) {
  Buffer bytes;
  append_little(bytes, std::uint32_t{0x01020304});
  EXPECT_EQ(bytes.data()[0], std::byte{4});
  EXPECT_EQ(bytes.data()[3], std::byte{1});
  EXPECT_EQ(persist::load_little<std::uint32_t>(bytes.data()), 0x01020304U);
}

}  // namespace
