#include <persist/persist.hpp>

#include <persistctl/audit.hpp>

#include "store_case.hpp"

#include <cstdint>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace persistctl {
namespace {

struct Pet {
  std::uint64_t id = 0;
};
struct Keeper {
  std::int64_t coins = 0;
  std::vector<Pet> pets;
  persist::audit::Ledger<16> ledger;
};

template <class Place>
class AuditCase : public StoreCase<Place> {
 protected:
  using Keepers = persist::Store<std::string, Keeper, typename Place::Backend>;

  AuditCase() {
    Keepers keepers("Players", this->place.backend, {.clock = &this->place.clock});
    for (const auto& [key, sign] : {std::pair("ann", -1), std::pair("bob", 1)}) {
      Keeper keeper;
      keeper.coins = 100 + 30 * sign;
      keeper.ledger.made("coins", 100, "start"), keeper.ledger.moved("coins", 30 * sign, "gift 1");
      keeper.pets = {{sign < 0 ? 1U : 2U}};
      EXPECT_TRUE(keepers.overwrite(key, keeper));
    }
  }
  void change(const char* key, void (*fn)(Keeper&)) {
    Keepers keepers("Players", this->place.backend, {.clock = &this->place.clock});
    EXPECT_TRUE(keepers.update(key, fn));
  }
  [[nodiscard]] Audited look(const char* amount = "/coins") {
    AuditPlan plan;
    plan.amounts = {{"coins", amount}};
    plan.unique = {"/pets/*/id"};
    auto audited = audit_store(this->place.backend, this->store, std::move(plan));
    EXPECT_TRUE(audited) << audited.error();
    return audited ? *std::move(audited) : Audited();
  }
  [[nodiscard]] std::string text_of(const Audited& audited) {
    std::ostringstream out;
    EXPECT_TRUE(write_findings(audited.report, out));
    return out.str();
  }
};
TYPED_TEST_SUITE(AuditCase, Places);

TYPED_TEST(AuditCase, says_what_there_is_where_all_is_well) {
  const Audited audited = this->look();
  EXPECT_TRUE(audited.report.is_clean());
  EXPECT_TRUE(audited.unreadable.empty());
  EXPECT_EQ(this->text_of(audited), R"({"what":"coins","made":200,"destroyed":0,"there":200})"
                                    "\n"
                                    R"({"records":2,"lines":4,"shortened":0})"
                                    "\n");
}

TYPED_TEST(AuditCase, each_finding_is_a_line) {
  this->change("ann", [](Keeper& ann) {
    ann.coins += 5;
    ann.pets.push_back({2});
    ann.ledger.moved("coins", -7, "gift 2");
  });
  const std::string text = this->text_of(this->look());
  EXPECT_NE(
      text.find(R"({"finding":"mismatch","key":"ann","what":"coins","explained":63,"there":75})"),
      std::string::npos)
      << text;
  EXPECT_NE(
      text.find(R"({"finding":"open move","name":"gift 2","what":"coins","sum":-7,"since":")"),
      std::string::npos)
      << text;
  EXPECT_NE(text.find(R"({"finding":"duplicate","id":"2","keys":["ann","bob"]})"),
            std::string::npos)
      << text;
}

TYPED_TEST(AuditCase, what_lies_at_a_path_and_is_no_number_is_named) {
  const Audited audited = this->look("/pets");
  ASSERT_EQ(audited.unreadable.size(), 2U);
  EXPECT_EQ(audited.unreadable[0].code(), Errc::schema_mismatch);
  EXPECT_EQ(audited.unreadable[0].key(), "ann");
}

TYPED_TEST(AuditCase, a_path_that_leads_nowhere_counts_as_nothing) {
  const Audited audited = this->look("/gems");
  EXPECT_EQ(audited.report.mismatches.size(), 2U);
  EXPECT_EQ(audited.unseen, std::vector<std::string>{"/gems"}) << "and is said to";
  EXPECT_TRUE(this->look().unseen.empty());
}

TEST(AuditPaths, are_read_or_refused) {
  const auto named = read_paths("coins=/coins,wood=/bag/*/wood", true);
  ASSERT_TRUE(named && named->size() == 2);
  EXPECT_EQ((*named)[1], (std::pair<std::string, std::string>("wood", "/bag/*/wood")));
  EXPECT_EQ(read_paths("/a,/b", false)->size(), 2U);
  EXPECT_TRUE(read_paths("", true)->empty());
  for (const char* wrong : {"coins", "=/coins", "coins=coins", "a=/~2", "a=/x,b"})
    EXPECT_TRUE(read_paths(wrong, true).is(Errc::invalid)) << wrong;
}

}  // namespace
}  // namespace persistctl
