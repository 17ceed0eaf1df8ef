#pragma once

#include <persist/record/key_hash.hpp>
#include <persist/session/commit.hpp>
#include <persist/spill/journal.hpp>
#include <persist/store/pieces.hpp>

#include <algorithm>
#include <deque>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// What a store has to do with its spill journal, without its types: commits that become entries,
// and what becomes of those (replay.hpp makes commits of them again).

namespace persist::inline PERSIST_ABI {

/// An entry of the spill journal that has not been sent, as `store.spilled()` tells of it.
struct Spilled {
  enum class State : std::uint8_t {
    waits,        ///< sent again as soon as the database answers; its records are not loaded before
    refused,      ///< somebody wrote since, or the database will not have it; kept for a person
    quarantined,  ///< its data broke a rule when the session ended; kept for a person
    unreadable,   ///< damaged, or a newer build's; the file is left as it is
    foreign,      ///< of another database that had a store of this name; kept
    erased,       ///< its record was erased since; the entry is gone
  };
  State state = State::waits;
  std::string file;  ///< in the folder `StoreOptions::spill`
  std::vector<std::string> keys;
  WallTime at{};
  Error why{Errc{}};  ///< `waits`: what came of the last try
};

[[nodiscard]] constexpr std::string_view name(Spilled::State state) noexcept {
  constexpr std::string_view names[] = {"waits",      "refused", "quarantined",
                                        "unreadable", "foreign", "erased"};
  return names[static_cast<std::uint8_t>(state)];
}

namespace spill {

/// Which place each store of a flight has in its entry.
class Places {
 public:
  /// The first is the store whose journal it is, also where only partners of others go on.
  Places(StoreId id, StoreInfo store, const Flight& flight) : Places(id, std::move(store)) {
    for (std::size_t i = 0; i < flight.size(); ++i)
      if (!find(flight.changes[i].store)) {
        ids_.push_back(flight.changes[i].store);
        stores_.push_back(flight.hosts[i]->about());
      }
  }
  Places(StoreId id, StoreInfo store) : ids_{id}, stores_{std::move(store)} {}
  [[nodiscard]] std::optional<std::uint32_t> find(StoreId id) const {
    const auto at = std::find(ids_.begin(), ids_.end(), id);
    if (at == ids_.end()) return std::nullopt;
    return static_cast<std::uint32_t>(at - ids_.begin());
  }
  [[nodiscard]] std::vector<StoreInfo> take() noexcept { return std::move(stores_); }

