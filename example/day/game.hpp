#pragma once

#include <persist/persist.hpp>

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

// The game: what a player has, what may be done with it, and what persist is told about it. The
// rules change one player's data or two, know no store and no server, and leave what they refuse as
// it was.

namespace day {

using persist::Errc;
using persist::Error;
using persist::Result;
using persist::success;

struct Item {
  std::uint32_t id = 0;
  std::string name;
  std::int64_t count = 1;
  double durability = 1.0;
};

struct Quest {
  std::int64_t stage = 0;
  std::int64_t progress = 0;
  bool done = false;
};

struct Settings {
  double music = 1.0;
  double sfx = 1.0;
  bool invert_y = false;
  std::string language = "en";
  int fov = 70;
};

struct PlayerData {
  std::int64_t level = 1;
  std::int64_t xp = 0;
  std::int64_t coins = 0;
  std::int64_t gift_coins = 0;  // from other players; kept apart from what was earned
  std::string display_name;
  std::vector<Item> inventory;
  std::map<std::string, Quest> quests;
  Settings settings;
  std::map<std::string, std::int64_t> developer_products;
};

/// What one player's server sends to another player's record, wherever that is.
struct Gift {
  std::int64_t gift_coins = 0;
  std::uint64_t from = 0;
};

/// No number of the game goes beyond: every JSON reader keeps integers up to here.
inline constexpr std::int64_t most = std::int64_t{1} << 53;

/// What persist must know of the data and cannot see.
struct PlayerSave {
  using data_type = PlayerData;
  using message = std::variant<Gift>;
  // An item moves within the inventory: what a newer build added to it follows its id.
  using fields = persist::Fields<persist::Identity<&Item::id>>;

  static Result<void> validate(const PlayerData& data) {
    const auto fits = [](std::int64_t number) { return number >= 0 && number <= most; };
    if (!fits(data.coins)) return Error(Errc::invalid, "coins are not within 0 and 2^53");
    if (!fits(data.gift_coins)) return Error(Errc::invalid, "gift_coins are not within 0 and 2^53");
    if (!fits(data.xp)) return Error(Errc::invalid, "xp is not within 0 and 2^53");
    if (!fits(data.level)) return Error(Errc::invalid, "level is not within 0 and 2^53");
    for (const Item& item : data.inventory)
      if (!fits(item.count)) return Error(Errc::invalid, "a count is not within 0 and 2^53");
    return success;
  }
};

using PlayerKey = persist::key::Prefixed<"Player_", std::uint64_t>;

// --- rules ---------------------------------------------------------------------------------------

/// Adds to a number of the game; `refused` beyond its limit.
inline Result<void> add(std::int64_t& to, std::int64_t amount) {
  if (amount < 0 || amount > most - to) return Error(Errc::refused, "more than the game can count");
  to += amount;
  return success;
}

inline Result<void> spend(PlayerData& player, std::int64_t coins) {
  if (coins < 0 || player.coins < coins)
    return Error(Errc::refused, "costs " + std::to_string(coins) + " coins, and there are " +
                                    std::to_string(player.coins));
  player.coins -= coins;
  return success;
}

inline Result<void> earn(PlayerData& player, std::int64_t coins, std::int64_t xp) {
  const std::int64_t before = player.coins;
  auto done = add(player.coins, coins);
  if (done) done = add(player.xp, xp);
  if (!done) player.coins = before;
  return done;
}

inline Result<void> level_up(PlayerData& player) {
  return add(player.level, 1);
}

inline std::vector<Item>::iterator find_item(PlayerData& player, std::uint32_t id) {
  return std::find_if(player.inventory.begin(), player.inventory.end(),
                      [id](const Item& item) { return item.id == id; });
}

/// One more of an item; one that the player does not have yet is new.
inline Result<void> put_item(PlayerData& player, std::uint32_t id, std::string_view name) {
  const auto found = find_item(player, id);
  if (found != player.inventory.end()) return add(found->count, 1);
  player.inventory.push_back({id, std::string(name)});
  return success;
}

inline Result<void> take_item(PlayerData& player, std::uint32_t id) {
  const auto found = find_item(player, id);
  if (found == player.inventory.end())
    return Error(Errc::refused, "item " + std::to_string(id) + " is not in the inventory");
  if (--found->count <= 0) player.inventory.erase(found);
  return success;
}

inline Result<void> buy(PlayerData& player, std::uint32_t id, std::string_view name,
                        std::int64_t price) {
  if (auto can_pay = spend(player, price); !can_pay) return can_pay;
  auto got = put_item(player, id, name);
  if (!got) player.coins += price;
  return got;
}

/// The seller's item for the buyer's coins. Runs inside a transaction, which throws away what it
/// did to either when it refuses.
inline Result<void> trade(PlayerData& buyer, PlayerData& seller, std::uint32_t id,
                          std::string_view name, std::int64_t price) {
  auto done = spend(buyer, price);
  if (done) done = add(seller.coins, price);
  if (done) done = take_item(seller, id);
  if (done) done = put_item(buyer, id, name);
  return done;
}

/// What a purchase in the shop gives.
inline Result<void> deliver(PlayerData& player, const std::string& product) {
  return add(player.developer_products[product], 1);
}

inline Result<void> receive(PlayerData& player, const Gift& gift) {
  return add(player.gift_coins, gift.gift_coins);
}

}  // namespace day
