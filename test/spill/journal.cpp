#include <persist/spill/journal.hpp>

#include <algorithm>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <support/disk.hpp>

#include "made_entry.hpp"

namespace {

using persist::Errc;
using persist_test::Disk;
using namespace persist::spill;
using OnDisk = Journal<Disk>;

class SpillJournal : public testing::Test {
 protected:
  SpillJournal() {
    disk.state().folders.insert(".");
    disk.state().durable_folders.insert(".");
  }
  [[nodiscard]] persist::Result<OnDisk> open(std::string_view store = "players") {
    return OnDisk::open("spill", store, disk);
  }
  static OnDisk::Written written(std::string_view key) {
    OnDisk::Written made;
    EXPECT_TRUE(encode(test::small_entry(key), made.bytes));
    return made;
  }
  static std::vector<OnDisk::Written> batch_of(std::initializer_list<std::string_view> keys) {
    std::vector<OnDisk::Written> batch;
    for (const std::string_view key : keys)
      batch.push_back(written(key));
    return batch;
  }
  /// The keys of the entries that wait, and `?` for each file that is none.
  [[nodiscard]] std::string waiting(const OnDisk& journal) {
    std::string keys;
    const auto names = journal.list();
    EXPECT_TRUE(names) << names.error();
    for (const FileName& name : *names) {
      const auto entry = journal.read(name.text());
      keys += entry && name.end == FileName::waits ? entry->parts[0].key : "?";
    }
    return keys;
  }
  [[nodiscard]] std::string file_of(const std::string& end) const {
    for (const std::string& file : disk.files())
      if (file.ends_with(end)) return file;
    return {};
  }

