#include <persist/codec/packed/reader.hpp>

#include <persist/codec/packed.hpp>
#include <persist/schema/value.hpp>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <support/hex.hpp>

namespace {

using namespace persist;
using codec::packed::Layout;
using codec::packed::LayoutParser;
using schema::Direct;
using Rules = schema::detail::RulesOf<schema::NoPolicy>;

namespace then {
struct Item {
  std::uint32_t id = 0;
  std::string name;
};
struct Save {
  std::int64_t coins = 0;
  std::vector<Item> bag;
  std::pair<Item, Item> hands;
};
struct Tree {
  int leaves = 0;
  std::vector<Tree> children;
};
}  // namespace then
namespace now {
/// A field more, in another order.
struct Item {
  std::string name;
  int level = 7;
  std::uint32_t id = 0;
};
/// As many fields, of which one is another.
struct Thing {
  std::uint32_t id = 0;
  std::optional<std::string> name;
};
struct Save {
  std::vector<Item> bag;
  std::pair<Item, Thing> hands;
  std::int64_t coins = 0;
};
struct Tree {
  std::int64_t leaves = 0;
  std::vector<Tree> children;
};
}  // namespace now

/// What reading one item of `Written` into a T comes to.
template <class T, class Written>
Direct offered(const Written& from, T& into) {
  Buffer bytes;
  EXPECT_TRUE((codec::packed::Writing<Rules, false>(bytes).run(from)));
  constexpr auto& description = codec::packed::Description<Rules, Written>::bytes;
  const auto layout = LayoutParser(as_bytes({description.data(), description.size()})).run();
  EXPECT_TRUE(layout) << layout.error();
  codec::packed::Reader<Rules> reader(*layout, bytes, {});
  const Direct offer = reader.direct(into);
  EXPECT_TRUE(offer != Direct::done || reader.finish());
  return offer;
}

TEST(PackedReader, what_has_the_shape_it_had_is_read_at_once) {
  then::Item item;
  EXPECT_EQ(offered(then::Item{7, "hat"}, item), Direct::done);
  EXPECT_EQ(item.name, "hat");
  std::int64_t number = 0;
  EXPECT_EQ(offered(std::int64_t{5}, number), Direct::done);
  EXPECT_EQ(number, 5);
}

TEST(PackedReader, a_struct_with_more_fields_in_another_order_is_read_at_once) {
  now::Item item;
  EXPECT_EQ(offered(then::Item{7, "hat"}, item), Direct::done);
  EXPECT_EQ(item.id, 7u);
  EXPECT_EQ(item.name, "hat");
  EXPECT_EQ(item.level, 7) << "its default";
}

TEST(PackedReader, all_else_is_left_to_the_walk_by_name) {
  now::Thing thing;
  EXPECT_EQ(offered(then::Item{7, "hat"}, thing), Direct::no) << "one field has another type";
  then::Item item;
  EXPECT_EQ(offered(now::Item{}, item), Direct::no) << "a field has no member";
  std::int64_t wide = 0;
  EXPECT_EQ(offered(std::int32_t{5}, wide), Direct::no);
  std::vector<now::Item> items;
  EXPECT_EQ(offered(std::vector<then::Item>{{7, "hat"}}, items), Direct::no)
      << "its elements are another matter";
  Value value;
  EXPECT_EQ(offered(then::Item{}, value), Direct::no);
}

TEST(PackedReader, one_field_that_was_written_twice_is_left_to_the_walk_that_refuses_it) {
  const Buffer description = test::from_hex("10 05 05 6964 0202 05 6964 0202");
  const auto layout = LayoutParser(description).run();
  ASSERT_TRUE(layout) << layout.error();
  const Buffer bytes = test::from_hex("03 05");
  codec::packed::Reader<Rules> reader(*layout, bytes, {});
  then::Item item;
  EXPECT_EQ(reader.direct(item), Direct::no);
  UnknownFields unknown;
  const auto read = schema::read<schema::NoPolicy>(reader, item, unknown);
  EXPECT_TRUE(read.is(Errc::corrupt)) << read.error();
}

TEST(PackedReader, a_failure_inside_is_the_readers) {
  const Buffer description = test::from_hex("05");
  const auto layout = LayoutParser(description).run();
  ASSERT_TRUE(layout);
  const Buffer bytes = test::from_hex("09 61");
  codec::packed::Reader<Rules> reader(*layout, bytes, {});
  std::string text;
  EXPECT_EQ(reader.direct(text), Direct::failed);
  EXPECT_FALSE(reader.ok());
  EXPECT_EQ(reader.take_error(), Errc::corrupt);
}

// One node may be asked about by types in turn, element by element.
TEST(PackedReader, several_types_are_read_where_one_was_written) {
  then::Save old;
  old.coins = 3;
  old.bag = {{1, "a"}, {2, "b"}};
  old.hands = {{3, "c"}, {4, "d"}};
  Buffer bytes;
  ASSERT_TRUE(codec::Packed::encode<schema::NoPolicy>(old, bytes));
  now::Save save;
  UnknownFields unknown;
  const auto read = codec::Packed::decode<schema::NoPolicy>(bytes, save, unknown);
  ASSERT_TRUE(read) << read.error();
  EXPECT_EQ(save.coins, 3);
  EXPECT_EQ(save.bag[1].name, "b");
  EXPECT_EQ(save.bag[1].level, 7);
  EXPECT_EQ(save.hands.first.id, 3u);
  EXPECT_EQ(save.hands.second.name, "d");
}

// Whether a tree is as it was depends on its children, which are trees.
TEST(PackedReader, a_type_that_holds_itself_and_changed_is_read_by_name_all_the_way) {
  const then::Tree old{1, {{2, {}}, {3, {{-4, {}}}}}};
  Buffer bytes;
  ASSERT_TRUE(codec::Packed::encode<schema::NoPolicy>(old, bytes));
  now::Tree tree;
  UnknownFields unknown;
  const auto read = codec::Packed::decode<schema::NoPolicy>(bytes, tree, unknown);
  ASSERT_TRUE(read) << read.error();
  EXPECT_EQ(tree.children.at(1).children.at(0).leaves, -4);
}

struct Forest {
  then::Tree oak;
};
struct NewerForest {
  int birds = 0;
  then::Tree oak;
};

TEST(PackedReader, depth_is_watched_below_a_type_that_changed) {
  Buffer bytes;
  ASSERT_TRUE(codec::Packed::encode<schema::NoPolicy>(Forest{}, bytes));
  bytes.shrink(bytes.size() - 2);  // the description is left
  for (int level = 0; level < 100'000; ++level)
    bytes.append(test::from_hex("01 03"));  // no leaves, one child
  NewerForest forest;
  UnknownFields unknown;
  const auto read = codec::Packed::decode<schema::NoPolicy>(bytes, forest, unknown);
  EXPECT_TRUE(read.is(Errc::too_large)) << read.error();
}

}  // namespace
