#pragma once

#include <persist/access/shared.hpp>
#include <persist/backend/concept.hpp>
#include <persist/detail/hook.hpp>
#include <persist/detail/os.hpp>
#include <persist/lock/concept.hpp>
#include <persist/record/key_hash.hpp>
#include <persist/session/commit.hpp>
#include <persist/session/options.hpp>
#include <persist/store/critical.hpp>
#include <persist/store/driver.hpp>
#include <persist/store/due_list.hpp>
#include <persist/store/metrics.hpp>
#include <persist/store/registry.hpp>
#include <persist/store/round.hpp>
#include <persist/store/spill.hpp>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace persist::inline PERSIST_ABI {

/// The part of a store that knows nothing of keys, data and codecs: which sessions there are, what
/// is due, and the rounds that go to the backend. Compiled once per backend and lock policy,
/// however many stores a program has.
///
/// Every call that reaches storage is prepare (here), perform (the backend, any thread) and
/// complete (here). The lock is held for the first and the third, never while the backend works
/// or a listener runs.
template <class Backend, class LockPolicy>
class Engine : public SessionHost, public RoundPartner<Backend>, public DrivenStore {
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
  /// What a record may have when it was encoded; `goes_as_it_is` where that is also what is stored.
  [[nodiscard]] std::size_t most_bytes([[maybe_unused]] bool goes_as_it_is) const noexcept {
    if constexpr (limits_data<Backend>)
      if (goes_as_it_is) return (std::min)(limits_.record_bytes, largest_data(backend_));
    return limits_.record_bytes;
  }
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
  /// One commit of the session, in this call: out, without the lock, from `board` to `settle`.
  [[nodiscard]] Result<Saved> commit_now(SessionCore& session, Aim aim, Reason reason);
  /// The last commit of the session, in this call; `busy` changes nothing.
  [[nodiscard]] Result<Saved> release_now(SessionCore& session, Reason reason);
  /// Gives the record back as it is, in this call or, where that fails, with the next polls.
  void give_back(SessionCore& session);
  void give_back_soon(SessionCore& session);
  void request_save(SessionCore& session, bool force);
  void request_release(SessionCore& session, Reason reason);
  void game_lets_go(SessionCore& session);
  void became_dirty(SessionCore& session) final;
  void last_handle_dropped(SessionCore& session) final;
  Error board(SessionCore& session, Aim aim) final;
  void cut(SessionCore& session, Cut& cut, Change& change) final;
  void unboard(SessionCore& session, Cut& cut, bool over, const Result<Saved>& result) final;
  void settle(SessionCore& session, Cut& cut, Change& change, const Flight& flight,
              Result<Saved>& result) final;
  void end(SessionCore& session, State state, Reason reason, bool was_saved);
  void lose(SessionCore& session, const TransactionGroup& group) final;
  TimePoint finish_unknown(bool keeps) final;
  /// The next save or release of the session that is cut, or its end, answers; also where another
  /// thread has ended it since it was asked for.
  void expect_save(SessionCore& session, SaveAnswer told) {
    const Lock hold(mutex_);
    std::vector<SaveAnswer>& asked = session.more().asked;
    asked.push_back(std::move(told));
    if (ended(session.state)) answer(session, asked, last_word(session, session.state));
  }

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
  /// Writes what is not saved to the spill journal, where there is one, and ends the sessions whose
  /// changes are there; the others stay. Says how many ended (engine_spill.hpp).
  std::size_t spill_rest() final;
  /// What of the spill journal was not sent (engine_replay.hpp).
  [[nodiscard]] Result<std::vector<Spilled>> spilled();
  void hurry_replay(std::string_view key);
  void send_again_now();
  [[nodiscard]] bool is_critical() {
    const Lock hold(mutex_);
    return critical_.is_on() && now() < critical_.until();
  }
  [[nodiscard]] StoreInfo about() const final { return {name_, LockPolicy::kind, birth_}; }
  /// Sends on what waits in outboxes, and takes out what arrived (engine_relay.hpp).
  void relay();

