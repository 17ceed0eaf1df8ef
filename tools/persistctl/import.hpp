#pragma once

#include <persist/codec/cbor.hpp>
#include <persist/codec/record.hpp>
#include <persist/record/mailbox.hpp>

#include <persistctl/import_batch.hpp>
#include <persistctl/lines.hpp>

#include <istream>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

// Takes the export of another system into a store. The file is read twice: first it is checked
// whole, so that a broken line is found before anything is written; then it is written in batches.

namespace persistctl {

/// One import into one store of a backend. It keeps the keys of the file in memory, and of its
/// records a batch.
template <persist::record_backend Backend>
class Import {
 public:
  Import(Backend backend, OpenedStore store, ImportOptions options)
      : backend_(std::move(backend)), store_(std::move(store)), options_(std::move(options)) {}

  /// Imports all of `in`, which must be able to go back to where it stands; `name` is for messages.
  ///
  /// Errors name the line. `corrupt`, `schema_mismatch`, `invalid`, `too_large`, and with
  /// `OnConflict::fail` `refused`: nothing was written. `locked`, `fenced`, `io` and what else a
  /// backend says may come half-way; `report()` tells how far it came. A batch costs two syncs.
  [[nodiscard]] Result<void> run(std::istream& in, std::string_view name);
  [[nodiscard]] const ImportReport& report() const noexcept { return report_; }

 private:
  /// Those of the file: with the line of each, and in the order of the lines.
  struct Keys {
    std::unordered_map<std::string, std::size_t> lines;
    std::vector<const std::pair<const std::string, std::size_t>*> in_order;
  };

  [[nodiscard]] Result<ImportItem> prepare(const Lines& line) const;
  [[nodiscard]] Result<void> check(Lines lines, std::string_view name);
  [[nodiscard]] Result<void> check_free(const Keys& keys, std::string_view name);

