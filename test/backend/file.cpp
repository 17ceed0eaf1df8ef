#include <persist/backend/file.hpp>

#include "backend/law_cases.hpp"

#include "backend/file/support.hpp"

#include <csignal>
#include <filesystem>
#include <fstream>
#include <random>

#include <sys/wait.h>

namespace {

using persist::Errc;
using persist::backend::Durability;
using persist::backend::File;
using persist::testing::ManualClock;
using persist::testing::Report;
using persist::testing::laws::Driver;
using persist::testing::laws::Holding;
using persist::testing::laws::Outcome;
using persist::testing::laws::Taken;

static_assert(persist::transactional_backend<File>);
static_assert(persist::watched_backend<File> && persist::queries_indexes<File>);
static_assert(persist::versioned_backend<File>);

/// A folder that is gone when the test ends.
class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "persist-XXXXXX").string();
    if (::mkdtemp(name.data()) != nullptr) path_ = name;
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() { std::filesystem::remove_all(path_); }
  [[nodiscard]] std::string operator/(const char* name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

/// One request of every operation.
struct OneOfEach {
  persist::OpenStoreRequest open{"new store", persist::LockKind::lease, {}};
  persist::AcquireRequest acquire{{}, "k", {{}, 1, 1}};
  persist::Change change;
  persist::CommitRequest commit{{&change, 1}};
  persist::ReadRequest read{{}, "k"};
  persist::PostRequest post{{}, "k"};
  persist::RelayRequest relay{{}, 64, {}, "k", {}};
  persist::EraseRequest erase{{}, "k"};
  persist::ScanRequest scan;

  void run(File& file) {
    file.open_store({&open, 1});
    file.acquire({&acquire, 1});
    file.commit({&commit, 1});
    file.read({&read, 1});
    file.post({&post, 1});
    file.relay({&relay, 1});
    file.erase({&erase, 1});
    file.scan({&scan, 1});
  }
  [[nodiscard]] std::vector<Errc> codes() const {
    return {open.error.code(), acquire.error.code(), commit.error.code(), read.error.code(),
            post.error.code(), relay.error.code(),   erase.error.code(),  scan.error.code()};
  }
};

/// Lets go of something when somebody begins to wait.
class ReleasingClock final : public persist::Clock {
 public:
  explicit ReleasingClock(std::function<void()> release) : release_(std::move(release)) {}
  [[nodiscard]] persist::TimePoint now() const override { return clock_.now(); }
  [[nodiscard]] persist::WallTime wall() const override { return clock_.wall(); }
  void wait_until(persist::TimePoint deadline, persist::Wake& wake) override {
    release_();
    clock_.wait_until(deadline, wake);
  }

 private:
  std::function<void()> release_;
  ManualClock clock_;
};

std::string value_of(std::uint64_t version) {
  return std::to_string(version) + std::string(version * 37 % 3000, 'x');
}
/// What the child does that is killed: reports each version through the pipe once it is
/// acknowledged.
int save_without_end(const std::string& path, int report_to) {
  File file(path, {.segment_bytes = 8192});
  ManualClock clock;
  Report report;
  Driver<File> driver(file, clock, report);
  auto mine = driver.acquire("k", driver.somebody(), persist::Intent::wait, {});
  Holding holding{"k", mine.record.fence};
  for (std::uint64_t version = mine.record.version + 1; report.failures().empty(); ++version) {
    driver.save(holding, value_of(version));
    if (::write(report_to, &version, sizeof version) != sizeof version) break;
  }
  return 1;
}

/// Each law has a folder of its own. Without syncs: the laws run on synced disks in memory too.
const int laws = persist_test::register_laws<File>(
    "LawsOnFile",
    [folder = std::shared_ptr<Folder>()](persist::testing::ManualClock& clock) mutable {
      folder = std::make_shared<Folder>();
      return File(*folder / "save", {.durability = Durability::relaxed, .clock = &clock});
    });
const int laws_on_disk = persist_test::register_laws<persist_test::DiskFile>(
    "LawsOnFileInMemory", [](persist::testing::ManualClock& clock) {
      return persist_test::DiskFile("save", {.clock = &clock, .segment_bytes = 4096});
    });

TEST(File, EpochsThatWereRaisedGoOnAboveAfterTheNextOpen) {
  const Folder folder;
  ManualClock clock;
  std::uint64_t epoch = 0;
  constexpr std::uint64_t elsewhere = std::uint64_t{1} << 45;
  for (int run = 0; run < 3; ++run) {
    File file(folder / "save", {.clock = &clock});
    Report report;
    Driver<File> driver(file, clock, report);
    Holding mine = driver.take("k");
    EXPECT_GT(mine.fence.epoch, epoch);
    driver.save(mine, "x");
    persist::AcquireRequest raise{driver.store, "k", mine.fence.owner, std::chrono::minutes(1)};
    raise.least_epoch = run == 1 ? elsewhere : 0;
    file.acquire({&raise, 1});
    epoch = raise.record.fence.epoch;
    Holding raised{"k", raise.record.fence};
    driver.save(raised, "y");
    EXPECT_TRUE(report.passed()) << report.text();
  }
  EXPECT_GT(epoch, elsewhere);
}

TEST(File, HoldsToEveryLaw) {
  EXPECT_EQ(static_cast<std::size_t>(laws), persist::testing::backend_laws<File>().size());
  EXPECT_EQ(laws, laws_on_disk);
}

bool save(File& file, std::string_view key, std::string_view text) {
  ManualClock clock;
  Report report;
  Driver<File> driver(file, clock, report);
  Holding mine = driver.take(key, {});
  driver.save(mine, text);
  return report.passed();
}
std::string text(File& file, std::string_view key) {
  ManualClock clock;
  Report report;
  Driver<File> driver(file, clock, report);
  return std::string(persist::as_text(driver.read(key).record.data));
}

TEST(File, KeepsWhatWasSaved) {
  const Folder folder;
  {
    File file(folder / "save");
    ASSERT_TRUE(file.status()) << file.status().error();
    EXPECT_TRUE(save(file, "k", "hello"));
  }
  auto file = File::open(folder / "save");
  ASSERT_TRUE(file) << file.error();
  EXPECT_EQ(text(*file, "k"), "hello");
  EXPECT_EQ(file->report().run, 2u);
}

TEST(File, ItsFilesAreForItsOwnerOnly) {
  const Folder folder;
  File file(folder / "save", {.segment_bytes = 4096});
  for (int i = 0; i < 5; ++i)
    ASSERT_TRUE(save(file, "k", std::string(3000, 'x')));
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder / "save")) {
    EXPECT_EQ(entry.status().permissions(), std::filesystem::perms(0600)) << entry.path();
    ++files;
  }
  EXPECT_GE(files, 3);
  EXPECT_EQ(std::filesystem::status(folder / "save").permissions(), std::filesystem::perms(0700));
}

