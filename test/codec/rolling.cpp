// Three builds of a game take turns on the same records, as servers of several releases do for as
// long as a deployment rolls. Each release adds to the one before it.

#include <persist/codec/cbor.hpp>
#include <persist/codec/json.hpp>
#include <persist/codec/packed.hpp>
#include <persist/schema/policy.hpp>
#include <persist/schema/unknown.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <codec/server.hpp>

#include <gtest/gtest.h>

namespace rolling {

using namespace persist;
using test::Server;

int steps_taken = 0;

// An item has an identity, a pet a member for what is unknown: either way what a newer build wrote
// finds its element again after it moved.
enum class MoodOne { calm, glad };
enum class MoodTwo { calm, glad, wild };
enum class MoodThree { odd, calm, glad, wild };
struct ItemOne {
  std::uint32_t id = 0;
  int count = 1;
  MoodOne glow = MoodOne::calm;
};
struct ItemTwo {
  std::uint32_t id = 0;
  int gem = 20;
  int count = 1;
  MoodTwo glow = MoodTwo::calm;
};
struct ItemThree {
  int count = 1;
  int gem = 20;
  std::string rune = "none";
  std::uint32_t id = 0;
  MoodThree glow = MoodThree::calm;
};
struct PetOne {
  int age = 1;
  Unknown rest;
};
struct PetTwo {
  Unknown rest;
  int age = 1;
  int gem = 20;
};
struct PetThree {
  int age = 1;
  int gem = 20;
  std::string rune = "none";
  Unknown rest;
};
struct One {
  int a = 1;
  MoodOne mood = MoodOne::calm;
  std::vector<ItemOne> items;
  std::vector<PetOne> pets;
};
struct Two {
  int a = 1;
  int b = 0;
  MoodTwo mood = MoodTwo::calm;
  std::vector<ItemTwo> items;
  std::vector<PetTwo> pets;
};
struct Three {
  int c = 0;
  int a = 1;
  int b = 0;
  std::vector<PetThree> pets;
  std::vector<ItemThree> items;
  MoodThree mood = MoodThree::calm;
};

template <class To, class From>
To mood_as(From from) {
  return *schema::enum_value<To>(schema::enum_name(from));
}
inline Two upgrade(One&& old) {
  ++steps_taken;
  Two now{old.a, 100, mood_as<MoodTwo>(old.mood), {}, {}};
  for (const ItemOne& item : old.items)
    now.items.push_back({item.id, 20, item.count, mood_as<MoodTwo>(item.glow)});
  for (PetOne& pet : old.pets)
    now.pets.push_back({std::move(pet.rest), pet.age, 20});
  return now;
}
inline Three upgrade(Two&& old) {
  ++steps_taken;
  Three now{1000, old.a, old.b, {}, {}, mood_as<MoodThree>(old.mood)};
  for (const ItemTwo& item : old.items)
    now.items.push_back({item.count, item.gem, "none", item.id, mood_as<MoodThree>(item.glow)});
  for (PetTwo& pet : old.pets)
    now.pets.push_back({pet.age, pet.gem, "none", std::move(pet.rest)});
  return now;
}

using Identities = Fields<Identity<&ItemOne::id>, Identity<&ItemTwo::id>, Identity<&ItemThree::id>>;
struct BuildOne {
  using data_type = One;
  using fields = Identities;
};
struct BuildTwo {
  using data_type = Two;
  using fields = Identities;
  using migrations = Migrations<One, Additive<Two>>;
};
struct BuildThree {
  using data_type = Three;
  using fields = Identities;
  using migrations = Migrations<One, Additive<Two>, Additive<Three>>;
};

/// A record as it must be, whoever looks at it: in the newest type, with what no build has written
/// yet at its default.
struct Model {
  Three data;
  std::uint32_t version = 1;
  Buffer record;
};

/// What becomes of a record of an older version when a build of that one loads it.
void reach(Model& model, std::uint32_t version) {
  if (model.version < 2 && version >= 2) model.data.b = 100;
  if (model.version < 3 && version >= 3) model.data.c = 1000;
  model.version = (std::max)(model.version, version);
}

/// The value as the build sees it, which shows its default in the place of one that it does not
/// know.
template <class Mood>
Mood shown(MoodThree mood) {
  return schema::enum_value<Mood>(schema::enum_name(mood)).value_or(Mood::calm);
}

template <class Element, class Expected>
void expect_same(const Element& seen, const Expected& model) {
  if constexpr (requires { seen.id; }) {
    EXPECT_EQ(seen.id, model.id);
    EXPECT_EQ(seen.count, model.count);
    EXPECT_EQ(seen.glow, shown<decltype(seen.glow)>(model.glow));
  } else {
    EXPECT_EQ(seen.age, model.age);
  }
  if constexpr (requires { seen.gem; }) {
    EXPECT_EQ(seen.gem, model.gem);
  }
  if constexpr (requires { seen.rune; }) {
    EXPECT_EQ(seen.rune, model.rune);
  }
}
template <class Data>
void expect_seen(const Data& seen, const Three& model) {
  EXPECT_EQ(seen.a, model.a);
  if constexpr (requires { seen.b; }) {
    EXPECT_EQ(seen.b, model.b);
  }
  if constexpr (requires { seen.c; }) {
    EXPECT_EQ(seen.c, model.c);
  }
  EXPECT_EQ(seen.mood, shown<decltype(seen.mood)>(model.mood));
  ASSERT_EQ(seen.items.size(), model.items.size());
  ASSERT_EQ(seen.pets.size(), model.pets.size());
  for (std::size_t i = 0; i < model.items.size(); ++i)
    expect_same(seen.items[i], model.items[i]);
  for (std::size_t i = 0; i < model.pets.size(); ++i)
    expect_same(seen.pets[i], model.pets[i]);
}

/// One seed, one evening: which build has which record, and what its players do.
class Evening {
 public:
  explicit Evening(std::uint32_t seed) : random_(seed) {}

