#include <persist/backend/redis/batch.hpp>

#include "backend/redis/support.hpp"
#include "support/cutting_proxy.hpp"

#include <thread>

namespace {

using persist::Errc;
using persist::testing::laws::Draft;
using persist::testing::laws::Holding;
using persist::testing::laws::Outcome;
using persist::testing::laws::Taken;
using persist_test::committed;
using persist_test::CuttingProxy;
using persist_test::OnRedis;
using persist_test::Redis;
using persist_test::RedisDriver;

struct RedisBatch : OnRedis {};

TEST_F(RedisBatch, a_load_a_save_and_a_release_are_one_script_each) {
  Redis db = open();
  RedisDriver driver = drive(db);
  const int before = scripts_run();
  Holding mine = driver.take("k");
  EXPECT_EQ(scripts_run(), before + 1) << "a load of a record that nobody holds";
  driver.save(mine, "one");
  driver.save(mine, "two");
  EXPECT_EQ(scripts_run(), before + 3);
  EXPECT_EQ(driver.commit(driver.next(mine).data("three").release()), Outcome::applied);
  EXPECT_EQ(scripts_run(), before + 4);
  (void)driver.take("k");
  EXPECT_EQ(scripts_run(), before + 5);
}

TEST_F(RedisBatch, a_thousand_saves_are_a_script_each_and_share_their_round_trips) {
  const std::string own = server.folder() + "/p";
  CuttingProxy proxy(own, server.socket());
  options.socket = own;
  Redis db = open();
  RedisDriver driver = drive(db);
  std::vector<Holding> holdings;
  for (int i = 0; i < 1000; ++i)
    holdings.push_back(driver.take("k" + std::to_string(i)));
  std::vector<Draft> drafts;
  for (Holding& each : holdings)
    drafts.push_back(driver.next(each).data("x"));
  std::vector<persist::Change> changes;
  for (Draft& draft : drafts)
    changes.push_back(draft.bind());
  std::vector<persist::CommitRequest> commits;
  for (persist::Change& change : changes)
    commits.push_back({{&change, 1}});
  const int before = scripts_run(), requests = proxy.requests();
  db.commit(commits);
  EXPECT_EQ(scripts_run(), before + 1000);
  EXPECT_LT(proxy.requests() - requests, 100) << "in pieces as large as a socket takes";
  for (const auto& commit : commits)
    ASSERT_EQ(commit.outcome, Outcome::applied) << commit.error;
}

TEST_F(RedisBatch, ten_thousand_records_are_one_batch) {
  Redis db = open();
  RedisDriver driver = drive(db);
  std::vector<std::string> keys;
  for (int i = 0; i < 10'000; ++i)
    keys.push_back("k" + std::to_string(i));
  std::vector<persist::AcquireRequest> loads;
  for (const std::string& key : keys)
    loads.push_back({driver.store, key, driver.somebody(), std::chrono::minutes(1)});
  const int before = scripts_run();
  db.acquire(loads);
  EXPECT_EQ(scripts_run(), before + 10'000);
  for (const auto& load : loads)
    ASSERT_EQ(load.outcome, Taken::taken) << load.error;
}

TEST_F(RedisBatch, scripts_that_the_server_forgot_are_sent_again) {
  Redis db = open();
  RedisDriver driver = drive(db);
  server({"SCRIPT", "FLUSH"});
  Holding mine = driver.take("k");
  server({"SCRIPT", "FLUSH"});
  driver.save(mine, "one");
  server({"SCRIPT", "FLUSH"});
  EXPECT_TRUE(driver.holds_text("k", "one"));
  server({"SCRIPT", "FLUSH"});
  persist::IndexRequest asked{driver.store, "level"};
  asked.most = 1;
  db.query({&asked, 1});
  EXPECT_FALSE(failed(asked.error)) << asked.error;
}

TEST_F(RedisBatch, a_memory_that_is_not_right_any_more_costs_a_trip_and_nothing_else) {
  Redis one = open(), two = open();
  RedisDriver here = drive(one), there = drive(two);
  Holding mine = here.take("k");
  here.save(mine, "one");
  (void)there.post("k", 1, "gift");
  const int before = scripts_run();
  auto draft = here.next(mine).data("two");
  const auto done = committed(one, draft);
  EXPECT_EQ(done.outcome, Outcome::applied);
  EXPECT_EQ(done.changes[0].messages.size(), 1u);
  EXPECT_EQ(scripts_run(), before + 2);
}

TEST_F(RedisBatch, a_refusal_is_never_given_on_memory_alone) {
  Redis one = open();
  RedisDriver driver = drive(one);
  Holding mine = driver.take("k");
  driver.save(mine, "one");
  const int before = scripts_run();
  auto again = driver.again(mine).data("one");
  EXPECT_EQ(committed(one, again).outcome, Outcome::repeated);
  EXPECT_EQ(scripts_run(), before + 1) << "the server was asked";
}

TEST_F(RedisBatch, two_connections_racing_for_a_record_have_one_winner_each_time) {
  Redis one = open(), two = open();
  RedisDriver driver = drive(one);
  (void)drive(two);
  const persist::StoreId store = driver.store;
  for (int round = 0; round < 50; ++round) {
    const std::string key = "k" + std::to_string(round);
    int taken[2] = {0, 0};
    const auto race = [&](Redis db, int me) {
      persist::AcquireRequest asks{store, key, db.next_owner({}), std::chrono::minutes(1)};
      db.acquire({&asks, 1});
      if (asks.outcome == Taken::taken) taken[me] = 1;
    };
    std::thread other([&] { race(two, 1); });
    race(one, 0);
    other.join();
    ASSERT_EQ(taken[0] + taken[1], 1);
  }
}

TEST_F(RedisBatch, threads_that_change_one_record_lose_nothing) {
  Redis one = open(), two = open();
  RedisDriver driver = drive(one);
  (void)drive(two);
  const auto post = [&, store = driver.store](Redis db, std::uint64_t from) {
    for (std::uint64_t i = from; i < from + 100; ++i) {
      persist::PostRequest asks{store, "k", {{i, 1}, 0, 0, clock.wall()}, {"Gift", 1, 0, {}, {}}};
      db.post({&asks, 1});
      EXPECT_FALSE(failed(asks.error)) << asks.error;
    }
  };
  std::thread other([&] { post(two, 1000); });
  post(one, 0);
  other.join();
  EXPECT_EQ(driver.read("k").inbox_messages, 200u);
}

TEST_F(RedisBatch, requests_for_one_record_go_in_their_order) {
  Redis db = open();
  RedisDriver driver = drive(db);
  std::vector<persist::PostRequest> posts;
  for (std::uint64_t i = 1; i <= 20; ++i)
    posts.push_back({driver.store, "k", {{i, 0}, 0, 0, clock.wall()}, {"Gift", 1, 0, {}, {}}});
  const int before = scripts_run();
  db.post(posts);
  EXPECT_EQ(scripts_run(), before + 40) << "none is in another's way";
  for (std::size_t i = 0; i < posts.size(); ++i)
    EXPECT_EQ(posts[i].position, i + 1);
}

TEST_F(RedisBatch, a_connection_cut_at_each_step_leaves_all_or_nothing_and_says_which) {
  const std::string own = server.folder() + "/p";
  CuttingProxy proxy(own, server.socket());
  options.socket = own;
  for (const auto how : {CuttingProxy::Cut::before_request, CuttingProxy::Cut::before_reply})
    for (int step = 0; step < 4; ++step) {
      server({"FLUSHALL"});
      Redis db = open();
      RedisDriver driver = drive(db);
      Holding other = driver.take("other");
      (void)driver.take("other2");
      Holding mine = driver.take("k");
      driver.save(mine, "old");
      auto draft = driver.next(mine).data("new").send("other", 1, "gift").users({7});
      proxy.cut(how, step);
      const auto done = committed(db, draft);
      if (!proxy.has_cut()) {
        EXPECT_EQ(done.outcome, Outcome::applied);
        proxy.cut(CuttingProxy::Cut::nothing);
        continue;
      }
      ASSERT_EQ(done.outcome, Outcome::failed) << step;
      const bool is_there = driver.holds_text("k", "new");
      EXPECT_EQ(driver.read("other").inbox_messages, is_there ? 1u : 0u) << "together or not";
      EXPECT_EQ(is_there,
                how == CuttingProxy::Cut::before_reply && done.error == Errc::unknown_outcome);
      EXPECT_TRUE(done.error == Errc::unknown_outcome || done.error == Errc::unavailable)
          << done.error;
      const auto again = committed(db, draft);
      EXPECT_EQ(again.outcome, is_there ? Outcome::repeated : Outcome::applied);
      EXPECT_TRUE(driver.holds_text("k", "new"));
      EXPECT_EQ(driver.read("other").inbox_messages, 1u);
      EXPECT_EQ(driver.commit(driver.next(other).data("x")), Outcome::applied);
    }
}

TEST_F(RedisBatch, an_acquisition_whose_reply_was_lost_is_the_askers_when_it_asks_again) {
  const std::string own = server.folder() + "/p";
  CuttingProxy proxy(own, server.socket());
  options.socket = own;
  Redis db = open();
  RedisDriver driver = drive(db);
  const persist::Owner me = driver.somebody();
  (void)driver.take("other");  // so that the connection is there
  proxy.cut(CuttingProxy::Cut::before_reply);
  const auto lost = driver.acquire("k", me);
  EXPECT_EQ(lost.outcome, Taken::failed);
  EXPECT_EQ(lost.error.code(), Errc::unknown_outcome) << lost.error;
  EXPECT_EQ(driver.acquire("k", driver.somebody()).outcome, Taken::held);
  const auto again = driver.acquire("k", me);
  EXPECT_EQ(again.outcome, Taken::taken);
  EXPECT_EQ(again.record.fence.epoch, 1u);
}

TEST_F(RedisBatch, an_idle_connection_that_the_server_closed_is_replaced_unseen) {
  Redis db = open();
  RedisDriver driver = drive(db);
  Holding mine = driver.take("k");
  for (int i = 0; i < 5; ++i) {
    server({"CLIENT", "KILL", "TYPE", "normal"});
    driver.save(mine, std::to_string(i));
  }
  EXPECT_TRUE(driver.holds_text("k", "4"));
}

TEST_F(RedisBatch, a_server_that_lost_its_memory_under_a_live_session_is_noticed) {
  Redis db = open();
  RedisDriver driver = drive(db);
  Holding mine = driver.take("k");
  driver.save(mine, "one");
  server({"FLUSHALL"});
  auto draft = driver.next(mine).data("two");
  const auto done = committed(db, draft);
  EXPECT_EQ(done.outcome, Outcome::failed);
  EXPECT_EQ(done.error.code(), Errc::refused) << done.error;
  EXPECT_EQ(driver.acquire("l", driver.somebody()).error.code(), Errc::refused);
  EXPECT_EQ(driver.read("k").error.code(), Errc::refused);
  EXPECT_EQ(driver.post("k", 1, "x").error.code(), Errc::refused);
  persist::ScanRequest scan{driver.store};
  db.scan({&scan, 1});
  EXPECT_EQ(scan.error.code(), Errc::refused);
  Redis other = open();
  (void)drive(other);
  EXPECT_EQ(driver.read("k").error.code(), Errc::refused) << "another store of that name";
  EXPECT_EQ(server({"DBSIZE"}), "1") << "and nothing was written but the new header";
}

TEST_F(RedisBatch, the_servers_clock_judges_leases_and_dates_records) {
  options.clock = nullptr;
  Redis one = open(), two = open();
  RedisDriver here = drive(one), there = drive(two);
  Holding mine = here.take("k");
  here.save(mine, "one");
  const auto held = there.acquire("k", there.somebody());
  EXPECT_EQ(held.outcome, Taken::held);
  EXPECT_GT(held.holder.left, std::chrono::seconds(50));
  EXPECT_LE(held.holder.left, std::chrono::seconds(61));
  const auto apart = here.read("k").record.updated - persist::SystemClock::instance().wall();
  EXPECT_LT(std::chrono::abs(apart), std::chrono::seconds(10));
  auto brief =
      here.acquire("brief", here.somebody(), persist::Intent::wait, std::chrono::nanoseconds(1));
  EXPECT_EQ(there.acquire("brief", there.somebody()).outcome, Taken::taken);
}

}  // namespace
