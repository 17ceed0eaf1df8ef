#pragma once

#include <persist/backend/any/database.hpp>
#include <persist/backend/file.hpp>
#include <persist/backend/memory.hpp>
#include <persist/backend/uri.hpp>

#include <concepts>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace persist::inline PERSIST_ABI::backend {

/// A backend that is chosen while the program runs: one binary keeps its records in memory in
/// tests, in a folder on a desk and in a database in production. Holds any backend that can do what
/// `needs` says, and that is what its type offers; nothing else compiles.
///
/// Cost: one virtual call a batch. Durability, errors and thread rule: those of what it holds.
template <Needs needs>
class AnyOf {
 public:
  static constexpr bool is_transactional = needs.transactions;
  static constexpr bool keeps_history = needs.history;
  static constexpr bool judges_leases = needs.clock;

  template <class B>
    requires(!std::same_as<B, AnyOf> && record_backend<B>)
  explicit AnyOf(B of) : db_(std::make_shared<any::Model<B>>(std::move(of))) {
    static_assert(any::missing<B>(needs).empty(),
                  "this backend cannot do all that AnyOf's Needs say: ask for less");
  }

  [[nodiscard]] bool same_database(const AnyOf& other) const noexcept {
    return db_->same(*other.db_);
  }
  [[nodiscard]] Result<void> status() const { return db_->status(); }
  [[nodiscard]] Owner next_owner(ServerId server) { return db_->next_owner(server); }

  void open_store(std::span<OpenStoreRequest> batch) { db_->open_store(batch); }
  void acquire(std::span<AcquireRequest> batch) { db_->acquire(batch); }
  void commit(std::span<CommitRequest> batch) { db_->commit(batch); }
  void read(std::span<ReadRequest> batch) { db_->read(batch); }
  void post(std::span<PostRequest> batch) { db_->post(batch); }
  void relay(std::span<RelayRequest> batch) { db_->relay(batch); }
  void erase(std::span<EraseRequest> batch) { db_->erase(batch); }
  void scan(std::span<ScanRequest> batch)
    requires(needs.scan)
  {
    db_->scan(batch);
  }
  void read_schemas(std::span<SchemaRequest> batch)
    requires(needs.schemas)
  {
    db_->read_schemas(batch);
  }
  void query(std::span<IndexRequest> batch)
    requires(needs.indexes)
  {
    db_->query(batch);
  }
  /// Hints come as those of what it holds: where that gives none, none do.
  void watch(StoreId store, std::weak_ptr<WakeQueue> queue) { db_->watch(store, std::move(queue)); }
  [[nodiscard]] std::size_t largest_data() const { return db_->largest_data(); }
  using StoreInfo = persist::StoreInfo;
  /// Where what it holds can list them; otherwise none.
  [[nodiscard]] std::vector<StoreInfo> stores() const { return db_->stores(); }

  /// What it holds, if that is a `B`; null otherwise.
  template <record_backend B>
  [[nodiscard]] B* get() noexcept {
    return db_->tag() == any::tag_of<B>() ? &static_cast<any::Model<B>&>(*db_).of : nullptr;
  }
  template <record_backend B>
  [[nodiscard]] const B* get() const noexcept {
    return db_->tag() == any::tag_of<B>() ? &static_cast<const any::Model<B>&>(*db_).of : nullptr;
  }

 private:
  std::shared_ptr<any::Database> db_;
};

/// Everything that a game may ask of a backend.
using Any = AnyOf<Needs{}>;

template <>
struct UriOpener<Memory> {
  static constexpr std::string_view schemes[] = {"memory"};
  static Result<Memory> open(Uri& uri, Clock* clock) {
    if (!uri.place().empty()) return uri.wrong("names a place; memory has none");
    if (const auto all = uri.finish(""); !all) return all.error();
    return clock != nullptr ? Memory(*clock) : Memory();
  }
};

/// `file:FOLDER`, with `durability=full|relaxed` and `wait=TIME` for a folder that another process
/// has.
template <class Files>
struct UriOpener<BasicFile<Files>> {
  static constexpr std::string_view schemes[] = {"file"};
  static Result<BasicFile<Files>> open(Uri& uri, Clock* clock) {
    FileOptions options;
    options.clock = clock;
    const auto durability = uri.take_durability();
    if (!durability) return durability.error();
    options.durability = *durability;
    const auto wait = uri.take_duration("wait", options.wait_for_lock);
    if (!wait) return wait.error();
    options.wait_for_lock = *wait;
    if (const auto all = uri.finish("durability, wait"); !all) return all.error();
    const auto path = uri.path();
    if (!path) return path.error();
    return BasicFile<Files>::open(*path, options);
  }
};

namespace any {

/// Opens a `B`, if that is what the scheme says and it can do what is needed. False: the scheme is
/// another's.
template <opened_by_uri B, Needs needs>
[[nodiscard]] bool opens(Uri& uri, Clock* clock, Result<AnyOf<needs>>& opened, std::string& known) {
  bool is_meant = false;
  for (const std::string_view scheme : UriOpener<B>::schemes) {
    is_meant = is_meant || uri.scheme() == scheme;
    known += (known.empty() ? "" : ", ") + std::string(scheme) + ':';
  }
  if (!is_meant) return false;
  if constexpr (constexpr std::string_view missing = any::missing<B>(needs); !missing.empty()) {
    opened = Error(Errc::unsupported, "a database of " + uri.scheme() + ": has no " +
                                          std::string(missing) + ", which this program needs");
  } else {
    auto made = UriOpener<B>::open(uri, clock);
    if (made)
      opened = AnyOf<needs>(*std::move(made));
    else
      opened = made.error();
  }
  return true;
}

}  // namespace any

/// Opens what a URI names: `memory:`, `file:FOLDER`, and those of `Adapters`, whose headers the
/// program includes, as in `open<Any, Sqlite, Postgres>(uri)`.
///
/// `unsupported`: the scheme is none of these, or that database lacks what `Handle` needs;
/// `invalid`: no URI, or an option that makes no sense; and what opening says. `clock`: of an
/// embedded database; null: the system's. No error shows the URI, which may hold a password.
template <class Handle, class... Adapters>
[[nodiscard]] Result<Handle> open(const Uri& uri, Clock* clock = nullptr) {
  Uri asked = uri;
  Result<Handle> opened = Error(Errc::unsupported);
  std::string known;
  const bool is_known = (any::opens<Memory>(asked, clock, opened, known) || ... ||
                         any::opens<Adapters>(asked, clock, opened, known));
  if (is_known || any::opens<File>(asked, clock, opened, known)) return opened;
  return Error(Errc::unsupported, "this program opens no database of the scheme " + uri.scheme() +
                                      ":; it knows " + known +
                                      " (others are adapters: see doc/choose-a-backend.md)");
}
template <class... Adapters>
[[nodiscard]] Result<Any> open(std::string_view uri, Clock* clock = nullptr) {
  const auto read = Uri::read(uri);
  return read ? backend::open<Any, Adapters...>(*read, clock) : Result<Any>(read.error());
}

}  // namespace persist::inline PERSIST_ABI::backend
