#include <persist/backend/file/compact.hpp>

#include <persist/testing/laws/backend/schema.hpp>

#include "backend/file/support.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

namespace {

using namespace persist_test;

constexpr FileOptions small{.segment_bytes = 8192};

/// Saves random records again and again; knows what must be there.
struct Churn {
  explicit Churn(Bench& on) : bench(on) {}

  /// One random change; says whether it was acknowledged.
  bool step() {
    const std::string key = "k" + std::to_string(random() % 12);
    const std::string value(random() % 1500, static_cast<char>('a' + random() % 26));
    if (random() % 10 == 0) {
      const auto erased = bench.driver->erase(key);
      if (persist::failed(erased.error)) return maybe[key] = "nothing", false;
      known[key] = "nothing";
      return true;
    }
    if (!bench.saved(key, value)) return maybe[key] = value, false;
    known[key] = value;
    return true;
  }
  /// Every record is as acknowledged, or as the one change that nobody answered.
  void check(const std::string& where) {
    for (const auto& [key, value] : known) {
      const std::string now = bench.text(key);
      EXPECT_TRUE(now == value || (maybe.contains(key) && now == maybe[key])) << key << where;
      known[key] = now;
    }
    maybe.clear();
  }
  Bench& bench;
  std::mt19937_64 random{7};
  std::map<std::string, std::string> known, maybe;
};

/// A record that needs a schema, and whether the store still holds that.
bool save_sharing(Bench& bench, const persist::Schema& schema, bool sends) {
  Holding holding = bench.driver->take_away("sharing");
  return persist::testing::laws::save_with_schema(*bench.driver, holding, schema, sends).outcome ==
         Outcome::applied;
}
std::string schema_text(Bench& bench, const persist::Schema& schema) {
  const auto read = persist::testing::laws::read_schema(*bench.driver, schema.id);
  return persist::failed(read.error) ? read.error.message()
                                     : std::string(persist::as_text(read.bytes));
}

TEST(FileCompaction, ASchemaOutlivesTheSegmentItWasWrittenIn) {
  const persist::Schema schema = persist::testing::laws::schema_of("names and kinds");
  Bench bench({}, small);
  ASSERT_TRUE(save_sharing(bench, schema, true));
  Churn churn(bench);
  while (bench.file->stats().compactions < 10)
    ASSERT_TRUE(churn.step());
  bench.reopen();
  EXPECT_EQ(schema_text(bench, schema), "names and kinds");
  EXPECT_TRUE(save_sharing(bench, schema, false)) << "naming it is enough";
  bench.kill_and_open();
  EXPECT_EQ(schema_text(bench, schema), "names and kinds");
}

TEST(FileCompaction, ASchemaThatWasNotSyncedIsWrittenAgainWithItsRecord) {
  const persist::Schema schema = persist::testing::laws::schema_of("names and kinds");
  FileOptions relaxed = small;
  relaxed.durability = persist::backend::Durability::relaxed;
  relaxed.sync_every = std::chrono::hours(1);
  Bench bench({}, relaxed);
  ASSERT_TRUE(bench.saved("k", "x"));
  ASSERT_TRUE(save_sharing(bench, schema, true));
  bench.kill_and_open();
  EXPECT_EQ(bench.text("sharing"), "data");
  bench.cut_power_and_open();
  EXPECT_EQ(bench.text("sharing"), "data");
  EXPECT_EQ(schema_text(bench, schema), "names and kinds");
}

TEST(FileCompaction, KeepsTheLogInProportionToWhatIsLive) {
  Bench bench({}, small);
  Churn churn(bench);
  for (int i = 0; i < 3000; ++i) {
    ASSERT_TRUE(churn.step());
    const auto now = bench.file->stats();
    ASSERT_LE(now.bytes, 5 * now.live_bytes / 2 + 3 * small.segment_bytes) << i;
  }
  EXPECT_GT(bench.file->stats().compactions, 50u);
  churn.check(" while it is open");
  const auto live = bench.file->stats().live_bytes;
  bench.reopen();
  churn.check(" after opening again");
  EXPECT_EQ(bench.file->stats().live_bytes, live) << "live bytes are counted right";
}

TEST(FileCompaction, GoesOnOverTheEndThatAClosedFolderHas) {
  Bench bench({}, small);
  Churn churn(bench);
  for (int i = 0; i < 300; ++i) {
    ASSERT_TRUE(churn.step());
    ASSERT_EQ(bench.file->stats().damaged_segments, 0u) << i;
    if (i % 20 == 0) bench.reopen();
  }
  const auto now = bench.file->stats();
  EXPECT_LE(now.bytes, 5 * now.live_bytes / 2 + 3 * small.segment_bytes);
  churn.check(" over many closes");
}

TEST(FileCompaction, CopiesWhatNobodyWritesAnyMore) {
  Bench bench({}, small);
  for (int i = 0; i < 40; ++i)
    ASSERT_TRUE(bench.saved("cold" + std::to_string(i), "cold" + std::to_string(i)));
  Holding rich = bench.driver->take("rich");
  bench.driver->post("rich", 1, "mail");
  bench.driver->commit(
      bench.driver->next(rich).data("d").metadata("m").users({1, 2}).receipt(5, 9));
  persist::RecordLimits none;
  none.inbox_messages = 0;
  bench.driver->commit(bench.driver->next(rich).send("full", 1, "waits").limits(none).release());
  bench.driver->erase("cold0");
  for (int i = 0; i < 200; ++i)
    ASSERT_TRUE(bench.saved("hot", std::string(1000, 'h')));
  ASSERT_GT(bench.file->stats().compactions, 5u);
  for (int round = 0; round < 2; ++round) {
    for (int i = 1; i < 40; ++i)
      EXPECT_EQ(bench.text("cold" + std::to_string(i)), "cold" + std::to_string(i));
    EXPECT_EQ(bench.text("cold0"), "nothing");
    const auto got =
        bench.driver->acquire("rich", bench.driver->somebody(), persist::Intent::wait, {});
    EXPECT_EQ(persist::as_text(got.record.metadata), "m");
    EXPECT_EQ(got.record.user_ids.size(), 2u);
    EXPECT_EQ(got.record.receipts.size(), 1u);
    EXPECT_EQ(got.record.inbox.size(), 1u);
    EXPECT_EQ(bench.driver->waiting().size(), 1u);
    bench.kill_and_open();
  }
}

TEST(FileCompaction, ForgetsTheKeyOfAnErasedRecordAndKeepsItsEpoch) {
  Bench bench({}, small);
  Holding secret = bench.driver->take("secret-name");
  bench.driver->save(secret, "x");
  bench.driver->erase("secret-name");
  for (int i = 0; i < 300; ++i)
    ASSERT_TRUE(bench.saved("hot", std::string(1000, 'h')));
  for (const std::string& name : bench.disk.files()) {
    const auto& bytes = bench.disk.bytes(name);
    const std::string all(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    EXPECT_EQ(all.find("secret-name"), all.npos) << name;
  }
  bench.kill_and_open();
  EXPECT_EQ(bench.driver->commit(bench.driver->next(secret).data("late")), Outcome::fenced);
  EXPECT_EQ(bench.text("secret-name"), "nothing");
  Holding again = bench.driver->take("secret-name");
  auto draft = bench.driver->next(again).data("new");
  bench.driver->commit(draft);
  EXPECT_EQ(draft.change().version, 2u);
}

/// In how many files of the disk the word is.
int files_with(const Bench& bench, std::string_view word) {
  int found = 0;
  for (const std::string& name : bench.disk.files()) {
    const auto& bytes = bench.disk.bytes(name);
    const std::string_view all(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    found += all.find(word) != all.npos ? 1 : 0;
  }
  return found;
}

TEST(FileCompaction, AskedForLeavesNothingOfWhatWasErased) {
  Bench bench;  // with segments that would never be full
  Holding secret = bench.driver->take("MARKERkey");
  bench.driver->save(secret, "MARKERdata");
  for (int i = 0; i < 20; ++i)
    ASSERT_TRUE(bench.saved("k" + std::to_string(i), "kept " + std::to_string(i)));
  ASSERT_TRUE(bench.saved("k3", "MARKERold"));
  ASSERT_TRUE(bench.saved("k3", "new"));
  bench.driver->erase("MARKERkey");
  ASSERT_GT(files_with(bench, "MARKER"), 0);
  ASSERT_TRUE(bench.file->compact());
  EXPECT_EQ(files_with(bench, "MARKER"), 0);
  for (int round = 0; round < 3; ++round) {
    for (int i = 4; i < 20; ++i)
      EXPECT_EQ(bench.text("k" + std::to_string(i)), "kept " + std::to_string(i)) << round;
    EXPECT_EQ(bench.text("k3"), "new") << round;
    EXPECT_EQ(bench.driver->commit(bench.driver->next(secret).data("late")), Outcome::fenced);
    round == 0 ? bench.reopen() : bench.cut_power_and_open();
    ASSERT_TRUE(bench.file->compact()) << "and again";
  }
}

TEST(FileCompaction, AskedForWithoutRoomLosesNothingAndGoesOnLater) {
  Bench bench({}, small);
  Churn churn(bench);
  for (int i = 0; i < 60; ++i)
    ASSERT_TRUE(churn.step());
  bench.disk.state().room = 2000;
  EXPECT_TRUE(bench.file->compact().is(Errc::io));
  churn.check(" without room");
  bench.disk.state().room = ~std::uint64_t{0};
  if (!bench.file->status()) bench.reopen();
  ASSERT_TRUE(bench.file->compact());
  churn.check(" with room again");
  const auto now = bench.file->stats();
  EXPECT_LE(now.bytes, now.live_bytes + 2 * small.segment_bytes);
}

TEST(FileCompaction, AskedForIsSafeWhereverTheProcessStops) {
  const auto play = [](Bench& bench, Churn& churn) {
    for (int i = 0; i < 40 && churn.step(); ++i) {
    }
    return bench.file->compact() && churn.step() && bench.file->compact();
  };
  std::uint64_t operations = 0;
  {
    Bench bench({}, small);
    Churn churn(bench);
    ASSERT_TRUE(play(bench, churn));
    operations = bench.disk.state().operations;
  }
  for (const bool power : {false, true})
    for (std::uint64_t stop = 12; stop <= operations; ++stop) {
      Bench bench({}, small);
      Churn churn(bench);
      bench.disk.state().stop_at = stop;
      (void)play(bench, churn);
      const std::string where = " stopped at operation " + std::to_string(stop);
      power ? bench.cut_power_and_open(stop) : bench.kill_and_open();
      ASSERT_TRUE(bench.file->status()) << bench.file->status().error() << where;
      churn.check(where);
      ASSERT_TRUE(churn.step()) << where;
      ASSERT_TRUE(bench.file->compact()) << where;
      bench.cut_power_and_open();
      churn.check(where + " and went on");
    }
}

TEST(FileCompaction, OfASnapshotIsRefused) {
  Bench bench({}, small);
  ASSERT_TRUE(bench.saved("k", "x"));
  auto seen = DiskFile::open_snapshot("save", bench.disk);
  ASSERT_TRUE(seen) << seen.error();
  EXPECT_TRUE(seen->compact().is(Errc::refused));
}

TEST(FileCompaction, ManyRestartsDoNotLeaveManySegments) {
  Bench bench({}, small);
  for (int i = 0; i < 60; ++i) {
    ASSERT_TRUE(bench.saved("k", "x" + std::to_string(i)));
    bench.kill_and_open();
  }
  std::size_t segments = 0;
  for (const std::string& name : bench.disk.files())
    segments += name.ends_with(".log") ? 1 : 0;
  EXPECT_LT(segments, 20u);
  EXPECT_EQ(bench.text("k"), "x59");
}

TEST(FileCompaction, ManyRecordsDoNotLeaveManySegments) {
  // Each is an open descriptor, and a process has about a thousand.
  Bench bench({}, {.segment_bytes = 4096});
  const std::string text(4000, 'x');
  std::size_t most = 0;
  for (int i = 0; i < 2500; ++i) {
    ASSERT_TRUE(bench.saved("k" + std::to_string(i < 1000 ? i : i % 250), text));
    std::size_t segments = 0;
    for (const std::string& name : bench.disk.files())
      segments += name.ends_with(".log") ? 1 : 0;
    most = (std::max)(most, segments);
  }
  EXPECT_LT(most, 350u);
  EXPECT_GT(bench.file->stats().compactions, 10u);
  bench.kill_and_open();
  EXPECT_EQ(bench.text("k999"), text);
}

TEST(FileCompaction, ADamagedHeaderLosesNothingThatLiesBehindIt) {
  for (const std::size_t field : {0u, 8u, 24u, 26u, 28u, 32u}) {
    Bench bench({}, small);
    ASSERT_TRUE(bench.saved("first", "x"));
    ASSERT_TRUE(bench.saved("erased", "x"));
    const std::string segment = newest_segment(bench.disk);
    const std::size_t header = bench.disk.bytes(segment).size();
    ASSERT_TRUE(bench.saved("second", "behind"));
    bench.driver->erase("erased");
    bench.disk.bytes(segment)[header + field] ^= std::byte{0x7f};  // under a running server
    for (int i = 0; i < 100; ++i)
      ASSERT_TRUE(bench.saved("hot", std::string(1000, 'h')));
    EXPECT_GT(bench.file->stats().compactions, 5u) << field;
    EXPECT_EQ(bench.file->stats().damaged_segments, 0u) << "no record refers to what is damaged";
    for (int round = 0; round < 2; ++round) {
      EXPECT_EQ(bench.text("first"), "x") << field;
      EXPECT_EQ(bench.text("second"), "behind") << field;
      EXPECT_EQ(bench.text("erased"), "nothing") << field;
      bench.kill_and_open();
      ASSERT_TRUE(bench.file->status()) << bench.file->status().error();
    }
  }
}

TEST(FileCompaction, KeepsUpWithAnInboxThatManyHaveWrittenTo) {
  Bench bench({}, {.segment_bytes = 4096});
  persist::RecordLimits wide;
  wide.inbox_messages = 100'000;
  wide.inbox_bytes = 100'000'000;
  std::vector<persist::PostRequest> posts(6000);
  for (std::size_t i = 0; i < posts.size(); ++i)
    posts[i] = {.store = bench.driver->store,
                .key = "popular",
                .origin = {{i + 1, 7}, 1, 1, {}},
                .message = {"Gift", 1, 0, {}, {}},
                .limits = &wide};
  bench.file->post(posts);
  Holding popular = bench.driver->take("popular");
  auto taken = bench.driver->next(popular);
  for (std::uint64_t i = 1; i <= posts.size(); ++i)
    taken.acknowledge(i);
  ASSERT_EQ(bench.driver->commit(taken), Outcome::applied);
  for (std::uint64_t i = 0; i < 60; ++i) {
    bench.driver->post("popular", i + 1, "hello");
    const auto now = bench.file->stats();
    // One batch more than the bound: it is written before what it makes needless is removed.
    if (i < 20) continue;  // what was handled first has to be passed
    ASSERT_LE(now.bytes, 7 * now.live_bytes / 2 + 3 * 4096) << i;
  }
}

TEST(FileCompaction, DamagedBytesKeepTheirSegmentAndNothingElse) {
  Bench bench({}, small);
  ASSERT_TRUE(bench.saved("good", "beside"));
  ASSERT_TRUE(bench.saved("bad", std::string(100, 'b')));
  const std::string segment = newest_segment(bench.disk);
  auto& bytes = bench.disk.bytes(segment);
  const std::string all(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  bytes[all.find(std::string(100, 'b')) + 50] ^= std::byte{1};
  const std::vector<std::byte> before = bytes;
  for (int i = 0; i < 300; ++i)
    ASSERT_TRUE(bench.saved("hot", std::string(1000, 'h')));
  const auto now = bench.file->stats();
  EXPECT_GT(now.compactions, 10u) << "the others are emptied";
  EXPECT_LE(now.bytes, 5 * now.live_bytes / 2 + 3 * small.segment_bytes);
  const std::string aside = segment.substr(0, segment.size() - 4) + ".damaged";
  const auto& after = bench.disk.bytes(aside);
  ASSERT_GE(after.size(), before.size());
  EXPECT_TRUE(std::equal(before.begin(), before.end(), after.begin())) << "untouched";
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(bench.file->stats().damaged_segments, 1u);
    EXPECT_EQ(bench.text("bad"), "error: corrupt") << "still there for whoever can mend it";
    EXPECT_EQ(bench.text("good"), "beside");
    bench.kill_and_open();
    ASSERT_TRUE(bench.file->status()) << bench.file->status().error();
  }
  bench.disk.bytes(aside)[all.find(std::string(100, 'b')) + 50] ^= std::byte{1};
  EXPECT_EQ(bench.text("bad"), std::string(100, 'b')) << "mended";
}

TEST(FileCompaction, NoCrashLosesTheDamagedBytes) {
  std::string damaged(100, 'b');
  damaged[50] = '!';
  bool set_aside = false;
  for (std::uint64_t stop = 40; stop < 160; ++stop) {
    Bench bench({}, small);
    ASSERT_TRUE(bench.saved("bad", std::string(100, 'b')));
    auto& bytes = bench.disk.bytes(newest_segment(bench.disk));
    const std::string all(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    bytes[all.find(std::string(100, 'b')) + 50] = std::byte{'!'};
    bench.disk.state().stop_at = stop;
    for (int i = 0; i < 60; ++i)
      (void)bench.save("hot", std::string(1000, 'h'));
    bench.kill_and_open();
    // Before it was set aside, damage refuses the folder.
    if (const auto opened = bench.file->status(); opened)
      EXPECT_EQ(bench.text("bad"), "error: corrupt") << stop;
    else
      EXPECT_TRUE(opened.is(Errc::corrupt)) << opened.error();
    set_aside = set_aside || bench.file->status();
    bool there = false;
    for (const std::string& name : bench.disk.files()) {
      const auto& now = bench.disk.bytes(name);
      const std::string_view text(reinterpret_cast<const char*>(now.data()), now.size());
      there = there || text.find(damaged) != text.npos;
    }
    EXPECT_TRUE(there) << stop;
  }
  EXPECT_TRUE(set_aside);
}

TEST(FileCompaction, ACrashBeforeItIsSetAsideLosesNothingOfWhatReadsAgain) {
  const std::string good(100, 'b');
  for (std::uint64_t stop = 40; stop < 160; ++stop) {
    Bench bench({}, small);
    ASSERT_TRUE(bench.saved("bad", good));
    const std::string name = newest_segment(bench.disk);
    auto& bytes = bench.disk.bytes(name);
    const std::string all(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    const std::size_t at = all.find(good) + 50;
    bytes[at] = std::byte{'!'};
    bench.disk.state().stop_at = stop;
    for (int i = 0; i < 60; ++i)
      (void)bench.save("hot", std::string(1000, 'h'));
    for (const std::string& file : bench.disk.files())  // it may have another name by now
      if (auto& now = bench.disk.bytes(file); now.size() > at && now[at] == std::byte{'!'})
        now[at] = std::byte{'b'};
    for (int i = 0; i < 2; ++i) {
      bench.kill_and_open();
      ASSERT_TRUE(bench.file->status()) << stop << ": " << bench.file->status().error();
      EXPECT_EQ(bench.text("bad"), good) << stop;
    }
  }
}

TEST(FileCompaction, ADamagedSegmentThatCouldNotBeRenamedDoesNotRefuseTheFolder) {
  Bench bench({}, small);
  ASSERT_TRUE(bench.saved("bad", std::string(100, 'b')));
  const std::string segment = newest_segment(bench.disk);
  auto& bytes = bench.disk.bytes(segment);
  const std::string all(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  bytes[all.find(std::string(100, 'b')) + 50] ^= std::byte{1};
  bench.disk.state().stays = segment;
  const auto overwrite_much = [&] {
    for (int i = 0; i < 300; ++i)
      ASSERT_TRUE(bench.saved("hot", std::string(1000, 'h')));
  };
  overwrite_much();
  const auto is_as_before = [&](std::string_view when) {
    ASSERT_TRUE(bench.file->status()) << bench.file->status().error() << when;
    EXPECT_EQ(bench.text("bad"), "error: corrupt") << when;
    EXPECT_EQ(bench.text("hot"), std::string(1000, 'h')) << when;
    EXPECT_EQ(bench.file->stats().damaged_segments, 1u) << when;
  };
  ASSERT_FALSE(bench.disk.state().names.contains("save/00000002.log")) << "the next one went";
  for (int i = 0; i < 2; ++i) {
    bench.kill_and_open();
    is_as_before(" with its old name");
    overwrite_much();
    const auto seen = DiskFile::open_snapshot("save", bench.disk);
    ASSERT_TRUE(seen) << seen.error();
  }
  bench.disk.state().stays.clear();
  bench.reopen();
  is_as_before(" with its new name");
  EXPECT_FALSE(bench.disk.state().names.contains(segment));
  bench.reopen();
  is_as_before(" when opened once more");
}

/// Plays the same changes on a disk that stops at the n-th operation, for every n.
void stop_everywhere(bool power) {
  std::uint64_t operations = 0;
  {
    Bench bench({}, small);
    Churn churn(bench);
    for (int i = 0; i < 90; ++i)
      churn.step();
    ASSERT_GT(bench.file->stats().compactions, 1u);
    operations = bench.disk.state().operations;
  }
  for (std::uint64_t stop = 12; stop <= operations; ++stop) {
    Bench bench({}, small);
    Churn churn(bench);
    bench.disk.state().stop_at = stop;
    for (int i = 0; i < 90 && churn.step(); ++i) {
    }
    const std::string where = " stopped at operation " + std::to_string(stop);
    power ? bench.cut_power_and_open(stop) : bench.kill_and_open();
    ASSERT_TRUE(bench.file->status()) << bench.file->status().error() << where;
    churn.check(where);
    for (int i = 0; i < 10; ++i)
      ASSERT_TRUE(churn.step()) << where;
    bench.cut_power_and_open();
    churn.check(where + " and went on");
  }
}
/// What was done since the folder was last seen, to be compared with what a crash left of it.
class Past {
 public:
  void done(const std::string& key, const std::string& value) { since_.emplace_back(key, value); }
  [[nodiscard]] std::size_t size() const { return since_.size(); }
  /// Whether the folder holds what the first n changes made, n being at least `least`. Goes on from
  /// there.
  [[nodiscard]] bool fits(Bench& bench, std::size_t least) {
    auto now = known_;
    for (auto& [key, value] : now)
      value = bench.text(key);
    auto then = known_;
    bool found = least == 0 && then == now;
    for (std::size_t i = 0; i < since_.size(); ++i) {
      then[since_[i].first] = since_[i].second;
      found = found || (i + 1 >= least && then == now);
    }
    known_ = now;
    since_.clear();
    return found;
  }

 private:
  static std::map<std::string, std::string> nothing() {
    std::map<std::string, std::string> all;
    for (int i = 0; i < 6; ++i)
      all["k" + std::to_string(i)] = "nothing";
    return all;
  }
  std::map<std::string, std::string> known_ = nothing();
  std::vector<std::pair<std::string, std::string>> since_;
};

/// Crash after crash, at any operation, also of the opening itself; each power cut leaves any part
/// of what was not synced.
void crash_again_and_again(std::uint64_t seed, persist::backend::Durability durability) {
  FileOptions options = small;
  options.segment_bytes = 4096;
  options.durability = durability;
  const bool full = durability == persist::backend::Durability::full;
  std::mt19937_64 random(seed);
  Bench bench({}, options);
  Past past;
  for (int crash = 0; crash < 12; ++crash) {
    std::size_t acknowledged = 0;
    bench.disk.state().stop_at = bench.disk.state().operations + 1 + random() % 60;
    for (std::uint64_t left = random() % 40; left != 0; --left) {
      const std::string key = "k" + std::to_string(random() % 6);
      std::string value(random() % 1500, static_cast<char>('a' + random() % 26));
      const bool erases = random() % 8 == 0;
      const bool ok =
          erases ? !persist::failed(bench.driver->erase(key).error) : bench.saved(key, value);
      past.done(key, erases ? "nothing" : value);
      if (!ok) break;
      ++acknowledged;
    }
    EXPECT_TRUE(bench.disk.state().stopped || bench.file->stats().damaged_segments == 0) << seed;
    if (random() % 4 == 0) bench.close();
    bool power = false;
    do {
      const bool cut = random() % 2 == 0;
      power = power || cut;
      cut ? bench.disk.cut_power_anyhow(random) : bench.disk.kill();
      bench.disk.state().stop_at =
          random() % 2 == 0 ? 0 : bench.disk.state().operations + 1 + random() % 30;
      bench.open();
    } while (bench.disk.state().stopped);
    bench.disk.state().stop_at = 0;
    const std::string where =
        " after crash " + std::to_string(crash) + " of " + std::to_string(seed);
    ASSERT_TRUE(bench.file->status()) << bench.file->status().error() << where;
    ASSERT_TRUE(past.fits(bench, full || !power ? acknowledged : 0)) << where;
  }
}
TEST(FileCompaction, LosesNothingOverManyCrashesInARow) {
  for (std::uint64_t seed = 1; seed <= 100; ++seed)
    crash_again_and_again(seed, persist::backend::Durability::full);
}
TEST(FileCompaction, LosesOnlyTheNewestOverManyCrashesWhenRelaxed) {
  for (std::uint64_t seed = 1; seed <= 100; ++seed)
    crash_again_and_again(seed, persist::backend::Durability::relaxed);
}

TEST(FileCompaction, IsSafeWhereverTheProcessStops) {
  stop_everywhere(false);
}
TEST(FileCompaction, IsSafeWhereverThePowerIsCut) {
  stop_everywhere(true);
}

}  // namespace
