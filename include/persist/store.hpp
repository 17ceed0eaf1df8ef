#pragma once

#include <persist/codec/packed.hpp>
#include <persist/fwd.hpp>
#include <persist/store/answers.hpp>
#include <persist/store/erase_user.hpp>
#include <persist/store/for_each.hpp>
#include <persist/store/history_calls.hpp>
#include <persist/store/inbox_calls.hpp>
#include <persist/store/index_calls.hpp>
#include <persist/store/loading.hpp>
#include <persist/store/offline_calls.hpp>
#include <persist/store/session_calls.hpp>
#include <persist/store/session_table.hpp>
#include <persist/store/slot.hpp>
#include <persist/store/transact.hpp>

#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace persist::inline PERSIST_ABI {

/// The records of one name in a database, and the sessions on them.
///
/// Opening never fails here: `status` says whether it did, and every call answers it. The
/// destructor saves and gives back what is open, within `close_deadline`, and logs what it could
/// not save. Destroying a store inside one of its own handlers ends the program. Thread rule: one
/// thread at a time, or all in `access::Shared`; no call waits for storage but those that say so.
template <class Key, class Data, class Backend, class LockPolicy, class Codec>
class Store : public Connects<Store<Key, Data, Backend, LockPolicy, Codec>> {
 public:
  using Stack = persist::Stack<Key, Data, Backend, LockPolicy, Codec>;
  using Core = StoreCore<Stack>;
  using Session = persist::Session<Stack>;
  using Loading = persist::Loading<Stack>;
  using Slot = persist::Slot<Stack>;
  using DataType = typename Stack::Data;
  using LoadOptions = LoadOptionsFor<DataType>;

  /// Blocks for one round trip, and where an earlier run spilled something until that was sent
  /// once. An unusable name, server id or database shows in `status`.
  Store(std::string_view name, Backend backend, StoreOptions options = options_for<LockPolicy>())
    requires std::same_as<Backend, typename Stack::Backend>
      : core_(std::make_shared<Core>(name, std::move(backend), std::move(options))) {}
  /// With `lock::External`: `leases` is the backend that its leases live in.
  template <class Leases>
    requires std::constructible_from<typename Stack::Backend, Backend, Leases>
  Store(std::string_view name, Backend backend, Leases leases,
        StoreOptions options = options_for<LockPolicy>())
      : core_(std::make_shared<Core>(name,
                                     typename Stack::Backend(std::move(backend), std::move(leases)),
                                     std::move(options))) {}
  Store(Store&&) noexcept = default;
  Store& operator=(Store&&) = delete;
  ~Store() {
    if (core_ == nullptr) return;
    if (Driver* driver = core_->driver()) driver->leave();
    if (core_->is_busy()) detail::fatal("a store was destroyed inside one of its own handlers");
    core_->close_all(after(core_->now(), core_->options().close_deadline));
    core_->let_go();
  }

  [[nodiscard]] Result<void> status() const {
    return failed(core_->opening_error()) ? Result<void>(core_->opening_error())
                                          : Result<void>(success);
  }
  [[nodiscard]] const std::string& name() const noexcept { return core_->name(); }
  [[nodiscard]] std::size_t open_sessions() const noexcept { return core_->open_sessions(); }
  [[nodiscard]] Metrics metrics() const {
    const auto hold = core_->lock();
    return core_->metrics();
  }

  // Loading.
  /// Blocks until the record is ours or the deadline has passed. A key that is open here gives the
  /// same session. A holder that is another store of this thread lets go only when that is polled,
  /// so it is waited for in vain: `begin_load`. `invalid` (the key), `locked` (names the holder),
  /// `cancelled`, `corrupt`, `wrong_codec`, `too_new`, `schema_mismatch` (the bytes are left as
  /// they are), `io`, `unavailable`, `timeout`.
  template <class K>
  [[nodiscard]] Result<Session> load(const K& key, LoadOptions options = {}) {
    needs_sessions();
    return calls().load(key, std::move(options));
  }
  /// Begins a load that `poll` carries on; reaches storage only there.
  template <class K>
  [[nodiscard]] Loading begin_load(const K& key, LoadOptions options = {}) {
    needs_sessions();
    return calls().begin(key, std::move(options));
  }
  /// One attempt that never waits for a holder: `locked`.
  template <class K>
  [[nodiscard]] Result<Session> try_load(const K& key, LoadOptions options = {}) {
    needs_sessions();
    return calls().try_load(key, std::move(options));
  }
  /// The session that is open here; `not_found` if there is none. Reaches no storage.
  template <class K>
  [[nodiscard]] Result<Session> find(const K& key) {
    needs_sessions();
    return calls().find(key);
  }

