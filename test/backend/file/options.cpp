#include <persist/backend/file/options.hpp>

#include <chrono>

#include <gtest/gtest.h>

namespace {

using namespace std::chrono_literals;

TEST(FolderHolder, is_told_in_words_with_a_date_that_people_read) {
  const persist::WallTime since(std::chrono::sys_days(std::chrono::year(2026) / 3 / 9) + 7h + 5min +
                                4s + 900ms);
  EXPECT_EQ((persist::backend::FolderHolder{42, "box", since}.text()),
            "process 42 on box, since 2026-03-09 07:05:04 UTC");
}

}  // namespace
