#include <persistctl/train.hpp>

#include "store_case.hpp"

#include <vector>

namespace persistctl {
namespace {

template <class Place>
class Train : public StoreCase<Place> {
 protected:
  /// Profiles that resemble each other as those of one game do.
  void fill(int records) {
    std::string lines;
    for (int i = 0; i < records; ++i)
      lines += std::string(ProfileText{
          .key = "Player_" + std::to_string(i),
          .data = R"({"coins":)" + std::to_string(i * 37 % 1000) +
                  R"(,"settings":{"music":true,"quality":"high","language":"en"},"name":"player )" +
                  std::to_string(i * 7919) + "\"}"});
    ASSERT_TRUE(this->import(lines, {.codec = persist::codec::cbor_id}));
  }
  void write(std::string_view key, Buffer record) {
    persist::AcquireRequest take{.store = this->store.id,
                                 .key = key,
                                 .owner = this->place.backend.next_owner(persist::ServerId("eu"))};
    this->place.backend.acquire(std::span(&take, 1));
    persist::Change change;
    change.store = this->store.id;
    change.key = key;
    change.fence = take.record.fence;
    change.fence.write = 1;
    change.data = &record;
    persist::CommitRequest commit{.changes = std::span(&change, 1)};
    this->place.backend.commit(std::span(&commit, 1));
    ASSERT_EQ(commit.outcome, persist::CommitRequest::Outcome::applied);
  }
};
TYPED_TEST_SUITE(Train, Places);

TYPED_TEST(Train, what_a_store_holds_makes_a_dictionary_that_pays) {
  this->fill(1000);
  const auto made = train(this->place.backend, this->store, 2048);
  ASSERT_TRUE(made) << made.error();
  const TrainReport& report = made->second;
  EXPECT_EQ(report.records, 900U);
  EXPECT_EQ(report.tried, 100U);
  EXPECT_EQ(report.bytes, made->first.size());
  EXPECT_LE(report.bytes, 2048U);
  EXPECT_LE(report.without, report.plain);
  EXPECT_LT(2 * report.with, report.without);
  EXPECT_EQ(persist::compress::ZstdDictionary::open(made->first)->id(), report.id);
  EXPECT_TRUE(Dictionaries::known.empty()) << "it was only tried";
  EXPECT_EQ(train(this->place.backend, this->store, 2048)->first, made->first) << "and the same";
}

TYPED_TEST(Train, too_few_records_are_said_to_be_too_few) {
  EXPECT_TRUE(train(this->place.backend, this->store, 2048).is(Errc::invalid));
  this->fill(3);
  const auto few = train(this->place.backend, this->store, 2048);
  ASSERT_TRUE(few.is(Errc::invalid));
  EXPECT_EQ(few.error().detail().find("passed over"), std::string_view::npos) << few.error();
}

TYPED_TEST(Train, records_that_it_cannot_read_are_counted_with_the_reason) {
  Buffer sealed;
  ASSERT_TRUE(persist::codec::write_envelope(
      sealed, {.codec = persist::codec::cbor_id, .flags = persist::codec::EnvelopeLayout::sealed},
      [](Buffer&) -> Result<void> { return success; }));
  this->write("a", sealed);
  this->write("b", sealed);
  this->write("c", Buffer(as_bytes("garbage")));
  const auto made = train(this->place.backend, this->store, 2048);
  ASSERT_TRUE(made.is(Errc::invalid));
  const std::string words(made.error().detail());
  EXPECT_NE(
      words.find("; 2 sealed records were passed over: only a server with their keys can "
                 "read them; 1 other record was passed over, the first because of corrupt: c: "),
      std::string::npos)
      << words;
}

}  // namespace
}  // namespace persistctl
