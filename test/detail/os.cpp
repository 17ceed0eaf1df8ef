#include <persist/detail/os.hpp>

#include <gtest/gtest.h>

#include <set>

namespace {

namespace os = persist::detail::os;

TEST(Os, boot_time_never_goes_back) {
  const auto before = os::boot_time_ns();
  EXPECT_GT(before, 0);
  EXPECT_GE(os::boot_time_ns(), before);
}

TEST(Os, random_bits_do_not_repeat) {
  std::set<std::uint64_t> seen;
  for (int i = 0; i < 100; ++i)
    seen.insert(os::random_bits());
  EXPECT_EQ(seen.size(), 100U);
}

TEST(Os, the_process_and_the_machine_have_names) {
  EXPECT_NE(os::process_id(), 0U);
  EXPECT_FALSE(os::host_name().empty());
}

}  // namespace
