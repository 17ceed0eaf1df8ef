#pragma once

#include <persist/testing/laws/backend/driver.hpp>

#include <deque>
#include <random>

// The law of batches: a batch is the same as its requests one by one. Random batches go to one
// store as they are and to another request by request; every reply and every record must be equal.

namespace persist::inline PERSIST_ABI::testing::laws {

/// One of the two stores, with the sessions that hold its records. Both sides are given the same
/// draws, so sessions of one place are the same session; only epochs, which need not be
/// consecutive, may differ.
template <class B>
struct Side {
  Side(Driver<B>& d, std::string_view name, bool one_by_one)
      : driver(d.db, d.clock, d.report, name), single(one_by_one) {}

  /// Hands the batch to `operation` as one span, or request by request.
  template <class Request, class Operation>
  void run(std::vector<Request>& batch, Operation operation) {
    const std::span<Request> all(batch);
    if (!single) return operation(driver.db, all);
    for (std::size_t i = 0; i < all.size(); ++i)
      operation(driver.db, all.subspan(i, 1));
  }

  Driver<B> driver;
  bool single;
  std::vector<Holding> sessions;
  std::string replies;  ///< everything that was answered, as text
};

///
/// The sides may be two backends on one clock, to compare one with another.
template <class A, class B>
class RandomBatches {
 public:
  RandomBatches(Driver<A>& batched, Driver<B>& single)
      : batched_(batched, "batched", false), single_(single, "single", true) {}

  void run(std::uint64_t seed) {
    step(batched_, seed);
    step(single_, seed);
    compare("seed " + std::to_string(seed));
  }
  /// Ends all leases and requests and writes every record, so that nothing is left that a backend
  /// may forget when it is opened again.
  void settle() {
    settle(batched_);
    settle(single_);
    compare("settled");
  }
  /// Compares every record as a reader sees it.
  void compare_records(std::string_view when) {
    batched_.replies.clear();
    single_.replies.clear();
    look(batched_);
    look(single_);
    compare(when);
  }

 private:
  using Random = std::mt19937_64;
  static constexpr std::uint64_t keys = 5;

  void compare(std::string_view when) {
    batched_.driver.report.that(batched_.replies == single_.replies,
                                "a batch is its requests one by one; " + std::string(when) + ":\n" +
                                    batched_.replies + "against\n" + single_.replies);
  }
  template <class S>
  static void step(S& side, std::uint64_t seed) {
    Random random(seed);
    side.replies.clear();
    switch (seed % 8) {
      case 0:
      case 1:
        acquire(side, random);
        break;
      case 6:
        post(side, random);
        break;
      case 7:
        (random() % 4 == 0) ? erase(side, random) : relay(side, random);
        break;
      default:
        commit(side, random);
        break;
    }
    look(side);
  }
  template <class S>
  static void settle(S& side) {
    side.replies.clear();
    side.sessions.clear();
    for (std::uint64_t i = 0; i < keys; ++i) {
      const std::string name = "k" + std::to_string(i);
      Holding last = side.driver.take_away(name);
      note(side, {static_cast<std::uint64_t>(
                     side.driver.commit(side.driver.next(last).metadata("settled").release()))});
      side.sessions.push_back(last);
    }
    look(side);
  }
  static std::string key(Random& random) { return "k" + std::to_string(random() % keys); }

  template <class S>
  static void note(S& side, std::initializer_list<std::uint64_t> numbers,
                   std::string_view text = {}) {
    for (const std::uint64_t number : numbers)
      side.replies.append(std::to_string(number)).push_back(' ');
    side.replies.append(text).push_back('\n');
  }

  template <class S>
  static void acquire(S& side, Random& random) {
    std::vector<std::string> names(1 + random() % 6);
    std::vector<AcquireRequest> batch;
    for (std::string& name : names) {
      name = key(random);
      const Owner owner = random() % 4 == 0 && !side.sessions.empty()
                              ? side.sessions[random() % side.sessions.size()].fence.owner
                              : side.driver.somebody();
      AcquireRequest request{side.driver.store, name, owner, minute,
                             static_cast<Intent>(random() % 4)};
      if (random() % 2 == 0) {
        const HeldBy seen = side.driver.read(name).holder;
        request.intent = Intent::steal;
        request.seen_epoch = seen.epoch, request.seen_renewals = seen.renewals;
      }
      batch.push_back(std::move(request));
    }
    side.run(batch, [](auto& b, auto requests) { b.acquire(requests); });
    for (const AcquireRequest& r : batch) {
      note(side,
           {static_cast<std::uint64_t>(r.outcome), r.record.version, r.record.fence.write,
            r.record.load_count, r.record.inbox.size(), r.record.outbox.size(),
            r.record.receipts.size()},
           as_text(r.record.data));
      if (r.outcome == Taken::taken) side.sessions.push_back({std::string(r.key), r.record.fence});
    }
    if (side.sessions.size() > 24)
      side.sessions.erase(side.sessions.begin(), side.sessions.begin() + 8);
  }

