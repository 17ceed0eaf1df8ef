#pragma once

#include <persistctl/databases.hpp>
#include <persistctl/store.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

// Which database a command works on, and how it is opened.

namespace persistctl {

using persist::backend::File;
using persist::backend::Uri;
/// Any database; of no command two records are changed in one commit but where a game did so.
using Database = persist::backend::AnyOf<persist::backend::Needs{
    .transactions = false, .indexes = false, .clock = false}>;

/// What a person typed: a folder, or a URI, and perhaps a store in it.
struct Place {
  std::string folder;      ///< of `backend::File`; empty: the URI says which database
  std::optional<Uri> uri;  ///< of any other
  std::string store;
};

/// `dir` is what `--dir` says and `store` what `--store` does: a store in that folder, or, without
/// one, a URI. `invalid`.
[[nodiscard]] inline Result<Place> place_of(const std::string& dir, const std::string& store) {
  if (!dir.empty()) return Place{dir, std::nullopt, store};
  if (store.empty() || store.find(':') == std::string::npos)
    return Error(Errc::invalid,
                 "say which database: --dir DIR, or --store with a URI as sqlite:/srv/game.db");
  auto uri = Uri::read(store);
  if (!uri) return uri.error();
  if (uri->holds_password())
    return Error(Errc::invalid,
                 "everybody on this machine sees the words of a command: a password goes into the "
                 "environment or a file, as the database's own programs take it");
  if (uri->scheme() != "file") return Place{"", *uri, uri->store()};
  auto path = uri->path();
  if (!path) return path.error();
  // A game's own may be pasted; of its options none matters here.
  (void)uri->take("durability");
  (void)uri->take("wait");
  if (const auto all = uri->finish("durability, wait"); !all) return all.error();
  return Place{*std::move(path), std::nullopt, uri->store()};
}

/// Readers of a folder get a snapshot, which takes no lock and so works beside a server.
enum class For : std::uint8_t { reading, writing, importing };

/// Opens it. Only an import makes one where there is none: `not_found`.
[[nodiscard]] inline Result<Database> open_database(const Place& place, For what) {
  if (!place.uri) {
    if (what != For::importing) {
      auto seen = File::open_snapshot(place.folder);
      if (!seen) return seen.error();
      if (what == For::reading) return Database(*std::move(seen));
    }
    auto owned = File::open(place.folder);
    return owned ? Result<Database>(Database(*std::move(owned))) : owned.error();
  }
  Uri uri = *place.uri;
  const bool makes_tables = uri.scheme() == "sqlite" || uri.scheme().starts_with("postgres");
  if (makes_tables && what != For::importing) uri.put_usual("creates", "no");
  return open_uri<Database>(uri);
}

}  // namespace persistctl
