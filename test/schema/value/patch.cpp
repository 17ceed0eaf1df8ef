// builds: no-exceptions

#include <persist/schema/value/patch.hpp>

#include <persist/codec/json.hpp>
#include <persist/schema/value.hpp>

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <string_view>

// JSON Patch over values: applied, and found.

namespace {

using persist::Errc;
using persist::Result;
using persist::Value;

Value json(std::string_view text) {
  Value value;
  persist::UnknownFields unknown;
  const auto read = persist::codec::Json::decode<persist::schema::NoPolicy>(persist::as_bytes(text),
                                                                            value, unknown);
  EXPECT_TRUE(read) << text;
  return value;
}
/// What a patch makes of a document.
Result<Value> patched(std::string_view document, std::string_view patch) {
  Value value = json(document);
  if (auto done = apply(value, json(patch)); !done) {
    EXPECT_EQ(value, json(document)) << "a patch that failed changes nothing";
    return std::move(done).error();
  }
  return value;
}

struct Example {
  const char* document;
  const char* patch;
  const char* result;
};

TEST(Patch, does_what_the_examples_of_its_rfc_say) {
  const Example examples[] = {
      {R"({"foo": "bar"})", R"([{"op": "add", "path": "/baz", "value": "qux"}])",
       R"({"baz": "qux", "foo": "bar"})"},  // A.1
      {R"({"foo": ["bar", "baz"]})", R"([{"op": "add", "path": "/foo/1", "value": "qux"}])",
       R"({"foo": ["bar", "qux", "baz"]})"},
      {R"({"baz": "qux", "foo": "bar"})", R"([{"op": "remove", "path": "/baz"}])",
       R"({"foo": "bar"})"},
      {R"({"foo": ["bar", "qux", "baz"]})", R"([{"op": "remove", "path": "/foo/1"}])",
       R"({"foo": ["bar", "baz"]})"},
      {R"({"baz": "qux", "foo": "bar"})", R"([{"op": "replace", "path": "/baz", "value": "boo"}])",
       R"({"baz": "boo", "foo": "bar"})"},  // A.5
      {R"({"foo": {"bar": "baz", "waldo": "fred"}, "qux": {"corge": "grault"}})",
       R"([{"op": "move", "from": "/foo/waldo", "path": "/qux/thud"}])",
       R"({"foo": {"bar": "baz"}, "qux": {"corge": "grault", "thud": "fred"}})"},
      {R"({"foo": ["all", "grass", "cows", "eat"]})",
       R"([{"op": "move", "from": "/foo/1", "path": "/foo/3"}])",
       R"({"foo": ["all", "cows", "eat", "grass"]})"},
      {R"({"baz": "qux", "foo": ["a", 2, "c"]})",
       R"([{"op": "test", "path": "/baz", "value": "qux"},
           {"op": "test", "path": "/foo/1", "value": 2}])",
       R"({"baz": "qux", "foo": ["a", 2, "c"]})"},
      {R"({"foo": "bar"})", R"([{"op": "add", "path": "/child", "value": {"grandchild": {}}}])",
       R"({"foo": "bar", "child": {"grandchild": {}}})"},  // A.10
      {R"({"foo": "bar"})", R"([{"op": "add", "path": "/baz", "value": "qux", "xyz": 123}])",
       R"({"foo": "bar", "baz": "qux"})"},
      {R"({"/": 9, "~1": 10})", R"([{"op": "test", "path": "/~01", "value": 10}])",
       R"({"/": 9, "~1": 10})"},  // A.14
      {R"({"foo": ["bar"]})", R"([{"op": "add", "path": "/foo/-", "value": ["abc", "def"]}])",
       R"({"foo": ["bar", ["abc", "def"]]})"},
  };
  for (const auto& [document, patch, result] : examples) {
    const auto made = patched(document, patch);
    ASSERT_TRUE(made) << patch << made.error();
    EXPECT_EQ(*made, json(result)) << patch;
  }
}

