#pragma once

#include <persist/backend/redis/connection.hpp>
#include <persist/backend/redis/scripts.hpp>
#include <persist/backend/redis/server_time.hpp>

#include <algorithm>
#include <array>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

// The connections of one open database: how one is made, and what a server must say before it is
// trusted with records.

namespace persist::inline PERSIST_ABI::backend::redis {

enum class Script : std::uint8_t { look, write, query };
inline constexpr std::array<std::string_view, 3> all_scripts = {look_script, write_script,
                                                                query_script};

/// The value of a line `name:value` of what INFO answers.
[[nodiscard]] inline std::string_view info_of(std::string_view info, std::string_view name) {
  const std::string wanted = "\n" + std::string(name) + ":";
  const std::size_t at = info.find(wanted);
  if (at == std::string_view::npos) return {};
  const std::string_view rest = info.substr(at + wanted.size());
  return rest.substr(0, rest.find_first_of("\r\n"));
}

/// Whether a server that says this of its memory keeps what it was given.
[[nodiscard]] inline Result<void> keeps_records(std::string_view info, const std::string& where) {
  const std::string_view most = info_of(info, "maxmemory");
  const std::string_view policy = info_of(info, "maxmemory_policy");
  if (most == "0" || policy == "noeviction") return success;
  return Error(Errc::unsupported,
               where + " would throw records away when its memory is full (maxmemory " +
                   std::string(most) + ", maxmemory-policy " + std::string(policy) +
                   "): set maxmemory-policy to noeviction");
}

/// Safe to call from any thread; a connection belongs to whoever took it.
class Pool {
 public:
  using Line = std::unique_ptr<Connection>;

  Pool(const RedisOptions& options, ServerTime& time) : options_(options), time_(time) {}

  [[nodiscard]] const RedisOptions& options() const noexcept { return options_; }
  [[nodiscard]] std::string sha(Script script) const {
    const std::lock_guard hold(mutex_);
    return shas_[static_cast<std::size_t>(script)];
  }

  /// One that is ready, made where none is. `unavailable`, `refused` (user, password),
  /// `unsupported` (a server that evicts), `io`.
  [[nodiscard]] Result<Line> take() { return take(deadline()); }
  /// When a call that begins now must have ended.
  [[nodiscard]] TimePoint deadline() const {
    return after(SystemClock::instance().now(), options_.deadline);
  }
  [[nodiscard]] Result<Line> take(TimePoint until) {
    const TimePoint now = SystemClock::instance().now();
    if (until <= now)
      return Error(Errc::unavailable, place_of(options_) + " did not get to it in time");
    {
      const std::lock_guard hold(mutex_);
      while (!idle_.empty()) {
        Line line = std::move(idle_.back());
        idle_.pop_back();
        line->until(until);
        if (line->is_usable()) return line;
      }
      if (now < not_before_) return Error(last_);
    }
    auto made = make(until);
    const std::lock_guard hold(mutex_);
    if (made) {
      delay_ = options_.retry_after, not_before_ = TimePoint{};
      return made;
    }
    last_ = made.error();
    not_before_ = SystemClock::instance().now() + delay_;
    delay_ = (std::min)(2 * delay_, 64 * options_.retry_after);
    return made.error();
  }
  void give_back(Line line) {
    if (!line->is_usable()) return;
    const std::lock_guard hold(mutex_);
    if (idle_.size() < most_idle) idle_.push_back(std::move(line));
  }
  /// A connection that has logged in and done nothing more.
  [[nodiscard]] Result<Line> connect(TimePoint deadline) const {
    auto line = std::make_unique<Connection>();
    if (const auto opened = line->open(options_, deadline); !opened) return opened.error();
    if (!options_.password.empty()) {
      Arguments login{"AUTH"};
      if (!options_.user.empty()) login.push_back(options_.user);
      login.push_back(options_.password);
      if (const auto done = line->call(login); !done) return done.error();
    }
    return line;
  }

 private:
  static constexpr std::size_t most_idle = 16;

  [[nodiscard]] Result<Line> make(TimePoint deadline) {
    auto line = connect(deadline);
    if (!line) return line;
    const std::string database = std::to_string(options_.database);
    if (options_.database != 0)
      if (const auto done = (*line)->call({"SELECT", database}); !done) return done.error();
    if (const auto fit = check(**line); !fit) return fit.error();
    const auto time = (*line)->call({"TIME"});
    if (!time) return time.error();
    const Answer said(time->get());
    time_.heard(number_in(said[0].text()).value_or(0), number_in(said[1].text()).value_or(0));
    return line;
  }
  [[nodiscard]] Result<void> check(Connection& line) {
    const auto info = line.call({"INFO", "memory"});
    if (!info && !(info.error() == Errc::refused && options_.never_evicts))
      return info.error() == Errc::refused
                 ? Error(Errc::refused, std::string(info.error().detail()) +
                                            "; where it surely never evicts say so with "
                                            "RedisOptions::never_evicts")
                 : info.error();
    if (info)
      if (auto kept = keeps_records(Answer(info->get()).text(), line.place()); !kept) return kept;
    for (std::size_t i = 0; i < all_scripts.size(); ++i) {
      const auto loaded = line.call({"SCRIPT", "LOAD", all_scripts[i]});
      if (!loaded) return loaded.error();
      const std::lock_guard hold(mutex_);
      shas_[i] = Answer(loaded->get()).text();
    }
    return success;
  }

  const RedisOptions options_;
  ServerTime& time_;
  mutable std::mutex mutex_;
  std::vector<Line> idle_;
  std::array<std::string, all_scripts.size()> shas_;
  Error last_{Errc::unavailable};
  TimePoint not_before_{};
  Duration delay_ = options_.retry_after;
};

}  // namespace persist::inline PERSIST_ABI::backend::redis
