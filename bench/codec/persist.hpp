#pragma once

#include <persist/codec/cbor.hpp>
#include <persist/codec/json.hpp>
#include <persist/codec/packed.hpp>

#include <codec/forms.hpp>

namespace bench {

template <class Codec>
struct PersistForm {
  using Bytes = persist::Buffer;
  static constexpr const char* name = Codec::name.data();

  template <class T>
  static void encode(const T& from, Bytes& to) {
    to.clear();
    persist::UnknownFields none;
    need(bool(Codec::template encode<persist::schema::NoPolicy>(from, none, to)));
  }
  template <class T>
  static void decode(const Bytes& from, T& to) {
    persist::UnknownFields unknown;
    need(bool(Codec::template decode<persist::schema::NoPolicy>(from, to, unknown)));
  }
};

using Packed = PersistForm<persist::codec::Packed>;
using Cbor = PersistForm<persist::codec::Cbor>;
using Json = PersistForm<persist::codec::Json>;

}  // namespace bench
