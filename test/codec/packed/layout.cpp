#include <persist/codec/packed/layout.hpp>

#include <cstddef>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

#include <codec/rich.hpp>
#include <support/hex.hpp>

namespace {

using namespace persist;
using codec::packed::Description;
using codec::packed::Layout;
using codec::packed::LayoutParser;
using schema::Kind;
using Rules = schema::detail::RulesOf<schema::NoPolicy>;

template <class T>
ByteView description() {
  constexpr auto& bytes = Description<Rules, T>::bytes;
  return as_bytes(std::string_view(bytes.data(), bytes.size()));
}
Result<Layout> parsed(std::string_view hex) {
  const Buffer bytes = test::from_hex(hex);
  auto layout = LayoutParser(bytes).run();
  // Names refer to the bytes, which end here; only shapes are looked at.
  return layout;
}
std::string repeated(std::string_view part, std::size_t times) {
  std::string all;
  for (std::size_t i = 0; i < times; ++i)
    all += part;
  return all;
}

TEST(PackedLayout, holds_what_a_type_says_of_itself) {
  const auto layout = LayoutParser(description<test::Item>()).run();
  ASSERT_TRUE(layout) << layout.error();
  const Layout::Node& root = layout->nodes[layout->root];
  ASSERT_EQ(root.kind, Kind::structure);
  ASSERT_EQ(root.count, 2);
  EXPECT_EQ(layout->name(layout->members[root.first]), "id");
  EXPECT_EQ(layout->name(layout->members[root.first + 1u]), "count");
  const auto& count = layout->nodes[layout->members[root.first + 1u].node];
  EXPECT_EQ(count.kind, Kind::integer);
  EXPECT_EQ(count.code, 1) << "two bytes without a sign";
}

TEST(PackedLayout, a_map_without_texts_as_keys_is_a_sequence_of_pairs) {
  const auto layout = parsed("0c00 0101");
  ASSERT_TRUE(layout) << layout.error();
  const Layout::Node& root = layout->nodes[layout->root];
  EXPECT_EQ(root.kind, Kind::sequence);
  EXPECT_EQ(layout->nodes[root.first].kind, Kind::tuple);
}

TEST(PackedLayout, knows_what_takes_no_bytes) {
  const auto is_empty = [](std::string_view hex) {
    const auto layout = parsed(hex);
    EXPECT_TRUE(layout) << hex << layout.error();
    return layout && layout->nodes[layout->root].is_empty;
  };
  EXPECT_TRUE(is_empty("13"));
  EXPECT_TRUE(is_empty("1001")) << "a struct of no fields";
  EXPECT_TRUE(is_empty("1003 0361 13")) << "or of one that takes none";
  EXPECT_TRUE(is_empty("0a01 01")) << "an array of none";
  EXPECT_TRUE(is_empty("0d05 1313"));
  EXPECT_FALSE(is_empty("1003 0361 01"));
  EXPECT_FALSE(is_empty("0913")) << "a sequence has its count";
  EXPECT_FALSE(is_empty("0a03 13")) << "elements are padded";
}

TEST(PackedLayout, every_prefix_and_every_flipped_byte_is_an_answer) {
  const ByteView good = description<test::Rich>();
  ASSERT_TRUE(LayoutParser(good).run());
  for (std::size_t size = 0; size < good.size(); ++size)
    ASSERT_TRUE(LayoutParser(good.first(size)).run().is(Errc::corrupt)) << size;
  Buffer bytes(good);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    for (const unsigned mask : {1U, 2U, 4U, 8U, 16U, 32U, 64U, 128U, 255U}) {
      bytes.data()[i] = good[i] ^ static_cast<std::byte>(mask);
      const auto answer = LayoutParser(bytes).run();
      ASSERT_TRUE(answer || answer.is(Errc::corrupt)) << i << ' ' << mask;
    }
    bytes.data()[i] = good[i];
  }
}

TEST(PackedLayout, what_no_type_could_say_is_corrupt) {
  for (const std::string_view hex : {
           "",                          // nothing
           "00",                        // what cannot be stored
           "12",                        // what is stored as another kind
           "7f",                        // no kind
           "4001",                      // a struct that was not described
           "10 03 0361 4003",           // or is not yet
           "0208",                      // an integer of no size
           "0305",                      // a real of three bytes
           "0c02 0101",                 // a map of a third sort
           "0c01 01 01",                // whose keys are booleans and said to have a text
           "10 03 ff",                  // a name of 127 bytes
           "10 03 03ff 01",             // a name that is no UTF-8
           "10 fd",                     // 126 fields
           "01 01",                     // two types
           "0a 00ffffffffffffffff 01",  // an array of more than there can be
       })
    EXPECT_TRUE(parsed(hex).is(Errc::corrupt)) << hex;
}

TEST(PackedLayout, what_nests_too_deep_is_corrupt) {
  EXPECT_TRUE(parsed(repeated("07", 127) + "01"));
  EXPECT_TRUE(parsed(repeated("07", 128) + "01").is(Errc::corrupt));
  EXPECT_TRUE(parsed(repeated("07", 60'000)).is(Errc::corrupt));
}

TEST(PackedLayout, more_than_64_KiB_are_too_large) {
  EXPECT_TRUE(
      LayoutParser(Buffer(as_bytes(std::string(65'537, '\x09')))).run().is(Errc::too_large));
}

TEST(PackedLayout, parts_inside_each_other_do_not_promise_the_same_bytes) {
  const std::string tuple = "0d 047102";  // of 20,000 elements
  EXPECT_TRUE(parsed(tuple + repeated("01", 20'000)));
  EXPECT_TRUE(parsed(repeated(tuple, 100) + repeated("01", 40'000)).is(Errc::too_large));
}

TEST(PackedLayout, more_parts_than_any_type_has_are_too_large) {
  EXPECT_TRUE(parsed("0d 11" + repeated(repeated("07", 100) + "01", 8)));
  EXPECT_TRUE(parsed("0d 2206" + repeated(repeated("07", 100) + "01", 392)).is(Errc::too_large))
      << "a node for each byte";
}

TEST(PackedLayout, what_has_nothing_inside_is_one_node) {
  const auto layout = parsed("0d 0d 01 01 0207 0207 0304 0304");
  ASSERT_TRUE(layout) << layout.error();
  EXPECT_EQ(layout->nodes.size(), 4u) << "the tuple, and three of its six elements";
}

TEST(PackedLayout, enumerators_in_another_order_than_that_of_their_values_are_corrupt) {
  EXPECT_TRUE(parsed("04 04 05 0361 03 0362 05"));
  EXPECT_TRUE(parsed("04 04 05 0361 05 0362 03").is(Errc::corrupt));
  EXPECT_TRUE(parsed("04 04 05 0361 03 0362 03").is(Errc::corrupt)) << "two names of one value";
}

TEST(PackedLayout, an_enumerator_is_found_by_its_value) {
  const Buffer bytes = test::from_hex("04 04 05 0361 03 0362 0d");  // a = -1, b = 3
  const auto layout = LayoutParser(bytes).run();
  ASSERT_TRUE(layout) << layout.error();
  const Layout::Node& root = layout->nodes[layout->root];
  EXPECT_EQ(layout->enumerator(root, {true, 0}), "a");
  EXPECT_EQ(layout->enumerator(root, {false, 3}), "b");
  EXPECT_EQ(layout->enumerator(root, {false, 0}), "");
  EXPECT_EQ(layout->enumerator(root, {true, 3}), "");
}

}  // namespace
