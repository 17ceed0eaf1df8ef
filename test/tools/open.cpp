#include <persistctl/open.hpp>

#include "store_case.hpp"

#include <string>

namespace persistctl {
namespace {

struct DatabasePlace : ::testing::Test {
  Folder folder;
};

TEST_F(DatabasePlace, is_a_folder_and_a_store_in_it) {
  const auto place = place_of("save", "EU:players");
  ASSERT_TRUE(place);
  EXPECT_EQ(place->folder, "save");
  EXPECT_EQ(place->store, "EU:players");
  EXPECT_FALSE(place->uri);
}

TEST_F(DatabasePlace, is_a_uri_with_a_store_behind_it) {
  const auto file = place_of("", "file:/srv/save#Players");
  ASSERT_TRUE(file);
  EXPECT_EQ(file->folder, "/srv/save");
  EXPECT_EQ(file->store, "Players");
  const auto sqlite = place_of("", "sqlite:/srv/game.db");
  ASSERT_TRUE(sqlite && sqlite->uri);
  EXPECT_EQ(sqlite->folder, "");
  EXPECT_EQ(sqlite->store, "");
}

TEST_F(DatabasePlace, that_makes_no_sense_or_shows_a_password_is_refused) {
  EXPECT_TRUE(place_of("", "file:save?durability=relaxed&wait=5s#Players"));
  for (const char* text : {"", "Players", "file:", "file:save?colour=red", ":", "x y:z"})
    EXPECT_TRUE(place_of("", text).is(Errc::invalid)) << text;
  const auto secret = place_of("", "postgres://ann:secret@host/db");
  ASSERT_TRUE(secret.is(Errc::invalid));
  EXPECT_EQ(secret.error().message().find("secret"), std::string::npos);
}

TEST_F(DatabasePlace, is_made_by_an_import_alone) {
  const Place place{folder / "save", std::nullopt, ""};
  EXPECT_FALSE(open_database(place, For::reading));
  EXPECT_FALSE(open_database(place, For::writing));
  EXPECT_FALSE(std::filesystem::exists(folder / "save"));
  EXPECT_TRUE(open_database(place, For::importing));
  EXPECT_TRUE(open_database(place, For::reading));
  EXPECT_TRUE(open_database(place, For::writing));
}

TEST_F(DatabasePlace, in_sqlite_is_made_by_an_import_alone) {
  const auto place = place_of("", "sqlite:" + (folder / "game.db"));
  ASSERT_TRUE(place);
  EXPECT_FALSE(open_database(*place, For::reading));
  EXPECT_FALSE(open_database(*place, For::writing));
  EXPECT_FALSE(std::filesystem::exists(folder / "game.db"));
}

TEST_F(DatabasePlace, of_a_folder_is_read_while_a_server_has_it) {
  File server(folder / "save");
  const Place place{folder / "save", std::nullopt, ""};
  EXPECT_TRUE(open_database(place, For::reading));
  EXPECT_TRUE(open_database(place, For::writing).is(Errc::locked));
}

}  // namespace
}  // namespace persistctl
