#pragma once

#include <persist/backend/redis/options.hpp>
#include <persist/backend/redis/reply.hpp>
#include <persist/detail/os_socket.hpp>

#include <array>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// One connection: commands go out together, replies come back in their order. Reading, writing and
// waiting are ours, because a call has one deadline and a broken pipe is no signal; hiredis
// connects and understands replies.

namespace persist::inline PERSIST_ABI::backend::redis {

using Arguments = std::vector<std::string_view>;

/// Where the server is, for errors.
[[nodiscard]] inline std::string place_of(const RedisOptions& options) {
  const std::string at =
      options.socket.empty() ? options.host + ':' + std::to_string(options.port) : options.socket;
  return "redis at " + at;
}

/// Not synchronised. Once it broke it stays so.
class Connection {
 public:
  Connection() = default;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection() { redisFree(context_); }

  /// Connects; nothing is sent. A second call is not allowed. `unavailable`.
  [[nodiscard]] Result<void> open(const RedisOptions& options, TimePoint deadline) {
    place_ = place_of(options);
    deadline_ = deadline;
    const auto left = std::chrono::duration_cast<std::chrono::microseconds>((std::max)(
        deadline - SystemClock::instance().now(), Duration(std::chrono::milliseconds(1))));
    timeval wait{};
    wait.tv_sec = static_cast<decltype(wait.tv_sec)>(left.count() / 1'000'000);
    wait.tv_usec = static_cast<decltype(wait.tv_usec)>(left.count() % 1'000'000);
    context_ = options.socket.empty()
                   ? redisConnectWithTimeout(options.host.c_str(), options.port, wait)
                   : redisConnectUnixWithTimeout(options.socket.c_str(), wait);
    if (context_ != nullptr && context_->err == 0) return success;
    const std::string words = context_ != nullptr ? context_->errstr : "out of memory";
    return Error(Errc::unavailable, place_ + " cannot be reached: " + words);
  }

  void until(TimePoint deadline) noexcept { deadline_ = deadline; }
  [[nodiscard]] const std::string& place() const noexcept { return place_; }
  [[nodiscard]] int socket() const noexcept { return context_ != nullptr ? context_->fd : -1; }
  /// Whether it can be used for something new.
  [[nodiscard]] bool is_usable() const {
    return context_ != nullptr && !broken_ && awaited_ == 0 && detail::os::is_quiet(context_->fd);
  }

  /// Adds a command to what `flush` sends.
  void add(const Arguments& arguments) {
    append_number('*', arguments.size());
    for (const std::string_view each : arguments) {
      append_number('$', each.size());
      out_.append(each), out_.append(std::string_view("\r\n"));
    }
    ++awaited_;
  }
  /// Sends what was added. A failure means that the server may have got some of it.
  [[nodiscard]] Result<void> flush() {
    if (context_ == nullptr || broken_) return broke("is gone");
    const std::size_t sent = detail::os::send_bytes(context_->fd, out_, deadline_);
    const bool all = sent == out_.size();
    out_.clear();
    return all ? Result<void>(success) : broke("took no more bytes in time, or is gone");
  }
  /// The reply to the oldest command that has none yet, an error's too.
  [[nodiscard]] Result<Reply> next() {
    std::array<std::byte, std::size_t{16} << 10> bytes;
    while (context_ != nullptr && !broken_) {
      void* got = nullptr;
      if (redisReaderGetReply(context_->reader, &got) != REDIS_OK)
        return broke("answers what is no reply of Redis");
      if (got != nullptr) {
        if (awaited_ != 0) --awaited_;
        return Reply(static_cast<redisReply*>(got));
      }
      const auto size = detail::os::receive_bytes(context_->fd, bytes, deadline_);
      if (!size) return broke("did not answer in time");
      if (*size == 0) return broke("closed the connection");
      if (redisReaderFeed(context_->reader, reinterpret_cast<const char*>(bytes.data()), *size) !=
          REDIS_OK)
        return broke("answers more than there is memory for");
    }
    return broke("is gone");
  }
  /// One command; an error's reply is an error.
  [[nodiscard]] Result<Reply> call(const Arguments& arguments) {
    add(arguments);
    if (const auto sent = flush(); !sent) return sent.error();
    auto reply = next();
    if (reply && Answer(reply->get()).is_error())
      return describe(Answer(reply->get()).text(), place_);
    return reply;
  }

 private:
  [[nodiscard]] Error broke(std::string_view how) {
    broken_ = true;
    return {Errc::unavailable, place_ + ' ' + std::string(how)};
  }
  void append_number(char kind, std::size_t number) {
    std::array<char, 24> text;
    text[0] = kind;
    char* const end = std::to_chars(text.data() + 1, text.data() + 22, number).ptr;
    end[0] = '\r', end[1] = '\n';
    out_.append(std::string_view(text.data(), static_cast<std::size_t>(end - text.data()) + 2));
  }

  redisContext* context_ = nullptr;
  std::string place_;
  TimePoint deadline_{};
  Buffer out_;
  std::size_t awaited_ = 0;
  bool broken_ = false;
};

}  // namespace persist::inline PERSIST_ABI::backend::redis
