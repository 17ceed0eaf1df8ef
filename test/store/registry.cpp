#include <persist/store/registry.hpp>

#include <support/fake_session.hpp>

#include <gtest/gtest.h>

namespace {

using test::FakeHost;
using test::FakeSession;

TEST(Registry, finds_sessions_by_key_and_holds_them) {
  FakeHost host;
  bool gone = false;
  persist::Registry registry;
  {
    const persist::SessionPtr one(new FakeSession(host, "one", &gone));
    registry.insert(*one);
  }
  EXPECT_FALSE(gone);
  EXPECT_EQ(registry.find("one")->key(), "one");
  EXPECT_EQ(registry.find("two"), nullptr);
  {
    const persist::SessionPtr one(registry.find("one"));
    registry.remove(*one);
    registry.remove(*one);  // harmless
    EXPECT_FALSE(gone);
  }
  EXPECT_TRUE(gone);
  EXPECT_EQ(registry.size(), 0U);
}

TEST(Registry, grows_and_loses_nobody) {
  FakeHost host;
  persist::Registry registry;
  for (int i = 0; i < 1000; ++i)
    registry.insert(*new FakeSession(host, std::to_string(i)));
  EXPECT_EQ(registry.size(), 1000U);
  for (int i = 0; i < 1000; ++i)
    ASSERT_NE(registry.find(std::to_string(i)), nullptr) << i;
  for (int i = 0; i < 1000; i += 2)
    registry.remove(*persist::SessionPtr(registry.find(std::to_string(i))));
  EXPECT_EQ(registry.size(), 500U);
  EXPECT_EQ(registry.all().size(), 500U);
  EXPECT_EQ(registry.find("2"), nullptr);
  EXPECT_NE(registry.find("3"), nullptr);
}

}  // namespace
