#pragma once

#include <persist/bytes.hpp>
#include <persist/codec/concept.hpp>
#include <persist/result.hpp>
#include <persist/schema/token.hpp>
#include <persist/schema/unknown.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace persist::inline PERSIST_ABI::codec {

/// Reads what any of the codecs wrote, and writes `C`.
///
/// A store moves to another codec in two deployments, because servers of two builds share its
/// records meanwhile: first all of them read both and write the old one (`AnyOf<Old, New>`), then
/// `AnyOf<New, Old>`. A record moves with its next save; one that is loaded and released is written
/// even if nothing in it changed.
template <class C, class... Old>
struct AnyOf : C {
  static constexpr bool ids_differ = [] {
    const std::uint16_t ids[] = {C::id, Old::id...};
    for (std::size_t i = 0; i < sizeof...(Old); ++i)
      for (std::size_t j = i + 1; j <= sizeof...(Old); ++j)
        if (ids[i] == ids[j]) return false;
    return true;
  }();
  static_assert(ids_differ, "persist: AnyOf names each codec once");

  [[nodiscard]] static constexpr bool reads(std::uint16_t codec) noexcept {
    return codec == C::id || ((codec == Old::id) || ...);
  }
  /// What it reads, for a person.
  [[nodiscard]] static std::string names() {
    std::string all(C::name);
    ((all += " or " + std::string(Old::name)), ...);
    return all;
  }

  using C::decode;
  /// Decodes what that codec wrote, which must be one of those it reads.
  template <class Policy, class T>
  [[nodiscard]] static Result<void> decode_from(std::uint16_t codec, ByteView bytes, T& scratch,
                                                UnknownFields& unknown, schema::Limits limits) {
    Result<void> read = success;
    const auto try_one = [&]<class Each>(const Each*) {
      if (Each::id != codec) return false;
      read = Each::template decode<Policy>(bytes, scratch, unknown, limits);
      return true;
    };
    (void)(try_one(static_cast<const C*>(nullptr)) ||
           (try_one(static_cast<const Old*>(nullptr)) || ...));
    return read;
  }
};

}  // namespace persist::inline PERSIST_ABI::codec
