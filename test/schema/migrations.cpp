#include <persist/schema/migrations.hpp>

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

#include <gtest/gtest.h>

namespace migrated {

struct First {
  int gold = 0;
};
struct Second {
  int gold = 0;
  int silver = 0;
};
struct Third {
  int coins = 0;
};
inline Second upgrade(First&& old) {
  return {old.gold, 1};
}
inline persist::Result<Third> upgrade(Second&& old) {
  if (old.gold < 0) return persist::Error(persist::Errc::refused, "a debt");
  if (old.gold > 1000) throw std::runtime_error("too rich");
  return Third{old.gold + old.silver};
}
inline persist::Result<persist::Value> to_second(persist::Value&& old) {
  return std::move(old);
}

}  // namespace migrated

namespace {

using namespace persist;
using namespace persist::schema::detail;
using migrated::First;
using migrated::Second;
using migrated::Third;

using All = VersionList<Migrations<First, Additive<Second>, Third>>;
static_assert(All::count == 3 && std::is_same_v<All::Type<1>, Second>);
static_assert(All::lowest_reader == 3, "the last step is for new builds only");
static_assert(VersionList<Migrations<First, Additive<Second>>>::lowest_reader == 1);
static_assert(VersionList<Migrations<First, Third, Additive<Third>>>::lowest_reader == 2);
static_assert(All::check<RulesOf<schema::NoPolicy>, Third>());
static_assert(std::is_same_v<SteppedBy<Second>, Third>, "without its Result");

using Loose = VersionList<Migrations<Untyped<&migrated::to_second>, Second, Third>>;
static_assert(std::is_same_v<Loose::Type<0>, Value>);
static_assert(Loose::check<RulesOf<schema::NoPolicy>, Third>());

static_assert(step_is_there<First>() && !step_is_there<Third>());
static_assert(step_fits<First, Second>() && step_fits<First, Additive<Second>>());
static_assert(!step_fits<First, Third>(), "a step of two versions at once is none");
static_assert(step_fits<Untyped<&migrated::to_second>, Second>(), "its value is read as that");

struct Plain {};
struct Moved {
  using migrations = Migrations<First, Second>;
};
static_assert(!has_migrations<Plain> && has_migrations<Moved>);
static_assert(std::is_same_v<RecordType<std::optional<int>>::type, int>);

TEST(Migrations, a_step_gives_the_next_version) {
  const auto second = run_step<First>(First{7});
  ASSERT_TRUE(second);
  EXPECT_EQ(second->gold, 7);
  EXPECT_EQ(second->silver, 1);
}

TEST(Migrations, a_step_that_fails_keeps_its_own_error) {
  const auto third = run_step<Second>(Second{-1, 0});
  ASSERT_TRUE(third.is(Errc::refused));
  EXPECT_EQ(third.error().detail(), "a debt");
}

TEST(Migrations, what_a_step_throws_is_an_error) {
  const auto third = run_step<Second>(Second{1001, 0});
  ASSERT_TRUE(third.is(Errc::invalid));
  EXPECT_EQ(third.error().detail(), "it threw: too rich");
}

}  // namespace
