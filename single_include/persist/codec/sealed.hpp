// persist: player data for game servers. The single header, made by tools/amalgamate.py from
// include/persist: change it there.
//
// Distributed under the Boost Software License, Version 1.0.

#pragma once

#include "../persist.hpp"

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <sodium.h>
#include <span>
#include <string>
#include <string_view>

namespace persist::inline PERSIST_ABI::codec {

/// A key that seals records, and the number by which they name it. A number is never given to
/// another key.
struct SealingKey {
  std::uint32_t id = 0;
  std::array<unsigned char, crypto_aead_xchacha20poly1305_ietf_KEYBYTES> key{};
};

/// As in `struct Keys { static std::span<const SealingKey> list(); };`: the first seals, and all of
/// them open. A new key is put first once every server has it, and an old one stays for as long as
/// a record may be sealed with it. Called for each record, on any thread; the list must not change
/// meanwhile.
template <class K>
concept lists_keys = requires {
  { K::list() } -> lasting_list<SealingKey>;
};

/// `C`, and the payload is encrypted and authenticated with XChaCha20-Poly1305 (RFC 8439, with the
/// long nonce of draft-irtf-cfrg-xchacha-03), whose nonce is drawn anew for each record. The
/// spelling of the record's key and its header are authenticated with it, so a record opens under
/// its own key only. Link `persist::sodium`.
///
/// A record that is not sealed is `corrupt`: else whoever can write to the database would put one
/// in the place of a sealed one. A store that begins to seal is `AnyOf<Sealed<C, Keys>, C>` until
/// all its records are. An older record of the same player opens as the newer one does: which is
/// the newest is for the backend to say. Messages, user ids and metadata are not sealed.
///
/// Saving: `invalid` where the list is empty or throws: nothing is written, it is tried again, and
/// the session keeps its lease meanwhile. Loading: `corrupt`, and no byte of what is inside,
/// for a key that is not in the list, for any change, and for a record of another player.
///
/// The payload is then `id of the key (4 bytes, little-endian), nonce (24), ciphertext, tag (16)`.
template <class C, class Keys>
struct Sealed : C {
  static_assert(lists_keys<Keys>,
                "persist: the Keys of Sealed have a `static list()` that returns a "
                "std::span<const SealingKey>, or a reference to a list that lives on");
  static_assert(!seals_records<C>, "persist: sealed once is sealed");
  using payload_codec = typename PayloadCodec<C>::type;
  static constexpr bool is_always_sealed = true;
  static constexpr bool seals = true;

  [[nodiscard]] static Result<bool> wrap(std::string_view key, ByteView record, Buffer& out) {
    Buffer inner;
    if constexpr (wraps_records<C>) {
      const Result<bool> wrapped = C::wrap(key, record, inner);
      if (!wrapped) return wrapped.error();
      if (*wrapped) record = inner.view();
    }
    const std::span<const SealingKey> keys = Keys::list();
    if (keys.empty() || !is_ready()) {
      return Error(Errc::invalid, keys.empty() ? "there is no key to seal the record with"
                                               : "libsodium found no source of random numbers");
    }
    EnvelopeHeader header = header_of(record);
    header.flags |= EnvelopeLayout::sealed;
    const auto written = write_envelope(out, header, [&](Buffer& to) -> Result<void> {
      seal(keys.front(), Bound(key, header), record.subspan(EnvelopeLayout::size), to);
      return success;
    });
    if (!written) return written.error();
    return true;
  }

  [[nodiscard]] static bool is_current(ByteView stored) {
    const std::span<const SealingKey> keys = Keys::list();
    return !keys.empty() && (wrapping::flags_of(stored) & EnvelopeLayout::sealed) != 0 &&
           stored.size() >= EnvelopeLayout::size + prefix &&
           load_little<std::uint32_t>(stored.data() + EnvelopeLayout::size) == keys.front().id;
  }

