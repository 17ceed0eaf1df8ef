#pragma once

#include <persist/backend/file/stage.hpp>
#include <persist/record/wake.hpp>

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

namespace persist::inline PERSIST_ABI::backend::file {

/// How many acquisitions one run number serves; the next one is then taken. Tests make it small.
template <class Files>
inline constexpr std::uint64_t epochs_per_run = std::uint64_t{1} << 24;

/// What each request does to the stage of a batch. Used by one thread at a time. A request that
/// cannot be done changes nothing: all that can fail (damaged bytes) is read before anything is
/// staged.
template <class Files>
class Engine {
 public:
  Engine(Index& index, Log<Files>& log, Clock& clock)
      : index_(index), log_(log), parts_(log), clock_(clock) {}

  Stage stage;
  std::vector<std::pair<std::uint32_t, Woken>> wakes;  ///< by store; told once published

  /// Begins to give out epochs of a run that was noted durably.
  void begin_run(std::uint64_t run) {
    run_ = run;
    forgotten_below_ = run * (std::uint64_t{1} << 24);
  }

  void perform(OpenStoreRequest& request);
  void perform(AcquireRequest& request);
  void perform(CommitRequest& request);
  void perform(PostRequest& request);
  void perform(RelayRequest& request);
  void perform(EraseRequest& request);

 private:
  [[nodiscard]] bool valid(StoreId store, std::string_view key, Error& error) const {
    if (store.index >= index_.stores.size())
      return error = Error(Errc::invalid, "this database has no such store"), false;
    if (!key.empty() && key.size() <= 255) return true;
    return error = Error(Errc::invalid,
                         "a key has 1 to 255 bytes, this one " + std::to_string(key.size())),
           false;
  }
  [[nodiscard]] static bool fits(const MessageView& message) noexcept {
    return message.type.size() <= 0xffff && message.payload.size() <= largest_batch / 2;
  }
  /// At least so high. Nothing where no run number is left.
  [[nodiscard]] std::optional<std::uint64_t> next_epoch(std::uint64_t least) {
    constexpr std::uint64_t run_size = std::uint64_t{1} << 24;
    if (least > run_ * run_size + given_ + 1) {  // another backend's epochs were here
      if (least / run_size >= last_run) return std::nullopt;
      run_ = least / run_size + 1;
      given_ = 0;
      run_to_note_ = true;
    }
    if (given_ + 1 >= epochs_per_run<Files>) {
      if (run_ == last_run) return std::nullopt;
      ++run_;
      given_ = 0;
      run_to_note_ = true;
    }
    ++given_;
    if (run_to_note_) stage.new_run = run_;
    return run_ * run_size + given_;
  }
  /// What stands for a record that is not there: what an erased one left, or nothing.
  [[nodiscard]] Head absent(std::uint32_t store, std::string_view key) {
    Head head;
    if (const Tombstone* left = stage.erased(index_, store, key)) {
      head.fence.epoch = left->epoch;
      head.version = left->version;
    }
    return head;
  }
  void wake(std::uint32_t store, std::string_view key, Hint why) {
    wakes.emplace_back(store, Woken{std::string(key), why});
  }

  [[nodiscard]] bool judge_all(CommitRequest& request);
  [[nodiscard]] bool refuse(CommitRequest& request, std::size_t culprit, Verdict verdict);
  [[nodiscard]] Result<void> can_be_read(const Change& change) const;
  [[nodiscard]] Result<void> load_for(Change& change, bool any_new);
  [[nodiscard]] Result<void> load_parts(Staged& record, const Change& change);
  [[nodiscard]] bool apply(Change& change);
  void apply_receipts(Staged& record, const Change& change);
  void keep_older(Staged& record, const Change& change) const;
  void deliver(Change& change);
  void answer(Change& change);
  Result<Reception> receive_at(std::uint32_t store, std::string_view key,
                               const MessageOrigin& origin, const MessageView& message,
                               const RecordLimits& limits);

  static constexpr RecordLimits usual{};

