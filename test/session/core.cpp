// builds: single no-exceptions tsan
#include <persist/session/core.hpp>

#include <support/plain_session.hpp>

#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace {

using namespace persist;
using test::plain_session;
using test::PlainHost;

// An idle session costs 224 bytes in all: its key, its data's pointers and the registry's share
// come on top of this.
static_assert(sizeof(SessionCore) <= 176);
static_assert(sizeof(SessionPtr) == sizeof(void*));
static_assert(std::is_nothrow_move_constructible_v<SessionPtr>);
static_assert(!std::is_copy_constructible_v<SessionCore>);

TEST(SessionCore, keeps_the_longest_key_and_its_zeros_out_of_the_callers_memory) {
  PlainHost host;
  std::string key(255, 'k');
  const SessionPtr longest = plain_session(host, key);
  key.assign(255, 'x');
  EXPECT_EQ(longest->key(), std::string(255, 'k'));
}

TEST(SessionCore, begins_clean_loading_and_on_no_list) {
  PlainHost host;
  const SessionPtr session = plain_session(host, "k");
  EXPECT_EQ(session->state, State::loading);
  EXPECT_FALSE(session->dirty());
  EXPECT_FALSE(session->listed || session->in_flight || session->has_record);
  EXPECT_EQ(session->due_index, SessionCore::no_index);
  EXPECT_EQ(session->load(), nullptr);
  EXPECT_EQ(session->group(), nullptr);
  EXPECT_EQ(session->extras, nullptr) << "what few sessions have is not made for all";
}

TEST(SessionCore, an_edit_makes_it_dirty_and_tells_the_store_once) {
  PlainHost host;
  const SessionPtr session = plain_session(host, "k");
  session->mark_dirty();
  session->mark_dirty();
  EXPECT_TRUE(session->dirty());
  EXPECT_EQ(host.became_dirty_, std::vector<std::string>{"k"});
}

TEST(SessionCore, an_edit_behind_a_cut_stays_dirty_when_the_cut_is_durable) {
  PlainHost host;
  const SessionPtr session = plain_session(host, "k");
  session->mark_dirty();
  const std::uint32_t cut = session->edited;
  session->mark_dirty();
  session->saved = cut;
  EXPECT_TRUE(session->dirty());
  session->saved = session->edited.load();
  EXPECT_FALSE(session->dirty());
}

TEST(SessionCore, after_its_store_is_gone_it_tells_nobody) {
  PlainHost host;
  const SessionPtr session = plain_session(host, "k");
  EXPECT_EQ(session->host(), &host);
  session->detach();
  EXPECT_EQ(session->host(), nullptr);
  session->mark_dirty();
  EXPECT_TRUE(host.became_dirty_.empty());
}

TEST(SessionCore, its_extras_are_made_once) {
  PlainHost host;
  const SessionPtr session = plain_session(host, "k");
  session->more().send_number = 7;
  EXPECT_EQ(session->more().send_number, 7u);
  session->more().group = std::make_shared<TransactionGroup>();
  EXPECT_EQ(session->group(), session->more().group.get());
}

TEST(SessionCore, one_that_is_being_loaded_has_no_extras_for_it) {
  PlainHost host;
  const SessionPtr session = plain_session(host, "k");
  EXPECT_EQ(session->load(), nullptr);
  session->loading = LoadPtr(new LoadState);
  EXPECT_EQ(session->load(), session->loading.get());
  EXPECT_EQ(session->extras, nullptr);
}

TEST(SessionPtr, the_last_one_ends_the_session) {
  PlainHost host;
  int ended = 0;
  SessionPtr first = plain_session(host, "k", &ended);
  SessionPtr second = first;
  EXPECT_EQ(first->refs, 2u);
  first = SessionPtr();
  EXPECT_EQ(ended, 0);
  EXPECT_FALSE(first);
  const SessionPtr third = std::move(second);
  EXPECT_EQ(third->refs, 1u) << "a move counts nothing";
  EXPECT_FALSE(second);  // NOLINT(bugprone-use-after-move): what the case is about
  { const SessionPtr last = std::move(const_cast<SessionPtr&>(third)); }
  EXPECT_EQ(ended, 1);
}

TEST(SessionPtr, assigned_to_itself_keeps_the_session) {
  PlainHost host;
  int ended = 0;
  SessionPtr session = plain_session(host, "k", &ended);
  SessionPtr& same = session;
  session = same;
  EXPECT_EQ(session->refs, 1u);
  session = std::move(same);
  EXPECT_EQ(ended, 0);
  EXPECT_EQ(session->key(), "k");
}

TEST(SessionPtr, two_are_equal_when_they_are_one_session) {
  PlainHost host;
  const SessionPtr first = plain_session(host, "k");
  const SessionPtr same(first.get());
  const SessionPtr other = plain_session(host, "k");
  EXPECT_TRUE(first == same);
  EXPECT_FALSE(first == other);
  EXPECT_TRUE(SessionPtr() == SessionPtr(nullptr));
}

TEST(SessionPtr, is_copied_and_dropped_by_many_threads) {
  PlainHost host;
  int ended = 0;
  {
    const SessionPtr session = plain_session(host, "k", &ended);
    std::vector<std::thread> all;
    for (int t = 0; t < 4; ++t)
      all.emplace_back([copy = session] {
        for (int i = 0; i < 1000; ++i)
          const SessionPtr another = copy;
      });
    for (std::thread& thread : all)
      thread.join();
    all.clear();
    EXPECT_EQ(session->refs, 1u);
    EXPECT_EQ(ended, 0);
  }
  EXPECT_EQ(ended, 1);
}

}  // namespace
