#include <persist/backend/concept.hpp>

#include <persist/backend/file.hpp>
#include <persist/backend/memory.hpp>

#include <gtest/gtest.h>

namespace {

using namespace persist;
using backend::File;
using backend::Memory;

static_assert(record_backend<Memory> && record_backend<File>);
static_assert(transactional_backend<Memory> && transactional_backend<File>);
static_assert(watched_backend<Memory> && watched_backend<File>);

/// Can do all but change a record.
struct Archive : Memory {
  void commit(std::span<CommitRequest>) = delete;
};
static_assert(!commits_changes<Archive> && !record_backend<Archive>);
static_assert(reads_records<Archive> && acquires_leases<Archive>);

/// Promises nothing over several records.
struct OneByOne : Memory {
  static constexpr bool is_transactional = false;
};
static_assert(record_backend<OneByOne> && !transactional_backend<OneByOne>);
static_assert(!record_backend<int>);

/// An operation on a single request is not one on a batch.
struct NoBatches : Memory {
  void read(ReadRequest& request);
};
static_assert(!reads_records<NoBatches>);

TEST(BackendConcept, IsAskedAtCompileTime) {
  SUCCEED();
}

}  // namespace
