#include <persist/backend/file/history.hpp>

#include <persist/testing/laws/backend/history.hpp>

#include "backend/file/support.hpp"

#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <random>

namespace {

using namespace persist_test;
using persist::HistoryRule;
using persist::backend::file::decode_history;
using persist::backend::file::encode_history;
using persist::backend::file::KeptPart;
using persist::backend::file::Place;
using persist::testing::laws::kept_of;
using persist::testing::laws::read_version;

constexpr FileOptions small{.segment_bytes = 8192};

TEST(FileHistory, a_list_is_read_as_it_was_written_and_no_cut_of_it_is) {
  const std::vector<Place> places{{1, 2, 3, 4}, {5, 6, 7, 8}};
  std::vector<KeptPart> kept(2), read;
  kept[0].version = 4, kept[0].at = persist::WallTime(std::chrono::milliseconds(1000));
  kept[1].version = 9, kept[1].until = persist::WallTime(std::chrono::milliseconds(2000));
  const persist::Buffer bytes = encode_history(kept);
  ASSERT_TRUE(decode_history(bytes, places, read));
  ASSERT_EQ(read.size(), 2U);
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(read[i].version, kept[i].version);
    EXPECT_EQ(read[i].at, kept[i].at);
    EXPECT_EQ(read[i].until, kept[i].until);
    EXPECT_EQ(read[i].bytes, places[i].size);
    EXPECT_EQ(read[i].place, places[i]);
  }
  for (std::size_t cut = 0; cut < bytes.size(); ++cut)
    EXPECT_FALSE(decode_history(bytes.view().first(cut), places, read)) << cut;
  EXPECT_FALSE(decode_history(bytes, std::span(places).first(1), read)) << "rows without data";
  kept[1].version = 4;
  EXPECT_FALSE(decode_history(encode_history(kept), places, read)) << "the same version twice";
}

/// Saves under a rule; knows what must be kept.
struct Keeper {
  explicit Keeper(Bench& on) : bench(on) {}

  bool save(const std::string& key, const std::string& text, const HistoryRule& rule) {
    Holding mine = bench.driver->take_away(key);
    const auto draft = bench.driver->next(mine).data(text).history(rule).release();
    if (bench.driver->commit(persist::testing::laws::Draft(draft)) != Outcome::applied)
      return false;
    std::deque<std::string>& older = known[key];
    if (now.contains(key)) older.push_front(now[key]);
    while (older.size() > rule.keep)
      older.pop_back();
    now[key] = text;
    return true;
  }
  void check(const std::string& where) {
    for (const auto& [key, older] : known) {
      EXPECT_EQ(bench.text(key), now[key]) << key << where;
      const auto kept = kept_of(*bench.driver, key);
      EXPECT_EQ(kept.texts, std::vector<std::string>(older.begin(), older.end())) << key << where;
    }
    EXPECT_TRUE(bench.report.passed()) << bench.report.text() << where;
  }
  Bench& bench;
  std::map<std::string, std::deque<std::string>> known;
  std::map<std::string, std::string> now;
};

/// One random save after the other, so that compaction moves what is kept and drops what is not.
void churn(Keeper& keeper, std::mt19937_64& random, int steps) {
  for (int i = 0; i < steps; ++i) {
    const std::string key = "k" + std::to_string(random() % 6);
    const HistoryRule rule{.keep = random() % 5};
    const std::string text(random() % 700, static_cast<char>('a' + random() % 26));
    ASSERT_TRUE(keeper.save(key, text, rule)) << i;
  }
}

TEST(FileHistory, compaction_keeps_what_is_kept_and_drops_what_is_not) {
  Bench bench({}, small);
  Keeper keeper(bench);
  std::mt19937_64 random(11);
  ASSERT_TRUE(keeper.save("cold", "older than all", {.keep = 9}));
  ASSERT_TRUE(keeper.save("cold", "old", {.keep = 9}));
  std::uint64_t compactions = 0;
  for (int round = 0; round < 12; ++round) {
    churn(keeper, random, 100);
    const auto stats = bench.file->stats();
    ASSERT_LE(stats.bytes, 5 * stats.live_bytes / 2 + 3 * small.segment_bytes) << round;
    keeper.check(" in round " + std::to_string(round));
    const auto live = stats.live_bytes;
    compactions += stats.compactions;
    if (round % 3 == 0) bench.reopen();
    if (round % 3 == 1) bench.kill_and_open();
    if (round % 3 == 2) bench.cut_power_and_open();
    EXPECT_EQ(bench.file->stats().live_bytes, live) << "live bytes are counted right";
    keeper.check(" after opening again");
  }
  EXPECT_GT(compactions, 30U);
  // Nothing is kept any more: what was is no burden.
  for (const auto& [key, text] : std::map(keeper.now))
    ASSERT_TRUE(keeper.save(key, "x", {}));
  keeper.check(" in the end");
  EXPECT_LT(bench.file->stats().live_bytes, 3000U);
}

