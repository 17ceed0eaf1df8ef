#pragma once

#include <persist/bytes.hpp>
#include <persist/schema/policy.hpp>
#include <persist/schema/unknown.hpp>

#include <codec/forms.hpp>

namespace bench {

/// One of ours; a record that was loaded brings what this build does not know, so that is asked for
/// too.
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

}  // namespace bench
