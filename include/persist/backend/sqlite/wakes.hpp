#pragma once

#include <persist/backend/rows/hint.hpp>
#include <persist/detail/os_bell.hpp>
#include <persist/record/wake.hpp>

#include <atomic>
#include <charconv>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

// Hints to other processes. A record's row says whom a hint is for: its owner or its asker, by the
// random number of the database that they opened. So a hint goes to that one process, under a name
// made of the number.

namespace persist::inline PERSIST_ABI::backend::sqlite {

using rows::Hinted;

[[nodiscard]] inline std::string bell_of(std::uint64_t nonce) {
  char digits[16];
  const auto end = std::to_chars(digits, digits + sizeof digits, nonce, 16).ptr;
  return "persist-" + std::string(digits, end);
}

/// The stores of this process that want to be woken, and one thread that hears of other processes
/// from the first on. Where a hint cannot be heard or sent it is not: what waits looks again by
/// itself. Any thread may call.
class Wakes {
 public:
  Wakes() = default;
  Wakes(const Wakes&) = delete;
  Wakes& operator=(const Wakes&) = delete;
  ~Wakes() {
    if (!listener_.joinable()) return;
    ends_ = true;
    bell_.stop();
    listener_.join();
  }

  void watch(std::uint64_t nonce, StoreId store, std::weak_ptr<WakeQueue> queue) {
    const std::lock_guard hold(mutex_);
    watchers_[store.index].push_back(std::move(queue));
    if (listener_.joinable()) return;
    auto bell = persist::detail::os::Bell::open(bell_of(nonce));
    if (!bell) return;
    bell_ = std::move(*bell);
    listener_ = persist::detail::os::quiet_thread([this] { listen(); });
  }
  /// `mine` is this process's own number, whose stores need no message.
  void send(std::uint64_t mine, const std::vector<Hinted>& hints) {
    if (hints.empty()) return;
    const std::lock_guard hold(mutex_);
    for (const Hinted& hint : hints) {
      if (hint.nonce == mine) {
        push(hint);
        continue;
      }
      sender_.ring(bell_of(hint.nonce), rows::encode_hint(hint));
    }
  }

 private:
  void listen() {
    std::byte bytes[512];
    while (const auto size = bell_.wait(bytes)) {
      if (ends_) return;
      const auto hint = rows::decode_hint(ByteView(bytes, *size));
      if (!hint) continue;
      const std::lock_guard hold(mutex_);
      push(*hint);
    }
  }
  void push(const Hinted& hint) {
    const auto found = watchers_.find(hint.store.index);
    if (found == watchers_.end()) return;
    std::erase_if(found->second, [&](const std::weak_ptr<WakeQueue>& watcher) {
      const auto queue = watcher.lock();
      if (queue) queue->push(hint.key, hint.why);
      return queue == nullptr;
    });
  }

  std::mutex mutex_;
  std::map<std::uint32_t, std::vector<std::weak_ptr<WakeQueue>>> watchers_;
  persist::detail::os::Bell bell_;
  persist::detail::os::Bell sender_ =
      persist::detail::os::Bell::open().value_or(persist::detail::os::Bell());
  std::atomic<bool> ends_{false};
  std::thread listener_;
};

}  // namespace persist::inline PERSIST_ABI::backend::sqlite
