#include <persist/host/index_calls.hpp>

#include <persist/host.hpp>

#include <support/hosted.hpp>

#include <string>
#include <vector>

namespace {

using namespace test;

struct RankedSave {
  using data_type = Player;
  using indexes = persist::Indexes<persist::Index<"coins", &Player::coins>>;
};
using RankedPlayers = persist::Store<std::uint64_t, RankedSave, Db>;

struct HostBoards : HostedWorld {
  RankedPlayers boards{"boards", db, options()};
  HostBoards() { EXPECT_TRUE(host.attach(boards)); }

  void save(std::uint64_t key, std::int64_t coins) {
    auto loaded = host.load(boards, key);
    settle();
    auto session = *loaded.get();
    session.edit()->coins = coins;
    ASSERT_TRUE(session.add_user_id(7));
    auto released = host.release(session);
    settle();
    ASSERT_TRUE(released.get());
  }
};

TEST_F(HostBoards, are_asked_on_a_lane) {
  save(1, 30);
  save(2, 50);
  save(3, 40);
  auto top = host.top<"coins">(boards, 2);
  auto bottom = host.bottom<"coins">(boards, 1);
  auto rank = host.rank<"coins">(boards, 3U);
  auto around = host.around<"coins">(boards, 3U, 1);
  auto size = host.index_size<"coins">(boards);
  auto keys = host.keys_of(boards, 7);
  auto exported = host.export_user(boards, 7);
  EXPECT_FALSE(top.ready()) << "nothing is asked of storage here";
  settle();
  const auto best = top.get();
  ASSERT_TRUE(best) << best.error();
  ASSERT_EQ(best->size(), 2U);
  EXPECT_EQ(best->at(0).key, "2");
  EXPECT_EQ(best->at(1).value, 40);
  EXPECT_EQ(bottom.get()->at(0).key, "1");
  EXPECT_EQ(*rank.get(), 1U);
  EXPECT_EQ(around.get()->size(), 3U);
  EXPECT_EQ(*size.get(), 3U);
  EXPECT_EQ(*keys.get(), (std::vector<std::string>{"1", "2", "3"}));
  EXPECT_EQ(exported.get()->records, 3U);
  auto none = host.rank<"coins">(boards, 9U);
  auto behind = host.top<"coins">(boards, 2, best->at(1).position());
  settle();
  EXPECT_TRUE(none.get().is(Errc::not_found));
  EXPECT_EQ(behind.get()->at(0).key, "1");
}

}  // namespace
