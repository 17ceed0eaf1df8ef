#pragma once

#include <persist/testing/simulation/trouble.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace persist::inline PERSIST_ABI::testing {

/// An evening of a game, on several servers at once, from one seed on one thread: players join,
/// play, leave and hop, servers crash, stand still for longer than a lease and lose their line to
/// the database, replies get lost and requests arrive late and twice, the database is slow, full,
/// and put back to an earlier state; servers are stopped, and spill what they cannot save. The same
/// seed is the same evening.
///
/// What must hold for any game is checked here and by `Witness`: nobody writes under an old fence,
/// of the sessions of one player one can write, and each save that was begun and each session that
/// ended said how. The rest is the game's.
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
///
/// and, where it has them,
///
/// * `ended(session, was_saved)`: a session is over, and whether all that it held is saved;
/// * `spilled(session)`, `replayed(session)`: what a session held when its server was stopped lies
///   in the journal, and has been sent from there;
/// * `audit(players, records, violations)`: all is quiet, and there is a server that can be asked;
/// * `erased(player, data)`: a record was erased that held this, or null;
/// * `choose(options)`: what its stores are opened with, as their history;
/// * `mended()`: nothing goes wrong any more;
/// * `backed_up()`, `put_back()`: the database is what it was at the last `backed_up`: what was
///   acknowledged since is gone. A game without them never sees that.
template <class Game, class Lock = lock::Lease<conflict::Request>>
class Simulation : private SimulatedTrouble<Game, Lock> {
  using World = SimulatedTrouble<Game, Lock>;

 public:
  using typename World::Players;
  using typename World::Records;
  using typename World::Session;

  explicit Simulation(Game& game, SimulationOptions options = {}) : World(game, options) {}

  SimulationReport run() {
    this->open();
    for (std::size_t i = 0; i < servers_.size(); ++i)
      start(i);
    const TimePoint end = world_.now() + options_.length;
    while (world_.now() < end)
      step();
    mend();
    settle(std::chrono::minutes(10));
    for (std::size_t player = 0; player < places_.size(); ++player)
      leave(player);
    for (Server& server : servers_) {
      for (Session& ghost : std::exchange(server.ghosts, {}))
        (void)ghost.request_release();
      server.forgotten.clear();
    }
    settle(std::chrono::minutes(10));
    audit();
    report_.digest = this->digest_;
    return std::move(report_);
  }

 private:
  using typename World::Place;
  using typename World::Server;
  using World::database_, World::fill, World::full_until_, World::game_, World::holds,
      World::is_mended_, World::note, World::options_, World::places_, World::random_,
      World::report_, World::servers_, World::start, World::stragglers_, World::trouble,
      World::violation, World::world_;

  void step() {
    world_.advance(std::chrono::milliseconds(random_.between(20, 400)));
    stragglers_.arrive();
    if (!is_mended_) this->trouble_with_the_database();
    const std::size_t index = static_cast<std::size_t>(random_.below(servers_.size()));
    Server& server = servers_[index];
    if (world_.now() < server.still_until) return;
    if (!server.players) start(index);
    if (!server.players) return;
    if (server.lines->is_cut() && world_.now() >= server.cut_until) {
      note(index, "is connected again");
      server.lines->cut(false, false);
    }
    server.players->poll();
    this->look_at_spilled(index);
    if (!is_mended_) trouble(index);
    if (server.players && world_.now() >= server.still_until) play(index);
  }

  void play(std::size_t index) {
    play_ghosts(index);
    const std::size_t player = static_cast<std::size_t>(random_.below(places_.size()));
    Place& place = places_[player];
    if (place.loading) return finish_loading(player);
    if (!place.session) return random_.happens(200) ? join(player, index) : void();
    if (place.server != index) return give_up(player, index);
    if (!place.session->is_active()) return has_ended(index, *std::exchange(place.session, {}));
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
  /// A server that does not answer is left by its players; it does not know, and plays on with
  /// them when it can.
  void give_up(std::size_t player, std::size_t index) {
    Place& place = places_[player];
    Server& left = servers_[place.server];
    if (!left.players || (world_.now() >= left.still_until && !left.lines->is_cut())) return;
    if (!random_.happens(100)) return;
    note(place.server, "is given up by", place.session->id());
    left.ghosts.push_back(*std::exchange(place.session, std::nullopt));
    join(player, index);
  }
  void play_ghosts(std::size_t index) {
    Server& server = servers_[index];
    for (std::vector<Session>* all : {&server.ghosts, &server.forgotten}) {
      if (all->empty()) continue;
      Session ghost = random_.pick(*all);
      if (!ghost.is_active()) {
        std::erase(*all, ghost);
        has_ended(index, ghost);
      } else if (all == &server.forgotten) {
        (void)ghost.request_save({.force = true});
      } else {
        std::vector<Session> nobody;
        note(index, "a ghost", game_.play(*server.players, ghost, nobody, random_), ghost.id());
      }
    }
  }
  void has_ended(std::size_t index, const Session& session) {
    if (!servers_[index].told.contains(World::number_of(session)))
      violation(index, std::string(session.id()) + " ended, and nobody was told");
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
    for (Server& other : servers_)
      for (const Session& ghost : other.ghosts)
        if (ghost != *place.session && ghost.id() == place.session->id() && ghost.is_active() &&
            holds(ghost))
          violation(place.server, std::string(ghost.id()) + " can be written by two sessions");
    const std::size_t known = report_.violations.size();
    game_.loaded(*place.session, report_.violations);
    if (report_.violations.size() != known)
      note(place.server, "VIOLATION", report_.violations.back());
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
    if constexpr (requires { game_.mended(); }) game_.mended();
    stragglers_.arrive_all();
    for (Server& server : servers_) {
      server.still_until = server.cut_until = {};
      if (server.lines) server.lines->set_faults({});
    }
    if (full_until_ != TimePoint{}) fill(TimePoint{});
  }
  void settle(Duration time) {
    for (const TimePoint end = world_.now() + time; world_.now() < end;) {
      world_.advance(std::chrono::seconds(1));
      stragglers_.arrive();
      for (std::size_t i = 0; i < servers_.size(); ++i) {
        if (!servers_[i].players) start(i);
        servers_[i].lines->cut(false, false);
        servers_[i].players->poll();
        this->look_at_spilled(i);
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
    if constexpr (requires { game_.audit(players, records, report_.violations); })
      game_.audit(players, records, report_.violations);
    game_.end(records, report_.violations);
    this->check_all_sent();
    for (auto* database : {&database_, &this->leases_})
      for (std::string& seen : database->violations())
        report_.violations.push_back(std::move(seen));
  }
};

}  // namespace persist::inline PERSIST_ABI::testing
