// builds: single no-exceptions

#include <persist/schema/read.hpp>

#include <persist/schema/value/reader.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <cstdint>
#include <deque>
#include <limits>
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
using persist::Error;
using persist::Result;
using persist::Value;
using persist::schema::NoPolicy;
using persist::schema::ValueReader;

template <class T, class Policy = NoPolicy>
Result<T> as(const Value& from, T into = T{}) {
  ValueReader in(from);
  persist::UnknownFields unknown;
  if (auto done = persist::schema::read<Policy>(in, into, unknown); !done)
    return std::move(done).error();
  return into;
}
/// What is read is what is written: everything T holds survives.
template <class T>
void expect_round_trip(const T& from) {
  persist::schema::ValueWriter out;
  ASSERT_TRUE(persist::schema::write<NoPolicy>(out, from));
  const Value value = out.take();
  const auto back = as<T>(value);
  ASSERT_TRUE(back) << back.error();
  EXPECT_TRUE(*back == from);
}

enum class Rarity : std::uint8_t { common, rare };
struct Bow {
  int draw = 3;
  bool operator==(const Bow&) const = default;
};
struct Sword {
  int edge = 4;
  bool operator==(const Sword&) const = default;
};

TEST(Read, every_kind_of_data_comes_back_as_it_was) {
  expect_round_trip(true);
  expect_round_trip(std::byte{200});
  expect_round_trip(std::string("\0x", 2));
  expect_round_trip(Rarity::rare);
  expect_round_trip(static_cast<Rarity>(99));
  expect_round_trip(std::chrono::milliseconds(-5));
  expect_round_trip(std::chrono::system_clock::time_point(std::chrono::hours(1)));
  expect_round_trip(std::vector<std::byte>{std::byte{1}});
  expect_round_trip(std::array<std::byte, 2>{std::byte{1}, std::byte{2}});
  expect_round_trip(persist::Buffer(persist::as_bytes("bytes")));
  expect_round_trip(std::optional<std::vector<int>>{{1, 2}});
  expect_round_trip(std::variant<std::monostate, Bow, Sword>(Sword{9}));
  expect_round_trip(std::variant<std::monostate, Bow, Sword>());
  expect_round_trip(std::vector<bool>{true, false, true});
  expect_round_trip(std::deque<std::list<int>>{{1}, {}, {2, 3}});
  expect_round_trip(std::array<std::string, 2>{"a", "b"});
  expect_round_trip(std::set<std::string>{"a", "b"});
  expect_round_trip(std::unordered_set<int>{1, 2, 3});
  expect_round_trip(std::multiset<int>{1, 1});
  expect_round_trip(std::multimap<int, int>{{1, 2}, {1, 3}});
  expect_round_trip(std::map<std::int8_t, Bow>{{std::int8_t{-1}, {5}}});
  expect_round_trip(std::map<Rarity, int>{{Rarity::rare, 1}, {static_cast<Rarity>(50), 2}});
  expect_round_trip(std::unordered_map<std::string, std::map<int, int>>{{"a", {{1, 2}}}});
  expect_round_trip(std::map<std::pair<int, int>, std::string>{{{1, 2}, "x"}});
  expect_round_trip(std::map<bool, int>{{true, 1}});
  expect_round_trip(std::tuple<int, std::string, Bow>{1, "x", {}});
  expect_round_trip(std::pmr::map<std::pmr::string, std::pmr::vector<int>>{{"a", {1, 2}}});
  expect_round_trip(Value::map({{"a", Value::array({1, nullptr})}}));
}

template <class T>
void expect_integer_limits() {
  const T least = (std::numeric_limits<T>::min)();
  const T most = (std::numeric_limits<T>::max)();
  EXPECT_EQ(as<T>(Value(least)).value(), least);
  EXPECT_EQ(as<T>(Value(most)).value(), most);
  if constexpr (sizeof(T) < 8) {
    EXPECT_TRUE(as<T>(Value(std::int64_t{most} + 1)).is(Errc::schema_mismatch));
    EXPECT_TRUE(as<T>(Value(std::int64_t{least} - 1)).is(Errc::schema_mismatch));
  }
}
TEST(Read, an_integer_fits_or_is_refused) {
  expect_integer_limits<std::int8_t>();
  expect_integer_limits<std::uint8_t>();
  expect_integer_limits<std::int16_t>();
  expect_integer_limits<std::uint16_t>();
  expect_integer_limits<std::int32_t>();
  expect_integer_limits<std::uint32_t>();
  expect_integer_limits<std::int64_t>();
  expect_integer_limits<std::uint64_t>();
  EXPECT_TRUE(as<std::uint64_t>(Value(-1)).is(Errc::schema_mismatch));
  EXPECT_TRUE(as<std::int64_t>(Value(~std::uint64_t{0})).is(Errc::schema_mismatch));
  const auto error = as<std::uint8_t>(Value(300)).error();
  EXPECT_EQ(error.expected(), "uint8");
  EXPECT_EQ(error.found(), "300");
}

