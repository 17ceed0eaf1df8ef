#include <codec/cbor.hpp>
#include <codec/compressed.hpp>
#include <codec/json.hpp>
#include <codec/packed.hpp>

#include <cstring>
#include <string>
#include <vector>
#include <benchmark/benchmark.h>

#if __has_include(<cereal/cereal.hpp>)
#include <codec/cereal.hpp>
#define BENCH_CEREAL
#endif
#if __has_include(<msgpack.hpp>)
#include <codec/msgpack.hpp>
#define BENCH_MSGPACK
#endif
#if __has_include(<nlohmann/json.hpp>)
#include <codec/nlohmann.hpp>
#define BENCH_NLOHMANN
#endif

#if __has_include(<profile.pb.h>)
#include <codec/protobuf.hpp>
#define BENCH_PROTOBUF
#endif
#if __has_include(<profile_generated.h>)
#include <codec/flatbuffers.hpp>
#define BENCH_FLATBUFFERS
#endif

// Encode, decode into a fresh value and into a used one, for each rival that is installed, on the
// same profiles. --benchmark_enable_random_interleaving makes them take turns; run.py reads the
// names: form|what|profile.

namespace bench {
namespace {

/// The medium profile as a build of next month has it: a field more in front, and one in each item.
struct NewerItem {
  std::uint32_t id = 0;
  std::uint16_t count = 1;
  float durability = 1;
  std::string name;
  std::uint64_t owner = 0;
  std::optional<std::map<std::string, double>> affixes;
};
struct Newer {
  std::int64_t season = 0;
  std::int64_t id = 0, coins = 0, gems = 0, created_at = 0, last_seen = 0, seconds_played = 0;
  std::int32_t level = 1, xp = 0, deaths = 0, kills = 0, streak = 0;
  double x = 0, y = 0, z = 0, health = 100, stamina = 100, mana = 100, luck = 0;
  bool vip = false, banned = false, tutorial_done = false;
  std::string name, title, guild, home;
  std::vector<NewerItem> inventory;
  std::map<std::string, Quest> quests;
  Settings settings;
  std::map<std::string, std::uint32_t> products;
  std::vector<std::string> achievements;
  std::map<std::string, std::int64_t> stats;
  std::vector<std::int64_t> friends;
};

template <class Form, class T>
void encode(benchmark::State& state, const T& from) {
  typename Form::Bytes bytes;
  for (auto _ : state) {
    Form::encode(from, bytes);
    benchmark::DoNotOptimize(bytes.data());
    benchmark::ClobberMemory();
  }
  state.counters["bytes"] = static_cast<double>(bytes.size());
}
template <class Form, class T, class Into = T>
void decode(benchmark::State& state, const T& from) {
  typename Form::Bytes bytes;
  Form::encode(from, bytes);
  for (auto _ : state) {
    Into fresh;
    Form::decode(bytes, fresh);
    auto* made = &fresh;
    benchmark::DoNotOptimize(made);
    benchmark::ClobberMemory();
  }
}
template <class Form, class T>
void decode_reused(benchmark::State& state, const T& from) {
  typename Form::Bytes bytes;
  Form::encode(from, bytes);
  T used;
  for (auto _ : state) {
    Form::decode(bytes, used);
    auto* made = &used;
    benchmark::DoNotOptimize(made);
    benchmark::ClobberMemory();
  }
}

void add(const std::string& form, const char* what, const char* profile, auto&& run) {
  benchmark::RegisterBenchmark((form + '|' + what + '|' + profile).c_str(), run);
}
template <class Form, class T>
void add_profile(const char* profile, const T& from) {
  add(Form::name, "encode", profile, [=](benchmark::State& s) { encode<Form>(s, from); });
  add(Form::name, "decode", profile, [=](benchmark::State& s) { decode<Form>(s, from); });
  add(Form::name, "decode reused", profile,
      [=](benchmark::State& s) { decode_reused<Form>(s, from); });
}
/// Whether what comes back is what went in, as Packed, which has one form of it, sees it.
template <class Form, class T>
void prove(const T& from) {
  typename Form::Bytes bytes;
  Form::encode(from, bytes);
  T back;
  Form::decode(bytes, back);
  Packed::Bytes before;
  Packed::Bytes after;
  Packed::encode(from, before);
  Packed::encode(back, after);
  need(before == after);
}
template <class Form>
void add_form() {
  prove<Form>(make_small(1)), prove<Form>(make_medium(1)), prove<Form>(make_large(1));
  add_profile<Form>("small", make_small(1));
  add_profile<Form>("medium", make_medium(1));
  add_profile<Form>("large", make_large(1));
}
#ifdef BENCH_PROTOBUF
template <class Message, class T>
Message message_of(const T& from) {
  Message message;
  copy(from, message);
  return message;
}
void add_messages() {
  add_profile<ProtobufMessage>("small", message_of<pb::Small>(make_small(1)));
  add_profile<ProtobufMessage>("medium", message_of<pb::Medium>(make_medium(1)));
  add_profile<ProtobufMessage>("large", message_of<pb::Medium>(make_large(1)));
}
#endif
template <class Form>
void add_changed() {
  add(Form::name, "decode changed", "medium",
      [from = make_medium(1)](benchmark::State& s) { decode<Form, Medium, Newer>(s, from); });
}

/// The limits: as many bytes moved as the smallest form has, and the value copied in memory, fresh
/// and over a used one.
template <class T>
void add_limits(const char* profile, const T& from) {
  Packed::Bytes bytes;
  Packed::encode(from, bytes);
  add("memcpy", "encode", profile, [bytes](benchmark::State& state) {
    std::string to(bytes.size(), ' ');
    for (auto _ : state) {
      std::memcpy(to.data(), bytes.data(), bytes.size());
      benchmark::ClobberMemory();
    }
    state.counters["bytes"] = static_cast<double>(bytes.size());
  });
  add("struct copy", "decode", profile, [from](benchmark::State& state) {
    for (auto _ : state) {
      T copy = from;
      auto* made = &copy;
      benchmark::DoNotOptimize(made);
      benchmark::ClobberMemory();
    }
  });
  add("struct copy", "decode reused", profile, [from](benchmark::State& state) {
    T copy;
    for (auto _ : state) {
      copy = from;
      auto* made = &copy;
      benchmark::DoNotOptimize(made);
      benchmark::ClobberMemory();
    }
  });
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  using namespace bench;
  add_limits("small", make_small(1));
  add_limits("medium", make_medium(1));
  add_limits("large", make_large(1));
  add_form<Packed>();
  add_form<Cbor>();
  add_form<Json>();
  add_changed<Packed>();
  add_changed<Cbor>();
  add_changed<Json>();
#ifdef BENCH_CEREAL
  add_form<Cereal>();
#endif
#ifdef BENCH_MSGPACK
  add_form<MsgPack>();
#endif
#ifdef BENCH_NLOHMANN
  add_form<NlohmannJson>();
  add_form<NlohmannCbor>();
#endif
#ifdef BENCH_PROTOBUF
  add_form<Protobuf>();
  add_messages();
#endif
#ifdef BENCH_FLATBUFFERS
  add_form<FlatBuffers>();
#endif
  add_compressors();
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
