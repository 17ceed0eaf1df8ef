#include <persist/persist.hpp>

#include <cstdint>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

// A guild's bank: one record that the players of every server put into and take out of, seldom and
// at any time. Nobody owns it for an evening, so no session holds it. Each change reads it, changes
// a copy, and is written if nobody wrote in between; else it is made again.

namespace {

struct Bank {
  std::int64_t coins = 0;
  std::vector<std::string> last;  // what was done, the newest last
};
struct BankSave {
  using data_type = Bank;
  static persist::Result<void> validate(const Bank& bank) {
    if (bank.coins >= 0) return persist::success;
    return persist::Error(persist::Errc::invalid, "there is not so much in the bank");
  }
};
using Banks =
    persist::Store<std::string, BankSave, persist::backend::File, persist::lock::Optimistic>;

/// The function may run several times: it does nothing but change what it is given.
persist::Result<void> move(Banks& banks, const std::string& guild, const std::string& who,
                           std::int64_t coins) {
  const auto deposit = [&](Bank& bank) {
    bank.coins += coins;
    bank.last.push_back(who + ' ' + std::to_string(coins));
    if (bank.last.size() > 5) bank.last.erase(bank.last.begin());
  };
  const auto changed = banks.update(guild, deposit, {.create = true});  // the first coin founds it
  return changed ? persist::Result<void>(persist::success) : changed.error();
}

}  // namespace

int main() {
  const persist::backend::File database{"save"};
  constexpr int rounds = 200;
  // Two servers at once. Each has a store of its own; a store belongs to one thread.
  const auto serve = [&](const std::string& server) {
    Banks banks("GuildBanks", database);
    for (int i = 0; i < rounds; ++i)
      if (auto done = move(banks, "ravens", server, i % 2 == 0 ? 10 : -4); !done)
        std::cerr << server << ": " << done.error() << '\n';
  };
  std::thread other(serve, "us-1");
  serve("eu-1");
  other.join();

  Banks banks("GuildBanks", database);
  const auto bank = banks.peek("ravens");
  if (!bank) return std::cerr << bank.error() << '\n', 1;
  std::cout << "the ravens have " << bank->data.coins << " coins after " << bank->version
            << " changes; the last ones:\n";
  for (const std::string& line : bank->data.last)
    std::cout << "  " << line << '\n';
  const auto greedy = move(banks, "ravens", "Bob", -1'000'000);
  std::cout << "Bob takes a million: " << (greedy ? "well" : greedy.error().message()) << '\n';
  if (bank->data.coins == rounds * (10 - 4) && !greedy) return 0;
  return std::cerr << "A new bank would have " << rounds * (10 - 4)
                   << " coins: is there a save of an earlier run?\n",
         1;
}
