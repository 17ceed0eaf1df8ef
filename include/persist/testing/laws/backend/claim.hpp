#pragma once

#include <persist/testing/laws/backend/driver.hpp>

// The laws of a look, of changes that claim, and of a server that comes back.

namespace persist::inline PERSIST_ABI::testing::laws {

/// A writer that holds nothing: what its look saw, and its own name.
struct Looker {
  std::string key;
  Fence fence;
  std::uint64_t version = 0;
};

template <class B>
Looker look(Driver<B>& d, std::string_view key) {
  const Owner me = d.somebody();
  const AcquireRequest seen = d.acquire(key, me, Intent::look);
  d.report.that(seen.outcome == Taken::taken, "a look is always answered");
  return {std::string(key), {seen.record.fence.epoch, me, 0}, seen.record.version};
}
template <class B>
Draft claim_with(Driver<B>& d, Looker& from, Claims how) {
  ++from.fence.write;
  Draft draft(d.store, from.key, from.fence);
  draft.change().claims = how;
  draft.change().seen_version = from.version;
  return draft;
}

template <class B>
void a_look_takes_nothing(Driver<B>& d) {
  const Looker nobody = look(d, "none");
  d.report.that(!d.read("none").found && nobody.version == 0, "a look makes no record");
  Holding mine = d.take("k");
  d.save(mine, "x");
  const AcquireRequest seen = d.acquire("k", d.somebody(), Intent::look);
  d.report.that(seen.outcome == Taken::taken && as_text(seen.record.data) == "x", "it sees all");
  d.report.that(seen.record.fence.epoch == mine.fence.epoch, "under the epoch that is");
  d.report.that(d.read("k").holder.owner == mine.fence.owner, "and the holder holds on");
  d.report.that(!d.read("k").holder.asker.session, "unasked");
  d.save(mine, "y");
}

template <class B>
void a_claim_takes_what_is_as_it_was_seen(Driver<B>& d) {
  Holding mine = d.take("k");
  d.save(mine, "x");
  Looker tool = look(d, "k");
  Draft change = claim_with(d, tool, Claims::anyway).data("y").renew();
  d.report.that(d.commit(change) == Outcome::applied, "it is applied");
  d.report.that(change.change().epoch > mine.fence.epoch, "under a higher epoch, which it learns");
  d.report.that(d.holds_text("k", "y"), "and there");
  d.report.that(d.commit(d.next(mine).data("z")) == Outcome::fenced, "the holder is fenced");
  Holding now{"k", {change.change().epoch, tool.fence.owner, tool.fence.write}};
  d.save(now, "w");
  d.report.that(d.acquire("k", d.somebody()).outcome == Taken::held, "what it renewed it holds");
}

template <class B>
void a_claim_is_refused_after_a_save_or_an_acquisition(Driver<B>& d) {
  Holding mine = d.take("k");
  d.save(mine, "x");
  Looker before_save = look(d, "k");
  d.save(mine, "y");
  d.report.that(d.commit(claim_with(d, before_save, Claims::anyway).data("z")) == Outcome::fenced,
                "somebody saved since");
  Looker before_taking = look(d, "k");
  d.report.that(d.commit(d.next(mine).release()) == Outcome::applied, "let go");
  Holding other = d.take("k");
  d.report.that(d.commit(claim_with(d, before_taking, Claims::anyway).data("z")) == Outcome::fenced,
                "somebody acquired since");
  d.report.that(d.holds_text("k", "y"), "nothing was written");
  d.save(other, "w");
}

template <class B>
void a_claim_of_the_unleased_waits_for_no_lease(Driver<B>& d) {
  Holding mine = d.take("k");
  d.save(mine, "x");
  Looker writer = look(d, "k");
  Draft refused = claim_with(d, writer, Claims::unleased).data("y");
  d.report.that(d.commit(refused) == Outcome::fenced, "a lease holds it");
  d.report.that(refused.change().holder.owner == mine.fence.owner &&
                    refused.change().holder.left > Duration::zero(),
                "and whose it is is told");
  d.clock.advance(2 * minute);
  if constexpr (!judges_leases<B>)
    d.report.that(d.commit(d.next(mine).release()) == Outcome::applied, "nobody knows if it did");
  Looker later = judges_leases<B> ? writer : look(d, "k");
  d.report.that(d.commit(claim_with(d, later, Claims::unleased).data("y")) == Outcome::applied,
                "a lease that ran out holds nothing");
  d.report.that(d.commit(d.next(mine).data("z")) == Outcome::fenced, "its old holder is fenced");
}

template <class B>
void a_claim_that_is_sent_again_is_applied_once(Driver<B>& d) {
  Looker writer = look(d, "k");
  Draft first = claim_with(d, writer, Claims::unleased).data("x");
  d.report.that(d.commit(first) == Outcome::applied, "applied");
  Draft again(d.store, writer.key, writer.fence);
  again.change().claims = Claims::unleased;
  d.report.that(d.commit(again.data("x")) == Outcome::repeated, "its reply was lost: not again");
  Draft last = claim_with(d, writer, Claims::unleased).data("y").release();
  d.report.that(d.commit(last) == Outcome::applied, "its next is a commit like any other");
  Draft released(d.store, writer.key, writer.fence);
  released.change().claims = Claims::unleased;
  d.report.that(d.commit(released.data("y").release()) == Outcome::repeated, "nor the release");
  d.report.that(d.read("k").record.version == 2, "two writes in all");
  Holding other = d.take("k");
  d.save(other, "z");
  Draft late(d.store, writer.key, writer.fence);
  late.change().claims = Claims::unleased;
  d.report.that(d.commit(late.data("y").release()) == Outcome::fenced, "somebody has it since");
  d.report.that(late.change().landed, "and it is known that it had landed");
  d.report.that(d.holds_text("k", "z"), "nothing was written");
}

template <class B>
void of_two_claims_of_one_moment_one_wins(Driver<B>& d) {
  Looker one = look(d, "k");
  Looker two = look(d, "k");
  d.report.that(
      d.commit(claim_with(d, one, Claims::unleased).data("one").release()) == Outcome::applied,
      "the first makes the record");
  d.report.that(
      d.commit(claim_with(d, two, Claims::unleased).data("two").release()) == Outcome::fenced,
      "the second is refused");
  d.report.that(d.holds_text("k", "one"), "and writes nothing");
}

template <class B>
void a_claim_behind_an_erase_is_refused(Driver<B>& d) {
  Holding mine = d.take("k");
  d.save(mine, "x");
  Looker before = look(d, "k");
  (void)d.erase("k");
  Draft late = claim_with(d, before, Claims::anyway).data("y");
  d.report.that(d.commit(late) == Outcome::fenced && late.change().erased, "it was erased since");
  d.report.that(!d.read("k").record.has_data, "and stays so");
  Looker after = look(d, "k");
  d.report.that(d.commit(claim_with(d, after, Claims::anyway).data("z")) == Outcome::applied,
                "whoever looks at the empty place may fill it");
}

template <class B>
void an_epoch_is_at_least_what_is_asked_for(Driver<B>& d) {
  const auto ask = [&](const Owner& who, std::uint64_t least) {
    AcquireRequest request{d.store, "k", who, minute};
    request.least_epoch = least;
    d.db.acquire({&request, 1});
    return request;
  };
  Holding low = d.take("k");
  const Owner me = low.fence.owner;
  const std::uint64_t least = low.fence.epoch + 5'000'000'000;
  const AcquireRequest raised = ask(me, least);
  d.report.that(raised.outcome == Taken::taken && raised.record.fence.epoch >= least,
                "who has the record under a lower one gets a higher one");
  d.report.that(d.commit(d.next(low).data("x")) == Outcome::fenced, "and writes under that only");
  d.report.that(ask(me, least).record.fence == raised.record.fence, "asked again it is the same");
  Holding mine{"k", raised.record.fence};
  d.save(mine, "y");
  d.report.that(d.commit(d.next(mine).release()) == Outcome::applied, "let go");
  d.report.that(d.take("k").fence.epoch > raised.record.fence.epoch, "later ones are higher still");
}

template <class B>
void an_epoch_given_elsewhere_is_claimed_upwards_only(Driver<B>& d) {
  const auto claim = [&](const Owner& who, std::uint64_t epoch) {
    AcquireRequest request{d.store, "k", who, minute};
    request.claim_epoch = epoch;
    d.db.acquire({&request, 1});
    return request;
  };
  const Owner one = d.somebody(), two = d.somebody();
  const AcquireRequest first = claim(one, 1'000);
  d.report.that(first.outcome == Taken::taken && first.record.fence.epoch == 1'000, "claimed");
  Holding mine{"k", first.record.fence};
  d.save(mine, "x");
  d.report.that(claim(one, 1'000).record.fence == mine.fence, "a repeat is harmless");
  d.report.that(claim(two, 1'000).outcome == Taken::held, "an equal epoch is refused");
  const AcquireRequest late = claim(two, 999);
  d.report.that(late.outcome == Taken::held && late.holder.epoch == 1'000, "so is a lower one");
  d.save(mine, "y");
  d.report.that(claim(two, 1'001).outcome == Taken::taken, "a higher one waits for no lease");
  d.report.that(d.commit(d.next(mine).data("z")) == Outcome::fenced, "and is the fence");
  (void)d.erase("k");
  d.report.that(claim(one, 1'002).outcome == Taken::held || d.take("k").fence.epoch > 1'001,
                "an erase does not take epochs back");
}

template <class B>
void a_server_that_comes_back_reclaims_its_own(Driver<B>& d) {
  Holding mine = d.take("k");
  d.save(mine, "x");
  Owner reborn = mine.fence.owner;
  ++reborn.nonce;
  d.report.that(d.acquire("k", reborn).outcome == Taken::held, "held, for who does not reclaim");
  const auto reclaim = [&](const Owner& who) {
    AcquireRequest request{d.store, "k", who, minute};
    request.reclaims = true;
    d.db.acquire({&request, 1});
    return request;
  };
  Owner stranger = reborn;
  stranger.server = ServerId("us-1");
  d.report.that(reclaim(stranger).outcome == Taken::held, "another server's is not reclaimed");
  Owner twin = mine.fence.owner;
  ++twin.session;
  d.report.that(reclaim(twin).outcome == Taken::held, "nor what this very run holds");
  const AcquireRequest got = reclaim(reborn);
  d.report.that(got.outcome == Taken::taken, "its own it gets at once");
  d.report.that(got.record.fence.epoch > mine.fence.epoch, "under a higher epoch");
  d.report.that(d.commit(d.next(mine).data("late")) == Outcome::fenced, "the old run is fenced");
}

}  // namespace persist::inline PERSIST_ABI::testing::laws
