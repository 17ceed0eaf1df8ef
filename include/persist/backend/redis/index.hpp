#pragma once

#include <persist/backend/redis/batch.hpp>

#include <algorithm>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// What is found by sets: keys with data, outboxes and inboxes that are not empty, indexes. They
// change with the record in one script, so a row never stands for nothing.

namespace persist::inline PERSIST_ABI::backend::redis {

/// A script once, by its digest or, where the server does not know that, as it is.
[[nodiscard]] inline Result<Reply> run_script(Database& db, const Command& command) {
  auto line = db.pool().take();
  if (!line) return line.error();
  Result<Reply> reply;
  for (const bool sends_it : {false, true}) {
    const std::string sha = db.pool().sha(command.script);
    const std::string counted = std::to_string(command.keys.size());
    Arguments words{
        sends_it ? "EVAL" : "EVALSHA",
        sends_it ? all_scripts[static_cast<std::size_t>(command.script)] : std::string_view(sha),
        counted};
    words.insert(words.end(), command.keys.begin(), command.keys.end());
    words.insert(words.end(), command.words.begin(), command.words.end());
    (*line)->add(words);
    if (const auto sent = (*line)->flush(); !sent) return sent.error();
    reply = (*line)->next();
    if (!reply || !Answer(reply->get()).text().starts_with("NOSCRIPT")) break;
  }
  db.pool().give_back(std::move(*line));
  if (reply && Answer(reply->get()).is_error())
    return describe(Answer(reply->get()).text(), place_of(db.options()));
  return reply;
}

/// Whether this user may do all that a script does to a store: one that is refused half way leaves
/// half of it.
[[nodiscard]] inline Result<void> may_write(Database& db, std::string_view store) {
  static constexpr std::string_view tries = R"lua(
local key = KEYS[1]
redis.call('DEL', key)
redis.call('SETNX', key, '')
redis.call('GET', key)
redis.call('DEL', key)
redis.call('HSET', key, 'a', '', 'b', '')
redis.call('HGET', key, 'a')
redis.call('HMGET', key, 'a', 'b')
redis.call('HGETALL', key)
redis.call('EXISTS', key)
redis.call('HDEL', key, 'a', 'b')
redis.call('ZADD', key, 0, 'a')
redis.call('ZCARD', key)
redis.call('ZRANK', key, 'a')
redis.call('ZRANGE', key, 0, 1)
redis.call('ZRANGEBYLEX', key, '-', '+', 'LIMIT', 0, 1)
redis.call('ZREVRANGEBYLEX', key, '+', '-', 'LIMIT', 0, 1)
redis.call('ZREM', key, 'a')
return redis.call('PUBLISH', ARGV[1], '')
)lua";
  auto line = db.pool().take();
  if (!line) return line.error();
  const std::string key = tagged(kv::base_of(store)) + "try", channel = channel_of(0);
  const auto done = (*line)->call({"EVAL", tries, "1", key, channel});
  db.pool().give_back(std::move(*line));
  return done ? Result<void>(success) : done.error();
}

