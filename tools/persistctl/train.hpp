#pragma once

#include <persist/backend/concept.hpp>
#include <persist/compress/zstd.hpp>

#include <persistctl/store.hpp>
#include <persistctl/unwrap.hpp>

#include <algorithm>
#include <cstddef>
#include <random>
#include <span>
#include <string>
#include <utility>
#include <vector>

// Makes a zstd dictionary of what a store holds.

namespace persistctl {

struct TrainReport {
  std::size_t records = 0;  ///< it was trained on
  unsigned id = 0;          ///< what records that it compresses will say
  std::size_t bytes = 0;    ///< of the dictionary
  // Of records that it was not trained on, one in ten of those that were looked at.
  std::size_t tried = 0;
  std::size_t plain = 0;
  std::size_t without = 0;  ///< compressed, but with no dictionary
  std::size_t with = 0;
  std::string passed_over;  ///< which records it could not read, for a person; empty: it read all
};

namespace detail {

/// The payloads of records. Those that cannot be read are passed over: they teach nothing.
struct Samples {
  std::vector<Buffer> found;
  std::size_t sealed = 0;
  std::size_t others = 0;  ///< that were passed over
  std::string why;         ///< of the first of them

  void pass_over(std::string_view key, ByteView stored, const Error& error) {
    if ((persist::codec::wrapping::flags_of(stored) & persist::codec::EnvelopeLayout::sealed) != 0)
      ++sealed;
    else if (others++ == 0)
      why = Error(error).for_key(key).message();
  }
  [[nodiscard]] std::string passed_over() const {
    std::string text;
    if (sealed != 0)
      text = counted(sealed, "sealed record", "was", "were") +
             " passed over: only a server with their keys can read them";
    if (others != 0)
      text += (text.empty() ? "" : "; ") + counted(others, "other record", "was", "were") +
              " passed over, the first because of " + why;
    return text;
  }
};

/// Samples in an order drawn by lot, until they are so many bytes.
template <persist::record_backend Backend>
[[nodiscard]] Result<Samples> samples(Backend& backend, const OpenedStore& store,
                                      std::size_t most) {
  auto keys = all_keys(backend, store);
  if (!keys) return keys.error();
  // The same store gives the same dictionary. Keys in their order may be players in theirs.
  std::shuffle(keys->begin(), keys->end(), std::mt19937());  // NOLINT(cert-msc51-cpp)
  Samples all;
  std::size_t bytes = 0;
  for (const std::string& key : *keys) {
    if (bytes >= most) break;
    persist::ReadRequest record{.store = store.id, .key = key};
    backend.read(std::span(&record, 1));
    if (failed(record.error)) return Error(record.error).for_key(key);
    Buffer& stored = record.record.data;
    if (persist::codec::chunked::is_split(stored)) {
      auto joined = joined_record(backend, store, key);
      if (!joined) {
        all.pass_over(key, {}, joined.error());
        continue;
      }
      stored = *std::move(joined);
    }
    Buffer room;
    const auto plain = unwrapped(key, stored, room);
    if (!plain) {
      all.pass_over(key, stored, plain.error());
      continue;
    }
    all.found.emplace_back(plain->subspan(persist::codec::EnvelopeLayout::size));
    bytes += all.found.back().size();
  }
  return all;
}

/// How large `with` and no dictionary make it; as it is where they do not pay.
template <class A>
[[nodiscard]] std::size_t compressed_size(const Buffer& plain) {
  Buffer room;
  const std::size_t made = A::compress(plain, {room.grow(plain.size()), plain.size()});
  return made == 0 ? plain.size() : made;
}

}  // namespace detail

/// A dictionary of at most `most` bytes for the records of a store. `invalid` where they are too
/// few; the errors of the backend. Holds a hundred times `most` of them in memory.
template <persist::record_backend Backend>
[[nodiscard]] Result<std::pair<Buffer, TrainReport>> train(Backend& backend,
                                                           const OpenedStore& store,
                                                           std::size_t most) {
  using persist::compress::ZstdDictionary;
  const auto samples = detail::samples(backend, store, 100 * most);
  if (!samples) return samples.error();
  const std::span<const Buffer> all(samples->found);
  const std::size_t tried = all.size() / 10;
  auto made = ZstdDictionary::train(all.subspan(tried), most);
  const std::string passed_over = samples->passed_over();
  if (!made)
    return Error(made.error().code(), std::string(made.error().detail()) +
                                          (passed_over.empty() ? "" : "; ") + passed_over);
  auto dictionary = ZstdDictionary::open(*made);
  if (!dictionary) return dictionary.error();
  TrainReport report;
  report.records = all.size() - tried;
  report.id = dictionary->id();
  report.bytes = made->size();
  report.tried = tried;
  report.passed_over = passed_over;
  auto others = std::exchange(Dictionaries::known, {});
  Dictionaries::known.push_back(*std::move(dictionary));
  for (const Buffer& each : all.first(tried)) {
    report.plain += each.size();
    report.without += detail::compressed_size<persist::compress::Zstd<>>(each);
    report.with += detail::compressed_size<persist::compress::ZstdDict<Dictionaries>>(each);
  }
  Dictionaries::known = std::move(others);
  return std::pair(*std::move(made), report);
}

}  // namespace persistctl
