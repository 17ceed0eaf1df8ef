#pragma once

#include <persist/backend/concept.hpp>
#include <persist/codec/chunked.hpp>
#include <persist/spill/journal.hpp>
#include <persist/store/round.hpp>
#include <persist/store/spill.hpp>

#include <persistctl/facts.hpp>
#include <persistctl/show.hpp>

#include <ostream>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// The entries of a spill folder (doc/spill.md): what a person looks at, sends by hand, or drops.

namespace persistctl {

using persist::detail::os::Files;
namespace spill = persist::spill;

/// What a store would do with an entry at its next start.
[[nodiscard]] inline std::string_view state_of(const spill::FileName& name,
                                               const Result<spill::Entry>& entry) {
  if (!entry) return "unreadable";
  if (entry->kind == spill::Kind::quarantined) return "quarantined";
  return name.end == spill::FileName::refused ? "refused" : "waits";
}

/// Writes a line for each entry, of all stores or of one; between tabs: file, state, store, keys
/// (a space between), bytes of data, time, reason. The first that cannot be read is the error, and
/// is listed all the same. `io`.
[[nodiscard]] inline Result<std::size_t> list_spilled(const std::string& folder,
                                                      std::string_view store, std::ostream& out) {
  const Files files;
  const auto names = spill::list_entries(
      files, folder, store.empty() ? std::string() : spill::FileName::prefix_of(store));
  if (!names) return names.error();
  std::optional<Error> unreadable;
  for (const spill::FileName& name : *names) {
    const auto entry = spill::read_entry(files, spill::path_in(folder, name.text()));
    out << name.text() << '\t' << state_of(name, entry) << '\t';
    if (!entry) {
      out << "-\t-\t-\t-\t" << printable(entry.error().message()) << '\n';
      if (!unreadable) unreadable = entry.error();
      continue;
    }
    std::string keys;
    for (const spill::Part& part : entry->parts)
      keys += (keys.empty() ? "" : " ") + printable(part.key);
    const Value at = time_text(entry->at);
    out << printable(entry->stores[0].name) << '\t' << keys << '\t' << entry->data_bytes() << '\t'
        << (at.is_text() ? *at.get_if<std::string>() : "-") << '\t' << printable(entry->why)
        << '\n';
  }
  if (!out.flush()) return Error(Errc::io, "the list could not be written");
  if (unreadable) return *unreadable;
  return names->size();
}

/// An entry by the name of its file. `invalid` for what is no such name, `not_found`, and what
/// reading says.
struct NamedEntry {
  spill::FileName name;
  spill::Entry entry;
};
[[nodiscard]] inline Result<NamedEntry> find_spilled(const std::string& folder,
                                                     const std::string& file) {
  const auto name = spill::FileName::read(file);
  if (!name || file.find('/') != file.npos)
    return Error(Errc::invalid,
                 "this is not the name of an entry, as spill list shows it: " + file);
  auto entry = spill::read_entry(Files(), spill::path_in(folder, file));
  if (!entry && entry.error().os_error() == ENOENT)
    return Error(Errc::not_found, "there is no entry " + file + " in " + folder);
  if (!entry) return entry.error();
  return NamedEntry{*name, *std::move(entry)};
}

/// The data of one record of an entry.
[[nodiscard]] inline Result<Value> decode_part(const spill::Part& part) {
  ByteView stored = *part.data;
  Buffer joined;
  if (persist::codec::chunked::is_split(stored)) {
    const auto stub = persist::codec::chunked::read_stub(stored);
    if (!stub) return stub.error();
    std::vector<ByteView> pieces;
    if (part.pieces)
      for (const Buffer& piece : part.pieces->parts)
        pieces.push_back(piece.view());
    if (auto done = persist::codec::chunked::join(*stub, pieces, joined); !done)
      return done.error();
    stored = joined;
  }
  return decode_whole(part.key, stored, [&](const persist::Hash128& id) -> Result<Buffer> {
    if (part.schema && part.schema_id == id) return *part.schema;
    return persist::unknown_schema(id);
  });
}

/// `invalid` where an entry that this one follows is still in the folder.
[[nodiscard]] inline Result<void> comes_first(const std::string& folder, const NamedEntry& of) {
  const auto names = spill::list_entries(Files(), folder, of.name.prefix);
  if (!names) return names.error();
  for (const spill::FileName& name : *names)
    if (of.entry.follows != 0 && name.number == of.entry.follows)
      return Error(Errc::invalid,
                   "it holds what was edited behind a commit of unknown outcome: "
                   "apply or drop that first: " +
                       name.text());
  return success;
}

[[nodiscard]] inline Value::Member lease_of(const spill::Part& part) {
  constexpr std::string_view names[] = {"kept", "renewed", "given back"};
  return {"lease", names[static_cast<std::uint8_t>(part.lease)]};
}

/// What an entry does to one record, as members of a JSON object.
[[nodiscard]] inline Result<Value> describe_part(const spill::Entry& entry,
                                                 const spill::Part& part) {
  Facts facts{{"store", entry.stores[part.store].name},
              {"key", part.key},
              {"epoch", part.fence.epoch},
              {"write_number", part.fence.write},
              {"owner", part.fence.owner.server.view()},
              lease_of(part)};
  if (part.removes_data) facts.push_back({"removes_data", true});
  if (part.user_ids)
    facts.push_back({"user_ids", Value::Array(part.user_ids->begin(), part.user_ids->end())});
  if (part.indexed) {
    Value boards = Value::map();
    (void)persist::each_index_entry(
        *part.indexed, [&](std::string_view name, std::int64_t value) { boards[name] = value; });
    facts.push_back({"indexes", std::move(boards)});
  }
  if (part.metadata) {
    auto read = decode_payload(persist::codec::cbor_id, *part.metadata);
    facts.push_back({"metadata", read ? *std::move(read) : Value(read.error().message())});
  }
  if (!part.acknowledged.empty()) facts.push_back({"messages_handled", part.acknowledged.size()});
  if (!part.receipts.empty()) facts.push_back({"receipts", part.receipts.size()});
  Value::Array sends;
  for (const persist::OutgoingMessage& message : part.sends)
    sends.push_back(Value::map({{"to", message.key}, {"type", message.type}}));
  if (!sends.empty()) facts.push_back({"messages_sent", std::move(sends)});
  if (part.data) {
    facts.push_back({"bytes", part.data->size()});
    auto value = decode_part(part);
    facts.push_back(value ? Facts::value_type{"value", *std::move(value)}
                          : Facts::value_type{"unreadable", value.error().message()});
  }
  return Value::map_of(std::move(facts));
}

/// All that an entry says, as JSON for people. Data that cannot be read is named as `unreadable`.
[[nodiscard]] inline Result<std::string> show_spilled(const NamedEntry& of) {
  const spill::Entry& entry = of.entry;
  Value::Array records;
  for (const spill::Part& part : entry.parts) {
    auto record = describe_part(entry, part);
    if (!record) return record.error();
    records.push_back(*std::move(record));
  }
  const Facts facts{{"file", of.name.text()},       {"state", state_of(of.name, entry)},
                    {"at", time_text(entry.at)},    {"follows", entry.follows},
                    {"server", entry.server},       {"why", entry.why},
                    {"records", std::move(records)}};
  Buffer text;
  if (auto written = write_facts(facts, text, persist::codec::JsonStyle::pretty); !written)
    return written.error();
  return std::string(as_text(text)) + "\n";
}

/// Takes the records of a commit from whoever has them, so that it is the newest: under other
/// numbers, and no load.
template <persist::record_backend Backend>
[[nodiscard]] Result<void> take_records(Backend& backend, persist::Flight& flight) {
  for (persist::Change& change : flight.changes) {
    persist::ReadRequest seen{.store = change.store, .key = change.key, .wants_data = false};
    backend.read(std::span(&seen, 1));
    if (failed(seen.error)) return Error(seen.error).for_key(change.key);
    persist::AcquireRequest take{.store = change.store,
                                 .key = change.key,
                                 .owner = backend.next_owner(persist::ServerId("persistctl")),
                                 .intent = persist::Intent::steal,
                                 .seen_epoch = seen.holder.epoch,
                                 .seen_renewals = seen.holder.renewals};
    backend.acquire(std::span(&take, 1));
    if (take.outcome == persist::AcquireRequest::Outcome::failed)
      return Error(take.error).for_key(change.key);
    if (take.outcome != persist::AcquireRequest::Outcome::taken)
      return Error(Errc::locked, "its holder renewed the lease just now: try again")
          .for_key(change.key);
    const persist::Fence& ours = take.record.fence;
    change.fence = {ours.epoch, ours.owner, ours.write + 1};
    change.load_count = take.record.load_count;
    change.lease = persist::LeaseChange::release;
  }
  // Its pieces are acquired anew, under the new owner.
  for (std::size_t i = 0; i < flight.size(); ++i)
    flight.cuts[i].split.known.epochs.clear();
  return success;
}

enum class Applied : std::uint8_t {
  now,
  before,  ///< it was there already
};

/// Sends an entry. By the fence, as a store would at its start: `fenced` where somebody wrote
/// since, `not_found` where the record was erased since. With `by_force` the records are taken
/// first and the entry is written over what they hold; only so is a quarantined one. `refused`
/// where the database is another one. Whatever fails leaves the entry; it is emptied where it is
/// sent.
template <persist::record_backend Backend>
[[nodiscard]] Result<Applied> apply_spilled(Backend& backend, NamedEntry of, bool by_force) {
  if (of.entry.kind == spill::Kind::quarantined && !by_force)
    return Error(Errc::invalid, "it was kept aside because a rule refused it (" + of.entry.why +
                                    "): look at it with spill show, and send it with --force");
  const auto stores = spill::find_stores(backend, of.entry);
  if (!stores) return stores.error();
  persist::Replay replay{of.name.text(), std::move(of.entry)};
  persist::Flight flight;
  const persist::RecordLimits limits;
  spill::fill(flight, replay, *stores, limits);
  if (by_force)
    if (auto taken = take_records(backend, flight); !taken) return taken.error();
  persist::perform(backend, flight);
  using Outcome = persist::CommitRequest::Outcome;
  const persist::CommitRequest& request = flight.request;
  if (request.outcome == Outcome::failed) return request.error;
  if (request.outcome == Outcome::applied) return Applied::now;
  if (request.outcome != Outcome::fenced || request.changes[request.culprit].landed)
    return Applied::before;
  const persist::Change& culprit = request.changes[request.culprit];
  if (culprit.erased)
    return Error(Errc::not_found,
                 "the record was erased since; --force would make it anew, spill drop forgets the "
                 "entry")
        .for_key(culprit.key);
  return Error(Errc::fenced,
               "somebody wrote to the record since; --force would write the entry over that")
      .for_key(culprit.key);
}

}  // namespace persistctl