  std::size_t pick(std::size_t below) { return random_() % below; }

  /// Does the same to what the build has loaded and to the model.
  template <class Data>
  void play(Data& data, Three& model) {
    model.a = ++data.a;
    if constexpr (requires { data.b; }) model.b = ++data.b;
    if constexpr (requires { data.c; }) model.c = ++data.c;
    if (pick(4) == 0) change_mood(data.mood, model.mood);
    rearrange(data.items, model.items);
    rearrange(data.pets, model.pets);
    if (!data.items.empty()) {
      const std::size_t at = pick(data.items.size());
      model.items[at].count = ++data.items[at].count;
      if (pick(3) == 0) change_mood(data.items[at].glow, model.items[at].glow);
      change_rest(data.items[at], model.items[at]);
    }
    if (!data.pets.empty()) {
      const std::size_t at = pick(data.pets.size());
      model.pets[at].age = ++data.pets[at].age;
      change_rest(data.pets[at], model.pets[at]);
    }
  }

 private:
  /// To another one than is seen: one that is left as it is stays what a newer build made it.
  template <class Mood>
  void change_mood(Mood& seen, MoodThree& model) {
    std::vector<Mood> others;
    for (const std::string_view name : schema::detail::Enumerators<Mood>::names)
      if (const auto mood = schema::enum_value<Mood>(name); mood && *mood != seen)
        others.push_back(*mood);
    seen = others[pick(others.size())];
    model = mood_as<MoodThree>(seen);
  }
  template <class Element, class Expected>
  void change_rest(Element& seen, Expected& model) {
    if constexpr (requires { seen.gem; }) model.gem = ++seen.gem;
    if constexpr (requires { seen.rune; }) model.rune = seen.rune = std::to_string(random_());
  }
  template <class Elements, class Expected>
  void rearrange(Elements& seen, Expected& model) {
    const auto at = [](auto& all, std::size_t index) {
      return all.begin() + static_cast<std::ptrdiff_t>(index);
    };
    if (seen.size() > 1 && pick(2) == 0) {
      const std::size_t one = pick(seen.size());
      const std::size_t other = pick(seen.size());
      std::swap(seen[one], seen[other]);
      std::swap(model[one], model[other]);
    }
    if (!seen.empty() && pick(4) == 0) {
      const std::size_t gone = pick(seen.size());
      seen.erase(at(seen, gone));
      model.erase(at(model, gone));
    }
    if (seen.size() < 5 && pick(2) == 0) {
      const std::size_t where = pick(seen.size() + 1);
      auto added = *seen.insert(at(seen, where), typename Elements::value_type{});
      auto& expected = *model.insert(at(model, where), typename Expected::value_type{});
      if constexpr (requires { added.id; }) seen[where].id = expected.id = ++last_id_;
    }
  }

