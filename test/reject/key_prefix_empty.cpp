// expect: the prefix of a key has 1 to 254 bytes
#include <persist/key/prefixed.hpp>

#ifdef PERSIST_REJECT_CONTROL
using Policy = persist::key::Prefixed<"Player_", int>;
#else
using Policy = persist::key::Prefixed<"", int>;
#endif
int main() {
  return sizeof(Policy) == 0;
}
