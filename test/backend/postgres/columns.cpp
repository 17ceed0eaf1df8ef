#include <persist/backend/postgres/columns.hpp>

#include <gtest/gtest.h>

namespace {

namespace postgres = persist::backend::postgres;
using persist::as_bytes;

TEST(PostgresColumns, PackedRowsAreReadAsTheyWereSent) {
  using namespace std::string_view_literals;
  postgres::Packed rows(as_bytes("\0\0\0\x08\xff\xff\xff\xff\xff\xff\xff\xfe\0\0\0\2hi\0\0\0\0"sv));
  ASSERT_TRUE(rows.row());
  EXPECT_EQ(rows.integer(), -2);
  EXPECT_EQ(rows.text(), "hi");
  EXPECT_EQ(rows.text(), "");
  EXPECT_FALSE(rows.row());
}

TEST(PostgresColumns, NumbersOfEverySizeKeepTheirSign) {
  using namespace std::string_view_literals;
  const auto read = [](std::string_view bytes) {
    return postgres::Packed(as_bytes(bytes)).integer();
  };
  EXPECT_EQ(read("\0\0\0\4\0\0\1\0"sv), 256);
  EXPECT_EQ(read("\0\0\0\4\xff\xff\xff\xff"sv), -1);
  EXPECT_EQ(read("\0\0\0\2\x80\0"sv), -32768);
  EXPECT_EQ(read("\0\0\0\0"sv), 0);
}

TEST(PostgresColumns, WhatIsCutShortEndsThere) {
  using namespace std::string_view_literals;
  const std::string_view whole =
      "\0\0\0\x10"
      "0123456789abcdef"sv;
  for (std::size_t size = 0; size < whole.size(); ++size) {
    postgres::Packed rows(as_bytes(whole.substr(0, size)));
    (void)rows.hash();
    EXPECT_FALSE(rows.row()) << size;
  }
  postgres::Packed huge(as_bytes("\xff\xff\xff\xffxyz"sv));
  EXPECT_EQ(huge.text(), "");
  EXPECT_FALSE(huge.row());
  postgres::Packed whole_one(as_bytes(whole));
  EXPECT_NE(whole_one.hash(), persist::Hash128{});
}

}  // namespace
