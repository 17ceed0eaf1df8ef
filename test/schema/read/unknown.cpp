// builds: single no-exceptions

#include <persist/schema/read.hpp>

#include <support/raw_values.hpp>

#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace {

using persist::Errc;
using persist::Result;
using persist::UnknownFields;
using persist::Value;

/// A record that is loaded, and can be saved again.
template <class T, class Policy = T>
struct Loaded {
  T data{};
  UnknownFields unknown;
  int raw_written = 0;

  Result<void> load(const Value& from) {
    test::RawReader in(from);
    return persist::schema::read<Policy>(in, data, unknown);
  }
  Value save() {
    test::RawWriter out;
    EXPECT_TRUE(persist::schema::write<Policy>(out, data, unknown));
    raw_written = out.raw_written;
    return out.take();
  }
};

enum class Colour { red, green };
struct Bow {
  int draw = 3;
};
struct Settings {
  int fov = 70;
};
struct Item {
  std::uint32_t id = 0;
  int count = 1;
  Settings engraving;
};
struct Player {
  int coins = 0;
  Settings settings;
  std::map<std::string, Settings> profiles;
  std::map<Colour, int> colours;
  std::optional<Settings> maybe;
  std::pair<Settings, int> pair;
  Colour colour = Colour::green;
  std::variant<std::monostate, Bow> weapon;
  std::vector<Item> inventory;
};
struct ById {
  using fields = persist::Fields<persist::Identity<&Item::id>>;
};
struct Dropping {
  static constexpr bool drop_unknown = true;
};

Value item(int id, const Value& more = Value::map()) {
  Value made = Value::map({{"id", id}, {"count", 1}, {"engraving", Value::map({{"fov", 70}})}});
  for (const Value::Member& member : more.members())
    made[member.key] = member.value;
  return made;
}
Value settings(const Value& more = Value::map()) {
  Value made = Value::map({{"fov", 70}});
  for (const Value::Member& member : more.members())
    made[member.key] = member.value;
  return made;
}

TEST(UnknownFields, of_root_structs_and_map_values_are_written_back_as_they_came) {
  Value record = Value::map(
      {{"coins", 5},
       {"pets", Value::array({"cat"})},
       {"settings", settings(Value::map({{"colour_blind", "none"}}))},
       {"profiles", Value::map({{"a", settings(Value::map({{"hud", 1}}))}, {"b", settings()}})},
       {"maybe", settings(Value::map({{"x", 1}}))},
       {"pair", Value::array({settings(Value::map({{"y", 1}})), 2})}});
  Loaded<Player> loaded;
  ASSERT_TRUE(loaded.load(record));
  loaded.data.coins = 6;
  const Value saved = loaded.save();
  EXPECT_EQ(saved["coins"], Value(6));
  for (const char* field : {"pets", "settings", "profiles", "maybe", "pair"})
    EXPECT_EQ(saved[field], record[field]) << field;
  EXPECT_EQ(loaded.raw_written, 5) << "as bytes, not by their meaning";
  EXPECT_EQ(loaded.save(), saved) << "again and again";
}

TEST(UnknownFields, go_through_their_meaning_into_another_format) {
  Loaded<Player> loaded;
  ASSERT_TRUE(loaded.load(Value::map({{"pets", Value::array({"cat"})}})));
  persist::schema::ValueWriter other;
  ASSERT_TRUE(persist::schema::write<Player>(other, loaded.data, loaded.unknown));
  EXPECT_EQ(other.take()["pets"], Value::array({"cat"}));
}

TEST(UnknownFields, a_record_without_them_costs_nothing) {
  Loaded<Player> loaded;
  ASSERT_TRUE(loaded.load(Value::map({{"coins", 1}})));
  EXPECT_TRUE(loaded.unknown.empty());
}

TEST(UnknownFields, a_second_load_forgets_those_of_the_first) {
  Loaded<Player> loaded;
  ASSERT_TRUE(loaded.load(Value::map({{"pets", 1}})));
  ASSERT_TRUE(loaded.load(Value::map({{"coins", 1}})));
  EXPECT_TRUE(loaded.save()["pets"].is_null());
}

