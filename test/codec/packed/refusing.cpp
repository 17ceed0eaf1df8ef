#include <persist/codec/packed/refusing.hpp>

#include <persist/result.hpp>
#include <persist/schema/value.hpp>

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include <gtest/gtest.h>

#include <codec/profile.hpp>

namespace refusing {

struct Even {
  int half = 0;
};
struct Any {
  int number = 0;
};
struct Holder {
  std::vector<Even> all;
};
struct Wrapped {
  Even inside;
};
struct Tree {
  int value = 0;
  std::vector<Tree> below;
};

}  // namespace refusing

template <>
struct persist::adapt<refusing::Even> {
  using stored_type = int;
  static int store(const refusing::Even& even) { return even.half * 2; }
  static Result<refusing::Even> restore(int stored) {
    if (stored % 2 != 0) return Error(Errc::schema_mismatch, "an odd number");
    return refusing::Even{stored / 2};
  }
};
template <>
struct persist::adapt<refusing::Any> {
  using stored_type = int;
  static int store(const refusing::Any& any) { return any.number; }
  static refusing::Any restore(int stored) { return {stored}; }
};
template <>
struct persist::adapt<refusing::Wrapped> {
  using stored_type = refusing::Even;
  static refusing::Even store(const refusing::Wrapped& it) { return it.inside; }
  static refusing::Wrapped restore(refusing::Even stored) { return {stored}; }
};

namespace refusing {

using persist::codec::packed::may_refuse;

static_assert(may_refuse<Even> && may_refuse<Holder> && may_refuse<Wrapped>);
static_assert(may_refuse<std::optional<Even>> && may_refuse<std::array<Even, 2>>);
static_assert(may_refuse<std::map<int, Even>> && may_refuse<std::tuple<int, Holder>>);
static_assert(may_refuse<std::variant<std::monostate, Even>>);
static_assert(!may_refuse<Any> && !may_refuse<int> && !may_refuse<std::vector<std::string>>);
static_assert(!may_refuse<test::Profile> && !may_refuse<Tree> && !may_refuse<persist::Value>);

TEST(PackedRefusing, is_known_when_the_program_is_compiled) {
  EXPECT_TRUE(may_refuse<Holder>);
}

}  // namespace refusing