TEST(File, ASecondHandleOnTheFolderIsToldWhoHasIt) {
  const Folder folder;
  File first(folder / "save");
  ASSERT_TRUE(first.status());
  File second(folder / "save");
  ASSERT_TRUE(second.status().is(Errc::locked));
  const std::string message = second.status().error().message();
  EXPECT_NE(message.find("this process: copy the backend"), message.npos) << message;
  const auto holder = File::holder(folder / "save");
  ASSERT_TRUE(holder && *holder);
  EXPECT_EQ((*holder)->process, static_cast<std::uint64_t>(::getpid()));
  EXPECT_GT((*holder)->since, persist::WallTime{});
}

TEST(File, AHandleThatDidNotOpenAnswersEverythingWithTheOpeningError) {
  const Folder folder;
  File first(folder / "save");
  File second(folder / "save");
  EXPECT_FALSE(second.same_database(second));
  OneOfEach all;
  all.run(second);
  for (const Errc code : all.codes())
    EXPECT_EQ(code, Errc::locked);
  EXPECT_EQ(all.acquire.outcome, Taken::failed);
  EXPECT_EQ(all.commit.outcome, Outcome::failed);
  EXPECT_TRUE(second.flush().is(Errc::locked));
}

TEST(File, WaitsForTheFolderAsLongAsTold) {
  const Folder folder;
  ManualClock clock;
  auto first = std::make_optional<File>(folder / "save");
  const auto begin = clock.now();
  File late(folder / "save", {.wait_for_lock = std::chrono::seconds(3), .clock = &clock});
  EXPECT_TRUE(late.status().is(Errc::locked));
  EXPECT_EQ(clock.now() - begin, std::chrono::seconds(3));

  ReleasingClock releasing([&] { first.reset(); });
  File next(folder / "save", {.wait_for_lock = std::chrono::seconds(3), .clock = &releasing});
  EXPECT_TRUE(next.status()) << "it is free before the time is up";
}

TEST(File, AFolderThatCannotBeWrittenIsAnErrorAndNoThrow) {
  const Folder folder;
  std::ofstream(folder / "file") << "no folder";
  for (const std::string& path : {folder / "file", folder / "file" + "/save",
                                  folder / "no" + "/such", std::string("/proc/persist")}) {
    const auto file = File::open(path);
    ASSERT_FALSE(file) << path;
    EXPECT_EQ(file.error().code(), Errc::io) << path;
    EXPECT_NE(file.error().os_error(), 0) << path;
    EXPECT_NE(file.error().message().find(path), std::string::npos) << file.error();
  }
}

