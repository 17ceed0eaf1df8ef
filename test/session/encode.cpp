#include <persist/session/encode.hpp>

#include <support/world.hpp>

#include <map>
#include <optional>
#include <string>
#include <variant>

// What becomes of the data of a session when it is encoded, or only tried.

namespace {

using namespace test;
using Encoding = World;

struct Slot {
  int coins = 0;
};
struct NewerSlot {
  int coins = 0;
  int gems = 0;
};
struct Slots {
  std::map<std::string, Slot> slots;
};
struct NewerSlots {
  std::map<std::string, NewerSlot> slots;
};

TEST_F(Encoding, a_trial_that_comes_to_nothing_forgets_nothing_that_this_build_does_not_know) {
  using persist::codec::Cbor;
  persist::Store<std::uint64_t, Slots, Db> players("slots", db, options());
  auto session = *players.load(1u);
  persist::Buffer bytes;
  ASSERT_TRUE(Cbor::encode<persist::schema::NoPolicy>(NewerSlots{{{"left", {1, 7}}}}, bytes));
  ASSERT_TRUE(Cbor::decode<persist::schema::NoPolicy>(bytes, session.node().data(),
                                                      session.node().unknown()));
  ASSERT_TRUE(session.node().check(Slots{}))
      << "what a trade would make of it, were it not refused";
  session.touch();
  ASSERT_TRUE(session.save());

  NewerSlots stored;
  persist::UnknownFields none;
  ASSERT_TRUE(
      (persist::codec::decode_record<decltype(players)::Stack::Codec, persist::schema::NoPolicy>(
          players.core().read("1")->data, stored, none)));
  EXPECT_EQ(stored.slots["left"].gems, 7);
}

TEST_F(Encoding, an_empty_optional_is_no_record) {
  persist::Store<std::uint64_t, std::optional<Player>, Db> maybe("maybe", db, options());
  auto session = *maybe.load(1u);
  EXPECT_FALSE(session.view()->has_value());
  ASSERT_TRUE(session.release());
  EXPECT_FALSE(maybe.inspect(1u)->exists);
  auto second = *maybe.load(1u);
  second.edit()->emplace().coins = 5;
  ASSERT_TRUE(second.save());
  EXPECT_TRUE(maybe.inspect(1u)->exists);
  second.edit()->reset();
  ASSERT_TRUE(second.release());
  EXPECT_FALSE(maybe.inspect(1u)->exists);
  EXPECT_TRUE(maybe.peek(1u).is(Errc::not_found));
  EXPECT_TRUE((*maybe.load(1u)).is_new());
  Player filler;
  filler.level = 3;
  auto third = *maybe.load(3u, {.reconcile_with = filler});
  EXPECT_EQ((*third.view())->level, 3);
}

// Optional data: empty is no record.

struct MaybeSave {
  using data_type = std::optional<Player>;
  using message = std::variant<Gift>;
};
using Maybes = persist::Store<std::uint64_t, MaybeSave, Db>;

TEST_F(Encoding, emptying_data_removes_the_record_and_keeps_what_lies_beside_it) {
  Maybes maybes("maybes", db, options());
  auto session = maybes.load(1u);
  *session->edit() = Player{5, 1, "ada"};
  ASSERT_TRUE(session->grant_once("r", [](std::optional<Player>&) {}));
  ASSERT_TRUE(session->save());
  EXPECT_EQ(maybes.peek(1u)->data->coins, 5);
  const auto version = session->version();
  session->edit()->reset();
  const auto saved = session->save();
  ASSERT_TRUE(saved);
  EXPECT_TRUE(saved->written);
  EXPECT_GT(session->version(), version);
  EXPECT_TRUE(maybes.peek(1u).is(Errc::not_found));
  EXPECT_FALSE(maybes.inspect(1u)->exists);
  EXPECT_TRUE(maybes.scan()->keys.empty());
  EXPECT_FALSE(session->save()->written);
  ASSERT_TRUE(session->release());
  auto again = maybes.load(1u);
  EXPECT_TRUE(again->is_new());
  EXPECT_EQ(*again->grant_once("r", [](std::optional<Player>&) {}), persist::Grant::durable);
  again->edit()->emplace();
  ASSERT_TRUE(again->release());
  EXPECT_EQ(maybes.peek(1u)->data->coins, 100);
}

}  // namespace
