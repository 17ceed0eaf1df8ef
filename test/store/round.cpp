// builds: single no-exceptions
#include <persist/store/round.hpp>

#include <persist/testing/manual_clock.hpp>

#include <support/plain_session.hpp>

#include <algorithm>
#include <span>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace {

using namespace persist;
using namespace std::chrono_literals;
using persist::testing::ManualClock;
using test::plain_session;
using test::PlainHost;

/// Grants everything, and writes down each batch.
struct Backend {
  int database = 0;
  std::string* batches = nullptr;

  void open_store(std::span<OpenStoreRequest>) {}
  [[nodiscard]] bool same_database(const Backend& other) const {
    return database == other.database;
  }
  void commit(std::span<CommitRequest> batch) { write("commit", batch.size()); }
  void acquire(std::span<AcquireRequest> batch) {
    write("acquire", batch.size());
    for (AcquireRequest& request : batch) {
      request.outcome = AcquireRequest::Outcome::taken;
      request.record.data.append(request.key);
      request.record.has_data = request.key != "new";
    }
  }
  void read(std::span<ReadRequest>) {}
  void write(const char* what, std::size_t size) const {
    *batches += what + std::to_string(database) + "x" + std::to_string(size) + " ";
  }
};

/// Takes so many bytes a record, and no two records in one commit.
struct NarrowBackend : Backend {
  [[nodiscard]] std::size_t largest_data() const { return 1024; }
};

/// Brings so many commits a round, for so many rounds.
class Partner : public RoundPartner<Backend> {
 public:
  Partner(Backend& database, int rounds, std::size_t commits, TimePoint next = TimePoint::max())
      : database_(&database), rounds_(rounds), commits_(commits), next_(next) {}

  int begun = 0, completed = 0, ended = 0, left = 0;
  std::vector<std::size_t> first;  ///< where its commits began, round by round
  TimePoint stop_at{};
  ManualClock* passes = nullptr;  ///< a second a round

  Backend& backend() override { return *database_; }
  void begin_poll() override { ++begun; }
  void prepare(Round& round, Manifest& mine) override {
    stop_at = mine.stop_at;
    mine.first_commit = round.commits.size();
    first.push_back(mine.first_commit);
    if (completed >= rounds_) return;
    round.commits.resize(round.commits.size() + commits_);
  }
  void complete(Round& round, Manifest& mine) override {
    EXPECT_EQ(mine.first_commit, first.back()) << "its own manifest";
    EXPECT_LE(mine.first_commit, round.commits.size());
    ++completed;
    if (passes != nullptr) passes->advance(1s);
  }
  TimePoint end_poll() override { return ++ended, next_; }
  void leave_poll() noexcept override { ++left; }

 private:
  Backend* database_;
  int rounds_;
  std::size_t commits_;
  TimePoint next_;
};

struct RoundCase : ::testing::Test {
  std::string batches;
  Backend one{1, &batches};
  Backend also_one{1, &batches};
  Backend two{2, &batches};
  ManualClock clock;

  TimePoint poll(std::vector<RoundPartner<Backend>*> partners, Duration limit = Duration::zero()) {
    return poll_partners<Backend>(std::span<RoundPartner<Backend>* const>(partners), limit, clock);
  }
};

TEST_F(RoundCase, nothing_due_asks_nothing_of_the_database) {
  Partner idle(one, 0, 0);
  EXPECT_EQ(poll({&idle}), TimePoint::max());
  EXPECT_EQ(batches, "");
  EXPECT_EQ(idle.begun, 1);
  EXPECT_EQ(idle.ended, 1);
  EXPECT_EQ(idle.left, 1);
}

TEST_F(RoundCase, stores_on_one_database_share_one_batch) {
  Partner a(one, 1, 2), b(also_one, 1, 3);
  poll({&a, &b});
  EXPECT_EQ(batches, "commit1x5 ");
  EXPECT_EQ(a.first[0], 0u);
  EXPECT_EQ(b.first[0], 2u) << "behind what the first brought";
}

TEST_F(RoundCase, each_database_gets_its_own_batch_whatever_the_order_of_the_stores) {
  Partner a(one, 1, 1), b(two, 1, 1), c(also_one, 1, 1), d(two, 1, 1);
  poll({&a, &b, &c, &d});
  EXPECT_EQ(batches, "commit1x2 commit2x2 ");
  for (const Partner* partner : {&a, &b, &c, &d})
    EXPECT_EQ(partner->completed, 2) << "one round with work, one that finds none";
}

TEST_F(RoundCase, rounds_go_on_while_a_reply_makes_more_due_anywhere) {
  Partner once(one, 1, 1), thrice(two, 3, 1);
  poll({&once, &thrice});
  EXPECT_EQ(batches, "commit1x1 commit2x1 commit2x1 commit2x1 ");
  EXPECT_EQ(once.begun, 1);
  EXPECT_EQ(once.ended, 1) << "once a poll, not once a round";
}