TEST(UnknownFields, a_map_value_that_is_erased_takes_them_with_it) {
  Loaded<Player> loaded;
  ASSERT_TRUE(
      loaded.load(Value::map({{"profiles", Value::map({{"a", Value::map({{"hud", 1}})}})}})));
  loaded.data.profiles.clear();
  loaded.save();
  loaded.data.profiles["a"];
  EXPECT_EQ(loaded.save()["profiles"]["a"], settings()) << "a new value of an old key";
}

TEST(UnknownFields, an_unknown_enum_key_of_a_map_stays_in_the_map) {
  Loaded<Player> loaded;
  const Value colours = Value::map({{"red", 1}, {"mauve", 2}});
  ASSERT_TRUE(loaded.load(Value::map({{"colours", colours}})));
  EXPECT_EQ(loaded.data.colours.size(), 1u);
  EXPECT_EQ(loaded.save()["colours"], colours);
}

TEST(UnknownFields, inside_elements_that_nothing_identifies_refuse_the_record) {
  Loaded<Player> loaded;
  const auto done = loaded.load(
      Value::map({{"inventory", Value::array({item(1), item(2, Value::map({{"sockets", 1}}))})}}));
  ASSERT_TRUE(done.is(Errc::too_new));
  EXPECT_EQ(done.error().path(), "inventory[1].sockets");
  for (const char* word : {"a newer build", "a member was removed", "persist::Identity",
                           "persist::Unknown", "drop_unknown"})
    EXPECT_NE(done.error().detail().find(word), std::string_view::npos) << done.error();
  const auto deeper = loaded.load(Value::map(
      {{"inventory", Value::array({item(
                         1, Value::map({{"engraving", settings(Value::map({{"font", 1}}))}}))})}}));
  ASSERT_TRUE(deeper.is(Errc::too_new));
  EXPECT_EQ(deeper.error().path(), "inventory[0].engraving.font");
}

TEST(UnknownFields, are_dropped_where_the_policy_says_so_and_named) {
  Loaded<Player, Dropping> loaded;
  ASSERT_TRUE(loaded.load(Value::map(
      {{"pets", 1}, {"inventory", Value::array({item(2, Value::map({{"sockets", 1}}))})}})));
  EXPECT_EQ(loaded.unknown.dropped(), (std::vector<std::string>{"inventory[0].sockets"}));
  const Value saved = loaded.save();
  EXPECT_EQ(saved["inventory"], Value::array({item(2)}));
  EXPECT_EQ(saved["pets"], Value(1)) << "what can be kept is kept";
}

TEST(UnknownFields, of_elements_follow_the_identity) {
  Loaded<Player, ById> loaded;
  const Value sword =
      item(7, Value::map({{"sockets", 3}, {"engraving", settings(Value::map({{"font", 1}}))}}));
  ASSERT_TRUE(loaded.load(Value::map({{"inventory", Value::array({item(1), sword, item(3)})}})));
  std::swap(loaded.data.inventory[0], loaded.data.inventory[1]);
  loaded.data.inventory.pop_back();
  loaded.data.inventory.push_back({9, 1, {}});
  EXPECT_EQ(loaded.save()["inventory"], Value::array({sword, item(1), item(9)}));
}

TEST(UnknownFields, of_an_element_that_is_gone_do_not_come_to_another_of_its_identity_later) {
  Loaded<Player, ById> loaded;
  ASSERT_TRUE(loaded.load(
      Value::map({{"inventory", Value::array({item(7, Value::map({{"sockets", 3}}))})}})));
  loaded.data.inventory.clear();
  loaded.save();
  loaded.data.inventory.push_back({7, 1, {}});
  EXPECT_EQ(loaded.save()["inventory"], Value::array({item(7)}));
}

TEST(UnknownFields, of_two_elements_with_one_identity_refuse_the_record) {
  Loaded<Player, ById> loaded;
  const Value twins = Value::array({item(7, Value::map({{"sockets", 3}})), item(7)});
  const auto done = loaded.load(Value::map({{"inventory", twins}}));
  ASSERT_TRUE(done.is(Errc::too_new));
  EXPECT_EQ(done.error().path(), "inventory[0]");
  EXPECT_TRUE(loaded.load(Value::map({{"inventory", Value::array({item(7), item(7)})}})))
      << "without unknown fields an identity may be there twice";
}

