// builds: no-exceptions

#include <persist/schema/fingerprint.hpp>

#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace {

using persist::schema::fingerprint;

struct Gift {
  int coins = 0;
};
struct OtherGift {
  int coins = 0;
};
struct Renamed {
  int gold = 0;
};
struct Wider {
  std::int64_t coins = 0;
};
struct Tree {
  int value = 0;
  std::vector<Tree> children;
};
struct TwoTrees {
  Tree left, right;
};
struct Policy {
  using fields = persist::Fields<persist::Renamed<&Gift::coins, "gold">>;
};

static_assert(fingerprint<Gift> == fingerprint<OtherGift>, "a struct's own name is not stored");
static_assert(fingerprint<Gift> != fingerprint<Renamed>);
static_assert(fingerprint<Gift> != fingerprint<Wider>);
static_assert(fingerprint<Gift, Policy> == fingerprint<Renamed>);
static_assert(fingerprint<long> == fingerprint<long long>);
static_assert(fingerprint<std::vector<int>> != fingerprint<std::vector<short>>);
static_assert(fingerprint<std::vector<int>> != fingerprint<std::optional<int>>);
static_assert(fingerprint<std::map<int, int>> != fingerprint<std::map<short, int>>);
static_assert(fingerprint<std::pair<int, bool>> != fingerprint<std::pair<bool, int>>);
static_assert(fingerprint<std::variant<Gift>> != fingerprint<std::variant<OtherGift>>);
static_assert(fingerprint<std::chrono::seconds> != fingerprint<std::chrono::milliseconds>);
static_assert(fingerprint<Tree> != fingerprint<TwoTrees>, "a type that holds itself has one too");

TEST(Fingerprint, is_the_same_from_every_compiler_and_forever) {
  EXPECT_EQ(fingerprint<Gift>, 6545888997675876197u);
}

}  // namespace
