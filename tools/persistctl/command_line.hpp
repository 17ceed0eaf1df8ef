#pragma once

#include <persistctl/words.hpp>

#include <algorithm>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

// What was typed, checked against what each command takes.

namespace persistctl {

struct Option {
  std::string_view name;     ///< with its dashes
  std::string_view metavar;  ///< empty: a switch, which takes no value
  std::string_view help;
};

struct Command {
  std::string_view name;  ///< one word, or two
  std::string_view word;  ///< what its one argument is called; empty: it takes none
  std::string_view help;
  std::vector<Option> options;
};

/// A command line that fits its command.
struct Typed {
  const Command* command = nullptr;  ///< null: help was asked for
  std::string word;
  std::map<std::string, std::string, std::less<>> options;

  [[nodiscard]] bool has(std::string_view name) const { return options.contains(name); }
  [[nodiscard]] std::string get(std::string_view name, std::string_view otherwise = {}) const {
    const auto found = options.find(name);
    return found == options.end() ? std::string(otherwise) : found->second;
  }
};

namespace detail {

/// How many words the name of a command takes, where these begin with it; else none.
[[nodiscard]] inline std::size_t words_of(std::string_view name,
                                          std::span<const std::string_view> words) noexcept {
  const std::size_t space = name.find(' ');
  if (words.empty() || words[0] != name.substr(0, space)) return 0;
  if (space == name.npos) return 1;
  return words.size() > 1 && words[1] == name.substr(space + 1) ? 2 : 0;
}

/// Takes `--name`, `--name value` or `--name=value`; `at` moves past it.
[[nodiscard]] inline Result<void> take_option(std::span<const std::string_view> words,
                                              std::size_t& at, Typed& typed) {
  const std::string_view word = words[at++];
  const std::string_view name = word.substr(0, word.find('='));
  const auto& known = typed.command->options;
  const auto option =
      std::find_if(known.begin(), known.end(), [&](const Option& o) { return o.name == name; });
  const auto wrong = [&](std::string_view what) {
    return Error(Errc::invalid,
                 std::string(what) + " " + std::string(name) + "; see persistctl --help");
  };
  if (option == known.end()) return wrong(std::string(typed.command->name) + " has no option");
  if (typed.has(name)) return wrong("this is there twice:");
  const bool has_value = name.size() != word.size();
  if (option->metavar.empty() && has_value) return wrong("no value belongs to");
  std::string_view value;
  if (has_value)
    value = word.substr(name.size() + 1);
  else if (!option->metavar.empty() && at != words.size())
    value = words[at++];
  if (!option->metavar.empty() && value.empty()) return wrong("a value is missing after");
  typed.options.emplace(name, value);
  return success;
}

}  // namespace detail

/// Reads the words behind the program's name. `invalid`, in words, for what is unknown, missing or
/// too much. Everything behind `--` is no option, so a key may begin with a dash.
[[nodiscard]] inline Result<Typed> read_command_line(std::span<const Command> commands,
                                                     std::span<const std::string_view> words) {
  Typed typed;
  const auto options_end = std::find(words.begin(), words.end(), "--");
  if (std::find(words.begin(), options_end, "--help") != options_end ||
      (!words.empty() && (words[0] == "help" || words[0] == "-h")))
    return typed;
  if (words.empty()) return Error(Errc::invalid, "say what to do; see persistctl --help");
  const auto command = std::find_if(commands.begin(), commands.end(), [&](const Command& c) {
    return detail::words_of(c.name, words) != 0;
  });
  if (command == commands.end())
    return Error(Errc::invalid,
                 "there is no command \"" + std::string(words[0]) + "\"; see persistctl --help");
  typed.command = &*command;
  bool only_words = false;
  std::vector<std::string_view> rest;
  for (std::size_t at = detail::words_of(command->name, words); at < words.size();) {
    if (!only_words && words[at] == "--") {
      only_words = true;
      ++at;
    } else if (!only_words && words[at].starts_with("--")) {
      if (auto taken = detail::take_option(words, at, typed); !taken) return taken.error();
    } else {
      rest.push_back(words[at++]);
    }
  }
  // No command takes more than one argument; `word` is what it is called.
  const std::size_t wanted = command->word.empty() ? 0 : 1;
  if (rest.size() < wanted || (wanted == 1 && rest[0].empty()))
    return Error(Errc::invalid,
                 std::string(command->name) + " needs a " + std::string(command->word));
  if (rest.size() > wanted)
    return Error(Errc::invalid, "this is too much: " + std::string(rest[wanted]) +
                                    (typed.has("--dir") ? "" : "; a folder goes behind --dir") +
                                    "; see persistctl --help");
  if (wanted == 1) typed.word = rest[0];
  return typed;
}

/// What `--help` prints about the commands.
[[nodiscard]] inline std::string help_text(std::span<const Command> commands) {
  std::string text;
  for (const Command& command : commands) {
    text += "\n  " + std::string(command.name);
    if (!command.word.empty()) text += " " + std::string(command.word);
    text += "\n      " + std::string(command.help) + "\n";
    for (const Option& option : command.options) {
      if (option.name == "--dir" || option.name == "--store") continue;  // said once, for all
      std::string name(option.name);
      if (!option.metavar.empty()) name += " " + std::string(option.metavar);
      name.resize((std::max)(name.size(), std::size_t{24}), ' ');
      text += "      " + name + " " + std::string(option.help) + "\n";
    }
  }
  return text;
}

}  // namespace persistctl
