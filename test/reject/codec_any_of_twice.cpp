// expect: AnyOf names each codec once
#include <persist/persist.hpp>

using persist::codec::AnyOf, persist::codec::Cbor, persist::codec::Json;

#ifdef PERSIST_REJECT_CONTROL
using Codec = AnyOf<Cbor, Json>;
#else
using Codec = AnyOf<Cbor, Json, Cbor>;
#endif
static_assert(Codec::reads(Cbor::id));