/// However small they are, and wherever their records were written.
TEST(FileHistory, the_log_stays_in_proportion_to_what_is_kept) {
  for (const std::size_t size : {20U, 400U, 6000U}) {
    const std::uint64_t segment = size < 100 ? 4096 : 8192;
    Bench bench({}, {.segment_bytes = segment});
    Keeper keeper(bench);
    const HistoryRule rule{.keep = size < 100 ? 72U : 15U};
    const auto check = [&](const std::string& key) {
      ASSERT_TRUE(
          keeper.save(key, std::string(key == "hot" && size < 6000 ? 1400 : size, 'x'), rule));
      const auto now = bench.file->stats();
      ASSERT_LE(now.bytes, 5 * now.live_bytes / 2 + 3 * segment) << size << ' ' << key;
    };
    for (std::size_t save = 0; save < 2 * rule.keep && !::testing::Test::HasFatalFailure(); ++save)
      for (int player = 0; player < 30; ++player)
        check("k" + std::to_string(player));
    for (int save = 0; save < 1500 && !::testing::Test::HasFatalFailure(); ++save)
      check("hot");
  }
}

TEST(FileHistory, what_was_not_synced_is_written_again_with_its_older_states) {
  FileOptions relaxed = small;
  relaxed.durability = persist::backend::Durability::relaxed;
  relaxed.sync_every = std::chrono::hours(1);
  Bench bench({}, relaxed);
  Keeper keeper(bench);
  for (const char* text : {"a", "b", "c", "d"})
    ASSERT_TRUE(keeper.save("k", text, {.keep = 2}));
  bench.kill_and_open();
  keeper.check(" after the process was killed");
  bench.cut_power_and_open();
  keeper.check(" after a power cut behind that");
}

