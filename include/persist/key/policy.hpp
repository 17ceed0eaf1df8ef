#pragma once

#include <persist/error.hpp>
#include <persist/key/buffer.hpp>
#include <persist/key/concept.hpp>
#include <persist/key/number.hpp>
#include <persist/key/text.hpp>
#include <persist/result.hpp>

#include <concepts>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace persist::inline PERSIST_ABI::detail {

/// A user's own policy, once its hooks were found to fit. What does not fit gets one sentence.
template <class P>
struct CheckedKey {
  static_assert(spells_a_key<P>,
                "this type spells no key: a Key policy has a value_type and a "
                "static void spell(const value_type&, persist::KeyBuffer&)");
  static_assert(!mentions_user_ids<P> || gives_user_ids<P>,
                "user_ids of this Key policy does not fit: it is one function, "
                "static void user_ids(const value_type&, persist::UserIds&)");
  using type = P;
};
template <plain_integer T>
struct CheckedKey<T> {
  using type = key::Number<T>;
};
template <plain_string T>
struct CheckedKey<T> {
  using type = key::Text;
};

/// What a wrapper inherits: the users of the key inside it, where that key has a hook for them.
template <class Inner>
struct ForwardsUserIds {};
template <gives_user_ids Inner>
struct ForwardsUserIds<Inner> {
  static void user_ids(const typename Inner::value_type& value, UserIds& out) {
    Inner::user_ids(value, out);
  }
};

}  // namespace persist::inline PERSIST_ABI::detail

namespace persist::inline PERSIST_ABI::key {

/// The Key policy that the first argument of a Store stands for: a plain integer type is `Number`,
/// a string type is `Text`, everything else must be a policy, and fit.
template <class K>
using policy_of = typename detail::CheckedKey<std::remove_cv_t<K>>::type;

/// Checks a spelling against the rules of every backend: 1 to 255 bytes, none of them NUL.
/// `invalid` otherwise, naming the rule and the length. No I/O.
[[nodiscard]] inline Result<void> check_spelling(const KeyBuffer& key) {
  const auto broken = [&key](std::string rule) {
    return Error(Errc::invalid,
                 std::move(rule) + " (this one has " + std::to_string(key.asked()) + ")");
  };
  if (key.refusal() != nullptr)
    return Error(Errc::invalid, std::string("this key is not allowed: ") + key.refusal());
  if (key.asked() == 0) return broken("a key has at least 1 byte");
  if (!key.fits()) return broken("a key has at most 255 bytes");
  if (const auto nul = key.view().find('\0'); nul != std::string_view::npos) {
    return broken("a key holds no NUL, and byte " + std::to_string(nul) +
                  " is one; any other of its bytes may be "
                  "anything");
  }
  return success;
}

/// Spells a value into `out`, which is emptied first, and checks the spelling.
///
/// Takes what the policy of K can spell, and `SpelledKey`. `invalid` when the spelling breaks a
/// rule or the policy refused; `out` is then not to be used. A success allocates nothing.
template <class K, class V>
  requires(std::same_as<V, SpelledKey> || spells<policy_of<K>, V>)
[[nodiscard]] Result<void> spell_checked(const V& value, KeyBuffer& out) {
  out.clear();
  if constexpr (std::same_as<V, SpelledKey>) {
    out.append(value.text);
  } else {
    policy_of<K>::spell(value, out);
  }
  return check_spelling(out);
}

/// The key that the policy spells so; nothing where it cannot read what it spells, or would spell
/// this otherwise ("007").
template <class P>
[[nodiscard]] std::optional<typename P::value_type> read_spelling(std::string_view spelling) {
  if constexpr (reads_spellings<P>) {
    auto value = P::read(spelling);
    KeyBuffer again;
    if (value && spell_checked<P>(*value, again) && again.view() == spelling) return value;
  }
  return std::nullopt;
}

}  // namespace persist::inline PERSIST_ABI::key
