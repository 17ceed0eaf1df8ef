// simulate: evenings of a game on several servers, each from a seed, in as many processes as there
// are processors. `./dev simulate --seeds N`.

#include "game.hpp"

#include <algorithm>
#include <atomic>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>
#include <vector>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

using persist::testing::SimulationOptions;
using persist::testing::SimulationReport;

struct Arguments {
  SimulationOptions evening;
  std::uint64_t seeds = 1000;
  std::uint64_t jobs = static_cast<std::uint64_t>(sysconf(_SC_NPROCESSORS_ONLN));
  std::uint64_t seconds = 0;  ///< no evening is begun after so many; 0: all are played
  bool shows_history = false;
};

constexpr std::string_view usage =
    "usage: simulate [--seeds N] [--from SEED] [--within SECONDS] [--jobs N] [--servers N]\n"
    "                [--players N] [--minutes N] [--history]\n\n"
    "Plays evenings of a game whose servers crash, stop, stand still and lose their database, one\n"
    "for each seed, and checks that nothing was lost or doubled. --within plays as many of them as "
    "fit;\n"
    "--history prints the first evening.\n";

using simulate::play;

/// The least evening that still breaks a promise: shorter, with fewer servers and players.
SimulationOptions shortened(SimulationOptions evening) {
  const auto try_with = [&](auto change) {
    SimulationOptions less = evening;
    change(less);
    if (play(less).violations.empty()) return false;
    evening = less;
    return true;
  };
  while (evening.servers > 1 && try_with([](SimulationOptions& less) { --less.servers; })) {
  }
  while (evening.players > 1 && try_with([](SimulationOptions& less) { --less.players; })) {
  }
  for (std::int64_t minutes = 1; std::chrono::minutes(minutes) < evening.length; ++minutes)
    if (try_with([&](SimulationOptions& less) { less.length = std::chrono::minutes(minutes); }))
      break;
  return evening;
}

void explain(const SimulationOptions& found) {
  SimulationOptions least = shortened(found);
  least.keeps_history = true;
  const SimulationReport report = play(least);
  const std::string file = "violation-" + std::to_string(least.seed) + ".txt";
  std::ofstream(file) << report.history;
  for (const std::string& violation : report.violations)
    std::cout << "seed " << least.seed << ": " << violation << '\n';
  std::cout << "  its history is in " << file
            << "; play it again with\n  ./dev simulate --seeds 1 --from " << least.seed
            << " --servers " << least.servers << " --players " << least.players << " --minutes "
            << std::chrono::floor<std::chrono::minutes>(least.length).count() << " --history\n";
}

/// What a process says of a seed.
struct Said {
  std::uint64_t seed;
  bool is_well;
  std::uint64_t loads, saves, handovers, lost, crashes, pauses, cuts, full, restores, erased;
  std::uint64_t stops, forgotten, spilled, replayed, refused;
};

/// The seed that each process plays, where its parent sees it: 0 for none.
class Playing {
 public:
  explicit Playing(std::uint64_t jobs) : size_(jobs * sizeof(std::uint64_t)) {
    void* const shared =
        mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    seeds_ = shared == MAP_FAILED ? nullptr : static_cast<std::uint64_t*>(shared);
  }
  Playing(const Playing&) = delete;
  Playing& operator=(const Playing&) = delete;
  ~Playing() {
    if (seeds_ != nullptr) munmap(seeds_, size_);
  }
  [[nodiscard]] bool is_there() const noexcept { return seeds_ != nullptr; }
  /// One process writes a number, and another reads it when that one is gone.
  void set(std::uint64_t job, std::uint64_t seed) noexcept {
    std::atomic_ref(seeds_[job]).store(seed);
  }
  [[nodiscard]] std::uint64_t of(std::uint64_t job) noexcept {
    return std::atomic_ref(seeds_[job]).load();
  }

 private:
  std::size_t size_;
  std::uint64_t* seeds_;
};

/// Plays every `jobs`-th seed. One write of this size to a pipe is whole.
void work(const Arguments& told, std::uint64_t job, Playing& playing, int out) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(told.seconds);
  for (std::uint64_t i = job; i < told.seeds; i += told.jobs) {
    if (told.seconds != 0 && std::chrono::steady_clock::now() >= end) break;
    SimulationOptions evening = told.evening;
    evening.seed += i;
    playing.set(job, evening.seed);
    const SimulationReport report = play(evening);
    const Said said{evening.seed,     report.violations.empty(),
                    report.loads,     report.saves,
                    report.handovers, report.lost,
                    report.crashes,   report.pauses,
                    report.cuts,      report.full,
                    report.restores,  report.erased,
                    report.stops,     report.forgotten,
                    report.spilled,   report.replayed,
                    report.refused};
    if (write(out, &said, sizeof(said)) != sizeof(said)) _exit(1);
  }
  playing.set(job, 0);
}

void show_progress(std::uint64_t done, std::uint64_t all) {
  if (isatty(STDERR_FILENO) == 0 || (done != all && done % 64 != 0)) return;
  constexpr std::uint64_t width = 40;
  const std::string full(width * done / all, '#');
  std::fprintf(stderr, "\r[%-40s] %llu of %llu%s", full.c_str(),
               static_cast<unsigned long long>(done), static_cast<unsigned long long>(all),
               done == all ? "\n" : "");
}

