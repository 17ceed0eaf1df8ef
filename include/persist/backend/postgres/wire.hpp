#pragma once

#include <persist/backend/postgres/errors.hpp>
#include <persist/clock.hpp>
#include <persist/detail/os.hpp>
#include <persist/detail/os_poll.hpp>
#include <persist/record/requests.hpp>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#if __has_include(<libpq-fe.h>)
#include <libpq-fe.h>
#else
#include <postgresql/libpq-fe.h>
#endif

// A connection to a server that never hangs: what is sent lies in libpq's memory until the socket
// takes it, and every wait has an end.

namespace persist::inline PERSIST_ABI::backend::postgres {

struct Clears {
  void operator()(PGresult* result) const noexcept { PQclear(result); }
};
using Answer = std::unique_ptr<PGresult, Clears>;

/// This machine's own time, which measures patience and nothing else.
[[nodiscard]] inline TimePoint here_now() noexcept {
  return TimePoint(Duration(persist::detail::os::boot_time_ns()));
}

/// Where the server is and which database, for people.
[[nodiscard]] inline std::string place_of(const PGconn* pg) {
  const auto text = [](const char* at) { return std::string(at != nullptr ? at : ""); };
  return "PostgreSQL database \"" + text(PQdb(pg)) + "\" at " + text(PQhost(pg)) + ":" +
         text(PQport(pg));
}
/// What libpq says in more lines than one, in one.
[[nodiscard]] inline std::string in_one_line(std::string words) {
  while (!words.empty() && (words.back() == '\n' || words.back() == ' '))
    words.pop_back();
  std::replace(words.begin(), words.end(), '\n', ' ');
  return words;
}

class Wire {
 public:
  Wire() = default;
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;
  ~Wire() { close(); }

  std::function<void()> on_wait{};

  [[nodiscard]] bool is_open() const noexcept { return pg_ != nullptr; }
  [[nodiscard]] PGconn* get() const noexcept { return pg_; }
  [[nodiscard]] const std::string& place() const noexcept { return place_; }
  /// Whether the last wait ended because its time was over.
  [[nodiscard]] bool was_late() const noexcept { return was_late_; }

  /// Connects; in pipeline mode where that is wanted.
  [[nodiscard]] Error open(const std::string& uri, TimePoint deadline, bool in_pipeline = true) {
    close();
    if (on_wait) on_wait();
    PQconninfoOption* const options = PQconninfoParse(uri.c_str(), nullptr);
    if (options == nullptr)  // libpq's words would show the string, and what is secret in it
      return {Errc::invalid, "the connection string is wrong; its form is in libpq's manual"};
    PQconninfoFree(options);
    pg_ = PQconnectStart(uri.c_str());
    if (pg_ == nullptr) return {Errc::unavailable, "there is no memory for a connection"};
    PQsetNoticeProcessor(
        pg_, [](void*, const char*) {}, nullptr);
    if (PQstatus(pg_) != CONNECTION_BAD) place_ = place_of(pg_);
    for (auto next = PGRES_POLLING_WRITING; next != PGRES_POLLING_OK; next = PQconnectPoll(pg_)) {
      if (PQstatus(pg_) == CONNECTION_BAD || next == PGRES_POLLING_FAILED) return refused();
      if (!wait(next == PGRES_POLLING_WRITING, deadline)) {
        close();
        return {Errc::unavailable, place_ + " does not answer; nothing was written: try later"};
      }
    }
    place_ = place_of(pg_);
    if (PQsetnonblocking(pg_, 1) != 0 || (in_pipeline && PQenterPipelineMode(pg_) == 0))
      return refused();
    return Errc{};
  }
  void close() noexcept {
    if (pg_ != nullptr) PQfinish(pg_);
    pg_ = nullptr;
  }

  /// The next answer, or none between two commands' (`is_lost` tells it from the end).
  [[nodiscard]] Answer next(TimePoint deadline) {
    was_late_ = is_lost_ = false;
    for (;;) {
      const int left = PQflush(pg_);
      if (left < 0) return lost();
      if (PQisBusy(pg_) == 0) return Answer(PQgetResult(pg_));
      if (!wait(left == 1, deadline)) {
        was_late_ = true;
        return lost();
      }
      if (PQconsumeInput(pg_) == 0) return lost();
    }
  }
  [[nodiscard]] bool is_lost() const noexcept { return is_lost_; }

  /// False: the time was over first.
  [[nodiscard]] bool wait(bool writes, TimePoint deadline) {
    if (on_wait) on_wait();
    for (;;) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - here_now()).count();
      if (persist::detail::os::wait_for_socket(PQsocket(pg_), writes, left) !=
          persist::detail::os::Woke::nothing)
        return true;
      if (left <= 0) return false;
    }
  }

 private:
  Answer lost() { return is_lost_ = true, nullptr; }
  /// Why there is no connection. libpq keeps no SQLSTATE of a refused one, so the words decide.
  [[nodiscard]] Error refused() {
    const std::string words = in_one_line(PQerrorMessage(pg_));
    if (place_.empty()) place_ = place_of(pg_);
    close();
    const auto says = [&](const char* what) { return words.find(what) != std::string::npos; };
    std::string state = "08001";
    if (says("database \"") && says("does not exist"))
      state = "3D000";
    else if (says("authentication failed") || says("no password supplied") || says("pg_hba.conf") ||
             (says("role \"") && says("does not exist")))
      state = "28000";
    return describe(state, words, place_);
  }

  PGconn* pg_ = nullptr;
  std::string place_;
  bool was_late_ = false, is_lost_ = false;
};

}  // namespace persist::inline PERSIST_ABI::backend::postgres
