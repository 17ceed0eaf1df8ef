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
};

namespace detail {

/// The payloads of records, in an order drawn by lot, until they are so many bytes. Records that
/// cannot be read are passed over: they teach nothing.
template <persist::record_backend Backend>
[[nodiscard]] Result<std::vector<Buffer>> samples(Backend& backend, const OpenedStore& store,
                                                  std::size_t most) {
  auto keys = all_keys(backend, store);
  if (!keys) return keys.error();
  // The same store gives the same dictionary. Keys in their order may be players in theirs.
  std::shuffle(keys->begin(), keys->end(), std::mt19937());  // NOLINT(cert-msc51-cpp)
  std::vector<Buffer> found;
  std::size_t bytes = 0;
  for (const std::string& key : *keys) {
    if (bytes >= most) break;
    persist::ReadRequest record{.store = store.id, .key = key};
    backend.read(std::span(&record, 1));
    if (failed(record.error)) return Error(record.error).for_key(key);
    Buffer& stored = record.record.data;
    if (persist::codec::chunked::is_split(stored)) {
      auto joined = joined_record(backend, store, key);
      if (!joined) continue;
      stored = *std::move(joined);
    }
    Buffer room;
    const auto plain = unwrapped(key, stored, room);
    if (!plain) continue;
    found.emplace_back(plain->subspan(persist::codec::EnvelopeLayout::size));
    bytes += found.back().size();
  }
  return found;
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
  auto found = detail::samples(backend, store, 100 * most);
  if (!found) return found.error();
  const std::size_t tried = found->size() / 10;
  const std::span<const Buffer> all(*found);
  auto made = ZstdDictionary::train(all.subspan(tried), most);
  if (!made) return made.error();
  auto dictionary = ZstdDictionary::open(*made);
  if (!dictionary) return dictionary.error();
  TrainReport report;
  report.records = all.size() - tried;
  report.id = dictionary->id();
  report.bytes = made->size();
  report.tried = tried;
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
