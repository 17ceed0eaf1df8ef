#pragma once

#include <persist/record/mailbox.hpp>
#include <persist/session/decode.hpp>
#include <persist/session/delivery.hpp>
#include <persist/session/encode.hpp>
#include <persist/session/node.hpp>
#include <persist/store/engine_close.hpp>
#include <persist/store/stored_mail.hpp>

#include <algorithm>
#include <list>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace persist::inline PERSIST_ABI {

/// A store with its types: makes sessions, holds what its listeners connected to, reads records
/// without a session.
template <class S>
class StoreCore final : public Engine<typename S::Backend, typename S::LockPolicy> {
 public:
  using Base = Engine<typename S::Backend, typename S::LockPolicy>;
  using Data = typename S::Data;
  using Node = SessionNode<S>;
  static constexpr bool has_pieces = codec::joins_records<typename S::Codec>;

  StoreCore(std::string_view name, typename S::Backend backend, StoreOptions options)
      : Base(name, std::move(backend), std::move(options)) {
    if constexpr (has_pieces) {
      if (this->options().history.is_on())
        this->refuse(Error(Errc::unsupported,
                           "a store whose codec is Chunked keeps no history: of a record in pieces "
                           "only the newest are there"));
      pieces_store_ = this->open(this->name() + std::string(pieces_suffix), LockKind::none).store;
    }
  }

  [[nodiscard]] typename Base::Lock lock() { return typename Base::Lock(this->mutex()); }
  /// For connecting; `listeners` for firing.
  [[nodiscard]] Signals<Data, Session<S>&>& signals() noexcept {
    this->has_listeners_ = true;
    return signals_;
  }
  [[nodiscard]] const Signals<Data, Session<S>&>& listeners() const noexcept { return signals_; }
  /// For connecting to changes of the data: of the sessions there are, and of those to come.
  [[nodiscard]] Watches<Data, Session<S>&>& watch_all() {
    const auto hold = lock();
    watches_all_ = true;
    for (const SessionPtr& session : this->registry().all())
      session->heard_by |= SessionCore::changes_heard;
    return signals().changed;
  }
  [[nodiscard]] bool watches_all() const noexcept { return watches_all_; }
  [[nodiscard]] std::list<typename Node::Handler>& handlers() noexcept { return handlers_; }

  [[nodiscard]] Signal<bool>& critical() noexcept { return on_critical_; }
  void tell_critical(bool is_on) override {
    if (on_critical_.has_handlers()) {
      const Result<void> told = detail::caught("a listener of on_critical", [&]() -> Result<void> {
        on_critical_.fire(is_on);
        return success;
      });
      if (!told) this->log(LogLevel::error, told.error().detail());
      return;
    }
    this->log(LogLevel::warning,
              is_on ? "the database keeps failing: autosaves come more rarely, and loads may be "
                      "refused"
                    : "the database has recovered");
  }
  void fire_saving(Node& node, Reason reason) {
    if (!signals_.saving.has_handlers()) return;
    Session<S> self(node);
    signals_.saving.fire(self, node.data(), reason);
  }
  void edited_after_end(const Node& node) {
    const auto hold = lock();
    ++this->metrics().edits_after_end;
    this->log(LogLevel::warning,
              std::string(node.key()) +
                  ": an edit after the session's end goes to a copy that is never saved");
  }
  /// The session's own handler of that type of message, or else the store's.
  [[nodiscard]] const typename Node::Handler* find_handler(const Node& node, std::string_view type,
                                                           bool of_expired) {
    const auto hold = lock();
    for (const auto* list : {node.own_handlers(), &std::as_const(handlers_)}) {
      if (list == nullptr) continue;
      const auto at = std::find_if(list->begin(), list->end(), [&](const auto& handler) {
        return handler.type == type && handler.is_of_expired == of_expired;
      });
      if (at != list->end()) return &*at;
    }
    return nullptr;
  }
  /// `too_large` for a message that no inbox of this store could ever hold.
  [[nodiscard]] Result<void> fits_inbox(std::string_view type, ByteView payload) const {
    const std::size_t limit = this->limits().inbox_bytes;
    if (inbox_cost({type, 0, 0, {}, payload}) <= limit) return success;
    return Error(Errc::too_large, "the message is larger than the " + std::to_string(limit) +
                                      " bytes that an inbox holds");
  }
  [[nodiscard]] WallTime expiry(Duration after) const {
    constexpr Duration most = std::chrono::hours(24 * 45);
    return this->backend_time() +
           std::chrono::duration_cast<std::chrono::milliseconds>((std::min)(after, most));
  }

