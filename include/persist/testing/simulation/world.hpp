#pragma once

#include <persist/codec/packed.hpp>
#include <persist/key/number.hpp>
#include <persist/lock/lease.hpp>
#include <persist/store.hpp>
#include <persist/testing/manual_clock.hpp>
#include <persist/testing/random.hpp>
#include <persist/testing/simulation/lines.hpp>
#include <persist/testing/simulation/spill_folders.hpp>
#include <persist/testing/skewed_clock.hpp>

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
  bool spills = false;         ///< a server that is stopped spills what it cannot save
  bool keeps_history = false;  ///< a line for each thing that happens
};

/// What an evening came to.
struct SimulationReport {
  std::vector<std::string> violations;  ///< of a promise; empty is well
  std::string history;
  std::uint64_t digest = 0;  ///< of the history, kept or not: the same for the same seed
  std::size_t loads = 0, saves = 0, handovers = 0, lost = 0;
  std::size_t crashes = 0, pauses = 0, cuts = 0, full = 0, restores = 0, erased = 0;
  std::size_t stops = 0;      ///< in good order
  std::size_t forgotten = 0;  ///< times that all leases were, where they have their own database
  std::size_t spilled = 0, replayed = 0, refused = 0;  ///< entries of spill journals
};

/// The servers of a simulation, the database under them and who plays where; what happens to them
/// is in `SimulatedTrouble`, and what is played on them in `Simulation`.
template <class Game, class Lock>
class SimulatedWorld {
 public:
  using Line = SimulatedLine;
  using Players = Store<std::uint64_t, typename Game::Save, Line, Lock>;
  using Session = typename Players::Session;
  using Data = typename Players::DataType;
  using Records = std::map<std::uint64_t, Data>;

 protected:
  using Lines = SimulatedLines<Lock>;
  static constexpr bool may_be_put_back = requires(Game& game) { game.put_back(); };
  static constexpr bool hears_of_erasures =
      requires(Game& game, const Data* data) { game.erased(std::uint64_t{}, data); };

