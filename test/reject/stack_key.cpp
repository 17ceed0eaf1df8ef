// expect: the Key of a Store is an integer, a string type, or a policy with a value_type
#include <persist/persist.hpp>

struct Player {};
#ifdef PERSIST_REJECT_CONTROL
using Key = int;
#else
using Key = Player;
#endif

using Bad = persist::Stack<Key, int, persist::backend::Memory, persist::lock::Lease<>, persist::codec::Cbor>;
int main() {
  return sizeof(Bad) == 0;
}
