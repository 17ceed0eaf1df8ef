#include <persist/record/fence.hpp>

#include <gtest/gtest.h>

namespace {

using namespace persist;

static_assert(std::is_trivially_copyable_v<Owner>, "an owner is a plain value");
static_assert(sizeof(ServerId) == 24);

TEST(Owner, IsComparedInAllItsParts) {
  const Owner owner{ServerId("eu-1"), 7, 8};
  EXPECT_EQ(owner, (Owner{ServerId("eu-1"), 7, 8}));
  EXPECT_NE(owner, (Owner{ServerId("eu-2"), 7, 8}));
  EXPECT_NE(owner, (Owner{ServerId("eu-1"), 9, 8}));
  EXPECT_NE(owner, (Owner{ServerId("eu-1"), 7, 9}));
}

TEST(Owner, ANameAloneIsNobody) {
  EXPECT_TRUE(Owner{}.nobody());
  EXPECT_TRUE((Owner{ServerId("eu-1"), 0, 0}).nobody());
  EXPECT_FALSE((Owner{{}, 7, 0}).nobody());
}

TEST(ServerId, KeepsUpTo23Bytes) {
  EXPECT_EQ(ServerId("eu-1").view(), "eu-1");
  EXPECT_EQ(ServerId(std::string_view("\0x", 2)).view().size(), 2u);
  EXPECT_EQ(ServerId("abcdefghijklmnopqrstuvwxyz").view(), "abcdefghijklmnopqrstuvw");
  EXPECT_EQ(ServerId().view(), "");
}

TEST(Hash128, is_spelled_in_full_the_high_half_first) {
  EXPECT_EQ((persist::Hash128{0xab, 0x1}.text()), "000000000000000100000000000000ab");
}

}  // namespace
