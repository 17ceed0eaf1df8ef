#pragma once

#include <persist/backend/kv/cache.hpp>
#include <persist/backend/kv/concept.hpp>
#include <persist/backend/kv/stores.hpp>

#include <algorithm>
#include <atomic>
#include <iterator>
#include <utility>

// What all handles of one open database share, and the one way a record changes: read, change,
// compare and swap, again where somebody else was faster.

namespace persist::inline PERSIST_ABI::backend::kv {

/// So many times in a row others may be faster before an operation gives up: `unavailable`.
inline constexpr int most_tries = 64;

/// What a failed `compare_and_swap` of a record means for who asked for it.
[[nodiscard]] inline Error outcome_of(Error error) {
  if (error != Errc::timeout) return error;
  return {Errc::unknown_outcome, std::string(error.detail())};
}
/// The same where the record itself was not tried yet: nothing of the operation is there.
[[nodiscard]] inline Error before_outcome(Error error) {
  if (error != Errc::timeout && error != Errc::unknown_outcome) return error;
  return {Errc::unavailable, std::string(error.detail())};
}

template <compare_and_swap_map Map>
class Database {
 public:
  static constexpr bool lists = lists_keys<Map>;

  /// `calendar` is that of a map without a clock; null: the machine's.
  Database(Map map, Clock* calendar, std::size_t cache)
      : map_(std::move(map)),
        clock_(clock_of(map_, calendar)),
        nonce_(detail::os::random_bits() | 1),
        cache_(cache) {}

  [[nodiscard]] Map& map() noexcept { return map_; }
  [[nodiscard]] Stores& stores() noexcept { return stores_; }
  [[nodiscard]] Owner next_owner(ServerId server) { return {server, nonce_, ++sessions_}; }
  [[nodiscard]] WallTime wall() const { return clock_.wall(); }
  /// Where nobody's clock judges leases it stands still: none of them ever runs out.
  [[nodiscard]] TimePoint now() {
    if constexpr (has_a_clock<Map>)
      return clock_.now();
    else
      return TimePoint{};
  }

  /// Reads the store's header, where there is one.
  [[nodiscard]] Result<std::optional<StoreInfo>> header(std::string_view store);
  /// The headers of all stores, where the map can list its keys.
  [[nodiscard]] std::vector<StoreInfo> all_stores();
  /// Where the store's keys begin, and its birth, which is read once.
  [[nodiscard]] Result<KnownStore> known(StoreId store);

  /// The record as it is now; nothing is there where it never was.
  [[nodiscard]] Result<Cell> fetch(StoreId store, std::string_view key);
  /// The same of what lies in the map under that name.
  [[nodiscard]] Result<Cell> fetch_named(StoreId store, std::string name);
  /// Calls `change(Record&)` with the newest state until what it makes of it is stored. It says
  /// whether there is anything to store, or why not, and may be called several times. `too_big` is
  /// the answer where the map takes no value of that size.
  ///
  /// One read and one write; only the write where this server holds the record. `unavailable` where
  /// others were faster each time; `unknown_outcome`; `corrupt` and `too_new`, and whatever else
  /// the map answers: then nothing was written.
  template <class F>
  [[nodiscard]] Result<void> update(StoreId store, std::string_view key, Errc too_big, F change);

  /// The record whose mark this is. Nothing where it is none any more: what a server that died left
  /// is taken away.
  [[nodiscard]] Result<std::optional<Cell>> marked(StoreId store, std::string_view key,
                                                   const std::string& mark);

 private:
  using Marks = std::vector<std::string>;

  [[nodiscard]] static Clock& clock_of(Map& map, Clock* calendar) {
    if constexpr (has_a_clock<Map>)
      return map.clock();
    else
      return calendar != nullptr ? *calendar : SystemClock::instance();
  }

  [[nodiscard]] Result<Cell> remembered_or_fetched(StoreId store, std::string_view key,
                                                   bool may_be_remembered);
  [[nodiscard]] Result<bool> put(StoreId store, Cell& cell, const Marks& before, Errc too_big);
  [[nodiscard]] Result<Buffer> encode(Record& record, Errc too_big);
  [[nodiscard]] Result<void> still_there(StoreId store);
  void notice(StoreId store, const Record& record);

  [[nodiscard]] Result<Marks> marks_of(StoreId store, const Record& record);
  [[nodiscard]] Result<void> raise(const std::string& mark);
  void lower(const std::string& mark, std::string_view seen) {
    (void)map_.compare_and_swap(mark, seen, {});  // what stays is found out by who reads it
  }

