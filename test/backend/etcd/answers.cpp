#include <persist/backend/etcd/answers.hpp>

#include <gtest/gtest.h>

#include <random>

namespace {

namespace etcd = persist::backend::etcd;
using persist::Errc;

struct EtcdAnswers : ::testing::Test {};

TEST_F(EtcdAnswers, hold_what_a_range_holds) {
  const auto range = etcd::read_range(
      R"({"header":{"revision":"9"},"kvs":[{"key":"YWI=","create_revision":"2","mod_revision":"7",)"
      R"("version":"1","value":"eA=="},{"key":"YWM=","mod_revision":"8"}],"count":"2"})");
  ASSERT_TRUE(range) << range.error();
  ASSERT_EQ(range->size(), 2U);
  EXPECT_EQ((*range)[0].key, "ab");
  EXPECT_EQ((*range)[0].mod_revision, "7");
  EXPECT_EQ(persist::as_text((*range)[0].value.view()), "x");
  EXPECT_TRUE((*range)[1].value.empty());
  EXPECT_TRUE(etcd::read_range(R"({"header":{"revision":"9"}})")->empty());
}

TEST_F(EtcdAnswers, say_whether_a_transaction_was_done) {
  const auto done = etcd::read_txn(R"({"header":{"revision":"9"},"succeeded":true})");
  ASSERT_TRUE(done);
  EXPECT_TRUE(done->succeeded);
  EXPECT_EQ(done->revision, "9");
  EXPECT_FALSE(etcd::read_txn(R"({"header":{"revision":"9"}})")->succeeded);
}

TEST_F(EtcdAnswers, of_something_else_are_refused) {
  for (const char* body :
       {"", "{", "[]", "null", "<html>", R"({"kvs":{}})", R"({"kvs":[1]})",
        R"({"kvs":[{"key":"%","mod_revision":"1"}]})", R"({"kvs":[{"key":"YWI="}]})",
        R"({"kvs":[{"key":"YWI=","value":"x","mod_revision":"1"}]})"})
    EXPECT_TRUE(etcd::read_range(body).is(Errc::io)) << body;
  for (const char* body : {"", "{}", R"({"header":1})", R"({"header":{}})",
                           R"({"header":{"revision":9},"succeeded":true})"})
    EXPECT_TRUE(etcd::read_txn(body).is(Errc::io)) << body;
  const std::string deep(100'000, '[');
  EXPECT_TRUE(etcd::read_range(deep).is(Errc::io));
}

TEST_F(EtcdAnswers, of_random_bytes_are_read_or_refused) {
  const std::string whole =
      R"({"header":{"revision":"9"},"kvs":[{"key":"YWI=","mod_revision":"7","value":"eA=="}]})";
  std::mt19937 random(1);
  for (int i = 0; i < 20'000; ++i) {
    std::string body = whole.substr(0, random() % (whole.size() + 1));
    for (std::size_t flips = random() % 3; flips > 0 && !body.empty(); --flips)
      body[random() % body.size()] = static_cast<char>(random());
    (void)etcd::read_txn(body);
    const auto range = etcd::read_range(body);
    EXPECT_TRUE(!range || range->size() <= 1U) << body;
  }
}

TEST_F(EtcdAnswers, that_say_no_say_what_became_of_a_write) {
  const auto of = [](std::string_view error, std::int64_t code, bool writes) {
    return etcd::error_of(etcd::Refusal{std::string(error), code}, writes).code();
  };
  EXPECT_EQ(of("etcdserver: request timed out", 14, true), Errc::unknown_outcome);
  EXPECT_EQ(of("etcdserver: request timed out", 14, false), Errc::unavailable);
  EXPECT_EQ(of("etcdserver: leader changed", 14, true), Errc::unknown_outcome);
  EXPECT_EQ(of("context deadline exceeded", 4, true), Errc::unknown_outcome);
  EXPECT_EQ(of("etcdserver: mvcc: database space exceeded", 8, true), Errc::io);
  EXPECT_EQ(of("etcdserver: too many requests", 8, true), Errc::unavailable);
  EXPECT_EQ(of("etcdserver: request is too large", 3, true), Errc::too_large);
  EXPECT_EQ(of("grpc: received message larger than max (2097171 vs. 2097152)", 8, true),
            Errc::too_large);
  EXPECT_EQ(of("etcdserver: permission denied", 7, true), Errc::refused);
  EXPECT_EQ(of("etcdserver: authentication failed, invalid user ID or password", 3, false),
            Errc::refused);
  EXPECT_EQ(of("etcdserver: user name is empty", 3, false), Errc::refused);
  EXPECT_EQ(of("etcdserver: something new", 13, true), Errc::io);
  EXPECT_EQ(of("of a proxy, without a code", 0, true), Errc::unknown_outcome);
}

TEST_F(EtcdAnswers, that_did_not_come_say_whether_the_request_was_sent) {
  const auto of = [](const etcd::Reply& reply, bool writes) {
    return etcd::error_of(reply, writes).code();
  };
  EXPECT_EQ(of({0, "", false, "refused"}, true), Errc::unavailable);
  EXPECT_EQ(of({0, "", true, "timed out"}, true), Errc::unknown_outcome);
  EXPECT_EQ(of({0, "", true, "timed out"}, false), Errc::timeout);
  EXPECT_EQ(of({502, "<html>", true, ""}, true), Errc::unknown_outcome);
  EXPECT_EQ(of({502, "<html>", true, ""}, false), Errc::unavailable);
  EXPECT_EQ(of({404, "", true, ""}, true), Errc::io);
}

}  // namespace
