#include <persist/backend/sqlite.hpp>

#include "backend/law_cases.hpp"

#include <filesystem>

namespace {

using persist::backend::Sqlite;

struct SqliteFolder {
  SqliteFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "persist-XXXXXX").string();
    if (::mkdtemp(name.data()) != nullptr) path = name;
  }
  ~SqliteFolder() { std::filesystem::remove_all(path); }
  SqliteFolder(const SqliteFolder&) = delete;
  SqliteFolder& operator=(const SqliteFolder&) = delete;
  std::string operator/(const char* name) const { return path + "/" + name; }
  std::string path;
};

static_assert(persist::transactional_backend<Sqlite> && persist::versioned_backend<Sqlite>);
static_assert(persist::queries_indexes<Sqlite> && persist::holds_schemas<Sqlite>);
static_assert(persist::limits_data<Sqlite> && persist::judges_leases<Sqlite>);
static_assert(!persist::watched_backend<Sqlite>);

/// Each law has a file of its own; without syncs, which no law can tell.
const int sqlite_laws = persist_test::register_laws<Sqlite>(
    "LawsOnSqlite",
    [folder = std::shared_ptr<SqliteFolder>()](persist::testing::ManualClock& clock) mutable {
      folder = std::make_shared<SqliteFolder>();
      return Sqlite(*folder / "save.db",
                    {.durability = persist::backend::Durability::relaxed, .clock = &clock});
    });

TEST(Sqlite, HoldsToEveryLaw) {
  EXPECT_EQ(static_cast<std::size_t>(sqlite_laws), persist::testing::backend_laws<Sqlite>().size());
}

}  // namespace
