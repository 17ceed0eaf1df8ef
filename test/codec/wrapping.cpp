#include <persist/codec/wrapping.hpp>

#include <gtest/gtest.h>

#include <persist/codec/any_of.hpp>
#include <persist/codec/json.hpp>

#include <support/run_length.hpp>
#include <support/text_records.hpp>

namespace {

using namespace persist;
using codec::AnyOf;
using codec::Cbor;
using codec::Compressed;
using codec::Json;
using test::load_text;
using test::long_text;
using test::RunLength;
using test::stored;
using test::text_record;
using Squeezed = Compressed<Cbor, RunLength>;

/// Another algorithm that does the same.
struct Other : RunLength {
  static constexpr std::uint8_t id = 201;
};
TEST(Wrapping, a_plain_record_is_read_where_it_lies) {
  const Buffer record = text_record(long_text);
  Buffer room;
  EXPECT_EQ((codec::plain_record<Squeezed>("7", record, 1 << 20, room)->data()), record.data());
  EXPECT_EQ((codec::plain_record<Cbor>("7", record, 1 << 20, room)->data()), record.data());
  EXPECT_EQ(*load_text<Squeezed>(record), long_text);
}

TEST(Wrapping, what_the_codec_does_not_undo_is_refused_by_name) {
  const auto plain = load_text<Cbor>(stored<Squeezed>(long_text));
  ASSERT_TRUE(plain.is(Errc::wrong_codec)) << plain.error();
  EXPECT_NE(plain.error().detail().find("compressed with the algorithm number 200"),
            std::string_view::npos)
      << plain.error();
  EXPECT_TRUE(
      load_text<Squeezed>(stored<Compressed<Cbor, Other>>(long_text)).is(Errc::wrong_codec));
}

TEST(Wrapping, any_of_reads_what_any_of_them_wrapped_and_wraps_as_the_first) {
  using Both = AnyOf<Compressed<Cbor, Other>, Squeezed, Json>;
  EXPECT_EQ(*load_text<Both>(stored<Squeezed>(long_text)), long_text);
  EXPECT_EQ(*load_text<Both>(stored<Compressed<Cbor, Other>>(long_text)), long_text);
  EXPECT_EQ(*load_text<Both>(text_record(long_text)), long_text);
  EXPECT_EQ(stored<Both>(long_text), (stored<Compressed<Cbor, Other>>(long_text)));
  using Beginning = AnyOf<Cbor, Squeezed>;  // all servers read it before the first one writes it
  static_assert(!codec::wraps_records<Beginning>);
  EXPECT_EQ(*load_text<Beginning>(stored<Squeezed>(long_text)), long_text);
  static_assert(!codec::unwraps_records<AnyOf<Cbor, Json>>);
}

TEST(Wrapping, a_codec_that_throws_is_an_error) {
  struct Throwing : Cbor {
    static Result<bool> unwrap(std::string_view, const codec::Envelope&, std::size_t, Buffer&) {
      throw std::runtime_error("no such luck");
    }
  };
  const auto read = load_text<Throwing>(stored<Squeezed>(long_text));
  ASSERT_TRUE(read.is(Errc::invalid)) << read.error();
  EXPECT_NE(read.error().detail().find("no such luck"), std::string_view::npos);
}

}  // namespace
