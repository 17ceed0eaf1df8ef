#pragma once

#include <persist/session/core.hpp>

#include <vector>

namespace persist::inline PERSIST_ABI {

/// Sessions by when something is to be done about them: a binary heap in which each session knows
/// its place, so that changing one's mind is O(log n) and asking what is due is O(1) however many
/// sessions there are.
class DueList {
 public:
  [[nodiscard]] bool empty() const noexcept { return heap_.empty(); }
  /// The session that is due first. There must be one.
  [[nodiscard]] SessionCore& first() const noexcept { return *heap_.front(); }
  [[nodiscard]] std::size_t size() const noexcept { return heap_.size(); }

  void set(SessionCore& session, TimePoint due) {
    session.due = due;
    if (session.due_index == SessionCore::no_index) {
      session.due_index = static_cast<std::uint32_t>(heap_.size());
      heap_.push_back(&session);
    }
    down(up(session.due_index));
  }
  void remove(SessionCore& session) noexcept {
    const std::uint32_t at = std::exchange(session.due_index, SessionCore::no_index);
    if (at == SessionCore::no_index) return;
    SessionCore* last = heap_.back();
    heap_.pop_back();
    if (last == &session) return;
    place(at, last);
    down(up(at));
  }

 private:
  void place(std::uint32_t at, SessionCore* session) noexcept {
    heap_[at] = session, session->due_index = at;
  }
  std::uint32_t up(std::uint32_t at) noexcept {
    SessionCore* session = heap_[at];
    for (; at > 0 && session->due < heap_[(at - 1) / 2]->due; at = (at - 1) / 2)
      place(at, heap_[(at - 1) / 2]);
    place(at, session);
    return at;
  }
  void down(std::uint32_t at) noexcept {
    SessionCore* session = heap_[at];
    const auto size = static_cast<std::uint32_t>(heap_.size());
    while (2 * at + 1 < size) {
      std::uint32_t child = 2 * at + 1;
      if (child + 1 < size && heap_[child + 1]->due < heap_[child]->due) ++child;
      if (!(heap_[child]->due < session->due)) break;
      place(at, heap_[child]);
      at = child;
    }
    place(at, session);
  }

  std::vector<SessionCore*> heap_;
};

}  // namespace persist::inline PERSIST_ABI
