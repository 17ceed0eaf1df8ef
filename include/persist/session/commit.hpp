#pragma once

#include <persist/codec/chunked.hpp>
#include <persist/detail/caught.hpp>
#include <persist/record/requests.hpp>
#include <persist/result.hpp>
#include <persist/session/core.hpp>

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

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

/// What a codec does to its records where the backend is called.
struct Wrapping {
  /// See codec/wrapping.hpp; null where it wraps nothing.
  Result<bool> (*wrap)(std::string_view key, ByteView record, Buffer& out) = nullptr;
  bool joins = false;   ///< what is stored may lie in pieces (codec/chunked.hpp)
  bool splits = false;  ///< what the backend does not take whole is split
};

template <class Codec>
[[nodiscard]] constexpr Wrapping make_wrapping() noexcept {
  Wrapping made;
  if constexpr (codec::wraps_records<Codec>) made.wrap = &Codec::wrap;
  made.joins = codec::joins_records<Codec>;
  made.splits = codec::splits_records<Codec>;
  return made;
}
template <class Codec>
inline constexpr Wrapping wrapping_of = make_wrapping<Codec>();

/// The pieces that go with a record, in the same commit.
struct Split {
  StoreId store{};
  Hash128 name{};  ///< what their keys begin with
  Pieces known;    ///< as the session knew them, and what was learned since
  std::vector<Buffer> parts;
  std::vector<std::string> keys;
  bool is_done = false;  ///< what is sent again is split as it was

  /// Nothing is left of the record before: cuts are used again.
  void begin(StoreId in, const Hash128& named, Pieces session_knows) {
    store = in;
    name = named;
    known = std::move(session_knows);
    parts.clear(), keys.clear();
    is_done = false;
  }
  /// Those that are written, or else emptied.
  [[nodiscard]] std::size_t touched() const noexcept {
    return (std::max)(parts.size(), known.filled);
  }
};

/// What leaves of one session in one commit: one cut of one moment. Owns every byte, so that it can
/// go to another thread and be sent again as it was.
struct Cut {
  Buffer key;
  Buffer data;
  Buffer metadata;
  Buffer indexed;
  std::vector<std::uint64_t> user_ids;
  std::vector<std::uint64_t> acknowledged;
  std::vector<OutgoingMessage> messages;
  std::vector<Send> sends;  ///< views of `messages`
  std::vector<Receipt> receipts;
  std::vector<SaveAnswer> asked;
  std::uint32_t generation = 0;
  std::uint32_t bytes = 0;   ///< of the record as it was encoded
  std::uint32_t stored = 0;  ///< and as it is stored
  std::uint32_t crc = 0;
  /// What the codec does to the record where the backend is called; null where nothing is to be
  /// done, or was done.
  const Wrapping* wrap = nullptr;
  Split split;                     ///< where `wrap` joins
  const Schema* schema = nullptr;  ///< what the data needs beside it
  TimePoint sent{};
  Aim aim = Aim::save;
  Reason reason = Reason::asked;
  bool has_data = false;  ///< data is written or removed
  bool has_ids = false;
  bool has_metadata = false;
  bool has_indexed = false;
  bool drops = false;      ///< encoding found no place for some unknown field
  bool is_silent = false;  ///< it holds nothing and has nothing to write: nobody is told
  bool is_aside = false;   ///< the data was refused, and is made all the same to be kept aside
  bool held_back = false;  ///< the data was to be read, and somebody is editing it
  Error refused{Errc{}};  ///< why the data is not in it: `validate`, the codec or the limit said no

