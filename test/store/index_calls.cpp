#include <persist/store/index_calls.hpp>

#include <support/world.hpp>

#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace {

using namespace test;
using persist::Index;
using persist::Indexes;
using persist::Result;

struct Fighter {
  std::int64_t coins = 0;
  std::optional<double> skill;
  std::uint32_t kills = 0;
};
struct FighterSave {
  using data_type = Fighter;
  using message = std::variant<Gift>;
  using indexes = Indexes<Index<"coins", &Fighter::coins>, Index<"skill", &Fighter::skill>,
                          Index<"deadly", [](const Fighter& f) { return (f.kills > 10); }>>;
  static Result<void> validate(const Fighter& fighter) {
    if (fighter.coins >= 0) return persist::success;
    return persist::Error(Errc::invalid, "coins below zero");
  }
};
/// The same data before there were boards.
struct PlainSave {
  using data_type = Fighter;
};
using Fighters = persist::Store<std::uint64_t, FighterSave, Db>;
using PlainFighters = persist::Store<std::uint64_t, PlainSave, Db>;

struct Boards : World {
  Fighters fighters{"fighters", db, options()};

  void save(std::uint64_t key, Fighter fighter) { ASSERT_TRUE(fighters.overwrite(key, fighter)); }
  template <class Rows>
  static std::string text(const Result<Rows>& rows) {
    if (!rows) return std::string(name(rows.error().code()));
    std::string all;
    for (const auto& row : *rows) {
      all += all.empty() ? "" : " ";
      all += row.key + "=" + std::to_string(static_cast<std::int64_t>(row.value)) + "#" +
             std::to_string(row.rank);
    }
    return all;
  }
  std::string board() { return text(fighters.top<"coins">(100)); }
};

TEST_F(Boards, list_the_best_first_with_values_of_the_members_type) {
  save(1, {30, 1.5, 11});
  save(2, {50, std::nullopt, 0});
  save(3, {40, -0.25, 12});
  EXPECT_EQ(board(), "2=50#0 3=40#1 1=30#2");
  EXPECT_EQ(text(fighters.top<"coins">(2)), "2=50#0 3=40#1");
  EXPECT_EQ(text(fighters.bottom<"coins">(2)), "1=30#2 3=40#1");
  const auto skilled = fighters.top<"skill">(5);
  ASSERT_EQ(skilled->size(), 2U) << "an empty optional is not in the board";
  EXPECT_EQ((*skilled)[0].value, 1.5);
  EXPECT_EQ((*skilled)[1].value, -0.25);
  EXPECT_EQ((*fighters.top<"deadly">(1))[0].value, true);
  static_assert(std::is_same_v<decltype((*fighters.top<"deadly">(1))[0].value), bool>);
  EXPECT_EQ(*fighters.index_size<"coins">(), 3U);
  EXPECT_EQ(*fighters.index_size<"skill">(), 2U);
}

TEST_F(Boards, know_the_rank_of_a_key_and_who_is_around_it) {
  for (std::uint64_t key = 1; key <= 5; ++key)
    save(key, {static_cast<std::int64_t>(key * 10), std::nullopt, 0});
  EXPECT_EQ(*fighters.rank<"coins">(5U), 0U);
  EXPECT_EQ(*fighters.rank<"coins">(1U), 4U);
  EXPECT_EQ(text(fighters.around<"coins">(3U, 1)), "4=40#1 3=30#2 2=20#3");
  EXPECT_EQ(text(fighters.around<"coins">(5U, 2)), "5=50#0 4=40#1 3=30#2");
  EXPECT_TRUE(fighters.rank<"coins">(9U).is(Errc::not_found));
  EXPECT_TRUE(fighters.rank<"skill">(3U).is(Errc::not_found)) << "its optional is empty";
  EXPECT_EQ(text(fighters.around<"skill">(3U, 2)), "not_found");
}

