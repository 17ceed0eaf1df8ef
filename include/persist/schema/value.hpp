#pragma once

#include <persist/schema/attributes.hpp>
#include <persist/schema/read.hpp>
#include <persist/schema/value/core.hpp>
#include <persist/schema/value/reader.hpp>
#include <persist/schema/value/reconcile.hpp>
#include <persist/schema/value/walk.hpp>
#include <persist/schema/value/writer.hpp>
#include <persist/schema/write.hpp>

#include <utility>

// Values and types, each made from the other by the walks that codecs use: what is lossless in a
// file is lossless here.

namespace persist::inline PERSIST_ABI {
namespace schema {

/// The data of `from`, as its fields are called under the policy.
template <class Policy = NoPolicy, class T>
[[nodiscard]] Result<Value> to_value(const T& from) {
  ValueWriter out;
  if (auto written = write<Policy>(out, from); !written) return std::move(written).error();
  return out.take();
}

/// A T with the data of `from`; what is missing takes the member's default, what has no member is
/// left out. `schema_mismatch` as for a load.
template <class T, class Policy = NoPolicy>
[[nodiscard]] Result<T> from_value(const Value& from) {
  Result<T> made(T{});
  ValueReader in(from);
  UnknownFields unknown;
  if (auto done = read<Policy>(in, *made, unknown); !done) return std::move(done).error();
  return made;
}

}  // namespace schema

template <class T>
Result<T> Value::as() const {
  return schema::from_value<T>(*this);
}

}  // namespace persist::inline PERSIST_ABI