  /// The record's place before, between and after its sessions; see `Slot`. Reaches no storage.
  template <class K>
  [[nodiscard]] persist::Slot<Stack> slot(const K& key, SlotOptions options = {}) {
    needs_sessions();
    return {core_, typename Stack::KeyValue(key), options};
  }

  // Without a session. Each blocks for one round trip, `update` and `grant_once` for two,
  // `overwrite` for three.
  /// What is durable. `not_found`, `invalid`, and what decoding says.
  template <class K>
  [[nodiscard]] Result<Peeked<DataType>> peek(const K& key, PeekOptions options = {}) {
    return calls().peek(key, options);
  }
  template <class K>
  [[nodiscard]] Result<Inspection> inspect(const K& key) {
    return calls().inspect(key);
  }
  /// Changes a record with `fn(data)` and returns what that returns: the live data where a session
  /// is open here, or a record that nobody holds; else `locked`. `not_found` where there is none
  /// and none is to be created. With `lock::Optimistic` `fn` runs again, on the newest data, when
  /// somebody else wrote meanwhile; `busy` after 16 times.
  template <class K, class F>
  auto update(const K& key, F&& fn, UpdateOptions options = {}) {
    return calls().update(key, fn, options);
  }
  /// Replaces the data; whoever has the record elsewhere loses it. Receipts, messages, user ids and
  /// metadata stay. A record that cannot be read is not overwritten: erase it first.
  template <class K>
  Result<Overwritten> overwrite(const K& key, DataType data) {
    return calls().overwrite(key, std::move(data));
  }
  /// Removes the record with its messages, receipts and user ids. A session of it ends; a late save
  /// writes nothing.
  template <class K>
  Result<void> erase(const K& key, EraseOptions options = {}) {
    return calls().erase(key, options);
  }
  /// Leaves a message for a record that is open here, elsewhere, nowhere, or does not exist yet.
  /// `full`, `refused` (this id was first tried too long ago), `invalid`.
  template <class K, class M>
  Result<Posted> post(const K& key, const M& message, PostOptions options = {}) {
    return calls().post(key, message, options);
  }
  /// What waits in a record's inbox, whoever holds it. Empty where there is no record.
  template <class K>
  [[nodiscard]] Result<std::vector<InboxMessage>> peek_inbox(const K& key) {
    return calls().peek_inbox(key);
  }
  /// Takes a message out, unhandled: of the session that is open here, or of a record that nobody
  /// holds; else `locked`. `not_found`. Saved when it returns.
  template <class K>
  Result<void> remove_message(const K& key, std::uint64_t position) {
    return calls().remove_message(key, position);
  }
  // Older states of the data, where the store keeps some (`StoreOptions::history`, doc/history.md).
  // `not_found` says which there are; `corrupt`, `unsupported`.
  /// Those that are kept, what is there now not among them. `not_found` where there is no record.
  template <class K>
  [[nodiscard]] Result<std::vector<KeptVersion>> versions(const K& key,
                                                          const VersionsOptions& options = {}) {
    return calls().versions(key, options);
  }
  /// The data as it was in that version, migrated to what the type is today.
  template <class K>
  [[nodiscard]] Result<Peeked<DataType>> peek(const K& key, std::uint64_t version) {
    return calls().peek(key, {.version = version});
  }
  /// What changes one state into another, as the text of a JSON Patch (RFC 6902); 0 is what is
  /// there now. Of what the data's type has: fields that this build does not know are not in it.
  template <class K>
  [[nodiscard]] Result<std::string> diff(const K& key, std::uint64_t from, std::uint64_t to) {
    return calls().diff(key, from, to);
  }
  /// Overwrites the data with an older state: of the session that is open here, or of the record,
  /// and whoever has it elsewhere loses it. Receipts, messages, user ids and metadata stay. Saved
  /// when it returns, as a new version; what it replaces joins the history, so that the version
  /// before undoes it. A record that cannot be read is left as it is.
  template <class K>
  Result<Saved> restore(const K& key, std::uint64_t version) {
    return calls().restore(key, version);
  }
  /// A purchase of somebody who is not here, or is: `durable` once it is saved, `locked` where
  /// another server holds the record.
  template <class K, class F>
  Result<Grant> grant_once(const K& key, ReceiptId receipt, F&& fn) {
    return calls().grant_once(key, receipt, fn);
  }
  /// The same with the answer that a shop needs: granted now, granted before, ask again later, give
  /// the money back. `fn` that answers `refused`, `invalid` or `too_large`, or breaks a rule or a
  /// limit, is a refusal for good; with any other error, or where storage or a holder is in the
  /// way, the shop asks again. Blocks for one save, of a record that is not open here for a load
  /// more.
  template <class K, class F>
  Purchase purchase(const K& key, ReceiptId receipt, F&& fn) {
    return calls().purchase(key, receipt, fn);
  }
  /// Changes several open sessions together: `transact(a, b, …, fn)`; see `transact_sessions`.
  template <class... Args>
  Result<Transacted> transact(Args&&... sessions_then_function) {
    return detail::function_first(
        [](auto&& fn, auto&... sessions) { return transact_sessions(fn, sessions...); },
        sessions_then_function...);
  }
  template <class... Args>
  Result<Transacted> request_transact(Args&&... sessions_then_function) {
    return detail::function_first(
        [](auto&& fn, auto&... sessions) { return request_transaction(fn, sessions...); },
        sessions_then_function...);
  }
  /// A page of keys with data, in no particular order; `after` is the `next` of the page before.
  [[nodiscard]] Result<KeyPage> scan(std::string after = {}, std::size_t most = 1000) {
    return calls().scan(std::move(after), most);
  }
  /// Calls `fn(data)` or `fn(key, data)` for every record, and writes what that made another of
  /// what it was: a migration, a repair, with `dry_run` an audit. Pages of records are loaded and
  /// saved together; what somebody holds is passed by and listed, unless `held` says to wait. A
  /// record that is open here is changed in its session. What `fn` refuses, throws at, or makes
  /// invalid stays as it is, and is listed.
  ///
  /// Stops early, with `error`, where storage cannot be reached; `next` then says where to go on,
  /// and `missed` what before that was not done. Where the program ends in between, the last page
  /// may be seen twice: a function that adds should leave a mark. Blocks until the end, and polls
  /// the store meanwhile; `busy` inside a handler.
  template <class F>
  ForEachReport for_each(F&& fn, ForEachOptions options = {}) {
    return ForEach<Stack, std::remove_reference_t<F>>(*core_, fn, std::move(options)).run();
  }

