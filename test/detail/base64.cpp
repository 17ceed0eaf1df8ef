#include <persist/detail/base64.hpp>

#include <string>
#include <string_view>

#include <gtest/gtest.h>

namespace {

using persist::Buffer;
using namespace persist::detail;

std::string encoded(std::string_view bytes) {
  Buffer to;
  append_base64(to, persist::as_bytes(bytes));
  return std::string(persist::as_text(to));
}
bool decodes(std::string_view text) {
  Buffer to;
  to.append("kept");
  const bool worked = append_from_base64(to, text);
  EXPECT_TRUE(persist::as_text(to).starts_with("kept"));
  EXPECT_TRUE(worked || to.size() == 4);
  return worked;
}

TEST(Base64, the_examples_of_the_rfc_come_out_and_go_back) {
  constexpr std::string_view examples[][2] = {{"", ""},
                                              {"f", "Zg=="},
                                              {"fo", "Zm8="},
                                              {"foo", "Zm9v"},
                                              {"foob", "Zm9vYg=="},
                                              {"fooba", "Zm9vYmE="},
                                              {"foobar", "Zm9vYmFy"},
                                              {"\xff\xfe\xfd", "//79"}};
  for (const auto& [bytes, text] : examples) {
    EXPECT_EQ(encoded(bytes), text);
    Buffer back;
    EXPECT_TRUE(append_from_base64(back, text));
    EXPECT_EQ(persist::as_text(back), bytes);
  }
}

TEST(Base64, what_is_not_exactly_one_text_of_some_bytes_is_refused) {
  for (const std::string_view text :
       {"Z", "Zg", "Zg=", "Zg===", "Zm9v=", "====", "Z===", "Zm9v====", "Zg==Zg==", "Zm=v", "Zm9-",
        "Zm9_", "Zm 9", "Zm9\n", "Zh==", "Zm9=", "\xff\xff\xff\xff"}) {
    EXPECT_FALSE(decodes(text)) << text;
  }
  EXPECT_TRUE(decodes("Zg=="));
}

}  // namespace
