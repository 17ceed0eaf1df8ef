// builds: single no-exceptions
#include <persist/error.hpp>

#include <cerrno>
#include <chrono>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>

#include <gtest/gtest.h>

namespace {

using namespace persist;
using namespace std::chrono_literals;

static_assert(sizeof(Error) == 2 * sizeof(void*), "two words");
static_assert(std::is_nothrow_move_constructible_v<Error>);
static_assert(std::is_nothrow_constructible_v<Error, Errc>, "a code alone allocates nothing");
static_assert(std::is_error_code_enum_v<Errc>);
static_assert(static_cast<int>(Errc::locked) == 1 && static_cast<int>(Errc::io) == 20,
              "never renumber");

TEST(Errc, each_code_has_a_name_of_its_own) {
  std::set<std::string_view> names;
  for (int code = 0; code <= 20; ++code)
    names.insert(name(static_cast<Errc>(code)));
  EXPECT_EQ(names.size(), 21u);
  EXPECT_EQ(names.count("unknown error"), 0u);
  EXPECT_EQ(name(Errc{}), "no error");
  EXPECT_EQ(name(Errc::locked), "locked");
  EXPECT_EQ(name(Errc::schema_mismatch), "schema_mismatch");
  EXPECT_EQ(name(Errc::unknown_outcome), "unknown_outcome");
  EXPECT_EQ(name(Errc::io), "io");
}

TEST(Errc, a_number_of_a_newer_build_has_a_name_too) {
  EXPECT_EQ(name(static_cast<Errc>(21)), "unknown error");
  EXPECT_EQ(name(static_cast<Errc>(255)), "unknown error");
}

TEST(Error, says_no_more_than_it_knows) {
  EXPECT_EQ(Error().message(), "invalid");
  EXPECT_EQ(Error(Errc::timeout).message(), "timeout");
  EXPECT_EQ(Error(Errc::closed, "the store has ended").message(), "closed: the store has ended");
  EXPECT_EQ(Error(Errc::not_found).for_key("Player_7").message(), "not_found: Player_7");
}

TEST(Error, tells_the_whole_story_in_one_line) {
  const Error error = Error(Errc::locked, "try again later")
                          .for_key("Player_7")
                          .at("inventory[3].count", "an integer", "a text")
                          .held_by({"eu-1", 12, 3500ms})
                          .with_os(ENOSPC);
  EXPECT_EQ(error.message(),
            "locked: Player_7: at inventory[3].count: expected an integer, found a text: try again "
            "later (held by eu-1, epoch 12, last heard of 3500 ms ago): " +
                std::generic_category().message(ENOSPC));
  std::ostringstream out;
  out << error;
  EXPECT_EQ(out.str(), error.message());
}

TEST(Error, a_holder_without_a_name_is_spoken_of_all_the_same) {
  EXPECT_EQ(Error(Errc::fenced).held_by({}).message(),
            "fenced (held by an unnamed server, epoch 0, last heard of 0 ms ago)");
}

TEST(Error, gives_each_part_alone) {
  const Error error = Error(Errc::schema_mismatch, "the detail")
                          .for_key("the key")
                          .at("the path", "this", "that")
                          .held_by({"eu-2", 3, 1s})
                          .with_os(EIO);
  EXPECT_EQ(error.code(), Errc::schema_mismatch);
  EXPECT_EQ(error.detail(), "the detail");
  EXPECT_EQ(error.key(), "the key");
  EXPECT_EQ(error.path(), "the path");
  EXPECT_EQ(error.expected(), "this");
  EXPECT_EQ(error.found(), "that");
  EXPECT_EQ(error.os_error(), EIO);
  ASSERT_NE(error.holder(), nullptr);
  EXPECT_EQ(error.holder()->server, "eu-2");
  EXPECT_EQ(error.holder()->epoch, 3u);
  EXPECT_EQ(error.holder()->age, 1s);
}

TEST(Error, a_code_alone_has_no_parts) {
  const Error error = Errc::busy;
  EXPECT_EQ(error.code(), Errc::busy);
  EXPECT_EQ(error.detail(), "");
  EXPECT_EQ(error.key(), "");
  EXPECT_EQ(error.path(), "");
  EXPECT_EQ(error.expected(), "");
  EXPECT_EQ(error.found(), "");
  EXPECT_EQ(error.holder(), nullptr);
  EXPECT_EQ(error.os_error(), 0);
  EXPECT_EQ(Error(Errc::locked, "by somebody").holder(), nullptr) << "known to nobody";
}

TEST(Error, a_copy_is_its_own) {
  Error first = Error(Errc::io, "one").with_os(EIO);
  const Error second = first;
  first = Error(Errc::full, "two").for_key("k");
  EXPECT_EQ(second.message(), Error(Errc::io, "one").with_os(EIO).message());
  EXPECT_EQ(first.message(), "full: k: two");
  Error& same = first;
  first = same;
  EXPECT_EQ(first.message(), "full: k: two");
}

TEST(Error, is_compared_with_codes_of_ours_and_of_the_standard) {
  const Error error(Errc::locked, "held");
  EXPECT_TRUE(error == Errc::locked);
  EXPECT_TRUE(error != Errc::fenced);
  const std::error_code code = error;
  EXPECT_TRUE(code == Errc::locked);
  EXPECT_FALSE(code == Errc::fenced);
  EXPECT_STREQ(code.category().name(), "persist");
  EXPECT_EQ(code.message(), "locked");
  EXPECT_EQ(code.value(), 1);
}

TEST(Error, no_error_is_a_false_error_code) {
  EXPECT_FALSE(make_error_code(Errc{}));
  EXPECT_TRUE(make_error_code(Errc::invalid));
  const std::error_code implicit = Errc::io;
  EXPECT_EQ(implicit, make_error_code(Errc::io));
}

TEST(Error, a_number_that_is_no_code_is_not_taken_for_one) {
  EXPECT_EQ(error_category().message(257), "unknown error");
  EXPECT_EQ(error_category().message(-255), "unknown error");
}

}  // namespace
