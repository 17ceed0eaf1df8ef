#include <persist/codec/suphi.hpp>

#include <persist/codec/json.hpp>
#include <persist/schema/value.hpp>

#include <array>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <fstream>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <variant>
#include <vector>

#include <gtest/gtest.h>

#include <support/hex.hpp>

namespace {

using namespace persist;
using codec::Suphi;
using schema::NoPolicy;

static_assert(codec_for<Suphi<>, int> && codec_for<Suphi<1, 0, false>, Value>);
static_assert(Suphi<>::id == codec::suphi_id && Suphi<1, 3, false>::id == codec::suphi_id);
static_assert(Suphi<2, 2>::id != Suphi<2, 4>::id, "what other decimals wrote is another number");

enum class Rank : std::uint8_t { novice, knight };
struct Item {
  std::uint32_t id = 0;
  float worn = 0;
  friend bool operator==(const Item&, const Item&) = default;
};
struct Bow {
  int draw = 3;
  friend bool operator==(const Bow&, const Bow&) = default;
};
/// A member of every data kind that the format has.
struct Player {
  bool alive = true;
  std::int64_t coins = 0;
  std::uint8_t small = 0;
  float speed = 0;
  double luck = 0;
  Rank rank = Rank::novice;
  std::string name;
  std::optional<int> guild = 1;
  std::variant<std::string, Bow> weapon;
  std::vector<Item> inventory;
  std::vector<std::vector<int>> grid;
  std::array<int, 3> place{};
  std::set<std::string> badges;
  std::map<std::string, std::int64_t> stats;
  std::unordered_map<int, std::string> slots;
  std::map<std::pair<int, int>, std::string> tiles;
  std::tuple<int, std::string> title;
  std::chrono::milliseconds played{0};
  Value notes = Value::array();
  friend bool operator==(const Player&, const Player&) = default;
};
Player full() {
  Player it;
  it.alive = false;
  it.coins = -(std::int64_t{1} << 53);
  it.small = 255;
  it.speed = 123456.79F;
  it.luck = 0.125;
  it.rank = Rank::knight;
  it.name = "Zo\xc3\xab \"the\nfirst\" #|*";
  it.guild = 83;
  it.weapon = Bow{30};
  it.inventory = {{7, 0.1F}, {1000, -2.5F}};
  it.grid = {{1}, {}, {2, 3}};
  it.place = {1, -2, 3};
  it.badges = {"a", ""};
  it.stats = {{"wins", 3}, {"", -1}, {"1", 0}};
  it.slots = {{-1, "hat"}, {1, "boots"}, {2, "gloves"}};
  it.tiles = {{{1, 2}, "x"}, {{3, 4}, ""}};
  it.title = {5, "Sir"};
  it.played = std::chrono::hours(1000);
  it.notes = Value::map({{"a", Value::array({1, 0.5, true})}});
  return it;
}

template <class C>
class SuphiKinds : public testing::Test {};
using Settings = testing::Types<Suphi<>, Suphi<1>>;
TYPED_TEST_SUITE(SuphiKinds, Settings);

template <class C, class T>
Result<void> decode(ByteView bytes, T& into, schema::Limits limits = {}) {
  UnknownFields unknown;
  return C::template decode<NoPolicy>(bytes, into, unknown, limits);
}

TYPED_TEST(SuphiKinds, what_the_format_has_comes_back) {
  for (const Player& from : {Player{}, full()}) {
    Buffer bytes;
    const auto written = TypeParam::template encode<NoPolicy>(from, bytes);
    ASSERT_TRUE(written) << written.error();
    Player back{};
    const auto read = decode<TypeParam>(bytes, back);
    ASSERT_TRUE(read) << read.error() << '\n' << as_text(bytes);
    EXPECT_EQ(back, from) << as_text(bytes);
  }
}

TYPED_TEST(SuphiKinds, equal_data_is_equal_bytes_whatever_the_hashes) {
  std::unordered_map<std::string, int> few{{"b", 1}, {"a", 2}, {"cc", 3}};
  std::unordered_map<std::string, int> roomy(1000);
  for (const auto* key : {"cc", "a", "b"})
    roomy[key] = few[key];
  Buffer once, again;
  ASSERT_TRUE(TypeParam::template encode<NoPolicy>(few, once));
  ASSERT_TRUE(TypeParam::template encode<NoPolicy>(roomy, again));
  EXPECT_EQ(once, again);
}

TYPED_TEST(SuphiKinds, unknown_fields_are_written_back) {
  struct Old {
    std::int64_t coins = 0;
  };
  Buffer bytes, again;
  ASSERT_TRUE(TypeParam::template encode<NoPolicy>(full(), bytes));
  Old old;
  UnknownFields unknown;
  ASSERT_TRUE(TypeParam::template decode<NoPolicy>(bytes, old, unknown));
  old.coins = 5;
  ASSERT_TRUE(TypeParam::template encode<NoPolicy>(old, unknown, again));
  Player back, expected = full();
  expected.coins = 5;
  ASSERT_TRUE((decode<TypeParam>(again, back)));
  EXPECT_EQ(back, expected);
}

TYPED_TEST(SuphiKinds, every_prefix_is_corrupt) {
  Buffer bytes;
  ASSERT_TRUE(TypeParam::template encode<NoPolicy>(full(), bytes));
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    Player player;
    Value value;
    const ByteView cut = bytes.view().first(size);
    const auto read = decode<TypeParam>(cut, player);
    ASSERT_TRUE(read.is(Errc::corrupt)) << read.error() << '\n' << as_text(cut);
    ASSERT_TRUE(decode<TypeParam>(cut, value).is(Errc::corrupt)) << as_text(cut);
  }
}

