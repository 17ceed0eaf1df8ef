// Writes the corpora that the fuzzers begin with: fuzz_seeds test/fuzz/corpus. What a fuzzer found
// is added beside it by hand, under a name that says what was wrong.

#include <persist/codec/cbor.hpp>
#include <persist/codec/json.hpp>
#include <persist/codec/packed.hpp>
#include <persist/codec/record.hpp>
#include <persist/codec/sealed.hpp>
#include <persist/codec/suphi.hpp>
#include <persist/compress/lz4.hpp>
#include <persist/compress/zstd.hpp>
#include <persist/schema/policy.hpp>
#include <persist/schema/value.hpp>
#include <persist/spill/bytes.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <string>
#include <string_view>
#include <utility>

#include <backend/kv/made_record.hpp>
#include <fuzz/everything.hpp>
#include <fuzz/file_log.hpp>
#include <fuzz/source.hpp>
#include <spill/made_entry.hpp>

namespace {

using namespace persist;
namespace fs = std::filesystem;

fs::path corpus;

void add(const std::string& target, const std::string& name, std::string_view bytes) {
  fs::create_directories(corpus / target);
  std::ofstream(corpus / target / name, std::ios::binary) << bytes;
}
std::string repeated(std::string_view part, int times) {
  std::string all;
  for (; times != 0; --times)
    all += part;
  return all;
}
/// Numbers that follow no pattern, the same each time.
std::string noise(std::size_t size, std::uint64_t state) {
  std::string bytes;
  while (bytes.size() < size) {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    bytes += static_cast<char>(state >> 33);
  }
  return bytes;
}
fuzz::Everything full() {
  const std::string bytes = noise(600, 88172645463325252u);
  fuzz::Source from(as_bytes(bytes));
  return fuzz::make_everything(from);
}
template <class Codec, class T>
std::string encoded(const T& data) {
  Buffer out;
  if (!Codec::template encode<fuzz::Policy>(data, out)) std::abort();
  return std::string(as_text(out));
}
/// What was written well, and what may become of it.
void add_damaged(const std::string& target, const std::string& good) {
  add(target, "good", good);
  add(target, "cut", std::string_view(good).substr(0, good.size() * 2 / 3));
  add(target, "trailing", good + "\x01");
  std::string flipped = good;
  flipped[flipped.size() / 2] = static_cast<char>(flipped[flipped.size() / 2] ^ 0x20);
  add(target, "flipped", flipped);
  add(target, "empty", "");
}
template <class Codec>
void add_codec(const std::string& target) {
  add_damaged(target, encoded<Codec>(full()));
  add(target, "default", encoded<Codec>(fuzz::Everything()));
  add(target, "older", encoded<Codec>(fuzz::Older()));
  add(target, "newer", encoded<Codec>(fuzz::newer_everything(full())));
}

void add_cbor() {
  using std::string_literals::operator""s;
  add_codec<codec::Cbor>("cbor");
  add("cbor", "deep", repeated("\x81"s, 300));
  add("cbor", "huge_count", "\x9a\x7f\xff\xff\xff\x01");
  add("cbor", "huge_text", "\x7b\x80\x00\x00\x00\x00\x00\x00\x00"s);
  add("cbor", "counts_inside_each_other", repeated("\x99\x00\x40"s, 40));
  add("cbor", "equal_keys", "\xa2\x61\x61\x01\x61\x61\x02");
  add("cbor", "equal_field", "\xa2\x65\x63oins\x01\x65\x63oins\x02");
  add("cbor", "integer_keys", "\xa1\x64gems\xa1\x01\xa0");
  add("cbor", "not_utf8", "\xa1\x64name\x62\xc3\x28");
  add("cbor", "pieces", "\x7f\x61\x61\x62\xc3\xab\xff");
  add("cbor", "indefinite", "\xbf\x65items\x9f\xbf\x62id\x07\xff\xff\xff");
  add("cbor", "too_large_a_number", "\xa1\x65small\x19\x03\xe8");
  add("cbor", "tag", "\xc0\x61x");
  add("cbor", "mark", "\xd9\xd9\xf7\xa0");
  add("cbor", "reals",
      "\x85\xf9\x7e\x00\xf9\x00\x01\xfa\x7f\x7f\xff\xff\xfb\x3f\xb9\x99\x99\x99\x99\x99\x9a\xf9\x80\x00"s);
  add("cbor", "least_integer", "\x3b\xff\xff\xff\xff\xff\xff\xff\xff");
  add("cbor", "equal_identities",
      "\xa1\x65items\x82\xa2\x62id\x01\x61x\x01\xa2\x62id\x01\x61x\x02");
}
void add_json() {
  add_codec<codec::Json>("json");
  add("json", "deep", repeated("[", 300));
  add("json", "space", " {\n\"coins\" :\t1 } ");
  add("json", "comma", R"({"coins":1,})");
  add("json", "surrogates", R"({"name":"\ud83c\udfae \u00eb \\ \""})");
  add("json", "half_a_surrogate", R"({"name":"\ud83c"})");
  add("json", "numbers",
      R"([0,-0,1e0,1.5E+10,18446744073709551615,18446744073709551616,-9223372036854775808,1e-400])");
  add("json", "bad_numbers", R"([01])");
  add("json", "beyond_double", "[1e999]");
  add("json", "equal_names", R"({"coins":1,"coins":2})");
  add("json", "equal_keys", R"({"scores":{"1":"a","01":"b"}})");
  add("json", "not_utf8", "{\"name\":\"\xed\xa0\x80\"}");
  add("json", "bytes", R"({"blob":"AP8H"})");
  add("json", "bad_bytes", R"({"blob":"AP8"})");
  add("json", "empty_array_for_a_map", R"({"gems":[]})");
}
void add_packed() {
  using std::string_literals::operator""s;
  add_codec<codec::Packed>("packed");
  add("packed", "newer_by_name", encoded<codec::Packed>(std::vector<fuzz::Older>(2)));
  add("packed", "lies_elsewhere", "\x01\x07");
  add("packed", "self", "\x0d\x10\x03\x03\x61\x40\x01\x01"s);
  add("packed", "long_description", "\x06\x80\x08\x10"s + repeated("\x09", 200));
  add("packed", "huge_count", "\x05\x09\x01\x00\xff\xff\xff\xff\xff\xff\xff\x7f"s);
}
void add_suphi() {
  Value value = schema::to_value(full()).value();
  for (const char* key : {"blob", "crown", "prize", "free", "seed", "coins", "joined", "played",
                          "scores", "medals", "grid", "luck", "speed", "nothing"})
    value.erase(key);
  add_damaged("suphi", encoded<codec::Suphi<>>(value));
  add("suphi", "older",
      encoded<codec::Suphi<2>>(Value::map({{"name", "a"}, {"items", Value::array()}})));
  add("suphi", "deep", repeated("|", 300));
  add("suphi", "deep_tables", repeated("*>1", 200));
  add("suphi", "list", "*>1#a\x7f>2#b\x7f\x7f");
  add("suphi", "no_list", "*>1#a\x7f>3#b\x7f\x7f");
  add("suphi", "equal_keys", "*#a\x7f+#a\x7f-\x7f");
  add("suphi", "numbers", "|>11<11)6i(6i>000\x7f");
  add("suphi", "large_number", ">" + repeated("9", 400));
  add("suphi", "no_digit", ">");
  add("suphi", "not_utf8", "#\xff\x7f");
  add("suphi", "fraction_as_key", "*)6i+\x7f");
}
void add_any_of() {
  add("any_of", "packed", '\0' + encoded<codec::Packed>(full()));
  add("any_of", "cbor", '\1' + encoded<codec::Cbor>(fuzz::newer_everything(full())));
  add("any_of", "json", '\2' + encoded<codec::Json>(fuzz::Older()));
  add("any_of", "suphi", "\3*#name\x7f#ada\x7f\x7f");
  add("any_of", "another_codecs", '\2' + encoded<codec::Cbor>(fuzz::Older()));
}

