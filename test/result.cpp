// builds: single
#include <persist/result.hpp>

#include <array>
#include <memory>
#include <stdexcept>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace {

using namespace persist;

static_assert(sizeof(Result<int>) == sizeof(Error) + sizeof(void*), "an error and a flag");
static_assert(sizeof(Result<void>) == sizeof(Error) + sizeof(void*));
static_assert(sizeof(Result<std::array<char, 64>>) == 64 + alignof(Error),
              "value and error share their place");
static_assert(std::is_nothrow_move_constructible_v<Result<std::string>>);
static_assert(std::is_copy_constructible_v<Result<int>> &&
              !std::is_copy_constructible_v<Result<std::unique_ptr<int>>>);
static_assert(!std::is_convertible_v<Result<int>, bool>, "asked for by `if`, not by accident");
static_assert(!std::is_constructible_v<Result<int>, Success>, "a value is missing");
static_assert(std::is_convertible_v<Success, Result<void>>);
static_assert(!std::is_constructible_v<Result<bool>, Result<void>> &&
                  !std::is_constructible_v<Result<bool>, Result<int>>,
              "a failure must not become the value `false`");
static_assert(!std::is_convertible_v<int, Result<std::vector<int>>>,
              "what the value takes only when asked, so does its result");

TEST(Result, is_an_error_until_it_is_given_something) {
  const Result<int> number;
  EXPECT_FALSE(number);
  EXPECT_TRUE(number.is(Errc::invalid));
  const Result<void> nothing;
  EXPECT_FALSE(nothing.has_value());
  EXPECT_TRUE(nothing.is(Errc::invalid));
}

TEST(Result, holds_a_value) {
  Result<std::string> text = "abc";
  ASSERT_TRUE(text);
  EXPECT_TRUE(text.has_value());
  EXPECT_EQ(*text, "abc");
  EXPECT_EQ(text->size(), 3u);
  EXPECT_EQ(text.value(), "abc");
  EXPECT_FALSE(text.is(Errc::invalid));
  text->push_back('d');
  EXPECT_EQ(std::as_const(text).value(), "abcd");
}

TEST(Result, holds_an_error) {
  const Result<int> failed = Error(Errc::locked, "held").for_key("k");
  EXPECT_FALSE(failed.has_value());
  EXPECT_TRUE(failed.is(Errc::locked));
  EXPECT_FALSE(failed.is(Errc::fenced));
  EXPECT_EQ(failed.error().message(), "locked: k: held");
  const Result<int> short_form = Errc::busy;
  EXPECT_EQ(short_form.error(), Errc::busy);
}

TEST(Result, success_has_no_value) {
  const Result<void> worked = success;
  EXPECT_TRUE(worked);
  worked.value();
  EXPECT_FALSE(worked.is(Errc::invalid));
  EXPECT_TRUE(Result<void>(Errc::io).is(Errc::io));
}

TEST(Result, false_is_a_value_like_any_other) {
  const Result<bool> no = false;
  ASSERT_TRUE(no);
  EXPECT_FALSE(*no);
}

TEST(Result, gives_another_value_in_place_of_an_error) {
  EXPECT_EQ(Result<std::string>("a").value_or("b"), "a");
  EXPECT_EQ(Result<std::string>(Errc::io).value_or("b"), "b");
}

TEST(Result, a_value_that_only_moves_moves_out) {
  Result<std::unique_ptr<int>> from = std::make_unique<int>(7);
  Result<std::unique_ptr<int>> to = std::move(from);
  ASSERT_TRUE(to);
  const std::unique_ptr<int> taken = *std::move(to);
  EXPECT_EQ(*taken, 7);
  EXPECT_EQ(*Result<std::unique_ptr<int>>(std::make_unique<int>(8)).value(), 8);
}

TEST(Result, an_error_moves_out) {
  Result<int> failed = Error(Errc::io, "the disk");
  const Error error = std::move(failed).error();
  EXPECT_EQ(error.message(), "io: the disk");
}

