#include <persist/schema/plan.hpp>

#include <persist/schema/unknown.hpp>

#include <gtest/gtest.h>

#include <string>

namespace {

using namespace persist::schema::detail;

struct Item {
  std::uint32_t id = 0;
  int count = 1;
  persist::Unknown rest;
  void* cache = nullptr;
  std::string b, a;
};
struct Policy {
  using fields = persist::Fields<persist::Identity<&Item::id>, persist::Renamed<&Item::count, "n">,
                                 persist::Transient<&Item::cache>>;
};
using P = Plan<RulesOf<Policy>, Item>;
using Bare = Plan<RulesOf<int>, Item>;

struct Weapon {
  int old_first = 0;
  int sharp = 0;
  int owner = 0;
};
struct Renaming {
  using fields = persist::Fields<persist::AlsoWrites<&Weapon::sharp, "edge">,
                                 persist::Formerly<&Weapon::owner, "player">,
                                 persist::Renamed<&Weapon::owner, "o">>;
};
using R = Plan<RulesOf<Renaming>, Weapon>;
static_assert(R::slots == 5 && R::none == 5 && R::stored_count == 3 && R::written_count == 4);
static_assert(R::member_of(3) == 1 && R::member_of(4) == 2 && R::member_of(0) == 0);
static_assert(R::find("edge") == 3 && R::find("player") == 4 && R::find("o") == 2);
static_assert(R::find("owner") == R::none);
static_assert(R::is_written(3) && !R::is_written(4));
static_assert(R::times_more(1) == 1 && R::times_more(2) == 0);
static_assert(R::declared == R::Order{0, 1, 3, 2} && R::canonical == R::Order{2, 3, 1, 0});

static_assert(P::stored_count == 4 && P::identity == 0 && P::unknown_holder == 2);
static_assert(P::find("n") == 1 && P::find("count") == P::none && P::find("cache") == P::none);
static_assert(P::find("rest") == P::none && P::find("") == P::none);
static_assert(Bare::find("count") == 1 && Bare::identity == Bare::none);
static_assert(is_identified<RulesOf<Policy>, Item> && !is_identified<RulesOf<int>, Item>);
static_assert(!is_identified<RulesOf<Policy>, int>);

TEST(Plan, canonical_order_is_shorter_first_then_bytewise) {
  EXPECT_EQ(P::canonical, (P::Order{5, 4, 1, 0}));
  EXPECT_EQ(P::declared, (P::Order{0, 1, 4, 5}));
}

TEST(Plan, every_stored_field_is_found_by_its_name) {
  for (const std::size_t field : P::declared)
    EXPECT_EQ(P::find(P::names[field]), field);
  EXPECT_EQ(position_in(P::canonical, 1, 0), 2u);
  EXPECT_EQ(position_in(P::canonical, 1, 2), 2u);
}

}  // namespace
