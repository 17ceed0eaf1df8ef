#include <persist/store.hpp>
#include <persist/testing/faulty.hpp>

#include <support/world.hpp>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

// A server that dies at every step of what it does: before each request that it sends, and after
// each. Whoever comes after it finds all of it or none, and each message once.

namespace test {
namespace {

using persist::testing::Faulty;

template <class B>
struct Fresh {
  explicit Fresh(persist::Clock& clock) : db(clock) {}
  B db;
};
template <>
struct Fresh<persist::backend::File> {
  explicit Fresh(persist::Clock& clock)
      : db(folder + "/save", {.durability = persist::backend::Durability::relaxed,
                              .clock = &clock,
                              .sync_every = 24h}) {}
  Fresh(const Fresh&) = delete;
  Fresh& operator=(const Fresh&) = delete;
  ~Fresh() { std::filesystem::remove_all(folder); }
  static std::string fresh_folder() {
    std::string name = testing::TempDir() + "persist-steps-XXXXXX";
    return ::mkdtemp(name.data()) != nullptr ? name : "no folder";
  }
  std::string folder = fresh_folder();
  persist::backend::File db;
};

template <class B>
struct EveryStep : testing::Test {
  using Line = Faulty<B>;
  using Server = persist::Store<std::uint64_t, Save, Line>;

  /// One evening: a database, and the line of one server to it.
  struct Evening {
    persist::testing::ManualClock& clock;
    Fresh<B> place{clock};
    persist::testing::Stragglers stragglers{clock, persist::testing::Random(1)};

    explicit Evening(persist::testing::ManualClock& time) : clock(time) {}
    Evening(const Evening&) = delete;
    Evening& operator=(const Evening&) = delete;
    Line line() { return Line(place.db, stragglers); }
    Server serve(Line at, std::string name, std::string store = "players") {
      persist::StoreOptions told;
      told.server_id = std::move(name);
      told.clock = &clock;
      told.close_deadline = 0s;
      told.load_deadline = 5s;
      told.inbox_limit.messages = 1;
      told.log.sink = [](persist::LogLevel, std::string_view) {};
      Server server(std::move(store), std::move(at), std::move(told));
      server.on_message([](Player& player, const Gift& gift) { player.coins += gift.coins; });
      return server;
    }
  };
  using Play = std::function<void(Evening&, Line&)>;
  using Check = std::function<void(Evening&, bool is_whole)>;

  static void rest(persist::testing::ManualClock& clock, Server& server) {
    for (int i = 0; i < 40; ++i)
      clock.advance(1s), server.poll();
  }
  static std::int64_t coins(Server& server, std::uint64_t key) {
    const auto read = server.peek(key);
    EXPECT_TRUE(read) << read.error();
    return read ? read->data.coins : -1;
  }

