#include <persist/key/concept.hpp>

#include <cstdint>
#include <string>

#include <gtest/gtest.h>

namespace {

using namespace persist;

struct Player {
  std::uint64_t id;
};
struct PlayerKey {
  using value_type = Player*;
  static void spell(const Player* player, KeyBuffer& out) { out.append_number(player->id); }
  static void spell(std::uint64_t id, KeyBuffer& out) { out.append_number(id); }
  static void user_ids(const Player* player, UserIds& out) { out.add(player->id); }
};
struct Silent {
  using value_type = int;
};
struct Nameless {
  static void spell(int, KeyBuffer&) {}
};
struct Answering {
  using value_type = int;
  static bool spell(int, KeyBuffer&) { return true; }
};
struct Instance {
  using value_type = int;
  void spell(int, KeyBuffer&) const {}
};
struct Overloaded : PlayerKey {
  static void user_ids(const Player*, UserIds&) {}
  static void user_ids(std::uint64_t, UserIds&) {}
};
struct Misfit : PlayerKey {
  static void user_ids(const Player*) {}
};
struct Without {
  using value_type = int;
  static void spell(int, KeyBuffer&) {}
};
struct Final final : PlayerKey {};

static_assert(spells_a_key<PlayerKey> && spells<PlayerKey, std::uint64_t> &&
              !spells<PlayerKey, std::string>);
static_assert(!spells_a_key<Silent> && !spells_a_key<Nameless> && !spells_a_key<Answering>);
static_assert(!spells_a_key<Instance> && !spells_a_key<int> && !spells_a_key<Player>);

static_assert(gives_user_ids<PlayerKey> && mentions_user_ids<PlayerKey>);
static_assert(gives_user_ids<Final> && mentions_user_ids<Final>);
static_assert(!gives_user_ids<Without> && !mentions_user_ids<Without>);
static_assert(!gives_user_ids<Misfit> && mentions_user_ids<Misfit>);
static_assert(!gives_user_ids<Overloaded> && mentions_user_ids<Overloaded>,
              "hooks are not overloaded");

static_assert(usable_as_key<std::uint64_t> && usable_as_key<std::int8_t> &&
              usable_as_key<std::string>);
static_assert(usable_as_key<const char*> && usable_as_key<std::string_view> &&
              usable_as_key<PlayerKey>);
static_assert(!usable_as_key<bool> && !usable_as_key<char> && !usable_as_key<char32_t>);
static_assert(!usable_as_key<double> && !usable_as_key<Player> && !usable_as_key<Player*> &&
              !usable_as_key<void>);

TEST(KeyConcept, a_policy_that_is_a_small_struct_spells) {
  Player ann{42};
  KeyBuffer key;
  PlayerKey::spell(&ann, key);
  EXPECT_EQ(key.view(), "42");
}

}  // namespace
