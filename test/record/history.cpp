#include <persist/record/history.hpp>

#include <gtest/gtest.h>

#include <persist/testing/random.hpp>

#include <algorithm>
#include <limits>
#include <set>
#include <vector>

namespace {

using namespace persist;
using namespace std::chrono_literals;
using Versions = std::vector<KeptVersion>;

static_assert(!HistoryRule{}.is_on());
static_assert(HistoryRule{.keep = 1}.is_on());
static_assert(!HistoryRule{.every = 1h}.is_on(), "for no time nothing is kept");
static_assert(!HistoryRule{.for_ = 1h}.is_on());
static_assert(HistoryRule{.every = 1h, .for_ = 1h}.is_on());

WallTime at(Duration since_1970) {
  return WallTime(std::chrono::duration_cast<std::chrono::milliseconds>(since_1970));
}
std::vector<std::uint64_t> numbers(const Versions& kept) {
  std::vector<std::uint64_t> all;
  for (const KeptVersion& each : kept)
    all.push_back(each.version);
  return all;
}

/// What the rule says, over all states there ever were.
Versions by_definition(const Versions& all, const HistoryRule& rule, WallTime now) {
  Versions kept;
  std::uint64_t bytes = 0;
  for (std::size_t i = all.size(); i-- != 0;) {
    bool wanted = all.size() - i <= rule.keep;
    if (rule.every > 0s && rule.for_ > 0s && now - all[i].until <= rule.for_) {
      const auto period = [&](const KeptVersion& of) {
        return of.at.time_since_epoch() / rule.every;
      };
      bool is_last = true;
      for (std::size_t k = i + 1; k < all.size(); ++k)
        is_last = is_last && period(all[k]) != period(all[i]);
      wanted = wanted || is_last;
    }
    if (!wanted) continue;
    if (bytes + all[i].bytes > rule.bytes || kept.size() == most_kept_versions) break;
    bytes += all[i].bytes;
    kept.insert(kept.begin(), all[i]);
  }
  return kept;
}

TEST(HistoryRule, what_stays_step_by_step_is_what_the_rule_says_over_all_there_ever_was) {
  persist::testing::Random random(20260701);
  for (int run = 0; run < 60; ++run) {
    HistoryRule rule;
    if (run % 3 != 0) rule.keep = random.below(30);
    if (run % 3 != 1)
      rule.every = 1min * (1 + random.below(120)), rule.for_ = 1h * random.below(200);
    Versions all, kept;
    WallTime now = at(1000h);
    WallTime written = now;
    for (std::uint64_t version = 1; version <= 300; ++version) {
      now += random.below(10) == 0 ? 1h * random.below(40) : 1s * random.below(2000);
      const KeptVersion replaced{version, written, now, random.below(500)};
      all.push_back(replaced), kept.push_back(replaced);
      retain(kept, rule, now);
      ASSERT_EQ(numbers(kept), numbers(by_definition(all, rule, now))) << run << ' ' << version;
      written = now;
    }
  }
}

TEST(HistoryRule, with_a_limit_in_bytes_the_oldest_go_first) {
  persist::testing::Random random(7);
  for (int run = 0; run < 40; ++run) {
    const HistoryRule rule{.keep = 1 + random.below(40), .bytes = 200 + random.below(3000)};
    Versions kept;
    for (std::uint64_t version = 1; version <= 200; ++version) {
      kept.push_back({version, {}, {}, random.below(200)});
      retain(kept, rule, {});
      std::uint64_t bytes = 0;
      for (const KeptVersion& each : kept)
        bytes += each.bytes;
      ASSERT_LE(bytes, rule.bytes);
      ASSERT_LE(kept.size(), rule.keep);
      ASSERT_FALSE(kept.empty());
      ASSERT_EQ(kept.back().version, version) << "the newest stays";
      for (std::size_t i = 1; i < kept.size(); ++i)
        ASSERT_EQ(kept[i].version, kept[i - 1].version + 1) << "none is missing in between";
    }
  }
}

TEST(HistoryRule, what_is_larger_than_the_limit_takes_with_it_what_is_older) {
  Versions kept{{1, {}, {}, 10}, {2, {}, {}, 10}, {3, {}, {}, 101}};
  retain(kept, {.keep = 9, .bytes = 100}, {});
  EXPECT_TRUE(kept.empty());
  kept = {{1, {}, {}, 10}, {2, {}, {}, std::numeric_limits<std::uint64_t>::max()}, {3, {}, {}, 50}};
  retain(kept, {.keep = 9, .bytes = std::numeric_limits<std::uint64_t>::max()}, {});
  EXPECT_EQ(numbers(kept), (std::vector<std::uint64_t>{3})) << "and sums do not overflow";
}

TEST(HistoryRule, states_of_different_periods_survive_a_busy_one) {
  const HistoryRule rule{.keep = 2, .every = 1h, .for_ = 24h * 30};
  Versions kept;
  std::uint64_t version = 0;
  for (int hour = 0; hour < 10; ++hour)
    for (int save = 0; save < 120; ++save) {
      const WallTime written = at(1h * hour + 30s * save);
      kept.push_back({++version, written, written + 30s, 1});
      retain(kept, rule, kept.back().until);
    }
  std::set<std::int64_t> hours;
  for (const KeptVersion& each : kept)
    hours.insert(detail::period_of(each.at, 1h));
  EXPECT_EQ(hours.size(), 10U);
  EXPECT_EQ(kept.size(), 11U) << "and the newest two are of one hour";
}

TEST(HistoryRule, what_was_there_before_a_long_pause_stays_as_long_as_all_else) {
  const HistoryRule rule{.every = 1h, .for_ = 24h};
  Versions kept{{1, at(0h), at(24h * 365), 1}};
  retain(kept, rule, at(24h * 365));
  kept.push_back({2, at(24h * 365), at(24h * 365 + 30s), 1});
  retain(kept, rule, at(24h * 365 + 30s));
  EXPECT_EQ(numbers(kept), (std::vector<std::uint64_t>{1, 2}));
  retain(kept, rule, at(24h * 366 + 1s));
  EXPECT_EQ(numbers(kept), (std::vector<std::uint64_t>{2})) << "and no longer";
}

TEST(HistoryRule, a_rule_that_is_off_keeps_nothing) {
  Versions kept{{1, {}, {}, 1}, {2, {}, {}, 1}};
  retain(kept, {}, {});
  EXPECT_TRUE(kept.empty());
}

/// A calendar that jumps, and times that no calendar shows, leave the bounds as they are.
TEST(HistoryRule, whatever_the_times_there_are_never_more_than_a_thousand) {
  persist::testing::Random random(99);
  using Limits = std::numeric_limits<std::int64_t>;
  const std::int64_t odd[] = {Limits::min(), Limits::max(), 0, -1, 1};
  const HistoryRule rule{.keep = 5000, .every = 1ms, .for_ = Duration::max()};
  Versions kept;
  const auto some_time = [&] {
    const std::int64_t time = random.below(3) == 0
                                  ? odd[random.below(5)]
                                  : static_cast<std::int64_t>(random.below(1'000'000));
    return WallTime(std::chrono::milliseconds(time));
  };
  for (std::uint64_t version = 1; version <= 3000; ++version) {
    kept.push_back({version, some_time(), some_time(), 1});
    retain(kept, rule, some_time());
    ASSERT_LE(kept.size(), most_kept_versions);
    ASSERT_EQ(kept.back().version, version);
  }
  EXPECT_EQ(kept.size(), most_kept_versions);
}

TEST(HistoryRule, who_asks_for_what_is_gone_hears_what_there_is) {
  Versions kept;
  EXPECT_EQ(not_kept(3, 0, kept).detail(), "version 3 is not kept; there is none");
  EXPECT_EQ(not_kept(3, 9, kept).detail(), "version 3 is not kept; there is 9 (now)");
  kept = {{5, {}, {}, 1}, {7, {}, {}, 1}};
  EXPECT_EQ(not_kept(3, 9, kept).detail(), "version 3 is not kept; there are 9 (now), 7, 5");
  EXPECT_EQ(not_kept(3, 0, kept).detail(), "version 3 is not kept; there are 7, 5");
  kept.clear();
  for (std::uint64_t version = 1; version <= 20; ++version)
    kept.push_back({version, {}, {}, 1});
  EXPECT_EQ(not_kept(30, 21, kept).detail(),
            "version 30 is not kept; there are 21 (now), 20, 19, 18, 17, 16, 15, 14, 13, 12, 11, "
            "10, 9 and 8 older");
  EXPECT_EQ(not_kept(30, 21, kept).code(), Errc::not_found);
}

}  // namespace
