#pragma once

#include <persist/store/user_calls.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace persist::inline PERSIST_ABI {

/// An erasure of all that is a user's, in the steps of which it is made. Those that ask storage are
/// said to, and may run on another thread while nobody else uses this; all others belong to the
/// store's.
template <class S>
class UserErasure {
 public:
  /// A record on its way.
  struct One {
    std::string key;
    Error no{Errc{}};
    EraseRequest request{};
    std::size_t messages = 0;  ///< that had come in
    bool is_gone = false;
  };

  UserErasure(StoreCore<S>& core, std::uint64_t user, EraseUserOptions options)
      : core_(core), user_(user), options_(options) {
    report_.error = core_.refusal();
  }

  [[nodiscard]] bool goes_on() const noexcept { return !failed(report_.error); }
  [[nodiscard]] UserErased take_report() { return std::move(report_); }
  void stop(Error why) { report_.error = std::move(why); }

  /// How many records have something in the spill journal that waits: it may be the user's. It is
  /// sent as soon as may be.
  [[nodiscard]] std::size_t hurry_spilled() {
    std::size_t waiting = 0;
    const auto all = core_.spilled();
    for (std::size_t i = 0; all && i < all->size(); ++i) {
      if (all->at(i).state != Spilled::State::waits) continue;
      const auto hold = core_.lock();
      for (const std::string& key : all->at(i).keys)
        core_.hurry_replay(key), ++waiting, spilled_ = key;
    }
    return waiting;
  }
  [[nodiscard]] Error spilled_waits() const {
    return Error(Errc::unavailable, "what was spilled of it waits, and may be the user's")
        .for_key(spilled_);
  }

  /// Takes in what `keys_of` says, and what is open here. Whether records are among them that were
  /// not seen before.
  [[nodiscard]] bool take(Result<std::vector<std::string>> keys) {
    if (!keys) report_.error = keys.error();
    if (!goes_on()) return false;
    core_.add_keys_held(user_, *keys);
    std::sort(keys->begin(), keys->end());
    keys->erase(std::unique(keys->begin(), keys->end()), keys->end());
    for (std::string& key : *keys) {
      if (seen_.insert(key).second)
        next_.push_back(std::move(key));
      else if (gone_.erase(key) != 0)
        refuse(key, Error(Errc::busy, "somebody made it anew while it was erased"));
    }
    return !next_.empty();
  }
  [[nodiscard]] std::optional<One> next() {
    while (goes_on() && !next_.empty()) {
      One one{.key = std::move(next_.front())};
      next_.pop_front();
      if (options_.live == LiveRecord::end || !is_open_here(one.key)) return one;
      refuse(one.key, Error(Errc::busy, "a session of it is open here"));
    }
    return std::nullopt;
  }
  /// Asks storage.
  void erase(One& one) {
    one.no = refusal(one);
    // So that nobody begins to play what is about to go.
    if (!failed(one.no) && options_.live == LiveRecord::refuse) one.no = core_.take_stored(one.key);
    if (failed(one.no)) return;
    const auto erased = core_.erase_stored(one.key, true, one.request);
    one.is_gone = erased || one.request.found;
    if (!erased && !erased.is(Errc::not_found)) one.no = erased.error();
  }
  void settle(One& one) {
    core_.end_erased(one.key, one.request);
    if (one.is_gone) {
      report_.erased.push_back(one.key);
      gone_.insert(one.key);
      sources_.insert(core_.hash(one.key));
    }
    if (one.request.found) report_.messages_dropped += one.messages;
    report_.messages_sent += one.request.sent;
    report_.messages_dropped += one.request.dropped;
    if (!failed(one.no)) return;
    if (is_ailing(one.no)) report_.error = Error(one.no).for_key(one.key);
    refuse(one.key, one.no);
  }

