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

template <Exact Step, class M>
void round_to(M& number) {
  constexpr Kind kind = kind_of<M>;
  if constexpr (kind == Kind::optional) {
    if (number.has_value()) round_to<Step>(*number);
  } else if constexpr (kind == Kind::sequence || kind == Kind::array) {
    for (auto& element : number)
      round_to<Step>(element);
  } else if constexpr (kind == Kind::real) {
    number = static_cast<M>(to_multiple(static_cast<double>(number), Step.template as<double>()));
  } else {
    static_assert(Step.template fits<M>(),
                  "persist: the step of a Quantised integer is an integer of its type");
    number = to_multiple(number, Step.template as<M>());
  }
}
/// What is written for a member.
template <class Rules, class T, std::size_t I, class M>
[[nodiscard]] M quantised(M number) {
  constexpr Exact step = quantum_of<Rules, T, I>;
  static_assert(!step.negative, "persist: the step of a Quantised member is above zero");
  static_assert(can_be_quantised<M>,
                "persist: Quantised is for numbers, and for lists, arrays and optionals of them");
  if constexpr (can_be_quantised<M>) round_to<step>(number);
  return number;
}

}  // namespace persist::inline PERSIST_ABI::schema::detail