TEST_F(Boards, go_on_behind_the_last_row_of_a_page) {
  for (std::uint64_t key = 1; key <= 5; ++key)
    save(key, {7, std::nullopt, 0});
  EXPECT_EQ(board(), "5=7#0 4=7#1 3=7#2 2=7#3 1=7#4") << "ties by key";
  const auto first = fighters.top<"coins">(2);
  const auto behind = (*first)[1].position();
  EXPECT_EQ(text(fighters.top<"coins">(2, behind)), "3=7#2 2=7#3");
  save(4, {100, std::nullopt, 0});
  EXPECT_EQ(text(fighters.top<"coins">(2, behind)), "3=7#2 2=7#3") << "though that one has moved";
  EXPECT_EQ(text(fighters.bottom<"coins">(2, persist::IndexPosition{7, "2"})), "3=7#2 5=7#1");
}

TEST_F(Boards, show_what_is_saved_and_nothing_before) {
  auto session = *fighters.load(1U);
  session.edit()->coins = 5;
  EXPECT_EQ(board(), "");
  ASSERT_TRUE(session.save());
  EXPECT_EQ(board(), "1=5#0");
  session.edit()->coins = -1;
  EXPECT_TRUE(session.save().is(Errc::invalid));
  EXPECT_EQ(board(), "1=5#0") << "what is refused is in no board";
  session.edit()->coins = 9;
  db.fail_commits(Errc::io);
  EXPECT_FALSE(session.save());
  EXPECT_EQ(board(), "1=5#0");
  ASSERT_TRUE(session.release());
  EXPECT_EQ(board(), "1=9#0");
  ASSERT_TRUE(fighters.erase(1U));
  EXPECT_EQ(board(), "");
}

TEST_F(Boards, show_what_a_listener_of_saving_made_of_the_data) {
  const auto doubled = fighters.on_saving([](auto&, Fighter& data, Reason) { data.coins *= 2; });
  auto session = *fighters.load(1U);
  session.edit()->coins = 5;
  ASSERT_TRUE(session.release());
  EXPECT_EQ(fighters.peek(1U)->data.coins, 10);
  EXPECT_EQ(board(), "1=10#0");
}

TEST_F(Boards, hear_of_every_way_in_which_data_is_changed) {
  ASSERT_TRUE(fighters.update(1U, [](Fighter& f) { f.coins = 1; }, {.create = true}));
  EXPECT_EQ(board(), "1=1#0");
  ASSERT_TRUE(fighters.overwrite(1U, {2, std::nullopt, 0}));
  EXPECT_EQ(board(), "1=2#0");
  ASSERT_TRUE(
      fighters.grant_once(1U, persist::ReceiptId{"receipt"}, [](Fighter& f) { f.coins = 3; }));
  EXPECT_EQ(board(), "1=3#0");
  ASSERT_TRUE(fighters.for_each([](Fighter& f) { f.coins = 4; }).done);
  EXPECT_EQ(board(), "1=4#0");
  fighters.on_message([](Fighter& f, const Gift& gift) { f.coins += gift.coins; });
  ASSERT_TRUE(fighters.post(1U, Gift{1}));
  auto session = *fighters.load(1U);
  fighters.poll();
  ASSERT_TRUE(session.save());
  EXPECT_EQ(board(), "1=5#0");
  auto other = *fighters.load(2U);
  ASSERT_TRUE(fighters.transact(session, other,
                                [](Fighter& a, Fighter& b) { a.coins -= 2, b.coins += 2; }));
  EXPECT_EQ(board(), "1=3#0 2=2#1");
  ASSERT_TRUE(session.transfer(2U, Gift{1}, [](Fighter& f) { f.coins -= 1; }));
  session.touch();
  ASSERT_TRUE(session.save());
  EXPECT_EQ(board(), "2=2#0 1=2#1");
}

TEST_F(Boards, are_found_by_another_server) {
  save(1, {5, std::nullopt, 0});
  Fighters elsewhere("fighters", db, options("eu-2"));
  EXPECT_EQ(text(elsewhere.top<"coins">(3)), "1=5#0");
  Fighters others("others", db, options());
  EXPECT_EQ(text(others.top<"coins">(3)), "") << "another store has boards of its own";
}

TEST_F(Boards, know_what_a_save_whose_reply_was_lost_has_done) {
  auto session = *fighters.load(1U);
  session.edit()->coins = 5;
  db.lose_reply();
  (void)session.save();
  EXPECT_EQ(board(), "1=5#0");
  session.edit()->coins = 6;
  play(30s, fighters);
  ASSERT_TRUE(session.release());
  EXPECT_EQ(board(), "1=6#0");
}