TEST(Patch, fails_where_the_examples_of_its_rfc_do) {
  EXPECT_TRUE(patched(R"({"baz": "qux"})", R"([{"op": "test", "path": "/baz", "value": "bar"}])")
                  .is(Errc::refused));  // A.9
  EXPECT_TRUE(patched(R"({"foo": "bar"})", R"([{"op": "add", "path": "/baz/bat", "value": "qux"}])")
                  .is(Errc::not_found));  // A.12
  EXPECT_TRUE(patched(R"({"/": 9, "~1": 10})", R"([{"op": "test", "path": "/~01", "value": "10"}])")
                  .is(Errc::refused));  // A.15
  // A.13: two members of one name, which no value holds and no codec reads.
  EXPECT_TRUE(Value::map_of({{"op", "add"}, {"path", "/baz"}, {"value", "qux"}, {"op", "remove"}})
                  .is(Errc::corrupt));
}

TEST(Patch, each_operation_has_its_rules) {
  const Example good[] = {
      {"[1]", R"([{"op": "add", "path": "/1", "value": 2}])", "[1, 2]"},
      {"[1]", R"([{"op": "add", "path": "", "value": 2}])", "2"},
      {"[1]", R"([{"op": "remove", "path": ""}])", "null"},
      {"[1]", R"([{"op": "replace", "path": "", "value": {}}])", "{}"},
      {R"({"a": {"b": 1}})", R"([{"op": "move", "from": "/a/b", "path": ""}])", "1"},
      {R"({"a": {"b": 1}})", R"([{"op": "move", "from": "/a/b", "path": "/a"}])", R"({"a": 1})"},
      {R"({"a": 1, "ab": {}})", R"([{"op": "move", "from": "/a", "path": "/ab/c"}])",
       R"({"ab": {"c": 1}})"},
      {R"({"a": [1]})", R"([{"op": "move", "from": "/a", "path": "/a"}])", R"({"a": [1]})"},
      {R"({"a": [1]})", R"([{"op": "copy", "from": "/a", "path": "/a/-"}])", R"({"a": [1, [1]]})"},
      {R"({"a": null})", R"([{"op": "test", "path": "/a", "value": null}])", R"({"a": null})"},
      {"[1, 2.0]", R"([{"op": "test", "path": "", "value": [1.0, 2]}])", "[1, 2.0]"},
      {"[]", "[]", "[]"}};
  for (const auto& [document, patch, result] : good) {
    const auto made = patched(document, patch);
    ASSERT_TRUE(made) << patch << made.error();
    EXPECT_EQ(*made, json(result)) << patch;
  }
  const std::pair<const char*, Errc> bad[] = {
      {R"([{"op": "add", "path": "/a/2", "value": 1}])", Errc::not_found},
      {R"([{"op": "replace", "path": "/a/1", "value": 1}])", Errc::not_found},
      {R"([{"op": "replace", "path": "/a/-", "value": 1}])", Errc::not_found},
      {R"([{"op": "replace", "path": "/b", "value": 1}])", Errc::not_found},
      {R"([{"op": "remove", "path": "/b"}])", Errc::not_found},
      {R"([{"op": "remove", "path": "/a/-"}])", Errc::not_found},
      {R"([{"op": "move", "from": "/b", "path": "/c"}])", Errc::not_found},
      {R"([{"op": "move", "from": "/b", "path": "/b"}])", Errc::not_found},
      {R"([{"op": "move", "from": "/a/0", "path": "/a/1/x"}])", Errc::not_found},
      {R"([{"op": "copy", "from": "/a/-", "path": "/c"}])", Errc::not_found},
      {R"([{"op": "test", "path": "/b", "value": null}])", Errc::not_found},
      {R"([{"op": "add", "path": "/a/x", "value": 1}])", Errc::schema_mismatch},
      {R"([{"op": "add", "path": "/a/0/x", "value": 1}])", Errc::schema_mismatch},
      {R"([{"op": "test", "path": "/a", "value": [1.5]}])", Errc::refused},
  };
  for (const auto& [patch, code] : bad)
    EXPECT_TRUE(patched(R"({"a": [1]})", patch).is(code)) << patch;
}

