// One record, the types of several builds: what each makes of what another wrote.

#include <persist/codec/packed.hpp>

#include <persist/codec/json.hpp>
#include <persist/codec/record.hpp>
#include <persist/schema/value.hpp>

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <ratio>
#include <string>
#include <variant>
#include <vector>

#include <gtest/gtest.h>

#include <codec/rich.hpp>
#include <support/hex.hpp>

namespace {

using namespace persist;
struct Keeping {};  // a policy that drops nothing

static_assert(codec_for<codec::Packed, test::Profile> && codec_for<codec::Packed, Value>);
static_assert(codec_for<codec::Packed, int>);

template <class Policy, class T>
Buffer written(const T& from, UnknownFields& unknown) {
  Buffer bytes;
  const auto done = codec::Packed::encode<Policy>(from, unknown, bytes);
  EXPECT_TRUE(done) << done.error();
  return bytes;
}
template <class T>
Buffer written(const T& from) {
  UnknownFields none;
  return written<Keeping>(from, none);
}
template <class T, class Policy = Keeping>
Result<T> read(ByteView bytes, UnknownFields& unknown) {
  Result<T> made(T{});
  auto done = codec::Packed::decode<Policy>(bytes, *made, unknown);
  return done ? std::move(made) : Result<T>(std::move(done).error());
}
template <class T>
Result<T> read(ByteView bytes) {
  UnknownFields unknown;
  return read<T>(bytes, unknown);
}
/// Whether the record says more of itself than that it is a value.
bool is_described(const Buffer& bytes) {
  return test::to_hex(bytes.view().first(2)) != "0311";
}

struct Save {
  std::int64_t coins = 10;
};

// The example of doc/format.md.
TEST(Packed, a_record_is_what_the_page_about_bytes_says) {
  EXPECT_EQ(test::to_hex(written(Save{})),
            "15"  // ten bytes of description:
            "10"  // a struct
            "03"  // of one field,
            "0b"
            "636f696e73"  // "coins",
            "0207"        // an integer of 64 bits with a sign
            "29");        // 10
}

namespace v1 {
enum class Rank : std::uint8_t { novice, knight };
struct Item {
  std::uint32_t id = 0;
  std::uint16_t count = 1;
};
struct Save {
  std::int32_t coins = 0;
  float speed = 1;
  std::string name = "nobody";
  Rank rank = Rank::novice;
  std::vector<Item> bag;
  std::map<std::string, Item> slots;
  std::optional<int> guild;
  std::variant<std::monostate, Item> hand;
  int gone = 5;
};
}  // namespace v1
namespace v2 {
/// The same names for other numbers, and one more.
enum class Rank : std::uint8_t { squire = 1, novice, knight, king };
struct Item {
  std::uint16_t count = 1;
  std::uint64_t id = 0;
  std::optional<std::string> engraving;
};
struct Staff {
  int power = 0;
};
struct Save {
  std::vector<Item> bag;
  std::map<std::string, Item> slots;
  std::variant<std::monostate, Staff, Item> hand;
  Rank rank = Rank::novice;
  std::int64_t coins = 0;
  double speed = 1;
  std::string name = "nobody";
  int guild = -1;
  std::vector<int> badges{1};
};
}  // namespace v2

struct Identified {
  using fields = Fields<Identity<&v1::Item::id>>;
};

v1::Save old_save() {
  return {7, 1.5f,           "Zo", v1::Rank::knight, {{1, 2}, {3, 4}}, {{"hat", {5, 6}}},
          9, v1::Item{7, 8}, 6};
}

TEST(Packed, a_newer_type_reads_an_older_record_by_name) {
  UnknownFields unknown;
  const auto save = read<v2::Save>(written(old_save()), unknown);
  ASSERT_TRUE(save) << save.error();
  EXPECT_EQ(save->coins, 7);
  EXPECT_EQ(save->speed, 1.5);
  EXPECT_EQ(save->name, "Zo");
  EXPECT_EQ(save->rank, v2::Rank::knight) << "by its name, which has another number now";
  ASSERT_EQ(save->bag.size(), 2u);
  EXPECT_EQ(save->bag[1].id, 3u);
  EXPECT_EQ(save->bag[1].count, 4);
  EXPECT_EQ(save->slots.at("hat").id, 5u);
  EXPECT_EQ(save->guild, 9);
  ASSERT_TRUE(std::holds_alternative<v2::Item>(save->hand)) << "it has another place now";
  EXPECT_EQ(std::get<v2::Item>(save->hand).id, 7u);
  EXPECT_EQ(save->badges, std::vector<int>{1}) << "the member's default";
  EXPECT_FALSE(unknown.empty()) << "'gone' is kept";
}

TEST(Packed, what_only_the_older_type_knows_comes_back_to_it) {
  UnknownFields unknown;
  auto newer = read<v2::Save>(written(old_save()), unknown);
  ASSERT_TRUE(newer) << newer.error();
  newer->coins = 8;
  const Buffer between = written<Keeping>(*newer, unknown);
  EXPECT_FALSE(is_described(between)) << "what is unknown has no position";
  UnknownFields none;
  const auto back = read<v1::Save>(between, none);
  ASSERT_FALSE(back) << "it has items with engravings, that nothing identifies";
  const auto kept = read<v1::Save, Identified>(between, none);
  ASSERT_TRUE(kept) << kept.error();
  EXPECT_EQ(kept->coins, 8);
  EXPECT_EQ(kept->gone, 6);
  EXPECT_EQ(kept->rank, v1::Rank::knight);
}

TEST(Packed, an_enumerator_of_a_newer_build_is_written_back) {
  v2::Save newer;
  newer.rank = v2::Rank::king;
  newer.hand = v2::Staff{3};
  UnknownFields unknown;
  auto old = read<v1::Save, Identified>(written(newer), unknown);
  ASSERT_TRUE(old) << old.error();
  EXPECT_EQ(old->rank, v1::Rank::novice);
  old->coins = 1;
  UnknownFields none;
  const auto back = read<v2::Save>(written<Identified>(*old, unknown), none);
  ASSERT_TRUE(back) << back.error();
  EXPECT_EQ(back->rank, v2::Rank::king);
  EXPECT_EQ(back->coins, 1);
  ASSERT_TRUE(std::holds_alternative<v2::Staff>(back->hand));
  EXPECT_EQ(std::get<v2::Staff>(back->hand).power, 3);
}

struct Narrow {
  std::int8_t n = 0;
};
struct Wide {
  std::int64_t n = 0;
};
struct Listed {
  std::vector<int> n;
};

TEST(Packed, a_number_that_does_not_fit_is_named_and_so_is_another_kind) {
  EXPECT_EQ(read<Narrow>(written(Wide{-128}))->n, -128);
  const auto narrow = read<Narrow>(written(Wide{-129}));
  ASSERT_TRUE(narrow.is(Errc::schema_mismatch));
  EXPECT_EQ(narrow.error().path(), "n");
  EXPECT_EQ(narrow.error().found(), "-129");
  EXPECT_TRUE(read<Listed>(written(Wide{1})).is(Errc::schema_mismatch));
  EXPECT_TRUE(read<Wide>(written(Listed{{1}})).is(Errc::schema_mismatch));
}

TEST(Packed, whoever_knows_no_type_reads_a_record_as_a_value) {
  const auto rich = schema::from_value<test::Rich>(test::rich_value());
  ASSERT_TRUE(rich) << rich.error();
  const auto value = read<Value>(written(*rich));
  ASSERT_TRUE(value) << value.error();
  EXPECT_EQ(*value, schema::to_value(*rich).value());
  // And what is written as a value is read by a type.
  const Buffer bytes = written(*value);
  EXPECT_FALSE(is_described(bytes));
  const auto again = read<test::Rich>(bytes);
  ASSERT_TRUE(again) << again.error();
  EXPECT_EQ(again->profile, rich->profile);
}

struct Holder {
  int coins = 1;
  Unknown rest;
};
struct Fuller {
  int coins = 1;
  int gems = 2;
};

TEST(Packed, what_a_member_keeps_is_written_back) {
  UnknownFields unknown;
  auto holders = read<std::vector<Holder>>(written(std::vector<Fuller>{{3, 4}}), unknown);
  ASSERT_TRUE(holders) << holders.error();
  EXPECT_TRUE(unknown.empty()) << "it lies in the element";
  holders->insert(holders->begin(), Holder{});
  const auto back = read<std::vector<Fuller>>(written<Keeping>(*holders, unknown));
  ASSERT_TRUE(back) << back.error();
  EXPECT_EQ((*back)[1].gems, 4);
  EXPECT_EQ((*back)[0].gems, 2) << "the new one has none";
  holders->erase(holders->begin() + 1);
  EXPECT_TRUE(is_described(written<Keeping>(*holders, unknown))) << "nothing is unknown any more";
}

TEST(Packed, a_failed_encode_leaves_the_buffer_as_it_was) {
  Buffer bytes(as_bytes("before"));
  UnknownFields none;
  EXPECT_TRUE((codec::Packed::encode<Keeping>(std::string("\xff"), none, bytes).is(Errc::invalid)));
  EXPECT_EQ(as_text(bytes), "before");
  EXPECT_TRUE((codec::Packed::encode<Keeping>(Value("\xff"), none, bytes).is(Errc::invalid)));
  EXPECT_EQ(as_text(bytes), "before");
}

TEST(Packed, a_record_whose_description_lies_elsewhere_says_which) {
  EXPECT_TRUE(read<Save>(test::from_hex("01 00")).is(Errc::corrupt)) << "the name is cut short";
  const auto named = read<Save>(test::from_hex("01 0102030405060708 090a0b0c0d0e0f10 00"));
  EXPECT_TRUE(named.is(Errc::unknown_schema)) << named.error();
  EXPECT_TRUE(read<Save>({}).is(Errc::corrupt));
}

TEST(Packed, every_prefix_is_refused_by_the_type_that_wrote_and_by_others) {
  const Buffer bytes = written(old_save());
  ASSERT_TRUE(is_described(bytes));
  ASSERT_TRUE(read<v1::Save>(bytes));
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const ByteView prefix = bytes.view().first(size);
    ASSERT_TRUE(read<v1::Save>(prefix).is(Errc::corrupt)) << size;
    ASSERT_TRUE(read<v2::Save>(prefix).is(Errc::corrupt)) << size;
    ASSERT_TRUE(read<Value>(prefix).is(Errc::corrupt)) << size;
  }
}

