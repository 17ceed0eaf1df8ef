#pragma once

#include <persist/codec/cbor.hpp>
#include <persist/codec/record.hpp>
#include <persist/schema/policy.hpp>

#include <string>
#include <utility>

#include <gtest/gtest.h>

namespace test {

/// Records of one text, to see what is done to them on their way to a backend and back.
using TextPolicy = persist::DataPolicy<std::string>;

inline persist::Buffer text_record(const std::string& text) {
  persist::Buffer record;
  persist::UnknownFields none;
  EXPECT_TRUE((
      persist::codec::encode_record<persist::codec::Cbor, TextPolicy>(text, none, {3, 1}, record)));
  return record;
}
/// As the codec has it stored.
template <class Codec>
persist::Buffer stored(const std::string& text) {
  const persist::Buffer record = text_record(text);
  persist::Buffer out;
  const persist::Result<bool> wrapped = Codec::wrap("7", record, out);
  EXPECT_TRUE(wrapped) << wrapped.error();
  return wrapped && *wrapped ? out : record;
}
template <class Codec>
persist::Result<std::string> load_text(persist::Buffer bytes, std::size_t most = 1 << 20) {
  std::string text;
  persist::UnknownFields none;
  persist::Snapshot from;
  from.data = std::move(bytes);
  const auto info = persist::codec::load_record<Codec, TextPolicy>("7", from, most, text, none);
  if (!info) return info.error();
  EXPECT_EQ(info->schema_version, 3U);
  return text;
}

inline const std::string long_text(1000, 'x');

}  // namespace test
