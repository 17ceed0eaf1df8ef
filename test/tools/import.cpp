#include <persistctl/import.hpp>

#include <persist/persist.hpp>

#include <fstream>

#include "store_case.hpp"
#include "support/flaky_backend.hpp"
#include <support/made_players.hpp>

namespace persistctl {
namespace {

template <class Place>
class ImportInto : public StoreCase<Place> {
 protected:
  using Players = PlayersOn<typename Place::Backend>;

  /// A server of the game on the same database.
  [[nodiscard]] Players players(const std::string& server) {
    return {"Players", this->place.backend, {.server_id = server, .clock = &this->place.clock}};
  }
};
TYPED_TEST_SUITE(ImportInto, Places);

constexpr OnConflict skip = OnConflict::skip;
constexpr OnConflict replace = OnConflict::replace;

TYPED_TEST(ImportInto, every_part_of_a_profile_becomes_what_it_is_here) {
  const auto report = this->import(ProfileText{
      .meta = R"({"ProfileCreateTime":1600000000,"SessionLoadCount":7,"MetaTags":{"vip":true}})",
      .roblox = R"({"region":"eu"})",
      .users = "[42,43,42]"});
  ASSERT_TRUE(report) << report.error();
  EXPECT_EQ(report->imported, 1U);
  const auto record = this->read("Player_1");
  EXPECT_TRUE(record.record.fence.owner.nobody()) << "it is free";
  EXPECT_EQ(record.record.created, WallTime(std::chrono::seconds(1600000000)));
  EXPECT_EQ(record.record.load_count, 7U);
  EXPECT_EQ(record.record.user_ids, (std::vector<std::uint64_t>{42, 43}));
  EXPECT_EQ(*decode_payload(persist::codec::cbor_id, record.record.metadata),
            Value::map({{"region", "eu"}, {"MetaTags", Value::map({{"vip", true}})}}));
  const auto header = persist::codec::open_envelope(record.record.data);
  ASSERT_TRUE(header);
  EXPECT_EQ(header->codec, persist::codec::packed_id);
  EXPECT_EQ(header->fingerprint, 0U);
  EXPECT_EQ(header->schema_version, 1U);
}

TYPED_TEST(ImportInto, a_record_says_the_schema_version_that_was_asked_for) {
  ASSERT_TRUE(this->import(ProfileText{}, {.schema_version = 3}));
  const auto record = this->read("Player_1");
  const auto header = persist::codec::open_envelope(record.record.data);
  EXPECT_EQ(header->schema_version, 3U);
  EXPECT_EQ(header->lowest_reader, 3U);
}

TYPED_TEST(ImportInto, a_whole_float_stays_a_float_and_a_typed_load_makes_it_an_integer) {
  ASSERT_TRUE(this->import(ProfileText{.data = R"({"coins":29926.0})"}));
  EXPECT_EQ(this->exported(), "{\"key\":\"Player_1\",\"value\":{\"coins\":29926.0}}\n");
  auto players = this->players("eu-1");
  auto session = players.load("Player_1");
  ASSERT_TRUE(session) << session.error();
  EXPECT_EQ(session->view()->coins, 29926);
}

TYPED_TEST(ImportInto, a_record_is_written_for_the_codec_that_the_game_reads) {
  using persist::codec::cbor_id, persist::codec::json_id, persist::codec::packed_id;
  for (const std::uint16_t codec : {json_id, cbor_id, packed_id}) {
    ASSERT_TRUE(this->import(ProfileText{}, {.on_conflict = OnConflict::replace, .codec = codec}));
    const auto record = this->read("Player_1");
    const auto opened = persist::codec::open_envelope(record.record.data);
    ASSERT_TRUE(opened) << opened.error();
    EXPECT_EQ(opened->codec, codec);
    EXPECT_EQ(decode_data(this->place.backend, this->store, record.key, record.record.data)
                  ->members()[0]
                  .key,
              "coins");
  }
}

TYPED_TEST(ImportInto, messages_arrive_as_the_games_own_type_in_their_order) {
  const auto report = this->import(
      ProfileText{.messages = R"([9,[[4,{"gift_coins":10,"from":1}],[9,{"gift_coins":5}]]])"},
      {.message_type = "Gift"});
  ASSERT_TRUE(report) << report.error();
  EXPECT_EQ(report->messages, 2U);
  auto players = this->players("eu-1");
  std::vector<std::int64_t> got;
  players.on_message([&](PlayerData& data, const Gift& gift) {
    data.gifts += gift.gift_coins;
    got.push_back(gift.gift_coins);
  });
  auto session = players.load("Player_1");
  ASSERT_TRUE(session) << session.error();
  EXPECT_EQ(session->view()->gifts, 15);
  EXPECT_EQ(got, (std::vector<std::int64_t>{10, 5}));
}

TYPED_TEST(ImportInto, messages_wait_however_long_their_receiver_stays_away) {
  ASSERT_TRUE(this->import(ProfileText{.messages = R"([1,[[1,{"gift_coins":10}]]])"},
                           {.message_type = "Gift"}));
  this->place.clock.advance(std::chrono::hours(24 * 400));
  auto players = this->players("eu-1");
  players.on_message([](PlayerData& data, const Gift& gift) { data.gifts += gift.gift_coins; });
  EXPECT_EQ(players.load("Player_1")->view()->gifts, 10);
}

TYPED_TEST(ImportInto, updates_of_profile_service_arrive_whether_locked_or_not) {
  ASSERT_TRUE(this->import(
      ProfileText{.messages = R"([2,[[1,1,true,{"gift_coins":1}],[2,1,false,{"gift_coins":2}]]])"},
      {.message_type = "Gift"}));
  auto players = this->players("eu-1");
  players.on_message([](PlayerData& data, const Gift& gift) { data.gifts += gift.gift_coins; });
  EXPECT_EQ(players.load("Player_1")->view()->gifts, 3);
}

TYPED_TEST(ImportInto, messages_without_a_name_for_them_are_refused_before_anything_is_written) {
  const std::string text =
      std::string(ProfileText{}) + std::string(ProfileText{.key = "b", .messages = "[1,[[1,{}]]]"});
  const auto report = this->import(text);
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error(), Errc::invalid);
  EXPECT_EQ(report.error().detail().find("in:2: b: "), 0U) << report.error();
  EXPECT_NE(report.error().detail().find("--as-message"), std::string::npos);
  EXPECT_EQ(this->exported(), "");
}

TYPED_TEST(ImportInto, a_second_import_is_refused_unless_told_what_to_do) {
  ASSERT_TRUE(this->import(ProfileText{}));
  const auto again = this->import(ProfileText{.data = R"({"coins":6})"});
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error(), Errc::refused);
  EXPECT_EQ(again.error().detail().find("in:1: Player_1 is in the store already"), 0U);
  EXPECT_EQ(this->exported(), "{\"key\":\"Player_1\",\"value\":{\"coins\":5}}\n");
}

