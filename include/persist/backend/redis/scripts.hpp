#pragma once

#include <string_view>

// What runs inside the server. The rules of a record are in record/ and run in this process: a
// script compares what they were judged by with what is there, and writes what they made of it, or
// answers with what is there. The one thing it decides itself is to give a record to a new holder
// that nobody holds, so that a load is one round trip.
//
// A version of a record is a count and, because a database that lost its newest writes counts the
// same numbers again, who made it: no two are ever equal.
//
// A time that comes along is this server's clock as the caller last read it, and so never ahead of
// it but for drift; one that is too far off is corrected by another try. Replies begin with TIME.

namespace persist::inline PERSIST_ABI::backend::redis {

/// Looks at a record, or takes it where its fields say that anybody may.
/// KEYS header, record. ARGV header's bytes; `t` or empty to take nothing; time; whether that is
/// another clock's; owner.
inline constexpr std::string_view look_script = R"lua(
local time = redis.call('TIME')
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return {time[1], time[2], 'birth'} end
local took = 'no'
if ARGV[2] ~= '' then
  local now, seen = time[1] * 1000000 + time[2], tonumber(ARGV[3])
  if ARGV[4] == '1' then now = seen end
  local is = redis.call('HMGET', KEYS[2], 'v', 'e', 'l', 'o')
  local fresh = not is[1] and redis.call('EXISTS', KEYS[2]) == 0
  local v = fresh and 0 or tonumber(string.match(is[1] or '', '^(%d+)-'))
  local e, l = tonumber(is[2] or 0), tonumber(is[3] or 0)
  if v and e and l and e < 9e15 and seen <= now + 100000 and seen > now - 5000000 and now >= l
      and is[4] ~= ARGV[5] then
    redis.call('HSET', KEYS[2], 'v', string.format('%.0f-o', v + 1) .. ARGV[5],
               'e', string.format('%.0f', e + 1), 'l', '1e300', 'o', ARGV[5], 't', ARGV[2])
    took = 'took'
  end
end
return {time[1], time[2], took, redis.call('HGETALL', KEYS[2])}
)lua";

/// Writes records where all of them still are as they were seen, or answers with all of them.
/// KEYS headers, records, sets, schemas. ARGV their counts and the headers' bytes; time; whether
/// that is another clock's; the versions seen; fields to put and to take out; entries of sets to
/// put and to take out; schemas; hints and to whom.
inline constexpr std::string_view write_script = R"lua(
local time = redis.call('TIME')
local at = 4
local function arg() at = at + 1 return ARGV[at] end
local headers, records, sets = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local all = headers + records + sets
for i = 1, headers do
  if redis.call('GET', KEYS[i]) ~= arg() then return {time[1], time[2], 'birth'} end
end
local now, seen = time[1] * 1000000 + time[2], tonumber(arg())
local fits = arg() == '1' or (seen <= now + 100000 and seen > now - 5000000)
for i = headers + 1, headers + records do
  if (redis.call('HGET', KEYS[i], 'v') or '0') ~= arg() then fits = false end
end
if not fits then
  local answer = {time[1], time[2], 'other'}
  for i = 1, records do answer[3 + i] = redis.call('HGETALL', KEYS[headers + i]) end
  return answer
end
for i = headers + records + 1, all do redis.call('ZCARD', KEYS[i]) end
for i = headers + 1, headers + records do
  local put = tonumber(arg())
  if put > 0 then redis.call('HSET', KEYS[i], unpack(ARGV, at + 1, at + put)) end
  at = at + put
  local out = tonumber(arg())
  if out > 0 then redis.call('HDEL', KEYS[i], unpack(ARGV, at + 1, at + out)) end
  at = at + out
end
for i = headers + records + 1, all do
  if arg() == '+' then redis.call('ZADD', KEYS[i], 0, arg())
  else redis.call('ZREM', KEYS[i], arg()) end
end
for i = all + 1, all + ARGV[4] do redis.call('SETNX', KEYS[i], arg()) end
while at < #ARGV do redis.call('PUBLISH', arg(), arg()) end
return {time[1], time[2], 'done'}
)lua";

/// Looks into an ordered index, all of one moment.
/// KEYS header, set, record. ARGV header's bytes; version of the record, or empty; its entry, or
/// empty; `up`, `down` or `around`; bounds of the page; how many.
inline constexpr std::string_view query_script = R"lua(
local time = redis.call('TIME')
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return {time[1], time[2], 'birth'} end
local place = -1
if ARGV[2] ~= '' then
  if (redis.call('HGET', KEYS[3], 'v') or '0') ~= ARGV[2] then return {time[1], time[2], 'other'} end
  if ARGV[3] ~= '' then place = redis.call('ZRANK', KEYS[2], ARGV[3]) or -1 end
end
local size, most = redis.call('ZCARD', KEYS[2]), tonumber(ARGV[7])
local rows, first = {}, -1
if ARGV[4] == 'around' then
  if place >= 0 then
    first = math.max(0, place - most)
    rows = redis.call('ZRANGE', KEYS[2], first, place + most)
  end
elseif most > 0 then
  if ARGV[4] == 'up' then
    rows = redis.call('ZRANGEBYLEX', KEYS[2], ARGV[5], ARGV[6], 'LIMIT', 0, most)
  else
    rows = redis.call('ZREVRANGEBYLEX', KEYS[2], ARGV[6], ARGV[5], 'LIMIT', 0, most)
  end
  if rows[1] then first = redis.call('ZRANK', KEYS[2], rows[1]) end
end
return {time[1], time[2], 'done', size, place, first, rows}
)lua";

}  // namespace persist::inline PERSIST_ABI::backend::redis
