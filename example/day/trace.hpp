#pragma once

#include "game.hpp"

#include <array>
#include <charconv>
#include <cstddef>
#include <istream>
#include <optional>
#include <unordered_map>
#include <unordered_set>

// What happened on a day, read from a CSV file that may hold anything: every line is checked before
// the first one is played.

namespace day {

inline constexpr std::array<std::string_view, 4> server_names = {"eu-1", "eu-2", "us-1", "ap-1"};

struct Join {};
struct Leave {};
struct Earn {
  std::int64_t coins, xp;
};
struct Buy {
  std::uint32_t item;
  std::string name;
  std::int64_t price;
};
struct LevelUp {};
struct Give {
  std::uint64_t to;
  std::int64_t coins;
};
struct Trade {
  std::uint64_t with;
  std::uint32_t item;
  std::string name;
  std::int64_t price;
};
struct Purchase {
  std::string receipt, product;
};

struct Event {
  std::size_t line = 0;
  std::chrono::milliseconds at{};  // since midnight
  std::size_t server = 0;          // in server_names
  std::uint64_t player = 0;
  std::variant<Join, Leave, Earn, Buy, LevelUp, Give, Trade, Purchase> what;

  /// The other player that it names.
  [[nodiscard]] std::optional<std::uint64_t> partner() const {
    if (const Give* gift = std::get_if<Give>(&what)) return gift->to;
    if (const Trade* trade = std::get_if<Trade>(&what)) return trade->with;
    return std::nullopt;
  }
};

/// One line's fields, taken from left to right. The first one that does not fit is named.
class Fields {
 public:
  explicit Fields(std::string_view line) {
    while (true) {
      const std::size_t comma = line.find(',');
      if (count_ < fields_.size()) fields_[count_] = line.substr(0, comma);
      ++count_;
      if (comma == std::string_view::npos) break;
      line.remove_prefix(comma + 1);
    }
    if (count_ != fields_.size())
      fail("has " + std::to_string(count_) + " fields and not " + std::to_string(fields_.size()));
  }

  template <class T = std::int64_t>
  T number(std::string_view name, std::uint64_t limit = most) {
    const std::string_view text = next();
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || error != std::errc() || end != text.data() + text.size() || value > limit)
      fail(std::string(name) + " is no number up to " + std::to_string(limit));
    return static_cast<T>(value);
  }
  std::uint64_t player() {
    return number<std::uint64_t>("a player", (std::numeric_limits<std::uint64_t>::max)());
  }
  std::uint32_t item() {
    return number<std::uint32_t>("an item's id", (std::numeric_limits<std::uint32_t>::max)());
  }
  /// A short text in printable ASCII.
  std::string text(std::string_view name) {
    const std::string_view text = next();
    const auto plain = [](char c) { return c >= ' ' && c <= '~'; };
    if (text.empty() || text.size() > 100 || !std::all_of(text.begin(), text.end(), plain))
      fail(std::string(name) + " is no text of 1 to 100 plain letters");
    return std::string(text);
  }
  std::string_view next() { return at_ < fields_.size() ? fields_[at_++] : std::string_view(); }
  void expect_end() {
    while (at_ < fields_.size())
      if (!next().empty()) fail("has more arguments than its op takes");
  }
  void fail(std::string why) {
    if (why_.empty()) why_ = std::move(why);
  }
  /// What is wrong with the line; empty: nothing.
  [[nodiscard]] const std::string& why() const { return why_; }

 private:
  std::array<std::string_view, 8> fields_{};
  std::size_t count_ = 0;
  std::size_t at_ = 0;
  std::string why_;
};