TEST(Patch, a_value_cannot_be_moved_into_itself) {
  for (const char* patch : {R"([{"op": "move", "from": "/a", "path": "/a/b"}])",
                            R"([{"op": "move", "from": "/a", "path": "/a/b/c"}])",
                            R"([{"op": "move", "from": "", "path": "/a"}])"}) {
    const auto made = patched(R"({"a": {"b": {}}})", patch);
    EXPECT_TRUE(made.is(Errc::invalid)) << patch;
    EXPECT_NE(made.error().message().find("into itself"), std::string::npos);
  }
}

TEST(Patch, what_is_no_patch_is_invalid) {
  for (const char* patch : {"{}",
                            "null",
                            "1",
                            R"("[]")",
                            R"({"op": "add", "path": "/a", "value": 1})",
                            "[1]",
                            "[[]]",
                            "[null]",
                            "[{}]",
                            R"([{"op": "add"}])",
                            R"([{"path": "/a"}])",
                            R"([{"op": 1, "path": "/a", "value": 1}])",
                            R"([{"op": "add", "path": 1, "value": 1}])",
                            R"([{"op": "add", "path": "/a"}])",
                            R"([{"op": "test", "path": "/a"}])",
                            R"([{"op": "replace", "path": "/a"}])",
                            R"([{"op": "move", "path": "/a"}])",
                            R"([{"op": "copy", "from": 1, "path": "/a"}])",
                            R"([{"op": "spam", "path": "/a"}])",
                            R"([{"op": "ADD", "path": "/a", "value": 1}])",
                            R"([{"op": "remove", "path": "a"}])",
                            R"([{"op": "move", "from": "a", "path": "/a"}])",
                            R"([{"op": "remove", "path": "/~"}])"})
    EXPECT_TRUE(patched(R"({"a": 1})", patch).is(Errc::invalid)) << patch;
}

TEST(Patch, one_that_fails_in_the_middle_changes_nothing_and_says_where) {
  const auto made = patched(R"({"a": [1, 2]})", R"([{"op": "remove", "path": "/a/0"},
    {"op": "add", "path": "/b", "value": 1}, {"op": "remove", "path": "/a/1"}])");
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().message(),
            "not_found: at a[1]: operation 2 (remove): there is no element for the step '1' in an "
            "array of 1");
}

TEST(Patch, numbers_are_tested_by_their_value_and_exactly) {
  const auto most = (std::numeric_limits<std::uint64_t>::max)();
  const auto least = (std::numeric_limits<std::int64_t>::min)();
  const auto tests = [](const Value& there, const Value& asked) {
    Value root = there;
    const bool one =
        apply(root, Value::array({Value::map({{"op", "test"}, {"path", ""}, {"value", asked}})}))
            .has_value();
    root = asked;
    EXPECT_EQ(
        one,
        apply(root, Value::array({Value::map({{"op", "test"}, {"path", ""}, {"value", there}})}))
            .has_value());
    return one;
  };
  EXPECT_TRUE(tests(1, 1.0));
  EXPECT_TRUE(tests(-3, -3.0f));
  EXPECT_TRUE(tests(0, -0.0));
  EXPECT_TRUE(tests(least, -9223372036854775808.0));
  EXPECT_TRUE(tests(std::uint64_t{1} << 63, 9223372036854775808.0));
  EXPECT_FALSE(tests(most, 18446744073709551616.0)) << "one more, rounded";
  EXPECT_FALSE(tests((std::numeric_limits<std::int64_t>::max)(), 9223372036854775808.0));
  EXPECT_FALSE(tests((std::int64_t{1} << 53) + 1, 9007199254740992.0));
  EXPECT_FALSE(tests(1, 1.5));
  EXPECT_FALSE(tests(1, std::numeric_limits<double>::quiet_NaN()));
  EXPECT_FALSE(tests(most, std::numeric_limits<double>::infinity()));
  EXPECT_FALSE(tests(1, true));
  EXPECT_FALSE(tests(0, nullptr));
}

