#pragma once

#include <persist/store/engine_relay.hpp>
#include <persist/store/spill.hpp>

#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

// What an earlier store could not save: its entries in the spill journal are sent again.

namespace persist::inline PERSIST_ABI {

/// Why an entry is not sent that follows one which was refused.
[[nodiscard]] inline Error not_there() {
  return Error(Errc::fenced, "the commit that it follows is not in the database");
}

/// What is found in the folder is sent before the first load; where the database does not answer it
/// goes with the polls.
template <class B, class L>
void Engine<B, L>::open_spill() {
  if (options_.spill.empty()) return;
  spill_ = std::make_unique<SpillBox>(options_.spill, about());
  meet_spilled();
  if (!spill_->is_open())
    log(LogLevel::error,
        "the spill folder cannot be used; as long as that is so, what cannot be "
        "saved at the end will be lost: " +
            spill_->error().message());
  while (spill_->is_open() && replay_is_due())
    send_again_now();
}

/// Tells of what needs a person, and when the folder is to be looked at next.
template <class B, class L>
void Engine<B, L>::meet_spilled() {
  spill_->next_try = !spill_->wants_time() ? TimePoint::max()
                     : spill_->is_open()   ? now()
                                           : now() + 20s;
  for (const Spilled& each : spill_->kept())
    tell_kept(each);
}

/// What kept the folder from being used may have been mended, or another process has ended.
template <class B, class L>
bool Engine<B, L>::can_spill() {
  const Lock hold(mutex_);
  if (spill_ == nullptr) return false;
  if (spill_->is_open()) return true;
  spill_ = std::make_unique<SpillBox>(options_.spill, about());
  meet_spilled();
  return spill_->is_open();
}

template <class B, class L>
void Engine<B, L>::tell_kept(const Spilled& entry) const {
  std::string keys;
  for (const std::string& key : entry.keys)
    keys += (keys.empty() ? " (" : ", ") + key;
  if (!keys.empty()) keys += ")";
  log(entry.state == Spilled::State::erased ? LogLevel::warning : LogLevel::error,
      "spilled entry " + entry.file + keys + ": " + std::string(persist::name(entry.state)) + ": " +
          entry.why.message());
}

template <class B, class L>
bool Engine<B, L>::replay_is_due() {
  const Lock hold(mutex_);
  return spill_ != nullptr && spill_->wants_time() && now() >= spill_->next_try;
}

/// Somebody waits for the record.
template <class B, class L>
void Engine<B, L>::hurry_replay(std::string_view key) {
  if (spill_ != nullptr && spill_->is_waiting(key))
    spill_->next_try = (std::min)(spill_->next_try, now());
}

/// Whether a load has to wait until what was spilled of its record is there, or was refused. Such
/// an attempt counts as one that the database did not answer.
template <class B, class L>
bool Engine<B, L>::waits_for_replay(SessionCore& session) {
  const Lock hold(mutex_);
  if (spill_ == nullptr || !spill_->is_waiting(session.key())) return false;
  LoadState& load = *session.load();
  if (load.intent == Intent::withdraw) return false;
  if (load.once || now() >= load.deadline || !load.has_waiters()) {
    give_up(session,
            Error(Errc::unavailable, "what was spilled of this record could not be sent again yet")
                .for_key(session.key()));
    return true;
  }
  back_off(session);
  load.next_try = session.not_before;
  spill_->next_try = (std::min)(spill_->next_try, load.next_try);
  reschedule(session);
  return true;
}

/// Adds the entries that are due to the round, a few at a time: each is read where it is sent.
template <class B, class L>
void Engine<B, L>::add_replays(Manifest& mine) {
  constexpr std::size_t at_once = 64;
  if (!replay_is_due() || !can_spill()) return;
  std::vector<std::string> refused;
  const Lock hold(mutex_);
  spill_->next_try = TimePoint::max();
  for (SpillBox::Waiting& each : spill_->waiting()) {
    if (each.is_out || spill_->comes_later(each)) continue;
    if (spill_->was_refused(each.follows)) {
      refused.push_back(each.file);
      continue;
    }
    if (mine.flights.size() == at_once) {
      spill_->next_try = now();
      break;
    }
    each.is_out = true;
    Flight& flight = new_flight();
    flight.replay =
        std::make_shared<Replay>(Replay{.file = each.file,
                                        .journal = &spill_->journal(),
                                        .limits = &limits_,
                                        .is_last = spill_->followers_of(each.number()).empty()});
    mine.flights.push_back(&flight);
  }
  for (const std::string& file : refused)
    settle_replay({file}, not_there());
}

/// What came of an entry that was sent: it is there, or somebody else's word is, or it waits on.
template <class B, class L>
void Engine<B, L>::complete_replay(Flight& flight) {
  using Outcome = CommitRequest::Outcome;
  const CommitRequest& request = flight.request;
  const Replay& replay = *flight.replay;
  // A later commit of its session holds all that it did.
  const bool is_there = request.outcome == Outcome::applied ||
                        request.outcome == Outcome::repeated ||
                        request.outcome == Outcome::superseded;
  if (is_there) return settle_replay(replay, Errc{});
  if (request.outcome == Outcome::failed) return settle_replay(replay, request.error);
  const Change& culprit = request.changes[request.culprit];
  if (culprit.landed) return settle_replay(replay, Errc{});
  if (culprit.erased)
    return settle_replay(
        replay, Error(Errc::not_found, "its record was erased since").for_key(culprit.key));
  const bool has_holder = !culprit.holder.owner.nobody();
  Error why = Error(Errc::fenced, has_holder ? "somebody wrote to the record since"
                                             : "the record was given back, or written to, since")
                  .for_key(culprit.key);
  if (has_holder)
    why = std::move(why).held_by(
        {std::string(culprit.holder.owner.server.view()), culprit.holder.epoch,
         std::chrono::duration_cast<std::chrono::milliseconds>(culprit.holder.age)});
  settle_replay(replay, std::move(why));
}

template <class B, class L>
void Engine<B, L>::settle_replay(const Replay& replay, Error why) {
  const Lock hold(mutex_);
  SpillBox::Waiting* waiting = spill_->find(replay.file);
  if (waiting == nullptr) return;
  waiting->is_out = false;
  if (is_ailing(why)) {
    // The first of those that went together says when all of them go again, and what has not gone.
    if (spill_->next_try <= now() || spill_->next_try == TimePoint::max()) {
      const int doublings = (std::min)(static_cast<int>(spill_->failures++), 5);
      spill_->next_try = now() + (std::min)(Duration(1s) * (1 << doublings), Duration(20s));
    }
    if (waiting->why.code() != why.code())
      log(LogLevel::warning, "spilled entry " + replay.file + " waits: " + why.message());
    waiting->why = std::move(why);
    return;
  }
  spill_->failures = 0;
  const std::vector<std::string> followers = spill_->followers_of(waiting->number());
  if (failed(why)) {  // first: where this one goes, they must not be taken for what may be sent
    for (const std::string& file : followers) {
      const std::vector<std::string>& keys = spill_->find(file)->keys;
      const bool was_erased =
          why == Errc::not_found && std::find(keys.begin(), keys.end(), why.key()) != keys.end();
      settle_replay({file}, was_erased ? why : not_there());
    }
    waiting = spill_->find(replay.file);
  } else if (!followers.empty()) {
    spill_->next_try = (std::min)(spill_->next_try, now());
  }
  Spilled kept{Spilled::State::refused, replay.file, waiting->keys, waiting->at, std::move(why)};
  dispose(kept);
  for (const std::string& key : spill_->settle(replay.file))
    registry_.each(key, [&](SessionCore& session) {
      if (session.load() == nullptr) return;
      session.load()->next_try = now();
      reschedule(session);
    });
}

/// Does with the file of an entry what its outcome asks for.
template <class B, class L>
void Engine<B, L>::dispose(Spilled& entry) {
  using Kept = Spilled::State;
  const Error& why = entry.why;
  Result<void> done = success;
  const bool is_there = !failed(why);
  if (why == Errc::cancelled)
    return log(LogLevel::warning, "spilled entry " + entry.file + ": " + std::string(why.detail()));
  if (why == Errc::corrupt || why == Errc::too_new)
    entry.state = Kept::unreadable;
  else if (why == Errc::refused)
    entry.state = Kept::foreign;
  else if (why == Errc::not_found)
    entry.state = Kept::erased;
  if (is_there || entry.state == Kept::erased) {
    done = spill_->journal().remove(entry.file);
  } else if (entry.state == Kept::refused) {
    const auto renamed = spill_->journal().refuse(entry.file);
    if (renamed)
      entry.file = *renamed;
    else
      done = renamed.error();
  }
  if (!done) log(LogLevel::error, "a spilled entry was settled, and " + done.error().message());
  if (is_there) {
    ++metrics_.spill_sent;
    return;
  }
  ++metrics_.spill_refused;
  tell_kept(entry);
  spill_->keep(std::move(entry));
}

template <class B, class L>
Result<std::vector<Spilled>> Engine<B, L>::spilled() {
  const Lock hold(mutex_);
  std::vector<Spilled> all;
  if (spill_ == nullptr) return all;
  if (!spill_->is_open()) return spill_->error();
  for (const SpillBox::Waiting& each : spill_->waiting())
    all.push_back({Spilled::State::waits, each.file, each.keys, each.at, each.why});
  all.insert(all.end(), spill_->kept().begin(), spill_->kept().end());
  return all;
}

}  // namespace persist::inline PERSIST_ABI
