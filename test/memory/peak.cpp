// What a decoder takes for bytes that were made to make it take much, at its peak. Beyond what it
// reads into, that is at most 4 times the input and 64 KiB; what is read into may take more for
// each byte, and doc/format.md says how much.

#include <persist/codec/cbor.hpp>
#include <persist/codec/json.hpp>
#include <persist/codec/packed.hpp>
#include <persist/codec/suphi.hpp>
#include <persist/schema/value.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <fuzz/everything.hpp>

namespace {

std::size_t bytes_held = 0;
std::size_t most_held = 0;

/// In front of each piece of memory: how much it is.
constexpr std::size_t note = alignof(std::max_align_t);

void* hold(std::size_t size) {
  auto* memory = static_cast<std::byte*>(std::malloc(note + size));
  if (memory == nullptr) std::abort();
  *reinterpret_cast<std::size_t*>(memory) = size;
  bytes_held += size;
  most_held = (std::max)(most_held, bytes_held);
  return memory + note;
}
void let_go(void* memory) noexcept {
  if (memory == nullptr) return;
  auto* begin = static_cast<std::byte*>(memory) - note;
  bytes_held -= *reinterpret_cast<std::size_t*>(begin);
  std::free(begin);
}

}  // namespace

// All forms, because a sanitizer insists that what these give is what those take back.
void* operator new(std::size_t size) {
  return hold(size);
}
void* operator new[](std::size_t size) {
  return hold(size);
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  return hold(size);
}
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept {
  return hold(size);
}
void operator delete(void* memory) noexcept {
  let_go(memory);
}
void operator delete[](void* memory) noexcept {
  let_go(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  let_go(memory);
}
void operator delete[](void* memory, std::size_t) noexcept {
  let_go(memory);
}

namespace {

using namespace persist;
using std::string_literals::operator""s;

constexpr std::size_t slack = std::size_t{64} << 10;
constexpr int many = 8'000;

struct Peak {
  std::size_t most = 0;  ///< held at once
  std::size_t kept = 0;  ///< of it, what was read and what is kept unread
  bool read = false;
};
template <class Codec, class T>
Peak peak_of(std::string_view input) {
  const std::size_t before = bytes_held;
  most_held = bytes_held;
  Peak peak;
  T scratch{};
  UnknownFields unknown;
  peak.read = bool(Codec::template decode<fuzz::Policy>(as_bytes(input), scratch, unknown));
  peak.most = most_held - before;
  peak.kept = bytes_held - before;
  return peak;
}

std::string times(int count, std::string_view part) {
  std::string all;
  for (; count != 0; --count)
    all += part;
  return all;
}
/// That many texts of three letters, no two alike, each behind `head` and before `tail`.
std::string names(int count, std::string_view head, std::string_view tail) {
  std::string all;
  for (int i = 0; i < count; ++i) {
    all += head;
    for (const int digit : {i % 40, i / 40 % 40, i / 1600})
      all += static_cast<char>('A' + digit);
    all += tail;
  }
  return all;
}
std::string number(std::size_t value) {
  std::byte bytes[codec::packed::longest_number];
  const std::byte* end = codec::packed::put_number(bytes, value);
  return std::string(as_text({bytes, static_cast<std::size_t>(end - bytes)}));
}
std::string packed(const std::string& description, const std::string& values) {
  return number(description.size()) + description + values;
}

struct Input {
  std::string_view what;
  std::string bytes;
};
using Inputs = std::vector<Input>;

/// The head of a CBOR item of which there are so many.
std::string count(char head) {
  return {head, 0, 0, static_cast<char>(many >> 8), static_cast<char>(many & 0xff)};
}
/// Nothing of these is read, or little is: counts that lie, what nests, what is there twice.
Inputs lean_cbor() {
  return {{"a count that lies", "\x9a\x7f\xff\xff\xff"s + times(many, "\0"s)},
          {"deep", times(many, "\x81")},
          {"deep maps", times(many, "\xa1\x61x")},
          {"a text in pieces", "\x7f" + times(many, "\x61x") + "\xff"},
          {"a long text", count('\x7a') + times(many, "x")},
          {"bytes",
           "\xa1\x64"
           "blob" +
               count('\x5a') + times(many, "x")}};
}
Inputs lean_json() {
  return {{"deep", times(many, "[")},
          {"deep maps", times(many, "{\"\":")},
          {"a long text", "\"" + times(many, "x") + "\""},
          {"escapes", "\"" + times(many, "\\n") + "\""},
          {"a number", times(many, "9")},
          {"bytes", "{\"blob\":\"" + times(many, "AAAA") + "\"}"}};
}
Inputs lean_suphi() {
  return {{"deep", times(many, "*>1")},
          {"deep arrays", times(many, "|")},
          {"a long text", "#" + times(many, "x") + "\x7f"},
          {"a number", ">" + times(many, "9")}};
}
Inputs lean_packed() {
  std::string tuples;
  for (int i = 0; i < 127; ++i)
    tuples += "\x0d" + number(static_cast<std::size_t>(64'000 - 8 * i));
  return {{"a million names", packed("\x10" + number(1'000'000) + times(1'000'000, "\3a\1"), "")},
          {"names that do not come", packed("\x10" + number(20'000), "")},
          {"tuples inside each other", packed(tuples + times(64'000, "\1"), "")},
          {"optionals", packed("\x0d" + number(500) + times(500, times(120, "\7") + "\1"), "\1")},
          {"small tuples", packed("\x0d" + number(20'000) + times(20'000, "\x0d\3\1"), "\1")},
          {"small structs", packed("\x0d" + number(20'000) + times(20'000, "\x10\1"), "\1")},
          {"itself", packed("\x10\3\3a\x40\1"s, "\1")},
          {"lists of itself", packed("\x10\3\3a\x09\x40\1"s, times(many, "\3"))},
          {"a count that lies", packed("\x09\1", "\0\xff\xff\xff\xff\xff\xff\xff\x7f"s)},
          {"an array of nothing", packed("\x0a" + number(1'000'000) + "\x13", times(many, "\1"))}};
}

/// These are data, of which there is much for each byte.
Inputs rich_cbor() {
  return {
      {"integers", count('\x9a') + times(many, "\0"s)},
      {"empty texts", count('\x9a') + times(many, "\x60")},
      {"empty maps", count('\x9a') + times(many, "\xa0")},
      {"of no length", "\x9f" + times(many, "\x60") + "\xff"},
      {"maps of no length", "\x9f" + times(many, "\xbf\xff") + "\xff"},
      {"members", count('\xba') + names(many, "\x63", "\xa0")},
      {"members of no length", "\xbf" + names(many, "\x63", "\xa0") + "\xff"},
      {"equal keys", count('\xba') + times(many, "\x60\0"s)},
      {"items", "\xa1\x65items" + count('\x9a') + times(many, "\xa0")},
      {"notes", "\xa1\x65notes" + count('\x9a') + times(many, "\xa0")},
      {"unknown fields", count('\xba') + names(many, "\x63", "\0"s)},
      {"unknown fields in elements", "\xa1\x65notes" + count('\x9a') + times(many, "\xa1\x60\0"s)},
      {"unknown fields in a map",
       "\xa1\x64gems" + count('\xba') + names(many, "\x63", "\xa1\x60\0"s)},
      {"flags",
       "\xa1\x65"
       "flags" +
           count('\x9a') + times(many, "\xf4")}};
}
Inputs rich_json() {
  return {{"integers", "[" + times(many, "0,") + "0]"},
          {"empty texts", "[" + times(many, "\"\",") + "0]"},
          {"empty maps", "[" + times(many, "{},") + "0]"},
          {"equal keys", "{" + times(many, "\"\":0,") + "\"\":0}"},
          {"members", "{" + names(many, "\"", "\":{},") + "\"\":0}"},
          {"items", "{\"items\":[" + times(many, "{},") + "{}]}"},
          {"unknown fields in elements", "{\"notes\":[" + times(many, "{\"\":0},") + "{}]}"}};
}
Inputs rich_suphi() {
  return {{"integers", "|" + times(many, ">1") + "\x7f"},
          {"empty texts", "|" + times(many, "#\x7f") + "\x7f"},
          {"tables", "|" + times(many, "*\x7f") + "\x7f"},
          {"lists", "|" + times(many, "*>1+\x7f") + "\x7f"},
          {"members", "*" + names(many, "#", "\x7f*\x7f") + "\x7f"}};
}
Inputs rich_packed() {
  const auto list = [](const std::string& of, std::string_view each) {
    return packed("\x09" + of, number(many) + times(many, each));
  };
  const auto fields = [](int n, std::string_view kind) {
    return "\x10" + number(static_cast<std::size_t>(n)) + names(n, "\7", kind);
  };
  const std::string long_name = number(300) + times(300, "n");
  return {{"nothing", list("\x13", "\0"s)},
          {"integers", list("\2\4", "\0"s)},
          {"texts", list("\5", "\1")},
          {"structs of nothing", list("\x10\1", "\0"s)},
          {"fields", list(fields(20, "\1"), times(20, "\1"))},
          {"fields of nothing", list(fields(8, "\x13"), "\0"s)},
          {"many fields of nothing", list(fields(5'000, "\x13"), "\0"s)},
          {"a struct in a struct", list(times(100, "\x10\3\3a") + "\1", "\1")},
          {"a long name", list("\x10\3" + long_name + "\1", "\1")},
          {"a long enumerator", list("\4\0\3"s + long_name + "\1", "\0"s)},
          {"a long alternative", list("\x08\3" + long_name + "\1", "\1\1")},
          {"a value", packed("\x11", number(many + 5) + count('\x9a') + times(many, "\x60"))}};
}

/// The most that a T takes for each byte of the input: three times its largest element, for a list
/// that doubles holds the old half too while it grows.
template <class T>
constexpr std::size_t per_byte = 3 * sizeof(fuzz::Note);
template <>
constexpr std::size_t per_byte<std::vector<int>> = 3 * sizeof(int);
template <>
constexpr std::size_t per_byte<Value> = 96;
/// Structs by name have at most 3 members for a byte, of which 2 are maps that take half a member
/// more, and 64 bytes of names; each name lies there twice.
constexpr std::size_t per_byte_by_name = 4 * sizeof(Value::Member) + 128;
constexpr std::size_t free_by_name = 65'536 * sizeof(Value::Member) + 2 * slack;

template <class Codec, class T>
void expect_lean(const Inputs& inputs) {
  for (const auto& [what, bytes] : inputs)
    EXPECT_LE((peak_of<Codec, T>(bytes).most), slack + 4 * bytes.size()) << what;
}
template <class Codec, class T>
void expect_in_proportion(const Inputs& inputs, std::size_t each, std::size_t free, int least) {
  int read = 0;
  for (const auto& [what, bytes] : inputs) {
    const Peak peak = peak_of<Codec, T>(bytes);
    EXPECT_LE(peak.most, slack + free + each * bytes.size()) << what;
    read += peak.read ? 1 : 0;
  }
  EXPECT_GE(read, least) << "or nothing was shown";
}
template <class Codec>
void expect_all(const Inputs& lean, const Inputs& rich, std::size_t value_each = per_byte<Value>,
                std::size_t value_free = 0) {
  expect_lean<Codec, Value>(lean);
  expect_lean<Codec, std::vector<int>>(lean);
  expect_lean<Codec, fuzz::Everything>(lean);
  expect_in_proportion<Codec, Value>(rich, value_each, value_free, 4);
  using Ints = std::vector<int>;
  expect_in_proportion<Codec, Ints>(rich, per_byte<Ints>, 0, 1);
  expect_in_proportion<Codec, fuzz::Everything>(rich, per_byte<fuzz::Everything>, 0, 0);
}

TEST(PeakMemory, of_cbor_is_in_proportion) {
  expect_all<codec::Cbor>(lean_cbor(), rich_cbor());
}
TEST(PeakMemory, of_json_is_in_proportion) {
  expect_all<codec::Json>(lean_json(), rich_json());
}
TEST(PeakMemory, of_suphi_is_in_proportion) {
  expect_all<codec::Suphi<>>(lean_suphi(), rich_suphi());
}
TEST(PeakMemory, of_packed_is_in_proportion) {
  expect_all<codec::Packed>(lean_packed(), rich_packed(), per_byte_by_name, free_by_name);
}

/// Of Packed alone a field that is kept may have no bytes, and its name is written once.
TEST(PeakMemory, of_unknown_fields_in_a_mebibyte_of_packed_is_below_256_mebibytes) {
  constexpr std::size_t mebibyte = std::size_t{1} << 20;
  const std::string notes = "\x10\3\x0bnotes\x09";
  for (const auto& [fields, kind] :
       {std::pair(8, "\x13"), std::pair(2, "\x13"), std::pair(1, "\1"), std::pair(8, "\1")}) {
    const std::string type =
        "\x10" + number(static_cast<std::size_t>(fields)) + names(fields, "\7", kind);
    const std::size_t each = kind[0] == '\1' ? static_cast<std::size_t>(fields) : 1;
    const std::size_t count = mebibyte / each;
    const std::string input = packed(notes + type, number(count) + std::string(count * each, '\0'));
    EXPECT_LE((peak_of<codec::Packed, fuzz::Everything>(input).most), 256 * mebibyte) << fields;
    EXPECT_LE((peak_of<codec::Packed, Value>(input).most), 128 * mebibyte) << fields;
  }
  // What a newer build may well write: a new field in each of very many elements.
  const std::string newer = "\x10\5" + names(2, "\7", "\1");
  const Peak honest = peak_of<codec::Packed, fuzz::Everything>(
      packed(notes + newer, number(65'000) + std::string(130'000, '\0')));
  EXPECT_TRUE(honest.read);
}

/// Where the format says how many there are, nothing is made twice.
template <class Codec, class T, class Data>
void expect_no_more(const Data& data) {
  Buffer bytes;
  ASSERT_TRUE(Codec::template encode<fuzz::Policy>(data, bytes));
  const Peak peak = peak_of<Codec, T>(as_text(bytes));
  EXPECT_TRUE(peak.read);
  EXPECT_LE(peak.most - peak.kept, slack + 4 * bytes.size());
}

TEST(PeakMemory, of_cbor_and_packed_is_hardly_more_than_the_data) {
  fuzz::Everything data;
  data.items.resize(many), data.blob.resize(many), data.name.resize(many, 'x');
  for (int i = 0; i < many; ++i)
    data.scores[i], data.seen.insert(std::to_string(i));
  expect_no_more<codec::Cbor, fuzz::Everything>(data);
  expect_no_more<codec::Packed, fuzz::Everything>(data);
  expect_no_more<codec::Cbor, Value>(data);
  expect_no_more<codec::Packed, Value>(data);
  const std::vector<int> integers(100'000);
  expect_no_more<codec::Cbor, Value>(integers);
  expect_no_more<codec::Packed, Value>(integers);
}

}  // namespace
