#pragma once

#include <persist/bytes.hpp>
#include <persist/clock.hpp>
#include <persist/detail/crc32c.hpp>
#include <persist/record/fence.hpp>

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

// The bytes of the log's frame: segments and batches. doc/format.md has the grammar, the reasons
// and an example in hex. Numbers here reach disk: never renumber.

namespace persist::inline PERSIST_ABI::backend::file {

inline constexpr std::string_view segment_magic = "persistL";
inline constexpr std::uint32_t log_format = 1;
inline constexpr std::size_t segment_header_size = 40;
inline constexpr std::size_t batch_header_size = 36;
inline constexpr std::uint64_t largest_batch = std::uint64_t{1} << 30;

/// Where bytes lie, how many, and their sum.
struct Place {
  std::uint32_t segment = 0;  ///< 0: nowhere
  std::uint32_t offset = 0;
  std::uint32_t size = 0;
  std::uint32_t crc = 0;

  [[nodiscard]] bool exists() const noexcept { return segment != 0; }
  friend bool operator==(const Place&, const Place&) noexcept = default;
};

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

/// The beginning of a segment.
struct SegmentHeader {
  std::uint32_t number = 0;  ///< consecutive; the file's name is this in eight digits
  std::uint64_t salt = 0;    ///< the log's
  /// The first batch here. What an earlier segment has from this number on does not count: it was
  /// not known to be on disk and has been written again here, or was torn.
  std::uint64_t first_sequence = 0;
  std::uint32_t oldest = 0;  ///< the oldest segment that was needed when this one was made

  void write(Buffer& to) const {
    const std::size_t begin = to.size();
    to.append(segment_magic);
    append_little(to, log_format);
    append_little(to, number);
    append_little(to, salt);
    append_little(to, first_sequence);
    append_little(to, oldest);
    append_little(to, detail::crc32c(to.view().subspan(begin)));
  }
  /// Nothing, if these are no header's bytes; `format` then tells a newer one from damage.
  [[nodiscard]] static std::optional<SegmentHeader> read(ByteView bytes, std::uint32_t& format) {
    if (bytes.size() < segment_header_size) return std::nullopt;
    const ByteView summed = bytes.first(segment_header_size - 4);
    Reader from(bytes.first(segment_header_size));
    if (as_text(from.bytes(8)) != segment_magic) return std::nullopt;
    format = from.number<std::uint32_t>();
    SegmentHeader header;
    header.number = from.number<std::uint32_t>();
    header.salt = from.number<std::uint64_t>();
    header.first_sequence = from.number<std::uint64_t>();
    header.oldest = from.number<std::uint32_t>();
    if (from.number<std::uint32_t>() != detail::crc32c(summed) || format != log_format)
      return std::nullopt;
    return header;
  }
};

/// The beginning of a batch: the unit that is there whole or not at all.
struct BatchHeader {
  std::uint64_t salt = 0;
  std::uint64_t sequence = 0;
  /// The newest batch that was known to be on disk when this one was written: if that one is
  /// broken now, it is damage and no power cut.
  std::uint64_t synced = 0;
  std::uint32_t length = 0;  ///< of the payload
  std::uint32_t payload_crc = 0;

  void write(std::byte* to) const noexcept {
    store_little(to, salt);
    store_little(to + 8, sequence);
    store_little(to + 16, synced);
    store_little(to + 24, length);
    store_little(to + 28, payload_crc);
    store_little(to + 32, detail::crc32c({to, batch_header_size - 4}));
  }
  [[nodiscard]] static std::optional<BatchHeader> read(ByteView bytes,
                                                       std::uint64_t salt) noexcept {
    if (bytes.size() < batch_header_size || load_little<std::uint64_t>(bytes.data()) != salt)
      return std::nullopt;
    const std::byte* at = bytes.data();
    if (load_little<std::uint32_t>(at + 32) != detail::crc32c(bytes.first(batch_header_size - 4)))
      return std::nullopt;
    return BatchHeader{salt, load_little<std::uint64_t>(at + 8),
                       load_little<std::uint64_t>(at + 16), load_little<std::uint32_t>(at + 24),
                       load_little<std::uint32_t>(at + 28)};
  }
};

/// Fills in the header that was left room for at the beginning of a batch, which the first of its
/// pieces holds; `to` is where that lies.
inline void seal(std::byte* to, BatchHeader header, std::span<const ByteView> pieces) {
  std::size_t length = 0;
  std::uint32_t crc = 0;
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    const ByteView piece = i == 0 ? pieces[i].subspan(batch_header_size) : pieces[i];
    length += piece.size();
    crc = detail::crc32c(piece, crc);
  }
  header.length = static_cast<std::uint32_t>(length);
  header.payload_crc = crc;
  header.write(to);
}
inline void seal(Buffer& batch, const BatchHeader& header) {
  const ByteView all = batch;
  seal(batch.data(), header, {&all, 1});
}

/// At least eight digits, so that names sort as numbers do.
[[nodiscard]] inline std::string digits(std::uint64_t number) {
  const std::string text = std::to_string(number);
  return std::string(text.size() < 8 ? 8 - text.size() : 0, '0') + text;
}
[[nodiscard]] inline std::string segment_name(std::uint32_t number) {
  return digits(number) + ".log";
}
/// That of one that was left out of the log because bytes in it are damaged.
[[nodiscard]] inline std::string aside_name(std::uint32_t number) {
  return digits(number) + ".damaged";
}
[[nodiscard]] inline std::optional<std::uint32_t> segment_number(std::string_view name,
                                                                 std::string_view end = ".log") {
  if (!name.ends_with(end) || name.size() < end.size() + 8 || name.size() > end.size() + 10)
    return std::nullopt;
  std::uint64_t number = 0;
  for (const char c : name.substr(0, name.size() - end.size())) {
    if (c < '0' || c > '9') return std::nullopt;
    number = number * 10 + static_cast<std::uint64_t>(c - '0');
  }
  if (number == 0 || number > 0xffff'ffff || !name.starts_with(digits(number) + "."))
    return std::nullopt;
  return static_cast<std::uint32_t>(number);
}

}  // namespace persist::inline PERSIST_ABI::backend::file
