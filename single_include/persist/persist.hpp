// persist: player data for game servers. The single header, made by tools/amalgamate.py from
// include/persist: change it there.
//
// Distributed under the Boost Software License, Version 1.0.

#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <bitset>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cmath>
#include <compare>
#include <concepts>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <deque>
#include <dirent.h>
#include <exception>
#include <fcntl.h>
#include <functional>
#include <initializer_list>
#include <iterator>
#include <limits>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <ostream>
#include <random>
#include <set>
#include <shared_mutex>
#include <span>
#include <string>
#include <string_view>
#include <sys/stat.h>
#include <sys/uio.h>
#include <system_error>
#include <thread>
#include <tuple>
#include <type_traits>
#include <unistd.h>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

// Everything that a game server needs; adapters for databases and compressors, the testing kit and
// observation are headers of their own.

/// The one place where the version stands; CMake and the single header read it from here.
#define PERSIST_VERSION_MAJOR 0
#define PERSIST_VERSION_MINOR 1
#define PERSIST_VERSION_PATCH 0

// What changes the layout or the meaning of a type goes into the name of the inline namespace, so
// that two units built with different choices do not link into one program that sees a type two
// ways.

#if !defined(PERSIST_NO_HANA) && defined(__has_include)
#if __has_include(<boost/hana/accessors.hpp>)
#define PERSIST_HAS_HANA 1
#endif
#endif
#ifndef PERSIST_HAS_HANA
#define PERSIST_HAS_HANA 0
#endif

#if defined(__cpp_exceptions) || defined(_CPPUNWIND)
#define PERSIST_HAS_EXCEPTIONS 1
#else
#define PERSIST_HAS_EXCEPTIONS 0
#endif

#ifdef NDEBUG
#define PERSIST_HAS_CHECKS 0
#else
#define PERSIST_HAS_CHECKS 1
#endif

#define PERSIST_JOIN_(a, b, c, d, e) a##b##_h##c##_x##d##_c##e
#define PERSIST_JOIN(a, b, c, d, e) PERSIST_JOIN_(a, b, c, d, e)
#define PERSIST_ABI                                                                \
  PERSIST_JOIN(v, PERSIST_VERSION_MAJOR, PERSIST_HAS_HANA, PERSIST_HAS_EXCEPTIONS, \
               PERSIST_HAS_CHECKS)

// A template that is made here, or with `extern` as the prefix elsewhere: see store/templates.hpp.
#define PERSIST_TEMPLATE(prefix, ...) prefix template class __VA_ARGS__

#if defined(_MSC_VER)
#define PERSIST_NO_UNIQUE_ADDRESS [[msvc::no_unique_address]]
#define PERSIST_FUNCTION_NAME __FUNCSIG__
#else
#define PERSIST_NO_UNIQUE_ADDRESS [[no_unique_address]]
#define PERSIST_FUNCTION_NAME __PRETTY_FUNCTION__
#endif

namespace persist::inline PERSIST_ABI::access {

/// One thread at a time uses the store and its sessions; which one may change between calls. The
/// null form: its locks are empty types whose calls are nothing.
struct Confined {
  static constexpr bool is_shared = false;

  struct Mutex {
    constexpr void lock() const noexcept {}
    constexpr void unlock() const noexcept {}
    constexpr bool try_lock() const noexcept { return true; }
  };
  using SessionLock = Mutex;
  /// Holds the store's mutex; which is nothing to hold.
  struct Lock {
    explicit constexpr Lock(const Mutex&) noexcept {}
    constexpr ~Lock() {}  // NOLINT: a lock is not an unused variable
    constexpr void lock() const noexcept {}
    constexpr void unlock() const noexcept {}
  };
};

}  // namespace persist::inline PERSIST_ABI::access

namespace persist::inline PERSIST_ABI::detail {

/// Ends the program with one sentence on stderr: for misuse that has no other safe answer, in every
/// build.
[[noreturn]] inline void fatal(const char* sentence) {
  std::fprintf(stderr, "persist: %s\n", sentence);
  std::abort();
}

}  // namespace persist::inline PERSIST_ABI::detail

namespace persist::inline PERSIST_ABI::access {

/// The lock of one session: four bytes, and its own thread may take it again, up to 15 deep.
///
/// The upper 28 bits name the thread that holds it, the lower four how often. Waiting threads sleep
/// in the system
/// (`std::atomic::wait`), so that a long edit does not burn a core.
class SessionLock {
 public:
  void lock() noexcept {
    while (!try_lock()) {
      const std::uint32_t held = word_.load(std::memory_order_relaxed);
      if (held != 0) word_.wait(held, std::memory_order_relaxed);
    }
  }
  [[nodiscard]] bool try_lock() noexcept {
    const std::uint32_t self = this_thread();
    std::uint32_t word = word_.load(std::memory_order_relaxed);
    if ((word & ~depth_mask) == self) {
      if ((word & depth_mask) == depth_mask)
        detail::fatal("a session was locked more than 15 deep by one thread");
      word_.store(word + 1, std::memory_order_relaxed);
      return true;
    }
    word = 0;
    return word_.compare_exchange_strong(word, self | 1, std::memory_order_acquire,
                                         std::memory_order_relaxed);
  }
  void unlock() noexcept {
    const std::uint32_t word = word_.load(std::memory_order_relaxed);
    if ((word & depth_mask) > 1) return word_.store(word - 1, std::memory_order_relaxed);
    word_.store(0, std::memory_order_release);
    word_.notify_one();
  }

 private:
  static constexpr std::uint32_t depth_mask = 15;

  /// A number no other living thread has, shifted past the depth. Wraps after 2^28 threads.
  static std::uint32_t this_thread() noexcept {
    static std::atomic<std::uint32_t> count{0};
    thread_local const std::uint32_t mine = ++count << 4;
    return mine;
  }

  std::atomic<std::uint32_t> word_{0};
};

/// All threads may use the store and its sessions at once.
struct Synchronised {
  static constexpr bool is_shared = true;
  using Mutex = std::recursive_mutex;
  using SessionLock = access::SessionLock;
  using Lock = std::unique_lock<Mutex>;
};

/// A lock policy whose store and sessions all threads may use. Costs four bytes a session and a
/// lock per call.
template <class LockPolicy>
struct Shared : LockPolicy {
  using access = Synchronised;
};

}  // namespace persist::inline PERSIST_ABI::access

namespace persist::inline PERSIST_ABI {

using ByteView = std::span<const std::byte>;

[[nodiscard]] inline ByteView as_bytes(std::string_view text) noexcept {
  return std::as_bytes(std::span(text.data(), text.size()));
}
[[nodiscard]] inline std::string_view as_text(ByteView bytes) noexcept {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
[[nodiscard]] inline bool same_bytes(ByteView a, ByteView b) noexcept {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size()) == 0);
}

/// Bytes that are owned and grow at the end.
///
/// Unlike a vector it does not clear what it grows by: an encoder writes every byte once. Growth
/// doubles, so appending is amortised constant. Running out of memory throws `std::bad_alloc` (ends
/// the program without exceptions).
class Buffer {
 public:
  Buffer() noexcept = default;
  explicit Buffer(ByteView bytes) { append(bytes); }
  Buffer(const Buffer& other) : Buffer(other.view()) {}
  Buffer(Buffer&& other) noexcept
      : data_(std::move(other.data_)),
        size_(std::exchange(other.size_, 0)),
        room_(std::exchange(other.room_, 0)) {}
  Buffer& operator=(Buffer other) noexcept { return swap(other), *this; }
  ~Buffer() = default;

  [[nodiscard]] std::byte* data() noexcept { return data_.get(); }
  [[nodiscard]] const std::byte* data() const noexcept { return data_.get(); }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] std::size_t capacity() const noexcept { return room_; }
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  [[nodiscard]] ByteView view() const noexcept { return {data_.get(), size_}; }
  operator ByteView() const noexcept { return view(); }  // NOLINT: owned bytes are bytes

  void clear() noexcept { size_ = 0; }
  /// Drops what lies behind `size`, which must not be more than there is.
  void shrink(std::size_t size) noexcept { size_ = size < size_ ? size : size_; }
  void reserve(std::size_t room) {
    if (room > room_) reallocate(room);
  }
  /// Makes room for `count` more bytes and returns where they begin; their content is unspecified.
  [[nodiscard]] std::byte* grow(std::size_t count) {
    if (count > room_ - size_) [[unlikely]]
      make_room(count);
    std::byte* at = data_.get() + size_;
    size_ += count;
    return at;
  }
  void push(std::byte value) { *grow(1) = value; }
  /// The bytes may be some of its own.
  void append(ByteView bytes) {
    if (bytes.empty()) return;
    if (bytes.size() > room_ - size_) [[unlikely]]
      return append_elsewhere(bytes);
    std::memcpy(data_.get() + size_, bytes.data(), bytes.size());
    size_ += bytes.size();
  }
  void append(std::string_view text) { append(persist::as_bytes(text)); }
  void swap(Buffer& other) noexcept {
    data_.swap(other.data_);
    std::swap(size_, other.size_);
    std::swap(room_, other.room_);
  }

  friend bool operator==(const Buffer& a, const Buffer& b) noexcept { return same_bytes(a, b); }

 private:
  [[nodiscard]] std::size_t room_for(std::size_t count) const noexcept {
    return size_ + count > 2 * room_ ? size_ + count : 2 * room_;
  }
  void make_room(std::size_t count) { reallocate(room_for(count)); }
  void append_elsewhere(ByteView bytes) {
    Buffer grown;
    grown.reserve(room_for(bytes.size()));
    grown.append(view()), grown.append(bytes);
    swap(grown);
  }
  void reallocate(std::size_t room) {
    std::unique_ptr<std::byte[]> grown(new std::byte[room]);
    if (size_ != 0) std::memcpy(grown.get(), data_.get(), size_);
    data_ = std::move(grown);
    room_ = room;
  }

  std::unique_ptr<std::byte[]> data_;
  std::size_t size_ = 0;
  std::size_t room_ = 0;
};

/// Numbers in files are little-endian, whatever the machine. Where the machine is too it is one
/// move, which not every compiler makes of the loop.
template <std::unsigned_integral T>
void store_little(std::byte* to, T value) noexcept {
  if constexpr (std::endian::native == std::endian::little) {
    std::memcpy(to, &value, sizeof(T));
  } else {
    for (std::size_t i = 0; i < sizeof(T); ++i)
      to[i] = static_cast<std::byte>((value >> (8 * i)) & 0xff);
  }
}
template <std::unsigned_integral T>
[[nodiscard]] T load_little(const std::byte* from) noexcept {
  T value = 0;
  if constexpr (std::endian::native == std::endian::little) {
    std::memcpy(&value, from, sizeof(T));
  } else {
    for (std::size_t i = 0; i < sizeof(T); ++i)
      value = static_cast<T>(value | (static_cast<T>(from[i]) << (8 * i)));
  }
  return value;
}
template <std::unsigned_integral T>
void append_little(Buffer& to, T value) {
  store_little(to.grow(sizeof(T)), value);
}

}  // namespace persist::inline PERSIST_ABI

// Every call to the operating system that the core makes without a file in it; files are in
// detail/os_file.hpp. A port to another system is these two headers.

namespace persist::inline PERSIST_ABI::detail::os {

/// Nanoseconds since the machine started; goes on while the machine sleeps, where the system can
/// say so.
[[nodiscard]] inline std::int64_t boot_time_ns() noexcept {
  timespec at{};
#if defined(CLOCK_BOOTTIME)
  ::clock_gettime(CLOCK_BOOTTIME, &at);
#else
  ::clock_gettime(CLOCK_MONOTONIC, &at);
#endif
  return static_cast<std::int64_t>(at.tv_sec) * 1'000'000'000 + at.tv_nsec;
}

/// 64 bits nobody can guess or repeat.
[[nodiscard]] inline std::uint64_t random_bits() {
  std::random_device source;
  return (static_cast<std::uint64_t>(source()) << 32) | source();
}

[[nodiscard]] inline std::uint64_t process_id() noexcept {
  return static_cast<std::uint64_t>(::getpid());
}

[[nodiscard]] inline std::string host_name() {
  char name[256] = {};
  return ::gethostname(name, sizeof name - 1) == 0 ? std::string(name) : std::string("unknown");
}

}  // namespace persist::inline PERSIST_ABI::detail::os

namespace persist::inline PERSIST_ABI {

using Duration = std::chrono::nanoseconds;

/// Time since the machine started, suspension included. Points of two machines have nothing to do
/// with each other.
struct BootClock {
  using duration = Duration;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<BootClock, Duration>;
  static constexpr bool is_steady = true;
};
using TimePoint = BootClock::time_point;
/// So much later, or the last moment there is: "for ever" is spelled as the longest time there is.
[[nodiscard]] constexpr TimePoint after(TimePoint from, Duration time) noexcept {
  return time < TimePoint::max() - from ? from + time : TimePoint::max();
}
/// Calendar time in UTC, for people and for records: never used to decide who may write.
using WallTime = std::chrono::sys_time<std::chrono::milliseconds>;

/// Ends a wait early. Safe to call from any thread; a notification that nobody waits for is kept
/// for the next wait.
class Wake {
 public:
  void notify() {
    {
      const std::lock_guard hold(mutex_);
      rung_ = true;
    }
    changed_.notify_all();
  }
  /// Waits until notified or until `limit` has passed, and forgets the notification.
  void wait_for(Duration limit) {
    // "For ever" is spelled as the longest time there is, and added to the time of day it
    // overflows.
    constexpr Duration century = std::chrono::hours(24 * 36525);
    std::unique_lock hold(mutex_);
    changed_.wait_for(hold, (std::min)(limit, century), [this] { return rung_; });
    rung_ = false;
  }
  /// Forgets a notification without waiting; says whether there was one.
  bool take() {
    const std::lock_guard hold(mutex_);
    return std::exchange(rung_, false);
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool rung_ = false;
};

/// Where all time comes from. Must outlive what uses it and may be called from any thread.
class Clock {
 public:
  Clock() = default;
  Clock(const Clock&) = delete;
  Clock& operator=(const Clock&) = delete;
  virtual ~Clock() = default;

  [[nodiscard]] virtual TimePoint now() const = 0;
  [[nodiscard]] virtual WallTime wall() const = 0;
  /// The one place that waits: returns when `deadline` has come or `wake` was notified.
  virtual void wait_until(TimePoint deadline, Wake& wake) = 0;
};

/// The machine's own clocks.
class SystemClock final : public Clock {
 public:
  [[nodiscard]] TimePoint now() const override {
    return TimePoint(Duration(detail::os::boot_time_ns()));
  }
  [[nodiscard]] WallTime wall() const override {
    return std::chrono::time_point_cast<std::chrono::milliseconds>(
        std::chrono::system_clock::now());
  }
  void wait_until(TimePoint deadline, Wake& wake) override {
    if (const TimePoint at = now(); at < deadline) wake.wait_for(deadline - at);
  }
  /// The one that is used where none is given.
  [[nodiscard]] static SystemClock& instance() {
    static SystemClock clock;
    return clock;
  }
};

}  // namespace persist::inline PERSIST_ABI

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
  too_new = 8,          ///< a newer build wrote it and this one may not read it
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

namespace persist::inline PERSIST_ABI {

/// The name of a server as records carry it: up to 23 bytes, kept in place so that an owner is a
/// plain value.
class ServerId {
 public:
  static constexpr std::size_t capacity = 23;

  constexpr ServerId() noexcept = default;
  /// Longer names are cut; `Store` refuses them before it gets here.
  constexpr explicit ServerId(std::string_view name) noexcept
      : size_(static_cast<std::uint8_t>((std::min)(name.size(), capacity))) {
    std::copy_n(name.begin(), size_, text_.begin());
  }
  [[nodiscard]] constexpr std::string_view view() const noexcept { return {text_.data(), size_}; }
  friend constexpr bool operator==(const ServerId&, const ServerId&) noexcept = default;

 private:
  std::array<char, capacity> text_{};
  std::uint8_t size_ = 0;
};

/// 128 bits that name something without spelling it: a store's birth, a receipt, a message's id, a
/// sender.
struct Hash128 {
  std::uint64_t low = 0;
  std::uint64_t high = 0;
  friend constexpr auto operator<=>(const Hash128&, const Hash128&) noexcept = default;
};

/// Who was given an epoch. The random number belongs to one open database and the session's number
/// is never given out twice there, so two owners are equal only when they are the same
/// acquisition's: not even a restart or a second store with the same server id makes one that looks
/// like another.
struct Owner {
  ServerId server;
  std::uint64_t nonce = 0;
  std::uint64_t session = 0;

  [[nodiscard]] constexpr bool nobody() const noexcept { return nonce == 0 && session == 0; }
  friend constexpr bool operator==(const Owner&, const Owner&) noexcept = default;
};

/// What every write is checked against, inside the backend's own atomic step: the newest epoch
/// *and* its owner (a backend that lost its memory can give out an epoch twice) and the number of
/// the session's last write.
struct Fence {
  std::uint64_t epoch = 0;
  Owner owner;
  std::uint64_t write = 0;
  friend constexpr bool operator==(const Fence&, const Fence&) noexcept = default;
};

/// Epochs and versions stay below this, so that they survive systems that count in doubles.
inline constexpr std::uint64_t epoch_limit = std::uint64_t{1} << 53;

}  // namespace persist::inline PERSIST_ABI

namespace persist::inline PERSIST_ABI {

/// The place of a store's header and records within one open database; given out by `open_store`,
/// never stored.
struct StoreId {
  std::uint32_t index = 0;
  friend constexpr bool operator==(StoreId, StoreId) noexcept = default;
};

/// How much a record may hold before it is refused.
struct RecordLimits {
  std::size_t record_bytes = std::size_t{4} << 20;  ///< of the envelope; and of what lies beside it
  std::size_t inbox_messages = 1000;
  std::size_t inbox_bytes = std::size_t{1} << 20;
  std::size_t outbox_messages = 1000;
  std::chrono::hours repeats_known{24 * 7};  ///< how long the id of a posted message is remembered
};

/// What user ids and metadata are counted as against `record_bytes`: beside the data, not with it,
/// so that a change of theirs never keeps data from being saved.
[[nodiscard]] constexpr std::size_t beside_cost(std::size_t user_ids,
                                                std::size_t metadata_bytes) noexcept {
  return 8 * user_ids + metadata_bytes;
}

/// A message as its sender hands it over; the views are only read during the call.
struct MessageView {
  std::string_view type;  ///< the type's unqualified name
  std::uint16_t codec = 0;
  std::uint8_t priority = 0;  ///< higher is handled earlier
  WallTime expires{};         ///< by the backend's clock
  ByteView payload;
};

/// What makes a message known again: the number its sending record gave it, or the id its poster
/// chose.
struct MessageOrigin {
  Hash128 source;            ///< the sending record, or the chosen id
  std::uint64_t epoch = 0;   ///< of the sending record; 0: `source` is an id
  std::uint64_t number = 0;  ///< within that epoch
  WallTime first_tried{};    ///< of an id: when the backend's clock stood there at the first try

  [[nodiscard]] constexpr bool is_numbered() const noexcept { return epoch != 0; }
  friend constexpr bool operator==(const MessageOrigin&, const MessageOrigin&) noexcept = default;
};

/// A message as it lies in an inbox.
struct Message {
  std::uint64_t position = 0;  ///< rises within the inbox; how it is acknowledged
  MessageOrigin origin;
  std::string type;
  std::uint16_t codec = 0;
  std::uint8_t priority = 0;
  WallTime posted{};
  WallTime expires{};
  Buffer payload;
};

/// A message that waits in its sender's record until the receiver has room.
struct OutgoingMessage {
  StoreId store;
  std::string key;
  std::uint64_t epoch = 0;
  std::uint64_t number = 0;
  std::string type;
  std::uint16_t codec = 0;
  std::uint8_t priority = 0;
  WallTime expires{};
  Buffer payload;

  [[nodiscard]] MessageView view() const noexcept {
    return {type, codec, priority, expires, payload};
  }
};

/// A purchase that was granted: a keyed hash of its id, and the day (since 1970, UTC) it was
/// granted on.
struct Receipt {
  Hash128 id;
  std::uint32_t day = 0;
  friend constexpr bool operator==(const Receipt&, const Receipt&) noexcept = default;
};

}  // namespace persist::inline PERSIST_ABI

// What a store asks of a backend. Every operation is a batch: a span of requests that each carry
// their own reply, so that one sync, one transaction or one round trip serves many players. Views
// and pointers in a request must stay valid until the call returns.

namespace persist::inline PERSIST_ABI {

/// How a store's records are locked; part of its header. Never renumber.
enum class LockKind : std::uint8_t { none = 0, lease = 1, optimistic = 2, external = 3 };

inline constexpr std::uint32_t record_format = 1;

struct OpenStoreRequest {
  std::string_view name{};
  LockKind lock = LockKind::lease;
  std::optional<Hash128>
      expected_birth;  ///< what an earlier connection learned; a different one is refused

  // reply
  Error error{Errc{}};
  StoreId store{};
  Hash128 birth{};
  WallTime now{};
};

/// A store that a database holds, for tools.
struct StoreInfo {
  std::string name;
  LockKind lock = LockKind::lease;
  Hash128 birth{};
};

/// What to do where somebody else holds the record.
enum class Intent : std::uint8_t {
  wait,          ///< take it only if it is free or its lease ran out
  request,       ///< and otherwise leave the holder a request to let go
  keep_request,  ///< a retry: says whether the own request still stands, leaves none
  withdraw,  ///< clear the own request and take nothing; a record that is the asker's already, by
             ///< an attempt whose reply was lost, is answered `taken`, to be given back
  steal,     ///< take it if epoch and renewals are still those that were seen
};

/// The record as its new holder gets it.
struct Snapshot {
  Fence fence{};
  std::uint64_t version = 0;
  bool has_data = false;
  Buffer data{};
  std::vector<std::uint64_t> user_ids{};
  Buffer metadata{};
  std::vector<Receipt> receipts{};
  std::uint32_t receipts_forgotten = 0;  ///< the newest day of which a receipt was forgotten
  std::uint64_t load_count = 0;
  WallTime created{};
  WallTime updated{};
  std::vector<std::uint64_t> outbox{};  ///< numbers of messages that still wait here, of all epochs
  std::vector<Message> inbox{};
  WallTime now{};

  /// Whether there is anything beside the data, which most records have not.
  [[nodiscard]] bool has_more() const noexcept {
    return !user_ids.empty() || !metadata.empty() || !receipts.empty() || receipts_forgotten != 0 ||
           !outbox.empty() || !inbox.empty();
  }
};

/// Who stands in the way.
struct HeldBy {
  Owner owner{};
  std::uint64_t epoch = 0;
  std::uint64_t renewals = 0;
  Duration age{};   ///< since the last renewal
  Duration left{};  ///< until the lease runs out, by the backend's clock
  Owner asker{};    ///< whose request stands, if anybody's
};

struct AcquireRequest {
  enum class Outcome : std::uint8_t { pending, taken, held, failed };

  StoreId store{};
  std::string_view key{};
  Owner owner{};
  Duration lease{};  ///< zero: the record is not leased and the next acquire takes it
  Intent intent = Intent::wait;
  std::uint64_t seen_epoch = 0;     ///< for `steal`
  std::uint64_t seen_renewals = 0;  ///< for `steal`

  // reply
  Outcome outcome = Outcome::pending;
  Snapshot record{};  ///< `taken`
  HeldBy holder{};    ///< `held`
  Error error{Errc{}};

  /// One that is to go back unread is not decoded: the default of a record that does not exist is
  /// made of the game's key, and its player may be gone by now.
  [[nodiscard]] bool is_to_be_read() const noexcept {
    return outcome == Outcome::taken && intent != Intent::withdraw;
  }
};

enum class LeaseChange : std::uint8_t { keep, renew, release };

/// A message that leaves in the commit which contains its cause.
struct Send {
  StoreId store{};
  std::string_view key{};
  std::uint64_t number = 0;
  MessageView message{};

  bool delivered =
      false;  ///< reply: it is in the receiver's inbox; otherwise it waits in the sender's outbox
};

/// What one commit does to one record.
struct Change {
  StoreId store{};
  std::string_view key{};
  Fence fence{};  ///< epoch and owner must be the record's, the write number higher than its last

  /// The new envelope. Its bytes may be taken when the commit is applied; any other outcome leaves
  /// them as they are, so that the same bytes can be sent again.
  Buffer* data = nullptr;
  bool removes_data = false;  ///< the record becomes an empty one
  const std::vector<std::uint64_t>* user_ids = nullptr;
  const Buffer* metadata = nullptr;
  std::span<const std::uint64_t> acknowledged{};  ///< positions of messages that were handled
  std::span<Send> sends{};
  std::span<const Receipt> receipts{};
  std::uint32_t forget_receipts = 0;  ///< those of this day and before
  std::optional<WallTime> created;
  std::optional<std::uint64_t> load_count;
  LeaseChange lease = LeaseChange::keep;
  Duration lease_length{};
  std::uint64_t seen_position = 0;  ///< the newest message the session knows
  const RecordLimits* limits = nullptr;

  // reply
  std::uint64_t version = 0;
  bool release_requested = false;
  bool erased = false;  ///< `fenced`: the record was erased
  bool landed = false;  ///< `fenced`, `superseded`: this write number had been applied before
  HeldBy holder{};      ///< `fenced`: by whom
  std::vector<Message> messages{};
  WallTime now{};

  [[nodiscard]] bool writes() const noexcept {
    return data != nullptr || removes_data || user_ids != nullptr || metadata != nullptr ||
           !acknowledged.empty() || !sends.empty() || !receipts.empty() || forget_receipts != 0 ||
           created || load_count;
  }
};

struct CommitRequest {
  enum class Outcome : std::uint8_t {
    pending,
    applied,
    repeated,    ///< these write numbers were applied before; nothing was written now
    fenced,      ///< at least one epoch or owner is not the newest; nothing was written
    superseded,  ///< epoch and owner are right but a later write number was applied; nothing was
                 ///< written
    failed,      ///< see `error`
  };

  std::span<Change> changes{};

  Outcome outcome = Outcome::pending;
  std::size_t culprit = 0;  ///< which change was refused
  Error error{Errc{}};
};

struct ReadRequest {
  StoreId store{};
  std::string_view key{};
  bool wants_data = true;

  Error error{Errc{}};
  bool found = false;  ///< there is a record, if only one with messages
  bool held = false;
  HeldBy holder{};    ///< the last owner, where nobody holds it now
  Snapshot record{};  ///< without receipts and inbox
  std::size_t inbox_messages = 0;
  std::size_t inbox_bytes = 0;
  std::size_t outbox_messages = 0;
};

struct PostRequest {
  StoreId store{};
  std::string_view key{};
  MessageOrigin origin{};
  MessageView message{};
  const RecordLimits* limits = nullptr;

  Error error{Errc{}};    ///< `full`, `refused` (first tried too long ago), `too_large`, `io`
  bool repeated = false;  ///< it was accepted before
  std::uint64_t position = 0;
};

/// Lists records whose outbox waits, by rising key (`take_from` empty), or takes messages out of
/// one by number.
struct RelayRequest {
  struct Waiting {
    std::string key;
    std::vector<OutgoingMessage> messages;
  };
  StoreId store{};
  std::size_t most = 64;     ///< records to list
  std::string_view after{};  ///< list behind this key, so that full receivers hold up nobody else
  std::string_view take_from{};
  std::span<const OutgoingMessage> take{};

  Error error{Errc{}};
  std::vector<Waiting> waiting{};
  WallTime now{};
};

struct EraseRequest {
  StoreId store{};
  std::string_view key{};
  bool drop_outbox = false;  ///< drop what cannot be sent, instead of answering `full`
  const RecordLimits* limits = nullptr;

  Error error{
      Errc{}};  ///< `full`: a message in the outbox has no room at its receiver; nothing was erased
  bool found = false;
  std::uint64_t epoch = 0;
  std::size_t sent = 0;
  std::size_t dropped = 0;
};

/// A page of keys with data, in no particular order; `after` is the `next` of the page before.
struct ScanRequest {
  StoreId store{};
  std::string after{};
  std::size_t most = 1000;

  Error error{Errc{}};
  std::vector<std::string> keys{};
  std::string next{};
  bool done = false;
};

[[nodiscard]] inline bool failed(const Error& error) noexcept {
  return error.code() != Errc{};
}

}  // namespace persist::inline PERSIST_ABI

namespace persist::inline PERSIST_ABI {

/// Where a backend tells a store that something happened to a record before the store would have
/// looked: a release was asked for, a record was let go, a message came. Only ever a hint; losing
/// one costs time, never data.
///
/// Safe to call from any thread. A store that does not drain it pays for one string per event up to
/// a bound, then learns only that something happened.
class WakeQueue {
 public:
  static constexpr std::size_t capacity = 4096;

  void push(std::string_view key) {
    {
      const std::lock_guard hold(mutex_);
      if (keys_.size() < capacity) keys_.emplace_back(key);
    }
    wake_.notify();
  }
  /// Moves what came since into `into`, which is cleared first.
  void drain(std::vector<std::string>& into) {
    into.clear();
    const std::lock_guard hold(mutex_);
    std::swap(into, keys_);
  }
  [[nodiscard]] bool empty() const {
    const std::lock_guard hold(mutex_);
    return keys_.empty();
  }
  /// What a blocking wait of the store waits on.
  [[nodiscard]] Wake& wake() noexcept { return wake_; }

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> keys_;
  Wake wake_;
};

}  // namespace persist::inline PERSIST_ABI

namespace persist::inline PERSIST_ABI {

/// What a function without a value returns when it worked: `return success;`.
struct Success {};
inline constexpr Success success{};

/// A value or the reason why there is none.
///
/// A default-constructed one is an error (`invalid`), so a forgotten assignment never reads as
/// success. Reading the value of one that holds an error ends the program with one sentence, in
/// every build: there is no undefined behaviour to reach from here. A success allocates nothing.
template <class T>
class [[nodiscard]] Result {
  static_assert(std::is_object_v<T>,
                "Result<T> holds an object: use T* or std::reference_wrapper for a reference");
  static_assert(!std::same_as<std::remove_cv_t<T>, Error>,
                "Result<Error> says nothing: return Error or Result<void>");

 public:
  using value_type = T;

  Result() noexcept : error_() {}
  Result(Error error) noexcept : error_(std::move(error)) {}  // NOLINT: an error is a result
  Result(Errc code) noexcept : error_(code) {}                // NOLINT
  template <class U = T>
    requires(std::convertible_to<U &&, T> && !std::same_as<std::remove_cvref_t<U>, Result> &&
             !std::same_as<std::remove_cvref_t<U>, Error> &&
             !std::same_as<std::remove_cvref_t<U>, Errc>)
  Result(U&& value) : has_(true) {  // NOLINT: a value is a result
    std::construct_at(std::addressof(value_), std::forward<U>(value));
  }
  Result(const Result& other)
    requires std::copy_constructible<T>
      : has_(other.has_) {
    has_ ? (void)std::construct_at(std::addressof(value_), other.value_)
         : (void)std::construct_at(std::addressof(error_), other.error_);
  }
  Result(Result&& other) noexcept(std::is_nothrow_move_constructible_v<T>) : has_(other.has_) {
    has_ ? (void)std::construct_at(std::addressof(value_), std::move(other.value_))
         : (void)std::construct_at(std::addressof(error_), std::move(other.error_));
  }
  Result& operator=(Result other) noexcept(std::is_nothrow_move_constructible_v<T>) {
    // Where moving the value throws, an error is left: something must be there to be destroyed.
    struct Otherwise {
      Result* at;
      ~Otherwise() {
        if (at != nullptr) std::construct_at(at);
      }
    } otherwise{this};
    std::destroy_at(this);
    std::construct_at(this, std::move(other));
    otherwise.at = nullptr;
    return *this;
  }
  ~Result() {
    has_ ? std::destroy_at(std::addressof(value_)) : std::destroy_at(std::addressof(error_));
  }

  [[nodiscard]] bool has_value() const noexcept { return has_; }
  explicit operator bool() const noexcept { return has_; }

  [[nodiscard]] T& value() & { return need_value(), value_; }
  [[nodiscard]] const T& value() const& { return need_value(), value_; }
  [[nodiscard]] T&& value() && { return need_value(), std::move(value_); }
  [[nodiscard]] T& operator*() & { return value(); }
  [[nodiscard]] const T& operator*() const& { return value(); }
  [[nodiscard]] T&& operator*() && { return std::move(*this).value(); }
  [[nodiscard]] T* operator->() { return std::addressof(value()); }
  [[nodiscard]] const T* operator->() const { return std::addressof(value()); }
  template <class U>
  [[nodiscard]] T value_or(U&& other) && {
    return has_ ? std::move(value_) : static_cast<T>(std::forward<U>(other));
  }

  [[nodiscard]] const Error& error() const& { return need_error(), error_; }
  [[nodiscard]] Error&& error() && { return need_error(), std::move(error_); }
  /// Whether this failed with that code.
  [[nodiscard]] bool is(Errc code) const noexcept { return !has_ && error_.code() == code; }

 private:
  void need_value() const {
    if (!has_) [[unlikely]]
      detail::fatal(("a Result was read that holds an error: " + error_.message()).c_str());
  }
  void need_error() const {
    if (has_) [[unlikely]]
      detail::fatal("the error of a Result was read that holds a value");
  }

  union {
    T value_;
    Error error_;
  };
  bool has_ = false;
};

/// Whether it worked, and if not, why.
template <>
class [[nodiscard]] Result<void> {
 public:
  using value_type = void;

  Result() noexcept = default;
  Result(Success) noexcept : has_(true) {}                    // NOLINT: reads as `return success;`
  Result(Error error) noexcept : error_(std::move(error)) {}  // NOLINT: an error is a result
  Result(Errc code) noexcept : error_(code) {}                // NOLINT

  [[nodiscard]] bool has_value() const noexcept { return has_; }
  explicit operator bool() const noexcept { return has_; }
  void value() const {
    if (!has_) [[unlikely]]
      detail::fatal(("a Result was read that holds an error: " + error_.message()).c_str());
  }
  [[nodiscard]] const Error& error() const& {
    if (has_) [[unlikely]]
      detail::fatal("the error of a Result was read that holds a value");
    return error_;
  }
  [[nodiscard]] bool is(Errc code) const noexcept { return !has_ && error_.code() == code; }

 private:
  Error error_;
  bool has_ = false;
};

}  // namespace persist::inline PERSIST_ABI

// What a backend must be. A backend object is a handle: cheap to copy, copies share one open
// database, any thread may call it. What each operation means, in short: a record is changed
// by nothing but `commit` under the newest fence, `post`, `relay` and `erase`; the laws
// in testing/laws/backend.hpp say it in tests.
//
// Models: backend::Memory (the reference), backend::File.

namespace persist::inline PERSIST_ABI {

// One atom per operation, so that the compiler names the one that is missing.
template <class B>
concept is_a_shared_handle = std::copy_constructible<B> && requires(const B& a, const B& b) {
  { a.same_database(b) } -> std::same_as<bool>;
  { a.status() } -> std::same_as<Result<void>>;
};
template <class B>
concept names_owners = requires(B& b, ServerId server) {
  { b.next_owner(server) } -> std::same_as<Owner>;
};
template <class B>
concept opens_stores = requires(B& b, std::span<OpenStoreRequest> batch) {
  { b.open_store(batch) } -> std::same_as<void>;
};
template <class B>
concept acquires_leases = requires(B& b, std::span<AcquireRequest> batch) {
  { b.acquire(batch) } -> std::same_as<void>;
};
template <class B>
concept commits_changes = requires(B& b, std::span<CommitRequest> batch) {
  { b.commit(batch) } -> std::same_as<void>;
};
template <class B>
concept reads_records = requires(B& b, std::span<ReadRequest> batch) {
  { b.read(batch) } -> std::same_as<void>;
};
template <class B>
concept posts_messages = requires(B& b, std::span<PostRequest> batch) {
  { b.post(batch) } -> std::same_as<void>;
};
template <class B>
concept relays_messages = requires(B& b, std::span<RelayRequest> batch) {
  { b.relay(batch) } -> std::same_as<void>;
};
template <class B>
concept erases_records = requires(B& b, std::span<EraseRequest> batch) {
  { b.erase(batch) } -> std::same_as<void>;
};
template <class B>
concept scans_keys = requires(B& b, std::span<ScanRequest> batch) {
  { b.scan(batch) } -> std::same_as<void>;
};
template <class B>
concept record_backend =
    is_a_shared_handle<B> && names_owners<B> && opens_stores<B> && acquires_leases<B> &&
    commits_changes<B> && reads_records<B> && posts_messages<B> && relays_messages<B> &&
    erases_records<B> && scans_keys<B>;

/// A commit may hold changes of several records, all or nothing. A backend says so with
/// `static constexpr bool is_transactional = true`.
template <class B>
concept transactional_backend = record_backend<B> && B::is_transactional;

/// Can wake a store early. The queue is held weakly: a store that is gone is forgotten.
template <class B>
concept watched_backend = requires(B& b, StoreId store, std::weak_ptr<WakeQueue> queue) {
  { b.watch(store, queue) } -> std::same_as<void>;
};

}  // namespace persist::inline PERSIST_ABI

namespace persist::inline PERSIST_ABI::backend {

/// What an acknowledged save has survived.
enum class Durability : std::uint8_t {
  /// Synced: it survives a power cut.
  full,
  /// Handed to the operating system: it survives the end of the process in any way, not that of the
  /// machine. A power cut may lose what was saved since the last sync, newest first and whole
  /// batches at a time, never something in the middle. A later batch syncs at the latest
  /// `FileOptions::sync_every` after the first that was not; so do `flush()`, a new segment and
  /// closing.
  relaxed,
};

struct FileOptions {
  Durability durability = Durability::full;
  Duration wait_for_lock{};  ///< how long to wait while another process has the folder
  Clock* clock = nullptr;    ///< judges leases; null: the system's. Must outlive every handle
  std::uint64_t segment_bytes = std::uint64_t{64} << 20;  ///< a file of the log; 4 KiB to 1 GiB
  Duration sync_every = std::chrono::seconds(1);          ///< for `relaxed`
};

struct FileStats {
  std::uint64_t batches = 0;      ///< written to the log
  std::uint64_t commits = 0;      ///< applied; what shares a batch shares its sync
  std::uint64_t syncs = 0;        ///< of the log
  Duration sync_time{};           ///< spent in them, by the machine's clock
  std::uint64_t bytes = 0;        ///< of all segments
  std::uint64_t live_bytes = 0;   ///< of them, what a record still refers to
  std::uint64_t compactions = 0;  ///< segments that were emptied and removed
  std::uint64_t records = 0;
  std::uint64_t damaged_segments = 0;  ///< set aside as `….damaged`: a record's bytes there are bad
};

/// What opening found and did.
struct OpenReport {
  std::string torn_tail;  ///< the side file that a batch without an end was moved to; empty: none
  std::uint64_t torn_bytes = 0;
  std::uint64_t batches_rewritten = 0;  ///< that the last run may not have synced
  std::uint64_t run = 0;                ///< how often this folder was opened
  bool held = false;                    ///< of a snapshot: somebody had the log open for writing
};

/// The process that has the folder of a `File`.
struct FolderHolder {
  std::uint64_t process = 0;
  std::string host;
  WallTime since{};

  [[nodiscard]] std::string text() const {
    const auto day = std::chrono::floor<std::chrono::days>(since);
    const std::chrono::year_month_day date(day);
    const std::chrono::hh_mm_ss time(std::chrono::floor<std::chrono::seconds>(since - day));
    const auto two = [](auto number) { return (number < 10 ? "0" : "") + std::to_string(number); };
    return "process " + std::to_string(process) + " on " + host + ", since " +
           std::to_string(static_cast<int>(date.year())) + '-' +
           two(static_cast<unsigned>(date.month())) + '-' + two(static_cast<unsigned>(date.day())) +
           ' ' + two(time.hours().count()) + ':' + two(time.minutes().count()) + ':' +
           two(time.seconds().count()) + " UTC";
  }
};

}  // namespace persist::inline PERSIST_ABI::backend

// The instruction is found at run time on x86-64 (a program is built for the oldest machine it runs
// on), at compile time on ARM; elsewhere, and on compilers without the attribute, the tables do it.
#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#define PERSIST_CRC32C_X86 1
#elif defined(__aarch64__) && defined(__ARM_FEATURE_CRC32)
#define PERSIST_CRC32C_ARM 1
#include <arm_acle.h>
#endif

namespace persist::inline PERSIST_ABI::detail {

/// Eight tables: `tables[n][b]` is what the byte b does to the sum n bytes after it. Polynomial
/// 0x1EDC6F41, reflected.
struct Crc32cTables {
  std::array<std::array<std::uint32_t, 256>, 8> of{};

  constexpr Crc32cTables() {
    for (std::uint32_t byte = 0; byte < 256; ++byte) {
      std::uint32_t sum = byte;
      for (int bit = 0; bit < 8; ++bit)
        sum = (sum >> 1) ^ ((sum & 1) != 0 ? 0x82F63B78u : 0u);
      of[0][byte] = sum;
    }
    for (std::size_t n = 1; n < 8; ++n) {
      for (std::size_t byte = 0; byte < 256; ++byte) {
        of[n][byte] = (of[n - 1][byte] >> 8) ^ of[0][of[n - 1][byte] & 0xff];
      }
    }
  }
};
inline constexpr Crc32cTables crc32c_tables{};

/// What a sum becomes over 256 zeros: `tables[n][b]` is that of byte n of the sum being b.
struct Crc32cShift {
  static constexpr std::size_t bytes = 256;
  std::array<std::array<std::uint32_t, 256>, 4> of{};

  constexpr Crc32cShift() {
    for (std::size_t bit = 0; bit < 32; ++bit) {
      std::uint32_t sum = std::uint32_t{1} << bit;
      for (std::size_t i = 0; i < bytes; ++i)
        sum = (sum >> 8) ^ crc32c_tables.of[0][sum & 0xff];
      auto& table = of[bit / 8];  // sums of a sum are added by ^, so a bit is enough to know all
      const std::size_t mask = std::size_t{1} << (bit % 8);
      for (std::size_t low = 0; low < mask; ++low)
        table[mask | low] = table[low] ^ sum;
    }
  }
};
inline constexpr Crc32cShift crc32c_shifts{};
[[nodiscard]] inline std::uint32_t crc32c_shift(std::uint32_t sum) noexcept {
  const auto& table = crc32c_shifts.of;
  return table[0][sum & 0xff] ^ table[1][(sum >> 8) & 0xff] ^ table[2][(sum >> 16) & 0xff] ^
         table[3][sum >> 24];
}

/// The sum without any instruction for it, eight bytes at a time ("slicing by 8", Kounavis and
/// Berry).
[[nodiscard]] inline std::uint32_t crc32c_by_table(ByteView bytes,
                                                   std::uint32_t so_far = 0) noexcept {
  const auto& table = crc32c_tables.of;
  const std::byte* at = bytes.data();
  std::size_t left = bytes.size();
  std::uint32_t sum = ~so_far;
  for (; left >= 8; left -= 8, at += 8) {
    const auto word = load_little<std::uint64_t>(at) ^ sum;
    sum = 0;
    for (std::size_t i = 0; i < 8; ++i)
      sum ^= table[7 - i][(word >> (8 * i)) & 0xff];
  }
  for (; left != 0; --left, ++at)
    sum = (sum >> 8) ^ table[0][(sum ^ std::to_integer<std::uint32_t>(*at)) & 0xff];
  return ~sum;
}

#if defined(PERSIST_CRC32C_X86)

[[nodiscard]] inline bool has_crc32c_instruction() noexcept {
#if defined(__SSE4_2__)
  return true;
#else
  return __builtin_cpu_supports("sse4.2") != 0;
#endif
}

/// The same sum by the processor. Only where `has_crc32c_instruction()`.
///
/// One instruction waits three cycles for the one before, so three sums go side by side; what the
/// first two become over the bytes behind them is looked up.
[[nodiscard]] __attribute__((target("sse4.2"))) inline std::uint32_t crc32c_by_instruction(
    ByteView bytes, std::uint32_t so_far = 0) noexcept {
  constexpr std::size_t lane = Crc32cShift::bytes;
  const std::byte* at = bytes.data();
  std::size_t left = bytes.size();
  std::uint64_t sum = static_cast<std::uint32_t>(~so_far);
  for (; left >= 3 * lane; left -= 3 * lane, at += 2 * lane) {
    std::uint64_t second = 0, third = 0;
    for (const std::byte* const end = at + lane; at != end; at += 8) {
      sum = __builtin_ia32_crc32di(sum, load_little<std::uint64_t>(at));
      second = __builtin_ia32_crc32di(second, load_little<std::uint64_t>(at + lane));
      third = __builtin_ia32_crc32di(third, load_little<std::uint64_t>(at + 2 * lane));
    }
    sum = crc32c_shift(static_cast<std::uint32_t>(sum)) ^ second;
    sum = crc32c_shift(static_cast<std::uint32_t>(sum)) ^ third;
  }
  for (; left >= 8; left -= 8, at += 8)
    sum = __builtin_ia32_crc32di(sum, load_little<std::uint64_t>(at));
  auto narrow = static_cast<std::uint32_t>(sum);
  for (; left != 0; --left, ++at)
    narrow = __builtin_ia32_crc32qi(narrow, std::to_integer<unsigned char>(*at));
  return ~narrow;
}

#elif defined(PERSIST_CRC32C_ARM)

[[nodiscard]] inline bool has_crc32c_instruction() noexcept {
  return true;
}

/// The same sum by the processor.
[[nodiscard]] inline std::uint32_t crc32c_by_instruction(ByteView bytes,
                                                         std::uint32_t so_far = 0) noexcept {
  const std::byte* at = bytes.data();
  std::size_t left = bytes.size();
  std::uint32_t sum = ~so_far;
  for (; left >= 8; left -= 8, at += 8)
    sum = __crc32cd(sum, load_little<std::uint64_t>(at));
  for (; left != 0; --left, ++at)
    sum = __crc32cb(sum, std::to_integer<unsigned char>(*at));
  return ~sum;
}

#else

[[nodiscard]] inline bool has_crc32c_instruction() noexcept {
  return false;
}
[[nodiscard]] inline std::uint32_t crc32c_by_instruction(ByteView bytes,
                                                         std::uint32_t so_far = 0) noexcept {
  return crc32c_by_table(bytes, so_far);
}

#endif

/// CRC-32C (Castagnoli; RFC 3720 appendix B.4). Sums go on: `crc32c(b, crc32c(a))` is that of a
/// followed by b.
[[nodiscard]] inline std::uint32_t crc32c(ByteView bytes, std::uint32_t so_far = 0) noexcept {
  return has_crc32c_instruction() ? crc32c_by_instruction(bytes, so_far)
                                  : crc32c_by_table(bytes, so_far);
}

}  // namespace persist::inline PERSIST_ABI::detail

// The bytes of the log's frame: segments and batches. doc/format.md has the grammar, the reasons
// and an example in hex. Numbers here reach disk: never renumber.

namespace persist::inline PERSIST_ABI::backend::file {

inline constexpr std::string_view segment_magic = "persistL";
inline constexpr std::uint32_t log_format = 1;
inline constexpr std::size_t segment_header_size = 40;
inline constexpr std::size_t batch_header_size = 36;
inline constexpr std::uint64_t largest_batch = std::uint64_t{1} << 30;

/// Where bytes lie, how many, and their sum.
struct Place {
  std::uint32_t segment = 0;  ///< 0: nowhere
  std::uint32_t offset = 0;
  std::uint32_t size = 0;
  std::uint32_t crc = 0;

  [[nodiscard]] bool exists() const noexcept { return segment != 0; }
  friend bool operator==(const Place&, const Place&) noexcept = default;
};

/// Reads numbers and bytes and never past the end: then it is not good any more and gives zeros.
class Reader {
 public:
  explicit Reader(ByteView from) noexcept : left_(from) {}

  template <std::unsigned_integral T>
  [[nodiscard]] T number() noexcept {
    const ByteView at = bytes(sizeof(T));
    return at.size() == sizeof(T) ? load_little<T>(at.data()) : T{0};
  }
  [[nodiscard]] ByteView bytes(std::size_t count) noexcept {
    if (count > left_.size()) return good_ = false, left_ = {}, ByteView{};
    const ByteView got = left_.first(count);
    left_ = left_.subspan(count);
    return got;
  }
  [[nodiscard]] std::string_view text() noexcept { return as_text(bytes(number<std::uint16_t>())); }
  [[nodiscard]] Hash128 hash() noexcept {
    const auto low = number<std::uint64_t>();
    return {low, number<std::uint64_t>()};
  }
  [[nodiscard]] WallTime time() noexcept {
    return WallTime(std::chrono::milliseconds(static_cast<std::int64_t>(number<std::uint64_t>())));
  }
  /// A count of things that take at least `least` bytes each; more than there is room for is not
  /// good, so that nothing is allocated for a lie.
  [[nodiscard]] std::size_t count(std::size_t least) noexcept {
    const std::size_t n = number<std::uint32_t>();
    return n <= left_.size() / least ? n : (good_ = false, left_ = {}, std::size_t{0});
  }
  [[nodiscard]] bool good() const noexcept { return good_; }
  [[nodiscard]] bool done() const noexcept { return good_ && left_.empty(); }
  [[nodiscard]] std::size_t left() const noexcept { return left_.size(); }

 private:
  ByteView left_;
  bool good_ = true;
};

inline void append_text(Buffer& to, std::string_view text) {
  append_little(to, static_cast<std::uint16_t>(text.size()));
  to.append(text);
}
inline void append_hash(Buffer& to, const Hash128& hash) {
  append_little(to, hash.low);
  append_little(to, hash.high);
}
inline void append_time(Buffer& to, WallTime time) {
  append_little(to, static_cast<std::uint64_t>(time.time_since_epoch().count()));
}

/// The beginning of a segment.
struct SegmentHeader {
  std::uint32_t number = 0;  ///< consecutive; the file's name is this in eight digits
  std::uint64_t salt = 0;    ///< the log's
  /// The first batch here. What an earlier segment has from this number on does not count: it was
  /// not known to be on disk and has been written again here, or was torn.
  std::uint64_t first_sequence = 0;
  std::uint32_t oldest = 0;  ///< the oldest segment that was needed when this one was made

  void write(Buffer& to) const {
    const std::size_t begin = to.size();
    to.append(segment_magic);
    append_little(to, log_format);
    append_little(to, number);
    append_little(to, salt);
    append_little(to, first_sequence);
    append_little(to, oldest);
    append_little(to, detail::crc32c(to.view().subspan(begin)));
  }
  /// Nothing, if these are no header's bytes; `format` then tells a newer one from damage.
  [[nodiscard]] static std::optional<SegmentHeader> read(ByteView bytes, std::uint32_t& format) {
    if (bytes.size() < segment_header_size) return std::nullopt;
    const ByteView summed = bytes.first(segment_header_size - 4);
    Reader from(bytes.first(segment_header_size));
    if (as_text(from.bytes(8)) != segment_magic) return std::nullopt;
    format = from.number<std::uint32_t>();
    SegmentHeader header;
    header.number = from.number<std::uint32_t>();
    header.salt = from.number<std::uint64_t>();
    header.first_sequence = from.number<std::uint64_t>();
    header.oldest = from.number<std::uint32_t>();
    if (from.number<std::uint32_t>() != detail::crc32c(summed) || format != log_format)
      return std::nullopt;
    return header;
  }
};

/// The beginning of a batch: the unit that is there whole or not at all.
struct BatchHeader {
  std::uint64_t salt = 0;
  std::uint64_t sequence = 0;
  /// The newest batch that was known to be on disk when this one was written: if that one is
  /// broken now, it is damage and no power cut.
  std::uint64_t synced = 0;
  std::uint32_t length = 0;  ///< of the payload
  std::uint32_t payload_crc = 0;

  void write(std::byte* to) const noexcept {
    store_little(to, salt);
    store_little(to + 8, sequence);
    store_little(to + 16, synced);
    store_little(to + 24, length);
    store_little(to + 28, payload_crc);
    store_little(to + 32, detail::crc32c({to, batch_header_size - 4}));
  }
  [[nodiscard]] static std::optional<BatchHeader> read(ByteView bytes,
                                                       std::uint64_t salt) noexcept {
    if (bytes.size() < batch_header_size || load_little<std::uint64_t>(bytes.data()) != salt)
      return std::nullopt;
    const std::byte* at = bytes.data();
    if (load_little<std::uint32_t>(at + 32) != detail::crc32c(bytes.first(batch_header_size - 4)))
      return std::nullopt;
    return BatchHeader{salt, load_little<std::uint64_t>(at + 8),
                       load_little<std::uint64_t>(at + 16), load_little<std::uint32_t>(at + 24),
                       load_little<std::uint32_t>(at + 28)};
  }
};

/// Fills in the header that was left room for at the beginning of a batch, which the first of its
/// pieces holds; `to` is where that lies.
inline void seal(std::byte* to, BatchHeader header, std::span<const ByteView> pieces) {
  std::size_t length = 0;
  std::uint32_t crc = 0;
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    const ByteView piece = i == 0 ? pieces[i].subspan(batch_header_size) : pieces[i];
    length += piece.size();
    crc = detail::crc32c(piece, crc);
  }
  header.length = static_cast<std::uint32_t>(length);
  header.payload_crc = crc;
  header.write(to);
}
inline void seal(Buffer& batch, const BatchHeader& header) {
  const ByteView all = batch;
  seal(batch.data(), header, {&all, 1});
}

/// At least eight digits, so that names sort as numbers do.
[[nodiscard]] inline std::string digits(std::uint64_t number) {
  const std::string text = std::to_string(number);
  return std::string(text.size() < 8 ? 8 - text.size() : 0, '0') + text;
}
[[nodiscard]] inline std::string segment_name(std::uint32_t number) {
  return digits(number) + ".log";
}
/// That of one that was left out of the log because bytes in it are damaged.
[[nodiscard]] inline std::string aside_name(std::uint32_t number) {
  return digits(number) + ".damaged";
}
[[nodiscard]] inline std::optional<std::uint32_t> segment_number(std::string_view name,
                                                                 std::string_view end = ".log") {
  if (!name.ends_with(end) || name.size() < end.size() + 8 || name.size() > end.size() + 10)
    return std::nullopt;
  std::uint64_t number = 0;
  for (const char c : name.substr(0, name.size() - end.size())) {
    if (c < '0' || c > '9') return std::nullopt;
    number = number * 10 + static_cast<std::uint64_t>(c - '0');
  }
  if (number == 0 || number > 0xffff'ffff || !name.starts_with(digits(number) + "."))
    return std::nullopt;
  return static_cast<std::uint32_t>(number);
}

}  // namespace persist::inline PERSIST_ABI::backend::file

// The state machine of a record without its bytes: who may write, and what an operation does to
// that. Every embedded backend keeps one `Head` a record and decides with these functions; a
// backend on a database says the same in SQL or a script and is held to it by the laws.

namespace persist::inline PERSIST_ABI {

/// An epoch that has ended, and how far its session had written.
struct PastWrite {
  std::uint64_t epoch = 0;
  std::uint64_t nonce = 0;
  std::uint64_t session = 0;
  std::uint64_t write = 0;

  [[nodiscard]] bool belongs_to(const Fence& fence) const noexcept {
    return epoch == fence.epoch && nonce == fence.owner.nonce && session == fence.owner.session;
  }
};

struct Head {
  Fence fence;                      ///< the owner is nobody after a release or an erase
  std::array<PastWrite, 4> past{};  ///< newest first, so the last four epochs when it is free too
  std::uint64_t version = 0;
  std::uint64_t load_count = 0;
  std::uint64_t renewals = 0;
  Duration lease{};  ///< zero: not leased
  TimePoint renewed{};
  WallTime created{};
  WallTime updated{};
  Owner asker;  ///< who asked the holder to let go

  [[nodiscard]] bool asked() const noexcept { return !asker.nobody(); }
  [[nodiscard]] bool leased_at(TimePoint now) const noexcept {
    return !fence.owner.nobody() && lease > Duration::zero() && now < renewed + lease;
  }
};

/// Whether a commit may write.
enum class Verdict : std::uint8_t { apply, repeated, fenced, superseded };

/// Judges one change against the record, before anything is written.
///
/// `forgotten_below` is for a backend that does not write acquisitions: epochs under it were given
/// out by an earlier run, whose unwritten acquisitions are lost. Such an epoch that is higher than
/// the record's is still the newest, because every acquisition since would have got a higher one.
/// Zero where acquisitions are never lost.
[[nodiscard]] inline Verdict judge(const Head& head, const Fence& asked,
                                   std::uint64_t forgotten_below) noexcept {
  if (asked.epoch == head.fence.epoch && asked.owner == head.fence.owner && !asked.owner.nobody()) {
    if (asked.write > head.fence.write) return Verdict::apply;
    return asked.write == head.fence.write ? Verdict::repeated : Verdict::superseded;
  }
  if (asked.epoch > head.fence.epoch && asked.epoch < forgotten_below && !asked.owner.nobody())
    return Verdict::apply;
  // A repeat of the last write of an epoch that ended by that very write: its release.
  const PastWrite& last = head.past[0];
  if (head.fence.owner.nobody() && last.belongs_to(asked) && last.epoch == head.fence.epoch)
    return asked.write == last.write
               ? Verdict::repeated
               : (asked.write < last.write ? Verdict::superseded : Verdict::fenced);
  return Verdict::fenced;
}

/// Whether this write of an older session had been applied; "no" may also mean that it is too long
/// ago to know.
[[nodiscard]] inline bool landed(const Head& head, const Fence& asked) noexcept {
  if (asked.epoch == head.fence.epoch && asked.owner == head.fence.owner)
    return asked.write <= head.fence.write;
  for (const PastWrite& past : head.past)
    if (past.belongs_to(asked)) return asked.write <= past.write;
  return false;
}

[[nodiscard]] inline HeldBy held_by(const Head& head, TimePoint now) {
  const Duration age = now - head.renewed;
  return {head.fence.owner,
          head.fence.epoch,
          head.renewals,
          age,
          head.lease > age ? head.lease - age : Duration::zero(),
          head.asker};
}

/// Ends the current epoch: its last write number is remembered, nobody owns the record, no request
/// stands.
inline void end_epoch(Head& head) {
  if (!head.fence.owner.nobody()) {
    head.past = {PastWrite{head.fence.epoch, head.fence.owner.nonce, head.fence.owner.session,
                           head.fence.write},
                 head.past[0], head.past[1], head.past[2]};
  }
  head.fence.owner = Owner{};
  head.lease = Duration::zero();
  head.asker = Owner{};
}

/// What an acquire may do.
enum class Claim : std::uint8_t { fresh, again, held };

[[nodiscard]] inline Claim claim(const Head& head, const AcquireRequest& request,
                                 TimePoint now) noexcept {
  if (head.fence.owner == request.owner && !request.owner.nobody()) return Claim::again;
  if (request.intent == Intent::withdraw) return Claim::held;
  // The newest asker gets what its holder let run out. Only a retry steps back: who comes anew
  // takes what is free, because that asker may be gone.
  if (request.intent == Intent::keep_request && head.asked() && head.asker != request.owner)
    return Claim::held;
  if (request.intent == Intent::steal && head.fence.epoch == request.seen_epoch &&
      head.renewals == request.seen_renewals)
    return Claim::fresh;
  return head.leased_at(now) ? Claim::held : Claim::fresh;
}

/// Gives the record to the owner of the request under `epoch`, which must be higher than any given
/// before.
inline void take(Head& head, const AcquireRequest& request, std::uint64_t epoch, TimePoint now) {
  end_epoch(head);
  head.fence = {epoch, request.owner, 0};
  head.lease = request.lease;
  head.renewed = now;
  ++head.renewals;
}

/// Leaves, keeps or withdraws the request of an acquire that found the record held. Says whether
/// the holder should be woken.
inline bool ask(Head& head, const AcquireRequest& request) {
  if (request.intent == Intent::withdraw && head.asker == request.owner) head.asker = Owner{};
  if (request.intent != Intent::request) return false;
  head.asker = request.owner;
  return true;
}

/// What an applied change does to the head. `wrote_data` says whether the version grows.
inline void advance(Head& head, const Change& change, bool wrote_data, TimePoint now,
                    WallTime wall) {
  if (head.fence.epoch != change.fence.epoch) {  // judged under `forgotten_below`
    end_epoch(head);
    head.fence.epoch = change.fence.epoch;
    head.fence.owner = change.fence.owner;
    head.fence.write = 0;
  }
  if (change.load_count)
    head.load_count = *change.load_count;
  else if (head.fence.write == 0)
    ++head.load_count;
  head.fence.write = change.fence.write;
  if (wrote_data) {
    ++head.version;
    if (head.created == WallTime{}) head.created = wall;
    head.updated = wall;
  }
  if (change.created) head.created = *change.created;
  // While somebody asks for the record a save does not renew, so that the asker waits one lease at
  // most.
  if (change.lease == LeaseChange::renew && !head.asked()) {
    head.lease = change.lease_length;
    head.renewed = now;
    ++head.renewals;
  }
  if (change.lease == LeaseChange::release) end_epoch(head);
}

}  // namespace persist::inline PERSIST_ABI

namespace persist::inline PERSIST_ABI::backend::file {

/// What of a record has a position of its own in the log. Never renumber.
enum class PartKind : std::uint8_t {
  data = 1,
  metadata = 2,
  user_ids = 3,
  inbox = 4,
  outbox = 5,
  receipts = 6
};

/// What many records do not have: everything but data. Shared between a record and its copy in a
/// batch until one of them changes it.
struct Extra {
  Place metadata, user_ids, inbox, outbox;
  std::vector<Place> receipts;  ///< pages, oldest first
  std::uint32_t receipts_forgotten = 0;
  std::uint32_t inbox_messages = 0;
  std::uint32_t inbox_bytes = 0;
  std::uint32_t outbox_messages = 0;
  std::uint64_t last_position = 0;
};

/// What lies in memory of each record: who may write it, and where its bytes are. 320 bytes; with a
/// short key and its place in the index 420, so a million players that were ever seen take 0.42 GB.
struct Record {
  Head head;
  Place data;
  std::shared_ptr<const Extra> extra;
  std::uint32_t entry_segment = 0;  ///< where its last entry lies; 0: it was never written
  std::uint32_t entry_size = 0;     ///< of that, parts not counted

  [[nodiscard]] bool has_data() const noexcept { return data.exists(); }
  [[nodiscard]] const Extra& more() const noexcept {
    static const Extra none;
    return extra ? *extra : none;
  }
  /// Calls `visit(kind, place)` for each part that exists.
  template <class F>
  void each_part(F visit) const {
    const auto one = [&](PartKind kind, const Place& place) {
      if (place.exists()) visit(kind, place);
    };
    one(PartKind::data, data);
    if (!extra) return;
    one(PartKind::metadata, extra->metadata);
    one(PartKind::user_ids, extra->user_ids);
    one(PartKind::inbox, extra->inbox);
    one(PartKind::outbox, extra->outbox);
    for (const Place& page : extra->receipts)
      one(PartKind::receipts, page);
  }
  /// Bytes of the log that this record keeps alive.
  [[nodiscard]] std::uint64_t live_bytes() const {
    std::uint64_t sum = entry_size;
    each_part([&](PartKind, const Place& place) { sum += place.size; });
    return sum;
  }
  [[nodiscard]] bool lies_in(std::uint32_t segment) const {
    bool lies = entry_segment == segment;
    each_part([&](PartKind, const Place& place) { lies = lies || place.segment == segment; });
    return lies;
  }
};

/// Calls `visit(place)` for each part of a record that is about to be written with that extra.
template <class F>
void each_place(Record& record, Extra& extra, F visit) {
  for (Place* place : {&record.data, &extra.metadata, &extra.user_ids, &extra.inbox, &extra.outbox})
    if (place->exists()) visit(*place);
  for (Place& page : extra.receipts)
    visit(page);
}

}  // namespace persist::inline PERSIST_ABI::backend::file

// What a batch holds: entries, each whole by itself. A record's entry says all of its head and
// where each of its parts lies, so the last one alone makes the record; nothing is put together
// from several.

namespace persist::inline PERSIST_ABI::backend::file {

/// Never renumber.
enum class EntryKind : std::uint8_t {
  store = 1,   ///< a store's header
  record = 2,  ///< a record as it is from now on
  erased = 3,  ///< what is left of a record
  run = 4,     ///< the log was opened
  oldest = 5,  ///< segments before this one are not needed any more
};

struct StoreEntry {
  std::uint32_t index = 0;
  std::string_view name;
  Hash128 birth;
  LockKind lock = LockKind::lease;
  std::uint32_t format = record_format;
};
struct ErasedEntry {
  std::uint32_t store = 0;
  Hash128 hash;
  std::uint64_t epoch = 0;
  std::uint64_t version = 0;
  std::string_view key;  ///< empty once no segment holds the record itself any more
};
struct RunEntry {
  std::uint64_t run = 0;
  FolderHolder opened_by;
};
/// Its epochs are the last ones below the limit: what lies above could not be read again.
inline constexpr std::uint64_t last_run = (epoch_limit >> 24) - 1;
[[nodiscard]] inline Error no_run_left() {
  return {Errc::unsupported, "this folder has been opened too often: no run number is left"};
}
struct RecordEntry {
  std::uint32_t store = 0;
  std::string_view key;
  Record record;
};

/// An entry's bytes and where they lie in their segment.
struct RawEntry {
  EntryKind kind{};
  ByteView body;
  std::uint32_t segment = 0;
  std::uint64_t body_offset = 0;
};

inline constexpr std::size_t entry_frame = 5;

/// The entry at `at` of a batch's payload, and steps behind it; nothing at the end or where the
/// bytes make no sense (then `at` is not the end).
[[nodiscard]] inline std::optional<RawEntry> next_entry(ByteView payload, std::size_t& at,
                                                        std::uint32_t segment,
                                                        std::uint64_t payload_offset) {
  Reader from(payload.subspan(at));
  const auto kind = from.number<std::uint8_t>();
  const std::size_t length = from.number<std::uint32_t>();
  const ByteView body = from.bytes(length);
  if (!from.good() || kind < 1 || kind > 5) return std::nullopt;
  const std::uint64_t offset = payload_offset + at + entry_frame;
  at += entry_frame + length;
  return RawEntry{static_cast<EntryKind>(kind), body, segment, offset};
}

/// Opens an entry and fills in its length when it goes; `behind` bytes of it follow after that.
class EntryFrame {
 public:
  EntryFrame(Buffer& to, EntryKind kind, std::size_t behind = 0) : to_(to), behind_(behind) {
    to.push(static_cast<std::byte>(kind));
    append_little(to, std::uint32_t{0});
    begin_ = to.size();
  }
  EntryFrame(const EntryFrame&) = delete;
  EntryFrame& operator=(const EntryFrame&) = delete;
  ~EntryFrame() {
    store_little(to_.data() + begin_ - 4,
                 static_cast<std::uint32_t>(to_.size() - begin_ + behind_));
  }

 private:
  Buffer& to_;
  std::size_t behind_;
  std::size_t begin_ = 0;
};

inline void write_entry(Buffer& to, const StoreEntry& store) {
  const EntryFrame frame(to, EntryKind::store);
  append_little(to, store.index);
  append_text(to, store.name);
  append_hash(to, store.birth);
  to.push(static_cast<std::byte>(store.lock));
  append_little(to, store.format);
}
inline void write_entry(Buffer& to, const ErasedEntry& erased) {
  const EntryFrame frame(to, EntryKind::erased);
  append_little(to, erased.store);
  append_hash(to, erased.hash);
  append_little(to, erased.epoch);
  append_little(to, erased.version);
  append_text(to, erased.key);
}
inline void write_entry(Buffer& to, const RunEntry& run) {
  const EntryFrame frame(to, EntryKind::run);
  append_little(to, run.run);
  append_little(to, run.opened_by.process);
  append_text(to, run.opened_by.host);
  append_time(to, run.opened_by.since);
}
inline void write_oldest(Buffer& to, std::uint32_t segment) {
  const EntryFrame frame(to, EntryKind::oldest);
  append_little(to, segment);
}

[[nodiscard]] inline std::optional<StoreEntry> read_store(ByteView body) {
  Reader from(body);
  StoreEntry store;
  store.index = from.number<std::uint32_t>();
  store.name = from.text();
  store.birth = from.hash();
  store.lock = static_cast<LockKind>(from.number<std::uint8_t>());
  store.format = from.number<std::uint32_t>();
  return from.done() ? std::optional(store) : std::nullopt;
}
[[nodiscard]] inline std::optional<ErasedEntry> read_erased(ByteView body) {
  Reader from(body);
  ErasedEntry erased;
  erased.store = from.number<std::uint32_t>();
  erased.hash = from.hash();
  erased.epoch = from.number<std::uint64_t>();
  erased.version = from.number<std::uint64_t>();
  erased.key = from.text();
  return from.done() ? std::optional(erased) : std::nullopt;
}
[[nodiscard]] inline std::optional<RunEntry> read_run(ByteView body) {
  Reader from(body);
  RunEntry run;
  run.run = from.number<std::uint64_t>();
  run.opened_by.process = from.number<std::uint64_t>();
  run.opened_by.host = from.text();
  run.opened_by.since = from.time();
  return from.done() ? std::optional(run) : std::nullopt;
}
[[nodiscard]] inline std::optional<std::uint32_t> read_oldest(ByteView body) {
  Reader from(body);
  const auto segment = from.number<std::uint32_t>();
  return from.done() ? std::optional(segment) : std::nullopt;
}

inline void write_head(Buffer& to, const Head& head) {
  append_little(to, head.fence.epoch);
  append_little(to, head.fence.write);
  append_text(to, head.fence.owner.server.view());
  append_little(to, head.fence.owner.nonce);
  append_little(to, head.fence.owner.session);
  append_little(to, head.version);
  append_little(to, head.load_count);
  append_time(to, head.created);
  append_time(to, head.updated);
  std::uint8_t past = 0;
  while (past < head.past.size() && head.past[past].epoch != 0)
    ++past;
  to.push(static_cast<std::byte>(past));
  for (std::size_t i = 0; i < past; ++i) {
    append_little(to, head.past[i].epoch);
    append_little(to, head.past[i].nonce);
    append_little(to, head.past[i].session);
    append_little(to, head.past[i].write);
  }
}
[[nodiscard]] inline bool read_head(Reader& from, Head& head) {
  head.fence.epoch = from.number<std::uint64_t>();
  head.fence.write = from.number<std::uint64_t>();
  head.fence.owner.server = ServerId(from.text());
  head.fence.owner.nonce = from.number<std::uint64_t>();
  head.fence.owner.session = from.number<std::uint64_t>();
  head.version = from.number<std::uint64_t>();
  head.load_count = from.number<std::uint64_t>();
  head.created = from.time();
  head.updated = from.time();
  const std::size_t past = from.number<std::uint8_t>();
  if (past > head.past.size()) return false;
  for (std::size_t i = 0; i < past; ++i) {
    head.past[i].epoch = from.number<std::uint64_t>();
    head.past[i].nonce = from.number<std::uint64_t>();
    head.past[i].session = from.number<std::uint64_t>();
    head.past[i].write = from.number<std::uint64_t>();
  }
  return from.good() && head.fence.epoch < epoch_limit;
}

/// Bytes that are new with an entry, for the place that will name them.
struct FreshPart {
  Place* place = nullptr;
  ByteView bytes;
};

inline constexpr std::size_t part_row = 17;

/// Writes a record's entry, up to its fresh parts, at the end of `batch`, which will lie at `base`
/// of `segment`. The bytes of the fresh parts must follow at once, in their order. Their places,
/// which are the record's, are filled in; those that are not fresh must exist.
///
/// In the bytes a fresh part is named by its distance from the entry, so that a batch can be
/// written again elsewhere as it is.
inline void write_record(Buffer& batch, std::uint32_t segment, std::uint64_t base,
                         std::uint32_t store, std::string_view key, Record& record,
                         std::span<const FreshPart> fresh) {
  const std::size_t begin = batch.size();
  std::size_t fresh_bytes = 0;
  for (const FreshPart& part : fresh)
    fresh_bytes += part.bytes.size();
  {
    const EntryFrame frame(batch, EntryKind::record, fresh_bytes);
    append_little(batch, store);
    append_text(batch, key);
    write_head(batch, record.head);
    const Extra& extra = record.more();
    append_little(batch, extra.receipts_forgotten);
    append_little(batch, extra.inbox_messages);
    append_little(batch, extra.inbox_bytes);
    append_little(batch, extra.outbox_messages);
    append_little(batch, extra.last_position);
    for (const FreshPart& part : fresh)
      *part.place = {segment, 0, static_cast<std::uint32_t>(part.bytes.size()),
                     detail::crc32c(part.bytes)};
    std::uint32_t count = 0;
    record.each_part([&](PartKind, const Place&) { ++count; });
    append_little(batch, count);
    const std::size_t body = begin + entry_frame;
    const std::uint64_t first = base + batch.size() + part_row * count;
    std::uint64_t next = first;
    for (const FreshPart& part : fresh) {
      part.place->offset = static_cast<std::uint32_t>(next);
      next += part.bytes.size();
    }
    record.each_part([&](PartKind kind, const Place& place) {
      const bool here = place.segment == segment && place.offset >= first;
      batch.push(static_cast<std::byte>(kind));
      append_little(batch, here ? 0 : place.segment);
      append_little(batch,
                    here ? static_cast<std::uint32_t>(place.offset - base - body) : place.offset);
      append_little(batch, place.size);
      append_little(batch, place.crc);
    });
  }
  record.entry_segment = segment;
  record.entry_size = static_cast<std::uint32_t>(batch.size() - begin);
}

/// Puts one row of the directory into its place in the record. A part that is there twice (receipts
/// aside) or lies outside its entry is refused.
[[nodiscard]] inline bool read_part(Reader& from, const RawEntry& raw, Record& record,
                                    Extra& extra) {
  const auto kind = static_cast<PartKind>(from.number<std::uint8_t>());
  Place place;
  place.segment = from.number<std::uint32_t>();
  place.offset = from.number<std::uint32_t>();
  place.size = from.number<std::uint32_t>();
  place.crc = from.number<std::uint32_t>();
  if (place.segment == 0) {
    if (std::uint64_t{place.offset} + place.size > raw.body.size()) return false;
    place.segment = raw.segment;
    place.offset = static_cast<std::uint32_t>(raw.body_offset + place.offset);
  }
  if (kind == PartKind::receipts) return extra.receipts.push_back(place), true;
  Place* const places[] = {nullptr,      &record.data,  &extra.metadata, &extra.user_ids,
                           &extra.inbox, &extra.outbox, nullptr};
  const auto at = static_cast<std::size_t>(kind);
  if (at >= std::size(places) || places[at] == nullptr || places[at]->exists()) return false;
  *places[at] = place;
  return true;
}

[[nodiscard]] inline std::optional<RecordEntry> read_record(const RawEntry& raw) {
  Reader from(raw.body);
  RecordEntry entry;
  Record& record = entry.record;
  entry.store = from.number<std::uint32_t>();
  entry.key = from.text();
  if (!read_head(from, record.head)) return std::nullopt;
  auto extra = std::make_shared<Extra>();
  extra->receipts_forgotten = from.number<std::uint32_t>();
  extra->inbox_messages = from.number<std::uint32_t>();
  extra->inbox_bytes = from.number<std::uint32_t>();
  extra->outbox_messages = from.number<std::uint32_t>();
  extra->last_position = from.number<std::uint64_t>();
  const std::size_t count = from.count(part_row);
  for (std::size_t i = 0; i < count; ++i)
    if (!read_part(from, raw, record, *extra)) return std::nullopt;
  if (!from.good()) return std::nullopt;
  record.entry_segment = raw.segment;
  record.entry_size = static_cast<std::uint32_t>(entry_frame + raw.body.size() - from.left());
  if (count > (record.has_data() ? 1u : 0u) || extra->receipts_forgotten != 0 ||
      extra->last_position != 0)
    record.extra = std::move(extra);
  return entry;
}

}  // namespace persist::inline PERSIST_ABI::backend::file

namespace persist::inline PERSIST_ABI::detail {

/// Lets an unordered map of strings be searched with a view, without making a string.
struct TextHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const noexcept {
    return std::hash<std::string_view>{}(text);
  }
};

}  // namespace persist::inline PERSIST_ABI::detail

namespace persist::inline PERSIST_ABI::detail {

/// The key of a SipHash: 16 bytes read as two little-endian numbers.
struct SipKey {
  std::uint64_t low = 0;
  std::uint64_t high = 0;

  [[nodiscard]] static SipKey from(const std::array<std::byte, 16>& bytes) noexcept {
    return {load_little<std::uint64_t>(bytes.data()), load_little<std::uint64_t>(bytes.data() + 8)};
  }
};

/// SipHash-2-4 with 128 bits of output (Aumasson and Bernstein; the reference's `siphash.c` with an
/// outlen of 16).
///
/// Who does not know the key can neither find two inputs of one hash nor foresee a hash. Takes its
/// input in pieces of any size; `finish` may be called once.
class SipHash {
 public:
  using Digest = std::array<std::byte, 16>;

  explicit SipHash(SipKey key) noexcept
      : v0_(key.low ^ 0x736f6d6570736575u),
        v1_(key.high ^ 0x646f72616e646f6du ^ 0xee),  // 0xee marks the long output
        v2_(key.low ^ 0x6c7967656e657261u),
        v3_(key.high ^ 0x7465646279746573u) {}

  SipHash& add(ByteView bytes) noexcept {
    total_ += bytes.size();
    for (const std::byte byte : bytes) {
      word_ |= std::to_integer<std::uint64_t>(byte) << (8 * filled_);
      if (++filled_ == 8) {
        mix(word_);
        word_ = 0, filled_ = 0;
      }
    }
    return *this;
  }

  [[nodiscard]] Digest finish() noexcept {
    mix(word_ | (static_cast<std::uint64_t>(total_ & 0xff) << 56));
    Digest digest;
    v2_ ^= 0xee;
    rounds(4);
    store_little(digest.data(), v0_ ^ v1_ ^ v2_ ^ v3_);
    v1_ ^= 0xdd;
    rounds(4);
    store_little(digest.data() + 8, v0_ ^ v1_ ^ v2_ ^ v3_);
    return digest;
  }

 private:
  void mix(std::uint64_t word) noexcept {
    v3_ ^= word;
    rounds(2);
    v0_ ^= word;
  }
  void rounds(int count) noexcept {
    for (; count != 0; --count) {
      v0_ += v1_, v1_ = std::rotl(v1_, 13) ^ v0_, v0_ = std::rotl(v0_, 32);
      v2_ += v3_, v3_ = std::rotl(v3_, 16) ^ v2_;
      v0_ += v3_, v3_ = std::rotl(v3_, 21) ^ v0_;
      v2_ += v1_, v1_ = std::rotl(v1_, 17) ^ v2_, v2_ = std::rotl(v2_, 32);
    }
  }

  std::uint64_t v0_, v1_, v2_, v3_;
  std::uint64_t word_ = 0;
  unsigned filled_ = 0;
  std::size_t total_ = 0;
};

/// The hash of one piece.
[[nodiscard]] inline SipHash::Digest siphash128(SipKey key, ByteView bytes) noexcept {
  return SipHash(key).add(bytes).finish();
}

}  // namespace persist::inline PERSIST_ABI::detail

namespace persist::inline PERSIST_ABI {

/// What stands for a record where its key must not be spelled: in a tombstone, and as the source
/// that a receiver remembers of the messages it took. Keyed by the store's birth, so that neither
/// another store nor a reader of the file can tell whose it is.
[[nodiscard]] inline Hash128 key_hash(const Hash128& birth, std::string_view key) noexcept {
  const auto digest = detail::siphash128({birth.low, birth.high}, as_bytes(key));
  return {load_little<std::uint64_t>(digest.data()), load_little<std::uint64_t>(digest.data() + 8)};
}

}  // namespace persist::inline PERSIST_ABI

namespace persist::inline PERSIST_ABI::backend::file {

/// What is left of an erased record.
struct Tombstone {
  std::uint64_t epoch = 0;
  std::uint64_t version = 0;
  std::uint32_t segment = 0;
  std::uint32_t size = 0;
};

struct StoreState {
  std::string name;
  Hash128 birth;
  LockKind lock = LockKind::lease;
  std::unordered_map<std::string, Record, detail::TextHash, std::equal_to<>> records;
  std::map<Hash128, Tombstone> tombstones;
  std::set<std::string, std::less<>> relaying;  ///< keys whose outbox waits

  [[nodiscard]] Hash128 hash(std::string_view key) const noexcept { return key_hash(birth, key); }
  [[nodiscard]] const Record* find(std::string_view key) const {
    const auto found = records.find(key);
    return found == records.end() ? nullptr : &found->second;
  }
  [[nodiscard]] const Tombstone* erased(std::string_view key) const {
    if (tombstones.empty()) return nullptr;
    const auto found = tombstones.find(hash(key));
    return found == tombstones.end() ? nullptr : &found->second;
  }
};

/// All that is published: what a reader may see. Knows how many bytes of the log are live.
/// Not synchronised.
class Index {
 public:
  std::deque<StoreState> stores;
  std::uint64_t run = 0;
  FolderHolder opened_by;    ///< by whom the last run was begun
  std::uint32_t oldest = 1;  ///< the oldest segment that is needed

  [[nodiscard]] std::uint64_t live_bytes() const noexcept { return live_; }
  [[nodiscard]] std::uint64_t record_count() const noexcept {
    std::uint64_t count = 0;
    for (const StoreState& store : stores)
      count += store.records.size();
    return count;
  }
  /// Whether any record has a part there. Looks at all of them.
  [[nodiscard]] bool lies_in(std::uint32_t segment) const {
    for (const StoreState& store : stores)
      for (const auto& [key, record] : store.records)
        if (record.lies_in(segment)) return true;
    return false;
  }
  void put(std::uint32_t store, std::string_view key, Record record) {
    StoreState& state = stores[store];
    const bool waits = record.more().outbox_messages != 0;
    live_ += record.live_bytes();
    const auto found = state.records.find(key);
    if (found == state.records.end()) {
      state.records.emplace(key, std::move(record));
    } else {
      live_ -= found->second.live_bytes();
      found->second = std::move(record);
    }
    set_waiting(state, key, waits);
  }
  void erase(std::uint32_t store, std::string_view key) {
    StoreState& state = stores[store];
    const auto found = state.records.find(key);
    if (found == state.records.end()) return;
    live_ -= found->second.live_bytes();
    state.records.erase(found);
    set_waiting(state, key, false);
  }
  void bury(std::uint32_t store, const Hash128& hash, const Tombstone& left) {
    Tombstone& stone = stores[store].tombstones[hash];
    live_ += left.size;
    live_ -= stone.size;
    stone = left;
  }
  /// Takes an entry of the log in, in the order they were written. Says whether it made sense.
  [[nodiscard]] bool replay(const RawEntry& raw) {
    switch (raw.kind) {
      case EntryKind::store:
        return replay_store(raw);
      case EntryKind::record:
        return replay_record(raw);
      case EntryKind::erased:
        return replay_erased(raw);
      case EntryKind::run:
        if (const auto entry = read_run(raw.body))
          return run = entry->run, opened_by = entry->opened_by, true;
        return false;
      case EntryKind::oldest:
        if (const auto segment = read_oldest(raw.body))
          return oldest = (std::max)(oldest, *segment), true;
        return false;
    }
    return false;
  }

 private:
  static void set_waiting(StoreState& state, std::string_view key, bool waits) {
    const auto found = state.relaying.find(key);
    if (waits && found == state.relaying.end()) state.relaying.emplace(key);
    if (!waits && found != state.relaying.end()) state.relaying.erase(found);
  }
  bool replay_store(const RawEntry& raw) {
    const auto entry = read_store(raw.body);
    if (!entry || entry->format != record_format || entry->index > stores.size()) return false;
    if (entry->index == stores.size()) stores.emplace_back();
    StoreState& state = stores[entry->index];
    state.name = entry->name;
    state.birth = entry->birth;
    state.lock = entry->lock;
    return true;
  }
  bool replay_record(const RawEntry& raw) {
    auto entry = read_record(raw);
    if (!entry || entry->store >= stores.size() || entry->key.empty()) return false;
    return put(entry->store, entry->key, std::move(entry->record)), true;
  }
  bool replay_erased(const RawEntry& raw) {
    const auto entry = read_erased(raw.body);
    if (!entry || entry->store >= stores.size()) return false;
    if (!entry->key.empty()) erase(entry->store, entry->key);
    bury(entry->store, entry->hash,
         {entry->epoch, entry->version, raw.segment,
          static_cast<std::uint32_t>(entry_frame + raw.body.size())});
    return true;
  }

  std::uint64_t live_ = 0;
};

}  // namespace persist::inline PERSIST_ABI::backend::file

namespace persist::inline PERSIST_ABI::backend::file {

/// The bytes of one batch, which begin with room for its header. What is long stays where it lies
/// and is written from there: the data of a thousand saves is not put together in one more buffer
/// first, whose memory would be fresh each time. Used again for the next batch.
class Batch {
 public:
  Batch() { clear(); }

  /// For heads and what is short; only ever appended to.
  [[nodiscard]] Buffer& own() noexcept { return own_; }
  [[nodiscard]] std::uint64_t size() const noexcept { return own_.size() + elsewhere_; }
  /// Of that, the bytes that are not in `own()`.
  [[nodiscard]] std::uint64_t elsewhere() const noexcept { return elsewhere_; }
  /// Goes on with bytes that stay as they are until the batch was written.
  void add(ByteView bytes) {
    if (bytes.size() < worth_a_piece) return own_.append(bytes);
    inserted_.push_back({own_.size(), bytes});
    elsewhere_ += bytes.size();
  }
  /// All of it, in order; valid until something is added.
  [[nodiscard]] std::span<const ByteView> pieces() {
    pieces_.clear();
    std::size_t at = 0;
    for (const Insert& insert : inserted_) {
      if (insert.at != at) pieces_.push_back(own_.view().subspan(at, insert.at - at));
      pieces_.push_back(insert.bytes);
      at = insert.at;
    }
    pieces_.push_back(own_.view().subspan(at));
    return pieces_;
  }
  /// Fills in the header, of which the length and the sum are the batch's own.
  void seal(const BatchHeader& header) { file::seal(own_.data(), header, pieces()); }
  void clear() {
    own_.clear();
    if (own_.capacity() > kept) own_ = Buffer();
    (void)own_.grow(batch_header_size);
    inserted_.clear();
    elsewhere_ = 0;
  }

 private:
  /// Copying less than this costs no more than to name it to the system.
  static constexpr std::size_t worth_a_piece = 512;
  static constexpr std::size_t kept = std::size_t{1} << 20;

  struct Insert {
    std::size_t at;  ///< of `own_`, before which it comes
    ByteView bytes;
  };
  Buffer own_;
  std::vector<Insert> inserted_;
  std::vector<ByteView> pieces_;
  std::uint64_t elsewhere_ = 0;
};

}  // namespace persist::inline PERSIST_ABI::backend::file

// The only place that makes file system calls. `backend::BasicFile<Files>` takes this policy as a
// template argument, so that tests can put a disk that fails in its place and users pay nothing.

namespace persist::inline PERSIST_ABI::detail::os {

/// `io` with errno's words, saying what was done to which file.
[[nodiscard]] inline Error io_error(std::string_view what, std::string_view path, int number) {
  return Error(Errc::io, "cannot " + std::string(what) + " " + std::string(path)).with_os(number);
}

/// An open file; closes itself.
class FileHandle {
 public:
  FileHandle() noexcept = default;
  FileHandle(int descriptor, std::string path) noexcept
      : descriptor_(descriptor), path_(std::move(path)) {}
  FileHandle(FileHandle&& other) noexcept
      : descriptor_(std::exchange(other.descriptor_, -1)), path_(std::move(other.path_)) {}
  FileHandle& operator=(FileHandle other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    path_.swap(other.path_);
    return *this;
  }
  ~FileHandle() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  [[nodiscard]] int descriptor() const noexcept { return descriptor_; }
  [[nodiscard]] const std::string& path() const noexcept { return path_; }

 private:
  int descriptor_ = -1;
  std::string path_;
};

enum class Access : std::uint8_t {
  read,    ///< it must exist
  write,   ///< it must exist; for reading too
  create,  ///< made anew; it must not exist
  share,   ///< made where there is none: the lock file
};

/// The file system of the machine. Files are made 0600, folders 0700. All calls block; none retries
/// but after an interrupted call, and none is retried after a failed sync.
struct Files {
  using Handle = FileHandle;

  [[nodiscard]] Result<Handle> open(const std::string& path, Access access) const {
    constexpr int flags[] = {O_RDONLY, O_RDWR, O_RDWR | O_CREAT | O_EXCL, O_RDWR | O_CREAT};
    const int got = ::open(path.c_str(), flags[static_cast<int>(access)] | O_CLOEXEC, 0600);
    if (got < 0) return io_error("open", path, errno);
    return Handle(got, path);
  }
  /// Fills `to` from `offset` on; a count below its size is the end of the file.
  [[nodiscard]] Result<std::size_t> read_at(const Handle& file, std::uint64_t offset,
                                            std::span<std::byte> to) const {
    std::size_t done = 0;
    while (done < to.size()) {
      const ssize_t got = ::pread(file.descriptor(), to.data() + done, to.size() - done,
                                  static_cast<off_t>(offset + done));
      if (got == 0) break;
      if (got < 0 && errno != EINTR) return io_error("read", file.path(), errno);
      if (got > 0) done += static_cast<std::size_t>(got);
    }
    return done;
  }
  /// Writes the pieces one behind the other, all of them, or fails; after a failure any part may
  /// have been written.
  [[nodiscard]] Result<void> write_at(const Handle& file, std::uint64_t offset,
                                      std::span<const ByteView> pieces) const {
    constexpr std::size_t most = 512;  // every system takes so many at once
    std::size_t done = 0;              // of the first piece
    while (!pieces.empty()) {
      ::iovec next[most];
      int count = 0;
      for (const ByteView piece : pieces.first((std::min)(most, pieces.size()))) {
        const ByteView left = piece.subspan(count == 0 ? done : 0);
        next[count++] = {const_cast<std::byte*>(left.data()), left.size()};  // it is only read
      }
      const ssize_t got = ::pwritev(file.descriptor(), next, count, static_cast<off_t>(offset));
      if (got < 0 && errno != EINTR) return io_error("write to", file.path(), errno);
      if (got < 0) continue;
      offset += static_cast<std::uint64_t>(got);
      done += static_cast<std::size_t>(got);
      for (; !pieces.empty() && done >= pieces.front().size(); pieces = pieces.subspan(1))
        done -= pieces.front().size();
    }
    return success;
  }
  [[nodiscard]] Result<void> write_at(const Handle& file, std::uint64_t offset,
                                      ByteView bytes) const {
    return write_at(file, offset, {&bytes, 1});
  }
  [[nodiscard]] Result<std::uint64_t> size(const Handle& file) const {
    struct stat about {};
    if (::fstat(file.descriptor(), &about) != 0) return io_error("look at", file.path(), errno);
    return static_cast<std::uint64_t>(about.st_size);
  }
  [[nodiscard]] Result<void> truncate(const Handle& file, std::uint64_t size) const {
    if (::ftruncate(file.descriptor(), static_cast<off_t>(size)) != 0)
      return io_error("cut back", file.path(), errno);
    return success;
  }
  /// Returns when the file's bytes and length survive a power cut. After a failure the system may
  /// have dropped them for good: a second call would lie.
  [[nodiscard]] Result<void> sync(const Handle& file) const {
#if defined(__APPLE__)
    const int failed = ::fcntl(file.descriptor(), F_FULLFSYNC);
#else
    const int failed = ::fdatasync(file.descriptor());
#endif
    if (failed != 0) return io_error("sync", file.path(), errno);
    return success;
  }
  /// Makes names that were given or removed in a folder survive a power cut.
  [[nodiscard]] Result<void> sync_folder(const std::string& path) const {
    const int got = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (got < 0) return io_error("open", path, errno);
    const Handle folder(got, path);
    if (::fsync(got) != 0) return io_error("sync", path, errno);
    return success;
  }
  [[nodiscard]] Result<void> rename(const std::string& from, const std::string& to) const {
    if (::rename(from.c_str(), to.c_str()) != 0) return io_error("rename", from, errno);
    return success;
  }
  [[nodiscard]] Result<void> remove(const std::string& path) const {
    if (::unlink(path.c_str()) != 0) return io_error("remove", path, errno);
    return success;
  }
  /// Makes a folder; one that is there already is fine. Says whether it was made.
  [[nodiscard]] Result<bool> make_folder(const std::string& path) const {
    if (::mkdir(path.c_str(), 0700) == 0) return true;
    const int why = errno;
    struct stat about {};
    if (why == EEXIST && ::stat(path.c_str(), &about) == 0 && S_ISDIR(about.st_mode)) return false;
    return io_error("make the folder", path, why);
  }
  [[nodiscard]] Result<std::vector<std::string>> list(const std::string& path) const {
    DIR* folder = ::opendir(path.c_str());
    if (folder == nullptr) return io_error("list", path, errno);
    std::vector<std::string> names;
    errno = 0;
    while (const dirent* entry = ::readdir(folder))
      names.emplace_back(entry->d_name);
    const int why = errno;
    ::closedir(folder);
    if (why != 0) return io_error("list", path, why);
    return names;
  }
  /// Takes the file's lock for as long as the handle lives; false where another handle, of this
  /// process or another, has it.
  [[nodiscard]] Result<bool> lock(const Handle& file) const { return lock_call(file, set_lock); }
  /// Whether another handle has the lock; takes nothing.
  [[nodiscard]] Result<bool> is_locked(const Handle& file) const {
    return lock_call(file, query_lock);
  }

 private:
#if defined(F_OFD_SETLK)  // belong to the handle; older locks are lost when any handle is closed
  static constexpr int set_lock = F_OFD_SETLK, query_lock = F_OFD_GETLK;
#else
  static constexpr int set_lock = F_SETLK, query_lock = F_GETLK;
#endif
  static Result<bool> lock_call(const Handle& file, int command) {
    struct flock lock {};
    lock.l_type = F_WRLCK;
    lock.l_whence = SEEK_SET;
    if (::fcntl(file.descriptor(), command, &lock) == 0)
      return command == set_lock || lock.l_type != F_UNLCK;
    if (command == set_lock && (errno == EAGAIN || errno == EACCES)) return false;
    return io_error("lock", file.path(), errno);
  }
};

}  // namespace persist::inline PERSIST_ABI::detail::os

namespace persist::inline PERSIST_ABI::backend::file {

/// The segments of a log and its end. One thread appends, any thread reads.
///
/// After a failed append the log ends where it ended before (`io`), or nobody knows where
/// (`unknown_outcome`, or a cut that failed too): then it is poisoned and takes nothing more, since
/// the system may have dropped what it was given, and a second sync would say that all is well.
template <class Files>
class Log {
 public:
  using Handle = typename Files::Handle;
  struct Segment {
    std::uint32_t number = 0;
    Handle file;
    std::uint64_t size = 0;  ///< of what counts: whole batches that are written nowhere else
  };
  struct Listed {
    std::shared_ptr<const Segment> segment;
    std::uint64_t size;
    std::string name;
  };

  Log(Files layer, std::string folder) : files(std::move(layer)), folder_(std::move(folder)) {}

  [[nodiscard]] std::string path(std::string_view name) const {
    return folder_ + "/" + std::string(name);
  }
  [[nodiscard]] const std::string& folder() const noexcept { return folder_; }
  [[nodiscard]] std::uint32_t newest() const noexcept { return newest_; }
  [[nodiscard]] std::uint64_t end() const noexcept { return end_; }
  [[nodiscard]] bool nothing_in_newest() const noexcept { return end_ == segment_header_size; }
  [[nodiscard]] std::uint64_t salt() const noexcept { return salt_; }
  [[nodiscard]] bool poisoned() const noexcept { return failed(poison_); }
  [[nodiscard]] const Error& poison() const noexcept { return poison_; }
  [[nodiscard]] bool all_synced() const noexcept { return synced_ + 1 == sequence_; }
  [[nodiscard]] std::uint64_t syncs() const noexcept { return syncs_; }
  [[nodiscard]] Duration sync_time() const noexcept { return sync_time_; }

  [[nodiscard]] std::uint32_t oldest() const {
    const std::lock_guard hold(mutex_);
    return segments_.empty() ? 0 : segments_.begin()->first;
  }
  [[nodiscard]] std::uint64_t bytes() const {
    const std::lock_guard hold(mutex_);
    std::uint64_t sum = 0;
    for (const auto& [number, segment] : segments_)
      sum += number == newest_ ? end_ : segment->size;
    return sum;
  }
  [[nodiscard]] std::shared_ptr<Segment> find(std::uint32_t number) const {
    const std::lock_guard hold(mutex_);
    for (const auto* among : {&segments_, &aside_})
      if (const auto found = among->find(number); found != among->end()) return found->second;
    return nullptr;
  }
  [[nodiscard]] std::uint64_t set_aside_count() const {
    const std::lock_guard hold(mutex_);
    return aside_.size();
  }

  /// All segments with as much of each as holds whole batches; what is in them stays readable
  /// through these even when a segment is removed.
  [[nodiscard]] std::vector<Listed> segments() const {
    const std::lock_guard hold(mutex_);
    std::vector<Listed> all;
    for (const auto& [number, segment] : aside_)
      all.push_back({segment, segment->size, aside_name(number)});
    for (const auto& [number, segment] : segments_)
      all.push_back({segment, segment->size, segment_name(number)});
    return all;
  }

  /// The bytes of a part. `corrupt` if they are not what was written; `not_found` if their segment
  /// was removed since the place was looked up: look it up again.
  [[nodiscard]] Result<Buffer> read(const Place& place) const {
    const auto segment = find(place.segment);
    if (!segment) return Error(Errc::not_found, "the segment is gone");
    Buffer bytes;
    const std::span<std::byte> to(bytes.grow(place.size), place.size);
    const auto got = files.read_at(segment->file, place.offset, to);
    if (!got) return got.error();
    if (*got != place.size || detail::crc32c(bytes) != place.crc)
      return Error(Errc::corrupt, "damaged bytes in " + path(name_of(place.segment)) +
                                      " at offset " + std::to_string(place.offset));
    return bytes;
  }

  /// Writes a batch at the end; syncs it if told. `too_large` for one that would reach beyond what
  /// a place can name.
  [[nodiscard]] Result<void> append(Batch& batch, bool then_sync) {
    if (poisoned()) return poison_;
    if (end_ + batch.size() > (std::numeric_limits<std::uint32_t>::max)())
      return Error(Errc::too_large, "what was handed in together makes a batch of more than 4 GiB");
    const auto segment = find(newest_);
    batch.seal({salt_, sequence_, synced_, 0, 0});
    if (const auto wrote = files.write_at(segment->file, end_, batch.pieces()); !wrote) {
      if (const auto cut = files.truncate(segment->file, end_); !cut) poison_ = cut.error();
      return wrote.error();
    }
    ++sequence_;
    set_end(*segment, end_ + batch.size());
    return then_sync ? sync() : Result<void>(success);
  }
  /// Makes all that was appended survive a power cut.
  [[nodiscard]] Result<void> sync() {
    if (poisoned()) return poison_;
    const auto synced = timed_sync(find(newest_)->file);
    if (!synced) return poison_with(synced.error());
    synced_ = sequence_ - 1;
    return success;
  }

  /// Begins a new segment; what was appended is synced before, so that only the newest ever holds
  /// anything that is not. `content` is called with the segment's first bytes and may append
  /// batches, which are synced before the segment gets its name.
  template <class Content>
  [[nodiscard]] Result<void> begin_segment(std::uint32_t oldest, Content content) {
    if (poisoned()) return poison_;
    if (newest_ != 0 && !all_synced())
      if (auto synced = sync(); !synced) return synced;
    const std::uint32_t number = newest_ + 1;
    Buffer bytes;
    SegmentHeader{number, salt_, sequence_, oldest}.write(bytes);
    content(number, bytes);
    const std::string name = path(segment_name(number)), draft = name + ".new";
    (void)files.remove(draft);  // of a run that ended here
    auto file = files.open(draft, detail::os::Access::create);
    if (!file) return file.error();
    // The newest segment is locked from before it has its name: see Recovery.
    const auto locked = files.lock(*file);
    Result<void> made = locked ? Result<void>(success) : Result<void>(locked.error());
    if (made) made = files.write_at(*file, 0, bytes);
    if (made) made = timed_sync(*file);
    if (made) made = files.rename(draft, name);
    if (!made) return (void)files.remove(draft), made;
    if (const auto named = files.sync_folder(folder_); !named) return poison_with(named.error());
    auto segment = std::make_shared<Segment>(Segment{number, std::move(*file), 0});
    const std::lock_guard hold(mutex_);
    segments_.insert_or_assign(number, segment);
    newest_ = number;
    segment->size = end_ = bytes.size();
    synced_ = sequence_ - 1;
    return success;
  }
  /// Removes a segment that nothing refers to. One that cannot be removed is left to the next open.
  void drop(std::uint32_t number) {
    {
      const std::lock_guard hold(mutex_);
      segments_.erase(number);
    }
    if (files.remove(path(segment_name(number)))) (void)files.sync_folder(folder_);
  }

  /// Leaves a segment that holds damaged bytes of a record out of the log, untouched; what is not
  /// damaged in it stays readable.
  void set_aside(std::uint32_t number) {
    {
      const std::lock_guard hold(mutex_);
      aside_.insert(segments_.extract(number));
    }
    name_aside(number);
  }
  /// Gives one that was set aside its name. Where that fails the next open tries again.
  void name_aside(std::uint32_t number) {
    if (files.rename(path(segment_name(number)), path(aside_name(number))))
      (void)files.sync_folder(folder_);
  }

  // For recovery: sets up what it found.
  void adopt_aside(std::shared_ptr<Segment> segment) {
    aside_.emplace(segment->number, std::move(segment));
  }
  void adopt(std::shared_ptr<Segment> segment) {
    newest_ = segment->number;
    end_ = segment->size;
    segments_.emplace(newest_, std::move(segment));
  }
  void resume(std::uint64_t salt, std::uint64_t next_sequence, std::uint64_t synced) noexcept {
    salt_ = salt;
    sequence_ = next_sequence;
    synced_ = synced;
  }
  /// The next segment takes the number and the name of the newest one, of which nothing counts.
  void replace_newest() noexcept { --newest_; }
  /// Adds a batch to the bytes of a segment that is being made; it began at `begin` with room for
  /// its header.
  void seal_in(Buffer& segment, std::size_t begin) {
    const ByteView payload = segment.view().subspan(begin + batch_header_size);
    BatchHeader{salt_, sequence_, sequence_ - 1, static_cast<std::uint32_t>(payload.size()),
                detail::crc32c(payload)}
        .write(segment.data() + begin);
    ++sequence_;
  }

  Files files;

 private:
  [[nodiscard]] std::string name_of(std::uint32_t number) const {
    const std::lock_guard hold(mutex_);
    return aside_.contains(number) ? aside_name(number) : segment_name(number);
  }
  [[nodiscard]] Result<void> timed_sync(const Handle& file) {
    const std::int64_t begin = detail::os::boot_time_ns();
    auto synced = files.sync(file);
    sync_time_ += Duration(detail::os::boot_time_ns() - begin);
    ++syncs_;
    return synced;
  }
  void set_end(Segment& segment, std::uint64_t end) {
    const std::lock_guard hold(mutex_);
    segment.size = end_ = end;
  }
  Error poison_with(const Error& cause) {
    poison_ = Error(Errc::io,
                    "this handle takes no more writes, because a sync failed; what was "
                    "written before may or may not be on disk: open the folder again")
                  .with_os(cause.os_error());
    return Error(Errc::unknown_outcome, std::string(cause.detail())).with_os(cause.os_error());
  }

  std::string folder_;
  mutable std::mutex mutex_;  ///< over the map and the sizes; a segment's bytes never change
  std::map<std::uint32_t, std::shared_ptr<Segment>> segments_;
  std::map<std::uint32_t, std::shared_ptr<Segment>> aside_;  ///< see `set_aside`
  std::uint32_t newest_ = 0;
  std::uint64_t end_ = 0;
  std::uint64_t salt_ = 0;
  std::uint64_t sequence_ = 1;  ///< of the next batch
  std::uint64_t synced_ = 0;
  std::uint64_t syncs_ = 0;
  Duration sync_time_{};
  Error poison_{Errc{}};
};

}  // namespace persist::inline PERSIST_ABI::backend::file

// The inbox and the outbox of a record: what may come in, what is known again, what is taken out.
// Pure data, shared by every embedded backend.

namespace persist::inline PERSIST_ABI {

/// What a message is counted as against the limit: its payload, its type's name and what the record
/// keeps beside it.
[[nodiscard]] inline std::size_t inbox_cost(const MessageView& message) noexcept {
  return message.payload.size() + message.type.size() + 64;
}

struct Inbox {
  /// The highest number taken from one sending record. Never forgotten while the record lives: a
  /// relay may repeat a message however late.
  struct Sender {
    Hash128 source;
    std::uint64_t epoch = 0;
    std::uint64_t number = 0;
  };
  /// An id that was accepted. Kept until `RecordLimits::repeats_known` has passed since it was
  /// first tried, and beyond that while there are few: a poster who does not say when he tried
  /// first is then known all the same.
  struct Known {
    Hash128 id;
    WallTime first_tried{};
    std::uint64_t position = 0;
  };

  std::vector<Message> messages;  ///< by rising position
  std::vector<Sender> senders;    ///< sorted by source
  std::vector<Known> known;
  WallTime forgotten{};  ///< ids that were first tried then or before may have been forgotten
  std::uint64_t last_position = 0;
  std::size_t bytes = 0;

  [[nodiscard]] bool never_used() const noexcept { return last_position == 0; }
};

/// So many ids of posted messages are known however long ago they came.
inline constexpr std::size_t ids_kept = 64;

/// How a message was received.
struct Reception {
  enum class Outcome : std::uint8_t { accepted, repeated, full, too_late };
  Outcome outcome = Outcome::accepted;
  std::uint64_t position = 0;
};

[[nodiscard]] inline auto find_sender(std::vector<Inbox::Sender>& senders, const Hash128& source) {
  return std::lower_bound(senders.begin(), senders.end(), source,
                          [](const Inbox::Sender& s, const Hash128& h) { return s.source < h; });
}

/// Whether the message came before; judged before there is any question of room, so that a repeat
/// is always answered as the first was.
[[nodiscard]] inline std::optional<Reception> recognise(Inbox& inbox, const MessageOrigin& origin,
                                                        const RecordLimits& limits, WallTime now) {
  if (origin.is_numbered()) {
    const auto at = find_sender(inbox.senders, origin.source);
    if (at == inbox.senders.end() || at->source != origin.source) return std::nullopt;
    const bool taken =
        origin.epoch < at->epoch || (origin.epoch == at->epoch && origin.number <= at->number);
    return taken ? std::optional(Reception{Reception::Outcome::repeated, 0}) : std::nullopt;
  }
  for (const Inbox::Known& known : inbox.known)
    if (known.id == origin.source) return Reception{Reception::Outcome::repeated, known.position};
  // An id this old may have been forgotten: nobody can say any more whether it took effect. The
  // calendar may have been put forward and back since, so what was forgotten counts by itself.
  if (origin.first_tried <= inbox.forgotten || origin.first_tried + limits.repeats_known <= now)
    return Reception{Reception::Outcome::too_late, 0};
  return std::nullopt;
}

/// Makes room for one more id: of more than `ids_kept` the oldest go whose time is over.
inline void forget_ids(Inbox& inbox, const RecordLimits& limits, WallTime now) {
  std::size_t spare = inbox.known.size() < ids_kept ? 0 : inbox.known.size() + 1 - ids_kept;
  std::erase_if(inbox.known, [&](const Inbox::Known& id) {
    if (spare == 0 || id.first_tried + limits.repeats_known > now) return false;
    --spare;
    inbox.forgotten = (std::max)(inbox.forgotten, id.first_tried);
    return true;
  });
}

/// Puts a message into the inbox, once; refuses what would go over the limits, drops nothing.
inline Reception receive(Inbox& inbox, const MessageOrigin& origin, const MessageView& message,
                         const RecordLimits& limits, WallTime now) {
  if (const auto before = recognise(inbox, origin, limits, now)) return *before;
  const std::size_t cost = inbox_cost(message);
  if (inbox.messages.size() >= limits.inbox_messages || inbox.bytes + cost > limits.inbox_bytes)
    return {Reception::Outcome::full, 0};
  const std::uint64_t position = ++inbox.last_position;
  if (origin.is_numbered()) {
    const auto at = find_sender(inbox.senders, origin.source);
    if (at != inbox.senders.end() && at->source == origin.source)
      at->epoch = origin.epoch, at->number = origin.number;
    else
      inbox.senders.insert(at, {origin.source, origin.epoch, origin.number});
  } else {
    forget_ids(inbox, limits, now);
    inbox.known.push_back({origin.source, origin.first_tried, position});
  }
  inbox.messages.push_back({position, origin, std::string(message.type), message.codec,
                            message.priority, now, message.expires, Buffer(message.payload)});
  inbox.bytes += cost;
  return {Reception::Outcome::accepted, position};
}

/// Takes out what was acknowledged; positions that are not there (any more) are passed over, as a
/// repeat must be.
inline void acknowledge(Inbox& inbox, std::span<const std::uint64_t> positions) {
  if (positions.empty()) return;
  std::erase_if(inbox.messages, [&](const Message& message) {
    if (std::find(positions.begin(), positions.end(), message.position) == positions.end())
      return false;
    inbox.bytes -= inbox_cost({message.type, 0, 0, {}, message.payload});
    return true;
  });
}

/// Copies of the messages behind `seen`.
[[nodiscard]] inline std::vector<Message> newer_than(const Inbox& inbox, std::uint64_t seen) {
  const auto from =
      std::upper_bound(inbox.messages.begin(), inbox.messages.end(), seen,
                       [](std::uint64_t at, const Message& m) { return at < m.position; });
  return {from, inbox.messages.end()};
}

struct Outbox {
  std::vector<OutgoingMessage> messages;  ///< in the order they were sent

  /// Whether an earlier message to that receiver still waits; a later one must not overtake it.
  [[nodiscard]] bool waits_for(StoreId store, std::string_view key) const noexcept {
    return std::any_of(messages.begin(), messages.end(),
                       [&](const OutgoingMessage& m) { return m.store == store && m.key == key; });
  }
  [[nodiscard]] bool holds(std::uint64_t epoch, std::uint64_t number) const noexcept {
    return std::any_of(messages.begin(), messages.end(), [&](const OutgoingMessage& m) {
      return m.epoch == epoch && m.number == number;
    });
  }
  void take_out(std::span<const OutgoingMessage> taken) {
    std::erase_if(messages, [&](const OutgoingMessage& m) {
      return std::any_of(taken.begin(), taken.end(), [&](const OutgoingMessage& t) {
        return t.epoch == m.epoch && t.number == m.number;
      });
    });
  }
  [[nodiscard]] std::vector<std::uint64_t> numbers() const {
    std::vector<std::uint64_t> all;
    all.reserve(messages.size());
    for (const OutgoingMessage& message : messages)
      all.push_back(message.number);
    return all;
  }
};

}  // namespace persist::inline PERSIST_ABI

// The bytes of the parts that are not the user's own: user ids, receipts, inbox, outbox. Data and
// metadata are kept as they come.

namespace persist::inline PERSIST_ABI::backend::file {

[[nodiscard]] inline Buffer encode_user_ids(const std::vector<std::uint64_t>& ids) {
  Buffer to;
  for (const std::uint64_t id : ids)
    append_little(to, id);
  return to;
}
[[nodiscard]] inline bool decode_user_ids(ByteView bytes, std::vector<std::uint64_t>& ids) {
  Reader from(bytes);
  ids.clear();
  while (from.left() >= 8)
    ids.push_back(from.number<std::uint64_t>());
  return from.done();
}

inline constexpr std::size_t receipt_size = 20;

[[nodiscard]] inline Buffer encode_receipts(std::span<const Receipt> receipts) {
  Buffer to;
  for (const Receipt& receipt : receipts) {
    append_hash(to, receipt.id);
    append_little(to, receipt.day);
  }
  return to;
}
/// Appends a page.
[[nodiscard]] inline bool decode_receipts(ByteView bytes, std::vector<Receipt>& receipts) {
  Reader from(bytes);
  while (from.left() >= receipt_size) {
    const Hash128 id = from.hash();
    receipts.push_back({id, from.number<std::uint32_t>()});
  }
  return from.done();
}

inline void append_payload(Buffer& to, const Buffer& payload) {
  append_little(to, static_cast<std::uint32_t>(payload.size()));
  to.append(payload);
}

[[nodiscard]] inline Buffer encode_inbox(const Inbox& inbox) {
  Buffer to;
  append_little(to, inbox.last_position);
  append_time(to, inbox.forgotten);
  append_little(to, static_cast<std::uint32_t>(inbox.senders.size()));
  for (const Inbox::Sender& sender : inbox.senders) {
    append_hash(to, sender.source);
    append_little(to, sender.epoch);
    append_little(to, sender.number);
  }
  append_little(to, static_cast<std::uint32_t>(inbox.known.size()));
  for (const Inbox::Known& known : inbox.known) {
    append_hash(to, known.id);
    append_time(to, known.first_tried);
    append_little(to, known.position);
  }
  append_little(to, static_cast<std::uint32_t>(inbox.messages.size()));
  for (const Message& message : inbox.messages) {
    append_little(to, message.position);
    append_hash(to, message.origin.source);
    append_little(to, message.origin.epoch);
    append_little(to, message.origin.number);
    append_time(to, message.origin.first_tried);
    append_text(to, message.type);
    append_little(to, message.codec);
    to.push(static_cast<std::byte>(message.priority));
    append_time(to, message.posted);
    append_time(to, message.expires);
    append_payload(to, message.payload);
  }
  return to;
}

/// How many bytes `encode_inbox` makes of it.
[[nodiscard]] inline std::uint64_t inbox_size(const Inbox& inbox) noexcept {
  return 20 + 32 * (std::uint64_t{inbox.senders.size()} + inbox.known.size()) + inbox.bytes +
         9 * std::uint64_t{inbox.messages.size()};
}

[[nodiscard]] inline bool decode_inbox(ByteView bytes, Inbox& inbox) {
  Reader from(bytes);
  inbox = Inbox{};
  inbox.last_position = from.number<std::uint64_t>();
  inbox.forgotten = from.time();
  for (std::size_t left = from.count(32); left != 0; --left) {
    const Hash128 source = from.hash();
    const auto epoch = from.number<std::uint64_t>();
    inbox.senders.push_back({source, epoch, from.number<std::uint64_t>()});
  }
  for (std::size_t left = from.count(32); left != 0; --left) {
    const Hash128 id = from.hash();
    const WallTime tried = from.time();
    inbox.known.push_back({id, tried, from.number<std::uint64_t>()});
  }
  for (std::size_t left = from.count(73); left != 0; --left) {
    Message& message = inbox.messages.emplace_back();
    message.position = from.number<std::uint64_t>();
    message.origin.source = from.hash();
    message.origin.epoch = from.number<std::uint64_t>();
    message.origin.number = from.number<std::uint64_t>();
    message.origin.first_tried = from.time();
    message.type = from.text();
    message.codec = from.number<std::uint16_t>();
    message.priority = from.number<std::uint8_t>();
    message.posted = from.time();
    message.expires = from.time();
    message.payload = Buffer(from.bytes(from.number<std::uint32_t>()));
    inbox.bytes += inbox_cost({message.type, 0, 0, {}, message.payload});
  }
  return from.done();
}

[[nodiscard]] inline Buffer encode_outbox(const Outbox& outbox) {
  Buffer to;
  append_little(to, static_cast<std::uint32_t>(outbox.messages.size()));
  for (const OutgoingMessage& message : outbox.messages) {
    append_little(to, message.store.index);
    append_text(to, message.key);
    append_little(to, message.epoch);
    append_little(to, message.number);
    append_text(to, message.type);
    append_little(to, message.codec);
    to.push(static_cast<std::byte>(message.priority));
    append_time(to, message.expires);
    append_payload(to, message.payload);
  }
  return to;
}

/// How many bytes `encode_outbox` makes of it.
[[nodiscard]] inline std::uint64_t outbox_size(const Outbox& outbox) noexcept {
  std::uint64_t sum = 4;
  for (const OutgoingMessage& m : outbox.messages)
    sum += 39 + m.key.size() + m.type.size() + m.payload.size();
  return sum;
}

[[nodiscard]] inline bool decode_outbox(ByteView bytes, Outbox& outbox) {
  Reader from(bytes);
  outbox.messages.clear();
  for (std::size_t left = from.count(39); left != 0; --left) {
    OutgoingMessage& message = outbox.messages.emplace_back();
    message.store.index = from.number<std::uint32_t>();
    message.key = from.text();
    message.epoch = from.number<std::uint64_t>();
    message.number = from.number<std::uint64_t>();
    message.type = from.text();
    message.codec = from.number<std::uint16_t>();
    message.priority = from.number<std::uint8_t>();
    message.expires = from.time();
    message.payload = Buffer(from.bytes(from.number<std::uint32_t>()));
  }
  return from.done();
}

}  // namespace persist::inline PERSIST_ABI::backend::file

namespace persist::inline PERSIST_ABI::backend::file {

/// A record while a batch works on it: a copy of its head and places, the parts that were looked
/// at, and those that are new.
struct Staged {
  std::uint32_t store = 0;
  std::string key;
  Record record;
  bool exists = false;              ///< after what was done so far
  bool writes = false;              ///< its entry goes into the log
  std::optional<Tombstone> erased;  ///< by this batch, before what the record is now
  std::optional<ByteView> data;     ///< new; lives in the request
  std::optional<Buffer> metadata;   ///< new
  std::optional<Buffer> user_ids;   ///< new
  std::optional<Inbox> inbox;       ///< loaded
  std::optional<Outbox> outbox;     ///< loaded
  bool inbox_changed = false;
  bool outbox_changed = false;
  std::vector<Receipt> new_receipts;                  ///< a new page
  std::optional<std::vector<Receipt>> kept_receipts;  ///< in place of all pages before
  std::optional<std::uint32_t> forgotten_until;

  [[nodiscard]] bool has_data() const noexcept { return data || record.has_data(); }
  [[nodiscard]] std::uint64_t last_position() const noexcept {
    return inbox ? inbox->last_position : record.more().last_position;
  }
  [[nodiscard]] std::uint32_t receipts_forgotten() const noexcept {
    return forgotten_until.value_or(record.more().receipts_forgotten);
  }
  /// About how many bytes it will take in the batch.
  [[nodiscard]] std::uint64_t size() const {
    std::uint64_t sum = 512 + receipt_size * new_receipts.size();
    if (data) sum += data->size();
    if (metadata) sum += metadata->size();
    if (user_ids) sum += user_ids->size();
    if (inbox_changed) sum += inbox_size(*inbox);
    if (outbox_changed) sum += outbox_size(*outbox);
    if (kept_receipts) sum += receipt_size * kept_receipts->size();
    return sum;
  }
};

/// Reads the parts of a record through what is staged of it. `corrupt` leaves everything as it was.
template <class Files>
class PartReader {
 public:
  explicit PartReader(const Log<Files>& log) : log_(log) {}

  [[nodiscard]] Result<void> inbox(Staged& of) const {
    return load(of.inbox, of.record.more().inbox, decode_inbox, of);
  }
  [[nodiscard]] Result<void> outbox(Staged& of) const {
    return load(of.outbox, of.record.more().outbox, decode_outbox, of);
  }
  [[nodiscard]] Result<std::vector<Receipt>> receipts(const Staged& of) const {
    std::vector<Receipt> all;
    if (of.kept_receipts) {
      all = *of.kept_receipts;
    } else {
      for (const Place& page : of.record.more().receipts) {
        const auto bytes = log_.read(page);
        if (!bytes) return named(bytes.error(), of);
        if (!decode_receipts(*bytes, all)) return named(Errc::corrupt, of);
      }
    }
    all.insert(all.end(), of.new_receipts.begin(), of.new_receipts.end());
    return all;
  }
  /// All that a reader or a new holder gets to see; `data` may be left out.
  [[nodiscard]] Result<void> snapshot(Staged& from, bool wants_data, Snapshot& to) const {
    const Head& head = from.record.head;
    const Extra& extra = from.record.more();
    to.fence = head.fence;
    to.version = head.version;
    to.load_count = head.load_count;
    to.created = head.created;
    to.updated = head.updated;
    to.has_data = from.has_data();
    if (wants_data && to.has_data)
      if (auto got = copy(from.data, from.record.data, to.data, from); !got) return got;
    if (auto got = copy(from.metadata, extra.metadata, to.metadata, from); !got) return got;
    Buffer ids;
    if (auto got = copy(from.user_ids, extra.user_ids, ids, from); !got) return got;
    if (!decode_user_ids(ids, to.user_ids)) return named(Errc::corrupt, from);
    if (auto got = outbox(from); !got) return got;
    to.outbox = from.outbox->numbers();
    return success;
  }

 private:
  template <class Box>
  Result<void> load(std::optional<Box>& box, const Place& place, bool (*decode)(ByteView, Box&),
                    const Staged& of) const {
    if (box) return success;
    Box loaded;
    if (place.exists()) {
      const auto bytes = log_.read(place);
      if (!bytes) return named(bytes.error(), of);
      if (!decode(*bytes, loaded)) return named(Errc::corrupt, of);
    }
    box = std::move(loaded);
    return success;
  }
  template <class Bytes>
  Result<void> copy(const std::optional<Bytes>& fresh, const Place& place, Buffer& to,
                    const Staged& of) const {
    to.clear();
    if (fresh) return to.append(ByteView(*fresh)), success;
    if (!place.exists()) return success;
    auto bytes = log_.read(place);
    if (!bytes) return named(bytes.error(), of);
    return to = std::move(*bytes), success;
  }
  static Error named(Error error, const Staged& of) { return std::move(error).for_key(of.key); }

  const Log<Files>& log_;
};

/// All that a batch does, before any of it is written: later requests of the batch see what earlier
/// ones did, readers do not.
class Stage {
 public:
  std::deque<StoreEntry> new_stores;
  std::optional<std::uint64_t> new_run;
  std::vector<ErasedEntry> moved_tombstones;
  std::uint32_t leaving = 0;     ///< a segment that no record written now may refer to any more
  std::uint32_t now_oldest = 0;  ///< what the log says from now on; 0: as before
  std::uint64_t bytes = 0;       ///< about what will be written
  std::uint64_t commits = 0;

  /// The record of that key for this batch to work on; null where there is none.
  [[nodiscard]] Staged* find(const Index& index, std::uint32_t store, std::string_view key) {
    Staged* staged = look(store, key);
    if (staged == nullptr)
      if (const Record* record = index.stores[store].find(key)) {
        staged = &add(store, key);
        staged->record = *record;
        staged->exists = true;
      }
    return staged != nullptr && staged->exists ? staged : nullptr;
  }
  /// The same, made where there is none: with the epoch and version that an erased one had.
  [[nodiscard]] Staged& make(const Index& index, std::uint32_t store, std::string_view key) {
    if (Staged* record = find(index, store, key)) return *record;
    Staged* staged = look(store, key);
    if (staged == nullptr) staged = &add(store, key);
    if (const Tombstone* left = erased(index, store, key)) {
      staged->record.head.fence.epoch = left->epoch;
      staged->record.head.version = left->version;
    }
    staged->exists = true;
    return *staged;
  }
  [[nodiscard]] const Tombstone* erased(const Index& index, std::uint32_t store,
                                        std::string_view key) {
    const Staged* staged = look(store, key);
    if (staged != nullptr && staged->erased) return &*staged->erased;
    return index.stores[store].erased(key);
  }
  /// Leaves only the tombstone of a record.
  void erase(std::uint32_t store, std::string_view key, const Tombstone& left) {
    Staged* staged = look(store, key);
    Staged& gone = staged != nullptr ? *staged : add(store, key);
    Staged empty;
    empty.store = store;
    empty.key = gone.key;
    empty.erased = left;
    gone = std::move(empty);
  }

  [[nodiscard]] bool writes() const noexcept {
    if (!new_stores.empty() || new_run || !moved_tombstones.empty()) return true;
    for (const Staged& staged : records_)
      if (staged.writes || staged.erased) return true;
    return false;
  }
  [[nodiscard]] std::deque<Staged>& records() noexcept { return records_; }
  /// Forgets all of it and keeps what memory the next batch can use.
  void clear() {
    new_stores.clear();
    new_run.reset();
    moved_tombstones.clear();
    leaving = now_oldest = 0;
    bytes = commits = 0;
    by_name_.clear();
    records_.clear();
  }

 private:
  void set_name(std::uint32_t store, std::string_view key) {
    std::byte prefix[4];
    store_little(prefix, store);
    name_.assign(as_text(prefix)).append(key);
  }
  [[nodiscard]] Staged* look(std::uint32_t store, std::string_view key) {
    if (by_name_.empty()) return nullptr;
    set_name(store, key);
    const auto found = by_name_.find(name_);
    return found == by_name_.end() ? nullptr : found->second;
  }
  Staged& add(std::uint32_t store, std::string_view key) {
    Staged& staged = records_.emplace_back();
    staged.store = store;
    staged.key = key;
    set_name(store, key);
    by_name_.emplace(name_, &staged);
    return staged;
  }

  std::deque<Staged> records_;
  std::unordered_map<std::string, Staged*> by_name_;
  std::string name_;
};

}  // namespace persist::inline PERSIST_ABI::backend::file

namespace persist::inline PERSIST_ABI::backend::file {

/// How many acquisitions one run number serves; the next one is then taken. Tests make it small.
template <class Files>
inline constexpr std::uint64_t epochs_per_run = std::uint64_t{1} << 24;

/// What each request does to the stage of a batch. Used by one thread at a time. A request that
/// cannot be done changes nothing: all that can fail (damaged bytes) is read before anything is
/// staged.
template <class Files>
class Engine {
 public:
  Engine(Index& index, Log<Files>& log, Clock& clock)
      : index_(index), log_(log), parts_(log), clock_(clock) {}

  Stage stage;
  std::vector<std::pair<std::uint32_t, std::string>> wakes;  ///< store and key, once published

  /// Begins to give out epochs of a run that was noted durably.
  void begin_run(std::uint64_t run) {
    run_ = run;
    forgotten_below_ = run * (std::uint64_t{1} << 24);
  }

  void perform(OpenStoreRequest& request);
  void perform(AcquireRequest& request);
  void perform(CommitRequest& request);
  void perform(PostRequest& request);
  void perform(RelayRequest& request);
  void perform(EraseRequest& request);

 private:
  [[nodiscard]] bool valid(StoreId store, std::string_view key, Error& error) const {
    if (store.index >= index_.stores.size())
      return error = Error(Errc::invalid, "this database has no such store"), false;
    if (!key.empty() && key.size() <= 255) return true;
    return error = Error(Errc::invalid,
                         "a key has 1 to 255 bytes, this one " + std::to_string(key.size())),
           false;
  }
  [[nodiscard]] static bool fits(const MessageView& message) noexcept {
    return message.type.size() <= 0xffff && message.payload.size() <= largest_batch / 2;
  }
  /// Nothing where no run number is left.
  [[nodiscard]] std::optional<std::uint64_t> next_epoch() {
    if (given_ + 1 >= epochs_per_run<Files>) {
      if (run_ == last_run) return std::nullopt;
      ++run_;
      given_ = 0;
      run_to_note_ = true;
    }
    ++given_;
    if (run_to_note_) stage.new_run = run_;
    return run_ * (std::uint64_t{1} << 24) + given_;
  }
  void wake(std::uint32_t store, std::string_view key) { wakes.emplace_back(store, key); }

  [[nodiscard]] bool judge_all(CommitRequest& request);
  [[nodiscard]] bool refuse(CommitRequest& request, std::size_t culprit, Verdict verdict);
  [[nodiscard]] Result<void> load_for(const Change& change);
  [[nodiscard]] bool apply(Change& change);
  void apply_receipts(Staged& record, const Change& change);
  void deliver(Change& change);
  void answer(Change& change);
  Result<Reception> receive_at(std::uint32_t store, std::string_view key,
                               const MessageOrigin& origin, const MessageView& message,
                               const RecordLimits& limits);

  static constexpr RecordLimits usual{};

  Index& index_;
  Log<Files>& log_;
  PartReader<Files> parts_;
  Clock& clock_;
  std::uint64_t run_ = 0;
  std::uint64_t given_ = 0;
  std::uint64_t forgotten_below_ = 0;

 public:
  bool run_to_note_ = false;  ///< a new run number was begun that is not durable yet
};

template <class Files>
void Engine<Files>::perform(OpenStoreRequest& request) {
  std::uint32_t at = 0;
  while (at < index_.stores.size() && index_.stores[at].name != request.name)
    ++at;
  const std::string name(request.name);
  const bool is_new = at == index_.stores.size();
  if (is_new && request.expected_birth) {
    request.error = Error(Errc::refused, "there is no store \"" + name +
                                             "\" where this connection knew one: its folder was "
                                             "replaced");
    return;
  }
  if (request.name.size() > 0xffff) {
    request.error = Error(Errc::invalid, "a store's name has at most 65,535 bytes");
    return;
  }
  const Hash128 birth = is_new ? Hash128{detail::os::random_bits(), detail::os::random_bits()}
                               : index_.stores[at].birth;
  if (is_new) stage.new_stores.push_back({at, request.name, birth, request.lock});
  if (!is_new && index_.stores[at].lock != request.lock) {
    request.error =
        Error(Errc::invalid, "store \"" + name +
                                 "\" was made with another lock policy; open it with that one, or "
                                 "move its records to a store of another name");
  } else if (request.expected_birth && *request.expected_birth != birth) {
    request.error = Error(Errc::refused, "store \"" + name +
                                             "\" is not the one this connection knew: its folder "
                                             "was replaced");
  }
  request.store = {at};
  request.birth = birth;
  request.now = clock_.wall();
}

template <class Files>
void Engine<Files>::perform(AcquireRequest& request) {
  request.outcome = AcquireRequest::Outcome::failed;
  if (!valid(request.store, request.key, request.error)) return;
  const TimePoint now = clock_.now();
  const std::uint32_t store = request.store.index;
  Staged* found = stage.find(index_, store, request.key);
  if (request.intent == Intent::withdraw && found == nullptr) {
    request.outcome = AcquireRequest::Outcome::held;
    return;
  }
  Staged& record = found != nullptr ? *found : stage.make(index_, store, request.key);
  Head& head = record.record.head;
  const Claim claimed = claim(head, request, now);
  if (claimed == Claim::held) {
    if (ask(head, request)) wake(store, request.key);
    request.outcome = AcquireRequest::Outcome::held;
    request.holder = held_by(head, now);
    return;
  }
  // All that can fail comes before the record changes hands.
  Result<void> loaded = parts_.snapshot(record, true, request.record);
  if (loaded) loaded = parts_.inbox(record);
  auto receipts = loaded ? parts_.receipts(record) : Result<std::vector<Receipt>>(loaded.error());
  if (!receipts) {
    request.error = receipts.error();
    return;
  }
  if (claimed == Claim::fresh) {
    const auto epoch = next_epoch();
    if (!epoch) {
      request.error = no_run_left();
      return;
    }
    take(head, request, *epoch, now);
  }
  request.outcome = AcquireRequest::Outcome::taken;
  request.record.fence = head.fence;
  request.record.receipts = std::move(*receipts);
  request.record.receipts_forgotten = record.receipts_forgotten();
  request.record.inbox = record.inbox->messages;
  request.record.now = clock_.wall();
}

template <class Files>
void Engine<Files>::perform(PostRequest& request) {
  if (!valid(request.store, request.key, request.error)) return;
  const RecordLimits& limits = request.limits != nullptr ? *request.limits : usual;
  const auto got =
      receive_at(request.store.index, request.key, request.origin, request.message, limits);
  if (!got) {
    request.error = got.error();
    return;
  }
  request.position = got->position;
  request.repeated = got->outcome == Reception::Outcome::repeated;
  if (got->outcome == Reception::Outcome::full)
    request.error = Error(Errc::full, "the inbox has no room; it empties when its owner plays");
  else if (got->outcome == Reception::Outcome::too_late)
    request.error = Error(Errc::refused,
                          "this id was first tried so long ago that nobody can tell whether it "
                          "took effect; it was not posted");
}

/// Puts a message into a record's inbox. A damaged inbox is an error, and left as it is.
template <class Files>
Result<Reception> Engine<Files>::receive_at(std::uint32_t store, std::string_view key,
                                            const MessageOrigin& origin, const MessageView& message,
                                            const RecordLimits& limits) {
  if (!fits(message)) return Error(Errc::too_large, "a message of this size fits no batch");
  if (store >= index_.stores.size()) return Error(Errc::invalid, "this database has no such store");
  Staged* found = stage.find(index_, store, key);
  Inbox fresh;
  if (found != nullptr)
    if (const auto loaded = parts_.inbox(*found); !loaded) return loaded.error();
  Inbox& inbox = found != nullptr ? *found->inbox : fresh;
  const Reception reception = receive(inbox, origin, message, limits, clock_.wall());
  if (reception.outcome != Reception::Outcome::accepted) return reception;
  Staged& receiver = found != nullptr ? *found : stage.make(index_, store, key);
  if (found == nullptr) receiver.inbox = std::move(fresh);
  receiver.inbox_changed = receiver.writes = true;
  stage.bytes += receiver.size();
  if (!receiver.record.head.fence.owner.nobody()) wake(store, key);
  return reception;
}

/// Takes messages out of an outbox; listing them is a read.
template <class Files>
void Engine<Files>::perform(RelayRequest& request) {
  if (!valid(request.store, request.take_from, request.error)) return;
  Staged* record = stage.find(index_, request.store.index, request.take_from);
  if (record == nullptr) return;
  if (const auto loaded = parts_.outbox(*record); !loaded) {
    request.error = loaded.error();
    return;
  }
  const std::size_t before = record->outbox->messages.size();
  record->outbox->take_out(request.take);
  if (record->outbox->messages.size() == before) return;
  record->outbox_changed = record->writes = true;
  stage.bytes += record->size();
}

template <class Files>
void Engine<Files>::perform(EraseRequest& request) {
  if (!valid(request.store, request.key, request.error)) return;
  const RecordLimits& limits = request.limits != nullptr ? *request.limits : usual;
  const std::uint32_t store = request.store.index;
  Staged* record = stage.find(index_, store, request.key);
  request.found = record != nullptr;
  if (record == nullptr) return;
  const auto epoch = next_epoch();
  if (!epoch) {
    request.error = no_run_left();
    return;
  }
  if (const auto loaded = parts_.outbox(*record); !loaded && !request.drop_outbox) {
    request.error = loaded.error();
    return;
  } else if (!loaded) {
    record->outbox.emplace();
  }
  const Hash128 self = index_.stores[store].hash(request.key);
  auto& waiting = record->outbox->messages;
  while (!waiting.empty()) {
    const OutgoingMessage message = waiting.front();
    const auto got = receive_at(message.store.index, message.key,
                                {self, message.epoch, message.number, {}}, message.view(), limits);
    const bool sent = got && got->outcome != Reception::Outcome::full;
    if (!sent && !request.drop_outbox) {
      request.error =
          Error(Errc::full, "a message in the outbox has no room at " + message.key +
                                "; nothing was erased: try later, or erase with drop_outbox");
      return;
    }
    ++(sent ? request.sent : request.dropped);
    waiting.erase(waiting.begin());
    record->outbox_changed = record->writes = true;
  }
  request.epoch = *epoch;
  const bool asked = record->record.head.asked();
  stage.erase(store, request.key, {request.epoch, record->record.head.version, 0, 0});
  if (asked) wake(store, request.key);
}

}  // namespace persist::inline PERSIST_ABI::backend::file

// The commit of the engine: judge all, load all that is needed, and only then change anything.

namespace persist::inline PERSIST_ABI::backend::file {

/// Pages of receipts that a record may have before they become one.
inline constexpr std::size_t most_receipt_pages = 16;

template <class Files>
void Engine<Files>::perform(CommitRequest& request) {
  request.outcome = CommitRequest::Outcome::failed;
  std::uint64_t size = 0;
  for (std::size_t i = 0; i < request.changes.size(); ++i) {
    const Change& change = request.changes[i];
    request.culprit = i;
    if (!valid(change.store, change.key, request.error)) return;
    for (const Send& send : change.sends) {
      if (!valid(send.store, send.key, request.error)) return;
      size += fits(send.message) ? send.message.payload.size() : largest_batch;
    }
    size += change.data != nullptr ? change.data->size() : 0;
    size += change.metadata != nullptr ? change.metadata->size() : 0;
    if (size > largest_batch / 2) {
      request.error = Error(Errc::too_large, "a commit of this size fits no batch");
      return;
    }
  }
  const bool any_new = judge_all(request);
  if (!any_new && request.outcome != CommitRequest::Outcome::repeated) return;
  for (const Change& change : request.changes)
    if (const auto loaded = load_for(change); !loaded) {
      request.outcome = CommitRequest::Outcome::failed;
      request.error = loaded.error();
      return;
    }
  request.culprit = 0;
  std::vector<Change*> applied;
  for (Change& change : request.changes)
    if (any_new && apply(change)) applied.push_back(&change);
  for (Change* change : applied)
    deliver(*change);
  for (const Change* change : applied)
    stage.bytes += stage.find(index_, change->store.index, change->key)->size();
  for (Change& change : request.changes)
    answer(change);
  if (any_new) {
    request.outcome = CommitRequest::Outcome::applied;
    ++stage.commits;
  }
}

template <class Files>
bool Engine<Files>::judge_all(CommitRequest& request) {
  bool any_new = false;
  request.outcome = CommitRequest::Outcome::repeated;
  for (std::size_t i = 0; i < request.changes.size(); ++i) {
    Change& change = request.changes[i];
    const Staged* record = stage.find(index_, change.store.index, change.key);
    Head head;
    if (record != nullptr) {
      change.version = record->record.head.version;
    } else if (const Tombstone* left = stage.erased(index_, change.store.index, change.key)) {
      head.fence.epoch = left->epoch;
    }
    const Verdict verdict =
        judge(record != nullptr ? record->record.head : head, change.fence, forgotten_below_);
    if (verdict == Verdict::apply) any_new = true;
    if (verdict == Verdict::fenced || verdict == Verdict::superseded)
      return refuse(request, i, verdict);
  }
  return any_new;
}

template <class Files>
bool Engine<Files>::refuse(CommitRequest& request, std::size_t culprit, Verdict verdict) {
  Change& change = request.changes[culprit];
  request.culprit = culprit;
  request.outcome = verdict == Verdict::fenced ? CommitRequest::Outcome::fenced
                                               : CommitRequest::Outcome::superseded;
  if (const Staged* record = stage.find(index_, change.store.index, change.key)) {
    change.landed = landed(record->record.head, change.fence);
    change.holder = held_by(record->record.head, clock_.now());
  }
  const Tombstone* left = stage.erased(index_, change.store.index, change.key);
  change.erased = left != nullptr && left->epoch > change.fence.epoch;
  return false;
}

/// Reads all that `apply`, `deliver` and `answer` will need of the record itself.
template <class Files>
Result<void> Engine<Files>::load_for(const Change& change) {
  Staged& record = stage.make(index_, change.store.index, change.key);
  const Extra& extra = record.record.more();
  if (!change.acknowledged.empty() || extra.last_position > change.seen_position ||
      record.inbox_changed)
    if (auto loaded = parts_.inbox(record); !loaded) return loaded;
  if (!change.sends.empty())
    if (auto loaded = parts_.outbox(record); !loaded) return loaded;
  if (change.forget_receipts != 0 ||
      (!change.receipts.empty() && extra.receipts.size() >= most_receipt_pages)) {
    auto all = parts_.receipts(record);
    if (!all) return all.error();
    record.kept_receipts = std::move(*all);
    record.new_receipts.clear();
  }
  return success;
}

/// Says whether it was new; among changes that are new one may be a repeat.
template <class Files>
bool Engine<Files>::apply(Change& change) {
  Staged& record = stage.make(index_, change.store.index, change.key);
  Head& head = record.record.head;
  if (judge(head, change.fence, forgotten_below_) != Verdict::apply) return false;
  if (change.data != nullptr) {
    record.data = change.data->view();
  } else if (change.removes_data) {
    record.data.reset();
    record.record.data = Place{};
  }
  if (change.user_ids != nullptr) record.user_ids = encode_user_ids(*change.user_ids);
  if (change.metadata != nullptr) record.metadata = *change.metadata;
  if (!change.acknowledged.empty()) {
    const std::size_t before = record.inbox->messages.size();
    acknowledge(*record.inbox, change.acknowledged);
    record.inbox_changed = record.inbox_changed || record.inbox->messages.size() != before;
  }
  apply_receipts(record, change);
  const bool asked = head.asked();
  const bool wrote = change.data != nullptr || change.removes_data;
  advance(head, change, wrote, clock_.now(), wrote ? clock_.wall() : WallTime{});
  // A renewal writes nothing: at the next open every lease counts as expired anyway.
  if (change.writes() || change.lease == LeaseChange::release) record.writes = true;
  if (asked && change.lease == LeaseChange::release) wake(change.store.index, change.key);
  return true;
}

template <class Files>
void Engine<Files>::apply_receipts(Staged& record, const Change& change) {
  if (change.forget_receipts != 0) {
    std::erase_if(*record.kept_receipts,
                  [&](const Receipt& r) { return r.day <= change.forget_receipts; });
    record.forgotten_until = (std::max)(record.receipts_forgotten(), change.forget_receipts);
  }
  record.new_receipts.insert(record.new_receipts.end(), change.receipts.begin(),
                             change.receipts.end());
}

/// Puts what a change sends into its receivers' inboxes. A receiver that is full, or whose inbox is
/// damaged, does not fail the commit: the message waits.
template <class Files>
void Engine<Files>::deliver(Change& change) {
  const RecordLimits& limits = change.limits != nullptr ? *change.limits : usual;
  const Hash128 self = index_.stores[change.store.index].hash(change.key);
  for (Send& send : change.sends) {
    const MessageOrigin origin{self, change.fence.epoch, send.number, {}};
    Outbox& outbox = *stage.make(index_, change.store.index, change.key).outbox;
    if (outbox.holds(change.fence.epoch, send.number)) continue;  // a reply was lost
    if (!outbox.waits_for(send.store, send.key)) {
      const auto got = receive_at(send.store.index, send.key, origin, send.message, limits);
      if (got && got->outcome != Reception::Outcome::full) continue;
    }
    const MessageView& m = send.message;
    outbox.messages.push_back({send.store, std::string(send.key), change.fence.epoch, send.number,
                               std::string(m.type), m.codec, m.priority, m.expires,
                               Buffer(m.payload)});
    stage.make(index_, change.store.index, change.key).outbox_changed = true;
  }
}

/// What a commit learns, whether it was applied now or before.
template <class Files>
void Engine<Files>::answer(Change& change) {
  const Staged& record = stage.make(index_, change.store.index, change.key);
  change.version = record.record.head.version;
  change.release_requested = record.record.head.asked();
  change.messages =
      record.inbox ? newer_than(*record.inbox, change.seen_position) : std::vector<Message>();
  change.now = clock_.wall();
  for (Send& send : change.sends)
    send.delivered = !record.outbox->holds(change.fence.epoch, send.number);
}

}  // namespace persist::inline PERSIST_ABI::backend::file

namespace persist::inline PERSIST_ABI::backend::file {

/// How large a segment grows. Each holds a descriptor while the folder is open, so those of a large
/// database are larger: while less than 64 GiB are live there are never more than 350 (compaction
/// begins at 8 and two for each full one that the log could be); beyond that, 5 for each GiB.
[[nodiscard]] constexpr std::uint64_t full_segment(std::uint64_t wanted,
                                                   std::uint64_t live) noexcept {
  return (std::max)(wanted, (std::min)(live / 64, std::uint64_t{1} << 30));
}

/// Empties the oldest segment, a bounded number of bytes per batch: what a record still refers to
/// there is staged to be written again, so that it rides in the same batch and the same sync.
///
/// Always the oldest, whatever it holds: then a full cycle through the log copies each live byte
/// once and frees all others, and the bound below holds for every pattern of writes.
///
/// Damaged bytes that a record refers to stay where they are: their segment is set aside,
/// untouched, and the log goes on behind it. Where the batches of a segment cannot be told any more
/// the index says what lies in it.
template <class Files>
class Compactor {
 public:
  /// Whether the log has grown over twice what is live and two segments, or into too many small
  /// ones. With `budget` twice what is written, the log stays under two and a half times the live
  /// bytes and three segments.
  [[nodiscard]] bool is_due(const Index& index, const Log<Files>& log,
                            std::uint64_t segment_bytes) const {
    const std::uint64_t segments = log.newest() - log.oldest() + 1;
    if (segments < 2) return false;
    const std::uint64_t bytes = log.bytes();
    return bytes > 2 * index.live_bytes() + 2 * segment_bytes ||
           segments > 8 + 2 * bytes / segment_bytes;
  }

  /// Stages up to `budget` bytes of copies; when the segment has been gone through, also that the
  /// log begins behind it.
  void stage_some(Stage& stage, const Index& index, const Log<Files>& log, std::uint64_t budget) {
    const std::uint32_t victim = log.oldest();
    if (victim != victim_) begin(victim);
    stage.leaving = victim;
    const auto segment = log.find(victim);
    std::uint64_t staged = 0;
    while (staged < budget) {
      if (at_ != payload_.size()) {
        const auto entry = next_entry(payload_, at_, victim, payload_offset_);
        const auto bytes = entry ? stage_entry(stage, index, *entry) : std::nullopt;
        bytes ? void(staged += *bytes) : look_for_keys(stage, index, segment->size);
      } else if (!keys_.empty()) {
        staged += stage_record(stage, index, keys_.back().first, keys_.back().second);
        keys_.pop_back();
      } else if (next_ == segment->size) {
        stage.now_oldest = victim + 1;
        return;
      } else if (!next_batch(log, *segment)) {
        look_for_keys(stage, index, segment->size);
      }
    }
  }
  /// What was staged is not written after all: the segment is gone through once more.
  void start_over() { victim_ = 0; }
  /// Something that a record refers to could not be moved out of the segment.
  void leave_behind() { left_behind_ = true; }
  [[nodiscard]] bool left_behind() const noexcept { return left_behind_; }

 private:
  void begin(std::uint32_t victim) {
    victim_ = victim;
    next_ = segment_header_size;
    at_ = 0;
    payload_ = Buffer();
    keys_.clear();
    left_behind_ = false;
  }
  /// Reads the next batch of the segment; false where there is none, which is damage: what lies
  /// behind it cannot be found.
  [[nodiscard]] bool next_batch(const Log<Files>& log,
                                const typename Log<Files>::Segment& segment) {
    std::byte bytes[batch_header_size];
    const auto got = log.files.read_at(segment.file, next_, bytes);
    const auto header =
        got ? BatchHeader::read(ByteView(bytes, *got), log.salt()) : std::optional<BatchHeader>();
    payload_offset_ = next_ + batch_header_size;
    if (!header || payload_offset_ + header->length > segment.size) return false;
    payload_ = Buffer();
    at_ = 0;
    const auto read = log.files.read_at(segment.file, payload_offset_,
                                        {payload_.grow(header->length), header->length});
    next_ = payload_offset_ + header->length;
    return read && *read == header->length && detail::crc32c(payload_) == header->payload_crc;
  }
  /// In place of walking on through damage: looks at every record once. What is still there of the
  /// segment is gone through by name.
  void look_for_keys(Stage& stage, const Index& index, std::uint64_t size) {
    payload_ = Buffer();
    at_ = 0;
    next_ = size;
    for (std::uint32_t i = 0; i < index.stores.size(); ++i) {
      for (const auto& [key, record] : index.stores[i].records)
        if (record.lies_in(victim_)) keys_.emplace_back(i, key);
      for (const auto& [hash, stone] : index.stores[i].tombstones)
        if (stone.segment == victim_)
          stage.moved_tombstones.push_back({i, hash, stone.epoch, stone.version, {}});
    }
  }
  /// How many bytes that will be; nothing where the entry makes no sense.
  std::optional<std::uint64_t> stage_entry(Stage& stage, const Index& index, const RawEntry& raw) {
    if (raw.kind == EntryKind::erased) return stage_tombstone(stage, index, raw);
    if (raw.kind != EntryKind::record) return 0;
    const auto entry = read_record(raw);
    if (!entry || entry->store >= index.stores.size()) return std::nullopt;
    return stage_record(stage, index, entry->store, entry->key);
  }
  std::uint64_t stage_record(Stage& stage, const Index& index, std::uint32_t store,
                             std::string_view key) {
    Staged* record = stage.find(index, store, key);
    if (record == nullptr || record->writes || !record->record.lies_in(victim_)) return 0;
    record->writes = true;
    return record->record.live_bytes();
  }
  std::optional<std::uint64_t> stage_tombstone(Stage& stage, const Index& index,
                                               const RawEntry& raw) {
    auto entry = read_erased(raw.body);
    if (!entry || entry->store >= index.stores.size()) return std::nullopt;
    const auto& stones = index.stores[entry->store].tombstones;
    const auto found = stones.find(entry->hash);
    if (found == stones.end() || found->second.segment != victim_) return 0;
    // No segment before this one is read again, so none brings the record back, and its key can be
    // forgotten.
    stage.moved_tombstones.push_back(
        {entry->store, entry->hash, found->second.epoch, found->second.version, {}});
    return raw.body.size();
  }

  std::uint32_t victim_ = 0;
  std::uint64_t next_ = 0;
  Buffer payload_;
  std::uint64_t payload_offset_ = 0;
  std::size_t at_ = 0;
  std::vector<std::pair<std::uint32_t, std::string>> keys_;  ///< to be staged, of a broken segment
  bool left_behind_ = false;
};

}  // namespace persist::inline PERSIST_ABI::backend::file

namespace persist::inline PERSIST_ABI::backend::file {

/// Copies the first `size` bytes of a file into a new one and syncs it.
template <class Files>
[[nodiscard]] Result<void> copy_bytes(const Files& files, const typename Files::Handle& from,
                                      std::uint64_t size, const std::string& path) {
  // A segment may be a gigabyte: it is copied in pieces.
  constexpr std::uint64_t most = std::uint64_t{1} << 20;
  auto to = files.open(path, detail::os::Access::create);
  if (!to) return to.error();
  Buffer piece;
  for (std::uint64_t at = 0; at < size;) {
    piece.clear();
    const auto wanted = static_cast<std::size_t>((std::min)(most, size - at));
    const auto got = files.read_at(from, at, {piece.grow(wanted), wanted});
    if (!got) return got.error();
    if (*got != wanted) return Error(Errc::io, "a segment became shorter while it was copied");
    if (const auto wrote = files.write_at(*to, at, piece); !wrote) return wrote;
    at += wanted;
  }
  return files.sync(*to);
}

/// Whether a folder may become the copy: it is not there, or nothing is in it.
template <class Files>
[[nodiscard]] bool is_free(const Files& files, const std::string& folder) {
  const auto names = files.list(folder);
  if (!names) return names.error().os_error() == ENOENT;
  return std::all_of(names->begin(), names->end(),
                     [](const std::string& name) { return name == "." || name == ".."; });
}

/// Writes what a log holds now into `folder`. Batches are whole and never change, so nobody has to
/// wait meanwhile. It is written beside, synced, and given its name at the end: a copy that is
/// there is whole. `invalid`: something is in the folder, or in the one beside it that a copy which
/// broke off has left; both are left alone. `io` leaves an unfinished one.
template <class Files>
[[nodiscard]] Result<void> copy_log(const Log<Files>& log, std::string folder) {
  while (folder.size() > 1 && folder.back() == '/')
    folder.pop_back();
  const Files& files = log.files;
  const std::string draft = folder + ".new";
  for (const std::string& path : {folder, draft})
    if (!is_free(files, path))
      return Error(Errc::invalid, path + " is no empty folder: choose another name, or remove it");
  if (const auto made = files.make_folder(draft); !made) return made.error();
  for (const auto& [segment, size, name] : log.segments()) {
    const std::string path = draft + "/" + name;
    if (const auto copied = copy_bytes(files, segment->file, size, path); !copied) return copied;
  }
  if (const auto named = files.sync_folder(draft); !named) return named;
  if (const auto named = files.rename(draft, folder); !named) return named;
  const std::size_t slash = folder.find_last_of('/');
  return files.sync_folder(slash == folder.npos ? "." : slash == 0 ? "/" : folder.substr(0, slash));
}

}  // namespace persist::inline PERSIST_ABI::backend::file

namespace persist::inline PERSIST_ABI::backend::file {

/// Turns what is staged into the bytes of one batch, some of which lie in the requests and in this
/// encoder: both stay until it was written. Places and tombstones are filled in on the way; they
/// hold once the batch is written.
template <class Files>
class BatchEncoder {
 public:
  BatchEncoder(Batch& batch, const Index& index, const Log<Files>& log, Stage& stage)
      : batch_(batch), index_(index), log_(log), stage_(stage) {}

  void encode() {
    // The first batch of a segment names all stores again, so that older segments can go.
    if (log_.nothing_in_newest()) {
      for (std::uint32_t i = 0; i < index_.stores.size(); ++i) {
        const StoreState& store = index_.stores[i];
        write_entry(batch_.own(), StoreEntry{i, store.name, store.birth, store.lock});
      }
      if (!stage_.new_run) write_entry(batch_.own(), RunEntry{index_.run, index_.opened_by});
    }
    if (stage_.new_run) write_entry(batch_.own(), RunEntry{*stage_.new_run, index_.opened_by});
    for (const StoreEntry& store : stage_.new_stores)
      write_entry(batch_.own(), store);
    for (const ErasedEntry& moved : stage_.moved_tombstones)
      write_entry(batch_.own(), moved);
    for (Staged& staged : stage_.records()) {
      if (staged.erased) encode_erased(staged);
      if (staged.exists && staged.writes) encode_record(staged);
    }
    if (stage_.now_oldest != 0) write_oldest(batch_.own(), stage_.now_oldest);
  }
  /// Whether damaged bytes could not be moved out of the segment that was to be left.
  [[nodiscard]] bool left_behind() const noexcept { return left_behind_; }

 private:
  void encode_erased(Staged& staged) {
    const std::uint64_t begin = batch_.size();
    const StoreState& store = index_.stores[staged.store];
    Tombstone& left = *staged.erased;
    write_entry(batch_.own(), ErasedEntry{staged.store, store.hash(staged.key), left.epoch,
                                          left.version, staged.key});
    left.segment = log_.newest();
    left.size = static_cast<std::uint32_t>(batch_.size() - begin);
  }

  void encode_record(Staged& staged) {
    Record& record = staged.record;
    if (!spare_) spare_ = std::make_shared<Extra>();
    Extra* const extra = spare_.get();
    *extra = record.more();
    extra->receipts.reserve(extra->receipts.size() + 1);
    fresh_.clear();
    each_place(record, *extra, [&](Place& place) { move(place); });
    if (staged.data) add(record.data, *staged.data);
    if (staged.metadata) replace(extra->metadata, *staged.metadata);
    if (staged.user_ids) replace(extra->user_ids, *staged.user_ids);
    if (staged.inbox_changed) {
      extra->inbox_messages = static_cast<std::uint32_t>(staged.inbox->messages.size());
      extra->inbox_bytes = static_cast<std::uint32_t>(staged.inbox->bytes);
      extra->last_position = staged.inbox->last_position;
      replace(extra->inbox, keep(encode_inbox(*staged.inbox)));
    }
    if (staged.outbox_changed) {
      extra->outbox_messages = static_cast<std::uint32_t>(staged.outbox->messages.size());
      const bool empty = staged.outbox->messages.empty();
      replace(extra->outbox, empty ? ByteView() : keep(encode_outbox(*staged.outbox)));
    }
    encode_receipts_of(staged, *extra);
    bool plain = extra->receipts_forgotten == 0;
    each_place(record, *extra, [&](Place& place) { plain = plain && &place == &record.data; });
    for (const FreshPart& part : fresh_)
      plain = plain && part.place == &record.data;
    record.extra = plain ? nullptr : std::exchange(spare_, nullptr);
    write_record(batch_.own(), log_.newest(), log_.end() + batch_.elsewhere(), staged.store,
                 staged.key, record, fresh_);
    for (const FreshPart& part : fresh_)
      batch_.add(part.bytes);
  }

  void encode_receipts_of(Staged& staged, Extra& extra) {
    extra.receipts_forgotten = staged.receipts_forgotten();
    if (staged.kept_receipts) {
      std::erase_if(fresh_, [&](const FreshPart& part) {
        return std::any_of(extra.receipts.begin(), extra.receipts.end(),
                           [&](const Place& page) { return part.place == &page; });
      });
      extra.receipts.clear();
      staged.new_receipts.insert(staged.new_receipts.begin(), staged.kept_receipts->begin(),
                                 staged.kept_receipts->end());
    }
    if (staged.new_receipts.empty()) return;
    extra.receipts.emplace_back();  // in the room reserved for it: fresh parts point to the others
    add(extra.receipts.back(), keep(encode_receipts(staged.new_receipts)));
  }

  /// Takes a part along that lies in the segment to be left.
  void move(Place& place) {
    if (place.segment != stage_.leaving) return;
    auto bytes = log_.read(place);
    if (!bytes) {
      left_behind_ = true;  // damaged: it stays where it is
      return;
    }
    add(place, keep(std::move(*bytes)));
  }
  void add(Place& place, ByteView bytes) {
    std::erase_if(fresh_, [&](const FreshPart& part) { return part.place == &place; });
    fresh_.push_back({&place, bytes});
  }
  /// A part that is empty is not there.
  void replace(Place& place, ByteView bytes) {
    if (!bytes.empty()) return add(place, bytes);
    std::erase_if(fresh_, [&](const FreshPart& part) { return part.place == &place; });
    place = Place{};
  }
  [[nodiscard]] ByteView keep(Buffer&& bytes) {
    return kept_.emplace_back(std::move(bytes)).view();
  }

  Batch& batch_;
  const Index& index_;
  const Log<Files>& log_;
  Stage& stage_;
  std::vector<FreshPart> fresh_;
  std::deque<Buffer> kept_;
  std::shared_ptr<Extra> spare_;  ///< for the next record; most turn out to need none
  bool left_behind_ = false;
};

}  // namespace persist::inline PERSIST_ABI::backend::file

namespace persist::inline PERSIST_ABI::backend::file {

/// One process at a time: a lock on a file of the folder, with who has it written inside. The lock
/// goes with the handle, so a process that is killed leaves the folder free.
template <class Files>
class FolderLock {
 public:
  /// Takes the lock, waiting for it as long as told; `locked`, naming the holder, if it was not to
  /// be had.
  [[nodiscard]] static Result<FolderLock> take(const Files& files, const std::string& folder,
                                               const FolderHolder& me, Duration patience,
                                               Clock& clock) {
    auto file = files.open(folder + "/lock", detail::os::Access::share);
    if (!file) return file.error();
    const TimePoint deadline = clock.now() + patience;
    Wake nobody;
    for (;;) {
      const auto taken = files.lock(*file);
      if (!taken) return taken.error();
      if (*taken) break;
      const TimePoint now = clock.now();
      if (now >= deadline) {
        const auto holder = read(files, *file);
        return Error(Errc::locked, folder + " is open in " +
                                       (holder ? holder->text() : std::string("another process")));
      }
      clock.wait_until((std::min)(deadline, now + std::chrono::milliseconds(50)), nobody);
    }
    const std::string text = "process " + std::to_string(me.process) + "\nhost " + me.host +
                             "\nsince_ms " + std::to_string(me.since.time_since_epoch().count()) +
                             "\n";
    Result<void> wrote = files.truncate(*file, 0);
    if (wrote) wrote = files.write_at(*file, 0, as_bytes(text));
    // A full disk must not keep a server from opening its folder: the lock is held, only its
    // holder goes unnamed.
    (void)wrote;
    return FolderLock(std::move(*file));
  }
  /// Who has the folder's lock now; nothing if nobody has. Changes nothing.
  [[nodiscard]] static Result<std::optional<FolderHolder>> holder(const Files& files,
                                                                  const std::string& folder) {
    const auto file = files.open(folder + "/lock", detail::os::Access::read);
    if (!file && file.error().os_error() == ENOENT) return std::optional<FolderHolder>();
    if (!file) return file.error();
    const auto held = files.is_locked(*file);
    if (!held) return held.error();
    if (!*held) return std::optional<FolderHolder>();
    return std::optional(read(files, *file).value_or(FolderHolder{}));
  }

 private:
  using Handle = typename Files::Handle;
  explicit FolderLock(Handle file) : file_(std::move(file)) {}

  [[nodiscard]] static std::optional<FolderHolder> read(const Files& files, const Handle& file) {
    std::byte bytes[512];
    const auto got = files.read_at(file, 0, bytes);
    if (!got) return std::nullopt;
    const std::string_view text = as_text(ByteView(bytes, *got));
    FolderHolder holder;
    const auto number = [](std::string_view digits) {
      std::int64_t value = 0;
      std::from_chars(digits.data(), digits.data() + digits.size(), value);
      return value;
    };
    holder.process = static_cast<std::uint64_t>(number(line(text, "process ")));
    holder.host = line(text, "host ");
    holder.since = WallTime(std::chrono::milliseconds(number(line(text, "since_ms "))));
    return holder.process == 0 ? std::nullopt : std::optional(holder);
  }
  [[nodiscard]] static std::string_view line(std::string_view text, std::string_view name) {
    const std::size_t at = text.find(name);
    if (at == text.npos) return {};
    const std::string_view rest = text.substr(at + name.size());
    return rest.substr(0, rest.find('\n'));
  }

  Handle file_;
};

}  // namespace persist::inline PERSIST_ABI::backend::file

namespace persist::inline PERSIST_ABI::backend::file {

/// Lets callers of many threads share one write and one sync. The first one leads: it performs what
/// has been handed in. All that comes while it is at it waits and is performed together by the
/// next leader. So each job waits for at most one sync before its own.
///
/// A mutex and a condition variable; only the leader is ever inside `perform`.
template <class Job>
class GroupCommit {
 public:
  /// Returns when the job was performed, by this thread or another. `perform(jobs)` takes a
  /// vector of pointers and must not throw.
  template <class Perform>
  void run(Job& job, Perform perform) {
    Waiting mine{&job, false};
    std::unique_lock hold(mutex_);
    queue_.push_back(&mine);
    changed_.wait(hold, [&] { return mine.done || !leading_; });
    if (mine.done) return;
    leading_ = true;
    const std::vector<Waiting*> taken = std::exchange(queue_, {});
    hold.unlock();
    std::vector<Job*> jobs;
    jobs.reserve(taken.size());
    for (const Waiting* waiting : taken)
      jobs.push_back(waiting->job);
    perform(jobs);
    hold.lock();
    leading_ = false;
    for (Waiting* waiting : taken)
      waiting->done = true;
    hold.unlock();
    changed_.notify_all();
  }
  /// How many wait for the one that is being performed.
  [[nodiscard]] std::size_t waiting() const {
    const std::lock_guard hold(mutex_);
    return queue_.size();
  }

 private:
  struct Waiting {
    Job* job;
    bool done;
  };
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Waiting*> queue_;
  bool leading_ = false;
};

}  // namespace persist::inline PERSIST_ABI::backend::file

// What callers hand in to be performed together, and what a batch that could not be written does to
// it.

namespace persist::inline PERSIST_ABI::backend::file {

/// Asks that all that was handed in before is synced.
struct FlushRequest {
  Error error{Errc{}};
};

/// What one caller handed in, to be performed by whoever leads.
struct Job {
  std::variant<std::span<OpenStoreRequest>, std::span<AcquireRequest>, std::span<CommitRequest>,
               std::span<PostRequest>, std::span<RelayRequest>, std::span<EraseRequest>,
               FlushRequest*>
      requests;
};

inline void fail(AcquireRequest& request, const Error& error) {
  request.outcome = AcquireRequest::Outcome::failed;
  request.error = error;
}
inline void fail(CommitRequest& request, const Error& error) {
  request.outcome = CommitRequest::Outcome::failed;
  request.error = error;
}
template <class Request>
void fail(Request& request, const Error& error) {
  request.error = error;
}

/// Whether a request can be done without a byte for the log.
[[nodiscard]] inline bool writes_nothing(const AcquireRequest&) noexcept {
  return true;
}
[[nodiscard]] inline bool writes_nothing(const CommitRequest& request) noexcept {
  return std::none_of(request.changes.begin(), request.changes.end(), [](const Change& change) {
    return change.writes() || change.lease == LeaseChange::release;
  });
}
template <class Request>
[[nodiscard]] bool writes_nothing(const Request&) noexcept {
  return false;
}

/// The request as it was before it failed.
inline AcquireRequest& renewed(AcquireRequest& request) {
  request.record = Snapshot{};
  return request.error = Error(Errc{}), request;
}
template <class Request>
Request& renewed(Request& request) {
  return request.error = Error(Errc{}), request;
}

}  // namespace persist::inline PERSIST_ABI::backend::file

// Side files: what of a torn batch is on disk is moved there and not thrown away.

namespace persist::inline PERSIST_ABI::backend::file {

inline constexpr std::string_view tail_prefix = "torn-", tail_end = ".tail";
inline constexpr std::size_t most_tails = 8;  ///< that are kept

/// Keeps room for one more: a server that is killed every night leaves no heap of them.
template <class Files>
void drop_old_tails(const Log<Files>& log) {
  auto names = log.files.list(log.folder());
  if (!names) return;
  std::erase_if(*names, [](std::string_view name) {
    return !name.starts_with(tail_prefix) || !name.ends_with(tail_end);
  });
  std::sort(names->begin(), names->end());  // by run, which comes first and is of one length
  for (std::size_t i = 0; i + most_tails <= names->size(); ++i)
    (void)log.files.remove(log.path((*names)[i]));
}

/// Writes a side file, synced, and answers its path.
template <class Files>
[[nodiscard]] Result<std::string> save_tail(const Log<Files>& log, std::uint64_t run,
                                            std::uint32_t segment, std::uint64_t offset,
                                            ByteView tail) {
  drop_old_tails(log);
  std::string side =
      log.path(std::string(tail_prefix) + digits(run) + "-" + std::to_string(segment) + "-" +
               std::to_string(offset) + std::string(tail_end));
  (void)log.files.remove(side);  // of an open that ended here
  const auto file = log.files.open(side, detail::os::Access::create);
  if (!file) return file.error();
  if (const auto wrote = log.files.write_at(*file, 0, tail); !wrote) return wrote.error();
  if (const auto synced = log.files.sync(*file); !synced) return synced.error();
  if (const auto named = log.files.sync_folder(log.folder()); !named) return named.error();
  return side;
}

}  // namespace persist::inline PERSIST_ABI::backend::file

// Opening a log: what is in the folder becomes the index, or is refused in words. Nothing that was
// there is changed before all of it has been judged.

namespace persist::inline PERSIST_ABI::backend::file {

template <class Files>
class Recovery {
 public:
  Recovery(Log<Files>& log, Index& index, OpenReport& report)
      : log_(log), index_(index), report_(report) {}

  /// Reads the log and makes it ready for appending: a torn tail is moved aside, what may not be on
  /// disk is written again into a new segment, and a new run is noted, synced.
  [[nodiscard]] Result<void> open(std::uint64_t fresh_salt, const FolderHolder& opened_by) {
    auto read = read_all(false);
    if (held_elsewhere_) return held_elsewhere();
    if (!read) return read;
    if (segments_.empty()) log_.resume(salt_ = fresh_salt, 1, 0);
    if (index_.run >= last_run) return no_run_left();
    report_.run = index_.run + 1;
    if (auto saved = save_torn_tail(); !saved) return saved;
    if (auto appended = append_run({report_.run, opened_by}); !appended) return appended;
    for (const std::uint32_t number : left_over_)
      log_.find(number) ? log_.name_aside(number)
                        : void(log_.files.remove(log_.path(segment_name(number))));
    return success;
  }
  /// Reads the log as it is and leaves it so; a batch without an end is one that is being written.
  [[nodiscard]] Result<void> look() {
    if (const auto read = read_all(true); !read) return read;
    if (segments_.empty()) return Error(Errc::not_found, "there is no store in " + log_.folder());
    if (torn_) segments_.back().segment->size = torn_at_;
    const auto held = log_.files.is_locked(segments_.back().segment->file);
    report_.held = held && *held;
    return success;
  }

 private:
  struct Found {
    std::shared_ptr<typename Log<Files>::Segment> segment;
    SegmentHeader header;
    Buffer bytes;
  };
  struct FoundBatch {
    BatchHeader header;
    std::uint64_t payload = 0;  ///< its offset

    [[nodiscard]] std::uint64_t before() const noexcept { return header.sequence - 1; }
  };

  [[nodiscard]] Error damage(std::uint32_t segment, std::uint64_t offset,
                             std::string_view what) const {
    return Error(Errc::corrupt, std::string(what) + " in " + log_.path(segment_name(segment)) +
                                    " at offset " + std::to_string(offset) +
                                    "; nothing was changed");
  }

  [[nodiscard]] Result<void> read_all(bool only_look) {
    if (auto listed = list(only_look); !listed) return listed;
    std::uint64_t expected = segments_.empty() ? 1 : segments_.front().header.first_sequence;
    for (std::size_t i = 0; i < segments_.size(); ++i) {
      const bool last = i + 1 == segments_.size();
      const auto next =
          read_segment(segments_[i], expected,
                       last ? ~std::uint64_t{0} : segments_[i + 1].header.first_sequence);
      if (!next) return next.error();
      expected = *next;
      if (!last) segments_[i].bytes = Buffer();
    }
    if (!segments_.empty() && segments_.front().header.number > index_.oldest)
      return damage(index_.oldest, 0, "a segment is missing: there is nothing");
    if (!segments_.empty() && segments_.back().header.number < index_.oldest)
      return damage(index_.oldest, 0,
                    "the log says that it begins behind its end: there is nothing");
    log_.resume(salt_, expected, unsynced_.empty() ? expected - 1 : unsynced_.front().before());
    // One that was to be set aside and could not be renamed is in use under its old name.
    for (const std::uint32_t number : left_over_)
      if (index_.lies_in(number))
        if (auto opened = open_aside(number, segment_name(number)); !opened) return opened;
    return check_places();
  }

  /// Opens the segments and checks that they belong together.
  [[nodiscard]] Result<void> list(bool only_look) {
    const auto names = log_.files.list(log_.folder());
    if (!names) return names.error();
    std::vector<std::uint32_t> numbers;
    for (const std::string& name : *names) {
      if (const auto number = segment_number(name)) numbers.push_back(*number);
      if (const auto number = segment_number(name, ".damaged"))
        if (auto opened = open_aside(*number, name); !opened) return opened;
    }
    std::sort(numbers.begin(), numbers.end());
    // What lies before a gap could not be removed when its time had come, or else something is
    // missing: the oldest that is needed will tell.
    std::size_t first = numbers.size();
    while (first != 0 && (first == numbers.size() || numbers[first - 1] + 1 == numbers[first]))
      --first;
    left_over_.assign(numbers.begin(), numbers.begin() + static_cast<std::ptrdiff_t>(first));
    for (std::size_t i = first; i < numbers.size(); ++i) {
      const bool writable = !only_look && i + 1 == numbers.size();
      if (auto opened = open_segment(numbers[i], writable); !opened) return opened;
    }
    std::erase_if(left_over_, [&](std::uint32_t number) { return !is_of_this_log(number); });
    if (!segments_.empty()) index_.oldest = segments_.back().header.oldest;
    return only_look || segments_.empty() ? Result<void>(success) : claim_newest();
  }
  /// A segment that compaction left out is not read: only places point into it.
  [[nodiscard]] Result<void> open_aside(std::uint32_t number, const std::string& name) {
    auto file = log_.files.open(log_.path(name), detail::os::Access::read);
    if (!file) return file.error();
    const auto size = log_.files.size(*file);
    if (!size) return size.error();
    using Segment = typename Log<Files>::Segment;
    log_.adopt_aside(std::make_shared<Segment>(Segment{number, std::move(*file), *size}));
    return success;
  }
  /// Locks the newest segment, as whoever writes to the log does: the file `lock` can be removed
  /// while a server runs, and then its lock keeps nobody out.
  [[nodiscard]] Result<void> claim_newest() {
    const Found& newest = segments_.back();
    const auto locked = log_.files.lock(newest.segment->file);
    if (!locked) return locked.error();
    const auto next = log_.path(segment_name(newest.header.number + 1));
    held_elsewhere_ = !*locked || log_.files.open(next, detail::os::Access::read);
    return success;
  }
  [[nodiscard]] Error held_elsewhere() const {
    const FolderHolder& holder = index_.opened_by;
    return Error(Errc::locked, log_.folder() + " is open in " +
                                   (holder.process != 0 ? holder.text() : "another process") +
                                   "; its file \"lock\" was removed");
  }
  [[nodiscard]] Result<void> open_segment(std::uint32_t number, bool writable) {
    using detail::os::Access;
    auto file =
        log_.files.open(log_.path(segment_name(number)), writable ? Access::write : Access::read);
    if (!file) return file.error();
    const auto size = log_.files.size(*file);
    if (!size) return size.error();
    Found found;
    found.segment = std::make_shared<typename Log<Files>::Segment>();
    found.segment->number = number;
    found.segment->size = *size;
    found.segment->file = std::move(*file);
    std::uint32_t format = log_format;
    const auto read = read_header(found.segment->file, format);
    if (!read) return read.error();
    const auto& header = *read;
    if (!header && format > log_format)
      return Error(Errc::too_new, log_.path(segment_name(number)) + " has format " +
                                      std::to_string(format) + "; this build reads up to " +
                                      std::to_string(log_format));
    if (!header || header->number != number) return damage(number, 0, "a broken header");
    if (segments_.empty()) salt_ = header->salt;
    if (header->salt != salt_) return damage(number, 0, "the header of another log");
    found.header = *header;
    log_.adopt(found.segment);
    segments_.push_back(std::move(found));
    return success;
  }

  [[nodiscard]] Result<std::optional<SegmentHeader>> read_header(const typename Files::Handle& file,
                                                                 std::uint32_t& format) const {
    std::byte first[segment_header_size];
    const auto got = log_.files.read_at(file, 0, first);
    if (!got) return got.error();
    return SegmentHeader::read(ByteView(first, *got), format);
  }
  /// Somebody may have put a segment of another log there, which is not ours to remove.
  [[nodiscard]] bool is_of_this_log(std::uint32_t number) const {
    const auto file = log_.files.open(log_.path(segment_name(number)), detail::os::Access::read);
    if (!file) return false;
    std::uint32_t format = log_format;
    const auto header = read_header(*file, format);
    return header && *header && (*header)->salt == salt_;
  }

  /// Takes in the batches of one segment, up to where the next one begins; of the last, those known
  /// to be on disk. Answers the sequence number that comes next.
  [[nodiscard]] Result<std::uint64_t> read_segment(Found& found, std::uint64_t expected,
                                                   std::uint64_t stop) {
    if (found.header.first_sequence != expected)
      return damage(found.header.number, 0, "a segment that does not follow the one before");
    const bool last = stop == ~std::uint64_t{0};
    const std::uint64_t size = found.segment->size;
    const auto got = log_.files.read_at(found.segment->file, 0, {found.bytes.grow(size), size});
    if (!got) return got.error();
    found.bytes.shrink(*got);
    std::uint64_t synced = expected - 1;
    std::vector<FoundBatch> batches;
    std::uint64_t at = segment_header_size;
    for (; at < found.bytes.size() && expected != stop; ++expected) {
      const auto header = whole_batch(found, at, expected);
      if (!header) break;
      batches.push_back({*header, at + batch_header_size});
      synced = (std::max)(synced, header->synced);
      at += batch_header_size + header->length;
    }
    if (last && at < found.bytes.size()) {
      if (synced_later(found, at, expected))
        return damage(found.header.number, at, "a damaged batch before others that are whole");
      torn_at_ = at;
      torn_ = true;
    }
    if (!last && expected != stop) return damage(found.header.number, at, "a damaged batch");
    if (!last) found.segment->size = at;
    for (const FoundBatch& batch : batches) {
      if (const auto taken = take(found, batch); !taken) return taken.error();
      if (last && batch.header.sequence > synced) unsynced_.push_back(batch);
    }
    return expected;
  }
  [[nodiscard]] std::optional<BatchHeader> whole_batch(const Found& found, std::uint64_t at,
                                                       std::uint64_t expected) const {
    const ByteView left = found.bytes.view().subspan(at);
    const auto header = BatchHeader::read(left, salt_);
    if (!header || header->sequence != expected) return std::nullopt;
    if (header->length > left.size() - batch_header_size) return std::nullopt;
    if (detail::crc32c(left.subspan(batch_header_size, header->length)) != header->payload_crc)
      return std::nullopt;
    return header;
  }
  /// Whether a batch behind `at` says that the one at `at` had been synced.
  [[nodiscard]] bool synced_later(const Found& found, std::uint64_t at,
                                  std::uint64_t broken) const {
    std::byte mark[8];
    store_little(mark, salt_);
    const ByteView bytes = found.bytes;
    for (std::uint64_t i = at + 1; i + batch_header_size <= bytes.size(); ++i) {
      if (bytes[i] != mark[0] || std::memcmp(bytes.data() + i, mark, 8) != 0) continue;
      const auto header = BatchHeader::read(bytes.subspan(i), salt_);
      if (header && header->synced >= broken) return true;
    }
    return false;
  }
  [[nodiscard]] Result<void> take(const Found& found, const FoundBatch& batch) {
    const ByteView payload = found.bytes.view().subspan(batch.payload, batch.header.length);
    std::size_t at = 0;
    while (at < payload.size()) {
      const std::size_t begin = at;
      const auto entry = next_entry(payload, at, found.header.number, batch.payload);
      if (!entry || !index_.replay(*entry))
        return damage(found.header.number, batch.payload + begin, "an entry that makes no sense");
    }
    return success;
  }
  /// Every part must lie inside a segment that is there.
  [[nodiscard]] Result<void> check_places() const {
    for (const StoreState& store : index_.stores)
      for (const auto& [key, record] : store.records) {
        Result<void> all = success;
        record.each_part([&](PartKind, const Place& place) {
          const auto segment = log_.find(place.segment);
          if (!segment || std::uint64_t{place.offset} + place.size > segment->size)
            all = damage(place.segment, place.offset, "bytes of a record are missing");
        });
        if (!all) return all;
      }
    return success;
  }

  [[nodiscard]] Result<void> save_torn_tail() {
    if (!torn_) return success;
    const Found& found = segments_.back();
    const ByteView tail = found.bytes.view().subspan(torn_at_);
    auto side = save_tail(log_, report_.run, found.header.number, torn_at_, tail);
    if (!side) return side.error();
    report_.torn_tail = *std::move(side);
    report_.torn_bytes = tail.size();
    return success;
  }
  /// Notes the run. Where the end of the log is known to be on disk, behind it; otherwise in the
  /// first batch of a new segment, which says where the old one stops to count.
  [[nodiscard]] Result<void> append_run(const RunEntry& run) {
    index_.run = run.run;
    index_.opened_by = run.opened_by;
    if (!segments_.empty() && !torn_ && rewritten() == 0) {
      Batch note;
      write_stores(note.own());
      write_entry(note.own(), run);
      return log_.append(note, true);
    }
    if (!unsynced_.empty())
      log_.resume(salt_, unsynced_.front().header.sequence, unsynced_.front().before());
    const bool replaces = !segments_.empty() && counted_end() == segment_header_size;
    if (replaces) log_.replace_newest();
    auto made = log_.begin_segment(index_.oldest, [&](std::uint32_t number, Buffer& bytes) {
      const std::size_t begin = bytes.size();
      (void)bytes.grow(batch_header_size);
      write_stores(bytes);
      write_again(number, bytes);
      write_entry(bytes, run);
      log_.seal_in(bytes, begin);
    });
    if (!made) return made;
    report_.batches_rewritten = rewritten();
    if (segments_.empty() || replaces) return success;
    segments_.back().segment->size = counted_end();
    if (torn_) (void)log_.files.truncate(segments_.back().segment->file, torn_at_);
    return success;
  }
  /// Where the last segment stops to count: behind it is what is torn or written again.
  [[nodiscard]] std::uint64_t counted_end() const noexcept {
    return unsynced_.empty() ? torn_at_ : unsynced_.front().payload - batch_header_size;
  }
  /// How many batches have to be written again. One without content lost nothing if it is not on
  /// disk: the next one behind it does not say that it is.
  [[nodiscard]] std::uint64_t rewritten() const {
    return static_cast<std::uint64_t>(
        std::count_if(unsynced_.begin(), unsynced_.end(),
                      [](const FoundBatch& batch) { return batch.header.length != 0; }));
  }
  void write_stores(Buffer& to) const {
    for (std::uint32_t i = 0; i < index_.stores.size(); ++i) {
      const StoreState& store = index_.stores[i];
      write_entry(to, StoreEntry{i, store.name, store.birth, store.lock});
    }
  }
  /// Writes again what the batches say that may not be on disk: not as they are, because one may
  /// refer to bytes of another, but each record as it is now with all that lies in them.
  void write_again(std::uint32_t number, Buffer& to) {
    std::set<std::pair<std::uint32_t, std::string_view>> touched;
    const ByteView old = segments_.empty() ? ByteView() : segments_.back().bytes.view();
    for (const FoundBatch& batch : unsynced_) {
      const ByteView payload = old.subspan(batch.payload, batch.header.length);
      for (std::size_t at = 0; at < payload.size();) {
        const auto raw = next_entry(payload, at, number, 0);
        if (raw->kind == EntryKind::erased) write_erased_again(number, *read_erased(raw->body), to);
        if (raw->kind != EntryKind::record) continue;
        const auto entry = read_record(*raw);
        touched.emplace(entry->store, entry->key);
      }
    }
    write_oldest(to, index_.oldest);
    for (const auto& [store, key] : touched) {
      const Record* record = index_.stores[store].find(key);
      if (record != nullptr) write_record_again(number, store, key, *record, old, to);
    }
  }
  void write_erased_again(std::uint32_t number, const ErasedEntry& erased, Buffer& to) {
    const std::size_t begin = to.size();
    write_entry(to, erased);
    const Tombstone& now = index_.stores[erased.store].tombstones[erased.hash];
    index_.bury(erased.store, erased.hash,
                {now.epoch, now.version, number, static_cast<std::uint32_t>(to.size() - begin)});
  }
  void write_record_again(std::uint32_t number, std::uint32_t store, std::string_view key,
                          Record record, ByteView old, Buffer& to) {
    const auto extra = std::make_shared<Extra>(record.more());
    const std::uint32_t old_segment = segments_.back().header.number;
    std::vector<FreshPart> fresh;
    each_place(record, *extra, [&](Place& place) {
      if (place.segment == old_segment && place.offset >= unsynced_.front().payload)
        fresh.push_back({&place, old.subspan(place.offset, place.size)});
    });
    if (record.extra) record.extra = extra;
    write_record(to, number, 0, store, key, record, fresh);
    for (const FreshPart& part : fresh)
      to.append(part.bytes);
    index_.put(store, key, std::move(record));
  }

  Log<Files>& log_;
  Index& index_;
  OpenReport& report_;
  std::vector<Found> segments_;
  std::vector<FoundBatch> unsynced_;
  std::vector<std::uint32_t> left_over_;
  bool held_elsewhere_ = false;
  std::uint64_t salt_ = 0;
  std::uint64_t torn_at_ = 0;
  bool torn_ = false;
};

}  // namespace persist::inline PERSIST_ABI::backend::file

namespace persist::inline PERSIST_ABI::backend::file {

/// One open folder. Writers go through `run`, one leader at a time; readers look at the index under
/// a shared lock that is never held during I/O. The order is: stage, write, sync, publish, reply.
template <class Files>
class Database {
 public:
  Database(Files files, std::string folder, const FileOptions& options)
      : options_(options),
        clock_(options.clock != nullptr ? *options.clock : SystemClock::instance()),
        log_(std::move(files), without_slash(std::move(folder))),
        engine_(index_, log_, clock_),
        parts_(log_) {}
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;
  /// Syncs what is not, and says in the log that all is: an empty batch.
  ~Database() {
    if (!lock_ || log_.poisoned() || log_.newest() == 0) return;
    if (!log_.all_synced() && !log_.sync()) return;
    Batch last;
    (void)log_.append(last, false);
  }

  [[nodiscard]] Result<void> open();
  [[nodiscard]] Result<void> look() {
    Recovery<Files> recovery(log_, index_, report_);
    return recovery.look();
  }

  /// Performs the job together with those of other threads.
  void run(Job job) {
    group_.run(job, [this](const std::vector<Job*>& jobs) { perform(jobs); });
  }
  void read(ReadRequest& request) const;
  void list_waiting(RelayRequest& request) const;
  void scan(ScanRequest& request) const;
  [[nodiscard]] Result<void> flush();
  void watch(StoreId store, std::weak_ptr<WakeQueue> queue) {
    const std::lock_guard hold(watchers_mutex_);
    watchers_.emplace_back(store.index, std::move(queue));
  }

  [[nodiscard]] Owner next_owner(ServerId server) noexcept { return {server, nonce_, ++sessions_}; }
  [[nodiscard]] Result<void> status() const {
    const std::shared_lock hold(state_);
    return failed(status_) ? Result<void>(status_) : Result<void>(success);
  }
  [[nodiscard]] FileStats stats() const {
    const std::shared_lock hold(state_);
    FileStats now = stats_;
    now.bytes = log_.bytes();
    now.damaged_segments = log_.set_aside_count();
    now.live_bytes = index_.live_bytes();
    now.records = index_.record_count();
    return now;
  }
  [[nodiscard]] const OpenReport& report() const noexcept { return report_; }
  [[nodiscard]] bool is_snapshot() const noexcept { return !lock_; }
  [[nodiscard]] FolderHolder opened_by() const {
    const std::shared_lock hold(state_);
    return index_.opened_by;
  }
  template <class F>
  void each_store(F visit) const {
    const std::shared_lock hold(state_);
    for (const StoreState& store : index_.stores)
      visit(store);
  }
  [[nodiscard]] Result<void> copy_to(const std::string& folder) const {
    return copy_log(log_, folder);
  }
  /// How many callers wait for the batch that is being written.
  [[nodiscard]] std::size_t waiting() const { return group_.waiting(); }

 private:
  /// A name's folder is what stands before its last slash.
  [[nodiscard]] static std::string without_slash(std::string folder) {
    while (folder.size() > 1 && folder.back() == '/')
      folder.pop_back();
    return folder;
  }
  /// A batch is written when this much is staged, whatever else was handed in.
  static constexpr std::uint64_t enough = std::uint64_t{32} << 20;
  static constexpr std::uint64_t least_copied = std::uint64_t{64} << 10;

  void perform(const std::vector<Job*>& jobs) noexcept;
  void perform_flush(FlushRequest& request);
  void note_syncs();
  template <class Request>
  void perform_one(Request& request);
  void end_batch();
  [[nodiscard]] Result<void> write();
  void publish();
  void fail_batch(const Error& error);
  void wake_up();
  [[nodiscard]] bool sync_is_due();

  FileOptions options_;
  Clock& clock_;
  std::optional<FolderLock<Files>> lock_;  ///< goes last: nobody else may open before all is closed
  Log<Files> log_;
  Index index_;
  Engine<Files> engine_;
  PartReader<Files> parts_;
  Compactor<Files> compactor_;
  GroupCommit<Job> group_;
  OpenReport report_;
  std::uint64_t nonce_ = detail::os::random_bits() | 1;
  std::atomic<std::uint64_t> sessions_ = 0;

  mutable std::shared_mutex state_;  ///< over what readers see: the index, stats, status
  FileStats stats_;
  Error status_{Errc{}};

  // Only the leader's.
  std::vector<std::variant<OpenStoreRequest*, AcquireRequest*, CommitRequest*, PostRequest*,
                           RelayRequest*, EraseRequest*>>
      batch_;
  Batch bytes_;
  TimePoint unsynced_since_{};

  std::mutex watchers_mutex_;
  std::vector<std::pair<std::uint32_t, std::weak_ptr<WakeQueue>>> watchers_;
};

template <class Files>
Result<void> Database<Files>::open() {
  const auto made = log_.files.make_folder(log_.folder());
  if (!made) return made.error();
  // Names that a killed process gave may not be on disk yet, and what is appended to a file is lost
  // with its name.
  const std::string& path = log_.folder();
  const std::size_t slash = path.find_last_of('/');
  const std::string parent = slash == path.npos ? "." : (slash == 0 ? "/" : path.substr(0, slash));
  if (auto named = log_.files.sync_folder(parent); !named && *made) return named;
  const FolderHolder me{detail::os::process_id(), detail::os::host_name(), clock_.wall()};
  auto lock =
      FolderLock<Files>::take(log_.files, log_.folder(), me, options_.wait_for_lock, clock_);
  if (!lock) return lock.error();
  if (auto named = log_.files.sync_folder(path); !named) return named;
  Recovery<Files> recovery(log_, index_, report_);
  if (auto opened = recovery.open(detail::os::random_bits(), me); !opened) return opened;
  // What a killed process had not come to rename holds what nobody could read then.
  for (std::uint32_t old = log_.oldest(); old < index_.oldest; ++old)
    index_.lies_in(old) ? log_.set_aside(old) : log_.drop(old);
  engine_.begin_run(report_.run);
  const TimePoint now = clock_.now();
  for (StoreState& store : index_.stores)
    for (auto& [key, record] : store.records) {
      record.head.renewed = now;  // expired, by a lease of no length, but not cleared
      record.head.renewals = report_.run << 24;  // no pair of epoch and renewals comes twice
    }
  lock_ = std::move(*lock);
  return success;
}

/// The leader's part. Must not fail halfway: running out of memory here ends the program.
template <class Files>
void Database<Files>::perform(const std::vector<Job*>& jobs) noexcept {
  for (Job* job : jobs)
    std::visit(
        [this](auto requests) {
          if constexpr (std::is_pointer_v<decltype(requests)>)
            this->perform_flush(*requests);
          else
            for (auto& request : requests)
              this->perform_one(request);
        },
        job->requests);
  end_batch();
}

template <class Files>
void Database<Files>::perform_flush(FlushRequest& request) {
  end_batch();
  Result<void> done = success;
  if (log_.poisoned())
    done = log_.poison();
  else if (!log_.all_synced())
    done = log_.sync();
  if (!done) request.error = done.error();
  note_syncs();
}

template <class Files>
template <class Request>
void Database<Files>::perform_one(Request& request) {
  if (log_.poisoned()) {
    end_batch();
    return fail(request, log_.poison());
  }
  // A store that is new is a batch of its own, so that what follows finds it published.
  constexpr bool alone = std::is_same_v<Request, OpenStoreRequest>;
  if (alone || engine_.stage.bytes >= enough) end_batch();
  engine_.perform(request);
  batch_.push_back(&request);
  if (alone) end_batch();
}

template <class Files>
void Database<Files>::end_batch() {
  if (!batch_.empty()) {
    const auto wrote = engine_.stage.writes() ? write() : Result<void>(success);
    wrote ? publish() : fail_batch(wrote.error());
  }
  batch_.clear();
  engine_.stage.clear();
  engine_.wakes.clear();
}

template <class Files>
Result<void> Database<Files>::write() {
  const std::uint64_t full = full_segment(options_.segment_bytes, index_.live_bytes());
  if (log_.end() >= full && !log_.nothing_in_newest())
    if (auto begun = log_.begin_segment(index_.oldest, [](std::uint32_t, Buffer&) {}); !begun)
      return begun;
  Stage& stage = engine_.stage;
  if (compactor_.is_due(index_, log_, full))
    compactor_.stage_some(stage, index_, log_, 2 * stage.bytes + least_copied);
  bytes_.clear();
  BatchEncoder<Files> encoder(bytes_, index_, log_, stage);
  encoder.encode();
  if (encoder.left_behind()) compactor_.leave_behind();
  // Whatever the durability: a segment may only be removed when what was moved out of it is synced.
  auto wrote = log_.append(bytes_, sync_is_due() || stage.now_oldest != 0);
  if (!wrote) compactor_.start_over();
  return wrote;
}

template <class Files>
bool Database<Files>::sync_is_due() {
  if (options_.durability == Durability::full) return true;
  const TimePoint now = clock_.now();
  if (log_.all_synced()) unsynced_since_ = now;
  return now - unsynced_since_ >= options_.sync_every;
}

template <class Files>
void Database<Files>::publish() {
  Stage& stage = engine_.stage;
  const std::uint32_t before = index_.oldest;
  {
    const std::unique_lock hold(state_);
    if (stage.writes()) ++stats_.batches;
    stats_.commits += stage.commits;
    stats_.syncs = log_.syncs();
    stats_.sync_time = log_.sync_time();
    for (const StoreEntry& made : stage.new_stores) {
      StoreState& store = index_.stores.emplace_back();
      store.name = made.name;
      store.birth = made.birth;
      store.lock = made.lock;
    }
    if (stage.new_run) {
      index_.run = *stage.new_run;
      engine_.run_to_note_ = false;
    }
    for (const ErasedEntry& moved : stage.moved_tombstones)
      index_.bury(moved.store, moved.hash, {moved.epoch, moved.version, log_.newest(), 43});
    for (Staged& staged : stage.records()) {
      if (staged.erased) {
        index_.erase(staged.store, staged.key);
        index_.bury(staged.store, index_.stores[staged.store].hash(staged.key), *staged.erased);
      }
      if (staged.exists) index_.put(staged.store, staged.key, std::move(staged.record));
    }
    if (stage.now_oldest != 0) {
      index_.oldest = stage.now_oldest;
      ++stats_.compactions;
    }
  }
  for (std::uint32_t old = before; old < index_.oldest; ++old)
    compactor_.left_behind() ? log_.set_aside(old) : log_.drop(old);
  wake_up();
}

template <class Files>
void Database<Files>::note_syncs() {
  const std::unique_lock hold(state_);
  if (log_.poisoned()) status_ = log_.poison();
  stats_.syncs = log_.syncs();
  stats_.sync_time = log_.sync_time();
}

/// Nothing of the batch happened, or nobody knows. What writes nothing (acquisitions, renewals) is
/// done over by itself, because a full disk must not keep players from what needs no room.
template <class Files>
void Database<Files>::fail_batch(const Error& error) {
  note_syncs();
  const auto fail_all = [&] {
    for (const auto& one : batch_)
      std::visit([&](auto* request) { fail(*request, error); }, one);
  };
  fail_all();
  engine_.stage.clear();
  engine_.wakes.clear();
  if (log_.poisoned()) return;
  std::erase_if(batch_, [](const auto& one) {
    return !std::visit([](const auto* request) { return writes_nothing(*request); }, one);
  });
  for (const auto& one : batch_)
    std::visit([&](auto* request) { engine_.perform(renewed(*request)); }, one);
  engine_.stage.writes() ? fail_all() : publish();
}

template <class Files>
void Database<Files>::wake_up() {
  if (engine_.wakes.empty()) return;
  const std::lock_guard hold(watchers_mutex_);
  std::erase_if(watchers_, [&](const auto& watcher) {
    const auto queue = watcher.second.lock();
    if (!queue) return true;
    for (const auto& [store, key] : engine_.wakes)
      if (store == watcher.first) queue->push(key);
    return false;
  });
}

template <class Files>
Result<void> Database<Files>::flush() {
  FlushRequest request;
  run(Job{&request});
  return failed(request.error) ? Result<void>(request.error) : Result<void>(success);
}

}  // namespace persist::inline PERSIST_ABI::backend::file

// What readers ask of an open folder: answered from what is published, beside the writers.

namespace persist::inline PERSIST_ABI::backend::file {

template <class Files>
void Database<Files>::read(ReadRequest& request) const {
  // A segment may be emptied and removed between the look at the index and the read of the bytes:
  // then the index says where they are now.
  for (int attempt = 0; attempt < 100; ++attempt) {
    Staged copy;
    {
      const std::shared_lock hold(state_);
      if (request.store.index >= index_.stores.size()) {
        request.error = Error(Errc::invalid, "this database has no such store");
        return;
      }
      const Record* record = index_.stores[request.store.index].find(request.key);
      request.found = record != nullptr;
      if (record != nullptr) copy.record = *record;
    }
    request.record.now = clock_.wall();
    if (!request.found) return;
    copy.key = request.key;
    const Head& head = copy.record.head;
    const Extra& extra = copy.record.more();
    const TimePoint now = clock_.now();
    request.held = head.leased_at(now);
    request.holder = held_by(head, now);
    request.inbox_messages = extra.inbox_messages;
    request.inbox_bytes = extra.inbox_bytes;
    request.outbox_messages = extra.outbox_messages;
    const auto filled = parts_.snapshot(copy, request.wants_data, request.record);
    if (filled) return;
    request.error = filled.error();
    if (!filled.is(Errc::not_found)) return;
    request.error = Error(Errc{});
  }
  request.error = Error(Errc::unavailable, "the record's bytes were moved again and again");
}

template <class Files>
void Database<Files>::list_waiting(RelayRequest& request) const {
  std::vector<std::string> keys;
  std::vector<Record> records;
  request.now = clock_.wall();
  {
    const std::shared_lock hold(state_);
    if (request.store.index >= index_.stores.size()) {
      request.error = Error(Errc::invalid, "this database has no such store");
      return;
    }
    const StoreState& store = index_.stores[request.store.index];
    for (auto key = store.relaying.upper_bound(request.after);
         key != store.relaying.end() && keys.size() < request.most; ++key) {
      keys.push_back(*key);
      records.push_back(*store.find(*key));
    }
  }
  for (std::size_t i = 0; i < keys.size(); ++i) {
    Staged copy;
    copy.key = keys[i];
    copy.record = std::move(records[i]);
    const auto loaded = parts_.outbox(copy);
    if (loaded)
      request.waiting.push_back({std::move(keys[i]), std::move(copy.outbox->messages)});
    else if (!loaded.is(Errc::not_found))  // moved meanwhile: it is listed the next time
      request.error = loaded.error();
  }
}

template <class Files>
void Database<Files>::scan(ScanRequest& request) const {
  const std::shared_lock hold(state_);
  if (request.store.index >= index_.stores.size()) {
    request.error = Error(Errc::invalid, "this database has no such store");
    return;
  }
  const std::size_t most = (std::max)(request.most, std::size_t{1});
  std::set<std::string_view> page;
  const std::string_view after = request.after;
  for (const auto& [name, record] : index_.stores[request.store.index].records) {
    const std::string_view key = name;
    if (!record.has_data() || key <= after) continue;
    if (page.size() == most && key > *page.rbegin()) continue;
    page.insert(key);
    if (page.size() > most) page.erase(std::prev(page.end()));
  }
  request.keys.assign(page.begin(), page.end());
  request.next = request.keys.empty() ? request.after : request.keys.back();
  request.done = page.size() < most;
}

}  // namespace persist::inline PERSIST_ABI::backend::file

// Names without their definitions, and the one place that holds default template arguments.

namespace persist::inline PERSIST_ABI {

namespace conflict {
struct Refuse;
struct Request;
struct Steal;
}  // namespace conflict

namespace lock {
template <class ConflictStrategy>
struct Lease;
struct None;  // NOLINT(bugprone-forward-declaration-namespace): a test library has one too
}  // namespace lock

namespace detail::os {
struct Files;
}  // namespace detail::os

namespace backend {
class Memory;
template <class Files>
class BasicFile;
using File = BasicFile<detail::os::Files>;
}  // namespace backend

namespace codec {
struct Cbor;
struct Json;
struct Packed;
template <int Level = 2, int Decimals = 3, bool Safety = true>
struct Suphi;
}  // namespace codec

template <class Key, class Data, class Backend = backend::File,
          class LockPolicy = lock::Lease<conflict::Request>, class Codec = codec::Packed>
class Store;

}  // namespace persist::inline PERSIST_ABI

namespace persist::inline PERSIST_ABI::backend {

/// Records in a folder of this machine: one log, an index of heads in memory. The embedded
/// default.
///
/// Effect: a commit is written, synced, then visible, then acknowledged; all that threads hand in
/// while a sync is under way share the next one. A record costs about 420 bytes of memory; opening
/// reads the whole log once.
/// Errors: the constructor never fails; a handle that did not open answers every operation with the
/// opening error: `locked` (another process has the folder; named), `corrupt` (with file and
/// offset; nothing was touched), `too_new`, `io`. A write that did not fit answers `io` and leaves
/// everything as it was; later ones work again when there is room. After a failed sync that batch
/// answers `unknown_outcome` and all later writes `io`, until the folder is opened again; reads go
/// on. A record whose bytes are damaged answers `corrupt` and is left alone.
/// Threads: any may call. Copies share the open folder; the last one closes it.
template <class Files>
class BasicFile {
 public:
  static constexpr bool is_transactional = true;

  /// Opens, and makes where there is none, the folder `path`; its parent must exist.
  explicit BasicFile(std::string path, FileOptions options = {}, Files files = {}) {
    auto opened = std::make_shared<Database>(std::move(files), std::move(path), within(options));
    if (const auto done = opened->open(); !done)
      error_ = done.error();
    else
      db_ = std::move(opened);
  }
  [[nodiscard]] static Result<BasicFile> open(std::string path, FileOptions options = {},
                                              Files files = {}) {
    BasicFile file(std::move(path), options, std::move(files));
    if (const auto opened = file.status(); !opened) return opened.error();
    return file;
  }
  /// A view of the folder as it is now, whoever holds it; takes no lock and changes nothing. Reads,
  /// scans and lists what waits; all else is `refused`.
  [[nodiscard]] static Result<BasicFile> open_snapshot(std::string path, Files files = {}) {
    Error last{Errc{}};
    // What is being written or emptied may look broken; nothing stays so.
    for (int attempt = 0; attempt < 5; ++attempt) {
      auto opened = std::make_shared<Database>(files, path, FileOptions{});
      const auto seen = opened->look();
      if (seen) return BasicFile(std::move(opened));
      last = seen.error();
    }
    return last;
  }
  /// The process that has the folder open now; nothing if none has.
  [[nodiscard]] static Result<std::optional<FolderHolder>> holder(const std::string& path,
                                                                  Files files = {}) {
    auto found = file::FolderLock<Files>::holder(files, path);
    if (!found || *found) return found;
    // Where the file `lock` was removed the log still tells.
    const auto snapshot = open_snapshot(path, std::move(files));
    return snapshot && snapshot->report().held ? std::optional(snapshot->opened_by())
                                               : std::optional<FolderHolder>();
  }

  [[nodiscard]] bool same_database(const BasicFile& other) const noexcept {
    return db_ != nullptr && db_ == other.db_;
  }
  /// The opening error, or why no more can be written.
  [[nodiscard]] Result<void> status() const { return db_ ? db_->status() : Result<void>(error_); }
  [[nodiscard]] Owner next_owner(ServerId server) {
    return db_ ? db_->next_owner(server) : Owner{server, 0, 0};
  }

  void open_store(std::span<OpenStoreRequest> batch) { write(batch); }
  void acquire(std::span<AcquireRequest> batch) { write(batch); }
  void commit(std::span<CommitRequest> batch) { write(batch); }
  void post(std::span<PostRequest> batch) { write(batch); }
  void erase(std::span<EraseRequest> batch) { write(batch); }
  void read(std::span<ReadRequest> batch) {
    each(batch, [&](ReadRequest& request) { db_->read(request); });
  }
  void scan(std::span<ScanRequest> batch) {
    each(batch, [&](ScanRequest& request) { db_->scan(request); });
  }
  void relay(std::span<RelayRequest> batch) {
    std::size_t at = 0;
    while (at < batch.size()) {
      std::size_t end = at;  // of a run of requests that take messages out: they share a write
      while (end < batch.size() && !batch[end].take_from.empty())
        ++end;
      if (end != at) write(batch.subspan(at, end - at));
      for (at = end; at < batch.size() && batch[at].take_from.empty(); ++at)
        each(batch.subspan(at, 1), [&](RelayRequest& request) { db_->list_waiting(request); });
    }
  }
  void watch(StoreId store, std::weak_ptr<WakeQueue> queue) {
    if (db_) db_->watch(store, std::move(queue));
  }

  /// Makes all that was acknowledged survive a power cut; with `Durability::full` it already does.
  [[nodiscard]] Result<void> flush() { return db_ ? db_->flush() : Result<void>(error_); }
  [[nodiscard]] FileStats stats() const { return db_ ? db_->stats() : FileStats{}; }
  /// What opening found.
  [[nodiscard]] OpenReport report() const { return db_ ? db_->report() : OpenReport{}; }
  /// Who opened the folder last: this process, or for a snapshot whoever writes to it.
  [[nodiscard]] FolderHolder opened_by() const { return db_ ? db_->opened_by() : FolderHolder{}; }
  using StoreInfo = persist::StoreInfo;
  [[nodiscard]] std::vector<StoreInfo> stores() const {
    std::vector<StoreInfo> all;
    if (db_)
      db_->each_store([&](const file::StoreState& s) { all.push_back({s.name, s.lock, s.birth}); });
    return all;
  }
  /// Writes a copy of what this handle sees to the folder `path`, which must not be there or be
  /// empty: of a snapshot what it shows, of an open folder all that is there now, while it goes on.
  ///
  /// The copy appears whole and synced, or (`io`, `invalid`) not at all. It opens like any folder;
  /// it is the same database, so of the two only one may go on.
  [[nodiscard]] Result<void> copy_to(const std::string& path) const {
    return db_ ? db_->copy_to(path) : Result<void>(error_);
  }
  /// How many callers wait for the batch that is being written; for tests and for the curious.
  [[nodiscard]] std::size_t waiting() const { return db_ ? db_->waiting() : 0; }

 private:
  using Database = file::Database<Files>;
  explicit BasicFile(std::shared_ptr<Database> opened) : db_(std::move(opened)) {}

  [[nodiscard]] static FileOptions within(FileOptions options) {
    options.segment_bytes =
        (std::clamp)(options.segment_bytes, std::uint64_t{4} << 10, std::uint64_t{1} << 30);
    return options;
  }
  template <class Request, class F>
  void each(std::span<Request> batch, F one) {
    for (Request& request : batch)
      db_ ? one(request) : file::fail(request, error_);
  }
  template <class Request>
  void write(std::span<Request> batch) {
    if (db_ && !db_->is_snapshot()) return db_->run(file::Job{batch});
    const Error why =
        db_ ? Error(Errc::refused, "this is a snapshot: it can only be read") : error_;
    for (Request& request : batch) {
      if constexpr (std::is_same_v<Request, OpenStoreRequest>)
        if (db_ && find_store(request)) continue;
      file::fail(request, why);
    }
  }
  /// In a snapshot a store that is there can be opened.
  bool find_store(OpenStoreRequest& request) const {
    std::uint32_t index = 0;
    for (const StoreInfo& store : stores()) {
      if (store.name == request.name && store.lock == request.lock) {
        request.store = {index};
        request.birth = store.birth;
        return true;
      }
      ++index;
    }
    return false;
  }

  std::shared_ptr<Database> db_;
  Error error_{Errc{}};
};

// `File`, the one on the machine's own file system, is named in fwd.hpp.

}  // namespace persist::inline PERSIST_ABI::backend

/// What a program with several units makes once, as in store/templates.hpp: with `extern` before it
/// in all units that use `backend::File`, with nothing in one.
#define PERSIST_FILE_TEMPLATES(prefix)                                                    \
  PERSIST_TEMPLATE(prefix, persist::backend::file::Database<persist::detail::os::Files>); \
  PERSIST_TEMPLATE(prefix, persist::backend::BasicFile<persist::detail::os::Files>)

namespace persist::inline PERSIST_ABI::backend::memory {

struct Record {
  Head head;
  bool has_data = false;
  Buffer data;
  std::vector<std::uint64_t> user_ids;
  Buffer metadata;
  std::vector<Receipt> receipts;
  std::uint32_t receipts_forgotten = 0;
  Inbox inbox;
  Outbox outbox;
};

/// What is left of an erased record: not its key, only what keeps epochs and versions from going
/// back.
struct Tombstone {
  std::uint64_t epoch = 0;
  std::uint64_t version = 0;
};

struct StoreState {
  std::string name;
  Hash128 birth;
  LockKind lock = LockKind::lease;
  std::unordered_map<std::string, Record, detail::TextHash, std::equal_to<>> records;
  std::map<Hash128, Tombstone> tombstones;
  std::set<std::string, std::less<>> relaying;  ///< keys whose outbox waits
  std::vector<std::weak_ptr<WakeQueue>> watchers;

  [[nodiscard]] Hash128 hash(std::string_view key) const noexcept { return key_hash(birth, key); }
  /// Whether the record was erased after that epoch was given out.
  [[nodiscard]] bool erased_since(std::string_view key, std::uint64_t epoch) const {
    const auto found = tombstones.find(hash(key));
    return found != tombstones.end() && found->second.epoch > epoch;
  }
};

/// Most records have nothing beside their data, and to copy nothing is still a call.
template <class Some>
void copy_some(const Some& from, Some& to) {
  if (!from.empty() || !to.empty()) to = from;
}

struct Moment {
  TimePoint now;
  WallTime wall;
};

/// The record of a change, and whether the change is new to it.
struct Found {
  Record* record;
  bool fresh;
};

/// What all handles share; everything behind the mutex, but for the clock.
struct Database {
  explicit Database(Clock& time) : clock(time), nonce(detail::os::random_bits() | 1) {}

  std::mutex mutex;
  Clock& clock;
  std::uint64_t nonce;
  std::uint64_t sessions = 0;
  std::uint64_t epochs = 0;
  std::deque<StoreState> stores;
  std::vector<Found> found;  ///< of the commit at hand; kept for its memory
};

}  // namespace persist::inline PERSIST_ABI::backend::memory

namespace persist::inline PERSIST_ABI::backend {

/// Records in this process's memory: for tests, for tools, and as the reference of what every
/// backend does.
///
/// Durability: none; what was saved is gone with the last handle. Every operation takes one lock
/// for the whole batch and copies the bytes it hands out. Scans cost a walk over all keys of the
/// store per page. Safe to call from any thread.
class Memory {
 public:
  static constexpr bool is_transactional = true;

  /// A new, empty database. `clock` judges its leases and must outlive every handle.
  explicit Memory(Clock& clock = SystemClock::instance())
      : db_(std::make_shared<Database>(clock)) {}

  [[nodiscard]] bool same_database(const Memory& other) const noexcept { return db_ == other.db_; }
  [[nodiscard]] Result<void> status() const { return success; }
  [[nodiscard]] Owner next_owner(ServerId server) {
    const std::lock_guard hold(db_->mutex);
    return {server, db_->nonce, ++db_->sessions};
  }

  void open_store(std::span<OpenStoreRequest> batch) { each(batch, &Memory::open_one); }
  void acquire(std::span<AcquireRequest> batch) { each(batch, &Memory::acquire_one); }
  void commit(std::span<CommitRequest> batch) { each(batch, &Memory::commit_one); }
  void read(std::span<ReadRequest> batch) { each(batch, &Memory::read_one); }
  void post(std::span<PostRequest> batch) { each(batch, &Memory::post_one); }
  void relay(std::span<RelayRequest> batch) { each(batch, &Memory::relay_one); }
  void erase(std::span<EraseRequest> batch) { each(batch, &Memory::erase_one); }
  void scan(std::span<ScanRequest> batch) { each(batch, &Memory::scan_one); }

  using StoreInfo = persist::StoreInfo;
  [[nodiscard]] std::vector<StoreInfo> stores() const {
    const std::lock_guard hold(db_->mutex);
    std::vector<StoreInfo> all;
    for (const StoreState& store : db_->stores)
      all.push_back({store.name, store.lock, store.birth});
    return all;
  }

  void watch(StoreId store, std::weak_ptr<WakeQueue> queue) {
    const std::lock_guard hold(db_->mutex);
    db_->stores[store.index].watchers.push_back(std::move(queue));
  }

 private:
  using Record = memory::Record;
  using StoreState = memory::StoreState;

  using Database = memory::Database;
  using Found = memory::Found;
  using Moment = memory::Moment;

  template <class Request>
  void each(std::span<Request> batch, void (Memory::*one)(Request&)) {
    const std::lock_guard hold(db_->mutex);
    for (Request& request : batch)
      (this->*one)(request);
  }

  [[nodiscard]] StoreState& at(StoreId store) { return db_->stores[store.index]; }
  [[nodiscard]] Record* find(StoreId store, std::string_view key) {
    const auto found = at(store).records.find(key);
    return found == at(store).records.end() ? nullptr : &found->second;
  }
  /// The record of that key, made where there is none: with the version an erased one had.
  [[nodiscard]] Record& make(StoreId store, std::string_view key) {
    if (Record* record = find(store, key)) return *record;
    StoreState& state = at(store);
    Record& record = state.records.try_emplace(std::string(key)).first->second;
    if (const auto erased = state.tombstones.find(state.hash(key));
        erased != state.tombstones.end()) {
      record.head.fence.epoch = erased->second.epoch;
      record.head.version = erased->second.version;
    }
    return record;
  }
  void wake(StoreId store, std::string_view key) {
    std::erase_if(at(store).watchers, [&](const std::weak_ptr<WakeQueue>& watcher) {
      const auto queue = watcher.lock();
      if (queue) queue->push(key);
      return queue == nullptr;
    });
  }

  void open_one(OpenStoreRequest& request);
  void acquire_one(AcquireRequest& request);
  void commit_one(CommitRequest& request);
  void read_one(ReadRequest& request);
  void post_one(PostRequest& request);
  void relay_one(RelayRequest& request);
  void erase_one(EraseRequest& request);
  void scan_one(ScanRequest& request);

  [[nodiscard]] bool judge_all(CommitRequest& request, std::vector<Found>& found);
  void apply(Record& record, Change& change, const Moment& moment);
  void deliver(Change& change, Record& sender);
  void answer(const Record& record, Change& change, const Moment& moment);
  Reception receive_at(StoreId store, std::string_view key, const MessageOrigin& origin,
                       const MessageView& message, const RecordLimits& limits);
  void fill(Snapshot& to, const Record& from) const;

  std::shared_ptr<Database> db_;
};

inline void Memory::open_one(OpenStoreRequest& request) {
  auto& stores = db_->stores;
  std::uint32_t index = 0;
  while (index < stores.size() && stores[index].name != request.name)
    ++index;
  if (index == stores.size() && request.expected_birth) {
    request.error = Error(Errc::refused, "there is no store \"" + std::string(request.name) +
                                             "\" where this connection knew one: its database was "
                                             "replaced");
    return;
  }
  if (index == stores.size()) {
    StoreState& state = stores.emplace_back();
    state.name = request.name;
    state.birth = {detail::os::random_bits(), detail::os::random_bits()};
    state.lock = request.lock;
  }
  const StoreState& state = stores[index];
  if (state.lock != request.lock) {
    request.error =
        Error(Errc::invalid,
              "store \"" + state.name +
                  "\" was made with another lock policy; open it with that one, or move its "
                  "records to a store of another name");
  } else if (request.expected_birth && *request.expected_birth != state.birth) {
    request.error = Error(Errc::refused,
                          "store \"" + state.name +
                              "\" is not the one this connection knew: its database was replaced");
  }
  request.store = {index};
  request.birth = state.birth;
  request.now = db_->clock.wall();
}

inline void Memory::fill(Snapshot& to, const Record& from) const {
  to.fence = from.head.fence;
  to.version = from.head.version;
  to.has_data = from.has_data;
  to.data = from.data;
  memory::copy_some(from.user_ids, to.user_ids);
  memory::copy_some(from.metadata, to.metadata);
  to.load_count = from.head.load_count;
  to.created = from.head.created;
  to.updated = from.head.updated;
  if (!from.outbox.messages.empty() || !to.outbox.empty()) to.outbox = from.outbox.numbers();
}

inline void Memory::acquire_one(AcquireRequest& request) {
  const TimePoint now = db_->clock.now();
  if (request.intent == Intent::withdraw && find(request.store, request.key) == nullptr) {
    request.outcome = AcquireRequest::Outcome::held;
    return;
  }
  Record& record = make(request.store, request.key);
  const Claim claimed = claim(record.head, request, now);
  if (claimed == Claim::held) {
    if (ask(record.head, request)) wake(request.store, request.key);
    request.outcome = AcquireRequest::Outcome::held;
    request.holder = held_by(record.head, now);
    return;
  }
  if (claimed == Claim::fresh) {
    db_->epochs = (std::max)(db_->epochs, record.head.fence.epoch) + 1;
    take(record.head, request, db_->epochs, now);
  }
  request.outcome = AcquireRequest::Outcome::taken;
  fill(request.record, record);
  memory::copy_some(record.receipts, request.record.receipts);
  request.record.receipts_forgotten = record.receipts_forgotten;
  memory::copy_some(record.inbox.messages, request.record.inbox);
  request.record.now = db_->clock.wall();
}

/// Whether anything is to be applied; marks what is.
inline bool Memory::judge_all(CommitRequest& request, std::vector<Found>& found) {
  bool any_new = false;
  request.outcome = CommitRequest::Outcome::repeated;
  for (std::size_t i = 0; i < request.changes.size(); ++i) {
    Change& change = request.changes[i];
    const Record* record = found[i].record;
    const Verdict verdict = record ? judge(record->head, change.fence, 0) : Verdict::fenced;
    if (record) change.version = record->head.version;
    found[i].fresh = verdict == Verdict::apply;
    any_new = any_new || found[i].fresh;
    if (verdict == Verdict::apply || verdict == Verdict::repeated) continue;
    request.outcome = verdict == Verdict::fenced ? CommitRequest::Outcome::fenced
                                                 : CommitRequest::Outcome::superseded;
    request.culprit = i;
    if (record) {
      change.landed = landed(record->head, change.fence);
      change.holder = held_by(record->head, db_->clock.now());
    }
    change.erased = at(change.store).erased_since(change.key, change.fence.epoch);
    return false;
  }
  return any_new;
}

inline void Memory::commit_one(CommitRequest& request) {
  std::vector<Found>& found = db_->found;
  found.clear();
  for (const Change& change : request.changes)
    found.push_back({find(change.store, change.key), false});
  const bool any_new = judge_all(request, found);
  if (!any_new && request.outcome != CommitRequest::Outcome::repeated) return;
  const Moment moment{db_->clock.now(), db_->clock.wall()};
  for (std::size_t i = 0; i < found.size(); ++i)
    if (found[i].fresh) apply(*found[i].record, request.changes[i], moment);
  for (std::size_t i = 0; i < found.size(); ++i)
    if (found[i].fresh) deliver(request.changes[i], *found[i].record);
  for (std::size_t i = 0; i < found.size(); ++i)
    answer(*found[i].record, request.changes[i], moment);
  if (any_new) request.outcome = CommitRequest::Outcome::applied;
}

/// What a commit learns, whether it was applied now or before.
inline void Memory::answer(const Record& record, Change& change, const Moment& moment) {
  change.version = record.head.version;
  change.release_requested = record.head.asked();
  change.messages.clear();
  if (record.inbox.last_position > change.seen_position)
    change.messages = newer_than(record.inbox, change.seen_position);
  change.now = moment.wall;
  for (Send& send : change.sends)
    send.delivered = !record.outbox.holds(change.fence.epoch, send.number);
}

inline void Memory::apply(Record& record, Change& change, const Moment& moment) {
  if (change.data != nullptr) {
    record.data.swap(*change.data);
    record.has_data = true;
  } else if (change.removes_data) {
    record.data = Buffer();
    record.has_data = false;
  }
  if (change.user_ids != nullptr) record.user_ids = *change.user_ids;
  if (change.metadata != nullptr) record.metadata = *change.metadata;
  acknowledge(record.inbox, change.acknowledged);
  if (change.forget_receipts != 0) {
    std::erase_if(record.receipts,
                  [&](const Receipt& r) { return r.day <= change.forget_receipts; });
    record.receipts_forgotten = (std::max)(record.receipts_forgotten, change.forget_receipts);
  }
  if (!change.receipts.empty())
    record.receipts.insert(record.receipts.end(), change.receipts.begin(), change.receipts.end());
  const bool asked = record.head.asked();
  const bool wrote = change.data != nullptr || change.removes_data;
  advance(record.head, change, wrote, moment.now, moment.wall);
  if (asked && change.lease == LeaseChange::release) wake(change.store, change.key);
}

inline Reception Memory::receive_at(StoreId store, std::string_view key,
                                    const MessageOrigin& origin, const MessageView& message,
                                    const RecordLimits& limits) {
  Record* found = find(store, key);
  Inbox fresh;  // what is refused makes no record
  Inbox& inbox = found != nullptr ? found->inbox : fresh;
  const Reception reception = receive(inbox, origin, message, limits, db_->clock.wall());
  if (reception.outcome != Reception::Outcome::accepted) return reception;
  Record& receiver = found != nullptr ? *found : make(store, key);
  if (found == nullptr) receiver.inbox = std::move(fresh);
  if (!receiver.head.fence.owner.nobody()) wake(store, key);
  return reception;
}

inline void Memory::deliver(Change& change, Record& sender) {
  static constexpr RecordLimits usual;
  const RecordLimits& limits = change.limits != nullptr ? *change.limits : usual;
  for (Send& send : change.sends) {
    const MessageOrigin origin{
        at(change.store).hash(change.key), change.fence.epoch, send.number, {}};
    if (sender.outbox.holds(change.fence.epoch, send.number)) continue;  // a reply was lost
    if (!sender.outbox.waits_for(send.store, send.key) &&
        receive_at(send.store, send.key, origin, send.message, limits).outcome !=
            Reception::Outcome::full)
      continue;
    const MessageView& m = send.message;
    sender.outbox.messages.push_back({send.store, std::string(send.key), change.fence.epoch,
                                      send.number, std::string(m.type), m.codec, m.priority,
                                      m.expires, Buffer(m.payload)});
    at(change.store).relaying.emplace(change.key);
  }
}

inline void Memory::read_one(ReadRequest& request) {
  const Record* record = find(request.store, request.key);
  request.record.now = db_->clock.wall();
  request.found = record != nullptr;
  if (record == nullptr) return;
  const TimePoint now = db_->clock.now();
  request.held = record->head.leased_at(now);
  request.holder = held_by(record->head, now);
  request.inbox_messages = record->inbox.messages.size();
  request.inbox_bytes = record->inbox.bytes;
  request.outbox_messages = record->outbox.messages.size();
  fill(request.record, *record);
  if (!request.wants_data) request.record.data = Buffer();
}

inline void Memory::post_one(PostRequest& request) {
  static constexpr RecordLimits usual;
  const RecordLimits& limits = request.limits != nullptr ? *request.limits : usual;
  const Reception got =
      receive_at(request.store, request.key, request.origin, request.message, limits);
  request.position = got.position;
  request.repeated = got.outcome == Reception::Outcome::repeated;
  if (got.outcome == Reception::Outcome::full)
    request.error = Error(Errc::full, "the inbox has no room; it empties when its owner plays");
  else if (got.outcome == Reception::Outcome::too_late)
    request.error =
        Error(Errc::refused,
              "this id was first tried so long ago that nobody can tell whether it took "
              "effect; it was not posted");
}

inline void Memory::relay_one(RelayRequest& request) {
  StoreState& state = at(request.store);
  request.now = db_->clock.wall();
  if (request.take_from.empty()) {
    for (auto key = state.relaying.upper_bound(request.after);
         key != state.relaying.end() && request.waiting.size() < request.most; ++key)
      request.waiting.push_back({*key, find(request.store, *key)->outbox.messages});
    return;
  }
  Record* record = find(request.store, request.take_from);
  if (record == nullptr) return;
  record->outbox.take_out(request.take);
  if (record->outbox.messages.empty())
    if (const auto key = state.relaying.find(request.take_from); key != state.relaying.end())
      state.relaying.erase(key);
}

inline void Memory::erase_one(EraseRequest& request) {
  static constexpr RecordLimits usual;
  const RecordLimits& limits = request.limits != nullptr ? *request.limits : usual;
  Record* record = find(request.store, request.key);
  request.found = record != nullptr;
  if (record == nullptr) return;
  StoreState& state = at(request.store);
  const Hash128 self = state.hash(request.key);
  auto& waiting = record->outbox.messages;
  while (!waiting.empty()) {
    const OutgoingMessage message = waiting.front();
    const Reception got =
        receive_at(message.store, message.key, {self, message.epoch, message.number, {}},
                   message.view(), limits);
    const bool sent = got.outcome != Reception::Outcome::full;
    if (!sent && !request.drop_outbox) {
      request.error =
          Error(Errc::full, "a message in the outbox has no room at " + message.key +
                                "; nothing was erased: try later, or erase with drop_outbox");
      return;
    }
    ++(sent ? request.sent : request.dropped);
    waiting.erase(waiting.begin());
  }
  db_->epochs = (std::max)(db_->epochs, record->head.fence.epoch) + 1;
  request.epoch = db_->epochs;
  state.tombstones[self] = {request.epoch, record->head.version};
  const bool asked = record->head.asked();
  state.relaying.erase(std::string(request.key));
  state.records.erase(state.records.find(request.key));
  if (asked) wake(request.store, request.key);
}

inline void Memory::scan_one(ScanRequest& request) {
  const std::size_t most = (std::max)(request.most, std::size_t{1});
  std::set<std::string_view> page;
  for (const auto& [key, record] : at(request.store).records) {
    if (!record.has_data || key <= request.after) continue;
    if (page.size() == most && key > *page.rbegin()) continue;
    page.insert(key);
    if (page.size() > most) page.erase(std::prev(page.end()));
  }
  request.keys.assign(page.begin(), page.end());
  request.next = request.keys.empty() ? request.after : request.keys.back();
  request.done = page.size() < most;
}

}  // namespace persist::inline PERSIST_ABI::backend

namespace persist::inline PERSIST_ABI::schema::detail {

/// Any number that is written in a program, as a template argument: compilers that do not take a
/// double there take this. It is exactly the number. Members are public because the language asks
/// that of such a type.
struct Exact {
  bool negative = false;
  std::uint64_t magnitude = 0;  ///< odd, or 0
  int exponent = 0;             ///< of two

  constexpr Exact() noexcept = default;
  template <std::integral T>
  constexpr Exact(T number) noexcept  // NOLINT(google-explicit-constructor): a number is what it is
      : negative(number < T{}), magnitude(size_of(number)) {
    strip();
  }
  constexpr Exact(double number) noexcept : negative(number < 0) {  // NOLINT: the same
    const auto bits = std::bit_cast<std::uint64_t>(number);
    const int field = static_cast<int>(bits >> 52 & 0x7ff);
    magnitude = bits & 0xfffffffffffff;
    if (field != 0) magnitude |= std::uint64_t{1} << 52;
    exponent = (field == 0 ? 1 : field) - 1075;
    strip();
  }

  [[nodiscard]] constexpr bool is_whole() const noexcept { return exponent >= 0; }
  /// Whether it is a T, without loss.
  template <class T>
  [[nodiscard]] constexpr bool fits() const noexcept {
    if constexpr (std::floating_point<T>) {
      return (magnitude >> std::numeric_limits<T>::digits) == 0;
    } else {
      if (magnitude == 0) return true;
      if (!is_whole() || exponent + static_cast<int>(std::bit_width(magnitude)) > 64) return false;
      const std::uint64_t size = magnitude << exponent;
      const auto most = static_cast<std::uint64_t>((std::numeric_limits<T>::max)());
      if (!negative) return size <= most;
      return std::is_signed_v<T> && size <= most + 1;
    }
  }
  /// The number as the T that it fits, or the nearest to it of floating point.
  template <class T>
  [[nodiscard]] constexpr T as() const noexcept {
    if constexpr (std::floating_point<T>) {
      double value = static_cast<double>(magnitude);
      for (int i = exponent; i < 0; ++i)
        value /= 2;
      for (int i = 0; i < exponent; ++i)
        value *= 2;
      return static_cast<T>(negative ? -value : value);
    } else {
      const std::uint64_t size = magnitude == 0 ? 0 : magnitude << exponent;
      return static_cast<T>(negative ? 0 - size : size);
    }
  }

 private:
  template <class T>
  static constexpr std::uint64_t size_of(T number) noexcept {
    const auto bits = static_cast<std::uint64_t>(number);
    return number < T{} ? 0 - bits : bits;
  }
  constexpr void strip() noexcept {
    if (magnitude == 0) {
      exponent = 0;
      negative = false;
      return;
    }
    exponent += std::countr_zero(magnitude);
    magnitude >>= std::countr_zero(magnitude);
  }
};

}  // namespace persist::inline PERSIST_ABI::schema::detail

namespace persist::inline PERSIST_ABI::detail {

/// A text that can be a template argument: `key::Prefixed<"Player_", …>`. Its members are public
/// because the language asks that of such a type.
template <std::size_t Size>
struct FixedString {
  char text[Size]{};

  constexpr FixedString(
      const char (&literal)[Size]) noexcept {  // NOLINT: a literal is the only thing it can be
    for (std::size_t i = 0; i < Size; ++i)
      text[i] = literal[i];
  }
  [[nodiscard]] constexpr std::string_view view() const noexcept { return {text, Size - 1}; }
};

}  // namespace persist::inline PERSIST_ABI::detail

// C++20 takes an aggregate apart only by a structured binding, and a binding has a fixed number of
// names: one overload for each number of members. Nothing else in the library knows how many there
// are.

namespace persist::inline PERSIST_ABI::schema::detail {

inline constexpr std::size_t most_members = 64;

template <std::size_t N>
using Count = std::integral_constant<std::size_t, N>;

/// Calls `use` with a reference to each member, in the order of their declaration.
template <class T, class F>
constexpr decltype(auto) bind(Count<0>, T&, F&& use) {
  return use();
}

#define PERSIST_BIND(N, ...)                                    \
  template <class T, class F>                                   \
  constexpr decltype(auto) bind(Count<N>, T& object, F&& use) { \
    auto& [__VA_ARGS__] = object;                               \
    return use(__VA_ARGS__);                                    \
  }

PERSIST_BIND(1, a)
PERSIST_BIND(2, a, b)
PERSIST_BIND(3, a, b, c)
PERSIST_BIND(4, a, b, c, d)
PERSIST_BIND(5, a, b, c, d, e)
PERSIST_BIND(6, a, b, c, d, e, g)
PERSIST_BIND(7, a, b, c, d, e, g, h)
PERSIST_BIND(8, a, b, c, d, e, g, h, i)
PERSIST_BIND(9, a, b, c, d, e, g, h, i, j)
PERSIST_BIND(10, a, b, c, d, e, g, h, i, j, k)
PERSIST_BIND(11, a, b, c, d, e, g, h, i, j, k, l)
PERSIST_BIND(12, a, b, c, d, e, g, h, i, j, k, l, m)
PERSIST_BIND(13, a, b, c, d, e, g, h, i, j, k, l, m, n)
PERSIST_BIND(14, a, b, c, d, e, g, h, i, j, k, l, m, n, o)
PERSIST_BIND(15, a, b, c, d, e, g, h, i, j, k, l, m, n, o, p)
PERSIST_BIND(16, a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q)
PERSIST_BIND(17, a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q, r)
PERSIST_BIND(18, a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q, r, s)
PERSIST_BIND(19, a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q, r, s, t)
PERSIST_BIND(20, a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u)
PERSIST_BIND(21, a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v)
PERSIST_BIND(22, a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w)
PERSIST_BIND(23, a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x)
PERSIST_BIND(24, a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y)
PERSIST_BIND(25, a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z)
PERSIST_BIND(26, a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, a2)
PERSIST_BIND(27, a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, a2, b2)
PERSIST_BIND(28, a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, a2, b2,
             c2)
PERSIST_BIND(29, a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, a2, b2,
             c2, d2)
PERSIST_BIND(30, a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, a2, b2,
             c2, d2, e2)
PERSIST_BIND(31, a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, a2, b2,
             c2, d2, e2, f2)
PERSIST_BIND(32, a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, a2, b2,
             c2, d2, e2, f2, g2)
PERSIST_BIND(33, a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, a2, b2,
             c2, d2, e2, f2, g2, h2)
PERSIST_BIND(34, a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, a2, b2,
             c2, d2, e2, f2, g2, h2, i2)
PERSIST_BIND(35, a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, a2, b2,
             c2, d2, e2, f2, g2, h2, i2, j2)
PERSIST_BIND(36, a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, a2, b2,
             c2, d2, e2, f2, g2, h2, i2, j2, k2)
PERSIST_BIND(37, a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, a2, b2,
             c2, d2, e2, f2, g2, h2, i2, j2, k2, l2)
PERSIST_BIND(38, a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, a2, b2,
             c2, d2, e2, f2, g2, h2, i2, j2, k2, l2, m2)
PERSIST_BIND(39, a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, a2, b2,
             c2, d2, e2, f2, g2, h2, i2, j2, k2, l2, m2, n2)
PERSIST_BIND(40, a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, a2, b2,
             c2, d2, e2, f2, g2, h2, i2, j2, k2, l2, m2, n2, o2)
PERSIST_BIND(41, a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, a2, b2,
             c2, d2, e2, f2, g2, h2, i2, j2, k2, l2, m2, n2, o2, p2)
PERSIST_BIND(42, a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, a2, b2,
             c2, d2, e2, f2, g2, h2, i2, j2, k2, l2, m2, n2, o2, p2, q2)
PERSIST_BIND(43, a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, a2, b2,
             c2, d2, e2, f2, g2, h2, i2, j2, k2, l2, m2, n2, o2, p2, q2, r2)
PERSIST_BIND(44, a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, a2, b2,
             c2, d2, e2, f2, g2, h2, i2, j2, k2, l2, m2, n2, o2, p2, q2, r2, s2)
PERSIST_BIND(45, a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, a2, b2,
             c2, d2, e2, f2, g2, h2, i2, j2, k2, l2, m2, n2, o2, p2, q2, r2, s2, t2)
PERSIST_BIND(46, a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, a2, b2,
             c2, d2, e2, f2, g2, h2, i2, j2, k2, l2, m2, n2, o2, p2, q2, r2, s2, t2, u2)
PERSIST_BIND(47, a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, a2, b2,
             c2, d2, e2, f2, g2, h2, i2, j2, k2, l2, m2, n2, o2, p2, q2, r2, s2, t2, u2, v2)
PERSIST_BIND(48, a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, a2, b2,
             c2, d2, e2, f2, g2, h2, i2, j2, k2, l2, m2, n2, o2, p2, q2, r2, s2, t2, u2, v2, w2)
PERSIST_BIND(49, a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, a2, b2,
             c2, d2, e2, f2, g2, h2, i2, j2, k2, l2, m2, n2, o2, p2, q2, r2, s2, t2, u2, v2, w2, x2)
PERSIST_BIND(50, a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, a2, b2,
             c2, d2, e2, f2, g2, h2, i2, j2, k2, l2, m2, n2, o2, p2, q2, r2, s2, t2, u2, v2, w2, x2,
             y2)
PERSIST_BIND(51, a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, a2, b2,
             c2, d2, e2, f2, g2, h2, i2, j2, k2, l2, m2, n2, o2, p2, q2, r2, s2, t2, u2, v2, w2, x2,
             y2, z2)
PERSIST_BIND(52, a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, a2, b2,
             c2, d2, e2, f2, g2, h2, i2, j2, k2, l2, m2, n2, o2, p2, q2, r2, s2, t2, u2, v2, w2, x2,
             y2, z2, a3)
PERSIST_BIND(53, a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, a2, b2,
             c2, d2, e2, f2, g2, h2, i2, j2, k2, l2, m2, n2, o2, p2, q2, r2, s2, t2, u2, v2, w2, x2,
             y2, z2, a3, b3)
PERSIST_BIND(54, a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, a2, b2,
             c2, d2, e2, f2, g2, h2, i2, j2, k2, l2, m2, n2, o2, p2, q2, r2, s2, t2, u2, v2, w2, x2,
             y2, z2, a3, b3, c3)
PERSIST_BIND(55, a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, a2, b2,
             c2, d2, e2, f2, g2, h2, i2, j2, k2, l2, m2, n2, o2, p2, q2, r2, s2, t2, u2, v2, w2, x2,
             y2, z2, a3, b3, c3, d3)
PERSIST_BIND(56, a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, a2, b2,
             c2, d2, e2, f2, g2, h2, i2, j2, k2, l2, m2, n2, o2, p2, q2, r2, s2, t2, u2, v2, w2, x2,
             y2, z2, a3, b3, c3, d3, e3)
PERSIST_BIND(57, a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, a2, b2,
             c2, d2, e2, f2, g2, h2, i2, j2, k2, l2, m2, n2, o2, p2, q2, r2, s2, t2, u2, v2, w2, x2,
             y2, z2, a3, b3, c3, d3, e3, f3)
PERSIST_BIND(58, a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, a2, b2,
             c2, d2, e2, f2, g2, h2, i2, j2, k2, l2, m2, n2, o2, p2, q2, r2, s2, t2, u2, v2, w2, x2,
             y2, z2, a3, b3, c3, d3, e3, f3, g3)
PERSIST_BIND(59, a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, a2, b2,
             c2, d2, e2, f2, g2, h2, i2, j2, k2, l2, m2, n2, o2, p2, q2, r2, s2, t2, u2, v2, w2, x2,
             y2, z2, a3, b3, c3, d3, e3, f3, g3, h3)
PERSIST_BIND(60, a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, a2, b2,
             c2, d2, e2, f2, g2, h2, i2, j2, k2, l2, m2, n2, o2, p2, q2, r2, s2, t2, u2, v2, w2, x2,
             y2, z2, a3, b3, c3, d3, e3, f3, g3, h3, i3)
PERSIST_BIND(61, a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, a2, b2,
             c2, d2, e2, f2, g2, h2, i2, j2, k2, l2, m2, n2, o2, p2, q2, r2, s2, t2, u2, v2, w2, x2,
             y2, z2, a3, b3, c3, d3, e3, f3, g3, h3, i3, j3)
PERSIST_BIND(62, a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, a2, b2,
             c2, d2, e2, f2, g2, h2, i2, j2, k2, l2, m2, n2, o2, p2, q2, r2, s2, t2, u2, v2, w2, x2,
             y2, z2, a3, b3, c3, d3, e3, f3, g3, h3, i3, j3, k3)
PERSIST_BIND(63, a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, a2, b2,
             c2, d2, e2, f2, g2, h2, i2, j2, k2, l2, m2, n2, o2, p2, q2, r2, s2, t2, u2, v2, w2, x2,
             y2, z2, a3, b3, c3, d3, e3, f3, g3, h3, i3, j3, k3, l3)
PERSIST_BIND(64, a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, a2, b2,
             c2, d2, e2, f2, g2, h2, i2, j2, k2, l2, m2, n2, o2, p2, q2, r2, s2, t2, u2, v2, w2, x2,
             y2, z2, a3, b3, c3, d3, e3, f3, g3, h3, i3, j3, k3, l3, m3)

#undef PERSIST_BIND

}  // namespace persist::inline PERSIST_ABI::schema::detail

// The only names of members, enumerators and types that C++20 gives are those a compiler puts into
// the text of a function's own name. This is what it takes to read that text; g++ and clang spell
// it differently, and both spellings are handled by the same rules.

namespace persist::inline PERSIST_ABI::schema::detail {

/// A letter of an identifier; bytes above 127 are letters of one that is not English.
[[nodiscard]] constexpr bool is_letter(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         static_cast<unsigned char>(c) >= 0x80;
}

[[nodiscard]] constexpr int nesting(char c) noexcept {
  if (c == '(' || c == '[' || c == '{' || c == '<') return 1;
  return c == ')' || c == ']' || c == '}' || c == '>' ? -1 : 0;
}

/// The last identifier in `text`: `value.S::coins))}` gives `coins`.
[[nodiscard]] constexpr std::string_view last_identifier(std::string_view text) noexcept {
  while (!text.empty() && !is_letter(text.back()))
    text.remove_suffix(1);
  std::size_t begin = text.size();
  while (begin != 0 && is_letter(text[begin - 1]))
    --begin;
  return text.substr(begin);
}

/// What stands for the template argument named `Pretty` in a function's name, to the closing
/// bracket.
[[nodiscard]] constexpr std::string_view pretty_argument(std::string_view function) noexcept {
  constexpr std::string_view mark = "Pretty = ";
  std::string_view text = function.substr(function.find(mark) + mark.size());
  text.remove_suffix(1);
  return text;
}

/// The parts of a pretty argument that is a pack of `Count`: both compilers put it in one pair of
/// brackets with commas between.
template <std::size_t Count>
[[nodiscard]] constexpr std::array<std::string_view, Count> split_pack(
    std::string_view text) noexcept {
  std::array<std::string_view, Count> parts{};
  text.remove_prefix(1);
  std::size_t begin = 0;
  std::size_t part = 0;
  int depth = 0;
  for (std::size_t at = 0; at < text.size() && part < Count; ++at) {
    const int step = nesting(text[at]);
    if ((depth == 0 && text[at] == ',') || depth + step < 0) {
      parts[part++] = text.substr(begin, at - begin);
      begin = at + 1;
      while (begin < text.size() && text[begin] == ' ')
        ++begin;
    }
    depth += step;
  }
  return parts;
}

}  // namespace persist::inline PERSIST_ABI::schema::detail

// Members of a plain aggregate, with their names, without a macro: how many there are is found by
// asking with how many initialisers the type can be made, the names are read from the addresses of
// the members of an object that does not exist. Both are paid for once per type.

namespace persist::inline PERSIST_ABI::schema::detail {

/// Converts to whatever a member is; only ever asked about, never called. `const`, so that a
/// constructor that takes anything wins over the conversion instead of being ambiguous; defined,
/// because clang looks into the constexpr constructors of members and misses it otherwise.
struct Anything {
  template <class U>
  operator U() const {  // NOLINT: a conversion is what it is for
    std::abort();
  }
};
template <std::size_t>
using AnythingAt = Anything;

/// Converts to the bases of T only.
template <class T>
struct AnyBaseOf {
  template <class U>
    requires(std::is_base_of_v<U, T> && !std::same_as<U, T>)
  operator U() const;  // NOLINT
};
template <class T>
concept has_a_base = requires { T{AnyBaseOf<T>{}}; };

// Aggregate initialisation takes any number of initialisers up to the number of members. With
// `Anything` for each, the greatest number that compiles is the number of members, but for C
// arrays: braces around their elements may be left out, so each element counts.
template <class T, std::size_t... I>
consteval bool takes(std::index_sequence<I...>) {
  return requires { T{AnythingAt<I>{}...}; };
}
/// The greatest number of initialisers in [Low, High] that T takes; T is known to take Low.
template <class T, std::size_t Low, std::size_t High>
consteval std::size_t count_initialisers() {
  if constexpr (Low == High) {
    return Low;
  } else {
    constexpr std::size_t middle = (Low + High + 1) / 2;
    if constexpr (takes<T>(std::make_index_sequence<middle>{})) {
      return count_initialisers<T, middle, High>();
    } else {
      return count_initialisers<T, Low, middle - 1>();
    }
  }
}

/// Whether `{}` can stand for the member after Before; for an array it stands for all elements, and
/// the initialisers that were counted for them are too many.
template <class T, std::size_t... Before, std::size_t... After>
consteval bool one_is_whole(std::index_sequence<Before...>, std::index_sequence<After...>) {
  return requires { T{AnythingAt<Before>{}..., {}, AnythingAt<After>{}...}; };
}
template <class T, std::size_t... Before, std::size_t... After>
consteval bool eight_are_whole(std::index_sequence<Before...>, std::index_sequence<After...>) {
  return requires {
    T{AnythingAt<Before>{}..., {}, {}, {}, {}, {}, {}, {}, {}, AnythingAt<After>{}...};
  };
}
/// Whether each initialiser stands for one member. Asked in groups of eight, as each question
/// costs.
template <class T, std::size_t N>
consteval bool members_are_whole() {
  if constexpr (N < 8) {
    return []<std::size_t... I>(std::index_sequence<I...>) {
      return (
          one_is_whole<T>(std::make_index_sequence<I>{}, std::make_index_sequence<N - 1 - I>{}) &&
          ...);
    }(std::make_index_sequence<N>{});
  } else {
    return []<std::size_t... G>(std::index_sequence<G...>) {
      constexpr auto begin = [](std::size_t group) {
        return group * 8 < N - 8 ? group * 8 : N - 8;
      };
      return (eight_are_whole<T>(std::make_index_sequence<begin(G)>{},
                                 std::make_index_sequence<N - 8 - begin(G)>{}) &&
              ...);
    }(std::make_index_sequence<(N + 7) / 8>{});
  }
}

/// The number of members; anything that would be counted wrong stops the compiler in words.
template <class T>
consteval std::size_t count_members() {
  static_assert(
      requires { T{}; }, "persist: a stored type must be default constructible");
  static_assert(
      !has_a_base<T>,
      "persist: an aggregate with a base class cannot be taken apart: make the base a member, or "
      "list its members in persist_fields");
  constexpr std::size_t count = count_initialisers<T, 0, most_members + 1>();
  static_assert(
      count <= most_members,
      "persist: an aggregate of more than 64 members needs a persist_fields list (a C array counts "
      "as its elements)");
  static_assert(
      count > most_members || members_are_whole<T, count>(),
      "persist: a C array cannot be a member of a stored aggregate, use std::array; nor can a type "
      "that has no default");
  static_assert(
      count > most_members ||
          !one_is_whole<T>(std::make_index_sequence<count>{}, std::make_index_sequence<0>{}),
      "persist: a member of this aggregate cannot be counted, as its type converts from anything: "
      "list the members in persist_fields");
  return count;
}

// clang warns that the object is not defined, which is the point of it.
#if defined(__clang__)
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wundefined-var-template"
#pragma clang diagnostic ignored "-Wundefined-internal"
#endif

template <class T>
struct Nowhere {
  T value;
  static const Nowhere object;  // never defined
};

/// Where a member lies, in a form that may be a template argument: a bare pointer to it may not.
struct Address {
  const void* at;
};
template <Address... Pretty>
consteval const char* pretty_addresses() {
  return PERSIST_FUNCTION_NAME;
}

/// Addresses of members are constants even of an object that is only declared. All in one array,
/// and not a function for each member: then a compiler's work grows with the number of members, not
/// its square.
template <class T, std::size_t N>
consteval std::array<Address, N> member_addresses() {
  return bind(Count<N>{}, Nowhere<T>::object.value,
              [](const auto&... member) { return std::array<Address, N>{Address{&member}...}; });
}

#if defined(__clang__)
#pragma clang diagnostic pop
#endif

template <class T, std::size_t N>
consteval std::array<std::string_view, N> member_names() {
  // The addresses must stay inside this function: an object that holds them would need the one they
  // point to.
  constexpr std::array<Address, N> at = member_addresses<T, N>();
  auto names = [&]<std::size_t... I>(std::index_sequence<I...>) {
    return split_pack<N>(pretty_argument(pretty_addresses<at[I]...>()));
  }(std::make_index_sequence<N>{});
  for (std::string_view& name : names)
    name = last_identifier(name);
  return names;
}

/// The description of a plain aggregate.
template <class T>
struct AggregateMembers {
  static constexpr std::size_t count = count_members<T>();
  static constexpr std::array<std::string_view, count> names = member_names<T, count>();

  template <class Object, class F>
  static constexpr decltype(auto) apply(Object& object, F&& use) {
    return bind(Count<count>{}, object, use);
  }
};

}  // namespace persist::inline PERSIST_ABI::schema::detail

#if PERSIST_HAS_HANA
#include <boost/hana/accessors.hpp>
#include <boost/hana/concept/struct.hpp>
#include <boost/hana/first.hpp>
#include <boost/hana/second.hpp>
#include <boost/hana/unpack.hpp>
#endif

// A struct's members by three ways, one description: a list in the type, Hana's macros, or none at
// all.

namespace persist::inline PERSIST_ABI {

template <auto... Members>
struct FieldList {};
template <auto Member, detail::FixedString Name>
struct NamedField {};

/// `static constexpr auto persist_fields = persist::fields<&T::coins, &T::level>;` in a type
/// describes it, private members and more than 64 included. Names are those of the members.
template <auto... Members>
inline constexpr FieldList<Members...> fields{};
/// A member in such a list that is stored under another name: `persist::field<&T::coins, "gold">`.
template <auto Member, detail::FixedString Name>
inline constexpr NamedField<Member, Name> field{};

namespace schema {
namespace detail {

using persist::detail::FixedString;

template <auto... Pretty>
consteval const char* pretty_pointers() {
  return PERSIST_FUNCTION_NAME;
}
/// The name of the member that a member pointer points to.
template <auto Member>
consteval std::string_view member_name() {
  static_assert(std::is_member_object_pointer_v<decltype(Member)>,
                "persist: a field is named by a pointer to a data member, like &Player::coins");
  return last_identifier(split_pack<1>(pretty_argument(pretty_pointers<Member>()))[0]);
}

template <auto Entry, class = decltype(Entry)>
struct ListedField {
  static constexpr auto pointer = Entry;
  static constexpr std::string_view name = member_name<Entry>();
};
template <auto Entry, auto Member, FixedString Name>
struct ListedField<Entry, const NamedField<Member, Name>> {
  static constexpr auto pointer = Member;
  static constexpr std::string_view name = Name.view();
};
template <auto Entry, auto Member, FixedString Name>
struct ListedField<Entry, NamedField<Member, Name>>
    : ListedField<Entry, const NamedField<Member, Name>> {};

/// The description of a type with a list: member pointers, so private members can be among them.
template <class List>
struct ListMembers;
template <auto... Entries>
struct ListMembers<FieldList<Entries...>> {
  static constexpr std::size_t count = sizeof...(Entries);
  static constexpr std::array<std::string_view, count> names{ListedField<Entries>::name...};

  template <class Object, class F>
  static constexpr decltype(auto) apply(Object& object, F&& use) {
    return use(object.*(ListedField<Entries>::pointer)...);
  }
};

template <class T>
concept lists_fields = requires { T::persist_fields; };

#if PERSIST_HAS_HANA
template <class T>
concept hana_struct = std::is_class_v<T> && boost::hana::Struct<T>::value;

template <class T>
struct HanaMembers {
  static constexpr auto names =
      boost::hana::unpack(boost::hana::accessors<T>(), [](auto... member) {
        return std::array<std::string_view, sizeof...(member)>{std::string_view(
            std::remove_cvref_t<decltype(boost::hana::first(member))>::c_str())...};
      });
  static constexpr std::size_t count = names.size();

  template <class Object, class F>
  static constexpr decltype(auto) apply(Object& object, F&& use) {
    return boost::hana::unpack(boost::hana::accessors<T>(), [&](auto... member) -> decltype(auto) {
      return use(boost::hana::second(member)(object)...);
    });
  }
};
#else
template <class T>
concept hana_struct = false;
template <class T>
struct HanaMembers;
#endif

/// How the fields of T are found: by its own list, by Hana, or as a plain aggregate, in that order.
/// Gives `count`, `names` in order of declaration, and `apply(object, use)`, which calls `use` with
/// a reference to each member.
template <class T>
struct Describe : AggregateMembers<T> {};
template <class T>
  requires lists_fields<T>
struct Describe<T> : ListMembers<std::remove_cv_t<decltype(T::persist_fields)>> {};
template <class T>
  requires(hana_struct<T> && !lists_fields<T>)
struct Describe<T> : HanaMembers<T> {};

template <class... Ts>
struct Types {};
template <class T>
using MemberTypes = decltype(Describe<T>::apply(std::declval<T&>(), [](auto&... member) {
  return Types<std::remove_cvref_t<decltype(member)>...>{};
}));

}  // namespace detail

/// The type says itself what its fields are, whatever else it may look like.
template <class T>
concept described = detail::lists_fields<T> || detail::hana_struct<T>;

/// How many fields a struct has, those included that a policy does not store.
template <class T>
inline constexpr std::size_t field_count = detail::Describe<std::remove_cv_t<T>>::count;

/// The name of a field as it is declared, or as persist_fields gives it; a policy may store it
/// under another.
template <class T, std::size_t I>
[[nodiscard]] constexpr std::string_view field_name() noexcept {
  return detail::Describe<std::remove_cv_t<T>>::names[I];
}

/// Calls `use(name, member)` for each field, in the order of declaration.
template <class T, class F>
constexpr void for_each_field(T& object, F&& use) {
  using Description = detail::Describe<std::remove_cv_t<T>>;
  Description::apply(object, [&](auto&... member) {
    [[maybe_unused]] std::size_t index = 0;
    (use(Description::names[index++], member), ...);
  });
}

}  // namespace schema

using schema::for_each_field;

}  // namespace persist::inline PERSIST_ABI

namespace persist::inline PERSIST_ABI {

/// The order of keys in a map that has to be the same wherever it is written: shorter first, then
/// by bytes. This is the order of RFC 8949, section 4.2.1, for keys that are text.
[[nodiscard]] constexpr bool canonical_less(std::string_view a, std::string_view b) noexcept {
  return a.size() != b.size() ? a.size() < b.size() : a < b;
}

/// Data whose shape only its record knows: null, bool, integers, reals, text, bytes, arrays and
/// maps.
///
/// Maps are kept in canonical order, so equality and bytes do not depend on how one was built. A
/// value nests as deep as it was built; one that was read, no deeper than the reader's limit, so
/// destroying it is safe whatever the input was.
class Value {
 public:
  enum class Kind : std::uint8_t {
    null,
    boolean,
    integer,           ///< fits into std::int64_t
    unsigned_integer,  ///< only those that do not
    single,            ///< a float
    real,              ///< a double
    text,
    bytes,
    array,
    map
  };
  struct Member;
  using Bytes = std::vector<std::byte>;
  using Array = std::vector<Value>;

  Value() noexcept = default;
  Value(std::nullptr_t) noexcept {}  // NOLINT(google-explicit-constructor): these are values
  Value(Array elements);             // NOLINT
  Value(Bytes bytes);                // NOLINT
  Value(std::string text);           // NOLINT
  template <class T>
    requires std::is_arithmetic_v<T>
  Value(T number) noexcept;                                   // NOLINT
  Value(std::string_view text) : Value(std::string(text)) {}  // NOLINT
  Value(const char* text) : Value(std::string(text)) {}       // NOLINT
  Value(const Value& other);
  Value(Value&& other) noexcept { swap(other); }
  Value& operator=(Value other) noexcept { return swap(other), *this; }
  ~Value();
  void swap(Value& other) noexcept { std::swap(kind_, other.kind_), std::swap(data_, other.data_); }

  /// `Value::array({1, "two", nullptr})`
  [[nodiscard]] static Value array(std::initializer_list<Value> elements = {});
  /// `Value::map({{"coins", 1}, {"name", "ada"}})`; of keys given twice the first counts.
  [[nodiscard]] static Value map(std::initializer_list<Member> members = {});
  /// A map of these members in any order; `corrupt`, naming the key, if one is there twice.
  [[nodiscard]] static Result<Value> map_of(std::vector<Member> members);

  [[nodiscard]] Kind kind() const noexcept { return kind_; }
  [[nodiscard]] bool is_null() const noexcept { return kind() == Kind::null; }
  [[nodiscard]] bool is_text() const noexcept { return kind() == Kind::text; }
  [[nodiscard]] bool is_array() const noexcept { return kind() == Kind::array; }
  [[nodiscard]] bool is_map() const noexcept { return kind() == Kind::map; }

  /// The value as a T, by the rules of a typed load: numbers convert where nothing is lost, what is
  /// missing takes its default, `schema_mismatch` names path, expected and found. Include
  /// schema/value.hpp to call it.
  template <class T>
  [[nodiscard]] Result<T> as() const;
  /// What is held, or null if it is of another kind. T is one of bool, std::int64_t, std::uint64_t,
  /// float, double, std::string, Bytes, Array.
  template <class T>
  [[nodiscard]] const T* get_if() const noexcept;

  /// How many elements or members; 0 for what has none.
  [[nodiscard]] std::size_t size() const noexcept;
  /// The elements of an array; none for what is no array.
  [[nodiscard]] std::span<const Value> elements() const noexcept;
  [[nodiscard]] std::span<Value> elements() noexcept;
  /// The members of a map in canonical order; none for what is no map.
  [[nodiscard]] std::span<const Member> members() const noexcept;

  /// The member of that name, or null; null too for what is no map. Time is logarithmic.
  [[nodiscard]] const Value* find(std::string_view key) const noexcept;
  [[nodiscard]] Value* find(std::string_view key) noexcept;
  /// The member of that name, or a null value: `value["settings"]["fov"]` never fails.
  [[nodiscard]] const Value& operator[](std::string_view key) const noexcept;
  /// The member of that name, made if it is not there; what is no map becomes one, and loses what
  /// it was. Making one moves those behind it: to build a large map, use `map_of`.
  [[nodiscard]] Value& operator[](std::string_view key);
  /// The element, or a null value where there is none. To change one, take it from elements().
  template <std::integral I>
  [[nodiscard]] const Value& operator[](I index) const noexcept {
    return element(static_cast<std::size_t>(index));
  }
  template <std::integral I>
  [[nodiscard]] const Value& operator[](I index) noexcept {
    return element(static_cast<std::size_t>(index));
  }
  /// Takes the member out and returns whether it was there. Moves those behind it.
  bool erase(std::string_view key);
  /// Appends to an array and returns the element; what is no array becomes one, and loses what it
  /// was.
  Value& push_back(Value element);
  /// Puts an element before the one at `index`, or at the end; returns whether there is such a
  /// place. Moves those behind it.
  bool insert(std::size_t index, Value element);
  /// Takes an element out of an array and returns whether it was there. Moves those behind it.
  bool erase_element(std::size_t index);

  /// Fills in what is missing from `defaults`, at every depth; see schema/value/reconcile.hpp,
  /// which is to be included to call it.
  std::size_t reconcile(Value defaults);
  /// A copy that shares nothing with this one, as every copy.
  [[nodiscard]] Value clone() const { return *this; }

  /// The same data. A float and a double of one value are equal, and so are two NaN.
  friend bool operator==(const Value& a, const Value& b) noexcept { return a.equals(b); }

 private:
  using Map = std::vector<Member>;
  [[nodiscard]] bool equals(const Value& other) const noexcept;
  std::size_t fill_in(const Value& defaults);
  [[nodiscard]] const Value& element(std::size_t index) const noexcept;
  [[nodiscard]] static Value of_map(Map members);
  [[nodiscard]] Map::iterator lower_bound(Map& map, std::string_view key) const noexcept;

  // By hand and not a std::variant: 16 bytes instead of 40, and half a second less in every unit.
  union Data {
    bool boolean;
    std::int64_t integer = 0;
    std::uint64_t unsigned_integer;
    float single;
    double real;
    std::string* text;
    Bytes* bytes;
    Array* array;
    Map* map;
  };
  Data data_;
  Kind kind_ = Kind::null;
};

struct Value::Member {
  std::string key;
  Value value;

  friend bool operator==(const Member& a, const Member& b) noexcept {
    return a.key == b.key && a.value == b.value;
  }
};

inline Value::Value(Array elements) : kind_(Kind::array) {
  data_.array = new Array(std::move(elements));
}
inline Value::Value(Bytes bytes) : kind_(Kind::bytes) {
  data_.bytes = new Bytes(std::move(bytes));
}
inline Value::Value(std::string text) : kind_(Kind::text) {
  data_.text = new std::string(std::move(text));
}
template <class T>
  requires std::is_arithmetic_v<T>
Value::Value(T number) noexcept {
  if constexpr (std::same_as<T, bool>) {
    kind_ = Kind::boolean, data_.boolean = number;
  } else if constexpr (std::same_as<T, float>) {
    kind_ = Kind::single, data_.single = number;
  } else if constexpr (std::floating_point<T>) {
    kind_ = Kind::real, data_.real = static_cast<double>(number);
  } else if (std::in_range<std::int64_t>(+number)) {
    kind_ = Kind::integer, data_.integer = static_cast<std::int64_t>(number);
  } else {
    kind_ = Kind::unsigned_integer, data_.unsigned_integer = static_cast<std::uint64_t>(number);
  }
}
inline Value::Value(const Value& other) : data_(other.data_), kind_(other.kind_) {
  if (kind_ == Kind::text) data_.text = new std::string(*other.data_.text);
  if (kind_ == Kind::bytes) data_.bytes = new Bytes(*other.data_.bytes);
  if (kind_ == Kind::array) data_.array = new Array(*other.data_.array);
  if (kind_ == Kind::map) data_.map = new Map(*other.data_.map);
}
inline Value::~Value() {
  if (kind_ == Kind::text) delete data_.text;
  if (kind_ == Kind::bytes) delete data_.bytes;
  if (kind_ == Kind::array) delete data_.array;
  if (kind_ == Kind::map) delete data_.map;
}
template <class T>
const T* Value::get_if() const noexcept {
  if constexpr (std::same_as<T, bool>)
    return kind_ == Kind::boolean ? &data_.boolean : nullptr;
  else if constexpr (std::same_as<T, std::int64_t>)
    return kind_ == Kind::integer ? &data_.integer : nullptr;
  else if constexpr (std::same_as<T, std::uint64_t>)
    return kind_ == Kind::unsigned_integer ? &data_.unsigned_integer : nullptr;
  else if constexpr (std::same_as<T, float>)
    return kind_ == Kind::single ? &data_.single : nullptr;
  else if constexpr (std::same_as<T, double>)
    return kind_ == Kind::real ? &data_.real : nullptr;
  else if constexpr (std::same_as<T, std::string>)
    return kind_ == Kind::text ? data_.text : nullptr;
  else if constexpr (std::same_as<T, Bytes>)
    return kind_ == Kind::bytes ? data_.bytes : nullptr;
  else if constexpr (std::same_as<T, Array>)
    return kind_ == Kind::array ? data_.array : nullptr;
  else
    static_assert(std::same_as<T, void>, "persist: a Value holds no such type: see Value::get_if");
}

inline Value Value::array(std::initializer_list<Value> elements) {
  return Value(Array(elements));
}

inline Value Value::of_map(Map members) {
  Value made;
  made.data_.map = new Map(std::move(members));
  made.kind_ = Kind::map;
  return made;
}
inline Value Value::map(std::initializer_list<Member> members) {
  Map map(members);
  std::stable_sort(map.begin(), map.end(),
                   [](const Member& a, const Member& b) { return canonical_less(a.key, b.key); });
  map.erase(std::unique(map.begin(), map.end(),
                        [](const Member& a, const Member& b) { return a.key == b.key; }),
            map.end());
  return of_map(std::move(map));
}

inline Result<Value> Value::map_of(std::vector<Member> members) {
  std::sort(members.begin(), members.end(),
            [](const Member& a, const Member& b) { return canonical_less(a.key, b.key); });
  const auto twice =
      std::adjacent_find(members.begin(), members.end(),
                         [](const Member& a, const Member& b) { return a.key == b.key; });
  if (twice != members.end())
    return Error(Errc::corrupt, "a map has the key '" + twice->key + "' twice");
  return of_map(std::move(members));
}

inline std::size_t Value::size() const noexcept {
  return elements().size() + members().size();
}
inline std::span<const Value> Value::elements() const noexcept {
  return is_array() ? std::span<const Value>(*data_.array) : std::span<const Value>();
}
inline std::span<Value> Value::elements() noexcept {
  return is_array() ? std::span<Value>(*data_.array) : std::span<Value>();
}
inline std::span<const Value::Member> Value::members() const noexcept {
  return is_map() ? std::span<const Member>(*data_.map) : std::span<const Member>();
}

inline Value::Map::iterator Value::lower_bound(Map& map, std::string_view key) const noexcept {
  return std::lower_bound(map.begin(), map.end(), key,
                          [](const Member& member, std::string_view wanted) {
                            return canonical_less(member.key, wanted);
                          });
}
inline Value* Value::find(std::string_view key) noexcept {
  if (!is_map()) return nullptr;
  Map& map = *data_.map;
  const auto at = lower_bound(map, key);
  return at != map.end() && at->key == key ? &at->value : nullptr;
}
inline const Value* Value::find(std::string_view key) const noexcept {
  return const_cast<Value*>(this)->find(key);  // NOLINT: find changes nothing
}
inline const Value& Value::operator[](std::string_view key) const noexcept {
  static const Value null{};
  const Value* found = find(key);
  return found ? *found : null;
}
inline Value& Value::operator[](std::string_view key) {
  if (!is_map()) *this = of_map({});
  Map& map = *data_.map;
  auto at = lower_bound(map, key);
  if (at == map.end() || at->key != key) at = map.insert(at, Member{std::string(key), Value()});
  return at->value;
}
inline const Value& Value::element(std::size_t index) const noexcept {
  static const Value null{};
  return index < elements().size() ? elements()[index] : null;
}
inline bool Value::erase(std::string_view key) {
  if (!is_map()) return false;
  const auto at = lower_bound(*data_.map, key);
  if (at == data_.map->end() || at->key != key) return false;
  return data_.map->erase(at), true;
}
inline Value& Value::push_back(Value element) {
  if (!is_array()) *this = Value(Array());
  return data_.array->emplace_back(std::move(element));
}
inline bool Value::insert(std::size_t index, Value element) {
  if (!is_array() || index > size()) return false;
  data_.array->insert(data_.array->begin() + static_cast<std::ptrdiff_t>(index),
                      std::move(element));
  return true;
}
inline bool Value::erase_element(std::size_t index) {
  if (index >= elements().size()) return false;
  data_.array->erase(data_.array->begin() + static_cast<std::ptrdiff_t>(index));
  return true;
}

inline bool Value::equals(const Value& other) const noexcept {
  const auto is_real = [](Kind kind) { return kind == Kind::single || kind == Kind::real; };
  if (is_real(kind_) && is_real(other.kind_)) {
    const double a = kind_ == Kind::single ? static_cast<double>(data_.single) : data_.real;
    const double b =
        other.kind_ == Kind::single ? static_cast<double>(other.data_.single) : other.data_.real;
    return a == b || (a != a && b != b);
  }
  if (kind_ != other.kind_) return false;
  switch (kind_) {
    case Kind::boolean:
      return data_.boolean == other.data_.boolean;
    case Kind::integer:
      return data_.integer == other.data_.integer;
    case Kind::unsigned_integer:
      return data_.unsigned_integer == other.data_.unsigned_integer;
    case Kind::text:
      return *data_.text == *other.data_.text;
    case Kind::bytes:
      return *data_.bytes == *other.data_.bytes;
    case Kind::array:
      return *data_.array == *other.data_.array;
    case Kind::map:
      return *data_.map == *other.data_.map;
    case Kind::null:
    case Kind::single:
    case Kind::real:
      break;
  }
  return true;
}

}  // namespace persist::inline PERSIST_ABI

namespace persist::inline PERSIST_ABI {

/// How a partial record becomes a whole value: what a member gets that the record does not have.
/// `using reconcile = persist::reconcile::Strict;` in a Data policy; Deep unless told.
namespace reconcile {
/// The member's default, at every depth, in elements and map values too.
struct Deep {};
/// The same for members of the root; below it a missing one is `schema_mismatch`.
struct Shallow {};
/// Nothing: a missing one is `schema_mismatch` wherever it is.
struct Strict {};
/// No default: what its type is when empty. Zero, false, an empty text, list or optional; a struct
/// of such.
struct None {};
}  // namespace reconcile

/// What a record holds in the place of a member and cannot be read into it.
struct Mismatch {
  std::string_view member;    ///< the path of the member
  std::string_view path;      ///< where in it: the member itself, or an element
  std::string_view expected;  ///< in words
  std::string_view found;
  const Value& value;  ///< all that is stored for the member
};

/// What becomes of such a member: the answer of a policy's hook `mismatch(const Mismatch&)`.
class OnMismatch {
 public:
  enum class Kind : std::uint8_t { fail, keep_default, convert };

  /// The record is refused.
  [[nodiscard]] static OnMismatch fail() { return {Kind::fail, Value()}; }
  /// The member keeps its default, and what is stored is written back as long as it does. Where
  /// nothing can be kept, in elements that nothing identifies, the record is refused.
  [[nodiscard]] static OnMismatch keep_default() { return {Kind::keep_default, Value()}; }
  /// The member is read from this value. If that does not fit either, the record is refused.
  [[nodiscard]] static OnMismatch convert(Value to) { return {Kind::convert, std::move(to)}; }

  [[nodiscard]] Kind kind() const noexcept { return kind_; }
  [[nodiscard]] const Value& value() const noexcept { return value_; }

 private:
  OnMismatch(Kind kind, Value value) : kind_(kind), value_(std::move(value)) {}

  Kind kind_;
  Value value_;
};

namespace schema::detail {

template <class Policy>
struct ReconcileOf {
  using type = persist::reconcile::Deep;
};
template <class Policy>
  requires requires { typename Policy::reconcile; }
struct ReconcileOf<Policy> {
  using type = typename Policy::reconcile;
};

template <class Mode>
inline constexpr bool is_reconcile_mode = std::is_same_v<Mode, persist::reconcile::Deep> ||
                                          std::is_same_v<Mode, persist::reconcile::Shallow> ||
                                          std::is_same_v<Mode, persist::reconcile::Strict> ||
                                          std::is_same_v<Mode, persist::reconcile::None>;

/// Who is asked about what does not fit: the policy, or void.
template <class Policy>
struct MismatchHandlerOf {
  using type = void;
};
template <class Policy>
  requires requires { requires Policy::has_mismatch; }
struct MismatchHandlerOf<Policy> {
  using type = Policy;
};

}  // namespace schema::detail
}  // namespace persist::inline PERSIST_ABI

namespace persist::inline PERSIST_ABI {

/// Attributes of members, given from outside: `using fields = persist::Fields<...>` in a Data
/// policy. They hold for a struct wherever it occurs in the data.
template <class... Attributes>
struct Fields {};

namespace schema::detail {
template <class Member, class Owner>
Owner owner_of(Member Owner::*);

template <auto Member>
struct Attribute {
  using owner = decltype(owner_of(Member));
  static constexpr std::string_view member = member_name<Member>();
  static constexpr bool identity = false;
  static constexpr bool transient = false;
  static constexpr std::string_view stored_name{};
  /// Another name under which the member is read, and perhaps written.
  static constexpr std::string_view other_name{};
  static constexpr bool writes_other = false;
  static constexpr bool limited = false;
  static constexpr Exact quantum{};
};
}  // namespace schema::detail

/// The member tells elements of a sequence apart, so that unknown fields find theirs again after it
/// moved.
template <auto Member>
struct Identity : schema::detail::Attribute<Member> {
  static constexpr bool identity = true;
};
/// The member is stored under another name.
template <auto Member, detail::FixedString Name>
struct Renamed : schema::detail::Attribute<Member> {
  static constexpr std::string_view stored_name = Name.view();
};
/// The member is not stored; a load leaves its default.
template <auto Member>
struct Transient : schema::detail::Attribute<Member> {
  static constexpr bool transient = true;
};

/// The member is written under its own name and under that one, so that it can be renamed while
/// servers are updated: builds that know only the old name go on reading and writing it. Where the
/// two differ the old name counts, because only a build that knows no other changed it. The build
/// after that says `Formerly`.
template <auto Member, detail::FixedString Name>
struct AlsoWrites : schema::detail::Attribute<Member> {
  static constexpr std::string_view other_name = Name.view();
  static constexpr bool writes_other = true;
};
/// The member had another name: it is read from there where its own is missing, and written under
/// its own alone. For as long as there are records with the old name.
template <auto Member, detail::FixedString Name>
struct Formerly : schema::detail::Attribute<Member> {
  static constexpr std::string_view other_name = Name.view();
};
/// The number, or the size of a text or container, lies between the two, or is one of them. Else
/// the record is not loaded and not saved: `invalid`, naming the member.
template <auto Member, schema::detail::Exact Min, schema::detail::Exact Max>
struct Limited : schema::detail::Attribute<Member> {
  static constexpr bool limited = true;
  static constexpr schema::detail::Exact min = Min;
  static constexpr schema::detail::Exact max = Max;
};
/// The number is written as the nearest multiple of the step, and so are numbers in a list, an
/// array or an optional: `persist::Quantised<&Player::x, 0.01>`. The member itself is left alone.
template <auto Member, schema::detail::Exact Step>
struct Quantised : schema::detail::Attribute<Member> {
  static constexpr schema::detail::Exact quantum = Step;
};

namespace schema {

/// What is written without a Data policy, like a message: it is taken, not written back, so what is
/// unknown in it is let go.
struct NoPolicy {
  static constexpr bool drop_unknown = true;
};

namespace detail {

template <class Policy>
concept has_attributes = requires { typename Policy::fields; };
template <class Policy>
concept says_drop = requires { Policy::drop_unknown; };

template <class Policy>
struct FieldsOf {
  using type = Fields<>;
};
template <has_attributes Policy>
struct FieldsOf<Policy> {
  using type = typename Policy::fields;
};

template <class Policy>
consteval bool drops_unknown() {
  if constexpr (says_drop<Policy>)
    return Policy::drop_unknown;
  else
    return false;
}

/// All that the walks need to know of a policy, so that policies that say the same share their
/// walks.
template <class Attributes, bool Drops, class Reconcile, class Mismatch>
struct Rules;
template <class... Attributes, bool Drops, class Reconcile, class Mismatch>
struct Rules<Fields<Attributes...>, Drops, Reconcile, Mismatch> {
  static constexpr bool drops_unknown = Drops;
  using reconcile = Reconcile;
  /// Who says what becomes of what does not fit, or void.
  using mismatch_handler = Mismatch;
  static constexpr bool asks = !std::is_void_v<Mismatch>;
  static constexpr bool has_other_names = (!Attributes::other_name.empty() || ...);
  static constexpr bool has_limits = (Attributes::limited || ...);
  static constexpr bool quantises = ((Attributes::quantum.magnitude != 0) || ...);

  /// Calls `use` with each attribute of a member of T.
  template <class T, class F>
  static constexpr void each(F&& use) {
    (
        [&] {
          if constexpr (std::is_same_v<typename Attributes::owner, T>) use(Attributes{});
        }(),
        ...);
  }
};
template <class Policy>
using RulesOf = Rules<typename FieldsOf<Policy>::type, drops_unknown<Policy>(),
                      typename ReconcileOf<Policy>::type, typename MismatchHandlerOf<Policy>::type>;

}  // namespace detail
}  // namespace schema
}  // namespace persist::inline PERSIST_ABI

namespace persist::inline PERSIST_ABI::schema {

/// What a reader stands before. Types are walked in these words, so that a format knows no type and
/// a type knows no format.
enum class Token : std::uint8_t {
  null,
  boolean,
  integer,
  real,
  text,
  bytes,
  array,
  map,
  end,  ///< nothing is left
  bad   ///< the next bytes are no item; reading it says why
};

/// What became of the offer to read an item without looking at its tokens, which a reader makes
/// that knows the type of what was written.
enum class Direct : std::uint8_t { no, done, failed };

/// The word for it in a message.
[[nodiscard]] constexpr std::string_view name(Token token) noexcept {
  constexpr std::string_view names[] = {
      "null",  "a boolean", "an integer", "a real",           "a text",
      "bytes", "an array",  "a map",      "the end of input", "no item"};
  return names[static_cast<std::uint8_t>(token)];
}

/// An integer as wide as a format can hold: the value, or -1 - magnitude.
struct Integer {
  bool negative = false;
  std::uint64_t magnitude = 0;
};

/// A floating point number, and whether it was stored in 32 bits or fewer.
struct Real {
  double value = 0;
  bool single = false;
  /// It stands for an integer that no integer of the format holds, so its digits are not exact.
  bool rounded = false;
};

/// What one input may cost; checked before anything is allocated, `too_large` beyond.
struct Limits {
  std::size_t bytes = std::size_t{64} << 20;
  std::size_t elements = 4'000'000;
  std::uint32_t depth = 128;
};

/// For what was stored as one record, whose own limit held when it was written: it is read again
/// whatever its size, and no item is smaller than a byte.
[[nodiscard]] constexpr Limits limits_of_record(std::size_t bytes) noexcept {
  Limits limits;
  if (bytes > limits.bytes) limits.bytes = bytes;
  if (bytes > limits.elements) limits.elements = bytes;
  return limits;
}

}  // namespace persist::inline PERSIST_ABI::schema

// What a record holds and this build has no member for. It is kept as the bytes it came in, and
// goes back to the place it came from.

namespace persist::inline PERSIST_ABI {
namespace schema {

/// One item that was not understood: its bytes and how to read them, or a value if it came as one.
struct Kept {
  Buffer raw;
  bool (*decode)(ByteView raw, Value& into) = nullptr;  // tells the formats apart as well
  Value value;

  friend bool operator==(const Kept&, const Kept&) = default;
};

/// What is kept at one place and, by steps (field names, map keys, identities), below it.
struct KeptNode {
  /// An enum or variant value that this build does not know, or what did not fit a member at all,
  /// and what the member holds in its place.
  struct Replaced {
    std::string name;  // of the variant's alternative
    Kept item;
    Value placeholder;
    bool is_whole = false;  // the item is all of the member, whatever its kind

    friend bool operator==(const Replaced&, const Replaced&) = default;
  };

  std::map<std::string, Kept, std::less<>> fields;
  std::map<std::string, std::unique_ptr<KeptNode>, std::less<>> below;
  std::unique_ptr<Replaced> replaced;
  mutable bool reached =
      false;  // by the walk that is under way: what no walk reaches has lost its place

  mutable bool overwritten = false;  // the member holds something else than what was kept of it

  [[nodiscard]] bool empty() const noexcept { return fields.empty() && below.empty() && !replaced; }

  [[nodiscard]] std::unique_ptr<KeptNode> clone() const {
    auto copy = std::make_unique<KeptNode>();
    copy->fields = fields;
    for (const auto& [step, node] : below)
      copy->below.emplace(step, node->clone());
    if (replaced) copy->replaced = std::make_unique<Replaced>(*replaced);
    return copy;
  }

  [[nodiscard]] bool equals(const KeptNode& other) const {
    const auto same_node = [](const auto& a, const auto& b) {
      return a.first == b.first && a.second->equals(*b.second);
    };
    const bool same_place =
        replaced && other.replaced ? *replaced == *other.replaced : !replaced && !other.replaced;
    return same_place && fields == other.fields && below.size() == other.below.size() &&
           std::equal(below.begin(), below.end(), other.below.begin(), same_node);
  }

  /// Forgets what the last walk did not reach, and what was kept of a member that was changed or
  /// emptied: one that is changed back or filled again holds what the game put there.
  void prune() {
    if (std::exchange(overwritten, false)) replaced.reset(), fields.clear();
    std::erase_if(below,
                  [](const auto& entry) { return !std::exchange(entry.second->reached, false); });
    for (const auto& [step, node] : below)
      node->prune();
  }
  /// Takes back the marks of a walk that failed, or the next one would find them.
  void unmark() const noexcept {
    reached = overwritten = false;
    for (const auto& [step, node] : below)
      node->unmark();
  }
};

}  // namespace schema

/// A member of this type holds what is unknown in its struct and everything below, and so travels
/// with the value when elements of a sequence move. One pointer when empty.
class Unknown {
 public:
  Unknown() noexcept = default;
  Unknown(const Unknown& other) : node_(other.node_ ? other.node_->clone() : nullptr) {}
  Unknown(Unknown&&) noexcept = default;
  Unknown& operator=(Unknown other) noexcept { return node_.swap(other.node_), *this; }
  ~Unknown() = default;

  [[nodiscard]] bool empty() const noexcept { return !node_ || node_->empty(); }
  /// The same fields with the same bytes, so that a struct with such a member can be compared.
  friend bool operator==(const Unknown& a, const Unknown& b) {
    return a.empty() || b.empty() ? a.empty() == b.empty() : a.node_->equals(*b.node_);
  }
  /// The slot the walks fill and read.
  [[nodiscard]] std::unique_ptr<schema::KeptNode>& node() noexcept { return node_; }
  [[nodiscard]] const std::unique_ptr<schema::KeptNode>& node() const noexcept { return node_; }

 private:
  std::unique_ptr<schema::KeptNode> node_;
};

/// What is unknown in a record that is loaded. It belongs to the session, not to the value. One
/// pointer when empty.
class UnknownFields {
 public:
  [[nodiscard]] bool empty() const noexcept {
    return !state_ || !state_->root || state_->root->empty();
  }
  /// Places where something could not be kept, each once, for a signal to name them:
  /// `inventory[3].sockets`. At most 32; `dropped_count` has them all.
  [[nodiscard]] const std::vector<std::string>& dropped() const noexcept {
    static const std::vector<std::string> none;
    return state_ ? state_->dropped : none;
  }
  [[nodiscard]] std::size_t dropped_count() const noexcept {
    return state_ ? state_->dropped_count : 0;
  }
  void forget_dropped() noexcept {
    if (state_) state_->dropped.clear(), state_->dropped_count = 0;
  }
  void clear() noexcept { state_.reset(); }
  /// The same fields for a copy of the record; what was dropped is the original's to report.
  [[nodiscard]] UnknownFields clone() const {
    UnknownFields copy;
    if (root()) copy.state().root = root()->clone();
    return copy;
  }

  // For the walks.
  [[nodiscard]] const schema::KeptNode* root() const noexcept {
    return state_ ? state_->root.get() : nullptr;
  }
  /// The root, made if there is none.
  [[nodiscard]] schema::KeptNode& make_root() {
    if (!state().root) state().root = std::make_unique<schema::KeptNode>();
    return *state().root;
  }
  void drop(std::string path) {
    const auto& named = dropped();
    if (std::find(named.begin(), named.end(), path) != named.end()) return;
    if (state().dropped.size() < 32) state().dropped.push_back(std::move(path));
    ++state().dropped_count;
  }
  void prune() {
    if (state_ && state_->root) state_->root->prune();
  }

 private:
  struct State {
    std::unique_ptr<schema::KeptNode> root;
    std::vector<std::string> dropped;
    std::size_t dropped_count = 0;
  };
  [[nodiscard]] State& state() {
    if (!state_) state_ = std::make_unique<State>();
    return *state_;
  }

  std::unique_ptr<State> state_;
};

}  // namespace persist::inline PERSIST_ABI

// The Codec axis: how data becomes bytes.
//
// A codec is a struct of static members:
//
// * `id -> std::uint16_t`: what a record says wrote it. Unique, never renumbered; 1 to 1023 are the
//   library's.
// * `name -> std::string_view`: for people.
// * `encode<Policy>(const T&, UnknownFields&, Buffer&) -> Result<void>`: appends the data, and what
//   is kept of fields that this build does not know.
// * `decode<Policy>(ByteView, T&, UnknownFields&, schema::Limits) -> Result<void>`: fills a fresh
//   value. What it has no member for goes to the unknown fields.
//
// Laws. What was encoded decodes to equal data. Equal data is equal bytes. A failed encode leaves
// the buffer as it was; a failed decode leaves a scratch value that is thrown away. Bytes are
// hostile: no input crashes, hangs, or takes memory out of proportion to its size. What a codec
// cannot keep it refuses (`invalid`), at the latest when it encodes.
//
// Models: codec::Packed, codec::Cbor, codec::Json, codec::Suphi, codec::AnyOf.

namespace persist::inline PERSIST_ABI {

/// The codec can be named in a record, and to a person.
template <class C>
concept names_itself = requires {
  { C::id } -> std::convertible_to<std::uint16_t>;
  { C::name } -> std::convertible_to<std::string_view>;
};

template <class C, class T, class Policy = schema::NoPolicy>
concept encodes = requires(const T& data, UnknownFields& unknown, Buffer& out) {
  { C::template encode<Policy>(data, unknown, out) } -> std::same_as<Result<void>>;
};

template <class C, class T, class Policy = schema::NoPolicy>
concept decodes =
    requires(ByteView bytes, T& scratch, UnknownFields& unknown, schema::Limits limits) {
      { C::template decode<Policy>(bytes, scratch, unknown, limits) } -> std::same_as<Result<void>>;
    };

/// As in `template <codec_for<PlayerData> Codec>`.
template <class C, class T, class Policy = schema::NoPolicy>
concept codec_for = names_itself<C> && encodes<C, T, Policy> && decodes<C, T, Policy>;

/// It reads what others wrote too, as `codec::AnyOf`: `reads(id)` says whose, `names()` says it to
/// a person, and `decode_from` is `decode` with the id in front.
template <class C>
concept reads_others = requires {
  { C::reads(C::id) } -> std::same_as<bool>;
  { C::names() } -> std::convertible_to<std::string>;
};

namespace codec {

/// The ids of the library's codecs. They are in every record: never renumber.
inline constexpr std::uint16_t cbor_id = 1;
inline constexpr std::uint16_t json_id = 2;
inline constexpr std::uint16_t packed_id = 3;
inline constexpr std::uint16_t suphi_id = 4;         ///< with its 3 decimals
inline constexpr std::uint16_t suphi_first_id = 32;  ///< to 47: with as many decimals, from 0 on

/// The id of `Suphi` with so many decimals.
[[nodiscard]] constexpr std::uint16_t suphi_id_of(int decimals) noexcept {
  return decimals == 3 ? suphi_id : static_cast<std::uint16_t>(suphi_first_id + decimals);
}

/// The decimals of a `Suphi` of that id, or -1 where it is another codec's.
[[nodiscard]] constexpr int suphi_decimals_of(std::uint16_t id) noexcept {
  if (id == suphi_id) return 3;
  return id >= suphi_first_id && id < suphi_first_id + 16 ? id - suphi_first_id : -1;
}

/// What a person calls the codec of that id: its name where it is one of the library's, else its
/// number.
[[nodiscard]] inline std::string name_of(std::uint16_t id) {
  switch (id) {
    case cbor_id:
      return "cbor";
    case json_id:
      return "json";
    case packed_id:
      return "packed";
    case suphi_id:
      return "suphi";
    default:
      break;
  }
  if (const int decimals = suphi_decimals_of(id); decimals >= 0)
    return "suphi with " + std::to_string(decimals) + " decimals";
  return "number " + std::to_string(id);
}

}  // namespace codec

}  // namespace persist::inline PERSIST_ABI

namespace persist::inline PERSIST_ABI::codec {

/// Reads what any of the codecs wrote, and writes `C`.
///
/// A store moves to another codec in two deployments, because servers of two builds share its
/// records meanwhile: first all of them read both and write the old one (`AnyOf<Old, New>`), then
/// `AnyOf<New, Old>`. A record moves with its next save; one that is loaded and released is written
/// even if nothing in it changed.
template <class C, class... Old>
struct AnyOf : C {
  static constexpr bool ids_differ = [] {
    const std::uint16_t ids[] = {C::id, Old::id...};
    for (std::size_t i = 0; i < sizeof...(Old); ++i)
      for (std::size_t j = i + 1; j <= sizeof...(Old); ++j)
        if (ids[i] == ids[j]) return false;
    return true;
  }();
  static_assert(ids_differ, "persist: AnyOf names each codec once");

  [[nodiscard]] static constexpr bool reads(std::uint16_t codec) noexcept {
    return codec == C::id || ((codec == Old::id) || ...);
  }
  /// What it reads, for a person.
  [[nodiscard]] static std::string names() {
    std::string all(C::name);
    ((all += " or " + std::string(Old::name)), ...);
    return all;
  }

  using C::decode;
  /// Decodes what that codec wrote, which must be one of those it reads.
  template <class Policy, class T>
  [[nodiscard]] static Result<void> decode_from(std::uint16_t codec, ByteView bytes, T& scratch,
                                                UnknownFields& unknown, schema::Limits limits) {
    Result<void> read = success;
    const auto try_one = [&]<class Each>(const Each*) {
      if (Each::id != codec) return false;
      read = Each::template decode<Policy>(bytes, scratch, unknown, limits);
      return true;
    };
    (void)(try_one(static_cast<const C*>(nullptr)) ||
           (try_one(static_cast<const Old*>(nullptr)) || ...));
    return read;
  }
};

}  // namespace persist::inline PERSIST_ABI::codec

namespace persist::inline PERSIST_ABI::codec {

/// What the readers of all formats share: the input, where they stand in it, what it may cost, and
/// the first failure.
///
/// A failure stays: every later call returns false and changes nothing but the position. Nothing
/// here recurses or allocates in proportion to what the input claims.
class Input {
 public:
  /// The deepest nesting any reader follows, whatever `Limits` says: open containers are kept in
  /// the object.
  static constexpr std::uint32_t deepest = 128;

  Input(const Input&) = delete;
  Input& operator=(const Input&) = delete;

  /// Whether nothing failed so far.
  [[nodiscard]] bool ok() const noexcept { return ok_; }
  /// The position of the next byte.
  [[nodiscard]] std::size_t offset() const noexcept { return at_; }
  /// Keeps the first failure; returns false, so that it can be returned.
  bool fail(Error error) {
    if (ok_) error_ = std::move(error);
    return ok_ = false;
  }
  /// The failure. Only after `ok()` said false.
  [[nodiscard]] Error take_error() { return std::move(error_); }

  /// A place before an item, to come back to from anywhere in it.
  struct Mark {
    std::size_t at;
    std::size_t elements;
    std::uint32_t depth;
  };
  [[nodiscard]] Mark mark() const noexcept { return {at_, elements_, depth_}; }
  /// Goes back there; a failure that came after it is forgotten.
  void rewind(const Mark& to) noexcept {
    at_ = to.at, elements_ = to.elements, depth_ = to.depth;
    ok_ = true;
  }

 protected:
  /// An array or map that was begun and not ended.
  struct Frame {
    std::uint64_t left;  ///< elements or pairs still to come, where the format says how many
    bool map;
    bool begun;  ///< whether an element was there
  };

  Input(std::string_view format, ByteView bytes, schema::Limits limits)
      : begin_(reinterpret_cast<const char*>(bytes.data())),
        size_(bytes.size()),
        format_(format),
        elements_((std::min)(limits.elements, bytes.size())),
        elements_are_limited_(limits.elements < bytes.size()),
        depth_limit_((std::min)(limits.depth, deepest)) {
    if (bytes.size() > limits.bytes) {
      too_large(std::to_string(bytes.size()) + " bytes, and the limit is " +
                std::to_string(limits.bytes));
    }
  }
  ~Input() = default;

  [[nodiscard]] bool at_end() const noexcept { return at_ == size_; }
  [[nodiscard]] std::size_t left() const noexcept { return size_ - at_; }
  [[nodiscard]] char next() const noexcept { return begin_[at_]; }
  [[nodiscard]] std::string_view view(std::size_t from, std::size_t size) const noexcept {
    return {begin_ + from, size};
  }

  bool corrupt(std::string what) { return corrupt_at(at_, std::move(what)); }
  bool corrupt_at(std::size_t where, std::string what) {
    return fail({Errc::corrupt, std::string(format_) + " at byte " + std::to_string(where) + ": " +
                                    std::move(what)});
  }
  bool too_large(std::string what) {
    return fail({Errc::too_large, std::string(format_) + " at byte " + std::to_string(at_) + ": " +
                                      std::move(what)});
  }
  bool cut_short() { return corrupt("the input ends in the middle of an item"); }
  /// Another token than the one that was asked for: `schema_mismatch`, without a path, which the
  /// walk knows; `corrupt` where there is none at all.
  bool mismatch(std::string_view expected, schema::Token found) {
    if (found == schema::Token::bad) return false;  // peek has said why
    if (found == schema::Token::end) {
      return at_end() ? cut_short() : corrupt("an end where a value must be");
    }
    return fail(Error(Errc::schema_mismatch)
                    .at({}, std::string(expected), std::string(schema::name(found))));
  }

  /// Takes elements from the budget of the whole input, before anybody makes room for them. Each is
  /// a byte at least, so that containers inside each other cannot all promise the same bytes.
  bool take_elements(std::uint64_t count) {
    if (count <= elements_) return elements_ -= static_cast<std::size_t>(count), true;
    return elements_are_limited_ ? too_large("more elements than the limit for one input")
                                 : corrupt("more elements than there are bytes");
  }
  /// Goes into a container; `too_large` where that is deeper than the limit.
  bool enter(Frame frame) {
    if (depth_ >= depth_limit_)
      return too_large("nested deeper than " + std::to_string(depth_limit_));
    frames_[depth_++] = frame;
    return true;
  }
  void leave() noexcept { --depth_; }
  [[nodiscard]] std::uint32_t depth() const noexcept { return depth_; }
  [[nodiscard]] Frame& top() noexcept { return frames_[depth_ - 1]; }

  /// Reads one item of any kind and forgets it. A loop, not a recursion: the open containers are in
  /// `frames_`.
  template <class Reader>
  bool pass_over(Reader& reader) {
    const std::uint32_t outside = depth_;
    do {
      read_and_forget(reader);
      std::string_view key;
      while (ok_ && depth_ > outside &&
             !(top().map ? reader.next_key(key) : reader.next_element())) {
      }
    } while (ok_ && depth_ > outside);
    return ok_;
  }

  const char* begin_;
  std::size_t size_;
  std::size_t at_ = 0;

 private:
  /// A scalar, or the beginning of a container.
  template <class Reader>
  bool read_and_forget(Reader& reader) {
    std::size_t count;
    bool boolean;
    schema::Integer integer;
    schema::Real real;
    std::string_view text;
    ByteView bytes;
    switch (const auto token = reader.peek()) {
      case schema::Token::null:
        return reader.null();
      case schema::Token::boolean:
        return reader.boolean(boolean);
      case schema::Token::integer:
        return reader.integer(integer);
      case schema::Token::real:
        return reader.real(real);
      case schema::Token::text:
        return reader.text(text);
      case schema::Token::bytes:
        return reader.bytes(bytes);
      case schema::Token::array:
        return reader.begin_array(count);
      case schema::Token::map:
        return reader.begin_map(count);
      default:
        return mismatch("an item", token);
    }
  }

  std::string_view format_;
  std::size_t elements_;
  bool elements_are_limited_;
  std::uint32_t depth_limit_;
  std::uint32_t depth_ = 0;
  bool ok_ = true;
  Error error_;
  Frame frames_[deepest];
};

}  // namespace persist::inline PERSIST_ABI::codec

namespace persist::inline PERSIST_ABI::codec {

/// What the writers of all formats share: the buffer they append to, the nesting, and the first
/// failure.
///
/// After a failure a writer goes on appending, because a check per call costs more than bytes that
/// are thrown away; whoever made it asks `ok()` at the end and then drops what was written.
class Output {
 public:
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;

  [[nodiscard]] bool ok() const noexcept { return ok_; }
  /// Keeps the first failure.
  void fail(Error error) {
    if (ok_) error_ = std::move(error);
    ok_ = false;
  }
  /// The failure. Only after `ok()` said false.
  [[nodiscard]] Error take_error() { return std::move(error_); }

 protected:
  explicit Output(Buffer& out) noexcept : out_(out) {}
  ~Output() = default;

  /// What no reader would follow is not written either, or a record could be saved and never
  /// loaded.
  void enter() {
    if (++depth_ > Input::deepest) {
      fail({Errc::too_large, "the data is nested deeper than " + std::to_string(Input::deepest)});
    }
  }
  void leave() noexcept { --depth_; }
  [[nodiscard]] std::uint32_t depth() const noexcept { return depth_; }

  void not_utf8(std::size_t where) {
    fail({Errc::invalid, "a text is no UTF-8 from its byte " + std::to_string(where) +
                             " on: keep such bytes in a byte string (std::vector<std::byte>)"});
  }

  Buffer& out_;

 private:
  std::uint32_t depth_ = 0;
  bool ok_ = true;
  Error error_;
};

}  // namespace persist::inline PERSIST_ABI::codec

namespace persist::inline PERSIST_ABI::detail {

/// Whether no byte of these eight is beyond ASCII; most text is, so it is asked first.
[[nodiscard]] inline bool is_ascii_word(const char* eight) noexcept {
  std::uint64_t word;
  std::memcpy(&word, eight, 8);
  return (word & 0x8080808080808080u) == 0;
}

[[nodiscard]] inline bool is_ascii(std::string_view text) noexcept {
  const char* at = text.data();
  const char* const end = at + text.size();
  if (text.size() < 8) {
    unsigned all = 0;
    for (; at != end; ++at)
      all |= static_cast<unsigned char>(*at);
    return all < 0x80;
  }
  for (; end - at > 8; at += 8)
    if (!is_ascii_word(at)) return false;
  return is_ascii_word(end - 8);
}

/// The length of the well-formed UTF-8 character that begins there (`left` is not 0), or 0 if there
/// is none.
///
/// Table 3-7 of the Unicode standard: no overlong form, no surrogate, nothing beyond U+10FFFF.
[[nodiscard]] constexpr std::size_t utf8_character(const char* at, std::size_t left) noexcept {
  const auto byte = [at](std::size_t i) { return static_cast<unsigned char>(at[i]); };
  const auto within = [&](std::size_t i, unsigned low, unsigned high) {
    return i < left && byte(i) >= low && byte(i) <= high;
  };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first <= 0xdf) return within(1, 0x80, 0xbf) ? 2 : 0;
  if (first >= 0xe0 && first <= 0xef) {
    const bool second = within(1, first == 0xe0 ? 0xa0 : 0x80, first == 0xed ? 0x9f : 0xbf);
    return second && within(2, 0x80, 0xbf) ? 3 : 0;
  }
  if (first >= 0xf0 && first <= 0xf4) {
    const bool second = within(1, first == 0xf0 ? 0x90 : 0x80, first == 0xf4 ? 0x8f : 0xbf);
    return second && within(2, 0x80, 0xbf) && within(3, 0x80, 0xbf) ? 4 : 0;
  }
  return 0;
}

/// How many bytes at the beginning of the text are well-formed UTF-8: all of them, or where the
/// first fault is.
[[nodiscard]] inline std::size_t utf8_prefix(std::string_view text) noexcept {
  std::size_t i = 0;
  while (i < text.size()) {
    if (i + 8 <= text.size() && is_ascii_word(text.data() + i)) {
      i += 8;
      continue;
    }
    if (static_cast<signed char>(text[i]) >= 0) {
      ++i;
      continue;
    }
    const std::size_t length = utf8_character(text.data() + i, text.size() - i);
    if (length == 0) break;
    i += length;
  }
  return i;
}

[[nodiscard]] inline bool is_utf8(std::string_view text) noexcept {
  return utf8_prefix(text) == text.size();
}

/// Writes a code point (not a surrogate, at most U+10FFFF) to at least 4 bytes; returns how many it
/// took.
inline std::size_t write_utf8(char* to, std::uint32_t code_point) noexcept {
  const auto tail = [code_point](int shift) {
    return static_cast<char>(0x80 | ((code_point >> shift) & 0x3f));
  };
  if (code_point < 0x80) return to[0] = static_cast<char>(code_point), 1;
  if (code_point < 0x800)
    return to[0] = static_cast<char>(0xc0 | (code_point >> 6)), to[1] = tail(0), 2;
  if (code_point < 0x10000) {
    return to[0] = static_cast<char>(0xe0 | (code_point >> 12)), to[1] = tail(6), to[2] = tail(0),
           3;
  }
  return to[0] = static_cast<char>(0xf0 | (code_point >> 18)), to[1] = tail(12), to[2] = tail(6),
         to[3] = tail(0), 4;
}

}  // namespace persist::inline PERSIST_ABI::detail

namespace persist::inline PERSIST_ABI::codec {

class CborReader;

/// The kinds of item, as the three high bits of their first byte (RFC 8949 section 3.1).
enum class CborMajor : std::uint8_t {
  unsigned_integer = 0,
  negative_integer = 1,
  bytes = 2,
  text = 3,
  array = 4,
  map = 5,
  tag = 6,
  simple = 7
};

/// Appends items to a buffer in the core deterministic encoding (RFC 8949 section 4.2.1): equal
/// data are equal bytes.
///
/// Lengths and integers take their shortest form, and so do floating point numbers, by value: 1.5
/// takes three bytes whether it came from a float or a double, so the width is not kept. Every NaN
/// becomes the one NaN of two bytes. The caller brings map keys in the order of `key_less`.
class CborWriter : public Output {
 public:
  using reader = CborReader;
  static constexpr bool sorts_keys = true;

  explicit CborWriter(Buffer& out) noexcept : Output(out) {}

  void null() { out_.push(std::byte{0xf6}); }
  void boolean(bool value) { out_.push(value ? std::byte{0xf5} : std::byte{0xf4}); }
  void integer(std::int64_t value) {
    if (value < 0) {
      head(CborMajor::negative_integer, ~static_cast<std::uint64_t>(value));
    } else {
      head(CborMajor::unsigned_integer, static_cast<std::uint64_t>(value));
    }
  }
  void unsigned_integer(std::uint64_t value) { head(CborMajor::unsigned_integer, value); }
  void real(double value) {
    // NaN equals nothing, itself included, and has a form of its own.
    const auto narrow = static_cast<float>(value);
    if (value != value || static_cast<double>(narrow) == value) return real(narrow);
    fixed(0xfb, std::bit_cast<std::uint64_t>(value));
  }
  void real(float value) {
    std::uint16_t half = 0x7e00;
    if (value != value || fits_half(value, half)) return fixed(0xf9, half);
    fixed(0xfa, std::bit_cast<std::uint32_t>(value));
  }
  void text(std::string_view value) {
    if (!detail::is_ascii(value)) [[unlikely]]
      check_utf8(value);
    if (value.size() >= 24) {
      head(CborMajor::text, value.size());
      return out_.append(value);
    }
    std::byte* at = out_.grow(1 + value.size());
    *at = static_cast<std::byte>(0x60 | value.size());
    copy_short(at + 1, value.data(), value.size());
  }
  void bytes(ByteView value) {
    head(CborMajor::bytes, value.size());
    out_.append(value);
  }

  void begin_array(std::size_t count) { enter(), head(CborMajor::array, count); }
  void end_array() noexcept { leave(); }
  void begin_map(std::size_t count) { enter(), head(CborMajor::map, count); }
  void key(std::string_view name) { text(name); }
  void end_map() noexcept { leave(); }

  /// Appends one item that is CBOR already.
  void raw(ByteView item) { out_.append(item); }

  /// The order of map keys: bytewise by encoding, and a longer text begins with a higher byte.
  [[nodiscard]] static constexpr bool key_less(std::string_view a, std::string_view b) noexcept {
    return a.size() != b.size() ? a.size() < b.size() : a < b;
  }

 private:
  void check_utf8(std::string_view value) {
    if (const std::size_t good = detail::utf8_prefix(value); good != value.size()) not_utf8(good);
  }
  /// Copies less than 24 bytes. Most keys and many texts are that short, and for them a call is
  /// most of what a copy costs.
  static void copy_short(std::byte* to, const char* from, std::size_t size) noexcept {
    const auto ends = [&](auto word) {  // the first and the last; they may overlap
      std::memcpy(to, from, sizeof(word));
      std::memcpy(to + size - sizeof(word), from + size - sizeof(word), sizeof(word));
    };
    if (size >= 16) std::memcpy(to + 8, from + 8, 8);
    if (size >= 8) return ends(std::uint64_t{});
    if (size >= 4) return ends(std::uint32_t{});
    for (std::size_t i = 0; i < size; ++i)
      to[i] = static_cast<std::byte>(from[i]);
  }
  void head(CborMajor major, std::uint64_t argument) {
    const auto kind = static_cast<std::uint8_t>(static_cast<unsigned>(major) << 5);
    if (argument < 24) [[likely]]
      return out_.push(static_cast<std::byte>(kind | argument));
    long_head(kind, argument);
  }
  void long_head(std::uint8_t kind, std::uint64_t argument) {
    if (argument <= 0xff) return fixed(kind | 24, static_cast<std::uint8_t>(argument));
    if (argument <= 0xffff) return fixed(kind | 25, static_cast<std::uint16_t>(argument));
    if (argument <= 0xffffffff) return fixed(kind | 26, static_cast<std::uint32_t>(argument));
    fixed(kind | 27, argument);
  }
  /// A first byte and the bytes of a number behind it, highest first.
  template <class T>
  void fixed(int first, T number) {
    std::byte* at = out_.grow(1 + sizeof(T));
    *at = static_cast<std::byte>(first);
    for (std::size_t i = 0; i < sizeof(T); ++i)
      at[sizeof(T) - i] = static_cast<std::byte>((number >> (8 * i)) & 0xff);
  }

  /// Whether 16 bits hold exactly this number (which is no NaN), and which 16.
  [[nodiscard]] static bool fits_half(float value, std::uint16_t& half) noexcept {
    const auto bits = std::bit_cast<std::uint32_t>(value);
    const std::uint32_t sign = bits >> 16 & 0x8000;
    const std::uint32_t fraction = bits & 0x7fffff;
    const int exponent = static_cast<int>(bits >> 23 & 0xff) - 127;
    std::uint32_t rest;
    if (exponent == 128 || (bits << 1) == 0) {  // infinity, zero
      rest = exponent == 128 ? 0x7c00 : 0;
    } else if (exponent >= -14 && exponent <= 15 && (fraction & 0x1fff) == 0) {
      rest = static_cast<std::uint32_t>(exponent + 15) << 10 | fraction >> 13;
    } else if (exponent >= -24 && exponent < -14) {  // below the normal halves: a multiple of 2^-24
      const std::uint32_t whole = fraction | 0x800000;
      const int shift = -exponent - 1;
      if ((whole & ((1u << shift) - 1)) != 0) return false;
      rest = whole >> shift;
    } else {
      return false;
    }
    half = static_cast<std::uint16_t>(sign | rest);
    return true;
  }
};

}  // namespace persist::inline PERSIST_ABI::codec

namespace persist::inline PERSIST_ABI::codec {

/// Reads CBOR (RFC 8949) as others write it: any length of an argument, indefinite lengths, keys in
/// any order.
///
/// Refused as `corrupt`, because writing the value back would lose it: tags (but the mark 55799 in
/// front of all, which says no more than "this is CBOR"), undefined and other simple values, keys
/// that are neither text nor integer. Also what is not well-formed, and text that is no UTF-8.
/// Equal keys are for the caller to find, who remembers them.
class CborReader : public Input {
 public:
  static constexpr bool bytes_as_text = false;
  /// Whether keys are expected in the order of the writer's `key_less`; any order is read.
  static constexpr bool sorts_keys = true;

  /// The bytes must outlive the reader and the texts it gives out. More of them than the limit is
  /// `too_large`, as the first call says.
  explicit CborReader(ByteView bytes, schema::Limits limits = {}) : Input("CBOR", bytes, limits) {
    if (view(0, size_).starts_with("\xd9\xd9\xf7")) at_ = 3;
  }

  /// What the next byte begins. `end` where there is none, or where it is the break of an
  /// indefinite length. Reads nothing; a byte that begins no item that is kept fails as `corrupt`.
  [[nodiscard]] schema::Token peek();

  // Each reads one item and returns whether it did. Another kind of item is `schema_mismatch`, and
  // what is broken or cut short is `corrupt`; then the value is as it was or holds anything.
  bool null();
  bool boolean(bool& value);
  /// All 65 bits of it: from -2^64 to 2^64 - 1.
  bool integer(schema::Integer& value);
  /// Never `single`: a deterministic encoder writes a double that a float holds as that float, so
  /// the width on disk says nothing about the member it came from.
  bool real(schema::Real& value);
  /// The text lies in the input, or in the reader until its next call where it came in pieces.
  bool text(std::string_view& value) { return string(CborMajor::text, "a text", value); }
  /// The same for bytes.
  bool bytes(ByteView& value);

  /// `count` is exact, or 0 for an indefinite length, and never more than the bytes that are left
  /// could hold.
  bool begin_array(std::size_t& count) { return begin(CborMajor::array, "an array", count); }
  /// Whether an element follows, which is then the next item; if none does, the array is left. Also
  /// false after a failure: `ok()` tells.
  bool next_element();
  bool begin_map(std::size_t& count) { return begin(CborMajor::map, "a map", count); }
  /// The same for a pair, whose key is given as text and whose value is the next item. The key
  /// lies where a text does.
  bool next_key(std::string_view& key);

  /// Passes over one item, with the same checks as reading it but for keys that are there twice.
  /// `raw` is its bytes, in the input.
  bool skip(ByteView& raw);
  /// Fails when a byte follows.
  bool finish() {
    if (ok() && !at_end()) corrupt(std::to_string(left()) + " bytes follow the end of the value");
    return ok();
  }

 private:
  /// In a frame: the elements go on until a break.
  static constexpr std::uint64_t until_break = (std::numeric_limits<std::uint64_t>::max)();

  struct Head {
    CborMajor major{};
    unsigned info = 0;  ///< the five low bits
    std::uint64_t argument = 0;
    [[nodiscard]] bool indefinite() const noexcept { return info == 31; }
  };

  [[nodiscard]] unsigned next_byte() const noexcept { return static_cast<unsigned char>(next()); }
  bool head(Head& head);
  bool begin(CborMajor major, std::string_view expected, std::size_t& count);
  bool string(CborMajor major, std::string_view expected, std::string_view& value);
  bool piece(const Head& head, std::string_view& value);
  bool pieces(CborMajor major, std::string_view& value);
  /// In a container: whether another element follows; at its end, leaves it.
  bool another();

  std::string joined_;
};

inline schema::Token CborReader::peek() {
  using schema::Token;
  if (!ok()) return Token::bad;
  if (at_end()) return Token::end;
  constexpr Token of_major[] = {Token::integer, Token::integer, Token::bytes, Token::text,
                                Token::array,   Token::map,     Token::bad,   Token::bad};
  const unsigned first = next_byte();
  if (const Token token = of_major[first >> 5]; token != Token::bad) return token;
  switch (first) {
    case 0xf4:
    case 0xf5:
      return Token::boolean;
    case 0xf6:
      return Token::null;
    case 0xf9:
    case 0xfa:
    case 0xfb:
      return Token::real;
    case 0xff:
      return Token::end;
    default:
      break;
  }
  corrupt(first < 0xe0 ? "a tag, which this library does not keep: remove it before it is read"
                       : "a simple value that is neither true, false nor null");
  return Token::bad;
}

inline bool CborReader::null() {
  if (const auto found = peek(); found != schema::Token::null) return mismatch("null", found);
  return ++at_, true;
}

inline bool CborReader::boolean(bool& value) {
  if (const auto found = peek(); found != schema::Token::boolean)
    return mismatch("a boolean", found);
  value = next_byte() == 0xf5;
  return ++at_, true;
}

inline bool CborReader::integer(schema::Integer& value) {
  if (const auto found = peek(); found != schema::Token::integer)
    return mismatch("an integer", found);
  Head number;
  if (!head(number)) return false;
  value = {number.major == CborMajor::negative_integer, number.argument};
  return true;
}

inline bool CborReader::real(schema::Real& value) {
  if (const auto found = peek(); found != schema::Token::real) return mismatch("a real", found);
  Head number;
  if (!head(number)) return false;
  value.single = false;
  if (number.info == 27) return value.value = std::bit_cast<double>(number.argument), true;
  if (number.info == 26) {
    return value.value = std::bit_cast<float>(static_cast<std::uint32_t>(number.argument)), true;
  }
  // A half: a sign, 5 bits of exponent with a bias of 15, 10 of fraction (appendix D of the RFC).
  const int exponent = static_cast<int>(number.argument >> 10 & 31);
  const auto fraction = static_cast<double>(number.argument & 0x3ff);
  if (exponent == 31) {
    value.value = fraction == 0 ? std::numeric_limits<double>::infinity()
                                : std::numeric_limits<double>::quiet_NaN();
  } else {
    value.value =
        exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(fraction + 1024, exponent - 25);
  }
  if ((number.argument & 0x8000) != 0) value.value = -value.value;
  return true;
}

inline bool CborReader::bytes(ByteView& value) {
  std::string_view content;
  if (!string(CborMajor::bytes, "bytes", content)) return false;
  return value = as_bytes(content), true;
}

/// The first byte of an item and its argument.
inline bool CborReader::head(Head& head) {
  if (!ok()) return false;
  if (at_end()) return cut_short();
  const unsigned first = next_byte();
  head.major = static_cast<CborMajor>(first >> 5);
  head.info = first & 31;
  if (head.info < 24) return head.argument = head.info, ++at_, true;
  if (head.info > 27) {
    const bool may_be_indefinite = head.major >= CborMajor::bytes && head.major <= CborMajor::map;
    if (!head.indefinite() || !may_be_indefinite) return corrupt("a byte that begins no item");
    return ++at_, true;
  }
  const std::size_t size = std::size_t{1} << (head.info - 24);
  if (left() < 1 + size) return cut_short();
  head.argument = 0;
  for (std::size_t i = 1; i <= size; ++i) {
    head.argument = head.argument << 8 | static_cast<unsigned char>(begin_[at_ + i]);
  }
  at_ += 1 + size;
  return true;
}

inline bool CborReader::begin(CborMajor major, std::string_view expected, std::size_t& count) {
  const bool map = major == CborMajor::map;
  const auto wanted = map ? schema::Token::map : schema::Token::array;
  if (const auto found = peek(); found != wanted) return mismatch(expected, found);
  const std::size_t start = at_;
  Head container;
  if (!head(container)) return false;
  count = 0;
  if (container.indefinite()) return enter({until_break, map, false});
  // An element has a byte at least, so a count beyond what is left is found here, before anybody
  // reserves room for it. What is left is less than any count that means `until_break`.
  if (container.argument > left() / (map ? 2 : 1)) {
    return corrupt_at(start, "a length of " + std::to_string(container.argument) +
                                 " elements where " + std::to_string(left()) + " bytes are left");
  }
  if (!take_elements(container.argument)) return false;
  count = static_cast<std::size_t>(container.argument);
  return enter({container.argument, map, false});
}

inline bool CborReader::another() {
  if (!ok()) return false;
  Frame& frame = top();
  if (frame.left != until_break) {
    if (frame.left != 0) return --frame.left, true;
    return leave(), false;
  }
  if (at_end()) return cut_short();
  if (next_byte() != 0xff) return take_elements(1);
  ++at_;
  return leave(), false;
}

inline bool CborReader::next_element() {
  return another();
}

inline bool CborReader::next_key(std::string_view& key) {
  if (!another()) return false;
  switch (peek()) {
    case schema::Token::text:
      return text(key);
    case schema::Token::bad:
      return false;
    case schema::Token::end:
      return cut_short();
    case schema::Token::integer:
      break;
    default:
      return corrupt("this library keeps only maps whose keys are text or integers");
  }
  schema::Integer number;
  if (!integer(number)) return false;
  if (number.negative && number.magnitude == (std::numeric_limits<std::uint64_t>::max)()) {
    joined_ = "-18446744073709551616";  // the one whose magnitude does not fit
  } else {
    joined_ = number.negative ? "-" + std::to_string(number.magnitude + 1)
                              : std::to_string(number.magnitude);
  }
  return key = joined_, true;
}

inline bool CborReader::string(CborMajor major, std::string_view expected,
                               std::string_view& value) {
  const auto wanted = major == CborMajor::text ? schema::Token::text : schema::Token::bytes;
  if (const auto found = peek(); found != wanted) return mismatch(expected, found);
  Head whole;
  if (!head(whole)) return false;
  return whole.indefinite() ? pieces(major, value) : piece(whole, value);
}

/// The content of a string of known length, whose head was read.
inline bool CborReader::piece(const Head& head, std::string_view& value) {
  if (head.argument > left()) {
    return corrupt("a length of " + std::to_string(head.argument) + " bytes where " +
                   std::to_string(left()) + " are left");
  }
  value = view(at_, static_cast<std::size_t>(head.argument));
  if (head.major == CborMajor::text && !detail::is_utf8(value)) {
    return corrupt_at(at_ + detail::utf8_prefix(value), "a text that is no UTF-8");
  }
  at_ += value.size();
  return true;
}

/// A string of indefinite length: whole strings of the same kind up to a break (section 3.2.3).
inline bool CborReader::pieces(CborMajor major, std::string_view& value) {
  joined_.clear();
  while (!at_end() && next_byte() != 0xff) {
    Head next;
    std::string_view part;
    if (!head(next)) return false;
    if (next.major != major || next.indefinite())
      return corrupt("a piece of another kind than its string");
    if (!piece(next, part)) return false;
    joined_ += part;
  }
  if (at_end()) return cut_short();
  ++at_;
  return value = joined_, true;
}

inline bool CborReader::skip(ByteView& raw) {
  const std::size_t start = at_;
  if (!pass_over(*this)) return false;
  return raw = as_bytes(view(start, at_ - start)), true;
}

}  // namespace persist::inline PERSIST_ABI::codec

// What a type is to storage. Each question looks at the type alone, never at what it is made of: a
// member that cannot be stored is found by the walk, whose trail names it.

namespace persist::inline PERSIST_ABI {

/// Stores T as another type: specialise it with `using stored_type`, `static stored_type
/// store(const T&)` and `static T restore(stored_type)` (or `Result<T>`, where not every stored
/// value is one).
template <class T>
struct adapt {};

class Unknown;
class Value;

namespace schema {

/// Numbers are part of the fingerprint: never renumber.
enum class Kind : std::uint8_t {
  none = 0,  ///< cannot be stored
  boolean = 1,
  integer = 2,
  real = 3,
  enumeration = 4,
  text = 5,
  bytes = 6,
  optional = 7,
  variant = 8,
  sequence = 9,  ///< grows at its end
  array = 10,    ///< std::array
  set = 11,
  map = 12,
  tuple = 13,
  duration = 14,
  time_point = 15,
  structure = 16,
  value = 17,
  adapted = 18,
  unit = 19,  ///< std::monostate
};

template <class T>
concept adapted = requires { typename adapt<T>::stored_type; };

// Foreign types join by what they can do, so allocators, small-buffer strings and flat maps need no
// specialisation. Each concept names the operations that the walks use, and no others.

/// Characters in a row that can be replaced. A view is none: it would point into the input.
template <class T>
concept text_like = requires(T& text, const T& from, const char* chars, std::size_t size) {
  requires std::same_as<typename T::value_type, char>;
  { from } -> std::convertible_to<std::string_view>;
  text.assign(chars, size);
};
/// Bytes are std::byte. A vector of unsigned char is numbers, because games keep small numbers in
/// them.
template <class T>
concept growing_bytes = std::same_as<T, Buffer> || (requires(T& bytes, const std::byte* at) {
                          requires std::same_as<typename T::value_type, std::byte>;
                          bytes.assign(at, at);
                        } && std::convertible_to<const T&, ByteView>);
/// One value or none. It is filled by `emplace()` and then read into, so that its own defaults
/// hold.
template <class T>
concept optional_like = requires(T& maybe, const T& from) {
  typename T::value_type;
  { from.has_value() } -> std::convertible_to<bool>;
  { *maybe } -> std::same_as<typename T::value_type&>;
  maybe.reset();
  maybe.emplace();
};
/// Elements in some order, and their number.
template <class T>
concept container = requires(T& all, const T& from) {
  typename T::value_type;
  from.begin() != from.end();
  { from.size() } -> std::convertible_to<std::size_t>;
  all.clear();
};
template <class T>
concept keyed = container<T> && requires { typename T::key_type; };
/// One value for each key. A multimap is a sequence of pairs, as far as storage is concerned.
template <class T>
concept map_like = keyed<T> && requires(T& map, typename T::key_type key) {
  { map.try_emplace(std::move(key)).second } -> std::convertible_to<bool>;
  { map.begin()->second } -> std::same_as<typename T::mapped_type&>;
};
/// Elements that are made outside and put in, because in their place they cannot be changed.
template <class T>
concept set_like =
    keyed<T> && requires(T& set, typename T::value_type value) { set.emplace(std::move(value)); };
/// Grows at its end by elements that are made in place with their defaults.
template <class T>
concept sequence_like = container<T> && !keyed<T> && requires(T& all) {
  all.emplace_back();
  all.back();
};

namespace detail {

template <class T>
inline constexpr bool is_array = false;
template <class T, std::size_t N>
inline constexpr bool is_array<std::array<T, N>> = true;
template <class T>
inline constexpr bool is_tuple = false;
template <class A, class B>
inline constexpr bool is_tuple<std::pair<A, B>> = true;
template <class... Ts>
inline constexpr bool is_tuple<std::tuple<Ts...>> = true;
template <class T>
inline constexpr bool is_variant = false;
template <class... Ts>
inline constexpr bool is_variant<std::variant<Ts...>> = true;
template <class T>
inline constexpr bool is_duration = false;
template <class Rep, class Period>
inline constexpr bool is_duration<std::chrono::duration<Rep, Period>> = true;
template <class T>
inline constexpr bool is_time_point = false;
template <class Clock, class Duration>
inline constexpr bool is_time_point<std::chrono::time_point<Clock, Duration>> = true;

/// The order of the questions matters: a string is also a sequence, and an aggregate is what is
/// left, since containers may be aggregates too.
template <class T>
consteval Kind container_kind() {
  if constexpr (text_like<T>)
    return Kind::text;
  else if constexpr (growing_bytes<T>)
    return Kind::bytes;
  else if constexpr (map_like<T>)
    return Kind::map;
  else if constexpr (set_like<T>)
    return Kind::set;
  else if constexpr (sequence_like<T>)
    return Kind::sequence;
  else if constexpr (optional_like<T>)
    return Kind::optional;
  else if constexpr (std::is_aggregate_v<T>)
    return Kind::structure;
  else
    return Kind::none;
}

/// A type that says itself what its fields are is a struct whatever else it offers.
template <class T>
consteval Kind class_kind() {
  if constexpr (std::same_as<T, Value>)
    return Kind::value;
  else if constexpr (std::same_as<T, std::monostate>)
    return Kind::unit;
  else if constexpr (std::same_as<T, Unknown>)
    return Kind::none;
  else if constexpr (described<T>)
    return Kind::structure;
  else if constexpr (is_array<T>)
    return std::same_as<typename T::value_type, std::byte> ? Kind::bytes : Kind::array;
  else if constexpr (is_tuple<T>)
    return Kind::tuple;
  else if constexpr (is_variant<T>)
    return Kind::variant;
  else if constexpr (is_duration<T>)
    return Kind::duration;
  else if constexpr (is_time_point<T>)
    return Kind::time_point;
  else
    return container_kind<T>();
}

template <class T>
consteval Kind find_kind() {
  if constexpr (adapted<T>)
    return Kind::adapted;
  else if constexpr (std::same_as<T, bool>)
    return Kind::boolean;
  else if constexpr (std::integral<T> || std::same_as<T, std::byte>)
    return Kind::integer;
  else if constexpr (std::is_enum_v<T>)
    return Kind::enumeration;
  else if constexpr (std::same_as<T, float> || std::same_as<T, double>)
    return Kind::real;
  else if constexpr (std::is_class_v<T>)
    return class_kind<T>();
  else
    return Kind::none;
}

}  // namespace detail

template <class T>
inline constexpr Kind kind_of = detail::find_kind<T>();

/// A type that storage knows what to do with, as far as one can tell without looking inside.
template <class T>
concept storable = std::is_object_v<T> && kind_of<std::remove_cv_t<T>> != Kind::none;

}  // namespace schema
}  // namespace persist::inline PERSIST_ABI

namespace persist::inline PERSIST_ABI::schema {

/// Where a walk stands, as a chain of frames on its stack: it costs a few words a level, and
/// becomes text only when something is wrong.
struct Place {
  static constexpr std::size_t no_index = static_cast<std::size_t>(-1);

  const Place* up = nullptr;
  std::string_view name;         ///< a field, or the key of a map's value
  std::size_t index = no_index;  ///< an element
  /// Where what is unknown here and below is kept, if not by the path to it.
  std::unique_ptr<KeptNode>* anchor = nullptr;
  /// An element that can move and that nothing identifies: no path leads back to it.
  bool loose = false;
  /// What `keep` found by the path, because a key may be as long as the input and is not to be
  /// looked up for every field below it. Forgotten by `move_to`.
  mutable KeptNode* found = nullptr;

  /// A place right below this one, which must outlive it.
  [[nodiscard]] Place inside() const noexcept {
    Place place;
    place.up = this;
    return place;
  }
  [[nodiscard]] Place inside(std::string_view field) const noexcept {
    Place place = inside();
    place.name = field;
    return place;
  }

  /// Makes this the place of another field or key beside it.
  void move_to(std::string_view field) noexcept { name = field, found = nullptr; }
  /// The same for another element.
  void move_to(std::size_t element) noexcept { index = element, found = nullptr; }

  /// `inventory[3].count`. Keys come from outside, so they are shortened and made printable.
  [[nodiscard]] std::string path() const {
    std::string text = up ? up->path() : std::string();
    if (index != no_index) return text + '[' + std::to_string(index) + ']';
    if (name.empty()) return text;
    if (!text.empty()) text += '.';
    for (const char c : name.substr(0, 64))
      text += static_cast<unsigned char>(c) < 0x20 ? '?' : c;
    return name.size() > 64 ? text + "..." : text;
  }

  /// The node for what is unknown here, made if there is none; null where nothing can be kept.
  [[nodiscard]] KeptNode* keep(UnknownFields& unknown) const {
    if (anchor) {
      if (!*anchor) *anchor = std::make_unique<KeptNode>();
      return anchor->get();
    }
    if (loose) return nullptr;
    if (!up) return &unknown.make_root();
    if (found) return found;
    KeptNode* above = up->keep(unknown);
    if (above == nullptr) return nullptr;
    auto& below = above->below[step()];
    if (!below) below = std::make_unique<KeptNode>();
    return found = below.get();
  }

  /// The same node, if there is one.
  [[nodiscard]] KeptNode* kept(UnknownFields& unknown) const {
    if (anchor) return anchor->get();
    if (loose) return nullptr;
    if (!up) return unknown.root() == nullptr ? nullptr : &unknown.make_root();
    if (found) return found;
    KeptNode* above = up->kept(unknown);
    if (above == nullptr) return nullptr;
    const auto at = above->below.find(step());
    return at == above->below.end() ? nullptr : at->second.get();
  }
  /// Forgets what was kept here, in a field, and below.
  void forget(UnknownFields& unknown) const {
    found = nullptr;
    if (KeptNode* above = up->kept(unknown); above != nullptr) above->below.erase(step());
  }

 private:
  [[nodiscard]] std::string step() const {
    return index == no_index ? std::string(name) : std::to_string(index);
  }
};

}  // namespace persist::inline PERSIST_ABI::schema

// Keys that were chosen so that they collide. Finding a place for each of n such keys in a hash
// table takes time in n squared: a record of a mebibyte could keep a server busy for a minute.

namespace persist::inline PERSIST_ABI::schema::detail {

/// Whether std::hash of it is one that everybody knows, and no specialisation of the game's.
template <class Key>
inline constexpr bool is_hashed_in_public =
    std::is_arithmetic_v<Key> || std::is_enum_v<Key> || text_like<Key>;
template <optional_like Key>
inline constexpr bool is_hashed_in_public<Key> = is_hashed_in_public<typename Key::value_type>;

template <class C>
concept hashes_into_buckets = requires(C& all, const typename C::key_type& key) {
  typename C::hasher;
  all.emplace().second;
  all.begin(all.bucket(key));
  all.max_load_factor();
};

/// Whether anybody can work out keys that collide in C: what std::hash makes of numbers, enums and
/// texts is public and has no secret in it, and spreads whatever keys a game has of its own.
///
/// A hash of the game's own is not judged, because one that is poor on honest data must not make
/// the game's own record unreadable. Nor is a container that takes equal keys, whose buckets may be
/// long for a good reason.
template <class C>
inline constexpr bool is_flooded = false;
template <hashes_into_buckets C>
inline constexpr bool is_flooded<C> =
    is_hashed_in_public<typename C::key_type> &&
    std::same_as<typename C::hasher, std::hash<typename C::key_type>>;

/// How many keys of one input may fall into buckets that are full already. Together they cost no
/// more than half the square of it, some ten million steps.
inline constexpr std::size_t most_crowded_keys = 4096;

/// Whether that key, which is in the container, lies in a bucket of more than 64 for each one there
/// should be. Looks at no more of them. With std::hash that is never so by chance.
template <class C>
[[nodiscard]] bool is_crowded(const C& all, const typename C::key_type& key) {
  const std::size_t bucket = all.bucket(key);
  auto left = 1 + static_cast<std::size_t>(64 * (std::max)(1.0f, all.max_load_factor()));
  auto at = all.begin(bucket);
  for (const auto end = all.end(bucket); at != end && left != 0; ++at)
    --left;
  return left == 0;
}

}  // namespace persist::inline PERSIST_ABI::schema::detail

// A stored number becomes a member's number if no information is lost, whatever the two types are.

namespace persist::inline PERSIST_ABI::schema::detail {

[[nodiscard]] inline std::string text_of(Integer number) {
  if (!number.negative) return std::to_string(number.magnitude);
  constexpr auto most = (std::numeric_limits<std::uint64_t>::max)();
  return number.magnitude == most ? "-18446744073709551616"
                                  : "-" + std::to_string(number.magnitude + 1);
}
[[nodiscard]] inline std::string text_of(Real number) {
  char text[32];
  const auto end = number.single
                       ? std::to_chars(text, text + sizeof text, static_cast<float>(number.value))
                       : std::to_chars(text, text + sizeof text, number.value);
  return {text, end.ptr};
}

template <class T>
  requires(std::integral<T> || std::same_as<T, std::byte>)
[[nodiscard]] bool convert(Integer from, T& into) noexcept {
  if constexpr (std::same_as<T, std::byte>) {
    if (from.negative || from.magnitude > 0xff) return false;
    into = static_cast<std::byte>(from.magnitude);
    return true;
  } else {
    constexpr auto most = static_cast<std::uint64_t>((std::numeric_limits<T>::max)());
    if (from.magnitude > most || (from.negative && std::is_unsigned_v<T>)) return false;
    const auto magnitude = static_cast<T>(from.magnitude);
    into = magnitude;
    if constexpr (std::is_signed_v<T>)
      if (from.negative) into = static_cast<T>(-1 - magnitude);
    return true;
  }
}

/// 1.0 is an integer, 1.5 is none, and what was rounded to become a double would be a wrong one.
[[nodiscard]] inline bool convert(Real from, Integer& into) noexcept {
  constexpr double limit = 18446744073709551616.0;  // 2^64
  const double size = std::fabs(from.value);
  if (from.rounded || !(size < limit) || std::trunc(size) != size) return false;
  const auto magnitude = static_cast<std::uint64_t>(size);
  into.negative = from.value < 0;
  into.magnitude = into.negative ? magnitude - 1 : magnitude;
  return true;
}

/// A double becomes a float if it is one, or if it is what the text of one reads as: a float member
/// that was written as text (0.1) comes back as a double (0.1) that no float equals. Both say the
/// same decimal number, so nothing is lost.
[[nodiscard]] inline bool convert(Real from, float& into) noexcept {
  // The shortest text of the greatest float reads as a double that is a little greater.
  constexpr double most = (std::numeric_limits<float>::max)();
  into = static_cast<float>(std::isfinite(from.value) ? std::clamp(from.value, -most, most)
                                                      : from.value);
  if (from.single || std::isnan(from.value) || static_cast<double>(into) == from.value) return true;
  char text[32];
  const auto end = std::to_chars(text, text + sizeof text, into).ptr;
  double again = 0;
  return std::from_chars(text, end, again).ec == std::errc() && again == from.value;
}
[[nodiscard]] inline bool convert(Real from, double& into) noexcept {
  return into = from.value, true;
}

/// Only where the floating point number is exactly the integer.
template <std::floating_point T>
[[nodiscard]] bool convert(Integer from, T& into) noexcept {
  // Rounded once: 2^24 + 1 and then one more would not be the 2^24 + 2 that a float holds. Where
  // one more is no number of 64 bits, this makes 0, which is not equal.
  into = static_cast<T>(from.negative ? from.magnitude + 1 : from.magnitude);
  if (from.negative) into = -into;
  Integer again;
  return convert(Real{static_cast<double>(into), false}, again) &&
         again.negative == from.negative && again.magnitude == from.magnitude;
}

}  // namespace persist::inline PERSIST_ABI::schema::detail

// Values through readers and writers: the walk of a type that says nothing about its shape. The
// items that a typed walk keeps without understanding them go the same way.

namespace persist::inline PERSIST_ABI::schema {

/// Writes any value, members in canonical order. Recursion is as deep as the value. What the format
/// does not have fails the writer.
template <class Writer>
void write_value(Writer& out, const Value& from) {
  switch (from.kind()) {
    case Value::Kind::null:
      return out.null();
    case Value::Kind::boolean:
      return out.boolean(*from.get_if<bool>());
    case Value::Kind::integer:
      return out.integer(*from.get_if<std::int64_t>());
    case Value::Kind::unsigned_integer:
      return out.unsigned_integer(*from.get_if<std::uint64_t>());
    case Value::Kind::single:
      return out.real(*from.get_if<float>());
    case Value::Kind::real:
      return out.real(*from.get_if<double>());
    case Value::Kind::text:
      return out.text(*from.get_if<std::string>());
    case Value::Kind::bytes:
      return out.bytes(ByteView(*from.get_if<Value::Bytes>()));
    case Value::Kind::array: {
      out.begin_array(from.size());
      for (const Value& element : from.elements())
        write_value(out, element);
      return out.end_array();
    }
    case Value::Kind::map: {
      out.begin_map(from.size());
      for (const Value::Member& member : from.members()) {
        out.key(member.key);
        write_value(out, member.value);
      }
      return out.end_map();
    }
  }
}

namespace detail {

/// Formats have integers of 65 bits, a value of 64: those between are refused rather than bent.
template <class Reader>
bool read_integer(Reader& in, Value& into) {
  Integer whole;
  if (!in.integer(whole)) return false;
  constexpr auto most = static_cast<std::uint64_t>((std::numeric_limits<std::int64_t>::max)());
  if (!whole.negative) {
    into = Value(whole.magnitude);
  } else if (whole.magnitude <= most) {
    into = Value(-1 - static_cast<std::int64_t>(whole.magnitude));
  } else {
    in.fail(Error(Errc::schema_mismatch).at("", "an integer of 64 bits", "a smaller one"));
    return false;
  }
  return true;
}

}  // namespace detail

/// Reads whatever is there. Recursion is as deep as the reader's limit lets the input nest. A key
/// that is there twice is `corrupt`, an integer below 64 bits `schema_mismatch`; the reader holds
/// the error. Texts and bytes are copied.
template <class Reader>
[[nodiscard]] bool read_value(Reader& in, Value& into) {
  switch (in.peek()) {
    case Token::null:
      return into = Value(), in.null();
    case Token::boolean: {
      bool flag = false;
      return in.boolean(flag) && (into = Value(flag), true);
    }
    case Token::integer:
      return detail::read_integer(in, into);
    case Token::real: {
      Real real;
      if (!in.real(real)) return false;
      into = real.single ? Value(static_cast<float>(real.value)) : Value(real.value);
      return true;
    }
    case Token::bytes: {
      ByteView bytes;
      return in.bytes(bytes) && (into = Value(Value::Bytes(bytes.begin(), bytes.end())), true);
    }
    case Token::array: {
      std::size_t count = 0;
      if (!in.begin_array(count)) return false;
      Value::Array elements;
      while (in.next_element())
        if (!read_value(in, elements.emplace_back())) return false;
      into = Value(std::move(elements));
      return in.ok();
    }
    case Token::map: {
      std::size_t count = 0;
      if (!in.begin_map(count)) return false;
      std::vector<Value::Member> members;
      for (std::string_view key; in.next_key(key);) {
        members.push_back({std::string(key), Value()});
        if (!read_value(in, members.back().value)) return false;
      }
      if (!in.ok()) return false;
      Result<Value> map = Value::map_of(std::move(members));
      if (!map) return in.fail(std::move(map).error()), false;
      return into = *std::move(map), true;
    }
    case Token::text:
    case Token::end:
    case Token::bad:
      break;
  }
  std::string_view text;
  return in.text(text) && (into = Value(text), true);
}

namespace detail {

template <class Reader>
bool decode_kept(ByteView raw, Value& into) {
  Reader in(raw, limits_of_record(raw.size()));
  return read_value(in, into);
}

/// Takes the next item without understanding it: as its bytes where the input has bytes.
template <class Reader>
[[nodiscard]] bool read_kept(Reader& in, Kept& into) {
  if constexpr (requires(ByteView raw) { in.skip(raw); }) {
    ByteView raw;
    if (!in.skip(raw)) return false;
    into.raw = Buffer(raw);
    into.decode = &decode_kept<Reader>;
    return true;
  } else {
    return read_value(in, into.value);
  }
}

/// Writes such an item back: as it was into the format it came from, by its meaning into any other.
template <class Writer>
void write_kept(Writer& out, const Kept& item) {
  if (item.decode == nullptr) return write_value(out, item.value);
  if constexpr (requires { typename Writer::reader; })
    if (item.decode == &decode_kept<typename Writer::reader>) return out.raw(item.raw.view());
  Value value;
  if (!item.decode(item.raw, value))
    return out.fail(
        Error(Errc::unsupported, "a field that was kept cannot be said in this format"));
  write_value(out, value);
}

}  // namespace detail
}  // namespace persist::inline PERSIST_ABI::schema

// Names of enumerators without a macro: one function whose template arguments are all values in
// question, so that its own name lists those that have a name. One instantiation for each enum.

namespace persist::inline PERSIST_ABI::schema {
namespace detail {

/// Enumerators are looked for among these values; those outside are stored as numbers.
inline constexpr int first_enumerator = -16;
inline constexpr std::size_t enumerators = 144;

/// Whether every value of the underlying type is a value of the enum. For others a compiler may
/// refuse the question which value has a name.
template <class E>
concept fixed_enum = std::is_enum_v<E> && requires { E{0}; };

template <auto... Pretty>
consteval const char* pretty_values() {
  return PERSIST_FUNCTION_NAME;
}

template <class E>
struct Enumerators {
  static constexpr int first = std::is_signed_v<std::underlying_type_t<E>> ? first_enumerator : 0;
  static constexpr std::size_t count =
      enumerators - static_cast<std::size_t>(first - first_enumerator);

  /// The name of the value `first + index`, empty where there is none: then the text is a cast,
  /// `(Colour)7`.
  static constexpr std::array<std::string_view, count> names = [] {
    auto texts = []<std::size_t... I>(std::index_sequence<I...>) {
      return split_pack<count>(
          pretty_argument(pretty_values<static_cast<E>(first + static_cast<int>(I))...>()));
    }(std::make_index_sequence<count>{});
    for (std::string_view& text : texts) {
      const std::size_t cast = text.rfind(')');
      const bool named = cast == std::string_view::npos || text.substr(cast + 1).starts_with("::");
      text = named ? last_identifier(text) : std::string_view();
    }
    return texts;
  }();
};

}  // namespace detail

/// The name of an enumerator; empty where the value has none, or lies outside -16 to 127.
template <class E>
  requires std::is_enum_v<E>
[[nodiscard]] constexpr std::string_view enum_name(E value) noexcept {
  if constexpr (detail::fixed_enum<E>) {
    using Names = detail::Enumerators<E>;
    const auto number = static_cast<std::underlying_type_t<E>>(value);
    if (std::cmp_less(+number, Names::first)) return {};
    const auto index = static_cast<std::size_t>(+number) - static_cast<std::size_t>(Names::first);
    return index < Names::count ? Names::names[index] : std::string_view();
  } else {
    return {};
  }
}

/// The enumerator of that name, if there is one.
template <class E>
  requires std::is_enum_v<E>
[[nodiscard]] constexpr std::optional<E> enum_value(std::string_view name) noexcept {
  if constexpr (detail::fixed_enum<E>) {
    using Names = detail::Enumerators<E>;
    const auto at = std::find(Names::names.begin(), Names::names.end(), name);
    if (!name.empty() && at != Names::names.end())
      return static_cast<E>(Names::first + static_cast<int>(at - Names::names.begin()));
  }
  return std::nullopt;
}

}  // namespace persist::inline PERSIST_ABI::schema

// Keys of maps as text. Both formats have text keys only, so that a record can move from one to the
// other.

namespace persist::inline PERSIST_ABI::schema {

/// A type whose values have a text of their own, so that a map of them is a map in every format:
/// texts, integers in decimal, enums by name.
template <class K>
concept text_key =
    (kind_of<K> == Kind::text && std::constructible_from<K, std::string_view>) ||
    (kind_of<K> == Kind::integer && std::integral<K>) || kind_of<K> == Kind::enumeration;

/// The text of a key, without allocating. Texts and names are referred to and must outlive it.
class KeyText {
 public:
  template <text_key K>
  explicit KeyText(const K& key) noexcept {
    if constexpr (kind_of<K> == Kind::text) {
      refer(key);
    } else if constexpr (std::is_enum_v<K>) {
      refer(enum_name(key));
      if (size_ == 0) print(+static_cast<std::underlying_type_t<K>>(key));
    } else {
      print(+key);
    }
  }
  [[nodiscard]] std::string_view view() const noexcept { return {text_ ? text_ : digits_, size_}; }
  friend bool operator<(const KeyText& a, const KeyText& b) noexcept { return a.view() < b.view(); }
  friend bool operator==(const KeyText& a, const KeyText& b) noexcept {
    return a.view() == b.view();
  }

 private:
  void refer(std::string_view text) noexcept { text_ = text.data(), size_ = text.size(); }
  void print(auto number) noexcept {
    text_ = nullptr;
    size_ = static_cast<std::size_t>(std::to_chars(digits_, digits_ + sizeof digits_, number).ptr -
                                     digits_);
  }

  const char* text_ = nullptr;
  std::size_t size_ = 0;
  char digits_[24];
};

/// The key that a text stands for; none if it is not exactly what a key would be written as.
template <text_key K>
[[nodiscard]] std::optional<K> parse_key(std::string_view text) {
  if constexpr (kind_of<K> == Kind::text) {
    return std::optional<K>(std::in_place, text);
  } else {
    if constexpr (std::is_enum_v<K>)
      if (const auto named = enum_value<K>(text)) return named;
    using Number = typename std::conditional_t<std::is_enum_v<K>, std::underlying_type<K>,
                                               std::type_identity<K>>::type;
    decltype(+Number{}) number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    const K key = static_cast<K>(number);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    // Writing it again finds leading zeros and what the narrow type cannot hold.
    return KeyText(key).view() == text ? std::optional<K>(key) : std::nullopt;
  }
}

}  // namespace persist::inline PERSIST_ABI::schema

namespace persist::inline PERSIST_ABI {

/// Gives a type that is not yours a name in what is stored: specialise it with a `value`.
template <class T>
struct name_of {};

namespace schema {
namespace detail {

template <class Pretty>
consteval const char* pretty_type() {
  return PERSIST_FUNCTION_NAME;
}

/// What follows the last `::` that is outside of all brackets.
[[nodiscard]] constexpr std::string_view unqualified(std::string_view name) noexcept {
  int depth = 0;
  for (std::size_t at = name.size(); at > 1; --at) {
    depth -= nesting(name[at - 1]);
    if (depth == 0 && name[at - 1] == ':') return name.substr(at);
  }
  return name;
}

/// Numbers are named by what they hold, as `long` is not the same everywhere.
template <class T>
[[nodiscard]] constexpr std::string_view number_name() noexcept {
  if constexpr (std::same_as<T, bool>)
    return "bool";
  else if constexpr (std::same_as<T, float>)
    return "float";
  else if constexpr (std::same_as<T, double>)
    return "double";
  else if constexpr (sizeof(T) == 1)
    return std::is_signed_v<T> ? "int8" : "uint8";
  else if constexpr (sizeof(T) == 2)
    return std::is_signed_v<T> ? "int16" : "uint16";
  else if constexpr (sizeof(T) == 4)
    return std::is_signed_v<T> ? "int32" : "uint32";
  else
    return std::is_signed_v<T> ? "int64" : "uint64";
}

template <class T>
concept names_itself = requires {
  { T::persist_name } -> std::convertible_to<std::string_view>;
};
template <class T>
concept is_named = requires {
  { name_of<T>::value } -> std::convertible_to<std::string_view>;
};

/// A name that was given counts before one that was found. Names are stored, so a type that is
/// renamed or moved into a template needs the old one as its persist_name.
template <class T>
consteval std::string_view find_type_name() {
  if constexpr (is_named<T>) {
    return name_of<T>::value;
  } else if constexpr (names_itself<T>) {
    return T::persist_name;
  } else if constexpr (std::is_arithmetic_v<T>) {
    return number_name<T>();
  } else if constexpr (std::same_as<T, std::string>) {
    return "string";
  } else {
    constexpr std::string_view name = unqualified(pretty_argument(pretty_type<T>()));
    static_assert(
        name.back() != '>',
        "persist: compilers spell the names of templates differently: give this type a static "
        "persist_name, or specialise persist::name_of");
    return name;
  }
}

}  // namespace detail

/// The name a type has in variants and messages: its `persist_name`, or its name without
/// namespaces. The same from every compiler, as it is stored.
template <class T>
inline constexpr std::string_view type_name = detail::find_type_name<T>();

}  // namespace schema
}  // namespace persist::inline PERSIST_ABI

// What the walks know of a struct before they run. All of it is constants: names after renaming,
// which members are stored, in which order, and which of them have a part in keeping what is
// unknown.

namespace persist::inline PERSIST_ABI::schema::detail {

template <class T>
inline constexpr auto is_unknown_holder = []<class... Ms>(Types<Ms...>) {
  return std::array<bool, sizeof...(Ms)>{std::is_same_v<Ms, Unknown>...};
}(MemberTypes<T>{});

/// Where the member is that an attribute names. That there is none shows as an index out of range
/// in a constant, which does not compile.
template <class T>
[[nodiscard]] constexpr std::size_t position_of(std::string_view member) noexcept {
  const auto& names = Describe<T>::names;
  return static_cast<std::size_t>(std::find(names.begin(), names.end(), member) - names.begin());
}

// These take spans and no types, so that a compiler makes them once and not for each struct.

using FieldOrder = std::span<const std::size_t>;
using FieldNames = std::span<const std::string_view>;

constexpr void sort_fields(std::span<std::size_t> order, FieldNames names) noexcept {
  for (std::size_t end = 1; end < order.size(); ++end)
    for (std::size_t at = end; at != 0 && canonical_less(names[order[at]], names[order[at - 1]]);
         --at)
      std::swap(order[at], order[at - 1]);
}
[[nodiscard]] constexpr bool names_differ(FieldOrder sorted, FieldNames names) noexcept {
  for (std::size_t at = 1; at < sorted.size(); ++at)
    if (names[sorted[at - 1]] == names[sorted[at]]) return false;
  return true;
}
/// The field of that name among the sorted ones, or `none`.
[[nodiscard]] constexpr std::size_t find_field(FieldOrder sorted, FieldNames names,
                                               std::string_view name, std::size_t none) noexcept {
  std::size_t low = 0;
  std::size_t high = sorted.size();
  while (low < high) {
    const std::size_t middle = (low + high) / 2;
    if (canonical_less(names[sorted[middle]], name))
      low = middle + 1;
    else
      high = middle;
  }
  return low < sorted.size() && names[sorted[low]] == name ? sorted[low] : none;
}
/// Where a field stands in an order; `guess` is looked at first.
[[nodiscard]] constexpr std::size_t position_in(FieldOrder order, std::size_t field,
                                                std::size_t guess) noexcept {
  if (guess < order.size() && order[guess] == field) return guess;
  std::size_t at = 0;
  while (at < order.size() && order[at] != field)
    ++at;
  return at;
}

/// The names under which members of T are stored besides their own.
template <class Rules, class T>
[[nodiscard]] constexpr std::size_t count_other_names(bool only_written) noexcept {
  std::size_t found = 0;
  if constexpr (Rules::has_other_names) {
    Rules::template each<T>([&](auto attribute) {
      if (!attribute.other_name.empty() && (attribute.writes_other || !only_written)) ++found;
    });
  }
  return found;
}

/// How a struct is stored under a policy: everything about its fields that is known at compile
/// time.
///
/// What is stored under a name is a slot: the first are the members themselves, in the order of
/// their declaration, and behind them come the other names that some have.
template <class Rules, class T>
struct Plan {
  static constexpr std::size_t count = Describe<T>::count;
  static constexpr std::size_t other_names = count_other_names<Rules, T>(false);
  static constexpr std::size_t slots = count + other_names;
  static constexpr std::size_t none = slots;
  using Names = std::array<std::string_view, slots>;

  static constexpr bool attributes_are_fields = [] {
    bool all = true;
    Rules::template each<T>(
        [&](auto attribute) { all = all && position_of<T>(attribute.member) < count; });
    return all;
  }();
  static_assert(attributes_are_fields,
                "persist: an attribute names a member that is not among the fields of its struct, "
                "or that persist::field renamed there");

  static constexpr std::array<bool, count> is_stored = [] {
    std::array<bool, count> stored{};
    for (std::size_t i = 0; i < count; ++i)
      stored[i] = !is_unknown_holder<T>[i];
    Rules::template each<T>([&](auto attribute) {
      if (attribute.transient) stored[position_of<T>(attribute.member)] = false;
    });
    return stored;
  }();
  static constexpr std::size_t stored_count =
      static_cast<std::size_t>(std::count(is_stored.begin(), is_stored.end(), true));
  static constexpr std::size_t written_count = stored_count + count_other_names<Rules, T>(true);

  struct OtherName {
    std::size_t member = none;
    bool is_written = false;
  };
  static constexpr auto others = [] {
    std::array<OtherName, other_names> found{};
    [[maybe_unused]] std::size_t at = 0;
    if constexpr (other_names != 0) {
      Rules::template each<T>([&](auto attribute) {
        if (attribute.other_name.empty()) return;
        found[at++] = {position_of<T>(attribute.member), attribute.writes_other};
      });
    }
    return found;
  }();
  static constexpr Names names = [] {
    Names stored{};
    for (std::size_t i = 0; i < count; ++i)
      stored[i] = Describe<T>::names[i];
    [[maybe_unused]] std::size_t other = count;
    Rules::template each<T>([&](auto attribute) {
      if (!attribute.stored_name.empty())
        stored[position_of<T>(attribute.member)] = attribute.stored_name;
      if (!attribute.other_name.empty()) stored[other++] = attribute.other_name;
    });
    return stored;
  }();

  static_assert(std::all_of(others.begin(), others.end(),
                            [](const OtherName& other) { return is_stored[other.member]; }),
                "persist: a member that is not stored has another name");

  /// The member whose value is in that slot.
  [[nodiscard]] static constexpr std::size_t member_of(std::size_t slot) noexcept {
    if constexpr (other_names != 0)
      if (slot >= count) return others[slot - count].member;
    return slot;
  }
  [[nodiscard]] static constexpr bool is_written(std::size_t slot) noexcept {
    return slot < count ? is_stored[slot] : others[slot - count].is_written;
  }
  /// How often the member is written behind its own name.
  [[nodiscard]] static constexpr std::size_t times_more(std::size_t member) noexcept {
    std::size_t times = 0;
    for (const OtherName& other : others)
      times += other.member == member && other.is_written ? 1 : 0;
    return times;
  }

  using Order = std::array<std::size_t, written_count>;
  /// The slots that are written: as they are declared, each member with its other names behind it,
  /// and as canonical order has them.
  static constexpr Order declared = [] {
    Order order{};
    std::size_t at = 0;
    for (std::size_t i = 0; i < count; ++i) {
      if (!is_stored[i]) continue;
      order[at++] = i;
      for (std::size_t other = count; other != slots; ++other)
        if (member_of(other) == i && is_written(other)) order[at++] = other;
    }
    return order;
  }();
  static constexpr Order canonical = [] {
    Order order = declared;
    sort_fields(order, names);
    return order;
  }();
  /// All that are read.
  static constexpr auto known = [] {
    if constexpr (written_count == stored_count + other_names) {
      return canonical;
    } else {
      std::array<std::size_t, stored_count + other_names> order{};
      std::size_t at = 0;
      for (std::size_t slot = 0; slot != slots; ++slot)
        if (slot >= count || is_stored[slot]) order[at++] = slot;
      sort_fields(order, names);
      return order;
    }
  }();
  static_assert(names_differ(known, names),
                "persist: two fields of a struct are stored under one name");

  /// The member that holds what is unknown, or `none`.
  static constexpr std::size_t unknown_holder = [] {
    const auto& is = is_unknown_holder<T>;
    const auto at = std::find(is.begin(), is.end(), true);
    return at == is.end() ? none : static_cast<std::size_t>(at - is.begin());
  }();
  /// The member that tells elements apart, or `none`.
  static constexpr std::size_t identity = [] {
    std::size_t found = none;
    Rules::template each<T>([&](auto attribute) {
      if (attribute.identity) found = position_of<T>(attribute.member);
    });
    return found;
  }();

  static_assert(identity == none || is_stored[identity], "persist: an Identity must be stored");
  /// The slot of that name, or `none`.
  [[nodiscard]] static constexpr std::size_t find(std::string_view name) noexcept {
    return find_field(known, names, name, none);
  }
};

// For walks over types at compile time.

template <template <class...> class Tuple, class... Ts>
[[nodiscard]] constexpr Types<Ts...> types_of(const Tuple<Ts...>*) {
  return {};
}

/// The structs that a walk is in, so that one that contains itself comes to an end. The type is
/// what a compiler calls it: with -fsanitize=undefined, g++ does not say in a constant whether two
/// addresses differ.
struct Describing {
  std::string_view type;
  const Describing* outer;
};
/// How many steps above T was begun, from 1; 0 if it was not.
template <class T>
[[nodiscard]] constexpr std::size_t depth_of(const Describing* at) noexcept {
  for (std::size_t depth = 1; at != nullptr; at = at->outer, ++depth)
    if (at->type == pretty_type<T>()) return depth;
  return 0;
}

/// Whether elements of a sequence of T can be told apart.
template <class Rules, class T>
inline constexpr bool is_identified = [] {
  if constexpr (kind_of<T> == Kind::structure)
    return Plan<Rules, T>::identity != Plan<Rules, T>::none;
  else
    return false;
}();

}  // namespace persist::inline PERSIST_ABI::schema::detail

// Numbers that are rounded when they are written: a position to the centimetre is a shorter text
// and compresses better than one to the nanometre.

namespace persist::inline PERSIST_ABI::schema::detail {

/// The step of a member, or 0.
template <class Rules, class T, std::size_t I>
inline constexpr Exact quantum_of = [] {
  Exact found;
  if constexpr (Rules::quantises) {
    Rules::template each<T>([&](auto attribute) {
      if (attribute.quantum.magnitude != 0 && position_of<T>(attribute.member) == I)
        found = attribute.quantum;
    });
  }
  return found;
}();
template <class Rules, class T, std::size_t I>
inline constexpr bool is_quantised = quantum_of<Rules, T, I>.magnitude != 0;

/// The nearest multiple, away from zero in the middle. Where a step is a part of one (0.01 is a
/// hundredth), it is divided and not multiplied: so 0.35 becomes the double that 0.35 is written
/// as. What is too large to have a fraction is a multiple already, as far as it can be told.
[[nodiscard]] inline double to_multiple(double number, double step) noexcept {
  const double parts = std::round(1 / step);
  const bool is_part = step < 1 && std::fabs(parts * step - 1) < 1e-9;
  const double count = std::round(is_part ? number * parts : number / step);
  if (!std::isfinite(count) || std::fabs(count) >= 9007199254740992.0) return number;
  return is_part ? count / parts : count * step;
}
/// The same for integers; one whose nearest multiple the type does not have takes the one before.
template <class T>
[[nodiscard]] constexpr T to_multiple(T number, T step) noexcept {
  const T rest = static_cast<T>(number % step);
  const T down = static_cast<T>(number - rest);
  const T size = rest < T{} ? static_cast<T>(T{} - rest) : rest;
  if (size < static_cast<T>(step - size)) return down;
  if (rest < T{})
    return down < (std::numeric_limits<T>::min)() + step ? down : static_cast<T>(down - step);
  return down > (std::numeric_limits<T>::max)() - step ? down : static_cast<T>(down + step);
}

template <class T>
inline constexpr bool can_be_quantised =
    std::is_arithmetic_v<T> && (kind_of<T> == Kind::real || kind_of<T> == Kind::integer);
template <class T>
  requires(kind_of<T> == Kind::optional || kind_of<T> == Kind::sequence ||
           kind_of<T> == Kind::array)
inline constexpr bool can_be_quantised<T> = can_be_quantised<typename T::value_type>;

template <Exact Step, class M>
void round_to(M& number) {
  constexpr Kind kind = kind_of<M>;
  if constexpr (kind == Kind::optional) {
    if (number.has_value()) round_to<Step>(*number);
  } else if constexpr (kind == Kind::sequence || kind == Kind::array) {
    for (auto& element : number)
      round_to<Step>(element);
  } else if constexpr (kind == Kind::real) {
    number = static_cast<M>(to_multiple(static_cast<double>(number), Step.template as<double>()));
  } else {
    static_assert(Step.template fits<M>(),
                  "persist: the step of a Quantised integer is an integer of its type");
    number = to_multiple(number, Step.template as<M>());
  }
}
/// What is written for a member.
template <class Rules, class T, std::size_t I, class M>
[[nodiscard]] M quantised(M number) {
  constexpr Exact step = quantum_of<Rules, T, I>;
  static_assert(!step.negative, "persist: the step of a Quantised member is above zero");
  static_assert(can_be_quantised<M>,
                "persist: Quantised is for numbers, and for lists, arrays and optionals of them");
  if constexpr (can_be_quantised<M>) round_to<step>(number);
  return number;
}

}  // namespace persist::inline PERSIST_ABI::schema::detail

namespace persist::inline PERSIST_ABI::schema::detail {

/// Stops the compiler at a member that cannot be stored, with its struct and its name in the
/// message.
template <class Struct, auto MemberName, class Member>
struct CheckMember {
  static_assert(
      storable<Member>,
      "persist: a member cannot be stored; MemberName and Member, above, say which. Make it a "
      "storable type, specialise persist::adapt for it, or mark it persist::Transient");
};

/// The name of a member as a template argument. Some compilers print a text there as numbers, but
/// all print an address by its name: so a plain aggregate's member is named by its address.
template <class T, std::size_t I>
consteval auto printable_name() {
  if constexpr (described<T>) {
    constexpr std::string_view name = Describe<T>::names[I];
    char text[name.size() + 1]{};
    for (std::size_t at = 0; at < name.size(); ++at)
      text[at] = name[at];
    return persist::detail::FixedString<name.size() + 1>(text);
  } else {
    return member_addresses<T, Describe<T>::count>()[I];
  }
}

/// Costs nothing for members that can be stored: only for others a name is made.
template <class T, std::size_t I, class Member>
consteval bool check_member() {
  if constexpr (!storable<Member>)
    return sizeof(CheckMember<T, printable_name<T, I>(), Member>) != 0;
  return true;
}

}  // namespace persist::inline PERSIST_ABI::schema::detail

// The writing half of the pair that stands for a codec where the format is a Value: for
// conversions, for comparing what two values mean, and for tests of the walks without any bytes.

namespace persist::inline PERSIST_ABI::schema {

/// A writer whose format is a `Value`: what a codec's writer is to bytes.
class ValueWriter {
 public:
  /// So that the same data is the same value, whatever hashes say about the order of a set.
  static constexpr bool sorts_keys = true;
  [[nodiscard]] static constexpr bool key_less(std::string_view a, std::string_view b) noexcept {
    return canonical_less(a, b);
  }

  void null() { put(Value()); }
  void boolean(bool value) { put(Value(value)); }
  void integer(std::int64_t value) { put(Value(value)); }
  void unsigned_integer(std::uint64_t value) { put(Value(value)); }
  void real(double value) { put(Value(value)); }
  void real(float value) { put(Value(value)); }
  void text(std::string_view value) { put(Value(value)); }
  void bytes(ByteView value) { put(Value(Value::Bytes(value.begin(), value.end()))); }
  void begin_array(std::size_t count) { open_.emplace_back().elements.reserve(count); }
  void end_array() { close(Value(std::move(open_.back().elements))); }
  void begin_map(std::size_t count) { open_.emplace_back().members.reserve(count); }
  void key(std::string_view key) {
    open_.back().members.push_back({std::string(key), Value()}), open_.back().keyed = true;
  }
  /// Sorts the members; a key that was written twice makes the writer fail as `corrupt`.
  void end_map() {
    Result<Value> map = Value::map_of(std::move(open_.back().members));
    if (!map) fail(map.error());
    close(map ? *std::move(map) : Value());
  }
  void fail(Error error) {
    if (ok_) error_ = std::move(error);
    ok_ = false;
  }
  [[nodiscard]] bool ok() const noexcept { return ok_; }
  [[nodiscard]] Error take_error() { return std::move(error_); }
  /// What was written.
  [[nodiscard]] Value take() { return std::move(done_); }

 private:
  /// A container that was begun and not ended. `keyed` says that it is a map with a key that waits
  /// for its value; an empty map is told from an empty array by which end is called.
  struct Open {
    Value::Array elements;
    std::vector<Value::Member> members;
    bool keyed = false;
  };
  void put(Value value) {
    if (open_.empty())
      done_ = std::move(value);
    else if (open_.back().keyed)
      open_.back().members.back().value = std::move(value);
    else
      open_.back().elements.push_back(std::move(value));
  }
  void close(Value whole) {
    open_.pop_back();
    put(std::move(whole));
  }

  std::vector<Open> open_;
  Value done_;
  Error error_;
  bool ok_ = true;
};

}  // namespace persist::inline PERSIST_ABI::schema

// How a writing walk finds what a reading walk kept. It costs one comparison with null at each
// place of a record in which everything is known.

namespace persist::inline PERSIST_ABI::schema::detail {

/// What is kept at the place where a writing walk stands, if anything.
struct Trail {
  const KeptNode* node = nullptr;
  bool mark = false;  ///< says to `prune` that this place is still there

  [[nodiscard]] Trail below(std::string_view step) const {
    if (node == nullptr) [[likely]]
      return {};
    return below_kept(step);
  }

 private:
  [[nodiscard]] Trail below_kept(std::string_view step) const {
    const auto at = node->below.find(step);
    if (at == node->below.end()) return {};
    if (mark) at->second->reached = true;
    return {at->second.get(), mark};
  }
};

/// The unknown fields of one struct or map, merged among the known ones while those are written.
template <class Writer>
class Extras {
 public:
  Extras(Writer& out, Trail kept) : out_(out) {
    if (kept.node == nullptr || kept.node->fields.empty()) [[likely]]
      return;
    for (const auto& field : kept.node->fields)
      fields_.push_back(&field);
    if constexpr (Writer::sorts_keys)
      std::sort(fields_.begin(), fields_.end(), [](const Field* a, const Field* b) {
        return Writer::key_less(a->first, b->first);
      });
  }
  [[nodiscard]] std::size_t count() const noexcept { return fields_.size(); }
  /// Writes those that come before the known key, where the format asks for an order.
  void until(std::string_view key) {
    if constexpr (Writer::sorts_keys)
      while (done_ < fields_.size() && Writer::key_less(fields_[done_]->first, key))
        write_next();
  }
  void rest() {
    while (done_ < fields_.size())
      write_next();
  }

 private:
  using Field = std::pair<const std::string, Kept>;
  void write_next() {
    const Field& field = *fields_[done_++];
    out_.key(field.first);
    write_kept(out_, field.second);
  }

  Writer& out_;
  std::vector<const Field*> fields_;
  std::size_t done_ = 0;
};

/// The steps that lead from one node to another below it; empty if it is not there. For messages
/// only.
[[nodiscard]] inline std::string path_between(const KeptNode& root, const KeptNode* wanted) {
  for (const auto& [step, node] : root.below) {
    if (node.get() == wanted) return step;
    if (const std::string path = path_between(*node, wanted); !path.empty())
      return std::string(step).append(1, '.').append(path);
  }
  return {};
}

}  // namespace persist::inline PERSIST_ABI::schema::detail

namespace persist::inline PERSIST_ABI::schema::detail {

/// Calls `use` with each entry. Where `Sorts` says that the same data is to be the same bytes, the
/// order does not depend on hashes.
template <bool Sorts, class C, class F>
void in_order(const C& from, F&& use) {
  using Entry = typename C::value_type;
  if constexpr (Sorts && keyed<C> && !requires { typename C::key_compare; }) {
    if constexpr (std::totally_ordered<typename C::key_type>) {
      std::vector<const Entry*> entries;
      entries.reserve(from.size());
      for (const Entry& entry : from)
        entries.push_back(&entry);
      const auto key = [](const Entry& entry) -> const auto& {
        if constexpr (map_like<C>)
          return entry.first;
        else
          return entry;
      };
      std::sort(entries.begin(), entries.end(),
                [&](const Entry* a, const Entry* b) { return key(*a) < key(*b); });
      for (const Entry* entry : entries)
        use(*entry);
      return;
    }
  }
  for (const auto& entry : from)
    use(entry);
}

}  // namespace persist::inline PERSIST_ABI::schema::detail

// From types to tokens. How each kind looks is said here once, for every format; how a token looks
// in bytes is the format's. A writer's errors stay with it, so the walk asks only at its end.

namespace persist::inline PERSIST_ABI::schema {
namespace detail {

/// The identity of an element, as text that may refer to the element.
template <class P, class T>
[[nodiscard]] KeyText identity_of(const T& element) {
  return Describe<T>::apply(element, [](const auto&... member) {
    const auto& identity = std::get<P::identity>(std::tie(member...));
    static_assert(text_key<std::remove_cvref_t<decltype(identity)>>,
                  "persist: an Identity is an integer, a text or an enum");
    return KeyText(identity);
  });
}

/// Entries of a map, by the text of their keys. The values' type is left out, so that all maps
/// share one sort.
using KeyEntry = std::pair<KeyText, const void*>;
template <class Writer>
void sort_entries(std::vector<KeyEntry>& entries) {
  std::sort(entries.begin(), entries.end(), [](const KeyEntry& a, const KeyEntry& b) {
    return Writer::key_less(a.first.view(), b.first.view());
  });
}

/// The walk that turns a value into tokens. One function a kind; each says what the kind looks like
/// in every format.
template <class Rules, class Writer>
class Writing {
 public:
  Writing(Writer& out, UnknownFields* unknown) noexcept : out_(out), unknown_(unknown) {}

  template <class T>
  void value(const T& from, Trail kept) {
    constexpr Kind kind = kind_of<T>;
    static_assert(
        kind != Kind::none,
        "persist: this type cannot be stored: make it a plain aggregate, describe it with "
        "persist_fields, or specialise persist::adapt for it");
    if constexpr (kind == Kind::boolean)
      out_.boolean(from);
    else if constexpr (kind == Kind::integer)
      integer(from);
    else if constexpr (kind == Kind::real)
      out_.real(from);
    else if constexpr (kind == Kind::enumeration)
      enumeration(from, kept);
    else if constexpr (kind == Kind::text)
      out_.text(std::string_view(from));
    else if constexpr (kind == Kind::bytes)
      out_.bytes(ByteView(from));
    else if constexpr (kind == Kind::optional)
      optional(from, kept);
    else if constexpr (kind == Kind::variant)
      variant(from, kept);
    else if constexpr (kind == Kind::sequence || kind == Kind::array)
      sequence(from, kept);
    else if constexpr (kind == Kind::set)
      set(from);
    else if constexpr (kind == Kind::map)
      map(from, kept);
    else if constexpr (kind == Kind::tuple)
      tuple(from, kept);
    else if constexpr (kind == Kind::duration)
      value(from.count(), {});
    else if constexpr (kind == Kind::time_point)
      value(from.time_since_epoch().count(), {});
    else if constexpr (kind == Kind::structure)
      structure(from, kept);
    else if constexpr (kind == Kind::value)
      write_value(out_, from);
    else if constexpr (kind == Kind::adapted)
      value(adapt<T>::store(from), kept);
    else if constexpr (kind == Kind::unit)
      out_.null();
  }

 private:
  template <class T>
  void integer(T from) {
    if constexpr (std::same_as<T, std::byte>)
      out_.unsigned_integer(std::to_integer<std::uint64_t>(from));
    else if constexpr (std::is_signed_v<T>)
      out_.integer(static_cast<std::int64_t>(from));
    else
      out_.unsigned_integer(static_cast<std::uint64_t>(from));
  }

  /// Whether the member still holds what was put in the place of a value that this build does not
  /// know; then that value has been written.
  template <class T>
  bool replaced(const T& from, Trail kept) {
    if (kept.node == nullptr || kept.node->replaced == nullptr) [[likely]]
      return false;
    const KeptNode::Replaced& unknown = *kept.node->replaced;
    ValueWriter now;
    Writing<Rules, ValueWriter>(now, nullptr).value(from, {});
    if (!(now.take() == unknown.placeholder)) {
      kept.node->overwritten = kept.mark;
      return false;
    }
    if (kind_of<T> == Kind::variant && !unknown.is_whole) {
      out_.begin_map(1);
      out_.key(unknown.name);
      write_kept(out_, unknown.item);
      out_.end_map();
    } else {
      write_kept(out_, unknown.item);
    }
    return true;
  }

  /// One that is empty takes with it what was unknown inside: what comes in later is another.
  template <class O>
  void optional(const O& from, Trail kept) {
    if (from.has_value()) return value(*from, kept);
    if (kept.node != nullptr) kept.node->overwritten = kept.mark;
    out_.null();
  }

  template <class E>
  void enumeration(E from, Trail kept) {
    if (replaced(from, kept)) return;
    if (const std::string_view name = enum_name(from); !name.empty())
      out_.text(name);
    else
      integer(static_cast<std::underlying_type_t<E>>(from));
  }

  /// The alternative's name goes with it, so that alternatives can be added and moved.
  /// std::monostate is null.
  template <class... Ts>
  void variant(const std::variant<Ts...>& from, Trail kept) {
    if (replaced(from, kept)) return;
    if (from.valueless_by_exception())
      return out_.fail(Error(Errc::invalid, "a variant holds nothing because an assignment threw"));
    (
        [&] {
          if (const Ts* held = std::get_if<Ts>(&from)) alternative(*held, kept);
        }(),
        ...);
  }
  template <class T>
  void alternative(const T& from, Trail kept) {
    if constexpr (kind_of<T> == Kind::unit) {
      out_.null();
    } else {
      out_.begin_map(1);
      out_.key(type_name<T>);
      value(from, kept.below(type_name<T>));
      out_.end_map();
    }
  }

  /// Elements that nothing identifies have nothing kept for them, or the record was refused.
  template <class S>
  void sequence(const S& from, Trail kept) {
    using Element = typename S::value_type;
    out_.begin_array(from.size());
    if constexpr (is_identified<Rules, Element>) {
      if (kept.node != nullptr) {
        identified_elements(from, kept);
        return out_.end_array();
      }
    }
    for (const Element& element : from)
      value(element, {});
    out_.end_array();
  }

  /// Elements find their unknown fields by identity. Where two elements now have one identity,
  /// neither gets them, because they would be the wrong one's; they stay with the session, and the
  /// place is reported. One that is gone takes its own with it; one that is taken out and put back
  /// between two saves is the same one, because that is what an identity says.
  template <class S>
  void identified_elements(const S& from, Trail kept) {
    using P = Plan<Rules, typename S::value_type>;
    std::vector<KeyText> identities;
    identities.reserve(from.size());
    for (const auto& element : from)
      identities.push_back(identity_of<P>(element));
    std::vector<KeyText> sorted = identities;
    std::sort(sorted.begin(), sorted.end());
    std::size_t index = 0;
    for (const auto& element : from) {
      const KeyText& identity = identities[index++];
      Trail own = kept.below(identity.view());
      const auto range = std::equal_range(sorted.begin(), sorted.end(), identity);
      if (own.node != nullptr && range.second - range.first > 1) {
        report_ambiguous(own.node);
        own = {};
      }
      value(element, own);
    }
  }
  void report_ambiguous(const KeptNode* node) {
    if (unknown_ == nullptr || unknown_->root() == nullptr) return;
    unknown_->drop(path_between(*unknown_->root(), node));
  }

  /// What is unknown in an element of a set is never kept: elements are constants, and no path
  /// leads back.
  template <class S>
  void set(const S& from) {
    out_.begin_array(from.size());
    in_order<Writer::sorts_keys>(from, [&](const auto& element) { value(element, {}); });
    out_.end_array();
  }

  template <class M>
  void map(const M& from, Trail kept) {
    if constexpr (text_key<typename M::key_type>) {
      text_map(from, kept);
    } else {
      out_.begin_array(from.size());
      in_order<Writer::sorts_keys>(from, [&](const auto& entry) {
        out_.begin_array(2);
        value(entry.first, {});
        value(entry.second, {});
        out_.end_array();
      });
      out_.end_array();
    }
  }

  /// Keys are sorted where the format asks for it, as views: no key is copied.
  template <class M>
  void text_map(const M& from, Trail kept) {
    Extras<Writer> extras(out_, kept);
    out_.begin_map(from.size() + extras.count());
    const auto write = [&](std::string_view key, const auto& mapped) {
      extras.until(key);
      out_.key(key);
      value(mapped, kept.below(key));
    };
    if constexpr (Writer::sorts_keys) {
      std::vector<KeyEntry> entries;
      entries.reserve(from.size());
      for (const auto& [key, mapped] : from)
        entries.emplace_back(KeyText(key), &mapped);
      sort_entries<Writer>(entries);
      for (const auto& [key, mapped] : entries)
        write(key.view(), *static_cast<const typename M::mapped_type*>(mapped));
    } else {
      for (const auto& [key, mapped] : from)
        write(KeyText(key).view(), mapped);
    }
    extras.rest();
    out_.end_map();
  }

  /// The members of a tuple cannot move, so their place is a path like a field's.
  template <class T>
  void tuple(const T& from, Trail kept) {
    std::apply(
        [&](const auto&... element) {
          out_.begin_array(sizeof...(element));
          std::size_t index = 0;
          (value(element, kept.node ? kept.below(std::to_string(index++)) : Trail{}), ...);
          out_.end_array();
        },
        from);
  }

  using WriteMember = void (*)(Writing&, const void*, Trail);
  template <class M>
  static void write_member(Writing& walk, const void* member, Trail kept) {
    const M& from = *static_cast<const M*>(member);
    // One whose own kind asks that again is asked once more, and answers the same.
    if constexpr (Rules::asks)
      if (walk.replaced(from, kept)) return;
    walk.value(from, kept);
  }
  template <class T, std::size_t I, class M>
  static void write_quantised(Writing& walk, const void* member, Trail kept) {
    const M rounded = quantised<Rules, T, I>(*static_cast<const M*>(member));
    write_member<M>(walk, &rounded, kept);
  }
  template <class T, std::size_t I, class M>
  static consteval WriteMember member_writer() {
    if constexpr (!Plan<Rules, T>::is_stored[I])
      return nullptr;
    else if constexpr (is_quantised<Rules, T, I>)
      return &write_quantised<T, I, M>;
    else if constexpr (check_member<T, I, M>())
      return &write_member<M>;
  }
  template <class T, class... Ms>
  static consteval auto member_writers(Types<Ms...>) {
    return []<std::size_t... I>(std::index_sequence<I...>) {
      return std::array<WriteMember, sizeof...(Ms)>{member_writer<T, I, Ms>()...};
    }(std::index_sequence_for<Ms...>{});
  }

  /// Members are written through a table, so that types that occur often are compiled once, and in
  /// the order that the format asks for.
  template <class T>
  void structure(const T& from, Trail kept) {
    using P = Plan<Rules, T>;
    static constexpr auto writers = member_writers<T>(MemberTypes<T>{});
    const auto members = Describe<T>::apply(from, [](const auto&... member) {
      return std::array<const void*, sizeof...(member)>{static_cast<const void*>(&member)...};
    });
    if constexpr (P::unknown_holder != P::none)
      kept = {static_cast<const Unknown*>(members[P::unknown_holder])->node().get(),
              unknown_ != nullptr};
    Extras<Writer> extras(out_, kept);
    out_.begin_map(P::written_count + extras.count());
    const auto& order = Writer::sorts_keys ? P::canonical : P::declared;
    for (const std::size_t slot : order) {
      const std::size_t field = P::member_of(slot);
      extras.until(P::names[slot]);
      out_.key(P::names[slot]);
      writers[field](*this, members[field], kept.below(P::names[field]));
    }
    extras.rest();
    out_.end_map();
    if constexpr (P::unknown_holder != P::none)
      forget_stale(static_cast<const Unknown*>(members[P::unknown_holder])->node().get());
  }
  /// What such a member holds is not under the session's root, so nobody else prunes it.
  void forget_stale(KeptNode* node) {
    if (node == nullptr || unknown_ == nullptr) return;
    out_.ok() ? node->prune() : node->unmark();
  }

  Writer& out_;
  UnknownFields* unknown_;
};

}  // namespace detail

/// Writes `from` as one item, and what `unknown` kept of it back where it came from. What it kept
/// of elements and map values that are gone is forgotten. Errors are the writer's, and `invalid`
/// for a variant that holds nothing.
template <class Policy, class Writer, class T>
[[nodiscard]] Result<void> write(Writer& out, const T& from, UnknownFields& unknown) {
  detail::Writing<detail::RulesOf<Policy>, Writer>(out, &unknown)
      .value(from, {unknown.root(), true});
  if (!out.ok()) {
    if (unknown.root() != nullptr) unknown.root()->unmark();
    return out.take_error();
  }
  unknown.prune();
  return success;
}
/// The same for what was never read, like a new message.
template <class Policy, class Writer, class T>
[[nodiscard]] Result<void> write(Writer& out, const T& from) {
  detail::Writing<detail::RulesOf<Policy>, Writer>(out, nullptr).value(from, {});
  if (!out.ok()) return out.take_error();
  return success;
}

}  // namespace persist::inline PERSIST_ABI::schema

namespace persist::inline PERSIST_ABI::schema::detail {

/// What every part of the reading walk needs: the reader, the ways to fail, and what becomes of
/// what is unknown. A function returns false when it failed; then the reader holds the error.
template <class Rules, class Reader>
class ReadBase {
 public:
  using rules = Rules;
  using reader = Reader;

  ReadBase(Reader& in, UnknownFields& unknown) noexcept : in_(in), unknown_(unknown) {}
  [[nodiscard]] Reader& in() noexcept { return in_; }
  [[nodiscard]] UnknownFields& unknown() noexcept { return unknown_; }

  /// The first error counts: a reader keeps it.
  bool fail(Error error) { return in_.fail(std::move(error)), false; }
  bool mismatch(const Place& at, std::string_view expected, std::string found) {
    return fail(
        Error(Errc::schema_mismatch).at(at.path(), std::string(expected), std::move(found)));
  }
  /// Says that the item is of that sort, or fails. Broken input is let through, for the reader to
  /// word.
  bool expect(Token wanted, const Place& at) { return expect(wanted, at, name(wanted)); }
  bool expect(Token wanted, const Place& at, std::string_view expected) {
    const Token found = in_.peek();
    if (found == wanted || found == Token::bad || found == Token::end) [[likely]]
      return true;
    return mismatch(at, expected, describe(found));
  }
  /// Says that the key which was just added to `all` does not make the reading of this input slow,
  /// or fails.
  template <class C>
  bool spread(const C& all, const typename C::key_type& key, const Place& at) {
    if constexpr (is_flooded<C>) {
      if (is_crowded(all, key) && ++crowded_ > most_crowded_keys) [[unlikely]]
        return fail(Error(Errc::too_large, "more than " + std::to_string(most_crowded_keys) +
                                               " keys were chosen so that their hashes collide")
                        .at(at.path(), "", ""));
    }
    return true;
  }
  /// Begins a map, or passes over an empty array in its place: who has one kind of table, as Roblox
  /// does, cannot tell them apart and writes an empty map as []. `empty` says that it was one.
  bool begin_map(const Place& at, bool& empty) {
    std::size_t count = 0;
    empty = in_.peek() == Token::array;
    if (!empty) return expect(Token::map, at) && in_.begin_map(count);
    if (!in_.begin_array(count)) return false;
    if (in_.next_element()) return mismatch(at, name(Token::map), describe(Token::array));
    return in_.ok();
  }
  /// What is found instead, with its value where that is short.
  std::string describe(Token found) {
    Integer whole;
    Real real;
    bool flag = false;
    std::string_view text;
    if (found == Token::integer && in_.integer(whole)) return text_of(whole);
    if (found == Token::real && in_.real(real)) return text_of(real);
    if (found == Token::boolean && in_.boolean(flag)) return flag ? "true" : "false";
    if (found == Token::text && in_.text(text))
      return "the text '" + Place().inside(text).path() + "'";
    return std::string(name(found));
  }

  /// A value of an enum or variant that this build does not know: kept, with what is in its place.
  template <class T>
  bool replace(const T& placeholder, const Place& at, std::string_view name, Kept item,
               bool is_whole = false) {
    KeptNode* node = at.keep(unknown_);
    if (node == nullptr) return drop(at);
    ValueWriter held;
    Writing<Rules, ValueWriter>(held, nullptr).value(placeholder, {});
    node->replaced = std::make_unique<KeptNode::Replaced>();
    *node->replaced = {std::string(name), std::move(item), held.take(), is_whole};
    return true;
  }
  /// Says that the error which is under way was decided on: nobody further out is asked again.
  void settle() noexcept { is_settled_ = true; }
  [[nodiscard]] bool is_settled() const noexcept { return is_settled_; }

  /// Something unknown where nothing can be kept.
  bool drop(const Place& at) {
    if constexpr (Rules::drops_unknown) {
      return unknown_.drop(at.path()), true;
    } else {
      return fail(
          Error(
              Errc::too_new,
              "a newer build wrote this, and saving would lose it: give the elements a "
              "persist::Identity or a persist::Unknown member, or let the policy say drop_unknown")
              .at(at.path(), "", ""));
    }
  }

  /// A field without a member: kept with the struct it is in.
  bool unknown_field(std::string_view key, const Place& at) {
    std::string name(key);
    const Place field = at.inside(name);
    Kept item;
    if (!read_kept(in_, item)) return false;
    KeptNode* node = at.keep(unknown_);
    if (node == nullptr) return drop(field);
    if (!node->fields.try_emplace(name, std::move(item)).second)
      return fail(Error(Errc::corrupt, "a field is there twice").at(field.path(), "", ""));
    return true;
  }

 private:
  Reader& in_;
  UnknownFields& unknown_;
  std::size_t crowded_ = 0;
  bool is_settled_ = false;
};

}  // namespace persist::inline PERSIST_ABI::schema::detail

// Reading what may be one thing or another: optionals, variants, and types that are stored as
// others.

namespace persist::inline PERSIST_ABI::schema::detail {

/// Whether a T may be stored as null of its own accord.
template <class T>
inline constexpr bool has_null =
    kind_of<T> == Kind::optional || kind_of<T> == Kind::unit || kind_of<T> == Kind::value;
template <class... Ts>
inline constexpr bool has_null<std::variant<Ts...>> = (std::same_as<Ts, std::monostate> || ...);
template <adapted T>
inline constexpr bool has_null<T> = has_null<typename adapt<T>::stored_type>;

/// What the member holds by default is read into, not replaced, so that its own defaults hold for
/// what is missing inside.
template <class Walk, class T>
[[nodiscard]] bool read_optional(Walk& walk, T& into, const Place& at) {
  static_assert(
      !has_null<typename T::value_type>,
      "persist: an optional of an optional has two kinds of nothing, and storage has one; a Value "
      "and a variant with std::monostate have theirs without it");
  if (walk.in().peek() == Token::null) return into.reset(), walk.in().null();
  if (!into.has_value()) into.emplace();
  return walk.value(*into, at);
}

/// With one name for two types, what was written as one would be read as the other.
template <class... Ts>
consteval bool distinct_names() {
  std::array<std::string_view, sizeof...(Ts)> names{type_name<Ts>...};
  std::sort(names.begin(), names.end());
  return std::adjacent_find(names.begin(), names.end()) == names.end();
}

/// A map of one entry, whose key is the name of the type. What is unknown in an alternative is kept
/// below that name, so that it does not come to another one. A name that no alternative has comes
/// from a newer build: the member keeps its default, and the entry is kept beside it. An
/// alternative that the member holds by default is read into, another is made first.
template <class Walk, class... Ts>
[[nodiscard]] bool read_variant(Walk& walk, std::variant<Ts...>& into, const Place& at) {
  static_assert(distinct_names<Ts...>(),
                "persist: two alternatives of a variant have one name: give one a persist_name");
  if (walk.in().peek() == Token::null) {
    if constexpr ((std::same_as<Ts, std::monostate> || ...))
      return into = std::monostate(), walk.in().null();
  }
  std::size_t count = 0;
  std::string_view name;
  const std::string_view expected = "a map with the name of the type as its key";
  if (!walk.expect(Token::map, at, expected) || !walk.in().begin_map(count)) return false;
  if (!walk.in().next_key(name))
    return walk.in().ok() && walk.mismatch(at, expected, "an empty map");
  bool known = false;
  bool read = true;
  (
      [&] {
        if (known || kind_of<Ts> == Kind::unit || type_name<Ts> != name) return;
        known = true;
        if (!std::holds_alternative<Ts>(into)) into.template emplace<Ts>();
        read = walk.value(*std::get_if<Ts>(&into), at.inside(type_name<Ts>));
      }(),
      ...);
  if (!known) {
    const std::string unknown_name(name);
    Kept item;
    read = read_kept(walk.in(), item) && walk.replace(into, at, unknown_name, std::move(item));
  }
  if (!read) return false;
  if (walk.in().next_key(name)) return walk.mismatch(at, expected, "a map of more");
  return walk.in().ok();
}
/// Begins with the stored form of the default, so that what is missing in it is the default's too.
/// What `restore` refuses is refused with the path.
template <class Walk, class T>
[[nodiscard]] bool read_adapted(Walk& walk, T& into, const Place& at) {
  auto stored = adapt<T>::store(into);
  if (!walk.value(stored, at)) return false;
  if constexpr (std::is_assignable_v<T&, decltype(adapt<T>::restore(std::move(stored)))>) {
    into = adapt<T>::restore(std::move(stored));
    return true;
  } else {
    auto restored = adapt<T>::restore(std::move(stored));
    if (!restored) return walk.fail(std::move(restored).error().at(at.path(), "", ""));
    into = *std::move(restored);
    return true;
  }
}

}  // namespace persist::inline PERSIST_ABI::schema::detail

// What becomes of a member or element that the record does not have, where it does not simply keep
// its default.

namespace persist::inline PERSIST_ABI::schema::detail {

template <class Rules>
inline constexpr bool fills_all = std::is_same_v<typename Rules::reconcile, reconcile::Deep>;

template <class Rules, class T>
void blank(T& into);

template <class Rules, class T>
void blank_struct(T& into) {
  using P = Plan<Rules, T>;
  Describe<T>::apply(into, [](auto&... member) {
    std::size_t at = 0;
    (
        [&] {
          if constexpr (kind_of<std::remove_cvref_t<decltype(member)>> != Kind::none)
            if (P::is_stored[at]) blank<Rules>(member);
          ++at;
        }(),
        ...);
  });
}
/// Makes it what its type is without a default.
template <class Rules, class T>
void blank(T& into) {
  constexpr Kind kind = kind_of<T>;
  if constexpr (kind == Kind::structure) {
    blank_struct<Rules>(into);
  } else if constexpr (kind == Kind::array) {
    for (auto& element : into)
      blank<Rules>(element);
  } else if constexpr (kind == Kind::tuple) {
    std::apply([](auto&... element) { (blank<Rules>(element), ...); }, into);
  } else {
    into = T{};
    if constexpr (kind == Kind::variant) blank<Rules>(*std::get_if<0>(&into));
  }
}

/// Says what is to become of a T that is missing at a place in something at `above`. False if the
/// record is refused for it.
template <class Walk, class T>
[[nodiscard]] bool is_missing(Walk& walk, T& into, const Place& above, const Place& at) {
  using Mode = typename Walk::rules::reconcile;
  if constexpr (std::is_same_v<Mode, reconcile::None>)
    return blank<typename Walk::rules>(into), true;
  else if constexpr (std::is_same_v<Mode, reconcile::Shallow>)
    return above.up == nullptr || walk.mismatch(at, "a value", "nothing");
  else if constexpr (std::is_same_v<Mode, reconcile::Strict>)
    return walk.mismatch(at, "a value", "nothing");
  else
    return true;
}

}  // namespace persist::inline PERSIST_ABI::schema::detail

// Reading everything with elements. Containers are emptied first: a stored list replaces a default
// one, it is not appended to it. Elements are made in place with their defaults and then read into.

namespace persist::inline PERSIST_ABI::schema::detail {

/// Makes room for what the input promises, but for no more than a mebibyte: the promise may be a
/// lie.
template <class C>
void reserve(C& into, std::size_t count) {
  constexpr std::size_t most = (std::size_t{1} << 20) / sizeof(typename C::value_type);
  if constexpr (requires { into.reserve(count); }) into.reserve((std::min)(count, most));
}

/// Files what elements hold that is unknown under their identities. An identity that two elements
/// share identifies neither.
template <class Walk, class S>
[[nodiscard]] bool identify(Walk& walk, const S& all, const Place& at,
                            std::vector<std::pair<std::size_t, std::unique_ptr<KeptNode>>>& kept) {
  using P = Plan<typename Walk::rules, typename S::value_type>;
  std::vector<KeyText> identities;
  identities.reserve(static_cast<std::size_t>(std::distance(all.begin(), all.end())));
  for (const auto& element : all)
    identities.push_back(identity_of<P>(element));
  std::vector<KeyText> sorted = identities;
  std::sort(sorted.begin(), sorted.end());
  for (auto& [index, node] : kept) {
    if (node->empty()) continue;
    const auto [first, last] = std::equal_range(sorted.begin(), sorted.end(), identities[index]);
    KeptNode* parent = last - first == 1 ? at.keep(walk.unknown()) : nullptr;
    if (parent == nullptr) {
      Place element = at.inside();
      element.move_to(index);
      if (!walk.drop(element)) return false;
    } else {
      parent->below[std::string(identities[index].view())] = std::move(node);
    }
  }
  return true;
}

/// Reads an array, each element by `read_one`. What is unknown in an element is kept by the
/// element's identity, and without one not at all.
template <class Walk, class S, class F>
[[nodiscard]] bool read_elements(Walk& walk, const S& all, const Place& at, F&& read_one) {
  constexpr bool by_identity = is_identified<typename Walk::rules, typename S::value_type>;
  std::vector<std::pair<std::size_t, std::unique_ptr<KeptNode>>> kept;
  std::unique_ptr<KeptNode> own;
  Place element = at.inside();
  if constexpr (by_identity)
    element.anchor = &own;
  else
    element.loose = true;
  for (element.move_to(0); walk.in().next_element(); element.move_to(element.index + 1)) {
    if (!read_one(element)) return false;
    if (own) [[unlikely]]
      kept.emplace_back(element.index, std::move(own));
  }
  if (!walk.in().ok()) return false;
  if constexpr (by_identity)
    return kept.empty() || identify(walk, all, at, kept);
  else
    return true;
}

template <class Walk, class S>
[[nodiscard]] bool read_sequence(Walk& walk, S& into, const Place& at) {
  using Element = typename S::value_type;
  std::size_t count = 0;
  if (!walk.expect(Token::array, at) || !walk.in().begin_array(count)) return false;
  into.clear();
  reserve(into, count);
  return read_elements(walk, into, at, [&](const Place& element) {
    if constexpr (std::same_as<decltype(into.back()), Element&>) {
      into.emplace_back();
      return walk.value(into.back(), element);
    } else {  // std::vector<bool> has no element to refer to
      Element made{};
      if (!walk.value(made, element)) return false;
      into.push_back(made);
      return true;
    }
  });
}

/// An array that was shorter when it was written leaves the rest at its default.
template <class Walk, class A>
[[nodiscard]] bool read_array(Walk& walk, A& into, const Place& at) {
  std::size_t count = 0;
  if (!walk.expect(Token::array, at) || !walk.in().begin_array(count)) return false;
  std::size_t read = 0;
  const bool whole = read_elements(walk, into, at, [&](const Place& element) {
    if (element.index == into.size())
      return walk.mismatch(at, "at most " + std::to_string(into.size()) + " elements", "more");
    ++read;
    return walk.value(into[element.index], element);
  });
  if constexpr (!fills_all<typename Walk::rules>) {
    Place element = at.inside();
    for (element.move_to(read); whole && element.index < into.size();
         element.move_to(element.index + 1))
      if (!is_missing(walk, into[element.index], at, element)) return false;
  }
  return whole;
}

/// The type to read an element of a set into: a multimap's has a constant key.
template <class T>
struct Made {
  using type = T;
};
template <class A, class B>
struct Made<std::pair<const A, B>> {
  using type = std::pair<A, B>;
};

/// Elements of a set cannot be changed in place, so they are made outside. A repeated one means
/// that this was written as a list, where repeats count: refused, because they would be lost.
template <class Walk, class S>
[[nodiscard]] bool read_set(Walk& walk, S& into, const Place& at) {
  std::size_t count = 0;
  if (!walk.expect(Token::array, at) || !walk.in().begin_array(count)) return false;
  into.clear();
  reserve(into, count);
  Place element = at.inside();
  element.loose = true;
  for (element.move_to(0); walk.in().next_element(); element.move_to(element.index + 1)) {
    typename Made<typename S::value_type>::type made{};
    if (!walk.value(made, element)) return false;
    if constexpr (requires { into.emplace(std::move(made)).second; }) {
      const auto [where, fresh] = into.emplace(std::move(made));
      if (!fresh)
        return walk.mismatch(element, "an element that is not in the set yet", "a repeated one");
      if (!walk.spread(into, *where, at)) return false;
    } else {
      into.emplace(std::move(made));
    }
  }
  return walk.in().ok();
}

/// A key that is there twice is corrupt, also where two texts stand for one key. An enum key that
/// this build does not know is kept with the map, like a field that a struct does not have.
template <class Walk, class M>
[[nodiscard]] bool read_text_map(Walk& walk, M& into, const Place& at) {
  using Key = typename M::key_type;
  std::size_t count = 0;
  if (walk.in().peek() == Token::array) {
    bool empty = false;
    return walk.begin_map(at, empty);
  }
  if (!walk.expect(Token::map, at) || !walk.in().begin_map(count)) return false;
  reserve(into, count);
  Place entry = at.inside();
  for (std::string_view text; walk.in().next_key(text);) {
    std::optional<Key> key = parse_key<Key>(text);
    if (!key) {
      if (!std::is_enum_v<Key>)
        return walk.mismatch(at, "keys that are integers",
                             "the key '" + Place().inside(text).path() + "'");
      if (!walk.unknown_field(text, at)) return false;
      continue;
    }
    const auto [where, fresh] = into.try_emplace(*std::move(key));
    const KeyText step(where->first);
    entry.move_to(step.view());
    if (!fresh)
      return walk.fail(Error(Errc::corrupt, "a key is there twice").at(entry.path(), "", ""));
    if (!walk.spread(into, where->first, at) || !walk.value(where->second, entry)) return false;
  }
  return walk.in().ok();
}

/// Keys that have no text: an array of pairs. No path leads to such a value.
template <class Walk, class M>
[[nodiscard]] bool read_pair_map(Walk& walk, M& into, const Place& at) {
  std::size_t count = 0;
  if (!walk.expect(Token::array, at) || !walk.in().begin_array(count)) return false;
  reserve(into, count);
  Place entry = at.inside();
  entry.loose = true;
  for (entry.move_to(0); walk.in().next_element(); entry.move_to(entry.index + 1)) {
    typename M::key_type key{};
    if (!walk.expect(Token::array, entry, "a pair of key and value") ||
        !walk.in().begin_array(count))
      return false;
    if (!walk.in().next_element())
      return walk.in().ok() && walk.mismatch(entry, "a pair of key and value", "nothing");
    if (!walk.value(key, entry)) return false;
    const auto [where, fresh] = into.try_emplace(std::move(key));
    if (!fresh)
      return walk.fail(Error(Errc::corrupt, "a key is there twice").at(entry.path(), "", ""));
    if (!walk.spread(into, where->first, at)) return false;
    if (!walk.in().next_element())
      return walk.in().ok() && walk.mismatch(entry, "a pair of key and value", "a key");
    if (!walk.value(where->second, entry)) return false;
    if (walk.in().next_element()) return walk.mismatch(entry, "a pair of key and value", "more");
    if (!walk.in().ok()) return false;
  }
  return walk.in().ok();
}

template <class Walk, class M>
[[nodiscard]] bool read_map(Walk& walk, M& into, const Place& at) {
  into.clear();
  if constexpr (text_key<typename M::key_type>)
    return read_text_map(walk, into, at);
  else
    return read_pair_map(walk, into, at);
}

/// A tuple that had fewer members when it was written leaves the rest at their defaults.
template <class Walk, class T>
[[nodiscard]] bool read_tuple(Walk& walk, T& into, const Place& at) {
  std::size_t count = 0;
  if (!walk.expect(Token::array, at) || !walk.in().begin_array(count)) return false;
  Place element = at.inside();
  bool more = true;
  const auto one = [&](auto& member) {
    element.move_to(element.index + 1);  // begins at 0: no_index is the number before it
    more = more && walk.in().next_element();
    if (!more && walk.in().ok()) return is_missing(walk, member, at, element);
    return !more || walk.value(member, element);
  };
  if (!std::apply([&](auto&... member) { return (one(member) && ...); }, into)) return false;
  if (more && walk.in().next_element())
    return walk.mismatch(at, "at most " + std::to_string(std::tuple_size_v<T>) + " elements",
                         "more");
  return walk.in().ok();
}

}  // namespace persist::inline PERSIST_ABI::schema::detail

// Reading the kinds that are one item: numbers, texts, bytes, enums, times. Each asks what it
// stands before and fails as schema_mismatch with path, expected and found; broken input is the
// reader's to word.

namespace persist::inline PERSIST_ABI::schema::detail {

/// An integer may be stored as a whole real and a real as an integer, because formats and older
/// builds choose differently; what would lose something is refused and never rounded.
template <class Walk, class T>
[[nodiscard]] bool read_number(Walk& walk, T& into, const Place& at) {
  constexpr bool is_real = kind_of<T> == Kind::real;
  const std::string_view expected = number_name<T>();
  if (walk.in().peek() == Token::real) {
    Real real;
    if (!walk.in().real(real)) return false;
    Integer whole;
    if constexpr (is_real)
      return convert(real, into) || walk.mismatch(at, expected, text_of(real));
    else
      return (convert(real, whole) && convert(whole, into)) ||
             walk.mismatch(at, expected, text_of(real));
  }
  Integer whole;
  if (!walk.expect(Token::integer, at, expected) || !walk.in().integer(whole)) return false;
  return convert(whole, into) || walk.mismatch(at, expected, text_of(whole));
}

/// Copies: the text belongs to the input, or to a scratch that the reader uses again.
template <class Walk, class T>
[[nodiscard]] bool read_text(Walk& walk, T& into, const Place& at) {
  std::string_view found;
  if (!walk.expect(Token::text, at) || !walk.in().text(found)) return false;
  into.assign(found.data(), found.size());
  return true;
}

/// A format without bytes has them as text; then only the type that is read knows that they are
/// bytes.
template <class Walk, class T>
[[nodiscard]] bool read_bytes(Walk& walk, T& into, const Place& at) {
  ByteView found;
  const bool as_text = [] {
    if constexpr (requires { Walk::reader::bytes_as_text; })
      return Walk::reader::bytes_as_text;
    else
      return false;
  }();
  if (!(as_text && walk.in().peek() == Token::text) && !walk.expect(Token::bytes, at)) return false;
  if (!walk.in().bytes(found)) return false;
  if constexpr (is_array<T>) {
    if (found.size() != into.size())
      return walk.mismatch(at, std::to_string(into.size()) + " bytes",
                           std::to_string(found.size()));
    std::copy(found.begin(), found.end(), into.begin());
  } else if constexpr (std::same_as<T, Buffer>) {
    into = Buffer(found);
  } else {
    into.assign(found.data(), found.data() + found.size());
  }
  return true;
}

/// By name or by number. A number without a name is a value all the same, as in C++. A name that
/// this build does not have, or a number that the underlying type cannot hold, comes from a newer
/// build: the member keeps its default, and what was stored is kept beside it.
template <class Walk, class E>
[[nodiscard]] bool read_enumeration(Walk& walk, E& into, const Place& at) {
  Kept unknown;
  if (walk.in().peek() == Token::text) {
    std::string_view text;
    if (!walk.in().text(text)) return false;
    if (const auto known = enum_value<E>(text)) return into = *known, true;
    unknown.value = Value(text);
  } else {
    Integer whole;
    std::underlying_type_t<E> underlying{};
    if (!walk.expect(Token::integer, at, type_name<E>) || !walk.in().integer(whole)) return false;
    if (convert(whole, underlying)) return into = static_cast<E>(underlying), true;
    if (whole.negative) return walk.mismatch(at, type_name<E>, text_of(whole));
    unknown.value = Value(whole.magnitude);
  }
  return walk.replace(into, at, {}, std::move(unknown));
}

/// Times are stored as their count. The unit is the type's, so it cannot be changed without a new
/// field.
template <class Walk, class T>
[[nodiscard]] bool read_chrono(Walk& walk, T& into, const Place& at) {
  typename T::rep count{};
  if (!walk.value(count, at)) return false;
  if constexpr (kind_of<T> == Kind::duration)
    into = T(count);
  else
    into = T(typename T::duration(count));
  return true;
}

}  // namespace persist::inline PERSIST_ABI::schema::detail

namespace persist::inline PERSIST_ABI::detail {

/// A type without the Result around it.
template <class R>
struct UnwrapResult {
  using type = R;
};
template <class R>
struct UnwrapResult<Result<R>> {
  using type = R;
};

/// Calls code of the game's own. What it throws is an error, in words that begin with `who`.
template <class F>
[[nodiscard]] auto caught([[maybe_unused]] std::string_view who, F&& call,
                          [[maybe_unused]] Errc code = Errc::invalid) {
  using R = Result<typename UnwrapResult<decltype(call())>::type>;
#if PERSIST_HAS_EXCEPTIONS
  const auto threw = [&](std::string_view what) {
    return R(Error(code, std::string(who).append(" threw: ").append(what)));
  };
  try {
    return R(call());
  } catch (const std::exception& thrown) {
    return threw(thrown.what());
  } catch (...) {
    return threw("something that is no std::exception");
  }
#else
  return R(call());
#endif
}

}  // namespace persist::inline PERSIST_ABI::detail

// The reading half of that pair. Nothing is copied: what is read refers to the value.

namespace persist::inline PERSIST_ABI::schema {

/// A reader whose input is a `Value`, which must outlive it. It has no bytes, so what a typed walk
/// keeps from it is kept as values.
class ValueReader {
 public:
  static constexpr bool bytes_as_text = false;
  static constexpr bool sorts_keys = true;

  /// Only the depth is limited: the value takes its memory already.
  explicit ValueReader(const Value& from, Limits limits = {}) : next_(&from), limits_(limits) {}

  /// What comes next; `end` where a container or the value was read to its end.
  [[nodiscard]] Token peek() const noexcept {
    if (next_ == nullptr) return Token::end;
    switch (next_->kind()) {
      case Value::Kind::null:
        return Token::null;
      case Value::Kind::boolean:
        return Token::boolean;
      case Value::Kind::integer:
      case Value::Kind::unsigned_integer:
        return Token::integer;
      case Value::Kind::single:
      case Value::Kind::real:
        return Token::real;
      case Value::Kind::text:
        return Token::text;
      case Value::Kind::bytes:
        return Token::bytes;
      case Value::Kind::array:
        return Token::array;
      case Value::Kind::map:
        return Token::map;
    }
    return Token::bad;
  }

  // As the readers of codecs: each reads one item, another kind is `schema_mismatch`, a failure
  // stays. Nothing here is `corrupt`.
  bool null() { return is(Token::null) && advance(); }
  bool boolean(bool& into) {
    return is(Token::boolean) && (into = *next_->get_if<bool>(), advance());
  }
  bool integer(Integer& into) {
    if (!is(Token::integer)) return false;
    if (const auto* number = next_->get_if<std::int64_t>()) {
      into.negative = *number < 0;
      into.magnitude = static_cast<std::uint64_t>(*number < 0 ? -1 - *number : *number);
    } else {
      into = {false, *next_->get_if<std::uint64_t>()};
    }
    return advance();
  }
  bool real(Real& into) {
    if (!is(Token::real)) return false;
    const float* single = next_->get_if<float>();
    into =
        single ? Real{static_cast<double>(*single), true} : Real{*next_->get_if<double>(), false};
    return advance();
  }
  bool text(std::string_view& into) {
    return is(Token::text) && (into = *next_->get_if<std::string>(), advance());
  }
  bool bytes(ByteView& into) {
    return is(Token::bytes) && (into = ByteView(*next_->get_if<Value::Bytes>()), advance());
  }
  bool begin_array(std::size_t& count) { return is(Token::array) && open(count); }
  bool next_element() {
    Open& in = open_.back();
    if (!ok_ || in.done == in.whole->size()) return close();
    next_ = &in.whole->elements()[in.done++];
    return true;
  }
  bool begin_map(std::size_t& count) { return is(Token::map) && open(count); }
  bool next_key(std::string_view& into) {
    Open& in = open_.back();
    if (!ok_ || in.done == in.whole->size()) return close();
    const Value::Member& member = in.whole->members()[in.done++];
    next_ = &member.value;
    return into = member.key, true;
  }

  /// A place before an item, to come back to from anywhere in it: then a failure that came after it
  /// is forgotten.
  struct Mark {
    const Value* next;
    std::size_t depth;
  };
  [[nodiscard]] Mark mark() const noexcept { return {next_, open_.size()}; }
  void rewind(const Mark& to) {
    next_ = to.next, open_.resize(to.depth);
    ok_ = true;
  }

  /// Keeps the first failure.
  void fail(Error error) {
    if (ok_) error_ = std::move(error);
    ok_ = false;
  }
  [[nodiscard]] bool ok() const noexcept { return ok_; }
  [[nodiscard]] Error take_error() { return std::move(error_); }

 private:
  /// A container that is being read, and how many of its elements were given out.
  struct Open {
    const Value* whole = nullptr;
    std::size_t done = 0;
  };
  /// A call for something else than what is there fails and stays failed, like a codec's reader.
  bool is(Token wanted) {
    if (ok_ && peek() == wanted) return true;
    fail(Error(Errc::schema_mismatch).at("", std::string(name(wanted)), std::string(name(peek()))));
    return false;
  }
  bool advance() noexcept { return next_ = nullptr, true; }
  bool open(std::size_t& count) {
    if (open_.size() >= limits_.depth)
      return fail(Error(Errc::too_large, "nested deeper than the limit")), false;
    open_.push_back({next_, 0});
    count = next_->size();
    return advance();
  }
  bool close() {
    if (ok_) open_.pop_back();
    return advance(), false;
  }

  const Value* next_;
  Limits limits_;
  std::vector<Open> open_;
  Error error_;
  bool ok_ = true;
};

}  // namespace persist::inline PERSIST_ABI::schema

// Members that what is stored does not fit, where a policy says what becomes of them.

namespace persist::inline PERSIST_ABI::schema::detail {

template <class Rules, class Reader>
class Reading;

/// What a policy answers, and what is asked about.
template <class Walk, class M>
[[nodiscard]] bool act_on(Walk& walk, const OnMismatch& answer, M& into, const Place& at, Kept item,
                          Error& error) {
  if (answer.kind() == OnMismatch::Kind::keep_default)
    return walk.replace(into, at, {}, std::move(item), true);
  if (answer.kind() == OnMismatch::Kind::convert) {
    ValueReader in(answer.value());
    Reading<typename Walk::rules, ValueReader> inner(in, walk.unknown());
    if (inner.value(into, at) && in.ok()) return true;
    error = in.take_error();
  }
  walk.settle();
  return walk.fail(std::move(error));
}

/// Asks about a member that could not be read; the reader stands before it again.
template <class Walk, class M>
[[nodiscard]] bool ask(Walk& walk, M& into, const Place& at, Error error) {
  Kept item;
  if (!read_kept(walk.in(), item)) return false;
  Value value = item.value;
  if (item.decode != nullptr && !item.decode(item.raw, value)) return walk.fail(std::move(error));
  const std::string member = at.path();
  const auto answer = persist::detail::caught("the hook mismatch", [&] {
    return Walk::rules::mismatch_handler::mismatch(
        Mismatch{member, error.path(), error.expected(), error.found(), value});
  });
  if (answer) return act_on(walk, *answer, into, at, std::move(item), error);
  walk.settle();
  return walk.fail(answer.error());
}

template <class Walk, class T, std::size_t I, class M>
[[nodiscard]] bool recover_member(Walk& walk, void* member, const Place& at) {
  M& into = *static_cast<M*>(member);
  const auto start = walk.in().mark();
  if (walk.value(into, at)) return true;
  if (walk.in().ok()) return false;
  Error error = walk.in().take_error();
  walk.in().rewind(start);
  if (walk.is_settled() || error != Errc::schema_mismatch) return walk.fail(std::move(error));
  T fresh{};
  Describe<T>::apply(fresh, [&](auto&... all) { into = std::move(std::get<I>(std::tie(all...))); });
  at.forget(walk.unknown());
  return ask(walk, into, at, std::move(error));
}

template <class Walk>
using RecoverMember = bool (*)(Walk&, void*, const Place&);
template <class Walk, class T, std::size_t I, class M>
consteval RecoverMember<Walk> member_recoverer() {
  if constexpr (!Plan<typename Walk::rules, T>::is_stored[I])
    return nullptr;
  else if constexpr (check_member<T, I, M>())
    return &recover_member<Walk, T, I, M>;
}
template <class Walk, class T, class... Ms>
consteval auto member_recoverers(Types<Ms...>) {
  return []<std::size_t... I>(std::index_sequence<I...>) {
    return std::array<RecoverMember<Walk>, sizeof...(Ms)>{member_recoverer<Walk, T, I, Ms>()...};
  }(std::index_sequence_for<Ms...>{});
}

}  // namespace persist::inline PERSIST_ABI::schema::detail

// Reading structs. Each struct has a table of functions, one for each member, indexed like its
// names: a key is found, then its function is called with the member's address. Functions are
// shared by all members of one type, which keeps the compiler's work and the code in proportion to
// types and not to fields.

namespace persist::inline PERSIST_ABI::schema::detail {

template <class Walk>
using ReadMember = bool (*)(Walk&, void*, const Place&);

template <class Walk, class M>
[[nodiscard]] bool read_member(Walk& walk, void* member, const Place& at) {
  return walk.value(*static_cast<M*>(member), at);
}
template <class Walk, class T, std::size_t I, class M>
consteval ReadMember<Walk> member_reader() {
  if constexpr (!Plan<typename Walk::rules, T>::is_stored[I])
    return nullptr;
  else if constexpr (check_member<T, I, M>())
    return &read_member<Walk, M>;
}
template <class Walk, class T, class... Ms>
consteval auto member_readers(Types<Ms...>) {
  return []<std::size_t... I>(std::index_sequence<I...>) {
    return std::array<ReadMember<Walk>, sizeof...(Ms)>{member_reader<Walk, T, I, Ms>()...};
  }(std::index_sequence_for<Ms...>{});
}

/// Whether the member was there, under any of its names.
template <class P, class Seen>
[[nodiscard]] bool was_seen(const Seen& seen, std::size_t member) noexcept {
  bool found = seen.test(member);
  for (std::size_t slot = P::count; slot != P::slots; ++slot)
    found = found || (P::member_of(slot) == member && seen.test(slot));
  return found;
}
/// Says what is to be done with a member that comes under one of several names: 0 to pass it over,
/// 1 to read it, 2 to read it in the place of what was read before. An old name that is still
/// written counts more than the member's own, and one that is only read counts less.
template <class P, class Seen>
[[nodiscard]] int weigh(const Seen& seen, std::size_t slot) noexcept {
  const auto weight = [](std::size_t of) { return of < P::count ? 2 : P::is_written(of) ? 3 : 1; };
  int most = 0;
  for (std::size_t other = 0; other != P::slots; ++other)
    if (P::member_of(other) == P::member_of(slot) && seen.test(other))
      most = (std::max)(most, weight(other));
  return most == 0 ? 1 : weight(slot) > most ? 2 : 0;
}
/// Gives a member its default again.
template <class T>
void renew(T& into, std::size_t member) {
  T fresh{};
  Describe<T>::apply(into, [&](auto&... to) {
    Describe<T>::apply(fresh, [&](auto&... from) {
      std::size_t at = 0;
      const auto one = [&](auto& old, auto& made) {
        if constexpr (std::is_move_assignable_v<std::remove_cvref_t<decltype(old)>>)
          if (at == member) old = std::move(made);
        ++at;
      };
      (one(to, from), ...);
    });
  });
}

/// Handles the members that the record did not have, where they do not simply keep their defaults.
template <class T, class Walk, class Seen>
[[nodiscard]] bool fill_in(Walk& walk, T& into, const Seen& seen, const Place& at) {
  if constexpr (fills_all<typename Walk::rules>) {
    return true;
  } else {
    using P = Plan<typename Walk::rules, T>;
    return Describe<T>::apply(into, [&](auto&... member) {
      std::size_t field = 0;
      const auto one = [&](auto& missing) {
        const std::size_t here = field++;
        if constexpr (kind_of<std::remove_cvref_t<decltype(missing)>> != Kind::none)
          if (P::is_stored[here] && !was_seen<P>(seen, here))
            return is_missing(walk, missing, at, at.inside(P::names[here]));
        return true;
      };
      return (one(member) && ...);
    });
  }
}

/// In which order keys are expected. Only a guess: any order is read.
template <class Reader>
inline constexpr bool keys_come_sorted = [] {
  if constexpr (requires { Reader::sorts_keys; })
    return Reader::sorts_keys;
  else
    return false;
}();

/// Fields in the order in which this build writes them are recognised by one comparison each;
/// others are looked up.
template <class Walk, class T>
[[nodiscard]] bool read_structure(Walk& walk, T& into, const Place& above) {
  using P = Plan<typename Walk::rules, T>;
  static constexpr auto readers = member_readers<Walk, T>(MemberTypes<T>{});
  const auto members = Describe<T>::apply(into, [](auto&... member) {
    static_assert(!(std::is_const_v<std::remove_reference_t<decltype(member)>> || ...),
                  "persist: a member of a stored struct is const, so nothing can be read into it");
    return std::array<void*, sizeof...(member)>{static_cast<void*>(&member)...};
  });
  Place own = above;
  const bool keeps = P::unknown_holder != P::none;
  if constexpr (keeps) {
    own.anchor = &static_cast<Unknown*>(members[P::unknown_holder])->node();
    own.anchor->reset();
  }
  const Place& at = keeps ? own : above;
  bool empty = false;
  if (!walk.begin_map(at, empty)) return false;
  std::bitset<P::slots + 1> seen;
  if (empty) return fill_in<T>(walk, into, seen, at);
  constexpr auto& order = keys_come_sorted<typename Walk::reader> ? P::canonical : P::declared;
  std::size_t next = 0;
  Place member = at.inside();
  for (std::string_view key; walk.in().next_key(key);) {
    const bool expected = next < order.size() && P::names[order[next]] == key;
    const std::size_t slot = expected ? order[next] : P::find(key);
    if (slot == P::none) {
      if (!walk.unknown_field(key, at)) return false;
      continue;
    }
    const std::size_t field = P::member_of(slot);
    next = position_in(order, slot, next) + 1;
    member.move_to(P::names[field]);
    if (seen.test(slot))
      return walk.fail(Error(Errc::corrupt, "a field is there twice").at(member.path(), "", ""));
    if constexpr (P::other_names != 0) {
      const int what = weigh<P>(seen, slot);
      seen.set(slot);
      if (what == 0) {
        Kept passed_over;
        if (!read_kept(walk.in(), passed_over)) return false;
        continue;
      }
      if (what == 2) {
        renew(into, field);
        member.forget(walk.unknown());
      }
    } else {
      seen.set(slot);
    }
    if constexpr (Walk::rules::asks) {
      static constexpr auto recoverers = member_recoverers<Walk, T>(MemberTypes<T>{});
      if (!recoverers[field](walk, members[field], member)) return false;
    } else {
      if (!readers[field](walk, members[field], member)) return false;
    }
  }
  return walk.in().ok() && fill_in<T>(walk, into, seen, at);
}

}  // namespace persist::inline PERSIST_ABI::schema::detail

namespace persist::inline PERSIST_ABI::schema {

namespace detail {

/// The walk that turns tokens into a value: which function reads which kind.
template <class Rules, class Reader>
class Reading : public ReadBase<Rules, Reader> {
 public:
  using ReadBase<Rules, Reader>::ReadBase;

  /// The one place that says which kind is read by what. The recursion is as deep as the data's
  /// types nest, and for types that hold themselves as deep as the reader's limit lets the input
  /// nest.
  template <class T>
  [[nodiscard]] bool value(T& into, const Place& at) {
    constexpr Kind kind = kind_of<T>;
    static_assert(
        kind != Kind::none,
        "persist: this type cannot be stored: make it a plain aggregate, describe it with "
        "persist_fields, or specialise persist::adapt for it");
    if constexpr (requires { this->in().direct(into); })
      if (const Direct offer = this->in().direct(into); offer != Direct::no)
        return offer == Direct::done;
    if constexpr (kind == Kind::boolean)
      return this->expect(Token::boolean, at) && this->in().boolean(into);
    else if constexpr (kind == Kind::integer || kind == Kind::real)
      return read_number(*this, into, at);
    else if constexpr (kind == Kind::enumeration)
      return read_enumeration(*this, into, at);
    else if constexpr (kind == Kind::text)
      return read_text(*this, into, at);
    else if constexpr (kind == Kind::bytes)
      return read_bytes(*this, into, at);
    else if constexpr (kind == Kind::optional)
      return read_optional(*this, into, at);
    else if constexpr (kind == Kind::variant)
      return read_variant(*this, into, at);
    else if constexpr (kind == Kind::sequence)
      return read_sequence(*this, into, at);
    else if constexpr (kind == Kind::array)
      return read_array(*this, into, at);
    else if constexpr (kind == Kind::set)
      return read_set(*this, into, at);
    else if constexpr (kind == Kind::map)
      return read_map(*this, into, at);
    else if constexpr (kind == Kind::tuple)
      return read_tuple(*this, into, at);
    else if constexpr (kind == Kind::duration || kind == Kind::time_point)
      return read_chrono(*this, into, at);
    else if constexpr (kind == Kind::structure)
      return read_structure(*this, into, at);
    else if constexpr (kind == Kind::value)
      return read_value(this->in(), into);
    else if constexpr (kind == Kind::adapted)
      return read_adapted(*this, into, at);
    else if constexpr (kind == Kind::unit)
      return this->expect(Token::null, at) && this->in().null();
    else
      return false;
  }
};

}  // namespace detail

/// Reads one item into `into`, which is a fresh value: members that are missing keep what it holds,
/// unless the policy reconciles otherwise.
/// `unknown` is replaced by what has no member. Fails as `schema_mismatch` (names path, expected,
/// found), `corrupt`, `too_large`, or `too_new` where something unknown could not be kept; then
/// `into` holds anything and is to be thrown away. Time is in proportion to the input, but for the
/// order that maps and sets keep; see `is_flooded` for keys that collide.
template <class Policy, class Reader, class T>
[[nodiscard]] Result<void> read(Reader& in, T& into, UnknownFields& unknown) {
  unknown.clear();
  detail::Reading<detail::RulesOf<Policy>, Reader> walk(in, unknown);
  if (walk.value(into, Place{}) && in.ok()) return success;
  unknown.clear();
  return in.take_error();
}

}  // namespace persist::inline PERSIST_ABI::schema

namespace persist::inline PERSIST_ABI::codec {

/// A codec made of a writer and a reader of tokens: the schema walks the type and the format knows
/// no type. Static members only, so any thread may call them, each with data of its own.
template <class TokenWriter, class TokenReader>
struct TokenCodec {
  using Writer = TokenWriter;
  using Reader = TokenReader;

  /// Appends the data with what `unknown` kept. `invalid` for what the format does not have,
  /// `too_large` for what is nested too deep to be read again; then the buffer is as it was. What
  /// `unknown` kept of places that are gone is forgotten, on success only. Time is linear, but for
  /// the sorting of keys where the format asks for it.
  template <class Policy, class T>
  [[nodiscard]] static Result<void> encode(const T& data, UnknownFields& unknown, Buffer& out) {
    const std::size_t before = out.size();
    Writer writer(out);
    auto written = schema::write<Policy>(writer, data, unknown);
    if (!written) out.shrink(before);
    return written;
  }
  /// The same for data that was never read, like a new message.
  template <class Policy, class T>
  [[nodiscard]] static Result<void> encode(const T& data, Buffer& out) {
    const std::size_t before = out.size();
    Writer writer(out);
    auto written = schema::write<Policy>(writer, data);
    if (!written) out.shrink(before);
    return written;
  }

  /// Fills `scratch`, a fresh value: members that are missing keep what it holds, unless the policy
  /// reconciles otherwise. `corrupt`,
  /// `schema_mismatch`, `too_large` or `too_new` with the place; then `scratch` holds anything and
  /// is to be thrown away, and `unknown` is empty. The bytes are not needed afterwards. Time and
  /// memory are in proportion to them, times the size of what an element is read into.
  template <class Policy, class T>
  [[nodiscard]] static Result<void> decode(ByteView bytes, T& scratch, UnknownFields& unknown,
                                           schema::Limits limits = {}) {
    Reader reader(bytes, limits);
    auto read = schema::read<Policy>(reader, scratch, unknown);
    if (!read || reader.finish()) return read;
    unknown.clear();
    return reader.take_error();
  }
};

}  // namespace persist::inline PERSIST_ABI::codec

namespace persist::inline PERSIST_ABI::codec {

/// CBOR (RFC 8949) in its core deterministic encoding: compact, self-describing, equal data is
/// equal bytes. Has every data kind. Floating point numbers are kept by value, not by width.
struct Cbor : TokenCodec<CborWriter, CborReader> {
  static constexpr std::uint16_t id = cbor_id;
  static constexpr std::string_view name = "cbor";
};

}  // namespace persist::inline PERSIST_ABI::codec

namespace persist::inline PERSIST_ABI::detail {

inline constexpr std::string_view base64_alphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

[[nodiscard]] constexpr std::size_t base64_size(std::size_t bytes) noexcept {
  return (bytes + 2) / 3 * 4;
}

/// Appends the bytes as base64 text with padding (RFC 4648 section 4).
inline void append_base64(Buffer& to, ByteView bytes) {
  auto* out = reinterpret_cast<char*>(to.grow(base64_size(bytes.size())));
  const auto put = [&out](std::uint32_t three, int letters) {
    for (int i = 0; i < 4; ++i)
      *out++ = i < letters ? base64_alphabet[(three >> (18 - 6 * i)) & 63] : '=';
  };
  const auto at = [bytes](std::size_t i) { return std::to_integer<std::uint32_t>(bytes[i]); };
  std::size_t i = 0;
  for (; i + 3 <= bytes.size(); i += 3)
    put(at(i) << 16 | at(i + 1) << 8 | at(i + 2), 4);
  if (bytes.size() - i == 2) put(at(i) << 16 | at(i + 1) << 8, 3);
  if (bytes.size() - i == 1) put(at(i) << 16, 2);
}

/// What each letter stands for; 64 for what is no letter.
inline constexpr std::array<std::uint8_t, 256> base64_values = [] {
  std::array<std::uint8_t, 256> values{};
  for (auto& value : values)
    value = 64;
  for (std::size_t i = 0; i < 64; ++i)
    values[static_cast<unsigned char>(base64_alphabet[i])] = static_cast<std::uint8_t>(i);
  return values;
}();

/// Appends the bytes that a text stands for. Strict, so that bytes have one text: padding is
/// demanded, and unused bits must be zero. On false, `to` is as it was.
[[nodiscard]] inline bool append_from_base64(Buffer& to, std::string_view text) {
  if (text.size() % 4 != 0) return false;
  const std::size_t before = to.size();
  std::size_t padding = 0;
  while (padding < 2 && padding < text.size() && text[text.size() - 1 - padding] == '=')
    ++padding;
  std::byte* out = to.grow(text.size() / 4 * 3);
  std::uint32_t wrong = 0;
  for (std::size_t i = 0; i < text.size(); i += 4) {
    const std::size_t letters = i + 4 == text.size() ? 4 - padding : 4;
    std::uint32_t word = 0;
    for (std::size_t j = 0; j < 4; ++j) {
      const std::uint32_t value =
          j < letters ? base64_values[static_cast<unsigned char>(text[i + j])] : 0u;
      wrong |= value & 64;
      word = word << 6 | (value & 63);
    }
    if (letters < 4) wrong |= word & (letters == 3 ? 0xffu : 0xffffu);
    for (int j = 2; j >= 0; --j)
      *out++ = static_cast<std::byte>((word >> (8 * j)) & 0xff);
  }
  to.shrink(wrong != 0 ? before : to.size() - padding);
  return wrong == 0;
}

}  // namespace persist::inline PERSIST_ABI::detail

namespace persist::inline PERSIST_ABI::codec {

class JsonReader;

/// How a JSON text is laid out: for machines on one line without a space, for people indented by
/// two.
enum class JsonStyle : std::uint8_t { compact, pretty };

/// Appends a JSON text (RFC 8259) to a buffer.
///
/// Integers are written whole, whatever their size. A floating point number takes the shortest text
/// that reads back as the same number in its own width, and always has a fraction or an exponent,
/// so that it comes back as one. Byte strings become base64. Control characters are escaped,
/// everything else stays UTF-8.
class JsonWriter : public Output {
 public:
  using reader = JsonReader;
  static constexpr bool sorts_keys = false;

  explicit JsonWriter(Buffer& out, JsonStyle style = JsonStyle::compact) noexcept
      : Output(out), pretty_(style == JsonStyle::pretty) {}

  // What cannot be said fails the writer, which goes on: `ok()` tells at the end.
  void null() { item(), out_.append("null"); }
  void boolean(bool value) { item(), out_.append(value ? "true" : "false"); }
  void integer(std::int64_t value) { item(), digits(value); }
  void unsigned_integer(std::uint64_t value) { item(), digits(value); }
  void real(double value) { floating(value); }
  void real(float value) { floating(value); }
  void text(std::string_view value) { item(), quoted(value); }
  void bytes(ByteView value) {
    item(), out_.append("\"");
    detail::append_base64(out_, value);
    out_.append("\"");
  }

  void begin_array(std::size_t /*count*/) { begin('['); }
  void end_array() { end(']'); }
  void begin_map(std::size_t /*count*/) { begin('{'); }
  void key(std::string_view name) {
    separate(), quoted(name);
    out_.append(pretty_ ? ": " : ":");
    after_key_ = true;
  }
  void end_map() { end('}'); }

  /// Appends one value that is JSON already.
  void raw(ByteView value) { item(), out_.append(value); }

  /// Keys stay in the order they come in; any order will do.
  [[nodiscard]] static constexpr bool key_less(std::string_view a, std::string_view b) noexcept {
    return a < b;
  }

 private:
  void put(char letter) { out_.push(static_cast<std::byte>(letter)); }
  /// What stands before a value.
  void item() {
    if (!after_key_) separate();
    after_key_ = false;
    comma_ = true;
  }
  void separate() {
    if (comma_) put(',');
    if (pretty_ && depth() != 0) new_line();
  }
  void new_line() {
    put('\n');
    for (std::uint32_t i = 0; i < depth(); ++i)
      out_.append("  ");
  }
  void begin(char bracket) {
    item(), put(bracket), enter();
    comma_ = false;
  }
  void end(char bracket) {
    leave();
    if (pretty_ && comma_) new_line();
    put(bracket);
    comma_ = true;
  }
  template <class T>
  void digits(T value) {
    constexpr std::size_t most = 32;  // of any number in its shortest form
    auto* begin = reinterpret_cast<char*>(out_.grow(most));
    const char* end = std::to_chars(begin, begin + most, value).ptr;
    out_.shrink(out_.size() - most + static_cast<std::size_t>(end - begin));
    if constexpr (std::floating_point<T>) {
      const std::string_view written(begin, static_cast<std::size_t>(end - begin));
      if (written.find_first_of(".e") == std::string_view::npos) out_.append(".0");
    }
  }
  template <std::floating_point T>
  void floating(T value) {
    if (!std::isfinite(value)) [[unlikely]] {
      fail({Errc::invalid,
            "JSON has no NaN and no infinity: make the number finite before it is saved, or store "
            "the record with codec::Cbor, which has them"});
    }
    item(), digits(value);
  }
  void quoted(std::string_view text);
  void escaped(char letter);

  bool pretty_;
  bool comma_ = false;      ///< whether a value stands before this place in the same container
  bool after_key_ = false;  ///< whether the key of the next value stands before this place
};

inline void JsonWriter::quoted(std::string_view text) {
  const std::size_t good = detail::utf8_prefix(text);
  if (good != text.size()) [[unlikely]]
    not_utf8(good);
  put('"');
  std::size_t plain = 0;  // where the run begins that needs no escape; runs are copied whole
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char letter = text[i];
    if (letter != '"' && letter != '\\' && static_cast<unsigned char>(letter) >= 0x20) [[likely]]
      continue;
    out_.append(text.substr(plain, i - plain));
    escaped(letter);
    plain = i + 1;
  }
  out_.append(text.substr(plain));
  put('"');
}

inline void JsonWriter::escaped(char letter) {
  switch (letter) {
    case '"':
      return out_.append("\\\"");
    case '\\':
      return out_.append("\\\\");
    case '\b':
      return out_.append("\\b");
    case '\f':
      return out_.append("\\f");
    case '\n':
      return out_.append("\\n");
    case '\r':
      return out_.append("\\r");
    case '\t':
      return out_.append("\\t");
    default:
      break;
  }
  out_.append("\\u00");
  put(static_cast<char>('0' + (static_cast<unsigned char>(letter) >> 4)));
  put("0123456789abcdef"[static_cast<unsigned char>(letter) & 15]);
}

}  // namespace persist::inline PERSIST_ABI::codec

namespace persist::inline PERSIST_ABI::codec {

/// Reads JSON exactly as RFC 8259 has it: no comment, no comma too many, no other quotes, no mark
/// in front.
///
/// A number without fraction and exponent is an integer where 64 bits hold it; any other is the
/// nearest double, and refused where it is beyond the range of double. Text must be UTF-8, and an
/// escaped surrogate must come with its other half. Equal names are for the caller to find, who
/// remembers them.
class JsonReader : public Input {
 public:
  static constexpr bool bytes_as_text = true;
  static constexpr bool sorts_keys = false;

  /// The bytes must outlive the reader and the texts it gives out. More of them than the limit is
  /// `too_large`, as the first call says.
  explicit JsonReader(ByteView bytes, schema::Limits limits = {}) : Input("JSON", bytes, limits) {}

  /// What begins after the white space. `end` at the end of the input and at a closing bracket. A
  /// number is looked at to its end, once, since only that tells an integer from a real.
  [[nodiscard]] schema::Token peek();

  // Each reads one value and returns whether it did. Another kind of value is `schema_mismatch`,
  // and what RFC 8259 does not have is `corrupt`; then what was to be filled holds anything.
  bool null() { return literal(schema::Token::null, "null"); }
  bool boolean(bool& value) {
    pass_space();
    value = !at_end() && next() == 't';
    return literal(schema::Token::boolean, value ? "true" : "false");
  }
  bool integer(schema::Integer& value);
  /// Never `single`: a text does not tell.
  bool real(schema::Real& value);
  /// The text lies in the input, or in the reader until its next call where it had escapes.
  bool text(std::string_view& value) {
    if (const auto found = peek(); found != schema::Token::text) return mismatch("a text", found);
    return string(value);
  }
  /// The bytes that a base64 text stands for; they lie in the reader until its next call.
  bool bytes(ByteView& value);

  /// JSON does not say how many follow: `count` is 0.
  bool begin_array(std::size_t& count) { return begin(schema::Token::array, count); }
  /// Whether an element follows; if none does, the array is left. Also false after a failure.
  bool next_element() { return another(']'); }
  bool begin_map(std::size_t& count) { return begin(schema::Token::map, count); }
  /// The same for a member, whose value comes next. The name lies where a text does.
  bool next_key(std::string_view& key);

  /// Passes over one value, with the same checks as reading it but for names that are there twice.
  /// `raw` is its bytes without the space before it.
  bool skip(ByteView& raw);
  /// Fails when anything but white space follows.
  bool finish() {
    pass_space();
    if (ok() && !at_end()) corrupt("more follows the end of the value");
    return ok();
  }

 private:
  static constexpr std::size_t nowhere = (std::numeric_limits<std::size_t>::max)();

  void pass_space() noexcept {
    while (!at_end() && (next() == ' ' || next() == '\n' || next() == '\r' || next() == '\t'))
      ++at_;
  }
  [[nodiscard]] bool digit_at(std::size_t at) const noexcept {
    return at < size_ && begin_[at] >= '0' && begin_[at] <= '9';
  }
  [[nodiscard]] bool letter_at(std::size_t at, char letter) const noexcept {
    return at < size_ && begin_[at] == letter;
  }

  schema::Token number();
  bool literal(schema::Token token, std::string_view word);
  bool begin(schema::Token token, std::size_t& count);
  /// In a container: whether another element follows; at its end, leaves it.
  bool another(char bracket);
  bool string(std::string_view& value);
  bool escape();
  bool code_unit(std::uint32_t& unit);

  std::string unescaped_;
  Buffer decoded_;
  std::size_t number_at_ =
      nowhere;  ///< where the number that was last looked at begins, with what was found
  std::size_t number_end_ = 0;
  bool number_is_integer_ = false;
  schema::Integer number_value_;
};

inline schema::Token JsonReader::peek() {
  using schema::Token;
  if (!ok()) return Token::bad;
  pass_space();
  if (at_end()) return Token::end;
  switch (next()) {
    case '"':
      return Token::text;
    case '{':
      return Token::map;
    case '[':
      return Token::array;
    case 't':
    case 'f':
      return Token::boolean;
    case 'n':
      return Token::null;
    case ']':
    case '}':
      return Token::end;
    default:
      break;
  }
  if (next() == '-' || digit_at(at_)) return number();
  corrupt("a character that begins no value");
  return Token::bad;
}

/// Finds the end of the number that begins here, and its value if it is an integer.
inline schema::Token JsonReader::number() {
  using schema::Token;
  if (number_at_ == at_) return number_is_integer_ ? Token::integer : Token::real;
  std::size_t at = at_;
  const bool negative = letter_at(at, '-');
  at += negative ? 1 : 0;
  const std::size_t first = at;
  const auto digits = [&] {
    const std::size_t from = at;
    while (digit_at(at))
      ++at;
    return at != from;
  };
  const auto bad = [&] { return corrupt_at(at, "a number that JSON does not have"), Token::bad; };
  if (!digits() || (begin_[first] == '0' && at != first + 1)) return bad();
  const std::size_t last = at;
  if (letter_at(at, '.') && (++at, !digits())) return bad();
  if (letter_at(at, 'e') || letter_at(at, 'E')) {
    ++at;
    if (letter_at(at, '+') || letter_at(at, '-')) ++at;
    if (!digits()) return bad();
  }
  std::uint64_t magnitude = 0;
  // 2^63 is the one magnitude that only a negative number of 64 bits has.
  number_is_integer_ =
      at == last && std::from_chars(begin_ + first, begin_ + last, magnitude).ec == std::errc{} &&
      (!negative || magnitude <= std::uint64_t{1} << 63);
  number_value_ = {negative && magnitude != 0,
                   negative && magnitude != 0 ? magnitude - 1 : magnitude};
  number_at_ = at_;
  number_end_ = at;
  return number_is_integer_ ? Token::integer : Token::real;
}

inline bool JsonReader::integer(schema::Integer& value) {
  if (const auto found = peek(); found != schema::Token::integer)
    return mismatch("an integer", found);
  value = number_value_;
  return at_ = number_end_, true;
}

inline bool JsonReader::real(schema::Real& value) {
  if (const auto found = peek(); found != schema::Token::real) return mismatch("a real", found);
  value.single = false;
  value.rounded = view(at_, number_end_ - at_).find_first_of(".eE") == std::string_view::npos;
  if (std::from_chars(begin_ + at_, begin_ + number_end_, value.value).ec != std::errc{}) {
    return corrupt("a number beyond the range of double");
  }
  return at_ = number_end_, true;
}

inline bool JsonReader::literal(schema::Token token, std::string_view word) {
  if (const auto found = peek(); found != token) return mismatch(schema::name(token), found);
  if (view(at_, left()).substr(0, word.size()) != word)
    return corrupt("a word that is neither null, true nor false");
  return at_ += word.size(), true;
}

inline bool JsonReader::bytes(ByteView& value) {
  if (const auto found = peek(); found != schema::Token::text)
    return mismatch("bytes as base64 text", found);
  const std::size_t start = at_;
  std::string_view encoded;
  if (!string(encoded)) return false;
  decoded_.clear();
  if (!detail::append_from_base64(decoded_, encoded))
    return corrupt_at(start, "a text that is no base64");
  return value = decoded_, true;
}

inline bool JsonReader::begin(schema::Token token, std::size_t& count) {
  if (const auto found = peek(); found != token) return mismatch(schema::name(token), found);
  count = 0;
  ++at_;
  return enter({0, token == schema::Token::map, false});
}

inline bool JsonReader::another(char bracket) {
  if (!ok()) return false;
  // A bracket of the other kind is no end here: it is met as a value and refused.
  pass_space();
  if (at_end()) return cut_short();
  if (next() == bracket) {
    ++at_;
    return leave(), false;
  }
  if (top().begun) {
    if (next() != ',') return corrupt("neither a comma nor the closing bracket");
    ++at_;
    if (pass_space(); !at_end() && next() == bracket)
      return corrupt("a comma that nothing follows");
  }
  top().begun = true;
  return take_elements(1);
}

inline bool JsonReader::next_key(std::string_view& key) {
  if (!another('}')) return false;
  if (const auto found = peek(); found != schema::Token::text) {
    return found == schema::Token::bad ? false : corrupt("the name of a member must be a text");
  }
  if (!string(key)) return false;
  pass_space();
  if (at_end()) return cut_short();
  if (next() != ':') return corrupt("no colon after the name of a member");
  return ++at_, true;
}

/// A text whose opening quote is the next character.
inline bool JsonReader::string(std::string_view& value) {
  // Runs between escapes are checked and copied whole: no character of more than one byte crosses
  // an escape. A text without escapes is not copied at all.
  unescaped_.clear();
  for (bool whole = true;; whole = false) {
    const std::size_t start = ++at_;  // past the quote, or the last letter of an escape
    while (!at_end() && next() != '"' && next() != '\\' &&
           static_cast<unsigned char>(next()) >= 0x20)
      ++at_;
    const std::string_view plain = view(start, at_ - start);
    if (const std::size_t good = detail::utf8_prefix(plain); good != plain.size()) {
      return corrupt_at(start + good, "a text that is no UTF-8");
    }
    if (at_end()) return cut_short();
    if (next() == '"') {
      ++at_;
      if (!whole) unescaped_ += plain;
      return value = whole ? plain : std::string_view(unescaped_), true;
    }
    unescaped_ += plain;
    if (next() != '\\') return corrupt("a control character that is not escaped");
    if (!escape()) return false;
  }
}

/// Stands on a backslash; afterwards on the last letter of the escape.
inline bool JsonReader::escape() {
  const std::size_t start = at_;
  if (left() < 2) return cut_short();
  ++at_;
  constexpr std::string_view letters = "\"\\/bfnrt";
  constexpr std::string_view meanings = "\"\\/\b\f\n\r\t";
  if (const auto which = letters.find(next()); which != std::string_view::npos) {
    return unescaped_ += meanings[which], true;
  }
  if (next() != 'u') return corrupt_at(start, "an escape that JSON does not have");
  std::uint32_t point = 0;
  if (!code_unit(point)) return false;
  // Beyond U+FFFF a character is two escapes, a high surrogate and a low one (RFC 8259 section 7).
  if (point >= 0xd800 && point <= 0xdfff) {
    std::uint32_t low = 0;
    const bool paired = point <= 0xdbff && letter_at(at_ + 1, '\\') && letter_at(at_ + 2, 'u') &&
                        (at_ += 2, code_unit(low)) && low >= 0xdc00 && low <= 0xdfff;
    if (!paired) return corrupt_at(start, "half of a surrogate pair");
    point = 0x10000 + ((point - 0xd800) << 10) + (low - 0xdc00);
  }
  char utf8[4];
  unescaped_.append(utf8, detail::write_utf8(utf8, point));
  return true;
}

/// Stands on the u of an escape; afterwards on the last of its four digits.
inline bool JsonReader::code_unit(std::uint32_t& unit) {
  if (left() < 5) return cut_short();
  const char* end = begin_ + at_ + 5;
  unit = 0;
  if (std::from_chars(begin_ + at_ + 1, end, unit, 16).ptr != end)
    return corrupt("an escape without its four digits");
  return at_ += 4, true;
}

inline bool JsonReader::skip(ByteView& raw) {
  pass_space();
  const std::size_t start = at_;
  if (!pass_over(*this)) return false;
  return raw = as_bytes(view(start, at_ - start)), true;
}

}  // namespace persist::inline PERSIST_ABI::codec

namespace persist::inline PERSIST_ABI::codec {

/// JSON (RFC 8259): for data that people and other programs look at. Has every data kind but NaN
/// and infinity, which are `invalid`; byte strings are base64.
struct Json : TokenCodec<JsonWriter, JsonReader> {
  static constexpr std::uint16_t id = json_id;
  static constexpr std::string_view name = "json";

  /// Appends the data for people to read: a member per line, indented. It decodes like the other.
  template <class Policy, class T>
  [[nodiscard]] static Result<void> encode_pretty(const T& data, Buffer& out) {
    const std::size_t before = out.size();
    JsonWriter writer(out, JsonStyle::pretty);
    auto written = schema::write<Policy>(writer, data);
    if (!written) out.shrink(before);
    return written;
  }
};

}  // namespace persist::inline PERSIST_ABI::codec

// What a packed record says of the type it holds: the names and kinds of its fields, as bytes that
// are constants of the program. Two types with the same bytes are read by position; the bytes of
// another type tell how to read what it wrote.

namespace persist::inline PERSIST_ABI::codec::packed {

using schema::Kind;
using schema::kind_of;

/// In the place of a kind: the struct with that number, counted from the first one described. It
/// lies on disk, as the kinds do: never renumber.
inline constexpr std::uint8_t same_struct = 64;

/// More is no description, or it could take memory out of proportion to what is in it.
inline constexpr std::size_t longest_description = std::size_t{1} << 16;

/// The number in front of an integer or enum: its size as a power of two, and 4 for a sign. Never
/// renumber.
template <class T>
[[nodiscard]] constexpr std::uint8_t integer_code() noexcept {
  if constexpr (std::is_same_v<T, std::byte>)
    return 0;
  else
    return static_cast<std::uint8_t>((sizeof(T) == 1   ? 0
                                      : sizeof(T) == 2 ? 1
                                      : sizeof(T) == 4 ? 2
                                                       : 3) |
                                     (std::is_signed_v<T> ? 4 : 0));
}

/// The structs that were described so far, by the names that the compiler gives them.
struct Described {
  static constexpr std::size_t most = 256;

  std::array<std::string_view, most> types{};
  std::array<bool, most> is_whole{};
  std::size_t count = 0;
  bool recursive = false;  ///< one of them holds itself

  [[nodiscard]] constexpr std::size_t find(std::string_view type) const noexcept {
    std::size_t at = 0;
    while (at < count && types[at] != type)
      ++at;
    return at;
  }
};

/// Writes descriptions, or counts their bytes where it is given nothing to write to.
class Describer {
 public:
  constexpr explicit Describer(char* to) noexcept : to_(to) {}
  [[nodiscard]] constexpr std::size_t size() const noexcept { return size_; }
  [[nodiscard]] constexpr Described& structs() noexcept { return structs_; }

  constexpr void byte(std::size_t value) noexcept {
    if (to_ != nullptr) to_[size_] = static_cast<char>(value);
    ++size_;
  }
  /// As `put_number` writes it: what is described is small.
  constexpr void number(std::uint64_t value) noexcept {
    std::size_t size = 1;
    while (size < 9 && (value >> (7 * size)) != 0)
      ++size;
    if (size == 9) {
      byte(0);
      for (int i = 0; i < 8; ++i)
        byte(value >> (8 * i) & 0xff);
      return;
    }
    const std::uint64_t bytes = (value << 1 | 1) << (size - 1);
    for (std::size_t i = 0; i < size; ++i)
      byte(bytes >> (8 * i) & 0xff);
  }
  constexpr void text(std::string_view value) noexcept {
    number(value.size());
    for (const char c : value)
      byte(static_cast<unsigned char>(c));
  }

 private:
  char* to_;
  std::size_t size_ = 0;
  Described structs_;
};

template <class Rules, class T>
constexpr void describe(Describer& out);

/// The members of a pair in a multimap are constants in part.
template <class Rules, class... Ts>
constexpr void describe_all(Describer& out, schema::detail::Types<Ts...>) {
  out.number(sizeof...(Ts));
  (describe<Rules, std::remove_const_t<Ts>>(out), ...);
}

/// The enumerators' names and values, so that a build that numbers them otherwise finds them.
template <class E>
constexpr void describe_enum(Describer& out) {
  out.byte(integer_code<std::underlying_type_t<E>>());
  if constexpr (schema::detail::fixed_enum<E>) {
    using Names = schema::detail::Enumerators<E>;
    std::size_t named = 0;
    for (const std::string_view name : Names::names)
      named += name.empty() ? 0 : 1;
    out.number(named);
    for (std::size_t i = 0; i < Names::count; ++i) {
      if (Names::names[i].empty()) continue;
      out.text(Names::names[i]);
      const int value = Names::first + static_cast<int>(i);
      out.number(static_cast<std::uint64_t>(value < 0 ? -2 * value - 1 : 2 * value));
    }
  } else {
    out.number(0);
  }
}

template <class Rules, class T>
constexpr void describe_struct(Describer& out) {
  using P = schema::detail::Plan<Rules, T>;
  Described& structs = out.structs();
  const std::size_t index = structs.find(schema::detail::pretty_type<T>());
  if (index < structs.count) {
    structs.recursive = structs.recursive || !structs.is_whole[index];
    out.byte(same_struct);
    return out.number(index);
  }
  structs.types[structs.count++] = schema::detail::pretty_type<T>();
  out.byte(static_cast<std::size_t>(Kind::structure));
  out.number(P::written_count);
  std::size_t field = 0;
  [&]<class... Ms>(schema::detail::Types<Ms...>) {
    (
        [&] {
          if (P::is_stored[field]) {
            out.text(P::names[field]);
            describe<Rules, Ms>(out);
            for (std::size_t other = P::count; other != P::slots; ++other) {
              if (P::member_of(other) != field || !P::is_written(other)) continue;
              out.text(P::names[other]);
              describe<Rules, Ms>(out);
            }
          }
          ++field;
        }(),
        ...);
  }(schema::detail::MemberTypes<T>{});
  structs.is_whole[index] = true;
}

template <class Rules, class... Ts>
constexpr void describe_variant(Describer& out, schema::detail::Types<Ts...>) {
  out.number(sizeof...(Ts));
  (
      [&] {
        out.text(kind_of<Ts> == Kind::unit ? std::string_view() : schema::type_name<Ts>);
        describe<Rules, Ts>(out);
      }(),
      ...);
}

template <class Rules, class T>
constexpr void describe(Describer& out) {
  using schema::detail::types_of;
  constexpr Kind kind = kind_of<T>;
  if constexpr (kind == Kind::adapted) {
    return describe<Rules, typename adapt<T>::stored_type>(out);
  } else if constexpr (kind == Kind::structure) {
    return describe_struct<Rules, T>(out);
  } else {
    out.byte(static_cast<std::size_t>(kind));
    if constexpr (kind == Kind::integer) {
      out.byte(integer_code<T>());
    } else if constexpr (kind == Kind::real) {
      out.byte(sizeof(T));
    } else if constexpr (kind == Kind::enumeration) {
      describe_enum<T>(out);
    } else if constexpr (kind == Kind::optional || kind == Kind::sequence) {
      describe<Rules, typename T::value_type>(out);
    } else if constexpr (kind == Kind::array) {
      out.number(std::tuple_size_v<T>);
      describe<Rules, typename T::value_type>(out);
    } else if constexpr (kind == Kind::set) {
      describe<Rules, std::remove_const_t<typename T::value_type>>(out);
    } else if constexpr (kind == Kind::map) {
      out.byte(schema::text_key<typename T::key_type> ? 1 : 0);
      describe<Rules, typename T::key_type>(out);
      describe<Rules, typename T::mapped_type>(out);
    } else if constexpr (kind == Kind::tuple) {
      describe_all<Rules>(out, types_of(static_cast<const T*>(nullptr)));
    } else if constexpr (kind == Kind::variant) {
      describe_variant<Rules>(out, types_of(static_cast<const T*>(nullptr)));
    } else if constexpr (kind == Kind::duration) {
      out.number(static_cast<std::uint64_t>(T::period::num));
      out.number(static_cast<std::uint64_t>(T::period::den));
      describe<Rules, typename T::rep>(out);
    } else if constexpr (kind == Kind::time_point) {
      describe<Rules, typename T::duration>(out);
    }
  }
}

/// What is written of T under those rules, in front of its values.
template <class Rules, class T>
struct Description {
  static constexpr auto counted = [] {
    Describer counter(nullptr);
    describe<Rules, T>(counter);
    return std::pair(counter.size(), counter.structs().recursive);
  }();
  static constexpr std::size_t size = counted.first;
  /// Whether data can nest as deep as it likes.
  static constexpr bool is_recursive = counted.second;
  static_assert(size <= longest_description,
                "persist: the names of the fields of this type take more than 64 KiB");

  static constexpr std::array<char, size> bytes = [] {
    std::array<char, size> made{};
    Describer out(made.data());
    describe<Rules, T>(out);
    return made;
  }();
};

}  // namespace persist::inline PERSIST_ABI::codec::packed

// Integers in as many bytes as they need, one to nine. The number of bytes is in the low bits of
// the first (a one behind as many zeros as bytes follow), so it is known before the rest is read
// and no loop looks at each byte, as LEB128 needs. `doc/format.md` says why.

namespace persist::inline PERSIST_ABI::codec::packed {

/// The most bytes a number takes.
inline constexpr std::size_t longest_number = 9;

/// Writes the number; there must be room for `longest_number` bytes, all of which may be written.
/// Returns where it ends.
[[nodiscard]] inline std::byte* put_number(std::byte* at, std::uint64_t number) noexcept {
  if (number < 0x80) [[likely]] {
    *at = static_cast<std::byte>(number << 1 | 1);
    return at + 1;
  }
  const auto bits = static_cast<unsigned>(std::bit_width(number));
  if (bits > 56) {
    *at = std::byte{0};
    store_little(at + 1, number);
    return at + longest_number;
  }
  const unsigned size = (bits + 6) / 7;
  store_little(at, (number << 1 | 1) << (size - 1));
  return at + size;
}

/// Reads a number. Null where the bytes end in the middle of it. Longer forms of a number than the
/// shortest are read too.
[[nodiscard]] inline const std::byte* get_number(const std::byte* at, const std::byte* end,
                                                 std::uint64_t& number) noexcept {
  if (at == end) return nullptr;
  const auto first = std::to_integer<unsigned>(*at);
  if ((first & 1) != 0) [[likely]] {
    number = first >> 1;
    return at + 1;
  }
  const std::size_t size =
      first == 0 ? longest_number : static_cast<std::size_t>(std::countr_zero(first)) + 1;
  if (static_cast<std::size_t>(end - at) < size) return nullptr;
  if (size == longest_number) {
    number = load_little<std::uint64_t>(at + 1);
    return at + size;
  }
  std::uint64_t bytes = 0;
  if (end - at >= 8) [[likely]] {
    bytes = load_little<std::uint64_t>(at) << (64 - 8 * size) >> (64 - 8 * size);
  } else {
    for (std::size_t i = 0; i < size; ++i)
      bytes |= std::to_integer<std::uint64_t>(at[i]) << (8 * i);
  }
  number = bytes >> size;
  return at + size;
}

/// Small numbers of either sign become small numbers: 0, -1, 1, -2 are 0, 1, 2, 3.
template <std::integral T>
[[nodiscard]] constexpr std::uint64_t to_unsigned(T number) noexcept {
  if constexpr (std::is_signed_v<T>) {
    const auto wide = static_cast<std::int64_t>(number);
    return static_cast<std::uint64_t>(wide) << 1 ^ static_cast<std::uint64_t>(wide >> 63);
  } else {
    return number;
  }
}
/// False where the number does not fit.
template <std::integral T>
[[nodiscard]] constexpr bool from_unsigned(std::uint64_t number, T& into) noexcept {
  if constexpr (std::is_signed_v<T>) {
    const auto wide = static_cast<std::int64_t>(number >> 1 ^ (~(number & 1) + 1));
    into = static_cast<T>(wide);
    return into == wide;
  } else {
    into = static_cast<T>(number);
    return into == number;
  }
}

}  // namespace persist::inline PERSIST_ABI::codec::packed

namespace persist::inline PERSIST_ABI::codec::packed {

/// A type as another build described it. Nodes refer to each other by number.
struct Layout {
  struct Node {
    Kind kind = Kind::none;    ///< how it is read: a map without texts as keys is a sequence
    Kind said = Kind::none;    ///< how it was described
    std::uint8_t code = 0;     ///< of an integer or enum; the size of a real
    bool is_empty = false;     ///< takes no bytes
    std::uint16_t first = 0;   ///< the first of its members, or the node inside
    std::uint16_t count = 0;   ///< of members; of a map the node of its values; of a duration the
                               ///< first of two members that give its unit
    std::uint32_t length = 0;  ///< of an array
  };
  /// A field, an alternative, an element of a tuple, or an enumerator.
  struct Member {
    std::string_view name;
    std::int64_t value = 0;  ///< of an enumerator, or of a unit; else its node
  };

  std::vector<Node> nodes;
  std::vector<Member> members;
  std::uint16_t root = 0;

  /// What that enum calls the value; empty where it has no name for it.
  [[nodiscard]] std::string_view enumerator(const Node& type,
                                            const schema::Integer& value) const noexcept {
    for (std::size_t i = 0; i < type.count; ++i) {
      const Member& each = members[type.first + i];
      const bool negative = each.value < 0;
      const auto magnitude = static_cast<std::uint64_t>(negative ? -1 - each.value : each.value);
      if (negative == value.negative && magnitude == value.magnitude) return each.name;
    }
    return {};
  }
};

/// Reads a description. It comes from outside: what is not whole, nests too deep or refers to
/// nothing is `corrupt`. Memory is in proportion to the bytes, which the names refer to.
class LayoutParser {
 public:
  explicit LayoutParser(ByteView bytes) noexcept
      : begin_(bytes.data()), at_(begin_), end_(begin_ + bytes.size()) {}

  [[nodiscard]] Result<Layout> run() {
    if (static_cast<std::size_t>(end_ - begin_) > longest_description)
      return Error(Errc::too_large, "packed: a description of more than 64 KiB");
    made_.root = type(0);
    if (ok_ && at_ != end_) fail("bytes follow the description");
    if (!ok_) return std::move(error_);
    return std::move(made_);
  }

 private:
  using Id = std::uint16_t;
  static constexpr unsigned deepest = 128;

  Id fail(std::string_view what) {
    if (ok_) {
      error_ = Error(Errc::corrupt, "packed, in the description at byte " +
                                        std::to_string(at_ - begin_) + ": " + std::string(what));
    }
    ok_ = false;
    return 0;
  }
  [[nodiscard]] std::size_t left() const noexcept { return static_cast<std::size_t>(end_ - at_); }
  std::uint8_t byte() {
    if (at_ == end_) return fail("it ends too soon"), std::uint8_t{0};
    return std::to_integer<std::uint8_t>(*at_++);
  }
  std::uint64_t number() {
    std::uint64_t value = 0;
    const std::byte* next = get_number(at_, end_, value);
    if (next == nullptr) return fail("it ends too soon"), 0;
    at_ = next;
    return value;
  }
  std::string_view text() {
    const std::uint64_t size = number();
    if (!ok_ || size > left()) return fail("a name is longer than what is left"), "";
    const std::string_view found(reinterpret_cast<const char*>(at_), size);
    if (!persist::detail::is_utf8(found)) return fail("a name is no UTF-8"), "";
    at_ += size;
    return found;
  }
  /// How many members follow, each of that many bytes at least.
  std::size_t count(std::size_t least) {
    const std::uint64_t said = number();
    if (said > left() / least) return fail("more members than bytes are left"), 0;
    return static_cast<std::size_t>(said);
  }

  Id type(unsigned depth) {
    if (depth == deepest) return fail("it nests too deep");
    const std::uint8_t kind = byte();
    if (!ok_) return 0;
    if (kind == same_struct) {
      const std::uint64_t index = number();
      return index < structs_.size() ? structs_[index] : fail("it refers to no struct");
    }
    // A description of 64 KiB has fewer nodes than a number of 16 bits.
    const Id id = static_cast<Id>(made_.nodes.size());
    Layout::Node& node = made_.nodes.emplace_back();
    node.kind = node.said = static_cast<Kind>(kind);
    switch (static_cast<Kind>(kind)) {
      case Kind::boolean:
      case Kind::text:
      case Kind::bytes:
      case Kind::value:
        return id;
      case Kind::unit:
        made_.nodes[id].is_empty = true;
        return id;
      case Kind::integer:
        return integer(id);
      case Kind::real:
        return real(id);
      case Kind::enumeration:
        return enumeration(id);
      case Kind::optional:
      case Kind::sequence:
      case Kind::set:
        return inside(id, depth);
      case Kind::array:
        return array(id, depth);
      case Kind::map:
        return map(id, depth);
      case Kind::tuple:
        return tuple(id, depth);
      case Kind::structure:
        structs_.push_back(id);
        return named(id, depth);
      case Kind::variant:
        return named(id, depth);
      case Kind::duration:
        return duration(id, depth);
      case Kind::time_point:
        return inside(id, depth);
      case Kind::none:
      case Kind::adapted:
        break;
    }
    --at_;
    return fail("a kind of data that this build does not know");
  }
  Id integer(Id id) {
    const std::uint8_t code = byte();
    if (code > 7) return fail("an integer of no size");
    made_.nodes[id].code = code;
    return id;
  }
  Id real(Id id) {
    const std::uint8_t size = byte();
    if (size != 4 && size != 8) return fail("a real of no size");
    made_.nodes[id].code = size;
    return id;
  }
  Id enumeration(Id id) {
    (void)integer(id);
    const std::size_t members = reserve(id, count(2));
    for (std::size_t i = 0; i < members && ok_; ++i) {
      Layout::Member& member = made_.members[made_.nodes[id].first + i];
      member.name = text();
      (void)from_unsigned(number(), member.value);
    }
    return id;
  }
  Id inside(Id id, unsigned depth) {
    const Id child = type(depth + 1);
    Layout::Node& node = made_.nodes[id];
    node.first = child;
    const bool may_be_empty = node.kind == Kind::duration || node.kind == Kind::time_point;
    node.is_empty = may_be_empty && made_.nodes[child].is_empty;
    return id;
  }
  Id duration(Id id, unsigned depth) {
    const auto unit = static_cast<Id>(made_.members.size());
    for (int i = 0; i < 2; ++i)
      made_.members.push_back({{}, static_cast<std::int64_t>(number())});
    made_.nodes[id].count = unit;
    return inside(id, depth);
  }
  Id array(Id id, unsigned depth) {
    const std::uint64_t length = number();
    if (length > (std::numeric_limits<std::uint32_t>::max)()) return fail("an array too long");
    const Id child = type(depth + 1);
    made_.nodes[id].first = child;
    made_.nodes[id].length = static_cast<std::uint32_t>(length);
    made_.nodes[id].is_empty = length == 0;
    return id;
  }
  /// One whose keys are no texts is a sequence of pairs, in bytes as in words.
  Id map(Id id, unsigned depth) {
    const std::uint8_t has_text_keys = byte();
    if (has_text_keys > 1) return fail("a map of no sort");
    if (has_text_keys == 0) {
      const Id pair = static_cast<Id>(made_.nodes.size());
      made_.nodes.emplace_back().kind = Kind::tuple;
      made_.nodes[id].kind = Kind::sequence;  // of pairs
      made_.nodes[id].first = pair;
      (void)reserve(pair, 2);
      members(pair, 2, depth);
      return id;
    }
    const Id key = type(depth + 1);
    const Kind keys = made_.nodes[key].kind;
    if (keys != Kind::text && keys != Kind::integer && keys != Kind::enumeration)
      return fail("keys that have no text");
    const Id mapped = type(depth + 1);
    made_.nodes[id].first = key;
    made_.nodes[id].count = mapped;
    return id;
  }
  Id tuple(Id id, unsigned depth) {
    members(id, reserve(id, count(1)), depth);
    return id;
  }
  void members(Id id, std::size_t size, unsigned depth) {
    bool is_empty = true;
    for (std::size_t i = 0; i < size && ok_; ++i) {
      const Id child = type(depth + 1);
      is_empty = is_empty && made_.nodes[child].is_empty;
      made_.members[made_.nodes[id].first + i].value = child;
    }
    made_.nodes[id].is_empty = is_empty;
  }
  Id named(Id id, unsigned depth) {
    const std::size_t size = reserve(id, count(2));
    bool is_empty = made_.nodes[id].kind == Kind::structure;
    for (std::size_t i = 0; i < size && ok_; ++i) {
      const std::string_view name = text();
      const Id child = type(depth + 1);
      is_empty = is_empty && made_.nodes[child].is_empty;
      made_.members[made_.nodes[id].first + i] = {name, child};
    }
    made_.nodes[id].is_empty = is_empty;
    return id;
  }
  std::size_t reserve(Id id, std::size_t size) {
    if (!ok_) return 0;
    made_.nodes[id].first = static_cast<Id>(made_.members.size());
    made_.nodes[id].count = static_cast<Id>(size);
    made_.members.resize(made_.members.size() + size);
    return size;
  }

  const std::byte* begin_;
  const std::byte* at_;
  const std::byte* end_;
  Layout made_;
  std::vector<Id> structs_;
  bool ok_ = true;
  Error error_;
};

}  // namespace persist::inline PERSIST_ABI::codec::packed

namespace persist::inline PERSIST_ABI::codec::packed {

/// What reading by position is made of. Each step is given where it stands and returns where it
/// ended, so that the place stays in a register; null says that it failed, and then nothing more is
/// read.
class Cursor {
 public:
  Cursor(const Cursor&) = delete;
  Cursor& operator=(const Cursor&) = delete;

 protected:
  using At = const std::byte*;

  Cursor(ByteView bytes, schema::Limits limits) noexcept
      : begin_(bytes.data()),
        end_(bytes.data() + bytes.size()),
        limits_(limits),
        elements_((std::min)(limits.elements, bytes.size())) {}
  ~Cursor() = default;

  [[nodiscard]] const schema::Limits& limits() const noexcept { return limits_; }
  [[nodiscard]] Error take_error() { return std::move(error_); }
  [[nodiscard]] At begin() {
    if (left(begin_) <= limits_.bytes) return begin_;
    return refuse(begin_, Errc::too_large, "more bytes than the limit for one input");
  }
  [[nodiscard]] At finish(At at) {
    if (at == end_) return at;
    return corrupt(at, std::to_string(left(at)) + " bytes follow the end of the value");
  }

  At fail(Error error) { return error_ = std::move(error), nullptr; }
  At refuse(At at, Errc code, std::string what) {
    return fail({code, "packed at byte " + std::to_string(at - begin_) + ": " + std::move(what)});
  }
  At corrupt(At at, std::string what) { return refuse(at, Errc::corrupt, std::move(what)); }
  At cut_short(At at) { return corrupt(at, "the input ends in the middle of a value"); }
  [[nodiscard]] std::size_t left(At at) const noexcept {
    return static_cast<std::size_t>(end_ - at);
  }

  [[nodiscard]] At number(At at, std::uint64_t& into) {
    const At next = get_number(at, end_, into);
    return next != nullptr ? next : cut_short(at);
  }
  /// How many elements follow, of that many bytes each at least.
  [[nodiscard]] At count(At at, std::size_t least, std::size_t& into) {
    std::uint64_t said = 0;
    const At next = number(at, said);
    if (next == nullptr) return nullptr;
    if (said > left(next) / least)
      return corrupt(at, std::to_string(said) + " elements where " + std::to_string(left(next)) +
                             " bytes are left");
    // Each is a byte at least, so that lists inside each other cannot all promise the same bytes.
    if (said > elements_)
      return limits_.elements < left(begin_)
                 ? refuse(at, Errc::too_large, "more elements than the limit for one input")
                 : corrupt(at, "more elements than there are bytes");
    elements_ -= static_cast<std::size_t>(said);
    into = static_cast<std::size_t>(said);
    return next;
  }
  /// The bytes of a text, a byte string or a value.
  [[nodiscard]] At span(At at, std::string_view& into) {
    std::uint64_t size = 0;
    const At next = number(at, size);
    if (next == nullptr) return nullptr;
    if (size > left(next))
      return corrupt(at, "a length of " + std::to_string(size) + " bytes where " +
                             std::to_string(left(next)) + " are left");
    into = {reinterpret_cast<const char*>(next), static_cast<std::size_t>(size)};
    return next + size;
  }

  [[nodiscard]] At flag(At at, bool& into) {
    if (at == end_) return cut_short(at);
    if (*at > std::byte{1}) return corrupt(at, "neither true nor false");
    into = *at == std::byte{1};
    return at + 1;
  }

  /// Whether the key that was just added does not make the reading of this input slow.
  template <class C>
  [[nodiscard]] bool spread(At at, const C& all, const typename C::key_type& key) {
    if constexpr (schema::detail::is_flooded<C>) {
      using schema::detail::most_crowded_keys;
      if (schema::detail::is_crowded(all, key) && ++crowded_ > most_crowded_keys) [[unlikely]] {
        refuse(at, Errc::too_large,
               "more than " + std::to_string(most_crowded_keys) +
                   " keys were chosen so that their hashes collide");
        return false;
      }
    }
    return true;
  }

  /// Counts a container in, where the type can nest as deep as it likes.
  class Depth {
   public:
    Depth(Cursor& of, bool counts) noexcept : depth_(of.depth_), step_(counts ? 1 : 0) {
      depth_ += step_;
    }
    ~Depth() { depth_ -= step_; }
    Depth(const Depth&) = delete;
    Depth& operator=(const Depth&) = delete;

   private:
    std::uint32_t& depth_;
    std::uint32_t step_;
  };
  [[nodiscard]] bool is_too_deep() const noexcept {
    return depth_ > (std::min)(limits_.depth, Input::deepest);
  }

 private:
  At begin_;
  At end_;
  schema::Limits limits_;
  std::size_t elements_;
  std::uint32_t depth_ = 0;
  std::size_t crowded_ = 0;
  Error error_;
};

}  // namespace persist::inline PERSIST_ABI::codec::packed

namespace persist::inline PERSIST_ABI::codec::packed {

template <class Rules, class T>
consteval std::size_t find_least_size();

/// The fewest bytes that a T takes. What comes in numbers is checked against what is left of the
/// input before anybody makes room for it.
template <class Rules, class T>
inline constexpr std::size_t least_size = find_least_size<Rules, T>();

template <class Rules, class... Ts>
consteval std::size_t sum_of_least(schema::detail::Types<Ts...>) {
  return (std::size_t{0} + ... + least_size<Rules, std::remove_const_t<Ts>>);
}
template <class Rules, class T>
consteval std::size_t least_struct_size() {
  using P = schema::detail::Plan<Rules, T>;
  return []<class... Ms>(schema::detail::Types<Ms...>) {
    std::size_t sum = 0;
    std::size_t field = 0;
    ((sum += P::is_stored[field++] ? find_least_size<Rules, Ms>() : 0), ...);
    return sum;
  }(schema::detail::MemberTypes<T>{});
}

template <class Rules, class T>
consteval std::size_t find_least_size() {
  using schema::Kind;
  constexpr Kind kind = schema::kind_of<T>;
  if constexpr (kind == Kind::structure)
    return least_struct_size<Rules, T>();
  else if constexpr (kind == Kind::real)
    return sizeof(T);
  else if constexpr (kind == Kind::array)
    return std::tuple_size_v<T> * least_size<Rules, typename T::value_type>;
  else if constexpr (kind == Kind::tuple)
    return sum_of_least<Rules>(schema::detail::types_of(static_cast<const T*>(nullptr)));
  else if constexpr (kind == Kind::adapted)
    return least_size<Rules, typename adapt<T>::stored_type>;
  else if constexpr (kind == Kind::duration || kind == Kind::time_point)
    return least_size<Rules, typename T::rep>;
  else
    return kind == Kind::unit || kind == Kind::none ? 0 : 1;
}

/// The same for an element. One that would take nothing takes a byte, or a short input could ask
/// for any number of them.
template <class Rules, class... Ts>
inline constexpr std::size_t least_element =
    (std::max)(std::size_t{1}, (std::size_t{0} + ... + least_size<Rules, Ts>));
template <class Rules, class... Ts>
inline constexpr bool is_padded = (std::size_t{0} + ... + least_size<Rules, Ts>) == 0;

}  // namespace persist::inline PERSIST_ABI::codec::packed

namespace persist::inline PERSIST_ABI::codec::packed {

using schema::Kind;
using schema::kind_of;

/// Numbers that lie in memory as they lie in a record, so that many of them are copied at once.
template <class T>
inline constexpr bool is_plain =
    std::endian::native == std::endian::little && !std::is_same_v<T, bool> &&
    (kind_of<T> == Kind::real || (kind_of<T> == Kind::integer && sizeof(T) == 1));
template <class S>
concept plain_row = is_plain<typename S::value_type> && requires(S& all, std::size_t size) {
  { all.data() } -> std::same_as<typename S::value_type*>;
  all.resize(size);
};

/// The walk that writes values by position: what they are called was said before. Where it stands
/// is handed on from call to call, so that it stays in a register.
///
/// `Nests` says that the type can hold itself, so that the depth has to be watched.
template <class Rules, bool Nests>
class Writing {
 public:
  explicit Writing(Buffer& out) : out_(out) {}

  /// Appends the value. The first failure counts; what was appended then is for the caller to drop.
  template <class T>
  Result<void> run(const T& from) {
    std::byte* at = make_room(out_.data() + out_.size(), 64);
    at = value(at, from);
    out_.shrink(static_cast<std::size_t>(at - out_.data()));
    return ok_ ? success : Result<void>(std::move(error_));
  }
  /// Whether the data holds unknown fields, which have no position; then the rest is not whole.
  [[nodiscard]] bool met_unknown() const noexcept { return met_unknown_; }

 private:
  template <class T>
  [[nodiscard]] std::byte* value(std::byte* at, const T& from) {
    constexpr Kind kind = kind_of<T>;
    static_assert(
        kind != Kind::none,
        "persist: this type cannot be stored: make it a plain aggregate, describe it with "
        "persist_fields, or specialise persist::adapt for it");
    if constexpr (kind == Kind::boolean)
      return byte(at, from ? 1 : 0);
    else if constexpr (kind == Kind::integer)
      return integer(at, from);
    else if constexpr (kind == Kind::real)
      return real(at, from);
    else if constexpr (kind == Kind::enumeration)
      return integer(at, static_cast<std::underlying_type_t<T>>(from));
    else if constexpr (kind == Kind::text)
      return text(at, std::string_view(from));
    else if constexpr (kind == Kind::bytes)
      return bytes(at, ByteView(from));
    else if constexpr (kind == Kind::structure)
      return structure(at, from);
    else if constexpr (kind == Kind::optional)
      return from.has_value() ? value(byte(at, 1), *from) : byte(at, 0);
    else if constexpr (kind == Kind::adapted)
      return value(at, adapt<T>::store(from));
    else if constexpr (kind == Kind::duration)
      return value(at, from.count());
    else if constexpr (kind == Kind::time_point)
      return value(at, from.time_since_epoch().count());
    else if constexpr (kind == Kind::value)
      return dynamic(at, from);
    else if constexpr (kind == Kind::unit)
      return at;
    else
      return nested(at, from);
  }
  template <class T>
  [[nodiscard]] std::byte* nested(std::byte* at, const T& from) {
    constexpr Kind kind = kind_of<T>;
    const Depth inside(*this);
    if constexpr (kind == Kind::variant)
      return variant(at, from);
    else if constexpr (kind == Kind::sequence)
      return sequence(at, from);
    else if constexpr (kind == Kind::set)
      return elements(number(at, from.size()), from);
    else if constexpr (kind == Kind::map)
      return map(at, from);
    else if constexpr (kind == Kind::array)
      return elements(at, from);
    else
      return std::apply(
          [&](const auto&... element) { return ((at = value(at, element)), ..., at); }, from);
  }

  [[nodiscard]] std::byte* room(std::byte* at, std::size_t size) {
    return static_cast<std::size_t>(end_ - at) >= size ? at : make_room(at, size);
  }
  /// Takes all that the buffer has, so that it is asked seldom.
  [[nodiscard]] std::byte* make_room(std::byte* at, std::size_t size) {
    const auto used = static_cast<std::size_t>(at - out_.data());
    out_.shrink(used);
    (void)out_.grow(size);
    (void)out_.grow(out_.capacity() - out_.size());
    end_ = out_.data() + out_.size();
    return out_.data() + used;
  }
  [[nodiscard]] std::byte* byte(std::byte* at, unsigned value) {
    at = room(at, 1);
    *at = static_cast<std::byte>(value);
    return at + 1;
  }
  [[nodiscard]] std::byte* number(std::byte* at, std::uint64_t value) {
    return put_number(room(at, longest_number), value);
  }
  template <class T>
  [[nodiscard]] std::byte* integer(std::byte* at, T value) {
    if constexpr (sizeof(T) == 1)
      return byte(at, static_cast<unsigned char>(value));
    else
      return number(at, to_unsigned(value));
  }
  template <class T>
  [[nodiscard]] std::byte* real(std::byte* at, T value) {
    using Bits = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
    at = room(at, sizeof(T));
    store_little(at, std::bit_cast<Bits>(value));
    return at + sizeof(T);
  }
  [[nodiscard]] std::byte* bytes(std::byte* at, ByteView value) {
    at = put_number(room(at, value.size() + longest_number), value.size());
    if (!value.empty()) std::memcpy(at, value.data(), value.size());
    return at + value.size();
  }
  [[nodiscard]] std::byte* text(std::byte* at, std::string_view value) {
    if (!persist::detail::is_ascii(value) && !persist::detail::is_utf8(value)) [[unlikely]] {
      fail({Errc::invalid, "a text is no UTF-8 from its byte " +
                               std::to_string(persist::detail::utf8_prefix(value)) +
                               " on: keep such bytes in a byte string (std::vector<std::byte>)"});
    }
    return bytes(at, as_bytes(value));
  }
  /// A value has no type that was described, so it brings its own words.
  [[nodiscard]] std::byte* dynamic(std::byte* at, const Value& from) {
    Buffer item;
    CborWriter writer(item);
    schema::write_value(writer, from);
    if (!writer.ok()) fail(writer.take_error());
    return bytes(at, item);
  }

  template <class T>
  [[nodiscard]] std::byte* structure(std::byte* at, const T& from) {
    const Depth inside(*this);
    return schema::detail::Describe<T>::apply(from, [&](const auto&... member) {
      return [&]<std::size_t... I>(std::index_sequence<I...>) {
        return ((at = field<T, I>(at, member)), ..., at);
      }(std::index_sequence_for<decltype(member)...>{});
    });
  }
  template <class T, std::size_t I, class M>
  [[nodiscard]] std::byte* field(std::byte* at, const M& member) {
    if constexpr (std::is_same_v<M, Unknown>) {
      met_unknown_ = met_unknown_ || !member.empty();
    } else if constexpr (schema::detail::Plan<Rules, T>::is_stored[I]) {
      if constexpr (schema::detail::check_member<T, I, M>()) {
        constexpr std::size_t times = 1 + schema::detail::Plan<Rules, T>::times_more(I);
        if constexpr (schema::detail::is_quantised<Rules, T, I>)
          return repeated<times>(at, schema::detail::quantised<Rules, T, I>(member));
        else
          return repeated<times>(at, member);
      }
    }
    return at;
  }

  /// Under its own name and under its others.
  template <std::size_t Times, class M>
  [[nodiscard]] std::byte* repeated(std::byte* at, const M& member) {
    for (std::size_t i = 0; i < Times; ++i)
      at = value(at, member);
    return at;
  }

  template <class... Ts>
  [[nodiscard]] std::byte* variant(std::byte* at, const std::variant<Ts...>& from) {
    if (from.valueless_by_exception()) {
      fail({Errc::invalid, "a variant holds nothing because an assignment threw"});
      return at;
    }
    at = number(at, from.index());
    const auto alternative = [&](const auto* held) {
      if (held != nullptr) at = value(at, *held);
    };
    [&]<std::size_t... I>(std::index_sequence<I...>) {
      (alternative(std::get_if<I>(&from)), ...);
    }(std::index_sequence_for<Ts...>{});
    return at;
  }
  template <class S>
  [[nodiscard]] std::byte* sequence(std::byte* at, const S& from) {
    at = number(at, from.size());
    if constexpr (plain_row<S>) {
      const std::size_t size = from.size() * sizeof(typename S::value_type);
      at = room(at, size);
      if (size != 0) std::memcpy(at, from.data(), size);
      return at + size;
    } else {
      return elements(at, from);
    }
  }
  template <class S>
  [[nodiscard]] std::byte* elements(std::byte* at, const S& from) {
    schema::detail::in_order<true>(from, [&](const auto& element) {
      at = value(at, element);
      if constexpr (is_padded<Rules, std::remove_cvref_t<decltype(element)>>) at = byte(at, 0);
    });
    return at;
  }
  template <class M>
  [[nodiscard]] std::byte* map(std::byte* at, const M& from) {
    at = number(at, from.size());
    schema::detail::in_order<true>(from, [&](const auto& entry) {
      at = value(value(at, entry.first), entry.second);
      if constexpr (is_padded<Rules, typename M::key_type, typename M::mapped_type>)
        at = byte(at, 0);
    });
    return at;
  }

  /// What no reader would follow is not written either, or a record could be saved and never
  /// loaded.
  struct Depth {
    explicit Depth(Writing& of) : writing(of) {
      if constexpr (Nests) {
        if (++writing.depth_ > Input::deepest)
          writing.fail({Errc::too_large,
                        "the data is nested deeper than " + std::to_string(Input::deepest)});
      }
    }
    ~Depth() {
      if constexpr (Nests) --writing.depth_;
    }
    Depth(const Depth&) = delete;
    Depth& operator=(const Depth&) = delete;
    Writing& writing;
  };
  void fail(Error error) {
    if (ok_) error_ = std::move(error);
    ok_ = false;
  }

  Buffer& out_;
  std::byte* end_ = nullptr;
  std::uint32_t depth_ = 0;
  bool met_unknown_ = false;
  bool ok_ = true;
  Error error_;
};

}  // namespace persist::inline PERSIST_ABI::codec::packed

namespace persist::inline PERSIST_ABI::codec::packed {

/// The walk that reads values by position, for bytes whose description is that of the type. Each
/// step returns where it ended, or null where it failed.
template <class Rules, bool Nests>
class Reading : Cursor {
 public:
  using Cursor::At;
  using Cursor::take_error;

  Reading(ByteView bytes, schema::Limits limits) noexcept : Cursor(bytes, limits) {}

  /// Fills a fresh value with all of the bytes.
  template <class T>
  Result<void> run(T& into) {
    At at = begin();
    if (at != nullptr) at = value(at, into);
    if (at != nullptr) at = finish(at);
    return at != nullptr ? success : Result<void>(take_error());
  }

  /// Reads one value that begins there. Null on failure; then `take_error` has it.
  template <class T>
  [[nodiscard]] At value(At at, T& into) {
    constexpr Kind kind = kind_of<T>;
    if constexpr (kind == Kind::boolean)
      return boolean(at, into);
    else if constexpr (kind == Kind::integer)
      return integer(at, into);
    else if constexpr (kind == Kind::real)
      return real(at, into);
    else if constexpr (kind == Kind::enumeration)
      return enumeration(at, into);
    else if constexpr (kind == Kind::text)
      return text(at, into);
    else if constexpr (kind == Kind::bytes)
      return bytes(at, into);
    else if constexpr (kind == Kind::structure)
      return structure(at, into);
    else if constexpr (kind == Kind::optional)
      return optional(at, into);
    else if constexpr (kind == Kind::adapted)
      return adapted(at, into);
    else if constexpr (kind == Kind::duration || kind == Kind::time_point)
      return chrono(at, into);
    else if constexpr (kind == Kind::value)
      return dynamic(at, into);
    else if constexpr (kind == Kind::unit)
      return at;
    else
      return nested(at, into);
  }

 private:
  template <class T>
  [[nodiscard]] At nested(At at, T& into) {
    constexpr Kind kind = kind_of<T>;
    const Depth inside(*this, Nests);
    if (Nests && is_too_deep()) return refuse(at, Errc::too_large, "nested too deep");
    if constexpr (kind == Kind::variant)
      return variant(at, into);
    else if constexpr (kind == Kind::sequence)
      return sequence(at, into);
    else if constexpr (kind == Kind::set)
      return set(at, into);
    else if constexpr (kind == Kind::map)
      return map(at, into);
    else if constexpr (kind == Kind::array)
      return array(at, into);
    else
      return std::apply([&](auto&... element) { return all(at, element...); }, into);
  }
  template <class... Ts>
  [[nodiscard]] At all(At at, Ts&... into) {
    (void)(((at = value(at, into)) != nullptr) && ...);
    return at;
  }

  template <class T>
  [[nodiscard]] At boolean(At at, T& into) {
    bool is_true = false;
    at = flag(at, is_true);
    into = is_true;
    return at;
  }
  template <class T>
  [[nodiscard]] At integer(At at, T& into) {
    if constexpr (sizeof(T) == 1) {
      if (left(at) == 0) return cut_short(at);
      into = static_cast<T>(*at);
      return at + 1;
    } else {
      std::uint64_t found = 0;
      const At next = number(at, found);
      if (next == nullptr) return nullptr;
      return from_unsigned(found, into) ? next : corrupt(at, "a number too large for its field");
    }
  }
  template <class T>
  [[nodiscard]] At real(At at, T& into) {
    using Bits = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
    if (left(at) < sizeof(T)) return cut_short(at);
    into = std::bit_cast<T>(load_little<Bits>(at));
    return at + sizeof(T);
  }
  template <class E>
  [[nodiscard]] At enumeration(At at, E& into) {
    std::underlying_type_t<E> underlying{};
    at = value(at, underlying);
    into = static_cast<E>(underlying);
    return at;
  }
  template <class T>
  [[nodiscard]] At text(At at, T& into) {
    std::string_view found;
    const At next = span(at, found);
    if (next == nullptr) return nullptr;
    if (!persist::detail::is_ascii(found) && !persist::detail::is_utf8(found))
      return corrupt(at, "a text that is no UTF-8");
    into.assign(found.data(), found.size());
    return next;
  }
  template <class T>
  [[nodiscard]] At bytes(At at, T& into) {
    std::string_view found;
    const At next = span(at, found);
    if (next == nullptr) return nullptr;
    const ByteView all = as_bytes(found);
    if constexpr (schema::detail::is_array<T>) {
      if (all.size() != into.size()) return corrupt(at, "a byte string of another length");
      std::copy(all.begin(), all.end(), into.begin());
    } else if constexpr (std::is_same_v<T, Buffer>) {
      into = Buffer(all);
    } else {
      into.assign(all.data(), all.data() + all.size());
    }
    return next;
  }
  template <class O>
  [[nodiscard]] At optional(At at, O& into) {
    bool has_value = false;
    at = flag(at, has_value);
    if (at == nullptr || !has_value) return into.reset(), at;
    if (!into.has_value()) into.emplace();
    return value(at, *into);
  }
  template <class T>
  [[nodiscard]] At adapted(At at, T& into) {
    auto stored = adapt<T>::store(into);
    const At next = value(at, stored);
    if (next == nullptr) return nullptr;
    if constexpr (std::is_assignable_v<T&, decltype(adapt<T>::restore(std::move(stored)))>) {
      into = adapt<T>::restore(std::move(stored));
    } else {
      auto restored = adapt<T>::restore(std::move(stored));
      if (!restored) return fail(std::move(restored).error());
      into = *std::move(restored);
    }
    return next;
  }
  template <class T>
  [[nodiscard]] At chrono(At at, T& into) {
    typename T::rep found{};
    at = value(at, found);
    if constexpr (kind_of<T> == Kind::duration)
      into = T(found);
    else
      into = T(typename T::duration(found));
    return at;
  }
  [[nodiscard]] At dynamic(At at, Value& into) {
    std::string_view item;
    const At next = span(at, item);
    if (next == nullptr) return nullptr;
    CborReader in(as_bytes(item), limits());
    if (schema::read_value(in, into) && in.finish()) return next;
    return fail(in.take_error());
  }

  template <class T>
  [[nodiscard]] At structure(At at, T& into) {
    const Depth inside(*this, Nests);
    if (Nests && is_too_deep()) return refuse(at, Errc::too_large, "nested too deep");
    return schema::detail::Describe<T>::apply(into, [&](auto&... member) {
      [&]<std::size_t... I>(std::index_sequence<I...>) {
        (void)(((at = field<T, I>(at, member)) != nullptr) && ...);
      }(std::index_sequence_for<decltype(member)...>{});
      return at;
    });
  }
  template <class T, std::size_t I, class M>
  [[nodiscard]] At field(At at, M& member) {
    static_assert(!std::is_const_v<M>,
                  "persist: a member of a stored struct is const, so nothing can be read into it");
    if constexpr (std::is_same_v<M, Unknown>)
      member = Unknown();
    else if constexpr (schema::detail::Plan<Rules, T>::is_stored[I])
      return repeated<schema::detail::Plan<Rules, T>::times_more(I)>(value(at, member), member);
    return at;
  }
  /// What is written under other names too. The last of them counts.
  template <std::size_t Times, class M>
  [[nodiscard]] At repeated(At at, M& member) {
    if constexpr (Times != 0)
      for (std::size_t i = 0; i < Times && at != nullptr; ++i)
        at = value(at, member);
    return at;
  }

  template <class... Ts>
  [[nodiscard]] At variant(At at, std::variant<Ts...>& into) {
    static_assert(schema::detail::distinct_names<Ts...>(),
                  "persist: two alternatives of a variant have one name: give one a persist_name");
    std::uint64_t index = 0;
    const At next = number(at, index);
    if (next == nullptr) return nullptr;
    if (index >= sizeof...(Ts)) return corrupt(at, "an alternative that the variant does not have");
    At after = nullptr;
    const auto alternative = [&]<std::size_t I>(std::integral_constant<std::size_t, I>) {
      if (I != index) return;
      if (into.index() != I) into.template emplace<I>();
      after = value(next, *std::get_if<I>(&into));
    };
    [&]<std::size_t... I>(std::index_sequence<I...>) {
      (alternative(std::integral_constant<std::size_t, I>()), ...);
    }(std::index_sequence_for<Ts...>{});
    return after;
  }
  /// An element that takes no bytes of its own has one that says nothing.
  template <class... Ts>
  [[nodiscard]] At padding(At at) {
    if constexpr (is_padded<Rules, Ts...>)
      if (at != nullptr) return left(at) == 0 ? cut_short(at) : at + 1;
    return at;
  }

  template <class S>
  [[nodiscard]] At sequence(At at, S& into) {
    using Element = typename S::value_type;
    std::size_t size = 0;
    at = count(at, least_element<Rules, Element>, size);
    if (at == nullptr) return nullptr;
    into.clear();
    if constexpr (plain_row<S>) {
      into.resize(size);
      if (size != 0) std::memcpy(into.data(), at, size * sizeof(Element));
      return at + size * sizeof(Element);
    } else {
      schema::detail::reserve(into, size);
      for (std::size_t i = 0; i < size && at != nullptr; ++i) {
        if constexpr (std::is_same_v<decltype(into.back()), Element&>) {
          into.emplace_back();
          at = padding<Element>(value(at, into.back()));
        } else {  // std::vector<bool> has no element to refer to
          Element made{};
          at = value(at, made);
          into.push_back(made);
        }
      }
      return at;
    }
  }
  template <class A>
  [[nodiscard]] At array(At at, A& into) {
    for (auto& element : into) {
      at = padding<typename A::value_type>(value(at, element));
      if (at == nullptr) break;
    }
    return at;
  }
  template <class S>
  [[nodiscard]] At set(At at, S& into) {
    using Element = typename schema::detail::Made<typename S::value_type>::type;
    std::size_t size = 0;
    at = count(at, least_element<Rules, Element>, size);
    if (at == nullptr) return nullptr;
    into.clear();
    schema::detail::reserve(into, size);
    for (std::size_t i = 0; i < size; ++i) {
      Element made{};
      const At next = padding<Element>(value(at, made));
      if (next == nullptr) return nullptr;
      if constexpr (requires { into.emplace(std::move(made)).second; }) {
        const auto [where, fresh] = into.emplace(std::move(made));
        if (!fresh) return corrupt(at, "an element of a set is there twice");
        if (!spread(at, into, *where)) return nullptr;
      } else {
        into.emplace(std::move(made));
      }
      at = next;
    }
    return at;
  }
  template <class M>
  [[nodiscard]] At map(At at, M& into) {
    using Key = typename M::key_type;
    using Mapped = typename M::mapped_type;
    std::size_t size = 0;
    at = count(at, least_element<Rules, Key, Mapped>, size);
    if (at == nullptr) return nullptr;
    into.clear();
    schema::detail::reserve(into, size);
    for (std::size_t i = 0; i < size && at != nullptr; ++i) {
      Key key{};
      const At next = value(at, key);
      if (next == nullptr) return nullptr;
      const auto [where, fresh] = into.try_emplace(std::move(key));
      if (!fresh) return corrupt(at, "a key is there twice");
      if (!spread(at, into, where->first)) return nullptr;
      at = padding<Key, Mapped>(value(next, where->second));
    }
    return at;
  }
};

}  // namespace persist::inline PERSIST_ABI::codec::packed

namespace persist::inline PERSIST_ABI::codec::packed {

/// Compares a node and all below it with the description of a type of this program.
class LayoutMatch {
 public:
  LayoutMatch(const Layout& layout, ByteView description) noexcept
      : layout_(layout), at_(description.data()), end_(at_ + description.size()) {}

  [[nodiscard]] bool run(std::uint16_t node) { return same(node) && at_ == end_; }

 private:
  using Node = Layout::Node;

  std::uint64_t number() noexcept {
    std::uint64_t value = 0;
    at_ = get_number(at_, end_, value);  // it was made here, so it is whole
    return value;
  }
  bool text(std::string_view wanted) noexcept {
    const auto size = static_cast<std::size_t>(number());
    const std::string_view found(reinterpret_cast<const char*>(at_), size);
    at_ += size;
    return found == wanted;
  }
  [[nodiscard]] bool is_number(std::int64_t wanted) noexcept {
    return number() == static_cast<std::uint64_t>(wanted);
  }
  [[nodiscard]] bool byte(unsigned wanted) noexcept {
    return std::to_integer<unsigned>(*at_++) == wanted;
  }

  [[nodiscard]] bool same(std::uint16_t id) {
    const Node& node = layout_.nodes[id];
    const auto kind = std::to_integer<std::uint8_t>(*at_++);
    if (kind == same_struct) return structs_[static_cast<std::size_t>(number())] == id;
    if (kind != static_cast<std::uint8_t>(node.said)) return false;
    switch (node.said) {
      case Kind::integer:
      case Kind::real:
        return byte(node.code);
      case Kind::enumeration:
        return byte(node.code) && named(node, false);
      case Kind::optional:
      case Kind::sequence:
      case Kind::set:
      case Kind::time_point:
        return same(node.first);
      case Kind::array:
        return number() == node.length && same(node.first);
      case Kind::duration:
        return is_number(layout_.members[node.count].value) &&
               is_number(layout_.members[node.count + 1u].value) && same(node.first);
      case Kind::map:
        return map(node);
      case Kind::tuple:
        return number() == node.count && members(node);
      case Kind::structure:
        structs_.push_back(id);
        return named(node, true);
      case Kind::variant:
        return named(node, true);
      default:
        return true;
    }
  }
  [[nodiscard]] bool map(const Node& node) {
    if (node.kind == Kind::map) return byte(1) && same(node.first) && same(node.count);
    return byte(0) && members(layout_.nodes[node.first]);
  }
  [[nodiscard]] bool members(const Node& node) {
    for (std::size_t i = 0; i < node.count; ++i)
      if (!same(static_cast<std::uint16_t>(layout_.members[node.first + i].value))) return false;
    return true;
  }
  [[nodiscard]] bool named(const Node& node, bool has_types) {
    if (number() != node.count) return false;
    for (std::size_t i = 0; i < node.count; ++i) {
      const Layout::Member& member = layout_.members[node.first + i];
      if (!text(member.name)) return false;
      if (has_types ? !same(static_cast<std::uint16_t>(member.value))
                    : number() != to_unsigned(member.value))
        return false;
    }
    return true;
  }

  const Layout& layout_;
  const std::byte* at_;
  const std::byte* end_;
  std::vector<std::uint16_t> structs_;
};

/// Whether the node was described in these bytes, or by a type that says the same of itself.
[[nodiscard]] inline bool is_described_by(const Layout& layout, std::uint16_t node,
                                          ByteView description) {
  return LayoutMatch(layout, description).run(node);
}

}  // namespace persist::inline PERSIST_ABI::codec::packed

namespace persist::inline PERSIST_ABI::codec::packed {

using schema::Kind;

/// What a kind looks like that is what it is. `end` for those that have to be looked into.
[[nodiscard]] constexpr schema::Token token_of(Kind kind) noexcept {
  using schema::Token;
  switch (kind) {
    case Kind::boolean:
      return Token::boolean;
    case Kind::integer:
      return Token::integer;
    case Kind::real:
      return Token::real;
    case Kind::text:
      return Token::text;
    case Kind::bytes:
      return Token::bytes;
    case Kind::sequence:
    case Kind::set:
    case Kind::array:
    case Kind::tuple:
      return Token::array;
    case Kind::map:
    case Kind::structure:
      return Token::map;
    case Kind::unit:
      return Token::null;
    default:
      return Token::end;
  }
}

}  // namespace persist::inline PERSIST_ABI::codec::packed

namespace persist::inline PERSIST_ABI::codec::packed {

/// Reads values by position and says them in tokens, in the words of the type that wrote them. So a
/// record of another shape is read as one of any other format is: by name.
class TokenReader : public Input {
 public:
  static constexpr bool bytes_as_text = false;
  static constexpr bool sorts_keys = false;

  [[nodiscard]] schema::Token peek();
  bool null();
  bool boolean(bool& value);
  bool integer(schema::Integer& value);
  bool real(schema::Real& value);
  bool text(std::string_view& value);
  bool bytes(ByteView& value);
  bool begin_array(std::size_t& count);
  bool next_element();
  bool begin_map(std::size_t& count);
  bool next_key(std::string_view& key);
  /// As that of `Input`.
  struct Mark {
    Input::Mark outer;
    std::optional<Input::Mark> inner;  ///< in a value inside the record
    std::size_t steps;
    std::uint32_t inner_depth;
    std::uint16_t node;
  };
  [[nodiscard]] Mark mark() const {
    return {Input::mark(), is_inside_ ? std::optional(inner_->mark()) : std::nullopt, steps_,
            inner_depth_, now_};
  }
  void rewind(const Mark& to) {
    Input::rewind(to.outer);
    is_inside_ = to.inner.has_value();
    if (is_inside_) inner_->rewind(*to.inner);
    steps_ = to.steps, inner_depth_ = to.inner_depth, now_ = to.node;
  }
  bool finish() {
    if (ok() && !at_end()) corrupt(std::to_string(left()) + " bytes follow the end of the value");
    return ok();
  }

 protected:
  /// The layout and the bytes must outlive the reader.
  TokenReader(const Layout& layout, ByteView bytes, schema::Limits limits)
      : Input("packed", bytes, limits),
        layout_(layout),
        now_(layout.root),
        limits_(limits),
        steps_(limits.elements) {}
  ~TokenReader() = default;

  using Node = Layout::Node;
  using Member = Layout::Member;

  [[nodiscard]] const Node& node(std::uint16_t id) const noexcept { return layout_.nodes[id]; }
  [[nodiscard]] const Node& now() const noexcept { return node(now_); }
  [[nodiscard]] const Member& member(const Node& of, std::size_t index) const noexcept {
    return layout_.members[of.first + index];
  }
  [[nodiscard]] const std::byte* here() const noexcept {
    return reinterpret_cast<const std::byte*>(begin_) + at_;
  }
  void go_to(const std::byte* at) noexcept {
    at_ = static_cast<std::size_t>(at - reinterpret_cast<const std::byte*>(begin_));
  }
  [[nodiscard]] const std::byte* end() const noexcept {
    return reinterpret_cast<const std::byte*>(begin_) + size_;
  }
  /// In a value inside the record, which is read by its own rules.
  [[nodiscard]] bool is_dynamic() const noexcept { return is_inside_; }
  [[nodiscard]] const Layout& layout() const noexcept { return layout_; }
  [[nodiscard]] std::uint16_t node_here() const noexcept { return now_; }

 private:
  bool number(std::uint64_t& value) {
    const std::byte* next = get_number(here(), end(), value);
    if (next == nullptr) return cut_short();
    return go_to(next), true;
  }
  bool whole(const Node& type, schema::Integer& value);
  [[nodiscard]] schema::Token peek_enum(const Node& type);
  [[nodiscard]] schema::Token peek_variant(const Node& type);
  bool span(std::string_view& value);
  bool key_of(const Node& type, std::string_view& key);
  bool open(std::uint64_t size, bool map, const Node& of, std::size_t& count);
  bool begin_dynamic();
  bool end_dynamic();
  template <class F>
  bool dynamic(F&& use) {
    if (use(*inner_)) return inner_depth_ != 0 || end_dynamic();
    return inner_->ok() ? false : fail(inner_->take_error());
  }

  struct Level {
    std::uint16_t node = 0;
    std::uint32_t index = 0;
  };

  const Layout& layout_;
  std::uint16_t now_;
  schema::Limits limits_;
  std::size_t steps_;  ///< fields that may still come
  std::array<Level, deepest> levels_;
  std::optional<CborReader> inner_;  ///< stays behind its value: a text may lie in it
  bool is_inside_ = false;
  std::uint32_t inner_depth_ = 0;
  char digits_[24];
};

inline schema::Token TokenReader::peek() {
  using schema::Token;
  while (ok()) {
    if (is_dynamic()) {
      const Token token = inner_->peek();
      if (token == Token::bad) fail(inner_->take_error());
      return token;
    }
    const Node& type = now();
    if (const Token token = token_of(type.kind); token != Token::end) return token;
    switch (type.kind) {
      case Kind::optional:
        if (at_end()) return cut_short(), Token::bad;
        if (next() == 0) return Token::null;
        if (next() != 1) return corrupt("neither something nor nothing"), Token::bad;
        ++at_, now_ = type.first;
        break;
      case Kind::enumeration:
        return peek_enum(type);
      case Kind::variant:
        return peek_variant(type);
      case Kind::value:
        if (!begin_dynamic()) return Token::bad;
        break;
      default:  // a time, which is its count
        now_ = type.first;
    }
  }
  return Token::bad;
}
inline schema::Token TokenReader::peek_enum(const Node& type) {
  const std::size_t before = at_;
  schema::Integer value;
  if (!whole(type, value)) return schema::Token::bad;
  at_ = before;
  return layout_.enumerator(type, value).empty() ? schema::Token::integer : schema::Token::text;
}
inline schema::Token TokenReader::peek_variant(const Node& type) {
  std::uint64_t index = 0;
  if (get_number(here(), end(), index) == nullptr) return cut_short(), schema::Token::bad;
  if (index >= type.count)
    return corrupt("an alternative that the variant does not have"), schema::Token::bad;
  const auto held = static_cast<std::uint16_t>(member(type, index).value);
  return node(held).kind == Kind::unit ? schema::Token::null : schema::Token::map;
}

inline bool TokenReader::null() {
  if (const auto found = peek(); found != schema::Token::null) return mismatch("null", found);
  if (is_dynamic()) return dynamic([](CborReader& in) { return in.null(); });
  std::uint64_t index = 0;
  if (now().kind == Kind::variant) return number(index);
  if (now().kind == Kind::optional) ++at_;
  return true;
}
inline bool TokenReader::boolean(bool& value) {
  if (const auto found = peek(); found != schema::Token::boolean)
    return mismatch("a boolean", found);
  if (is_dynamic()) return dynamic([&](CborReader& in) { return in.boolean(value); });
  if (at_end()) return cut_short();
  if (static_cast<unsigned char>(next()) > 1) return corrupt("neither true nor false");
  value = next() == 1;
  return ++at_, true;
}
inline bool TokenReader::integer(schema::Integer& value) {
  if (const auto found = peek(); found != schema::Token::integer)
    return mismatch("an integer", found);
  if (is_dynamic()) return dynamic([&](CborReader& in) { return in.integer(value); });
  return whole(now(), value);
}
inline bool TokenReader::real(schema::Real& value) {
  if (const auto found = peek(); found != schema::Token::real) return mismatch("a real", found);
  if (is_dynamic()) return dynamic([&](CborReader& in) { return in.real(value); });
  const std::size_t size = now().code;
  if (left() < size) return cut_short();
  value.single = size == 4;
  value.rounded = false;
  value.value = size == 4 ? std::bit_cast<float>(load_little<std::uint32_t>(here()))
                          : std::bit_cast<double>(load_little<std::uint64_t>(here()));
  at_ += size;
  return true;
}
inline bool TokenReader::text(std::string_view& value) {
  if (const auto found = peek(); found != schema::Token::text) return mismatch("a text", found);
  if (is_dynamic()) return dynamic([&](CborReader& in) { return in.text(value); });
  if (now().kind == Kind::enumeration) {
    schema::Integer found;
    if (!whole(now(), found)) return false;
    value = layout_.enumerator(now(), found);
    return true;
  }
  const std::size_t start = at_;
  if (!span(value)) return false;
  return persist::detail::is_utf8(value) || corrupt_at(start, "a text that is no UTF-8");
}
inline bool TokenReader::bytes(ByteView& value) {
  if (const auto found = peek(); found != schema::Token::bytes) return mismatch("bytes", found);
  if (is_dynamic()) return dynamic([&](CborReader& in) { return in.bytes(value); });
  std::string_view found;
  if (!span(found)) return false;
  return value = as_bytes(found), true;
}

inline bool TokenReader::begin_array(std::size_t& count) {
  if (const auto found = peek(); found != schema::Token::array) return mismatch("an array", found);
  if (is_dynamic()) {
    ++inner_depth_;
    return dynamic([&](CborReader& in) { return in.begin_array(count); });
  }
  const Node& type = now();
  std::uint64_t size = type.kind == Kind::array ? type.length : type.count;
  if ((type.kind == Kind::sequence || type.kind == Kind::set) && !number(size)) return false;
  return open(size, false, type, count);
}
inline bool TokenReader::begin_map(std::size_t& count) {
  if (const auto found = peek(); found != schema::Token::map) return mismatch("a map", found);
  if (is_dynamic()) {
    ++inner_depth_;
    return dynamic([&](CborReader& in) { return in.begin_map(count); });
  }
  const Node& type = now();
  std::uint64_t size = type.kind == Kind::variant ? 1 : type.count;
  if (type.kind == Kind::map && !number(size)) return false;
  return open(size, true, type, count);
}
/// An element is a byte at least. A field may be none, so structs pay otherwise, or types that hold
/// nothing but each other could be walked for ever.
inline bool TokenReader::open(std::uint64_t size, bool map, const Node& of, std::size_t& count) {
  const bool has_fields =
      of.kind == Kind::structure || of.kind == Kind::tuple || of.kind == Kind::variant;
  if (has_fields && size >= steps_) return too_large("more fields than the limit for one input");
  if (has_fields)
    steps_ -= static_cast<std::size_t>(size) + 1;
  else if (size > left())
    return corrupt(std::to_string(size) + " elements where " + std::to_string(left()) +
                   " bytes are left");
  else if (!take_elements(size))
    return false;
  if (!enter({size, map, false})) return false;
  levels_[depth() - 1] = {static_cast<std::uint16_t>(&of - layout_.nodes.data()), 0};
  count = static_cast<std::size_t>(size);
  return true;
}

inline bool TokenReader::next_element() {
  if (!ok()) return false;
  if (is_dynamic()) {
    if (inner_->next_element()) return true;
    if (!inner_->ok()) return fail(inner_->take_error());
    if (--inner_depth_ == 0) (void)end_dynamic();
    return false;
  }
  Level& level = levels_[depth() - 1];
  const Node& type = node(level.node);
  const bool is_tuple = type.kind == Kind::tuple;
  // An element that takes no bytes of its own has one that says nothing.
  if (!is_tuple && level.index != 0 && node(type.first).is_empty) {
    if (at_end()) return cut_short();
    ++at_;
  }
  if (top().left == 0) return leave(), false;
  --top().left;
  now_ = is_tuple ? static_cast<std::uint16_t>(member(type, level.index).value) : type.first;
  ++level.index;
  return true;
}
inline bool TokenReader::next_key(std::string_view& key) {
  if (!ok()) return false;
  if (is_dynamic()) {
    if (inner_->next_key(key)) return true;
    if (!inner_->ok()) return fail(inner_->take_error());
    if (--inner_depth_ == 0) (void)end_dynamic();
    return false;
  }
  Level& level = levels_[depth() - 1];
  const Node& type = node(level.node);
  if (top().left == 0) return leave(), false;
  --top().left;
  if (type.kind == Kind::map) {
    if (!key_of(node(type.first), key)) return false;
    now_ = type.count;
    return true;
  }
  std::uint64_t index = level.index++;
  if (type.kind == Kind::variant && !number(index)) return false;
  const Member& field = member(type, index);
  key = field.name;
  now_ = static_cast<std::uint16_t>(field.value);
  return true;
}

/// An integer or the number of an enumerator. One that its own type cannot hold was not written by
/// it.
inline bool TokenReader::whole(const Node& type, schema::Integer& value) {
  const unsigned size = 8u << (type.code & 3);
  const bool has_sign = (type.code & 4) != 0;
  std::int64_t number_with_sign = 0;
  if (size == 8) {
    if (at_end()) return cut_short();
    const auto byte = static_cast<unsigned char>(next());
    ++at_;
    if (!has_sign) return value = {false, byte}, true;
    number_with_sign = byte < 0x80 ? byte : std::int64_t{byte} - 0x100;
  } else {
    std::uint64_t found = 0;
    if (!number(found)) return false;
    if (size < 64 && (found >> size) != 0) return corrupt("a number too large for its field");
    if (!has_sign) return value = {false, found}, true;
    (void)from_unsigned(found, number_with_sign);
  }
  value.negative = number_with_sign < 0;
  value.magnitude =
      static_cast<std::uint64_t>(value.negative ? -1 - number_with_sign : number_with_sign);
  return true;
}
inline bool TokenReader::span(std::string_view& value) {
  std::uint64_t size = 0;
  if (!number(size)) return false;
  if (size > left())
    return corrupt("a length of " + std::to_string(size) + " bytes where " +
                   std::to_string(left()) + " are left");
  value = view(at_, static_cast<std::size_t>(size));
  at_ += value.size();
  return true;
}
inline bool TokenReader::key_of(const Node& type, std::string_view& key) {
  if (type.kind == Kind::text) {
    const std::size_t start = at_;
    return span(key) &&
           (persist::detail::is_utf8(key) || corrupt_at(start, "a key that is no UTF-8"));
  }
  schema::Integer found;
  if (!whole(type, found)) return false;
  key = type.kind == Kind::enumeration ? layout_.enumerator(type, found) : std::string_view();
  if (!key.empty()) return true;
  char* end = found.negative
                  ? std::to_chars(digits_, digits_ + sizeof digits_,
                                  -1 - static_cast<std::int64_t>(found.magnitude))
                        .ptr
                  : std::to_chars(digits_, digits_ + sizeof digits_, found.magnitude).ptr;
  key = {digits_, static_cast<std::size_t>(end - digits_)};
  return true;
}

inline bool TokenReader::begin_dynamic() {
  std::string_view item;
  if (!span(item)) return false;
  inner_.emplace(as_bytes(item), limits_);
  inner_depth_ = 0;
  return is_inside_ = true;
}
inline bool TokenReader::end_dynamic() {
  if (!inner_->finish()) return fail(inner_->take_error());
  is_inside_ = false;
  return true;
}

}  // namespace persist::inline PERSIST_ABI::codec::packed

namespace persist::inline PERSIST_ABI::codec::packed {

/// `TokenReader` for a program that knows its types. What has the shape it had when it was written
/// is read by position, however much around it has changed; so is a struct that was given more
/// fields, or the same ones in another order.
template <class Rules>
class Reader : public TokenReader {
 public:
  Reader(const Layout& layout, ByteView bytes, schema::Limits limits)
      : TokenReader(layout, bytes, limits),
        positional_(bytes, limits),
        asked_(layout.nodes.size()) {}

  /// Reads the next item if it can be read without its names; else changes nothing.
  template <class T>
  [[nodiscard]] schema::Direct direct(T& into) {
    if (is_dynamic()) return schema::Direct::no;
    Shape* found = nullptr;
    const Fits fits = fits_here<T>(node_here(), found);
    if (fits == Fits::no) return schema::Direct::no;
    At after = here();
    if constexpr (kind_of<T> == Kind::structure)
      after =
          fits == Fits::moved ? moved(after, into, found->moves) : positional_.value(after, into);
    else
      after = positional_.value(after, into);
    if (after == nullptr) return fail(positional_.take_error()), schema::Direct::failed;
    go_to(after);
    return schema::Direct::done;
  }

 private:
  using Positional = Reading<Rules, false>;
  using At = const std::byte*;

  enum class Fits : std::uint8_t {
    no,
    same,   ///< in every name and kind
    moved,  ///< a struct all of whose fields are there with the same shapes
  };
  /// What was found out of a node for one type. Types are told apart by their descriptions.
  struct Shape {
    const char* type = nullptr;
    Fits fits = Fits::no;
    std::vector<std::uint16_t> moves;  ///< for each field that was written the member it belongs to
  };

  /// Whether a T can be read where such a node was written. Each pair of them is looked at once.
  template <class T>
  [[nodiscard]] Fits fits_here(std::uint16_t id, Shape*& found) {
    constexpr Kind kind = kind_of<T>;
    const Layout::Node& type = node(id);
    bool same = false;
    if constexpr (kind == Kind::boolean || kind == Kind::text) {
      same = type.kind == kind;
    } else if constexpr (kind == Kind::integer) {
      same = type.kind == kind && type.code == integer_code<T>();
    } else if constexpr (kind == Kind::real) {
      same = type.kind == kind && type.code == sizeof(T);
    } else if constexpr (kind != Kind::none && kind != Kind::value) {
      // What can nest as deep as it likes is read by name, where the depth is watched.
      if constexpr (!Description<Rules, T>::is_recursive) {
        constexpr auto& bytes = Description<Rules, T>::bytes;
        found = asked_[id];
        if (found == nullptr || found->type != bytes.data()) {
          const auto [at, fresh] = shapes_.try_emplace({id, bytes.data()});
          found = asked_[id] = &at->second;
          if (fresh) find_out<T>(id, *found, {bytes.data(), bytes.size()});
        }
        return found->fits;
      }
    }
    return same ? Fits::same : Fits::no;
  }
  template <class T>
  void find_out(std::uint16_t id, Shape& shape, std::string_view description) {
    shape.type = description.data();
    if (is_described_by(layout(), id, as_bytes(description))) {
      shape.fits = Fits::same;
    } else if constexpr (kind_of<T> == Kind::structure) {
      if (node(id).kind == Kind::structure && find_moves<T>(node(id), shape.moves))
        shape.fits = Fits::moved;
    }
  }
  template <class T>
  [[nodiscard]] bool find_moves(const Layout::Node& type, std::vector<std::uint16_t>& moves) {
    using P = schema::detail::Plan<Rules, T>;
    if (P::other_names != 0) return false;
    // What becomes of missing members is for the walk by name to say.
    if (!schema::detail::fills_all<Rules> && type.count != P::stored_count) return false;
    static constexpr auto same = same_members<T>(schema::detail::MemberTypes<T>{});
    for (std::size_t i = 0; i < type.count; ++i) {
      const Layout::Member& field = member(type, i);
      const std::size_t to = P::find(field.name);
      if (to == P::none || !same[to](*this, static_cast<std::uint16_t>(field.value))) return false;
      // One that is there twice is for the walk by name to refuse.
      if (std::find(moves.begin(), moves.end(), to) != moves.end()) return false;
      moves.push_back(static_cast<std::uint16_t>(to));
    }
    return true;
  }
  template <class T>
  [[nodiscard]] At moved(At at, T& into, const std::vector<std::uint16_t>& moves) {
    static constexpr auto readers = member_readers<T>(schema::detail::MemberTypes<T>{});
    const auto members = schema::detail::Describe<T>::apply(into, [](auto&... member) {
      (forget_unknown(member), ...);
      return std::array<void*, sizeof...(member)>{static_cast<void*>(&member)...};
    });
    for (const std::uint16_t to : moves) {
      at = readers[to](positional_, at, members[to]);
      if (at == nullptr) break;
    }
    return at;
  }
  template <class M>
  static void forget_unknown(M& member) {
    if constexpr (std::is_same_v<M, Unknown>) member = Unknown();
  }

  using SameMember = bool (*)(Reader&, std::uint16_t);
  using ReadMember = At (*)(Positional&, At, void*);
  template <class M>
  static bool same_member(Reader& self, std::uint16_t id) {
    Shape* found = nullptr;
    return self.template fits_here<M>(id, found) == Fits::same;
  }
  template <class M>
  static At read_member(Positional& walk, At at, void* member) {
    return walk.value(at, *static_cast<M*>(member));
  }
  template <class T, class... Ms>
  static consteval auto same_members(schema::detail::Types<Ms...>) {
    return std::array<SameMember, sizeof...(Ms)>{&same_member<Ms>...};
  }
  template <class M>
  static consteval ReadMember member_reader() {
    if constexpr (kind_of<M> == Kind::none)
      return nullptr;
    else
      return &read_member<M>;
  }
  template <class T, class... Ms>
  static consteval auto member_readers(schema::detail::Types<Ms...>) {
    return std::array<ReadMember, sizeof...(Ms)>{member_reader<Ms>()...};
  }

  Positional positional_;
  std::map<std::pair<std::uint16_t, const char*>, Shape> shapes_;
  std::vector<Shape*> asked_;  ///< of each node what was asked last
};

}  // namespace persist::inline PERSIST_ABI::codec::packed

namespace persist::inline PERSIST_ABI::codec {

namespace packed {

/// What stands in front of the values of a T: the length of its description, and that. A length of
/// zero is kept for records whose description lies elsewhere.
template <class Rules, class T>
inline constexpr auto prefix = [] {
  using Bytes = Description<Rules, T>;
  constexpr std::size_t counted = [] {
    Describer counter(nullptr);
    counter.number(Bytes::size);
    return counter.size();
  }();
  std::array<char, counted + Bytes::size> made{};
  Describer out(made.data());
  out.number(Bytes::size);
  for (const char c : Bytes::bytes)
    out.byte(static_cast<unsigned char>(c));
  return made;
}();
template <class Rules, class T>
[[nodiscard]] ByteView prefix_bytes() noexcept {
  return as_bytes(std::string_view(prefix<Rules, T>.data(), prefix<Rules, T>.size()));
}

}  // namespace packed

/// The codec of persist's own: the names and kinds of the fields once, then the values by position.
///
/// A type that is as it was when the record was written is read in one pass without a look at a
/// name. Any other type is read by name through the description, so fields can be added, removed,
/// moved and renamed. `doc/format.md` has the grammar and the reasons. Has every data kind.
struct Packed {
  static constexpr std::uint16_t id = packed_id;
  static constexpr std::string_view name = "packed";

  /// Appends the data. Where fields are kept that this build does not know, the record is described
  /// as a value and holds CBOR, because they have no position in this build's type. `invalid` for a
  /// text that is no UTF-8 or a variant that holds nothing, `too_large` for what is nested too
  /// deep; then the buffer is as it was. Linear, but for the sorting of hashed containers.
  template <class Policy, class T>
  [[nodiscard]] static Result<void> encode(const T& data, UnknownFields& unknown, Buffer& out) {
    using Rules = schema::detail::RulesOf<Policy>;
    const std::size_t before = out.size();
    bool is_whole = unknown.empty();
    Result<void> written = success;
    if (is_whole) {
      out.append(packed::prefix_bytes<Rules, T>());
      packed::Writing<Rules, packed::Description<Rules, T>::is_recursive> writing(out);
      written = writing.run(data);
      is_whole = !writing.met_unknown();
    }
    if (!is_whole) {
      out.shrink(before);
      written = encode_by_name<Policy>(data, unknown, out);
    }
    if (!written) out.shrink(before);
    return written;
  }
  /// The same for data that was never read, like a new message.
  template <class Policy, class T>
  [[nodiscard]] static Result<void> encode(const T& data, Buffer& out) {
    UnknownFields none;
    return encode<Policy>(data, none, out);
  }

  /// Fills `scratch`, a fresh value: members that are missing keep what it holds, unless the policy
  /// reconciles otherwise. The errors are
  /// those of `TokenCodec`; then `scratch` is to be thrown away and `unknown` is empty. Memory is
  /// in proportion to the bytes, times the size of what an element is read into.
  template <class Policy, class T>
  [[nodiscard]] static Result<void> decode(ByteView bytes, T& scratch, UnknownFields& unknown,
                                           schema::Limits limits = {}) {
    using Rules = schema::detail::RulesOf<Policy>;
    unknown.clear();
    const ByteView prefix = packed::prefix_bytes<Rules, T>();
    if (bytes.size() < prefix.size() || !same_bytes(bytes.first(prefix.size()), prefix))
      return decode_by_name<Policy>(bytes, scratch, unknown, limits);
    constexpr bool nests = packed::Description<Rules, T>::is_recursive;
    return packed::Reading<Rules, nests>(bytes.subspan(prefix.size()), limits).run(scratch);
  }

 private:
  template <class Policy, class T>
  [[nodiscard]] static Result<void> encode_by_name(const T& data, UnknownFields& unknown,
                                                   Buffer& out) {
    using Rules = schema::detail::RulesOf<Policy>;
    Buffer item;
    if (auto written = Cbor::encode<Policy>(data, unknown, item); !written) return written;
    out.append(packed::prefix_bytes<Rules, Value>());
    std::byte* at = out.grow(packed::longest_number);
    out.shrink(static_cast<std::size_t>(packed::put_number(at, item.size()) - out.data()));
    out.append(item);
    return success;
  }
  /// Through the words of whoever wrote it.
  template <class Policy, class T>
  [[nodiscard]] static Result<void> decode_by_name(ByteView bytes, T& scratch,
                                                   UnknownFields& unknown, schema::Limits limits) {
    std::uint64_t size = 0;
    const std::byte* end = bytes.data() + bytes.size();
    const std::byte* at = packed::get_number(bytes.data(), end, size);
    if (at == nullptr || size > static_cast<std::size_t>(end - at))
      return Error(Errc::corrupt, "packed: the description is cut short");
    if (size == 0) return Error(Errc::too_new, "packed: a record whose description lies elsewhere");
    const auto layout = packed::LayoutParser({at, static_cast<std::size_t>(size)}).run();
    if (!layout) return layout.error();
    packed::Reader<schema::detail::RulesOf<Policy>> reader(*layout, {at + size, end}, limits);
    auto read = schema::read<Policy>(reader, scratch, unknown);
    if (!read || reader.finish()) return read;
    unknown.clear();
    return reader.take_error();
  }
};

}  // namespace persist::inline PERSIST_ABI::codec

// The letters of the text format of Suphi's DataStore Module, for its writer and its reader.
// Numbers have the base 83 and their least digit first.

namespace persist::inline PERSIST_ABI::codec::suphi {

/// Ends a text and a table, and so cannot stand in a text.
inline constexpr char end = '\x7f';

inline constexpr std::string_view digits =
    "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ!$%&',./:;=?@[]^_`{}~";
inline constexpr std::uint64_t base = digits.size();

inline constexpr std::uint8_t no_digit = 255;
inline constexpr std::array<std::uint8_t, 256> digit_values = [] {
  std::array<std::uint8_t, 256> values{};
  values.fill(no_digit);
  for (std::size_t i = 0; i < digits.size(); ++i)
    values[static_cast<unsigned char>(digits[i])] = static_cast<std::uint8_t>(i);
  return values;
}();
/// What that character counts as a digit, or `no_digit`.
[[nodiscard]] constexpr std::uint8_t digit_value(char letter) noexcept {
  return digit_values[static_cast<unsigned char>(letter)];
}

/// The game's language has no integers but those that a double holds without a gap.
inline constexpr std::uint64_t greatest_whole = std::uint64_t{1} << 53;

/// With one more, one and a half would be no whole number below 2^53 any more.
inline constexpr int most_decimals = 15;

/// What a fraction is multiplied with. The powers of ten up to 10^22 are doubles.
[[nodiscard]] constexpr double scale_of(int decimals) noexcept {
  double scale = 1;
  for (int i = 0; i < decimals; ++i)
    scale *= 10;
  return scale;
}

}  // namespace persist::inline PERSIST_ABI::codec::suphi

namespace persist::inline PERSIST_ABI::codec {

/// Reads the text format of Suphi's DataStore Module, both levels alike.
///
/// A whole number is an integer where 64 bits hold it, else the nearest double or nearly so. A
/// table whose keys are 1, 2, 3 and so on, in this order, is an array, and so is one without keys;
/// in any other a whole number as a key becomes its text. Fractions, truth values and tables as
/// keys are `unsupported`. Text must be UTF-8. Equal keys are for the caller to find.
class SuphiInput : public Input {
 public:
  static constexpr bool sorts_keys = true;

  /// The bytes must outlive the reader and the texts it gives out. More of them than the limit is
  /// `too_large`, as the first call says. `decimals` is what the text was written with: it does not
  /// say so itself.
  SuphiInput(ByteView bytes, schema::Limits limits, int decimals)
      : Input("Suphi", bytes, limits), scale_(suphi::scale_of(decimals)) {}

  /// What begins here. `end` at the end of the input and of a container.
  [[nodiscard]] schema::Token peek();

  // Each reads one value and returns whether it did. Another kind of value is `schema_mismatch`,
  // and what the format does not have is `corrupt`; then what was to be filled holds anything.
  bool null() { return mismatch("null", peek()); }  // the format has none
  bool boolean(bool& value) {
    if (const auto found = peek(); found != schema::Token::boolean)
      return mismatch("a boolean", found);
    value = next() == '+';
    return ++at_, true;
  }
  bool integer(schema::Integer& value);
  bool real(schema::Real& value);
  /// The text lies in the input.
  bool text(std::string_view& value);
  bool bytes(ByteView& /*value*/) { return mismatch("bytes", peek()); }  // nor these

  /// The format does not say how many follow: `count` is 0.
  bool begin_array(std::size_t& count) { return begin(schema::Token::array, count); }
  /// Whether an element follows; if none does, the array is left. Also false after a failure.
  bool next_element();
  bool begin_map(std::size_t& count) { return begin(schema::Token::map, count); }
  /// The same for a member, whose value comes next. The name lies in the input, or in the reader
  /// until its next call.
  bool next_key(std::string_view& key);

  /// Passes over one value, with the same checks as reading it but for keys that are there twice.
  bool skip(ByteView& raw) {
    const std::size_t start = at_;
    if (!pass_over(*this)) return false;
    return raw = as_bytes(view(start, at_ - start)), true;
  }
  /// Fails when anything follows.
  bool finish() {
    if (ok() && !at_end()) corrupt("more follows the end of the value");
    return ok();
  }

 private:
  struct Number {
    std::size_t end;  ///< behind its last digit
    std::uint64_t whole;
    bool fits;  ///< whether `whole` holds it
  };
  [[nodiscard]] Number number_at(std::size_t at) const noexcept;
  /// The same number where no 64 bits hold it.
  [[nodiscard]] double nearest(std::size_t from, std::size_t to) const noexcept;

  bool begin(schema::Token token, std::size_t& count);
  /// In a container: whether anything follows before its end; at its end, leaves it.
  bool another();
  /// Whether the table that begins here is an array or a map.
  [[nodiscard]] schema::Token table();
  void find_lists();

  double scale_;
  std::string key_;
  std::size_t tables_ = 0;  ///< that were begun so far
  std::vector<bool>
      lists_;  ///< of all tables in the order of their beginnings, once one is in doubt
};

/// The reader of what a codec of those decimals wrote.
template <int Decimals>
class SuphiReader : public SuphiInput {
 public:
  explicit SuphiReader(ByteView bytes, schema::Limits limits = {})
      : SuphiInput(bytes, limits, Decimals) {}
};

inline schema::Token SuphiInput::peek() {
  using schema::Token;
  if (!ok()) return Token::bad;
  if (at_end()) return Token::end;
  switch (next()) {
    case '+':
    case '-':
      return Token::boolean;
    case '>':
    case '<':
    case ')':
    case '(': {
      const Number number = number_at(at_ + 1);
      if (number.end == at_ + 1) return corrupt("a number without a digit"), Token::bad;
      const bool is_whole = next() == '>' || next() == '<';
      return is_whole && number.fits ? Token::integer : Token::real;
    }
    case '#':
      return Token::text;
    case '|':
      return Token::array;
    case '*':
      return table();
    case suphi::end:
      return Token::end;
    default:
      return corrupt("a character that begins no value"), Token::bad;
  }
}

/// The least digit comes first. A digit 0 at the end says nothing, however many there are.
inline SuphiInput::Number SuphiInput::number_at(std::size_t at) const noexcept {
  constexpr std::uint64_t most = ~std::uint64_t{0};
  Number number{at, 0, true};
  std::uint64_t place = 1;
  bool place_fits = true;
  for (; number.end < size_; ++number.end) {
    const std::uint64_t digit = suphi::digit_value(begin_[number.end]);
    if (digit == suphi::no_digit) break;
    if (digit != 0) {
      number.fits = number.fits && place_fits && digit <= (most - number.whole) / place;
      if (number.fits) number.whole += digit * place;
    }
    place_fits = place_fits && place <= most / suphi::base;
    if (place_fits) place *= suphi::base;
  }
  return number;
}

inline double SuphiInput::nearest(std::size_t from, std::size_t to) const noexcept {
  double value = 0;
  for (std::size_t at = to; at > from; --at)
    value = value * static_cast<double>(suphi::base) + suphi::digit_value(begin_[at - 1]);
  return value;
}

inline bool SuphiInput::integer(schema::Integer& value) {
  if (const auto found = peek(); found != schema::Token::integer)
    return mismatch("an integer", found);
  const bool negative = next() == '<';
  const Number number = number_at(at_ + 1);
  value.negative = negative && number.whole != 0;
  value.magnitude = value.negative ? number.whole - 1 : number.whole;
  return at_ = number.end, true;
}

inline bool SuphiInput::real(schema::Real& value) {
  if (const auto found = peek(); found != schema::Token::real) return mismatch("a real", found);
  const char tag = next();
  const Number number = number_at(at_ + 1);
  const double size =
      number.fits ? static_cast<double>(number.whole) : nearest(at_ + 1, number.end);
  if (!std::isfinite(size)) return corrupt("a number beyond the range of double");
  value.single = false;
  value.rounded = tag == '>' || tag == '<';
  value.value = value.rounded ? size : size / scale_;
  if (tag == '<' || tag == '(') value.value = -value.value;
  return at_ = number.end, true;
}

inline bool SuphiInput::text(std::string_view& value) {
  if (const auto found = peek(); found != schema::Token::text) return mismatch("a text", found);
  const std::size_t start = at_ + 1;
  const std::size_t size = view(start, size_ - start).find(suphi::end);
  if (size == std::string_view::npos) return cut_short();
  value = view(start, size);
  if (const std::size_t good = detail::utf8_prefix(value); good != size)
    return corrupt_at(start + good, "a text that is no UTF-8");
  return at_ = start + size + 1, true;
}

inline bool SuphiInput::begin(schema::Token token, std::size_t& count) {
  if (const auto found = peek(); found != token) return mismatch(schema::name(token), found);
  count = 0;
  // An array with the tag of a table has keys, which are passed over.
  const bool is_table = next() == '*';
  if (is_table) ++tables_;
  ++at_;
  return enter({is_table ? 1U : 0U, token == schema::Token::map, false});
}

inline bool SuphiInput::another() {
  if (!ok()) return false;
  if (at_end()) return cut_short();
  if (next() != suphi::end) return take_elements(1);
  ++at_;
  return leave(), false;
}

inline bool SuphiInput::next_element() {
  if (!another()) return false;
  if (top().left != 0) at_ = number_at(at_ + 1).end;
  return true;
}

inline bool SuphiInput::next_key(std::string_view& key) {
  if (!another()) return false;
  const auto found = peek();
  if (found == schema::Token::text) return text(key);
  if (found == schema::Token::bad) return false;
  schema::Integer whole;
  if (found != schema::Token::integer)
    return fail({Errc::unsupported, "Suphi at byte " + std::to_string(at_) +
                                        ": a key that is neither a text nor an integer"});
  const bool negative = next() == '<';
  const std::uint64_t size = number_at(at_ + 1).whole;
  key_ = (negative && size != 0 ? "-" : "") + std::to_string(size);
  return key = key_, integer(whole);
}

/// A first key that is cut off tells nothing.
inline schema::Token SuphiInput::table() {
  using schema::Token;
  if (left() < 2) return cut_short(), Token::bad;
  const char key = begin_[at_ + 1];
  if (key == suphi::end) return Token::array;
  if (key != '>') return Token::map;
  const Number first = number_at(at_ + 2);
  if (first.end == size_) return cut_short(), Token::bad;
  if (!first.fits || first.whole != 1) return Token::map;
  if (lists_.empty()) find_lists();
  return tables_ < lists_.size() && lists_[tables_] ? Token::array : Token::map;
}

/// Looks at all keys of all tables, once for the whole input: to look ahead at each table that may
/// be a list would cost the square of what lies inside each other. Stops where the input is broken
/// or too deep, which reading will find too.
inline void SuphiInput::find_lists() {
  struct Open {
    std::size_t table;
    std::uint64_t index;  // that the next key must be for it to be a list
    bool is_table, at_key;
  };
  std::array<Open, deepest> open;
  std::uint32_t depth = 0;
  for (std::size_t at = 0; at < size_;) {
    const char tag = begin_[at++];
    std::uint64_t index = 0;
    if (tag == '|' || tag == '*') {
      if (depth == open.size()) return;
      open[depth++] = {lists_.size(), 1, tag == '*', true};
      if (tag == '*') lists_.push_back(true);
      continue;
    }
    if (tag == '#') {
      const std::size_t size = view(at, size_ - at).find(suphi::end);
      if (size == std::string_view::npos) return;
      at += size + 1;
    } else if (tag == suphi::end) {
      if (depth-- == 0) return;
    } else if (tag != '+' && tag != '-') {
      const Number number = number_at(at);
      if (number.end == at) return;
      at = number.end;
      if (tag == '>' && number.fits) index = number.whole;
    }
    if (depth == 0) return;
    Open& in = open[depth - 1];
    if (in.is_table && in.at_key && index != in.index++) lists_[in.table] = false;
    in.at_key = !in.at_key;
  }
}

}  // namespace persist::inline PERSIST_ABI::codec

namespace persist::inline PERSIST_ABI::codec {

/// How Suphi's module is told to write, by the names it has there.
struct SuphiStyle {
  int level = 2;       ///< 1: every table is keys and values; 2: a list is its items
  int decimals = 3;    ///< how many digits of a fraction stay
  bool safety = true;  ///< a DEL in a text becomes a space; otherwise it is refused
};

/// Appends the text that Suphi's DataStore Module makes of the same data, byte for byte.
///
/// A number that is whole is an integer, whatever its type; one that is not is rounded to the
/// decimals. Lists and maps without an entry are one and the same. The format has no null, no byte
/// strings, no NaN, no infinity and no number of more than 53 bits: `invalid`. Keys are texts.
class SuphiOutput : public Output {
 public:
  static constexpr bool sorts_keys = true;

  explicit SuphiOutput(Buffer& out, SuphiStyle style = {}) noexcept
      : Output(out), scale_(suphi::scale_of(style.decimals)), style_(style) {}

  // What cannot be said fails the writer, which goes on: `ok()` tells at the end.
  void null() {
    fail({Errc::invalid,
          "Suphi's format has no null: leave out what is empty, or give the member a value that "
          "says so"});
  }
  void boolean(bool value) { item(), put(value ? '+' : '-'); }
  void integer(std::int64_t value) {
    const auto bits = static_cast<std::uint64_t>(value);
    whole(value < 0, value < 0 ? 0 - bits : bits);
  }
  void unsigned_integer(std::uint64_t value) { whole(false, value); }
  void real(double value);
  /// As the number that its shortest text says, which is what a float is read back from.
  void real(float value);
  void text(std::string_view value) { item(), quoted(value, style_.safety); }
  void bytes(ByteView /*value*/) {
    fail({Errc::invalid,
          "Suphi's format has no byte strings: keep them as text, in base64 for instance"});
  }

  void begin_array(std::size_t count) {
    const bool is_list = style_.level == 2 && count != 0;
    begin(is_list ? '|' : '*', style_.level == 1 ? 1 : 0);
  }
  void end_array() { close(); }
  void begin_map(std::size_t /*count*/) { begin('*', 0); }
  /// A DEL is refused here whatever the safety: with a space in its place two keys could be one.
  void key(std::string_view name) { quoted(name, false); }
  void end_map() { close(); }

  /// Appends one value that is in this format already.
  void raw(ByteView value) { item(), out_.append(value); }

  /// The game's language has no order of keys, so this one is only for equal data to be equal
  /// bytes.
  [[nodiscard]] static constexpr bool key_less(std::string_view a, std::string_view b) noexcept {
    return canonical_less(a, b);
  }

 private:
  void put(char letter) { out_.push(static_cast<std::byte>(letter)); }
  /// What stands before a value: at level 1 an element has its index there.
  void item() {
    if (depth() == 0 || depth() > Input::deepest) return;
    if (std::uint64_t& index = indexes_[depth() - 1]; index != 0) put('>'), number(index++);
  }
  void begin(char tag, std::uint64_t first_index) {
    item(), put(tag), enter();
    if (depth() <= Input::deepest) indexes_[depth() - 1] = first_index;
  }
  void close() { put(suphi::end), leave(); }
  void whole(bool negative, std::uint64_t magnitude) {
    if (magnitude > suphi::greatest_whole) [[unlikely]]
      too_great();
    item(), put(negative ? '<' : '>'), number(magnitude);
  }
  void number(std::uint64_t value) {
    do
      put(suphi::digits[value % suphi::base]);
    while ((value /= suphi::base) != 0);
  }
  void quoted(std::string_view text, bool safety);
  void too_great() {
    fail({Errc::invalid,
          "Suphi's format holds numbers exactly up to 2^53, a fraction with its decimals taken "
          "along: store a greater one as text"});
  }

  double scale_;
  SuphiStyle style_;
  std::array<std::uint64_t, Input::deepest>
      indexes_{};  ///< of the next element; 0: none is written
};

inline void SuphiOutput::real(double value) {
  const double size = std::fabs(value);
  if (!std::isfinite(size)) [[unlikely]]
    return fail({Errc::invalid,
                 "Suphi's format has no NaN and no infinity: make the number finite before it is "
                 "saved"});
  const bool is_whole = std::trunc(size) == size;
  // Half away from zero, like the module's.
  const double scaled = is_whole ? size : std::round(size * scale_);
  if (scaled > static_cast<double>(suphi::greatest_whole)) [[unlikely]]
    return too_great();
  if (is_whole) return whole(value < 0, static_cast<std::uint64_t>(size));
  item(), put(value < 0 ? '(' : ')'), number(static_cast<std::uint64_t>(scaled));
}

inline void SuphiOutput::real(float value) {
  char text[32];
  const char* end = std::to_chars(text, text + sizeof text, value).ptr;
  double same = static_cast<double>(value);
  if (std::isfinite(value)) (void)std::from_chars(text, end, same);
  real(same);
}

inline void SuphiOutput::quoted(std::string_view text, bool safety) {
  if (const std::size_t good = detail::utf8_prefix(text); good != text.size()) [[unlikely]]
    not_utf8(good);
  put('#');
  const std::size_t from = out_.size();
  out_.append(text);
  if (text.find(suphi::end) != std::string_view::npos) [[unlikely]] {
    if (!safety)
      fail({Errc::invalid, "in Suphi's format a text ends at its first DEL (U+007F): take it out"});
    for (std::size_t i = from; i < out_.size(); ++i)
      if (out_.data()[i] == std::byte{suphi::end}) out_.data()[i] = std::byte{' '};
  }
  put(suphi::end);
}

}  // namespace persist::inline PERSIST_ABI::codec

namespace persist::inline PERSIST_ABI::codec {

/// The writer of a codec with these settings.
template <int Level, int Decimals, bool Safety>
class SuphiWriter : public SuphiOutput {
 public:
  using reader = SuphiReader<Decimals>;
  explicit SuphiWriter(Buffer& out) noexcept : SuphiOutput(out, {Level, Decimals, Safety}) {}
};

/// The text format of Suphi's DataStore Module 1.x, for moving data in and out: what it writes the
/// module reads, and the other way round.
///
/// It keeps less than the other codecs, as the settings say: fractions are rounded to `Decimals`,
/// and with `Safety` a DEL in a text becomes a space. What it has no form for is `invalid`, such as
/// an empty optional, bytes, and numbers beyond 2^53. In a `Value` a whole real comes back as an
/// integer and a map without members as an array.
template <int Level, int Decimals, bool Safety>
struct Suphi : TokenCodec<SuphiWriter<Level, Decimals, Safety>, SuphiReader<Decimals>> {
  static_assert(Level == 1 || Level == 2, "persist: the level of codec::Suphi is 1 or 2");
  static_assert(Decimals >= 0 && Decimals <= suphi::most_decimals,
                "persist: codec::Suphi keeps 0 to 15 decimals");

  /// The text does not say its decimals, and with others it says other numbers. So the record does.
  static constexpr std::uint16_t id = suphi_id_of(Decimals);
  static constexpr std::string_view name = "suphi";
};

}  // namespace persist::inline PERSIST_ABI::codec

namespace persist::inline PERSIST_ABI {

/// Where a Key policy writes the spelling of a key: at most 255 bytes, which lie in the object
/// itself.
///
/// Never allocates and never fails at once: what does not fit, and what a policy refuses, is
/// remembered, and `key::spell_checked` turns it into an `invalid` error.
class KeyBuffer {
 public:
  static constexpr std::size_t capacity = 255;

  KeyBuffer() noexcept {}  // NOLINT: the bytes need no value before they are written

  KeyBuffer& append(std::string_view text) noexcept {
    if (fits() && text.size() <= capacity - asked_ && !text.empty()) {
      std::memcpy(bytes_ + asked_, text.data(), text.size());
    }
    asked_ += (std::min)(text.size(), (std::numeric_limits<std::size_t>::max)() - asked_);
    return *this;
  }
  KeyBuffer& append(char letter) noexcept { return append(std::string_view(&letter, 1)); }
  /// Appends a number in its one decimal form: no sign but a minus, no zero in front.
  template <std::integral T>
  KeyBuffer& append_number(T number) noexcept {
    char digits[std::numeric_limits<T>::digits10 + 3];
    const char* end = std::to_chars(digits, digits + sizeof digits, number).ptr;
    return append(std::string_view(digits, static_cast<std::size_t>(end - digits)));
  }
  /// Says that this value has no key, and why: a literal, as in `out.refuse("a guest has no saved
  /// data")`. The first refusal stays.
  void refuse(const char* why) noexcept { refusal_ = refusal_ ? refusal_ : why; }

  void clear() noexcept { asked_ = 0, refusal_ = nullptr; }

  /// Whether all that was appended is there.
  [[nodiscard]] bool fits() const noexcept { return asked_ <= capacity; }
  /// How many bytes were asked for: the size of the spelling even where it did not fit.
  [[nodiscard]] std::size_t asked() const noexcept { return asked_; }
  /// The reason given to `refuse`, or null.
  [[nodiscard]] const char* refusal() const noexcept { return refusal_; }
  /// The spelling so far; empty when it did not fit, because half a key is another key.
  [[nodiscard]] std::string_view view() const noexcept { return {bytes_, fits() ? asked_ : 0}; }

 private:
  char bytes_[capacity];
  std::size_t asked_ = 0;
  const char* refusal_ = nullptr;
};

/// The users a record belongs to: a short list in the order they were added, each once. Empty, it
/// allocates nothing.
class UserIds {
 public:
  UserIds() noexcept = default;

  /// Returns whether it was not there yet. Time is linear in the size.
  bool add(std::uint64_t user) {
    if (contains(user)) return false;
    ids_.push_back(user);
    return true;
  }
  /// Returns whether it was there.
  bool remove(std::uint64_t user) noexcept { return std::erase(ids_, user) != 0; }
  void clear() noexcept { ids_.clear(); }

  [[nodiscard]] bool contains(std::uint64_t user) const noexcept {
    return std::find(ids_.begin(), ids_.end(), user) != ids_.end();
  }
  [[nodiscard]] std::size_t size() const noexcept { return ids_.size(); }
  [[nodiscard]] bool empty() const noexcept { return ids_.empty(); }
  [[nodiscard]] std::span<const std::uint64_t> view() const noexcept { return ids_; }
  [[nodiscard]] auto begin() const noexcept { return ids_.begin(); }
  [[nodiscard]] auto end() const noexcept { return ids_.end(); }

  friend bool operator==(const UserIds&, const UserIds&) = default;

 private:
  std::vector<std::uint64_t> ids_;
};

/// A key as storage spells it, for tools that list keys and know no Key policy. It only points at
/// the text.
struct SpelledKey {
  std::string_view text;

  friend bool operator==(SpelledKey, SpelledKey) = default;
};

}  // namespace persist::inline PERSIST_ABI

// The Key axis: what is a key in this game, how is it spelled in storage, which users does it
// belong to.
//
// A Key policy is a struct of static functions:
//
// * `value_type`: the key as the game has it; the session keeps a copy.
// * `spell(const value_type&, KeyBuffer&) -> void`: writes the spelling. May be overloaded for what
//   names the same key otherwise, like the id of a player who is offline.
// * `user_ids(const value_type&, UserIds&) -> void`, optional: the users whose data the record is.
//
// Laws. A value is always spelled the same way, by every server and every build that shares the
// data. Two values that are different keys have different spellings. A spelling has 1 to 255 bytes,
// none of them NUL; every other byte is allowed and means nothing ("../" is three bytes). Spelling
// calls neither the store nor the heap.
//
// Models: key::Number, key::Text, key::Prefixed, key::Scoped, key::AnyScope, a user's own struct. A
// plain integer or string type stands for key::Number and key::Text (see key/policy.hpp).

namespace persist::inline PERSIST_ABI {

namespace detail {

struct HasUserIds {
  int user_ids;
};
template <class P>
struct WithUserIds : P, HasUserIds {};

}  // namespace detail

/// The policy says what a key is in the game.
template <class P>
concept names_its_key_type =
    requires { typename P::value_type; } && std::movable<typename P::value_type>;

/// The policy can write the spelling of such a value.
template <class P, class Value>
concept spells = requires(const Value& value, KeyBuffer& out) {
  { P::spell(value, out) } -> std::same_as<void>;
};

template <class P>
concept spells_a_key = names_its_key_type<P> && spells<P, typename P::value_type>;

/// The policy has a member called `user_ids`, whether it fits or not. In a class derived from two
/// bases with a member of one name that name is ambiguous, which finds overloads and templates too;
/// a `final` class is asked directly.
template <class P>
concept mentions_user_ids =
    (std::is_final_v<P> && requires { &P::user_ids; }) ||
    (std::is_class_v<P> && !std::is_final_v<P> && !requires { &detail::WithUserIds<P>::user_ids; });

template <class P>
concept gives_user_ids =
    names_its_key_type<P> && requires(const typename P::value_type& value, UserIds& out) {
      { &P::user_ids };
      { P::user_ids(value, out) } -> std::same_as<void>;
    };

/// An integer that is a number: neither a truth value nor a character.
template <class T>
concept plain_integer = std::integral<T> && !std::same_as<T, bool> && !std::same_as<T, char> &&
                        !std::same_as<T, wchar_t> && !std::same_as<T, char8_t> &&
                        !std::same_as<T, char16_t> && !std::same_as<T, char32_t>;

template <class T>
concept plain_string = std::same_as<T, std::string> || std::same_as<T, std::string_view> ||
                       std::same_as<T, const char*> || std::same_as<T, char*>;

/// What may be written as the first argument of a Store.
template <class K>
concept usable_as_key = plain_integer<K> || plain_string<K> || spells_a_key<K>;

}  // namespace persist::inline PERSIST_ABI

namespace persist::inline PERSIST_ABI::key {

/// A number, spelled in decimal: 42 is "42", -7 is "-7".
///
/// No two numbers collide: each has one decimal form without leading zeros. So the type may be
/// widened later without moving a record.
template <plain_integer T = std::uint64_t>
struct Number {
  using value_type = T;

  /// Takes every integer type, so that a number the key type cannot hold (-1 where it is unsigned)
  /// is refused and not turned into the key of somebody else.
  template <plain_integer V>
  static void spell(V value, KeyBuffer& out) noexcept {
    if (!std::in_range<T>(value))
      out.refuse("the number is outside of the range of the key's type");
    out.append_number(value);
  }
};

}  // namespace persist::inline PERSIST_ABI::key

namespace persist::inline PERSIST_ABI::key {

/// A text, spelled as it is. No two texts collide. Nothing is folded: "Ann" and "ann" are two keys.
struct Text {
  using value_type = std::string;

  static void spell(std::string_view value, KeyBuffer& out) noexcept { out.append(value); }
};

}  // namespace persist::inline PERSIST_ABI::key

namespace persist::inline PERSIST_ABI::detail {

/// A user's own policy, once its hooks were found to fit. What does not fit gets one sentence.
template <class P>
struct CheckedKey {
  static_assert(spells_a_key<P>,
                "this type spells no key: a Key policy has a value_type and a "
                "static void spell(const value_type&, persist::KeyBuffer&)");
  static_assert(!mentions_user_ids<P> || gives_user_ids<P>,
                "user_ids of this Key policy does not fit: it is one function, "
                "static void user_ids(const value_type&, persist::UserIds&)");
  using type = P;
};
template <plain_integer T>
struct CheckedKey<T> {
  using type = key::Number<T>;
};
template <plain_string T>
struct CheckedKey<T> {
  using type = key::Text;
};

/// What a wrapper inherits: the users of the key inside it, where that key has a hook for them.
template <class Inner>
struct ForwardsUserIds {};
template <gives_user_ids Inner>
struct ForwardsUserIds<Inner> {
  static void user_ids(const typename Inner::value_type& value, UserIds& out) {
    Inner::user_ids(value, out);
  }
};

}  // namespace persist::inline PERSIST_ABI::detail

namespace persist::inline PERSIST_ABI::key {

/// The Key policy that the first argument of a Store stands for: a plain integer type is `Number`,
/// a string type is `Text`, everything else must be a policy, and fit.
template <class K>
using policy_of = typename detail::CheckedKey<std::remove_cv_t<K>>::type;

/// Checks a spelling against the rules of every backend: 1 to 255 bytes, none of them NUL.
/// `invalid` otherwise, naming the rule and the length. No I/O.
[[nodiscard]] inline Result<void> check_spelling(const KeyBuffer& key) {
  const auto broken = [&key](std::string rule) {
    return Error(Errc::invalid,
                 std::move(rule) + " (this one has " + std::to_string(key.asked()) + ")");
  };
  if (key.refusal() != nullptr)
    return Error(Errc::invalid, std::string("this key is not allowed: ") + key.refusal());
  if (key.asked() == 0) return broken("a key has at least 1 byte");
  if (!key.fits()) return broken("a key has at most 255 bytes");
  if (const auto nul = key.view().find('\0'); nul != std::string_view::npos) {
    return broken("a key holds no NUL, and byte " + std::to_string(nul) +
                  " is one; any other of its bytes may be "
                  "anything");
  }
  return success;
}

/// Spells a value into `out`, which is emptied first, and checks the spelling.
///
/// Takes what the policy of K can spell, and `SpelledKey`. `invalid` when the spelling breaks a
/// rule or the policy refused; `out` is then not to be used. A success allocates nothing.
template <class K, class V>
  requires(std::same_as<V, SpelledKey> || spells<policy_of<K>, V>)
[[nodiscard]] Result<void> spell_checked(const V& value, KeyBuffer& out) {
  out.clear();
  if constexpr (std::same_as<V, SpelledKey>) {
    out.append(value.text);
  } else {
    policy_of<K>::spell(value, out);
  }
  return check_spelling(out);
}

}  // namespace persist::inline PERSIST_ABI::key

namespace persist::inline PERSIST_ABI::key {

/// A fixed text in front of another key: `Prefixed<"Player_", std::uint64_t>` spells 42 as
/// "Player_42".
///
/// No two keys collide: the prefix is the same for all of them. Two policies on one store are
/// another matter: `Prefixed<"a", Text>` and `Prefixed<"ab", Text>` meet at "abc".
template <detail::FixedString Prefix, class K>
struct Prefixed : detail::ForwardsUserIds<policy_of<K>> {
  using inner = policy_of<K>;
  using value_type = typename inner::value_type;

  static_assert(!Prefix.view().empty() && Prefix.view().size() < KeyBuffer::capacity,
                "the prefix of a key has 1 to 254 bytes");
  static_assert(Prefix.view().find('\0') == std::string_view::npos,
                "the prefix of a key holds no NUL");

  template <class V>
    requires spells<inner, V>
  static void spell(const V& value, KeyBuffer& out) {
    out.append(Prefix.view());
    inner::spell(value, out);
  }
};

}  // namespace persist::inline PERSIST_ABI::key

namespace persist::inline PERSIST_ABI::key {

/// Appends a scope and the slash that ends it.
///
/// A slash inside the scope is written "~1" and a tilde "~0" (as in RFC 6901), so the first slash
/// of a spelling always ends the scope: scope "a/b" with key "c" is "a~1b/c", and scope "a" with
/// key "b/c" is "a/b/c".
inline void append_scope(std::string_view scope, KeyBuffer& out) noexcept {
  for (const char letter : scope) {
    if (letter == '/') {
      out.append("~1");
    } else if (letter == '~') {
      out.append("~0");
    } else {
      out.append(letter);
    }
  }
  out.append('/');
}

/// Another key inside a named part of the store: `Scoped<"season-3", std::uint64_t>` spells 42 as
/// "season-3/42".
///
/// No two keys collide, nor do keys of two scopes in one store, whether the scope is static or not.
template <detail::FixedString Scope, class K>
struct Scoped : detail::ForwardsUserIds<policy_of<K>> {
  using inner = policy_of<K>;
  using value_type = typename inner::value_type;

  static_assert(Scope.view().size() < KeyBuffer::capacity - 1,
                "the scope of a key has at most 253 bytes");
  static_assert(Scope.view().find('\0') == std::string_view::npos,
                "the scope of a key holds no NUL");

  template <class V>
    requires spells<inner, V>
  static void spell(const V& value, KeyBuffer& out) {
    append_scope(Scope.view(), out);
    inner::spell(value, out);
  }
};

/// A key together with its scope, for scopes that are only known at run time.
template <class Value>
struct InScope {
  std::string scope;
  Value key;

  friend bool operator==(const InScope&, const InScope&) = default;
};
template <class Scope, class Value>
InScope(Scope, Value) -> InScope<Value>;

}  // namespace persist::inline PERSIST_ABI::key

namespace persist::inline PERSIST_ABI::detail {

/// The users of a key in a scope are those of the key.
template <class Inner>
struct ForwardsScopedUserIds {};
template <gives_user_ids Inner>
struct ForwardsScopedUserIds<Inner> {
  static void user_ids(const key::InScope<typename Inner::value_type>& value, UserIds& out) {
    Inner::user_ids(value.key, out);
  }
};

}  // namespace persist::inline PERSIST_ABI::detail

namespace persist::inline PERSIST_ABI::key {

/// As `Scoped`, with the scope in the value: `InScope{"season-3", 42}` is spelled "season-3/42".
///
/// No two pairs collide, because the scope ends at the first slash.
template <class K>
struct AnyScope : detail::ForwardsScopedUserIds<policy_of<K>> {
  using inner = policy_of<K>;
  using value_type = InScope<typename inner::value_type>;

  template <class V>
    requires spells<inner, V>
  static void spell(const InScope<V>& value, KeyBuffer& out) {
    append_scope(value.scope, out);
    inner::spell(value.key, out);
  }
};

}  // namespace persist::inline PERSIST_ABI::key

namespace persist::inline PERSIST_ABI {

/// What a load does when somebody else holds the record.
enum class Conflict : std::uint8_t {
  refuse,  ///< answer `locked` at once, with the holder
  /// Ask the holder to save and let go, and wait; take over when its lease ends. Of several who ask
  /// the newest waits on, and an older one that tries again ends `locked`. A release clears the
  /// request, so what was released goes to whoever comes first, which may still be an older one.
  request,
  steal,  ///< take the record; what the holder has not saved is lost to it
};

namespace conflict {
struct Refuse {
  static constexpr Conflict value = Conflict::refuse;
};
struct Request {
  static constexpr Conflict value = Conflict::request;
};
struct Steal {
  static constexpr Conflict value = Conflict::steal;
};
}  // namespace conflict

}  // namespace persist::inline PERSIST_ABI

// The LockPolicy axis: who may write, among servers and among threads, and what happens when
// somebody else holds the record. A policy is an empty type that says four things; the fence is not
// among them, because no policy may switch it off.
//
//   kind          what the store's header says; another kind cannot open the store
//   is_leased     whether an acquisition shuts others out until its lease ends
//   conflict      what a load does about a holder, unless it says so itself (only where leased)
//   access        optional: access::Confined (default) or access::Synchronised
//
// Models: lock::Lease<Conflict>, lock::None, and each in access::Shared<…>.

namespace persist::inline PERSIST_ABI {

template <class L>
concept names_its_kind = requires {
  { L::kind } -> std::convertible_to<LockKind>;
};
template <class L>
concept says_whether_leased = requires {
  { L::is_leased } -> std::convertible_to<bool>;
};
template <class L>
concept settles_conflicts = requires {
  { L::conflict } -> std::convertible_to<Conflict>;
};
template <class L>
concept lock_policy = names_its_kind<L> && says_whether_leased<L> && settles_conflicts<L>;

namespace detail {
template <class L>
struct AccessOf {
  using type = access::Confined;
};
template <class L>
  requires requires { typename L::access; }
struct AccessOf<L> {
  using type = typename L::access;
};
}  // namespace detail

/// Which threads may use a store with that lock policy.
template <class L>
using access_of = typename detail::AccessOf<L>::type;

}  // namespace persist::inline PERSIST_ABI

namespace persist::inline PERSIST_ABI::lock {

/// One session per record among all servers, for as long as it renews its lease. `ConflictStrategy`
/// is one of `conflict::Refuse`, `Request`, `Steal`; a load may override it.
template <class ConflictStrategy = conflict::Request>
struct Lease {
  static constexpr LockKind kind = LockKind::lease;
  static constexpr bool is_leased = true;
  static constexpr Conflict conflict = ConflictStrategy::value;
};

}  // namespace persist::inline PERSIST_ABI::lock

namespace persist::inline PERSIST_ABI::lock {

/// No lease: a load never waits for anybody. For one process that loads each record once at a time.
/// The fence stays: of two sessions on one record only the newer can write; that a trade is all or
/// nothing *among processes* is given up.
struct None {
  static constexpr LockKind kind = LockKind::none;
  static constexpr bool is_leased = false;
  static constexpr Conflict conflict = Conflict::steal;
};

}  // namespace persist::inline PERSIST_ABI::lock

namespace persist::inline PERSIST_ABI {

enum class LogLevel : std::uint8_t { debug, info, warning, error, off };

[[nodiscard]] constexpr std::string_view name(LogLevel level) noexcept {
  constexpr std::string_view names[] = {"debug", "info", "warning", "error", "off"};
  return names[static_cast<std::uint8_t>(level) % std::size(names)];
}

/// Where a store writes what nobody is connected to hear. The sink is called on the thread that
/// found out, one call a line, and may be null: then lines go to stderr. Nothing below `level` is
/// put together, let alone written.
struct Log {
  LogLevel level = LogLevel::warning;
  std::function<void(LogLevel, std::string_view)> sink;

  [[nodiscard]] bool wants(LogLevel line) const noexcept {
    return line >= level && line != LogLevel::off;
  }
  void write(LogLevel line, std::string_view text) const {
    if (!wants(line)) return;
    if (sink) return sink(line, text);
    const std::string_view word = name(line);
    std::fprintf(stderr, "persist: %.*s: %.*s\n", static_cast<int>(word.size()), word.data(),
                 static_cast<int>(text.size()), text.data());
  }
};

}  // namespace persist::inline PERSIST_ABI

// A member by its path, found by the compiler: `persist::at<"inventory.0.count">(data)`.

namespace persist::inline PERSIST_ABI {
namespace schema::detail {

/// The number that a step is, or `no_number`.
inline constexpr std::size_t no_number = static_cast<std::size_t>(-1);
[[nodiscard]] constexpr std::size_t number_of(std::string_view step) noexcept {
  if (step.empty() || step.size() > 9 || (step.size() > 1 && step[0] == '0')) return no_number;
  std::size_t number = 0;
  for (const char c : step) {
    if (c < '0' || c > '9') return no_number;
    number = number * 10 + static_cast<std::size_t>(c - '0');
  }
  return number;
}

/// The step of a path that begins at `From`.
template <auto Path, std::size_t From>
struct PathStep {
  static constexpr std::string_view text =
      Path.view().substr(From, Path.view().find('.', From) - From);
  static constexpr std::size_t number = number_of(text);
  static constexpr std::size_t next = From + text.size() + 1;
  static constexpr bool is_last = next > Path.view().size();
};

/// What is there only at run time was not there.
template <auto Path>
[[noreturn]] void nothing_at() {
  persist::detail::fatal(
      ("persist::at<\"" + std::string(Path.view()) + "\"> leads to what is not there").c_str());
}

template <auto Path, std::size_t From, class T>
[[nodiscard]] constexpr auto& step_to(T& in);

/// Goes on from where a step led.
template <auto Path, class Step, class T>
[[nodiscard]] constexpr auto& go_on(T& in) {
  if constexpr (Step::is_last)
    return in;
  else
    return step_to<Path, Step::next>(in);
}

template <auto Path, class Step, class T>
[[nodiscard]] constexpr auto& step_to_member(T& in) {
  using Struct = std::remove_cv_t<T>;
  constexpr std::size_t field = position_of<Struct>(Step::text);
  static_assert(field < Describe<Struct>::count,
                "persist: at<...> names a member that its struct does not have");
  if constexpr (field < Describe<Struct>::count)
    return Describe<Struct>::apply(in, [](auto&... member) -> auto& {
      return go_on<Path, Step>(std::get<field>(std::tie(member...)));
    });
  else
    return in;
}

template <auto Path, class Step, class T>
[[nodiscard]] constexpr auto& step_to_element(T& in) {
  static_assert(Step::number != no_number,
                "persist: at<...> goes into a sequence by what is no number");
  static_assert(
      std::is_same_v<decltype(*in.begin()), std::remove_cvref_t<decltype(*in.begin())>&> ||
          std::is_same_v<decltype(*in.begin()), const std::remove_cvref_t<decltype(*in.begin())>&>,
      "persist: at<...> leads into a sequence that has no elements to refer to");
  if (Step::number >= in.size()) nothing_at<Path>();
  return go_on<Path, Step>(*std::next(in.begin(), static_cast<std::ptrdiff_t>(Step::number)));
}

template <auto Path, class Step, class T>
[[nodiscard]] constexpr auto& step_to_entry(T& in) {
  const auto key = parse_key<typename T::key_type>(Step::text);
  const auto found = key ? in.find(*key) : in.end();
  if (found == in.end()) nothing_at<Path>();
  return go_on<Path, Step>(found->second);
}

template <auto Path, std::size_t From, class T>
constexpr auto& step_to(T& in) {
  using Step = PathStep<Path, From>;
  using Plain = std::remove_cv_t<T>;
  constexpr Kind kind = kind_of<Plain>;
  if constexpr (kind == Kind::structure) {
    return step_to_member<Path, Step>(in);
  } else if constexpr (kind == Kind::tuple || is_array<Plain>) {
    constexpr bool is_there = Step::number < std::tuple_size_v<Plain>;
    static_assert(is_there,
                  "persist: at<...> names an element that a tuple or array does not have");
    if constexpr (is_there)
      return go_on<Path, Step>(std::get<Step::number>(in));
    else
      return in;
  } else if constexpr (kind == Kind::sequence) {
    return step_to_element<Path, Step>(in);
  } else if constexpr (kind == Kind::map) {
    static_assert(text_key<typename Plain::key_type>,
                  "persist: at<...> goes into a map whose keys have no text");
    return step_to_entry<Path, Step>(in);
  } else if constexpr (kind == Kind::optional) {
    if (!in.has_value()) nothing_at<Path>();
    return step_to<Path, From>(*in);
  } else {
    static_assert(kind == Kind::none && kind != Kind::none,
                  "persist: at<...> goes on behind what has no members");
    return in;
  }
}

}  // namespace schema::detail

/// A reference to the member at that path. Names are those of the code, whatever a policy calls
/// them; steps go into structs, tuples and arrays, which the compiler checks, and into sequences,
/// maps with text keys and optionals, where a path to what is not there ends the program with one
/// sentence. It is as fast as the same by hand.
template <detail::FixedString Path, class T>
[[nodiscard]] constexpr auto& at(T& data) {
  static_assert(!Path.view().empty(), "persist: at<...> needs a path, like \"inventory.0.count\"");
  return schema::detail::step_to<Path, 0>(data);
}

}  // namespace persist::inline PERSIST_ABI

// The Data axis. A Data policy is what a record holds: either the type itself, if it can be stored,
// or a struct that names it as `data_type` and adds hooks.
//
// * `typename D::data_type`: the value. It marks D as a policy; containers have a `value_type` too.
//
// Optional, and never overloaded:
// * `D::defaults(key) -> data_type`: the value of a record that does not exist yet.
// * `D::capture(key) -> data_type`: pulls the value from the game, at every save.
// * `D::apply(key, const data_type&)`, with `capture`: pushes what a message, purchase, transaction
//   or edit changed into the game. Not called at a load: who takes the session puts its data into
//   the game, before the next save captures what is there.
// * `D::validate(const data_type&) -> Result<void>`: after every load and before every save; pure.
// * `D::schema_version`: 1 unless given, or the number of the migrations' versions.
// * `D::migrations`: how older versions become this one: migrations.hpp.
// * `D::mismatch(const Mismatch&) -> OnMismatch`: what becomes of what does not fit: reconcile.hpp.
// * `D::import_legacy(ByteView) -> Result<data_type>`: the data of bytes that are no record of
// ours.
// * `D::fields`, `D::reconcile`, `D::message`, `D::keep_durable`, `D::drop_unknown`: policy.hpp.
//
// Models: any storable type; policy structs.

namespace persist::inline PERSIST_ABI {

/// A struct that says what is stored, as against the thing itself.
template <class D>
concept names_its_data = requires { typename D::data_type; };

namespace schema::detail {
template <class D>
struct DataTypeOf {
  using type = D;
};
template <names_its_data D>
struct DataTypeOf<D> {
  using type = typename D::data_type;
};
}  // namespace schema::detail

/// The value a Data policy stores.
template <class D>
using data_type_of = typename schema::detail::DataTypeOf<D>::type;

/// A value that can be stored, as far as its outside tells.
template <class T>
concept storable_data = schema::storable<T> && std::default_initializable<T> && std::movable<T>;

template <class D>
concept data_policy = storable_data<data_type_of<D>>;

}  // namespace persist::inline PERSIST_ABI

// JSON Pointer, RFC 6901: `/inventory/0/count`. Each call looks at the whole pointer first, so one
// that is no pointer never takes a step; then it goes step by step, without recursion.

namespace persist::inline PERSIST_ABI {
namespace schema::detail {

/// Whether every step begins with `/` and every `~` is one of `~0` and `~1`.
[[nodiscard]] inline Result<void> check_pointer(std::string_view pointer) {
  if (!pointer.empty() && pointer.front() != '/')
    return Error(Errc::invalid, "a JSON Pointer is empty or begins with '/': '" +
                                    Place().inside(pointer).path() + "'");
  for (std::size_t at = pointer.find('~'); at != pointer.npos; at = pointer.find('~', at + 1))
    if (at + 1 == pointer.size() || (pointer[at + 1] != '0' && pointer[at + 1] != '1'))
      return Error(Errc::invalid, "in a JSON Pointer '~' stands only in '~0' and '~1'");
  return success;
}

/// The steps of a pointer that was checked, one after another.
class PointerSteps {
 public:
  explicit PointerSteps(std::string_view pointer) noexcept : rest_(pointer) {}
  [[nodiscard]] bool done() const noexcept { return rest_.empty(); }
  /// What is left, a pointer from where these steps lead.
  [[nodiscard]] std::string_view rest() const noexcept { return rest_; }
  /// Takes a step and returns it, with what was escaped in it put back. Stands until the next call.
  std::string_view next() {
    rest_.remove_prefix(1);
    step_ = rest_.substr(0, rest_.find('/'));
    rest_.remove_prefix(step_.size());
    if (step_.find('~') == step_.npos) return step_;
    unescaped_.clear();
    for (std::size_t at = 0; at < step_.size(); ++at)
      unescaped_ += step_[at] != '~' ? step_[at] : step_[++at] == '0' ? '~' : '/';
    return step_ = unescaped_;
  }
  /// The step that was taken last.
  [[nodiscard]] std::string_view step() const noexcept { return step_; }

 private:
  std::string_view rest_;
  std::string_view step_;
  std::string unescaped_;
};

/// The element that a step means, among `size`: digits without leading zeros, or `-` for the one
/// behind the last. An index beyond all numbers is one that no array has. None if it is neither.
[[nodiscard]] inline std::optional<std::size_t> parse_index(std::string_view step,
                                                            std::size_t size) {
  if (step == "-") return size;
  if (step.empty() || (step.size() > 1 && step.front() == '0')) return std::nullopt;
  std::size_t index = 0;
  constexpr std::size_t most = Place::no_index - 1;
  for (const char c : step) {
    if (c < '0' || c > '9') return std::nullopt;
    const auto digit = static_cast<std::size_t>(c - '0');
    index = index > (most - digit) / 10 ? most : index * 10 + digit;
  }
  return index;
}

/// The child that a step leads to, or null.
[[nodiscard]] inline const Value* child_of(const Value& from, std::string_view step) {
  if (!from.is_array()) return from.find(step);
  const auto index = parse_index(step, from.size());
  return index && *index < from.size() ? &from.elements()[*index] : nullptr;
}

/// Where the first part of a pointer leads, in the form `inventory[3].count`. A long one is cut.
[[nodiscard]] inline std::string path_text(const Value& root, std::string_view pointer) {
  constexpr std::size_t longest = 256;
  std::string text;
  const Value* at = &root;
  for (PointerSteps steps(pointer); !steps.done();) {
    if (text.size() > longest) return text + "...";
    Place place;
    place.move_to(steps.next());
    if (at != nullptr && at->is_array()) {
      if (const auto index = parse_index(steps.step(), at->size())) place.move_to(*index);
    }
    const std::string step = place.path();
    if (!text.empty() && !step.starts_with('[')) text += '.';
    text += step;
    at = at != nullptr ? child_of(*at, steps.step()) : nullptr;
  }
  return text;
}

/// Why there is no child: the words are about the step, the path about where it was to be taken.
[[nodiscard]] inline Error no_child(const Value& from, std::string_view step) {
  const std::string word = "the step '" + Place().inside(step).path() + "'";
  if (from.is_map()) return {Errc::not_found, "there is no member for " + word};
  if (!from.is_array()) {
    return Error(Errc::schema_mismatch, word + " leads nowhere")
        .at("", "a map or an array", std::string(name(ValueReader(from).peek())));
  }
  if (!parse_index(step, from.size()))
    return Error(Errc::schema_mismatch).at("", "the index of an element", word);
  return {Errc::not_found,
          "there is no element for " + word + " in an array of " + std::to_string(from.size())};
}

/// The same error, with another path.
[[nodiscard]] inline Error moved_to(const Error& error, std::string path) {
  return Error(error.code(), std::string(error.detail()))
      .at(std::move(path), std::string(error.expected()), std::string(error.found()));
}

/// Where a pointer that was checked leads.
[[nodiscard]] inline Result<const Value*> follow(const Value& root, std::string_view pointer) {
  const Value* at = &root;
  for (PointerSteps steps(pointer); !steps.done();) {
    const Value* child = child_of(*at, steps.next());
    if (child == nullptr) {
      const std::string_view taken = pointer.substr(0, pointer.size() - steps.rest().size());
      return moved_to(no_child(*at, steps.step()), path_text(root, taken));
    }
    at = child;
  }
  return at;
}
[[nodiscard]] inline Result<Value*> follow(Value& root, std::string_view pointer) {
  Result<const Value*> found = follow(std::as_const(root), pointer);
  if (!found) return std::move(found).error();
  return const_cast<Value*>(*found);  // NOLINT: into a value that may be changed
}

/// How deep a value may nest for a record with it to be read again.
inline constexpr std::size_t most_depth = Limits().depth;

/// Whether `value` nests in more than `left` arrays and maps. Looks no deeper than that.
[[nodiscard]] inline bool deeper_than(const Value& value, std::size_t left) {
  if (!value.is_array() && !value.is_map()) return false;
  const auto is_deeper = [left](const Value& inner) { return deeper_than(inner, left - 1); };
  return left == 0 || std::ranges::any_of(value.elements(), is_deeper) ||
         std::ranges::any_of(value.members(), is_deeper, &Value::Member::value);
}
/// Whether a value may be put where the pointer leads.
[[nodiscard]] inline Result<void> check_depth(std::string_view pointer, const Value& value) {
  const auto steps = static_cast<std::size_t>(std::count(pointer.begin(), pointer.end(), '/'));
  if (steps <= most_depth && !deeper_than(value, most_depth - steps)) return success;
  return Error(Errc::too_large, "the data would nest deeper than " + std::to_string(most_depth));
}

/// What is put among elements: in the place of one, or before it.
enum class Put : std::uint8_t { assign, insert };

/// Puts a value where a pointer that was checked leads; its parent must be there. Without a value
/// it only says whether that would work.
[[nodiscard]] inline Result<void> put(Value& root, std::string_view pointer, Value* value,
                                      Put how) {
  if (pointer.empty()) return value ? (void)(root = std::move(*value)) : (void)0, success;
  const std::size_t last = pointer.rfind('/');
  Result<Value*> found = follow(root, pointer.substr(0, last));
  if (!found) return std::move(found).error();
  Value& parent = **found;
  PointerSteps steps(pointer.substr(last));
  const std::string_view step = steps.next();
  const auto index = parse_index(step, parent.size());
  if (!parent.is_map() && (!parent.is_array() || !index || *index > parent.size()))
    return moved_to(no_child(parent, step), path_text(root, pointer));
  if (value == nullptr) return success;
  if (parent.is_map())
    parent[step] = std::move(*value);
  else if (how == Put::assign && *index < parent.size())
    parent.elements()[*index] = std::move(*value);
  else
    parent.insert(*index, std::move(*value));
  return success;
}

/// Takes out what is there and returns it; the root leaves null.
[[nodiscard]] inline Result<Value> take(Value& root, std::string_view pointer) {
  if (pointer.empty()) return std::exchange(root, Value());
  Result<Value*> found = follow(root, pointer);
  if (!found) return std::move(found).error();
  Result<Value> taken(std::move(**found));
  const std::size_t last = pointer.rfind('/');
  Value& parent = **follow(root, pointer.substr(0, last));
  PointerSteps steps(pointer.substr(last));
  const std::string_view step = steps.next();
  if (parent.is_map())
    parent.erase(step);
  else
    parent.erase_element(*parse_index(step, parent.size()));
  return taken;
}

}  // namespace schema::detail

// Errors: `invalid` (it is no JSON Pointer), `not_found` (a step leads to a member or an element
// that is not there), `schema_mismatch` (a step into what has neither). They name the step, and as
// the path where it was to be taken. Nothing is changed by a call that fails.

/// What the pointer leads to, to be looked at in its place; it stands until the value is changed.
[[nodiscard]] inline Result<const Value*> locate(const Value& in, std::string_view pointer) {
  if (auto fits = schema::detail::check_pointer(pointer); !fits) return fits.error();
  return schema::detail::follow(in, pointer);
}
/// The same, to be changed in its place.
[[nodiscard]] inline Result<Value*> locate(Value& in, std::string_view pointer) {
  if (auto fits = schema::detail::check_pointer(pointer); !fits) return fits.error();
  return schema::detail::follow(in, pointer);
}
/// A copy of what the pointer leads to.
[[nodiscard]] inline Result<Value> get(const Value& in, std::string_view pointer) {
  Result<const Value*> found = locate(in, pointer);
  if (!found) return std::move(found).error();
  return Result<Value>(**found);
}
/// Puts a value there, in the place of the one that is there. A member of a map is made where there
/// is none, and so is the element behind the last (`-`, or its index); nothing further up is.
/// `too_large` where the data would nest too deep to be read again.
inline Result<void> set(Value& in, std::string_view pointer, Value value) {
  if (auto fits = schema::detail::check_pointer(pointer); !fits) return fits;
  if (auto fits = schema::detail::check_depth(pointer, value); !fits) return fits;
  return schema::detail::put(in, pointer, &value, schema::detail::Put::assign);
}
/// Takes out what is there; elements behind it move up. The empty pointer leaves null.
inline Result<void> erase(Value& in, std::string_view pointer) {
  if (auto fits = schema::detail::check_pointer(pointer); !fits) return fits;
  if (auto taken = schema::detail::take(in, pointer); !taken) return std::move(taken).error();
  return success;
}

}  // namespace persist::inline PERSIST_ABI

// JSON Pointer into typed data. A pointer goes where it would in what is stored: names are those
// that the policy gives, keys of maps and enums are texts, what is not stored is not there.

namespace persist::inline PERSIST_ABI {
namespace schema::detail {

/// Nothing is let go silently here, so what has no place is dropped for the caller to refuse it,
/// and what does not fit is not asked about.
template <class Policy>
using PathRules =
    Rules<typename FieldsOf<Policy>::type, true, typename ReconcileOf<Policy>::type, void>;

/// The same error, from a place further up.
[[nodiscard]] inline Error below(const Place& place, const Error& error) {
  std::string path = place.path();
  if (!path.empty() && !error.path().empty() && error.path().front() != '[') path += '.';
  return moved_to(error, path.append(error.path()));
}

/// What a typed value looks like when it is stored.
template <class Rules, class T>
[[nodiscard]] Result<Value> stored_form(const T& from) {
  ValueWriter out;
  Writing<Rules, ValueWriter>(out, nullptr).value(from, {});
  if (!out.ok()) return out.take_error();
  return out.take();
}

/// What is done where a pointer leads: it is looked at.
template <class Rules>
struct Getting {
  static constexpr bool changes = false;
  Value* into;

  template <class T>
  Result<void> found(const T& at, const Place& place) {
    Result<Value> form = stored_form<Rules>(at);
    if (!form) return below(place, form.error());
    *into = *std::move(form);
    return success;
  }
  /// The rest of the way leads through a value.
  Result<void> found_in(const Value& whole, std::string_view rest, const Place& place) {
    const auto found = follow(whole, rest);
    if (!found) return below(place, found.error());
    *into = **found;
    return success;
  }
  template <class T>
  Result<void> found_through(const T& at, std::string_view rest, const Place& place) {
    const Result<Value> form = stored_form<Rules>(at);
    return form ? found_in(*form, rest, place) : below(place, form.error());
  }
};

/// What is done where a pointer leads: a value is read into it, if `commit` says so. Without, the
/// call only says whether that would work.
template <class Rules>
struct Setting {
  static constexpr bool changes = true;
  const Value* value;
  bool commit;

  template <class T>
  Result<void> found(T& at, const Place& place) {
    return read_as(*value, at, place);
  }
  Result<void> found_in(Value& whole, std::string_view rest, const Place& place) {
    Value copy = commit ? *value : Value();
    auto done = put(whole, rest, commit ? &copy : nullptr, Put::assign);
    return done ? std::move(done) : Result<void>(below(place, done.error()));
  }
  /// What has no member to refer to is changed as a value, and read again as a whole.
  template <class T>
  Result<void> found_through(T& at, std::string_view rest, const Place& place) {
    Result<Value> form = stored_form<Rules>(at);
    if (!form) return below(place, form.error());
    Value copy = *value;
    if (auto done = put(*form, rest, &copy, Put::assign); !done) return below(place, done.error());
    return read_as(*form, at, place);
  }

 private:
  template <class T>
  Result<void> read_as(const Value& from, T& at, const Place& above) {
    static_assert(std::is_move_assignable_v<T>,
                  "persist: what is set by a pointer is read beside and then moved in");
    T made = fresh(at);
    ValueReader in(from);
    UnknownFields unknown;
    Place place = above;
    place.loose = true;  // nothing is kept: every part of the value needs a member
    Reading<Rules, ValueReader> walk(in, unknown);
    if (!walk.value(made, place) || !in.ok()) return in.take_error();
    if (!unknown.dropped().empty())
      return Error(Errc::schema_mismatch)
          .at(unknown.dropped().front(), "a name that this build knows", "another");
    if (commit) at = std::move(made);
    return success;
  }
  /// An adapted type may have no default; the one that is there stands for it.
  template <class T>
  static T fresh([[maybe_unused]] const T& at) {
    if constexpr (std::default_initializable<T>)
      return T{};
    else
      return at;
  }
};

/// A map whose values a step leads to.
template <class M>
concept found_by_text =
    kind_of<M> == Kind::map && text_key<typename M::key_type> &&
    requires(M& map, const typename M::key_type& key) { map.find(key) != map.end(); };

/// Follows a pointer into data, one function a kind, and has `use` do something where it leads.
template <class Rules, class Use>
class Following {
 public:
  Following(std::string_view pointer, Use use) : steps_(pointer), use_(use) {}
  Following(const Following&) = delete;
  Following& operator=(const Following&) = delete;

  /// Recursion is as deep as the types nest, and no deeper than the data.
  template <class T>
  Result<void> value(T& at, const Place& place) {
    constexpr Kind kind = kind_of<T>;
    if constexpr (kind == Kind::value) {
      return use_.found_in(at, steps_.rest(), place);
    } else {
      if (steps_.done()) return use_.found(at, place);
      if constexpr (kind == Kind::structure)
        return structure(at, place);
      else if constexpr (kind == Kind::sequence || kind == Kind::array)
        return element(at, place);
      else if constexpr (found_by_text<T>)
        return entry(at, place);
      else if constexpr (kind == Kind::tuple)
        return tuple(at, place);
      else if constexpr (kind == Kind::optional)
        return at.has_value() ? value(*at, place) : empty(place);
      else
        return use_.found_through(at, steps_.rest(), place);
    }
  }

 private:
  /// An error about the step that was taken last.
  [[nodiscard]] Error missing(const Place& above, const char* why) {
    return Error(Errc::not_found, why).at(above.inside(steps_.step()).path(), "", "");
  }

  [[nodiscard]] static Error empty(const Place& place) {
    return Error(Errc::not_found, "nothing is here to go into").at(place.path(), "", "");
  }

  using Member = Result<void> (*)(Following&, void*, const Place&);
  template <class M>
  static Result<void> member(Following& walk, void* at, const Place& place) {
    return walk.value(*static_cast<M*>(at), place);
  }
  /// What is looked at is what would be stored.
  template <class T, std::size_t I, class M>
  static Result<void> quantised_member(Following& walk, void* at, const Place& place) {
    M stored = quantised<Rules, T, I>(*static_cast<const M*>(at));
    return walk.value(stored, place);
  }
  template <class T, std::size_t I, class M>
  static consteval Member member_follower() {
    if constexpr (!Plan<Rules, T>::is_stored[I])
      return nullptr;
    else if constexpr (!Use::changes && is_quantised<Rules, T, I>)
      return &quantised_member<T, I, M>;
    else if constexpr (check_member<T, I, M>())
      return &member<M>;
  }
  template <class T, class... Ms>
  static consteval auto member_followers(Types<Ms...>) {
    return []<std::size_t... I>(std::index_sequence<I...>) {
      return std::array<Member, sizeof...(Ms)>{member_follower<T, I, Ms>()...};
    }(std::index_sequence_for<Ms...>{});
  }
  template <class T>
  Result<void> structure(T& at, const Place& place) {
    using P = Plan<Rules, T>;
    static constexpr auto followers = member_followers<T>(MemberTypes<T>{});
    const std::size_t slot = P::find(steps_.next());
    if (slot == P::none) return missing(place, "there is no such member");
    const std::size_t field = P::member_of(slot);
    const auto members = Describe<T>::apply(at, [](auto&... each) {
      return std::array<void*, sizeof...(each)>{static_cast<void*>(&each)...};
    });
    return followers[field](*this, members[field], place.inside(P::names[field]));
  }

  template <class S>
  Result<void> element(S& all, const Place& place) {
    const std::string_view step = steps_.next();
    const std::size_t size = all.size();
    const auto index = parse_index(step, size);
    Place inner = place.inside();
    if (!index) {
      return Error(Errc::schema_mismatch)
          .at(place.path(), "the index of an element", "'" + Place().inside(step).path() + "'");
    }
    inner.move_to(*index);
    if (*index < size) return at_index(all, inner);
    if constexpr (Use::changes && sequence_like<S>)
      if (*index == size && steps_.done()) return append(all, inner);
    return Error(Errc::not_found, "there are " + std::to_string(size) + " elements")
        .at(inner.path(), "", "");
  }
  template <class S>
  Result<void> at_index(S& all, const Place& place) {
    auto at = all.begin();
    std::advance(at, static_cast<std::ptrdiff_t>(place.index));
    if constexpr (std::same_as<decltype(*at), typename S::value_type&>) {
      return value(*at, place);
    } else {  // std::vector<bool> has no element to refer to
      typename S::value_type copy = *at;
      auto done = value(copy, place);
      if constexpr (Use::changes)
        if (done && use_.commit) *at = copy;
      return done;
    }
  }
  template <class S>
  Result<void> append(S& all, const Place& place) {
    typename S::value_type made{};
    auto done = value(made, place);
    if (!done || !use_.commit) return done;
    if constexpr (std::same_as<decltype(all.back()), typename S::value_type&>) {
      all.emplace_back();
      all.back() = std::move(made);
    } else {
      all.push_back(made);
    }
    return done;
  }

  template <class M>
  Result<void> entry(M& all, const Place& place) {
    std::optional<typename M::key_type> key = parse_key<typename M::key_type>(steps_.next());
    if (!key) {
      return Error(Errc::schema_mismatch)
          .at(place.path(), "a key of this map", "'" + Place().inside(steps_.step()).path() + "'");
    }
    if (const auto at = all.find(*key); at != all.end()) {
      const KeyText text(at->first);
      return value(at->second, place.inside(text.view()));
    }
    if constexpr (Use::changes) {
      if (steps_.done()) {
        typename M::mapped_type made{};
        auto done = value(made, place.inside(steps_.step()));
        if (done && use_.commit) all.try_emplace(*std::move(key)).first->second = std::move(made);
        return done;
      }
    }
    return missing(place, "there is no such key");
  }

  /// A tuple's members differ in their types, so the one that is meant is found by counting.
  template <class T>
  Result<void> tuple(T& at, const Place& place) {
    const auto index = parse_index(steps_.next(), std::tuple_size_v<T>);
    if (!index || *index >= std::tuple_size_v<T>) return missing(place, "there is no such element");
    Place inner = place.inside();
    inner.move_to(*index);
    Result<void> done;
    std::size_t next = 0;
    const auto one = [&](auto& each) {
      if (next++ == *index) done = value(each, inner);
    };
    std::apply([&](auto&... each) { (one(each), ...); }, at);
    return done;
  }

  PointerSteps steps_;
  Use use_;
};

/// Checks the pointer and the value, then sets it, or only says whether that would work.
template <class Policy, class T>
Result<void> set_or_try(T& data, std::string_view pointer, const Value& value, bool commit) {
  if (auto fits = check_pointer(pointer); !fits) return fits;
  if (auto fits = check_depth(pointer, value); !fits) return fits;
  using Use = Setting<PathRules<Policy>>;
  return Following<PathRules<Policy>, Use>(pointer, Use{&value, commit}).value(data, Place{});
}

}  // namespace schema::detail

/// What the pointer leads to, as it would be stored: `persist::get(data, "/inventory/0/count")`.
/// The policy says how members are called and which are stored. `invalid` (it is no JSON Pointer),
/// `not_found`, `schema_mismatch` (a step into what has no parts); path and words say where.
template <class Policy = schema::NoPolicy, storable_data T>
[[nodiscard]] Result<Value> get(const T& data, std::string_view pointer) {
  using Rules = schema::detail::PathRules<Policy>;
  using Use = schema::detail::Getting<Rules>;
  if (auto fits = schema::detail::check_pointer(pointer); !fits) return fits.error();
  Result<Value> made(Value{});
  schema::detail::Following<Rules, Use> walk(pointer, Use{&*made});
  // The walk is one for both; with this use it changes nothing.
  if (auto done = walk.value(const_cast<T&>(data), {}); !done) return done.error();  // NOLINT
  return made;
}

/// Reads the value into what the pointer leads to, and into nothing else, by the rules of a load:
/// numbers convert where nothing is lost, what is missing in it takes its type's default, or what
/// the policy's `reconcile` says. A key of a map is made where there is none, and so is the element
/// behind the last (`-`, or its index).
///
/// Errors as `get`, and `schema_mismatch` (path, expected, found) where the value does not fit, or
/// has a name that no member has; `too_large` where it nests too deep. Then nothing has changed.
template <class Policy = schema::NoPolicy, storable_data T>
Result<void> set(T& data, std::string_view pointer, const Value& value) {
  return schema::detail::set_or_try<Policy>(data, pointer, value, true);
}

}  // namespace persist::inline PERSIST_ABI

// The walk that holds data against its `Limited` members. It goes only into types that have some
// inside.

namespace persist::inline PERSIST_ABI::schema {
namespace detail {

template <class Rules, class T>
constexpr bool find_limits(const Describing* outer);

template <class Rules, class... Ts>
constexpr bool find_limits_in(const Describing* outer, Types<Ts...>) {
  return (find_limits<Rules, std::remove_const_t<Ts>>(outer) || ...);
}
template <class Rules, class T>
constexpr bool find_limits(const Describing* outer) {
  constexpr Kind kind = kind_of<T>;
  if constexpr (kind == Kind::structure) {
    if (depth_of<T>(outer) != 0) return false;
    const Describing here{pretty_type<T>(), outer};
    bool found = false;
    Rules::template each<T>([&](auto attribute) { found = found || attribute.limited; });
    return found || find_limits_in<Rules>(&here, MemberTypes<T>{});
  } else if constexpr (kind == Kind::sequence || kind == Kind::array || kind == Kind::set ||
                       kind == Kind::optional) {
    return find_limits<Rules, std::remove_const_t<typename T::value_type>>(outer);
  } else if constexpr (kind == Kind::map) {
    return find_limits<Rules, typename T::mapped_type>(outer);
  } else if constexpr (kind == Kind::tuple || kind == Kind::variant) {
    return find_limits_in<Rules>(outer, types_of(static_cast<const T*>(nullptr)));
  } else {
    return false;
  }
}
/// Whether a T has limited members, at any depth.
template <class Rules, class T>
inline constexpr bool has_limits = [] {
  if constexpr (Rules::has_limits)
    return find_limits<Rules, T>(nullptr);
  else
    return false;
}();

template <class T>
[[nodiscard]] std::string print_number(T number) {
  if constexpr (std::is_floating_point_v<T>)
    return text_of(Real{static_cast<double>(number), sizeof(T) == sizeof(float)});
  else
    return std::to_string(+number);
}

template <class Rules>
class LimitCheck {
 public:
  /// False if a limit is broken; then `take_error` says which.
  template <class T>
  [[nodiscard]] bool value(const T& from, const Place& at) {
    constexpr Kind kind = kind_of<T>;
    if constexpr (!has_limits<Rules, T>) {
      return true;
    } else if constexpr (kind == Kind::structure) {
      return structure(from, at);
    } else if constexpr (kind == Kind::optional) {
      return !from.has_value() || value(*from, at);
    } else if constexpr (kind == Kind::variant) {
      return std::visit([&](const auto& held) { return value(held, at); }, from);
    } else if constexpr (kind == Kind::tuple) {
      Place element = at.inside();
      const auto one = [&](const auto& member) {
        element.move_to(element.index + 1);  // begins at 0: no_index is the number before it
        return value(member, element);
      };
      return std::apply([&](const auto&... members) { return (one(members) && ...); }, from);
    } else {
      return elements(from, at);
    }
  }
  [[nodiscard]] Error take_error() { return std::move(error_); }

 private:
  template <class C>
  [[nodiscard]] bool elements(const C& from, const Place& at) {
    std::size_t index = 0;
    for (const auto& element : from) {
      Place inside = at.inside();
      if constexpr (kind_of<C> == Kind::map) {
        if constexpr (text_key<typename C::key_type>) {
          const KeyText key(element.first);
          inside.move_to(key.view());
          if (!value(element.second, inside)) return false;
        } else {
          inside.move_to(index++);
          if (!value(element.second, inside)) return false;
        }
      } else {
        inside.move_to(index++);
        if (!value(element, inside)) return false;
      }
    }
    return true;
  }
  template <class T>
  [[nodiscard]] bool structure(const T& from, const Place& at) {
    using P = Plan<Rules, T>;
    return Describe<T>::apply(from, [&](const auto&... members) {
      return [&]<std::size_t... I>(std::index_sequence<I...>) {
        return (member<T, I>(members, at.inside(P::names[I])) && ...);
      }(std::index_sequence_for<decltype(members)...>{});
    });
  }
  template <class T, std::size_t I, class M>
  [[nodiscard]] bool member(const M& from, const Place& at) {
    bool keeps = true;
    Rules::template each<T>([&](auto attribute) {
      using A = decltype(attribute);
      if constexpr (A::limited && position_of<T>(A::member) == I)
        keeps = keeps && holds<A>(from, at);
    });
    return keeps && value(from, at);
  }
  template <class A, class M>
  [[nodiscard]] bool holds(const M& from, const Place& at) {
    constexpr Kind kind = kind_of<M>;
    static_assert(
        std::is_arithmetic_v<M> || kind == Kind::optional || requires { from.size(); },
        "persist: Limited is for numbers, optionals of them, and what has a size");
    if constexpr (kind == Kind::optional) {
      return !from.has_value() || holds<A>(*from, at);
    } else if constexpr (std::is_arithmetic_v<M>) {
      static_assert(
          (A::min.template fits<M>() && A::max.template fits<M>()) || std::is_floating_point_v<M>,
          "persist: the limits of a Limited integer are integers of its type");
      return between(from, A::min.template as<M>(), A::max.template as<M>(), at, "");
    } else {
      static_assert(A::min.template fits<std::size_t>() && A::max.template fits<std::size_t>(),
                    "persist: the limits of a size are integers from 0 on");
      return between(from.size(), A::min.template as<std::size_t>(),
                     A::max.template as<std::size_t>(), at, "a size of ");
    }
  }
  /// NaN is between nothing.
  template <class T>
  [[nodiscard]] bool between(T number, T min, T max, const Place& at, std::string_view what) {
    if (number >= min && number <= max) return true;
    error_ = Error(Errc::invalid, "a limit that the data policy sets")
                 .at(at.path(), std::string(what) + print_number(min) + " to " + print_number(max),
                     print_number(number));
    return false;
  }

  Error error_;
};

}  // namespace detail

/// Whether the data keeps the limits that the policy's fields set. `invalid`, naming the member,
/// what was expected and what was found.
template <class Rules, class T>
[[nodiscard]] Result<void> check_limits(const T& data) {
  detail::LimitCheck<Rules> check;
  if (check.value(data, Place{})) return success;
  return check.take_error();
}

}  // namespace persist::inline PERSIST_ABI::schema

namespace persist::inline PERSIST_ABI::schema {
namespace detail {

/// FNV-1a, 64 bits. Fingerprints lie in stored records: never change it.
class Fingerprint {
 public:
  constexpr void add(std::string_view text) noexcept {
    for (const char c : text)
      mix(static_cast<unsigned char>(c));
    mix(0);
  }
  constexpr void add(std::size_t number) noexcept {
    for (int i = 0; i < 8; ++i)
      mix((number >> (8 * i)) & 0xff);
  }
  [[nodiscard]] constexpr std::uint64_t value() const noexcept { return hash_; }

 private:
  constexpr void mix(std::uint64_t byte) noexcept { hash_ = (hash_ ^ byte) * 0x100000001b3; }
  std::uint64_t hash_ = 0xcbf29ce484222325;
};

template <class Rules, class T>
constexpr void fingerprint_of(Fingerprint& print, const Describing* outer);

template <class Rules, class... Ts>
constexpr void fingerprint_all(Fingerprint& print, const Describing* outer, Types<Ts...>) {
  print.add(sizeof...(Ts));
  (fingerprint_of<Rules, Ts>(print, outer), ...);
}
/// Names and kinds of the stored fields, in the order of their declaration, because that is the
/// order of values in a format without names. A struct inside itself is a number: how far above it
/// was begun.
template <class Rules, class T>
constexpr void fingerprint_struct(Fingerprint& print, const Describing* outer) {
  if (const std::size_t depth = depth_of<T>(outer); depth != 0) return print.add(depth - 1);
  using P = Plan<Rules, T>;
  const Describing here{pretty_type<T>(), outer};
  print.add(P::written_count);
  std::size_t index = 0;
  [&]<class... Ms>(Types<Ms...>) {
    (
        [&] {
          if (P::is_stored[index]) {
            print.add(P::names[index]);
            fingerprint_of<Rules, Ms>(print, &here);
            for (std::size_t other = P::count; other != P::slots; ++other) {
              if (P::member_of(other) != index || !P::is_written(other)) continue;
              print.add(P::names[other]);
              fingerprint_of<Rules, Ms>(print, &here);
            }
          }
          ++index;
        }(),
        ...);
  }(MemberTypes<T>{});
}

/// Containers count by their kind and not by their type: a list may become a vector, as the bytes
/// stay the same.
template <class Rules, class T>
constexpr void fingerprint_of(Fingerprint& print, const Describing* outer) {
  constexpr Kind kind = kind_of<T>;
  print.add(static_cast<std::size_t>(kind));
  if constexpr ((kind == Kind::integer && !std::is_same_v<T, std::byte>) || kind == Kind::real) {
    print.add(number_name<T>());
  } else if constexpr (kind == Kind::enumeration) {
    print.add(type_name<T>);
  } else if constexpr (kind == Kind::array) {
    print.add(std::tuple_size_v<T>);
    fingerprint_of<Rules, typename T::value_type>(print, outer);
  } else if constexpr (kind == Kind::optional || kind == Kind::sequence) {
    fingerprint_of<Rules, typename T::value_type>(print, outer);
  } else if constexpr (kind == Kind::map) {
    fingerprint_of<Rules, typename T::key_type>(print, outer);
    fingerprint_of<Rules, typename T::mapped_type>(print, outer);
  } else if constexpr (kind == Kind::set) {
    fingerprint_of<Rules, std::remove_const_t<typename T::value_type>>(print, outer);
  } else if constexpr (kind == Kind::tuple) {
    fingerprint_all<Rules>(print, outer, types_of(static_cast<const T*>(nullptr)));
  } else if constexpr (kind == Kind::variant) {
    constexpr auto alternatives = types_of(static_cast<const T*>(nullptr));
    [&]<class... Ts>(Types<Ts...>) {
      (print.add(kind_of<Ts> == Kind::unit ? std::string_view() : type_name<Ts>), ...);
    }(alternatives);
    fingerprint_all<Rules>(print, outer, alternatives);
  } else if constexpr (kind == Kind::duration) {
    print.add(static_cast<std::size_t>(T::period::num));
    print.add(static_cast<std::size_t>(T::period::den));
    fingerprint_of<Rules, typename T::rep>(print, outer);
  } else if constexpr (kind == Kind::time_point) {
    fingerprint_of<Rules, typename T::duration>(print, outer);
  } else if constexpr (kind == Kind::adapted) {
    fingerprint_of<Rules, typename adapt<T>::stored_type>(print, outer);
  } else if constexpr (kind == Kind::structure) {
    fingerprint_struct<Rules, T>(print, outer);
  }
}

template <class Rules, class T>
consteval std::uint64_t compute_fingerprint() {
  Fingerprint print;
  fingerprint_of<Rules, T>(print, nullptr);
  return print.value();
}

}  // namespace detail

/// A number that two types share if their fields have the same names, kinds and order, all the way
/// down. The same from every compiler and in every run; computed once, at compile time. 0 stands
/// for "not known" in a record and is not a fingerprint.
template <class T, class Policy = NoPolicy>
inline constexpr std::uint64_t fingerprint =
    detail::compute_fingerprint<detail::RulesOf<Policy>, T>() | 1;

}  // namespace persist::inline PERSIST_ABI::schema

// Whether a build that knows the one type can read what a build wrote that knows the other.

namespace persist::inline PERSIST_ABI::schema::detail {

template <class Rules, class Old, class New>
constexpr bool find_adds_only(const Describing* outer);

template <class Rules, class OldMember, std::size_t Wanted, class... Ms>
constexpr bool member_adds_only(const Describing* outer, Types<Ms...>) {
  std::size_t at = 0;
  bool same = false;
  (
      [&] {
        if (at++ == Wanted) same = find_adds_only<Rules, OldMember, Ms>(outer);
      }(),
      ...);
  return same;
}
/// Every stored member of Old is in New, under the same name. A struct inside itself is being
/// compared already.
template <class Rules, class Old, class New>
constexpr bool members_add_only(const Describing* outer) {
  if (depth_of<Old>(outer) != 0) return true;
  const Describing here{pretty_type<Old>(), outer};
  using Before = Plan<Rules, Old>;
  using After = Plan<Rules, New>;
  return [&]<std::size_t... I, class... Ms>(std::index_sequence<I...>, Types<Ms...>) {
    return ([&] {
      if constexpr (!Before::is_stored[I]) {
        return true;
      } else {
        constexpr std::size_t there = After::find(Before::names[I]);
        if constexpr (there == After::none || !After::is_written(there))
          return false;
        else
          return member_adds_only<Rules, Ms, After::member_of(there)>(&here, MemberTypes<New>{});
      }
    }() && ...);
  }(std::make_index_sequence<Before::count>{}, MemberTypes<Old>{});
}

template <class Old, class New>
consteval bool enumerators_add_only() {
  for (const std::string_view name : Enumerators<Old>::names)
    if (!name.empty() && !enum_value<New>(name)) return false;
  return true;
}

template <class Rules, class Old, class New>
constexpr bool find_adds_only([[maybe_unused]] const Describing* outer) {
  constexpr Kind kind = kind_of<Old>;
  if constexpr (std::is_same_v<Old, New>) {
    return true;
  } else if constexpr (kind != kind_of<New>) {
    return false;
  } else if constexpr (kind == Kind::structure) {
    return members_add_only<Rules, Old, New>(outer);
  } else if constexpr (kind == Kind::optional || kind == Kind::sequence) {
    return find_adds_only<Rules, typename Old::value_type, typename New::value_type>(outer);
  } else if constexpr (kind == Kind::map) {
    return std::is_same_v<typename Old::key_type, typename New::key_type> &&
           find_adds_only<Rules, typename Old::mapped_type, typename New::mapped_type>(outer);
  } else if constexpr (kind == Kind::enumeration) {
    if constexpr (fixed_enum<Old> && fixed_enum<New>)
      return enumerators_add_only<Old, New>();
    else
      return false;
  } else {
    return compute_fingerprint<Rules, Old>() == compute_fingerprint<Rules, New>();
  }
}

/// Whether New is Old with more members, at any depth: nothing is gone, renamed or of another kind.
template <class Rules, class Old, class New>
inline constexpr bool adds_only = find_adds_only<Rules, Old, New>(nullptr);

}  // namespace persist::inline PERSIST_ABI::schema::detail

// How data of an older schema version becomes data of the newest.
//
//     struct PlayerV1 { int gold = 0; };
//     struct Player { std::int64_t coins = 0; };
//     inline Player upgrade(PlayerV1&& old) { return {old.gold}; }    // beside its argument
//
//     using migrations = persist::Migrations<PlayerV1, Player>;       // in the Data policy

namespace persist::inline PERSIST_ABI {

/// The versions of a record, oldest first: the i-th is schema version i + 1. Each but the newest is
/// a plain struct with a function `upgrade(Version&&)` in its namespace that returns the next one,
/// or a `Result` of it; or it is `Untyped`. Steps are pure: they may run on any thread, and for a
/// record that is not saved afterwards they run again at its next load.
template <class... Versions>
struct Migrations {};

/// Marks a version of which older builds may read the records, because all it does to the version
/// before it is add members. It does not compile where it does anything else.
template <class Version>
struct Additive {};

/// A version that has no type here, for what types cannot say: its records are given to
/// `Step(Value&&)`, which returns the next version, or a `Value` that is then read as the next, or
/// a `Result` of either.
template <auto Step>
struct Untyped {};

namespace schema::detail {

template <class V>
struct VersionTraits {
  using type = V;
  static constexpr bool is_additive = false;
};
template <class V>
struct VersionTraits<Additive<V>> : VersionTraits<V> {
  static constexpr bool is_additive = true;
};
template <auto Step>
struct VersionTraits<Untyped<Step>> {
  using type = Value;
  static constexpr bool is_additive = false;
  static constexpr auto step = Step;
};

/// Found by the type of its argument alone, so that a step is declared beside its version.
void upgrade() = delete;
template <class From>
concept has_upgrade = requires(From&& old) { upgrade(std::move(old)); };
template <class V>
concept has_step = requires { VersionTraits<V>::step; };

template <class From>
consteval bool step_is_there() {
  if constexpr (has_step<From>)
    return std::is_invocable_v<decltype(VersionTraits<From>::step), Value&&>;
  else
    return has_upgrade<typename VersionTraits<From>::type>;
}
/// Runs the step of a version.
template <class V, class Old>
[[nodiscard]] auto call_step(Old&& old) {
  if constexpr (has_step<V>)
    return VersionTraits<V>::step(std::forward<Old>(old));
  else
    return upgrade(std::forward<Old>(old));
}
/// What it gives, without the Result around it.
template <class V>
using SteppedBy = typename persist::detail::UnwrapResult<decltype(call_step<V>(
    std::declval<typename VersionTraits<V>::type&&>()))>::type;

template <class From, class To>
consteval bool step_fits() {
  if constexpr (step_is_there<From>())
    return std::is_same_v<SteppedBy<From>, typename VersionTraits<To>::type> ||
           (has_step<From> && std::is_same_v<SteppedBy<From>, Value>);
  else
    return true;
}
/// Whether data of the version From can become data of the version To. Both names stand in the
/// compiler's message where it cannot.
template <class From, class To>
struct CheckStep {
  static_assert(step_is_there<From>(),
                "persist: a step of the migrations is missing: From and To, above, say which; "
                "declare To upgrade(From&&) in the namespace of From");
  static_assert(step_fits<From, To>(),
                "persist: a step of the migrations does not lead to the next version: it returns "
                "that or a persist::Result of it");
};

/// Runs a step; what it throws is an error.
template <class V, class Old>
[[nodiscard]] Result<SteppedBy<V>> run_step(Old&& old) {
  return persist::detail::caught("it", [&] { return call_step<V>(std::forward<Old>(old)); });
}

template <class List>
struct VersionList;
template <class... Vs>
struct VersionList<Migrations<Vs...>> {
  static constexpr std::size_t count = sizeof...(Vs);
  template <std::size_t I>
  using Version = std::tuple_element_t<I, std::tuple<Vs...>>;
  template <std::size_t I>
  using Type = typename VersionTraits<Version<I>>::type;

  /// The lowest version whose builds may read the newest.
  static constexpr std::uint32_t lowest_reader = [] {
    constexpr std::array<bool, count> additive{VersionTraits<Vs>::is_additive...};
    std::size_t lowest = count;
    while (lowest > 1 && additive[lowest - 1])
      --lowest;
    return static_cast<std::uint32_t>(lowest);
  }();

  template <class Rules, std::size_t I>
  static consteval bool check_step() {
    if constexpr (I + 1 < count) {
      static_assert(sizeof(CheckStep<Version<I>, Version<I + 1>>) != 0);
      static_assert(
          !VersionTraits<Version<I + 1>>::is_additive || adds_only<Rules, Type<I>, Type<I + 1>>,
          "persist: a version is marked persist::Additive and does more than add members to the "
          "version before it: older builds could not read what it writes");
    }
    return true;
  }
  /// Whether each version leads to the next, and the last is what the policy stores.
  template <class Rules, class Record>
  static consteval bool check() {
    static_assert(count != 0, "persist: migrations list at least one version");
    static_assert(!VersionTraits<Version<0>>::is_additive,
                  "persist: the first version of the migrations adds to none");
    static_assert(std::is_same_v<Type<count - 1>, Record>,
                  "persist: the last version of the migrations is the type that is stored");
    return []<std::size_t... I>(std::index_sequence<I...>) {
      return (check_step<Rules, I>() && ...);
    }(std::make_index_sequence<count>{});
  }
};

template <class Policy>
concept names_migrations = requires { typename Policy::migrations; };
template <class Policy>
struct MigrationsOf {
  using type = Migrations<>;
};
template <names_migrations Policy>
struct MigrationsOf<Policy> {
  using type = typename Policy::migrations;
};
template <class Policy>
concept has_migrations = !std::is_same_v<typename MigrationsOf<Policy>::type, Migrations<>>;

template <class T>
inline constexpr bool is_migrations = false;
template <class... Vs>
inline constexpr bool is_migrations<Migrations<Vs...>> = true;

/// What a record holds: data that is an optional is without a record when it is empty.
template <class T>
struct RecordType {
  using type = T;
};
template <class T>
struct RecordType<std::optional<T>> {
  using type = T;
};

}  // namespace schema::detail
}  // namespace persist::inline PERSIST_ABI

// A hook is found by its name, whatever it looks like, and is then asked whether it fits. Asking
// only whether a call compiles would take a misspelt hook for none.

namespace persist::inline PERSIST_ABI::schema::detail {

// A name that two bases have is ambiguous: so taking its address fails exactly if the policy has it
// too, overloaded or not. A final class cannot be a base; there only what has one address is found.
#define PERSIST_HOOK(hook)                                                            \
  struct Also_##hook {                                                                \
    void hook();                                                                      \
  };                                                                                  \
  template <class D>                                                                  \
  struct Both_##hook : D, Also_##hook {};                                             \
  template <class D>                                                                  \
  concept inherits_##hook = !requires { &Both_##hook<D>::hook; };                     \
  template <class D>                                                                  \
  consteval bool find_##hook() {                                                      \
    if constexpr (!std::is_class_v<D>)                                                \
      return false;                                                                   \
    else if constexpr (std::is_final_v<D>)                                            \
      return requires { &D::hook; };                                                  \
    else                                                                              \
      return inherits_##hook<D>;                                                      \
  }                                                                                   \
  template <class D>                                                                  \
  concept names_##hook = names_its_data<D> && find_##hook<D>();                       \
  template <class D>                                                                  \
  consteval auto address_of_##hook() {                                                \
    static_assert(                                                                    \
        requires { &D::hook; },                                                       \
        "persist: the hook " #hook                                                    \
        " does not fit: it must be one function, neither overloaded nor a template"); \
    return &D::hook;                                                                  \
  }

PERSIST_HOOK(defaults)
PERSIST_HOOK(capture)
PERSIST_HOOK(apply)
PERSIST_HOOK(validate)
PERSIST_HOOK(import_legacy)
PERSIST_HOOK(mismatch)

#undef PERSIST_HOOK

/// What a hook returns, how many arguments it takes and the last of them. What is no static
/// function fits nothing.
template <class F>
struct HookShape {
  struct result {};
  struct last {};
  static constexpr std::size_t arity = 0;
};
template <class R, class... Args>
struct HookShape<R (*)(Args...)> {
  using result = R;
  using last = std::tuple_element_t<sizeof...(Args), std::tuple<void, Args...>>;
  static constexpr std::size_t arity = sizeof...(Args);
};
template <class R, class... Args>
struct HookShape<R (*)(Args...) noexcept> : HookShape<R (*)(Args...)> {};

/// Only the types that the policy itself fixes are compared. The key is the store's, and asked
/// about when the hook is called with one.
template <class F, class Result, std::size_t Arity>
concept hook_like =
    std::same_as<typename HookShape<F>::result, Result> && HookShape<F>::arity == Arity;
template <class F, class Result, std::size_t Arity, class Last>
concept hook_ending_with =
    hook_like<F, Result, Arity> && std::same_as<typename HookShape<F>::last, Last>;

}  // namespace persist::inline PERSIST_ABI::schema::detail

namespace persist::inline PERSIST_ABI {
namespace schema::detail {

template <class T>
inline constexpr bool is_fields = false;
template <class... As>
inline constexpr bool is_fields<Fields<As...>> = true;

/// Compared with the version in a record: higher there means that a newer build wrote it.
template <class D>
consteval std::uint32_t version_of() {
  if constexpr (requires { D::schema_version; }) {
    static_assert(
        std::convertible_to<decltype(D::schema_version), std::uint32_t>,
        "persist: schema_version is a number: static constexpr std::uint32_t schema_version = 2;");
    return static_cast<std::uint32_t>(D::schema_version);
  } else if constexpr (has_migrations<D>) {
    return static_cast<std::uint32_t>(VersionList<typename MigrationsOf<D>::type>::count);
  } else {
    return 1;
  }
}
template <class D>
consteval bool check_migrations() {
  static_assert(is_migrations<typename D::migrations>,
                "persist: migrations lists versions: using migrations = "
                "persist::Migrations<PlayerV1, PlayerV2, Player>;");
  if constexpr (is_migrations<typename D::migrations>) {
    using List = VersionList<typename D::migrations>;
    static_assert(version_of<D>() == List::count,
                  "persist: schema_version is the number of the versions that migrations lists");
    return List::template check<RulesOf<D>, typename RecordType<data_type_of<D>>::type>();
  }
  return true;
}
template <class D>
consteval bool keeps_durable() {
  if constexpr (requires { D::keep_durable; })
    return D::keep_durable;
  else
    return false;
}
/// Messages are a variant even if there is one, so that a second can be added later without a
/// change to what is stored.
template <class D>
struct MessageOf {
  using type = void;
};
template <class D>
  requires requires { typename D::message; }
struct MessageOf<D> {
  using type = typename D::message;
  static_assert(is_variant<type>,
                "persist: message lists what may be sent to a record: using message = "
                "std::variant<Gift, Mail>;");
};

/// Whether all that a policy says is understood. A name that is there and does not fit stops the
/// compiler in one sentence, because a hook that is silently not called is worse.
template <class D>
consteval bool check_policy() {
  using T = data_type_of<D>;
  if constexpr (requires { typename D::reconcile; })
    static_assert(
        is_reconcile_mode<typename D::reconcile>,
        "persist: reconcile is one of persist::reconcile::Deep, Shallow, Strict and None");
  if constexpr (requires { typename D::fields; })
    static_assert(is_fields<typename D::fields>,
                  "persist: fields lists attributes: using fields = persist::Fields<...>;");
  static_assert(version_of<D>() >= 1, "persist: schema versions begin at 1");
  if constexpr (names_migrations<D>) static_assert(check_migrations<D>());
  static_assert(
      !requires { typename D::indexes; }, "persist: indexes are not supported");
  if constexpr (names_defaults<D>)
    static_assert(hook_like<decltype(address_of_defaults<D>()), T, 1>,
                  "persist: the hook defaults does not fit: it is static data_type defaults(key)");
  if constexpr (names_capture<D>)
    static_assert(hook_like<decltype(address_of_capture<D>()), T, 1>,
                  "persist: the hook capture does not fit: it is static data_type capture(key)");
  if constexpr (names_apply<D>) {
    static_assert(
        hook_ending_with<decltype(address_of_apply<D>()), void, 2, const T&>,
        "persist: the hook apply does not fit: it is static void apply(key, const data_type&)");
    static_assert(names_capture<D>,
                  "persist: the hook apply does nothing without the hook capture");
  }
  if constexpr (names_validate<D>)
    static_assert(hook_ending_with<decltype(address_of_validate<D>()), Result<void>, 1, const T&>,
                  "persist: the hook validate does not fit: it is static persist::Result<void> "
                  "validate(const data_type&)");
  if constexpr (names_mismatch<D>)
    static_assert(
        hook_ending_with<decltype(address_of_mismatch<D>()), OnMismatch, 1, const Mismatch&>,
        "persist: the hook mismatch does not fit: it is static persist::OnMismatch "
        "mismatch(const persist::Mismatch&)");
  if constexpr (names_import_legacy<D>)
    static_assert(
        hook_ending_with<decltype(address_of_import_legacy<D>()),
                         Result<typename RecordType<T>::type>, 1, ByteView>,
        "persist: the hook import_legacy does not fit: it is static persist::Result<data_type> "
        "import_legacy(persist::ByteView)");
  return true;
}

}  // namespace schema::detail

/// A Data policy as the layers above see it: every hook is there to call, and says whether the
/// policy has one.
template <data_policy D>
struct DataPolicy {
  static_assert(schema::detail::check_policy<D>());

  using policy = D;
  using data_type = data_type_of<D>;
  using fields = typename schema::detail::FieldsOf<D>::type;
  /// A variant of what may be sent to the record, or void.
  using message = typename schema::detail::MessageOf<D>::type;
  using migrations = typename schema::detail::MigrationsOf<D>::type;
  using reconcile = typename schema::detail::ReconcileOf<D>::type;

  static constexpr bool has_defaults = schema::detail::names_defaults<D>;
  static constexpr bool has_capture = schema::detail::names_capture<D>;
  static constexpr bool has_apply = schema::detail::names_apply<D>;
  /// Whether data can be refused: by the policy's hook, or by a limit of its fields.
  static constexpr bool has_validate =
      schema::detail::names_validate<D> ||
      schema::detail::has_limits<schema::detail::RulesOf<D>, data_type>;
  static constexpr bool has_import_legacy = schema::detail::names_import_legacy<D>;
  static constexpr bool has_mismatch = schema::detail::names_mismatch<D>;
  /// Whether the game's own code may run while a record is read.
  static constexpr bool loads_by_hooks =
      has_import_legacy || has_mismatch || schema::detail::has_migrations<D>;
  static constexpr bool keep_durable = schema::detail::keeps_durable<D>();
  static constexpr bool drop_unknown = schema::detail::drops_unknown<D>();
  static constexpr std::uint32_t schema_version = schema::detail::version_of<D>();

  /// The value of a record that is not there yet.
  template <class KeyValue>
  [[nodiscard]] static data_type defaults([[maybe_unused]] const KeyValue& key) {
    if constexpr (has_defaults) {
      static_assert(std::invocable<decltype(&D::defaults), const KeyValue&>,
                    "persist: the hook defaults does not fit: it does not take this store's key");
      return D::defaults(key);
    } else {
      return data_type{};
    }
  }
  /// The data as the game has it now. Only called where the policy has the hook.
  template <class KeyValue>
  [[nodiscard]] static data_type capture(const KeyValue& key)
    requires has_capture
  {
    static_assert(std::invocable<decltype(&D::capture), const KeyValue&>,
                  "persist: the hook capture does not fit: it does not take this store's key");
    return D::capture(key);
  }
  /// Tells the game what a message, grant or transaction changed.
  template <class KeyValue>
  static void apply(const KeyValue& key, const data_type& data)
    requires has_apply
  {
    static_assert(std::invocable<decltype(&D::apply), const KeyValue&, const data_type&>,
                  "persist: the hook apply does not fit: it does not take this store's key");
    D::apply(key, data);
  }
  /// The data of bytes that no build of persist wrote. Only called where the policy has the hook.
  [[nodiscard]] static auto import_legacy(ByteView bytes)
    requires has_import_legacy
  {
    return D::import_legacy(bytes);
  }
  /// What becomes of a member that what is stored does not fit. Only called where the policy has
  /// the hook.
  [[nodiscard]] static OnMismatch mismatch(const Mismatch& what)
    requires has_mismatch
  {
    return D::mismatch(what);
  }
  /// Whether the data keeps the limits of its fields and the game's own rules; always, where the
  /// policy has none.
  [[nodiscard]] static Result<void> validate([[maybe_unused]] const data_type& data) {
    using Rules = schema::detail::RulesOf<D>;
    if constexpr (schema::detail::has_limits<Rules, data_type>)
      if (auto kept = schema::check_limits<Rules>(data); !kept) return kept;
    if constexpr (schema::detail::names_validate<D>)
      return D::validate(data);
    else
      return success;
  }
};

}  // namespace persist::inline PERSIST_ABI

// Servers are updated one after another, so for a while an old build reads what a new one wrote.
// Here a game finds out while it compiles which of its types would not survive that.

namespace persist::inline PERSIST_ABI {

/// The types of data in which a record of a newer build could not keep what is unknown: elements
/// that can move and that nothing identifies. True if there are none.
struct RollingUpdate {
  std::array<std::string_view, 32> names{};
  std::size_t count = 0;

  [[nodiscard]] constexpr std::span<const std::string_view> refusing() const noexcept {
    return {names.data(), count};
  }
  constexpr explicit operator bool() const noexcept { return count == 0; }
  constexpr void add(std::string_view name) noexcept {
    for (std::size_t i = 0; i < count; ++i)
      if (names[i] == name) return;
    if (count < names.size()) names[count++] = name;
  }
};

namespace schema::detail {

template <class Rules, class T>
constexpr void find_loose(RollingUpdate& found, bool loose, const Describing* outer);

template <class Rules, class... Ts>
constexpr void find_loose_in(RollingUpdate& found, bool loose, const Describing* outer,
                             Types<Ts...>) {
  (find_loose<Rules, Ts>(found, loose, outer), ...);
}

/// `loose` says that what is unknown here could not be kept. A member of type Unknown ends that,
/// for the struct and all below it.
template <class Rules, class T>
constexpr void find_loose_members(RollingUpdate& found, bool loose, const Describing* outer) {
  using P = Plan<Rules, T>;
  if (P::unknown_holder != P::none) loose = false;
  if (loose) found.add(type_name<T>);
  if (depth_of<T>(outer) != 0) return;
  const Describing here{pretty_type<T>(), outer};
  [&]<class... Ms>(Types<Ms...>) {
    std::size_t index = 0;
    (
        [&] {
          if (P::is_stored[index++]) find_loose<Rules, Ms>(found, loose, &here);
        }(),
        ...);
  }(MemberTypes<T>{});
}

template <class Rules, class T>
constexpr void find_loose(RollingUpdate& found, bool loose, const Describing* outer) {
  constexpr Kind kind = kind_of<T>;
  if constexpr (kind == Kind::structure) {
    find_loose_members<Rules, T>(found, loose, outer);
  } else if constexpr (kind == Kind::enumeration) {
    if (loose) found.add(type_name<T>);
  } else if constexpr (kind == Kind::sequence || kind == Kind::array) {
    using Element = typename T::value_type;
    find_loose<Rules, Element>(found, loose || !is_identified<Rules, Element>, outer);
  } else if constexpr (kind == Kind::optional) {
    find_loose<Rules, typename T::value_type>(found, loose, outer);
  } else if constexpr (kind == Kind::set) {
    find_loose<Rules, std::remove_const_t<typename T::value_type>>(found, true, outer);
  } else if constexpr (kind == Kind::map) {
    using Key = typename T::key_type;
    find_loose<Rules, Key>(found, loose || !text_key<Key>, outer);
    find_loose<Rules, typename T::mapped_type>(found, loose || !text_key<Key>, outer);
  } else if constexpr (kind == Kind::tuple || kind == Kind::variant) {
    if (loose && kind == Kind::variant) found.add("std::variant");  // for a new alternative
    find_loose_in<Rules>(found, loose, outer, types_of(static_cast<const T*>(nullptr)));
  } else if constexpr (kind == Kind::adapted) {
    find_loose<Rules, typename adapt<T>::stored_type>(found, loose, outer);
  }
}

template <class D>
consteval RollingUpdate check_rolling() {
  RollingUpdate found;
  if (!drops_unknown<D>()) find_loose<RulesOf<D>, data_type_of<D>>(found, false, nullptr);
  return found;
}

}  // namespace schema::detail

/// Whether servers of this build and of a newer one can share records of D, whatever members the
/// newer one adds: `static_assert(persist::rolls_safely<PlayerSave>)`. It lists the types where
/// they could not.
template <class D>
inline constexpr RollingUpdate rolls_safely = schema::detail::check_rolling<D>();

}  // namespace persist::inline PERSIST_ABI

namespace persist::inline PERSIST_ABI {

/// Fills in what is missing, at every depth, and returns how many members were filled in. What is
/// there stays, whatever its kind: arrays are left as they are, and so is everything in them. A
/// null value is no record and becomes the template; a member that is null is there.
///
/// An empty array where the template has a map counts as an empty map: who has one kind of table,
/// as Roblox does, writes an empty one as [].
///
/// The template is taken as a copy, so it may be a part of this value.
inline std::size_t Value::reconcile(Value defaults) {
  if (!is_null()) return fill_in(defaults);
  swap(defaults);
  return is_null() ? 0 : 1;
}

inline std::size_t Value::fill_in(const Value& defaults) {
  const bool has_members = is_map() || (is_array() && size() == 0);
  if (!has_members || !defaults.is_map()) return 0;
  std::size_t filled = 0;
  for (const Member& member : defaults.members()) {
    if (Value* own = find(member.key)) {
      filled += own->fill_in(member.value);
    } else {
      (*this)[member.key] = member.value;
      ++filled;
    }
  }
  return filled;
}

}  // namespace persist::inline PERSIST_ABI

// Values and types, each made from the other by the walks that codecs use: what is lossless in a
// file is lossless here.

namespace persist::inline PERSIST_ABI {
namespace schema {

/// The data of `from`, as its fields are called under the policy.
template <class Policy = NoPolicy, class T>
[[nodiscard]] Result<Value> to_value(const T& from) {
  ValueWriter out;
  if (auto written = write<Policy>(out, from); !written) return std::move(written).error();
  return out.take();
}

/// A T with the data of `from`; what is missing takes the member's default, what has no member is
/// left out. `schema_mismatch` as for a load.
template <class T, class Policy = NoPolicy>
[[nodiscard]] Result<T> from_value(const Value& from) {
  Result<T> made(T{});
  ValueReader in(from);
  UnknownFields unknown;
  if (auto done = read<Policy>(in, *made, unknown); !done) return std::move(done).error();
  return made;
}

}  // namespace schema

template <class T>
Result<T> Value::as() const {
  return schema::from_value<T>(*this);
}

}  // namespace persist::inline PERSIST_ABI

namespace persist::inline PERSIST_ABI {
namespace schema::detail {

/// How many elements or members a patch may move for each value in it and in what it is applied to.
/// What `diff` makes stays below; a patch made to keep a server busy does not.
inline constexpr std::size_t moves_per_value = 256;

/// Finds what changes one value into another.
class Diffing {
 public:
  [[nodiscard]] Value take() { return Value(std::move(operations_)); }

  void value(const Value& a, const Value& b) {
    if (a == b) return;
    if (a.is_map() && b.is_map()) return map(a, b);
    if (a.is_array() && b.is_array()) return array(a.elements(), b);
    add_operation("replace", &b);
  }

 private:
  void map(const Value& a, const Value& b) {
    std::size_t common = 0;
    for (const Value::Member& member : a.members())
      common += b.find(member.key) != nullptr ? 1 : 0;
    const std::size_t changes = a.size() + b.size() - 2 * common;
    if (changes > moves_per_value) return add_operation("replace", &b);
    for (const Value::Member& member : a.members())
      if (b.find(member.key) == nullptr) at(member.key, [&] { add_operation("remove", nullptr); });
    for (const Value::Member& member : b.members()) {
      at(member.key, [&] {
        if (const Value* old = a.find(member.key))
          value(*old, member.value);
        else
          add_operation("add", &member.value);
      });
    }
  }

  /// What is equal at both ends stays. Between, elements change in their places, and what is left
  /// over is taken out or put in: exact for one gap, and never worse than linear.
  void array(std::span<const Value> a, const Value& whole) {
    const std::span<const Value> b = whole.elements();
    const std::size_t shorter = (std::min)(a.size(), b.size());
    std::size_t front = 0;
    while (front < shorter && a[front] == b[front])
      ++front;
    std::size_t back = 0;
    while (back < shorter - front && a[a.size() - 1 - back] == b[b.size() - 1 - back])
      ++back;
    const std::size_t changes = (std::max)(a.size(), b.size()) - shorter;
    if (changes > moves_per_value && back > 0) return add_operation("replace", &whole);
    for (std::size_t i = front; i < shorter - back; ++i)
      at(std::to_string(i), [&] { value(a[i], b[i]); });
    for (std::size_t i = a.size() - back; i > shorter - back; --i)
      at(std::to_string(i - 1), [&] { add_operation("remove", nullptr); });
    for (std::size_t i = shorter - back; i < b.size() - back; ++i)
      at(std::to_string(i), [&] { add_operation("add", &b[i]); });
  }

  /// Calls `use` one step further down.
  template <class F>
  void at(std::string_view step, F&& use) {
    const std::size_t above = path_.size();
    path_ += '/';
    for (const char c : step) {
      if (c == '~' || c == '/')
        path_ += c == '~' ? "~0" : "~1";
      else
        path_ += c;
    }
    use();
    path_.resize(above);
  }
  void add_operation(const char* name, const Value* value) {
    Value operation = Value::map({{"op", name}, {"path", path_}});
    if (value != nullptr) operation["value"] = *value;
    operations_.push_back(std::move(operation));
  }

  Value::Array operations_;
  std::string path_;
};

}  // namespace schema::detail

/// The JSON Patch (RFC 6902) that makes `b` of `a`: an array of `add`, `remove` and `replace`,
/// empty where both are equal. `apply` of it to `a` gives a value equal to `b`. Time and memory are
/// in proportion to both values, times their depth; recursion is as deep as they nest.
[[nodiscard]] inline Value diff(const Value& a, const Value& b) {
  schema::detail::Diffing walk;
  walk.value(a, b);
  return walk.take();
}

}  // namespace persist::inline PERSIST_ABI

namespace persist::inline PERSIST_ABI {
namespace schema::detail {

/// Whether an integer and a real are the same number.
[[nodiscard]] inline bool same_number(const Value& integer, double real) noexcept {
  constexpr double beyond = 18446744073709551616.0;              // 2^64
  const bool can_be_one = real >= -beyond / 2 && real < beyond;  // and no NaN
  if (!can_be_one) return false;
  if (const auto* large = integer.get_if<std::uint64_t>())
    return real >= 0 && static_cast<double>(static_cast<std::uint64_t>(real)) == real &&
           static_cast<std::uint64_t>(real) == *large;
  if (real >= beyond / 2) return false;
  const auto whole = static_cast<std::int64_t>(real);
  return static_cast<double>(whole) == real && whole == *integer.get_if<std::int64_t>();
}
/// Equal as RFC 6902, section 4.6, has it: like `==`, but a number is a number, so 1 is 1.0.
[[nodiscard]] inline bool same_json(const Value& a, const Value& b) noexcept {
  const auto real = [](const Value& of, double& into) {
    if (const auto* single = of.get_if<float>()) return into = static_cast<double>(*single), true;
    const auto* wide = of.get_if<double>();
    return wide != nullptr && (into = *wide, true);
  };
  const auto is_integer = [](const Value& of) {
    return of.kind() == Value::Kind::integer || of.kind() == Value::Kind::unsigned_integer;
  };
  double number = 0;
  if (is_integer(a) && real(b, number)) return same_number(a, number);
  if (is_integer(b) && real(a, number)) return same_number(b, number);
  if (a.is_array() && b.is_array())
    return std::ranges::equal(a.elements(), b.elements(), same_json);
  if (a.is_map() && b.is_map())
    return std::ranges::equal(a.members(), b.members(),
                              [](const Value::Member& one, const Value::Member& other) {
                                return one.key == other.key && same_json(one.value, other.value);
                              });
  return a == b;
}

/// How many values there are in it, itself included.
[[nodiscard]] inline std::size_t count_values(const Value& value) noexcept {
  std::size_t count = 1;
  for (const Value& element : value.elements())
    count += count_values(element);
  for (const Value::Member& member : value.members())
    count += count_values(member.value);
  return count;
}

/// The operations of one patch, one after another, and what they may cost together.
class Patching {
 public:
  Patching(Value& root, const Value& patch)
      : root_(root), moves_left_(moves_per_value * (count_values(root) + count_values(patch))) {}

  Result<void> run(const Value& operation) {
    const auto* op = operation["op"].get_if<std::string>();
    const auto* path = operation["path"].get_if<std::string>();
    if (op == nullptr || path == nullptr)
      return Error(Errc::invalid, "an operation is a map with the texts `op` and `path`");
    if (auto fits = check_pointer(*path); !fits) return fits;
    const bool is_move = *op == "move";
    if (is_move || *op == "copy") return with_source(operation["from"], *path, is_move);
    if (*op == "remove") return remove(*path);
    if (*op != "add" && *op != "replace" && *op != "test")
      return Error(Errc::invalid, "there is no operation '" + Place().inside(*op).path() + "'");
    const Value* value = operation.find("value");
    if (value == nullptr) return Error(Errc::invalid, "this operation needs a `value`");
    if (*op == "add") return add(*path, Value(*value));
    auto target = follow(root_, *path);
    if (!target) return std::move(target).error();
    if (*op == "replace") return replace(**target, *path, *value);
    if (same_json(**target, *value)) return success;
    return Error(Errc::refused, "another value is there").at(path_text(root_, *path), "", "");
  }

 private:
  Result<void> with_source(const Value& member, std::string_view path, bool is_move) {
    const auto* from = member.get_if<std::string>();
    if (from == nullptr) return Error(Errc::invalid, "this operation needs the text `from`");
    if (auto fits = check_pointer(*from); !fits) return fits;
    const auto source = follow(root_, *from);
    if (!source) return source.error();
    if (!is_move) {
      if (auto fits = afford(**source, path); !fits) return fits;
      return add(path, Value(**source));
    }
    if (*from == path) return success;
    // No two pointers lead to one place, so their texts say which of two places is inside.
    if (path.starts_with(*from) && path[from->size()] == '/')
      return Error(Errc::invalid, "a value cannot be moved into itself")
          .at(path_text(root_, path), "", "");
    // Only what goes deeper can become too deep, so the rest is not looked through.
    if (steps_of(path) > steps_of(*from))
      if (auto fits = afford(**source, path); !fits) return fits;
    if (auto fits = move_rest(*from); !fits) return fits;
    auto taken = take(root_, *from);
    if (!taken) return std::move(taken).error();
    return put_in(path, *taken);
  }
  Result<void> add(std::string_view path, Value value) {
    if (auto fits = check_depth(path, value); !fits) return fits;
    return put_in(path, value);
  }
  Result<void> put_in(std::string_view path, Value& value) {
    if (auto fits = put(root_, path, nullptr, Put::insert); !fits) return fits;
    if (auto fits = move_rest(path); !fits) return fits;
    return put(root_, path, &value, Put::insert);
  }
  Result<void> replace(Value& target, std::string_view path, const Value& value) {
    if (auto fits = check_depth(path, value); !fits) return fits;
    target = value;
    return success;
  }
  Result<void> remove(std::string_view path) {
    if (auto fits = move_rest(path); !fits) return fits;
    if (auto taken = take(root_, path); !taken) return std::move(taken).error();
    return success;
  }

  [[nodiscard]] static std::ptrdiff_t steps_of(std::string_view path) noexcept {
    return std::count(path.begin(), path.end(), '/');
  }
  /// Counts what has to move aside for, or closes up after, the place the pointer leads to.
  Result<void> move_rest(std::string_view path) {
    if (path.empty()) return success;
    const auto parent = follow(root_, path.substr(0, path.rfind('/')));
    if (!parent) return parent.error();
    PointerSteps step(path.substr(path.rfind('/')));
    const std::size_t all = (*parent)->size();
    std::size_t moved = all;
    if ((*parent)->is_array()) {
      const auto index = parse_index(step.next(), all);
      moved = all - (std::min)(index.value_or(all), all);
    }
    return pay(moves_left_, moved, "moves");
  }
  /// Counts what is copied or looked through, and how deep it is going to lie.
  Result<void> afford(const Value& value, std::string_view path) {
    if (auto fits = check_depth(path, value); !fits) return fits;
    return pay_for(value);
  }
  Result<void> pay_for(const Value& value) {
    std::size_t bytes = sizeof(Value);
    if (const auto* text = value.get_if<std::string>()) bytes += text->size();
    if (const auto* raw = value.get_if<Value::Bytes>()) bytes += raw->size();
    if (auto fits = pay(bytes_left_, bytes, "copies"); !fits) return fits;
    for (const Value& element : value.elements())
      if (auto fits = pay_for(element); !fits) return fits;
    for (const Value::Member& member : value.members()) {
      if (auto fits = pay(bytes_left_, sizeof(std::string) + member.key.size(), "copies"); !fits)
        return fits;
      if (auto fits = pay_for(member.value); !fits) return fits;
    }
    return success;
  }
  static Result<void> pay(std::size_t& left, std::size_t cost, const char* what) {
    if (cost > left)
      return Error(Errc::too_large, std::string("the patch ") + what + " more than is allowed");
    left -= cost;
    return success;
  }

  Value& root_;
  std::size_t bytes_left_ = Limits().bytes;
  std::size_t moves_left_;
};

}  // namespace schema::detail

/// Applies a JSON Patch (RFC 6902) to a value: all of it, or nothing where one operation fails. It
/// works on a copy, so it takes the time and the memory of one.
///
/// A patch may come from outside. Errors say which operation failed: `invalid` (it is no patch, or
/// moves a value into itself), `refused` (a `test` found another value), `too_large` (it would nest
/// deeper than a record may, copies more than 64 MiB, or moves more than 256 values for each that
/// there is), and those of `locate`.
inline Result<void> apply(Value& to, const Value& patch) {
  if (!patch.is_array()) return Error(Errc::invalid, "a JSON Patch is an array of operations");
  Value copy = to;
  schema::detail::Patching work(copy, patch);
  for (std::size_t i = 0; i < patch.size(); ++i) {
    const Value& operation = patch[i];
    if (auto done = work.run(operation); !done) {
      const Error& why = done.error();
      const auto* op = operation["op"].get_if<std::string>();
      std::string words = "operation " + std::to_string(i);
      if (op != nullptr) words += " (" + schema::Place().inside(*op).path() + ")";
      if (!why.detail().empty()) words.append(": ").append(why.detail());
      return Error(why.code(), std::move(words))
          .at(std::string(why.path()), std::string(why.expected()), std::string(why.found()));
    }
  }
  to.swap(copy);
  return success;
}

}  // namespace persist::inline PERSIST_ABI

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

// What the calls without a session answer.

namespace persist::inline PERSIST_ABI {

/// A record as it was read, without any right to change it.
template <class Data>
struct Peeked {
  Data data;
  std::uint64_t version = 0;
  std::uint64_t load_count = 0;
  WallTime created{};
  WallTime updated{};
  std::vector<std::uint64_t> user_ids;
  Value metadata;
};

struct PeekOptions {
  bool live = false;  ///< the data of the session that is open here, saved or not
};

/// Who holds a record, and what waits in it.
struct Inspection {
  bool exists = false;  ///< with data
  bool held = false;
  Holder holder;  ///< or, where nobody holds it, who did last
  bool release_requested = false;
  std::uint64_t version = 0;
  std::uint64_t load_count = 0;
  std::size_t bytes = 0;
  std::size_t inbox_messages = 0;
  std::size_t inbox_bytes = 0;
  std::size_t outbox_messages = 0;
  WallTime created{};
  WallTime updated{};
};

struct Posted {
  bool repeated = false;       ///< it had been posted before
  std::uint64_t position = 0;  ///< in the inbox; 0 for a repeat whose place was forgotten
};

struct Overwritten {
  std::uint64_t version = 0;
  bool dropped_unknown =
      false;  ///< the old record had fields that this build does not know; they are gone
};

/// A page of keys. `next` begins the page after it.
struct KeyPage {
  std::vector<std::string> keys;
  std::string next;
  bool done = false;
};

struct EraseOptions {
  bool drop_outbox = false;  ///< messages that cannot be delivered do not hold it up
};

namespace detail {
/// What `update` answers for a function that returns R.
template <class R>
struct UpdateResult {
  using type = Result<R>;
};
template <class T>
struct UpdateResult<Result<T>> {
  using type = Result<T>;
};
}  // namespace detail

}  // namespace persist::inline PERSIST_ABI

namespace persist::inline PERSIST_ABI::codec {

/// What a record says of itself, before its payload.
struct EnvelopeHeader {
  std::uint16_t codec = 0;           ///< the id of the codec that wrote the payload
  std::uint32_t schema_version = 1;  ///< of the build that shaped the data
  std::uint32_t lowest_reader = 1;   ///< the lowest schema version that may read it
  std::uint64_t fingerprint = 0;     ///< of the schema; 0: not known
};

struct Envelope : EnvelopeHeader {
  ByteView payload;
};

/// Where each field of an envelope lies: numbers on disk, never renumber. All are little-endian.
/// `doc/format.md` has the grammar and an example.
///
/// Magic, checksum and format version stay where they are in every later format, so that a build
/// can tell bytes that are damaged from bytes that are too new for it.
struct EnvelopeLayout {
  static constexpr std::size_t magic = 0;     // 4 bytes
  static constexpr std::size_t checksum = 4;  // 4: CRC-32C of all other bytes, payload included
  static constexpr std::size_t format = 8;    // 2
  static constexpr std::size_t codec = 10;    // 2
  static constexpr std::size_t flags = 12;    // 4
  static constexpr std::size_t schema_version = 16;  // 4
  static constexpr std::size_t lowest_reader = 20;   // 4
  static constexpr std::size_t fingerprint = 24;     // 8
  static constexpr std::size_t length = 32;          // 4: of the payload
  static constexpr std::size_t size = 36;

  /// FF begins neither UTF-8 nor CBOR, so text and bare payloads are not taken for an envelope.
  static constexpr std::array<std::byte, 4> magic_bytes{std::byte{0xff}, std::byte{'p'},
                                                        std::byte{'s'}, std::byte{'t'}};
  static constexpr std::uint16_t format_version = 1;
  /// No flag has a meaning yet. One that a build does not know changes how the payload is to be
  /// read.
  static constexpr std::uint32_t known_flags = 0;
};

namespace envelope {

[[nodiscard]] inline std::uint32_t checksum(ByteView bytes) noexcept {
  const auto before = bytes.first(EnvelopeLayout::checksum);
  return detail::crc32c(bytes.subspan(EnvelopeLayout::format), detail::crc32c(before));
}

/// `corrupt` and `too_new` are read by a person who must not lose the record over it.
[[nodiscard]] inline Error refusal(Errc code, std::string what, std::string_view advice) {
  return {code, std::move(what) + "; the bytes were left as they are: " + std::string(advice)};
}
[[nodiscard]] inline Error damaged(std::string what) {
  return refusal(Errc::corrupt, std::move(what),
                 "restore the record from a backup or an older version");
}
[[nodiscard]] inline Error from_the_future(std::string what) {
  return refusal(Errc::too_new, std::move(what), "read it with the newer build that wrote it");
}

/// The same words for what is wrong inside the payload.
[[nodiscard]] inline Error left_alone(const Error& error) {
  const auto detail = std::string(error.detail()) + (error.detail().empty() ? "" : "; ");
  return Error(error.code(), detail + "the bytes were left as they are")
      .at(std::string(error.path()), std::string(error.expected()), std::string(error.found()));
}

[[nodiscard]] inline std::string hexadecimal(std::uint32_t number) {
  char digits[8];
  const auto end = std::to_chars(digits, digits + sizeof digits, number, 16).ptr;
  return {digits, end};
}

[[nodiscard]] inline Error wrong_length(std::size_t said, std::size_t there) {
  return damaged("the header of the record says " + std::to_string(said) + " bytes of data, and " +
                 std::to_string(there) + " are there");
}

/// What is wrong with bytes whose checksum does not match: their length, or their content.
[[nodiscard]] inline Error mismatch(ByteView bytes, std::uint32_t stored, std::uint32_t found) {
  const std::size_t length = load_little<std::uint32_t>(bytes.data() + EnvelopeLayout::length);
  const std::size_t there = bytes.size() - EnvelopeLayout::size;
  if (length > there) return wrong_length(length, there);
  if (checksum(bytes.first(EnvelopeLayout::size + length)) == stored)
    return wrong_length(length, there);
  return damaged("the checksum of the record is " + hexadecimal(stored) +
                 ", and that of its bytes is " + hexadecimal(found));
}

}  // namespace envelope

/// Appends an envelope. `payload` is called with the buffer and appends what goes inside, which is
/// not copied again.
///
/// On failure (`payload`'s own, or `too_large` at 4 GiB) the buffer is as it was before.
template <class Payload>
[[nodiscard]] Result<void> write_envelope(Buffer& out, const EnvelopeHeader& header,
                                          Payload&& payload) {
  using L = EnvelopeLayout;
  const std::size_t begin = out.size();
  (void)out.grow(L::size);
  Result<void> written = payload(out);
  const std::size_t length = out.size() - begin - L::size;
  if (written && length > (std::numeric_limits<std::uint32_t>::max)()) {
    written = Error(Errc::too_large,
                    "a record of " + std::to_string(length) + " bytes: an envelope holds 4 GiB");
  }
  if (!written) {
    out.shrink(begin);
    return written;
  }
  std::byte* at = out.data() + begin;
  std::copy(L::magic_bytes.begin(), L::magic_bytes.end(), at + L::magic);
  store_little(at + L::format, L::format_version);
  store_little(at + L::codec, header.codec);
  store_little(at + L::flags, std::uint32_t{0});
  store_little(at + L::schema_version, header.schema_version);
  store_little(at + L::lowest_reader, header.lowest_reader);
  store_little(at + L::fingerprint, header.fingerprint);
  store_little(at + L::length, static_cast<std::uint32_t>(length));
  store_little(at + L::checksum, envelope::checksum(out.view().subspan(begin)));
  return success;
}

/// Whether these bytes were written by something else. A record of ours whose magic alone was
/// damaged still has its checksum, which is over the right magic.
[[nodiscard]] inline bool is_foreign(ByteView bytes) noexcept {
  using L = EnvelopeLayout;
  const ByteView magic(L::magic_bytes);
  const std::size_t shown = (std::min)(bytes.size(), magic.size());
  if (bytes.empty() || same_bytes(bytes.first(shown), magic.first(shown))) return false;
  if (bytes.size() < L::size) return true;
  const auto stored = load_little<std::uint32_t>(bytes.data() + L::checksum);
  return detail::crc32c(bytes.subspan(L::format), detail::crc32c(magic)) != stored;
}

/// Reads what is around the payload, which lies in `bytes`. Nothing is believed before the checksum
/// matched.
///
/// `corrupt`: no envelope at all, cut short, followed by more, or any bit flipped. `too_new`: a
/// later format, or a flag this build does not know. Allocates only to say what is wrong.
[[nodiscard]] inline Result<Envelope> open_envelope(ByteView bytes) {
  using L = EnvelopeLayout;
  const auto has_magic = [bytes](std::size_t size) {
    return same_bytes(bytes.first(size), ByteView(L::magic_bytes).first(size));
  };
  if (bytes.empty() || !has_magic((std::min)(bytes.size(), L::magic_bytes.size()))) {
    return envelope::refusal(
        Errc::corrupt, "these " + std::to_string(bytes.size()) + " bytes are no record of persist",
        "move them away if they belong to something else");
  }
  if (bytes.size() < L::size) {
    return envelope::damaged("the record is cut short: " + std::to_string(bytes.size()) +
                             " bytes do not hold the header of " + std::to_string(L::size));
  }
  const std::byte* at = bytes.data();
  const auto stored = load_little<std::uint32_t>(at + L::checksum);
  const auto found = envelope::checksum(bytes);
  if (stored != found) return envelope::mismatch(bytes, stored, found);
  if (const auto format = load_little<std::uint16_t>(at + L::format); format != L::format_version) {
    return envelope::from_the_future("the record has format version " + std::to_string(format) +
                                     ", and this build knows " + std::to_string(L::format_version));
  }
  if (const auto flags = load_little<std::uint32_t>(at + L::flags);
      (flags & ~L::known_flags) != 0) {
    return envelope::from_the_future("the record has the flags " + envelope::hexadecimal(flags) +
                                     ", which this build does not know");
  }
  Envelope opened;
  opened.codec = load_little<std::uint16_t>(at + L::codec);
  opened.schema_version = load_little<std::uint32_t>(at + L::schema_version);
  opened.lowest_reader = load_little<std::uint32_t>(at + L::lowest_reader);
  opened.fingerprint = load_little<std::uint64_t>(at + L::fingerprint);
  opened.payload = bytes.subspan(L::size);
  if (const auto length = load_little<std::uint32_t>(at + L::length);
      length != opened.payload.size()) {
    return envelope::wrong_length(length, opened.payload.size());
  }
  return opened;
}

}  // namespace persist::inline PERSIST_ABI::codec

// Reading a record of an older schema version: as the struct of that version, and from there step
// by step to the newest.

namespace persist::inline PERSIST_ABI::codec {

namespace migrating {

using schema::detail::MemberTypes;
using schema::detail::Plan;
using schema::detail::Types;

/// The fingerprints of the fields of T, 0 for those that are not stored.
template <class Rules, class T>
inline constexpr auto field_prints = []<class... Ms>(Types<Ms...>) {
  std::array<std::uint64_t, sizeof...(Ms)> prints{};
  std::size_t at = 0;
  (
      [&] {
        if (Plan<Rules, T>::is_stored[at])
          prints[at] = schema::detail::compute_fingerprint<Rules, Ms>();
        ++at;
      }(),
      ...);
  return prints;
}(MemberTypes<T>{});

/// Whether a field is in both as it is, so that what was kept inside it has its place there too.
template <class Rules, class Old, class New>
[[nodiscard]] bool is_same_field(std::string_view name) noexcept {
  using Before = Plan<Rules, Old>;
  using After = Plan<Rules, New>;
  const std::size_t from = Before::find(name);
  const std::size_t to = After::find(name);
  return from != Before::none && to != After::none &&
         field_prints<Rules, Old>[Before::member_of(from)] ==
             field_prints<Rules, New>[After::member_of(to)];
}

}  // namespace migrating

/// One record on its way from an older version to the newest, which is decoded into `scratch`.
template <class Policy, class T>
class Migration {
 public:
  using List = schema::detail::VersionList<typename schema::detail::MigrationsOf<Policy>::type>;
  using Rules = schema::detail::RulesOf<Policy>;

  Migration(T& scratch, UnknownFields& unknown) noexcept : newest_(scratch), unknown_(unknown) {}

  /// Decodes a record of that version, which is older than the newest, by `decode(into, unknown)`.
  /// The errors are the codec's and those of the steps, whose place in the list is named.
  template <class Decode>
  [[nodiscard]] Result<void> run(std::uint32_t version, Decode&& decode) {
    unknown_.clear();
    Result<void> done = Error(Errc::corrupt, "schema version 0, and versions begin at 1");
    [&]<std::size_t... I>(std::index_sequence<I...>) {
      (void)((I + 1 == version && (done = from<I>(decode), true)) || ...);
    }(std::make_index_sequence<List::count - 1>{});
    if (!done) unknown_.clear();
    return done;
  }

 private:
  template <std::size_t I>
  using Type = typename List::template Type<I>;

  template <std::size_t I, class Decode>
  [[nodiscard]] Result<void> from(Decode& decode) {
    Type<I> old{};
    UnknownFields kept;
    auto decoded = decode(old, kept);
    if (decoded) decoded = carry<Type<I>>(kept);
    return decoded ? climb<I>(std::move(old)) : decoded;
  }
  template <std::size_t I>
  [[nodiscard]] Result<void> climb(Type<I>&& old) {
    if constexpr (I + 1 == List::count) {
      newest_ = std::move(old);
      return success;
    } else {
      auto next = schema::detail::run_step<typename List::template Version<I>>(std::move(old));
      if (!next) return failed_at(I + 1, next.error());
      if constexpr (std::is_same_v<std::remove_cvref_t<decltype(*next)>, Type<I + 1>>)
        return climb<I + 1>(*std::move(next));
      else
        return read_step<I + 1>(*next);
    }
  }
  /// What a step on values made is read as the version after it.
  template <std::size_t I>
  [[nodiscard]] Result<void> read_step(const Value& from) {
    Type<I> made{};
    UnknownFields kept;
    schema::ValueReader in(from);
    Result<void> done = schema::read<Policy>(in, made, kept);
    if (!done) return failed_at(I, done.error());
    done = carry<Type<I>>(kept);
    return done ? climb<I>(std::move(made)) : done;
  }

  [[nodiscard]] static Error failed_at(std::size_t version, const Error& why) {
    return Error(why.code(), "the migration from schema version " + std::to_string(version) +
                                 " to " + std::to_string(version + 1) + " failed" +
                                 (why.detail().empty() ? "" : ": ") + std::string(why.detail()))
        .at(std::string(why.path()), std::string(why.expected()), std::string(why.found()));
  }

  /// Takes over what that version did not know. It keeps its place where the newest version has the
  /// same place and does not use the name itself; elsewhere nobody could say what became of it, so
  /// it is handled as what cannot be kept always is.
  template <class Old>
  [[nodiscard]] Result<void> carry(UnknownFields& kept) {
    for (const std::string& path : kept.dropped())
      unknown_.drop(path);
    if (kept.empty()) return success;
    if constexpr (std::is_same_v<Old, T>) {
      unknown_ = std::move(kept);
      return success;
    } else {
      return carry_root<Old>(kept.make_root());
    }
  }
  template <class Old>
  [[nodiscard]] Result<void> carry_root(schema::KeptNode& from) {
    if constexpr (schema::kind_of<Old> == schema::Kind::structure &&
                  schema::kind_of<T> == schema::Kind::structure) {
      using P = schema::detail::Plan<Rules, T>;
      constexpr bool has_room = P::unknown_holder == P::none;
      for (auto& [name, item] : from.fields)
        if (!has_room || P::find(name) != P::none ||
            !unknown_.make_root().fields.try_emplace(name, std::move(item)).second)
          if (auto lost = lose(name); !lost) return lost;
      for (auto& [step, node] : from.below) {
        if (node->empty()) continue;
        if (!has_room || !migrating::is_same_field<Rules, Old, T>(step) ||
            !unknown_.make_root().below.try_emplace(step, std::move(node)).second)
          if (auto lost = lose(step); !lost) return lost;
      }
      return success;
    } else {
      return lose({});
    }
  }
  [[nodiscard]] Result<void> lose(std::string_view path) {
    if constexpr (Rules::drops_unknown) {
      unknown_.drop(std::string(path));
      return success;
    } else {
      return Error(Errc::too_new,
                   "this record of an older schema version holds what that version does not know, "
                   "and the newest has no place for it: let the version list the member, or the "
                   "policy say drop_unknown")
          .at(schema::Place().inside(path).path(), "", "");
    }
  }

  T& newest_;
  UnknownFields& unknown_;
};

}  // namespace persist::inline PERSIST_ABI::codec

namespace persist::inline PERSIST_ABI::codec {

/// The schema version of a record, and the lowest schema version that may read it.
struct RecordVersion {
  std::uint32_t schema_version = 1;
  std::uint32_t lowest_reader = 1;

  friend bool operator==(RecordVersion, RecordVersion) = default;
};

/// What a record that was read said of itself. The session keeps it for its next save.
struct RecordInfo : RecordVersion {
  std::uint64_t fingerprint = 0;  ///< 0: not known
  bool imported = false;  ///< the bytes were foreign, and are to be replaced by the next save
};

/// The schema version that a build with this Data policy writes: what the policy says, or the
/// number of its migrations' versions, or 1.
template <class Policy>
[[nodiscard]] constexpr std::uint32_t schema_version_of() noexcept {
  using Migrations = typename schema::detail::MigrationsOf<Policy>::type;
  if constexpr (requires { Policy::schema_version; })
    return Policy::schema_version;
  else if constexpr (schema::detail::has_migrations<Policy>)
    return static_cast<std::uint32_t>(schema::detail::VersionList<Migrations>::count);
  else
    return 1;
}

/// What a new record of this build says. Only builds of its schema version and above may read it,
/// and those below that its migrations marked as able to.
template <class Policy>
[[nodiscard]] constexpr RecordVersion version_of() noexcept {
  using Migrations = typename schema::detail::MigrationsOf<Policy>::type;
  constexpr std::uint32_t version = schema_version_of<Policy>();
  if constexpr (schema::detail::has_migrations<Policy>)
    return {version, schema::detail::VersionList<Migrations>::lowest_reader};
  else
    return {version, version};
}

/// What this build says in a record that it loaded and writes again. One of a higher schema, which
/// its writer allowed this build to read, keeps both numbers: the newer build must not migrate it a
/// second time.
template <class Policy>
[[nodiscard]] constexpr RecordVersion version_after(const RecordVersion& loaded) noexcept {
  return loaded.schema_version > schema_version_of<Policy>() ? loaded : version_of<Policy>();
}

/// The fingerprint of the type that is written; 0, not known, for data whose shape only its record
/// knows.
template <class Policy, class T>
[[nodiscard]] constexpr std::uint64_t fingerprint_of() noexcept {
  if constexpr (std::is_same_v<T, Value>) {
    return 0;
  } else {
    return schema::fingerprint<T, Policy>;
  }
}

namespace choosing {

template <class Codec>
[[nodiscard]] constexpr bool reads(std::uint16_t id) noexcept {
  if constexpr (reads_others<Codec>)
    return Codec::reads(id);
  else
    return id == Codec::id;
}
template <class Codec>
[[nodiscard]] std::string names_read() {
  if constexpr (reads_others<Codec>)
    return Codec::names();
  else
    return std::string(Codec::name);
}
template <class Codec, class Policy, class T>
[[nodiscard]] Result<void> decode_payload(const Envelope& record, T& scratch,
                                          UnknownFields& unknown, schema::Limits limits) {
  if constexpr (reads_others<Codec>)
    return Codec::template decode_from<Policy>(record.codec, record.payload, scratch, unknown,
                                               limits);
  else
    return Codec::template decode<Policy>(record.payload, scratch, unknown, limits);
}

}  // namespace choosing

/// Appends a whole record: envelope and encoded data. The errors are those of the codec and of
/// `write_envelope`; then `out` is as it was.
template <class Codec, class Policy, class T>
  requires codec_for<Codec, T, Policy>
[[nodiscard]] Result<void> encode_record(const T& data, UnknownFields& unknown,
                                         RecordVersion version, Buffer& out) {
  const EnvelopeHeader header{.codec = Codec::id,
                              .schema_version = version.schema_version,
                              .lowest_reader = version.lowest_reader,
                              .fingerprint = fingerprint_of<Policy, T>()};
  return write_envelope(
      out, header, [&](Buffer& to) { return Codec::template encode<Policy>(data, unknown, to); });
}

/// What is read instead of bytes that are no record of ours: by the policy's `import_legacy`. A
/// record whose first bytes were damaged is not foreign.
template <class Policy, class T>
[[nodiscard]] Result<RecordInfo> import_record(ByteView bytes, T& scratch) {
  Result<T> imported = persist::detail::caught("the hook import_legacy",
                                               [&] { return Policy::import_legacy(bytes); });
  if (!imported) return envelope::left_alone(imported.error());
  scratch = *std::move(imported);
  return RecordInfo{version_of<Policy>(), 0, true};
}
template <class Policy>
[[nodiscard]] consteval bool imports_legacy() {
  if constexpr (requires { Policy::has_import_legacy; })
    return Policy::has_import_legacy;
  else
    return false;
}

/// Reads a whole record into `scratch`, a fresh value. One of an older schema version is migrated
/// to the newest where the policy has migrations.
///
/// `wrong_codec` names both codecs. `too_new`: only a higher schema version may read it, or it
/// holds something that this build could not keep. `corrupt`, `schema_mismatch`, `too_large` as the
/// envelope and the codec have them. On failure `scratch` holds anything, and `bytes` are as they
/// were: whoever calls must not replace them.
template <class Codec, class Policy, class T>
  requires codec_for<Codec, T, Policy>
[[nodiscard]] Result<RecordInfo> decode_record(ByteView bytes, T& scratch, UnknownFields& unknown,
                                               schema::Limits limits) {
  if constexpr (imports_legacy<Policy>())
    if (is_foreign(bytes)) return import_record<Policy>(bytes, scratch);
  const auto opened = open_envelope(bytes);
  if (!opened) return opened.error();
  if (!choosing::reads<Codec>(opened->codec)) {
    return envelope::refusal(Errc::wrong_codec,
                             "the record was written by the codec " + name_of(opened->codec) +
                                 ", and this store reads " + choosing::names_read<Codec>(),
                             "open the store with the codec that wrote it");
  }
  if (opened->lowest_reader > schema_version_of<Policy>()) {
    return envelope::from_the_future(
        "the record has schema version " + std::to_string(opened->schema_version) +
        " and may be read from version " + std::to_string(opened->lowest_reader) +
        " on, and this build has " + std::to_string(schema_version_of<Policy>()));
  }
  const auto decode = [&](auto& into, UnknownFields& kept) {
    return choosing::decode_payload<Codec, Policy>(*opened, into, kept, limits);
  };
  const Result<void> decoded = [&] {
    if constexpr (schema::detail::has_migrations<Policy>)
      if (opened->schema_version < schema_version_of<Policy>())
        return Migration<Policy, T>(scratch, unknown).run(opened->schema_version, decode);
    return decode(scratch, unknown);
  }();
  if (!decoded) return envelope::left_alone(decoded.error());
  return RecordInfo{{opened->schema_version, opened->lowest_reader}, opened->fingerprint};
}
/// The same under the limits of what was stored as one record.
template <class Codec, class Policy, class T>
  requires codec_for<Codec, T, Policy>
[[nodiscard]] Result<RecordInfo> decode_record(ByteView bytes, T& scratch, UnknownFields& unknown) {
  return decode_record<Codec, Policy>(bytes, scratch, unknown,
                                      schema::limits_of_record(bytes.size()));
}

}  // namespace persist::inline PERSIST_ABI::codec

namespace persist::inline PERSIST_ABI::detail {

/// Marks that a hook of a policy runs on this thread, for as long as it lives: a hook may not call
/// a store, because a commit is half prepared around it. Per thread, so that what one thread's hook
/// does never refuses another's call.
class HookScope {
 public:
  HookScope() noexcept { ++depth(); }
  HookScope(const HookScope&) = delete;
  HookScope& operator=(const HookScope&) = delete;
  ~HookScope() { --depth(); }

  [[nodiscard]] static bool active() noexcept { return depth() != 0; }

 private:
  static int& depth() noexcept {
    thread_local int running = 0;
    return running;
  }
};

}  // namespace persist::inline PERSIST_ABI::detail

namespace persist::inline PERSIST_ABI {

/// Keeps an object alive that counts those who point at it in a member `refs`, in one word where a
/// `std::shared_ptr` takes two. Counting is atomic: handles of a shared store are dropped by any
/// thread.
template <class T>
class Counted {
 public:
  Counted() noexcept = default;
  explicit Counted(T* object) noexcept : object_(object) {
    if (object_ != nullptr) object_->refs.fetch_add(1, std::memory_order_relaxed);
  }
  Counted(const Counted& other) noexcept : Counted(other.object_) {}
  Counted(Counted&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  Counted& operator=(Counted other) noexcept { return std::swap(object_, other.object_), *this; }
  ~Counted() {
    if (object_ != nullptr && object_->refs.fetch_sub(1, std::memory_order_acq_rel) == 1)
      delete object_;
  }

  [[nodiscard]] T* get() const noexcept { return object_; }
  [[nodiscard]] T& operator*() const noexcept { return *object_; }
  [[nodiscard]] T* operator->() const noexcept { return object_; }
  explicit operator bool() const noexcept { return object_ != nullptr; }
  friend bool operator==(const Counted&, const Counted&) noexcept = default;

 private:
  T* object_ = nullptr;
};

}  // namespace persist::inline PERSIST_ABI

namespace persist::inline PERSIST_ABI {

/// Where a session is in its life. It only moves down this list, but for `open` and `suspect`,
/// which may alternate.
enum class State : std::uint8_t {
  loading,  ///< waits for its record
  open,     ///< holds the record
  suspect,  ///< could not renew in time: somebody may take over; edits are kept and saved if nobody
            ///< has
  releasing,  ///< its last save is under way
  released,   ///< ended; the last save and the return of the lease are done
  lost,       ///< ended; somebody newer has the record, and what was not saved is not
};

[[nodiscard]] constexpr std::string_view name(State state) noexcept {
  constexpr std::string_view names[] = {"loading",   "open",     "suspect",
                                        "releasing", "released", "lost"};
  return names[static_cast<std::uint8_t>(state)];
}
[[nodiscard]] constexpr bool ended(State state) noexcept {
  return state >= State::released;
}

/// Why a session is saved, or why it ended.
enum class Reason : std::uint8_t {
  asked,        ///< the game called for it
  autosave,     ///< it was due
  transaction,  ///< a partner's commit carries it
  handover,     ///< another server asked for the record
  shutdown,     ///< the store closes
  dropped,      ///< the last handle went without a release
  lost,         ///< somebody newer has the record, or it was erased
};

[[nodiscard]] constexpr std::string_view name(Reason reason) noexcept {
  constexpr std::string_view names[] = {"asked",    "autosave", "transaction", "handover",
                                        "shutdown", "dropped",  "lost"};
  return names[static_cast<std::uint8_t>(reason)];
}

/// What a save did.
struct Saved {
  bool written = false;       ///< false: nothing had changed
  std::uint64_t version = 0;  ///< of the record now
  std::size_t bytes = 0;      ///< of the record as it is stored
  WallTime at{};              ///< by the backend's clock
};

/// How a purchase stands.
enum class Grant : std::uint8_t {
  pending,  ///< applied here and not saved yet: tell the shop nothing
  durable,  ///< saved: tell the shop yes
  refused,  ///< so old that nobody can say whether it was granted: tell the shop no
};

/// How a transaction stands.
enum class Transacted : std::uint8_t {
  pending,  ///< applied here; no partner is saved without the others until all of them are
  durable,  ///< saved, all of it
};

/// How large a record was when it was last written, and how much of the limit that is (0 to 1).
struct Usage {
  std::size_t bytes = 0;
  double share = 0;
};

}  // namespace persist::inline PERSIST_ABI

namespace persist::inline PERSIST_ABI {

/// Something that happened to a session and that its listeners are told in order, after all states
/// have changed.
struct Event {
  enum class Kind : std::uint8_t {
    state_changed,   ///< from, to
    saved,           ///< saved
    save_refused,    ///< error: `validate` said no, or the data could not be encoded
    released,        ///< reason, was_saved
    renewal_failed,  ///< attempts_left
    dropped_fields,  ///< paths: unknown fields that the data policy allows to drop
    messages,        ///< some wait for their handlers
  };

  Kind kind = Kind::state_changed;
  State from = State::loading;
  State to = State::loading;
  Reason reason = Reason::asked;
  bool was_saved = false;
  int attempts_left = 0;
  Result<Saved> saved{};
  Error error{};
  std::vector<std::string> paths{};
};

}  // namespace persist::inline PERSIST_ABI

namespace persist::inline PERSIST_ABI {

using namespace std::chrono_literals;

/// "For ever" is spelled as the longest time there is, and added to the time of day that overflows.
inline constexpr Duration longest_pause = std::chrono::hours(24 * 365);

/// How many messages and bytes a record's inbox holds before a post is refused.
struct InboxLimit {
  std::size_t messages = 1000;
  std::size_t bytes = std::size_t{1} << 20;
};

/// What a store is told at run time. A duration of zero or less switches the thing off.
struct StoreOptions {
  std::string server_id{};  ///< who we are in `locked`; up to 23 bytes; random when empty
  Duration autosave = 30s;  ///< an edit is on its way to the disk after this at most
  Duration min_gap = 0s;    ///< between two saves of one session; a save that comes sooner waits
  Duration lease = 60s;     ///< how long a silent holder keeps others out
  Duration renew = 20s;     ///< how often a holder is heard of; a third of a lease that is shorter
  Duration load_deadline = 10s;  ///< of a blocking load that finds a holder
  Duration begin_deadline =
      90s;  ///< of a load that was begun: longer than a lease, so a dead holder's runs out
  Duration close_deadline = 10s;  ///< for `~Store` and `close_all`
  Duration relay = 5s;            ///< how often waiting messages are sent on
  bool save_on_release = true;    ///< false: a release gives the record back as it was last saved
  /// Bytes of one record's data; its user ids and metadata together may have as many.
  std::size_t record_limit = std::size_t{4} << 20;
  InboxLimit inbox_limit{};
  std::size_t outbox_limit = 1000;  ///< messages of one record that wait for their receivers
  Clock* clock = nullptr;           ///< must outlive the store; the machine's when null
  Log log{};
};

/// What one load is told.
template <class Data>
struct LoadOptionsFor {
  std::optional<Conflict> conflict{};    ///< instead of the lock policy's
  Duration deadline = Duration::zero();  ///< instead of the store's; zero: the store's
  std::optional<Data>
      default_value{};  ///< instead of the data policy's, for a record that does not exist
  std::function<bool()>
      while_{};  ///< asked when the load completes: "no" gives the record back, `cancelled`
};

struct SaveOptions {
  bool force = false;  ///< writes a clean session too
};

/// How a message is posted.
struct PostOptions {
  std::string_view id{};  ///< makes a repeat known for 7 days, and while the record has had few
                          ///< others since; `first_tried` has a later one refused
  Duration expires = std::chrono::hours(24 * 7);  ///< at most 45 days
  std::uint8_t priority = 0;                      ///< higher is handled earlier
  std::optional<WallTime>
      first_tried{};  ///< of a retry by hand: when the first try was, by the backend's clock
};

struct PollOptions {
  Duration at_most =
      Duration::zero();  ///< stops between sessions after this long; zero: does all that is due
};

}  // namespace persist::inline PERSIST_ABI

namespace persist::inline PERSIST_ABI {

struct TransactionGroup;

/// A message that came with the record or with a reply, and has not left the record yet.
struct WaitingMessage {
  Message message;
  std::uint8_t tries = 0;  ///< how often a handler failed on it
  bool handled = false;    ///< acknowledged by the next commit
};

/// How far a load has come.
struct LoadState {
  /// A caller that wants it.
  struct Waiter {
    std::function<bool()> while_;
    bool waits = true;  ///< until he calls it off
  };
  Conflict conflict = Conflict::refuse;
  bool once = false;        ///< `try_load`: one attempt
  bool asked = false;       ///< our request to the holder stands, as a reply said
  bool unheard_of = false;  ///< a reply was lost: its attempt may have taken the record, or may yet
  Intent intent = Intent::wait;  ///< of the next attempt
  std::uint32_t attempts = 0;
  std::uint64_t seen_epoch = 0;
  std::uint64_t seen_renewals = 0;
  TimePoint deadline{};
  TimePoint next_try{};
  /// When the earliest attempt left that may have taken the record: the lease counts from there.
  std::optional<TimePoint> sent;
  Error error{Errc{}};  ///< once done
  std::atomic<bool> done{false};
  std::vector<Waiter> waiters;
  std::atomic<std::uint32_t> refs{0};

  /// Whether anybody still waits for it. Otherwise the lease is given back.
  [[nodiscard]] bool has_waiters() const noexcept {
    return std::any_of(waiters.begin(), waiters.end(), [](const Waiter& w) { return w.waits; });
  }
};

using LoadPtr = Counted<LoadState>;

/// Something that lies beside the data. What a handler, grant or transaction makes of it is a draft
/// until that succeeds.
template <class T>
struct Beside {
  T value{};
  std::unique_ptr<T> draft;
  bool changed = false;  ///< since the last commit that was cut

  [[nodiscard]] const T& now() const noexcept { return draft ? *draft : value; }
  void put(T fresh, bool as_draft) {
    if (as_draft)
      draft = std::make_unique<T>(std::move(fresh));
    else
      value = std::move(fresh), changed = true;
  }
  void take_draft() {
    if (draft) put(std::move(*std::exchange(draft, nullptr)), false);
  }
};

/// What few sessions have, so that the many without it pay one pointer.
struct SessionExtras {
  Beside<std::vector<std::uint64_t>> user_ids;
  Beside<Buffer> metadata;  ///< CBOR

  std::vector<Receipt> receipts;          ///< saved
  std::vector<Receipt> pending_receipts;  ///< granted, not saved yet
  std::uint32_t receipts_forgotten = 0;

  std::vector<WaitingMessage> inbox;
  std::uint64_t seen_position = 0;
  std::vector<OutgoingMessage> sends;  ///< sent, not saved yet
  std::uint64_t send_number = 0;
  std::size_t outbox_waiting = 0;  ///< as of the last reply

  std::shared_ptr<TransactionGroup> group;

  std::optional<Duration> autosave;  ///< instead of the store's
  std::optional<Duration> min_gap;

  /// Objects the game hangs on the session, each found by the address of its type's tag.
  std::vector<std::pair<const void*, std::shared_ptr<void>>> attachments;
};

}  // namespace persist::inline PERSIST_ABI

namespace persist::inline PERSIST_ABI {

class SessionCore;
struct Change;
struct CommitRequest;
struct Snapshot;

struct Cut;
enum class Aim : std::uint8_t;

/// The store's side of a session. Each call takes the store's lock itself, so that a commit over
/// sessions of several stores never holds two of them.
class SessionHost : public std::enable_shared_from_this<SessionHost> {
 public:
  virtual void became_dirty(SessionCore& session) = 0;
  virtual void last_handle_dropped(SessionCore& session) = 0;

  // One commit of one session, step by step; a transaction takes these steps with sessions of
  // several stores.

  /// Marks the session as out, or says why it cannot go now.
  virtual Error board(SessionCore& session, Aim aim) = 0;
  /// Takes what leaves of it, at this moment.
  virtual void cut(SessionCore& session, Cut& cut, Change& change) = 0;
  /// It stays after all: what was cut is as if it had not been. `over`: so is its transaction,
  /// which had changed nothing.
  virtual void unboard(SessionCore& session, Cut& cut, bool over) = 0;
  /// Takes the outcome.
  virtual void settle(SessionCore& session, Cut& cut, Change& change, const CommitRequest& request,
                      Result<Saved>& result) = 0;
  /// Ends a partner of a transaction that was lost before it was stored: its record is still ours,
  /// and goes back.
  virtual void lose(SessionCore& session, const TransactionGroup& group) = 0;
  /// Tells listeners what happened.
  virtual void drain() = 0;

 protected:
  ~SessionHost() = default;
};

/// What a store knows of a session without its key's, data's and codec's types. Lives as long as
/// anybody points at it; `host()` is null once the session has ended or the store is gone.
class SessionCore {
 public:
  /// `new (spelled) Session…`: with room behind the object for the spelling of its key, so that
  /// both are one allocation.
  static void* operator new(std::size_t size, std::string_view spelled) {
    return ::operator new(size + spelled.size());
  }
  static void* operator new(std::size_t size, std::align_val_t align, std::string_view spelled) {
    return ::operator new(size + spelled.size(), align);
  }
  // NOLINTNEXTLINE(misc-new-delete-overloads): each `new` brings a key
  static void operator delete(void* at) noexcept { ::operator delete(at); }
  static void operator delete(void* at, std::align_val_t align) noexcept {
    ::operator delete(at, align);
  }
  static void operator delete(void* at, std::string_view) noexcept { ::operator delete(at); }
  static void operator delete(void* at, std::align_val_t align, std::string_view) noexcept {
    ::operator delete(at, align);
  }

  /// `size`: of the whole object, behind which the spelling goes.
  SessionCore(SessionHost& store, std::string_view spelled, std::size_t size)
      : host_(&store),
        key_hash_(hash_of(spelled)),
        key_at_(static_cast<std::uint32_t>(size)),
        key_size_(static_cast<std::uint8_t>(spelled.size())) {
    std::memcpy(reinterpret_cast<char*>(this) + key_at_, spelled.data(), spelled.size());
  }
  SessionCore(const SessionCore&) = delete;
  SessionCore& operator=(const SessionCore&) = delete;
  virtual ~SessionCore() = default;

  [[nodiscard]] std::string_view key() const noexcept {
    return {reinterpret_cast<const char*>(this) + key_at_, key_size_};
  }
  /// What a registry finds it by.
  [[nodiscard]] std::uint32_t key_hash() const noexcept { return key_hash_; }
  [[nodiscard]] static std::uint32_t hash_of(std::string_view key) noexcept {
    return static_cast<std::uint32_t>(std::hash<std::string_view>{}(key));
  }
  [[nodiscard]] SessionHost* host() const noexcept { return host_.load(std::memory_order_acquire); }
  void detach() noexcept { host_.store(nullptr, std::memory_order_release); }
  [[nodiscard]] bool dirty() const noexcept {
    return edited.load(std::memory_order_relaxed) != saved;
  }
  /// Whether autosave is to look at it: data that is captured from the game changes unsaid.
  [[nodiscard]] bool wants_saves() const noexcept { return dirty() || skips_equal; }
  [[nodiscard]] SessionExtras& more() {
    return extras ? *extras : *(extras = std::make_unique<SessionExtras>());
  }
  [[nodiscard]] LoadState* load() const noexcept { return loading.get(); }
  [[nodiscard]] TransactionGroup* group() const noexcept {
    return extras ? extras->group.get() : nullptr;
  }

  /// Marks the data changed: what is saved from now on is more than what was cut before.
  void mark_dirty() {
    if (ended(state)) return;  // an edit after the end is one of a copy
    edited.fetch_add(1, std::memory_order_relaxed);
    if (SessionHost* store = host(); !listed && store != nullptr) store->became_dirty(*this);
  }

  // The typed half. None of these calls the store.
  /// Appends the record's envelope; false where the data says that there is no record. `invalid`
  /// and the codec's errors.
  virtual Result<bool> encode(Buffer& out) = 0;
  /// Takes over what was read, or the default where there is no record. On failure the session
  /// stays without data.
  virtual Result<void> decode(Snapshot& from) = 0;
  /// Pulls the data from the game where it is captured.
  virtual Result<void> pull() = 0;
  /// Lets listeners look at the data and change it before it is encoded.
  virtual void fire_saving(Reason reason) = 0;
  /// Takes the game's last word: after a release was called for, what the data is captured from may
  /// be gone.
  virtual void game_lets_go() = 0;
  /// What the last decoding dropped because the data policy allows it.
  [[nodiscard]] virtual std::vector<std::string> take_dropped() = 0;
  virtual void deliver(Event& event, SessionHost& store) = 0;
  /// What was encoded last is durable; called where `keeps_durable`.
  virtual void saved_as_encoded() = 0;
  /// Whether the session's data may be read for a save now; `unlock` follows a yes.
  virtual bool try_lock() = 0;
  virtual void unlock() = 0;

 private:
  // The members go from large to small, and those of the typed half into the gap behind them.
  std::atomic<SessionHost*> host_;
  std::uint32_t key_hash_;
  std::uint32_t key_at_;

 public:
  std::unique_ptr<SessionExtras> extras;
  LoadPtr loading;  ///< until it is done; shared with the callers that wait for it

  std::uint64_t number = 0;  ///< the owner's session number
  std::uint64_t epoch = 0;
  std::uint64_t write = 0;  ///< of the last commit that was prepared
  std::uint64_t version = 0;
  std::uint64_t load_count = 0;
  WallTime created{};
  WallTime updated{};
  TimePoint renewed{};  ///< when the last accepted renewal was sent
  TimePoint
      save_at{};  ///< while dirty: when it is to be saved; the epoch of the clock: not stamped yet
  TimePoint not_before{};  ///< after a failure, or for `min_gap`: no commit leaves sooner
  TimePoint due{};         ///< what the due list is ordered by
  std::uint32_t due_index = no_index;
  std::atomic<std::uint32_t> edited{0};  ///< generation of the data
  std::uint32_t saved = 0;               ///< generation that is durable
  std::uint32_t stored_bytes = 0;
  std::uint32_t stored_crc = 0;
  std::atomic<std::uint32_t> refs{0};
  std::atomic<std::uint32_t> handles{0};
  std::atomic<std::uint16_t> edit_guards{
      0};                      ///< open ones; the data is half changed while there are any
  std::uint16_t failures = 0;  ///< attempts that failed in a row
  std::atomic<State> state{State::loading};
  Reason ending = Reason::asked;
  std::atomic<bool> listed{false};         ///< on the list of sessions that became dirty
  std::atomic<bool> in_function{false};    ///< a handler, grant or transaction is running on a copy
  std::atomic<bool> has_listeners{false};  ///< its own signals were connected
  std::atomic<bool> end_was_told{false};   ///< listeners of `released` were called

  // Set before anybody else sees the session.
  bool skips_equal : 1 =
      false;  ///< the data is captured from the game: what is equal to the stored is not written
  bool keeps_durable : 1 = false;  ///< a copy of the data as it is stored is kept
  bool is_offline : 1 = false;     ///< one change of a record that nobody plays: nobody joins it
  bool is_named : 1 = true;        ///< its key is known, not only how it is spelled
  // Read without the store's lock, so not in one byte with others.
  bool is_new = false;     ///< there was no record when it was loaded
  bool was_saved = false;  ///< at its end: its last changes are there
  // Only under the store's lock.
  bool in_flight : 1 = false;      ///< a commit is out
  bool messages_wait : 1 = false;  ///< their handlers could not run yet
  bool save_wanted : 1 = false;    ///< `request_save`
  bool force_wanted : 1 = false;
  bool gives_back : 1 = false;    ///< a load that came to nothing: the record goes back as it is
  bool check_wanted : 1 = false;  ///< the backend hinted at something
  bool counted : 1 = false;       ///< a commit of this epoch was applied
  bool has_record : 1 = false;    ///< there is one now

  static constexpr std::uint32_t no_index = 0xffffffff;

 private:
  std::uint8_t key_size_;
};

using SessionPtr = Counted<SessionCore>;

/// Sessions that no commit may write one by one: a transaction whose commit is not durable yet.
/// Keeps the partners and their stores, which other threads may drop meanwhile.
struct TransactionGroup {
  struct Partner {
    SessionPtr session;
    std::shared_ptr<SessionHost> store;
  };
  std::vector<Partner> partners;
  std::atomic<bool> durable{false};  ///< for who waits: the sessions have let go of it by then
};

}  // namespace persist::inline PERSIST_ABI

namespace persist::inline PERSIST_ABI {

/// Access to a session's data for a change. One pointer.
///
/// While it lives the session is not encoded, so half an edit is never saved; when it ends, and not
/// before, the session is dirty, so no edit slips behind a save. In a shared store it also holds
/// the session's lock, and `->` needs a guard with a name: over a temporary one a loop would go on
/// without the lock.
template <class Node>
class [[nodiscard]] EditGuard {
 public:
  explicit EditGuard(Node& node) : node_(&node) {
    node_->add_ref();
    node_->guard_lock().lock();
    if (node_->edit_guards.fetch_add(1, std::memory_order_relaxed) == 0) node_->begin_edit();
  }
  EditGuard(EditGuard&& other) noexcept : node_(std::exchange(other.node_, nullptr)) {}
  EditGuard& operator=(EditGuard&&) = delete;
  ~EditGuard() {
    if (node_ == nullptr) return;
    if (node_->edit_guards.fetch_sub(1, std::memory_order_relaxed) == 1) node_->finish_edit();
    // Inside a handler, grant or transaction the edit belongs to that, and counts when it succeeds.
    if (!node_->in_function) node_->mark_dirty();
    node_->guard_lock().unlock();
    node_->drop_ref();
  }

  [[nodiscard]] auto* operator->() & { return &node_->edit_target(); }
  [[nodiscard]] auto& operator*() & { return node_->edit_target(); }
  [[nodiscard]] auto* operator->() &&
        requires(!Node::is_shared)
  {
    return &node_->edit_target();
  }
  [[nodiscard]] auto& operator*() &&
        requires(!Node::is_shared)
  {
    return node_->edit_target();
  }

 private:
  Node* node_;
};

/// Access to a session's data for reading. One pointer; in a shared store it holds the session's
/// lock.
template <class Node>
class [[nodiscard]] ViewGuard {
 public:
  explicit ViewGuard(Node& node) : node_(&node) {
    node_->add_ref();
    node_->guard_lock().lock();
  }
  ViewGuard(ViewGuard&& other) noexcept : node_(std::exchange(other.node_, nullptr)) {}
  ViewGuard& operator=(ViewGuard&&) = delete;
  ~ViewGuard() {
    if (node_ == nullptr) return;
    node_->guard_lock().unlock();
    node_->drop_ref();
  }

  [[nodiscard]] const auto* operator->() const& { return &node_->view_target(); }
  [[nodiscard]] const auto& operator*() const& { return node_->view_target(); }
  // A temporary guard of a shared store would be gone before what it gave is read.
  void operator->() const&&
    requires(Node::is_shared)
  = delete;
  void operator*() const&&
    requires(Node::is_shared)
  = delete;

 private:
  Node* node_;
};

}  // namespace persist::inline PERSIST_ABI

namespace persist::inline PERSIST_ABI {

namespace detail {

template <class M, class Allowed>
struct MessageSet {
  static constexpr bool contains = std::same_as<M, Allowed>;
  static constexpr bool names_differ = true;
};
template <class M, class... Allowed>
struct MessageSet<M, std::variant<Allowed...>> {
  static constexpr bool contains = (std::same_as<M, Allowed> || ...);
  static constexpr std::size_t of_name(std::string_view name) {
    return (std::size_t{0} + ... + (schema::type_name<Allowed> == name ? 1U : 0U));
  }
  static constexpr bool names_differ = ((of_name(schema::type_name<Allowed>) == 1) && ...);
};

/// A function that the game hands over to change data may return nothing, a bool or a Result<void>.
template <class F, class... Args>
Result<void> call(F& fn, Args&... args) {
  if constexpr (!std::invocable<F&, Args&...>) {
    static_assert(std::invocable<F&, Args&...>,
                  "the function does not take what it is called with: fn(Data&), a handler "
                  "fn(Data&, const Gift&), a transaction fn(Data&, Data&, ...) in the order of its "
                  "sessions");
    return Errc::invalid;
  } else if constexpr (std::is_void_v<std::invoke_result_t<F&, Args&...>>) {
    fn(args...);
    return success;
  } else if constexpr (std::is_same_v<std::invoke_result_t<F&, Args&...>, bool>) {
    return fn(args...) ? Result<void>(success)
                       : Result<void>(Error(Errc::refused, "the function returned false"));
  } else {
    static_assert(std::is_same_v<std::invoke_result_t<F&, Args&...>, Result<void>>,
                  "the function returns nothing, a bool or a persist::Result<void>");
    return fn(args...);
  }
}

/// What a handler takes as its message: the second argument of a function, a lambda or an object
/// with one `()`. What names no message has no `type`.
template <class F>
struct HandledMessage {};
template <class F>
  requires requires { &F::operator(); }
struct HandledMessage<F> : HandledMessage<decltype(&F::operator())> {};
template <class R, class D, class M>
struct HandledMessage<R(D, M)> {
  using type = std::remove_cvref_t<M>;
};
template <class R, class D, class M>
struct HandledMessage<R(D, M) noexcept> : HandledMessage<R(D, M)> {};
template <class F>
struct HandledMessage<F*> : HandledMessage<F> {};
template <class R, class C, class D, class M>
struct HandledMessage<R (C::*)(D, M)> : HandledMessage<R(D, M)> {};
template <class R, class C, class D, class M>
struct HandledMessage<R (C::*)(D, M) const> : HandledMessage<R(D, M)> {};
template <class R, class C, class D, class M>
struct HandledMessage<R (C::*)(D, M) noexcept> : HandledMessage<R(D, M)> {};
template <class R, class C, class D, class M>
struct HandledMessage<R (C::*)(D, M) const noexcept> : HandledMessage<R(D, M)> {};

template <class F>
struct CheckedHandler {
  static_assert(
      requires { typename HandledMessage<F>::type; },
      "a handler of messages names in its second argument the type that it takes, and is "
      "no template: [](Data&, const Gift&) { ... }");
  using type = typename HandledMessage<F>::type;
};

}  // namespace detail

/// Changes data for one type of message. Fails without a trace: it works on a copy.
template <class Data>
struct MessageHandler {
  std::string_view type;
  std::function<Result<void>(Data&, const Message&)> handle;
};

/// Checks at compile time that a record of that data takes messages of type M.
template <class Policy, class M>
constexpr void check_message() {
  static_assert(!std::is_void_v<typename Policy::message>,
                "this data takes no messages: name them in its policy, `using message = "
                "std::variant<Gift, Mail>`");
  static_assert(detail::MessageSet<M, typename Policy::message>::contains,
                "the data policy's `message` does not list this type of message");
  static_assert(detail::MessageSet<M, typename Policy::message>::names_differ,
                "two messages of this data have one name: give one of them a `persist_name`");
}

/// Messages are CBOR, whatever the store's codec: the reader may be another build with another one.
template <class M>
[[nodiscard]] Result<void> encode_message(const M& message, Buffer& out) {
  UnknownFields none;
  return codec::Cbor::encode<schema::NoPolicy>(message, none, out);
}

/// Reads a message that was written as CBOR or as JSON. `wrong_codec` for anything else.
template <class M>
[[nodiscard]] Result<M> decode_message(const Message& from) {
  Result<M> message(M{});
  UnknownFields ignored;
  Result<void> read;
  if (from.codec == codec::Cbor::id)
    read = codec::Cbor::decode<schema::NoPolicy>(from.payload, *message, ignored);
  else if (from.codec == codec::Json::id)
    read = codec::Json::decode<schema::NoPolicy>(from.payload, *message, ignored);
  else
    read = Error(Errc::wrong_codec,
                 "a message is CBOR or JSON; this one says codec " + std::to_string(from.codec));
  if (!read) return read.error();
  return message;
}

/// Turns a game's handler, `fn(Data&, const M&)`, into one that takes what lies in an inbox.
template <class Data, class M, class F>
[[nodiscard]] MessageHandler<Data> core_handler(F&& fn) {
  return {schema::type_name<M>,
          [fn = std::forward<F>(fn)](Data& data, const Message& from) mutable -> Result<void> {
            Result<M> message = decode_message<M>(from);
            if (!message) return message.error();
            return detail::call(fn, data, *message);
          }};
}

}  // namespace persist::inline PERSIST_ABI

namespace persist::inline PERSIST_ABI {

/// Everything a session tells, and with `First` the session itself in front, everything a store
/// tells of its sessions.
///
/// In order: `saving` before a save is encoded, `saved` after every attempt; at the end … `saved`,
/// `released`.
template <class Data, class... First>
struct Signals {
  Signal<First..., Data&, Reason> saving;        ///< the data may still be changed
  Signal<First..., const Result<Saved>&> saved;  ///< what an attempt came to
  Signal<First..., const Error&>
      save_refused;  ///< `validate` or the codec said no; nothing was written
  Signal<First..., Reason, bool> released;  ///< why it ended, and whether the last save is there
  Signal<First..., State, State> state_changed;  ///< from, to
  Signal<First..., int> renewal_failed;          ///< about how many more tries fit into the lease
  Signal<First..., const std::vector<std::string>&>
      dropped_fields;  ///< paths the data policy let go
};

}  // namespace persist::inline PERSIST_ABI

namespace persist::inline PERSIST_ABI {

template <class Stack>
class Session;

namespace detail {
template <class T>
struct RecordOf {
  using type = T;
  static constexpr bool may_be_empty = false;
};
template <class T>
struct RecordOf<std::optional<T>> {
  using type = T;
  static constexpr bool may_be_empty = true;
};
struct NoHooks {};
}  // namespace detail

/// Marks that hooks of the policy may run while a record is decoded, where it has any that do.
template <class Policy>
using LoadScope = std::conditional_t<Policy::loads_by_hooks, detail::HookScope, detail::NoHooks>;

/// Checks at compile time that a change of the data would reach the game it is captured from.
template <class Policy>
constexpr void check_changeable() {
  static_assert(
      !Policy::has_capture || Policy::has_apply,
      "this data is captured from the game: change it there, or give its policy an `apply`");
}

/// The five arguments of a store, checked one by one so that the compiler names the one at fault,
/// and what they stand for.
template <class K, class D, class B, class L, class C>
struct Stack {
  static_assert(usable_as_key<K>,
                "the Key of a Store is an integer, a string type, or a policy with a value_type "
                "and a spell function");
  static_assert(data_policy<D>,
                "the Data of a Store is a type that can be stored, or a policy with a data_type");
  static_assert(
      record_backend<B>,
      "the Backend of a Store does not do all that a backend must: see backend/concept.hpp");
  static_assert(
      lock_policy<L>,
      "the LockPolicy of a Store is lock::Lease<...> or lock::None, or one in access::Shared");
  static_assert(codec_for<C, typename detail::RecordOf<data_type_of<D>>::type, DataPolicy<D>>,
                "the Codec of a Store cannot write and read its Data");

  using Key = key::policy_of<K>;
  using KeyValue = typename Key::value_type;
  using Data = data_type_of<D>;
  using Policy = DataPolicy<D>;
  using Backend = B;
  using LockPolicy = L;
  using Codec = C;
  using Access = access_of<L>;
  using Handle = Session<Stack>;
};

}  // namespace persist::inline PERSIST_ABI

namespace persist::inline PERSIST_ABI {

template <class Stack>
class StoreCore;

/// Whether the game has the object that a key names. Only then is data captured from it and applied
/// to it.
enum class InGame : std::uint8_t {
  not_yet,  ///< nobody has taken the loaded session: the game's object does not hold its data
  here,
  left,   ///< the game called `release`: the object may be gone
  never,  ///< a change of a record that nobody plays
};

/// A session with its types: the key it was loaded with, the data, and what the data's build does
/// not know.
template <class S>
class SessionNode final : public SessionCore {
 public:
  using Data = typename S::Data;
  using KeyValue = typename S::KeyValue;
  using Policy = typename S::Policy;
  using SessionLock = typename S::Access::SessionLock;
  static constexpr bool is_shared = S::Access::is_shared;

  SessionNode(SessionHost& store, std::string_view spelled, KeyValue value)
      : SessionCore(store, spelled, sizeof(SessionNode)), key_value_(std::move(value)) {
    skips_equal = Policy::has_capture;
    keeps_durable = Policy::keep_durable;
  }
  SessionNode(const SessionNode&) = delete;
  SessionNode& operator=(const SessionNode&) = delete;
  ~SessionNode() override { delete rare_.load(); }

  [[nodiscard]] const KeyValue& key_value() const noexcept { return key_value_; }
  [[nodiscard]] Data& data() noexcept { return data_; }
  [[nodiscard]] UnknownFields& unknown() noexcept { return unknown_; }
  [[nodiscard]] SessionLock& guard_lock() noexcept { return lock_; }
  void add_ref() noexcept { refs.fetch_add(1, std::memory_order_relaxed); }
  void drop_ref() noexcept {
    if (refs.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }

  /// What an edit changes: the data; inside a handler, grant or transaction the copy it works on;
  /// after the end a copy that is never saved.
  [[nodiscard]] Data& edit_target() {
    if (in_function) return *rare().working;
    if (!ended(state)) [[likely]]
      return data_;
    Rare& rare = this->rare();
    if (!rare.after_end) {
      rare.after_end = std::make_unique<Data>(data_);
      if (host() != nullptr) core().edited_after_end(*this);
    }
    return *rare.after_end;
  }
  [[nodiscard]] const Data& view_target() const noexcept {
    return in_function ? *rare_.load(std::memory_order_acquire)->working : data_;
  }

  /// The default of a load that brings its own.
  void set_default(Data value) { rare().default_value = std::make_unique<Data>(std::move(value)); }
  [[nodiscard]] Signals<Data>& signals() {
    has_listeners = true;
    return rare().signals;
  }
  [[nodiscard]] std::list<MessageHandler<Data>>& handlers() { return rare().handlers; }
  [[nodiscard]] const Data* durable_copy() const noexcept {
    return rare_ ? rare_.load()->durable.get() : nullptr;
  }

  Result<bool> encode(Buffer& out) override;
  Result<void> decode(Snapshot& from) override;
  Result<void> pull() override { return capture(); }
  void fire_saving(Reason reason) override;
  void deliver(Event& event, SessionHost& store) override;
  bool try_lock() override { return lock_.try_lock(); }
  void unlock() override { lock_.unlock(); }
  [[nodiscard]] std::vector<std::string> take_dropped() override {
    std::vector<std::string> paths = unknown_.dropped();
    unknown_.forget_dropped();
    return paths;
  }
  void saved_as_encoded() override {
    if constexpr (Policy::keep_durable) rare().durable = std::move(rare().encoded);
  }

  /// Runs `fn` on a copy of the data and moves the copy in when it returned well and the result
  /// could be saved: a message or purchase that no commit can hold would keep out all that comes
  /// after it. Whatever happens otherwise leaves nothing, also of what was changed beside the data
  /// inside. With `capture` the game's data is pulled before and what changed is pushed after.
  template <class F>
  Result<void> on_copy(F&& fn);
  /// The copy that a function works on, from `begin_copy` until it is moved in or dropped.
  /// Other threads hold back what would be half of its effect until it is whole or taken back.
  void begin_copy(Data& copy) { rare().working = &copy, in_function = true; }
  void end_copy() noexcept { in_function = false; }
  /// Whether the last save has left or is over, so that a change would be in none; while a function
  /// runs on a copy none leaves. Another thread may have ended the session since it was found.
  [[nodiscard]] Error ends() {
    if (host() != nullptr) {
      const auto hold = core().lock();
      if (!ended(state) && (state != State::releasing || !in_flight)) return Errc{};
    }
    return Error(Errc::closed, "the session has ended").for_key(key());
  }
  void take_in(Data&& copy) {
    data_ = std::move(copy);
    if (extras) {
      const auto hold = core().lock();
      extras->user_ids.take_draft();
      extras->metadata.take_draft();
    }
    mark_dirty();
  }
  /// The number of the newest message that was sent from here, and taking back what was sent after
  /// that and the drafts of what lies beside the data. By number: a save that is out may end
  /// meanwhile and take older ones from the list.
  [[nodiscard]] std::uint64_t last_sent() {
    if (host() == nullptr) return 0;
    const auto hold = core().lock();
    return extras ? extras->send_number : 0;
  }
  void take_back(std::uint64_t last) {
    if (!extras || host() == nullptr) return;
    const auto hold = core().lock();
    std::erase_if(extras->sends, [last](const OutgoingMessage& m) { return m.number > last; });
    extras->user_ids.draft = nullptr;
    extras->metadata.draft = nullptr;
  }
  /// Pulls the game's data, for as long as the game holds it. `invalid` if the hook threw.
  Result<void> capture() {
    if constexpr (Policy::has_capture) {
      if (in_game == InGame::here)
        return in_hook("the hook capture", [&] { data_ = Policy::capture(key_value_); });
    }
    return success;
  }
  /// Pushes what a function made of the data into the game, for as long as the game holds it.
  /// `invalid` if the hook threw: the next capture would not find the change, so it must not count.
  Result<void> apply(const Data& data) {
    if constexpr (Policy::has_apply) {
      if (in_game == InGame::here)
        return in_hook("the hook apply", [&] { Policy::apply(key_value_, data); });
    }
    return success;
  }
  /// Gives the game what the session holds: the end of an edit, or of a change that came to
  /// nothing.
  void apply_own() {
    if (auto done = apply(data_); !done) core().log(LogLevel::error, done.error().message());
  }
  /// The session is for one change of a record that nobody plays. Its messages wait for the player:
  /// a handler's effect must not be part of this change.
  /// `named` says whether its key is the game's own, and not an empty one in its place.
  void go_offline(bool named) noexcept {
    in_game = InGame::never, is_offline = true, is_named = named;
  }
  /// The game has taken the session.
  void enter_game() noexcept {
    InGame expected = InGame::not_yet;
    in_game.compare_exchange_strong(expected, InGame::here);
  }
  void game_lets_go() override {
    if constexpr (Policy::has_capture) {
      if (in_game != InGame::here) return;
      if (edit_guards == 0 && !in_function) (void)capture();
      in_game = InGame::left;
    }
  }
  /// An edit of captured data is one of what the game has now, and reaches the game when it ends.
  void begin_edit() {
    if constexpr (Policy::has_capture)
      if (!in_function && !ended(state)) (void)capture();
  }
  void finish_edit() {
    if constexpr (Policy::has_apply)
      if (!in_function && !ended(state)) apply_own();
  }
  std::atomic<InGame> in_game{InGame::not_yet};

  /// Whether such data could be saved: valid, and not too large.
  [[nodiscard]] Result<void> check(const Data& data);
  [[nodiscard]] StoreCore<S>& core() { return static_cast<StoreCore<S>&>(*host()); }

 private:
  struct Rare {
    Signals<Data> signals;
    std::list<MessageHandler<Data>> handlers;     ///< one that runs may connect more
    std::optional<codec::RecordVersion> version;  ///< of a record that a newer build wrote
    Data* working = nullptr;                      ///< the copy, while a function runs on one
    std::unique_ptr<Data> default_value;
    std::unique_ptr<Data> after_end;
    std::unique_ptr<Data> encoded;
    std::unique_ptr<Data> durable;
  };
  /// Made by whoever needs it first; handlers look for it from any thread.
  [[nodiscard]] Rare& rare() {
    if (Rare* made = rare_.load(std::memory_order_acquire)) return *made;
    auto fresh = std::make_unique<Rare>();
    Rare* none = nullptr;
    return rare_.compare_exchange_strong(none, fresh.get()) ? *fresh.release() : *none;
  }
  [[nodiscard]] codec::RecordVersion record_version() const noexcept {
    const Rare* rare = rare_.load(std::memory_order_acquire);
    return rare && rare->version ? *rare->version : codec::version_of<Policy>();
  }
  /// Runs a hook of the policy. One that throws is a refusal: around it a commit is half prepared.
  template <class F>
  [[nodiscard]] Result<void> in_hook(std::string_view which, F&& body) const;
  [[nodiscard]] Result<void> valid(const Data& data) const {
    if constexpr (!Policy::has_validate) return success;
    return in_hook("the hook validate", [&] { return Policy::validate(data); });
  }
  [[nodiscard]] Result<bool> encode_data(const Data& data, UnknownFields& unknown, Buffer& out);
  void handle_messages(StoreCore<S>& core);
  void tell(Event& event, StoreCore<S>& core);
  /// Calls listeners. What one of them throws is written to the log: it has nobody to go to, and a
  /// poll that it ended halfway would leave others' sessions without their outcome.
  template <class F>
  void call_listeners(StoreCore<S>& core, F&& fire);

  PERSIST_NO_UNIQUE_ADDRESS SessionLock lock_;
  KeyValue key_value_;
  Data data_{};
  UnknownFields unknown_;
  std::atomic<Rare*> rare_{nullptr};  // owned
};

template <class S>
template <class F>
Result<void> SessionNode<S>::in_hook(std::string_view which, F&& body) const {
  const detail::HookScope hook;
  Result<void> done = detail::caught(which, [&] { return detail::call(body); });
  if (done) return done;
  return Error(done.error()).for_key(key());
}

template <class S>
Result<bool> SessionNode<S>::encode_data(const Data& data, UnknownFields& unknown, Buffer& out) {
  Result<void> written = valid(data);
  if (written) {
    if constexpr (detail::RecordOf<Data>::may_be_empty) {
      if (!data) return false;
      written =
          codec::encode_record<typename S::Codec, Policy>(*data, unknown, record_version(), out);
    } else {
      written =
          codec::encode_record<typename S::Codec, Policy>(data, unknown, record_version(), out);
    }
  }
  if (written) return true;
  Error why = written.error();
  return std::move(why).for_key(key());
}

template <class S>
Result<bool> SessionNode<S>::encode(Buffer& out) {
  if constexpr (Policy::keep_durable) rare().encoded = std::make_unique<Data>(data_);
  return encode_data(data_, unknown_, out);
}

template <class S>
Result<void> SessionNode<S>::check(const Data& data) {
  Buffer bytes;
  // Encoding forgets what has lost its place, and this is a trial that may come to nothing.
  UnknownFields unknown = unknown_.clone();
  if (const auto encoded = encode_data(data, unknown, bytes); !encoded) return encoded.error();
  const std::size_t limit = core().limits().record_bytes;
  if (bytes.size() <= limit) return success;
  return Error(Errc::too_large, "the record would have " + std::to_string(bytes.size()) +
                                    " bytes; the limit is " + std::to_string(limit))
      .for_key(key());
}

template <class S>
Result<void> SessionNode<S>::decode(Snapshot& from) {
  if (!from.has_data) {
    Result<void> given = success;
    if (rare_ && rare_.load()->default_value)
      data_ = std::move(*std::exchange(rare_.load()->default_value, nullptr));
    else if (Policy::has_defaults && !is_named)
      return Error(Errc::not_found, "there is no record, and its default needs the key itself")
          .for_key(key());
    else
      given = in_hook("the hook defaults", [&] { data_ = Policy::defaults(key_value_); });
    if constexpr (gives_user_ids<typename S::Key>) {
      if (!is_named) return given;
      UserIds users;
      S::Key::user_ids(key_value_, users);
      from.user_ids.assign(users.begin(), users.end());
      more().user_ids.changed = !users.empty();
    }
    return given;
  }
  const auto info = [&] {
    [[maybe_unused]] const LoadScope<Policy> hooks;
    if constexpr (detail::RecordOf<Data>::may_be_empty)
      return codec::decode_record<typename S::Codec, Policy>(from.data, data_.emplace(), unknown_);
    else
      return codec::decode_record<typename S::Codec, Policy>(from.data, data_, unknown_);
  }();
  if (!info) return info.error();
  constexpr auto usual = codec::version_of<Policy>();
  if (const auto after = codec::version_after<Policy>(*info); after != usual)
    rare().version = after;
  if constexpr (Policy::keep_durable) rare().durable = std::make_unique<Data>(data_);
  if (info->imported) edited.fetch_add(1, std::memory_order_relaxed);
  return valid(data_);
}

template <class S>
template <class F>
Result<void> SessionNode<S>::on_copy(F&& fn) {
  if (in_function || edit_guards != 0)
    return Error(Errc::busy, "an edit guard, handler, grant or transaction of this session is open")
        .for_key(key());
  if (auto captured = capture(); !captured) return captured;
  Data copy = data_;
  begin_copy(copy);
  const struct Running {
    SessionNode& node;
    ~Running() { node.end_copy(); }
  } running{*this};
  const std::uint64_t sent = last_sent();
  if (Error no = ends(); failed(no)) return no;
  Result<void> done = detail::caught(
      "the function", [&] { return fn(copy); }, Errc::refused);
  if (!done && done.error().key().empty()) done = Error(done.error()).for_key(key());
  if (done && ended(state))
    done = Error(Errc::closed, "the session ended meanwhile").for_key(key());
  if (done) done = check(copy);
  if (done) {
    done = apply(copy);
    if (!done) apply_own();
  }
  if (!done) {
    take_back(sent);
    return done;
  }
  take_in(std::move(copy));
  return success;
}

}  // namespace persist::inline PERSIST_ABI

// What a session tells its listeners, and how messages reach their handlers.

namespace persist::inline PERSIST_ABI {

template <class S>
template <class F>
void SessionNode<S>::call_listeners(StoreCore<S>& core, F&& fire) {
  const auto done = detail::caught("a listener", [&]() -> Result<void> {
    fire();
    return success;
  });
  if (!done)
    core.log(LogLevel::error, std::string(key()) + ": " + std::string(done.error().detail()));
}

template <class S>
void SessionNode<S>::fire_saving(Reason reason) {
  auto& store = core();
  if (rare_) call_listeners(store, [&] { rare_.load()->signals.saving.fire(data_, reason); });
  call_listeners(store, [&] { store.fire_saving(*this, reason); });
}

template <class S>
void SessionNode<S>::deliver(Event& event, SessionHost& store) {
  auto& core = static_cast<StoreCore<S>&>(store);
  if (event.kind == Event::Kind::messages) return handle_messages(core);
  tell(event, core);
}

/// Fires the session's signal and the store's. A failure that nobody listens to is written to the
/// log.
template <class S>
void SessionNode<S>::tell(Event& event, StoreCore<S>& core) {
  const auto& all = core.listeners();
  bool heard = false;
  const auto fire = [&](auto member, const auto& on_store, const auto&... args) {
    if (rare_) {
      const auto& on_session = rare_.load()->signals.*member;
      heard = on_session.has_handlers();
      call_listeners(core, [&] { on_session.fire(args...); });
    }
    if (!on_store.has_handlers()) return;
    heard = true;
    typename S::Handle self(*this);
    call_listeners(core, [&] { on_store.fire(self, args...); });
  };
  using Own = Signals<Data>;
  switch (event.kind) {
    case Event::Kind::state_changed:
      fire(&Own::state_changed, all.state_changed, event.from, event.to);
      break;
    case Event::Kind::saved:
      fire(&Own::saved, all.saved, event.saved);
      if (!heard && !event.saved)
        core.log(LogLevel::warning, "a save failed: " + event.saved.error().message());
      break;
    case Event::Kind::save_refused:
      fire(&Own::save_refused, all.save_refused, event.error);  // and `saved` says it too
      break;
    case Event::Kind::released:
      end_was_told = true;
      fire(&Own::released, all.released, event.reason, event.was_saved);
      if (!heard && !event.was_saved)
        core.log(LogLevel::warning, std::string(key()) + ": the session ended (" +
                                        std::string(name(event.reason)) +
                                        ") and its last changes were not saved");
      break;
    case Event::Kind::renewal_failed:
      fire(&Own::renewal_failed, all.renewal_failed, event.attempts_left);
      if (!heard) core.log(LogLevel::warning, "a lease was not renewed: " + event.error.message());
      break;
    case Event::Kind::dropped_fields:
      fire(&Own::dropped_fields, all.dropped_fields, event.paths);
      if (!heard)
        core.log(LogLevel::warning,
                 std::string(key()) +
                     ": fields that this build does not know were dropped, the first " +
                     event.paths.front());
      break;
    case Event::Kind::messages:
      break;
  }
}

/// Gives each waiting message to its handler: higher priority first, then in the order they came.
/// One that has no handler waits, one whose handler failed three times is put aside until the next
/// load; neither holds up others. Until then one that failed holds up what its sender sent behind
/// it with the same priority, and nobody else's: order is a sender's, and what was posted from
/// outside has none. What was handled is acknowledged by the commit that saves its effect.
template <class S>
void SessionNode<S>::handle_messages(StoreCore<S>& core) {
  constexpr std::uint8_t most_tries = 3;
  const std::unique_lock<SessionLock> reading(lock_);
  if (in_game == InGame::never || failed(ends())) return;
  if (in_function || edit_guards != 0 || state == State::loading)
    return core.postpone_messages(*this);
  std::vector<WaitingMessage> waiting;
  {
    const auto hold = core.lock();
    if (!extras) return;
    for (const WaitingMessage& each : extras->inbox)
      if (!each.handled && each.tries < most_tries) waiting.push_back(each);
  }
  std::stable_sort(waiting.begin(), waiting.end(),
                   [](const WaitingMessage& a, const WaitingMessage& b) {
                     return a.message.priority > b.message.priority;
                   });
  std::vector<std::pair<Hash128, std::uint8_t>> held_up;  // senders, with the priority
  for (const WaitingMessage& each : waiting) {
    if (edit_guards != 0) return core.postpone_messages(*this);  // a handler left one open
    const Message& message = each.message;
    const std::pair line(message.origin.source, message.priority);
    if (std::find(held_up.begin(), held_up.end(), line) != held_up.end()) continue;
    const bool expired = message.expires <= core.backend_time();
    const auto* handler =
        expired ? nullptr
                : core.find_handler(rare_ ? &rare_.load()->handlers : nullptr, message.type);
    if (!expired && handler == nullptr) continue;
    Result<void> done = success;
    if (expired)
      mark_dirty();
    else
      done = on_copy([&](Data& copy) { return handler->handle(copy, message); });
    if (ended(state)) return;
    const auto hold = core.lock();
    const auto at = std::find_if(
        extras->inbox.begin(), extras->inbox.end(),
        [&](const WaitingMessage& w) { return w.message.position == message.position; });
    if (at == extras->inbox.end()) continue;
    if (done) {
      at->handled = true;
      ++core.metrics().messages_handled;
      continue;
    }
    ++core.metrics().messages_failed;
    core.log(LogLevel::warning, std::string(key()) + ": the handler of a message (" + message.type +
                                    ") failed: " + done.error().message());
    if (++at->tries == most_tries) {
      core.log(LogLevel::error, std::string(key()) + ": a message (" + message.type +
                                    ") is put aside until the next load");
      continue;
    }
    held_up.push_back(line);  // of a post that is its id, which no other message has
    core.postpone_messages(*this);
  }
}

}  // namespace persist::inline PERSIST_ABI

namespace persist::inline PERSIST_ABI {

/// A purchase as the shop names it, and when it was made, where that is known. A receipt without a
/// time is granted only as long as nothing was forgotten that could have been it.
struct ReceiptId {
  std::string_view id;
  std::optional<WallTime> time{};

  ReceiptId(std::string_view text) : id(text) {}    // NOLINT: a text is a receipt
  ReceiptId(const char* text) : id(text) {}         // NOLINT
  ReceiptId(const std::string& text) : id(text) {}  // NOLINT
  ReceiptId(std::string_view text, WallTime when) : id(text), time(when) {}
};

}  // namespace persist::inline PERSIST_ABI

namespace persist::inline PERSIST_ABI {

/// A loaded record: the data, and the right to change it while nobody newer has it.
///
/// A handle: copies are the same session, and it outlives its store safely (every call then answers
/// `closed`). The first `release` ends it for all handles; dropping the last handle is a release at
/// the next poll, and reported as one. Thread rule: that of its store.
template <class S>
class Session {
 public:
  using Data = typename S::Data;
  using Node = SessionNode<S>;
  using Edit = EditGuard<Node>;
  using View = ViewGuard<Node>;

  explicit Session(Node& node) noexcept : node_(&node) {
    node_->add_ref();
    node_->handles.fetch_add(1, std::memory_order_relaxed);
  }
  Session(const Session& other) noexcept : Session(*other.node_) {}
  Session& operator=(Session other) noexcept { return std::swap(node_, other.node_), *this; }
  ~Session() {
    if (node_->handles.fetch_sub(1, std::memory_order_acq_rel) == 1 && node_->host() != nullptr)
      node_->host()->last_handle_dropped(*node_);
    node_->drop_ref();
  }
  friend bool operator==(const Session& a, const Session& b) noexcept { return a.node_ == b.node_; }

  // What it is. None of these calls reads a clock or the backend.
  /// In signals of a change by a key's mere spelling, an empty one.
  [[nodiscard]] const typename S::KeyValue& key() const noexcept { return node_->key_value(); }
  /// The key as storage spells it.
  [[nodiscard]] std::string_view id() const noexcept { return node_->key(); }
  /// Names this one session among all that ever were in this database.
  [[nodiscard]] std::string instance_id() const {
    return std::to_string(node_->epoch) + "-" + std::to_string(node_->number);
  }
  [[nodiscard]] State state() const noexcept { return node_->state; }
  [[nodiscard]] bool is_active() const noexcept { return !ended(node_->state); }
  [[nodiscard]] std::uint64_t epoch() const noexcept { return node_->epoch; }
  /// Of the record, as of the last load or save; grows with each write of the data.
  [[nodiscard]] std::uint64_t version() const { return read(node_->version); }
  [[nodiscard]] WallTime created() const { return read(node_->created); }
  [[nodiscard]] WallTime updated() const { return read(node_->updated); }
  [[nodiscard]] std::uint64_t load_count() const { return read(node_->load_count); }
  [[nodiscard]] bool is_new() const noexcept { return node_->is_new; }
  [[nodiscard]] bool is_dirty() const noexcept { return node_->dirty(); }
  [[nodiscard]] std::size_t stored_bytes() const { return read(node_->stored_bytes); }
  /// How often a lost connection may still fail to renew before somebody else can take over.
  [[nodiscard]] int attempts_left() const {
    const auto hold = lock();
    return node_->host() == nullptr ? 0 : core().attempts_left(*node_);
  }
  [[nodiscard]] Usage usage() const {
    const double limit =
        node_->host() == nullptr ? 0.0 : static_cast<double>(core().limits().record_bytes);
    const std::size_t bytes = stored_bytes();
    return {bytes, limit > 0 ? static_cast<double>(bytes) / limit : 0.0};
  }

  // The data.
  /// Access for a change; the session is dirty when the guard ends. After the session's end: to a
  /// copy that is never saved (see `try_edit`).
  [[nodiscard]] Edit edit() {
    check_changeable<typename S::Policy>();
    return Edit(*node_);
  }
  /// Runs `fn(data)` inside one guard and returns what it returns.
  template <class F>
    requires std::invocable<F, Data&>
  decltype(auto) edit(F&& fn) {
    Edit guard = edit();
    return std::forward<F>(fn)(*guard);
  }
  /// As `edit`, but `closed` after the end.
  [[nodiscard]] Result<Edit> try_edit() {
    if (ended(node_->state)) return Error(Errc::closed, "the session has ended").for_key(id());
    return Result<Edit>(edit());
  }
  [[nodiscard]] View view() const { return View(*node_); }
  [[nodiscard]] Data clone() const {
    const View guard = view();
    return *guard;
  }
  /// What a JSON Pointer leads to, as `persist::get` under the names of the data policy.
  template <std::convertible_to<std::string_view> Pointer>
  [[nodiscard]] Result<Value> get(const Pointer& pointer) const;
  /// As `persist::set` inside a guard. `closed` after the end, and the errors of `persist::set`:
  /// then the session is as clean as it was, unless its data is captured from the game.
  template <std::convertible_to<std::string_view> Pointer>
  Result<void> set(const Pointer& pointer, const Value& value);
  /// Marks the session dirty: it is written by the next save even if nothing changed.
  void touch() {
    if (!ended(node_->state)) node_->mark_dirty();
  }

  // Saving. Each blocks for one round trip, but for the `request_` ones. A failure is also told by
  // `on_saved`.
  /// Writes what changed. `closed`, `busy` (an edit guard is open, or a save is out), `invalid`
  /// (`validate` said no), `too_large`, `fenced` (the session is lost), `io`, `unavailable` and
  /// `timeout` (it stays dirty and is tried again by `poll`), `unknown_outcome`. With `min_gap` it
  /// waits first.
  Result<Saved> save(SaveOptions options = {});
  /// Has the next poll save it; joins one that is wanted already.
  Result<void> request_save(SaveOptions options = {});
  /// Saves what changed and gives the record back, in one commit; the session has ended, for all
  /// handles. Errors as `save`: with `invalid` and `too_large` the record is given back as it was;
  /// with the others the session is `releasing` and `poll` goes on trying.
  Result<Saved> release(Reason reason = Reason::asked);
  Result<void> request_release(Reason reason = Reason::asked);
  /// Erases the record with all it has, and ends the session.
  Result<void> erase();
  /// What storage holds now. `fenced` if another epoch wrote since, `not_found` if there is nothing
  /// yet; the kept copy where the data policy says `keep_durable`, and otherwise blocks for one
  /// read.
  [[nodiscard]] Result<Data> durable();

  // Beside the data; saved with it.
  [[nodiscard]] std::vector<std::uint64_t> user_ids() const {
    return read_more([](const SessionExtras& more) { return more.user_ids.now(); });
  }
  // Inside a handler, grant or transaction of this session a change belongs to its success.
  // `closed`, `busy` (one of another thread is running), `too_large` (both together, against
  // `record_limit`).
  Result<void> add_user_id(std::uint64_t user);
  Result<void> remove_user_id(std::uint64_t user);
  /// A small value of the game's own; null where there is none.
  [[nodiscard]] Result<Value> metadata() const;
  Result<void> set_metadata(const Value& value);
  /// An object of the game's that lives with the session, made at the first call. Never saved.
  /// Where two threads make it at once, one of the two is kept.
  template <class T, class... Args>
  T& attach(Args&&... args);
  void set_autosave(Duration interval);
  void set_min_gap(Duration gap);

  // Between players.
  /// Sends a message to another record with the save that holds its cause, or not at all. `full`:
  /// the outbox is; `invalid`: the key; `closed`; `busy`: while the lease is in doubt, or another
  /// thread runs a handler, grant or transaction of this session.
  template <class K, class M>
  Result<void> send(const K& key, const M& message, PostOptions options = {});
  /// Applies a purchase once: `fn(data)` runs on a copy, unless this receipt was granted before.
  /// `pending` until a save has written it; asked again after that, `durable`.
  /// `closed`, `busy`, `invalid` (the result breaks a rule), `too_large` (it could not be saved),
  /// and what `fn` says: then nothing has changed. Encodes the result once, to know its size.
  template <class F>
  Result<Grant> grant_once(ReceiptId receipt, F&& fn);
  /// Handles one type of message for this session: `fn(Data&, const Gift&)`, before the store's own
  /// handlers.
  template <class F>
  void on_message(F&& fn);
  [[nodiscard]] std::size_t waiting_messages() const {
    return read_more([](const SessionExtras& more) { return more.inbox.size(); });
  }

  // Signals: connected until the returned connection is dropped.
  template <class F>
  Connection on_saving(F&& fn) {
    return node_->signals().saving.connect(std::forward<F>(fn));
  }
  template <class F>
  Connection on_saved(F&& fn) {
    return node_->signals().saved.connect(std::forward<F>(fn));
  }
  template <class F>
  Connection on_save_refused(F&& fn) {
    return node_->signals().save_refused.connect(std::forward<F>(fn));
  }
  template <class F>
  Connection on_state_changed(F&& fn) {
    return node_->signals().state_changed.connect(std::forward<F>(fn));
  }
  template <class F>
  Connection on_renewal_failed(F&& fn) {
    return node_->signals().renewal_failed.connect(std::forward<F>(fn));
  }
  template <class F>
  Connection on_dropped_fields(F&& fn) {
    return node_->signals().dropped_fields.connect(std::forward<F>(fn));
  }
  /// One that is connected after the end is called at once.
  template <class F>
  Connection on_released(F&& fn);

  [[nodiscard]] Node& node() const noexcept { return *node_; }

 private:
  [[nodiscard]] StoreCore<S>& core() const { return static_cast<StoreCore<S>&>(*node_->host()); }
  /// The store's lock, where other threads may change what is read; nothing otherwise, and after
  /// the store is gone.
  [[nodiscard]] auto lock() const {
    using Lock = std::unique_lock<typename S::Access::Mutex>;
    return node_->host() == nullptr ? Lock() : Lock(core().mutex());
  }
  template <class T>
  [[nodiscard]] T read(const T& field) const {
    const auto hold = lock();
    return field;
  }
  template <class F>
  [[nodiscard]] auto read_more(F&& use) const {
    const auto hold = lock();
    using R = decltype(use(std::declval<const SessionExtras&>()));
    return node_->extras ? use(*node_->extras) : R{};
  }
  /// Why this session takes no call now, or `Errc{}`.
  [[nodiscard]] Error refusal() const;
  /// `change(extras, as_draft)` changes what leaves with the data, and says whether it did.
  template <class F>
  Result<void> change_beside(F&& change);
  [[nodiscard]] Result<void> fits_beside(std::size_t users, std::size_t metadata) const;

  Node* node_;
};

}  // namespace persist::inline PERSIST_ABI

namespace persist::inline PERSIST_ABI {

// How long the id of a purchase is remembered: at least so many of them, and all of so many days.
// Shops ask again for days, not for months.
inline constexpr std::size_t receipts_kept = 4096;
inline constexpr std::uint32_t receipt_days_kept = 90;

/// The day a receipt of that time is kept under: days since 1970, UTC.
[[nodiscard]] inline std::uint32_t day_of(WallTime time) {
  // The time comes from a shop: one that is far out must not wrap round to a day that was
  // forgotten.
  constexpr std::int64_t last = (std::numeric_limits<std::uint32_t>::max)();
  const std::int64_t days = std::chrono::floor<std::chrono::days>(time).time_since_epoch().count();
  return static_cast<std::uint32_t>(std::clamp<std::int64_t>(days, 0, last));
}

/// Leaves each receipt once. One whose commit landed and was not heard of is stored twice, and must
/// not count twice among those that are kept.
inline void drop_repeats(std::vector<Receipt>& receipts) {
  if (receipts.size() <= receipts_kept) return;
  std::sort(receipts.begin(), receipts.end(), [](const Receipt& a, const Receipt& b) {
    return a.id < b.id || (a.id == b.id && a.day < b.day);
  });
  receipts.erase(std::unique(receipts.begin(), receipts.end()), receipts.end());
}

/// The newest day whose receipts, and all older ones, may be forgotten; 0 for none.
///
/// Whole days are forgotten, never single receipts, so that "older than what was forgotten" is a
/// clear line: what lies behind it is refused, not granted a second time.
[[nodiscard]] inline std::uint32_t forget_through(std::span<const Receipt> receipts, WallTime now) {
  if (receipts.size() <= receipts_kept) return 0;
  std::vector<std::uint32_t> days;
  days.reserve(receipts.size());
  for (const Receipt& receipt : receipts)
    days.push_back(receipt.day);
  // The last day that must stay is that of the 4,096th newest receipt.
  const auto kept = days.end() - static_cast<std::ptrdiff_t>(receipts_kept);
  std::nth_element(days.begin(), kept, days.end());
  const std::uint32_t today = day_of(now);
  const std::uint32_t old = today > receipt_days_kept ? today - receipt_days_kept : 0;
  const std::uint32_t limit = (std::min)(*kept, old);
  const bool any =
      std::any_of(days.begin(), days.end(), [limit](std::uint32_t day) { return day < limit; });
  return any && limit > 0 ? limit - 1 : 0;
}

}  // namespace persist::inline PERSIST_ABI

namespace persist::inline PERSIST_ABI {

/// What a commit of a session is for.
enum class Aim : std::uint8_t {
  save,       ///< write what changed, if anything did
  force,      ///< write in any case
  renew,      ///< be heard of, and hear; write what changed
  release,    ///< write what changed and give the record back
  hold,       ///< be heard of, and hear; write nothing
  give_back,  ///< give the record back as it is
};

/// What leaves of one session in one commit: one cut of one moment. Owns every byte, so that it can
/// go to another thread and be sent again as it was.
struct Cut {
  Buffer key;
  Buffer data;
  Buffer metadata;
  std::vector<std::uint64_t> user_ids;
  std::vector<std::uint64_t> acknowledged;
  std::vector<OutgoingMessage> messages;
  std::vector<Send> sends;  ///< views of `messages`
  std::vector<Receipt> receipts;
  std::uint32_t generation = 0;
  std::uint32_t bytes = 0;
  std::uint32_t crc = 0;
  TimePoint sent{};
  Aim aim = Aim::save;
  Reason reason = Reason::asked;
  bool has_data = false;  ///< data is written or removed
  bool has_ids = false;
  bool has_metadata = false;
  bool held_back = false;  ///< the data was to be read, and somebody is editing it
  Error refused{Errc{}};  ///< why the data is not in it: `validate`, the codec or the limit said no

  void clear() {
    key.clear(), data.clear(), metadata.clear(), user_ids.clear(), acknowledged.clear();
    messages.clear(), sends.clear(), receipts.clear();
    generation = bytes = crc = 0;
    aim = Aim::save, reason = Reason::asked;
    has_data = has_ids = has_metadata = held_back = false;
    refused = Error(Errc{});
  }
};

/// A commit on its way: the cargo that goes to the backend, and the sessions it belongs to, which
/// stay with the caller's thread. Kept and used again, so that a save allocates nothing once the
/// store has warmed up.
struct Flight {
  std::vector<Cut> cuts;  ///< may be longer than `size`: spare ones keep their buffers
  std::vector<Change> changes;
  CommitRequest request;

  std::vector<SessionPtr> sessions;
  std::vector<SessionHost*> hosts;          ///< of the sessions
  std::shared_ptr<TransactionGroup> group;  ///< where there are partners: it keeps their hosts
  std::vector<Result<Saved>> results;
  std::uint32_t attempts = 0;
  bool resend = false;  ///< its outcome is unknown: the same bytes go again

  [[nodiscard]] std::size_t size() const noexcept { return sessions.size(); }
  void add(SessionPtr session, SessionHost& host) {
    if (cuts.size() == sessions.size()) cuts.emplace_back();
    cuts[sessions.size()].clear();
    sessions.push_back(std::move(session));
    hosts.push_back(&host);
  }
  void clear() {
    sessions.clear(), hosts.clear(), group.reset(), changes.clear(), results.clear(),
        attempts = 0, resend = false, request = {};
  }
};

}  // namespace persist::inline PERSIST_ABI

namespace persist::inline PERSIST_ABI {

/// Sessions by when something is to be done about them: a binary heap in which each session knows
/// its place, so that changing one's mind is O(log n) and asking what is due is O(1) however many
/// sessions there are.
class DueList {
 public:
  [[nodiscard]] bool empty() const noexcept { return heap_.empty(); }
  /// The session that is due first. There must be one.
  [[nodiscard]] SessionCore& first() const noexcept { return *heap_.front(); }
  [[nodiscard]] std::size_t size() const noexcept { return heap_.size(); }

  void set(SessionCore& session, TimePoint due) {
    session.due = due;
    if (session.due_index == SessionCore::no_index) {
      session.due_index = static_cast<std::uint32_t>(heap_.size());
      heap_.push_back(&session);
    }
    down(up(session.due_index));
  }
  void remove(SessionCore& session) noexcept {
    const std::uint32_t at = std::exchange(session.due_index, SessionCore::no_index);
    if (at == SessionCore::no_index) return;
    SessionCore* last = heap_.back();
    heap_.pop_back();
    if (last == &session) return;
    place(at, last);
    down(up(at));
  }

 private:
  void place(std::uint32_t at, SessionCore* session) noexcept {
    heap_[at] = session, session->due_index = at;
  }
  std::uint32_t up(std::uint32_t at) noexcept {
    SessionCore* session = heap_[at];
    for (; at > 0 && session->due < heap_[(at - 1) / 2]->due; at = (at - 1) / 2)
      place(at, heap_[(at - 1) / 2]);
    place(at, session);
    return at;
  }
  void down(std::uint32_t at) noexcept {
    SessionCore* session = heap_[at];
    const auto size = static_cast<std::uint32_t>(heap_.size());
    while (2 * at + 1 < size) {
      std::uint32_t child = 2 * at + 1;
      if (child + 1 < size && heap_[child + 1]->due < heap_[child]->due) ++child;
      if (!(heap_[child]->due < session->due)) break;
      place(at, heap_[child]);
      at = child;
    }
    place(at, session);
  }

  std::vector<SessionCore*> heap_;
};

}  // namespace persist::inline PERSIST_ABI

namespace persist::inline PERSIST_ABI {

/// What a store has done since it was opened.
struct Metrics {
  std::uint64_t loads = 0;  ///< that gave a session of their own
  std::uint64_t loads_failed = 0;
  std::uint64_t conflicts = 0;  ///< attempts that found a holder
  std::uint64_t saves = 0;      ///< that wrote data
  std::uint64_t saves_failed = 0;
  std::uint64_t saves_refused = 0;  ///< by `validate`, the codec or the limit
  std::uint64_t bytes_saved = 0;
  std::uint64_t renewals = 0;  ///< commits that wrote nothing
  std::uint64_t releases = 0;
  std::uint64_t handovers = 0;  ///< releases that another server asked for
  std::uint64_t lost = 0;       ///< sessions that somebody newer ended
  std::uint64_t rounds = 0;     ///< batches handed to the backend
  std::uint64_t messages_handled = 0;
  std::uint64_t messages_failed = 0;
  std::uint64_t messages_sent = 0;
  std::uint64_t messages_relayed = 0;
  std::uint64_t grants = 0;
  std::uint64_t grants_repeated = 0;
  std::uint64_t transactions = 0;
  std::uint64_t edits_after_end = 0;  ///< of a copy that is never saved
};

}  // namespace persist::inline PERSIST_ABI

namespace persist::inline PERSIST_ABI {

/// The sessions of a store by the spelling of their key. One table of pointers, at most three
/// quarters full, in which a session lies at its place or behind others without a gap; an entry
/// costs eleven bytes to twenty-two. Holds a reference to each.
class Registry {
 public:
  Registry() : table_(8, nullptr) {}
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
    if (4 * (size_ + 1) > 3 * table_.size()) grow();
    session.refs.fetch_add(1, std::memory_order_relaxed);
    put(session);
    ++size_;
  }
  /// Forgets the session; the caller must hold a reference of its own. Harmless if it is not there.
  void remove(SessionCore& session) {
    std::size_t gap = place(session.key_hash());
    for (; table_[gap] != &session; gap = behind(gap))
      if (table_[gap] == nullptr) return;
    // Whoever lies behind the gap and not before its own place moves up into it.
    for (std::size_t at = behind(gap); table_[at] != nullptr; at = behind(at)) {
      const std::size_t own = place(table_[at]->key_hash());
      if (way(own, at) < way(gap, at)) continue;
      table_[gap] = table_[at];
      gap = at;
    }
    table_[gap] = nullptr;
    --size_;
    session.refs.fetch_sub(1, std::memory_order_acq_rel);
  }
  template <class F>
  void for_each(F&& visit) const {
    for (SessionCore* session : table_)
      if (session != nullptr) visit(*session);
  }
  [[nodiscard]] std::vector<SessionPtr> all() const {
    std::vector<SessionPtr> sessions;
    sessions.reserve(size_);
    for_each([&](SessionCore& session) { sessions.emplace_back(&session); });
    return sessions;
  }

 private:
  [[nodiscard]] SessionCore* find(std::string_view key, std::uint32_t hash) const noexcept {
    for (std::size_t at = place(hash); table_[at] != nullptr; at = behind(at))
      if (table_[at]->key_hash() == hash && table_[at]->key() == key) return table_[at];
    return nullptr;
  }
  [[nodiscard]] std::size_t place(std::uint32_t hash) const noexcept {
    return hash & (table_.size() - 1);
  }
  [[nodiscard]] std::size_t behind(std::size_t at) const noexcept {
    return (at + 1) & (table_.size() - 1);
  }
  /// How many steps it is from one place on to the other.
  [[nodiscard]] std::size_t way(std::size_t from, std::size_t to) const noexcept {
    return (to - from) & (table_.size() - 1);
  }
  void put(SessionCore& session) {
    std::size_t at = place(session.key_hash());
    while (table_[at] != nullptr)
      at = behind(at);
    table_[at] = &session;
  }
  void grow() {
    std::vector<SessionCore*> old(2 * table_.size(), nullptr);
    old.swap(table_);
    for (SessionCore* session : old)
      if (session != nullptr) put(*session);
  }
  void clear() {
    for (const SessionPtr& session : all())
      remove(*session);
  }

  std::vector<SessionCore*> table_;  // a power of two
  std::size_t size_ = 0;
};

}  // namespace persist::inline PERSIST_ABI

namespace persist::inline PERSIST_ABI {

/// What several stores on one database have to say to it at one moment: one batch a kind of
/// request.
///
/// Commits go before acquisitions, so that a record that one store lets go is another's in the same
/// round.
struct Round {
  std::vector<CommitRequest> commits;
  std::vector<AcquireRequest> acquires;
  /// Per acquire: the session that is being loaded. Until the round is complete nobody else sees
  /// its data, so it is the scratch that the record is decoded into.
  std::vector<SessionPtr> loading;
  std::vector<Result<void>> decoded;

  [[nodiscard]] bool empty() const noexcept { return commits.empty() && acquires.empty(); }
  void clear() { commits.clear(), acquires.clear(), loading.clear(), decoded.clear(); }

  template <class Backend>
  void perform(Backend& backend) {
    if (!commits.empty()) backend.commit(std::span(commits));
    if (acquires.empty()) return;
    backend.acquire(std::span(acquires));
    decoded.assign(acquires.size(), success);
    for (std::size_t i = 0; i < acquires.size(); ++i)
      if (acquires[i].is_to_be_read()) decoded[i] = loading[i]->decode(acquires[i].record);
  }
};

struct Flight;

/// What one store has in a round: kept by the poll that runs it, so that a poll inside a handler,
/// or on another thread, is a poll of its own.
struct Manifest {
  std::vector<Flight*> flights;
  std::size_t first_commit = 0;
  std::size_t first_acquire = 0;
  std::size_t acquires = 0;
  TimePoint now{};                       ///< of this round
  TimePoint stop_at = TimePoint::max();  ///< no session is begun after this
};

/// A store as `persist::poll` sees it.
template <class Backend>
class RoundPartner {
 public:
  [[nodiscard]] virtual Backend& backend() = 0;
  virtual void begin_poll() = 0;
  /// Adds what is due to the round.
  virtual void prepare(Round& round, Manifest& mine) = 0;
  /// Takes the replies of what it added.
  virtual void complete(Round& round, Manifest& mine) = 0;
  /// Does what comes after the rounds and says when something is due next.
  virtual TimePoint end_poll() = 0;
  /// The poll that was begun is over, whether it came to its end or something threw.
  virtual void leave_poll() noexcept = 0;

 protected:
  ~RoundPartner() = default;
};

/// Runs rounds until nothing more is due: for each database one batch a round, however many stores
/// share it. With a `limit` above zero no session is begun after that long. Returns the earliest
/// time at which something is due.
template <class Backend>
TimePoint poll_partners(std::span<RoundPartner<Backend>* const> partners, Duration limit,
                        const Clock& clock) {
  // A reply may make more due at once (a record that was let go, a steal that now knows what to
  // steal). What still is due after this many rounds waits for the next poll.
  constexpr int most_rounds = 16;
  TimePoint stop_at = TimePoint::max();
  if (limit > Duration::zero())
    if (const TimePoint begun = clock.now(); limit < stop_at - begun) stop_at = begun + limit;
  struct Visits {
    std::span<RoundPartner<Backend>* const> partners;
    std::size_t begun = 0;
    ~Visits() {
      while (begun != 0)
        partners[--begun]->leave_poll();
    }
  } visits{partners};
  for (RoundPartner<Backend>* partner : partners)
    partner->begin_poll(), ++visits.begun;
  std::vector<Manifest> manifests(partners.size());
  Round round;
  bool any = true;
  for (int i = 0; i < most_rounds && any && (i == 0 || clock.now() < stop_at); ++i) {
    any = false;
    std::vector<bool> done(partners.size(), false);
    for (std::size_t first = 0; first < partners.size(); ++first) {
      if (done[first]) continue;
      Backend& database = partners[first]->backend();
      const auto each = [&](auto use) {
        for (std::size_t at = first; at < partners.size(); ++at)
          if (!done[at] && partners[at]->backend().same_database(database))
            use(*partners[at], manifests[at], at);
      };
      round.clear();
      each([&](RoundPartner<Backend>& partner, Manifest& mine, std::size_t) {
        mine.stop_at = stop_at;
        partner.prepare(round, mine);
      });
      round.perform(database);
      any = any || !round.empty();
      each([&](RoundPartner<Backend>& partner, Manifest& mine, std::size_t at) {
        partner.complete(round, mine);
        done[at] = true;
      });
    }
  }
  TimePoint next = TimePoint::max();
  for (RoundPartner<Backend>* partner : partners)
    next = (std::min)(next, partner->end_poll());
  return next;
}

}  // namespace persist::inline PERSIST_ABI

namespace persist::inline PERSIST_ABI {

/// The part of a store that knows nothing of keys, data and codecs: which sessions there are, what
/// is due, and the rounds that go to the backend. Compiled once per backend and lock policy,
/// however many stores a program has.
///
/// Every call that reaches storage is prepare (here), perform (the backend, any thread) and
/// complete (here). The lock is held for the first and the third, never while the backend works
/// or a listener runs.
template <class Backend, class LockPolicy>
class Engine : public SessionHost, public RoundPartner<Backend> {
 public:
  using Access = access_of<LockPolicy>;
  using Mutex = typename Access::Mutex;
  using Lock = typename Access::Lock;

  Engine(std::string_view name, Backend backend, StoreOptions options);

  [[nodiscard]] const Error& opening_error() const noexcept { return opening_error_; }
  [[nodiscard]] Backend& backend() final { return backend_; }
  [[nodiscard]] StoreId store() const noexcept { return store_; }
  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  [[nodiscard]] const StoreOptions& options() const noexcept { return options_; }
  [[nodiscard]] const RecordLimits& limits() const noexcept { return limits_; }
  [[nodiscard]] Metrics& metrics() noexcept { return metrics_; }
  [[nodiscard]] Registry& registry() noexcept { return registry_; }
  [[nodiscard]] Mutex& mutex() noexcept { return mutex_; }
  [[nodiscard]] std::size_t open_sessions() {
    const Lock hold(mutex_);
    return registry_.size();
  }
  [[nodiscard]] const Clock& clock() const noexcept { return clock_; }
  [[nodiscard]] TimePoint now() const { return clock_.now(); }
  /// The backend's calendar clock, as far as it is known without asking: each reply that says what
  /// time it is sets it again, because a calendar may be put right while a server runs.
  [[nodiscard]] WallTime backend_time() const {
    return WallTime(ms_of(now().time_since_epoch()) + std::chrono::milliseconds(ahead_.load()));
  }
  [[nodiscard]] Hash128 hash(std::string_view text) const { return key_hash(birth_, text); }
  /// Why no call may be made now, or `Errc{}`.
  [[nodiscard]] Error refusal() const;
  void log(LogLevel level, std::string_view text) const { options_.log.write(level, text); }

  // Loading (engine_load.hpp).
  /// Registers a session that is to be loaded; `waiters` callers want it.
  void start_load(SessionCore& session, LoadPtr load);
  /// Runs the load to its end in this call. The session must be registered by `start_load`.
  void finish_load(SessionCore& session, const LoadState& load, TimePoint deadline);
  /// A session whose key is still being released here.
  [[nodiscard]] SessionCore* find_queued(std::string_view key) {
    for (const SessionPtr& session : queued_loads_)
      if (session->key() == key && !session->is_offline) return session.get();
    return nullptr;
  }
  /// The caller at that place no longer wants it.
  void abandon_load(SessionCore& session, std::size_t place);

  // Saving (engine_commit.hpp, engine_settle.hpp).
  /// One commit of the session, in this call. The session is out from `board` to `settle`;
  /// meanwhile the lock is free.
  [[nodiscard]] Result<Saved> commit_now(SessionCore& session, Aim aim, Reason reason);
  /// The last commit of the session, in this call; `busy` changes nothing.
  [[nodiscard]] Result<Saved> release_now(SessionCore& session, Reason reason);
  /// Gives the record back as it is, in this call or, where that fails, with the next polls.
  void give_back(SessionCore& session);
  void request_save(SessionCore& session, bool force);
  void request_release(SessionCore& session, Reason reason);
  void game_lets_go(SessionCore& session);
  void became_dirty(SessionCore& session) final;
  void last_handle_dropped(SessionCore& session) final;
  Error board(SessionCore& session, Aim aim) final;
  void cut(SessionCore& session, Cut& cut, Change& change) final;
  void unboard(SessionCore& session, Cut& cut, bool over) final;
  void settle(SessionCore& session, Cut& cut, Change& change, const CommitRequest& request,
              Result<Saved>& result) final;
  void end(SessionCore& session, State state, Reason reason, bool was_saved);
  void lose(SessionCore& session, const TransactionGroup& group) final;

  // Rounds (engine_poll.hpp).
  void begin_poll() final;
  void prepare(Round& round, Manifest& mine) final;
  void complete(Round& round, Manifest& mine) final;
  [[nodiscard]] TimePoint end_poll() final;
  void leave_poll() noexcept final;
  [[nodiscard]] TimePoint next_deadline();
  /// Ends every session: saves and gives back what is open, in batches, until `deadline`. Returns
  /// how many could not be saved.
  std::size_t close_all(TimePoint deadline);
  /// Forgets the sessions that are still there; their handles stay valid and say `closed`.
  void let_go();
  /// Sends on what waits in outboxes, and takes out what arrived (engine_relay.hpp).
  void relay();

  /// Queues what the listeners of a session are to be told; `drain` tells them.
  void tell(SessionCore& session, Event event) {
    events_.emplace_back(SessionPtr(&session), std::move(event));
  }
  void drain() final;
  /// Waits on the clock until the session may be saved again under its `min_gap`.
  void wait_for_gap(SessionCore& session) {
    Lock hold(mutex_);
    if (session.failures != 0 || min_gap_of(session) <= Duration::zero()) return;
    const TimePoint until = session.not_before;
    hold.unlock();
    Wake nobody;
    clock_.wait_until(until, nobody);
  }
  /// How many more renewals may fail before the lease is no longer trusted.
  [[nodiscard]] int attempts_left(const SessionCore& session) const {
    if (!is_leased()) return 0;
    const Duration left = trusted_until(session) - now();
    const Duration pause = (std::max)(options_.renew / 4, Duration(1s));
    return left <= Duration::zero() || ended(session.state) ? 0 : static_cast<int>(left / pause);
  }
  /// Whether a call of this store is under way that runs the program's own code. Functions on a
  /// session are looked for here, so that they pay nothing for it. Where another thread tells
  /// listeners of this store, around a commit with a partner here, `let_go` waits for it.
  [[nodiscard]] bool is_busy() {
    const Lock hold(mutex_);
    const auto runs = [](const SessionPtr& session) { return session->in_function.load(); };
    const std::vector<SessionPtr> open = everything();
    const std::vector<SessionPtr> gone = retired_.all();
    const auto self = std::this_thread::get_id();
    const bool drains = draining_ && (!Access::is_shared || drainer_ == self);
    const bool prepares = std::find(preparers_.begin(), preparers_.end(), self) != preparers_.end();
    return drains || prepares || visits_ != 0 || detail::HookScope::active() ||
           std::any_of(open.begin(), open.end(), runs) ||
           std::any_of(gone.begin(), gone.end(), runs);
  }
  /// Whether anybody listens to what goes well; failures are told in any case, if only to the log.
  [[nodiscard]] bool is_heard(const SessionCore& session) const noexcept {
    return has_listeners_ || session.has_listeners;
  }
  /// Handlers of messages were connected: those that wait may have found theirs.
  void offer_messages_again();
  /// The session's messages could not be handled now; the next poll tries again.
  void postpone_messages(SessionCore& session);

 protected:
  ~Engine() = default;
  std::atomic<bool> has_listeners_{false};  ///< signals of the store were connected

 private:
  [[nodiscard]] std::vector<SessionPtr> everything();
  [[nodiscard]] bool send_on(const std::vector<RelayRequest::Waiting>& waiting);
  [[nodiscard]] bool take_out(const std::vector<RelayRequest::Waiting>& waiting,
                              const std::vector<std::vector<OutgoingMessage>>& taken);
  void forget_sent(const RelayRequest& page, bool to_the_end);
  void relay_soon(SessionCore& session, TimePoint at);
  [[nodiscard]] Flight& new_flight();
  void recycle(Flight& flight);
  [[nodiscard]] Error assemble(Flight& flight, SessionCore& session, Aim aim, Reason reason);
  [[nodiscard]] bool prepare_flight(Flight& flight);
  [[nodiscard]] static bool can_leave(const SessionCore& session);
  [[nodiscard]] bool can_any_leave();
  void complete_flight(Flight& flight);
  [[nodiscard]] bool wants_data(const SessionCore& session, Aim aim) const;
  void tell_saving(SessionCore& session, Reason reason, Lock& hold);
  void cut_data(SessionCore& session, const Result<void>& ready, Cut& cut, Change& change);
  void address(SessionCore& session, const Cut& cut, Change& change);
  void give_back_later(SessionCore& session);
  void cut_rest(SessionCore& session, Cut& cut, Change& change);
  void settle_group(SessionCore& session, Change& change, const CommitRequest& request);
  void settle_applied(SessionCore& session, Cut& cut, Change& change, Result<Saved>& result);
  void settle_fenced(SessionCore& session, Cut& cut, Change& change, Result<Saved>& result);
  void settle_failed(SessionCore& session, Cut& cut, const Error& error, Result<Saved>& result);
  void settle_parts(SessionCore& session, Cut& cut, Change& change);
  void undo(SessionCore& session, Cut& cut);
  void back_off(SessionCore& session);
  void saved_event(SessionCore& session, const Result<Saved>& result);

  void change_state(SessionCore& session, State to);
  void take_hints();
  void stamp(SessionCore& session);
  void reschedule(SessionCore& session);
  [[nodiscard]] TimePoint when_due(SessionCore& session);
  void send_again(Round& round, Manifest& mine);
  void send_again_now();
  void collect(SessionCore& session, Round& round, Manifest& mine);
  [[nodiscard]] Result<bool> put_on_board(SessionCore& session, Aim aim, Reason reason,
                                          Round& round, Manifest& mine);
  void add_load(SessionCore& session, Round& round);

  void ask(SessionCore& session, AcquireRequest& request);
  void settle_load(SessionCore& session, AcquireRequest& request, const Result<void>& decoded);
  void opened(SessionCore& session, AcquireRequest& request);
  [[nodiscard]] bool is_wanted(const LoadState& load);
  void held(SessionCore& session, const HeldBy& holder);
  void unanswered(SessionCore& session, const Error& error);
  void give_up(SessionCore& session, Error error);
  void call_off(SessionCore& session);
  void load_done(SessionCore& session, Error error);
  void start_queued_loads();
  [[nodiscard]] Error locked_error(const SessionCore& session, const HeldBy& holder,
                                   std::string detail);

  [[nodiscard]] Duration min_gap_of(const SessionCore& session) const {
    return session.extras && session.extras->min_gap ? *session.extras->min_gap : options_.min_gap;
  }
  [[nodiscard]] Duration autosave_of(const SessionCore& session) const {
    return session.extras && session.extras->autosave ? *session.extras->autosave
                                                      : options_.autosave;
  }
  /// Whether `min_gap` holds up the session's saves.
  [[nodiscard]] bool in_gap(const SessionCore& session) const {
    return session.failures == 0 && now() < session.not_before;
  }
  /// Whether sessions here keep others out: the policy may, and a lease of no length does not.
  [[nodiscard]] bool is_leased() const noexcept {
    return LockPolicy::is_leased && options_.lease > Duration::zero();
  }
  [[nodiscard]] bool renewal_is_due(const SessionCore& session) {
    const Lock hold(mutex_);
    const bool holds = session.state == State::open || session.state == State::suspect;
    return holds && is_leased() && options_.renew > Duration::zero() &&
           now() >= session.renewed + options_.renew;
  }
  [[nodiscard]] TimePoint trusted_until(const SessionCore& session) const {
    return session.renewed + options_.lease - options_.lease / 10;
  }
  [[nodiscard]] static std::chrono::milliseconds ms_of(Duration time) noexcept {
    return std::chrono::floor<std::chrono::milliseconds>(time);
  }
  /// A reply to what was sent then says what the backend's calendar shows.
  void hear_time(WallTime wall, TimePoint sent) noexcept {
    ahead_ = (wall.time_since_epoch() - ms_of(sent.time_since_epoch())).count();
  }
  [[nodiscard]] Owner owner_of(const SessionCore& session) const noexcept {
    return {server_.server, server_.nonce, session.number};
  }

  Backend backend_;
  std::string name_;
  StoreOptions options_;
  RecordLimits limits_;
  Clock& clock_;
  Owner server_;  ///< server id and random number of every owner here
  StoreId store_;
  Hash128 birth_;
  Error opening_error_{Errc{}};
  std::atomic<std::int64_t> ahead_{0};  ///< of the backend's calendar before our clock, in ms
  Metrics metrics_;

  Registry registry_;
  Registry retired_;  ///< sessions that have ended and still have handles
  DueList due_;
  std::vector<SessionPtr> newly_dirty_;
  std::vector<SessionPtr> messages_wait_;
  std::vector<SessionPtr> queued_loads_;  ///< whose key is still being released here
  std::vector<std::unique_ptr<Flight>> flights_;
  std::vector<Flight*> idle_flights_;
  std::vector<std::pair<TimePoint, Flight*>> resends_;  ///< whose outcome is unknown
  std::deque<std::pair<SessionPtr, Event>> events_;
  std::vector<std::shared_ptr<TransactionGroup>> broken_;  ///< a partner here has ended
  std::shared_ptr<WakeQueue> wakes_ = std::make_shared<WakeQueue>();
  std::vector<std::string> woken_;
  std::string relay_after_;  ///< the last record of the page that was relayed
  TimePoint next_relay_ = TimePoint::max();
  std::vector<SessionPtr> senders_;  ///< some of whose messages wait in their records
  bool draining_ = false;
  std::thread::id drainer_;                 ///< where several threads may
  std::vector<std::thread::id> preparers_;  ///< that tell listeners of a save
  int visits_ = 0;  ///< polls and conditions of loads, in which any handler of the program may run
  bool closing_ = false;
  PERSIST_NO_UNIQUE_ADDRESS Mutex mutex_;
};

template <class Backend, class LockPolicy>
Engine<Backend, LockPolicy>::Engine(std::string_view name, Backend backend, StoreOptions options)
    : backend_(std::move(backend)),
      name_(name),
      options_(std::move(options)),
      clock_(options_.clock != nullptr ? *options_.clock : SystemClock::instance()) {
  for (Duration* time :
       {&options_.autosave, &options_.min_gap, &options_.lease, &options_.renew, &options_.relay})
    *time = (std::min)(*time, longest_pause);
  if (options_.lease > Duration::zero() && options_.renew >= options_.lease - options_.lease / 10)
    options_.renew = options_.lease / 3;  // or each renewal would come when the lease is in doubt
  limits_.record_bytes = options_.record_limit;
  limits_.inbox_messages = options_.inbox_limit.messages;
  limits_.inbox_bytes = options_.inbox_limit.bytes;
  limits_.outbox_messages = options_.outbox_limit;
  if (options_.server_id.size() > ServerId::capacity) {
    opening_error_ = Error(Errc::invalid,
                           "the server id \"" + options_.server_id + "\" is longer than 23 bytes");
    return;
  }
  server_ = backend_.next_owner(ServerId(options_.server_id));
  if (options_.server_id.empty()) {
    server_.server =
        ServerId("server-" + std::to_string(detail::os::random_bits() % 1'000'000'000));
  }
  OpenStoreRequest request;
  request.name = name_;
  request.lock = LockPolicy::kind;
  backend_.open_store(std::span(&request, 1));
  opening_error_ = std::move(request.error);
  store_ = request.store;
  birth_ = request.birth;
  hear_time(request.now, now());
  if (failed(opening_error_)) return;
  if constexpr (watched_backend<Backend>) backend_.watch(store_, wakes_);
  if (options_.relay > Duration::zero()) next_relay_ = now() + options_.relay;
}

template <class Backend, class LockPolicy>
Error Engine<Backend, LockPolicy>::refusal() const {
  if (failed(opening_error_)) return opening_error_;
  if (detail::HookScope::active())
    return Error(Errc::invalid, "a hook of a policy may not call the store");
  if (closing_) return Error(Errc::closed, "the store is closing");
  return Errc{};
}

/// Calls listeners, in the order things happened, until nothing is left to tell. A call from inside
/// a listener only adds to the queue. The lock is free while a listener runs.
template <class Backend, class LockPolicy>
void Engine<Backend, LockPolicy>::drain() {
  Lock hold(mutex_);
  while (!broken_.empty()) {
    const std::shared_ptr<TransactionGroup> group = std::move(broken_.back());
    broken_.pop_back();
    hold.unlock();
    for (const TransactionGroup::Partner& partner : group->partners)
      partner.store->lose(*partner.session, *group);
    hold.lock();
  }
  if (draining_ || events_.empty()) return;
  draining_ = true;
  if constexpr (Access::is_shared) drainer_ = std::this_thread::get_id();
  while (!events_.empty()) {
    auto [session, event] = std::move(events_.front());
    events_.pop_front();
    hold.unlock();
    session->deliver(event, *this);
    hold.lock();
  }
  draining_ = false;
}

}  // namespace persist::inline PERSIST_ABI

// What leaves of a session in a commit.

namespace persist::inline PERSIST_ABI {

/// The checksum an envelope carries, to tell whether the record is what was stored last.
[[nodiscard]] inline std::uint32_t stored_checksum(ByteView envelope) noexcept {
  using Layout = codec::EnvelopeLayout;
  return envelope.size() < Layout::size
             ? 0
             : load_little<std::uint32_t>(envelope.data() + Layout::checksum);
}

template <class B, class L>
Flight& Engine<B, L>::new_flight() {
  const Lock hold(mutex_);
  if (idle_flights_.empty()) return *flights_.emplace_back(std::make_unique<Flight>());
  Flight* flight = idle_flights_.back();
  idle_flights_.pop_back();
  return *flight;
}

template <class B, class L>
void Engine<B, L>::recycle(Flight& flight) {
  const Lock hold(mutex_);
  flight.clear();
  idle_flights_.push_back(&flight);
}

template <class B, class L>
Error Engine<B, L>::board(SessionCore& session, Aim aim) {
  const Lock hold(mutex_);
  if (ended(session.state) || session.state == State::loading)
    return Error(Errc::closed, "the session is not open").for_key(session.key());
  if (session.in_flight)
    return Error(Errc::busy, "a save of this session is under way").for_key(session.key());
  if (session.in_function)
    return Error(Errc::busy, "a handler, grant or transaction of this session is running")
        .for_key(session.key());
  // An open guard keeps the data back, not the renewal; but partners of a transaction only go with
  // their data.
  if (session.edit_guards != 0 && aim < Aim::hold &&
      (aim != Aim::renew || session.group() != nullptr))
    return Error(Errc::busy, "an edit guard of this session is open").for_key(session.key());
  session.in_flight = true;
  return Errc{};
}

template <class B, class L>
void Engine<B, L>::unboard(SessionCore& session, Cut& cut, bool over) {
  const Lock hold(mutex_);
  undo(session, cut);
  session.in_flight = false;
  if (failed(cut.refused) && !ended(session.state)) saved_event(session, cut.refused);
  if (!over || session.group() == nullptr) return;
  session.extras->group->durable = true;
  session.extras->group.reset();
}

/// Puts the session into the flight and, where a transaction is not durable yet, its partners. All
/// are marked as out, or on an error none.
template <class B, class L>
Error Engine<B, L>::assemble(Flight& flight, SessionCore& session, Aim aim, Reason reason) {
  const auto add = [&](SessionCore& each, SessionHost& host, Aim its_aim, Reason its_reason) {
    Error no = host.board(each, its_aim);
    if (failed(no)) return no;
    flight.add(SessionPtr(&each), host);
    flight.cuts[flight.size() - 1].aim = its_aim;
    flight.cuts[flight.size() - 1].reason = its_reason;
    return Error(Errc{});
  };
  Error no = add(session, *this, aim, reason);
  if (failed(no)) return no;
  {
    const Lock hold(mutex_);
    if (session.extras && aim < Aim::hold) flight.group = session.extras->group;
  }
  if (flight.group == nullptr) return no;
  for (const TransactionGroup::Partner& partner : flight.group->partners) {
    if (partner.session.get() == &session) continue;
    no = add(*partner.session, *partner.store, Aim::save, Reason::transaction);
    if (failed(no)) break;
  }
  if (failed(no))
    for (std::size_t i = 0; i < flight.size(); ++i)
      flight.hosts[i]->unboard(*flight.sessions[i], flight.cuts[i], false);
  return no;
}

/// Cuts every session of the flight. False where nothing is to be written: then the results are
/// final and nobody is out.
template <class B, class L>
bool Engine<B, L>::prepare_flight(Flight& flight) {
  flight.changes.resize(flight.size());
  flight.results.resize(flight.size());
  bool any = false;
  Error no{Errc{}};
  for (std::size_t i = 0; i < flight.size(); ++i) {
    SessionCore& session = *flight.sessions[i];
    flight.hosts[i]->cut(session, flight.cuts[i], flight.changes[i]);
    const Cut& cut = flight.cuts[i];
    // A transaction is written whole or not at all, and no record is given back behind an edit.
    if (failed(cut.refused) && (flight.size() > 1 || ended(session.state))) no = cut.refused;
    if (cut.held_back && (flight.size() > 1 || cut.aim != Aim::renew))
      no = Error(Errc::busy, "the data is being edited").for_key(session.key());
    any = any || flight.changes[i].writes() || cut.aim > Aim::force;
  }
  if (any && !failed(no)) {
    flight.request.changes = std::span(flight.changes);
    const TimePoint sent = now();
    for (std::size_t i = 0; i < flight.size(); ++i)
      flight.cuts[i].sent = sent;
    return true;
  }
  for (std::size_t i = 0; i < flight.size(); ++i) {
    SessionCore& session = *flight.sessions[i];
    const Error& why = failed(no) ? no : flight.cuts[i].refused;
    flight.results[i] =
        failed(why)
            ? Result<Saved>(why)
            : Result<Saved>(Saved{false, session.version, session.stored_bytes, session.updated});
    // A transaction that changed nothing is over.
    flight.hosts[i]->unboard(session, flight.cuts[i], !failed(why) && flight.size() > 1);
  }
  return false;
}

template <class B, class L>
void Engine<B, L>::cut(SessionCore& session, Cut& cut, Change& change) {
  Lock hold(mutex_);
  // Its store was closed meanwhile, by another thread, or a listener had it erased.
  const auto is_gone = [&] {
    if (!ended(session.state)) return false;
    cut.refused = Error(Errc::closed, "the session has ended").for_key(session.key());
    return true;
  };
  if (is_gone()) return;
  // What a running function has sent belongs to its success.
  const bool is_wanted = cut.aim != Aim::release || options_.save_on_release ||
                         session.is_offline || session.group() != nullptr;
  const bool may_read = is_wanted && session.edit_guards == 0 && !session.in_function;
  cut.key.append(session.key());
  if (may_read && wants_data(session, cut.aim)) {
    // Where somebody else has the session's lock it is being edited or looked at, and stays due.
    const bool readable = session.try_lock();
    if (readable) {
      const Result<void> ready = session.pull();
      if (is_heard(session)) tell_saving(session, cut.reason, hold);
      cut.held_back = session.edit_guards != 0;  // a handler keeps one open
      if (!cut.held_back && !ended(session.state)) cut_data(session, ready, cut, change);
      session.unlock();
    }
    cut.held_back = cut.held_back || !readable;
    if (is_gone()) return;
  }
  const bool data_is_whole = failed(cut.refused) ? false : (cut.has_data || !session.dirty());
  if (data_is_whole && may_read && cut.aim < Aim::hold) cut_rest(session, cut, change);
  address(session, cut, change);
}

/// Listeners run without the store's lock: they may wait for a thread that waits for this store.
template <class B, class L>
void Engine<B, L>::tell_saving(SessionCore& session, Reason reason, Lock& hold) {
  preparers_.push_back(std::this_thread::get_id());
  hold.unlock();
  session.fire_saving(reason);
  hold.lock();
  preparers_.erase(std::find(preparers_.begin(), preparers_.end(), std::this_thread::get_id()));
}

/// What a change says beside its content: whose it is, under which number, and what becomes of the
/// lease.
template <class B, class L>
void Engine<B, L>::address(SessionCore& session, const Cut& cut, Change& change) {
  change.store = store_;
  change.key = as_text(cut.key);
  change.fence = {session.epoch, owner_of(session), ++session.write};
  change.limits = &limits_;
  change.seen_position = session.extras ? session.extras->seen_position : 0;
  const bool gives_back = cut.aim == Aim::release || cut.aim == Aim::give_back;
  if (gives_back)
    change.lease = LeaseChange::release;
  else if constexpr (L::is_leased)
    change.lease = LeaseChange::renew;
  change.lease_length = options_.lease;
  // A load that came to nothing does not count as one.
  if (cut.aim == Aim::give_back && !session.counted) change.load_count = session.load_count;
}

/// Whether a commit with that aim looks at the data. That of a pending transaction always does: its
/// partners are in it, with theirs.
template <class B, class L>
bool Engine<B, L>::wants_data(const SessionCore& session, Aim aim) const {
  switch (aim) {
    case Aim::save:
      return session.wants_saves();
    case Aim::renew:
      return session.dirty() && (session.group() != nullptr || !in_gap(session));
    case Aim::hold:
    case Aim::give_back:
      return false;
    default:
      return true;
  }
}

/// Encodes the data and decides whether it has to be written.
template <class B, class L>
void Engine<B, L>::cut_data(SessionCore& session, const Result<void>& ready, Cut& cut,
                            Change& change) {
  cut.generation = session.edited;
  const bool touched = session.dirty();
  const Result<bool> exists = ready ? session.encode(cut.data) : ready.error();
  if (!exists) {
    cut.refused = exists.error();
  } else if (cut.data.size() > limits_.record_bytes) {
    cut.refused =
        Error(Errc::too_large, "the record has " + std::to_string(cut.data.size()) +
                                   " bytes; the limit is " + std::to_string(limits_.record_bytes))
            .for_key(session.key());
  }
  if (failed(cut.refused)) {
    ++metrics_.saves_refused;
    Event event;
    event.kind = Event::Kind::save_refused;
    event.error = cut.refused;
    tell(session, std::move(event));
    return;
  }
  cut.bytes = static_cast<std::uint32_t>(cut.data.size());
  cut.crc = *exists ? stored_checksum(cut.data) : 0;
  const bool same = session.has_record == *exists && cut.bytes == session.stored_bytes &&
                    cut.crc == session.stored_crc;
  const bool must = cut.aim == Aim::force || (cut.aim == Aim::release && session.skips_equal);
  if (same && !must && (!touched || session.skips_equal)) {
    session.saved = cut.generation;  // what is stored is what there is
    session.save_at = TimePoint{};
    if (session.skips_equal) stamp(session);
    return;
  }
  cut.has_data = true;
  if (*exists)
    change.data = &cut.data;
  else
    change.removes_data = true;
}

/// What belongs to the same moment as the data: acknowledgements, receipts, messages, user ids,
/// metadata.
template <class B, class L>
void Engine<B, L>::cut_rest(SessionCore& session, Cut& cut, Change& change) {
  if (!session.extras) return;
  SessionExtras& extras = *session.extras;
  for (const WaitingMessage& waiting : extras.inbox)
    if (waiting.handled) cut.acknowledged.push_back(waiting.message.position);
  change.acknowledged = cut.acknowledged;

  cut.messages = extras.sends;
  for (const OutgoingMessage& message : cut.messages) {
    Send send;
    send.store = message.store;
    send.key = message.key;
    send.number = message.number;
    send.message = message.view();
    cut.sends.push_back(send);
  }
  change.sends = cut.sends;

  cut.receipts = extras.pending_receipts;
  change.receipts = cut.receipts;
  change.forget_receipts = forget_through(extras.receipts, backend_time());
  if (std::exchange(extras.user_ids.changed, false)) {
    cut.has_ids = true;
    cut.user_ids = extras.user_ids.value;
    change.user_ids = &cut.user_ids;
  }
  if (std::exchange(extras.metadata.changed, false)) {
    cut.has_metadata = true;
    cut.metadata = extras.metadata.value;
    change.metadata = &cut.metadata;
  }
}

/// A commit that writes nothing new is still sent where it renews or gives back. Where several
/// threads save one session at once, one is sent and the others are told `busy`.
template <class B, class L>
Result<Saved> Engine<B, L>::commit_now(SessionCore& session, Aim aim, Reason reason) {
  const SessionPtr alive(&session);
  Flight& flight = new_flight();
  if (Error no = assemble(flight, session, aim, reason); failed(no)) {
    recycle(flight);
    return no;
  }
  // Listeners of a partner's store may end this one, which the group keeps until all are told.
  const std::shared_ptr<TransactionGroup> group = flight.group;
  Result<Saved> result;
  bool kept = false;
  if (prepare_flight(flight)) {
    backend_.commit(std::span(&flight.request, 1));
    complete_flight(flight);
    kept = flight.resend;
  }
  result = std::move(flight.results[0]);
  if (!kept) recycle(flight);
  drain();
  return result;
}

/// The session was let go by whoever calls: what its data is captured from may not be there later.
template <class B, class L>
void Engine<B, L>::game_lets_go(SessionCore& session) {
  const Lock hold(mutex_);
  if (ended(session.state) || session.state == State::loading || !session.try_lock()) return;
  session.game_lets_go();
  session.unlock();
}

template <class B, class L>
void Engine<B, L>::give_back(SessionCore& session) {
  {
    const Lock hold(mutex_);
    session.gives_back = true;
    session.state = State::releasing;
  }
  (void)commit_now(session, Aim::give_back, Reason::asked);
}

/// Gives the record of a session that has ended back with the next round, so that nobody waits for
/// its lease to run out.
template <class B, class L>
void Engine<B, L>::give_back_later(SessionCore& session) {
  Flight& flight = new_flight();
  flight.add(SessionPtr(&session), *this);
  Cut& cut = flight.cuts[0];
  cut.aim = Aim::give_back;
  cut.key.append(session.key());
  flight.changes.assign(1, Change{});
  flight.results.assign(1, Result<Saved>());
  address(session, cut, flight.changes[0]);
  flight.request.changes = std::span(flight.changes);
  const Lock hold(mutex_);
  resends_.emplace_back(now(), &flight);
}

/// Whether the session, and those that must go with it, can leave now.
template <class B, class L>
bool Engine<B, L>::can_leave(const SessionCore& session) {
  const auto free = [](const SessionCore& each) {
    return each.edit_guards == 0 && !each.in_flight && !each.in_function;
  };
  const TransactionGroup* group = session.group();
  return free(session) &&
         (group == nullptr || std::all_of(group->partners.begin(), group->partners.end(),
                                          [&](const auto& each) { return free(*each.session); }));
}

template <class B, class L>
Result<Saved> Engine<B, L>::release_now(SessionCore& session, Reason reason) {
  {
    const Lock hold(mutex_);
    if (!can_leave(session))
      return Error(Errc::busy, "an edit guard, a save or a function of this session is open")
          .for_key(session.key());
    game_lets_go(session);
    request_release(session, reason);
    reason = session.ending;
  }
  return commit_now(session, Aim::release, reason);
}

}  // namespace persist::inline PERSIST_ABI

// What the outcome of a commit means for its sessions.

namespace persist::inline PERSIST_ABI {

/// Whether listeners hear of it: not of a renewal, nor of a record that goes back as it was.
[[nodiscard]] inline bool is_save(const Cut& cut) noexcept {
  return cut.has_data || cut.aim < Aim::renew || cut.aim == Aim::release;
}

/// Gives every session of the flight its outcome. Where that is unknown and the bytes must go again
/// as they are, the flight is kept for another try.
template <class B, class L>
void Engine<B, L>::complete_flight(Flight& flight) {
  const CommitRequest& request = flight.request;
  {
    const Lock hold(mutex_);
    ++metrics_.rounds;
  }
  const bool unknown =
      request.outcome == CommitRequest::Outcome::failed && request.error == Errc::unknown_outcome;
  const bool must_repeat = flight.size() > 1 || flight.cuts[0].aim == Aim::release ||
                           flight.cuts[0].aim == Aim::give_back;
  // A session that has ended has no other commit that would give its record back.
  const bool is_last = request.outcome == CommitRequest::Outcome::failed &&
                       (request.error == Errc::unavailable || request.error == Errc::timeout) &&
                       flight.cuts[0].aim == Aim::give_back && ended(flight.sessions[0]->state);
  ++flight.attempts;
  flight.resend = ((unknown && must_repeat) || is_last) && flight.attempts < 16;
  if (flight.resend) {
    const Lock hold(mutex_);
    resends_.emplace_back(now() + Duration(1s) * flight.attempts, &flight);
    for (Result<Saved>& result : flight.results)
      result = request.error;
    return;
  }
  for (std::size_t i = 0; i < flight.size(); ++i)
    flight.hosts[i]->settle(*flight.sessions[i], flight.cuts[i], flight.changes[i], request,
                            flight.results[i]);
  for (SessionHost* host : flight.hosts)
    if (host != this) host->drain();
}

template <class B, class L>
void Engine<B, L>::settle(SessionCore& session, Cut& cut, Change& change,
                          const CommitRequest& request, Result<Saved>& result) {
  const Lock hold(mutex_);
  session.in_flight = false;
  using Outcome = CommitRequest::Outcome;
  if (ended(session.state)) {  // it was erased, or its transaction was lost with another store
    result = Error(Errc::closed, "the session has ended").for_key(session.key());
    return;
  }
  if (request.changes.size() > 1) settle_group(session, change, request);
  switch (request.outcome) {
    case Outcome::applied:
    case Outcome::repeated:
      settle_applied(session, cut, change, result);
      break;
    case Outcome::fenced:
      settle_fenced(session, cut, change, result);
      // What is named is what was refused; a partner's record is still ours.
      if (&change != &request.changes[request.culprit]) give_back_later(session);
      break;
    case Outcome::superseded:
      // A later commit of this session was applied, so this one's content is not needed; what it
      // was is not known.
      settle_failed(session, cut,
                    Error(Errc::unknown_outcome, "a later commit of this session came first"),
                    result);
      break;
    default:
      settle_failed(session, cut, request.error, result);
      break;
  }
}

/// The commit was one of a transaction, and it is over: its partners are in the same commit and end
/// by themselves, each after its own `saved`. A commit of one session alone never ends one, because
/// another thread may have begun it since.
template <class B, class L>
void Engine<B, L>::settle_group(SessionCore& session, Change& change,
                                const CommitRequest& request) {
  using Outcome = CommitRequest::Outcome;
  const bool is_fenced = request.outcome == Outcome::fenced;
  if (!is_fenced && request.outcome != Outcome::applied && request.outcome != Outcome::repeated)
    return;
  // An earlier try had landed for all of them or for none.
  if (is_fenced) change.landed = request.changes[request.culprit].landed;
  if (session.group() == nullptr) return;
  session.extras->group->durable = !is_fenced || change.landed;
  session.extras->group.reset();
}

template <class B, class L>
void Engine<B, L>::settle_applied(SessionCore& session, Cut& cut, Change& change,
                                  Result<Saved>& result) {
  if (change.version != 0) session.version = change.version;
  hear_time(change.now, cut.sent);
  if (cut.has_data) {
    session.saved = cut.generation;
    session.save_at = TimePoint{};
    session.not_before = cut.sent + min_gap_of(session);
    if (session.keeps_durable) session.saved_as_encoded();
    session.stored_bytes = cut.bytes;
    session.stored_crc = cut.crc;
    session.has_record = change.data != nullptr;
    session.updated = change.now;
    if (session.created == WallTime{}) session.created = change.now;
    ++metrics_.saves;
    metrics_.bytes_saved += cut.bytes;
  } else {
    ++metrics_.renewals;
    if (session.failures != 0) session.not_before = TimePoint{};
  }
  if (!session.counted && cut.aim != Aim::give_back) ++session.load_count;
  session.counted = true;
  session.failures = 0;
  settle_parts(session, cut, change);

  const bool gives_back = change.lease == LeaseChange::release;
  if (failed(cut.refused))
    result = cut.refused;
  else
    result = Saved{cut.has_data, session.version, session.stored_bytes, session.updated};
  if (is_save(cut) || failed(cut.refused)) saved_event(session, result);
  if (gives_back) {
    if (cut.aim == Aim::release) ++metrics_.releases;
    if (cut.reason == Reason::handover) ++metrics_.handovers;
    if (failed(cut.refused)) {  // the game may listen and still need to know which player it was
      log(LogLevel::error, "released without its last changes: " + cut.refused.message());
    }
    return end(session, State::released, cut.reason, !failed(cut.refused) && !session.dirty());
  }
  if (change.lease == LeaseChange::renew && !change.release_requested) {
    session.renewed = cut.sent;
    if (session.state == State::suspect) change_state(session, State::open);
  }
  if (change.release_requested && session.state != State::releasing) {
    session.ending = Reason::handover;
    change_state(session, State::releasing);
  }
  session.check_wanted = false;
  if (session.wants_saves() && !session.listed) became_dirty(session);
  reschedule(session);
}

/// Takes over what rode in the commit beside the data, and the messages that came back with the
/// reply.
template <class B, class L>
void Engine<B, L>::settle_parts(SessionCore& session, Cut& cut, Change& change) {
  if (change.messages.empty() && !session.extras) return;
  SessionExtras& extras = session.more();
  std::erase_if(extras.inbox, [&](const WaitingMessage& waiting) {
    return std::find(cut.acknowledged.begin(), cut.acknowledged.end(), waiting.message.position) !=
           cut.acknowledged.end();
  });
  extras.sends.erase(extras.sends.begin(),
                     extras.sends.begin() + static_cast<std::ptrdiff_t>(cut.messages.size()));
  metrics_.messages_sent += cut.messages.size();
  for (const Send& send : cut.sends) {
    if (send.delivered) continue;
    if (extras.outbox_waiting++ == 0) relay_soon(session, now() + options_.relay);
  }
  if (change.forget_receipts != 0) {
    std::erase_if(extras.receipts,
                  [&](const Receipt& receipt) { return receipt.day <= change.forget_receipts; });
    extras.receipts_forgotten = (std::max)(extras.receipts_forgotten, change.forget_receipts);
  }
  const auto granted = static_cast<std::ptrdiff_t>(cut.receipts.size());
  extras.receipts.insert(extras.receipts.end(), cut.receipts.begin(), cut.receipts.end());
  extras.pending_receipts.erase(extras.pending_receipts.begin(),
                                extras.pending_receipts.begin() + granted);
  if (change.messages.empty()) return;
  for (Message& message : change.messages) {
    extras.seen_position = (std::max)(extras.seen_position, message.position);
    extras.inbox.push_back({std::move(message)});
  }
  Event event;
  event.kind = Event::Kind::messages;
  tell(session, std::move(event));
}

template <class B, class L>
void Engine<B, L>::settle_fenced(SessionCore& session, Cut& cut, Change& change,
                                 Result<Saved>& result) {
  undo(session, cut);
  const std::string_view what =
      change.erased ? "the record was erased" : "another session has the record";
  Error error =
      Error(Errc::fenced, std::string(what) + "; nothing was written").for_key(session.key());
  if (!change.holder.owner.nobody()) {
    error = std::move(error).held_by(
        {std::string(change.holder.owner.server.view()), change.holder.epoch,
         std::chrono::duration_cast<std::chrono::milliseconds>(change.holder.age)});
  }
  // An earlier try of this very commit had landed before somebody else took over: then nothing is
  // lost but what was edited since.
  const bool had_landed = change.landed && !failed(cut.refused);
  if (had_landed && cut.has_data) session.saved = cut.generation;
  if (had_landed)
    result = Saved{cut.has_data, session.version, cut.bytes, session.updated};
  else
    result = error;
  if (is_save(cut)) saved_event(session, result);
  ++metrics_.lost;
  end(session, State::lost, Reason::lost, had_landed && !session.dirty());
}

template <class B, class L>
void Engine<B, L>::settle_failed(SessionCore& session, Cut& cut, const Error& error,
                                 Result<Saved>& result) {
  undo(session, cut);
  Error named = error;
  result = std::move(named).for_key(session.key());
  ++metrics_.saves_failed;
  back_off(session);
  if (cut.has_data && error == Errc::unknown_outcome) {
    session.stored_bytes = cut.bytes;  // nothing equals what may be stored: the next save writes
    session.stored_crc = ~cut.crc;
  }
  if (is_save(cut)) saved_event(session, result);
  if (is_leased() && cut.aim != Aim::give_back) {
    Event event;
    event.kind = Event::Kind::renewal_failed;
    event.attempts_left = attempts_left(session);
    event.error = result.error();
    tell(session, std::move(event));
  }
  if ((cut.aim == Aim::save || cut.aim == Aim::force) && cut.reason != Reason::autosave) {
    session.save_wanted = true;  // somebody asked for it
    session.force_wanted = session.force_wanted || cut.aim == Aim::force;
  }
  if (cut.aim == Aim::release && session.state != State::releasing) {
    session.ending = cut.reason;
    change_state(session, State::releasing);
  }
  reschedule(session);
}

/// What was cut is as if it had not been: it goes with the next commit, under a number of its own.
template <class B, class L>
void Engine<B, L>::undo(SessionCore& session, Cut& cut) {
  if (cut.has_ids) session.more().user_ids.changed = true;
  if (cut.has_metadata) session.more().metadata.changed = true;
}

/// The next try comes after a pause that doubles up to 20 s, less up to a quarter of it, so that
/// servers that failed together do not come back together.
template <class B, class L>
void Engine<B, L>::back_off(SessionCore& session) {
  const int doublings = (std::min)(static_cast<int>(session.failures++), 5);
  const Duration pause = (std::min)(Duration(1s) * (1 << doublings), Duration(20s));
  const Duration less =
      pause / 4 *
      static_cast<std::int64_t>((session.number * 2654435761U + session.failures) % 256) / 256;
  session.not_before = now() + pause - less;
}

template <class B, class L>
void Engine<B, L>::saved_event(SessionCore& session, const Result<Saved>& result) {
  if (result ? !is_heard(session) : result.error() == Errc::busy) return;
  Event event;
  event.kind = Event::Kind::saved;
  event.saved = result;
  tell(session, std::move(event));
}

template <class B, class L>
void Engine<B, L>::change_state(SessionCore& session, State to) {
  const State from = session.state.exchange(to);
  if (!is_heard(session)) return;
  Event event;
  event.kind = Event::Kind::state_changed;
  event.from = from;
  event.to = to;
  tell(session, std::move(event));
}

template <class B, class L>
void Engine<B, L>::lose(SessionCore& session, const TransactionGroup& group) {
  const Lock hold(mutex_);
  if (session.group() != &group) return;
  session.extras->group.reset();
  if (ended(session.state)) return;
  end(session, State::lost, Reason::lost, false);
  give_back_later(session);
}

template <class B, class L>
void Engine<B, L>::end(SessionCore& session, State state, Reason reason, bool was_saved) {
  const Lock hold(mutex_);
  if (ended(session.state)) return;
  const SessionPtr alive(&session);
  due_.remove(session);
  registry_.remove(session);
  session.ending = reason;
  session.was_saved = was_saved;
  const bool was_open = session.state != State::loading && !session.gives_back;
  if (session.handles.load(std::memory_order_acquire) != 0)
    retired_.insert(session);
  else
    session.detach();
  if (was_open)
    change_state(session, state);
  else
    session.state = state;
  session.end_was_told = was_open && was_saved && !is_heard(session);  // to nobody
  if (was_open && !session.end_was_told) {
    Event event;
    event.kind = Event::Kind::released;
    event.reason = reason;
    event.was_saved = was_saved;
    tell(session, std::move(event));
  }
  if (session.group() == nullptr) return;
  // A transaction that was not durable when a partner ended is stored for none of them. The
  // partners are ended by `drain`, each under the lock of its own store only.
  broken_.push_back(std::exchange(session.extras->group, nullptr));
}

}  // namespace persist::inline PERSIST_ABI

// Loading: attempts, and what is done about a holder.

namespace persist::inline PERSIST_ABI {

template <class B, class L>
void Engine<B, L>::start_load(SessionCore& session, LoadPtr load) {
  const Lock hold(mutex_);
  if (session.number == 0) session.number = backend_.next_owner(server_.server).session;
  load->next_try = now();
  session.loading = std::move(load);
  if (registry_.find(session) != nullptr) {  // one that is releasing: its end comes first
    queued_loads_.emplace_back(&session);
    return;
  }
  registry_.insert(session);
  reschedule(session);
}

/// Sessions whose key was still being released when their load began.
template <class B, class L>
void Engine<B, L>::start_queued_loads() {
  std::vector<SessionPtr> queued = std::move(queued_loads_);
  queued_loads_.clear();
  for (SessionPtr& session : queued) {
    if (registry_.find(*session) != nullptr) {
      if (session->load()->has_waiters() && now() < session->load()->deadline) {
        queued_loads_.push_back(std::move(session));
      } else {
        load_done(*session, Error(Errc::busy, "its last session here is still being saved")
                                .for_key(session->key()));
      }
      continue;
    }
    registry_.insert(*session);
    reschedule(*session);
  }
}

/// Fills the request of the next attempt.
template <class B, class L>
void Engine<B, L>::ask(SessionCore& session, AcquireRequest& request) {
  LoadState& load = *session.load();
  if (!load.sent) load.sent = now();
  session.in_flight = true;
  request.store = store_;
  request.key = session.key();
  request.owner = owner_of(session);
  if constexpr (L::is_leased) request.lease = options_.lease;
  request.intent = load.intent;
  request.seen_epoch = load.seen_epoch;
  request.seen_renewals = load.seen_renewals;
}

/// Whether one of those who wait for the load still wants it. Their functions run without the lock:
/// they are the game's, and may wait for a thread that waits for this store.
template <class B, class L>
bool Engine<B, L>::is_wanted(const LoadState& load) {
  std::vector<std::function<bool()>> conditions;
  {
    const Lock hold(mutex_);
    for (const LoadState::Waiter& waiter : load.waiters) {
      if (!waiter.waits) continue;
      if (!waiter.while_) return true;
      conditions.push_back(waiter.while_);
    }
    ++visits_;
  }
  const bool wanted = std::any_of(conditions.begin(), conditions.end(), [&](const auto& says_yes) {
#if PERSIST_HAS_EXCEPTIONS
    try {
      return says_yes();
    } catch (...) {
      log(LogLevel::error, "the while_ of a load threw; that is taken for a no");
      return false;
    }
#else
    return says_yes();
#endif
  });
  const Lock hold(mutex_);
  --visits_;
  return wanted;
}

template <class B, class L>
void Engine<B, L>::settle_load(SessionCore& session, AcquireRequest& request,
                               const Result<void>& decoded) {
  LoadPtr load;
  {
    const Lock hold(mutex_);
    load = session.loading;
  }
  if (!load) return;  // its store was closed meanwhile
  using Outcome = AcquireRequest::Outcome;
  const bool taken = request.outcome == Outcome::taken;
  const bool wanted = taken && load->intent != Intent::withdraw && is_wanted(*load);
  const Lock hold(mutex_);
  session.in_flight = false;
  ++load->attempts;
  if (load->done) return;
  if (taken) {
    opened(session, request);
    Error why{Errc{}};
    if (load->intent == Intent::withdraw)
      why = load->error;
    else if (!decoded)
      why = Error(decoded.error()).for_key(session.key());
    else if (!wanted || !load->has_waiters())
      why = Error(Errc::cancelled, "nobody waits for this load any more").for_key(session.key());
    return load_done(session, std::move(why));
  }
  if (load->intent == Intent::withdraw) return load_done(session, load->error);
  if (request.outcome == Outcome::held) {
    ++metrics_.conflicts;
    held(session, request.holder);
  } else {
    unanswered(session, request.error);
  }
  if (!load->done) reschedule(session);
}

/// An attempt failed, and may have been carried out all the same.
template <class B, class L>
void Engine<B, L>::unanswered(SessionCore& session, const Error& error) {
  LoadState& load = *session.load();
  const bool may_pass =
      error == Errc::unavailable || error == Errc::timeout || error == Errc::unknown_outcome;
  if (may_pass) load.unheard_of = true;
  // The request may stand already: it is left once, so that a newer one is not put aside by it.
  if (load.intent == Intent::request) load.intent = Intent::keep_request;
  if (!may_pass || load.once || now() >= load.deadline || !load.has_waiters())
    return give_up(session, Error(error).for_key(session.key()));
  back_off(session);
  load.next_try = session.not_before;
}

/// Ends the load with that error: at once, or, where something of it may stand in the record, with
/// one more attempt that takes it back.
template <class B, class L>
void Engine<B, L>::give_up(SessionCore& session, Error error) {
  LoadState& load = *session.load();
  if (!load.asked && !load.unheard_of) return load_done(session, std::move(error));
  load.error = std::move(error);
  load.intent = Intent::withdraw;
  load.next_try = now();
}

/// The record is ours: what the backend knows of it.
template <class B, class L>
void Engine<B, L>::opened(SessionCore& session, AcquireRequest& request) {
  Snapshot& record = request.record;
  session.epoch = record.fence.epoch;
  session.write = record.fence.write;
  session.version = record.version;
  hear_time(record.now, now());
  session.load_count = record.load_count;
  session.created = record.created;
  session.updated = record.updated;
  session.renewed = *session.load()->sent;
  session.failures = 0;
  session.has_record = record.has_data;
  session.is_new = !record.has_data;
  session.stored_bytes = static_cast<std::uint32_t>(record.data.size());
  session.stored_crc = record.has_data ? stored_checksum(record.data) : 0;
  if (!record.has_more()) return;
  SessionExtras& extras = session.more();
  extras.user_ids.value = std::move(record.user_ids);
  extras.metadata.value = std::move(record.metadata);
  extras.receipts = std::move(record.receipts);
  drop_repeats(extras.receipts);
  extras.receipts_forgotten = record.receipts_forgotten;
  extras.outbox_waiting = record.outbox.size();
  for (Message& message : record.inbox) {
    extras.seen_position = (std::max)(extras.seen_position, message.position);
    extras.inbox.push_back({std::move(message)});
  }
  if (!record.outbox.empty()) relay_soon(session, now());
}

template <class B, class L>
void Engine<B, L>::held(SessionCore& session, const HeldBy& holder) {
  LoadState& load = *session.load();
  const bool is_ours = holder.asker == owner_of(session);
  load.asked = load.asked || is_ours;
  if (!load.unheard_of) load.sent.reset();
  if (!load.has_waiters())
    return give_up(
        session,
        Error(Errc::cancelled, "nobody waits for this load any more").for_key(session.key()));
  if (load.conflict == Conflict::steal && !load.once && load.attempts <= 8) {
    load.intent = Intent::steal;
    load.seen_epoch = holder.epoch;
    load.seen_renewals = holder.renewals;
    load.next_try = now();
    return;
  }
  if (load.conflict != Conflict::request || load.once)
    return give_up(session, locked_error(session, holder, "it was not asked to let go"));
  if (!load.asked && holder.left <= Duration::zero()) {  // free, but for one who may be gone
    load.intent = Intent::request;
    load.next_try = now();
    return;
  }
  if (!is_ours && !holder.asker.nobody())
    return give_up(session,
                   locked_error(session, holder, "a newer request came from another server"));
  if (now() >= load.deadline)
    return give_up(session,
                   locked_error(session, holder, "the holder did not let go before the deadline"));
  if (!load.asked) {  // the attempt that was to leave the request was lost on its way
    load.intent = Intent::request;
    load.next_try = now();
    return;
  }
  load.intent = Intent::keep_request;
  // Where a hint does not reach us we look again after 1, 2, 4, then every 5 s, and when the lease
  // runs out.
  const Duration pause =
      (std::min)(Duration(1s) * (1 << (std::min)(load.attempts - 1, 3U)), Duration(5s));
  load.next_try = (std::min)({now() + pause, now() + holder.left + 1ms, load.deadline});
}

template <class B, class L>
Error Engine<B, L>::locked_error(const SessionCore& session, const HeldBy& holder,
                                 std::string detail) {
  return Error(Errc::locked, std::move(detail))
      .for_key(session.key())
      .held_by({std::string(holder.owner.server.view()), holder.epoch,
                std::chrono::duration_cast<std::chrono::milliseconds>(holder.age)});
}

/// Ends the load: as an open session, or with an error; then a lease that was taken is given back.
template <class B, class L>
void Engine<B, L>::load_done(SessionCore& session, Error error) {
  const LoadPtr load = std::exchange(session.loading, LoadPtr());
  load->error = std::move(error);
  load->done = true;  // after the error: other threads look at this first
  if (failed(load->error)) {
    ++metrics_.loads_failed;
    if (session.epoch == 0) return end(session, State::released, Reason::asked, false);
    session.ending = Reason::asked;
    session.state = State::releasing;
    session.gives_back = true;
    return reschedule(session);
  }
  ++metrics_.loads;
  change_state(session, State::open);
  if (session.wants_saves()) stamp(session);
  if (std::vector<std::string> dropped = session.take_dropped(); !dropped.empty()) {
    Event event;
    event.kind = Event::Kind::dropped_fields;
    event.paths = std::move(dropped);
    tell(session, std::move(event));
  }
  if (session.extras && !session.extras->inbox.empty()) {
    Event event;
    event.kind = Event::Kind::messages;
    tell(session, std::move(event));
  }
  reschedule(session);
}

/// One caller no longer wants it; the last one to go ends it, and takes its request to the holder
/// back.
template <class B, class L>
void Engine<B, L>::abandon_load(SessionCore& session, std::size_t place) {
  const Lock hold(mutex_);
  LoadState* load = session.load();
  if (load == nullptr) return;
  load->waiters[place].waits = false;
  if (!load->has_waiters()) call_off(session);
}

/// Ends a load that nobody waits for. One that is out learns it from its reply.
template <class B, class L>
void Engine<B, L>::call_off(SessionCore& session) {
  LoadState* load = session.load();
  if (session.in_flight || load->intent == Intent::withdraw) return;
  Error error = Error(Errc::cancelled, "the load was called off").for_key(session.key());
  const SessionPtr alive(&session);
  if (std::erase(queued_loads_, alive) != 0) return load_done(session, std::move(error));
  const LoadPtr kept = session.loading;
  give_up(session, std::move(error));
  if (!kept->done) reschedule(session);
}

template <class B, class L>
void Engine<B, L>::add_load(SessionCore& session, Round& round) {
  round.loading.emplace_back(&session);
  ask(session, round.acquires.emplace_back());
}

/// A record of our own that waits to be given back would pass for somebody else's.
template <class B, class L>
void Engine<B, L>::send_again_now() {
  {
    const Lock hold(mutex_);
    if (resends_.empty()) return;
  }
  Round round;
  Manifest mine;
  mine.now = now();
  send_again(round, mine);
  if (round.empty()) return;
  round.perform(backend_);
  complete(round, mine);
}

/// Attempts, and waits on the clock between them. A session of the same key that is being released
/// here is finished first. At `deadline` it leaves a load that goes on for others.
template <class B, class L>
void Engine<B, L>::finish_load(SessionCore& session, const LoadState& load, TimePoint deadline) {
  const SessionPtr alive(&session);
  while (!load.done) {
    AcquireRequest request;
    bool asks = false;
    TimePoint again{};
    TimePoint last{};
    SessionPtr before;
    bool waits_for_release = false;
    Aim aim = Aim::release;
    Reason reason = Reason::asked;
    send_again_now();
    {
      const Lock hold(mutex_);
      start_queued_loads();
      before = SessionPtr(registry_.find(session));
      if (load.done) break;
      last = load.deadline;
      asks = before.get() == &session && !session.in_flight;
      if (asks) ask(session, request);
      if (before && before->gives_back) aim = Aim::give_back;
      waits_for_release =
          before && before.get() != &session && (!before->is_offline || before->gives_back);
      if (before) reason = before->ending;
    }
    if (asks) {
      backend_.acquire(std::span(&request, 1));
      settle_load(session, request,
                  request.is_to_be_read() ? session.decode(request.record) : success);
    } else {
      again = now() + 100ms;
      bool busy = !waits_for_release;
      if (waits_for_release) {
        const auto released = commit_now(*before, aim, reason);
        if (released) continue;
        busy = released.is(Errc::busy);
        const Lock hold(mutex_);
        again = (std::max)(again, before->not_before);
      }
      // What is under way on this very thread does not end while we wait for it.
      if (now() >= last || (busy && !Access::is_shared)) break;
    }
    if (load.done || (now() >= deadline && deadline < last)) break;
    if (asks) {
      const Lock hold(mutex_);
      again = load.next_try;
    }
    clock_.wait_until((std::min)(again, deadline), wakes_->wake());
  }
  bool goes_back = false;
  {
    const Lock hold(mutex_);
    goes_back = session.gives_back && !ended(session.state);
  }
  if (goes_back) (void)commit_now(session, Aim::give_back, Reason::asked);
  drain();
}

}  // namespace persist::inline PERSIST_ABI

// What is due when, and the rounds of a poll.

namespace persist::inline PERSIST_ABI {

/// The session is on its way to the disk from the next poll on; an edit itself reads no clock.
template <class B, class L>
void Engine<B, L>::became_dirty(SessionCore& session) {
  const Lock hold(mutex_);
  if (session.listed || ended(session.state)) return;
  session.listed = true;
  newly_dirty_.emplace_back(&session);
}

/// Sets when a session that became dirty is to be saved: between half and all of the interval from
/// now, each session at a moment of its own, so that a thousand edits of one moment are not a
/// thousand saves of another.
template <class B, class L>
void Engine<B, L>::stamp(SessionCore& session) {
  const Duration interval = autosave_of(session);
  if (interval <= Duration::zero()) {
    session.save_at = TimePoint::max();
    return;
  }
  const auto place = static_cast<std::int64_t>((session.number * 0x9e3779b97f4a7c15U) >> 56);
  session.save_at = now() + interval / 2 + interval / 2 * place / 256;
}

template <class B, class L>
TimePoint Engine<B, L>::when_due(SessionCore& session) {
  if (session.in_flight || ended(session.state)) return TimePoint::max();
  if (const LoadState* load = session.load()) return load->next_try;
  TimePoint due = TimePoint::max();
  if (session.wants_saves() && !session.listed) due = session.save_at;
  if (session.save_wanted) due = TimePoint::min();
  // A gap between saves holds up neither the renewals nor the last save.
  if (session.failures == 0) due = (std::max)(due, session.not_before);
  if (session.check_wanted || session.state == State::releasing) due = TimePoint::min();
  if (is_leased() && options_.renew > Duration::zero())
    due = (std::min)(due, session.renewed + options_.renew);
  if (session.failures != 0) due = (std::max)(due, session.not_before);
  if (is_leased() && session.state == State::open) due = (std::min)(due, trusted_until(session));
  return due;
}

template <class B, class L>
void Engine<B, L>::reschedule(SessionCore& session) {
  const TimePoint due = when_due(session);
  if (due == TimePoint::max())
    due_.remove(session);
  else
    due_.set(session, due);
}

template <class B, class L>
void Engine<B, L>::request_save(SessionCore& session, bool force) {
  const Lock hold(mutex_);
  session.save_wanted = true;
  session.force_wanted = session.force_wanted || force;
  reschedule(session);
}

template <class B, class L>
void Engine<B, L>::request_release(SessionCore& session, Reason reason) {
  const Lock hold(mutex_);
  if (session.state != State::open && session.state != State::suspect) return;
  session.ending = reason;
  change_state(session, State::releasing);
  reschedule(session);
}

template <class B, class L>
void Engine<B, L>::last_handle_dropped(SessionCore& session) {
  const SessionPtr alive(&session);
  const Lock hold(mutex_);
  if (session.handles.load(std::memory_order_acquire) != 0) return;
  if (ended(session.state)) {
    retired_.remove(session);
    session.detach();
    return;
  }
  if (session.state == State::open || session.state == State::suspect)
    log(LogLevel::info,
        std::string(session.key()) + ": the last handle was dropped without a release; releasing");
  game_lets_go(session);
  request_release(session, Reason::dropped);
}

template <class B, class L>
void Engine<B, L>::begin_poll() {
  const Lock hold(mutex_);
  ++visits_;
  (void)wakes_->wake().take();
  std::vector<SessionPtr> dirty;
  dirty.swap(newly_dirty_);
  for (const SessionPtr& session : dirty) {
    session->listed = false;
    if (ended(session->state) || !session->wants_saves()) continue;
    // The interval counts from the first edit that is not saved; later ones do not put it off.
    if (session->save_at == TimePoint{}) stamp(*session);
    reschedule(*session);
  }
  offer_messages_again();
  start_queued_loads();
}

/// Sessions that the backend hinted at are looked at now: in each round, so that a record that was
/// let go in one is taken in the next.
template <class B, class L>
void Engine<B, L>::take_hints() {
  wakes_->drain(woken_);
  for (const std::string& key : woken_) {
    SessionCore* session = registry_.find(key);
    if (session == nullptr) continue;
    if (LoadState* load = session->load())
      load->next_try = now();
    else
      session->check_wanted = true;
    reschedule(*session);
  }
}

template <class B, class L>
void Engine<B, L>::offer_messages_again() {
  const Lock hold(mutex_);
  std::vector<SessionPtr> waiting;
  waiting.swap(messages_wait_);
  for (const SessionPtr& session : waiting) {
    session->messages_wait = false;
    Event event;
    event.kind = Event::Kind::messages;
    tell(*session, std::move(event));
  }
}

template <class B, class L>
void Engine<B, L>::postpone_messages(SessionCore& session) {
  const Lock hold(mutex_);
  if (session.messages_wait) return;
  session.messages_wait = true;
  messages_wait_.emplace_back(&session);
}

/// Adds the commits to the round that are to go again, and those that give a record back behind an
/// end.
template <class B, class L>
void Engine<B, L>::send_again(Round& round, Manifest& mine) {
  const Lock hold(mutex_);
  std::erase_if(resends_, [&](const std::pair<TimePoint, Flight*>& resend) {
    if (resend.first <= mine.now) mine.flights.push_back(resend.second);
    return resend.first <= mine.now;
  });
  for (Flight* flight : mine.flights) {
    flight->request.outcome = CommitRequest::Outcome::pending;
    flight->request.error = Errc{};
    round.commits.push_back(std::move(flight->request));
  }
}

template <class B, class L>
void Engine<B, L>::prepare(Round& round, Manifest& mine) {
  mine.first_commit = round.commits.size();
  mine.first_acquire = round.acquires.size();
  mine.flights.clear();
  std::vector<SessionPtr> due;
  {
    const Lock hold(mutex_);
    mine.now = now();
    take_hints();
    while (!due_.empty() && due_.first().due <= mine.now) {
      due.emplace_back(&due_.first());
      due_.remove(*due.back());
    }
  }
  send_again(round, mine);
  for (const SessionPtr& session : due) {
    const bool first = session == due.front();  // however small the limit, something is done
    if (!first && mine.stop_at != TimePoint::max() && now() >= mine.stop_at) {
      const Lock hold(mutex_);  // the rest goes on at the next call
      reschedule(*session);
    } else {
      collect(*session, round, mine);
    }
  }
  mine.acquires = round.acquires.size() - mine.first_acquire;
}

/// Adds a commit of the session, and of who must go with it, to the round. False where there is
/// nothing to write, `busy` where one of them cannot go now, or why a rule holds them back.
template <class B, class L>
Result<bool> Engine<B, L>::put_on_board(SessionCore& session, Aim aim, Reason reason, Round& round,
                                        Manifest& mine) {
  Flight& flight = new_flight();
  if (failed(assemble(flight, session, aim, reason))) {
    recycle(flight);
    return Error(Errc::busy);
  }
  if (prepare_flight(flight)) {
    mine.flights.push_back(&flight);
    round.commits.push_back(std::move(flight.request));
    return true;
  }
  const Result<Saved> why = std::move(flight.results[0]);
  recycle(flight);
  return why ? Result<bool>(false) : Result<bool>(why.error());
}

/// Decides what a session that is due needs, and adds it to the round.
template <class B, class L>
void Engine<B, L>::collect(SessionCore& session, Round& round, Manifest& mine) {
  Aim aim = Aim::renew;
  Reason reason = Reason::autosave;
  {
    const Lock hold(mutex_);
    if (ended(session.state) || session.in_flight) return;
    if (session.load() != nullptr) {
      session.load()->next_try <= mine.now ? add_load(session, round) : reschedule(session);
      return;
    }
    if (is_leased() && session.state == State::open && mine.now >= trusted_until(session))
      change_state(session, State::suspect);
    if (when_due(session) > mine.now) return reschedule(session);
    if (session.state == State::releasing) {
      aim = session.gives_back ? Aim::give_back : Aim::release;
      reason = session.ending;
    } else if (in_gap(session)) {
      aim = Aim::renew;
    } else if (session.save_wanted) {
      aim = session.force_wanted ? Aim::force : Aim::save;
      reason = Reason::asked;
      session.save_wanted = session.force_wanted = false;
    } else if (session.wants_saves() && session.save_at <= mine.now) {
      aim = Aim::save;
    }
  }
  const Result<bool> left = put_on_board(session, aim, reason, round, mine);
  if (left && *left) return;
  const bool busy = left.is(Errc::busy);
  // What keeps the data here, an open guard or a partner that a rule holds back, keeps neither the
  // lease from being renewed nor the session from hearing what came for it.
  if (!left && (aim == Aim::renew || renewal_is_due(session)))
    (void)put_on_board(session, Aim::hold, reason, round, mine);
  const Lock hold(mutex_);
  if (ended(session.state)) return;
  if (aim == Aim::save || aim == Aim::force) {
    if (busy) {
      session.save_wanted = session.save_wanted || reason == Reason::asked;
      session.force_wanted = session.force_wanted || aim == Aim::force;
    } else if (session.wants_saves())
      stamp(session);  // it was refused: play goes on, and it is tried again
  }
  if (session.in_flight) return;  // its outcome says when it is due
  // An open guard keeps it due; so does a transaction that a rule holds back. Look again soon.
  if (busy || session.state == State::releasing)
    due_.set(session, mine.now + (busy ? Duration(10ms) : Duration(1s)));
  else
    reschedule(session);
}

template <class B, class L>
void Engine<B, L>::complete(Round& round, Manifest& mine) {
  for (std::size_t i = 0; i < mine.flights.size(); ++i) {
    Flight& flight = *mine.flights[i];
    flight.request = std::move(round.commits[mine.first_commit + i]);
    complete_flight(flight);
    if (!flight.resend) recycle(flight);
  }
  for (std::size_t i = mine.first_acquire; i < mine.first_acquire + mine.acquires; ++i)
    settle_load(*round.loading[i], round.acquires[i], round.decoded[i]);
  drain();
}

template <class B, class L>
TimePoint Engine<B, L>::end_poll() {
  Lock hold(mutex_);
  const bool relays = now() >= next_relay_;
  hold.unlock();
  if (relays) relay();
  drain();
  return next_deadline();
}

template <class B, class L>
void Engine<B, L>::leave_poll() noexcept {
  const Lock hold(mutex_);
  --visits_;
}

template <class B, class L>
TimePoint Engine<B, L>::next_deadline() {
  const Lock hold(mutex_);
  const TimePoint soon = now();
  TimePoint next = due_.empty() ? TimePoint::max() : due_.first().due;
  for (const auto& [at, flight] : resends_)
    next = (std::min)(next, at);
  next = (std::min)(next, next_relay_);
  if (!queued_loads_.empty() || !messages_wait_.empty()) next = (std::min)(next, soon + 10ms);
  if (!newly_dirty_.empty() || !wakes_->empty()) next = (std::min)(next, soon);
  return next;
}

template <class B, class L>
std::size_t Engine<B, L>::close_all(TimePoint deadline) {
  RoundPartner<B>* self = this;
  while (true) {
    std::vector<SessionPtr> all = everything();
    for (const SessionPtr& session : all) {
      const Lock hold(mutex_);
      if (LoadState* load = session->load()) {
        for (LoadState::Waiter& waiter : load->waiters)
          waiter.waits = false;
        call_off(*session);
      } else {
        request_release(*session, Reason::shutdown);
      }
    }
    const TimePoint next = poll_partners<B>(std::span(&self, 1), Duration::zero(), clock_);
    // What still goes back of sessions that have ended goes now, or waits for its lease to run out.
    const bool gives_back = [&] {
      const Lock hold(mutex_);
      return !resends_.empty();
    }();
    if ((open_sessions() == 0 && !gives_back) || now() >= deadline) break;
    // What keeps them here is this thread's own, and does not end while we wait.
    if (!Access::is_shared && !gives_back && !can_any_leave()) break;
    clock_.wait_until((std::min)(next, deadline), wakes_->wake());
  }
  return open_sessions();
}

template <class B, class L>
bool Engine<B, L>::can_any_leave() {
  const Lock hold(mutex_);
  const std::vector<SessionPtr> all = everything();
  return std::any_of(all.begin(), all.end(), [](const auto& each) { return can_leave(*each); });
}

/// Every session that has not ended, also those whose load waits for a release.
template <class B, class L>
std::vector<SessionPtr> Engine<B, L>::everything() {
  const Lock hold(mutex_);
  std::vector<SessionPtr> all = registry_.all();
  all.insert(all.end(), queued_loads_.begin(), queued_loads_.end());
  return all;
}

template <class B, class L>
void Engine<B, L>::let_go() {
  std::vector<SessionPtr> all = everything();
  {
    const Lock hold(mutex_);
    closing_ = true;
    queued_loads_.clear();
  }
  for (const SessionPtr& session : all) {
    Lock hold(mutex_);
    if (session->load() != nullptr) {
      load_done(*session, Error(Errc::closed, "the store was closed").for_key(session->key()));
    } else if (!session->gives_back) {
      log(LogLevel::error, std::string(session->key()) +
                               ": the store was closed before its last changes were saved");
    }
    hold.unlock();
    end(*session, State::lost, Reason::shutdown, false);
  }
  drain();
  Lock hold(mutex_);
  if constexpr (Access::is_shared) {
    // Another thread, whose commit has a partner here, still tells listeners of this store.
    while (draining_ || !preparers_.empty()) {
      hold.unlock();
      std::this_thread::yield();
      hold.lock();
    }
  }
  for (const SessionPtr& session : retired_.all()) {
    retired_.remove(*session);
    session->detach();
  }
  // A commit that would have gone again holds the stores of its partners, and this is one of them.
  for (const auto& [at, flight] : resends_)
    flight->clear();
  resends_.clear();
}

}  // namespace persist::inline PERSIST_ABI

namespace persist::inline PERSIST_ABI {

/// Posts what waits in the outboxes of this store's records, in order per receiver, and takes out
/// what was accepted.
///
/// Needs no lease: a message is known by its sender's number, so posting it again changes nothing,
/// and taking it out names it. A server that dies in between leaves a message that the next one
/// posts again.
template <class B, class L>
void Engine<B, L>::relay() {
  RelayRequest list;
  list.store = store_;
  std::string after;  // of our own: another thread may relay too
  {
    const Lock hold(mutex_);
    after = relay_after_;
  }
  list.after = after;
  const TimePoint sent = now();
  backend_.relay(std::span(&list, 1));
  const bool to_the_end = list.waiting.size() < list.most;
  const bool all_sent = send_on(list.waiting);
  const bool left_behind = failed(list.error) || !to_the_end || !all_sent;
  const Lock hold(mutex_);
  if (!failed(list.error)) {
    hear_time(list.now, sent);
    forget_sent(list, to_the_end);
    // The next call goes on behind these, so that full receivers hold up nobody else's messages.
    relay_after_ = to_the_end ? std::string() : std::move(list.waiting.back().key);
  }
  // A receiver that is full stays full until its owner plays: looking every few seconds is often
  // enough.
  next_relay_ = now() + (left_behind ? options_.relay : 4 * options_.relay);
  if (options_.relay <= Duration::zero()) next_relay_ = TimePoint::max();
}

/// Posts what waits in those records and takes out what was accepted; whether that is all of it.
///
/// One batch posts the next message of each sender to each receiver. Two from one to another are
/// never in one batch: where the first has no room a smaller one behind it might have, and the
/// first would then pass for a repeat.
template <class B, class L>
bool Engine<B, L>::send_on(const std::vector<RelayRequest::Waiting>& waiting) {
  std::vector<std::vector<OutgoingMessage>> taken(waiting.size());
  std::vector<std::vector<const OutgoingMessage*>> left(waiting.size());
  std::vector<Hash128> senders;
  for (std::size_t i = 0; i < waiting.size(); ++i) {
    senders.push_back(hash(waiting[i].key));
    for (const OutgoingMessage& message : waiting[i].messages)
      left[i].push_back(&message);
  }
  bool all_sent = true;
  std::vector<PostRequest> posts;
  std::vector<std::pair<std::size_t, const OutgoingMessage*>> asked;
  using Receiver = std::pair<std::uint32_t, std::string_view>;
  const auto receiver_of = [](const OutgoingMessage& m) { return Receiver(m.store.index, m.key); };
  do {
    posts.clear(), asked.clear();
    for (std::size_t i = 0; i < waiting.size(); ++i) {
      std::set<Receiver> in_batch;
      std::erase_if(left[i], [&](const OutgoingMessage* message) {
        if (!in_batch.insert(receiver_of(*message)).second) return false;
        PostRequest& post = posts.emplace_back();
        post.store = message->store;
        post.key = message->key;
        post.origin = {senders[i], message->epoch, message->number, {}};
        post.message = message->view();
        post.limits = &limits_;
        asked.emplace_back(i, message);
        return true;
      });
    }
    if (!posts.empty()) backend_.post(std::span(posts));
    for (std::size_t at = 0; at < posts.size(); ++at) {
      const auto& [i, message] = asked[at];
      if (!failed(posts[at].error)) {
        taken[i].push_back(*message);
        continue;
      }
      all_sent = false;  // a later message must not overtake one that has no room
      std::erase_if(left[i], [&, to = receiver_of(*message)](const OutgoingMessage* each) {
        return receiver_of(*each) == to;
      });
    }
  } while (!posts.empty());
  return take_out(waiting, taken) && all_sent;
}

/// False where something was not taken out: it is posted again, which changes nothing.
template <class B, class L>
bool Engine<B, L>::take_out(const std::vector<RelayRequest::Waiting>& waiting,
                            const std::vector<std::vector<OutgoingMessage>>& taken) {
  std::vector<RelayRequest> takes;
  for (std::size_t i = 0; i < waiting.size(); ++i) {
    if (taken[i].empty()) continue;
    RelayRequest& take = takes.emplace_back();
    take.store = store_;
    take.take_from = waiting[i].key;
    take.take = taken[i];
  }
  if (takes.empty()) return true;
  backend_.relay(std::span(takes));
  bool all = true;
  const Lock hold(mutex_);
  for (const RelayRequest& take : takes) {
    all = all && !failed(take.error);
    if (failed(take.error)) continue;
    metrics_.messages_relayed += take.take.size();
    if (SessionCore* here = registry_.find(take.take_from); here != nullptr && here->extras)
      here->extras->outbox_waiting -= (std::min)(here->extras->outbox_waiting, take.take.size());
  }
  return all;
}

/// Messages of that session wait, which had none that did.
template <class B, class L>
void Engine<B, L>::relay_soon(SessionCore& session, TimePoint at) {
  if (options_.relay <= Duration::zero()) return;
  next_relay_ = (std::min)(next_relay_, at);
  senders_.emplace_back(&session);
}

/// Sessions here whose messages another server has sent on: the page has what still waits of the
/// keys that it goes over.
template <class B, class L>
void Engine<B, L>::forget_sent(const RelayRequest& page, bool to_the_end) {
  std::erase_if(senders_, [&](const SessionPtr& session) {
    if (ended(session->state) || session->in_flight) return ended(session->state);
    const auto& waiting = page.waiting;
    if (session->key() <= page.after || (!to_the_end && session->key() > waiting.back().key))
      return false;
    const bool waits = std::any_of(waiting.begin(), waiting.end(),
                                   [&](const auto& each) { return each.key == session->key(); });
    if (!waits && session->extras) session->extras->outbox_waiting = 0;
    return !waits;
  });
}

}  // namespace persist::inline PERSIST_ABI

namespace persist::inline PERSIST_ABI {

/// A store with its types: makes sessions, holds what its listeners connected to, reads records
/// without a session.
template <class S>
class StoreCore final : public Engine<typename S::Backend, typename S::LockPolicy> {
 public:
  using Base = Engine<typename S::Backend, typename S::LockPolicy>;
  using Data = typename S::Data;
  using Node = SessionNode<S>;
  using Base::Base;

  [[nodiscard]] typename Base::Lock lock() { return typename Base::Lock(this->mutex()); }
  /// For connecting; `listeners` for firing.
  [[nodiscard]] Signals<Data, Session<S>&>& signals() noexcept {
    this->has_listeners_ = true;
    return signals_;
  }
  [[nodiscard]] const Signals<Data, Session<S>&>& listeners() const noexcept { return signals_; }
  [[nodiscard]] std::list<MessageHandler<Data>>& handlers() noexcept { return handlers_; }

  void fire_saving(Node& node, Reason reason) {
    if (!signals_.saving.has_handlers()) return;
    Session<S> self(node);
    signals_.saving.fire(self, node.data(), reason);
  }
  void edited_after_end(const Node& node) {
    const auto hold = lock();
    ++this->metrics().edits_after_end;
    this->log(LogLevel::warning,
              std::string(node.key()) +
                  ": an edit after the session's end goes to a copy that is never saved");
  }
  /// The session's own handler of that type of message, or else the store's.
  [[nodiscard]] const MessageHandler<Data>* find_handler(const std::list<MessageHandler<Data>>* own,
                                                         std::string_view type) {
    const auto hold = lock();
    for (const auto* list : {own, &std::as_const(handlers_)}) {
      if (list == nullptr) continue;
      const auto at = std::find_if(list->begin(), list->end(),
                                   [&](const auto& handler) { return handler.type == type; });
      if (at != list->end()) return &*at;
    }
    return nullptr;
  }
  /// `too_large` for a message that no inbox of this store could ever hold.
  [[nodiscard]] Result<void> fits_inbox(std::string_view type, ByteView payload) const {
    const std::size_t limit = this->limits().inbox_bytes;
    if (inbox_cost({type, 0, 0, {}, payload}) <= limit) return success;
    return Error(Errc::too_large, "the message is larger than the " + std::to_string(limit) +
                                      " bytes that an inbox holds");
  }
  [[nodiscard]] WallTime expiry(Duration after) const {
    constexpr Duration most = std::chrono::hours(24 * 45);
    return this->backend_time() +
           std::chrono::duration_cast<std::chrono::milliseconds>((std::min)(after, most));
  }

  /// The session of that key that is open here, or is being loaded or released; null if there is
  /// none.
  [[nodiscard]] Node* find(std::string_view key) {
    return static_cast<Node*>(this->registry().find(key));
  }

  /// Reads the record and hands it to `use(Snapshot&&)`. `not_found` where there is no data.
  [[nodiscard]] Result<Snapshot> read(std::string_view key) {
    ReadRequest request;
    request.store = this->store();
    request.key = key;
    this->backend().read(std::span(&request, 1));
    if (failed(request.error)) return Error(request.error).for_key(key);
    if (!request.found || !request.record.has_data)
      return Error(Errc::not_found, "there is no record").for_key(key);
    return std::move(request.record);
  }
  [[nodiscard]] Result<Data> decode(std::string_view key, const Snapshot& record) const {
    Data data{};
    UnknownFields unknown;
    const auto info = [&] {
      [[maybe_unused]] const LoadScope<typename S::Policy> hooks;
      if constexpr (detail::RecordOf<Data>::may_be_empty)
        return codec::decode_record<typename S::Codec, typename S::Policy>(record.data,
                                                                           data.emplace(), unknown);
      else
        return codec::decode_record<typename S::Codec, typename S::Policy>(record.data, data,
                                                                           unknown);
    }();
    if (!info) return Error(info.error()).for_key(key);
    return data;
  }
  [[nodiscard]] Result<Data> read_durable(const Node& node) {
    Result<Snapshot> record = read(node.key());
    if (!record) return record.error();
    if (record->fence.epoch != node.epoch)
      return Error(Errc::fenced, "another session has the record").for_key(node.key());
    return decode(node.key(), *record);
  }
  /// Posts, under an id of our own where the game gave none: so our own second try, after a reply
  /// that was lost, is known.
  void post(PostRequest& request, std::string_view id) {
    const std::string drawn =
        std::to_string(detail::os::random_bits()) + std::to_string(detail::os::random_bits());
    request.origin.source = this->hash(id.empty() ? std::string_view(drawn) : id);
    for (int tries = 0; tries < 3; ++tries) {
      request.error = Errc{};
      this->backend().post(std::span(&request, 1));
      if (request.error != Errc::unknown_outcome) break;
    }
    if (id.empty()) request.repeated = false;
  }
  /// Erases the record; a session of it that is open here ends with it.
  Result<void> erase(std::string_view key, bool drop_outbox) {
    EraseRequest request;
    request.store = this->store();
    request.key = key;
    request.drop_outbox = drop_outbox;
    request.limits = &this->limits();
    this->backend().erase(std::span(&request, 1));
    if (failed(request.error)) return Error(request.error).for_key(key);
    {
      const auto hold = lock();  // one that another thread has opened since is not of that record
      Node* here = find(key);
      if (here != nullptr && here->load() == nullptr && here->epoch < request.epoch)
        this->end(*here, State::lost, Reason::lost, false);
    }
    this->drain();
    return request.found ? Result<void>(success)
                         : Result<void>(Error(Errc::not_found, "there is no record").for_key(key));
  }

 private:
  Signals<Data, Session<S>&> signals_;
  std::list<MessageHandler<Data>> handlers_;  // one that runs may connect more
};

}  // namespace persist::inline PERSIST_ABI

namespace persist::inline PERSIST_ABI {

/// How a load goes about a holder, and whom its session is for.
enum class LoadKind : std::uint8_t {
  waits,    ///< as its conflict strategy says
  once,     ///< one attempt
  offline,  ///< for one change of a record that nobody plays
};

/// A load that `poll` carries on. Dropping it before it was taken calls it off: the record, or the
/// request to its holder, is given back.
template <class S>
class [[nodiscard]] Loading {
 public:
  explicit Loading(Error error) : error_(std::move(error)) {}
  /// `load` is null where the session is open already; `place` is the caller's among those who
  /// wait.
  Loading(Session<S> session, LoadPtr load, std::size_t place = 0)
      : session_(std::move(session)), load_(std::move(load)), place_(place) {}
  Loading(Loading&& other) noexcept
      : session_(std::exchange(other.session_, std::nullopt)),
        load_(std::move(other.load_)),
        place_(other.place_),
        error_(std::move(other.error_)) {}
  Loading& operator=(Loading&& other) noexcept {
    cancel();
    session_ = std::exchange(other.session_, std::nullopt);
    load_ = std::move(other.load_);
    place_ = other.place_;
    error_ = std::move(other.error_);
    return *this;
  }
  ~Loading() { cancel(); }

  /// Whether `take` has an answer.
  [[nodiscard]] bool ready() const noexcept { return !session_ || !load_ || load_->done; }
  /// The session, or why there is none: `locked` (names the holder), `cancelled`, what reading and
  /// decoding say; `busy` while it is not ready. Once.
  [[nodiscard]] Result<Session<S>> take() {
    if (!session_)
      return failed(error_) ? error_ : Error(Errc::cancelled, "this load was taken or called off");
    if (!ready())
      return Error(Errc::busy, "the record is still being loaded").for_key(session_->id());
    Session<S> session = *std::exchange(session_, std::nullopt);
    const auto load = std::move(load_);
    if (load && failed(load->error)) return load->error;
    session.node().enter_game();
    return session;
  }
  void cancel() {
    if (!session_) return;
    auto& node = session_->node();
    if (load_ && !load_->done && node.host() != nullptr)
      static_cast<StoreCore<S>&>(*node.host()).abandon_load(node, place_);
    session_.reset();
    error_ = Error(Errc::cancelled, "the load was called off");
  }
  [[nodiscard]] const LoadPtr& load() const noexcept { return load_; }
  [[nodiscard]] const std::optional<Session<S>>& session() const noexcept { return session_; }

 private:
  std::optional<Session<S>> session_;
  LoadPtr load_;
  std::size_t place_ = 0;
  Error error_{Errc{}};
};

}  // namespace persist::inline PERSIST_ABI

// The calls of a session that need its store.

namespace persist::inline PERSIST_ABI {

namespace detail {
/// Its address names T, whatever arguments an attachment is made with.
template <class T>
inline char attachment_tag = 0;
}  // namespace detail

template <class S>
Error Session<S>::refusal() const {
  if (node_->host() == nullptr || ended(node_->state))
    return Error(Errc::closed, "the session has ended").for_key(id());
  if (Error no = core().refusal(); failed(no)) return no;
  if (node_->state == State::loading)
    return Error(Errc::busy, "the session is still loading").for_key(id());
  return Errc{};
}

template <class S>
template <std::convertible_to<std::string_view> Pointer>
Result<Value> Session<S>::get(const Pointer& pointer) const {
  const View guard = view();
  return persist::get<typename S::Policy>(*guard, pointer);
}

template <class S>
template <std::convertible_to<std::string_view> Pointer>
Result<void> Session<S>::set(const Pointer& pointer, const Value& value) {
  const auto put = [&](Data& data, bool commit) -> Result<void> {
    auto done = schema::detail::set_or_try<typename S::Policy>(data, pointer, value, commit);
    return done ? std::move(done) : Result<void>(Error(done.error()).for_key(id()));
  };
  // An edit guard marks the session dirty, so it is opened for what fits only. Captured data is
  // newer inside one than outside, and there a save that finds no change writes nothing.
  if (!S::Policy::has_capture && is_active()) {
    const View guard = view();
    if (auto fits = put(const_cast<Data&>(*guard), false); !fits)  // NOLINT: it only looks
      return fits;
  }
  auto guard = try_edit();
  return guard ? put(**guard, true) : guard.error();
}

template <class S>
Result<Saved> Session<S>::save(SaveOptions options) {
  if (Error no = refusal(); failed(no)) return no;
  core().wait_for_gap(*node_);
  return core().commit_now(*node_, options.force ? Aim::force : Aim::save, Reason::asked);
}

template <class S>
Result<void> Session<S>::request_save(SaveOptions options) {
  if (Error no = refusal(); failed(no)) return no;
  core().request_save(*node_, options.force);
  return success;
}

template <class S>
Result<Saved> Session<S>::release(Reason reason) {
  if (Error no = refusal(); failed(no)) return no;
  return core().release_now(*node_, reason);
}

template <class S>
Result<void> Session<S>::request_release(Reason reason) {
  if (Error no = refusal(); failed(no)) return no;
  core().game_lets_go(*node_);
  core().request_release(*node_, reason);
  return success;
}

template <class S>
Result<void> Session<S>::erase() {
  if (Error no = refusal(); failed(no)) return no;
  return core().erase(id(), false);
}

template <class S>
Result<typename S::Data> Session<S>::durable() {
  {
    const auto hold = lock();  // the next save of another thread puts a newer one in its place
    if (const Data* kept = node_->durable_copy()) return *kept;
  }
  if (Error no = refusal(); failed(no)) return no;
  return core().read_durable(*node_);
}

template <class S>
void Session<S>::set_autosave(Duration interval) {
  const auto hold = lock();
  node_->more().autosave = (std::min)(interval, longest_pause);
  if (node_->host() == nullptr || !node_->wants_saves()) return;
  node_->save_at = TimePoint{};
  if (!node_->listed) core().became_dirty(*node_);
}

template <class S>
void Session<S>::set_min_gap(Duration gap) {
  const auto hold = lock();
  node_->more().min_gap = (std::min)(gap, longest_pause);
}

/// A function of this session that another thread runs would take such a change for its own, and
/// with a failure take it back behind the caller's back.
template <class S>
template <class F>
Result<void> Session<S>::change_beside(F&& change) {
  if (Error no = refusal(); failed(no)) return no;
  const std::unique_lock<typename Node::SessionLock> writing(node_->guard_lock(), std::try_to_lock);
  const auto hold = core().lock();
  const bool in_function = node_->in_function;
  if (in_function && !writing.owns_lock()) {
    return Error(Errc::busy, "another thread runs a handler, grant or transaction of this session")
        .for_key(id());
  }
  const Result<bool> changed = change(node_->more(), in_function);
  if (!changed) return changed.error();
  if (*changed && !in_function) node_->mark_dirty();
  return success;
}

template <class S>
Result<void> Session<S>::fits_beside(std::size_t users, std::size_t metadata) const {
  const std::size_t bytes = beside_cost(users, metadata);
  const std::size_t limit = core().limits().record_bytes;
  if (bytes <= limit) return success;
  return Error(Errc::too_large, "user ids and metadata would have " + std::to_string(bytes) +
                                    " bytes; the limit is " + std::to_string(limit))
      .for_key(id());
}

template <class S>
Result<void> Session<S>::add_user_id(std::uint64_t user) {
  return change_beside([&](SessionExtras& extras, bool as_draft) -> Result<bool> {
    std::vector<std::uint64_t> ids = extras.user_ids.now();
    if (std::find(ids.begin(), ids.end(), user) != ids.end()) return false;
    ids.push_back(user);
    if (auto fits = fits_beside(ids.size(), extras.metadata.now().size()); !fits)
      return fits.error();
    extras.user_ids.put(std::move(ids), as_draft);
    return true;
  });
}

template <class S>
Result<void> Session<S>::remove_user_id(std::uint64_t user) {
  return change_beside([&](SessionExtras& extras, bool as_draft) -> Result<bool> {
    std::vector<std::uint64_t> ids = extras.user_ids.now();
    if (std::erase(ids, user) == 0) return false;
    extras.user_ids.put(std::move(ids), as_draft);
    return true;
  });
}

template <class S>
Result<Value> Session<S>::metadata() const {
  const Buffer bytes = read_more([](const SessionExtras& more) { return more.metadata.now(); });
  Result<Value> value(Value{});
  UnknownFields none;
  if (bytes.empty()) return value;
  if (auto read = codec::Cbor::decode<schema::NoPolicy>(bytes, *value, none); !read)
    return read.error();
  return value;
}

template <class S>
Result<void> Session<S>::set_metadata(const Value& value) {
  Buffer bytes;
  UnknownFields none;
  if (auto written = codec::Cbor::encode<schema::NoPolicy>(value, none, bytes); !written)
    return written.error();
  return change_beside([&](SessionExtras& extras, bool as_draft) -> Result<bool> {
    if (auto fits = fits_beside(extras.user_ids.now().size(), bytes.size()); !fits)
      return fits.error();
    extras.metadata.put(std::move(bytes), as_draft);
    return true;
  });
}

template <class S>
template <class T, class... Args>
T& Session<S>::attach(Args&&... args) {
  const void* const tag = &detail::attachment_tag<T>;
  std::shared_ptr<T> fresh;  // made without the lock: its constructor is the game's
  while (true) {
    {
      const auto hold = lock();
      auto& all = node_->more().attachments;
      for (auto& [type, object] : all)
        if (type == tag) return *static_cast<T*>(object.get());
      if (fresh) return *static_cast<T*>(all.emplace_back(tag, std::move(fresh)).second.get());
    }
    fresh = std::make_shared<T>(std::forward<Args>(args)...);
  }
}

template <class S>
template <class K, class M>
Result<void> Session<S>::send(const K& key, const M& message, PostOptions options) {
  check_message<typename S::Policy, M>();
  if (Error no = refusal(); failed(no)) return no;
  if (node_->state != State::open)
    return Error(Errc::busy, "the lease of this session is in doubt").for_key(id());
  KeyBuffer spelled;
  if (auto fits = key::spell_checked<typename S::Key>(key, spelled); !fits) return fits;
  OutgoingMessage out;
  if (auto written = encode_message(message, out.payload); !written) return written;
  if (auto fits = core().fits_inbox(schema::type_name<M>, out.payload); !fits) return fits;
  out.store = core().store();
  out.key = spelled.view();
  out.epoch = node_->epoch;
  out.type = schema::type_name<M>;
  out.codec = codec::Cbor::id;
  out.priority = options.priority;
  out.expires = core().expiry(options.expires);
  return change_beside([&](SessionExtras& extras, bool) -> Result<bool> {
    if (extras.sends.size() + extras.outbox_waiting >= core().options().outbox_limit)
      return Error(Errc::full, "too many messages of this record wait for their receivers")
          .for_key(id());
    out.number = ++extras.send_number;
    extras.sends.push_back(std::move(out));
    return true;
  });
}

template <class S>
template <class F>
Result<Grant> Session<S>::grant_once(ReceiptId receipt, F&& fn) {
  check_changeable<typename S::Policy>();
  if (Error no = refusal(); failed(no)) return no;
  if (node_->state != State::open)
    return Error(Errc::busy, "the lease of this session is in doubt").for_key(id());
  if (receipt.id.empty()) return Error(Errc::invalid, "a receipt needs an id").for_key(id());
  const std::unique_lock<typename Node::SessionLock> writing(node_->guard_lock());
  const Receipt mine{core().hash(receipt.id),
                     day_of(receipt.time ? *receipt.time : core().backend_time())};
  const auto is_mine = [&](const Receipt& each) { return each.id == mine.id; };
  if (const SessionExtras* extras = node_->extras.get()) {
    const auto hold = core().lock();
    const bool saved = std::any_of(extras->receipts.begin(), extras->receipts.end(), is_mine);
    const bool granted =
        std::any_of(extras->pending_receipts.begin(), extras->pending_receipts.end(), is_mine);
    if (saved || granted) {
      ++core().metrics().grants_repeated;
      return saved ? Grant::durable : Grant::pending;
    }
    // Something was forgotten that may have been this one.
    if (extras->receipts_forgotten != 0 &&
        (!receipt.time || mine.day <= extras->receipts_forgotten))
      return Grant::refused;
  }
  auto done = node_->on_copy([&](Data& copy) { return detail::call(fn, copy); });
  if (!done) return done.error();
  const auto hold = core().lock();
  node_->more().pending_receipts.push_back(mine);
  ++core().metrics().grants;
  return Grant::pending;
}

template <class S>
template <class F>
void Session<S>::on_message(F&& fn) {
  using M = typename detail::CheckedHandler<std::remove_cvref_t<F>>::type;
  check_changeable<typename S::Policy>();
  check_message<typename S::Policy, M>();
  {
    const auto hold = lock();
    node_->handlers().push_back(core_handler<Data, M>(std::forward<F>(fn)));
  }
  if (node_->host() == nullptr) return;
  core().postpone_messages(*node_);
  core().offer_messages_again();
  core().drain();
}

template <class S>
template <class F>
Connection Session<S>::on_released(F&& fn) {
  if (node_->end_was_told) {
    fn(node_->ending, node_->was_saved);
    return {};
  }
  return node_->signals().released.connect(std::forward<F>(fn));
}

}  // namespace persist::inline PERSIST_ABI

namespace persist::inline PERSIST_ABI {

/// The calls of a store, over its core: what `Store` composes.
template <class S>
class StoreCalls {
 public:
  using Core = StoreCore<S>;
  using Node = SessionNode<S>;
  using Data = typename S::Data;
  using KeyValue = typename S::KeyValue;
  using Handle = Session<S>;

  explicit StoreCalls(Core& core) noexcept : core_(core) {}

  /// `value` is the key itself, where the caller has it.
  template <class K>
  Loading<S> begin(const K& key, std::optional<KeyValue> value, LoadOptionsFor<Data> options,
                   LoadKind kind, TimePoint deadline);
  template <class K>
  Loading<S> begin(const K& key, LoadOptionsFor<Data> options) {
    const TimePoint deadline = deadline_of(options, core_.options().begin_deadline);
    return begin(key, value_of(key), std::move(options), LoadKind::waits, deadline);
  }
  template <class K>
  Result<Handle> load(const K& key, LoadOptionsFor<Data> options) {
    const TimePoint deadline = deadline_of(options, core_.options().load_deadline);
    return finish(begin(key, value_of(key), std::move(options), LoadKind::waits, deadline),
                  deadline);
  }
  template <class K>
  Result<Handle> try_load(const K& key, LoadOptionsFor<Data> options) {
    const TimePoint deadline = core_.now();
    Loading<S> loading = begin(key, value_of(key), std::move(options), LoadKind::once, deadline);
    // A load that is under way here may wait for a holder, and this call does not.
    return joins(loading) ? loading.take() : finish(std::move(loading), deadline);
  }
  template <class K>
  Result<Handle> find(const K& key);
  template <class K>
  Result<Peeked<Data>> peek(const K& key, PeekOptions options);
  template <class K>
  Result<Inspection> inspect(const K& key);
  template <class K, class F>
  auto update(const K& key, F& fn) ->
      typename detail::UpdateResult<std::invoke_result_t<F&, Data&>>::type;
  template <class K>
  Result<Overwritten> overwrite(const K& key, Data data);
  template <class K>
  Result<void> erase(const K& key, EraseOptions options);
  template <class K, class M>
  Result<Posted> post(const K& key, const M& message, PostOptions options);
  template <class K, class F>
  Result<Grant> grant_once(const K& key, ReceiptId receipt, F& fn);
  Result<KeyPage> scan(std::string after, std::size_t most);
  template <class F>
  void on_message(F&& fn) {
    using M = typename detail::CheckedHandler<std::remove_cvref_t<F>>::type;
    check_changeable<typename S::Policy>();
    check_message<typename S::Policy, M>();
    {
      const auto hold = core_.lock();
      core_.handlers().push_back(core_handler<Data, M>(std::forward<F>(fn)));
      for (const SessionPtr& session : core_.registry().all())
        if (session->extras && !session->extras->inbox.empty()) core_.postpone_messages(*session);
    }
    core_.offer_messages_again();
    core_.drain();
  }

 private:
  template <class K>
  [[nodiscard]] static KeyValue value_of(const K& key) {
    static_assert(
        std::constructible_from<KeyValue, const K&>,
        "a load needs the key itself; what only spells it is for calls without a session");
    return static_cast<KeyValue>(key);
  }
  /// Spells the key into `spelled`, unless the store takes no call now.
  template <class K>
  Result<void> spell(const K& key, KeyBuffer& spelled) {
    if (Error no = core_.refusal(); failed(no)) return no;
    return key::spell_checked<typename S::Key>(key, spelled);
  }
  Result<Handle> finish(Loading<S> loading, TimePoint deadline) {
    if (!loading.ready()) core_.finish_load(loading.session()->node(), *loading.load(), deadline);
    return loading.take();
  }
  [[nodiscard]] TimePoint deadline_of(const LoadOptionsFor<Data>& options, Duration usual) const {
    return after(core_.now(), options.deadline > Duration::zero() ? options.deadline : usual);
  }
  /// Whether the session is not this caller's alone: it was open, or is being loaded for others.
  [[nodiscard]] bool joins(const Loading<S>& loading) {
    const auto hold = core_.lock();
    return loading.session() && (!loading.load() || loading.load()->waiters.size() > 1);
  }
  /// A session for one change of a record that nobody holds; `changes` says what it does to the
  /// node.
  template <class K, class F>
  Result<Saved> change_offline(const K& key, LoadOptionsFor<Data> options, F&& changes);

  Core& core_;
};

template <class S>
template <class K>
Loading<S> StoreCalls<S>::begin(const K& key, std::optional<KeyValue> value,
                                LoadOptionsFor<Data> options, LoadKind kind, TimePoint deadline) {
  KeyBuffer spelled;
  if (auto fits = spell(key, spelled); !fits) return Loading<S>(fits.error());
  const auto hold = core_.lock();
  Node* here = core_.find(spelled.view());
  if (here != nullptr && (here->state == State::releasing || here->is_offline)) here = nullptr;
  if (here == nullptr) here = static_cast<Node*>(core_.find_queued(spelled.view()));
  if (here != nullptr) {
    if (kind == LoadKind::offline)
      return Loading<S>(Error(Errc::busy, "the record is being loaded here").for_key(here->key()));
    const LoadPtr under_way = here->loading;
    if (!under_way) return Loading<S>(Handle(*here), LoadPtr());
    under_way->waiters.push_back({std::move(options.while_)});
    under_way->deadline = (std::max)(under_way->deadline, deadline);
    if (kind == LoadKind::waits) {  // the load goes on as long as the one that goes furthest
      under_way->once = false;
      under_way->conflict =
          (std::max)(under_way->conflict, options.conflict.value_or(S::LockPolicy::conflict));
    }
    return Loading<S>(Handle(*here), under_way, under_way->waiters.size() - 1);
  }
  auto load = LoadPtr(new LoadState);
  load->conflict = options.conflict.value_or(S::LockPolicy::conflict);
  load->once =
      kind == LoadKind::once || (kind == LoadKind::offline && load->conflict != Conflict::steal);
  if (load->conflict == Conflict::request && !load->once) load->intent = Intent::request;
  load->deadline = deadline;
  load->waiters.push_back({std::move(options.while_)});
  const bool named = value.has_value();
  if constexpr (std::default_initializable<KeyValue>)
    if (!named) value.emplace();
  Handle session(*new (spelled.view()) Node(core_, spelled.view(), *std::move(value)));
  if (kind == LoadKind::offline) session.node().go_offline(named);
  if (options.default_value) session.node().set_default(std::move(*options.default_value));
  core_.start_load(session.node(), load);
  return Loading<S>(std::move(session), std::move(load));
}

template <class S>
template <class K>
Result<Session<S>> StoreCalls<S>::find(const K& key) {
  KeyBuffer spelled;
  if (auto fits = spell(key, spelled); !fits) return fits.error();
  const auto hold = core_.lock();
  Node* here = core_.find(spelled.view());
  if (here == nullptr || here->is_offline ||
      (here->state != State::open && here->state != State::suspect))
    return Error(Errc::not_found, "no session of this key is open here").for_key(spelled.view());
  return Handle(*here);
}

template <class S>
template <class K>
Result<Peeked<typename S::Data>> StoreCalls<S>::peek(const K& key, PeekOptions options) {
  KeyBuffer spelled;
  if (auto fits = spell(key, spelled); !fits) return fits.error();
  if (options.live) {
    if (auto here = find(key)) {
      auto metadata = here->metadata();
      if (!metadata) return metadata.error();
      return Peeked<Data>{here->clone(),   here->version(),  here->load_count(),  here->created(),
                          here->updated(), here->user_ids(), *std::move(metadata)};
    }
  }
  Result<Snapshot> record = core_.read(spelled.view());
  if (!record) return record.error();
  Result<Data> data = core_.decode(spelled.view(), *record);
  if (!data) return data.error();
  Value metadata;
  UnknownFields none;
  if (!record->metadata.empty()) {
    if (auto read = codec::Cbor::decode<schema::NoPolicy>(record->metadata, metadata, none); !read)
      return read.error();
  }
  return Peeked<Data>{*std::move(data),   record->version, record->load_count,
                      record->created,    record->updated, std::move(record->user_ids),
                      std::move(metadata)};
}

template <class S>
template <class K>
Result<Inspection> StoreCalls<S>::inspect(const K& key) {
  KeyBuffer spelled;
  if (auto fits = spell(key, spelled); !fits) return fits.error();
  ReadRequest request;
  request.store = core_.store();
  request.key = spelled.view();
  core_.backend().read(std::span(&request, 1));
  if (failed(request.error)) return Error(request.error).for_key(spelled.view());
  Inspection found;
  found.exists = request.found && request.record.has_data;
  found.held = request.held;
  found.holder = {std::string(request.holder.owner.server.view()), request.holder.epoch,
                  std::chrono::duration_cast<std::chrono::milliseconds>(request.holder.age)};
  found.release_requested = !request.holder.asker.nobody();
  found.version = request.record.version;
  found.load_count = request.record.load_count;
  found.bytes = request.record.data.size();
  found.inbox_messages = request.inbox_messages;
  found.inbox_bytes = request.inbox_bytes;
  found.outbox_messages = request.outbox_messages;
  found.created = request.record.created;
  found.updated = request.record.updated;
  return found;
}

template <class S>
template <class K, class F>
Result<Saved> StoreCalls<S>::change_offline(const K& key, LoadOptionsFor<Data> options,
                                            F&& changes) {
  const TimePoint deadline = deadline_of(options, core_.options().load_deadline);
  std::optional<KeyValue> value;
  if constexpr (std::constructible_from<KeyValue, const K&>)
    value.emplace(static_cast<KeyValue>(key));
  else
    static_assert(std::default_initializable<KeyValue>,
                  "this change of a record needs the key itself, because an empty one cannot be "
                  "made of the key's type");
  auto session = finish(
      begin(key, std::move(value), std::move(options), LoadKind::offline, deadline), deadline);
  if (!session) return session.error();
  Node& node = session->node();
  Result<Saved> saved;
  if (Result<void> done = changes(node, *session); !done)
    saved = done.error();
  else
    saved = core_.commit_now(node, Aim::release, Reason::asked);
  // What the caller is told has failed must not happen later: the record goes back as it was.
  if (!saved && !ended(node.state) && !saved.is(Errc::unknown_outcome)) core_.give_back(node);
  return saved;
}

template <class S>
template <class K, class F>
auto StoreCalls<S>::update(const K& key, F& fn) ->
    typename detail::UpdateResult<std::invoke_result_t<F&, Data&>>::type {
  using R = std::invoke_result_t<F&, Data&>;
  using Answer = typename detail::UpdateResult<R>::type;
  Answer answer;
  const auto run = [&](Data& copy) -> Result<void> {
    if constexpr (std::is_void_v<R>) {
      fn(copy);
      answer = success;
      return success;
    } else {
      answer = fn(copy);
      return answer ? Result<void>(success) : Result<void>(answer.error());
    }
  };
  if (auto here = find(key)) {
    const std::unique_lock<typename Node::SessionLock> writing(here->node().guard_lock());
    auto done = here->node().on_copy(run);
    return done ? std::move(answer) : Answer(done.error());
  }
  auto saved = change_offline(key, {Conflict::refuse}, [&](Node& node, Handle&) -> Result<void> {
    if (node.is_new) return Error(Errc::not_found, "there is no record").for_key(node.key());
    return node.on_copy(run);
  });
  return saved ? std::move(answer) : Answer(saved.error());
}

template <class S>
template <class K>
Result<Overwritten> StoreCalls<S>::overwrite(const K& key, Data data) {
  {
    // Before anybody loses the record to it.
    const detail::HookScope hook;
    if (auto valid = S::Policy::validate(data); !valid) return valid.error();
  }
  Overwritten answer;
  const auto replace = [&](Node& node) -> Result<void> {
    answer.dropped_unknown = !node.unknown().empty();
    UnknownFields kept = std::exchange(node.unknown(), UnknownFields());
    auto done = node.on_copy([&](Data& copy) -> Result<void> {
      copy = std::move(data);
      return success;
    });
    if (!done) node.unknown() = std::move(kept);
    return done;
  };
  Result<Saved> saved;
  if (auto here = find(key)) {
    {
      const std::unique_lock<typename Node::SessionLock> writing(here->node().guard_lock());
      if (auto done = replace(here->node()); !done) return done.error();
    }
    saved = core_.commit_now(here->node(), Aim::force, Reason::asked);
  } else {
    KeyBuffer spelled;
    if (auto fits = spell(key, spelled); !fits) return fits.error();
    // Nobody loses the record to a call that is refused in the end.
    if (auto record = core_.read(spelled.view())) {
      if (auto readable = core_.decode(spelled.view(), *record); !readable) return readable.error();
    }
    LoadOptionsFor<Data> options;
    options.conflict = Conflict::steal;
    options.default_value = data;  // a record that does not exist yet begins as what it becomes
    saved =
        change_offline(key, std::move(options), [&](Node& node, Handle&) { return replace(node); });
  }
  if (!saved) return saved.error();
  answer.version = saved->version;
  return answer;
}

template <class S>
template <class K>
Result<void> StoreCalls<S>::erase(const K& key, EraseOptions options) {
  KeyBuffer spelled;
  if (auto fits = spell(key, spelled); !fits) return fits.error();
  return core_.erase(spelled.view(), options.drop_outbox);
}

template <class S>
template <class K, class M>
Result<Posted> StoreCalls<S>::post(const K& key, const M& message, PostOptions options) {
  check_message<typename S::Policy, M>();
  KeyBuffer spelled;
  if (auto fits = spell(key, spelled); !fits) return fits.error();
  Buffer payload;
  if (auto written = encode_message(message, payload); !written) return written.error();
  if (auto fit = core_.fits_inbox(schema::type_name<M>, payload); !fit)
    return Error(fit.error()).for_key(spelled.view());
  PostRequest request;
  request.store = core_.store();
  request.key = spelled.view();
  request.origin.first_tried = options.first_tried.value_or(core_.backend_time());
  request.message = {schema::type_name<M>, codec::Cbor::id, options.priority,
                     core_.expiry(options.expires), payload};
  request.limits = &core_.limits();
  core_.post(request, options.id);
  if (failed(request.error)) return Error(request.error).for_key(spelled.view());
  return Posted{request.repeated, request.position};
}

template <class S>
template <class K, class F>
Result<Grant> StoreCalls<S>::grant_once(const K& key, ReceiptId receipt, F& fn) {
  if (auto here = find(key)) {
    Result<Grant> granted = here->grant_once(receipt, fn);
    if (!granted || *granted != Grant::pending) return granted;
    auto saved = core_.commit_now(here->node(), Aim::save, Reason::asked);
    if (!saved && ended(here->state())) return saved.error();
    return saved ? Grant::durable : Grant::pending;
  }
  Result<Grant> granted;
  auto saved = change_offline(key, {Conflict::refuse}, [&](Node&, Handle& session) -> Result<void> {
    granted = session.grant_once(receipt, fn);
    return granted ? Result<void>(success) : Result<void>(granted.error());
  });
  if (!saved) return saved.error();
  return *granted == Grant::pending ? Result<Grant>(Grant::durable) : granted;
}

template <class S>
Result<KeyPage> StoreCalls<S>::scan(std::string after, std::size_t most) {
  if (Error no = core_.refusal(); failed(no)) return no;
  ScanRequest request;
  request.store = core_.store();
  request.after = std::move(after);
  request.most = most;
  core_.backend().scan(std::span(&request, 1));
  if (failed(request.error)) return request.error;
  return KeyPage{std::move(request.keys), std::move(request.next), request.done};
}

}  // namespace persist::inline PERSIST_ABI

namespace persist::inline PERSIST_ABI::detail {

/// Calls `use(fn, sessions…)` where the function came last.
template <class Use, class Last>
decltype(auto) function_first(Use&& use, Last& fn) {
  return use(fn);
}
template <class Use, class First, class... Rest>
decltype(auto) function_first(Use&& use, First& first, Rest&... rest) {
  if constexpr (sizeof...(Rest) == 0) {
    return use(first);
  } else {
    return function_first(
        [&](auto& fn, auto&... others) -> decltype(auto) { return use(fn, first, others...); },
        rest...);
  }
}

/// One change of several sessions, all or nothing: `fn` on copies, then one commit with all of
/// them.
template <class... S>
class Transaction {
 public:
  using Group = std::shared_ptr<TransactionGroup>;

  explicit Transaction(Session<S>&... sessions)
      : nodes_(&sessions.node()...), cores_{&sessions.node()...} {}
  ~Transaction() {
    for (std::size_t i = 0; i < locked_; ++i)
      cores_[i]->unlock();
  }
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;

  /// Why the partners cannot change together now, or `Errc{}`. Locks them.
  [[nodiscard]] Error check() {
    // The locks come first: what is checked must stay so.
    for (; locked_ < cores_.size(); ++locked_)
      if (!cores_[locked_]->try_lock()) {
        return Error(Errc::busy, "another thread is editing this session")
            .for_key(cores_[locked_]->key());
      }
    Error no{Errc{}};
    std::size_t i = 0;
    each([&](auto& node) {
      if (!failed(no)) no = check_one(node, i++);
    });
    if (failed(no)) return no;
    if (!share_a_database())
      return Error(Errc::unsupported, "the partners' stores do not share one open database");
    return Errc{};
  }

  /// Runs `fn` on copies and moves them in when it and every rule said yes; otherwise nothing has
  /// changed.
  template <class F>
  [[nodiscard]] Result<Group> run(F& fn) {
    (check_changeable<typename S::Policy>(), ...);
    Result<void> captured = success;
    each([&](auto& node) {
      if (captured) captured = node.capture();
    });
    if (!captured) return captured.error();
    auto copies = std::apply([](auto*... node) { return std::tuple(node->data()...); }, nodes_);
    zip(copies, [](auto& node, auto& copy) { node.begin_copy(copy); });
    std::optional<Running> running(std::in_place, *this);
    const auto sent =
        std::apply([](auto*... node) { return std::array{node->last_sent()...}; }, nodes_);
    Result<void> done = caught(
        "the function",
        [&] { return std::apply([&](auto&... copy) { return call(fn, copy...); }, copies); },
        Errc::refused);
    each([&done](auto& node) {
      if (done && ended(node.state))
        done = Error(Errc::closed, "a partner ended meanwhile").for_key(node.key());
    });
    zip(copies, [&done](auto& node, auto& copy) {
      if (done) done = node.check(copy);
    });
    std::size_t applied = 0;
    zip(copies, [&](auto& node, auto& copy) {
      if (done) done = (++applied, node.apply(copy));
    });
    if (!done) {
      std::size_t i = 0;
      each([&](auto& node) {
        if (i < applied) node.apply_own();
        node.take_back(sent[i++]);
      });
      return done.error();
    }
    zip(copies, [](auto& node, auto& copy) { node.take_in(std::move(copy)); });
    auto group = std::make_shared<TransactionGroup>();
    each([&](auto& node) {
      group->partners.push_back({SessionPtr(&node), node.core().shared_from_this()});
    });
    bool all_there = true;
    each([&](auto& node) {
      const auto hold = node.core().lock();
      node.more().group = group;
      all_there = all_there && !ended(node.state);
    });
    running.reset();
    if (all_there) return group;
    // One ended on another thread before it had partners.
    for (const TransactionGroup::Partner& partner : group->partners)
      partner.store->lose(*partner.session, *group);
    return Error(Errc::fenced, "a partner of the transaction ended meanwhile; all are lost");
  }

  /// Commits all partners now, unless another thread has done so since.
  [[nodiscard]] Result<Transacted> commit(const Group& group) {
    auto& first = *std::get<0>(nodes_);
    auto& core = first.core();
    count(core);
    const Result<Saved> saved = core.commit_now(first, Aim::save, Reason::transaction);
    // What is not written is still applied here and will be: saying that it failed would have it
    // done twice.
    const auto hold = core.lock();
    if (saved || group->durable) return Transacted::durable;
    return first.group() == group.get() ? Result<Transacted>(Transacted::pending)
                                        : Result<Transacted>(saved.error());
  }
  [[nodiscard]] Result<Transacted> request() {
    auto& first = *std::get<0>(nodes_);
    count(first.core());
    first.core().request_save(first, false);
    return Transacted::pending;
  }

 private:
  /// While it lives no commit takes a partner: what a function did is whole, or gone.
  struct Running {
    explicit Running(Transaction& of) : transaction(of) {}
    Running(const Running&) = delete;
    Running& operator=(const Running&) = delete;
    ~Running() {
      transaction.each([](auto& node) { node.end_copy(); });
    }
    Transaction& transaction;
  };
  template <class Core>
  static void count(Core& core) {
    const auto hold = core.lock();
    ++core.metrics().transactions;
  }
  /// Why the partner at that place cannot take part, or `Errc{}`.
  template <class Node>
  [[nodiscard]] Error check_one(Node& core, std::size_t i) {
    if (core.host() == nullptr)
      return Error(Errc::invalid, "a partner of the transaction is not open").for_key(core.key());
    const auto hold = core.core().lock();
    if (core.host() != nullptr && core.state == State::suspect)
      return Error(Errc::busy, "the lease of this session is in doubt").for_key(core.key());
    if (core.host() == nullptr || core.state != State::open)
      return Error(Errc::invalid, "a partner of the transaction is not open").for_key(core.key());
    if (HookScope::active())
      return Error(Errc::invalid, "a hook of a policy may not call the store");
    if (std::find(cores_.begin(), cores_.begin() + static_cast<std::ptrdiff_t>(i), &core) !=
        cores_.begin() + static_cast<std::ptrdiff_t>(i))
      return Error(Errc::invalid, "the same session takes part twice").for_key(core.key());
    if (core.edit_guards != 0 || core.in_function || core.in_flight || core.group() != nullptr)
      return Error(Errc::busy,
                   "a guard, a save, a function or a transaction of this session is open")
          .for_key(core.key());
    return Errc{};
  }
  [[nodiscard]] bool share_a_database() {
    auto& first = std::get<0>(nodes_)->core().backend();
    return std::apply(
        [&](auto*... node) { return (first.same_database(node->core().backend()) && ...); },
        nodes_);
  }
  template <class F>
  void each(F&& use) {
    std::apply([&](auto*... node) { (use(*node), ...); }, nodes_);
  }
  template <class Copies, class F>
  void zip(Copies& copies, F&& use) {
    [&]<std::size_t... I>(std::index_sequence<I...>) {
      (use(*std::get<I>(nodes_), std::get<I>(copies)), ...);
    }(std::index_sequence_for<S...>{});
  }

  std::tuple<SessionNode<S>*...> nodes_;
  std::array<SessionCore*, sizeof...(S)> cores_;
  std::size_t locked_ = 0;
};

}  // namespace persist::inline PERSIST_ABI::detail

namespace persist::inline PERSIST_ABI {

/// Changes several open sessions together: `fn(data, data, …)` runs at once on copies; if it
/// returns well and every result is valid and fits, the copies are moved in and committed in one
/// write.
///
/// `durable`, or `pending` (applied here; written with the next commit of any partner, and with all
/// of them). An error means that nothing has changed: `invalid` (a partner is not open, or takes
/// part twice, or a rule is broken), `busy`, `unsupported` (not one database), `too_large`, what
/// `fn` says; `fenced`: somebody newer has a record, and all partners are lost. Blocks for one
/// round trip.
template <class F, class... S>
  requires(sizeof...(S) >= 2)
Result<Transacted> transact_sessions(F&& fn, Session<S>&... sessions) {
  static_assert((transactional_backend<typename S::Backend> && ...),
                "this backend cannot commit several records together, so its sessions cannot take "
                "part in a transaction");
  Result<std::shared_ptr<TransactionGroup>> group;
  {
    detail::Transaction<S...> transaction(sessions...);
    if (Error no = transaction.check(); failed(no)) return no;
    group = transaction.run(fn);
    if (!group) return group.error();
  }
  detail::Transaction<S...> transaction(sessions...);
  return transaction.commit(*group);
}

/// As `transact_sessions`, but leaves the commit to the next poll: `pending`.
template <class F, class... S>
  requires(sizeof...(S) >= 2)
Result<Transacted> request_transaction(F&& fn, Session<S>&... sessions) {
  static_assert((transactional_backend<typename S::Backend> && ...),
                "this backend cannot commit several records together, so its sessions cannot take "
                "part in a transaction");
  detail::Transaction<S...> transaction(sessions...);
  if (Error no = transaction.check(); failed(no)) return no;
  if (auto done = transaction.run(fn); !done) return done.error();
  return transaction.request();
}

}  // namespace persist::inline PERSIST_ABI

namespace persist::inline PERSIST_ABI {

/// The records of one name in a database, and the sessions on them.
///
/// Opening never fails here: `status` says whether it did, and every call answers it. The
/// destructor saves and gives back what is open, within `close_deadline`, and logs what it could
/// not save. Destroying a store inside one of its own handlers ends the program. Thread rule: one
/// thread at a time, or all in `access::Shared`; no call waits for storage but those that say so.
template <class Key, class Data, class Backend, class LockPolicy, class Codec>
class Store {
 public:
  using Stack = persist::Stack<Key, Data, Backend, LockPolicy, Codec>;
  using Core = StoreCore<Stack>;
  using Session = persist::Session<Stack>;
  using Loading = persist::Loading<Stack>;
  using DataType = typename Stack::Data;
  using LoadOptions = LoadOptionsFor<DataType>;

  /// Blocks for one round trip. An unusable name, server id or database shows in `status`.
  Store(std::string_view name, Backend backend, StoreOptions options = {})
      : core_(std::make_shared<Core>(name, std::move(backend), std::move(options))) {}
  Store(Store&&) noexcept = default;
  Store& operator=(Store&&) = delete;
  ~Store() {
    if (core_ == nullptr) return;
    if (core_->is_busy()) detail::fatal("a store was destroyed inside one of its own handlers");
    core_->close_all(after(core_->now(), core_->options().close_deadline));
    core_->let_go();
  }

  [[nodiscard]] Result<void> status() const {
    return failed(core_->opening_error()) ? Result<void>(core_->opening_error())
                                          : Result<void>(success);
  }
  [[nodiscard]] const std::string& name() const noexcept { return core_->name(); }
  [[nodiscard]] std::size_t open_sessions() const noexcept { return core_->open_sessions(); }
  [[nodiscard]] Metrics metrics() const {
    const auto hold = core_->lock();
    return core_->metrics();
  }

  // Loading.
  /// Blocks until the record is ours or the deadline has passed. A key that is open here gives the
  /// same session. A holder that is another store of this thread lets go only when that is polled,
  /// so it is waited for in vain: `begin_load`. `invalid` (the key), `locked` (names the holder),
  /// `cancelled`, `corrupt`, `wrong_codec`, `too_new`, `schema_mismatch` (the bytes are left as
  /// they are), `io`, `unavailable`, `timeout`.
  template <class K>
  [[nodiscard]] Result<Session> load(const K& key, LoadOptions options = {}) {
    return calls().load(key, std::move(options));
  }
  /// Begins a load that `poll` carries on; reaches storage only there.
  template <class K>
  [[nodiscard]] Loading begin_load(const K& key, LoadOptions options = {}) {
    return calls().begin(key, std::move(options));
  }
  /// One attempt that never waits for a holder: `locked`.
  template <class K>
  [[nodiscard]] Result<Session> try_load(const K& key, LoadOptions options = {}) {
    return calls().try_load(key, std::move(options));
  }
  /// The session that is open here; `not_found` if there is none. Reaches no storage.
  template <class K>
  [[nodiscard]] Result<Session> find(const K& key) {
    return calls().find(key);
  }

  // Without a session. Each blocks for one round trip, `update` and `grant_once` for two,
  // `overwrite` for three.
  /// What is durable. `not_found`, `invalid`, and what decoding says.
  template <class K>
  [[nodiscard]] Result<Peeked<DataType>> peek(const K& key, PeekOptions options = {}) {
    return calls().peek(key, options);
  }
  template <class K>
  [[nodiscard]] Result<Inspection> inspect(const K& key) {
    return calls().inspect(key);
  }
  /// Changes a record with `fn(data)` and returns what that returns: the live data where a session
  /// is open here, or a record that nobody holds; else `locked`. `not_found` where there is none.
  template <class K, class F>
  auto update(const K& key, F&& fn) {
    return calls().update(key, fn);
  }
  /// Replaces the data; whoever has the record elsewhere loses it. Receipts, messages, user ids and
  /// metadata stay. A record that cannot be read is not overwritten: erase it first.
  template <class K>
  Result<Overwritten> overwrite(const K& key, DataType data) {
    return calls().overwrite(key, std::move(data));
  }
  /// Removes the record with its messages, receipts and user ids. A session of it ends; a late save
  /// writes nothing.
  template <class K>
  Result<void> erase(const K& key, EraseOptions options = {}) {
    return calls().erase(key, options);
  }
  /// Leaves a message for a record that is open here, elsewhere, nowhere, or does not exist yet.
  /// `full`, `refused` (this id was first tried too long ago), `invalid`.
  template <class K, class M>
  Result<Posted> post(const K& key, const M& message, PostOptions options = {}) {
    return calls().post(key, message, options);
  }
  /// A purchase of somebody who is not here, or is: `durable` once it is saved, `locked` where
  /// another server holds the record.
  template <class K, class F>
  Result<Grant> grant_once(const K& key, ReceiptId receipt, F&& fn) {
    return calls().grant_once(key, receipt, fn);
  }
  /// Changes several open sessions together: `transact(a, b, …, fn)`; see `transact_sessions`.
  template <class... Args>
  Result<Transacted> transact(Args&&... sessions_then_function) {
    return detail::function_first(
        [](auto&& fn, auto&... sessions) { return transact_sessions(fn, sessions...); },
        sessions_then_function...);
  }
  template <class... Args>
  Result<Transacted> request_transact(Args&&... sessions_then_function) {
    return detail::function_first(
        [](auto&& fn, auto&... sessions) { return request_transaction(fn, sessions...); },
        sessions_then_function...);
  }
  /// A page of keys with data, in no particular order; `after` is the `next` of the page before.
  [[nodiscard]] Result<KeyPage> scan(std::string after = {}, std::size_t most = 1000) {
    return calls().scan(std::move(after), most);
  }

  // What is due.
  /// Saves, renews, relays, loads and releases what is due, and calls listeners. Returns when it
  /// wants to be called next.
  TimePoint poll(PollOptions options = {}) {
    RoundPartner<Backend>* self = core_.get();
    return poll_partners<Backend>(std::span(&self, 1), options.at_most, core_->clock());
  }
  [[nodiscard]] TimePoint next_deadline() { return core_->next_deadline(); }
  /// Saves and gives back every session, in batches. Returns how many could not be, before the
  /// deadline.
  std::size_t close_all(Duration within) { return core_->close_all(after(core_->now(), within)); }

  // Handlers and signals of every session. Handlers of messages are best connected before the first
  // load.
  /// `fn(Data&, const Gift&)` changes the data; the message leaves the record in the commit that
  /// saves the change.
  template <class F>
  void on_message(F&& fn) {
    calls().on_message(std::forward<F>(fn));
  }
  template <class F>
  Connection on_saving(F&& fn) {
    return core_->signals().saving.connect(std::forward<F>(fn));
  }
  template <class F>
  Connection on_saved(F&& fn) {
    return core_->signals().saved.connect(std::forward<F>(fn));
  }
  template <class F>
  Connection on_save_refused(F&& fn) {
    return core_->signals().save_refused.connect(std::forward<F>(fn));
  }
  template <class F>
  Connection on_released(F&& fn) {
    return core_->signals().released.connect(std::forward<F>(fn));
  }
  template <class F>
  Connection on_state_changed(F&& fn) {
    return core_->signals().state_changed.connect(std::forward<F>(fn));
  }
  template <class F>
  Connection on_renewal_failed(F&& fn) {
    return core_->signals().renewal_failed.connect(std::forward<F>(fn));
  }
  template <class F>
  Connection on_dropped_fields(F&& fn) {
    return core_->signals().dropped_fields.connect(std::forward<F>(fn));
  }

  [[nodiscard]] Core& core() noexcept { return *core_; }

 private:
  [[nodiscard]] StoreCalls<Stack> calls() { return StoreCalls<Stack>(*core_); }

  std::shared_ptr<Core> core_;  // kept by transactions of other threads too
};

/// Polls several stores with one batch per database and kind, so that what is due in all of them
/// shares one sync. Returns when the first of them wants to be called next.
template <class First, class... Rest>
TimePoint poll(First& first, Rest&... rest) {
  using Backend = typename First::Stack::Backend;
  static_assert((std::same_as<Backend, typename Rest::Stack::Backend> && ...),
                "stores that are polled together have one type of backend");
  RoundPartner<Backend>* const partners[] = {&first.core(), &rest.core()...};
  return poll_partners<Backend>(std::span(partners), Duration::zero(), first.core().clock());
}

}  // namespace persist::inline PERSIST_ABI

// Templates that a program makes once. A unit that uses a store makes the store's code again, and
// that is most of what it takes to compile. It need not: beside the type of the store stands
//
//   using Players = persist::Store<PlayerKey, PlayerSave>;
//   PERSIST_STORE_TEMPLATES(extern, Players);   // made elsewhere,
//   PERSIST_ENGINE_TEMPLATES(extern, Players);  // with what stores of one backend and lock share
//   PERSIST_FILE_TEMPLATES(extern);             // and, where it is the backend, File
//
// and in one unit of the program the same lines with nothing in the place of `extern`. They stand
// outside of any namespace. What an optimising compiler wants to inline it still sees.

/// What is made per store. `store` names a type, without template arguments of its own.
#define PERSIST_STORE_TEMPLATES(prefix, store)                  \
  PERSIST_TEMPLATE(prefix, persist::SessionNode<store::Stack>); \
  PERSIST_TEMPLATE(prefix, persist::StoreCore<store::Stack>);   \
  PERSIST_TEMPLATE(prefix, persist::Session<store::Stack>);     \
  PERSIST_TEMPLATE(prefix, persist::Loading<store::Stack>);     \
  PERSIST_TEMPLATE(prefix, persist::StoreCalls<store::Stack>)

/// What stores of one backend and lock policy share; `store` is any one of them.
#define PERSIST_ENGINE_TEMPLATES(prefix, store) \
  PERSIST_TEMPLATE(prefix, persist::Engine<store::Stack::Backend, store::Stack::LockPolicy>)
