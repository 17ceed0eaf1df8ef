#pragma once

#include <persist/schema/attributes.hpp>
#include <persist/schema/kind.hpp>
#include <persist/schema/unknown.hpp>
#include <persist/schema/value.hpp>

#include <array>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <system_error>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include <fuzz/source.hpp>

namespace fuzz {

enum class Rank : std::uint8_t { novice, knight, king };

struct Gem {
  int cut = 1;
  friend bool operator==(const Gem&, const Gem&) = default;
};
struct Bow {
  std::uint16_t arrows = 3;
  friend bool operator==(const Bow&, const Bow&) = default;
};
struct Item {
  std::uint32_t id = 0;
  Gem gem;
  friend bool operator==(const Item&, const Item&) = default;
};
/// Keeps what it does not know itself.
struct Note {
  std::string text;
  persist::Unknown unknown;
  friend bool operator==(const Note&, const Note&) = default;
};
/// Stored as a text.
struct Version {
  int major = 0;
  friend bool operator==(const Version&, const Version&) = default;
};

}  // namespace fuzz

template <>
struct persist::adapt<fuzz::Version> {
  using stored_type = std::string;
  static std::string store(const fuzz::Version& it) { return "v" + std::to_string(it.major); }
  static Result<fuzz::Version> restore(const std::string& from) {
    fuzz::Version made;
    const char* end = from.data() + from.size();
    if (from.empty() || from[0] != 'v') return Error(Errc::schema_mismatch, "no version");
    const auto read = std::from_chars(from.data() + 1, end, made.major);
    if (read.ec != std::errc() || read.ptr != end)
      return Error(Errc::schema_mismatch, "no version");
    return made;
  }
};

namespace fuzz {

/// All kinds of data, each where what is unknown may be kept in another way.
struct Everything {
  bool alive = true;
  std::int8_t small = 0;
  std::int64_t coins = 0;
  std::uint64_t seed = 0;
  float speed = 1;
  double luck = 0;
  Rank rank = Rank::novice;
  std::string name;
  std::vector<std::byte> blob;
  std::optional<Gem> crown;
  std::variant<std::monostate, Gem, Bow, std::string> prize;
  std::array<std::int16_t, 3> place{};
  std::vector<Item> items;
  std::vector<Note> notes;
  std::map<std::string, Gem> gems;
  std::map<Rank, int> medals;
  std::map<std::pair<int, int>, double> grid;
  std::unordered_map<std::int64_t, std::string> scores;
  std::set<std::string> seen;
  std::tuple<int, std::string, bool> title;
  std::chrono::milliseconds played{0};
  std::chrono::sys_seconds joined{};
  std::vector<bool> flags;
  std::vector<std::tuple<>> nothing;
  Version version;
  persist::Value free;
  friend bool operator==(const Everything&, const Everything&) = default;
};
/// What another build has of it: less, in another order, and some of it of other kinds.
struct Older {
  std::string name;
  std::vector<Item> items;
  std::map<std::string, Gem> gems;
  std::int32_t coins = 0;
  double small = 0;
  std::optional<std::uint64_t> seed;
  std::vector<std::string> seen;
  std::variant<Gem, Bow> prize;
  Gem crown;
  persist::Value free;
};
struct Policy {
  using fields = persist::Fields<persist::Identity<&Item::id>>;
};

/// One that anything may be in.
[[nodiscard]] inline Everything make_everything(Source& from) {
  Everything it;
  const auto times = [&](auto&& one) {
    for (std::size_t left = from.below(5); left != 0 && !from.empty(); --left)
      one();
  };
  const auto gem = [&] { return Gem{from.number<int>()}; };
  it.alive = from.flag();
  it.small = from.number<std::int8_t>();
  it.coins = from.number<std::int64_t>();
  it.seed = from.number<std::uint64_t>();
  it.speed = from.real<float>();
  it.luck = from.real<double>();
  it.rank = static_cast<Rank>(from.byte());
  it.name = from.text();
  times([&] { it.blob.push_back(std::byte{from.byte()}); });
  if (from.flag()) it.crown = gem();
  switch (from.below(4)) {
    case 1:
      it.prize = gem();
      break;
    case 2:
      it.prize = Bow{from.number<std::uint16_t>()};
      break;
    case 3:
      it.prize = from.text();
      break;
    default:
      break;
  }
  for (auto& each : it.place)
    each = from.number<std::int16_t>();
  times([&] { it.items.push_back({from.number<std::uint32_t>(), gem()}); });
  times([&] { it.notes.emplace_back().text = from.text(); });
  times([&] { it.gems[from.text()] = gem(); });
  times([&] { it.medals[static_cast<Rank>(from.byte())] = from.number<int>(); });
  times([&] {
    const int x = from.number<int>();
    it.grid[{x, from.number<int>()}] = from.real<double>();
  });
  times([&] { it.scores[from.number<std::int64_t>()] = from.text(); });
  times([&] { it.seen.insert(from.text()); });
  std::get<0>(it.title) = from.number<int>();
  std::get<1>(it.title) = from.text();
  std::get<2>(it.title) = from.flag();
  it.played = std::chrono::milliseconds(from.number<std::int64_t>());
  it.joined += std::chrono::seconds(from.number<std::int64_t>());
  times([&] { it.flags.push_back(from.flag()); });
  times([&] { it.nothing.emplace_back(); });
  it.version.major = from.number<int>();
  it.free = make_value(from);
  return it;
}

/// A record of it that a newer build has written: there is more everywhere.
[[nodiscard]] inline persist::Value newer_everything(const Everything& than) {
  using persist::Value;
  Value all = persist::schema::to_value(than).value();
  const Value gem = Value::map({{"cut", 3}, {"clarity", Value::array({1, "a", nullptr})}});
  all["season"] = Value::map({{"rank", 7}});
  all["gems"]["ruby"] = all["crown"] = gem;
  all["prize"] = Value::map({{"Wand", Value::map({{"power", 9.5}})}});
  all["rank"] = "emperor";
  all["medals"]["emperor"] = 2;
  all["items"] = Value::array({Value::map({{"id", 1}, {"gem", gem}, {"worn", 0.25}})});
  all["notes"] = Value::array({Value::map({{"text", "a"}, {"ink", "red"}})});
  return all;
}

}  // namespace fuzz
