#pragma once

#include <persist/backend/kv/concept.hpp>
#include <persist/backend/redis/pool.hpp>

#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace persist::inline PERSIST_ABI::backend::redis {

/// A name as it is in Redis: what belongs to one store has one hash tag, so that a cluster keeps it
/// in one place. `persist/NAME/rest` becomes `{persist/NAME}/rest`.
[[nodiscard]] inline std::string tagged(std::string_view name) {
  const std::size_t end = name.find('/', name.find('/') + 1);
  return '{' + std::string(name.substr(0, end)) + '}' + std::string(name.substr(end));
}

/// What is there once for a store, its header and its schemas, as the map in which `kv` keeps them:
/// values that are put there once and stay.
class Values {
 public:
  Values(std::shared_ptr<Pool> pool, Clock& clock) : pool_(std::move(pool)), clock_(&clock) {}

  [[nodiscard]] Result<kv::Entry> get(std::string_view key) {
    auto reply = call({"GET", tagged(key)});
    if (!reply) return reply.error();
    const std::string_view text = Answer(reply->get()).text();
    return kv::Entry{Buffer(as_bytes(text)), std::string(text)};
  }
  [[nodiscard]] Result<kv::Swap> compare_and_swap(std::string_view key, std::string_view seen,
                                                  ByteView value) {
    if (!seen.empty()) return Error(Errc::unsupported, "what a store is never changes");
    auto reply = call({"SET", tagged(key), std::string(as_text(value)), "NX"});
    if (!reply && reply.error() == Errc::unavailable)
      return Error(Errc::unknown_outcome, std::string(reply.error().detail()));
    if (!reply) return reply.error();
    return kv::Swap{Answer(reply->get()).is_text(), std::string(as_text(value))};
  }
  /// What lies under the headers of all stores, whatever that is. Looks at every key of the server,
  /// a thousand in a round trip.
  [[nodiscard]] Result<std::vector<Buffer>> headers() {
    std::set<std::string> keys;  // one that is moved meanwhile is named twice
    std::string at = "0";
    do {
      auto reply = call({"SCAN", at, "MATCH", "{persist/*}/header", "COUNT", "1000"});
      if (!reply) return reply.error();
      const Answer page(reply->get());
      at = page[0].text();
      for (std::size_t i = 0; i < page[1].size(); ++i)
        keys.emplace(page[1][i].text());
    } while (at != "0" && !at.empty());
    std::vector<Buffer> all;
    for (const std::string& key : keys) {
      auto reply = call({"GET", key});
      if (reply) all.emplace_back(as_bytes(Answer(reply->get()).text()));
    }
    return all;
  }
  [[nodiscard]] Clock& clock() noexcept { return *clock_; }

 private:
  [[nodiscard]] Result<Reply> call(const std::vector<std::string>& words) {
    auto line = pool_->take();
    if (!line) return line.error();
    auto reply = (*line)->call(Arguments(words.begin(), words.end()));
    pool_->give_back(std::move(*line));
    return reply;
  }

  std::shared_ptr<Pool> pool_;
  Clock* clock_;
};

}  // namespace persist::inline PERSIST_ABI::backend::redis