/// Reads what the processes say until all are gone.
Said sum_up(int in, std::uint64_t seeds, std::uint64_t& done, std::vector<std::uint64_t>& bad) {
  Said total{};
  for (Said said{}; read(in, &said, sizeof(said)) == sizeof(said);) {
    if (!said.is_well) bad.push_back(said.seed);
    total.loads += said.loads, total.saves += said.saves, total.handovers += said.handovers;
    total.lost += said.lost, total.crashes += said.crashes, total.pauses += said.pauses;
    total.cuts += said.cuts, total.full += said.full, total.restores += said.restores;
    total.erased += said.erased, total.stops += said.stops, total.forgotten += said.forgotten;
    total.spilled += said.spilled, total.replayed += said.replayed, total.refused += said.refused;
    show_progress(++done, seeds);
  }
  return total;
}

/// Whether a process ended as it should; says at which seed where it did not.
bool ended_well(pid_t worker, std::uint64_t seed) {
  int status = 0;
  if (waitpid(worker, &status, 0) == worker && status == 0) return true;
  std::cout << "seed " << seed << ": its process died"
            << (WIFSIGNALED(status) ? " of signal " + std::to_string(WTERMSIG(status)) : "")
            << "; play it again with\n  ./dev simulate --seeds 1 --from " << seed << " --history\n";
  return false;
}

int run(const Arguments& told) {
  int ends[2];
  if (pipe(ends) != 0) return std::perror("simulate: pipe"), 2;
  Playing playing(told.jobs);
  if (!playing.is_there()) return std::perror("simulate: mmap"), 2;
  std::vector<pid_t> workers;
  for (std::uint64_t job = 0; job < told.jobs; ++job) {
    const pid_t child = fork();
    if (child < 0) return std::perror("simulate: fork"), 2;
    if (child == 0) work(told, job, playing, ends[1]), _exit(0);
    workers.push_back(child);
  }
  close(ends[1]);
  std::uint64_t done = 0;
  std::vector<std::uint64_t> bad;
  const Said total = sum_up(ends[0], told.seeds, done, bad);
  bool all_ended_well = true;
  for (std::uint64_t job = 0; job < told.jobs; ++job)
    all_ended_well = ended_well(workers[job], playing.of(job)) && all_ended_well;
  constexpr std::size_t most_explained = 3;
  std::sort(bad.begin(), bad.end());
  for (std::size_t i = 0; i < bad.size() && i < most_explained; ++i) {
    SimulationOptions evening = told.evening;
    evening.seed = bad[i];
    explain(evening);
  }
  constexpr std::size_t most_named = 100;
  for (std::size_t i = most_explained; i < bad.size() && i < most_named; ++i)
    std::cout << (i == most_explained ? "also seed " : ", ") << bad[i];
  if (bad.size() > most_explained) std::cout << '\n';
  std::cout << done << " evenings: " << total.loads << " loads, " << total.saves << " saves, "
            << total.handovers << " handed over, " << total.lost << " sessions lost, "
            << total.crashes << " crashes, " << total.pauses << " pauses, " << total.cuts
            << " times cut off, " << total.full << " times full, " << total.restores
            << " times put back, " << total.erased << " erased, " << total.stops << " stops, "
            << total.spilled << " spilled (" << total.replayed << " sent, " << total.refused
            << " refused), " << total.forgotten << " times without leases; " << bad.size()
            << " broke a promise\n";
  const bool is_whole = done == told.seeds || (told.seconds != 0 && done != 0);
  return bad.empty() && all_ended_well && is_whole ? 0 : 1;
}

bool parse(std::vector<std::string_view> words, Arguments& into) {
  std::uint64_t from = 1, servers = into.evening.servers, players = into.evening.players,
                minutes = 20;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (words[i] == "--history") {
      into.shows_history = true;
      continue;
    }
    constexpr std::uint64_t most = std::uint64_t{1} << 40;
    const std::pair<std::string_view, std::uint64_t*> numbers[] = {
        {"--seeds", &into.seeds},   {"--from", &from},       {"--jobs", &into.jobs},
        {"--servers", &servers},    {"--players", &players}, {"--minutes", &minutes},
        {"--within", &into.seconds}};
    const auto known = std::find_if(std::begin(numbers), std::end(numbers),
                                    [&](const auto& each) { return each.first == words[i]; });
    if (known == std::end(numbers) || ++i == words.size()) return false;
    const char* end = words[i].data() + words[i].size();
    const auto read = std::from_chars(words[i].data(), end, *known->second);
    if (read.ec != std::errc() || read.ptr != end || *known->second == 0 || *known->second > most)
      return false;
  }
  if (servers > 100 || players > 1000 || minutes > 10'000 || into.jobs > 1000) return false;
  into.evening.seed = from;
  into.evening.servers = servers, into.evening.players = players;
  into.evening.length = std::chrono::minutes(minutes);
  return true;
}

}  // namespace

int main(int count, char** arguments) {
  Arguments told;
  if (count > 1 && std::string_view(arguments[1]) == "--help") return std::cout << usage, 0;
  if (!parse({arguments + 1, arguments + count}, told)) return std::cerr << usage, 2;
  if (!told.shows_history) return run(told);
  told.evening.keeps_history = true;
  const SimulationReport report = play(told.evening);
  std::cout << report.history;
  for (const std::string& violation : report.violations)
    std::cout << "violation: " << violation << '\n';
  return report.violations.empty() ? 0 : 1;
}
