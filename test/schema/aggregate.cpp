// builds: single nohana no-exceptions

#include <persist/schema/aggregate.hpp>

#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace {

using persist::schema::detail::AggregateMembers;

struct Nothing {};
struct Point {
  int x = 0;
  int y = 0;
};
template <class A, class B>
struct Both {
  A a;
  B b;
};
struct Everything {
  bool flag = false;
  std::string text = "hello";
  std::vector<int> list{1, 2};
  std::map<std::string, int> map;
  std::optional<Point> maybe;
  std::variant<int, std::string> either;
  std::array<int, 3> three{};
  std::pair<int, int> pair;
  Point nested;
  std::vector<Everything> children;
  Both<int& (*)(int), std::map<int, int>> commas;
  double größe = 1;
  int value = 0;
};
#define PERSIST_TEST_EIGHT(p) int p##0, p##1, p##2, p##3, p##4, p##5, p##6, p##7;
struct SixtyFour {
  PERSIST_TEST_EIGHT(a)
  PERSIST_TEST_EIGHT(b)
  PERSIST_TEST_EIGHT(c)
  PERSIST_TEST_EIGHT(d)
  PERSIST_TEST_EIGHT(e)
  PERSIST_TEST_EIGHT(f)
  PERSIST_TEST_EIGHT(g)
  PERSIST_TEST_EIGHT(h)
};
struct NoDefault {
  explicit NoDefault(int) {}
};
struct WithArray {
  int before = 0;
  int numbers[4] = {};
  int after = 0;
};
struct Derived : Point {
  int z = 0;
};

static_assert(AggregateMembers<Nothing>::count == 0);
static_assert(AggregateMembers<Point>::count == 2);
static_assert(AggregateMembers<Everything>::count == 13);
static_assert(AggregateMembers<SixtyFour>::count == 64);
static_assert(!persist::schema::detail::members_are_whole<WithArray, 6>());
static_assert(persist::schema::detail::has_a_base<Derived>);
static_assert(!persist::schema::detail::has_a_base<Everything>);

TEST(Aggregate, members_have_the_names_of_their_declaration) {
  constexpr auto& names = AggregateMembers<Everything>::names;
  const std::array<std::string_view, 13> expected{"flag",   "text",  "list", "map",    "maybe",
                                                  "either", "three", "pair", "nested", "children",
                                                  "commas", "größe", "value"};
  EXPECT_EQ(names, expected);
}

TEST(Aggregate, sixty_four_members_are_told_apart) {
  constexpr auto& names = AggregateMembers<SixtyFour>::names;
  EXPECT_EQ(names.front(), "a0");
  EXPECT_EQ(names[8], "b0");
  EXPECT_EQ(names.back(), "h7");
  SixtyFour all{};
  all.h7 = 64;
  AggregateMembers<SixtyFour>::apply(all, [](auto&... member) {
    int last = 0;
    ((last = member), ...);
    EXPECT_EQ(last, 64);
  });
}

TEST(Aggregate, members_are_references_in_order) {
  Point point{1, 2};
  AggregateMembers<Point>::apply(point, [](int& x, int& y) { std::swap(x, y); });
  EXPECT_EQ(point.x, 2);
  EXPECT_EQ(point.y, 1);
}

TEST(Aggregate, a_type_in_a_function_is_taken_apart_too) {
  struct Local {
    int first;
    std::string second;
  };
  EXPECT_EQ(AggregateMembers<Local>::names[1], "second");
}

}  // namespace
