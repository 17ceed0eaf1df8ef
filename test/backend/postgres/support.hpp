#pragma once

#include <persist/backend/postgres.hpp>
#include <persist/testing/laws/backend/driver.hpp>

#include "support/postgres_server.hpp"

#include <string>

namespace persist_test {

using persist::backend::Postgres;
using persist::backend::PostgresOptions;
using PostgresDriver = persist::testing::laws::Driver<Postgres>;

/// A schema of a test's own on this program's server.
struct PostgresTest : testing::Test {
  PostgresServer& server = PostgresServer::instance();
  persist::testing::ManualClock clock;
  persist::testing::Report report;
  PostgresOptions options{.schema = server.fresh_name(), .clock = &clock};

  void TearDown() override { EXPECT_TRUE(report.failures().empty()) << report.text(); }
  Postgres open() { return Postgres(server.uri(), options); }
  PostgresDriver drive(Postgres& db) { return {db, clock, report}; }
  /// A table of this test's.
  [[nodiscard]] std::string operator[](const char* table) const {
    return options.schema + "." + table;
  }
};

}  // namespace persist_test
