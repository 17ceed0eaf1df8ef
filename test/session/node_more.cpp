#include <persist/session/node.hpp>

#include <support/world.hpp>

#include <optional>

// What the game has and what the session has: data that is captured from the game and applied to
// it, and data that may say that there is no record.

namespace {

using namespace test;
using persist::Conflict;

/// A game's own object, which holds the data while it is played.
struct Avatar {
  std::uint64_t id = 0;
  std::int64_t coins = 0;
  int captured = 0;
  int applied = 0;
};
struct AvatarKey {
  using value_type = Avatar*;
  static void spell(const Avatar* avatar, persist::KeyBuffer& out) { spell(avatar->id, out); }
  static void spell(std::uint64_t id, persist::KeyBuffer& out) { out.append(std::to_string(id)); }
  static void user_ids(const Avatar* avatar, persist::UserIds& out) { out.add(avatar->id); }
};
struct AvatarSave {
  using data_type = Player;
  using message = std::variant<Gift>;
  static Player capture(Avatar* avatar) {
    ++avatar->captured;
    return {avatar->coins, 1, {}};
  }
  static void apply(Avatar* avatar, const Player& player) {
    ++avatar->applied;
    avatar->coins = player.coins;
  }
};

struct SessionNodeTest : World {
  using Avatars = persist::Store<AvatarKey, AvatarSave, Db>;
  Avatar avatar{7};