TYPED_TEST(ImportInto, skip_leaves_what_is_there_and_takes_the_rest) {
  ASSERT_TRUE(this->import(ProfileText{}));
  const auto report = this->import(
      std::string(ProfileText{.data = R"({"coins":6})"}) + std::string(ProfileText{.key = "b"}),
      {.on_conflict = skip});
  ASSERT_TRUE(report) << report.error();
  EXPECT_EQ(report->imported, 1U);
  EXPECT_EQ(report->skipped, std::vector<std::string>{"Player_1"});
  EXPECT_EQ(
      this->exported(),
      "{\"key\":\"Player_1\",\"value\":{\"coins\":5}}\n{\"key\":\"b\",\"value\":{\"coins\":5}}\n");
}

TYPED_TEST(ImportInto, skip_leaves_a_new_player_who_is_playing_and_was_never_saved) {
  auto players = this->players("eu-1");
  auto session = players.load("Player_1");
  ASSERT_TRUE(session);
  const auto report = this->import(ProfileText{}, {.on_conflict = skip});
  ASSERT_TRUE(report) << report.error();
  EXPECT_EQ(report->skipped, std::vector<std::string>{"Player_1"});
  session->edit()->coins = 1;
  EXPECT_TRUE(session->save());
}

TYPED_TEST(ImportInto, replace_ends_a_live_session_which_can_no_longer_save) {
  auto players = this->players("eu-1");
  auto session = players.load("Player_1");
  ASSERT_TRUE(session);
  session->edit()->coins = 1000;
  ASSERT_TRUE(session->save());
  const auto report = this->import(ProfileText{}, {.on_conflict = replace});
  ASSERT_TRUE(report) << report.error();
  EXPECT_EQ(report->replaced, 1U);
  session->edit()->coins = 2000;
  EXPECT_TRUE(session->save().is(Errc::fenced));
  EXPECT_EQ(players.peek("Player_1")->data.coins, 5);
}

