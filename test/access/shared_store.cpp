// builds: tsan
#include <persist/access/shared.hpp>

#include <support/world.hpp>

#include <atomic>
#include <thread>

namespace {

using namespace test;

using Everybodys = persist::Store<std::uint64_t, Save, persist::backend::Memory,
                                  persist::access::Shared<persist::lock::Lease<>>>;

// `->` on a temporary guard does not compile.
template <class Guard>
concept reads_through_a_temporary = requires(Guard&& guard) { std::move(guard).operator->(); };
static_assert(reads_through_a_temporary<Players::Session::Edit>);
static_assert(reads_through_a_temporary<Players::Session::View>);
static_assert(!reads_through_a_temporary<Everybodys::Session::Edit>);
static_assert(!reads_through_a_temporary<Everybodys::Session::View>);

/// Runs `body(thread, turn)` on four threads, and waits for them.
template <class F>
void on_four_threads(int turns, F body) {
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread)
    threads.emplace_back([=]() mutable {
      for (int turn = 0; turn < turns; ++turn)
        body(thread, turn);
    });
  for (std::thread& thread : threads)
    thread.join();
}

struct SharedStore : World {
  persist::backend::Memory memory{clock};
  persist::StoreOptions quiet(std::string server = "eu-1") {
    auto told = options(std::move(server));
    told.log.level = persist::LogLevel::off;
    return told;
  }
};

TEST_F(SharedStore, no_edit_is_lost_among_threads_that_edit_save_and_poll) {
  Everybodys players("players", memory, quiet());
  auto session = *players.load(1u);
  const auto start = session.clone().coins;
  on_four_threads(300, [&, session](int thread, int turn) mutable {
    session.edit([](Player& player) { ++player.coins; });
    if (turn % 4 == thread) (void)session.save();
    if (turn % 7 == thread) {
      clock.advance(1s);
      (void)players.poll();
    }
    if (turn % 5 == 0) (void)session.request_save();
    const auto view = session.view();
    EXPECT_GE(view->coins, start);
  });
  for (int i = 0; i < 100 && session.is_dirty(); ++i) {
    clock.advance(1s);
    (void)players.poll();
  }
  EXPECT_EQ(session.clone().coins, start + 1200);
  EXPECT_EQ(players.peek(1u)->data.coins, start + 1200);
  EXPECT_TRUE(session.release());
}

TEST_F(SharedStore, threads_load_edit_and_release_the_same_keys) {
  Everybodys players("players", memory, quiet());
  std::atomic<int> edits{0};
  on_four_threads(100, [&](int, int turn) {
    auto session = players.load(static_cast<std::uint64_t>(turn % 3));
    if (!session) return;
    if (auto guard = session->try_edit()) {
      ++(*guard)->coins;
      if (!persist::ended(session->state())) ++edits;
    }
    (void)session->release();
    (void)players.poll();
  });
  EXPECT_EQ(players.close_all(10s), 0U);
  std::int64_t stored = 0;
  for (std::uint64_t key = 0; key < 3; ++key)
    stored += players.peek(key)->data.coins - 100;
  EXPECT_GT(stored, 0);
  EXPECT_EQ(players.open_sessions(), 0U);
}

TEST_F(SharedStore, messages_grants_and_trades_among_threads_are_exact) {
  Everybodys players("players", memory, quiet());
  players.on_message([](Player& player, const Gift& gift) { player.coins += gift.coins; });
  auto a = *players.load(1u);
  auto b = *players.load(2u);
  std::atomic<int> posted{0};
  std::atomic<int> granted{0};
  on_four_threads(50, [&, a, b](int thread, int turn) mutable {
    if (players.post(1u, Gift{1})) ++posted;
    const std::string receipt = std::to_string(thread) + "/" + std::to_string(turn);
    if (a.grant_once(receipt, [](Player& player) { ++player.coins; })) ++granted;
    (void)players.transact(a, b, [](Player& from, Player& to) { --from.coins, ++to.coins; });
    clock.advance(100ms);
    (void)players.poll();
  });
  for (int i = 0; i < 100; ++i) {
    clock.advance(1s);
    (void)players.poll();
  }
  EXPECT_EQ(a.clone().coins + b.clone().coins, 200 + posted + granted);
  EXPECT_TRUE(a.release());
  EXPECT_TRUE(b.release());
  EXPECT_EQ(players.peek(1u)->data.coins + players.peek(2u)->data.coins, 200 + posted + granted);
}

TEST_F(SharedStore, threads_connect_attach_and_tag_a_session_that_is_saved_meanwhile) {
  Everybodys players("players", memory, quiet());
  auto session = *players.load(1u);
  std::atomic<int> saved{0};
  on_four_threads(60, [&, session](int thread, int turn) mutable {
    if (turn == 0) {
      session.on_saved([&](const auto&) { ++saved; }).detach();
      players.on_saved([&](auto&, const auto&) { ++saved; }).detach();
    }
    session.set_autosave(1s * (1 + turn % 3));
    session.set_min_gap(1ms * (turn % 2));
    ++session.attach<std::atomic<int>>(0);
    EXPECT_TRUE(session.set_metadata(persist::Value(std::int64_t{turn})));
    EXPECT_TRUE(session.metadata());
    session.edit([](Player& player) { ++player.coins; });
    if (turn % 4 == thread) {
      clock.advance(1s);
      (void)players.poll();
    }
  });
  EXPECT_EQ(session.attach<std::atomic<int>>(0), 240);
  saved = 0;
  session.touch();
  EXPECT_TRUE(session.save());
  EXPECT_EQ(saved, 8) << "each of four connections to the session and four to the store";
  EXPECT_TRUE(session.release());
}

TEST_F(SharedStore, a_release_waits_for_no_reader_and_leaves_nothing_behind) {
  Everybodys players("players", memory, quiet());
  auto session = *players.load(1u);
  session.edit([](Player& player) { player.coins = 7; });
  std::optional view(session.view());
  persist::Result<persist::Saved> released;
  std::thread([&] { released = session.release(); }).join();
  EXPECT_TRUE(released.is(Errc::busy));
  EXPECT_FALSE(players.peek(1u));
  view.reset();
  clock.advance(1s);
  (void)players.poll();
  EXPECT_EQ(session.state(), State::released);
  EXPECT_EQ(players.peek(1u)->data.coins, 7);
}

}  // namespace
