#include <persist/backend/kv/marked.hpp>

#include <persist/testing/laws/backend/index.hpp>

#include <gtest/gtest.h>
#include <support/scripted_map.hpp>

// Marks: what a server that died leaves there for nothing, and how it goes.

namespace {

using namespace persist;
using namespace persist::testing::laws;
using persist::backend::Kv;
using persist::testing::laws::Driver;
using test::MemoryMap;
using test::ScriptedMap;

struct KvMarks : ::testing::Test {
  persist::testing::ManualClock clock;
  persist::testing::Report report;
  MemoryMap map{clock};
  ScriptedMap line{map};
  Kv<ScriptedMap> kv{line};
  Driver<Kv<ScriptedMap>> d{kv, clock, report};
  Kv<MemoryMap> other{map};
  Driver<Kv<MemoryMap>> there{other, clock, report};

  static bool is_record(std::string_view key) { return key.starts_with("persist/laws/r/"); }
  std::size_t marks() {
    return test::contents(map, "persist/laws/k/").size() +
           test::contents(map, "persist/laws/w/").size() +
           test::contents(map, "persist/laws/i/").size();
  }
  std::vector<std::string> scanned() {
    ScanRequest page{d.store};
    kv.scan({&page, 1});
    return page.keys;
  }
  /// The server dies before it writes the record.
  void die_at_the_record() {
    line.script().before_swap = [](std::string_view key) -> std::optional<Error> {
      if (is_record(key)) return Error(Errc::unavailable, "dead");
      return std::nullopt;
    };
  }
  void TearDown() override { EXPECT_TRUE(report.passed()) << report.text(); }
};

TEST_F(KvMarks, go_when_what_they_say_does) {
  const std::string key = "Player_42";
  Holding mine = d.take(key);
  EXPECT_EQ(marks(), 0U) << "an acquisition needs none";
  EXPECT_EQ(d.commit(d.next(mine).data("x").in("coins", 5).users({7})), Outcome::applied);
  EXPECT_EQ(marks(), 3U);
  line.script() = {};
  EXPECT_EQ(d.commit(d.next(mine).data("y")), Outcome::applied);
  EXPECT_EQ(line.script().swaps, 1U) << "marks that stay cost nothing";
  EXPECT_EQ(d.commit(d.next(mine).data("y").in("coins", 6)), Outcome::applied);
  EXPECT_EQ(marks(), 3U);
  (void)d.erase(key);
  EXPECT_EQ(marks(), 0U);
  std::string spelled;
  backend::kv::append_hex(spelled, key);
  for (const auto& [name, value] : test::contents(map)) {
    EXPECT_EQ(name.find(spelled), std::string::npos);
    EXPECT_EQ(value.find(key), std::string::npos) << "an erased key is spelled nowhere";
  }
}

TEST_F(KvMarks, of_a_commit_that_never_came_are_taken_away) {
  Holding mine = d.take("k");
  die_at_the_record();
  EXPECT_EQ(d.commit(d.next(mine).data("x").in("coins", 5).users({7})), Outcome::failed);
  line.script() = {};
  EXPECT_EQ(marks(), 3U);
  EXPECT_TRUE(scanned().empty()) << "there is no data";
  EXPECT_EQ(whole(d, "coins"), "");
  EXPECT_EQ(whole(d, ""), "");
  EXPECT_EQ(marks(), 0U);
  EXPECT_EQ(d.commit(d.again(mine).data("x").in("coins", 5).users({7})), Outcome::applied);
  EXPECT_EQ(scanned(), std::vector<std::string>{"k"});
  EXPECT_EQ(whole(d, "coins"), "k=5@0");
  EXPECT_EQ(whole(d, ""), "k=7@0");
}

TEST_F(KvMarks, of_a_record_that_was_never_made_are_taken_away) {
  Looker writer = look(d, "k");
  die_at_the_record();
  EXPECT_EQ(d.commit(claim_with(d, writer, Claims::unleased).data("x")), Outcome::failed);
  line.script() = {};
  EXPECT_TRUE(scanned().empty());
  EXPECT_EQ(marks(), 0U);
  EXPECT_FALSE(d.read("k").found);
}

TEST_F(KvMarks, that_stand_for_nothing_are_no_rows) {
  Holding mine = d.take("k");
  EXPECT_EQ(d.commit(d.next(mine).data("x").in("coins", 5)), Outcome::applied);
  list(d, "l", "coins", 6);
  die_at_the_record();
  EXPECT_EQ(d.commit(d.next(mine).data("x").in("coins", 9)), Outcome::failed);
  line.script() = {};
  EXPECT_EQ(rows(query(d, {.index = "coins", .falls = true, .most = 1})), "l=6@1");
  EXPECT_EQ(marks(), 2U + 2U) << "the row that was wrong is gone";
  EXPECT_EQ(d.commit(d.next(mine).in("coins", 4)), Outcome::applied);
  EXPECT_EQ(whole(d, "coins"), "k=4@0 l=6@1");
}

// The other way round: nobody takes away a mark that a commit is about to need. At each write of
// the one the other does all that it does.

TEST_F(KvMarks, that_a_commit_is_about_to_need_are_there_behind_it) {
  for (int step = 0; step < 4; ++step) {
    const std::string key = "k" + std::to_string(step);
    Holding mine = d.take(key);
    die_at_the_record();
    EXPECT_EQ(d.commit(d.next(mine).data("x").in("coins", step)), Outcome::failed);
    int left = step;
    line.script() = {};
    line.script().before_swap = [&](std::string_view) {
      if (left-- == 0) {
        ScanRequest page{there.store};
        other.scan({&page, 1});
        (void)whole(there, "coins");
      }
      return std::optional<Error>();
    };
    EXPECT_EQ(d.commit(d.again(mine).data("x").in("coins", step)), Outcome::applied);
    line.script() = {};
    EXPECT_EQ(scanned().size(), static_cast<std::size_t>(step) + 1);
    EXPECT_EQ(query(d, {.index = "coins", .key = key}).row.value, step);
  }
}

TEST_F(KvMarks, that_a_reader_takes_away_are_not_those_of_a_commit_meanwhile) {
  for (int step = 0; step < 3; ++step) {
    const std::string key = "k" + std::to_string(step);
    Holding mine = there.take(key);
    Looker writer = look(d, key + "x");
    die_at_the_record();
    EXPECT_EQ(d.commit(claim_with(d, writer, Claims::unleased).data("x")), Outcome::failed);
    int left = step;
    line.script() = {};
    line.script().before_swap = [&](std::string_view) {
      if (left-- == 0) {
        Looker other_writer = look(there, key + "x");
        (void)there.commit(claim_with(there, other_writer, Claims::unleased).data("y"));
      }
      return std::optional<Error>();
    };
    (void)scanned();
    line.script() = {};
    const auto keys = scanned();
    EXPECT_EQ(std::count(keys.begin(), keys.end(), key + "x"), there.read(key + "x").found ? 1 : 0)
        << step;
  }
}

TEST_F(KvMarks, name_keys_in_their_order_and_in_pages) {
  for (const char* key : {"b", "a\xff", "a", "c/d", "a b"}) {
    Holding mine = d.take(key);
    d.save(mine, "x");
  }
  EXPECT_EQ(scanned(), (std::vector<std::string>{"a", "a b", "a\xff", "b", "c/d"}));
  ScanRequest page{d.store, "a b", 2};
  kv.scan({&page, 1});
  EXPECT_EQ(page.keys, (std::vector<std::string>{"a\xff", "b"}));
  EXPECT_EQ(page.next, "b");
  EXPECT_FALSE(page.done);
}

}  // namespace
