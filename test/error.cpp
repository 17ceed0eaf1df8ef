// builds: single no-exceptions
#include <persist/error.hpp>

#include <gtest/gtest.h>

#include <sstream>

namespace {

using persist::Errc;
using persist::Error;

static_assert(sizeof(Error) == 2 * sizeof(void*));

TEST(Error, messages_say_what_happened_to_which_key_and_who_holds_it) {
  Error error = Error(Errc::locked, "it was not asked").for_key("Player_7").held_by(
      {"eu-1", 12, std::chrono::milliseconds(250)});
  EXPECT_EQ(error.message(),
            "locked: Player_7: it was not asked (held by eu-1, epoch 12, last heard of 250 ms ago)");
  EXPECT_EQ(error.holder()->epoch, 12U);
  std::ostringstream out;
  out << Error(Errc::schema_mismatch).at("items[3].count", "an integer", "text");
  EXPECT_EQ(out.str(), "schema_mismatch: at items[3].count: expected an integer, found text");
}

TEST(Error, io_carries_the_systems_words) {
  const Error error = Error(Errc::io, "writing").with_os(28);
  EXPECT_EQ(error.os_error(), 28);
  EXPECT_NE(error.message().find(std::generic_category().message(28)), std::string::npos);
}

TEST(Error, a_default_error_is_invalid_and_a_copy_is_equal_in_words) {
  EXPECT_TRUE(Error() == Errc::invalid);
  const Error one = Error(Errc::full, "no room").for_key("k");
  Error two = one;
  EXPECT_EQ(two.message(), one.message());
  two = Error(Errc::io);
  EXPECT_EQ(two.message(), "io");
  EXPECT_EQ(one.holder(), nullptr);
}

TEST(Error, it_is_an_error_code_like_others) {
  const std::error_code code = Error(Errc::fenced, "x");
  EXPECT_EQ(code, Errc::fenced);
  EXPECT_EQ(code.message(), "fenced");
  EXPECT_STREQ(code.category().name(), "persist");
}

TEST(Error, the_codes_are_never_renumbered) {
  EXPECT_EQ(static_cast<int>(Errc::locked), 1);
  EXPECT_EQ(static_cast<int>(Errc::corrupt), 6);
  EXPECT_EQ(static_cast<int>(Errc::invalid), 11);
  EXPECT_EQ(static_cast<int>(Errc::unknown_outcome), 17);
  EXPECT_EQ(static_cast<int>(Errc::io), 20);
  EXPECT_EQ(name(Errc::io), "io");
  EXPECT_EQ(name(static_cast<Errc>(200)), "unknown error");
}

}  // namespace
