#pragma once

#include <persist/testing/laws/backend/claim.hpp>

#include <limits>

// The laws of a backend that keeps ordered indexes.

namespace persist::inline PERSIST_ABI::testing::laws {

template <class B>
[[nodiscard]] IndexRequest query(Driver<B>& d, IndexRequest request) {
  request.store = d.store;
  d.db.query({&request, 1});
  d.report.that(!failed(request.error), "an index can be looked into");
  return request;
}
/// A page as text: "key=value@place" each.
[[nodiscard]] inline std::string rows(const IndexRequest& answer) {
  std::string all;
  for (const IndexRow& row : answer.rows)
    all += (all.empty() ? "" : " ") + row.key + "=" + std::to_string(row.value) + "@" +
           std::to_string(row.place);
  return all;
}
/// The whole of an index from its lowest entry on.
template <class B>
[[nodiscard]] std::string whole(Driver<B>& d, std::string_view index) {
  return rows(query(d, IndexRequest{.index = index, .most = 1000}));
}
/// Saves a new record that is in an index, and lets it go.
template <class B>
void list(Driver<B>& d, std::string_view key, std::string_view index, std::int64_t value) {
  Holding holding = d.take(key);
  d.report.that(
      d.commit(d.next(holding).data("data").in(index, value).release()) == Outcome::applied,
      "a record is saved with its entry");
}

template <class B>
void an_index_is_ordered_by_value_and_then_by_key(Driver<B>& d) {
  using Limits = std::numeric_limits<std::int64_t>;
  list(d, "b", "coins", 5);
  list(d, "d", "coins", -3);
  list(d, "a", "coins", 5);
  list(d, "e", "coins", (Limits::max)());
  list(d, "c", "coins", (Limits::min)());
  const std::string low = std::to_string((Limits::min)()), high = std::to_string((Limits::max)());
  d.report.that(whole(d, "coins") == "c=" + low + "@0 d=-3@1 a=5@2 b=5@3 e=" + high + "@4",
                "the lowest comes first, and of one value the lower key");
  const IndexRequest falls = query(d, {.index = "coins", .key = "b", .falls = true, .most = 3});
  d.report.that(rows(falls) == "e=" + high + "@4 b=5@3 a=5@2", "and from the other end the other");
  d.report.that(falls.size == 5 && falls.found && falls.row == IndexRow{"b", 5, 3},
                "a key's place is known, and how many there are");
  const IndexRequest none = query(d, {.index = "coins", .key = "z"});
  d.report.that(!none.found && none.size == 5 && none.rows.empty(), "who is not in it has none");
  const IndexRequest other = query(d, {.index = "power", .key = "b", .most = 9, .around = true});
  d.report.that(!other.found && other.size == 0 && other.rows.empty(),
                "an index that nobody is in is empty");
}

template <class B>
void a_page_goes_on_behind_where_the_last_one_ended(Driver<B>& d) {
  for (const char* key : {"a", "b", "c", "d", "e"})
    list(d, key, "coins", key[0] == 'e' ? 9 : 7);
  const auto after = [&](bool falls, std::int64_t value, std::string key) {
    return rows(query(d, {.index = "coins",
                          .falls = falls,
                          .most = 2,
                          .after = IndexPosition{value, std::move(key)}}));
  };
  d.report.that(after(false, 7, "b") == "c=7@2 d=7@3", "up");
  d.report.that(after(true, 7, "d") == "c=7@2 b=7@1", "and down");
  d.report.that(after(false, 7, "bb") == "c=7@2 d=7@3" && after(true, 7, "bb") == "b=7@1 a=7@0",
                "also behind what is not there any more");
  d.report.that(after(false, 9, "e").empty() && after(true, 7, "a").empty(), "to both ends");
  const IndexRequest only = query(d, {.index = "coins", .most = 9, .only = 7});
  d.report.that(rows(only) == "a=7@0 b=7@1 c=7@2 d=7@3", "entries of one value");
  const IndexRequest behind = query(
      d, {.index = "coins", .falls = true, .most = 9, .after = IndexPosition{7, "c"}, .only = 7});
  d.report.that(rows(behind) == "b=7@1 a=7@0", "and a page of them");
  d.report.that(query(d, {.index = "coins", .most = 9, .only = 8}).rows.empty(), "or none");
}

template <class B>
void the_rows_around_a_key_have_it_in_their_middle(Driver<B>& d) {
  for (const char* key : {"a", "b", "c", "d", "e"})
    list(d, key, "coins", key[0]);
  const auto around = [&](std::string_view key, std::size_t most, bool falls = false) {
    return rows(
        query(d, {.index = "coins", .key = key, .falls = falls, .most = most, .around = true}));
  };
  d.report.that(around("c", 1) == "b=98@1 c=99@2 d=100@3", "one on each side");
  d.report.that(around("c", 1, true) == "d=100@3 c=99@2 b=98@1", "the other way round");
  d.report.that(around("a", 1) == "a=97@0 b=98@1" && around("e", 1) == "d=100@3 e=101@4",
                "at the ends there are fewer");
  d.report.that(around("c", 0) == "c=99@2", "alone");
  d.report.that(around("c", 100).size() == whole(d, "coins").size(), "or all");
  d.report.that(around("z", 2).empty(), "around nobody there is nobody");
}

template <class B>
void entries_come_with_their_commit_or_not_at_all(Driver<B>& d) {
  Holding old = d.take("k");
  d.report.that(d.commit(d.next(old).data("one").in("coins", 1)) == Outcome::applied, "saved");
  Holding now = d.take_away("k");
  d.report.that(d.commit(d.next(old).data("late").in("coins", 2)) == Outcome::fenced,
                "an old epoch is refused");
  d.report.that(whole(d, "coins") == "k=1@0", "and changes no index");
  d.report.that(d.commit(d.next(now).data("two").in("coins", 3).in("power", 4)) == Outcome::applied,
                "the new one is not");
  d.report.that(whole(d, "coins") == "k=3@0" && whole(d, "power") == "k=4@0",
                "its entries stand for all before");
  Draft repeat = d.again(now).data("two").in("coins", 5);
  d.report.that(d.commit(repeat) == Outcome::repeated, "the same write again is known");
  d.report.that(whole(d, "coins") == "k=3@0", "and does nothing");
  if constexpr (transactional_backend<B>) {
    Holding partner = d.take("l");
    Draft stale = d.next(old).data("three").in("coins", 6);
    Draft theirs = d.next(partner).data("three").in("coins", 6);
    Change changes[] = {theirs.bind(), stale.bind()};
    CommitRequest request{changes};
    d.db.commit({&request, 1});
    d.report.that(request.outcome == Outcome::fenced && whole(d, "coins") == "k=3@0",
                  "where a partner is refused no index changes");
  }
}

template <class B>
void entries_stay_until_a_commit_brings_others(Driver<B>& d) {
  Holding mine = d.take("k");
  (void)d.commit(d.next(mine).data("one").in("coins", 1).in("power", 2));
  d.save(mine, "two");
  d.report.that(d.commit(d.next(mine).metadata("more").renew()) == Outcome::applied, "saved");
  d.report.that(whole(d, "coins") == "k=1@0" && whole(d, "power") == "k=2@0",
                "a commit that names none leaves them");
  (void)d.commit(d.next(mine).data("three").in("power", 3));
  d.report.that(whole(d, "coins").empty() && whole(d, "power") == "k=3@0", "other entries");
  (void)d.commit(d.next(mine).data("four").in_none());
  d.report.that(whole(d, "power").empty(), "none");
  (void)d.commit(d.next(mine).data("five").in("coins", 5).users({8}));
  (void)d.commit(d.next(mine).no_data());
  d.report.that(whole(d, "coins").empty(), "what has no data is in no board");
  d.report.that(whole(d, "") == "k=8@0", "and keeps its users");
  d.report.that(
      d.commit(d.next(mine).in("coins", 6)) == Outcome::applied && whole(d, "coins") == "k=6@0",
      "entries can come alone");
}

template <class B>
void an_erase_takes_a_record_out_of_every_index(Driver<B>& d) {
  Holding mine = d.take("k");
  (void)d.commit(d.next(mine).data("one").in("coins", 1).users({7, 8}));
  list(d, "l", "coins", 2);
  (void)d.erase("k");
  d.report.that(whole(d, "coins") == "l=2@0" && whole(d, "").empty(), "it is in none");
  Holding again = d.take("k");
  d.save(again, "new");
  d.report.that(whole(d, "coins") == "l=2@0" && whole(d, "").empty(),
                "nor is a new record of that key");
}

template <class B>
void user_ids_are_an_index_of_their_own(Driver<B>& d) {
  constexpr std::uint64_t largest = ~std::uint64_t{0};
  Holding k = d.take("k"), l = d.take("l");
  (void)d.commit(d.next(k).data("k").users({largest, 7, 7}));
  (void)d.commit(d.next(l).data("l").users({7}));
  const auto keys_of = [&](std::uint64_t user) {
    return rows(query(d, {.most = 9, .only = user_value(user)}));
  };
  d.report.that(keys_of(largest) == "k=-1@0" && keys_of(7) == "k=7@1 l=7@2",
                "each user's records, each once");
  d.report.that(keys_of(8).empty() && keys_of(0).empty(), "and nobody else's");
  d.save(k, "more");
  d.report.that(keys_of(largest) == "k=-1@0", "a save leaves them");
  (void)d.commit(d.next(k).users({8}));
  d.report.that(keys_of(largest).empty() && keys_of(7) == "l=7@0" && keys_of(8) == "k=8@1",
                "other users");
  (void)d.commit(d.next(k).users({}));
  d.report.that(whole(d, "") == "l=7@0", "or none");
}

template <class B>
void an_index_belongs_to_its_store(Driver<B>& d) {
  list(d, "k", "coins", 1);
  Driver<B> other(d.db, d.clock, d.report, "other");
  d.report.that(whole(other, "coins").empty(), "another store's is empty");
  list(other, "k", "coins", 2);
  d.report.that(whole(d, "coins") == "k=1@0" && whole(other, "coins") == "k=2@0",
                "and has its own entries");
}

template <class B>
void entries_of_one_batch_are_all_in(Driver<B>& d) {
  Holding k = d.take("k"), l = d.take("l");
  Draft first = d.next(k).data("one").in("coins", 1), second = d.next(l).data("one").in("coins", 2),
        third = d.next(k).data("two").in("coins", 3);
  CommitRequest batch[] = {{{&first.bind(), 1}}, {{&second.bind(), 1}}, {{&third.bind(), 1}}};
  d.db.commit(batch);
  d.report.that(whole(d, "coins") == "l=2@0 k=3@1", "the last of each record counts");
}

}  // namespace persist::inline PERSIST_ABI::testing::laws