  /// Plays until the server gets through: each time it dies one step later.
  void at_every_step(const Play& prepare, const Play& play, const Check& check) {
    std::uint64_t deaths = 0;
    for (const bool last_arrives : {false, true}) {
      for (std::uint64_t step = 0;; ++step, ++deaths) {
        SCOPED_TRACE("dies at step " + std::to_string(step) +
                     (last_arrives ? ", which arrives" : ""));
        ASSERT_LT(step, 1000U) << "it never gets through";
        persist::testing::ManualClock clock;
        Evening evening(clock);
        Line line = evening.line();
        prepare(evening, line);
        line.die_at(step, last_arrives);
        play(evening, line);
        const bool is_whole = !line.is_cut();
        clock.advance(2min);  // its leases run out
        check(evening, is_whole);
        if (is_whole || this->HasFailure()) break;
      }
    }
    EXPECT_GE(deaths, 6U);
  }
};

using Models = testing::Types<persist::backend::Memory, persist::backend::File>;
TYPED_TEST_SUITE(EveryStep, Models);

TYPED_TEST(EveryStep, a_trade_is_there_for_all_three_or_for_none) {
  using Suite = EveryStep<TypeParam>;
  const auto make = [](auto& server, std::initializer_list<std::uint64_t> keys) {
    for (const std::uint64_t key : keys)
      ASSERT_TRUE(server.update(key, [](Player&) {}, {.create = true}));
  };
  this->at_every_step(
      [&](auto& evening, auto& line) {
        auto players = evening.serve(line, "eu-1");
        auto guilds = evening.serve(line, "eu-1", "guilds");
        make(players, {1, 2}), make(guilds, {3});
      },
      [](auto& evening, auto& line) {
        auto players = evening.serve(line, "eu-1");
        auto guilds = evening.serve(line, "eu-1", "guilds");
        auto a = players.load(1u), b = players.load(2u), c = guilds.load(3u);
        if (!a || !b || !c) return;
        (void)players.transact(*a, *b, *c, [](Player& mine, Player& theirs, Player& guild) {
          mine.coins -= 30, theirs.coins += 20, guild.coins += 10;
        });
        (void)a->release(), (void)b->release(), (void)c->release();
        persist::poll(players, guilds);
      },
      [](auto& evening, bool is_whole) {
        auto players = evening.serve(evening.line(), "eu-2");
        auto guilds = evening.serve(evening.line(), "eu-2", "guilds");
        const bool traded = Suite::coins(players, 1) == 70;
        EXPECT_EQ(Suite::coins(players, 1), traded ? 70 : 100);
        EXPECT_EQ(Suite::coins(players, 2), traded ? 120 : 100);
        EXPECT_EQ(Suite::coins(guilds, 3), traded ? 110 : 100);
        EXPECT_TRUE(traded || !is_whole);
        EXPECT_TRUE(players.load(1u) && players.load(2u) && guilds.load(3u))
            << "nobody is locked out";
      });
}

TYPED_TEST(EveryStep, what_is_relayed_arrives_once_and_in_order) {
  using Suite = EveryStep<TypeParam>;
  this->at_every_step(
      [](auto& evening, auto& line) {
        auto players = evening.serve(line, "eu-1");
        ASSERT_TRUE(players.update(1u, [](Player&) {}, {.create = true}));
        ASSERT_TRUE(players.post(2u, Gift{0}));  // there is no room for a second one
      },
      [](auto& evening, auto& line) {
        auto players = evening.serve(line, "eu-1");
        {
          auto sender = players.load(1u);
          if (!sender) return;
          for (const std::int64_t each : {1, 10, 20})
            (void)sender->transfer(2u, Gift{each}, [&](Player& player) { player.coins -= each; });
          (void)sender->release();
        }
        auto receiver = players.load(2u);  // whose place is free now, one message at a time
        for (int i = 0; i < 4 && receiver && !line.is_cut(); ++i) {
          (void)receiver->save();
          Suite::rest(evening.clock, players);
        }
      },
      [](auto& evening, bool) {
        auto players = evening.serve(evening.line(), "eu-2");
        auto receiver = players.load(2u);
        ASSERT_TRUE(receiver) << receiver.error();
        for (int i = 0; i < 6; ++i) {
          (void)receiver->save();
          Suite::rest(evening.clock, players);
        }
        ASSERT_TRUE(receiver->release());
        const std::int64_t sent = 100 - Suite::coins(players, 1);
        EXPECT_TRUE(sent == 0 || sent == 31) << sent;
        EXPECT_EQ(Suite::coins(players, 2), 100 + sent);
        EXPECT_EQ(players.inspect(1u)->outbox_messages, 0U);
      });
}

TYPED_TEST(EveryStep, a_purchase_is_granted_once_whoever_asks_again) {
  using Suite = EveryStep<TypeParam>;
  using persist::PurchaseOutcome;
  const auto give = [](Player& player) { player.coins += 50; };
  std::optional<PurchaseOutcome> said;
  this->at_every_step(
      [](auto&, auto&) {},
      [&](auto& evening, auto& line) {
        auto players = evening.serve(line, "eu-1");
        said = players.purchase(1u, "receipt", give).outcome;
      },
      [&](auto& evening, bool is_whole) {
        auto players = evening.serve(evening.line(), "eu-2");
        const auto before = players.peek(1u);
        EXPECT_EQ(*said, is_whole ? PurchaseOutcome::granted : PurchaseOutcome::retry_later);
        const auto again = players.purchase(1u, "receipt", give).outcome;
        EXPECT_EQ(again, before ? PurchaseOutcome::granted_before : PurchaseOutcome::granted);
        EXPECT_EQ(Suite::coins(players, 1), 150);
      });
}

TYPED_TEST(EveryStep, a_gift_that_nobody_fetched_goes_back_once) {
  using Suite = EveryStep<TypeParam>;
  const auto goes_back = [](auto& players) {
    using Session = typename Suite::Server::Session;
    players.on_expired([](Player&, const Gift& gift, Session& session) {
      return session.send(1u, Gift{gift.coins});
    });
  };
  this->at_every_step(
      [](auto& evening, auto& line) {
        auto players = evening.serve(line, "eu-1");
        auto sender = players.load(1u);
        ASSERT_TRUE(sender &&
                    sender->transfer(2u, Gift{30}, [](Player& player) { player.coins -= 30; },
                                     {.expires = 1s}));
        ASSERT_TRUE(sender->release());
        evening.clock.advance(2s);
      },
      [&](auto& evening, auto& line) {
        auto players = evening.serve(line, "eu-1");
        goes_back(players);
        if (auto receiver = players.load(2u)) (void)receiver->release();
        if (auto sender = players.load(1u)) (void)sender->release();
      },
      [&](auto& evening, bool) {
        auto players = evening.serve(evening.line(), "eu-2");
        goes_back(players);
        for (const std::uint64_t key : {2u, 1u}) {
          auto session = players.load(key);
          ASSERT_TRUE(session) << session.error();
          Suite::rest(evening.clock, players);
          ASSERT_TRUE(session->release());
        }
        EXPECT_EQ(Suite::coins(players, 1), 100) << "it came back, once";
        EXPECT_EQ(Suite::coins(players, 2), 100);
      });
}

}  // namespace
}  // namespace test
