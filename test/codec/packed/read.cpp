#include <persist/codec/packed/read.hpp>

#include <persist/codec/packed/write.hpp>
#include <persist/schema/value.hpp>

#include <array>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include <gtest/gtest.h>

#include <codec/rich.hpp>
#include <support/hex.hpp>

namespace {

using namespace persist;
using Rules = schema::detail::RulesOf<schema::NoPolicy>;
using Policed = schema::detail::RulesOf<test::RichPolicy>;

template <class T>
Result<void> read(std::string_view hex, T& into) {
  return codec::packed::Reading<Rules, false>(test::from_hex(hex), {}).run(into);
}
template <class T>
Errc code_of(std::string_view hex) {
  T into{};
  const auto done = read(hex, into);
  return done ? Errc{} : done.error().code();
}
struct Empty {
  friend bool operator==(Empty, Empty) = default;
  friend bool operator<(Empty, Empty) { return false; }
};
struct Tree {
  std::vector<Tree> children;
};
struct Defaults {
  std::vector<int> list{1, 2, 3};
  std::map<std::string, int> map{{"a", 1}};
  std::optional<int> maybe = 7;
  Unknown rest;
};

Buffer rich_bytes() {
  const auto rich = schema::from_value<test::Rich, test::RichPolicy>(test::rich_value());
  EXPECT_TRUE(rich) << rich.error();
  Buffer out;
  EXPECT_TRUE((codec::packed::Writing<Policed, false>(out).run(*rich)));
  return out;
}

TEST(PackedRead, every_prefix_is_corrupt_and_so_is_a_byte_too_many) {
  Buffer bytes = rich_bytes();
  test::Rich whole;
  ASSERT_TRUE((codec::packed::Reading<Policed, false>(bytes, {}).run(whole)));
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    test::Rich scratch;
    const auto done =
        codec::packed::Reading<Policed, false>(bytes.view().first(size), {}).run(scratch);
    ASSERT_TRUE(done.is(Errc::corrupt)) << size;
  }
  bytes.push(std::byte{1});
  EXPECT_TRUE((codec::packed::Reading<Policed, false>(bytes, {}).run(whole).is(Errc::corrupt)));
}

TEST(PackedRead, what_a_writer_would_not_write_is_corrupt) {
  EXPECT_EQ(code_of<bool>("02"), Errc::corrupt);
  EXPECT_EQ(code_of<std::optional<bool>>("02"), Errc::corrupt);
  EXPECT_EQ(code_of<std::uint16_t>("04 00 20"), Errc::corrupt) << "65,536";
  EXPECT_EQ(code_of<std::string>("03 ff"), Errc::corrupt) << "no UTF-8";
  EXPECT_EQ(code_of<std::string>("09 61"), Errc::corrupt) << "longer than what is left";
  EXPECT_EQ((code_of<std::array<std::byte, 2>>("03 00")), Errc::corrupt);
  EXPECT_EQ((code_of<std::variant<test::Sword, test::Bow>>("05 01")), Errc::corrupt);
  EXPECT_EQ(code_of<std::set<int>>("05 05 05"), Errc::corrupt) << "the same element twice";
  EXPECT_EQ((code_of<std::map<std::string, int>>("05 0361 03 0361 03")), Errc::corrupt);
  EXPECT_EQ(code_of<Value>("03 ff"), Errc::corrupt);
  EXPECT_EQ(code_of<Value>("05 01 01"), Errc::corrupt) << "two items";
  EXPECT_EQ(code_of<std::vector<Empty>>("07 0000"), Errc::corrupt);
}

TEST(PackedRead, a_failure_says_where) {
  std::pair<int, bool> into;
  const auto done = read("05 02", into);
  EXPECT_NE(done.error().message().find("byte 1"), std::string::npos) << done.error();
}

TEST(PackedRead, what_was_there_is_replaced) {
  Defaults it;
  it.rest.node() = std::make_unique<schema::KeptNode>();
  it.rest.node()->fields["x"].value = Value(1);
  ASSERT_TRUE(read("03 05 01 00", it));
  EXPECT_EQ(it.list, std::vector<int>{1});
  EXPECT_TRUE(it.map.empty());
  EXPECT_FALSE(it.maybe);
  EXPECT_TRUE(it.rest.empty());
}

TEST(PackedRead, nests_no_deeper_than_the_limit) {
  std::string deep;
  for (int i = 0; i < 100'000; ++i)
    deep += "03";
  const Buffer bytes = test::from_hex(deep);
  Tree tree;
  EXPECT_TRUE((codec::packed::Reading<Rules, true>(bytes, {}).run(tree).is(Errc::too_large)));
}

TEST(PackedRead, keys_that_were_chosen_to_collide_are_refused) {
  using Map = std::unordered_map<std::uint64_t, bool>;
  const auto bytes_of = [](std::size_t count) {
    Map flood;
    flood.reserve(count);
    const std::size_t buckets = flood.bucket_count();
    for (std::uint64_t i = 0; i < count; ++i)
      flood[i * buckets] = true;
    Buffer bytes;
    EXPECT_TRUE((codec::packed::Writing<Rules, false>(bytes).run(flood)));
    return bytes;
  };
  Map into;
  // The first 64 of a bucket are in good company.
  constexpr std::size_t too_many = schema::detail::most_crowded_keys + 65;
  EXPECT_TRUE((codec::packed::Reading<Rules, false>(bytes_of(too_many - 1), {}).run(into)));
  const auto done = codec::packed::Reading<Rules, false>(bytes_of(too_many), {}).run(into);
  EXPECT_TRUE(done.is(Errc::too_large)) << done.error();
}

}  // namespace
