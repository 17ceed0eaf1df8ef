#pragma once

#include "trace.hpp"

#include <persist/testing/manual_clock.hpp>

#include <array>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

// The four servers of the game in one process: a store each, one database under all of them, one
// thread that drives them, and time that the trace moves.

namespace day {

using namespace std::chrono_literals;

/// What the game did, beside what the stores count themselves.
struct Tally {
  std::uint64_t events = 0;
  std::uint64_t waited = 0;  ///< for a load, their own or a partner's
  std::uint64_t gifts = 0;
  std::uint64_t purchases = 0;         ///< questions of the shop, repeats among them
  std::uint64_t refused_by_rules = 0;  ///< could not be paid, or had nothing to sell
  std::uint64_t let_go_early = 0;      ///< leaves of a session that another server had by then
};

template <class Backend>
class Servers {
 public:
  using Players = persist::Store<PlayerKey, PlayerSave, Backend>;
  using Session = typename Players::Session;
  using Loading = typename Players::Loading;

  /// `clock` is also the database's.
  Servers(Backend database, persist::testing::ManualClock& clock)
      : clock_(clock),
        midnight_(clock.now()),
        next_poll_(midnight_),
        stores_{open(database, 0), open(database, 1), open(database, 2), open(database, 3)} {
    for (Players& players : stores_)
      players.on_message([](PlayerData& data, const Gift& gift) { return receive(data, gift); });
  }

  [[nodiscard]] Result<void> status() const {
    for (const Players& players : stores_)
      if (auto opened = players.status(); !opened) return opened;
    return success;
  }

  /// By player: the line of the last event that is in his record.
  using Lines = std::unordered_map<std::uint64_t, std::size_t>;

  /// From now on each record notes the line of its last event beside its data, in the same commit.
  /// Events up to those in `noted` are in the records already.
  void note_lines(Lines noted) { noted_ = std::move(noted); }
  [[nodiscard]] std::size_t line_of(std::uint64_t player) const {
    const auto found = noted_ ? noted_->find(player) : Lines::const_iterator();
    return noted_ && found != noted_->end() ? found->second : 0;
  }
  /// Goes on with a day of which the first `from` events were played by servers that died: whoever
  /// was there joins again.
  Result<void> go_on(std::span<const Event> day, std::size_t from) {
    std::map<std::uint64_t, const Event*> there;
    for (const Event& event : day.first(from)) {
      if (std::holds_alternative<Join>(event.what)) there[event.player] = &event;
      if (std::holds_alternative<Leave>(event.what) && there.count(event.player) != 0 &&
          there[event.player]->server == event.server)
        there.erase(event.player);
    }
    if (from < day.size()) clock_.advance(midnight_ + day[from].at - clock_.now());
    for (const auto& [player, join] : there)
      if (auto joined = play_one(*join, Join{}); !joined) return joined;
    return poll();
  }

  /// Plays all events. An error says at which line; what a rule of the game refuses is none.
  Result<void> play(std::span<const Event> day, const std::function<void()>& progress = {}) {
    for (const Event& event : day) {
      if (auto moved = advance_to(midnight_ + event.at); !moved) return moved;
      waiting_.push_back({&event});
      if (auto played = carry_on(); !played) return played;
      if (progress) progress();
    }
    while (!waiting_.empty() || !loading_.empty())  // a load ends, well or badly, by its deadline
      if (auto moved = advance_to(clock_.now() + 1s); !moved) return moved;
    return success;
  }

  /// The evening: everybody leaves, then each record is opened once more, so that waiting gifts are
  /// taken in.
  Result<void> close(const std::vector<std::uint64_t>& players) {
    for (Players& store : stores_)
      if (const std::size_t left = store.close_all(60s); left != 0)
        return Error(Errc::io,
                     std::to_string(left) + " sessions could not be saved in the evening");
    here_.clear();
    std::vector<Loading> loads;
    for (std::size_t i = 0; i < players.size(); ++i)
      loads.push_back(stores_[i % stores_.size()].begin_load(players[i]));
    poll_until([&] { return std::all_of(loads.begin(), loads.end(), is_ready); });
    std::vector<Session> sessions;
    for (Loading& load : loads) {
      auto session = load.take();
      if (!session) return session.error();
      if (auto asked = session->request_release(); !asked) return asked;
      sessions.push_back(*std::move(session));
    }
    poll_until([&] { return std::none_of(sessions.begin(), sessions.end(), is_active); });
    for (const Session& session : sessions)
      if (session.state() != persist::State::released)
        return Error(Errc::io, "could not be saved in the evening").for_key(session.id());
    return success;
  }

  [[nodiscard]] const Tally& tally() const { return tally_; }
  [[nodiscard]] std::array<Players, 4>& stores() { return stores_; }

 private:
  /// One player's sessions: more than one while he moves from server to server.
  struct Player {
    std::array<std::optional<Session>, server_names.size()> sessions;
    std::optional<Loading> loading;
    const Event* join = nullptr;  // of that load
  };
  struct Waiting {
    const Event* event;
    bool counted = false;
  };

