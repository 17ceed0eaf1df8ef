// persist: player data for game servers. The single header, made by tools/amalgamate.py from
// include/persist: change it there.
//
// Distributed under the Boost Software License, Version 1.0.

#pragma once

#include "../persist.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <compare>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <functional>
#include <hiredis/hiredis.h>
#include <initializer_list>
#include <iterator>
#include <limits>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <poll.h>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

// What a server answers, and what its refusals mean.

namespace persist::inline PERSIST_ABI::backend::redis {

/// A part of a reply; what is not there is empty. Lives as long as the reply.
class Answer {
 public:
  explicit Answer(const redisReply* reply = nullptr) noexcept : reply_(reply) {}

  [[nodiscard]] bool is(int type) const noexcept {
    return reply_ != nullptr && reply_->type == type;
  }
  [[nodiscard]] bool is_error() const noexcept { return is(REDIS_REPLY_ERROR); }
  [[nodiscard]] bool is_text() const noexcept {
    return is(REDIS_REPLY_STRING) || is(REDIS_REPLY_STATUS) || is_error();
  }
  [[nodiscard]] std::string_view text() const noexcept {
    return is_text() ? std::string_view(reply_->str, reply_->len) : std::string_view();
  }
  [[nodiscard]] std::int64_t integer() const noexcept {
    return is(REDIS_REPLY_INTEGER) ? reply_->integer : 0;
  }
  [[nodiscard]] std::size_t size() const noexcept {
    return is(REDIS_REPLY_ARRAY) ? reply_->elements : 0;
  }
  [[nodiscard]] Answer operator[](std::size_t i) const noexcept {
    return Answer(i < size() ? reply_->element[i] : nullptr);
  }

 private:
  const redisReply* reply_;
};

struct FreeReply {
  void operator()(redisReply* reply) const noexcept { freeReplyObject(reply); }
};
using Reply = std::unique_ptr<redisReply, FreeReply>;

/// A whole number without a sign, as scripts write it.
[[nodiscard]] inline std::optional<std::uint64_t> number_in(std::string_view digits) noexcept {
  std::uint64_t value = 0;
  const char* const end = digits.data() + digits.size();
  const auto [at, error] = std::from_chars(digits.data(), end, value);
  if (digits.empty() || at != end || error != std::errc{}) return std::nullopt;
  return value;
}

/// What a refusal means to a caller. All of them were given before anything was written.
[[nodiscard]] inline Error describe(std::string_view words, const std::string& where) {
  struct Known {
    std::string_view begins;
    Errc code;
    std::string_view meaning;
  };
  static constexpr Known all[] = {
      {"NOAUTH", Errc::refused, "wants a password: set RedisOptions::password"},
      {"WRONGPASS", Errc::refused, "does not take this user and password"},
      {"ERR AUTH", Errc::refused, "wants no password, or knows no users: see RedisOptions::user"},
      {"NOPERM", Errc::refused, "does not let this user do what persist needs (doc/redis.md)"},
      {"ERR The user executing the script", Errc::refused,
       "does not let this user do what persist needs (doc/redis.md)"},
      {"READONLY", Errc::unavailable, "is a replica and takes no writes: name the master"},
      {"LOADING", Errc::unavailable, "is still loading its records"},
      {"MASTERDOWN", Errc::unavailable, "is a replica that has lost its master"},
      {"NOREPLICAS", Errc::unavailable, "has too few replicas to take a write"},
      {"BUSY", Errc::unavailable, "is busy with somebody's script"},
      {"CLUSTERDOWN", Errc::unavailable, "belongs to a cluster that is down"},
      {"TRYAGAIN", Errc::unavailable, "is moving these records to another node"},
      {"MOVED", Errc::unsupported, "is a node of a cluster: use backend::RedisCluster"},
      {"ERR max number of clients", Errc::unavailable, "has no connection left"},
      {"OOM", Errc::io, "has no memory left (maxmemory); nothing was written"},
      {"MISCONF", Errc::io, "cannot write to its disk, and so takes no writes"},
      {"WRONGTYPE", Errc::corrupt, "holds a key of another's under a name of persist's"},
  };
  for (const Known& known : all)
    if (words.starts_with(known.begins))
      return {known.code, where + ' ' + std::string(known.meaning) + ": " + std::string(words)};
  return {Errc::io, where + " answered: " + std::string(words)};
}

}  // namespace persist::inline PERSIST_ABI::backend::redis

// A record is one hash of Redis. Its head is one field, framed and summed, and says how long each
// part is and what its sum is; a part that no change touched is not sent. doc/format.md has the
// table. Names and numbers here reach disk: never renumber.

namespace persist::inline PERSIST_ABI::backend::redis {

using kv::Record;

/// Parts of a record, each in a field of its own where it has bytes.
enum class Part : std::uint8_t { data, metadata, users, indexed, receipts, inbox, outbox, history };
inline constexpr std::size_t part_count = 8;
inline constexpr std::array<std::string_view, part_count> part_fields = {"d", "m", "u", "x",
                                                                         "r", "i", "b", "y"};
using Parts = unsigned;
[[nodiscard]] constexpr Parts bit_of(Part part) noexcept {
  return 1U << static_cast<unsigned>(part);
}
inline constexpr Parts all_parts = (1U << part_count) - 1;

/// What scripts read and write besides the head: the version, the epoch, from when on anybody may
/// take the record (in microseconds), by whom it is held, and how it was taken since the head was
/// written.
inline constexpr std::string_view version_field = "v", epoch_field = "e", until_field = "l",
                                  owner_field = "o", taken_field = "t", head_field = "h";
inline constexpr std::string_view never = "1e300";

struct Sum {
  std::uint32_t size = 0;
  std::uint32_t crc = 0;

  [[nodiscard]] static Sum of(ByteView bytes) noexcept {
    return {static_cast<std::uint32_t>(bytes.size()), detail::crc32c(bytes)};
  }
  friend bool operator==(const Sum&, const Sum&) = default;
};
using Sums = std::array<Sum, part_count>;

[[nodiscard]] inline std::string text_of(const Owner& owner) {
  if (owner.nobody()) return {};
  std::array<char, 40> text;
  char* at = std::to_chars(text.data(), text.data() + 16, owner.nonce, 16).ptr;
  *at++ = '.';
  at = std::to_chars(at, text.data() + text.size(), owner.session, 16).ptr;
  return {text.data(), at};
}
/// From when on a script may give the record to whoever asks.
[[nodiscard]] inline std::string until_of(const Head& head) {
  if (head.fence.epoch + 1 >= epoch_limit || head.asked()) return std::string(never);
  if (head.fence.owner.nobody() || head.lease <= Duration::zero()) return "0";
  const auto end = std::chrono::ceil<std::chrono::microseconds>(
      after(head.renewed, head.lease).time_since_epoch());
  return std::to_string(end.count());
}

/// What a script writes as a record is taken, but for the epoch, which it gives.
[[nodiscard]] inline Buffer encode_taking(std::string_view key, const Owner& owner, Duration lease,
                                          TimePoint now) {
  Head head;
  head.fence.owner = owner, head.lease = lease, head.renewed = now;
  Buffer to;
  kv::begin_value(to, kv::ValueKind::record);
  file::append_text(to, key);
  file::write_head(to, head);
  kv::append_lease(to, head);
  kv::seal_value(to);
  return to;
}

/// The bytes of a part; none where there is nothing to say.
template <class NameOf>
[[nodiscard]] Buffer encode_part(const Record& record, Part part, NameOf name_of) {
  Buffer to;
  switch (part) {
    case Part::data:
      return record.data;  // a copy, which `add_fields` does without
    case Part::metadata:
      return record.metadata;
    case Part::users:
      return record.user_ids.empty() ? to : file::encode_user_ids(record.user_ids);
    case Part::indexed:
      return record.indexed;
    case Part::receipts:
      return record.receipts.empty() ? to : file::encode_receipts(record.receipts);
    case Part::inbox:
      return record.inbox.never_used() ? to : file::encode_inbox(record.inbox);
    case Part::outbox:
      if (!record.outbox.messages.empty()) kv::append_outbox(to, record.outbox, name_of);
      return to;
    case Part::history:
      for (const memory::KeptData& kept : record.history) {
        append_little(to, kept.version);
        file::append_time(to, kept.at), file::append_time(to, kept.until);
        kv::append_part(to, kept.data);
      }
  }
  return to;
}
template <class StoreOf>
[[nodiscard]] bool decode_part(Record& record, Part part, ByteView bytes, StoreOf store_of) {
  detail::Reader from(bytes);
  switch (part) {
    case Part::data:
      return record.data = Buffer(bytes), true;
    case Part::metadata:
      return record.metadata = Buffer(bytes), true;
    case Part::users:
      return bytes.empty() || file::decode_user_ids(bytes, record.user_ids);
    case Part::indexed:
      return record.indexed = Buffer(bytes), true;
    case Part::receipts:
      return bytes.empty() || file::decode_receipts(bytes, record.receipts);
    case Part::inbox:
      return bytes.empty() || file::decode_inbox(bytes, record.inbox);
    case Part::outbox:
      return bytes.empty() || (kv::read_outbox(from, record.outbox, store_of) && from.done());
    case Part::history:
      while (from.good() && from.left() != 0) {
        memory::KeptData& kept = record.history.emplace_back();
        kept.version = from.number<std::uint64_t>();
        kept.at = from.time(), kept.until = from.time();
        kept.data = Buffer(kv::read_part(from));
        kept.bytes = kept.data.size();
      }
  }
  return from.done();
}

[[nodiscard]] inline Buffer encode_head(const Record& record, std::uint64_t revision,
                                        const Sums& sums) {
  Buffer to;
  kv::begin_value(to, record.exists ? kv::ValueKind::record : kv::ValueKind::erased);
  append_little(to, revision);
  append_little(to, record.erased_epoch);
  file::append_text(to, record.key);
  file::write_head(to, record.head);
  kv::append_lease(to, record.head);
  append_little(to, static_cast<std::uint8_t>(record.has_data));
  append_little(to, record.receipts_forgotten);
  for (const Sum& sum : sums)
    append_little(to, sum.size), append_little(to, sum.crc);
  kv::seal_value(to);
  return to;
}

/// The fields of a hash, as they came.
struct Fields {
  std::string_view version, epoch, until, owner, taken, head;
  std::array<std::string_view, part_count> parts{};
  bool any = false;

  explicit Fields(Answer all) noexcept : any(all.size() != 0) {
    for (std::size_t i = 0; i + 1 < all.size(); i += 2)
      if (std::string_view* const at = find(all[i].text())) *at = all[i + 1].text();
  }

