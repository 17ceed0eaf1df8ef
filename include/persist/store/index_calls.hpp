#pragma once

#include <persist/record/index.hpp>
#include <persist/store/store_calls.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// The calls of a store about its boards, and about which records are a user's. What they are asked
// of is what is stored: an edit that is not saved is in none.

namespace persist::inline PERSIST_ABI {

/// One row of a board.
template <class T>
struct Standing {
  std::string key;         ///< as storage spells it
  T value{};               ///< as it was when the record was saved last
  std::uint64_t rank = 0;  ///< 0 is the best, which is the highest value

  std::int64_t number = 0;  ///< the value as the board orders it
  /// Where the next page goes on.
  [[nodiscard]] IndexPosition position() const { return {number, key}; }
};

namespace detail {

template <class B>
constexpr void needs_indexes() {
  static_assert(queries_indexes<B>,
                "persist: this Backend keeps no indexes: it cannot say who is where in a board, or "
                "which records are a user's");
}
/// The board of that name, of a store with that Data policy.
template <FixedString Name, class Policy>
struct Board {
  static constexpr bool is_there = Policy::IndexList::has(Name.view());
  static_assert(is_there, "persist: the Data policy declares no index of this name");

  struct NoRow {
    using type = int;
  };
  using Data = typename schema::detail::RecordType<typename Policy::data_type>::type;
  using value_type = typename std::conditional_t<
      is_there, schema::detail::RowValue<Name, typename Policy::indexes, Data>, NoRow>::type;
  using Row = Standing<value_type>;

  [[nodiscard]] static std::vector<Row> rows_of(const IndexRequest& answer) {
    std::vector<Row> rows;
    rows.reserve(answer.rows.size());
    for (const IndexRow& row : answer.rows)
      rows.push_back({row.key, schema::indexed_value<value_type>(row.value),
                      answer.size - 1 - row.place, row.value});
    return rows;
  }
};

}  // namespace detail

template <class S>
Result<IndexRequest> StoreCalls<S>::query(IndexRequest request) {
  detail::needs_indexes<typename S::Backend>();
  if (Error no = core_.refusal(); failed(no)) return no;
  core_.waits_for_storage();
  request.store = core_.store();
  core_.backend().query(std::span(&request, 1));
  if (failed(request.error)) return request.error;
  return request;
}

template <class S>
template <detail::FixedString Name>
auto StoreCalls<S>::page_of_board(bool from_the_top, std::size_t most,
                                  const std::optional<IndexPosition>& after) {
  using Board = detail::Board<Name, typename S::Policy>;
  using Answer = Result<std::vector<typename Board::Row>>;
  const auto page =
      query({.index = Name.view(), .falls = from_the_top, .most = most, .after = after});
  return page ? Answer(Board::rows_of(*page)) : Answer(page.error());
}

template <class S>
template <detail::FixedString Name, class K>
auto StoreCalls<S>::around_in_board(const K& key, std::size_t beside) {
  using Board = detail::Board<Name, typename S::Policy>;
  using Answer = Result<std::vector<typename Board::Row>>;
  const auto found = find_in_board<Name>(key, beside);
  return found ? Answer(Board::rows_of(*found)) : Answer(found.error());
}

template <class S>
template <detail::FixedString Name, class K>
Result<std::uint64_t> StoreCalls<S>::rank_in_board(const K& key) {
  const auto found = find_in_board<Name>(key, 0);
  if (!found) return found.error();
  return found->size - 1 - found->row.place;
}

template <class S>
template <detail::FixedString Name, class K>
Result<IndexRequest> StoreCalls<S>::find_in_board(const K& key, std::size_t beside) {
  static_assert(detail::Board<Name, typename S::Policy>::is_there);
  KeyBuffer spelled;
  if (auto fits = spell(key, spelled); !fits) return fits.error();
  auto found = query(
      {.index = Name.view(), .key = spelled.view(), .falls = true, .most = beside, .around = true});
  if (found && !found->found)
    return Error(Errc::not_found,
                 "the record is not in the index \"" + std::string(Name.view()) + "\"")
        .for_key(spelled.view());
  return found;
}

template <class S>
template <detail::FixedString Name>
Result<std::uint64_t> StoreCalls<S>::size_of_board() {
  static_assert(detail::Board<Name, typename S::Policy>::is_there);
  const auto found = query({.index = Name.view()});
  return found ? Result<std::uint64_t>(found->size) : Result<std::uint64_t>(found.error());
}

template <class S>
Result<std::vector<std::string>> StoreCalls<S>::keys_of(std::uint64_t user) {
  std::vector<std::string> keys;
  IndexRequest next{.most = 1000, .only = user_value(user)};
  while (true) {
    auto page = query(next);
    if (!page) return page.error();
    if (!page->damaged.empty())
      return Error(Errc::corrupt, "the user ids of " + std::to_string(page->damaged.size()) +
                                      " records are damaged, this one's among them: whose they "
                                      "are is not known")
          .for_key(page->damaged.front());
    for (IndexRow& row : page->rows)
      keys.push_back(std::move(row.key));
    if (page->rows.size() < next.most) return keys;
    next.after = IndexPosition{user_value(user), keys.back()};
  }
}

}  // namespace persist::inline PERSIST_ABI
