#pragma once

#include <persist/detail/config.hpp>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <exception>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <type_traits>
#include <utility>

namespace persist::inline PERSIST_ABI {

namespace detail {
/// What a connection knows of the signal it belongs to. Slots are numbered and no number is used
/// twice: an address would be, and a late disconnect would hit somebody else's handler.
class SlotList {
 public:
  virtual ~SlotList() = default;
  virtual void disconnect(std::size_t slot) = 0;
  [[nodiscard]] virtual bool holds(std::size_t slot) const = 0;
};
}  // namespace detail

/// A handler that leaves with its first call: `session.on_saved(persist::once(fn))`.
template <class F>
class Once {
 public:
  explicit Once(F handler) : handler_(std::move(handler)) {}
  template <class... Args>
  void operator()(Args&&... args) {
    handler_(std::forward<Args>(args)...);
  }

 private:
  F handler_;
};
template <class F>
[[nodiscard]] Once<std::decay_t<F>> once(F&& handler) {
  return Once<std::decay_t<F>>(std::forward<F>(handler));
}

namespace detail {
template <class F>
inline constexpr bool is_called_once = false;
template <class F>
inline constexpr bool is_called_once<Once<F>> = true;
}  // namespace detail

/// Keeps a handler connected; dropping it disconnects. Harmless after the signal is gone.
///
/// A handler whose connection was dropped is not called any more, not even by a firing that is
/// under way: what it captured may be gone. A handler that is running at that moment finishes.
class [[nodiscard]] Connection {
 public:
  Connection() noexcept = default;
  Connection(std::weak_ptr<detail::SlotList> list, std::size_t slot) noexcept
      : list_(std::move(list)), slot_(slot) {}
  Connection(Connection&& other) noexcept
      : list_(std::exchange(other.list_, {})), slot_(std::exchange(other.slot_, 0)) {}
  Connection& operator=(Connection&& other) noexcept {
    disconnect();
    list_ = std::exchange(other.list_, {});
    slot_ = std::exchange(other.slot_, 0);
    return *this;
  }
  ~Connection() { disconnect(); }

  void disconnect() noexcept {
    if (const auto list = list_.lock()) list->disconnect(slot_);
    detach();
  }
  /// Leaves the handler connected for as long as the signal lives.
  void detach() noexcept { list_.reset(), slot_ = 0; }
  [[nodiscard]] bool connected() const {
    const auto list = list_.lock();
    return list != nullptr && list->holds(slot_);
  }

 private:
  std::weak_ptr<detail::SlotList> list_;
  std::size_t slot_ = 0;
};

/// Calls its handlers in the order they were connected.
///
/// Handlers may do anything, also connect, disconnect, fire again or destroy the signal's owner. A
/// handler that is connected while the signal fires is called from the next firing on. Safe from
/// any thread: the list is locked, never while a handler runs. An unused signal is one null
/// pointer.
template <class... Args>
class Signal {
 public:
  Signal() = default;
  Signal(const Signal&) = delete;
  Signal& operator=(const Signal&) = delete;
  ~Signal() { delete slots_.load(std::memory_order_acquire); }

  /// A handler wrapped in `once` is called at most once.
  template <class F>
  Connection connect(F&& handler) {
    const SlotsPtr& slots = made();
    constexpr bool only_once = detail::is_called_once<std::remove_cvref_t<F>>;
    return Connection(slots, slots->add(std::forward<F>(handler), only_once)->number);
  }
  [[nodiscard]] bool has_handlers() const {
    const SlotsPtr* slots = slots_.load(std::memory_order_acquire);
    return slots != nullptr && (*slots)->any();
  }

  /// What a handler throws keeps no other from being called; the first such is thrown on at the
  /// end.
  void fire(Args... args) const {
    const SlotsPtr* slots = slots_.load(std::memory_order_acquire);
    if (slots == nullptr) return;
    const SlotsPtr alive = *slots;  // a handler may destroy this signal
    [[maybe_unused]] std::exception_ptr thrown;
    for (auto slot = alive->after(nullptr, alive->last()); slot.first;
         slot = alive->after(slot.first, slot.second)) {
#if PERSIST_HAS_EXCEPTIONS
      try {
        slot.first->call(args...);
      } catch (...) {
        if (!thrown) thrown = std::current_exception();
      }
#else
      slot.first->call(args...);
#endif
    }
    if (thrown) std::rethrow_exception(thrown);
  }

 private:
  struct Slot {
    std::function<void(Args...)> call;
    bool only_once = false;
    std::size_t number = 0;
  };
  using SlotPtr = std::shared_ptr<Slot>;

  class Slots final : public detail::SlotList {
   public:
    SlotPtr add(std::function<void(Args...)> call, bool only_once) {
      const std::lock_guard hold(mutex_);
      return slots_.emplace_back(
          std::make_shared<Slot>(Slot{std::move(call), only_once, ++count_}));
    }
    void disconnect(std::size_t slot) override {
      SlotPtr gone;  // destroyed without the lock: what the handler holds may disconnect too
      const std::lock_guard hold(mutex_);
      const auto at = find(slot);
      if (at == slots_.end()) return;
      gone = *at;
      slots_.erase(at);
    }
    [[nodiscard]] bool holds(std::size_t slot) const override {
      const std::lock_guard hold(mutex_);
      return find(slot) != slots_.end();
    }
    [[nodiscard]] bool any() const {
      const std::lock_guard hold(mutex_);
      return !slots_.empty();
    }
    [[nodiscard]] std::size_t last() const {
      const std::lock_guard hold(mutex_);
      return count_;
    }
    /// The next handler to call that was there when the firing began; one that is called once
    /// leaves the list first.
    std::pair<SlotPtr, std::size_t> after(const SlotPtr& before, std::size_t newest) {
      const std::lock_guard hold(mutex_);
      const std::size_t from = before ? before->number : 0;
      for (auto at = slots_.begin(); at != slots_.end(); ++at) {
        if ((*at)->number <= from || (*at)->number > newest) continue;
        SlotPtr next = *at;
        if (next->only_once) slots_.erase(at);
        return {std::move(next), newest};
      }
      return {nullptr, newest};
    }

   private:
    [[nodiscard]] typename std::list<SlotPtr>::const_iterator find(std::size_t slot) const {
      return std::find_if(slots_.begin(), slots_.end(),
                          [slot](const SlotPtr& each) { return each->number == slot; });
    }

    mutable std::mutex mutex_;
    std::list<SlotPtr> slots_;
    std::size_t count_ = 0;
  };

  using SlotsPtr = std::shared_ptr<Slots>;

  /// The list, made by whoever connects first; several threads may at once.
  [[nodiscard]] const SlotsPtr& made() {
    if (const SlotsPtr* there = slots_.load(std::memory_order_acquire)) return *there;
    auto fresh = std::make_unique<SlotsPtr>(std::make_shared<Slots>());
    SlotsPtr* none = nullptr;
    return slots_.compare_exchange_strong(none, fresh.get(), std::memory_order_acq_rel)
               ? *fresh.release()
               : *none;
  }

  std::atomic<SlotsPtr*> slots_{nullptr};  // owned
};

}  // namespace persist::inline PERSIST_ABI
