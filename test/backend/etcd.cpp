#include <persist/backend/etcd.hpp>

#include <persist/backend/any.hpp>

#include "backend/law_cases.hpp"

#include <persist/persist.hpp>

#include "support/etcd_server.hpp"

#include <thread>

namespace {

using persist::Errc;
using persist::backend::Etcd;
using persist::backend::EtcdOptions;
using persist::testing::ManualClock;
using persist_test::EtcdServer;
using persist_test::fresh_etcd;
using persist_test::shared_etcd;

static_assert(persist::record_backend<Etcd> && !persist::transactional_backend<Etcd>);
static_assert(persist::scans_keys<Etcd> && persist::queries_indexes<Etcd>);
static_assert(persist::versioned_backend<Etcd> && persist::holds_schemas<Etcd>);
static_assert(persist::limits_data<Etcd> && !persist::judges_leases<Etcd>);

TEST(EtcdBackend, HoldsToEveryLaw) {
  ASSERT_EQ(shared_etcd().problem(), "");
  persist_test::run_laws<Etcd>(
      [](ManualClock& clock) { return Etcd(fresh_etcd(), {.calendar = &clock}); });
}

TEST(EtcdBackend, KeepsWhatWasSavedThroughAnEndOfItsServer) {
  EtcdServer server;
  ASSERT_EQ(server.problem(), "");
  using Players = persist::Store<std::uint64_t, int, Etcd>;
  {
    Players players("players", Etcd(server.options()), {.server_id = "eu-1"});
    auto session = players.load(7u);
    ASSERT_TRUE(session) << session.error();
    *session->edit() = 41;
    ASSERT_TRUE(session->save());
    server.stop(SIGKILL);
    *session->edit() = 42;
    EXPECT_FALSE(session->save());
    ASSERT_TRUE(server.start());
    EXPECT_TRUE(session->save());
    EXPECT_TRUE(session->release());
  }
  Players players("players", Etcd(server.options()), {.server_id = "eu-2"});
  EXPECT_EQ(players.peek(7u)->data, 42);
}

TEST(EtcdBackend, LetsOneOfTwoServersWrite) {
  const EtcdOptions options = fresh_etcd();
  ManualClock clock;
  persist::StoreOptions told{.server_id = "eu-1"};
  told.clock = &clock;
  using Players = persist::Store<std::uint64_t, int, Etcd>;
  Players here("players", Etcd(options, {.calendar = &clock}), told);
  told.server_id = "us-1";
  Players there("players", Etcd(options, {.calendar = &clock}), told);
  auto mine = here.load(7u);
  ASSERT_TRUE(mine) << mine.error();
  EXPECT_TRUE(there.load(7u, {.conflict = persist::Conflict::refuse}).is(Errc::locked));
  auto theirs = there.load(7u, {.conflict = persist::Conflict::steal});
  ASSERT_TRUE(theirs) << theirs.error();
  *mine->edit() = 1;
  EXPECT_TRUE(mine->save().is(Errc::fenced));
  *theirs->edit() = 2;
  EXPECT_TRUE(theirs->save());
  EXPECT_EQ(here.peek(7u)->data, 2);
}

TEST(EtcdBackend, HoldsLeasesForRecordsElsewhere) {
  using Players =
      persist::Store<std::uint64_t, int, persist::backend::Memory, persist::lock::External<Etcd>>;
  ManualClock clock;
  persist::backend::Memory memory(clock);
  persist::StoreOptions told{.server_id = "eu-1"};
  told.clock = &clock;
  const EtcdOptions options = fresh_etcd();
  const auto leases = [&] { return Etcd(options, {.calendar = &clock}); };
  Players here("players", memory, leases(), told);
  told.server_id = "us-1";
  Players there("players", memory, leases(), told);
  auto mine = here.load(7u);
  ASSERT_TRUE(mine) << mine.error();
  EXPECT_TRUE(there.load(7u, {.conflict = persist::Conflict::refuse}).is(Errc::locked));
  *mine->edit() = 1;
  EXPECT_TRUE(mine->release());
  auto theirs = there.load(7u);
  ASSERT_TRUE(theirs) << theirs.error();
  EXPECT_EQ(theirs->clone(), 1);
}

TEST(EtcdBackend, IsOpenedByAUri) {
  using persist::backend::AnyOf;
  using persist::backend::Needs;
  using persist::backend::Uri;
  using Database = AnyOf<Needs{.transactions = false, .clock = false}>;
  const auto open = [](const std::string& uri) {
    return persist::backend::open<Database, Etcd>(*Uri::read(uri));
  };
  auto opened = open("etcd:" + shared_etcd().endpoint() + "?prefix=uri/&timeout=3s");
  ASSERT_TRUE(opened) << opened.error();
  persist::OpenStoreRequest request;
  request.name = "players";
  opened->open_store(std::span(&request, 1));
  EXPECT_FALSE(failed(request.error)) << request.error;
  EXPECT_TRUE(open("etcd:http://" + shared_etcd().endpoint() + ",127.0.0.1:1"));
  EXPECT_TRUE(open("etcd://" + shared_etcd().endpoint()));
  EXPECT_TRUE(open("etcd:").is(Errc::invalid));
  EXPECT_TRUE(open("etcd:,").is(Errc::invalid));
  EXPECT_TRUE(open("etcd:a:1?lease=5s").is(Errc::invalid));
  EXPECT_TRUE(persist::backend::open<Etcd>("etcd:a:1").is(Errc::unsupported)) << "no transactions";
}

}  // namespace
