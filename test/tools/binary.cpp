// The program itself: what a person types, and what comes back.

#include <persistctl/command_line.hpp>

#include <fstream>
#include <iterator>

#include "store_case.hpp"

#include <sys/wait.h>

namespace persistctl {
namespace {

using persist::backend::File;

class Program : public testing::Test {
 protected:
  struct Ran {
    int status = -1;
    std::string out;
    std::string err;
  };

  /// Runs the program with these words, which hold no single quote; `DIR` stands for this test's
  /// folder. What it prints is read back unless it goes `to` somewhere else.
  Ran run(const std::vector<std::string>& words, const std::string& to = "") {
    std::string line = limit + "'" + PERSIST_BINARY_DIR + "/bin/persistctl'";
    for (std::string word : words) {
      if (const auto at = word.find("DIR"); at != word.npos) word.replace(at, 3, folder / "");
      line += " '" + word + "'";
    }
    line += " > '" + (to.empty() ? folder / "out" : to) + "' 2> '" + (folder / "err") + "'";
    const int status = std::system(line.c_str());  // NOLINT: the words are this test's own
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, to.empty() ? text_of("out") : "",
            text_of("err")};
  }
  [[nodiscard]] std::string text_of(const char* name) const {
    std::ifstream file(folder / name);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  void write(const char* name, const std::string& text) { std::ofstream(folder / name) << text; }
  /// Imports three real profiles into the folder `save`.
  void fill() {
    const Ran ran =
        run({"import", "--from", "profilestore", "--dir", "DIRsave", "--store", "Players",
             "--as-message", "Gift", PERSIST_SOURCE_DIR "/test/tools/data/profiles.jsonl"});
    ASSERT_EQ(ran.status, 0) << ran.err;
    ASSERT_EQ(ran.out,
              "3 records imported, 0 replaced, 0 skipped; 2 messages posted, 0 were there from an "
              "earlier import\n");
  }
  [[nodiscard]] std::string some_key() {
    const std::string keys = run({"list", "--dir", "DIRsave"}).out;
    return keys.substr(0, keys.find('\n'));
  }

  Folder folder;
  std::string limit;  ///< what the shell is to do before
};

TEST_F(Program, what_was_imported_is_listed_shown_and_exported) {
  fill();
  const std::string keys = run({"list", "--dir", "DIRsave"}).out;
  EXPECT_EQ(std::count(keys.begin(), keys.end(), '\n'), 3);
  const Ran shown = run({"show", some_key(), "--dir", "DIRsave"});
  EXPECT_EQ(shown.status, 0) << shown.err;
  EXPECT_NE(shown.out.find("\"store\": \"Players\""), std::string::npos);
  const Ran exported = run({"export", "--dir", "DIRsave"});
  EXPECT_EQ(exported.status, 0) << exported.err;
  EXPECT_EQ(std::count(exported.out.begin(), exported.out.end(), '\n'), 3);
  EXPECT_EQ(exported.out.find("\"metadata\""), std::string::npos);
  EXPECT_NE(run({"export", "--all", "--dir", "DIRsave"}).out.find("\"metadata\""),
            std::string::npos);
}

TEST_F(Program, a_database_of_sqlite_is_named_by_a_uri) {
  const std::string db = "sqlite:DIRgame.db#Players";
  const Ran missing = run({"list", "--store", db});
  EXPECT_EQ(missing.status, 1);
  EXPECT_NE(missing.err.find("there is no database"), std::string::npos) << missing.err;
  const Ran imported = run({"import", "--from", "profilestore", "--store", db, "--as-message",
                            "Gift", PERSIST_SOURCE_DIR "/test/tools/data/profiles.jsonl"});
  ASSERT_EQ(imported.status, 0) << imported.err;
  fill();
  EXPECT_EQ(run({"list", "--store", db}).out, run({"list", "--dir", "DIRsave"}).out);
  EXPECT_EQ(run({"export", "--store", db}).out, run({"export", "--dir", "DIRsave"}).out);
  EXPECT_EQ(run({"list", "--store", "file:DIRsave#Players"}).out,
            run({"list", "--dir", "DIRsave"}).out);
  const Ran holder = run({"holder", some_key(), "--store", db});
  EXPECT_EQ(holder.out.find("the record: "), 0U) << holder.out;
  EXPECT_EQ(run({"backup", "DIRcopy.db", "--store", db}).status, 0);
  EXPECT_EQ(run({"export", "--store", "sqlite:DIRcopy.db"}).out,
            run({"export", "--dir", "DIRsave"}).out);
  EXPECT_EQ(run({"compact", "--store", db}).status, 1);
  EXPECT_EQ(run({"list", "--store", "Players"}).status, 2);
  const Ran secret = run({"list", "--store", "postgres://ann:secret@host/db"});
  EXPECT_EQ(secret.status, 2);
  EXPECT_EQ(secret.err.find("secret"), std::string::npos) << secret.err;
}

TEST_F(Program, a_message_is_posted_once_per_id) {
  fill();
  const std::string key = some_key();
  const std::vector<std::string> words{"post", key,      "--dir",          "DIRsave", "--type",
                                       "Gift", "--json", R"({"coins":5})", "--id",    "order-7"};
  const Ran first = run(words);
  EXPECT_EQ(first.status, 0) << first.err;
  EXPECT_EQ(first.out.find("posted at position "), 0U) << first.out;
  const Ran again = run(words);
  EXPECT_EQ(again.status, 0) << again.err;
  EXPECT_EQ(again.out.find("it was posted before, at position "), 0U) << again.out;
  EXPECT_NE(run({"inbox", key, "--dir", "DIRsave"}).out.find(R"("value":{"coins":5})"),
            std::string::npos);
  EXPECT_EQ(run({"post", key, "--dir", "DIRsave", "--type", "Gift"}).status, 2);
  EXPECT_EQ(run({"post", key, "--dir", "DIRsave", "--type", "Gift", "--json", "{"}).status, 2);
}

TEST_F(Program, a_second_import_does_what_on_conflict_says) {
  fill();
  const std::string file = PERSIST_SOURCE_DIR "/test/tools/data/profiles.jsonl";
  const std::vector<std::string> again{"import",  "--from",       "profilestore", "--dir",
                                       "DIRsave", "--as-message", "Gift",         file};
  const auto with = [&](const std::string& policy) {
    auto words = again;
    words.insert(words.end(), {"--on-conflict", policy});
    return run(words);
  };
  EXPECT_EQ(run(again).status, 1);
  EXPECT_NE(run(again).err.find("profiles.jsonl:1: "), std::string::npos);
  EXPECT_EQ(with("skip").out.find("0 records imported, 0 replaced, 3 skipped; 0 messages"), 0U);
  EXPECT_EQ(
      with("replace").out.find("0 records imported, 3 replaced, 0 skipped; 0 messages posted, "
                               "2 were there"),
      0U);
  EXPECT_EQ(with("perhaps").status, 2);
}

TEST_F(Program, records_of_suphi_come_in_for_a_store_of_suphis_own_codec_or_any_other) {
  write("suphi.jsonl",
        "{\"key\":\"a\",\"value\":{\"coins\":1.5}}\n"
        "{\"key\":\"b\",\"value\":\"*#coins\x7f)6i\x7f\",\"Metadata\":{\"Compress\":{}}}\n");
  for (const char* codec : {"packed", "suphi"}) {
    const Ran ran = run({"import", "--from", "suphi", "--codec", codec, "--on-conflict", "replace",
                         "--dir", "DIRsave", "--store", "Players", "DIRsuphi.jsonl"});
    EXPECT_EQ(ran.status, 0) << ran.err;
    EXPECT_EQ(run({"export", "--dir", "DIRsave"}).out,
              "{\"key\":\"a\",\"value\":{\"coins\":1.5}}\n"
              "{\"key\":\"b\",\"value\":{\"coins\":1.5}}\n");
    EXPECT_NE(run({"show", "a", "--dir", "DIRsave"}).out.find(std::string("\"") + codec + "\""),
              std::string::npos);
  }
}

TEST_F(Program, an_older_state_is_listed_compared_and_restored) {
  struct Hero {
    int coins = 0;
  };
  {
    persist::StoreOptions told;
    told.history = {.keep = 5};
    persist::Store<std::string, Hero, File> heroes("Players", File(folder / "save"), told);
    for (const int coins : {10, 20}) {
      auto session = *heroes.load("a");
      session.edit()->coins = coins;
      ASSERT_TRUE(session.release());
    }
  }
  const Ran listed = run({"history", "a", "--dir", "DIRsave"});
  EXPECT_EQ(listed.status, 0) << listed.err;
  EXPECT_EQ(listed.out.find("{\"version\":2,"), 0U) << listed.out;
  const Ran changed = run({"diff", "a", "--from", "1", "--dir", "DIRsave"});
  EXPECT_EQ(changed.status, 0) << changed.err;
  EXPECT_NE(changed.out.find("\"value\": 20"), std::string::npos) << changed.out;
  EXPECT_NE(
      run({"diff", "a", "--from", "2", "--to", "1", "--dir", "DIRsave"}).out.find("\"value\": 10"),
      std::string::npos);
  EXPECT_EQ(run({"diff", "a", "--from", "first", "--dir", "DIRsave"}).status, 2);
  EXPECT_EQ(run({"restore", "a", "--dir", "DIRsave"}).status, 2) << "of which version";
  const Ran restored = run({"restore", "a", "--version", "1", "--dir", "DIRsave"});
  EXPECT_EQ(restored.status, 0) << restored.err;
  EXPECT_EQ(restored.out,
            "version 1 is there again, as version 3; what it replaced is kept as version 2\n");
  EXPECT_EQ(run({"export", "--dir", "DIRsave"}).out, "{\"key\":\"a\",\"value\":{\"coins\":10}}\n");
  const Ran gone = run({"restore", "a", "--version", "9", "--dir", "DIRsave"});
  EXPECT_EQ(gone.status, 1);
  EXPECT_NE(gone.err.find("version 9 is not kept; there are 3 (now), 2, 1"), std::string::npos)
      << gone.err;
  const File held(folder / "save");
  EXPECT_EQ(run({"restore", "a", "--version", "2", "--dir", "DIRsave"}).status, 3);
  EXPECT_EQ(run({"history", "a", "--dir", "DIRsave"}).status, 0) << "looking takes nothing";
}

TEST_F(Program, a_broken_line_is_named_and_nothing_is_imported) {
  write("bad.jsonl", std::string(ProfileText{}) + "{no json\n");
  const Ran ran = run({"import", "--from", "profilestore", "--dir", "DIRsave", "--store", "Players",
                       "DIRbad.jsonl"});
  EXPECT_EQ(ran.status, 1);
  EXPECT_NE(ran.err.find("bad.jsonl:2: JSON at byte 1: "), std::string::npos)
      << "and the code once: " << ran.err;
  EXPECT_EQ(ran.err.find("persistctl: corrupt: "), 0U) << ran.err;
  EXPECT_EQ(ran.out, "");
  EXPECT_EQ(run({"list", "--dir", "DIRsave"}).out, "");
}

TEST_F(Program, a_file_that_cannot_be_opened_is_named_with_the_systems_reason) {
  fill();
  const auto reason = [&](const std::vector<std::string>& words) {
    const Ran ran = run(words);
    EXPECT_EQ(ran.status, 1);
    return ran.err.substr(ran.err.rfind(": ") + 2);
  };
  EXPECT_EQ(reason({"import", "--from", "suphi", "--dir", "DIRsave", "DIRno.jsonl"}),
            "No such file or directory\n");
  EXPECT_EQ(reason({"export", "--dir", "DIRsave", "--dictionary", "DIRno.dict"}),
            "No such file or directory\n");
}

TEST_F(Program, one_message_is_one_message) {
  write("one.jsonl", ProfileText{.messages = R"([1,[[1,{}]]])"});
  const std::vector<std::string> words{"import",  "--from",       "profilestore", "--dir",
                                       "DIRsave", "--as-message", "Gift",         "--store",
                                       "Players", "DIRone.jsonl"};
  EXPECT_EQ(run(words).out,
            "1 record imported, 0 replaced, 0 skipped; 1 message posted, 0 were there from an "
            "earlier import\n");
}

TEST_F(Program, no_store_is_imported_that_no_game_can_open) {
  write("one.jsonl", ProfileText{});
  const Ran ran = run({"import", "--from", "profilestore", "--dir", "DIRsave", "--store",
                       "X#pieces", "DIRone.jsonl"});
  EXPECT_EQ(ran.status, 2);
  EXPECT_NE(ran.err.find("a store of pieces"), std::string::npos) << ran.err;
  EXPECT_FALSE(std::filesystem::exists(folder / "save")) << "a mistake makes no folder";
}

TEST_F(Program, a_folder_that_a_server_has_can_be_read_and_not_written) {
  fill();
  const std::string key = some_key();
  const File server(folder / "save");
  ASSERT_TRUE(server.status());
  for (const std::vector<std::string>& words :
       std::vector<std::vector<std::string>>{{"list"},
                                             {"export"},
                                             {"show", key},
                                             {"inbox", key},
                                             {"holder", key},
                                             {"backup", "DIRcopy"}}) {
    auto all = words;
    all.insert(all.end(), {"--dir", "DIRsave"});
    const Ran ran = run(all);
    EXPECT_EQ(ran.status, 0) << words[0] << ": " << ran.err;
  }
  const std::string process = "process " + std::to_string(::getpid());
  EXPECT_EQ(run({"holder", key, "--dir", "DIRsave"}).out.find("the folder: open in " + process),
            0U);
  const Ran unlock = run({"unlock", key, "--dir", "DIRsave"});
  EXPECT_EQ(unlock.status, 3);
  EXPECT_NE(unlock.err.find(process), std::string::npos) << unlock.err;
  File copy(folder / "copy");
  EXPECT_TRUE(copy.status());
  EXPECT_EQ(copy.stores().size(), 1U);
}

TEST_F(Program, a_dictionary_is_made_once_and_an_old_one_is_never_lost) {
  std::string lines;
  for (int i = 0; i < 500; ++i)
    lines += R"({"key":"p)" + std::to_string(i) + R"(","value":{"Data":{"name":"player )" +
             std::to_string(i * 7919) +
             R"(","settings":{"music":true,"quality":"high"}},"MetaData":{}}})"
             "\n";
  write("many.jsonl", lines);
  ASSERT_EQ(run({"import", "--from", "profilestore", "--dir", "DIRsave", "--store", "Players",
                 "DIRmany.jsonl"})
                .status,
            0);
  const std::vector<std::string> train{"train",   "DIRnew.dict", "--dir",
                                       "DIRsave", "--size",      "1024"};
  const Ran made = run(train);
  ASSERT_EQ(made.status, 0) << made.err;
  EXPECT_NE(made.out.find("trained on 450 records"), std::string::npos) << made.out;
  const std::string bytes = text_of("new.dict");
  EXPECT_EQ(run(train).status, 1) << "it is there already";
  EXPECT_EQ(text_of("new.dict"), bytes);
  EXPECT_EQ(run({"show", "p7", "--dir", "DIRsave", "--dictionary", "DIRnew.dict"}).status, 0);
  EXPECT_EQ(run({"show", "p7", "--dir", "DIRsave", "--dictionary", "DIRmany.jsonl"}).status, 1);
  limit = "trap '' XFSZ; ulimit -f 0; ";  // no file takes a byte
  EXPECT_EQ(run({"train", "DIRhalf", "--dir", "DIRsave", "--size", "1024"}).status, 1);
  limit.clear();
  EXPECT_FALSE(std::ifstream(folder / "half")) << "what is not whole is not left there";
  EXPECT_EQ(run({"train", "DIRother", "--dir", "DIRsave", "--size", "many"}).status, 2);
}