TEST_F(Boards, that_are_declared_later_are_filled_by_a_walk) {
  {
    PlainFighters before("fighters", db, options());
    for (std::uint64_t key = 1; key <= 5; ++key)
      ASSERT_TRUE(before.overwrite(key, {static_cast<std::int64_t>(key), std::nullopt, 0}));
  }
  EXPECT_EQ(board(), "");
  Fighters elsewhere("fighters", db, options("eu-2"));
  auto held = *elsewhere.load(4U);
  auto here = *fighters.load(5U);
  auto report = fighters.rebuild_indexes(
      {.page = 2, .on_page = [](const persist::ForEachReport&) { return false; }});
  EXPECT_FALSE(report.done) << "stopped after a page";
  report = fighters.rebuild_indexes({.resume = report.next});
  EXPECT_TRUE(report.done);
  fighters.poll();
  EXPECT_EQ(board(), "5=5#0 3=3#1 2=2#2 1=1#3");
  ASSERT_EQ(report.missed.size(), 1U);
  EXPECT_EQ(report.missed[0].key, "4");
  held.edit()->coins = 7;
  ASSERT_TRUE(held.release());
  EXPECT_EQ(board(), "4=7#0 5=5#1 3=3#2 2=2#3 1=1#4") << "the next save of its holder's does it";
  EXPECT_EQ(here.state(), State::open);
}

struct MaybeFighterSave {
  using data_type = std::optional<Fighter>;
  using indexes = FighterSave::indexes;
};

TEST_F(Boards, have_no_place_for_data_that_is_empty) {
  persist::Store<std::uint64_t, MaybeFighterSave, Db> maybe("maybe", db, options());
  auto session = *maybe.load(1U);
  session.edit()->emplace().coins = 5;
  ASSERT_TRUE(session.save());
  EXPECT_EQ(text(maybe.top<"coins">(3)), "1=5#0");
  ASSERT_TRUE(session.add_user_id(7));
  ASSERT_TRUE(session.save({.force = true}));
  EXPECT_NE(maybe.export_user(7)->json.find(R"("coins": 5)"), std::string::npos);
  session.edit()->reset();
  ASSERT_TRUE(session.release());
  EXPECT_EQ(text(maybe.top<"coins">(3)), "");
}

template <class Store>
std::string board_of(Store& store) {
  for (std::uint64_t key = 1; key <= 2; ++key)
    EXPECT_TRUE(store.update(key, [&](Fighter& f) { f.coins += static_cast<std::int64_t>(key); },
                             {.create = true}));
  EXPECT_TRUE(store.update(1U, [](Fighter& f) { f.coins += 4; }));
  return Boards::text(store.template top<"coins">(9));
}

TEST_F(Boards, are_filled_whatever_the_lock_policy) {
  using persist::backend::Memory;
  const std::string filled = "1=5#0 2=2#1";
  persist::Store<std::uint64_t, FighterSave, Db, persist::lock::None> none("none", db, options());
  EXPECT_EQ(board_of(none), filled);
  persist::Store<std::uint64_t, FighterSave, Db, persist::lock::Optimistic> many("many", db,
                                                                                 options());
  EXPECT_EQ(board_of(many), filled);
  persist::Store<std::uint64_t, FighterSave, Db, persist::lock::External<Memory>> leased(
      "leased", db, Memory(clock), options());
  EXPECT_EQ(board_of(leased), filled);
  persist::Store<std::uint64_t, FighterSave, Db, persist::access::Shared<persist::lock::Lease<>>>
      shared("shared", db, options());
  EXPECT_EQ(board_of(shared), filled);
  EXPECT_TRUE(many.rebuild_indexes().done);
  EXPECT_EQ(Boards::text(many.top<"coins">(9)), filled);
}

struct ThrowingSave {
  using data_type = Fighter;
  using indexes = Indexes<Index<"odd", [](const Fighter& f) {
    if (f.coins % 2 == 0) throw 1;
    return f.coins;
  }>>;
};

