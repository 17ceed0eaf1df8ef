// persist: player data for game servers. The single header, made by tools/amalgamate.py from
// include/persist: change it there.
//
// Distributed under the Boost Software License, Version 1.0.

#pragma once

#include "../persist.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <curl/curl.h>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace persist::inline PERSIST_ABI::backend::etcd {

/// What came back of a request.
struct Reply {
  long status = 0;  ///< of HTTP; 0: nothing came
  std::string body{};
  bool was_sent = false;  ///< nobody knows whether the server has done it where nothing came
  std::string trouble{};  ///< why nothing came, in libcurl's words
};

/// Files of TLS; see `EtcdOptions`.
struct Credentials {
  std::string ca_file, certificate_file, key_file;
};

/// Sends requests over HTTP. Connections are kept open and used again; each call takes one for
/// itself, so threads do not wait for each other.
class Http {
 public:
  explicit Http(Credentials credentials) : credentials_(std::move(credentials)) {
    static const CURLcode begun = curl_global_init(CURL_GLOBAL_DEFAULT);
    if (begun != CURLE_OK) detail::fatal("libcurl cannot be used");
  }

  /// `POST`s a body of JSON and waits for the reply, for no longer than `timeout`. `token` is for
  /// the header `Authorization`; empty: none.
  [[nodiscard]] Reply post(const std::string& url, std::string_view body, const std::string& token,
                           Duration timeout) {
    Handle handle = take();
    Reply reply;
    char words[CURL_ERROR_SIZE] = "";
    Headers headers;
    headers.add("Content-Type: application/json");
    headers.add("Expect:");  // a server is not asked first whether it wants the body
    if (!token.empty()) headers.add("Authorization: " + token);
    CURL* const curl = handle.get();
    const long most = static_cast<long>((std::max)(
        std::chrono::duration_cast<std::chrono::milliseconds>(timeout).count(), std::int64_t{1}));
    curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers.list);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body.data());
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, &Http::write);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &reply.body);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, words);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, most);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, most);
    const CURLcode done = curl_easy_perform(curl);
    if (done == CURLE_OK)
      curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &reply.status);
    else
      reply.trouble = words[0] != '\0' ? words : curl_easy_strerror(done);
    reply.was_sent = done == CURLE_OK || sent_something(curl);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, nullptr);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, nullptr);
    if (done == CURLE_OK) put_back(std::move(handle));
    return reply;
  }

 private:
  struct Free {
    void operator()(CURL* curl) const noexcept { curl_easy_cleanup(curl); }
  };
  using Handle = std::unique_ptr<CURL, Free>;
  struct Headers {
    Headers() = default;
    Headers(const Headers&) = delete;
    Headers& operator=(const Headers&) = delete;
    ~Headers() { curl_slist_free_all(list); }
    void add(const std::string& line) {
      curl_slist* const longer = curl_slist_append(list, line.c_str());
      if (longer == nullptr) detail::fatal("there is no memory left");
      list = longer;
    }
    curl_slist* list = nullptr;
  };

  [[nodiscard]] static bool sent_something(CURL* curl) {
    long bytes = 0;
    curl_easy_getinfo(curl, CURLINFO_REQUEST_SIZE, &bytes);
    return bytes != 0;
  }
  static std::size_t write(const char* bytes, std::size_t size, std::size_t count, void* to) {
    static_cast<std::string*>(to)->append(bytes, size * count);
    return size * count;
  }
  [[nodiscard]] Handle take() {
    {
      const std::lock_guard hold(mutex_);
      if (!idle_.empty()) {
        Handle handle = std::move(idle_.back());
        idle_.pop_back();
        return handle;
      }
    }
    Handle handle(curl_easy_init());
    if (handle == nullptr) detail::fatal("there is no memory left");
    CURL* const curl = handle.get();
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_TCP_NODELAY, 1L);
    curl_easy_setopt(curl, CURLOPT_PROXY, "");  // the program's environment is not asked
    curl_easy_setopt(curl, CURLOPT_POST, 1L);
    const auto file = [&](CURLoption option, const std::string& path) {
      if (!path.empty()) curl_easy_setopt(curl, option, path.c_str());
    };
    file(CURLOPT_CAINFO, credentials_.ca_file);
    file(CURLOPT_SSLCERT, credentials_.certificate_file);
    file(CURLOPT_SSLKEY, credentials_.key_file);
    return handle;
  }
  void put_back(Handle handle) {
    const std::lock_guard hold(mutex_);
    idle_.push_back(std::move(handle));
  }

  Credentials credentials_;
  std::mutex mutex_;
  std::vector<Handle> idle_;
};

}  // namespace persist::inline PERSIST_ABI::backend::etcd

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