/// Reads one line; what is wrong with it is left in `fields`. The members of each aggregate are
/// read in their order.
inline Event read_event(Fields& fields) {
  Event event;
  event.at = std::chrono::milliseconds(fields.number("the time", 1'000'000'000));
  const auto server = std::find(server_names.begin(), server_names.end(), fields.next());
  if (server == server_names.end()) fields.fail("names a server that does not exist");
  event.server = static_cast<std::size_t>(server - server_names.begin());
  event.player = fields.player();

  const std::string_view op = fields.next();
  if (op == "join") {
    event.what = Join{};
  } else if (op == "leave") {
    event.what = Leave{};
  } else if (op == "earn") {
    event.what = Earn{fields.number("coins"), fields.number("xp")};
  } else if (op == "buy") {
    event.what = Buy{fields.item(), fields.text("an item's name"), fields.number("the price")};
  } else if (op == "level_up") {
    event.what = LevelUp{};
  } else if (op == "gift") {
    event.what = Give{fields.player(), fields.number("coins")};
  } else if (op == "trade") {
    event.what = Trade{fields.player(), fields.item(), fields.text("an item's name"),
                       fields.number("the price")};
  } else if (op == "purchase") {
    event.what = Purchase{fields.text("a receipt"), fields.text("a product")};
  } else {
    fields.fail("has an op that does not exist");
  }
  fields.expect_end();
  return event;
}

/// Who is where, while the lines are checked.
class Attendance {
 public:
  explicit Attendance(const std::vector<std::uint64_t>& players)
      : players_(players.begin(), players.end()) {}

  /// What is wrong with the event where it stands; empty: nothing.
  std::string check(const Event& event) {
    if (players_.count(event.player) == 0) return unknown(event.player);
    Whereabouts& who = where_[event.player];
    if (std::holds_alternative<Join>(event.what)) {
      if (who.joined[event.server]) return "joins a server that the player has not left";
      who.joined[event.server] = true;
      who.plays_on = event.server;
      return {};
    }
    if (!who.joined[event.server]) return "happens on a server that the player is not on";
    if (std::holds_alternative<Leave>(event.what)) {
      who.joined[event.server] = false;
      if (who.plays_on == event.server) who.plays_on = nowhere;
      return {};
    }
    if (who.plays_on != event.server) return "happens on a server that the player has moved from";
    return check_partner(event);
  }

 private:
  static constexpr std::size_t nowhere = server_names.size();
  struct Whereabouts {
    std::array<bool, server_names.size()> joined{};
    std::size_t plays_on = nowhere;  // where he joined last
  };

  static std::string unknown(std::uint64_t player) {
    return "names a player that nobody knows: " + std::to_string(player);
  }
  std::string check_partner(const Event& event) {
    const auto partner = event.partner();
    if (!partner) return {};
    if (players_.count(*partner) == 0) return unknown(*partner);
    if (!std::holds_alternative<Trade>(event.what)) return {};
    if (*partner == event.player) return "has a player trade with himself";
    if (where_[*partner].plays_on != event.server) return "trades with a player who is not there";
    return {};
  }

  std::unordered_set<std::uint64_t> players_;
  std::unordered_map<std::uint64_t, Whereabouts> where_;
};

/// The whole day, or the first line that is wrong, with its number and why: then nothing of it is
/// to be played.
inline Result<std::vector<Event>> read_trace(std::istream& from,
                                             const std::vector<std::uint64_t>& players) {
  constexpr std::string_view header = "time_ms,server,player,op,a,b,c,d";
  std::vector<Event> day;
  Attendance attendance(players);
  std::string text;
  bool has_header = false;
  const auto broken = [](std::size_t line, const std::string& why) {
    return Error(Errc::invalid, "line " + std::to_string(line) + " " + why);
  };
  for (std::size_t line = 1; std::getline(from, text); ++line) {
    if (!text.empty() && text.back() == '\r') text.pop_back();
    if (!has_header) {
      if (text != header) break;
      has_header = true;
      continue;
    }
    Fields fields(text);
    Event event = read_event(fields);
    if (!fields.why().empty()) return broken(line, fields.why());
    event.line = line;
    if (!day.empty() && event.at < day.back().at) return broken(line, "goes back in time");
    if (const std::string why = attendance.check(event); !why.empty()) return broken(line, why);
    day.push_back(std::move(event));
  }
  if (from.bad()) return Error(Errc::io, "the day could not be read to its end");
  if (!has_header) return broken(1, "is not the header " + std::string(header));
  return day;
}

}  // namespace day
