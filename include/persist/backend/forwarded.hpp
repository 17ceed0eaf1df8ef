#pragma once

#include <persist/backend/concept.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <utility>

// What decorators of a backend have in common.

namespace persist::inline PERSIST_ABI::backend {

/// What is asked of a backend. Never renumber: the numbers may be logged.
enum class Operation : std::uint8_t {
  open_store = 0,
  acquire = 1,
  commit = 2,
  read = 3,
  post = 4,
  relay = 5,
  erase = 6,
  scan = 7,
  read_schemas = 8,
  query = 9,
};
inline constexpr std::size_t operations = 10;

[[nodiscard]] constexpr std::string_view name(Operation operation) noexcept {
  constexpr std::string_view names[operations] = {"open_store",   "acquire", "commit", "read",
                                                  "post",         "relay",   "erase",  "scan",
                                                  "read_schemas", "query"};
  return names[static_cast<std::size_t>(operation)];
}

/// Whether there is no other answer to the request than an error.
template <class Request>
[[nodiscard]] bool has_failed(const Request& request) noexcept {
  if constexpr (requires { request.outcome; })
    return request.outcome == Request::Outcome::failed;
  else
    return failed(request.error);
}
/// Answers a request with that error. Nothing else of a reply is written into it, and it still has
/// all that it brought.
template <class Request>
void refuse(Request& request, const Error& error) {
  if constexpr (requires { request.outcome; }) request.outcome = Request::Outcome::failed;
  request.error = error;
}

/// A backend that hands everything to another one, and can do what that one can. `Self`, which
/// derives from this, says what becomes of a batch on its way:
///
///     template <class Request, class Go>
///     void around(Operation operation, std::span<Request> batch, Go go);
///
/// `go(part)` hands a part of the batch on, and returns when it is answered.
template <class Self, record_backend Inner>
class Forwarded {
 public:
  static constexpr bool is_transactional = transactional_backend<Inner>;
  static constexpr bool keeps_history = versioned_backend<Inner>;
  static constexpr bool judges_leases = persist::judges_leases<Inner>;

  [[nodiscard]] bool same_database(const Self& other) const noexcept {
    return inner_.same_database(static_cast<const Forwarded&>(other).inner_);
  }
  [[nodiscard]] Result<void> status() const { return inner_.status(); }
  [[nodiscard]] Owner next_owner(ServerId server) { return inner_.next_owner(server); }

  void open_store(std::span<OpenStoreRequest> batch) {
    self().around(Operation::open_store, batch, [&](auto part) { inner_.open_store(part); });
  }
  void acquire(std::span<AcquireRequest> batch) {
    self().around(Operation::acquire, batch, [&](auto part) { inner_.acquire(part); });
  }
  void commit(std::span<CommitRequest> batch) {
    self().around(Operation::commit, batch, [&](auto part) { inner_.commit(part); });
  }
  void read(std::span<ReadRequest> batch) {
    self().around(Operation::read, batch, [&](auto part) { inner_.read(part); });
  }
  void post(std::span<PostRequest> batch) {
    self().around(Operation::post, batch, [&](auto part) { inner_.post(part); });
  }
  void relay(std::span<RelayRequest> batch) {
    self().around(Operation::relay, batch, [&](auto part) { inner_.relay(part); });
  }
  void erase(std::span<EraseRequest> batch) {
    self().around(Operation::erase, batch, [&](auto part) { inner_.erase(part); });
  }
  void scan(std::span<ScanRequest> batch)
    requires scans_keys<Inner>
  {
    self().around(Operation::scan, batch, [&](auto part) { inner_.scan(part); });
  }
  void read_schemas(std::span<SchemaRequest> batch)
    requires holds_schemas<Inner>
  {
    self().around(Operation::read_schemas, batch, [&](auto part) { inner_.read_schemas(part); });
  }
  void query(std::span<IndexRequest> batch)
    requires queries_indexes<Inner>
  {
    self().around(Operation::query, batch, [&](auto part) { inner_.query(part); });
  }
  void watch(StoreId store, std::weak_ptr<WakeQueue> queue)
    requires watched_backend<Inner>
  {
    inner_.watch(store, std::move(queue));
  }
  [[nodiscard]] std::size_t largest_data() const
    requires limits_data<Inner>
  {
    return inner_.largest_data();
  }

 protected:
  explicit Forwarded(Inner inner) : inner_(std::move(inner)) {}

  Inner inner_;

 private:
  [[nodiscard]] Self& self() noexcept { return static_cast<Self&>(*this); }
};

}  // namespace persist::inline PERSIST_ABI::backend
