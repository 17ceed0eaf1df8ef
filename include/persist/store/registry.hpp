#pragma once

#include <persist/session/core.hpp>

#include <cstdint>
#include <string_view>
#include <vector>

namespace persist::inline PERSIST_ABI {

/// The sessions of a store by the spelling of their key. Chains run through the sessions
/// themselves, so that an entry costs eight bytes to sixteen. Holds a reference to each.
class Registry {
 public:
  Registry() : buckets_(8, nullptr) {}
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;
  ~Registry() { clear(); }

  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] SessionCore* find(std::string_view key) const noexcept {
    return find(key, SessionCore::hash_of(key));
  }
  /// The one that is there under the key of `session`: that, another, or none.
  [[nodiscard]] SessionCore* find(const SessionCore& session) const noexcept {
    return find(session.key(), session.key_hash());
  }
  /// The key must not be there yet.
  void insert(SessionCore& session) {
    if (size_ == buckets_.size()) grow();
    session.refs.fetch_add(1, std::memory_order_relaxed);
    link(session);
    ++size_;
  }
  /// Forgets the session; the caller must hold a reference of its own. Harmless if it is not there.
  void remove(SessionCore& session) {
    for (SessionCore** at = &buckets_[slot(session.key_hash())]; *at != nullptr;
         at = &(*at)->next_in_bucket) {
      if (*at != &session) continue;
      *at = std::exchange(session.next_in_bucket, nullptr);
      --size_;
      session.refs.fetch_sub(1, std::memory_order_acq_rel);
      return;
    }
  }
  template <class F>
  void for_each(F&& visit) const {
    for (SessionCore* head : buckets_)
      for (SessionCore* at = head; at != nullptr; at = at->next_in_bucket)
        visit(*at);
  }
  [[nodiscard]] std::vector<SessionPtr> all() const {
    std::vector<SessionPtr> sessions;
    sessions.reserve(size_);
    for_each([&](SessionCore& session) { sessions.emplace_back(&session); });
    return sessions;
  }

 private:
  [[nodiscard]] SessionCore* find(std::string_view key, std::uint32_t hash) const noexcept {
    for (SessionCore* at = buckets_[slot(hash)]; at != nullptr; at = at->next_in_bucket)
      if (at->key_hash() == hash && at->key() == key) return at;
    return nullptr;
  }
  [[nodiscard]] std::size_t slot(std::uint32_t hash) const noexcept {
    return hash & (buckets_.size() - 1);
  }
  void link(SessionCore& session) {
    SessionCore*& head = buckets_[slot(session.key_hash())];
    session.next_in_bucket = head;
    head = &session;
  }
  void grow() {
    std::vector<SessionCore*> old(2 * buckets_.size(), nullptr);
    old.swap(buckets_);
    for (SessionCore* head : old)
      while (head != nullptr)
        link(*std::exchange(head, head->next_in_bucket));
  }
  void clear() {
    for (const SessionPtr& session : all())
      remove(*session);
  }

  std::vector<SessionCore*> buckets_;  // a power of two
  std::size_t size_ = 0;
};

}  // namespace persist::inline PERSIST_ABI
