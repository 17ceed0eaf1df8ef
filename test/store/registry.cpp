// builds: single no-exceptions
#include <persist/store/registry.hpp>

#include <support/plain_session.hpp>

#include <set>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include <gtest/gtest.h>

namespace {

using namespace persist;
using test::plain_session;
using test::PlainHost;

static_assert(!std::is_copy_constructible_v<Registry>, "it holds a reference to each");

std::string key_of(int i) {
  return "Player_" + std::to_string(i);
}

TEST(Registry, finds_each_of_thousands_and_no_other) {
  PlainHost host;
  Registry registry;
  std::vector<SessionPtr> sessions;
  for (int i = 0; i < 5'000; ++i) {
    sessions.push_back(plain_session(host, key_of(i)));
    registry.insert(*sessions.back());
  }
  EXPECT_EQ(registry.size(), 5'000u);
  for (int i = 0; i < 5'000; ++i)
    ASSERT_EQ(registry.find(key_of(i)), sessions[static_cast<std::size_t>(i)].get()) << i;
  EXPECT_EQ(registry.find(key_of(5'000)), nullptr);
  EXPECT_EQ(registry.find("Player_"), nullptr);
  EXPECT_EQ(registry.find(""), nullptr);
}

TEST(Registry, tells_keys_apart_that_share_all_but_a_byte) {
  PlainHost host;
  Registry registry;
  const SessionPtr one = plain_session(host, std::string(254, 'k') + "a");
  const SessionPtr two = plain_session(host, std::string(254, 'k') + "b");
  registry.insert(*one);
  registry.insert(*two);
  EXPECT_EQ(registry.find(std::string(254, 'k') + "a"), one.get());
  EXPECT_EQ(registry.find(std::string(254, 'k') + "b"), two.get());
  EXPECT_EQ(registry.find(std::string(254, 'k')), nullptr);
}

TEST(Registry, what_was_removed_is_gone_and_the_rest_is_not) {
  PlainHost host;
  Registry registry;
  std::vector<SessionPtr> sessions;
  for (int i = 0; i < 3'000; ++i) {
    sessions.push_back(plain_session(host, key_of(i)));
    registry.insert(*sessions.back());
  }
  for (std::size_t i = 0; i < sessions.size(); i += 2)
    registry.remove(*sessions[i]);
  EXPECT_EQ(registry.size(), 1'500u);
  for (std::size_t i = 0; i < sessions.size(); ++i) {
    const bool stays = i % 2 == 1;
    ASSERT_EQ(registry.find(sessions[i]->key()), stays ? sessions[i].get() : nullptr) << i;
    ASSERT_EQ(sessions[i]->refs, stays ? 2u : 1u) << i;
  }
}

TEST(Registry, a_session_that_is_not_in_it_is_removed_without_harm) {
  PlainHost host;
  Registry registry;
  const SessionPtr here = plain_session(host, "k");
  const SessionPtr elsewhere = plain_session(host, "k");  // the key's next session
  registry.insert(*here);
  registry.remove(*elsewhere);
  EXPECT_EQ(registry.find("k"), here.get());
  EXPECT_EQ(elsewhere->refs, 1u);
  registry.remove(*here);
  registry.remove(*here);
  EXPECT_EQ(registry.size(), 0u);
  EXPECT_EQ(here->refs, 1u);
  registry.insert(*elsewhere);
  EXPECT_EQ(registry.find("k"), elsewhere.get());
}

TEST(Registry, keeps_a_session_that_nobody_else_holds_until_it_ends_itself) {
  PlainHost host;
  int ended = 0;
  {
    Registry registry;
    for (int i = 0; i < 100; ++i)
      registry.insert(*plain_session(host, key_of(i), &ended));
    EXPECT_EQ(ended, 0);
    EXPECT_NE(registry.find(key_of(7)), nullptr);
  }
  EXPECT_EQ(ended, 100);
}

TEST(Registry, a_list_of_all_holds_them_while_they_are_removed) {
  PlainHost host;
  int ended = 0;
  Registry registry;
  for (int i = 0; i < 100; ++i)
    registry.insert(*plain_session(host, key_of(i), &ended));
  std::set<std::string_view> seen;
  std::vector<SessionPtr> all = registry.all();
  for (const SessionPtr& session : all) {
    registry.remove(*session);
    seen.insert(session->key());
  }
  EXPECT_EQ(seen.size(), 100u);
  EXPECT_EQ(registry.size(), 0u);
  EXPECT_EQ(ended, 0);
  seen.clear();
  all.clear();
  EXPECT_EQ(ended, 100);
}

TEST(Registry, shows_each_session_once) {
  PlainHost host;
  Registry registry;
  std::multiset<std::string> seen;
  for (int i = 0; i < 1'000; ++i)
    registry.insert(*plain_session(host, key_of(i)));
  registry.for_each([&](SessionCore& session) { seen.emplace(session.key()); });
  EXPECT_EQ(seen.size(), 1'000u);
  for (int i = 0; i < 1'000; ++i)
    ASSERT_EQ(seen.count(key_of(i)), 1u);
}

}  // namespace
