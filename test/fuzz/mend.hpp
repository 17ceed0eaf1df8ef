#pragma once

#include <persist/codec/envelope.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>

// For targets whose input is a whole record.

#ifdef PERSIST_FUZZ
extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t most);

/// Mends the length and the checksum most of the time, or no change would get past them.
extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t most, unsigned seed) {
  using namespace persist;
  using L = codec::EnvelopeLayout;
  size = LLVMFuzzerMutate(data, size, most);
  if (size < L::size || seed % 16 == 0) return size;
  auto* at = reinterpret_cast<std::byte*>(data);
  std::copy(L::magic_bytes.begin(), L::magic_bytes.end(), at + L::magic);
  store_little(at + L::length, static_cast<std::uint32_t>(size - L::size));
  store_little(at + L::checksum, codec::envelope::checksum({at, size}));
  return size;
}
#endif