  Avatars stage(std::string server = "eu-1") { return Avatars("avatars", db, options(server)); }
  /// Loads the avatar and gives it what was loaded, as a game does.
  auto enter(Avatars& avatars) {
    auto session = avatars.load(&avatar);
    avatar.coins = session->view()->coins;
    return session;
  }
  /// A record with so many coins.
  void store(Avatars& avatars, std::int64_t coins) {
    auto session = enter(avatars);
    avatar.coins = coins;
    ASSERT_TRUE(session->release());
    avatar = Avatar{7};
  }
};

TEST_F(SessionNodeTest, what_the_game_holds_is_captured_at_every_save) {
  auto avatars = stage();
  auto session = enter(avatars);
  avatar.coins = 55;
  ASSERT_TRUE(session->save());
  EXPECT_EQ(avatars.peek(7u)->data.coins, 55);
  avatar.coins = 56;
  ASSERT_TRUE(session->release());
  EXPECT_EQ(avatars.peek(7u)->data.coins, 56);
}

TEST_F(SessionNodeTest,
       a_message_at_the_load_changes_what_was_loaded_and_not_what_the_game_has_yet) {
  auto avatars = stage();
  store(avatars, 100);
  avatars.on_message([](Player& player, const Gift& gift) { player.coins += gift.coins; });
  ASSERT_TRUE(avatars.post(7u, Gift{5}));
  auto session = enter(avatars);
  EXPECT_EQ(avatar.coins, 105);
  ASSERT_TRUE(session->release());
  EXPECT_EQ(avatars.peek(7u)->data.coins, 105);
}

TEST_F(SessionNodeTest, nothing_is_captured_before_a_begun_load_is_taken) {
  auto avatars = stage();
  store(avatars, 100);
  auto loading = avatars.begin_load(&avatar);
  play(5min, avatars);
  ASSERT_TRUE(loading.ready());
  EXPECT_EQ(avatar.captured, 0);
  EXPECT_EQ(loading.take()->view()->coins, 100);
}

TEST_F(SessionNodeTest,
       a_handler_grant_or_transaction_works_on_what_the_game_has_and_gives_it_back) {
  auto avatars = stage();
  auto players = open();
  avatars.on_message([](Player& player, const Gift& gift) { player.coins += gift.coins; });
  auto session = enter(avatars);
  auto other = players.load(1u);
  avatar.coins = 1000;
  ASSERT_TRUE(avatars.post(7u, Gift{5}));
  avatars.poll();
  EXPECT_EQ(avatar.coins, 1005);
  ++avatar.coins;
  ASSERT_TRUE(session->grant_once("r", [](Player& player) { player.coins += 10; }));
  EXPECT_EQ(avatar.coins, 1016);
  ++avatar.coins;
  ASSERT_TRUE(avatars.transact(*session, *other, [](Player& a, Player& b) {
    a.coins -= 17;
    b.coins += 17;
  }));
  EXPECT_EQ(avatar.coins, 1000);
  EXPECT_EQ(avatars.peek(7u)->data.coins, 1000);
  EXPECT_EQ(coins(players, 1), 117);
  EXPECT_EQ(avatar.applied, 3);
}

TEST_F(SessionNodeTest, a_function_that_fails_is_not_applied) {
  auto avatars = stage();
  auto session = enter(avatars);
  avatar.coins = 3;
  EXPECT_TRUE(session
                  ->grant_once("r",
                               [](Player& player) {
                                 player.coins = 99;
                                 return false;
                               })
                  .is(Errc::refused));
  EXPECT_EQ(avatar.coins, 3);
  EXPECT_EQ(avatar.applied, 0);
}

TEST_F(SessionNodeTest, nothing_is_captured_after_release_was_called_though_it_failed) {
  auto avatars = stage();
  auto session = enter(avatars);
  avatar.coins = 42;
  db.fail_commits(Errc::unavailable, 3);
  EXPECT_TRUE(session->release().is(Errc::unavailable));
  const int captured = avatar.captured;
  avatar.coins = -1;  // another player's by now
  play(1min, avatars);
  EXPECT_EQ(session->state(), State::released);
  EXPECT_EQ(avatar.captured, captured);
  EXPECT_EQ(avatars.peek(7u)->data.coins, 42);
}

TEST_F(SessionNodeTest, a_release_that_was_requested_saves_what_the_game_had_at_the_call) {
  auto avatars = stage();
  auto session = enter(avatars);
  avatar.coins = 42;
  ASSERT_TRUE(session->request_release());
  const int captured = avatar.captured;
  avatar.coins = -1;
  avatars.poll();
  EXPECT_EQ(session->state(), State::released);
  EXPECT_EQ(avatar.captured, captured);
  EXPECT_EQ(avatars.peek(7u)->data.coins, 42);
}

TEST_F(SessionNodeTest, a_dropped_session_saves_what_the_game_had_then) {
  auto avatars = stage();
  {
    auto session = enter(avatars);
    avatar.coins = 42;
  }
  avatar.coins = -1;
  avatars.poll();
  EXPECT_EQ(avatars.peek(7u)->data.coins, 42);
}

TEST_F(SessionNodeTest, a_handover_captures_until_the_session_ends) {
  auto avatars = stage("eu-1");
  auto others = stage("eu-2");
  auto session = enter(avatars);
  avatar.coins = 42;
  Avatar there{7};
  auto loading = others.begin_load(&there);
  persist::poll(avatars, others);
  persist::poll(avatars, others);
  ASSERT_TRUE(loading.ready());
  EXPECT_EQ(loading.take()->view()->coins, 42);
  EXPECT_EQ(session->state(), State::released);
}

TEST_F(SessionNodeTest, a_change_of_a_record_that_nobody_plays_captures_and_applies_nothing) {
  auto avatars = stage();
  store(avatars, 100);
  auto was = avatars.update(&avatar, [](Player& player) { return player.coins += 5; });
  ASSERT_TRUE(was);
  EXPECT_EQ(*was, 105);
  EXPECT_EQ(*avatars.grant_once(&avatar, "r", [](Player& player) { player.coins += 10; }),
            persist::Grant::durable);
  EXPECT_EQ(avatar.captured, 0);
  EXPECT_EQ(avatar.applied, 0);
  EXPECT_EQ(avatars.peek(7u)->data.coins, 115);
}

TEST_F(SessionNodeTest, data_that_equals_what_is_stored_is_not_written_but_what_rides_along_is) {
  auto avatars = stage();
  auto session = enter(avatars);
  ASSERT_TRUE(session->save({.force = true}));
  const auto version = session->version();
  ASSERT_TRUE(session->grant_once("r", [](Player&) {}));
  db.fail_commits(Errc::unavailable);
  EXPECT_TRUE(session->save().is(Errc::unavailable));
  play(40s, avatars);
  EXPECT_EQ(session->version(), version);
  EXPECT_EQ(*session->grant_once("r", [](Player&) {}), persist::Grant::durable);
}

TEST_F(SessionNodeTest, the_keys_users_are_the_records_from_its_first_save_on) {
  auto avatars = stage();
  auto session = enter(avatars);
  EXPECT_EQ(session->user_ids(), std::vector<std::uint64_t>{7});
  ASSERT_TRUE(session->release());
  EXPECT_EQ(avatars.peek(7u)->user_ids, std::vector<std::uint64_t>{7});
}

TEST_F(SessionNodeTest, users_that_were_removed_do_not_come_back_with_the_key) {
  auto avatars = stage();
  auto session = enter(avatars);
  ASSERT_TRUE(session->remove_user_id(7));
  ASSERT_TRUE(session->add_user_id(8));
  ASSERT_TRUE(session->add_user_id(8));
  ASSERT_TRUE(session->release());
  EXPECT_EQ(avatars.load(&avatar)->user_ids(), std::vector<std::uint64_t>{8});
}

// Optional data: empty is no record.

struct MaybeSave {
  using data_type = std::optional<Player>;
  using message = std::variant<Gift>;
};
using Maybes = persist::Store<std::uint64_t, MaybeSave, Db>;

TEST_F(SessionNodeTest, empty_data_is_no_record) {
  Maybes maybes("maybes", db, options());
  auto session = maybes.load(1u);
  EXPECT_FALSE(session->view()->has_value());
  ASSERT_TRUE(session->release());
  EXPECT_TRUE(maybes.peek(1u).is(Errc::not_found));
  EXPECT_TRUE(maybes.scan()->keys.empty());
}

TEST_F(SessionNodeTest, emptying_data_removes_the_record_and_keeps_what_lies_beside_it) {
  Maybes maybes("maybes", db, options());
  auto session = maybes.load(1u);
  *session->edit() = Player{5, 1, "ada"};
  ASSERT_TRUE(session->grant_once("r", [](std::optional<Player>&) {}));
  ASSERT_TRUE(session->save());
  EXPECT_EQ(maybes.peek(1u)->data->coins, 5);
  const auto version = session->version();
  session->edit()->reset();
  const auto saved = session->save();
  ASSERT_TRUE(saved);
  EXPECT_TRUE(saved->written);
  EXPECT_GT(session->version(), version);
  EXPECT_TRUE(maybes.peek(1u).is(Errc::not_found));
  EXPECT_FALSE(maybes.inspect(1u)->exists);
  EXPECT_TRUE(maybes.scan()->keys.empty());
  EXPECT_FALSE(session->save()->written);
  ASSERT_TRUE(session->release());
  auto again = maybes.load(1u);
  EXPECT_TRUE(again->is_new());
  EXPECT_EQ(*again->grant_once("r", [](std::optional<Player>&) {}), persist::Grant::durable);
  again->edit()->emplace();
  ASSERT_TRUE(again->release());
  EXPECT_EQ(maybes.peek(1u)->data->coins, 100);
}

struct KeptSave {
  using data_type = std::optional<Player>;
  static constexpr bool keep_durable = true;
};

TEST_F(SessionNodeTest, a_kept_copy_is_what_storage_holds_after_each_outcome) {
  persist::Store<std::uint64_t, KeptSave, Db> kept("kept", db, options());
  auto session = kept.load(1u);
  EXPECT_TRUE(session->durable().is(Errc::not_found));
  *session->edit() = Player{5, 1, ""};
  EXPECT_TRUE(session->durable().is(Errc::not_found));
  ASSERT_TRUE(session->save());
  (*session->edit())->coins = 6;
  db.fail_commits(Errc::io);
  EXPECT_FALSE(session->save());
  EXPECT_EQ((*session->durable())->coins, 5);
  ASSERT_TRUE(session->save());
  EXPECT_EQ((*session->durable())->coins, 6);
  ASSERT_TRUE(session->release());
  EXPECT_EQ((*kept.load(1u)->durable())->coins, 6);
}

}  // namespace
