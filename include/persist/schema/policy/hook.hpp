#pragma once

#include <persist/schema/concept.hpp>

#include <concepts>
#include <cstddef>
#include <tuple>
#include <type_traits>

// A hook is found by its name, whatever it looks like, and is then asked whether it fits. Asking
// only whether a call compiles would take a misspelt hook for none.

namespace persist::inline PERSIST_ABI::schema::detail {

// A name that two bases have is ambiguous: so taking its address fails exactly if the policy has it
// too, overloaded or not. A final class cannot be a base; there only what has one address is found.
#define PERSIST_HOOK(hook)                                                            \
  struct Also_##hook {                                                                \
    void hook();                                                                      \
  };                                                                                  \
  template <class D>                                                                  \
  struct Both_##hook : D, Also_##hook {};                                             \
  template <class D>                                                                  \
  concept inherits_##hook = !requires { &Both_##hook<D>::hook; };                     \
  template <class D>                                                                  \
  consteval bool find_##hook() {                                                      \
    if constexpr (!std::is_class_v<D>)                                                \
      return false;                                                                   \
    else if constexpr (std::is_final_v<D>)                                            \
      return requires { &D::hook; };                                                  \
    else                                                                              \
      return inherits_##hook<D>;                                                      \
  }                                                                                   \
  template <class D>                                                                  \
  concept names_##hook = names_its_data<D> && find_##hook<D>();                       \
  template <class D>                                                                  \
  consteval auto address_of_##hook() {                                                \
    static_assert(                                                                    \
        requires { &D::hook; },                                                       \
        "persist: the hook " #hook                                                    \
        " does not fit: it must be one function, neither overloaded nor a template"); \
    return &D::hook;                                                                  \
  }

PERSIST_HOOK(defaults)
PERSIST_HOOK(capture)
PERSIST_HOOK(apply)
PERSIST_HOOK(validate)
PERSIST_HOOK(import_legacy)
PERSIST_HOOK(mismatch)

#undef PERSIST_HOOK

/// What a hook returns, how many arguments it takes and the last of them. What is no static
/// function fits nothing.
template <class F>
struct HookShape {
  struct result {};
  struct last {};
  static constexpr std::size_t arity = 0;
};
template <class R, class... Args>
struct HookShape<R (*)(Args...)> {
  using result = R;
  using last = std::tuple_element_t<sizeof...(Args), std::tuple<void, Args...>>;
  static constexpr std::size_t arity = sizeof...(Args);
};
template <class R, class... Args>
struct HookShape<R (*)(Args...) noexcept> : HookShape<R (*)(Args...)> {};

/// Only the types that the policy itself fixes are compared. The key is the store's, and asked
/// about when the hook is called with one.
template <class F, class Result, std::size_t Arity>
concept hook_like =
    std::same_as<typename HookShape<F>::result, Result> && HookShape<F>::arity == Arity;
template <class F, class Result, std::size_t Arity, class Last>
concept hook_ending_with =
    hook_like<F, Result, Arity> && std::same_as<typename HookShape<F>::last, Last>;

}  // namespace persist::inline PERSIST_ABI::schema::detail
