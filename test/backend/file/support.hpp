#pragma once

#include <persist/backend/file.hpp>
#include <persist/testing/laws/backend/driver.hpp>

#include "support/made_disk.hpp"

#include <memory>
#include <optional>
#include <string>

namespace persist_test {

using persist::Errc;
using persist::backend::FileOptions;
using DiskFile = persist::backend::BasicFile<Disk>;
using persist::testing::ManualClock;
using persist::testing::Report;
using persist::testing::laws::Holding;
using persist::testing::laws::Outcome;
using persist::testing::laws::Taken;

/// A store in a folder on a disk in memory, with what a test does to it in few words.
class Bench {
 public:
  explicit Bench(Disk on = {}, FileOptions options = {}) : disk(std::move(on)), options_(options) {
    options_.clock = &clock;
    open();
  }
  void open() {
    driver.reset();
    file.reset();
    file.emplace("save", options_, disk);
    if (file->status()) driver.emplace(*file, clock, report);
  }
  void reopen() {
    close();
    open();
  }
  void close() {
    driver.reset();
    file.reset();
  }
  /// The process is killed, the machine goes on; then it is started again.
  void kill_and_open() {
    disk.kill();
    open();
  }
  void cut_power_and_open(std::uint64_t kept = 0) {
    disk.cut_power(kept);
    open();
  }
  /// Acquires and saves; says how the save went.
  persist::CommitRequest save(std::string_view key, std::string_view text) {
    const auto got = driver->acquire(key, driver->somebody(), persist::Intent::wait, {});
    persist::CommitRequest request;
    if (got.outcome != Taken::taken) {
      request.outcome = Outcome::failed;
      request.error = got.error;
      return request;
    }
    Holding holding{std::string(key), got.record.fence};
    auto draft = driver->next(holding);
    draft.data(text);
    request.changes = {&draft.bind(), 1};
    file->commit({&request, 1});
    request.changes = {};
    return request;
  }
  bool saved(std::string_view key, std::string_view text) {
    return save(key, text).outcome == Outcome::applied;
  }
  [[nodiscard]] std::string text(std::string_view key) {
    const auto got = driver->read(key);
    if (persist::failed(got.error))
      return std::string("error: ") + std::string(name(got.error.code()));
    return got.record.has_data ? std::string(persist::as_text(got.record.data)) : "nothing";
  }

  Disk disk;
  ManualClock clock;
  Report report;
  std::optional<DiskFile> file;
  std::optional<persist::testing::laws::Driver<DiskFile>> driver;

 private:
  FileOptions options_;
};

/// The newest segment's path on a bench's disk.
inline std::string newest_segment(const Disk& disk) {
  std::string newest;
  for (const std::string& name : disk.files())
    if (name.ends_with(".log")) newest = name;
  return newest;
}

}  // namespace persist_test