 private:
  [[nodiscard]] std::string_view* find(std::string_view name) noexcept {
    if (name == version_field) return &version;
    if (name == epoch_field) return &epoch;
    if (name == until_field) return &until;
    if (name == owner_field) return &owner;
    if (name == taken_field) return &taken;
    if (name == head_field) return &head;
    for (std::size_t i = 0; i < part_count; ++i)
      if (name == part_fields[i]) return &parts[i];
    return nullptr;
  }
};

/// A record as it was found.
struct Stored {
  Record record{};
  Sums sums{};
  std::uint64_t revision = 0;  ///< the count in the version
  std::string version = "0";
  bool is_taken = false;  ///< since its head was written
  std::size_t bytes = 0;
};

/// The head, and what it says of the parts.
[[nodiscard]] inline Result<void> read_stored_head(const Fields& from, std::string_view name,
                                                   Stored& to) {
  const auto opened = kv::open_value(as_bytes(from.head), name);
  if (!opened) return opened.error();
  detail::Reader head(opened->payload);
  Record& record = to.record;
  record.exists = opened->kind == kv::ValueKind::record;
  to.revision = head.number<std::uint64_t>();
  record.erased_epoch = head.number<std::uint64_t>();
  record.key = head.text();
  const bool good = file::read_head(head, record.head) && kv::read_lease(head, record.head);
  const auto has_data = head.number<std::uint8_t>();
  record.has_data = has_data == 1;
  record.receipts_forgotten = head.number<std::uint32_t>();
  for (Sum& sum : to.sums)
    sum.size = head.number<std::uint32_t>(), sum.crc = head.number<std::uint32_t>();
  const bool is_ours =
      opened->kind == kv::ValueKind::record || opened->kind == kv::ValueKind::erased;
  if (!is_ours || !good || has_data > 1 || !head.done()) return kv::damaged(name, "makes no sense");
  return success;
}
/// What became of the record by being taken since its head was written.
[[nodiscard]] inline bool apply_taking(ByteView payload, std::uint64_t epoch, Record& record) {
  detail::Reader from(payload);
  const std::string_view key = from.text();
  Head taken;
  if (!file::read_head(from, taken) || !kv::read_lease(from, taken) || !from.done()) return false;
  if (taken.fence.owner.nobody() || epoch <= record.head.fence.epoch || epoch >= epoch_limit)
    return false;
  if (record.exists && record.key != key) return false;
  take(record.head, taken.fence.owner, taken.lease, epoch, taken.renewed);
  record.key = key;
  return record.exists = true;
}

/// Reads a record from the fields of its hash, all of it or nothing. `store_of(name)` finds the
/// stores that messages in the outbox go to. `corrupt`, `too_new`.
template <class StoreOf>
[[nodiscard]] Result<Stored> decode_stored(Answer all, std::string_view name, StoreOf store_of) {
  const Fields from(all);
  Stored to;
  if (!from.any) return to;
  const auto revision = number_in(from.version.substr(0, from.version.find('-')));
  const auto epoch = number_in(from.epoch);
  if (!revision || !epoch) return kv::damaged(name, "is none of persist's, or is damaged");
  if (!from.head.empty() || from.taken.empty())
    if (const auto read = read_stored_head(from, name, to); !read) return read.error();
  for (std::size_t i = 0; i < part_count; ++i) {
    const ByteView bytes = as_bytes(from.parts[i]);
    const bool is_left_out = bytes.empty() && to.sums[i].size == 0;
    if (!is_left_out && Sum::of(bytes) != to.sums[i])
      return kv::damaged(name, "lacks a part, or has a damaged one");
    if (!decode_part(to.record, static_cast<Part>(i), bytes, store_of))
      return kv::damaged(name, "has a part that makes no sense");
    to.bytes += bytes.size();
  }
  to.is_taken = !from.taken.empty();
  if (to.is_taken) {
    const auto opened = kv::open_value(as_bytes(from.taken), name);
    if (!opened) return opened.error();
    if (*revision != ++to.revision || !apply_taking(opened->payload, *epoch, to.record))
      return kv::damaged(name, "was taken in a way that makes no sense");
  }
  if (*revision != to.revision || *epoch != to.record.head.fence.epoch)
    return kv::damaged(name, "is of two minds");
  to.version = from.version;
  to.bytes += 512 + name.size();
  return to;
}

}  // namespace persist::inline PERSIST_ABI::backend::redis

namespace persist::inline PERSIST_ABI::backend {

struct RedisOptions {
  std::string host = "127.0.0.1";
  int port = 6379;
  /// A Unix socket on this machine, in the place of host and port.
  std::string socket{};
  /// With a password: who logs in; empty: Redis's default user.
  std::string user{};
  /// Never in an error or a log.
  std::string password{};
  int database = 0;
  /// How long a call may take in all; then it answers `unavailable`, or `unknown_outcome` where a
  /// write was on its way.
  Duration deadline = std::chrono::seconds(5);
  /// Durability: a write is acknowledged once so many replicas have it in memory (`WAIT`). One that
  /// they have not by half the deadline answers `unknown_outcome`. Zero: once the server has it.
  int replicas = 0;
  /// How long after a connection failed no other is tried; it doubles up to 64 times that, and
  /// calls meanwhile answer `unavailable` at once. Zero: each call tries.
  Duration retry_after = std::chrono::milliseconds(50);
  /// Your word that the server never evicts, where it may not be asked (`INFO` is forbidden). A
  /// server that says it evicts is refused all the same.
  bool never_evicts = false;
  /// Hear what other servers do to records of a watched store, by a connection and a thread more.
  bool wakes = true;
  /// Bytes of records that this server holds and remembers, so that a save is one round trip.
  std::size_t cache = std::size_t{64} << 20;
  /// Judges leases and dates records in the place of the server's clock; for tests, in which all
  /// handles need the same. Must outlive every handle.
  Clock* clock = nullptr;
};

}  // namespace persist::inline PERSIST_ABI::backend

// Bytes over a connected socket, with a deadline and without SIGPIPE: calls to the operating
// system, like detail/os.hpp. Needed by adapters to servers alone.

namespace persist::inline PERSIST_ABI::detail::os {

/// Waits until one of `events` is there; false where `deadline` came first. A socket that broke is
/// ready for all of them.
[[nodiscard]] inline bool wait_for_socket(int socket, short events, TimePoint deadline) {
  using Milliseconds = std::chrono::milliseconds;
  for (;;) {
    const TimePoint now = SystemClock::instance().now();
    if (deadline <= now) return false;
    const auto left = std::chrono::ceil<Milliseconds>(deadline - now).count();
    const auto most = (std::min<decltype(left)>)(left, (std::numeric_limits<int>::max)());
    pollfd asked{socket, events, 0};
    const int got = ::poll(&asked, 1, static_cast<int>(most));
    if (got > 0) return true;
    if (got < 0 && errno != EINTR) return false;
  }
}

/// How many bytes went out before the deadline, or before the connection broke.
[[nodiscard]] inline std::size_t send_bytes(int socket, ByteView bytes, TimePoint deadline) {
  std::size_t sent = 0;
  while (sent < bytes.size()) {
    const ssize_t got =
        ::send(socket, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (got > 0)
      sent += static_cast<std::size_t>(got);
    else if (got < 0 && errno == EINTR)
      continue;
    else if (got == 0 || (errno != EAGAIN && errno != EWOULDBLOCK) ||
             !wait_for_socket(socket, POLLOUT, deadline))
      break;
  }
  return sent;
}

/// How many bytes came; 0 where the other side is gone, nothing where the deadline came first.
[[nodiscard]] inline std::optional<std::size_t> receive_bytes(int socket, std::span<std::byte> to,
                                                              TimePoint deadline) {
  for (;;) {
    const ssize_t got = ::recv(socket, to.data(), to.size(), MSG_DONTWAIT);
    if (got >= 0) return static_cast<std::size_t>(got);
    if (errno == EINTR) continue;
    if (errno != EAGAIN && errno != EWOULDBLOCK) return 0;
    if (!wait_for_socket(socket, POLLIN, deadline)) return std::nullopt;
  }
}

/// Whether a connection on which nothing is awaited can be used: nobody closed it, and nothing
/// came.
[[nodiscard]] inline bool is_quiet(int socket) {
  std::byte one{};
  const ssize_t got = ::recv(socket, &one, 1, MSG_PEEK | MSG_DONTWAIT);
  return got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

}  // namespace persist::inline PERSIST_ABI::detail::os

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

// What runs inside the server. The rules of a record are in record/ and run in this process: a
// script compares what they were judged by with what is there, and writes what they made of it, or
// answers with what is there. The one thing it decides itself is to give a record to a new holder
// that nobody holds, so that a load is one round trip.
//
// A version of a record is a count and, because a database that lost its newest writes counts the
// same numbers again, who made it: no two are ever equal.
//
// A time that comes along is this server's clock as the caller last read it, and so never ahead of
// it but for drift; one that is too far off is corrected by another try. Replies begin with TIME.

namespace persist::inline PERSIST_ABI::backend::redis {

/// Looks at a record, or takes it where its fields say that anybody may.
/// KEYS header, record. ARGV header's bytes; `t` or empty to take nothing; time; whether that is
/// another clock's; owner.
inline constexpr std::string_view look_script = R"lua(
local time = redis.call('TIME')
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return {time[1], time[2], 'birth'} end
local took = 'no'
if ARGV[2] ~= '' then
  local now, seen = time[1] * 1000000 + time[2], tonumber(ARGV[3])
  if ARGV[4] == '1' then now = seen end
  local is = redis.call('HMGET', KEYS[2], 'v', 'e', 'l', 'o')
  local fresh = not is[1] and redis.call('EXISTS', KEYS[2]) == 0
  local v = fresh and 0 or tonumber(string.match(is[1] or '', '^(%d+)-'))
  local e, l = tonumber(is[2] or 0), tonumber(is[3] or 0)
  if v and e and l and e < 9e15 and seen <= now + 100000 and seen > now - 5000000 and now >= l
      and is[4] ~= ARGV[5] then
    redis.call('HSET', KEYS[2], 'v', string.format('%.0f-o', v + 1) .. ARGV[5],
               'e', string.format('%.0f', e + 1), 'l', '1e300', 'o', ARGV[5], 't', ARGV[2])
    took = 'took'
  end
end
return {time[1], time[2], took, redis.call('HGETALL', KEYS[2])}
)lua";

/// Writes records where all of them still are as they were seen, or answers with all of them.
/// KEYS headers, records, sets, schemas. ARGV their counts and the headers' bytes; time; whether
/// that is another clock's; the versions seen; fields to put and to take out; entries of sets to
/// put and to take out; schemas; hints and to whom.
inline constexpr std::string_view write_script = R"lua(
local time = redis.call('TIME')
local at = 4
local function arg() at = at + 1 return ARGV[at] end
local headers, records, sets = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local all = headers + records + sets
for i = 1, headers do
  if redis.call('GET', KEYS[i]) ~= arg() then return {time[1], time[2], 'birth'} end
end
local now, seen = time[1] * 1000000 + time[2], tonumber(arg())
local fits = arg() == '1' or (seen <= now + 100000 and seen > now - 5000000)
for i = headers + 1, headers + records do
  if (redis.call('HGET', KEYS[i], 'v') or '0') ~= arg() then fits = false end
end
if not fits then
  local answer = {time[1], time[2], 'other'}
  for i = 1, records do answer[3 + i] = redis.call('HGETALL', KEYS[headers + i]) end
  return answer
end
for i = headers + records + 1, all do redis.call('ZCARD', KEYS[i]) end
for i = headers + 1, headers + records do
  local put = tonumber(arg())
  if put > 0 then redis.call('HSET', KEYS[i], unpack(ARGV, at + 1, at + put)) end
  at = at + put
  local out = tonumber(arg())
  if out > 0 then redis.call('HDEL', KEYS[i], unpack(ARGV, at + 1, at + out)) end
  at = at + out
end
for i = headers + records + 1, all do
  if arg() == '+' then redis.call('ZADD', KEYS[i], 0, arg())
  else redis.call('ZREM', KEYS[i], arg()) end
end
for i = all + 1, all + ARGV[4] do redis.call('SETNX', KEYS[i], arg()) end
while at < #ARGV do redis.call('PUBLISH', arg(), arg()) end
return {time[1], time[2], 'done'}
)lua";

/// Looks into an ordered index, all of one moment.
/// KEYS header, set, record. ARGV header's bytes; version of the record, or empty; its entry, or
/// empty; `up`, `down` or `around`; bounds of the page; how many.
inline constexpr std::string_view query_script = R"lua(
local time = redis.call('TIME')
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return {time[1], time[2], 'birth'} end
local place = -1
if ARGV[2] ~= '' then
  if (redis.call('HGET', KEYS[3], 'v') or '0') ~= ARGV[2] then return {time[1], time[2], 'other'} end
  if ARGV[3] ~= '' then place = redis.call('ZRANK', KEYS[2], ARGV[3]) or -1 end
end
local size, most = redis.call('ZCARD', KEYS[2]), tonumber(ARGV[7])
local rows, first = {}, -1
if ARGV[4] == 'around' then
  if place >= 0 then
    first = math.max(0, place - most)
    rows = redis.call('ZRANGE', KEYS[2], first, place + most)
  end
elseif most > 0 then
  if ARGV[4] == 'up' then
    rows = redis.call('ZRANGEBYLEX', KEYS[2], ARGV[5], ARGV[6], 'LIMIT', 0, most)
  else
    rows = redis.call('ZREVRANGEBYLEX', KEYS[2], ARGV[6], ARGV[5], 'LIMIT', 0, most)
  end
  if rows[1] then first = redis.call('ZRANK', KEYS[2], rows[1]) end
end
return {time[1], time[2], 'done', size, place, first, rows}
)lua";

}  // namespace persist::inline PERSIST_ABI::backend::redis

