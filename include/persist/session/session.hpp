#pragma once

#include <persist/schema/value.hpp>
#include <persist/session/connects.hpp>
#include <persist/session/deliver.hpp>
#include <persist/session/grant.hpp>
#include <persist/session/message_codec.hpp>
#include <persist/session/options.hpp>

#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace persist::inline PERSIST_ABI {

/// A loaded record: the data, and the right to change it while nobody newer has it.
///
/// A handle: copies are the same session, and it outlives its store safely (every call then answers
/// `closed`). The first `release` ends it for all handles; dropping the last handle is a release at
/// the next poll, and reported as one. Thread rule: that of its store.
template <class S>
class Session : public Connects<Session<S>> {
 public:
  using Data = typename S::Data;
  using Node = SessionNode<S>;
  using Edit = EditGuard<Node>;
  using View = ViewGuard<Node>;

  explicit Session(Node& node) noexcept : node_(&node) {
    node_->add_ref();
    node_->take_handle();
  }
  Session(const Session& other) noexcept : Session(*other.node_) {}
  Session& operator=(Session other) noexcept { return std::swap(node_, other.node_), *this; }
  ~Session() {
    node_->drop_handle();
    node_->drop_ref();
  }
  friend bool operator==(const Session& a, const Session& b) noexcept { return a.node_ == b.node_; }

  // What it is. None of these calls reads a clock or the backend.
  /// In signals of a walk over records whose Key policy cannot `read` spellings, an empty one.
  [[nodiscard]] const typename S::KeyValue& key() const noexcept { return node_->key_value(); }
  /// The key as storage spells it.
  [[nodiscard]] std::string_view id() const noexcept { return node_->key(); }
  /// Names this one session among all that ever were in this database.
  [[nodiscard]] std::string instance_id() const {
    return std::to_string(epoch()) + "-" + std::to_string(node_->number);
  }
  [[nodiscard]] State state() const noexcept { return node_->state; }
  [[nodiscard]] bool is_active() const noexcept { return !ended(node_->state); }
  [[nodiscard]] std::uint64_t epoch() const { return read(node_->epoch); }
  /// Of the record, as of the last load or save; grows with each write of the data.
  [[nodiscard]] std::uint64_t version() const { return read(node_->version); }
  [[nodiscard]] WallTime created() const { return read(node_->created); }
  [[nodiscard]] WallTime updated() const { return read(node_->updated); }
  [[nodiscard]] std::uint64_t load_count() const { return read(node_->load_count); }
  [[nodiscard]] bool is_new() const noexcept { return node_->is_new; }
  /// Whether it stands in for a record that could not be reached, and is never saved.
  [[nodiscard]] bool is_ephemeral() const {
    const auto hold = lock();
    return node_->tie == Tie::none;
  }
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
    const auto hold = lock();
    const std::size_t bytes = node_->encoded_bytes();
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
  /// handles. Errors as `save`. Where `validate`, a limit or the codec refuses the data (`invalid`,
  /// `too_large`) the record is given back as it was, without what had changed. `busy` leaves all
  /// as it is. With the others, `fenced` aside, the session is `releasing`, keeps its lease and
  /// `poll` goes on trying; so too where the data cannot be wrapped, as by `Sealed` without a key
  /// (`invalid`).
  Result<Saved> release(Reason reason = Reason::asked);
  Result<void> request_release(Reason reason = Reason::asked);
  /// Erases the record with all it has, and ends the session.
  Result<void> erase();
  /// Makes the data what it was in that version (`Store::versions`), as an edit: saved with the
  /// next save, checked by the rules. Blocks for one read. `not_found` says which versions are
  /// kept; `corrupt`, `unsupported`, `closed`, `busy`, `invalid`, `too_large`: then nothing has
  /// changed.
  Result<void> restore(std::uint64_t version);
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
  /// Takes here what a message brings to another record, wherever that is: `take(data)` and the
  /// message are one change, and leave with one save, or not at all. Where the partner is open here
  /// and the backend can, `transact` settles both sides at once. What expires there unhandled is
  /// gone unless its handler (`on_expired`) sends it back. Errors as `grant_once` and `send`, and
  /// what `take` says: then nothing has changed.
  template <class K, class M, class F>
  Result<void> transfer(const K& key, const M& message, F&& take, PostOptions options = {});
  /// Applies a purchase once: `fn(data)` runs on a copy, unless this receipt was granted before.
  /// `pending` until a save has written it; asked again after that, `durable`.
  /// `closed`, `busy`, `invalid` (the result breaks a rule), `too_large` (it could not be saved),
  /// and what `fn` says: then nothing has changed. Encodes the result once, to know its size.
  template <class F>
  Result<Grant> grant_once(ReceiptId receipt, F&& fn);
  /// Handles one type of message for this session, before the store's own handlers; see
  /// `Store::on_message`.
  template <class F>
  void on_message(F&& fn);
  /// The same for those whose time is over.
  template <class F>
  void on_expired(F&& fn);
  /// What waits and was not handled, in the order it came; dead letters too.
  [[nodiscard]] std::vector<InboxMessage> inbox() const;
  /// Takes a message out, unhandled, with the next save. `not_found`, `closed`, `busy`.
  Result<void> remove_message(std::uint64_t position);
  /// Offers dead letters to their handlers again. Returns how many.
  std::size_t retry_messages();
  [[nodiscard]] std::size_t waiting_messages() const {
    return read_more([](const SessionExtras& more) { return more.inbox.size(); });
  }

  // Signals: those of `Connects`, and
  /// One that is connected after the end is called at once.
  template <class F>
  Connection on_released(F&& fn);

  [[nodiscard]] Node& node() const noexcept { return *node_; }

 private:
  friend Connects<Session>;
  [[nodiscard]] auto& heard() { return node_->signals(); }
  [[nodiscard]] auto& watched() {
    node_->heard_by |= Node::changes_heard;
    return node_->signals().changed;
  }
  [[nodiscard]] StoreCore<S>& core() const { return static_cast<StoreCore<S>&>(*node_->host()); }
  /// The store's lock, where other threads may change what is read; nothing otherwise, and after
  /// the store is gone.
  [[nodiscard]] auto lock() const {
    using Lock = std::unique_lock<typename S::Access::Mutex>;
    StoreCore<S>* store = node_->store();
    return store == nullptr ? Lock() : Lock(store->mutex());
  }
  template <class T>
  [[nodiscard]] T read(const T& field) const {
    const auto hold = lock();
    return field;
  }
  template <class F>
  void handle(F&& fn, bool is_of_expired);
  template <class F>
  [[nodiscard]] auto read_more(F&& use) const {
    const auto hold = lock();
    using R = decltype(use(std::declval<const SessionExtras&>()));
    return node_->extras ? use(*node_->extras) : R{};
  }
  /// Why this session takes no call now, or `Errc{}`.
  [[nodiscard]] Error refusal() const;
  /// The same for calls that reach storage, which an ephemeral session never does.
  [[nodiscard]] Error refusal_to_store() const;
  /// `change(extras, as_draft)` changes what leaves with the data, and says whether it did.
  template <class F>
  Result<void> change_beside(F&& change);
  [[nodiscard]] Result<void> fits_beside(std::size_t users, std::size_t metadata) const;

  Node* node_;
};

}  // namespace persist::inline PERSIST_ABI
