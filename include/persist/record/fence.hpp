#pragma once

#include <persist/detail/config.hpp>

#include <algorithm>
#include <array>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

namespace persist::inline PERSIST_ABI {

/// The name of a server as records carry it: up to 23 bytes, kept in place so that an owner is a
/// plain value.
class ServerId {
 public:
  static constexpr std::size_t capacity = 23;

  constexpr ServerId() noexcept = default;
  /// Longer names are cut; `Store` refuses them before it gets here.
  constexpr explicit ServerId(std::string_view name) noexcept
      : size_(static_cast<std::uint8_t>((std::min)(name.size(), capacity))) {
    std::copy_n(name.begin(), size_, text_.begin());
  }
  [[nodiscard]] constexpr std::string_view view() const noexcept { return {text_.data(), size_}; }
  friend constexpr bool operator==(const ServerId&, const ServerId&) noexcept = default;

 private:
  std::array<char, capacity> text_{};
  std::uint8_t size_ = 0;
};

/// 128 bits that name something without spelling it: a store's birth, a receipt, a message's id, a
/// sender.
struct Hash128 {
  std::uint64_t low = 0;
  std::uint64_t high = 0;
  friend constexpr auto operator<=>(const Hash128&, const Hash128&) noexcept = default;

  /// 32 lowercase hexadecimal digits, the high half first.
  [[nodiscard]] std::string text() const {
    constexpr const char* digits = "0123456789abcdef";
    std::string all;
    for (const std::uint64_t half : {high, low})
      for (int shift = 60; shift >= 0; shift -= 4)
        all += digits[(half >> shift) & 15];
    return all;
  }
};

/// Who was given an epoch. The random number belongs to one open database and the session's number
/// is never given out twice there, so two owners are equal only when they are the same
/// acquisition's: not even a restart or a second store with the same server id makes one that looks
/// like another.
struct Owner {
  ServerId server;
  std::uint64_t nonce = 0;
  std::uint64_t session = 0;

  [[nodiscard]] constexpr bool nobody() const noexcept { return nonce == 0 && session == 0; }
  friend constexpr bool operator==(const Owner&, const Owner&) noexcept = default;
};

/// What every write is checked against, inside the backend's own atomic step: the newest epoch
/// *and* its owner (a backend that lost its memory can give out an epoch twice) and the number of
/// the session's last write.
struct Fence {
  std::uint64_t epoch = 0;
  Owner owner;
  std::uint64_t write = 0;
  friend constexpr bool operator==(const Fence&, const Fence&) noexcept = default;
};

/// Epochs and versions stay below this, so that they survive systems that count in doubles.
inline constexpr std::uint64_t epoch_limit = std::uint64_t{1} << 53;

}  // namespace persist::inline PERSIST_ABI
