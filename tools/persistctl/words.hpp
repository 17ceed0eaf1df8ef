#pragma once

#include <persist/bytes.hpp>
#include <persist/clock.hpp>
#include <persist/error.hpp>
#include <persist/record/requests.hpp>
#include <persist/result.hpp>
#include <persist/schema/value.hpp>

// The words of the library that the whole tool uses.

namespace persistctl {

using persist::as_bytes;
using persist::as_text;
using persist::Buffer;
using persist::ByteView;
using persist::Errc;
using persist::Error;
using persist::failed;
using persist::Result;
using persist::success;
using persist::Value;
using persist::WallTime;

}  // namespace persistctl
