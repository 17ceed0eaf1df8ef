#include <core/cycle.hpp>

#include <persist/persist.hpp>

namespace {

/// The store with its null policies: no lease, one thread.
struct Cycle {
  using Players =
      persist::Store<std::uint64_t, bench::Profile, persist::backend::Memory, persist::lock::None>;

  Cycle() {
    for (std::uint64_t key = 0; key < bench::records; ++key)
      bench::need(bool(players.overwrite(key, bench::make_profile(key))));
  }
  void run(std::uint64_t key) {
    auto session = players.load(key);
    bench::need(bool(session));
    session->edit()->coins += 1;
    bench::need(bool(session->save()));
    bench::need(bool(session->release()));
  }

  Players players{"Players", persist::backend::Memory{}};
};

}  // namespace

int main(int count, char** arguments) {
  return bench::run_cycles<Cycle>(count, arguments);
}
