#pragma once

#include <persist/bytes.hpp>
#include <persist/codec/concept.hpp>
#include <persist/codec/wrapping.hpp>
#include <persist/result.hpp>
#include <persist/schema/token.hpp>
#include <persist/schema/unknown.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>

namespace persist::inline PERSIST_ABI::codec {

namespace choosing {

/// Two of one id are one codec that is wrapped in two ways.
template <class A, class B>
inline constexpr bool differ = [](std::uint16_t a, std::uint16_t b) {
  using PayloadA = typename PayloadCodec<A>::type;
  using PayloadB = typename PayloadCodec<B>::type;
  return !std::is_same_v<A, B> && (a != b || std::is_same_v<PayloadA, PayloadB>);
}(A::id, B::id);
template <class First, class... Rest>
inline constexpr bool are_distinct = (differ<First, Rest> && ...) && are_distinct<Rest...>;
template <class Last>
inline constexpr bool are_distinct<Last> = true;

}  // namespace choosing

/// Reads what any of the codecs wrote, and writes `C`.
///
/// A store moves to another codec in two deployments, because servers of two builds share its
/// records meanwhile: first all of them read both and write the old one (`AnyOf<Old, New>`), then
/// `AnyOf<New, Old>`. A record moves with its next save. One that is loaded and released is written
/// even if nothing in it changed where its codec is another, it is not sealed as it should be, or
/// it is no longer to be wrapped; one that is to be compressed, or in another way, stays until
/// something changes.
template <class C, class... Old>
struct AnyOf : C {
  static_assert(choosing::are_distinct<C, Old...>, "persist: AnyOf names each codec once");
  static constexpr bool is_always_sealed = always_sealed<C> && (always_sealed<Old> && ...);
  static constexpr bool joins_pieces = joins_records<C> || (joins_records<Old> || ...);

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

  /// Undoes what any of them does behind its codec's back. Two may know one wrapping, and only one
  /// of them the dictionary or the key that it takes, so a refusal counts when all were asked.
  [[nodiscard]] static Result<bool> unwrap(std::string_view key, const Envelope& wrapped,
                                           std::size_t most, Buffer& out)
    requires(unwraps_records<C> || (unwraps_records<Old> || ...))
  {
    Result<bool> undone = false;
    const auto try_one = [&]<class Each>(const Each*) {
      if constexpr (unwraps_records<Each>) {
        Result<bool> tried = Each::unwrap(key, wrapped, most, out);
        if (undone || (tried && *tried)) undone = std::move(tried);
      }
      return undone && *undone;
    };
    (void)(try_one(static_cast<const C*>(nullptr)) ||
           (try_one(static_cast<const Old*>(nullptr)) || ...));
    return undone;
  }
};

}  // namespace persist::inline PERSIST_ABI::codec
