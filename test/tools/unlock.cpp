#include <persistctl/unlock.hpp>

#include <optional>

#include "store_case.hpp"
#include "support/flaky_backend.hpp"
#include <support/made_players.hpp>

namespace persistctl {
namespace {

template <class Place>
class Unlock : public StoreCase<Place> {
 protected:
  using Players = PlayersOn<typename Place::Backend>;
};
TYPED_TEST_SUITE(Unlock, Places);

TYPED_TEST(Unlock, the_session_that_had_the_record_can_write_no_more) {
  typename TestFixture::Players players{
      "Players", this->place.backend, {.server_id = "eu-1", .clock = &this->place.clock}};
  auto session = players.load("Player_1");
  ASSERT_TRUE(session) << session.error();
  session->edit()->coins = 1;
  ASSERT_TRUE(session->save());
  const auto before = this->read("Player_1");

  const auto unlocked = unlock_record(this->place.backend, this->store, "Player_1");
  ASSERT_TRUE(unlocked) << unlocked.error();
  EXPECT_EQ(unlocked->before.server.view(), "eu-1");
  const auto after = this->read("Player_1");
  EXPECT_GT(after.record.fence.epoch, before.record.fence.epoch);
  EXPECT_EQ(after.record.fence.epoch, unlocked->epoch);
  EXPECT_TRUE(after.record.fence.owner.nobody());
  EXPECT_FALSE(after.held);
  EXPECT_EQ(after.record.load_count, before.record.load_count);
  EXPECT_EQ(after.record.version, before.record.version);

  session->edit()->coins = 2;
  EXPECT_TRUE(session->save().is(Errc::fenced));
  EXPECT_EQ(players.peek("Player_1")->data.coins, 1);
}

TYPED_TEST(Unlock, a_record_that_is_not_there_is_not_made) {
  EXPECT_TRUE(unlock_record(this->place.backend, this->store, "nobody").is(Errc::not_found));
  EXPECT_FALSE(this->read("nobody").found);
}

/// Between what unlock reads, takes and gives back there is time for a server.
class UnlockMeanwhile : public Unlock<InMemory> {
 protected:
  test::FlakyBackend<persist::backend::Memory> flaky{place.backend};
  Players players{
      "Players", place.backend, {.server_id = "eu-1", .autosave = {}, .clock = &place.clock}};
};

TEST_F(UnlockMeanwhile, a_holder_that_renewed_keeps_its_record) {
  auto session = players.load("Player_1");
  ASSERT_TRUE(session) << session.error();
  session->edit()->coins = 1;
  ASSERT_TRUE(session->save());
  flaky.script().during_acquire = [&] {
    place.clock.advance(std::chrono::seconds(21));
    players.poll();
  };
  const auto unlocked = unlock_record(flaky, store, "Player_1");
  ASSERT_TRUE(unlocked.is(Errc::locked));
  EXPECT_NE(unlocked.error().message().find("renewed"), std::string::npos) << unlocked.error();
  EXPECT_EQ(flaky.script().commit_requests, 0U);
  session->edit()->coins = 2;
  EXPECT_TRUE(session->save());
}

TEST_F(UnlockMeanwhile, a_server_that_took_the_record_keeps_it) {
  ASSERT_TRUE(players.load("Player_1")->save());
  std::optional<Players::Session> session;
  flaky.script().during_commit = [&] {
    auto taken = players.load("Player_1");
    ASSERT_TRUE(taken) << taken.error();
    session = *std::move(taken);
  };
  const auto unlocked = unlock_record(flaky, store, "Player_1");
  ASSERT_TRUE(unlocked.is(Errc::fenced));
  EXPECT_NE(unlocked.error().message().find("somebody took it"), std::string::npos)
      << unlocked.error();
  ASSERT_TRUE(session);
  session->edit()->coins = 2;
  EXPECT_TRUE(session->save());
}

}  // namespace
}  // namespace persistctl