TEST(FileHistory, no_data_is_written_a_second_time) {
  Bench bench;
  Keeper keeper(bench);
  const auto bytes = [&] { return bench.file->stats().bytes; };
  for (int i = 0; i < 12; ++i) {
    const std::uint64_t before = bytes();
    ASSERT_TRUE(keeper.save("k", std::string(50'000, static_cast<char>('a' + i)), {.keep = 10}));
    EXPECT_LT(bytes() - before, 50'000U + 300 + 41 * 11) << i;
  }
  keeper.check("");
}

TEST(FileHistory, of_a_torn_save_the_data_and_its_history_are_there_or_neither) {
  Bench bench;
  Keeper keeper(bench);
  for (const char* text : {"a", "b", "c"})
    ASSERT_TRUE(keeper.save("k", text, {.keep = 2}));
  const std::size_t before = bench.disk.bytes(newest_segment(bench.disk)).size();
  ASSERT_TRUE(keeper.save("k", "d", {.keep = 2}));
  const std::size_t after = bench.disk.bytes(newest_segment(bench.disk)).size();
  ASSERT_GT(after, before);
  bench.disk.kill();
  for (std::size_t size = before; size <= after; ++size) {
    Disk cut = bench.disk.copy();
    cut.bytes(newest_segment(cut)).resize(size);
    Bench other(cut);
    ASSERT_TRUE(other.file->status()) << size;
    const bool is_whole = size == after;
    EXPECT_EQ(other.text("k"), is_whole ? "d" : "c") << size;
    EXPECT_EQ(kept_of(*other.driver, "k").texts, is_whole ? (std::vector<std::string>{"c", "b"})
                                                          : (std::vector<std::string>{"b", "a"}))
        << size;
  }
}

/// Turns around a byte of the newest segment, in the last place where `text` is.
void damage(Bench& bench, std::string_view text) {
  std::vector<std::byte>& bytes = bench.disk.bytes(newest_segment(bench.disk));
  const std::string_view all(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const std::size_t at = all.rfind(text);
  ASSERT_NE(at, all.npos);
  bytes[at] ^= std::byte{1};
}

TEST(FileHistory, a_damaged_state_is_corrupt_and_the_rest_is_fine) {
  Bench bench;
  Keeper keeper(bench);
  for (const char* text : {"first state", "second state", "third state", "fourth state"})
    ASSERT_TRUE(keeper.save("k", text, {.keep = 9}));
  const auto versions = kept_of(*bench.driver, "k").versions;
  ASSERT_EQ(versions.size(), 3U);
  damage(bench, "second state");
  EXPECT_EQ(read_version(*bench.driver, "k", versions[1].version).error, Errc::corrupt);
  EXPECT_EQ(persist::as_text(read_version(*bench.driver, "k", versions[0].version).record.data),
            "third state");
  EXPECT_EQ(persist::as_text(read_version(*bench.driver, "k", versions[2].version).record.data),
            "first state");
  EXPECT_EQ(bench.text("k"), "fourth state");
  ASSERT_TRUE(keeper.save("k", "fifth state", {.keep = 9})) << "and saves go on";
  EXPECT_EQ(read_version(*bench.driver, "k", versions[1].version).error, Errc::corrupt);
  damage(bench, "fifth state");
  EXPECT_EQ(bench.text("k"), "error: corrupt");
  EXPECT_EQ(persist::as_text(read_version(*bench.driver, "k", versions[0].version).record.data),
            "third state")
      << "also where what is there now is what is damaged";
}

TEST(FileHistory, a_damaged_list_keeps_nobody_from_saving_and_is_left_as_it_is) {
  Bench bench;
  Keeper keeper(bench);
  for (const char* text : {"first state", "second state", "third state"})
    ASSERT_TRUE(keeper.save("k", text, {.keep = 9}));
  const std::uint64_t now = bench.driver->read("k").record.version;
  persist::Buffer row;  // of the state before
  persist::append_little(row, now - 1);
  damage(bench, persist::as_text(row));
  const auto listed = [&] {
    persist::ReadRequest request{.store = bench.driver->store, .key = "k", .wants_versions = true};
    bench.file->read({&request, 1});
    return request.error.code();
  };
  EXPECT_EQ(listed(), Errc::corrupt);
  EXPECT_EQ(read_version(*bench.driver, "k", now - 1).error, Errc::corrupt);
  EXPECT_EQ(bench.text("k"), "third state");
  ASSERT_TRUE(keeper.save("k", "fourth state", {.keep = 9})) << "no save fails for it";
  EXPECT_EQ(bench.text("k"), "fourth state");
  EXPECT_EQ(listed(), Errc::corrupt) << "and nobody is told that there was no history";
  (void)bench.driver->erase("k");
  EXPECT_EQ(listed(), Errc{});
}

/// As somebody else's program may have written it: the sums are right, the rows are not.
TEST(FileHistory, rows_in_another_order_make_no_entry) {
  using namespace persist::backend::file;
  const auto reads = [](std::vector<PartKind> kinds) {
    Record record;
    auto extra = std::make_shared<Extra>();
    extra->history.assign(kinds.size(), Place{2, 0, 10, 0});
    record.extra = extra;
    persist::Buffer bytes;
    write_record(bytes, 3, 0, 0, "key", record, {});
    for (std::size_t i = 0; i < kinds.size(); ++i)
      bytes.data()[bytes.size() - part_row * (kinds.size() - i)] = static_cast<std::byte>(kinds[i]);
    std::size_t at = 0;
    return read_record(*next_entry(bytes, at, 3, 0)).has_value();
  };
  EXPECT_TRUE(reads({PartKind::history, PartKind::older, PartKind::older}));
  EXPECT_TRUE(reads({PartKind::history}));
  EXPECT_FALSE(reads({PartKind::older, PartKind::history}));
  EXPECT_FALSE(reads({PartKind::older}));
  EXPECT_FALSE(reads({PartKind::history, PartKind::older, PartKind::history}));
  EXPECT_FALSE(reads({PartKind::history, static_cast<PartKind>(10)}));
}

}  // namespace
