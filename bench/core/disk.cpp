#include <core/cycle.hpp>

#include <persist/persist.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>
#include <fcntl.h>
#include <unistd.h>

#if defined(PERSIST_BENCH_LEVELDB)
#include <leveldb/db.h>
#include <leveldb/write_batch.h>
#endif

// File against what the disk itself takes, in rounds that take turns, in the folder named by the
// argument: one durable save against a raw append with fdatasync, and 1,000 saves of one poll
// against LevelDB's synced batch.

namespace {

using Clock = std::chrono::steady_clock;
using Players = persist::Store<std::uint64_t, bench::Small, persist::backend::File>;

double microseconds(Clock::time_point since) {
  return std::chrono::duration<double, std::micro>(Clock::now() - since).count();
}
double median(std::vector<double> all) {
  std::nth_element(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(all.size() / 2),
                   all.end());
  return all[all.size() / 2];
}

std::vector<std::byte> some_record(std::uint64_t seed) {
  persist::Buffer out;
  persist::UnknownFields none;
  const auto data = bench::make_small(seed);
  using Policy = persist::DataPolicy<bench::Small>;
  bench::need(bool(persist::codec::encode_record<persist::codec::Cbor, Policy>(
      data, none, persist::codec::version_of<Policy>(), out)));
  return {out.view().begin(), out.view().end()};
}

void one_save(const std::string& folder) {
  Players players{"Players", persist::backend::File{folder + "/one"}};
  auto session = players.load(1);
  bench::need(bool(session));
  *session->edit() = bench::make_small(1);
  bench::need(bool(session->save()));
  const int raw = ::open((folder + "/raw").c_str(), O_CREAT | O_WRONLY | O_APPEND, 0600);
  const auto bytes = some_record(1);
  std::vector<double> ours, theirs;
  for (int i = 0; i < 3000; ++i) {
    session->edit()->coins += 1;
    auto began = Clock::now();
    bench::need(bool(session->save()));
    ours.push_back(microseconds(began));
    began = Clock::now();
    bench::need(::write(raw, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()) &&
                ::fdatasync(raw) == 0);
    theirs.push_back(microseconds(began));
  }
  ::close(raw);
  std::printf("one_save\t%.1f\t%.1f\n", median(ours), median(theirs));
}

#if defined(PERSIST_BENCH_LEVELDB)
void thousand_saves(const std::string& folder) {
  constexpr std::uint64_t count = 1000;
  Players players{"Players", persist::backend::File{folder + "/many"}};
  std::vector<Players::Session> open;
  for (std::uint64_t key = 0; key < count; ++key) {
    open.push_back(*players.load(key));
    *open.back().edit() = bench::make_small(key);
  }
  leveldb::DB* raw = nullptr;
  leveldb::Options options;
  options.create_if_missing = true;
  bench::need(leveldb::DB::Open(options, folder + "/leveldb", &raw).ok());
  std::vector<std::vector<std::byte>> records;
  for (std::uint64_t key = 0; key < count; ++key)
    records.push_back(some_record(key));
  std::vector<double> ours, theirs;
  for (int i = 0; i < 40; ++i) {
    for (auto& session : open) {
      session.edit()->coins += 1;
      bench::need(bool(session.request_save()));
    }
    auto began = Clock::now();
    players.poll();
    ours.push_back(microseconds(began));
    began = Clock::now();
    leveldb::WriteBatch batch;
    for (std::uint64_t key = 0; key < count; ++key)
      batch.Put(
          std::to_string(key),
          leveldb::Slice(reinterpret_cast<const char*>(records[key].data()), records[key].size()));
    leveldb::WriteOptions synced;
    synced.sync = true;
    bench::need(raw->Write(synced, &batch).ok());
    theirs.push_back(microseconds(began));
    for (auto& session : open)
      bench::need(!session.is_dirty());
  }
  delete raw;
  std::printf("thousand_saves\t%.1f\t%.1f\n", median(ours), median(theirs));
}
#endif

}  // namespace

int main(int count, char** arguments) {
  bench::need(count == 2);
  const std::string folder = arguments[1];
  one_save(folder);
#if defined(PERSIST_BENCH_LEVELDB)
  thousand_saves(folder);
#endif
}
