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
#include <persist/testing/witness.hpp>

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
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
  Faults faults{
      .refused = 15, .no_reply = 15, .late = 15, .twice = 15, .slow = 3, .unwatched = 500};
  bool reclaims = false;       ///< a server that is started again takes back what it held
  bool keeps_history = false;  ///< a line for each thing that happens
};

/// What an evening came to.
struct SimulationReport {
  std::vector<std::string> violations;  ///< of a promise; empty is well
  std::string history;
  std::uint64_t digest = 0;  ///< of the history, kept or not: the same for the same seed
  std::size_t loads = 0, saves = 0, handovers = 0, lost = 0;
  std::size_t crashes = 0, pauses = 0, cuts = 0, full = 0, restores = 0, erased = 0;
};

/// The servers of a simulation, the database under them and what happens to both; what is played on
/// them is said by `Simulation`.
template <class Game>
class SimulatedWorld {
 public:
  using Database = Witness<backend::Memory>;
  using Line = Faulty<Database>;
  using Players = Store<std::uint64_t, typename Game::Save, Line>;
  using Session = typename Players::Session;
  using Data = typename Players::DataType;
  using Records = std::map<std::uint64_t, Data>;

 protected:
  static constexpr bool may_be_put_back = requires(Game& game) { game.put_back(); };
  static constexpr bool hears_of_erasures =
      requires(Game& game, const Data* data) { game.erased(std::uint64_t{}, data); };

  struct Server {
    Server(Clock& world, Random& random)
        : clock(world, static_cast<std::int64_t>(random.below(400)) - 200,
                std::chrono::hours(random.below(1000)),
                std::chrono::minutes(random.below(10'000))) {}
    SkewedClock clock;
    std::optional<Line> line;
    std::optional<Players> players;
    std::vector<Connection> connections;
    std::vector<Session> ghosts;     ///< of players who gave this server up and went elsewhere
    std::vector<Session> forgotten;  ///< loaded before the database was put back
    std::set<std::string> told;      ///< sessions whose end was told
    TimePoint started{};
    TimePoint still_until{};  ///< stands still, or is down
    TimePoint cut_until{};
  };
  /// Where a player is.
  struct Place {
    std::size_t server = 0;
    std::optional<typename Players::Loading> loading;
    std::optional<Session> session;
  };

  SimulatedWorld(Game& game, SimulationOptions options)
      : game_(game), options_(options), random_(options.seed) {
    for (std::size_t i = 0; i < options.servers; ++i)
      servers_.emplace_back(world_, random_);
    places_.resize(options.players);
  }
  SimulatedWorld(const SimulatedWorld&) = delete;
  SimulatedWorld& operator=(const SimulatedWorld&) = delete;

  ~SimulatedWorld() = default;

  void open() {
    OpenStoreRequest open;
    open.name = "players";
    database_.open_store(std::span(&open, 1));
    store_ = open.store;
    if constexpr (hears_of_erasures) watch_erasures();
  }
  void start(std::size_t index) {
    Server& server = servers_[index];
    StoreOptions told;
    told.server_id = "server " + std::to_string(index);
    ++starts_;
    if (!options_.reclaims) told.server_id += "." + std::to_string(starts_);
    told.reclaim = options_.reclaims;
    told.clock = &server.clock;
    told.close_deadline = Duration::zero();
    told.log.sink = [this, index](LogLevel, std::string_view text) { note(index, "log", text); };
    server.line.emplace(database_, stragglers_, Faults{.unwatched = options_.faults.unwatched});
    server.players.emplace("players", *server.line, told);
    server.line->set_faults(is_mended_ ? Faults{} : options_.faults);
    server.line->fill(world_.now() < full_until_);
    server.started = world_.now();
    game_.begin(*server.players);
    listen(index);
    note(index, "starts");
  }
  void listen(std::size_t index) {
    Server& server = servers_[index];
    Players& players = *server.players;
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
          servers_[index].told.insert(session.instance_id());
          if constexpr (requires { game_.ended(session, was_saved); })
            game_.ended(session, was_saved);
        }));
  }

