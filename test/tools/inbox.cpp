#include <persistctl/inbox.hpp>

#include "store_case.hpp"

#include <sstream>
#include <string>

namespace persistctl {
namespace {

template <class Place>
class InboxCase : public StoreCase<Place> {
 protected:
  void post(std::string_view type, std::uint16_t codec, std::string_view payload) {
    persist::PostRequest request;
    request.store = this->store.id;
    request.key = "Player_1";
    request.origin.source = {++ids, 1};
    request.origin.first_tried = this->place.clock.wall();
    request.message = {type, codec, 2, this->place.clock.wall() + std::chrono::hours(1),
                       as_bytes(payload)};
    this->place.backend.post(std::span(&request, 1));
    ASSERT_FALSE(failed(request.error)) << request.error;
  }
  std::uint64_t ids = 0;
};
TYPED_TEST_SUITE(InboxCase, Places);

TYPED_TEST(InboxCase, each_message_is_a_line_and_stays_where_it_is) {
  this->post("Gift", persist::codec::Json::id, R"({"coins":5})");
  this->post("Letter", persist::codec::Cbor::id, "\xa1\x64text\x62hi");
  std::ostringstream out;
  for (int again = 0; again < 2; ++again) {
    out.str("");
    const auto listed = list_inbox(this->place.backend, this->store, "Player_1", out);
    ASSERT_TRUE(listed) << listed.error();
    EXPECT_EQ(*listed, 2U);
  }
  const std::string text = out.str();
  EXPECT_NE(text.find(R"("type":"Gift","priority":2,"from":"a post")"), std::string::npos) << text;
  EXPECT_NE(text.find(R"("value":{"coins":5}})"), std::string::npos) << text;
  EXPECT_NE(text.find(R"("value":{"text":"hi"}})"), std::string::npos) << text;
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 2);
}

TYPED_TEST(InboxCase, what_cannot_be_read_is_named_and_the_others_are_listed) {
  this->post("Gift", persist::codec::Cbor::id, "\xff");
  this->post("Gift", 999, "x");
  this->post("Gift", persist::codec::Json::id, "{}");
  std::ostringstream out;
  EXPECT_EQ(*list_inbox(this->place.backend, this->store, "Player_1", out), 3U);
  EXPECT_NE(out.str().find("\"unreadable\":\"corrupt"), std::string::npos) << out.str();
  EXPECT_NE(out.str().find("\"unreadable\":\"wrong_codec"), std::string::npos) << out.str();
}

TYPED_TEST(InboxCase, a_record_that_is_not_there_is_said_to_be_none) {
  std::ostringstream out;
  EXPECT_TRUE(list_inbox(this->place.backend, this->store, "Player_9", out).is(Errc::not_found));
}

}  // namespace
}  // namespace persistctl
