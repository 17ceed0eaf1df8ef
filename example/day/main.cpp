#include "crash.hpp"
#include "evening.hpp"
#include "profiles.hpp"
#include "report.hpp"
#include "servers.hpp"

#include <persistctl/databases.hpp>

#include <charconv>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <optional>

#include <unistd.h>

// Imports the players of a day, plays the day on four servers over one database, exports the
// evening and says whether it is right. Which database is chosen while it runs: the game is the
// same on each.

namespace {

namespace fs = std::filesystem;
using namespace day;
using persist::backend::File;
using Database = persist::backend::Any;

constexpr const char* usage =
    "usage: day [--day DIR] [--out DIR] [--store URI] [--crash] [--seed N]\n\n"
    "  --day DIR   the day: profiles.jsonl, day.csv and, to compare with, expected.jsonl;\n"
    "              example/day/data if it is not given\n"
    "  --out DIR   for evening.jsonl and day.save, the database of the day; those of an earlier\n"
    "              day are removed; build/day if it is not given\n"
    "  --store URI the database of the day, and not a folder in DIR: memory:, file:save,\n"
    "              sqlite:/srv/game.db, postgres:, redis:; no day may have been played in it "
    "before\n"
    "  --crash     the process that plays is killed ten times in the middle of the day, and its\n"
    "              successor goes on: nothing that was acknowledged may be missing\n"
    "  --seed N    where it is killed\n";

struct Options {
  fs::path day = "example/day/data";
  fs::path out = "build/day";
  std::string store;
  bool crashes = false;
  std::uint64_t seed = 1;
};

/// What is wrong with the command line is `invalid`.
Result<Options> read_options(int count, char** words) {
  Options options;
  for (int i = 1; i < count; ++i) {
    const std::string_view word = words[i];
    if (word == "--crash") {
      options.crashes = true;
      continue;
    }
    if (word != "--day" && word != "--out" && word != "--seed" && word != "--store")
      return Error(Errc::invalid, "there is no option " + std::string(word));
    if (++i == count)
      return Error(Errc::invalid, std::string(word) + (word == "--seed"    ? " needs a number"
                                                       : word == "--store" ? " needs a URI"
                                                                           : " needs a folder"));
    const std::string_view what = words[i];
    if (word == "--store")
      options.store = what;
    else if (word != "--seed")
      (word == "--day" ? options.day : options.out) = what;
    else if (const auto read =
                 std::from_chars(what.data(), what.data() + what.size(), options.seed);
             read.ec != std::errc() || read.ptr != what.data() + what.size())
      return Error(Errc::invalid, "--seed needs a number");
  }
  if (options.crashes && !options.store.empty())
    return Error(Errc::invalid, "--crash plays in a folder of its own, not in a --store");
  return options;
}

Error in_file(const fs::path& path, const Error& error) {
  const std::string why = error.key().empty() ? std::string(error.detail()) : error.message();
  return Error(error.code(), path.string() + ": " + why);
}

Result<std::ifstream> open_to_read(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return Error(Errc::io, path.string() + " cannot be read");
  return file;
}

/// Removes what an earlier day left in the folder.
Result<void> clear_out(const fs::path& out) {
  std::error_code failed;
  fs::create_directories(out, failed);
  if (!failed) fs::remove_all(out / "day.save", failed);
  if (!failed) fs::remove(out / "evening.jsonl", failed);
  return failed ? Result<void>(Error(Errc::io, out.string() + ": " + failed.message()))
                : Result<void>(success);
}

/// Reads the trace and imports the morning, so that what is broken is found before anything is
/// played.
Result<std::vector<Event>> prepare(const Options& options, Database& database, Report& report,
                                   std::vector<std::uint64_t>& players) {
  const fs::path profiles = options.day / "profiles.jsonl";
  auto morning = open_to_read(profiles);
  if (!morning) return morning.error();
  auto all = read_players(*morning, profiles.string());
  if (!all) return all.error();
  players = *std::move(all);
  report.players = players.size();

  const fs::path trace = options.day / "day.csv";
  auto file = open_to_read(trace);
  if (!file) return file.error();
  auto events = read_trace(*file, players);
  if (!events) return in_file(trace, events.error());

  morning->clear();
  morning->seekg(0);
  if (auto done = import_profiles(*morning, profiles.string(), database); !done)
    return done.error();
  return events;
}

/// What the database counts itself; none where it does not.
std::optional<persist::backend::FileStats> stats_of(Database& database) {
  const File* file = database.get<File>();
  return file != nullptr ? std::optional(file->stats()) : std::nullopt;
}

Result<void> play(const std::vector<Event>& events, const std::vector<std::uint64_t>& players,
                  Database& database, persist::testing::ManualClock& clock, Report& report) {
  report.before = stats_of(database);
  const auto begin = std::chrono::steady_clock::now();
  {
    Servers<Database> servers(database, clock);
    if (auto open = servers.status(); !open) return open;
    ProgressBar bar(events.size(), isatty(STDERR_FILENO) != 0);
    std::size_t done = 0;
    if (auto played = servers.play(events, [&] { bar.show(++done); }); !played) return played;
    if (auto closed = servers.close(players); !closed) return closed;
    report.game = servers.tally();
    report.add(servers.stores());
  }
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  report.after = stats_of(database);
  return success;
}

/// Compares the export with what was expected and says how it is, in words.
Result<bool> judge(const Options& options, const fs::path& evening, std::string& words) {
  const fs::path path = options.day / "expected.jsonl";
  if (!fs::exists(path)) {
    words = "is in " + evening.string() + "; there is nothing to compare it with";
    return true;
  }
  auto expected = open_to_read(path);
  if (!expected) return expected.error();
  auto have = open_to_read(evening);
  if (!have) return have.error();
  const auto wrong = differences(*expected, path.string(), *have, evening.string());
  if (!wrong) return wrong.error();
  for (std::size_t i = 0; i < (std::min)(wrong->size(), std::size_t{20}); ++i)
    std::cerr << (*wrong)[i] << '\n';
  words = wrong->empty() ? "is right, to the last coin"
                         : "is WRONG: " + std::to_string(wrong->size()) +
                               (wrong->size() == 1 ? " difference" : " differences");
  return wrong->empty();
}

/// Exports the evening and says whether it is right.
Result<bool> end_day(const Options& options, Database& database, std::string& words) {
  const fs::path evening = options.out / "evening.jsonl";
  std::ofstream file(evening, std::ios::binary);
  if (auto written = export_evening(database, file); !written)
    return in_file(evening, written.error());
  file.close();
  return judge(options, evening, words);
}

/// The day on processes that are killed.
Result<bool> run_crashes(const Options& options) {
  constexpr std::size_t kills = 10;
  if (auto cleared = clear_out(options.out); !cleared) return cleared.error();
  const std::string folder = (options.out / "day.save").string();
  Report report;
  std::vector<std::uint64_t> players;
  Result<std::vector<Event>> events;
  {
    Database database{File(folder)};
    if (auto open = database.status(); !open) return open.error();
    events = prepare(options, database, report, players);
    if (!events) return events.error();
  }
  std::printf("\nA game day on a process that is killed %zu times\n\n", kills);
  CrashingDay crashes(folder, *events, players, options.seed);
  if (auto played = crashes.run(kills); !played) return played.error();
  Database database{File(folder)};
  if (auto open = database.status(); !open) return open.error();
  std::string words;
  auto right = end_day(options, database, words);
  if (right)
    std::printf("\n  %s saves were acknowledged, and none is missing\n  The evening %s\n",
                grouped(crashes.acknowledgements()).c_str(), words.c_str());
  return right;
}

Result<Database> open_database(const Options& options, persist::testing::ManualClock& clock) {
  if (options.store.empty()) {
    auto file = File::open((options.out / "day.save").string(), {.clock = &clock});
    return file ? Result<Database>(Database(*std::move(file))) : file.error();
  }
  const auto uri = persist::backend::Uri::read(options.store);
  return uri ? persistctl::open_uri<Database>(*uri, &clock) : Result<Database>(uri.error());
}

/// Whether the evening is right.
Result<bool> run(const Options& options) {
  if (auto cleared = clear_out(options.out); !cleared) return cleared.error();
  persist::testing::ManualClock clock;
  auto opened = open_database(options, clock);
  if (!opened) return opened.error();
  Database& database = *opened;
  Report report;
  std::vector<std::uint64_t> players;
  const auto events = prepare(options, database, report, players);
  if (!events) return events.error();
  if (auto played = play(*events, players, database, clock, report); !played)
    return in_file(options.day / "day.csv", played.error());

  std::string words;
  auto right = end_day(options, database, words);
  if (right) print(report, words);
  return right;
}

}  // namespace

int main(int count, char** words) {
  if (count == 2 &&
      (words[1] == std::string_view("--help") || words[1] == std::string_view("-h"))) {
    std::cout << usage;
    return 0;
  }
  const auto options = read_options(count, words);
  if (!options) {
    std::cerr << "day: " << options.error().detail() << "\n\n" << usage;
    return 2;
  }
  const auto right = options->crashes ? run_crashes(*options) : run(*options);
  if (!right) std::cerr << "day: " << right.error() << '\n';
  return right && *right ? 0 : 1;
}
