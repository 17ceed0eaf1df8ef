#pragma once

#include <persist/testing/simulation.hpp>

#include <algorithm>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <variant>
#include <vector>

// A game of which each coin and each item can be followed.

namespace simulate {

struct Hero {
  std::int64_t coins = 100;
  std::int64_t earned = 0, sent = 0, got = 0, bought = 0, traded = 0;
  std::uint64_t progress = 0;
  std::vector<std::uint64_t> items;
  std::vector<std::uint64_t> receipts;
  std::vector<std::uint64_t> posts;  ///< gifts of the web shop that came
  std::vector<std::uint64_t> gifts_sent, gifts_got;
  std::vector<std::uint64_t> helps, trades;
};
struct Gift {
  std::int64_t coins = 0;
  std::uint64_t id = 0;
  bool is_of_shop = false;  ///< or another player's
};
struct Save {
  using data_type = Hero;
  using message = std::variant<Gift>;
  static persist::Result<void> validate(const Hero& hero) {
    if (hero.coins == 100 + hero.earned + hero.got + hero.bought + hero.traded - hero.sent)
      return persist::success;
    return persist::Error(persist::Errc::invalid, "coins that came from nowhere");
  }
};

/// How evenings differ beside their seed.
struct Style {
  bool overwrites = false;      ///< a record is given new data now and then, whoever has it
  bool reads_are_fresh = true;  ///< no read is answered from an earlier state
};

class Game {
 public:
  explicit Game(std::uint64_t players, Style style = {}) : players_(players), style_(style) {}

  using Save = simulate::Save;
  using Violations = std::vector<std::string>;

  template <class Players>
  void begin(Players& players) {
    players.on_message([](Hero& hero, const Gift& gift) {
      hero.coins += gift.coins;
      (gift.is_of_shop ? hero.earned : hero.got) += gift.coins;
      (gift.is_of_shop ? hero.posts : hero.gifts_got).push_back(gift.id);
      ++hero.progress;
    });
  }
  template <class Session>
  void loaded(Session& session, Violations& violations) {
    const auto hero = session.view();
    const std::uint64_t known = known_.saved[session.key()];
    if (hero->progress < known && !wiped_.contains(session.key()))
      violations.push_back(std::string(session.id()) + " comes back with progress " +
                           std::to_string(hero->progress) + ", and " + std::to_string(known) +
                           " was acknowledged");
  }
  template <class Session>
  void saving(Session& session) {
    const auto hero = session.view();
    going_[session.instance_id()] = {hero->progress, hero->items, erasures_[session.key()]};
    std::uint64_t& tried = tried_[session.key()];
    tried = std::max(tried, hero->progress);
  }
  template <class Session>
  void saved(Session& session) {
    const auto going = going_.find(session.instance_id());
    if (going != going_.end()) acknowledged(session.key(), going->second);
  }
  /// One that ended well has saved all that it held.
  template <class Session>
  void ended(Session& session, bool was_saved) {
    const auto going = going_.find(session.instance_id());
    if (going == going_.end()) return;
    const auto hero = session.view();
    if (was_saved)
      acknowledged(session.key(), {hero->progress, hero->items, going->second.erasures});
    going_.erase(going);
  }
  /// What was spilled counts as saved once it has been sent.
  template <class Session>
  void spilled(const Session& session) {
    const auto hero = session.view();
    spilled_[session.instance_id()] = {hero->progress, hero->items, erasures_[session.key()]};
  }
  template <class Session>
  void replayed(const Session& session) {
    const auto spilled = spilled_.find(session.instance_id());
    if (spilled == spilled_.end()) return;
    acknowledged(session.key(), spilled->second);
    spilled_.erase(spilled);
  }
  void erased(std::uint64_t player, const Hero* held) {
    ++erasures_[player];
    gone_until_[player] = ids_;
    known_.saved[player] = 0;
    if (held == nullptr) return;
    known_.traded_gone += held->traded;
    gone_items_.insert(held->items.begin(), held->items.end());
  }
  void backed_up() { backup_ = known_; }
  void put_back() {
    known_ = backup_;
    put_back_at_ = ids_;
    going_.clear();
    spilled_.clear();
  }

