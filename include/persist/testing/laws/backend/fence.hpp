#pragma once

#include <persist/testing/laws/backend/driver.hpp>

// The laws of the fence: who may write, what a repeat is, what stays after an erase.

namespace persist::inline PERSIST_ABI::testing::laws {

template <class B>
void an_old_epoch_changes_nothing(Driver<B>& d) {
  Holding old = d.take("k");
  d.save(old, "first");
  Holding now = d.take_away("k");
  Draft late = d.next(old).data("late").metadata("late").renew();
  d.report.that(d.commit(late) == Outcome::fenced, "the old epoch is fenced");
  d.report.that(late.change().holder.owner == now.fence.owner, "and told by whom");
  d.report.that(!late.change().erased && !late.change().landed, "and that it was not written");
  d.report.that(d.holds_text("k", "first"), "nothing was written");
  d.report.that(d.read("k").record.metadata.empty(), "no part of it");
  d.report.that(d.read("k").record.fence == now.fence, "the fence is as it was");
  d.save(now, "second");
}

template <class B>
void a_wrong_owner_is_refused(Driver<B>& d) {
  Holding mine = d.take("k");
  d.save(mine, "mine");
  Holding forged = mine;
  forged.fence.owner.session += 1;
  d.report.that(d.commit(d.next(forged).data("x")) == Outcome::fenced, "another session number");
  forged = mine;
  forged.fence.owner.nonce += 1;
  d.report.that(d.commit(d.next(forged).data("x")) == Outcome::fenced, "another random number");
  forged = mine;
  forged.fence.owner.server = ServerId("us-9");
  d.report.that(d.commit(d.next(forged).data("x")) == Outcome::fenced, "another server");
  forged = mine;
  forged.fence.owner = Owner{};
  d.report.that(d.commit(d.next(forged).data("x")) == Outcome::fenced, "nobody");
  d.report.that(d.holds_text("k", "mine"), "nothing was written");
  d.save(mine, "still mine");
}

template <class B>
void an_epoch_never_given_out_is_refused(Driver<B>& d) {
  Holding mine = d.take("k");
  d.save(mine, "mine");
  Holding forged = mine;
  forged.fence.epoch = epoch_limit - 1;
  d.report.that(d.commit(d.next(forged).data("x")) == Outcome::fenced, "a later epoch");
  Draft nowhere(d.store, "nowhere", forged.fence);
  d.report.that(d.commit(nowhere.data("x")) == Outcome::fenced,
                "nor for a record that is not there");
  d.report.that(!d.read("nowhere").found, "and it was not made");
  d.report.that(d.holds_text("k", "mine"), "nothing was written");
}

template <class B>
void a_lower_write_number_is_superseded(Driver<B>& d) {
  Holding mine = d.take("k");
  Holding early = mine;
  ++mine.fence.write;
  d.save(mine, "second");
  Draft late = d.next(early).data("first");
  d.report.that(d.commit(late) == Outcome::superseded,
                "a late commit does not land on a newer one");
  d.report.that(d.holds_text("k", "second"), "nothing was written");
  d.report.that(d.read("k").record.version == 1, "the version did not grow");
}

template <class B>
void a_repeated_write_says_applied_and_does_nothing(Driver<B>& d) {
  Holding mine = d.take("k");
  d.save(mine, "once");
  Draft again = d.again(mine).data("other bytes").metadata("m");
  d.report.that(d.commit(again) == Outcome::repeated, "it says that it was applied");
  d.report.that(again.change().version == 1, "and the version");
  d.report.that(d.holds_text("k", "once"), "nothing was written");
  Draft last = d.next(mine).data("last").release();
  d.report.that(d.commit(last) == Outcome::applied, "the release is applied");
  d.report.that(d.commit(d.again(mine).data("x").release()) == Outcome::repeated,
                "and says so after the release too");
  --mine.fence.write;
  d.report.that(d.commit(d.again(mine).data("x")) == Outcome::superseded,
                "what came before the release is superseded");
  d.report.that(d.holds_text("k", "last"), "nothing was written");
}

template <class B>
void a_commit_after_the_release_is_refused(Driver<B>& d) {
  Holding mine = d.take("k");
  d.report.that(d.commit(d.next(mine).data("bye").release()) == Outcome::applied, "released");
  d.report.that(d.commit(d.next(mine).renew()) == Outcome::fenced, "a renewal is refused");
  d.report.that(d.commit(d.next(mine).data("x")) == Outcome::fenced, "a save is refused");
  d.report.that(!d.read("k").held, "nobody holds it");
  d.report.that(d.holds_text("k", "bye"), "nothing was written");
}

template <class B>
void epochs_never_go_back(Driver<B>& d) {
  std::uint64_t last = 0;
  for (int round = 0; round < 12; ++round) {
    Holding holding = d.take("k");
    d.report.that(holding.fence.epoch > last, "each acquire gives a higher epoch");
    d.report.that(holding.fence.epoch < epoch_limit, "below 2^53");
    last = holding.fence.epoch;
    d.save(holding, "x");
    if (round % 3 == 0)
      d.report.that(d.commit(d.next(holding).release()) == Outcome::applied, "released");
    else if (round % 3 == 1)
      d.report.that(d.erase("k").epoch > last, "an erase raises it");
    else
      d.clock.advance(2 * minute);
  }
}

template <class B>
void an_erase_fences_the_open_session(Driver<B>& d) {
  Holding mine = d.take("k");
  d.save(mine, "secret");
  const EraseRequest erased = d.erase("k");
  d.report.that(erased.found && !failed(erased.error), "it was there");
  d.report.that(erased.epoch > mine.fence.epoch, "the epoch is raised");
  Draft late = d.next(mine).data("late");
  d.report.that(d.commit(late) == Outcome::fenced, "the session is fenced");
  d.report.that(late.change().erased, "and told that the record was erased");
  d.report.that(!d.read("k").record.has_data, "the record is empty");
  d.report.that(d.post("k", 7, "hello").position != 0, "a message may come");
  d.report.that(d.commit(d.again(mine).data("late")) == Outcome::fenced, "still fenced");
  d.report.that(!d.read("k").record.has_data, "the record is still empty");
  d.report.that(!d.erase("never").found, "what is not there is not found");
}

template <class B>
void versions_go_on_after_an_erase(Driver<B>& d) {
  Holding mine = d.take("k");
  d.save(mine, "1");
  d.save(mine, "2");
  d.erase("k");
  Holding next = d.take("k");
  const ReadRequest empty = d.read("k");
  d.report.that(!empty.record.has_data && empty.record.load_count == 0, "it begins anew");
  Draft first = d.next(next).data("3");
  d.commit(first);
  d.report.that(first.change().version == 3, "but no version is given twice");
  Draft old = d.next(mine).data("x");
  Holding newest = d.take_away("k");
  d.report.that(d.commit(old) == Outcome::fenced && old.change().erased,
                "the session before the erase is told of it");
  Draft stolen = d.next(next).data("x");
  d.report.that(d.commit(stolen) == Outcome::fenced && !stolen.change().erased,
                "one after it is not");
  d.save(newest, "4");
}

template <class B>
void the_last_four_epochs_know_what_landed(Driver<B>& d) {
  std::vector<Holding> past;
  for (int i = 0; i < 5; ++i) {
    past.push_back(d.take("k"));
    d.save(past.back(), "a");
    d.save(past.back(), "b");
    d.clock.advance(2 * minute);
  }
  const auto landed = [&](const Holding& holding, std::uint64_t write) {
    Holding asked = holding;
    asked.fence.write = write;
    Draft draft = d.again(asked).data("x");
    const Outcome outcome = d.commit(draft);
    d.report.that(outcome == Outcome::fenced || outcome == Outcome::superseded, "too late");
    return draft.change().landed;
  };
  for (std::size_t i = 1; i < 4; ++i) {
    d.report.that(landed(past[i], 1) && landed(past[i], 2), "what was applied is known");
    d.report.that(!landed(past[i], 3), "what was not is known too");
  }
  d.report.that(landed(past[4], 1), "of the newest epoch as well");
  d.report.that(d.commit(d.next(past[4]).release()) == Outcome::applied, "released");
  d.report.that(landed(past[1], 2), "four epochs are known when nobody holds it too");
}

template <class B>
void owners_are_never_equal(Driver<B>& d) {
  B copy = d.db;
  d.report.that(copy.same_database(d.db), "a copy shares the open database");
  std::vector<Owner> all;
  for (int i = 0; i < 50; ++i) {
    all.push_back(d.db.next_owner(ServerId("a")));
    all.push_back(copy.next_owner(ServerId("a")));
  }
  for (std::size_t i = 0; i < all.size(); ++i)
    for (std::size_t j = 0; j < i; ++j)
      d.report.that(!(all[i] == all[j]), "no owner is given twice, through no handle");
  d.report.that(!all[0].nobody(), "an owner is somebody");
  Holding mine = d.take("k");
  d.save(mine, "seen through both");
  Driver<B> other(copy, d.clock, d.report);
  d.report.that(other.holds_text("k", "seen through both"), "records are shared by copies");
}

}  // namespace persist::inline PERSIST_ABI::testing::laws
