#pragma once

#include <persist/codec/record.hpp>
#include <persist/detail/caught.hpp>
#include <persist/detail/hook.hpp>
#include <persist/record/requests.hpp>
#include <persist/session/commit.hpp>
#include <persist/session/core.hpp>
#include <persist/session/guard.hpp>
#include <persist/session/message_codec.hpp>
#include <persist/session/signals.hpp>
#include <persist/session/stack.hpp>

#include <atomic>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

namespace persist::inline PERSIST_ABI {

template <class Stack>
class StoreCore;
template <class Stack>
class Delivery;

/// Whether the game has the object that a key names. Only then is data captured from it and applied
/// to it.
enum class InGame : std::uint8_t {
  not_yet,  ///< nobody has taken the loaded session: the game's object does not hold its data
  here,
  left,   ///< the game called `release`: the object may be gone
  never,  ///< a change of a record that nobody plays
};

/// Reads what a backend gave into `data`, which is empty or holds what fills a partial record in.
/// What was wrapped is plain then.
template <class S>
[[nodiscard]] Result<codec::RecordInfo> load_record(std::string_view key, Snapshot& from,
                                                    std::size_t most, typename S::Data& data,
                                                    UnknownFields& unknown) {
  if constexpr (detail::RecordOf<typename S::Data>::may_be_empty) {
    return codec::load_record<typename S::Codec, typename S::Policy>(
        key, from, most, data ? *data : data.emplace(), unknown);
  } else {
    return codec::load_record<typename S::Codec, typename S::Policy>(key, from, most, data,
                                                                     unknown);
  }
}

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
  /// Whether a record may be stored in another form than its codec makes.
  static constexpr bool is_rewrapped = codec::wraps_records<typename S::Codec> ||
                                       codec::unwraps_records<typename S::Codec> ||
                                       codec::joins_records<typename S::Codec>;

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
      if (StoreCore<S>* core = store()) core->edited_after_end(*this);
    }
    return *rare.after_end;
  }
  [[nodiscard]] const Data& view_target() const noexcept {
    return in_function ? *rare_.load(std::memory_order_acquire)->working : data_;
  }

  /// Of the record as its codec made it last, or as it was loaded.
  [[nodiscard]] std::uint32_t encoded_bytes() const noexcept {
    if constexpr (is_rewrapped)
      return encoded_bytes_;
    else
      return stored_bytes;
  }
  /// The default of a load that brings its own.
  void set_default(Data value) { rare().default_value = std::make_unique<Data>(std::move(value)); }
  /// What this load fills a partial record in with.
  void set_template(std::unique_ptr<Data> value) { rare().reconcile_with = std::move(value); }
  /// The data is all of this build's own now: a newer build migrates it as it does a new record's.
  void forget_version() noexcept {
    if (Rare* rare = rare_.load(std::memory_order_acquire)) rare->version.reset();
  }
  /// What the record says of itself from the next save on, where that is not the usual. Returns
  /// what it would have been.
  std::optional<codec::RecordVersion> put_version(std::optional<codec::RecordVersion> now) {
    return std::exchange(rare().version, now);
  }
  [[nodiscard]] Signals<Data>& signals() {
    heard_by |= signals_heard;
    return rare().signals;
  }
  using Handler = MessageHandler<Data, SessionNode>;
  using Handle = typename S::Handle;
  [[nodiscard]] std::list<Handler>& handlers() { return rare().handlers; }
  [[nodiscard]] const std::list<Handler>* own_handlers() const noexcept {
    return rare_ ? &rare_.load()->handlers : nullptr;
  }
  [[nodiscard]] const Data* durable_copy() const noexcept {
    return rare_ ? rare_.load()->durable.get() : nullptr;
  }

  Result<bool> encode(Cut& cut) override;
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
    if (StoreCore<S>* core = store()) {
      const auto hold = core->lock();
      if (!ended(state) && (state != State::releasing || !in_flight)) return Errc{};
    }
    return Error(Errc::closed, "the session has ended").for_key(key());
  }
  void take_in(Data&& copy) {
    if (is_watched()) remember_watched();
    data_ = std::move(copy);
    if (is_watched()) compare_watched();
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
    StoreCore<S>* core = store();
    if (core == nullptr) return 0;
    const auto hold = core->lock();
    return extras ? extras->send_number : 0;
  }
  void take_back(std::uint64_t last) {
    StoreCore<S>* core = store();
    if (!extras || core == nullptr) return;
    const auto hold = core->lock();
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
    if (is_watched() && !in_function && !ended(state)) [[unlikely]]
      remember_watched();
  }
  void finish_edit() {
    if constexpr (Policy::has_apply)
      if (!in_function && !ended(state)) apply_own();
    if (is_watched() && !in_function && !ended(state)) [[unlikely]]
      compare_watched();
  }
  /// Calls those who listen to changes, once the session's lock is free.
  void tell_changes() {
    if (!is_watched() || !rare().changes_wait.exchange(false)) [[likely]]
      return;
    if (SessionHost* store = host()) store->drain();
  }
  std::atomic<InGame> in_game{InGame::not_yet};

  /// Whether such data could be saved: valid, and not too large.
  [[nodiscard]] Result<void> check(const Data& data);
  [[nodiscard]] StoreCore<S>& core() { return static_cast<StoreCore<S>&>(*host()); }
  /// Null once the store is gone, or nobody has a handle of a session that has ended; of another
  /// thread's doing that may be any moment, so ask once.
  [[nodiscard]] StoreCore<S>* store() const noexcept { return static_cast<StoreCore<S>*>(host()); }

 private:
  struct Rare {
    Signals<Data> signals;
    std::list<Handler> handlers;                  ///< one that runs may connect more
    std::optional<codec::RecordVersion> version;  ///< of a record that a newer build wrote
    Data* working = nullptr;                      ///< the copy, while a function runs on one
    std::unique_ptr<Data> default_value;  // this one and the next until the load has used them
    std::unique_ptr<Data> reconcile_with;
    std::unique_ptr<Data> after_end;
    std::unique_ptr<Data> encoded;
    std::unique_ptr<Data> durable;
    /// What is watched, as it was when the change began that is under way.
    std::vector<typename Watches<Data>::Compare> before;
    std::atomic<bool> changes_wait{false};  ///< to be told
  };
  /// Made by whoever needs it first; handlers look for it from any thread.
  [[nodiscard]] Rare& rare() {
    if (Rare* made = rare_.load(std::memory_order_acquire)) return *made;
    auto fresh = std::make_unique<Rare>();
    Rare* none = nullptr;
    return rare_.compare_exchange_strong(none, fresh.get()) ? *fresh.release() : *none;
  }
  void note_encoded([[maybe_unused]] ByteView record) noexcept {
    if constexpr (is_rewrapped) encoded_bytes_ = static_cast<std::uint32_t>(record.size());
  }
  /// What a record may have when unwrapped; its store may be closed meanwhile.
  [[nodiscard]] std::size_t record_limit() const noexcept {
    const StoreCore<S>* core = store();
    return core != nullptr ? core->limits().record_bytes : RecordLimits{}.record_bytes;
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
  [[nodiscard]] std::unique_ptr<Data> take_template() noexcept {
    Rare* rare = rare_.load(std::memory_order_acquire);
    return rare ? std::exchange(rare->reconcile_with, nullptr) : nullptr;
  }
  /// What a record begins as that nobody wrote yet.
  [[nodiscard]] Result<void> begin_record(Snapshot& from, std::unique_ptr<Data> filler);
  [[nodiscard]] Result<codec::RecordInfo> decode_data(Snapshot& from, std::unique_ptr<Data> filler);
  [[nodiscard]] Result<bool> encode_data(const Data& data, UnknownFields& unknown, Buffer& out,
                                         bool asks_rules = true);
  /// The entries of that data in the store's indexes. `invalid` where a function of the policy
  /// threw.
  [[nodiscard]] Result<void> index_data(const Data& data, Buffer& out) const;
  /// Keeps what is watched as it is before a change, and queues for its listeners what became of
  /// it. Under the session's lock.
  void remember_watched();
  void compare_watched();
  void handle_messages(StoreCore<S>& core);
  friend class Delivery<S>;
  void tell_dead_letter(StoreCore<S>& core, const InboxMessage& letter, const Error& why);
  void tell(Event& event, StoreCore<S>& core);
  template <class Member, class OnStore, class... Args>
  bool fire(StoreCore<S>& core, Member member, const OnStore& on_store, const Args&... args);
  /// Calls listeners. What one of them throws is written to the log: it has nobody to go to, and a
  /// poll that it ended halfway would leave others' sessions without their outcome.
  template <class F>
  void call_listeners(StoreCore<S>& core, F&& fire);

  PERSIST_NO_UNIQUE_ADDRESS SessionLock lock_;
  PERSIST_NO_UNIQUE_ADDRESS std::conditional_t<is_rewrapped, std::uint32_t, detail::NoHooks>
      encoded_bytes_{};
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
