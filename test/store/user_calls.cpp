#include <persist/store/user_calls.hpp>

#include <persist/testing/faulty.hpp>
#include <cmath>
#include <string>
#include <vector>

#include "spill_case.hpp"

namespace {

using namespace test;
using persist::EraseUserOptions;
using persist::LiveRecord;
using persist::Value;
using Keys = std::vector<std::string>;

/// What a user may have: characters of his own, and a guild with others.
struct Owned {
  std::uint64_t id = 0;
  std::vector<std::uint64_t> users;
};
struct OwnedKey {
  using value_type = Owned;
  static void spell(const Owned& key, persist::KeyBuffer& out) {
    out.append(std::to_string(key.id));
  }
  static void spell(std::uint64_t id, persist::KeyBuffer& out) { out.append(std::to_string(id)); }
  static void user_ids(const Owned& key, persist::UserIds& out) {
    for (const std::uint64_t user : key.users)
      out.add(user);
  }
};
struct OwnedSave {
  struct Data {
    std::int64_t coins = 0;
    std::string name;
    double luck = 0;
  };
  using data_type = Data;
  using message = std::variant<Gift, Letter>;
  using fields = persist::Fields<persist::Renamed<&Data::name, "called">>;
  using indexes = persist::Indexes<persist::Index<"coins", &Data::coins>>;
};
using Characters = persist::Store<OwnedKey, OwnedSave, Db>;

persist::Result<Value> parsed(std::string_view json) {
  Value value;
  persist::UnknownFields none;
  const auto read =
      persist::codec::Json::decode<persist::schema::NoPolicy>(persist::as_bytes(json), value, none);
  if (!read) return read.error();
  return value;
}

struct Users : SpillCase {
  Characters characters{"characters", db, options()};

  Characters::Session make(std::uint64_t id, std::vector<std::uint64_t> users) {
    auto session = *characters.load(Owned{id, std::move(users)});
    session.edit()->coins = static_cast<std::int64_t>(id);
    session.edit()->name = "no " + std::to_string(id);
    return session;
  }
  void save(std::uint64_t id, std::vector<std::uint64_t> users) {
    ASSERT_TRUE(make(id, std::move(users)).release());
  }
  static std::vector<Errc> whys(const persist::UserErased& report) {
    std::vector<Errc> all;
    for (const persist::Missed& each : report.refused)
      all.push_back(each.why.code());
    return all;
  }
};

TEST_F(Users, get_all_that_is_stored_of_them_in_one_document) {
  save(1, {7});
  save(2, {8});
  save(3, {7, 8});
  auto session = make(1, {7});
  ASSERT_TRUE(session.set_metadata(Value("likes chess")));
  ASSERT_TRUE(session.release());
  ASSERT_TRUE(characters.post(1U, Letter{"hello"}));
  const auto exported = characters.export_user(7);
  ASSERT_TRUE(exported) << exported.error();
  EXPECT_EQ(exported->records, 2U);
  EXPECT_TRUE(exported->missed.empty());
  const auto read = parsed(exported->json);
  ASSERT_TRUE(read) << read.error() << exported->json;
  const Value& document = *read;
  EXPECT_EQ(document["user"], Value(7));
  EXPECT_EQ(document["store"], Value("characters"));
  ASSERT_EQ(document["records"].size(), 2U);
  const Value& first = document["records"][0];
  EXPECT_EQ(first["key"], Value("1"));
  EXPECT_EQ(first["data"]["called"], Value("no 1")) << "under its stored name";
  EXPECT_EQ(first["metadata"], Value("likes chess"));
  EXPECT_EQ(first["user_ids"], Value::array({7}));
  EXPECT_EQ(first["inbox"][0]["value"]["text"], Value("hello"));
  EXPECT_EQ(first["inbox"][0]["type"], Value("Letter"));
  ASSERT_TRUE(first["created"].is_text());
  EXPECT_EQ(document["records"][1]["user_ids"], Value::array({7, 8}));
  EXPECT_EQ(exported->json.find("no 2"), std::string::npos) << "nobody else's";
}

TEST_F(Users, hear_what_could_not_be_given_out) {
  save(1, {7});
  auto session = make(2, {7});
  session.edit()->luck = std::nan("");
  ASSERT_TRUE(session.release());
  auto exported = characters.export_user(7);
  ASSERT_TRUE(exported) << exported.error();
  EXPECT_EQ(exported->records, 1U);
  ASSERT_EQ(exported->missed.size(), 1U);
  EXPECT_EQ(exported->missed[0].key, "2") << "JSON has no NaN";
  EXPECT_TRUE(parsed(exported->json));
  exported = characters.export_user(9);
  ASSERT_TRUE(exported);
  EXPECT_EQ(exported->records, 0U);
}

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

}  // namespace
