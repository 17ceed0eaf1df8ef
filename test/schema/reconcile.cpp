#include <persist/schema/reconcile.hpp>

#include <persist/schema/policy.hpp>
#include <persist/schema/value.hpp>

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <tuple>
#include <variant>
#include <vector>

#include <gtest/gtest.h>

namespace {

using namespace persist;

enum class Colour { red, green };
struct Bow {
  int draw = 3;
};
struct Settings {
  int fov = 70;
  std::string name = "main";
};
struct Item {
  int id = 1;
  int count = 1;
};
struct Player {
  int level = 1;
  Colour colour = Colour::green;
  Settings settings;
  std::vector<Item> items;
  std::array<int, 2> slots{7, 7};
  std::tuple<int, Settings> pair{5, {}};
  std::variant<Bow, int> weapon = 4;
  std::optional<int> title = 2;
  std::map<std::string, Settings> looks{{"a", {}}};
  int cache = 9;
};
template <class Mode>
struct Save {
  using data_type = Player;
  using reconcile = Mode;
  using fields = Fields<Transient<&Player::cache>>;
};

struct Loaded {
  Player data;
  UnknownFields unknown;
  Result<void> done;
};
template <class Policy>
Loaded load(const Value& from) {
  Loaded loaded;
  schema::ValueReader in(from);
  loaded.done = schema::read<DataPolicy<Policy>>(in, loaded.data, loaded.unknown);
  return loaded;
}
Value whole() {
  return *schema::to_value<DataPolicy<Save<reconcile::Deep>>>(Player{});
}
Value without(Value from, std::string_view member) {
  from.erase(member);
  return from;
}
Value with(Value from, std::string_view member, Value value) {
  from[member] = std::move(value);
  return from;
}
/// The whole record, but for something that lies deeper.
std::vector<Value> partial() {
  return {with(whole(), "settings", Value::map({{"fov", 1}})),
          with(whole(), "settings", Value::array()),
          with(whole(), "items", Value::array({Value::map({{"id", 4}})})),
          with(whole(), "slots", Value::array({1})),
          with(whole(), "pair", Value::array({1})),
          with(whole(), "weapon", Value::map({{"Bow", Value::map()}})),
          with(whole(), "looks", Value::map({{"b", Value::map({{"fov", 3}})}}))};
}

TEST(Reconcile, takes_a_whole_record_in_every_mode) {
  EXPECT_TRUE(load<Save<reconcile::Deep>>(whole()).done);
  EXPECT_TRUE(load<Save<reconcile::Shallow>>(whole()).done);
  EXPECT_TRUE(load<Save<reconcile::Strict>>(whole()).done);
  EXPECT_TRUE(load<Save<reconcile::None>>(whole()).done);
}

TEST(Reconcile, deep_takes_the_defaults_at_every_depth) {
  for (const Value& record : partial())
    EXPECT_TRUE(load<Save<reconcile::Deep>>(record).done);
  const Loaded loaded = load<Save<reconcile::Deep>>(
      Value::map({{"settings", Value::map({{"fov", 1}})}, {"slots", Value::array({1})}}));
  ASSERT_TRUE(loaded.done);
  EXPECT_EQ(loaded.data.level, 1);
  EXPECT_EQ(loaded.data.settings.name, "main");
  EXPECT_EQ(loaded.data.slots, (std::array{1, 7}));
}

TEST(Reconcile, shallow_takes_the_defaults_of_the_root_alone) {
  const Loaded loaded = load<Save<reconcile::Shallow>>(Value::map({{"colour", "red"}}));
  ASSERT_TRUE(loaded.done) << loaded.done.error();
  EXPECT_EQ(loaded.data.level, 1);
  EXPECT_EQ(loaded.data.settings.fov, 70);
  std::vector<std::string> paths;
  for (const Value& record : partial()) {
    const auto done = load<Save<reconcile::Shallow>>(record).done;
    ASSERT_TRUE(done.is(Errc::schema_mismatch));
    paths.emplace_back(done.error().path());
  }
  EXPECT_EQ(paths,
            (std::vector<std::string>{"settings.name", "settings.fov", "items[0].count", "slots[1]",
                                      "pair[1]", "weapon.Bow.draw", "looks.b.name"}));
}

TEST(Reconcile, strict_refuses_whatever_is_missing) {
  for (const Value& record : partial())
    EXPECT_TRUE(load<Save<reconcile::Strict>>(record).done.is(Errc::schema_mismatch));
  const auto done = load<Save<reconcile::Strict>>(without(whole(), "level")).done;
  ASSERT_TRUE(done.is(Errc::schema_mismatch));
  EXPECT_EQ(done.error().path(), "level");
  EXPECT_EQ(done.error().found(), "nothing");
}

TEST(Reconcile, none_gives_no_default_at_any_depth) {
  const Loaded loaded = load<Save<reconcile::None>>(Value::map());
  ASSERT_TRUE(loaded.done);
  const Player& data = loaded.data;
  EXPECT_EQ(data.level, 0);
  EXPECT_EQ(data.colour, Colour::red);
  EXPECT_EQ(data.settings.fov, 0);
  EXPECT_EQ(data.settings.name, "");
  EXPECT_EQ(data.slots, (std::array{0, 0}));
  EXPECT_EQ(std::get<0>(data.pair), 0);
  EXPECT_EQ(std::get<1>(data.pair).fov, 0);
  EXPECT_EQ(std::get<Bow>(data.weapon).draw, 0);
  EXPECT_FALSE(data.title);
  EXPECT_TRUE(data.looks.empty());
  EXPECT_EQ(data.cache, 9) << "which no record has";
  const Loaded inside = load<Save<reconcile::None>>(Value::map(
      {{"items", Value::array({Value::map({{"id", 4}})})}, {"slots", Value::array({1})}}));
  ASSERT_TRUE(inside.done);
  EXPECT_EQ(inside.data.items[0].count, 0);
  EXPECT_EQ(inside.data.slots, (std::array{1, 0}));
}

// What does not fit.

struct Asking {
  using data_type = Player;
  using fields = Fields<Identity<&Item::id>>;
  static OnMismatch mismatch(const Mismatch& what) {
    asked.push_back(std::string(what.member) + '|' + std::string(what.path) + '|' +
                    std::string(what.expected) + '|' + std::string(what.found));
    if (what.value == Value("keep")) return OnMismatch::keep_default();
    if (what.value == Value("throw")) throw std::runtime_error("what is this");
    if (what.value.is_text()) return OnMismatch::convert(11);
    if (what.value.is_array()) return OnMismatch::convert("still wrong");
    return OnMismatch::fail();
  }
  static inline std::vector<std::string> asked;
};
Value saved(Loaded& loaded) {
  schema::ValueWriter out;
  EXPECT_TRUE(schema::write<DataPolicy<Asking>>(out, loaded.data, loaded.unknown));
  return out.take();
}

TEST(OnMismatch, is_not_asked_about_what_fits) {
  Asking::asked.clear();
  EXPECT_TRUE(load<Asking>(whole()).done);
  EXPECT_TRUE(Asking::asked.empty());
}

TEST(OnMismatch, keeps_the_default_and_what_was_stored) {
  Loaded loaded = load<Asking>(
      Value::map({{"level", "keep"}, {"weapon", "keep"}, {"settings", "keep"}, {"title", 5}}));
  ASSERT_TRUE(loaded.done) << loaded.done.error();
  EXPECT_EQ(loaded.data.level, 1);
  EXPECT_EQ(loaded.data.title, 5);
  EXPECT_EQ(saved(loaded)["level"], Value("keep"));
  EXPECT_EQ(saved(loaded)["weapon"], Value("keep")) << "a variant is not wrapped";
  EXPECT_EQ(saved(loaded)["settings"], Value("keep"));
  loaded.data.level = 2;
  loaded.data.settings.fov = 71;
  EXPECT_EQ(saved(loaded)["level"], Value(2)) << "the game's own now";
  EXPECT_EQ(saved(loaded)["settings"]["fov"], Value(71));
  EXPECT_EQ(saved(loaded)["weapon"], Value("keep"));
}

TEST(OnMismatch, converts_and_says_what_was_expected) {
  Asking::asked.clear();
  const Loaded loaded =
      load<Asking>(Value::map({{"settings", Value::map({{"fov", "wide"}, {"name", "x"}})}}));
  ASSERT_TRUE(loaded.done) << loaded.done.error();
  EXPECT_EQ(loaded.data.settings.fov, 11);
  EXPECT_EQ(loaded.data.settings.name, "x") << "what follows is read on";
  ASSERT_EQ(Asking::asked.size(), 1u);
  EXPECT_EQ(Asking::asked[0], "settings.fov|settings.fov|int32|the text 'wide'");
}

TEST(OnMismatch, is_asked_about_the_member_for_an_element_inside_it) {
  Asking::asked.clear();
  const auto done = load<Asking>(Value::map({{"slots", Value::array({1, "x"})}})).done;
  ASSERT_TRUE(done.is(Errc::schema_mismatch)) << "the conversion does not fit either";
  ASSERT_EQ(Asking::asked.size(), 1u);
  EXPECT_TRUE(Asking::asked[0].starts_with("slots|slots[1]|")) << Asking::asked[0];
}

TEST(OnMismatch, refuses_and_nobody_further_out_is_asked_again) {
  Asking::asked.clear();
  const auto done =
      load<Asking>(Value::map({{"settings", Value::map({{"fov", Value::map()}})}})).done;
  ASSERT_TRUE(done.is(Errc::schema_mismatch));
  EXPECT_EQ(done.error().path(), "settings.fov");
  EXPECT_EQ(Asking::asked.size(), 1u);
}

TEST(OnMismatch, that_throws_is_a_refusal) {
  const auto done = load<Asking>(Value::map({{"level", "throw"}})).done;
  ASSERT_TRUE(done.is(Errc::invalid));
  EXPECT_EQ(done.error().detail(), "the hook mismatch threw: what is this");
}

TEST(OnMismatch, keeps_nothing_where_no_path_leads_back) {
  const Value look = Value::map({{"b", Value::map({{"fov", "keep"}})}});
  EXPECT_TRUE(load<Asking>(Value::map({{"looks", look}})).done) << "a key leads back";
  const auto item = [](Value id) {
    return Value::map({{"items", Value::array({Value::map({{"id", id}, {"count", "keep"}})})}});
  };
  Loaded loaded = load<Asking>(item(4));
  ASSERT_TRUE(loaded.done) << "an identity does";
  EXPECT_EQ(saved(loaded)["items"][0]["count"], Value("keep"));
  const Value pair = Value::array({1, Value::map({{"fov", "keep"}})});
  EXPECT_TRUE(load<Asking>(Value::map({{"pair", pair}})).done);
}

TEST(OnMismatch, begins_anew_with_the_default) {
  struct Keeping {
    using data_type = Player;
    static OnMismatch mismatch(const Mismatch& what) {
      return what.member == "items" ? OnMismatch::keep_default() : OnMismatch::fail();
    }
  };
  Player data;
  UnknownFields unknown;
  const Value record =
      Value::map({{"items", Value::array({Value::map({{"id", 4}}), Value("junk")})}});
  schema::ValueReader in(record);
  ASSERT_TRUE(schema::read<DataPolicy<Keeping>>(in, data, unknown));
  EXPECT_TRUE(data.items.empty()) << "one had been read";
}

TEST(OnMismatch, keeps_the_default_that_the_struct_around_it_gives) {
  Loaded loaded;
  loaded.data.settings.fov = 90;  // as a default of Player might, or a load's template
  const Value record = Value::map({{"settings", Value::map({{"fov", "keep"}})}});
  schema::ValueReader in(record);
  loaded.done = schema::read<DataPolicy<Asking>>(in, loaded.data, loaded.unknown);
  ASSERT_TRUE(loaded.done) << loaded.done.error();
  EXPECT_EQ(loaded.data.settings.fov, 90);
  EXPECT_EQ(saved(loaded)["settings"]["fov"], Value("keep"));
}

struct Spot {
  double x = 0.123;
};
struct Rounding {
  using data_type = Spot;
  using fields = Fields<Quantised<&Spot::x, 0.01>>;
  static OnMismatch mismatch(const Mismatch&) { return OnMismatch::keep_default(); }
};

TEST(OnMismatch, keeps_what_was_stored_beside_a_default_that_is_written_rounded) {
  const Value record = Value::map({{"x", "far"}});
  schema::ValueReader in(record);
  Spot data;
  UnknownFields unknown;
  ASSERT_TRUE(schema::read<DataPolicy<Rounding>>(in, data, unknown));
  schema::ValueWriter out;
  ASSERT_TRUE(schema::write<DataPolicy<Rounding>>(out, data, unknown));
  EXPECT_EQ(out.take(), record);
  data.x = 0.456;
  schema::ValueWriter again;
  ASSERT_TRUE(schema::write<DataPolicy<Rounding>>(again, data, unknown));
  EXPECT_EQ(again.take()["x"], Value(0.46));
}

TEST(OnMismatch, forgets_what_was_kept_of_what_it_replaces) {
  struct Mending {
    using data_type = Player;
    static OnMismatch mismatch(const Mismatch& what) {
      Value mended = what.value;
      mended.erase("c");
      return OnMismatch::convert(std::move(mended));
    }
  };
  const Value good = Value::map({{"b", Value::map({{"fov", 1}, {"hud", 2}, {"name", "x"}})}});
  Player data;
  UnknownFields unknown;
  const Value record = Value::map({{"looks", with(good, "c", 5)}});
  schema::ValueReader in(record);
  const auto done = schema::read<DataPolicy<Mending>>(in, data, unknown);
  ASSERT_TRUE(done) << done.error();
  schema::ValueWriter out;
  ASSERT_TRUE(schema::write<DataPolicy<Mending>>(out, data, unknown));
  EXPECT_EQ(out.take()["looks"], good) << "and not twice";
}

static_assert(schema::detail::is_reconcile_mode<reconcile::None> &&
              !schema::detail::is_reconcile_mode<int>);
static_assert(std::is_same_v<schema::detail::RulesOf<Save<reconcile::Deep>>,
                             schema::detail::RulesOf<DataPolicy<Save<reconcile::Deep>>>>,
              "policies that say the same share their walks");

}  // namespace
