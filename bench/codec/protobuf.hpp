#pragma once

#include <codec/forms.hpp>

#include <string>
#include <utility>

#include <profile.pb.h>

// protobuf: what its compiler makes is a type of its own, so a game that keeps its data in structs
// copies them over. Measured both ways: from and into structs, and its own messages alone.

// Members that are called the same and converted by assignment.
// clang-format off
#define BENCH_PB_SMALL(X) \
  X(coins) X(level) X(xp) X(vip) X(name) X(language) X(wins) X(losses) X(rating) X(last_seen)
#define BENCH_PB_ITEM(X) X(id) X(count) X(durability) X(name)
#define BENCH_PB_QUEST(X) X(stage) X(progress) X(done) X(started_at)
#define BENCH_PB_SETTINGS(X)                                                                \
  X(music) X(effects) X(sensitivity) X(fov) X(quality) X(invert_y) X(subtitles) X(language) \
  X(region)
#define BENCH_PB_MEDIUM(X)                                                                     \
  X(id) X(coins) X(gems) X(created_at) X(last_seen) X(seconds_played) X(level) X(xp) X(deaths) \
  X(kills) X(streak) X(x) X(y) X(z) X(health) X(stamina) X(mana) X(luck) X(vip) X(banned)      \
  X(tutorial_done) X(name) X(title) X(guild) X(home)
// clang-format on
#define BENCH_PB_TO(member) to.set_##member(from.member);
#define BENCH_PB_FROM(member) to.member = static_cast<decltype(to.member)>(from.member());

namespace bench {

inline void copy(const Small& from, pb::Small& to) {
  BENCH_PB_SMALL(BENCH_PB_TO)
}
inline void copy(const pb::Small& from, Small& to) {
  BENCH_PB_SMALL(BENCH_PB_FROM)
}
inline void copy(const Quest& from, pb::Quest& to) {
  BENCH_PB_QUEST(BENCH_PB_TO)
}
inline void copy(const pb::Quest& from, Quest& to) {
  BENCH_PB_QUEST(BENCH_PB_FROM)
}
inline void copy(const Settings& from, pb::Settings& to) {
  BENCH_PB_SETTINGS(BENCH_PB_TO)
}
inline void copy(const pb::Settings& from, Settings& to) {
  BENCH_PB_SETTINGS(BENCH_PB_FROM)
}
inline void copy(const Item& from, pb::Item& to) {
  BENCH_PB_ITEM(BENCH_PB_TO)
  if (from.affixes)
    to.mutable_affixes()->mutable_values()->insert(from.affixes->begin(), from.affixes->end());
}
inline void copy(const pb::Item& from, Item& to) {
  BENCH_PB_ITEM(BENCH_PB_FROM)
  to.affixes.reset();
  if (from.has_affixes())
    to.affixes.emplace(from.affixes().values().begin(), from.affixes().values().end());
}
inline void copy(const Medium& from, pb::Medium& to) {
  BENCH_PB_MEDIUM(BENCH_PB_TO)
  for (const Item& item : from.inventory)
    copy(item, *to.add_inventory());
  for (const auto& [key, quest] : from.quests)
    copy(quest, (*to.mutable_quests())[key]);
  copy(from.settings, *to.mutable_settings());
  to.mutable_products()->insert(from.products.begin(), from.products.end());
  to.mutable_achievements()->Assign(from.achievements.begin(), from.achievements.end());
  to.mutable_stats()->insert(from.stats.begin(), from.stats.end());
  to.mutable_friends()->Assign(from.friends.begin(), from.friends.end());
}
inline void copy(const pb::Medium& from, Medium& to) {
  BENCH_PB_MEDIUM(BENCH_PB_FROM)
  to.inventory.clear();
  to.inventory.reserve(static_cast<std::size_t>(from.inventory_size()));
  for (const pb::Item& item : from.inventory())
    copy(item, to.inventory.emplace_back());
  to.quests.clear();
  for (const auto& [key, quest] : from.quests())
    copy(quest, to.quests[key]);
  copy(from.settings(), to.settings);
  to.products = {from.products().begin(), from.products().end()};
  to.achievements.assign(from.achievements().begin(), from.achievements().end());
  to.stats = {from.stats().begin(), from.stats().end()};
  to.friends.assign(from.friends().begin(), from.friends().end());
}

/// Its own messages, which a game would have to play with.
struct ProtobufMessage : TextForm {
  static constexpr const char* name = "protobuf message";
  template <class T>
  static void encode(const T& from, Bytes& to) {
    need(from.SerializeToString(&to));
  }
  template <class T>
  static void decode(const Bytes& from, T& to) {
    need(to.ParseFromString(from));
  }
};

/// Structs by way of a message, which is used again.
struct Protobuf : TextForm {
  static constexpr const char* name = "protobuf";
  static pb::Small& message_for(const Small&) {
    static pb::Small message;
    return message;
  }
  static pb::Medium& message_for(const Medium&) {
    static pb::Medium message;
    return message;
  }
  template <class T>
  static void encode(const T& from, Bytes& to) {
    auto& message = message_for(from);
    message.Clear();
    copy(from, message);
    ProtobufMessage::encode(message, to);
  }
  template <class T>
  static void decode(const Bytes& from, T& to) {
    auto& message = message_for(to);
    ProtobufMessage::decode(from, message);
    copy(message, to);
  }
};

}  // namespace bench
