// builds: single no-exceptions
#include <persist/session/signals.hpp>

#include <string>
#include <type_traits>
#include <vector>

#include <gtest/gtest.h>

namespace {

using namespace persist;

struct Player {
  int coins = 0;
};
struct Handle {
  int number = 0;
};

static_assert(std::is_same_v<decltype(Signals<Player>::saving), Signal<Player&, Reason>>);
static_assert(
    std::is_same_v<decltype(Signals<Player, Handle&>::saving), Signal<Handle&, Player&, Reason>>);
static_assert(sizeof(Signals<Player>) == 9 * sizeof(Signal<>));

TEST(Signals, saving_may_still_change_the_data) {
  Signals<Player> signals;
  const Connection connection = signals.saving.connect([](Player& player, Reason reason) {
    if (reason == Reason::autosave) player.coins = 7;
  });
  Player player;
  signals.saving.fire(player, Reason::autosave);
  EXPECT_EQ(player.coins, 7);
}

TEST(Signals, of_a_store_name_the_session_first) {
  Signals<Player, Handle&> signals;
  std::string heard;
  std::vector<Connection> all;
  all.push_back(signals.saved.connect([&](Handle& from, const Result<Saved>& saved) {
    heard += std::to_string(from.number) + (saved ? " saved;" : " failed;");
  }));
  all.push_back(signals.released.connect([&](Handle& from, Reason reason, bool was_saved) {
    heard += std::to_string(from.number) + " " + std::string(name(reason)) +
             (was_saved ? " with its data;" : " without;");
  }));
  all.push_back(signals.state_changed.connect([&](Handle& from, State before, State after) {
    heard += std::to_string(from.number) + " " + std::string(name(before)) + " to " +
             std::string(name(after)) + ";";
  }));
  Handle handle{3};
  signals.saved.fire(handle, Result<Saved>(Saved{}));
  signals.state_changed.fire(handle, State::open, State::released);
  signals.released.fire(handle, Reason::shutdown, true);
  EXPECT_EQ(heard, "3 saved;3 open to released;3 shutdown with its data;");
}

TEST(Signals, are_heard_apart) {
  Signals<Player> signals;
  const Connection connection = signals.renewal_failed.connect([](int) {});
  EXPECT_TRUE(signals.renewal_failed.has_handlers());
  EXPECT_FALSE(signals.saving.has_handlers() || signals.saved.has_handlers() ||
               signals.save_refused.has_handlers() || signals.released.has_handlers() ||
               signals.state_changed.has_handlers() || signals.dropped_fields.has_handlers());
}

}  // namespace
