#pragma once

#include <persist/bytes.hpp>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

// Most letters of most texts stand for themselves in JSON, and are looked at and copied eight at a
// time.

namespace persist::inline PERSIST_ABI::codec::json {

/// Marks, each in its highest bit, the bytes that a text cannot hold as they are or that are beyond
/// ASCII: control characters, quotes, backslashes. The lowest mark is a right one; above it there
/// may be wrong ones.
template <class Word>
[[nodiscard]] constexpr Word marks(Word bytes) noexcept {
  constexpr Word ones = static_cast<Word>(0x0101010101010101u);
  constexpr Word highs = ones << 7;
  // A byte below what is taken from it borrows, which sets its high bit and may set the next one's.
  const Word control = bytes - ones * Word{0x20};
  const Word quote = (bytes ^ ones * Word{'"'}) - ones;
  const Word backslash = (bytes ^ ones * Word{'\\'}) - ones;
  // A byte beyond ASCII keeps its high bit in one of the last two.
  return (control | quote | backslash) & highs;
}
[[nodiscard]] constexpr bool is_plain(char letter) noexcept {
  const auto byte = static_cast<unsigned char>(letter);
  return byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\';
}

template <class Word>
[[nodiscard]] Word load(const char* from) noexcept {
  Word word;
  std::memcpy(&word, from, sizeof word);
  return word;
}
template <class Word>
void store(char* to, Word word) noexcept {
  std::memcpy(to, &word, sizeof word);
}

/// Copies a text while it is plain. Returns whether all of it was; otherwise what was written is of
/// no use.
[[nodiscard]] inline bool copy_plain(char* to, const char* from, std::size_t size) noexcept {
  const auto copy = [&]<class Word>(std::size_t at, Word word) {
    store(to + at, word);
    return marks(word) == 0;
  };
  // The last word of a text overlaps the one before it.
  if (size >= 8) {
    for (std::size_t at = 0; at + 8 < size; at += 8)
      if (!copy(at, load<std::uint64_t>(from + at))) return false;
    return copy(size - 8, load<std::uint64_t>(from + size - 8));
  }
  if (size >= 4) {
    const bool begins = copy(0, load<std::uint32_t>(from));
    return copy(size - 4, load<std::uint32_t>(from + size - 4)) && begins;
  }
  for (std::size_t at = 0; at < size; ++at) {
    to[at] = from[at];
    if (!is_plain(from[at])) return false;
  }
  return true;
}

/// Where the plain letters end.
[[nodiscard]] inline const char* end_of_plain(const char* at, const char* end) noexcept {
  for (; end - at >= 8; at += 8) {
    const std::uint64_t found =
        marks(load_little<std::uint64_t>(reinterpret_cast<const std::byte*>(at)));
    if (found != 0) return at + std::countr_zero(found) / 8;
  }
  while (at != end && is_plain(*at))
    ++at;
  return at;
}

/// Whether the bytes at both places are the same, of which there are four at least.
[[nodiscard]] inline bool same_letters(const char* a, const char* b, std::size_t size) noexcept {
  if (size < 8) {
    return load<std::uint32_t>(a) == load<std::uint32_t>(b) &&
           load<std::uint32_t>(a + size - 4) == load<std::uint32_t>(b + size - 4);
  }
  for (std::size_t at = 0; at + 8 < size; at += 8)
    if (load<std::uint64_t>(a + at) != load<std::uint64_t>(b + at)) return false;
  return load<std::uint64_t>(a + size - 8) == load<std::uint64_t>(b + size - 8);
}

}  // namespace persist::inline PERSIST_ABI::codec::json
