#pragma once

#include <persist/testing/laws/backend/driver.hpp>

// The laws of leases and of requests to let go. A backend that has no clock to judge leases by
// (`judges_leases`) holds to what is left of them.

namespace persist::inline PERSIST_ABI::testing::laws {

template <class B>
void acquire_is_exclusive(Driver<B>& d) {
  Holding mine = d.take("k");
  d.clock.advance(std::chrono::seconds(15));
  const AcquireRequest other = d.acquire("k", d.somebody());
  d.report.that(other.outcome == Taken::held, "a second one is told that it is held");
  d.report.that(other.holder.owner == mine.fence.owner, "by whom");
  d.report.that(other.holder.epoch == mine.fence.epoch, "under which epoch");
  d.report.that(other.holder.lease == minute, "how long its lease is");
  if constexpr (judges_leases<B>) {
    d.report.that(other.holder.age == std::chrono::seconds(15), "since when");
    d.report.that(other.holder.left == std::chrono::seconds(45), "for how long");
  }
  d.save(mine, "x");
  d.report.that(d.commit(d.next(mine).release()) == Outcome::applied, "let go");
  d.report.that(d.acquire("k", d.somebody()).outcome == Taken::taken, "then it is free");
}

template <class B>
void a_repeated_acquire_gives_the_same_epoch(Driver<B>& d) {
  const Owner me = d.somebody();
  const AcquireRequest first = d.acquire("k", me);
  const AcquireRequest second = d.acquire("k", me);
  d.report.that(second.outcome == Taken::taken, "own: taken again");
  d.report.that(first.record.fence == second.record.fence, "under the same epoch");
  Holding mine{"k", first.record.fence};
  d.save(mine, "x");
  const AcquireRequest third = d.acquire("k", me);
  d.report.that(third.record.fence == mine.fence, "with the write number it has reached");
  Owner twin = me;
  twin.server = ServerId("us-1");
  d.report.that(d.acquire("k", twin).outcome == Taken::held, "own means all parts of the owner");
}

template <class B>
void an_expired_lease_is_free_for_others(Driver<B>& d) {
  Holding mine = d.take("k");
  d.clock.advance(minute - Duration(1));
  d.report.that(d.acquire("k", d.somebody()).outcome == Taken::held, "held until the very end");
  d.clock.advance(Duration(1));
  if constexpr (!judges_leases<B>) {
    d.report.that(d.acquire("k", d.somebody()).outcome == Taken::held,
                  "and beyond it: who watches takes over, and nobody else");
    return;
  }
  const ReadRequest expired = d.read("k");
  d.report.that(!expired.held, "then nobody holds it");
  d.report.that(expired.holder.owner == mine.fence.owner, "but expired is not cleared");
  d.report.that(d.acquire("k", d.somebody()).outcome == Taken::taken, "and it can be taken");
  d.report.that(d.commit(d.next(mine).data("x")) == Outcome::fenced, "which fences the first");
}

template <class B>
void an_expired_lease_nobody_took_is_renewed_by_the_next_commit(Driver<B>& d) {
  Holding mine = d.take("k");
  d.clock.advance(5 * minute);
  d.report.that(d.commit(d.next(mine).data("x").renew()) == Outcome::applied,
                "expiry alone never ends a session");
  d.report.that(d.read("k").held, "and it holds again");
  d.clock.advance(5 * minute);
  d.report.that(d.commit(d.next(mine).renew()) == Outcome::applied, "a renewal alone does too");
  d.report.that(d.acquire("k", d.somebody()).outcome == Taken::held, "for others as well");
  d.report.that(d.read("k").record.version == 1, "a renewal is no new version");
}

template <class B>
void a_commit_that_keeps_the_lease_does_not_renew_it(Driver<B>& d) {
  Holding mine = d.take("k");
  const std::uint64_t renewals = d.read("k").holder.renewals;
  d.clock.advance(minute / 2);
  d.save(mine, "x");
  d.clock.advance(minute / 2);
  d.report.that(d.read("k").holder.renewals == renewals, "it counts for no renewal");
  if constexpr (judges_leases<B>)
    d.report.that(!d.read("k").held, "the lease ran from the acquire");
}

template <class B>
void a_lease_of_no_length_holds_nobody_up(Driver<B>& d) {
  Holding first = d.take("k", Duration::zero());
  d.save(first, "x");
  Holding second = d.take("k", Duration::zero());
  d.report.that(d.commit(d.next(first).data("y")) == Outcome::fenced, "the newest writes");
  d.save(second, "z");
}

template <class B>
void a_late_steal_is_refused(Driver<B>& d) {
  Holding mine = d.take("k");
  const AcquireRequest seen = d.acquire("k", d.somebody());
  d.report.that(d.commit(d.next(mine).renew()) == Outcome::applied, "renewed");
  const AcquireRequest late = d.steal("k", seen.holder);
  d.report.that(late.outcome == Taken::held, "who renewed since is not robbed");
  const AcquireRequest good = d.steal("k", late.holder);
  d.report.that(good.outcome == Taken::taken, "what is seen as it is can be taken");
  d.report.that(d.steal("k", late.holder).outcome == Taken::held, "once");
  d.report.that(d.commit(d.next(mine).data("x")) == Outcome::fenced, "the first is fenced");
}

template <class B>
void a_request_is_seen_by_the_holder(Driver<B>& d) {
  Holding mine = d.take("k");
  const Owner asker = d.somebody();
  d.report.that(d.acquire("k", asker).holder.asker.nobody(), "waiting is not asking");
  const AcquireRequest asked = d.acquire("k", asker, Intent::request);
  d.report.that(asked.outcome == Taken::held && asked.holder.asker == asker, "asked");
  Draft save = d.next(mine).data("x");
  d.report.that(d.commit(save) == Outcome::applied, "the holder still saves");
  d.report.that(save.change().release_requested, "and learns of it");
  const AcquireRequest kept = d.acquire("k", asker, Intent::keep_request);
  d.report.that(kept.outcome == Taken::held && kept.holder.asker == asker, "a retry finds its own");
  d.report.that(d.commit(d.next(mine).release()) == Outcome::applied, "let go");
  const AcquireRequest got = d.acquire("k", asker, Intent::keep_request);
  d.report.that(got.outcome == Taken::taken && as_text(got.record.data) == "x", "handed over");
}

template <class B>
void while_a_request_stands_commits_save_but_do_not_renew(Driver<B>& d) {
  Holding mine = d.take("k");
  (void)d.acquire("k", d.somebody(), Intent::request);
  const std::uint64_t renewals = d.read("k").holder.renewals;
  d.clock.advance(minute - std::chrono::seconds(1));
  d.report.that(d.commit(d.next(mine).data("saved").renew()) == Outcome::applied, "it saves");
  d.report.that(d.holds_text("k", "saved"), "for real");
  d.clock.advance(std::chrono::seconds(1));
  d.report.that(d.read("k").holder.renewals == renewals, "who watches hears nothing");
  if constexpr (judges_leases<B>)
    d.report.that(!d.read("k").held, "an asker waits one lease at most");
}

template <class B>
void a_newer_asker_replaces_the_older(Driver<B>& d) {
  Holding mine = d.take("k");
  const Owner first = d.somebody();
  const Owner second = d.somebody();
  (void)d.acquire("k", first, Intent::request);
  (void)d.acquire("k", second, Intent::request);
  const AcquireRequest retry = d.acquire("k", first, Intent::keep_request);
  d.report.that(retry.holder.asker == second, "a retry finds the newer one's in its place");
  (void)d.acquire("k", first, Intent::withdraw);
  d.report.that(d.read("k").holder.asker == second, "and cannot withdraw it");
  const AcquireRequest withdrawn = d.acquire("k", second, Intent::withdraw);
  d.report.that(withdrawn.outcome == Taken::held, "withdrawing takes nothing");
  d.report.that(d.read("k").holder.asker.nobody(), "its own asker can withdraw it");
  Draft save = d.next(mine).renew();
  d.commit(save);
  d.report.that(!save.change().release_requested, "the holder learns that too");
}

template <class B>
void a_record_whose_lease_ran_out_goes_to_the_newest_asker(Driver<B>& d) {
  Holding mine = d.take("k");
  const Owner first = d.somebody();
  const Owner second = d.somebody();
  (void)d.acquire("k", first, Intent::request);
  (void)d.acquire("k", second, Intent::request);
  d.clock.advance(std::chrono::hours(1));
  const AcquireRequest older = d.acquire("k", first, Intent::keep_request);
  d.report.that(older.outcome == Taken::held, "a retry of the older one takes nothing");
  d.report.that(older.holder.asker == second, "and learns of the newer one");
  const AcquireRequest newest = d.acquire("k", second, Intent::keep_request);
  d.report.that(newest.outcome == (judges_leases<B> ? Taken::taken : Taken::held),
                "the newest takes it");
}

template <class B>
void a_request_belongs_to_its_epoch(Driver<B>& d) {
  Holding mine = d.take("k");
  (void)d.acquire("k", d.somebody(), Intent::request);
  d.report.that(d.commit(d.next(mine).release()) == Outcome::applied, "released");
  Holding next = d.take("k");
  Draft save = d.next(next).data("x");
  d.commit(save);
  d.report.that(!save.change().release_requested, "a release clears it");
  (void)d.acquire("k", d.somebody(), Intent::request);
  Holding thief = d.take_away("k");
  d.report.that(d.read("k").holder.asker.nobody(), "an acquire clears it");
  (void)d.acquire("k", d.somebody(), Intent::request);
  d.erase("k");
  Holding anew = d.take("k");
  d.report.that(d.read("k").holder.asker.nobody(), "an erase clears it");
}

template <class B>
void a_request_for_a_free_record_takes_it(Driver<B>& d) {
  const AcquireRequest got = d.acquire("k", d.somebody(), Intent::request);
  d.report.that(got.outcome == Taken::taken, "there is nobody to ask");
  d.report.that(d.read("k").holder.asker.nobody(), "and no request is left");
  const AcquireRequest nothing = d.acquire("free", d.somebody(), Intent::withdraw);
  d.report.that(nothing.outcome == Taken::held, "withdrawing takes nothing, ever");
  d.report.that(!d.read("free").held, "not even what is free");
  d.report.that(!d.read("free").found, "nor is a record made of it");
  const AcquireRequest own = d.acquire("k", got.owner, Intent::withdraw);
  d.report.that(own.outcome == Taken::taken && own.record.fence == got.record.fence,
                "one who has the record without having heard of it is told, to give it back");
  d.clock.advance(2 * minute);
  d.report.that(d.acquire("k", d.somebody(), Intent::withdraw).outcome == Taken::held,
                "what has expired is not taken either");
  d.report.that(d.read("k").record.fence == got.record.fence, "and stays as it was");
}

template <class B>
void the_calendar_does_not_touch_leases(Driver<B>& d) {
  const WallTime before = d.clock.wall();
  Holding mine = d.take("k");
  d.clock.set_wall(before + std::chrono::hours(24 * 365));
  d.report.that(d.acquire("k", d.somebody()).outcome == Taken::held, "a calendar that leaps");
  d.clock.set_wall(before - std::chrono::hours(24 * 365));
  d.clock.advance(minute);
  d.report.that(
      d.acquire("k", d.somebody()).outcome == (judges_leases<B> ? Taken::taken : Taken::held),
      "or goes back");
  d.clock.set_wall(before);
}

template <class B>
void watchers_are_woken(Driver<B>& d) {
  if constexpr (watched_backend<B>) {
    const auto queue = std::make_shared<WakeQueue>();
    d.db.watch(d.store, queue);
    const auto told = [&](std::string_view key, Hint why) {
      std::vector<Woken> hints;
      queue->drain(hints);
      for (const Woken& one : hints)
        if (one.key == key && one.why == why) return true;
      return false;
    };
    Holding mine = d.take("k");
    (void)d.acquire("k", d.somebody(), Intent::request);
    d.report.that(told("k", Hint::asked), "the holder is woken by a request");
    d.report.that(d.commit(d.next(mine).release()) == Outcome::applied, "released");
    d.report.that(told("k", Hint::freed), "who asked is woken by the release");
    Holding next = d.take("k");
    (void)d.post("k", 1, "hello");
    d.report.that(told("k", Hint::message), "the holder is woken by a message");
  } else {
    d.report.that(true, "this backend wakes nobody");
  }
}

}  // namespace persist::inline PERSIST_ABI::testing::laws