TEST(UnknownFields, go_to_neither_of_two_elements_that_have_come_to_share_an_identity) {
  Loaded<Player, ById> loaded;
  const Value one = item(7, Value::map({{"sockets", 3}}));
  ASSERT_TRUE(loaded.load(Value::map({{"inventory", Value::array({one})}})));
  loaded.data.inventory.push_back(loaded.data.inventory[0]);
  EXPECT_EQ(loaded.save()["inventory"], Value::array({item(7), item(7)}));
  EXPECT_EQ(loaded.unknown.dropped(), (std::vector<std::string>{"inventory.7"}))
      << "and not unsaid";
  loaded.data.inventory.pop_back();
  EXPECT_EQ(loaded.save()["inventory"], Value::array({one})) << "the session still has them";
}

TEST(UnknownFields, an_unknown_enum_value_is_written_back_while_the_member_holds_its_place) {
  Loaded<Player> loaded;
  ASSERT_TRUE(loaded.load(Value::map({{"colour", "mauve"}})));
  EXPECT_EQ(loaded.data.colour, Colour::green) << "the default of the member";
  EXPECT_EQ(loaded.save()["colour"], Value("mauve"));
  loaded.data.colour = Colour::red;
  EXPECT_EQ(loaded.save()["colour"], Value("red"));
  loaded.data.colour = Colour::green;
  EXPECT_EQ(loaded.save()["colour"], Value("green")) << "the game's own, not the unknown one";
}

TEST(UnknownFields, an_unknown_enum_that_is_the_whole_record_is_forgotten_once_it_was_changed) {
  Loaded<Colour> loaded;
  ASSERT_TRUE(loaded.load(Value("mauve")));
  EXPECT_EQ(loaded.save(), Value("mauve"));
  loaded.data = Colour::green;
  EXPECT_EQ(loaded.save(), Value("green"));
  loaded.data = Colour::red;
  EXPECT_EQ(loaded.save(), Value("red")) << "the default, and not the unknown one";
}

TEST(UnknownFields, a_save_that_failed_leaves_no_marks_for_the_next) {
  Loaded<Player> loaded;
  ASSERT_TRUE(
      loaded.load(Value::map({{"profiles", Value::map({{"a", Value::map({{"hud", 1}})}})}})));
  test::RawWriter failing;
  failing.fail(Errc::too_large);
  EXPECT_FALSE(persist::schema::write<Player>(failing, loaded.data, loaded.unknown));
  loaded.data.profiles.clear();
  loaded.save();
  loaded.data.profiles["a"];
  EXPECT_EQ(loaded.save()["profiles"]["a"], settings());
}

TEST(Read, an_empty_array_is_an_empty_map_or_struct_at_the_root_too) {
  Loaded<Player> loaded;
  ASSERT_TRUE(loaded.load(Value::array()));
  ASSERT_TRUE(
      loaded.load(Value::map({{"settings", Value::array()}, {"profiles", Value::array()}})));
  EXPECT_EQ(loaded.data.settings.fov, 70);
  EXPECT_TRUE(loaded.load(Value::map({{"profiles", Value::array({1})}})).is(Errc::schema_mismatch));
}

TEST(UnknownFields, an_unknown_alternative_is_written_back_while_the_member_holds_its_place) {
  Loaded<Player> loaded;
  const Value wand = Value::map({{"Wand", Value::map({{"power", 9}})}});
  ASSERT_TRUE(loaded.load(Value::map({{"weapon", wand}})));
  EXPECT_EQ(loaded.save()["weapon"], wand);
  loaded.data.weapon = Bow{};
  EXPECT_EQ(loaded.save()["weapon"], Value::map({{"Bow", Value::map({{"draw", 3}})}}));
}

