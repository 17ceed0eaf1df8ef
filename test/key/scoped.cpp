#include <persist/key/scoped.hpp>

#include <cstdint>
#include <set>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

namespace {

using namespace persist;

struct Owned {
  using value_type = std::uint64_t;
  static void spell(std::uint64_t id, KeyBuffer& out) { out.append_number(id); }
  static void user_ids(std::uint64_t id, UserIds& out) { out.add(id); }
};

using Season = key::Scoped<"season-3", std::uint64_t>;
using Anywhere = key::AnyScope<std::string>;
static_assert(spells_a_key<Season> && std::same_as<Season::value_type, std::uint64_t>);
static_assert(spells_a_key<Anywhere> &&
              std::same_as<Anywhere::value_type, key::InScope<std::string>>);
static_assert(!spells<Anywhere, std::string> && !mentions_user_ids<Season> &&
              !mentions_user_ids<Anywhere>);
static_assert(gives_user_ids<key::Scoped<"s", Owned>> && gives_user_ids<key::AnyScope<Owned>>);

template <class P>
std::string spelled(const auto& value) {
  KeyBuffer key;
  P::spell(value, key);
  return std::string(key.view());
}

TEST(KeyScoped, has_scope_and_slash_in_front) {
  EXPECT_EQ(spelled<Season>(std::uint64_t{42}), "season-3/42");
  EXPECT_EQ(spelled<key::AnyScope<std::uint64_t>>(key::InScope{"season-3", 42}), "season-3/42");
  EXPECT_EQ(spelled<Anywhere>(key::InScope{"global", "Ann"}), "global/Ann");
  EXPECT_EQ((spelled<key::Scoped<"a", key::Scoped<"b", int>>>(1)), "a/b/1");
}

TEST(KeyScoped, a_slash_in_the_scope_is_not_the_end_of_it) {
  EXPECT_EQ(spelled<Anywhere>(key::InScope{"a/b", "c"}), "a~1b/c");
  EXPECT_EQ(spelled<Anywhere>(key::InScope{"a", "b/c"}), "a/b/c");
  EXPECT_EQ((spelled<key::Scoped<"a/b~", int>>(1)), "a~1b~0/1");
}

TEST(KeyScoped, no_two_pairs_share_a_spelling) {
  constexpr std::string_view parts[] = {"",   "/",  "~",  "~1", "~0",  "//", "a",
                                        "a/", "/a", "~/", "/~", "a~1", "~01"};
  std::set<std::string> seen;
  for (const auto scope : parts) {
    for (const auto key : parts) {
      EXPECT_TRUE(seen.insert(spelled<Anywhere>(key::InScope{std::string(scope), key})).second)
          << scope << " | " << key;
    }
  }
}

TEST(KeyScoped, hands_on_the_users_of_the_key_inside) {
  UserIds users;
  key::Scoped<"s", Owned>::user_ids(7, users);
  key::AnyScope<Owned>::user_ids({"s", 8}, users);
  EXPECT_EQ(users.size(), 2u);
}

}  // namespace
