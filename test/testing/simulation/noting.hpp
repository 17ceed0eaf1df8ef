#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace test {

/// Notes what it is told of.
struct Noting {
  struct Purse {
    std::int64_t coins = 100;
  };
  using Save = Purse;
  std::vector<std::string> told;

  template <class Players>
  void begin(Players&) {
    told.emplace_back("begin");
  }
  template <class Session>
  void saving(Session&) {}
  template <class Session>
  void saved(Session& session) {
    told.push_back("saved " + std::string(session.id()));
  }
  template <class Session>
  void ended(Session& session, bool was_saved) {
    told.push_back((was_saved ? "ended " : "ended unsaved ") + std::string(session.id()));
  }
  void erased(std::uint64_t player, const Purse* held) {
    told.push_back("erased " + std::to_string(player) + " with " +
                   (held != nullptr ? std::to_string(held->coins) : "nothing"));
  }
  template <class Session>
  void spilled(const Session& session) {
    told.push_back("spilled " + std::string(session.id()));
  }
  template <class Session>
  void replayed(const Session& session) {
    told.push_back("replayed " + std::string(session.id()));
  }
  void backed_up() { told.emplace_back("backed up"); }
  void put_back() { told.emplace_back("put back"); }
};

}  // namespace test
