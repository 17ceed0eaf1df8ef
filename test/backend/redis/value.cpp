#include <persist/backend/redis/value.hpp>

#include "backend/redis/support.hpp"

#include <map>

namespace {

namespace redis = persist::backend::redis;
using persist::Errc;
using persist::testing::laws::Holding;
using persist::testing::laws::Outcome;
using persist::testing::laws::Taken;
using persist_test::committed;
using persist_test::OnRedis;
using persist_test::Redis;
using persist_test::RedisDriver;

struct RedisValue : OnRedis {
  std::string name;
  Redis db = open();
  RedisDriver driver = drive(db);
  Holding mine = driver.take("k");

  RedisValue() {
    auto full = driver.next(mine).data("data").metadata("more").users({1, 2}).receipt(1, 3);
    EXPECT_EQ(committed(db, full).outcome, Outcome::applied);
    (void)driver.post("k", 9, "gift");
    name = server({"KEYS", "*r/*"});
  }
  std::string field(const std::string& which) const { return server({"HGET", name, which}); }
  void set(const std::string& which, const std::string& value) const {
    server({"HSET", name, which, value});
  }
};

TEST_F(RedisValue, a_part_that_is_cut_changed_or_gone_is_corrupt_and_stays_as_it_is) {
  for (const std::string which : {"d", "m", "u", "r", "i", "h", "e"}) {
    const std::string good = field(which);
    ASSERT_FALSE(good.empty()) << which;
    std::string flipped = good;
    flipped[good.size() / 2] = static_cast<char>(flipped[good.size() / 2] ^ 1);
    for (const std::string& bad :
         {good.substr(0, good.size() - 1), flipped, good + "x", std::string()}) {
      set(which, bad);
      EXPECT_EQ(driver.read("k").error.code(), Errc::corrupt) << which;
      EXPECT_EQ(driver.acquire("k", driver.somebody()).error.code(), Errc::corrupt) << which;
      auto draft = driver.next(mine).data("new");
      EXPECT_EQ(committed(db, draft).error.code(), Errc::corrupt) << which;
      EXPECT_EQ(field(which), bad) << "nothing was repaired by guessing";
    }
    set(which, good);
    EXPECT_TRUE(driver.holds_text("k", "data")) << which;
  }
}

TEST_F(RedisValue, a_version_that_is_none_is_corrupt_and_nobody_takes_the_record) {
  EXPECT_EQ(driver.commit(driver.next(mine).release()), Outcome::applied);
  for (const char* bad : {"x", "", "-", "99-a", "1e3-a"}) {
    set("v", bad);
    EXPECT_EQ(driver.acquire("k", driver.somebody()).error.code(), Errc::corrupt) << bad;
  }
}

TEST_F(RedisValue, a_database_that_lost_its_newest_writes_lets_no_older_session_in) {
  // A failover: the master wrote once more than its replica has.
  server({"COPY", name, name + "+"});
  driver.save(mine, "lost");
  server({"RENAME", name + "+", name});
  Redis other = open();
  RedisDriver there = drive(other);
  Holding theirs = there.take_away("k");  // as many writes as the first server remembers
  EXPECT_EQ(driver.commit(driver.next(mine).data("mine")), Outcome::fenced);
  there.save(theirs, "theirs");
  EXPECT_TRUE(driver.holds_text("k", "theirs"));
}

TEST_F(RedisValue, a_format_of_a_later_build_is_too_new) {
  std::string head = field("h");
  head[8] = 2;
  set("h", head);
  EXPECT_EQ(driver.read("k").error.code(), Errc::too_new);
  EXPECT_EQ(driver.erase("k").error.code(), Errc::too_new);
  EXPECT_EQ(field("h"), head);
}

TEST_F(RedisValue, a_part_of_another_state_or_another_record_is_noticed) {
  const std::string old = field("d");
  driver.save(mine, "other");
  const std::string now = field("d");
  set("d", old);
  EXPECT_EQ(driver.read("k").error.code(), Errc::corrupt);
  set("d", now);
  Holding other = driver.take("l");
  driver.save(other, "x");
  const std::string names = server({"KEYS", "*r/*"});
  const std::string theirs = names.substr(0, name.size()) == name ? names.substr(name.size() + 1)
                                                                  : names.substr(0, name.size());
  server({"COPY", name, theirs, "REPLACE"});
  EXPECT_EQ(driver.read("l").error.code(), Errc::corrupt);
}

TEST_F(RedisValue, keys_of_others_under_our_names_are_left_alone) {
  Holding next = driver.take("n");
  EXPECT_EQ(driver.commit(driver.next(next).release()), Outcome::applied);
  const std::string all = server({"KEYS", "*r/*"});
  const std::string theirs =
      all.substr(0, name.size()) == name ? all.substr(name.size() + 1) : all.substr(0, name.size());
  server({"SET", theirs, "somebody's"});
  EXPECT_EQ(driver.read("n").error.code(), Errc::corrupt);
  EXPECT_EQ(driver.acquire("n", driver.somebody()).error.code(), Errc::corrupt);
  EXPECT_EQ(server({"GET", theirs}), "somebody's");
  server({"DEL", theirs});
  server({"HSET", theirs, "theirs", "1"});
  EXPECT_EQ(driver.acquire("n", driver.somebody()).error.code(), Errc::corrupt);
  EXPECT_EQ(server({"HGETALL", theirs}), "theirs 1");
}

TEST_F(RedisValue, a_set_of_others_stops_the_commit_before_anything_is_written) {
  const std::string index = server({"KEYS", "*/i/"});
  ASSERT_FALSE(index.empty());
  server({"SET", index, "somebody's"});
  auto draft = driver.next(mine).data("new").users({3});
  const auto done = committed(db, draft);
  EXPECT_EQ(done.error.code(), Errc::corrupt) << done.error;
  EXPECT_TRUE(driver.holds_text("k", "data"));
  EXPECT_EQ(driver.read("k").record.user_ids.size(), 2u);
}

TEST_F(RedisValue, what_was_taken_and_not_written_since_is_read_and_damage_to_it_noticed) {
  Holding bare = driver.take("bare");
  const std::string all = server({"KEYS", "*r/*"});
  const std::string theirs =
      all.substr(0, name.size()) == name ? all.substr(name.size() + 1) : all.substr(0, name.size());
  const auto read = driver.read("bare");
  EXPECT_EQ(read.holder.owner, bare.fence.owner);
  EXPECT_EQ(read.record.fence.epoch, bare.fence.epoch);
  std::string taken = server({"HGET", theirs, "t"});
  taken.back() = static_cast<char>(taken.back() ^ 1);
  server({"HSET", theirs, "t", taken});
  EXPECT_EQ(driver.read("bare").error.code(), Errc::corrupt);
}

TEST_F(RedisValue, keys_of_all_bytes_are_told_apart) {
  std::string odd;
  for (int c = 1; c < 256; ++c)
    odd += static_cast<char>(c);
  for (const std::string& key : {odd, std::string("{a}b"), std::string("{"), std::string("*")}) {
    Holding each = driver.take(key);
    driver.save(each, key);
  }
  EXPECT_TRUE(driver.holds_text(odd, odd));
  persist::ScanRequest scan{driver.store};
  db.scan({&scan, 1});
  EXPECT_EQ(scan.keys.size(), 5u);
  EXPECT_EQ(scan.keys.front(), odd);
}

TEST_F(RedisValue, eight_mebibytes_are_one_record) {
  std::string large(std::size_t{8} << 20, 'x');
  for (std::size_t i = 0; i < large.size(); i += 4093)
    large[i] = static_cast<char>('a' + i % 26);
  driver.save(mine, large);
  Redis other = open();
  RedisDriver there = drive(other);
  EXPECT_TRUE(there.holds_text("k", large));
}

}  // namespace