// Hostile patches

Value operation(const char* op, std::string_view from, std::string_view path) {
  return Value::map({{"op", op}, {"from", from}, {"path", path}});
}

TEST(Patch, copies_that_double_a_value_end_at_a_limit) {
  Value patch;
  for (int i = 0; i < 60; ++i)
    patch.push_back(operation("copy", "", "/-"));
  Value root = Value::array({std::string(1000, 'x')});
  const Value before = root;
  EXPECT_TRUE(apply(root, patch).is(Errc::too_large));
  EXPECT_EQ(root, before);
}

TEST(Patch, no_operation_nests_deeper_than_a_record_may) {
  Value root = Value::map();
  Value patch;
  for (int i = 0; i < 200; ++i)
    root["m" + std::to_string(i)] = Value::map();
  for (int i = 0; i < 199; ++i)
    patch.push_back(
        operation("move", "/m" + std::to_string(i), "/m" + std::to_string(i + 1) + "/x"));
  const Value before = root;
  EXPECT_TRUE(apply(root, patch).is(Errc::too_large));
  EXPECT_EQ(root, before);
  Value deep = Value::array();
  for (int i = 0; i < 127; ++i)
    deep = Value::array({deep});
  const auto one = [&](const char* op, const char* path) {
    return Value::array({Value::map({{"op", op}, {"path", path}, {"value", deep}})});
  };
  EXPECT_TRUE(apply(root, one("add", "/a")).is(Errc::too_large));
  EXPECT_TRUE(apply(root, one("replace", "/m1")).is(Errc::too_large));
  EXPECT_TRUE(apply(root, one("replace", "")));
  EXPECT_EQ(root, deep);
}

