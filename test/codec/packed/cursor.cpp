// builds: single nohana no-exceptions
#include <persist/codec/packed/cursor.hpp>

#include <cstddef>
#include <string_view>
#include <unordered_set>

#include <gtest/gtest.h>

#include <support/hex.hpp>

namespace {

using namespace persist;

struct Cursor : codec::packed::Cursor {
  using Base = codec::packed::Cursor;
  using Base::At, Base::begin, Base::count, Base::finish, Base::flag, Base::is_too_deep, Base::left,
      Base::number, Base::span, Base::take_error, Base::Depth;
  explicit Cursor(ByteView bytes, schema::Limits limits = {}) : Base(bytes, limits) {}
};

TEST(PackedCursor, a_count_is_checked_against_the_bytes_that_are_left) {
  const Buffer bytes = test::from_hex("09 00000000 00000000");  // four elements, eight bytes
  std::size_t count = 0;
  Cursor fits(bytes);
  EXPECT_NE(fits.count(fits.begin(), 2, count), nullptr);
  EXPECT_EQ(count, 4u);
  Cursor lies(bytes);
  EXPECT_EQ(lies.count(lies.begin(), 3, count), nullptr);
  EXPECT_EQ(lies.take_error(), Errc::corrupt);
}

TEST(PackedCursor, a_count_of_all_bits_is_no_room) {
  const Buffer bytes = test::from_hex("00 ffffffffffffffff 00");
  std::size_t count = 0;
  std::string_view text;
  Cursor elements(bytes);
  EXPECT_EQ(elements.count(elements.begin(), 1, count), nullptr);
  EXPECT_EQ(elements.take_error(), Errc::corrupt);
  Cursor span(bytes);
  EXPECT_EQ(span.span(span.begin(), text), nullptr);
  EXPECT_EQ(span.take_error(), Errc::corrupt);
}

TEST(PackedCursor, elements_are_taken_from_one_budget) {
  const Buffer bytes = test::from_hex("07 0000 00 07 000000");
  schema::Limits limits;
  limits.elements = 5;
  Cursor cursor(bytes, limits);
  std::size_t count = 0;
  const auto* at = cursor.count(cursor.begin(), 1, count);
  ASSERT_NE(at, nullptr);
  EXPECT_EQ(cursor.count(at + count, 1, count), nullptr) << "three and three";
  EXPECT_EQ(cursor.take_error(), Errc::too_large);
}

TEST(PackedCursor, more_bytes_than_the_limit_are_too_large) {
  schema::Limits limits;
  limits.bytes = 2;
  const Buffer bytes = test::from_hex("010101");
  Cursor cursor(bytes, limits);
  EXPECT_EQ(cursor.begin(), nullptr);
  EXPECT_EQ(cursor.take_error(), Errc::too_large);
}

TEST(PackedCursor, a_flag_is_nothing_but_true_or_false) {
  const Buffer bytes = test::from_hex("00 01 02");
  Cursor cursor(bytes);
  bool flag = true;
  const auto* at = cursor.flag(cursor.begin(), flag);
  EXPECT_FALSE(flag);
  at = cursor.flag(at, flag);
  EXPECT_TRUE(flag);
  EXPECT_EQ(cursor.flag(at, flag), nullptr);
  EXPECT_EQ(cursor.take_error(), Errc::corrupt);
}

TEST(PackedCursor, what_follows_the_end_is_corrupt) {
  const Buffer bytes = test::from_hex("01 01");
  Cursor cursor(bytes);
  EXPECT_EQ(cursor.finish(cursor.begin() + 1), nullptr);
  EXPECT_EQ(cursor.take_error(), Errc::corrupt);
  EXPECT_NE(cursor.finish(cursor.begin() + 2), nullptr);
}

TEST(PackedCursor, counts_depth_only_where_it_is_told_to) {
  schema::Limits limits;
  limits.depth = 1;
  Cursor cursor({}, limits);
  const Cursor::Depth one(cursor, true);
  const Cursor::Depth free(cursor, false);
  EXPECT_FALSE(cursor.is_too_deep());
  {
    const Cursor::Depth two(cursor, true);
    EXPECT_TRUE(cursor.is_too_deep());
  }
  EXPECT_FALSE(cursor.is_too_deep());
}

}  // namespace
