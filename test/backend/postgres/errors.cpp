#include <persist/backend/postgres/errors.hpp>

#include <gtest/gtest.h>

namespace {

namespace postgres = persist::backend::postgres;
using persist::Errc;
using postgres::Trouble;

TEST(PostgresErrors, EachStateIsTheErrorThatTellsWhatToDo) {
  const auto code = [](const char* state) {
    return postgres::describe(state, "words", "a place").code();
  };
  EXPECT_EQ(code("40001"), Errc::timeout);
  EXPECT_EQ(code("40P01"), Errc::timeout);
  EXPECT_EQ(code("57014"), Errc::timeout) << "the server's own statement_timeout";
  EXPECT_EQ(code("57P01"), Errc::unavailable);
  EXPECT_EQ(code("08006"), Errc::unavailable);
  EXPECT_EQ(code("53300"), Errc::unavailable) << "too many connections";
  EXPECT_EQ(code("53200"), Errc::unavailable) << "out of memory";
  EXPECT_EQ(code("53100"), Errc::io) << "disk full";
  EXPECT_EQ(code("25006"), Errc::io) << "read-only";
  EXPECT_EQ(code("28P01"), Errc::refused) << "password";
  EXPECT_EQ(code("42501"), Errc::refused) << "privileges";
  EXPECT_EQ(code("3D000"), Errc::not_found);
  EXPECT_EQ(code("54000"), Errc::too_large);
  EXPECT_EQ(code("XX001"), Errc::corrupt);
  EXPECT_EQ(code("42P01"), Errc::corrupt) << "a table is gone";
  EXPECT_EQ(code("99999"), Errc::io);
  EXPECT_NE(postgres::describe("99999", "words", "a place").message().find("99999"),
            std::string::npos);
}

TEST(PostgresErrors, OnlyContentionIsTriedAgain) {
  for (const char* state : {"40001", "40P01", "23505", "22012", "55P03"})
    EXPECT_EQ(postgres::trouble_of(state), Trouble::contended) << state;
  for (const char* state : {"57P01", "57P03", "08006", "53300"})
    EXPECT_EQ(postgres::trouble_of(state), Trouble::lost) << state;
  for (const char* state : {"53100", "25006", "XX000", "42601", ""})
    EXPECT_EQ(postgres::trouble_of(state), Trouble::lasting) << state;
}

}  // namespace
