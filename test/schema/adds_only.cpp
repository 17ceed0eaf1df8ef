#include <persist/schema/adds_only.hpp>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace {

using namespace persist;

enum class OldRank { novice, knight };
enum class NewRank { squire, novice, knight };

struct OldItem {
  std::uint32_t id = 0;
};
struct NewItem {
  std::uint32_t id = 0;
  std::uint16_t count = 1;
};
struct OldTree {
  int leaf = 0;
  std::vector<OldTree> below;
};
struct NewTree {
  std::vector<NewTree> below;
  int leaf = 0;
  int colour = 0;
};
struct Old {
  int coins = 0;
  OldRank rank{};
  std::vector<OldItem> items;
  std::map<std::string, OldItem> worn;
  std::optional<OldItem> held;
};
struct New {
  std::string title;
  int coins = 0;
  NewRank rank{};
  std::vector<NewItem> items;
  std::map<std::string, NewItem> worn;
  std::optional<NewItem> held;
};
struct Widened {
  std::int64_t id = 0;
};
struct Renamed {
  std::uint32_t number = 0;
};
struct OtherCoins {
  std::string id;
};

template <class A, class B>
constexpr bool adds = schema::detail::adds_only<schema::detail::RulesOf<schema::NoPolicy>, A, B>;

static_assert(adds<Old, New> && adds<OldItem, NewItem> && adds<Old, Old>);
static_assert(!adds<New, Old>, "a member is gone");
static_assert(!adds<OldItem, Widened>, "an older build could not hold every number");
static_assert(!adds<OldItem, Renamed> && !adds<OldItem, OtherCoins>);
static_assert(!adds<NewRank, OldRank>, "an enumerator is gone");
static_assert(!adds<std::vector<int>, std::map<int, int>>);
static_assert(adds<OldTree, NewTree>, "a struct inside itself comes to an end");

struct Gold {
  using fields = Fields<persist::Renamed<&Renamed::number, "id">>;
};
static_assert(schema::detail::adds_only<schema::detail::RulesOf<Gold>, OldItem, Renamed>,
              "names are those under which members are stored");

TEST(AddsOnly, is_decided_by_the_compiler) {}

}  // namespace
