#include <persist/store/core.hpp>

#include <persist/backend/file.hpp>
#include <support/made_backends.hpp>
#include <support/world.hpp>

#include <cstdlib>
#include <filesystem>
#include <memory>

// A store with its types, on each embedded backend: what cannot be read is left alone, and what
// was promised of messages, purchases and trades holds when everything is opened again.

namespace {

using namespace test;
using persist::Buffer;
using persist::Conflict;
using persist::Grant;
using persist::backend::File;
using persist::backend::Memory;

/// A database that can be closed and opened again.
struct MemoryHome {
  using Backend = Memory;
  explicit MemoryHome(persist::testing::ManualClock& clock) : db(clock) {}
  Backend handle() { return db; }
  Backend db;
};
struct FileHome {
  using Backend = File;
  explicit FileHome(persist::testing::ManualClock& time) : clock(time) {
    std::string name = (std::filesystem::temp_directory_path() / "persist-XXXXXX").string();
    if (::mkdtemp(name.data()) != nullptr) folder = name;
  }
  FileHome(const FileHome&) = delete;
  ~FileHome() { std::filesystem::remove_all(folder); }
  Backend handle() { return File(folder + "/db", {.clock = &clock}); }
  std::string folder;
  persist::testing::ManualClock& clock;
};

struct Later {
  using data_type = Player;
  static constexpr std::uint32_t schema_version = 7;
};

template <class Home>
struct StoreCoreTest : testing::Test {
  using Backend = typename Home::Backend;
  using Players = persist::Store<std::uint64_t, Save, Backend>;
  using Session = typename Players::Session;

  persist::testing::ManualClock clock;
  Home home{clock};

  persist::StoreOptions options(std::string server) {
    persist::StoreOptions told;
    told.server_id = std::move(server);
    told.clock = &clock;
    told.log.sink = [](persist::LogLevel, std::string_view) {};
    return told;
  }
  Players open(const Backend& db, std::string server = "eu-1") {
    return Players("players", db, options(std::move(server)));
  }
  static void gives(Players& players) {
    players.on_message([](Player& player, const Gift& gift) { player.coins += gift.coins; });
  }
  template <class... Stores>
  void play(persist::Duration time, Stores&... stores) {
    for (const auto end = clock.now() + time; clock.now() < end;) {
      clock.advance(1s);
      persist::poll(stores...);
    }
  }
  static std::int64_t coins(Players& players, std::uint64_t key) {
    auto read = players.peek(key);
    return read ? read->data.coins : -1;
  }

