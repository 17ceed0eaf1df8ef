#pragma once

#include <persist/bytes.hpp>
#include <persist/clock.hpp>
#include <persist/error.hpp>
#include <persist/record/fence.hpp>
#include <persist/record/history.hpp>
#include <persist/record/index.hpp>
#include <persist/record/message.hpp>
#include <persist/record/schema.hpp>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

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
  look,      ///< answer as to a new holder, and take nothing: for a change that claims
};

/// The record as its new holder gets it.
struct Snapshot {
  Fence fence{};
  std::uint64_t version = 0;
  bool has_data = false;
  StoreId pieces_in{};  ///< not the backend's: of the pieces, where some are needed
  Buffer data{};
  std::vector<std::uint64_t> user_ids{};
  Buffer metadata{};
  std::vector<Receipt> receipts{};
  std::uint32_t receipts_forgotten = 0;  ///< the newest day of which a receipt was forgotten
  std::uint32_t needed_pieces = 0;       ///< not the backend's: without which decoding stopped
  std::uint64_t load_count = 0;
  WallTime created{};
  WallTime updated{};
  std::vector<std::uint64_t> outbox{};  ///< numbers of messages that still wait here, of all epochs
  std::vector<Message> inbox{};
  WallTime now{};
  /// Not the backend's: what decoding needs beside the data and had not. The id of a schema, or,
  /// where there are `needed_pieces`, what these are named by.
  Hash128 needed{};
  Buffer schema{};  ///< its bytes, for another try

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
  Duration age{};    ///< since the last renewal
  Duration left{};   ///< until the lease runs out, by the backend's clock, where it has one
  Owner asker{};     ///< whose request stands, if anybody's
  Duration lease{};  ///< how long it was given for
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
  /// Take it at once from an owner with the same server's id and another random number: the same
  /// server before its restart.
  bool reclaims = false;
  /// Where another backend gives out leases and epochs (`lock::External`). There: the epoch given
  /// is at least this, also to who has the record under a lower one.
  std::uint64_t least_epoch = 0;
  /// And here: take the record under this epoch, if that is higher than the record's, or is this
  /// very owner's; no lease is looked at. Zero: the backend gives out its own.
  std::uint64_t claim_epoch = 0;

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

/// Whether a change takes the record itself, in the same atomic step, instead of coming from its
/// holder. Its epoch and version are then those that a look saw, and must be the record's still;
/// the record gets a new epoch, which the reply says.
enum class Claims : std::uint8_t {
  nothing,   ///< it comes from the holder
  unleased,  ///< unless a lease holds it
  anyway,    ///< from whoever holds it
};

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
  Claims claims = Claims::nothing;
  std::uint64_t seen_version = 0;  ///< of a change that claims

  /// The new envelope. Its bytes may be taken when the commit is applied; any other outcome leaves
  /// them as they are, so that the same bytes can be sent again.
  Buffer* data = nullptr;
  bool data_stays = false;    ///< they are not taken: who asks may make another outcome of it
  bool removes_data = false;  ///< the record becomes an empty one
  /// Which older states stay where this writes or removes data: what was there joins them. Null:
  /// nothing joins or leaves them.
  const HistoryRule* history = nullptr;
  /// What the data needs to be read beside what is in it. Where the store holds it already naming
  /// it is enough; where it does not, and the bytes are not sent, nothing is written and the answer
  /// is `unknown_schema`.
  const Schema* schema = nullptr;
  bool sends_schema = false;
  const std::vector<std::uint64_t>* user_ids = nullptr;
  const Buffer* metadata = nullptr;
  /// The record's entries in the store's indexes (record/index.hpp), instead of all before. Null:
  /// they stay as they are, or, where the data is removed, go.
  const Buffer* indexed = nullptr;
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
  std::uint64_t epoch = 0;  ///< of a change that claimed: its own
  bool release_requested = false;
  bool erased = false;  ///< `fenced`: the record was erased
  bool landed = false;  ///< `fenced`, `superseded`: this write number had been applied before
  HeldBy holder{};      ///< `fenced`: by whom
  std::vector<Message> messages{};
  WallTime now{};

  [[nodiscard]] bool writes_data() const noexcept { return data != nullptr || removes_data; }
  [[nodiscard]] bool writes() const noexcept {
    return data != nullptr || removes_data || user_ids != nullptr || metadata != nullptr ||
           indexed != nullptr || !acknowledged.empty() || !sends.empty() || !receipts.empty() ||
           forget_receipts != 0 || created || load_count;
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

/// Why a store that does not hold the schema of a change cannot take its data, or `Errc{}` where
/// the schema comes along.
[[nodiscard]] inline Error refusal_of_schema(const Change& change) {
  if (!change.sends_schema) return unknown_schema(change.schema->id);
  if (schema_id(change.schema->bytes) == change.schema->id) return Errc{};
  return {Errc::invalid, "a schema is named by the hash of its bytes, and this one is not"};
}

struct ReadRequest {
  StoreId store{};
  std::string_view key{};
  bool wants_data = true;
  bool wants_inbox = false;
  /// The data of that version in the place of what is there now, with its `version` and `updated`;
  /// 0: what is there. `not_found` says which are kept.
  std::uint64_t version = 0;
  bool wants_versions = false;

  Error error{Errc{}};
  bool found = false;  ///< there is a record, if only one with messages
  bool held = false;
  HeldBy holder{};    ///< the last owner, where nobody holds it now
  Snapshot record{};  ///< without receipts, and without the inbox unless it is wanted
  std::size_t inbox_messages = 0;
  std::size_t inbox_bytes = 0;
  std::size_t outbox_messages = 0;
  std::vector<KeptVersion> versions{};  ///< older ones that are kept, newest first
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
  bool of_inboxes = false;  ///< instead of those in which messages wait, with data or without

  Error error{Errc{}};
  std::vector<std::string> keys{};
  std::string next{};
  bool done = false;
};

[[nodiscard]] inline bool failed(const Error& error) noexcept {
  return error.code() != Errc{};
}
/// Whether the same request may be answered another time.
[[nodiscard]] inline bool may_pass(const Error& error) noexcept {
  return error == Errc::unavailable || error == Errc::timeout || error == Errc::unknown_outcome;
}
/// Whether it is the database that is not well, and not what was asked of it.
[[nodiscard]] inline bool is_ailing(const Error& error) noexcept {
  return may_pass(error) || error == Errc::io;
}

}  // namespace persist::inline PERSIST_ABI
