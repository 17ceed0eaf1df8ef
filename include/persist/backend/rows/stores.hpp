#pragma once

#include <persist/detail/os.hpp>
#include <persist/record/key_hash.hpp>
#include <persist/record/requests.hpp>

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

// The table of stores. A store's id within the open database is its row's.

namespace persist::inline PERSIST_ABI::backend::rows {

template <class Sql>
class Stores {
  using Connection = typename Sql::Connection;
  using Statement = typename Sql::Statement;
  using Query = typename Sql::Query;

 public:
  explicit Stores(Connection& connection) : connection_(connection) {}

  /// Finds the store or makes it.
  void open(OpenStoreRequest& request, WallTime now) {
    if (request.name.empty() || request.name.size() > 255) {
      request.error = Error(Errc::invalid, "the name of a store has 1 to 255 bytes");
      return;
    }
    std::optional<StoreInfo> found = find(request);
    if (!found && request.expected_birth) {
      request.error = Error(Errc::refused, "there is no store \"" + std::string(request.name) +
                                               "\" in " + connection_.path() +
                                               " where this connection knew one: its database was "
                                               "replaced");
      return;
    }
    if (!found) {
      make(request);
      found = find(request);
    }
    if (!found) return;  // the connection knows why
    if (found->lock != request.lock) {
      request.error =
          Error(Errc::invalid,
                "store \"" + found->name +
                    "\" was made with another lock policy; open it with that one, or move its "
                    "records to a store of another name");
    } else if (request.expected_birth && *request.expected_birth != found->birth) {
      request.error = Error(
          Errc::refused, "store \"" + found->name +
                             "\" is not the one this connection knew: its database was replaced");
    }
    request.birth = found->birth;
    request.now = now;
  }
  [[nodiscard]] std::vector<StoreInfo> all() {
    std::vector<StoreInfo> stores;
    Query q(all_);
    while (q.row())
      stores.push_back(info(q));
    return stores;
  }
  /// What stands for a key of the store where it must not be spelled. Refuses a store that is not
  /// there.
  [[nodiscard]] Hash128 hash(StoreId store, std::string_view key) {
    auto known = births_.find(store.index);
    if (known == births_.end()) {
      Query q(birth_);
      q << store.index;
      if (!q.row()) {
        connection_.refuse({Errc::invalid, connection_.path() + " has no such store"});
        return {};
      }
      known = births_.emplace(store.index, q.hash()).first;
    }
    return key_hash(known->second, key);
  }

 private:
  [[nodiscard]] static StoreInfo info(Query& q) {
    StoreInfo store;
    store.name = q.text();
    store.lock = static_cast<LockKind>(q.integer());
    store.birth = q.hash();
    return store;
  }
  /// Also says its id.
  [[nodiscard]] std::optional<StoreInfo> find(OpenStoreRequest& request) {
    Query q(find_);
    q << request.name;
    if (!q.row()) return std::nullopt;
    StoreInfo store = info(q);
    request.store = {q.template small<std::uint32_t>()};
    const auto format = q.number();
    if (format > record_format)
      connection_.refuse({Errc::too_new, "store \"" + store.name + "\" of " + connection_.path() +
                                             " has records of format " + std::to_string(format) +
                                             "; open it with the newer build"});
    return store;
  }
  void make(const OpenStoreRequest& request) {
    const Hash128 birth{detail::os::random_bits(), detail::os::random_bits()};
    Query q(make_);
    q << request.name << static_cast<std::int64_t>(request.lock) << birth << record_format;
    q.run();
  }

  Connection& connection_;
  std::unordered_map<std::uint32_t, Hash128> births_;
  Statement find_{connection_,
                  "SELECT name, lock, birth, id, format FROM persist_store WHERE name = ?1"};
  Statement make_{connection_,
                  "INSERT INTO persist_store (name, lock, birth, format) VALUES (?1, ?2, ?3, ?4)"};
  Statement all_{connection_, "SELECT name, lock, birth FROM persist_store ORDER BY id"};
  Statement birth_{connection_, "SELECT birth FROM persist_store WHERE id = ?1"};
};

}  // namespace persist::inline PERSIST_ABI::backend::rows
