#include "evening.hpp"
#include "profiles.hpp"
#include "report.hpp"
#include "servers.hpp"

#include <filesystem>
#include <fstream>
#include <iostream>

#include <unistd.h>

// Imports the players of a day, plays the day on four servers over one database in a folder,
// exports the evening and says whether it is right.

namespace {

namespace fs = std::filesystem;
using namespace day;
using Database = persist::backend::File;

constexpr const char* usage =
    "usage: day [--day DIR] [--out DIR]\n\n"
    "  --day DIR   the day: profiles.jsonl, day.csv and, to compare with, expected.jsonl;\n"
    "              example/day/data if it is not given\n"
    "  --out DIR   for evening.jsonl and day.save, the database of the day; those of an earlier\n"
    "              day are removed; build/day if it is not given\n";

struct Options {
  fs::path day = "example/day/data";
  fs::path out = "build/day";
};

/// What is wrong with the command line is `invalid`.
Result<Options> read_options(int count, char** words) {
  Options options;
  for (int i = 1; i < count; i += 2) {
    const std::string_view word = words[i];
    if (word != "--day" && word != "--out")
      return Error(Errc::invalid, "there is no option " + std::string(word));
    if (i + 1 == count) return Error(Errc::invalid, std::string(word) + " needs a folder");
    (word == "--day" ? options.day : options.out) = words[i + 1];
  }
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

Result<void> play(const std::vector<Event>& events, const std::vector<std::uint64_t>& players,
                  Database& database, persist::testing::ManualClock& clock, Report& report) {
  report.before = database.stats();
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
  report.after = database.stats();
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

/// Whether the evening is right.
Result<bool> run(const Options& options) {
  if (auto cleared = clear_out(options.out); !cleared) return cleared.error();
  persist::testing::ManualClock clock;
  Database database((options.out / "day.save").string(), {.clock = &clock});
  if (auto open = database.status(); !open) return open.error();
  Report report;
  std::vector<std::uint64_t> players;
  const auto events = prepare(options, database, report, players);
  if (!events) return events.error();
  if (auto played = play(*events, players, database, clock, report); !played)
    return in_file(options.day / "day.csv", played.error());

  const fs::path evening = options.out / "evening.jsonl";
  std::ofstream file(evening, std::ios::binary);
  if (auto written = export_evening(database, file); !written)
    return in_file(evening, written.error());
  file.close();
  std::string words;
  auto right = judge(options, evening, words);
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
  const auto right = run(*options);
  if (!right) std::cerr << "day: " << right.error() << '\n';
  return right && *right ? 0 : 1;
}
