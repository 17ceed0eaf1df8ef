#include <persist/testing/laws/backend.hpp>

#include <persist/backend/memory.hpp>

#include <gtest/gtest.h>

namespace {

using persist::backend::Memory;
using persist::testing::backend_laws;
using persist::testing::ManualClock;
using persist::testing::Report;

TEST(BackendLaws, ALawThatChecksNothingDoesNotPass) {
  EXPECT_FALSE(Report().passed());
  EXPECT_NE(Report().text().find("nothing was checked"), std::string::npos);
}

TEST(BackendLaws, AFailureNamesItsLineAndItsSentence) {
  Report report;
  EXPECT_FALSE(report.that(1 + 1 == 3, "sums are right", 42));
  EXPECT_FALSE(report.passed());
  EXPECT_EQ(report.text(), "line 42: not so: sums are right\n");
}

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

}  // namespace
