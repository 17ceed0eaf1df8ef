#include <persist/codec/input.hpp>

#include <persist/codec/cbor/reader.hpp>

#include <string>
#include <type_traits>

#include <gtest/gtest.h>

namespace {

using namespace persist;

static_assert(!std::is_copy_constructible_v<codec::CborReader>,
              "views into its own text would dangle");

TEST(Input, the_first_failure_stays) {
  codec::CborReader input(as_bytes("\x01"));
  EXPECT_TRUE(input.ok());
  EXPECT_FALSE(input.fail(Error(Errc::too_new, "first")));
  EXPECT_FALSE(input.fail(Error(Errc::corrupt, "second")));
  EXPECT_FALSE(input.ok());
  EXPECT_EQ(input.take_error().detail(), "first");
}

TEST(Input, no_limit_is_deeper_than_the_deepest) {
  const std::string nested = std::string(codec::Input::deepest + 1, '\x81') + '\0';
  codec::CborReader input(as_bytes(nested), {.depth = 1'000'000});
  ByteView raw;
  EXPECT_FALSE(input.skip(raw));
  EXPECT_EQ(input.take_error(), Errc::too_large);
}

}  // namespace
