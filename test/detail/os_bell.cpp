#include <persist/detail/os_bell.hpp>

#include <gtest/gtest.h>

#include <persist/detail/os.hpp>

#include <string>

namespace {

using persist::detail::os::Bell;

std::string bell_name() {
  return "persist-test-" + std::to_string(persist::detail::os::random_bits());
}

TEST(OsBell, AMessageIsHeardByWhoHasTheName) {
  const std::string name = bell_name(), other = bell_name();
  const auto mine = Bell::open(name), another = Bell::open(other);
  if (mine.is(persist::Errc::unsupported)) GTEST_SKIP();
  ASSERT_TRUE(mine && another);
  EXPECT_TRUE(another->ring(name, persist::as_bytes("hello")));
  EXPECT_TRUE(another->ring(name, persist::as_bytes("a longer one")));
  std::byte bytes[8];
  EXPECT_EQ(mine->wait(bytes), 5u);
  EXPECT_EQ(persist::as_text(persist::ByteView(bytes, 5)), "hello");
  EXPECT_EQ(mine->wait(bytes), 8u) << "cut to the room there is";
}

TEST(OsBell, WhoSendsNeverWaits) {
  const std::string name = bell_name();
  const auto mine = Bell::open(name), another = Bell::open(bell_name());
  if (mine.is(persist::Errc::unsupported)) GTEST_SKIP();
  EXPECT_FALSE(another->ring(bell_name(), persist::as_bytes("x"))) << "nobody listens";
  EXPECT_FALSE(Bell().ring(name, persist::as_bytes("x"))) << "and not without a name";
  int sent = 0;
  while (sent < 1'000'000 && another->ring(name, persist::as_bytes("x")))
    ++sent;
  EXPECT_LT(sent, 1'000'000) << "nobody reads them";
}

TEST(OsBell, OneWithoutANameCanRing) {
  const std::string name = bell_name();
  const auto mine = Bell::open(name), nameless = Bell::open();
  if (mine.is(persist::Errc::unsupported)) GTEST_SKIP();
  ASSERT_TRUE(mine && nameless);
  EXPECT_TRUE(nameless->ring(name, {}));
  std::byte bytes[8];
  EXPECT_EQ(mine->wait(bytes), 0u) << "an empty one is one too";
  EXPECT_FALSE(Bell().wait(bytes));
}

TEST(OsBell, ANameIsTakenOnceAndFreeAgain) {
  const std::string name = bell_name();
  {
    const auto mine = Bell::open(name);
    if (mine.is(persist::Errc::unsupported)) GTEST_SKIP();
    EXPECT_TRUE(mine);
    EXPECT_TRUE(Bell::open(name).is(persist::Errc::io));
  }
  EXPECT_TRUE(Bell::open(name));
}

TEST(OsBell, AWaitThatIsStoppedEnds) {
  const auto mine = Bell::open(bell_name());
  if (mine.is(persist::Errc::unsupported)) GTEST_SKIP();
  std::optional<std::size_t> got = 1;
  std::thread waits = persist::detail::os::quiet_thread([&] {
    std::byte bytes[8];
    got = mine->wait(bytes);
  });
  mine->stop();
  waits.join();
  EXPECT_EQ(got, 0u);
}

TEST(OsBell, NoSignalReachesAQuietThread) {
  sigset_t there, here;
  std::thread quiet =
      persist::detail::os::quiet_thread([&] { ::pthread_sigmask(SIG_SETMASK, nullptr, &there); });
  quiet.join();
  ::pthread_sigmask(SIG_SETMASK, nullptr, &here);
  EXPECT_EQ(::sigismember(&there, SIGTERM), 1);
  EXPECT_EQ(::sigismember(&here, SIGTERM), 0);
}

}  // namespace
