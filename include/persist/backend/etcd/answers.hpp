#pragma once

#include <persist/backend/etcd/http.hpp>
#include <persist/codec/json.hpp>
#include <persist/schema/policy.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

// What etcd answers (its API, version 3, over the JSON gateway): bytes are base64, numbers of 64
// bits are texts, and what is zero is left out.

namespace persist::inline PERSIST_ABI::backend::etcd {

struct KeyValue {
  Buffer key;
  std::string mod_revision;
  Buffer value;
};
struct RangeAnswer {
  std::vector<KeyValue> kvs;
};
struct Header {
  std::string revision;
};
struct TxnAnswer {
  Header header;
  bool succeeded = false;
};
struct TokenAnswer {
  std::string token;
};
struct Refusal {
  std::string error;
  std::int64_t code = 0;
};

/// Reads an answer of that shape. `io` where it has another, as from something that is no etcd.
template <class T>
[[nodiscard]] Result<T> read_answer(std::string_view body) {
  T answer;
  UnknownFields others;
  const auto read = codec::Json::decode<schema::NoPolicy>(as_bytes(body), answer, others,
                                                          schema::limits_of_record(body.size()));
  if (read) return answer;
  return Error(Errc::io, "what answers is no etcd: " + std::string(read.error().detail()));
}

/// Whether the token that came with the request is none any more.
[[nodiscard]] inline bool is_unknown_token(const Refusal& refusal) noexcept {
  constexpr std::int64_t unauthenticated = 16;
  return refusal.code == unauthenticated ||
         refusal.error.find("invalid auth token") != std::string::npos;
}

/// What it means that a request was not done, by gRPC's code; `writes`: whether it could have
/// changed something. Nothing was written but where that is `unknown_outcome`.
[[nodiscard]] inline Error error_of(const Refusal& refusal, bool writes) {
  const auto says = [&](std::string_view part) {
    return refusal.error.find(part) != std::string::npos;
  };
  const auto told = [&](Errc code, std::string_view hint = {}) {
    return Error(code, "etcd: " + refusal.error + std::string(hint));
  };
  if (says("database space exceeded"))
    return told(Errc::io, ": compact and defragment it, and raise its alarm's end (etcdctl alarm "
                          "disarm), or give it a larger --quota-backend-bytes");
  if (says("request is too large"))
    return told(Errc::too_large, ": EtcdOptions::largest_value is more than its "
                                 "--max-request-bytes has room for");
  if (says("authentication failed") || says("permission denied") || is_unknown_token(refusal))
    return told(Errc::refused, ": see EtcdOptions::user and what its role may do");
  if (says("user name is empty") || says("auth: "))
    return told(Errc::refused, ": it wants to know who asks: EtcdOptions::user");
  if (says("too many requests")) return told(Errc::unavailable);
  constexpr std::int64_t deadline_exceeded = 4, unavailable = 14;
  if (refusal.code == unavailable || refusal.code == deadline_exceeded)
    return told(writes ? Errc::unknown_outcome : Errc::unavailable);
  return told(writes && refusal.code == 0 ? Errc::unknown_outcome : Errc::io);
}

/// The same of what came back, or did not.
[[nodiscard]] inline Error error_of(const Reply& reply, bool writes) {
  if (reply.status == 0 && !reply.was_sent)
    return {Errc::unavailable, "no member of the etcd cluster can be reached: " + reply.trouble};
  if (reply.status == 0)
    return {writes ? Errc::unknown_outcome : Errc::timeout,
            "etcd did not answer: " + reply.trouble};
  if (const auto refusal = read_answer<Refusal>(reply.body); refusal && !refusal->error.empty())
    return error_of(*refusal, writes);
  const bool is_down = reply.status >= 500;
  return {is_down ? (writes ? Errc::unknown_outcome : Errc::unavailable) : Errc::io,
          "what answers is no etcd: status " + std::to_string(reply.status)};
}

}  // namespace persist::inline PERSIST_ABI::backend::etcd
