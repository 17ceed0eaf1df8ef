#pragma once

#include <persist/bytes.hpp>
#include <persist/error.hpp>
#include <persist/result.hpp>

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <hiredis/hiredis.h>

// What a server answers, and what its refusals mean.

namespace persist::inline PERSIST_ABI::backend::redis {

/// A part of a reply; what is not there is empty. Lives as long as the reply.
class Answer {
 public:
  explicit Answer(const redisReply* reply = nullptr) noexcept : reply_(reply) {}

  [[nodiscard]] bool is(int type) const noexcept {
    return reply_ != nullptr && reply_->type == type;
  }
  [[nodiscard]] bool is_error() const noexcept { return is(REDIS_REPLY_ERROR); }
  [[nodiscard]] bool is_text() const noexcept {
    return is(REDIS_REPLY_STRING) || is(REDIS_REPLY_STATUS) || is_error();
  }
  [[nodiscard]] std::string_view text() const noexcept {
    return is_text() ? std::string_view(reply_->str, reply_->len) : std::string_view();
  }
  [[nodiscard]] std::int64_t integer() const noexcept {
    return is(REDIS_REPLY_INTEGER) ? reply_->integer : 0;
  }
  [[nodiscard]] std::size_t size() const noexcept {
    return is(REDIS_REPLY_ARRAY) ? reply_->elements : 0;
  }
  [[nodiscard]] Answer operator[](std::size_t i) const noexcept {
    return Answer(i < size() ? reply_->element[i] : nullptr);
  }

 private:
  const redisReply* reply_;
};

struct FreeReply {
  void operator()(redisReply* reply) const noexcept { freeReplyObject(reply); }
};
using Reply = std::unique_ptr<redisReply, FreeReply>;

/// A whole number without a sign, as scripts write it.
[[nodiscard]] inline std::optional<std::uint64_t> number_in(std::string_view digits) noexcept {
  std::uint64_t value = 0;
  const char* const end = digits.data() + digits.size();
  const auto [at, error] = std::from_chars(digits.data(), end, value);
  if (digits.empty() || at != end || error != std::errc{}) return std::nullopt;
  return value;
}

/// What a refusal means to a caller. All of them were given before anything was written.
[[nodiscard]] inline Error describe(std::string_view words, const std::string& where) {
  struct Known {
    std::string_view begins;
    Errc code;
    std::string_view meaning;
  };
  static constexpr Known all[] = {
      {"NOAUTH", Errc::refused, "wants a password: set RedisOptions::password"},
      {"WRONGPASS", Errc::refused, "does not take this user and password"},
      {"ERR AUTH", Errc::refused, "wants no password, or knows no users: see RedisOptions::user"},
      {"NOPERM", Errc::refused, "does not let this user do what persist needs (doc/redis.md)"},
      {"ERR The user executing the script", Errc::refused,
       "does not let this user do what persist needs (doc/redis.md)"},
      {"READONLY", Errc::unavailable, "is a replica and takes no writes: name the master"},
      {"LOADING", Errc::unavailable, "is still loading its records"},
      {"MASTERDOWN", Errc::unavailable, "is a replica that has lost its master"},
      {"NOREPLICAS", Errc::unavailable, "has too few replicas to take a write"},
      {"BUSY", Errc::unavailable, "is busy with somebody's script"},
      {"CLUSTERDOWN", Errc::unavailable, "belongs to a cluster that is down"},
      {"TRYAGAIN", Errc::unavailable, "is moving these records to another node"},
      {"MOVED", Errc::unsupported, "is a node of a cluster: use backend::RedisCluster"},
      {"ERR max number of clients", Errc::unavailable, "has no connection left"},
      {"OOM", Errc::io, "has no memory left (maxmemory); nothing was written"},
      {"MISCONF", Errc::io, "cannot write to its disk, and so takes no writes"},
      {"WRONGTYPE", Errc::corrupt, "holds a key of another's under a name of persist's"},
  };
  for (const Known& known : all)
    if (words.starts_with(known.begins))
      return {known.code, where + ' ' + std::string(known.meaning) + ": " + std::string(words)};
  return {Errc::io, where + " answered: " + std::string(words)};
}

}  // namespace persist::inline PERSIST_ABI::backend::redis
