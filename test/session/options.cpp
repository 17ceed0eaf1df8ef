// builds: single no-exceptions
#include <persist/session/options.hpp>

#include <array>
#include <optional>
#include <string>
#include <type_traits>

#include <gtest/gtest.h>

namespace {

using namespace persist;

static_assert(std::is_aggregate_v<StoreOptions> && std::is_aggregate_v<SaveOptions> &&
                  std::is_aggregate_v<LoadOptionsFor<int>> && std::is_aggregate_v<PostOptions> &&
                  std::is_aggregate_v<PollOptions>,
              "options are named where they are given");

TEST(StoreOptions, are_what_the_documents_say_unless_told_otherwise) {
  const StoreOptions options;
  EXPECT_EQ(options.autosave, 30s);
  EXPECT_EQ(options.min_gap, 0s);
  EXPECT_EQ(options.lease, 60s);
  EXPECT_EQ(options.renew, 20s);
  EXPECT_EQ(options.load_deadline, 10s);
  EXPECT_TRUE(options.save_on_release);
  EXPECT_EQ(options.record_limit, 4u << 20);
  EXPECT_EQ(options.inbox_limit.messages, 1000u);
  EXPECT_EQ(options.inbox_limit.bytes, 1u << 20);
  EXPECT_EQ(options.outbox_limit, 1000u);
  EXPECT_EQ(options.clock, nullptr);
  EXPECT_EQ(options.log.level, LogLevel::warning);
  EXPECT_TRUE(options.server_id.empty());
}

TEST(StoreOptions, hold_together_unless_told_otherwise) {
  const StoreOptions options;
  EXPECT_LT(2 * options.renew, options.lease) << "one renewal may fail";
  EXPECT_GT(options.begin_deadline, options.lease) << "a dead holder's lease runs out first";
}

TEST(StoreOptions, are_given_by_name) {
  const StoreOptions options{.server_id = "eu-1", .autosave = 5min, .inbox_limit = {.messages = 3}};
  EXPECT_EQ(options.server_id, "eu-1");
  EXPECT_EQ(options.autosave, 300s);
  EXPECT_EQ(options.inbox_limit.messages, 3u);
  EXPECT_EQ(options.inbox_limit.bytes, 1u << 20);
}

TEST(LoadOptions, leave_all_to_the_store_and_its_policies) {
  const LoadOptionsFor<std::string> options;
  EXPECT_FALSE(options.conflict);
  EXPECT_FALSE(options.default_value);
  EXPECT_FALSE(options.reconcile_with);
  EXPECT_FALSE(options.while_);
  EXPECT_EQ(options.deadline, Duration::zero());
  const LoadOptionsFor<std::string> told{.conflict = Conflict::steal, .default_value = "new"};
  EXPECT_EQ(told.conflict, Conflict::steal);
  EXPECT_EQ(told.default_value, "new");
}

static_assert(sizeof(LoadOptionsFor<std::array<char, 1000>>) -
                      sizeof(std::optional<std::array<char, 1000>>) <=
                  sizeof(LoadOptionsFor<char>) - sizeof(std::optional<char>) + alignof(void*),
              "a template that is not given is one pointer");

TEST(LoadOptions, carry_a_template_by_value) {
  std::string filler = "filler";
  LoadOptionsFor<std::string> told{.reconcile_with = filler};
  filler = "changed";
  LoadOptionsFor<std::string> copy = told;
  EXPECT_EQ(*told.reconcile_with.take(), "filler");
  EXPECT_FALSE(told.reconcile_with);
  ASSERT_TRUE(copy.reconcile_with);
  told = copy;
  EXPECT_EQ(*copy.reconcile_with.take(), "filler");
  EXPECT_EQ(*told.reconcile_with.take(), "filler");
  const LoadOptionsFor<std::optional<int>> maybe{.reconcile_with = 5};
  EXPECT_TRUE(maybe.reconcile_with);
}

TEST(PostOptions, a_message_lives_a_week_unless_told_otherwise) {
  const PostOptions options;
  EXPECT_EQ(options.expires, std::chrono::days(7));
  EXPECT_EQ(options.priority, 0);
  EXPECT_TRUE(options.id.empty());
  EXPECT_FALSE(options.first_tried);
}

TEST(SaveAndPollOptions, do_no_more_and_no_less_than_is_due) {
  EXPECT_FALSE(SaveOptions{}.force);
  EXPECT_EQ(PollOptions{}.at_most, Duration::zero());
}

}  // namespace
