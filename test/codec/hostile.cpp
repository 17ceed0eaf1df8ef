// What comes from outside may be anything: whatever the bytes, a decoder answers, soon, and takes
// memory in proportion to their number. Run under sanitizers.

#include <persist/codec/cbor.hpp>
#include <persist/codec/json.hpp>
#include <persist/codec/record.hpp>
#include <persist/schema/value.hpp>

#include <algorithm>
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

template <class Codec>
class Hostile : public testing::Test {};
using Codecs = testing::Types<codec::Cbor, codec::Json>;
TYPED_TEST_SUITE(Hostile, Codecs);

TYPED_TEST(Hostile, every_prefix_of_a_record_is_corrupt) {
  Buffer record;
  UnknownFields unknown;
  ASSERT_TRUE(
      (codec::encode_record<TypeParam, Keeping>(test::full_profile(), unknown, {}, record)));
  for (std::size_t size = 0; size < record.size(); ++size) {
    test::Profile scratch;
    const auto read =
        codec::decode_record<TypeParam, Keeping>(record.view().first(size), scratch, unknown);
    ASSERT_TRUE(read.is(Errc::corrupt)) << size;
  }
}

TYPED_TEST(Hostile, every_flipped_byte_of_a_record_is_corrupt) {
  Buffer record;
  UnknownFields unknown;
  ASSERT_TRUE(
      (codec::encode_record<TypeParam, Keeping>(test::full_profile(), unknown, {}, record)));
  for (std::size_t i = 0; i < record.size(); ++i) {
    for (const unsigned mask : flips) {
      record.data()[i] ^= static_cast<std::byte>(mask);
      test::Profile scratch;
      const auto read = codec::decode_record<TypeParam, Keeping>(record, scratch, unknown);
      record.data()[i] ^= static_cast<std::byte>(mask);
      ASSERT_TRUE(read.is(Errc::corrupt)) << i << ' ' << mask;
    }
  }
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

}  // namespace
