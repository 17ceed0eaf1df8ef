#include <persist/backend/kv/cache.hpp>

#include <gtest/gtest.h>

namespace {

using persist::backend::kv::Cache;
using persist::backend::kv::Cell;

Cell cell_of(std::string name, std::size_t bytes, std::string version = "1") {
  Cell cell{std::move(name)};
  cell.bytes = bytes;
  cell.version = std::move(version);
  return cell;
}

TEST(KvCache, gives_what_it_keeps_once) {
  Cache cache(100);
  cache.keep(cell_of("a", 10));
  const auto got = cache.take("a");
  ASSERT_TRUE(got);
  EXPECT_TRUE(got->is_remembered);
  EXPECT_FALSE(cache.take("a")) << "nobody else builds on it";
}

TEST(KvCache, keeps_no_more_than_it_may) {
  Cache cache(100);
  for (const char* name : {"a", "b", "c", "d"})
    cache.keep(cell_of(name, 40));
  int kept = 0;
  for (const char* name : {"a", "b", "c", "d"})
    kept += cache.take(name) ? 1 : 0;
  EXPECT_EQ(kept, 2);
  cache.keep(cell_of("large", 101));
  EXPECT_FALSE(cache.take("large"));
  cache.keep(cell_of("a", 100));
  EXPECT_TRUE(cache.take("a")) << "and there is room again for what went";
}

TEST(KvCache, keeps_the_last_of_one_name) {
  Cache cache(100);
  cache.keep(cell_of("a", 60, "1"));
  cache.keep(cell_of("a", 30, "2"));
  cache.keep(cell_of("b", 70));
  const auto got = cache.take("a");
  ASSERT_TRUE(got) << "it counts as it is";
  EXPECT_EQ(got->version, "2");
}

}  // namespace
