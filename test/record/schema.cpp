#include <persist/record/schema.hpp>

#include <gtest/gtest.h>

namespace {

using namespace persist;

TEST(Schema, is_named_by_what_it_holds) {
  // On disk in every record that names one: never another.
  const Hash128 id = schema_id(as_bytes("names and kinds"));
  EXPECT_EQ(id.low, 15198332188497846623U);
  EXPECT_EQ(id.high, 16152262414943035138U);
  EXPECT_NE(schema_id(as_bytes("names and kind")), id);
}

TEST(Schema, that_is_not_there_is_named_in_full) {
  const Error error = unknown_schema({0xab, 0x1});
  EXPECT_EQ(error, Errc::unknown_schema);
  EXPECT_NE(error.detail().find("000000000000000100000000000000ab"), std::string_view::npos)
      << error;
}

}  // namespace
