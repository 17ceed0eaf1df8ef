#include <persist/session/counted.hpp>

#include <gtest/gtest.h>

namespace {

struct Thing {
  explicit Thing(int& alive) : count(alive) { ++count; }
  ~Thing() { --count; }
  std::atomic<std::uint32_t> refs{0};
  int& count;
};
using Pointer = persist::Counted<Thing>;

static_assert(sizeof(Pointer) == sizeof(void*));

TEST(Counted, the_last_pointer_to_go_deletes_the_object) {
  int alive = 0;
  {
    Pointer first(new Thing(alive));
    Pointer second = first;
    first = Pointer();
    EXPECT_EQ(alive, 1);
    EXPECT_EQ(second->refs, 1U);
  }
  EXPECT_EQ(alive, 0);
}

TEST(Counted, moving_leaves_nothing_behind) {
  int alive = 0;
  Pointer first(new Thing(alive));
  const Pointer second = std::move(first);
  EXPECT_FALSE(first);  // NOLINT(bugprone-use-after-move): what it is after the move is the point
  EXPECT_EQ(second->refs, 1U);
}

TEST(Counted, assigning_a_pointer_to_itself_changes_nothing) {
  int alive = 0;
  Pointer pointer(new Thing(alive));
  const Pointer& same = pointer;
  pointer = same;
  EXPECT_EQ(alive, 1);
  EXPECT_EQ(pointer, same);
}

}  // namespace
