// Entries of every kind of codec and backend: what goes to the journal comes back as it was.

#include <persist/store/spill.hpp>

#include <persist/codec/chunked.hpp>

#include <support/narrow.hpp>
#include <support/run_length.hpp>

#include <csignal>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include <sys/resource.h>

#include "spill_case.hpp"

namespace test {
namespace {

using persist::codec::Cbor;
using persist::codec::Chunked;
using persist::codec::Compressed;
using persist::lock::Lease;
using State = Spilled::State;
using NarrowDb = Narrow<Db>;
using Large =
    persist::Store<std::uint64_t, Save, NarrowDb, Lease<>, Chunked<Compressed<Cbor, RunLength>>>;
using Shared = persist::Store<std::uint64_t, Save, Db, Lease<>, persist::codec::SharedPacked>;

/// A text that no run length shortens.
std::string text(std::size_t size, char first = 'a') {
  std::string made(size, first);
  for (std::size_t i = 1; i < size; i += 2)
    made[i] = static_cast<char>('0' + i % 10);
  return made;
}

struct SpillWrapped : SpillCase {
  NarrowDb narrow{db};

  [[nodiscard]] persist::spill::Entry entry() {
    const auto all = files();
    EXPECT_EQ(all.size(), 1U);
    auto read = persist::spill::decode(persist::as_bytes(bytes_of(all.at(0))));
    EXPECT_TRUE(read) << read.error();
    return *std::move(read);
  }
};

TEST_F(SpillWrapped, a_record_that_is_split_when_it_is_sent_is_spilled_whole) {
  for (const std::size_t size : {std::size_t{5000}, std::size_t{2500}, std::size_t{10}}) {
    {
      Large players("players", narrow, spilling());
      auto session = players.load(7);
      ASSERT_TRUE(session) << session.error();
      session->edit()->name = text(size);
      down();
      EXPECT_EQ(players.close_all(10s), 1U);
    }
    up();
    EXPECT_FALSE(entry().parts[0].pieces->is_split);
    Large players("players", narrow, spilling());
    EXPECT_TRUE(players.spilled()->empty());
    const auto read = players.peek(7);
    ASSERT_TRUE(read) << read.error();
    EXPECT_EQ(read->data.name, text(size));
  }
}

TEST_F(SpillWrapped, one_that_was_sent_in_pieces_is_spilled_in_the_same_pieces) {
  for (const char first : {'a', 'b'}) {
    {
      Large players("players", narrow, spilling());
      auto session = players.load(7);
      ASSERT_TRUE(session) << session.error();
      session->edit()->name = text(5000, first);
      db.fail_commits(Errc::unknown_outcome);
      EXPECT_TRUE(session->release().is(Errc::unknown_outcome));
      down(Errc::unknown_outcome);
    }
    up();
    EXPECT_TRUE(entry().parts[0].pieces->is_split);
    EXPECT_GE(entry().parts[0].pieces->parts.size(), 4U);
    Large players("players", narrow, spilling());
    EXPECT_TRUE(players.spilled()->empty());
    EXPECT_EQ(players.peek(7)->data.name, text(5000, first));
  }
}

TEST_F(SpillWrapped, what_is_kept_aside_is_wrapped_as_what_is_stored) {
  Large players("players", narrow, spilling());
  auto session = players.load(7);
  session->edit()->name.assign(5000, 'x');
  session->edit()->coins = -1;
  EXPECT_TRUE(session->release().is(Errc::invalid));
  EXPECT_LT(entry().data_bytes(), 500U) << "a codec that seals must not leave it open here";
}

TEST_F(SpillWrapped, a_schema_that_the_store_has_not_comes_with_the_entry) {
  {
    Shared players("players", db, spilling());
    auto session = players.load(7);
    session->edit()->coins = 5;
    down();
  }
  up();
  const auto spilled = entry();
  Shared players("players", db, spilling());
  persist::SchemaRequest fetch{.store = players.core().store(), .id = spilled.parts[0].schema_id};
  db.read_schemas(std::span(&fetch, 1));
  ASSERT_FALSE(persist::failed(fetch.error)) << fetch.error;
  EXPECT_EQ(fetch.bytes, *spilled.parts[0].schema);
  const auto read = players.peek(7);
  ASSERT_TRUE(read) << read.error();
  EXPECT_EQ(read->data.coins, 5);
}

struct BoardSave : Save {
  using data_type = Player;
  using indexes = persist::Indexes<persist::Index<"coins", &Player::coins>>;
};
using Ranked = persist::Store<std::uint64_t, BoardSave, Db>;

TEST_F(SpillWrapped, a_record_of_a_board_is_in_it_when_its_entry_was_sent) {
  {
    Ranked players("players", db, spilling());
    auto session = players.load(7);
    session->edit()->coins = 5;
    down();
    EXPECT_EQ(players.close_all(10s), 1U);
  }
  up();
  EXPECT_TRUE(persist::are_index_entries(entry().parts[0].indexed.value()));
  Ranked players("players", db, spilling());
  EXPECT_TRUE(players.spilled()->empty());
  const auto board = players.top<"coins">(3);
  ASSERT_TRUE(board) << board.error();
  ASSERT_EQ(board->size(), 1U);
  EXPECT_EQ(board->at(0).value, 5);
}

TEST_F(SpillWrapped, what_is_kept_aside_has_its_entries_in_boards_with_it) {
  Ranked players("players", db, spilling());
  auto session = players.load(7);
  session->edit()->coins = -1;
  EXPECT_TRUE(session->release().is(Errc::invalid));
  EXPECT_TRUE(players.top<"coins">(3)->empty());
  persist::Buffer expected;
  persist::append_index_entry(expected, "coins", -1);
  EXPECT_EQ(entry().parts[0].indexed.value(), expected);
}

using FileDb = FlakyBackend<persist::backend::File>;
using OnFile = persist::Store<std::uint64_t, Save, FileDb>;

struct SpillOnFile : SpillCase {
  std::optional<FileDb> file;
  void start() {
    file.reset();
    file.emplace(persist::backend::File(root + "/save", {.clock = &clock}));
    ASSERT_TRUE(file->status()) << file->status().error();
  }
  void stop() { file.reset(); }
  void spill(std::int64_t coins) {
    OnFile players("players", *file, spilling());
    auto session = players.load(7);
    ASSERT_TRUE(session) << session.error();
    session->edit()->coins = coins;
    file->fail_commits(Errc::unavailable, 1'000);
    EXPECT_EQ(players.close_all(10s), 1U);
    file->script().commits.clear();
  }
  void save(std::int64_t coins) {
    OnFile players("players", *file, options("us-1"));
    ASSERT_TRUE(players.load(7)->save({.force = true}));
    ASSERT_TRUE(players.update(7, [&](Player& player) { player.coins = coins; }));
  }
  [[nodiscard]] std::int64_t durable(OnFile& players) {
    auto read = players.peek(7);
    return read ? read->data.coins : -1;
  }
};

TEST_F(SpillOnFile, the_entry_of_an_acquisition_that_a_crash_forgot_is_accepted) {
  for (const std::int64_t before : {-1, 50}) {  // without a record, and with one
    start();
    if (before != -1) save(before);
    spill(before + 10);
    stop();
    start();
    OnFile players("players", *file, spilling());
    EXPECT_EQ(durable(players), before + 10);
    EXPECT_TRUE(players.spilled()->empty());
    EXPECT_TRUE(players.try_load(7)) << "it is given back";
    players.close_all(10s);
  }
}

TEST_F(SpillOnFile, but_not_where_somebody_wrote_since) {
  start();
  spill(10);
  stop();
  start();
  save(99);
  stop();
  start();
  OnFile players("players", *file, spilling());
  EXPECT_EQ(durable(players), 99);
  EXPECT_EQ(only(players).state, State::refused);
}

TEST_F(SpillOnFile, where_the_database_was_put_back_to_an_earlier_state_the_entry_is_kept) {
  start();
  save(50);
  stop();
  std::filesystem::copy(root + "/save", root + "/backup");
  start();
  save(60);
  spill(70);
  stop();
  std::filesystem::remove_all(root + "/save");
  std::filesystem::rename(root + "/backup", root + "/save");
  start();
  OnFile players("players", *file, spilling());
  EXPECT_EQ(durable(players), 50);
  EXPECT_EQ(only(players).state, State::refused) << "epochs of that run may be given out again";
  EXPECT_EQ(files().size(), 1U);
}

TEST_F(SpillOnFile, a_disk_that_is_full_at_the_end_makes_it_a_loss_that_is_told) {
  start();
  {
    OnFile players("players", *file, spilling());
    auto session = players.load(7);
    ASSERT_TRUE(session) << session.error();
    session->edit()->coins = 5;
    file->fail_commits(Errc::unavailable, 1'000);
    const auto before = std::signal(SIGXFSZ, SIG_IGN);
    rlimit limit{}, none{};
    ::getrlimit(RLIMIT_FSIZE, &limit);
    none = limit;
    none.rlim_cur = 20;
    ::setrlimit(RLIMIT_FSIZE, &none);
    EXPECT_EQ(players.close_all(10s), 1U);
    ::setrlimit(RLIMIT_FSIZE, &limit);
    std::signal(SIGXFSZ, before);
    EXPECT_TRUE(logged("error: 7: could not be spilled: io"));
    EXPECT_TRUE(files().empty()) << "no half of one is left";
    EXPECT_FALSE(ended(session->state())) << "and it is not given up";
  }
  EXPECT_EQ(files().size(), 1U) << "there was room again when the store went";
  file->script().commits.clear();
  OnFile players("players", *file, spilling());
  EXPECT_EQ(durable(players), 5);
}

}  // namespace
}  // namespace test