TEST_F(Program, output_that_could_not_be_written_is_no_success) {
  fill();
  const std::string key = some_key();
  for (const std::vector<std::string>& words : std::vector<std::vector<std::string>>{
           {"list"}, {"export"}, {"show", key}, {"holder", key}, {"unlock", key}}) {
    auto all = words;
    all.insert(all.end(), {"--dir", "DIRsave"});
    EXPECT_EQ(run(all, "/dev/full").status, 1) << words[0];
  }
}

TEST_F(Program, unlock_raises_the_epoch) {
  fill();
  const std::string key = some_key();
  const auto epoch = [&] {
    const std::string text = run({"holder", key, "--dir", "DIRsave"}).out;
    return std::stoull(text.substr(text.find("epoch ") + 6));
  };
  const auto before = epoch();
  const Ran ran = run({"unlock", key, "--dir", "DIRsave"});
  EXPECT_EQ(ran.status, 0) << ran.err;
  EXPECT_GT(epoch(), before);
  EXPECT_EQ(run({"unlock", "nobody", "--dir", "DIRsave"}).status, 1);
}

TEST_F(Program, a_key_in_a_message_cannot_move_the_cursor) {
  fill();
  const Ran ran = run({"show", "\x1b[2J", "--dir", "DIRsave"});
  EXPECT_EQ(ran.status, 1);
  EXPECT_NE(ran.err.find("\\x1b[2J"), std::string::npos) << ran.err;
  EXPECT_EQ(ran.err.find('\x1b'), std::string::npos);
}

