// expect: the Codec of a Store cannot write and read its Data
#include <persist/persist.hpp>

struct Own {};
#ifdef PERSIST_REJECT_CONTROL
using Codec = persist::codec::Json;
#else
using Codec = Own;
#endif

using Bad = persist::Stack<int, int, persist::backend::Memory, persist::lock::Lease<>, Codec>;
int main() {
  return sizeof(Bad) == 0;
}