TYPED_TEST(SuphiKinds, a_flipped_byte_is_an_answer) {
  Buffer bytes;
  ASSERT_TRUE(TypeParam::template encode<NoPolicy>(full(), bytes));
  int read = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const std::byte good = bytes.data()[i];
    for (const unsigned mask : {1U, 2U, 4U, 8U, 16U, 32U, 64U, 128U, 255U}) {
      bytes.data()[i] = good ^ static_cast<std::byte>(mask);
      Player player;
      Value value;
      read += decode<TypeParam>(bytes, player) ? 1 : 0;
      read += decode<TypeParam>(bytes, value) ? 1 : 0;
    }
    bytes.data()[i] = good;
  }
  EXPECT_GT(read, 100) << "or nothing was tried";
}

/// As `value`, with every number as a double, which is all that the vectors' language has.
Value in_doubles(const Value& value) {
  Value::Array elements;
  std::vector<Value::Member> members;
  if (const auto number = value.as<double>()) return *number;
  for (const Value& element : value.elements())
    elements.push_back(in_doubles(element));
  for (const Value::Member& member : value.members())
    members.push_back({member.key, in_doubles(member.value)});
  if (value.is_array()) return elements;
  if (value.is_map()) return Value::map_of(std::move(members)).value();
  return value;
}

TEST(Suphi, the_modules_own_output_both_ways) {
  std::ifstream file(PERSIST_SOURCE_DIR "/test/codec/data/suphi_vectors.jsonl");
  int count = 0;
  for (std::string line; std::getline(file, line); ++count) {
    Value vector;
    ASSERT_TRUE((decode<codec::Json>(as_bytes(line), vector)));
    const int decimals = *vector["decimals"].as<int>();
    const Value& value = vector["value"];
    Buffer out;
    codec::SuphiOutput writer(
        out, {*vector["level"].as<int>(), decimals, *vector["safety"].get_if<bool>()});
    schema::write_value(writer, value);
    ASSERT_TRUE(writer.ok()) << line;
    EXPECT_EQ(test::to_hex(out), *vector["compressed_hex"].get_if<std::string>()) << line;

    codec::SuphiInput reader(out, {}, decimals);
    Value back;
    ASSERT_TRUE(schema::read_value(reader, back) && reader.finish()) << line;
    if (const double* real = value.get_if<double>())
      EXPECT_NEAR(*back.as<double>(), *real, 0.5 / codec::suphi::scale_of(decimals)) << line;
    else
      EXPECT_EQ(in_doubles(back), in_doubles(value)) << line;
  }
  EXPECT_EQ(count, 42);
}

TEST(Suphi, decimals_that_a_double_has_come_back_as_the_same_double) {
  for (const double number : {123.456, 0.1, 1234567.891, -2.75, 1234567891234.987}) {
    Buffer out;
    double back = 0;
    ASSERT_TRUE(Suphi<>::encode<NoPolicy>(number, out));
    ASSERT_TRUE(decode<Suphi<>>(out, back));
    EXPECT_EQ(back, number);
  }
}

TEST(Suphi, every_float_that_was_written_is_read_as_a_float) {
  std::uint32_t state = 1;
  for (int round = 0; round < 20'000; ++round) {
    state = state * 1664525 + 1013904223;
    const float number =
        static_cast<float>(state >> 8) / static_cast<float>(1 << (state & 31) % 24);
    Buffer out;
    float back = 0;
    ASSERT_TRUE(Suphi<>::encode<NoPolicy>(number, out));
    const auto read = decode<Suphi<>>(out, back);
    ASSERT_TRUE(read) << number << ": " << read.error();
    EXPECT_NEAR(back, number, 0.0006F + number * 1e-7F);
  }
}

TEST(Suphi, what_it_cannot_say_is_invalid_and_leaves_the_buffer_as_it_was) {
  Buffer out(as_bytes("x"));
  const auto refused = [&](const auto& data) {
    const auto written = Suphi<>::encode<NoPolicy>(data, out);
    return written.is(Errc::invalid) && as_text(out) == "x";
  };
  EXPECT_TRUE(refused(std::vector<std::optional<int>>{1, std::nullopt}));
  EXPECT_TRUE(refused(Value()));
  EXPECT_TRUE(refused(std::vector<std::byte>(3)));
  EXPECT_TRUE(refused(std::vector<double>{1, std::nan("")}));
  EXPECT_TRUE(refused(std::vector<double>{HUGE_VAL}));
  EXPECT_TRUE(refused(std::int64_t{1} << 60));
  EXPECT_TRUE(refused(std::map<std::string, int>{{"\x7f", 1}}));
}

TEST(Suphi, a_number_that_the_member_cannot_hold_is_a_mismatch_at_its_place) {
  Buffer bytes;
  ASSERT_TRUE(Suphi<>::encode<NoPolicy>(Value::map({{"small", 256}}), bytes));
  Player player;
  const auto read = decode<Suphi<>>(bytes, player);
  ASSERT_TRUE(read.is(Errc::schema_mismatch));
  EXPECT_EQ(read.error().path(), "small");
}

TEST(Suphi, a_map_with_a_gap_in_its_numbers_is_read_by_integers) {
  std::map<int, bool> slots;
  ASSERT_TRUE(decode<Suphi<>>(as_bytes("*>1+>3-\x7f"), slots));
  EXPECT_EQ(slots, (std::map<int, bool>{{1, true}, {3, false}}));
}

}  // namespace
