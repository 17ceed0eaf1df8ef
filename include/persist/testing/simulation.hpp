#pragma once

#include <persist/backend/memory.hpp>
#include <persist/codec/packed.hpp>
#include <persist/key/number.hpp>
#include <persist/lock/lease.hpp>
#include <persist/store.hpp>
#include <persist/testing/faulty.hpp>
#include <persist/testing/manual_clock.hpp>
#include <persist/testing/random.hpp>
#include <persist/testing/skewed_clock.hpp>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace persist::inline PERSIST_ABI::testing {

struct SimulationOptions {
  std::uint64_t seed = 1;
  std::size_t servers = 3;
  std::size_t players = 5;
  Duration length = std::chrono::minutes(20);  ///< of the evening; then all is mended and checked
  Faults faults{15, 15, 15, 15};
  bool keeps_history = false;  ///< a line for each thing that happens
};

/// What an evening came to.
struct SimulationReport {
  std::vector<std::string> violations;  ///< of a promise; empty is well
  std::string history;
  std::uint64_t digest = 0;  ///< of the history, kept or not: the same for the same seed
  std::size_t loads = 0, saves = 0, handovers = 0, lost = 0, crashes = 0, pauses = 0, cuts = 0;
};

/// An evening of a game, on several servers at once, from one seed on one thread: players join,
/// play, leave and hop, servers crash, stand still for longer than a lease and lose their line to
/// the database, replies get lost and requests arrive late and twice. The same seed is the same
/// evening.
///
/// `Game` is the game's own code:
///
/// * `Save`: its data policy;
/// * `begin(players)`: a server starts; connects handlers;
/// * `loaded(session, violations)`: somebody has joined;
/// * `play(players, session, others, random)`: does one thing that a player does; returns a word
///   for the history;
/// * `saving(session)`, `saved(session)`: a save is being made of what there is now, and has been
///   acknowledged;
/// * `end(records, violations)`: all is quiet; what the records of all players hold in the end.
template <class Game>
class Simulation {
 public:
  using Line = Faulty<backend::Memory>;
  using Players = Store<std::uint64_t, typename Game::Save, Line>;
  using Session = typename Players::Session;
  using Data = typename Players::DataType;
  using Records = std::map<std::uint64_t, Data>;

  explicit Simulation(Game& game, SimulationOptions options = {})
      : game_(game), options_(options), random_(options.seed) {
    for (std::size_t i = 0; i < options.servers; ++i)
      servers_.emplace_back(world_, random_);
    places_.resize(options.players);
  }

  SimulationReport run() {
    OpenStoreRequest open;
    open.name = "players";
    backend_.open_store(std::span(&open, 1));
    store_ = open.store;
    for (std::size_t i = 0; i < servers_.size(); ++i)
      start(i);
    const TimePoint end = world_.now() + options_.length;
    while (world_.now() < end)
      step();
    mend();
    settle(std::chrono::minutes(10));
    for (std::size_t player = 0; player < places_.size(); ++player)
      leave(player);
    settle(std::chrono::minutes(10));
    audit();
    report_.digest = digest_;
    return std::move(report_);
  }

