#include <persist/schema/value/patch.hpp>

#include <persist/codec/json.hpp>

#include <string_view>

#include <fuzz/source.hpp>
#include <fuzz/target.hpp>

namespace {

using namespace persist;

bool read(std::string_view json, Value& into) {
  UnknownFields unknown;
  return bool(codec::Json::decode<schema::NoPolicy>(as_bytes(json), into, unknown));
}
void makes(const Value& a, const Value& b) {
  Value changed = a;
  fuzz::require(bool(apply(changed, diff(a, b))) && changed == b,
                "a diff makes the one of the other");
}

}  // namespace

// Two lines of JSON: a value, and a JSON Patch (RFC 6902) for it. Any two values have a diff, so
// what is no patch is of use too.
FUZZ_TARGET(patch) {
  const std::string_view text = as_text(input);
  const std::size_t line = text.find('\n');
  Value value, change;
  if (line == text.npos || !read(text.substr(0, line), value) ||
      !read(text.substr(line + 1), change))
    return false;
  Value patched = value;
  const auto applied = apply(patched, change);
  fuzz::require(applied || patched == value, "a patch that fails changes nothing");
  if (text.size() > (std::size_t{64} << 10)) return bool(applied);
  makes(value, change), makes(change, value), makes(value, patched), makes(patched, value);
  return bool(applied);
}