TEST(UnknownFields, of_an_alternative_do_not_come_to_another) {
  Loaded<std::variant<Bow, Settings>> loaded;
  const Value bow = Value::map({{"Bow", Value::map({{"draw", 3}, {"string", "silk"}})}});
  ASSERT_TRUE(loaded.load(bow));
  EXPECT_EQ(loaded.save(), bow);
  loaded.data = Settings{};
  EXPECT_EQ(loaded.save(), Value::map({{"Settings", settings()}}));
  loaded.data = Bow{};
  EXPECT_EQ(loaded.save(), Value::map({{"Bow", Value::map({{"draw", 3}})}})) << "it is another bow";
  EXPECT_TRUE(loaded.unknown.empty());
}

TEST(UnknownFields, in_an_alternative_are_refused_by_its_name) {
  Loaded<std::variant<Bow, std::string>> loaded;
  const auto done = loaded.load(Value::map({{"Bow", Value::map({{"draw", "far"}})}}));
  ASSERT_TRUE(done.is(Errc::schema_mismatch));
  EXPECT_EQ(done.error().path(), "Bow.draw");
}

TEST(UnknownFields, of_an_optional_that_is_emptied_do_not_come_to_what_fills_it_later) {
  Loaded<Player> loaded;
  ASSERT_TRUE(loaded.load(Value::map({{"maybe", settings(Value::map({{"hud", 1}}))}})));
  loaded.data.maybe->fov = 80;
  EXPECT_EQ(loaded.save()["maybe"]["hud"], Value(1)) << "it is still there";
  loaded.data.maybe.reset();
  EXPECT_EQ(loaded.save()["maybe"], Value());
  loaded.data.maybe.emplace();
  EXPECT_EQ(loaded.save()["maybe"], settings());

  Loaded<std::optional<Colour>> root;
  ASSERT_TRUE(root.load("mauve"));
  EXPECT_EQ(root.save(), Value("mauve"));
  root.data.reset();
  EXPECT_EQ(root.save(), Value());
  root.data.emplace();
  EXPECT_EQ(root.save(), Value("red"));
}

TEST(UnknownFields, an_unknown_enum_value_in_an_element_refuses_the_record) {
  Loaded<std::vector<Colour>> loaded;
  const auto done = loaded.load(Value::array({"red", "mauve"}));
  ASSERT_TRUE(done.is(Errc::too_new));
  EXPECT_EQ(done.error().path(), "[1]");
}

struct Traveller {
  int id = 0;
  Settings look;
  persist::Unknown rest;
};
struct Camp {
  std::vector<Traveller> travellers;
};

TEST(Unknown, a_member_of_that_type_travels_with_its_element) {
  Loaded<Camp> loaded;
  const Value ada =
      Value::map({{"id", 1}, {"look", settings(Value::map({{"hat", true}}))}, {"mood", 0.5}});
  const Value bob = Value::map({{"id", 1}, {"look", settings()}});
  ASSERT_TRUE(loaded.load(Value::map({{"travellers", Value::array({ada, bob})}})));
  std::swap(loaded.data.travellers[0], loaded.data.travellers[1]);
  loaded.data.travellers.push_back(loaded.data.travellers[1]);
  EXPECT_EQ(loaded.save()["travellers"], Value::array({bob, ada, ada}));
  EXPECT_TRUE(loaded.unknown.empty()) << "the session has none of it";
}

struct Painter {
  Colour colour = Colour::green;
  std::map<std::string, Settings> profiles;
  persist::Unknown rest;
};

TEST(Unknown, a_member_of_that_type_forgets_what_has_lost_its_place) {
  Loaded<std::vector<Painter>> loaded;
  const Value profiles = Value::map({{"a", settings(Value::map({{"hud", 1}}))}});
  ASSERT_TRUE(
      loaded.load(Value::array({Value::map({{"colour", "mauve"}, {"profiles", profiles}})})));
  EXPECT_EQ(loaded.save()[0]["colour"], Value("mauve"));
  EXPECT_EQ(loaded.save()[0]["profiles"], profiles);
  loaded.data[0].colour = Colour::red;
  loaded.data[0].profiles.clear();
  loaded.save();
  loaded.data[0].colour = Colour::green;
  loaded.data[0].profiles["a"];
  EXPECT_EQ(loaded.save()[0]["colour"], Value("green"));
  EXPECT_EQ(loaded.save()[0]["profiles"]["a"], settings());
}

}  // namespace
