#pragma once

#include <persist/backend/concept.hpp>

#include <persistctl/facts.hpp>
#include <persistctl/store.hpp>

#include <ostream>
#include <span>
#include <string>
#include <utility>
#include <vector>

// Writes a store as JSON Lines.

namespace persistctl {

struct ExportOptions {
  bool all = false;  ///< what the library keeps beside the data too
};

struct ExportReport {
  std::size_t records = 0;
  std::vector<Error> unreadable;  ///< records that were left out, each with its key
};

/// One line of an export.
template <persist::record_backend Backend>
[[nodiscard]] Result<void> export_line(Backend& backend, const OpenedStore& store,
                                       const persist::ReadRequest& record, bool all, Buffer& out) {
  auto data = decode_data(backend, store, record.key, record.record.data);
  if (!data) return data.error();
  Facts line{{"key", record.key}, {"value", *std::move(data)}};
  if (all) {
    auto beside = facts_beside(record);
    if (!beside) return beside.error();
    std::move(beside->begin(), beside->end(), std::back_inserter(line));
  }
  if (auto written = write_facts(line, out, persist::codec::JsonStyle::compact); !written)
    return written;
  out.append("\n");
  return success;
}

/// Writes `{"key": …, "value": …}` a line for every record with data, in order of their keys.
///
/// A record that cannot be read or said in JSON is left out and reported; the others are written.
/// `io` when `out` takes no more. The keys of the store are held in memory, the records a batch at
/// a time. A record that is erased meanwhile is passed over.
template <persist::record_backend Backend>
[[nodiscard]] Result<ExportReport> export_store(Backend& backend, const OpenedStore& store,
                                                std::ostream& out, ExportOptions options = {}) {
  const auto keys = all_keys(backend, store);
  if (!keys) return keys.error();
  ExportReport report;
  Buffer text;
  std::vector<persist::ReadRequest> batch;
  for (std::size_t i = 0; i < keys->size();) {
    batch.clear();
    for (; i < keys->size() && batch.size() < batch_records; ++i)
      batch.push_back({.store = store.id, .key = (*keys)[i]});
    backend.read(batch);
    text.clear();
    for (const persist::ReadRequest& record : batch) {
      if (!failed(record.error) && !record.record.has_data) continue;
      const Result<void> line = failed(record.error)
                                    ? Result<void>(record.error)
                                    : export_line(backend, store, record, options.all, text);
      if (line)
        ++report.records;
      else
        report.unreadable.push_back(Error(line.error()).for_key(record.key));
    }
    const std::string_view lines = as_text(text);
    if (!out.write(lines.data(), static_cast<std::streamsize>(lines.size())))
      return Error(Errc::io, "the export could not be written on; it is not whole");
  }
  if (!out.flush()) return Error(Errc::io, "the export could not be written; it is not whole");
  return report;
}

}  // namespace persistctl
