#include <core/cycle.hpp>

#include <persist/host.hpp>
#include <persist/persist.hpp>
#include <persist/testing/manual_clock.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <thread>
#include <vector>
#include <malloc.h>
#include <valgrind/callgrind.h>

// What many open sessions cost. `sessions bytes N` prints bytes; `handover` prints calls of the
// backend; `stall FOLDER` and `wait FOLDER` the longest call of a tick; `poll`, `autosave`, `renew`
// with N, and `confined`, `shared`, `ref` with a number of edits, are run under callgrind with
// --instr-atstart=no, so that only what they name is counted.

namespace {

using namespace std::chrono_literals;

/// Counts what reaches the database.
class Counted : public persist::backend::Memory {
 public:
  using Memory::Memory;
  void acquire(std::span<persist::AcquireRequest> batch) { ++calls, Memory::acquire(batch); }
  void commit(std::span<persist::CommitRequest> batch) { ++calls, Memory::commit(batch); }

  static inline int calls = 0;
};

template <class LockPolicy = persist::lock::Lease<>>
using Players = persist::Store<std::uint64_t, bench::Small, Counted, LockPolicy>;

/// A server with so many players, all of whom were saved once.
template <class LockPolicy = persist::lock::Lease<>>
struct Server {
  persist::testing::ManualClock clock;
  Players<LockPolicy> players{
      "Players", Counted{clock}, {.server_id = "bench", .begin_deadline = 90s, .clock = &clock}};
  std::vector<typename Players<LockPolicy>::Session> open;

  explicit Server(std::uint64_t count) {
    for (std::uint64_t key = 0; key < count; ++key)
      bench::need(bool(players.overwrite(key, bench::Small{})));
    players.poll();
    open.reserve(count);
  }
  void load_all() {
    for (std::uint64_t key = 0; key < open.capacity(); ++key)
      open.push_back(*players.load(key));
    players.poll();
  }
};

void bytes(std::uint64_t count) {
  Server<> server(count);
  std::size_t keys = 0;
  for (std::uint64_t key = 0; key < count; ++key)
    keys += std::to_string(key).size();
  const std::size_t before = mallinfo2().uordblks;
  server.load_all();
  const std::size_t after = mallinfo2().uordblks;
  const std::size_t grown = after - before - keys;
  std::printf("%.1f\n", static_cast<double>(grown) / static_cast<double>(count) -
                            static_cast<double>(sizeof(bench::Small)));
}

/// The instructions of polls until `time` has passed, a second apart.
template <class Store>
void counted_polls(persist::testing::ManualClock& clock, Store& players, persist::Duration time) {
  CALLGRIND_START_INSTRUMENTATION;
  for (persist::Duration passed{}; passed < time; passed += 1s) {
    clock.advance(1s);
    players.poll();
  }
  CALLGRIND_STOP_INSTRUMENTATION;
}

void rounds(std::string_view what, std::uint64_t count) {
  Server<> server(count);
  server.load_all();
  if (what == "poll") {
    CALLGRIND_START_INSTRUMENTATION;
    for (int i = 0; i < 100; ++i)
      server.players.poll();
    CALLGRIND_STOP_INSTRUMENTATION;
  } else if (what == "autosave") {  // each session once, spread over half a minute
    for (auto& session : server.open)
      session.edit()->coins += 1;
    counted_polls(server.clock, server.players, 30s);
  } else {  // each session renews once
    server.clock.advance(19s);
    counted_polls(server.clock, server.players, 2s);
  }
}

template <class Handle>
void edits(Handle& session, std::uint64_t count) {
  std::int64_t sum = 0;
  CALLGRIND_START_INSTRUMENTATION;
  for (std::uint64_t i = 0; i < count; ++i) {
    {
      auto edit = session.edit();
      edit->coins += 1;
    }
    auto view = session.view();
    sum += view->coins;
  }
  CALLGRIND_STOP_INSTRUMENTATION;
  bench::need(sum != 0);
}
void access(std::string_view how, std::uint64_t count) {
  if (how == "shared") {
    Server<persist::access::Shared<persist::lock::Lease<>>> server(1);
    server.load_all();
    return edits(server.open[0], count);
  }
  Server<> server(1);
  server.load_all();
  if (how == "confined") return edits(server.open[0], count);
  const persist::SessionRef<bench::Small> ref(server.open[0]);
  edits(ref, count);
}

/// Microseconds that the longest call of the game's thread takes while 1,000 sessions on a disk are
/// saved twice a second for two seconds: through a Host, or by the store's own poll.
void stall(bool through_host, const char* folder) {
  using Disk = persist::Store<std::uint64_t, bench::Small>;
  using Clock = std::chrono::steady_clock;
  Disk players("Players", persist::backend::File{folder}, {.autosave = 500ms});
  bench::need(bool(players.status()));
  std::vector<Disk::Session> open;
  for (std::uint64_t key = 0; key < 1000; ++key)
    open.push_back(*players.load(key));
  players.poll();
  persist::Host host;
  if (through_host) bench::need(bool(host.attach(players)));
  Clock::duration longest{};
  for (const auto end = Clock::now() + 2s; Clock::now() < end;) {
    for (auto& session : open)
      session.edit()->coins += 1;
    const auto begun = Clock::now();
    through_host ? host.poll() : players.poll();
    longest = std::max(longest, Clock::now() - begun);
    std::this_thread::sleep_for(2ms);
  }
  bench::need(players.metrics().saves >= 2000);
  std::printf("%lld\n", static_cast<long long>(longest / 1us));
}

/// Calls of the database from the load that asks to the session that is there: leave the request,
/// save and let go, take.
void handover() {
  persist::testing::ManualClock clock;
  Counted db(clock);
  Players<> a("Players", db, {.server_id = "a", .clock = &clock});
  Players<> b("Players", db, {.server_id = "b", .clock = &clock});
  auto held = a.load(1);
  bench::need(bool(held));
  held->edit()->coins = 5;
  const int before = Counted::calls;
  auto loading = b.begin_load(1);
  int polls = 0;
  for (; !loading.ready(); ++polls)
    b.poll(), a.poll();
  bench::need(bool(loading.take()));
  std::printf("%d\t%d\n", Counted::calls - before, polls);
}

}  // namespace

int main(int count, char** arguments) {
  bench::need(count >= 3);
  mallopt(M_MMAP_THRESHOLD, 1 << 30);  // what is mapped would not be counted
  const std::string_view what = arguments[1];
  const std::uint64_t number = std::strtoull(arguments[2], nullptr, 10);
  if (what == "bytes")
    bytes(number);
  else if (what == "stall" || what == "wait")
    stall(what == "stall", arguments[2]);
  else if (what == "handover")
    handover();
  else if (what == "poll" || what == "autosave" || what == "renew")
    rounds(what, number);
  else
    access(what, number);
  std::fflush(stdout);
  std::_Exit(0);  // closing would take longer than all the rest
}