  Index& index_;
  Log<Files>& log_;
  PartReader<Files> parts_;
  Clock& clock_;
  std::uint64_t run_ = 0;
  std::uint64_t given_ = 0;
  std::uint64_t forgotten_below_ = 0;

 public:
  bool run_to_note_ = false;  ///< a new run number was begun that is not durable yet
};

template <class Files>
void Engine<Files>::perform(OpenStoreRequest& request) {
  std::uint32_t at = 0;
  while (at < index_.stores.size() && index_.stores[at].name != request.name)
    ++at;
  const std::string name(request.name);
  const bool is_new = at == index_.stores.size();
  if (is_new && request.expected_birth) {
    request.error = Error(Errc::refused, "there is no store \"" + name +
                                             "\" where this connection knew one: its folder was "
                                             "replaced");
    return;
  }
  if (request.name.size() > 0xffff) {
    request.error = Error(Errc::invalid, "a store's name has at most 65,535 bytes");
    return;
  }
  const Hash128 birth = is_new ? Hash128{detail::os::random_bits(), detail::os::random_bits()}
                               : index_.stores[at].birth;
  if (is_new) stage.new_stores.push_back({at, request.name, birth, request.lock});
  if (!is_new && index_.stores[at].lock != request.lock) {
    request.error =
        Error(Errc::invalid, "store \"" + name +
                                 "\" was made with another lock policy; open it with that one, or "
                                 "move its records to a store of another name");
  } else if (request.expected_birth && *request.expected_birth != birth) {
    request.error = Error(Errc::refused, "store \"" + name +
                                             "\" is not the one this connection knew: its folder "
                                             "was replaced");
  }
  request.store = {at};
  request.birth = birth;
  request.now = clock_.wall();
}

template <class Files>
void Engine<Files>::perform(AcquireRequest& request) {
  request.outcome = AcquireRequest::Outcome::failed;
  if (!valid(request.store, request.key, request.error)) return;
  const TimePoint now = clock_.now();
  const std::uint32_t store = request.store.index;
  Staged* found = stage.find(index_, store, request.key);
  if (const bool looks = request.intent == Intent::look;
      (looks || request.intent == Intent::withdraw) && found == nullptr) {
    request.outcome = looks ? AcquireRequest::Outcome::taken : AcquireRequest::Outcome::held;
    const Head nothing = absent(store, request.key);
    request.record.fence.epoch = nothing.fence.epoch;
    request.record.version = nothing.version;
    request.record.now = clock_.wall();
    return;
  }
  Staged& record = found != nullptr ? *found : stage.make(index_, store, request.key);
  Head& head = record.record.head;
  const Claim claimed = claim(head, request, now);
  if (claimed == Claim::held) {
    if (ask(head, request)) wake(store, request.key, Hint::asked);
    request.outcome = AcquireRequest::Outcome::held;
    request.holder = held_by(head, now);
    return;
  }
  // All that can fail comes before the record changes hands.
  Result<void> loaded = parts_.snapshot(record, true, request.record);
  if (loaded) loaded = parts_.inbox(record);
  auto receipts = loaded ? parts_.receipts(record) : Result<std::vector<Receipt>>(loaded.error());
  if (!receipts) {
    request.error = receipts.error();
    return;
  }
  if (claimed == Claim::fresh) {
    auto epoch = std::optional(request.claim_epoch);
    if (*epoch == 0) epoch = next_epoch((std::max)(head.fence.epoch + 1, request.least_epoch));
    if (!epoch) {
      request.error = no_run_left();
      return;
    }
    take(head, request.owner, request.lease, *epoch, now);
  }
  request.outcome = AcquireRequest::Outcome::taken;
  request.record.fence = head.fence;
  request.record.receipts = std::move(*receipts);
  request.record.receipts_forgotten = record.receipts_forgotten();
  request.record.inbox = record.inbox->messages;
  request.record.now = clock_.wall();
}

template <class Files>
void Engine<Files>::perform(PostRequest& request) {
  if (!valid(request.store, request.key, request.error)) return;
  const RecordLimits& limits = request.limits != nullptr ? *request.limits : usual;
  const auto got =
      receive_at(request.store.index, request.key, request.origin, request.message, limits);
  if (!got) {
    request.error = got.error();
    return;
  }
  answer_post(request, *got);
}

/// Puts a message into a record's inbox. A damaged inbox is an error, and left as it is.
template <class Files>
Result<Reception> Engine<Files>::receive_at(std::uint32_t store, std::string_view key,
                                            const MessageOrigin& origin, const MessageView& message,
                                            const RecordLimits& limits) {
  if (!fits(message)) return Error(Errc::too_large, "a message of this size fits no batch");
  if (store >= index_.stores.size()) return Error(Errc::invalid, "this database has no such store");
  Staged* found = stage.find(index_, store, key);
  Inbox fresh;
  if (found != nullptr)
    if (const auto loaded = parts_.inbox(*found); !loaded) return loaded.error();
  Inbox& inbox = found != nullptr ? *found->inbox : fresh;
  const Reception reception = receive(inbox, origin, message, limits, clock_.wall());
  if (reception.outcome != Reception::Outcome::accepted) return reception;
  Staged& receiver = found != nullptr ? *found : stage.make(index_, store, key);
  if (found == nullptr) receiver.inbox = std::move(fresh);
  receiver.inbox_changed = receiver.writes = true;
  stage.bytes += receiver.size();
  if (!receiver.record.head.fence.owner.nobody()) wake(store, key, Hint::message);
  return reception;
}

/// Takes messages out of an outbox; listing them is a read.
template <class Files>
void Engine<Files>::perform(RelayRequest& request) {
  if (!valid(request.store, request.take_from, request.error)) return;
  Staged* record = stage.find(index_, request.store.index, request.take_from);
  if (record == nullptr) return;
  if (const auto loaded = parts_.outbox(*record); !loaded) {
    request.error = loaded.error();
    return;
  }
  const std::size_t before = record->outbox->messages.size();
  record->outbox->take_out(request.take);
  if (record->outbox->messages.size() == before) return;
  record->outbox_changed = record->writes = true;
  stage.bytes += record->size();
}

template <class Files>
void Engine<Files>::perform(EraseRequest& request) {
  if (!valid(request.store, request.key, request.error)) return;
  const RecordLimits& limits = request.limits != nullptr ? *request.limits : usual;
  const std::uint32_t store = request.store.index;
  Staged* record = stage.find(index_, store, request.key);
  request.found = record != nullptr;
  if (record == nullptr) return;
  const auto epoch = next_epoch(record->record.head.fence.epoch + 1);
  if (!epoch) {
    request.error = no_run_left();
    return;
  }
  if (const auto loaded = parts_.outbox(*record); !loaded && !request.drop_outbox) {
    request.error = loaded.error();
    return;
  } else if (!loaded) {
    record->outbox.emplace();
  }
  const Hash128 self = index_.stores[store].hash(request.key);
  auto& waiting = record->outbox->messages;
  while (!waiting.empty()) {
    const OutgoingMessage message = waiting.front();
    const auto got = receive_at(message.store.index, message.key,
                                {self, message.epoch, message.number, {}}, message.view(), limits);
    const bool sent = got && got->outcome != Reception::Outcome::full;
    if (!sent && !request.drop_outbox) {
      request.error =
          Error(Errc::full, "a message in the outbox has no room at " + message.key +
                                "; nothing was erased: try later, or erase with drop_outbox");
      return;
    }
    ++(sent ? request.sent : request.dropped);
    waiting.erase(waiting.begin());
    record->outbox_changed = record->writes = true;
  }
  request.epoch = *epoch;
  const bool asked = record->record.head.asked();
  stage.erase(store, request.key, {request.epoch, record->record.head.version, 0, 0});
  if (asked) wake(store, request.key, Hint::freed);
}

}  // namespace persist::inline PERSIST_ABI::backend::file
