#pragma once

#include <persist/backend/concept.hpp>
#include <persist/backend/forwarded.hpp>

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace persist::inline PERSIST_ABI::backend {

/// What a program asks of a database that is chosen while it runs. What it does not ask for it
/// cannot use, and may run without.
struct Needs {
  bool transactions = true;  ///< several records in one commit: `transact`
  bool history = true;       ///< older states
  bool indexes = true;       ///< leaderboards, and the records of a user
  bool scan = true;          ///< all records
  bool schemas = true;       ///< `codec::SharedPacked`
  bool clock = true;         ///< says itself when a lease has run out
};

namespace any {

/// The first of the needs that the backend cannot meet; empty: it can do all.
template <record_backend B>
[[nodiscard]] constexpr std::string_view missing(const Needs& needs) noexcept {
  if (needs.transactions && !transactional_backend<B>) return "transactions over records";
  if (needs.history && !versioned_backend<B>) return "older states of records";
  if (needs.indexes && !queries_indexes<B>) return "ordered indexes";
  if (needs.scan && !scans_keys<B>) return "list of its records";
  if (needs.schemas && !holds_schemas<B>) return "place for shared schemas";
  if (needs.clock && !persist::judges_leases<B>) return "clock that judges leases";
  return {};
}

/// The same for the same type, and for no other: no run-time type information is needed.
template <class B>
[[nodiscard]] const void* tag_of() noexcept {
  static constexpr char tag = 0;
  return &tag;
}

/// A backend behind virtual functions.
class Database {
 public:
  Database() = default;
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;
  virtual ~Database() = default;

  [[nodiscard]] virtual const void* tag() const noexcept = 0;
  [[nodiscard]] virtual bool same(const Database& other) const noexcept = 0;
  [[nodiscard]] virtual Result<void> status() const = 0;
  [[nodiscard]] virtual Owner next_owner(ServerId server) = 0;
  virtual void open_store(std::span<OpenStoreRequest> batch) = 0;
  virtual void acquire(std::span<AcquireRequest> batch) = 0;
  virtual void commit(std::span<CommitRequest> batch) = 0;
  virtual void read(std::span<ReadRequest> batch) = 0;
  virtual void post(std::span<PostRequest> batch) = 0;
  virtual void relay(std::span<RelayRequest> batch) = 0;
  virtual void erase(std::span<EraseRequest> batch) = 0;
  virtual void scan(std::span<ScanRequest> batch) = 0;
  virtual void read_schemas(std::span<SchemaRequest> batch) = 0;
  virtual void query(std::span<IndexRequest> batch) = 0;
  virtual void watch(StoreId store, std::weak_ptr<WakeQueue> queue) = 0;
  [[nodiscard]] virtual std::size_t largest_data() const = 0;
  [[nodiscard]] virtual std::vector<StoreInfo> stores() const = 0;
};

/// The backend `B`. What it cannot do is answered `unsupported`; nobody asks whose needs it meets.
template <record_backend B>
class Model final : public Database {
 public:
  explicit Model(B backend) : of(std::move(backend)) {}

  [[nodiscard]] const void* tag() const noexcept override { return tag_of<B>(); }
  [[nodiscard]] bool same(const Database& other) const noexcept override {
    return other.tag() == tag() && of.same_database(static_cast<const Model&>(other).of);
  }
  [[nodiscard]] Result<void> status() const override { return of.status(); }
  [[nodiscard]] Owner next_owner(ServerId server) override { return of.next_owner(server); }
  void open_store(std::span<OpenStoreRequest> batch) override { of.open_store(batch); }
  void acquire(std::span<AcquireRequest> batch) override { of.acquire(batch); }
  void commit(std::span<CommitRequest> batch) override { of.commit(batch); }
  void read(std::span<ReadRequest> batch) override { of.read(batch); }
  void post(std::span<PostRequest> batch) override { of.post(batch); }
  void relay(std::span<RelayRequest> batch) override { of.relay(batch); }
  void erase(std::span<EraseRequest> batch) override { of.erase(batch); }
  void scan(std::span<ScanRequest> batch) override {
    if constexpr (scans_keys<B>)
      of.scan(batch);
    else
      refuse_all(batch);
  }
  void read_schemas(std::span<SchemaRequest> batch) override {
    if constexpr (holds_schemas<B>)
      of.read_schemas(batch);
    else
      refuse_all(batch);
  }
  void query(std::span<IndexRequest> batch) override {
    if constexpr (queries_indexes<B>)
      of.query(batch);
    else
      refuse_all(batch);
  }
  void watch([[maybe_unused]] StoreId store,
             [[maybe_unused]] std::weak_ptr<WakeQueue> queue) override {
    if constexpr (watched_backend<B>) of.watch(store, std::move(queue));
  }
  [[nodiscard]] std::size_t largest_data() const override { return persist::largest_data(of); }
  [[nodiscard]] std::vector<StoreInfo> stores() const override {
    if constexpr (requires { of.stores(); })
      return of.stores();
    else
      return {};
  }

  B of;

 private:
  template <class Request>
  static void refuse_all(std::span<Request> batch) {
    for (Request& request : batch)
      refuse(request, Error(Errc::unsupported, "this database cannot do that"));
  }
};

}  // namespace any

}  // namespace persist::inline PERSIST_ABI::backend
