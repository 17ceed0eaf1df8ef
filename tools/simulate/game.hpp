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
};
struct Gift {
  std::int64_t coins = 0;
  std::uint64_t post = 0;  ///< which of the web shop's; 0: another player's
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

class Game {
 public:
  explicit Game(std::uint64_t players) : players_(players) {}

  using Save = simulate::Save;
  using Violations = std::vector<std::string>;

  template <class Players>
  void begin(Players& players) {
    players.on_message([](Hero& hero, const Gift& gift) {
      hero.coins += gift.coins;
      if (gift.post == 0)
        hero.got += gift.coins;
      else
        hero.earned += gift.coins, hero.posts.push_back(gift.post);
      ++hero.progress;
    });
  }
  template <class Session>
  void loaded(Session& session, Violations& violations) {
    const auto hero = session.view();
    const std::uint64_t known = saved_[session.key()];
    if (hero->progress < known)
      violations.push_back(std::string(session.id()) + " comes back with progress " +
                           std::to_string(hero->progress) + ", and " + std::to_string(known) +
                           " was acknowledged");
  }
  template <class Session>
  void saving(Session& session) {
    const auto hero = session.view();
    going_[session.instance_id()] = {hero->progress, hero->items};
  }
  template <class Session>
  void saved(Session& session) {
    const auto going = going_.find(session.instance_id());
    if (going == going_.end()) return;
    std::uint64_t& known = saved_[session.key()];
    known = std::max(known, going->second.progress);
    durable_items_.insert(going->second.items.begin(), going->second.items.end());
  }

  template <class Players, class Session>
  std::string play(Players& players, Session& session, std::vector<Session>& others,
                   persist::testing::Random& random) {
    switch (random.below(10)) {
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
        session.edit([&](Hero& hero) { hero.items.push_back(++items_), ++hero.progress; });
        return "finds item " + std::to_string(items_);
      case 6:
        return post(players, random);
      case 7:
        return buy_offline(players, random);
      case 8:
        return help_offline(players, random);
      default:
        session.edit([&](Hero& hero) { hero.coins += 5, hero.earned += 5, ++hero.progress; });
        return "earns";
    }
  }

  template <class Records>
  void end(const Records& records, Violations& violations) {
    std::map<std::uint64_t, int> items;
    std::int64_t sent = 0, got = 0, traded = 0;
    std::map<std::uint64_t, int> receipts, posts;
    for (const auto& [key, hero] : records) {
      sent += hero.sent, got += hero.got, traded += hero.traded;
      for (const std::uint64_t item : hero.items)
        ++items[item];
      for (const std::uint64_t receipt : hero.receipts)
        ++receipts[receipt];
      for (const std::uint64_t post : hero.posts)
        ++posts[post];
      if (hero.progress < saved_[key])
        violations.push_back(std::to_string(key) + " ends with less than was acknowledged");
    }
    for (const auto& [item, count] : items)
      if (count != 1) violations.push_back("item " + std::to_string(item) + " is there twice");
    for (const std::uint64_t item : durable_items_)
      if (!items.contains(item)) violations.push_back("item " + std::to_string(item) + " is lost");
    for (const auto& [receipt, count] : receipts)
      if (count != 1) violations.push_back("receipt " + std::to_string(receipt) + " counts twice");
    for (const std::uint64_t receipt : paid_)
      if (!receipts.contains(receipt))
        violations.push_back("purchase " + std::to_string(receipt) + " is lost");
    for (const auto& [post, count] : posts)
      if (count != 1) violations.push_back("post " + std::to_string(post) + " came twice");
    for (const std::uint64_t post : posted_)
      if (!posts.contains(post)) violations.push_back("post " + std::to_string(post) + " is lost");
    if (sent != got)
      violations.push_back("sent " + std::to_string(sent) + ", got " + std::to_string(got));
    if (traded != 0) violations.push_back("trades made " + std::to_string(traded) + " coins");
  }