TEST(Read, a_real_becomes_an_integer_if_it_is_one) {
  EXPECT_EQ(as<int>(Value(1.0)).value(), 1);
  EXPECT_EQ(as<int>(Value(-1.0f)).value(), -1);
  EXPECT_EQ(as<int>(Value(-0.0)).value(), 0);
  EXPECT_EQ(as<std::int64_t>(Value(-9223372036854775808.0)).value(),
            (std::numeric_limits<std::int64_t>::min)());
  EXPECT_TRUE(as<int>(Value(1.5)).is(Errc::schema_mismatch));
  EXPECT_TRUE(as<std::uint8_t>(Value(300.0)).is(Errc::schema_mismatch));
  EXPECT_TRUE(as<std::uint64_t>(Value(18446744073709551616.0)).is(Errc::schema_mismatch));
  EXPECT_TRUE(as<int>(Value(std::nan(""))).is(Errc::schema_mismatch));
  EXPECT_TRUE(as<int>(Value(std::numeric_limits<double>::infinity())).is(Errc::schema_mismatch));
}

TEST(Read, an_integer_becomes_a_real_if_that_is_exact) {
  EXPECT_EQ(as<double>(Value(-3)).value(), -3.0);
  EXPECT_EQ(as<double>(Value(std::int64_t{1} << 53)).value(), 9007199254740992.0);
  EXPECT_TRUE(as<double>(Value((std::int64_t{1} << 53) + 1)).is(Errc::schema_mismatch));
  EXPECT_EQ(as<float>(Value(1 << 24)).value(), 16777216.0f);
  EXPECT_TRUE(as<float>(Value((1 << 24) + 1)).is(Errc::schema_mismatch));
  EXPECT_EQ(as<double>(Value((std::numeric_limits<std::int64_t>::min)())).value(),
            -9223372036854775808.0);
  EXPECT_TRUE(as<double>(Value(~std::uint64_t{0})).is(Errc::schema_mismatch));
}

TEST(Read, a_float_comes_back_from_a_double_that_says_the_same_number) {
  EXPECT_EQ(as<float>(Value(0.1f)).value(), 0.1f);
  EXPECT_EQ(as<float>(Value(0.1)).value(), 0.1f) << "what JSON makes of the text of 0.1f";
  EXPECT_EQ(as<float>(Value(0.5)).value(), 0.5f);
  EXPECT_TRUE(as<float>(Value(0.1438651412689027)).is(Errc::schema_mismatch));
  EXPECT_TRUE(as<float>(Value(1e300)).is(Errc::schema_mismatch));
  EXPECT_TRUE(std::isnan(as<float>(Value(std::nan(""))).value()));
  EXPECT_EQ(as<float>(Value(-std::numeric_limits<double>::infinity())).value(),
            -std::numeric_limits<float>::infinity());
  EXPECT_EQ(as<double>(Value(0.1f)).value(), static_cast<double>(0.1f));
}

struct Item {
  std::uint32_t id = 0;
  int count = 1;
};
struct Settings {
  double fov = 70;
  std::string language = "en";
};
struct Player {
  std::int64_t coins = 0;
  int level = 1;
  std::vector<Item> inventory;
  Settings settings{.fov = 80, .language = "fr"};
  std::map<std::string, Settings> profiles;
  std::optional<Settings> extra;
};

