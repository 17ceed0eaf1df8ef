#pragma once

#include <persist/record/key_hash.hpp>
#include <persist/testing/laws/backend/driver.hpp>

// The laws of messages: once in, once out, known again, never dropped.

namespace persist::inline PERSIST_ABI::testing::laws {

template <class B>
void a_message_waits_until_it_is_acknowledged(Driver<B>& d) {
  const PostRequest posted = d.post("k", 1, "hello");
  d.report.that(posted.position != 0 && !posted.repeated, "posted to a record that does not exist");
  d.report.that(d.read("k").found && d.read("k").inbox_messages == 1, "it makes the record");
  const AcquireRequest got = d.acquire("k", d.somebody());
  if (!d.report.that(got.record.inbox.size() == 1, "a load brings it")) return;
  const Message& message = got.record.inbox[0];
  d.report.that(as_text(message.payload) == "hello" && message.type == "Gift" &&
                    message.codec == 1 && message.position == posted.position,
                "as it was sent");
  Holding mine{"k", got.record.fence};
  Draft save = d.next(mine).data("with hello").acknowledge(posted.position).seen(posted.position);
  d.report.that(d.commit(save) == Outcome::applied && save.change().messages.empty(), "handled");
  d.report.that(d.read("k").inbox_messages == 0, "it is out in the same commit");
  d.report.that(d.read("k").inbox_bytes == 0, "and counts no more");
}

template <class B>
void an_inbox_is_read_by_who_asks_for_it(Driver<B>& d) {
  const PostRequest posted = d.post("k", 1, "hello");
  d.post("k", 2, "again");
  ReadRequest asks;
  asks.store = d.store;
  asks.key = "k";
  asks.wants_inbox = true;
  d.db.read({&asks, 1});
  if (!d.report.that(asks.found && asks.record.inbox.size() == 2, "all that waits")) return;
  const Message& message = asks.record.inbox[0];
  d.report.that(message.position == posted.position && as_text(message.payload) == "hello" &&
                    message.type == "Gift" && message.codec == 1,
                "as it was sent, in the order it came");
  d.report.that(d.read("k").record.inbox.empty(), "and nobody who does not ask gets it");
  d.report.that(d.read("k").inbox_messages == 2, "to read takes nothing out");
}

template <class B>
void an_acknowledgement_and_its_change_are_one_write(Driver<B>& d) {
  const PostRequest posted = d.post("k", 1, "hello");
  Holding old = d.take("k");
  Holding now = d.take_away("k");
  d.report.that(d.commit(d.next(old).data("x").acknowledge(posted.position)) == Outcome::fenced,
                "refused");
  d.report.that(d.read("k").inbox_messages == 1 && !d.read("k").record.has_data,
                "the message stays where its effect was refused");
  d.report.that(d.commit(d.next(now).data("y").acknowledge(posted.position)) == Outcome::applied,
                "applied");
  d.report.that(d.commit(d.again(now).data("y").acknowledge(posted.position)) == Outcome::repeated,
                "a repeat");
  d.report.that(d.read("k").inbox_messages == 0 && d.holds_text("k", "y"), "both, once");
  d.report.that(
      d.commit(d.next(now).acknowledge(posted.position).acknowledge(99)) == Outcome::applied,
      "what is out already is passed over");
}

template <class B>
void new_messages_come_with_each_commit(Driver<B>& d) {
  Holding mine = d.take("k");
  const PostRequest first = d.post("k", 1, "a");
  const PostRequest second = d.post("k", 2, "b");
  d.report.that(second.position > first.position, "positions rise");
  Draft save = d.next(mine).data("x");
  d.commit(save);
  d.report.that(save.change().messages.size() == 2, "a commit fetches what is new");
  Draft renewal = d.next(mine).renew().seen(first.position);
  d.commit(renewal);
  d.report.that(renewal.change().messages.size() == 1 &&
                    renewal.change().messages[0].position == second.position,
                "behind what the session has seen");
}

template <class B>
void a_full_inbox_refuses_and_drops_nothing(Driver<B>& d) {
  RecordLimits limits;
  limits.inbox_messages = 2;
  d.post("k", 1, "a", &limits);
  d.post("k", 2, "b", &limits);
  const PostRequest refused = d.post("k", 3, "c", &limits);
  d.report.that(refused.error == Errc::full, "a third is refused");
  const PostRequest again = d.post("k", 1, "a", &limits);
  d.report.that(again.repeated && !failed(again.error), "a repeat is answered as the first was");
  const AcquireRequest got = d.acquire("k", d.somebody());
  d.report.that(got.record.inbox.size() == 2, "what was in is in");
  Holding mine{"k", got.record.fence};
  d.commit(d.next(mine).acknowledge(got.record.inbox[0].position));
  d.report.that(!failed(d.post("k", 3, "c", &limits).error), "and there is room when one is out");
  RecordLimits small;
  small.inbox_bytes = 200;
  d.report.that(d.post("b", 4, std::string(150, 'x'), &small).error == Errc::full,
                "bytes are counted too");
}

template <class B>
void an_id_is_known_after_its_message_is_gone(Driver<B>& d) {
  const MessageOrigin origin{{7, 7}, 0, 0, d.clock.wall()};
  const PostRequest first = d.post("k", origin, "gift");
  Holding mine = d.take("k");
  d.commit(d.next(mine).data("x").acknowledge(first.position));
  const PostRequest again = d.post("k", origin, "gift");
  d.report.that(again.repeated && again.position == first.position, "answered as the first was");
  d.report.that(d.read("k").inbox_messages == 0, "and not put in again");
  RecordLimits limits;
  d.clock.advance(limits.repeats_known - std::chrono::hours(1));
  d.report.that(d.post("k", origin, "gift").repeated, "for as long as it is promised");
  d.clock.advance(std::chrono::hours(2));
  d.post("k", 8, "another");
  const PostRequest late = d.post("k", origin, "gift");
  d.report.that(late.repeated || late.error == Errc::refused, "later it is refused, never posted");
  d.report.that(d.read("k").inbox_messages == 1, "the other one alone is in");
  d.report.that(d.post("fresh", origin, "gift").error == Errc::refused,
                "an id too old to be known is refused anywhere");
}

template <class B>
void a_forgotten_id_is_refused_whatever_the_calendar_says(Driver<B>& d) {
  const WallTime then = d.clock.wall();
  const MessageOrigin origin{{7, 7}, 0, 0, then};
  d.post("k", origin, "gift");
  d.clock.set_wall(then + std::chrono::hours(24 * 8));
  for (std::uint64_t other = 1000; other < 1200; ++other)
    d.post("k", other, "another");
  d.clock.set_wall(then + std::chrono::hours(1));
  const PostRequest late = d.post("k", origin, "gift");
  d.report.that(late.repeated || late.error == Errc::refused, "put forward and back");
  d.report.that(d.read("k").inbox_messages == 201, "it is in once");
  d.report.that(!failed(d.post("k", 1, "new").error), "what is tried first now is taken");
}

template <class B>
void a_refused_post_makes_no_record(Driver<B>& d) {
  RecordLimits none;
  none.inbox_messages = 0;
  d.report.that(d.post("k", 1, "a", &none).error == Errc::full, "no room");
  d.clock.advance(std::chrono::hours(24 * 365));
  d.report.that(d.post("k", MessageOrigin{{1, 0}, 0, 0, WallTime{}}, "a").error == Errc::refused,
                "too late");
  Holding sender = d.take("sender");
  d.commit(d.next(sender).data("x").send("k", 1, "a").limits(none));
  d.report.that(d.read("sender").outbox_messages == 1, "what was sent waits");
  d.report.that(!d.read("k").found, "there is still no record");
}

template <class B>
void a_numbered_message_is_known_for_ever(Driver<B>& d) {
  const MessageOrigin third{{1, 2}, 5, 3, {}};
  d.report.that(!failed(d.post("k", third, "c").error), "taken");
  Holding mine = d.take("k");
  d.commit(d.next(mine).acknowledge(1));
  d.clock.advance(std::chrono::hours(24 * 400));
  d.report.that(d.post("k", third, "c").repeated, "the same number");
  d.report.that(d.post("k", MessageOrigin{{1, 2}, 5, 2, {}}, "b").repeated, "a lower one");
  d.report.that(d.post("k", MessageOrigin{{1, 2}, 4, 9, {}}, "z").repeated,
                "one of an older epoch");
  d.report.that(!d.post("k", MessageOrigin{{1, 2}, 5, 4, {}}, "d").repeated, "the next is new");
  d.report.that(!d.post("k", MessageOrigin{{1, 2}, 6, 1, {}}, "e").repeated, "a new epoch's too");
  d.report.that(!d.post("k", MessageOrigin{{9, 9}, 1, 1, {}}, "f").repeated,
                "another sender's too");
  d.report.that(d.read("k").inbox_messages == 3, "three are in");
}

template <class B>
void a_sent_message_leaves_with_its_cause(Driver<B>& d) {
  Holding mine = d.take("sender");
  Draft save = d.next(mine).data("paid").send("receiver", 1, "gift");
  d.report.that(d.commit(save) == Outcome::applied, "one commit");
  d.report.that(save.change().sends[0].delivered, "delivers where it can reach");
  d.report.that(d.read("receiver").inbox_messages == 1, "it is there");
  Draft again = d.again(mine).data("paid").send("receiver", 1, "gift");
  d.report.that(d.commit(again) == Outcome::repeated, "a repeat");
  d.report.that(again.change().sends[0].delivered, "says the same");
  d.report.that(d.read("receiver").inbox_messages == 1, "and sends nothing");
  Holding thief = d.take_away("sender");
  d.report.that(d.commit(d.next(mine).data("x").send("receiver", 2, "gift")) == Outcome::fenced,
                "refused");
  d.report.that(d.read("receiver").inbox_messages == 1, "nothing leaves with a refused commit");
  const AcquireRequest got = d.acquire("receiver", d.somebody());
  d.report.that(!got.record.inbox.empty() && got.record.inbox[0].origin.is_numbered() &&
                    got.record.inbox[0].origin.epoch == mine.fence.epoch &&
                    got.record.inbox[0].origin.source == key_hash(d.birth, "sender"),
                "it names its sender by hash, epoch and number");
}

template <class B>
void a_save_never_fails_because_a_receiver_is_full(Driver<B>& d) {
  RecordLimits limits;
  limits.inbox_messages = 1;
  Holding mine = d.take("sender");
  Draft save = d.next(mine).data("x").send("receiver", 1, "a").send("receiver", 2, "b");
  d.report.that(d.commit(save.limits(limits)) == Outcome::applied, "the save goes through");
  d.report.that(save.change().sends[0].delivered && !save.change().sends[1].delivered,
                "what has no room waits");
  d.report.that(d.read("sender").outbox_messages == 1, "in the sender's outbox");
  Holding receiver = d.take("receiver");
  d.commit(d.next(receiver).acknowledge(1));
  Draft later = d.next(mine).data("y").send("receiver", 3, "c");
  d.report.that(d.commit(later.limits(limits)) == Outcome::applied, "saved");
  d.report.that(!later.change().sends[0].delivered,
                "a later message does not overtake one that waits, though there is room");
  const auto waiting = d.waiting();
  if (!d.report.that(waiting.size() == 1 && waiting[0].messages.size() == 2, "both wait")) return;
  d.report.that(waiting[0].key == "sender" && waiting[0].messages[0].number == 2 &&
                    waiting[0].messages[1].number == 3 && waiting[0].messages[0].key == "receiver",
                "in the order they were sent");
  const AcquireRequest next = d.steal("sender", d.read("sender").holder);
  d.report.that(next.record.outbox == std::vector<std::uint64_t>({2, 3}), "a load learns of them");
}

template <class B>
void a_message_whose_reply_was_lost_is_sent_again_and_is_there_once(Driver<B>& d) {
  RecordLimits none;
  none.inbox_messages = 0;
  Holding mine = d.take("sender");
  const auto save = [&](const RecordLimits& limits) {
    Draft draft = d.next(mine).data("x").send("a", 1, "one").send("b", 2, "two").limits(limits);
    d.commit(draft);
    return draft.change().sends[0].delivered;
  };
  for (int twice = 0; twice < 2; ++twice) {
    d.report.that(!save(none), "it waits");
    d.report.that(d.read("sender").outbox_messages == 2, "and each is there once");
  }
  const auto waiting = d.waiting();
  if (!d.report.that(waiting.size() == 1, "one record's")) return;
  d.take_out("sender", waiting[0].messages);
  for (int twice = 0; twice < 2; ++twice)
    d.report.that(save({}) && d.read("a").inbox_messages == 1, "it is delivered once");
}

template <class B>
void a_relay_is_harmless_when_repeated(Driver<B>& d) {
  RecordLimits none;
  none.inbox_messages = 0;
  Holding mine = d.take("sender");
  d.commit(d.next(mine).data("x").send("receiver", 1, "a").send("receiver", 2, "b").limits(none));
  const Hash128 self = key_hash(d.birth, "sender");
  for (int twice = 0; twice < 2; ++twice) {
    for (const auto& waiting : d.waiting())
      for (const OutgoingMessage& m : waiting.messages) {
        PostRequest post{d.store, m.key, {self, m.epoch, m.number, {}}, m.view(), nullptr};
        d.db.post({&post, 1});
        d.report.that(!failed(post.error) && post.repeated == (twice == 1), "posted once");
      }
  }
  const auto waiting = d.waiting();
  if (!d.report.that(waiting.size() == 1, "it waits until it is taken out")) return;
  d.take_out("sender", std::span(waiting[0].messages).first(1));
  d.report.that(d.read("sender").outbox_messages == 1, "one is out");
  d.take_out("sender", waiting[0].messages);
  d.take_out("sender", waiting[0].messages);
  d.take_out("nobody", waiting[0].messages);
  d.report.that(d.waiting().empty() && d.read("sender").outbox_messages == 0, "all are out");
  const AcquireRequest got = d.acquire("receiver", d.somebody());
  d.report.that(got.record.inbox.size() == 2 && as_text(got.record.inbox[0].payload) == "a" &&
                    as_text(got.record.inbox[1].payload) == "b",
                "each is in once, in order");
  d.save(mine, "needs no lease: the sender's session goes on");
}

template <class B>
void waiting_records_are_listed_in_pages(Driver<B>& d) {
  RecordLimits none;
  none.inbox_messages = 0;
  for (const char* key : {"a", "b", "c"}) {
    Holding mine = d.take(key);
    d.commit(d.next(mine).data("x").send("receiver", 1, key).limits(none));
  }
  const auto first = d.waiting(2);
  if (!d.report.that(first.size() == 2, "no more than asked for")) return;
  const auto rest = d.waiting(2, first[1].key);
  d.report.that(rest.size() == 1 && rest[0].key != first[0].key && rest[0].key != first[1].key,
                "and those behind it");
}

template <class B>
void an_erase_sends_what_waits_first(Driver<B>& d) {
  RecordLimits none;
  none.inbox_messages = 0;
  Holding mine = d.take("sender");
  d.commit(d.next(mine).data("x").send("receiver", 1, "a").limits(none));
  const EraseRequest refused = d.erase("sender", false, &none);
  d.report.that(refused.error == Errc::full && d.holds_text("sender", "x"),
                "no room: nothing is erased");
  d.save(mine, "y");
  const EraseRequest erased = d.erase("sender");
  d.report.that(erased.found && erased.sent == 1 && erased.dropped == 0, "sent, then erased");
  d.report.that(!d.read("sender").found && d.read("receiver").inbox_messages == 1, "both");
  d.report.that(d.waiting().empty(), "nothing waits any more");
  Holding next = d.take("second");
  d.commit(d.next(next).data("x").send("receiver", 1, "b").limits(none));
  const EraseRequest dropped = d.erase("second", true, &none);
  d.report.that(dropped.dropped == 1 && !d.read("second").found,
                "or dropped and counted when told");
}

}  // namespace persist::inline PERSIST_ABI::testing::laws
