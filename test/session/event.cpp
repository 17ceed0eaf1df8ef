// builds: single no-exceptions
#include <persist/session/event.hpp>

#include <type_traits>
#include <utility>

#include <gtest/gtest.h>

namespace {

using namespace persist;

static_assert(std::is_aggregate_v<Event>);
static_assert(std::is_nothrow_move_constructible_v<Event>, "the queue of events moves them");

TEST(Event, claims_no_success_by_itself) {
  const Event event;
  EXPECT_EQ(event.kind, Event::Kind::state_changed);
  EXPECT_FALSE(event.saved);
  EXPECT_FALSE(event.was_saved);
  EXPECT_EQ(event.attempts_left, 0);
  EXPECT_TRUE(event.paths.empty());
}

TEST(Event, says_what_it_was_made_with_after_it_was_queued) {
  Event made{
      .kind = Event::Kind::saved, .reason = Reason::autosave, .saved = Saved{true, 7, 20, {}}};
  const Event event = std::move(made);
  EXPECT_EQ(event.kind, Event::Kind::saved);
  EXPECT_EQ(event.reason, Reason::autosave);
  ASSERT_TRUE(event.saved);
  EXPECT_EQ(event.saved->version, 7u);
  const Event lost{.from = State::open, .to = State::lost, .error = Error(Errc::fenced, "by eu-2")};
  EXPECT_EQ(lost.to, State::lost);
  EXPECT_EQ(lost.error.message(), "fenced: by eu-2");
}

}  // namespace
