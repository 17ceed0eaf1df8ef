#include <persist/session/core.hpp>

#include <support/fake_session.hpp>

#include <gtest/gtest.h>

namespace {

using test::FakeHost;
using test::FakeSession;

TEST(SessionCore, dirty_is_a_generation) {
  FakeHost host;
  FakeSession session(host, "k");
  EXPECT_FALSE(session.dirty());
  session.mark_dirty();
  const std::uint32_t cut = session.edited;
  session.mark_dirty();  // after the cut
  session.saved = cut;
  EXPECT_TRUE(session.dirty());
  session.saved = session.edited;
  EXPECT_FALSE(session.dirty());
}

TEST(SessionCore, it_tells_its_store_once_until_it_was_looked_at) {
  FakeHost host;
  FakeSession session(host, "k");
  session.mark_dirty();
  EXPECT_EQ(host.dirty, 1);
  session.listed = true;
  session.mark_dirty();
  EXPECT_EQ(host.dirty, 1);
  session.detach();
  session.listed = false;
  session.mark_dirty();
  EXPECT_EQ(host.dirty, 1);
}

TEST(SessionCore, after_the_end_nothing_makes_it_dirty) {
  FakeHost host;
  FakeSession session(host, "k");
  session.state = persist::State::released;
  session.mark_dirty();
  EXPECT_FALSE(session.dirty());
}

TEST(SessionCore, a_pointer_keeps_it_alive) {
  FakeHost host;
  bool gone = false;
  {
    persist::SessionPtr outer;
    {
      persist::SessionPtr inner(new FakeSession(host, "k", &gone));
      outer = inner;
      EXPECT_EQ(outer, inner);
    }
    EXPECT_FALSE(gone);
    EXPECT_EQ(outer->key(), "k");
  }
  EXPECT_TRUE(gone);
}

}  // namespace
