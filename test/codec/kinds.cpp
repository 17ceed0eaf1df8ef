// Every kind of data inside every other, in both formats: what went in comes out.

#include <persist/codec/cbor.hpp>
#include <persist/codec/json.hpp>
#include <persist/codec/packed.hpp>
#include <persist/codec/record.hpp>
#include <persist/schema/value.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <memory_resource>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <variant>
#include <vector>

#include <gtest/gtest.h>

namespace {

enum class Colour : std::uint8_t { red, green };
enum Loose { loose_one = 1 };
struct Empty {
  friend bool operator==(const Empty&, const Empty&) = default;
};
struct Bow {
  int draw = 3;
  friend bool operator==(const Bow&, const Bow&) = default;
};
/// Stored as a text.
struct Version {
  int major = 0;
  friend bool operator==(const Version&, const Version&) = default;
};

}  // namespace

template <>
struct persist::adapt<Version> {
  using stored_type = std::string;
  static std::string store(const Version& it) {
    if (it.major < 0) throw std::invalid_argument("a version below zero");
    return "v" + std::to_string(it.major);
  }
  static Version restore(const std::string& from) { return {std::stoi(from.substr(1))}; }
};

namespace {

using namespace persist;
using schema::Kind;
using schema::kind_of;
using schema::NoPolicy;

/// What a T can be inside of. An optional of what is null by itself does not compile.
template <class T>
struct Nest {
  struct Held {
    static constexpr std::string_view persist_name = "Held";
    T held{};
    friend bool operator==(const Held&, const Held&) = default;
  };
  static constexpr bool nullable = kind_of<T> == Kind::optional || kind_of<T> == Kind::unit ||
                                   kind_of<T> == Kind::value || kind_of<T> == Kind::variant;
  std::vector<T> list;
  std::map<std::string, std::array<T, 2>> named;
  std::map<std::pair<int, int>, T> paired;
  std::optional<std::conditional_t<nullable, Held, T>> maybe;
  std::variant<Empty, Held> either;
  std::pair<int, T> pair;
  friend bool operator==(const Nest&, const Nest&) = default;
};
template <class T>
Nest<T> nest_of(const T& each) {
  Nest<T> it;
  it.list.resize(3);
  it.list[1] = it.named[""][1] = it.paired[{1, -2}] = it.pair.second = each;
  it.named["b"];
  if constexpr (Nest<T>::nullable)
    it.maybe.emplace().held = each;
  else
    it.maybe = each;
  it.either.template emplace<1>().held = each;
  return it;
}

template <class Codec, class T>
void expect_round_trip(const T& from, Buffer& bytes) {
  bytes.clear();
  const auto written = Codec::template encode<NoPolicy>(from, bytes);
  ASSERT_TRUE(written) << written.error();
  T back{};
  UnknownFields unknown;
  const auto read = Codec::template decode<NoPolicy>(bytes, back, unknown);
  ASSERT_TRUE(read) << read.error() << "\n" << as_text(bytes);
  EXPECT_TRUE(back == from) << as_text(bytes);
  EXPECT_TRUE(unknown.empty());
}
template <class Codec, class T>
void expect_nested(const std::vector<T>& samples) {
  Buffer bytes, again;
  for (const T& each : samples) {
    ASSERT_NO_FATAL_FAILURE((expect_round_trip<Codec>(nest_of(each), bytes)));
    ASSERT_NO_FATAL_FAILURE((expect_round_trip<Codec>(nest_of(each), again)));
    EXPECT_EQ(bytes, again) << "equal data is equal bytes";
  }
}

template <class Codec>
class Kinds : public testing::Test {};
using Codecs = testing::Types<codec::Cbor, codec::Json, codec::Packed>;
TYPED_TEST_SUITE(Kinds, Codecs);

template <class T>
constexpr T most = (std::numeric_limits<T>::max)();
template <class T>
constexpr T least = std::numeric_limits<T>::lowest();

/// What is one item: these cannot meet what is around them in more than one way.
struct Scalars {
  bool flag = false;
  std::int8_t small = 0;
  std::int64_t whole = 0;
  std::uint64_t natural = 0;
  float single = 0;
  double real = 0;
  std::byte byte{};
  Colour colour{};
  Loose loose{};
  std::string text;
  std::vector<std::byte> bytes;
  std::array<std::byte, 2> two{};
  std::chrono::nanoseconds span{};
  std::chrono::duration<double> fraction{};
  std::chrono::sys_days day{};
  Version version;
  Empty empty;
  std::monostate nothing;
  std::vector<bool> flags;
  friend bool operator==(const Scalars&, const Scalars&) = default;
};
Scalars lowest() {
  using std::string_literals::operator""s;
  return {.flag = true,
          .small = least<std::int8_t>,
          .whole = least<std::int64_t>,
          .natural = 0,
          .single = least<float>,
          .real = least<double>,
          .byte = std::byte{1},
          .colour = Colour::green,
          .loose = loose_one,
          .text = "\0a\x01\x1f\x7f\"\\/\b\f\n\r\t"s,
          .bytes = {std::byte{0}},
          .two = {std::byte{0}, std::byte{255}},
          .span = (std::chrono::nanoseconds::min)(),
          .fraction = std::chrono::duration<double>(-0.1),
          .day = std::chrono::sys_days(std::chrono::days(-20)),
          .version = {7},
          .empty = {},
          .nothing = {},
          .flags = {true, false, true}};
}
Scalars greatest() {
  return {
      .flag = true,
      .small = most<std::int8_t>,
      .whole = most<std::int64_t>,
      .natural = most<std::uint64_t>,
      .single = most<float>,
      .real = most<double>,
      .byte = std::byte{255},
      .colour = static_cast<Colour>(255),
      .loose = loose_one,
      .text = "Zo\xc3\xab \xf0\x9f\x8e\xae \xef\xbf\xbf \xe2\x80\xa8" + std::string(70'000, 'x'),
      .bytes = std::vector<std::byte>(70'000),
      .two = {},
      .span = (std::chrono::nanoseconds::max)(),
      .fraction = std::chrono::duration<double>(1e300),
      .day = std::chrono::sys_days(std::chrono::days(20'000)),
      .version = {9},
      .empty = {},
      .nothing = {},
      .flags = {}};
}
Scalars tiny() {
  Scalars it;
  it.single = std::numeric_limits<float>::denorm_min();
  it.real = std::numeric_limits<double>::denorm_min();
  it.fraction = std::chrono::duration<double>(-0.0);
  return it;
}

TYPED_TEST(Kinds, scalars_in_everything) {
  expect_nested<TypeParam, Scalars>({{}, lowest(), greatest(), tiny()});
  expect_nested<TypeParam, bool>({true});
  expect_nested<TypeParam, Colour>({Colour::green, static_cast<Colour>(255)});
}

TYPED_TEST(Kinds, choices_in_everything) {
  expect_nested<TypeParam, std::optional<int>>({std::nullopt, 5});
  expect_nested<TypeParam, std::variant<std::monostate, Bow, std::string>>(
      {std::monostate(), Bow{9}, "x"});
  expect_nested<TypeParam, Value>({nullptr, -1, most<std::uint64_t>, 0.5, "x",
                                   Value::array({1, Value::map({{"a", nullptr}})})});
}

TYPED_TEST(Kinds, containers_in_everything) {
  expect_nested<TypeParam, std::vector<bool>>({{}, {true, false, true}});
  expect_nested<TypeParam, std::unordered_set<std::string>>({{"", "a", "b"}});
  expect_nested<TypeParam, std::map<Colour, std::tuple<int, Bow>>>({{{Colour::green, {1, {2}}}}});
  expect_nested<TypeParam, std::map<std::vector<int>, std::tuple<>>>({{{{}, {}}, {{1, 2}, {}}}});
}

TYPED_TEST(Kinds, containers_with_allocators_come_back_in_the_memory_they_were_given) {
  struct Arena {
    std::pmr::map<std::pmr::string, std::pmr::vector<std::pmr::string>> words;
    std::pmr::unordered_set<std::int64_t> seen;
    bool operator==(const Arena&) const = default;
  };
  Arena arena;
  arena.words["a text that is too long for a small buffer"] = {"x", std::pmr::string(100, 'y')};
  arena.seen = {1, -1};
  Buffer bytes;
  ASSERT_TRUE(TypeParam::template encode<NoPolicy>(arena, bytes));
  std::pmr::monotonic_buffer_resource memory;
  Arena back{std::pmr::map<std::pmr::string, std::pmr::vector<std::pmr::string>>(&memory),
             std::pmr::unordered_set<std::int64_t>(&memory)};
  UnknownFields unknown;
  ASSERT_TRUE(TypeParam::template decode<NoPolicy>(bytes, back, unknown));
  EXPECT_TRUE(back == arena);
  EXPECT_EQ(back.words.begin()->second.get_allocator().resource(), &memory);
  EXPECT_EQ(back.words.begin()->second[1].get_allocator().resource(), &memory);
}

TYPED_TEST(Kinds, hashed_containers_with_equal_data_are_equal_bytes) {
  struct Hashed {
    std::unordered_map<int, std::string> names;
    std::unordered_map<std::string, int> counts;
    std::unordered_set<std::string> seen;
    std::unordered_multimap<double, int> heights;
  };
  Hashed one, other;
  other.names.reserve(1'000), other.counts.reserve(1'000), other.seen.reserve(1'000);
  other.heights.reserve(1'000);
  for (int i = 0; i < 50; ++i) {
    one.names[i] = std::to_string(i), one.counts[std::to_string(i)] = i,
    one.seen.insert(std::to_string(i));
    one.heights.emplace(i, i);
    const int j = 49 - i;
    other.names[j] = std::to_string(j), other.counts[std::to_string(j)] = j,
    other.seen.insert(std::to_string(j));
    other.heights.emplace(j, j);
  }
  ASSERT_NE(one.names.begin()->first, other.names.begin()->first) << "or nothing is shown";
  Buffer bytes, again;
  ASSERT_TRUE(TypeParam::template encode<NoPolicy>(one, bytes));
  ASSERT_TRUE(TypeParam::template encode<NoPolicy>(other, again));
  EXPECT_EQ(bytes, again);
}

#define EIGHT(p) int p##0 = 0, p##1 = 1, p##2 = 2, p##3 = 3, p##4 = 4, p##5 = 5, p##6 = 6, p##7 = 7
struct Wide {
  EIGHT(a);
  EIGHT(b);
  EIGHT(c);
  EIGHT(d);
  EIGHT(e);
  EIGHT(f);
  EIGHT(g);
  EIGHT(h);
  bool operator==(const Wide&) const = default;
};
#undef EIGHT

TYPED_TEST(Kinds, an_aggregate_of_sixty_four_fields_comes_back) {
  Wide wide;
  wide.a0 = -1, wide.h7 = 64;
  Buffer bytes;
  expect_round_trip<TypeParam>(wide, bytes);
  Value value;
  UnknownFields unknown;
  ASSERT_TRUE(TypeParam::template decode<NoPolicy>(bytes, value, unknown));
  EXPECT_EQ(value.size(), 64u);
  EXPECT_EQ(value["d3"], Value(3));
}

TYPED_TEST(Kinds, a_text_that_is_no_utf8_is_refused_before_it_is_written) {
  for (const char* text : {"\xff", "a\xc3", "\xed\xa0\x80", "\xc0\x80", "\xf4\x90\x80\x80"}) {
    Buffer bytes;
    EXPECT_TRUE(TypeParam::template encode<NoPolicy>(std::vector<std::string>{text}, bytes)
                    .is(Errc::invalid));
    EXPECT_TRUE((TypeParam::template encode<NoPolicy>(std::map<std::string, int>{{text, 1}}, bytes)
                     .is(Errc::invalid)));
    EXPECT_TRUE(bytes.empty());
  }
}

TYPED_TEST(Kinds, what_an_adapted_type_throws_refuses_the_record_and_goes_no_further) {
  Buffer record;
  UnknownFields unknown;
  const std::map<std::string, Version> fine{{"a", {2}}};
  ASSERT_TRUE((codec::encode_record<TypeParam, NoPolicy>(fine, unknown, {}, record)));
  const Buffer before = record;
  const std::map<std::string, Version> bad{{"a", {-2}}};
  const auto written = codec::encode_record<TypeParam, NoPolicy>(bad, unknown, {}, record);
  ASSERT_TRUE(written.is(Errc::invalid));
  EXPECT_EQ(written.error().detail(), "writing the data threw: a version below zero");
  EXPECT_EQ(record, before);
  record.clear();
  const std::map<std::string, std::string> text{{"a", "version"}};
  ASSERT_TRUE((codec::encode_record<TypeParam, NoPolicy>(text, unknown, {}, record)));
  std::map<std::string, Version> into;
  const auto read = codec::decode_record<TypeParam, NoPolicy>(record, into, unknown);
  ASSERT_TRUE(read.is(Errc::invalid));
  EXPECT_NE(read.error().detail().find("reading the data threw: "), std::string_view::npos);
}

}  // namespace
