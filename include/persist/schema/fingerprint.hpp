#pragma once

#include <persist/schema/name.hpp>
#include <persist/schema/plan.hpp>

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <variant>

namespace persist::inline PERSIST_ABI::schema {
namespace detail {

/// FNV-1a, 64 bits. Fingerprints lie in stored records: never change it.
class Fingerprint {
 public:
  constexpr void add(std::string_view text) noexcept {
    for (const char c : text)
      mix(static_cast<unsigned char>(c));
    mix(0);
  }
  constexpr void add(std::size_t number) noexcept {
    for (int i = 0; i < 8; ++i)
      mix((number >> (8 * i)) & 0xff);
  }
  [[nodiscard]] constexpr std::uint64_t value() const noexcept { return hash_; }

 private:
  constexpr void mix(std::uint64_t byte) noexcept { hash_ = (hash_ ^ byte) * 0x100000001b3; }
  std::uint64_t hash_ = 0xcbf29ce484222325;
};

template <class Rules, class T>
constexpr void fingerprint_of(Fingerprint& print, const Describing* outer);

template <class Rules, class... Ts>
constexpr void fingerprint_all(Fingerprint& print, const Describing* outer, Types<Ts...>) {
  print.add(sizeof...(Ts));
  (fingerprint_of<Rules, Ts>(print, outer), ...);
}
/// Names and kinds of the stored fields, in the order of their declaration, because that is the
/// order of values in a format without names. A struct inside itself is a number: how far above it
/// was begun.
template <class Rules, class T>
constexpr void fingerprint_struct(Fingerprint& print, const Describing* outer) {
  if (const std::size_t depth = depth_of<T>(outer); depth != 0) return print.add(depth - 1);
  using P = Plan<Rules, T>;
  const Describing here{pretty_type<T>(), outer};
  print.add(P::written_count);
  std::size_t index = 0;
  [&]<class... Ms>(Types<Ms...>) {
    (
        [&] {
          if (P::is_stored[index]) {
            print.add(P::names[index]);
            fingerprint_of<Rules, Ms>(print, &here);
            for (std::size_t other = P::count; other != P::slots; ++other) {
              if (P::member_of(other) != index || !P::is_written(other)) continue;
              print.add(P::names[other]);
              fingerprint_of<Rules, Ms>(print, &here);
            }
          }
          ++index;
        }(),
        ...);
  }(MemberTypes<T>{});
}

/// Containers count by their kind and not by their type: a list may become a vector, as the bytes
/// stay the same.
template <class Rules, class T>
constexpr void fingerprint_of(Fingerprint& print, const Describing* outer) {
  constexpr Kind kind = kind_of<T>;
  print.add(static_cast<std::size_t>(kind));
  if constexpr ((kind == Kind::integer && !std::is_same_v<T, std::byte>) || kind == Kind::real) {
    print.add(number_name<T>());
  } else if constexpr (kind == Kind::enumeration) {
    print.add(type_name<T>);
  } else if constexpr (kind == Kind::array) {
    print.add(std::tuple_size_v<T>);
    fingerprint_of<Rules, typename T::value_type>(print, outer);
  } else if constexpr (kind == Kind::optional || kind == Kind::sequence) {
    fingerprint_of<Rules, typename T::value_type>(print, outer);
  } else if constexpr (kind == Kind::map) {
    fingerprint_of<Rules, typename T::key_type>(print, outer);
    fingerprint_of<Rules, typename T::mapped_type>(print, outer);
  } else if constexpr (kind == Kind::set) {
    fingerprint_of<Rules, std::remove_const_t<typename T::value_type>>(print, outer);
  } else if constexpr (kind == Kind::tuple) {
    fingerprint_all<Rules>(print, outer, types_of(static_cast<const T*>(nullptr)));
  } else if constexpr (kind == Kind::variant) {
    constexpr auto alternatives = types_of(static_cast<const T*>(nullptr));
    [&]<class... Ts>(Types<Ts...>) {
      (print.add(kind_of<Ts> == Kind::unit ? std::string_view() : type_name<Ts>), ...);
    }(alternatives);
    fingerprint_all<Rules>(print, outer, alternatives);
  } else if constexpr (kind == Kind::duration) {
    print.add(static_cast<std::size_t>(T::period::num));
    print.add(static_cast<std::size_t>(T::period::den));
    fingerprint_of<Rules, typename T::rep>(print, outer);
  } else if constexpr (kind == Kind::time_point) {
    fingerprint_of<Rules, typename T::duration>(print, outer);
  } else if constexpr (kind == Kind::adapted) {
    fingerprint_of<Rules, typename adapt<T>::stored_type>(print, outer);
  } else if constexpr (kind == Kind::structure) {
    fingerprint_struct<Rules, T>(print, outer);
  }
}

template <class Rules, class T>
consteval std::uint64_t compute_fingerprint() {
  Fingerprint print;
  fingerprint_of<Rules, T>(print, nullptr);
  return print.value();
}

}  // namespace detail

/// A number that two types share if their fields have the same names, kinds and order, all the way
/// down. The same from every compiler and in every run; computed once, at compile time. 0 stands
/// for "not known" in a record and is not a fingerprint.
template <class T, class Policy = NoPolicy>
inline constexpr std::uint64_t fingerprint =
    detail::compute_fingerprint<detail::RulesOf<Policy>, T>() | 1;

}  // namespace persist::inline PERSIST_ABI::schema
