#pragma once

#include <persist/bytes.hpp>
#include <persist/clock.hpp>
#include <persist/detail/crc32c.hpp>
#include <persist/record/reader.hpp>

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

using persist::detail::append_hash;
using persist::detail::append_text;
using persist::detail::append_time;
using persist::detail::Reader;

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
