// builds: single no-exceptions

#include <persist/schema/policy.hpp>

#include <gtest/gtest.h>

#include <string>
#include <type_traits>
#include <variant>
#include <vector>

namespace {

using persist::DataPolicy;
using persist::Errc;
using persist::Error;
using persist::Result;

struct Gift {
  int coins = 0;
};
struct Mail {
  std::string text;
};
struct PlayerData {
  std::int64_t coins = 0;
};
struct Player {
  std::int64_t coins = 0;
};
struct PlayerSave {
  using data_type = PlayerData;
  static PlayerData defaults(const Player*) { return {100}; }
  static PlayerData capture(const Player* player) { return {player->coins}; }
  static void apply(Player* player, const PlayerData& data) noexcept { player->coins = data.coins; }
  static Result<void> validate(const PlayerData& data) {
    if (data.coins < 0) return Error(Errc::invalid, "coins are negative");
    return persist::success;
  }
  static constexpr std::uint32_t schema_version = 3;
  static constexpr bool keep_durable = true;
  using message = std::variant<Gift, Mail>;
  using reconcile = persist::reconcile::Deep;
};
struct Final final {
  using data_type = PlayerData;
  static PlayerData defaults(std::uint64_t) { return {5}; }
};

using Full = DataPolicy<PlayerSave>;
using Plain = DataPolicy<PlayerData>;

static_assert(Full::has_defaults && Full::has_capture && Full::has_apply && Full::has_validate);
static_assert(Full::schema_version == 3 && Full::keep_durable && !Full::drop_unknown);
static_assert(std::is_same_v<Full::message, std::variant<Gift, Mail>>);
static_assert(!Plain::has_defaults && !Plain::has_capture && !Plain::has_apply &&
              !Plain::has_validate);
static_assert(Plain::schema_version == 1 && !Plain::keep_durable && std::is_void_v<Plain::message>);
static_assert(std::is_same_v<DataPolicy<std::vector<int>>::data_type, std::vector<int>>);
static_assert(DataPolicy<int>::schema_version == 1);

TEST(DataPolicy, hooks_are_called) {
  Player player{7};
  EXPECT_EQ(Full::defaults(&player).coins, 100);
  EXPECT_EQ(Full::capture(&player).coins, 7);
  Full::apply(&player, PlayerData{9});
  EXPECT_EQ(player.coins, 9);
  EXPECT_TRUE(Full::validate(PlayerData{1}));
  EXPECT_TRUE(Full::validate(PlayerData{-1}).is(Errc::invalid));
}

TEST(DataPolicy, a_plain_type_has_the_defaults_of_its_members_and_is_always_valid) {
  EXPECT_EQ(Plain::defaults(42).coins, 0);
  EXPECT_TRUE(Plain::validate(PlayerData{-1}));
}

TEST(DataPolicy, hooks_of_a_final_policy_are_found) {
  EXPECT_EQ(DataPolicy<Final>::defaults(std::uint64_t{1}).coins, 5);
}

}  // namespace
