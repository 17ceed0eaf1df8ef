#include <persist/session/guard.hpp>

#include <persist/access/confined.hpp>

#include <atomic>
#include <string>

#include <gtest/gtest.h>

namespace {

/// What a guard asks of a session, written down.
struct FakeNode {
  static constexpr bool is_shared = false;
  std::string heard;
  std::atomic<std::uint16_t> edit_guards{0};
  std::atomic<bool> in_function{false};
  persist::access::Confined::SessionLock lock;
  int data = 7;

  void add_ref() { heard += "+"; }
  void drop_ref() { heard += "-"; }
  void mark_dirty() { heard += "d"; }
  void begin_edit() { heard += "b"; }
  void finish_edit() { heard += "f"; }
  persist::access::Confined::SessionLock& guard_lock() { return lock; }
  int& edit_target() { return data; }
  const int& view_target() const { return data; }
};
using Edit = persist::EditGuard<FakeNode>;
using View = persist::ViewGuard<FakeNode>;

static_assert(sizeof(Edit) == sizeof(void*) && sizeof(View) == sizeof(void*));
static_assert(!std::copy_constructible<Edit> && !std::copy_constructible<View>);

TEST(Guard, an_edit_guard_counts_itself_in_and_marks_when_it_ends) {
  FakeNode node;
  {
    Edit guard(node);
    EXPECT_EQ(node.edit_guards, 1U);
    *guard = 8;
    EXPECT_EQ(node.heard, "+b");
  }
  EXPECT_EQ(node.edit_guards, 0U);
  EXPECT_EQ(node.heard, "+bfd-");
  EXPECT_EQ(node.data, 8);
}

TEST(Guard, the_outermost_guard_begins_and_finishes) {
  FakeNode node;
  {
    const Edit outer(node);
    const Edit inner(node);
    EXPECT_EQ(node.edit_guards, 2U);
  }
  EXPECT_EQ(node.heard, "+b+d-fd-");
}

TEST(Guard, a_moved_guard_is_one_guard) {
  FakeNode node;
  {
    Edit one(node);
    Edit two(std::move(one));
    EXPECT_EQ(node.edit_guards, 1U);
    EXPECT_EQ(*two, 7);
  }
  EXPECT_EQ(node.edit_guards, 0U);
  EXPECT_EQ(node.heard, "+bfd-");
}

TEST(Guard, inside_a_function_an_edit_belongs_to_that) {
  FakeNode node;
  node.in_function = true;
  { const Edit guard(node); }
  EXPECT_EQ(node.heard.find('d'), std::string::npos);
}

TEST(Guard, a_view_marks_nothing) {
  FakeNode node;
  {
    const View guard(node);
    EXPECT_EQ(*guard, 7);
    EXPECT_EQ(node.edit_guards, 0U);
  }
  EXPECT_EQ(node.heard, "+-");
}

}  // namespace
