// expect: the level of codec::Suphi is 1 or 2
#include <persist/codec/suphi.hpp>

#ifdef PERSIST_REJECT_CONTROL
using Codec = persist::codec::Suphi<1>;
#else
using Codec = persist::codec::Suphi<3>;
#endif
static_assert(Codec::id != 0);
