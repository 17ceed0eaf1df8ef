// A game's own code in the simulation: evenings on three servers that crash, stand still and lose
// their database, each from a seed. See doc/simulation.md.

#include <persist/testing/simulation.hpp>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <map>
#include <string>
#include <variant>
#include <vector>

// --- the game, as it runs on your servers
// ---------------------------------------------------------

struct Farmer {
  std::int64_t wheat = 0, sent = 0, got = 0;
  std::uint64_t harvests = 0;
};
struct Sack {
  std::int64_t wheat = 0;
};
struct FarmerSave {
  using data_type = Farmer;
  using message = std::variant<Sack>;
};

template <class Farmers>
void begin_server(Farmers& farmers) {
  farmers.on_message(
      [](Farmer& data, const Sack& sack) { data.wheat += sack.wheat, data.got += sack.wheat; });
}
template <class Session>
void harvest(Session& farmer) {
  farmer.edit([](Farmer& data) { data.wheat += 10, ++data.harvests; });
}
/// The sack leaves with the save that takes the wheat, or not at all.
template <class Session>
bool send_sack(Session& farmer, std::uint64_t to) {
  if (farmer.view()->wheat < 5 || !farmer.send(to, Sack{5})) return false;
  farmer.edit([](Farmer& data) { data.wheat -= 5, data.sent += 5; });
  return true;
}

// --- what the simulation plays of it, and what must hold
// -----------------------------------------------

class Farms {
 public:
  using Save = FarmerSave;

  template <class Farmers>
  void begin(Farmers& farmers) {
    begin_server(farmers);
  }
  /// One thing that a player does; the word is for the history.
  template <class Farmers, class Session>
  std::string play(Farmers&, Session& farmer, std::vector<Session>&,
                   persist::testing::Random& random) {
    switch (random.below(3)) {
      case 0:
        return send_sack(farmer, random.below(5)) ? "sends a sack" : "has no sack to send";
      case 1:
        return farmer.save() ? "saves" : "could not save";
      default:
        harvest(farmer);
        return "harvests";
    }
  }
  // What was acknowledged: a save holds what there was when it was made.
  template <class Session>
  void saving(Session& farmer) {
    going_[farmer.instance_id()] = farmer.view()->harvests;
  }
  template <class Session>
  void saved(Session& farmer) {
    std::uint64_t& known = acknowledged_[farmer.key()];
    known = std::max(known, going_[farmer.instance_id()]);
  }
  template <class Session>
  void loaded(Session& farmer, std::vector<std::string>& violations) {
    if (farmer.view()->harvests < acknowledged_[farmer.key()])
      violations.push_back("farmer " + std::string(farmer.id()) + " lost a harvest");
  }
  /// All is quiet, and every sack has come.
  void end(const std::map<std::uint64_t, Farmer>& records, std::vector<std::string>& violations) {
    std::int64_t harvested = 0, wheat = 0, sent = 0, got = 0;
    for (const auto& [player, farmer] : records) {
      harvested += 10 * static_cast<std::int64_t>(farmer.harvests);
      wheat += farmer.wheat, sent += farmer.sent, got += farmer.got;
    }
    if (sent != got) violations.emplace_back("a sack was lost, or came twice");
    if (wheat != harvested) violations.emplace_back("wheat that nobody harvested");
  }

 private:
  std::map<std::string, std::uint64_t> going_;
  std::map<std::uint64_t, std::uint64_t> acknowledged_;
};

int main(int count, char** words) {
  const std::uint64_t evenings = count > 1 ? std::strtoull(words[1], nullptr, 10) : 50;
  std::uint64_t broken = 0;
  std::size_t saves = 0, crashes = 0;
  for (std::uint64_t seed = 1; seed <= evenings; ++seed) {
    Farms farms;
    const auto report = persist::testing::Simulation<Farms>(farms, {.seed = seed}).run();
    saves += report.saves, crashes += report.crashes;
    if (report.violations.empty()) continue;
    ++broken;
    std::cerr << "seed " << seed << ": " << report.violations.front() << '\n';
  }
  std::cout << evenings << " evenings, " << saves << " saves, " << crashes << " crashes: " << broken
            << " broke a promise\n";
  return broken == 0 ? 0 : 1;
}