TYPED_TEST(ImportInto, importing_twice_posts_no_message_twice) {
  const std::string text = ProfileText{.messages = R"([1,[[1,{"gift_coins":10}]]])"};
  ASSERT_TRUE(this->import(text, {.message_type = "Gift"}));
  {
    auto players = this->players("eu-1");
    players.on_message([](PlayerData& data, const Gift& gift) { data.gifts += gift.gift_coins; });
    ASSERT_TRUE(players.load("Player_1")->release());
  }
  const auto again = this->import(text, {.on_conflict = replace, .message_type = "Gift"});
  ASSERT_TRUE(again) << again.error();
  EXPECT_EQ(again->messages, 0U);
  EXPECT_EQ(again->repeated_messages, 1U);
  EXPECT_EQ(this->read("Player_1").inbox_messages, 0U);
}

TYPED_TEST(ImportInto, a_profile_that_a_server_still_had_is_imported_and_listed) {
  const auto report =
      this->import(ProfileText{.meta = R"({"ActiveSession":[1818,"job-7","guid"]})"});
  ASSERT_TRUE(report) << report.error();
  EXPECT_EQ(report->imported, 1U);
  EXPECT_EQ(report->active, std::vector<std::string>{R"(Player_1: [1818,"job-7","guid"])"});
}

TYPED_TEST(ImportInto, a_key_that_stands_twice_in_one_file_is_refused_with_both_lines) {
  const auto report = this->import(std::string(ProfileText{}) + "\n" + std::string(ProfileText{}));
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().detail(),
            "in:3: the key Player_1 stands in line 1 too: which of the two counts?");
  EXPECT_EQ(this->exported(), "");
}

TYPED_TEST(ImportInto, a_line_that_is_no_json_is_named_and_nothing_is_imported) {
  std::string text;  // more than a batch of good lines stands before it
  for (int i = 0; i < 300; ++i)
    text += ProfileText{.key = "Player_" + std::to_string(i)};
  const auto report = this->import(text + "{\"key\":\n");
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error(), Errc::corrupt);
  EXPECT_EQ(report.error().detail().find("in:301: "), 0U) << report.error();
  EXPECT_EQ(this->exported(), "");
}

TYPED_TEST(ImportInto, a_record_beyond_the_limit_is_named_and_nothing_is_imported) {
  const std::string much(std::size_t{5} << 20, 'x');
  const auto report = this->import(ProfileText{.data = R"({"text":")" + much + "\"}"});
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error(), Errc::too_large);
  EXPECT_EQ(report.error().detail().find("in:1: Player_1: "), 0U) << report.error();
}

TYPED_TEST(ImportInto, user_ids_and_metadata_beyond_the_limit_are_named_and_nothing_is_imported) {
  std::string users = "[0";
  for (int i = 1; i <= 5'000; ++i)
    users += "," + std::to_string(i);
  const std::string much(std::size_t{4} << 20, 'x'), less(much.size() - 30'000, 'x');
  for (const std::string& text :
       {std::string(ProfileText{.roblox = R"({"text":")" + much + "\"}"}),
        std::string(ProfileText{.roblox = R"({"text":")" + less + "\"}", .users = users + "]"})}) {
    const auto report = this->import(text);
    ASSERT_FALSE(report);
    EXPECT_EQ(report.error(), Errc::too_large);
    EXPECT_EQ(report.error().detail().find("in:1: Player_1: "), 0U) << report.error();
    EXPECT_NE(report.error().detail().find("user ids and metadata"), std::string::npos);
  }
  EXPECT_EQ(this->exported(), "");
}

