#pragma once

#include <persist/detail/config.hpp>

#include <algorithm>
#include <charconv>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <string_view>
#include <vector>

namespace persist::inline PERSIST_ABI {

/// Where a Key policy writes the spelling of a key: at most 255 bytes, which lie in the object
/// itself.
///
/// Never allocates and never fails at once: what does not fit, and what a policy refuses, is
/// remembered, and `key::spell_checked` turns it into an `invalid` error.
class KeyBuffer {
 public:
  static constexpr std::size_t capacity = 255;

  KeyBuffer() noexcept {}  // NOLINT: the bytes need no value before they are written

  KeyBuffer& append(std::string_view text) noexcept {
    if (fits() && text.size() <= capacity - asked_ && !text.empty()) {
      std::memcpy(bytes_ + asked_, text.data(), text.size());
    }
    asked_ += (std::min)(text.size(), (std::numeric_limits<std::size_t>::max)() - asked_);
    return *this;
  }
  KeyBuffer& append(char letter) noexcept { return append(std::string_view(&letter, 1)); }
  /// Appends a number in its one decimal form: no sign but a minus, no zero in front.
  template <std::integral T>
  KeyBuffer& append_number(T number) noexcept {
    char digits[std::numeric_limits<T>::digits10 + 3];
    const char* end = std::to_chars(digits, digits + sizeof digits, number).ptr;
    return append(std::string_view(digits, static_cast<std::size_t>(end - digits)));
  }
  /// Says that this value has no key, and why: a literal, as in `out.refuse("a guest has no saved
  /// data")`. The first refusal stays.
  void refuse(const char* why) noexcept { refusal_ = refusal_ ? refusal_ : why; }

  void clear() noexcept { asked_ = 0, refusal_ = nullptr; }

  /// Whether all that was appended is there.
  [[nodiscard]] bool fits() const noexcept { return asked_ <= capacity; }
  /// How many bytes were asked for: the size of the spelling even where it did not fit.
  [[nodiscard]] std::size_t asked() const noexcept { return asked_; }
  /// The reason given to `refuse`, or null.
  [[nodiscard]] const char* refusal() const noexcept { return refusal_; }
  /// The spelling so far; empty when it did not fit, because half a key is another key.
  [[nodiscard]] std::string_view view() const noexcept { return {bytes_, fits() ? asked_ : 0}; }

 private:
  char bytes_[capacity];
  std::size_t asked_ = 0;
  const char* refusal_ = nullptr;
};

/// The users a record belongs to: a short list in the order they were added, each once. Empty, it
/// allocates nothing.
class UserIds {
 public:
  UserIds() noexcept = default;

  /// Returns whether it was not there yet. Time is linear in the size.
  bool add(std::uint64_t user) {
    if (contains(user)) return false;
    ids_.push_back(user);
    return true;
  }
  /// Returns whether it was there.
  bool remove(std::uint64_t user) noexcept { return std::erase(ids_, user) != 0; }
  void clear() noexcept { ids_.clear(); }

  [[nodiscard]] bool contains(std::uint64_t user) const noexcept {
    return std::find(ids_.begin(), ids_.end(), user) != ids_.end();
  }
  [[nodiscard]] std::size_t size() const noexcept { return ids_.size(); }
  [[nodiscard]] bool empty() const noexcept { return ids_.empty(); }
  [[nodiscard]] std::span<const std::uint64_t> view() const noexcept { return ids_; }
  [[nodiscard]] auto begin() const noexcept { return ids_.begin(); }
  [[nodiscard]] auto end() const noexcept { return ids_.end(); }

  friend bool operator==(const UserIds&, const UserIds&) = default;

 private:
  std::vector<std::uint64_t> ids_;
};

/// A key as storage spells it, for tools that list keys and know no Key policy. It only points at
/// the text.
struct SpelledKey {
  std::string_view text;

  friend bool operator==(SpelledKey, SpelledKey) = default;
};

}  // namespace persist::inline PERSIST_ABI
