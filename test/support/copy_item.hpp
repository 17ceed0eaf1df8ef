#pragma once

#include <persist/bytes.hpp>
#include <persist/schema/token.hpp>

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace test {

template <class Reader, class Writer>
void copy_item(Reader& reader, Writer& writer);

/// Counts are told before elements are, so these are encoded on their own first.
template <class Reader, class Writer>
persist::Buffer copied_element(Reader& reader) {
  persist::Buffer bytes;
  Writer inner(bytes);
  copy_item(reader, inner);
  if (!inner.ok()) reader.fail(inner.take_error());
  return bytes;
}

/// Copies one item from a reader to a writer, of the same format or another.
template <class Reader, class Writer>
void copy_item(Reader& reader, Writer& writer) {
  using persist::schema::Token;
  std::size_t count = 0;
  switch (reader.peek()) {
    case Token::null:
      return (void)reader.null(), writer.null();
    case Token::boolean: {
      bool value = false;
      return (void)reader.boolean(value), writer.boolean(value);
    }
    case Token::integer: {
      persist::schema::Integer value;
      (void)reader.integer(value);
      return value.negative ? writer.integer(static_cast<std::int64_t>(~value.magnitude))
                            : writer.unsigned_integer(value.magnitude);
    }
    case Token::real: {
      persist::schema::Real value;
      return (void)reader.real(value), writer.real(value.value);
    }
    case Token::text: {
      std::string_view value;
      return (void)reader.text(value), writer.text(value);
    }
    case Token::bytes: {
      persist::ByteView value;
      return (void)reader.bytes(value), writer.bytes(value);
    }
    case Token::array: {
      std::vector<persist::Buffer> elements;
      (void)reader.begin_array(count);
      while (reader.next_element())
        elements.push_back(copied_element<Reader, Writer>(reader));
      writer.begin_array(elements.size());
      for (const auto& each : elements)
        writer.raw(each);
      return writer.end_array();
    }
    case Token::map: {
      std::vector<std::pair<std::string, persist::Buffer>> members;
      (void)reader.begin_map(count);
      for (std::string_view key; reader.next_key(key);) {
        std::string name(key);
        members.emplace_back(std::move(name), copied_element<Reader, Writer>(reader));
      }
      writer.begin_map(members.size());
      for (const auto& [name, value] : members)
        writer.key(name), writer.raw(value);
      return writer.end_map();
    }
    default:
      (void)reader.null();  // fails, and says why
  }
}

/// The whole input as another format, or the error's message.
template <class Reader, class Writer>
std::string converted(persist::ByteView bytes, persist::Buffer& out) {
  Reader reader(bytes);
  Writer writer(out);
  copy_item(reader, writer);
  reader.finish();
  if (!reader.ok()) return reader.take_error().message();
  return writer.ok() ? "" : writer.take_error().message();
}

}  // namespace test
