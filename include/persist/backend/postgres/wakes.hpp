#pragma once

#include <persist/backend/postgres/wire.hpp>
#include <persist/backend/rows/hint.hpp>
#include <persist/detail/os_bell.hpp>
#include <persist/detail/os_poll.hpp>

#include <atomic>
#include <charconv>
#include <chrono>
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

// Hints to other servers. A record's row says whom a hint is for: its owner or its asker, by the
// random number of the database that they opened. So a hint is a NOTIFY to a channel named after
// that number, in the transaction that it is about.

namespace persist::inline PERSIST_ABI::backend::postgres {

inline constexpr std::string_view hexadecimal = "0123456789abcdef";

[[nodiscard]] inline std::string channel_of(std::uint64_t nonce) {
  char digits[16];
  const auto end = std::to_chars(digits, digits + sizeof digits, nonce, 16).ptr;
  return "ps_hint_" + std::string(digits, end);
}
/// A hint as text, because a NOTIFY carries nothing else.
[[nodiscard]] inline std::string spell_hint(const rows::Hinted& hint) {
  const Buffer bytes = rows::encode_hint(hint);
  std::string text;
  for (const std::byte each : bytes.view()) {
    text += hexadecimal[std::to_integer<std::size_t>(each >> 4)];
    text += hexadecimal[std::to_integer<std::size_t>(each & std::byte{15})];
  }
  return text;
}
/// Nothing where it is none: who may connect to the database may send anything.
[[nodiscard]] inline std::optional<rows::Hinted> read_hint(std::string_view text) {
  Buffer bytes;
  if (text.size() % 2 != 0) return std::nullopt;
  for (std::size_t i = 0; i < text.size(); i += 2) {
    const std::size_t high = hexadecimal.find(text[i]), low = hexadecimal.find(text[i + 1]);
    if (high == std::string_view::npos || low == std::string_view::npos) return std::nullopt;
    append_little(bytes, static_cast<std::uint8_t>(high << 4 | low));
  }
  return rows::decode_hint(bytes);
}

/// The stores of this process that want to be woken, and one thread that hears of other servers
/// from the first on, over a connection of its own. Where that is lost hints are, until it is back:
/// what waits looks again by itself. Any thread may call.
class Wakes {
 public:
  Wakes(std::string uri, std::uint64_t nonce) : uri_(std::move(uri)), nonce_(nonce) {}
  Wakes(const Wakes&) = delete;
  Wakes& operator=(const Wakes&) = delete;
  ~Wakes() {
    if (!listener_.joinable()) return;
    ends_ = true;
    stops_.ring();
    listener_.join();
  }

  void watch(StoreId store, std::weak_ptr<WakeQueue> queue, bool listens) {
    const std::lock_guard hold(mutex_);
    watchers_[store.index].push_back(std::move(queue));
    if (!listens || listener_.joinable() || stops_.descriptor() < 0) return;
    listener_ = persist::detail::os::quiet_thread([this] { listen(); });
  }
  /// Those of a transaction that are for stores of this process.
  void push_mine(const std::vector<rows::Hinted>& hints) {
    if (hints.empty()) return;
    const std::lock_guard hold(mutex_);
    for (const rows::Hinted& hint : hints)
      if (hint.nonce == nonce_) push(hint);
  }
  /// Whether others' hints come in at the moment.
  [[nodiscard]] bool hears() const noexcept { return hears_; }

 private:
  void listen() {
    Duration pause = first_pause;
    while (!ends_) {
      Wire wire;
      constexpr Duration patience = std::chrono::seconds(5);
      if (!failed(wire.open(uri_, persist::after(here_now(), patience), false)) &&
          subscribes(wire, persist::after(here_now(), patience))) {
        pause = first_pause;
        hears_ = true;
        hear(wire);
        hears_ = false;
      }
      const auto longest = std::chrono::ceil<std::chrono::milliseconds>(pause).count();
      if (!ends_) (void)persist::detail::os::wait_for_socket(-1, false, longest, &stops_);
      pause = (std::min)(2 * pause, last_pause);
    }
  }
  [[nodiscard]] bool subscribes(Wire& wire, TimePoint deadline) const {
    if (PQsendQuery(wire.get(), ("LISTEN " + channel_of(nonce_)).c_str()) == 0) return false;
    bool is_done = false;
    for (Answer answer; (answer = wire.next(deadline)) != nullptr;)
      is_done = PQresultStatus(answer.get()) == PGRES_COMMAND_OK;
    return is_done && !wire.is_lost();
  }
  /// Until the connection is lost or this is stopped.
  void hear(Wire& wire) {
    constexpr std::int64_t longest = 1 << 30;
    while (!ends_) {
      while (PGnotify* heard = PQnotifies(wire.get())) {
        const auto hint = read_hint(heard->extra);
        PQfreemem(heard);
        if (!hint) continue;
        const std::lock_guard hold(mutex_);
        push(*hint);
      }
      (void)persist::detail::os::wait_for_socket(PQsocket(wire.get()), false, longest, &stops_);
      if (!ends_ && PQconsumeInput(wire.get()) == 0) return;
    }
  }
  void push(const rows::Hinted& hint) {
    const auto found = watchers_.find(hint.store.index);
    if (found == watchers_.end()) return;
    std::erase_if(found->second, [&](const std::weak_ptr<WakeQueue>& watcher) {
      const auto queue = watcher.lock();
      if (queue) queue->push(hint.key, hint.why);
      return queue == nullptr;
    });
  }

  static constexpr Duration first_pause = std::chrono::milliseconds(50);
  static constexpr Duration last_pause = std::chrono::seconds(5);

  std::string uri_;
  std::uint64_t nonce_;
  std::mutex mutex_;
  std::map<std::uint32_t, std::vector<std::weak_ptr<WakeQueue>>> watchers_;
  persist::detail::os::Alarm stops_;
  std::atomic<bool> ends_{false}, hears_{false};
  std::thread listener_;
};

}  // namespace persist::inline PERSIST_ABI::backend::postgres
