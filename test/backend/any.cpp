#include <persist/backend/any.hpp>

#include <persist/persist.hpp>

#include "backend/law_cases.hpp"

#include <cstdlib>
#include <filesystem>

#include <unistd.h>

namespace {

using persist::Errc;
using persist::backend::Any;
using persist::backend::AnyOf;
using persist::backend::File;
using persist::backend::Memory;
using persist::backend::Needs;
using persist::testing::ManualClock;

static_assert(persist::transactional_backend<Any> && persist::versioned_backend<Any>);
static_assert(persist::queries_indexes<Any> && persist::holds_schemas<Any>);
static_assert(persist::scans_keys<Any> && persist::judges_leases<Any>);
static_assert(persist::watched_backend<Any> && persist::limits_data<Any>);
using Modest = AnyOf<Needs{.transactions = false, .indexes = false}>;
static_assert(persist::record_backend<Modest> && !persist::transactional_backend<Modest>);
static_assert(!persist::queries_indexes<Modest> && persist::scans_keys<Modest>);

struct AnyFolder {
  AnyFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "persist-XXXXXX").string();
    if (::mkdtemp(name.data()) != nullptr) path = name;
  }
  AnyFolder(const AnyFolder&) = delete;
  AnyFolder& operator=(const AnyFolder&) = delete;
  ~AnyFolder() { std::filesystem::remove_all(path); }
  std::string path;
};

const int laws_in_memory = persist_test::register_laws<Any>(
    "LawsOnAnyMemory", [](ManualClock& clock) { return Any(Memory(clock)); });
const int laws_in_a_folder = persist_test::register_laws<Any>(
    "LawsOnAnyFile", [folder = std::shared_ptr<AnyFolder>()](ManualClock& clock) mutable {
      folder = std::make_shared<AnyFolder>();
      const std::string uri = "file:" + folder->path + "/saves?durability=relaxed";
      return *persist::backend::open(uri, &clock);
    });

struct AnyBackend : ::testing::Test {};

TEST_F(AnyBackend, holds_to_every_law) {
  const std::size_t laws = persist::testing::backend_laws<Any>().size();
  EXPECT_EQ(laws, persist::testing::backend_laws<Memory>().size());
  EXPECT_EQ(static_cast<std::size_t>(laws_in_memory), laws);
  EXPECT_EQ(static_cast<std::size_t>(laws_in_a_folder), laws);
}

TEST_F(AnyBackend, is_chosen_by_a_uri) {
  const AnyFolder folder;
  auto memory = persist::backend::open("memory:");
  auto file = persist::backend::open("file:" + folder.path + "/saves");
  ASSERT_TRUE(memory && file);
  EXPECT_NE(memory->get<Memory>(), nullptr);
  EXPECT_EQ(memory->get<File>(), nullptr);
  const Any& same = *memory;
  EXPECT_NE(same.get<Memory>(), nullptr);
  EXPECT_EQ(same.get<File>(), nullptr);
  ASSERT_NE(file->get<File>(), nullptr);
  EXPECT_EQ(file->get<File>()->opened_by().process, static_cast<std::uint64_t>(::getpid()));
}

TEST_F(AnyBackend, keeps_what_a_store_saved_in_it) {
  const AnyFolder folder;
  const std::string uri = "file:" + folder.path + "/saves";
  using Players = persist::Store<std::uint64_t, int, Any>;
  {
    Players players("players", *persist::backend::open(uri), {.server_id = "eu-1"});
    auto session = players.load(7u);
    ASSERT_TRUE(session);
    *session->edit() = 41;
    ASSERT_TRUE(session->release());
  }
  Players players("players", *persist::backend::open(uri), {.server_id = "eu-1"});
  EXPECT_EQ(players.peek(7u)->data, 41);
}

TEST_F(AnyBackend, says_why_it_does_not_open) {
  const auto refused = [](std::string_view uri) {
    const auto opened = persist::backend::open(uri);
    EXPECT_FALSE(opened) << uri;
    return opened ? std::string() : opened.error().message();
  };
  EXPECT_TRUE(persist::backend::open("redis://ann:secret@host").is(Errc::unsupported));
  const std::string unknown = refused("redis://ann:secret@host");
  EXPECT_NE(unknown.find("memory:, file:"), std::string::npos) << unknown;
  EXPECT_EQ(unknown.find("secret"), std::string::npos) << unknown;
  EXPECT_NE(refused("file:").find("names no file"), std::string::npos);
  EXPECT_NE(refused("memory:here").find("memory has none"), std::string::npos);
  EXPECT_NE(refused("file:x?colour=red").find("colour"), std::string::npos);
  EXPECT_NE(refused("file:x?durability=some").find("full or relaxed"), std::string::npos);
  EXPECT_NE(refused("file:x?wait=long").find("a time like"), std::string::npos);
  EXPECT_NE(refused("saves").find("no URI"), std::string::npos);
  EXPECT_TRUE(persist::backend::open("file:/nowhere/at/all").is(Errc::io));
}

TEST_F(AnyBackend, knows_whether_two_are_one_database) {
  Memory memory;
  const Any one{memory};
  const Any same{memory};
  const Any other{Memory()};
  EXPECT_TRUE(one.same_database(same));
  EXPECT_TRUE(one.same_database(Any(one)));
  EXPECT_FALSE(one.same_database(other));
}

}  // namespace
