#pragma once

#include <persist/detail/caught.hpp>
#include <persist/detail/fixed_string.hpp>
#include <persist/store/answers.hpp>
#include <persist/store/loading.hpp>
#include <persist/store/session_calls.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace persist::inline PERSIST_ABI {

struct Purchase;

/// The calls of a store, over its core: what `Store` composes.
template <class S>
class StoreCalls {
 public:
  using Core = StoreCore<S>;
  using Node = SessionNode<S>;
  using Data = typename S::Data;
  using KeyValue = typename S::KeyValue;
  using Handle = Session<S>;

  /// How often a change is tried where many write one record.
  static constexpr int most_tries = has_sessions<typename S::LockPolicy> ? 1 : 16;
  [[nodiscard]] static Error overtaken(std::string_view key) {
    return Error(Errc::busy, "the record changed under this call " + std::to_string(most_tries) +
                                 " times: too many write it at once, try again")
        .for_key(key);
  }

  explicit StoreCalls(Core& core) noexcept : core_(core) {}
  [[nodiscard]] Core& core() noexcept { return core_; }

  /// `value` is the key itself, where the caller has it. A `hidden` session is this caller's alone:
  /// nobody joins it but who names it.
  template <class K>
  Loading<S> begin(const K& key, std::optional<KeyValue> value, LoadOptionsFor<Data> options,
                   LoadKind kind, TimePoint deadline, bool hidden = false, Node* joined = nullptr);
  template <class K>
  Loading<S> begin(const K& key, LoadOptionsFor<Data> options) {
    const TimePoint deadline = deadline_of(options, core_.options().begin_deadline);
    return begin(key, value_of(key), std::move(options), LoadKind::waits, deadline);
  }
  template <class K>
  Result<Handle> load(const K& key, LoadOptionsFor<Data> options) {
    const TimePoint deadline = deadline_of(options, core_.options().load_deadline);
    return finish(begin(key, value_of(key), std::move(options), LoadKind::waits, deadline),
                  deadline);
  }
  template <class K>
  Result<Handle> try_load(const K& key, LoadOptionsFor<Data> options) {
    const TimePoint deadline = core_.now();
    Loading<S> loading = begin(key, value_of(key), std::move(options), LoadKind::once, deadline);
    // A load that is under way here may wait for a holder, and this call does not.
    return joins(loading) ? loading.take() : finish(std::move(loading), deadline);
  }
  template <class K>
  Result<Handle> find(const K& key);
  template <class K>
  Result<Peeked<Data>> peek(const K& key, PeekOptions options);
  template <class K>
  Result<Inspection> inspect(const K& key);
  template <class K, class F>
  auto update(const K& key, F& fn, UpdateOptions options = {}) ->
      typename detail::UpdateResult<std::invoke_result_t<F&, Data&>>::type;
  template <class K>
  Result<Overwritten> overwrite(const K& key, Data data);
  template <class K>
  Result<void> erase(const K& key, EraseOptions options);
  template <class K, class M>
  Result<Posted> post(const K& key, const M& message, PostOptions options);
  template <class K, class F>
  Result<Grant> grant_once(const K& key, ReceiptId receipt, F& fn);
  template <class K, class F>
  Purchase purchase(const K& key, ReceiptId receipt, F& fn);
  Result<KeyPage> scan(std::string after, std::size_t most);
  template <class F>
  void handle_messages(F&& fn, bool is_of_expired);
  template <class K>
  Result<std::vector<InboxMessage>> peek_inbox(const K& key);
  template <class K>
  Result<void> remove_message(const K& key, std::uint64_t position);
  /// Of a record that is not open here; on any thread.
  Result<void> remove_stored_message(std::string_view key, std::uint64_t position);
  template <class K>
  Result<std::vector<KeptVersion>> versions(const K& key, const VersionsOptions& options);
  template <class K>
  Result<Saved> restore(const K& key, std::uint64_t version);
  template <class K>
  Result<std::string> diff(const K& key, std::uint64_t from, std::uint64_t to);

  Result<IndexRequest> query(IndexRequest request);
  template <detail::FixedString Name>
  auto page_of_board(bool from_the_top, std::size_t most,
                     const std::optional<IndexPosition>& after);
  template <detail::FixedString Name, class K>
  auto around_in_board(const K& key, std::size_t beside);
  template <detail::FixedString Name, class K>
  Result<std::uint64_t> rank_in_board(const K& key);
  template <detail::FixedString Name>
  Result<std::uint64_t> size_of_board();
  Result<std::vector<std::string>> keys_of(std::uint64_t user);
  Result<UserExport> export_user(std::uint64_t user);
  UserErased erase_user(std::uint64_t user, EraseUserOptions options);

  Result<Handle> finish(Loading<S> loading, TimePoint deadline) {
    if (!loading.ready()) core_.finish_load(loading.session()->node(), *loading.load(), deadline);
    return loading.take();
  }
  [[nodiscard]] TimePoint deadline_of(const LoadOptionsFor<Data>& options, Duration usual) const {
    return after(core_.now(), options.deadline > Duration::zero() ? options.deadline : usual);
  }