  void clear() {
    key.clear(), data.clear(), metadata.clear(), indexed.clear(), user_ids.clear();
    acknowledged.clear();
    messages.clear(), sends.clear(), receipts.clear(), asked.clear();
    generation = bytes = stored = crc = 0;
    wrap = nullptr;
    schema = nullptr;
    aim = Aim::save, reason = Reason::asked;
    has_data = has_ids = has_metadata = has_indexed = drops = is_silent = is_aside = held_back =
        false;
    refused = Error(Errc{});
  }
  /// Wraps the data and, where it is larger than `limit`, splits it, once: what is sent again is
  /// the same bytes. On an error nothing may be sent.
  [[nodiscard]] Error wrap_data(std::size_t limit, bool may_split) {
    const Wrapping& how = *wrap;
    if (how.joins && split.is_done) return Errc{};
    Buffer made;
    if (how.wrap != nullptr) {
      const Result<bool> done =
          detail::caught("the codec", [&] { return how.wrap(as_text(key), data, made); });
      if (!done) return Error(done.error()).for_key(as_text(key));
      if (*done) data.swap(made);
    }
    stored = static_cast<std::uint32_t>(data.size());
    if (data.size() > limit) {
      if (!how.splits || !may_split) return too_large_for_backend(data.size(), limit);
      made.clear();
      if (auto done = codec::chunked::split(data, limit, made, split.parts); !done)
        return Error(done.error()).for_key(as_text(key));
      data.swap(made);
      stored = static_cast<std::uint32_t>(codec::chunked::stored_size(data));
    }
    return wrapped();
  }
  /// Nothing more is to be done but to send it, with its pieces if there are any.
  Error wrapped() noexcept {
    split.is_done = wrap->joins && split.touched() != 0;
    if (!split.is_done) wrap = nullptr;
    return Errc{};
  }
  [[nodiscard]] Error too_large_for_backend(std::size_t size, std::size_t limit) const {
    return Error(Errc::too_large, "the record has " + std::to_string(size) +
                                      " bytes as it is stored; the backend takes " +
                                      std::to_string(limit))
        .for_key(as_text(key));
  }
};

struct Replay;

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
  bool resend = false;             ///< its outcome is unknown: the same bytes go again
  std::shared_ptr<Replay> replay;  ///< what it was read from, if that is the spill journal
  std::string spilled_as;          ///< the entry of the spill journal that it became

  [[nodiscard]] std::size_t size() const noexcept { return sessions.size(); }
  void add(SessionPtr session, SessionHost& host) {
    (void)add();
    sessions.back() = std::move(session);
    hosts.back() = &host;
  }
  /// Adds a record without a session: one of a commit that was spilled.
  Cut& add() {
    if (cuts.size() == sessions.size()) cuts.emplace_back();
    Cut& cut = cuts[sessions.size()];
    cut.clear();
    sessions.emplace_back();
    hosts.push_back(nullptr);
    return cut;
  }
  /// Whether the backend gets what was cut as it is, which is the rule.
  [[nodiscard]] bool is_plain() const noexcept {
    if (request.outcome != CommitRequest::Outcome::pending || replay != nullptr) return false;
    for (std::size_t i = 0; i < size(); ++i)
      if (cuts[i].wrap != nullptr || cuts[i].schema != nullptr) return false;
    return true;
  }
  /// Wraps what is to be wrapped, and splits what is larger than `limit`. Where something could not
  /// be `to` says why, and goes nowhere.
  void wrap(CommitRequest& to, std::size_t limit, bool may_split) {
    for (std::size_t i = 0; i < size(); ++i) {
      if (cuts[i].wrap == nullptr) continue;
      if (changes[i].data != nullptr)
        to.error = cuts[i].wrap_data(limit, may_split);
      else if (changes[i].removes_data)
        to.error = cuts[i].wrapped();
      if (!failed(to.error)) continue;
      to.outcome = CommitRequest::Outcome::failed;
      to.culprit = i;
      return;
    }
  }
  void clear() {
    sessions.clear(), hosts.clear(), group.reset(), changes.clear(), results.clear(),
        attempts = 0, resend = false, replay.reset(), spilled_as.clear(), request = {};
  }
};

}  // namespace persist::inline PERSIST_ABI
