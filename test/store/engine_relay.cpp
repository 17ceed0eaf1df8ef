#include <persist/store/engine_relay.hpp>

#include <support/made_backends.hpp>
#include <support/world.hpp>

#include <filesystem>

#include <stdlib.h>

// Messages from record to record: with their cause, or not at all.

namespace {

using namespace test;

struct EngineRelay : World {
  /// A store whose inboxes hold `room` messages and outboxes `out`.
  Players small(std::size_t room, std::size_t out = 1000) {
    auto told = options();
    told.inbox_limit.messages = room;
    told.outbox_limit = out;
    return Players("players", db, told);
  }
};

TEST_F(EngineRelay, a_message_leaves_with_the_save_that_contains_its_cause) {
  auto players = open();
  auto session = *players.load(1u);
  session.edit()->coins -= 5;
  ASSERT_TRUE(session.send(2u, Gift{5}));
  EXPECT_EQ(players.inspect(2u)->inbox_messages, 0U);
  ASSERT_TRUE(session.save());
  EXPECT_EQ(players.inspect(2u)->inbox_messages, 1U);
  EXPECT_EQ(players.metrics().messages_sent, 1U);
  ASSERT_TRUE(session.save({.force = true}));
  EXPECT_EQ(players.inspect(2u)->inbox_messages, 1U);
}

TEST_F(EngineRelay, a_message_whose_cause_was_not_saved_is_never_sent) {
  auto a = open("eu-1");
  auto b = open("eu-2");
  auto session = *a.load(1u);
  ASSERT_TRUE(session.send(2u, Gift{5}));
  auto thief = *b.load(1u, {.conflict = persist::Conflict::steal});
  EXPECT_FALSE(session.save());
  ASSERT_TRUE(thief.save({.force = true}));
  play(60s, a, b);
  EXPECT_EQ(a.inspect(2u)->inbox_messages, 0U);
}

TEST_F(EngineRelay, a_send_alone_makes_the_session_dirty_and_an_invalid_key_is_refused) {
  auto players = open();
  auto session = *players.load(1u);
  ASSERT_TRUE(session.send(2u, Gift{5}));
  EXPECT_TRUE(session.is_dirty());
  persist::Store<std::string, Save, Db> named("named", db, options());
  auto other = *named.load(std::string("ann"));
  EXPECT_TRUE(other.send(std::string(), Gift{5}).is(Errc::invalid));
  EXPECT_FALSE(other.is_dirty());
}

TEST_F(EngineRelay, a_save_never_fails_because_a_receiver_is_full) {
  auto players = small(1);
  gives_gifts(players);
  auto session = *players.load(1u);
  for (int i = 0; i < 3; ++i)
    ASSERT_TRUE(session.send(2u, Gift{1}));
  ASSERT_TRUE(session.save());
  EXPECT_EQ(players.inspect(2u)->inbox_messages, 1U);
  EXPECT_EQ(players.inspect(1u)->outbox_messages, 2U);
  for (int i = 0; i < 3; ++i) {  // the receiver plays, and empties his inbox
    auto receiver = *players.load(2u);
    ASSERT_TRUE(receiver.release());
    play(21s, players);
  }
  EXPECT_EQ(players.inspect(1u)->outbox_messages, 0U);
  ASSERT_TRUE(players.load(2u)->release());
  EXPECT_EQ(coins(players, 2), 103);
  EXPECT_EQ(players.metrics().messages_relayed, 2U);
}

TEST_F(EngineRelay, what_waits_keeps_its_order_and_is_not_overtaken) {
  auto players = small(1);
  players.on_message([](Player& player, const Letter& letter) { player.name += letter.text; });
  auto session = *players.load(1u);
  ASSERT_TRUE(session.send(2u, Letter{"a"}));
  ASSERT_TRUE(session.send(2u, Letter{"b"}));
  ASSERT_TRUE(session.save());
  ASSERT_TRUE(players.load(2u)->release());  // room again
  ASSERT_TRUE(session.send(2u, Letter{"c"}));
  ASSERT_TRUE(session.save());
  for (int i = 0; i < 4; ++i) {
    play(21s, players);
    ASSERT_TRUE(players.load(2u)->release());
  }
  EXPECT_EQ(players.peek(2u)->data.name, "abc");
}

TEST_F(EngineRelay, a_full_outbox_makes_send_answer_full) {
  auto players = small(1, 3);
  auto session = *players.load(1u);
  for (int i = 0; i < 3; ++i)
    ASSERT_TRUE(session.send(2u, Gift{1}));
  EXPECT_TRUE(session.send(2u, Gift{1}).is(Errc::full));
  ASSERT_TRUE(session.save());  // one is delivered, two wait
  ASSERT_TRUE(session.send(2u, Gift{1}));
  EXPECT_TRUE(session.send(2u, Gift{1}).is(Errc::full));
}

TEST_F(EngineRelay, whoever_loads_the_record_knows_what_still_waits_in_it) {
  auto players = small(1, 3);
  auto session = *players.load(1u);
  for (int i = 0; i < 3; ++i)
    ASSERT_TRUE(session.send(2u, Gift{1}));
  ASSERT_TRUE(session.release());
  auto again = *players.load(1u);
  ASSERT_TRUE(again.send(2u, Gift{1}));
  EXPECT_TRUE(again.send(2u, Gift{1}).is(Errc::full));
}

TEST_F(EngineRelay, a_relay_that_is_repeated_is_harmless) {
  auto a = small(1);
  auto b = open("eu-2");
  gives_gifts(a);
  auto session = *a.load(1u);
  ASSERT_TRUE(session.send(2u, Gift{1}));
  ASSERT_TRUE(session.send(2u, Gift{1}));
  ASSERT_TRUE(session.save());
  ASSERT_TRUE(a.load(2u)->release());
  play(60s, a, b);
  EXPECT_EQ(a.inspect(2u)->inbox_messages, 1U);
  ASSERT_TRUE(a.load(2u)->release());
  play(60s, a, b);
  EXPECT_EQ(a.inspect(2u)->inbox_messages, 0U);
  EXPECT_EQ(coins(a, 2), 102);
}

TEST_F(EngineRelay, full_receivers_hold_up_nobody_else) {
  auto players = small(1);
  for (std::uint64_t sender = 1000; sender < 1100; ++sender) {
    auto session = *players.load(sender);
    ASSERT_TRUE(session.send(1u, Gift{1}));
    ASSERT_TRUE(session.release());
  }
  auto last = *players.load(9999u);  // listed behind all of them
  ASSERT_TRUE(last.send(2u, Gift{1}));
  ASSERT_TRUE(last.send(2u, Gift{1}));
  ASSERT_TRUE(last.release());
  gives_gifts(players);
  ASSERT_TRUE(players.load(2u)->release());
  play(60s, players);
  EXPECT_EQ(players.inspect(2u)->inbox_messages, 1U);
  EXPECT_EQ(players.inspect(9999u)->outbox_messages, 0U);
}

TEST_F(EngineRelay, erasing_sends_what_waits_first_or_says_that_it_cannot) {
  auto players = small(1);
  auto session = *players.load(1u);
  ASSERT_TRUE(session.send(2u, Gift{1}));
  ASSERT_TRUE(session.send(2u, Gift{1}));
  ASSERT_TRUE(session.release());
  EXPECT_TRUE(players.erase(1u).is(Errc::full));
  EXPECT_TRUE(players.inspect(1u)->exists);
  EXPECT_TRUE(players.erase(1u, {.drop_outbox = true}));
  EXPECT_FALSE(players.inspect(1u)->exists);
}

TEST_F(EngineRelay, a_message_that_no_inbox_can_hold_is_refused_when_it_is_sent) {
  auto players = open();
  auto session = *players.load(1u);
  const Letter huge{std::string(std::size_t{2} << 20, 'x')};
  EXPECT_TRUE(session.send(2u, huge).is(Errc::too_large));
  EXPECT_TRUE(players.post(2u, huge).is(Errc::too_large));
  EXPECT_FALSE(session.is_dirty());
}

struct Outbox : World {
  std::vector<std::int64_t> taken;