  /// Saves every five minutes, as the game did before: what cannot wait (trades, purchases, a
  /// leave) is saved at once. A renewal that is due on changed data is a save too, so it comes no
  /// more often, and a lease is long enough to miss one.
  [[nodiscard]] Players open(Backend& database, std::size_t server) {
    return Players("PlayerData", database,
                   {.server_id = std::string(server_names[server]),
                    .autosave = 5min,
                    .lease = 11min,
                    .renew = 5min,
                    .begin_deadline = 12min,
                    .clock = &clock_});
  }
  static Error at_line(const Event& event, const Error& error) {
    return Error(error.code(), "line " + std::to_string(event.line) + ": " + error.message());
  }

  /// Moves time on and polls at each whole second at which something is due; at each at all while
  /// a load waits.
  Result<void> advance_to(persist::TimePoint when) {
    while (true) {
      const auto due = loading_.empty() ? (std::max)(next_poll_, clock_.now()) : clock_.now() + 1ns;
      if (due > when) break;
      const auto second = midnight_ + std::chrono::ceil<std::chrono::seconds>(due - midnight_);
      if (second > when) break;
      clock_.advance(second - clock_.now());
      if (auto done = poll_and_carry_on(); !done) return done;
    }
    clock_.advance(when - clock_.now());
    return loading_.empty() ? Result<void>(success) : poll_and_carry_on();
  }

  /// All four servers in one call: what is due on any of them shares one write and one sync.
  persist::TimePoint poll_all() {
    return persist::poll(stores_[0], stores_[1], stores_[2], stores_[3]);
  }
  /// Polls, and takes the loads that are done.
  Result<void> poll() {
    next_poll_ = poll_all();
    if (next_poll_ <= clock_.now()) next_poll_ = clock_.now() + 1ns;
    std::vector<std::uint64_t> still_loading;
    for (const std::uint64_t id : loading_) {
      Player& player = here_[id];
      if (!player.loading->ready()) {
        still_loading.push_back(id);
        continue;
      }
      auto session = player.loading->take();
      player.loading.reset();
      if (!session) return at_line(*player.join, session.error());
      player.sessions[player.join->server].emplace(*std::move(session));
    }
    loading_ = std::move(still_loading);
    return success;
  }
  Result<void> poll_and_carry_on() {
    auto polled = poll();
    return polled ? carry_on() : polled;
  }

  /// Plays what waits, in order, but for what must go on waiting: for a player whose load is not
  /// done, or behind an earlier event that waits and names one of its players.
  Result<void> carry_on() {
    bool moved = true;
    while (moved) {  // each join and leave is polled, and that may end loads
      moved = false;
      std::unordered_set<std::uint64_t> held_up;
      std::deque<Waiting> left;
      for (Waiting& waiting : std::exchange(waiting_, {})) {
        const Event& event = *waiting.event;
        if (must_wait(event, held_up)) {
          held_up.insert(event.player);
          if (const auto partner = event.partner()) held_up.insert(*partner);
          if (!std::exchange(waiting.counted, true)) ++tally_.waited;
          left.push_back(waiting);
          continue;
        }
        ++tally_.events;
        if (auto played = play_now(event); !played && !played.is(Errc::refused))
          return at_line(event, played.error());
        else if (!played)
          ++tally_.refused_by_rules;
        moved = moved || std::holds_alternative<Join>(event.what) ||
                std::holds_alternative<Leave>(event.what);
      }
      waiting_ = std::move(left);
      if (!moved) break;
      if (auto polled = poll(); !polled) return polled;
    }
    next_poll_ = (std::min)(next_poll_, clock_.now() + 1ns);  // what was changed is to be noticed
    return success;
  }

  static bool is_ready(const Loading& load) { return load.ready(); }
  static bool is_active(const Session& session) { return session.is_active(); }
  /// For as long as a load that was begun may take.
  template <class Done>
  void poll_until(Done done) {
    const auto limit = clock_.now() + 13min;
    for (poll_all(); !done() && clock_.now() < limit; poll_all())
      clock_.advance(1s);
  }

  [[nodiscard]] bool must_wait(const Event& event,
                               const std::unordered_set<std::uint64_t>& held_up) const {
    const auto waits = [&](std::uint64_t id) {
      const auto found = here_.find(id);
      return held_up.count(id) != 0 || (found != here_.end() && found->second.loading);
    };
    const auto partner = event.partner();
    return waits(event.player) || (partner && waits(*partner));
  }

