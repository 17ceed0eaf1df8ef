#include <persist/schema/indexes.hpp>

#include <gtest/gtest.h>

#include <persist/schema/policy.hpp>

#include <chrono>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

namespace {

using namespace persist;
using namespace std::chrono_literals;
using schema::index_number;
using schema::indexed_value;

constexpr std::int64_t most = (std::numeric_limits<std::int64_t>::max)();
constexpr std::int64_t least = (std::numeric_limits<std::int64_t>::min)();

template <class T>
void expect_order(const std::vector<T>& rising) {
  for (std::size_t i = 0; i < rising.size(); ++i) {
    EXPECT_EQ(indexed_value<T>(index_number(rising[i])), rising[i]) << i;
    EXPECT_TRUE(i == 0 || index_number(rising[i - 1]) < index_number(rising[i])) << i;
  }
}

TEST(IndexNumber, keeps_the_order_of_integers_and_comes_back) {
  expect_order<std::int64_t>({least, -1, 0, 1, most});
  expect_order<int>({-5, 0, 7});
  expect_order<std::uint8_t>({0, 128, 255});
  expect_order<std::uint32_t>({0, 1U << 31, 0xffff'ffff});
  expect_order<bool>({false, true});
  expect_order<std::uint64_t>({0, 1, static_cast<std::uint64_t>(most)});
}

TEST(IndexNumber, of_what_no_signed_integer_holds_is_the_largest) {
  EXPECT_EQ(index_number(~std::uint64_t{0}), most);
  EXPECT_EQ(index_number(static_cast<std::uint64_t>(most) + 1), most);
}

TEST(IndexNumber, keeps_the_order_of_floating_point) {
  constexpr double end = std::numeric_limits<double>::infinity();
  expect_order<double>({-end, -1e300, -1.5, -1e-300, 0.0, std::numeric_limits<double>::denorm_min(),
                        1e-300, 0.1, 1.5, 1e300, end});
  expect_order<float>({-2.5F, 0.0F, 0.1F});
  EXPECT_EQ(index_number(-0.0), index_number(0.0));
}

TEST(IndexNumber, of_nan_is_below_all_others_and_comes_back_as_one) {
  EXPECT_EQ(index_number(std::nan("")), least);
  EXPECT_EQ(index_number(-std::nan("")), least);
  EXPECT_GT(index_number(-std::numeric_limits<double>::infinity()), least);
  EXPECT_TRUE(std::isnan(indexed_value<double>(least)));
}

enum class Rank : std::uint8_t { bronze = 1, gold = 200 };

TEST(IndexNumber, keeps_the_order_of_enums_and_times) {
  expect_order<Rank>({Rank::bronze, Rank::gold});
  expect_order<std::chrono::milliseconds>({-1ms, 0ms, 90min});
  using Time = std::chrono::sys_time<std::chrono::seconds>;
  expect_order<Time>({Time(-5s), Time(0s), Time(7s)});
  expect_order<std::chrono::duration<double>>({-0.5s, 0.25s});
}

struct Player {
  std::int64_t coins = 0;
  std::optional<int> best;
  double skill = 0;

  [[nodiscard]] bool rich() const { return coins > 100; }
};
[[nodiscard]] int half(const Player& player) {
  return static_cast<int>(player.coins / 2);
}
struct Save {
  using data_type = Player;
  using indexes =
      Indexes<Index<"coins", &Player::coins>, Index<"best", &Player::best>, Index<"half", &half>,
              Index<"skill", [](const Player& p) { return p.skill * 2; }>,
              Index<"rich", &Player::rich>>;
};
struct Empty {
  using data_type = std::optional<Player>;
  using indexes = Save::indexes;
};

static_assert(DataPolicy<Save>::has_indexes && !DataPolicy<Player>::has_indexes);
static_assert(DataPolicy<Empty>::IndexList::has("best") && !DataPolicy<Save>::IndexList::has("b"));
using List = Save::indexes;
static_assert(std::is_same_v<schema::detail::RowValue<"best", List, Player>::type, int>);
static_assert(std::is_same_v<schema::detail::RowValue<"skill", List, Player>::type, double>);
static_assert(std::is_same_v<schema::detail::RowValue<"rich", List, Player>::type, bool>);

std::string entries_of(const Player& player) {
  Buffer bytes;
  DataPolicy<Save>::IndexList::append(player, bytes);
  std::string all;
  EXPECT_TRUE(each_index_entry(bytes, [&](std::string_view name, std::int64_t value) {
    all += std::string(name) + "=" + std::to_string(value) + " ";
  }));
  return all;
}

TEST(Indexes, give_an_entry_for_each_that_is_not_empty) {
  const std::string skill = std::to_string(index_number(1.5));
  EXPECT_EQ(entries_of({201, 9, 0.75}), "coins=201 best=9 half=100 skill=" + skill + " rich=1 ");
  EXPECT_EQ(entries_of({2, std::nullopt, 0.75}), "coins=2 half=1 skill=" + skill + " rich=0 ");
}

}  // namespace
