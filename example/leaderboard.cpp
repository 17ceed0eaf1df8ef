#include <persist/persist.hpp>

#include <cstdint>
#include <iostream>
#include <string>
#include <vector>

// A leaderboard of all players, those who are offline too. It is no list beside the records that
// could differ from them: who stands where changes with the save that changes the score.

namespace {

struct Player {
  std::string name;
  std::int64_t score = 0;
};
struct Save {
  using data_type = Player;
  using indexes = persist::Indexes<persist::Index<"score", &Player::score>>;
};
using Players = persist::Store<std::uint64_t, Save>;

template <class Rows>
void show(Players& players, const Rows& rows, std::uint64_t whose = 0) {
  for (const auto& row : rows) {
    const auto player = players.peek(persist::SpelledKey{row.key});
    std::cout << (row.key == std::to_string(whose) ? " > " : "   ") << row.rank + 1 << ". "
              << (player ? player->data.name : "player " + row.key) << "  " << row.value << '\n';
  }
}

}  // namespace

int main() {
  Players players("PlayerData", persist::backend::File{"save"});
  const std::vector<std::string> names = {"Ann", "Bob", "Carol", "Dan", "Eve", "Finn", "Gil"};
  for (std::uint64_t key = 1; key <= names.size(); ++key) {
    auto session = players.load(key);
    if (!session) return std::cerr << session.error() << '\n', 1;
    session->edit([&](Player& player) {
      player = {names[key - 1], static_cast<std::int64_t>(key * key % 11 * 10)};
    });
    if (auto saved = session->release(); !saved) return std::cerr << saved.error() << '\n', 1;
  }

  const auto best = players.top<"score">(3);
  if (!best) return std::cerr << best.error() << '\n', 1;
  std::cout << "the best three\n";
  show(players, *best);

  // Dan has a good evening. Until it is saved nobody sees that.
  auto dan = players.load(4);
  if (!dan) return 1;
  const auto before = players.rank<"score">(4);
  dan->edit()->score += 1000;
  const auto unsaved = players.rank<"score">(4);
  if (!dan->save()) return 1;
  const auto after = players.rank<"score">(4);
  if (!before || !unsaved || !after) return 1;
  std::cout << "Dan was number " << *before + 1 << ", and is number " << *after + 1 << '\n';

  // What a player wants to see: himself, and who is next to him.
  if (const auto around = players.around<"score">(6, 1)) {
    std::cout << "around Finn\n";
    show(players, *around, 6);
  }
  // The next page, from where the last one ended.
  const auto next = players.top<"score">(3, best->back().position());
  if (!next) return 1;
  std::cout << "the three behind " << best->back().value << " points\n";
  show(players, *next);
  return *unsaved == *before && *after == 0 && next->size() == 3 ? 0 : 1;
}
