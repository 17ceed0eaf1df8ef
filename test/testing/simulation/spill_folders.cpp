#include <persist/testing/simulation/spill_folders.hpp>

#include <gtest/gtest.h>

#include <filesystem>
#include <string>

namespace {

using namespace persist;
using persist::testing::SpillFolders;
using Fate = SpillFolders::Fate;

struct SpillFoldersCase : ::testing::Test {
  SpillFolders folders{2};
  std::string file;

  /// One server spills a commit of a session.
  void spill(std::uint64_t session) {
    auto journal = spill::Journal<>::open(folders.of(1), "players");
    ASSERT_TRUE(journal) << journal.error();
    spill::Entry entry;
    entry.stores = {{"players", LockKind::lease, {}}};
    entry.parts.emplace_back().key = "7";
    entry.parts[0].fence = {4, {ServerId("eu"), 1, session}, 2};
    spill::Journal<>::Written written;
    ASSERT_TRUE(spill::encode(entry, written.bytes));
    journal->write(std::span(&written, 1));
    file = written.file;
  }
  [[nodiscard]] std::string path() const { return folders.of(1) + "/" + file; }
};

TEST_F(SpillFoldersCase, KnowsWhoseAnEntryIsAndWhatBecomesOfIt) {
  spill(9);
  EXPECT_EQ(folders.meet(0, {}), 0U);
  ASSERT_EQ(folders.meet(1, {}), 1U);
  EXPECT_EQ(folders.meet(1, {}), 0U) << "it is known";
  auto& entry = folders.entries(1).at(0);
  EXPECT_EQ(entry.file(), file);
  EXPECT_TRUE(entry.is_of(9) && entry.writes_to("7"));
  EXPECT_FALSE(entry.is_of(8) || entry.writes_to("8"));
  EXPECT_TRUE(folders.settled(1).empty());
  EXPECT_FALSE(folders.is_all_gone(1, 9));
  std::filesystem::remove(path());
  ASSERT_EQ(folders.settled(1).size(), 1U);
  EXPECT_EQ(entry.fate, Fate::gone);
  EXPECT_TRUE(folders.is_all_gone(1, 9));
  EXPECT_TRUE(folders.settled(1).empty()) << "that was told";
  spill(10);
  EXPECT_EQ(folders.meet(1, {}), 1U) << "its number is used again";
}

TEST_F(SpillFoldersCase, WhatIsRefusedHasAnotherName) {
  spill(9);
  ASSERT_EQ(folders.meet(1, {}), 1U);
  spill::FileName name = folders.entries(1)[0].name;
  name.end = spill::FileName::refused;
  std::filesystem::rename(path(), folders.of(1) + "/" + name.text());
  ASSERT_EQ(folders.settled(1).size(), 1U);
  EXPECT_EQ(folders.entries(1)[0].fate, Fate::refused);
  EXPECT_EQ(folders.entries(1)[0].file(), name.text());
}

TEST_F(SpillFoldersCase, WhatWasWholeAndHasNoNameStillWaits) {
  spill(9);
  ASSERT_EQ(folders.meet(1, {}), 1U);
  folders.unname(1, folders.entries(1)[0]);
  EXPECT_FALSE(std::filesystem::exists(path()));
  EXPECT_TRUE(folders.settled(1).empty());
  ASSERT_TRUE(spill::Journal<>::open(folders.of(1), "players"));
  EXPECT_TRUE(std::filesystem::exists(path())) << "it was taken for an entry";
}

TEST_F(SpillFoldersCase, WhatIsHiddenIsNotWhereItsServerLooks) {
  spill(9);
  folders.hide(1);
  EXPECT_FALSE(std::filesystem::exists(path()));
  folders.show(1);
  EXPECT_TRUE(std::filesystem::exists(path()));
}

TEST_F(SpillFoldersCase, ForgetsWhatServersOfTheTimeBeforeHaveSpilled) {
  const TimePoint then{std::chrono::hours(2)};
  spill(9);
  ASSERT_EQ(folders.meet(1, then), 1U);
  folders.forget(1, then - std::chrono::hours(1));
  ASSERT_EQ(folders.entries(1).size(), 1U) << "it was started since";
  EXPECT_TRUE(folders.entries(1)[0].is_forgotten);
  folders.forget(1, then);
  EXPECT_TRUE(folders.entries(1).empty());
  EXPECT_FALSE(std::filesystem::exists(path()));
}

TEST(SpillFolders, GoWithTheEveningAndAreNotInItsHistory) {
  std::string folder;
  {
    const SpillFolders folders(1);
    ASSERT_TRUE(folders.is_usable());
    folder = std::filesystem::path(folders.of(0)).parent_path().string();
    EXPECT_TRUE(std::filesystem::is_directory(folder));
    EXPECT_EQ(folders.without_root("in " + folders.of(0) + " and " + folders.of(0)),
              "in …/0 and …/0");
  }
  EXPECT_FALSE(std::filesystem::exists(folder));
}

}  // namespace
