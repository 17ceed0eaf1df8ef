#include <persist/backend/uri.hpp>

#include <gtest/gtest.h>

#include <random>

namespace {

using persist::Errc;
using persist::backend::Durability;
using persist::backend::Uri;
using namespace std::chrono_literals;

struct UriText : ::testing::Test {};

TEST_F(UriText, is_taken_apart) {
  auto uri = Uri::read("sqlite:/srv/my%20game.db?durability=relaxed&patience=250ms#play%23ers");
  ASSERT_TRUE(uri);
  EXPECT_EQ(uri->scheme(), "sqlite");
  EXPECT_EQ(*uri->path(), "/srv/my game.db");
  EXPECT_EQ(uri->store(), "play#ers");
  EXPECT_EQ(uri->rest(), "/srv/my%20game.db?durability=relaxed&patience=250ms");
  EXPECT_EQ(*uri->take_durability(), Durability::relaxed);
  EXPECT_EQ(uri->rest(), "/srv/my%20game.db?patience=250ms");
  EXPECT_EQ(*uri->take_duration("patience", 5s), persist::Duration(250ms));
  EXPECT_EQ(uri->rest(), "/srv/my%20game.db");
  EXPECT_TRUE(uri->finish("durability, patience"));
}

TEST_F(UriText, may_say_no_more_than_the_scheme) {
  auto uri = Uri::read("memory:");
  ASSERT_TRUE(uri);
  EXPECT_EQ(uri->place(), "");
  EXPECT_EQ(uri->store(), "");
  EXPECT_EQ(*uri->take_durability(), Durability::full);
  EXPECT_EQ(*uri->take_duration("wait", 5s), persist::Duration(5s));
  EXPECT_TRUE(uri->finish(""));
}

TEST_F(UriText, names_a_path_of_this_machine_in_three_ways) {
  EXPECT_EQ(*Uri::read("file:saves")->path(), "saves");
  EXPECT_EQ(*Uri::read("file:/saves")->path(), "/saves");
  EXPECT_EQ(*Uri::read("file:///saves")->path(), "/saves");
  EXPECT_TRUE(Uri::read("file://host/saves")->path().is(Errc::invalid));
  EXPECT_TRUE(Uri::read("file:")->path().is(Errc::invalid));
  EXPECT_TRUE(Uri::read("file://")->path().is(Errc::invalid));
}

TEST_F(UriText, that_makes_no_sense_is_refused) {
  for (const std::string_view text :
       {"", ":", "saves", "/srv/saves", "File:saves", "1file:saves", "fi le:saves", "file:%",
        "file:%4", "file:%zz", "file:%+1", "file:a%00b", "file:a?=1", "file:a?x=1&x=2",
        "file:a?x=%0", "file:a#%"})
    EXPECT_TRUE(Uri::read(text).is(Errc::invalid)) << text;
}

TEST_F(UriText, options_that_make_no_sense_are_named) {
  auto uri = Uri::read("file:a?durability=none&wait=5&other=x");
  ASSERT_TRUE(uri);
  const auto durability = uri->take_durability();
  EXPECT_TRUE(durability.is(Errc::invalid));
  EXPECT_NE(durability.error().message().find("durability=none"), std::string::npos);
  EXPECT_TRUE(uri->take_duration("wait", 1s).is(Errc::invalid));
  const auto rest = uri->finish("durability, wait");
  EXPECT_TRUE(rest.is(Errc::invalid));
  EXPECT_NE(rest.error().message().find("\"other\""), std::string::npos);
  for (const std::string_view time : {"", "s", "5", "-5s", "5m", "5 s", "99999999999s", "5sx"}) {
    auto odd = Uri::read("file:a?wait=" + std::string(time));
    EXPECT_TRUE(odd->take_duration("wait", 1s).is(Errc::invalid)) << time;
  }
}

TEST_F(UriText, names_a_server) {
  const auto full = Uri::read("redis://ann:s%40cret@db.example:6380/2?x=y")->authority();
  ASSERT_TRUE(full);
  EXPECT_EQ(full->user, "ann");
  EXPECT_EQ(full->password, "s@cret");
  EXPECT_EQ(full->host, "db.example");
  EXPECT_EQ(full->port, 6380);
  EXPECT_EQ(full->path, "2");
  const auto short_one = Uri::read("redis://db")->authority();
  EXPECT_EQ(short_one->host, "db");
  EXPECT_EQ(short_one->port, 0);
  EXPECT_EQ(Uri::read("redis://:secret@db")->authority()->password, "secret");
  EXPECT_EQ(Uri::read("redis://[::1]:7000")->authority()->host, "::1");
  EXPECT_EQ(Uri::read("redis://[::1]:7000")->authority()->port, 7000);
  EXPECT_EQ(Uri::read("redis://[::1]")->authority()->host, "::1");
  EXPECT_EQ(Uri::read("redis:")->authority()->host, "");
  for (const char* text : {"redis://db:", "redis://db:x", "redis://db:-1", "redis://db:65536"})
    EXPECT_TRUE(Uri::read(text)->authority().is(Errc::invalid)) << text;
}

TEST_F(UriText, has_what_is_usual_unless_it_says_otherwise) {
  auto uri = Uri::read("sqlite:a?x=1");
  uri->put_usual("creates", "no");
  uri->put_usual("x", "2");
  EXPECT_EQ(uri->rest(), "a?x=1&creates=no");
  EXPECT_EQ(uri->take("creates"), "no");
  EXPECT_EQ(uri->take("x"), "1");
}

TEST_F(UriText, options_are_flags_and_numbers) {
  auto uri = Uri::read("redis:?a=yes&b=no&c=maybe&d=7&e=-7&f=7x");
  EXPECT_TRUE(*uri->take_flag("a", false));
  EXPECT_FALSE(*uri->take_flag("b", true));
  EXPECT_TRUE(uri->take_flag("c", true).is(Errc::invalid));
  EXPECT_TRUE(*uri->take_flag("none", true));
  EXPECT_EQ(*uri->take_number("d", 1), 7);
  EXPECT_EQ(*uri->take_number("none", 1), 1);
  EXPECT_TRUE(uri->take_number("e", 1).is(Errc::invalid));
  EXPECT_TRUE(uri->take_number("f", 1).is(Errc::invalid));
}

TEST_F(UriText, with_a_password_shows_it_in_no_error) {
  const auto refused = Uri::read("postgres://ann:secret@host/%");
  ASSERT_TRUE(refused.is(Errc::invalid));
  EXPECT_EQ(refused.error().message().find("secret"), std::string::npos);
  const auto path = Uri::read("postgres://ann:secret@host/db")->path();
  EXPECT_EQ(path.error().message().find("secret"), std::string::npos);
}

TEST_F(UriText, with_a_password_says_so) {
  for (const std::string_view text : {"postgres://ann:secret@host/db", "redis://:secret@host",
                                      "postgres:?password=secret", "postgres://ann:a%2Fb@host"})
    EXPECT_TRUE(Uri::read(text)->holds_password()) << text;
  for (const std::string_view text : {"postgres://ann@host:5432/db", "postgres://host:5432/a:b@c",
                                      "file:/srv/a:b@c", "sqlite:a", "redis:"})
    EXPECT_FALSE(Uri::read(text)->holds_password()) << text;
}

TEST_F(UriText, of_random_bytes_is_read_or_refused) {
  std::mt19937 random(1);
  for (int i = 0; i < 20'000; ++i) {
    std::string text = "file:";
    for (std::size_t left = random() % 24; left > 0; --left)
      text.push_back("ab%?#&=/:0\x80\x01"[random() % 12]);
    const auto uri = Uri::read(text);
    EXPECT_TRUE(!uri || uri->scheme() == "file") << text;
  }
}

}  // namespace
