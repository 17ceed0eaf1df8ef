#include <persist/backend/file/copy.hpp>

#include <persist/backend/file.hpp>

#include "backend/file/support.hpp"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>

#include <gtest/gtest.h>

#include <stdlib.h>

namespace persist_test {
namespace {

using persist::backend::File;

/// A folder with a database in it; gone when the test ends.
class Copy : public testing::Test {
 protected:
  Copy() {
    std::string name = (std::filesystem::temp_directory_path() / "persist-copy-XXXXXX").string();
    if (::mkdtemp(name.data()) != nullptr) path_ = name;
    file.emplace(at("save"), FileOptions{.segment_bytes = 4096});
    EXPECT_TRUE(file->status()) << file->status().error();
  }
  ~Copy() override { std::filesystem::remove_all(path_); }

  [[nodiscard]] std::string at(const std::string& name) const { return path_ + "/" + name; }
  void save(File& to, const std::string& key, std::string_view text) {
    persist::OpenStoreRequest open{"s", persist::LockKind::lease, {}};
    to.open_store({&open, 1});
    persist::AcquireRequest take{.store = open.store, .key = key, .owner = to.next_owner({})};
    to.acquire({&take, 1});
    persist::Buffer data(persist::as_bytes(text));
    persist::Change change;
    change.store = open.store;
    change.key = key;
    change.fence = take.record.fence;
    change.fence.write = 1;
    change.data = &data;
    change.lease = persist::LeaseChange::release;
    persist::CommitRequest commit{.changes = {&change, 1}};
    to.commit({&commit, 1});
    ASSERT_EQ(commit.outcome, Outcome::applied) << commit.error;
  }
  [[nodiscard]] static std::string text(File& from, std::string_view key) {
    persist::ReadRequest read{.key = key};
    from.read({&read, 1});
    return std::string(persist::as_text(read.record.data));
  }

  std::optional<File> file;
  std::string path_;
};

TEST_F(Copy, of_an_open_folder_opens_with_all_that_was_acknowledged) {
  for (int i = 0; i < 100; ++i)
    save(*file, "k" + std::to_string(i), std::string(300, 'x') + std::to_string(i));
  ASSERT_TRUE(std::filesystem::exists(at("save/00000002.log"))) << "several segments";
  ASSERT_TRUE(file->copy_to(at("copy/")));
  save(*file, "later", "x");
  File copy(at("copy"));
  ASSERT_TRUE(copy.status()) << copy.status().error();
  for (int i = 0; i < 100; ++i)
    EXPECT_EQ(text(copy, "k" + std::to_string(i)), std::string(300, 'x') + std::to_string(i));
  EXPECT_EQ(text(copy, "later"), "");
  save(copy, "k0", "goes on");
  EXPECT_EQ(text(copy, "k0"), "goes on");
}

TEST_F(Copy, takes_a_segment_along_that_was_set_aside) {
  save(*file, "good", std::string(600, 'g'));
  save(*file, "bad", std::string(600, 'b'));
  const auto bytes_of = [](const std::string& path) {
    std::ifstream from(path, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(from), {});
  };
  const std::size_t place = bytes_of(at("save/00000001.log")).find(std::string(600, 'b'));
  ASSERT_NE(place, std::string::npos);
  std::fstream(at("save/00000001.log"), std::ios::in | std::ios::out | std::ios::binary)
      .seekp(static_cast<std::streamoff>(place))
      .put('!');
  for (int i = 0; i < 100; ++i)
    save(*file, "hot", std::string(1000, 'h'));
  ASSERT_EQ(file->stats().damaged_segments, 1u);
  ASSERT_TRUE(file->copy_to(at("copy")));
  EXPECT_EQ(bytes_of(at("copy/00000001.damaged")), bytes_of(at("save/00000001.damaged")));
  File copy(at("copy"));
  ASSERT_TRUE(copy.status()) << copy.status().error();
  EXPECT_EQ(text(copy, "good"), std::string(600, 'g'));
  persist::ReadRequest read{.key = "bad"};
  copy.read({&read, 1});
  EXPECT_EQ(read.error, Errc::corrupt);
  EXPECT_NE(read.error.message().find("00000001.damaged"), std::string::npos);
}

TEST_F(Copy, of_a_snapshot_is_what_it_showed) {
  save(*file, "k", "before");
  const auto snapshot = File::open_snapshot(at("save"));
  ASSERT_TRUE(snapshot) << snapshot.error();
  save(*file, "k", "after");
  ASSERT_TRUE(snapshot->copy_to(at("copy")));
  File copy(at("copy"));
  EXPECT_EQ(text(copy, "k"), "before");
}

TEST_F(Copy, of_a_snapshot_has_no_half_batch_at_its_end) {
  save(*file, "k", "whole");
  file.reset();
  std::ofstream(at("save/00000001.log"), std::ios::app) << "a batch that is being written";
  const auto snapshot = File::open_snapshot(at("save"));
  ASSERT_TRUE(snapshot) << snapshot.error();
  ASSERT_TRUE(snapshot->copy_to(at("copy")));
  File copy(at("copy"));
  ASSERT_TRUE(copy.status()) << copy.status().error();
  EXPECT_EQ(copy.report().torn_tail, "");
  EXPECT_EQ(text(copy, "k"), "whole");
}

TEST_F(Copy, survives_segments_that_are_removed_meanwhile) {
  save(*file, "k", "x");
  const auto snapshot = File::open_snapshot(at("save"));
  ASSERT_TRUE(snapshot);
  file.reset();
  std::filesystem::remove_all(at("save"));
  ASSERT_TRUE(snapshot->copy_to(at("copy")));
  File copy(at("copy"));
  EXPECT_EQ(text(copy, "k"), "x");
}

TEST_F(Copy, takes_the_place_of_nothing_that_is_there) {
  save(*file, "k", "x");
  std::filesystem::create_directory(at("empty"));
  EXPECT_TRUE(file->copy_to(at("empty")));
  EXPECT_TRUE(file->copy_to(at("empty")).is(Errc::invalid));
  EXPECT_TRUE(file->copy_to(at("save")).is(Errc::invalid));
  std::filesystem::create_directory(at("half.new"));
  std::ofstream(at("half.new/00000001.log")) << "of a copy that broke off";
  EXPECT_TRUE(file->copy_to(at("half")).is(Errc::invalid));
  EXPECT_FALSE(std::filesystem::exists(at("half")));
}

TEST_F(Copy, onto_a_file_is_refused_before_anything_is_written) {
  save(*file, "k", "x");
  std::ofstream(at("file")) << "of somebody";
  EXPECT_FALSE(file->copy_to(at("file")));
  EXPECT_FALSE(std::filesystem::exists(at("file.new")));
}

TEST_F(Copy, into_a_folder_that_cannot_be_made_is_an_error) {
  save(*file, "k", "x");
  EXPECT_TRUE(file->copy_to(at("no/such/folder")).is(Errc::io));
  EXPECT_TRUE(File(at("no/such/folder")).copy_to(at("copy")).is(Errc::io)) << "the opening error";
}

TEST_F(Copy, has_files_for_its_owner_only) {
  ASSERT_TRUE(file->copy_to(at("copy")));
  namespace fs = std::filesystem;
  EXPECT_EQ(fs::status(at("copy")).permissions(), fs::perms::owner_all);
  EXPECT_EQ(fs::status(at("copy/00000001.log")).permissions(),
            fs::perms::owner_read | fs::perms::owner_write);
}

}  // namespace
}  // namespace persist_test
