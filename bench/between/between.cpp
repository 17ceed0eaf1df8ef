#include <core/cycle.hpp>

#include <persist/persist.hpp>
#include <persist/testing/manual_clock.hpp>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>
#include <valgrind/callgrind.h>

// What moves between players costs. `between post one|many FOLDER` and `between transact|saves
// FOLDER` print how many a second reach the disk, `latency` prints polls; `trade`, `two`, `send`,
// `save`, `ranked` and `top` with a number are run under callgrind with --instr-atstart=no, on
// memory; `top` prints microseconds too.

namespace {

using namespace std::chrono_literals;

struct Gift {
  std::int64_t coins = 0;
};
struct Save {
  using data_type = bench::Small;
  using message = std::variant<Gift>;
};
struct RankedSave : Save {
  using indexes = persist::Indexes<persist::Index<"coins", &bench::Small::coins>>;
};
template <class Backend>
using Players = persist::Store<std::uint64_t, Save, Backend>;

template <class Store>
void handle_gifts(Store& players) {
  players.on_message([](bench::Small& player, const Gift& gift) { player.coins += gift.coins; });
}
/// How often a second `one(i)` was done in the time that 200 took.
template <class F>
void rate(F&& one) {
  constexpr int times = 200;
  const auto begun = std::chrono::steady_clock::now();
  for (int i = 0; i < times; ++i)
    one(static_cast<std::uint64_t>(i));
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begun;
  std::printf("%.1f\n", times / took.count());
}

/// Posts one by one, each durable before the next, to one record or to as many as there are posts.
void post(bool to_one, const char* folder) {
  Players<persist::backend::File> players("Players", persist::backend::File{folder});
  rate([&](std::uint64_t i) { bench::need(bool(players.post(to_one ? 0 : i, Gift{1}))); });
}
/// The same of trades between two who are here, or of a save of each.
void trades(bool together, const char* folder) {
  Players<persist::backend::File> players("Players", persist::backend::File{folder});
  auto a = players.load(1), b = players.load(2);
  bench::need(a && b);
  rate([&](std::uint64_t) {
    if (together) {
      const auto done = players.transact(
          *a, *b, [](bench::Small& mine, bench::Small& theirs) { --mine.coins, ++theirs.coins; });
      return bench::need(done && *done == persist::Transacted::durable);
    }
    a->edit()->coins -= 1, b->edit()->coins += 1;
    bench::need(a->save() && b->save());
  });
}

/// Polls of the receiver's server until a gift is handled, sent from another server.
void latency() {
  persist::testing::ManualClock clock;
  const persist::backend::Memory db(clock);
  Players<persist::backend::Memory> here("Players", db, {.clock = &clock}),
      there("Players", db, {.clock = &clock});
  handle_gifts(there);
  auto sender = here.load(1), receiver = there.load(2);
  bench::need(sender && receiver);
  const auto before = receiver->view()->coins;
  bench::need(sender->send(2, Gift{5}) && sender->save());
  int polls = 0;
  for (; receiver->view()->coins == before; ++polls)
    there.poll();
  std::printf("%d\n", polls);
}

/// The instructions of `top<"coins">(100)` among so many records, and before that its microseconds.
void top(std::uint64_t count) {
  persist::testing::ManualClock clock;
  const persist::backend::Memory db(clock);
  persist::Store<std::uint64_t, RankedSave, persist::backend::Memory> players("Players", db,
                                                                              {.clock = &clock});
  for (std::uint64_t key = 0; key < count; ++key) {
    bench::Small player;
    player.coins = static_cast<std::int64_t>(key * 2654435761U % 1'000'003);
    bench::need(bool(players.overwrite(key, player)));
  }
  const auto begun = std::chrono::steady_clock::now();
  CALLGRIND_START_INSTRUMENTATION;
  const auto rows = players.top<"coins">(100);
  CALLGRIND_STOP_INSTRUMENTATION;
  const std::chrono::duration<double, std::micro> took = std::chrono::steady_clock::now() - begun;
  bench::need(rows && rows->size() == 100 && (*rows)[0].value >= (*rows)[99].value);
  std::printf("%.1f\n", took.count());
}

template <class Policy>
void counted(std::string_view what, std::uint64_t times) {
  persist::testing::ManualClock clock;
  persist::Store<std::uint64_t, Policy, persist::backend::Memory> players(
      "Players", persist::backend::Memory(clock), {.clock = &clock});
  handle_gifts(players);
  auto a = players.load(1), b = players.load(2);
  bench::need(a && b);
  CALLGRIND_START_INSTRUMENTATION;
  for (std::uint64_t i = 0; i < times; ++i) {
    if (what == "trade") {
      bench::need(bool(players.transact(
          *a, *b, [](bench::Small& mine, bench::Small& theirs) { --mine.coins, ++theirs.coins; })));
    } else if (what == "two") {
      a->edit()->coins -= 1, b->edit()->coins += 1;
      bench::need(a->save() && b->save());
    } else {
      a->edit()->coins -= 1;
      if (what == "send") bench::need(bool(a->send(2, Gift{1})));
      bench::need(bool(a->save()));
      if (what == "send") {  // and it is handled, and that is saved
        players.poll();
        bench::need(bool(b->save()));
      }
    }
  }
  CALLGRIND_STOP_INSTRUMENTATION;
}

}  // namespace

int main(int count, char** arguments) {
  bench::need(count >= 2);
  const std::string_view what = arguments[1];
  if (what == "latency")
    latency();
  else if (what == "post")
    post(std::string_view(arguments[2]) == "one", arguments[3]);
  else if (what == "transact" || what == "saves")
    trades(what == "transact", arguments[2]);
  else if (what == "top")
    top(std::strtoull(arguments[2], nullptr, 10));
  else if (what == "ranked")
    counted<RankedSave>("save", std::strtoull(arguments[2], nullptr, 10));
  else
    counted<Save>(what, std::strtoull(arguments[2], nullptr, 10));
  std::fflush(stdout);
  std::_Exit(0);
}
