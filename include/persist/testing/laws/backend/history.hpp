#pragma once

#include <persist/testing/laws/backend/claim.hpp>

#include <string>
#include <string_view>
#include <vector>

// The laws of a backend that keeps older states of the data.

namespace persist::inline PERSIST_ABI::testing::laws {

inline constexpr HistoryRule three_newest{.keep = 3};

/// What is kept of a record, newest first: versions, and the data as it is read back.
struct Kept {
  std::vector<KeptVersion> versions;
  std::vector<std::string> texts;

  [[nodiscard]] bool holds(const std::vector<std::string>& wanted) const { return texts == wanted; }
};

template <class B>
[[nodiscard]] ReadRequest read_version(Driver<B>& d, std::string_view key, std::uint64_t version) {
  ReadRequest request{.store = d.store, .key = key, .version = version};
  d.db.read({&request, 1});
  return request;
}
template <class B>
[[nodiscard]] Kept kept_of(Driver<B>& d, std::string_view key) {
  ReadRequest request{.store = d.store, .key = key, .wants_versions = true};
  d.db.read({&request, 1});
  d.report.that(!failed(request.error), "the versions are listed");
  Kept kept{request.versions, {}};
  for (const KeptVersion& each : kept.versions) {
    const ReadRequest one = read_version(d, key, each.version);
    d.report.that(!failed(one.error) && one.record.has_data, "what is listed can be read");
    d.report.that(one.record.version == each.version && one.record.updated == each.at,
                  "and says which state it is");
    d.report.that(one.record.data.size() == each.bytes, "and how large");
    kept.texts.emplace_back(as_text(one.record.data));
  }
  return kept;
}
template <class B>
void save_keeping(Driver<B>& d, Holding& holding, std::string_view text,
                  const HistoryRule& rule = three_newest) {
  d.report.that(d.commit(d.next(holding).data(text).history(rule)) == Outcome::applied,
                "the holder may save");
}

template <class B>
void what_is_replaced_is_kept(Driver<B>& d) {
  Holding mine = d.take("k");
  save_keeping(d, mine, "first");
  const WallTime written = d.clock.wall();
  d.report.that(kept_of(d, "k").versions.empty(), "nothing was there before");
  const std::uint64_t first = d.read("k").record.version;
  d.clock.advance(minute / 2);
  save_keeping(d, mine, "second");
  const Kept kept = kept_of(d, "k");
  d.report.that(kept.holds({"first"}), "what was there is kept");
  if (kept.versions.empty()) return;
  d.report.that(kept.versions[0].version == first, "under the version that it had");
  d.report.that(kept.versions[0].at == written && kept.versions[0].until == d.clock.wall(),
                "with the times when it was written and replaced");
  d.report.that(d.holds_text("k", "second"), "and the new data is what is there");
  const ReadRequest now = read_version(d, "k", d.read("k").record.version);
  d.report.that(!failed(now.error) && as_text(now.record.data) == "second",
                "which can be read under its version too");
  (void)d.commit(d.next(mine).metadata("m").history(three_newest));
  d.report.that(kept_of(d, "k").holds({"first"}), "what writes no data keeps none");
}

template <class B>
void without_a_rule_nothing_is_kept(Driver<B>& d) {
  Holding mine = d.take("k");
  for (const std::string_view text : {"a", "b", "c"})
    d.save(mine, text);
  d.report.that(kept_of(d, "k").versions.empty(), "there is no rule");
}

template <class B>
void a_write_without_a_rule_leaves_the_history(Driver<B>& d) {
  Holding mine = d.take("k");
  for (const std::string_view text : {"a", "b", "c"})
    save_keeping(d, mine, text);
  d.save(mine, "d");
  d.report.that(kept_of(d, "k").holds({"b", "a"}), "nothing joined and nothing left");
  save_keeping(d, mine, "e");
  d.report.that(kept_of(d, "k").holds({"d", "b", "a"}), "and it goes on");
  (void)d.commit(d.next(mine).release());
  d.report.that(kept_of(d, "k").holds({"d", "b", "a"}), "the release leaves it too");
}

template <class B>
void a_repeated_commit_keeps_nothing_twice(Driver<B>& d) {
  Holding mine = d.take("k");
  save_keeping(d, mine, "a");
  save_keeping(d, mine, "b");
  for (int i = 0; i < 2; ++i)
    d.report.that(d.commit(d.again(mine).data("b").history(three_newest)) == Outcome::repeated,
                  "it is known");
  d.report.that(kept_of(d, "k").holds({"a"}), "and nothing was kept again");
}

template <class B>
void a_refused_commit_keeps_nothing(Driver<B>& d) {
  Holding old = d.take("k");
  save_keeping(d, old, "a");
  Holding now = d.take_away("k");
  d.report.that(d.commit(d.next(old).data("b").history(three_newest)) == Outcome::fenced,
                "an old epoch is refused");
  d.report.that(kept_of(d, "k").versions.empty(), "and keeps nothing");
  save_keeping(d, now, "c");
  d.report.that(kept_of(d, "k").holds({"a"}), "the newest one does");
  --now.fence.write;
  d.report.that(d.commit(d.again(now).data("d").history(three_newest)) == Outcome::superseded,
                "a lower write number is refused");
  d.report.that(kept_of(d, "k").holds({"a"}), "and keeps nothing");
}

template <class B>
void the_rule_says_what_stays(Driver<B>& d) {
  Holding mine = d.take("k");
  for (const std::string_view text : {"a", "b", "c", "d", "e"})
    save_keeping(d, mine, text);
  d.report.that(kept_of(d, "k").holds({"d", "c", "b"}), "the three newest stay");
  save_keeping(d, mine, "f", {.keep = 1});
  d.report.that(kept_of(d, "k").holds({"e"}), "a smaller rule drops more");
  save_keeping(d, mine, "larger", {.keep = 9, .bytes = 2});
  save_keeping(d, mine, "g", {.keep = 9, .bytes = 2});
  d.report.that(kept_of(d, "k").versions.empty(), "what is larger than all may be is not kept");
  const HistoryRule hourly{.every = 60 * minute, .for_ = 180 * minute};
  for (const std::string_view text : {"h", "i", "j", "k", "l", "m"}) {
    d.clock.advance(30 * minute);
    save_keeping(d, mine, text, hourly);
  }
  const Kept kept = kept_of(d, "k");
  for (std::size_t i = 1; i < kept.versions.size(); ++i)
    d.report.that(detail::period_of(kept.versions[i].at, hourly.every) <
                      detail::period_of(kept.versions[i - 1].at, hourly.every),
                  "of each period one stays");
  d.report.that(kept.texts.size() >= 3, "and of each period there is one");
}

template <class B>
void what_is_removed_is_kept(Driver<B>& d) {
  Holding mine = d.take("k");
  save_keeping(d, mine, "a");
  (void)d.commit(d.next(mine).no_data().history(three_newest));
  d.report.that(!d.read("k").record.has_data, "the data is gone");
  d.report.that(kept_of(d, "k").holds({"a"}), "and kept");
  d.report.that(read_version(d, "k", d.read("k").record.version).error == Errc::not_found,
                "that nothing was there is no state");
  save_keeping(d, mine, "b");
  d.report.that(kept_of(d, "k").holds({"a"}), "nor is it kept as one");
}

template <class B>
void an_erase_takes_the_history_with_it(Driver<B>& d) {
  Holding mine = d.take("k");
  save_keeping(d, mine, "a");
  save_keeping(d, mine, "b");
  (void)d.erase("k");
  d.report.that(kept_of(d, "k").versions.empty(), "nothing is left");
  Holding again = d.take("k");
  save_keeping(d, again, "c");
  save_keeping(d, again, "d");
  d.report.that(kept_of(d, "k").holds({"c"}), "and nothing comes back");
}

template <class B>
void a_state_that_is_not_kept_is_not_found(Driver<B>& d) {
  d.report.that(!read_version(d, "none", 7).found, "there is no such record");
  Holding mine = d.take("k");
  for (const std::string_view text : {"a", "b", "c", "d", "e"})
    save_keeping(d, mine, text);
  const std::uint64_t now = d.read("k").record.version;
  for (const std::uint64_t gone : {now + 1, now - 4}) {
    const ReadRequest read = read_version(d, "k", gone);
    d.report.that(read.error == Errc::not_found, "it is not kept");
    const std::string words = read.error.message();
    for (std::uint64_t there = now - 3; there <= now; ++there)
      d.report.that(words.find(' ' + std::to_string(there)) != words.npos,
                    "and the answer says which are");
  }
}

template <class B>
void states_of_one_batch_are_kept(Driver<B>& d) {
  Holding mine = d.take("k");
  save_keeping(d, mine, "a");
  Draft drafts[] = {d.next(mine).data("b"), d.next(mine).data("c"), d.next(mine).no_data(),
                    d.next(mine).data("d"), d.next(mine).data("e").release()};
  std::vector<CommitRequest> batch;
  for (Draft& draft : drafts)
    batch.push_back({{&draft.history(three_newest).bind(), 1}});
  d.db.commit(batch);
  for (const CommitRequest& each : batch)
    d.report.that(each.outcome == Outcome::applied, "all are applied");
  d.report.that(kept_of(d, "k").holds({"d", "c", "b"}), "and each replaced the one before");
  d.report.that(d.holds_text("k", "e"), "the last is what is there");
}

template <class B>
void a_claim_keeps_what_it_replaces(Driver<B>& d) {
  Holding mine = d.take("k");
  save_keeping(d, mine, "a");
  Looker tool = look(d, "k");
  Draft change = claim_with(d, tool, Claims::anyway).data("b").history(three_newest);
  d.report.that(d.commit(change) == Outcome::applied, "the claim is applied");
  d.report.that(kept_of(d, "k").holds({"a"}), "and what it replaced is kept");
  Looker anew = look(d, "new");
  Draft first = claim_with(d, anew, Claims::anyway).data("x").history(three_newest);
  d.report.that(d.commit(first) == Outcome::applied, "a claim makes a record");
  d.report.that(kept_of(d, "new").versions.empty(), "that has no older state");
}

template <class B>
void a_history_belongs_to_its_record(Driver<B>& d) {
  Holding one = d.take("k");
  Holding two = d.take("l");
  save_keeping(d, one, "a");
  save_keeping(d, two, "x");
  save_keeping(d, one, "b");
  save_keeping(d, two, "y");
  Driver<B> other(d.db, d.clock, d.report, "other");
  Holding there = other.take("k");
  save_keeping(other, there, "p");
  save_keeping(other, there, "q");
  d.report.that(kept_of(d, "k").holds({"a"}) && kept_of(d, "l").holds({"x"}),
                "each record has its own");
  d.report.that(kept_of(other, "k").holds({"p"}), "and each store");
}

}  // namespace persist::inline PERSIST_ABI::testing::laws
