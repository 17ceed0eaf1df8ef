#include <persist/session/signals.hpp>

#include <gtest/gtest.h>

namespace {

using namespace persist;

struct Data {
  int coins = 0;
};
struct Self {};

TEST(Signals, those_of_a_store_name_the_session_first) {
  Signals<Data> own;
  Signals<Data, Self&> all;
  Data data;
  Self self;
  const auto a = own.saving.connect([](Data& d, Reason) { d.coins += 1; });
  const auto b = all.saving.connect([](Self&, Data& d, Reason) { d.coins += 10; });
  own.saving.fire(data, Reason::asked);
  all.saving.fire(self, data, Reason::asked);
  EXPECT_EQ(data.coins, 11);
}

TEST(Signals, unused_ones_cost_a_null_pointer_each) {
  EXPECT_EQ(sizeof(Signals<Data>), 7 * 2 * sizeof(void*));
}

}  // namespace
