#pragma once

#include <persist/clock.hpp>
#include <persist/error.hpp>
#include <persist/result.hpp>
#include <persist/schema/value.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

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
  /// The data of a version that is kept, and its time as `updated`; all else as it is now. Goes
  /// before `live`. 0: what is there.
  std::uint64_t version = 0;
};

/// Which of a record's older states are listed.
struct VersionsOptions {
  std::optional<WallTime> from{};  ///< written then or later
  std::optional<WallTime> to{};    ///< written then or earlier
  bool newest_first = true;
  std::size_t most = 1000;
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

/// A record that was passed by, and why: its key is for another try, of a walk with
/// `ForEachOptions::only`.
struct Missed {
  std::string key;
  Error why;
};

/// What is stored of a user.
struct UserExport {
  std::string json;            ///< one document, laid out for people
  std::size_t records = 0;     ///< that are in it
  std::vector<Missed> missed;  ///< of the user too, and not in it: they cannot be read
};

/// What to do about a user's record that somebody plays.
enum class LiveRecord : std::uint8_t {
  refuse,  ///< leave it, and say so
  end,     ///< erase it: its session ends, here at once, elsewhere at its next save
};
/// What to do about messages that the erased records had sent and that wait with others.
enum class SentMessages : std::uint8_t {
  keep,    ///< they are the receivers' by now
  remove,  ///< take them out, and with them what they bring; looks at every inbox of the store
};
struct EraseUserOptions {
  LiveRecord live = LiveRecord::refuse;
  SentMessages sent = SentMessages::keep;
  /// Erases also records that have other users beside this one, as a guild's has. Else they are
  /// left, and said.
  bool shared = false;
};
struct UserErased {
  std::vector<std::string> erased;
  std::vector<Missed> refused;       ///< the user's too, and still there
  std::size_t messages_sent = 0;     ///< that waited in the records for others, and are with them
  std::size_t messages_dropped = 0;  ///< that waited there for others who had no room, or came in
  std::size_t messages_taken_back = 0;  ///< that had been sent, and waited with others
  std::vector<Missed> messages_left;    ///< the records of others, from which they were not taken
  Error error{Errc{}};                  ///< why it stopped before the last record

  /// Whether nothing is left that is this user's, and that was to go.
  [[nodiscard]] bool done() const noexcept {
    return refused.empty() && messages_left.empty() && error.code() == Errc{};
  }
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