TEST_F(RoundCase, what_never_ends_waits_for_the_next_poll) {
  Partner endless(one, 1'000, 1);
  poll({&endless});
  EXPECT_EQ(endless.completed, 16);
}

TEST_F(RoundCase, says_when_the_earliest_store_is_due_next) {
  Partner late(one, 0, 0, clock.now() + 9s), soon(two, 0, 0, clock.now() + 4s);
  EXPECT_EQ(poll({&late, &soon}), clock.now() + 4s);
}

TEST_F(RoundCase, a_limit_tells_when_no_more_is_begun_and_ends_the_rounds) {
  Partner endless(one, 1'000, 1);
  endless.passes = &clock;
  const TimePoint start = clock.now();
  poll({&endless}, 3s);
  EXPECT_EQ(endless.stop_at, start + 3s);
  EXPECT_EQ(endless.completed, 3);
}

TEST_F(RoundCase, the_first_round_is_run_whatever_the_limit) {
  Partner endless(one, 1'000, 1);
  endless.passes = &clock;
  poll({&endless}, 1ns);
  EXPECT_EQ(endless.completed, 1);
}

TEST_F(RoundCase, without_a_limit_and_with_the_longest_there_is_no_end_in_time) {
  Partner first(one, 2, 1), second(one, 2, 1);
  poll({&first});
  EXPECT_EQ(first.stop_at, TimePoint::max());
  poll({&second}, Duration::max());
  EXPECT_EQ(second.stop_at, TimePoint::max());
  EXPECT_EQ(second.completed, first.completed);
}

TEST_F(RoundCase, commits_go_before_acquisitions_and_what_was_taken_is_decoded) {
  PlainHost host;
  const SessionPtr session = plain_session(host, "k");
  Round round;
  EXPECT_TRUE(round.empty());
  round.commits.resize(2);
  round.acquires.emplace_back().key = "the data";
  round.loading.push_back(session);
  EXPECT_FALSE(round.empty());
  round.perform(one);
  EXPECT_EQ(batches, "commit1x2 acquire1x1 ");
  ASSERT_EQ(round.decoded.size(), 1u);
  EXPECT_TRUE(round.decoded[0]);
  EXPECT_EQ(static_cast<test::PlainSession&>(*session).text, "the data");
  round.clear();
  EXPECT_TRUE(round.empty() && round.loading.empty() && round.decoded.empty());
  EXPECT_EQ(session->refs, 1u) << "a round that is over holds no session";
}

/// A flight of one record of so many bytes, of a codec that splits.
struct LargeFlight {
  PlainHost host;
  Wrapping wrapping{nullptr, true, true};
  Flight flight;

  explicit LargeFlight(std::size_t size) {
    flight.add(plain_session(host, "k"), host);
    flight.changes.resize(1);
    Cut& cut = flight.cuts[0];
    cut.key.append("k");
    EXPECT_TRUE(codec::write_envelope(cut.data, {}, [&](Buffer& to) -> Result<void> {
      to.append(std::string(size, 'x'));
      return success;
    }));
    cut.wrap = &wrapping;
    flight.changes[0].data = &cut.data;
    flight.request.changes = flight.changes;
  }
};

TEST_F(RoundCase, what_only_one_commit_could_hold_is_refused_where_none_holds_two_records) {
  NarrowBackend narrow{one};
  LargeFlight large(3000);
  perform(narrow, large.flight);
  EXPECT_EQ(large.flight.request.outcome, CommitRequest::Outcome::failed);
  EXPECT_EQ(large.flight.request.error, Errc::too_large);
  EXPECT_EQ(large.flight.request.error.key(), "k");
  EXPECT_EQ(batches, "") << "nothing was sent";
  LargeFlight small(900);
  perform(narrow, small.flight);
  EXPECT_EQ(batches, "commit1x1 ");
  LargeFlight anywhere(3000);
  perform(one, anywhere.flight);
  EXPECT_EQ(batches, "commit1x1 commit1x1 ") << "it has no limit";
}

TEST_F(RoundCase, a_record_that_cannot_be_decoded_fails_alone) {
  PlainHost host;
  Round round;
  for (const char* data : {"good", "damaged", "good too"}) {
    round.acquires.emplace_back().key = data;
    round.loading.push_back(plain_session(host, data));
  }
  round.perform(one);
  EXPECT_TRUE(round.decoded[0]);
  EXPECT_TRUE(round.decoded[1].is(Errc::corrupt));
  EXPECT_TRUE(round.decoded[2]);
}

TEST_F(RoundCase, what_a_new_record_begins_as_is_not_asked_where_the_round_is_performed) {
  PlainHost host;
  Round round;
  round.acquires.emplace_back().key = "new";
  round.loading.push_back(plain_session(host, "new"));
  round.perform(one);
  EXPECT_TRUE(round.begins_anew(0));
  EXPECT_EQ(static_cast<test::PlainSession&>(*round.loading[0]).text, "")
      << "it was decoded on a lane";
}

}  // namespace
