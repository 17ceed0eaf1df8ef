// builds: single

#include <persist/schema/fields.hpp>

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#if PERSIST_HAS_HANA
#include <boost/hana/adapt_struct.hpp>
#include <boost/hana/define_struct.hpp>
#endif

namespace {

namespace schema = persist::schema;

class Wallet {
 public:
  int coins_ = 7;

 private:
  std::string owner_ = "ada";

 public:
  static constexpr auto persist_fields =
      persist::fields<&Wallet::coins_, persist::field<&Wallet::owner_, "owner">>;
};

template <class T>
std::vector<std::string_view> names_of() {
  std::vector<std::string_view> names;
  T object{};
  schema::for_each_field(object, [&](std::string_view name, auto&) { names.push_back(name); });
  return names;
}
using Names = std::vector<std::string_view>;

TEST(Fields, a_list_describes_private_members_and_gives_them_names) {
  EXPECT_EQ(names_of<Wallet>(), (Names{"coins_", "owner"}));
  static_assert(schema::field_count<Wallet> == 2);
  static_assert(schema::field_name<Wallet, 1>() == "owner");
}

TEST(Fields, a_plain_aggregate_needs_no_description) {
  struct Plain {
    int level = 3;
    std::string guild = "g";
  };
  EXPECT_EQ(names_of<Plain>(), (Names{"level", "guild"}));
}

TEST(Fields, members_can_be_changed_and_constants_read) {
  Wallet wallet;
  schema::for_each_field(wallet, [](std::string_view, auto& member) {
    if constexpr (std::is_same_v<decltype(member), int&>) member = 9;
  });
  EXPECT_EQ(wallet.coins_, 9);
  const Wallet constant;
  std::size_t count = 0;
  schema::for_each_field(constant, [&](std::string_view, const auto&) { ++count; });
  EXPECT_EQ(count, 2u);
}

#define PERSIST_TEST_TEN(p) \
  int p##0 {}, p##1 {}, p##2 {}, p##3 {}, p##4 {}, p##5 {}, p##6 {}, p##7 {}, p##8 {}, p##9 {}
#define PERSIST_TEST_LIST(p)                                                                 \
  &Huge::p##0, &Huge::p##1, &Huge::p##2, &Huge::p##3, &Huge::p##4, &Huge::p##5, &Huge::p##6, \
      &Huge::p##7, &Huge::p##8, &Huge::p##9
struct Huge {
  PERSIST_TEST_TEN(a);
  PERSIST_TEST_TEN(b);
  PERSIST_TEST_TEN(c);
  PERSIST_TEST_TEN(d);
  PERSIST_TEST_TEN(e);
  PERSIST_TEST_TEN(f);
  PERSIST_TEST_TEN(g);
  static constexpr auto persist_fields =
      persist::fields<PERSIST_TEST_LIST(a), PERSIST_TEST_LIST(b), PERSIST_TEST_LIST(c),
                      PERSIST_TEST_LIST(d), PERSIST_TEST_LIST(e), PERSIST_TEST_LIST(f),
                      PERSIST_TEST_LIST(g)>;
};

TEST(Fields, a_list_goes_further_than_sixty_four) {
  static_assert(schema::field_count<Huge> == 70);
  static_assert(schema::field_name<Huge, 69>() == "g9");
}

#if PERSIST_HAS_HANA
struct Adapted {
  int coins = 1;
  std::string name = "n";
};
struct Defined {
  BOOST_HANA_DEFINE_STRUCT(Defined, (int, first), (std::string, second));
};
#endif

}  // namespace

#if PERSIST_HAS_HANA
BOOST_HANA_ADAPT_STRUCT(Adapted, coins, name);

namespace {

static_assert(schema::described<Adapted> && schema::described<Defined>);

TEST(Fields, hana_describes_a_struct) {
  EXPECT_EQ(names_of<Adapted>(), (Names{"coins", "name"}));
  EXPECT_EQ(names_of<Defined>(), (Names{"first", "second"}));
  Defined object{};
  schema::for_each_field(object, [](std::string_view, auto& member) {
    if constexpr (std::is_same_v<decltype(member), int&>) member = 5;
  });
  EXPECT_EQ(object.first, 5);
}

}  // namespace
#endif
