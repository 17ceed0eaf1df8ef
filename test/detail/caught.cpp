#include <persist/detail/caught.hpp>

#include <stdexcept>
#include <type_traits>

#include <gtest/gtest.h>

namespace {

using namespace persist;

TEST(Caught, gives_what_the_call_gives) {
  const auto plain = detail::caught("it", [] { return 3; });
  static_assert(std::is_same_v<std::remove_const_t<decltype(plain)>, Result<int>>);
  EXPECT_EQ(*plain, 3);
  const auto refused = detail::caught("it", []() -> Result<int> { return Errc::full; });
  EXPECT_TRUE(refused.is(Errc::full));
}

TEST(Caught, says_who_threw_what) {
  const auto said = detail::caught("the hook x", []() -> int { throw std::runtime_error("no"); });
  ASSERT_TRUE(said.is(Errc::invalid));
  EXPECT_EQ(said.error().detail(), "the hook x threw: no");
  const auto unsaid = detail::caught("it", []() -> int { throw 1; });
  EXPECT_EQ(unsaid.error().detail(), "it threw: something that is no std::exception");
}

}  // namespace
