#pragma once

#include <support/world.hpp>

#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "spill_case.hpp"

namespace test {

/// What a user may have: characters of his own, and a guild with others.
struct Owned {
  std::uint64_t id = 0;
  std::vector<std::uint64_t> users;
};
struct OwnedKey {
  using value_type = Owned;
  static void spell(const Owned& key, persist::KeyBuffer& out) {
    out.append(std::to_string(key.id));
  }
  static void spell(std::uint64_t id, persist::KeyBuffer& out) { out.append(std::to_string(id)); }
  static void user_ids(const Owned& key, persist::UserIds& out) {
    for (const std::uint64_t user : key.users)
      out.add(user);
  }
};
struct OwnedSave {
  struct Data {
    std::int64_t coins = 0;
    std::string name;
    double luck = 0;
  };
  using data_type = Data;
  using message = std::variant<Gift, Letter>;
  using fields = persist::Fields<persist::Renamed<&Data::name, "called">>;
  using indexes = persist::Indexes<persist::Index<"coins", &Data::coins>>;
};
using Characters = persist::Store<OwnedKey, OwnedSave, Db>;

struct Users : SpillCase {
  Characters characters{"characters", db, options()};

  Characters::Session make(std::uint64_t id, std::vector<std::uint64_t> users) {
    auto session = *characters.load(Owned{id, std::move(users)});
    session.edit()->coins = static_cast<std::int64_t>(id);
    session.edit()->name = "no " + std::to_string(id);
    return session;
  }
  void save(std::uint64_t id, std::vector<std::uint64_t> users) {
    ASSERT_TRUE(make(id, std::move(users)).release());
  }
  static std::vector<Errc> whys(const persist::UserErased& report) {
    std::vector<Errc> all;
    for (const persist::Missed& each : report.refused)
      all.push_back(each.why.code());
    return all;
  }
};

}  // namespace test
