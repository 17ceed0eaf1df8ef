// expect: the Keys of Sealed have a `static list()`
#include <persist/codec/packed.hpp>
#include <persist/codec/sealed.hpp>

#include <vector>

struct Keys {
#ifdef PERSIST_REJECT_CONTROL
  static const std::vector<persist::codec::SealingKey>& list();
#else
  static std::vector<persist::codec::SealingKey> list();
#endif
};
static_assert(persist::codec::Sealed<persist::codec::Packed, Keys>::id != 0);
