#pragma once

#include <persist/codec/json.hpp>
#include <persist/codec/record.hpp>
#include <persist/key/policy.hpp>
#include <persist/schema/place.hpp>

#include <persistctl/words.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

// One line of an export of ProfileStore or ProfileService, `{"key": …, "value": …}`, as what it
// means to persist; sources.hpp has the other systems. Members that are not named here are left
// alone; those that are must have the shape that these systems write, or the line is refused with
// the place inside it.

namespace persistctl {

/// A message that its receiver had not processed. The index rises within one record.
struct ProfileMessage {
  std::uint64_t index = 0;
  Value content;
};

struct Profile {
  std::string key;
  Value data;
  Value metadata;                                      ///< null: there is none
  std::optional<std::vector<std::uint64_t>> user_ids;  ///< in their order, each once
  std::optional<WallTime> created;
  std::optional<std::uint64_t> load_count;
  std::vector<ProfileMessage> messages;
  std::string active_session;  ///< as JSON, where a server had the profile when it was exported
  /// The version of the data's shape, where the system counts them.
  std::optional<persist::codec::RecordVersion> version;
};

namespace detail {

[[nodiscard]] inline std::string json_of(const Value& value) {
  Buffer text;
  persist::UnknownFields none;
  const auto written = persist::codec::Json::encode<persist::schema::NoPolicy>(value, none, text);
  return written ? std::string(as_text(text)) : std::string();
}

[[nodiscard]] inline std::string kind_of(const Value& value) {
  constexpr std::string_view names[] = {"null",   "a boolean", "an integer", "an integer", "a real",
                                        "a real", "a text",    "bytes",      "an array",   "a map"};
  return std::string(names[static_cast<std::size_t>(value.kind())]);
}

/// The refusal of a part that has another shape than these systems write.
[[nodiscard]] inline Error misfit(std::string path, std::string expected, const Value& found) {
  return Error(Errc::schema_mismatch).at(std::move(path), std::move(expected), kind_of(found));
}

/// The same for one that is not there at all: which names are, since one may be misspelled.
[[nodiscard]] inline Error missing(const Value& among, std::string path, std::string expected) {
  constexpr std::size_t most = 8;
  std::string names;
  for (std::size_t i = 0; i < among.size() && i < most; ++i)
    names += (i == 0 ? "" : ", ") + persist::schema::Place().inside(among.members()[i].key).path();
  if (among.size() > most) names += " and " + std::to_string(among.size() - most) + " more";
  const char* are = among.size() == 1 ? ": there is " : ": there are ";
  return Error(Errc::schema_mismatch)
      .at(std::move(path), std::move(expected),
          "nothing of that name" + (names.empty() ? "" : are + names));
}
/// The refusal of a member of a map, there or not.
[[nodiscard]] inline Error misfit_in(const Value& map, std::string_view name, std::string path,
                                     std::string expected) {
  const Value* found = map.find(name);
  return found == nullptr ? missing(map, std::move(path), std::move(expected))
                          : misfit(std::move(path), std::move(expected), *found);
}

/// A table without entries is `[]` or `{}`, as the exporter happened to see it: both are either.
[[nodiscard]] inline bool is_empty_table(const Value& value) noexcept {
  return (value.is_array() || value.is_map()) && value.size() == 0;
}

/// A table with names; what is missing is an empty one.
[[nodiscard]] inline Result<Value> table_at(const Value& from, const std::string& path) {
  if (from.is_null() || is_empty_table(from)) return Value::map();
  if (!from.is_map()) return misfit(path, "a map", from);
  return from;
}

/// A table that is counted.
[[nodiscard]] inline Result<Value> list_at(const Value& from, const std::string& path) {
  if (is_empty_table(from)) return Value::array();
  if (!from.is_array()) return misfit(path, "an array", from);
  return from;
}

/// These systems count in doubles, so `7.0` is a count too.
[[nodiscard]] inline Result<std::uint64_t> count_at(const Value& from, const std::string& path) {
  const auto count = from.as<std::uint64_t>();
  if (!count) return misfit(path, "a whole number from 0 on", from);
  return *count;
}

/// Seconds since 1970, whole or not, up to the year 9999.
[[nodiscard]] inline Result<WallTime> time_at(const Value& from, const std::string& path) {
  const auto seconds = from.as<double>();
  if (!seconds || !(*seconds >= 0 && *seconds < 253402300800.0))
    return misfit(path, "seconds since 1970, at most of the year 9999", from);
  return WallTime(std::chrono::milliseconds(std::llround(*seconds * 1000)));
}

/// `MetaData` and `RobloxMetaData`.
[[nodiscard]] inline Result<void> read_meta(const Value& from, Profile& into) {
  const auto meta = table_at(from["MetaData"], "value.MetaData");
  if (!meta) return meta.error();
  if (const Value* at = meta->find("ProfileCreateTime"); at != nullptr && !at->is_null()) {
    const auto created = time_at(*at, "value.MetaData.ProfileCreateTime");
    if (!created) return created.error();
    into.created = *created;
  }
  if (const Value* at = meta->find("SessionLoadCount"); at != nullptr && !at->is_null()) {
    const auto loads = count_at(*at, "value.MetaData.SessionLoadCount");
    if (!loads) return loads.error();
    into.load_count = *loads;
  }
  if (const Value& session = (*meta)["ActiveSession"];
      !session.is_null() && !is_empty_table(session))
    into.active_session = json_of(session);

  const auto tags = table_at((*meta)["MetaTags"], "value.MetaData.MetaTags");
  if (!tags) return tags.error();
  auto metadata = table_at(from["RobloxMetaData"], "value.RobloxMetaData");
  if (!metadata) return metadata.error();
  if (tags->size() != 0) {
    if (metadata->find("MetaTags") != nullptr)
      return Error(
          Errc::invalid,
          "RobloxMetaData has a member MetaTags, and MetaData has tags that would take its "
          "place: rename the member");
    (*metadata)["MetaTags"] = *tags;
  }
  if (metadata->size() != 0) into.metadata = *std::move(metadata);
  return success;
}

/// An id that stands twice says nothing more than once.
[[nodiscard]] inline Result<void> users_at(const Value& users, const std::string& path,
                                           Profile& into) {
  if (users.is_null()) return success;
  const auto list = list_at(users, path);
  if (!list) return list.error();
  std::unordered_set<std::uint64_t> seen;
  std::vector<std::uint64_t>& ids = into.user_ids.emplace();
  for (std::size_t i = 0; i < list->size(); ++i) {
    const auto id = count_at((*list)[i], path + "[" + std::to_string(i) + "]");
    if (!id) return id.error();
    if (seen.insert(*id).second) ids.push_back(*id);
  }
  return success;
}

[[nodiscard]] inline Result<void> read_users(const Value& from, Profile& into) {
  return users_at(from["UserIds"], "value.UserIds", into);
}

/// One of ProfileStore's messages, `[index, message]`, or of ProfileService's updates, `[index,
/// version, locked, update]`. A locked update was seen by its receiver and is not yet in the data,
/// so it is as unprocessed as the others.
[[nodiscard]] inline Result<ProfileMessage> message_at(const Value& from, const std::string& path) {
  if (!from.is_array() || (from.size() != 2 && from.size() != 4))
    return misfit(path, "[index, message] or [index, version, locked, message]", from);
  const auto index = count_at(from[std::size_t{0}], path + "[0]");
  if (!index) return index.error();
  const Value& content = from[from.size() - 1];
  if (content.is_null()) return misfit(path, "a message", content);
  return ProfileMessage{*index, is_empty_table(content) ? Value::map() : content};
}

/// `GlobalUpdates`: the last index that was given out, which is not needed here, and the messages
/// that wait.
[[nodiscard]] inline Result<void> read_messages(const Value& from, Profile& into) {
  const Value& updates = from["GlobalUpdates"];
  if (updates.is_null() || is_empty_table(updates)) return success;
  if (!updates.is_array() || updates.size() != 2)
    return misfit("value.GlobalUpdates", "[last index, messages]", updates);
  if (const auto last = count_at(updates[std::size_t{0}], "value.GlobalUpdates[0]"); !last)
    return last.error();
  const auto list = list_at(updates[1], "value.GlobalUpdates[1]");
  if (!list) return list.error();
  for (std::size_t i = 0; i < list->size(); ++i) {
    const std::string path = "value.GlobalUpdates[1][" + std::to_string(i) + "]";
    auto message = message_at((*list)[i], path);
    if (!message) return message.error();
    // The index becomes part of the message's id: two of one index would be taken for a repeat.
    if (!into.messages.empty() && message->index <= into.messages.back().index)
      return Error(Errc::schema_mismatch)
          .at(path + "[0]", "an index above " + std::to_string(into.messages.back().index),
              std::to_string(message->index));
    into.messages.push_back(*std::move(message));
  }
  return success;
}

/// Reads the line as JSON, and the key of it into the profile.
[[nodiscard]] inline Result<Value> read_row(std::string_view line, Profile& into) {
  Value row;
  persist::UnknownFields none;
  if (auto read =
          persist::codec::Json::decode<persist::schema::NoPolicy>(as_bytes(line), row, none);
      !read)
    return read.error();
  if (!row.is_map()) return misfit("", R"({"key": …, "value": …})", row);
  const Value* key = row.find("key");
  if (key == nullptr || !key->is_text()) return misfit_in(row, "key", "key", "a text");
  into.key = *key->get_if<std::string>();
  persist::KeyBuffer spelled;
  if (auto fits = persist::key::spell_checked<std::string>(persist::SpelledKey{into.key}, spelled);
      !fits)
    return fits.error();
  return row;
}

}  // namespace detail

/// Reads one line. `corrupt` or `too_large` where it is no JSON, `schema_mismatch` with the place
/// where it is no profile, `invalid` where the key cannot be one.
[[nodiscard]] inline Result<Profile> read_profile(std::string_view line) {
  using namespace detail;
  Profile profile;
  const auto row = read_row(line, profile);
  if (!row) return row.error();
  const Value& value = (*row)["value"];
  if (!value.is_map()) return misfit_in(*row, "value", "value", "a profile");
  if (value.find("Data") == nullptr || !(value["Data"].is_map() || is_empty_table(value["Data"])))
    return misfit_in(value, "Data", "value.Data", "a map");
  auto data = table_at(value["Data"], "value.Data");
  profile.data = *std::move(data);
  for (auto* part : {&read_meta, &read_users, &read_messages})
    if (auto read = part(value, profile); !read) return read.error();
  return profile;
}

}  // namespace persistctl
