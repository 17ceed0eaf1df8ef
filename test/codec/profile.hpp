#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace test {

enum class Rank : std::uint8_t { novice, knight, king };

struct Item {
  std::uint32_t id = 0;
  std::uint16_t count = 1;
  friend bool operator==(const Item&, const Item&) = default;
};
struct Sword {
  double damage = 1;
  friend bool operator==(const Sword&, const Sword&) = default;
};
struct Bow {
  int arrows = 0;
  friend bool operator==(const Bow&, const Bow&) = default;
};

/// A member of every data kind.
struct Profile {
  bool alive = true;
  std::int64_t coins = 0;
  std::uint64_t seed = 0;
  float speed = 1;
  double luck = 0;
  Rank rank = Rank::novice;
  std::string name;
  std::vector<std::byte> blob;
  std::optional<int> guild;
  std::variant<Sword, Bow> weapon;
  std::array<int, 3> place{};
  std::vector<Item> inventory;
  std::map<std::string, std::int64_t> stats;
  std::map<int, std::string> slots;
  std::pair<int, std::string> title;
  std::chrono::milliseconds played{0};
  friend bool operator==(const Profile&, const Profile&) = default;
};

inline Profile full_profile() {
  Profile it;
  it.alive = false;
  it.coins = -123456789012;
  it.seed = 0xffffffffffffffff;
  it.speed = 0.1f;
  it.luck = 0.1;
  it.rank = Rank::king;
  it.name = "Zo\xc3\xab \"the\nfirst\"";
  it.blob = {std::byte{0}, std::byte{0xff}, std::byte{7}};
  it.guild = 12;
  it.weapon = Bow{30};
  it.place = {1, -2, 3};
  it.inventory = {{7, 1}, {1000, 65535}};
  it.stats = {{"wins", 3}, {"losses", -1}, {"", 0}};
  it.slots = {{-1, "hat"}, {10, "boots"}};
  it.title = {5, "Sir"};
  it.played = std::chrono::hours(1000);
  return it;
}

}  // namespace test
