#pragma once

#include <support/world.hpp>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <stdlib.h>

namespace test {

using persist::Spilled;

/// A world with a folder for what is spilled, and a database that can be down.
struct SpillCase : World {
  SpillCase() {
    std::string name = testing::TempDir() + "persist-spill-XXXXXX";
    if (::mkdtemp(name.data()) != nullptr) root = name;
    folder = root + "/spill";
  }
  ~SpillCase() override { std::filesystem::remove_all(root); }

  persist::StoreOptions spilling(std::string server = "eu-1") {
    auto told = options(std::move(server));
    told.spill = folder;
    return told;
  }
  Players open_spilling(std::string server = "eu-1") {
    return Players("players", db, spilling(std::move(server)));
  }
  void down(Errc code = Errc::unavailable) { db.fail_commits(code, 1'000); }
  void up() { db.script().commits.clear(); }
  /// A player's coins are set and cannot be saved before the store closes.
  void spill_coins(std::uint64_t key, std::int64_t coins) {
    auto players = open_spilling();
    auto session = players.load(key);
    ASSERT_TRUE(session) << session.error();
    session->edit()->coins = coins;
    down();
    EXPECT_EQ(players.close_all(10s), 1U);
    up();
    lines.clear();
  }
  /// The names of the entries' files that end so.
  [[nodiscard]] std::vector<std::string> files(std::string_view end = {}) const {
    std::vector<std::string> found;
    if (!std::filesystem::exists(folder)) return found;
    for (const auto& each : std::filesystem::directory_iterator(folder)) {
      const std::string name = each.path().filename().string();
      if (!name.ends_with(".lock") && (end.empty() || name.ends_with(end))) found.push_back(name);
    }
    std::sort(found.begin(), found.end());
    return found;
  }
  [[nodiscard]] std::string bytes_of(const std::string& file) const {
    std::ifstream in(folder + "/" + file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  void write(const std::string& file, const std::string& bytes) const {
    std::ofstream(folder + "/" + file, std::ios::binary) << bytes;
  }
  /// What the store tells of the one entry that was not sent.
  template <class Store>
  [[nodiscard]] static Spilled only(Store& store) {
    const auto all = store.spilled();
    EXPECT_TRUE(all) << all.error();
    EXPECT_EQ(all ? all->size() : 0, 1U);
    return all && !all->empty() ? all->front() : Spilled();
  }

  std::string root, folder;
};

}  // namespace test
