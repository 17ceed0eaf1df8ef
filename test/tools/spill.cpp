#include <persistctl/spill.hpp>

#include <persist/codec/chunked.hpp>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "store_case.hpp"
#include "support/flaky_backend.hpp"
#include <support/made_players.hpp>
#include <support/narrow.hpp>

#include <sys/wait.h>

namespace persistctl {
namespace {

using persist::Conflict;

/// A game whose last changes could not be saved, and an operator.
template <class Place>
class Spill : public StoreCase<Place> {
 protected:
  using Backend = typename Place::Backend;
  using Flaky = test::FlakyBackend<Backend>;
  struct RuledSave : PlayerSave {
    static Result<void> validate(const PlayerData& data) {
      if (data.coins >= 0) return success;
      return Error(Errc::invalid, "coins below zero");
    }
  };
  using Ruled = persist::Store<std::string, RuledSave, Flaky>;

  [[nodiscard]] persist::StoreOptions options() {
    persist::StoreOptions told;
    told.server_id = "eu-1";
    told.clock = &this->place.clock;
    told.spill = folder / "spill";
    told.log.level = persist::LogLevel::off;
    return told;
  }
  /// Says the name of the entry that this left.
  std::string spill(const std::string& key, std::int64_t coins) {
    Flaky flaky(this->place.backend);
    {
      Ruled players("Players", flaky, options());
      auto session = players.load(key);
      EXPECT_TRUE(session) << session.error();
      session->edit()->coins = coins;
      EXPECT_TRUE(session->add_user_id(1001));
      EXPECT_TRUE(session->set_metadata(Value("vip")));
      EXPECT_TRUE(session->send("Player_9", Gift{5, 1}));
      flaky.fail_commits(Errc::unavailable, 1'000);
    }
    return last();
  }
  [[nodiscard]] std::string last() const {
    const auto all = persist::spill::list_entries(Files(), folder / "spill");
    return all && !all->empty() ? all->back().text() : std::string();
  }
  /// Somebody else plays meanwhile.
  void play(const std::string& key, std::int64_t coins) {
    PlayersOn<Backend> players("Players", this->place.backend, {.clock = &this->place.clock});
    auto session = players.load(key, {.conflict = Conflict::steal});
    ASSERT_TRUE(session) << session.error();
    session->edit()->coins = coins;
    ASSERT_TRUE(session->release());
  }
  [[nodiscard]] std::int64_t coins(const std::string& key) {
    PlayersOn<Backend> players("Players", this->place.backend, {.clock = &this->place.clock});
    const auto read = players.peek(key);
    return read ? read->data.coins : -1;
  }
  [[nodiscard]] Result<NamedEntry> entry(const std::string& file) {
    return find_spilled(folder / "spill", file);
  }
  [[nodiscard]] Result<Applied> apply(const std::string& file, bool by_force = false) {
    auto found = entry(file);
    if (!found) return found.error();
    return apply_spilled(this->place.backend, *std::move(found), by_force);
  }

  Folder folder;
};
TYPED_TEST_SUITE(Spill, Places);

TYPED_TEST(Spill, an_entry_is_shown_with_all_that_it_does) {
  const auto shown = show_spilled(*this->entry(this->spill("Player_1", 7)));
  ASSERT_TRUE(shown) << shown.error();
  for (const char* fact :
       {R"("state": "waits")", R"("server": "eu-1")", R"("store": "Players")",
        R"("key": "Player_1")", R"("coins": 7)", R"("lease": "given back")", R"("metadata": "vip")",
        R"("type": "Gift")", R"("write_number": )", "could not be saved before the store closed"})
    EXPECT_NE(shown->find(fact), std::string::npos) << fact << " in\n" << *shown;
}

TYPED_TEST(Spill, an_entry_that_is_applied_does_all_of_it_once) {
  const std::string file = this->spill("Player_1", 7);
  const auto applied = this->apply(file);
  ASSERT_TRUE(applied) << applied.error();
  EXPECT_EQ(*applied, Applied::now);
  const auto record = this->read("Player_1");
  EXPECT_EQ(this->coins("Player_1"), 7);
  EXPECT_EQ(record.record.user_ids, std::vector<std::uint64_t>{1001});
  EXPECT_TRUE(record.record.fence.owner.nobody());
  EXPECT_EQ(this->read("Player_9").inbox_messages, 1U);
  const auto again = this->apply(file);
  ASSERT_TRUE(again) << again.error();
  EXPECT_EQ(*again, Applied::before);
  EXPECT_EQ(this->read("Player_1").record.version, record.record.version);
  EXPECT_EQ(this->read("Player_9").inbox_messages, 1U);
}

TYPED_TEST(Spill, who_wrote_since_is_written_over_by_force_only) {
  const std::string file = this->spill("Player_1", 7);
  this->play("Player_1", 50);
  const auto refused = this->apply(file);
  ASSERT_TRUE(refused.is(Errc::fenced)) << refused.error();
  EXPECT_NE(refused.error().message().find("--force"), std::string::npos);
  EXPECT_EQ(this->coins("Player_1"), 50);
  const auto before = this->read("Player_1");
  const auto forced = this->apply(file, true);
  ASSERT_TRUE(forced) << forced.error();
  EXPECT_EQ(*forced, Applied::now);
  EXPECT_EQ(this->coins("Player_1"), 7);
  const auto after = this->read("Player_1");
  EXPECT_EQ(after.record.load_count, before.record.load_count);
  EXPECT_TRUE(after.record.fence.owner.nobody());
  EXPECT_GT(after.record.fence.epoch, before.record.fence.epoch);
}

TYPED_TEST(Spill, of_a_record_that_was_erased_since_nothing_comes_back_by_itself) {
  const std::string file = this->spill("Player_1", 7);
  {
    PlayersOn<typename TypeParam::Backend> players("Players", this->place.backend,
                                                   {.clock = &this->place.clock});
    (void)players.erase("Player_1");
  }
  if (!this->read("Player_1").found && this->apply(file).is(Errc::not_found)) {
    EXPECT_EQ(this->coins("Player_1"), -1);
  } else {
    ADD_FAILURE() << "it was not known as erased";
  }
}

TYPED_TEST(Spill, what_a_rule_refused_needs_the_word) {
  test::FlakyBackend<typename TypeParam::Backend> flaky(this->place.backend);
  {
    typename TestFixture::Ruled players("Players", flaky, this->options());
    auto session = players.load("Player_1");
    session->edit()->coins = -5;
    ASSERT_TRUE(session->release().is(Errc::invalid));
  }
  const std::string file = this->last();
  const auto shown = show_spilled(*this->entry(file));
  ASSERT_TRUE(shown) << shown.error();
  EXPECT_NE(shown->find(R"("state": "quarantined")"), std::string::npos);
  EXPECT_NE(shown->find(R"("coins": -5)"), std::string::npos);
  const auto refused = this->apply(file);
  ASSERT_TRUE(refused.is(Errc::invalid)) << refused.error();
  EXPECT_NE(refused.error().message().find("coins below zero"), std::string::npos);
  EXPECT_EQ(this->coins("Player_1"), -1);
  const auto forced = this->apply(file, true);
  ASSERT_TRUE(forced) << forced.error();
  EXPECT_EQ(this->coins("Player_1"), -5);
}

TYPED_TEST(Spill, an_entry_of_another_database_is_refused_also_by_force) {
  const std::string file = this->spill("Player_1", 7);
  TypeParam other;
  for (const bool by_force : {false, true}) {
    const auto refused = apply_spilled(other.backend, *this->entry(file), by_force);
    EXPECT_TRUE(refused.is(Errc::refused)) << refused.error();
  }
  EXPECT_TRUE(other.backend.stores().empty()) << "and no store is made";
}

TYPED_TEST(Spill, the_list_names_all_and_what_cannot_be_read_too) {
  const std::string first = this->spill("Player_1", 7);
  std::ifstream in(this->folder / "spill" + "/" + first, std::ios::binary);
  std::string bytes{std::istreambuf_iterator<char>(in), {}};
  std::string second = first;
  second[second.size() - 7] = '9';
  bytes[bytes.size() / 2] ^= 1;
  std::ofstream(this->folder / "spill" + "/" + second, std::ios::binary) << bytes;
  std::ostringstream out;
  const auto listed = list_spilled(this->folder / "spill", "", out);
  EXPECT_TRUE(listed.is(Errc::corrupt)) << listed.error();
  const std::string lines = out.str();
  EXPECT_EQ(lines.find(first + "\twaits\tPlayers\tPlayer_1\t"), 0U) << lines;
  EXPECT_NE(lines.find(second + "\tunreadable\t-"), lines.npos) << lines;
  std::ostringstream none;
  EXPECT_EQ(*list_spilled(this->folder / "spill", "Guilds", none), 0U);
}

TYPED_TEST(Spill, only_names_of_entries_are_taken) {
  (void)this->spill("Player_1", 7);
  for (const char* name : {"", "x", "../spill/a-00000001.spill", "a.lock"})
    EXPECT_TRUE(this->entry(name).is(Errc::invalid)) << name;
  EXPECT_TRUE(this->entry("a-00000001.spill").is(Errc::not_found));
}

/// Records in pieces.
class SpillInPieces : public testing::Test {
 protected:
  using Narrow = test::Narrow<persist::backend::Memory>;
  using Flaky = test::FlakyBackend<Narrow>;
  using Large = persist::Store<std::string, PlayerSave, test::Narrow<Flaky>, persist::lock::Lease<>,
                               persist::codec::Chunked<persist::codec::Cbor>>;
  persist::testing::ManualClock clock;
  Folder folder;
};

TEST_F(SpillInPieces, are_shown_and_applied_whole) {
  persist::backend::Memory memory(clock);
  Flaky flaky{Narrow(memory)};
  test::Narrow<Flaky> narrow(flaky);
  persist::StoreOptions told;
  told.clock = &clock;
  told.spill = folder / "spill";
  told.log.level = persist::LogLevel::off;
  {
    Large players("Players", narrow, told);
    auto session = players.load("Player_1");
    ASSERT_TRUE(session) << session.error();
    session->edit()->inventory.push_back({7, std::string(5000, 'x')});
    flaky.fail_commits(Errc::unknown_outcome, 1'000);
  }
  flaky.script().commits.clear();
  const auto all = persist::spill::list_entries(Files(), folder / "spill");
  ASSERT_EQ(all->size(), 1U);
  auto entry = find_spilled(folder / "spill", all->front().text());
  ASSERT_TRUE(entry) << entry.error();
  const auto shown = show_spilled(*entry);
  EXPECT_NE(shown->find(std::string(5000, 'x')), std::string::npos);
  const auto applied = apply_spilled(narrow, *std::move(entry), true);
  ASSERT_TRUE(applied) << applied.error();
  told.spill.clear();
  Large players("Players", narrow, told);
  const auto read = players.peek("Player_1");
  ASSERT_TRUE(read) << read.error();
  EXPECT_EQ(read->data.inventory[0].name.size(), 5000U);
}

/// The program.
class SpillProgram : public Spill<InFile> {
 protected:
  /// Runs it with these words; says its status and what it printed.
  std::pair<int, std::string> run(const std::vector<std::string>& words) {
    std::string line = std::string("'") + PERSIST_BINARY_DIR + "/bin/persistctl'";
    for (const std::string& word : words)
      line += " '" + word + "'";
    line += " > '" + (folder / "out") + "' 2>&1";
    const int status = std::system(line.c_str());  // NOLINT: the words are this test's own
    std::ifstream file(folder / "out");
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1,
            {std::istreambuf_iterator<char>(file), {}}};
  }
  /// The game is over, and its folder free.
  void close() { place.backend = persist::backend::File(place.folder / "another"); }
  [[nodiscard]] std::string dir() const { return place.folder / "save"; }
  [[nodiscard]] std::string spilled() const { return folder / "spill"; }
};

TEST_F(SpillProgram, lists_shows_applies_and_drops) {
  const std::string first = spill("Player_1", 7);
  close();
  auto ran = run({"spill", "list", "--spill", spilled()});
  EXPECT_EQ(ran.first, 0) << ran.second;
  EXPECT_EQ(ran.second.find(first + "\twaits\tPlayers\tPlayer_1"), 0U) << ran.second;
  ran = run({"spill", "show", first, "--spill", spilled()});
  EXPECT_EQ(ran.first, 0);
  EXPECT_NE(ran.second.find(R"("coins": 7)"), std::string::npos) << ran.second;
  ran = run({"spill", "apply", first, "--spill", spilled(), "--dir", dir()});
  EXPECT_EQ(ran, (std::pair<int, std::string>(0, "saved; the entry is gone\n")));
  ran = run({"show", "Player_1", "--dir", dir(), "--store", "Players"});
  EXPECT_NE(ran.second.find(R"("coins": 7)"), std::string::npos) << ran.second;
  ran = run({"spill", "list", "--spill", spilled()});
  EXPECT_EQ(ran, (std::pair<int, std::string>(0, "")));
  ran = run({"spill", "drop", first, "--spill", spilled()});
  EXPECT_EQ(ran.first, 1) << "it is gone";
}

TEST_F(SpillProgram, keeps_what_is_refused_and_drops_what_it_is_told_to) {
  const std::string first = spill("Player_1", 7);
  play("Player_1", 50);
  close();
  auto ran = run({"spill", "apply", first, "--spill", spilled(), "--dir", dir()});
  EXPECT_EQ(ran.first, 1);
  EXPECT_NE(ran.second.find("somebody wrote"), std::string::npos) << ran.second;
  ran = run({"spill", "drop", first, "--spill", spilled()});
  EXPECT_EQ(ran, (std::pair<int, std::string>(0, "dropped\n")));
  EXPECT_EQ(last(), "");
}

TEST_F(SpillProgram, leaves_a_game_that_runs_its_entries) {
  const std::string first = spill("Player_1", 7);
  const auto held = persist::spill::Journal<>::open(spilled(), "Players");
  ASSERT_TRUE(held) << held.error();
  EXPECT_EQ(run({"spill", "drop", first, "--spill", spilled()}).first, 3);
  EXPECT_EQ(run({"spill", "apply", first, "--spill", spilled(), "--dir", dir()}).first, 3);
  EXPECT_EQ(run({"spill", "list", "--spill", spilled()}).first, 0);
}

TEST_F(SpillProgram, says_what_is_missing) {
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"spill"},
        {"spill", "what"},
        {"spill", "list"},
        {"spill", "apply", "a-00000001.spill", "--spill", spilled()},
        {"spill", "show", "--spill", spilled()}})
    EXPECT_EQ(run(words).first, 2);
}

}  // namespace
}  // namespace persistctl
