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
  EXPECT_TRUE(train(this->place.backend, this->store, 2048).is(Errc::invalid));
}

}  // namespace
}  // namespace persistctl
