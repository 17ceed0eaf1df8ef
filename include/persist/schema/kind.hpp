#pragma once

#include <persist/bytes.hpp>
#include <persist/schema/fields.hpp>

#include <array>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

// What a type is to storage. Each question looks at the type alone, never at what it is made of: a
// member that cannot be stored is found by the walk, whose trail names it.

namespace persist::inline PERSIST_ABI {

/// Stores T as another type: specialise it with `using stored_type`, `static stored_type
/// store(const T&)` and `static T restore(stored_type)` (or `Result<T>`, where not every stored
/// value is one).
template <class T>
struct adapt {};

class Unknown;
class Value;

namespace schema {

/// Numbers are part of the fingerprint: never renumber.
enum class Kind : std::uint8_t {
  none = 0,  ///< cannot be stored
  boolean = 1,
  integer = 2,
  real = 3,
  enumeration = 4,
  text = 5,
  bytes = 6,
  optional = 7,
  variant = 8,
  sequence = 9,  ///< grows at its end
  array = 10,    ///< std::array
  set = 11,
  map = 12,
  tuple = 13,
  duration = 14,
  time_point = 15,
  structure = 16,
  value = 17,
  adapted = 18,
  unit = 19,  ///< std::monostate
};

template <class T>
concept adapted = requires { typename adapt<T>::stored_type; };

// Foreign types join by what they can do, so allocators, small-buffer strings and flat maps need no
// specialisation. Each concept names the operations that the walks use, and no others.

/// Characters in a row that can be replaced. A view is none: it would point into the input.
template <class T>
concept text_like = requires(T& text, const T& from, const char* chars, std::size_t size) {
  requires std::same_as<typename T::value_type, char>;
  { from } -> std::convertible_to<std::string_view>;
  text.assign(chars, size);
};
/// Bytes are std::byte. A vector of unsigned char is numbers, because games keep small numbers in
/// them.
template <class T>
concept growing_bytes = std::same_as<T, Buffer> || (requires(T& bytes, const std::byte* at) {
                          requires std::same_as<typename T::value_type, std::byte>;
                          bytes.assign(at, at);
                        } && std::convertible_to<const T&, ByteView>);
/// One value or none. It is filled by `emplace()` and then read into, so that its own defaults
/// hold.
template <class T>
concept optional_like = requires(T& maybe, const T& from) {
  typename T::value_type;
  { from.has_value() } -> std::convertible_to<bool>;
  { *maybe } -> std::same_as<typename T::value_type&>;
  maybe.reset();
  maybe.emplace();
};
/// Elements in some order, and their number.
template <class T>
concept container = requires(T& all, const T& from) {
  typename T::value_type;
  from.begin() != from.end();
  { from.size() } -> std::convertible_to<std::size_t>;
  all.clear();
};
template <class T>
concept keyed = container<T> && requires { typename T::key_type; };
/// One value for each key. A multimap is a sequence of pairs, as far as storage is concerned.
template <class T>
concept map_like = keyed<T> && requires(T& map, typename T::key_type key) {
  { map.try_emplace(std::move(key)).second } -> std::convertible_to<bool>;
  { map.begin()->second } -> std::same_as<typename T::mapped_type&>;
};
/// Elements that are made outside and put in, because in their place they cannot be changed.
template <class T>
concept set_like =
    keyed<T> && requires(T& set, typename T::value_type value) { set.emplace(std::move(value)); };
/// Grows at its end by elements that are made in place with their defaults.
template <class T>
concept sequence_like = container<T> && !keyed<T> && requires(T& all) {
  all.emplace_back();
  all.back();
};

namespace detail {

template <class T>
inline constexpr bool is_array = false;
template <class T, std::size_t N>
inline constexpr bool is_array<std::array<T, N>> = true;
template <class T>
inline constexpr bool is_tuple = false;
template <class A, class B>
inline constexpr bool is_tuple<std::pair<A, B>> = true;
template <class... Ts>
inline constexpr bool is_tuple<std::tuple<Ts...>> = true;
template <class T>
inline constexpr bool is_variant = false;
template <class... Ts>
inline constexpr bool is_variant<std::variant<Ts...>> = true;
template <class T>
inline constexpr bool is_duration = false;
template <class Rep, class Period>
inline constexpr bool is_duration<std::chrono::duration<Rep, Period>> = true;
template <class T>
inline constexpr bool is_time_point = false;
template <class Clock, class Duration>
inline constexpr bool is_time_point<std::chrono::time_point<Clock, Duration>> = true;

/// The order of the questions matters: a string is also a sequence, and an aggregate is what is
/// left, since containers may be aggregates too.
template <class T>
consteval Kind container_kind() {
  if constexpr (text_like<T>)
    return Kind::text;
  else if constexpr (growing_bytes<T>)
    return Kind::bytes;
  else if constexpr (map_like<T>)
    return Kind::map;
  else if constexpr (set_like<T>)
    return Kind::set;
  else if constexpr (sequence_like<T>)
    return Kind::sequence;
  else if constexpr (optional_like<T>)
    return Kind::optional;
  else if constexpr (std::is_aggregate_v<T>)
    return Kind::structure;
  else
    return Kind::none;
}

/// A type that says itself what its fields are is a struct whatever else it offers.
template <class T>
consteval Kind class_kind() {
  if constexpr (std::same_as<T, Value>)
    return Kind::value;
  else if constexpr (std::same_as<T, std::monostate>)
    return Kind::unit;
  else if constexpr (std::same_as<T, Unknown>)
    return Kind::none;
  else if constexpr (described<T>)
    return Kind::structure;
  else if constexpr (is_array<T>)
    return std::same_as<typename T::value_type, std::byte> ? Kind::bytes : Kind::array;
  else if constexpr (is_tuple<T>)
    return Kind::tuple;
  else if constexpr (is_variant<T>)
    return Kind::variant;
  else if constexpr (is_duration<T>)
    return Kind::duration;
  else if constexpr (is_time_point<T>)
    return Kind::time_point;
  else
    return container_kind<T>();
}

template <class T>
consteval Kind find_kind() {
  if constexpr (adapted<T>)
    return Kind::adapted;
  else if constexpr (std::same_as<T, bool>)
    return Kind::boolean;
  else if constexpr (std::integral<T> || std::same_as<T, std::byte>)
    return Kind::integer;
  else if constexpr (std::is_enum_v<T>)
    return Kind::enumeration;
  else if constexpr (std::same_as<T, float> || std::same_as<T, double>)
    return Kind::real;
  else if constexpr (std::is_class_v<T>)
    return class_kind<T>();
  else
    return Kind::none;
}

}  // namespace detail

template <class T>
inline constexpr Kind kind_of = detail::find_kind<T>();

/// A type that storage knows what to do with, as far as one can tell without looking inside.
template <class T>
concept storable = std::is_object_v<T> && kind_of<std::remove_cv_t<T>> != Kind::none;

}  // namespace schema
}  // namespace persist::inline PERSIST_ABI
