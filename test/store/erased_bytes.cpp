#include <persist/persist.hpp>
#include <persist/testing/faulty.hpp>
#include <persist/testing/manual_clock.hpp>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <variant>

#include <gtest/gtest.h>

// What was erased is not only out of sight: once the log has moved on, its bytes are in no file.

namespace {

using namespace std::chrono_literals;

struct Note {
  std::string text;
};
struct Diary {
  std::string text;
  std::int64_t pages = 0;
};
struct DiarySave {
  using data_type = Diary;
  using message = std::variant<Note>;
  using indexes = persist::Indexes<persist::Index<"pages", &Diary::pages>>;
};
using Diaries = persist::Store<std::string, DiarySave>;

struct ErasedBytes : testing::Test {
  ErasedBytes() {
    std::string name = testing::TempDir() + "persist-erased-XXXXXX";
    if (::mkdtemp(name.data()) != nullptr) root = name;
  }
  ~ErasedBytes() override { std::filesystem::remove_all(root); }

  Diaries open() {
    persist::StoreOptions told;
    told.clock = &clock, told.history = {.keep = 3};
    told.close_deadline = 1s;
    return Diaries("diaries",
                   persist::backend::File{root + "/save",
                                          {.durability = persist::backend::Durability::relaxed,
                                           .clock = &clock,
                                           .segment_bytes = 4096,
                                           .sync_every = 24h}},
                   told);
  }
  /// In how many files below the folder the word is.
  [[nodiscard]] int files_with(std::string_view word) const {
    int found = 0;
    for (const auto& each : std::filesystem::recursive_directory_iterator(root)) {
      if (!each.is_regular_file()) continue;
      std::ifstream in(each.path(), std::ios::binary);
      const std::string bytes{std::istreambuf_iterator<char>(in), {}};
      found += bytes.find(word) != bytes.npos ? 1 : 0;
    }
    return found;
  }
  /// Other players play on.
  static void write_others(Diaries& diaries) {
    for (int i = 0; i < 200; ++i)
      ASSERT_TRUE(diaries.overwrite("other" + std::to_string(i % 20), {std::string(200, 'x'), i}));
  }

  persist::testing::ManualClock clock;
  std::string root;
};

TEST_F(ErasedBytes, nothing_of_a_user_is_in_any_file_once_the_log_has_moved_on) {
  constexpr std::uint64_t user = 77;
  {
    auto diaries = open();
    ASSERT_TRUE(diaries.status());
    auto session = diaries.load("MARKERkey");
    ASSERT_TRUE(session) << session.error();
    ASSERT_TRUE(session->add_user_id(user));
    ASSERT_TRUE(session->set_metadata(persist::Value("MARKERmetadata")));
    for (int i = 0; i < 3; ++i) {  // with older states
      session->edit([&](Diary& diary) { diary = {"MARKERdata " + std::to_string(i), i}; });
      ASSERT_TRUE(session->save());
    }
    ASSERT_TRUE(session->release());
    ASSERT_TRUE(diaries.post("MARKERkey", Note{"MARKERnote"}));
    write_others(diaries);
    EXPECT_EQ(diaries.versions("MARKERkey")->size(), 2U);
    ASSERT_GT(files_with("MARKERdata"), 0);
    ASSERT_GT(files_with("MARKERkey"), 0);

    const persist::UserErased report = diaries.erase_user(user);
    ASSERT_TRUE(report.done());
    EXPECT_EQ(report.erased.size(), 1U);
    for (int i = 0; i < 4; ++i)
      write_others(diaries);
  }
  auto diaries = open();  // and also when it is opened again
  write_others(diaries);
  EXPECT_EQ(files_with("MARKER"), 0);
  EXPECT_FALSE(diaries.peek("MARKERkey"));
  EXPECT_TRUE(diaries.versions("MARKERkey").is(persist::Errc::not_found));
  EXPECT_EQ(*diaries.index_size<"pages">(), 20U);
}

TEST_F(ErasedBytes, nothing_of_a_user_is_in_any_file_once_that_was_asked_for) {
  constexpr std::uint64_t user = 77;
  const persist::backend::File file{root + "/save", {.clock = &clock}};
  persist::StoreOptions told;
  told.clock = &clock;
  Diaries diaries("diaries", file, told);
  auto session = diaries.load("MARKERkey");
  ASSERT_TRUE(session) << session.error();
  session->edit()->text = "MARKERdata";
  ASSERT_TRUE(session->add_user_id(user));
  ASSERT_TRUE(session->send("other", Note{"MARKERnote"}));
  ASSERT_TRUE(session->release());
  ASSERT_TRUE(diaries.erase_user(user, {.sent = persist::SentMessages::remove}).done());
  EXPECT_GT(files_with("MARKER"), 0);
  ASSERT_TRUE(persist::backend::File(file).compact());
  EXPECT_EQ(files_with("MARKER"), 0);
}

TEST_F(ErasedBytes, what_was_spilled_of_a_user_is_gone_at_the_next_start) {
  constexpr std::uint64_t user = 77;
  const auto spilling = [&](const std::string& folder) {
    persist::StoreOptions told;
    told.clock = &clock, told.spill = root + "/" + folder;
    told.close_deadline = 0s;
    return told;
  };
  persist::testing::Stragglers none{clock, persist::testing::Random(1)};
  using Line = persist::testing::Faulty<persist::backend::Memory>;
  using Spilling = persist::Store<std::string, DiarySave, Line>;
  const persist::backend::Memory db(clock);
  Line line(db, none);
  {
    Spilling diaries("diaries", line, spilling("spill"));
    auto session = diaries.load("MARKERkey");
    ASSERT_TRUE(session) << session.error();
    ASSERT_TRUE(session->add_user_id(user));
    ASSERT_TRUE(session->save({.force = true}));
    session->edit()->text = "MARKERdata";
    line.cut(true);
  }
  ASSERT_EQ(files_with("MARKERdata"), 1);
  clock.advance(2min);
  {
    Spilling elsewhere("diaries", Line(db, none), spilling("other"));
    ASSERT_TRUE(elsewhere.erase_user(user).done());
  }
  line.cut(false);
  Spilling again("diaries", line, spilling("spill"));
  EXPECT_EQ(files_with("MARKER"), 0) << "the entry was refused as erased, and deleted";
  ASSERT_EQ(again.spilled()->size(), 1U) << "and that is said";
  EXPECT_EQ(again.spilled()->front().state, persist::Spilled::State::erased);
}

}  // namespace
