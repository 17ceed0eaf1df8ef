#include <persist/codec/packed/description.hpp>

#include <persist/bytes.hpp>
#include <persist/schema/attributes.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <gtest/gtest.h>

#include <codec/rich.hpp>
#include <support/hex.hpp>

namespace {

using namespace persist;
using codec::packed::Description;
using Rules = schema::detail::RulesOf<schema::NoPolicy>;

template <class T, class R = Rules>
std::string described() {
  constexpr auto& bytes = Description<R, T>::bytes;
  return test::to_hex(as_bytes(std::string_view(bytes.data(), bytes.size())));
}

struct Pair {
  std::int32_t a = 0;
  std::string b;
};
enum class Colour : std::int8_t { red = -1, blue = 3 };
struct Two {
  Pair first;
  Pair second;
};
struct Tree {
  std::vector<Tree> children;
};
struct Gold {};

// Each byte of these is on disk.
TEST(PackedDescription, a_struct_names_its_fields_and_their_kinds) {
  //             struct, 2 fields, "a" integer of 4 bytes with a sign, "b" text
  EXPECT_EQ(described<Pair>(),
            "10"
            "05"
            "0361"
            "0206"
            "0362"
            "05");
}

TEST(PackedDescription, each_kind_has_its_number) {
  EXPECT_EQ(described<bool>(), "01");
  EXPECT_EQ(described<std::uint64_t>(), "0203");
  EXPECT_EQ(described<std::byte>(), "0200");
  EXPECT_EQ(described<float>(), "0304");
  EXPECT_EQ(described<Colour>(),
            "0404"
            "05"
            "07"
            "726564"
            "03"
            "09"
            "626c7565"
            "0d");
  EXPECT_EQ(described<std::vector<std::byte>>(), "06");
  EXPECT_EQ(described<std::optional<bool>>(), "0701");
  EXPECT_EQ((described<std::variant<std::monostate, Gold>>()),
            "08"
            "05"
            "01"
            "13"
            "09"
            "476f6c64"
            "10"
            "01");
  EXPECT_EQ(described<std::vector<bool>>(), "0901");
  EXPECT_EQ((described<std::array<double, 3>>()),
            "0a07"
            "0308");
  EXPECT_EQ(described<std::set<bool>>(), "0b01");
  EXPECT_EQ((described<std::map<std::string, bool>>()),
            "0c01"
            "05"
            "01");
  EXPECT_EQ((described<std::map<std::pair<bool, bool>, bool>>()),
            "0c00"
            "0d050101"
            "01");
  EXPECT_EQ((described<std::multimap<bool, bool>>()),
            "0b"
            "0d050101")
      << "its keys are constants";
  EXPECT_EQ(described<std::chrono::milliseconds>(),
            "0e"
            "03"
            "a20f"
            "0207");
  EXPECT_EQ(described<Value>(), "11");
}

TEST(PackedDescription, a_struct_is_described_once) {
  EXPECT_EQ(described<Two>(),
            "10"
            "05"
            "0b"
            "6669727374" +
                described<Pair>() +
                "0d"
                "7365636f6e64"
                "4003");
  EXPECT_FALSE((Description<Rules, Two>::is_recursive));
}

TEST(PackedDescription, a_type_that_holds_itself_comes_to_an_end) {
  EXPECT_EQ(described<Tree>(),
            "10"
            "03"
            "11"
            "6368696c6472656e"
            "09"
            "4001");
  EXPECT_TRUE((Description<Rules, Tree>::is_recursive));
}

TEST(PackedDescription, says_what_the_policy_stores) {
  struct Policy {
    using fields = Fields<Renamed<&Pair::a, "z">, Transient<&Pair::b>>;
  };
  EXPECT_EQ((described<Pair, schema::detail::RulesOf<Policy>>()),
            "10"
            "03"
            "037a"
            "0206");
}

}  // namespace
