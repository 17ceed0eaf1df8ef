// What each codec makes of a record when the type changed: a newer build reads what an older one
// wrote, the older reads what the newer wrote and writes it back, and the newer reads that.

#include <persist/codec/cbor.hpp>
#include <persist/codec/json.hpp>
#include <persist/codec/packed.hpp>
#include <persist/codec/record.hpp>
#include <persist/schema/policy.hpp>
#include <persist/schema/value.hpp>

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

namespace evolution {

using namespace persist;

struct Base {
  std::int32_t a = 1;
  std::string b = "b";
  std::vector<int> c;
};
struct Added {
  std::int32_t a = 1;
  double d = 0.5;
  std::string b = "b";
  std::vector<int> c;
};
struct Removed {
  std::int32_t a = 1;
  std::vector<int> c;
};
struct Renaming {
  std::int32_t alpha = 1;
  std::string b = "b";
  std::vector<int> c;
};
struct Reordered {
  std::vector<int> c;
  std::int32_t a = 1;
  std::string b = "b";
};
struct Widened {
  std::int64_t a = 1;
  std::string b = "b";
  std::vector<std::int64_t> c;
};
struct Narrowed {
  std::int8_t a = 1;
  std::string b = "b";
  std::vector<int> c;
};
struct Inner {
  std::int32_t a = 2;
};
struct Nested {
  Inner in;
  std::string b = "b";
  std::vector<int> c;
};
struct Wrapped {
  Inner a;
  std::string b = "b";
  std::vector<int> c;
};
struct Optional {
  std::optional<std::int32_t> a = 1;
  std::string b = "b";
  std::vector<int> c;
};
struct Mapped {
  std::int32_t a = 1;
  std::string b = "b";
  std::map<std::string, int> c;
};

struct Converted {
  double a = 1;
  std::string b = "b";
  std::set<int> c;
};
struct Arrayed {
  std::int32_t a = 1;
  std::string b = "b";
  std::array<int, 2> c{};
};

struct Keeping {};

std::string text_of(const Value& value) {
  Buffer out;
  EXPECT_TRUE(codec::Json::encode<Keeping>(value, out));
  return std::string(as_text(out));
}
std::string text_of(const Error& error) {
  return '!' + std::string(name(error.code())) + " at " + std::string(error.path());
}

/// A build with one type and one codec, as functions, so that a table can name it.
using Write = Buffer (*)(const Value& data);
/// Loads the record and saves it again. Says what it saw, or how it refused.
using Resave = std::string (*)(Buffer& record);

template <class Codec, class T>
Buffer write(const Value& data) {
  const Result<T> made = data.as<T>();
  EXPECT_TRUE(made) << made.error();
  Buffer out;
  EXPECT_TRUE((Codec::template encode<Keeping>(*made, out)));
  return out;
}
template <class Codec, class T>
std::string resave(Buffer& record) {
  T data{};
  UnknownFields unknown;
  if (const auto read = Codec::template decode<Keeping>(record, data, unknown); !read)
    return text_of(read.error());
  record = Buffer();
  if (const auto saved = Codec::template encode<Keeping>(data, unknown, record); !saved)
    return text_of(saved.error());
  return text_of(*schema::to_value<Keeping>(data));
}

/// Each row: a record of the old type is read and saved by the new build and then read by the old;
/// one of the new type by the old build and then by the new. What is seen is JSON, or a refusal.
struct Case {
  std::string_view change;
  Write write_new;
  Resave resave_new;
  Value old_data;
  std::string_view new_sees, old_sees_again;
  Value new_data;
  std::string_view old_sees, new_sees_again;
};
template <class Codec, class T>
Case row(std::string_view change, Value old_data, std::string_view new_sees,
         std::string_view old_again, Value new_data, std::string_view old_sees,
         std::string_view new_again) {
  return {change,   &write<Codec, T>, &resave<Codec, T>,   std::move(old_data),
          new_sees, old_again,        std::move(new_data), old_sees,
          new_again};
}

constexpr std::string_view same = R"({"a":7,"b":"seven","c":[1,2]})";
constexpr std::string_view no_a = "!schema_mismatch at a";
constexpr std::string_view no_c = "!schema_mismatch at c";

Value base() {
  return Value::map({{"a", 7}, {"b", "seven"}, {"c", Value::array({1, 2})}});
}
Value with(std::string_view member, Value value) {
  Value changed = base();
  changed[member] = std::move(value);
  return changed;
}
Value instead_of_a(std::string_view member, Value value) {
  Value changed = with(member, std::move(value));
  changed.erase("a");
  return changed;
}

template <class Codec>
std::vector<Case> cases() {
  const Value big = with("a", 5'000'000'000);
  const Value many = with("a", 300);
  return {
      row<Codec, Added>("add", base(), R"({"a":7,"b":"seven","c":[1,2],"d":0.5})", same,
                        with("d", 2.5), same, R"({"a":7,"b":"seven","c":[1,2],"d":2.5})"),
      row<Codec, Removed>("remove", base(), R"({"a":7,"c":[1,2]})", same, base(),
                          R"({"a":7,"b":"b","c":[1,2]})", R"({"a":7,"c":[1,2]})"),
      row<Codec, Renaming>("rename", base(), R"({"b":"seven","c":[1,2],"alpha":1})", same,
                           instead_of_a("alpha", 9), R"({"a":1,"b":"seven","c":[1,2]})",
                           R"({"b":"seven","c":[1,2],"alpha":9})"),
      row<Codec, Reordered>("reorder", base(), same, same, base(), same, same),
      row<Codec, Widened>("widen", base(), same, same, base(), same, same),
      row<Codec, Widened>("widen, beyond the old type", base(), same, same, big, no_a,
                          R"({"a":5000000000,"b":"seven","c":[1,2]})"),
      row<Codec, Narrowed>("narrow", base(), same, same, base(), same, same),
      row<Codec, Narrowed>("narrow, beyond the new type", many, no_a,
                           R"({"a":300,"b":"seven","c":[1,2]})", base(), same, same),
      row<Codec, Converted>("integer to real, vector to set", base(),
                            R"({"a":7.0,"b":"seven","c":[1,2]})", same, with("a", 7.5), no_a,
                            R"({"a":7.5,"b":"seven","c":[1,2]})"),
      row<Codec, Converted>("vector to set, an element twice", with("c", Value::array({1, 1})),
                            "!schema_mismatch at c[1]", R"({"a":7,"b":"seven","c":[1,1]})", base(),
                            same, R"({"a":7.0,"b":"seven","c":[1,2]})"),
      row<Codec, Arrayed>("vector to array", base(), same, same, base(), same, same),
      row<Codec, Arrayed>("vector to array, longer", with("c", Value::array({1, 2, 3})), no_c,
                          R"({"a":7,"b":"seven","c":[1,2,3]})", base(), same, same),
      row<Codec, Nested>("nest", base(), R"({"b":"seven","c":[1,2],"in":{"a":2}})", same,
                         instead_of_a("in", Value::map({{"a", 9}})),
                         R"({"a":1,"b":"seven","c":[1,2]})",
                         R"({"b":"seven","c":[1,2],"in":{"a":9}})"),
      row<Codec, Wrapped>("nest under the same name", base(), no_a, same,
                          with("a", Value::map({{"a", 9}})), no_a,
                          R"({"a":{"a":9},"b":"seven","c":[1,2]})"),
      row<Codec, Optional>("plain to optional and back", base(), same, same, base(), same, same),
      row<Codec, Optional>("optional without a value to plain", base(), same, same,
                           with("a", nullptr), no_a, R"({"a":null,"b":"seven","c":[1,2]})"),
      row<Codec, Mapped>("vector to map", base(), no_c, same, with("c", Value::map({{"x", 1}})),
                         no_c, R"({"a":7,"b":"seven","c":{"x":1}})"),
  };
}

template <class Codec>
struct Evolution : testing::Test {};
using Codecs = testing::Types<codec::Packed, codec::Cbor, codec::Json>;
TYPED_TEST_SUITE(Evolution, Codecs);

TYPED_TEST(Evolution, keeps_the_data_or_refuses_in_words) {
  for (const Case& row : cases<TypeParam>()) {
    Buffer record = write<TypeParam, Base>(row.old_data);
    EXPECT_EQ(row.resave_new(record), row.new_sees) << row.change;
    EXPECT_EQ((resave<TypeParam, Base>(record)), row.old_sees_again) << row.change;
    record = row.write_new(row.new_data);
    EXPECT_EQ((resave<TypeParam, Base>(record)), row.old_sees) << row.change;
    EXPECT_EQ(row.resave_new(record), row.new_sees_again) << row.change;
  }
}

// What a policy says about that, in each codec.

template <class Mode>
struct Told {
  using data_type = Added;
  using reconcile = Mode;
};
template <class Codec, class Policy>
std::string seen_by(const Value& old_data) {
  const Buffer record = write<Codec, Base>(old_data);
  data_type_of<Policy> data{};
  UnknownFields unknown;
  const auto read = Codec::template decode<DataPolicy<Policy>>(record, data, unknown);
  return read ? text_of(*schema::to_value<Keeping>(data)) : text_of(read.error());
}

TYPED_TEST(Evolution, gives_what_is_missing_as_the_policy_says) {
  EXPECT_EQ((seen_by<TypeParam, Told<reconcile::None>>(base())),
            R"({"a":7,"b":"seven","c":[1,2],"d":0.0})");
  EXPECT_EQ((seen_by<TypeParam, Told<reconcile::Strict>>(base())), "!schema_mismatch at d");
  EXPECT_EQ((seen_by<TypeParam, Told<reconcile::Shallow>>(base())),
            R"({"a":7,"b":"seven","c":[1,2],"d":0.5})");
}

// What a load's template fills in: the record is decoded into it.

struct Settings {
  int fov = 70;
  std::string name = "main";
};
struct Full {
  int level = 1;
  Settings settings;
  std::optional<Settings> second;
  std::array<int, 2> slots{};
  std::vector<Settings> list;
  std::map<std::string, Settings> looks;
  Value flags = Value::map();
  int seen = 0;
};
template <class Mode>
struct Filled {
  using data_type = Full;
  using reconcile = Mode;
  using fields = Fields<Transient<&Full::seen>>;
};
Full filler() {
  const Settings wide{90, "wide"};
  return {9, wide, wide, {8, 8}, {wide, wide}, {{"a", wide}}, Value::map({{"pvp", true}}), 5};
}
/// What the record becomes when it is loaded with that template.
template <class Codec, class Mode>
std::string filled(const Value& stored) {
  using Policy = DataPolicy<Filled<Mode>>;
  Buffer record;
  UnknownFields unknown;
  EXPECT_TRUE((codec::encode_record<Codec, Keeping>(stored, unknown, {}, record)));
  Full data = filler();
  const auto read = codec::decode_record<Codec, Policy>(record, data, unknown);
  return read ? text_of(*schema::to_value<Keeping>(data)) : text_of(read.error());
}
Value partial() {
  const Value b = Value::map({{"b", Value::map({{"fov", 3}})}});
  return Value::map({{"settings", Value::map({{"fov", 1}})},
                     {"second", Value::map({{"name", "x"}})},
                     {"slots", Value::array({4})},
                     {"list", Value::array({Value::map({{"fov", 2}})})},
                     {"looks", b},
                     {"flags", Value::map()}});
}

TYPED_TEST(Evolution, a_template_gives_the_members_that_are_missing_and_touches_no_other) {
  EXPECT_EQ((filled<TypeParam, reconcile::Deep>(partial())),
            R"({"list":[{"fov":2,"name":"main"}],"seen":5,"flags":{},"level":9,)"
            R"("looks":{"b":{"fov":3,"name":"main"}},"slots":[4,8],)"
            R"("second":{"fov":90,"name":"x"},"settings":{"fov":1,"name":"wide"}})")
      << "an element is nobody's counterpart: its members have their own defaults";
  const Value none = Value::map({{"second", nullptr}, {"list", Value::array()}});
  EXPECT_EQ((filled<TypeParam, reconcile::Deep>(none)),
            R"({"list":[],"seen":5,"flags":{"pvp":true},"level":9,)"
            R"("looks":{"a":{"fov":90,"name":"wide"}},"slots":[8,8],)"
            R"("second":null,"settings":{"fov":90,"name":"wide"}})")
      << "an empty list and an empty optional are there";
}

TYPED_TEST(Evolution, a_record_of_the_very_type_that_wrote_it_takes_nothing_from_a_template) {
  using Policy = DataPolicy<Filled<reconcile::Deep>>;
  Buffer record;
  UnknownFields unknown;
  ASSERT_TRUE((codec::encode_record<TypeParam, Policy>(Full{}, unknown, {}, record)));
  Full data = filler();
  ASSERT_TRUE((codec::decode_record<TypeParam, Policy>(record, data, unknown)));
  data.seen = 0;  // which is stored nowhere
  EXPECT_EQ(text_of(*schema::to_value<Keeping>(data)), text_of(*schema::to_value<Keeping>(Full{})));
}

TEST(Templates, a_template_gives_what_the_mode_lets_it) {
  const Value inside = Value::map({{"settings", Value::map({{"fov", 1}})}});
  EXPECT_EQ((filled<codec::Json, reconcile::Shallow>(Value::map({{"level", 2}}))),
            R"({"list":[{"fov":90,"name":"wide"},{"fov":90,"name":"wide"}],"seen":5,)"
            R"("flags":{"pvp":true},"level":2,"looks":{"a":{"fov":90,"name":"wide"}},)"
            R"("slots":[8,8],"second":{"fov":90,"name":"wide"},)"
            R"("settings":{"fov":90,"name":"wide"}})");
  EXPECT_EQ((filled<codec::Json, reconcile::Shallow>(inside)), "!schema_mismatch at settings.name");
  EXPECT_EQ((filled<codec::Json, reconcile::Strict>(Value::map({{"level", 2}}))),
            "!schema_mismatch at settings");
  EXPECT_EQ((filled<codec::Json, reconcile::None>(Value::map({{"level", 2}}))),
            R"({"list":[],"seen":5,"flags":null,"level":2,"looks":{},"slots":[0,0],)"
            R"("second":null,"settings":{"fov":0,"name":""}})")
      << "which fills in nothing, from a template either";
}

struct Asking {
  using data_type = Mapped;
  static OnMismatch mismatch(const Mismatch& what) {
    if (what.value.size() == 1) return OnMismatch::keep_default();
    Value map = Value::map();
    for (std::size_t i = 0; i < what.value.size(); ++i)
      map[std::to_string(i)] = what.value[i];
    return OnMismatch::convert(std::move(map));
  }
};

TYPED_TEST(Evolution, converts_what_does_not_fit_as_the_policy_says) {
  EXPECT_EQ((seen_by<TypeParam, Asking>(base())), R"({"a":7,"b":"seven","c":{"0":1,"1":2}})");
}

TYPED_TEST(Evolution, keeps_what_does_not_fit_as_the_policy_says) {
  Buffer record = write<TypeParam, Base>(with("c", Value::array({5})));
  Mapped data;
  UnknownFields unknown;
  using Policy = DataPolicy<Asking>;
  for (int saves = 0; saves < 2; ++saves) {
    ASSERT_TRUE(TypeParam::template decode<Policy>(record, data, unknown));
    EXPECT_TRUE(data.c.empty());
    record = Buffer();
    ASSERT_TRUE(TypeParam::template encode<Policy>(data, unknown, record));
  }
  EXPECT_EQ((resave<TypeParam, Base>(record)), R"({"a":7,"b":"seven","c":[5]})");
}

}  // namespace evolution

// A foreign type that refuses some of what it is stored as.

namespace evolution {
struct Even {
  int half = 7;
};
}  // namespace evolution

template <>
struct persist::adapt<evolution::Even> {
  using stored_type = int;
  static int store(const evolution::Even& even) { return even.half * 2; }
  static Result<evolution::Even> restore(int stored) {
    if (stored % 2 != 0) return Error(Errc::schema_mismatch, "an odd number");
    return evolution::Even{stored / 2};
  }
};

namespace evolution {

struct Stored {
  int pair = 3;
  std::string rest = "rest";
};
struct Refusing {
  Even pair;
  std::string rest;
};
struct Indifferent {
  using data_type = Refusing;
};
struct Lenient {
  using data_type = Refusing;
  static OnMismatch mismatch(const Mismatch& what) {
    return what.member == "pair" ? OnMismatch::keep_default() : OnMismatch::fail();
  }
};

TYPED_TEST(Evolution, what_a_foreign_type_refuses_is_named_and_asked_about_by_any_codec) {
  Buffer record;
  ASSERT_TRUE(TypeParam::template encode<schema::NoPolicy>(Stored{}, record));
  Refusing data;
  UnknownFields unknown;
  const auto refused = TypeParam::template decode<DataPolicy<Indifferent>>(record, data, unknown);
  ASSERT_TRUE(refused.is(Errc::schema_mismatch));
  EXPECT_EQ(refused.error().path(), "pair");
  data = Refusing();
  const auto kept = TypeParam::template decode<DataPolicy<Lenient>>(record, data, unknown);
  ASSERT_TRUE(kept) << kept.error();
  EXPECT_EQ(data.pair.half, 7);
  EXPECT_EQ(data.rest, "rest");
}

}  // namespace evolution
