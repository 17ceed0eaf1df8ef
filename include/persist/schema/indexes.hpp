#pragma once

#include <persist/bytes.hpp>
#include <persist/detail/fixed_string.hpp>
#include <persist/record/index.hpp>
#include <persist/schema/kind.hpp>
#include <persist/schema/migrations.hpp>

#include <array>
#include <bit>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string_view>
#include <type_traits>
#include <utility>

namespace persist::inline PERSIST_ABI {

/// A board of a store: each record stands in it by a number of its data, a member or what a pure
/// function makes of it: `persist::Index<"coins", &PlayerData::coins>`. Written in the commit that
/// writes the data, so it is never behind what is stored.
///
/// The number is an integer, a bool, an enum, a duration or a time as its count, or floating point;
/// of an empty optional there is none, and the record is not in the board. What a signed integer of
/// 64 bits cannot hold stands as the largest. NaN comes below all numbers.
template <detail::FixedString Name, auto From>
struct Index {
  static_assert(!Name.view().empty() && Name.view().size() <= longest_index_name,
                "persist: the name of an Index has 1 to 64 bytes");
  static constexpr std::string_view name = Name.view();
  static constexpr auto from = From;
};

/// The boards of a Data policy: `using indexes = persist::Indexes<...>`.
template <class... Is>
struct Indexes {};

namespace schema {
namespace detail {

template <class T>
inline constexpr bool is_indexes = false;
template <persist::detail::FixedString... Names, auto... Froms>
inline constexpr bool is_indexes<Indexes<Index<Names, Froms>...>> = true;

template <class T>
struct IsTime : std::false_type {};
template <class R, class P>
struct IsTime<std::chrono::duration<R, P>> : std::is_arithmetic<R> {};
template <class C, class D>
struct IsTime<std::chrono::time_point<C, D>> : IsTime<D> {};

/// What an index orders by, where there is one.
template <class T>
struct Ordered {
  using type = T;
  static constexpr bool may_be_empty = false;
};
template <class T>
struct Ordered<std::optional<T>> {
  using type = T;
  static constexpr bool may_be_empty = true;
};

template <class T>
concept orders_an_index =
    (std::is_arithmetic_v<T> && (std::is_floating_point_v<T> || sizeof(T) <= 8)) ||
    std::is_enum_v<T> || IsTime<T>::value;

/// The number of a double in the order of doubles; the two zeros are one. NaN is the least.
[[nodiscard]] constexpr std::int64_t number_of(double value) noexcept {
  constexpr std::int64_t least = (std::numeric_limits<std::int64_t>::min)();
  if (value != value) return least;
  const auto bits = std::bit_cast<std::int64_t>(value == 0 ? 0.0 : value);
  return bits < 0 ? bits ^ ~least : bits;
}
[[nodiscard]] constexpr double double_of(std::int64_t number) noexcept {
  constexpr std::int64_t least = (std::numeric_limits<std::int64_t>::min)();
  return std::bit_cast<double>(number < 0 ? number ^ ~least : number);
}

}  // namespace detail

/// Where a value stands in an index.
template <detail::orders_an_index T>
[[nodiscard]] constexpr std::int64_t index_number(const T& value) noexcept {
  constexpr std::int64_t most = (std::numeric_limits<std::int64_t>::max)();
  if constexpr (std::is_enum_v<T>) {
    return index_number(static_cast<std::underlying_type_t<T>>(value));
  } else if constexpr (std::is_floating_point_v<T>) {
    return detail::number_of(static_cast<double>(value));
  } else if constexpr (std::is_same_v<T, bool>) {
    return value ? 1 : 0;
  } else if constexpr (std::is_integral_v<T>) {
    return std::cmp_greater(+value, most) ? most : static_cast<std::int64_t>(value);
  } else if constexpr (requires { value.count(); }) {
    return index_number(value.count());
  } else {
    return index_number(value.time_since_epoch());
  }
}
/// And back. Of an integer beyond 64 signed bits, the largest that is not; of a record that was
/// written when its member had another type, what that number is in this one.
template <detail::orders_an_index T>
[[nodiscard]] constexpr T indexed_value(std::int64_t number) noexcept {
  if constexpr (std::is_enum_v<T>)
    return static_cast<T>(indexed_value<std::underlying_type_t<T>>(number));
  else if constexpr (std::is_floating_point_v<T>)
    return static_cast<T>(detail::double_of(number));
  else if constexpr (std::is_arithmetic_v<T>)
    return static_cast<T>(number);
  else if constexpr (requires(T value) { value.count(); })
    return T(indexed_value<typename T::rep>(number));
  else
    return T(indexed_value<typename T::duration>(number));
}

namespace detail {

/// What an index makes of the data, optional or not.
template <class I, class T>
using IndexedAs = std::remove_cvref_t<std::invoke_result_t<decltype(I::from), const T&>>;

template <class I, class T>
consteval bool check_index() {
  static_assert(std::invocable<decltype(I::from), const T&>,
                "persist: an Index takes a member of the data, or a function of it");
  if constexpr (std::invocable<decltype(I::from), const T&>)
    static_assert(orders_an_index<typename Ordered<IndexedAs<I, T>>::type>,
                  "persist: an Index is of a number, a bool, an enum, a duration or a time, or of "
                  "an optional of one");
  return true;
}

/// The list of a policy's indexes, over the type that is stored.
template <class List, class T>
struct IndexList;
template <class... Is, class T>
struct IndexList<Indexes<Is...>, T> {
  static constexpr std::size_t count = sizeof...(Is);
  static constexpr std::array<std::string_view, sizeof...(Is)> names{Is::name...};

