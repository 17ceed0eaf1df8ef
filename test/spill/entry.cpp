#include <persist/spill/entry.hpp>

#include <gtest/gtest.h>

#include "made_entry.hpp"

namespace {

using Keys = std::vector<std::string>;

TEST(SpillEntry, it_knows_the_keys_of_each_of_its_stores) {
  const auto entry = test::full_entry();
  EXPECT_EQ(entry.keys_in({"players", persist::LockKind::lease, {1, 2}}), Keys{"7"});
  EXPECT_EQ(entry.keys_in({"guilds", persist::LockKind::none, {3, 4}}), Keys{"red"});
  EXPECT_EQ(entry.keys_in({"players", persist::LockKind::lease, {1, 3}}), Keys{})
      << "of a database that was made anew";
}

TEST(SpillEntry, its_data_is_counted_with_the_pieces) {
  EXPECT_EQ(test::full_entry().data_bytes(), 12U + 8U + 15U + 10U);
}

}  // namespace
