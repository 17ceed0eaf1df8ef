#pragma once

#include <persist/detail/config.hpp>

// Names without their definitions, and the one place that holds default template arguments.

namespace persist::inline PERSIST_ABI {

namespace conflict {
struct Refuse;
struct Request;
struct Steal;
}  // namespace conflict

namespace lock {
template <class ConflictStrategy>
struct Lease;
struct None;  // NOLINT(bugprone-forward-declaration-namespace): a test library has one too
}  // namespace lock

namespace detail::os {
struct Files;
}  // namespace detail::os

namespace backend {
class Memory;
template <class Files>
class BasicFile;
using File = BasicFile<detail::os::Files>;
}  // namespace backend

namespace codec {
struct Cbor;
struct Json;
struct Packed;
template <int Level = 2, int Decimals = 3, bool Safety = true>
struct Suphi;
}  // namespace codec

template <class Key, class Data, class Backend = backend::File,
          class LockPolicy = lock::Lease<conflict::Request>, class Codec = codec::Packed>
class Store;

}  // namespace persist::inline PERSIST_ABI
