// builds: single no-exceptions
#include <persist/bytes.hpp>

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <gtest/gtest.h>

namespace {

using namespace persist;

static_assert(sizeof(Buffer) == 3 * sizeof(void*));
static_assert(std::is_nothrow_move_constructible_v<Buffer> &&
              std::is_nothrow_move_assignable_v<Buffer>);
static_assert(std::is_convertible_v<const Buffer&, ByteView>);
static_assert(!std::is_convertible_v<ByteView, Buffer>, "a copy of bytes is asked for");

Buffer holding(std::string_view text) {
  return Buffer(as_bytes(text));
}
std::string text_of(const Buffer& buffer) {
  return std::string(as_text(buffer));
}

TEST(Bytes, text_is_bytes_and_back_with_zeros_in_it) {
  const std::string_view text("a\0b\xff", 4);
  EXPECT_EQ(as_bytes(text).size(), 4u);
  EXPECT_EQ(as_bytes(text)[3], std::byte{0xff});
  EXPECT_EQ(as_text(as_bytes(text)), text);
  EXPECT_EQ(as_text({}), "");
}

TEST(Bytes, short_ones_are_copied_whole_and_nothing_beside_them) {
  const std::string from = "abcdefghijklmnopqrstuvwx";
  for (std::size_t size = 0; size < 24; ++size) {
    std::string to(26, '?');
    copy_short(reinterpret_cast<std::byte*>(to.data() + 1), as_bytes(from).first(size));
    EXPECT_EQ(to, '?' + from.substr(0, size) + std::string(25 - size, '?'));
  }
}

TEST(Bytes, room_is_no_part_of_a_buffer_until_it_is_said_to_be) {
  Buffer buffer = holding("ab");
  std::byte* at = buffer.room(100);
  EXPECT_EQ(buffer.size(), 2u);
  EXPECT_GE(buffer.capacity(), 102u);
  EXPECT_EQ(at, buffer.data() + 2);
  at[0] = std::byte{'c'};
  buffer.end_at(at + 1);
  EXPECT_EQ(text_of(buffer), "abc");
}

TEST(Bytes, are_the_same_by_length_and_content) {
  EXPECT_TRUE(same_bytes(as_bytes("ab"), as_bytes("ab")));
  EXPECT_FALSE(same_bytes(as_bytes("ab"), as_bytes("ac")));
  EXPECT_FALSE(same_bytes(as_bytes("ab"), as_bytes("abc")));
  EXPECT_TRUE(same_bytes({}, as_bytes("")));
  EXPECT_FALSE(same_bytes({}, as_bytes("a")));
}

TEST(Buffer, has_no_memory_until_it_holds_something) {
  const Buffer buffer;
  EXPECT_TRUE(buffer.empty());
  EXPECT_EQ(buffer.data(), nullptr);
  EXPECT_EQ(buffer.capacity(), 0u);
  EXPECT_EQ(Buffer(ByteView{}).data(), nullptr);
}

TEST(Buffer, keeps_all_it_was_given_while_it_grows) {
  Buffer buffer;
  std::string told;
  for (int i = 0; i < 1000; ++i) {
    const std::string part = std::to_string(i) + ",";
    buffer.append(part);
    buffer.push(std::byte{';'});
    told += part + ";";
  }
  EXPECT_EQ(text_of(buffer), told);
}

TEST(Buffer, doubles_so_that_a_million_bytes_move_it_few_times) {
  Buffer buffer;
  int moves = 0;
  for (std::size_t room = 0, i = 0; i < 1'000'000; ++i) {
    buffer.push(std::byte{1});
    if (buffer.capacity() != room) ++moves;
    room = buffer.capacity();
  }
  EXPECT_LE(moves, 21);
  EXPECT_LE(buffer.capacity(), 2u * 1'000'000u);
}

TEST(Buffer, takes_what_is_more_than_double_in_one_step) {
  Buffer buffer = holding("ab");
  *buffer.grow(1000) = std::byte{'c'};
  EXPECT_EQ(buffer.size(), 1002u);
  EXPECT_EQ(buffer.capacity(), 1002u);
  EXPECT_EQ(text_of(buffer).substr(0, 3), "abc");
}

TEST(Buffer, what_was_reserved_is_used_without_moving) {
  Buffer buffer = holding("ab");
  buffer.reserve(100);
  const std::byte* at = buffer.data();
  buffer.append(std::string(98, 'c'));
  EXPECT_EQ(buffer.data(), at);
  EXPECT_EQ(buffer.capacity(), 100u);
  buffer.reserve(10);
  EXPECT_EQ(buffer.capacity(), 100u) << "to reserve less changes nothing";
  EXPECT_EQ(text_of(buffer), "ab" + std::string(98, 'c'));
}

TEST(Buffer, forgets_content_and_keeps_memory) {
  Buffer buffer = holding("abcdef");
  buffer.shrink(2);
  EXPECT_EQ(text_of(buffer), "ab");
  buffer.shrink(5);
  EXPECT_EQ(text_of(buffer), "ab") << "there is nothing behind two to bring back";
  const std::size_t room = buffer.capacity();
  buffer.clear();
  EXPECT_TRUE(buffer.empty());
  EXPECT_EQ(buffer.capacity(), room);
}

TEST(Buffer, can_be_appended_to_itself) {
  Buffer buffer = holding("abc");
  buffer.append(buffer.view());  // where it must move to have room
  EXPECT_EQ(text_of(buffer), "abcabc");
  buffer.reserve(100);
  buffer.append(buffer.view().subspan(1, 2));  // and where it need not
  EXPECT_EQ(text_of(buffer), "abcabcbc");
}

TEST(Buffer, can_be_assigned_to_itself) {
  Buffer buffer = holding("abc");
  Buffer& same = buffer;
  buffer = same;
  EXPECT_EQ(text_of(buffer), "abc");
  buffer = std::move(same);
  EXPECT_EQ(text_of(buffer), "abc");
}

TEST(Buffer, a_copy_is_its_own) {
  Buffer first = holding("abc");
  const Buffer second = first;
  *first.data() = std::byte{'x'};
  EXPECT_EQ(text_of(second), "abc");
  EXPECT_EQ(text_of(first), "xbc");
  EXPECT_FALSE(first == second);
  EXPECT_TRUE(second == holding("abc"));
}

TEST(Buffer, one_that_was_moved_from_is_empty_and_can_be_used) {
  Buffer from = holding("abc");
  Buffer to = std::move(from);
  EXPECT_EQ(text_of(to), "abc");
  EXPECT_TRUE(from.empty());  // NOLINT(bugprone-use-after-move): what the case is about
  EXPECT_EQ(from.capacity(), 0u);
  from.append("def");
  EXPECT_EQ(text_of(from), "def");
  to = std::move(from);
  EXPECT_EQ(text_of(to), "def");
  to.swap(from);
  EXPECT_EQ(text_of(from), "def");
}

TEST(Bytes, numbers_are_little_endian) {
  Buffer buffer;
  append_little(buffer, std::uint8_t{0x01});
  append_little(buffer, std::uint16_t{0x0302});
  append_little(buffer, std::uint32_t{0x07060504});
  append_little(buffer, std::uint64_t{0x0f0e0d0c0b0a0908});
  ASSERT_EQ(buffer.size(), 15u);
  for (std::size_t i = 0; i < 15; ++i)
    EXPECT_EQ(buffer.data()[i], static_cast<std::byte>(i + 1));
  EXPECT_EQ(load_little<std::uint16_t>(buffer.data() + 1), 0x0302u);
  EXPECT_EQ(load_little<std::uint32_t>(buffer.data() + 3), 0x07060504u);
  EXPECT_EQ(load_little<std::uint64_t>(buffer.data() + 7), 0x0f0e0d0c0b0a0908u);
}

}  // namespace
