// builds: single no-exceptions
#include <persist/store/due_list.hpp>

#include <support/plain_session.hpp>

#include <map>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace {

using namespace persist;
using test::plain_session;
using test::PlainHost;

constexpr TimePoint at(int second) {
  return TimePoint(std::chrono::seconds(second));
}

TEST(DueList, begins_empty_and_names_who_is_first) {
  PlainHost host;
  const SessionPtr late = plain_session(host, "late");
  const SessionPtr soon = plain_session(host, "soon");
  DueList due;
  EXPECT_TRUE(due.empty());
  due.set(*late, at(9));
  due.set(*soon, at(3));
  EXPECT_EQ(due.size(), 2u);
  EXPECT_EQ(&due.first(), soon.get());
  EXPECT_EQ(soon->due, at(3));
}

TEST(DueList, a_session_that_changes_its_mind_is_in_it_once) {
  PlainHost host;
  const SessionPtr one = plain_session(host, "one");
  const SessionPtr two = plain_session(host, "two");
  DueList due;
  due.set(*one, at(1));
  due.set(*two, at(2));
  due.set(*one, at(3));  // later
  EXPECT_EQ(&due.first(), two.get());
  due.set(*one, at(0));  // and sooner
  EXPECT_EQ(&due.first(), one.get());
  EXPECT_EQ(due.size(), 2u);
}

TEST(DueList, one_that_is_not_in_it_is_removed_without_harm) {
  PlainHost host;
  const SessionPtr one = plain_session(host, "one");
  DueList due;
  due.remove(*one);
  due.set(*one, at(1));
  due.remove(*one);
  due.remove(*one);
  EXPECT_TRUE(due.empty());
  EXPECT_EQ(one->due_index, SessionCore::no_index);
  due.set(*one, at(2));
  EXPECT_EQ(&due.first(), one.get());
}

TEST(DueList, does_as_a_sorted_map_does_whatever_is_asked_of_it) {
  PlainHost host;
  std::vector<SessionPtr> sessions;
  for (int i = 0; i < 200; ++i)
    sessions.push_back(plain_session(host, std::to_string(i)));
  std::mt19937 random(11);
  std::uniform_int_distribution<std::size_t> which(0, sessions.size() - 1);
  std::uniform_int_distribution<int> when(0, 50);  // so that many are due at once
  std::uniform_int_distribution<int> what(0, 9);

  DueList due;
  std::multimap<TimePoint, SessionCore*> model;
  const auto forget = [&](SessionCore& session) {
    for (auto entry = model.begin(); entry != model.end(); ++entry)
      if (entry->second == &session) return void(model.erase(entry));
  };
  for (int step = 0; step < 20'000; ++step) {
    SessionCore& session = *sessions[which(random)];
    forget(session);
    if (what(random) < 6) {
      const TimePoint to = at(when(random));
      due.set(session, to);
      model.emplace(to, &session);
    } else {
      due.remove(session);
    }
    ASSERT_EQ(due.size(), model.size());
    if (!model.empty()) {
      ASSERT_EQ(due.first().due, model.begin()->first) << "step " << step;
      ASSERT_NE(due.first().due_index, SessionCore::no_index);
    }
  }
  // What is left comes out in order, each session once.
  ASSERT_GT(model.size(), 50u);
  for (TimePoint before{}; !due.empty(); due.remove(due.first())) {
    ASSERT_LE(before, due.first().due);
    before = due.first().due;
    forget(due.first());
  }
  EXPECT_TRUE(model.empty());
}

}  // namespace