  Result<void> play_now(const Event& event) {
    const bool moves =
        std::holds_alternative<Join>(event.what) || std::holds_alternative<Leave>(event.what);
    if (noted_ && !moves && is_in_the_records(event)) return success;
    auto played = std::visit([&](const auto& what) { return play_one(event, what); }, event.what);
    if (!noted_ || moves || (!played && !played.is(Errc::refused))) return played;
    auto noted = note_line(event);
    return noted ? played : noted;
  }
  /// A trade is in both records or in none; where it is behind the line of one, it was refused.
  [[nodiscard]] bool is_in_the_records(const Event& event) const {
    const Trade* trade = std::get_if<Trade>(&event.what);
    return event.line <= line_of(event.player) ||
           (trade != nullptr && event.line <= line_of(trade->with));
  }
  /// Rides in the commit of what the event changed, because nothing is saved in between. Inside a
  /// trade it belongs to that, and is saved with it or not at all.
  Result<void> note_line(const Event& event) {
    const Trade* trade = std::get_if<Trade>(&event.what);
    for (const std::uint64_t player : {event.player, trade != nullptr ? trade->with : 0}) {
      if (player == 0 || line_of(player) >= event.line) continue;
      auto session = session_of(event, player);
      if (!session) return session.error();
      auto beside = session->metadata();
      if (!beside) return beside.error();
      if (!beside->is_map()) *beside = persist::Value::map();
      (*beside)["day_line"] = persist::Value(static_cast<std::int64_t>(event.line));
      if (auto set = session->set_metadata(*beside); !set) return set;
      (*noted_)[player] = event.line;
    }
    return success;
  }

  /// The session that the event is about. The trace was checked, so `closed` means that somebody
  /// has it who should not.
  Result<Session> session_of(const Event& event, std::uint64_t player) {
    const auto& session = here_[player].sessions[event.server];
    if (!session || !session->is_active())
      return Error(Errc::closed, "the session has ended").for_key(std::to_string(player));
    return *session;
  }
  /// One rule on one player's data.
  template <class Rule>
  Result<void> change(const Event& event, Rule&& rule) {
    auto session = session_of(event, event.player);
    if (!session) return session.error();
    return session->edit(rule);
  }

  Result<void> play_one(const Event& event, const Join&) {
    Player& player = here_[event.player];
    player.sessions[event.server].reset();
    player.loading.emplace(stores_[event.server].begin_load(event.player));
    player.join = &event;
    loading_.push_back(event.player);
    return success;
  }
  Result<void> play_one(const Event& event, const Leave&) {
    auto session = std::exchange(here_[event.player].sessions[event.server], std::nullopt);
    if (session && session->is_active()) return session->request_release();
    ++tally_.let_go_early;
    return success;
  }
  Result<void> play_one(const Event& event, const Earn& what) {
    return change(event, [&](PlayerData& data) { return earn(data, what.coins, what.xp); });
  }
  Result<void> play_one(const Event& event, const Buy& what) {
    return change(event,
                  [&](PlayerData& data) { return buy(data, what.item, what.name, what.price); });
  }
  Result<void> play_one(const Event& event, const LevelUp&) {
    return change(event, [](PlayerData& data) { return level_up(data); });
  }
  /// The coins go and the gift is sent in one commit: nobody sees the one without the other.
  Result<void> play_one(const Event& event, const Give& what) {
    auto session = session_of(event, event.player);
    if (!session) return session.error();
    ++tally_.gifts;
    return session->edit([&](PlayerData& data) -> Result<void> {
      if (auto paid = spend(data, what.coins); !paid) return paid;
      auto sent = session->send(what.to, Gift{what.coins, event.player});
      if (!sent) data.coins += what.coins;
      return sent;
    });
  }
  Result<void> play_one(const Event& event, const Trade& what) {
    auto buyer = session_of(event, event.player);
    auto seller = session_of(event, what.with);
    if (!buyer) return buyer.error();
    if (!seller) return seller.error();
    const auto done = stores_[event.server].transact(
        *buyer, *seller, [&](PlayerData& buying, PlayerData& selling) -> Result<void> {
          auto traded = trade(buying, selling, what.item, what.name, what.price);
          return traded && noted_ ? note_line(event) : traded;
        });
    return done ? Result<void>(success) : Result<void>(done.error());
  }
  /// The shop is told yes when the receipt is durable: until then it asks again.
  Result<void> play_one(const Event& event, const Purchase& what) {
    auto session = session_of(event, event.player);
    if (!session) return session.error();
    ++tally_.purchases;
    const auto granted = session->grant_once(
        what.receipt, [&](PlayerData& data) { return deliver(data, what.product); });
    if (!granted) return granted.error();
    return *granted == persist::Grant::pending ? session->request_save() : Result<void>(success);
  }

  persist::testing::ManualClock& clock_;
  persist::TimePoint midnight_;
  persist::TimePoint next_poll_;  // when the stores want to be called
  std::array<Players, 4> stores_;
  std::unordered_map<std::uint64_t, Player> here_;
  std::vector<std::uint64_t> loading_;  // players whose load is under way
  std::deque<Waiting> waiting_;         // events that cannot be played yet, in order
  Tally tally_;
  std::optional<Lines> noted_;
};

}  // namespace day
