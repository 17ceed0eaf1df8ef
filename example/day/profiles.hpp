#pragma once

#include "game.hpp"

#include <persistctl/export.hpp>
#include <persistctl/import.hpp>
#include <persistctl/show.hpp>

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
  auto done = persistctl::Import(database, *std::move(store), options).run(from, name);
  if (done.is(Errc::refused))
    return Error(Errc::refused,
                 "a day was played in this database already: name an empty one, or remove it");
  return done;
}

/// The player whose profile this is; `invalid` or `schema_mismatch` if it is none of this game.
inline Result<std::uint64_t> player_of(const persistctl::Profile& profile) {
  constexpr std::string_view prefix = "Player_";
  std::uint64_t player = 0;
  const std::string& key = profile.key;
  if (key.starts_with(prefix))
    std::from_chars(key.data() + prefix.size(), key.data() + key.size(), player);
  if (key != std::string(prefix) + std::to_string(player))
    return Error(Errc::invalid, persistctl::printable(key) + " is no player's key");

  persist::Buffer bytes;
  PlayerData data;
  persist::UnknownFields unknown;
  using persist::codec::Cbor;
  auto fits = Cbor::encode<persist::schema::NoPolicy>(profile.data, bytes);
  if (fits) fits = Cbor::decode<PlayerSave>(bytes.view(), data, unknown);
  if (fits) fits = PlayerSave::validate(data);
  if (!fits) return fits.error();
  return player;
}

/// The players of an export, in the order of their lines. An import keeps data as it finds it, so
/// what the game could not load is found here, with its line.
inline Result<std::vector<std::uint64_t>> read_players(std::istream& from, std::string name) {
  std::vector<std::uint64_t> players;
  persistctl::Lines lines(from, std::move(name));
  while (true) {
    const auto more = lines.next();
    if (!more) return more.error();
    if (!*more) return players;
    const auto profile = persistctl::read_profile(lines.text());
    const auto player = profile ? player_of(*profile) : profile.error();
    if (!player) return lines.error(player.error().code(), player.error().message());
    players.push_back(*player);
  }
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
