#pragma once

#include <persist/testing/simulation/world.hpp>

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace persist::inline PERSIST_ABI::testing {

/// What goes wrong with the servers of a simulation and with the database under them, what comes of
/// servers that are stopped, and of what they spilled.
template <class Game, class Lock>
class SimulatedTrouble : protected SimulatedWorld<Game, Lock> {
  using World = SimulatedWorld<Game, Lock>;

 protected:
  using typename World::Lines;
  using typename World::Place;
  using typename World::Players;
  using typename World::Server;
  using typename World::Session;
  using World::crash, World::database_, World::full_until_, World::game_, World::is_mended_,
      World::note, World::note_database, World::options_, World::places_, World::random_,
      World::report_, World::servers_, World::some_seconds, World::spills_, World::store_,
      World::stragglers_, World::violation, World::world_;

  SimulatedTrouble(Game& game, SimulationOptions options) : World(game, options) {}
  ~SimulatedTrouble() = default;

  void open() {
    World::open();
    if (!spills_) return;
    if (!spills_->is_usable())
      report_.violations.emplace_back("no folder could be made for what is spilled");
    database_.on_take(
        [this](std::string_view key, const Fence& fence) { look_who_takes(key, fence); });
  }
  /// Starts a server, which sends what an earlier one spilled.
  void start(std::size_t index) {
    World::start(index);
    if (!spills_ || !servers_[index].players) return;
    look_at_spilled(index);
    check_told(index);
  }

  /// What happens to servers.
  void trouble(std::size_t index) {
    Server& server = servers_[index];
    const std::uint64_t dice = random_.below(10'000);
    if (dice < 15) {
      ++report_.crashes;
      look_at_spilled(index);
      crash(index);
      server.still_until = some_seconds(180);
    } else if (dice < 40) {
      ++report_.pauses;
      note(index, "stands still");
      server.still_until = some_seconds(150);
    } else if (dice < 80) {
      cut(index);
    } else if (dice < 95) {
      // Often because the database is away.
      const std::uint64_t why = random_.below(4);
      if (why < 2) cut(index);
      if (why == 2) fill(some_seconds(90));
      stop(index);
    }
  }
  void cut(std::size_t index) {
    Server& server = servers_[index];
    if (server.lines->is_cut()) return;
    ++report_.cuts;
    // One of two, or both.
    const std::uint64_t which = Lines::are_two ? random_.below(3) : 0;
    note(index, which == 0   ? "is cut off"
                : which == 1 ? "is cut off from the leases"
                             : "is cut off from the data");
    server.lines->cut(which != 1, which != 2);
    server.cut_until = some_seconds(150);
  }
  void trouble_with_the_database() {
    const std::uint64_t dice = random_.below(100'000);
    if (full_until_ != TimePoint{} && world_.now() >= full_until_) fill(TimePoint{});
    if (dice < 20) {
      ++report_.full;
      fill(some_seconds(90));
    }
    if constexpr (Lines::are_two)
      if (dice >= 80 && dice < 100) forget_leases();
    if constexpr (World::may_be_put_back) {
      if (dice >= 20 && dice < 70) {
        note_database("is backed up");
        this->backup_.emplace(database_.backup());
        this->backed_up_ = world_.now();
        game_.backed_up();
      } else if (dice >= 70 && dice < 80 && this->backup_) {
        put_back();
      }
    }
  }
  void fill(TimePoint until) {
    full_until_ = until;
    const bool is_full = world_.now() < until;
    note_database(is_full ? "has no room left" : "has room again");
    for (Server& server : servers_)
      if (server.lines) server.lines->fill(is_full);
  }
  void forget_leases() {
    ++report_.forgotten;
    note_database("of the leases has lost its memory");
    this->leases_.restore(*this->no_leases_);
  }
  /// The database is what it was at the last backup. Whoever held a record then may write to it as
  /// if nothing had happened, so servers that ran then are ended first, and what such a one had
  /// spilled is thrown away; one that was started since goes on, with sessions that nobody knows of
  /// any more.
  void put_back() {
    ++report_.restores;
    for (std::size_t i = 0; i < servers_.size(); ++i) {
      Server& server = servers_[i];
      look_at_spilled(i);
      if (spills_) spills_->forget(i, this->backed_up_);
      if (!server.players) continue;
      if (server.started <= this->backed_up_) {
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
    for (Server& server : servers_)
      if (server.lines) server.lines->forget_reads();
    spilled_.clear();
    stragglers_.drop_all();
    database_.restore(*this->backup_);
    note_database("is put back");
    if constexpr (World::may_be_put_back) game_.put_back();
  }

  /// Stops a server in good order: it has ten seconds to save and give back what it holds, and of
  /// what it could not save it says so, or spills it.
  void stop(std::size_t index) {
    Server& server = servers_[index];
    ++report_.stops;
    look_at_spilled(index);
    const std::size_t known = spills_ ? spills_->entries(index).size() : 0;
    note(index, "is stopped");
    const std::size_t left = server.players->close_all(std::chrono::seconds(10));
    server.players.reset();
    note(index, "has stopped; not saved:", std::to_string(left));
    server.connections.clear();
    for (const std::uint64_t session : server.saving)
      violation(index, "session " + std::to_string(session) +
                           " was saved before the server stopped, and nobody was told how");
    if (server.unsaved.size() > left)
      violation(index, std::to_string(server.unsaved.size()) +
                           " sessions were told that they are not saved, and it counted " +
                           std::to_string(left));
    if (spills_) look_what_is_spilled(index, known);
    this->empty(index);
    server.unsaved.clear();
    server.told.clear();
    server.saving.clear();
    server.still_until = some_seconds(60);
  }
  /// What could not be saved when the server was stopped has to be in its journal, or to have been:
  /// `known` entries are older.
  void look_what_is_spilled(std::size_t index, std::size_t known) {
    using Entry = SpillFolders::Entry;
    report_.spilled += spills_->meet(index, servers_[index].started);
    std::vector<Entry>& entries = spills_->entries(index);
    for (std::size_t i = known; i < entries.size(); ++i) {
      note(index, "has spilled", entries[i].file());
      // It was killed before it named what was whole.
      if (random_.happens(100)) spills_->unname(index, entries[i]);
    }
    for (const Session& session : servers_[index].unsaved) {
      const bool is_spilled = std::any_of(entries.begin(), entries.end(), [&](const Entry& entry) {
        return entry.is_of(World::number_of(session));
      });
      if (!is_spilled && session.is_dirty())
        violation(index, std::string(session.id()) + " was neither saved nor spilled");
      if (!is_spilled) continue;
      spilled_.insert_or_assign(World::number_of(session), session);
      if constexpr (requires { game_.spilled(session); }) game_.spilled(session);
    }
  }

  /// A record that waits for what was spilled of it is not loaded by the server that has to send
  /// that first.
  void look_who_takes(std::string_view key, const Fence& fence) {
    for (std::size_t i = 0; i < servers_.size(); ++i) {
      if (fence.owner.server.view() != servers_[i].id ||
          fence.owner.session <= servers_[i].first_session)
        continue;
      for (const SpillFolders::Entry& entry : spills_->entries(i))
        if (entry.writes_to(key) && entry.fate == SpillFolders::Fate::waits &&
            spills_->waits(i, entry))
          violation(i, std::string(key) + " was taken before " + entry.file() + " was sent");
    }
  }
  /// What has become of what a server had spilled.
  void look_at_spilled(std::size_t index) {
    if (!spills_) return;
    const std::vector<SpillFolders::Entry*> settled = spills_->settled(index);
    for (SpillFolders::Entry* entry : settled)
      judge(index, *entry);
    if (!settled.empty() && servers_[index].players) check_told(index);
  }
  void judge(std::size_t index, const SpillFolders::Entry& entry) {
    using Write = SpillFolders::Write;
    const auto any = [&](auto&& is_so) {
      return std::any_of(entry.writes.begin(), entry.writes.end(), is_so);
    };
    const bool is_gone = entry.fate == SpillFolders::Fate::gone;
    report_.refused += is_gone ? 0U : 1U;
    note(index, is_gone ? "has sent" : "has kept", entry.file());
    if (entry.is_forgotten) return;
    const bool was_erased = any(
        [&](const Write& write) { return database_.was_erased(store_, write.key, write.fence); });
    const bool is_overtaken = any([&](const Write& write) {
      return write.claims || !database_.is_newest(store_, write.key, write.fence);
    });
    const bool is_there = !any(
        [&](const Write& write) { return !database_.has_landed(store_, write.key, write.fence); });
    if (is_gone && !is_there && !was_erased)
      violation(index, entry.file() + " is gone, and was never written");
    const SpillFolders::Entry* before = spills_->find(index, entry.follows);
    const bool stands_alone = before == nullptr || before->fate != SpillFolders::Fate::refused;
    if (!is_gone && !is_overtaken && stands_alone && !entry.may_be_late)
      violation(index, entry.file() + " was refused, and nobody has written since");
    if (!is_gone || !is_there) return;
    ++report_.replayed;
    if (!was_erased)
      for (const Write& write : entry.writes)
        replayed(index, write.fence.owner.session);
  }
  void replayed(std::size_t index, std::uint64_t number) {
    const auto session = spilled_.find(number);
    if (session == spilled_.end() || !spills_->is_all_gone(index, number)) return;
    if constexpr (requires { game_.replayed(session->second); }) game_.replayed(session->second);
    spilled_.erase(session);
  }
  /// A server says what is left of what it, or an earlier one, had spilled.
  void check_told(std::size_t index) {
    const auto told = servers_[index].players->spilled();
    if (!told) return violation(index, "has no spill journal: " + told.error().message());
    for (const SpillFolders::Entry& entry : spills_->entries(index)) {
      if (entry.fate == SpillFolders::Fate::gone) continue;
      const auto state =
          entry.fate == SpillFolders::Fate::waits ? Spilled::State::waits : Spilled::State::refused;
      const bool is_told = std::any_of(told->begin(), told->end(), [&](const Spilled& each) {
        return each.state == state && each.file == entry.file();
      });
      if (!is_told) violation(index, "does not tell that " + entry.file() + " is left");
    }
  }
  /// In the end nothing waits.
  void check_all_sent() {
    for (std::size_t i = 0; spills_ && i < servers_.size(); ++i) {
      look_at_spilled(i);
      if (servers_[i].players) check_told(i);
      for (const SpillFolders::Entry& entry : spills_->entries(i))
        if (entry.fate == SpillFolders::Fate::waits) violation(i, "never sent " + entry.file());
    }
  }

 private:
  std::map<std::uint64_t, Session> spilled_;  ///< ended, of which something lies in a journal
};

}  // namespace persist::inline PERSIST_ABI::testing
