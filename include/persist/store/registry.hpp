#pragma once

#include <persist/session/core.hpp>

#include <cstdint>
#include <string_view>
#include <vector>

namespace persist::inline PERSIST_ABI {

/// The sessions of a store by the spelling of their key, and hidden ones, which are not found by
/// it. One table of pointers, at most three
/// quarters full, in which a session lies at its place or behind others without a gap; an entry
/// costs eleven bytes to twenty-two. Holds a reference to each.
class Registry {
 public:
  Registry() : table_(8, nullptr) {}
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;
  ~Registry() { clear(); }

  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] SessionCore* find(std::string_view key) const noexcept {
    return find(key, SessionCore::hash_of(key));
  }
  /// The one that is there under the key of `session`: that, another, or none. A hidden one is
  /// alone.
  [[nodiscard]] SessionCore* find(const SessionCore& session) const noexcept {
    if (!session.is_hidden) return find(session.key(), session.key_hash());
    SessionCore* itself = nullptr;
    each(session.key(), [&](SessionCore& other) {
      if (&other == &session) itself = &other;
    });
    return itself;
  }
  /// All of that key, hidden ones too.
  template <class F>
  void each(std::string_view key, F&& visit) const {
    const std::uint32_t hash = SessionCore::hash_of(key);
    for (std::size_t at = place(hash); table_[at] != nullptr; at = behind(at))
      if (table_[at]->key_hash() == hash && table_[at]->key() == key) visit(*table_[at]);
  }
  /// The key must not be there yet, but for hidden ones.
  void insert(SessionCore& session) {
    if (4 * (size_ + 1) > 3 * table_.size()) grow();
    session.refs.fetch_add(1, std::memory_order_relaxed);
    put(session);
    ++size_;
  }
  /// Forgets the session; the caller must hold a reference of its own. Harmless if it is not there.
  void remove(SessionCore& session) {
    std::size_t gap = place(session.key_hash());
    for (; table_[gap] != &session; gap = behind(gap))
      if (table_[gap] == nullptr) return;
    // Whoever lies behind the gap and not before its own place moves up into it.
    for (std::size_t at = behind(gap); table_[at] != nullptr; at = behind(at)) {
      const std::size_t own = place(table_[at]->key_hash());
      if (way(own, at) < way(gap, at)) continue;
      table_[gap] = table_[at];
      gap = at;
    }
    table_[gap] = nullptr;
    --size_;
    session.refs.fetch_sub(1, std::memory_order_acq_rel);
  }
  template <class F>
  void for_each(F&& visit) const {
    for (SessionCore* session : table_)
      if (session != nullptr) visit(*session);
  }
  [[nodiscard]] std::vector<SessionPtr> all() const {
    std::vector<SessionPtr> sessions;
    sessions.reserve(size_);
    for_each([&](SessionCore& session) { sessions.emplace_back(&session); });
    return sessions;
  }

 private:
  [[nodiscard]] SessionCore* find(std::string_view key, std::uint32_t hash) const noexcept {
    for (std::size_t at = place(hash); table_[at] != nullptr; at = behind(at))
      if (table_[at]->key_hash() == hash && !table_[at]->is_hidden && table_[at]->key() == key)
        return table_[at];
    return nullptr;
  }
  [[nodiscard]] std::size_t place(std::uint32_t hash) const noexcept {
    return hash & (table_.size() - 1);
  }
  [[nodiscard]] std::size_t behind(std::size_t at) const noexcept {
    return (at + 1) & (table_.size() - 1);
  }
  /// How many steps it is from one place on to the other.
  [[nodiscard]] std::size_t way(std::size_t from, std::size_t to) const noexcept {
    return (to - from) & (table_.size() - 1);
  }
  void put(SessionCore& session) {
    std::size_t at = place(session.key_hash());
    while (table_[at] != nullptr)
      at = behind(at);
    table_[at] = &session;
  }
  void grow() {
    std::vector<SessionCore*> old(2 * table_.size(), nullptr);
    old.swap(table_);
    for (SessionCore* session : old)
      if (session != nullptr) put(*session);
  }
  void clear() {
    for (const SessionPtr& session : all())
      remove(*session);
  }

  std::vector<SessionCore*> table_;  // a power of two
  std::size_t size_ = 0;
};

}  // namespace persist::inline PERSIST_ABI
