// builds: single no-exceptions
#include <persist/result.hpp>

#include <gtest/gtest.h>

#include <memory>
#include <string>

namespace {

using persist::Errc;
using persist::Error;
using persist::Result;
using persist::success;

static_assert(!std::copy_constructible<Result<std::unique_ptr<int>>>);

TEST(Result, the_default_state_is_an_error) {
  const Result<int> none;
  EXPECT_FALSE(none);
  EXPECT_TRUE(none.is(Errc::invalid));
  EXPECT_FALSE(Result<void>());
  EXPECT_TRUE(Result<void>(success));
}

TEST(Result, holds_a_value_or_the_reason_why_there_is_none) {
  Result<std::string> text = std::string("abc");
  ASSERT_TRUE(text);
  EXPECT_EQ(*text, "abc");
  EXPECT_EQ(text->size(), 3U);
  text = Error(Errc::full, "no room");
  EXPECT_TRUE(text.is(Errc::full));
  EXPECT_EQ(text.error().detail(), "no room");
  EXPECT_EQ(std::move(text).value_or("other"), "other");
}

TEST(Result, moves_and_copies_what_it_holds) {
  Result<std::unique_ptr<int>> one = std::make_unique<int>(7);
  Result<std::unique_ptr<int>> two = std::move(one);
  EXPECT_EQ(**two, 7);
  const std::unique_ptr<int> out = *std::move(two);
  EXPECT_EQ(*out, 7);
  Result<std::string> text = std::string("abc");
  const Result<std::string> copy = text;
  text = Errc::io;
  EXPECT_EQ(*copy, "abc");
  text = copy;
  EXPECT_EQ(*text, "abc");
}

TEST(ResultDeathTest, reading_what_is_not_there_ends_the_program_with_one_sentence) {
  EXPECT_DEATH((void)*Result<int>(Error(Errc::io, "disk")), "a Result was read that holds an error: io: disk");
  EXPECT_DEATH(Result<void>(Errc::full).value(), "a Result was read that holds an error: full");
  EXPECT_DEATH((void)Result<int>(7).error(), "the error of a Result was read that holds a value");
}

}  // namespace
