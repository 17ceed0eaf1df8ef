// A program of somebody else that takes what needs client libraries.
#include <persist/backend/etcd.hpp>
#include <persist/backend/postgres.hpp>
#include <persist/backend/redis.hpp>
#include <persist/backend/sqlite.hpp>
#include <persist/codec/sealed.hpp>
#include <persist/compress/lz4.hpp>
#include <persist/compress/zstd.hpp>
#include <persist/persist.hpp>

#include <filesystem>
#include <iostream>
#include <string>

namespace {

using namespace persist;

struct Player {
  std::vector<int> numbers;
};
struct Keys {
  static std::span<const codec::SealingKey> list() {
    static const codec::SealingKey keys[] = {{1, {1, 2, 3}}};
    return keys;
  }
};

template <class Codec>
bool keeps_data() {
  Store<std::uint64_t, Player, backend::Memory, lock::Lease<>, Codec> players{"players",
                                                                              backend::Memory{}};
  auto session = players.load(1);
  if (!session) return false;
  session->edit()->numbers.assign(1000, 7);
  if (!session->release()) return false;
  const auto again = players.peek(1);
  return again && again->data.numbers.size() == 1000;
}

bool keeps_rows() {
  const auto folder = std::filesystem::temp_directory_path() /
                      ("persist-consumer-" + std::to_string(detail::os::process_id()));
  std::filesystem::create_directory(folder);
  int saved = 0;
  for (const int number : {1, 2}) {
    Store<std::uint64_t, Player, backend::Sqlite> players{
        "players", backend::Sqlite{(folder / "players.db").string()}};
    auto session = players.load(7);
    if (!session || session->view()->numbers.size() + 1 != static_cast<std::size_t>(number)) break;
    session->edit()->numbers.push_back(number);
    saved += session->release() ? 1 : 0;
  }
  std::filesystem::remove_all(folder);
  return saved == 2;
}

/// A server is somebody else's: without one the answer is a clear one.
bool knows_servers() {
  const backend::Postgres nowhere{"host=/nowhere user=nobody"};
  const auto redis = backend::open<backend::Redis>("redis:/nowhere");
  const auto etcd = backend::Uri::read("etcd:127.0.0.1:1?lease=no");
  using Leases = backend::AnyOf<backend::Needs{.transactions = false, .clock = false}>;
  return nowhere.status().is(Errc::unavailable) && redis.is(Errc::unavailable) &&
         backend::open<Leases, backend::Etcd>(*etcd).is(Errc::invalid);
}

}  // namespace

int main() {
  using codec::Compressed, codec::Packed, codec::Sealed;
  const bool all = keeps_data<Compressed<Packed, compress::Lz4>>() &&
                   keeps_data<Sealed<Compressed<Packed, compress::Zstd<>>, Keys>>() &&
                   keeps_rows() && knows_servers();
  std::cout << (all ? "kept" : "lost") << '\n';
  return all ? 0 : 1;
}
