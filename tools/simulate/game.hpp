#pragma once

#include <persist/testing/simulation.hpp>
#include <simulate/account.hpp>

#include <cstdint>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace simulate {

/// What its players, its shop and its operators do, one thing at a time.
class Game : public Account {
 public:
  explicit Game(std::uint64_t players, Style style = {}) : Account(style), players_(players) {}

  using Save = simulate::Save;

  template <class Players>
  void begin(Players& players) {
    using Session = typename Players::Session;
    players.on_message([this](Hero& hero, const Gift& gift) {
      // A bad day of the game's: such a gift is tried again, and may be a dead letter for a while.
      if (is_clumsy_ && gift.id % 3 == 0) throw std::runtime_error("a handler that is wrong");
      take(hero, gift);
    });
    players.on_expired([this](Hero&, const Gift& gift, Session& session) -> persist::Result<void> {
      if (!gift.hurries)
        seen_.push_back("gift " + std::to_string(gift.id) + " is over before its time");
      Gift back = gift;
      back.from = Gift::From::nobody_there, back.hurries = false;
      return session.send(gift.sender, back);
    });
    watching_.push_back(players.template on_changed<&Hero::coins>(
        [this](Session& session, const std::int64_t& old, const std::int64_t& now) {
          heard_of_coins(session, old, now);
        }));
  }
  void choose(persist::StoreOptions& options) const { options.history = {.keep = 3}; }
  template <class Session>
  void loaded(Session& session, Violations& violations) {
    (void)session.add_user_id(user_of(session.key()));
    Account::loaded(session, violations);
  }
  void mended() { is_clumsy_ = false; }
  /// The board is what the records are, now that nobody writes.
  template <class Players, class Records>
  void audit(Players& players, const Records& records, Violations& violations) {
    const auto rows = players.template top<"coins">(players_ + 1);
    if (!rows) return violations.push_back("in the end there is no board: " + said(rows));
    if (rows->size() != records.size())
      violations.push_back("the board has " + std::to_string(rows->size()) + " rows for " +
                           std::to_string(records.size()) + " records");
    for (const auto& row : *rows) {
      const auto record = records.find(std::stoull(row.key));
      if (record == records.end() || record->second.coins != row.value)
        violations.push_back("the board says that " + row.key + " has " +
                             std::to_string(row.value) + " coins");
    }
  }

  template <class Players, class Session>
  std::string play(Players& players, Session& session, std::vector<Session>& others,
                   persist::testing::Random& random) {
    is_clumsy_ = random.happens(is_clumsy_ ? 900 : 20);
    const std::uint64_t rare = random.below(1000);
    if (rare == 0) return erase(players, random);
    if (rare == 1 && style_.overwrites)
      return random.happens(500) ? overwrite(players, random) : go_back(players, random);
    if (rare < 8) return repair(players, random);
    if (rare < 10) return walk(players, random);
    if (rare < 20) return look_at_board(players);
    if (rare < 30) return look_back(players, random);
    switch (random.below(12)) {
      case 0:
        return buy(session, random);
      case 1:
        return give(session, random);
      case 2:
        return others.empty() ? "looks around" : trade(players, session, others, random);
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
      case 10:
        return "offers " + std::to_string(session.retry_messages()) + " dead letters again";
      default:
        session.edit([&](Hero& hero) { hero.coins += 5, hero.earned += 5, ++hero.progress; });
        return "earns";
    }
  }

 private:
  template <class R>
  static std::string said(const R& result) {
    return result ? "well" : result.error().message();
  }