 private:
  std::vector<StoreId> ids_;
  std::vector<StoreInfo> stores_;
};

/// What is left of the pieces of a record in a commit that was sent, or that was not.
[[nodiscard]] inline Pieces pieces_of(const Wrapping& how, const Split& split) {
  Pieces pieces;
  pieces.may_be_split = how.splits;
  pieces.is_split = split.is_done;
  pieces.filled = split.known.filled;
  if (!split.is_done) return pieces;  // whoever sends it acquires its pieces
  pieces.epochs = split.known.epochs;
  pieces.parts = split.parts;
  return pieces;
}

/// What the change does, its sends apart. What is to be wrapped is, and is not split: that needs
/// the database. An error of the codec.
[[nodiscard]] inline Result<Part> part_of(const Change& change, Cut& cut) {
  const Wrapping* const how = cut.wrap;
  constexpr std::size_t no_limit = (std::numeric_limits<std::size_t>::max)();
  if (how != nullptr && change.data != nullptr && !cut.split.is_done) {
    if (Error no = cut.wrap_data(no_limit, false); failed(no)) return no;
    cut.split.is_done = false;
  }
  Part part;
  part.key = change.key;
  part.fence = change.fence;
  part.claims = change.claims, part.seen_version = change.seen_version;
  if (change.data != nullptr) part.data = *change.data;
  part.removes_data = change.removes_data;
  if (change.history != nullptr) part.history = *change.history;
  if (how != nullptr && how->joins) part.pieces = pieces_of(*how, cut.split);
  if (change.schema != nullptr) {
    part.schema_id = change.schema->id;
    part.schema = Buffer(change.schema->bytes);
  }
  if (change.user_ids != nullptr) part.user_ids = *change.user_ids;
  if (change.metadata != nullptr) part.metadata = *change.metadata;
  if (change.indexed != nullptr) part.indexed = *change.indexed;
  part.acknowledged.assign(change.acknowledged.begin(), change.acknowledged.end());
  part.receipts.assign(change.receipts.begin(), change.receipts.end());
  part.forget_receipts = change.forget_receipts;
  part.created = change.created;
  part.load_count = change.load_count;
  part.lease = change.lease;
  part.lease_length = change.lease_length;
  part.seen_position = change.seen_position;
  return part;
}

/// Adds the messages that leave with the change. `unsupported` where one goes to a store that is
/// not the entry's.
[[nodiscard]] inline Result<void> add_sends(Part& part, const Change& change,
                                            const Places& places) {
  for (const Send& send : change.sends) {
    const auto to = places.find(send.store);
    if (!to) return Error(Errc::unsupported, "a message goes to a store that is not in the commit");
    const MessageView& m = send.message;
    part.sends.push_back({{*to},
                          std::string(send.key),
                          change.fence.epoch,
                          send.number,
                          std::string(m.type),
                          m.codec,
                          m.priority,
                          m.expires,
                          Buffer(m.payload)});
  }
  return success;
}

/// The commit as an entry, byte for byte as it was sent or would be. An error of the codec,
/// `unsupported`.
[[nodiscard]] inline Result<Entry> entry_of(std::span<const Change> changes, std::span<Cut> cuts,
                                            Places places) {
  Entry entry;
  for (std::size_t i = 0; i < changes.size(); ++i) {
    auto made = part_of(changes[i], cuts[i]);
    if (!made) return made.error();
    Part& part = entry.parts.emplace_back(*std::move(made));
    part.store = *places.find(changes[i].store);
    if (auto sent = add_sends(part, changes[i], places); !sent) return sent.error();
  }
  entry.stores = places.take();
  return entry;
}
[[nodiscard]] inline Result<Entry> entry_of(Flight& flight, StoreId id, StoreInfo store) {
  return entry_of(std::span(flight.changes).first(flight.size()), flight.cuts,
                  Places(id, std::move(store), flight));
}

}  // namespace spill

/// The spill journal of an open store, and what of it waits to be sent. Under the store's lock.
class SpillBox {
 public:
  struct Waiting {
    std::string file;
    std::vector<std::string> keys;  ///< of this store
    WallTime at{};
    std::uint64_t follows = 0;
    Error why{Errc{}};  ///< what came of the last try
    bool is_out = false;

    [[nodiscard]] std::uint64_t number() const {
      const auto name = spill::FileName::read(file);
      return name ? name->number : 0;
    }
  };

  /// Looks through the folder for what `self` has there.
  SpillBox(const std::string& folder, StoreInfo self) : self_(std::move(self)) {
    auto opened = spill::Journal<>::open(folder, self_.name);
    if (!opened) {
      error_ = opened.error();
      return;
    }
    journal_.emplace(*std::move(opened));
    const auto names = journal_->list();
    if (!names) {
      error_ = names.error();
      return;
    }
    for (const spill::FileName& name : *names)
      meet(name);
  }

  /// Why the folder cannot be used, or `Errc{}`.
  [[nodiscard]] const Error& error() const noexcept { return error_; }
  [[nodiscard]] const StoreInfo& self() const noexcept { return self_; }
  [[nodiscard]] bool is_waiting(std::string_view key) const { return keys_.contains(key); }
  /// Whether something is to be sent, or the folder to be opened once more.
  [[nodiscard]] bool wants_time() const noexcept { return !is_open() || !waiting_.empty(); }
  [[nodiscard]] std::deque<Waiting>& waiting() noexcept { return waiting_; }
  [[nodiscard]] const std::vector<Spilled>& kept() const noexcept { return kept_; }
  [[nodiscard]] spill::Journal<>& journal() noexcept { return *journal_; }
  [[nodiscard]] bool is_open() const noexcept { return journal_.has_value(); }

