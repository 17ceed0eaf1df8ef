#include <persistctl/export.hpp>

#include <cmath>

#include "store_case.hpp"

namespace persistctl {
namespace {

using namespace std::string_literals;

template <class Place>
class ExportFrom : public StoreCase<Place> {
 protected:
  /// Writes bytes as the record's data, whatever they are.
  void put(std::string_view key, Buffer data) { put(this->store.id, key, std::move(data)); }
  void put(persist::StoreId into, std::string_view key, Buffer data) {
    persist::AcquireRequest take{
        .store = into,
        .key = key,
        .owner = this->place.backend.next_owner(persist::ServerId("eu-1"))};
    this->place.backend.acquire(std::span(&take, 1));
    persist::Change change;
    change.store = into;
    change.key = key;
    change.fence = take.record.fence;
    change.fence.write = 1;
    change.data = &data;
    change.lease = persist::LeaseChange::release;
    persist::CommitRequest commit{.changes = std::span(&change, 1)};
    this->place.backend.commit(std::span(&commit, 1));
    ASSERT_EQ(commit.outcome, persist::CommitRequest::Outcome::applied);
  }
  [[nodiscard]] static Buffer envelope(std::uint16_t codec, std::string_view payload) {
    Buffer record;
    EXPECT_TRUE(persist::codec::write_envelope(record, {.codec = codec}, [&](Buffer& out) {
      out.append(payload);
      return Result<void>(success);
    }));
    return record;
  }
};
TYPED_TEST_SUITE(ExportFrom, Places);

TYPED_TEST(ExportFrom, an_empty_store_is_an_empty_file) {
  EXPECT_EQ(this->exported(), "");
}

TYPED_TEST(ExportFrom, records_are_read_by_the_codec_they_name) {
  this->put("json", this->envelope(persist::codec::json_id, R"({"b":1,"a":2.5})"));
  this->put("cbor", this->envelope(persist::codec::cbor_id, "\xa1\x61\x61\x05"));
  EXPECT_EQ(this->exported(),
            "{\"key\":\"cbor\",\"value\":{\"a\":5}}\n"
            "{\"key\":\"json\",\"value\":{\"a\":2.5,\"b\":1}}\n");
}

TYPED_TEST(ExportFrom, a_record_in_pieces_is_joined) {
  const std::string text(3000, 'x');
  const Buffer record = this->envelope(persist::codec::json_id, '"' + text + '"');
  Buffer stub;
  std::vector<Buffer> pieces;
  ASSERT_TRUE(persist::codec::chunked::split(record, 1024, stub, pieces));
  this->put("k", stub);
  std::ostringstream out;
  const auto lost = export_store(this->place.backend, this->store, out);
  ASSERT_TRUE(lost);
  ASSERT_EQ(lost->unreadable.size(), 1U);
  EXPECT_EQ(lost->unreadable[0], Errc::corrupt) << lost->unreadable[0];
  persist::OpenStoreRequest beside;
  const std::string name = this->store.name + "#pieces";
  beside.name = name;
  beside.lock = persist::LockKind::none;
  this->place.backend.open_store(std::span(&beside, 1));
  for (std::size_t i = 0; i < pieces.size(); ++i)
    this->put(beside.store, persist::pieces::key_of(persist::key_hash(this->store.birth, "k"), i),
              pieces[i]);
  EXPECT_EQ(this->exported(), R"({"key":"k","value":")" + text + "\"}\n");
}

TYPED_TEST(ExportFrom, a_record_that_cannot_be_read_is_named_and_the_others_are_there) {
  this->put("a", Buffer(as_bytes("garbage")));
  this->put("b", this->envelope(77, "x"));
  this->put("c", this->envelope(persist::codec::cbor_id, "\xf9\x7e\x01"));  // no number as we write
  this->put("d", this->envelope(persist::codec::json_id, "1"));
  std::ostringstream out;
  const auto report = export_store(this->place.backend, this->store, out);
  ASSERT_TRUE(report);
  EXPECT_EQ(report->records, 1U);
  ASSERT_EQ(report->unreadable.size(), 3U);
  EXPECT_EQ(report->unreadable[0], Errc::corrupt);
  EXPECT_EQ(report->unreadable[0].key(), "a");
  EXPECT_EQ(report->unreadable[1], Errc::wrong_codec);
  EXPECT_EQ(report->unreadable[1].key(), "b");
  EXPECT_EQ(out.str(), "{\"key\":\"d\",\"value\":1}\n");
}

TYPED_TEST(ExportFrom, what_json_does_not_have_leaves_no_half_line) {
  this->put("nan", this->envelope(persist::codec::cbor_id, "\xa1\x61\x61\xf9\x7e\x00"s));
  this->put("one", this->envelope(persist::codec::json_id, "1"));
  std::ostringstream out;
  const auto report = export_store(this->place.backend, this->store, out);
  ASSERT_TRUE(report);
  ASSERT_EQ(report->unreadable.size(), 1U);
  EXPECT_EQ(report->unreadable[0], Errc::invalid);
  EXPECT_EQ(out.str(), "{\"key\":\"one\",\"value\":1}\n");
}

TYPED_TEST(ExportFrom, all_tells_what_lies_beside_the_data) {
  ASSERT_TRUE(this->import(
      ProfileText{
          .roblox = R"({"region":"eu"})", .users = "[42]", .messages = R"([1,[[1,{"x":1}]]])"},
      {.message_type = "Gift"}));
  const std::string line = this->exported(true);
  EXPECT_EQ(line.find("{\"key\":\"Player_1\",\"value\":{\"coins\":5},\"metadata\":{\"region\":"
                      "\"eu\"},\"user_ids\":[42],\"created\":\"2020-09-13T12:26:40.000Z\","),
            0U)
      << line;
  EXPECT_NE(line.find("\"load_count\":7,\"version\":1,\"inbox_messages\":1,\"outbox_messages\":0}"),
            std::string::npos)
      << line;
}

TYPED_TEST(ExportFrom, a_record_with_messages_only_is_no_line) {
  ASSERT_TRUE(this->import(ProfileText{}));
  const Buffer payload;
  persist::PostRequest post{.store = this->store.id,
                            .key = "new",
                            .origin = {.source = {1, 2}, .first_tried = this->store.now},
                            .message = {"Gift", 1, 0, WallTime::max(), payload}};
  this->place.backend.post(std::span(&post, 1));
  ASSERT_FALSE(failed(post.error));
  EXPECT_EQ(this->exported(), "{\"key\":\"Player_1\",\"value\":{\"coins\":5}}\n");
}

TYPED_TEST(ExportFrom, a_full_disk_is_an_error) {
  ASSERT_TRUE(this->import(ProfileText{}));
  std::ostringstream full;
  full.setstate(std::ios::badbit);
  EXPECT_TRUE(export_store(this->place.backend, this->store, full).is(Errc::io));
}

}  // namespace
}  // namespace persistctl
