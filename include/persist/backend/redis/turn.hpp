#pragma once

#include <persist/backend/redis/home.hpp>
#include <persist/record/wake.hpp>

#include <algorithm>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// One try of one request: the records it touches as they were seen, what it made of them, and the
// command that writes it.

namespace persist::inline PERSIST_ABI::backend::redis {

/// A record on its way through a request.
struct Cell {
  StoreId store{};
  std::string key;
  std::shared_ptr<const Home> home;
  std::string name;
  Stored seen{};
  bool is_remembered = false;  ///< as this server last wrote it, and only a guess
  Parts changed = 0;
  bool is_changed = false;  ///< its head, if nothing else
  Entries entries_before{};

  [[nodiscard]] Record& record() noexcept { return seen.record; }
  /// Before anything about it changes.
  void touch(Parts parts = 0) {
    if (!is_changed) entries_before = entries_of(*home, seen.record);
    is_changed = true;
    changed |= parts;
  }
};

/// A hint, and to which open database.
struct Hinted {
  std::uint64_t nonce = 0;
  StoreId store{};
  std::string key;
  Hint why = Hint::freed;
};

/// Words of a command, which live as long as it.
struct Command {
  Script script = Script::look;
  std::vector<std::string> keys{}, words{};
  std::size_t cell = 0;  ///< whose record a look looks at
};

struct Turn {
  memory::Moment moment{};
  std::vector<Cell> cells{};
  std::vector<Hinted> hints{};
  std::vector<const Change*> schemas{};  ///< that bring one

  [[nodiscard]] Cell* find(StoreId store, std::string_view key) noexcept {
    for (Cell& cell : cells)
      if (cell.store == store && cell.key == key) return &cell;
    return nullptr;
  }
  /// One that is there: whoever performs asked for it.
  [[nodiscard]] Cell& at(StoreId store, std::string_view key) noexcept { return *find(store, key); }
  [[nodiscard]] bool has_changes() const noexcept {
    return std::any_of(cells.begin(), cells.end(), [](const Cell& c) { return c.is_changed; });
  }
  void hint(const Cell& cell, const Owner& whom, Hint why) {
    if (!whom.nobody()) hints.push_back({whom.nonce, cell.store, cell.key, why});
  }
};

/// The time that a script is to compare with its own.
[[nodiscard]] inline std::string micros(TimePoint now) {
  return std::to_string(
      std::chrono::floor<std::chrono::microseconds>(now.time_since_epoch()).count());
}

/// Adds what one record's hash becomes; its fields are counted before they are named.
template <class NameOf>
void add_fields(std::vector<std::string>& words, Cell& cell, const std::string& write_id,
                NameOf name_of) {
  std::vector<std::string> put, out;
  Record& record = cell.record();
  if (cell.is_changed) {
    cell.seen.version = std::to_string(++cell.seen.revision) + '-' + write_id;
    for (std::size_t i = 0; i < part_count; ++i) {
      const auto part = static_cast<Part>(i);
      if ((cell.changed & bit_of(part)) == 0) continue;
      Buffer made;
      if (part != Part::data) made = encode_part(record, part, name_of);
      const ByteView bytes = part != Part::data ? made.view() : record.data.view();
      const bool was_there = cell.seen.sums[i].size != 0;
      cell.seen.sums[i] = bytes.empty() ? Sum{} : Sum::of(bytes);
      if (!bytes.empty())
        put.emplace_back(part_fields[i]), put.emplace_back(as_text(bytes));
      else if (was_there)
        out.emplace_back(part_fields[i]);
    }
    const Buffer head = encode_head(record, cell.seen.revision, cell.seen.sums);
    put.insert(put.end(),
               {std::string(version_field), cell.seen.version, std::string(epoch_field),
                std::to_string(record.head.fence.epoch), std::string(until_field),
                until_of(record.head), std::string(owner_field), text_of(record.head.fence.owner),
                std::string(head_field), std::string(as_text(head))});
    if (std::exchange(cell.seen.is_taken, false)) out.emplace_back(taken_field);
  }
  words.push_back(std::to_string(put.size()));
  std::move(put.begin(), put.end(), std::back_inserter(words));
  words.push_back(std::to_string(out.size()));
  std::move(out.begin(), out.end(), std::back_inserter(words));
}

/// Adds the members that sets get and lose.
inline void add_entries(Command& to, std::vector<std::string>& words, const Cell& cell) {
  if (!cell.is_changed) return;
  const Entries now = entries_of(*cell.home, cell.seen.record);
  const auto add = [&](const Entries& mine, const Entries& others, const char* what) {
    Entries some;
    std::set_difference(mine.begin(), mine.end(), others.begin(), others.end(),
                        std::back_inserter(some));
    for (Entry& each : some) {
      to.keys.push_back(std::move(each.set));
      words.emplace_back(what), words.push_back(std::move(each.member));
    }
  };
  add(now, cell.entries_before, "+");
  add(cell.entries_before, now, "-");
}

/// The command that writes a turn. It counts the versions of what it writes on; nobody else ever
/// has that id.
template <class NameOf>
[[nodiscard]] Command write_of(Turn& turn, bool is_own_clock, const std::string& write_id,
                               NameOf name_of) {
  Command to{Script::write};
  std::vector<std::string> headers, versions, entries;
  for (const Cell& cell : turn.cells)
    if (std::find(to.keys.begin(), to.keys.end(), cell.home->header_key) == to.keys.end()) {
      to.keys.push_back(cell.home->header_key);
      headers.push_back(cell.home->header);
    }
  for (const Cell& cell : turn.cells) {
    to.keys.push_back(cell.name);
    versions.push_back(cell.seen.version);
  }
  const std::size_t before = to.keys.size();
  for (const Cell& cell : turn.cells)
    add_entries(to, entries, cell);
  to.words = {std::to_string(headers.size()), std::to_string(turn.cells.size()),
              std::to_string(to.keys.size() - before), std::to_string(turn.schemas.size())};
  for (const Change* const change : turn.schemas) {
    to.keys.push_back(turn.at(change->store, change->key).home->schema(change->schema->id));
    entries.emplace_back(as_text(kv::encode_schema(change->schema->bytes)));
  }
  std::move(headers.begin(), headers.end(), std::back_inserter(to.words));
  to.words.push_back(micros(turn.moment.now));
  to.words.emplace_back(is_own_clock ? "1" : "0");
  std::move(versions.begin(), versions.end(), std::back_inserter(to.words));
  for (Cell& cell : turn.cells)
    add_fields(to.words, cell, write_id, name_of);
  std::move(entries.begin(), entries.end(), std::back_inserter(to.words));
  return to;
}

}  // namespace persist::inline PERSIST_ABI::backend::redis
