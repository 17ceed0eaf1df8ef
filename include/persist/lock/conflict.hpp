#pragma once

#include <persist/clock.hpp>
#include <persist/detail/config.hpp>

#include <concepts>
#include <cstdint>
#include <string_view>
#include <type_traits>

namespace persist::inline PERSIST_ABI {

/// What a load does when somebody else holds the record, from the politest on.
enum class Conflict : std::uint8_t {
  refuse,  ///< answer `locked` at once, with the holder
  wait,  ///< ask nobody; look again until the holder lets go, its lease ends or the deadline comes
  /// Ask the holder to save and let go, and wait; take over when its lease ends. Of several who ask
  /// the newest waits on, and an older one that tries again ends `locked`. A release clears the
  /// request, so what was released goes to whoever comes first, which may still be an older one.
  request,
  steal,  ///< take the record; what the holder has not saved is lost to it
};

/// What a load that found somebody in its way knows. The views are good for the call only.
struct Obstacle {
  std::string_view key{};
  std::string_view server{};   ///< the holder's id
  std::uint64_t epoch = 0;     ///< the holder's
  Duration age{};              ///< since it was last heard of
  Duration left{};             ///< until its lease runs out, by the backend's clock
  Duration waited{};           ///< since this load began
  std::uint32_t attempts = 0;  ///< of this load, the present one included
  bool asked = false;          ///< our request to let go stands
};

/// What is done about it now, and when the load looks again.
struct Decision {
  Conflict what = Conflict::refuse;
  Duration pause{};  ///< zero: after 1, 2, 4, then every 5 s; sooner where a hint or the end of the
                     ///< lease comes sooner

  constexpr Decision() = default;
  constexpr Decision(Conflict chosen, Duration look_again = {})  // NOLINT: it stands for a decision
      : what(chosen), pause(look_again) {}
};

namespace conflict {
struct Refuse {
  static constexpr Conflict value = Conflict::refuse;
};
struct Wait {
  static constexpr Conflict value = Conflict::wait;
};
struct Request {
  static constexpr Conflict value = Conflict::request;
};
struct Steal {
  static constexpr Conflict value = Conflict::steal;
};

/// `F{}(const Obstacle&)` decides, each time the record is found held. It runs on the thread that
/// carries the load, without the store's lock; what it throws is a refusal.
template <class F>
  requires std::default_initializable<F> && std::is_invocable_r_v<Decision, F&, const Obstacle&>
struct Ask {
  static constexpr Conflict value = Conflict::refuse;
  [[nodiscard]] static Decision decide(const Obstacle& in_the_way) { return F{}(in_the_way); }
};
}  // namespace conflict

}  // namespace persist::inline PERSIST_ABI
