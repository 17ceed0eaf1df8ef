#include <core/cycle.hpp>

#include <persist/persist.hpp>

#include <cstdlib>
#include <memory>
#include <string>
#include <vector>
#include <benchmark/benchmark.h>
#include <fcntl.h>
#include <unistd.h>

#if defined(PERSIST_BENCH_LEVELDB)
#include <leveldb/db.h>
#include <leveldb/write_batch.h>
#endif

// File against what the disk itself takes, in the folder named by BENCH_FOLDER: one durable save
// against a raw append with fdatasync, and 1,000 saves of one poll against LevelDB's synced batch
// of the same records, all of the medium profile. Each repetition is one such write, so the median
// of repetitions is the p50;
// --benchmark_enable_random_interleaving makes the rivals take turns.

namespace {

using Players = persist::Store<std::uint64_t, bench::Medium, persist::backend::File>;

constexpr std::uint64_t many = 1000;

std::string folder() {
  const char* const named = std::getenv("BENCH_FOLDER");
  bench::need(named != nullptr);
  return named;
}

/// What a record is on the disk: the same bytes for every rival.
persist::Buffer record_of(const bench::Medium& data) {
  using Policy = persist::DataPolicy<bench::Medium>;
  persist::Buffer out;
  persist::UnknownFields none;
  bench::need(bool(persist::codec::encode_record<persist::codec::Packed, Policy>(
      data, none, persist::codec::version_of<Policy>(), out)));
  return out;
}

struct OpenPlayers {
  OpenPlayers(const char* name, std::uint64_t count)
      : store("Players", persist::backend::File{folder() + "/" + name}) {
    for (std::uint64_t key = 0; key < count; ++key) {
      auto session = store.load(key);
      bench::need(bool(session));
      *session->edit() = bench::make_medium(key);
      sessions.push_back(*session);
    }
  }
  Players store;
  std::vector<Players::Session> sessions;
};

void one_save_file(benchmark::State& state) {
  static OpenPlayers players("one", 1);
  for (auto _ : state) {
    state.PauseTiming();
    players.sessions[0].edit()->coins += 1;
    state.ResumeTiming();
    bench::need(bool(players.sessions[0].save()));
  }
}

void one_save_raw(benchmark::State& state) {
  static const int raw =
      ::open((folder() + "/raw").c_str(), O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
  static const persist::Buffer record = record_of(bench::make_medium(0));
  for (auto _ : state) {
    bench::need(::write(raw, record.data(), record.size()) == static_cast<ssize_t>(record.size()));
    bench::need(::fdatasync(raw) == 0);
  }
}

void thousand_saves_file(benchmark::State& state) {
  static OpenPlayers players("many", many);
  for (auto _ : state) {
    state.PauseTiming();
    for (auto& session : players.sessions) {
      session.edit()->coins += 1;
      bench::need(bool(session.request_save()));
    }
    state.ResumeTiming();
    players.store.poll();
    state.PauseTiming();
    for (auto& session : players.sessions)
      bench::need(!session.is_dirty());
    state.ResumeTiming();
  }
}

#if defined(PERSIST_BENCH_LEVELDB)
/// It is handed encoded records; the save encodes its own within its time.
void thousand_saves_leveldb(benchmark::State& state) {
  static const std::unique_ptr<leveldb::DB> database = [] {
    leveldb::DB* opened = nullptr;
    leveldb::Options options;
    options.create_if_missing = true;
    bench::need(leveldb::DB::Open(options, folder() + "/leveldb", &opened).ok());
    return std::unique_ptr<leveldb::DB>(opened);
  }();
  static const auto records = [] {
    std::vector<persist::Buffer> all;
    for (std::uint64_t key = 0; key < many; ++key)
      all.push_back(record_of(bench::make_medium(key)));
    return all;
  }();
  for (auto _ : state) {
    leveldb::WriteBatch batch;
    for (std::uint64_t key = 0; key < many; ++key)
      batch.Put(
          std::to_string(key),
          leveldb::Slice(reinterpret_cast<const char*>(records[key].data()), records[key].size()));
    leveldb::WriteOptions synced;
    synced.sync = true;
    bench::need(database->Write(synced, &batch).ok());
  }
}
BENCHMARK(thousand_saves_leveldb)->Iterations(1)->Repetitions(41)->UseRealTime();
#endif

BENCHMARK(thousand_saves_file)->Iterations(1)->Repetitions(41)->UseRealTime();
BENCHMARK(one_save_file)->Iterations(1)->Repetitions(1001)->UseRealTime();
BENCHMARK(one_save_raw)->Iterations(1)->Repetitions(1001)->UseRealTime();

}  // namespace

BENCHMARK_MAIN();