  template <class Players, class Session>
  std::string play(Players& players, Session& session, std::vector<Session>& others,
                   persist::testing::Random& random) {
    const std::uint64_t rare = random.below(1000);
    if (rare == 0) return erase(players, random);
    if (rare == 1 && style_.overwrites) return overwrite(players, random);
    if (rare < 10) return repair(players, random);
    switch (random.below(11)) {
      case 0:
        return buy(session, random);
      case 1:
        return give(session, random);
      case 2:
        return others.empty() ? "looks around" : trade(players, session, random.pick(others));
      case 3:
        (void)session.request_save();
        return "wants a save";
      case 4:
        return std::string("saves: ") + said(session.save());
      case 5:
        session.edit([&](Hero& hero) { hero.items.push_back(++ids_), ++hero.progress; });
        return "finds item " + std::to_string(ids_);
      case 6:
        return post(players, random);
      case 7:
        return buy_offline(players, random);
      case 8:
        return help_offline(players, random);
      case 9:
        return look_at(players, random);
      default:
        session.edit([&](Hero& hero) { hero.coins += 5, hero.earned += 5, ++hero.progress; });
        return "earns";
    }
  }

  template <class Records>
  void end(const Records& records, Violations& violations) {
    violations.insert(violations.end(), seen_.begin(), seen_.end());
    const auto each_once = [&](const char* what, auto member) {
      std::map<std::uint64_t, std::uint64_t> all;
      for (const auto& [key, hero] : records)
        for (const std::uint64_t id : hero.*member)
          if (!all.emplace(id, key).second)
            violations.push_back(std::string(what) + std::to_string(id) + " is there twice");
      return all;
    };
    const auto all_there = [&](const char* what, const auto& all, const auto& known) {
      for (const auto& [id, player] : known)
        if (!all.contains(id) && !is_gone(player, id))
          violations.push_back(std::string(what) + std::to_string(id) + " is lost");
    };
    const auto items = each_once("item ", &Hero::items);
    all_there("purchase ", each_once("purchase ", &Hero::receipts), known_.paid);
    all_there("post ", each_once("post ", &Hero::posts), known_.posted);
    const auto helps = each_once("help ", &Hero::helps);
    all_there("help ", helps, known_.helped);
    for (const std::uint64_t item : known_.items)
      if (!items.contains(item) && !gone_items_.contains(item) && wiped_.empty())
        violations.push_back("item " + std::to_string(item) + " is lost");
    for (const std::uint64_t id : never_)
      if (helps.contains(id))
        violations.push_back("help " + std::to_string(id) + " was said to have failed");
    for (const auto& [key, hero] : records)
      if (hero.progress < known_.saved[key] && !wiped_.contains(key))
        violations.push_back(std::to_string(key) + " ends with less than was acknowledged");
    const auto got = each_once("gift ", &Hero::gifts_got);
    check_gifts(records, got, violations);
    check_trades(records, violations);
  }

 private:
  /// What a save that is under way will make durable.
  struct Going {
    std::uint64_t progress = 0;
    std::vector<std::uint64_t> items;
    std::uint64_t erasures = 0;  ///< how often the record had been erased
  };
  using Owned = std::map<std::uint64_t, std::uint64_t>;  ///< an id, and in whose record it is
  /// What was acknowledged: it must be there in the end, but for what was erased.
  struct Known {
    std::map<std::uint64_t, std::uint64_t> saved;  ///< the progress of each player
    std::set<std::uint64_t> items;
    Owned paid, posted, helped;
    std::set<std::uint64_t> trades;
    std::int64_t traded_gone = 0;  ///< in records that were erased
  };
  struct Way {
    std::uint64_t from, to;
  };
  template <class R>
  static std::string said(const R& result) {
    return result ? "well" : result.error().message();
  }
  void acknowledged(std::uint64_t player, const Going& what) {
    if (what.erasures != erasures_[player]) return;
    std::uint64_t& known = known_.saved[player];
    known = std::max(known, what.progress);
    known_.items.insert(what.items.begin(), what.items.end());
  }
  /// Whether what had that number may have gone with that player's record.
  [[nodiscard]] bool is_gone(std::uint64_t player, std::uint64_t id) const {
    const auto erased = gone_until_.find(player);
    return wiped_.contains(player) || (erased != gone_until_.end() && id <= erased->second);
  }