  /// Whether a change of a session that was found came to nothing because another thread releases
  /// it: then it is one of the record, or of the next session.
  [[nodiscard]] static bool has_gone([[maybe_unused]] const Handle& session,
                                     [[maybe_unused]] const Result<void>& changed) {
    if constexpr (!S::Access::is_shared) return false;
    return (changed.is(Errc::closed) || changed.is(Errc::busy)) &&
           session.state() >= State::releasing;
  }

 private:
  template <class K>
  [[nodiscard]] static KeyValue value_of(const K& key) {
    static_assert(
        std::constructible_from<KeyValue, const K&>,
        "persist: a load needs the key itself, of the type that the store's Key has as its "
        "value_type; what only spells it is for calls without a session");
    return static_cast<KeyValue>(key);
  }
  /// Spells the key into `spelled`, unless the store takes no call now.
  template <class K>
  Result<void> spell(const K& key, KeyBuffer& spelled) {
    if (Error no = core_.refusal(); failed(no)) return no;
    return key::spell_checked<typename S::Key>(key, spelled);
  }
  /// Whether the session is not this caller's alone: it was open, or is being loaded for others.
  [[nodiscard]] bool joins(const Loading<S>& loading) {
    const auto hold = core_.lock();
    return loading.session() && (!loading.load() || loading.load()->count_waiters() > 1);
  }
  /// A session for one change of a record that nobody holds; `changes(session)` changes it.
  template <class K, class F>
  Result<Saved> change_offline(const K& key, LoadOptionsFor<Data> options, F&& changes);
  /// The same, and where the lock policy has no sessions again when somebody else was first.
  template <class K, class F>
  Result<Saved> change_until_done(const K& key, const LoadOptionsFor<Data>& options, F&& changes);

  using Question = std::function<Decision(const Obstacle&)>;
  [[nodiscard]] static Conflict strategy_of(const LoadOptionsFor<Data>& options) {
    if (options.conflict) return *options.conflict;
    return options.ask ? Conflict::refuse : S::LockPolicy::conflict;
  }
  [[nodiscard]] static Question question_of(const LoadOptionsFor<Data>& options) {
    if constexpr (decides_conflicts<typename S::LockPolicy>)
      if (!options.conflict && !options.ask) return &S::LockPolicy::decide;
    return options.ask;
  }
  template <class K, class C>
  [[nodiscard]] typename C::Answer change(const K& key, C& change);
  Loading<S> join(Node& here, LoadOptionsFor<Data> options, LoadKind kind, TimePoint deadline);
  /// A record as it is exported.
  Result<Value> facts_of(ReadRequest& record);
  /// Where the key is in a board, with so many rows on each side of it. `not_found`.
  template <detail::FixedString Name, class K>
  Result<IndexRequest> find_in_board(const K& key, std::size_t beside);

  Core& core_;
};

/// Takes part in a session that is open here, or in its load.
template <class S>
Loading<S> StoreCalls<S>::join(Node& here, LoadOptionsFor<Data> options, LoadKind kind,
                               TimePoint deadline) {
  if (kind == LoadKind::offline)
    return Loading<S>(Error(Errc::busy, "the record is being loaded here").for_key(here.key()));
  const LoadPtr under_way = here.loading;
  const bool holds_nothing =
      under_way ? under_way->intent == Intent::look : here.tie == Tie::looked;
  if (holds_nothing && options.lock != LockUse::ignore)
    return Loading<S>(Error(Errc::busy, "a session that ignores the lock is open here: release it")
                          .for_key(here.key()));
  if (!under_way && here.tie == Tie::none && options.if_unavailable != IfUnavailable::ephemeral)
    return Loading<S>(ephemeral(here.key()));
  if (!under_way) return Loading<S>(Handle(here), LoadPtr());
  under_way->stands_in = under_way->stands_in && options.if_unavailable == IfUnavailable::ephemeral;
  under_way->waiters.push_back({std::move(options.while_)});
  under_way->deadline = (std::max)(under_way->deadline, deadline);
  if (kind == LoadKind::waits) {  // the load goes on as long as the one that goes furthest
    under_way->once = false;
    under_way->conflict = (std::max)(under_way->conflict, strategy_of(options));
    if (!under_way->ask) under_way->ask = question_of(options);
  }
  return Loading<S>(Handle(here), under_way, under_way->waiters.size() - 1);
}

