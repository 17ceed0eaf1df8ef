// expect: the LockPolicy of a Store is lock::Lease<...>, None, Optimistic or External<...>, or one
#include <persist/persist.hpp>

#ifdef PERSIST_REJECT_CONTROL
using Lock = persist::lock::Lease<persist::conflict::Steal>;
#else
using Lock = persist::conflict::Steal;
#endif

using Bad = persist::Stack<int, int, persist::backend::Memory, Lock, persist::codec::Cbor>;
int main() {
  return sizeof(Bad) == 0;
}