TEST(Read, what_is_missing_takes_the_members_default_at_every_depth) {
  const auto player = as<Player>(Value::map({{"inventory", Value::array({Value::map({{"id", 7}})})},
                                             {"settings", Value::map({{"language", "de"}})},
                                             {"profiles", Value::map({{"a", Value::map()}})},
                                             {"extra", Value::map({{"fov", 1}})}}));
  ASSERT_TRUE(player) << player.error();
  EXPECT_EQ(player->level, 1);
  ASSERT_EQ(player->inventory.size(), 1u);
  EXPECT_EQ(player->inventory[0].id, 7u);
  EXPECT_EQ(player->inventory[0].count, 1);
  EXPECT_EQ(player->settings.fov, 80) << "the default that the struct around it gives";
  EXPECT_EQ(player->settings.language, "de");
  EXPECT_EQ(player->profiles.at("a").fov, 70);
  EXPECT_EQ(player->extra->language, "en");
}

TEST(Read, what_is_stored_replaces_elements_that_a_default_has) {
  struct Starter {
    std::vector<int> list{1, 2, 3};
    std::map<std::string, int> map{{"a", 1}};
    std::optional<int> maybe = 5;
  };
  const auto read = as<Starter>(Value::map(
      {{"list", Value::array({9})}, {"map", Value::map({{"b", 2}})}, {"maybe", nullptr}}));
  ASSERT_TRUE(read) << read.error();
  EXPECT_EQ(read->list, (std::vector<int>{9}));
  EXPECT_EQ(read->map, (std::map<std::string, int>{{"b", 2}}));
  EXPECT_EQ(read->maybe, std::nullopt);
  EXPECT_EQ(as<Starter>(Value::map()).value().list.size(), 3u);
}

TEST(Read, a_mismatch_names_path_expected_and_found) {
  const Value bad = Value::map(
      {{"inventory",
        Value::array({Value::map({{"id", 1}}), Value::map({{"id", 2}, {"count", "many"}})})}});
  const auto player = as<Player>(bad);
  ASSERT_TRUE(player.is(Errc::schema_mismatch));
  EXPECT_EQ(player.error().path(), "inventory[1].count");
  EXPECT_EQ(player.error().expected(), "int32");
  EXPECT_EQ(player.error().found(), "the text 'many'");
  const auto in_map =
      as<Player>(Value::map({{"profiles", Value::map({{"a", Value::map({{"fov", true}})}})}}));
  EXPECT_EQ(in_map.error().path(), "profiles.a.fov");
  EXPECT_EQ(in_map.error().found(), "true");
  EXPECT_EQ(as<Player>(Value::array({1})).error().expected(), "a map");
  EXPECT_EQ(as<std::vector<int>>(Value::map()).error().found(), "a map");
}

TEST(Read, null_is_a_value_of_optionals_only) {
  EXPECT_TRUE(as<int>(Value()).is(Errc::schema_mismatch));
  EXPECT_TRUE(as<std::string>(Value()).is(Errc::schema_mismatch));
  EXPECT_EQ(as<std::optional<int>>(Value()).value(), std::nullopt);
}

TEST(Read, fixed_sizes_take_less_but_not_more) {
  using Three = std::array<int, 3>;
  EXPECT_EQ(as<Three>(Value::array({1, 2}), Three{7, 8, 9}).value(), (Three{1, 2, 9}));
  EXPECT_TRUE(as<Three>(Value::array({1, 2, 3, 4})).is(Errc::schema_mismatch));
  using Pair = std::pair<int, int>;
  EXPECT_EQ(as<Pair>(Value::array({1}), Pair{7, 8}).value(), (Pair{1, 8}));
  const auto error = as<Pair>(Value::array({1, "x"})).error();
  EXPECT_EQ(error.path(), "[1]");
  EXPECT_TRUE(as<Pair>(Value::array({1, 2, 3})).is(Errc::schema_mismatch));
  using Bytes = std::array<std::byte, 2>;
  EXPECT_TRUE(as<Bytes>(Value(Value::Bytes(3))).is(Errc::schema_mismatch));
}

TEST(Read, maps_refuse_keys_that_are_none_and_sets_refuse_repeats) {
  using Map = std::map<std::uint8_t, int>;
  EXPECT_TRUE(as<Map>(Value::map({{"256", 1}})).is(Errc::schema_mismatch));
  EXPECT_TRUE(as<Map>(Value::map({{"01", 1}})).is(Errc::schema_mismatch));
  EXPECT_TRUE(as<std::set<int>>(Value::array({1, 1})).is(Errc::schema_mismatch));
  using Pairs = std::map<std::pair<int, int>, int>;
  const Value entry = Value::array({Value::array({1, 2}), 3});
  EXPECT_TRUE(as<Pairs>(Value::array({entry, entry})).is(Errc::corrupt));
  EXPECT_TRUE(as<Pairs>(Value::array({Value::array()})).is(Errc::schema_mismatch));
  EXPECT_TRUE(
      as<Pairs>(Value::array({Value::array({Value::array({1, 2})})})).is(Errc::schema_mismatch));
  EXPECT_TRUE(as<Pairs>(Value::array({Value::array({Value::array({1, 2}), 3, 4})}))
                  .is(Errc::schema_mismatch));
}

