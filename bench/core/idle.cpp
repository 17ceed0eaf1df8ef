#include <core/cycle.hpp>

#include <persist/persist.hpp>

#include <cstdio>
#include <vector>
#include <malloc.h>

// Bytes that an open, idle session costs beside its data and its key: what the heap grew by while
// 10,000 sessions on records that exist were opened.

namespace {

template <class LockPolicy>
double bytes_per_session() {
  using Players = persist::Store<std::uint64_t, bench::Small, persist::backend::Memory, LockPolicy>;
  constexpr std::uint64_t count = 10'000;
  Players players{"Players", persist::backend::Memory{}};
  std::size_t key_bytes = 0;
  for (std::uint64_t key = 0; key < count; ++key) {
    bench::need(bool(players.overwrite(key, bench::Small{})));
    key_bytes += std::to_string(key).size();
  }
  std::vector<typename Players::Session> open;
  open.reserve(count);
  const std::size_t before = mallinfo2().uordblks;
  for (std::uint64_t key = 0; key < count; ++key)
    open.push_back(*players.load(key));
  const std::size_t grown = mallinfo2().uordblks - before;
  return static_cast<double>(grown - key_bytes) / static_cast<double>(count) -
         static_cast<double>(sizeof(bench::Small));
}

}  // namespace

int main() {
  mallopt(M_MMAP_THRESHOLD, 1 << 30);  // what is mapped would not be counted
  std::printf("confined\t%.0f\n", bytes_per_session<persist::lock::Lease<>>());
  std::printf("shared\t%.0f\n",
              bytes_per_session<persist::access::Shared<persist::lock::Lease<>>>());
}
