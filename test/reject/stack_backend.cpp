// expect: the Backend of a Store does not do all that a backend must
#include <persist/persist.hpp>

struct Disk {
  void save();
};
#ifdef PERSIST_REJECT_CONTROL
using Backend = persist::backend::Memory;
#else
using Backend = Disk;
#endif

using Bad = persist::Stack<int, int, Backend, persist::lock::Lease<>, persist::codec::Cbor>;
int main() {
  return sizeof(Bad) == 0;
}