  std::mt19937 random_;
  std::uint32_t last_id_ = 0;
};

template <class Codec, class Build>
void turn(Model& model, Evening& evening) {
  Server<Codec, Build> server;
  const auto loaded = server.load(model.record);
  ASSERT_TRUE(loaded) << loaded.error();
  reach(model, DataPolicy<Build>::schema_version);
  expect_seen(server.data, model.data);
  for (std::size_t saves = 1 + evening.pick(3); saves != 0; --saves) {
    evening.play(server.data, model.data);
    model.record = server.save();
  }
}

template <class Codec>
struct Rolling : testing::Test {};
using Codecs = testing::Types<codec::Packed, codec::Cbor, codec::Json>;
TYPED_TEST_SUITE(Rolling, Codecs);

TYPED_TEST(Rolling, three_builds_that_take_turns_lose_nothing_and_mix_up_nothing) {
  Evening evening(20240607);
  std::array<Model, 3> models;
  for (Model& model : models)
    model.record = Server<TypeParam, BuildOne>().save();
  steps_taken = 0;
  for (int round = 0; round < 1'000 && !this->HasFailure(); ++round) {
    SCOPED_TRACE("round " + std::to_string(round));
    Model& model = models[evening.pick(models.size())];
    const auto build = evening.pick(round < 50 ? 1 + static_cast<std::size_t>(round) / 20 : 3);
    if (build == 0) turn<TypeParam, BuildOne>(model, evening);
    if (build == 1) turn<TypeParam, BuildTwo>(model, evening);
    if (build == 2) turn<TypeParam, BuildThree>(model, evening);
  }
  for (Model& model : models) {
    turn<TypeParam, BuildThree>(model, evening);
    const auto envelope = codec::open_envelope(model.record);
    EXPECT_EQ(envelope->schema_version, 3u);
    EXPECT_EQ(envelope->lowest_reader, 1u);
  }
  EXPECT_EQ(steps_taken, 2 * 3) << "each step once a record";
}

// Elements that nothing tells apart.

struct SpotOne {
  int x = 0;
};
struct SpotTwo {
  int x = 0;
  int y = 7;
};
struct RouteOne {
  std::vector<SpotOne> spots;
};
struct RouteTwo {
  std::vector<SpotTwo> spots;
};
struct Dropping {
  using data_type = RouteOne;
  static constexpr bool drop_unknown = true;
};

TYPED_TEST(Rolling, what_no_element_can_keep_shuts_an_older_build_out_or_is_dropped_and_named) {
  Evening evening(5);
  Buffer record = Server<TypeParam, RouteTwo>().save();
  int refusals = 0;
  bool has_y = false;
  for (int round = 0; round < 100 && !this->HasFailure(); ++round) {
    if (evening.pick(2) == 0) {
      Server<TypeParam, RouteTwo> now;
      ASSERT_TRUE(now.load(record));
      for (const SpotTwo& spot : now.data.spots)
        EXPECT_EQ(spot.y, has_y ? 8 : 7);
      now.data.spots.assign(evening.pick(3), {round, 8});
      has_y = !now.data.spots.empty();
      record = now.save();
      continue;
    }
    Server<TypeParam, RouteOne> before;
    const auto loaded = before.load(record);
    ASSERT_EQ(loaded.is(Errc::too_new), has_y) << loaded.error();
    if (loaded) {
      before.data.spots.assign(1, {round});
      record = before.save();
      continue;
    }
    EXPECT_EQ(loaded.error().path(), "spots[0].y");
    if (++refusals % 2 != 0) continue;
    Server<TypeParam, Dropping> dropping;
    ASSERT_TRUE(dropping.load(record));
    EXPECT_EQ(dropping.unknown.dropped().front(), "spots[0].y");
    record = dropping.save();
    has_y = false;
  }
  EXPECT_GT(refusals, 4);
}

}  // namespace rolling
