#include <persist/compress/zstd.hpp>

#include <compress/laws.hpp>

#include <persist/codec/any_of.hpp>

namespace test {

using persist::Buffer;
using persist::compress::ZstdDictionary;

/// What a small profile of that player looks like.
Buffer sample(unsigned player) {
  std::string text = R"({"name":"player )" + std::to_string(player * 7919U) + R"(","coins":)" +
                     std::to_string(player % 977U) +
                     R"(,"settings":{"music":true,"language":"en","quality":"high"},"items":[)" +
                     std::to_string(player % 13U) + "]}";
  return Buffer(persist::as_bytes(text));
}
std::vector<Buffer> samples(unsigned from) {
  std::vector<Buffer> made;
  for (unsigned i = 0; i < 1000; ++i)
    made.push_back(sample(from + i));
  return made;
}
ZstdDictionary trained(unsigned from) {
  auto bytes = ZstdDictionary::train(samples(from), 4096);
  EXPECT_TRUE(bytes) << bytes.error();
  auto dictionary = ZstdDictionary::open(*bytes);
  EXPECT_TRUE(dictionary) << dictionary.error();
  return *std::move(dictionary);
}
struct Dictionaries {
  static inline std::vector<ZstdDictionary> known;
  static std::span<const ZstdDictionary> list() { return known; }
};
using WithDictionary = persist::compress::ZstdDict<Dictionaries>;

template <class A>
Buffer compressed(const Buffer& from) {
  return Compressor<A>::compressed(from);
}

TEST(ZstdFrames, one_frame_of_the_rfc_is_read_and_nothing_else) {
  using Plain = Compressor<persist::compress::Zstd<>>;
  const Buffer plain = sample(1);
  const Buffer one = compressed<persist::compress::Zstd<>>(plain);
  ASSERT_TRUE(Plain::back(one, plain.size()));
  Buffer two = one;
  two.append(one.view());
  EXPECT_TRUE(Plain::back(two, 2 * plain.size()).is(Errc::corrupt));
  Buffer behind = one;
  behind.push(std::byte{0});
  EXPECT_TRUE(Plain::back(behind, plain.size()).is(Errc::corrupt));
  for (const unsigned last : {0x22U, 0x27U, 0x50U}) {  // older formats, and what is to be skipped
    Buffer other = one;
    other.data()[0] = static_cast<std::byte>(last);
    EXPECT_TRUE(Plain::back(other, plain.size()).is(Errc::corrupt)) << last;
  }
}

TEST(ZstdFrames, what_is_older_than_the_rfc_is_not_read_though_the_library_can) {
  using Plain = Compressor<persist::compress::Zstd<>>;
  // Of zstd 0.7: its magic, a size of 5, one block of 5 plain bytes, the end.
  const std::string_view old("\x27\xb5\x2f\xfd\x20\5\x40\0\5hello\xc0\0\0", 17);
  EXPECT_TRUE(Plain::back(Buffer(persist::as_bytes(old)), 5).is(Errc::corrupt));
}

struct ZstdWithDictionary : testing::Test {
  ~ZstdWithDictionary() override { Dictionaries::known.clear(); }
};

TEST_F(ZstdWithDictionary, makes_small_records_smaller) {
  Dictionaries::known.push_back(trained(0));
  const Buffer plain = sample(5000);
  const Buffer packed = compressed<WithDictionary>(plain);
  EXPECT_LT(3 * packed.size(), 2 * compressed<persist::compress::Zstd<>>(plain).size());
  EXPECT_EQ(*Compressor<WithDictionary>::back(packed, plain.size()), plain);
}

TEST_F(ZstdWithDictionary, reads_what_older_ones_made_and_what_was_made_without) {
  const Buffer plain = sample(5000);
  const Buffer without = compressed<WithDictionary>(plain);
  Dictionaries::known.push_back(trained(0));
  const Buffer first = compressed<WithDictionary>(plain);
  Dictionaries::known.insert(Dictionaries::known.begin(), trained(2000));
  ASSERT_NE(Dictionaries::known[0].id(), Dictionaries::known[1].id());
  const Buffer second = compressed<WithDictionary>(plain);
  EXPECT_NE(first, second);
  for (const Buffer& each : {without, first, second})
    EXPECT_EQ(*Compressor<WithDictionary>::back(each, plain.size()), plain);
}

TEST_F(ZstdWithDictionary, names_one_that_nobody_has) {
  Dictionaries::known.push_back(trained(0));
  const Buffer packed = compressed<WithDictionary>(sample(1));
  const std::string id = std::to_string(Dictionaries::known[0].id());
  Dictionaries::known.clear();
  const auto read = Compressor<WithDictionary>::back(packed, sample(1).size());
  ASSERT_TRUE(read.is(Errc::wrong_codec));
  EXPECT_NE(read.error().detail().find("the zstd dictionary " + id), std::string_view::npos)
      << read.error();
  EXPECT_TRUE(
      Compressor<persist::compress::Zstd<>>::back(packed, sample(1).size()).is(Errc::wrong_codec));
}

// The first deployment of a store that takes up a dictionary still writes without it.
TEST_F(ZstdWithDictionary, moves_in_in_two_deployments) {
  using persist::codec::Compressed;
  using Before = Compressed<persist::codec::Cbor, persist::compress::Zstd<>>;
  using After = Compressed<persist::codec::Cbor, WithDictionary>;
  Dictionaries::known.push_back(trained(0));
  Buffer record;
  ASSERT_TRUE(persist::codec::write_envelope(
      record, {.codec = persist::codec::Cbor::id},
      [](Buffer& to) { return to.append(sample(1).view()), persist::success; }));
  Buffer stored;
  ASSERT_TRUE(*After::wrap("7", record, stored));
  Buffer room;
  const auto first =
      persist::codec::plain_record<persist::codec::AnyOf<Before, After>>("7", stored, 1000, room);
  ASSERT_TRUE(first) << first.error();
  EXPECT_TRUE(persist::same_bytes(*first, record));
  const auto neither = persist::codec::plain_record<persist::codec::AnyOf<
      Before, persist::codec::Compressed<persist::codec::Cbor, persist::compress::Zstd<5>>>>(
      "7", stored, 1000, room);
  EXPECT_TRUE(neither.is(Errc::wrong_codec)) << "and says which dictionary it takes";
}

TEST_F(ZstdWithDictionary, is_not_made_of_bytes_that_are_none_or_of_too_few_samples) {
  EXPECT_TRUE(ZstdDictionary::open(persist::as_bytes("nothing")).is(Errc::invalid));
  EXPECT_TRUE(ZstdDictionary::open({}).is(Errc::invalid));
  EXPECT_TRUE(ZstdDictionary::train({}).is(Errc::invalid));
  const std::vector<Buffer> few{sample(1), sample(2)};
  EXPECT_TRUE(ZstdDictionary::train(few).is(Errc::invalid));
  const std::vector<Buffer> empty(1000);
  EXPECT_TRUE(ZstdDictionary::train(empty).is(Errc::invalid));
  for (std::size_t size = 1; size < 8; ++size)
    for (const std::size_t count : {10U, 100U}) {
      std::vector<Buffer> tiny(count, Buffer(sample(1).view().first(size)));
      EXPECT_TRUE(ZstdDictionary::train(tiny).is(Errc::invalid)) << count << " of " << size;
      tiny.push_back(sample(2));
      EXPECT_TRUE(ZstdDictionary::train(tiny).is(Errc::invalid)) << count << " of " << size;
    }
}

INSTANTIATE_TYPED_TEST_SUITE_P(Zstd, Compressor, persist::compress::Zstd<>);
INSTANTIATE_TYPED_TEST_SUITE_P(FastZstd, Compressor, persist::compress::Zstd<-5>);
INSTANTIATE_TYPED_TEST_SUITE_P(NoDictionary, Compressor, WithDictionary);

}  // namespace test
