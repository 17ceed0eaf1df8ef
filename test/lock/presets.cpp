// builds: single no-exceptions
#include <persist/lock/presets.hpp>

#include <vector>

#include <gtest/gtest.h>

namespace {

using namespace persist;
using namespace persist::lock;
using std::chrono::seconds;

/// When a load looks that finds the record held for ever, in seconds from its first look, and what
/// it does at the last of them.
template <class Preset>
std::vector<int> looks(Conflict& last, std::uint32_t most = 30) {
  std::vector<int> at{0};
  Obstacle met;
  for (met.attempts = 1; met.attempts <= most; ++met.attempts) {
    const Decision what = Preset::decide(met);
    last = what.what;
    if (last == Conflict::steal || last == Conflict::refuse) break;
    met.waited += what.pause;
    at.push_back(static_cast<int>(met.waited / seconds(1)));
  }
  return at;
}

static_assert(lock_policy<presets::RbxPersist> && lock_policy<presets::Suphi> &&
              lock_policy<presets::ProfileStore> && lock_policy<presets::ProfileService> &&
              lock_policy<presets::ProfileHandler> && lock_policy<presets::Lapis>);
static_assert(!decides_conflicts<presets::Suphi> && presets::Suphi::conflict == Conflict::refuse);

TEST(Presets, rbx_persist_asks_and_looks_ever_less_often) {
  Conflict last{};
  EXPECT_EQ(looks<presets::RbxPersist>(last, 8), (std::vector{0, 6, 14, 24, 36, 60, 90, 120, 150}));
  EXPECT_EQ(last, Conflict::request);
  EXPECT_EQ(presets::RbxPersist::timing.lease, seconds(1800));
}

TEST(Presets, profile_store_steals_after_45_seconds) {
  Conflict last{};
  EXPECT_EQ(looks<presets::ProfileStore>(last), (std::vector{0, 5, 15, 25, 35, 45}));
  EXPECT_EQ(last, Conflict::steal);
}

TEST(Presets, profile_service_steals_at_the_ninth_look) {
  Conflict last{};
  EXPECT_EQ(looks<presets::ProfileService>(last).back(), 56);
  EXPECT_EQ(last, Conflict::steal);
}

TEST(Presets, profile_handler_asks_nobody) {
  Conflict last{};
  EXPECT_EQ(looks<presets::ProfileHandler>(last, 3), (std::vector{0, 6, 12, 18}));
  EXPECT_EQ(last, Conflict::wait);
}

TEST(Presets, lapis_gives_up_after_twenty_looks) {
  Conflict last{};
  EXPECT_EQ(looks<presets::Lapis>(last).size(), 20U);
  EXPECT_EQ(last, Conflict::refuse);
}

TEST(Presets, suphis_lease_is_five_renewals_and_half_a_minute) {
  EXPECT_EQ(presets::Suphi::timing.lease, 5 * presets::Suphi::timing.renew + seconds(30));
}

}  // namespace
