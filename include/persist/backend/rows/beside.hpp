#pragma once

#include <persist/backend/rows/record.hpp>
#include <persist/record/history.hpp>
#include <persist/record/schema.hpp>

#include <algorithm>
#include <span>
#include <vector>

// What lies beside a record's row: receipts, older states of its data, what an erased one left; and
// the schemas of a store.

namespace persist::inline PERSIST_ABI::backend::rows {

template <class Sql>
class Receipts {
  using Connection = typename Sql::Connection;
  using Statement = typename Sql::Statement;
  using Query = typename Sql::Query;

 public:
  explicit Receipts(Connection& connection) : connection_(connection) {}

  void read(const Record& record, std::vector<Receipt>& to) {
    to.clear();
    if (record.receipts == 0) return;
    const auto take = [&](auto& q) {
      const Hash128 id = q.hash();
      to.push_back({id, q.template small<std::uint32_t>()});
    };
    if constexpr (Sql::remembers_rows)
      if (record.beside != nullptr && record.beside->receipts) {
        for (typename Sql::Packed rows(*record.beside->receipts); rows.row();)
          take(rows);
        return;
      }
    Query q(all_);
    q << record.id;
    while (q.row())
      take(q);
  }
  void forget(Record& record, std::uint32_t day) {
    record.receipts_forgotten = (std::max)(record.receipts_forgotten, day);
    record.changed = true;
    if (record.receipts == 0) return;
    Query q(forget_);
    const std::uint64_t gone = (q << record.id << day).changed();
    record.receipts -= (std::min)(record.receipts, gone);
  }
  void add(Record& record, std::span<const Receipt> receipts) {
    for (const Receipt& receipt : receipts) {
      Query q(add_);
      (q << record.id << receipt.id << receipt.day).run();
    }
    record.receipts += receipts.size();
    record.changed = record.changed || !receipts.empty();
  }
  void remove(const Record& record) {
    Query q(remove_);
    (q << record.id).run();
  }

 private:
  Connection& connection_;
  Statement all_{connection_, "SELECT id, day FROM persist_receipt WHERE record = ?1 ORDER BY n"};
  Statement forget_{connection_, "DELETE FROM persist_receipt WHERE record = ?1 AND day <= ?2"};
  Statement add_{connection_,
                 "INSERT INTO persist_receipt SELECT ?1, coalesce(max(n), 0) + 1, ?2, ?3 "
                 "FROM persist_receipt WHERE record = ?1"};
  Statement remove_{connection_, "DELETE FROM persist_receipt WHERE record = ?1"};
};

template <class Sql>
class History {
  using Connection = typename Sql::Connection;
  using Statement = typename Sql::Statement;
  using Query = typename Sql::Query;

 public:
  explicit History(Connection& connection) : connection_(connection) {}

  /// Oldest first.
  [[nodiscard]] std::vector<KeptVersion> kept(const Record& record) {
    std::vector<KeptVersion> all;
    Query q(kept_);
    q << record.id;
    while (q.row()) {
      KeptVersion each;
      each.version = q.number();
      each.at = q.time();
      each.until = q.time();
      each.bytes = q.number();
      all.push_back(each);
    }
    return all;
  }
  /// Keeps the data of a record that is to be written or removed, as its rule has it.
  void keep_older(const Record& record, const HistoryRule& rule, WallTime now) {
    if (!record.has_data) return;
    const std::vector<KeptVersion> before = kept(record);
    std::vector<KeptVersion> after = before;
    after.push_back({record.head.version, record.head.updated, now, record.data_bytes});
    retain(after, rule, now);
    if (!after.empty() && after.back().version == record.head.version) {
      Query q(keep_);
      (q << record.id << record.head.version << record.head.updated << now).run();
    }
    for (const KeptVersion& each : before) {
      const auto stays = [&](const KeptVersion& other) { return other.version == each.version; };
      if (std::any_of(after.begin(), after.end(), stays)) continue;
      Query q(drop_);
      (q << record.id << each.version).run();
    }
  }
  /// Answers what a read asks of older states.
  void read(const Record& record, ReadRequest& request) {
    const std::vector<KeptVersion> all = kept(record);
    if (request.wants_versions) request.versions.assign(all.rbegin(), all.rend());
    const std::uint64_t now = record.has_data ? record.head.version : 0;
    if (request.version == 0 || request.version == now) return;
    const auto older = std::find_if(all.begin(), all.end(), [&](const KeptVersion& each) {
      return each.version == request.version;
    });
    if (older == all.end()) {
      request.error = not_kept(request.version, now, all);
      return;
    }
    request.record.version = older->version;
    request.record.updated = older->at;
    request.record.has_data = true;
    if (!request.wants_data) return;
    Query q(data_);
    q << record.id << older->version;
    request.record.data.clear();
    if (q.row()) request.record.data.append(q.bytes());
  }
  void remove(const Record& record) {
    Query q(remove_);
    (q << record.id).run();
  }

