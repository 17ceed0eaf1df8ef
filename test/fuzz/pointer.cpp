#include <persist/schema/value/pointer.hpp>

#include <string>
#include <string_view>

#include <fuzz/source.hpp>
#include <fuzz/target.hpp>

// A value, and behind it a JSON Pointer (RFC 6901) that is followed, set and erased in it.
FUZZ_TARGET(pointer) {
  using namespace persist;
  fuzz::Source from(input);
  Value in = fuzz::make_value(from);
  const Value fresh = fuzz::make_value(from, 2);
  const ByteView rest = from.rest();
  const std::string_view pointer = as_text(rest);
  const Value before = in;

  const auto found = get(in, pointer);
  Value emptied = in;
  const auto erased = erase(emptied, pointer);
  fuzz::require(bool(found) == bool(erased), "what is found can be taken out");
  fuzz::require(erased || emptied == before, "a call that fails changes nothing");
  if (found && !pointer.empty()) fuzz::require(emptied != before, "and is not there any more");

  const auto was_set = set(in, pointer, fresh);
  fuzz::require(!found || was_set, "what is found can be set");
  fuzz::require(was_set || in == before, "a call that fails changes nothing");
  if (was_set && !pointer.ends_with("/-")) {
    const auto now = get(in, pointer);
    fuzz::require(now && *now == fresh, "what was set is found");
  }
  return bool(was_set);
}
