#pragma once

#include <persist/detail/ranked_set.hpp>
#include <persist/detail/text_hash.hpp>
#include <persist/record/index.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

namespace persist::inline PERSIST_ABI {

/// The indexes of one store, for backends that have their records in this process.
///
/// A record that is in none costs nothing. Its first entry costs about 150 bytes of memory with a
/// key of up to 15 bytes, each further one 40. A change is a search in the logarithm of the size
/// for each entry that is another. A copy is built anew. Not synchronised.
class IndexSets {
 public:
  IndexSets() = default;
  IndexSets(const IndexSets& other) : damaged_(other.damaged_) {
    for (const auto& [key, entries] : other.listed_) {
      std::vector<Entry> mine;
      for (const Entry& entry : entries)
        mine.push_back({&named(entry.in->first), entry.value});
      put_in(*listed_.emplace(key, std::move(mine)).first);
    }
  }
  IndexSets(IndexSets&&) noexcept = default;
  IndexSets& operator=(const IndexSets& other) { return *this = IndexSets(other); }
  IndexSets& operator=(IndexSets&&) noexcept = default;
  ~IndexSets() = default;

  /// From now on these are the record's users.
  void set_users(std::string_view key, std::span<const std::uint64_t> users) {
    damaged_.erase({true, std::string(key)});
    if (users.empty() && listed_.empty()) return;
    std::vector<Entry> next;
    for (const std::uint64_t user : users)
      next.push_back({&named({}), user_value(user)});
    replace(key, std::move(next), true);
  }
  /// From now on these are the record's entries in boards. False, and nothing has changed, where
  /// the bytes are none of entries.
  bool set_entries(std::string_view key, ByteView bytes) {
    if (!are_index_entries(bytes)) return false;
    damaged_.erase({false, std::string(key)});
    if (bytes.empty() && listed_.empty()) return true;
    std::vector<Entry> next;
    (void)each_index_entry(bytes, [&](std::string_view name, std::int64_t value) {
      next.push_back({&named(name), value});
    });
    replace(key, std::move(next), false);
    return true;
  }
  /// What the record's users, or its entries in boards, are cannot be read: they are in no index
  /// until they are set again.
  void set_damaged(std::string_view key, bool of_users) {
    replace(key, {}, of_users);
    damaged_.emplace(of_users, key);
  }
  /// The record is gone.
  void drop(std::string_view key) {
    set_users(key, {});
    (void)set_entries(key, {});
  }

  /// Answers all of a request but its `error`.
  void query(IndexRequest& request) const {
    for (const auto& [of_users, key] : damaged_)
      if (of_users == request.index.empty()) request.damaged.push_back(key);
    const auto named = sets_.find(request.index);
    if (named == sets_.end()) return;
    const detail::RankedSet& set = named->second;
    request.size = set.size();
    if (!request.key.empty()) find(*named, request);
    if (!request.around)
      page(set, request);
    else if (request.found)
      page_around(set, request);
  }

 private:
  using Named = std::map<std::string, detail::RankedSet, std::less<>>::value_type;
  struct Entry {
    Named* in;
    std::int64_t value;

    [[nodiscard]] bool is_users() const noexcept { return in->first.empty(); }
    friend bool operator==(const Entry&, const Entry&) = default;
  };
  using Listed = std::unordered_map<std::string, std::vector<Entry>, detail::TextHash,
                                    std::equal_to<>>::value_type;

  [[nodiscard]] Named& named(std::string_view name) {
    const auto found = sets_.find(name);
    return found != sets_.end() ? *found : *sets_.try_emplace(std::string(name)).first;
  }
  static void put_in(const Listed& listed) {
    for (const Entry& entry : listed.second)
      entry.in->second.insert(entry.value, listed.first);
  }
  void replace(std::string_view key, std::vector<Entry> next, bool are_users) {
    const auto found = listed_.find(key);
    if (found == listed_.end() && next.empty()) return;
    Listed& listed = found != listed_.end() ? *found : *listed_.try_emplace(std::string(key)).first;
    for (const Entry& entry : listed.second)
      if (entry.is_users() != are_users) next.push_back(entry);
    std::sort(next.begin(), next.end(), [](const Entry& a, const Entry& b) {
      return std::tie(a.in->first, a.value) < std::tie(b.in->first, b.value);
    });
    next.erase(std::unique(next.begin(), next.end()), next.end());
    if (next == listed.second) return;
    for (const Entry& entry : listed.second)
      if (std::find(next.begin(), next.end(), entry) == next.end())
        entry.in->second.erase(entry.value, listed.first);
    next.shrink_to_fit();
    listed.second = std::move(next);
    put_in(listed);
    if (listed.second.empty()) listed_.erase(listed_.find(key));
  }

  static void add(const detail::RankedSet& set, std::size_t place, IndexRequest& to) {
    const auto& entry = set[place];
    to.rows.push_back({*entry.key, entry.value, place});
  }
  void find(const Named& in, IndexRequest& request) const {
    const auto listed = listed_.find(request.key);
    if (listed == listed_.end()) return;
    for (const Entry& entry : listed->second) {
      if (entry.in != &in) continue;
      request.found = true;
      request.row = {listed->first, entry.value, in.second.lower_bound(entry.value, listed->first)};
      return;
    }
  }
  static void page(const detail::RankedSet& set, IndexRequest& request) {
    // The places from `low` on and before `high`.
    std::size_t low = 0, high = set.size();
    if (request.only) {
      low = set.lower_bound(*request.only, {});
      high = *request.only == (std::numeric_limits<std::int64_t>::max)()
                 ? set.size()
                 : set.lower_bound(*request.only + 1, {});
    }
    if (request.after) {
      const auto& [value, key] = *request.after;
      const std::size_t at = set.lower_bound(value, key);
      if (request.falls)
        high = (std::min)(high, at);
      else
        low = (std::max)(low, at + (set.contains(value, key) ? 1 : 0));
    }
    while (low < high && request.rows.size() < request.most)
      add(set, request.falls ? --high : low++, request);
  }
  static void page_around(const detail::RankedSet& set, IndexRequest& request) {
    const auto at = static_cast<std::size_t>(request.row.place);
    const std::size_t low = at - (std::min)(at, request.most);
    const std::size_t high = at + 1 + (std::min)(set.size() - at - 1, request.most);
    for (std::size_t i = 0; i < high - low; ++i)
      add(set, request.falls ? high - 1 - i : low + i, request);
  }

  std::map<std::string, detail::RankedSet, std::less<>> sets_;
  /// By key, which the sets point to.
  std::unordered_map<std::string, std::vector<Entry>, detail::TextHash, std::equal_to<>> listed_;
  std::set<std::pair<bool, std::string>> damaged_;  ///< whether of users; keys
};

}  // namespace persist::inline PERSIST_ABI
