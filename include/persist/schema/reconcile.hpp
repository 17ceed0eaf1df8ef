#pragma once

#include <persist/detail/config.hpp>
#include <persist/schema/value/core.hpp>

#include <cstdint>
#include <string_view>
#include <type_traits>
#include <utility>

namespace persist::inline PERSIST_ABI {

/// How a partial record becomes a whole value: what a member gets that the record does not have.
/// `using reconcile = persist::reconcile::Strict;` in a Data policy; Deep unless told.
namespace reconcile {
/// The member's default, at every depth, in elements and map values too.
struct Deep {};
/// The same for members of the root; below it a missing one is `schema_mismatch`.
struct Shallow {};
/// Nothing: a missing one is `schema_mismatch` wherever it is.
struct Strict {};
/// No default: what its type is when empty. Zero, false, an empty text, list or optional; a struct
/// of such.
struct None {};
}  // namespace reconcile

/// What a record holds in the place of a member and cannot be read into it.
struct Mismatch {
  std::string_view member;    ///< the path of the member
  std::string_view path;      ///< where in it: the member itself, or an element
  std::string_view expected;  ///< in words
  std::string_view found;
  const Value& value;  ///< all that is stored for the member
};

/// What becomes of such a member: the answer of a policy's hook `mismatch(const Mismatch&)`.
class OnMismatch {
 public:
  enum class Kind : std::uint8_t { fail, keep_default, convert };

  /// The record is refused.
  [[nodiscard]] static OnMismatch fail() { return {Kind::fail, Value()}; }
  /// The member keeps its default, and what is stored is written back as long as it does. Where
  /// nothing can be kept, in elements that nothing identifies, the record is refused.
  [[nodiscard]] static OnMismatch keep_default() { return {Kind::keep_default, Value()}; }
  /// The member is read from this value. If that does not fit either, the record is refused.
  [[nodiscard]] static OnMismatch convert(Value to) { return {Kind::convert, std::move(to)}; }

  [[nodiscard]] Kind kind() const noexcept { return kind_; }
  [[nodiscard]] const Value& value() const noexcept { return value_; }

 private:
  OnMismatch(Kind kind, Value value) : kind_(kind), value_(std::move(value)) {}

  Kind kind_;
  Value value_;
};

namespace schema::detail {

template <class Policy>
struct ReconcileOf {
  using type = persist::reconcile::Deep;
};
template <class Policy>
  requires requires { typename Policy::reconcile; }
struct ReconcileOf<Policy> {
  using type = typename Policy::reconcile;
};

template <class Mode>
inline constexpr bool is_reconcile_mode = std::is_same_v<Mode, persist::reconcile::Deep> ||
                                          std::is_same_v<Mode, persist::reconcile::Shallow> ||
                                          std::is_same_v<Mode, persist::reconcile::Strict> ||
                                          std::is_same_v<Mode, persist::reconcile::None>;

/// Who is asked about what does not fit: the policy, or void.
template <class Policy>
struct MismatchHandlerOf {
  using type = void;
};
template <class Policy>
  requires requires { requires Policy::has_mismatch; }
struct MismatchHandlerOf<Policy> {
  using type = Policy;
};

}  // namespace schema::detail
}  // namespace persist::inline PERSIST_ABI