struct One {
  int gold = 7;
};
struct Player {
  std::int64_t coins = 7;
  int gems = 1;
};
template <class Codec, class T>
std::string record(const T& data, codec::RecordVersion version) {
  Buffer out;
  UnknownFields none;
  if (!codec::encode_record<Codec, fuzz::Policy>(data, none, version, out)) std::abort();
  return std::string(as_text(out));
}
void add_record() {
  add_damaged("record", record<codec::Packed>(Player(), {3, 3}));
  add("record", "of_version_1", record<codec::Packed>(One(), {1, 1}));
  add("record", "of_version_2", record<codec::Cbor>(One(), {2, 1}));
  add("record", "of_version_9", record<codec::Json>(Player(), {9, 3}));
  add("record", "too_new", record<codec::Json>(Player(), {9, 9}));
  add("record", "of_version_0", record<codec::Json>(Player(), {0, 0}));
  add("record", "a_debt", record<codec::Json>(One{-1}, {1, 1}));
  add("record", "another_codecs", record<codec::Suphi<>>(Player(), {3, 3}));
  add("record", "unknown_fields",
      record<codec::Cbor>(Value::map({{"gold", 1}, {"season", Value::map({{"rank", 7}})}}),
                          {1, 1}));
}
std::string described(std::string_view description, std::string_view values, bool made) {
  const std::size_t head = description.size() * 2 + (made ? 0 : 1);
  return std::string{static_cast<char>(head & 0xff), static_cast<char>(head >> 8)} +
         std::string(description) + std::string(values);
}
void add_packed_schema() {
  using std::string_literals::operator""s;
  const auto split = [](const std::string& payload) {
    std::uint64_t size = 0;
    const ByteView bytes = as_bytes(payload);
    const auto* at = codec::packed::get_number(bytes.data(), bytes.data() + bytes.size(), size);
    const auto head = static_cast<std::size_t>(at - bytes.data());
    return std::pair(payload.substr(head, size), payload.substr(head + size));
  };
  const auto add_type = [&](const char* name, const std::string& payload) {
    const auto [description, values] = split(payload);
    add("packed_schema", name, described(description, values, false));
  };
  add_type("good", encoded<codec::Packed>(full()));
  add_type("older", encoded<codec::Packed>(fuzz::Older()));
  add_type("newer", encoded<codec::Packed>(fuzz::newer_everything(full())));
  struct Field {
    std::vector<fuzz::Item> items{{1, {}}, {2, {}}};
    std::map<std::string, fuzz::Gem> gems{{"ruby", {}}};
    std::optional<int> coins = 5;
    std::variant<fuzz::Bow, int> prize = 6;
  };
  add_type("moved", encoded<codec::Packed>(Field()));
  const auto lie = [&](const char* name, std::string_view description, std::string_view values) {
    add("packed_schema", name, described(description, values, false));
  };
  lie("refers_to_itself", "\x10\x03\x03\x61\x40\x01"s, "\x01");
  lie("refers_to_nothing", "\x40\x11"s, "\x01");
  lie("list_of_itself", "\x10\x03\x0b\x69tems\x09\x40\x01"s, "\x05\x01\x01");
  lie("same_field", "\x10\x05\x0b\x63oins\x01\x0b\x63oins\x01"s, "\1\1");
  lie("members_inside_each_other", repeated("\x0d\x61"s, 100), "");
  lie("longest_array", "\x0a\xf0\xff\xff\xff\x0f\x01"s, "\1");
  lie("nothing_often", "\x09\x13"s, "\x0b\0\0\0\0\0"s);
  lie("unit_of_0", "\x0e\x01\x01\x02\x07"s, "\x05");
  lie("name_that_is_no_utf8", "\x10\x03\x03\xff\x01"s, "\1");
  lie("enum", "\x04\x00\x05\x09king\x03\x03\x61\x05"s, "\1");
  lie("value", "\x11"s, "\x07\x83\x01\x02\x03");
  lie("deep", repeated("\x07", 200), "\1");
  for (std::uint64_t i = 1; i <= 4; ++i)
    add("packed_schema", "made_" + std::to_string(i),
        described(noise(60, i), repeated("\1\1\3\1", 20), true));
}
void add_generated() {
  for (const char* target : {"round_trip"}) {
    for (std::uint64_t i = 1; i <= 6; ++i)
      add(target, "noise_" + std::to_string(i), noise(150 * i, i));
    add(target, "empty", "");
  }
  // A real that is infinite, where there is no number but zero before it.
  add("round_trip", "infinity", std::string("\0\0\0\0\0\0\x80\x7f", 8) + noise(100, 9));
}
void add_pointer() {
  using std::string_literals::operator""s;
  const std::string map = "\7\2\1a\2\1\5\2ab\6\3\2\1\1\0\5\1~"s;  // {"a": 5, "ab": [1, null, "~"]}
  const std::string fresh = "\2\1\x09"s;
  int count = 0;
  for (const char* pointer :
       {"", "/a", "/ab/0", "/ab/-", "/ab/3", "/ab/01", "/ab/9999999999999999999999", "/ab/2/x",
        "/b", "a", "/~0", "/~1", "/~", "/~2", "/a//b", "/"})
    add("pointer", "case_" + std::to_string(count++), map + fresh + pointer);
}
void add_patch() {
  const std::pair<const char*, const char*> cases[] = {
      {"add",
       R"([{"op":"add","path":"/b/1","value":[1,2]},{"op":"add","path":"/c","value":null}])"},
      {"remove", R"([{"op":"remove","path":"/b/0"},{"op":"remove","path":"/a"}])"},
      {"replace", R"([{"op":"replace","path":"","value":{"x":1}}])"},
      {"move", R"([{"op":"move","from":"/a","path":"/b/-"}])"},
      {"move_into_itself", R"([{"op":"move","from":"/b","path":"/b/0"}])"},
      {"copy", R"([{"op":"copy","from":"/b","path":"/b/0"},{"op":"copy","from":"","path":"/a"}])"},
      {"test", R"([{"op":"test","path":"/a","value":1.0}])"},
      {"test_fails", R"([{"op":"remove","path":"/a"},{"op":"test","path":"/b","value":1}])"},
      {"escaped", R"([{"op":"replace","path":"/~1~0","value":2}])"},
      {"no_such_operation", R"([{"op":"spam","path":"/a"}])"},
      {"no_patch", R"({"a":2,"b":[2,3,3]})"}};
  for (const auto& [name, patch] : cases)
    add("patch", name, R"({"a":1,"b":[1,{"c":2},3],"/~":0})" + std::string("\n") + patch);
  add("patch", "no_json", "{}");
}
void add_file_log() {
  using std::string_literals::operator""s;
  const fuzz::GoodLog good;
  add("file_log", "good", "\0"s);
  const int files = static_cast<int>(good.disk.files().size());
  for (int file = 0; file < files; ++file) {
    const std::string at = {static_cast<char>(file), 2, '\x40', '\1'};
    add("file_log", "flipped_" + std::to_string(file), "\0"s + at + "\0\x20"s);
    add("file_log", "cut_" + std::to_string(file), "\0"s + at + "\1"s);
  }
  add("file_log", "zeros_inserted", "\0\1\2\x80\0\2\x40\0"s);
  add("file_log", "twice", "\0\2\2\x40\0\3\2\xff\0"s);
  // The payloads of the batches of the newest segment, for somebody to lie in.
  std::string payloads;
  const auto& bytes = good.disk.bytes(persist_test::newest_segment(good.disk));
  for (std::size_t at = backend::file::segment_header_size; at < bytes.size();) {
    const auto header = backend::file::BatchHeader::read(
        ByteView(bytes).subspan(at), load_little<std::uint64_t>(bytes.data() + at));
    if (!header) break;
    at += backend::file::batch_header_size;
    payloads += {static_cast<char>(header->length & 0xff), static_cast<char>(header->length >> 8)};
    payloads += as_text(ByteView(bytes).subspan(at, header->length));
    at += header->length;
  }
  add("file_log", "made_up", "\1"s + payloads.substr(0, 3000));
  add("file_log", "no_entry", "\1\5\0\7\0\0\0\0"s);
  add("file_log", "oldest_behind_the_end", "\1\x09\0\5\4\0\0\0\xff\0\0\0"s);
}

