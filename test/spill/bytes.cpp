#include <persist/spill/bytes.hpp>

#include <support/hex.hpp>

#include <algorithm>
#include <fstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "made_entry.hpp"

namespace {

using persist::as_text;
using persist::Buffer;
using persist::ByteView;
using persist::Errc;
using namespace persist::spill;

Buffer encoded(const Entry& entry) {
  Buffer bytes;
  EXPECT_TRUE(encode(entry, bytes));
  return bytes;
}
/// As a hostile writer has it: the sums fit.
Buffer resealed(Buffer bytes) {
  persist::store_little(bytes.data() + 12, static_cast<std::uint32_t>(bytes.size() - header_size));
  persist::store_little(bytes.data() + 16,
                        persist::detail::crc32c(bytes.view().subspan(header_size)));
  persist::store_little(bytes.data() + 20,
                        persist::detail::crc32c(bytes.view().first(header_size - 4)));
  return bytes;
}

TEST(SpillBytes, what_was_written_is_read_again_all_of_it) {
  const Entry entry = test::full_entry();
  const Buffer bytes = encoded(entry);
  const auto read = decode(bytes);
  ASSERT_TRUE(read) << read.error();
  EXPECT_EQ(encoded(*read), bytes);
  EXPECT_EQ(read->kind, Kind::commit);
  EXPECT_EQ(read->at, entry.at);
  EXPECT_EQ(read->server, "eu-1");
  EXPECT_EQ(read->stores[1].name, "guilds");
  EXPECT_EQ(read->stores[1].lock, persist::LockKind::none);
  const Part& a = read->parts[0];
  EXPECT_EQ(a.key, "7");
  EXPECT_EQ(a.fence, entry.parts[0].fence);
  EXPECT_EQ(as_text(*a.data), "the envelope");
  EXPECT_EQ(as_text(*a.schema), "the schema");
  EXPECT_EQ(*a.user_ids, (std::vector<std::uint64_t>{1001, 1002}));
  EXPECT_EQ(as_text(*a.metadata), "the metadata");
  EXPECT_EQ(*a.indexed, *entry.parts[0].indexed);
  EXPECT_EQ(a.acknowledged.size(), 3U);
  EXPECT_EQ(as_text(a.sends[0].payload), "a gift");
  EXPECT_EQ(a.sends[0].store.index, 1U);
  EXPECT_EQ(a.receipts, entry.parts[0].receipts);
  EXPECT_EQ(a.forget_receipts, 18'000U);
  EXPECT_EQ(a.load_count, 3U);
  EXPECT_EQ(a.created, entry.parts[0].created);
  EXPECT_EQ(a.lease, persist::LeaseChange::renew);
  EXPECT_EQ(a.lease_length, std::chrono::seconds(60));
  EXPECT_EQ(a.claims, persist::Claims::anyway);
  EXPECT_EQ(a.seen_version, 9U);
  ASSERT_TRUE(a.history);
  EXPECT_EQ(a.history->keep, 3U);
  EXPECT_EQ(a.history->every, std::chrono::hours(1));
  EXPECT_EQ(a.history->for_, std::chrono::hours(24));
  EXPECT_EQ(a.history->bytes, 5000U);
  EXPECT_EQ(a.seen_position, 6U);
  const Part& b = read->parts[1];
  EXPECT_FALSE(b.user_ids || b.metadata || b.indexed || b.schema || b.created || b.load_count ||
               b.history);
  EXPECT_EQ(b.pieces->filled, 3U);
  EXPECT_EQ(as_text(b.pieces->parts[1]), "the second");
}

TEST(SpillBytes, the_smallest_entry_there_is_can_be_read) {
  Entry entry = test::small_entry("k");
  entry.parts[0].fence.owner.server = {};
  entry.parts[0].data.reset();
  entry.parts[0].removes_data = true;
  EXPECT_TRUE(decode(encoded(entry)));
}

TEST(SpillBytes, an_entry_that_is_cut_off_anywhere_is_refused) {
  const Buffer bytes = encoded(test::full_entry());
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_TRUE(decode(bytes.view().first(size)).is(Errc::corrupt)) << size;
    if (size < header_size) continue;
    Buffer cut(bytes.view().first(size));
    EXPECT_TRUE(decode(resealed(std::move(cut))).is(Errc::corrupt)) << size << ", with good sums";
  }
  Buffer longer(bytes.view());
  longer.push(std::byte{0});
  EXPECT_TRUE(decode(longer).is(Errc::corrupt));
  EXPECT_TRUE(decode(resealed(std::move(longer))).is(Errc::corrupt));
}

TEST(SpillBytes, a_flipped_bit_anywhere_is_found) {
  const Buffer bytes = encoded(test::full_entry());
  for (std::size_t at = 0; at < bytes.size(); ++at)
    for (int bit = 0; bit < 8; ++bit) {
      Buffer flipped(bytes.view());
      flipped.data()[at] ^= std::byte(1U << bit);
      EXPECT_FALSE(decode(flipped)) << at;
    }
}

TEST(SpillBytes, whatever_lies_at_any_place_with_good_sums_neither_crashes_nor_takes_memory) {
  const Buffer bytes = encoded(test::full_entry());
  for (std::size_t at = header_size; at < bytes.size(); ++at)
    for (const unsigned value : {0x00U, 0x01U, 0x7fU, 0x80U, 0xffU})
      for (const std::size_t width : {std::size_t{1}, std::size_t{4}, std::size_t{8}}) {
        Buffer hostile(bytes.view());
        std::fill_n(hostile.data() + at, (std::min)(width, bytes.size() - at), std::byte(value));
        const auto read = decode(resealed(std::move(hostile)));
        EXPECT_LE(read ? read->data_bytes() : 0, bytes.size());
      }
}

TEST(SpillBytes, a_store_that_is_not_there_a_lock_or_a_lease_that_is_none_are_refused) {
  const auto refused = [](auto&& change) {
    Entry entry = test::full_entry();
    change(entry);
    return decode(encoded(entry)).is(Errc::corrupt);
  };
  EXPECT_TRUE(refused([](Entry& e) { e.parts[0].store = 2; }));
  EXPECT_TRUE(refused([](Entry& e) { e.parts[0].sends[0].store.index = 2; }));
  EXPECT_TRUE(refused([](Entry& e) { e.parts[0].removes_data = true; })) << "and has data";
  EXPECT_TRUE(refused([](Entry& e) { e.parts[0].key.clear(); }));
  EXPECT_TRUE(refused([](Entry& e) { e.parts[0].lease = static_cast<persist::LeaseChange>(3); }));
  EXPECT_TRUE(refused([](Entry& e) { e.stores[0].lock = static_cast<persist::LockKind>(9); }));
  EXPECT_TRUE(refused([](Entry& e) { e.parts[1].pieces->filled = std::uint64_t{1} << 40; }));
  EXPECT_TRUE(refused([](Entry& e) { e.kind = static_cast<Kind>(3); }));
  EXPECT_TRUE(refused([](Entry& e) { e.parts.clear(); }));
  EXPECT_TRUE(refused([](Entry& e) { e.parts[0].indexed = Buffer(persist::as_bytes("none")); }));
}

TEST(SpillBytes, a_newer_format_is_too_new_and_foreign_bytes_are_corrupt) {
  Buffer newer = encoded(test::small_entry());
  persist::store_little(newer.data() + 8, format + 1);
  EXPECT_TRUE(decode(resealed(std::move(newer))).is(Errc::too_new));
  EXPECT_TRUE(
      decode(persist::as_bytes("#!/bin/sh\nexit 0 # a file of somebody else\n")).is(Errc::corrupt));
  EXPECT_TRUE(decode({}).is(Errc::corrupt));
}

/// The pairs of hex digits at the beginning of its lines.
TEST(SpillBytes, the_example_of_the_format_page_is_what_it_says) {
  std::ifstream page(PERSIST_SOURCE_DIR "/doc/format.md");
  Buffer bytes;
  bool there = false;
  for (std::string line; std::getline(page, line);) {
    there = (there && !line.starts_with("#")) || line == "<!-- Another test reads these bytes. -->";
    if (there && line.starts_with("    "))
      bytes.append(test::from_hex(line.substr(4, line.find("  ", 4) - 4)).view());
  }
  const auto read = decode(bytes);
  ASSERT_TRUE(read) << read.error();
  EXPECT_EQ(encoded(*read), bytes);
  EXPECT_EQ(read->why, "down");
  const Part& record = read->parts[0];
  EXPECT_EQ(record.key, "k");
  EXPECT_EQ(record.fence.epoch, (1U << 24) + 1);
  EXPECT_EQ(record.fence.write, 2U);
  EXPECT_EQ(as_text(*record.data), "hello");
  EXPECT_EQ(record.lease, persist::LeaseChange::release);
  EXPECT_EQ(record.lease_length, std::chrono::seconds(60));
}

TEST(SpillBytes, a_reason_of_any_length_is_kept_as_far_as_people_read) {
  Entry entry = test::small_entry();
  entry.why.assign(100'000, 'x');
  const auto read = decode(encoded(entry));
  ASSERT_TRUE(read) << read.error();
  EXPECT_EQ(read->why.size(), 4000U);
}

}  // namespace