  template <class Records>
  void check_gifts(const Records& records, const Owned& got, Violations& violations) {
    std::set<std::uint64_t> sent;
    for (const auto& [key, hero] : records)
      for (const std::uint64_t id : hero.gifts_sent) {
        sent.insert(id);
        if (!got.contains(id) && !is_gone(gifts_.at(id).to, id))
          violations.push_back("gift " + std::to_string(id) + " is lost");
      }
    for (const auto& [id, player] : got)
      if (!sent.contains(id) && !is_gone(gifts_.at(id).from, id))
        violations.push_back("gift " + std::to_string(id) + " came from nowhere");
  }
  template <class Records>
  void check_trades(const Records& records, Violations& violations) {
    std::int64_t traded = known_.traded_gone;
    std::map<std::uint64_t, int> sides;
    for (const auto& [key, hero] : records) {
      traded += hero.traded;
      for (const std::uint64_t id : hero.trades)
        ++sides[id];
    }
    if (traded != 0 && wiped_.empty())
      violations.push_back("trades made " + std::to_string(traded) + " coins");
    for (const auto& [id, way] : trades_) {
      if (is_gone(way.from, id) || is_gone(way.to, id)) continue;
      const auto found = sides.find(id);
      const int count = found == sides.end() ? 0 : found->second;
      if (count == 1 || (count == 0 && known_.trades.contains(id)))
        violations.push_back("of trade " + std::to_string(id) + " there is " +
                             std::to_string(count));
      if (count != 0 && never_.contains(id))
        violations.push_back("trade " + std::to_string(id) + " was said to have failed");
    }
  }

  template <class Session>
  std::string buy(Session& session, persist::testing::Random& random) {
    auto& open = shop_[session.key()];
    if (open == 0 || random.happens(300)) open = ++ids_;
    const std::uint64_t id = open;
    const auto granted = session.grant_once(persist::ReceiptId("purchase " + std::to_string(id)),
                                            [&](Hero& hero) { receive(hero, id); });
    return bought(session.key(), id, granted);
  }
  /// A purchase of the web shop, for somebody who may be here, elsewhere or nowhere.
  template <class Players>
  std::string buy_offline(Players& players, persist::testing::Random& random) {
    const std::uint64_t player = random.below(players_);
    auto& open = shop_[player];
    if (open == 0) open = ++ids_;
    const std::uint64_t id = open;
    const auto granted =
        players.grant_once(player, persist::ReceiptId("purchase " + std::to_string(id)),
                           [&](Hero& hero) { receive(hero, id); });
    return bought(player, id, granted);
  }
  static void receive(Hero& hero, std::uint64_t receipt) {
    hero.coins += 10, hero.bought += 10, ++hero.progress;
    hero.receipts.push_back(receipt);
  }
  std::string bought(std::uint64_t player, std::uint64_t id,
                     const persist::Result<persist::Grant>& granted) {
    if (granted && *granted == persist::Grant::durable) {
      // Of one from before a restore a server that goes on may speak from memory.
      if (id > put_back_at_) known_.paid.emplace(id, player);
      if (shop_[player] == id) shop_[player] = 0;
    }
    return "sells " + std::to_string(id) + " to " + std::to_string(player) + ": " +
           (granted ? *granted == persist::Grant::durable ? "durable" : "pending"
                    : granted.error().message());
  }
  /// What failed must not happen later; of what is open here the answer is not yet durable.
  template <class Players>
  std::string help_offline(Players& players, persist::testing::Random& random) {
    const std::uint64_t player = random.below(players_), id = ++ids_;
    const bool is_here = static_cast<bool>(players.find(player));
    const auto done = players.update(player, [&](Hero& hero) {
      hero.coins += 1, hero.earned += 1, ++hero.progress;
      hero.helps.push_back(id);
    });
    if (done && !is_here) known_.helped.emplace(id, player);
    if (!done && !done.is(persist::Errc::unknown_outcome)) never_.insert(id);
    return "helps " + std::to_string(player) + " (" + std::to_string(id) + "): " + said(done);
  }
  template <class Players>
  std::string look_at(Players& players, persist::testing::Random& random) {
    const std::uint64_t player = random.below(players_);
    const auto record = players.peek(player);
    const std::string who = "looks at " + std::to_string(player) + ": ";
    if (!record && !record.is(persist::Errc::not_found)) return who + said(record);
    const std::uint64_t progress = record ? record->data.progress : 0;
    if (progress > tried_[player])
      seen_.push_back(who + "sees what was never saved");
    else if (style_.reads_are_fresh && progress < known_.saved[player] && !wiped_.contains(player))
      seen_.push_back(who + "sees less than was acknowledged");
    return who + "progress " + std::to_string(progress);
  }
  template <class Players>
  std::string erase(Players& players, persist::testing::Random& random) {
    const std::uint64_t player = random.below(players_);
    return "erases " + std::to_string(player) + ": " + said(players.erase(player));
  }
  /// A tool that asks nobody: its save takes the record, if that is as it was read.
  template <class Players>
  std::string repair(Players& players, persist::testing::Random& random) {
    const std::uint64_t player = random.below(players_), id = ++ids_;
    const std::string who = "repairs " + std::to_string(player) + " (" + std::to_string(id) + "): ";
    if (players.find(player)) return who + "is here";
    auto tool = players.load(player, {.lock = persist::LockUse::ignore});
    if (!tool) return who + said(tool);
    tool->edit([&](Hero& hero) { hero.helps.push_back(id), ++hero.progress; });
    const auto saved = tool->release();
    if (saved) known_.helped.emplace(id, player);
    return who + said(saved);
  }
  template <class Players>
  std::string overwrite(Players& players, persist::testing::Random& random) {
    const std::uint64_t player = random.below(players_);
    wiped_.insert(player);  // of an unknown outcome it may happen later
    return "overwrites " + std::to_string(player) + ": " + said(players.overwrite(player, Hero{}));
  }
  template <class Session>
  std::string give(Session& session, persist::testing::Random& random) {
    const std::uint64_t to = random.below(players_);
    if (session.view()->coins < 5) return "is poor";
    const std::uint64_t id = ++ids_;
    const auto sent = session.send(to, Gift{5, id});
    if (!sent) return "cannot send: " + sent.error().message();
    gifts_.emplace(id, Way{session.key(), to});
    session.edit([&](Hero& hero) {
      hero.coins -= 5, hero.sent += 5, ++hero.progress;
      hero.gifts_sent.push_back(id);
    });
    return "sends " + std::to_string(id) + " to " + std::to_string(to);
  }
  template <class Players, class Session>
  std::string trade(Players& players, Session& a, Session& b) {
    const std::uint64_t id = ++ids_;
    const auto done = players.transact(a, b, [&](Hero& mine, Hero& theirs) {
      mine.coins -= 3, mine.traded -= 3, theirs.coins += 3, theirs.traded += 3;
      ++mine.progress, ++theirs.progress;
      mine.trades.push_back(id), theirs.trades.push_back(id);
      if (!mine.items.empty()) {
        theirs.items.push_back(mine.items.back());
        mine.items.pop_back();
      }
    });
    trades_.emplace(id, Way{a.key(), b.key()});
    if (done && *done == persist::Transacted::durable) known_.trades.insert(id);
    if (!done && !done.is(persist::Errc::unknown_outcome)) never_.insert(id);
    return "trades with " + std::string(b.id()) + " (" + std::to_string(id) + "): " + said(done);
  }
  /// A gift of the web shop, which tries again until it knows.
  template <class Players>
  std::string post(Players& players, persist::testing::Random& random) {
    if (unsure_.empty() || random.happens(500)) unsure_.push_back({++ids_, random.below(players_)});
    const auto [id, to] = unsure_.front();
    const std::string spelled = "post " + std::to_string(id);
    const auto done = players.post(to, Gift{7, id, true}, {.id = spelled});
    if (!done) return "cannot post: " + done.error().message();
    unsure_.erase(unsure_.begin());
    known_.posted.emplace(id, to);
    return "posts " + std::to_string(id) + " to " + std::to_string(to);
  }

