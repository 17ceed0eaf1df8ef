#include <persist/testing/simulation/lines.hpp>

#include <persist/store.hpp>
#include <persist/testing/manual_clock.hpp>

#include <gtest/gtest.h>

#include <optional>

namespace {

using namespace persist;
using persist::testing::Random;
using persist::testing::SimulatedDatabase;
using persist::testing::SimulatedExternal;
using persist::testing::SimulatedLine;
using persist::testing::SimulatedLines;
using persist::testing::Stragglers;

static_assert(!SimulatedLines<lock::Lease<>>::are_two);
static_assert(SimulatedLines<SimulatedExternal>::are_two);

struct SimulatedLinesCase : ::testing::Test {
  persist::testing::ManualClock clock;
  Stragglers late{clock, Random(1)};
  SimulatedDatabase data{backend::Memory(clock)}, leases{backend::Memory(clock)};
};

TEST_F(SimulatedLinesCase, AServerMayBeCutOffFromItsLeasesAlone) {
  SimulatedLines<SimulatedExternal> lines(data, leases, late, {});
  std::optional<Store<std::uint64_t, int, SimulatedLine, SimulatedExternal>> players;
  lines.open(players, {.clock = &clock});
  auto session = *players->load(1u);
  *session.edit() = 5;
  lines.cut(false, true);
  EXPECT_TRUE(lines.is_cut());
  EXPECT_TRUE(session.save().is(Errc::unknown_outcome)) << "the data is written, the lease is not";
  lines.cut(true, false);
  EXPECT_TRUE(session.save().is(Errc::unavailable));
  lines.cut(false, false);
  EXPECT_FALSE(lines.is_cut());
  EXPECT_TRUE(session.save());
  EXPECT_EQ(leases.backup().database.stores.size(), 1U) << "they lie in their own";
}

TEST_F(SimulatedLinesCase, OneLineGoesToOneDatabase) {
  SimulatedLines<lock::Lease<>> lines(data, leases, late, {});
  std::optional<Store<std::uint64_t, int, SimulatedLine>> players;
  lines.open(players, {.clock = &clock});
  auto session = *players->load(1u);
  *session.edit() = 5;
  lines.fill(true);
  EXPECT_TRUE(session.save().is(Errc::io));
  lines.fill(false);
  EXPECT_TRUE(session.save());
  EXPECT_TRUE(leases.backup().database.stores.empty());
}

}  // namespace
