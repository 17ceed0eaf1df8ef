#include <persist/detail/crc32c.hpp>

#include <cstddef>
#include <vector>

#include <gtest/gtest.h>

namespace {

using persist::as_bytes;
using persist::ByteView;
using namespace persist::detail;

std::vector<std::byte> filled(std::size_t size, int first, int step) {
  std::vector<std::byte> bytes;
  for (std::size_t i = 0; i < size; ++i) {
    bytes.push_back(static_cast<std::byte>(first + static_cast<int>(i) * step));
  }
  return bytes;
}

TEST(Crc32c, the_published_sums_come_out) {
  EXPECT_EQ(crc32c(as_bytes("123456789")), 0xE3069283u);
  EXPECT_EQ(crc32c(filled(32, 0x00, 0)), 0x8A9136AAu);
  EXPECT_EQ(crc32c(filled(32, 0xff, 0)), 0x62A8AB43u);
  EXPECT_EQ(crc32c(filled(32, 0, 1)), 0x46DD794Eu);
  EXPECT_EQ(crc32c(filled(32, 31, -1)), 0x113FDB5Cu);
  EXPECT_EQ(crc32c({}), 0u);
}

TEST(Crc32c, tables_and_instruction_agree_at_every_length_and_alignment) {
  if (!has_crc32c_instruction()) GTEST_SKIP() << "this processor has no instruction for it";
  const auto bytes = filled(80, 3, 37);
  for (std::size_t from = 0; from < 9; ++from) {
    for (std::size_t size = 0; from + size <= bytes.size(); ++size) {
      const ByteView piece = ByteView(bytes).subspan(from, size);
      ASSERT_EQ(crc32c_by_table(piece), crc32c_by_instruction(piece)) << from << ' ' << size;
      ASSERT_EQ(crc32c_by_table(piece, 77), crc32c_by_instruction(piece, 77));
    }
  }
}

TEST(Crc32c, tables_and_instruction_agree_where_several_sums_go_side_by_side) {
  if (!has_crc32c_instruction()) GTEST_SKIP() << "this processor has no instruction for it";
  std::vector<std::byte> bytes;
  while (bytes.size() < 6 * Crc32cShift::bytes + 9)  // no two stretches are the same
    bytes.push_back(static_cast<std::byte>(crc32c_tables.of[0][bytes.size() % 251]));
  for (std::size_t size = 3 * Crc32cShift::bytes - 9; size <= bytes.size(); ++size) {
    const ByteView piece = ByteView(bytes).last(size);
    ASSERT_EQ(crc32c_by_table(piece, 77), crc32c_by_instruction(piece, 77)) << size;
  }
}

TEST(Crc32c, a_sum_over_pieces_is_the_sum_of_the_whole) {
  const auto bytes = filled(50, 1, 11);
  const ByteView all(bytes);
  for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
    ASSERT_EQ(crc32c(all.subspan(cut), crc32c(all.first(cut))), crc32c(all));
    ASSERT_EQ(crc32c_by_table(all.subspan(cut), crc32c_by_table(all.first(cut))), crc32c(all));
  }
}

}  // namespace
