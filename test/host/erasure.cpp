#include <persist/host/erasure.hpp>

#include <persist/host.hpp>

#include <store/spill_case.hpp>
#include <support/hosted.hpp>

#include <string>
#include <vector>

// The erasure of a user that waits for nothing.

namespace {

using namespace test;
using persist::LiveRecord;
using persist::SentMessages;
using Keys = std::vector<std::string>;

struct HostErasureTest : HostedWorld {
  void save(std::uint64_t key, std::uint64_t user) {
    auto session = *tool.load(key);
    session.touch();
    ASSERT_TRUE(session.add_user_id(user));
    ASSERT_TRUE(session.release());
  }
  auto erase(persist::EraseUserOptions options = {}, persist::CallOptions call = {}) {
    return host.erase_user(players, 7, options, call);
  }
};

TEST_F(HostErasureTest, erases_all_of_a_user_and_waits_for_nothing) {
  save(1, 7);
  save(2, 8);
  save(3, 7);
  auto answer = erase();
  host.poll();
  EXPECT_TRUE(tool.peek(1U)) << "nothing is asked of storage here";
  settle();
  ASSERT_TRUE(answer.ready());
  const auto report = answer.get();
  ASSERT_TRUE(report) << report.error();
  EXPECT_TRUE(report->done());
  EXPECT_EQ(report->erased, (Keys{"1", "3"}));
  EXPECT_TRUE(tool.peek(1U).is(Errc::not_found));
  EXPECT_TRUE(tool.peek(2U));
  EXPECT_TRUE(tool.keys_of(7)->empty());
}

TEST_F(HostErasureTest, who_plays_is_left_or_ended_as_told) {
  save(1, 7);
  save(2, 7);
  auto session = load(1);
  auto other = open("eu-2");
  auto theirs = other.load(2U);
  auto answer = erase();
  settle();
  auto report = answer.get();
  EXPECT_TRUE(report->erased.empty());
  ASSERT_EQ(report->refused.size(), 2U);
  EXPECT_EQ(report->refused[0].why, Errc::busy);
  EXPECT_EQ(report->refused[1].why, Errc::locked);
  EXPECT_TRUE(session.is_active());
  answer = erase({.live = LiveRecord::end});
  settle();
  report = answer.get();
  EXPECT_TRUE(report->done());
  EXPECT_EQ(report->erased, (Keys{"1", "2"}));
  EXPECT_EQ(session.state(), State::lost);
}

TEST_F(HostErasureTest, takes_messages_back_that_wait_with_others) {
  save(8, 1);
  save(9, 2);
  {
    auto sender = *tool.load(1U);
    ASSERT_TRUE(sender.add_user_id(7));
    for (const std::uint64_t receiver : {8U, 9U})
      ASSERT_TRUE(sender.send(receiver, Letter{"from 7"}));
    ASSERT_TRUE(sender.release());
  }
  auto here = load(9);
  ASSERT_EQ(here.inbox().size(), 1U);
  auto answer = erase({.sent = SentMessages::remove});
  settle();
  const auto report = answer.get();
  EXPECT_TRUE(report->done());
  EXPECT_EQ(report->messages_taken_back, 2U);
  EXPECT_TRUE(tool.peek_inbox(8U)->empty());
  EXPECT_TRUE(tool.peek_inbox(9U)->empty()) << "by the save of the session that has it";
  EXPECT_TRUE(here.is_active());
}

TEST_F(HostErasureTest, a_deadline_ends_it_and_another_call_goes_on) {
  save(1, 7);
  auto answer = erase({}, {.deadline = 10s});
  host.poll();  // `keys_of` is on its way
  clock.advance(11s);
  settle();
  const auto report = answer.get();
  ASSERT_TRUE(report);
  EXPECT_EQ(report->error, Errc::timeout);
  EXPECT_FALSE(report->done());
  answer = erase();
  settle();
  EXPECT_TRUE(answer.get()->done());
}

TEST_F(HostErasureTest, a_shutdown_ends_it_and_says_so) {
  for (std::uint64_t key = 1; key <= 12; ++key)
    save(key, 7);
  auto answer = erase();
  host.poll();
  (void)host.run_lane();
  EXPECT_TRUE(host.shutdown(10s).complete());
  settle();
  ASSERT_TRUE(answer.ready());
  const auto report = answer.get();
  ASSERT_TRUE(report) << report.error();
  EXPECT_FALSE(report->done());
  EXPECT_EQ(report->error.code(), Errc::closed);
}

TEST_F(HostErasureTest, called_off_it_goes_no_further) {
  save(1, 7);
  save(2, 7);
  auto answer = erase();
  host.poll();
  answer.cancel();
  settle();
  EXPECT_TRUE(answer.get().is(Errc::cancelled));
  EXPECT_EQ(tool.keys_of(7)->size(), 2U);
}

/// A store whose folder holds something that was spilled, of records that the user may have.
struct HostErasureAfterASpill : SpillCase {
  persist::HostOptions host_options() {
    persist::HostOptions told;
    told.lanes = 0;
    told.clock = &clock;
    return told;
  }
  persist::Host host{host_options()};
  void settle() {
    do {
      host.poll();
    } while (host.run_lane() || host.poll() <= clock.now());
  }
};

TEST_F(HostErasureAfterASpill, waits_until_it_is_sent) {
  spill_coins(1, 5);
  down();
  auto players = open_spilling();
  ASSERT_TRUE(host.attach(players));
  auto answer = host.erase_user(players, 7);
  settle();
  clock.advance(3s);
  settle();
  EXPECT_FALSE(answer.ready()) << "it may be the user's";
  up();
  for (int i = 0; i < 10; ++i)
    clock.advance(1s), settle();
  ASSERT_TRUE(answer.ready());
  EXPECT_TRUE(answer.get()->done());
  EXPECT_TRUE(files().empty());
}

TEST_F(HostErasureAfterASpill, does_not_wait_for_ever_and_erases_nothing) {
  spill_coins(1, 5);
  down();
  auto players = open_spilling();
  ASSERT_TRUE(host.attach(players));
  auto answer = host.erase_user(players, 7);
  for (int i = 0; i < 40; ++i)
    settle(), clock.advance(1s);
  ASSERT_TRUE(answer.ready());
  const auto report = answer.get();
  ASSERT_TRUE(report) << report.error();
  EXPECT_EQ(report->error, Errc::unavailable);
  EXPECT_TRUE(report->erased.empty());
  EXPECT_EQ(files().size(), 1U);
}

}  // namespace