  /// The session of that key that is open here, or is being loaded or released; null if there is
  /// none.
  [[nodiscard]] Node* find(std::string_view key) {
    return static_cast<Node*>(this->registry().find(key));
  }

  /// What the last save of a session that has ended, and was saved, came to.
  [[nodiscard]] Saved saved_last(const Node& node) {
    const auto hold = lock();
    return {false, node.version, node.stored_bytes, node.updated};
  }

  /// Adds the keys of sessions here that hold a record of the user's, saved or not.
  void add_keys_held(std::uint64_t user, std::vector<std::string>& keys) {
    const auto hold = lock();
    for (const SessionPtr& session : this->registry().all()) {
      if (!session->extras || session->tie == Tie::none) continue;
      const std::vector<std::uint64_t>& users = session->extras->user_ids.now();
      if (std::find(users.begin(), users.end(), user) != users.end())
        keys.emplace_back(session->key());
    }
  }

  // Where records may lie in pieces: their store, and which are those of a record.
  [[nodiscard]] StoreId pieces_store() const noexcept { return pieces_store_; }
  void name_pieces(std::string_view key, Snapshot& of) const {
    of.pieces_in = pieces_store_;
    of.needed = this->hash(key);
  }

  /// Reads the record, or an older state of it. `not_found` where there is no data; `unsupported`
  /// for what cannot be read back.
  [[nodiscard]] Result<Snapshot> read(std::string_view key, std::uint64_t version = 0) {
    if (version != 0 && !versioned_backend<typename S::Backend>) return keeps_no_history();
    this->waits_for_storage();
    ReadRequest request;
    request.store = this->store();
    request.key = key;
    request.version = version;
    this->backend().read(std::span(&request, 1));
    if (failed(request.error)) return Error(request.error).for_key(key);
    if (!request.found || !request.record.has_data)
      return Error(Errc::not_found, "there is no record").for_key(key);
    if (version != 0 && codec::chunked::is_split(request.record.data))
      return Error(Errc::unsupported, "this state lay in pieces, which are not kept").for_key(key);
    return std::move(request.record);
  }
  /// Where the record lies in pieces and is saved meanwhile, `record` is a newer one afterwards.
  [[nodiscard]] Result<Data> decode(std::string_view key, Snapshot& record) {
    Data data{};
    UnknownFields unknown;
    const auto info = decode(key, record, data, unknown);
    if (!info) return info.error();
    return data;
  }
  /// The same, with what this build does not know, and what the record says of itself.
  [[nodiscard]] Result<codec::RecordInfo> decode(std::string_view key, Snapshot& record, Data& data,
                                                 UnknownFields& unknown) {
    const auto decode = [&] {
      [[maybe_unused]] const LoadScope<typename S::Policy> hooks;
      return load_record<S>(key, record, this->limits().record_bytes, data, unknown);
    };
    const auto join = [&]() -> Result<void> {
      if constexpr (!has_pieces) return success;
      name_pieces(key, record);
      return pieces::read(this->backend(), this->store(), key, this->limits().record_bytes, record);
    };
    auto info = with_needs(this->backend(), this->store(), record, decode, join);
    if (!info) return Error(info.error()).for_key(key);
    return info;
  }
  [[nodiscard]] Result<Data> read_durable(const Node& node) {
    Result<Snapshot> record = read(node.key());
    if (!record) return record.error();
    const auto is_ours = [&] { return record->fence.epoch == node.epoch; };
    if (is_ours()) {
      Result<Data> data = decode(node.key(), *record);
      if (!data || !has_pieces || is_ours()) return data;
    }
    return Error(Errc::fenced, "another session has the record").for_key(node.key());
  }
  /// Posts, under an id of our own where the game gave none: so our own second try, after a reply
  /// that was lost, is known.
  void post(PostRequest& request, std::string_view id) {
    this->waits_for_storage();
    std::string drawn;
    if (id.empty()) {  // no owner is given out twice
      const Owner nobody_else = this->next_owner();
      drawn = std::to_string(nobody_else.nonce) + '-' + std::to_string(nobody_else.session);
    }
    request.origin.source = this->hash(id.empty() ? std::string_view(drawn) : id);
    for (int tries = 0; tries < 3; ++tries) {
      request.error = Errc{};
      this->backend().post(std::span(&request, 1));
      if (request.error != Errc::unknown_outcome) break;
    }
    if (id.empty()) request.repeated = false;
  }
  /// Takes out of a stored inbox what `goes(message)` picks (store/stored_mail.hpp), on any thread.
  template <class Pick>
  Result<std::size_t> remove_stored(std::string_view key, Pick&& goes) {
    this->waits_for_storage();
    return StoredMail(this->backend(), this->store(), short_lease())
        .remove(key, this->next_owner(), goes);
  }
  /// Takes a record that nobody has, for a call that has no session, on any thread. `locked`.
  Error take_stored(std::string_view key) {
    const auto taken =
        StoredMail(this->backend(), this->store(), short_lease()).take(key, this->next_owner());
    return taken ? Error(Errc{}) : taken.error();
  }
  /// Erases the record; a session of it that is open here ends with it.
  Result<void> erase(std::string_view key, bool drop_outbox) {
    EraseRequest request;
    Result<void> erased = erase_stored(key, drop_outbox, request);
    end_erased(key, request);
    return erased;
  }
  /// Erases what is stored, on any thread; then `end_erased` follows, on the store's.
  Result<void> erase_stored(std::string_view key, bool drop_outbox, EraseRequest& request) {
    this->waits_for_storage();
    request.store = this->store();
    request.key = key;
    request.drop_outbox = drop_outbox;
    request.limits = &this->limits();
    this->backend().erase(std::span(&request, 1));
    if (failed(request.error)) return Error(request.error).for_key(key);
    Result<void> erased = success;
    if constexpr (has_pieces) erased = sweep(key);
    if (erased && !request.found) erased = Error(Errc::not_found, "there is no record");
    return erased ? erased : Result<void>(Error(erased.error()).for_key(key));
  }
  void end_erased(std::string_view key, const EraseRequest& request) {
    if (failed(request.error)) return;
    {
      const auto hold = lock();  // one that another thread has opened since is not of that record
      Node* here = find(key);
      if (here != nullptr && here->load() == nullptr && here->epoch < request.epoch)
        this->end(*here, State::lost, Reason::lost, !here->dirty() && !here->in_flight);
    }
    this->drain();
  }

 private:
  /// For the time of a call.
  [[nodiscard]] Duration short_lease() const {
    return S::LockPolicy::is_leased ? (std::min)(this->options().lease, Duration(10s))
                                    : Duration::zero();
  }
  /// Of pieces that a crash left when it came before this, too.
  [[nodiscard]] Result<void> sweep(std::string_view key) {
    const auto swept = sweep_pieces(this->backend(), pieces_store_, this->hash(key), this->store(),
                                    key, this->next_owner());
    if (swept) return swept;
    return Error(swept.error().code(),
                 "the record is erased, and some of its pieces may be left; erase it again: " +
                     std::string(swept.error().detail()));
  }

  Signals<Data, Session<S>&> signals_;
  bool watches_all_ = false;
  Signal<bool> on_critical_;
  std::list<typename Node::Handler> handlers_;  // one that runs may connect more
  struct Nothing {
    operator StoreId() const noexcept { return {}; }
  };
  PERSIST_NO_UNIQUE_ADDRESS std::conditional_t<has_pieces, StoreId, Nothing> pieces_store_{};
};

}  // namespace persist::inline PERSIST_ABI
