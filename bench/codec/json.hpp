#pragma once

#include <persist/codec/json.hpp>

#include <codec/persist.hpp>

namespace bench {

using Json = PersistForm<persist::codec::Json>;

}  // namespace bench
