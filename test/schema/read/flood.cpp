// builds: single no-exceptions

#include <persist/schema/read/flood.hpp>

#include <persist/schema/read.hpp>
#include <persist/schema/value/reader.hpp>

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace {

using persist::Errc;
using persist::Result;
using persist::Value;
using persist::schema::ValueReader;
using persist::schema::detail::is_flooded;
using persist::schema::detail::most_crowded_keys;

/// As poor as a hash can be.
struct Poor {
  std::size_t operator()(std::uint64_t) const noexcept { return 7; }
};
enum class Tag : std::uint64_t {};

static_assert(is_flooded<std::unordered_map<int, int>>);
static_assert(is_flooded<std::unordered_map<std::string, int>>);
static_assert(is_flooded<std::unordered_set<Tag>>);
static_assert(is_flooded<std::unordered_set<double>>);
static_assert(is_flooded<std::unordered_set<std::optional<int>>>);
static_assert(!is_flooded<std::unordered_map<std::uint64_t, int, Poor>>, "a hash of its own");
static_assert(!is_flooded<std::unordered_multiset<int>>, "equal keys share a bucket");
static_assert(!is_flooded<std::map<int, int>> && !is_flooded<std::set<int>>);

using Map = std::unordered_map<std::uint64_t, int>;
using Set = std::unordered_set<std::uint64_t>;

/// Keys that fall into one bucket of a container that makes room for them first.
template <class C>
std::vector<std::uint64_t> colliding(std::size_t count) {
  C probe;
  probe.reserve(count);
  std::vector<std::uint64_t> keys(count);
  for (std::size_t i = 0; i < count; ++i)
    keys[i] = i * probe.bucket_count();
  return keys;
}
Value map_of(const std::vector<std::uint64_t>& keys) {
  std::vector<Value::Member> members;
  for (const std::uint64_t key : keys)
    members.push_back({std::to_string(key), Value(1)});
  return Value::map_of(std::move(members)).value();
}
Value list_of(const std::vector<std::uint64_t>& keys) {
  return Value(Value::Array(keys.begin(), keys.end()));
}
template <class T>
Result<T> as(const Value& from) {
  ValueReader in(from);
  persist::UnknownFields unknown;
  T into{};
  auto done = persist::schema::read<persist::schema::NoPolicy>(in, into, unknown);
  return done ? Result<T>(std::move(into)) : std::move(done).error();
}

constexpr std::size_t too_many = most_crowded_keys + 65;  // the first 64 are in good company

TEST(Flood, keys_made_to_collide_are_too_large_and_the_path_is_named) {
  struct Save {
    Map scores;
  };
  const auto read = as<Save>(Value::map({{"scores", map_of(colliding<Map>(too_many))}}));
  ASSERT_TRUE(read.is(Errc::too_large));
  EXPECT_EQ(read.error().path(), "scores");
  EXPECT_NE(read.error().detail().find("hashes collide"), std::string_view::npos) << read.error();
  EXPECT_TRUE(as<Set>(list_of(colliding<Set>(too_many))).is(Errc::too_large));
}

TEST(Flood, as_many_as_cost_little_are_read) {
  const auto keys = colliding<Map>(too_many - 1);
  const auto read = as<Map>(map_of(keys));
  ASSERT_TRUE(read) << read.error();
  EXPECT_EQ(read->size(), keys.size());
}

TEST(Flood, one_budget_is_for_the_whole_input) {
  const Value third = list_of(colliding<Set>(too_many / 2));
  EXPECT_TRUE(as<std::vector<Set>>(Value::array({third, third})));
  EXPECT_TRUE(as<std::vector<Set>>(Value::array({third, third, third})).is(Errc::too_large));
}

TEST(Flood, keys_that_a_game_would_have_are_read) {
  std::vector<std::uint64_t> keys;
  for (std::uint64_t i = 0; i < 30'000; ++i)
    keys.push_back(i % 3 == 0 ? i : i % 3 == 1 ? i << 32 : ~std::uint64_t{0} - i * 1'000'000);
  const auto set = as<Set>(list_of(keys));
  ASSERT_TRUE(set) << set.error();
  EXPECT_EQ(set->size(), keys.size());
}

TEST(Flood, a_record_that_a_poor_hash_of_the_games_own_wrote_is_read) {
  using Poorly = std::unordered_map<std::uint64_t, int, Poor>;
  const auto read = as<Poorly>(map_of(colliding<Map>(too_many)));
  ASSERT_TRUE(read) << read.error();
  EXPECT_EQ(read->size(), too_many);
}

TEST(Flood, long_buckets_that_were_asked_for_are_read) {
  struct Crammed : Set {
    Crammed() { max_load_factor(1000); }
  };
  std::vector<std::uint64_t> keys(6'000);
  for (std::size_t i = 0; i < keys.size(); ++i)
    keys[i] = i;
  const auto read = as<Crammed>(list_of(keys));
  ASSERT_TRUE(read) << read.error();
  EXPECT_EQ(read->size(), keys.size());
}

}  // namespace
