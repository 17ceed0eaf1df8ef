// builds: single no-exceptions
#include <persist/session/message_codec.hpp>

#include <functional>
#include <memory>
#include <string>
#include <type_traits>
#include <variant>

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

TEST(MessageHandler, goes_by_the_types_name_or_the_one_it_gives_itself) {
  EXPECT_EQ((core_handler<Player, Gift>(takes_gift).type), "Gift");
  EXPECT_EQ((core_handler<Player, game::Renamed>([](Player&, const game::Renamed&) {}).type),
            "Parcel");
}

TEST(MessageHandler, changes_the_data_by_what_lies_in_the_inbox_however_it_is_written) {
  const MessageHandler<Player> handlers[] = {
      core_handler<Player, Gift>(takes_gift),  core_handler<Player, Gift>(&takes_gift_safely),
      core_handler<Player, Gift>(TakesGift{}), core_handler<Player, Gift>(by_reference),
      core_handler<Player, Gift>(by_value),    core_handler<Player, Gift>(without_throwing)};
  Player player;
  for (const MessageHandler<Player>& handler : handlers)
    EXPECT_TRUE(handler.handle(player, cbor({7, ""})));
  EXPECT_EQ(player.coins, 6 * 7);
}

TEST(MessageHandler, of_a_mutable_lambda_keeps_its_state) {
  for (const MessageHandler<Player>& handler :
       {core_handler<Player, Gift>(mutably),
        core_handler<Player, Gift>(mutably_without_throwing)}) {
    Player player;
    EXPECT_TRUE(handler.handle(player, cbor({})));
    EXPECT_TRUE(handler.handle(player, cbor({})));
    EXPECT_EQ(player.coins, 2);
  }
}

TEST(MessageHandler, is_not_called_with_what_cannot_be_read) {
  Player player;
  Message message = cbor({7, ""});
  message.codec = 999;
  EXPECT_TRUE(
      (core_handler<Player, Gift>(takes_gift).handle(player, message).is(Errc::wrong_codec)));
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
