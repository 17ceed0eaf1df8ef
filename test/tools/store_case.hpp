#pragma once

#include <persist/backend/file.hpp>
#include <persist/backend/memory.hpp>
#include <persist/testing/manual_clock.hpp>

#include <persistctl/export.hpp>
#include <persistctl/import.hpp>

#include <filesystem>
#include <sstream>
#include <string>

#include <gtest/gtest.h>

#include <stdlib.h>

#include <support/made_backends.hpp>

// A store in each backend that the tool is tested on.

namespace persistctl {

struct InMemory {
  using Backend = persist::backend::Memory;
  persist::testing::ManualClock clock;
  Backend backend{clock};
};

/// A folder that is gone when the test ends.
class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "persistctl-XXXXXX").string();
    if (::mkdtemp(name.data()) != nullptr) path_ = name;
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() { std::filesystem::remove_all(path_); }
  [[nodiscard]] std::string operator/(const char* name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

struct InFile {
  using Backend = persist::backend::File;
  Folder folder;
  persist::testing::ManualClock clock;
  Backend backend{folder / "save", {.clock = &clock}};
};

using Places = testing::Types<InMemory, InFile>;

template <class Place>
class StoreCase : public testing::Test {
 protected:
  using Backend = typename Place::Backend;

  StoreCase() {
    auto opened = open_store(place.backend, "Players", true);
    EXPECT_TRUE(opened) << opened.error();
    store = *opened;
  }
  /// Imports a text; the file of its messages is called `in`.
  [[nodiscard]] Result<ImportReport> import(const std::string& text, ImportOptions options = {}) {
    std::istringstream in(text);
    Import import(place.backend, store, std::move(options));
    if (auto done = import.run(in, "in"); !done) return done.error();
    return import.report();
  }
  [[nodiscard]] std::string exported(bool all = false) {
    std::ostringstream out;
    const auto report = export_store(place.backend, store, out, {.all = all});
    EXPECT_TRUE(report && report->unreadable.empty());
    return out.str();
  }
  [[nodiscard]] persist::ReadRequest read(std::string_view key) {
    persist::ReadRequest record;
    record.store = store.id;
    record.key = key;
    place.backend.read(std::span(&record, 1));
    EXPECT_FALSE(failed(record.error)) << record.error;
    return record;
  }

  Place place;
  OpenedStore store;
};

/// A profile as ProfileStore writes it, with these parts in place of empty ones.
struct ProfileText {
  std::string key = "Player_1";
  std::string data = R"({"coins":5})";
  std::string meta = R"({"ProfileCreateTime":1600000000,"SessionLoadCount":7,"MetaTags":{}})";
  std::string roblox = "[]";
  std::string users = "[]";
  std::string messages = "[0,[]]";

  operator std::string() const {
    return R"({"key":")" + key + R"(","value":{"Data":)" + data + R"(,"MetaData":)" + meta +
           R"(,"RobloxMetaData":)" + roblox + R"(,"UserIds":)" + users + R"(,"GlobalUpdates":)" +
           messages + "}}\n";
  }
};

}  // namespace persistctl
