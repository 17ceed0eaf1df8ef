#include <persist/backend/kv/value.hpp>

#include <persist/testing/laws/backend/driver.hpp>
#include <persist/testing/random.hpp>

#include <backend/kv/made_record.hpp>
#include <gtest/gtest.h>
#include <support/hex.hpp>
#include <support/scripted_map.hpp>

#include <fstream>

// The bytes of a value, and what becomes of those that are not ours.

namespace {

using namespace persist;
using namespace persist::backend::kv;
using persist::testing::laws::Driver;
using persist::testing::laws::Holding;
using persist::testing::laws::Taken;
using CommitOutcome = CommitRequest::Outcome;

const auto store_name = test::named_store;
const auto store_id = test::store_named;
using test::full_record;

TEST(KvValue, a_record_comes_back_as_it_was) {
  const Record before = full_record();
  const Buffer value = encode_record(before, store_name);
  const auto after = decode_record(value, "name", store_id);
  ASSERT_TRUE(after);
  EXPECT_EQ(encode_record(*after, store_name), value);
  EXPECT_EQ(after->key, before.key);
  EXPECT_EQ(after->head.fence, before.head.fence);
  EXPECT_EQ(after->head.past[1].session, 3U);
  EXPECT_EQ(after->head.asker, before.head.asker);
  EXPECT_EQ(after->head.renewed, before.head.renewed);
  EXPECT_EQ(after->data, before.data);
  EXPECT_EQ(after->user_ids, before.user_ids);
  EXPECT_EQ(after->receipts, before.receipts);
  EXPECT_EQ(after->inbox.messages.size(), 2U);
  EXPECT_EQ(after->inbox.bytes, before.inbox.bytes);
  EXPECT_EQ(after->outbox.messages[1].store, StoreId{1});
  EXPECT_EQ(as_text(after->history[0].data), "old");
}

TEST(KvValue, what_is_left_of_an_erased_record_spells_no_key) {
  Record left;
  left.head.fence.epoch = left.erased_epoch = 9;
  left.head.version = 4;
  const auto after = decode_record(encode_record(left, store_name), "name", store_id);
  ASSERT_TRUE(after);
  EXPECT_FALSE(after->exists);
  EXPECT_EQ(after->head.fence.epoch, 9U);
  EXPECT_EQ(after->head.version, 4U);
  EXPECT_TRUE(after->key.empty());
}

TEST(KvValue, every_truncation_and_every_flipped_bit_is_noticed) {
  const Buffer value = encode_record(full_record(), store_name);
  const auto code = [](ByteView bytes) {
    const auto read = decode_record(bytes, "name", store_id);
    return read ? Errc{} : read.error().code();
  };
  for (std::size_t size = 0; size < value.size(); ++size)
    EXPECT_EQ(code(value.view().first(size)), Errc::corrupt) << size;
  Buffer longer = value;
  longer.push(std::byte{0});
  EXPECT_EQ(code(longer), Errc::corrupt);
  for (std::size_t bit = 0; bit < 8 * value.size(); ++bit) {
    Buffer flipped = value;
    flipped.data()[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
    const bool is_format = bit / 8 >= 8 && bit / 8 < 12;  // where a newer one is to be believed
    const Errc expected = is_format && bit != 64 ? Errc::too_new : Errc::corrupt;
    EXPECT_EQ(code(flipped), expected) << bit;
  }
}

TEST(KvValue, no_bytes_with_the_right_sums_do_harm) {
  persist::testing::Random random(1);
  const Buffer value = encode_record(full_record(), store_name);
  for (int round = 0; round < 20'000; ++round) {
    Buffer bad = value;
    for (std::uint64_t flips = 1 + random.below(4); flips != 0; --flips)
      bad.data()[frame_size + random.below(bad.size() - frame_size)] =
          static_cast<std::byte>(random.below(4) == 0 ? 255 : random.below(256));
    if (random.below(4) == 0) bad.shrink(frame_size + random.below(bad.size() - frame_size));
    seal_value(bad);
    const auto read = decode_record(bad, "name", store_id);
    if (!read) {
      EXPECT_EQ(read.error(), Errc::corrupt);
      continue;
    }
    EXPECT_LE(read->head.lease.count(), longest_time);
    (void)held_by(read->head, TimePoint(Duration(longest_time)));
    (void)read->head.leased_at(TimePoint());
  }
}

TEST(KvValue, the_example_of_the_format_page_is_what_it_says) {
  std::ifstream page(PERSIST_SOURCE_DIR "/doc/format.md");
  Buffer bytes;
  bool there = false;
  for (std::string line; std::getline(page, line);) {
    there =
        (there && !line.starts_with("#")) || line == "<!-- The test of Kv reads these bytes. -->";
    if (there && line.starts_with("    "))
      bytes.append(test::from_hex(line.substr(4, line.find("  ", 4) - 4)).view());
  }
  const auto read = decode_record(bytes, "name", store_id);
  ASSERT_TRUE(read) << read.error();
  EXPECT_EQ(encode_record(*read, store_name), bytes);
  EXPECT_EQ(read->key, "k");
  EXPECT_EQ(read->head.fence, (Fence{1, {ServerId("eu-1"), 0x1122334455667788, 1}, 1}));
  EXPECT_EQ(read->head.lease, std::chrono::seconds(60));
  EXPECT_EQ(as_text(read->data), "hello");
}

TEST(KvValue, a_header_says_whose_it_is) {
  const StoreInfo store{"players", LockKind::optimistic, {1, 2}};
  const Buffer value = encode_header(store);
  const auto read = decode_header(value, "name");
  ASSERT_TRUE(read);
  EXPECT_EQ(read->name, "players");
  EXPECT_EQ(read->birth, store.birth);
  EXPECT_EQ(read->lock, LockKind::optimistic);
  EXPECT_EQ(decode_record(value, "name", store_id).error(), Errc::corrupt);
  EXPECT_EQ(decode_header(encode_record(full_record(), store_name), "name").error(), Errc::corrupt);
}

// The same through the backend: whatever lies there stays, and is told of.

struct KvDamage : ::testing::Test {
  persist::testing::ManualClock clock;
  persist::testing::Report report;
  MemoryMap map{clock};
  backend::Kv<MemoryMap> kv{map};
  Driver<backend::Kv<MemoryMap>> d{kv, clock, report};

  std::string record_of(std::string_view key) { return record_name(base_of("laws"), d.birth, key); }
  /// No operation on that record does anything but say so.
  void expect_refused(std::string_view key, Errc code) {
    const auto before = test::contents(map);
    EXPECT_EQ(d.acquire(key, d.somebody()).error, code);
    EXPECT_EQ(d.acquire(key, d.somebody(), Intent::look).error, code);
    EXPECT_EQ(d.read(key).error, code);
    EXPECT_EQ(d.post(key, 1, "hello").error, code);
    EXPECT_EQ(d.erase(key).error, code);
    auto draft = persist::testing::laws::Draft(d.store, key, {1, d.somebody(), 1}).data("new");
    CommitRequest commit{{&draft.bind(), 1}};
    kv.commit({&commit, 1});
    EXPECT_EQ(commit.outcome, CommitOutcome::failed);
    EXPECT_EQ(commit.error, code);
    const OutgoingMessage none;
    RelayRequest take{d.store, 64, {}, key, {&none, 1}};
    kv.relay({&take, 1});
    EXPECT_EQ(take.error, code);
    EXPECT_EQ(test::contents(map), before) << "not a byte is another";
  }
  void TearDown() override { EXPECT_TRUE(report.passed()) << report.text(); }
};

TEST_F(KvDamage, what_cannot_be_read_is_left_as_it_is) {
  Holding mine = d.take("k");
  d.save(mine, "precious");
  EXPECT_EQ(d.commit(d.next(mine).release()), CommitOutcome::applied);
  const Buffer value = map.get(record_of("k"))->value;
  Buffer flipped = value;
  flipped.data()[value.size() - 3] ^= std::byte{1};
  Buffer newer = value;
  newer.data()[8] = std::byte{2};
  for (const auto& [bad, code] :
       {std::pair(flipped, Errc::corrupt), std::pair(newer, Errc::too_new),
        std::pair(Buffer(value.view().first(40)), Errc::corrupt),
        std::pair(Buffer(as_bytes("another program's")), Errc::corrupt),
        std::pair(encode_schema(as_bytes("s")), Errc::corrupt)}) {
    test::put(map, record_of("k"), bad);
    expect_refused("k", code);
    ScanRequest page{d.store};
    kv.scan({&page, 1});
    EXPECT_EQ(page.keys, std::vector<std::string>{"k"}) << "whoever looks for it finds it";
  }
  test::put(map, record_of("k"), value);
  EXPECT_TRUE(d.holds_text("k", "precious"));
}

TEST_F(KvDamage, another_records_value_is_not_taken_for_its_own) {
  Holding mine = d.take("k");
  d.save(mine, "precious");
  test::put(map, record_of("other"), map.get(record_of("k"))->value);
  expect_refused("other", Errc::corrupt);
}

TEST_F(KvDamage, one_that_cannot_be_read_holds_up_no_relay) {
  RecordLimits none;
  none.inbox_messages = 0;
  for (const char* key : {"a", "b"}) {
    Holding mine = d.take(key);
    EXPECT_EQ(d.commit(d.next(mine).data("x").send("receiver", 1, key).limits(none)),
              CommitOutcome::applied);
  }
  test::put(map, record_of("a"), as_bytes("damaged"));
  const auto waiting = d.waiting();
  ASSERT_EQ(waiting.size(), 1U);
  EXPECT_EQ(waiting[0].key, "b");
}

TEST_F(KvDamage, a_header_that_cannot_be_read_is_not_made_anew) {
  const std::string name = header_name(base_of("laws"));
  const Buffer header = map.get(name)->value;
  Buffer newer = header;
  newer.data()[8] = std::byte{2};
  for (const auto& [bad, code] :
       {std::pair(newer, Errc::too_new), std::pair(Buffer(as_bytes("damaged")), Errc::corrupt)}) {
    test::put(map, name, bad);
    OpenStoreRequest open{"laws", LockKind::lease, {}};
    backend::Kv<MemoryMap>(map).open_store({&open, 1});
    EXPECT_EQ(open.error, code);
    EXPECT_EQ(map.get(name)->value, bad);
  }
}

TEST_F(KvDamage, a_schema_that_is_another_is_told) {
  const Schema schema{schema_id(as_bytes("names")), as_bytes("names")};
  Holding mine = d.take("k");
  auto draft = d.next(mine).data("x");
  draft.change().schema = &schema;
  draft.change().sends_schema = true;
  EXPECT_EQ(d.commit(draft), CommitOutcome::applied);
  test::put(map, schema_name(base_of("laws"), schema.id), encode_schema(as_bytes("others")));
  SchemaRequest request{d.store, schema.id};
  kv.read_schemas({&request, 1});
  EXPECT_EQ(request.error, Errc::corrupt);
}

}  // namespace
