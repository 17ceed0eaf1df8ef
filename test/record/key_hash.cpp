#include <persist/record/key_hash.hpp>

#include <gtest/gtest.h>

namespace {

using namespace persist;

TEST(KeyHash, DependsOnTheKeyAndOnTheStoresBirth) {
  const Hash128 birth{1, 2};
  EXPECT_EQ(key_hash(birth, "Player_1"), key_hash(birth, "Player_1"));
  EXPECT_NE(key_hash(birth, "Player_1"), key_hash(birth, "Player_2"));
  EXPECT_NE(key_hash(birth, "Player_1"), key_hash({1, 3}, "Player_1"));
  EXPECT_NE(key_hash(birth, ""), (Hash128{}));
}

TEST(KeyHash, IsSipHash24With128BitsAndNeverAnotherOne) {
  // The reference's key 00..0f and its vector for an empty input: tombstones on disk depend on it.
  const Hash128 birth{0x0706050403020100, 0x0f0e0d0c0b0a0908};
  EXPECT_EQ(key_hash(birth, ""), (Hash128{0xe6a825ba047f81a3, 0x930255c71472f66d}));
}

}  // namespace
