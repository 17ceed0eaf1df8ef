#pragma once

#include <persist/persist.hpp>

#include <cstdint>
#include <variant>
#include <vector>

// What a game keeps of which each coin and each item can be followed.

namespace simulate {

struct Hero {
  std::int64_t coins = 100;
  std::int64_t earned = 0, sent = 0, got = 0, bought = 0, traded = 0, refunded = 0;
  std::uint64_t progress = 0;
  std::vector<std::uint64_t> items;
  std::vector<std::uint64_t> receipts;
  std::vector<std::uint64_t> posts;  ///< gifts of the web shop that came
  std::vector<std::uint64_t> gifts_sent, gifts_got, refunds;
  std::vector<std::uint64_t> helps, trades;
};
struct Gift {
  enum class From : std::uint8_t { player, shop, nobody_there };
  std::int64_t coins = 0;
  std::uint64_t id = 0;
  From from = From::player;
  std::uint64_t sender = 0;
  bool hurries = false;  ///< or has days
};
struct Save {
  using data_type = Hero;
  using message = std::variant<Gift>;
  using indexes = persist::Indexes<persist::Index<"coins", &Hero::coins>>;
  static persist::Result<void> validate(const Hero& hero) {
    if (hero.coins ==
        100 + hero.earned + hero.got + hero.bought + hero.traded + hero.refunded - hero.sent)
      return persist::success;
    return persist::Error(persist::Errc::invalid, "coins that came from nowhere");
  }
};

inline void take(Hero& hero, const Gift& gift) {
  using From = Gift::From;
  hero.coins += gift.coins;
  (gift.from == From::shop     ? hero.earned
   : gift.from == From::player ? hero.got
                               : hero.refunded) += gift.coins;
  (gift.from == From::shop     ? hero.posts
   : gift.from == From::player ? hero.gifts_got
                               : hero.refunds)
      .push_back(gift.id);
  ++hero.progress;
}

/// How evenings differ beside their seed.
struct Style {
  bool overwrites = false;      ///< a record is given new data now and then, whoever has it
  bool reads_are_fresh = true;  ///< no read is answered from an earlier state
};

}  // namespace simulate
