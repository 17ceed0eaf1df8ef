#include <persist/store/user_calls.hpp>

#include <cmath>
#include <string>

#include "users_case.hpp"

// What is stored of a user, given out.

namespace {

using namespace test;
using persist::Value;

persist::Result<Value> parsed(std::string_view json) {
  Value value;
  persist::UnknownFields none;
  const auto read =
      persist::codec::Json::decode<persist::schema::NoPolicy>(persist::as_bytes(json), value, none);
  if (!read) return read.error();
  return value;
}

TEST_F(Users, get_all_that_is_stored_of_them_in_one_document) {
  save(1, {7});
  save(2, {8});
  save(3, {7, 8});
  auto session = make(1, {7});
  ASSERT_TRUE(session.set_metadata(Value("likes chess")));
  ASSERT_TRUE(session.release());
  ASSERT_TRUE(characters.post(1U, Letter{"hello"}));
  const auto exported = characters.export_user(7);
  ASSERT_TRUE(exported) << exported.error();
  EXPECT_EQ(exported->records, 2U);
  EXPECT_TRUE(exported->missed.empty());
  const auto read = parsed(exported->json);
  ASSERT_TRUE(read) << read.error() << exported->json;
  const Value& document = *read;
  EXPECT_EQ(document["user"], Value(7));
  EXPECT_EQ(document["store"], Value("characters"));
  ASSERT_EQ(document["records"].size(), 2U);
  const Value& first = document["records"][0];
  EXPECT_EQ(first["key"], Value("1"));
  EXPECT_EQ(first["data"]["called"], Value("no 1")) << "under its stored name";
  EXPECT_EQ(first["metadata"], Value("likes chess"));
  EXPECT_EQ(first["user_ids"], Value::array({7}));
  EXPECT_EQ(first["inbox"][0]["value"]["text"], Value("hello"));
  EXPECT_EQ(first["inbox"][0]["type"], Value("Letter"));
  ASSERT_TRUE(first["created"].is_text());
  EXPECT_EQ(document["records"][1]["user_ids"], Value::array({7, 8}));
  EXPECT_EQ(exported->json.find("no 2"), std::string::npos) << "nobody else's";
}

TEST_F(Users, hear_what_could_not_be_given_out) {
  save(1, {7});
  auto session = make(2, {7});
  session.edit()->luck = std::nan("");
  ASSERT_TRUE(session.release());
  auto exported = characters.export_user(7);
  ASSERT_TRUE(exported) << exported.error();
  EXPECT_EQ(exported->records, 1U);
  ASSERT_EQ(exported->missed.size(), 1U);
  EXPECT_EQ(exported->missed[0].key, "2") << "JSON has no NaN";
  EXPECT_TRUE(parsed(exported->json));
  exported = characters.export_user(9);
  ASSERT_TRUE(exported);
  EXPECT_EQ(exported->records, 0U);
}

}  // namespace
