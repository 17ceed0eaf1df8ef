#include <core/cycle.hpp>

#include <persist/persist.hpp>
#include <persist/testing/manual_clock.hpp>

#include <vector>
#include <valgrind/callgrind.h>

// Polls a store of `first argument` idle clean sessions 100 times, with nothing due. To be run
// under callgrind with --instr-atstart=no: only the polls are counted, not how the sessions were
// opened.

int main(int count, char** arguments) {
  using Players = persist::Store<std::uint64_t, bench::Small, persist::backend::Memory>;
  bench::need(count == 2);
  const std::uint64_t sessions = std::strtoull(arguments[1], nullptr, 10);
  persist::testing::ManualClock clock;
  Players players{"Players", persist::backend::Memory{clock}, {.clock = &clock}};
  std::vector<Players::Session> open;
  for (std::uint64_t key = 0; key < sessions; ++key) {
    auto session = players.load(key);
    bench::need(bool(session));
    open.push_back(*session);
  }
  players.poll();
  CALLGRIND_START_INSTRUMENTATION;
  for (int i = 0; i < 100; ++i)
    players.poll();
  CALLGRIND_STOP_INSTRUMENTATION;
  std::_Exit(0);  // closing would take longer than all the rest
}
