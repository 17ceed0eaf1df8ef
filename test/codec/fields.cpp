// Attributes that change what is written, in each codec.

#include <persist/codec/cbor.hpp>
#include <persist/codec/json.hpp>
#include <persist/codec/packed.hpp>
#include <persist/schema/policy.hpp>
#include <persist/schema/value.hpp>

#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace renamed {

using namespace persist;

// Three builds, while a member is given another name.
struct Look {
  int hat = 0;
  std::map<std::string, int> dyes;
};
struct Before {
  int gold = 1;
  Look look;
};
struct Between {
  int level = 1;
  int coins = 1;
  Look style;
};
struct After {
  int coins = 1;
  Look style;
};
struct Old {
  using data_type = Before;
};
struct Rolling {
  using data_type = Between;
  using fields = Fields<AlsoWrites<&Between::coins, "gold">, AlsoWrites<&Between::style, "look">>;
};
struct New {
  using data_type = After;
  using fields = Fields<Formerly<&After::coins, "gold">, Formerly<&After::style, "look">>;
};

template <class Codec, class Build>
struct Server {
  data_type_of<Build> data;
  UnknownFields unknown;

  Result<void> load(ByteView record) {
    data = data_type_of<Build>{};
    return Codec::template decode<DataPolicy<Build>>(record, data, unknown);
  }
  Buffer save() {
    Buffer out;
    const auto done = Codec::template encode<DataPolicy<Build>>(data, unknown, out);
    EXPECT_TRUE(done) << done.error();
    return out;
  }
};
template <class Codec>
Value seen(ByteView record) {
  Server<Codec, Value> any;
  EXPECT_TRUE(any.load(record));
  return any.data;
}

template <class Codec>
struct FieldsIn : testing::Test {};
using Codecs = testing::Types<codec::Packed, codec::Cbor, codec::Json>;
TYPED_TEST_SUITE(FieldsIn, Codecs);

TYPED_TEST(FieldsIn, a_member_with_an_old_name_is_written_under_both) {
  Server<TypeParam, Rolling> rolling;
  rolling.data.coins = 7;
  rolling.data.style = {3, {{"red", 1}}};
  const Buffer record = rolling.save();
  const Value value = seen<TypeParam>(record);
  EXPECT_EQ(value["coins"], Value(7));
  EXPECT_EQ(value["gold"], Value(7));
  EXPECT_EQ(value["look"], value["style"]);
  Server<TypeParam, Rolling> again;
  ASSERT_TRUE(again.load(record));
  EXPECT_EQ(again.data.coins, 7);
  EXPECT_EQ(again.data.style.dyes.at("red"), 1);
  EXPECT_TRUE(again.unknown.empty()) << "no name is unknown";
}

TYPED_TEST(FieldsIn, a_rename_rolls_through_builds_that_take_turns) {
  Server<TypeParam, Old> old;
  Server<TypeParam, Rolling> rolling;
  old.data.gold = 0;
  Buffer record = old.save();
  for (int round = 0; round < 10; ++round) {
    ASSERT_TRUE(rolling.load(record));
    rolling.data.coins += 1;
    rolling.data.style.dyes["r" + std::to_string(round)] = round;
    record = rolling.save();
    ASSERT_TRUE(old.load(record));
    old.data.gold += 10;
    old.data.look.hat += 1;
    old.data.look.dyes.erase("r" + std::to_string(round - 1));
    record = old.save();
  }
  ASSERT_TRUE(rolling.load(record));
  EXPECT_EQ(rolling.data.coins, 110) << "nothing that either wrote is lost";
  EXPECT_EQ(rolling.data.style.hat, 10);
  EXPECT_EQ(rolling.data.style.dyes, (std::map<std::string, int>{{"r9", 9}}));
  record = rolling.save();

  Server<TypeParam, New> now;
  for (int round = 0; round < 10; ++round) {
    ASSERT_TRUE(now.load(record));
    now.data.coins += 100;
    record = now.save();
    EXPECT_TRUE(seen<TypeParam>(record)["gold"].is_null()) << "it is written no more";
    ASSERT_TRUE(rolling.load(record));
    rolling.data.coins += 1;
    record = rolling.save();
  }
  ASSERT_TRUE(now.load(record));
  EXPECT_EQ(now.data.coins, 1120);
  EXPECT_EQ(now.data.style.hat, 10);
}

