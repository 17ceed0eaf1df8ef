#pragma once

#include <persist/backend/file/database.hpp>

#include <algorithm>

// What readers ask of an open folder: answered from what is published, beside the writers.

namespace persist::inline PERSIST_ABI::backend::file {

template <class Files>
void Database<Files>::read(ReadRequest& request) const {
  // A segment may be emptied and removed between the look at the index and the read of the bytes:
  // then the index says where they are now.
  for (int attempt = 0; attempt < 100; ++attempt) {
    Staged copy;
    {
      const std::shared_lock hold(state_);
      if (request.store.index >= index_.stores.size()) {
        request.error = Error(Errc::invalid, "this database has no such store");
        return;
      }
      const Record* record = index_.stores[request.store.index].find(request.key);
      request.found = record != nullptr;
      if (record != nullptr) copy.record = *record;
    }
    request.record.now = clock_.wall();
    if (!request.found) return;
    copy.key = request.key;
    const Head& head = copy.record.head;
    const Extra& extra = copy.record.more();
    const TimePoint now = clock_.now();
    request.held = head.leased_at(now);
    request.holder = held_by(head, now);
    request.inbox_messages = extra.inbox_messages;
    request.inbox_bytes = extra.inbox_bytes;
    request.outbox_messages = extra.outbox_messages;
    const bool wants_now = request.version == 0 || request.version == head.version;
    auto filled = parts_.snapshot(copy, request.wants_data && wants_now, request.record);
    if (filled) filled = parts_.older(copy, request);
    if (filled && request.wants_inbox) filled = parts_.inbox(copy);
    if (filled && request.wants_inbox) request.record.inbox = std::move(copy.inbox->messages);
    if (filled) return;
    request.error = filled.error();
    if (!filled.is(Errc::not_found)) return;
    request.error = Error(Errc{});
  }
  request.error = Error(Errc::unavailable, "the record's bytes were moved again and again");
}

template <class Files>
void Database<Files>::list_waiting(RelayRequest& request) const {
  std::vector<std::string> keys;
  std::vector<Record> records;
  request.now = clock_.wall();
  {
    const std::shared_lock hold(state_);
    if (request.store.index >= index_.stores.size()) {
      request.error = Error(Errc::invalid, "this database has no such store");
      return;
    }
    const StoreState& store = index_.stores[request.store.index];
    for (auto key = store.relaying.upper_bound(request.after);
         key != store.relaying.end() && keys.size() < request.most; ++key) {
      keys.push_back(*key);
      records.push_back(*store.find(*key));
    }
  }
  for (std::size_t i = 0; i < keys.size(); ++i) {
    Staged copy;
    copy.key = keys[i];
    copy.record = std::move(records[i]);
    const auto loaded = parts_.outbox(copy);
    if (loaded)
      request.waiting.push_back({std::move(keys[i]), std::move(copy.outbox->messages)});
    else if (!loaded.is(Errc::not_found))  // moved meanwhile: it is listed the next time
      request.error = loaded.error();
  }
}

template <class Files>
void Database<Files>::scan(ScanRequest& request) const {
  const std::shared_lock hold(state_);
  if (request.store.index >= index_.stores.size()) {
    request.error = Error(Errc::invalid, "this database has no such store");
    return;
  }
  const std::size_t most = (std::max)(request.most, std::size_t{1});
  std::set<std::string_view> page;
  const std::string_view after = request.after;
  for (const auto& [name, record] : index_.stores[request.store.index].records) {
    const std::string_view key = name;
    const bool is_meant =
        request.of_inboxes ? record.more().inbox_messages != 0 : record.has_data();
    if (!is_meant || key <= after) continue;
    if (page.size() == most && key > *page.rbegin()) continue;
    page.insert(key);
    if (page.size() > most) page.erase(std::prev(page.end()));
  }
  request.keys.assign(page.begin(), page.end());
  request.next = request.keys.empty() ? request.after : request.keys.back();
  request.done = page.size() < most;
}

}  // namespace persist::inline PERSIST_ABI::backend::file
