#pragma once

#include <persist/schema/attributes.hpp>
#include <persist/schema/exact.hpp>
#include <persist/schema/kind.hpp>
#include <persist/schema/plan.hpp>

#include <cmath>
#include <cstddef>
#include <limits>
#include <type_traits>

// Numbers that are rounded when they are written: a position to the centimetre is a shorter text
// and compresses better than one to the nanometre.

namespace persist::inline PERSIST_ABI::schema::detail {

/// The step of a member, or 0.
template <class Rules, class T, std::size_t I>
inline constexpr Exact quantum_of = [] {
  Exact found;
  if constexpr (Rules::quantises) {
    Rules::template each<T>([&](auto attribute) {
      if (attribute.quantum.magnitude != 0 && position_of<T>(attribute.member) == I)
        found = attribute.quantum;
    });
  }
  return found;
}();
template <class Rules, class T, std::size_t I>
inline constexpr bool is_quantised = quantum_of<Rules, T, I>.magnitude != 0;

/// The nearest multiple, away from zero in the middle. Where a step is a part of one (0.01 is a
/// hundredth), it is divided and not multiplied: so 0.35 becomes the double that 0.35 is written
/// as. What is too large to have a fraction is a multiple already, as far as it can be told.
[[nodiscard]] inline double to_multiple(double number, double step) noexcept {
  const double parts = std::round(1 / step);
  const bool is_part = step < 1 && std::fabs(parts * step - 1) < 1e-9;
  const double count = std::round(is_part ? number * parts : number / step);
  if (!std::isfinite(count) || std::fabs(count) >= 9007199254740992.0) return number;
  return is_part ? count / parts : count * step;
}
/// The same for integers; one whose nearest multiple the type does not have takes the one before.
template <class T>
[[nodiscard]] constexpr T to_multiple(T number, T step) noexcept {
  const T rest = static_cast<T>(number % step);
  const T down = static_cast<T>(number - rest);
  const T size = rest < T{} ? static_cast<T>(T{} - rest) : rest;
  if (size < static_cast<T>(step - size)) return down;
  if (rest < T{})
    return down < (std::numeric_limits<T>::min)() + step ? down : static_cast<T>(down - step);
  return down > (std::numeric_limits<T>::max)() - step ? down : static_cast<T>(down + step);
}

template <class T>
inline constexpr bool can_be_quantised =
    std::is_arithmetic_v<T> && (kind_of<T> == Kind::real || kind_of<T> == Kind::integer);
template <class T>
  requires(kind_of<T> == Kind::optional || kind_of<T> == Kind::sequence ||
           kind_of<T> == Kind::array)
inline constexpr bool can_be_quantised<T> = can_be_quantised<typename T::value_type>;

/// Whether a number keeps the limits of the member: it must be possible to load what is written.
template <class Rules, class T, std::size_t I, class N>
[[nodiscard]] bool keeps_limits(N number) {
  bool keeps = true;
  if constexpr (Rules::has_limits) {
    Rules::template each<T>([&](auto attribute) {
      using A = decltype(attribute);
      if constexpr (A::limited)
        if (position_of<T>(A::member) == I)
          keeps = keeps && number >= A::min.template as<N>() && number <= A::max.template as<N>();
    });
  }
  return keeps;
}
/// The nearest multiple. Where that breaks a limit which the number keeps, the one on its other
/// side, and where that does too, the number.
template <Exact Step, class N, class Keeps>
[[nodiscard]] N to_allowed_multiple(N number, const Keeps& keeps) {
  constexpr N step = Step.template as<N>();
  const auto nearest = [&](N from) {
    if constexpr (std::is_floating_point_v<N>)
      return static_cast<N>(to_multiple(static_cast<double>(from), Step.template as<double>()));
    else
      return to_multiple(from, step);
  };
  using Range = std::numeric_limits<N>;
  const N near = nearest(number);
  if (keeps(near) || !keeps(number)) return near;
  N other = number;
  if (near > number && near >= Range::lowest() + step)
    other = nearest(static_cast<N>(near - step));
  else if (near < number && near <= (Range::max)() - step)
    other = nearest(static_cast<N>(near + step));
  return keeps(other) ? other : number;
}

template <Exact Step, class M, class Keeps>
void round_to(M& number, const Keeps& keeps) {
  constexpr Kind kind = kind_of<M>;
  if constexpr (kind == Kind::optional) {
    if (number.has_value()) round_to<Step>(*number, keeps);
  } else if constexpr (kind == Kind::sequence || kind == Kind::array) {
    for (auto& element : number)  // whose limits are of its size
      round_to<Step>(element, [](auto) { return true; });
  } else {
    static_assert(std::is_floating_point_v<M> || Step.template fits<M>(),
                  "persist: the step of a Quantised integer is an integer of its type");
    number = to_allowed_multiple<Step>(number, keeps);
  }
}
/// What is written for a member.
template <class Rules, class T, std::size_t I, class M>
[[nodiscard]] M quantised(M number) {
  static_assert(can_be_quantised<M>,
                "persist: Quantised is for numbers, and for lists, arrays and optionals of them");
  if constexpr (can_be_quantised<M>)
    round_to<quantum_of<Rules, T, I>>(number,
                                      [](auto each) { return keeps_limits<Rules, T, I>(each); });
  return number;
}

}  // namespace persist::inline PERSIST_ABI::schema::detail