 private:
  /// What a save that is under way will make durable.
  struct Going {
    std::uint64_t progress = 0;
    std::vector<std::uint64_t> items;
  };
  template <class R>
  static std::string said(const R& result) {
    return result ? "well" : result.error().message();
  }

  template <class Session>
  std::string buy(Session& session, persist::testing::Random& random) {
    auto& open = shop_[session.key()];
    if (open == 0 || random.happens(300)) open = ++receipts_;
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
    if (open == 0) open = ++receipts_;
    const std::uint64_t id = open;
    const auto granted =
        players.grant_once(player, persist::ReceiptId("purchase " + std::to_string(id)),
                           [&](Hero& hero) { receive(hero, id); });
    return bought(player, id, granted);
  }
  template <class Players>
  std::string help_offline(Players& players, persist::testing::Random& random) {
    const std::uint64_t player = random.below(players_);
    const auto done = players.update(
        player, [](Hero& hero) { hero.coins += 1, hero.earned += 1, ++hero.progress; });
    return "helps " + std::to_string(player) + ": " + said(done);
  }
  static void receive(Hero& hero, std::uint64_t receipt) {
    hero.coins += 10, hero.bought += 10, ++hero.progress;
    hero.receipts.push_back(receipt);
  }
  std::string bought(std::uint64_t player, std::uint64_t id,
                     const persist::Result<persist::Grant>& granted) {
    if (granted && *granted == persist::Grant::durable) {
      paid_.insert(id);
      if (shop_[player] == id) shop_[player] = 0;
    }
    return "sells " + std::to_string(id) + " to " + std::to_string(player) + ": " +
           (granted ? *granted == persist::Grant::durable ? "durable" : "pending"
                    : granted.error().message());
  }
  template <class Session>
  std::string give(Session& session, persist::testing::Random& random) {
    const std::uint64_t to = random.below(players_);
    if (session.view()->coins < 5) return "is poor";
    const auto sent = session.send(to, Gift{5});
    if (!sent) return "cannot send: " + sent.error().message();
    session.edit([&](Hero& hero) { hero.coins -= 5, hero.sent += 5, ++hero.progress; });
    return "sends to " + std::to_string(to);
  }
  template <class Players, class Session>
  std::string trade(Players& players, Session& a, Session& b) {
    const auto done = players.transact(a, b, [&](Hero& mine, Hero& theirs) {
      mine.coins -= 3, mine.traded -= 3, theirs.coins += 3, theirs.traded += 3;
      ++mine.progress, ++theirs.progress;
      if (!mine.items.empty()) {
        theirs.items.push_back(mine.items.back());
        mine.items.pop_back();
      }
    });
    return "trades with " + std::string(b.id()) + ": " + said(done);
  }
  /// A gift of the web shop, which tries again until it knows.
  template <class Players>
  std::string post(Players& players, persist::testing::Random& random) {
    if (unsure_.empty() || random.happens(500)) {
      unsure_.push_back({++posts_, random.below(players_)});
    }
    const auto [id, to] = unsure_.front();
    const std::string spelled = "post " + std::to_string(id);
    const auto done = players.post(to, Gift{7, id}, {.id = spelled});
    if (!done) return "cannot post: " + done.error().message();
    unsure_.erase(unsure_.begin());
    posted_.insert(id);
    return "posts " + std::to_string(id) + " to " + std::to_string(to);
  }

  std::uint64_t players_;
  std::map<std::uint64_t, std::uint64_t> saved_;  ///< the progress that was acknowledged
  std::map<std::string, Going> going_;
  std::set<std::uint64_t> durable_items_;
  std::map<std::uint64_t, std::uint64_t> shop_;  ///< the purchase that is being granted
  std::set<std::uint64_t> paid_;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> unsure_;
  std::set<std::uint64_t> posted_;  ///< what the database said it has
  std::uint64_t items_ = 0, receipts_ = 0, posts_ = 0;
};

}  // namespace simulate
