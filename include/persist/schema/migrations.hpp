#pragma once

#include <persist/detail/caught.hpp>
#include <persist/result.hpp>
#include <persist/schema/adds_only.hpp>
#include <persist/schema/attributes.hpp>
#include <persist/schema/value/core.hpp>

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>

// How data of an older schema version becomes data of the newest.
//
//     struct PlayerV1 { int gold = 0; };
//     struct Player { std::int64_t coins = 0; };
//     inline Player upgrade(PlayerV1&& old) { return {old.gold}; }    // beside its argument
//
//     using migrations = persist::Migrations<PlayerV1, Player>;       // in the Data policy

namespace persist::inline PERSIST_ABI {

/// The versions of a record, oldest first: the i-th is schema version i + 1. Each but the newest is
/// a plain struct with a function `upgrade(Version&&)` in its namespace that returns the next one,
/// or a `Result` of it; or it is `Untyped`. Steps are pure: they may run on any thread, and for a
/// record that is not saved afterwards they run again at its next load.
template <class... Versions>
struct Migrations {};

/// Marks a version of which older builds may read the records, because all it does to the version
/// before it is add members. It does not compile where it does anything else.
template <class Version>
struct Additive {};

/// A version that has no type here, for what types cannot say: its records are given to
/// `Step(Value&&)`, which returns the next version, or a `Value` that is then read as the next, or
/// a `Result` of either.
template <auto Step>
struct Untyped {};

namespace schema::detail {

template <class V>
struct VersionTraits {
  using type = V;
  static constexpr bool is_additive = false;
};
template <class V>
struct VersionTraits<Additive<V>> : VersionTraits<V> {
  static constexpr bool is_additive = true;
};
template <auto Step>
struct VersionTraits<Untyped<Step>> {
  using type = Value;
  static constexpr bool is_additive = false;
  static constexpr auto step = Step;
};

/// Found by the type of its argument alone, so that a step is declared beside its version.
void upgrade() = delete;
template <class From>
concept has_upgrade = requires(From&& old) { upgrade(std::move(old)); };
template <class V>
concept has_step = requires { VersionTraits<V>::step; };

template <class From>
consteval bool step_is_there() {
  if constexpr (has_step<From>)
    return std::is_invocable_v<decltype(VersionTraits<From>::step), Value&&>;
  else
    return has_upgrade<typename VersionTraits<From>::type>;
}
/// Runs the step of a version.
template <class V, class Old>
[[nodiscard]] auto call_step(Old&& old) {
  if constexpr (has_step<V>)
    return VersionTraits<V>::step(std::forward<Old>(old));
  else
    return upgrade(std::forward<Old>(old));
}
/// What it gives, without the Result around it.
template <class V>
using SteppedBy = typename persist::detail::UnwrapResult<decltype(call_step<V>(
    std::declval<typename VersionTraits<V>::type&&>()))>::type;

template <class From, class To>
consteval bool step_fits() {
  if constexpr (step_is_there<From>())
    return std::is_same_v<SteppedBy<From>, typename VersionTraits<To>::type> ||
           (has_step<From> && std::is_same_v<SteppedBy<From>, Value>);
  else
    return true;
}
/// Whether data of the version From can become data of the version To. Both names stand in the
/// compiler's message where it cannot.
template <class From, class To>
struct CheckStep {
  static_assert(step_is_there<From>(),
                "persist: a step of the migrations is missing: From and To, above, say which; "
                "declare To upgrade(From&&) in the namespace of From");
  static_assert(step_fits<From, To>(),
                "persist: a step of the migrations does not lead to the next version: it returns "
                "that or a persist::Result of it");
};

/// Runs a step; what it throws is an error.
template <class V, class Old>
[[nodiscard]] Result<SteppedBy<V>> run_step(Old&& old) {
  return persist::detail::caught("it", [&] { return call_step<V>(std::forward<Old>(old)); });
}

template <class List>
struct VersionList;
template <class... Vs>
struct VersionList<Migrations<Vs...>> {
  static constexpr std::size_t count = sizeof...(Vs);
  template <std::size_t I>
  using Version = std::tuple_element_t<I, std::tuple<Vs...>>;
  template <std::size_t I>
  using Type = typename VersionTraits<Version<I>>::type;

  /// The lowest version whose builds may read the newest.
  static constexpr std::uint32_t lowest_reader = [] {
    constexpr std::array<bool, count> additive{VersionTraits<Vs>::is_additive...};
    std::size_t lowest = count;
    while (lowest > 1 && additive[lowest - 1])
      --lowest;
    return static_cast<std::uint32_t>(lowest);
  }();

  template <class Rules, std::size_t I>
  static consteval bool check_step() {
    if constexpr (I + 1 < count) {
      static_assert(sizeof(CheckStep<Version<I>, Version<I + 1>>) != 0);
      static_assert(
          !VersionTraits<Version<I + 1>>::is_additive || adds_only<Rules, Type<I>, Type<I + 1>>,
          "persist: a version is marked persist::Additive and does more than add members to the "
          "version before it: older builds could not read what it writes");
    }
    return true;
  }
  /// Whether each version leads to the next, and the last is what the policy stores.
  template <class Rules, class Record>
  static consteval bool check() {
    static_assert(count != 0, "persist: migrations list at least one version");
    static_assert(!VersionTraits<Version<0>>::is_additive,
                  "persist: the first version of the migrations adds to none");
    static_assert(std::is_same_v<Type<count - 1>, Record>,
                  "persist: the last version of the migrations is the type that is stored");
    return []<std::size_t... I>(std::index_sequence<I...>) {
      return (check_step<Rules, I>() && ...);
    }(std::make_index_sequence<count>{});
  }
};

template <class Policy>
concept names_migrations = requires { typename Policy::migrations; };
template <class Policy>
struct MigrationsOf {
  using type = Migrations<>;
};
template <names_migrations Policy>
struct MigrationsOf<Policy> {
  using type = typename Policy::migrations;
};
template <class Policy>
concept has_migrations = !std::is_same_v<typename MigrationsOf<Policy>::type, Migrations<>>;

template <class T>
inline constexpr bool is_migrations = false;
template <class... Vs>
inline constexpr bool is_migrations<Migrations<Vs...>> = true;

/// What a record holds: data that is an optional is without a record when it is empty.
template <class T>
struct RecordType {
  using type = T;
};
template <class T>
struct RecordType<std::optional<T>> {
  using type = T;
};

}  // namespace schema::detail
}  // namespace persist::inline PERSIST_ABI
