#include <persist/persist.hpp>

#include "backend/file/support.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

// A process dies in the middle of its last write: at every byte of it, the successor finds what was
// acknowledged before, and of the last commit all or nothing.

namespace {

using namespace persist;
using persist_test::Disk;
using persist_test::DiskFile;
using persist_test::newest_segment;

struct Player {
  std::int64_t coins = 100;
};
struct Gift {
  std::int64_t coins = 0;
};
struct Save {
  using data_type = Player;
  using message = std::variant<Gift>;
};
using Players = Store<std::uint64_t, Save, DiskFile>;

/// One run of a server on the disk.
struct ServerRun {
  explicit ServerRun(const Disk& on)
      : file("save", {.clock = &clock}, on), players("players", file, options()) {
    players.on_message([](Player& player, const Gift& gift) { player.coins += gift.coins; });
  }
  StoreOptions options() {
    StoreOptions told;
    told.clock = &clock;
    told.close_deadline = Duration::zero();
    told.log.sink = [](LogLevel, std::string_view) {};
    return told;
  }
  std::int64_t coins(std::uint64_t key) {
    const auto read = players.peek(key);
    return read ? read->data.coins : -1;
  }
  persist::testing::ManualClock clock;
  DiskFile file;
  Players players;
};

struct Torn : ::testing::Test {
  Disk disk;

  std::size_t written() { return disk.bytes(newest_segment(disk)).size(); }
  /// Plays on: two players are acknowledged, then `last` writes one batch, and the process dies.
  template <class Last>
  void die_in(Last last) {
    {
      ServerRun run(disk);
      auto one = *run.players.load(1u), two = *run.players.load(2u);
      one.edit()->coins = 10, two.edit()->coins = 20;
      ASSERT_TRUE(one.save() && two.save());
      before = written();
      last(run, one, two);
      after = written();
      disk.kill();
    }
    ASSERT_GT(after, before);
  }
  /// A disk on which only so much of the last batch is.
  Disk cut_at(std::size_t size) {
    Disk cut = disk.copy();
    cut.bytes(newest_segment(cut)).resize(size);
    return cut;
  }
  std::size_t before = 0, after = 0;
};

TEST_F(Torn, a_trade_is_there_for_both_or_for_nobody) {
  die_in([](ServerRun& run, auto& one, auto& two) {
    const auto done = run.players.transact(
        one, two, [](Player& mine, Player& theirs) { mine.coins -= 5, theirs.coins += 5; });
    ASSERT_TRUE(done && *done == Transacted::durable);
  });
  for (std::size_t size = before; size <= after; ++size) {
    ServerRun run(cut_at(size));
    ASSERT_TRUE(run.file.status()) << size;
    const bool is_whole = size == after;
    ASSERT_EQ(run.coins(1), is_whole ? 5 : 10) << size;
    ASSERT_EQ(run.coins(2), is_whole ? 25 : 20) << size;
  }
}

TEST_F(Torn, a_gift_has_left_and_come_or_neither) {
  die_in([](ServerRun&, auto& one, auto&) {
    ASSERT_TRUE(one.send(2u, Gift{5}));
    one.edit()->coins -= 5;
    ASSERT_TRUE(one.save());
  });
  for (std::size_t size = before; size <= after; ++size) {
    ServerRun run(cut_at(size));
    const bool is_whole = size == after;
    ASSERT_EQ(run.coins(1), is_whole ? 5 : 10) << size;
    auto two = run.players.load(2u);
    ASSERT_TRUE(two) << size;
    run.players.poll();
    ASSERT_TRUE(two->release()) << "and saving goes on";
    ASSERT_EQ(run.coins(2), is_whole ? 25 : 20) << size;
  }
}

TEST_F(Torn, a_purchase_is_granted_again_where_it_was_not_durable) {
  die_in([](ServerRun&, auto& one, auto&) {
    ASSERT_TRUE(one.grant_once("receipt", [](Player& player) { player.coins += 7; }));
    ASSERT_TRUE(one.save());
  });
  for (std::size_t size = before; size <= after; ++size) {
    ServerRun run(cut_at(size));
    const auto granted =
        run.players.grant_once(1u, "receipt", [](Player& player) { player.coins += 7; });
    ASSERT_TRUE(granted && *granted == Grant::durable) << size;
    ASSERT_EQ(run.coins(1), 17) << size;
  }
}

TEST_F(Torn, a_trade_on_a_full_disk_is_stored_for_none_and_goes_through_when_there_is_room) {
  for (const std::uint64_t room : {0U, 40U, 200U}) {
    disk = Disk();
    ServerRun run(disk);
    auto one = *run.players.load(1u), two = *run.players.load(2u);
    one.edit()->coins = 10, two.edit()->coins = 20;
    ASSERT_TRUE(one.save() && two.save());
    disk.state().room = room;
    const auto traded =
        run.players.transact(one, two, [](Player& a, Player& b) { a.coins -= 5, b.coins += 5; });
    ASSERT_TRUE(traded);
    EXPECT_EQ(*traded, Transacted::pending) << "applied here, and not stored";
    EXPECT_EQ(run.coins(1) * 100 + run.coins(2), 1020);
    EXPECT_TRUE(one.release().is(Errc::io)) << "nor for one of them alone";
    EXPECT_EQ(run.coins(1) * 100 + run.coins(2), 1020);
    disk.state().room = 1'000'000;
    for (int second = 0; second < 60; ++second)
      run.clock.advance(std::chrono::seconds(1)), run.players.poll();
    EXPECT_EQ(run.coins(1) * 100 + run.coins(2), 525) << "both sides";
  }
}

}  // namespace