  Disk disk;
};

TEST_F(SpillJournal, entries_are_there_after_a_power_cut_in_the_order_they_were_written) {
  {
    auto journal = open();
    ASSERT_TRUE(journal) << journal.error();
    auto batch = batch_of({"a", "b", "c"});
    journal->write(batch);
    for (const auto& each : batch)
      EXPECT_FALSE(persist::failed(each.error)) << each.error;
  }
  disk.cut_power();
  auto again = open();
  ASSERT_TRUE(again) << again.error();
  EXPECT_EQ(waiting(*again), "abc");
  auto more = batch_of({"d"});
  again->write(more);
  EXPECT_EQ(waiting(*again), "abcd") << "no number is used again";
}

TEST_F(SpillJournal, whatever_is_killed_or_cut_while_it_writes_leaves_whole_entries_or_none) {
  bool came_to_the_end = false;
  for (std::uint64_t stop = 1; !came_to_the_end; ++stop) {
    for (const bool power : {false, true}) {
      Disk fresh;
      fresh.state().folders = fresh.state().durable_folders = {".", "spill"};
      disk = fresh;
      std::vector<OnDisk::Written> batch = batch_of({"a", "b"});
      {
        auto journal = open();
        ASSERT_TRUE(journal);
        disk.state().stop_at = disk.state().operations + stop;
        journal->write(batch);
        came_to_the_end = !disk.state().stopped;
      }
      if (power)
        disk.cut_power();
      else
        disk.kill();
      auto again = open();
      ASSERT_TRUE(again) << again.error();
      std::string found = waiting(*again);
      for (const auto& each : batch)
        if (!persist::failed(each.error)) {
          const auto entry = again->read(each.file);
          ASSERT_TRUE(entry) << entry.error();
          EXPECT_NE(found.find(entry->parts[0].key), found.npos);
        }
      std::erase(found, '?');
      EXPECT_TRUE(found.empty() || found == "a" || found == "b" || found == "ab") << found;
    }
  }
}

TEST_F(SpillJournal, what_was_written_and_has_no_name_yet_when_the_process_is_killed_is_an_entry) {
  {
    auto journal = open();
    ASSERT_TRUE(journal);
    disk.state().stays = "spill/" + FileName::prefix_of("players") + "-00000001.tmp";
    auto batch = batch_of({"a"});
    journal->write(batch);
    EXPECT_EQ(batch[0].error, Errc::io);
  }
  disk.kill();
  disk.state().stays.clear();
  auto again = open();
  ASSERT_TRUE(again) << again.error();
  EXPECT_EQ(waiting(*again), "a");
  EXPECT_EQ(file_of(".tmp"), "");
}

TEST_F(SpillJournal, half_of_an_entry_is_left_as_it_is) {
  {
    auto journal = open();
    ASSERT_TRUE(journal);
    auto batch = batch_of({"a"});
    journal->write(batch);
  }
  const std::string whole = file_of(".spill");
  auto half = disk.bytes(whole);
  half.resize(half.size() / 2);
  const std::string partial = "spill/" + FileName::prefix_of("players") + "-00000007.tmp";
  disk.state().names[partial] = std::make_shared<Disk::Node>();
  disk.bytes(partial) = half;
  auto again = open();
  ASSERT_TRUE(again) << again.error();
  EXPECT_EQ(waiting(*again), "a?");
  EXPECT_EQ(disk.bytes(partial), half);
  auto more = batch_of({"b"});
  again->write(more);
  EXPECT_TRUE(more[0].file.ends_with("-00000008.spill")) << more[0].file;
}

TEST_F(SpillJournal, an_entry_that_the_disk_has_no_room_for_says_so_and_leaves_nothing) {
  auto journal = open();
  ASSERT_TRUE(journal);
  auto batch = batch_of({"a", "b", "c"});
  disk.state().room = batch[0].bytes.size() * 3 / 2;
  journal->write(batch);
  EXPECT_FALSE(persist::failed(batch[0].error)) << batch[0].error;
  EXPECT_EQ(batch[1].error.os_error(), ENOSPC);
  EXPECT_EQ(batch[2].error.os_error(), ENOSPC);
  EXPECT_EQ(waiting(*journal), "a");
  EXPECT_EQ(file_of(".tmp"), "");
}

TEST_F(SpillJournal, an_entry_that_was_not_synced_is_not_one) {
  auto journal = open();
  ASSERT_TRUE(journal);
  auto batch = batch_of({"a", "b"});
  disk.state().fail_syncs = 1;
  journal->write(batch);
  EXPECT_EQ(batch[0].error, Errc::io);
  EXPECT_TRUE(batch[0].file.empty());
  EXPECT_FALSE(persist::failed(batch[1].error));
  EXPECT_EQ(waiting(*journal), "b");
}

TEST_F(SpillJournal, one_process_at_a_time_has_the_entries_of_a_store) {
  auto journal = open();
  ASSERT_TRUE(journal);
  const auto second = open();
  ASSERT_TRUE(second.is(Errc::locked)) << second.error();
  EXPECT_NE(second.error().message().find("a folder of its own"), std::string::npos);
  auto other = open("guilds");
  ASSERT_TRUE(other) << "another store has its own: " << other.error();
  auto batch = batch_of({"a"});
  other->write(batch);
  EXPECT_EQ(waiting(*journal), "");
  EXPECT_EQ(waiting(*other), "a");
}

TEST_F(SpillJournal, a_refused_entry_stays_under_another_name_and_a_removed_one_is_gone) {
  auto journal = open();
  ASSERT_TRUE(journal);
  auto batch = batch_of({"a", "b"});
  journal->write(batch);
  const auto refused = journal->refuse(batch[0].file);
  ASSERT_TRUE(refused) << refused.error();
  EXPECT_TRUE(refused->ends_with("-00000001.refused"));
  EXPECT_TRUE(journal->read(*refused));
  EXPECT_TRUE(journal->remove(batch[1].file));
  EXPECT_EQ(waiting(*journal), "?");
  EXPECT_TRUE(journal->refuse("../elsewhere").is(Errc::invalid));
}

TEST(SpillFileName, only_what_it_would_write_is_a_name) {
  const std::string prefix = FileName::prefix_of("Player Data/1");
  EXPECT_EQ(prefix.find_first_of("/ "), prefix.npos);
  EXPECT_NE(prefix, FileName::prefix_of("Player Data/2"));
  EXPECT_LE(FileName::prefix_of(std::string(1000, 'x')).size(), 64U);
  const auto name = FileName::read(prefix + "-00000042.refused");
  ASSERT_TRUE(name);
  EXPECT_EQ(name->number, 42U);
  EXPECT_EQ(name->prefix, prefix);
  EXPECT_EQ(name->end, FileName::refused);
  for (const char* other :
       {"", "a.spill", "-1.spill", "a-1.spill", "a-0000001x.spill", "a-00000001.spil",
        "a-000000001.spill", "a--0000001.spill", "a-99999999999999999999.spill",
        "a-18446744073709551615.spill", "a.lock"})
    EXPECT_FALSE(FileName::read(other)) << other;
}

/// On a real disk: what the file is like.
TEST(SpillOnDisk, entries_are_for_their_owner_only) {
  std::string folder = testing::TempDir() + "persist-spill-XXXXXX";
  ASSERT_NE(::mkdtemp(folder.data()), nullptr);
  {
    auto journal = Journal<>::open(folder + "/spill", "players");
    ASSERT_TRUE(journal) << journal.error();
    Journal<>::Written written;
    ASSERT_TRUE(encode(test::small_entry(), written.bytes));
    journal->write(std::span(&written, 1));
    ASSERT_FALSE(persist::failed(written.error)) << written.error;
    struct stat about {};
    ASSERT_EQ(::stat((folder + "/spill/" + written.file).c_str(), &about), 0);
    EXPECT_EQ(about.st_mode & 0777, 0600U);
    EXPECT_TRUE(Journal<>::open(folder + "/spill", "players").is(Errc::locked));
    EXPECT_TRUE(journal->remove(written.file));
  }
  EXPECT_TRUE(Journal<>::open(folder + "/not/there", "players").is(Errc::io));
  ::unlink((folder + "/spill/" + FileName::prefix_of("players") + ".lock").c_str());
  ::rmdir((folder + "/spill").c_str());
  ::rmdir(folder.c_str());
}

}  // namespace
