// builds: single no-exceptions
#include <persist/session/message_codec.hpp>

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <gtest/gtest.h>

namespace game {
struct Player {
  int coins = 0;
};
struct Gift {
  int coins = 0;
  std::string from;
};
struct Letter {
  std::string text;
};
struct Renamed {
  static constexpr auto persist_name = "Parcel";
  int weight = 0;
};
struct SameName {
  static constexpr auto persist_name = "Gift";
  int weight = 0;
};
}  // namespace game

namespace {

using namespace persist;
using game::Gift;
using game::Letter;
using game::Player;

void takes_gift(Player& player, const Gift& gift) {
  player.coins += gift.coins;
}
void takes_gift_safely(Player& player, const Gift& gift) noexcept {
  player.coins += gift.coins;
}
struct TakesGift {
  void operator()(Player& player, const Gift& gift) { player.coins += gift.coins; }
};

// What a handler takes is read off it, however it is written.
template <class F>
constexpr bool handles_gift = std::is_same_v<typename detail::HandledMessage<F>::type, Gift>;
static_assert(handles_gift<decltype(takes_gift)> && handles_gift<decltype(takes_gift_safely)>);
static_assert(handles_gift<decltype(&takes_gift)> && handles_gift<decltype(&takes_gift_safely)>);
static_assert(handles_gift<TakesGift>);
static_assert(handles_gift<std::function<void(Player&, const Gift&)>>);
const auto by_reference = [](Player& player, const Gift& gift) { player.coins += gift.coins; };
const auto by_value = [](Player& player, Gift gift) { return (player.coins += gift.coins) > 0; };
const auto without_throwing = [](Player& player, const Gift& gift) noexcept {
  player.coins += gift.coins;
};
const auto mutably = [count = 0](Player& player, const Gift&) mutable { player.coins = ++count; };
const auto mutably_without_throwing = [count = 0](Player& player, const Gift&) mutable noexcept {
  player.coins = ++count;
};
template <class F>
constexpr bool lambda_handles_gift = handles_gift<std::remove_cv_t<F>>;
static_assert(lambda_handles_gift<decltype(by_reference)> &&
              lambda_handles_gift<decltype(by_value)>);
static_assert(lambda_handles_gift<decltype(without_throwing)>);
static_assert(lambda_handles_gift<decltype(mutably)> &&
              lambda_handles_gift<decltype(mutably_without_throwing)>);

// What a data policy's `message` allows.
using Allowed = std::variant<Gift, Letter>;
static_assert(detail::MessageSet<Gift, Allowed>::contains &&
              detail::MessageSet<Gift, Gift>::contains);
static_assert(!detail::MessageSet<game::Renamed, Allowed>::contains &&
              !detail::MessageSet<Letter, Gift>::contains);
static_assert(detail::MessageSet<Gift, Allowed>::names_differ);
static_assert(detail::MessageSet<Gift, std::variant<Gift, game::Renamed>>::names_differ);
static_assert(!detail::MessageSet<Gift, std::variant<Gift, game::SameName>>::names_differ);

Message cbor(const Gift& gift) {
  Message message;
  message.type = "Gift";
  message.codec = codec::Cbor::id;
  EXPECT_TRUE(encode_message(gift, message.payload));
  return message;
}

TEST(MessageCodec, a_message_is_read_as_it_was_written) {
  const Result<Gift> gift = decode_message<Gift>(cbor({7, "Ann"}));
  ASSERT_TRUE(gift) << gift.error();
  EXPECT_EQ(gift->coins, 7);
  EXPECT_EQ(gift->from, "Ann");
}

TEST(MessageCodec, json_is_read_too) {
  Message message;
  message.codec = codec::Json::id;
  message.payload.append(R"({"coins": 7, "from": "Ann"})");
  const Result<Gift> gift = decode_message<Gift>(message);
  ASSERT_TRUE(gift) << gift.error();
  EXPECT_EQ(gift->from, "Ann");
}

TEST(MessageCodec, a_message_of_an_unknown_codec_is_not_guessed_at) {
  Message message = cbor({7, "Ann"});
  message.codec = 999;
  const Result<Gift> gift = decode_message<Gift>(message);
  ASSERT_TRUE(gift.is(Errc::wrong_codec));
  EXPECT_EQ(gift.error().message(),
            "wrong_codec: a message is CBOR or JSON; this one says codec 999");
}

TEST(MessageCodec, a_damaged_message_is_an_error) {
  Message message = cbor({7, "Ann"});
  message.payload.shrink(message.payload.size() - 1);
  EXPECT_TRUE(decode_message<Gift>(message).is(Errc::corrupt));
  message.payload.clear();
  EXPECT_FALSE(decode_message<Gift>(message));
}

TEST(MessageCodec, a_message_of_a_newer_build_is_read_for_what_is_known) {
  Message message;
  message.codec = codec::Json::id;
  message.payload.append(R"({"coins": 7, "wrapping": "red"})");
  const Result<Gift> gift = decode_message<Gift>(message);
  ASSERT_TRUE(gift) << gift.error();
  EXPECT_EQ(gift->coins, 7);
  EXPECT_EQ(gift->from, "");
}

/// A session, as far as handlers are concerned.
struct Node {
  struct Handle {
    explicit Handle(Node& of) { ++of.handles; }
  };
  int handles = 0;
};
using Handler = MessageHandler<Player, Node>;
template <class F>
Handler made(F&& fn) {
  return core_handler<Player, Node>(std::forward<F>(fn));
}
Result<void> give(const Handler& handler, Player& player, const std::vector<Message>& messages,
                  Node& node) {
  std::vector<const Message*> all;
  for (const Message& each : messages)
    all.push_back(&each);
  return handler.handle(player, all, node);
}
Result<void> give(const Handler& handler, Player& player, Message message) {
  Node node;
  return give(handler, player, std::vector{std::move(message)}, node);
}

TEST(MessageHandler, goes_by_the_types_name_or_the_one_it_gives_itself) {
  EXPECT_EQ(made(takes_gift).type, "Gift");
  EXPECT_EQ(made([](Player&, const game::Renamed&) {}).type, "Parcel");
}

TEST(MessageHandler, changes_the_data_by_what_lies_in_the_inbox_however_it_is_written) {
  const Handler handlers[] = {made(takes_gift),   made(&takes_gift_safely), made(TakesGift{}),
                              made(by_reference), made(by_value),           made(without_throwing)};
  Player player;
  for (const Handler& handler : handlers)
    EXPECT_TRUE(give(handler, player, cbor({7, ""})));
  EXPECT_EQ(player.coins, 6 * 7);
}

TEST(MessageHandler, of_a_mutable_lambda_keeps_its_state) {
  for (const Handler& handler : {made(mutably), made(mutably_without_throwing)}) {
    Player player;
    EXPECT_TRUE(give(handler, player, cbor({})));
    EXPECT_TRUE(give(handler, player, cbor({})));
    EXPECT_EQ(player.coins, 2);
  }
}

TEST(MessageHandler, takes_the_session_where_it_asks_for_it) {
  Node node;
  Player player;
  const Handler handler = made(
      [](Player& of, const Gift& gift, const Node::Handle&) noexcept { of.coins += gift.coins; });
  ASSERT_TRUE(give(handler, player, std::vector{cbor({7, ""})}, node));
  EXPECT_EQ(player.coins, 7);
  EXPECT_EQ(node.handles, 1);
}

TEST(MessageHandler, takes_many_at_once_where_it_asks_for_a_span) {
  Node node;
  Player player;
  const Handler handler = made(
      [](Player& of, std::span<const Gift> gifts) { of.coins += gifts[0].coins + gifts[1].coins; });
  EXPECT_TRUE(handler.is_batch);
  EXPECT_EQ(handler.type, "Gift");
  ASSERT_TRUE(give(handler, player, std::vector{cbor({7, ""}), cbor({5, ""})}, node));
  EXPECT_EQ(player.coins, 12);
  EXPECT_FALSE(made(takes_gift).is_batch);
}

TEST(MessageHandler, is_not_called_with_what_cannot_be_read) {
  Player player;
  Message message = cbor({7, ""});
  message.codec = 999;
  EXPECT_TRUE(give(made(takes_gift), player, message).is(Errc::wrong_codec));
  Node node;
  const Handler many = made([](Player& of, std::span<const Gift>) { of.coins = 1; });
  EXPECT_TRUE(give(many, player, std::vector{cbor({7, ""}), message}, node).is(Errc::wrong_codec));
  EXPECT_EQ(player.coins, 0);
}

TEST(Call, a_function_says_no_with_false_or_with_an_error) {
  int n = 1;
  EXPECT_TRUE(detail::call(*std::make_unique<std::function<void(int&)>>([](int& of) { ++of; }), n));
  EXPECT_EQ(n, 2);
  const auto yes = [](int&) { return true; };
  const auto no = [](int&) { return false; };
  const auto why = [](int&) -> Result<void> { return Error(Errc::full, "of it"); };
  EXPECT_TRUE(detail::call(yes, n));
  EXPECT_EQ(detail::call(no, n).error().message(), "refused: the function returned false");
  EXPECT_EQ(detail::call(why, n).error().message(), "full: of it");
}

}  // namespace
