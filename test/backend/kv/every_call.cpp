#include <persist/persist.hpp>
#include <persist/testing/manual_clock.hpp>

#include <gtest/gtest.h>
#include <support/scripted_map.hpp>

// A server that dies at every call to its map: before it, and behind it. Several calls make one
// commit that sends something and is in an index; whoever comes after finds the commit or does not,
// each message once, and no index that says another thing than the records.

namespace {

using namespace persist;
using namespace std::chrono_literals;
using persist::backend::Kv;
using test::MemoryMap;
using test::ScriptedMap;

struct Purse {
  std::int64_t coins = 0;
};
struct Gift {
  std::int64_t coins = 0;
};
struct PurseSave {
  using data_type = Purse;
  using message = std::variant<Gift>;
  using indexes = Indexes<Index<"coins", &Purse::coins>>;
};
template <class Map>
using Purses = Store<std::uint64_t, PurseSave, Kv<Map>>;

struct KvEveryCall : ::testing::Test {
  template <class Map>
  static Purses<Map> serve(persist::testing::ManualClock& clock, Map map, std::string name) {
    StoreOptions told;
    told.server_id = std::move(name);
    told.clock = &clock;
    told.close_deadline = 0s;
    told.load_deadline = 5s;
    told.inbox_limit.messages = 1;
    told.log.sink = [](LogLevel, std::string_view) {};
    Purses<Map> store("purses", Kv<Map>(std::move(map)), std::move(told));
    store.on_message([](Purse& purse, const Gift& gift) { purse.coins += gift.coins; });
    return store;
  }
  /// From call `step` on the line is dead. Says whether it got so far.
  static void die_at(ScriptedMap& line, unsigned step, bool last_arrives, bool& is_dead) {
    ScriptedMap::Script& script = line.script();
    const auto calls = [&script] { return script.gets + script.swaps; };
    const auto dies = [=, &is_dead](std::string_view) -> std::optional<Error> {
      if (calls() <= step) return std::nullopt;
      is_dead = true;
      return Error(Errc::unavailable, "dead");
    };
    script.before_get = dies;
    script.before_swap = [=](std::string_view key) -> std::optional<Error> {
      if (last_arrives && calls() == step + 1) return std::nullopt;
      return dies(key);
    };
    script.after_swap = [=, &is_dead](std::string_view) -> std::optional<Error> {
      if (!last_arrives || calls() != step + 1) return std::nullopt;
      is_dead = true;
      return Error(Errc::unknown_outcome, "dead");
    };
  }
  static void play(persist::testing::ManualClock& clock, ScriptedMap line) {
    auto purses = serve(clock, std::move(line), "eu-1");
    auto session = purses.load(1u);
    if (!session) return;
    session->edit()->coins -= 30;
    (void)session->send(2u, Gift{10});
    (void)session->send(2u, Gift{20});
    (void)session->save();
    session->edit()->coins += 1;
    (void)session->release();
    if (auto other = purses.load(2u)) (void)other->release();
    for (int i = 0; i < 40; ++i)
      clock.advance(1s), purses.poll();
  }
  static void check(persist::testing::ManualClock& clock, MemoryMap map, bool is_whole) {
    auto purses = serve(clock, map, "eu-2");
    std::int64_t theirs = 0;
    for (int rounds = 0; rounds < 4; ++rounds) {
      for (int i = 0; i < 40; ++i)
        clock.advance(1s), purses.poll();
      auto session = purses.load(2u);
      ASSERT_TRUE(session) << session.error();
      theirs = session->view()->coins;
      ASSERT_TRUE(session->release());
    }
    const std::int64_t mine = purses.peek(1u)->data.coins;
    if (is_whole) {
      EXPECT_EQ(mine, 71);
    }
    EXPECT_EQ(mine + theirs, mine % 10 == 1 ? 101 : 100) << mine << " and " << theirs;
    EXPECT_EQ(mine < 100, theirs == 30);
    const auto board = purses.top<"coins">(9);
    ASSERT_TRUE(board);
    ASSERT_EQ(board->size(), 2U);
    EXPECT_EQ(board->at(0).value, (std::max)(mine, theirs));
    EXPECT_EQ(board->at(1).value, (std::min)(mine, theirs));
    EXPECT_EQ(purses.scan()->keys, (std::vector<std::string>{"1", "2"}));
    EXPECT_TRUE(test::contents(map, "persist/purses/w/").empty()) << "nothing waits";
  }
};

TEST_F(KvEveryCall, leaves_all_of_a_commit_or_nothing_and_each_message_once) {
  unsigned deaths = 0;
  for (const bool last_arrives : {false, true})
    for (unsigned step = 0;; ++step, ++deaths) {
      SCOPED_TRACE("dies at call " + std::to_string(step) + (last_arrives ? ", done" : ""));
      ASSERT_LT(step, 1000U) << "it never gets through";
      persist::testing::ManualClock clock;
      MemoryMap map(clock);
      {
        auto before = serve(clock, map, "eu-0");
        ASSERT_TRUE(before.overwrite(1u, {100}));
        ASSERT_TRUE(before.overwrite(2u, {0}));
      }
      ScriptedMap line(map);
      bool is_dead = false;
      die_at(line, step, last_arrives, is_dead);
      play(clock, line);
      clock.advance(2min);  // its leases run out
      check(clock, map, !is_dead);
      if (!is_dead || HasFailure()) break;
    }
  EXPECT_GE(deaths, 50U);
}

}  // namespace