  /// Writes bytes as they are under that key.
  static void plant(Backend db, persist::StoreId store, std::string_view key, Buffer bytes) {
    persist::AcquireRequest acquire;
    acquire.store = store;
    acquire.key = key;
    acquire.owner = db.next_owner(persist::ServerId("planter"));
    acquire.lease = 60s;
    db.acquire(std::span(&acquire, 1));
    ASSERT_EQ(acquire.outcome, persist::AcquireRequest::Outcome::taken);
    persist::Change change;
    change.store = store;
    change.key = key;
    change.fence = {acquire.record.fence.epoch, acquire.owner, 1};
    change.data = &bytes;
    change.lease = persist::LeaseChange::release;
    persist::CommitRequest commit;
    commit.changes = std::span(&change, 1);
    db.commit(std::span(&commit, 1));
    ASSERT_EQ(commit.outcome, persist::CommitRequest::Outcome::applied);
  }
  static persist::Snapshot stored(Backend db, persist::StoreId store, std::string_view key) {
    persist::ReadRequest read;
    read.store = store;
    read.key = key;
    db.read(std::span(&read, 1));
    return read.record;
  }
  /// Every call on a record that cannot be read says so.
  template <class Db>
  void refuses_everywhere(Db db, std::uint64_t key, Errc code) {
    auto inner = this->open(db, "eu-2");
    gives(inner);
    EXPECT_TRUE(inner.load(key).is(code));
    EXPECT_TRUE(inner.try_load(key).is(code));
    EXPECT_TRUE(inner.load(key, {.conflict = Conflict::steal}).is(code));
    auto loading = inner.begin_load(key);
    this->play(2min, inner);
    EXPECT_TRUE(loading.take().is(code));
    EXPECT_TRUE(inner.update(key, [](Player&) { FAIL(); }).is(code));
    EXPECT_TRUE(inner.overwrite(key, Player{}).is(code));
    EXPECT_TRUE(inner.grant_once(key, "r", [](Player&) { FAIL(); }).is(code));
    EXPECT_TRUE(inner.peek(key).is(code));
    EXPECT_FALSE(inner.inspect(key)->held);
  }
};
using Homes = testing::Types<MemoryHome, FileHome>;
TYPED_TEST_SUITE(StoreCoreTest, Homes);

TYPED_TEST(StoreCoreTest, what_cannot_be_read_is_left_as_it_is_by_every_call) {
  auto db = this->home.handle();
  auto players = this->open(db);
  const auto store = players.core().store();
  ASSERT_TRUE(players.overwrite(1u, Player{1, 2, "ada"}));
  const Buffer good = TestFixture::stored(db, store, "1").data;

  Buffer flipped = good;
  flipped.data()[flipped.size() - 1] ^= std::byte{1};
  const Buffer cut(persist::ByteView(good).first(good.size() / 2));
  const Buffer noise(persist::ByteView(good).last(3));
  persist::Store<std::uint64_t, Later, typename TypeParam::Backend> later("later", db,
                                                                          this->options("later"));
  ASSERT_TRUE(later.overwrite(1u, Player{}));
  persist::Store<std::uint64_t, Player, typename TypeParam::Backend, persist::lock::Lease<>,
                 persist::codec::Json>
      texts("texts", db, this->options("texts"));
  ASSERT_TRUE(texts.overwrite(1u, Player{}));
  struct Stranger {
    std::string coins = "many";
  };
  persist::Store<std::uint64_t, Stranger, typename TypeParam::Backend> strange(
      "strange", db, this->options("strange"));
  ASSERT_TRUE(strange.overwrite(1u, Stranger{}));

  struct Case {
    std::uint64_t key;
    Buffer bytes;
    Errc code;
  };
  const std::vector<Case> cases = {
      {10, flipped, Errc::corrupt},
      {11, cut, Errc::corrupt},
      {12, noise, Errc::corrupt},
      {13, TestFixture::stored(db, later.core().store(), "1").data, Errc::too_new},
      {14, TestFixture::stored(db, texts.core().store(), "1").data, Errc::wrong_codec},
      {15, TestFixture::stored(db, strange.core().store(), "1").data, Errc::schema_mismatch},
  };
  for (const Case& each : cases) {
    SCOPED_TRACE(each.key);
    const std::string spelled = std::to_string(each.key);
    TestFixture::plant(db, store, spelled, each.bytes);
    const auto before = TestFixture::stored(db, store, spelled);
    ASSERT_TRUE(players.post(each.key, Gift{5}));
    this->refuses_everywhere(db, each.key, each.code);
    const auto after = TestFixture::stored(db, store, spelled);
    EXPECT_EQ(after.data, each.bytes);
    EXPECT_EQ(after.version, before.version);
    EXPECT_EQ(after.load_count, before.load_count);
    EXPECT_EQ(players.inspect(each.key)->inbox_messages, 1U);
    EXPECT_TRUE(players.erase(each.key));
    EXPECT_TRUE(players.load(each.key)->is_new());
  }
}

TYPED_TEST(StoreCoreTest, messages_purchases_and_trades_are_there_once_when_all_is_opened_again) {
  {
    auto players = this->open(this->home.handle());
    TestFixture::gives(players);
    auto one = players.load(1u);
    auto two = players.load(2u);
    ASSERT_TRUE(players.post(1u, Gift{5}, {.id = "mail"}));
    players.poll();
    ASSERT_TRUE(one->grant_once("r", [](Player& player) { player.coins += 10; }));
    ASSERT_TRUE(one->send(3u, Gift{20}));
    const auto done = players.transact(*one, *two, [](Player& a, Player& b) {
      a.coins -= 50;
      b.coins += 50;
    });
    ASSERT_TRUE(done);
    EXPECT_EQ(*done, persist::Transacted::durable);
    one->edit()->coins = 0;
  }
  auto players = this->open(this->home.handle(), "eu-2");
  TestFixture::gives(players);
  EXPECT_EQ(TestFixture::coins(players, 1), 0);
  EXPECT_EQ(TestFixture::coins(players, 2), 150);
  EXPECT_TRUE(players.post(1u, Gift{5}, {.id = "mail"})->repeated);
  EXPECT_EQ(*players.grant_once(1u, "r", [](Player&) { FAIL(); }), Grant::durable);
  EXPECT_EQ(players.load(1u)->view()->coins, 0);
  EXPECT_EQ(players.load(3u)->view()->coins, 120);
}

TYPED_TEST(StoreCoreTest, of_a_session_that_was_taken_over_neither_data_nor_message_is_there) {
  auto db = this->home.handle();
  auto a = this->open(db, "eu-1");
  auto b = this->open(db, "eu-2");
  TestFixture::gives(a);
  ASSERT_TRUE(a.post(1u, Gift{5}));
  auto old = a.load(1u);
  EXPECT_EQ(old->view()->coins, 105);
  ASSERT_TRUE(old->send(2u, Gift{1}));
  ASSERT_TRUE(old->set_metadata(persist::Value("late")));
  auto newer = b.load(1u, {.conflict = Conflict::steal});
  ASSERT_TRUE(newer);
  EXPECT_EQ(newer->view()->coins, 100);
  EXPECT_EQ(newer->waiting_messages(), 1U);
  EXPECT_TRUE(old->save().is(Errc::fenced));
  EXPECT_EQ(b.inspect(1u)->inbox_messages, 1U);
  EXPECT_EQ(b.inspect(2u)->inbox_messages, 0U);
  EXPECT_EQ(TestFixture::coins(b, 1), -1);
}

TYPED_TEST(StoreCoreTest, a_full_inbox_empties_over_several_loads_and_nothing_is_lost) {
  auto db = this->home.handle();
  auto told = this->options("eu-1");
  told.inbox_limit.messages = 3;
  typename TestFixture::Players players("players", db, told);
  TestFixture::gives(players);
  auto session = players.load(1u);
  for (int i = 0; i < 10; ++i) {
    session->edit()->coins -= 1;
    ASSERT_TRUE(session->send(2u, Gift{1}));
    ASSERT_TRUE(session->save());
  }
  EXPECT_EQ(players.inspect(2u)->inbox_messages, 3U);
  EXPECT_EQ(players.inspect(1u)->outbox_messages, 7U);
  for (int i = 0; i < 4; ++i) {
    ASSERT_TRUE(players.load(2u)->release());
    this->play(30s, players);
  }
  EXPECT_EQ(TestFixture::coins(players, 2), 110);
  EXPECT_EQ(TestFixture::coins(players, 1), 90);
  EXPECT_EQ(players.inspect(1u)->outbox_messages, 0U);
}

TYPED_TEST(StoreCoreTest, an_erased_record_is_gone_and_its_epoch_is_not) {
  std::uint64_t epoch = 0;
  {
    auto players = this->open(this->home.handle());
    auto session = players.load(1u);
    session->edit()->coins = 5;
    ASSERT_TRUE(session->save());
    epoch = session->epoch();
    session->edit()->coins = 6;
    ASSERT_TRUE(players.erase(1u));
    EXPECT_EQ(session->state(), State::lost);
  }
  auto players = this->open(this->home.handle());
  EXPECT_TRUE(players.peek(1u).is(Errc::not_found));
  auto session = players.load(1u);
  EXPECT_TRUE(session->is_new());
  EXPECT_GT(session->epoch(), epoch);
}

TYPED_TEST(StoreCoreTest, a_session_that_was_never_saved_may_be_erased) {
  auto players = this->open(this->home.handle());
  auto session = players.load(1u);
  session->edit()->coins = 5;
  EXPECT_TRUE(session->erase());
  EXPECT_EQ(session->state(), State::lost);
  this->play(1min, players);
  EXPECT_TRUE(players.peek(1u).is(Errc::not_found));
}

}  // namespace
