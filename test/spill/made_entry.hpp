#pragma once

#include <persist/spill/entry.hpp>

#include <string_view>

namespace test {

/// An entry that has some of all that there is: a transaction of two records, one of them in
/// pieces.
inline persist::spill::Entry full_entry() {
  using namespace persist;
  spill::Entry entry;
  entry.at = WallTime(std::chrono::milliseconds(1'700'000'000'000));
  entry.server = "eu-1";
  entry.why = "the database did not answer";
  entry.stores = {{"players", LockKind::lease, {1, 2}}, {"guilds", LockKind::none, {3, 4}}};
  spill::Part a;
  a.key = "7";
  a.fence = {5, {ServerId("eu-1"), 11, 12}, 9};
  a.data = Buffer(as_bytes("the envelope"));
  a.schema_id = {13, 14};
  a.schema = Buffer(as_bytes("the schema"));
  a.user_ids = {{1001, 1002}};
  a.metadata = Buffer(as_bytes("the metadata"));
  append_index_entry(a.indexed.emplace(), "coins", 40);
  a.acknowledged = {3, 4, 5};
  a.sends.push_back({{1},
                     "red",
                     5,
                     2,
                     "Gift",
                     1,
                     7,
                     WallTime(std::chrono::milliseconds(99)),
                     Buffer(as_bytes("a gift"))});
  a.receipts = {{{21, 22}, 19'000}, {{23, 24}, 19'001}};
  a.forget_receipts = 18'000;
  a.created = WallTime(std::chrono::milliseconds(1));
  a.load_count = 3;
  a.lease = LeaseChange::renew;
  a.lease_length = std::chrono::seconds(60);
  a.claims = Claims::anyway;
  a.seen_version = 9;
  a.history = HistoryRule{3, std::chrono::hours(1), std::chrono::hours(24), 5000};
  a.seen_position = 6;
  entry.parts.push_back(std::move(a));
  spill::Part b;
  b.store = 1;
  b.key = "red";
  b.fence = {6, {ServerId("eu-1"), 11, 13}, 1};
  b.data = Buffer(as_bytes("the stub"));
  b.pieces = spill::Pieces{true, true, 3, {8, 9}, {}};
  b.pieces->parts.emplace_back(as_bytes("the first piece"));
  b.pieces->parts.emplace_back(as_bytes("the second"));
  entry.parts.push_back(std::move(b));
  return entry;
}

/// One of one record.
inline persist::spill::Entry small_entry(std::string_view key = "7") {
  persist::spill::Entry entry;
  entry.stores = {{"players", persist::LockKind::lease, {1, 2}}};
  persist::spill::Part part;
  part.key = key;
  part.fence = {5, {persist::ServerId("eu-1"), 11, 12}, 9};
  part.data = persist::Buffer(persist::as_bytes("the envelope"));
  entry.parts.push_back(std::move(part));
  return entry;
}

}  // namespace test
