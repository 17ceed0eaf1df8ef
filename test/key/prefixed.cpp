#include <persist/key/prefixed.hpp>

#include <cstdint>
#include <string>

#include <gtest/gtest.h>

namespace {

using namespace persist;

struct Owned {
  using value_type = std::uint64_t;
  static void spell(std::uint64_t id, KeyBuffer& out) { out.append_number(id); }
  static void user_ids(std::uint64_t id, UserIds& out) { out.add(id); }
};

using PlayerKey = key::Prefixed<"Player_", std::uint64_t>;
static_assert(spells_a_key<PlayerKey> && std::same_as<PlayerKey::value_type, std::uint64_t>);
static_assert(spells<PlayerKey, int> && !spells<PlayerKey, std::string>);
static_assert(!mentions_user_ids<PlayerKey> && gives_user_ids<key::Prefixed<"p", Owned>>);
static_assert(std::same_as<key::Prefixed<"p", std::string_view>::value_type, std::string>,
              "a session keeps it");

template <class P>
std::string spelled(const auto& value) {
  KeyBuffer key;
  P::spell(value, key);
  return key.refusal() ? "refused" : std::string(key.view());
}

TEST(KeyPrefixed, has_its_prefix_in_front) {
  EXPECT_EQ(spelled<PlayerKey>(std::uint64_t{42}), "Player_42");
  EXPECT_EQ((spelled<key::Prefixed<"guild:", std::string>>("ravens")), "guild:ravens");
  EXPECT_EQ((spelled<key::Prefixed<"a", key::Prefixed<"b", int>>>(-1)), "ab-1");
}

TEST(KeyPrefixed, refuses_what_the_key_inside_refuses) {
  EXPECT_EQ(spelled<PlayerKey>(-1), "refused");
}

TEST(KeyPrefixed, hands_on_the_users_of_the_key_inside) {
  UserIds users;
  key::Prefixed<"p", Owned>::user_ids(7, users);
  EXPECT_TRUE(users.contains(7));
}

}  // namespace
