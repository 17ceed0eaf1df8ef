#pragma once

#include <persist/bytes.hpp>
#include <persist/codec/envelope.hpp>
#include <persist/detail/caught.hpp>
#include <persist/error.hpp>
#include <persist/result.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

// What is done to a record after a codec has made it, and undone before one reads it: compressing,
// sealing. It takes as long as a codec and longer and needs nothing of the session, so it is done
// where the backend is called, which is the game's thread only where the game chose so.
//
// A wrapping goes around the payload. The header stays readable, and a flag in it says what was
// done; so records with and without one lie in one store, and each is read as what it is.

namespace persist::inline PERSIST_ABI::codec {

/// What a function returns of a list that lives on behind it: a span, or a reference. One that is
/// returned by value would be gone before anybody looked at it.
template <class R, class T>
concept lasting_list = std::convertible_to<R, std::span<const T>> &&
                       (std::is_lvalue_reference_v<R> || std::same_as<R, std::span<const T>>);

/// `wrap(key, record, out)` appends the record as it is stored, or says false where it stays as it
/// is. `record` is a whole one that was just made; `out` is as it was on false and on failure.
template <class C>
concept wraps_records = requires(std::string_view key, ByteView record, Buffer& out) {
  { C::wrap(key, record, out) } -> std::same_as<Result<bool>>;
};

/// `unwrap(key, envelope, most, out)` undoes the outermost wrapping: appends the record that was
/// inside, whole, of at most so many bytes, or says false where another must undo it. The envelope
/// was opened: its bytes are those that were written, if by nobody knows whom.
template <class C>
concept unwraps_records =
    requires(std::string_view key, const Envelope& wrapped, std::size_t most, Buffer& out) {
      { C::unwrap(key, wrapped, most, out) } -> std::same_as<Result<bool>>;
    };

/// `is_current(stored)`: whether the record is wrapped as the next save would wrap it. One that is
/// not is saved though nothing changed.
template <class C>
concept knows_current = requires(ByteView stored) {
  { C::is_current(stored) } -> std::same_as<bool>;
};

/// What is not sealed is not its store's.
template <class C>
concept always_sealed = requires { requires C::is_always_sealed; };

/// Whatever else it reads, what it writes is sealed. A record says that once, so none is sealed
/// twice.
template <class C>
concept seals_records = requires { requires C::seals; };

/// Its records may lie in pieces (codec/chunked.hpp), and those that it writes may be split.
template <class C>
concept joins_records = requires { requires C::joins_pieces; };
template <class C>
concept splits_records = joins_records<C> && requires { requires C::splits_into_pieces; };

/// The codec that makes the payload, behind whatever wraps it.
template <class C>
struct PayloadCodec {
  using type = C;
};
template <class C>
  requires requires { typename C::payload_codec; }
struct PayloadCodec<C> {
  using type = typename C::payload_codec;
};

/// The ids of what compresses. They are in every compressed record: never renumber. From 128 on
/// they are yours.
inline constexpr std::uint8_t lz4_id = 1;
inline constexpr std::uint8_t zstd_id = 2;

namespace wrapping {

/// What was done last to a record that says it is wrapped, for a person.
[[nodiscard]] inline std::string describe(const Envelope& wrapped) {
  if ((wrapped.flags & EnvelopeLayout::in_pieces) != 0) return "split into pieces";
  if ((wrapped.flags & EnvelopeLayout::sealed) != 0) return "sealed";
  const int algorithm = wrapped.payload.empty() ? 0 : std::to_integer<int>(wrapped.payload[0]);
  if (algorithm == lz4_id) return "compressed with lz4";
  if (algorithm == zstd_id) return "compressed with zstd";
  return "compressed with the algorithm number " + std::to_string(algorithm);
}

/// The flags that bytes have if they are a record of ours.
[[nodiscard]] inline std::uint32_t flags_of(ByteView record) noexcept {
  using L = EnvelopeLayout;
  const bool is_ours = record.size() >= L::size &&
                       same_bytes(record.first(L::magic_bytes.size()), ByteView(L::magic_bytes));
  return is_ours ? load_little<std::uint32_t>(record.data() + L::flags) : 0;
}

}  // namespace wrapping

/// The record as its codec made it: `stored` itself, or what was inside, which lies in `room` then.
/// What this codec does not undo is left to `decode_record` to refuse.
///
/// `corrupt`: no envelope, damaged, or not what the wrapping says. `too_large`: more than `most`
/// bytes, which is checked before they are made. `wrong_codec`: it takes what this build has not.
/// Copies nothing where nothing was wrapped.
template <class Codec>
[[nodiscard]] Result<ByteView> plain_record([[maybe_unused]] std::string_view key, ByteView stored,
                                            [[maybe_unused]] std::size_t most,
                                            [[maybe_unused]] Buffer& room) {
  if constexpr (always_sealed<Codec>)
    if ((wrapping::flags_of(stored) & EnvelopeLayout::sealed) == 0) {
      return envelope::left_alone(
          Error(Errc::corrupt, "the record is not sealed, and all of this store are"));
    }
  if constexpr (unwraps_records<Codec>) {
    // Each turn takes one flag away. Pieces are joined by who can read them, before this.
    for (auto flags = wrapping::flags_of(stored);
         flags != 0 && (flags & EnvelopeLayout::in_pieces) == 0;
         flags = wrapping::flags_of(stored)) {
      const auto opened = open_envelope(stored);
      if (!opened) return opened.error();
      Buffer inside;
      const Result<bool> undone = persist::detail::caught(
          "the codec", [&] { return Codec::unwrap(key, *opened, most, inside); });
      if (!undone) return envelope::left_alone(undone.error());
      if (!*undone) break;
      room.swap(inside);
      stored = room.view();
    }
  }
  return stored;
}

}  // namespace persist::inline PERSIST_ABI::codec
