#include <persist/schema/place.hpp>

#include <gtest/gtest.h>

#include <memory>
#include <string>

namespace {

using persist::schema::KeptNode;
using persist::schema::Place;

TEST(Place, a_path_reads_as_code_would) {
  const Place root;
  const Place inventory = root.inside("inventory");
  Place item = inventory.inside();
  item.index = 3;
  EXPECT_EQ(root.path(), "");
  EXPECT_EQ(item.inside("count").path(), "inventory[3].count");
}

TEST(Place, a_hostile_key_is_shortened_and_made_printable_in_a_path) {
  const Place root;
  EXPECT_EQ(root.inside("a\nb").path(), "a?b");
  EXPECT_EQ(root.inside(std::string(1000, 'x')).path().size(), 67u);
}

TEST(Place, what_is_kept_is_filed_by_path_or_at_the_anchor) {
  persist::UnknownFields unknown;
  const Place root;
  const Place settings = root.inside("settings");
  KeptNode* node = settings.keep(unknown);
  ASSERT_NE(node, nullptr);
  EXPECT_EQ(unknown.root()->below.at("settings").get(), node);

  std::unique_ptr<KeptNode> slot;
  Place anchored = root.inside("x");
  anchored.anchor = &slot;
  const KeptNode* kept = anchored.keep(unknown);
  EXPECT_EQ(kept, slot.get());
  const KeptNode* below = anchored.inside("y").keep(unknown);
  EXPECT_EQ(below, slot->below.at("y").get());
}

TEST(Place, that_moved_on_keeps_elsewhere) {
  persist::UnknownFields unknown;
  const Place root;
  Place entry = root.inside("a");
  const KeptNode* first = entry.keep(unknown);
  EXPECT_EQ(entry.keep(unknown), first);
  entry.move_to("b");
  const KeptNode* second = entry.keep(unknown);
  entry.move_to(std::size_t{7});
  const KeptNode* third = entry.keep(unknown);
  ASSERT_EQ(unknown.root()->below.size(), 3u);
  EXPECT_EQ(unknown.root()->below.at("a").get(), first);
  EXPECT_EQ(unknown.root()->below.at("b").get(), second);
  EXPECT_EQ(unknown.root()->below.at("7").get(), third);
}

TEST(Place, nothing_is_kept_below_an_element_that_nothing_identifies) {
  persist::UnknownFields unknown;
  const Place root;
  Place list = root.inside("list");
  Place element = list.inside();
  element.index = 0;
  element.loose = true;
  EXPECT_EQ(element.inside("sub").keep(unknown), nullptr);
  EXPECT_TRUE(unknown.empty());
}

TEST(Place, what_was_kept_there_and_below_can_be_forgotten) {
  persist::UnknownFields unknown;
  const Place root;
  const Place look = root.inside("look");
  const Place hat = look.inside("hat");
  look.forget(unknown);
  EXPECT_EQ(unknown.root(), nullptr) << "and nothing is made for it";
  ASSERT_NE(hat.keep(unknown), nullptr);
  ASSERT_NE(root.inside("other").keep(unknown), nullptr);
  const Place again = root.inside("look");
  EXPECT_EQ(again.kept(unknown), look.keep(unknown));
  again.forget(unknown);
  EXPECT_EQ(again.kept(unknown), nullptr);
  EXPECT_EQ(unknown.root()->below.size(), 1u);
}

}  // namespace
