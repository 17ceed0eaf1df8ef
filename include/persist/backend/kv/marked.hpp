#pragma once

#include <persist/backend/kv/database.hpp>
#include <persist/record/index_sets.hpp>

#include <algorithm>
#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// What is found by marks: keys with data, outboxes that wait, indexes. A mark may be there for
// nothing, so each record that is named was read, and one that cannot be read is named too.

namespace persist::inline PERSIST_ABI::backend::kv {

/// Calls `visit(rest, name)` for each mark that begins with `prefix` and comes behind `after`, and
/// stops where it says no. `rest` is what follows the prefix.
template <compare_and_swap_map Map, class F>
[[nodiscard]] Result<void> each_mark(Database<Map>& db, const std::string& prefix,
                                     std::string after, F visit) {
  constexpr std::size_t page = 1000;
  while (true) {
    auto names = db.map().list(prefix, after, page);
    if (!names) return names.error();
    for (const std::string& name : *names)
      if (!visit(std::string_view(name).substr(prefix.size()), name)) return success;
    if (names->size() < page) return success;
    after = std::move(names->back());
  }
}

/// Whether a record has that mark. One that cannot be read may have it.
template <compare_and_swap_map Map>
[[nodiscard]] Result<bool> has_mark(Database<Map>& db, StoreId store, std::string_view key,
                                    const std::string& mark) {
  const auto cell = db.marked(store, key, mark);
  if (cell) return cell->has_value();
  if (is_ailing(cell.error())) return cell.error();
  return true;
}

/// Records in which messages wait. Nothing marks them, so that a message costs no write more: each
/// record is read. One that cannot be is passed by.
template <compare_and_swap_map Map>
void scan_inboxes(Database<Map>& db, ScanRequest& request) {
  const auto known = db.known(request.store);
  request.keys.clear();
  request.next = request.after;
  request.done = true;
  Error failure{Errc{}};
  Result<void> done = known ? Result<void>(success) : known.error();
  if (known) {
    const std::string prefix = record_names(known->base);
    const std::size_t most = (std::max)(request.most, std::size_t{1});
    done = each_mark(db, prefix, prefix + request.after,
                     [&](std::string_view rest, const std::string& name) {
                       if (request.keys.size() == most) return request.done = false;
                       auto cell = db.fetch_named(request.store, name);
                       if (!cell && is_ailing(cell.error())) return failure = cell.error(), false;
                       request.next = rest;
                       if (cell && !cell->record.inbox.messages.empty())
                         request.keys.push_back(std::move(cell->record.key));
                       return true;
                     });
  }
  if (failed(failure)) done = failure;
  if (!done) request.error = done.error();
}

template <compare_and_swap_map Map>
void scan(Database<Map>& db, ScanRequest& request) {
  if (request.of_inboxes) return scan_inboxes(db, request);
  const auto known = db.known(request.store);
  request.keys.clear();
  request.next = request.after;
  request.done = true;
  Result<void> done = known ? Result<void>(success) : known.error();
  if (known) {
    const std::string prefix = data_marks(known->base);
    std::string after = prefix;
    append_hex(after, request.after);
    const std::size_t most = (std::max)(request.most, std::size_t{1});
    Error failure{Errc{}};
    done = each_mark(db, prefix, after, [&](std::string_view rest, const std::string& mark) {
      auto key = from_hex(rest);
      if (!key) return true;
      if (request.keys.size() == most) return request.done = false;
      const auto is_there = has_mark(db, request.store, *key, mark);
      if (!is_there) return failure = is_there.error(), false;
      request.next = *key;
      if (*is_there) request.keys.push_back(std::move(*key));
      return true;
    });
    if (failed(failure)) done = failure;
  }
  if (!done) request.error = done.error();
}

/// Records whose outbox waits, by rising key. One that cannot be read holds up nobody else.
template <compare_and_swap_map Map>
void list_waiting(Database<Map>& db, RelayRequest& request) {
  Error failure{Errc{}};
  const auto add = [&](const std::string& key, Result<std::optional<Cell>> cell) {
    if (!cell && is_ailing(cell.error())) return failure = cell.error(), false;
    if (cell && *cell && !(*cell)->record.outbox.messages.empty())
      request.waiting.push_back({key, std::move((*cell)->record.outbox.messages)});
    return true;
  };
  if constexpr (lists_keys<Map>) {
    const auto known = db.known(request.store);
    if (!known) {
      request.error = known.error();
      return;
    }
    const std::string prefix = outbox_marks(known->base);
    std::string after = prefix;
    append_hex(after, request.after);
    const auto done =
        each_mark(db, prefix, after, [&](std::string_view rest, const std::string& mark) {
          const auto key = from_hex(rest);
          if (!key) return true;
          if (request.waiting.size() == request.most) return false;
          return add(*key, db.marked(request.store, *key, mark));
        });
    if (!done) failure = done.error();
  } else {
    const auto keys = db.stores().with(request.store, [&](KnownStore& all) {
      return std::vector<std::string>(all.waiting.upper_bound(request.after), all.waiting.end());
    });
    for (const std::string& key : keys) {
      if (request.waiting.size() == request.most) break;
      auto cell = db.fetch(request.store, key);
      if (!add(key,
               cell ? Result<std::optional<Cell>>(std::optional(std::move(*cell))) : cell.error()))
        break;
    }
  }
  request.error = std::move(failure);
}

/// The entries of an index, by the keys that have them.
using Entries = std::map<std::string, std::vector<std::int64_t>>;

inline void answer_from(const Entries& entries, IndexRequest& request) {
  IndexSets sets;
  for (const auto& [key, values] : entries) {
    if (request.index.empty()) {
      std::vector<std::uint64_t> users;
      for (const std::int64_t value : values)
        users.push_back(static_cast<std::uint64_t>(value));
      sets.set_users(key, users);
    } else {
      Buffer bytes;
      for (const std::int64_t value : values)
        append_index_entry(bytes, request.index, value);
      (void)sets.set_entries(key, bytes);
    }
  }
  sets.query(request);
}

/// Answers from the names of all marks of the index, and reads the records of the rows that it
/// answers with: where a row stands, and how many there are, counts marks that are there for
/// nothing.
template <compare_and_swap_map Map>
void query(Database<Map>& db, IndexRequest& request) {
  const auto known = db.known(request.store);
  if (!known) {
    request.error = known.error();
    return;
  }
  const std::string prefix = index_marks(known->base, request.index);
  Entries entries;
  const auto done = each_mark(db, prefix, {}, [&](std::string_view rest, const std::string&) {
    if (auto at = index_position(rest)) entries[std::move(at->key)].push_back(at->value);
    return true;
  });
  if (!done) {
    request.error = done.error();
    return;
  }
  std::map<std::string, bool> looked_at;  // marks, and whether they stand
  for (bool again = true; again;) {
    again = false;
    request.rows.clear(), request.found = false, request.row = {};
    answer_from(entries, request);
    std::vector<IndexRow> rows = request.rows;
    if (request.found) rows.push_back(request.row);
    for (const IndexRow& row : rows) {
      std::string mark = prefix;
      append_index_value(mark, row.value);
      append_hex(mark, row.key);
      const auto seen = looked_at.find(mark);
      if (seen != looked_at.end()) continue;
      const auto stands = has_mark(db, request.store, row.key, mark);
      if (!stands) {
        request.error = stands.error();
        return;
      }
      looked_at.emplace(std::move(mark), *stands);
      if (*stands) continue;
      again = true;
      std::erase(entries[row.key], row.value);
    }
  }
}

}  // namespace persist::inline PERSIST_ABI::backend::kv