  // What the erased records had sent and what waits with others.
  [[nodiscard]] bool takes_back() const noexcept {
    return goes_on() && options_.sent == SentMessages::remove && !sources_.empty() &&
           !inboxes_.done;
  }
  /// Asks storage for the next inboxes.
  void find_inboxes() {
    inboxes_.store = core_.store(), inboxes_.after = std::move(inboxes_.next);
    inboxes_.of_inboxes = true;
    if constexpr (scans_keys<typename S::Backend>)
      core_.backend().scan(std::span(&inboxes_, 1));
    else
      inboxes_.error = Error(Errc::unsupported, "this backend cannot list the inboxes of a store");
  }
  /// Takes out of what is open here what it had sent; the others are left to `take_out`.
  void take_out_here() {
    report_.error = inboxes_.error;
    std::erase_if(inboxes_.keys, [&](const std::string& key) {
      auto here = StoreCalls<S>(core_).find(SpelledKey{key});
      if (here) take_out_of(*here);
      return here.has_value();
    });
  }
  /// Asks storage.
  void take_out() {
    for (const std::string& key : inboxes_.keys) {
      const auto removed =
          core_.remove_stored(key, [&](const Message& each) { return is_mine(each); });
      if (removed)
        report_.messages_taken_back += *removed;
      else if (report_.messages_left.push_back({key, removed.error()}); is_ailing(removed.error()))
        return stop(removed.error());
    }
  }

 private:
  [[nodiscard]] bool is_mine(const Message& message) const {
    return message.origin.is_numbered() && sources_.contains(message.origin.source);
  }
  void refuse(const std::string& key, const Error& why) {
    report_.refused.push_back({key, Error(why).for_key(key)});
  }
  [[nodiscard]] bool is_open_here(std::string_view key) {
    const auto hold = core_.lock();
    const auto* here = core_.find(key);
    return here != nullptr && !ended(here->state);
  }
  /// Why a record of that user is to stay, or `Errc{}`.
  [[nodiscard]] Error refusal(One& one) {
    ReadRequest read{.store = core_.store(), .key = one.key, .wants_data = false};
    core_.backend().read(std::span(&read, 1));
    // What cannot be read may go all the same, but not unseen.
    if (failed(read.error)) return read.error;
    one.messages = read.inbox_messages;
    if (read.record.user_ids.size() > 1 && !options_.shared)
      return {Errc::refused,
              "it has other users too: take this one out with remove_user_id, or erase it with "
              "`shared`"};
    return Errc{};
  }
  void take_out_of(Session<S>& session) {
    std::size_t taken = 0;
    for (const InboxMessage& each : session.inbox())
      if (is_mine(each) && session.remove_message(each.position)) ++taken;
    report_.messages_taken_back += taken;
    if (taken != 0) (void)session.request_save();
  }

  StoreCore<S>& core_;
  std::uint64_t user_;
  EraseUserOptions options_;
  UserErased report_;
  std::string spilled_;  ///< one of those that wait
  std::deque<std::string> next_;
  std::set<std::string> seen_, gone_;
  std::set<Hash128> sources_;  ///< as which the erased records sent
  ScanRequest inboxes_{};
};

template <class S>
UserErased StoreCalls<S>::erase_user(std::uint64_t user, EraseUserOptions options) {
  UserErasure<S> all(core_, user, options);
  for (std::size_t before = 0, waiting = 0; all.goes_on(); before = waiting) {
    waiting = all.hurry_spilled();
    if (waiting == 0) break;
    if (before != 0 && waiting >= before)
      all.stop(all.spilled_waits());
    else
      core_.send_again_now();
  }
  // Once more as long as that finds records that were not there before.
  while (all.goes_on() && all.take(keys_of(user)))
    while (auto one = all.next())
      all.erase(*one), all.settle(*one);
  while (all.takes_back()) {
    all.find_inboxes();
    all.take_out_here();
    if (all.goes_on()) all.take_out();
  }
  return all.take_report();
}

}  // namespace persist::inline PERSIST_ABI
