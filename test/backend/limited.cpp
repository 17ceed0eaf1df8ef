#include <persist/backend/limited.hpp>

#include "backend/law_cases.hpp"

#include <persist/backend/memory.hpp>

namespace {

using namespace persist;
using namespace std::chrono_literals;
using persist::testing::ManualClock;
using Limited = backend::Limited<backend::Memory>;

const int laws_on_limited = persist_test::register_laws<Limited>(
    "LawsOnLimited",
    [](ManualClock& clock) { return Limited(backend::Memory(clock), {.clock = &clock}); });

struct LimitedTo : ::testing::Test {
  ManualClock clock;
  persist::testing::Report report;
  backend::Memory memory{clock};
  StoreId store = persist::testing::laws::Driver<backend::Memory>(memory, clock, report).store;

  Limited to(std::size_t per_second, Duration patience = 1s) {
    return Limited(memory, {per_second, patience, &clock});
  }
  std::vector<PostRequest> posts(std::size_t count) {
    std::vector<PostRequest> batch;
    for (std::size_t i = 0; i < count; ++i)
      batch.push_back({store,
                       "k",
                       {{++ids, 1}, 0, 0, clock.wall()},
                       {"Gift", 1, 0, {}, as_bytes("x")},
                       nullptr});
    return batch;
  }
  std::uint64_t ids = 0;
};

TEST_F(LimitedTo, nothing_holds_to_every_law) {
  EXPECT_EQ(static_cast<std::size_t>(laws_on_limited),
            persist::testing::backend_laws<Limited>().size());
}

TEST_F(LimitedTo, so_many_a_second_lets_these_through_at_once) {
  Limited limited = to(10);
  const TimePoint begin = clock.now();
  auto batch = posts(10);
  limited.post(batch);
  EXPECT_EQ(clock.now(), begin);
  for (const PostRequest& each : batch)
    EXPECT_FALSE(failed(each.error));
}

TEST_F(LimitedTo, so_many_a_second_lets_the_rest_wait) {
  Limited limited = to(10);
  const TimePoint begin = clock.now();
  auto batch = posts(15);
  limited.post(batch);
  for (const PostRequest& each : batch)
    EXPECT_FALSE(failed(each.error));
  EXPECT_GE(clock.now() - begin, 500ms);
  EXPECT_LE(clock.now() - begin, 501ms);
  auto more = posts(1);
  Limited copy = limited;
  copy.post(more);
  EXPECT_GE(clock.now() - begin, 600ms) << "copies have one budget";
}

TEST_F(LimitedTo, so_many_a_second_answers_what_would_wait_too_long) {
  Limited limited = to(10, 300ms);
  const TimePoint begin = clock.now();
  auto batch = posts(15);
  limited.post(batch);
  EXPECT_LE(clock.now() - begin, 301ms);
  std::size_t through = 0;
  while (through < batch.size() && !failed(batch[through].error))
    ++through;
  EXPECT_EQ(through, 12U);
  for (std::size_t i = through; i < batch.size(); ++i)
    EXPECT_EQ(batch[i].error, Errc::unavailable);
  ReadRequest read{store, "k"};
  memory.read({&read, 1});
  EXPECT_EQ(read.inbox_messages, through) << "nothing of it was sent";
  clock.advance(1s);
  auto again = std::span(batch).subspan(through);
  for (PostRequest& each : again)
    each.error = Errc{};
  limited.post(again);
  for (const PostRequest& each : again)
    EXPECT_FALSE(failed(each.error));
}

TEST_F(LimitedTo, so_many_a_second_without_patience_waits_for_nothing) {
  Limited limited = to(2, 0s);
  const TimePoint begin = clock.now();
  auto batch = posts(3);
  limited.post(batch);
  EXPECT_EQ(clock.now(), begin);
  EXPECT_FALSE(failed(batch[1].error));
  EXPECT_EQ(batch[2].error, Errc::unavailable);
  CommitRequest commit;
  limited.commit({&commit, 1});
  EXPECT_EQ(commit.outcome, CommitRequest::Outcome::failed);
}

}  // namespace