  struct Server {
    Server(Clock& world, Random& random)
        : clock(world, static_cast<std::int64_t>(random.below(400)) - 200,
                std::chrono::hours(random.below(1000)),
                std::chrono::minutes(random.below(10'000))) {}
    SkewedClock clock;
    std::optional<Lines> lines;
    std::optional<Players> players;
    std::vector<Connection> connections;
    std::vector<Session> ghosts;     ///< of players who gave this server up and went elsewhere
    std::vector<Session> forgotten;  ///< loaded before the database was put back
    std::vector<Session> unsaved;    ///< that ended so when the server was stopped
    std::set<std::uint64_t> told;    ///< sessions whose end was told
    std::set<std::uint64_t> saving;  ///< sessions of which a save is under way
    std::string id;
    std::uint64_t first_session = 0;  ///< those of this start have higher numbers
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
    if (options.spills) spills_.emplace(options.servers);
  }
  SimulatedWorld(const SimulatedWorld&) = delete;
  SimulatedWorld& operator=(const SimulatedWorld&) = delete;

  ~SimulatedWorld() = default;

  void open() {
    store_ = make_store(database_, "players");
    if constexpr (Lines::are_two) {
      (void)make_store(leases_, "players#leases");
      no_leases_.emplace(leases_.backup());
    }
    if constexpr (hears_of_erasures) watch_erasures();
  }
  /// Starts a server; where its database does not answer it is tried again.
  void start(std::size_t index) {
    Server& server = servers_[index];
    ++starts_;
    server.id = "server " + std::to_string(index);
    if (!options_.reclaims) server.id += "." + std::to_string(starts_);
    server.first_session = database_.next_owner({}).session;
    StoreOptions told;
    told.server_id = server.id;
    told.reclaim = options_.reclaims;
    told.clock = &server.clock;
    told.close_deadline = Duration::zero();
    if (spills_) told.spill = spills_->of(index);
    told.log.sink = [this, index](LogLevel, std::string_view text) {
      note(index, "log", spills_ ? spills_->without_root(std::string(text)) : std::string(text));
    };
    if constexpr (requires { game_.choose(told); }) game_.choose(told);
    server.lines.emplace(database_, leases_, stragglers_, faults_of_a_start());
    server.lines->fill(world_.now() < full_until_);
    server.lines->open(server.players, told);
    if (const auto open = server.players->status(); !open) {
      note(index, "cannot start", open.error().message());
      server.players.reset();
      server.still_until = some_seconds(5);
      return;
    }
    server.lines->set_faults(is_mended_ ? Faults{} : options_.faults);
    server.started = world_.now();
    game_.begin(*server.players);
    listen(index);
    note(index, "starts");
  }
  /// Where something may have been spilled it is sent through worse than what comes later.
  [[nodiscard]] Faults faults_of_a_start() const {
    const unsigned often = spills_ && !is_mended_ ? 150 : 0;
    return {.refused = often,
            .no_reply = often,
            .late = often,
            .twice = often,
            .unwatched = options_.faults.unwatched};
  }
  void listen(std::size_t index) {
    Server& server = servers_[index];
    Players& players = *server.players;
    server.connections.push_back(
        players.on_saving([this, index](Session& session, Data&, Reason reason) {
          note(index, "saving", session.id(), name(reason));
          // One that has nothing to save is not spilled, and may still be given back.
          const bool may_be_nothing = reason == Reason::shutdown && !session.is_dirty();
          if (!servers_[index].saving.insert(number_of(session)).second)
            violation(index, std::string(session.id()) + " was saved, and nobody was told how");
          if (may_be_nothing) servers_[index].saving.erase(number_of(session));
          game_.saving(session);
        }));
    server.connections.push_back(
        players.on_saved([this, index](Session& session, const Result<Saved>& saved) {
          note(index, saved ? "saved" : "not saved", session.id(),
               saved ? std::to_string(saved->version) : saved.error().message());
          servers_[index].saving.erase(number_of(session));
          if (!saved) return;
          ++report_.saves;
          game_.saved(session);
        }));
    server.connections.push_back(
        players.on_released([this, index](Session& session, Reason reason, bool was_saved) {
          note(index, was_saved ? "released" : "released unsaved", session.id(), name(reason));
          report_.handovers += reason == Reason::handover ? 1U : 0U;
          report_.lost += reason == Reason::lost ? 1U : 0U;
          servers_[index].told.insert(number_of(session));
          if (!was_saved && reason == Reason::shutdown) {
            servers_[index].unsaved.push_back(session);
            // Now: the same server may still send it.
            if (spills_) report_.spilled += spills_->meet(index, servers_[index].started);
          }
          if (servers_[index].saving.erase(number_of(session)) != 0 && was_saved)
            violation(index, std::string(session.id()) + " ended, and nobody was told of its save");
          if constexpr (requires { game_.ended(session, was_saved); })
            game_.ended(session, was_saved);
        }));
  }

  [[nodiscard]] TimePoint some_seconds(std::uint64_t most) {
    return world_.now() + std::chrono::seconds(random_.between(1, most));
  }
  void crash(std::size_t index) {
    Server& server = servers_[index];
    note(index, "crashes");
    server.connections.clear();
    server.lines->cut(true, true);
    if (spills_) spills_->hide(index);
    is_crashing_ = true;
    empty(index);
    server.players.reset();
    is_crashing_ = false;
    if (spills_) spills_->show(index);
    server.told.clear();
    server.saving.clear();
  }
  /// Nobody plays there any more.
  void empty(std::size_t index) {
    for (Place& place : places_) {
      if (place.server != index) continue;
      place.loading.reset();
      place.session.reset();
    }
    servers_[index].ghosts.clear();
    servers_[index].forgotten.clear();
    servers_[index].id.clear();  // what it sent may still arrive
  }

  /// Says what an erased record held.
  void watch_erasures() {
    Lines(database_, leases_, stragglers_, Faults{}).open(auditor_, StoreOptions{.clock = &world_});
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

  /// What stays the same of a session that takes its record with its first save only.
  [[nodiscard]] static std::uint64_t number_of(const Session& session) {
    const std::string instance = session.instance_id();
    std::uint64_t number = 0;
    std::from_chars(instance.data() + instance.find('-') + 1, instance.data() + instance.size(),
                    number);
    return number;
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
  [[nodiscard]] static StoreId make_store(SimulatedDatabase& in, std::string_view name) {
    OpenStoreRequest open;
    open.name = name, open.lock = Lock::kind;
    in.open_store(std::span(&open, 1));
    return open.store;
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
  SimulatedDatabase database_{backend::Memory(world_)};
  SimulatedDatabase leases_{backend::Memory(world_)};  ///< of `lock::External`
  StoreId store_;
  Stragglers stragglers_{world_, random_.split()};
  std::deque<Server> servers_;
  std::vector<Place> places_;
  std::optional<SpillFolders> spills_;
  std::optional<Players> auditor_;
  std::optional<SimulatedDatabase::Backup> backup_, no_leases_;
  TimePoint backed_up_{};
  TimePoint full_until_{};
  SimulationReport report_;
  std::uint64_t digest_ = 0xcbf29ce484222325U;
  std::size_t starts_ = 0;
  bool is_mended_ = false;
  bool is_crashing_ = false;
};

}  // namespace persist::inline PERSIST_ABI::testing
