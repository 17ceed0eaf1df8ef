#pragma once

#include <persist/bytes.hpp>

#include <cstddef>
#include <cstdint>
#include <string_view>

// A target is a function of bytes, in a file of its name:
//
//     FUZZ_TARGET(cbor) { return fuzz::decode_and_write_back<codec::Cbor>(input); }
//
// It answers whether the input was accepted, and says with `fuzz::require` what must hold whatever
// the input is. The preset `fuzz` makes a libFuzzer program of each; everywhere else it is a test
// that runs over corpus/NAME/, which must hold inputs that are accepted and inputs that are not.

#ifdef PERSIST_FUZZ

#include <cstdio>
#include <cstdlib>

namespace fuzz {

inline void require(bool holds, std::string_view what) {
  if (holds) return;
  std::fprintf(stderr, "fuzz: does not hold: %.*s\n", static_cast<int>(what.size()), what.data());
  std::abort();
}

}  // namespace fuzz

#define FUZZ_TARGET(name)                                                             \
  static bool run_##name(persist::ByteView input);                                    \
  extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) { \
    return (void)run_##name({reinterpret_cast<const std::byte*>(data), size}), 0;     \
  }                                                                                   \
  static bool run_##name([[maybe_unused]] persist::ByteView input)

#else

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace fuzz {

inline void require(bool holds, std::string_view what) {
  EXPECT_TRUE(holds) << what;
}

/// Runs a target over its corpus, each input in memory of just its size.
inline void run_corpus(const char* name, bool (*target)(persist::ByteView)) {
  const auto folder = std::filesystem::path(PERSIST_SOURCE_DIR) / "test/fuzz/corpus" / name;
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  int accepted = 0, refused = 0;
  for (const auto& file : files) {
    SCOPED_TRACE(file.filename().string());
    std::ifstream in(file, std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(in), {}};
    const std::vector<char> exact(bytes.begin(), bytes.end());
    ++(target(std::as_bytes(std::span(exact))) ? accepted : refused);
  }
  EXPECT_GT(accepted, 0) << "or nothing good is in the corpus";
  EXPECT_GT(refused, 0) << "or nothing bad is";
}

}  // namespace fuzz

#define FUZZ_TARGET(name)                          \
  static bool run_##name(persist::ByteView input); \
  TEST(Fuzz, the_corpus_is_answered_by_##name) {   \
    fuzz::run_corpus(#name, &run_##name);          \
  }                                                \
  static bool run_##name([[maybe_unused]] persist::ByteView input)

#endif
