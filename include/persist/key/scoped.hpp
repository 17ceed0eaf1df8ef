#pragma once

#include <persist/detail/fixed_string.hpp>
#include <persist/key/buffer.hpp>
#include <persist/key/concept.hpp>
#include <persist/key/policy.hpp>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace persist::inline PERSIST_ABI::key {

/// Appends a scope and the slash that ends it.
///
/// A slash inside the scope is written "~1" and a tilde "~0" (as in RFC 6901), so the first slash
/// of a spelling always ends the scope: scope "a/b" with key "c" is "a~1b/c", and scope "a" with
/// key "b/c" is "a/b/c".
inline void append_scope(std::string_view scope, KeyBuffer& out) noexcept {
  for (const char letter : scope) {
    if (letter == '/') {
      out.append("~1");
    } else if (letter == '~') {
      out.append("~0");
    } else {
      out.append(letter);
    }
  }
  out.append('/');
}

/// The scope that a spelling begins with, and takes it and its slash away; nothing where there is
/// none.
[[nodiscard]] inline std::optional<std::string> take_scope(std::string_view& spelling) {
  const std::size_t end = spelling.find('/');
  if (end == spelling.npos) return std::nullopt;
  std::string scope;
  for (std::size_t i = 0; i < end; ++i) {
    const bool escaped = spelling[i] == '~';
    if (escaped && (++i == end || (spelling[i] != '0' && spelling[i] != '1'))) return std::nullopt;
    scope += !escaped ? spelling[i] : spelling[i] == '0' ? '~' : '/';
  }
  spelling.remove_prefix(end + 1);
  return scope;
}

/// Another key inside a named part of the store: `Scoped<"season-3", std::uint64_t>` spells 42 as
/// "season-3/42".
///
/// No two keys collide, nor do keys of two scopes in one store, whether the scope is static or not.
template <detail::FixedString Scope, class K>
struct Scoped : detail::ForwardsUserIds<policy_of<K>> {
  using inner = policy_of<K>;
  using value_type = typename inner::value_type;

  static_assert(Scope.view().size() < KeyBuffer::capacity - 1,
                "the scope of a key has at most 253 bytes");
  static_assert(Scope.view().find('\0') == std::string_view::npos,
                "the scope of a key holds no NUL");

  template <class V>
    requires spells<inner, V>
  static void spell(const V& value, KeyBuffer& out) {
    append_scope(Scope.view(), out);
    inner::spell(value, out);
  }
  [[nodiscard]] static std::optional<value_type> read(std::string_view spelling)
    requires reads_spellings<inner>
  {
    const auto scope = take_scope(spelling);
    if (!scope || *scope != Scope.view()) return std::nullopt;
    return inner::read(spelling);
  }
};

/// A key together with its scope, for scopes that are only known at run time.
template <class Value>
struct InScope {
  std::string scope;
  Value key;

  friend bool operator==(const InScope&, const InScope&) = default;
};
template <class Scope, class Value>
InScope(Scope, Value) -> InScope<Value>;

}  // namespace persist::inline PERSIST_ABI::key

namespace persist::inline PERSIST_ABI::detail {

/// The users of a key in a scope are those of the key.
template <class Inner>
struct ForwardsScopedUserIds {};
template <gives_user_ids Inner>
struct ForwardsScopedUserIds<Inner> {
  static void user_ids(const key::InScope<typename Inner::value_type>& value, UserIds& out) {
    Inner::user_ids(value.key, out);
  }
};

}  // namespace persist::inline PERSIST_ABI::detail

namespace persist::inline PERSIST_ABI::key {

/// As `Scoped`, with the scope in the value: `InScope{"season-3", 42}` is spelled "season-3/42".
///
/// No two pairs collide, because the scope ends at the first slash.
template <class K>
struct AnyScope : detail::ForwardsScopedUserIds<policy_of<K>> {
  using inner = policy_of<K>;
  using value_type = InScope<typename inner::value_type>;

  template <class V>
    requires spells<inner, V>
  static void spell(const InScope<V>& value, KeyBuffer& out) {
    append_scope(value.scope, out);
    inner::spell(value.key, out);
  }
  [[nodiscard]] static std::optional<value_type> read(std::string_view spelling)
    requires reads_spellings<inner>
  {
    auto scope = take_scope(spelling);
    auto key = scope ? inner::read(spelling) : std::nullopt;
    if (!key) return std::nullopt;
    return value_type{*std::move(scope), *std::move(key)};
  }
};

}  // namespace persist::inline PERSIST_ABI::key