  // With a Host (engine_close.hpp and above).
  [[nodiscard]] bool drive(Driver* driver) final;
  [[nodiscard]] Driver* driver() const noexcept { return driver_.load(); }
  [[nodiscard]] bool begin_relay(Relay& relay) final;
  void end_relay(Relay& relay) final;
  [[nodiscard]] TimePoint finish_poll() final;
  std::size_t ask_all_to_end() final;
  [[nodiscard]] bool can_any_end() final;
  void list_left(std::vector<LeftOpen>& into) final;
  void hear_of_renewal(std::string_view key, std::uint64_t number) final;
  /// Said by each call that waits for storage: on the thread that a Host is polled on none should.
  void waits_for_storage() const {
    if (Driver* driver = driver_.load(); driver != nullptr) driver->blocking_call(name_);
  }

  /// Queues what the listeners of a session are to be told; `drain` tells them.
  void tell(SessionCore& session, Event event) {
    events_.emplace_back(SessionPtr(&session), std::move(event));
  }
  /// What the last decoding or encoding found no place for.
  void tell_dropped(SessionCore& session);
  void drain() final;
  /// Waits on the clock before another try: longer at each, and not as long as other servers do.
  void wait_a_moment(int tries) {
    const std::uint64_t most = std::uint64_t{1} << (std::min)(tries, 7);
    const std::uint64_t drawn = hash_of_server() * static_cast<std::uint64_t>(tries);
    Wake nobody;
    clock_.wait_until(after(now(), std::chrono::milliseconds(1 + (drawn >> 32) % most)), nobody);
  }
  /// Waits on the clock, or until the backend hints at something.
  void sleep_until(TimePoint until) { clock_.wait_until(until, wakes_->wake()); }
  /// Waits on the clock until the session may be saved again under its `min_gap`.
  void wait_for_gap(SessionCore& session);
  /// How many more renewals may come due and fail before the lease is no longer trusted; each is
  /// tried again many times until the next.
  [[nodiscard]] int attempts_left(const SessionCore& session) const {
    if (!holds_lease(session)) return 0;
    const Duration left = trusted_until(session) - now();
    const Duration pause = (std::max)(options_.renew, Duration(1s));
    if (left <= Duration::zero() || ended(session.state)) return 0;
    return static_cast<int>((left - Duration(1)) / pause) + 1;
  }
  /// Whether a call of this store is under way that runs the program's own code. Functions on a
  /// session are looked for here, so that they pay nothing for it. Where another thread tells
  /// listeners of this store, around a commit with a partner here, `let_go` waits for it.
  [[nodiscard]] bool is_busy();
  /// Whether anybody listens to what goes well; failures are told in any case, if only to the log.
  [[nodiscard]] bool is_heard(const SessionCore& session) const noexcept {
    return has_listeners_ || session.has_listeners();
  }
  /// Handlers of messages were connected: those that wait may have found theirs.
  void offer_messages_again();
  /// The session's messages could not be handled now; the next poll tries again.
  void postpone_messages(SessionCore& session);

 protected:
  ~Engine() = default;
  /// Listeners are told that the database is ailing, or no more.
  virtual void tell_critical(bool) {}
  std::atomic<bool> has_listeners_{false};  ///< signals of the store were connected
  /// Opens a store of the database, this one or one beside it; where that fails this is not open.
  [[nodiscard]] OpenStoreRequest open(std::string_view name, LockKind lock);
  void refuse(Error why) { opening_error_ = std::move(why); }
  [[nodiscard]] Owner next_owner() { return backend_.next_owner(server_.server); }