TEST(Packed, any_changed_byte_is_an_answer_to_every_build) {
  Buffer bytes = written(old_save());
  int read_by_name = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const std::byte good = bytes.data()[i];
    for (unsigned value = 0; value < 256; ++value) {
      bytes.data()[i] = static_cast<std::byte>(value);
      (void)read<v1::Save>(bytes);
      read_by_name += read<v2::Save>(bytes) ? 1 : 0;
      (void)read<Value>(bytes);
    }
    bytes.data()[i] = good;
  }
  EXPECT_GT(read_by_name, 100) << "or nothing was tried";
}

struct InSeconds {
  int level = 1;
  std::chrono::seconds played{3};
  std::optional<std::chrono::seconds> banned{60};
  std::chrono::sys_seconds joined{};
  std::chrono::duration<double> half{0.5};
};
struct InMilliseconds {
  std::chrono::milliseconds played{};
};
struct InMinutes {
  std::chrono::duration<double, std::ratio<60>> half{};
};
struct BannedInMinutes {
  std::optional<std::chrono::minutes> banned;
};
struct JoinedInDays {
  std::chrono::sys_days joined{};
};
struct InLongSeconds {
  std::chrono::duration<std::int32_t> played{};
  std::optional<std::chrono::duration<double>> banned;
  std::int64_t joined = 1;
};

