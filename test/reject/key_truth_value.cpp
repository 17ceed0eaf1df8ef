// expect: this type spells no key
#include <persist/key/policy.hpp>

#ifdef PERSIST_REJECT_CONTROL
using Policy = persist::key::policy_of<int>;
#else
using Policy = persist::key::policy_of<bool>;
#endif
int main() {
  return sizeof(Policy) == 0;
}
