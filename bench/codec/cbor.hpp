#pragma once

#include <persist/codec/cbor.hpp>

#include <codec/persist.hpp>

namespace bench {

using Cbor = PersistForm<persist::codec::Cbor>;

}  // namespace bench
