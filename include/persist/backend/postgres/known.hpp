#pragma once

#include <persist/backend/rows/record.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

namespace persist::inline PERSIST_ABI::backend::postgres {

/// The rows that a transaction has read ahead or written, and those of records held here, as they
/// were left: the next save of one needs no look at it, only the database's word, in the same
/// transaction, that the row is still that one. Not synchronised.
class Known {
 public:
  /// So many rows are kept, then all are looked at again.
  static constexpr std::size_t most = 65'536;

  /// As this transaction knows it; null: it does not.
  [[nodiscard]] const rows::Record* find(StoreId store, std::string_view key) const {
    const auto at = current_.find(name(store, key));
    return at == current_.end() ? nullptr : &at->second.record;
  }
  [[nodiscard]] const rows::Record* kept(StoreId store, std::string_view key) const {
    const auto at = kept_.find(name(store, key));
    return at == kept_.end() ? nullptr : &at->second;
  }
  void read(rows::Record record, rows::Beside beside) {
    Entry& to = current_[name(record.store, record.key)];
    to.beside = std::move(beside);
    to.record = std::move(record);
    to.record.beside = to.record.exists() ? &to.beside : nullptr;
  }
  /// Takes it as it was left.
  void trust(const rows::Record& record) {
    current_[name(record.store, record.key)].record = record;
  }
  /// It was written as this, and had this revision before.
  void remember(const rows::Record& record) {
    rows::Record& to = current_[name(record.store, record.key)].record;
    to = record;
    ++to.revision;
    to.changed = false;
    to.beside = nullptr;
  }
  void forget(const rows::Record& record) {
    current_[name(record.store, record.key)].record =
        rows::Record{.store = record.store, .key = record.key};
  }

  void begin() { current_.clear(); }
  /// What the transaction knew is so: what is held under that number stays known.
  void commit(std::uint64_t nonce) {
    if (kept_.size() > most) kept_.clear();
    for (auto& [key, entry] : current_) {
      if (entry.record.exists() && entry.record.head.fence.owner.nonce == nonce) {
        entry.record.beside = nullptr;
        kept_.insert_or_assign(key, std::move(entry.record));
      } else {
        kept_.erase(key);
      }
    }
    current_.clear();
  }
  void roll_back() {
    for (const auto& each : current_)
      kept_.erase(each.first);
    current_.clear();
  }
  void clear() { current_.clear(), kept_.clear(); }

 private:
  struct Entry {
    rows::Record record;
    rows::Beside beside;
  };
  [[nodiscard]] static std::string name(StoreId store, std::string_view key) {
    std::string made = std::to_string(store.index);
    return (made += ':').append(key);
  }

  std::unordered_map<std::string, Entry> current_;
  std::unordered_map<std::string, rows::Record> kept_;
};

}  // namespace persist::inline PERSIST_ABI::backend::postgres
