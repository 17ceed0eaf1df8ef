// builds: single no-exceptions
#include <persist/detail/os.hpp>

#include <cstdint>
#include <set>

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

namespace os = persist::detail::os;

TEST(Os, the_time_since_the_start_never_goes_back) {
  std::int64_t before = os::boot_time_ns();
  EXPECT_GT(before, 0);
  for (int i = 0; i < 1000; ++i) {
    const std::int64_t at = os::boot_time_ns();
    ASSERT_LE(before, at);
    before = at;
  }
}

TEST(Os, the_time_since_the_start_counts_the_time_asleep) {
  timespec awake{};
  ASSERT_EQ(::clock_gettime(CLOCK_MONOTONIC, &awake), 0);
  EXPECT_GE(os::boot_time_ns(), awake.tv_sec * std::int64_t{1'000'000'000} + awake.tv_nsec);
}

TEST(Os, random_bits_do_not_repeat_and_use_all_64) {
  std::set<std::uint64_t> seen;
  std::uint64_t ones = 0, zeros = 0;
  for (int i = 0; i < 200; ++i) {
    const std::uint64_t bits = os::random_bits();
    seen.insert(bits);
    ones |= bits;
    zeros |= ~bits;
  }
  EXPECT_EQ(seen.size(), 200u);
  EXPECT_EQ(ones, ~std::uint64_t{0});
  EXPECT_EQ(zeros, ~std::uint64_t{0});
}

TEST(Os, a_child_is_another_process) {
  EXPECT_EQ(os::process_id(), static_cast<std::uint64_t>(::getpid()));
  const std::uint64_t parent = os::process_id();
  const pid_t child = ::fork();
  if (child == 0) ::_exit(os::process_id() == parent ? 1 : 0);
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

TEST(Os, the_machine_has_a_name_that_ends_where_its_text_does) {
  char name[256] = {};
  ASSERT_EQ(::gethostname(name, sizeof name - 1), 0);
  EXPECT_EQ(os::host_name(), std::string(name));
}

}  // namespace
