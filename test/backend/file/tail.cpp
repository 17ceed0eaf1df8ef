#include <persist/backend/file/tail.hpp>

#include "backend/file/support.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace {

using namespace persist_test;

TEST(FileTail, TornTailsLeaveAFewSideFilesAndNothingElseGoes) {
  Bench bench;
  const std::string not_ours = "save/torn-pages-of-my-diary.txt";
  ASSERT_TRUE(bench.disk.open(not_ours, Access::create));
  std::string last;
  for (int i = 0; i < 30; ++i) {
    ASSERT_TRUE(bench.saved("k", std::to_string(i)));
    bench.disk.kill();
    auto& bytes = bench.disk.bytes(newest_segment(bench.disk));
    bytes.insert(bytes.end(), 50, static_cast<std::byte>(i));
    bench.open();
    last = bench.file->report().torn_tail;
    ASSERT_EQ(bench.disk.bytes(last), std::vector(50, static_cast<std::byte>(i)));
    ASSERT_EQ(bench.file->report().torn_bytes, 50u);
  }
  std::vector<std::string> tails;
  for (const std::string& name : bench.disk.files())
    if (name.ends_with(".tail")) tails.push_back(name);
  EXPECT_EQ(tails.size(), 8u);
  EXPECT_EQ(tails.back(), last) << "the newest ones";
  EXPECT_TRUE(bench.disk.state().names.contains(not_ours));
}

}  // namespace
