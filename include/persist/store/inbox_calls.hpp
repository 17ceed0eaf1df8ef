#pragma once

#include <persist/store/offline_calls.hpp>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

// The calls of a session and of a store about messages that came in.

namespace persist::inline PERSIST_ABI {

namespace detail {
/// Checks at compile time that the data takes what a handler does, and makes one of it.
template <class S, class F>
[[nodiscard]] auto checked_handler(F&& fn, bool is_of_expired) {
  using Takes = CheckedHandler<std::remove_cvref_t<F>>;
  check_changeable<typename S::Policy>();
  check_message<typename S::Policy, typename Takes::type>();
  return core_handler<typename S::Data, SessionNode<S>>(std::forward<F>(fn), is_of_expired);
}
}  // namespace detail

template <class S>
template <class F>
void Session<S>::handle(F&& fn, bool is_of_expired) {
  {
    const auto hold = lock();
    node_->handlers().push_back(detail::checked_handler<S>(std::forward<F>(fn), is_of_expired));
  }
  if (node_->host() == nullptr) return;
  core().postpone_messages(*node_);
  core().offer_messages_again();
  core().drain();
}
template <class S>
template <class F>
void Session<S>::on_message(F&& fn) {
  handle(std::forward<F>(fn), false);
}
template <class S>
template <class F>
void Session<S>::on_expired(F&& fn) {
  handle(std::forward<F>(fn), true);
}

template <class S>
std::vector<InboxMessage> Session<S>::inbox() const {
  return read_more([](const SessionExtras& more) {
    std::vector<InboxMessage> waiting;
    for (const WaitingMessage& each : more.inbox)
      if (!each.handled) waiting.emplace_back(each.message, each.tries);
    return waiting;
  });
}

template <class S>
Result<void> Session<S>::remove_message(std::uint64_t position) {
  return change_beside([&](SessionExtras& extras, bool as_draft) -> Result<bool> {
    if (as_draft)
      return Error(Errc::busy, "a handler, grant or transaction of this session is running")
          .for_key(id());
    for (WaitingMessage& each : extras.inbox)
      if (each.message.position == position && !each.handled) return each.handled = true;
    return Error(Errc::not_found, "no such message waits in this record").for_key(id());
  });
}

template <class S>
std::size_t Session<S>::retry_messages() {
  if (failed(refusal())) return 0;
  std::size_t dead = 0;
  {
    const auto hold = lock();
    if (!node_->extras) return 0;
    for (WaitingMessage& each : node_->extras->inbox)
      if (!each.handled && each.tries >= most_message_tries) each.tries = 0, ++dead;
  }
  if (dead == 0) return 0;
  core().postpone_messages(*node_);
  core().offer_messages_again();
  core().drain();
  return dead;
}

template <class S>
template <class F>
void StoreCalls<S>::handle_messages(F&& fn, bool is_of_expired) {
  auto handler = detail::checked_handler<S>(std::forward<F>(fn), is_of_expired);
  {
    const auto hold = core_.lock();
    core_.handlers().push_back(std::move(handler));
    for (const SessionPtr& session : core_.registry().all())
      if (session->extras && !session->extras->inbox.empty()) core_.postpone_messages(*session);
  }
  core_.offer_messages_again();
  core_.drain();
}

template <class S>
template <class K>
Result<std::vector<InboxMessage>> StoreCalls<S>::peek_inbox(const K& key) {
  KeyBuffer spelled;
  if (auto fits = spell(key, spelled); !fits) return fits.error();
  core_.waits_for_storage();
  ReadRequest request;
  request.store = core_.store();
  request.key = spelled.view();
  request.wants_data = false;
  request.wants_inbox = true;
  core_.backend().read(std::span(&request, 1));
  if (failed(request.error)) return Error(request.error).for_key(spelled.view());
  std::vector<InboxMessage> all;
  all.reserve(request.record.inbox.size());
  for (Message& message : request.record.inbox)
    all.emplace_back(std::move(message));
  return all;
}

template <class S>
template <class K>
Result<void> StoreCalls<S>::remove_message(const K& key, std::uint64_t position) {
  KeyBuffer spelled;
  if (auto fits = spell(key, spelled); !fits) return fits;
  auto here = find(SpelledKey{spelled.view()});
  if (!here) return remove_stored_message(spelled.view(), position);
  if (auto done = here->remove_message(position); !done) return done;
  const auto saved = core_.commit_now(here->node(), Aim::save, Reason::asked);
  return saved ? Result<void>(success) : Result<void>(saved.error());
}

template <class S>
Result<void> StoreCalls<S>::remove_stored_message(std::string_view key, std::uint64_t position) {
  const auto removed = core_.remove_stored(
      key, [position](const Message& message) { return message.position == position; });
  if (!removed) return removed.error();
  if (*removed != 0) return success;
  return Error(Errc::not_found, "no such message waits in this record").for_key(key);
}

}  // namespace persist::inline PERSIST_ABI
