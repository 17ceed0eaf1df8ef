#pragma once

#include <persist/codec/record.hpp>
#include <persist/schema/policy.hpp>

#include <gtest/gtest.h>

namespace test {

/// A build that has a record loaded, as a session has it.
template <class Codec, class Build>
struct Server {
  using Policy = persist::DataPolicy<Build>;
  using Data = persist::data_type_of<Build>;

  persist::Result<void> load(persist::ByteView bytes) {
    data = Data{};
    const auto info = persist::codec::decode_record<Codec, Policy>(bytes, data, unknown);
    if (!info) return info.error();
    version = persist::codec::version_after<Policy>(*info);
    return persist::success;
  }
  persist::Buffer save() {
    persist::Buffer out;
    const auto done = persist::codec::encode_record<Codec, Policy>(data, unknown, version, out);
    EXPECT_TRUE(done) << done.error();
    return out;
  }

  Data data;
  persist::UnknownFields unknown;
  persist::codec::RecordVersion version = persist::codec::version_of<Policy>();
};

}  // namespace test