template <class S>
template <class K>
Loading<S> StoreCalls<S>::begin(const K& key, std::optional<KeyValue> value,
                                LoadOptionsFor<Data> options, LoadKind kind, TimePoint deadline,
                                bool hidden, Node* joined) {
  KeyBuffer spelled;
  if (auto fits = spell(key, spelled); !fits) return Loading<S>(fits.error());
  const auto hold = core_.lock();
  Node* here = hidden ? joined : core_.find(spelled.view());
  if (here != nullptr && (here->state == State::releasing || here->is_offline)) here = nullptr;
  if (here != nullptr && here->load() != nullptr && here->load()->is_called_off()) {
    if (here->in_flight)
      here = nullptr;  // its end comes first
    else
      here->load()->begin_anew(core_.now());
  }
  if (here == nullptr && !hidden) here = static_cast<Node*>(core_.find_queued(spelled.view()));
  if (here != nullptr) return join(*here, std::move(options), kind, deadline);
  auto load = LoadPtr(new LoadState);
  load->conflict = strategy_of(options);
  load->ask = question_of(options);
  load->stands_in = options.if_unavailable == IfUnavailable::ephemeral;
  load->once =
      kind == LoadKind::once || (kind == LoadKind::offline && load->conflict == Conflict::refuse);
  if (load->conflict == Conflict::request && !load->once) load->intent = Intent::request;
  if (options.lock == LockUse::ignore || !has_sessions<typename S::LockPolicy>)
    load->intent = Intent::look;
  load->deadline = deadline;
  load->waiters.push_back({std::move(options.while_)});
  const bool named = value.has_value();
  if constexpr (std::default_initializable<KeyValue>)
    if (!named) value.emplace();
  Handle session(*new (spelled.view()) Node(core_, spelled.view(), *std::move(value)));
  session.node().is_hidden = hidden;
  if (core_.watches_all()) session.node().heard_by |= SessionCore::changes_heard;
  if (kind == LoadKind::offline) session.node().go_offline(named);
  if (options.default_value) session.node().set_default(std::move(*options.default_value));
  if (options.reconcile_with) session.node().set_template(options.reconcile_with.take());
  core_.start_load(session.node(), load);
  return Loading<S>(std::move(session), std::move(load));
}

template <class S>
template <class K>
Result<Session<S>> StoreCalls<S>::find(const K& key) {
  KeyBuffer spelled;
  if (auto fits = spell(key, spelled); !fits) return fits.error();
  const auto hold = core_.lock();
  Node* here = core_.find(spelled.view());
  if (here == nullptr || here->is_offline ||
      (here->state != State::open && here->state != State::suspect))
    return Error(Errc::not_found, "no session of this key is open here").for_key(spelled.view());
  return Handle(*here);
}

template <class S>
template <class K>
Result<Peeked<typename S::Data>> StoreCalls<S>::peek(const K& key, PeekOptions options) {
  KeyBuffer spelled;
  if (auto fits = spell(key, spelled); !fits) return fits.error();
  if (options.live && options.version == 0) {
    if (auto here = find(key)) {
      auto metadata = here->metadata();
      if (!metadata) return metadata.error();
      return Peeked<Data>{here->clone(),   here->version(),  here->load_count(),  here->created(),
                          here->updated(), here->user_ids(), *std::move(metadata)};
    }
  }
  Result<Snapshot> record = core_.read(spelled.view(), options.version);
  if (!record) return record.error();
  Result<Data> data = core_.decode(spelled.view(), *record);
  if (!data) return data.error();
  Value metadata;
  UnknownFields none;
  if (!record->metadata.empty()) {
    if (auto read = codec::Cbor::decode<schema::NoPolicy>(record->metadata, metadata, none); !read)
      return read.error();
  }
  return Peeked<Data>{*std::move(data),   record->version, record->load_count,
                      record->created,    record->updated, std::move(record->user_ids),
                      std::move(metadata)};
}

template <class S>
template <class K>
Result<Inspection> StoreCalls<S>::inspect(const K& key) {
  KeyBuffer spelled;
  if (auto fits = spell(key, spelled); !fits) return fits.error();
  core_.waits_for_storage();
  ReadRequest request;
  request.store = core_.store();
  request.key = spelled.view();
  core_.backend().read(std::span(&request, 1));
  if (failed(request.error)) return Error(request.error).for_key(spelled.view());
  Inspection found;
  found.exists = request.found && request.record.has_data;
  found.held = request.held;
  found.holder = {std::string(request.holder.owner.server.view()), request.holder.epoch,
                  std::chrono::duration_cast<std::chrono::milliseconds>(request.holder.age)};
  found.release_requested = !request.holder.asker.nobody();
  found.version = request.record.version;
  found.load_count = request.record.load_count;
  found.bytes = codec::chunked::stored_size(request.record.data);
  found.inbox_messages = request.inbox_messages;
  found.inbox_bytes = request.inbox_bytes;
  found.outbox_messages = request.outbox_messages;
  found.created = request.record.created;
  found.updated = request.record.updated;
  return found;
}

template <class S>
Result<KeyPage> StoreCalls<S>::scan(std::string after, std::size_t most) {
  static_assert(scans_keys<typename S::Backend>,
                "persist: this backend cannot name the keys of its records (backend::Kv can where "
                "its map has `list`)");
  if (Error no = core_.refusal(); failed(no)) return no;
  core_.waits_for_storage();
  ScanRequest request;
  request.store = core_.store();
  request.after = std::move(after);
  request.most = most;
  core_.backend().scan(std::span(&request, 1));
  if (failed(request.error)) return request.error;
  return KeyPage{std::move(request.keys), std::move(request.next), request.done};
}

}  // namespace persist::inline PERSIST_ABI