/// Runs `body` in a child process and answers how it ended.
template <class F>
int in_child(F body) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(body());
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(File, ASecondProcessIsRefusedAndASnapshotIsNot) {
  const Folder folder;
  File file(folder / "save");
  ASSERT_TRUE(save(file, "k", "live"));
  const int refused = in_child([&] {
    File other(folder / "save");
    const std::string parent = "process " + std::to_string(::getppid());
    const auto status = other.status();
    return status.is(Errc::locked) && status.error().message().find(parent) != std::string::npos
               ? 7
               : 1;
  });
  EXPECT_EQ(refused, 7);
  const int looked = in_child([&] {
    auto snapshot = File::open_snapshot(folder / "save");
    return snapshot && text(*snapshot, "k") == "live" ? 7 : 1;
  });
  EXPECT_EQ(looked, 7);
  EXPECT_TRUE(save(file, "k", "goes on"));
}

TEST(File, ASnapshotReadsAndNothingElse) {
  const Folder folder;
  File file(folder / "save");
  ASSERT_TRUE(save(file, "k", "before"));
  auto snapshot = File::open_snapshot(folder / "save");
  ASSERT_TRUE(snapshot) << snapshot.error();
  ASSERT_TRUE(save(file, "k", "after"));
  EXPECT_EQ(text(*snapshot, "k"), "before") << "of the moment it was taken";
  EXPECT_EQ(snapshot->opened_by().process, static_cast<std::uint64_t>(::getpid()));
  ASSERT_EQ(snapshot->stores().size(), 1u);
  OneOfEach all;
  all.run(*snapshot);
  for (const Errc code : {all.acquire.error.code(), all.commit.error.code(), all.post.error.code(),
                          all.relay.error.code(), all.erase.error.code(), all.open.error.code()})
    EXPECT_EQ(code, Errc::refused);
  EXPECT_FALSE(File::open_snapshot(folder / "nothing"));
}

TEST(File, ASegmentOfATebibyteIsRefusedAndNotReadWhole) {
  const Folder folder;
  ASSERT_TRUE(File::open(folder / "save"));
  std::filesystem::resize_file(folder / "save/00000001.log", std::uint64_t{1} << 40);
  const auto seen = File::open_snapshot(folder / "save");
  EXPECT_TRUE(seen.is(Errc::corrupt)) << seen.error();
  EXPECT_TRUE(File::open(folder / "save").is(Errc::corrupt));
}

TEST(File, ALockFileThatIsRemovedLetsNobodyIn) {
  const Folder folder;
  auto file = std::make_optional<File>(folder / "save",
                                       persist::backend::FileOptions{.segment_bytes = 4096});
  for (int i = 0; i < 40; ++i) {
    ASSERT_TRUE(save(*file, "k", std::string(1000, 'x')));
    if (i % 10 != 0) continue;
    std::filesystem::remove(folder / "save/lock");
    const int refused = in_child([&] {
      const std::string parent = "process " + std::to_string(::getppid());
      const auto holder = File::holder(folder / "save");
      if (!holder || !*holder || (*holder)->process != static_cast<std::uint64_t>(::getppid()))
        return 1;
      if (std::filesystem::exists(folder / "save/lock")) return 2;  // asking makes none
      const auto status = File(folder / "save").status();
      if (!status.is(Errc::locked)) return 3;
      return status.error().message().find(parent) != std::string::npos ? 7 : 4;
    });
    EXPECT_EQ(refused, 7) << i;
  }
  file.reset();
  EXPECT_FALSE(*File::holder(folder / "save"));
  EXPECT_TRUE(File(folder / "save").status());
}

TEST(File, AKilledServerLosesNothingThatItAcknowledged) {
  const Folder folder;
  std::mt19937 random(11);
  std::uint64_t last = 0;
  for (int round = 0; round < 50; ++round) {
    int pipe[2];
    ASSERT_EQ(::pipe(pipe), 0);
    const pid_t child = ::fork();
    if (child == 0) ::_exit(save_without_end(folder / "save", pipe[1]));
    ::close(pipe[1]);
    std::uint64_t acknowledged = last;
    // Killed in the middle of whatever it does after so many acknowledgements.
    for (auto left = random() % 25; left != 0; --left)
      if (::read(pipe[0], &acknowledged, sizeof acknowledged) != sizeof acknowledged) break;
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    while (::read(pipe[0], &acknowledged, sizeof acknowledged) == sizeof acknowledged) {
    }
    ::close(pipe[0]);
    File file(folder / "save", {.segment_bytes = 8192});
    ASSERT_TRUE(file.status()) << round << file.status().error();
    ManualClock clock;
    Report report;
    Driver<File> driver(file, clock, report);
    const auto now = driver.read("k");
    ASSERT_GE(now.record.version, acknowledged) << round;
    if (now.found) {
      EXPECT_EQ(text(file, "k"), value_of(now.record.version));
    }
    last = now.record.version;
  }
  EXPECT_GT(last, 50u);
}

}  // namespace
