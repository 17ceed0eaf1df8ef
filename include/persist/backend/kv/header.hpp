#pragma once

#include <persist/backend/kv/database.hpp>

#include <string>
#include <utility>

// What is there once for all records of a store: its header, and schemas.

namespace persist::inline PERSIST_ABI::backend::kv {

/// Whoever is faster makes it.
template <compare_and_swap_map Map>
[[nodiscard]] Result<void> make_header(Database<Map>& db, const OpenStoreRequest& request) {
  const StoreInfo made{std::string(request.name),
                       request.lock,
                       {detail::os::random_bits(), detail::os::random_bits()}};
  const std::string name = header_name(base_of(request.name));
  const auto seen = db.map().get(name);
  if (!seen) return seen.error();
  if (!seen->value.empty()) return success;
  const auto swapped = db.map().compare_and_swap(name, seen->version, encode_header(made));
  return swapped ? Result<void>(success) : swapped.error();
}

template <compare_and_swap_map Map>
void open_store(Database<Map>& db, OpenStoreRequest& request) {
  request.now = db.wall();
  auto found = db.header(request.name);
  if (found && !*found && !request.expected_birth) {
    if (const auto made = make_header(db, request); !made) {
      request.error = made.error();
      return;
    }
    found = db.header(request.name);
  }
  if (!found) {
    request.error = found.error();
    return;
  }
  const std::string name(request.name);
  if (!*found) {
    request.error = Error(Errc::refused, "there is no store \"" + name +
                                             "\" where this connection knew one: its database was "
                                             "replaced");
    return;
  }
  const StoreInfo& header = **found;
  request.store = db.stores().id_of(request.name);
  const Hash128 known = db.stores().with(request.store, [&](KnownStore& all) {
    return all.is_known() ? all.birth : (all.birth = header.birth);
  });
  request.birth = header.birth;
  if (header.lock != request.lock)
    request.error =
        Error(Errc::invalid, "store \"" + name +
                                 "\" was made with another lock policy; open it with that one, or "
                                 "move its records to a store of another name");
  else if (known != header.birth || request.expected_birth.value_or(known) != known)
    request.error = Error(
        Errc::refused,
        "store \"" + name + "\" is not the one this connection knew: its database was replaced");
}

/// Whether the store holds what the data needs; it is put there where it was sent along. What lies
/// there is named by what it is, so it does no harm if the commit does not follow.
template <compare_and_swap_map Map>
[[nodiscard]] Result<void> hold_schema(Database<Map>& db, const Change& change) {
  const Hash128 id = change.schema->id;
  const auto is_held = [&](KnownStore& all) { return all.schemas.contains(id); };
  if (db.stores().with(change.store, is_held)) return success;
  const auto known = db.known(change.store);
  if (!known) return known.error();
  const std::string name = schema_name(known->base, id);
  const auto seen = db.map().get(name);
  if (!seen) return before_outcome(seen.error());
  if (seen->value.empty()) {
    if (Error refusal = refusal_of_schema(change); failed(refusal)) return refusal;
    const auto put =
        db.map().compare_and_swap(name, seen->version, encode_schema(change.schema->bytes));
    if (!put) return before_outcome(put.error());  // where it lost, another one put it there
  }
  db.stores().with(change.store, [&](KnownStore& all) { all.schemas.insert(id); });
  return success;
}

template <compare_and_swap_map Map>
void read_schema(Database<Map>& db, SchemaRequest& request) {
  const auto known = db.known(request.store);
  if (!known) {
    request.error = known.error();
    return;
  }
  const std::string name = schema_name(known->base, request.id);
  const auto got = db.map().get(name);
  if (!got) {
    request.error = got.error();
  } else if (got->value.empty()) {
    request.error = unknown_schema(request.id);
  } else if (const auto opened = open_value(got->value, name); !opened) {
    request.error = opened.error();
  } else if (opened->kind != ValueKind::schema || schema_id(opened->payload) != request.id) {
    request.error = damaged(name, "is no schema of that name");
  } else {
    request.bytes = Buffer(opened->payload);
  }
}

}  // namespace persist::inline PERSIST_ABI::backend::kv
