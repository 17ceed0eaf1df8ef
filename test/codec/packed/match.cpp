#include <persist/codec/packed/match.hpp>

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <codec/rich.hpp>

namespace {

using namespace persist;
using namespace persist::codec::packed;
using Rules = schema::detail::RulesOf<schema::NoPolicy>;

template <class T>
ByteView description() {
  constexpr auto& bytes = Description<Rules, T>::bytes;
  return as_bytes(std::string_view(bytes.data(), bytes.size()));
}
template <class Writer, class T>
bool matches() {
  const auto layout = LayoutParser(description<Writer>()).run();
  EXPECT_TRUE(layout) << layout.error();
  return is_described_by(*layout, layout->root, description<T>());
}
template <class A, class B>
void expect_apart() {
  EXPECT_FALSE((matches<A, B>()));
  EXPECT_FALSE((matches<B, A>()));
  EXPECT_TRUE((matches<A, A>()));
  EXPECT_TRUE((matches<B, B>()));
}

namespace then {
enum class Rank : std::uint8_t { novice, knight };
struct Item {
  std::uint32_t id = 0;
  std::uint16_t amount = 1;
};
struct Bag {
  Item a;
  Item b;
};
}  // namespace then
namespace now {
struct Left {
  std::uint32_t id = 0;
  std::uint16_t amount = 1;
};
struct Right {
  std::uint32_t id = 0;
  std::uint16_t amount = 1;
};
struct Bag {
  Left a;
  Right b;
};
}  // namespace now

TEST(PackedMatch, a_type_matches_what_it_says_of_itself) {
  EXPECT_TRUE((matches<test::Rich, test::Rich>()));
  EXPECT_TRUE((matches<test::Profile, test::Profile>()));
}

TEST(PackedMatch, any_difference_in_name_or_kind_tells_types_apart) {
  expect_apart<std::int32_t, std::uint32_t>();
  expect_apart<std::int32_t, std::int64_t>();
  expect_apart<float, double>();
  expect_apart<test::Rank, then::Rank>();
  expect_apart<test::Item, then::Item>();
  expect_apart<std::vector<int>, std::set<int>>();
  expect_apart<std::array<int, 2>, std::array<int, 3>>();
  expect_apart<std::pair<int, int>, std::tuple<int, int, int>>();
  expect_apart<std::map<std::string, int>, std::map<int, int>>();
  expect_apart<std::map<std::string, int>, std::map<std::pair<int, int>, int>>();
  expect_apart<std::chrono::milliseconds, std::chrono::seconds>();
  expect_apart<std::variant<test::Sword, test::Bow>, std::variant<test::Bow, test::Sword>>();
  expect_apart<std::optional<int>, int>();
}

TEST(PackedMatch, what_types_are_called_does_not_matter) {
  EXPECT_TRUE((matches<then::Item, now::Left>()));
  EXPECT_TRUE((matches<now::Bag, now::Bag>()));
  EXPECT_TRUE((matches<then::Bag, now::Bag>())) << "one type then is two now";
  // The other way round the bytes refer to the first of two: read by name, and not wrongly.
  EXPECT_FALSE((matches<now::Bag, then::Bag>()));
}

TEST(PackedMatch, a_part_of_a_type_is_compared_alone) {
  const auto layout = LayoutParser(description<test::Profile>()).run();
  ASSERT_TRUE(layout);
  const Layout::Node& root = layout->nodes[layout->root];
  int found = 0;
  for (std::size_t i = 0; i < root.count; ++i) {
    const auto id = layout->members[root.first + i].node;
    if (is_described_by(*layout, id, description<std::vector<test::Item>>())) ++found;
  }
  EXPECT_EQ(found, 1);
}

}  // namespace
