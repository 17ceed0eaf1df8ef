#pragma once

#include <persist/backend/kv/value.hpp>

#include <cstddef>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>

namespace persist::inline PERSIST_ABI::backend::kv {

/// A record on its way through an operation: what was seen of it, and under which version.
struct Cell {
  std::string name;  ///< in the map
  std::string version{};
  Record record{};
  std::size_t bytes = 0;  ///< of its value
  bool is_remembered = false;
};

/// Records that this server holds, as it last wrote them, so that a save needs no read. Only ever a
/// guess: what is stored on top of it is compared with what is in the map, and no refusal is
/// given on its word alone. Safe to call from any thread.
class Cache {
 public:
  explicit Cache(std::size_t most) noexcept : most_(most) {}

  /// Takes it out, so that nobody else builds on it.
  [[nodiscard]] std::optional<Cell> take(const std::string& name) {
    const std::lock_guard hold(mutex_);
    const auto found = cells_.find(name);
    if (found == cells_.end()) return std::nullopt;
    bytes_ -= found->second.bytes;
    std::optional<Cell> cell(std::move(found->second));
    cells_.erase(found);
    return cell;
  }
  /// Others go where there is no room.
  void keep(Cell&& cell) {
    const std::lock_guard hold(mutex_);
    if (cell.bytes > most_) return;
    while (bytes_ > most_ - cell.bytes && !cells_.empty()) {
      bytes_ -= cells_.begin()->second.bytes;
      cells_.erase(cells_.begin());
    }
    cell.is_remembered = true;
    const std::size_t bytes = cell.bytes;
    std::string name = cell.name;
    const auto [at, is_new] = cells_.insert_or_assign(std::move(name), std::move(cell));
    (void)at;
    if (is_new)
      bytes_ += bytes;
    else
      recount();
  }

 private:
  void recount() {
    bytes_ = 0;
    for (const auto& [name, cell] : cells_)
      bytes_ += cell.bytes;
  }

  std::mutex mutex_;
  std::size_t most_;
  std::size_t bytes_ = 0;
  std::unordered_map<std::string, Cell> cells_;
};

}  // namespace persist::inline PERSIST_ABI::backend::kv