  /// A store whose inboxes hold one message.
  Players narrow(std::string server = "eu-1") {
    auto told = options(std::move(server));
    told.inbox_limit.messages = 1;
    return Players("players", db, told);
  }
  void takes(Players& players) {
    players.on_message([this](Player& player, const Gift& gift) {
      player.coins += gift.coins;
      taken.push_back(gift.coins);
    });
  }
  /// Plays the receiver until its messages are in.
  void empty_inbox(Players& players, std::uint64_t key, int times) {
    for (int i = 0; i < times; ++i) {
      auto session = players.load(key);
      ASSERT_TRUE(session);
      ASSERT_TRUE(session->release());
      play(30s, players);
    }
  }
};

TEST_F(Outbox, another_servers_store_sends_on_after_the_senders_session_has_ended) {
  auto b = narrow("eu-2");
  {
    auto a = narrow("eu-1");
    auto session = a.load(1u);
    ASSERT_TRUE(session->send(2u, Gift{1}));
    ASSERT_TRUE(session->send(2u, Gift{2}));
    ASSERT_TRUE(session->release());
  }
  takes(b);
  empty_inbox(b, 2, 3);
  EXPECT_EQ(taken, (std::vector<std::int64_t>{1, 2}));
  EXPECT_EQ(b.inspect(1u)->outbox_messages, 0U);
}

TEST_F(Outbox, a_relay_of_which_any_step_fails_or_is_not_heard_of_delivers_once_and_in_order) {
  using Fault = Db::Fault;
  for (const Fault fault : {Fault{Errc::unavailable, false}, Fault{Errc::unknown_outcome, true}})
    for (const bool post : {false, true}) {
      auto players = narrow();
      takes(players);
      taken.clear();
      auto session = players.load(1u);
      for (std::int64_t each = 1; each <= 4; ++each)
        ASSERT_TRUE(session->send(2u, Gift{each}));
      ASSERT_TRUE(session->release());
      for (int times = 0; times < 6; ++times) {
        (post ? db.script().posts_fail : db.script().takes_fail).push_back(fault);
        empty_inbox(players, 2, 1);
      }
      EXPECT_EQ(taken, (std::vector<std::int64_t>{1, 2, 3, 4})) << post << fault.applied;
      EXPECT_EQ(players.inspect(1u)->outbox_messages, 0U);
    }
}

TEST_F(Outbox, what_could_not_be_taken_out_still_counts) {
  auto told = options();
  told.inbox_limit.messages = 1;
  told.outbox_limit = 2;
  Players players("players", db, told);
  auto session = players.load(1u);
  for (int i = 0; i < 2; ++i)
    ASSERT_TRUE(session->send(2u, Gift{1}));
  ASSERT_TRUE(session->save());
  ASSERT_TRUE(session->send(2u, Gift{1}));
  ASSERT_TRUE(session->save());
  takes(players);
  ASSERT_TRUE(players.load(2u)->release());
  db.script().takes_fail.push_back({Errc::unavailable});
  play(6s, players);
  ASSERT_EQ(players.inspect(1u)->outbox_messages, 2U);
  EXPECT_TRUE(session->send(2u, Gift{1}).is(Errc::full));
}

TEST_F(Outbox, two_servers_that_send_on_the_same_do_it_once) {
  auto a = narrow("eu-1");
  auto b = narrow("eu-2");
  takes(b);
  auto session = a.load(1u);
  ASSERT_TRUE(session->send(2u, Gift{1}));
  ASSERT_TRUE(session->send(2u, Gift{2}));
  ASSERT_TRUE(session->save());
  for (int i = 0; i < 3; ++i) {
    auto receiver = b.load(2u);
    ASSERT_TRUE(receiver->release());
    play(30s, a, b);
  }
  EXPECT_EQ(taken, (std::vector<std::int64_t>{1, 2}));
}

TEST_F(Outbox, an_outbox_that_another_server_has_emptied_takes_messages_again) {
  auto told = options("eu-1");
  told.inbox_limit.messages = 1;
  told.outbox_limit = 2;
  told.relay = 30s;
  Players a("players", db, told);
  auto b = narrow("eu-2");
  takes(b);
  auto session = a.load(1u);
  ASSERT_TRUE(session->send(2u, Gift{1}));
  ASSERT_TRUE(session->send(2u, Gift{2}));
  ASSERT_TRUE(session->save());
  ASSERT_TRUE(session->send(2u, Gift{3}));
  ASSERT_TRUE(session->save());
  EXPECT_TRUE(session->send(2u, Gift{4}).is(Errc::full));
  empty_inbox(b, 2, 3);
  ASSERT_EQ(b.inspect(1u)->outbox_messages, 0U);
  play(31s, a);
  EXPECT_TRUE(session->send(2u, Gift{4}));
  EXPECT_TRUE(session->send(2u, Gift{5}));
}

TEST_F(Outbox, one_that_another_server_has_emptied_takes_messages_however_many_others_wait) {
  auto told = options("eu-1");
  told.inbox_limit.messages = 1;
  told.outbox_limit = 1;
  told.relay = 30s;
  Players a("players", db, told);
  auto b = narrow("eu-2");
  takes(b);
  const auto fills = [&](Players::Session& session, std::uint64_t receiver) {
    ASSERT_TRUE(session.send(receiver, Gift{1}));
    ASSERT_TRUE(session.save());
    ASSERT_TRUE(session.send(receiver, Gift{2}));
    ASSERT_TRUE(session.save());
    ASSERT_TRUE(session.send(receiver, Gift{3}).is(Errc::full));
  };
  auto first = *a.load(1u);
  auto last = *a.load(999u);
  fills(first, 2);
  fills(last, 3);
  for (std::uint64_t key = 100; key < 200; ++key) {
    auto session = *a.load(key);
    ASSERT_TRUE(session.send(4u, Gift{1}));
    ASSERT_TRUE(session.release());
  }
  empty_inbox(b, 2, 2);
  empty_inbox(b, 3, 2);
  ASSERT_EQ(b.inspect(1u)->outbox_messages + b.inspect(999u)->outbox_messages, 0U);
  play(5min, a);
  EXPECT_TRUE(first.send(2u, Gift{4}));
  EXPECT_TRUE(last.send(3u, Gift{4}));
}

TEST_F(Outbox, a_relay_goes_on_where_it_began_whatever_another_one_does_meanwhile) {
  auto players = narrow();
  for (std::uint64_t key = 100; key < 200; ++key) {
    auto session = *players.load(key);
    ASSERT_TRUE(session.send(4u, Gift{1}));
    ASSERT_TRUE(session.release());
  }
  play(6s, players);  // the first page of the two is done
  std::string from;
  db.script().before_list = [&](const persist::RelayRequest& list) {
    from = list.after;
    players.poll();  // as another thread would: it comes to the end
    EXPECT_EQ(list.after, from);
  };
  play(6s, players);
  EXPECT_FALSE(from.empty());
}

TEST_F(Outbox, the_next_session_of_a_sender_does_not_overtake_what_waits) {
  auto players = narrow();
  takes(players);
  {
    auto session = players.load(1u);
    ASSERT_TRUE(session->send(2u, Gift{1}));
    ASSERT_TRUE(session->send(2u, Gift{2}));
    ASSERT_TRUE(session->release());
  }
  {
    auto session = players.load(1u);
    ASSERT_TRUE(session->send(2u, Gift{3}));
    ASSERT_TRUE(session->release());
  }
  empty_inbox(players, 2, 5);
  EXPECT_EQ(taken, (std::vector<std::int64_t>{1, 2, 3}));
}

/// A database, and what another process finds in it after the one that had it was killed.
template <class B>
struct Place;
template <>
struct Place<persist::backend::Memory> {
  explicit Place(persist::Clock& clock) : db(persist::backend::Memory(clock)) {}
  Db after_a_crash() { return db; }
  Db db;
};
template <>
struct Place<persist::backend::File> {
  using File = persist::backend::File;
  explicit Place(persist::Clock& time) : clock(time) {}
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;
  ~Place() { std::filesystem::remove_all(folder); }
  [[nodiscard]] FlakyBackend<File> open(const char* name) const {
    return FlakyBackend<File>(File(folder + name, {.clock = &clock}));
  }
  static std::string fresh_folder() {
    std::string name = (std::filesystem::temp_directory_path() / "persist-XXXXXX").string();
    return ::mkdtemp(name.data()) != nullptr ? name : "no folder";
  }
  [[nodiscard]] FlakyBackend<File> after_a_crash() const {
    std::filesystem::copy(folder + "/one", folder + "/two");
    return open("/two");
  }
  persist::Clock& clock;
  std::string folder = fresh_folder();
  FlakyBackend<File> db = open("/one");
};

/// The same on every backend: messages, purchases and trades around a crash.
template <class B>
struct AroundACrash : World {
  using Server = persist::Store<std::uint64_t, Save, FlakyBackend<B>>;
  Place<B> place{clock};
  std::vector<std::int64_t> taken;

