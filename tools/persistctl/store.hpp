#pragma once

#include <persist/record/key_hash.hpp>
#include <persist/store/pieces.hpp>

#include <persistctl/words.hpp>

#include <algorithm>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// Which store of a backend a command works on, and what lies in it.

namespace persistctl {

/// A store that was opened under its own lock kind, whatever that is.
struct OpenedStore {
  std::string name;
  persist::StoreId id;
  persist::Hash128 birth;
  WallTime now{};
};

/// Opens the store of that name; without a name the only one there is.
///
/// `not_found` names the stores that are there. With `make` a named store that is not there is
/// made, for a game that locks by leases; `invalid` where no game could open one of that name.
template <class Backend>
[[nodiscard]] Result<OpenedStore> open_store(Backend& backend, std::string_view name,
                                             bool make = false) {
  if (auto open = backend.status(); !open) return open.error();
  if (make && !name.empty())
    if (auto named = persist::check_store_name(name); !named) return named.error();
  auto stores = backend.stores();
  const bool asks_for_pieces = name.ends_with(persist::pieces_suffix);
  std::erase_if(stores, [&](const auto& store) {
    return !asks_for_pieces && store.name.ends_with(persist::pieces_suffix);
  });
  std::string names;
  for (const auto& store : stores)
    names += (names.empty() ? "" : ", ") + store.name;
  if (name.empty() && stores.size() != 1)
    return Error(Errc::not_found,
                 stores.empty() ? "there is no store"
                                : "there are several stores, say which, with --store or behind the "
                                  "# of a URI: " +
                                      names);
  persist::OpenStoreRequest request;
  request.name = name.empty() ? std::string_view(stores.front().name) : name;
  const auto found = std::find_if(stores.begin(), stores.end(),
                                  [&](const auto& store) { return store.name == request.name; });
  if (found == stores.end() && !make)
    return Error(Errc::not_found,
                 "there is no store \"" + std::string(name) +
                     (names.empty() ? "\": there is none at all" : "\"; there are: " + names));
  if (found != stores.end()) request.lock = found->lock;
  backend.open_store(std::span(&request, 1));
  if (failed(request.error)) return request.error;
  return OpenedStore{std::string(request.name), request.store, request.birth, request.now};
}

/// The keys of all records with data, in order of their bytes. Holds all of them in memory.
template <class Backend>
[[nodiscard]] Result<std::vector<std::string>> all_keys(Backend& backend,
                                                        const OpenedStore& store) {
  std::vector<std::string> keys;
  persist::ScanRequest page;
  page.store = store.id;
  do {
    page.keys.clear();
    backend.scan(std::span(&page, 1));
    if (failed(page.error)) return page.error;
    keys.insert(keys.end(), page.keys.begin(), page.keys.end());
    page.after = page.next;
  } while (!page.done);
  std::sort(keys.begin(), keys.end());
  return keys;
}

/// The record that lies in pieces beside the store, as it was before it was split. `corrupt` where
/// one is not there; `too_large` above 64 MiB.
template <class Backend>
[[nodiscard]] Result<Buffer> joined_record(Backend& backend, const OpenedStore& store,
                                           std::string_view key) {
  const std::string beside = store.name + std::string(persist::pieces_suffix);
  const auto pieces = open_store(backend, beside);
  if (!pieces) {
    return Error(Errc::corrupt, "the record lies in pieces, and there is no store of them: " +
                                    std::string(pieces.error().detail()));
  }
  auto record = persist::pieces::look(backend, store.id, key, true);
  if (!record) return record.error();
  persist::Snapshot& found = record->record;
  found.pieces_in = pieces->id;
  found.needed = persist::key_hash(store.birth, key);
  constexpr std::size_t most = std::size_t{64} << 20;
  const auto whole = persist::pieces::read(backend, store.id, key, most, found);
  if (!whole) return whole.error();
  return std::move(found.data);
}

/// Whether there is anything that may not be taken for a new record: saved data, or somebody who
/// will save some.
[[nodiscard]] inline bool is_there(const persist::ReadRequest& record) noexcept {
  return record.found && (record.record.has_data || record.held);
}

/// How many records one call to the backend carries: enough that a sync is shared by many, few
/// enough that memory does not grow with the store.
inline constexpr std::size_t batch_records = 256;

}  // namespace persistctl
