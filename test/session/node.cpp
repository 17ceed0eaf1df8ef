#include <persist/session/node.hpp>

#include <support/world.hpp>

#if PERSIST_HAS_EXCEPTIONS
#include <stdexcept>
#endif

// What the hooks of a Data policy are called for, and what they may do.

namespace {

using namespace test;

// What an open session costs beside its data: of the 224 bytes 24 are the heap's and the lists'.
static_assert(sizeof(Players::Session::Node) - sizeof(Player) <= 200);
template <class Lock>
using NodeOf = persist::SessionNode<
    persist::Stack<std::uint64_t, Player, persist::backend::Memory, Lock, persist::codec::Packed>>;
static_assert(sizeof(NodeOf<persist::access::Shared<persist::lock::Lease<>>>) ==
                  sizeof(NodeOf<persist::lock::Lease<>>),
              "the lock lies in the room that the members leave");

/// A player as the game has him; the record is captured from it.
struct Hero {
  std::uint64_t id = 0;
  std::int64_t coins = 100;
  int captures = 0;
  int applies = 0;
  bool stumbles = false;  ///< the next `apply` throws when it is half done
  mutable int defaults = 0;
};
struct HeroKey {
  using value_type = Hero*;
  static void spell(const Hero* hero, persist::KeyBuffer& out) { out.append_number(hero->id); }
  static void spell(std::uint64_t id, persist::KeyBuffer& out) { out.append_number(id); }
  static void user_ids(const Hero* hero, persist::UserIds& out) { out.add(hero->id + 1000); }
};
struct HeroSave {
  using data_type = Player;
  using message = std::variant<Gift>;
  static constexpr bool keep_durable = true;
  static Player defaults(const Hero* hero) {
    ++hero->defaults;
    Player player;
    player.name = "hero " + std::to_string(hero->id);
    return player;
  }
  static Player capture(Hero* hero) {
    ++hero->captures;
    Player player;
    player.coins = hero->coins;
    return player;
  }
  static void apply(Hero* hero, const Player& player) {
    ++hero->applies;
    hero->coins = player.coins;
#if PERSIST_HAS_EXCEPTIONS
    if (std::exchange(hero->stumbles, false)) throw std::runtime_error("apply threw");
#endif
  }
};
using Heroes = persist::Store<HeroKey, HeroSave, Db>;

struct Node : World {
  Heroes heroes{"heroes", db, options()};
  Hero ann{7};
  std::int64_t stored() {
    auto read = heroes.peek(std::uint64_t{7});
    return read ? read->data.coins : -1;
  }
};

TEST_F(Node, the_default_comes_from_the_policy_and_user_ids_from_the_key) {
  auto session = *heroes.load(&ann);
  EXPECT_EQ(session.view()->name, "hero 7");
  EXPECT_EQ(session.user_ids(), std::vector<std::uint64_t>{1007});
  ASSERT_TRUE(session.release());
  EXPECT_EQ(heroes.peek(&ann)->user_ids, std::vector<std::uint64_t>{1007});
}

TEST_F(Node, the_default_of_the_policy_goes_before_a_template) {
  Player filler;
  filler.name = "filler";
  auto session = *heroes.load(&ann, {.reconcile_with = filler});
  EXPECT_EQ(session.view()->name, "hero 7");
}

TEST_F(Node, no_default_is_made_of_a_key_whose_load_was_called_off) {
  db.script().acquires.push_back({Errc::unknown_outcome, true});
  {
    const auto begun = heroes.begin_load(&ann);
    heroes.poll();
  }
  play(5s, heroes);  // what nobody heard of is given back
  EXPECT_EQ(ann.defaults, 0) << "the player may be gone";
  EXPECT_EQ(heroes.open_sessions(), 0U);
  EXPECT_FALSE(heroes.inspect(&ann)->held);
}

TEST_F(Node, a_record_that_nobody_plays_is_changed_by_what_only_spells_its_key) {
  const persist::SpelledKey spelled{"7"};
  const auto add = [](Player& player) { player.coins += 1; };
  EXPECT_TRUE(heroes.update(std::uint64_t{7}, add).is(Errc::not_found));
  const auto granted = heroes.grant_once(spelled, "r", add);
  ASSERT_TRUE(granted.is(Errc::not_found));
  EXPECT_NE(granted.error().message().find("needs the key itself"), std::string::npos);
  EXPECT_FALSE(heroes.inspect(spelled)->held);
  Player rich;
  rich.coins = 5;
  ASSERT_TRUE(heroes.overwrite(spelled, rich));
  EXPECT_EQ(stored(), 5);
  EXPECT_TRUE(heroes.update(std::uint64_t{7}, add));
  EXPECT_EQ(stored(), 6);
  EXPECT_EQ(*heroes.grant_once(spelled, "r", add), persist::Grant::durable);
  EXPECT_EQ(stored(), 7);
  EXPECT_EQ(ann.captures + ann.applies, 0);
  auto session = *heroes.load(&ann);
  EXPECT_EQ(session.view()->coins, 7);
  ASSERT_TRUE(heroes.update(std::uint64_t{7}, add));
  EXPECT_EQ(session.view()->coins, ann.coins) << "the one that is played";
}

TEST_F(Node, a_path_that_is_set_changes_what_the_game_has_and_reaches_it) {
  auto session = *heroes.load(&ann);
  ann.coins = 50;
  ASSERT_TRUE(session.set("/level", 3));
  EXPECT_EQ(session.view()->coins, 50) << "captured first";
  ASSERT_TRUE(session.set("/coins", 60));
  EXPECT_EQ(ann.coins, 60);
  EXPECT_TRUE(session.set("/coins", "many").is(Errc::schema_mismatch));
  EXPECT_EQ(ann.coins, 60);
}

TEST_F(Node, a_change_that_no_save_would_hold_any_more_is_refused) {
  auto session = *heroes.load(&ann);
  const auto change = [&] {
    return session.node().on_copy([](Player& player) -> persist::Result<void> {
      player.coins += 1000;
      return persist::success;
    });
  };
  persist::Result<void> while_it_leaves;
  db.script().during_commit = [&] { while_it_leaves = change(); };
  ASSERT_TRUE(session.release());
  EXPECT_TRUE(while_it_leaves.is(Errc::closed));
  EXPECT_TRUE(change().is(Errc::closed));
  EXPECT_LT(ann.coins, 1000);
}

TEST_F(Node, the_data_is_captured_at_every_save) {
  auto session = *heroes.load(&ann);
  ann.coins = 5;
  session.touch();
  ASSERT_TRUE(session.save());
  EXPECT_EQ(stored(), 5);
  ann.coins = 6;
  ASSERT_TRUE(session.save());
  EXPECT_EQ(stored(), 6);
}

TEST_F(Node, what_is_captured_is_autosaved_without_being_told_and_skipped_while_it_is_equal) {
  auto session = *heroes.load(&ann);
  ann.coins = 5;
  play(31s, heroes);
  EXPECT_EQ(stored(), 5);
  const auto version = session.version();
  play(5min, heroes);
  EXPECT_EQ(session.version(), version);
  ann.coins = 6;
  play(31s, heroes);
  EXPECT_EQ(stored(), 6);
}

TEST_F(Node, what_is_captured_equals_nothing_while_it_is_not_known_what_is_stored) {
  auto session = *heroes.load(&ann);
  ASSERT_TRUE(session.save());
  ann.coins = 50;
  db.lose_reply();
  EXPECT_TRUE(session.save().is(Errc::unknown_outcome));
  EXPECT_EQ(stored(), 50);
  ann.coins = 100;
  ASSERT_TRUE(session.save());
  EXPECT_EQ(stored(), 100);
}

TEST_F(Node, a_release_of_captured_data_always_writes) {
  auto session = *heroes.load(&ann);
  ASSERT_TRUE(session.save());
  EXPECT_TRUE(session.release()->written);
  EXPECT_EQ(heroes.inspect(&ann)->version, 2U);
}

TEST_F(Node, what_a_grant_changed_is_pushed_into_the_game) {
  auto session = *heroes.load(&ann);
  ann.coins = 50;
  ASSERT_TRUE(session.grant_once("r", [](Player& player) { player.coins += 1; }));
  EXPECT_EQ(ann.coins, 51);
  ASSERT_TRUE(session.save());
  EXPECT_EQ(stored(), 51);
}

TEST_F(Node, what_a_message_or_a_transaction_changed_is_pushed_into_the_game) {
  heroes.on_message([](Player& player, const Gift& gift) { player.coins += gift.coins; });
  Hero bob{8};
  auto session = *heroes.load(&ann);
  auto other = *heroes.load(&bob);
  ann.coins = 50;
  ASSERT_TRUE(heroes.post(&ann, Gift{5}));
  heroes.poll();
  EXPECT_EQ(ann.coins, 55);
  ASSERT_TRUE(
      heroes.transact(session, other, [](Player& a, Player& b) { a.coins -= 55, b.coins += 55; }));
  EXPECT_EQ(ann.coins, 0);
  EXPECT_EQ(bob.coins, 155);
  EXPECT_EQ(stored(), 0);
}

#if PERSIST_HAS_EXCEPTIONS
TEST_F(Node, what_could_not_be_pushed_into_the_game_was_not_granted) {
  auto session = *heroes.load(&ann);
  ann.coins = 50;
  ann.stumbles = true;
  const auto buy = [](Player& player) { player.coins += 1; };
  const auto granted = session.grant_once("r", buy);
  EXPECT_TRUE(granted.is(Errc::invalid));
  EXPECT_EQ(ann.coins, 50);
  ASSERT_TRUE(session.save());
  EXPECT_EQ(*session.grant_once("r", buy), persist::Grant::pending);
  ASSERT_TRUE(session.save());
  EXPECT_EQ(stored(), 51);
}

TEST_F(Node, a_trade_that_could_not_be_pushed_into_one_game_reached_neither) {
  Hero bob{8};
  auto session = *heroes.load(&ann);
  auto other = *heroes.load(&bob);
  bob.stumbles = true;
  const auto trade = [](Player& a, Player& b) { a.coins -= 30, b.coins += 30; };
  EXPECT_TRUE(heroes.transact(session, other, trade).is(Errc::invalid));
  EXPECT_EQ(ann.coins, 100);
  EXPECT_EQ(bob.coins, 100);
  EXPECT_EQ(session.view()->coins, 100);
  ASSERT_TRUE(heroes.transact(session, other, trade));
  EXPECT_EQ(ann.coins, 70);
  EXPECT_EQ(bob.coins, 130);
}
#endif

TEST_F(Node, an_edit_of_captured_data_reaches_the_game) {
  auto session = *heroes.load(&ann);
  ann.coins = 50;
  session.edit()->coins += 1;
  EXPECT_EQ(ann.coins, 51);
  ASSERT_TRUE(session.save());
  EXPECT_EQ(stored(), 51);
}

TEST_F(Node, after_release_was_called_nothing_is_captured_or_applied) {
  auto hero = std::make_unique<Hero>(ann);
  auto session = *heroes.load(hero.get());
  hero->coins = 33;
  db.fail_commits(Errc::unavailable, 2);
  EXPECT_FALSE(session.release());
  hero.reset();  // the player has left; the record is on its way still
  play(10s, heroes);
  EXPECT_EQ(session.state(), State::released);
  EXPECT_EQ(stored(), 33);
}

TEST_F(Node, a_release_that_was_requested_captures_at_once) {
  auto hero = std::make_unique<Hero>(ann);
  auto session = *heroes.load(hero.get());
  hero->coins = 33;
  ASSERT_TRUE(session.request_release());
  hero.reset();
  heroes.poll();
  EXPECT_EQ(stored(), 33);
}

TEST_F(Node, a_last_handle_that_is_dropped_captures_at_once) {
  auto hero = std::make_unique<Hero>(ann);
  {
    auto session = *heroes.load(hero.get());
    hero->coins = 33;
  }
  hero.reset();
  heroes.poll();
  EXPECT_EQ(stored(), 33);
}

TEST_F(Node, the_durable_copy_is_kept_where_the_policy_says_so) {
  auto session = *heroes.load(&ann);
  EXPECT_TRUE(session.durable().is(Errc::not_found));
  ann.coins = 5;
  ASSERT_TRUE(session.save());
  ann.coins = 6;
  session.touch();
  db.fail_commits(Errc::unavailable);
  EXPECT_FALSE(session.save());
  EXPECT_EQ(session.durable()->coins, 5);
}

// A hook that calls the store: each answers in words, and nothing hangs.

struct Meddler {
  using data_type = Player;
  using message = std::variant<Gift>;
  static inline persist::Store<std::uint64_t, Meddler, Db>* store = nullptr;
  static inline std::vector<std::string> answers;
  static persist::Result<void> validate(const Player&);
};
using Meddlers = persist::Store<std::uint64_t, Meddler, Db>;
persist::Result<void> Meddler::validate(const Player&) {
  if (store == nullptr) return persist::success;
  const auto note = [](const auto& result) {
    answers.push_back(result ? "it worked" : std::string(result.error().detail()));
  };
  note(store->load(99u));
  note(store->peek(1u));
  note(store->post(1u, Gift{}));
  note(store->update(1u, [](Player&) {}));
  note(store->erase(1u));
  note(store->scan());
  note(store->find(1u));
  return persist::success;
}

TEST_F(Node, a_hook_that_calls_the_store_is_refused_in_words) {
  Meddlers meddlers("meddlers", db, options());
  const auto check = [](std::string_view when) {
    EXPECT_FALSE(Meddler::answers.empty()) << when;
    for (const std::string& answer : Meddler::answers)
      EXPECT_EQ(answer, "a hook of a policy may not call the store") << when;
    Meddler::answers.clear();
  };
  auto session = *meddlers.load(1u);
  session.touch();
  Meddler::store = &meddlers;
  EXPECT_TRUE(session.save());
  check("at a save");
  EXPECT_TRUE(session.grant_once("r", [](Player&) {}));
  check("at a grant");
  EXPECT_TRUE(session.release());
  check("at a release");
  EXPECT_TRUE(meddlers.load(1u));
  check("at a load");
  Meddler::store = nullptr;
}

#if PERSIST_HAS_EXCEPTIONS
struct Thrower {
  using data_type = Player;
  static inline bool throws = false;
  static persist::Result<void> validate(const Player&) {
    if (throws) throw std::runtime_error("validate threw");
    return persist::success;
  }
};

TEST_F(Node, a_hook_that_throws_is_a_refusal) {
  persist::Store<std::uint64_t, Thrower, Db> throwers("throwers", db, options());
  auto session = *throwers.load(1u);
  session.edit()->coins = 7;
  Thrower::throws = true;
  const auto saved = session.save();
  EXPECT_TRUE(saved.is(Errc::invalid)) << saved.error();
  EXPECT_NE(saved.error().detail().find("validate threw"), std::string_view::npos);
  EXPECT_TRUE(throwers.load(2u));  // a default is not validated
  const auto replaced = throwers.overwrite(3u, Player{});
  ASSERT_TRUE(replaced.is(Errc::invalid));
  EXPECT_NE(replaced.error().detail().find("validate threw"), std::string_view::npos);
  Thrower::throws = false;
  EXPECT_TRUE(session.save());
  EXPECT_TRUE(session.release());
  Thrower::throws = true;
  EXPECT_TRUE(throwers.load(1u).is(Errc::invalid));
  Thrower::throws = false;
  EXPECT_TRUE(throwers.load(1u));
}
#endif

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

TEST_F(SessionNodeTest, data_that_equals_what_is_stored_is_written_only_with_what_rides_along) {
  auto avatars = stage();
  auto session = enter(avatars);
  ASSERT_TRUE(session->save({.force = true}));
  const auto version = session->version();
  play(40s, avatars);
  EXPECT_EQ(session->version(), version);
  ASSERT_TRUE(session->grant_once("r", [](Player&) {}));
  db.fail_commits(Errc::unavailable);
  EXPECT_TRUE(session->save().is(Errc::unavailable));
  play(40s, avatars);
  EXPECT_EQ(session->version(), version + 1) << "who saw the record before must not claim it now";
  EXPECT_EQ(*session->grant_once("r", [](Player&) {}), persist::Grant::durable);
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

}  // namespace