  template <class S>
  static void commit(S& side, Random& random) {
    if (side.sessions.empty()) return;
    static constexpr auto limits = [] {
      RecordLimits l;
      l.inbox_messages = 3;
      return l;
    }();
    std::deque<Draft> drafts;
    std::deque<std::vector<Change>> changes;
    std::vector<CommitRequest> batch;
    for (std::uint64_t count = 1 + random() % 6; count != 0; --count) {
      changes.emplace_back();
      for (std::uint64_t partners = 1 + (random() % 4 == 0 && transactional()); partners != 0;
           --partners) {
        Holding& session =
            side.sessions[side.sessions.size() - 1 -
                          random() % (std::min)(side.sessions.size(), std::size_t{8})];
        if (!changes.back().empty() && changes.back()[0].key == session.key) continue;
        if (random() % 8 != 0) session.fence.write += random() % 8 == 0 ? 2 : 1;
        drafts.push_back(some_change(side, session, random).limits(limits));
        changes.back().push_back(drafts.back().bind());
      }
      batch.push_back({changes.back()});
    }
    side.run(batch, [](auto& b, auto requests) { b.commit(requests); });
    for (const CommitRequest& r : batch) {
      note(side, {static_cast<std::uint64_t>(r.outcome), r.culprit});
      for (const Change& c : r.changes) {
        note(side, {c.version, c.release_requested, c.erased, c.landed, c.messages.size()}, c.key);
        if (r.outcome != Outcome::applied && r.outcome != Outcome::repeated) continue;
        for (const Send& send : c.sends)
          note(side, {send.delivered});
      }
    }
  }
  static constexpr bool transactional() {
    return transactional_backend<A> && transactional_backend<B>;
  }

  template <class S>
  static Draft some_change(S& side, const Holding& session, Random& random) {
    Draft draft = side.driver.again(session);
    const std::uint64_t number = session.fence.write;
    if (random() % 2 == 0) draft.data("data" + std::to_string(random() % 1000));
    if (random() % 8 == 0) draft.no_data();
    if (random() % 4 == 0) draft.metadata("meta" + std::to_string(random() % 1000));
    if (random() % 4 == 0) draft.users({random() % 10, random() % 10});
    if (random() % 4 == 0) draft.in_none();
    for (std::uint64_t entries = random() % 3; entries != 0; --entries)
      draft.in(random() % 2 == 0 ? "coins" : "power", some_value(random));
    if (random() % 4 == 0) draft.receipt(random(), static_cast<std::uint32_t>(random() % 5));
    if (random() % 16 == 0) draft.forget_receipts(static_cast<std::uint32_t>(random() % 5));
    if (random() % 2 == 0) draft.acknowledge(1 + random() % 12);
    if (random() % 3 == 0) draft.send(key(random), number, "sent" + std::to_string(number));
    if (random() % 2 == 0) draft.renew();
    if (random() % 10 == 0) draft.release();
    return draft;
  }

  static std::int64_t some_value(Random& random) {
    return static_cast<std::int64_t>(random() % 6) - 2;
  }

  template <class S>
  static void post(S& side, Random& random) {
    std::vector<std::string> names(1 + random() % 5);
    std::vector<PostRequest> batch;
    for (std::string& name : names) {
      name = key(random);
      batch.push_back({side.driver.store,
                       name,
                       {{random() % 12, 1}, 0, 0, side.driver.clock.wall()},
                       {"Gift", 1, 0, {}, as_bytes("posted")},
                       nullptr});
    }
    side.run(batch, [](auto& b, auto requests) { b.post(requests); });
    for (const PostRequest& r : batch)
      note(side, {static_cast<std::uint64_t>(r.error.code()), r.repeated, r.position}, r.key);
  }

  template <class S>
  static void relay(S& side, Random& random) {
    for (const auto& waiting : side.driver.waiting()) {
      std::vector<RelayRequest> batch;
      for (const OutgoingMessage& message : waiting.messages)
        if (random() % 2 == 0)
          batch.push_back({side.driver.store, 64, {}, waiting.key, {&message, 1}});
      side.run(batch, [](auto& b, auto requests) { b.relay(requests); });
      note(side, {waiting.messages.size()}, waiting.key);
    }
  }

  template <class S>
  static void erase(S& side, Random& random) {
    std::vector<std::string> names(1 + random() % 2);
    std::vector<EraseRequest> batch;
    for (std::string& name : names) {
      name = key(random);
      batch.push_back({side.driver.store, name, random() % 2 == 0, nullptr});
    }
    side.run(batch, [](auto& b, auto requests) { b.erase(requests); });
    for (const EraseRequest& r : batch)
      note(side, {static_cast<std::uint64_t>(r.error.code()), r.found, r.sent, r.dropped}, r.key);
  }

  /// Every record as a reader sees it.
  template <class S>
  static void look(S& side) {
    for (std::uint64_t i = 0; i < keys; ++i) {
      const ReadRequest r = side.driver.read("k" + std::to_string(i));
      note(side,
           {r.found, r.held, r.record.version, r.record.has_data, r.record.fence.write,
            r.record.load_count, r.inbox_messages, r.inbox_bytes, r.outbox_messages,
            r.record.user_ids.size(), r.holder.asker.nobody()},
           as_text(r.record.data));
      note(side, {}, as_text(r.record.metadata));
    }
    if constexpr (queries_indexes<A> && queries_indexes<B>) look_at_indexes(side);
  }
  template <class S>
  static void look_at_indexes(S& side) {
    for (const std::string_view index : {"", "coins", "power"}) {
      IndexRequest request{.store = side.driver.store, .index = index, .most = 100};
      side.driver.db.query({&request, 1});
      note(side, {request.size, request.damaged.size()}, index);
      for (const IndexRow& row : request.rows)
        note(side, {static_cast<std::uint64_t>(row.value), row.place}, row.key);
    }
  }

  Side<A> batched_;
  Side<B> single_;
};

template <class B>
void a_batch_is_its_requests_one_by_one(Driver<B>& d) {
  RandomBatches<B, B> batches(d, d);
  for (std::uint64_t seed = 0; seed < 2000 && d.report.failures().empty(); ++seed) {
    batches.run(seed);
    if (seed % 16 == 0) d.clock.advance(minute / 3);
  }
}

}  // namespace persist::inline PERSIST_ABI::testing::laws
