#include <persistctl/show.hpp>

#include "store_case.hpp"

#include <vector>

namespace persistctl {
namespace {

template <class Place>
class Show : public StoreCase<Place> {
 protected:
  /// Takes a record for a server, and gives it back if told.
  void take(std::string_view key, std::string_view server, bool give_back) {
    persist::AcquireRequest take{.store = this->store.id,
                                 .key = key,
                                 .owner = this->place.backend.next_owner(persist::ServerId(server)),
                                 .lease = std::chrono::seconds(60)};
    this->place.backend.acquire(std::span(&take, 1));
    persist::Change change;
    change.store = this->store.id;
    change.key = key;
    change.fence = take.record.fence;
    change.fence.write = 1;
    Buffer metadata(as_bytes("\xa0"));
    change.metadata = &metadata;
    if (give_back) change.lease = persist::LeaseChange::release;
    persist::CommitRequest commit{.changes = std::span(&change, 1)};
    this->place.backend.commit(std::span(&commit, 1));
    ASSERT_EQ(commit.outcome, persist::CommitRequest::Outcome::applied);
  }
  [[nodiscard]] std::string holder(std::string_view key) {
    const auto text = holder_text(this->place.backend, this->store, key);
    return text ? *text : text.error().message();
  }
};
TYPED_TEST_SUITE(Show, Places);

TYPED_TEST(Show, a_record_tells_all_it_says_of_itself) {
  ASSERT_TRUE(this->import(ProfileText{.roblox = R"({"region":"eu"})", .users = "[42]"}));
  const auto text = show_record(this->place.backend, this->store, "Player_1");
  ASSERT_TRUE(text) << text.error();
  Value shown;
  persist::UnknownFields none;
  ASSERT_TRUE(
      persist::codec::Json::decode<persist::schema::NoPolicy>(as_bytes(*text), shown, none));
  EXPECT_EQ(shown["store"], Value("Players"));
  EXPECT_EQ(shown["key"], Value("Player_1"));
  EXPECT_EQ(shown["codec"], Value("packed"));
  EXPECT_EQ(shown["schema_version"], Value(1));
  EXPECT_EQ(shown["fingerprint"], Value("0"));
  EXPECT_EQ(shown["metadata"]["region"], Value("eu"));
  EXPECT_EQ(shown["user_ids"], Value::array({42}));
  EXPECT_EQ(shown["created"], Value("2020-09-13T12:26:40.000Z"));
  EXPECT_EQ(shown["load_count"], Value(7));
  EXPECT_TRUE(shown["owner"].is_null());
  EXPECT_EQ(shown["value"]["coins"], Value(5));
}

TYPED_TEST(Show, damaged_data_is_named_and_the_rest_is_shown) {
  this->take("a", "eu-1", true);
  persist::AcquireRequest take{.store = this->store.id,
                               .key = "a",
                               .owner = this->place.backend.next_owner(persist::ServerId("eu-1"))};
  this->place.backend.acquire(std::span(&take, 1));
  Buffer garbage(as_bytes("garbage"));
  persist::Change change;
  change.store = this->store.id;
  change.key = "a";
  change.fence = take.record.fence;
  change.fence.write = 1;
  change.data = &garbage;
  persist::CommitRequest commit{.changes = std::span(&change, 1)};
  this->place.backend.commit(std::span(&commit, 1));
  const auto text = show_record(this->place.backend, this->store, "a");
  ASSERT_TRUE(text) << text.error();
  EXPECT_NE(text->find("\"unreadable\": \"corrupt: "), std::string::npos) << *text;
  EXPECT_NE(text->find("\"owner\": \"eu-1\""), std::string::npos) << *text;
}

TYPED_TEST(Show, a_key_that_is_not_there_is_said_so) {
  const auto text = show_record(this->place.backend, this->store, "nobody");
  ASSERT_TRUE(text.is(Errc::not_found));
  EXPECT_EQ(text.error().key(), "nobody");
}

TYPED_TEST(Show, the_holder_is_the_owner_of_the_last_commit) {
  this->take("a", "eu-1", false);
  EXPECT_EQ(this->holder("a").find("held, as of its last commit, by server eu-1 (session "), 0U)
      << this->holder("a");
  EXPECT_NE(this->holder("a").find("never saved"), std::string::npos);
  this->take("b", "eu-1", true);
  EXPECT_EQ(this->holder("b").find("given back, as of its last commit; epoch "), 0U)
      << this->holder("b");
}

TYPED_TEST(Show, a_save_has_an_age) {
  ASSERT_TRUE(this->import(ProfileText{}));
  this->place.clock.advance(std::chrono::seconds(35));
  EXPECT_NE(this->holder("Player_1").find("; saved 35 s ago, "), std::string::npos)
      << this->holder("Player_1");
  this->place.clock.advance(std::chrono::days(3) + std::chrono::hours(2));
  EXPECT_NE(this->holder("Player_1").find("; saved 3 d 2 h ago, "), std::string::npos)
      << this->holder("Player_1");
}

TEST(Age, is_told_in_the_two_largest_units_that_a_person_reads) {
  using namespace std::chrono_literals;
  EXPECT_EQ(age_text(-2s), "0 s");
  EXPECT_EQ(age_text(59s), "59 s");
  EXPECT_EQ(age_text(60s), "1 min");
  EXPECT_EQ(age_text(3600s + 61s), "1 h 1 min");
  EXPECT_EQ(age_text(95717657s), "1107 d 20 h");
}

TYPED_TEST(Show, a_list_is_in_order_and_shows_no_control_characters) {
  ASSERT_TRUE(this->import(std::string(ProfileText{.key = "b"}) +
                           std::string(ProfileText{.key = R"(a\u001b[2J\t\\\u009b\u00e9)"})));
  std::ostringstream keys;
  ASSERT_TRUE(list_records(this->place.backend, this->store, keys, false));
  EXPECT_EQ(keys.str(), "a\\x1b[2J\\x09\\x5c\xc2\\x9b\xc3\xa9\nb\n");
  std::ostringstream details;
  ASSERT_TRUE(list_records(this->place.backend, this->store, details, true));
  EXPECT_NE(details.str().find("\nb\t47\t1\t7\t0\t20"), std::string::npos) << details.str();
}

TYPED_TEST(Show, one_store_needs_no_name_and_several_are_listed) {
  EXPECT_EQ(open_store(this->place.backend, "")->name, "Players");
  const auto missing = open_store(this->place.backend, "Guilds");
  ASSERT_TRUE(missing.is(Errc::not_found));
  EXPECT_NE(missing.error().detail().find("Players"), std::string::npos);
  ASSERT_TRUE(open_store(this->place.backend, "Guilds", true));
  const auto unclear = open_store(this->place.backend, "");
  ASSERT_TRUE(unclear.is(Errc::not_found));
  EXPECT_NE(unclear.error().detail().find("Players, Guilds"), std::string::npos);
}

TYPED_TEST(Show, no_store_is_made_that_no_game_can_open) {
  const auto pieces = open_store(this->place.backend, "X#pieces", true);
  ASSERT_TRUE(pieces.is(Errc::invalid));
  EXPECT_NE(pieces.error().detail().find("a store of pieces"), std::string_view::npos);
  EXPECT_EQ(this->place.backend.stores().size(), 1U);
}

TYPED_TEST(Show, a_store_is_opened_under_its_own_lock_kind) {
  persist::OpenStoreRequest unlocked{"Unlocked", persist::LockKind::none, {}};
  this->place.backend.open_store(std::span(&unlocked, 1));
  ASSERT_FALSE(failed(unlocked.error));
  EXPECT_TRUE(open_store(this->place.backend, "Unlocked"));
}

/// A store in which one record was erased since its key was listed, and one is damaged.
struct Changing : persist::backend::Memory {
  using Memory::Memory;
  void scan(std::span<persist::ScanRequest> batch) {
    Memory::scan(batch);
    for (const char* key : {"bad", "gone"})
      batch[0].keys.emplace_back(key);
  }
  void read(std::span<persist::ReadRequest> batch) {
    Memory::read(batch);
    if (batch[0].key == "bad") batch[0].error = Error(Errc::corrupt, "damaged bytes");
  }
};

TEST(List, a_record_that_is_gone_or_damaged_does_not_spoil_the_lines_of_others) {
  persist::testing::ManualClock clock;
  Changing backend(clock);
  const auto store = open_store(backend, "Players", true);
  ASSERT_TRUE(store) << store.error();
  std::istringstream in(std::string(ProfileText{.key = "a"}) +
                        std::string(ProfileText{.key = "z"}));
  Import import(static_cast<persist::backend::Memory&>(backend), *store, {});
  ASSERT_TRUE(import.run(in, "in"));
  std::ostringstream out;
  const auto listed = list_records(backend, *store, out, true);
  EXPECT_TRUE(listed.is(Errc::corrupt)) << "the list is not whole";
  EXPECT_EQ(listed.error().key(), "bad");
  std::istringstream lines(out.str());
  std::vector<std::string> keys;
  for (std::string line; std::getline(lines, line);)
    keys.push_back(line.substr(0, line.find('\t')));
  EXPECT_EQ(keys, (std::vector<std::string>{"a", "bad", "z"}));
}

}  // namespace
}  // namespace persistctl
