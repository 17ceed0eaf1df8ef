#pragma once

#include <persist/backend/postgres/tables.hpp>

#include <algorithm>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace persist::inline PERSIST_ABI::backend::postgres {

/// How much of a record is read along with its row.
inline constexpr std::uint64_t the_row = 0, its_data = 1, everything = 2;

/// A record that a request will look at.
struct Place {
  StoreId store{};
  std::string_view key{};
  std::uint64_t wants = 0;  ///< `the_row` or more
  std::size_t request = 0;  ///< the first that does

  friend bool operator<(const Place& a, const Place& b) noexcept {
    return std::pair(a.store.index, a.key) < std::pair(b.store.index, b.key);
  }
  [[nodiscard]] bool is(const Place& other) const noexcept {
    return store == other.store && key == other.key;
  }
};

inline void list_places(const AcquireRequest& request, std::vector<Place>& to) {
  to.push_back({request.store, request.key, request.intent != Intent::look ? everything : the_row});
}
inline void list_places(const CommitRequest& request, std::vector<Place>& to) {
  for (const Change& change : request.changes) {
    to.push_back({change.store, change.key});
    for (const Send& send : change.sends)
      to.push_back({send.store, send.key});
  }
}
inline void list_places(const ReadRequest& request, std::vector<Place>& to) {
  to.push_back({request.store, request.key, request.wants_data ? its_data : the_row});
}
inline void list_places(const PostRequest& request, std::vector<Place>& to) {
  to.push_back({request.store, request.key});
}
inline void list_places(const EraseRequest& request, std::vector<Place>& to) {
  to.push_back({request.store, request.key});
}
inline void list_places(const RelayRequest& request, std::vector<Place>& to) {
  if (!request.take_from.empty()) to.push_back({request.store, request.take_from});
}
template <class Request>  // looks at no record
void list_places(const Request&, std::vector<Place>&) {}

/// By rising key, each once: in this order all transactions lock.
inline void put_in_order(std::vector<Place>& places) {
  std::stable_sort(places.begin(), places.end());
  std::size_t last = 0;
  for (std::size_t i = 1; i < places.size(); ++i) {
    if (places[i].is(places[last]))
      places[last].wants = (std::max)(places[last].wants, places[i].wants);
    else
      places[++last] = places[i];
  }
  if (!places.empty()) places.resize(last + 1);
}

/// What is asked at the beginning of a transaction, in one round trip for all its records.
class Ahead {
 public:
  explicit Ahead(Connection& connection) : connection_(connection) {}

  /// Locks the records, where that is wanted, and reads them.
  void read(const std::vector<Place>& places, bool locks) {
    std::deque<Query> queries;
    for (const Place& place : places) {
      connection_.at_request = place.request;
      Query& q = queries.emplace_back(look_at(place.wants, locks));
      (q << place.store.index << place.key).ahead();
    }
    for (std::size_t i = 0; i < places.size() && connection_.good(); ++i) {
      connection_.at_request = places[i].request;
      take(queries[i], places[i]);
    }
  }
  /// Locks the records and has the transaction fail unless they are as they were left; goes on as
  /// if they were.
  void trust(const std::vector<Place>& places) {
    for (const Place& place : places) {
      const rows::Record& record = *connection_.seen.kept(place.store, place.key);
      const Fence& fence = record.head.fence;
      Query q(guard_);
      q << record.id << record.revision << fence.epoch << fence.owner.nonce << fence.owner.session
        << fence.write;
      q.run();
      connection_.seen.trust(record);
    }
  }
  /// Gives records that nobody has to those who ask, in the order of `claims`; null: somebody has
  /// it, or it is not there. This is the one rule of record/head.hpp that SQL says too: `take`, of
  /// a record that was loaded before and has no owner.
  void claim(const std::vector<AcquireRequest*>& claims, TimePoint now,
             std::deque<Query>& answers) {
    for (const AcquireRequest* request : claims) {
      Query& q = answers.emplace_back(claim_);
      q << request->store.index << request->key << request->least_epoch
        << request->owner.server.view() << request->owner.nonce << request->owner.session
        << request->lease << now.time_since_epoch();
      q.ahead();
    }
  }
  /// Takes a row into what the transaction knows; says whether there was one.
  bool take(Query& q, const Place& place) {
    rows::Record record{.store = place.store, .key = std::string(place.key)};
    rows::Beside beside;
    const bool is_there = q.row();
    if (!connection_.good()) return false;
    if (is_there) {
      rows::Records<Sql>::read(connection_, q, record);
      beside.user_ids.append(q.bytes());
      beside.metadata.append(q.bytes());
      for (std::optional<Buffer>* each :
           {&beside.data, &beside.receipts, &beside.inbox, &beside.outbox}) {
        const bool is_absent = q.next_is_null();
        const ByteView bytes = q.bytes();
        if (!is_absent) each->emplace(bytes);
      }
    }
    connection_.seen.read(std::move(record), std::move(beside));
    return is_there;
  }

