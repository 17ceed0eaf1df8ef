#pragma once

#include <persist/codec/cbor.hpp>
#include <persist/codec/compressed.hpp>
#include <persist/codec/record.hpp>
#include <persist/schema/policy.hpp>

#include <random>
#include <vector>

#include <gtest/gtest.h>

// What holds of every compressor: alone, and under the codec.

namespace test {

using persist::Errc;

template <class A>
struct Compressor : testing::Test {
  struct Thing {
    int id = 0;
    std::string name = "sword";
  };

  static persist::Buffer bytes(std::size_t size, unsigned alphabet) {
    std::mt19937 random(42);
    persist::Buffer made;
    for (std::size_t i = 0; i < size; ++i)
      made.push(static_cast<std::byte>(random() % alphabet));
    return made;
  }
  static persist::Buffer compressed(persist::ByteView from) {
    persist::Buffer made;
    std::byte* at = made.grow(from.size() + 1000);
    made.shrink(A::compress(from, {at, made.size()}));
    return made;
  }
  /// Exactly `size` bytes, at the end of what the sanitizer allows.
  static persist::Result<persist::Buffer> back(persist::ByteView from, std::size_t size) {
    persist::Buffer made;
    std::byte* at = made.grow(size);
    const persist::Result<void> done = A::decompress(from, {at, size});
    if (!done) return done.error();
    return made;
  }
};
TYPED_TEST_SUITE_P(Compressor);

TYPED_TEST_P(Compressor, gives_back_what_went_in) {
  for (const std::size_t size : {0U, 1U, 2U, 63U, 64U, 1000U, 100'000U}) {
    for (const unsigned alphabet : {1U, 4U, 256U}) {
      const auto plain = TestFixture::bytes(size, alphabet);
      const auto again = TestFixture::back(TestFixture::compressed(plain), size);
      ASSERT_TRUE(again) << size << ": " << again.error();
      EXPECT_EQ(*again, plain) << size;
    }
  }
}

TYPED_TEST_P(Compressor, says_so_where_it_has_no_room) {
  const auto noise = TestFixture::bytes(1000, 256);
  std::vector<std::byte> room(999);
  EXPECT_EQ(TypeParam::compress(noise, room), 0U);
}

TYPED_TEST_P(Compressor, fills_all_it_was_given_or_fails) {
  const auto packed = TestFixture::compressed(TestFixture::bytes(1000, 4));
  for (const std::size_t size : {0U, 1U, 999U, 1001U, 100'000U})
    EXPECT_TRUE(TestFixture::back(packed, size).is(Errc::corrupt)) << size;
}

TYPED_TEST_P(Compressor, survives_bytes_that_lie) {
  const auto packed = TestFixture::compressed(TestFixture::bytes(1000, 4));
  for (std::size_t length = 0; length < packed.size(); ++length)
    EXPECT_FALSE(TestFixture::back(packed.view().first(length), 1000)) << length;
  for (std::size_t bit = 0; bit < 8 * packed.size(); ++bit) {
    persist::Buffer flipped = packed;
    flipped.data()[bit / 8] ^= static_cast<std::byte>(1 << (bit % 8));
    (void)TestFixture::back(flipped, 1000);  // the checksum is not its business
  }
  for (unsigned seed = 0; seed < 500; ++seed) {
    std::mt19937 random(seed);
    persist::Buffer noise;
    for (std::size_t left = random() % 64; left > 0; --left)
      noise.push(static_cast<std::byte>(random()));
    (void)TestFixture::back(noise, random() % 4096);
  }
}

TYPED_TEST_P(Compressor, makes_a_record_smaller_and_reads_it_again) {
  using Item = typename TestFixture::Thing;
  using Codec = persist::codec::Compressed<persist::codec::Cbor, TypeParam>;
  using Policy = persist::DataPolicy<std::vector<Item>>;
  std::vector<Item> items(100);
  for (std::size_t i = 0; i < items.size(); ++i)
    items[i].id = static_cast<int>(i);
  persist::Buffer record;
  persist::Buffer wrapped;
  persist::UnknownFields none;
  ASSERT_TRUE((persist::codec::encode_record<Codec, Policy>(items, none, {}, record)));
  ASSERT_TRUE(*Codec::wrap("7", record, wrapped));
  EXPECT_LT(wrapped.size(), record.size() / 2);
  persist::Snapshot stored;
  stored.data = std::move(wrapped);
  std::vector<Item> again;
  ASSERT_TRUE((persist::codec::load_record<Codec, Policy>("7", stored, 1 << 20, again, none)));
  ASSERT_EQ(again.size(), 100U);
  EXPECT_EQ(again[99].id, 99);
}

REGISTER_TYPED_TEST_SUITE_P(Compressor, gives_back_what_went_in, says_so_where_it_has_no_room,
                            fills_all_it_was_given_or_fails, survives_bytes_that_lie,
                            makes_a_record_smaller_and_reads_it_again);

}  // namespace test