  void wait_for(Waiting entry) {
    for (const std::string& key : entry.keys)
      ++keys_.try_emplace(key, 0).first->second;
    followers_ += entry.follows != 0 ? 1U : 0U;
    waiting_.push_back(std::move(entry));
  }
  [[nodiscard]] Waiting* find(std::string_view file) {
    const auto at = std::find_if(waiting_.begin(), waiting_.end(),
                                 [&](const Waiting& each) { return each.file == file; });
    return at == waiting_.end() ? nullptr : &*at;
  }
  /// What must not be sent before the entry of that number is there.
  [[nodiscard]] std::vector<std::string> followers_of(std::uint64_t number) const {
    std::vector<std::string> files;
    if (followers_ == 0) return files;
    for (const Waiting& each : waiting_)
      if (each.follows == number && number != 0) files.push_back(each.file);
    return files;
  }
  /// Whether an entry that this one follows waits itself.
  [[nodiscard]] bool comes_later(const Waiting& entry) const {
    return entry.follows != 0 &&
           std::any_of(waiting_.begin(), waiting_.end(),
                       [&](const Waiting& each) { return each.number() == entry.follows; });
  }
  /// Whether the entry of that number was refused, in this run or an earlier one.
  [[nodiscard]] bool was_refused(std::uint64_t number) const {
    return number != 0 && std::any_of(kept_.begin(), kept_.end(), [&](const Spilled& each) {
             const auto name = spill::FileName::read(each.file);
             return name && name->number == number;
           });
  }
  /// It does not wait any more; says whose loads may go on.
  std::vector<std::string> settle(std::string_view file) {
    const auto at = std::find_if(waiting_.begin(), waiting_.end(),
                                 [&](const Waiting& each) { return each.file == file; });
    if (at == waiting_.end()) return {};
    std::vector<std::string> keys = std::move(at->keys);
    followers_ -= at->follows != 0 ? 1U : 0U;
    waiting_.erase(at);
    for (const std::string& key : keys)
      if (const auto count = keys_.find(key); --count->second == 0) keys_.erase(count);
    return keys;
  }
  void keep(Spilled entry) { kept_.push_back(std::move(entry)); }

  TimePoint next_try = TimePoint::max();
  std::uint32_t failures = 0;

 private:
  void meet(const spill::FileName& name) {
    const auto entry = journal_->read(name.text());
    Spilled found{Spilled::State::unreadable, name.text(), {}, {}, Error(Errc{})};
    if (!entry) {
      found.why = entry.error();
      if (name.end == spill::FileName::partial)
        found.why = Error(Errc::corrupt, "the process ended while it wrote the entry");
      return keep(std::move(found));
    }
    found.at = entry->at;
    found.keys = entry->keys_in(self_);
    if (entry->stores[0].name != self_.name || entry->stores[0].birth != self_.birth) {
      found.state = Spilled::State::foreign;
      found.keys.clear();
      for (const spill::Part& part : entry->parts)
        found.keys.push_back(part.key);
      found.why = Error(Errc::refused, "it is of another database, which had a store of this name");
    } else if (entry->kind == spill::Kind::quarantined) {
      found.state = Spilled::State::quarantined;
      found.why = Error(Errc::invalid, entry->why);
    } else if (name.end == spill::FileName::refused) {
      found.state = Spilled::State::refused;
      found.why = Error(Errc::fenced, "it was refused when it was sent again");
    } else if (entry->follows >= name.number) {  // it would wait for ever
      found.why = Error(Errc::corrupt, "it says that it follows itself, or one behind it");
    } else {
      return wait_for({found.file, std::move(found.keys), found.at, entry->follows});
    }
    keep(std::move(found));
  }

  StoreInfo self_;
  Error error_{Errc{}};
  std::optional<spill::Journal<>> journal_;
  std::deque<Waiting> waiting_;                           ///< as they were written
  std::size_t followers_ = 0;                             ///< among them
  std::map<std::string, std::size_t, std::less<>> keys_;  ///< and how many entries wait with each
  std::vector<Spilled> kept_;
};

}  // namespace persist::inline PERSIST_ABI
