#pragma once

#include <persist/detail/caught.hpp>
#include <persist/record/requests.hpp>
#include <persist/result.hpp>
#include <persist/session/core.hpp>

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
  std::uint32_t bytes = 0;   ///< of the record as it was encoded
  std::uint32_t stored = 0;  ///< and as it is stored
  std::uint32_t crc = 0;
  /// What the codec does to the record where the backend is called (codec/wrapping.hpp); null where
  /// nothing is to be done, or was done.
  Result<bool> (*wrap)(std::string_view key, ByteView record, Buffer& out) = nullptr;
  const Schema* schema = nullptr;  ///< what the data needs beside it
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
    generation = bytes = stored = crc = 0;
    wrap = nullptr;
    schema = nullptr;
    aim = Aim::save, reason = Reason::asked;
    has_data = has_ids = has_metadata = held_back = false;
    refused = Error(Errc{});
  }
  /// Wraps the data, once: what is sent again is the same bytes. On an error nothing may be sent.
  [[nodiscard]] Error wrap_data() {
    Buffer wrapped;
    const Result<bool> done =
        detail::caught("the codec", [&] { return wrap(as_text(key), data, wrapped); });
    if (!done) return Error(done.error()).for_key(as_text(key));
    if (*done) data.swap(wrapped);
    stored = static_cast<std::uint32_t>(data.size());
    wrap = nullptr;
    return Errc{};
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
  /// Whether the backend gets what was cut as it is, which is the rule.
  [[nodiscard]] bool is_plain() const noexcept {
    for (std::size_t i = 0; i < size(); ++i)
      if (cuts[i].wrap != nullptr || cuts[i].schema != nullptr) return false;
    return true;
  }
  /// Wraps what is to be wrapped. False where something could not be: then `to` says why, and goes
  /// nowhere.
  [[nodiscard]] bool wrap(CommitRequest& to) {
    for (std::size_t i = 0; i < size(); ++i) {
      if (cuts[i].wrap == nullptr || changes[i].data == nullptr) continue;
      to.error = cuts[i].wrap_data();
      if (!failed(to.error)) continue;
      to.outcome = CommitRequest::Outcome::failed;
      to.culprit = i;
      return false;
    }
    return true;
  }
  void clear() {
    sessions.clear(), hosts.clear(), group.reset(), changes.clear(), results.clear(),
        attempts = 0, resend = false, request = {};
  }
};

}  // namespace persist::inline PERSIST_ABI