namespace persist::inline PERSIST_ABI::backend::redis {

/// The server's clock, as it can be told from here: what it said last, and what has passed since by
/// this machine's. It lags by the way of a reply and is ahead by no more than the clocks drift
/// between two replies. Any thread may call.
class ServerTime final : public Clock {
 public:
  [[nodiscard]] TimePoint now() const override {
    return TimePoint(Duration(detail::os::boot_time_ns() + ahead_.load(std::memory_order_relaxed)));
  }
  [[nodiscard]] WallTime wall() const override {
    return WallTime(std::chrono::floor<WallTime::duration>(now().time_since_epoch()));
  }
  void wait_until(TimePoint deadline, Wake& wake) override {
    if (const TimePoint at = now(); at < deadline) wake.wait_for(deadline - at);
  }
  /// The server said so just now.
  void heard(std::uint64_t seconds, std::uint64_t micros) noexcept {
    constexpr std::uint64_t most = std::uint64_t{1} << 32;  // of a server that talks nonsense
    if (seconds > most || micros >= 1'000'000) return;
    const auto said = static_cast<std::int64_t>(seconds * 1'000'000'000 + micros * 1000);
    ahead_.store(said - detail::os::boot_time_ns(), std::memory_order_relaxed);
  }

 private:
  std::atomic<std::int64_t> ahead_{0};
};

}  // namespace persist::inline PERSIST_ABI::backend::redis

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

namespace persist::inline PERSIST_ABI::backend::redis {

/// A name as it is in Redis: what belongs to one store has one hash tag, so that a cluster keeps it
/// in one place. `persist/NAME/rest` becomes `{persist/NAME}/rest`.
[[nodiscard]] inline std::string tagged(std::string_view name) {
  const std::size_t end = name.find('/', name.find('/') + 1);
  return '{' + std::string(name.substr(0, end)) + '}' + std::string(name.substr(end));
}

/// What is there once for a store, its header and its schemas, as the map in which `kv` keeps them:
/// values that are put there once and stay.
class Values {
 public:
  Values(std::shared_ptr<Pool> pool, Clock& clock) : pool_(std::move(pool)), clock_(&clock) {}

  [[nodiscard]] Result<kv::Entry> get(std::string_view key) {
    auto reply = call({"GET", tagged(key)});
    if (!reply) return reply.error();
    const std::string_view text = Answer(reply->get()).text();
    return kv::Entry{Buffer(as_bytes(text)), std::string(text)};
  }
  [[nodiscard]] Result<kv::Swap> compare_and_swap(std::string_view key, std::string_view seen,
                                                  ByteView value) {
    if (!seen.empty()) return Error(Errc::unsupported, "what a store is never changes");
    auto reply = call({"SET", tagged(key), std::string(as_text(value)), "NX"});
    if (!reply && reply.error() == Errc::unavailable)
      return Error(Errc::unknown_outcome, std::string(reply.error().detail()));
    if (!reply) return reply.error();
    return kv::Swap{Answer(reply->get()).is_text(), std::string(as_text(value))};
  }
  /// What lies under the headers of all stores, whatever that is. Looks at every key of the server,
  /// a thousand in a round trip.
  [[nodiscard]] Result<std::vector<Buffer>> headers() {
    std::set<std::string> keys;  // one that is moved meanwhile is named twice
    std::string at = "0";
    do {
      auto reply = call({"SCAN", at, "MATCH", "{persist/*}/header", "COUNT", "1000"});
      if (!reply) return reply.error();
      const Answer page(reply->get());
      at = page[0].text();
      for (std::size_t i = 0; i < page[1].size(); ++i)
        keys.emplace(page[1][i].text());
    } while (at != "0" && !at.empty());
    std::vector<Buffer> all;
    for (const std::string& key : keys) {
      auto reply = call({"GET", key});
      if (reply) all.emplace_back(as_bytes(Answer(reply->get()).text()));
    }
    return all;
  }
  [[nodiscard]] Clock& clock() noexcept { return *clock_; }

 private:
  [[nodiscard]] Result<Reply> call(const std::vector<std::string>& words) {
    auto line = pool_->take();
    if (!line) return line.error();
    auto reply = (*line)->call(Arguments(words.begin(), words.end()));
    pool_->give_back(std::move(*line));
    return reply;
  }

  std::shared_ptr<Pool> pool_;
  Clock* clock_;
};

}  // namespace persist::inline PERSIST_ABI::backend::redis

// Where the records of one store are, and what lies beside them: sets by which they are found. In a
// set all scores are 0, so its members are ordered by their bytes, and no number is rounded.

namespace persist::inline PERSIST_ABI::backend::redis {

/// A store as every script is told of it. Never changes: a database that has another header is
/// another one.
struct Home {
  std::string name;
  std::string prefix;  ///< of all its keys
  std::string header_key;
  std::string header;  ///< what lies there
  Hash128 birth{};

  [[nodiscard]] std::string record(std::string_view key) const {
    return prefix + "r/" + key_hash(birth, key).text();
  }
  [[nodiscard]] std::string schema(const Hash128& id) const { return prefix + "s/" + id.text(); }
  /// Keys with data; keys whose outbox waits; keys in whose inbox messages wait.
  [[nodiscard]] std::string keys() const { return prefix + "k"; }
  [[nodiscard]] std::string waiting() const { return prefix + "w"; }
  [[nodiscard]] std::string inboxes() const { return prefix + "n"; }
  [[nodiscard]] std::string index(std::string_view name_of_it) const {
    std::string set = prefix + "i/";
    kv::append_hex(set, name_of_it);
    return set;
  }
};

inline constexpr std::size_t value_bytes = 8;
/// A value as bytes that are ordered as it is.
[[nodiscard]] inline std::string ordered(std::int64_t value) {
  const std::uint64_t turned = static_cast<std::uint64_t>(value) ^ (std::uint64_t{1} << 63);
  std::string bytes;
  for (int shift = 56; shift >= 0; shift -= 8)
    bytes += static_cast<char>(static_cast<unsigned char>((turned >> shift) & 0xff));
  return bytes;
}
[[nodiscard]] inline std::optional<IndexPosition> position_of(std::string_view member) {
  if (member.size() <= value_bytes) return std::nullopt;
  std::uint64_t turned = 0;
  for (const char c : member.substr(0, value_bytes))
    turned = turned << 8 | static_cast<unsigned char>(c);
  return IndexPosition{static_cast<std::int64_t>(turned ^ (std::uint64_t{1} << 63)),
                       std::string(member.substr(value_bytes))};
}

/// A member of a set that says something of a record.
struct Entry {
  std::string set;
  std::string member;
  friend auto operator<=>(const Entry&, const Entry&) = default;
};
using Entries = std::vector<Entry>;

/// All that say something of this record, sorted.
[[nodiscard]] inline Entries entries_of(const Home& home, const Record& record) {
  Entries all;
  if (!record.exists) return all;
  if (record.has_data) all.push_back({home.keys(), record.key});
  if (!record.outbox.messages.empty()) all.push_back({home.waiting(), record.key});
  if (!record.inbox.messages.empty()) all.push_back({home.inboxes(), record.key});
  for (const std::uint64_t user : record.user_ids)
    all.push_back({home.index({}), ordered(user_value(user)) + record.key});
  if (are_index_entries(record.indexed))
    (void)each_index_entry(record.indexed, [&](std::string_view name, std::int64_t value) {
      all.push_back({home.index(name), ordered(value) + record.key});
    });
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
  return all;
}

}  // namespace persist::inline PERSIST_ABI::backend::redis

// One try of one request: the records it touches as they were seen, what it made of them, and the
// command that writes it.

namespace persist::inline PERSIST_ABI::backend::redis {

/// A record on its way through a request.
struct Cell {
  StoreId store{};
  std::string key;
  std::shared_ptr<const Home> home;
  std::string name;
  Stored seen{};
  bool is_remembered = false;  ///< as this server last wrote it, and only a guess
  Parts changed = 0;
  bool is_changed = false;  ///< its head, if nothing else
  Entries entries_before{};