namespace persist::inline PERSIST_ABI::backend {

struct EtcdOptions {
  /// Where members of the cluster answer clients, as `https://10.0.0.1:2379`. The first that can be
  /// reached is asked; the others where it cannot.
  std::vector<std::string> endpoints{"http://127.0.0.1:2379"};
  /// Where the cluster asks who it is. Over `http:` a password can be read on its way.
  std::string user{};
  std::string password{};
  /// Of TLS, paths of PEM files; empty: the system's authorities, and no certificate of one's own.
  std::string ca_file{};
  std::string certificate_file{};
  std::string key_file{};
  /// What all keys begin with, for clusters that are not a game's alone: of letters, digits and
  /// `/ . _ -`.
  std::string prefix{};
  /// How long a call waits for the cluster, all of its members together.
  Duration timeout = std::chrono::seconds(5);
  /// What a record may have with all that belongs to it, as long as the cluster's own
  /// `--max-request-bytes` (1.5 MiB unless told) leaves room for it as base64: its frames too.
  std::size_t largest_value = std::size_t{1} << 20;
};

}  // namespace persist::inline PERSIST_ABI::backend

namespace persist::inline PERSIST_ABI::backend::etcd {

/// etcd as a map for `Kv`: a value is replaced in a transaction of etcd's that compares the
/// revision in which it was written last. Reads are linearizable, so each is answered by a
/// majority.
///
/// Safe to call from any thread; each call is one round trip, and after the first one more where
/// the cluster asks who it is. Copies share their connections.
class Map {
 public:
  explicit Map(EtcdOptions options) : state_(std::make_shared<State>(std::move(options))) {}

  /// `timeout`, `unavailable`, `refused`, `io`.
  [[nodiscard]] Result<kv::Entry> get(std::string_view key) {
    const auto body = call("/v3/kv/range", "{\"key\":\"" + name_of(key) + "\"}", false);
    if (!body) return body.error();
    auto answer = read_range(*body);
    if (!answer) return answer.error();
    if (answer->empty()) return kv::Entry{};
    KeyValue& found = answer->front();
    return kv::Entry{std::move(found.value), std::move(found.mod_revision)};
  }
  /// `unknown_outcome` where no reply came, or a cluster that changes its leader does not know;
  /// `unavailable`, `too_large`, `refused`, `io`: nothing was written.
  [[nodiscard]] Result<kv::Swap> compare_and_swap(std::string_view key, std::string_view seen,
                                                  ByteView value) {
    const std::string name = name_of(key);
    std::string request = R"({"compare":[{"target":"MOD","result":"EQUAL","key":")" + name +
                          R"(","mod_revision":")" + std::string(seen.empty() ? "0" : seen) +
                          R"("}],"success":[{)";
    if (value.empty())
      request += R"("request_delete_range":{"key":")" + name + R"("}}]})";
    else
      request += R"("request_put":{"key":")" + name + R"(","value":")" + encoded(as_text(value)) +
                 R"("}}]})";
    const auto body = call("/v3/kv/txn", request, true);
    if (!body) return body.error();
    auto answer = read_txn(*body);
    if (!answer) return Error(Errc::unknown_outcome, std::string(answer.error().detail()));
    if (!answer->succeeded) return kv::Swap{};
    return kv::Swap{true, std::move(answer->revision)};
  }
  [[nodiscard]] Result<std::vector<std::string>> list(std::string_view prefix,
                                                      std::string_view after, std::size_t most) {
    std::string from(prefix), end(prefix);
    if (after >= prefix) from = std::string(after) + '\0';  // the next key there can be
    ++end.back();                                           // prefixes end in a slash
    const auto body = call("/v3/kv/range",
                           "{\"key\":\"" + name_of(from) + "\",\"range_end\":\"" + name_of(end) +
                               "\",\"limit\":\"" + std::to_string(most) + "\",\"keys_only\":true}",
                           false);
    if (!body) return body.error();
    const auto answer = read_range(*body);
    if (!answer) return answer.error();
    std::vector<std::string> keys;
    const std::size_t before = state_->options.prefix.size();
    for (const KeyValue& each : *answer)
      if (each.key.size() >= before) keys.push_back(each.key.substr(before));
    return keys;
  }
  [[nodiscard]] std::size_t largest_value() const noexcept { return state_->options.largest_value; }
  /// `invalid`: there is nobody to ask.
  [[nodiscard]] Result<void> status() const {
    if (!state_->options.endpoints.empty()) return success;
    return Error(Errc::invalid, "EtcdOptions::endpoints names no member of a cluster");
  }

 private:
  struct State {
    explicit State(EtcdOptions of)
        : options(std::move(of)),
          http({options.ca_file, options.certificate_file, options.key_file}) {}

    EtcdOptions options;
    Http http;
    std::atomic<std::size_t> member{0};  ///< that answered last
    std::mutex mutex;
    std::string token;
  };

  [[nodiscard]] std::string name_of(std::string_view key) const {
    return encoded(state_->options.prefix + std::string(key));
  }
  [[nodiscard]] static std::string encoded(std::string_view bytes) {
    std::string text(detail::base64_size(bytes.size()), '\0');
    detail::put_base64(text.data(), as_bytes(bytes));
    return text;
  }

  /// The body of the answer.
  [[nodiscard]] Result<std::string> call(std::string_view path, std::string_view body,
                                         bool writes) {
    const TimePoint deadline = after_timeout();
    for (bool again = false;; again = true) {
      const auto token = this->token(deadline, again);
      if (!token) return token.error();
      Reply reply = send(path, body, *token, deadline);
      if (reply.status == 200) return std::move(reply.body);
      // It was not done, and may be done for whoever says anew who he is.
      const bool wants_token = is_unknown_token(read_refusal(reply.body)) && !again;
      if (!wants_token || state_->options.user.empty()) return error_of(reply, writes);
    }
  }
  /// Asks one member after the other, until one can be reached.
  [[nodiscard]] Reply send(std::string_view path, std::string_view body, const std::string& token,
                           TimePoint deadline) {
    const std::vector<std::string>& members = state_->options.endpoints;
    Reply reply;
    const std::size_t first = state_->member;
    for (std::size_t i = 0; i < members.size(); ++i) {
      const std::size_t at = (first + i) % members.size();
      const Duration left = deadline - SystemClock::instance().now();
      if (left <= Duration::zero() && i != 0) break;
      // One that is away must not cost the time of the others.
      const Duration share = left / static_cast<std::int64_t>(members.size() - i);
      reply = state_->http.post(members[at] + std::string(path), body, token, share);
      if (reply.was_sent) {
        state_->member = reply.status != 0 ? at : (at + 1) % members.size();
        break;
      }
    }
    return reply;
  }
  /// What the cluster gave for name and password; empty where none are needed.
  [[nodiscard]] Result<std::string> token(TimePoint deadline, bool anew) {
    const EtcdOptions& options = state_->options;
    if (options.user.empty()) return std::string();
    const std::lock_guard hold(state_->mutex);
    if (!state_->token.empty() && !anew) return state_->token;
    // A name that is no UTF-8 is none of the cluster's.
    const std::string request = Json{{"name", options.user}, {"password", options.password}}.dump(
        -1, ' ', false, Json::error_handler_t::replace);
    const Reply reply = send("/v3/auth/authenticate", request, "", deadline);
    if (reply.status != 200) return error_of(reply, false);
    const auto answer = read_object(reply.body);
    if (!answer) return answer.error();
    return state_->token = text_of(*answer, "token");
  }
  [[nodiscard]] TimePoint after_timeout() const {
    return persist::after(SystemClock::instance().now(), state_->options.timeout);
  }

  std::shared_ptr<State> state_;
};

}  // namespace persist::inline PERSIST_ABI::backend::etcd