 private:
  [[nodiscard]] std::vector<SessionPtr> everything();
  void forget_sent(const RelayRequest& page, bool to_the_end);
  void relay_soon(SessionCore& session, TimePoint at);
  [[nodiscard]] Flight& new_flight();
  void recycle(Flight& flight);
  [[nodiscard]] Error assemble(Flight& flight, SessionCore& session, Aim aim, Reason reason);
  [[nodiscard]] bool prepare_flight(Flight& flight);
  [[nodiscard]] static bool can_leave(const SessionCore& session);
  [[nodiscard]] bool can_any_leave();
  TimePoint finish_partners(bool keeps);
  void complete_flight(Flight& flight);
  [[nodiscard]] bool wants_data(const SessionCore& session, Aim aim) const;
  void tell_saving(SessionCore& session, Reason reason, Lock& hold);
  void cut_data(SessionCore& session, const Result<void>& ready, Cut& cut, Change& change);
  void address(SessionCore& session, const Cut& cut, Change& change);
  void give_back_later(SessionCore& session);
  void give_back_unwanted(SessionCore& session);
  void cut_rest(SessionCore& session, Cut& cut, Change& change);
  void settle_pieces(SessionCore& session, Cut& cut, const CommitRequest& request);
  void settle_open(SessionCore& session, Cut& cut, Change& change, const Flight& flight,
                   Result<Saved>& result);
  /// For who asked after the last commit was cut.
  [[nodiscard]] static Result<Saved> last_word(const SessionCore& session, State state) {
    if (session.was_saved)
      return Saved{false, session.version, session.stored_bytes, session.updated};
    return Error(state == State::lost ? Errc::fenced : Errc::closed, "the session has ended")
        .for_key(session.key());
  }
  void answer(SessionCore& session, std::vector<SaveAnswer>& asked, const Result<Saved>& result);
  void settle_group(SessionCore& session, Change& change, const CommitRequest& request);
  void settle_applied(SessionCore& session, Cut& cut, Change& change, Result<Saved>& result);
  void settle_fenced(SessionCore& session, Cut& cut, Change& change, Result<Saved>& result);
  void settle_failed(SessionCore& session, Cut& cut, const Error& error, Result<Saved>& result);
  void settle_parts(SessionCore& session, Cut& cut, Change& change);
  void undo(SessionCore& session, Cut& cut);
  void back_off(SessionCore& session);
  void saved_event(SessionCore& session, const Result<Saved>& result);

  /// Says to the driver, if there is one that cares, what becomes of the session's lease, and takes
  /// over what it knows. False: there is none.
  bool tell_lease(SessionCore& session, LeaseUse use);
  void change_state(SessionCore& session, State to);
  void take_hints();
  void stamp(SessionCore& session);
  void reschedule(SessionCore& session);
  [[nodiscard]] TimePoint when_due(SessionCore& session);
  [[nodiscard]] Priority urgency(const SessionCore& session, TimePoint now) const;
  void put_off(std::vector<SessionPtr>& due, const Manifest& mine);
  void send_again(Round& round, Manifest& mine);
  void collect(SessionCore& session, Round& round, Manifest& mine);
  [[nodiscard]] Result<bool> put_on_board(SessionCore& session, Aim aim, Reason reason,
                                          Round& round, Manifest& mine);
  void add_load(SessionCore& session, Round& round);

  void open_spill();
  void meet_spilled();
  void tell_kept(const Spilled& entry) const;
  [[nodiscard]] bool replay_is_due();
  [[nodiscard]] bool waits_for_replay(SessionCore& session);
  void add_replays(Manifest& mine);
  void complete_replay(Flight& flight);
  void settle_replay(const Replay& replay, Error why);
  void dispose(Spilled& entry);
  void write_entries(std::span<Flight* const> flights, std::string_view why,
                     std::uint64_t follows = 0);
  [[nodiscard]] std::size_t end_unknown(Flight& flight);
  [[nodiscard]] std::size_t keep_or_end(Flight& flight);
  void unboard_all(Flight& flight);
  void sign(spill::Entry& entry, std::string_view why) const;
  void quarantine(SessionCore& session, Cut& cut, const Change& change, const Flight& of = {});
  [[nodiscard]] bool quarantine_all(Flight& flight);
  std::string keep_aside(Result<spill::Entry> entry, const Error& why, std::string_view key);
  [[nodiscard]] bool can_spill();
  [[nodiscard]] std::size_t spill_unknown();
  [[nodiscard]] Flight* cut_for_spill(SessionCore& session);
  [[nodiscard]] std::size_t settle_spilled(Flight& flight);
  std::size_t follow(Flight& more, std::uint64_t number);
  void end_spilled(SessionCore& session, const Cut& cut, const Flight& flight, Result<Saved>& to);

