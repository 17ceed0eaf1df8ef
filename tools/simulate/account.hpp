#pragma once

#include <simulate/save.hpp>

#include <algorithm>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace simulate {

using Violations = std::vector<std::string>;

/// What the game was told, and what must therefore be there in the end.
class Account {
 public:
  explicit Account(Style style) : style_(style) {}

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
    const auto heard = coins_heard_.find(session.instance_id());
    const auto hero = session.view();
    if (heard != coins_heard_.end() && heard->second != hero->coins)
      seen_.push_back(std::string(session.id()) + " ends with " + std::to_string(hero->coins) +
                      " coins, and the last change that was heard of led to " +
                      std::to_string(heard->second));
    const auto going = going_.find(session.instance_id());
    if (going == going_.end()) return;
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

  template <class Records>
  void end(const Records& records, Violations& violations) {
    violations.insert(violations.end(), seen_.begin(), seen_.end());
    const auto each_once = [&](const char* what, auto member, bool must = true) {
      Owned all;
      for (const auto& [key, hero] : records)
        for (const std::uint64_t id : hero.*member)
          if (!all.emplace(id, key).second && must)
            violations.push_back(std::string(what) + std::to_string(id) + " is there twice");
      return all;
    };
    const auto all_there = [&](const char* what, const Owned& all, const Owned& known) {
      for (const auto& [id, player] : known)
        if (!all.contains(id) && !is_gone(player, id))
          violations.push_back(std::string(what) + std::to_string(id) + " is lost");
    };
    // What was traded away is there again in the older state of one of both.
    const Owned items = each_once("item ", &Hero::items, !went_back_);
    all_there("purchase ", each_once("purchase ", &Hero::receipts), known_.paid);
    all_there("post ", each_once("post ", &Hero::posts), known_.posted);
    const Owned helps = each_once("help ", &Hero::helps);
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
    // An erased record has forgotten what it handled: a gift that is sent to it late comes once
    // more.
    Owned refunds;
    for (const auto& [key, hero] : records)
      for (const std::uint64_t id : hero.refunds)
        if (!refunds.emplace(id, key).second && !is_gone(gifts_.at(id).to, id))
          violations.push_back("refund " + std::to_string(id) + " is there twice");
    check_gifts(records, each_once("gift ", &Hero::gifts_got), refunds, violations);
    check_trades(records, violations);
  }

 protected:
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

  /// The coins of a session changed, and somebody who listens was told.
  template <class Session>
  void heard_of_coins(Session& session, std::int64_t old, std::int64_t now) {
    const auto [heard, is_first] = coins_heard_.try_emplace(session.instance_id(), old);
    if (heard->second != old || old == now)
      seen_.push_back(std::string(session.id()) + " is said to have gone from " +
                      std::to_string(old) + " to " + std::to_string(now) + " coins, and had " +
                      std::to_string(heard->second));
    heard->second = now;
  }
  /// What failed must not happen later.
  void not_done(std::uint64_t id, const persist::Error& why) {
    if (why != persist::Errc::unknown_outcome) never_.insert(id);
  }

 private:
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
  /// A gift is with whom it was for, or came back: one of both.
  template <class Records>
  void check_gifts(const Records& records, const Owned& got, const Owned& back,
                   Violations& violations) {
    std::set<std::uint64_t> sent;
    for (const auto& [key, hero] : records)
      for (const std::uint64_t id : hero.gifts_sent) {
        sent.insert(id);
        const bool arrived = got.contains(id), returned = back.contains(id);
        // An erased record has forgotten what it had handled: what is sent on to it late comes
        // again.
        if (arrived && returned && !is_gone(gifts_.at(id).to, id))
          violations.push_back("gift " + std::to_string(id) + " arrived and came back");
        // What came back is in its sender's record, which may be an older one by now.
        const bool may_be_gone = is_gone(gifts_.at(id).to, id) || is_gone(key, id);
        if (!arrived && !returned && !may_be_gone)
          violations.push_back("gift " + std::to_string(id) + " is lost");
      }
    // A server that goes on while the database is put back may know of a gift of before, and a
    // record that it repairs is as it saw it.
    for (const Owned* each : {&got, &back})
      for (const auto& [id, player] : *each)
        if (!sent.contains(id) && id > put_back_at_ && !is_gone(gifts_.at(id).from, id))
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

 protected:
  Style style_;
  Known known_, backup_;
  std::map<std::uint64_t, std::uint64_t> tried_;  ///< the progress that was ever to be saved
  std::set<std::uint64_t> wiped_;                 ///< players whose record was overwritten
  bool went_back_ = false;                        ///< one of them with an older state
  std::map<std::uint64_t, Way> gifts_, trades_;
  std::set<std::uint64_t> never_;  ///< what was said to have failed
  Violations seen_;
  std::uint64_t ids_ = 0;
  std::uint64_t put_back_at_ = 0;

 private:
  std::map<std::string, Going> going_, spilled_;
  std::map<std::string, std::int64_t> coins_heard_;  ///< of each session that somebody listened to
  std::map<std::uint64_t, std::uint64_t> erasures_;
  std::map<std::uint64_t, std::uint64_t> gone_until_;  ///< the newest number at the last erasure
  std::set<std::uint64_t> gone_items_;
};

}  // namespace simulate