TEST(Read, a_variant_is_a_map_of_one_entry) {
  using Weapon = std::variant<Bow, Sword>;
  EXPECT_TRUE(as<Weapon>(Value::map()).is(Errc::schema_mismatch));
  EXPECT_TRUE(as<Weapon>(Value()).is(Errc::schema_mismatch)) << "there is no monostate to be null";
  EXPECT_TRUE(as<Weapon>(Value::map({{"Bow", Value::map()}, {"Sword", Value::map()}}))
                  .is(Errc::schema_mismatch));
  EXPECT_EQ(as<Weapon>(Value::map({{"Sword", Value::map()}})).value(), Weapon(Sword{}));
}

/// Gives out keys that a Value cannot hold twice.
struct Twice : ValueReader {
  using ValueReader::ValueReader;
  bool again = true;
  bool next_key(std::string_view& into) {
    if (!ValueReader::next_key(into)) return false;
    if (into == "z") into = "coins";
    return true;
  }
};
struct Wallet {
  int coins = 0;
  int gems = 0;
};

TEST(Read, a_field_that_is_there_twice_is_corrupt) {
  const Value twice = Value::map({{"z", 1}, {"coins", 2}});
  Twice in(twice);
  Wallet wallet;
  persist::UnknownFields unknown;
  const auto known = persist::schema::read<int>(in, wallet, unknown);
  ASSERT_TRUE(known.is(Errc::corrupt));
  EXPECT_EQ(known.error().path(), "coins");

  struct Empty {};
  Empty empty;
  Twice again(twice);
  EXPECT_TRUE(persist::schema::read<int>(again, empty, unknown).is(Errc::corrupt))
      << "unknown fields too";
  EXPECT_TRUE(unknown.empty());

  std::map<std::string, int> map;
  Twice once_more(twice);
  EXPECT_TRUE(persist::schema::read<int>(once_more, map, unknown).is(Errc::corrupt));
}

struct Backwards : ValueReader {
  using ValueReader::ValueReader;
  static constexpr bool sorts_keys = false;
};

TEST(Read, fields_are_found_in_any_order) {
  struct Order {
    int ccc = 0, bb = 0, a = 0;
  };
  const Value value = Value::map({{"ccc", 3}, {"bb", 2}, {"a", 1}});
  Backwards in(value);
  Order order;
  persist::UnknownFields unknown;
  ASSERT_TRUE(persist::schema::read<int>(in, order, unknown));
  EXPECT_EQ(order.ccc, 3);
  EXPECT_EQ(order.bb, 2);
  EXPECT_EQ(order.a, 1);
}

struct Even {
  int half = 0;
};

}  // namespace

template <>
struct persist::adapt<Even> {
  using stored_type = int;
  static int store(const Even& even) { return even.half * 2; }
  static Result<Even> restore(int stored) {
    if (stored % 2 != 0) return Error(Errc::invalid, "an odd number");
    return Even{stored / 2};
  }
};

namespace {

TEST(Read, a_foreign_type_may_refuse_what_is_stored) {
  EXPECT_EQ(as<Even>(Value(6)).value().half, 3);
  const auto odd = as<std::vector<Even>>(Value::array({2, 3}));
  ASSERT_TRUE(odd.is(Errc::invalid));
  EXPECT_EQ(odd.error().path(), "[1]");
}

TEST(Read, a_lie_about_a_count_reserves_no_more_than_a_mebibyte) {
  struct Liar : ValueReader {
    using ValueReader::ValueReader;
    bool begin_array(std::size_t& count) {
      const bool done = ValueReader::begin_array(count);
      count = std::size_t{1} << 62;
      return done;
    }
  };
  const Value value = Value::array({1});
  Liar in(value);
  std::vector<std::int64_t> list;
  persist::UnknownFields unknown;
  ASSERT_TRUE(persist::schema::read<int>(in, list, unknown));
  EXPECT_LE(list.capacity() * sizeof(std::int64_t), std::size_t{1} << 20);
}

}  // namespace
