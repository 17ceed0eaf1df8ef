#pragma once

#include <persist/backend/redis/pool.hpp>
#include <persist/backend/redis/turn.hpp>
#include <persist/detail/os_bell.hpp>
#include <persist/record/reader.hpp>

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

// Hints to other servers: a record says whom one is for, its owner or its asker, by the random
// number of the database that they opened, and that number is the name of a channel.

namespace persist::inline PERSIST_ABI::backend::redis {

[[nodiscard]] inline std::string channel_of(std::uint64_t nonce) {
  return "persist:wake:" + Hash128{nonce, 0}.text().substr(16);
}
/// As it is published. Whoever publishes need not be one of ours.
[[nodiscard]] inline std::string encode_hint(std::string_view store, std::string_view key,
                                             Hint why) {
  Buffer bytes(as_bytes("psth"));
  append_little(bytes, static_cast<std::uint8_t>(why));
  file::append_text(bytes, store);
  bytes.append(key);
  return std::string(as_text(bytes));
}
struct NamedHint {
  std::string store;
  std::string key;
  Hint why = Hint::freed;
};
[[nodiscard]] inline std::optional<NamedHint> decode_hint(std::string_view message) {
  persist::detail::Reader from(as_bytes(message));
  const bool is_ours = as_text(from.bytes(4)) == "psth";
  const auto why = from.number<std::uint8_t>();
  const std::string_view store = from.text();
  const std::string_view key = as_text(from.bytes(from.left()));
  if (!is_ours || !from.good() || why > static_cast<std::uint8_t>(Hint::message)) return {};
  if (key.empty() || key.size() > 255) return {};
  return NamedHint{std::string(store), std::string(key), static_cast<Hint>(why)};
}

/// A connection of its own, and a thread that hears what is published for this database. Where it
/// cannot hear it tries again later: what waits looks again by itself. Any thread may call.
class Listener {
 public:
  using Heard = std::function<void(const NamedHint&)>;

  Listener(std::shared_ptr<Pool> pool, std::uint64_t nonce, Heard heard)
      : pool_(std::move(pool)), channel_(channel_of(nonce)), heard_(std::move(heard)) {}
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;
  ~Listener() {
    if (!thread_.joinable()) return;
    ends_ = true;
    wake_.notify();
    {
      const std::lock_guard hold(mutex_);
      if (socket_ >= 0) ::shutdown(socket_, SHUT_RDWR);
    }
    thread_.join();
  }

  /// Hears from now on: the first call returns once it does, or failed to.
  void start() {
    const std::lock_guard once(starting_);
    if (thread_.joinable()) return;
    auto line = subscribe();
    thread_ = persist::detail::os::quiet_thread(
        [this, first = std::make_shared<Pool::Line>(std::move(line))] { listen(*first); });
  }

 private:
  [[nodiscard]] Pool::Line subscribe() {
    const TimePoint deadline = SystemClock::instance().now() + pool_->options().deadline;
    auto line = pool_->connect(deadline);
    if (!line || !(*line)->call({"SUBSCRIBE", channel_})) return nullptr;
    return std::move(*line);
  }
  void listen(Pool::Line& line) {
    while (!ends_) {
      if (line) hear(*line);
      if (ends_) return;
      line = nullptr;
      wake_.wait_for((std::max)(pool_->options().retry_after, Duration(std::chrono::seconds(1))));
      if (!ends_) line = subscribe();
    }
  }
  void hear(Connection& line) {
    {
      const std::lock_guard hold(mutex_);
      socket_ = line.socket();
    }
    while (!ends_) {
      line.until(TimePoint::max());
      const auto reply = line.next();
      if (!reply) break;
      if (const auto hint = decode_hint(Answer(reply->get())[2].text())) heard_(*hint);
    }
    const std::lock_guard hold(mutex_);
    socket_ = -1;
  }

  std::shared_ptr<Pool> pool_;
  std::string channel_;
  Heard heard_;
  std::mutex starting_, mutex_;
  int socket_ = -1;
  std::atomic<bool> ends_{false};
  Wake wake_;
  std::thread thread_;
};

}  // namespace persist::inline PERSIST_ABI::backend::redis
