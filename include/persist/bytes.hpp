#pragma once

#include <persist/detail/config.hpp>

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>

namespace persist::inline PERSIST_ABI {

using ByteView = std::span<const std::byte>;

[[nodiscard]] inline ByteView as_bytes(std::string_view text) noexcept {
  return std::as_bytes(std::span(text.data(), text.size()));
}
[[nodiscard]] inline std::string_view as_text(ByteView bytes) noexcept {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
[[nodiscard]] inline bool same_bytes(ByteView a, ByteView b) noexcept {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size()) == 0);
}

/// Bytes that are owned and grow at the end.
///
/// Unlike a vector it does not clear what it grows by: an encoder writes every byte once. Growth
/// doubles, so appending is amortised constant. Running out of memory throws `std::bad_alloc` (ends
/// the program without exceptions).
class Buffer {
 public:
  Buffer() noexcept = default;
  explicit Buffer(ByteView bytes) { append(bytes); }
  Buffer(const Buffer& other) : Buffer(other.view()) {}
  Buffer(Buffer&& other) noexcept
      : data_(std::move(other.data_)),
        size_(std::exchange(other.size_, 0)),
        room_(std::exchange(other.room_, 0)) {}
  Buffer& operator=(Buffer other) noexcept { return swap(other), *this; }
  ~Buffer() = default;

  [[nodiscard]] std::byte* data() noexcept { return data_.get(); }
  [[nodiscard]] const std::byte* data() const noexcept { return data_.get(); }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] std::size_t capacity() const noexcept { return room_; }
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  [[nodiscard]] ByteView view() const noexcept { return {data_.get(), size_}; }
  operator ByteView() const noexcept { return view(); }  // NOLINT: owned bytes are bytes

  void clear() noexcept { size_ = 0; }
  /// Drops what lies behind `size`, which must not be more than there is.
  void shrink(std::size_t size) noexcept { size_ = size < size_ ? size : size_; }
  void reserve(std::size_t room) {
    if (room > room_) reallocate(room);
  }
  /// Makes room for `count` more bytes and returns where they begin; their content is unspecified.
  [[nodiscard]] std::byte* grow(std::size_t count) {
    if (count > room_ - size_) [[unlikely]]
      make_room(count);
    std::byte* at = data_.get() + size_;
    size_ += count;
    return at;
  }
  /// Makes room for `count` more bytes, which are no part of it until `end_at` says how many of
  /// them became one.
  [[nodiscard]] std::byte* room(std::size_t count) {
    if (count > room_ - size_) [[unlikely]]
      make_room(count);
    return data_.get() + size_;
  }
  void end_at(const std::byte* end) noexcept {
    size_ = static_cast<std::size_t>(end - data_.get());
  }
  void push(std::byte value) { *grow(1) = value; }
  /// The bytes may be some of its own.
  void append(ByteView bytes) {
    if (bytes.empty()) return;
    if (bytes.size() > room_ - size_) [[unlikely]]
      return append_elsewhere(bytes);
    std::memcpy(data_.get() + size_, bytes.data(), bytes.size());
    size_ += bytes.size();
  }
  void append(std::string_view text) { append(persist::as_bytes(text)); }
  void swap(Buffer& other) noexcept {
    data_.swap(other.data_);
    std::swap(size_, other.size_);
    std::swap(room_, other.room_);
  }

  friend bool operator==(const Buffer& a, const Buffer& b) noexcept { return same_bytes(a, b); }

 private:
  [[nodiscard]] std::size_t room_for(std::size_t count) const noexcept {
    return size_ + count > 2 * room_ ? size_ + count : 2 * room_;
  }
  PERSIST_NOINLINE void make_room(std::size_t count) { reallocate(room_for(count)); }
  PERSIST_NOINLINE void append_elsewhere(ByteView bytes) {
    Buffer grown;
    grown.reserve(room_for(bytes.size()));
    grown.append(view()), grown.append(bytes);
    swap(grown);
  }
  void reallocate(std::size_t room) {
    std::unique_ptr<std::byte[]> grown(new std::byte[room]);
    if (size_ != 0) std::memcpy(grown.get(), data_.get(), size_);
    data_ = std::move(grown);
    room_ = room;
  }

  std::unique_ptr<std::byte[]> data_;
  std::size_t size_ = 0;
  std::size_t room_ = 0;
};

/// Copies less than 24 bytes. Most names and many texts are that short, and for them a call is most
/// of what a copy costs.
inline void copy_short(std::byte* to, ByteView bytes) noexcept {
  const std::byte* from = bytes.data();
  const std::size_t size = bytes.size();
  const auto ends = [&](auto word) {  // the first and the last; they may overlap
    std::memcpy(to, from, sizeof(word));
    std::memcpy(to + size - sizeof(word), from + size - sizeof(word), sizeof(word));
  };
  if (size >= 16) std::memcpy(to + 8, from + 8, 8);
  if (size >= 8) return ends(std::uint64_t{});
  if (size >= 4) return ends(std::uint32_t{});
  for (std::size_t i = 0; i < size; ++i)
    to[i] = from[i];
}

/// Numbers in files are little-endian, whatever the machine. Where the machine is too it is one
/// move, which not every compiler makes of the loop.
template <std::unsigned_integral T>
void store_little(std::byte* to, T value) noexcept {
  if constexpr (std::endian::native == std::endian::little) {
    std::memcpy(to, &value, sizeof(T));
  } else {
    for (std::size_t i = 0; i < sizeof(T); ++i)
      to[i] = static_cast<std::byte>((value >> (8 * i)) & 0xff);
  }
}
template <std::unsigned_integral T>
[[nodiscard]] T load_little(const std::byte* from) noexcept {
  T value = 0;
  if constexpr (std::endian::native == std::endian::little) {
    std::memcpy(&value, from, sizeof(T));
  } else {
    for (std::size_t i = 0; i < sizeof(T); ++i)
      value = static_cast<T>(value | (static_cast<T>(from[i]) << (8 * i)));
  }
  return value;
}
template <std::unsigned_integral T>
void append_little(Buffer& to, T value) {
  store_little(to.grow(sizeof(T)), value);
}

}  // namespace persist::inline PERSIST_ABI
