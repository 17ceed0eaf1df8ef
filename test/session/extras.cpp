// builds: single no-exceptions
#include <persist/session/extras.hpp>

#include <memory>

#include <gtest/gtest.h>

namespace {

using namespace persist;

TEST(SessionExtras, of_a_session_that_needs_none_hold_nothing) {
  const SessionExtras more;
  EXPECT_TRUE(more.user_ids.now().empty() && more.receipts.empty() && more.inbox.empty());
  EXPECT_TRUE(more.sends.empty() && more.attachments.empty() && more.metadata.now().empty());
  EXPECT_FALSE(more.user_ids.changed || more.metadata.changed);
  EXPECT_FALSE(more.autosave || more.min_gap) << "the store's hold";
  EXPECT_EQ(more.group, nullptr);
  EXPECT_EQ(more.send_number, 0u);
}

TEST(LoadState, is_neither_done_nor_failed_when_it_begins) {
  const LoadState load;
  EXPECT_FALSE(load.done);
  EXPECT_EQ(load.error, Errc{});
  EXPECT_EQ(load.conflict, Conflict::refuse);
  EXPECT_FALSE(load.once || load.asked || load.unheard_of);
  EXPECT_EQ(load.intent, Intent::wait);
  EXPECT_FALSE(load.has_waiters());
}

TEST(LoadState, is_wanted_until_the_last_who_waits_has_called_it_off) {
  LoadState load;
  load.waiters.resize(2);
  load.waiters[0].waits = false;
  EXPECT_TRUE(load.has_waiters());
  load.waiters[1].waits = false;
  EXPECT_FALSE(load.has_waiters());
}

TEST(LoadState, outlives_the_session_for_who_still_waits) {
  LoadPtr sessions(new LoadState);
  const LoadPtr waiting = sessions;
  waiting->error = Error(Errc::closed);
  sessions = LoadPtr();
  EXPECT_EQ(waiting->refs, 1u);
  EXPECT_EQ(waiting->error, Errc::closed);
}

TEST(SessionExtras, an_attachment_ends_with_them_by_its_own_type) {
  struct Trail {
    explicit Trail(int& counter) : ended(counter) {}
    Trail(const Trail&) = delete;
    Trail& operator=(const Trail&) = delete;
    ~Trail() { ++ended; }
    int& ended;
  };
  int ended = 0;
  {
    SessionExtras more;
    static constexpr char tag = 0;
    more.attachments.emplace_back(&tag, std::make_shared<Trail>(ended));
    EXPECT_EQ(ended, 0);
  }
  EXPECT_EQ(ended, 1);
}

}  // namespace
