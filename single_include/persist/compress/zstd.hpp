// persist: player data for game servers. The single header, made by tools/amalgamate.py from
// include/persist: change it there.
//
// Distributed under the Boost Software License, Version 1.0.

#pragma once

#include "../persist.hpp"

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>
#include <zdict.h>
#include <zstd.h>

namespace persist::inline PERSIST_ABI::compress {

namespace zstd {

struct Free {
  void operator()(ZSTD_CCtx* context) const noexcept { ZSTD_freeCCtx(context); }
  void operator()(ZSTD_DCtx* context) const noexcept { ZSTD_freeDCtx(context); }
  void operator()(ZSTD_CDict* dictionary) const noexcept { ZSTD_freeCDict(dictionary); }
  void operator()(ZSTD_DDict* dictionary) const noexcept { ZSTD_freeDDict(dictionary); }
};

/// What zstd made; it says with null that there was no memory.
template <class T>
[[nodiscard]] T* made(T* object) {
  if (object != nullptr) return object;
#if PERSIST_HAS_EXCEPTIONS
  throw std::bad_alloc();
#else
  persist::detail::fatal("there is no memory left");
#endif
}

/// A context is some hundred kilobytes that are dear to make and hold nothing between two calls:
/// each thread that compresses keeps its own.
[[nodiscard]] inline ZSTD_CCtx* compressing() {
  thread_local const std::unique_ptr<ZSTD_CCtx, Free> context(made(ZSTD_createCCtx()));
  return context.get();
}
[[nodiscard]] inline ZSTD_DCtx* decompressing() {
  thread_local const std::unique_ptr<ZSTD_DCtx, Free> context(made(ZSTD_createDCtx()));
  return context.get();
}

/// What a call wrote; 0 for an error, of which one is that there was no room.
[[nodiscard]] inline std::size_t written(std::size_t result) noexcept {
  return ZSTD_isError(result) ? 0 : result;
}
[[nodiscard]] inline Result<void> filled(std::size_t result, std::size_t expected) {
  if (!ZSTD_isError(result) && result == expected) return success;
  return Error(Errc::corrupt,
               "what zstd compressed is damaged: " +
                   std::string(ZSTD_isError(result) ? ZSTD_getErrorName(result)
                                                    : "its length is not the one it says"));
}
/// Whether that is one frame of RFC 8878 and nothing else. The library would read several, and
/// formats that are older than the RFC by code that is.
[[nodiscard]] inline bool is_one_frame(ByteView bytes) noexcept {
  return bytes.size() >= 4 && load_little<std::uint32_t>(bytes.data()) == ZSTD_MAGICNUMBER &&
         ZSTD_findFrameCompressedSize(bytes.data(), bytes.size()) == bytes.size();
}
[[nodiscard]] inline Error no_frame() {
  return {Errc::corrupt, "what zstd compressed is damaged: these bytes are not one frame"};
}
[[nodiscard]] inline Error no_dictionary(unsigned id) {
  return Error(Errc::wrong_codec, "the record was compressed with the zstd dictionary " +
                                      std::to_string(id) +
                                      ", which this store has not: list it behind the newest one");
}

}  // namespace zstd

/// Zstandard (RFC 8878): smaller than LZ4 at some of its speed. Link `persist::zstd`.
template <int Level = 3>
struct Zstd {
  static_assert(Level >= -131072 && Level <= 22 && Level != 0,
                "persist: zstd has levels 1 to 22, and negative ones that are faster");
  static constexpr std::uint8_t id = codec::zstd_id;
  static constexpr std::string_view name = "zstd";

  [[nodiscard]] static std::size_t compress(ByteView from, std::span<std::byte> to) {
    return zstd::written(ZSTD_compressCCtx(zstd::compressing(), to.data(), to.size(), from.data(),
                                           from.size(), Level));
  }
  [[nodiscard]] static Result<void> decompress(ByteView from, std::span<std::byte> to) {
    if (!zstd::is_one_frame(from)) return zstd::no_frame();
    if (const unsigned wanted = ZSTD_getDictID_fromFrame(from.data(), from.size()); wanted != 0)
      return zstd::no_dictionary(wanted);
    return zstd::filled(
        ZSTD_decompressDCtx(zstd::decompressing(), to.data(), to.size(), from.data(), from.size()),
        to.size());
  }
};

/// What many records have in common, made once and read at start: it makes small records a good
/// deal smaller. Dear to make and to be kept for as long as the program runs.
class ZstdDictionary {
 public:
  /// Of what `train` made and the game kept in a file. `invalid` for other bytes.
  [[nodiscard]] static Result<ZstdDictionary> open(ByteView bytes, int level = 3) {
    ZstdDictionary made;
    made.id_ = ZSTD_getDictID_fromDict(bytes.data(), bytes.size());
    if (made.id_ != 0) {
      made.to_compress_.reset(ZSTD_createCDict(bytes.data(), bytes.size(), level));
      made.to_decompress_.reset(ZSTD_createDDict(bytes.data(), bytes.size()));
    }
    if (made.to_compress_ && made.to_decompress_) return made;
    return Error(Errc::invalid, "these " + std::to_string(bytes.size()) +
                                    " bytes are no zstd dictionary that was trained");
  }

