#pragma once

#include <persist/detail/config.hpp>

#include <chrono>
#include <cstdint>
#include <limits>
#include <memory>
#include <ostream>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace persist::inline PERSIST_ABI {

/// What went wrong, by what the caller can do about it. The numbers may be logged and compared
/// across builds: never renumber.
enum class Errc : std::uint8_t {
  locked = 1,           ///< another server holds the record: wait, ask, or tell the player
  fenced = 2,           ///< somebody newer has the record: this session can change nothing any more
  closed = 3,           ///< the session or the store has ended
  busy = 4,             ///< not now: a guard, a save or a transaction is under way
  not_found = 5,        ///< there is no such record, or nothing at that place in it
  corrupt = 6,          ///< the bytes are damaged; they were left as they are
  schema_mismatch = 7,  ///< a stored value does not fit the member of that name
  too_new = 8,          ///< this build may not read it, or would lose some of it
  wrong_codec = 9,      ///< another codec wrote it
  unknown_schema = 10,  ///< the backend does not hold the schema the record names
  invalid = 11,         ///< the call, the key or the data breaks a rule that the detail names
  refused = 12,         ///< the other side said no
  too_large = 13,       ///< over the limit; nothing was written
  full = 14,            ///< a bounded queue has no room
  unavailable = 15,     ///< the backend cannot be reached; retry
  timeout = 16,         ///< the deadline passed
  unknown_outcome = 17,  ///< it may or may not have been written
  unsupported = 18,      ///< this stack cannot do it
  cancelled = 19,        ///< the caller called it off
  io = 20,               ///< the operating system refused; the detail has its words
};

[[nodiscard]] constexpr std::string_view name(Errc code) noexcept {
  constexpr std::string_view names[] = {
      "no error", "locked",          "fenced",         "closed",
      "busy",     "not_found",       "corrupt",        "schema_mismatch",
      "too_new",  "wrong_codec",     "unknown_schema", "invalid",
      "refused",  "too_large",       "full",           "unavailable",
      "timeout",  "unknown_outcome", "unsupported",    "cancelled",
      "io"};
  const auto index = static_cast<std::size_t>(code);
  return index < std::size(names) ? names[index] : "unknown error";
}

[[nodiscard]] inline const std::error_category& error_category() noexcept {
  static const struct final : std::error_category {
    const char* name() const noexcept override { return "persist"; }
    std::string message(int code) const override {
      constexpr int most = (std::numeric_limits<std::uint8_t>::max)();
      return std::string(persist::name(static_cast<Errc>(code >= 0 && code < most ? code : most)));
    }
  } category;
  return category;
}

[[nodiscard]] inline std::error_code make_error_code(Errc code) noexcept {
  return {static_cast<int>(code), error_category()};
}

/// Who holds a record: the server's id, the epoch it was given, and how long ago it last renewed.
struct Holder {
  std::string server;
  std::uint64_t epoch = 0;
  std::chrono::milliseconds age{0};
};

/// A failure in two words: the code, and what a person needs to act on it. Only failures allocate.
class Error {
 public:
  Error() noexcept = default;
  Error(Errc code) noexcept
      : code_(code) {}  // NOLINT(google-explicit-constructor): a code is an error
  Error(Errc code, std::string detail) : code_(code) { more().detail = std::move(detail); }
  Error(const Error& other)
      : code_(other.code_),
        os_(other.os_),
        more_(other.more_ ? std::make_unique<More>(*other.more_) : nullptr) {}
  Error(Error&&) noexcept = default;
  Error& operator=(const Error& other) { return *this = Error(other); }
  Error& operator=(Error&&) noexcept = default;
  ~Error() = default;

  [[nodiscard]] Errc code() const noexcept { return code_; }
  /// The value of errno behind `io`, or 0.
  [[nodiscard]] int os_error() const noexcept { return os_; }
  [[nodiscard]] std::string_view detail() const noexcept {
    return more_ ? std::string_view(more_->detail) : "";
  }
  [[nodiscard]] std::string_view key() const noexcept {
    return more_ ? std::string_view(more_->key) : "";
  }
  /// Where inside the record, in the form `inventory[3].count`; empty when it is not about one
  /// place.
  [[nodiscard]] std::string_view path() const noexcept {
    return more_ ? std::string_view(more_->path) : "";
  }
  [[nodiscard]] std::string_view expected() const noexcept {
    return more_ ? std::string_view(more_->expected) : "";
  }
  [[nodiscard]] std::string_view found() const noexcept {
    return more_ ? std::string_view(more_->found) : "";
  }
  /// Who holds the record, where the code is `locked` or `fenced` and it is known; otherwise null.
  [[nodiscard]] const Holder* holder() const noexcept {
    return more_ && more_->held ? &more_->holder : nullptr;
  }

  Error&& for_key(std::string_view key) && { return more().key = key, std::move(*this); }
  Error&& held_by(Holder holder) && {
    return more().held = true, more().holder = std::move(holder), std::move(*this);
  }
  Error&& with_os(int number) && { return os_ = number, std::move(*this); }
  Error&& at(std::string path, std::string expected, std::string found) && {
    more().path = std::move(path), more().expected = std::move(expected),
    more().found = std::move(found);
    return std::move(*this);
  }

  /// The whole story in one line: code, key, path, detail, holder.
  [[nodiscard]] std::string message() const;

  friend bool operator==(const Error& error, Errc code) noexcept { return error.code_ == code; }
  friend std::ostream& operator<<(std::ostream& to, const Error& error) {
    return to << error.message();
  }
  operator std::error_code() const noexcept { return make_error_code(code_); }  // NOLINT

 private:
  struct More {
    std::string detail, key, path, expected, found;
    Holder holder;
    bool held = false;
  };
  More& more() { return more_ ? *more_ : *(more_ = std::make_unique<More>()); }

  Errc code_ = Errc::invalid;
  int os_ = 0;
  std::unique_ptr<More> more_;
};

inline std::string Error::message() const {
  std::string text(name(code_));
  const auto add = [&text](std::string_view between, std::string_view part) {
    if (!part.empty()) text.append(between).append(part);
  };
  add(": ", key());
  add(": at ", path());
  add(": expected ", expected());
  add(", found ", found());
  add(": ", detail());
  if (const Holder* by = holder()) {
    add(" (held by ", by->server.empty() ? "an unnamed server" : by->server);
    text.append(", epoch ").append(std::to_string(by->epoch)).append(", last heard of ");
    text.append(std::to_string(by->age.count())).append(" ms ago)");
  }
  if (os_ != 0) add(": ", std::generic_category().message(os_));
  return text;
}

}  // namespace persist::inline PERSIST_ABI

template <>
struct std::is_error_code_enum<persist::Errc> : std::true_type {};
