#pragma once

#include <persist/schema/kind.hpp>
#include <persist/schema/token.hpp>

namespace persist::inline PERSIST_ABI::codec::packed {

using schema::Kind;

/// What a kind looks like that is what it is. `end` for those that have to be looked into.
[[nodiscard]] constexpr schema::Token token_of(Kind kind) noexcept {
  using schema::Token;
  switch (kind) {
    case Kind::boolean:
      return Token::boolean;
    case Kind::integer:
      return Token::integer;
    case Kind::real:
      return Token::real;
    case Kind::text:
      return Token::text;
    case Kind::bytes:
      return Token::bytes;
    case Kind::sequence:
    case Kind::set:
    case Kind::array:
    case Kind::tuple:
      return Token::array;
    case Kind::map:
    case Kind::structure:
      return Token::map;
    case Kind::unit:
      return Token::null;
    default:
      return Token::end;
  }
}

}  // namespace persist::inline PERSIST_ABI::codec::packed