 private:
  /// The row `r` and as much of what lies beside it. A text for each, because a plan that depends
  /// on an argument is made anew each time.
  [[nodiscard]] static std::string columns(std::uint64_t wants) {
    const auto when = [&](std::uint64_t least, const char* there, const std::string& what) {
      return wants < least ? std::string(", CAST(NULL AS bytea)")
                           : ", CASE WHEN " + std::string(there) + " THEN " + what + " END";
    };
    return rows::Records<Sql>::columns() + ", user_ids, metadata" +
           when(its_data, "data_bytes IS NOT NULL",
                "(SELECT data FROM persist_data d WHERE d.record = r.id)") +
           when(everything, "receipts > 0",
                packed_sql({"*s.id", "s.day"},
                           "persist_receipt s WHERE s.record = r.id ORDER BY s.n")) +
           when(everything, "inbox_messages > 0",
                packed_sql({"s.position", "*s.source", "s.epoch", "s.number", "s.first_tried_ms",
                            "*s.type", "s.codec", "s.priority", "s.posted_ms", "s.expires_ms",
                            "*s.payload"},
                           "persist_inbox s WHERE s.record = r.id ORDER BY s.position")) +
           when(its_data, "outbox_messages > 0",
                packed_sql({"s.number"},
                           "persist_outbox s WHERE s.store = r.store "
                           "AND s.key = r.key ORDER BY s.id")) +
           " ";
  }
  /// Reads a record, and locks it where it is told to.
  struct Look {
    Look(Connection& connection, std::uint64_t wants, const char* locks)
        : sql("SELECT " + columns(wants) + "FROM persist_record r WHERE store = ?1 AND key = ?2" +
              locks),
          statement(connection, sql.c_str()) {}
    std::string sql;
    Statement statement;
  };
  [[nodiscard]] Statement& look_at(std::uint64_t wants, bool locks) {
    Look* const all[] = {&row_, &data_, &all_, &lock_row_, &lock_data_, &lock_all_};
    return all[wants + (locks ? 3 : 0)]->statement;
  }

  Connection& connection_;
  Look row_{connection_, the_row, ""}, data_{connection_, its_data, ""},
      all_{connection_, everything, ""};
  Look lock_row_{connection_, the_row, " FOR UPDATE"},
      lock_data_{connection_, its_data, " FOR UPDATE"},
      lock_all_{connection_, everything, " FOR UPDATE"};
  std::string claim_sql_ =
      "WITH r AS (UPDATE persist_record SET epoch = greatest(epoch + 1, ?3), owner = ?4, "
      "owner_nonce = ?5, owner_session = ?6, write_number = 0, lease_ns = ?7, renewed_ns = ?8, "
      "renewals = renewals + 1, asker = '', asker_nonce = 0, asker_session = 0, "
      "revision = revision + 1 WHERE store = ?1 AND key = ?2 AND owner_nonce = 0 "
      "AND owner_session = 0 AND epoch > 0 RETURNING *) SELECT " +
      columns(everything) + "FROM r";
  Statement claim_{connection_, claim_sql_.c_str()};
  Statement guard_{connection_,
                   "SELECT 1 / count(*) FROM (SELECT 1 FROM persist_record WHERE id = ?1 "
                   "AND revision = ?2 AND epoch = ?3 AND owner_nonce = ?4 AND owner_session = ?5 "
                   "AND write_number = ?6 FOR UPDATE) g"};
};

}  // namespace persist::inline PERSIST_ABI::backend::postgres
