#pragma once

#include <persist/codec/compressed.hpp>
#include <persist/codec/packed.hpp>
#include <persist/codec/record.hpp>
#include <persist/schema/policy.hpp>

#include <codec/forms.hpp>

#include <span>
#include <string>
#include <benchmark/benchmark.h>

#if __has_include(<lz4.h>)
#include <persist/compress/lz4.hpp>
#define BENCH_LZ4
#endif
#if __has_include(<zstd.h>)
#include <persist/compress/zstd.hpp>
#define BENCH_ZSTD
#endif

// What the wrapping of a record costs beside the call of the library that compresses it: both work
// on the same bytes, the medium profile as Packed makes it.

namespace bench {

/// A record of the medium profile, plain and compressed.
template <class A>
struct Records {
  using Codec = persist::codec::Compressed<persist::codec::Packed, A>;
  persist::Buffer plain, wrapped;

  Records() {
    persist::UnknownFields none;
    need(bool(persist::codec::encode_record<Codec, persist::DataPolicy<Medium>>(make_medium(1),
                                                                                none, {}, plain)));
    const auto done = Codec::wrap("Player_42", plain, wrapped);
    need(done && *done);
  }
  [[nodiscard]] persist::ByteView payload() const {
    return plain.view().subspan(persist::codec::EnvelopeLayout::size);
  }
};

template <class A>
void wrap(benchmark::State& state) {
  const Records<A> records;
  for (auto _ : state) {
    persist::Buffer out;
    need(bool(Records<A>::Codec::wrap("Player_42", records.plain, out)));
    benchmark::DoNotOptimize(out.data());
  }
  state.counters["bytes"] = static_cast<double>(records.wrapped.size());
}
template <class A>
void wrap_raw(benchmark::State& state) {
  const Records<A> records;
  for (auto _ : state) {
    persist::Buffer out;
    std::byte* at = out.grow(records.plain.size());
    need(A::compress(records.payload(), {at, out.size()}) != 0);
    benchmark::DoNotOptimize(out.data());
  }
}
template <class A>
void unwrap(benchmark::State& state) {
  const Records<A> records;
  for (auto _ : state) {
    persist::Buffer room;
    need(bool(persist::codec::plain_record<typename Records<A>::Codec>(
        "Player_42", records.wrapped, std::size_t{4} << 20, room)));
    benchmark::DoNotOptimize(room.data());
  }
}
template <class A>
void unwrap_raw(benchmark::State& state) {
  const Records<A> records;
  const auto from = records.wrapped.view().subspan(persist::codec::EnvelopeLayout::size + 5);
  for (auto _ : state) {
    persist::Buffer out;
    const std::size_t size = records.payload().size();
    need(bool(A::decompress(from, {out.grow(size), size})));
    benchmark::DoNotOptimize(out.data());
  }
}

template <class A>
void add_compressor(const std::string& name) {
  benchmark::RegisterBenchmark((name + "|wrap|medium").c_str(), wrap<A>);
  benchmark::RegisterBenchmark((name + " alone|wrap|medium").c_str(), wrap_raw<A>);
  benchmark::RegisterBenchmark((name + "|unwrap|medium").c_str(), unwrap<A>);
  benchmark::RegisterBenchmark((name + " alone|unwrap|medium").c_str(), unwrap_raw<A>);
}
inline void add_compressors() {
#ifdef BENCH_LZ4
  add_compressor<persist::compress::Lz4>("lz4");
#endif
#ifdef BENCH_ZSTD
  add_compressor<persist::compress::Zstd<>>("zstd");
#endif
}

}  // namespace bench