  // Boards, by the names that the Data policy declares (`persist::Indexes`): `top<"coins">(10)`.
  // What counts is what is saved, and each save is in its boards at once. The best is the highest
  // value, and of one value the key whose bytes are greater. Each blocks for one round trip.
  /// The best, or those that come next behind `after` (a row's `position()`), whoever has moved
  /// since.
  template <detail::FixedString Name>
  [[nodiscard]] auto top(std::size_t count, const std::optional<IndexPosition>& after = {}) {
    return calls().template page_of_board<Name>(true, count, after);
  }
  /// The same from the other end; ranks are those of `top`.
  template <detail::FixedString Name>
  [[nodiscard]] auto bottom(std::size_t count, const std::optional<IndexPosition>& after = {}) {
    return calls().template page_of_board<Name>(false, count, after);
  }
  /// How many are better; 0 is the best. `not_found` where the record is not in the board.
  template <detail::FixedString Name, class K>
  [[nodiscard]] Result<std::uint64_t> rank(const K& key) {
    return calls().template rank_in_board<Name>(key);
  }
  /// The record's own row in the middle of so many better and so many worse ones, of one moment.
  /// `not_found`.
  template <detail::FixedString Name, class K>
  [[nodiscard]] auto around(const K& key, std::size_t beside) {
    return calls().template around_in_board<Name>(key, beside);
  }
  template <detail::FixedString Name>
  [[nodiscard]] Result<std::uint64_t> index_size() {
    return calls().template size_of_board<Name>();
  }
  /// Brings every record into the boards as the Data policy declares them now: once, after an index
  /// was added, or its function or its member's type changed. Writes each record again, as
  /// `for_each` does, and like it goes on from `resume`; those that somebody holds come with their
  /// next save, or with another run over `missed`.
  ForEachReport rebuild_indexes(ForEachOptions options = {}) {
    static_assert(Stack::Policy::has_indexes, "persist: the Data policy declares no indexes");
    options.rewrite = true;
    const auto as_it_is = [](const DataType&) {};
    return for_each(as_it_is, std::move(options));
  }

