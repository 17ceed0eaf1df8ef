#include <persistctl/profile.hpp>

#include <string>

#include <gtest/gtest.h>

#include "store_case.hpp"

namespace persistctl {
namespace {

[[nodiscard]] Result<Profile> read(const ProfileText& text) {
  return read_profile(std::string(text));
}
/// Where in the line the fault is said to be.
[[nodiscard]] std::string misfit_of(const ProfileText& text) {
  const auto profile = read(text);
  if (profile) return "no fault";
  EXPECT_EQ(profile.error(), Errc::schema_mismatch) << profile.error();
  return std::string(profile.error().path());
}

TEST(Profile, empty_tables_may_be_written_either_way) {
  for (const std::string empty : {"[]", "{}"}) {
    const auto profile = read({.data = empty,
                               .meta = empty,
                               .roblox = empty,
                               .users = empty,
                               .messages = "[0," + empty + "]"});
    ASSERT_TRUE(profile) << profile.error();
    EXPECT_TRUE(profile->data.is_map());
    EXPECT_TRUE(profile->metadata.is_null());
    EXPECT_TRUE(profile->user_ids->empty());
    EXPECT_TRUE(profile->messages.empty());
  }
}

TEST(Profile, only_the_data_must_be_there) {
  const auto profile = read_profile(R"({"key":"a","value":{"Data":{"x":1}}})");
  ASSERT_TRUE(profile) << profile.error();
  EXPECT_FALSE(profile->user_ids || profile->created || profile->load_count);
  EXPECT_TRUE(read_profile(R"({"key":"a","value":{}})").is(Errc::schema_mismatch));
  EXPECT_TRUE(read_profile(R"({"key":"a","value":null})").is(Errc::schema_mismatch));
}

TEST(Profile, what_is_no_profile_is_refused_in_words) {
  EXPECT_TRUE(read_profile("").is(Errc::corrupt));
  EXPECT_TRUE(read_profile("nonsense").is(Errc::corrupt));
  EXPECT_TRUE(read_profile("{} {}").is(Errc::corrupt));
  EXPECT_TRUE(read_profile("[]").is(Errc::schema_mismatch));
  EXPECT_TRUE(read_profile(R"({"value":{"Data":{}}})").is(Errc::schema_mismatch));
  EXPECT_TRUE(read_profile(R"({"key":7,"value":{"Data":{}}})").is(Errc::schema_mismatch));
  EXPECT_TRUE(read_profile(R"({"key":"a","value":{"Data":{"x":1,"x":2}}})").is(Errc::corrupt));
}

TEST(Profile, a_key_that_cannot_be_one_is_invalid) {
  EXPECT_TRUE(read({.key = ""}).is(Errc::invalid));
  EXPECT_TRUE(read({.key = std::string(255, 'k')}));
  EXPECT_TRUE(read({.key = std::string(256, 'k')}).is(Errc::invalid));
  EXPECT_TRUE(read({.key = std::string(10'000, 'k')}).is(Errc::invalid));
  EXPECT_TRUE(read({.key = R"(a\u0000b)"}).is(Errc::invalid));
  EXPECT_TRUE(read({.key = "../../etc"}));
}

TEST(Profile, parts_of_the_wrong_shape_are_named_with_their_place) {
  EXPECT_EQ(misfit_of({.data = "[1]"}), "value.Data");
  EXPECT_EQ(misfit_of({.data = "null"}), "value.Data");
  EXPECT_EQ(misfit_of({.meta = "3"}), "value.MetaData");
  EXPECT_EQ(misfit_of({.meta = R"({"MetaTags":"x"})"}), "value.MetaData.MetaTags");
  EXPECT_EQ(misfit_of({.roblox = "[1]"}), "value.RobloxMetaData");
  EXPECT_EQ(misfit_of({.users = "7"}), "value.UserIds");
  EXPECT_EQ(misfit_of({.users = R"({"a":1})"}), "value.UserIds");
}

TEST(Profile, what_is_not_there_is_said_to_be_missing_with_the_names_that_are) {
  const auto words_of = [](std::string_view line) { return read_profile(line).error().message(); };
  EXPECT_EQ(words_of(R"({"key":"a","value":{"data":{},"MetaData":{}}})"),
            "schema_mismatch: at value.Data: expected a map, found nothing of that name: there are "
            "data, MetaData");
  EXPECT_EQ(words_of(R"({"Key":"a"})"),
            "schema_mismatch: at key: expected a text, found nothing of that name: there is Key");
  EXPECT_EQ(words_of(R"({"key":"a"})"),
            "schema_mismatch: at value: expected a profile, found nothing of that name: there is "
            "key");
  EXPECT_EQ(words_of("{}"), "schema_mismatch: at key: expected a text, found nothing of that name");
  std::string many = R"({"key":"a","value":{")" + std::string(100, 'n') + R"(":1)";
  for (char name = 'a'; name <= 'z'; ++name)
    many += std::string(",\"") + name + "\":1";
  EXPECT_NE(words_of(many + "}}").find("there are a, b, c, d, e, f, g, h and 19 more"),
            std::string::npos);
}

TEST(Profile, numbers_out_of_range_are_named_with_their_place) {
  const std::string load = "value.MetaData.SessionLoadCount";
  EXPECT_EQ(misfit_of({.meta = R"({"SessionLoadCount":-1})"}), load);
  EXPECT_EQ(misfit_of({.meta = R"({"SessionLoadCount":1.5})"}), load);
  EXPECT_EQ(misfit_of({.meta = R"({"SessionLoadCount":1e300})"}), load);
  const std::string created = "value.MetaData.ProfileCreateTime";
  EXPECT_EQ(misfit_of({.meta = R"({"ProfileCreateTime":-1})"}), created);
  EXPECT_EQ(misfit_of({.meta = R"({"ProfileCreateTime":1e300})"}), created);
  EXPECT_EQ(misfit_of({.meta = R"({"ProfileCreateTime":18446744073709551615})"}), created);
  EXPECT_EQ(misfit_of({.meta = R"({"ProfileCreateTime":"now"})"}), created);
  EXPECT_EQ(misfit_of({.users = "[1,-2]"}), "value.UserIds[1]");
  EXPECT_EQ(misfit_of({.users = "[1.25]"}), "value.UserIds[0]");
  EXPECT_EQ(read({.meta = R"({"ProfileCreateTime":1.5})"})->created,
            WallTime(std::chrono::milliseconds(1500)));
}

TEST(Profile, malformed_messages_are_named_with_their_place) {
  const std::string all = "value.GlobalUpdates";
  for (const char* shape : {"7", "[1]", "[1,[],2]", R"({"a":1})", "\"x\""})
    EXPECT_EQ(misfit_of({.messages = shape}), all) << shape;
  EXPECT_EQ(misfit_of({.messages = R"(["x",[]])"}), all + "[0]");
  EXPECT_EQ(misfit_of({.messages = "[1,5]"}), all + "[1]");
  EXPECT_EQ(misfit_of({.messages = "[1,[5]]"}), all + "[1][0]");
  EXPECT_EQ(misfit_of({.messages = "[1,[[1]]]"}), all + "[1][0]");
  EXPECT_EQ(misfit_of({.messages = "[1,[[1,2,3]]]"}), all + "[1][0]");
  EXPECT_EQ(misfit_of({.messages = "[1,[[1,null]]]"}), all + "[1][0]");
  EXPECT_EQ(misfit_of({.messages = "[1,[[-1,{}]]]"}), all + "[1][0][0]");
}

TEST(Profile, messages_of_one_index_would_be_taken_for_repeats_and_are_refused) {
  EXPECT_EQ(misfit_of({.messages = "[2,[[1,{}],[1,{}]]]"}), "value.GlobalUpdates[1][1][0]");
  EXPECT_EQ(misfit_of({.messages = "[2,[[2,{}],[1,{}]]]"}), "value.GlobalUpdates[1][1][0]");
}

TEST(Profile, tags_that_would_hide_a_member_of_the_metadata_are_refused) {
  EXPECT_TRUE(
      read({.meta = R"({"MetaTags":{"a":1}})", .roblox = R"({"MetaTags":2})"}).is(Errc::invalid));
}

TEST(Profile, nesting_without_end_is_refused_and_crashes_nothing) {
  const std::string deep(100'000, '[');
  EXPECT_FALSE(read({.data = R"({"x":)" + deep}));
  std::string closed = R"({"x":)";
  closed += deep + std::string(100'000, ']') + "}";
  EXPECT_TRUE(read({.data = closed}).is(Errc::too_large));
}

}  // namespace
}  // namespace persistctl