void add_spill() {
  const auto payload = [](const spill::Entry& entry) {
    Buffer bytes;
    if (!spill::encode(entry, bytes)) std::abort();
    return std::string(as_text(bytes.view().subspan(spill::header_size)));
  };
  const std::string full = payload(test::full_entry());
  add("spill", "full", full);
  add("spill", "small", payload(test::small_entry()));
  add("spill", "cut", full.substr(0, full.size() / 2));
  add("spill", "longer", full + '\0');
  std::string counts = full;
  std::fill(counts.end() - 40, counts.end() - 30, '\xff');
  add("spill", "a_count_that_lies", counts);
  add("spill", "nothing", "");
}

void add_kv_value() {
  const auto payload = [](const backend::kv::Record& record) {
    const Buffer value = backend::kv::encode_record(record, test::named_store);
    return std::string(as_text(value.view().subspan(backend::kv::frame_size)));
  };
  const std::string full = payload(test::full_record());
  backend::kv::Record small;
  small.exists = true;
  add("kv_value", "full", full);
  add("kv_value", "small", payload(small));
  add("kv_value", "cut", full.substr(0, full.size() / 2));
  add("kv_value", "longer", full + '\0');
  std::string counts = full;
  std::fill(counts.end() - 80, counts.end() - 70, '\xff');
  add("kv_value", "a_count_that_lies", counts);
  add("kv_value", "nothing", "");
}

