#pragma once

#include <persist/schema/enumeration.hpp>
#include <persist/schema/key_text.hpp>
#include <persist/schema/kind.hpp>
#include <persist/schema/name.hpp>
#include <persist/schema/plan.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

// What a packed record says of the type it holds: the names and kinds of its fields, as bytes that
// are constants of the program. Two types with the same bytes are read by position; the bytes of
// another type tell how to read what it wrote.

namespace persist::inline PERSIST_ABI::codec::packed {

using schema::Kind;
using schema::kind_of;

/// In the place of a kind: the struct with that number, counted from the first one described. It
/// lies on disk, as the kinds do: never renumber.
inline constexpr std::uint8_t same_struct = 64;

/// More is no description, or it could take memory out of proportion to what is in it.
inline constexpr std::size_t longest_description = std::size_t{1} << 16;

/// The number in front of an integer or enum: its size as a power of two, and 4 for a sign. Never
/// renumber.
template <class T>
[[nodiscard]] constexpr std::uint8_t integer_code() noexcept {
  if constexpr (std::is_same_v<T, std::byte>)
    return 0;
  else
    return static_cast<std::uint8_t>((sizeof(T) == 1   ? 0
                                      : sizeof(T) == 2 ? 1
                                      : sizeof(T) == 4 ? 2
                                                       : 3) |
                                     (std::is_signed_v<T> ? 4 : 0));
}

/// The structs that were described so far, by the names that the compiler gives them.
struct Described {
  static constexpr std::size_t most = 256;

  std::array<std::string_view, most> types{};
  std::array<bool, most> is_whole{};
  std::size_t count = 0;
  bool recursive = false;  ///< one of them holds itself

  [[nodiscard]] constexpr std::size_t find(std::string_view type) const noexcept {
    std::size_t at = 0;
    while (at < count && types[at] != type)
      ++at;
    return at;
  }
};

/// Writes descriptions, or counts their bytes where it is given nothing to write to.
class Describer {
 public:
  constexpr explicit Describer(char* to) noexcept : to_(to) {}
  [[nodiscard]] constexpr std::size_t size() const noexcept { return size_; }
  [[nodiscard]] constexpr Described& structs() noexcept { return structs_; }

  constexpr void byte(std::size_t value) noexcept {
    if (to_ != nullptr) to_[size_] = static_cast<char>(value);
    ++size_;
  }
  /// As `put_number` writes it: what is described is small.
  constexpr void number(std::uint64_t value) noexcept {
    std::size_t size = 1;
    while (size < 9 && (value >> (7 * size)) != 0)
      ++size;
    if (size == 9) {
      byte(0);
      for (int i = 0; i < 8; ++i)
        byte(value >> (8 * i) & 0xff);
      return;
    }
    const std::uint64_t bytes = (value << 1 | 1) << (size - 1);
    for (std::size_t i = 0; i < size; ++i)
      byte(bytes >> (8 * i) & 0xff);
  }
  constexpr void text(std::string_view value) noexcept {
    number(value.size());
    for (const char c : value)
      byte(static_cast<unsigned char>(c));
  }

