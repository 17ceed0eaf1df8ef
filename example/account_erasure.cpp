#include <persist/persist.hpp>

#include <cstdint>
#include <iostream>
#include <string>
#include <string_view>
#include <variant>

// A player asks for what is stored of him, and then to be forgotten. Both are one call, over all
// records that are his: each record says so itself, and that is saved with it.

namespace {

struct Letter {
  std::string text;
};
struct Player {
  std::string name;
  std::int64_t coins = 0;
};
/// The player's account makes his records his when they are made.
struct PlayerKey {
  using value_type = std::uint64_t;
  static void spell(std::uint64_t user, persist::KeyBuffer& out) {
    out.append("Player_").append_number(user);
  }
  static void user_ids(std::uint64_t user, persist::UserIds& out) { out.add(user); }
};
struct Save {
  using data_type = Player;
  using message = std::variant<Letter>;
};
using Players = persist::Store<PlayerKey, Save>;

struct House {
  std::string address;
};
using Houses = persist::Store<std::string, House>;

}  // namespace

int main() {
  constexpr std::uint64_t ann = 1001, bob = 1002;
  const persist::backend::File database{"save"};
  // Older states of a record go with it.
  Players players("PlayerData", database, {.history = {.keep = 5}});
  Houses houses("Houses", database);

  for (const auto& [user, name] : {std::pair(ann, "Ann"), std::pair(bob, "Bob")}) {
    auto session = players.load(user);
    if (!session) return std::cerr << session.error() << '\n', 1;
    *session->edit() = {name, 100};
    if (!session->save() || !session->release()) return 1;
  }
  {  // a record whose key says nothing of its owner
    auto house = houses.load("house-88");
    if (!house || !house->add_user_id(ann)) return 1;
    house->edit()->address = "7 Elm Street";
    if (!house->release()) return 1;
  }
  if (!players.post(ann, Letter{"come back soon"})) return 1;

  const auto document = players.export_user(ann);
  if (!document) return std::cerr << document.error() << '\n', 1;
  std::cout << document->json << '\n';

  auto playing = players.load(ann);  // she is in the game while she asks
  if (!playing) return 1;
  for (const persist::UserErased& report :
       {players.erase_user(ann, {.live = persist::LiveRecord::end}), houses.erase_user(ann)}) {
    for (const std::string& key : report.erased)
      std::cout << "erased " << key << '\n';
    for (const persist::Missed& left : report.refused)
      std::cout << "still there: " << left.key << ", " << left.why << '\n';
    if (!report.done()) return 1;
  }
  std::cout << "Ann " << (playing->is_active() ? "plays on" : "was sent away") << ", Bob has "
            << players.peek(bob)->data.coins << " coins\n";
  return !playing->is_active() && players.keys_of(ann)->empty() && !players.peek(ann) &&
                 players.peek(bob)
             ? 0
             : 1;
}
