#pragma once

#include "profiles.hpp"
#include "servers.hpp"

#include <persist/backend/file.hpp>
#include <persist/testing/random.hpp>

#include <csignal>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <string>
#include <vector>
#include <sys/wait.h>
#include <unistd.h>

// The day on a process that is killed again and again, and goes on each time where the records are.

namespace day {

/// What a server process tells its parent through a pipe; one write of this size is whole.
struct News {
  std::uint64_t player = 0;  ///< whose save was acknowledged; 0: so many events were played
  std::uint64_t line = 0;    ///< of the last event in it
};

inline Result<std::size_t> line_beside(const persist::Value& metadata) {
  const persist::Value* line = metadata.is_map() ? metadata.find("day_line") : nullptr;
  if (line == nullptr) return std::size_t{0};
  const auto number = line->as<std::uint64_t>();
  return number ? Result<std::size_t>(static_cast<std::size_t>(*number)) : number.error();
}

/// The lines that the records of a database note.
template <class Players>
Result<typename Servers<persist::backend::File>::Lines> read_lines(
    Players& store, const std::vector<std::uint64_t>& players) {
  typename Servers<persist::backend::File>::Lines lines;
  for (const std::uint64_t player : players) {
    const auto record = store.peek(player);
    if (!record) return record.error();
    const auto line = line_beside(record->metadata);
    if (!line) return line.error();
    lines[player] = *line;
  }
  return lines;
}

/// The process that is killed: opens the folder, goes on with what no record has, and in the end
/// closes the evening. Says what was acknowledged, and how far it is.
class CrashingServers {
 public:
  CrashingServers(const std::vector<Event>& day, const std::vector<std::uint64_t>& players,
                  int news)
      : day_(day), players_(players), news_(news) {}

  Result<void> run(const std::string& folder) {
    persist::testing::ManualClock clock;
    persist::backend::File database(folder, {.clock = &clock});
    Servers<persist::backend::File> servers(database, clock);
    if (auto open = servers.status(); !open) return open;
    auto lines = read_lines(servers.stores()[0], players_);
    if (!lines) return lines.error();
    const std::size_t from = first_missing(*lines);
    servers.note_lines(*std::move(lines));
    listen(servers);
    if (auto on = servers.go_on(day_, from); !on) return on;
    std::size_t at = from;
    const auto progress = [&] { tell({0, ++at}); };
    if (auto played = servers.play(std::span(day_).subspan(from), progress); !played) return played;
    return servers.close(players_);
  }

 private:
  template <class Lines>
  [[nodiscard]] std::size_t first_missing(const Lines& lines) const {
    std::size_t at = 0;
    for (; at < day_.size(); ++at) {
      const Event& event = day_[at];
      const bool moves =
          std::holds_alternative<Join>(event.what) || std::holds_alternative<Leave>(event.what);
      if (!moves && event.line > lines.at(event.player)) break;
    }
    return at;
  }
  void listen(Servers<persist::backend::File>& servers) {
    for (auto& store : servers.stores()) {
      connections_.push_back(store.on_saving([&](auto& session, PlayerData&, persist::Reason) {
        going_[session.instance_id()] = servers.line_of(session.key());
      }));
      connections_.push_back(store.on_saved([this](auto& session, const auto& saved) {
        const auto going = going_.find(session.instance_id());
        if (saved && going != going_.end()) tell({session.key(), going->second});
      }));
    }
  }
  void tell(const News& news) const {
    if (write(news_, &news, sizeof news) != sizeof news) _exit(3);
  }

  const std::vector<Event>& day_;
  const std::vector<std::uint64_t>& players_;
  int news_;
  std::unordered_map<std::string, std::size_t> going_;
  std::vector<persist::Connection> connections_;
};

/// Plays the day on processes that are killed, and checks each time that nothing is missing that
/// was acknowledged.
class CrashingDay {
 public:
  CrashingDay(std::string folder, const std::vector<Event>& day,
              const std::vector<std::uint64_t>& players, std::uint64_t seed)
      : folder_(std::move(folder)), day_(day), players_(players), random_(seed) {}

  /// Kills so many times, each time somewhere in another part of the day.
  Result<void> run(std::size_t kills) {
    for (std::size_t kill = 0; kill <= kills; ++kill) {
      const std::size_t part = day_.size() / (kills + 1);
      const std::size_t until =
          kill == kills ? 0 : (kill + 1) * part - static_cast<std::size_t>(random_.below(part / 2));
      if (auto played = one_process(until); !played) return played;
      if (auto whole = nothing_is_missing(); !whole) return whole;
    }
    return success;
  }

 private:
  /// A process that is killed when so many events were played, a few acknowledgements later; 0: it
  /// ends by itself.
  Result<void> one_process(std::size_t until) {
    int ends[2];
    if (pipe(ends) != 0) return Error(Errc::io, "there is no pipe").with_os(errno);
    const pid_t child = fork();
    if (child < 0) return Error(Errc::io, "there is no process").with_os(errno);
    if (child == 0) {
      close(ends[0]);
      const auto done = CrashingServers(day_, players_, ends[1]).run(folder_);
      if (!done) std::fprintf(stderr, "day: %s\n", done.error().message().c_str());
      _exit(done ? 0 : 1);
    }
    close(ends[1]);
    listen(ends[0], until, child);
    close(ends[0]);
    int status = 0;
    if (waitpid(child, &status, 0) != child) return Error(Errc::io, "a process is lost");
    const bool was_killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    if (until != 0 ? was_killed : status == 0) return success;
    return Error(Errc::io, until != 0 ? "the process ended before it was killed"
                                      : "the last process did not end well");
  }
  void listen(int news, std::size_t until, pid_t child) {
    std::uint64_t played = 0, left = until == 0 ? 0 : random_.below(20);
    bool is_killed = until == 0;
    for (News heard; read(news, &heard, sizeof heard) == sizeof heard;) {
      if (heard.player == 0) {
        played = heard.line;
      } else {
        std::uint64_t& known = acknowledged_[heard.player];
        known = (std::max)(known, heard.line);
        ++acknowledgements_;
      }
      if (is_killed || played < until || left-- != 0) continue;
      kill(child, SIGKILL);
      is_killed = true;
    }
    if (until != 0)
      std::printf("  killed after event %llu\n", static_cast<unsigned long long>(played));
  }
  /// Opens the folder as the next process will.
  Result<void> nothing_is_missing() {
    persist::backend::File database(folder_);
    persist::Store<PlayerKey, PlayerSave, persist::backend::File> store("PlayerData", database);
    if (auto open = store.status(); !open) return open;
    const auto lines = read_lines(store, players_);
    if (!lines) return lines.error();
    for (const auto& [player, line] : acknowledged_)
      if (lines->at(player) < line)
        return Error(Errc::io, "player " + std::to_string(player) + " lost line " +
                                   std::to_string(line) + ", which was acknowledged; there is " +
                                   std::to_string(lines->at(player)));
    return success;
  }

 public:
  [[nodiscard]] std::size_t acknowledgements() const noexcept { return acknowledgements_; }

 private:
  std::string folder_;
  const std::vector<Event>& day_;
  const std::vector<std::uint64_t>& players_;
  persist::testing::Random random_;
  std::map<std::uint64_t, std::uint64_t> acknowledged_;  ///< the line, by player
  std::size_t acknowledgements_ = 0;
};

}  // namespace day