TEST(Result, is_assigned_from_each_side_to_each) {
  using R = Result<std::string>;
  const R sides[] = {R("a long text that does not lie in its object"), R("b"), Error(Errc::io, "c"),
                     Errc::full};
  const auto tell = [](const R& result) { return result ? *result : result.error().message(); };
  for (const R& from : sides)
    for (const R& before : sides) {
      R to = before;
      to = from;
      EXPECT_EQ(tell(to), tell(from));
    }
  R self = sides[0];
  R& same = self;
  self = same;
  EXPECT_EQ(tell(self), tell(sides[0]));
}

struct Counted {
  explicit Counted(int& counter) : living(&counter) { ++*living; }
  Counted(const Counted& other) : living(other.living) { ++*living; }
  Counted& operator=(const Counted&) = delete;
  ~Counted() { --*living; }
  int* living;
};

TEST(Result, ends_each_value_once) {
  int living = 0;
  {
    Result<Counted> first = Counted(living);
    Result<Counted> second = first;
    EXPECT_EQ(living, 2);
    first = Error(Errc::io);
    EXPECT_EQ(living, 1);
    second = Result<Counted>(Counted(living));
    EXPECT_EQ(living, 1);
  }
  EXPECT_EQ(living, 0);
}

struct ThrowsOnMove {
  explicit ThrowsOnMove(int& counter) : living(&counter) { ++*living; }
  ThrowsOnMove(const ThrowsOnMove& other) : living(other.living), armed(other.armed) {
    if (armed != nullptr && *armed) throw std::runtime_error("cannot move");
    ++*living;
  }
  ThrowsOnMove& operator=(const ThrowsOnMove&) = delete;
  ~ThrowsOnMove() { --*living; }
  int* living;
  const bool* armed = nullptr;
};

TEST(Result, an_assignment_that_throws_leaves_an_error) {
  int living = 0;
  bool armed = false;
  {
    Result<ThrowsOnMove> to = ThrowsOnMove(living);
    Result<ThrowsOnMove> from = ThrowsOnMove(living);
    from->armed = &armed;
    const auto assign = [&] {
      Result<ThrowsOnMove> passed = from;
      armed = true;
      to = std::move(passed);
    };
    EXPECT_THROW(assign(), std::runtime_error);
    armed = false;
  }
  EXPECT_EQ(living, 0) << "no value ended twice";
}

TEST(ResultDeathTest, reading_the_value_of_an_error_ends_the_program_and_says_which) {
  Result<int> failed = Error(Errc::locked, "held").for_key("Player_7");
  const char* sentence = "persist: a Result was read that holds an error: locked: Player_7: held";
  EXPECT_DEATH((void)*failed, sentence);
  EXPECT_DEATH((void)failed.value(), sentence);
  EXPECT_DEATH((void)std::move(failed).value(), sentence);
  EXPECT_DEATH(Result<void>(Error(Errc::io, "no disk")).value(), "holds an error: io: no disk");
  Result<std::string> text = Errc::io;
  EXPECT_DEATH((void)text->size(), "holds an error: io");
}

TEST(ResultDeathTest, reading_the_error_of_a_value_ends_the_program) {
  Result<int> worked = 1;
  const char* sentence = "persist: the error of a Result was read that holds a value";
  EXPECT_DEATH((void)worked.error(), sentence);
  EXPECT_DEATH((void)std::move(worked).error(), sentence);
  EXPECT_DEATH((void)Result<void>(success).error(), sentence);
}

TEST(Result, of_a_temporary_gives_what_lives_as_long_as_it_is_needed) {
  const auto numbers = [] { return persist::Result<std::vector<int>>(std::vector<int>{1, 2, 3}); };
  static_assert(std::is_same_v<decltype(*numbers()), std::vector<int>>);
  static_assert(std::is_same_v<decltype(numbers().value()), std::vector<int>>);
  int sum = 0;
  for (const int each : *numbers())
    sum += each;
  EXPECT_EQ(sum, 6);
}

}  // namespace