  std::uint64_t players_;
  Style style_;
  Known known_, backup_;
  std::map<std::string, Going> going_, spilled_;
  std::map<std::uint64_t, std::uint64_t> tried_;  ///< the progress that was ever to be saved
  std::map<std::uint64_t, std::uint64_t> erasures_;
  std::map<std::uint64_t, std::uint64_t> gone_until_;  ///< the newest number at the last erasure
  std::set<std::uint64_t> gone_items_;
  std::set<std::uint64_t> wiped_;  ///< players whose record was overwritten
  std::map<std::uint64_t, Way> gifts_, trades_;
  std::set<std::uint64_t> never_;                ///< what was said to have failed
  std::map<std::uint64_t, std::uint64_t> shop_;  ///< the purchase that is being granted
  std::vector<std::pair<std::uint64_t, std::uint64_t>> unsure_;
  Violations seen_;
  std::uint64_t ids_ = 0;
  std::uint64_t put_back_at_ = 0;
};

/// The evening of that seed, in its style.
inline persist::testing::SimulationReport play(persist::testing::SimulationOptions evening) {
  const Style style{evening.seed % 8 == 1, evening.seed % 2 == 1};
  if (!style.reads_are_fresh) evening.faults.stale = 30;
  evening.reclaims = evening.seed % 4 == 2;
  evening.spills = evening.seed % 9 == 0;
  Game game(evening.players, style);
  using namespace persist::testing;
  if (evening.seed % 7 == 0) return Simulation<Game, SimulatedExternal>(game, evening).run();
  return Simulation<Game>(game, evening).run();
}

}  // namespace simulate
