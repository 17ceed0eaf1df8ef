#include <core/cycle.hpp>

#include <persist/persist.hpp>
#include <persist/testing/manual_clock.hpp>

#include <vector>

// Polls a store of `first argument` idle clean sessions `second argument` times, with nothing due.

int main(int count, char** arguments) {
  using Players = persist::Store<std::uint64_t, bench::Small, persist::backend::Memory>;
  bench::need(count == 3);
  const std::uint64_t sessions = std::strtoull(arguments[1], nullptr, 10);
  const std::uint64_t polls = std::strtoull(arguments[2], nullptr, 10);
  persist::testing::ManualClock clock;
  Players players{"Players", persist::backend::Memory{clock}, {.clock = &clock}};
  std::vector<Players::Session> open;
  for (std::uint64_t key = 0; key < sessions; ++key)
    open.push_back(*players.load(key));
  players.poll();
  for (std::uint64_t i = 0; i < polls; ++i)
    players.poll();
  std::_Exit(0);  // closing would be measured too
}
