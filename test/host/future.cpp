#include <persist/host/future.hpp>

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <gtest/gtest.h>

// The answer of a call, without a Host: who gets it, once, and what cancels it.

namespace {

using namespace persist;
using Answer = Result<std::unique_ptr<int>>;  // one that can only be moved
using State = AnswerState<Answer>;

Answer of(int value) {
  return std::make_unique<int>(value);
}

/// Keeps what it is asked for.
struct Home final : FutureHome {
  void post(std::function<void()> call) override { posted.push_back(std::move(call)); }
  bool blocks_itself() override { return blocks; }
  void help() override { ++helped, help_with(); }
  void look_at_calls() override { ++looks; }
  void answered(const Error* threw) override {
    if (threw != nullptr) threw_what = threw->detail();
    ++answers;
  }

  std::vector<std::function<void()>> posted;
  std::function<void()> help_with;
  bool blocks = false;
  int helped = 0, looks = 0, answers = 0;
  std::string threw_what;
};

struct FutureTest : ::testing::Test {
  std::shared_ptr<Home> home = std::make_shared<Home>();
  std::shared_ptr<State> state = std::make_shared<State>();
  Future<Answer> future{state};

  FutureTest() { state->belongs_to(home); }
};

TEST_F(FutureTest, an_answer_is_given_once_and_taken_once) {
  EXPECT_FALSE(future.ready());
  EXPECT_TRUE(state->answer(of(7)));
  EXPECT_FALSE(state->answer(of(8)));
  EXPECT_FALSE(state->fail(Errc::timeout));
  EXPECT_TRUE(future.ready());
  EXPECT_EQ(**future.get(), 7);
  EXPECT_TRUE(future.get().is(Errc::invalid)) << "taken";
  EXPECT_EQ(home->answers, 1);
}

TEST_F(FutureTest, what_follows_is_called_by_who_answers) {
  int got = 0;
  future.then([&](const Answer& answer) { got = **answer; });
  EXPECT_TRUE(future.get().is(Errc::invalid)) << "it was given away";
  state->answer(of(7));
  EXPECT_EQ(got, 7);
  EXPECT_TRUE(home->posted.empty());
}

TEST_F(FutureTest, what_follows_an_answer_that_is_there_is_called_where_completions_run) {
  int got = 0;
  state->answer(of(7));
  future.then([&](const Answer& answer) { got = **answer; });
  EXPECT_EQ(got, 0) << "never inside this call";
  ASSERT_EQ(home->posted.size(), 1U);
  home->posted[0]();
  EXPECT_EQ(got, 7);
}

TEST_F(FutureTest, what_follows_is_called_here_where_the_host_is_gone) {
  int got = 0;
  state->answer(of(7));
  home.reset();
  future.then([&](const Answer& answer) { got = **answer; });
  EXPECT_EQ(got, 7);
}

#if PERSIST_HAS_EXCEPTIONS
TEST_F(FutureTest, what_it_throws_is_told_and_the_call_is_answered) {
  future.then([](const Answer&) { throw std::runtime_error("oops"); });
  EXPECT_TRUE(state->answer(of(7)));
  EXPECT_NE(home->threw_what.find("oops"), std::string::npos);
  EXPECT_EQ(home->answers, 1);
}
#endif

TEST_F(FutureTest, a_call_that_was_called_off_ends_with_that_whatever_it_came_to) {
  const auto cancel = future.canceller();
  cancel();
  cancel();
  EXPECT_EQ(home->looks, 1);
  state->answer(of(7));
  EXPECT_TRUE(future.get().is(Errc::cancelled));
  future.cancel();
  EXPECT_EQ(home->looks, 1) << "it is over";
}

TEST_F(FutureTest, who_would_wait_for_itself_helps) {
  home->blocks = true;
  home->help_with = [&] {
    if (home->helped == 3) state->answer(of(7));
  };
  EXPECT_EQ(**future.get(), 7);
  EXPECT_EQ(home->helped, 3);
}

TEST_F(FutureTest, what_undoes_a_call_goes_with_its_answer) {
  auto kept = std::make_shared<int>(1);
  state->take_back = [kept] {};
  state->answer(of(7));
  EXPECT_EQ(kept.use_count(), 1);
}

TEST(Future, one_of_no_call_says_so) {
  Future<Answer> none;
  EXPECT_TRUE(none.ready());
  EXPECT_TRUE(none.get().is(Errc::invalid));
  none.cancel();
  none.canceller()();
}

}  // namespace
