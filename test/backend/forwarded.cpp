#include <persist/backend/forwarded.hpp>

#include "backend/law_cases.hpp"

#include <persist/backend/kv.hpp>
#include <persist/backend/memory.hpp>

namespace {

using namespace persist;
using backend::Forwarded;
using backend::Operation;

/// Hands everything on as it is.
template <class Inner>
struct Passed : Forwarded<Passed<Inner>, Inner> {
  explicit Passed(Inner inner) : Forwarded<Passed, Inner>(std::move(inner)) {}
  template <class Request, class Go>
  void around(Operation, std::span<Request> batch, Go go) {
    go(batch);
  }
};
using OnMemory = Passed<backend::Memory>;

/// Has nothing that it need not have.
struct Plain : backend::Memory {
  using Memory::Memory;
  static constexpr bool is_transactional = false;
  static constexpr bool keeps_history = false;
  static constexpr bool judges_leases = false;
  void scan() = delete;
  void query() = delete;
  void read_schemas() = delete;
  void watch() = delete;
};
struct Narrow : backend::Memory {
  using Memory::Memory;
  [[nodiscard]] std::size_t largest_data() const noexcept { return 7; }
};

// It can do what the other one can, and no more.
static_assert(transactional_backend<OnMemory> && versioned_backend<OnMemory>);
static_assert(watched_backend<OnMemory> && scans_keys<OnMemory> && judges_leases<OnMemory>);
static_assert(holds_schemas<OnMemory> && queries_indexes<OnMemory> && !limits_data<OnMemory>);
static_assert(record_backend<Passed<Plain>>);
static_assert(!transactional_backend<Passed<Plain>> && !versioned_backend<Passed<Plain>>);
static_assert(!watched_backend<Passed<Plain>> && !scans_keys<Passed<Plain>>);
static_assert(!holds_schemas<Passed<Plain>> && !queries_indexes<Passed<Plain>>);
static_assert(!judges_leases<Passed<Plain>>);
static_assert(sizeof(OnMemory) == sizeof(backend::Memory));

const int laws_on_passed = persist_test::register_laws<OnMemory>(
    "LawsOnForwarded",
    [](persist::testing::ManualClock& clock) { return OnMemory(backend::Memory(clock)); });

TEST(Forwarded, holds_to_every_law) {
  EXPECT_EQ(static_cast<std::size_t>(laws_on_passed),
            persist::testing::backend_laws<OnMemory>().size());
}

TEST(Forwarded, says_what_the_other_one_takes) {
  EXPECT_EQ(largest_data(Passed<Narrow>(Narrow())), 7U);
}

TEST(Forwarded, refuses_whatever_was_asked) {
  CommitRequest commit;
  ReadRequest read;
  EXPECT_FALSE(backend::has_failed(commit) || backend::has_failed(read));
  backend::refuse(commit, Errc::io);
  backend::refuse(read, Errc::io);
  EXPECT_TRUE(backend::has_failed(commit) && backend::has_failed(read));
  EXPECT_EQ(commit.error, Errc::io);
}

TEST(Forwarded, has_a_name_for_each_operation) {
  EXPECT_EQ(name(Operation::open_store), "open_store");
  EXPECT_EQ(name(Operation::query), "query");
  EXPECT_EQ(static_cast<std::size_t>(Operation::query) + 1, backend::operations);
}

}  // namespace
