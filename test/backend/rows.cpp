#include <persist/backend/rows.hpp>

#include <gtest/gtest.h>

#include <persist/backend/sqlite/tables.hpp>

namespace {

namespace rows = persist::backend::rows;

/// What a database of rows gives, in a form that only has to compile: the tables ask for nothing
/// else.
TEST(Rows, ARecordNeedsNoDatabaseToBeJudged) {
  const rows::Record record{.store = {1}, .key = "k"};
  EXPECT_FALSE(record.exists());
  EXPECT_EQ(record.beside, nullptr);
  static_assert(!persist::backend::sqlite::Sql::remembers_rows);
  EXPECT_EQ(rows::Records<persist::backend::sqlite::Sql>::columns().find("revision"),
            std::string::npos);
}

}  // namespace
