#include <persist/backend/file/recover.hpp>

#include <map>
#include <string>
#include <vector>

#include <fuzz/file_log.hpp>
#include <fuzz/source.hpp>
#include <fuzz/target.hpp>

namespace {

using namespace persist;
using persist_test::Bench;

std::map<std::string, std::vector<std::byte>> files_of(const persist_test::Disk& disk) {
  std::map<std::string, std::vector<std::byte>> all;
  for (const std::string& name : disk.files())
    if (!name.ends_with("/lock")) all.emplace(name, disk.bytes(name));
  return all;
}

}  // namespace

// Opening a folder that is not what it was: its files were damaged (the first byte is even), or
// somebody wrote a log that makes no sense with sums that do. It opens or is refused; what opens is
// served, and after mere damage it is a state that the records once had.
FUZZ_TARGET(file_log) {
  static const fuzz::GoodLog good;
  fuzz::Source from(input);
  const bool is_damaged = !from.flag();
  const persist_test::Disk disk = is_damaged ? fuzz::damaged(good, from) : fuzz::made_up(from);
  const auto before = files_of(disk);
  Bench bench(disk, {.segment_bytes = 4096});
  if (const auto opened = bench.file->status(); !opened) {
    fuzz::require(
        opened.is(Errc::corrupt) || opened.is(Errc::too_new) || opened.is(Errc::unsupported),
        "damage is named as such");
    fuzz::require(files_of(disk) == before, "what is refused is left as it is");
    return false;
  }
  std::map<std::string, std::string> state;
  bool all_read = true;
  for (const char* key : {"a", "b", "c"}) {
    state[key] = bench.text(key);
    all_read = all_read && !state[key].starts_with("error");
  }
  fuzz::require(!is_damaged || !all_read || good.was_so_once(state),
                "nothing is there that never was");
  bench.clock.advance(std::chrono::hours(24));
  if (bench.saved("a", "goes on")) {
    fuzz::require(bench.text("a") == "goes on", "what was saved is there");
    bench.kill_and_open();
    fuzz::require(bench.file->status() && bench.text("a") == "goes on", "and stays");
  }
  return true;
}
