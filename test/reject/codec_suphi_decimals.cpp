// expect: codec::Suphi keeps 0 to 15 decimals
#include <persist/codec/suphi.hpp>

#ifdef PERSIST_REJECT_CONTROL
using Codec = persist::codec::Suphi<2, 15>;
#else
using Codec = persist::codec::Suphi<2, 16>;
#endif
static_assert(Codec::id != 0);
