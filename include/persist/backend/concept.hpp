#pragma once

#include <persist/record/requests.hpp>
#include <persist/record/wake.hpp>
#include <persist/result.hpp>

#include <concepts>
#include <cstddef>
#include <limits>
#include <memory>
#include <span>

// What a backend must be. A backend object is a handle: cheap to copy, copies share one open
// database, any thread may call it. What each operation means, in short: a record is changed
// by nothing but `commit` under the newest fence, `post`, `relay` and `erase`; the laws
// in testing/laws/backend.hpp say it in tests.
//
// Models: backend::Memory (the reference), backend::File, backend::Kv<Map>; adapters:
// backend::Sqlite, backend::Postgres.

namespace persist::inline PERSIST_ABI {

// One atom per operation, so that the compiler names the one that is missing.
template <class B>
concept is_a_shared_handle = std::copy_constructible<B> && requires(const B& a, const B& b) {
  { a.same_database(b) } -> std::same_as<bool>;
  { a.status() } -> std::same_as<Result<void>>;
};
template <class B>
concept names_owners = requires(B& b, ServerId server) {
  { b.next_owner(server) } -> std::same_as<Owner>;
};
template <class B>
concept opens_stores = requires(B& b, std::span<OpenStoreRequest> batch) {
  { b.open_store(batch) } -> std::same_as<void>;
};
template <class B>
concept acquires_leases = requires(B& b, std::span<AcquireRequest> batch) {
  { b.acquire(batch) } -> std::same_as<void>;
};
template <class B>
concept commits_changes = requires(B& b, std::span<CommitRequest> batch) {
  { b.commit(batch) } -> std::same_as<void>;
};
template <class B>
concept reads_records = requires(B& b, std::span<ReadRequest> batch) {
  { b.read(batch) } -> std::same_as<void>;
};
template <class B>
concept posts_messages = requires(B& b, std::span<PostRequest> batch) {
  { b.post(batch) } -> std::same_as<void>;
};
template <class B>
concept relays_messages = requires(B& b, std::span<RelayRequest> batch) {
  { b.relay(batch) } -> std::same_as<void>;
};
template <class B>
concept erases_records = requires(B& b, std::span<EraseRequest> batch) {
  { b.erase(batch) } -> std::same_as<void>;
};
template <class B>
concept record_backend = is_a_shared_handle<B> && names_owners<B> && opens_stores<B> &&
                         acquires_leases<B> && commits_changes<B> && reads_records<B> &&
                         posts_messages<B> && relays_messages<B> && erases_records<B>;

/// Names the keys that have data, in pages. What cannot has no `scan` and no `for_each`.
template <class B>
concept scans_keys = requires(B& b, std::span<ScanRequest> batch) {
  { b.scan(batch) } -> std::same_as<void>;
};

/// A commit may hold changes of several records, all or nothing. A backend says so with
/// `static constexpr bool is_transactional = true`.
template <class B>
concept transactional_backend = record_backend<B> && B::is_transactional;

/// Keeps older states of a record's data (`Change::history`) and reads them. A backend says so with
/// `static constexpr bool keeps_history = true`.
template <class B>
concept versioned_backend = record_backend<B> && requires { requires B::keeps_history; };

/// Can wake a store early. The queue is held weakly: a store that is gone is forgotten.
template <class B>
concept watched_backend = requires(B& b, StoreId store, std::weak_ptr<WakeQueue> queue) {
  { b.watch(store, queue) } -> std::same_as<void>;
};

/// Keeps what records of one shape have in common once for all of them (`codec::SharedPacked`): in
/// the commit that first needs it, for as long as the store is there, in every copy.
template <class B>
concept holds_schemas = requires(B& b, std::span<SchemaRequest> batch) {
  { b.read_schemas(batch) } -> std::same_as<void>;
};

/// Keeps ordered indexes beside a store's records: the entries that a commit brings, and an entry
/// for each user id of a record. Both change in the commit that changes the record, and go with it.
template <class B>
concept queries_indexes = requires(B& b, std::span<IndexRequest> batch) {
  { b.query(batch) } -> std::same_as<void>;
};

/// Whether the backend says itself when a lease has run out. One that has no clock of its own says
/// `static constexpr bool judges_leases = false` and answers `held` until a record is given back;
/// then a load watches: a holder of whom nothing was heard for its lease and a tenth more, by the
/// loader's clock, is taken over from.
template <class B>
inline constexpr bool judges_leases = true;
template <class B>
  requires requires { B::judges_leases; }
inline constexpr bool judges_leases<B> = B::judges_leases;

/// Takes no more than so many bytes as the data of one record. A store sends nothing larger:
/// `too_large`, or in pieces (`codec::Chunked`). It may be asked at any time, on any thread, and
/// says the same each time.
template <class B>
concept limits_data = requires(const B& b) {
  { b.largest_data() } -> std::same_as<std::size_t>;
};

/// What the backend takes, where it says so.
template <class B>
[[nodiscard]] std::size_t largest_data([[maybe_unused]] const B& backend) noexcept {
  if constexpr (limits_data<B>)
    return backend.largest_data();
  else
    return (std::numeric_limits<std::size_t>::max)();
}

}  // namespace persist::inline PERSIST_ABI