TEST(Packed, a_time_is_not_read_in_another_unit) {
  const Buffer bytes = written(InSeconds{});
  const auto refused = read<InMilliseconds>(bytes);
  ASSERT_TRUE(refused.is(Errc::schema_mismatch));
  EXPECT_EQ(refused.error().path(), "played");
  EXPECT_EQ(refused.error().expected(), "a time in 1/1000 s");
  EXPECT_EQ(refused.error().found(), "one in 1/1 s");
  EXPECT_TRUE(read<InMinutes>(bytes).is(Errc::schema_mismatch));
  EXPECT_TRUE(read<BannedInMinutes>(bytes).is(Errc::schema_mismatch));
  EXPECT_TRUE(read<JoinedInDays>(bytes).is(Errc::schema_mismatch));
  const auto same = read<InLongSeconds>(bytes);
  ASSERT_TRUE(same) << same.error();
  EXPECT_EQ(same->played.count(), 3);
  EXPECT_EQ(same->banned->count(), 60);
}

TEST(Packed, records_of_both_forms_carry_the_same_versions) {
  Buffer record;
  UnknownFields unknown;
  ASSERT_TRUE((codec::encode_record<codec::Packed, Keeping>(old_save(), unknown, {3, 1}, record)));
  v2::Save newer;
  const auto info = codec::decode_record<codec::Packed, Keeping>(record, newer, unknown);
  ASSERT_TRUE(info) << info.error();
  EXPECT_EQ(info->schema_version, 3u);
  Value value;
  EXPECT_TRUE(
      (codec::decode_record<codec::Json, Keeping>(record, value, unknown).is(Errc::wrong_codec)));
}

}  // namespace
