// expect: user_ids of this Key policy does not fit: it is one function
#include <persist/key/policy.hpp>

struct PlayerKey {
  using value_type = int;
  static void spell(int id, persist::KeyBuffer& out) { out.append_number(id); }
#ifdef PERSIST_REJECT_CONTROL
  static void user_ids(int id, persist::UserIds& out) { out.add(static_cast<unsigned>(id)); }
#else
  static std::uint64_t user_ids(int id) { return static_cast<unsigned>(id); }
#endif
};

using Policy = persist::key::policy_of<PlayerKey>;
int main() {
  return sizeof(Policy) == 0;
}