  [[nodiscard]] Record& record() noexcept { return seen.record; }
  /// Before anything about it changes.
  void touch(Parts parts = 0) {
    if (!is_changed) entries_before = entries_of(*home, seen.record);
    is_changed = true;
    changed |= parts;
  }
};

/// A hint, and to which open database.
struct Hinted {
  std::uint64_t nonce = 0;
  StoreId store{};
  std::string key;
  Hint why = Hint::freed;
};

/// Words of a command, which live as long as it.
struct Command {
  Script script = Script::look;
  std::vector<std::string> keys{}, words{};
  std::size_t cell = 0;  ///< whose record a look looks at
};

struct Turn {
  memory::Moment moment{};
  std::vector<Cell> cells{};
  std::vector<Hinted> hints{};
  std::vector<const Change*> schemas{};  ///< that bring one

  [[nodiscard]] Cell* find(StoreId store, std::string_view key) noexcept {
    for (Cell& cell : cells)
      if (cell.store == store && cell.key == key) return &cell;
    return nullptr;
  }
  /// One that is there: whoever performs asked for it.
  [[nodiscard]] Cell& at(StoreId store, std::string_view key) noexcept { return *find(store, key); }
  [[nodiscard]] bool has_changes() const noexcept {
    return std::any_of(cells.begin(), cells.end(), [](const Cell& c) { return c.is_changed; });
  }
  void hint(const Cell& cell, const Owner& whom, Hint why) {
    if (!whom.nobody()) hints.push_back({whom.nonce, cell.store, cell.key, why});
  }
};

/// The time that a script is to compare with its own.
[[nodiscard]] inline std::string micros(TimePoint now) {
  return std::to_string(
      std::chrono::floor<std::chrono::microseconds>(now.time_since_epoch()).count());
}

/// Adds what one record's hash becomes; its fields are counted before they are named.
template <class NameOf>
void add_fields(std::vector<std::string>& words, Cell& cell, const std::string& write_id,
                NameOf name_of) {
  std::vector<std::string> put, out;
  Record& record = cell.record();
  if (cell.is_changed) {
    cell.seen.version = std::to_string(++cell.seen.revision) + '-' + write_id;
    for (std::size_t i = 0; i < part_count; ++i) {
      const auto part = static_cast<Part>(i);
      if ((cell.changed & bit_of(part)) == 0) continue;
      Buffer made;
      if (part != Part::data) made = encode_part(record, part, name_of);
      const ByteView bytes = part != Part::data ? made.view() : record.data.view();
      const bool was_there = cell.seen.sums[i].size != 0;
      cell.seen.sums[i] = bytes.empty() ? Sum{} : Sum::of(bytes);
      if (!bytes.empty())
        put.emplace_back(part_fields[i]), put.emplace_back(as_text(bytes));
      else if (was_there)
        out.emplace_back(part_fields[i]);
    }
    const Buffer head = encode_head(record, cell.seen.revision, cell.seen.sums);
    put.insert(put.end(),
               {std::string(version_field), cell.seen.version, std::string(epoch_field),
                std::to_string(record.head.fence.epoch), std::string(until_field),
                until_of(record.head), std::string(owner_field), text_of(record.head.fence.owner),
                std::string(head_field), std::string(as_text(head))});
    if (std::exchange(cell.seen.is_taken, false)) out.emplace_back(taken_field);
  }
  words.push_back(std::to_string(put.size()));
  std::move(put.begin(), put.end(), std::back_inserter(words));
  words.push_back(std::to_string(out.size()));
  std::move(out.begin(), out.end(), std::back_inserter(words));
}

/// Adds the members that sets get and lose.
inline void add_entries(Command& to, std::vector<std::string>& words, const Cell& cell) {
  if (!cell.is_changed) return;
  const Entries now = entries_of(*cell.home, cell.seen.record);
  const auto add = [&](const Entries& mine, const Entries& others, const char* what) {
    Entries some;
    std::set_difference(mine.begin(), mine.end(), others.begin(), others.end(),
                        std::back_inserter(some));
    for (Entry& each : some) {
      to.keys.push_back(std::move(each.set));
      words.emplace_back(what), words.push_back(std::move(each.member));
    }
  };
  add(now, cell.entries_before, "+");
  add(cell.entries_before, now, "-");
}

/// The command that writes a turn. It counts the versions of what it writes on; nobody else ever
/// has that id.
template <class NameOf>
[[nodiscard]] Command write_of(Turn& turn, bool is_own_clock, const std::string& write_id,
                               NameOf name_of) {
  Command to{Script::write};
  std::vector<std::string> headers, versions, entries;
  for (const Cell& cell : turn.cells)
    if (std::find(to.keys.begin(), to.keys.end(), cell.home->header_key) == to.keys.end()) {
      to.keys.push_back(cell.home->header_key);
      headers.push_back(cell.home->header);
    }
  for (const Cell& cell : turn.cells) {
    to.keys.push_back(cell.name);
    versions.push_back(cell.seen.version);
  }
  const std::size_t before = to.keys.size();
  for (const Cell& cell : turn.cells)
    add_entries(to, entries, cell);
  to.words = {std::to_string(headers.size()), std::to_string(turn.cells.size()),
              std::to_string(to.keys.size() - before), std::to_string(turn.schemas.size())};
  for (const Change* const change : turn.schemas) {
    to.keys.push_back(turn.at(change->store, change->key).home->schema(change->schema->id));
    entries.emplace_back(as_text(kv::encode_schema(change->schema->bytes)));
  }
  std::move(headers.begin(), headers.end(), std::back_inserter(to.words));
  to.words.push_back(micros(turn.moment.now));
  to.words.emplace_back(is_own_clock ? "1" : "0");
  std::move(versions.begin(), versions.end(), std::back_inserter(to.words));
  for (Cell& cell : turn.cells)
    add_fields(to.words, cell, write_id, name_of);
  std::move(entries.begin(), entries.end(), std::back_inserter(to.words));
  return to;
}

}  // namespace persist::inline PERSIST_ABI::backend::redis

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

namespace persist::inline PERSIST_ABI::backend::redis {

/// Records that this server holds, as it last wrote them, so that a save is one round trip. Only
/// ever a guess, which the server's script compares with what is there. Any thread may call.
class Cache {
 public:
  explicit Cache(std::size_t most) noexcept : most_(most) {}

  /// Takes it out, so that nobody else builds on it.
  [[nodiscard]] std::optional<Stored> take(const std::string& name) {
    const std::lock_guard hold(mutex_);
    const auto found = all_.find(name);
    if (found == all_.end()) return std::nullopt;
    std::optional<Stored> taken(std::move(*found->second.second));
    drop(found);
    return taken;
  }
  /// Those kept longest go where there is no room.
  void keep(const std::string& name, Stored&& stored) {
    const std::lock_guard hold(mutex_);
    if (const auto found = all_.find(name); found != all_.end()) drop(found);
    if (stored.bytes > most_) return;
    while (bytes_ > most_ - stored.bytes && !ages_.empty())
      drop(all_.find(ages_.front()));
    bytes_ += stored.bytes;
    ages_.push_back(name);
    all_.emplace(name, Kept{std::prev(ages_.end()), std::make_unique<Stored>(std::move(stored))});
  }

 private:
  using Ages = std::list<std::string>;
  using Kept = std::pair<Ages::iterator, std::unique_ptr<Stored>>;
  using All = std::unordered_map<std::string, Kept>;

  void drop(All::iterator at) {
    bytes_ -= at->second.second->bytes;
    ages_.erase(at->second.first);
    all_.erase(at);
  }

  std::mutex mutex_;
  std::size_t most_;
  std::size_t bytes_ = 0;
  Ages ages_;
  All all_;
};

/// What all handles of one open database share.
class Database {
 public:
  explicit Database(const RedisOptions& options)
      : pool_(std::make_shared<Pool>(options, time_)),
        stores_(Values(pool_, clock()), nullptr, 0),
        nonce_(stores_.next_owner({}).nonce),
        cache_(options.cache),
        listener_(pool_, nonce_, [this](const NamedHint& hint) {
          const StoreId store = stores_.stores().id_of(hint.store);
          stores_.stores().wake(store, hint.key, hint.why);
        }) {}

  [[nodiscard]] Pool& pool() noexcept { return *pool_; }
  [[nodiscard]] const RedisOptions& options() const noexcept { return pool_->options(); }
  [[nodiscard]] ServerTime& time() noexcept { return time_; }
  [[nodiscard]] bool is_own_clock() const noexcept { return options().clock != nullptr; }
  [[nodiscard]] memory::Moment moment() {
    Clock& by = clock();
    return {by.now(), by.wall()};
  }
  /// Headers and schemas.
  [[nodiscard]] kv::Database<Values>& stores() noexcept { return stores_; }
  [[nodiscard]] Owner next_owner(ServerId server) { return stores_.next_owner(server); }
  [[nodiscard]] std::uint64_t nonce() const noexcept { return nonce_; }
  [[nodiscard]] Cache& cache() noexcept { return cache_; }
  /// Never given out twice, by anybody.
  [[nodiscard]] std::string next_write_id() { return text_of(Owner{{}, nonce_, ++writes_}); }

  void watch(StoreId store, std::weak_ptr<WakeQueue> queue) {
    stores_.stores().with(store,
                          [&](kv::KnownStore& all) { all.watchers.push_back(std::move(queue)); });
    if (options().wakes) listener_.start();
  }
  void wake(const Hinted& hint) { stores_.stores().wake(hint.store, hint.key, hint.why); }
  [[nodiscard]] StoreId id_of(std::string_view store) { return stores_.stores().id_of(store); }
  [[nodiscard]] std::string name_of(StoreId store) { return stores_.stores().name_of(store); }

  /// The store's place, read once. `refused` where it is not there, or is another one by now.
  [[nodiscard]] Result<std::shared_ptr<const Home>> home(StoreId store);

 private:
  [[nodiscard]] Clock& clock() noexcept {
    return pool_->options().clock != nullptr ? *pool_->options().clock : time_;
  }

