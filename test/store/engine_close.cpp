// A server that closes, and starts again, whatever its database does meanwhile.

#include <persist/store/engine_close.hpp>

#include <persist/testing/random.hpp>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "spill_case.hpp"

namespace test {
namespace {

struct EngineClose : SpillCase {};

/// Two stores and a trade over both whose reply was lost: its commit is to go again, and lies with
/// the store of the first partner.
struct ClosesFirst : SpillCase {
  void play(bool is_back) {
    auto players = open_spilling();
    Players guilds("guilds", db, spilling());
    auto a = players.load(1);
    auto b = guilds.load(2);
    ASSERT_TRUE(a && b);
    db.lose_reply();
    (void)players.transact(*a, *b, [](Player& from, Player& to) {
      from.coins -= 30, to.coins += 30;
      return persist::Result<void>(persist::success);
    });
    b->edit()->coins += 1;
    if (!is_back) down(Errc::unknown_outcome);
    EXPECT_EQ(guilds.close_all(10s), is_back ? 0U : 1U);
    EXPECT_EQ(b->state(), is_back ? State::released : State::lost);
    a->edit()->coins += 2;
  }
  void look() {
    up();
    Players guilds("guilds", db, spilling());
    auto players = open_spilling();
    EXPECT_EQ(coins(guilds, 2), 131);
    EXPECT_TRUE(guilds.spilled()->empty() && players.spilled()->empty());
  }
};

TEST_F(ClosesFirst,
       a_store_whose_partner_has_the_commit_that_goes_again_does_not_lose_its_sessions) {
  play(true);
  look();
  auto players = open_spilling();
  EXPECT_EQ(coins(players, 1), 72);
}

TEST_F(ClosesFirst, where_the_database_is_down_what_is_behind_that_commit_is_spilled_all_the_same) {
  play(false);
  look();
}

TEST_F(EngineClose, after_an_hour_without_a_database_nothing_is_lost) {
  auto players = open_spilling();
  std::vector<Players::Session> sessions;
  for (std::uint64_t key = 0; key < 20; ++key)
    sessions.push_back(*players.load(key));
  down();
  db.fail_commits(Errc::unavailable, 100'000);
  for (int minute = 0; minute < 60; ++minute) {
    for (auto& session : sessions)
      session.edit()->coins += 1;
    play(1min, players);
  }
  up();
  play(1min, players);
  for (std::uint64_t key = 0; key < 20; ++key)
    EXPECT_EQ(coins(players, key), 160);
  EXPECT_TRUE(files().empty()) << "the journal is for the end only";
}

TEST_F(EngineClose,
       a_release_that_was_called_for_while_the_database_was_down_is_spilled_at_the_end) {
  {
    auto players = open_spilling();
    auto session = players.load(7);
    session->edit()->coins = 5;
    down();
    EXPECT_TRUE(session->release().is(Errc::unavailable));
    play(5min, players);
    EXPECT_EQ(session->state(), State::releasing);
  }
  up();
  auto players = open_spilling();
  EXPECT_EQ(coins(players, 7), 5);
}

TEST_F(EngineClose, no_time_to_close_is_time_to_spill) {
  {
    auto told = spilling();
    told.close_deadline = 0s;
    Players players("players", db, told);
    auto session = players.load(7);
    session->edit()->coins = 5;
    down();
  }
  up();
  auto players = open_spilling();
  EXPECT_EQ(coins(players, 7), 5);
}

/// One server that plays, trades and gives, stops and starts, while its database comes and goes and
/// loses replies. What the players were told they have is what they have in the end.
class Seasons {
 public:
  Seasons(SpillCase& world, std::uint64_t seed) : world_(world), random_(seed) { start(); }
  ~Seasons() { world_.up(); }
  Seasons(const Seasons&) = delete;
  Seasons& operator=(const Seasons&) = delete;

  void live(int steps) {
    for (int i = 0; i < steps; ++i) {
      weather();
      step();
      world_.play(std::chrono::seconds(random_.below(5)), *players_);
    }
  }
  /// All is well, and everybody comes to look.
  void check() {
    world_.up();
    stop();
    start();
    world_.play(2min, *players_);
    for (std::uint64_t key = 0; key < keys; ++key) {
      auto session = players_->load(key);
      ASSERT_TRUE(session) << session.error();
      world_.play(20s, *players_);
      EXPECT_EQ(session->view()->coins, expected_[key]) << "player " << key;
    }
    const auto all = players_->spilled();
    ASSERT_TRUE(all) << all.error();
    for (const Spilled& left : *all)
      ADD_FAILURE() << left.file << ": " << name(left.state) << ": " << left.why << ", "
                    << left.keys.size() << " keys, the first " << left.keys[0];
    EXPECT_TRUE(world_.files().empty());
  }
  [[nodiscard]] std::uint64_t spilled() const { return spilled_; }

 private:
  static constexpr std::uint64_t keys = 4;

  void start() {
    auto told = world_.spilling();
    told.close_deadline = 5s;
    told.critical.errors = 0;
    players_ = std::make_unique<Players>("players", world_.db, told);
    gives_gifts(*players_);
  }
  void stop() {
    sessions_.clear();
    players_->close_all(5s);
    spilled_ += players_->metrics().spilled;
    players_.reset();
  }
  void weather() {
    auto& commits = world_.db.script().commits;
    switch (random_.below(8)) {
      case 0:
        world_.db.fail_commits(Errc::unavailable, random_.below(200));
        break;
      case 1:
      case 2:
        for (auto count = random_.below(12); count > 0; --count)
          commits.push_back({Errc::unknown_outcome, random_.below(2) == 0});
        break;
      case 3:
      case 4:
        commits.clear();
        break;
      default:
        break;
    }
  }
  Players::Session* session(std::uint64_t key) {
    if (const auto open = sessions_.find(key); open != sessions_.end()) {
      if (open->second.state() == State::open) return &open->second;
      sessions_.erase(open);
    }
    auto loaded = players_->try_load(key);
    if (!loaded || loaded->state() != State::open) return nullptr;
    return &sessions_.insert_or_assign(key, *std::move(loaded)).first->second;
  }
  void step() {
    const auto a = random_.below(keys);
    const auto b = (a + 1 + random_.below(keys - 1)) % keys;
    Players::Session* first = session(a);
    if (first == nullptr) return;
    switch (random_.below(10)) {
      case 0:
        return stop(), start();
      case 1:
        (void)first->save();
        return;
      case 2:
        (void)first->release();
        sessions_.erase(a);
        return;
      case 3:
      case 4:
        return trade(a, b);
      case 5:
        if (first->view()->coins >= 5 && first->send(b, Gift{5})) {
          first->edit()->coins -= 5;
          expected_[a] -= 5, expected_[b] += 5;
        }
        return;
      default:
        first->edit()->coins += 1;
        expected_[a] += 1;
        return;
    }
  }
  void trade(std::uint64_t a, std::uint64_t b) {
    Players::Session* second = session(b);
    if (second == nullptr || sessions_.at(a).view()->coins < 10) return;
    const auto done = players_->transact(sessions_.at(a), *second, [](Player& from, Player& to) {
      from.coins -= 10, to.coins += 10;
      return persist::Result<void>(persist::success);
    });
    if (done) expected_[a] -= 10, expected_[b] += 10;
  }

  SpillCase& world_;
  persist::testing::Random random_;
  std::unique_ptr<Players> players_;
  std::map<std::uint64_t, Players::Session> sessions_;
  std::map<std::uint64_t, std::int64_t> expected_{{0, 100}, {1, 100}, {2, 100}, {3, 100}};
  std::uint64_t spilled_ = 0;
};

TEST_F(EngineClose, whatever_the_database_does_nothing_that_was_done_is_lost_or_doubled) {
  std::uint64_t spilled = 0;
  for (std::uint64_t seed = 1; seed <= 60 && !HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    db = Db{persist::backend::Memory(clock)};
    std::filesystem::remove_all(folder);
    lines.clear();
    Seasons seasons(*this, seed);
    seasons.live(150);
    seasons.check();
    spilled += seasons.spilled();
  }
  EXPECT_GT(spilled, 100U) << "the journal was of use";
}

}  // namespace
}  // namespace test
