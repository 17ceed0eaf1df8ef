#pragma once

#include <persist/detail/fixed_string.hpp>
#include <persist/key/buffer.hpp>
#include <persist/key/concept.hpp>
#include <persist/key/policy.hpp>

#include <optional>
#include <string_view>

namespace persist::inline PERSIST_ABI::key {

/// A fixed text in front of another key: `Prefixed<"Player_", std::uint64_t>` spells 42 as
/// "Player_42".
///
/// No two keys collide: the prefix is the same for all of them. Two policies on one store are
/// another matter: `Prefixed<"a", Text>` and `Prefixed<"ab", Text>` meet at "abc".
template <detail::FixedString Prefix, class K>
struct Prefixed : detail::ForwardsUserIds<policy_of<K>> {
  using inner = policy_of<K>;
  using value_type = typename inner::value_type;

  static_assert(!Prefix.view().empty() && Prefix.view().size() < KeyBuffer::capacity,
                "the prefix of a key has 1 to 254 bytes");
  static_assert(Prefix.view().find('\0') == std::string_view::npos,
                "the prefix of a key holds no NUL");

  template <class V>
    requires spells<inner, V>
  static void spell(const V& value, KeyBuffer& out) {
    out.append(Prefix.view());
    inner::spell(value, out);
  }
  [[nodiscard]] static std::optional<value_type> read(std::string_view spelling)
    requires reads_spellings<inner>
  {
    if (!spelling.starts_with(Prefix.view())) return std::nullopt;
    return inner::read(spelling.substr(Prefix.view().size()));
  }
};

}  // namespace persist::inline PERSIST_ABI::key
