#pragma once

#include <persist/schema/path.hpp>
#include <persist/session/session.hpp>
#include <persist/store/core.hpp>

#include <algorithm>
#include <chrono>

// The calls of a session that need its store.

namespace persist::inline PERSIST_ABI {

namespace detail {
/// Its address names T, whatever arguments an attachment is made with.
template <class T>
inline char attachment_tag = 0;
}  // namespace detail

template <class S>
Error Session<S>::refusal() const {
  if (node_->host() == nullptr || ended(node_->state))
    return Error(Errc::closed, "the session has ended").for_key(id());
  if (Error no = core().refusal(); failed(no)) return no;
  if (node_->state == State::loading)
    return Error(Errc::busy, "the session is still loading").for_key(id());
  return Errc{};
}

template <class S>
Error Session<S>::refusal_to_store() const {
  Error no = refusal();
  return failed(no) || !is_ephemeral() ? no : ephemeral(id());
}

template <class S>
template <std::convertible_to<std::string_view> Pointer>
Result<Value> Session<S>::get(const Pointer& pointer) const {
  const View guard = view();
  return persist::get<typename S::Policy>(*guard, pointer);
}

template <class S>
template <std::convertible_to<std::string_view> Pointer>
Result<void> Session<S>::set(const Pointer& pointer, const Value& value) {
  const auto put = [&](Data& data, bool commit) -> Result<void> {
    auto done = schema::detail::set_or_try<typename S::Policy>(data, pointer, value, commit);
    return done ? std::move(done) : Result<void>(Error(done.error()).for_key(id()));
  };
  // An edit guard marks the session dirty, so it is opened for what fits only. Captured data is
  // newer inside one than outside, and there a save that finds no change writes nothing.
  if (!S::Policy::has_capture && is_active()) {
    const View guard = view();
    if (auto fits = put(const_cast<Data&>(*guard), false); !fits)  // NOLINT: it only looks
      return fits;
  }
  auto guard = try_edit();
  return guard ? put(**guard, true) : guard.error();
}

template <class S>
Result<Saved> Session<S>::save(SaveOptions options) {
  if (Error no = refusal_to_store(); failed(no)) return no;
  core().wait_for_gap(*node_);
  return core().commit_now(*node_, options.force ? Aim::force : Aim::save, Reason::asked);
}

template <class S>
Result<void> Session<S>::request_save(SaveOptions options) {
  if (Error no = refusal_to_store(); failed(no)) return no;
  core().request_save(*node_, options.force);
  return success;
}

template <class S>
Result<Saved> Session<S>::release(Reason reason) {
  if (Error no = refusal(); failed(no)) return no;
  return core().release_now(*node_, reason);
}

template <class S>
Result<void> Session<S>::request_release(Reason reason) {
  if (Error no = refusal(); failed(no)) return no;
  core().game_lets_go(*node_);
  core().request_release(*node_, reason);
  return success;
}

template <class S>
Result<void> Session<S>::erase() {
  if (Error no = refusal_to_store(); failed(no)) return no;
  return core().erase(id(), false);
}

template <class S>
Result<typename S::Data> Session<S>::durable() {
  {
    const auto hold = lock();  // the next save of another thread puts a newer one in its place
    if (const Data* kept = node_->durable_copy()) return *kept;
  }
  if (Error no = refusal_to_store(); failed(no)) return no;
  return core().read_durable(*node_);
}

template <class S>
void Session<S>::set_autosave(Duration interval) {
  const auto hold = lock();
  node_->more().autosave = (std::min)(interval, longest_pause);
  if (node_->host() == nullptr || !node_->wants_saves()) return;
  node_->save_at = TimePoint{};
  if (!node_->listed) core().became_dirty(*node_);
}

template <class S>
void Session<S>::set_min_gap(Duration gap) {
  const auto hold = lock();
  node_->more().min_gap = (std::min)(gap, longest_pause);
}

/// A function of this session that another thread runs would take such a change for its own, and
/// with a failure take it back behind the caller's back.
template <class S>
template <class F>
Result<void> Session<S>::change_beside(F&& change) {
  if (Error no = refusal(); failed(no)) return no;
  const std::unique_lock<typename Node::SessionLock> writing(node_->guard_lock(), std::try_to_lock);
  const auto hold = core().lock();
  const bool in_function = node_->in_function;
  if (in_function && !writing.owns_lock()) {
    return Error(Errc::busy, "another thread runs a handler, grant or transaction of this session")
        .for_key(id());
  }
  const Result<bool> changed = change(node_->more(), in_function);
  if (!changed) return changed.error();
  if (*changed && !in_function) node_->mark_dirty();
  return success;
}

template <class S>
Result<void> Session<S>::fits_beside(std::size_t users, std::size_t metadata) const {
  const std::size_t bytes = beside_cost(users, metadata);
  const std::size_t limit = core().limits().record_bytes;
  if (bytes <= limit) return success;
  return Error(Errc::too_large, "user ids and metadata would have " + std::to_string(bytes) +
                                    " bytes; the limit is " + std::to_string(limit))
      .for_key(id());
}

template <class S>
Result<void> Session<S>::add_user_id(std::uint64_t user) {
  return change_beside([&](SessionExtras& extras, bool as_draft) -> Result<bool> {
    std::vector<std::uint64_t> ids = extras.user_ids.now();
    if (std::find(ids.begin(), ids.end(), user) != ids.end()) return false;
    ids.push_back(user);
    if (auto fits = fits_beside(ids.size(), extras.metadata.now().size()); !fits)
      return fits.error();
    extras.user_ids.put(std::move(ids), as_draft);
    return true;
  });
}

template <class S>
Result<void> Session<S>::remove_user_id(std::uint64_t user) {
  return change_beside([&](SessionExtras& extras, bool as_draft) -> Result<bool> {
    std::vector<std::uint64_t> ids = extras.user_ids.now();
    if (std::erase(ids, user) == 0) return false;
    extras.user_ids.put(std::move(ids), as_draft);
    return true;
  });
}

template <class S>
Result<Value> Session<S>::metadata() const {
  const Buffer bytes = read_more([](const SessionExtras& more) { return more.metadata.now(); });
  Result<Value> value(Value{});
  UnknownFields none;
  if (bytes.empty()) return value;
  if (auto read = codec::Cbor::decode<schema::NoPolicy>(bytes, *value, none); !read)
    return read.error();
  return value;
}

template <class S>
Result<void> Session<S>::set_metadata(const Value& value) {
  Buffer bytes;
  UnknownFields none;
  if (auto written = codec::Cbor::encode<schema::NoPolicy>(value, none, bytes); !written)
    return written.error();
  return change_beside([&](SessionExtras& extras, bool as_draft) -> Result<bool> {
    if (auto fits = fits_beside(extras.user_ids.now().size(), bytes.size()); !fits)
      return fits.error();
    extras.metadata.put(std::move(bytes), as_draft);
    return true;
  });
}

template <class S>
template <class T, class... Args>
T& Session<S>::attach(Args&&... args) {
  const void* const tag = &detail::attachment_tag<T>;
  std::shared_ptr<T> fresh;  // made without the lock: its constructor is the game's
  while (true) {
    {
      const auto hold = lock();
      auto& all = node_->more().attachments;
      for (auto& [type, object] : all)
        if (type == tag) return *static_cast<T*>(object.get());
      if (fresh) return *static_cast<T*>(all.emplace_back(tag, std::move(fresh)).second.get());
    }
    fresh = std::make_shared<T>(std::forward<Args>(args)...);
  }
}

template <class S>
template <class K, class M>
Result<void> Session<S>::send(const K& key, const M& message, PostOptions options) {
  check_message<typename S::Policy, M>();
  if (Error no = refusal_to_store(); failed(no)) return no;
  if (node_->state != State::open)
    return Error(Errc::busy, "the lease of this session is in doubt").for_key(id());
  KeyBuffer spelled;
  if (auto fits = key::spell_checked<typename S::Key>(key, spelled); !fits) return fits;
  OutgoingMessage out;
  if (auto written = encode_message(message, out.payload); !written) return written;
  if (auto fits = core().fits_inbox(schema::type_name<M>, out.payload); !fits) return fits;
  out.store = core().store();
  out.key = spelled.view();
  out.type = schema::type_name<M>;
  out.codec = codec::Cbor::id;
  out.priority = options.priority;
  out.expires = core().expiry(options.expires);
  return change_beside([&](SessionExtras& extras, bool) -> Result<bool> {
    if (extras.sends.size() + extras.outbox_waiting >= core().options().outbox_limit)
      return Error(Errc::full, "too many messages of this record wait for their receivers")
          .for_key(id());
    out.epoch = node_->epoch, out.number = ++extras.send_number;
    extras.sends.push_back(std::move(out));
    return true;
  });
}

template <class S>
template <class K, class M, class F>
Result<void> Session<S>::transfer(const K& key, const M& message, F&& take, PostOptions options) {
  check_changeable<typename S::Policy>();
  if (Error no = refusal_to_store(); failed(no)) return no;
  std::unique_lock<typename Node::SessionLock> writing(node_->guard_lock());
  Result<void> done = node_->on_copy([&](Data& copy) -> Result<void> {
    if (Result<void> taken = detail::call(take, copy); !taken) return taken;
    return send(key, message, options);
  });
  writing.unlock();
  node_->tell_changes();
  return done;
}

template <class S>
template <class F>
Result<Grant> Session<S>::grant_once(ReceiptId receipt, F&& fn) {
  check_changeable<typename S::Policy>();
  if (Error no = refusal_to_store(); failed(no)) return no;
  if (node_->state != State::open)
    return Error(Errc::busy, "the lease of this session is in doubt").for_key(id());
  if (receipt.id.empty()) return Error(Errc::invalid, "a receipt needs an id").for_key(id());
  std::unique_lock<typename Node::SessionLock> writing(node_->guard_lock());
  const Receipt mine{core().hash(receipt.id),
                     day_of(receipt.time ? *receipt.time : core().backend_time())};
  const auto is_mine = [&](const Receipt& each) { return each.id == mine.id; };
  if (const SessionExtras* extras = node_->extras.get()) {
    const auto hold = core().lock();
    const bool saved = std::any_of(extras->receipts.begin(), extras->receipts.end(), is_mine);
    const bool granted =
        std::any_of(extras->pending_receipts.begin(), extras->pending_receipts.end(), is_mine);
    if (saved || granted) {
      ++core().metrics().grants_repeated;
      return saved ? Grant::durable : Grant::pending;
    }
    // Something was forgotten that may have been this one.
    if (extras->receipts_forgotten != 0 &&
        (!receipt.time || mine.day <= extras->receipts_forgotten))
      return Grant::refused;
  }
  auto done = node_->on_copy([&](Data& copy) { return detail::call(fn, copy); });
  if (!done) return done.error();
  {
    const auto hold = core().lock();
    node_->more().pending_receipts.push_back(mine);
    ++core().metrics().grants;
  }
  writing.unlock();
  node_->tell_changes();
  return Grant::pending;
}

template <class S>
template <class F>
Connection Session<S>::on_released(F&& fn) {
  {
    const auto hold = lock();  // another thread may be about to tell it
    if (!node_->end_was_told) return node_->signals().released.connect(std::forward<F>(fn));
  }
  fn(node_->ending, node_->was_saved);
  return {};
}

}  // namespace persist::inline PERSIST_ABI
