// builds: no-exceptions

#include <persist/schema/value/reconcile.hpp>

#include <gtest/gtest.h>

// Filling in what is missing, as the systems did that persist replaces.

namespace {

using persist::Value;

TEST(Reconcile, fills_in_what_is_missing_at_every_depth) {
  Value data = Value::map({{"coins", 5}, {"settings", Value::map({{"fov", 90}})}});
  const Value whole = Value::map({{"coins", 0},
                                  {"level", 1},
                                  {"settings", Value::map({{"fov", 70},
                                                           {"sound", Value::map({{"music", 0.5}})},
                                                           {"keys", Value::array({"w", "a"})}})}});
  EXPECT_EQ(data.reconcile(whole), 3u);
  EXPECT_EQ(data, Value::map({{"coins", 5},
                              {"level", 1},
                              {"settings", Value::map({{"fov", 90},
                                                       {"sound", Value::map({{"music", 0.5}})},
                                                       {"keys", Value::array({"w", "a"})}})}}));
  EXPECT_EQ(data.reconcile(whole), 0u) << "twice is once";
}

TEST(Reconcile, never_overwrites_not_even_what_is_of_another_kind) {
  Value data = Value::map({{"a", "text"}, {"b", Value::map()}, {"c", nullptr}, {"d", false}});
  const Value before = data;
  EXPECT_EQ(
      data.reconcile(Value::map(
          {{"a", Value::map({{"x", 1}})}, {"b", 7}, {"c", Value::map({{"x", 1}})}, {"d", true}})),
      0u);
  EXPECT_EQ(data, before);
}

TEST(Reconcile, leaves_arrays_as_they_are_and_what_is_in_them) {
  Value data =
      Value::map({{"bag", Value::array({Value::map({{"id", 1}})})}, {"none", Value::array()}});
  const Value before = data;
  EXPECT_EQ(
      data.reconcile(Value::map(
          {{"bag", Value::array({Value::map({{"id", 0}, {"count", 1}}), Value::map({{"id", 2}})})},
           {"none", Value::array({1, 2})}})),
      0u);
  EXPECT_EQ(data, before);
  Value list = Value::array({1});
  EXPECT_EQ(list.reconcile(Value::map({{"a", 1}})), 0u);
  EXPECT_EQ(list, Value::array({1}));
}

TEST(Reconcile, an_empty_array_is_an_empty_map_where_the_template_has_one) {
  Value data = Value::map({{"settings", Value::array()}});
  EXPECT_EQ(data.reconcile(Value::map({{"settings", Value::map({{"fov", 70}})}})), 1u);
  EXPECT_EQ(data["settings"]["fov"], Value(70));
}

TEST(Reconcile, no_record_becomes_a_copy_of_the_template) {
  const Value whole = Value::map({{"deep", Value::map({{"x", 1}})}});
  Value data;
  EXPECT_EQ(data.reconcile(whole), 1u);
  EXPECT_EQ(data, whole);
  data["deep"]["x"] = 2;
  EXPECT_EQ(whole["deep"]["x"], Value(1)) << "and shares nothing with it";
  EXPECT_EQ(Value().reconcile(Value()), 0u);
}

TEST(Reconcile, with_itself_or_a_part_of_itself_does_no_harm) {
  Value data = Value::map({{"a", Value::map({{"b", 1}})}});
  EXPECT_EQ(data.reconcile(data), 0u);
  EXPECT_EQ(data.reconcile(data["a"]), 1u);
  EXPECT_EQ(data["b"], Value(1));
}

TEST(Reconcile, a_clone_shares_nothing_with_its_original) {
  const Value whole = Value::map({{"list", Value::array({1, Value::Bytes(3), "x"})}});
  Value copy = whole.clone();
  EXPECT_EQ(copy, whole);
  copy["list"].elements()[0] = 2;
  EXPECT_EQ(whole["list"][0], Value(1));
}

}  // namespace
