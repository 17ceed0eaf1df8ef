// expect: an attribute names a member that is not among the fields of its struct
#include <persist/schema/plan.hpp>

struct Item {
  int id = 0;
  int count = 1;
#ifdef PERSIST_REJECT_CONTROL
  static constexpr auto persist_fields = persist::fields<&Item::id, &Item::count>;
#else
  static constexpr auto persist_fields = persist::fields<&Item::count>;
#endif
};
struct Policy {
  using fields = persist::Fields<persist::Identity<&Item::id>>;
};
static_assert(
    persist::schema::detail::is_identified<persist::schema::detail::RulesOf<Policy>, Item>);
