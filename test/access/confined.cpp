// builds: single no-exceptions
#include <persist/access/confined.hpp>

#include <mutex>
#include <type_traits>

#include <gtest/gtest.h>

namespace {

using persist::access::Confined;

static_assert(!Confined::is_shared);
static_assert(std::is_empty_v<Confined> && std::is_empty_v<Confined::Mutex> &&
              std::is_empty_v<Confined::SessionLock>);
static_assert(std::is_trivial_v<Confined::Mutex>);

struct Locked {
  PERSIST_NO_UNIQUE_ADDRESS Confined::SessionLock lock;
  void* data;
};
static_assert(sizeof(Locked) == sizeof(void*), "the null form adds no byte");

constexpr bool locks_at_compile_time() {
  const Confined::Mutex mutex;
  mutex.lock();
  const bool again = mutex.try_lock();
  mutex.unlock();
  return again;
}
static_assert(locks_at_compile_time(), "its calls are nothing");

TEST(Confined, its_lock_fits_where_the_real_one_does_and_never_waits) {
  Confined::Mutex mutex;
  const std::unique_lock hold(mutex);
  const std::scoped_lock again(mutex);
  EXPECT_TRUE(mutex.try_lock());
}

}  // namespace
