#pragma once

#include <persist/error.hpp>
#include <persist/result.hpp>
#include <persist/schema/attributes.hpp>
#include <persist/schema/key_text.hpp>
#include <persist/schema/kind.hpp>
#include <persist/schema/place.hpp>
#include <persist/schema/plan.hpp>
#include <persist/schema/read/number.hpp>
#include <persist/schema/token.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

// The walk that holds data against its `Limited` members. It goes only into types that have some
// inside.

namespace persist::inline PERSIST_ABI::schema {
namespace detail {

template <class Rules, class T>
constexpr bool find_limits(const Describing* outer);

template <class Rules, class... Ts>
constexpr bool find_limits_in(const Describing* outer, Types<Ts...>) {
  return (find_limits<Rules, std::remove_const_t<Ts>>(outer) || ...);
}
template <class Rules, class T>
constexpr bool find_limits(const Describing* outer) {
  constexpr Kind kind = kind_of<T>;
  if constexpr (kind == Kind::structure) {
    if (depth_of<T>(outer) != 0) return false;
    const Describing here{pretty_type<T>(), outer};
    bool found = false;
    Rules::template each<T>([&](auto attribute) { found = found || attribute.limited; });
    return found || find_limits_in<Rules>(&here, MemberTypes<T>{});
  } else if constexpr (kind == Kind::sequence || kind == Kind::array || kind == Kind::set ||
                       kind == Kind::optional) {
    return find_limits<Rules, std::remove_const_t<typename T::value_type>>(outer);
  } else if constexpr (kind == Kind::map) {
    return find_limits<Rules, typename T::mapped_type>(outer);
  } else if constexpr (kind == Kind::tuple || kind == Kind::variant) {
    return find_limits_in<Rules>(outer, types_of(static_cast<const T*>(nullptr)));
  } else {
    return false;
  }
}
/// Whether a T has limited members, at any depth.
template <class Rules, class T>
inline constexpr bool has_limits = [] {
  if constexpr (Rules::has_limits)
    return find_limits<Rules, T>(nullptr);
  else
    return false;
}();

template <class T>
[[nodiscard]] std::string print_number(T number) {
  if constexpr (std::is_floating_point_v<T>)
    return text_of(Real{static_cast<double>(number), sizeof(T) == sizeof(float)});
  else
    return std::to_string(+number);
}

template <class Rules>
class LimitCheck {
 public:
  /// False if a limit is broken; then `take_error` says which.
  template <class T>
  [[nodiscard]] bool value(const T& from, const Place& at) {
    constexpr Kind kind = kind_of<T>;
    if constexpr (!has_limits<Rules, T>) {
      return true;
    } else if constexpr (kind == Kind::structure) {
      return structure(from, at);
    } else if constexpr (kind == Kind::optional) {
      return !from.has_value() || value(*from, at);
    } else if constexpr (kind == Kind::variant) {
      return std::visit([&](const auto& held) { return value(held, at); }, from);
    } else if constexpr (kind == Kind::tuple) {
      Place element = at.inside();
      const auto one = [&](const auto& member) {
        element.move_to(element.index + 1);  // begins at 0: no_index is the number before it
        return value(member, element);
      };
      return std::apply([&](const auto&... members) { return (one(members) && ...); }, from);
    } else {
      return elements(from, at);
    }
  }
  [[nodiscard]] Error take_error() { return std::move(error_); }

 private:
  template <class C>
  [[nodiscard]] bool elements(const C& from, const Place& at) {
    std::size_t index = 0;
    for (const auto& element : from) {
      Place inside = at.inside();
      if constexpr (kind_of<C> == Kind::map) {
        if constexpr (text_key<typename C::key_type>) {
          const KeyText key(element.first);
          inside.move_to(key.view());
          if (!value(element.second, inside)) return false;
        } else {
          inside.move_to(index++);
          if (!value(element.second, inside)) return false;
        }
      } else {
        inside.move_to(index++);
        if (!value(element, inside)) return false;
      }
    }
    return true;
  }
  template <class T>
  [[nodiscard]] bool structure(const T& from, const Place& at) {
    using P = Plan<Rules, T>;
    return Describe<T>::apply(from, [&](const auto&... members) {
      return [&]<std::size_t... I>(std::index_sequence<I...>) {
        return (member<T, I>(members, at.inside(P::names[I])) && ...);
      }(std::index_sequence_for<decltype(members)...>{});
    });
  }
  template <class T, std::size_t I, class M>
  [[nodiscard]] bool member(const M& from, const Place& at) {
    bool keeps = true;
    Rules::template each<T>([&](auto attribute) {
      using A = decltype(attribute);
      if constexpr (A::limited && position_of<T>(A::member) == I)
        keeps = keeps && holds<A>(from, at);
    });
    return keeps && value(from, at);
  }
  template <class A, class M>
  [[nodiscard]] bool holds(const M& from, const Place& at) {
    constexpr Kind kind = kind_of<M>;
    static_assert(
        std::is_arithmetic_v<M> || kind == Kind::optional || requires { from.size(); },
        "persist: Limited is for numbers, optionals of them, and what has a size");
    if constexpr (kind == Kind::optional) {
      return !from.has_value() || holds<A>(*from, at);
    } else if constexpr (std::is_arithmetic_v<M>) {
      static_assert(
          (A::min.template fits<M>() && A::max.template fits<M>()) || std::is_floating_point_v<M>,
          "persist: the limits of a Limited integer are integers of its type");
      return between(from, A::min.template as<M>(), A::max.template as<M>(), at, "");
    } else {
      static_assert(A::min.template fits<std::size_t>() && A::max.template fits<std::size_t>(),
                    "persist: the limits of a size are integers from 0 on");
      return between(from.size(), A::min.template as<std::size_t>(),
                     A::max.template as<std::size_t>(), at, "a size of ");
    }
  }
  /// NaN is between nothing.
  template <class T>
  [[nodiscard]] bool between(T number, T min, T max, const Place& at, std::string_view what) {
    if (number >= min && number <= max) return true;
    error_ = Error(Errc::invalid, "a limit that the data policy sets")
                 .at(at.path(), std::string(what) + print_number(min) + " to " + print_number(max),
                     print_number(number));
    return false;
  }

  Error error_;
};

}  // namespace detail

/// Whether the data keeps the limits that the policy's fields set. `invalid`, naming the member,
/// what was expected and what was found.
template <class Rules, class T>
[[nodiscard]] Result<void> check_limits(const T& data) {
  detail::LimitCheck<Rules> check;
  if (check.value(data, Place{})) return success;
  return check.take_error();
}

}  // namespace persist::inline PERSIST_ABI::schema
