#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <backend/file/support.hpp>
#include <fuzz/source.hpp>

namespace fuzz {

/// A folder of several segments with a little of everything, and each save that made it, in order.
struct GoodLog {
  GoodLog() {
    persist_test::Bench bench({}, {.segment_bytes = 4096});
    const auto save = [&](std::string key, std::string text) {
      if (!bench.saved(key, text)) std::abort();
      bench.clock.advance(std::chrono::minutes(2));  // the lease is over
      history.emplace_back(std::move(key), std::move(text));
    };
    for (int round = 0; round < 12; ++round) {
      save("a", "a" + std::to_string(round) + std::string(200, 'x'));
      save("b", "b" + std::to_string(round) + std::string(600, 'y'));
      if (round == 4) bench.kill_and_open();
      if (round == 6) bench.reopen();
      if (round == 7) (void)bench.driver->post("c", 7, "a gift");
      if (round == 8) (void)bench.driver->erase("c");
    }
    save("c", "the last");
    bench.close();
    disk = bench.disk.copy();
  }
  /// Whether that is what was there after some of the saves and none of those behind them.
  [[nodiscard]] bool was_so_once(const std::map<std::string, std::string>& state) const {
    std::map<std::string, std::string> then = {
        {"a", "nothing"}, {"b", "nothing"}, {"c", "nothing"}};
    bool found = then == state;
    for (const auto& [key, text] : history)
      then[key] = text, found = found || then == state;
    return found;
  }

  persist_test::Disk disk;
  std::vector<std::pair<std::string, std::string>> history;
};

/// The folder with the changes that the input asks for.
inline persist_test::Disk damaged(const GoodLog& good, Source& from) {
  persist_test::Disk disk = good.disk.copy();
  const auto files = disk.files();
  for (int times = 0; times < 8 && !from.empty(); ++times) {
    auto& bytes = disk.bytes(files[from.below(files.size())]);
    const std::size_t at = bytes.empty() ? 0 : from.number<std::uint16_t>() % bytes.size();
    const auto here = bytes.begin() + static_cast<std::ptrdiff_t>(at);
    switch (from.below(4)) {
      case 0:
        if (!bytes.empty()) *here ^= std::byte{from.byte()};
        break;
      case 1:
        bytes.resize(at);
        break;
      case 2:
        bytes.insert(here, from.byte(), std::byte{from.byte()});
        break;
      default:  // something is there twice
        const auto count = std::min<std::size_t>(from.number<std::uint16_t>(), bytes.size() - at);
        const std::vector<std::byte> copy(here, here + static_cast<std::ptrdiff_t>(count));
        bytes.insert(bytes.end(), copy.begin(), copy.end());
    }
  }
  return disk;
}

/// A log of one segment whose batches, with sums that match, hold whatever the input says: two
/// bytes of length and a payload each.
inline persist_test::Disk made_up(Source& from) {
  using namespace persist;
  constexpr std::uint64_t salt = 0x1122334455667788;
  Buffer bytes;
  backend::file::SegmentHeader{1, salt, 1, 1}.write(bytes);
  for (std::uint64_t sequence = 1; !from.empty(); ++sequence) {
    const std::size_t length = from.byte() + std::size_t{256} * from.byte();
    Buffer batch;
    (void)batch.grow(backend::file::batch_header_size);
    batch.append(from.take(length));
    backend::file::seal(batch, {salt, sequence, sequence - 1, 0, 0});
    bytes.append(batch);
  }
  persist_test::Disk disk;
  (void)disk.make_folder("save");
  const auto file = disk.open("save/00000001.log", persist_test::Access::create);
  (void)disk.write_at(*file, 0, bytes.view());
  (void)disk.sync(*file), (void)disk.sync_folder("save"), (void)disk.sync_folder(".");
  return disk;
}

}  // namespace fuzz
