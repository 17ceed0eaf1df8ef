#pragma once

#include <codec/forms.hpp>

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <string_view>
#include <type_traits>

// The members of the profiles, for rivals that want them listed. Nothing of persist is in it, so
// that nothing of persist is in the time that a rival takes to compile.

namespace bench {

template <class T, class Profile>
concept is_profile = std::same_as<std::remove_const_t<T>, Profile>;

template <std::size_t Count>
constexpr std::array<std::string_view, Count> split(std::string_view list) {
  std::array<std::string_view, Count> names{};
  for (auto& name : names) {
    name = list.substr(0, list.find(','));
    list.remove_prefix(std::min(list.size(), name.size() + 2));
  }
  return names;
}
template <class T>
struct Names;
template <class T>
constexpr auto& names_of() {
  return Names<std::remove_const_t<T>>::all;
}
template <class T>
concept visited = requires { Names<T>::all; };

// A list of members is one of names and one of references.
#define BENCH_MEMBERS(Profile, ...)                                              \
  template <>                                                                    \
  struct Names<Profile> {                                                        \
    static constexpr std::string_view list = #__VA_ARGS__;                       \
    static constexpr auto all =                                                  \
        split<std::size_t(1 + std::count(list.begin(), list.end(), ','))>(list); \
  };                                                                             \
  template <is_profile<Profile> T, class F>                                      \
  decltype(auto) visit(T& it, F&& use) {                                         \
    auto& [__VA_ARGS__] = it;                                                    \
    return use(__VA_ARGS__);                                                     \
  }

BENCH_MEMBERS(Small, coins, level, xp, vip, name, language, wins, losses, rating, last_seen)
BENCH_MEMBERS(Item, id, count, durability, name, affixes)
BENCH_MEMBERS(Quest, stage, progress, done, started_at)
BENCH_MEMBERS(Settings, music, effects, sensitivity, fov, quality, invert_y, subtitles, language,
              region)
BENCH_MEMBERS(Medium, id, coins, gems, created_at, last_seen, seconds_played, level, xp, deaths,
              kills, streak, x, y, z, health, stamina, mana, luck, vip, banned, tutorial_done, name,
              title, guild, home, inventory, quests, settings, products, achievements, stats,
              friends)

}  // namespace bench
