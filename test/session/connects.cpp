// builds: no-exceptions
#include <persist/session/connects.hpp>

#include <type_traits>
#include <vector>

#include <gtest/gtest.h>

namespace {

using namespace persist;

class Heard : public Connects<Heard> {
 public:
  Signals<int>& heard() { return signals_; }

 private:
  Signals<int> signals_;
};
static_assert(std::is_empty_v<Connects<Heard>>);

TEST(Connects, each_call_connects_the_signal_of_its_name) {
  Heard heard;
  std::vector<int> calls;
  const auto note = [&](int which) {
    return [&calls, which](auto&&...) { calls.push_back(which); };
  };
  const Connection all[] = {heard.on_saving(note(0)),        heard.on_saved(note(1)),
                            heard.on_save_refused(note(2)),  heard.on_released(note(3)),
                            heard.on_state_changed(note(4)), heard.on_renewal_failed(note(5)),
                            heard.on_dropped_fields(note(6))};
  int data = 0;
  heard.heard().saving.fire(data, Reason::asked);
  heard.heard().saved.fire(Result<Saved>(Saved{}));
  heard.heard().save_refused.fire(Error(Errc::invalid));
  heard.heard().released.fire(Reason::asked, true);
  heard.heard().state_changed.fire(State::open, State::suspect);
  heard.heard().renewal_failed.fire(1);
  heard.heard().dropped_fields.fire({});
  EXPECT_EQ(calls, (std::vector{0, 1, 2, 3, 4, 5, 6}));
}

}  // namespace
