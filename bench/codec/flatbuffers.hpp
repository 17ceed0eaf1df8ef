#pragma once

#include <codec/forms.hpp>

#include <string>
#include <utility>
#include <vector>

#include <profile_generated.h>

// flatbuffers: built from structs and, as bytes from a disk should be, verified and copied out into
// structs, because a game changes its data.

namespace bench {

class FlatWriter {
 public:
  explicit FlatWriter(flatbuffers::FlatBufferBuilder& out) : out_(out) { out_.Clear(); }

  void write(const Small& it) {
    const auto name = text(it.name);
    const auto language = text(it.language);
    out_.Finish(fb::CreateSmall(out_, it.coins, it.level, it.xp, it.vip, name, language, it.wins,
                                it.losses, it.rating, it.last_seen));
  }
  void write(const Medium& it) {
    const auto name = text(it.name), title = text(it.title), guild = text(it.guild),
               home = text(it.home);
    const auto inventory =
        list<fb::Item>(it.inventory, [&](const Item& each) { return item(each); });
    const auto quests = list<fb::Quest>(it.quests, [&](const auto& each) {
      const Quest& quest = each.second;
      return fb::CreateQuest(out_, text(each.first), quest.stage, quest.progress, quest.done,
                             quest.started_at);
    });
    const auto language = text(it.settings.language), region = text(it.settings.region);
    const Settings& set = it.settings;
    const auto settings =
        fb::CreateSettings(out_, set.music, set.effects, set.sensitivity, set.fov, set.quality,
                           set.invert_y, set.subtitles, language, region);
    const auto products = pairs<fb::Product>(it.products, fb::CreateProduct);
    const auto achievements = out_.CreateVectorOfStrings(it.achievements);
    const auto stats = pairs<fb::Stat>(it.stats, fb::CreateStat);
    const auto friends = out_.CreateVector(it.friends);
    out_.Finish(fb::CreateMedium(out_, it.id, it.coins, it.gems, it.created_at, it.last_seen,
                                 it.seconds_played, it.level, it.xp, it.deaths, it.kills, it.streak,
                                 it.x, it.y, it.z, it.health, it.stamina, it.mana, it.luck, it.vip,
                                 it.banned, it.tutorial_done, name, title, guild, home, inventory,
                                 quests, settings, products, achievements, stats, friends));
  }

 private:
  template <class Table>
  using List = flatbuffers::Offset<flatbuffers::Vector<flatbuffers::Offset<Table>>>;

  flatbuffers::Offset<flatbuffers::String> text(const std::string& from) {
    return out_.CreateString(from);
  }
  template <class Table, class C, class F>
  List<Table> list(const C& from, F&& one) {
    std::vector<flatbuffers::Offset<Table>> made;
    made.reserve(from.size());
    for (const auto& each : from)
      made.push_back(one(each));
    return out_.CreateVector(made);
  }
  template <class Table, class M, class F>
  List<Table> pairs(const M& from, F create) {
    return list<Table>(
        from, [&](const auto& each) { return create(out_, text(each.first), each.second); });
  }
  flatbuffers::Offset<fb::Item> item(const Item& it) {
    const auto name = text(it.name);
    List<fb::Affix> affixes;
    if (it.affixes) affixes = pairs<fb::Affix>(*it.affixes, fb::CreateAffix);
    return fb::CreateItem(out_, it.id, it.count, it.durability, name, affixes);
  }

