#include <persist/session/decode.hpp>

// What a store makes of records that older builds and other programs wrote.

#include <persist/store.hpp>

#include <support/world.hpp>

#include <persist/codec/record.hpp>

namespace evolving {

struct OldPlayer {
  int gold = 1;
};
struct Player {
  std::int64_t coins = 0;
  int level = 1;
};

inline Player upgrade(OldPlayer&& old) {
  return {old.gold};
}
struct Save {
  using data_type = Player;
  using migrations = persist::Migrations<OldPlayer, Player>;
  static persist::Result<Player> import_legacy(persist::ByteView bytes) {
    if (persist::as_text(bytes) == "rich") return Player{1000};
    return persist::Error(persist::Errc::corrupt, "not from our old game");
  }
};

struct Item {
  int id = 0;
};
struct Bag {
  std::vector<Item> items;
};
struct BagSave {
  using data_type = Bag;
  using fields = persist::Fields<persist::Identity<&Item::id>>;
};
struct LimitedSave {
  using data_type = Player;
  using fields = persist::Fields<persist::Limited<&Player::level, 1, 100>>;
};
struct NewItem {
  int id = 0;
  int gems = 0;
};
struct NewBag {
  std::vector<NewItem> items;
};

}  // namespace evolving

namespace {

using namespace test;
using Evolving = persist::Store<std::uint64_t, evolving::Save, Db>;

struct EvolvingStore : World {
  Evolving players{"players", db, options()};

