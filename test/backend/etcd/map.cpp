#include <persist/backend/etcd/map.hpp>

#include <gtest/gtest.h>

#include "support/answering_machine.hpp"
#include "support/etcd_server.hpp"

namespace {

using persist::as_bytes;
using persist::as_text;
using persist::Errc;
using persist::backend::EtcdOptions;
using persist::backend::etcd::Map;
using persist_test::AnsweringMachine;
using persist_test::EtcdServer;
using persist_test::fresh_etcd;
using namespace std::chrono_literals;

struct EtcdMap : ::testing::Test {
  static Map on(const std::vector<std::string>& members) {
    EtcdOptions options;
    options.endpoints = members;
    return Map(options);
  }
};

TEST_F(EtcdMap, puts_a_value_only_where_nobody_was_faster) {
  Map map(fresh_etcd());
  const auto first = map.compare_and_swap("persist/a", "", as_bytes("one"));
  ASSERT_TRUE(first && first->won) << first.error();
  EXPECT_FALSE(map.compare_and_swap("persist/a", "", as_bytes("two"))->won);
  const auto got = map.get("persist/a");
  ASSERT_TRUE(got);
  EXPECT_EQ(as_text(got->value.view()), "one");
  EXPECT_EQ(got->version, first->version);
  const auto second = map.compare_and_swap("persist/a", first->version, as_bytes("two"));
  ASSERT_TRUE(second && second->won);
  EXPECT_FALSE(map.compare_and_swap("persist/a", first->version, as_bytes("three"))->won);
  EXPECT_TRUE(map.compare_and_swap("persist/a", second->version, {})->won);
  EXPECT_EQ(map.get("persist/a")->version, "");
  const auto again = map.compare_and_swap("persist/a", "", as_bytes("one"));
  ASSERT_TRUE(again && again->won);
  EXPECT_NE(again->version, first->version) << "a version names one value";
}

TEST_F(EtcdMap, lists_what_begins_so) {
  const EtcdOptions options = fresh_etcd();
  Map map(options);
  for (const char* key : {"a/1", "a/2", "a/3", "b/1", "a", "a0"})
    ASSERT_TRUE(map.compare_and_swap(key, "", as_bytes("x")));
  using Keys = std::vector<std::string>;
  EXPECT_EQ(*map.list("a/", "", 10), (Keys{"a/1", "a/2", "a/3"}));
  EXPECT_EQ(*map.list("a/", "a/1", 1), (Keys{"a/2"}));
  EXPECT_EQ(*map.list("a/", "a/3", 10), Keys{});
  EtcdOptions other = options;
  other.prefix += "of-another/";
  EXPECT_EQ(*Map(other).list("a/", "", 10), Keys{});
}

TEST_F(EtcdMap, takes_bytes_of_every_kind) {
  Map map(fresh_etcd());
  std::string all;
  for (int i = 0; i < 1000; ++i)
    all.push_back(static_cast<char>(i));
  ASSERT_TRUE(map.compare_and_swap("a", "", as_bytes(all))->won);
  EXPECT_EQ(as_text(map.get("a")->value.view()), all);
}

TEST_F(EtcdMap, says_what_is_too_large_for_the_cluster) {
  Map map(fresh_etcd());
  const std::string large(std::size_t{2} << 20, 'x');
  EXPECT_TRUE(map.compare_and_swap("a", "", as_bytes(large)).is(Errc::too_large));
  EXPECT_TRUE(map.get("a")->value.empty());
}

TEST_F(EtcdMap, asks_the_next_member_where_one_cannot_be_reached) {
  std::string gone;
  {
    const AnsweringMachine server;
    gone = server.url();
  }
  AnsweringMachine there;
  there.then_json(R"({"header":{"revision":"9"}})");
  there.then_json(R"({"header":{"revision":"9"}})");
  Map map = on({gone, there.url()});
  EXPECT_TRUE(map.get("a"));
  EXPECT_TRUE(map.get("a"));
  EXPECT_TRUE(on({gone}).get("a").is(Errc::unavailable));
  EXPECT_TRUE(on({gone}).compare_and_swap("a", "", as_bytes("x")).is(Errc::unavailable));
}

TEST_F(EtcdMap, asks_nobody_else_what_may_have_been_done) {
  AnsweringMachine cuts, other;
  cuts.then("");
  Map map = on({cuts.url(), other.url()});
  EXPECT_TRUE(map.compare_and_swap("a", "", as_bytes("x")).is(Errc::unknown_outcome));
  EXPECT_TRUE(other.heard().empty());
}

TEST_F(EtcdMap, does_not_take_a_strange_reply_for_a_yes) {
  AnsweringMachine server;
  Map map = on({server.url()});
  server.then_json("{}");
  EXPECT_TRUE(map.compare_and_swap("a", "", as_bytes("x")).is(Errc::unknown_outcome));
  server.then_json("<html>");
  EXPECT_TRUE(map.get("a").is(Errc::io));
  server.then_json(R"({"error":"etcdserver: leader changed","code":14})", "503 Unavailable");
  EXPECT_TRUE(map.compare_and_swap("a", "", as_bytes("x")).is(Errc::unknown_outcome));
}

TEST_F(EtcdMap, gives_up_where_nobody_answers_in_time) {
  AnsweringMachine silent;
  EtcdOptions options;
  options.endpoints = {silent.url()};
  options.timeout = 30ms;
  Map map(options);
  EXPECT_TRUE(map.get("a").is(Errc::timeout));
  EXPECT_TRUE(map.compare_and_swap("a", "", as_bytes("x")).is(Errc::unknown_outcome));
}

TEST_F(EtcdMap, says_anew_who_it_is_where_its_token_is_none_any_more) {
  AnsweringMachine server;
  EtcdOptions options;
  options.endpoints = {server.url()};
  options.user = "game";
  options.password = "se\"cret";
  Map map(options);
  server.then_json(R"({"token":"t1"})");
  server.then_json(R"({"header":{"revision":"9"}})");
  EXPECT_TRUE(map.get("a"));
  server.then_json(R"({"error":"etcdserver: invalid auth token","code":16})", "401 Unauthorized");
  server.then_json(R"({"token":"t2"})");
  server.then_json(R"({"header":{"revision":"9"}})");
  EXPECT_TRUE(map.get("a"));
  const auto heard = server.heard();
  ASSERT_EQ(heard.size(), 5U);
  EXPECT_NE(heard[0].find(R"({"name":"game","password":"se\"cret"})"), std::string::npos);
  EXPECT_NE(heard[1].find("Authorization: t1\r\n"), std::string::npos);
  EXPECT_NE(heard[4].find("Authorization: t2\r\n"), std::string::npos);
  server.then_json(R"({"error":"etcdserver: invalid auth token","code":16})", "401 Unauthorized");
  server.then_json(R"({"error":"etcdserver: authentication failed","code":3})", "400 Bad Request");
  const auto refused = map.get("a");
  ASSERT_TRUE(refused.is(Errc::refused));
  EXPECT_EQ(refused.error().message().find("cret"), std::string::npos);
}

TEST_F(EtcdMap, says_who_it_is_to_a_cluster_that_asks) {
  EtcdServer server;
  ASSERT_EQ(server.problem(), "");
  persist::backend::etcd::Http http{{}};
  const auto admin = [&](const std::string& path, const std::string& body) {
    EXPECT_EQ(http.post("http://" + server.endpoint() + path, body, "", 5s).status, 200) << path;
  };
  admin("/v3/auth/user/add", R"({"name":"root","password":"secret"})");
  admin("/v3/auth/role/add", R"({"name":"root"})");
  admin("/v3/auth/user/grant", R"({"user":"root","role":"root"})");
  admin("/v3/auth/enable", "{}");
  EtcdOptions options = server.options();
  EXPECT_TRUE(Map(options).get("a").is(Errc::refused));
  options.user = "root";
  options.password = "wrong";
  EXPECT_TRUE(Map(options).get("a").is(Errc::refused));
  options.password = "secret";
  Map map(options);
  EXPECT_TRUE(map.compare_and_swap("a", "", as_bytes("x"))->won);
  EXPECT_EQ(as_text(map.get("a")->value.view()), "x");
}

TEST_F(EtcdMap, without_a_member_says_so) {
  EXPECT_TRUE(on({}).status().is(Errc::invalid));
  EXPECT_TRUE(on({"http://127.0.0.1:1"}).status());
}

}  // namespace
