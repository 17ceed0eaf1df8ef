#include <persist/backend/postgres.hpp>

#include "backend/law_cases.hpp"

#include <persist/persist.hpp>

#include "backend/postgres/support.hpp"

#include <atomic>
#include <thread>

namespace {

using persist::Errc;
using persist::backend::Memory;
using persist::backend::Postgres;
using persist::testing::ManualClock;
using persist::testing::Report;
using persist::testing::laws::Holding;
using persist::testing::laws::Outcome;
using persist::testing::laws::Taken;
using persist_test::PostgresDriver;
using persist_test::PostgresServer;
using persist_test::RawPostgres;

static_assert(persist::transactional_backend<Postgres> && persist::versioned_backend<Postgres>);
static_assert(persist::queries_indexes<Postgres> && persist::holds_schemas<Postgres>);
static_assert(persist::limits_data<Postgres> && persist::judges_leases<Postgres>);

/// Each law has a schema of its own.
const int postgres_laws =
    persist_test::register_laws<Postgres>("LawsOnPostgres", [](ManualClock& clock) {
      PostgresServer& server = PostgresServer::instance();
      return Postgres(server.uri(), {.schema = server.fresh_name(), .clock = &clock});
    });
const int pooled_laws =
    persist_test::register_laws<Postgres>("LawsOnPooledPostgres", [](ManualClock& clock) {
      PostgresServer& server = PostgresServer::instance();
      return Postgres(server.uri(),
                      {.schema = server.fresh_name(), .pooled = true, .clock = &clock});
    });

TEST(Postgres, HoldsToEveryLaw) {
  const std::size_t all = persist::testing::backend_laws<Postgres>().size();
  EXPECT_EQ(static_cast<std::size_t>(postgres_laws), all);
  EXPECT_EQ(static_cast<std::size_t>(pooled_laws), all);
}

using PostgresTables = persist_test::PostgresTest;

TEST_F(PostgresTables, AnswerRandomBatchesAsMemoryDoes) {
  Memory memory(clock);
  persist::testing::laws::Driver<Memory> reference(memory, clock, report);
  Postgres db = open();
  PostgresDriver driver = drive(db);
  persist::testing::laws::RandomBatches<Postgres, Memory> batches(driver, reference);
  for (std::uint64_t seed = 0; seed < 600 && report.failures().empty(); ++seed) {
    batches.run(seed);
    if (seed % 16 == 0) clock.advance(std::chrono::seconds(20));
  }
  batches.settle();
}

}  // namespace
