#pragma once

#include <persist/record/fence.hpp>
#include <persist/session/counted.hpp>
#include <persist/session/event.hpp>
#include <persist/session/extras.hpp>

#include <atomic>
#include <cstring>
#include <functional>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace persist::inline PERSIST_ABI {

class SessionCore;
struct StoreInfo;
struct Change;
struct Snapshot;

struct Cut;
struct Flight;
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
  /// which had changed nothing. `result` is for who asked.
  virtual void unboard(SessionCore& session, Cut& cut, bool over, const Result<Saved>& result) = 0;
  /// Takes the outcome.
  virtual void settle(SessionCore& session, Cut& cut, Change& change, const Flight& flight,
                      Result<Saved>& result) = 0;
  /// Ends a partner of a transaction that was lost before it was stored: its record is still ours,
  /// and goes back.
  virtual void lose(SessionCore& session, const TransactionGroup& group) = 0;
  /// A partner's store is closing: sends again what nobody knows the outcome of, and with `keeps`
  /// writes it to the spill journal, if there is one. Says when to go on.
  virtual TimePoint finish_unknown(bool keeps) = 0;
  /// Tells listeners what happened.
  virtual void drain() = 0;
  /// Which store it is, for who meets it again after a restart.
  [[nodiscard]] virtual StoreInfo about() const = 0;

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
  void take_handle() noexcept { handles.fetch_add(1, std::memory_order_relaxed); }
  /// Needs a reference. Another thread may end the session meanwhile, and without handles it has no
  /// host from then on: that is asked for once.
  void drop_handle() {
    if (handles.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
    if (SessionHost* store = host()) store->last_handle_dropped(*this);
  }
  void detach() noexcept { host_.store(nullptr, std::memory_order_release); }
  [[nodiscard]] bool dirty() const noexcept {
    return edited.load(std::memory_order_relaxed) != saved.load(std::memory_order_relaxed);
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

  [[nodiscard]] bool has_listeners() const noexcept { return (heard_by & signals_heard) != 0; }
  [[nodiscard]] bool is_watched() const noexcept {
    return (heard_by.load(std::memory_order_relaxed) & changes_heard) != 0;
  }
  /// Marks the data changed: what is saved from now on is more than what was cut before.
  void mark_dirty() {
    if (ended(state)) return;  // an edit after the end is one of a copy
    edited.fetch_add(1, std::memory_order_relaxed);
    if (SessionHost* store = host(); !listed && store != nullptr) store->became_dirty(*this);
  }

  // The typed half. None of these calls the store.
  /// Makes the record's envelope in the cut, which owns it, and says what is to be done to it on
  /// its way; false where the data says that there is no record. `invalid`, where the cut is not to
  /// be kept aside, and the codec's errors.
  virtual Result<bool> encode(Cut& cut) = 0;
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
  /// What the last decoding dropped because the data policy allows it, or the last encoding because
  /// two elements now have one identity.
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
  std::atomic<std::uint32_t> saved{0};   ///< generation that is durable
  std::uint32_t stored_bytes = 0;        ///< of the record in the backend
  std::uint32_t encoded_crc = 0;         ///< of the same as the codec made it
  std::atomic<std::uint32_t> refs{0};
  std::atomic<std::uint32_t> handles{0};
  std::atomic<std::uint16_t> edit_guards{
      0};  ///< open ones; the data is half changed while there are any
  // These three only under the store's lock.
  std::uint16_t failures : 13 = 0;  ///< attempts that failed in a row, as far as it is counted
  bool renews_alone : 1 = false;    ///< what it has to say was refused: the lease is kept
  Tie tie : 2 = Tie::holds;
  std::atomic<State> state{State::loading};
  Reason ending = Reason::asked;
  std::atomic<bool> listed{false};        ///< on the list of sessions that became dirty
  std::atomic<bool> in_function{false};   ///< a handler, grant or transaction is running on a copy
  std::atomic<std::uint8_t> heard_by{0};  ///< who listens to it: of `signals_heard` and the next
  std::atomic<bool> end_was_told{false};  ///< listeners of `released` were called

  // Set before anybody else sees the session.
  bool skips_equal : 1 =
      false;  ///< the data is captured from the game: what is equal to the stored is not written
  bool keeps_durable : 1 = false;  ///< a copy of the data as it is stored is kept
  bool is_offline : 1 = false;     ///< one change of a record that nobody plays: nobody joins it
  bool is_hidden : 1 = false;      ///< a hidden slot's: not found by its key
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
  static constexpr std::uint8_t signals_heard = 1;  ///< its own signals were connected
  static constexpr std::uint8_t changes_heard = 2;  ///< somebody listens to changes of its data

 private:
  std::uint8_t key_size_;
};

using SessionPtr = Counted<SessionCore>;

/// Why nothing of an ephemeral session is saved.
[[nodiscard]] inline Error ephemeral(std::string_view key) {
  return Error(Errc::unavailable,
               "this session is ephemeral: the record could not be reached when it was loaded, and "
               "nothing of it is saved; load it again")
      .for_key(key);
}

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
