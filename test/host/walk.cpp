#include <persist/host/walk.hpp>

#include <persist/host.hpp>

#include <support/hosted.hpp>

#include <stdexcept>
#include <string>
#include <vector>

// A walk over every record that waits for nothing.

namespace {

using namespace test;
using persist::Conflict;
using persist::ForEachReport;

struct HostWalkTest : HostedWorld {
  using Answer = persist::Future<persist::Result<ForEachReport>>;

  void SetUp() override {
    for (std::uint64_t key = 1; key <= 25; ++key)
      ASSERT_TRUE(
          tool.update(key, [&](Player& player) { player.coins = static_cast<std::int64_t>(key); },
                      {.create = true}));
  }
  static void doubles(Player& player) { player.coins *= 2; }
  std::int64_t sum() {
    std::int64_t all = 0;
    for (std::uint64_t key = 1; key <= 25; ++key)
      all += durable(key);
    return all;
  }
  static constexpr std::int64_t once = 25 * 26 / 2;
};

TEST_F(HostWalkTest, changes_each_record_once_and_waits_for_nothing) {
  Answer answer = host.for_each(players, doubles, {.page = 7});
  EXPECT_EQ(sum(), once);
  host.poll();
  EXPECT_EQ(sum(), once) << "nothing is asked of storage here";
  settle();
  ASSERT_TRUE(answer.ready());
  const auto report = answer.get();
  ASSERT_TRUE(report) << report.error();
  EXPECT_EQ(report->seen, 25U);
  EXPECT_EQ(report->changed, 25U);
  EXPECT_TRUE(report->done);
  EXPECT_TRUE(report->missed.empty());
  EXPECT_EQ(sum(), 2 * once);
  EXPECT_EQ(players.open_sessions(), 0U);
  EXPECT_FALSE(tool.inspect(3U)->held);
}

TEST_F(HostWalkTest, a_dry_run_changes_nothing_and_a_rewrite_writes_all) {
  const auto version = tool.inspect(3U)->version;
  Answer dry = host.for_each(players,
                             [](std::string_view key, Player& player) {
                               if (key != "7") player.coins = 0;
                             },
                             {.dry_run = true});
  settle();
  EXPECT_EQ(dry.get()->changed, 24U);
  EXPECT_EQ(sum(), once);
  Answer all = host.for_each(players, [](Player&) {}, {.rewrite = true});
  settle();
  EXPECT_EQ(all.get()->changed, 25U);
  EXPECT_EQ(tool.inspect(3U)->version, version + 1);
}

TEST_F(HostWalkTest, what_is_open_here_is_changed_in_its_session_and_what_others_hold_is_listed) {
  auto mine = load(3);
  auto other = open("eu-2");
  auto theirs = other.load(4U);
  Answer answer = host.for_each(players, doubles);
  settle();
  const auto report = answer.get();
  EXPECT_EQ(report->changed, 24U);
  ASSERT_EQ(report->missed.size(), 1U);
  EXPECT_EQ(report->missed[0].key, "4");
  EXPECT_EQ(mine.view()->coins, 6);
  ASSERT_TRUE(theirs->release());
  Answer rest = host.for_each(players, doubles, {.only = {"4"}});
  settle();
  EXPECT_EQ(rest.get()->changed, 1U);
  EXPECT_EQ(sum(), 2 * once);
}

TEST_F(HostWalkTest, a_holder_is_waited_for_where_that_is_asked) {
  auto other = open("eu-2");
  auto theirs = other.load(4U);
  Answer answer = host.for_each(players, doubles, {.held = Conflict::wait, .deadline = 10min});
  settle();
  EXPECT_FALSE(answer.ready());
  ASSERT_TRUE(theirs->release());
  for (int i = 0; i < 20 && !answer.ready(); ++i)
    clock.advance(1s), settle();
  EXPECT_EQ(answer.get()->changed, 25U);
  EXPECT_EQ(sum(), 2 * once);
}

TEST_F(HostWalkTest, a_rate_is_kept_between_pages) {
  std::vector<std::uint64_t> seen;
  Answer answer = host.for_each(
      players, doubles, {.rate = 5, .page = 10, .on_page = [&](const ForEachReport& report) {
                           seen.push_back(report.seen);
                           return true;
                         }});
  settle();
  EXPECT_EQ(seen.size(), 1U);
  clock.advance(1900ms);
  settle();
  EXPECT_EQ(seen.size(), 1U) << "ten records at five a second";
  EXPECT_LE(host.poll(), clock.now() + 100ms) << "and it is said when it goes on";
  clock.advance(100ms);
  settle();
  EXPECT_EQ(seen.size(), 2U);
  clock.advance(2s);
  settle();
  ASSERT_TRUE(answer.ready());
  EXPECT_EQ(seen, (std::vector<std::uint64_t>{10, 20, 25}));
  EXPECT_EQ(host.metrics().timeouts, 0U);
}

TEST_F(HostWalkTest, goes_on_from_where_another_stopped) {
  Answer first = host.for_each(players, doubles,
                               {.page = 10, .on_page = [](const ForEachReport&) { return false; }});
  settle();
  const auto report = first.get();
  EXPECT_EQ(report->seen, 10U);
  EXPECT_FALSE(report->done);
  Answer second = host.for_each(players, doubles, {.resume = report->next});
  settle();
  EXPECT_EQ(second.get()->seen, 15U);
  EXPECT_EQ(sum(), 2 * once);
}

TEST_F(HostWalkTest, a_deadline_ends_it_between_two_pages_and_says_where) {
  Answer first = host.for_each(players, doubles, {.rate = 1, .page = 10}, {.deadline = 15s});
  settle();
  clock.advance(10s);
  settle();
  clock.advance(5s);
  settle();
  ASSERT_TRUE(first.ready());
  const auto report = first.get();
  ASSERT_TRUE(report);
  EXPECT_EQ(report->error.code(), Errc::timeout);
  EXPECT_EQ(report->seen, 20U);
  Answer second = host.for_each(players, doubles, {.resume = report->next});
  settle();
  EXPECT_TRUE(second.get()->done);
  EXPECT_EQ(sum(), 2 * once);
}

TEST_F(HostWalkTest, called_off_it_gives_back_what_it_waits_for) {
  auto other = open("eu-2");
  auto theirs = other.load(4U);
  Answer answer = host.for_each(players, doubles, {.held = Conflict::request, .deadline = 10min});
  settle();
  EXPECT_TRUE(tool.inspect(4U)->release_requested);
  answer.cancel();
  settle();
  EXPECT_FALSE(tool.inspect(4U)->release_requested) << "nobody wants it any more";
  EXPECT_TRUE(answer.get().is(Errc::cancelled));
  ASSERT_TRUE(theirs->release());
  for (int i = 0; i < 20; ++i)
    clock.advance(1s), settle();
  EXPECT_FALSE(tool.inspect(4U)->held);
  EXPECT_EQ(durable(4), 4);
  EXPECT_EQ(players.open_sessions(), 0U);
}

TEST_F(HostWalkTest, storage_that_is_away_stops_it_where_it_can_go_on) {
  std::string next;
  Answer answer =
      host.for_each(players, doubles, {.page = 10, .on_page = [&](const ForEachReport& report) {
                                         next = report.next;
                                         db.fail_commits(Errc::unavailable, 1);
                                         return true;
                                       }});
  settle();
  ASSERT_TRUE(answer.ready());
  const auto report = answer.get();
  ASSERT_TRUE(report);
  EXPECT_EQ(report->error.code(), Errc::unavailable);
  EXPECT_FALSE(report->missed.empty());
  std::vector<std::string> again;
  for (const auto& each : report->missed)
    again.push_back(each.key);
  db.script() = {};
  Answer rest = host.for_each(players, doubles, {.resume = report->next});
  Answer missed = host.for_each(players, doubles, {.only = again});
  settle();
  for (int i = 0; i < 5; ++i)
    clock.advance(1s), settle();  // the one that failed goes back first
  ASSERT_TRUE(rest.ready());
  ASSERT_TRUE(missed.ready());
  EXPECT_TRUE(rest.get()->done);
  EXPECT_TRUE(missed.get()->done);
  EXPECT_EQ(sum(), 2 * once) << "each once";
}

TEST_F(HostWalkTest, a_store_that_leaves_ends_it) {
  Answer answer = host.for_each(players, doubles, {.rate = 1, .page = 10});
  settle();
  const std::int64_t before = sum();
  EXPECT_GT(before, once);
  host.detach(players);
  EXPECT_TRUE(answer.get().is(Errc::closed));
  clock.advance(1min);
  settle();
  EXPECT_EQ(sum(), before);
}

TEST_F(HostWalkTest, a_function_that_refuses_changes_nothing_there) {
  Answer answer = host.for_each(players, [](Player& player) {
    player.coins += 1;
    return player.coins != 8;
  });
  settle();
  const auto report = answer.get();
  EXPECT_EQ(report->changed, 24U);
  EXPECT_EQ(report->failed, 1U);
  EXPECT_EQ(report->missed.at(0).key, "7");
  EXPECT_EQ(durable(7), 7);
  EXPECT_FALSE(tool.inspect(7U)->held);
}

#if PERSIST_HAS_EXCEPTIONS
TEST_F(HostWalkTest, what_is_called_after_a_page_may_throw_and_ends_it) {
  Answer answer =
      host.for_each(players, doubles, {.page = 10, .on_page = [](const ForEachReport&) -> bool {
                                         throw std::runtime_error("no room");
                                       }});
  settle();
  ASSERT_TRUE(answer.ready());
  const auto report = answer.get();
  ASSERT_TRUE(report);
  EXPECT_EQ(report->error.code(), Errc::refused);
  EXPECT_EQ(report->seen, 10U);
  EXPECT_FALSE(report->done);
}
#endif

TEST_F(HostWalkTest, a_shutdown_ends_it_behind_the_page_that_is_out) {
  int pages = 0;
  Answer answer = host.for_each(players, doubles,
                                {.page = 5, .on_page = [&](const auto&) { return ++pages != 0; }});
  while (pages == 0) {
    host.poll();
    host.run_lane();
  }
  EXPECT_TRUE(host.shutdown(10s).complete());
  settle();
  ASSERT_TRUE(answer.ready());
  const auto report = answer.get();
  ASSERT_TRUE(report) << report.error();
  EXPECT_EQ(report->error.code(), Errc::closed);
  EXPECT_FALSE(report->done);
  EXPECT_LE(report->seen + report->failed, 10U);
}

TEST_F(HostWalkTest, two_at_once_change_each_record_twice) {
  Answer one = host.for_each(players, doubles, {.held = Conflict::wait, .page = 7});
  Answer other = host.for_each(players, doubles, {.held = Conflict::wait, .page = 5});
  settle();
  for (int i = 0; i < 20 && !(one.ready() && other.ready()); ++i)
    clock.advance(1s), settle();
  ASSERT_TRUE(one.ready() && other.ready());
  EXPECT_EQ(one.get()->changed, 25U);
  EXPECT_EQ(other.get()->changed, 25U);
  EXPECT_EQ(sum(), 4 * once);
}

}  // namespace