  Map map_;
  Clock& clock_;
  std::uint64_t nonce_;
  std::atomic<std::uint64_t> sessions_ = 0;
  Stores stores_;
  Cache cache_;
};

template <compare_and_swap_map Map>
Result<std::optional<StoreInfo>> Database<Map>::header(std::string_view store) {
  const std::string name = header_name(base_of(store));
  const auto got = map_.get(name);
  if (!got) return got.error();
  if (got->value.empty()) return std::optional<StoreInfo>();
  auto header = decode_header(got->value, name);
  if (!header) return header.error();
  if (header->name != store) return damaged(name, "is another store's header");
  return std::optional(std::move(*header));
}

template <compare_and_swap_map Map>
std::vector<StoreInfo> Database<Map>::all_stores() {
  std::vector<StoreInfo> all;
  for (std::string after;;) {
    const auto next = map_.list(all_names, after, 1);
    if (!next || next->empty()) return all;
    const std::string base = next->front().substr(0, next->front().find('/', all_names.size()) + 1);
    const std::string name = header_name(base);
    if (const auto got = map_.get(name); got && !got->value.empty())
      if (auto header = decode_header(got->value, name)) all.push_back(*std::move(header));
    after = base + behind_all_names;
  }
}

template <compare_and_swap_map Map>
Result<KnownStore> Database<Map>::known(StoreId store) {
  const auto copy = [&] {
    return stores_.with(store, [](const KnownStore& all) {
      return KnownStore{all.name, all.base, all.birth};
    });
  };
  KnownStore known = copy();
  if (known.is_known()) return known;
  const auto found = header(known.name);
  if (!found) return found.error();
  if (!*found)
    return Error(Errc::refused, "there is no store \"" + known.name + "\" in this database");
  stores_.with(store, [&](KnownStore& all) {
    if (!all.is_known()) all.birth = (*found)->birth;
  });
  return copy();
}

/// A record that is not there may be one of a database that lost its memory: what is made anew
/// belongs to the store that this connection knows.
template <compare_and_swap_map Map>
Result<void> Database<Map>::still_there(StoreId store) {
  const auto mine = known(store);
  if (!mine) return mine.error();
  const auto found = header(mine->name);
  if (!found) return found.error();
  if (*found && (*found)->birth == mine->birth) return success;
  return Error(Errc::refused, "store \"" + mine->name +
                                  "\" is not the one this connection knew: its database was "
                                  "replaced");
}

template <compare_and_swap_map Map>
Result<Cell> Database<Map>::fetch(StoreId store, std::string_view key) {
  const auto known = this->known(store);
  if (!known) return known.error();
  auto cell = fetch_named(store, record_name(known->base, known->birth, key));
  if (!cell) return Error(cell.error()).for_key(key);
  if (cell->record.exists && cell->record.key != key)
    return damaged(cell->name, "is another record").for_key(key);
  return cell;
}

template <compare_and_swap_map Map>
Result<Cell> Database<Map>::fetch_named(StoreId store, std::string name) {
  Cell cell{std::move(name)};
  auto got = map_.get(cell.name);
  if (!got) return got.error();
  cell.version = std::move(got->version);
  if (got->value.empty()) return cell;
  auto record = decode_record(got->value, cell.name,
                              [&](std::string_view other) { return stores_.id_of(other); });
  if (!record) return record.error();
  cell.record = std::move(*record);
  cell.bytes = got->value.size();
  notice(store, cell.record);
  return cell;
}

template <compare_and_swap_map Map>
Result<Cell> Database<Map>::remembered_or_fetched(StoreId store, std::string_view key,
                                                  bool may_be_remembered) {
  if (may_be_remembered) {
    const auto known = this->known(store);
    if (!known) return known.error();
    if (auto cell = cache_.take(record_name(known->base, known->birth, key)))
      return std::move(*cell);
  }
  return fetch(store, key);
}

/// Where the map lists nothing, this server knows of outboxes that it saw.
template <compare_and_swap_map Map>
void Database<Map>::notice(StoreId store, const Record& record) {
  if constexpr (!lists)
    stores_.with(store, [&](KnownStore& all) {
      if (!record.outbox.messages.empty())
        all.waiting.insert(record.key);
      else if (const auto found = all.waiting.find(record.key); found != all.waiting.end())
        all.waiting.erase(found);
    });
}

template <compare_and_swap_map Map>
template <class F>
Result<void> Database<Map>::update(StoreId store, std::string_view key, Errc too_big, F change) {
  bool may_be_remembered = true;
  for (int tries = 0; tries < most_tries; ++tries) {
    auto cell = remembered_or_fetched(store, key, may_be_remembered);
    if (!cell) return before_outcome(cell.error());
    may_be_remembered = false;
    Marks before;
    if constexpr (lists) {
      auto marks = marks_of(store, cell->record);
      if (!marks) return before_outcome(marks.error());
      before = std::move(*marks);
    }
    const Result<bool> writes = change(cell->record);
    if ((!writes || !*writes) && cell->is_remembered) continue;
    if (!writes) return writes.error();
    if (!*writes) return success;
    if (cell->record.exists) cell->record.key = key;
    const auto is_stored = put(store, *cell, before, too_big);
    if (!is_stored) return is_stored.error();
    if (!*is_stored) continue;
    notice(store, cell->record);
    if (cell->record.head.fence.owner.nonce == nonce_) cache_.keep(std::move(*cell));
    return success;
  }
  return Error(Errc::unavailable, "others changed the record each time, and were faster")
      .for_key(key);
}

/// The bytes of a record. Where they are more than the map takes, older states of the data go
/// first.
template <compare_and_swap_map Map>
Result<Buffer> Database<Map>::encode(Record& record, Errc too_big) {
  const auto name_of = [&](StoreId store) { return stores_.name_of(store); };
  Buffer value = encode_record(record, name_of);
  if constexpr (limits_values<Map>) {
    const std::size_t most = map_.largest_value();
    while (value.size() > most && !record.history.empty()) {
      record.history.erase(record.history.begin());
      value = encode_record(record, name_of);
    }
    if (value.size() > most)
      return Error(too_big, "with all that belongs to it the record has " +
                                std::to_string(value.size()) + " bytes, and the map takes " +
                                std::to_string(most));
  }
  return value;
}

/// Stores a record where it still is as it was seen. Marks that it gets are there before it is;
/// those that it loses go behind it. So a mark may be there for nothing, and none is ever missing.
///
/// Who takes a mark away has seen it before he changed the record, and takes it as it was then; who
/// puts one there does so between reading the record and writing it. Whichever of the two writes
/// the record second finds it changed, and begins again.
template <compare_and_swap_map Map>
Result<bool> Database<Map>::put(StoreId store, Cell& cell, const Marks& before, Errc too_big) {
  Record& record = cell.record;
  if (record.revision++ == 0)
    if (const auto there = still_there(store); !there) return before_outcome(there.error());
  auto value = encode(record, too_big);
  if (!value) return value.error();
  std::vector<std::pair<std::string, std::string>> lost;
  if constexpr (lists) {
    const auto after = marks_of(store, record);
    if (!after) return before_outcome(after.error());
    Marks raised, lowered;
    std::set_difference(after->begin(), after->end(), before.begin(), before.end(),
                        std::back_inserter(raised));
    std::set_difference(before.begin(), before.end(), after->begin(), after->end(),
                        std::back_inserter(lowered));
    for (const std::string& mark : raised)
      if (const auto is_raised = raise(mark); !is_raised) return is_raised.error();
    for (std::string& mark : lowered)
      if (auto seen = map_.get(mark); seen && !seen->value.empty())
        lost.emplace_back(std::move(mark), std::move(seen->version));
  }
  auto swapped = map_.compare_and_swap(cell.name, cell.version, *value);
  if (!swapped) return outcome_of(swapped.error());
  if (!swapped->won) return false;
  cell.version = std::move(swapped->version);
  cell.bytes = value->size();
  for (const auto& [mark, seen] : lost)
    lower(mark, seen);
  return true;
}

template <compare_and_swap_map Map>
Result<typename Database<Map>::Marks> Database<Map>::marks_of(StoreId store, const Record& record) {
  Marks marks;
  if (!record.exists) return marks;
  const auto known = this->known(store);
  if (!known) return known.error();
  std::string key;
  append_hex(key, record.key);
  if (record.has_data) marks.push_back(data_marks(known->base) + key);
  if (!record.outbox.messages.empty()) marks.push_back(outbox_marks(known->base) + key);
  const auto entry = [&](std::string_view index, std::int64_t value) {
    std::string mark = index_marks(known->base, index);
    append_index_value(mark, value);
    marks.push_back(mark += key);
  };
  for (const std::uint64_t user : record.user_ids)
    entry({}, user_value(user));
  if (are_index_entries(record.indexed)) (void)each_index_entry(record.indexed, entry);
  std::sort(marks.begin(), marks.end());
  marks.erase(std::unique(marks.begin(), marks.end()), marks.end());
  return marks;
}

/// Puts a mark there, with a value that no other has had.
template <compare_and_swap_map Map>
Result<void> Database<Map>::raise(const std::string& mark) {
  Buffer value;
  append_little(value, detail::os::random_bits());
  std::string seen;
  for (int tries = 0; tries < most_tries; ++tries) {
    const auto swapped = map_.compare_and_swap(mark, seen, value);
    if (!swapped) return before_outcome(swapped.error());
    if (swapped->won) return success;
    auto now = map_.get(mark);
    if (!now) return before_outcome(now.error());
    seen = std::move(now->version);
  }
  return Error(Errc::unavailable, "others changed a mark of the record each time");
}

template <compare_and_swap_map Map>
Result<std::optional<Cell>> Database<Map>::marked(StoreId store, std::string_view key,
                                                  const std::string& mark) {
  auto cell = fetch(store, key);
  if (!cell) return cell.error();
  const auto marks = marks_of(store, cell->record);
  if (!marks) return marks.error();
  if (std::binary_search(marks->begin(), marks->end(), mark))
    return std::optional(std::move(*cell));
  const auto seen = map_.get(mark);
  if (!seen || seen->value.empty()) return std::optional<Cell>();
  // Written once more as it is, so that who is about to give it the mark begins again.
  if (const auto touched = put(store, *cell, *marks, Errc::too_large); touched && *touched)
    lower(mark, seen->version);
  return std::optional<Cell>();
}

}  // namespace persist::inline PERSIST_ABI::backend::kv
