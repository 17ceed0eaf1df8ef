#include <persist/persist.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <iostream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// Two players, one window. Each puts in what he offers, and both press "accept". Then both records
// change in one commit: no crash, no disconnect and no slow disk can leave a sword with both, or
// with neither.

namespace {

struct Player {
  std::int64_t coins = 0;
  std::vector<std::string> items;
};
struct Save {
  using data_type = Player;
  static persist::Result<void> validate(const Player& player) {
    if (player.items.size() <= 3) return persist::success;
    return persist::Error(persist::Errc::invalid, "a bag holds three things");
  }
};
using Players = persist::Store<std::uint64_t, Save>;

struct Offer {
  std::int64_t coins = 0;
  std::vector<std::string> items;
};

class TradeWindow {
 public:
  TradeWindow(Players::Session left, Players::Session right)
      : sides_{std::move(left), std::move(right)} {}

  /// Whoever changes the offer takes back both acceptances: nobody accepts what he has not seen.
  void put(std::size_t side, Offer offer) {
    offers_[side] = std::move(offer);
    accepted_ = {};
  }
  /// The second acceptance makes the trade. An error says why nothing has changed, for either.
  persist::Result<persist::Transacted> accept(Players& players, std::size_t side) {
    accepted_[side] = true;
    if (!accepted_[0] || !accepted_[1])
      return persist::Error(persist::Errc::busy, "the other one has not accepted yet");
    accepted_ = {};
    return players.transact(sides_[0], sides_[1],
                            [&](Player& left, Player& right) -> persist::Result<void> {
                              if (auto gave = hand_over(left, right, offers_[0]); !gave)
                                return gave;
                              return hand_over(right, left, offers_[1]);
                            });
  }

 private:
  /// On copies: an error leaves both as they were. What the window shows may be old news.
  static persist::Result<void> hand_over(Player& from, Player& to, const Offer& offer) {
    using persist::Errc;
    if (offer.coins < 0 || from.coins < offer.coins)
      return persist::Error(Errc::invalid, "those coins are gone");
    from.coins -= offer.coins, to.coins += offer.coins;
    for (const std::string& item : offer.items) {
      const auto at = std::find(from.items.begin(), from.items.end(), item);
      if (at == from.items.end()) return persist::Error(Errc::invalid, item + " is gone");
      from.items.erase(at);
      to.items.push_back(item);
    }
    return persist::success;
  }

  std::array<Players::Session, 2> sides_;
  std::array<Offer, 2> offers_;
  std::array<bool, 2> accepted_{};
};

void show(std::string_view who, const Players::Session& session) {
  const auto player = session.view();
  std::cout << who << ": " << player->coins << " coins";
  for (const std::string& item : player->items)
    std::cout << ", " << item;
  std::cout << '\n';
}
template <class R>
void say(std::string_view what, const R& result) {
  std::cout << what << ": ";
  if (result)
    std::cout << name(*result) << '\n';
  else
    std::cout << result.error() << '\n';
}

}  // namespace

int main() {
  Players players("PlayerData", persist::backend::File{"save"});
  auto ann = players.load(1), bob = players.load(2);
  if (!ann || !bob) return 1;
  ann->edit([](Player& player) { player = {100, {"sword"}}; });
  bob->edit([](Player& player) { player = {10, {"hat", "boots", "lamp"}}; });

  TradeWindow window(*ann, *bob);
  window.put(0, {20, {"sword"}});
  window.put(1, {0, {"hat"}});
  say("Ann accepts", window.accept(players, 0));
  window.put(1, {0, {"hat", "boots"}});  // Bob is generous, so Ann has to look again
  say("Bob accepts", window.accept(players, 1));
  say("Ann accepts", window.accept(players, 0));
  show("Ann", *ann), show("Bob", *bob);

  window.put(0, {0, {"sword"}});  // it is Bob's by now
  window.put(1, {5, {}});
  say("Bob accepts", window.accept(players, 1));
  say("Ann accepts", window.accept(players, 0));

  window.put(0, {0, {"hat", "boots"}});  // Bob's bag has room for one more
  window.put(1, {0, {}});
  say("Bob accepts", window.accept(players, 1));
  say("Ann accepts", window.accept(players, 0));
  show("Ann", *ann), show("Bob", *bob);

  const bool is_right = ann->view()->coins == 80 && ann->view()->items.size() == 2 &&
                        bob->view()->coins == 30 && bob->view()->items.size() == 2;
  return is_right ? 0 : 1;
}
