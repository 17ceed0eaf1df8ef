#pragma once

#include <persist/bytes.hpp>
#include <persist/clock.hpp>
#include <persist/detail/fatal.hpp>
#include <persist/result.hpp>

#include <algorithm>
#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>
#include <curl/curl.h>

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
