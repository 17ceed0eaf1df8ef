#pragma once

#include <persist/schema/exact.hpp>
#include <persist/schema/fields.hpp>
#include <persist/schema/reconcile.hpp>

#include <cstddef>
#include <string_view>
#include <type_traits>

namespace persist::inline PERSIST_ABI {

/// Attributes of members, given from outside: `using fields = persist::Fields<...>` in a Data
/// policy. They hold for a struct wherever it occurs in the data.
template <class... Attributes>
struct Fields {};

namespace schema::detail {
template <class Member, class Owner>
Owner owner_of(Member Owner::*);

template <auto Member>
struct Attribute {
  using owner = decltype(owner_of(Member));
  static constexpr std::string_view member = member_name<Member>();
  static constexpr bool identity = false;
  static constexpr bool transient = false;
  static constexpr std::string_view stored_name{};
  /// Another name under which the member is read, and perhaps written.
  static constexpr std::string_view other_name{};
  static constexpr bool writes_other = false;
  static constexpr bool limited = false;
  static constexpr Exact quantum{};
};
}  // namespace schema::detail

/// The member tells elements of a sequence apart, so that unknown fields find theirs again after it
/// moved.
template <auto Member>
struct Identity : schema::detail::Attribute<Member> {
  static constexpr bool identity = true;
};
/// The member is stored under another name.
template <auto Member, detail::FixedString Name>
struct Renamed : schema::detail::Attribute<Member> {
  static constexpr std::string_view stored_name = Name.view();
};
/// The member is not stored; a load leaves its default.
template <auto Member>
struct Transient : schema::detail::Attribute<Member> {
  static constexpr bool transient = true;
};

/// The member is written under its own name and under that one, so that it can be renamed while
/// servers are updated: builds that know only the old name go on reading and writing it. Where the
/// two differ the old name counts, because only a build that knows no other changed it. The build
/// after that says `Formerly`.
template <auto Member, detail::FixedString Name>
struct AlsoWrites : schema::detail::Attribute<Member> {
  static constexpr std::string_view other_name = Name.view();
  static constexpr bool writes_other = true;
};
/// The member had another name: it is read from there where its own is missing, and written under
/// its own alone. For as long as there are records with the old name.
template <auto Member, detail::FixedString Name>
struct Formerly : schema::detail::Attribute<Member> {
  static constexpr std::string_view other_name = Name.view();
};
/// The number, or the size of a text or container, lies between the two, or is one of them. Else
/// the record is not loaded and not saved: `invalid`, naming the member.
template <auto Member, schema::detail::Exact Min, schema::detail::Exact Max>
struct Limited : schema::detail::Attribute<Member> {
  static_assert(!(Max < Min), "persist: the limits of a Limited member: the lower one comes first");
  static constexpr bool limited = true;
  static constexpr schema::detail::Exact min = Min;
  static constexpr schema::detail::Exact max = Max;
};
/// The number is written as the nearest multiple of the step, and so are numbers in a list, an
/// array or an optional: `persist::Quantised<&Player::x, 0.01>`. The member itself is left alone.
template <auto Member, schema::detail::Exact Step>
struct Quantised : schema::detail::Attribute<Member> {
  static_assert(schema::detail::Exact() < Step,
                "persist: the step of a Quantised member is above zero");
  static constexpr schema::detail::Exact quantum = Step;
};

namespace schema {

/// What is written without a Data policy, like a message: it is taken, not written back, so what is
/// unknown in it is let go.
struct NoPolicy {
  static constexpr bool drop_unknown = true;
};

namespace detail {

template <class Policy>
concept has_attributes = requires { typename Policy::fields; };
template <class Policy>
concept says_drop = requires { Policy::drop_unknown; };

template <class Policy>
struct FieldsOf {
  using type = Fields<>;
};
template <has_attributes Policy>
struct FieldsOf<Policy> {
  using type = typename Policy::fields;
};

template <class Policy>
consteval bool drops_unknown() {
  if constexpr (says_drop<Policy>)
    return Policy::drop_unknown;
  else
    return false;
}

/// All that the walks need to know of a policy, so that policies that say the same share their
/// walks.
template <class Attributes, bool Drops, class Reconcile, class Mismatch>
struct Rules;
template <class... Attributes, bool Drops, class Reconcile, class Mismatch>
struct Rules<Fields<Attributes...>, Drops, Reconcile, Mismatch> {
  static constexpr bool drops_unknown = Drops;
  using reconcile = Reconcile;
  /// Who says what becomes of what does not fit, or void.
  using mismatch_handler = Mismatch;
  static constexpr bool asks = !std::is_void_v<Mismatch>;
  static constexpr bool has_other_names = (!Attributes::other_name.empty() || ...);
  static constexpr bool has_limits = (Attributes::limited || ...);
  static constexpr bool quantises = ((Attributes::quantum.magnitude != 0) || ...);

  /// Calls `use` with each attribute of a member of T.
  template <class T, class F>
  static constexpr void each(F&& use) {
    (
        [&] {
          if constexpr (std::is_same_v<typename Attributes::owner, T>) use(Attributes{});
        }(),
        ...);
  }
};
template <class Policy>
using RulesOf = Rules<typename FieldsOf<Policy>::type, drops_unknown<Policy>(),
                      typename ReconcileOf<Policy>::type, typename MismatchHandlerOf<Policy>::type>;

}  // namespace detail
}  // namespace schema
}  // namespace persist::inline PERSIST_ABI
