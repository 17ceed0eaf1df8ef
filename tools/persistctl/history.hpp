#pragma once

#include <persist/backend/concept.hpp>
#include <persist/schema/value/diff.hpp>

#include <persistctl/facts.hpp>
#include <persistctl/show.hpp>
#include <persistctl/store.hpp>

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <ostream>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// Older states of a record, which its game keeps (StoreOptions::history): which there are, what
// became of one, and going back to one.

namespace persistctl {

/// Reads a record with the list of its older states, and the data of one; 0: what is there now.
/// `not_found` says which are kept. `unsupported` for a state that lay in pieces: those are not
/// kept.
template <persist::record_backend Backend>
[[nodiscard]] Result<persist::ReadRequest> read_version(Backend& backend, const OpenedStore& store,
                                                        std::string_view key,
                                                        std::uint64_t version) {
  persist::ReadRequest record{
      .store = store.id, .key = key, .version = version, .wants_versions = true};
  backend.read(std::span(&record, 1));
  if (failed(record.error)) return Error(record.error).for_key(key);
  if (!record.found || (version == 0 && !record.record.has_data && record.versions.empty()))
    return Error(Errc::not_found, "there is no such record in the store " + store.name)
        .for_key(key);
  if (version != 0 && persist::codec::chunked::is_split(record.record.data))
    return Error(Errc::unsupported, "this state lay in pieces, which are not kept").for_key(key);
  return record;
}

/// A version as it is typed: a whole number from 1 on.
[[nodiscard]] inline Result<std::uint64_t> version_of(std::string_view text) {
  std::uint64_t version = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), version);
  if (error == std::errc{} && end == text.data() + text.size() && version != 0) return version;
  return Error(Errc::invalid, "say which version: a whole number from 1 on" +
                                  (text.empty() ? std::string() : ", not " + std::string(text)));
}

/// Writes each state that there is of a record as a line of JSON, newest first; `replaced` is null
/// for what is there now. Returns how many; `not_found`.
template <persist::record_backend Backend>
[[nodiscard]] Result<std::size_t> list_history(Backend& backend, const OpenedStore& store,
                                               std::string_view key, std::ostream& out) {
  const auto read = read_version(backend, store, key, 0);
  if (!read) return read.error();
  std::vector<persist::KeptVersion> all = read->versions;
  const persist::Snapshot& now = read->record;
  if (now.has_data)
    all.insert(all.begin(), {now.version, now.updated, WallTime{},
                             persist::codec::chunked::stored_size(now.data)});
  Buffer text;
  for (const persist::KeptVersion& each : all) {
    const Facts facts{{"version", each.version},
                      {"written", time_text(each.at)},
                      {"replaced", time_text(each.until)},
                      {"bytes", each.bytes}};
    if (auto written = write_facts(facts, text, persist::codec::JsonStyle::compact); !written)
      return written.error();
    text.push(std::byte{'\n'});
  }
  out << as_text(text);
  if (!out.flush()) return Error(Errc::io, "the list could not be written");
  return all.size();
}

/// What changes one state into another, as a JSON Patch (RFC 6902) for people; 0 is what is there
/// now. Of what the records hold, whatever their type: a member that a migration will rename is
/// another one here.
template <persist::record_backend Backend>
[[nodiscard]] Result<std::string> diff_versions(Backend& backend, const OpenedStore& store,
                                                std::string_view key, std::uint64_t from,
                                                std::uint64_t to) {
  const auto value_of = [&](std::uint64_t version) -> Result<Value> {
    const auto read = read_version(backend, store, key, version);
    if (!read) return read.error();
    if (!read->record.has_data)
      return Error(Errc::not_found, "the record has no data now").for_key(key);
    return decode_data(backend, store, key, read->record.data);
  };
  const auto before = value_of(from);
  if (!before) return before.error();
  const auto after = value_of(to);
  if (!after) return after.error();
  auto text = persist::to_json(persist::diff(*before, *after));
  return text ? *std::move(text) + "\n" : std::move(text);
}

struct Restored {
  persist::Owner before;      ///< who had the record; nobody if it was free
  std::uint64_t version = 0;  ///< under which the older state is there now
  std::uint64_t undo = 0;     ///< the version that it replaced; 0: there was no data
};

/// Makes an older state the data of its record, byte by byte: its game migrates it as any old
/// record. Whoever has the record loses it. All that was kept stays, and what is replaced is kept
/// too; what the game's rule says holds again from its next save on. Reads nothing of the data that
/// is there, so a record that cannot be read any more is mended this way. What the boards of
/// the game make of the data only the game knows: the record is in none until its next save.
///
/// `not_found`; `corrupt`, `unsupported` for a state that cannot be read; `fenced` if somebody
/// wrote or took the record meanwhile: try again.
template <persist::versioned_backend Backend>
[[nodiscard]] Result<Restored> restore_version(Backend& backend, const OpenedStore& store,
                                               std::string_view key, std::uint64_t version) {
  auto old = read_version(backend, store, key, version);
  if (!old) return old.error();
  persist::ReadRequest now{.store = store.id, .key = key, .wants_data = false};
  backend.read(std::span(&now, 1));
  if (failed(now.error)) return Error(now.error).for_key(key);
  const persist::HistoryRule all{.keep = old->versions.size() + 1,
                                 .bytes = (std::numeric_limits<std::uint64_t>::max)()};
  persist::Change change;
  change.store = store.id;
  change.key = key;
  change.fence = {now.record.fence.epoch, backend.next_owner(persist::ServerId("persistctl")), 1};
  change.claims = persist::Claims::anyway;
  change.seen_version = now.record.version;
  change.data = &old->record.data;
  const persist::Buffer in_no_board;
  change.indexed = &in_no_board;
  change.history = &all;
  change.load_count = now.record.load_count;  // nobody loaded it
  change.lease = persist::LeaseChange::release;
  persist::CommitRequest commit{.changes = std::span(&change, 1)};
  backend.commit(std::span(&commit, 1));
  if (commit.outcome == persist::CommitRequest::Outcome::failed)
    return Error(commit.error).for_key(key);
  if (commit.outcome != persist::CommitRequest::Outcome::applied)
    return Error(Errc::fenced, "somebody wrote to it or took it meanwhile: try again").for_key(key);
  return Restored{now.record.fence.owner, change.version,
                  now.record.has_data ? now.record.version : 0};
}

}  // namespace persistctl
