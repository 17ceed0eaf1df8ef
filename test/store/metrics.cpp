// builds: single no-exceptions
#include <persist/store/metrics.hpp>

#include <array>
#include <bit>
#include <cstdint>
#include <type_traits>

#include <gtest/gtest.h>

namespace {

using persist::Metrics;

static_assert(std::is_trivially_copyable_v<Metrics>, "a snapshot is a copy");
static_assert(sizeof(Metrics) % sizeof(std::uint64_t) == 0, "counters and nothing else");

TEST(Metrics, all_counters_begin_at_zero) {
  using Words = std::array<std::uint64_t, sizeof(Metrics) / sizeof(std::uint64_t)>;
  EXPECT_EQ(std::bit_cast<Words>(Metrics{}), Words{});
}

TEST(Metrics, a_copy_stays_while_counting_goes_on) {
  Metrics counted;
  counted.saves = 3;
  const Metrics before = counted;
  ++counted.saves;
  EXPECT_EQ(before.saves, 3u);
  EXPECT_EQ(before.saves_failed, 0u);
}

}  // namespace