namespace persist::inline PERSIST_ABI::backend {

/// Records in an etcd cluster, version 3.4 or later, over its JSON gateway. Link `persist::etcd`.
///
/// Made for leases (`lock::External<Etcd>`) and small records that must outlive any one machine:
/// what was acknowledged is on the disks of a majority. A load is two round trips, a save one.
/// Leases are judged by watching a holder, as in every `Kv` whose map has no clock: a record of a
/// server that died is taken over a lease and a tenth after it was heard of last.
///
/// Effect, cost and thread rule as `Kv`; errors as `etcd::Map`, and then `unavailable` and
/// `unknown_outcome` are what a cluster that elects a leader answers.
struct Etcd : Kv<etcd::Map> {
  explicit Etcd(EtcdOptions options = {}, KvOptions kv = {})
      : Kv(etcd::Map(std::move(options)), kv) {}
};

/// `etcd:HOST:PORT,HOST:PORT…`, or `etcd:https://HOST:PORT,…`, with `prefix`, `timeout=TIME`,
/// `user=NAME`, and of TLS `ca`, `certificate` and `key`. The password is in the environment, as
/// `PERSIST_ETCD_PASSWORD`.
template <>
struct UriOpener<Etcd> {
  static constexpr std::string_view schemes[] = {"etcd"};
  static Result<Etcd> open(Uri& uri, Clock* calendar) {
    EtcdOptions options;
    const auto timeout = uri.take_duration("timeout", options.timeout);
    if (!timeout) return timeout.error();
    options.timeout = *timeout;
    options.user = uri.take("user").value_or("");
    options.prefix = uri.take("prefix").value_or("");
    options.ca_file = uri.take("ca").value_or("");
    options.certificate_file = uri.take("certificate").value_or("");
    options.key_file = uri.take("key").value_or("");
    if (const auto all = uri.finish("prefix, timeout, user, ca, certificate, key"); !all)
      return all.error();
    if (const char* password = std::getenv("PERSIST_ETCD_PASSWORD")) options.password = password;
    options.endpoints.clear();
    std::string_view rest = uri.place();
    std::string_view before = "http://";
    if (const std::size_t at = rest.find("://"); at != std::string_view::npos) {
      before = rest.substr(0, at + 3);
      rest.remove_prefix(at + 3);
    } else if (rest.starts_with("//")) {
      rest.remove_prefix(2);
    }
    while (!rest.empty()) {
      const std::string_view member = rest.substr(0, rest.find(','));
      rest.remove_prefix((std::min)(member.size() + 1, rest.size()));
      if (!member.empty()) options.endpoints.push_back(std::string(before) + std::string(member));
    }
    if (options.endpoints.empty()) return uri.wrong("names no member of a cluster");
    return Etcd(std::move(options), {.calendar = calendar});
  }
};

}  // namespace persist::inline PERSIST_ABI::backend
