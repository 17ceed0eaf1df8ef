#pragma once

#include <persist/persist.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <istream>
#include <map>
#include <string>
#include <string_view>
#include <vector>

// Whether the evening is right: two exports, JSON Lines of {"key", "value"}, told apart.

namespace day {

using persist::Errc;
using persist::Error;
using persist::Result;
using persist::Value;

/// How two values differ, as lines of `path: what`. A real number may be off by a millionth: it was
/// printed by another program.
class Difference {
 public:
  explicit Difference(std::vector<std::string>& lines) : lines_(lines) {}

  void compare(const std::string& path, const Value& want, const Value& have) {
    if (want.is_map() && have.is_map()) return compare_maps(path, want, have);
    if (want.is_array() && have.is_array()) return compare_arrays(path, want, have);
    if (!same(want, have)) say(path, "is " + text(have) + ", expected " + text(want));
  }

 private:
  void compare_maps(const std::string& path, const Value& want, const Value& have) {
    for (const auto& [key, value] : want.members()) {
      const Value* other = have.find(key);
      other != nullptr ? compare(path + "/" + key, value, *other)
                       : say(path + "/" + key, "missing");
    }
    for (const auto& [key, value] : have.members())
      if (want.find(key) == nullptr) say(path + "/" + key, "not expected");
  }
  void compare_arrays(const std::string& path, const Value& want, const Value& have) {
    if (want.size() != have.size())
      say(path, std::to_string(have.size()) + " elements, expected " + std::to_string(want.size()));
    for (std::size_t i = 0; i < (std::min)(want.size(), have.size()); ++i)
      compare(path + "/" + std::to_string(i), want[i], have[i]);
  }
  static bool same(const Value& want, const Value& have) {
    const double* real = want.get_if<double>();
    const double* other = have.get_if<double>();
    if (real == nullptr && other == nullptr) return want == have;
    const auto a = want.as<double>();
    const auto b = have.as<double>();
    return a && b && std::abs(*a - *b) <= 1e-6 * (std::max)(1.0, std::abs(*a));
  }
  static std::string text(const Value& value) {
    persist::Buffer out;
    if (!persist::codec::Json::encode<persist::schema::NoPolicy>(value, out)) return "no JSON";
    return std::string(persist::as_text(out.view()));
  }
  void say(const std::string& path, const std::string& what) {
    lines_.push_back(path + ": " + what);
  }

  std::vector<std::string>& lines_;
};

/// Reads an export by key; `name` is for messages. The order within an inventory means nothing, so
/// it is sorted by id.
inline Result<std::map<std::string, Value>> read_export(std::istream& from,
                                                        const std::string& name) {
  std::map<std::string, Value> records;
  std::string text;
  for (std::size_t line = 1; std::getline(from, text); ++line) {
    if (text.empty()) continue;
    const auto broken = [&name, line](const std::string& why) {
      return Error(Errc::corrupt, name + ":" + std::to_string(line) + ": " + why);
    };
    Value row;
    persist::UnknownFields none;
    const auto read =
        persist::codec::Json::decode<persist::schema::NoPolicy>(persist::as_bytes(text), row, none);
    if (!read) return broken(read.error().message());
    const auto* key = row["key"].get_if<std::string>();
    if (key == nullptr || row.find("value") == nullptr) return broken("is no {\"key\", \"value\"}");
    const auto id = [](const Value& item) { return item["id"].as<std::int64_t>().value_or(0); };
    if (Value* items = row["value"].find("inventory")) {
      std::sort(items->elements().begin(), items->elements().end(),
                [&](const Value& a, const Value& b) { return id(a) < id(b); });
    }
    if (!records.emplace(*key, std::move(row["value"])).second)
      return broken(*key + " stands twice");
  }
  return records;
}

/// What is wrong with the evening, a line a difference; empty: it is right.
inline Result<std::vector<std::string>> differences(std::istream& expected,
                                                    const std::string& expected_name,
                                                    std::istream& evening,
                                                    const std::string& evening_name) {
  auto want = read_export(expected, expected_name);
  auto have = read_export(evening, evening_name);
  if (!want) return want.error();
  if (!have) return have.error();
  std::vector<std::string> lines;
  for (const auto& [key, value] : *want) {
    const auto found = have->find(key);
    if (found == have->end())
      lines.push_back(key + ": missing");
    else
      Difference(lines).compare(key, value, found->second);
  }
  for (const auto& [key, value] : *have)
    if (want->count(key) == 0) lines.push_back(key + ": not expected");
  return lines;
}

}  // namespace day
