#pragma once

#include <persist/codec/packed.hpp>

#include <codec/persist.hpp>

namespace bench {

using Packed = PersistForm<persist::codec::Packed>;

}  // namespace bench
