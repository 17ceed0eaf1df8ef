// builds: no-exceptions

#include <persist/schema/value/pointer.hpp>

#include <persist/schema/value/walk.hpp>

#include <gtest/gtest.h>

#include <string>
#include <utility>

// JSON Pointer over values.

namespace {

using persist::Errc;
using persist::Value;

/// The document of RFC 6901, section 5.
Value document() {
  return Value::map({{"foo", Value::array({"bar", "baz"})},
                     {"", 0},
                     {"a/b", 1},
                     {"c%d", 2},
                     {"e^f", 3},
                     {"g|h", 4},
                     {"i\\j", 5},
                     {"k\"l", 6},
                     {" ", 7},
                     {"m~n", 8}});
}
Value player() {
  return Value::map({{"coins", 5}, {"inventory", Value::array({Value::map({{"count", 1}})})}});
}
/// What a call says that fails.
std::string words(const auto& result) {
  return result ? "it worked" : result.error().message();
}

TEST(Pointer, leads_where_the_examples_of_its_rfc_say) {
  const Value whole = document();
  const std::pair<const char*, Value> examples[] = {
      {"", whole},       {"/foo", Value::array({"bar", "baz"})},
      {"/foo/0", "bar"}, {"/", 0},
      {"/a~1b", 1},      {"/c%d", 2},
      {"/e^f", 3},       {"/g|h", 4},
      {"/i\\j", 5},      {"/k\"l", 6},
      {"/ ", 7},         {"/m~0n", 8}};
  for (const auto& [pointer, value] : examples)
    EXPECT_EQ(get(whole, pointer).value(), value) << pointer;
}

TEST(Pointer, escapes_are_undone_once_and_in_the_order_of_the_rfc) {
  const Value whole = Value::map({{"~1", "tilde one"}, {"/", "slash"}});
  EXPECT_EQ(get(whole, "/~01").value(), Value("tilde one"));
  EXPECT_EQ(get(whole, "/~1").value(), Value("slash"));
}

TEST(Pointer, what_is_no_pointer_is_refused_before_a_step_is_taken) {
  Value whole = document();
  for (const char* wrong : {"foo", "#/foo", "/foo~", "/no/such/~2", "/~"}) {
    EXPECT_TRUE(get(whole, wrong).is(Errc::invalid)) << wrong;
    EXPECT_TRUE(set(whole, wrong, 1).is(Errc::invalid)) << wrong;
    EXPECT_TRUE(erase(whole, wrong).is(Errc::invalid)) << wrong;
  }
  EXPECT_EQ(whole, document());
}

TEST(Pointer, an_error_names_the_step_that_failed_and_where) {
  const Value whole = player();
  EXPECT_EQ(words(get(whole, "/inventory/0/color/hue")),
            "not_found: at inventory[0].color: there is no member for the step 'color'");
  EXPECT_EQ(words(get(whole, "/inventory/7/count")),
            "not_found: at inventory[7]: there is no element for the step '7' in an array of 1");
  EXPECT_EQ(words(get(whole, "/inventory/-")),
            "not_found: at inventory[1]: there is no element for the step '-' in an array of 1");
  EXPECT_EQ(words(get(whole, "/coins/gold")),
            "schema_mismatch: at coins: expected a map or an array, found an integer: the step "
            "'gold' leads nowhere");
  EXPECT_EQ(words(get(whole, "/inventory/first")),
            "schema_mismatch: at inventory.first: expected the index of an element, found the step "
            "'first'");
}

TEST(Pointer, a_step_into_null_names_where_the_null_is_and_how_a_map_begins) {
  Value nothing;
  EXPECT_EQ(words(set(nothing, "/a/b", 1)),
            "schema_mismatch: expected a map or an array, found null: the step 'a' leads nowhere "
            "from the root of the value: begin a map there with Value::map()");
  EXPECT_EQ(words(set(nothing, "/a", 1)), words(get(nothing, "/a")));
  Value inner = Value::map({{"a", Value()}});
  EXPECT_EQ(words(set(inner, "/a/b", 1)),
            "schema_mismatch: at a: expected a map or an array, found null: the step 'b' leads "
            "nowhere: begin a map there with Value::map()");
}

TEST(Pointer, an_index_has_one_form_and_may_be_of_any_size) {
  const Value whole = Value::array({1, 2});
  for (const char* wrong : {"/01", "/+1", "/ 1", "/1 ", "/", "/1e0", "/-1", "/0x1", "/--"})
    EXPECT_TRUE(get(whole, wrong).is(Errc::schema_mismatch)) << wrong;
  for (const char* absent : {"/2", "/18446744073709551615", "/18446744073709551616",
                             "/18446744073709551617", "/99999999999999999999999999999999999"})
    EXPECT_TRUE(get(whole, absent).is(Errc::not_found)) << absent;
}

TEST(Pointer, set_replaces_adds_and_appends_but_makes_nothing_further_up) {
  Value whole = player();
  ASSERT_TRUE(set(whole, "/coins", 6));
  ASSERT_TRUE(set(whole, "/new~1member", "x"));
  ASSERT_TRUE(set(whole, "/inventory/0/count", 2));
  ASSERT_TRUE(set(whole, "/inventory/-", "second"));
  ASSERT_TRUE(set(whole, "/inventory/2", "fourth"));
  ASSERT_TRUE(set(whole, "/inventory/2", "third"));
  EXPECT_EQ(
      whole,
      Value::map({{"coins", 6},
                  {"new/member", "x"},
                  {"inventory", Value::array({Value::map({{"count", 2}}), "second", "third"})}}));
  const Value before = whole;
  EXPECT_TRUE(set(whole, "/inventory/4", 1).is(Errc::not_found));
  EXPECT_TRUE(set(whole, "/no/member", 1).is(Errc::not_found));
  EXPECT_TRUE(set(whole, "/coins/member", 1).is(Errc::schema_mismatch));
  EXPECT_TRUE(set(whole, "/inventory/x", 1).is(Errc::schema_mismatch));
  EXPECT_EQ(whole, before);
  ASSERT_TRUE(set(whole, "", 1));
  EXPECT_EQ(whole, Value(1));
}

TEST(Pointer, erase_takes_out_a_member_an_element_or_all) {
  Value whole = player();
  ASSERT_TRUE(set(whole, "/inventory/-", "second"));
  ASSERT_TRUE(erase(whole, "/inventory/0"));
  EXPECT_EQ(get(whole, "/inventory/0").value(), Value("second"));
  ASSERT_TRUE(erase(whole, "/coins"));
  EXPECT_TRUE(erase(whole, "/coins").is(Errc::not_found));
  EXPECT_TRUE(erase(whole, "/inventory/1").is(Errc::not_found));
  EXPECT_TRUE(erase(whole, "/inventory/-").is(Errc::not_found));
  EXPECT_EQ(whole, Value::map({{"inventory", Value::array({"second"})}}));
  ASSERT_TRUE(erase(whole, ""));
  EXPECT_TRUE(whole.is_null()) << "no record";
}

TEST(Pointer, a_located_value_is_the_one_in_its_place) {
  Value whole = player();
  **locate(whole, "/inventory/0/count") = 9;
  EXPECT_EQ(get(whole, "/inventory/0/count").value(), Value(9));
  const Value& constant = whole;
  EXPECT_EQ(*locate(constant, "/coins"), whole.find("coins"));
}

TEST(Pointer, a_pointer_of_many_steps_ends_where_the_value_does) {
  std::string steps;
  for (int i = 0; i < 100'000; ++i)
    steps += "/a";
  Value whole = Value::map({{"a", Value::map({{"a", 1}})}});
  EXPECT_TRUE(get(whole, steps).is(Errc::schema_mismatch));
  EXPECT_EQ(get(whole, steps).error().path(), "a.a");
  EXPECT_TRUE(set(whole, steps, 1).is(Errc::too_large));
  EXPECT_TRUE(erase(whole, steps).is(Errc::schema_mismatch));
}

TEST(Pointer, set_nests_no_deeper_than_what_can_be_read_again) {
  Value whole = Value::map();
  std::string steps;
  for (int i = 1; i < 128; ++i) {
    steps += "/a";
    ASSERT_TRUE(set(whole, steps, Value::map()));
  }
  ASSERT_TRUE(set(whole, steps + "/a", 1));
  EXPECT_TRUE(set(whole, steps + "/a", Value::array()).is(Errc::too_large));
  EXPECT_TRUE(set(whole, "/b", Value::array({whole})).is(Errc::too_large));
  EXPECT_EQ(get(whole, steps + "/a").value(), Value(1));
  persist::schema::ValueReader in(whole);
  Value again;
  EXPECT_TRUE(persist::schema::read_value(in, again));
}

TEST(Pointer, the_words_of_an_error_stay_short_whatever_the_pointer_is) {
  const std::string name(10'000, 'n');
  Value whole = Value::map();
  std::string steps;
  for (int i = 0; i < 12; ++i) {
    steps += "/" + name;
    ASSERT_TRUE(set(whole, steps, Value::map()));
  }
  steps += "/" + name;
  EXPECT_LT(get(whole, steps).error().message().size(), 600u);
  EXPECT_LT(get(whole, name).error().message().size(), 600u);
  EXPECT_EQ(get(whole, "/\n").error().path(), "?") << "and printable";
}

}  // namespace
