#pragma once

#include <persist/backend/etcd/http.hpp>
#include <persist/detail/base64.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>
#include <nlohmann/json.hpp>

// What etcd answers (its API, version 3, over the JSON gateway): bytes are base64, numbers of 64
// bits are texts, and what is zero is left out.

namespace persist::inline PERSIST_ABI::backend::etcd {

struct KeyValue {
  std::string key;
  std::string mod_revision;
  Buffer value;
};
struct TxnAnswer {
  std::string revision;
  bool succeeded = false;
};
struct Refusal {
  std::string error;
  std::int64_t code = 0;
};

using Json = nlohmann::json;

[[nodiscard]] inline Error no_etcd(std::string_view why) {
  return {Errc::io, "what answers is no etcd: " + std::string(why)};
}
/// An object, or `io`.
[[nodiscard]] inline Result<Json> read_object(std::string_view body) {
  Json object = Json::parse(body.begin(), body.end(), nullptr, false);
  if (object.is_object()) return object;
  return no_etcd("its reply is no object of JSON");
}
/// A member that is a text; empty where there is none.
[[nodiscard]] inline std::string text_of(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}
/// A member that is bytes; none are there where it is left out. False: it is no base64.
[[nodiscard]] inline bool read_bytes(const Json& object, const char* name, Buffer& to) {
  return detail::append_from_base64(to, text_of(object, name));
}

/// What a range holds.
[[nodiscard]] inline Result<std::vector<KeyValue>> read_range(std::string_view body) {
  const auto answer = read_object(body);
  if (!answer) return answer.error();
  std::vector<KeyValue> all;
  const auto found = answer->find("kvs");
  if (found == answer->end()) return all;
  if (!found->is_array()) return no_etcd("`kvs` is no list");
  for (const Json& each : *found) {
    Buffer key;
    KeyValue one;
    if (!each.is_object() || !read_bytes(each, "key", key) || !read_bytes(each, "value", one.value))
      return no_etcd("an entry of `kvs` cannot be read");
    one.key = as_text(key.view());
    one.mod_revision = text_of(each, "mod_revision");
    if (one.mod_revision.empty()) return no_etcd("an entry of `kvs` has no revision");
    all.push_back(std::move(one));
  }
  return all;
}
[[nodiscard]] inline Result<TxnAnswer> read_txn(std::string_view body) {
  const auto answer = read_object(body);
  if (!answer) return answer.error();
  const auto header = answer->find("header");
  if (header == answer->end() || !header->is_object()) return no_etcd("its reply has no header");
  const auto succeeded = answer->find("succeeded");
  TxnAnswer txn{text_of(*header, "revision")};
  txn.succeeded = succeeded != answer->end() && succeeded->is_boolean() && succeeded->get<bool>();
  if (txn.revision.empty()) return no_etcd("its reply has no revision");
  return txn;
}
/// Why a request was not done; nothing is in it where the reply is none of etcd's.
[[nodiscard]] inline Refusal read_refusal(std::string_view body) {
  const auto answer = read_object(body);
  if (!answer) return {};
  Refusal refusal{text_of(*answer, "error")};
  if (const auto code = answer->find("code"); code != answer->end() && code->is_number_integer())
    refusal.code = code->get<std::int64_t>();
  return refusal;
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
    return told(Errc::io,
                ": compact and defragment it, and raise its alarm's end (etcdctl alarm "
                "disarm), or give it a larger --quota-backend-bytes");
  if (says("request is too large") || says("message larger than max"))
    return told(Errc::too_large,
                ": EtcdOptions::largest_value is more than its "
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
  if (const Refusal refusal = read_refusal(reply.body); !refusal.error.empty())
    return error_of(refusal, writes);
  const bool is_down = reply.status >= 500;
  return {is_down ? (writes ? Errc::unknown_outcome : Errc::unavailable) : Errc::io,
          "what answers is no etcd: its status is " + std::to_string(reply.status)};
}

}  // namespace persist::inline PERSIST_ABI::backend::etcd
