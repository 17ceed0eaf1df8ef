#include <persist/schema/unknown.hpp>

#include <gtest/gtest.h>

#include <memory>
#include <utility>

namespace {

using persist::Unknown;
using persist::UnknownFields;
using persist::schema::KeptNode;

static_assert(sizeof(UnknownFields) == sizeof(void*) && sizeof(Unknown) == sizeof(void*));

TEST(Unknown, a_copy_has_its_own_fields) {
  Unknown original;
  original.node() = std::make_unique<KeptNode>();
  original.node()->fields["a"].value = 1;
  original.node()->below["b"] = std::make_unique<KeptNode>();
  original.node()->below["b"]->fields["c"].value = 2;
  const Unknown copy = original;
  original.node()->below["b"]->fields["c"].value = 3;
  EXPECT_EQ(copy.node()->below.at("b")->fields.at("c").value, persist::Value(2));
  EXPECT_FALSE(copy.empty());
  EXPECT_FALSE(copy == original);
  EXPECT_TRUE(copy == Unknown(copy));
  EXPECT_TRUE(Unknown() == Unknown());
  EXPECT_FALSE(copy == Unknown());
  EXPECT_TRUE(Unknown().empty());
}

TEST(UnknownFields, a_clone_has_the_fields_and_no_report) {
  UnknownFields unknown;
  unknown.make_root().fields["a"].value = 1;
  unknown.drop("b");
  const UnknownFields copy = unknown.clone();
  unknown.clear();
  EXPECT_EQ(copy.root()->fields.at("a").value, persist::Value(1));
  EXPECT_TRUE(copy.dropped().empty());
  EXPECT_TRUE(UnknownFields().clone().empty());
}

TEST(UnknownFields, what_no_walk_reached_is_pruned) {
  UnknownFields unknown;
  KeptNode& root = unknown.make_root();
  root.below["kept"] = std::make_unique<KeptNode>();
  root.below["gone"] = std::make_unique<KeptNode>();
  root.below["kept"]->reached = true;
  unknown.prune();
  EXPECT_EQ(root.below.size(), 1u);
  EXPECT_FALSE(root.below.at("kept")->reached) << "the next walk has to reach it again";
}

TEST(UnknownFields, at_most_32_dropped_places_are_named_and_all_are_counted) {
  UnknownFields unknown;
  EXPECT_TRUE(unknown.dropped().empty());
  for (int i = 0; i < 100; ++i)
    unknown.drop("inventory[" + std::to_string(i) + "].sockets");
  EXPECT_EQ(unknown.dropped().size(), 32u);
  EXPECT_EQ(unknown.dropped_count(), 100u);
  EXPECT_TRUE(unknown.empty());
  unknown.forget_dropped();
  EXPECT_EQ(unknown.dropped_count(), 0u);
}

}  // namespace
