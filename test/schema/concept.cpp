#include <persist/schema/concept.hpp>

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

namespace {

using persist::data_policy;

struct Player {
  int coins = 0;
};
struct Save {
  using data_type = Player;
};
struct Wrong {
  using data_type = Player*;
};

static_assert(data_policy<Player> && data_policy<Save> && data_policy<int>);
static_assert(data_policy<std::vector<int>> && data_policy<std::optional<Player>>);
static_assert(!data_policy<Wrong> && !data_policy<std::unique_ptr<int>> && !data_policy<void>);
static_assert(std::is_same_v<persist::data_type_of<Save>, Player>);
static_assert(std::is_same_v<persist::data_type_of<std::string>, std::string>);

TEST(DataPolicyConcept, a_container_is_data_and_no_policy) {
  EXPECT_FALSE(persist::names_its_data<std::vector<int>>);
  EXPECT_TRUE(persist::names_its_data<Save>);
}

}  // namespace
