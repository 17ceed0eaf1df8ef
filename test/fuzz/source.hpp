#pragma once

#include <persist/bytes.hpp>
#include <persist/schema/value.hpp>

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace fuzz {

/// Gives out an input piece by piece; behind its end all is zero. Every change of the input is a
/// change of what is made of it, and a small one mostly a small one.
class Source {
 public:
  explicit Source(persist::ByteView input) noexcept : left_(input) {}

  [[nodiscard]] bool empty() const noexcept { return left_.empty(); }
  /// All that is left.
  persist::ByteView rest() noexcept { return std::exchange(left_, {}); }
  persist::ByteView take(std::size_t count) noexcept {
    const auto taken = left_.first((std::min)(count, left_.size()));
    left_ = left_.subspan(taken.size());
    return taken;
  }
  std::uint8_t byte() noexcept {
    const auto taken = take(1);
    return taken.empty() ? std::uint8_t{0} : std::to_integer<std::uint8_t>(taken[0]);
  }
  bool flag() noexcept { return (byte() & 1) != 0; }
  /// From 0 to `end`, without that.
  std::size_t below(std::size_t end) noexcept { return end == 0 ? 0 : byte() % end; }
  /// As many bytes as the first one says, so that small numbers take few of them.
  template <class T>
    requires std::is_arithmetic_v<T>
  T number() noexcept {
    std::byte bytes[sizeof(T)] = {};
    const auto taken = take(std::integral<T> ? byte() % (sizeof(T) + 1) : sizeof(T));
    std::copy(taken.begin(), taken.end(), bytes);
    T made{};
    std::memcpy(&made, bytes, sizeof made);
    return made;
  }
  /// Never NaN, which no comparison finds again.
  template <std::floating_point T>
  T real() noexcept {
    const T made = number<T>();
    return made == made ? made : T(0.5);
  }
  /// UTF-8 of all lengths.
  std::string text() {
    static constexpr std::string_view large[] = {"\xc3\xab", "\xe2\x82\xac", "\xf0\x9f\x8e\xae",
                                                 "\xef\xbf\xbf"};
    std::string made;
    for (std::size_t left = below(24); left != 0 && !empty(); --left) {
      const std::uint8_t next = byte();
      next < 0x80 ? void(made += static_cast<char>(next)) : void(made += large[next % 4]);
    }
    return made;
  }

 private:
  persist::ByteView left_;
};

/// A value of all that every codec can keep.
[[nodiscard]] inline persist::Value make_value(Source& from, int depth = 4) {
  using persist::Value;
  switch (from.below(depth == 0 ? 6 : 8)) {
    case 1:
      return from.flag();
    case 2:
      return from.number<std::int64_t>();
    case 3:
      return from.number<std::uint64_t>();
    case 4:
      return from.real<double>();
    case 5:
      return from.text();
    case 6: {
      Value made = Value::array();
      for (std::size_t left = from.below(6); left != 0; --left)
        made.push_back(make_value(from, depth - 1));
      return made;
    }
    case 7: {
      Value made = Value::map();
      for (std::size_t left = from.below(6); left != 0; --left) {
        const std::string key = from.text();
        made[key] = make_value(from, depth - 1);
      }
      return made;
    }
    default:
      return nullptr;
  }
}

}  // namespace fuzz
