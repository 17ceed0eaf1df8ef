// builds: single no-exceptions
#include <persist/key/policy.hpp>

#include <persist/key/prefixed.hpp>
#include <persist/key/scoped.hpp>

#include <cstdint>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

namespace {

using namespace persist;
using namespace std::string_literals;
using namespace std::string_view_literals;

struct Player {
  std::uint64_t id;
};
struct PlayerKey {
  using value_type = Player*;
  static void spell(const Player* player, KeyBuffer& out) {
    if (player == nullptr) return out.refuse("there is no player");
    spell(player->id, out);
  }
  static void spell(std::uint64_t id, KeyBuffer& out) { out.append("P").append_number(id); }
};

static_assert(std::same_as<key::policy_of<std::uint32_t>, key::Number<std::uint32_t>>);
static_assert(std::same_as<key::policy_of<const int>, key::Number<int>>);
static_assert(std::same_as<key::policy_of<std::string>, key::Text>);
static_assert(std::same_as<key::policy_of<std::string_view>, key::Text>);
static_assert(std::same_as<key::policy_of<const char*>, key::Text>);
static_assert(std::same_as<key::policy_of<PlayerKey>, PlayerKey>);

template <class K>
Error refused(const auto& value) {
  KeyBuffer key;
  const auto result = key::spell_checked<K>(value, key);
  return result ? Error(Errc::io, "it was accepted") : result.error();
}

TEST(KeyPolicy, spells_what_the_policy_spells) {
  KeyBuffer key;
  key.append("what was there before");
  Player ann{42};
  ASSERT_TRUE(key::spell_checked<PlayerKey>(&ann, key));
  EXPECT_EQ(key.view(), "P42");
  ASSERT_TRUE(key::spell_checked<PlayerKey>(std::uint64_t{43}, key));
  EXPECT_EQ(key.view(), "P43");
  ASSERT_TRUE(key::spell_checked<int>(-5, key));
  EXPECT_EQ(key.view(), "-5");
  ASSERT_TRUE((key::spell_checked<key::Prefixed<"Player_", std::uint64_t>>(42, key)));
  EXPECT_EQ(key.view(), "Player_42");
}

TEST(KeyPolicy, any_byte_but_nul_is_a_byte_of_a_key) {
  for (int byte = 1; byte < 256; ++byte) {
    KeyBuffer key;
    const std::string text(1, static_cast<char>(byte));
    ASSERT_TRUE(key::spell_checked<std::string>(text, key));
    EXPECT_EQ(key.view(), text);
  }
  KeyBuffer key;
  ASSERT_TRUE(key::spell_checked<std::string>("../../etc/passwd"sv, key));
  EXPECT_EQ(key.view(), "../../etc/passwd");
}

TEST(KeyPolicy, a_key_of_1_and_of_255_bytes_is_accepted) {
  KeyBuffer key;
  EXPECT_TRUE(key::spell_checked<std::string>("x"sv, key));
  EXPECT_TRUE(key::spell_checked<std::string>(std::string(255, 'x'), key));
  EXPECT_EQ(key.view().size(), 255u);
}

TEST(KeyPolicy, a_key_of_no_bytes_is_invalid) {
  const Error error = refused<std::string>(""sv);
  EXPECT_EQ(error, Errc::invalid);
  EXPECT_EQ(error.detail(), "a key has at least 1 byte (this one has 0)");
}

TEST(KeyPolicy, a_key_of_256_and_of_10000_bytes_is_invalid) {
  EXPECT_EQ(refused<std::string>(std::string(256, 'x')).detail(),
            "a key has at most 255 bytes (this one has 256)");
  const Error error = refused<std::string>(std::string(10'000, 'x'));
  EXPECT_EQ(error, Errc::invalid);
  EXPECT_EQ(error.detail(), "a key has at most 255 bytes (this one has 10000)");
}

TEST(KeyPolicy, a_key_with_nul_is_invalid) {
  for (const auto text : {"\0"sv, "ab\0"sv, "\0ab"sv}) {
    const Error error = refused<std::string>(text);
    EXPECT_EQ(error, Errc::invalid);
    EXPECT_TRUE(error.detail().starts_with("a key holds no NUL, and byte ")) << error;
  }
}

/// Spells texts of growing length; `more` is what the policy puts before each.
template <class K>
void expect_limits(std::size_t more, auto make) {
  KeyBuffer key;
  for (const std::size_t size : {std::size_t{1}, 255 - more}) {
    EXPECT_TRUE(key::spell_checked<K>(make(std::string(size, 'x')), key)) << size;
    EXPECT_EQ(key.view().size(), size + more);
  }
  for (const std::size_t size :
       {256 - more, std::size_t{255}, std::size_t{256}, std::size_t{10'000}})
    if (size + more > 255) {
      EXPECT_TRUE(refused<K>(make(std::string(size, 'x'))) == Errc::invalid) << size;
    }
  for (int byte = 1; byte < 256; ++byte) {
    const std::string text(1, static_cast<char>(byte));
    ASSERT_TRUE(key::spell_checked<K>(make(text), key));
    EXPECT_EQ(key.view().substr(more), text) << "as it is, last";
  }
  for (const auto& nul : {"\0"s, "a\0"s, "\0a"s})
    EXPECT_EQ(refused<K>(make(nul)), Errc::invalid);
  EXPECT_EQ(static_cast<bool>(key::spell_checked<K>(make(""s), key)), more != 0);
}

TEST(KeyPolicy, every_policy_has_the_limits_of_a_key_with_what_it_adds) {
  const auto as_it_is = [](std::string text) { return text; };
  expect_limits<std::string>(0, as_it_is);
  expect_limits<key::Prefixed<"Player_", std::string>>(7, as_it_is);
  expect_limits<key::Scoped<"season/3", std::string>>(10, as_it_is);
  expect_limits<key::Prefixed<"P", key::Scoped<"s", std::string>>>(3, as_it_is);
  using Any = key::AnyScope<std::string>;
  expect_limits<Any>(9, [](const std::string& text) { return key::InScope{"season~"s, text}; });
  for (const auto& scope :
       {"a\0"s, std::string(255, 's'), std::string(10'000, '/'), std::string(127, '~')})
    EXPECT_EQ(refused<Any>(key::InScope{scope, "k"s}), Errc::invalid) << scope.size();
}

TEST(KeyPolicy, a_refusal_of_the_policy_is_invalid_in_its_words) {
  EXPECT_EQ(refused<PlayerKey>(static_cast<Player*>(nullptr)).detail(),
            "this key is not allowed: there is no player");
  EXPECT_EQ(refused<std::uint64_t>(-1), Errc::invalid);
}

TEST(KeyPolicy, a_key_already_spelled_is_taken_as_it_is_and_checked) {
  KeyBuffer key;
  ASSERT_TRUE(key::spell_checked<PlayerKey>(SpelledKey{"P42"}, key));
  EXPECT_EQ(key.view(), "P42");
  EXPECT_EQ(refused<PlayerKey>(SpelledKey{""}), Errc::invalid);
}

TEST(KeyPolicy, what_a_policy_spells_it_reads_and_nothing_else) {
  using Season = key::Scoped<"s/3", key::Prefixed<"p", std::uint64_t>>;
  using Any = key::AnyScope<std::string>;
  EXPECT_EQ(key::read_spelling<key::Number<std::uint64_t>>("42"), 42U);
  EXPECT_EQ(key::read_spelling<key::Number<int>>("-7"), -7);
  EXPECT_EQ(key::read_spelling<key::Text>("Ann"), "Ann"s);
  EXPECT_EQ(key::read_spelling<Season>("s~13/p42"), 42U);
  EXPECT_EQ(key::read_spelling<Any>("a~1~0b/c/d"), (key::InScope<std::string>{"a/~b", "c/d"}));
  for (const std::string_view no : {"007", "+7", "7 ", "", "x", "-1", "18446744073709551616"})
    EXPECT_FALSE(key::read_spelling<key::Number<std::uint64_t>>(no)) << no;
  for (const std::string_view no : {"s/3/p42", "s~13/42", "s~13/q42", "s~13", "t/p42", "s~23/p42"})
    EXPECT_FALSE(key::read_spelling<Season>(no)) << no;
  for (const std::string_view no : {"a", "a~/b", "a~2/b", ""})
    EXPECT_FALSE(key::read_spelling<Any>(no)) << no;
  EXPECT_FALSE(key::read_spelling<PlayerKey>("P42")) << "this one cannot";
}

}  // namespace
