#include <persist/detail/siphash.hpp>

#include <array>
#include <cstddef>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace {

using persist::ByteView;
using namespace persist::detail;

// The reference's vectors: the key is 00 01 … 0f, the input is the first n of 00 01 02 ….
SipKey reference_key() {
  std::array<std::byte, 16> bytes{};
  for (std::size_t i = 0; i < 16; ++i)
    bytes[i] = static_cast<std::byte>(i);
  return SipKey::from(bytes);
}
std::vector<std::byte> counting(std::size_t size) {
  std::vector<std::byte> bytes;
  for (std::size_t i = 0; i < size; ++i)
    bytes.push_back(static_cast<std::byte>(i));
  return bytes;
}
std::string hex(const SipHash::Digest& digest) {
  std::string text;
  for (const std::byte byte : digest) {
    text += "0123456789ABCDEF"[std::to_integer<unsigned>(byte) >> 4];
    text += "0123456789ABCDEF"[std::to_integer<unsigned>(byte) & 15];
  }
  return text;
}

TEST(SipHash, the_published_hashes_come_out) {
  EXPECT_EQ(hex(siphash128(reference_key(), {})), "A3817F04BA25A8E66DF67214C7550293");
  EXPECT_EQ(hex(siphash128(reference_key(), counting(1))), "DA87C1D86B99AF44347659119B22FC45");
  EXPECT_EQ(hex(siphash128(reference_key(), counting(8))), "3B62A9BA6258F5610F83E264F31497B4");
  EXPECT_EQ(hex(siphash128(reference_key(), counting(15))), "5493E99933B0A8117E08EC0F97CFC3D9");
  EXPECT_EQ(hex(siphash128(reference_key(), counting(63))), "5150D1772F50834A503E069A973FBD7C");
}

TEST(SipHash, pieces_hash_as_the_whole) {
  const auto bytes = counting(40);
  const ByteView all(bytes);
  for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
    SipHash pieces(reference_key());
    ASSERT_EQ(pieces.add(all.first(cut)).add(all.subspan(cut)).finish(),
              siphash128(reference_key(), all));
  }
}

TEST(SipHash, another_key_gives_another_hash) {
  SipKey other = reference_key();
  other.high ^= 1;
  EXPECT_NE(siphash128(other, {}), siphash128(reference_key(), {}));
}

}  // namespace
