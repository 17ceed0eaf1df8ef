#pragma once

#include <persist/schema/token.hpp>
#include <persist/schema/unknown.hpp>
#include <persist/schema/value/core.hpp>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// Values through readers and writers: the walk of a type that says nothing about its shape. The
// items that a typed walk keeps without understanding them go the same way.

namespace persist::inline PERSIST_ABI::schema {

/// Writes any value, members in canonical order. Recursion is as deep as the value. What the format
/// does not have fails the writer.
template <class Writer>
void write_value(Writer& out, const Value& from) {
  switch (from.kind()) {
    case Value::Kind::null:
      return out.null();
    case Value::Kind::boolean:
      return out.boolean(*from.get_if<bool>());
    case Value::Kind::integer:
      return out.integer(*from.get_if<std::int64_t>());
    case Value::Kind::unsigned_integer:
      return out.unsigned_integer(*from.get_if<std::uint64_t>());
    case Value::Kind::single:
      return out.real(*from.get_if<float>());
    case Value::Kind::real:
      return out.real(*from.get_if<double>());
    case Value::Kind::text:
      return out.text(*from.get_if<std::string>());
    case Value::Kind::bytes:
      return out.bytes(ByteView(*from.get_if<Value::Bytes>()));
    case Value::Kind::array: {
      out.begin_array(from.size());
      for (const Value& element : from.elements())
        write_value(out, element);
      return out.end_array();
    }
    case Value::Kind::map: {
      out.begin_map(from.size());
      for (const Value::Member& member : from.members()) {
        out.key(member.key);
        write_value(out, member.value);
      }
      return out.end_map();
    }
  }
}

namespace detail {

/// Formats have integers of 65 bits, a value of 64: those between are refused rather than bent.
template <class Reader>
bool read_integer(Reader& in, Value& into) {
  Integer whole;
  if (!in.integer(whole)) return false;
  constexpr auto most = static_cast<std::uint64_t>((std::numeric_limits<std::int64_t>::max)());
  if (!whole.negative) {
    into = Value(whole.magnitude);
  } else if (whole.magnitude <= most) {
    into = Value(-1 - static_cast<std::int64_t>(whole.magnitude));
  } else {
    in.fail(Error(Errc::schema_mismatch).at("", "an integer of 64 bits", "a smaller one"));
    return false;
  }
  return true;
}

}  // namespace detail

/// Reads whatever is there. Recursion is as deep as the reader's limit lets the input nest. A key
/// that is there twice is `corrupt`, an integer below 64 bits `schema_mismatch`; the reader holds
/// the error. Texts and bytes are copied.
template <class Reader>
[[nodiscard]] bool read_value(Reader& in, Value& into) {
  switch (in.peek()) {
    case Token::null:
      return into = Value(), in.null();
    case Token::boolean: {
      bool flag = false;
      return in.boolean(flag) && (into = Value(flag), true);
    }
    case Token::integer:
      return detail::read_integer(in, into);
    case Token::real: {
      Real real;
      if (!in.real(real)) return false;
      into = real.single ? Value(static_cast<float>(real.value)) : Value(real.value);
      return true;
    }
    case Token::bytes: {
      ByteView bytes;
      return in.bytes(bytes) && (into = Value(Value::Bytes(bytes.begin(), bytes.end())), true);
    }
    case Token::array: {
      std::size_t count = 0;
      if (!in.begin_array(count)) return false;
      Value::Array elements;
      elements.reserve(count);  // the reader has seen a byte for each, and counts each byte once
      while (in.next_element())
        if (!read_value(in, elements.emplace_back())) return false;
      into = Value(std::move(elements));
      return in.ok();
    }
    case Token::map: {
      std::size_t count = 0;
      if (!in.begin_map(count)) return false;
      std::vector<Value::Member> members;
      members.reserve(count);
      for (std::string_view key; in.next_key(key);) {
        members.push_back({std::string(key), Value()});
        if (!read_value(in, members.back().value)) return false;
      }
      if (!in.ok()) return false;
      Result<Value> map = Value::map_of(std::move(members));
      if (!map) return in.fail(std::move(map).error()), false;
      return into = *std::move(map), true;
    }
    case Token::text:
    case Token::end:
    case Token::bad:
      break;
  }
  std::string_view text;
  return in.text(text) && (into = Value(text), true);
}

namespace detail {

template <class Reader>
bool decode_kept(ByteView raw, Value& into) {
  Reader in(raw, limits_of_record(raw.size()));
  return read_value(in, into);
}

/// Takes the next item without understanding it: as its bytes where the input has bytes. A value
/// inside a record of another format has them too, and would not be written back as it was if it
/// were understood: one with equal keys could be kept once and never read again.
template <class Reader>
[[nodiscard]] bool read_kept(Reader& in, Kept& into) {
  if constexpr (requires { in.take_kept(); })
    if (!in.take_kept()) return false;
  if constexpr (requires { typename Reader::inside; }) {
    if (in.is_dynamic()) {
      ByteView raw;
      if (!in.skip_inside(raw)) return false;
      into.raw = Buffer(raw);
      into.decode = &decode_kept<typename Reader::inside>;
      return true;
    }
  }
  if constexpr (requires(ByteView raw) { in.skip(raw); }) {
    ByteView raw;
    if (!in.skip(raw)) return false;
    into.raw = Buffer(raw);
    into.decode = &decode_kept<Reader>;
    return true;
  } else {
    return read_value(in, into.value);
  }
}

/// Writes such an item back: as it was into the format it came from, by its meaning into any other.
template <class Writer>
void write_kept(Writer& out, const Kept& item) {
  if (item.decode == nullptr) return write_value(out, item.value);
  if constexpr (requires { typename Writer::reader; })
    if (item.decode == &decode_kept<typename Writer::reader>) return out.raw(item.raw.view());
  Value value;
  if (!item.decode(item.raw, value))
    return out.fail(
        Error(Errc::unsupported, "a field that was kept cannot be said in this format"));
  write_value(out, value);
}

}  // namespace detail
}  // namespace persist::inline PERSIST_ABI::schema
