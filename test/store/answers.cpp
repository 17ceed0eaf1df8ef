// builds: single no-exceptions
#include <persist/store/answers.hpp>

#include <persist/result.hpp>

#include <memory>
#include <string>
#include <type_traits>
#include <utility>

#include <gtest/gtest.h>

namespace {

using namespace persist;

static_assert(std::is_aggregate_v<Peeked<int>> && std::is_aggregate_v<Inspection> &&
              std::is_aggregate_v<Posted> && std::is_aggregate_v<Overwritten> &&
              std::is_aggregate_v<KeyPage>);
static_assert(std::is_nothrow_move_constructible_v<Peeked<std::string>>);

TEST(Answers, of_nothing_claim_nothing) {
  const Inspection inspection;
  EXPECT_FALSE(inspection.exists || inspection.held || inspection.release_requested);
  EXPECT_EQ(inspection.bytes + inspection.inbox_messages + inspection.outbox_messages, 0u);
  EXPECT_TRUE(inspection.holder.server.empty());
  EXPECT_FALSE(Posted{}.repeated);
  EXPECT_FALSE(Overwritten{}.dropped_unknown);
  EXPECT_FALSE(KeyPage{}.done) << "a page that was never read is not the last";
}

TEST(Answers, options_do_the_careful_thing_unless_told_otherwise) {
  EXPECT_FALSE(PeekOptions{}.live);
  EXPECT_FALSE(EraseOptions{}.drop_outbox);
}

TEST(Answers, what_was_read_moves_out_whole) {
  Result<Peeked<std::unique_ptr<int>>> read = Peeked<std::unique_ptr<int>>{
      .data = std::make_unique<int>(7), .version = 3, .user_ids = {1, 2}, .metadata = {}};
  const Peeked<std::unique_ptr<int>> taken = *std::move(read);
  EXPECT_EQ(*taken.data, 7);
  EXPECT_EQ(taken.version, 3u);
  EXPECT_EQ(taken.user_ids.size(), 2u);
}

}  // namespace
