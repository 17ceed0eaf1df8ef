#pragma once

#include <persist/schema/same.hpp>
#include <persist/signal.hpp>

#include <algorithm>
#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <type_traits>
#include <utility>
#include <vector>

namespace persist::inline PERSIST_ABI {

/// Stands for all of the data, where a member could stand.
struct Whole {
  friend constexpr bool operator==(Whole, Whole) noexcept = default;
};

namespace detail {
/// What of the data is watched: one member, or all of it.
template <auto Member, class Data>
[[nodiscard]] const auto& watched_part(const Data& data) {
  if constexpr (std::is_same_v<std::remove_cv_t<decltype(Member)>, Whole>) {
    return data;
  } else {
    static_assert(
        std::is_invocable_v<decltype(Member), const Data&>,
        "persist: on_changed<...> watches a member of the store's data, like &PlayerData::coins");
    return std::invoke(Member, data);
  }
}
/// Its address names the member among all of them.
template <auto Member>
inline constexpr char watch_tag = 0;
}  // namespace detail

/// Who listens to changes of which part of the data. The parts are copied when a change begins and
/// compared (`schema::same`) when it ends, so only what somebody watches is paid for: two copies
/// for a change, one where it was none.
///
/// Safe from any thread; what it is asked to remember is under the session's lock. An unused one is
/// one null pointer.
template <class Data, class... First>
class Watches {
 public:
  /// Calls the listeners of one part.
  using Tell = std::function<void(First...)>;
  /// Says after a change whom to tell: nobody, where the part is as it was.
  using Compare = std::function<Tell(const Data& now)>;

  Watches() = default;
  Watches(const Watches&) = delete;
  Watches& operator=(const Watches&) = delete;
  ~Watches() { delete body_.load(std::memory_order_acquire); }

  template <auto Member, class F>
  Connection connect(F&& fn) {
    using Part =
        std::remove_cvref_t<decltype(detail::watched_part<Member>(std::declval<const Data&>()))>;
    static_assert(std::is_invocable_v<F&, First..., const Part&, const Part&>,
                  "persist: a listener of on_changed takes what the member was and what it is, of "
                  "a store's the session before them");
    static_assert(std::is_copy_constructible_v<Part>,
                  "persist: what on_changed watches is copied, and this member cannot be");
    return watch<Member>()->changed.connect(std::forward<F>(fn));
  }
  [[nodiscard]] bool any() const {
    Body* body = body_.load(std::memory_order_acquire);
    if (body == nullptr) return false;
    const std::lock_guard hold(body->mutex);
    return std::any_of(body->watches.begin(), body->watches.end(),
                       [](const auto& each) { return each->is_heard(); });
  }
  /// What those listen to is remembered too, for as long as they are there: of a place that
  /// outlives its sessions.
  void also(std::weak_ptr<Watches> others) {
    Body& body = made();
    const std::lock_guard hold(body.mutex);
    body.others = std::move(others);
  }
  /// Takes a copy of what somebody listens to.
  void remember(const Data& data, std::vector<Compare>& into) const {
    Body* body = body_.load(std::memory_order_acquire);
    if (body == nullptr) return;
    std::unique_lock hold(body->mutex);
    const std::vector<std::shared_ptr<Watch>> all = body->watches;
    const std::shared_ptr<Watches> others = body->others.lock();
    hold.unlock();
    for (const auto& each : all)
      if (each->is_heard()) into.push_back(each->remember(each, data));
    if (others) others->remember(data, into);
  }

 private:
  struct Watch {
    explicit Watch(const void* which) noexcept : tag(which) {}
    Watch(const Watch&) = delete;
    Watch& operator=(const Watch&) = delete;
    virtual ~Watch() = default;
    [[nodiscard]] virtual bool is_heard() const = 0;
    [[nodiscard]] virtual Compare remember(std::shared_ptr<Watch> self, const Data& data) const = 0;
    const void* tag;
  };
  template <auto Member>
  struct WatchOf final : Watch {
    using Part =
        std::remove_cvref_t<decltype(detail::watched_part<Member>(std::declval<const Data&>()))>;
    WatchOf() noexcept : Watch(&detail::watch_tag<Member>) {}
    [[nodiscard]] bool is_heard() const override { return changed.has_handlers(); }
    [[nodiscard]] Compare remember(std::shared_ptr<Watch> self, const Data& data) const override {
      auto old = std::make_shared<const Part>(detail::watched_part<Member>(data));
      return [this, self = std::move(self), old = std::move(old)](const Data& now) -> Tell {
        const Part& part = detail::watched_part<Member>(now);
        if (schema::same(*old, part)) return {};
        return [this, self, old, fresh = std::make_shared<const Part>(part)](First... first) {
          changed.fire(first..., *old, *fresh);
        };
      };
    }
    Signal<First..., const Part&, const Part&> changed;
  };

  struct Body {
    std::mutex mutex;
    std::vector<std::shared_ptr<Watch>> watches;
    std::weak_ptr<Watches> others;
  };
  /// Made by whoever connects first; several threads may at once.
  [[nodiscard]] Body& made() {
    if (Body* there = body_.load(std::memory_order_acquire)) return *there;
    auto fresh = std::make_unique<Body>();
    Body* none = nullptr;
    return body_.compare_exchange_strong(none, fresh.get(), std::memory_order_acq_rel)
               ? *fresh.release()
               : *none;
  }
  template <auto Member>
  [[nodiscard]] std::shared_ptr<WatchOf<Member>> watch() {
    Body& body = made();
    const std::lock_guard hold(body.mutex);
    for (const auto& each : body.watches)
      if (each->tag == &detail::watch_tag<Member>)
        return std::static_pointer_cast<WatchOf<Member>>(each);
    auto fresh = std::make_shared<WatchOf<Member>>();
    body.watches.push_back(fresh);
    return fresh;
  }

  std::atomic<Body*> body_{nullptr};  // owned
};

}  // namespace persist::inline PERSIST_ABI
