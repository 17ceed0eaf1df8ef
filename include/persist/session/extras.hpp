#pragma once

#include <persist/bytes.hpp>
#include <persist/record/message.hpp>
#include <persist/record/requests.hpp>
#include <persist/session/counted.hpp>
#include <persist/session/options.hpp>
#include <persist/session/state.hpp>

#include <algorithm>
#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

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
    bool waits = true;             ///< until he calls it off
    std::function<void()> done{};  ///< told when the load is, among the listeners
  };
  Conflict conflict = Conflict::refuse;
  std::function<Decision(const Obstacle&)> ask;  ///< decides anew at each look
  Decision decided{};                            ///< what it said last
  TimePoint look_at{};                           ///< until then that holds
  std::uint32_t looks = 0;                       ///< how often it was asked
  bool once = false;                             ///< `try_load`: one attempt
  bool stands_in = false;   ///< where storage cannot be reached it gives an ephemeral session
  bool has_asked = false;   ///< a request to the holder was sent
  bool asked = false;       ///< our request to the holder stands, as a reply said
  bool unheard_of = false;  ///< a reply was lost: its attempt may have taken the record, or may yet
  Intent intent = Intent::wait;  ///< of the next attempt
  std::uint32_t attempts = 0;
  std::uint32_t steals = 0;  ///< attempts that found something else than what was to be stolen
  std::uint64_t seen_epoch = 0;
  std::uint64_t seen_renewals = 0;
  std::uint64_t watched_epoch = 0;  // of a backend without a clock: since when it is as it is
  std::uint64_t watched_renewals = 0;
  TimePoint watched_since{};
  TimePoint began{};
  TimePoint deadline{};
  TimePoint next_try{};
  /// When the earliest attempt left that may have taken the record: the lease counts from there.
  std::optional<TimePoint> sent;
  Error error{Errc{}};  ///< once done
  std::atomic<bool> done{false};
  std::vector<Waiter> waiters;
  std::atomic<std::uint32_t> refs{0};

  /// Whether anybody still waits for it. Otherwise the lease is given back.
  [[nodiscard]] bool has_waiters() const noexcept { return count_waiters() != 0; }
  [[nodiscard]] std::size_t count_waiters() const noexcept {
    return static_cast<std::size_t>(
        std::count_if(waiters.begin(), waiters.end(), [](const Waiter& w) { return w.waits; }));
  }
  /// Whether all that is left of it is to take back what it may have left in the record.
  [[nodiscard]] bool is_called_off() const noexcept {
    return intent == Intent::withdraw && !has_waiters();
  }
  /// Of one that was called off, for who comes before that was done: what stands in the record is
  /// his, and nothing of what others wanted is left.
  void begin_anew(TimePoint now) {
    conflict = Conflict::refuse, ask = nullptr, decided = Decision(), look_at = TimePoint();
    looks = 0, attempts = 0, steals = 0;
    once = stands_in = true;
    intent = has_asked ? Intent::keep_request : Intent::wait;
    began = next_try = now, deadline = TimePoint::min();
    error = Error(Errc{});
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

/// The pieces of a record that is larger than its backend takes (store/pieces.hpp), as far as its
/// session knows them.
struct Pieces {
  std::vector<std::uint64_t> epochs;  ///< under which we have them; 0: we have not
  std::size_t filled = 0;             ///< from here on they have no data
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

  Pieces pieces;

  std::vector<SaveAnswer> asked;  ///< who is answered by the next save that is cut

  std::optional<Duration> autosave;  ///< instead of the store's
  std::optional<Duration> min_gap;

  /// Objects the game hangs on the session, each found by the address of its type's tag.
  std::vector<std::pair<const void*, std::shared_ptr<void>>> attachments;
};

}  // namespace persist::inline PERSIST_ABI