  ServerTime time_;
  std::shared_ptr<Pool> pool_;
  kv::Database<Values> stores_;
  std::uint64_t nonce_;
  std::atomic<std::uint64_t> writes_{0};
  Cache cache_;
  std::mutex mutex_;
  std::map<std::uint32_t, std::shared_ptr<const Home>> homes_;
  Listener listener_;
};

/// What a connection that knew another store says.
[[nodiscard]] inline Error another_database(std::string_view store) {
  return {Errc::refused, "store \"" + std::string(store) +
                             "\" is not the one this connection knew: its database was replaced, "
                             "or lost its memory"};
}

inline Result<std::shared_ptr<const Home>> Database::home(StoreId store) {
  {
    const std::lock_guard hold(mutex_);
    if (const auto found = homes_.find(store.index); found != homes_.end()) return found->second;
  }
  const auto known = stores_.known(store);
  if (!known) return known.error();
  const std::string key = kv::header_name(known->base);
  const auto got = stores_.map().get(key);
  if (!got) return got.error();
  if (got->value.empty()) return another_database(known->name);
  const auto header = kv::decode_header(got->value, key);
  if (!header) return header.error();
  if (header->birth != known->birth) return another_database(known->name);
  auto made = std::make_shared<Home>();
  made->name = known->name;
  made->prefix = tagged(known->base);
  made->header_key = tagged(key);
  made->header = got->version;
  made->birth = known->birth;
  const std::lock_guard hold(mutex_);
  return homes_.try_emplace(store.index, std::move(made)).first->second;
}

}  // namespace persist::inline PERSIST_ABI::backend::redis

// What each request does to the records of a turn. A request may be performed several times, each
// time on what was found then: whatever it answers it answers anew. The rules are those of record/.

namespace persist::inline PERSIST_ABI::backend::redis {

/// A record that a request needs to be performed.
struct Wanted {
  StoreId store{};
  std::string_view key{};
};

[[nodiscard]] inline const RecordLimits& limits_or_usual(const RecordLimits* limits) noexcept {
  return limits != nullptr ? *limits : kv::usual_limits;
}
[[nodiscard]] inline Hash128 source_of(const Cell& cell) noexcept {
  return key_hash(cell.home->birth, cell.key);
}

inline Reception receive_at(Turn& turn, StoreId store, std::string_view key,
                            const MessageOrigin& origin, const MessageView& message,
                            const RecordLimits& limits) {
  Cell& cell = turn.at(store, key);
  Inbox& inbox = cell.record().inbox;
  if (!cell.is_changed) cell.entries_before = entries_of(*cell.home, cell.record());
  const Reception got = receive(inbox, origin, message, limits, turn.moment.wall);
  if (got.outcome != Reception::Outcome::accepted) return got;
  cell.is_changed = true, cell.changed |= bit_of(Part::inbox);
  cell.record().exists = true, cell.record().key = key;
  turn.hint(cell, cell.record().head.fence.owner, Hint::message);
  return got;
}

inline void wanted_by(const AcquireRequest& request, Turn&, std::vector<Wanted>& to) {
  to.push_back({request.store, request.key});
}
inline void perform(AcquireRequest& request, Turn& turn) {
  using Outcome = AcquireRequest::Outcome;
  Cell& cell = turn.at(request.store, request.key);
  Record& record = cell.record();
  const TimePoint now = turn.moment.now;
  request.record = Snapshot{};
  request.record.now = turn.moment.wall;
  if (const bool looks = request.intent == Intent::look;
      !record.exists && (looks || request.intent == Intent::withdraw)) {
    request.outcome = looks ? Outcome::taken : Outcome::held;
    request.record.fence.epoch = record.head.fence.epoch;
    request.record.version = record.head.version;
    return;
  }
  const Claim claimed = claim(record.head, request, now);
  if (claimed == Claim::held) {
    const Owner asker = record.head.asker, holder = record.head.fence.owner;
    if (ask(record.head, request)) turn.hint(cell, holder, Hint::asked);
    request.outcome = Outcome::held;
    request.holder = held_by(record.head, now);
    if (record.head.asker != asker) cell.touch();
    return;
  }
  if (claimed == Claim::fresh) {
    const std::uint64_t next = (std::max)(record.head.fence.epoch + 1, request.least_epoch);
    const std::uint64_t epoch = request.claim_epoch != 0 ? request.claim_epoch : next;
    if (epoch >= epoch_limit) {
      request.outcome = Outcome::failed;
      request.error = Error(Errc::invalid, "epochs stay below 2^53");
      return;
    }
    cell.touch();
    take(record.head, request.owner, request.lease, epoch, now);
    record.exists = true, record.key = request.key;
  }
  request.outcome = Outcome::taken;
  kv::fill_all(request.record, record);
}

inline void wanted_by(const CommitRequest& request, Turn&, std::vector<Wanted>& to) {
  for (const Change& change : request.changes) {
    to.push_back({change.store, change.key});
    for (const Send& send : change.sends)
      to.push_back({send.store, send.key});
  }
}
/// The parts that a change writes, but for what it sends.
[[nodiscard]] inline Parts parts_of(const Change& change) noexcept {
  const auto when = [](bool is, Part part) { return is ? bit_of(part) : Parts{0}; };
  return when(change.writes_data(), Part::data) |
         when(change.writes_data() && change.history != nullptr, Part::history) |
         when(change.user_ids != nullptr, Part::users) |
         when(change.metadata != nullptr, Part::metadata) |
         when(change.indexed != nullptr || change.removes_data, Part::indexed) |
         when(!change.acknowledged.empty(), Part::inbox) |
         when(!change.receipts.empty() || change.forget_receipts != 0, Part::receipts);
}
/// Whether anything is to be applied; marks what is.
inline bool judge_all(CommitRequest& request, Turn& turn, std::vector<bool>& fresh) {
  request.outcome = CommitRequest::Outcome::repeated;
  for (std::size_t i = 0; i < request.changes.size(); ++i) {
    Change& change = request.changes[i];
    const Record& record = turn.at(change.store, change.key).record();
    const Verdict verdict = judge(record.head, change, turn.moment.now, 0);
    if (record.exists) change.version = record.head.version;
    fresh.push_back(verdict == Verdict::apply);
    if (verdict == Verdict::apply || verdict == Verdict::repeated) continue;
    request.outcome = verdict == Verdict::fenced ? CommitRequest::Outcome::fenced
                                                 : CommitRequest::Outcome::superseded;
    request.culprit = i;
    if (record.exists) {
      change.landed = landed(record.head, change);
      change.holder = held_by(record.head, turn.moment.now);
    }
    change.erased = kv::erased_since(record, change.fence.epoch);
    return false;
  }
  return true;
}
inline void apply_one(Change& change, Turn& turn) {
  Cell& cell = turn.at(change.store, change.key);
  cell.touch(parts_of(change));
  const Owner asker = cell.record().head.asker;
  kv::apply(cell.record(), change, turn.moment);
  cell.record().key = change.key;
  if (change.lease == LeaseChange::release) turn.hint(cell, asker, Hint::freed);
}
inline void deliver(Change& change, Turn& turn) {
  Cell& sender = turn.at(change.store, change.key);
  const std::uint64_t epoch = sender.record().head.fence.epoch;
  Outbox& outbox = sender.record().outbox;
  for (const Send& send : change.sends) {
    if (outbox.holds(epoch, send.number)) continue;  // a reply was lost
    const MessageView& m = send.message;
    if (!outbox.waits_for(send.store, send.key) &&
        receive_at(turn, send.store, send.key, {source_of(sender), epoch, send.number, {}}, m,
                   limits_or_usual(change.limits))
                .outcome != Reception::Outcome::full)
      continue;
    sender.touch(bit_of(Part::outbox));
    outbox.messages.push_back({send.store, std::string(send.key), epoch, send.number,
                               std::string(m.type), m.codec, m.priority, m.expires,
                               Buffer(m.payload)});
  }
}
/// What an earlier try answered.
inline void forget_answers(CommitRequest& request) {
  for (Change& change : request.changes) {
    change.version = change.epoch = 0;
    change.release_requested = change.erased = change.landed = false;
    change.holder = HeldBy{};
    change.messages.clear();
    for (Send& send : change.sends)
      send.delivered = false;
  }
}
/// `holds(store, id)` says whether the store has that schema.
template <class Holds>
void perform(CommitRequest& request, Turn& turn, Holds holds) {
  forget_answers(request);
  std::vector<bool> fresh;
  if (!judge_all(request, turn, fresh)) return;
  for (std::size_t i = 0; i < fresh.size(); ++i) {
    const Change& change = request.changes[i];
    if (!fresh[i] || change.schema == nullptr || holds(change.store, change.schema->id)) continue;
    request.error = refusal_of_schema(change);
    if (!failed(request.error)) {
      turn.schemas.push_back(&change);
      continue;
    }
    request.outcome = CommitRequest::Outcome::failed;
    return (void)(request.culprit = i);
  }
  for (std::size_t i = 0; i < fresh.size(); ++i)
    if (fresh[i]) apply_one(request.changes[i], turn);
  for (std::size_t i = 0; i < fresh.size(); ++i)
    if (fresh[i]) deliver(request.changes[i], turn);
  for (Change& change : request.changes) {
    const Record& record = turn.at(change.store, change.key).record();
    kv::answer(record, change, record.head.fence.epoch, turn.moment.wall);
  }
  if (std::find(fresh.begin(), fresh.end(), true) != fresh.end())
    request.outcome = CommitRequest::Outcome::applied;
}

inline void wanted_by(const ReadRequest& request, Turn&, std::vector<Wanted>& to) {
  to.push_back({request.store, request.key});
}
inline void perform(ReadRequest& request, Turn& turn) {
  const Record& record = turn.at(request.store, request.key).record();
  request.record.now = turn.moment.wall;
  request.found = record.exists;
  if (!record.exists) return;
  request.held = record.head.leased_at(turn.moment.now);
  request.holder = held_by(record.head, turn.moment.now);
  request.inbox_messages = record.inbox.messages.size();
  request.inbox_bytes = record.inbox.bytes;
  request.outbox_messages = record.outbox.messages.size();
  kv::fill(request.record, record);
  if (!request.wants_data) request.record.data = Buffer();
  if (request.wants_inbox) request.record.inbox = record.inbox.messages;
  if (request.version != 0 || request.wants_versions) kv::read_history(record, request);
}

inline void wanted_by(const PostRequest& request, Turn&, std::vector<Wanted>& to) {
  to.push_back({request.store, request.key});
}
inline void perform(PostRequest& request, Turn& turn) {
  request.error = Error(Errc{});
  answer_post(request, receive_at(turn, request.store, request.key, request.origin, request.message,
                                  limits_or_usual(request.limits)));
}

/// Of those that take out.
inline void wanted_by(const RelayRequest& request, Turn&, std::vector<Wanted>& to) {
  to.push_back({request.store, request.take_from});
}
inline void perform(RelayRequest& request, Turn& turn) {
  Cell& cell = turn.at(request.store, request.take_from);
  request.now = turn.moment.wall;
  Outbox left = cell.record().outbox;
  left.take_out(request.take);
  if (left.messages.size() == cell.record().outbox.messages.size()) return;
  cell.touch(bit_of(Part::outbox));
  cell.record().outbox = std::move(left);
}

/// And, once it was seen what waits there, who is to have it.
inline void wanted_by(const EraseRequest& request, Turn& turn, std::vector<Wanted>& to) {
  to.push_back({request.store, request.key});
  if (Cell* const cell = turn.find(request.store, request.key))
    for (const OutgoingMessage& message : cell->record().outbox.messages)
      to.push_back({message.store, message.key});
}
inline void perform(EraseRequest& request, Turn& turn) {
  request.error = Error(Errc{});
  request.sent = request.dropped = 0;
  Cell& cell = turn.at(request.store, request.key);
  request.found = cell.record().exists;
  if (!request.found) return;
  const std::vector<OutgoingMessage> waiting = cell.record().outbox.messages;
  for (const OutgoingMessage& message : waiting) {
    const Reception got = receive_at(turn, message.store, message.key,
                                     {source_of(cell), message.epoch, message.number, {}},
                                     message.view(), limits_or_usual(request.limits));
    const bool sent = got.outcome != Reception::Outcome::full;
    if (!sent && !request.drop_outbox) {
      request.error =
          Error(Errc::full, "a message in the outbox has no room at " + message.key +
                                "; nothing was erased: try later, or erase with drop_outbox");
      return;
    }
    ++(sent ? request.sent : request.dropped);
    cell.touch(bit_of(Part::outbox));
    std::erase_if(cell.record().outbox.messages, [&](const OutgoingMessage& m) {
      return m.epoch == message.epoch && m.number == message.number;
    });
  }
  cell.touch(all_parts);
  turn.hint(cell, cell.record().head.asker, Hint::freed);
  cell.record() = kv::erased(cell.record());
  request.epoch = cell.record().head.fence.epoch;
}

}  // namespace persist::inline PERSIST_ABI::backend::redis

// A batch in rounds: each is one round trip for all requests that still need one. A request looks
// at the records it does not remember, is performed here, and is written where they still are what
// it was performed on. Where they are not the answer says what they are, and it is performed again.

namespace persist::inline PERSIST_ABI::backend::redis {

/// So many times in a row others may be faster before a request gives up: `unavailable`.
inline constexpr int most_tries = 64;
/// And so many commands are under way at once, whose bytes wait in memory.
inline constexpr std::size_t most_at_once = 512;

/// What a failure means to a write that was sent.
[[nodiscard]] inline Error in_doubt(const Error& error) {
  if (error == Errc::unknown_outcome) return error;
  return {Errc::unknown_outcome, std::string(error.detail()) + " while a write was on its way"};
}

/// One request on its way.
template <class Request>
struct Job {
  Request* request = nullptr;
  Turn turn{};
  std::vector<Command> commands{};  ///< of this round
  std::vector<Reply> replies{};
  bool is_done = false;
  bool is_written = false;  ///< the reply of this round says so, and that ends it
  bool has_taken = false;   ///< the same of a look that took the record
  bool sends_script = false;
  bool is_repeated = false;  ///< the same commands go again
  bool has_tried_to_take = false;
  int tries = 0;
};

template <class Request>
class Batch {
 public:
  Batch(Database& db, std::span<Request> requests) : db_(db), deadline_(db.pool().deadline()) {
    for (Request& request : requests)
      jobs_.emplace_back().request = &request;
  }