  [[nodiscard]] TimePoint some_seconds(std::uint64_t most) {
    return world_.now() + std::chrono::seconds(random_.between(1, most));
  }
  /// What happens to servers.
  void trouble(std::size_t index) {
    Server& server = servers_[index];
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
  void trouble_with_the_database() {
    const std::uint64_t dice = random_.below(100'000);
    if (full_until_ != TimePoint{} && world_.now() >= full_until_) fill(TimePoint{});
    if (dice < 20) {
      ++report_.full;
      fill(some_seconds(90));
    }
    if constexpr (may_be_put_back) {
      if (dice >= 20 && dice < 70) {
        note_database("is backed up");
        backup_.emplace(database_.backup());
        backed_up_ = world_.now();
        game_.backed_up();
      } else if (dice >= 70 && dice < 80 && backup_) {
        put_back();
      }
    }
  }
  void fill(TimePoint until) {
    full_until_ = until;
    const bool is_full = world_.now() < until;
    note_database(is_full ? "has no room left" : "has room again");
    for (Server& server : servers_)
      if (server.line) server.line->fill(is_full);
  }
  /// The database is what it was at the last backup. Whoever held a record then may write to it as
  /// if nothing had happened, so servers that ran then are ended first; one that was started since
  /// goes on, with sessions that nobody knows of any more.
  void put_back() {
    ++report_.restores;
    for (std::size_t i = 0; i < servers_.size(); ++i) {
      Server& server = servers_[i];
      if (!server.players) continue;
      if (server.started <= backed_up_) {
        crash(i);
        server.still_until = some_seconds(60);
      }
      for (Place& place : places_) {
        if (place.server != i) continue;
        place.loading.reset();
        if (place.session) server.forgotten.push_back(*std::exchange(place.session, std::nullopt));
      }
      for (Session& ghost : std::exchange(server.ghosts, {}))
        server.forgotten.push_back(ghost);
    }
    stragglers_.drop_all();
    database_.restore(*backup_);
    note_database("is put back");
    if constexpr (may_be_put_back) game_.put_back();
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
    server.ghosts.clear();
    server.forgotten.clear();
    server.players.reset();
    is_crashing_ = false;
    server.told.clear();
  }

  /// Says what an erased record held.
  void watch_erasures() {
    auditor_.emplace("players", Line(database_, stragglers_), StoreOptions{.clock = &world_});
    database_.on_erase([this](std::string_view key) -> std::function<void()> {
      std::uint64_t player = 0;
      std::from_chars(key.data(), key.data() + key.size(), player);
      auto held = std::make_shared<Result<Peeked<Data>>>(auditor_->peek(player));
      return [this, player, held] {
        ++report_.erased;
        note_database("erased", std::to_string(player));
        game_.erased(player, *held ? &(*held)->data : nullptr);
      };
    });
  }
  void violation(std::size_t server, std::string what) {
    note(server, "VIOLATION", what);
    report_.violations.push_back(std::move(what));
  }

  /// Whether what the session writes would be accepted now.
  bool holds(const Session& session) {
    ReadRequest read;
    read.store = store_, read.key = session.id(), read.wants_data = false;
    database_.read(std::span(&read, 1));
    // By its owner too: what was put back gives out an epoch again.
    const Fence& fence = read.record.fence;
    return session.instance_id() ==
           std::to_string(fence.epoch) + "-" + std::to_string(fence.owner.session);
  }
  template <class... Words>
  void note(std::size_t server, const Words&... words) {
    note_of(std::to_string(server), words...);
  }
  template <class... Words>
  void note_database(const Words&... words) {
    note_of("database", words...);
  }
  template <class... Words>
  void note_of(const std::string& who, const Words&... words) {
    if (is_crashing_) return;
    std::string line = std::to_string(
        std::chrono::floor<std::chrono::milliseconds>(world_.now().time_since_epoch()).count());
    line += " " + who;
    ((line += " ", line += words), ...);
    for (const char c : line)
      digest_ = (digest_ ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
    if (options_.keeps_history) report_.history += line + '\n';
  }

  Game& game_;
  SimulationOptions options_;
  Random random_;
  ManualClock world_;
  Database database_{backend::Memory(world_)};
  StoreId store_;
  Stragglers stragglers_{world_, random_.split()};
  std::deque<Server> servers_;
  std::vector<Place> places_;
  std::optional<Players> auditor_;
  std::optional<typename Database::Backup> backup_;
  TimePoint backed_up_{};
  TimePoint full_until_{};
  SimulationReport report_;
  std::uint64_t digest_ = 0xcbf29ce484222325U;
  std::size_t starts_ = 0;
  bool is_mended_ = false;
  bool is_crashing_ = false;
};

}  // namespace persist::inline PERSIST_ABI::testing
