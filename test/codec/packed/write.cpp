#include <persist/codec/packed/write.hpp>

#include <persist/codec/packed/read.hpp>

#include <array>
#include <chrono>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <variant>
#include <vector>

#include <gtest/gtest.h>

#include <codec/profile.hpp>
#include <support/hex.hpp>

namespace {

using namespace persist;
using Rules = schema::detail::RulesOf<schema::NoPolicy>;

template <class T>
std::string written(const T& from) {
  Buffer out;
  const auto done = codec::packed::Writing<Rules, false>(out).run(from);
  EXPECT_TRUE(done) << done.error();
  return test::to_hex(out);
}

struct Empty {};
struct Tree {
  std::vector<Tree> children;
};
struct Holder {
  int x = 0;
  Unknown rest;
};

// Each byte of these is on disk.
TEST(PackedWrite, each_kind_has_its_form) {
  EXPECT_EQ(written(true), "01");
  EXPECT_EQ(written(std::int8_t{-1}), "ff") << "one byte is itself";
  EXPECT_EQ(written(std::uint16_t{63}), "7f");
  EXPECT_EQ(written(-1), "03");
  EXPECT_EQ(written(1.0f), "0000803f");
  EXPECT_EQ(written(1.0), "000000000000f03f");
  EXPECT_EQ(written(test::Rank::king), "02");
  EXPECT_EQ(written(std::string("ab")), "056162");
  EXPECT_EQ(written(std::vector<std::byte>{std::byte{7}}), "0307");
  EXPECT_EQ(written(std::optional<int>()), "00");
  EXPECT_EQ(written(std::optional<int>(1)), "0105");
  EXPECT_EQ(written(std::variant<test::Sword, test::Bow>(test::Bow{1})), "0305");
  EXPECT_EQ(written(std::vector<int>{1, -1}), "050503");
  EXPECT_EQ(written(std::vector<float>{1, 0}), "050000803f00000000");
  EXPECT_EQ(written(std::vector<std::uint8_t>{1, 255}), "0501ff");
  EXPECT_EQ(written(std::array<int, 2>{1, -1}), "0503") << "its length is its type's";
  EXPECT_EQ(written(std::map<std::string, int>{{"a", 1}}), "03036105");
  EXPECT_EQ(written(std::tuple<int, bool>(1, true)), "0501");
  EXPECT_EQ(written(std::chrono::seconds(1)), "05");
  EXPECT_EQ(written(test::Item{1, 2}), "0305") << "names were said before";
  EXPECT_EQ(written(Value(1)), "0301") << "a value is a CBOR item with its length";
  EXPECT_EQ(written(std::vector<Empty>(2)), "050000") << "no element is free";
  EXPECT_EQ(written(std::monostate()), "");
}

TEST(PackedWrite, equal_data_is_equal_bytes_whatever_the_hashes) {
  std::unordered_map<int, int> one, two;
  std::unordered_set<std::string> words, again;
  two.reserve(1000), again.reserve(1000);
  for (int i = 0; i < 50; ++i) {
    one[i] = two[49 - i] = 0;
    words.insert(std::to_string(i)), again.insert(std::to_string(49 - i));
  }
  EXPECT_EQ(written(one), written(two));
  EXPECT_EQ(written(words), written(again));
}

TEST(PackedWrite, what_a_record_cannot_hold_is_refused) {
  Buffer out;
  const auto text = codec::packed::Writing<Rules, false>(out).run(std::string("a\xff"));
  EXPECT_TRUE(text.is(Errc::invalid));
  EXPECT_NE(text.error().message().find("byte 1"), std::string::npos) << text.error();
  const Value value(std::string("\xff"));
  EXPECT_TRUE((codec::packed::Writing<Rules, false>(out).run(value).is(Errc::invalid)));
}

TEST(PackedWrite, what_no_reader_would_follow_is_too_large) {
  const auto nested = [](int levels) {
    Tree tree;
    for (int i = 0; i < levels; ++i) {
      Tree outer;
      outer.children.push_back(std::move(tree));
      tree = std::move(outer);
    }
    return tree;
  };
  Buffer out;
  // A tree is a struct and its list.
  EXPECT_TRUE((codec::packed::Writing<Rules, true>(out).run(nested(63))));
  EXPECT_TRUE((codec::packed::Writing<Rules, true>(out).run(nested(64)).is(Errc::too_large)));
}

TEST(PackedWrite, says_that_it_met_unknown_fields) {
  Buffer out;
  codec::packed::Writing<Rules, false> plain(out);
  EXPECT_TRUE(plain.run(Holder{}));
  EXPECT_FALSE(plain.met_unknown());
  Holder holder;
  holder.rest.node() = std::make_unique<schema::KeptNode>();
  holder.rest.node()->fields["gems"].value = Value(1);
  codec::packed::Writing<Rules, false> writing(out);
  EXPECT_TRUE(writing.run(std::vector<Holder>{holder}));
  EXPECT_TRUE(writing.met_unknown());
}

TEST(PackedWrite, appends_behind_what_is_there) {
  Buffer out(as_bytes("abc"));
  ASSERT_TRUE((codec::packed::Writing<Rules, false>(out).run(std::string(1000, 'x'))));
  EXPECT_EQ(as_text(out.view().first(3)), "abc");
  EXPECT_EQ(out.size(), 3u + 2 + 1000);
}

}  // namespace
