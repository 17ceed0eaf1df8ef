#include <persist/codec/wrapping.hpp>

#include <gtest/gtest.h>

#include <persist/codec/any_of.hpp>
#include <persist/codec/cbor.hpp>
#include <persist/codec/json.hpp>
#include <persist/codec/record.hpp>
#include <persist/schema/policy.hpp>

#include <support/run_length.hpp>

namespace {

using namespace persist;
using codec::AnyOf;
using codec::Cbor;
using codec::Compressed;
using codec::Json;
using test::RunLength;
using Squeezed = Compressed<Cbor, RunLength>;

/// Another algorithm that does the same.
struct Other : RunLength {
  static constexpr std::uint8_t id = 201;
};
using Policy = DataPolicy<std::string>;

Buffer record_of(const std::string& text) {
  Buffer record;
  UnknownFields none;
  EXPECT_TRUE((codec::encode_record<Cbor, Policy>(text, none, {3, 1}, record)));
  return record;
}
template <class Codec>
Buffer stored(const std::string& text) {
  const Buffer record = record_of(text);
  Buffer out;
  const Result<bool> wrapped = Codec::wrap("7", record, out);
  EXPECT_TRUE(wrapped) << wrapped.error();
  return wrapped && *wrapped ? out : record;
}
template <class Codec>
Result<std::string> load(Buffer bytes, std::size_t most = 1 << 20) {
  std::string text;
  UnknownFields none;
  Snapshot from;
  from.data = std::move(bytes);
  const auto info = codec::load_record<Codec, Policy>("7", from, most, text, none);
  if (!info) return info.error();
  EXPECT_EQ(info->schema_version, 3U);
  return text;
}
const std::string long_text(1000, 'x');

TEST(Wrapping, a_plain_record_is_read_where_it_lies) {
  const Buffer record = record_of(long_text);
  Buffer room;
  EXPECT_EQ((codec::plain_record<Squeezed>("7", record, 1 << 20, room)->data()), record.data());
  EXPECT_EQ((codec::plain_record<Cbor>("7", record, 1 << 20, room)->data()), record.data());
  EXPECT_EQ(*load<Squeezed>(record), long_text);
}

TEST(Wrapping, what_the_codec_does_not_undo_is_refused_by_name) {
  const auto plain = load<Cbor>(stored<Squeezed>(long_text));
  ASSERT_TRUE(plain.is(Errc::wrong_codec)) << plain.error();
  EXPECT_NE(plain.error().detail().find("compressed with the algorithm number 200"),
            std::string_view::npos)
      << plain.error();
  EXPECT_TRUE(load<Squeezed>(stored<Compressed<Cbor, Other>>(long_text)).is(Errc::wrong_codec));
}

TEST(Wrapping, any_of_reads_what_any_of_them_wrapped_and_wraps_as_the_first) {
  using Both = AnyOf<Compressed<Cbor, Other>, Squeezed, Json>;
  EXPECT_EQ(*load<Both>(stored<Squeezed>(long_text)), long_text);
  EXPECT_EQ(*load<Both>(stored<Compressed<Cbor, Other>>(long_text)), long_text);
  EXPECT_EQ(*load<Both>(record_of(long_text)), long_text);
  EXPECT_EQ(stored<Both>(long_text), (stored<Compressed<Cbor, Other>>(long_text)));
  using Beginning = AnyOf<Cbor, Squeezed>;  // all servers read it before the first one writes it
  static_assert(!codec::wraps_records<Beginning>);
  EXPECT_EQ(*load<Beginning>(stored<Squeezed>(long_text)), long_text);
  static_assert(!codec::unwraps_records<AnyOf<Cbor, Json>>);
}

TEST(Wrapping, a_codec_that_throws_is_an_error) {
  struct Throwing : Cbor {
    static Result<bool> unwrap(std::string_view, const codec::Envelope&, std::size_t, Buffer&) {
      throw std::runtime_error("no such luck");
    }
  };
  const auto read = load<Throwing>(stored<Squeezed>(long_text));
  ASSERT_TRUE(read.is(Errc::invalid)) << read.error();
  EXPECT_NE(read.error().detail().find("no such luck"), std::string_view::npos);
}

}  // namespace
