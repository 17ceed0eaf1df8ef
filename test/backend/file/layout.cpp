#include <persist/backend/file/layout.hpp>

#include <gtest/gtest.h>

namespace {

using namespace persist;
using namespace persist::backend::file;

static_assert(sizeof(Place) == 16);

TEST(FileLayout, ASegmentHeaderIsReadAsItWasWritten) {
  Buffer bytes;
  SegmentHeader{7, 0x1122334455667788, 41, 3}.write(bytes);
  ASSERT_EQ(bytes.size(), segment_header_size);
  std::uint32_t format = 0;
  const auto header = SegmentHeader::read(bytes, format);
  ASSERT_TRUE(header);
  EXPECT_EQ(header->number, 7u);
  EXPECT_EQ(header->salt, 0x1122334455667788u);
  EXPECT_EQ(header->first_sequence, 41u);
  EXPECT_EQ(header->oldest, 3u);
}

TEST(FileLayout, AHeaderWithAnyByteChangedOrCutIsNone) {
  Buffer segment, batch;
  SegmentHeader{7, 99, 41, 3}.write(segment);
  (void)batch.grow(batch_header_size);
  batch.append("payload");
  seal(batch, {99, 5, 4, 0, 0});
  ASSERT_TRUE(BatchHeader::read(batch, 99));
  EXPECT_FALSE(BatchHeader::read(batch, 98)) << "the salt of another log";
  for (std::size_t i = 0; i < segment_header_size; ++i) {
    Buffer changed = segment;
    changed.data()[i] ^= std::byte{0x10};
    std::uint32_t format = 0;
    EXPECT_FALSE(SegmentHeader::read(changed, format)) << i;
    EXPECT_FALSE(SegmentHeader::read(segment.view().first(i), format)) << i;
  }
  for (std::size_t i = 0; i < batch_header_size; ++i) {
    Buffer changed = batch;
    changed.data()[i] ^= std::byte{0x10};
    EXPECT_FALSE(BatchHeader::read(changed, 99)) << i;
    EXPECT_FALSE(BatchHeader::read(batch.view().first(i), 99)) << i;
  }
}

TEST(FileLayout, ASealedBatchSaysItsLengthAndSum) {
  Buffer batch;
  (void)batch.grow(batch_header_size);
  batch.append("123456789");
  seal(batch, {1, 5, 4, 0, 0});
  const auto header = BatchHeader::read(batch, 1);
  ASSERT_TRUE(header);
  EXPECT_EQ(header->length, 9u);
  EXPECT_EQ(header->payload_crc, 0xE3069283u) << "the check value of CRC-32C";
  EXPECT_EQ(header->sequence, 5u);
  EXPECT_EQ(header->synced, 4u);
}

TEST(FileLayout, OnlyItsOwnNamesAreSegments) {
  EXPECT_EQ(segment_name(7), "00000007.log");
  EXPECT_EQ(segment_number("00000007.log"), 7u);
  EXPECT_EQ(segment_number(segment_name(0xffff'ffff)), 0xffff'ffffu);
  for (const char* other : {"7.log", "00000007.log.new", "0000000x.log", "00000000.log", "lock",
                            "000000007.log", "99999999999.log", ".log", ""})
    EXPECT_FALSE(segment_number(other)) << other;
}

}  // namespace
