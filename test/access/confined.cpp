#include <persist/access/confined.hpp>

#include <gtest/gtest.h>

#include <mutex>
#include <type_traits>

namespace {

using persist::access::Confined;

static_assert(std::is_empty_v<Confined::Mutex> && std::is_empty_v<Confined::SessionLock>);
static_assert(!Confined::is_shared);

TEST(AccessConfined, its_locks_are_nothing) {
  Confined::Mutex mutex;
  const std::unique_lock one(mutex);
  const std::unique_lock two(mutex);  // and nobody waits
  EXPECT_TRUE(mutex.try_lock());
}

}  // namespace
