#include <persist/store/stored_mail.hpp>

#include <persist/testing/faulty.hpp>

#include <support/world.hpp>

#include <optional>

// Messages taken out of a record that nobody plays.

namespace {

using namespace test;

struct StoredMailTest : World {
  Players players = open();

  StoredMailTest() {
    for (const std::int64_t coins : {5, 6, 7})
      EXPECT_TRUE(players.post(1U, Gift{coins}));
  }
  persist::Result<std::size_t> remove(std::uint64_t from_position = 0) {
    return players.core().remove_stored(
        "1", [&](const persist::Message& each) { return each.position >= from_position; });
  }
  std::size_t left() { return players.peek_inbox(1U)->size(); }
};

TEST_F(StoredMailTest, what_is_picked_goes_and_the_record_with_it_back) {
  const auto position = players.peek_inbox(1U)->at(1).position;
  EXPECT_EQ(*remove(position), 2U);
  EXPECT_EQ(left(), 1U);
  EXPECT_FALSE(players.inspect(1U)->held);
  EXPECT_TRUE(players.load(1U));
}

TEST_F(StoredMailTest, where_nothing_is_picked_the_record_is_left_alone) {
  const auto epoch = players.inspect(1U)->holder.epoch;
  EXPECT_EQ(*remove(1000), 0U);
  EXPECT_EQ(players.inspect(1U)->holder.epoch, epoch);
}

TEST_F(StoredMailTest, a_lost_reply_is_asked_for_again) {
  db.lose_reply();
  EXPECT_EQ(*remove(), 3U);
  EXPECT_EQ(left(), 0U);
}

TEST_F(StoredMailTest, what_cannot_be_written_stays_and_says_why) {
  db.fail_commits(Errc::unavailable);
  EXPECT_TRUE(remove().is(Errc::unavailable));
  EXPECT_EQ(left(), 3U);
  EXPECT_TRUE(remove().is(Errc::locked)) << "for the rest of ten seconds";
  clock.advance(11s);
  EXPECT_EQ(*remove(), 3U);
}

TEST_F(StoredMailTest, somebody_who_plays_the_record_keeps_it) {
  auto other = open("eu-2");
  auto session = other.load(1U);
  const auto no = remove();
  EXPECT_TRUE(no.is(Errc::locked));
  EXPECT_NE(no.error().holder(), nullptr);
  EXPECT_EQ(left(), 3U);
}

}  // namespace
