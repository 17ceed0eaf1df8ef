#include <persistctl/command_line.hpp>

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace persistctl {
namespace {

const std::vector<Command> known{
    {"show", "KEY", "Shows it.", {{"--dir", "DIR", ""}, {"--all", "", "all of it"}}},
    {"list", "", "Lists them.", {{"--dir", "DIR", ""}}}};

[[nodiscard]] Result<Typed> type(std::vector<std::string_view> words) {
  return read_command_line(known, words);
}
[[nodiscard]] std::string complaint(std::vector<std::string_view> words) {
  const auto typed = type(std::move(words));
  return typed ? "none" : std::string(typed.error().detail());
}

TEST(CommandLine, options_and_the_argument_come_in_any_order) {
  for (const auto& words : std::vector<std::vector<std::string_view>>{
           {"show", "--dir", "a", "k", "--all"}, {"show", "k", "--all", "--dir=a"}}) {
    const auto typed = type(words);
    ASSERT_TRUE(typed) << typed.error();
    EXPECT_EQ(typed->command->name, "show");
    EXPECT_EQ(typed->word, "k");
    EXPECT_EQ(typed->get("--dir"), "a");
    EXPECT_TRUE(typed->has("--all"));
  }
  EXPECT_EQ(type({"list"})->get("--dir", "here"), "here");
  EXPECT_EQ(type({"list", "--dir=a=b"})->get("--dir"), "a=b");
}

TEST(CommandLine, behind_two_dashes_nothing_is_an_option) {
  const auto typed = type({"show", "--", "--help"});
  ASSERT_TRUE(typed) << typed.error();
  EXPECT_EQ(typed->word, "--help");
}

TEST(CommandLine, help_is_found_wherever_it_is_asked_for) {
  for (const auto& words : std::vector<std::vector<std::string_view>>{
           {"--help"}, {"help"}, {"-h"}, {"show", "--help"}}) {
    const auto typed = type(words);
    ASSERT_TRUE(typed);
    EXPECT_EQ(typed->command, nullptr);
  }
  EXPECT_NE(help_text(known).find("show KEY\n      Shows it.\n      --all "), std::string::npos);
}

TEST(CommandLine, mistakes_are_told_in_words) {
  EXPECT_EQ(complaint({}), "say what to do; see persistctl --help");
  EXPECT_EQ(complaint({"shw"}), "there is no command \"shw\"; see persistctl --help");
  EXPECT_EQ(complaint({"show"}), "show needs a KEY");
  EXPECT_EQ(complaint({"show", ""}), "show needs a KEY");
  EXPECT_EQ(complaint({"show", "a", "b", "--dir", "save"}),
            "this is too much: b; see persistctl --help");
  EXPECT_EQ(complaint({"list", "save"}),
            "this is too much: save; a folder goes behind --dir; see persistctl --help");
  EXPECT_EQ(complaint({"list", "--dir", ""}),
            "a value is missing after --dir; see persistctl --help");
  EXPECT_EQ(complaint({"list", "--dir="}), "a value is missing after --dir; see persistctl --help");
  EXPECT_EQ(complaint({"list", "--all"}), "list has no option --all; see persistctl --help");
  EXPECT_EQ(complaint({"list", "--dir"}), "a value is missing after --dir; see persistctl --help");
  EXPECT_EQ(complaint({"list", "--dir", "a", "--dir", "b"}),
            "this is there twice: --dir; see persistctl --help");
  EXPECT_EQ(complaint({"show", "k", "--all=1"}),
            "no value belongs to --all; see persistctl --help");
}

}  // namespace
}  // namespace persistctl
