#pragma once

#include "game.hpp"

#include <persistctl/export.hpp>
#include <persistctl/import.hpp>

#include <charconv>
#include <istream>
#include <ostream>

// How a day begins and ends: profiles in ProfileStore's layout go in, an export comes out. Both are
// what `persistctl` does.

namespace day {

inline constexpr std::string_view store_name = "PlayerData";

/// Imports into an empty store; `name` is for messages.
template <class Backend>
Result<void> import_profiles(std::istream& from, std::string_view name, Backend& database) {
  auto store = persistctl::open_store(database, store_name, true);
  if (!store) return store.error();
  persistctl::ImportOptions options;
  options.message_type = persist::schema::type_name<Gift>;
  return persistctl::Import(database, *std::move(store), options).run(from, name);
}

/// The players that the store knows. `invalid` if it has a key that no player has.
template <class Backend>
Result<std::vector<std::uint64_t>> all_players(Backend& database) {
  constexpr std::string_view prefix = "Player_";
  std::vector<std::uint64_t> players;
  auto store = persistctl::open_store(database, store_name);
  if (!store) return store.error();
  auto keys = persistctl::all_keys(database, *store);
  if (!keys) return keys.error();
  for (const std::string& key : *keys) {
    std::uint64_t player = 0;
    if (key.starts_with(prefix))
      std::from_chars(key.data() + prefix.size(), key.data() + key.size(), player);
    if (key != std::string(prefix) + std::to_string(player))
      return Error(Errc::invalid, "this is no player's key").for_key(key);
    players.push_back(player);
  }
  return players;
}

/// Writes every record; one that cannot be read is an error.
template <class Backend>
Result<void> export_evening(Backend& database, std::ostream& to) {
  auto store = persistctl::open_store(database, store_name);
  if (!store) return store.error();
  auto done = persistctl::export_store(database, *store, to);
  if (!done) return done.error();
  return done->unreadable.empty() ? Result<void>(success) : Result<void>(done->unreadable.front());
}

}  // namespace day