struct SeedKeys {
  static std::span<const codec::SealingKey> list() {
    static const codec::SealingKey keys[] = {{1, {1, 2, 3}}};
    return keys;
  }
};
void add_wrapped() {
  Buffer plain;
  UnknownFields none;
  const auto made = codec::encode_record<codec::Packed, DataPolicy<std::string>>(
      repeated("what compresses well ", 20), none, {}, plain);
  if (!made) std::abort();
  const auto wrapped = [&]<class Codec>(const Codec*) {
    Buffer out;
    const auto done = Codec::wrap("Player_7", plain, out);
    if (!done || !*done) std::abort();
    return std::string(as_text(out));
  };
  using Zstd = codec::Compressed<codec::Packed, compress::Zstd<>>;
  using Lz4 = codec::Compressed<codec::Packed, compress::Lz4>;
  const std::string lz4 = wrapped(static_cast<const Lz4*>(nullptr));
  const std::string zstd = wrapped(static_cast<const Zstd*>(nullptr));
  add("wrapped", "plain", as_text(plain));
  add("wrapped", "lz4", lz4);
  add("wrapped", "zstd", zstd);
  add("wrapped", "sealed", wrapped(static_cast<const codec::Sealed<Zstd, SeedKeys>*>(nullptr)));
  add("wrapped", "cut", zstd.substr(0, zstd.size() - 5));
  // Bytes that lie under a checksum that is right.
  const auto forged = [](std::string record, std::size_t at, char byte) {
    record[codec::EnvelopeLayout::size + at] = byte;
    const std::uint32_t sum = codec::envelope::checksum(as_bytes(record));
    store_little(reinterpret_cast<std::byte*>(record.data()) + codec::EnvelopeLayout::checksum,
                 sum);
    return record;
  };
  add("wrapped", "another_algorithm", forged(zstd, 0, '\x7f'));
  add("wrapped", "lz4_taken_for_zstd", forged(lz4, 0, '\2'));
  add("wrapped", "a_length_that_lies", forged(zstd, 1, '\7'));
  add("wrapped", "a_length_of_64_megabytes", forged(zstd, 4, '\4'));
  add("wrapped", "damaged_lz4", forged(lz4, 12, '\xff'));
  add("wrapped", "damaged_zstd", forged(zstd, 20, '\xff'));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return std::cerr << "usage: fuzz_seeds FOLDER\n", 2;
  corpus = argv[1];
  add_cbor(), add_json(), add_packed(), add_suphi(), add_any_of();
  add_record(), add_packed_schema(), add_generated();
  add_pointer(), add_patch(), add_file_log(), add_wrapped(), add_spill(), add_kv_value();
  return 0;
}