TYPED_TEST(FieldsIn, a_record_from_before_the_rename_is_read_after_it) {
  Server<TypeParam, Old> old;
  old.data = {5, {2, {}}};
  Server<TypeParam, New> now;
  ASSERT_TRUE(now.load(old.save()));
  EXPECT_EQ(now.data.coins, 5);
  EXPECT_EQ(now.data.style.hat, 2);
  EXPECT_TRUE(now.unknown.empty());
}

TYPED_TEST(FieldsIn, what_is_unknown_below_a_member_with_two_names_is_kept_in_both) {
  const Value look = Value::map({{"hat", 1}, {"dyes", Value::map()}, {"cape", "red"}});
  Server<TypeParam, Value> any;
  any.data = Value::map({{"look", look}, {"style", look}});
  Server<TypeParam, Rolling> rolling;
  const auto done = rolling.load(any.save());
  ASSERT_TRUE(done) << done.error();
  rolling.data.style.hat = 2;
  const Value value = seen<TypeParam>(rolling.save());
  EXPECT_EQ(value["look"]["cape"], Value("red"));
  EXPECT_EQ(value["style"]["cape"], Value("red"));
  EXPECT_EQ(value["style"]["hat"], Value(2));
}

TEST(Fields, what_comes_later_under_the_name_that_counts_replaces_all_that_came_before) {
  Server<codec::Json, Rolling> rolling;
  const auto done = rolling.load(
      as_bytes(R"({"style": {"hat": 5, "cape": 1}, "look": {"cape": 2}, "coins": 3, "gold": 4})"));
  ASSERT_TRUE(done) << done.error();
  EXPECT_EQ(rolling.data.style.hat, 0) << "the default, and not what came first";
  EXPECT_EQ(rolling.data.coins, 4);
  EXPECT_EQ(seen<codec::Json>(rolling.save())["look"]["cape"], Value(2));
  EXPECT_TRUE(rolling.load(as_bytes(R"({"gold": 4, "coins": 1, "gold": 4})")).is(Errc::corrupt));
}

struct Strict : Rolling {
  using reconcile = persist::reconcile::Strict;
};

TYPED_TEST(FieldsIn, a_member_is_not_missing_that_is_there_under_its_old_name) {
  const Value look = Value::map({{"hat", 1}, {"dyes", Value::map()}});
  Server<TypeParam, Value> any;
  any.data = Value::map({{"look", look}, {"gold", 4}, {"level", 2}});
  Server<TypeParam, Strict> strict;
  const auto done = strict.load(any.save());
  ASSERT_TRUE(done) << done.error();
  EXPECT_EQ(strict.data.coins, 4);
  any.data.erase("gold");
  EXPECT_TRUE(strict.load(any.save()).is(Errc::schema_mismatch));
}

// An additive step may rename, if it also writes the old name.
struct NamedOld {
  int gold = 0;
};
struct NamedNew {
  int coins = 0;
  int gems = 0;
};
inline NamedNew upgrade(NamedOld&& old) {
  return {old.gold, 0};
}
struct Stepping {
  using data_type = NamedNew;
  using fields = Fields<AlsoWrites<&NamedNew::coins, "gold">>;
  using migrations = Migrations<NamedOld, Additive<NamedNew>>;
};
static_assert(DataPolicy<Stepping>::schema_version == 2);

// Numbers that are rounded.
struct Spot {
  double x = 0;
  std::vector<float> path;
  int steps = 0;
};
struct Rounded {
  using data_type = Spot;
  using fields = Fields<Quantised<&Spot::x, 0.01>, Quantised<&Spot::path, 0.5>,
                        Quantised<&Spot::steps, 10>, AlsoWrites<&Spot::x, "px">>;
};

TYPED_TEST(FieldsIn, a_quantised_member_is_rounded_when_it_is_written_and_only_there) {
  Server<TypeParam, Rounded> server;
  server.data = {0.123456, {0.3F, 0.9F}, 27};
  const Value value = seen<TypeParam>(server.save());
  EXPECT_EQ(value["x"], Value(0.12));
  EXPECT_EQ(value["px"], Value(0.12));
  EXPECT_EQ(value["path"], Value::array({0.5, 1.0}));
  EXPECT_EQ(value["steps"], Value(30));
  EXPECT_EQ(server.data.x, 0.123456) << "the game's own is left alone";
}

}  // namespace renamed