  // Users.
  /// The keys, as storage spells them, of all records that have this user id (`user_ids` of the Key
  /// policy, `Session::add_user_id`), as they were saved. Blocks for a round trip per thousand.
  /// `corrupt` where damaged bytes hide some.
  [[nodiscard]] Result<std::vector<std::string>> keys_of(std::uint64_t user) {
    return calls().keys_of(user);
  }
  /// All that is stored of a user, as one JSON document for him: of each record the data under its
  /// stored names, metadata, user ids, times, and the messages that wait in it. What is not saved
  /// is not in it, nor what this build does not know. What cannot be read or said in JSON is
  /// listed. Reads record by record, and holds all of it. Errors as `keys_of`, and of storage.
  [[nodiscard]] Result<UserExport> export_user(std::uint64_t user) {
    return calls().export_user(user);
  }
  /// Erases the records of a user, with their messages, until `keys_of` finds none that may go;
  /// what else is his the report says, also a session here that was never saved. What he sent to
  /// others is theirs and stays, unless `sent` says to remove it. What was spilled here is sent
  /// before; as long as that cannot be, nothing is erased (`unavailable`). A save that comes late
  /// writes nothing, nor does what other servers spilled of these records. Blocks for four round
  /// trips a record, and with `sent` for one per inbox of the store.
  UserErased erase_user(std::uint64_t user, EraseUserOptions options = {}) {
    return calls().erase_user(user, options);
  }

  // What is due.
  /// Saves, renews, relays, loads and releases what is due, and calls listeners. Returns when it
  /// wants to be called next.
  TimePoint poll(PollOptions options = {}) {
    core_->waits_for_storage();
    RoundPartner<typename Stack::Backend>* self = core_.get();
    return poll_partners<typename Stack::Backend>(std::span(&self, 1), options.at_most,
                                                  core_->clock());
  }
  [[nodiscard]] TimePoint next_deadline() { return core_->next_deadline(); }
  /// Saves and gives back every session, in batches. At 80 % of the time what is not saved is
  /// spilled, where `StoreOptions::spill` names a folder. Returns how many sessions could not be
  /// saved before the deadline, spilled ones too.
  std::size_t close_all(Duration within) { return core_->close_all(after(core_->now(), within)); }

  /// What an earlier run spilled, or this one, and the database has not taken (yet). An error where
  /// the folder cannot be used: `io`, `locked`. Empty where none was chosen. Reaches no storage.
  [[nodiscard]] Result<std::vector<Spilled>> spilled() { return core_->spilled(); }

  /// Whether the database has failed so often of late (`StoreOptions::critical`) that autosaves
  /// come more rarely and loads may be refused. `on_critical(bool)` tells when that begins and
  /// ends.
  [[nodiscard]] bool is_critical() { return core_->is_critical(); }

  // Handlers and signals of every session. Handlers of messages are best connected before the first
  // load.
  /// `fn(Data&, const Gift&)` changes the data; the message leaves the record in the commit that
  /// saves the change. A third argument, `Session&`, is whose message it is: what that sends leaves
  /// in the same commit. With `std::span<const Gift>` in the place of the message all that wait
  /// come at once; if that fails, one by one.
  ///
  /// Order is a sender's, for one priority. What has no handler waits; what fails three times is a
  /// dead letter (`on_dead_letter`), which waits too and holds up nobody.
  template <class F>
  void on_message(F&& fn) {
    needs_sessions();
    calls().handle_messages(std::forward<F>(fn), false);
  }
  /// The same for messages whose time is over when they would have been handled: what `fn` does, as
  /// the refund it sends, is in the commit that takes the message out. Without such a handler they
  /// are taken out, counted and logged.
  template <class F>
  void on_expired(F&& fn) {
    needs_sessions();
    calls().handle_messages(std::forward<F>(fn), true);
  }
  template <class F>
  Connection on_critical(F&& fn) {
    return core_->critical().connect(std::forward<F>(fn));
  }

  [[nodiscard]] Core& core() noexcept { return *core_; }

 private:
  friend Connects<Store>;
  [[nodiscard]] auto& heard() { return core_->signals(); }
  [[nodiscard]] auto& watched() { return core_->watch_all(); }
  static constexpr void needs_sessions() {
    static_assert(has_sessions<LockPolicy>,
                  "persist: a store with this lock policy has no sessions; its records are changed "
                  "with update(key, fn)");
  }
  [[nodiscard]] StoreCalls<Stack> calls() { return StoreCalls<Stack>(*core_); }

  std::shared_ptr<Core> core_;  // kept by transactions of other threads too
};

/// Polls several stores with one batch per database and kind, so that what is due in all of them
/// shares one sync. Returns when the first of them wants to be called next.
template <class First, class... Rest>
TimePoint poll(First& first, Rest&... rest) {
  using Backend = typename First::Stack::Backend;
  static_assert((std::same_as<Backend, typename Rest::Stack::Backend> && ...),
                "stores that are polled together have one type of backend");
  RoundPartner<Backend>* const partners[] = {&first.core(), &rest.core()...};
  return poll_partners<Backend>(std::span(partners), Duration::zero(), first.core().clock());
}

}  // namespace persist::inline PERSIST_ABI
