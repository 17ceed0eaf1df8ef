#pragma once

#include <persist/backend/sqlite/connection.hpp>
#include <persist/backend/sqlite/readable.hpp>

#include <string>
#include <string_view>

// The tables, and what opening makes of a file that has them, has others, or has none. They begin
// with `persist_` so that a game may keep its own beside them. Names and meanings reach disk: a
// change of any raises the version.

namespace persist::inline PERSIST_ABI::backend::sqlite {

inline constexpr std::int64_t schema_version = 1;

struct Made {
  const char* name;
  const char* sql;
};

/// What a record is, and small: a renewal writes this row alone. The head's fields are columns;
/// `past` are the last epochs, 32 bytes each: epoch, nonce, session, write. A number of 64 bits
/// without a sign has its bits.
inline constexpr Made record_table = {"persist_record", R"(CREATE TABLE persist_record (
  id INTEGER PRIMARY KEY, store INTEGER NOT NULL, key TEXT NOT NULL,
  epoch INTEGER NOT NULL DEFAULT 0, owner TEXT NOT NULL DEFAULT '',
  owner_nonce INTEGER NOT NULL DEFAULT 0, owner_session INTEGER NOT NULL DEFAULT 0,
  write_number INTEGER NOT NULL DEFAULT 0, version INTEGER NOT NULL DEFAULT 0,
  load_count INTEGER NOT NULL DEFAULT 0, renewals INTEGER NOT NULL DEFAULT 0,
  lease_ns INTEGER NOT NULL DEFAULT 0, renewed_ns INTEGER NOT NULL DEFAULT 0,
  created_ms INTEGER NOT NULL DEFAULT 0, updated_ms INTEGER NOT NULL DEFAULT 0,
  asker TEXT NOT NULL DEFAULT '', asker_nonce INTEGER NOT NULL DEFAULT 0,
  asker_session INTEGER NOT NULL DEFAULT 0, past BLOB NOT NULL DEFAULT x'',
  data_bytes INTEGER, receipts INTEGER NOT NULL DEFAULT 0,
  receipts_forgotten INTEGER NOT NULL DEFAULT 0, inbox_messages INTEGER NOT NULL DEFAULT 0,
  inbox_bytes INTEGER NOT NULL DEFAULT 0, last_position INTEGER NOT NULL DEFAULT 0,
  ids_forgotten_ms INTEGER NOT NULL DEFAULT 0, outbox_messages INTEGER NOT NULL DEFAULT 0,
  user_ids BLOB NOT NULL DEFAULT x'', metadata BLOB NOT NULL DEFAULT x'',
  UNIQUE (store, key)))"};

/// Large values lie in rowid tables, small rows of one record side by side.
inline constexpr Made tables[] = {
    {"persist_format", "CREATE TABLE persist_format (version INTEGER NOT NULL)"},
    {"persist_store", R"(CREATE TABLE persist_store (
  id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, lock INTEGER NOT NULL, birth BLOB NOT NULL,
  format INTEGER NOT NULL))"},
    record_table,
    {"persist_data", R"(CREATE TABLE persist_data (
  record INTEGER PRIMARY KEY, data BLOB NOT NULL))"},
    {"persist_history", R"(CREATE TABLE persist_history (
  id INTEGER PRIMARY KEY, record INTEGER NOT NULL, version INTEGER NOT NULL, at_ms INTEGER NOT NULL,
  until_ms INTEGER NOT NULL, data BLOB NOT NULL, UNIQUE (record, version)))"},
    {"persist_receipt", R"(CREATE TABLE persist_receipt (
  record INTEGER NOT NULL, n INTEGER NOT NULL, id BLOB NOT NULL, day INTEGER NOT NULL,
  PRIMARY KEY (record, n)) WITHOUT ROWID)"},
    {"persist_inbox", R"(CREATE TABLE persist_inbox (
  id INTEGER PRIMARY KEY, record INTEGER NOT NULL, position INTEGER NOT NULL, source BLOB NOT NULL,
  epoch INTEGER NOT NULL, number INTEGER NOT NULL, first_tried_ms INTEGER NOT NULL,
  type TEXT NOT NULL, codec INTEGER NOT NULL, priority INTEGER NOT NULL, posted_ms INTEGER NOT NULL,
  expires_ms INTEGER NOT NULL, payload BLOB NOT NULL, UNIQUE (record, position)))"},
    {"persist_sender", R"(CREATE TABLE persist_sender (
  record INTEGER NOT NULL, source BLOB NOT NULL, epoch INTEGER NOT NULL, number INTEGER NOT NULL,
  PRIMARY KEY (record, source)) WITHOUT ROWID)"},
    {"persist_known", R"(CREATE TABLE persist_known (
  record INTEGER NOT NULL, position INTEGER NOT NULL, id BLOB NOT NULL,
  first_tried_ms INTEGER NOT NULL, PRIMARY KEY (record, position)) WITHOUT ROWID)"},
    {"persist_outbox", R"(CREATE TABLE persist_outbox (
  id INTEGER PRIMARY KEY, store INTEGER NOT NULL, key TEXT NOT NULL, to_store INTEGER NOT NULL,
  to_key TEXT NOT NULL, epoch INTEGER NOT NULL, number INTEGER NOT NULL, type TEXT NOT NULL,
  codec INTEGER NOT NULL, priority INTEGER NOT NULL, expires_ms INTEGER NOT NULL,
  payload BLOB NOT NULL))"},
    {"persist_outbox_of", "CREATE INDEX persist_outbox_of ON persist_outbox (store, key)"},
    {"persist_index", R"(CREATE TABLE persist_index (
  store INTEGER NOT NULL, name TEXT NOT NULL, value INTEGER NOT NULL, key TEXT NOT NULL,
  PRIMARY KEY (store, name, value, key)) WITHOUT ROWID)"},
    {"persist_index_of", "CREATE INDEX persist_index_of ON persist_index (store, key, name)"},
    {"persist_erased", R"(CREATE TABLE persist_erased (
  store INTEGER NOT NULL, hash BLOB NOT NULL, epoch INTEGER NOT NULL, version INTEGER NOT NULL,
  PRIMARY KEY (store, hash)) WITHOUT ROWID)"},
    {"persist_schema", R"(CREATE TABLE persist_schema (
  store INTEGER NOT NULL, id BLOB NOT NULL, bytes BLOB NOT NULL, UNIQUE (store, id)))"},
};