  /// A new dictionary of at most `most` bytes, of samples as the store's codec makes them: the more
  /// the better, a hundred times its size in all. Such of less than 8 bytes have nothing to share
  /// and are passed over. `invalid` where there are too few.
  [[nodiscard]] static Result<Buffer> train(std::span<const Buffer> samples,
                                            std::size_t most = 112'640) {
    Buffer all;
    std::vector<std::size_t> sizes;
    for (const Buffer& sample : samples) {
      // zstd looks at 8 bytes at a time, and divides by zero where the samples it takes have less.
      if (sample.size() < sizeof(std::uint64_t)) continue;
      all.append(sample.view());
      sizes.push_back(sample.size());
    }
    Buffer made;
    const std::size_t result = ZDICT_trainFromBuffer(made.grow(most), most, all.data(),
                                                     sizes.data(), unsigned(sizes.size()));
    if (ZDICT_isError(result)) {
      return Error(Errc::invalid, "no dictionary came of " + std::to_string(samples.size()) +
                                      " samples of " + std::to_string(all.size()) + " bytes (" +
                                      ZDICT_getErrorName(result) +
                                      "): it takes more of them, and such as resemble each other");
    }
    made.shrink(result);
    return made;
  }

  /// What the records say that it compressed.
  [[nodiscard]] unsigned id() const noexcept { return id_; }
  [[nodiscard]] const ZSTD_CDict* to_compress() const noexcept { return to_compress_.get(); }
  [[nodiscard]] const ZSTD_DDict* to_decompress() const noexcept { return to_decompress_.get(); }

 private:
  ZstdDictionary() = default;

  unsigned id_ = 0;
  std::unique_ptr<ZSTD_CDict, zstd::Free> to_compress_;
  std::unique_ptr<ZSTD_DDict, zstd::Free> to_decompress_;
};

/// As in `struct Dictionaries { static std::span<const ZstdDictionary> list(); };`: the first is
/// the one that compresses, and as long as a record may have been compressed with an older one that
/// stays behind it. Called for each record, on any thread; the list must not change while a store
/// is open.
template <class D>
concept lists_dictionaries = requires {
  { D::list() } -> codec::lasting_list<ZstdDictionary>;
};

/// Zstandard with dictionaries. What was compressed without one it reads too, and with an empty
/// list it is `Zstd<3>`.
template <class Dictionaries>
struct ZstdDict {
  static_assert(lists_dictionaries<Dictionaries>,
                "persist: the Dictionaries of ZstdDict have a `static list()` that returns a "
                "std::span<const ZstdDictionary>, or a reference to a list that lives on");
  static constexpr std::uint8_t id = codec::zstd_id;
  static constexpr std::string_view name = "zstd";

  [[nodiscard]] static std::size_t compress(ByteView from, std::span<std::byte> to) {
    const std::span<const ZstdDictionary> known = Dictionaries::list();
    if (known.empty()) return Zstd<>::compress(from, to);
    return zstd::written(ZSTD_compress_usingCDict(zstd::compressing(), to.data(), to.size(),
                                                  from.data(), from.size(),
                                                  known.front().to_compress()));
  }
  [[nodiscard]] static Result<void> decompress(ByteView from, std::span<std::byte> to) {
    if (!zstd::is_one_frame(from)) return zstd::no_frame();
    const unsigned wanted = ZSTD_getDictID_fromFrame(from.data(), from.size());
    if (wanted == 0) return Zstd<>::decompress(from, to);
    for (const ZstdDictionary& each : Dictionaries::list()) {
      if (each.id() != wanted) continue;
      return zstd::filled(
          ZSTD_decompress_usingDDict(zstd::decompressing(), to.data(), to.size(), from.data(),
                                     from.size(), each.to_decompress()),
          to.size());
    }
    return zstd::no_dictionary(wanted);
  }
};

}  // namespace persist::inline PERSIST_ABI::compress
