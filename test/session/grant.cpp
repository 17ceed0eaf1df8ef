// builds: single no-exceptions
#include <persist/session/grant.hpp>

#include <string>
#include <string_view>
#include <type_traits>

#include <gtest/gtest.h>

namespace {

using namespace persist;

static_assert(std::is_convertible_v<const char*, ReceiptId> &&
              std::is_convertible_v<std::string, ReceiptId> &&
              std::is_convertible_v<std::string_view, ReceiptId>);
static_assert(!std::is_convertible_v<int, ReceiptId>, "a shop's id is a text");

std::string_view id_of(ReceiptId receipt) {
  return receipt.id;
}

TEST(ReceiptId, is_any_kind_of_text) {
  const std::string owned = "order-1";
  EXPECT_EQ(id_of("order-1"), "order-1");
  EXPECT_EQ(id_of(owned), "order-1");
  EXPECT_EQ(id_of(std::string_view("order-1 and more", 7)), "order-1");
}

TEST(ReceiptId, has_a_time_only_where_it_is_given) {
  EXPECT_FALSE(ReceiptId("a").time);
  const WallTime when{std::chrono::hours(24 * 20000)};
  const ReceiptId timed("a", when);
  ASSERT_TRUE(timed.time);
  EXPECT_EQ(*timed.time, when);
}

}  // namespace
