// expect: the limits of a Limited integer are integers of its type
#include <persist/schema/policy.hpp>

#include <cstdint>

struct Player {
#ifdef PERSIST_REJECT_CONTROL
  std::uint16_t level = 0;
#else
  std::uint8_t level = 0;
#endif
};
struct Save {
  using data_type = Player;
  using fields = persist::Fields<persist::Limited<&Player::level, 0, 300>>;
};

persist::Result<void> use(const Player& player);
persist::Result<void> use(const Player& player) {
  return persist::DataPolicy<Save>::validate(player);
}
