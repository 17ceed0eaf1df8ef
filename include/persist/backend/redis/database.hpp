#pragma once

#include <persist/backend/kv/header.hpp>
#include <persist/backend/redis/turn.hpp>
#include <persist/backend/redis/wakes.hpp>

#include <atomic>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>

namespace persist::inline PERSIST_ABI::backend::redis {

/// Records that this server holds, as it last wrote them, so that a save is one round trip. Only
/// ever a guess, which the server's script compares with what is there. Any thread may call.
class Cache {
 public:
  explicit Cache(std::size_t most) noexcept : most_(most) {}

  /// Takes it out, so that nobody else builds on it.
  [[nodiscard]] std::optional<Stored> take(const std::string& name) {
    const std::lock_guard hold(mutex_);
    const auto found = all_.find(name);
    if (found == all_.end()) return std::nullopt;
    std::optional<Stored> taken(std::move(*found->second.second));
    drop(found);
    return taken;
  }
  /// Those kept longest go where there is no room.
  void keep(const std::string& name, Stored&& stored) {
    const std::lock_guard hold(mutex_);
    if (const auto found = all_.find(name); found != all_.end()) drop(found);
    if (stored.bytes > most_) return;
    while (bytes_ > most_ - stored.bytes && !ages_.empty())
      drop(all_.find(ages_.front()));
    bytes_ += stored.bytes;
    ages_.push_back(name);
    all_.emplace(name, Kept{std::prev(ages_.end()), std::make_unique<Stored>(std::move(stored))});
  }

 private:
  using Ages = std::list<std::string>;
  using Kept = std::pair<Ages::iterator, std::unique_ptr<Stored>>;
  using All = std::unordered_map<std::string, Kept>;

  void drop(All::iterator at) {
    bytes_ -= at->second.second->bytes;
    ages_.erase(at->second.first);
    all_.erase(at);
  }

  std::mutex mutex_;
  std::size_t most_;
  std::size_t bytes_ = 0;
  Ages ages_;
  All all_;
};

/// What all handles of one open database share.
class Database {
 public:
  explicit Database(const RedisOptions& options)
      : pool_(std::make_shared<Pool>(options, time_)),
        stores_(Values(pool_, clock()), nullptr, 0),
        nonce_(stores_.next_owner({}).nonce),
        cache_(options.cache),
        listener_(pool_, nonce_, [this](const NamedHint& hint) {
          const StoreId store = stores_.stores().id_of(hint.store);
          stores_.stores().wake(store, hint.key, hint.why);
        }) {}

  [[nodiscard]] Pool& pool() noexcept { return *pool_; }
  [[nodiscard]] const RedisOptions& options() const noexcept { return pool_->options(); }
  [[nodiscard]] ServerTime& time() noexcept { return time_; }
  [[nodiscard]] bool is_own_clock() const noexcept { return options().clock != nullptr; }
  [[nodiscard]] memory::Moment moment() {
    Clock& by = clock();
    return {by.now(), by.wall()};
  }
  /// Headers and schemas.
  [[nodiscard]] kv::Database<Values>& stores() noexcept { return stores_; }
  [[nodiscard]] Owner next_owner(ServerId server) { return stores_.next_owner(server); }
  [[nodiscard]] std::uint64_t nonce() const noexcept { return nonce_; }
  [[nodiscard]] Cache& cache() noexcept { return cache_; }
  /// Never given out twice, by anybody.
  [[nodiscard]] std::string next_write_id() { return text_of(Owner{{}, nonce_, ++writes_}); }

  void watch(StoreId store, std::weak_ptr<WakeQueue> queue) {
    stores_.stores().with(store,
                          [&](kv::KnownStore& all) { all.watchers.push_back(std::move(queue)); });
    if (options().wakes) listener_.start();
  }
  void wake(const Hinted& hint) { stores_.stores().wake(hint.store, hint.key, hint.why); }
  [[nodiscard]] StoreId id_of(std::string_view store) { return stores_.stores().id_of(store); }
  [[nodiscard]] std::string name_of(StoreId store) { return stores_.stores().name_of(store); }

  /// The store's place, read once. `refused` where it is not there, or is another one by now.
  [[nodiscard]] Result<std::shared_ptr<const Home>> home(StoreId store);

 private:
  [[nodiscard]] Clock& clock() noexcept {
    return pool_->options().clock != nullptr ? *pool_->options().clock : time_;
  }

  ServerTime time_;
  std::shared_ptr<Pool> pool_;
  kv::Database<Values> stores_;
  std::uint64_t nonce_;
  std::atomic<std::uint64_t> writes_{0};
  Cache cache_;
  std::mutex mutex_;
  std::map<std::uint32_t, std::shared_ptr<const Home>> homes_;
  Listener listener_;
};

/// What a connection that knew another store says.
[[nodiscard]] inline Error another_database(std::string_view store) {
  return {Errc::refused, "store \"" + std::string(store) +
                             "\" is not the one this connection knew: its database was replaced, "
                             "or lost its memory"};
}

inline Result<std::shared_ptr<const Home>> Database::home(StoreId store) {
  {
    const std::lock_guard hold(mutex_);
    if (const auto found = homes_.find(store.index); found != homes_.end()) return found->second;
  }
  const auto known = stores_.known(store);
  if (!known) return known.error();
  const std::string key = kv::header_name(known->base);
  const auto got = stores_.map().get(key);
  if (!got) return got.error();
  if (got->value.empty()) return another_database(known->name);
  const auto header = kv::decode_header(got->value, key);
  if (!header) return header.error();
  if (header->birth != known->birth) return another_database(known->name);
  auto made = std::make_shared<Home>();
  made->name = known->name;
  made->prefix = tagged(known->base);
  made->header_key = tagged(key);
  made->header = got->version;
  made->birth = known->birth;
  const std::lock_guard hold(mutex_);
  return homes_.try_emplace(store.index, std::move(made)).first->second;
}

}  // namespace persist::inline PERSIST_ABI::backend::redis