TEST(Patch, moving_a_long_array_again_and_again_ends_at_a_limit) {
  Value root = Value(Value::Array(5'000));
  Value patch;
  for (int i = 0; i < 2'000; ++i)
    patch.push_back(operation("move", "/4999", "/0"));
  EXPECT_TRUE(apply(root, patch).is(Errc::too_large));
  EXPECT_EQ(root.size(), 5'000u);
}

TEST(Patch, pointers_of_many_steps_and_huge_indices_are_errors) {
  std::string steps;
  for (int i = 0; i < 100'000; ++i)
    steps += "/0";
  Value root = json(R"([[1]])");
  for (const char* op : {"add", "replace", "remove", "test", "move", "copy"}) {
    const auto with = [&](std::string_view path, std::string_view from) {
      return Value::array({Value::map({{"op", op}, {"path", path}, {"from", from}, {"value", 1}})});
    };
    EXPECT_FALSE(apply(root, with(steps, "/0"))) << op;
    EXPECT_FALSE(apply(root, with("/0/99999999999999999999", "/0/0"))) << op;
  }
  EXPECT_FALSE(apply(root, Value::array({operation("copy", steps, "/0")})));
  EXPECT_EQ(root, json(R"([[1]])"));
}

// Diff

/// Random values of every kind, with keys that need escapes and few enough to meet again.
class Values {
 public:
  explicit Values(std::uint32_t seed) : random_(seed) {}
  Value make(int depth = 4) {
    switch (pick(depth > 0 ? 11 : 8)) {
      case 0:
        return nullptr;
      case 1:
        return pick(2) == 0;
      case 2:
        return static_cast<int>(pick(4)) - 2;
      case 3:
        return static_cast<std::uint64_t>(pick(3)) << 63;
      case 4:
        return static_cast<double>(pick(5)) / 2;
      case 5:
        return static_cast<float>(pick(5)) / 2;
      case 6:
        return std::string(pick(3), 'x');
      case 7:
        return Value::Bytes(pick(3));
      case 8:
        return array(depth);
      default:
        return map(depth);
    }
  }
  /// The same value with something changed here and there.
  Value change(Value value, int depth = 4) {
    if (pick(8) == 0) return make(depth);
    if (value.is_array()) {
      if (pick(3) == 0) value.insert(pick(value.size() + 1), make(depth - 1));
      if (pick(3) == 0) value.erase_element(pick(value.size() + 1));
      for (Value& element : value.elements())
        if (pick(4) == 0) element = change(element, depth - 1);
    }
    for (int i = 0; value.is_map() && i < 2; ++i) {
      Value& member = value[key()];
      member = change(member, depth - 1);
      if (pick(3) == 0) value.erase(key());
    }
    return value;
  }

 private:
  std::size_t pick(std::size_t below) { return random_() % below; }
  std::string key() {
    const char* const keys[] = {"", "a", "b", "/", "~", "~1", "a/b", "0", "-", "long key"};
    return keys[pick(std::size(keys))];
  }
  Value array(int depth) {
    Value::Array all;
    for (std::size_t left = pick(6); left != 0; --left)
      all.push_back(make(depth - 1));
    return all;
  }
  Value map(int depth) {
    Value all = Value::map();
    for (std::size_t left = pick(6); left != 0; --left)
      all[key()] = make(depth - 1);
    return all;
  }

  std::mt19937 random_;
};

TEST(Diff, applied_to_the_one_value_makes_the_other) {
  for (std::uint32_t seed = 0; seed < 4000; ++seed) {
    Values values(seed);
    const Value a = values.make();
    const Value b = seed % 2 == 0 ? values.change(a) : values.make();
    const Value patch = diff(a, b);
    EXPECT_EQ(patch.size() == 0, a == b);
    Value made = a;
    const auto done = apply(made, patch);
    ASSERT_TRUE(done) << "seed " << seed << ": " << done.error();
    ASSERT_EQ(made, b) << "seed " << seed;
  }
}

TEST(Diff, says_no_more_than_what_changed) {
  const Value a = json(R"({"coins": 1, "name": "ada", "bag": [{"id": 1}, {"id": 2}, {"id": 3}]})");
  const auto changed = [&](std::string_view to) { return diff(a, json(to)); };
  EXPECT_EQ(changed(R"({"coins": 2, "name": "ada", "bag": [{"id": 1}, {"id": 2}, {"id": 3}]})"),
            json(R"([{"op": "replace", "path": "/coins", "value": 2}])"));
  EXPECT_EQ(changed(R"({"coins": 1, "name": "ada", "bag": [{"id": 1}, {"id": 3}]})"),
            json(R"([{"op": "remove", "path": "/bag/1"}])"));
  EXPECT_EQ(changed(R"({"coins": 1, "name": "ada", "bag": [{"id": 0}, {"id": 1}, {"id": 2},
                        {"id": 3}]})"),
            json(R"([{"op": "add", "path": "/bag/0", "value": {"id": 0}}])"));
  EXPECT_EQ(changed(R"({"coins": 1, "bag": [{"id": 1}, {"id": 7}, {"id": 3}]})"),
            json(R"([{"op": "remove", "path": "/name"},
                     {"op": "replace", "path": "/bag/1/id", "value": 7}])"));
  EXPECT_EQ(diff(a, a), Value::array());
  EXPECT_EQ(diff(Value(1), Value(1.0)), json(R"([{"op": "replace", "path": "", "value": 1.0}])"))
      << "an integer is no real";
}

TEST(Diff, of_large_values_is_a_patch_that_can_be_applied) {
  Value::Array many;
  Value map = Value::map();
  for (int i = 0; i < 2'000; ++i) {
    many.emplace_back(i);
    map[std::to_string(i * 2)] = i;
  }
  Value::Array more(2'000, Value("new"));
  more.insert(more.end(), many.begin(), many.end());
  Value others = Value::map();
  for (int i = 0; i < 2'000; ++i)
    others[std::to_string(i * 2 + 1)] = i;
  const std::pair<Value, Value> pairs[] = {
      {many, more}, {more, many}, {map, others}, {Value::map(), map}, {Value::array(), many}};
  for (const auto& [a, b] : pairs) {
    Value made = a;
    ASSERT_TRUE(apply(made, diff(a, b)));
    EXPECT_EQ(made, b);
  }
}

}  // namespace