  Server serve(FlakyBackend<B> at, std::string name) {
    auto told = options(std::move(name));
    told.inbox_limit.messages = 1;
    Server server("players", std::move(at), std::move(told));
    server.on_message([this](Player& player, const Gift& gift) {
      player.coins += gift.coins;
      taken.push_back(gift.coins);
    });
    return server;
  }
  static void buys(Player& player) { player.coins += 50; }
  static void trade(Player& from, Player& to) { from.coins -= 30, to.coins += 30; }
};
using Backends = testing::Types<persist::backend::Memory, persist::backend::File>;
TYPED_TEST_SUITE(AroundACrash, Backends);

TYPED_TEST(AroundACrash, each_message_takes_effect_once_and_in_order) {
  auto first = this->serve(this->place.db, "eu-1");
  auto sender = *first.load(1u);
  for (std::int64_t each = 1; each <= 3; ++each) {
    sender.edit()->coins -= each;
    ASSERT_TRUE(sender.send(2u, Gift{each}));
    this->place.db.lose_reply();
    ASSERT_FALSE(sender.save());
    ASSERT_TRUE(sender.save());
  }
  EXPECT_EQ(first.inspect(1u)->outbox_messages, 2U);
  ASSERT_TRUE(sender.send(2u, Gift{100}));  // its cause is never saved
  ASSERT_TRUE(first.post(3u, Gift{7}, {.id = "daily"}));
  auto receiver = *first.load(2u);
  EXPECT_EQ(receiver.view()->coins, 101);  // and not saved

  auto second = this->serve(this->place.after_a_crash(), "eu-2");
  this->taken.clear();
  this->clock.advance(2min);
  for (int times = 0; times < 5; ++times) {
    auto again = second.load(2u);
    ASSERT_TRUE(again);
    ASSERT_TRUE(again->release());
    this->play(30s, second);
  }
  EXPECT_EQ(this->taken, (std::vector<std::int64_t>{1, 2, 3}));
  EXPECT_EQ(second.peek(2u)->data.coins, 106);
  EXPECT_EQ(second.peek(1u)->data.coins, 94);
  EXPECT_EQ(second.inspect(1u)->outbox_messages, 0U);
  EXPECT_TRUE(second.post(3u, Gift{7}, {.id = "daily"})->repeated);
}

TYPED_TEST(AroundACrash, a_purchase_is_granted_once_and_one_that_was_not_saved_again) {
  auto first = this->serve(this->place.db, "eu-1");
  auto session = *first.load(1u);
  ASSERT_TRUE(session.grant_once("kept", this->buys));
  this->place.db.lose_reply();
  ASSERT_FALSE(session.save());
  EXPECT_EQ(*session.grant_once("kept", this->buys), persist::Grant::pending);
  ASSERT_TRUE(session.save());
  EXPECT_EQ(*session.grant_once("kept", this->buys), persist::Grant::durable);
  EXPECT_EQ(*session.grant_once("gone", this->buys), persist::Grant::pending);

  auto second = this->serve(this->place.after_a_crash(), "eu-2");
  this->clock.advance(2min);
  EXPECT_EQ(*second.grant_once(1u, "kept", this->buys), persist::Grant::durable);
  EXPECT_EQ(second.peek(1u)->data.coins, 150);
  EXPECT_EQ(*second.grant_once(1u, "gone", this->buys), persist::Grant::durable);
  EXPECT_EQ(second.peek(1u)->data.coins, 200);
}

TYPED_TEST(AroundACrash, a_trade_is_there_for_both_or_for_neither) {
  auto first = this->serve(this->place.db, "eu-1");
  auto a = *first.load(1u), b = *first.load(2u), c = *first.load(3u), d = *first.load(4u);
  for (auto* each : {&a, &b, &c, &d})
    ASSERT_TRUE(each->save({.force = true}));
  this->place.db.lose_reply();
  EXPECT_EQ(*first.transact(a, b, this->trade), persist::Transacted::pending);
  this->place.db.fail_commits(Errc::unavailable);
  EXPECT_EQ(*first.transact(c, d, this->trade), persist::Transacted::pending);

  auto second = this->serve(this->place.after_a_crash(), "eu-2");
  EXPECT_EQ(second.peek(1u)->data.coins, 70);
  EXPECT_EQ(second.peek(2u)->data.coins, 130);
  EXPECT_EQ(second.peek(3u)->data.coins, 100);
  EXPECT_EQ(second.peek(4u)->data.coins, 100);
  this->clock.advance(2min);
  ASSERT_TRUE(second.load(4u));
  this->play(30s, first);
  EXPECT_EQ(second.peek(3u)->data.coins + second.peek(4u)->data.coins, 200);
}

TEST_F(Outbox, a_relay_posts_one_message_of_each_sender_to_each_receiver_in_one_batch) {
  auto players = narrow();
  takes(players);
  for (const std::uint64_t receiver : {10u, 11u})
    ASSERT_TRUE(players.post(receiver, Gift{0}));
  for (const std::uint64_t sender : {1u, 2u}) {
    auto session = players.load(sender);
    for (const std::int64_t coins : {1, 2})
      for (const std::uint64_t receiver : {10u, 11u})
        ASSERT_TRUE(session->send(receiver, Gift{coins}));
    ASSERT_TRUE(session->release());
  }
  auto roomy = open("eu-2");
  db.script() = {};
  play(6s, roomy);
  EXPECT_EQ(db.script().posts, 8U);
  EXPECT_EQ(db.script().post_batches, 2U);
  EXPECT_EQ(db.script().take_batches, 1U);
  EXPECT_EQ(players.inspect(1u)->outbox_messages + players.inspect(2u)->outbox_messages, 0U);
  for (const std::uint64_t receiver : {10u, 11u}) {
    taken.clear();
    ASSERT_TRUE(players.load(receiver)->release());
    EXPECT_EQ(taken, (std::vector<std::int64_t>{0, 1, 1, 2, 2}));
  }
}

TEST_F(Outbox, behind_one_that_could_not_be_posted_none_to_the_same_receiver_is) {
  auto players = narrow();
  takes(players);
  for (const std::uint64_t receiver : {10u, 11u})
    ASSERT_TRUE(players.post(receiver, Gift{0}));
  auto session = players.load(1u);
  for (const std::int64_t coins : {1, 2})
    for (const std::uint64_t receiver : {10u, 11u})
      ASSERT_TRUE(session->send(receiver, Gift{coins}));
  ASSERT_TRUE(session->release());
  auto roomy = open("eu-2");
  db.script() = {};
  db.script().posts_fail.push_back({Errc::full});
  roomy.poll();
  play(6s, roomy);
  EXPECT_EQ(players.inspect(10u)->inbox_messages, 1U);
  EXPECT_EQ(players.inspect(11u)->inbox_messages, 3U);
  play(6s, roomy);
  ASSERT_TRUE(players.load(10u)->release());
  EXPECT_EQ(taken, (std::vector<std::int64_t>{0, 1, 2}));
}

}  // namespace
