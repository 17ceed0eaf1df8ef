#include <persist/store/due_list.hpp>

#include <support/fake_session.hpp>

#include <deque>
#include <random>

#include <gtest/gtest.h>

namespace {

using persist::Duration;
using persist::TimePoint;

TEST(DueList, gives_what_is_due_first_however_it_was_changed) {
  test::FakeHost host;
  std::deque<test::FakeSession> sessions;
  persist::DueList due;
  std::minstd_rand random(1);
  for (int i = 0; i < 200; ++i)
    sessions.emplace_back(host, std::to_string(i));
  for (int round = 0; round < 5; ++round) {
    for (auto& session : sessions) {
      if (random() % 4 == 0)
        due.remove(session);
      else
        due.set(session, TimePoint(Duration(random() % 1000)));
    }
  }
  TimePoint last = TimePoint::min();
  while (!due.empty()) {
    EXPECT_GE(due.first().due, last);
    last = due.first().due;
    due.remove(due.first());
  }
  for (auto& session : sessions)
    EXPECT_EQ(session.due_index, persist::SessionCore::no_index);
}

TEST(DueList, removing_what_is_not_there_is_harmless) {
  test::FakeHost host;
  test::FakeSession one(host, "1");
  test::FakeSession two(host, "2");
  persist::DueList due;
  due.remove(one);
  due.set(one, TimePoint(Duration(5)));
  due.set(one, TimePoint(Duration(3)));
  due.set(two, TimePoint(Duration(4)));
  EXPECT_EQ(due.size(), 2U);
  EXPECT_EQ(&due.first(), &one);
}

}  // namespace