  /// Puts bytes under a key as another program would.
  void plant(std::uint64_t key, persist::ByteView what) {
    persist::AcquireRequest take;
    const std::string spelled = std::to_string(key);
    take.store = players.core().store();
    take.key = spelled;
    take.owner = db.next_owner(persist::ServerId("stranger"));
    take.lease = 1s;
    db.acquire(std::span(&take, 1));
    persist::Buffer copy(what);
    persist::Change change;
    change.store = take.store;
    change.key = spelled;
    change.fence = take.record.fence;
    change.fence.write = 1;
    change.data = &copy;
    change.lease = persist::LeaseChange::release;
    persist::CommitRequest commit;
    commit.changes = std::span(&change, 1);
    db.commit(std::span(&commit, 1));
    ASSERT_EQ(commit.outcome, persist::CommitRequest::Outcome::applied);
  }
  persist::Result<persist::codec::Envelope> stored(std::uint64_t key) {
    persist::ReadRequest read;
    const std::string spelled = std::to_string(key);
    read.store = players.core().store();
    read.key = spelled;
    db.read(std::span(&read, 1));
    bytes = std::move(read.record.data);
    return persist::codec::open_envelope(bytes);
  }
  /// A record of the newest version that lacks all but its coins.
  void plant_partial(std::uint64_t key) {
    persist::Buffer partial;
    persist::UnknownFields none;
    const auto coins = persist::Value::map({{"coins", 5}});
    ASSERT_TRUE(
        (persist::codec::encode_record<persist::codec::Packed, persist::DataPolicy<persist::Value>>(
            coins, none, {2, 2}, partial)));
    plant(key, partial);
  }
  persist::Buffer bytes;
};
const evolving::Player filler{9, 7};

TEST_F(EvolvingStore, a_record_that_breaks_a_limit_is_left_as_it_is_and_the_error_says_so) {
  persist::Store<std::uint64_t, evolving::Player, Db> free("limited", db, options());
  ASSERT_TRUE(free.overwrite(1u, {5, 999}));
  persist::Store<std::uint64_t, evolving::LimitedSave, Db> limited("limited", db, options());
  const auto refused = limited.load(1u);
  ASSERT_TRUE(refused.is(Errc::invalid));
  EXPECT_EQ(refused.error().path(), "level");
  EXPECT_NE(refused.error().detail().find("the bytes were left as they are"),
            std::string_view::npos)
      << refused.error();
  EXPECT_EQ(free.peek(1u)->data.level, 999);
}

TEST_F(EvolvingStore, a_migrated_record_is_written_by_the_next_save_and_not_before) {
  persist::Buffer old;
  persist::UnknownFields none;
  ASSERT_TRUE((persist::codec::encode_record<persist::codec::Packed,
                                             persist::DataPolicy<evolving::OldPlayer>>(
      evolving::OldPlayer{7}, none, {1, 1}, old)));
  plant(1, old);
  EXPECT_EQ(players.peek(1u)->data.coins, 7);
  auto session = players.load(1u);
  ASSERT_TRUE(session) << session.error();
  EXPECT_EQ(session->view()->coins, 7);
  EXPECT_FALSE(session->is_dirty());
  EXPECT_EQ(stored(1)->schema_version, 1U);
  session->edit()->coins += 1;
  ASSERT_TRUE(session->release());
  EXPECT_EQ(stored(1)->schema_version, 2U);
  EXPECT_EQ(players.peek(1u)->data.coins, 8);
}

TEST_F(EvolvingStore, a_foreign_record_is_imported_once_and_saved_although_nobody_edited_it) {
  plant(1, persist::as_bytes("rich"));
  EXPECT_EQ(players.peek(1u)->data.coins, 1000);
  auto session = players.load(1u);
  ASSERT_TRUE(session) << session.error();
  EXPECT_TRUE(session->is_dirty());
  ASSERT_TRUE(session->release());
  ASSERT_TRUE(stored(1)) << "it is a record of ours now";
  EXPECT_EQ(players.peek(1u)->data.coins, 1000);
}

TEST_F(EvolvingStore, a_foreign_record_is_saved_when_an_autosave_is_due) {
  plant(1, persist::as_bytes("rich"));
  auto told = options();
  told.lease = 600s;
  told.renew = 300s;  // which would save it too
  Evolving calm("players", db, told);
  auto session = calm.load(1u);
  ASSERT_TRUE(session);
  play(14s, calm);
  EXPECT_FALSE(stored(1)) << "not all that were imported at the first poll";
  play(17s, calm);
  EXPECT_TRUE(stored(1));
  EXPECT_FALSE(session->is_dirty());
}

TEST_F(EvolvingStore, what_the_hook_does_not_know_is_left_alone) {
  plant(1, persist::as_bytes("else"));
  const auto session = players.load(1u);
  ASSERT_TRUE(session.is(Errc::corrupt));
  EXPECT_FALSE(stored(1)) << "still foreign";
  EXPECT_EQ(persist::as_text(bytes), "else");
}

TEST_F(EvolvingStore, a_load_fills_a_partial_record_in_from_its_template) {
  plant_partial(1);
  {
    auto session = players.load(1u, {.reconcile_with = filler});
    ASSERT_TRUE(session) << session.error();
    EXPECT_EQ(session->view()->coins, 5);
    EXPECT_EQ(session->view()->level, 7);
    EXPECT_FALSE(session->is_new());
    auto joined = players.load(1u, {.reconcile_with = evolving::Player{1, 1}});
    EXPECT_EQ(joined->view()->level, 7) << "the record is there already";
    ASSERT_TRUE(session->release());
  }
  EXPECT_EQ(players.peek(1u)->data.level, 7) << "it is a whole one now";
}

TEST_F(EvolvingStore, a_load_that_is_carried_on_fills_in_too) {
  plant_partial(1);
  auto loading = players.begin_load(1u, {.reconcile_with = filler});
  while (!loading.ready())
    players.poll();
  EXPECT_EQ(loading.take()->view()->level, 7);
}

TEST_F(EvolvingStore, a_template_is_what_a_record_begins_as_unless_the_load_has_a_default) {
  auto session = players.load(1u, {.reconcile_with = filler});
  EXPECT_EQ(session->view()->coins, 9);
  EXPECT_TRUE(session->is_new());
  auto other =
      players.load(2u, {.default_value = evolving::Player{3, 4}, .reconcile_with = filler});
  EXPECT_EQ(other->view()->coins, 3);
  EXPECT_EQ(other->view()->level, 4);
}

TEST_F(EvolvingStore, a_template_adds_nothing_to_what_a_step_or_an_import_made) {
  persist::Buffer old;
  persist::UnknownFields none;
  ASSERT_TRUE((persist::codec::encode_record<persist::codec::Packed,
                                             persist::DataPolicy<evolving::OldPlayer>>(
      evolving::OldPlayer{7}, none, {1, 1}, old)));
  plant(1, old);
  plant(2, persist::as_bytes("rich"));
  EXPECT_EQ(players.load(1u, {.reconcile_with = filler})->view()->level, 1);
  EXPECT_EQ(players.load(2u, {.reconcile_with = filler})->view()->level, 1);
}

TEST_F(EvolvingStore, an_overwrite_makes_a_newer_builds_record_one_of_this_builds_version) {
  const auto plant_newer = [&](std::uint64_t key) {
    persist::Buffer newer;
    persist::UnknownFields none;
    const auto data = persist::Value::map({{"coins", 5}, {"gems", 7}});
    ASSERT_TRUE(
        (persist::codec::encode_record<persist::codec::Packed, persist::DataPolicy<persist::Value>>(
            data, none, {3, 2}, newer)));
    plant(key, newer);
  };
  plant_newer(1);
  plant_newer(2);
  auto session = players.load(1u);
  session->edit()->coins = 6;
  ASSERT_TRUE(session->save());
  EXPECT_EQ(stored(1)->schema_version, 3U) << "an edit leaves what the newer build made of it";
  for (const std::uint64_t key : {std::uint64_t{1}, std::uint64_t{2}}) {
    EXPECT_TRUE(players.overwrite(key, evolving::Player{9, 9})->dropped_unknown);
    EXPECT_EQ(stored(key)->schema_version, 2U) << "whose step has not run on these data";
  }
}

TEST_F(EvolvingStore, a_save_that_finds_no_place_for_unknown_fields_names_them) {
  using NewBags = persist::Store<std::uint64_t, evolving::NewBag, Db>;
  using Bags = persist::Store<std::uint64_t, evolving::BagSave, Db>;
  NewBags newer("bags", db, options());
  auto first = *newer.load(1u);
  first.edit()->items = {{7, 3}};
  ASSERT_TRUE(first.release());
  Bags older("bags", db, options());
  auto session = *older.load(1u);
  std::vector<std::string> heard;
  const auto listening = session.on_dropped_fields(
      [&](std::span<const std::string> paths) { heard.assign(paths.begin(), paths.end()); });
  session.edit()->items.push_back({8});
  ASSERT_TRUE(session.save());
  EXPECT_TRUE(heard.empty());
  session.edit()->items[1].id = 7;
  ASSERT_TRUE(session.save());
  older.poll();
  EXPECT_EQ(heard, std::vector<std::string>{"items.7"});
}

}  // namespace