  flatbuffers::FlatBufferBuilder& out_;
};

inline void take(const flatbuffers::String* from, std::string& to) {
  need(from != nullptr);
  to.assign(from->data(), from->size());
}
template <class C, class M>
void take_pairs(const C* from, M& to) {
  need(from != nullptr);
  to.clear();
  for (const auto* each : *from)
    to.emplace_hint(to.end(), each->key()->str(), each->value());
}
#define BENCH_FB_TAKE(member) to.member = from.member()
inline void take(const fb::Small& from, Small& to) {
  BENCH_FB_TAKE(coins), BENCH_FB_TAKE(level), BENCH_FB_TAKE(xp), BENCH_FB_TAKE(vip);
  take(from.name(), to.name), take(from.language(), to.language);
  BENCH_FB_TAKE(wins), BENCH_FB_TAKE(losses), BENCH_FB_TAKE(rating), BENCH_FB_TAKE(last_seen);
}
inline void take(const fb::Item& from, Item& to) {
  BENCH_FB_TAKE(id), BENCH_FB_TAKE(count), BENCH_FB_TAKE(durability);
  take(from.name(), to.name);
  to.affixes.reset();
  if (from.affixes() != nullptr) take_pairs(from.affixes(), to.affixes.emplace());
}
inline void take(const fb::Quest& from, Quest& to) {
  BENCH_FB_TAKE(stage), BENCH_FB_TAKE(progress), BENCH_FB_TAKE(done), BENCH_FB_TAKE(started_at);
}
inline void take(const fb::Settings& from, Settings& to) {
  BENCH_FB_TAKE(music), BENCH_FB_TAKE(effects), BENCH_FB_TAKE(sensitivity), BENCH_FB_TAKE(fov),
      BENCH_FB_TAKE(quality), BENCH_FB_TAKE(invert_y), BENCH_FB_TAKE(subtitles);
  take(from.language(), to.language), take(from.region(), to.region);
}
inline void take(const fb::Medium& from, Medium& to) {
  BENCH_FB_TAKE(id), BENCH_FB_TAKE(coins), BENCH_FB_TAKE(gems), BENCH_FB_TAKE(created_at),
      BENCH_FB_TAKE(last_seen), BENCH_FB_TAKE(seconds_played), BENCH_FB_TAKE(level),
      BENCH_FB_TAKE(xp), BENCH_FB_TAKE(deaths), BENCH_FB_TAKE(kills), BENCH_FB_TAKE(streak),
      BENCH_FB_TAKE(x), BENCH_FB_TAKE(y), BENCH_FB_TAKE(z), BENCH_FB_TAKE(health),
      BENCH_FB_TAKE(stamina), BENCH_FB_TAKE(mana), BENCH_FB_TAKE(luck), BENCH_FB_TAKE(vip),
      BENCH_FB_TAKE(banned), BENCH_FB_TAKE(tutorial_done);
  take(from.name(), to.name), take(from.title(), to.title);
  take(from.guild(), to.guild), take(from.home(), to.home);
  need(from.inventory() && from.quests() && from.settings() && from.achievements() &&
       from.friends());
  to.inventory.resize(from.inventory()->size());
  std::size_t at = 0;
  for (const fb::Item* item : *from.inventory())
    take(*item, to.inventory[at++]);
  to.quests.clear();
  for (const fb::Quest* quest : *from.quests())
    take(*quest, to.quests.try_emplace(to.quests.end(), quest->key()->str())->second);
  take(*from.settings(), to.settings);
  take_pairs(from.products(), to.products);
  to.achievements.resize(from.achievements()->size());
  at = 0;
  for (const flatbuffers::String* text : *from.achievements())
    take(text, to.achievements[at++]);
  take_pairs(from.stats(), to.stats);
  to.friends.assign(from.friends()->begin(), from.friends()->end());
}

struct FlatBuffers {
  struct Bytes {
    flatbuffers::FlatBufferBuilder builder;
    const std::uint8_t* data() const { return builder.GetBufferPointer(); }
    std::size_t size() const { return builder.GetSize(); }
  };
  static constexpr const char* name = "flatbuffers";

  template <class T>
  static void encode(const T& from, Bytes& to) {
    FlatWriter(to.builder).write(from);
  }
  static void decode(const Bytes& from, Small& to) { take<fb::Small>(from, to); }
  static void decode(const Bytes& from, Medium& to) { take<fb::Medium>(from, to); }

 private:
  template <class Table, class T>
  static void take(const Bytes& from, T& to) {
    flatbuffers::Verifier verifier(from.data(), from.size(), 64, 1'000'000);
    need(verifier.VerifyBuffer<Table>(nullptr));
    bench::take(*flatbuffers::GetRoot<Table>(from.data()), to);
  }
};

}  // namespace bench