TEST_F(Boards, whose_function_throws_refuse_the_save) {
  persist::Store<std::uint64_t, ThrowingSave, Db> odd("odd", db, options());
  auto session = *odd.load(1U);
  session.edit()->coins = 2;
  EXPECT_TRUE(session.save().is(Errc::invalid));
  EXPECT_FALSE(odd.inspect(1U)->exists);
  EXPECT_TRUE(odd.update(1U, [](Fighter& f) { f.coins = 4; }).is(Errc::invalid))
      << "nor does a change begin that could not be saved";
  session.edit()->coins = 3;
  ASSERT_TRUE(session.release());
  EXPECT_EQ(text(odd.top<"odd">(3)), "1=3#0");
}

// Which records are a user's.

struct AccountKey {
  struct value_type {
    std::uint64_t id = 0;
    std::uint64_t user = 0;
  };
  static void spell(const value_type& key, persist::KeyBuffer& out) {
    out.append(std::to_string(key.id));
  }
  static void user_ids(const value_type& key, persist::UserIds& out) { out.add(key.user); }
};
using Accounts = persist::Store<AccountKey, Fighter, Db>;

TEST_F(Boards, name_the_records_of_a_user) {
  Accounts accounts("accounts", db, options());
  for (std::uint64_t id = 0; id < 5; ++id) {
    auto session = *accounts.load(AccountKey::value_type{id, 100 + id % 2});
    session.touch();
    ASSERT_TRUE(session.release());
  }
  using Keys = std::vector<std::string>;
  EXPECT_EQ(*accounts.keys_of(100), (Keys{"0", "2", "4"}));
  EXPECT_EQ(*accounts.keys_of(101), (Keys{"1", "3"}));
  EXPECT_EQ(*accounts.keys_of(102), Keys{});
  auto session = *accounts.load(AccountKey::value_type{1, 101});
  ASSERT_TRUE(session.add_user_id(100));
  ASSERT_TRUE(session.remove_user_id(101));
  EXPECT_EQ(accounts.keys_of(100)->size(), 3U) << "not before it is saved";
  session.touch();
  ASSERT_TRUE(session.save());
  EXPECT_EQ(*accounts.keys_of(100), (Keys{"0", "1", "2", "4"}));
  EXPECT_EQ(*accounts.keys_of(101), Keys{"3"});
  ASSERT_TRUE(accounts.erase(persist::SpelledKey{"2"}));
  EXPECT_EQ(accounts.keys_of(100)->size(), 3U);
}

/// Of which the user ids of one record cannot be read.
struct Damaged : persist::backend::Memory {
  using Memory::Memory;
  void query(std::span<persist::IndexRequest> batch) {
    Memory::query(batch);
    for (persist::IndexRequest& request : batch)
      request.damaged = {"k"};
  }
};

TEST_F(Boards, do_not_say_whose_records_are_while_damaged_bytes_hide_some) {
  persist::Store<std::uint64_t, FighterSave, Damaged> store("fighters", Damaged(clock), options());
  const auto keys = store.keys_of(7);
  ASSERT_TRUE(keys.is(Errc::corrupt));
  EXPECT_EQ(keys.error().key(), "k");
  EXPECT_TRUE(store.export_user(7).is(Errc::corrupt));
  EXPECT_EQ(store.erase_user(7).error, Errc::corrupt);
  EXPECT_TRUE(store.top<"coins">(3)) << "a board goes on without it";
}

TEST_F(Boards, name_the_records_of_a_user_who_has_thousands) {
  auto opened = persist::OpenStoreRequest{"fighters", persist::LockKind::lease, {}};
  db.open_store(std::span(&opened, 1));
  const std::vector<std::uint64_t> users{7};
  for (int i = 0; i < 2000; ++i) {
    const std::string key = "k" + std::to_string(i);
    persist::AcquireRequest take{opened.store, key, db.next_owner(persist::ServerId("eu-3"))};
    db.acquire(std::span(&take, 1));
    persist::Change change;
    change.store = opened.store, change.key = key, change.fence = take.record.fence;
    change.fence.write = 1, change.user_ids = &users;
    persist::CommitRequest commit{std::span(&change, 1)};
    db.commit(std::span(&commit, 1));
  }
  EXPECT_EQ(fighters.keys_of(7)->size(), 2000U);
}

}  // namespace
