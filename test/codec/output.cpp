#include <persist/codec/output.hpp>

#include <persist/codec/json/writer.hpp>

#include <gtest/gtest.h>

namespace {

using namespace persist;

TEST(Output, the_first_failure_stays) {
  Buffer bytes;
  codec::JsonWriter output(bytes);
  EXPECT_TRUE(output.ok());
  output.fail(Error(Errc::invalid, "first"));
  output.fail(Error(Errc::too_large, "second"));
  EXPECT_FALSE(output.ok());
  EXPECT_EQ(output.take_error().detail(), "first");
}

}  // namespace