  static consteval bool check() {
    bool is_twice = false;
    for (std::size_t i = 0; i < count; ++i)
      for (std::size_t j = 0; j < i; ++j)
        is_twice = is_twice || names[i] == names[j];
    return !is_twice && (check_index<Is, T>() && ...);
  }
  static constexpr bool has(std::string_view name) noexcept {
    for (const std::string_view each : names)
      if (each == name) return true;
    return false;
  }
  /// Appends the entries of a record with that data.
  static void append(const T& data, Buffer& to) { (append_one<Is>(data, to), ...); }

 private:
  template <class I>
  static void append_one(const T& data, Buffer& to) {
    const auto& value = std::invoke(I::from, data);
    if constexpr (!Ordered<IndexedAs<I, T>>::may_be_empty)
      append_index_entry(to, I::name, index_number(value));
    else if (value)
      append_index_entry(to, I::name, index_number(*value));
  }
};

template <class D>
struct IndexesOf {
  using type = Indexes<>;
};
template <class D>
  requires requires { typename D::indexes; }
struct IndexesOf<D> {
  using type = typename D::indexes;
};

template <class D, class T>
consteval bool check_indexes() {
  using List = typename IndexesOf<D>::type;
  static_assert(is_indexes<List>,
                "persist: indexes lists boards: using indexes = "
                "persist::Indexes<persist::Index<\"coins\", &Player::coins>>;");
  if constexpr (is_indexes<List>)
    static_assert(IndexList<List, T>::check(), "persist: two indexes have one name");
  return true;
}

/// The type that rows of the index of that name have.
template <persist::detail::FixedString Name, class List, class T>
struct RowValue;
template <persist::detail::FixedString Name, class I, class... Is, class T>
struct RowValue<Name, Indexes<I, Is...>, T> : RowValue<Name, Indexes<Is...>, T> {};
template <persist::detail::FixedString Name, class I, class... Is, class T>
  requires(I::name == Name.view())
struct RowValue<Name, Indexes<I, Is...>, T> {
  using type = typename Ordered<IndexedAs<I, T>>::type;
};

}  // namespace detail
}  // namespace schema
}  // namespace persist::inline PERSIST_ABI
