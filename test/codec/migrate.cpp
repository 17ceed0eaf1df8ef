#include <persist/codec/migrate.hpp>

#include <persist/codec/cbor.hpp>
#include <persist/codec/json.hpp>
#include <persist/codec/packed.hpp>
#include <persist/codec/record.hpp>
#include <persist/schema/policy.hpp>
#include <persist/schema/value.hpp>

#include <cstdint>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <codec/server.hpp>

#include <gtest/gtest.h>

namespace migrated_record {

using namespace persist;
using test::Server;

int steps_taken = 0;

struct Look {
  int hat = 0;
};
// Version 1: one sort of money. Version 2 has gems too, which older builds need not know. Version 3
// calls the money coins, which no older build can read. Version 4 adds a title.
struct One {
  int gold = 0;
  Look look;
  std::map<std::string, Look> worn;
};
struct Two {
  int gold = 0;
  Look look;
  std::map<std::string, Look> worn;
  int gems = 0;
};
struct Three {
  std::int64_t coins = 0;
  int gems = 0;
  Look look;
};
struct Player {
  std::int64_t coins = 0;
  int gems = 0;
  Look look;
  std::string title;
};
inline Two upgrade(One&& old) {
  ++steps_taken;
  return {old.gold, old.look, std::move(old.worn), 5};
}
inline Result<Three> upgrade(Two&& old) {
  ++steps_taken;
  if (old.gold < 0) return Error(Errc::invalid, "a debt").at("gold", "at least 0", "less");
  if (old.gold == 13) throw std::runtime_error("bad luck");
  return Three{std::int64_t{100} * old.gold, old.gems, old.look};
}
inline Player upgrade(Three&& old) {
  ++steps_taken;
  return {old.coins, old.gems, old.look, "squire"};
}

struct BuildOne {
  using data_type = One;
};
struct BuildTwo {
  using data_type = Two;
  using migrations = Migrations<One, Additive<Two>>;
};
struct BuildThree {
  using data_type = Three;
  using migrations = Migrations<One, Additive<Two>, Three>;
};
struct BuildFour {
  using data_type = Player;
  static constexpr std::uint32_t schema_version = 4;
  using migrations = Migrations<One, Additive<Two>, Three, Additive<Player>>;
};
struct DroppingFour : BuildFour {
  static constexpr bool drop_unknown = true;
};

/// A record of that schema version with these data.
template <class Codec>
Buffer record_of(const Value& data, codec::RecordVersion version) {
  Buffer out;
  UnknownFields none;
  EXPECT_TRUE((codec::encode_record<Codec, DataPolicy<Value>>(data, none, version, out)));
  return out;
}
struct Any {
  static constexpr std::uint32_t schema_version = 99;
};
template <class Codec>
Value data_of(ByteView record) {
  Value data;
  UnknownFields none;
  EXPECT_TRUE((codec::decode_record<Codec, Any>(record, data, none)));
  return data;
}

template <class Codec>
struct Migrated : testing::Test {};
using Codecs = testing::Types<codec::Packed, codec::Cbor, codec::Json>;
TYPED_TEST_SUITE(Migrated, Codecs);

TYPED_TEST(Migrated, a_record_of_the_oldest_version_becomes_the_newest_and_is_saved_as_that) {
  Server<TypeParam, BuildOne> old;
  old.data.gold = 7;
  old.data.look.hat = 3;
  Server<TypeParam, BuildFour> now;
  steps_taken = 0;
  ASSERT_TRUE(now.load(old.save()));
  EXPECT_EQ(steps_taken, 3);
  EXPECT_EQ(now.data.coins, 700);
  EXPECT_EQ(now.data.gems, 5);
  EXPECT_EQ(now.data.look.hat, 3);
  EXPECT_EQ(now.data.title, "squire");
  EXPECT_EQ(now.version, (codec::RecordVersion{4, 3}));
  Server<TypeParam, BuildFour> again;
  ASSERT_TRUE(again.load(now.save()));
  EXPECT_EQ(steps_taken, 3) << "it is of the newest version now";
  EXPECT_EQ(again.data.coins, 700);
}

TYPED_TEST(Migrated, no_step_runs_twice_when_builds_take_turns) {
  Server<TypeParam, BuildOne> one;
  Server<TypeParam, BuildTwo> two;
  Buffer record = one.save();
  steps_taken = 0;
  for (int round = 0; round < 20; ++round) {
    ASSERT_TRUE(one.load(record));
    ++one.data.gold;
    record = one.save();
    ASSERT_TRUE(two.load(record));
    EXPECT_EQ(two.data.gems, 5 + round) << "kept by the build that does not know it";
    ++two.data.gold;
    ++two.data.gems;
    record = two.save();
  }
  EXPECT_EQ(steps_taken, 1);
  EXPECT_EQ(two.data.gold, 40);
  Server<TypeParam, BuildThree> three;
  ASSERT_TRUE(three.load(record));
  EXPECT_EQ(steps_taken, 2);
  EXPECT_EQ(three.data.coins, 4000);
  EXPECT_EQ(three.data.gems, 25);
}

TYPED_TEST(Migrated, a_build_before_a_step_that_is_not_additive_refuses) {
  Server<TypeParam, BuildFour> four;
  const Buffer record = four.save();
  Server<TypeParam, BuildOne> one;
  Server<TypeParam, BuildTwo> two;
  Server<TypeParam, BuildThree> three;
  EXPECT_TRUE(one.load(record).is(Errc::too_new));
  EXPECT_TRUE(two.load(record).is(Errc::too_new));
  ASSERT_TRUE(three.load(record));
  EXPECT_EQ(three.version, (codec::RecordVersion{4, 3})) << "and keeps both numbers";
}

template <class Codec>
using Newest = Server<Codec, BuildFour>;

TEST(Migrate, a_step_that_fails_is_named_and_leaves_the_record) {
  const Buffer record = record_of<codec::Cbor>(Value::map({{"gold", -1}}), {2, 2});
  Newest<codec::Cbor> now;
  const auto done = now.load(record);
  ASSERT_TRUE(done.is(Errc::invalid));
  EXPECT_EQ(done.error().path(), "gold");
  EXPECT_EQ(done.error().detail(),
            "the migration from schema version 2 to 3 failed: a debt; the bytes were left as they "
            "are");
}

TEST(Migrate, a_step_that_throws_is_named_too) {
  const Buffer record = record_of<codec::Cbor>(Value::map({{"gold", 13}}), {1, 1});
  Newest<codec::Cbor> now;
  const auto done = now.load(record);
  ASSERT_TRUE(done.is(Errc::invalid));
  EXPECT_NE(done.error().detail().find("from schema version 2 to 3 failed: it threw: bad luck"),
            std::string_view::npos)
      << done.error();
}

TEST(Migrate, a_version_that_never_was_is_corrupt) {
  const Buffer record = record_of<codec::Cbor>(Value::map(), {0, 0});
  Newest<codec::Cbor> now;
  EXPECT_TRUE(now.load(record).is(Errc::corrupt));
}

TEST(Migrate, data_that_is_not_of_its_version_is_a_mismatch) {
  const Buffer record = record_of<codec::Cbor>(Value::map({{"gold", "much"}}), {1, 1});
  Newest<codec::Cbor> now;
  const auto done = now.load(record);
  ASSERT_TRUE(done.is(Errc::schema_mismatch));
  EXPECT_EQ(done.error().path(), "gold");
}

TEST(Migrate, what_an_old_version_did_not_know_is_kept_where_its_place_is_still_there) {
  const Value look = Value::map({{"hat", 2}, {"cape", "red"}});
  const Buffer record =
      record_of<codec::Cbor>(Value::map({{"gold", 1}, {"look", look}, {"guild", "owls"}}), {1, 1});
  Newest<codec::Cbor> now;
  ASSERT_TRUE(now.load(record));
  const Value saved = data_of<codec::Cbor>(now.save());
  EXPECT_EQ(saved["look"], look);
  EXPECT_EQ(saved["guild"], Value("owls"));
}

TEST(Migrate, what_has_lost_its_place_or_its_name_refuses_the_record) {
  const Value worn = Value::map({{"head", Value::map({{"hat", 1}, {"dye", 3}})}});
  Newest<codec::Cbor> now;
  const auto gone = now.load(record_of<codec::Cbor>(Value::map({{"worn", worn}}), {1, 1}));
  ASSERT_TRUE(gone.is(Errc::too_new));
  EXPECT_EQ(gone.error().path(), "worn.head.dye");
  const auto taken = now.load(record_of<codec::Cbor>(Value::map({{"coins", 9}}), {1, 1}));
  ASSERT_TRUE(taken.is(Errc::too_new)) << "a field of that name would be there twice";
  EXPECT_EQ(taken.error().path(), "coins");

  Server<codec::Cbor, DroppingFour> dropping;
  ASSERT_TRUE(dropping.load(record_of<codec::Cbor>(Value::map({{"coins", 9}}), {1, 1})));
  EXPECT_EQ(dropping.unknown.dropped(), std::vector<std::string>{"coins"});
  EXPECT_EQ(dropping.data.coins, 0);
  const Value two = Value::map(
      {{"head", Value::map({{"dye", 3}, {"gem", 1}})}, {"neck", Value::map({{"dye", 2}})}});
  ASSERT_TRUE(dropping.load(record_of<codec::Cbor>(Value::map({{"worn", two}}), {1, 1})));
  EXPECT_EQ(dropping.unknown.dropped(),
            (std::vector<std::string>{"worn.head.dye", "worn.head.gem", "worn.neck.dye"}));
}

// What types cannot say: all fields that begin with item_ become one list.
inline Result<Value> gather(Value&& old) {
  Value items = Value::array();
  for (const Value::Member& member : old.members())
    if (member.key.starts_with("item_")) items.push_back(member.value);
  if (items.size() == 0) return Error(Errc::invalid, "there is no item");
  return Value::map({{"items", items}, {"extra", 1}});
}
struct Gathered {
  std::vector<int> items;
};
struct Bag {
  std::vector<int> items;
  int size = 0;
};
inline Bag upgrade(Gathered&& old) {
  const int size = static_cast<int>(old.items.size());
  return {std::move(old.items), size};
}
struct BagSave {
  using data_type = Bag;
  using migrations = Migrations<Untyped<&gather>, Gathered, Bag>;
};

TYPED_TEST(Migrated, a_step_on_values_says_what_types_cannot) {
  Server<TypeParam, BagSave> now;
  const Value old = Value::map({{"item_a", 4}, {"item_b", 5}, {"junk", 0}});
  ASSERT_TRUE(now.load(record_of<TypeParam>(old, {1, 1})));
  EXPECT_EQ(now.data.items, (std::vector<int>{4, 5}));
  EXPECT_EQ(now.data.size, 2);
  EXPECT_EQ(data_of<TypeParam>(now.save())["extra"], Value(1)) << "what it adds is kept";
  const auto none = now.load(record_of<TypeParam>(Value::map(), {1, 1}));
  ASSERT_TRUE(none.is(Errc::invalid));
  EXPECT_NE(none.error().detail().find("version 1 to 2 failed: there is no item"),
            std::string_view::npos);
}

/// A typed version in front of a step on values: each may leave something that is not known.
struct Pouch {
  int item_a = 0;
};
inline Value upgrade(Pouch&& old) {
  return Value::map({{"item_a", old.item_a}});
}
struct PouchSave {
  using data_type = Bag;
  using migrations = Migrations<Pouch, Untyped<&gather>, Bag>;
};

TYPED_TEST(Migrated, what_a_version_before_a_step_on_values_did_not_know_is_kept_beside_its_own) {
  Server<TypeParam, PouchSave> now;
  const Value old = Value::map({{"item_a", 4}, {"guild", "owls"}});
  ASSERT_TRUE(now.load(record_of<TypeParam>(old, {1, 1})));
  const Value saved = data_of<TypeParam>(now.save());
  EXPECT_EQ(saved["guild"], Value("owls"));
  EXPECT_EQ(saved["extra"], Value(1));
  const Value same = Value::map({{"item_a", 4}, {"extra", "mine"}});
  EXPECT_TRUE(now.load(record_of<TypeParam>(same, {1, 1})).is(Errc::too_new))
      << "both are called extra, and neither may be lost";
}

/// What the last step on values left out comes from what the record is decoded into.
struct GatheredSave {
  using data_type = Bag;
  using migrations = Migrations<Untyped<&gather>, Bag>;
};

TEST(Migrate, what_the_last_step_on_values_left_out_is_the_templates) {
  const Buffer record = record_of<codec::Cbor>(Value::map({{"item_a", 4}}), {1, 1});
  Bag data{{9, 9}, 7};
  UnknownFields unknown;
  using Policy = DataPolicy<GatheredSave>;
  ASSERT_TRUE((codec::decode_record<codec::Cbor, Policy>(record, data, unknown)));
  EXPECT_EQ(data.items, std::vector<int>{4});
  EXPECT_EQ(data.size, 7);
}

}  // namespace migrated_record
