// What comes from outside may be anything: whatever the bytes, a decoder answers, soon, and takes
// memory in proportion to their number. Run under sanitizers.

#include <persist/codec/cbor.hpp>
#include <persist/codec/json.hpp>
#include <persist/codec/packed.hpp>
#include <persist/codec/record.hpp>
#include <persist/codec/suphi.hpp>
#include <persist/schema/value.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <new>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include <codec/profile.hpp>
#include <codec/rich.hpp>
#include <support/hex.hpp>

namespace {

std::atomic<std::size_t> bytes_asked_for{0};

void* counted(std::size_t size) {
  bytes_asked_for += size;
  if (void* memory = std::malloc(size != 0 ? size : 1)) return memory;
  std::abort();
}

}  // namespace

// All forms, because a sanitizer insists that what these give is what those take back.
void* operator new(std::size_t size) {
  return counted(size);
}
void* operator new[](std::size_t size) {
  return counted(size);
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  return counted(size);
}
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept {
  return counted(size);
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete[](void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}
void operator delete[](void* memory, std::size_t) noexcept {
  std::free(memory);
}

namespace {

using namespace persist;

struct Keeping {};  // a policy that drops nothing

constexpr unsigned flips[] = {1, 2, 4, 8, 16, 32, 64, 128, 255};

/// How decoding these bytes ends, in each of the types a hostile peer may meet; and that it took
/// little memory.
template <class Codec, class T>
Result<void> decode_as(ByteView bytes) {
  const std::size_t before = bytes_asked_for;
  Result<void> result;
  {
    T scratch{};
    UnknownFields unknown;
    result = Codec::template decode<Keeping>(bytes, scratch, unknown);
  }
  EXPECT_LE(bytes_asked_for - before, 65'536 + 400 * bytes.size()) << bytes.size();
  return result;
}
template <class Codec>
Result<void> decode_all(ByteView bytes) {
  (void)decode_as<Codec, std::vector<int>>(bytes);
  (void)decode_as<Codec, std::map<std::string, std::string>>(bytes);
  (void)decode_as<Codec, test::Profile>(bytes);
  return decode_as<Codec, Value>(bytes);
}
template <class Codec>
Buffer payload() {
  Buffer bytes;
  EXPECT_TRUE(Codec::template encode<Keeping>(test::full_profile(), bytes));
  return bytes;
}
std::string repeated(std::string_view part, std::size_t times) {
  std::string text;
  for (std::size_t i = 0; i < times; ++i)
    text += part;
  return text;
}
std::string hex(std::string_view digits) {
  return std::string(as_text(test::from_hex(digits)));
}

/// A record of every kind of data, with something unknown in every kind of place.
template <class Codec>
Buffer rich_record() {
  Buffer record;
  UnknownFields unknown;
  EXPECT_TRUE((codec::encode_record<Codec, Keeping>(test::rich_value(), unknown, {}, record)));
  return record;
}
template <class Codec>
Result<codec::RecordInfo> read_rich(ByteView record) {
  test::Rich scratch;
  UnknownFields unknown;
  return codec::decode_record<Codec, test::RichPolicy>(record, scratch, unknown);
}
Buffer payload_of(ByteView record) {
  return Buffer(codec::open_envelope(record)->payload);
}
template <class Codec>
Buffer record_of(std::string_view payload) {
  Buffer record;
  EXPECT_TRUE(codec::write_envelope(record, {.codec = Codec::id}, [&](Buffer& out) -> Result<void> {
    out.append(payload);
    return success;
  }));
  return record;
}
/// What could be read is written so that it is read as the same.
template <class Codec>
void expect_kept(ByteView record) {
  Buffer once = Buffer(record);
  std::vector<Value> seen;
  for (int round = 0; round < 2; ++round) {
    test::Rich rich;
    UnknownFields unknown;
    const auto read = codec::decode_record<Codec, test::RichPolicy>(once, rich, unknown);
    ASSERT_TRUE(read) << read.error();
    once.clear();
    const auto written = codec::encode_record<Codec, test::RichPolicy>(rich, unknown, {}, once);
    ASSERT_TRUE(written) << written.error();
    Value value;
    if (!codec::decode_record<Codec, Keeping>(once, value, unknown)) return;  // kept, but no Value
    seen.push_back(std::move(value));
  }
  EXPECT_EQ(seen[0], seen[1]);
}

/// Makes something else of good bytes, in a way that is the same in every run.
class Mutator {
 public:
  std::string mutated(std::string_view good) {
    std::string bytes(good);
    for (std::uint64_t times = 1 + next() % 4; times != 0; --times) {
      const std::size_t at = next() % bytes.size();
      const std::size_t size = 1 + next() % (std::min)(bytes.size() - at, std::size_t{24});
      switch (next() % 6) {
        case 0:
          bytes[at] = static_cast<char>(bytes[at] ^ (1 << next() % 8));
          break;
        case 1:
          bytes[at] = static_cast<char>(next());
          break;
        case 2:
          bytes.insert(at, 1, static_cast<char>(next()));
          break;
        case 3:
          if (size < bytes.size()) bytes.erase(at, size);
          break;
        case 4:  // something is there twice
          bytes.insert(at, bytes.substr(at, size));
          break;
        default:  // or in another's place
          bytes.insert(next() % bytes.size(), bytes.substr(at, size));
      }
    }
    return bytes;
  }

 private:
  std::uint64_t next() noexcept {
    state_ ^= state_ << 13, state_ ^= state_ >> 7, state_ ^= state_ << 17;
    return state_ >> 11;
  }
  std::uint64_t state_ = 88172645463325252u;
};

template <class Codec>
class Hostile : public testing::Test {};
using Codecs = testing::Types<codec::Cbor, codec::Json, codec::Packed>;
TYPED_TEST_SUITE(Hostile, Codecs);

TYPED_TEST(Hostile, every_prefix_of_a_record_is_corrupt) {
  const Buffer record = rich_record<TypeParam>();
  for (std::size_t size = 0; size < record.size(); ++size) {
    ASSERT_TRUE(read_rich<TypeParam>(record.view().first(size)).is(Errc::corrupt)) << size;
  }
}

TYPED_TEST(Hostile, every_flipped_byte_of_a_record_is_corrupt) {
  Buffer record = rich_record<TypeParam>();
  for (std::size_t i = 0; i < record.size(); ++i) {
    for (const unsigned mask : flips) {
      record.data()[i] ^= static_cast<std::byte>(mask);
      const auto read = read_rich<TypeParam>(record);
      record.data()[i] ^= static_cast<std::byte>(mask);
      ASSERT_TRUE(read.is(Errc::corrupt)) << i << ' ' << mask;
    }
  }
  EXPECT_TRUE(read_rich<TypeParam>(record));
}

TYPED_TEST(Hostile, a_record_of_all_kinds_with_unknown_fields_is_written_back_as_it_was) {
  const Buffer record = rich_record<TypeParam>();
  test::Rich rich;
  UnknownFields unknown;
  const auto read = codec::decode_record<TypeParam, test::RichPolicy>(record, rich, unknown);
  ASSERT_TRUE(read) << read.error();
  EXPECT_FALSE(unknown.empty());
  Buffer again;
  ASSERT_TRUE((codec::encode_record<TypeParam, test::RichPolicy>(rich, unknown, {}, again)));
  Value before, after;
  ASSERT_TRUE((codec::decode_record<TypeParam, Keeping>(record, before, unknown)));
  ASSERT_TRUE((codec::decode_record<TypeParam, Keeping>(again, after, unknown)));
  before["gems"]["opal"] = before["tools"].elements()[1]["gem"] = Value::map({{"cut", 1}});
  EXPECT_EQ(after, before) << "but for members that were missing";
}

// A checksum that matches says who wrote a record, not that it means it well.
TYPED_TEST(Hostile, a_mutated_payload_under_its_checksum_is_an_answer) {
  const Buffer good = payload_of(rich_record<TypeParam>());
  Mutator mutator;
  int read = 0;
  for (int round = 0; round < 10'000; ++round) {
    const std::string bad = mutator.mutated(as_text(good));
    const Buffer record = record_of<TypeParam>(bad);
    const std::size_t before = bytes_asked_for;
    const auto answer = read_rich<TypeParam>(record);
    ASSERT_LE(bytes_asked_for - before, 32'768 + 64 * record.size()) << round;
    if (answer) {
      ++read;
      ASSERT_NO_FATAL_FAILURE(expect_kept<TypeParam>(record)) << round;
    }
  }
  EXPECT_GT(read, 50) << "or nothing was tried";
}

TYPED_TEST(Hostile, every_prefix_of_a_payload_is_an_error) {
  const Buffer bytes = payload<TypeParam>();
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    ASSERT_FALSE(decode_all<TypeParam>(bytes.view().first(size))) << size;
  }
}

TYPED_TEST(Hostile, any_flipped_byte_of_a_payload_is_an_answer) {
  Buffer bytes = payload<TypeParam>();
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const std::byte good = bytes.data()[i];
    for (const unsigned mask : flips) {
      bytes.data()[i] = good ^ static_cast<std::byte>(mask);
      (void)decode_as<TypeParam, test::Profile>(bytes);
      (void)decode_as<TypeParam, Value>(bytes);
    }
    bytes.data()[i] = good;
  }
  EXPECT_TRUE(decode_all<TypeParam>(bytes));
}

TYPED_TEST(Hostile, random_bytes_are_an_answer) {
  std::uint64_t state = 88172645463325252u;
  for (int round = 0; round < 4'000; ++round) {
    char bytes[24];
    for (char& byte : bytes) {
      state ^= state << 13, state ^= state >> 7, state ^= state << 17;
      byte = static_cast<char>(state);
    }
    (void)decode_all<TypeParam>(as_bytes(std::string_view(bytes, 1 + state % 24)));
  }
}

TEST(HostileCbor, a_hundred_thousand_levels_are_too_large) {
  for (const auto* level : {"81", "9f", "a16161", "bf6161", "8181"}) {
    const auto result = decode_all<codec::Cbor>(as_bytes(repeated(hex(level), 100'000)));
    EXPECT_TRUE(result.is(Errc::too_large)) << level << ": " << result.error();
  }
  for (const auto* level : {"c1", "d9d9f7", "5f", "7f"}) {
    EXPECT_TRUE(decode_all<codec::Cbor>(as_bytes(repeated(hex(level), 100'000))).is(Errc::corrupt))
        << level;
  }
}

TEST(HostileJson, a_hundred_thousand_levels_are_too_large) {
  for (const auto* level : {"[", "{\"a\":", "[{\"a\":"}) {
    EXPECT_TRUE(decode_all<codec::Json>(as_bytes(repeated(level, 100'000))).is(Errc::too_large))
        << level;
  }
}

TEST(HostileCbor, levels_are_counted_in_what_is_kept_unread) {
  const std::string deep = hex("a16178") + repeated(hex("81"), 100'000);
  EXPECT_TRUE((decode_as<codec::Cbor, test::Profile>(as_bytes(deep))).is(Errc::too_large));
}

TYPED_TEST(Hostile, many_unknown_fields_below_a_long_key_are_kept_in_little_memory) {
  struct Empty {};
  Value inside = Value::map();
  std::vector<Value::Member> fields;
  fields.reserve(2'000);
  for (int i = 0; i < 2'000; ++i)
    fields.push_back({std::to_string(i), nullptr});
  inside = Value::map_of(std::move(fields)).value();
  Buffer bytes;
  ASSERT_TRUE(TypeParam::template encode<Keeping>(
      Value::map({{std::string(50'000, 'k'), Value::map({{"x", inside}})}}), bytes));
  using Nested = std::map<std::string, std::map<std::string, Empty>>;
  EXPECT_TRUE((decode_as<TypeParam, Nested>(bytes)));
}

TEST(HostileCbor, a_length_of_2_to_63_is_corrupt) {
  for (const auto* head :
       {"5b8000000000000000", "7b8000000000000000", "9b8000000000000000", "bb8000000000000000",
        "5bffffffffffffffff", "7bffffffffffffffff", "9bffffffffffffffff", "bbffffffffffffffff"}) {
    EXPECT_TRUE(decode_all<codec::Cbor>(as_bytes(hex(head))).is(Errc::corrupt)) << head;
    EXPECT_TRUE(decode_all<codec::Cbor>(as_bytes(hex(head) + repeated("a", 100))).is(Errc::corrupt))
        << head;
    for (const auto* member :
         {"a1646e616d65", "a164626c6f62", "a1657374617473", "a169696e76656e746f7279"}) {
      EXPECT_FALSE((decode_as<codec::Cbor, test::Profile>(as_bytes(hex(member) + hex(head)))))
          << member;
    }
  }
}

TEST(HostileCbor, a_count_that_few_bytes_carry_takes_little_memory) {
  for (const auto* head : {"9a003d0900", "ba003d0900", "9a7fffffff", "99ffff"}) {
    EXPECT_FALSE(decode_all<codec::Cbor>(as_bytes(hex(head)))) << head;
    EXPECT_FALSE(decode_all<codec::Cbor>(as_bytes(hex(head) + repeated(hex("80"), 1000)))) << head;
  }
}

struct Branch {
  std::array<std::uint64_t, 30> leaves{};
  std::vector<Branch> branches;
};
TEST(HostileCbor, counts_inside_each_other_do_not_promise_the_same_bytes) {
  std::string bytes;
  for (int level = 0; level < 60; ++level) {
    bytes += hex("a1686272616e63686573") + '\x99';  // {"branches": [as many as bytes are left]
    const std::size_t left = 1024 - bytes.size() - 2;
    bytes += {static_cast<char>(left >> 8), static_cast<char>(left & 0xff)};
  }
  bytes.resize(1024, '\xa0');
  EXPECT_TRUE((decode_as<codec::Cbor, Branch>(as_bytes(bytes))).is(Errc::corrupt));
}

TEST(HostileCbor, a_budget_is_for_the_whole_input) {
  const std::string many =
      hex("9f") + repeated(hex("98ff") + repeated(hex("00"), 255), 100) + hex("ff");
  Value scratch;
  UnknownFields unknown;
  EXPECT_TRUE((codec::Cbor::decode<Keeping>(as_bytes(many), scratch, unknown, {.elements = 25'599}))
                  .is(Errc::too_large));
  EXPECT_TRUE(
      (codec::Cbor::decode<Keeping>(as_bytes(many), scratch, unknown, {.elements = 25'600})));
}

TEST(HostileJson, a_number_of_a_hundred_thousand_digits_is_an_answer) {
  EXPECT_TRUE(decode_all<codec::Json>(as_bytes(repeated("9", 100'000))).is(Errc::corrupt));
  EXPECT_TRUE(decode_all<codec::Json>(as_bytes("0." + repeated("9", 100'000))));
  EXPECT_TRUE(decode_all<codec::Json>(as_bytes("1e" + repeated("9", 100'000))).is(Errc::corrupt));
}

/// A profile of which the format can say everything.
Buffer plain_text() {
  test::Profile profile = test::full_profile();
  profile.seed = 5;
  profile.blob.clear();
  Buffer json, text;
  Value value;
  UnknownFields unknown;
  EXPECT_TRUE(codec::Json::encode<Keeping>(profile, json));
  EXPECT_TRUE(codec::Json::decode<Keeping>(json, value, unknown));
  value.erase("blob");
  EXPECT_TRUE(codec::Suphi<1>::encode<Keeping>(value, text));
  return text;
}

TEST(HostileSuphi, a_mutated_text_is_an_answer_and_takes_little_memory) {
  const Buffer good = plain_text();
  EXPECT_TRUE(decode_all<codec::Suphi<>>(good));
  EXPECT_TRUE((decode_as<codec::Suphi<>, test::Profile>(good)));
  Mutator mutator;
  int read = 0;
  for (int round = 0; round < 10'000; ++round)
    read += decode_all<codec::Suphi<>>(as_bytes(mutator.mutated(as_text(good)))) ? 1 : 0;
  EXPECT_GT(read, 50) << "or nothing was tried";
}

TEST(HostileSuphi, a_hundred_thousand_levels_are_too_large) {
  for (const auto* level : {"|", "*#a\x7f", "*>1", "*#a\x7f*>1"}) {
    const std::string deep = repeated(level, 100'000);
    EXPECT_TRUE(decode_all<codec::Suphi<>>(as_bytes(deep)).is(Errc::too_large)) << level;
    EXPECT_TRUE(
        (decode_as<codec::Suphi<>, test::Profile>(as_bytes("*#x\x7f" + deep))).is(Errc::too_large))
        << level;
  }
}

TEST(HostileSuphi, a_number_of_a_hundred_thousand_digits_is_an_answer) {
  const std::string nines = repeated("9", 100'000);
  for (const auto* tag : {">", "<", ")", "(", "*>", "*>1>", "|>"})
    EXPECT_FALSE(decode_all<codec::Suphi<>>(as_bytes(tag + nines))) << tag;
  EXPECT_TRUE(decode_all<codec::Suphi<>>(as_bytes(">" + repeated("0", 100'000))));
}

TEST(HostileSuphi, many_tables_take_little_memory_where_they_are_not_understood) {
  const std::string tables = "*#x\x7f|" + repeated("*>1+\x7f", 200'000) + "\x7f\x7f";
  const std::size_t before = bytes_asked_for;
  test::Profile scratch;
  UnknownFields unknown;
  EXPECT_TRUE(codec::Suphi<>::decode<Keeping>(as_bytes(tables), scratch, unknown));
  EXPECT_LE(bytes_asked_for - before, 65'536 + 4 * tables.size());
}

/// What a record of `Rich` is to a build that has less of it, and in another order.
struct Poorer {
  test::Gem crown;
  std::vector<test::Tool> tools;
  std::map<std::string, test::Gem> gems;
  Value notes;
  struct Older {
    std::vector<test::Item> inventory;
    std::string name;
  } profile;
};
struct Identified {
  using fields = Fields<Identity<&test::Tool::id>, Identity<&test::Item::id>>;
};
template <class T>
bool is_answer(ByteView bytes) {
  const std::size_t before = bytes_asked_for;
  bool read = false;
  {
    T scratch{};
    UnknownFields unknown;
    read = bool(codec::Packed::decode<Identified>(bytes, scratch, unknown));
  }
  EXPECT_LE(bytes_asked_for - before, 65'536 + 100 * bytes.size()) << bytes.size();
  return read;
}

TEST(HostilePacked, a_mutated_record_is_an_answer_to_the_type_that_wrote_it_and_to_others) {
  const auto rich = schema::from_value<test::Rich, Identified>(test::rich_value());
  ASSERT_TRUE(rich) << rich.error();
  Buffer good;
  UnknownFields none;
  ASSERT_TRUE(codec::Packed::encode<Identified>(*rich, none, good));
  ASSERT_TRUE(is_answer<test::Rich>(good));
  ASSERT_TRUE(is_answer<Poorer>(good));
  ASSERT_TRUE(is_answer<Value>(good));
  Mutator mutator;
  int same = 0, other = 0;
  for (int round = 0; round < 10'000; ++round) {
    const std::string bad = mutator.mutated(as_text(good));
    same += is_answer<test::Rich>(as_bytes(bad)) ? 1 : 0;
    other += is_answer<Poorer>(as_bytes(bad)) ? 1 : 0;
    (void)is_answer<Value>(as_bytes(bad));
    ASSERT_FALSE(HasFailure()) << round;
  }
  EXPECT_GT(same, 50) << "or nothing was tried";
  EXPECT_GT(other, 50);
}

struct Twig {
  std::vector<Twig> twigs;
};
TEST(HostilePacked, counts_inside_each_other_do_not_promise_the_same_bytes) {
  Buffer bytes;
  UnknownFields none;
  ASSERT_TRUE(codec::Packed::encode<Keeping>(Twig{}, none, bytes));
  bytes.shrink(bytes.size() - 1);  // the description is left
  for (int level = 0; level < 60; ++level) {
    std::byte count[codec::packed::longest_number];
    const std::byte* end = codec::packed::put_number(count, 1'024 - bytes.size() - 2);
    bytes.append({count, static_cast<std::size_t>(end - count)});
  }
  bytes.append(std::string(1'024 - bytes.size(), '\x01'));
  EXPECT_TRUE((decode_as<codec::Packed, Twig>(bytes)).is(Errc::corrupt));
}

}  // namespace
