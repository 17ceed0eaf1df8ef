#pragma once

#include <persist/detail/config.hpp>

#include <atomic>
#include <utility>

namespace persist::inline PERSIST_ABI {

/// The beginning and the end of a guard for a change.
template <class Node>
void open_edit(Node& node) {
  node.guard_lock().lock();
  if (node.edit_guards.fetch_add(1, std::memory_order_relaxed) == 0) node.begin_edit();
}
template <class Node>
void close_edit(Node& node) {
  if (node.edit_guards.fetch_sub(1, std::memory_order_relaxed) == 1) node.finish_edit();
  // Inside a handler, grant or transaction the edit belongs to that, and counts when it succeeds.
  if (!node.in_function) node.mark_dirty();
  node.guard_lock().unlock();
  node.tell_changes();
}

/// Access to a session's data for a change. One pointer.
///
/// While it lives the session is not encoded, so half an edit is never saved; when it ends, and not
/// before, the session is dirty, so no edit slips behind a save. In a shared store it also holds
/// the session's lock, and `->` needs a guard with a name: over a temporary one a loop would go on
/// without the lock.
template <class Node>
class [[nodiscard]] EditGuard {
 public:
  explicit EditGuard(Node& node) : node_(&node) {
    node_->add_ref();
    open_edit(*node_);
  }
  EditGuard(EditGuard&& other) noexcept : node_(std::exchange(other.node_, nullptr)) {}
  EditGuard& operator=(EditGuard&&) = delete;
  ~EditGuard() {
    if (node_ == nullptr) return;
    close_edit(*node_);
    node_->drop_ref();
  }

  [[nodiscard]] auto* operator->() & { return &node_->edit_target(); }
  [[nodiscard]] auto& operator*() & { return node_->edit_target(); }
  [[nodiscard]] auto* operator->() &&
        requires(!Node::is_shared)
  {
    return &node_->edit_target();
  }
  [[nodiscard]] auto& operator*() &&
        requires(!Node::is_shared)
  {
    return node_->edit_target();
  }
  // A temporary guard of a shared store would be gone before the change is made: name it, or use
  // `edit(fn)`.
  void operator->() &&
        requires(Node::is_shared)
      = delete;
  void operator*() &&
        requires(Node::is_shared)
      = delete;

 private:
  Node* node_;
};

/// Access to a session's data for reading. One pointer; in a shared store it holds the session's
/// lock.
template <class Node>
class [[nodiscard]] ViewGuard {
 public:
  explicit ViewGuard(Node& node) : node_(&node) {
    node_->add_ref();
    node_->guard_lock().lock();
  }
  ViewGuard(ViewGuard&& other) noexcept : node_(std::exchange(other.node_, nullptr)) {}
  ViewGuard& operator=(ViewGuard&&) = delete;
  ~ViewGuard() {
    if (node_ == nullptr) return;
    node_->guard_lock().unlock();
    node_->drop_ref();
  }

  [[nodiscard]] const auto* operator->() const& { return &node_->view_target(); }
  [[nodiscard]] const auto& operator*() const& { return node_->view_target(); }
  // A temporary guard of a shared store would be gone before what it gave is read.
  void operator->() const&&
    requires(Node::is_shared)
  = delete;
  void operator*() const&&
    requires(Node::is_shared)
  = delete;

 private:
  Node* node_;
};

}  // namespace persist::inline PERSIST_ABI
