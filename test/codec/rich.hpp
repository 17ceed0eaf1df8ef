#pragma once

#include <persist/schema/attributes.hpp>
#include <persist/schema/value.hpp>

#include <chrono>
#include <cstdint>
#include <map>
#include <memory_resource>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include <codec/profile.hpp>

namespace test {

struct Gem {
  int cut = 1;
};
struct Tool {
  std::uint32_t id = 0;
  Gem gem;
};
/// What an older build has: all kinds of data, and every kind of place where something unknown may
/// be kept.
struct Rich {
  Profile profile;
  std::map<std::string, Gem> gems;
  std::optional<Gem> crown;
  std::variant<std::monostate, Gem, std::string> prize;
  std::variant<Sword, Bow> weapon;
  Rank rank = Rank::novice;
  std::map<Rank, int> medals;
  std::vector<Tool> tools;
  std::pair<Gem, int> pair;
  std::set<std::string> seen;
  std::unordered_map<std::int64_t, std::string> scores;
  std::map<std::pair<int, int>, double> grid;
  std::tuple<int, std::string, bool> title;
  std::chrono::sys_seconds joined{};
  std::vector<bool> flags;
  std::pmr::vector<std::pmr::string> words;
  persist::Value notes;
};
struct RichPolicy {
  using fields = persist::Fields<persist::Identity<&Tool::id>>;
};

/// A record of it that a newer build has written.
inline persist::Value rich_value() {
  using persist::Value;
  Rich it;
  it.profile = full_profile();
  it.scores = {{-1, "x"}, {std::int64_t{1} << 40, "y"}};
  it.grid = {{{1, 2}, 0.5}, {{1, 3}, -0.0}};
  it.seen = {"a", "b"};
  it.flags = {true, false};
  it.words = {"one", "two"};
  Value all = persist::schema::to_value(it).value();
  const Value gem = Value::map({{"cut", 3}, {"clarity", Value::array({1, "a", nullptr})}});
  all["season"] = Value::map({{"rank", 7}});
  all["gems"] = Value::map({{"ruby", gem}, {"opal", Value::map()}});
  all["crown"] = gem;
  all["prize"] = Value::map({{"Gem", gem}});
  all["weapon"] = Value::map({{"Wand", Value::map({{"power", 9.5}})}});
  all["rank"] = "emperor";
  all["medals"] = Value::map({{"king", 1}, {"emperor", 2}});
  all["tools"] = Value::array({Value::map({{"id", 1}, {"gem", gem}, {"worn", 0.25}}),
                               Value::map({{"id", 2}, {"gem", Value::map()}})});
  all["pair"] = Value::array({gem, 4});
  all["notes"] = Value::map({{"list", Value::array({1, -1, 2.5, "x", nullptr, true})}});
  return all;
}

}  // namespace test
