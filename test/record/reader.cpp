#include <persist/record/reader.hpp>

#include <gtest/gtest.h>

namespace {

using persist::append_little;
using persist::Buffer;
using persist::detail::Reader;

TEST(Reader, it_never_reads_past_the_end) {
  const std::byte bytes[] = {std::byte{1}, std::byte{0}, std::byte{0}};
  Reader from(bytes);
  EXPECT_EQ(from.number<std::uint16_t>(), 1);
  EXPECT_EQ(from.number<std::uint32_t>(), 0u);
  EXPECT_FALSE(from.good());
  EXPECT_TRUE(from.bytes(1).empty()) << "and stays so";
  Buffer lie;
  append_little(lie, std::uint32_t{0xffff'ffff});
  Reader count(lie);
  EXPECT_EQ(count.count(1), 0u) << "a count without room for it allocates nothing";
  EXPECT_FALSE(count.good());
}

TEST(Reader, what_was_appended_is_read_back) {
  Buffer bytes;
  persist::detail::append_text(bytes, "a key");
  persist::detail::append_hash(bytes, {1, 2});
  persist::detail::append_time(bytes, persist::WallTime(std::chrono::milliseconds(-5)));
  Reader from(bytes);
  EXPECT_EQ(from.text(), "a key");
  EXPECT_EQ(from.hash(), (persist::Hash128{1, 2}));
  EXPECT_EQ(from.time().time_since_epoch().count(), -5);
  EXPECT_TRUE(from.done());
}

}  // namespace
