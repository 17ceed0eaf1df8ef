// builds: single no-exceptions

#include <persist/schema/value.hpp>

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace {

using persist::Errc;
using persist::Value;
using persist::schema::from_value;
using persist::schema::to_value;
using persist::schema::Token;
using persist::schema::ValueReader;
using persist::schema::ValueWriter;

struct Settings {
  double fov = 70;
  bool invert = false;
};
struct Player {
  std::int64_t coins = 0;
  std::string name = "nobody";
  Settings settings;
  std::vector<int> scores;
};

TEST(Value, is_built_and_looked_into_as_it_reads) {
  Value value = Value::map({{"name", "ada"}, {"scores", Value::array({1, 2.5, nullptr, true})}});
  value["settings"]["fov"] = 90;
  value["scores"].push_back("last");
  EXPECT_EQ(value["settings"]["fov"], Value(90));
  EXPECT_EQ(value["scores"].size(), 5u);
  EXPECT_EQ(value["scores"][1], Value(2.5));
  EXPECT_EQ(value["scores"][4], Value("last"));
  ASSERT_NE(value.find("name"), nullptr);
  EXPECT_EQ(value.find("nobody"), nullptr);
  EXPECT_TRUE(value.erase("name"));
  EXPECT_FALSE(value.erase("name"));
  EXPECT_EQ(value.size(), 2u);
}

TEST(Value, a_look_into_what_is_not_there_finds_null) {
  const Value value = Value::map({{"list", Value::array({1})}});
  EXPECT_TRUE(value["no"]["such"]["place"].is_null());
  EXPECT_TRUE(value["list"][7].is_null());
  EXPECT_TRUE(value["list"]["key"].is_null());
  EXPECT_EQ(value.size(), 1u) << "looking makes nothing";
}

TEST(Value, is_read_as_a_type_where_nothing_is_lost) {
  const Value value = Value::map({{"whole", 3.0}, {"half", 3.5}, {"text", "7"}});
  EXPECT_EQ(value["whole"].as<int>().value(), 3);
  EXPECT_TRUE(value["half"].as<int>().is(Errc::schema_mismatch));
  EXPECT_TRUE(value["text"].as<int>().is(Errc::schema_mismatch));
  EXPECT_EQ(value["text"].as<std::string>().value(), "7");
  EXPECT_TRUE(value["none"].as<bool>().is(Errc::schema_mismatch));
}

TEST(Value, maps_are_equal_whatever_order_they_were_built_in) {
  Value a;
  a["x"] = 1;
  a["long"] = 2;
  Value b;
  b["long"] = 2;
  b["x"] = 1;
  EXPECT_EQ(a, b);
  EXPECT_EQ(a.members()[0].key, "x") << "shorter keys come first";
  b["x"] = 2;
  EXPECT_FALSE(a == b);
}

TEST(Value, remembers_float_and_double_and_calls_equal_numbers_equal) {
  EXPECT_EQ(Value(1.5f).kind(), Value::Kind::single);
  EXPECT_EQ(Value(1.5).kind(), Value::Kind::real);
  EXPECT_EQ(Value(1.5f), Value(1.5));
  EXPECT_FALSE(Value(0.1f) == Value(0.1));
  EXPECT_EQ(Value(std::nan("")), Value(std::nan("")));
  EXPECT_FALSE(Value(1) == Value(1.0)) << "an integer is no real";
}

TEST(Value, an_integer_has_one_form_whatever_type_it_came_from) {
  EXPECT_EQ(Value(5u), Value(5));
  EXPECT_EQ(Value(std::uint8_t{5}).kind(), Value::Kind::integer);
  const auto most = (std::numeric_limits<std::uint64_t>::max)();
  EXPECT_EQ(Value(most).kind(), Value::Kind::unsigned_integer);
  EXPECT_EQ(Value(most).as<std::uint64_t>().value(), most);
  EXPECT_TRUE(Value(most).as<std::int64_t>().is(Errc::schema_mismatch));
}

TEST(Value, a_key_given_twice_is_refused_where_it_comes_from_outside) {
  EXPECT_TRUE(Value::map_of({{"a", 1}, {"b", 2}, {"a", 3}}).is(Errc::corrupt));
  EXPECT_EQ(Value::map({{"a", 1}, {"a", 3}})["a"], Value(1));
}

TEST(Value, types_become_values_and_come_back) {
  Player player;
  player.coins = 5;
  player.scores = {1, 2};
  const auto value = to_value(player);
  ASSERT_TRUE(value);
  EXPECT_EQ(*value, Value::map({{"coins", 5},
                                {"name", "nobody"},
                                {"settings", Value::map({{"fov", 70.0}, {"invert", false}})},
                                {"scores", Value::array({1, 2})}}));
  const auto back = from_value<Player>(*value);
  ASSERT_TRUE(back);
  EXPECT_EQ(back->scores, player.scores);
  EXPECT_EQ(to_value(*back).value(), *value);
}

TEST(Value, is_a_member_like_any_other) {
  struct Holder {
    Value anything;
  };
  Holder holder{Value::map({{"deep", Value::array({1, "x"})}})};
  const auto value = to_value(holder);
  ASSERT_TRUE(value);
  EXPECT_EQ((*value)["anything"], holder.anything);
  EXPECT_EQ(from_value<Holder>(*value).value().anything, holder.anything);
}

TEST(ValueReader, stops_at_the_limit_of_depth) {
  Value deep = 1;
  for (int i = 0; i < 200; ++i)
    deep = Value(Value::Array{deep});
  ValueReader in(deep);
  Value copy;
  EXPECT_FALSE(persist::schema::read_value(in, copy));
  EXPECT_EQ(in.take_error().code(), Errc::too_large);
}

TEST(ValueReader, an_integer_below_64_bits_has_no_value) {
  struct Low : ValueReader {
    using ValueReader::ValueReader;
    bool integer(persist::schema::Integer& into) {
      into = {true, (std::numeric_limits<std::uint64_t>::max)()};
      return true;
    }
  };
  const Value any = 1;
  Low in(any);
  Value into;
  EXPECT_FALSE(persist::schema::read_value(in, into));
  EXPECT_EQ(in.take_error().code(), Errc::schema_mismatch);
}

TEST(ValueWriter, a_key_written_twice_is_an_error_that_stays) {
  ValueWriter out;
  out.begin_map(2);
  out.key("a");
  out.integer(1);
  out.key("a");
  out.integer(2);
  out.end_map();
  EXPECT_FALSE(out.ok());
  out.fail(Errc::invalid);
  EXPECT_EQ(out.take_error().code(), Errc::corrupt) << "the first error counts";
}

}  // namespace
