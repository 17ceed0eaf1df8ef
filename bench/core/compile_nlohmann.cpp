#include <support/profiles.hpp>

#include <fstream>
#include <nlohmann/json.hpp>

// The medium profile written to a file and read again with nlohmann/json: what compile_medium.cpp
// is compared with.

namespace nlohmann {
template <class T>
struct adl_serializer<std::optional<T>> {
  static void to_json(json& to, const std::optional<T>& from) {
    if (from)
      to = *from;
    else
      to = nullptr;
  }
  static void from_json(const json& from, std::optional<T>& to) {
    if (from.is_null())
      to.reset();
    else
      to = from.get<T>();
  }
};
}  // namespace nlohmann

namespace bench {
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Item, id, count, durability, name, affixes)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Quest, stage, progress, done, started_at)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Settings, music, effects, sensitivity, fov, quality,
                                                invert_y, subtitles, language, region)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Medium, id, coins, gems, created_at, last_seen,
                                                seconds_played, level, xp, deaths, kills, streak, x,
                                                y, z, health, stamina, mana, luck, vip, banned,
                                                tutorial_done, name, title, guild, home, inventory,
                                                quests, settings, products, achievements, stats,
                                                friends)
}  // namespace bench

int main() {
  std::ifstream in("save");
  auto player = nlohmann::json::parse(in).get<bench::Medium>();
  player.coins += 1;
  std::ofstream("save") << nlohmann::json(player);
}
