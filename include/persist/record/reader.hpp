#pragma once

#include <persist/bytes.hpp>
#include <persist/clock.hpp>
#include <persist/record/fence.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string_view>

// What files of ours are made of: little-endian numbers, and what is made of those.

namespace persist::inline PERSIST_ABI::detail {

/// Reads numbers and bytes and never past the end: then it is not good any more and gives zeros.
class Reader {
 public:
  explicit Reader(ByteView from) noexcept : left_(from) {}

  template <std::unsigned_integral T>
  [[nodiscard]] T number() noexcept {
    const ByteView at = bytes(sizeof(T));
    return at.size() == sizeof(T) ? load_little<T>(at.data()) : T{0};
  }
  [[nodiscard]] ByteView bytes(std::size_t count) noexcept {
    if (count > left_.size()) return good_ = false, left_ = {}, ByteView{};
    const ByteView got = left_.first(count);
    left_ = left_.subspan(count);
    return got;
  }
  [[nodiscard]] std::string_view text() noexcept { return as_text(bytes(number<std::uint16_t>())); }
  [[nodiscard]] Hash128 hash() noexcept {
    const auto low = number<std::uint64_t>();
    return {low, number<std::uint64_t>()};
  }
  [[nodiscard]] WallTime time() noexcept {
    return WallTime(std::chrono::milliseconds(static_cast<std::int64_t>(number<std::uint64_t>())));
  }
  /// A count of things that take at least `least` bytes each; more than there is room for is not
  /// good, so that nothing is allocated for a lie.
  [[nodiscard]] std::size_t count(std::size_t least) noexcept {
    const std::size_t n = number<std::uint32_t>();
    return n <= left_.size() / least ? n : (good_ = false, left_ = {}, std::size_t{0});
  }
  [[nodiscard]] bool good() const noexcept { return good_; }
  [[nodiscard]] bool done() const noexcept { return good_ && left_.empty(); }
  [[nodiscard]] std::size_t left() const noexcept { return left_.size(); }

 private:
  ByteView left_;
  bool good_ = true;
};

inline void append_text(Buffer& to, std::string_view text) {
  append_little(to, static_cast<std::uint16_t>(text.size()));
  to.append(text);
}
inline void append_hash(Buffer& to, const Hash128& hash) {
  append_little(to, hash.low);
  append_little(to, hash.high);
}
inline void append_time(Buffer& to, WallTime time) {
  append_little(to, static_cast<std::uint64_t>(time.time_since_epoch().count()));
}

}  // namespace persist::inline PERSIST_ABI::detail
