#include <persist/schema/kind.hpp>

#include <gtest/gtest.h>

#include <deque>
#include <list>
#include <map>
#include <memory>
#include <memory_resource>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace {

using persist::schema::Kind;
using persist::schema::kind_of;
using persist::schema::storable;

enum class Colour { red };
struct Point {
  int x = 0;
};
struct Guid {
  std::string text;
};
class Hidden {
  int x_ = 0;

 public:
  int x() const { return x_; }
};

}  // namespace

template <>
struct persist::adapt<Guid> {
  using stored_type = std::string;
};

namespace {

static_assert(kind_of<bool> == Kind::boolean);
static_assert(kind_of<char> == Kind::integer && kind_of<std::uint64_t> == Kind::integer);
static_assert(kind_of<std::byte> == Kind::integer);
static_assert(kind_of<float> == Kind::real && kind_of<double> == Kind::real);
static_assert(kind_of<Colour> == Kind::enumeration);
static_assert(kind_of<std::string> == Kind::text && kind_of<std::pmr::string> == Kind::text);
static_assert(kind_of<std::vector<std::byte>> == Kind::bytes &&
              kind_of<persist::Buffer> == Kind::bytes);
static_assert(kind_of<std::array<std::byte, 16>> == Kind::bytes);
static_assert(kind_of<std::optional<int>> == Kind::optional);
static_assert(kind_of<std::variant<int, std::string>> == Kind::variant);
static_assert(kind_of<std::vector<bool>> == Kind::sequence &&
              kind_of<std::deque<int>> == Kind::sequence);
static_assert(kind_of<std::list<int>> == Kind::sequence &&
              kind_of<std::pmr::vector<int>> == Kind::sequence);
static_assert(kind_of<std::array<int, 3>> == Kind::array);
static_assert(kind_of<std::set<int>> == Kind::set && kind_of<std::unordered_set<int>> == Kind::set);
static_assert(kind_of<std::multimap<int, int>> == Kind::set);
static_assert(kind_of<std::map<int, int>> == Kind::map);
static_assert(kind_of<std::unordered_map<std::string, int>> == Kind::map);
static_assert(kind_of<std::pair<int, int>> == Kind::tuple &&
              kind_of<std::tuple<int>> == Kind::tuple);
static_assert(kind_of<std::chrono::seconds> == Kind::duration);
static_assert(kind_of<std::chrono::system_clock::time_point> == Kind::time_point);
static_assert(kind_of<Point> == Kind::structure && kind_of<Guid> == Kind::adapted);
static_assert(kind_of<std::monostate> == Kind::unit);
static_assert(kind_of<int*> == Kind::none && kind_of<std::unique_ptr<int>> == Kind::none);
static_assert(kind_of<Hidden> == Kind::none && kind_of<long double> == Kind::none);
static_assert(kind_of<std::string_view> == Kind::none);
static_assert(storable<Point> && !storable<int*> && !storable<int&> && !storable<void>);

TEST(Kind, numbers_of_kinds_stay_what_they_are_in_fingerprints) {
  EXPECT_EQ(static_cast<int>(Kind::structure), 16);
  EXPECT_EQ(static_cast<int>(Kind::unit), 19);
}

}  // namespace
