#include <persist/key/text.hpp>

#include <persist/key/concept.hpp>

#include <string>
#include <string_view>

#include <gtest/gtest.h>

namespace {

using namespace persist;

static_assert(spells_a_key<key::Text> && !gives_user_ids<key::Text>);
static_assert(spells<key::Text, std::string_view> && spells<key::Text, const char*> &&
              spells<key::Text, char[4]>);
static_assert(!spells<key::Text, int>);

TEST(KeyText, is_spelled_as_it_is) {
  for (const std::string_view text : {"Ann", "ann", "../../etc/passwd", "a/b", "\xff\x01 ~", "."}) {
    KeyBuffer key;
    key::Text::spell(text, key);
    EXPECT_EQ(key.view(), text);
  }
}

}  // namespace