  void ask(SessionCore& session, AcquireRequest& request);
  void settle_load(SessionCore& session, AcquireRequest& request, const Result<void>& decoded);
  [[nodiscard]] bool is_given_up(const LoadState& load, const AcquireRequest& request);
  [[nodiscard]] bool make_default(SessionCore& session);
  void opened(SessionCore& session, AcquireRequest& request);
  [[nodiscard]] bool is_wanted(const LoadState& load);
  [[nodiscard]] Decision decide(const SessionCore& session, LoadState& load, const HeldBy& holder);
  [[nodiscard]] TimePoint watch(LoadState& load, const HeldBy& holder) const;
  void held(SessionCore& session, const HeldBy& holder, const Decision& decided);
  void unanswered(SessionCore& session, const Error& error);
  void give_up(SessionCore& session, Error error);
  void call_off(SessionCore& session);
  void load_done(SessionCore& session, Error error);
  void tell_loaded(SessionCore& session, LoadState& load);
  void start_queued_loads();
  [[nodiscard]] Error locked_error(const SessionCore& session, const HeldBy& holder,
                                   std::string detail);

  [[nodiscard]] Duration min_gap_of(const SessionCore& session) const {
    return session.extras && session.extras->min_gap ? *session.extras->min_gap : options_.min_gap;
  }
  [[nodiscard]] Duration autosave_of(const SessionCore& session) const {
    return critical_.stretched(
        session.extras && session.extras->autosave ? *session.extras->autosave : options_.autosave);
  }
  /// Whether `min_gap` holds up the session's saves.
  [[nodiscard]] bool in_gap(const SessionCore& session) const {
    return session.failures == 0 && now() < session.not_before;
  }
  /// Whether sessions here keep others out: the policy may, and a lease of no length does not.
  [[nodiscard]] bool is_leased() const noexcept {
    return LockPolicy::is_leased && options_.lease > Duration::zero();
  }
  [[nodiscard]] bool holds_lease(const SessionCore& session) const noexcept {
    return is_leased() && session.tie == Tie::holds;
  }
  [[nodiscard]] bool renewal_is_due(const SessionCore& session) {
    const Lock hold(mutex_);
    return now() >= renewal_due(session);
  }
  /// When it is to be heard of again; that is also asked of one that something keeps from leaving.
  [[nodiscard]] TimePoint renewal_due(const SessionCore& session) const {
    const bool holds = session.state != State::loading && !ended(session.state);
    const bool renews = holds && holds_lease(session) && options_.renew > Duration::zero();
    return renews ? session.renewed + options_.renew : TimePoint::max();
  }
  [[nodiscard]] TimePoint trusted_until(const SessionCore& session) const {
    return session.renewed + options_.lease - options_.lease / 10;
  }
  [[nodiscard]] static std::chrono::milliseconds ms_of(Duration time) noexcept {
    return std::chrono::floor<std::chrono::milliseconds>(time);
  }
  /// A reply to what was sent then says what the backend's calendar shows, if it says.
  void hear_time(WallTime wall, TimePoint sent) noexcept {
    if (wall == WallTime{}) return;
    ahead_ = (wall.time_since_epoch() - ms_of(sent.time_since_epoch())).count();
  }
  [[nodiscard]] std::uint64_t hash_of_server() const noexcept {
    return std::hash<std::string_view>{}(server_.server.view()) | 1;
  }
  [[nodiscard]] Owner owner_of(const SessionCore& session) const noexcept {
    return {server_.server, server_.nonce, session.number};
  }

  Backend backend_;
  std::string name_;
  StoreOptions options_;
  RecordLimits limits_;
  const HistoryRule* history_ = nullptr;  ///< of `options_`, where there is one
  Clock& clock_;
  Owner server_;  ///< server id and random number of every owner here
  StoreId store_;
  Hash128 birth_;
  Error opening_error_{Errc{}};
  std::atomic<std::int64_t> ahead_{0};  ///< of the backend's calendar before our clock, in ms
  Metrics metrics_;
  CriticalState critical_;

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
  std::vector<Woken> woken_;
  std::string relay_after_;  ///< the last record of the page that was relayed
  TimePoint next_relay_ = TimePoint::max();
  std::vector<SessionPtr> senders_;  ///< some of whose messages wait in their records
  std::unique_ptr<SpillBox> spill_;  ///< null where no folder was chosen
  bool draining_ = false;
  std::thread::id drainer_;                 ///< where several threads may
  std::vector<std::thread::id> preparers_;  ///< that tell listeners of a save
  int visits_ = 0;  ///< polls and conditions of loads, in which any handler of the program may run
  bool closing_ = false;
  std::atomic<Driver*> driver_{nullptr};
  PERSIST_NO_UNIQUE_ADDRESS Mutex mutex_;
};

}  // namespace persist::inline PERSIST_ABI
