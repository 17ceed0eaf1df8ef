#include <persist/codec/json/text.hpp>

#include <cstdint>
#include <string>

#include <gtest/gtest.h>

namespace {

using namespace persist::codec;

/// Whether RFC 8259 lets a letter stand for itself, asked in the plainest way; ASCII only.
bool stands_for_itself(int byte) {
  return byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\';
}

TEST(JsonText, every_byte_is_plain_or_not_wherever_it_stands) {
  for (std::size_t size = 1; size <= 20; ++size) {
    for (std::size_t where = 0; where < size; ++where) {
      for (int byte = 0; byte < 256; ++byte) {
        std::string text(size, 'a');
        text[where] = static_cast<char>(byte);
        std::string copy(size, '?');
        const bool plain = json::copy_plain(copy.data(), text.data(), size);
        ASSERT_EQ(plain, stands_for_itself(byte)) << byte << " at " << where << " of " << size;
        if (plain) {
          ASSERT_EQ(copy, text);
        }
        const char* end = text.data() + size;
        ASSERT_EQ(json::end_of_plain(text.data(), end), plain ? end : text.data() + where)
            << byte << " at " << where << " of " << size;
      }
    }
  }
}

TEST(JsonText, two_bytes_side_by_side_hide_nothing) {
  for (int first = 0; first < 256; ++first) {
    for (int second = 0; second < 256; ++second) {
      const std::string text = {
          'a', static_cast<char>(first), static_cast<char>(second), 'a', 'a', 'a', 'a', 'a'};
      const std::size_t good = !stands_for_itself(first) ? 1 : !stands_for_itself(second) ? 2 : 8;
      ASSERT_EQ(json::end_of_plain(text.data(), text.data() + 8), text.data() + good)
          << first << ' ' << second;
    }
  }
}

TEST(JsonText, texts_that_differ_in_one_letter_differ) {
  for (std::size_t size = 4; size <= 40; ++size) {
    const std::string text(size, 'a');
    EXPECT_TRUE(json::same_letters(text.data(), std::string(text).data(), size));
    for (std::size_t where = 0; where < size; ++where) {
      std::string other = text;
      other[where] = 'b';
      ASSERT_FALSE(json::same_letters(text.data(), other.data(), size)) << where << ' ' << size;
    }
  }
}

}  // namespace
