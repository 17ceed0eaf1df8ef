#include <persist/backend/etcd/http.hpp>

#include <gtest/gtest.h>

#include "support/answering_machine.hpp"

namespace {

using persist::backend::etcd::Http;
using persist_test::AnsweringMachine;
using namespace std::chrono_literals;

struct EtcdHttp : ::testing::Test {
  Http http{{}};
};

TEST_F(EtcdHttp, brings_back_status_and_body) {
  AnsweringMachine server;
  server.then("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
  server.then("HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nwait");
  const auto first = http.post(server.url() + "/v3/x", R"({"key":"YQ=="})", "token-1", 5s);
  EXPECT_EQ(first.status, 200);
  EXPECT_EQ(first.body, "{}");
  EXPECT_TRUE(first.was_sent);
  const auto second = http.post(server.url() + "/v3/y", "{}", "", 5s);
  EXPECT_EQ(second.status, 503);
  EXPECT_EQ(second.body, "wait");
  ASSERT_EQ(server.heard().size(), 2U);
  EXPECT_EQ(server.heard()[0].find("POST /v3/x HTTP/1.1\r\n"), 0U);
  EXPECT_NE(server.heard()[0].find("Authorization: token-1\r\n"), std::string::npos);
  EXPECT_NE(server.heard()[0].find("\r\n\r\n{\"key\":\"YQ==\"}"), std::string::npos);
  EXPECT_EQ(server.heard()[1].find("Authorization"), std::string::npos);
  EXPECT_EQ(server.connections(), 1) << "the line is used again";
}

TEST_F(EtcdHttp, knows_what_was_never_sent) {
  std::string nobody;
  {
    const AnsweringMachine gone;
    nobody = gone.url();
  }
  const auto reply = http.post(nobody, "{}", "", 5s);
  EXPECT_EQ(reply.status, 0);
  EXPECT_FALSE(reply.was_sent);
  EXPECT_FALSE(reply.trouble.empty());
}

TEST_F(EtcdHttp, does_not_know_what_became_of_what_was_sent) {
  AnsweringMachine server;
  server.then("");  // hears the request, and hangs up
  const auto cut = http.post(server.url(), "{}", "", 5s);
  EXPECT_EQ(cut.status, 0);
  EXPECT_TRUE(cut.was_sent);
  server.then("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}");  // and in the middle of a body
  const auto half = http.post(server.url(), "{}", "", 5s);
  EXPECT_EQ(half.status, 0);
  EXPECT_TRUE(half.was_sent);
}

TEST_F(EtcdHttp, waits_no_longer_than_it_is_told_to) {
  AnsweringMachine server;  // says nothing
  const auto reply = http.post(server.url(), "{}", "", 30ms);
  EXPECT_EQ(reply.status, 0);
  EXPECT_TRUE(reply.was_sent);
}

}  // namespace
