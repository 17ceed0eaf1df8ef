// builds: tsan
#include <persist/access/shared.hpp>

#include <support/world.hpp>

#include <atomic>
#include <functional>
#include <latch>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

namespace {

using namespace test;

/// `Save` that lets a test in while its rules are asked, on the test's own thread.
struct WatchedSave {
  using data_type = Player;
  using message = Save::message;
  static inline thread_local std::function<void()> in_validate;
  static persist::Result<void> validate(const Player& player) {
    if (const auto now = std::exchange(in_validate, nullptr)) now();
    return Save::validate(player);
  }
};
using Everybodys = persist::Store<std::uint64_t, WatchedSave, persist::backend::Memory,
                                  persist::access::Shared<persist::lock::Lease<>>>;

// `->` on a temporary guard does not compile.
template <class Guard>
concept reads_through_a_temporary = requires(Guard&& guard) { std::move(guard).operator->(); };
static_assert(reads_through_a_temporary<Players::Session::Edit>);
static_assert(reads_through_a_temporary<Players::Session::View>);
static_assert(!reads_through_a_temporary<Everybodys::Session::Edit>);
static_assert(!reads_through_a_temporary<Everybodys::Session::View>);

/// Lets a test in where this thread lets go of a store's lock, until the test has what it wants.
struct WatchedMutex : std::recursive_mutex {
  static inline thread_local std::function<bool()> behind_unlock;
  void unlock() {
    std::recursive_mutex::unlock();
    if (auto now = std::exchange(behind_unlock, nullptr); now && !now()) behind_unlock = now;
  }
};
struct WatchedLease : persist::lock::Lease<> {
  struct access : persist::access::Synchronised {
    using Mutex = WatchedMutex;
    using Lock = std::unique_lock<Mutex>;
  };
};
using Watched = persist::Store<std::uint64_t, Save, persist::backend::Memory, WatchedLease>;

struct KeptSave {
  using data_type = Player;
  static constexpr bool keep_durable = true;
};
using Kept = persist::Store<std::uint64_t, KeptSave, persist::backend::Memory,
                            persist::access::Shared<persist::lock::Lease<>>>;

/// Runs `body(thread, turn)` on four threads, and waits for them.
template <class F>
void on_four_threads(int turns, F body) {
  std::latch all(4);
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread)
    threads.emplace_back([=, &all]() mutable {
      all.arrive_and_wait();
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

TEST_F(SharedStore, what_a_thread_changes_is_not_taken_back_by_the_function_of_another) {
  Everybodys players("players", memory, quiet());
  auto session = *players.load(1u);
  const auto another_thread = [&] {
    std::thread([&] {
      EXPECT_TRUE(session.add_user_id(5).is(Errc::busy));
      EXPECT_TRUE(session.set_metadata(persist::Value("vip")).is(Errc::busy));
      EXPECT_TRUE(session.send(2u, Gift{1}).is(Errc::busy));
    }).join();
  };
  EXPECT_TRUE(
      session.grant_once("r", [&](Player&) { return another_thread(), false; }).is(Errc::refused));
  const auto editing = session.edit();  // which is none of its business
  std::thread([&] { EXPECT_TRUE(session.add_user_id(5)); }).join();
  EXPECT_EQ(session.user_ids(), std::vector<std::uint64_t>{5});
}

template <class F>
void on_another_thread(F fn) {
  std::thread(std::move(fn)).join();
}

TEST_F(SharedStore, a_function_is_not_over_before_its_rules_were_asked) {
  for (const bool fails : {false, true}) {
    Everybodys players("players", persist::backend::Memory(clock), quiet());
    const auto received = [&] {
      const auto seen = players.inspect(2u);
      return seen ? seen->inbox_messages : 0;
    };
    auto session = *players.load(1u);
    ASSERT_TRUE(session.save({.force = true}));
    clock.advance(25s);  // a renewal is due
    WatchedSave::in_validate = [&] {
      on_another_thread([&] {
        (void)players.poll();
        EXPECT_TRUE(session.add_user_id(9).is(Errc::busy));
        EXPECT_TRUE(session.send(3u, Gift{1}).is(Errc::busy));
      });
      EXPECT_EQ(received(), 0U) << "a gift went without its cause";
    };
    const auto granted = session.grant_once("r", [&](Player& player) {
      EXPECT_TRUE(session.add_user_id(7));
      EXPECT_TRUE(session.send(2u, Gift{100}));
      player.coins -= fails ? 1000 : 100;
    });
    EXPECT_EQ(bool(granted), !fails);
    ASSERT_TRUE(session.save({.force = true}));
    EXPECT_EQ(received(), fails ? 0U : 1U);
    EXPECT_EQ(session.user_ids().size(), fails ? 0U : 1U);
    EXPECT_EQ(players.peek(1u)->data.coins, fails ? 100 : 0);
  }
}

TEST_F(SharedStore, a_trade_is_not_over_before_its_rules_were_asked) {
  Everybodys players("players", memory, quiet());
  auto buyer = *players.load(1u);
  auto seller = *players.load(2u);
  ASSERT_TRUE(buyer.save({.force = true}) && seller.save({.force = true}));
  clock.advance(25s);
  WatchedSave::in_validate = [&] {
    on_another_thread([&] {
      (void)players.poll();
      EXPECT_TRUE(seller.send(3u, Gift{1}).is(Errc::busy));
    });
  };
  EXPECT_TRUE(players
                  .transact(buyer, seller,
                            [&](Player& buying, Player&) {
                              EXPECT_TRUE(buyer.send(3u, Gift{100}));
                              buying.coins -= 1000;
                            })
                  .is(Errc::invalid));
  ASSERT_TRUE(buyer.save({.force = true}));
  const auto seen = players.inspect(3u);
  EXPECT_TRUE(!seen || seen->inbox_messages == 0U) << "a gift of a trade that was refused";
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

TEST_F(SharedStore, records_are_erased_while_other_threads_load_save_send_and_relay_them) {
  auto told = quiet();
  told.relay = 1ms;
  told.inbox_limit.messages = 3;
  Everybodys players("players", memory, told);
  on_four_threads(150, [&](int thread, int turn) {
    const auto key = static_cast<std::uint64_t>(turn % 3);
    if (thread == 0) {
      for (int i = 0; i < 10; ++i)
        (void)players.erase(key, {.drop_outbox = true});
    } else if (thread == 1) {
      clock.advance(1s);
      (void)players.poll();
    } else if (auto session = players.load(key)) {
      session->edit([](Player& player) { player.coins = 7; });
      (void)session->send(key + 10, Gift{1});
      (void)session->save();
      (void)session->release();
    }
    (void)players.open_sessions();
    (void)players.metrics();
  });
  EXPECT_EQ(players.close_all(60s), 0U);
  EXPECT_EQ(players.open_sessions(), 0U);
  for (std::uint64_t key = 0; key < 3; ++key) {
    auto session = players.load(key);
    ASSERT_TRUE(session);
    EXPECT_TRUE(session->clone().coins == 7 || session->is_new());
  }
}

TEST_F(SharedStore, the_condition_of_a_load_runs_without_the_stores_lock) {
  Everybodys players("players", memory, quiet());
  bool is_free = false;
  auto session = players.load(1u, {.while_ = [&] {
                                std::thread([&] {
                                  is_free = players.core().mutex().try_lock();
                                  if (is_free) players.core().mutex().unlock();
                                }).join();
                                return true;
                              }});
  EXPECT_TRUE(session);
  EXPECT_TRUE(is_free);
}

TEST_F(SharedStore, listeners_of_a_save_run_without_the_stores_lock) {
  Everybodys players("players", memory, quiet());
  auto session = *players.load(1u);
  int heard = 0;
  const auto is_free = [&] {
    on_another_thread([&] {
      if (!players.core().mutex().try_lock()) return;
      players.core().mutex().unlock();
      ++heard;
    });
  };
  const auto on_session = session.on_saving([&](Player&, Reason) { is_free(); });
  const auto on_store =
      players.on_saving([&](Everybodys::Session&, Player&, Reason) { is_free(); });
  ASSERT_TRUE(session.save({.force = true}));
  EXPECT_EQ(heard, 2);
}

TEST_F(SharedStore, a_durable_copy_is_read_while_saves_of_other_threads_replace_it) {
  Kept players("players", memory, quiet());
  auto session = *players.load(1u);
  ASSERT_TRUE(session.save({.force = true}));
  on_four_threads(100, [&, session](int thread, int) mutable {
    if (thread % 2 == 0) {
      (void)session.save({.force = true});
    } else {
      const auto durable = session.durable();
      EXPECT_TRUE(durable && durable->coins == 100);
    }
  });
}

TEST_F(SharedStore, what_a_trade_was_checked_for_stays_so_until_it_is_done) {
  Watched players("players", memory, quiet());
  auto a = *players.load(1u);
  auto b = *players.load(2u);
  auto c = *players.load(3u);
  const auto trade = [](Player& from, Player& to) { --from.coins, ++to.coins; };
  persist::Result<persist::Transacted> other;
  WatchedMutex::behind_unlock = [&] {  // the first partner was found free
    on_another_thread([&] { other = players.request_transact(a, c, trade); });
    return true;
  };
  EXPECT_TRUE(players.request_transact(a, b, trade));
  EXPECT_TRUE(other.is(Errc::busy));
  EXPECT_EQ(players.close_all(10s), 0U);
  EXPECT_EQ(players.peek(1u)->data.coins, 99);
  EXPECT_EQ(players.peek(3u)->data.coins, 100);
}

TEST_F(SharedStore, a_trade_that_another_thread_made_durable_is_durable) {
  Watched players("players", memory, quiet());
  auto a = *players.load(1u);
  auto b = *players.load(2u);
  bool is_released = false;
  const auto when_it_is_made = [&] {  // and its sessions are free for others again
    on_another_thread([&] { is_released = bool(a.release()); });
    return is_released;
  };
  const auto done = players.transact(a, b, [&](Player& from, Player& to) {
    --from.coins, ++to.coins;
    WatchedMutex::behind_unlock = when_it_is_made;
  });
  EXPECT_TRUE(is_released);
  ASSERT_TRUE(done);
  EXPECT_EQ(*done, persist::Transacted::durable);
  EXPECT_EQ(players.peek(2u)->data.coins, 101);
}

TEST_F(SharedStore, an_update_and_a_load_of_other_threads_never_share_a_session) {
  Everybodys players("players", memory, quiet());
  ASSERT_TRUE(players.load(1u)->release());
  std::atomic<int> updated{0};
  std::atomic<int> edited{0};
  on_four_threads(100, [&](int thread, int) {
    if (thread % 2 == 0) {
      if (players.update(1u, [](Player& player) { ++player.coins; })) ++updated;
      return;
    }
    auto session = players.load(1u);
    if (!session) return;
    const auto before = session->clone().coins;
    if (session->state() != State::open) return;
    session->edit([](Player& player) { ++player.coins; });
    if (session->release()) ++edited;
    EXPECT_GE(session->clone().coins, before);
  });
  EXPECT_EQ(players.close_all(60s), 0U);
  EXPECT_GE(players.peek(1u)->data.coins, 100 + updated);
}

/// Lets a test in where somebody waits.
struct WatchedClock : persist::Clock {
  persist::testing::ManualClock& time;
  std::function<void()> in_wait;
  explicit WatchedClock(persist::testing::ManualClock& of) : time(of) {}
  [[nodiscard]] persist::TimePoint now() const override { return time.now(); }
  [[nodiscard]] persist::WallTime wall() const override { return time.wall(); }
  void wait_until(persist::TimePoint deadline, persist::Wake& wake) override {
    if (const auto now = std::exchange(in_wait, nullptr)) now();
    time.wait_until(deadline, wake);
  }
};

TEST_F(SharedStore, who_waits_for_a_release_leaves_the_session_alone_that_was_loaded_after_it) {
  WatchedClock watched(clock);
  auto told = quiet();
  told.clock = &watched;
  Everybodys players("players", memory, told);
  std::optional<Everybodys::Session> first(*players.load(1u));
  ASSERT_TRUE(first->request_release());
  std::optional<Everybodys::Session::Edit> guard(first->edit());
  std::optional<Everybodys::Session> next;
  watched.in_wait = [&] {  // another thread's release, and the player is back
    guard.reset();
    ASSERT_TRUE(players.poll() > persist::TimePoint{});
    ASSERT_EQ(first->state(), State::released);
    next = *players.load(1u);
  };
  const auto began = clock.now();
  const auto updated = players.update(1u, [](Player& player) { ++player.coins; });
  EXPECT_TRUE(updated.is(Errc::busy));
  EXPECT_LT(clock.now() - began, 1s) << "it waited for what does not come";
  ASSERT_TRUE(next);
  EXPECT_EQ(next->state(), State::open);
  EXPECT_TRUE(players.update(1u, [](Player& player) { ++player.coins; }));
  EXPECT_EQ(next->clone().coins, 101);
}

TEST_F(SharedStore, a_last_handle_may_go_while_another_thread_ends_the_session) {
  Everybodys players("players", memory, quiet());
  std::atomic<bool> is_over{false};
  const auto polls = [&] {
    while (!is_over)
      (void)players.poll();
  };
  std::thread one(polls);
  std::thread other(polls);
  for (int turn = 0; turn < 4000; ++turn) {
    auto session = players.load(1u);
    if (session) (void)session->request_release();
    for (int spin = 0; spin < (turn * 37) % 2000; ++spin)
      std::atomic_signal_fence(std::memory_order_seq_cst);  // a moment, of another length each time
  }
  is_over = true;
  one.join();
  other.join();
  EXPECT_EQ(players.close_all(60s), 0U);
}

TEST_F(SharedStore, a_partners_store_may_be_closed_by_another_thread_while_a_trade_is_out) {
  for (std::uint64_t key = 0; key < 120; key += 2) {
    Everybodys east("players", memory, quiet());
    std::optional<Everybodys> west(std::in_place, "players", memory, quiet("us-1"));
    auto a = *east.load(key);
    auto b = *west->load(key + 1);
    ASSERT_TRUE(a.save({.force = true}) && b.save({.force = true}));
    const auto sum = a.clone().coins + b.clone().coins;
    ASSERT_TRUE(
        west->request_transact(a, b, [](Player& from, Player& to) { --from.coins, ++to.coins; }));
    std::latch both(2);
    std::thread closes([&] {
      both.arrive_and_wait();
      west.reset();
    });
    both.arrive_and_wait();
    for (int i = 0; i < 4; ++i) {
      (void)east.poll();
      (void)a.save();
    }
    closes.join();
    EXPECT_TRUE(persist::ended(b.state()));
    (void)a.release();
    EXPECT_EQ(east.close_all(60s), 0U);
    EXPECT_EQ(east.peek(key)->data.coins + east.peek(key + 1)->data.coins, sum);
  }
}

TEST_F(SharedStore, a_partners_store_may_be_closed_while_a_listener_of_it_hears_of_a_trade) {
  Everybodys east("players", memory, quiet());
  std::optional<Everybodys> west(std::in_place, "players", memory, quiet("us-1"));
  auto a = *east.load(1u);
  auto b = *west->load(2u);
  ASSERT_TRUE(
      east.request_transact(a, b, [](Player& from, Player& to) { --from.coins, ++to.coins; }));
  std::thread closes;
  const auto heard = west->on_saving([&](Everybodys::Session&, Player&, Reason) {
    if (closes.joinable()) return;  // of a closing that tries to save it too
    closes = std::thread([&] { west.reset(); });
    while (!persist::ended(b.state()))
      std::this_thread::yield();
  });
  EXPECT_TRUE(a.save().is(Errc::closed));
  closes.join();
  EXPECT_EQ(a.state(), State::lost);
  EXPECT_FALSE(east.peek(1u) || east.peek(2u));
}

TEST_F(SharedStore, stores_whose_partners_end_crosswise_hold_one_lock_at_a_time) {
  Everybodys east("players", memory, quiet());
  Everybodys west("players", memory, quiet("us-1"));
  const auto trade = [](Player& from, Player& to) { --from.coins, ++to.coins; };
  for (std::uint64_t key = 0; key < 40; key += 4) {
    auto a = *east.load(key);
    auto b = *west.load(key + 1);
    auto c = *west.load(key + 2);
    auto d = *east.load(key + 3);
    ASSERT_TRUE(east.request_transact(a, b, trade));
    ASSERT_TRUE(west.request_transact(c, d, trade));
    std::latch both(2);
    std::thread other([&] {
      both.arrive_and_wait();
      (void)west.erase(key + 2);
    });
    both.arrive_and_wait();
    (void)east.erase(key);
    other.join();
    for (auto* each : {&a, &b, &c, &d})
      EXPECT_EQ(each->state(), State::lost);
  }
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

TEST_F(SharedStore, a_save_that_has_begun_takes_no_half_of_a_trade) {
  Watched players("players", memory, quiet());
  auto a = *players.load(1u);
  auto b = *players.load(2u);
  std::latch is_on_board(1);
  std::latch is_made(1);
  std::thread saves;
  const auto a_save_begins = [&] {
    WatchedMutex::behind_unlock = [&, boarded = 0]() mutable {
      if (!a.node().in_flight || ++boarded != 2) return false;  // and has looked for partners
      is_on_board.count_down();
      is_made.wait();
      return true;
    };
    (void)a.save({.force = true});
  };
  WatchedMutex::behind_unlock = [&, checked = 0]() mutable {
    if (++checked != 2) return false;  // both partners were found free
    saves = std::thread(a_save_begins);
    is_on_board.wait();
    return true;
  };
  const auto done =
      players.request_transact(a, b, [](Player& from, Player& to) { --from.coins, ++to.coins; });
  is_made.count_down();
  saves.join();
  EXPECT_EQ(players.peek(1u)->data.coins, done ? players.peek(2u) ? 99 : -1 : 100);
  EXPECT_TRUE(done || done.is(Errc::busy));
}

TEST_F(SharedStore, a_session_without_handles_may_be_erased_while_it_hears_a_message) {
  Everybodys players("players", memory, quiet());
  ASSERT_TRUE(players.load(1u)->release());
  ASSERT_TRUE(players.post(1u, Gift{1}));
  std::optional<Everybodys::Session> session(*players.load(1u));
  session.reset();  // it goes with the next poll
  bool was_erased = false;
  WatchedSave::in_validate = [&] {
    on_another_thread([&] { was_erased = bool(players.erase(1u)); });
  };
  players.on_message([](Player& player, const Gift& gift) { player.coins += gift.coins; });
  EXPECT_TRUE(was_erased);
  EXPECT_EQ(players.open_sessions(), 0U);
}

TEST_F(SharedStore, a_session_without_handles_may_be_erased_before_its_listeners_hear_of_a_save) {
  Watched players("players", memory, quiet());
  int heard = 0;
  const auto on_store = players.on_saving([&](Watched::Session&, Player&, Reason) { ++heard; });
  std::optional<Watched::Session> session(*players.load(1u));
  ASSERT_TRUE(session->save({.force = true}));
  heard = 0;
  auto& node = session->node();
  const persist::SessionPtr alive(&node);
  session->touch();
  session.reset();
  WatchedMutex::behind_unlock = [&] {
    if (!node.in_flight) return false;
    bool is_cut = false;
    on_another_thread([&] {  // inside the cut the session is locked
      is_cut = !node.try_lock();
      if (!is_cut) return node.unlock();
      (void)players.erase(1u);
    });
    return is_cut;
  };
  (void)players.poll();
  EXPECT_EQ(WatchedMutex::behind_unlock, nullptr);
  WatchedMutex::behind_unlock = nullptr;
  EXPECT_EQ(node.state, State::lost);
}

TEST_F(SharedStore, a_purchase_that_the_release_of_another_thread_saved_is_durable) {
  Watched players("players", memory, quiet());
  auto session = *players.load(1u);
  const auto released = [&] {
    on_another_thread([&] { (void)session.release(); });
    return persist::ended(session.state());
  };
  const auto granted = players.grant_once(1u, {"r"}, [&](Player& player) {
    player.coins += 7;
    WatchedMutex::behind_unlock = released;
  });
  ASSERT_EQ(session.state(), State::released);
  EXPECT_EQ(players.peek(1u)->data.coins, 107);
  ASSERT_TRUE(granted) << granted.error();
  EXPECT_EQ(*granted, persist::Grant::durable);
}

TEST_F(SharedStore, an_update_of_a_session_that_is_released_meanwhile_is_one_of_the_record) {
  Watched players("players", memory, quiet());
  auto session = *players.load(1u);
  ASSERT_TRUE(session.save({.force = true}));
  WatchedMutex::behind_unlock = [&, unlocks = 0]() mutable {
    on_another_thread([&] {
      if (!players.core().mutex().try_lock()) return;
      players.core().mutex().unlock();
      if (++unlocks == 1) (void)session.release();
    });
    return unlocks != 0;
  };
  const auto updated = players.update(1u, [](Player& player) { ++player.coins; });
  EXPECT_TRUE(updated) << updated.error();
  EXPECT_EQ(players.peek(1u)->data.coins, 101);
}

TEST_F(SharedStore, one_attempt_may_be_made_by_the_poll_of_another_thread) {
  WatchedClock watched(clock);
  auto told = quiet();
  told.clock = &watched;
  Watched players("players", memory, told);
  std::thread polls;
  std::latch is_out(1);
  std::latch goes_on(1);
  const auto poll_once = [&] {
    WatchedMutex::behind_unlock = [&] {
      auto* node = players.core().find("1");
      if (node == nullptr || !node->in_flight) return false;
      is_out.count_down();
      goes_on.wait();
      return true;
    };
    (void)players.poll();
  };
  WatchedMutex::behind_unlock = [&] {
    bool is_there = false;
    on_another_thread([&] {
      if (!players.core().mutex().try_lock()) return;
      is_there = players.open_sessions() == 1;
      players.core().mutex().unlock();
    });
    if (!is_there) return false;
    polls = std::thread(poll_once);
    is_out.wait();
    return true;
  };
  watched.in_wait = [&] { goes_on.count_down(); };
  const auto session = players.try_load(1u);
  EXPECT_TRUE(session) << session.error();
  if (!goes_on.try_wait()) goes_on.count_down();
  polls.join();
}

TEST_F(SharedStore, a_load_waits_no_longer_for_a_session_that_another_thread_has_ended) {
  auto told = quiet();
  told.min_gap = 5s;
  Watched players("players", memory, told);
  auto first = *players.load(1u);
  first.edit([](Player& player) { ++player.coins; });
  ASSERT_TRUE(first.request_release());
  const auto began = clock.now();
  WatchedMutex::behind_unlock = [&, free = 0]() mutable {
    bool is_queued = false;
    on_another_thread([&] {
      if (!players.core().mutex().try_lock()) return;
      is_queued = players.core().find_queued("1") != nullptr;
      players.core().mutex().unlock();
    });
    if (!is_queued || ++free != 3) return false;
    on_another_thread([&] { (void)players.poll(); });
    EXPECT_EQ(first.state(), State::released);
    return true;
  };
  EXPECT_TRUE(players.load(1u));
  EXPECT_EQ(first.state(), State::released);
  WatchedMutex::behind_unlock = nullptr;
  EXPECT_LT(clock.now() - began, 1s);
}

TEST_F(SharedStore, who_comes_while_a_load_is_called_off_gets_the_record_all_the_same) {
  Everybodys east("players", memory, quiet());
  Everybodys west("players", memory, quiet("us-1"));
  auto held = *east.load(1u);
  {
    auto loading = west.begin_load(1u);
    (void)west.poll();
    EXPECT_FALSE(loading.ready());
  }
  auto again = west.begin_load(1u);
  for (int i = 0; i < 20 && !again.ready(); ++i) {
    clock.advance(1s);
    (void)persist::poll(east, west);
  }
  const auto session = again.take();
  EXPECT_TRUE(session) << session.error();
}

TEST_F(SharedStore, a_thread_looks_at_a_session_that_another_saves) {
  Everybodys players("players", memory, quiet());
  for (const auto lock : {persist::LockUse::respect, persist::LockUse::ignore}) {
    auto session = *players.load(1u, {.lock = lock});
    std::atomic<bool> is_over{false};
    std::thread looks([&] {
      while (!is_over)
        EXPECT_TRUE(session.epoch() != 0 || !session.is_dirty() || !session.instance_id().empty());
    });
    for (int i = 0; i < 50; ++i) {
      session.edit([](Player& player) { ++player.coins; });
      (void)session.save();
    }
    is_over = true;
    looks.join();
    (void)session.release();
  }
}

TEST_F(SharedStore, who_listens_for_the_end_hears_of_it_once_whenever_it_comes) {
  Everybodys players("players", memory, quiet());
  for (int turn = 0; turn < 1000; ++turn) {
    auto session = *players.load(1u);
    std::atomic<int> heard{0};
    std::latch both(2);
    std::thread releases([&] {
      both.arrive_and_wait();
      (void)session.release();
    });
    both.arrive_and_wait();
    for (int spin = 0; spin < (turn * 37) % 3000; ++spin)
      std::atomic_signal_fence(std::memory_order_seq_cst);
    const auto connection = session.on_released([&](Reason, bool) { ++heard; });
    releases.join();
    ASSERT_EQ(heard, 1);
  }
}

TEST(SharedStoreDeathTest, destroying_a_store_in_a_hook_of_its_policy_ends_the_program) {
  persist::testing::ManualClock clock;
  persist::StoreOptions told;
  told.clock = &clock;
  std::optional<Everybodys> players;
  players.emplace("players", persist::backend::Memory(clock), told);
  ASSERT_TRUE(players->load(1u)->release());
  WatchedSave::in_validate = [&] { players.reset(); };
  EXPECT_DEATH((void)players->load(1u), "a store was destroyed inside one of its own handlers");
  WatchedSave::in_validate = nullptr;
}

}  // namespace
