// builds: single no-exceptions
#include <persist/session/commit.hpp>

#include <support/plain_session.hpp>

#include <type_traits>

#include <gtest/gtest.h>

namespace {

using namespace persist;
using test::plain_session;
using test::PlainHost;

static_assert(std::is_nothrow_move_constructible_v<Cut>, "a cut goes to another thread");

Cut full_cut() {
  Cut cut;
  cut.key.append("k");
  cut.data.append("data");
  cut.metadata.append("more");
  cut.user_ids = {1};
  cut.acknowledged = {2};
  cut.messages.emplace_back();
  cut.sends.emplace_back();
  cut.receipts.emplace_back();
  cut.generation = 3, cut.bytes = 4, cut.crc = 5;
  cut.aim = Aim::release, cut.reason = Reason::shutdown;
  cut.has_data = cut.has_ids = cut.has_metadata = true;
  cut.refused = Error(Errc::too_large);
  return cut;
}

TEST(Cut, that_was_cleared_says_nothing_of_the_session_before) {
  Cut cut = full_cut();
  cut.clear();
  EXPECT_TRUE(cut.key.empty() && cut.data.empty() && cut.metadata.empty());
  EXPECT_TRUE(cut.user_ids.empty() && cut.acknowledged.empty() && cut.messages.empty());
  EXPECT_TRUE(cut.sends.empty() && cut.receipts.empty());
  EXPECT_EQ(cut.generation + cut.bytes + cut.crc, 0u);
  EXPECT_EQ(cut.aim, Aim::save);
  EXPECT_EQ(cut.reason, Reason::asked);
  EXPECT_FALSE(cut.has_data || cut.has_ids || cut.has_metadata);
  EXPECT_EQ(cut.refused, Errc{});
}

TEST(Cut, that_was_cleared_keeps_its_memory) {
  Cut cut = full_cut();
  const std::byte* memory = cut.data.data();
  cut.clear();
  cut.data.append("atad");
  EXPECT_EQ(cut.data.data(), memory);
}

TEST(Flight, has_one_cut_for_each_session_and_holds_it) {
  PlainHost host;
  int ended = 0;
  Flight flight;
  flight.add(plain_session(host, "a", &ended), host);
  flight.add(plain_session(host, "b", &ended), host);
  EXPECT_EQ(flight.size(), 2u);
  EXPECT_EQ(flight.cuts.size(), 2u);
  EXPECT_EQ(flight.sessions[1]->key(), "b");
  EXPECT_EQ(ended, 0);
  flight.clear();
  EXPECT_EQ(ended, 2) << "a flight that is over holds no session";
}

TEST(Flight, that_flies_again_uses_its_cuts_again_and_empty) {
  PlainHost host;
  Flight flight;
  flight.add(plain_session(host, "a"), host);
  flight.add(plain_session(host, "b"), host);
  flight.cuts[0] = full_cut();
  const std::byte* memory = flight.cuts[0].data.data();
  flight.attempts = 3, flight.resend = true;
  flight.results.emplace_back(Errc::io);
  flight.changes.resize(2);
  flight.request.changes = flight.changes;
  flight.request.outcome = CommitRequest::Outcome::fenced;
  flight.clear();
  EXPECT_EQ(flight.size(), 0u);
  EXPECT_EQ(flight.attempts, 0u);
  EXPECT_FALSE(flight.resend);
  EXPECT_TRUE(flight.results.empty() && flight.changes.empty() && flight.request.changes.empty());
  EXPECT_EQ(flight.request.outcome, CommitRequest::Outcome::pending);

  flight.add(plain_session(host, "c"), host);
  EXPECT_EQ(flight.cuts.size(), 2u) << "the spare one stays";
  EXPECT_TRUE(flight.cuts[0].key.empty() && flight.cuts[0].data.empty());
  EXPECT_EQ(flight.cuts[0].refused, Errc{});
  EXPECT_EQ(flight.cuts[0].data.data(), memory);
}

}  // namespace
