// builds: single tsan
#include <persist/access/shared.hpp>

#include <persist/lock/lease.hpp>
#include <persist/lock/none.hpp>

#include <atomic>
#include <mutex>
#include <thread>
#include <type_traits>
#include <vector>

#include <gtest/gtest.h>

namespace {

using namespace persist;
using access::SessionLock;

static_assert(sizeof(SessionLock) == 4);
static_assert(access::Synchronised::is_shared);
static_assert(std::is_same_v<access_of<access::Shared<lock::None>>, access::Synchronised>);
static_assert(std::is_empty_v<access::Shared<lock::Lease<>>>);
static_assert(access::Shared<lock::Lease<conflict::Steal>>::conflict == Conflict::steal &&
                  access::Shared<lock::Lease<>>::kind == LockKind::lease &&
                  !access::Shared<lock::None>::is_leased,
              "what it wraps is not changed");

bool free_for_others(SessionLock& lock) {
  bool got = false;
  std::thread([&] {
    got = lock.try_lock();
    if (got) lock.unlock();
  }).join();
  return got;
}

TEST(SessionLock, shuts_other_threads_out_until_it_is_unlocked) {
  SessionLock lock;
  EXPECT_TRUE(free_for_others(lock));
  lock.lock();
  EXPECT_FALSE(free_for_others(lock));
  lock.unlock();
  EXPECT_TRUE(free_for_others(lock));
}

TEST(SessionLock, is_free_only_when_it_was_unlocked_as_often_as_locked) {
  SessionLock lock;
  for (int i = 0; i < 15; ++i)
    lock.lock();
  for (int i = 0; i < 14; ++i) {
    lock.unlock();
    ASSERT_FALSE(free_for_others(lock)) << "after " << i + 1 << " of 15";
  }
  lock.unlock();
  EXPECT_TRUE(free_for_others(lock));
}

TEST(SessionLock, its_own_thread_gets_it_again_by_trying) {
  SessionLock lock;
  ASSERT_TRUE(lock.try_lock());
  ASSERT_TRUE(lock.try_lock());
  lock.unlock();
  EXPECT_FALSE(free_for_others(lock));
  lock.unlock();
}

TEST(SessionLock, a_thread_that_waits_gets_it_when_it_is_unlocked) {
  SessionLock lock;
  int seen = 0;
  int shared = 0;
  std::atomic<bool> begun{false};
  lock.lock();
  std::thread waiter([&] {
    begun = true;
    const std::lock_guard hold(lock);
    seen = shared;
  });
  while (!begun)
    std::this_thread::yield();
  for (int i = 0; i < 1000; ++i)  // so that it sleeps in the system, and must be woken
    std::this_thread::yield();
  lock.lock();  // the word changes under the one that waits
  lock.unlock();
  shared = 7;
  lock.unlock();
  waiter.join();
  EXPECT_EQ(seen, 7);
}

TEST(SessionLock, no_increment_of_four_threads_is_lost) {
  constexpr int threads = 4;
  constexpr int rounds = 2000;
  SessionLock lock;
  int count = 0;
  int inside = 0;
  std::atomic<bool> alone{true};
  std::vector<std::thread> all;
  all.reserve(threads);
  for (int t = 0; t < threads; ++t)
    all.emplace_back([&] {
      for (int i = 0; i < rounds; ++i) {
        const std::lock_guard hold(lock);
        if (++inside != 1) alone = false;
        const std::lock_guard again(lock);
        ++count;
        --inside;
      }
    });
  for (std::thread& thread : all)
    thread.join();
  EXPECT_TRUE(alone);
  EXPECT_EQ(count, threads * rounds);
}

TEST(Synchronised, its_mutex_may_be_taken_again_by_a_handler) {
  access::Synchronised::Mutex mutex;
  const std::lock_guard outer(mutex);
  EXPECT_TRUE(mutex.try_lock());
  mutex.unlock();
}

TEST(SessionLockDeathTest, deeper_than_15_ends_the_program_with_one_sentence) {
  SessionLock lock;
  for (int i = 0; i < 15; ++i)
    lock.lock();
  EXPECT_DEATH(lock.lock(), "persist: a session was locked more than 15 deep by one thread");
  EXPECT_DEATH((void)lock.try_lock(), "persist: a session was locked more than 15 deep");
}

}  // namespace
