#pragma once

#include <persist/backend/rows/engine.hpp>
#include <persist/backend/sqlite/connection.hpp>
#include <persist/backend/sqlite/presence.hpp>

namespace persist::inline PERSIST_ABI::backend::sqlite {

/// SQLite as backend/rows.hpp wants a database.
struct Sql {
  using Connection = sqlite::Connection;
  using Statement = sqlite::Statement;
  using Query = sqlite::Query;

  struct Time {
    Clock& clock;
    const Presence& presence;

    [[nodiscard]] TimePoint now() const { return clock.now(); }
    [[nodiscard]] WallTime wall() const { return clock.wall(); }
    void judge(Head& head, TimePoint at) const { presence.judge(head, at); }
  };
  static constexpr const char* for_update = "";  // who writes has the whole file
  static constexpr bool remembers_rows = false;
  static constexpr bool others_post = false;
};

using Engine = rows::Engine<Sql>;

}  // namespace persist::inline PERSIST_ABI::backend::sqlite
