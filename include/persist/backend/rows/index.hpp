#pragma once

#include <persist/backend/rows/record.hpp>
#include <persist/record/index.hpp>

#include <algorithm>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// The table of indexes. The database finds an entry and a page of them in the logarithm of their
// number; a place and a size it counts, entry by entry.

namespace persist::inline PERSIST_ABI::backend::rows {

template <class Sql>
class Indexes {
  using Connection = typename Sql::Connection;
  using Statement = typename Sql::Statement;
  using Query = typename Sql::Query;

 public:
  explicit Indexes(Connection& connection) : connection_(connection) {}

  /// What a change does to the record's entries.
  void change(const Record& record, const Change& change) {
    std::vector<Entry> next;
    if (change.user_ids != nullptr) {
      for (const std::uint64_t user : *change.user_ids)
        next.emplace_back(std::string(), user_value(user));
      replace(record, std::move(next), true);
    }
    next.clear();
    const bool empties = change.data == nullptr && change.removes_data;
    if (change.indexed == nullptr && !empties) return;
    if (change.indexed != nullptr &&
        !each_index_entry(*change.indexed, [&](std::string_view name, std::int64_t value) {
          next.emplace_back(std::string(name), value);
        }))
      return;
    replace(record, std::move(next), false);
  }
  void remove(const Record& record) {
    replace(record, {}, true);
    replace(record, {}, false);
  }

  /// Answers all of a request but its `error`.
  void query(IndexRequest& request) {
    request.rows.clear();
    request.found = false;
    request.size = count(size_, request, {});
    if (!request.key.empty()) find(request);
    if (!request.around)
      page(request);
    else if (request.found)
      page_around(request);
  }

 private:
  using Entry = std::pair<std::string, std::int64_t>;
  static constexpr auto lowest = (std::numeric_limits<std::int64_t>::min)();
  static constexpr auto highest = (std::numeric_limits<std::int64_t>::max)();

  /// Makes these the record's entries, of users or of boards, touching what is another.
  void replace(const Record& record, std::vector<Entry> next, bool are_users) {
    std::vector<Entry> before;
    {
      Query q(of_);
      q << record.store.index << std::string_view(record.key);
      while (q.row()) {
        const std::string_view name = q.text();
        if (name.empty() == are_users) before.emplace_back(std::string(name), q.integer());
      }
    }
    std::sort(before.begin(), before.end());
    std::sort(next.begin(), next.end());
    next.erase(std::unique(next.begin(), next.end()), next.end());
    for (const Entry& entry : before)
      if (!std::binary_search(next.begin(), next.end(), entry)) run(drop_, record, entry);
    for (const Entry& entry : next)
      if (!std::binary_search(before.begin(), before.end(), entry)) run(add_, record, entry);
  }
  static void run(Statement& statement, const Record& record, const Entry& entry) {
    Query q(statement);
    (q << record.store.index << std::string_view(entry.first) << entry.second
       << std::string_view(record.key))
        .run();
  }

  /// How many entries a statement counts; `at` where it compares.
  [[nodiscard]] std::uint64_t count(Statement& statement, const IndexRequest& request,
                                    const IndexPosition& at) {
    Query q(statement);
    q << request.store.index << request.index;
    if (&statement != &size_) q << at.value << std::string_view(at.key);
    return q.row() ? q.number() : 0;
  }
  [[nodiscard]] std::uint64_t place(const IndexRequest& request, const IndexPosition& at) {
    return count(lower_, request, at) + count(equal_, request, at);
  }
  void find(IndexRequest& request) {
    Query q(find_);
    q << request.store.index << request.key << request.index;
    if (!q.row() || q.next_is_null()) return;
    request.found = true;
    request.row.key = request.key;
    request.row.value = q.integer();
    request.row.place = place(request, {request.row.value, request.row.key});
  }
  /// Rows behind `after`, or before it where the page falls; their places go on from `first`.
  void rows(IndexRequest& request, bool falls, std::int64_t low, std::int64_t high,
            const IndexPosition& after) {
    if (request.most == 0) return;
    const std::size_t begin = request.rows.size();
    {
      Query q(falls ? falling_ : rising_);
      q << request.store.index << request.index << low << high << after.value
        << std::string_view(after.key) << std::uint64_t{request.most};
      while (q.row()) {
        const std::string_view key = q.text();
        request.rows.push_back({std::string(key), q.integer(), 0});
      }
    }
    if (request.rows.size() == begin) return;
    const IndexRow& first = request.rows[begin];
    std::uint64_t at = place(request, {first.value, first.key});
    for (std::size_t i = begin; i < request.rows.size(); ++i)
      request.rows[i].place = falls ? at-- : at++;
  }
  void page(IndexRequest& request) {
    std::int64_t low = request.only.value_or(lowest), high = request.only.value_or(highest);
    if (!request.after) {
      // Behind everything: no key is greater than this, and none is empty.
      const IndexPosition end{highest, std::string(256, '\xff')}, begin{lowest, {}};
      return rows(request, request.falls, low, high, request.falls ? end : begin);
    }
    request.falls ? high = (std::min)(high, request.after->value)
                  : low = (std::max)(low, request.after->value);
    rows(request, request.falls, low, high, *request.after);
  }
  void page_around(IndexRequest& request) {
    const IndexPosition at{request.row.value, request.row.key};
    rows(request, !request.falls, request.falls ? at.value : lowest,
         request.falls ? highest : at.value, at);
    std::reverse(request.rows.begin(), request.rows.end());
    request.rows.push_back(request.row);
    rows(request, request.falls, request.falls ? lowest : at.value,
         request.falls ? at.value : highest, at);
  }

  Connection& connection_;
  Statement of_{connection_, "SELECT name, value FROM persist_index WHERE store = ?1 AND key = ?2"};
  Statement drop_{connection_,
                  "DELETE FROM persist_index WHERE store = ?1 AND name = ?2 AND value = ?3 "
                  "AND key = ?4"};
  Statement add_{connection_, "INSERT INTO persist_index VALUES (?1, ?2, ?3, ?4)"};
  Statement size_{connection_, "SELECT count(*) FROM persist_index WHERE store = ?1 AND name = ?2"};
  Statement lower_{connection_,
                   "SELECT count(*) FROM persist_index WHERE store = ?1 AND name = ?2 "
                   "AND value < ?3 AND ?4 IS NOT NULL"};
  Statement equal_{connection_,
                   "SELECT count(*) FROM persist_index WHERE store = ?1 AND name = ?2 "
                   "AND value = ?3 AND key < ?4"};
  Statement find_{connection_,
                  "SELECT min(value) FROM persist_index WHERE store = ?1 AND key = ?2 "
                  "AND name = ?3"};
  Statement rising_{connection_,
                    "SELECT key, value FROM persist_index WHERE store = ?1 AND name = ?2 "
                    "AND value >= ?3 AND value <= ?4 AND (value, key) > (?5, ?6) "
                    "ORDER BY value, key LIMIT ?7"};
  Statement falling_{connection_,
                     "SELECT key, value FROM persist_index WHERE store = ?1 AND name = ?2 "
                     "AND value >= ?3 AND value <= ?4 AND (value, key) < (?5, ?6) "
                     "ORDER BY value DESC, key DESC LIMIT ?7"};
};

}  // namespace persist::inline PERSIST_ABI::backend::rows
