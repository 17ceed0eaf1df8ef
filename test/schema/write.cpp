// builds: single no-exceptions

#include <persist/schema/write.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <deque>
#include <list>
#include <map>
#include <memory_resource>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <variant>
#include <vector>

namespace {

using persist::Errc;
using persist::Value;
using persist::schema::NoPolicy;
using persist::schema::ValueWriter;

enum class Rarity { common, rare };
struct Bow {
  int draw = 3;
};
struct Guid {
  int high = 0;
};

}  // namespace

template <>
struct persist::adapt<Guid> {
  using stored_type = std::string;
  static std::string store(const Guid& guid) { return "guid-" + std::to_string(guid.high); }
  static Guid restore(const std::string& text) { return {std::stoi(text.substr(5))}; }
};

namespace {

template <class Policy = NoPolicy, class T>
Value written(const T& from) {
  ValueWriter out;
  const auto done = persist::schema::write<Policy>(out, from);
  EXPECT_TRUE(done);
  return out.take();
}

TEST(Write, scalars_are_what_they_are) {
  EXPECT_EQ(written(true), Value(true));
  EXPECT_EQ(written(-5), Value(-5));
  EXPECT_EQ(written(~std::uint64_t{0}), Value(~std::uint64_t{0}));
  EXPECT_EQ(written(std::byte{7}), Value(7));
  EXPECT_EQ(written(0.5f).kind(), Value::Kind::single);
  EXPECT_EQ(written(std::string("x")), Value("x"));
  EXPECT_EQ(written(std::chrono::seconds(90)), Value(90));
  EXPECT_EQ(written(std::chrono::sys_seconds(std::chrono::seconds(90))), Value(90));
  EXPECT_EQ(written(std::chrono::duration<double>(1.5)), Value(1.5));
}

TEST(Write, an_enum_is_its_name_or_else_its_number) {
  EXPECT_EQ(written(Rarity::rare), Value("rare"));
  EXPECT_EQ(written(static_cast<Rarity>(9)), Value(9));
}

TEST(Write, bytes_are_bytes) {
  const std::vector<std::byte> bytes{std::byte{1}, std::byte{2}};
  EXPECT_EQ(written(bytes), Value(bytes));
  EXPECT_EQ(written(std::array<std::byte, 2>{std::byte{1}, std::byte{2}}), Value(bytes));
  EXPECT_EQ(written(persist::Buffer(persist::ByteView(bytes))), Value(bytes));
}

TEST(Write, optionals_and_variants_say_what_they_hold) {
  EXPECT_EQ(written(std::optional<int>()), Value());
  EXPECT_EQ(written(std::optional<int>(4)), Value(4));
  using Weapon = std::variant<std::monostate, Bow, int>;
  EXPECT_EQ(written(Weapon()), Value());
  EXPECT_EQ(written(Weapon(Bow{9})), Value::map({{"Bow", Value::map({{"draw", 9}})}}));
  EXPECT_EQ(written(Weapon(7)), Value::map({{"int32", 7}}));
}

TEST(Write, everything_in_a_row_is_an_array) {
  const Value three = Value::array({1, 2, 3});
  EXPECT_EQ(written(std::vector<int>{1, 2, 3}), three);
  EXPECT_EQ(written(std::array<int, 3>{1, 2, 3}), three);
  EXPECT_EQ(written(std::list<int>{1, 2, 3}), three);
  EXPECT_EQ(written(std::deque<int>{1, 2, 3}), three);
  EXPECT_EQ(written(std::set<int>{3, 2, 1}), three);
  EXPECT_EQ(written(std::tuple<int, short, long>{1, 2, 3}), three);
  EXPECT_EQ(written(std::vector<bool>{true, false}), Value::array({true, false}));
  std::pmr::vector<std::pmr::string> allocated{"a", "b"};
  EXPECT_EQ(written(allocated), Value::array({"a", "b"}));
}

TEST(Write, the_same_set_is_written_the_same_way_whatever_its_hashes) {
  std::unordered_set<int> up;
  std::unordered_set<int> down;
  down.reserve(1000);
  for (int i = 0; i < 100; ++i)
    up.insert(i), down.insert(99 - i);
  EXPECT_EQ(written(up), written(down));
  EXPECT_EQ(written(up)[0], Value(0));
}

TEST(Write, maps_with_keys_that_have_a_text_are_maps) {
  EXPECT_EQ(written(std::map<int, int>{{10, 1}, {9, 2}}), Value::map({{"10", 1}, {"9", 2}}));
  EXPECT_EQ(written(std::map<Rarity, int>{{Rarity::rare, 1}}), Value::map({{"rare", 1}}));
  EXPECT_EQ(written(std::unordered_map<std::string, int>{{"a", 1}}), Value::map({{"a", 1}}));
}

TEST(Write, maps_with_other_keys_are_arrays_of_pairs) {
  const std::map<std::pair<int, int>, bool> map{{{1, 2}, true}};
  EXPECT_EQ(written(map), Value::array({Value::array({Value::array({1, 2}), true})}));
  const std::multimap<int, int> many{{1, 2}, {1, 3}};
  EXPECT_EQ(written(many), Value::array({Value::array({1, 2}), Value::array({1, 3})}));
}

TEST(Write, a_foreign_type_is_stored_as_another) {
  EXPECT_EQ(written(Guid{5}), Value("guid-5"));
}

struct Player {
  int coins = 1;
  int cache = 2;
  Bow bow;
};
struct Policy {
  using fields =
      persist::Fields<persist::Renamed<&Player::coins, "gold">, persist::Transient<&Player::cache>>;
};

TEST(Write, a_struct_is_a_map_by_the_attributes_of_its_policy) {
  EXPECT_EQ(written(Player{}),
            Value::map({{"coins", 1}, {"cache", 2}, {"bow", Value::map({{"draw", 3}})}}));
  EXPECT_EQ(written<Policy>(Player{}),
            Value::map({{"gold", 1}, {"bow", Value::map({{"draw", 3}})}}));
}

/// Writes down the order of keys and the counts that were promised.
struct Recorder : ValueWriter {
  std::vector<std::string> keys;
  std::vector<std::size_t> counts;
  void key(std::string_view text) { keys.emplace_back(text), ValueWriter::key(text); }
  void begin_map(std::size_t count) { counts.push_back(count), ValueWriter::begin_map(count); }
};
struct Unsorted : Recorder {
  static constexpr bool sorts_keys = false;
};
struct Keys {
  int zz = 0;
  int a = 0;
  int bb = 0;
};

TEST(Write, keys_come_in_canonical_order_where_the_format_asks_for_it) {
  Recorder sorted;
  ASSERT_TRUE(persist::schema::write<NoPolicy>(sorted, Keys{}));
  EXPECT_EQ(sorted.keys, (std::vector<std::string>{"a", "bb", "zz"}));
  Unsorted declared;
  ASSERT_TRUE(persist::schema::write<NoPolicy>(declared, Keys{}));
  EXPECT_EQ(declared.keys, (std::vector<std::string>{"zz", "a", "bb"}));
  Recorder map;
  ASSERT_TRUE(persist::schema::write<NoPolicy>(map, std::map<int, int>{{10, 1}, {9, 2}, {8, 3}}));
  EXPECT_EQ(map.keys, (std::vector<std::string>{"8", "9", "10"}));
}

TEST(Write, unknown_fields_are_merged_in_order_and_counted) {
  for (const bool sort : {true, false}) {
    persist::UnknownFields unknown;
    unknown.make_root().fields["b"].value = 5;
    unknown.make_root().fields["zzz"].value = 6;
    if (sort) {
      Recorder out;
      ASSERT_TRUE(persist::schema::write<NoPolicy>(out, Keys{}, unknown));
      EXPECT_EQ(out.keys, (std::vector<std::string>{"a", "b", "bb", "zz", "zzz"}));
      EXPECT_EQ(out.counts, (std::vector<std::size_t>{5}));
    } else {
      Unsorted out;
      ASSERT_TRUE(persist::schema::write<NoPolicy>(out, Keys{}, unknown));
      EXPECT_EQ(out.keys, (std::vector<std::string>{"zz", "a", "bb", "b", "zzz"}));
      EXPECT_EQ(out.counts, (std::vector<std::size_t>{5}));
    }
  }
}

TEST(Write, an_error_of_the_writer_is_the_result) {
  ValueWriter out;
  out.fail(Errc::too_large);
  EXPECT_TRUE(persist::schema::write<NoPolicy>(out, 1).is(Errc::too_large));
}

}  // namespace
