// builds: single
#include <persist/session/guard.hpp>

#include <persist/access/confined.hpp>
#include <persist/access/shared.hpp>

#include <atomic>
#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>

#include <gtest/gtest.h>

namespace {

using namespace persist;

struct Player {
  int coins = 100;
};

/// What a guard sees of a session, and in which order it was called.
template <bool Shared>
struct Node {
  static constexpr bool is_shared = Shared;
  struct Lock {
    std::string* calls;
    void lock() { *calls += "lock "; }
    void unlock() { *calls += "unlock "; }
  };

  std::string calls;
  Lock lock_{&calls};
  Player player;
  std::atomic<std::uint16_t> edit_guards{0};
  bool in_function = false;

  void add_ref() { calls += "ref "; }
  void drop_ref() { calls += "drop "; }
  Lock& guard_lock() { return lock_; }
  void mark_dirty() { calls += "dirty" + std::to_string(edit_guards) + " "; }
  void begin_edit() { calls += "begin "; }
  void finish_edit() { calls += "finish "; }
  void tell_changes() { calls += "tell "; }
  Player& edit_target() { return player; }
  const Player& view_target() const { return player; }
};

using Edit = EditGuard<Node<false>>;
using SharedEdit = EditGuard<Node<true>>;
using View = ViewGuard<Node<false>>;
using SharedView = ViewGuard<Node<true>>;

static_assert(sizeof(Edit) == sizeof(void*) && sizeof(SharedView) == sizeof(void*), "one pointer");
template <class G>
constexpr bool only_moves = std::is_nothrow_move_constructible_v<G> &&
                            !std::is_copy_constructible_v<G> && !std::is_move_assignable_v<G>;
static_assert(only_moves<Edit> && only_moves<SharedEdit> && only_moves<View> &&
              only_moves<SharedView>);

template <class G>
concept has_arrow = requires(G guard) { static_cast<G>(guard)->coins; };
template <class G>
concept has_star = requires(G guard) { *static_cast<G>(guard); };
static_assert(has_arrow<Edit&> && has_star<Edit&> && has_arrow<View&> && has_star<const View&>);
static_assert(has_arrow<SharedEdit&> && has_star<SharedEdit&> && has_arrow<SharedView&> &&
              has_star<const SharedView&>);
static_assert(has_arrow<Edit&&> && has_star<Edit&&> && has_arrow<View&&> && has_star<View&&>,
              "session.edit()->coins is one call");
static_assert(!has_arrow<SharedEdit&&> && !has_star<SharedEdit&&>,
              "a temporary guard would unlock before what it gave is used");
static_assert(!has_arrow<SharedView&&> && !has_star<SharedView&&>);
static_assert(std::is_same_v<decltype(*std::declval<View&>()), const Player&>,
              "what is viewed is not changed");
static_assert(std::is_same_v<decltype(*std::declval<Edit&>()), Player&>);

TEST(EditGuard, is_counted_while_it_lives_and_makes_dirty_when_it_ends) {
  Node<true> node;
  {
    SharedEdit guard(node);
    EXPECT_EQ(node.edit_guards, 1);
    EXPECT_EQ(node.calls, "ref lock begin ");
    guard->coins -= 30;
    (*guard).coins -= 7;
  }
  EXPECT_EQ(node.player.coins, 63);
  EXPECT_EQ(node.edit_guards, 0);
  EXPECT_EQ(node.calls, "ref lock begin finish dirty0 unlock tell drop ")
      << "dirty under the lock, and no longer half changed";
}

TEST(EditGuard, that_was_moved_ends_once) {
  Node<false> node;
  {
    Edit first(node);
    Edit second = std::move(first);
    second->coins = 1;
    EXPECT_EQ(node.edit_guards, 1);
  }
  EXPECT_EQ(node.calls, "ref lock begin finish dirty0 unlock tell drop ");
}

TEST(EditGuard, a_temporary_one_lives_to_the_end_of_its_expression) {
  Node<false> node;
  const int inside = (Edit(node)->coins = 5, node.edit_guards.load());
  EXPECT_EQ(inside, 1);
  EXPECT_EQ(node.player.coins, 5);
  EXPECT_EQ(node.edit_guards, 0);
}

TEST(EditGuard, two_at_once_are_counted_both) {
  Node<false> node;
  const Edit outer(node);
  {
    const Edit inner(node);
    EXPECT_EQ(node.edit_guards, 2);
  }
  EXPECT_EQ(node.edit_guards, 1);
  EXPECT_EQ(node.calls, "ref lock begin ref lock dirty1 unlock tell drop ");
}

TEST(EditGuard, inside_a_function_leaves_it_to_the_function_to_make_dirty) {
  Node<false> node;
  node.in_function = true;
  { const Edit guard(node); }
  EXPECT_EQ(node.calls, "ref lock begin finish unlock tell drop ");
}

TEST(EditGuard, makes_dirty_also_when_the_edit_throws) {
  Node<false> node;
  try {
    Edit guard(node);
    guard->coins = 5;
    throw 1;
  } catch (int) {
  }
  EXPECT_EQ(node.calls, "ref lock begin finish dirty0 unlock tell drop ");
}

TEST(ViewGuard, holds_the_lock_and_changes_nothing) {
  Node<true> node;
  {
    SharedView first(node);
    const SharedView second = std::move(first);
    EXPECT_EQ(second->coins, 100);
    EXPECT_EQ((*second).coins, 100);
    EXPECT_EQ(node.edit_guards, 0);
  }
  EXPECT_EQ(node.calls, "ref lock unlock drop ");
}

}  // namespace