 private:
  char* to_;
  std::size_t size_ = 0;
  Described structs_;
};

template <class Rules, class T>
constexpr void describe(Describer& out);

/// The members of a pair in a multimap are constants in part.
template <class Rules, class... Ts>
constexpr void describe_all(Describer& out, schema::detail::Types<Ts...>) {
  out.number(sizeof...(Ts));
  (describe<Rules, std::remove_const_t<Ts>>(out), ...);
}

/// The enumerators' names and values, so that a build that numbers them otherwise finds them.
template <class E>
constexpr void describe_enum(Describer& out) {
  out.byte(integer_code<std::underlying_type_t<E>>());
  if constexpr (schema::detail::fixed_enum<E>) {
    using Names = schema::detail::Enumerators<E>;
    std::size_t named = 0;
    for (const std::string_view name : Names::names)
      named += name.empty() ? 0 : 1;
    out.number(named);
    for (std::size_t i = 0; i < Names::count; ++i) {
      if (Names::names[i].empty()) continue;
      out.text(Names::names[i]);
      const int value = Names::first + static_cast<int>(i);
      out.number(static_cast<std::uint64_t>(value < 0 ? -2 * value - 1 : 2 * value));
    }
  } else {
    out.number(0);
  }
}

template <class Rules, class T>
constexpr void describe_struct(Describer& out) {
  using P = schema::detail::Plan<Rules, T>;
  Described& structs = out.structs();
  const std::size_t index = structs.find(schema::detail::pretty_type<T>());
  if (index < structs.count) {
    structs.recursive = structs.recursive || !structs.is_whole[index];
    out.byte(same_struct);
    return out.number(index);
  }
  structs.types[structs.count++] = schema::detail::pretty_type<T>();
  out.byte(static_cast<std::size_t>(Kind::structure));
  out.number(P::written_count);
  std::size_t field = 0;
  [&]<class... Ms>(schema::detail::Types<Ms...>) {
    (
        [&] {
          if (P::is_stored[field]) {
            out.text(P::names[field]);
            describe<Rules, Ms>(out);
            for (std::size_t other = P::count; other != P::slots; ++other) {
              if (P::member_of(other) != field || !P::is_written(other)) continue;
              out.text(P::names[other]);
              describe<Rules, Ms>(out);
            }
          }
          ++field;
        }(),
        ...);
  }(schema::detail::MemberTypes<T>{});
  structs.is_whole[index] = true;
}

template <class Rules, class... Ts>
constexpr void describe_variant(Describer& out, schema::detail::Types<Ts...>) {
  out.number(sizeof...(Ts));
  (
      [&] {
        out.text(kind_of<Ts> == Kind::unit ? std::string_view() : schema::type_name<Ts>);
        describe<Rules, Ts>(out);
      }(),
      ...);
}

template <class Rules, class T>
constexpr void describe(Describer& out) {
  using schema::detail::types_of;
  constexpr Kind kind = kind_of<T>;
  if constexpr (kind == Kind::adapted) {
    return describe<Rules, typename adapt<T>::stored_type>(out);
  } else if constexpr (kind == Kind::structure) {
    return describe_struct<Rules, T>(out);
  } else {
    out.byte(static_cast<std::size_t>(kind));
    if constexpr (kind == Kind::integer) {
      out.byte(integer_code<T>());
    } else if constexpr (kind == Kind::real) {
      out.byte(sizeof(T));
    } else if constexpr (kind == Kind::enumeration) {
      describe_enum<T>(out);
    } else if constexpr (kind == Kind::optional || kind == Kind::sequence) {
      describe<Rules, typename T::value_type>(out);
    } else if constexpr (kind == Kind::array) {
      out.number(std::tuple_size_v<T>);
      describe<Rules, typename T::value_type>(out);
    } else if constexpr (kind == Kind::set) {
      describe<Rules, std::remove_const_t<typename T::value_type>>(out);
    } else if constexpr (kind == Kind::map) {
      out.byte(schema::text_key<typename T::key_type> ? 1 : 0);
      describe<Rules, typename T::key_type>(out);
      describe<Rules, typename T::mapped_type>(out);
    } else if constexpr (kind == Kind::tuple) {
      describe_all<Rules>(out, types_of(static_cast<const T*>(nullptr)));
    } else if constexpr (kind == Kind::variant) {
      describe_variant<Rules>(out, types_of(static_cast<const T*>(nullptr)));
    } else if constexpr (kind == Kind::duration) {
      out.number(static_cast<std::uint64_t>(T::period::num));
      out.number(static_cast<std::uint64_t>(T::period::den));
      describe<Rules, typename T::rep>(out);
    } else if constexpr (kind == Kind::time_point) {
      describe<Rules, typename T::duration>(out);
    }
  }
}

/// What is written of T under those rules, in front of its values.
template <class Rules, class T>
struct Description {
  static constexpr auto counted = [] {
    Describer counter(nullptr);
    describe<Rules, T>(counter);
    return std::pair(counter.size(), counter.structs().recursive);
  }();
  static constexpr std::size_t size = counted.first;
  /// Whether data can nest as deep as it likes.
  static constexpr bool is_recursive = counted.second;
  static_assert(size <= longest_description,
                "persist: the names of the fields of this type take more than 64 KiB");

  static constexpr std::array<char, size> bytes = [] {
    std::array<char, size> made{};
    Describer out(made.data());
    describe<Rules, T>(out);
    return made;
  }();
};

}  // namespace persist::inline PERSIST_ABI::codec::packed
