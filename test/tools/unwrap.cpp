#include <persistctl/unwrap.hpp>

#include <persist/codec/record.hpp>

#include <persistctl/train.hpp>

#include "store_case.hpp"

namespace persistctl {
namespace {

using namespace persist::codec;

Buffer record_of(const Value& value) {
  Buffer record;
  persist::UnknownFields none;
  EXPECT_TRUE((encode_record<Cbor, persist::schema::NoPolicy>(value, none, {}, record)));
  return record;
}
template <class A>
Buffer wrapped(ByteView record) {
  Buffer out;
  EXPECT_TRUE((*Compressed<Cbor, A>::wrap("k", record, out)));
  return out;
}

TEST(Unwrap, a_compressed_record_is_what_it_was) {
  const Buffer record = record_of(Value(std::string(1000, 'x')));
  for (const Buffer& stored : {record, wrapped<persist::compress::Lz4>(record),
                               wrapped<persist::compress::Zstd<>>(record)}) {
    Buffer room;
    const auto plain = unwrapped("k", stored, room);
    ASSERT_TRUE(plain) << plain.error();
    EXPECT_TRUE(persist::same_bytes(*plain, record));
  }
}

TEST(Unwrap, what_was_sealed_stays_shut_and_says_so) {
  const Buffer record = record_of(Value(1));
  Buffer sealed;
  EnvelopeHeader header = header_of(record);
  header.flags = EnvelopeLayout::sealed;
  ASSERT_TRUE(write_envelope(sealed, header, [](Buffer&) -> Result<void> { return success; }));
  Buffer room;
  const auto shut = unwrapped("k", sealed, room);
  ASSERT_TRUE(shut.is(Errc::wrong_codec));
  EXPECT_NE(shut.error().detail().find("is sealed, and this tool cannot undo that"),
            std::string_view::npos)
      << shut.error();
}

TEST(Unwrap, all_that_was_done_to_a_record_is_told_the_last_first) {
  const auto told = [](const Buffer& record, std::uint32_t more) {
    Buffer made;
    EnvelopeHeader header = header_of(record);
    header.flags |= more;
    const ByteView payload = record.view().subspan(EnvelopeLayout::size);
    EXPECT_TRUE(write_envelope(made, header, [&](Buffer& to) -> Result<void> {
      to.append(payload);
      return success;
    }));
    return wrappings_of(*open_envelope(made));
  };
  const Buffer plain = record_of(Value(std::string(1000, 'x')));
  const Buffer small = wrapped<persist::compress::Lz4>(plain);
  EXPECT_EQ(told(plain, 0), "");
  EXPECT_EQ(told(small, 0), "compressed with lz4");
  EXPECT_EQ(told(plain, EnvelopeLayout::sealed), "sealed");
  EXPECT_EQ(told(small, EnvelopeLayout::sealed), "sealed, compressed");
  EXPECT_EQ(told(small, EnvelopeLayout::sealed | EnvelopeLayout::in_pieces),
            "split into pieces, sealed, compressed");
}

TEST(Unwrap, what_takes_a_dictionary_is_read_with_it) {
  std::vector<Buffer> samples;
  for (int i = 0; i < 1000; ++i)
    samples.push_back(
        record_of(Value("what all of the records of this game say again and again, and " +
                        std::to_string(i * 7919))));
  auto bytes = persist::compress::ZstdDictionary::train(samples, 1024);
  ASSERT_TRUE(bytes) << bytes.error();
  Dictionaries::known.push_back(*persist::compress::ZstdDictionary::open(*bytes));
  const Buffer stored = wrapped<persist::compress::ZstdDict<Dictionaries>>(samples[0]);
  Buffer room;
  EXPECT_TRUE(unwrapped("k", stored, room));
  const unsigned id = Dictionaries::known.front().id();
  Dictionaries::known.clear();
  const auto without = unwrapped("k", stored, room);
  ASSERT_TRUE(without.is(Errc::wrong_codec));
  EXPECT_EQ(without.error().detail(),
            "the record was compressed with the zstd dictionary " + std::to_string(id) +
                ": give it with --dictionary FILE; the bytes were left as they are");
}

}  // namespace
}  // namespace persistctl