  template <class Session>
  std::string buy(Session& session, persist::testing::Random& random) {
    auto& open = shop_[session.key()];
    if (open == 0 || random.happens(300)) open = ++ids_;
    const std::uint64_t id = open;
    const auto granted = session.grant_once(persist::ReceiptId("purchase " + std::to_string(id)),
                                            [&](Hero& hero) { receive(hero, id); });
    return bought(session.key(), id, granted && *granted == persist::Grant::durable,
                  granted ? "pending" : granted.error().message());
  }
  /// A purchase of the web shop, for somebody who may be here, elsewhere or nowhere.
  template <class Players>
  std::string buy_offline(Players& players, persist::testing::Random& random) {
    const std::uint64_t player = random.below(players_);
    auto& open = shop_[player];
    if (open == 0) open = ++ids_;
    const std::uint64_t id = open;
    const persist::Purchase done =
        players.purchase(player, persist::ReceiptId("purchase " + std::to_string(id)),
                         [&](Hero& hero) { receive(hero, id); });
    using Outcome = persist::PurchaseOutcome;
    if (done.outcome == Outcome::refused)
      seen_.push_back("purchase " + std::to_string(id) + " was refused: " + done.why.message());
    const bool is_paid =
        done.outcome == Outcome::granted || done.outcome == Outcome::granted_before;
    return bought(player, id, is_paid, is_paid ? "" : done.why.message());
  }
  static void receive(Hero& hero, std::uint64_t receipt) {
    hero.coins += 10, hero.bought += 10, ++hero.progress;
    hero.receipts.push_back(receipt);
  }
  std::string bought(std::uint64_t player, std::uint64_t id, bool is_paid, const std::string& why) {
    if (is_paid) {
      // Of one from before a restore a server that goes on may speak from memory.
      if (id > put_back_at_) known_.paid.emplace(id, player);
      if (shop_[player] == id) shop_[player] = 0;
    }
    return "sells " + std::to_string(id) + " to " + std::to_string(player) + ": " +
           (is_paid ? "durable" : why);
  }
  /// What failed must not happen later; of what is open here the answer is not yet durable.
  template <class Players>
  std::string help_offline(Players& players, persist::testing::Random& random) {
    const std::uint64_t player = random.below(players_), id = ++ids_;
    const bool is_here = static_cast<bool>(players.find(player));
    const auto done = players.update(player, [&](Hero& hero) { help(hero, id); });
    if (done && !is_here) known_.helped.emplace(id, player);
    if (!done) not_done(id, done.error());
    return "helps " + std::to_string(player) + " (" + std::to_string(id) + "): " + said(done);
  }
  static void help(Hero& hero, std::uint64_t id) {
    hero.coins += 1, hero.earned += 1, ++hero.progress;
    hero.helps.push_back(id);
  }
  /// The operators help everybody. Who is passed by is told, and gets nothing of it later.
  template <class Players>
  std::string walk(Players& players, persist::testing::Random& random) {
    struct Helped {
      std::uint64_t id;
      bool is_here;
    };
    std::map<std::string, Helped> helped;
    persist::ForEachOptions how;
    how.page = random.between(1, players_);
    how.held = random.happens(300) ? persist::Conflict::request : persist::Conflict::refuse;
    how.deadline = std::chrono::seconds(2);
    const persist::ForEachReport report = players.for_each(
        [&](std::string_view key, Hero& hero) {
          const bool is_here = static_cast<bool>(players.find(std::stoull(std::string(key))));
          helped.insert_or_assign(std::string(key), Helped{++ids_, is_here});
          help(hero, ids_);
        },
        std::move(how));
    for (const persist::Missed& missed : report.missed) {
      const auto it = helped.find(missed.key);
      if (it == helped.end()) continue;
      not_done(it->second.id, missed.why);
      helped.erase(it);
    }
    for (const auto& [key, what] : helped)
      if (report.done && !what.is_here) known_.helped.emplace(what.id, std::stoull(key));
    return "helps everybody: " + std::to_string(report.changed) + " changed, " +
           std::to_string(report.held) + " held, " + std::to_string(report.failed) + " failed" +
           (report.done ? "" : ", and stops: " + report.error.message());
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
  static constexpr std::uint64_t user_of(std::uint64_t player) { return player + 1000; }

  /// By its key, or all that is a user's.
  template <class Players>
  std::string erase(Players& players, persist::testing::Random& random) {
    const std::uint64_t player = random.below(players_);
    if (random.happens(500))
      return "erases " + std::to_string(player) + ": " + said(players.erase(player));
    const auto erased = players.erase_user(user_of(player), {.live = persist::LiveRecord::end});
    if (erased.done() && style_.reads_are_fresh)
      if (const auto left = players.keys_of(user_of(player)); left && !left->empty())
        seen_.push_back("something of user " + std::to_string(player) + " is left");
    return "erases user " + std::to_string(player) + ": " + std::to_string(erased.erased.size()) +
           " records" + (failed(erased.error) ? ", " + erased.error.message() : "");
  }
  /// In which each record stands where what is stored of it says.
  template <class Players>
  std::string look_at_board(Players& players) {
    const auto rows = players.template top<"coins">(players_);
    if (!rows) return "sees no board: " + said(rows);
    for (std::size_t i = 0; i < rows->size(); ++i) {
      const auto& row = (*rows)[i];
      if (row.rank != i || (i != 0 && (*rows)[i - 1].value < row.value))
        seen_.push_back("the board is out of order at " + row.key);
      const auto record = players.peek(std::stoull(row.key));
      if (style_.reads_are_fresh && record && record->data.coins != row.value)
        seen_.push_back("the board says that " + row.key + " has " + std::to_string(row.value) +
                        " coins, and it has " + std::to_string(record->data.coins));
    }
    return "looks at the board of " + std::to_string(rows->size());
  }
  /// At older states, which were saved one after another.
  template <class Players>
  std::string look_back(Players& players, persist::testing::Random& random) {
    const std::uint64_t player = random.below(players_);
    const std::string who = "looks back at " + std::to_string(player) + ": ";
    const auto kept = players.versions(player);
    if (!kept) return who + said(kept);
    std::uint64_t progress = tried_[player];
    for (std::size_t i = 0; i < kept->size(); ++i) {
      const std::uint64_t version = (*kept)[i].version;
      if (i != 0 && version >= (*kept)[i - 1].version)
        seen_.push_back(who + "version " + std::to_string(version) + " is not older");
      const auto then = players.peek(player, version);
      if (!then) return who + said(then);
      if (then->data.progress > progress && !wiped_.contains(player))
        seen_.push_back(who + "version " + std::to_string(version) + " knows the future");
      progress = then->data.progress;
    }
    return who + std::to_string(kept->size()) + " versions";
  }
  /// Puts an older state in the place of what is there, whoever has it.
  template <class Players>
  std::string go_back(Players& players, persist::testing::Random& random) {
    const std::uint64_t player = random.below(players_);
    const std::string who = "goes back with " + std::to_string(player) + ": ";
    const auto kept = players.versions(player);
    if (!kept || kept->empty()) return who + (kept ? "nothing to go back to" : said(kept));
    wiped_.insert(player);  // of an unknown outcome it may happen later
    went_back_ = true;
    return who + said(players.restore(player, kept->back().version));
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
  /// Taken here and sent there in one save. Some are in a hurry, and come back where nobody was.
  template <class Session>
  std::string give(Session& session, persist::testing::Random& random) {
    const std::uint64_t to = random.below(players_);
    if (session.view()->coins < 5) return "is poor";
    const std::uint64_t id = ++ids_;
    persist::PostOptions how;
    const bool hurries = random.happens(300);
    if (hurries) how.expires = std::chrono::seconds(random.between(1, 120));
    if (random.happens(300)) how.priority = 1;
    const auto sent = session.transfer(
        to, Gift{5, id, Gift::From::player, session.key(), hurries},
        [&](Hero& hero) {
          hero.coins -= 5, hero.sent += 5, ++hero.progress;
          hero.gifts_sent.push_back(id);
        },
        how);
    if (!sent) return "cannot send: " + sent.error().message();
    gifts_.emplace(id, Way{session.key(), to});
    return "sends " + std::to_string(id) + " to " + std::to_string(to);
  }
  static void hand_over(Hero& mine, Hero& theirs, std::uint64_t id) {
    mine.coins -= 3, mine.traded -= 3, theirs.coins += 3, theirs.traded += 3;
    ++mine.progress, ++theirs.progress;
    mine.trades.push_back(id), theirs.trades.push_back(id);
    if (mine.items.empty()) return;
    theirs.items.push_back(mine.items.back());
    mine.items.pop_back();
  }
  /// Between two, or round among three.
  template <class Players, class Session>
  std::string trade(Players& players, Session& a, std::vector<Session>& others,
                    persist::testing::Random& random) {
    Session& b = random.pick(others);
    Session& c = random.pick(others);
    const std::uint64_t id = ++ids_;
    if (b == c) {
      const auto done =
          players.transact(a, b, [&](Hero& mine, Hero& theirs) { hand_over(mine, theirs, id); });
      return "trades with " + std::string(b.id()) + settle(done, id, Way{a.key(), b.key()});
    }
    const std::uint64_t next = ++ids_;
    const auto done = players.transact(a, b, c, [&](Hero& first, Hero& second, Hero& third) {
      hand_over(first, second, id), hand_over(second, third, next);
    });
    return "trades with " + std::string(b.id()) + settle(done, id, Way{a.key(), b.key()}) +
           " and " + std::string(c.id()) + settle(done, next, Way{b.key(), c.key()});
  }
  std::string settle(const persist::Result<persist::Transacted>& done, std::uint64_t id, Way way) {
    trades_.emplace(id, way);
    if (done && *done == persist::Transacted::durable) known_.trades.insert(id);
    if (!done) not_done(id, done.error());
    return " (" + std::to_string(id) + "): " + said(done);
  }
  /// A gift of the web shop, which tries again until it knows.
  template <class Players>
  std::string post(Players& players, persist::testing::Random& random) {
    if (unsure_.empty() || random.happens(500)) unsure_.push_back({++ids_, random.below(players_)});
    const auto [id, to] = unsure_.front();
    const std::string spelled = "post " + std::to_string(id);
    const auto done = players.post(to, Gift{7, id, Gift::From::shop}, {.id = spelled});
    if (!done) return "cannot post: " + done.error().message();
    unsure_.erase(unsure_.begin());
    known_.posted.emplace(id, to);
    return "posts " + std::to_string(id) + " to " + std::to_string(to);
  }

  std::uint64_t players_;
  bool is_clumsy_ = false;
  std::vector<persist::Connection> watching_;
  std::map<std::uint64_t, std::uint64_t> shop_;  ///< the purchase that is being granted
  std::vector<std::pair<std::uint64_t, std::uint64_t>> unsure_;
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