TYPED_TEST(ImportInto, more_messages_than_an_inbox_takes_are_named_and_nothing_is_imported) {
  const auto waiting = [](int count, const std::string& message) {
    std::string messages = "[1,[[0," + message + "]";
    for (int i = 1; i < count; ++i)
      messages += ",[" + std::to_string(i) + "," + message + "]";
    return std::string(ProfileText{}) +
           std::string(ProfileText{.key = "b", .messages = messages + "]]"});
  };
  const std::string large = "\"" + std::string(std::size_t{1} << 20, 'x') + "\"";
  for (const std::string& text : {waiting(10'001, "{}"), waiting(16, large)}) {
    const auto report = this->import(text, {.message_type = "Gift"});
    ASSERT_FALSE(report);
    EXPECT_EQ(report.error(), Errc::too_large);
    EXPECT_EQ(report.error().detail().find("in:2: b: "), 0U) << report.error();
    EXPECT_FALSE(this->read("b").found);
  }
  EXPECT_EQ(this->exported(), "");
}

TYPED_TEST(ImportInto, a_line_without_a_count_of_loads_leaves_that_of_the_record) {
  ASSERT_TRUE(this->import(ProfileText{.meta = "[]"}));
  EXPECT_EQ(this->read("Player_1").record.load_count, 0U);
  ASSERT_TRUE(this->import(ProfileText{}, {.on_conflict = replace}));
  ASSERT_TRUE(this->import(ProfileText{.meta = "[]"}, {.on_conflict = replace}));
  EXPECT_EQ(this->read("Player_1").record.load_count, 7U);
}

TYPED_TEST(ImportInto, a_file_that_cannot_be_read_twice_is_refused) {
  std::istringstream pipe;
  pipe.setstate(std::ios::failbit);
  Import import(this->place.backend, this->store, {});
  EXPECT_TRUE(import.run(pipe, "-").is(Errc::invalid));
}

TYPED_TEST(ImportInto, more_records_than_a_batch_holds_arrive_all) {
  std::string text;
  for (int i = 0; i < 600; ++i)
    text += ProfileText{.key = "Player_" + std::to_string(i)};
  const auto report = this->import(text);
  ASSERT_TRUE(report) << report.error();
  EXPECT_EQ(report->imported, 600U);
  const std::string all = this->exported();
  EXPECT_EQ(std::count(all.begin(), all.end(), '\n'), 600);
}

TYPED_TEST(ImportInto, an_import_that_stopped_half_way_can_be_run_again) {
  // The first of two records, and the messages of the second, had been written.
  const std::string first = ProfileText{.key = "a"};
  const std::string second = ProfileText{.key = "b", .messages = R"([1,[[1,{"gift_coins":10}]]])"};
  ASSERT_TRUE(this->import(first));
  const Buffer no_payload;
  persist::PostRequest post{.store = this->store.id,
                            .key = "b",
                            .origin = {.source = persist::key_hash(this->store.birth, "import/b/1"),
                                       .first_tried = this->store.now},
                            .message = {"Gift", persist::codec::cbor_id, 0,
                                        WallTime(std::chrono::hours(1 << 20)), no_payload}};
  this->place.backend.post(std::span(&post, 1));
  const auto report = this->import(first + second, {.on_conflict = skip, .message_type = "Gift"});
  ASSERT_TRUE(report) << report.error();
  EXPECT_EQ(report->imported, 1U);
  EXPECT_EQ(report->repeated_messages, 1U);
  EXPECT_EQ(this->read("b").inbox_messages, 1U);
}

/// A commit that fails, and one that lands though its reply is lost: whatever of the two it was,
/// the import stops, says how far it came, and brings the rest when it is run again.
class ImportBrokenOff : public StoreCase<InMemory> {
 protected:
  using Flaky = test::FlakyBackend<persist::backend::Memory>;
  Flaky flaky{place.backend};
  const std::string text = std::string(ProfileText{.key = "a"}) +
                           std::string(ProfileText{.key = "b", .messages = "[1,[[1,{}]]]"}) +
                           std::string(ProfileText{.key = "c"});

  [[nodiscard]] Result<ImportReport> run_again() {
    return import(text, {.on_conflict = skip, .message_type = "Gift"});
  }
};

TEST_F(ImportBrokenOff, by_a_commit_that_failed_brings_the_rest_with_its_messages_once) {
  flaky.script().commits = {{Errc::io, true}, {Errc::io, false}, {Errc::io, false}};
  std::istringstream in(text);
  Import broken(flaky, store, {.message_type = "Gift"});
  const auto ran = broken.run(in, "in");
  ASSERT_TRUE(ran.is(Errc::io)) << "a record that was not written is an error";
  EXPECT_EQ(ran.error().detail().find("in:1: a: the test says so"), 0U) << ran.error();
  EXPECT_EQ(broken.report().imported, 0U);
  const auto again = run_again();
  ASSERT_TRUE(again) << again.error();
  EXPECT_EQ(again->skipped, std::vector<std::string>{"a"});
  EXPECT_EQ(again->imported, 2U);
  EXPECT_EQ(again->repeated_messages, 1U);
  EXPECT_EQ(read("b").inbox_messages, 1U);
}

TEST_F(ImportBrokenOff, in_the_middle_of_a_batch_counts_what_was_written) {
  flaky.script().commits = {{Errc::io, false}};
  std::istringstream in(text);
  Import broken(flaky, store, {.message_type = "Gift"});
  EXPECT_TRUE(broken.run(in, "in").is(Errc::io));
  EXPECT_EQ(broken.report().imported, 2U);
}

TEST_F(ImportBrokenOff, before_the_commits_leaves_no_record_without_its_messages) {
  flaky.script().acquires = {{Errc::io, false}};
  std::istringstream in(text);
  Import broken(flaky, store, {.message_type = "Gift"});
  EXPECT_TRUE(broken.run(in, "in").is(Errc::io));
  EXPECT_EQ(flaky.script().commit_requests, 0U);
  EXPECT_EQ(run_again()->imported, 3U);
}

TEST_F(ImportBrokenOff, by_a_server_that_took_a_record_writes_nothing_over_it) {
  // Between the import's acquire and its commit: the fence of the import is not the newest then.
  class TakenMeanwhile : public Flaky {
   public:
    using Flaky::Flaky;
    void post(std::span<persist::PostRequest> batch) {
      Flaky::post(batch);
      persist::AcquireRequest take{.key = "b",
                                   .owner = next_owner(persist::ServerId("eu-1")),
                                   .lease = std::chrono::seconds(60)};
      acquire(std::span(&take, 1));
    }
  };
  std::istringstream in(text);
  Import import(TakenMeanwhile(place.backend), store, {.message_type = "Gift"});
  const auto ran = import.run(in, "in");
  ASSERT_TRUE(ran.is(Errc::fenced));
  EXPECT_EQ(ran.error().detail().find("in:2: b: "), 0U) << ran.error();
  EXPECT_FALSE(read("b").record.has_data);
  EXPECT_EQ(import.report().imported, 2U);
}

TYPED_TEST(ImportInto, many_records_share_one_call_to_the_backend) {
  std::string text;
  for (int i = 0; i < 600; ++i)
    text += ProfileText{.key = "Player_" + std::to_string(i)};
  test::FlakyBackend counting(this->place.backend);
  std::istringstream in(text);
  Import import(counting, this->store, {});
  ASSERT_TRUE(import.run(in, "in"));
  EXPECT_EQ(counting.script().commit_requests, 600U);
  EXPECT_EQ(counting.script().commit_batches, 3U);
}

TYPED_TEST(ImportInto, real_profiles_keep_fields_that_the_game_does_not_know) {
  std::ifstream file(PERSIST_SOURCE_DIR "/test/tools/data/profiles.jsonl");
  std::stringstream text;
  text << file.rdbuf();
  const auto report = this->import(text.str(), {.message_type = "Gift"});
  ASSERT_TRUE(report) << report.error();
  EXPECT_EQ(report->imported, 3U);
  EXPECT_EQ(report->messages, 2U);
  auto players = this->players("eu-1");
  const auto keys = players.scan();
  ASSERT_TRUE(keys);
  for (const std::string& key : keys->keys) {
    auto session = players.load(key);
    ASSERT_TRUE(session) << session.error();
    session->edit()->level += 1;
    ASSERT_TRUE(session->release());
  }
  EXPECT_NE(this->exported().find("\"pets\":"), std::string::npos);
}

}  // namespace
}  // namespace persistctl
