// expect: a field is named by a pointer to a data member
#include <persist/schema/fields.hpp>

struct Player {
  int coins() const { return coins_; }
  int coins_ = 0;
#ifdef PERSIST_REJECT_CONTROL
  static constexpr auto persist_fields = persist::fields<&Player::coins_>;
#else
  static constexpr auto persist_fields = persist::fields<&Player::coins>;
#endif
};

static_assert(persist::schema::field_count<Player> == 1);
static_assert(!persist::schema::field_name<Player, 0>().empty());
