#include <persistctl/sources.hpp>

#include <string>
#include <string_view>

#include <gtest/gtest.h>

#include "store_case.hpp"

namespace persistctl {
namespace {

/// Where in the line the fault is said to be.
[[nodiscard]] std::string misfit_of(const Result<Profile>& profile) {
  if (profile) return "no fault";
  EXPECT_EQ(profile.error(), Errc::schema_mismatch) << profile.error();
  return std::string(profile.error().path());
}
/// A line of Suphi's module with that value and metadata. A DEL is in JSON as it is.
[[nodiscard]] Result<Profile> suphi(const std::string& value, const std::string& metadata = "[]") {
  return read_suphi(R"({"key":"Player_1","value":)" + value + R"(,"Metadata":)" + metadata + "}");
}
[[nodiscard]] Result<Profile> compressed(const std::string& text,
                                         const std::string& settings = "{}") {
  return suphi('"' + text + '"', R"({"Compress":)" + settings + "}");
}
[[nodiscard]] Result<Profile> rbx(const std::string& record) {
  return read_rbx_persist(R"({"key":"a","value":)" + record + "}");
}
[[nodiscard]] Result<Profile> lapis(const std::string& record) {
  return read_lapis(R"({"key":"a","value":)" + record + "}");
}

TEST(Sources, each_has_its_name) {
  EXPECT_EQ(find_source("profilestore")->read, &read_profile);
  EXPECT_EQ(find_source("suphi")->read, &read_suphi);
  EXPECT_EQ(find_source("rbx-persist")->read, &read_rbx_persist);
  EXPECT_EQ(find_source("lapis")->read, &read_lapis);
  EXPECT_EQ(find_source(""), nullptr);
}

TEST(Sources, what_lies_beside_a_value_is_read_for_all_but_profilestore) {
  const std::string beside =
      R"(,"Metadata":{"vip":true},"UserIds":[42,43,42],"CreatedTime":1600000000123.0})";
  for (const auto& [name, value] : {std::pair("suphi", R"({"coins":5})"),
                                    std::pair("rbx-persist", R"({"d":{"coins":5},"t":1})"),
                                    std::pair("lapis", R"({"data":{"coins":5}})")}) {
    const auto profile =
        find_source(name)->read(std::string(R"({"key":"a","value":)") + value + beside);
    ASSERT_TRUE(profile) << name << ": " << profile.error();
    EXPECT_EQ(profile->key, "a");
    EXPECT_EQ(profile->data, Value::map({{"coins", 5}})) << name;
    EXPECT_EQ(profile->metadata, Value::map({{"vip", true}})) << name;
    EXPECT_EQ(profile->user_ids, (std::vector<std::uint64_t>{42, 43})) << name;
    EXPECT_EQ(profile->created, WallTime(std::chrono::milliseconds(1600000000123))) << name;
    EXPECT_TRUE(profile->active_session.empty());
  }
}

TEST(Sources, what_lies_beside_a_value_may_be_missing_or_empty) {
  for (const std::string beside : {"", R"(,"Metadata":[],"UserIds":{},"CreatedTime":0)"}) {
    const auto profile = read_suphi(R"({"key":"a","value":1)" + beside + "}");
    ASSERT_TRUE(profile) << profile.error();
    EXPECT_TRUE(profile->metadata.is_null());
    EXPECT_FALSE(profile->created);
  }
}

TEST(Sources, what_lies_beside_a_value_in_another_shape_is_refused_with_its_place) {
  const auto with = [](const char* beside) {
    return misfit_of(read_suphi(std::string(R"({"key":"a","value":1,)") + beside + "}"));
  };
  EXPECT_EQ(with(R"("Metadata":1)"), "Metadata");
  EXPECT_EQ(with(R"("UserIds":{"a":1})"), "UserIds");
  EXPECT_EQ(with(R"("UserIds":[1,-1])"), "UserIds[1]");
  EXPECT_EQ(with(R"("CreatedTime":"now")"), "CreatedTime");
  EXPECT_EQ(with(R"("CreatedTime":1e18)"), "CreatedTime");
}

TEST(Sources, a_line_that_is_no_row_is_refused_by_all) {
  for (const Source& source : sources) {
    EXPECT_TRUE(source.read("{no json").is(Errc::corrupt)) << source.name;
    EXPECT_EQ(misfit_of(source.read("[]")), "") << source.name;
    EXPECT_EQ(misfit_of(source.read(R"({"key":1,"value":{}})")), "key") << source.name;
    EXPECT_TRUE(source.read(R"({"key":"","value":{}})").is(Errc::invalid)) << source.name;
    EXPECT_FALSE(source.read(R"({"key":"a"})")) << source.name;
    EXPECT_FALSE(source.read(R"({"key":"a","value":null})")) << source.name;
  }
}

TEST(Sources, a_plain_value_of_suphi_is_the_data_whatever_its_kind) {
  EXPECT_EQ(suphi("5")->data, Value(5));
  EXPECT_EQ(suphi(R"("*#a")")->data, Value("*#a")) << "a text that looks like a compressed one";
  EXPECT_EQ(suphi("[1,2]")->data, Value::array({1, 2}));
  EXPECT_EQ(suphi("{}", R"({"a":1})")->metadata, Value::map({{"a", 1}}));
}

TEST(Sources, a_compressed_value_of_suphi_is_what_was_compressed) {
  const Value data = Value::map({{"coins", 10}, {"bag", Value::array({1.5, "axe"})}});
  const std::string level_2 = "*#coins\x7f>a#bag\x7f|)6i#axe\x7f\x7f\x7f";
  const std::string level_1 = "*#coins\x7f>a#bag\x7f*>1)6i>2#axe\x7f\x7f\x7f";
  EXPECT_EQ(compressed(level_2, R"({"Level":2,"Decimals":3,"Safety":true})")->data, data);
  EXPECT_EQ(compressed(level_1, R"({"Level":1,"Decimals":3.0,"Safety":false})")->data, data);
  EXPECT_EQ(compressed(level_2)->data, data) << "three decimals unless told";
  EXPECT_EQ(compressed(level_2, "[]")->data, data);
  EXPECT_EQ(compressed(level_2, R"({"Decimals":2})")->data["bag"][0], Value(15.0));
  EXPECT_EQ(compressed("+")->data, Value(true));
}

TEST(Sources, the_settings_of_the_compression_are_not_taken_over) {
  EXPECT_TRUE(compressed("+")->metadata.is_null());
  EXPECT_EQ(suphi(R"("+")", R"({"Compress":{},"vip":true})")->metadata,
            Value::map({{"vip", true}}));
}

TEST(Sources, a_compressed_value_that_cannot_be_read_is_refused) {
  EXPECT_EQ(misfit_of(suphi(R"({"a":1})", R"({"Compress":{}})")), "value");
  EXPECT_EQ(misfit_of(suphi("null", R"({"Compress":{}})")), "value");
  EXPECT_EQ(misfit_of(compressed("+", "1")), "Metadata.Compress");
  for (const char* decimals : {"-1", "16", "1.5", R"("3")"})
    EXPECT_EQ(misfit_of(compressed("+", std::string(R"({"Decimals":)") + decimals + "}")),
              "Metadata.Compress.Decimals");
  for (const char* text : {"", "x", "++", "*#a\x7f", "*#a\x7f>1"}) {
    const auto profile = compressed(text);
    ASSERT_TRUE(profile.is(Errc::corrupt)) << text;
    EXPECT_EQ(profile.error().detail().find("value: Suphi at byte "), 0U) << profile.error();
  }
  EXPECT_TRUE(compressed("*++\x7f").is(Errc::unsupported));
}

TEST(Sources, a_record_of_rbx_persist_says_who_had_it) {
  const auto profile = rbx(R"({"d":[1],"t":1700000000,"l":"ab12","r":"cd34"})");
  ASSERT_TRUE(profile) << profile.error();
  EXPECT_EQ(profile->data, Value::array({1}));
  EXPECT_EQ(profile->active_session, R"("ab12")");
  EXPECT_FALSE(profile->created) << "t is the last save";
  EXPECT_EQ(misfit_of(rbx(R"({"t":1})")), "value.d");
  EXPECT_EQ(misfit_of(rbx("[1]")), "value");
}

TEST(Sources, a_record_of_lapis_brings_its_versions) {
  const auto profile = lapis(
      R"({"migrationVersion":4,"lastCompatibleVersion":2.0,"lockId":"ab","data":{"coins":5}})");
  ASSERT_TRUE(profile) << profile.error();
  EXPECT_EQ(profile->data, Value::map({{"coins", 5}}));
  EXPECT_EQ(profile->version, (persist::codec::RecordVersion{5, 3}));
  EXPECT_EQ(profile->active_session, R"("ab")");
}

TEST(Sources, a_record_of_lapis_without_a_compatible_version_is_for_its_own) {
  EXPECT_EQ(lapis(R"({"migrationVersion":4,"data":1})")->version,
            (persist::codec::RecordVersion{5, 5}));
  EXPECT_EQ(lapis(R"({"data":1})")->version, (persist::codec::RecordVersion{1, 1}));
}

TEST(Sources, versions_of_lapis_that_make_no_sense_are_refused) {
  EXPECT_EQ(misfit_of(lapis(R"({"migrationVersion":-1,"data":1})")), "value.migrationVersion");
  EXPECT_EQ(misfit_of(lapis(R"({"migrationVersion":4294967295,"data":1})")),
            "value.migrationVersion");
  EXPECT_EQ(misfit_of(lapis(R"({"migrationVersion":1,"lastCompatibleVersion":2,"data":1})")),
            "value.lastCompatibleVersion");
  EXPECT_EQ(misfit_of(lapis(R"({"migrationVersion":1})")), "value.data");
}

class ImportSources : public StoreCase<InMemory> {
 protected:
  [[nodiscard]] std::pair<std::uint32_t, std::uint32_t> versions(std::string_view key) {
    const auto record = read(key);
    const auto header = persist::codec::open_envelope(record.record.data);
    EXPECT_TRUE(header) << header.error();
    return {header->schema_version, header->lowest_reader};
  }
};

TEST_F(ImportSources, plain_and_compressed_records_of_suphi_may_be_mixed) {
  const auto report = import(R"({"key":"a","value":{"coins":5}})"
                             "\n"
                             "{\"key\":\"b\",\"value\":\"*#coins\x7f>a\x7f\",\"Metadata\":"
                             "{\"Compress\":{\"Level\":2,\"Decimals\":3,\"Safety\":true}}}\n",
                             {.read = &read_suphi});
  ASSERT_TRUE(report) << report.error();
  EXPECT_EQ(exported(),
            "{\"key\":\"a\",\"value\":{\"coins\":5}}\n{\"key\":\"b\",\"value\":{\"coins\":10}}\n");
}

TEST_F(ImportSources, a_broken_compressed_record_is_named_and_nothing_is_imported) {
  const auto report = import(
      "{\"key\":\"a\",\"value\":1}\n"
      "{\"key\":\"b\",\"value\":\"*#coins\x7f>a\",\"Metadata\":{\"Compress\":{}}}\n",
      {.read = &read_suphi});
  ASSERT_TRUE(report.is(Errc::corrupt));
  EXPECT_EQ(report.error().detail().find("in:2: value: Suphi at byte 10: "), 0U) << report.error();
  EXPECT_EQ(exported(), "");
}

TEST_F(ImportSources, a_record_of_lapis_keeps_its_versions_unless_told_others) {
  const std::string line =
      "{\"key\":\"a\",\"value\":{\"migrationVersion\":4,\"lastCompatibleVersion\":2,\"data\":1}}\n";
  const auto report = import(line, {.read = &read_lapis});
  ASSERT_TRUE(report) << report.error();
  EXPECT_EQ(versions("a"), std::pair(5U, 3U));
  ASSERT_TRUE(
      import(line, {.on_conflict = OnConflict::replace, .read = &read_lapis, .schema_version = 9}));
  EXPECT_EQ(versions("a"), std::pair(9U, 9U));
}

TEST(Facts, a_record_of_suphis_codec_is_read_with_its_own_decimals) {
  using persist::codec::Suphi;
  for (const std::uint16_t id : {Suphi<>::id, Suphi<2, 0>::id, Suphi<1, 15>::id}) {
    const int decimals = persist::codec::suphi_decimals_of(id);
    const auto value = decode_payload(id, as_bytes(")1"));
    ASSERT_TRUE(value) << value.error();
    EXPECT_EQ(*value, Value(1 / persist::codec::suphi::scale_of(decimals)));
    EXPECT_TRUE(decode_payload(id, as_bytes(")1+")).is(Errc::corrupt));
  }
  EXPECT_TRUE(decode_payload(48, as_bytes(")1")).is(Errc::wrong_codec));
}

TEST_F(ImportSources, a_record_that_a_server_had_is_listed) {
  const auto report =
      import("{\"key\":\"a\",\"value\":{\"d\":1,\"l\":\"ab\"}}\n", {.read = &read_rbx_persist});
  ASSERT_TRUE(report) << report.error();
  EXPECT_EQ(report->active, std::vector<std::string>{"a: \"ab\""});
}

}  // namespace
}  // namespace persistctl
