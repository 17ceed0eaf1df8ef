#include <persist/store/round.hpp>

#include <persist/testing/manual_clock.hpp>

#include <gtest/gtest.h>

namespace {

using persist::Duration;
using persist::Round;
using persist::TimePoint;

struct FakeDatabase {
  int number = 0;
  std::vector<std::size_t>* batches = nullptr;
  bool same_database(const FakeDatabase& other) const { return number == other.number; }
  void commit(std::span<persist::CommitRequest> batch) { batches->push_back(batch.size()); }
  void acquire(std::span<persist::AcquireRequest>) {}
};
struct FakeStore final : persist::RoundPartner<FakeDatabase> {
  FakeDatabase database;
  int commits_left = 0;
  int completed = 0;
  TimePoint next = TimePoint::max();
  FakeDatabase& backend() override { return database; }
  void begin_poll() override {}
  void prepare(Round& round, persist::Manifest& mine) override {
    mine.first_commit = round.commits.size();
    if (commits_left-- > 0) round.commits.emplace_back();
  }
  void complete(Round&, persist::Manifest&) override { ++completed; }
  TimePoint end_poll() override { return next; }
};
using Partner = persist::RoundPartner<FakeDatabase>;

TEST(Round, stores_of_one_database_share_a_batch_and_rounds_go_on_until_nothing_is_due) {
  std::vector<std::size_t> batches;
  FakeStore a, b, c;
  a.database = {1, &batches}, b.database = {2, &batches}, c.database = {1, &batches};
  a.commits_left = 2, b.commits_left = 1, c.commits_left = 1;
  b.next = TimePoint(Duration(7)), c.next = TimePoint(Duration(5));
  Partner* const all[] = {&a, &b, &c};
  persist::testing::ManualClock clock;
  const TimePoint next =
      persist::poll_partners<FakeDatabase>(std::span(all), Duration::zero(), clock);
  EXPECT_EQ(batches, (std::vector<std::size_t>{2, 1, 1}));
  EXPECT_EQ(a.completed, 3);
  EXPECT_EQ(next, TimePoint(Duration(5)));
}

TEST(Round, a_poll_ends_even_if_more_is_due_without_end) {
  std::vector<std::size_t> batches;
  FakeStore a;
  a.database = {1, &batches};
  a.commits_left = 1'000'000;
  Partner* const all[] = {&a};
  persist::testing::ManualClock clock;
  (void)persist::poll_partners<FakeDatabase>(std::span(all), Duration::zero(), clock);
  EXPECT_LT(batches.size(), 100U);
}

}  // namespace
