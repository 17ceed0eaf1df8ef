#pragma once

#include <persist/key/buffer.hpp>

#include <concepts>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

// The Key axis: what is a key in this game, how is it spelled in storage, which users does it
// belong to.
//
// A Key policy is a struct of static functions:
//
// * `value_type`: the key as the game has it; the session keeps a copy.
// * `spell(const value_type&, KeyBuffer&) -> void`: writes the spelling. May be overloaded for what
//   names the same key otherwise, like the id of a player who is offline.
// * `user_ids(const value_type&, UserIds&) -> void`, optional: the users whose data the record is.
// * `read(std::string_view) -> std::optional<value_type>`, optional: the key of a spelling, so that
//   a session of a walk over all records (`for_each`) has its `key()`. Nothing for what it did not
//   spell.
//
// Laws. A value is always spelled the same way, by every server and every build that shares the
// data. Two values that are different keys have different spellings. A spelling has 1 to 255 bytes,
// none of them NUL; every other byte is allowed and means nothing ("../" is three bytes). Spelling
// calls neither the store nor the heap.
//
// Models: key::Number, key::Text, key::Prefixed, key::Scoped, key::AnyScope, a user's own struct. A
// plain integer or string type stands for key::Number and key::Text (see key/policy.hpp).

namespace persist::inline PERSIST_ABI {

namespace detail {

struct HasUserIds {
  int user_ids;
};
template <class P>
struct WithUserIds : P, HasUserIds {};

}  // namespace detail

/// The policy says what a key is in the game.
template <class P>
concept names_its_key_type =
    requires { typename P::value_type; } && std::movable<typename P::value_type>;

/// The policy can write the spelling of such a value.
template <class P, class Value>
concept spells = requires(const Value& value, KeyBuffer& out) {
  { P::spell(value, out) } -> std::same_as<void>;
};

template <class P>
concept spells_a_key = names_its_key_type<P> && spells<P, typename P::value_type>;

/// The policy has a member called `user_ids`, whether it fits or not. In a class derived from two
/// bases with a member of one name that name is ambiguous, which finds overloads and templates too;
/// a `final` class is asked directly.
template <class P>
concept mentions_user_ids =
    (std::is_final_v<P> && requires { &P::user_ids; }) ||
    (std::is_class_v<P> && !std::is_final_v<P> && !requires { &detail::WithUserIds<P>::user_ids; });

template <class P>
concept gives_user_ids =
    names_its_key_type<P> && requires(const typename P::value_type& value, UserIds& out) {
      { &P::user_ids };
      { P::user_ids(value, out) } -> std::same_as<void>;
    };

/// The policy can say which key a spelling is of.
template <class P>
concept reads_spellings = names_its_key_type<P> && requires(std::string_view spelling) {
  { P::read(spelling) } -> std::same_as<std::optional<typename P::value_type>>;
};

/// An integer that is a number: neither a truth value nor a character.
template <class T>
concept plain_integer = std::integral<T> && !std::same_as<T, bool> && !std::same_as<T, char> &&
                        !std::same_as<T, wchar_t> && !std::same_as<T, char8_t> &&
                        !std::same_as<T, char16_t> && !std::same_as<T, char32_t>;

template <class T>
concept plain_string = std::same_as<T, std::string> || std::same_as<T, std::string_view> ||
                       std::same_as<T, const char*> || std::same_as<T, char*>;

/// What may be written as the first argument of a Store.
template <class K>
concept usable_as_key = plain_integer<K> || plain_string<K> || spells_a_key<K>;

}  // namespace persist::inline PERSIST_ABI
