#include <persist/detail/os_file.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include <sys/stat.h>
#include <unistd.h>

namespace {

using namespace persist;
using detail::os::Access;
using detail::os::Files;

struct OsFile : testing::Test {
  OsFile() {
    std::string name = (std::filesystem::temp_directory_path() / "persist-XXXXXX").string();
    if (::mkdtemp(name.data()) != nullptr) folder = name;
  }
  ~OsFile() override { std::filesystem::remove_all(folder); }
  std::string folder;
  Files files;
};

TEST_F(OsFile, ReadsWhatWasWrittenAndStopsAtTheEnd) {
  auto file = files.open(folder + "/a", Access::create);
  ASSERT_TRUE(file);
  ASSERT_TRUE(files.write_at(*file, 3, as_bytes("hello")));
  EXPECT_EQ(*files.size(*file), 8u);
  std::byte bytes[16];
  EXPECT_EQ(*files.read_at(*file, 3, bytes), 5u);
  EXPECT_EQ(as_text(ByteView(bytes, 5)), "hello");
  EXPECT_TRUE(files.sync(*file));
  ASSERT_TRUE(files.truncate(*file, 4));
  EXPECT_EQ(*files.read_at(*file, 0, bytes), 4u);
}

TEST_F(OsFile, PiecesAreWrittenOneBehindTheOtherHoweverMany) {
  auto file = files.open(folder + "/a", Access::create);
  ASSERT_TRUE(file);
  std::string expected;
  std::vector<std::string> texts;
  texts.reserve(3000);
  for (int i = 0; i < 3000; ++i)
    texts.emplace_back(static_cast<std::size_t>(i % 7), static_cast<char>('a' + i % 26));
  std::vector<ByteView> pieces;
  pieces.reserve(texts.size());
  for (const std::string& text : texts) {
    pieces.push_back(as_bytes(text));
    expected += text;
  }
  ASSERT_TRUE(files.write_at(*file, 2, pieces));
  std::string got(expected.size() + 10, '?');
  const auto read = files.read_at(*file, 2, std::as_writable_bytes(std::span(got)));
  ASSERT_EQ(*read, expected.size());
  EXPECT_EQ(got.substr(0, expected.size()), expected);
  EXPECT_TRUE(files.write_at(*file, 0, std::span<const ByteView>()));
  const auto reader = files.open(folder + "/a", Access::read);
  EXPECT_TRUE(files.write_at(*reader, 0, pieces).is(Errc::io));
}

TEST_F(OsFile, AccessSaysWhetherItMustExist) {
  EXPECT_EQ(files.open(folder + "/a", Access::read).error().os_error(), ENOENT);
  EXPECT_EQ(files.open(folder + "/a", Access::write).error().os_error(), ENOENT);
  EXPECT_TRUE(files.open(folder + "/a", Access::share));
  EXPECT_EQ(files.open(folder + "/a", Access::create).error().os_error(), EEXIST);
  const auto read = files.open(folder + "/a", Access::read);
  ASSERT_TRUE(read);
  const auto refused = files.write_at(*read, 0, as_bytes("x"));
  EXPECT_TRUE(refused.is(Errc::io));
  EXPECT_NE(refused.error().message().find(folder + "/a"), std::string::npos) << "names the file";
}

TEST_F(OsFile, NamesAreGivenMovedListedAndRemoved) {
  ASSERT_TRUE(files.open(folder + "/a", Access::create));
  ASSERT_TRUE(files.rename(folder + "/a", folder + "/b"));
  ASSERT_TRUE(files.sync_folder(folder));
  const auto names = files.list(folder);
  ASSERT_TRUE(names);
  EXPECT_EQ(std::count(names->begin(), names->end(), "b"), 1);
  EXPECT_EQ(std::count(names->begin(), names->end(), "a"), 0);
  EXPECT_TRUE(files.remove(folder + "/b"));
  EXPECT_TRUE(files.remove(folder + "/b").is(Errc::io));
  EXPECT_TRUE(*files.make_folder(folder + "/c"));
  EXPECT_FALSE(*files.make_folder(folder + "/c")) << "it was there";
  EXPECT_TRUE(files.open(folder + "/d", Access::create));
  EXPECT_FALSE(files.make_folder(folder + "/d")) << "but a file is no folder";
}

TEST_F(OsFile, APipeInThePlaceOfAFileKeepsNobodyWaiting) {
  ASSERT_EQ(::mkfifo((folder + "/pipe").c_str(), 0600), 0);
  ::alarm(20);  // where it waits, it waits for ever
  const auto pipe = files.open(folder + "/pipe", Access::read);
  ASSERT_TRUE(pipe);
  std::byte first[8];
  EXPECT_FALSE(files.read_at(*pipe, 0, first)) << "and nothing can be read from the middle of it";
  ::alarm(0);
}

TEST_F(OsFile, ALockBelongsToItsHandleAlsoWithinOneProcess) {
  auto first = files.open(folder + "/lock", Access::share);
  auto second = files.open(folder + "/lock", Access::share);
  EXPECT_FALSE(*files.is_locked(*second));
  EXPECT_TRUE(*files.lock(*first));
  EXPECT_TRUE(*files.is_locked(*second));
  EXPECT_FALSE(*files.lock(*second));
  *second = {};  // closing another handle must not let go of it
  second = files.open(folder + "/lock", Access::share);
  EXPECT_FALSE(*files.lock(*second));
  *first = {};
  EXPECT_TRUE(*files.lock(*second));
}

TEST_F(OsFile, ALockOfOneByteIsNoneOfAnother) {
  auto mine = files.open(folder + "/lock", Access::share);
  auto other = files.open(folder + "/lock", Access::share);
  constexpr std::uint64_t far = (std::uint64_t{1} << 62) - 1;
  for (const std::uint64_t place : {std::uint64_t{0}, std::uint64_t{7}, far}) {
    EXPECT_TRUE(*files.lock_byte(*mine, place));
    EXPECT_TRUE(*files.is_byte_locked(*other, place));
    EXPECT_FALSE(*files.is_byte_locked(*mine, place)) << "by itself";
    EXPECT_FALSE(*files.lock_byte(*other, place));
  }
  EXPECT_FALSE(*files.is_byte_locked(*other, 8));
  EXPECT_TRUE(*files.lock_byte(*other, 8));
  mine = files.open(folder + "/another", Access::share);
  EXPECT_FALSE(*files.is_byte_locked(*other, far)) << "goes with the handle";
}

TEST_F(OsFile, FileSystemsOfSeveralMachinesHaveNames) {
  EXPECT_EQ(detail::os::network_name(0x6969), "NFS");
  EXPECT_EQ(detail::os::network_name(0xfe534d42), "SMB2");
  EXPECT_EQ(detail::os::network_name(0xef53), "") << "ext4";
  EXPECT_EQ(detail::os::network_name(0x01021994), "") << "tmpfs";
  EXPECT_EQ(*detail::os::network_file_system(folder), "");
  EXPECT_EQ(detail::os::network_file_system(folder + "/nowhere").error().os_error(), ENOENT);
}

}  // namespace
