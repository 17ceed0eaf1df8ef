#include <persist/backend/file/job.hpp>

#include "backend/file/support.hpp"

#include <gtest/gtest.h>

namespace {

using namespace persist_test;
using persist::backend::file::writes_nothing;

TEST(FileJob, WhatWritesNothingIsDoneThoughASaveBesideItDoesNotFit) {
  Bench bench;
  Holding saves = bench.driver->take("saves"), renews = bench.driver->take("renews");
  bench.driver->save(saves, "before");
  bench.driver->save(renews, "before");
  bench.clock.advance(std::chrono::seconds(50));
  auto big = bench.driver->next(saves).data(std::string(3000, 'x'));
  auto small = bench.driver->next(renews).renew();
  persist::CommitRequest batch[] = {{{&big.bind(), 1}}, {{&small.bind(), 1}}};
  EXPECT_FALSE(writes_nothing(batch[0]));
  EXPECT_TRUE(writes_nothing(batch[1]));
  bench.disk.state().room = 100;
  bench.file->commit(batch);
  EXPECT_EQ(batch[0].outcome, Outcome::failed);
  EXPECT_EQ(batch[0].error, Errc::io);
  EXPECT_EQ(batch[1].outcome, Outcome::applied) << batch[1].error;
  bench.clock.advance(std::chrono::seconds(50));
  EXPECT_TRUE(bench.driver->read("renews").held) << "a full disk ends no lease";
  EXPECT_FALSE(bench.driver->read("saves").held);
  EXPECT_EQ(bench.text("saves"), "before");
}

TEST(FileJob, ARenewalWithAReleaseOrAnAcknowledgementWrites) {
  Bench bench;
  Holding mine = bench.driver->take("k");
  auto release = bench.driver->next(mine).release();
  auto taken = bench.driver->next(mine).acknowledge(1).renew();
  persist::CommitRequest one{{&release.bind(), 1}}, two{{&taken.bind(), 1}};
  EXPECT_FALSE(writes_nothing(one));
  EXPECT_FALSE(writes_nothing(two));
}

}  // namespace
