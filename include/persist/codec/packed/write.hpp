#pragma once

#include <persist/bytes.hpp>
#include <persist/codec/cbor/writer.hpp>
#include <persist/codec/input.hpp>
#include <persist/codec/packed/number.hpp>
#include <persist/codec/packed/size.hpp>
#include <persist/detail/utf8.hpp>
#include <persist/schema/quantum.hpp>
#include <persist/schema/refuse.hpp>
#include <persist/schema/value/walk.hpp>
#include <persist/schema/write/order.hpp>

#include <array>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

namespace persist::inline PERSIST_ABI::codec::packed {

using schema::Kind;
using schema::kind_of;

/// Numbers that lie in memory as they lie in a record, so that many of them are copied at once.
template <class T>
inline constexpr bool is_plain =
    std::endian::native == std::endian::little && !std::is_same_v<T, bool> &&
    (kind_of<T> == Kind::real || (kind_of<T> == Kind::integer && sizeof(T) == 1));
template <class S>
concept plain_row = is_plain<typename S::value_type> && requires(S& all, std::size_t size) {
  { all.data() } -> std::same_as<typename S::value_type*>;
  all.resize(size);
};

/// The walk that writes values by position: what they are called was said before. Where it stands
/// is handed on from call to call, so that it stays in a register.
///
/// `Nests` says that the type can hold itself, so that the depth has to be watched.
template <class Rules, bool Nests>
class Writing {
 public:
  explicit Writing(Buffer& out) : out_(out) {}

  /// Appends the value. The first failure counts; what was appended then is for the caller to drop.
  template <class T>
  Result<void> run(const T& from) {
    std::byte* at = make_room(out_.data() + out_.size(), 64);
    at = value(at, from);
    out_.shrink(static_cast<std::size_t>(at - out_.data()));
    return ok_ ? success : Result<void>(std::move(error_));
  }
  /// Whether the data holds unknown fields, which have no position; then the rest is not whole.
  [[nodiscard]] bool met_unknown() const noexcept { return met_unknown_; }

 private:
  template <class T>
  [[nodiscard]] std::byte* value(std::byte* at, const T& from) {
    constexpr Kind kind = kind_of<T>;
    static_assert(
        kind != Kind::none,
        "persist: this type cannot be stored: make it a plain aggregate, describe it with "
        "persist_fields, or specialise persist::adapt for it");
    if constexpr (kind == Kind::boolean)
      return byte(at, from ? 1 : 0);
    else if constexpr (kind == Kind::integer)
      return integer(at, from);
    else if constexpr (kind == Kind::real)
      return real(at, from);
    else if constexpr (kind == Kind::enumeration)
      return integer(at, static_cast<std::underlying_type_t<T>>(from));
    else if constexpr (kind == Kind::text)
      return text(at, std::string_view(from));
    else if constexpr (kind == Kind::bytes)
      return bytes(at, ByteView(from));
    else if constexpr (kind == Kind::structure)
      return structure(at, from);
    else if constexpr (kind == Kind::optional)
      return from.has_value() ? value(byte(at, 1), *from) : byte(at, 0);
    else if constexpr (kind == Kind::adapted)
      return value(at, adapt<T>::store(from));
    else if constexpr (kind == Kind::duration)
      return value(at, from.count());
    else if constexpr (kind == Kind::time_point)
      return value(at, from.time_since_epoch().count());
    else if constexpr (kind == Kind::value)
      return dynamic(at, from);
    else if constexpr (kind == Kind::unit)
      return at;
    else
      return nested(at, from);
  }
  template <class T>
  [[nodiscard]] std::byte* nested(std::byte* at, const T& from) {
    constexpr Kind kind = kind_of<T>;
    const Depth inside(*this);
    if constexpr (kind == Kind::variant)
      return variant(at, from);
    else if constexpr (kind == Kind::sequence)
      return sequence(at, from);
    else if constexpr (kind == Kind::set)
      return elements(number(at, from.size()), from);
    else if constexpr (kind == Kind::map)
      return map(at, from);
    else if constexpr (kind == Kind::array)
      return elements(at, from);
    else
      return std::apply(
          [&](const auto&... element) { return ((at = value(at, element)), ..., at); }, from);
  }

  [[nodiscard]] std::byte* room(std::byte* at, std::size_t size) {
    return static_cast<std::size_t>(end_ - at) >= size ? at : make_room(at, size);
  }
  /// Takes all that the buffer has, so that it is asked seldom.
  [[nodiscard]] PERSIST_NOINLINE std::byte* make_room(std::byte* at, std::size_t size) {
    const auto used = static_cast<std::size_t>(at - out_.data());
    out_.shrink(used);
    (void)out_.grow(size);
    (void)out_.grow(out_.capacity() - out_.size());
    end_ = out_.data() + out_.size();
    return out_.data() + used;
  }
  [[nodiscard]] std::byte* byte(std::byte* at, unsigned value) {
    at = room(at, 1);
    *at = static_cast<std::byte>(value);
    return at + 1;
  }
  [[nodiscard]] std::byte* number(std::byte* at, std::uint64_t value) {
    return put_number(room(at, longest_number), value);
  }
  template <class T>
  [[nodiscard]] std::byte* integer(std::byte* at, T value) {
    if constexpr (sizeof(T) == 1)
      return byte(at, static_cast<unsigned char>(value));
    else
      return number(at, to_unsigned(value));
  }
  template <class T>
  [[nodiscard]] std::byte* real(std::byte* at, T value) {
    using Bits = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
    at = room(at, sizeof(T));
    store_little(at, std::bit_cast<Bits>(value));
    return at + sizeof(T);
  }
  [[nodiscard]] std::byte* bytes(std::byte* at, ByteView value) {
    at = put_number(room(at, value.size() + longest_number), value.size());
    if (value.size() < 24)
      copy_short(at, value);
    else
      std::memcpy(at, value.data(), value.size());
    return at + value.size();
  }
  [[nodiscard]] std::byte* text(std::byte* at, std::string_view value) {
    if (!persist::detail::is_ascii(value) && !persist::detail::is_utf8(value)) [[unlikely]]
      not_utf8(value);
    return bytes(at, as_bytes(value));
  }
  /// A value has no type that was described, so it brings its own words.
  [[nodiscard]] std::byte* dynamic(std::byte* at, const Value& from) {
    Buffer item;
    CborWriter writer(item);
    schema::write_value(writer, from);
    if (!writer.ok()) fail(writer.take_error());
    return bytes(at, item);
  }