TEST_F(Program, mistakes_make_no_folder) {
  EXPECT_EQ(run({"list", "--dir", "DIRnone"}).status, 1);
  EXPECT_EQ(run({"unlock", "k", "--dir", "DIRnone"}).status, 1);
  EXPECT_EQ(run({"backup", "DIRcopy", "--dir", "DIRnone"}).status, 1);
  EXPECT_EQ(run({"import", "DIRno.jsonl", "--from", "profilestore", "--dir", "DIRnone"}).status, 1);
  EXPECT_FALSE(std::filesystem::exists(folder / "none"));
  EXPECT_FALSE(std::filesystem::exists(folder / "copy"));
}

TEST_F(Program, a_wrong_command_line_is_told_in_words) {
  EXPECT_EQ(run({}).status, 2);
  EXPECT_EQ(run({"list"}).status, 2);
  EXPECT_EQ(run({"import", "x", "--dir", "DIRsave"}).status, 2);
  EXPECT_NE(run({"import", "x", "--dir", "DIRsave"}).err.find("--from profilestore"),
            std::string::npos);
  EXPECT_EQ(
      run({"import", "x", "--dir", "DIRsave", "--from", "profilestore", "--schema-version", "0"})
          .status,
      2);
  const Ran help = run({"--help"});
  EXPECT_EQ(help.status, 0);
  EXPECT_EQ(help.out.find("usage: persistctl COMMAND"), 0U);
}

}  // namespace
}  // namespace persistctl
