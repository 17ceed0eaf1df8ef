#include <persist/store/erase_user.hpp>

#include <persist/testing/faulty.hpp>

#include <string>
#include <vector>

#include "users_case.hpp"

// A user's right to be forgotten.

namespace {

using namespace test;
using persist::EraseUserOptions;
using persist::LiveRecord;
using persist::SentMessages;
using Keys = std::vector<std::string>;

TEST_F(Users, are_erased_with_their_records_boards_and_messages) {
  save(1, {7});
  save(2, {7});
  save(3, {8});
  ASSERT_TRUE(characters.post(1U, Letter{"hello"}));
  const auto report = characters.erase_user(7);
  EXPECT_TRUE(report.done());
  EXPECT_EQ(report.erased, (Keys{"1", "2"}));
  EXPECT_EQ(report.messages_dropped, 1U);
  EXPECT_TRUE(characters.keys_of(7)->empty());
  EXPECT_TRUE(characters.peek(1U).is(Errc::not_found));
  EXPECT_TRUE(characters.peek(3U));
  EXPECT_EQ(*characters.index_size<"coins">(), 1U);
  EXPECT_TRUE(characters.erase_user(7).erased.empty()) << "a second time there is nothing";
}

TEST_F(Users, who_play_are_refused_or_ended_as_told) {
  auto here = make(1, {7});
  ASSERT_TRUE(here.save());
  Characters elsewhere("characters", db, options("eu-2"));
  save(2, {7});
  auto there = *elsewhere.load(Owned{2, {7}});
  save(3, {7});

  auto report = characters.erase_user(7);
  EXPECT_FALSE(report.done());
  EXPECT_EQ(report.erased, Keys{"3"});
  EXPECT_EQ(whys(report), (std::vector<Errc>{Errc::busy, Errc::locked}));
  EXPECT_EQ(here.state(), State::open);

  report = characters.erase_user(7, {.live = LiveRecord::end});
  EXPECT_TRUE(report.done());
  EXPECT_EQ(report.erased, (Keys{"1", "2"}));
  EXPECT_EQ(here.state(), State::lost);
  there.edit()->coins = 5;
  EXPECT_TRUE(there.release().is(Errc::fenced)) << "a late save writes nothing";
  EXPECT_TRUE(characters.keys_of(7)->empty());
}

TEST_F(Users, who_come_back_while_they_are_erased_are_not_said_to_be_gone) {
  auto here = make(1, {7});
  ASSERT_TRUE(here.save());
  save(2, {7});
  auto ends = characters.on_released([&](Characters::Session& session, persist::Reason, bool) {
    if (session.state() == State::lost) save(1, {7});
  });
  auto report = characters.erase_user(7, {.live = LiveRecord::end});
  EXPECT_EQ(report.erased, (Keys{"1", "2"}));
  EXPECT_FALSE(report.done()) << "it is there again";
  EXPECT_EQ(whys(report), std::vector<Errc>{Errc::busy});
  report = characters.erase_user(7);
  EXPECT_TRUE(report.done());
  EXPECT_TRUE(characters.keys_of(7)->empty());
}

TEST_F(Users, who_play_and_were_never_saved_are_not_overlooked) {
  auto first = make(1, {7});
  auto other = make(2, {8});
  auto report = characters.erase_user(7);
  EXPECT_FALSE(report.done());
  EXPECT_EQ(whys(report), std::vector<Errc>{Errc::busy});
  report = characters.erase_user(7, {.live = LiveRecord::end});
  EXPECT_TRUE(report.done());
  EXPECT_EQ(report.erased, Keys{"1"});
  EXPECT_EQ(first.state(), State::lost);
  EXPECT_EQ(other.state(), State::open);
  EXPECT_TRUE(other.release());
  EXPECT_TRUE(characters.keys_of(7)->empty());
  EXPECT_EQ(characters.keys_of(8)->size(), 1U);
}

TEST_F(Users, of_a_record_of_several_are_erased_from_it_only_when_told) {
  save(1, {7});
  save(2, {7, 8});
  auto report = characters.erase_user(7);
  EXPECT_EQ(report.erased, Keys{"1"});
  EXPECT_EQ(whys(report), std::vector<Errc>{Errc::refused});
  EXPECT_TRUE(characters.peek(2U));
  report = characters.erase_user(7, {.shared = true});
  EXPECT_TRUE(report.done());
  EXPECT_TRUE(characters.keys_of(8)->empty());
}

TEST_F(Users, whose_records_hold_messages_for_others_send_those_that_have_room) {
  auto told = options();
  told.inbox_limit.messages = 1;
  Characters narrow("narrow", db, told);
  const auto make_one = [&](std::uint64_t id, std::uint64_t user) {
    auto session = *narrow.load(Owned{id, {user}});
    session.touch();
    EXPECT_TRUE(session.save());
    return session;
  };
  for (const std::uint64_t receiver : {8U, 9U}) {
    (void)make_one(receiver, 1).release();
    ASSERT_TRUE(narrow.post(receiver, Letter{"first"}));
    auto sender = make_one(10 + receiver, 7);
    ASSERT_TRUE(sender.send(receiver, Gift{5}));
    ASSERT_TRUE(sender.release());
  }
  ASSERT_TRUE(narrow.remove_message(Owned{8, {}}, narrow.peek_inbox(8U)->at(0).position));
  const auto report = narrow.erase_user(7);
  EXPECT_TRUE(report.done());
  EXPECT_EQ(report.messages_sent, 1U);
  EXPECT_EQ(report.messages_dropped, 1U);
  EXPECT_EQ(narrow.peek_inbox(8U)->at(0).type, "Gift") << "what was sent is the other's";
  EXPECT_EQ(narrow.peek_inbox(9U)->at(0).type, "Letter");
}

TEST_F(Users, of_whom_something_was_spilled_are_erased_with_it) {
  {
    Characters closing("characters", db, spilling("eu-2"));
    auto fresh = *closing.load(Owned{1, {7}});
    fresh.edit()->coins = 5;
    down();
    EXPECT_EQ(closing.close_all(10s), 1U);
  }
  Characters opened("characters", db, spilling("eu-2"));
  EXPECT_TRUE(opened.keys_of(7)->empty()) << "nothing of it is stored yet";
  auto report = opened.erase_user(7);
  EXPECT_FALSE(report.done());
  EXPECT_EQ(report.error, Errc::unavailable);
  EXPECT_EQ(files().size(), 1U);
  up();
  report = opened.erase_user(7);
  EXPECT_TRUE(report.done());
  EXPECT_EQ(report.erased, Keys{"1"});
  EXPECT_TRUE(files().empty());
  EXPECT_TRUE(opened.peek(1U).is(Errc::not_found));
}

TEST_F(Users, whose_records_cannot_be_reached_are_not_said_to_be_gone) {
  using Unsure = persist::testing::Faulty<persist::backend::Memory>;
  persist::testing::Stragglers stragglers(clock, persist::testing::Random(1));
  Unsure line(persist::backend::Memory(clock), stragglers);
  persist::Store<OwnedKey, OwnedSave, Unsure> store("characters", line, options());
  auto session = *store.load(Owned{1, {7}});
  session.touch();
  ASSERT_TRUE(session.release());
  line.cut(true);
  const auto report = store.erase_user(7);
  EXPECT_FALSE(report.done());
  EXPECT_EQ(report.error, Errc::unavailable);
  EXPECT_TRUE(report.erased.empty());
  EXPECT_TRUE(store.export_user(7).is(Errc::unavailable));
  line.cut(false);
  EXPECT_TRUE(store.erase_user(7).done());
}

TEST_F(Users, who_begin_to_play_while_they_are_erased_are_left_or_find_nothing) {
  save(1, {7});
  int asked = 0;
  bool came = false;
  db.script().before_erase = [&] {
    ++asked;
    Characters elsewhere("characters", db, options("eu-2"));
    came = elsewhere.try_load(Owned{1, {7}}).has_value();
  };
  EXPECT_TRUE(characters.erase_user(7).done());
  EXPECT_EQ(asked, 1);
  EXPECT_FALSE(came) << "the record is shut while it goes";
}

TEST_F(Users, whose_messages_wait_with_others_are_taken_back_where_that_is_asked) {
  save(8, {1});
  save(9, {2});
  auto sender = make(1, {7});
  for (const std::uint64_t receiver : {8U, 9U, 10U, 11U})
    ASSERT_TRUE(sender.send(receiver, Letter{"from 7"}));
  ASSERT_TRUE(sender.release());
  auto other = make(2, {3});
  ASSERT_TRUE(other.send(8U, Letter{"from 3"}));
  ASSERT_TRUE(other.release());
  ASSERT_TRUE(characters.post(10U, Letter{"from nobody"}));
  auto here = make(9, {2});
  ASSERT_TRUE(here.save());
  Characters elsewhere("characters", db, options("eu-2"));
  auto held = *elsewhere.load(Owned{11, {4}});

  auto report = characters.erase_user(7, {.sent = SentMessages::remove});
  EXPECT_EQ(report.erased, Keys{"1"});
  EXPECT_EQ(report.messages_taken_back, 3U) << "also where there is no data yet";
  ASSERT_EQ(report.messages_left.size(), 1U);
  EXPECT_EQ(report.messages_left[0].key, "11");
  EXPECT_EQ(report.messages_left[0].why, Errc::locked);
  EXPECT_FALSE(report.done());
  ASSERT_TRUE(here.release());
  const auto texts = [&](std::uint64_t id) {
    Keys all;
    for (const auto& each : *characters.peek_inbox(id))
      all.push_back(each.as<Letter>()->text);
    return all;
  };
  EXPECT_EQ(texts(8), Keys{"from 3"});
  EXPECT_EQ(texts(9), Keys{});
  EXPECT_EQ(texts(10), Keys{"from nobody"});
  EXPECT_EQ(texts(11), Keys{"from 7"});
  EXPECT_EQ(here.state(), State::released);
  EXPECT_FALSE(characters.inspect(10U)->exists) << "nor does it get some";
}

TEST_F(Users, whose_messages_wait_with_others_leave_them_there_otherwise) {
  save(8, {1});
  auto sender = make(1, {7});
  ASSERT_TRUE(sender.send(8U, Letter{"from 7"}));
  ASSERT_TRUE(sender.release());
  const auto report = characters.erase_user(7);
  EXPECT_TRUE(report.done());
  EXPECT_EQ(report.messages_taken_back, 0U);
  EXPECT_EQ(characters.peek_inbox(8U)->size(), 1U);
}

}  // namespace
