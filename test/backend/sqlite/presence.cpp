#include <persist/backend/sqlite/presence.hpp>

#include <gtest/gtest.h>

#include "backend/sqlite/support.hpp"

#include <csignal>

namespace {

using persist::Head;
using persist::backend::sqlite::Presence;
using persist_test::SqliteFolder;

TEST(SqlitePresence, LastsAsLongAsItsHandle) {
  const SqliteFolder folder;
  auto mine = Presence::announce(folder.db());
  ASSERT_TRUE(mine) << mine.error();
  EXPECT_TRUE(mine->is_there(mine->nonce()));
  EXPECT_FALSE(mine->is_there(mine->nonce() + (std::uint64_t{1} << 20)));
  std::uint64_t nonce = 0;
  {
    const auto other = Presence::announce(folder.db());
    nonce = other->nonce();
    EXPECT_NE(nonce, mine->nonce());
    EXPECT_TRUE(mine->is_there(nonce));
    EXPECT_TRUE(other->is_there(mine->nonce()));
  }
  EXPECT_FALSE(mine->is_there(nonce));
}

TEST(SqlitePresence, EndsWithAProcessThatIsKilled) {
  const SqliteFolder folder;
  int pipe[2];
  ASSERT_EQ(::pipe(pipe), 0);
  const pid_t child = persist_test::sqlite_child([&] {
    const auto there = Presence::announce(folder.db());
    const std::uint64_t nonce = there->nonce();
    if (::write(pipe[1], &nonce, sizeof nonce) != sizeof nonce) return 1;
    ::pause();
    return 0;
  });
  std::uint64_t nonce = 0;
  ASSERT_EQ(::read(pipe[0], &nonce, sizeof nonce), static_cast<ssize_t>(sizeof nonce));
  const auto mine = Presence::announce(folder.db());
  EXPECT_TRUE(mine->is_there(nonce));
  ::kill(child, SIGKILL);
  persist_test::ended(child);
  EXPECT_FALSE(mine->is_there(nonce));
  ::close(pipe[0]);
  ::close(pipe[1]);
}

TEST(SqlitePresence, ALeaseOfSomebodyGoneIsOverAndNothingElseIsChanged) {
  const SqliteFolder folder;
  const auto mine = Presence::announce(folder.db());
  const persist::TimePoint now(std::chrono::hours(5));
  Head head;
  head.fence.owner = {{}, mine->nonce(), 1};
  head.lease = std::chrono::minutes(1);
  head.renewed = now - std::chrono::seconds(1);
  mine->judge(head, now);
  EXPECT_TRUE(head.leased_at(now));
  head.fence.owner.nonce += std::uint64_t{1} << 20;
  mine->judge(head, now);
  EXPECT_FALSE(head.leased_at(now));
  EXPECT_EQ(head.fence.owner.session, 1u);
  EXPECT_EQ(head.lease, std::chrono::minutes(1));
}

}  // namespace
