#include <persist/store/for_each.hpp>

#include <support/world.hpp>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

// A walk over every record.

namespace {

using namespace test;
using persist::Conflict;
using persist::ForEachOptions;
using persist::ForEachReport;

struct ForEachTest : World {
  Players players = open();

  void SetUp() override {
    for (std::uint64_t key = 1; key <= 25; ++key) {
      auto session = players.load(key);
      session->edit()->coins = static_cast<std::int64_t>(key);
      ASSERT_TRUE(session->release());
    }
  }
  static void doubles(Player& player) { player.coins *= 2; }
  std::int64_t sum() {
    std::int64_t all = 0;
    for (std::uint64_t key = 1; key <= 25; ++key)
      all += coins(players, key);
    return all;
  }
  static constexpr std::int64_t once = 25 * 26 / 2;
};

TEST_F(ForEachTest, each_record_is_changed_once_and_given_back) {
  const ForEachReport report = players.for_each(doubles, {.page = 7});
  EXPECT_EQ(report.seen, 25U);
  EXPECT_EQ(report.changed, 25U);
  EXPECT_TRUE(report.done);
  EXPECT_FALSE(persist::failed(report.error));
  EXPECT_TRUE(report.missed.empty());
  EXPECT_EQ(sum(), 2 * once);
  EXPECT_EQ(players.open_sessions(), 0U);
  EXPECT_FALSE(players.inspect(3u)->held);
}

TEST_F(ForEachTest, a_page_is_one_batch_of_commits) {
  const auto before = db.script().commit_batches;
  (void)players.for_each(doubles, {.page = 25});
  EXPECT_EQ(db.script().commit_batches, before + 1);
}

TEST_F(ForEachTest, what_is_left_as_it_was_is_not_written) {
  const auto version = players.inspect(3u)->version;
  const ForEachReport report = players.for_each([](std::string_view key, Player& player) {
    if (key == "7") player.level = 9;
  });
  EXPECT_EQ(report.changed, 1U);
  EXPECT_EQ(report.unchanged, 24U);
  EXPECT_EQ(players.inspect(3u)->version, version);
  EXPECT_EQ(players.peek(7u)->data.level, 9);
}

TEST_F(ForEachTest, a_rewrite_writes_what_is_left_as_it_was) {
  const auto version = players.inspect(3u)->version;
  EXPECT_EQ(players.for_each([](Player&) {}, {.rewrite = true}).changed, 25U);
  EXPECT_EQ(players.inspect(3u)->version, version + 1);
}

TEST_F(ForEachTest, a_dry_run_says_what_would_be_and_changes_nothing) {
  auto other = open("eu-2");
  auto held = other.load(3u);
  const ForEachReport report = players.for_each(
      [](Player& player) {
        if (player.coins > 20) player.coins = 0;
      },
      {.dry_run = true});
  EXPECT_EQ(report.changed, 5U);
  EXPECT_EQ(report.unchanged, 20U) << "also what somebody holds";
  EXPECT_EQ(sum(), once);
}

TEST_F(ForEachTest, what_somebody_holds_is_passed_by_and_listed) {
  auto other = open("eu-2");
  auto held = other.load(3u);
  const ForEachReport report = players.for_each(doubles);
  EXPECT_EQ(report.changed, 24U);
  EXPECT_EQ(report.held, 1U);
  ASSERT_EQ(report.missed.size(), 1U);
  EXPECT_EQ(report.missed[0].key, "3");
  EXPECT_EQ(report.missed[0].why, Errc::locked);
  ASSERT_TRUE(held->release());
  const ForEachReport rest = players.for_each(doubles, {.only = {report.missed[0].key}});
  EXPECT_EQ(rest.changed, 1U);
  EXPECT_TRUE(rest.done);
  EXPECT_EQ(sum(), 2 * once);
}

TEST_F(ForEachTest, a_holder_that_dies_is_waited_for_where_that_is_asked) {
  auto other = open("eu-2");
  auto held = other.load(3u);
  const ForEachReport report = players.for_each(doubles, {.held = Conflict::wait, .deadline = 90s});
  EXPECT_EQ(report.changed, 25U);
  EXPECT_EQ(sum(), 2 * once);
}

TEST_F(ForEachTest, what_is_open_here_is_changed_in_its_session) {
  auto session = players.load(3u);
  session->edit()->name = "ann";
  EXPECT_EQ(players.for_each(doubles).changed, 25U);
  EXPECT_EQ(session->view()->coins, 6);
  EXPECT_EQ(session->state(), State::open);
  players.poll();
  EXPECT_EQ(players.peek(3u)->data.name, "ann");
  EXPECT_EQ(sum(), 2 * once);
}

TEST_F(ForEachTest, what_the_function_or_a_rule_refuses_stays_and_is_listed) {
  const ForEachReport report = players.for_each([](Player& player) -> persist::Result<void> {
    if (player.coins == 3) return persist::Error(Errc::refused, "not this one");
    if (player.coins == 4) player.coins = -1;
    return persist::success;
  });
  EXPECT_EQ(report.failed, 2U);
  std::set<Errc> why;
  for (const persist::Missed& missed : report.missed)
    why.insert(missed.why.code());
  EXPECT_EQ(why, (std::set{Errc::refused, Errc::invalid}));
  EXPECT_EQ(sum(), once);
  EXPECT_FALSE(players.inspect(4u)->held);
}

TEST_F(ForEachTest, it_goes_on_where_it_stopped) {
  ForEachOptions options{.page = 10};
  options.on_page = [](const ForEachReport&) { return false; };
  const ForEachReport first = players.for_each(doubles, options);
  EXPECT_EQ(first.changed, 10U);
  EXPECT_FALSE(first.done);
  const ForEachReport rest = players.for_each(doubles, {.resume = first.next});
  EXPECT_EQ(rest.changed, 15U);
  EXPECT_TRUE(rest.done);
  EXPECT_EQ(sum(), 2 * once);
}

TEST_F(ForEachTest, a_rate_is_kept) {
  const auto before = clock.now();
  (void)players.for_each(doubles, {.rate = 5, .page = 5});
  EXPECT_GE(clock.now() - before, 4s);
  EXPECT_LE(clock.now() - before, 6s);
}

TEST_F(ForEachTest, where_storage_is_away_it_stops_and_says_where) {
  db.fail_commits(Errc::unavailable, 1000);
  const ForEachReport report = players.for_each(doubles, {.deadline = 5s, .page = 10});
  EXPECT_FALSE(report.done);
  EXPECT_TRUE(persist::failed(report.error));
  EXPECT_EQ(report.changed, 0U);
  EXPECT_EQ(report.missed.size(), 10U);
  db.script().commits.clear();
  play(2min, players);
  EXPECT_EQ(players.open_sessions(), 0U);
  EXPECT_FALSE(players.inspect(1u)->held);
  EXPECT_EQ(sum(), once) << "what was said to have failed does not happen later";
}

TEST_F(ForEachTest, what_fails_and_then_succeeds_is_done_once) {
  db.fail_commits(Errc::unavailable, 30);
  EXPECT_EQ(players.for_each(doubles).changed, 25U);
  db.lose_reply();
  EXPECT_EQ(players.for_each(doubles).changed, 25U);
  EXPECT_EQ(sum(), 4 * once);
}

TEST_F(ForEachTest, a_listener_is_told_which_player_it_is) {
  std::set<std::uint64_t> heard;
  const auto listening = players.on_saved([&](Players::Session& session, const auto&) {
    EXPECT_EQ(std::to_string(session.key()), session.id());
    heard.insert(session.key());
  });
  (void)players.for_each(doubles);
  EXPECT_EQ(heard.size(), 25U);
}

TEST_F(ForEachTest, inside_a_handler_it_is_refused) {
  Errc said{};
  auto session = players.load(30u);
  const auto heard =
      session->on_saved([&](const auto&) { said = players.for_each(doubles).error.code(); });
  ASSERT_TRUE(session->save({.force = true}));
  EXPECT_EQ(said, Errc::busy);
}

#if PERSIST_HAS_EXCEPTIONS
TEST_F(ForEachTest, a_function_that_throws_changes_nothing) {
  const ForEachReport report = players.for_each([](Player& player) {
    player.coins = 0;
    if (player.level == 1) throw 7;
  });
  EXPECT_EQ(report.failed, 25U);
  EXPECT_EQ(sum(), once);
}
#endif

TEST_F(ForEachTest, a_record_that_cannot_be_read_is_listed_and_left) {
  persist::Store<std::uint64_t, std::string, Db> foreign("players", db, options());
  ASSERT_TRUE(foreign.erase(5u));
  {
    auto session = foreign.load(5u);
    *session->edit() = "no player";
    ASSERT_TRUE(session->release());
  }
  const ForEachReport report = players.for_each(doubles);
  EXPECT_EQ(report.failed, 1U);
  EXPECT_EQ(report.changed, 24U);
  EXPECT_EQ(players.for_each(doubles, {.dry_run = true}).failed, 1U);
  EXPECT_EQ(foreign.peek(5u)->data, "no player");
}

TEST_F(ForEachTest, records_with_many_writers_are_walked_too) {
  using Guilds = persist::Store<std::uint64_t, Player, Db, persist::lock::Optimistic>;
  Guilds guilds("guilds", db, options());
  for (std::uint64_t key = 1; key <= 3; ++key)
    ASSERT_TRUE(guilds.update(key, [](Player& guild) { guild.coins = 1; }, {.create = true}));
  const ForEachReport report = guilds.for_each(doubles);
  EXPECT_EQ(report.changed, 3U);
  EXPECT_EQ(guilds.peek(2u)->data.coins, 2);
}

TEST_F(ForEachTest, what_a_later_try_may_have_stored_is_not_said_to_have_failed) {
  db.fail_commits(Errc::unavailable);
  db.lose_reply();
  db.fail_commits(Errc::unavailable, 1000);
  const ForEachReport report = players.for_each(doubles, {.only = {"3"}, .deadline = 5s});
  ASSERT_EQ(report.missed.size(), 1U);
  EXPECT_EQ(report.missed[0].why, Errc::unknown_outcome) << "the second try was the one";
  db.script().commits.clear();
  play(1min, players);
  EXPECT_EQ(coins(players, 3), 6);
  EXPECT_FALSE(players.inspect(3u)->held);
}

}  // namespace
