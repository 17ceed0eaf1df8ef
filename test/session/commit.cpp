#include <persist/session/commit.hpp>

#include <support/fake_session.hpp>

#include <gtest/gtest.h>

namespace {

using namespace persist;

TEST(Commit, a_cut_that_is_used_again_holds_nothing_of_the_last) {
  Cut cut;
  cut.key = "k";
  cut.data.append("bytes");
  cut.has_data = cut.has_ids = cut.held_back = true;
  cut.refused = Error(Errc::invalid, "no");
  cut.clear();
  EXPECT_TRUE(cut.key.empty() && cut.data.empty());
  EXPECT_FALSE(cut.has_data || cut.has_ids || cut.held_back || failed(cut.refused));
}

TEST(Commit, a_flight_keeps_its_sessions_until_it_is_cleared) {
  test::FakeHost host;
  bool gone = false;
  Flight flight;
  flight.add(SessionPtr(new test::FakeSession(host, "k", &gone)));
  EXPECT_EQ(flight.size(), 1U);
  EXPECT_FALSE(gone);
  flight.clear();
  EXPECT_TRUE(gone);
  EXPECT_EQ(flight.size(), 0U);
  EXPECT_EQ(flight.cuts.size(), 1U);  // its buffers stay
}

}  // namespace
