#include <persist/detail/utf8.hpp>

#include <cstdint>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

namespace {

using namespace persist::detail;
using namespace std::string_view_literals;

TEST(Utf8, well_formed_text_is_accepted) {
  for (const std::string_view text :
       {""sv, "plain ascii of more than eight"sv, "\0"sv, "\x7f"sv, "\xc2\x80"sv, "\xdf\xbf"sv,
        "\xe0\xa0\x80"sv, "\xed\x9f\xbf"sv, "\xee\x80\x80"sv, "\xef\xbf\xbf"sv,
        "\xf0\x90\x80\x80"sv, "\xf4\x8f\xbf\xbf"sv,
        "gr\xc3\xbc\xc3\x9f \xe6\xbc\xa2 \xf0\x9f\x98\x80 dich"sv}) {
    EXPECT_TRUE(is_utf8(text)) << text;
  }
}

TEST(Utf8, ill_formed_text_is_refused_wherever_it_stands) {
  for (const std::string_view bad :
       {"\x80"sv, "\xbf"sv, "\xc0\x80"sv, "\xc1\xbf"sv, "\xc2"sv, "\xc2\x41"sv, "\xe0\x9f\xbf"sv,
        "\xe0\xa0"sv, "\xed\xa0\x80"sv, "\xed\xbf\xbf"sv, "\xef\xbf"sv, "\xf0\x8f\xbf\xbf"sv,
        "\xf0\x90\x80"sv, "\xf4\x90\x80\x80"sv, "\xf5\x80\x80\x80"sv, "\xfe"sv, "\xff"sv}) {
    for (std::size_t before = 0; before < 18; ++before) {
      std::string text(before, 'a');
      text += bad;
      EXPECT_EQ(utf8_prefix(text), before);
      text += std::string(9, 'z');
      EXPECT_EQ(utf8_prefix(text), before);
    }
  }
}

TEST(Utf8, a_byte_beyond_ascii_is_seen_wherever_it_stands) {
  for (std::size_t size = 0; size < 40; ++size) {
    std::string text(size, '\x7f');
    EXPECT_TRUE(is_ascii(text)) << size;
    for (std::size_t at = 0; at < size; ++at) {
      text[at] = '\x80';
      EXPECT_FALSE(is_ascii(text)) << size << ' ' << at;
      text[at] = '\x7f';
    }
  }
}

TEST(Utf8, every_code_point_is_written_as_it_is_read) {
  for (std::uint32_t code_point = 0; code_point <= 0x10ffff; ++code_point) {
    if (code_point >= 0xd800 && code_point <= 0xdfff) continue;
    char text[4];
    const std::size_t length = write_utf8(text, code_point);
    ASSERT_EQ(utf8_character(text, length), length) << code_point;
  }
  char text[4];
  EXPECT_EQ(std::string_view(text, write_utf8(text, 0x1F600)), "\xf0\x9f\x98\x80");
}

}  // namespace
