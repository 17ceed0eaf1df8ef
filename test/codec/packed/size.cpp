// builds: single nohana no-exceptions
#include <persist/codec/packed/size.hpp>

#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include <gtest/gtest.h>

#include <codec/profile.hpp>

namespace {

using namespace persist;
using codec::packed::is_padded;
using codec::packed::least_element;
using codec::packed::least_size;
using Rules = schema::detail::RulesOf<schema::NoPolicy>;

struct Empty {};
struct Cached {
  int cache = 0;
};
struct Policy {
  using fields = Fields<Transient<&Cached::cache>>;
};

static_assert(least_size<Rules, std::int64_t> == 1 && least_size<Rules, float> == 4);
static_assert(least_size<Rules, std::vector<double>> == 1, "none of them need be there");
static_assert(least_size<Rules, std::array<double, 3>> == 24);
static_assert(least_size<Rules, std::tuple<int, Empty, double>> == 9);
static_assert(least_size<Rules, std::chrono::duration<double>> == 8);
static_assert(least_size<Rules, test::Item> == 2);
static_assert(least_size<Rules, std::monostate> == 0 && least_size<Rules, Empty> == 0);

static_assert(least_element<Rules, test::Item> == 2 && !is_padded<Rules, test::Item>);
static_assert(least_element<Rules, Empty> == 1 && is_padded<Rules, Empty>);
static_assert(least_element<Rules, std::array<Empty, 4>> == 1);
static_assert(!is_padded<Rules, int, Empty>, "an entry of a map has its key");
static_assert(is_padded<schema::detail::RulesOf<Policy>, Cached>, "what is not stored takes none");

TEST(PackedSize, counts_what_a_policy_stores) {
  EXPECT_EQ((least_size<Rules, Cached>), 1u);
  EXPECT_EQ((least_size<schema::detail::RulesOf<Policy>, Cached>), 0u);
}

}  // namespace