/// The text that made something of that name; empty: there is nothing. SQLite keeps it as it was.
[[nodiscard]] inline std::string made_by(Connection& connection, std::string_view name) {
  Statement find(connection, "SELECT sql FROM sqlite_master WHERE name = ?1");
  Query query(find);
  query << name;
  return query.row() ? std::string(query.text()) : std::string();
}

[[nodiscard]] inline Error foreign_table(const std::string& path, std::string_view name) {
  return {Errc::invalid, path + " has a table `" + std::string(name) +
                             "` that persist did not make; nothing was changed: rename it, or give "
                             "the store a file of its own"};
}

/// Looks at what is there, inside a transaction, and refuses what is not as this version makes it.
/// Says whether there is nothing yet.
[[nodiscard]] inline bool check_tables(Connection& connection) {
  const std::string format = made_by(connection, tables[0].name);
  const bool is_new = format.empty();
  if (format == tables[0].sql) {
    Statement find(connection, "SELECT version FROM persist_format");
    Query query(find);
    const std::int64_t version = query.row() ? query.integer() : 0;
    if (version > schema_version)
      connection.refuse({Errc::too_new, connection.path() + " has tables of version " +
                                            std::to_string(version) + ", and this build knows " +
                                            std::to_string(schema_version) +
                                            "; nothing was changed: open it with the newer build"});
    else if (version != schema_version)
      connection.damaged("the version of the tables");
  }
  for (const Made& each : tables) {
    const std::string made = made_by(connection, each.name);
    if (made.empty() && !is_new)
      connection.damaged("the schema: `" + std::string(each.name) + "` is missing, and so it");
    else if (!made.empty() && made != each.sql)
      connection.refuse(foreign_table(connection.path(), each.name));
  }
  // A view is for people, who may change it or take it away.
  if (is_new && !made_by(connection, readable_view).empty())
    connection.refuse(foreign_table(connection.path(), readable_view));
  return is_new;
}

/// Makes the tables where there are none, inside a transaction that writes.
inline void make_tables(Connection& connection) {
  if (!check_tables(connection)) return;
  for (const Made& each : tables)
    connection.execute(each.sql);
  connection.execute(readable_sql().c_str());
  Statement insert(connection, "INSERT INTO persist_format VALUES (?1)");
  Query query(insert);
  (query << schema_version).run();
}

/// What holds for as long as the connection is open.
inline void set_up(Connection& connection, bool is_full) {
  sqlite3* db = connection.get();
  if (db == nullptr) return;
  // The file may come from anywhere: no code that it holds is run.
  sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, nullptr);
  sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  connection.execute("PRAGMA cell_size_check=ON");
  connection.execute(is_full ? "PRAGMA synchronous=FULL; PRAGMA fullfsync=ON; "
                               "PRAGMA checkpoint_fullfsync=ON"
                             : "PRAGMA synchronous=NORMAL");
}

[[nodiscard]] inline std::string answer_of(Connection& connection, const char* pragma) {
  Statement ask(connection, pragma);
  Query query(ask);
  return query.row() ? std::string(query.text()) : std::string();
}

/// Refuses text in which not every key can be spelled.
inline void check_encoding(Connection& connection) {
  if (answer_of(connection, "PRAGMA encoding") != "UTF-8")
    connection.refuse({Errc::unsupported, connection.path() +
                                              " keeps its text as UTF-16, which cannot hold every "
                                              "key: give the store a file of its own"});
}
/// Puts the file into the mode that readers and a writer share.
inline void enter_wal(Connection& connection) {
  if (answer_of(connection, "PRAGMA journal_mode=WAL") != "wal")
    connection.refuse({Errc::unsupported, connection.path() +
                                              " cannot be put into WAL mode: its file system has "
                                              "no shared memory, or none that works"});
}

}  // namespace persist::inline PERSIST_ABI::backend::sqlite
