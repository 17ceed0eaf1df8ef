#include <persist/testing/laws/backend.hpp>

#include <persist/backend/memory.hpp>

#include <gtest/gtest.h>

namespace {

using persist::backend::Memory;
using persist::testing::backend_laws;
using persist::testing::ManualClock;

/// Forgets the fence: what a law is for.
struct Unfenced : Memory {
  using Memory::Memory;
  void commit(std::span<persist::CommitRequest> batch) {
    for (auto& request : batch)
      for (auto& change : request.changes) {
        persist::ReadRequest now{change.store, change.key};
        read({&now, 1});
        change.fence.epoch = now.record.fence.epoch;
        change.fence.owner = now.record.fence.owner;
      }
    Memory::commit(batch);
  }
};

TEST(BackendLaws, ABackendWithoutAFenceBreaksThem) {
  std::size_t broken = 0;
  for (const auto& law : backend_laws<Unfenced>()) {
    ManualClock clock;
    Unfenced backend(clock);
    broken += law(backend, clock).passed() ? 0 : 1;
  }
  EXPECT_GE(broken, 8u);
}

/// Keeps indexes, and writes them beside the commit: what is refused changes them too.
struct BesideTheCommit : Memory {
  using Memory::Memory;
  void commit(std::span<persist::CommitRequest> batch) {
    for (auto& request : batch)
      for (auto& change : request.changes)
        if (change.indexed != nullptr) (void)sets.set_entries(change.key, *change.indexed);
    Memory::commit(batch);
  }
  void query(std::span<persist::IndexRequest> batch) {
    for (auto& request : batch)
      sets.query(request);
  }
  persist::IndexSets sets;
};

TEST(BackendLaws, ABackendWhoseIndexesAreNotInTheCommitBreaksThem) {
  std::size_t broken = 0;
  for (const auto& law : persist::testing::index_laws<BesideTheCommit>()) {
    ManualClock clock;
    BesideTheCommit backend(clock);
    broken += law(backend, clock).passed() ? 0 : 1;
  }
  EXPECT_GE(broken, 4u);
}

}  // namespace
