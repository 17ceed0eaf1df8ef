#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <vector>

// The players that everything is measured with, generated from a seed: `Small` has 10 fields (about
// 190 bytes as JSON), `Medium` 32 (about 9.7 KiB), and a large one is of the same type.

namespace bench {

struct Small {
  std::int64_t coins = 0;
  std::int32_t level = 1;
  double xp = 0;
  bool vip = false;
  std::string name;
  std::string language;
  std::uint32_t wins = 0;
  std::uint32_t losses = 0;
  double rating = 0;
  std::int64_t last_seen = 0;
};

struct Item {
  std::uint32_t id = 0;
  std::uint16_t count = 1;
  float durability = 1;
  std::string name;
  std::optional<std::map<std::string, double>> affixes;
};
struct Quest {
  std::int32_t stage = 0;
  double progress = 0;
  bool done = false;
  std::int64_t started_at = 0;
};
struct Settings {
  double music = 1, effects = 1, sensitivity = 1;
  std::int32_t fov = 70, quality = 2;
  bool invert_y = false, subtitles = true;
  std::string language, region;
};
struct Medium {
  std::int64_t id = 0, coins = 0, gems = 0, created_at = 0, last_seen = 0, seconds_played = 0;
  std::int32_t level = 1, xp = 0, deaths = 0, kills = 0, streak = 0;
  double x = 0, y = 0, z = 0, health = 100, stamina = 100, mana = 100, luck = 0;
  bool vip = false, banned = false, tutorial_done = false;
  std::string name, title, guild, home;
  std::vector<Item> inventory;
  std::map<std::string, Quest> quests;
  Settings settings;
  std::map<std::string, std::uint32_t> products;
  std::vector<std::string> achievements;
  std::map<std::string, std::int64_t> stats;
  std::vector<std::int64_t> friends;
};

namespace detail {
inline std::string word(std::mt19937_64& random) {
  static constexpr std::array<const char*, 12> roots{"iron", "oak",   "gold",  "bone",
                                                     "silk", "ember", "frost", "dusk",
                                                     "moss", "storm", "sand",  "star"};
  static constexpr std::array<const char*, 6> kinds{"_sword", "_helm", "_boots",
                                                    "_ring",  "_bow",  "_potion"};
  return std::string(roots[random() % roots.size()]) + kinds[random() % kinds.size()];
}
inline double part(std::mt19937_64& random) {
  return static_cast<double>(random() % 1'000'000) / 1'000'000;
}
}  // namespace detail

inline Small make_small(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  Small it;
  it.coins = static_cast<std::int64_t>(random() % 1'000'000);
  it.level = static_cast<std::int32_t>(random() % 100);
  it.xp = detail::part(random) * 1000;
  it.vip = random() % 2 == 0;
  it.name = detail::word(random);
  it.language = "pt-BR";
  it.wins = static_cast<std::uint32_t>(random() % 5000);
  it.losses = static_cast<std::uint32_t>(random() % 5000);
  it.rating = detail::part(random) * 3000;
  it.last_seen = static_cast<std::int64_t>(1'700'000'000'000 + random() % 1'000'000'000);
  return it;
}

inline Medium make_medium(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  const auto number = [&](std::uint64_t below) {
    return static_cast<std::int64_t>(random() % below);
  };
  Medium it;
  for (std::int64_t* field :
       {&it.id, &it.coins, &it.gems, &it.created_at, &it.last_seen, &it.seconds_played})
    *field = number(2'000'000'000'000);
  for (std::int32_t* field : {&it.level, &it.xp, &it.deaths, &it.kills, &it.streak})
    *field = static_cast<std::int32_t>(number(100'000));
  for (double* field : {&it.x, &it.y, &it.z, &it.health, &it.stamina, &it.mana, &it.luck})
    *field = detail::part(random) * 1000;
  it.vip = random() % 2 == 0, it.tutorial_done = true;
  it.name = detail::word(random), it.title = detail::word(random);
  it.guild = detail::word(random), it.home = detail::word(random);
  for (int i = 0; i < 120; ++i) {
    Item item{static_cast<std::uint32_t>(1000 + i), static_cast<std::uint16_t>(1 + random() % 9),
              static_cast<float>(detail::part(random)), detail::word(random), std::nullopt};
    if (i % 8 == 0)
      item.affixes = {{"fire", detail::part(random)}, {"speed", detail::part(random)}};
    it.inventory.push_back(std::move(item));
  }
  for (int i = 0; i < 12; ++i)
    it.quests["quest_" + std::to_string(i)] = {static_cast<std::int32_t>(number(9)),
                                               detail::part(random), i % 3 == 0,
                                               number(1'700'000'000)};
  it.settings.language = "de", it.settings.region = "eu";
  for (int i = 0; i < 6; ++i)
    it.products[std::to_string(10'000'000 + number(99'999'999))] =
        static_cast<std::uint32_t>(1 + number(9));
  for (int i = 0; i < 10; ++i)
    it.achievements.push_back("achievement_" + std::to_string(i));
  for (int i = 0; i < 12; ++i)
    it.stats["stat_" + std::to_string(i)] = number(1'000'000);
  for (int i = 0; i < 12; ++i)
    it.friends.push_back(number(9'000'000'000));
  return it;
}

/// A player of many years: 2,700 items, 150 quests, 200 achievements, about 195 KiB as JSON.
inline Medium make_large(std::uint64_t seed) {
  Medium it = make_medium(seed);
  while (it.inventory.size() < 2700) {
    Item more = it.inventory[it.inventory.size() % 120];
    more.id = static_cast<std::uint32_t>(1000 + it.inventory.size());
    it.inventory.push_back(std::move(more));
  }
  for (int i = 12; i < 150; ++i)
    it.quests["quest_" + std::to_string(i)] = {i % 9, 0.25 * i, i % 3 == 0, 1'600'000'000 + i};
  for (int i = 10; i < 200; ++i)
    it.achievements.push_back("achievement_" + std::to_string(i));
  return it;
}

}  // namespace bench
