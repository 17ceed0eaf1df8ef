#include <persist/codec/packed/token_reader.hpp>

#include <persist/codec/packed/write.hpp>
#include <persist/schema/value.hpp>

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <codec/rich.hpp>
#include <support/hex.hpp>

namespace {

using namespace persist;
using codec::packed::Description;
using codec::packed::Layout;
using codec::packed::LayoutParser;
using schema::Token;
using Rules = schema::detail::RulesOf<schema::NoPolicy>;

struct Reader : codec::packed::TokenReader {
  Reader(const Layout& layout, ByteView bytes, schema::Limits limits = {})
      : TokenReader(layout, bytes, limits) {}
};

/// The bytes of a description and of values behind it, and what they say in tokens.
Result<Value> value_of(ByteView description, ByteView bytes, schema::Limits limits = {}) {
  const auto layout = LayoutParser(description).run();
  if (!layout) return layout.error();
  Reader reader(*layout, bytes, limits);
  Value value;
  if (!schema::read_value(reader, value) || !reader.finish()) return reader.take_error();
  return value;
}
Errc code_of(std::string_view description, std::string_view bytes, schema::Limits limits = {}) {
  const auto read = value_of(test::from_hex(description), test::from_hex(bytes), limits);
  return read ? Errc{} : read.error().code();
}
template <class T>
Value value_of(const T& from) {
  Buffer bytes;
  EXPECT_TRUE((codec::packed::Writing<Rules, false>(bytes).run(from)));
  constexpr auto& description = Description<Rules, T>::bytes;
  const auto read = value_of(as_bytes({description.data(), description.size()}), bytes);
  EXPECT_TRUE(read) << read.error();
  return read ? *read : Value();
}
template <class T>
void expect_same_words(const T& from) {
  EXPECT_EQ(value_of(from), schema::to_value(from).value());
}

struct Empty {};
enum class Colour : std::int8_t { red = -1, blue = 3 };
struct Odd {
  std::map<Colour, int> by_colour{{Colour::red, 1}, {static_cast<Colour>(9), 2}};
  std::map<std::int64_t, bool> by_number{{-5, true}, {1'000'000, false}};
  std::map<std::pair<int, int>, Empty> by_pair{{{1, 2}, {}}, {{3, 4}, {}}};
  std::vector<Empty> empties = std::vector<Empty>(3);
  std::array<Empty, 2> two{};
  std::vector<std::vector<Empty>> lists{std::vector<Empty>(1), {}, std::vector<Empty>(2)};
  Value dynamic = Value::map({{"a", Value::array({1, 2.5, "x", nullptr, Value::map()})}});
  std::vector<Value> values{Value(), Value(1), Value::array(), Value::map({{"b", true}})};
};

// Whatever reads tokens reads the same from every format.
TEST(PackedTokens, say_what_a_value_of_the_same_data_holds) {
  expect_same_words(test::full_profile());
  expect_same_words(test::Profile{});
  expect_same_words(Odd{});
  const auto rich = schema::from_value<test::Rich>(test::rich_value());
  ASSERT_TRUE(rich) << rich.error();
  expect_same_words(*rich);
}

TEST(PackedTokens, a_reader_may_look_before_it_reads) {
  const Buffer bytes = test::from_hex("0d05 0701 13");
  const auto layout = LayoutParser(bytes).run();  // a pair: an optional boolean, and nothing
  ASSERT_TRUE(layout) << layout.error();
  const Buffer there = test::from_hex("01 01");
  Reader reader(*layout, there);
  std::size_t count = 0;
  EXPECT_EQ(reader.peek(), Token::array);
  ASSERT_TRUE(reader.begin_array(count));
  EXPECT_EQ(count, 2u);
  ASSERT_TRUE(reader.next_element());
  EXPECT_EQ(reader.peek(), Token::boolean);
  EXPECT_EQ(reader.peek(), Token::boolean) << "it was looked into already";
  bool flag = false;
  ASSERT_TRUE(reader.boolean(flag));
  EXPECT_TRUE(flag);
  ASSERT_TRUE(reader.next_element());
  EXPECT_EQ(reader.peek(), Token::null);
  ASSERT_TRUE(reader.null());
  EXPECT_FALSE(reader.next_element());
  EXPECT_TRUE(reader.finish());
}

TEST(PackedTokens, another_token_than_the_one_asked_for_is_a_mismatch) {
  const Buffer bytes = test::from_hex("05");
  const auto layout = LayoutParser(bytes).run();
  ASSERT_TRUE(layout);
  const Buffer text = test::from_hex("0361");
  Reader reader(*layout, text);
  schema::Integer integer;
  EXPECT_FALSE(reader.integer(integer));
  EXPECT_EQ(reader.take_error(), Errc::schema_mismatch);
}

TEST(PackedTokens, values_that_are_not_what_was_described_are_corrupt) {
  EXPECT_EQ(code_of("01", "01"), Errc{});
  EXPECT_EQ(code_of("01", "02"), Errc::corrupt) << "no boolean";
  EXPECT_EQ(code_of("01", ""), Errc::corrupt);
  EXPECT_EQ(code_of("01", "0101"), Errc::corrupt) << "two of them";
  EXPECT_EQ(code_of("0701", "02"), Errc::corrupt) << "neither something nor nothing";
  EXPECT_EQ(code_of("0201", "040020"), Errc::corrupt) << "65,536 in two bytes";
  EXPECT_EQ(code_of("0304", "000000"), Errc::corrupt);
  EXPECT_EQ(code_of("05", "03ff"), Errc::corrupt) << "no UTF-8";
  EXPECT_EQ(code_of("05", "0961"), Errc::corrupt);
  EXPECT_EQ(code_of("08030161 01", "03"), Errc::corrupt);
  EXPECT_EQ(code_of("0901", "09 01"), Errc::corrupt) << "four elements in one byte";
  EXPECT_EQ(code_of("0913", "05 00"), Errc::corrupt) << "elements that take nothing take a byte";
  EXPECT_EQ(code_of("0913", "05 0000"), Errc{});
  EXPECT_EQ(code_of("0c01 05 01", "05 0361 01 0361 01"), Errc::corrupt) << "a key twice";
  EXPECT_EQ(code_of("11", "03 ff"), Errc::corrupt) << "no CBOR";
  EXPECT_EQ(code_of("11", "05 01 01"), Errc::corrupt) << "two items";
  EXPECT_EQ(code_of("11", "00 ffffffffffffffff"), Errc::corrupt);
}

// Such a text lies in the reader that joined it, which has come to its end by then.
TEST(PackedTokens, a_text_in_pieces_outlives_the_value_it_came_in) {
  const auto read = value_of(test::from_hex("11"), test::from_hex("0d 7f 6161 6162 ff"));
  ASSERT_TRUE(read) << read.error();
  EXPECT_EQ(*read, Value("ab"));
}

// Types that hold nothing but each other take no input: what they cost is bounded all the same.
TEST(PackedTokens, a_description_cannot_make_work_out_of_nothing) {
  EXPECT_EQ(code_of("10 03 0361 4001", ""), Errc::too_large) << "a struct inside itself";
  std::string doubling;  // each struct twice in the next one
  for (int i = 0; i < 60; ++i)
    doubling += "10 05 0361 ";
  doubling += "10 01";
  for (int i = 60; i > 0; --i)
    doubling += " 0362 40" + test::to_hex(std::array{static_cast<std::byte>(i << 1 | 1)});
  EXPECT_EQ(code_of(doubling, "", {.elements = 10'000}), Errc::too_large);
  EXPECT_EQ(code_of("0a f0ffffff1f 13", ""), Errc::corrupt) << "an array of four thousand million";
}

/// How a list of that size is read whose elements are a byte each.
Errc code_of_list(const std::string& element, std::size_t size) {
  std::byte count[codec::packed::longest_number];
  const std::byte* end = codec::packed::put_number(count, size);
  Buffer bytes;
  bytes.append({count, static_cast<std::size_t>(end - count)});
  bytes.append(std::string(size, '\1'));
  const auto read = value_of(as_bytes("\x09" + element), bytes);
  return read ? Errc{} : read.error().code();
}
std::string name_of(int size) {
  return std::string(1, static_cast<char>(size << 1 | 1)) +
         std::string(static_cast<std::size_t>(size), 'n');
}

TEST(PackedTokens, a_name_that_is_given_out_too_often_is_too_large) {
  using std::string_literals::operator""s;
  EXPECT_EQ(code_of_list("\x10\3" + name_of(60) + "\1", 5'000), Errc{});
  EXPECT_EQ(code_of_list("\x10\3" + name_of(127) + "\1", 5'000), Errc::too_large) << "a field";
  EXPECT_EQ(code_of_list("\4\0\3"s + name_of(127) + "\5", 5'000), Errc::too_large)
      << "an enumerator";
  EXPECT_EQ(code_of_list("\4\4\3"s + name_of(127) + "\3", 5'000), Errc{})
      << "but not if the value is another";
}

TEST(PackedTokens, more_fields_than_bytes_give_reason_for_are_too_large) {
  const auto of_units = [](int fields) {
    std::string description = std::string("\x10") + static_cast<char>(fields << 1 | 1);
    for (int i = 0; i < fields; ++i)
      description += std::string("\3") + static_cast<char>('a' + i) + "\x13";
    return description;
  };
  EXPECT_EQ(code_of_list(of_units(3), 20'000), Errc{});
  EXPECT_EQ(code_of_list(of_units(20), 20'000), Errc::too_large);
  EXPECT_EQ(code_of_list(of_units(20), 2'000), Errc{}) << "a small record may";
}

}  // namespace
