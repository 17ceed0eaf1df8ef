// expect: sealed once is sealed
#include <persist/codec/packed.hpp>
#include <persist/codec/sealed.hpp>

struct Keys {
  static std::span<const persist::codec::SealingKey> list() { return {}; }
};
using Once = persist::codec::Sealed<persist::codec::Packed, Keys>;

#ifdef PERSIST_REJECT_CONTROL
using Codec = Once;
#else
using Codec = persist::codec::Sealed<Once, Keys>;
#endif
static_assert(Codec::id != 0);
