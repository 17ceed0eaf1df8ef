#pragma once

#include <persist/bytes.hpp>
#include <persist/clock.hpp>
#include <persist/record/fence.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace persist::inline PERSIST_ABI::backend::postgres {

/// The columns of a row, one after the other, of whoever gives the next one's bytes as the server
/// sends them.
template <class Rows>
class Columns {
 public:
  [[nodiscard]] std::int64_t integer() {
    const ByteView at = mine().bytes();
    std::uint64_t value = !at.empty() && (at[0] & std::byte{0x80}) != std::byte{} ? ~0ULL : 0;
    for (const std::byte each : at)
      value = value << 8 | std::to_integer<std::uint64_t>(each);
    return static_cast<std::int64_t>(value);
  }
  [[nodiscard]] std::uint64_t number() { return static_cast<std::uint64_t>(integer()); }
  template <class T>
  [[nodiscard]] T small() {
    return static_cast<T>(integer());
  }
  [[nodiscard]] WallTime time() { return WallTime(WallTime::duration(integer())); }
  [[nodiscard]] Duration duration() { return Duration(integer()); }
  [[nodiscard]] std::string_view text() { return as_text(mine().bytes()); }
  [[nodiscard]] Hash128 hash() {
    const ByteView at = mine().bytes();
    if (at.size() != 16) return mine().misread(), Hash128{};
    return {load_little<std::uint64_t>(at.data()), load_little<std::uint64_t>(at.data() + 8)};
  }

 private:
  [[nodiscard]] Rows& mine() noexcept { return static_cast<Rows&>(*this); }
};

/// Rows of another table that came in one column: each value behind its length. What is cut short
/// ends there.
class Packed : public Columns<Packed> {
 public:
  explicit Packed(ByteView bytes) noexcept : left_(bytes) {}

  [[nodiscard]] bool row() const noexcept { return !left_.empty(); }
  [[nodiscard]] ByteView bytes() {
    const std::size_t size = left_.size() < 4 ? left_.size() : length();
    if (left_.size() < 4 || size > left_.size() - 4) return misread(), ByteView();
    const ByteView value = left_.subspan(4, size);
    left_ = left_.subspan(4 + size);
    return value;
  }
  void misread() noexcept { left_ = {}; }

 private:
  [[nodiscard]] std::size_t length() const noexcept {
    std::size_t size = 0;
    for (std::size_t i = 0; i < 4; ++i)
      size = size << 8 | std::to_integer<std::size_t>(left_[i]);
    return size;
  }

  ByteView left_;
};

/// SQL for what `Packed` reads: all rows of `from`, of numbers and, where a name begins with `*`,
/// of bytes.
[[nodiscard]] inline std::string packed_sql(std::initializer_list<std::string_view> columns,
                                            std::string_view from) {
  std::string all;
  for (std::string_view column : columns) {
    if (!all.empty()) all += " || ";
    if (const bool is_bytes = column.front() == '*'; is_bytes) {
      column.remove_prefix(1);
      all += "int4send(length(" + std::string(column) + ")) || " + std::string(column);
    } else {
      all += "int4send(8) || int8send(" + std::string(column) + ")";
    }
  }
  const std::size_t order = from.find(" ORDER BY ");
  return "(SELECT string_agg(" + all + ", CAST('' AS bytea)" + std::string(from.substr(order)) +
         ") FROM " + std::string(from.substr(0, order)) + ")";
}

}  // namespace persist::inline PERSIST_ABI::backend::postgres