  template <class T>
  [[nodiscard]] std::byte* structure(std::byte* at, const T& from) {
    const Depth inside(*this);
    return schema::detail::Describe<T>::apply(from, [&](const auto&... member) {
      return [&]<std::size_t... I>(std::index_sequence<I...>) {
        return ((at = field<T, I>(at, member)), ..., at);
      }(std::index_sequence_for<decltype(member)...>{});
    });
  }
  template <class T, std::size_t I, class M>
  [[nodiscard]] std::byte* field(std::byte* at, const M& member) {
    if constexpr (std::is_same_v<M, Unknown>) {
      met_unknown_ = met_unknown_ || !member.empty();
    } else if constexpr (schema::detail::Plan<Rules, T>::is_stored[I]) {
      if constexpr (schema::detail::check_member<T, I, M>()) {
        constexpr std::size_t times = 1 + schema::detail::Plan<Rules, T>::times_more(I);
        if constexpr (schema::detail::is_quantised<Rules, T, I>)
          return repeated<times>(at, schema::detail::quantised<Rules, T, I>(member));
        else
          return repeated<times>(at, member);
      }
    }
    return at;
  }

  /// Under its own name and under its others.
  template <std::size_t Times, class M>
  [[nodiscard]] std::byte* repeated(std::byte* at, const M& member) {
    for (std::size_t i = 0; i < Times; ++i)
      at = value(at, member);
    return at;
  }

  template <class... Ts>
  [[nodiscard]] std::byte* variant(std::byte* at, const std::variant<Ts...>& from) {
    if (from.valueless_by_exception()) {
      fail({Errc::invalid, "a variant holds nothing because an assignment threw"});
      return at;
    }
    at = number(at, from.index());
    const auto alternative = [&](const auto* held) {
      if (held != nullptr) at = value(at, *held);
    };
    [&]<std::size_t... I>(std::index_sequence<I...>) {
      (alternative(std::get_if<I>(&from)), ...);
    }(std::index_sequence_for<Ts...>{});
    return at;
  }
  template <class S>
  [[nodiscard]] std::byte* sequence(std::byte* at, const S& from) {
    at = number(at, from.size());
    if constexpr (plain_row<S>) {
      const std::size_t size = from.size() * sizeof(typename S::value_type);
      at = room(at, size);
      if (size != 0) std::memcpy(at, from.data(), size);
      return at + size;
    } else {
      return elements(at, from);
    }
  }
  template <class S>
  [[nodiscard]] std::byte* elements(std::byte* at, const S& from) {
    schema::detail::in_order(from, [&](const auto& element) {
      at = value(at, element);
      if constexpr (is_padded<Rules, std::remove_cvref_t<decltype(element)>>) at = byte(at, 0);
    });
    return at;
  }
  template <class M>
  [[nodiscard]] std::byte* map(std::byte* at, const M& from) {
    at = number(at, from.size());
    schema::detail::in_order(from, [&](const auto& entry) {
      at = value(value(at, entry.first), entry.second);
      if constexpr (is_padded<Rules, typename M::key_type, typename M::mapped_type>)
        at = byte(at, 0);
    });
    return at;
  }

  /// What no reader would follow is not written either, or a record could be saved and never
  /// loaded.
  struct Depth {
    explicit Depth(Writing& of) : writing(of) {
      if constexpr (Nests) {
        if (++writing.depth_ > Input::deepest)
          writing.fail({Errc::too_large,
                        "the data is nested deeper than " + std::to_string(Input::deepest)});
      }
    }
    ~Depth() {
      if constexpr (Nests) --writing.depth_;
    }
    Depth(const Depth&) = delete;
    Depth& operator=(const Depth&) = delete;
    Writing& writing;
  };
  PERSIST_NOINLINE void not_utf8(std::string_view text) {
    fail({Errc::invalid, "a text is no UTF-8 from its byte " +
                             std::to_string(persist::detail::utf8_prefix(text)) +
                             " on: keep such bytes in a byte string (std::vector<std::byte>)"});
  }
  void fail(Error error) {
    if (ok_) error_ = std::move(error);
    ok_ = false;
  }

  Buffer& out_;
  std::byte* end_ = nullptr;
  std::uint32_t depth_ = 0;
  bool met_unknown_ = false;
  bool ok_ = true;
  Error error_;
};

}  // namespace persist::inline PERSIST_ABI::codec::packed