 private:
  struct Server {
    Server(Clock& world, Random& random)
        : clock(world, static_cast<std::int64_t>(random.below(400)) - 200,
                std::chrono::hours(random.below(1000)),
                std::chrono::minutes(random.below(10'000))) {}
    SkewedClock clock;
    std::optional<Line> line;
    std::optional<Players> players;
    std::vector<Connection> connections;
    TimePoint still_until{};  ///< stands still, or is down
    TimePoint cut_until{};
  };
  /// Where a player is.
  struct Place {
    std::size_t server = 0;
    std::optional<typename Players::Loading> loading;
    std::optional<Session> session;
  };

  void start(std::size_t index) {
    Server& server = servers_[index];
    StoreOptions told;
    told.server_id = "server " + std::to_string(index) + "." + std::to_string(++starts_);
    told.clock = &server.clock;
    told.close_deadline = Duration::zero();
    told.log.sink = [this, index](LogLevel, std::string_view text) { note(index, "log", text); };
    server.line.emplace(backend_, stragglers_);
    server.players.emplace("players", *server.line, told);
    server.line->set_faults(is_mended_ ? Faults{} : options_.faults);
    Players& players = *server.players;
    game_.begin(players);
    server.connections.push_back(
        players.on_saving([this, index](Session& session, Data&, Reason reason) {
          note(index, "saving", session.id(), name(reason));
          game_.saving(session);
        }));
    server.connections.push_back(
        players.on_saved([this, index](Session& session, const Result<Saved>& saved) {
          note(index, saved ? "saved" : "not saved", session.id(),
               saved ? std::to_string(saved->version) : saved.error().message());
          if (!saved) return;
          ++report_.saves;
          game_.saved(session);
        }));
    server.connections.push_back(
        players.on_released([this, index](Session& session, Reason reason, bool was_saved) {
          note(index, was_saved ? "released" : "released unsaved", session.id(), name(reason));
          report_.handovers += reason == Reason::handover ? 1U : 0U;
          report_.lost += reason == Reason::lost ? 1U : 0U;
        }));
    note(index, "starts");
  }

  void step() {
    world_.advance(std::chrono::milliseconds(random_.between(20, 400)));
    stragglers_.arrive();
    const std::size_t index = static_cast<std::size_t>(random_.below(servers_.size()));
    Server& server = servers_[index];
    if (world_.now() < server.still_until) return;
    if (!server.players) start(index);
    if (server.line->is_cut() && world_.now() >= server.cut_until) {
      note(index, "is connected again");
      server.line->cut(false);
    }
    server.players->poll();
    if (!is_mended_) trouble(index);
    if (server.players && world_.now() >= server.still_until) play(index);
  }

  /// What happens to servers.
  void trouble(std::size_t index) {
    Server& server = servers_[index];
    const auto some_seconds = [&](std::uint64_t most) {
      return world_.now() + std::chrono::seconds(random_.between(1, most));
    };
    const std::uint64_t dice = random_.below(10'000);
    if (dice < 15) {
      ++report_.crashes;
      crash(index);
      server.still_until = some_seconds(180);
    } else if (dice < 40) {
      ++report_.pauses;
      note(index, "stands still");
      server.still_until = some_seconds(150);
    } else if (dice < 80 && !server.line->is_cut()) {
      ++report_.cuts;
      note(index, "is cut off");
      server.line->cut(true);
      server.cut_until = some_seconds(150);
    }
  }
  void crash(std::size_t index) {
    Server& server = servers_[index];
    note(index, "crashes");
    server.connections.clear();
    server.line->cut(true);
    for (Place& place : places_) {
      if (place.server != index) continue;
      place.loading.reset();
      place.session.reset();
    }
    is_crashing_ = true;
    server.players.reset();
    is_crashing_ = false;
  }

  void play(std::size_t index) {
    const std::size_t player = static_cast<std::size_t>(random_.below(places_.size()));
    Place& place = places_[player];
    if (place.loading) return finish_loading(player);
    if (!place.session) return random_.happens(200) ? join(player, index) : void();
    if (place.server != index) return;
    if (!place.session->is_active()) return place.session.reset();
    const std::uint64_t dice = random_.below(1000);
    if (dice < 20) return leave(player);
    if (dice < 40) {
      leave(player);
      return join(player, static_cast<std::size_t>(random_.below(servers_.size())));
    }
    std::vector<Session> others;
    for (Place& other : places_)
      if (&other != &place && other.session && other.server == index)
        others.push_back(*other.session);
    note(index, game_.play(*servers_[index].players, *place.session, others, random_),
         place.session->id());
  }
  void join(std::size_t player, std::size_t index) {
    Server& server = servers_[index];
    if (!server.players || world_.now() < server.still_until) return;
    places_[player].server = index;
    typename Players::LoadOptions how;
    if (random_.happens(100)) how.conflict = Conflict::steal;
    if (random_.happens(100)) how.conflict = Conflict::refuse;
    note(index, "joins", std::to_string(player));
    places_[player].loading.emplace(server.players->begin_load(player, how));
  }
  void finish_loading(std::size_t player) {
    Place& place = places_[player];
    if (world_.now() < servers_[place.server].still_until || !place.loading->ready()) return;
    auto loaded = place.loading->take();
    place.loading.reset();
    note(place.server, loaded ? "has joined" : "could not join", std::to_string(player),
         loaded ? "" : loaded.error().message());
    if (!loaded) return;
    ++report_.loads;
    place.session = *loaded;
    // Somebody may have stolen it meanwhile, or this server stood still: then it will be lost.
    if (!holds(*place.session)) return note(place.server, "has it no more", place.session->id());
    const std::size_t known = report_.violations.size();
    game_.loaded(*place.session, report_.violations);
    if (report_.violations.size() != known)
      note(place.server, "VIOLATION", report_.violations.back());
  }
  /// Whether what the session writes would be accepted now.
  bool holds(const Session& session) {
    ReadRequest read;
    read.store = store_, read.key = session.id(), read.wants_data = false;
    backend_.read(std::span(&read, 1));
    return read.record.fence.epoch == session.epoch();
  }
  void leave(std::size_t player) {
    Place& place = places_[player];
    place.loading.reset();
    if (!place.session) return;
    note(place.server, "leaves", place.session->id());
    (void)place.session->request_release();
    place.session.reset();
  }

  /// Nothing goes wrong any more, and what was on its way has arrived.
  void mend() {
    is_mended_ = true;
    stragglers_.arrive_all();
    for (Server& server : servers_) {
      server.still_until = server.cut_until = {};
      if (server.line) server.line->set_faults({});
    }
  }
  void settle(Duration time) {
    for (const TimePoint end = world_.now() + time; world_.now() < end;) {
      world_.advance(std::chrono::seconds(1));
      stragglers_.arrive();
      for (std::size_t i = 0; i < servers_.size(); ++i) {
        if (!servers_[i].players) start(i);
        servers_[i].line->cut(false);
        servers_[i].players->poll();
      }
    }
  }
  /// Loads everybody once more on one server, so that what waits for them is handled, and looks at
  /// what is stored.
  void audit() {
    Players& players = *servers_.front().players;
    std::vector<Session> all;
    for (std::uint64_t player = 0; player < places_.size(); ++player) {
      auto session = players.load(player, {.conflict = Conflict::refuse});
      if (session)
        all.push_back(*session);
      else
        report_.violations.push_back("in the end nobody can load: " + session.error().message());
    }
    settle(std::chrono::minutes(5));
    for (Session& session : all) {
      if (session.waiting_messages() != 0)
        report_.violations.push_back(std::string(session.id()) + " has messages that wait");
      if (auto released = session.release(); !released)
        report_.violations.push_back("in the end nobody can release: " +
                                     released.error().message());
    }
    Records records;
    for (std::uint64_t player = 0; player < places_.size(); ++player) {
      auto record = players.peek(player);
      if (record)
        records.emplace(player, std::move(record->data));
      else if (!record.is(Errc::not_found))
        report_.violations.push_back("in the end nobody can read: " + record.error().message());
    }
    game_.end(records, report_.violations);
  }

  template <class... Words>
  void note(std::size_t server, const Words&... words) {
    if (is_crashing_) return;
    std::string line = std::to_string(
        std::chrono::floor<std::chrono::milliseconds>(world_.now().time_since_epoch()).count());
    line += " " + std::to_string(server);
    ((line += " ", line += words), ...);
    for (const char c : line)
      digest_ = (digest_ ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
    if (options_.keeps_history) report_.history += line + '\n';
  }

  Game& game_;
  SimulationOptions options_;
  Random random_;
  ManualClock world_;
  backend::Memory backend_{world_};
  StoreId store_;
  Stragglers stragglers_{world_, random_.split()};
  std::deque<Server> servers_;
  std::vector<Place> places_;
  SimulationReport report_;
  std::uint64_t digest_ = 0xcbf29ce484222325U;
  std::size_t starts_ = 0;
  bool is_mended_ = false;
  bool is_crashing_ = false;
};

}  // namespace persist::inline PERSIST_ABI::testing