 private:
  Connection& connection_;
  Statement kept_{connection_,
                  "SELECT version, at_ms, until_ms, length(data) FROM persist_history "
                  "WHERE record = ?1 ORDER BY version"};
  Statement keep_{connection_,
                  "INSERT INTO persist_history (record, version, at_ms, until_ms, data) "
                  "SELECT ?1, ?2, ?3, ?4, data FROM persist_data WHERE record = ?1"};
  Statement drop_{connection_, "DELETE FROM persist_history WHERE record = ?1 AND version = ?2"};
  Statement data_{connection_,
                  "SELECT data FROM persist_history WHERE record = ?1 AND version = ?2"};
  Statement remove_{connection_, "DELETE FROM persist_history WHERE record = ?1"};
};

/// What an erased record left: not its key, only what keeps epochs and versions from going back.
template <class Sql>
class Erased {
  using Connection = typename Sql::Connection;
  using Statement = typename Sql::Statement;
  using Query = typename Sql::Query;

 public:
  explicit Erased(Connection& connection) : connection_(connection) {}

  /// What stands for a record that is not there.
  [[nodiscard]] Head absent(StoreId store, const Hash128& hash) {
    Head head;
    Query q(find_);
    q << store.index << hash;
    if (q.row()) {
      head.fence.epoch = q.number();
      head.version = q.number();
    }
    return head;
  }
  void leave(StoreId store, const Hash128& hash, std::uint64_t epoch, std::uint64_t version) {
    Query q(leave_);
    (q << store.index << hash << epoch << version).run();
  }

 private:
  Connection& connection_;
  Statement find_{connection_,
                  "SELECT epoch, version FROM persist_erased WHERE store = ?1 AND hash = ?2"};
  Statement leave_{connection_,
                   "INSERT INTO persist_erased VALUES (?1, ?2, ?3, ?4) ON CONFLICT (store, hash) "
                   "DO UPDATE SET epoch = excluded.epoch, version = excluded.version"};
};

/// The schemas that records of a store need (record/schema.hpp).
template <class Sql>
class Schemas {
  using Connection = typename Sql::Connection;
  using Statement = typename Sql::Statement;
  using Query = typename Sql::Query;

 public:
  explicit Schemas(Connection& connection) : connection_(connection) {}

  /// Why the data of a change could not be read later, or `Errc{}`.
  [[nodiscard]] Error refusal_of(const Change& change) {
    if (!change.sends_schema) {
      Query q(find_);
      q << change.store.index << change.schema->id;
      if (q.row()) return Errc{};
    }
    return refusal_of_schema(change);
  }
  void keep(const Change& change) {
    Query q(keep_);
    (q << change.store.index << change.schema->id << change.schema->bytes).run();
  }
  void read(SchemaRequest& request) {
    request.bytes.clear();
    Query q(find_);
    q << request.store.index << request.id;
    if (q.row())
      request.bytes.append(q.bytes());
    else
      request.error = unknown_schema(request.id);
  }

 private:
  Connection& connection_;
  Statement find_{connection_, "SELECT bytes FROM persist_schema WHERE store = ?1 AND id = ?2"};
  Statement keep_{connection_,
                  "INSERT INTO persist_schema VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING"};
};

}  // namespace persist::inline PERSIST_ABI::backend::rows
