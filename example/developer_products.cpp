#include <persist/persist.hpp>

#include <cstdint>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

// A shop that takes money. It calls us with a receipt until we say that the product is granted, or
// never will be: also twice, also when the buyer has left, also while the database is away. What it
// must never hear is "yes" for something that a crash could still lose.

namespace {

struct Player {
  std::int64_t gems = 0;
  std::vector<std::string> pets;
};
struct Save {
  using data_type = Player;
};
using Players = persist::Store<std::uint64_t, Save>;

/// What the shop sends.
struct Receipt {
  std::string purchase;  // its own number of it, the same at every repeat
  std::uint64_t buyer = 0;
  std::string product;
};
enum class Answer { take_the_money, ask_again, give_it_back };

/// What the buyer gets. An error that is not final is for another time: the pets' house may have
/// room tomorrow. What failed has changed nothing, and left no receipt.
persist::Result<void> grant(Player& player, std::string_view product) {
  constexpr std::size_t most_pets = 2;
  if (product == "100 gems") return player.gems += 100, persist::success;
  if (product == "a cat") {
    if (player.pets.size() >= most_pets)
      return persist::Error(persist::Errc::full, "there is no room for another pet");
    return player.pets.emplace_back("cat"), persist::success;
  }
  return persist::Error(persist::Errc::refused, "nothing of that name is sold");
}

/// All that a shop needs to know. The buyer may be here, nowhere, or on another server (then the
/// shop asks again, and one of the servers will be the right one).
Answer process_receipt(Players& players, const Receipt& receipt) {
  using persist::PurchaseOutcome;
  const persist::Purchase bought =
      players.purchase(receipt.buyer, persist::ReceiptId(receipt.purchase),
                       [&](Player& player) { return grant(player, receipt.product); });
  std::cout << receipt.purchase << ", " << receipt.product << ": " << name(bought.outcome);
  if (failed(bought.why)) std::cout << " (" << bought.why << ')';
  std::cout << '\n';
  switch (bought.outcome) {
    case PurchaseOutcome::granted:
    case PurchaseOutcome::granted_before:
      return Answer::take_the_money;
    case PurchaseOutcome::retry_later:
      return Answer::ask_again;
    default:
      return Answer::give_it_back;
  }
}

}  // namespace

int main() {
  Players players("PlayerData", persist::backend::File{"save"});
  bool all_right = true;
  const auto expect = [&](Answer answer, const Receipt& receipt) {
    all_right = process_receipt(players, receipt) == answer && all_right;
  };

  auto ann = players.load(1);  // she plays; Bob (2) does not
  if (!ann) return std::cerr << ann.error() << '\n', 1;

  expect(Answer::take_the_money, {"p-1", 1, "100 gems"});
  expect(Answer::take_the_money,
         {"p-1", 1, "100 gems"});  // the shop did not hear us the first time
  expect(Answer::take_the_money, {"p-2", 2, "a cat"});
  expect(Answer::take_the_money, {"p-3", 2, "a cat"});
  expect(Answer::ask_again, {"p-4", 2, "a cat"});  // his house is full
  expect(Answer::give_it_back, {"p-5", 1, "a dragon"});

  // Bob comes and gives a cat away; now the shop's next try succeeds.
  if (auto bob = players.load(2)) {
    bob->edit()->pets.pop_back();
    expect(Answer::take_the_money, {"p-4", 2, "a cat"});
    std::cout << "Bob has " << bob->view()->pets.size() << " cats\n";
    all_right = bob->view()->pets.size() == 2 && all_right;
  }
  std::cout << "Ann has " << ann->view()->gems << " gems\n";
  if (all_right && ann->view()->gems == 100) return 0;
  return std::cerr << "Not what a new shop says: is there a save of an earlier run?\n", 1;
}
