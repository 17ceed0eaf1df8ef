#include <persistctl/history.hpp>

#include "store_case.hpp"

#include <sstream>
#include <string>

namespace persistctl {
namespace {

struct Hero {
  std::int64_t coins = 0;
  std::string name;
};

struct RankedHero {
  using data_type = Hero;
  using indexes = persist::Indexes<persist::Index<"coins", &Hero::coins>>;
};

template <class Place>
class History : public StoreCase<Place> {
 protected:
  using Heroes = persist::Store<std::string, Hero, typename Place::Backend>;

  [[nodiscard]] Heroes heroes(std::string server = "eu-1") {
    persist::StoreOptions told;
    told.server_id = std::move(server);
    told.clock = &this->place.clock;
    told.history = {.keep = 3};
    told.log.sink = [](persist::LogLevel, std::string_view) {};
    return Heroes("Players", this->place.backend, told);
  }
  /// Versions 1, 2, 3, …
  void save(std::initializer_list<std::int64_t> coins) {
    Heroes game = heroes();
    for (const std::int64_t each : coins) {
      auto session = game.load("a");
      ASSERT_TRUE(session) << session.error();
      session->edit()->coins = each;
      ASSERT_TRUE(session->release());
      this->place.clock.advance(std::chrono::minutes(1));
    }
  }
  [[nodiscard]] std::string listed() {
    std::ostringstream out;
    const auto count = list_history(this->place.backend, this->store, "a", out);
    EXPECT_TRUE(count) << count.error();
    const std::string text = out.str();
    EXPECT_EQ(static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n')), *count);
    return text;
  }
  [[nodiscard]] auto restore(std::uint64_t version) {
    return restore_version(this->place.backend, this->store, "a", version);
  }
};
TYPED_TEST_SUITE(History, Places);

TYPED_TEST(History, each_state_is_a_line_and_the_first_is_what_is_there) {
  this->save({1, 2, 3});
  const std::string text = this->listed();
  EXPECT_EQ(text.find(R"({"version":3,"written":")"), 0U) << text;
  const std::string first = text.substr(0, text.find('\n'));
  EXPECT_NE(first.find(R"("replaced":null,"bytes":)"), std::string::npos) << first;
  EXPECT_NE(text.find("\n{\"version\":2,"), std::string::npos) << text;
  EXPECT_NE(text.find("\n{\"version\":1,"), std::string::npos) << text;
  std::ostringstream out;
  EXPECT_TRUE(list_history(this->place.backend, this->store, "b", out).is(Errc::not_found));
}

TYPED_TEST(History, a_difference_is_that_of_what_the_records_hold) {
  this->save({1, 2, 3});
  const auto diff = [&](std::uint64_t from, std::uint64_t to) {
    return diff_versions(this->place.backend, this->store, "a", from, to);
  };
  const auto text = diff(1, 0);
  ASSERT_TRUE(text) << text.error();
  EXPECT_NE(text->find("\"path\": \"/coins\""), std::string::npos) << *text;
  EXPECT_NE(text->find("\"value\": 3"), std::string::npos) << *text;
  EXPECT_NE(diff(1, 2)->find("\"value\": 2"), std::string::npos);
  EXPECT_EQ(*diff(2, 2), "[]\n");
  const auto gone = diff(1, 9);
  ASSERT_TRUE(gone.is(Errc::not_found));
  EXPECT_NE(gone.error().message().find("3 (now), 2, 1"), std::string::npos) << gone.error();
}

TYPED_TEST(History, a_restore_takes_the_record_and_can_be_undone) {
  this->save({1, 2, 3, 4});
  auto game = this->heroes("eu-2");
  auto session = *game.load("a");
  const auto restored = this->restore(1);
  ASSERT_TRUE(restored) << restored.error();
  EXPECT_EQ(restored->before.server.view(), "eu-2");
  EXPECT_EQ(restored->version, 5U);
  EXPECT_EQ(restored->undo, 4U);
  session.edit()->coins = 99;
  EXPECT_TRUE(session.save().is(Errc::fenced));
  EXPECT_EQ(game.peek("a")->data.coins, 1);
  EXPECT_EQ(game.peek("a")->load_count, 4U) << "nobody loaded it";
  EXPECT_EQ(game.versions("a")->size(), 4U) << "more than the game keeps: nothing is lost to it";
  ASSERT_TRUE(this->restore(4));
  EXPECT_EQ(game.peek("a")->data.coins, 4);
  this->save({7});
  EXPECT_EQ(game.versions("a")->size(), 3U) << "and the game's rule holds again";
}

TYPED_TEST(History, after_a_restore_no_board_shows_what_was_replaced) {
  using Board = persist::Store<std::string, RankedHero, typename TypeParam::Backend>;
  persist::StoreOptions told;
  told.clock = &this->place.clock;
  told.history = {.keep = 3};
  Board game("Players", this->place.backend, told);
  for (const std::int64_t each : {1, 99}) {
    auto session = game.load("a");
    ASSERT_TRUE(session) << session.error();
    session->edit()->coins = each;
    ASSERT_TRUE(session->release());
  }
  ASSERT_EQ(game.template top<"coins">(1)->at(0).value, 99);
  ASSERT_TRUE(this->restore(1));
  EXPECT_TRUE(game.template top<"coins">(1)->empty()) << "he has 1 now";
  EXPECT_EQ(game.rebuild_indexes().changed, 1U);
  EXPECT_EQ(game.template top<"coins">(1)->at(0).value, 1);
}

TYPED_TEST(History, a_record_that_cannot_be_read_is_mended) {
  this->save({1, 2});
  Buffer garbage(as_bytes("garbage"));
  const persist::HistoryRule rule{.keep = 3};
  const auto now = this->read("a");
  persist::Change change;
  change.store = this->store.id, change.key = "a", change.data = &garbage, change.history = &rule;
  change.fence = {now.record.fence.epoch, this->place.backend.next_owner({}), 1};
  change.claims = persist::Claims::anyway, change.seen_version = now.record.version;
  change.lease = persist::LeaseChange::release;
  persist::CommitRequest commit{.changes = std::span(&change, 1)};
  this->place.backend.commit(std::span(&commit, 1));
  ASSERT_EQ(commit.outcome, persist::CommitRequest::Outcome::applied);
  auto game = this->heroes();
  EXPECT_TRUE(game.restore("a", 2).is(Errc::corrupt)) << "a game leaves it alone";
  ASSERT_TRUE(this->restore(2));
  EXPECT_EQ(game.peek("a")->data.coins, 2);
  EXPECT_TRUE(game.peek("a", 3).is(Errc::corrupt)) << "and what was there is still kept";
}

TYPED_TEST(History, what_is_not_kept_changes_nothing) {
  this->save({1, 2});
  const auto gone = this->restore(9);
  ASSERT_TRUE(gone.is(Errc::not_found));
  EXPECT_NE(gone.error().message().find("2 (now), 1"), std::string::npos) << gone.error();
  EXPECT_EQ(this->heroes().peek("a")->data.coins, 2);
  EXPECT_TRUE(restore_version(this->place.backend, this->store, "nobody", 1).is(Errc::not_found));
  EXPECT_FALSE(this->read("nobody").found);
}

TEST(Version, is_a_whole_number_from_1_on) {
  EXPECT_EQ(*version_of("17"), 17U);
  for (const char* wrong : {"", "0", "-1", "1.5", "x", "1x", "99999999999999999999"})
    EXPECT_TRUE(version_of(wrong).is(Errc::invalid)) << wrong;
}

}  // namespace
}  // namespace persistctl