  void run() {
    std::vector<Job<Request>*> ready;
    for (;;) {
      ready.clear();
      Busy busy;
      bool all_done = true;
      for (Job<Request>& job : jobs_) {
        if (job.is_done) continue;
        all_done = false;
        if (jobs_.size() > 1 && !is_its_turn(job, busy)) continue;
        prepare(job);
        if (!job.is_done) ready.push_back(&job);
        if (ready.size() == most_at_once) break;
      }
      if (all_done) return;
      if (!ready.empty()) round(ready);
    }
  }

 private:
  using Mine = Job<Request>;

  /// What requests before are at work on. Its own keys: to perform a request changes what named
  /// them.
  struct Busy {
    std::set<std::pair<std::uint32_t, std::string>> records;
    std::set<std::pair<std::uint32_t, Hash128>> schemas;
  };
  /// Requests for one record go in their order, and those for a schema that is not known to be
  /// there.
  [[nodiscard]] bool is_its_turn(Mine& job, Busy& busy) {
    wanted_.clear();
    wanted_by(*job.request, job.turn, wanted_);
    bool is_free = true;
    for (const Wanted& each : wanted_)
      is_free = !busy.records.contains({each.store.index, std::string(each.key)}) && is_free;
    for (const Wanted& each : wanted_)
      busy.records.emplace(each.store.index, each.key);
    if constexpr (std::same_as<Request, CommitRequest>)
      for (const Change& change : job.request->changes)
        if (change.schema != nullptr && !holds(change.store, change.schema->id))
          is_free = busy.schemas.insert({change.store.index, change.schema->id}).second && is_free;
    return is_free;
  }
  [[nodiscard]] bool holds(StoreId store, const Hash128& id) {
    return db_.stores().stores().with(
        store, [&](const kv::KnownStore& all) { return all.schemas.contains(id); });
  }
  void fail(Mine& job, const Error& error) {
    file::fail(*job.request, error);
    job.is_done = true;
  }

  void prepare(Mine& job);
  [[nodiscard]] bool find_schemas(Mine& job);
  [[nodiscard]] bool look(Mine& job);
  void perform_or_look(Mine& job);
  void note_schema(const Change& change) {
    db_.stores().stores().with(change.store,
                               [&](kv::KnownStore& all) { all.schemas.insert(change.schema->id); });
  }
  void perform_now(Mine& job) {
    if constexpr (std::same_as<Request, CommitRequest>)
      perform(*job.request, job.turn,
              [&](StoreId store, const Hash128& id) { return holds(store, id); });
    else
      perform(*job.request, job.turn);
  }
  void round(std::span<Mine* const> ready);
  [[nodiscard]] Result<void> exchange(Connection& line, std::span<Mine* const> ready);
  [[nodiscard]] Result<void> wait_for_replicas(Connection& line, std::span<Mine* const> ready);
  void add(Connection& line, const Mine& job, const Command& command);
  void take_in(Mine& job);
  [[nodiscard]] Result<void> fill(Cell& cell, Answer all);
  void finish(Mine& job);

