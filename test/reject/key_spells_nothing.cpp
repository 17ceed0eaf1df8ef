// expect: this type spells no key: a Key policy has a value_type and a
#include <persist/key/policy.hpp>

struct PlayerKey {
  using value_type = int;
#ifdef PERSIST_REJECT_CONTROL
  static void spell(int id, persist::KeyBuffer& out) { out.append_number(id); }
#endif
};

using Policy = persist::key::policy_of<PlayerKey>;
int main() {
  return sizeof(Policy) == 0;
}