  [[nodiscard]] static Result<bool> unwrap(std::string_view key, const Envelope& wrapped,
                                           std::size_t most, Buffer& out) {
    if ((wrapped.flags & EnvelopeLayout::sealed) == 0) {
      if constexpr (unwraps_records<C>) return C::unwrap(key, wrapped, most, out);
      return false;
    }
    EnvelopeHeader header = wrapped;
    header.flags &= ~EnvelopeLayout::sealed;
    const auto written = write_envelope(
        out, header, [&](Buffer& to) { return open(Bound(key, wrapped), wrapped.payload, to); });
    if (!written) return written.error();
    return true;
  }

 private:
  static constexpr std::size_t nonce_size = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES;
  static constexpr std::size_t tag_size = crypto_aead_xchacha20poly1305_ietf_ABYTES;
  static constexpr std::size_t prefix = 4 + nonce_size;

  /// What a payload is bound to: the fields of its header, and the spelling of its record's key.
  class Bound {
   public:
    Bound(std::string_view key, const EnvelopeHeader& header) {
      append_little(bytes_, header.codec);
      append_little(bytes_, header.flags);
      append_little(bytes_, header.schema_version);
      append_little(bytes_, header.lowest_reader);
      append_little(bytes_, header.fingerprint);
      bytes_.append(key);
    }
    [[nodiscard]] const unsigned char* data() const noexcept { return raw(bytes_.data()); }
    [[nodiscard]] unsigned long long size() const noexcept { return bytes_.size(); }

   private:
    Buffer bytes_;
  };

  static void seal(const SealingKey& key, const Bound& bound, ByteView plain, Buffer& to) {
    append_little(to, key.id);
    std::byte* nonce = to.grow(nonce_size + plain.size() + tag_size);
    randombytes_buf(nonce, nonce_size);
    crypto_aead_xchacha20poly1305_ietf_encrypt(raw(nonce + nonce_size), nullptr, raw(plain.data()),
                                               plain.size(), bound.data(), bound.size(), nullptr,
                                               raw(nonce), key.key.data());
  }

  [[nodiscard]] static Result<void> open(const Bound& bound, ByteView sealed, Buffer& to) {
    if (sealed.size() < prefix + tag_size || !is_ready())
      return Error(Errc::corrupt, "the sealed record is too short to be one");
    const auto id = load_little<std::uint32_t>(sealed.data());
    const std::span<const SealingKey> keys = Keys::list();
    const auto key = std::find_if(keys.begin(), keys.end(),
                                  [id](const SealingKey& each) { return each.id == id; });
    if (key == keys.end()) {
      return Error(Errc::corrupt,
                   "the record is sealed with the key number " + std::to_string(id) +
                       ", which this server has not: list it behind the newest for as "
                       "long as a record may be sealed with it");
    }
    const ByteView cipher = sealed.subspan(prefix);
    const std::size_t begin = to.size();
    std::byte* plain = to.grow(cipher.size() - tag_size);
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(raw(plain), nullptr, nullptr, raw(cipher.data()),
                                                   cipher.size(), bound.data(), bound.size(),
                                                   raw(sealed.data() + 4), key->key.data()) == 0)
      return success;
    to.shrink(begin);
    return Error(Errc::corrupt,
                 "the seal is broken: the record was changed, is another player's, "
                 "or was sealed with another key of the number " +
                     std::to_string(id));
  }

  /// libsodium is to be started once, which may be done on several threads.
  [[nodiscard]] static bool is_ready() {
    static const bool ready = sodium_init() >= 0;
    return ready;
  }
  static unsigned char* raw(std::byte* bytes) noexcept {
    return reinterpret_cast<unsigned char*>(bytes);
  }
  static const unsigned char* raw(const std::byte* bytes) noexcept {
    return reinterpret_cast<const unsigned char*>(bytes);
  }
};

}  // namespace persist::inline PERSIST_ABI::codec
