#pragma once

#include <persist/detail/config.hpp>

#include <cstddef>
#include <cstdint>
#include <iterator>

namespace persist::inline PERSIST_ABI::testing {

/// Numbers that follow from a seed alone, the same on every machine and with every standard library
/// (SplitMix64: Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
class Random {
 public:
  explicit constexpr Random(std::uint64_t seed) noexcept : state_(seed) {}

  constexpr std::uint64_t next() noexcept {
    std::uint64_t z = state_ += 0x9e3779b97f4a7c15U;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
  }
  /// One of 0, 1, …, `count` - 1; `count` is not 0. For small counts, as a game has them, none is
  /// noticeably more likely than another.
  constexpr std::uint64_t below(std::uint64_t count) noexcept { return next() % count; }
  constexpr std::uint64_t between(std::uint64_t least, std::uint64_t most) noexcept {
    return least + below(most - least + 1);
  }
  /// True so many times out of a thousand.
  constexpr bool happens(unsigned per_thousand) noexcept { return below(1000) < per_thousand; }
  /// An element of a container that has one.
  template <class C>
  [[nodiscard]] constexpr auto& pick(C& all) noexcept {
    return all[static_cast<std::size_t>(below(std::size(all)))];
  }
  /// Numbers of their own: what is drawn there changes nothing here.
  [[nodiscard]] constexpr Random split() noexcept { return Random(next()); }

 private:
  std::uint64_t state_;
};

}  // namespace persist::inline PERSIST_ABI::testing
