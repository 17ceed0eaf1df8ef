#pragma once

#include <persist/persist.hpp>

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include <support/made_backends.hpp>

// A game whose records the tool works on. Its stores are made once, in made_players.cpp.

namespace persistctl {

struct Gift {
  std::int64_t gift_coins = 0;
  std::uint64_t from = 0;
};
struct Item {
  std::uint32_t id = 0;
  std::string name;
  std::uint32_t count = 1;
  double durability = 1;
};
struct PlayerData {
  std::int64_t coins = 0;
  std::int64_t gifts = 0;
  int level = 1;
  std::vector<Item> inventory;
};
struct PlayerSave {
  using data_type = PlayerData;
  using message = std::variant<Gift>;
  using fields = persist::Fields<persist::Identity<&Item::id>>;
};

template <class Backend>
using PlayersOn = persist::Store<std::string, PlayerSave, Backend>;
using PlayersInMemory = PlayersOn<persist::backend::Memory>;
using PlayersOnFile = PlayersOn<persist::backend::File>;

}  // namespace persistctl

#ifndef PERSIST_TEST_MAKES
PERSIST_STORE_TEMPLATES(extern, persistctl::PlayersInMemory);
PERSIST_STORE_TEMPLATES(extern, persistctl::PlayersOnFile);
#endif
