#pragma once

#include <persist/detail/config.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace persist::inline PERSIST_ABI::detail {

/// Keys ordered by a number and, where that is equal, by their bytes; knows the place of each, and
/// which is at a place.
///
/// Sorted blocks of up to 256 entries, with a sum tree over their sizes: each call costs a search
/// in the logarithm of the size, a change also one move inside a block and, once in a hundred, one
/// of the list of blocks. 16 bytes an entry, 23 as blocks are filled. The keys are the caller's and
/// must stay where they are. Not synchronised.
class RankedSet {
 public:
  struct Entry {
    std::int64_t value;
    const std::string* key;
  };

  [[nodiscard]] std::size_t size() const noexcept { return size_; }

  /// False if it is there already.
  bool insert(std::int64_t value, const std::string& key) {
    if (blocks_.empty()) blocks_.emplace_back(), sums_.assign(2, 0);
    const std::size_t b = (std::min)(block_of(value, key), blocks_.size() - 1);
    Block& block = blocks_[b];
    const std::size_t at = first_in(block, value, key);
    if (at != block.size() && is(block[at], value, key)) return false;
    block.insert(block.begin() + static_cast<std::ptrdiff_t>(at), {value, &key});
    ++size_;
    if (block.size() > largest)
      split(b);
    else
      add(b, 1);
    return true;
  }
  /// False if it is not there.
  bool erase(std::int64_t value, std::string_view key) {
    const std::size_t b = block_of(value, key);
    if (b == blocks_.size()) return false;
    Block& block = blocks_[b];
    const std::size_t at = first_in(block, value, key);
    if (!is(block[at], value, key)) return false;
    block.erase(block.begin() + static_cast<std::ptrdiff_t>(at));
    --size_;
    if (block.size() < least)
      join(b);
    else
      add(b, ~std::size_t{0});
    return true;
  }
  /// The place of the first entry that does not come before these two: how many do.
  [[nodiscard]] std::size_t lower_bound(std::int64_t value, std::string_view key) const noexcept {
    const std::size_t b = block_of(value, key);
    if (b == blocks_.size()) return size_;
    return sum_before(b) + first_in(blocks_[b], value, key);
  }
  [[nodiscard]] bool contains(std::int64_t value, std::string_view key) const noexcept {
    const std::size_t b = block_of(value, key);
    if (b == blocks_.size()) return false;
    return is(blocks_[b][first_in(blocks_[b], value, key)], value, key);
  }
  /// The entry at a place, which must be below `size`.
  [[nodiscard]] const Entry& operator[](std::size_t place) const noexcept {
    std::size_t b = 0;
    std::size_t step = 1;
    while (2 * step < sums_.size())
      step *= 2;
    for (; step != 0; step /= 2) {
      if (b + step >= sums_.size() || sums_[b + step] > place) continue;
      b += step;
      place -= sums_[b];
    }
    return blocks_[b][place];
  }

 private:
  using Block = std::vector<Entry>;
  static constexpr std::size_t largest = 256;
  static constexpr std::size_t least = 32;

  [[nodiscard]] static bool is(const Entry& entry, std::int64_t value,
                               std::string_view key) noexcept {
    return entry.value == value && *entry.key == key;
  }
  [[nodiscard]] static bool comes_before(const Entry& entry, std::int64_t value,
                                         std::string_view key) noexcept {
    return entry.value < value || (entry.value == value && *entry.key < key);
  }
  /// The first block whose last entry does not come before these two.
  [[nodiscard]] std::size_t block_of(std::int64_t value, std::string_view key) const noexcept {
    const auto found =
        std::partition_point(blocks_.begin(), blocks_.end(), [&](const Block& block) {
          return block.empty() || comes_before(block.back(), value, key);
        });
    return static_cast<std::size_t>(found - blocks_.begin());
  }
  [[nodiscard]] static std::size_t first_in(const Block& block, std::int64_t value,
                                            std::string_view key) noexcept {
    const auto found = std::partition_point(block.begin(), block.end(), [&](const Entry& entry) {
      return comes_before(entry, value, key);
    });
    return static_cast<std::size_t>(found - block.begin());
  }

  [[nodiscard]] std::size_t sum_before(std::size_t block) const noexcept {
    std::size_t sum = 0;
    for (; block != 0; block &= block - 1)
      sum += sums_[block];
    return sum;
  }
  void add(std::size_t block, std::size_t count) noexcept {
    for (std::size_t i = block + 1; i < sums_.size(); i += i & (~i + 1))
      sums_[i] += count;
  }
  void count_again() {
    sums_.assign(blocks_.size() + 1, 0);
    for (std::size_t i = 1; i < sums_.size(); ++i) {
      sums_[i] += blocks_[i - 1].size();
      if (const std::size_t over = i + (i & (~i + 1)); over < sums_.size()) sums_[over] += sums_[i];
    }
  }
  [[nodiscard]] auto place_of(std::size_t block) noexcept {
    return blocks_.begin() + static_cast<std::ptrdiff_t>(block);
  }
  void split(std::size_t b) {
    Block& low = blocks_[b];
    const auto middle = low.begin() + static_cast<std::ptrdiff_t>(low.size() / 2);
    Block high(middle, low.end());
    low.erase(middle, low.end());
    blocks_.insert(place_of(b + 1), std::move(high));
    count_again();
  }
  /// Puts a block that has become small into its neighbour, where there is room.
  void join(std::size_t b) {
    const std::size_t low = b + 1 < blocks_.size() ? b : b - 1;
    if (blocks_.size() == 1 || blocks_[low].size() + blocks_[low + 1].size() > largest / 2) {
      if (!blocks_[b].empty()) return add(b, ~std::size_t{0});
      blocks_.erase(place_of(b));
      return count_again();
    }
    Block& to = blocks_[low];
    to.insert(to.end(), blocks_[low + 1].begin(), blocks_[low + 1].end());
    blocks_.erase(place_of(low + 1));
    count_again();
  }

  std::vector<Block> blocks_;
  std::vector<std::size_t> sums_;  ///< a sum tree, counted from one
  std::size_t size_ = 0;
};

}  // namespace persist::inline PERSIST_ABI::detail