/// Members of a set behind `after`, by rising bytes. The store's header is looked at in the same
/// moment.
[[nodiscard]] inline Result<std::vector<std::string>> members(Database& db, const Home& home,
                                                              const std::string& set,
                                                              std::string_view after,
                                                              std::size_t most) {
  Command ask{Script::query};
  ask.keys = {home.header_key, set, set};
  ask.words = {home.header,
               "",
               "",
               "up",
               after.empty() ? "-" : '(' + std::string(after),
               "+",
               std::to_string((std::min)(most, std::size_t{100'000}))};
  const auto reply = run_script(db, ask);
  if (!reply) return reply.error();
  const Answer all(reply->get());
  if (all[2].text() == "birth") return another_database(home.name);
  std::vector<std::string> found;
  for (std::size_t i = 0; i < all[6].size(); ++i)
    found.emplace_back(all[6][i].text());
  return found;
}

inline void scan(Database& db, ScanRequest& request) {
  request.keys.clear();
  request.next = request.after;
  const auto home = db.home(request.store);
  if (!home) return (void)(request.error = home.error());
  const std::size_t most = (std::max)(request.most, std::size_t{1});
  auto keys = members(db, **home, request.of_inboxes ? (*home)->inboxes() : (*home)->keys(),
                      request.after, most);
  if (!keys) return (void)(request.error = keys.error());
  request.done = keys->size() < most;
  request.keys = std::move(*keys);
  if (!request.keys.empty()) request.next = request.keys.back();
}

/// Records whose outbox waits. One that cannot be read holds up nobody else.
inline void list_waiting(Database& db, RelayRequest& request) {
  request.waiting.clear();
  request.now = db.moment().wall;
  const auto home = db.home(request.store);
  if (!home) return (void)(request.error = home.error());
  const auto keys = members(db, **home, (*home)->waiting(), request.after, request.most);
  if (!keys) return (void)(request.error = keys.error());
  for (const std::string& key : *keys) {
    Turn turn;
    Command look;
    look.keys = {(*home)->header_key, (*home)->record(key)};
    look.words = {(*home)->header, ""};
    const auto reply = run_script(db, look);
    if (!reply && is_ailing(reply.error())) return (void)(request.error = reply.error());
    if (!reply) continue;
    auto stored = decode_stored(Answer(reply->get())[3], look.keys[1],
                                [&](std::string_view store) { return db.id_of(store); });
    if (stored && !stored->record.outbox.messages.empty())
      request.waiting.push_back({key, std::move(stored->record.outbox.messages)});
  }
}

/// The lowest entry of a record in an index, as the member of its set; nothing where it has none.
[[nodiscard]] inline std::optional<std::string> entry_in(const Home& home, const Record& record,
                                                         std::string_view index) {
  const std::string set = home.index(index);
  for (Entry& entry : entries_of(home, record))
    if (entry.set == set) return std::move(entry.member);
  return std::nullopt;
}

/// From where to where a page is, as Redis spells it.
struct Bounds {
  std::string low = "-", high = "+";
};
[[nodiscard]] inline Bounds bounds_of(const IndexRequest& request) {
  Bounds to;
  if (request.only) {
    to.low = '[' + ordered(*request.only);
    if (*request.only != (std::numeric_limits<std::int64_t>::max)())
      to.high = '(' + ordered(*request.only + 1);
  }
  if (!request.after) return to;
  const std::string at = ordered(request.after->value) + request.after->key;
  const std::string_view low(to.low), high(to.high);
  if (request.falls) {
    if (high == "+" || at < high.substr(1)) to.high = '(' + at;
  } else if (low == "-" || at >= low.substr(1)) {
    to.low = '(' + at;
  }
  return to;
}

inline void answer_query(Answer all, IndexRequest& request) {
  request.size = static_cast<std::uint64_t>(all[3].integer());
  const Answer rows = all[6];
  const std::int64_t first = all[5].integer();
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const auto at = position_of(rows[i].text());
    if (!at) continue;
    const auto step = static_cast<std::int64_t>(i);
    const bool goes_down = request.falls && !request.around;
    request.rows.push_back(
        {at->key, at->value, static_cast<std::uint64_t>(goes_down ? first - step : first + step)});
  }
  if (request.around && request.falls) std::reverse(request.rows.begin(), request.rows.end());
}

/// One round trip; where a key's place is asked for, one more to read its record, and again where
/// that changed in between.
inline void query(Database& db, IndexRequest& request) {
  const auto home = db.home(request.store);
  if (!home) return (void)(request.error = home.error());
  const Bounds bounds = bounds_of(request);
  for (int tries = 0; tries < most_tries; ++tries) {
    Command ask{Script::query};
    ask.keys = {(*home)->header_key, (*home)->index(request.index), (*home)->index(request.index)};
    std::string version;
    std::optional<std::string> entry;
    if (!request.key.empty()) {
      Command look;
      ask.keys[2] = (*home)->record(request.key);
      look.keys = {(*home)->header_key, ask.keys[2]};
      look.words = {(*home)->header, ""};
      const auto reply = run_script(db, look);
      if (!reply) return (void)(request.error = reply.error());
      const auto stored = decode_stored(Answer(reply->get())[3], ask.keys[2],
                                        [&](std::string_view store) { return db.id_of(store); });
      if (!stored) return (void)(request.error = stored.error());
      entry = entry_in(**home, stored->record, request.index);
      version = stored->version;
    }
    ask.words = {(*home)->header,
                 version,
                 entry.value_or(""),
                 request.around  ? "around"
                 : request.falls ? "down"
                                 : "up",
                 bounds.low,
                 bounds.high,
                 std::to_string((std::min)(request.most, std::size_t{100'000}))};
    const auto reply = run_script(db, ask);
    if (!reply) return (void)(request.error = reply.error());
    const Answer all(reply->get());
    if (all[2].text() == "birth") return (void)(request.error = another_database((*home)->name));
    if (all[2].text() == "other") continue;
    const std::int64_t place = all[4].integer();
    request.found = entry && place >= 0;
    if (request.found)
      request.row = {std::string(request.key), position_of(*entry)->value,
                     static_cast<std::uint64_t>(place)};
    return answer_query(all, request);
  }
  request.error = Error(Errc::unavailable, "the record changed faster than it could be found");
}

}  // namespace persist::inline PERSIST_ABI::backend::redis
