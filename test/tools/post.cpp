#include <persistctl/inbox.hpp>
#include <persistctl/post.hpp>

#include "store_case.hpp"

#include <sstream>
#include <string>
#include <vector>

namespace persistctl {
namespace {

const std::vector<Command> posting{{"post",
                                    "KEY",
                                    "",
                                    {{"--type", "T", ""},
                                     {"--json", "J", ""},
                                     {"--id", "I", ""},
                                     {"--priority", "N", ""},
                                     {"--days", "N", ""}}}};

[[nodiscard]] Result<NewMessage> typed_message(std::vector<std::string_view> words) {
  words.insert(words.begin(), {"post", "k"});
  const auto typed = read_command_line(posting, words);
  return typed ? message_of(*typed) : Result<NewMessage>(typed.error());
}

TEST(PostWords, say_what_is_sent) {
  const auto message = typed_message({"--type", "Gift", "--json", R"({"coins":5})", "--id",
                                      "order-7", "--priority=9", "--days=3"});
  ASSERT_TRUE(message) << message.error();
  EXPECT_EQ(message->type, "Gift");
  EXPECT_EQ(message->json, R"({"coins":5})");
  EXPECT_EQ(message->id, "order-7");
  EXPECT_EQ(message->priority, 9);
  EXPECT_EQ(message->waits, std::chrono::days(3));
  EXPECT_EQ(typed_message({"--type", "Gift", "--json", "{}"})->waits, std::chrono::days(7));
}

TEST(PostWords, that_make_no_message_are_refused) {
  using Words = std::vector<std::string_view>;
  for (const Words& words :
       {Words{}, Words{"--type", "Gift"}, Words{"--json", "{}"},
        Words{"--type", "Gift", "--json", "{"}, Words{"--type", "Gift", "--json", "{} {}"},
        Words{"--type", "Gift", "--json", "{}", "--priority", "256"},
        Words{"--type", "Gift", "--json", "{}", "--priority", "-1"},
        Words{"--type", "Gift", "--json", "{}", "--days", "0"},
        Words{"--type", "Gift", "--json", "{}", "--days", "46"},
        Words{"--type", "Gift", "--json", "{}", "--days", "1d"}})
    EXPECT_TRUE(typed_message(words).is(Errc::invalid)) << words.size();
}

struct Gift {
  std::int64_t coins = 0;
};
struct Purse {
  using data_type = std::int64_t;
  using message = std::variant<Gift>;
};

template <class Where>
struct PostCase : StoreCase<Where> {};
TYPED_TEST_SUITE(PostCase, Places);

TYPED_TEST(PostCase, a_message_reaches_a_record_that_is_not_there_yet_once_per_id) {
  const NewMessage gift{"Gift", R"({"coins":5})", "order-7", 3};
  const auto first = post_message(this->place.backend, this->store, "Player_1", gift);
  const auto again = post_message(this->place.backend, this->store, "Player_1", gift);
  ASSERT_TRUE(first && again) << first.error();
  EXPECT_FALSE(first->repeated);
  EXPECT_TRUE(again->repeated);
  EXPECT_EQ(first->position, again->position);
  std::ostringstream out;
  EXPECT_EQ(*list_inbox(this->place.backend, this->store, "Player_1", out), 1U);
  EXPECT_NE(out.str().find(R"("type":"Gift","priority":3,"from":"a post")"), std::string::npos);
  EXPECT_NE(out.str().find(R"("value":{"coins":5})"), std::string::npos);
}

TYPED_TEST(PostCase, without_an_id_each_is_another_one) {
  const NewMessage gift{"Gift", "{}", ""};
  for (int i = 0; i < 2; ++i)
    EXPECT_FALSE(post_message(this->place.backend, this->store, "Player_1", gift)->repeated);
}

TYPED_TEST(PostCase, an_id_is_the_one_that_a_game_knows_it_by) {
  persist::StoreOptions told;
  told.clock = &this->place.clock;
  persist::Store<std::string, Purse, typename TypeParam::Backend> players(
      "Players", this->place.backend, told);
  ASSERT_TRUE(post_message(this->place.backend, this->store, "ann",
                           NewMessage{"Gift", R"({"coins":5})", "order-7"}));
  EXPECT_TRUE(players.post("ann", Gift{5}, {.id = "order-7"})->repeated);
  players.on_message([](std::int64_t& coins, const Gift& gift) { coins += gift.coins; });
  auto session = players.load("ann");
  ASSERT_TRUE(session) << session.error();
  players.poll();
  EXPECT_EQ(session->clone(), 5);
}

TYPED_TEST(PostCase, what_no_record_can_take_is_refused) {
  const NewMessage gift{"Gift", "{}", ""};
  EXPECT_TRUE(post_message(this->place.backend, this->store, "", gift).is(Errc::invalid));
  EXPECT_TRUE(post_message(this->place.backend, this->store, std::string(2000, 'k'), gift)
                  .is(Errc::invalid));
  const NewMessage large{"Gift", '"' + std::string(2 << 20, 'x') + '"', ""};
  EXPECT_FALSE(post_message(this->place.backend, this->store, "ann", large));
}

}  // namespace
}  // namespace persistctl
