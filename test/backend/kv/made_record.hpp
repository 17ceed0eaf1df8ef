#pragma once

#include <persist/backend/kv/value.hpp>

#include <cstdint>
#include <string>
#include <string_view>

namespace test {

/// Stores are named by their number.
inline std::string named_store(persist::StoreId store) {
  return "store" + std::to_string(store.index);
}
inline persist::StoreId store_named(std::string_view name) {
  return {name.empty() ? 0U : static_cast<std::uint32_t>(name.back() - '0') & 0xffU};
}

/// One that has everything.
inline persist::backend::kv::Record full_record() {
  using namespace persist;
  backend::kv::Record record;
  record.exists = true;
  record.revision = 12;
  record.erased_epoch = 3;
  record.key = std::string("Player_7\0\xff", 10);
  record.head.fence = {9, {ServerId("eu-1"), 11, 5}, 4};
  record.head.past[0] = {8, 10, 4, 2};
  record.head.past[1] = {7, 10, 3, 1};
  record.head.version = 6;
  record.head.load_count = 2;
  record.head.renewals = 40;
  record.head.lease = std::chrono::seconds(60);
  record.head.renewed = TimePoint(std::chrono::hours(5));
  record.head.created = WallTime(std::chrono::hours(1));
  record.head.updated = WallTime(std::chrono::hours(2));
  record.head.asker = {ServerId("us-1"), 77, 6};
  record.has_data = true;
  record.data = Buffer(as_bytes("data"));
  record.metadata = Buffer(as_bytes("meta"));
  record.user_ids = {1, ~std::uint64_t{0}};
  append_index_entry(record.indexed, "coins", -5);
  record.receipts = {{{1, 2}, 3}, {{4, 5}, 6}};
  record.receipts_forgotten = 2;
  (void)receive(record.inbox, {{1, 2}, 5, 3, {}}, {"Gift", 1, 2, {}, as_bytes("a")}, {}, {});
  (void)receive(record.inbox, {{9, 9}, 0, 0, WallTime(std::chrono::hours(1))},
                {"Mail", 2, 0, {}, as_bytes("b")}, {}, {});
  for (const std::uint32_t to : {3U, 1U, 3U})
    record.outbox.messages.push_back(
        {{to}, "receiver", 9, to, "Gift", 1, 0, {}, Buffer(as_bytes("c"))});
  record.history = {{{4, {}, WallTime(std::chrono::hours(1)), 3}, Buffer(as_bytes("old"))},
                    {{5, {}, WallTime(std::chrono::hours(2)), 0}, Buffer()}};
  return record;
}

}  // namespace test
