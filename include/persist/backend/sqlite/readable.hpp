#pragma once

#include <persist/detail/config.hpp>

#include <string>
#include <string_view>

namespace persist::inline PERSIST_ABI::backend::sqlite {

inline constexpr std::string_view readable_view = "persist_readable";

/// SQL for a little-endian number of the envelope, whose header is `h` in hexadecimal.
[[nodiscard]] inline std::string sql_number(int at, int size) {
  std::string sum;
  for (int i = 0, shift = 0; i < size; ++i, shift += 8)
    for (const int half : {0, 1}) {
      const int digit = 2 * (at + i) + half + 1;
      sum += (sum.empty() ? "" : " + ");
      sum += "(instr('123456789ABCDEF', substr(h, " + std::to_string(digit) + ", 1)) << " +
             std::to_string(shift + (half == 0 ? 4 : 0)) + ")";
    }
  return "CASE WHEN is_envelope THEN " + sum + " END";
}

/// A view for people: a row for each record with what its envelope says (doc/format.md has the
/// places), and the payload as text where `codec::Json` wrote it and nothing was done to it since.
/// A save costs nothing for it. No part of the library reads it.
[[nodiscard]] inline const std::string& readable_sql() {
  static const std::string sql =
      "CREATE VIEW persist_readable AS SELECT *, "
      "CASE WHEN codec = 2 AND flags = 0 THEN "
      "(SELECT CAST(substr(data, 37) AS TEXT) FROM persist_data WHERE record = id) END AS json "
      "FROM (SELECT *, " +
      sql_number(10, 2) + " AS codec, " + sql_number(12, 4) + " AS flags, " + sql_number(16, 4) +
      " AS schema_version, " + sql_number(20, 4) +
      " AS lowest_reader "
      "FROM (SELECT *, h LIKE 'FF707374%' AND length(h) = 72 AS is_envelope "
      "FROM (SELECT r.id, s.name AS store, r.key, r.version, r.epoch, r.owner, r.write_number, "
      "datetime(r.created_ms / 1000, 'unixepoch') AS created, "
      "datetime(r.updated_ms / 1000, 'unixepoch') AS updated, r.load_count, r.inbox_messages, "
      "r.outbox_messages, r.data_bytes, "
      "(SELECT hex(substr(data, 1, 36)) FROM persist_data WHERE record = r.id) AS h "
      "FROM persist_record r JOIN persist_store s ON s.id = r.store)))";
  return sql;
}

}  // namespace persist::inline PERSIST_ABI::backend::sqlite
