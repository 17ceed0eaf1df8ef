#pragma once

#include "servers.hpp"

#include <persist/backend/file.hpp>

#include <chrono>
#include <cstdio>
#include <iostream>
#include <optional>

// What a person is shown: a bar while the day is played, a table when it is over.

namespace day {

/// A bar on one line of a terminal; nothing where nobody looks.
class ProgressBar {
 public:
  ProgressBar(std::size_t whole, bool visible) : whole_(whole), visible_(visible && whole != 0) {}
  ~ProgressBar() {
    if (visible_) std::fprintf(stderr, "\r%*s\r", width + 8, "");
  }
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  void show(std::size_t done) {
    const int percent = static_cast<int>(100 * done / (std::max)(whole_, std::size_t{1}));
    if (!visible_ || percent == percent_) return;
    percent_ = percent;
    const std::string bar(static_cast<std::size_t>(width * percent / 100), '#');
    std::fprintf(stderr, "\r[%-*s] %3d %%", width, bar.c_str(), percent);
  }

 private:
  static constexpr int width = 60;
  std::size_t whole_;
  bool visible_;
  int percent_ = -1;
};

/// 1234567 as 1,234,567.
inline std::string grouped(std::uint64_t number) {
  std::string text = std::to_string(number);
  for (std::size_t at = text.size(); at > 3; at -= 3)
    text.insert(at - 3, 1, ',');
  return text;
}

inline std::string fixed(double number, int digits) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", digits, number);
  return text;
}

/// All that was counted, of the four servers and of the database under them.
struct Report {
  std::size_t players = 0;
  double seconds = 0;  // of playing, the evening included
  Tally game;
  persist::Metrics stores;
  // Of a folder: the import and the day; only the day counts.
  std::optional<persist::backend::FileStats> before, after;

  template <class Stores>
  void add(Stores& all) {
    for (auto& store : all) {
      const persist::Metrics& from = store.metrics();
      stores.loads += from.loads;
      stores.saves += from.saves;
      stores.saves_failed += from.saves_failed;
      stores.handovers += from.handovers;
      stores.messages_sent += from.messages_sent;
      stores.messages_handled += from.messages_handled;
      stores.transactions += from.transactions;
      stores.grants_repeated += from.grants_repeated;
    }
  }
};

inline void print_row(const char* what, const std::string& number, const std::string& more) {
  std::printf("  %-12s %12s%s%s\n", what, number.c_str(), more.empty() ? "" : "   ", more.c_str());
}

inline double per(double amount, std::uint64_t of) {
  return of == 0 ? 0.0 : amount / static_cast<double>(of);
}

inline void print(const Report& report, const std::string& evening) {
  const persist::Metrics& stores = report.stores;
  const double rate =
      report.seconds > 0 ? static_cast<double>(report.game.events) / report.seconds : 0.0;
  const bool counts = report.before && report.after;
  const auto syncs = counts ? report.after->syncs - report.before->syncs : 0;
  std::printf("\nA game day on four servers\n\n");
  print_row("players", grouped(report.players), "");
  print_row("events", grouped(report.game.events),
            fixed(report.seconds, 1) + " s, " + grouped(static_cast<std::uint64_t>(rate)) +
                " a second; " + grouped(report.game.waited) + " waited for a load");
  print_row("loads", grouped(stores.loads), "");
  print_row("handovers", grouped(stores.handovers), "to a server that asked");
  print_row(
      "saves", grouped(stores.saves),
      (counts ? fixed(per(static_cast<double>(stores.saves), syncs), 2) + " to a sync; " : "") +
          grouped(stores.saves_failed) + " failed");
  if (counts) {
    const auto sync_time = report.after->sync_time - report.before->sync_time;
    const double sync_ms = std::chrono::duration<double, std::milli>(sync_time).count();
    print_row("syncs", grouped(syncs),
              fixed(sync_ms / 1000, 1) + " s, " + fixed(per(sync_ms, syncs), 2) + " ms each");
  }
  print_row("messages", grouped(stores.messages_sent),
            grouped(stores.messages_handled) + " taken in, with those that waited in the morning");
  print_row("trades", grouped(stores.transactions), "");
  print_row("purchases", grouped(report.game.purchases - stores.grants_repeated),
            grouped(stores.grants_repeated) + " repeats refused");
  print_row("refused", grouped(report.game.refused_by_rules), "by the rules of the game");
  if (counts)
    print_row("on disk", grouped(report.after->bytes),
              "bytes, " + grouped(report.after->live_bytes) + " of them in use");
  std::printf("\n  The evening %s\n", evening.c_str());
}

}  // namespace day
