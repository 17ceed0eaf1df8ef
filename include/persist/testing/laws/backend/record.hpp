#pragma once

#include <persist/testing/laws/backend/driver.hpp>

#include <algorithm>
#include <set>

// The laws of what a record holds, of a store's header, and of commits over several records.

namespace persist::inline PERSIST_ABI::testing::laws {

template <class B>
void a_load_brings_what_was_saved(Driver<B>& d) {
  Holding mine = d.take("k");
  d.commit(d.next(mine).data("data").metadata("meta").users({7, 9}));
  d.commit(d.next(mine).release());
  const AcquireRequest got = d.acquire("k", d.somebody());
  d.report.that(got.record.has_data && as_text(got.record.data) == "data", "data");
  d.report.that(as_text(got.record.metadata) == "meta", "metadata");
  d.report.that(got.record.user_ids == std::vector<std::uint64_t>({7, 9}), "user ids");
  d.report.that(got.record.version == 1, "version");
  Holding next{"k", got.record.fence};
  d.save(next, "more");
  const ReadRequest now = d.read("k");
  d.report.that(as_text(now.record.metadata) == "meta" && now.record.user_ids.size() == 2,
                "what a commit does not name stays");
  d.commit(d.next(next).users({}).metadata(""));
  d.report.that(d.read("k").record.user_ids.empty() && d.read("k").record.metadata.empty() &&
                    d.holds_text("k", "more"),
                "and can be emptied alone");
  d.report.that(d.read("k").record.version == 2, "the version grows with data only");
  ReadRequest brief{d.store, "k", false};
  d.db.read({&brief, 1});
  d.report.that(brief.record.has_data && brief.record.data.empty(), "a read may leave data out");
}

template <class B>
void data_can_be_removed(Driver<B>& d) {
  Holding mine = d.take("k");
  d.save(mine, "x");
  Draft empty = d.next(mine).no_data();
  d.report.that(d.commit(empty) == Outcome::applied && empty.change().version == 2, "removed");
  d.report.that(d.read("k").found && !d.read("k").record.has_data, "the record stays, empty");
  Draft zero = d.next(mine).data("");
  d.commit(zero);
  d.report.that(d.read("k").record.has_data && d.read("k").record.data.empty(),
                "no bytes are not no data");
}

template <class B>
void times_are_the_backends(Driver<B>& d) {
  Holding mine = d.take("k");
  const WallTime begin = d.clock.wall();
  d.save(mine, "x");
  d.clock.advance(minute);
  d.commit(d.next(mine).renew());
  d.report.that(d.read("k").record.updated == begin, "a renewal is no update");
  d.save(mine, "y");
  const ReadRequest now = d.read("k");
  d.report.that(now.record.created == begin, "created by the first save");
  d.report.that(now.record.updated == begin + minute, "updated by the last");
  d.report.that(now.record.now == d.clock.wall(), "a reply says what time it is");
  Draft import = d.next(mine).data("z");
  import.change().created = begin - std::chrono::hours(1000);
  import.change().load_count = 41;
  d.commit(import);
  const ReadRequest imported = d.read("k");
  d.report.that(imported.record.created == begin - std::chrono::hours(1000), "an import sets it");
  d.report.that(imported.record.load_count == 41, "and the load count");
}

template <class B>
void the_first_commit_of_an_epoch_counts_a_load(Driver<B>& d) {
  Holding first = d.take("k");
  d.report.that(d.read("k").record.load_count == 0, "an acquire alone does not count");
  d.commit(d.next(first).data("x"));
  d.commit(d.next(first).data("y"));
  d.report.that(d.read("k").record.load_count == 1, "the first commit does, the second not");
  d.commit(d.next(first).release());
  Holding second = d.take("k");
  d.commit(d.next(second).release());
  d.report.that(d.read("k").record.load_count == 2, "a clean session's release counts");
  d.commit(d.again(second).release());
  d.report.that(d.read("k").record.load_count == 2, "a repeat does not");
}

template <class B>
void receipts_are_kept_until_forgotten(Driver<B>& d) {
  Holding mine = d.take("k");
  std::vector<Receipt> all;
  for (std::uint32_t i = 1; i <= 60; ++i) {
    d.commit(d.next(mine).receipt(i, i / 10));
    all.push_back({{i, i}, i / 10});
  }
  const auto kept = [&] { return d.acquire("k", mine.fence.owner).record; };
  d.report.that(kept().receipts == all, "all, in the order they came");
  d.report.that(kept().receipts_forgotten == 0, "none is forgotten yet");
  d.commit(d.next(mine).forget_receipts(2).receipt(100, 9));
  std::erase_if(all, [](const Receipt& r) { return r.day <= 2; });
  all.push_back({{100, 100}, 9});
  d.report.that(kept().receipts == all, "those of a day and before are forgotten");
  d.report.that(kept().receipts_forgotten == 2, "and it is known up to when");
  d.commit(d.next(mine).forget_receipts(1));
  d.report.that(kept().receipts_forgotten == 2 && kept().receipts == all, "which never goes back");
}

template <class B>
void a_scan_finds_each_record_with_data_once(Driver<B>& d)
  requires scans_keys<B>
{
  std::set<std::string> expected;
  for (int i = 0; i < 25; ++i) {
    Holding mine = d.take("key" + std::to_string(i));
    if (i % 5 == 4) continue;
    d.save(mine, "x");
    expected.insert(mine.key);
  }
  d.post("mail only", 1, "hello");
  for (const std::size_t most : {std::size_t{1}, std::size_t{7}, std::size_t{1000}}) {
    std::set<std::string> seen;
    ScanRequest page{d.store, "", most};
    for (int pages = 0; pages < 40 && !page.done; ++pages) {
      page.after = page.next;
      d.db.scan({&page, 1});
      d.report.that(page.keys.size() <= most, "a page is no larger than asked for");
      for (const std::string& key : page.keys)
        d.report.that(seen.insert(key).second, "no key twice");
    }
    d.report.that(page.done && seen == expected, "all keys with data, and no other");
  }
}

template <class B>
void a_scan_of_inboxes_finds_each_record_in_which_messages_wait(Driver<B>& d)
  requires scans_keys<B>
{
  std::set<std::string> expected;
  for (int i = 0; i < 12; ++i) {
    Holding mine = d.take("key" + std::to_string(i));
    if (i % 3 != 0) d.save(mine, "x");
    d.report.that(d.commit(d.next(mine).release()) == Outcome::applied, "it is given back");
    if (i % 2 != 0) continue;
    d.post(mine.key, 1, "hello");
    expected.insert(mine.key);
  }
  d.post("mail only", 1, "hello");
  expected.insert("mail only");
  for (const std::size_t most : {std::size_t{1}, std::size_t{5}, std::size_t{1000}}) {
    std::set<std::string> seen;
    ScanRequest page{d.store, "", most};
    page.of_inboxes = true;
    for (int pages = 0; pages < 40 && !page.done; ++pages) {
      page.after = page.next;
      d.db.scan({&page, 1});
      seen.insert(page.keys.begin(), page.keys.end());
    }
    d.report.that(page.done && seen == expected, "those with messages, with data or without");
  }
}

template <class B>
void a_store_is_found_by_its_name(Driver<B>& d) {
  Driver<B> same(d.db, d.clock, d.report);
  Driver<B> other(d.db, d.clock, d.report, "other");
  d.report.that(same.store == d.store && same.birth == d.birth, "one name, one store");
  d.report.that(!(other.store == d.store) && other.birth != d.birth, "another name, another one");
  Holding mine = d.take("k");
  d.save(mine, "mine");
  d.report.that(same.holds_text("k", "mine"), "records of one");
  d.report.that(!other.read("k").found, "are not the other's");
  Holding theirs = other.take("k");
  other.save(theirs, "theirs");
  d.report.that(d.holds_text("k", "mine") && other.holds_text("k", "theirs"), "nor mixed up");
}

template <class B>
void a_header_is_checked(Driver<B>& d) {
  OpenStoreRequest lock{"laws", LockKind::none, {}};
  d.db.open_store({&lock, 1});
  d.report.that(lock.error == Errc::invalid, "another lock kind is invalid");
  OpenStoreRequest known{"laws", LockKind::lease, d.birth};
  d.db.open_store({&known, 1});
  d.report.that(!failed(known.error), "the birth id that was known is fine");
  OpenStoreRequest foreign{"laws", LockKind::lease, Hash128{1, 2}};
  d.db.open_store({&foreign, 1});
  d.report.that(foreign.error == Errc::refused, "another birth id is refused");
  OpenStoreRequest gone{"gone", LockKind::lease, Hash128{1, 2}};
  d.db.open_store({&gone, 1});
  d.report.that(gone.error == Errc::refused, "so is a header that is missing where one was known");
  OpenStoreRequest made{"gone", LockKind::none, {}};
  d.db.open_store({&made, 1});
  d.report.that(!failed(made.error), "which was not made by asking");
}

template <class B>
void changes_of_one_commit_are_all_or_nothing(Driver<B>& d) {
  if constexpr (transactional_backend<B>) {
    Holding a = d.take("a"), b = d.take("b"), c = d.take("c");
    const auto all = [&](Draft x, Draft y, Draft z) {
      Change changes[] = {x.bind(), y.bind(), z.bind()};
      CommitRequest request{changes};
      d.db.commit({&request, 1});
      return std::pair(request.outcome, request.culprit);
    };
    const auto first =
        all(d.next(a).data("1"), d.next(b).data("1").send("d", 1, "gift"), d.next(c).data("1"));
    d.report.that(first.first == Outcome::applied, "all");
    d.report.that(d.holds_text("a", "1") && d.holds_text("b", "1") && d.holds_text("c", "1") &&
                      d.read("d").inbox_messages == 1,
                  "with what they send");
    const auto again = all(d.again(a).data("x"), d.again(b).data("x"), d.again(c).data("x"));
    d.report.that(again.first == Outcome::repeated, "a repeat of all is one");
    Holding thief = d.take_away("b");
    const auto refused =
        all(d.next(a).data("2").send("d", 1, "x"), d.next(b).data("2"), d.next(c).data("2"));
    d.report.that(refused == std::pair(Outcome::fenced, std::size_t{1}), "one is fenced");
    d.report.that(
        d.holds_text("a", "1") && d.holds_text("c", "1") && d.read("d").inbox_messages == 1,
        "and none is written");
    d.save(a, "3");
    d.save(c, "3");
    d.save(thief, "3");
  } else {
    d.report.that(true, "this backend makes no promise over several records");
  }
}

template <class B>
void a_message_to_oneself_is_new_at_once(Driver<B>& d) {
  Holding mine = d.take("k");
  Draft save = d.next(mine).data("x").send("k", 1, "to myself");
  d.report.that(d.commit(save) == Outcome::applied && save.change().sends[0].delivered, "sent");
  d.report.that(save.change().messages.size() == 1, "a message to oneself is new at once");
}

template <class B>
void every_key_byte_is_kept(Driver<B>& d) {
  std::string key;
  for (int byte = 1; byte < 256; ++byte)
    key.push_back(static_cast<char>(byte));
  Holding mine = d.take(key);
  d.save(mine, "all");
  Holding path = d.take("../../etc/passwd");
  d.save(path, "text");
  d.report.that(d.holds_text(key, "all") && d.holds_text("../../etc/passwd", "text"),
                "a key is bytes and nothing else");
}

}  // namespace persist::inline PERSIST_ABI::testing::laws