  Backend backend_;
  OpenedStore store_;
  ImportOptions options_;
  ImportReport report_;
};

/// The second reading prepares each line again, so a file that was changed meanwhile is refused at
/// its line like any other, if half-way.
template <persist::record_backend Backend>
Result<void> Import<Backend>::run(std::istream& in, std::string_view name) {
  const auto begin = in.tellg();
  if (begin == std::istream::pos_type(-1))
    return Error(Errc::invalid, std::string(name) + " is read twice: give a file, not a pipe");
  if (auto checked = check(Lines(in, std::string(name)), name); !checked) return checked;
  in.clear();
  in.seekg(begin);
  Lines lines(in, std::string(name));
  ImportBatch batch(backend_, store_, options_, report_);
  ImportItems items;
  std::size_t bytes = 0;
  constexpr std::size_t batch_bytes = std::size_t{8} << 20;
  for (;;) {
    const auto more = lines.next();
    if (!more) return more.error();
    if (*more) {
      auto item = prepare(lines);
      if (!item) return item.error();
      bytes += item->data.size();
      items.push_back(*std::move(item));
    }
    if (!*more || items.size() == batch_records || bytes >= batch_bytes) {
      if (auto written = batch.write(std::exchange(items, {})); !written) return written;
      bytes = 0;
    }
    if (!*more) return success;
  }
}

/// Reads a line and encodes what is in it: what cannot be written is found before anything is.
template <persist::record_backend Backend>
Result<ImportItem> Import<Backend>::prepare(const Lines& line) const {
  auto profile = options_.read(line.text());
  if (!profile) return line.error(profile.error().code(), without_code(profile.error()));
  ImportItem item;
  item.profile = *std::move(profile);
  item.place = line.place();
  using persist::codec::Cbor, persist::schema::NoPolicy;
  // A build of a lower schema version than the data was shaped for must not read it.
  auto version = item.profile.version.value_or(persist::codec::RecordVersion{});
  if (const auto given = options_.schema_version) version = {*given, *given};
  persist::UnknownFields none;
  const auto encode = [&]<class Codec>(Codec) {
    return persist::codec::encode_record<Codec, NoPolicy>(item.profile.data, none, version,
                                                          item.data);
  };
  if (auto done = with_codec(options_.codec, encode); !done) return item.error(done.error());
  constexpr std::size_t most = persist::RecordLimits{}.record_bytes;
  if (item.data.size() > most)
    return item.error({Errc::too_large, "the record takes " + std::to_string(item.data.size()) +
                                            " bytes, more than " + std::to_string(most)});
  if (!item.profile.metadata.is_null())
    if (auto done = Cbor::encode<NoPolicy>(item.profile.metadata, item.metadata); !done)
      return item.error(done.error());
  const std::size_t users = item.profile.user_ids ? item.profile.user_ids->size() : 0;
  if (const std::size_t beside = persist::beside_cost(users, item.metadata.size()); beside > most)
    return item.error({Errc::too_large, "user ids and metadata take " + std::to_string(beside) +
                                            " bytes, more than " + std::to_string(most)});
  if (!item.profile.messages.empty() && options_.message_type.empty())
    return item.error(
        {Errc::invalid,
         "there are messages that nobody has processed: say what the game calls them, "
         "--as-message TYPE"});
  std::size_t waiting = 0;
  for (const ProfileMessage& message : item.profile.messages) {
    Buffer& payload = item.messages.emplace_back();
    if (auto done = Cbor::encode<NoPolicy>(message.content, payload); !done)
      return item.error(done.error());
    waiting +=
        persist::inbox_cost({options_.message_type, persist::codec::cbor_id, 0, {}, payload});
  }
  constexpr persist::RecordLimits limits = import_limits();
  if (item.messages.size() > limits.inbox_messages || waiting > limits.inbox_bytes)
    return item.error({Errc::too_large, "more messages wait than an inbox takes: " +
                                            std::to_string(limits.inbox_messages) + ", in all " +
                                            std::to_string(limits.inbox_bytes) + " bytes"});
  return item;
}

/// The first reading: finds every mistake that can be found without writing.
template <persist::record_backend Backend>
Result<void> Import<Backend>::check(Lines lines, std::string_view name) {
  Keys keys;
  for (;;) {
    const auto more = lines.next();
    if (!more) return more.error();
    if (!*more) break;
    auto item = prepare(lines);
    if (!item) return item.error();
    const auto [there, is_new] = keys.lines.emplace(item->profile.key, lines.number());
    if (!is_new)
      return lines.error(Errc::invalid, "the key " + there->first + " stands in line " +
                                            std::to_string(there->second) +
                                            " too: which of the two counts?");
    keys.in_order.push_back(&*there);
  }
  return options_.on_conflict == OnConflict::fail ? check_free(keys, name) : Result<void>(success);
}

/// For `OnConflict::fail`: refuses if a record of the file is there, naming the first of them.
template <persist::record_backend Backend>
Result<void> Import<Backend>::check_free(const Keys& keys, std::string_view name) {
  std::size_t count = 0;
  std::string first;
  for (std::size_t i = 0; i < keys.in_order.size();) {
    const std::size_t begin = i;
    std::vector<persist::ReadRequest> batch;
    for (; i < keys.in_order.size() && batch.size() < batch_records; ++i)
      batch.push_back({.store = store_.id, .key = keys.in_order[i]->first, .wants_data = false});
    backend_.read(batch);
    for (std::size_t at = 0; at < batch.size(); ++at) {
      if (failed(batch[at].error)) return Error(batch[at].error).for_key(batch[at].key);
      if (!is_there(batch[at]) || count++ != 0) continue;
      const auto& [key, line] = *keys.in_order[begin + at];
      first = std::string(name) + ":" + std::to_string(line) + ": " + key;
    }
  }
  if (count == 0) return success;
  return Error(Errc::refused, first + " is in the store already, one of " + std::to_string(count) +
                                  "; nothing was imported: choose --on-conflict skip or replace");
}

}  // namespace persistctl