  Database& db_;
  TimePoint deadline_;
  std::deque<Mine> jobs_;
  std::vector<Wanted> wanted_;
};

/// What the request needs and has not is looked at; otherwise it is performed.
template <class Request>
void Batch<Request>::prepare(Mine& job) {
  job.replies.clear();
  job.has_taken = false;
  if (std::exchange(job.is_repeated, false)) return;
  job.commands.clear();
  if (++job.tries > most_tries)
    return fail(job, {Errc::unavailable, "others changed the record each time, and were faster"});
  if constexpr (std::same_as<Request, CommitRequest>)
    if (job.tries == 1 && !find_schemas(job)) return;
  if (!look(job) || !job.commands.empty()) return;
  perform_or_look(job);
}
template <class Request>
void Batch<Request>::perform_or_look(Mine& job) {
  job.turn.hints.clear(), job.turn.schemas.clear();
  job.turn.moment = db_.moment();
  perform_now(job);
  if (job.turn.has_changes()) {
    job.commands.push_back(write_of(job.turn, db_.is_own_clock(), db_.next_write_id(),
                                    [&](StoreId store) { return db_.name_of(store); }));
    for (const Hinted& hint : job.turn.hints)
      if (hint.nonce != db_.nonce() && db_.options().wakes) {
        job.commands.back().words.push_back(channel_of(hint.nonce));
        job.commands.back().words.push_back(
            encode_hint(db_.name_of(hint.store), hint.key, hint.why));
      }
    return;
  }
  // No refusal is given on the word of what is only remembered.
  if (std::erase_if(job.turn.cells, [](const Cell& cell) { return cell.is_remembered; }) == 0)
    return finish(job);
  (void)look(job);
}

/// Learns which schemas the store holds that the changes name and do not bring. False where nothing
/// could be learned.
template <class Request>
bool Batch<Request>::find_schemas(Mine& job) {
  for (const Change& change : job.request->changes) {
    if (change.schema == nullptr || change.sends_schema || holds(change.store, change.schema->id))
      continue;
    SchemaRequest asked{change.store, change.schema->id};
    kv::read_schema(db_.stores(), asked);
    if (is_ailing(asked.error)) return fail(job, asked.error), false;
    if (!failed(asked.error)) note_schema(change);
  }
  return true;
}

/// False where that failed.
template <class Request>
bool Batch<Request>::look(Mine& job) {
  std::vector<Wanted> wanted;
  wanted_by(*job.request, job.turn, wanted);
  for (const Wanted& each : wanted) {
    if (job.turn.find(each.store, each.key) != nullptr) continue;
    if (each.key.empty() || each.key.size() > 255)
      return fail(job, {Errc::invalid,
                        "a key has 1 to 255 bytes, this one " + std::to_string(each.key.size())}),
             false;
    auto home = db_.home(each.store);
    if (!home) return fail(job, kv::before_outcome(home.error())), false;
    Cell& cell = job.turn.cells.emplace_back();
    cell.store = each.store, cell.key = each.key, cell.home = std::move(*home);
    cell.name = cell.home->record(each.key);
    if constexpr (std::same_as<Request, CommitRequest>)
      if (job.tries == 1)
        if (auto known = db_.cache().take(cell.name)) {
          cell.seen = std::move(*known), cell.is_remembered = true;
          continue;
        }
    Command& command = job.commands.emplace_back();
    command.cell = job.turn.cells.size() - 1;
    command.keys = {cell.home->header_key, cell.name};
    command.words = {cell.home->header, ""};
    if constexpr (std::same_as<Request, AcquireRequest>) {
      const AcquireRequest& asks = *job.request;
      if (std::exchange(job.has_tried_to_take, true) || asks.claim_epoch != 0 ||
          asks.least_epoch != 0 || asks.intent == Intent::look || asks.intent == Intent::withdraw ||
          asks.owner.nobody())
        continue;
      const TimePoint now = db_.moment().now;
      const Buffer taking = encode_taking(asks.key, asks.owner, asks.lease, now);
      command.words = {cell.home->header, std::string(as_text(taking)), micros(now),
                       db_.is_own_clock() ? "1" : "0", text_of(asks.owner)};
    }
  }
  return true;
}

template <class Request>
void Batch<Request>::add(Connection& line, const Mine& job, const Command& command) {
  const std::string counted = std::to_string(command.keys.size());
  const std::string sha = job.sends_script ? "" : db_.pool().sha(command.script);
  Arguments words{job.sends_script ? "EVAL" : "EVALSHA"};
  words.push_back(job.sends_script ? all_scripts[static_cast<std::size_t>(command.script)]
                                   : std::string_view(sha));
  words.push_back(counted);
  words.insert(words.end(), command.keys.begin(), command.keys.end());
  words.insert(words.end(), command.words.begin(), command.words.end());
  line.add(words);
}

/// Sends the commands of all that are ready, and takes in what comes back. Where the connection
/// breaks, what has no reply yet and may have changed something is `unknown_outcome`.
template <class Request>
void Batch<Request>::round(std::span<Mine* const> ready) {
  auto line = db_.pool().take(deadline_);
  if (!line) {
    for (Mine* const job : ready)
      fail(*job, line.error());
    return;
  }
  auto done = exchange(**line, ready);
  for (Mine* const job : ready)
    if (job->replies.size() == job->commands.size()) take_in(*job);
  if (done) done = wait_for_replicas(**line, ready);
  for (Mine* const job : ready) {
    const bool is_whole = job->replies.size() == job->commands.size();
    if (!done && is_whole && db_.options().replicas > 0 && (job->is_written || job->has_taken))
      fail(*job, in_doubt(done.error()));
    else if (job->is_written)
      finish(*job);
    if (job->is_done || is_whole) continue;
    const bool is_known =
        std::none_of(job->commands.begin(), job->commands.end(), [](const Command& command) {
          return command.script == Script::write ||
                 (command.script == Script::look && command.words.size() > 2);
        });
    fail(*job, is_known ? done.error() : in_doubt(done.error()));
  }
  db_.pool().give_back(std::move(*line));
}
template <class Request>
Result<void> Batch<Request>::exchange(Connection& line, std::span<Mine* const> ready) {
  for (const Mine* const job : ready)
    for (const Command& command : job->commands)
      add(line, *job, command);
  if (const auto sent = line.flush(); !sent) return sent.error();
  for (Mine* const job : ready)
    while (job->replies.size() < job->commands.size()) {
      auto reply = line.next();
      if (!reply) return reply.error();
      job->replies.push_back(std::move(*reply));
    }
  return success;
}
/// Once for all that was written.
template <class Request>
Result<void> Batch<Request>::wait_for_replicas(Connection& line, std::span<Mine* const> ready) {
  const int wanted = db_.options().replicas;
  const auto is_written = [](const Mine* job) { return job->is_written || job->has_taken; };
  if (wanted <= 0 || std::none_of(ready.begin(), ready.end(), is_written)) return success;
  const auto most =
      std::chrono::ceil<std::chrono::milliseconds>(db_.options().deadline / 2).count();
  const auto reply = line.call({"WAIT", std::to_string(wanted), std::to_string(most)});
  if (!reply) return Error(Errc::unknown_outcome, std::string(reply.error().detail()));
  const std::int64_t have = Answer(reply->get()).integer();
  if (have >= wanted) return success;
  return Error(Errc::unknown_outcome, line.place() + " has it, but of its replicas only " +
                                          std::to_string(have) + " and not " +
                                          std::to_string(wanted) + " have");
}

template <class Request>
Result<void> Batch<Request>::fill(Cell& cell, Answer all) {
  auto stored =
      decode_stored(all, cell.name, [&](std::string_view store) { return db_.id_of(store); });
  if (!stored) return Error(stored.error()).for_key(cell.key);
  if (stored->record.exists && stored->record.key != cell.key)
    return kv::damaged(cell.name, "is another record").for_key(cell.key);
  cell.seen = std::move(*stored);
  cell.is_remembered = cell.is_changed = false;
  cell.changed = 0;
  return success;
}

/// What the replies of this round say.
template <class Request>
void Batch<Request>::take_in(Mine& job) {
  for (std::size_t i = 0; i < job.commands.size(); ++i) {
    const Answer answer(job.replies[i].get());
    if (answer.is_error() && answer.text().starts_with("NOSCRIPT"))
      return (void)(job.sends_script = job.is_repeated = true);
    if (answer.is_error()) return fail(job, describe(answer.text(), place_of(db_.options())));
    db_.time().heard(number_in(answer[0].text()).value_or(0),
                     number_in(answer[1].text()).value_or(0));
    const std::string_view what = answer[2].text();
    if (what == "birth") return fail(job, another_database(job.turn.cells[0].home->name));
    if (what == "done") return (void)(job.is_written = true);
    Result<void> filled = success;
    if (job.commands[i].script != Script::write)
      filled = fill(job.turn.cells[job.commands[i].cell], answer[3]);
    else
      for (std::size_t c = 0; c < job.turn.cells.size() && filled; ++c)
        filled = fill(job.turn.cells[c], answer[3 + c]);
    job.has_taken = what == "took";
    if (!filled) return fail(job, filled.error());
  }
}

/// The request is answered. What this server holds it remembers.
template <class Request>
void Batch<Request>::finish(Mine& job) {
  job.is_done = true;
  if constexpr (std::same_as<Request, AcquireRequest> || std::same_as<Request, CommitRequest>)
    for (Cell& cell : job.turn.cells)
      if (cell.record().head.fence.owner.nonce == db_.nonce() &&
          (job.is_written || !cell.is_changed)) {
        cell.seen.bytes = 512 + cell.name.size();
        for (const Sum& sum : cell.seen.sums)
          cell.seen.bytes += sum.size;
        db_.cache().keep(cell.name, std::move(cell.seen));
      }
  for (const Change* const change : job.turn.schemas)
    note_schema(*change);
  for (const Hinted& hint : job.turn.hints)
    if (hint.nonce == db_.nonce()) db_.wake(hint);
}

}  // namespace persist::inline PERSIST_ABI::backend::redis

// What is found by sets: keys with data, outboxes and inboxes that are not empty, indexes. They
// change with the record in one script, so a row never stands for nothing.

namespace persist::inline PERSIST_ABI::backend::redis {

/// A script once, by its digest or, where the server does not know that, as it is.
[[nodiscard]] inline Result<Reply> run_script(Database& db, const Command& command) {
  auto line = db.pool().take();
  if (!line) return line.error();
  Result<Reply> reply;
  for (const bool sends_it : {false, true}) {
    const std::string sha = db.pool().sha(command.script);
    const std::string counted = std::to_string(command.keys.size());
    Arguments words{
        sends_it ? "EVAL" : "EVALSHA",
        sends_it ? all_scripts[static_cast<std::size_t>(command.script)] : std::string_view(sha),
        counted};
    words.insert(words.end(), command.keys.begin(), command.keys.end());
    words.insert(words.end(), command.words.begin(), command.words.end());
    (*line)->add(words);
    if (const auto sent = (*line)->flush(); !sent) return sent.error();
    reply = (*line)->next();
    if (!reply || !Answer(reply->get()).text().starts_with("NOSCRIPT")) break;
  }
  db.pool().give_back(std::move(*line));
  if (reply && Answer(reply->get()).is_error())
    return describe(Answer(reply->get()).text(), place_of(db.options()));
  return reply;
}

/// Whether this user may do all that a script does to a store: one that is refused half way leaves
/// half of it.
[[nodiscard]] inline Result<void> may_write(Database& db, std::string_view store) {
  static constexpr std::string_view tries = R"lua(
local key = KEYS[1]
redis.call('DEL', key)
redis.call('SETNX', key, '')
redis.call('GET', key)
redis.call('DEL', key)
redis.call('HSET', key, 'a', '', 'b', '')
redis.call('HGET', key, 'a')
redis.call('HMGET', key, 'a', 'b')
redis.call('HGETALL', key)
redis.call('EXISTS', key)
redis.call('HDEL', key, 'a', 'b')
redis.call('ZADD', key, 0, 'a')
redis.call('ZCARD', key)
redis.call('ZRANK', key, 'a')
redis.call('ZRANGE', key, 0, 1)
redis.call('ZRANGEBYLEX', key, '-', '+', 'LIMIT', 0, 1)
redis.call('ZREVRANGEBYLEX', key, '+', '-', 'LIMIT', 0, 1)
redis.call('ZREM', key, 'a')
return redis.call('PUBLISH', ARGV[1], '')
)lua";
  auto line = db.pool().take();
  if (!line) return line.error();
  const std::string key = tagged(kv::base_of(store)) + "try", channel = channel_of(0);
  const auto done = (*line)->call({"EVAL", tries, "1", key, channel});
  db.pool().give_back(std::move(*line));
  return done ? Result<void>(success) : done.error();
}

/// Members of a set behind `after`, by rising bytes. The store's header is looked at in the same
/// moment.
[[nodiscard]] inline Result<std::vector<std::string>> members(Database& db, const Home& home,
                                                              const std::string& set,
                                                              std::string_view after,
                                                              std::size_t most) {
  Command ask{Script::query};
  ask.keys = {home.header_key, set, set};
  ask.words = {home.header,
               "",
               "",
               "up",
               after.empty() ? "-" : '(' + std::string(after),
               "+",
               std::to_string((std::min)(most, std::size_t{100'000}))};
  const auto reply = run_script(db, ask);
  if (!reply) return reply.error();
  const Answer all(reply->get());
  if (all[2].text() == "birth") return another_database(home.name);
  std::vector<std::string> found;
  for (std::size_t i = 0; i < all[6].size(); ++i)
    found.emplace_back(all[6][i].text());
  return found;
}

inline void scan(Database& db, ScanRequest& request) {
  request.keys.clear();
  request.next = request.after;
  const auto home = db.home(request.store);
  if (!home) return (void)(request.error = home.error());
  const std::size_t most = (std::max)(request.most, std::size_t{1});
  auto keys = members(db, **home, request.of_inboxes ? (*home)->inboxes() : (*home)->keys(),
                      request.after, most);
  if (!keys) return (void)(request.error = keys.error());
  request.done = keys->size() < most;
  request.keys = std::move(*keys);
  if (!request.keys.empty()) request.next = request.keys.back();
}

/// Records whose outbox waits. One that cannot be read holds up nobody else.
inline void list_waiting(Database& db, RelayRequest& request) {
  request.waiting.clear();
  request.now = db.moment().wall;
  const auto home = db.home(request.store);
  if (!home) return (void)(request.error = home.error());
  const auto keys = members(db, **home, (*home)->waiting(), request.after, request.most);
  if (!keys) return (void)(request.error = keys.error());
  for (const std::string& key : *keys) {
    Turn turn;
    Command look;
    look.keys = {(*home)->header_key, (*home)->record(key)};
    look.words = {(*home)->header, ""};
    const auto reply = run_script(db, look);
    if (!reply && is_ailing(reply.error())) return (void)(request.error = reply.error());
    if (!reply) continue;
    auto stored = decode_stored(Answer(reply->get())[3], look.keys[1],
                                [&](std::string_view store) { return db.id_of(store); });
    if (stored && !stored->record.outbox.messages.empty())
      request.waiting.push_back({key, std::move(stored->record.outbox.messages)});
  }
}

/// The lowest entry of a record in an index, as the member of its set; nothing where it has none.
[[nodiscard]] inline std::optional<std::string> entry_in(const Home& home, const Record& record,
                                                         std::string_view index) {
  const std::string set = home.index(index);
  for (Entry& entry : entries_of(home, record))
    if (entry.set == set) return std::move(entry.member);
  return std::nullopt;
}

/// From where to where a page is, as Redis spells it.
struct Bounds {
  std::string low = "-", high = "+";
};
[[nodiscard]] inline Bounds bounds_of(const IndexRequest& request) {
  Bounds to;
  if (request.only) {
    to.low = '[' + ordered(*request.only);
    if (*request.only != (std::numeric_limits<std::int64_t>::max)())
      to.high = '(' + ordered(*request.only + 1);
  }
  if (!request.after) return to;
  const std::string at = ordered(request.after->value) + request.after->key;
  const std::string_view low(to.low), high(to.high);
  if (request.falls) {
    if (high == "+" || at < high.substr(1)) to.high = '(' + at;
  } else if (low == "-" || at >= low.substr(1)) {
    to.low = '(' + at;
  }
  return to;
}

inline void answer_query(Answer all, IndexRequest& request) {
  request.size = static_cast<std::uint64_t>(all[3].integer());
  const Answer rows = all[6];
  const std::int64_t first = all[5].integer();
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const auto at = position_of(rows[i].text());
    if (!at) continue;
    const auto step = static_cast<std::int64_t>(i);
    const bool goes_down = request.falls && !request.around;
    request.rows.push_back(
        {at->key, at->value, static_cast<std::uint64_t>(goes_down ? first - step : first + step)});
  }
  if (request.around && request.falls) std::reverse(request.rows.begin(), request.rows.end());
}

/// One round trip; where a key's place is asked for, one more to read its record, and again where
/// that changed in between.
inline void query(Database& db, IndexRequest& request) {
  const auto home = db.home(request.store);
  if (!home) return (void)(request.error = home.error());
  const Bounds bounds = bounds_of(request);
  for (int tries = 0; tries < most_tries; ++tries) {
    Command ask{Script::query};
    ask.keys = {(*home)->header_key, (*home)->index(request.index), (*home)->index(request.index)};
    std::string version;
    std::optional<std::string> entry;
    if (!request.key.empty()) {
      Command look;
      ask.keys[2] = (*home)->record(request.key);
      look.keys = {(*home)->header_key, ask.keys[2]};
      look.words = {(*home)->header, ""};
      const auto reply = run_script(db, look);
      if (!reply) return (void)(request.error = reply.error());
      const auto stored = decode_stored(Answer(reply->get())[3], ask.keys[2],
                                        [&](std::string_view store) { return db.id_of(store); });
      if (!stored) return (void)(request.error = stored.error());
      entry = entry_in(**home, stored->record, request.index);
      version = stored->version;
    }
    ask.words = {(*home)->header,
                 version,
                 entry.value_or(""),
                 request.around  ? "around"
                 : request.falls ? "down"
                                 : "up",
                 bounds.low,
                 bounds.high,
                 std::to_string((std::min)(request.most, std::size_t{100'000}))};
    const auto reply = run_script(db, ask);
    if (!reply) return (void)(request.error = reply.error());
    const Answer all(reply->get());
    if (all[2].text() == "birth") return (void)(request.error = another_database((*home)->name));
    if (all[2].text() == "other") continue;
    const std::int64_t place = all[4].integer();
    request.found = entry && place >= 0;
    if (request.found)
      request.row = {std::string(request.key), position_of(*entry)->value,
                     static_cast<std::uint64_t>(place)};
    return answer_query(all, request);
  }
  request.error = Error(Errc::unavailable, "the record changed faster than it could be found");
}

}  // namespace persist::inline PERSIST_ABI::backend::redis

namespace persist::inline PERSIST_ABI::backend {

/// Records in one Redis server, 6 or later, for any number of game servers. Link `persist::redis`.
///
/// Effect: each request is one script, all or nothing; what was acknowledged survives as the server
/// is set up (doc/redis.md says what each setting and a failover can lose). A save is one round
/// trip where this server holds the record, a load one where nobody does, and all of a batch share
/// them; a message, and a load of a record that is held or was, are up to two. Leases are judged by
/// the server's clock.
/// Errors: the constructor never fails, and a server that cannot be reached is tried again by later
/// calls. `unavailable` (no server, or one that cannot write now; nothing was written),
/// `unknown_outcome` (the connection broke, or the time was over, while a write was on its way; or
/// too few replicas have it), `refused` (user, password, permissions; a database that is not the
/// one this handle knew, as one that lost its memory), `unsupported` (a server that evicts), `io`
/// (its memory or its disk is full; nothing was written), `corrupt` and `too_new` (the record is
/// left alone, others go on).
/// Threads: any may call; each that does at one time has a connection. Copies share them. A handle
/// must not be taken over a `fork`.
class Redis {
 public:
  static constexpr bool is_transactional = true;
  static constexpr bool keeps_history = true;

  explicit Redis(const RedisOptions& options = {})
      : db_(std::make_shared<redis::Database>(options)) {}
  /// One that was reached.
  [[nodiscard]] static Result<Redis> open(const RedisOptions& options = {}) {
    Redis made(options);
    if (const auto reached = made.status(); !reached) return reached.error();
    return made;
  }

  [[nodiscard]] bool same_database(const Redis& other) const noexcept { return db_ == other.db_; }
  /// Whether the server can be reached now and is fit to keep records.
  [[nodiscard]] Result<void> status() const {
    auto line = db_->pool().take();
    if (!line) return line.error();
    db_->pool().give_back(std::move(*line));
    return success;
  }
  [[nodiscard]] Owner next_owner(ServerId server) { return db_->next_owner(server); }

  void open_store(std::span<OpenStoreRequest> batch) {
    for (OpenStoreRequest& request : batch) {
      if (const auto fit = redis::may_write(*db_, request.name); !fit)
        request.error = fit.error();
      else
        kv::open_store(db_->stores(), request);
    }
  }
  void acquire(std::span<AcquireRequest> batch) { run(batch); }
  void commit(std::span<CommitRequest> batch) { run(batch); }
  void read(std::span<ReadRequest> batch) { run(batch); }
  void post(std::span<PostRequest> batch) { run(batch); }
  void erase(std::span<EraseRequest> batch) { run(batch); }
  void relay(std::span<RelayRequest> batch) {
    for (RelayRequest& request : batch)
      request.take_from.empty() ? redis::list_waiting(*db_, request) : run(std::span(&request, 1));
  }
  void scan(std::span<ScanRequest> batch) {
    for (ScanRequest& request : batch)
      redis::scan(*db_, request);
  }
  void query(std::span<IndexRequest> batch) {
    for (IndexRequest& request : batch)
      redis::query(*db_, request);
  }
  void read_schemas(std::span<SchemaRequest> batch) {
    for (SchemaRequest& request : batch)
      kv::read_schema(db_->stores(), request);
  }
  /// Hears of what other servers do to the store's records too, by a connection and a thread that
  /// the first call makes and the last handle ends; `RedisOptions::wakes` says whether.
  void watch(StoreId store, std::weak_ptr<WakeQueue> queue) { db_->watch(store, std::move(queue)); }
  /// Half of what one value of Redis may be.
  [[nodiscard]] std::size_t largest_data() const noexcept { return std::size_t{256} << 20; }
  using StoreInfo = persist::StoreInfo;
  /// For tools: looks at every key of the server. None where it cannot be reached.
  [[nodiscard]] std::vector<StoreInfo> stores() const {
    std::vector<StoreInfo> all;
    const auto headers = db_->stores().map().headers();
    if (!headers) return all;
    for (const Buffer& header : *headers)
      if (auto store = kv::decode_header(header, "a header")) all.push_back(*std::move(store));
    return all;
  }

 private:
  template <class Request>
  void run(std::span<Request> batch) {
    redis::Batch<Request>(*db_, batch).run();
  }

  std::shared_ptr<redis::Database> db_;
};

/// `redis://USER@HOST:PORT/DATABASE`, or `redis:SOCKET` for a Unix socket of this machine, with
/// `replicas=N`, `wakes=no` and `deadline=TIME`. The password is in the environment, as
/// `PERSIST_REDIS_PASSWORD`, or behind the user's name.
template <>
struct UriOpener<Redis> {
  static constexpr std::string_view schemes[] = {"redis"};
  static Result<Redis> open(Uri& uri, Clock* /*a server has its own*/) {
    RedisOptions options;
    const auto wakes = uri.take_flag("wakes", options.wakes);
    const auto deadline = uri.take_duration("deadline", options.deadline);
    const auto replicas = uri.take_number("replicas", options.replicas);
    if (!wakes || !deadline || !replicas)
      return !wakes ? wakes.error() : !deadline ? deadline.error() : replicas.error();
    options.wakes = *wakes;
    options.deadline = *deadline;
    options.replicas = *replicas;
    if (const auto all = uri.finish("replicas, wakes, deadline"); !all) return all.error();
    if (const char* password = std::getenv("PERSIST_REDIS_PASSWORD")) options.password = password;
    const Result<Authority> server = uri.authority();
    if (!server) return server.error();
    if (!server->user.empty()) options.user = server->user;
    if (!server->password.empty()) options.password = server->password;
    if (!server->host.empty()) options.host = server->host;
    if (server->port != 0) options.port = server->port;
    if (!uri.place().empty() && !uri.place().starts_with("//"))
      options.socket = uri.place();
    else if (!server->path.empty() && !read_number(server->path, options.database))
      return uri.wrong("names no database: behind the server comes a number");
    return Redis::open(options);
  }
};

}  // namespace persist::inline PERSIST_ABI::backend
