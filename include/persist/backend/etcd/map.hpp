#pragma once

#include <persist/backend/etcd/answers.hpp>
#include <persist/backend/etcd/options.hpp>
#include <persist/backend/kv/concept.hpp>

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

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
