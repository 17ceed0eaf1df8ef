#pragma once

#include <persist/host/group.hpp>
#include <persist/store/round.hpp>

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

namespace persist::inline PERSIST_ABI {

/// The rounds of stores on one database: prepared and completed on the stores' thread, performed on
/// a lane. At most as many are out as there are lanes; what becomes due meanwhile makes up the
/// next, so that slow storage is asked in larger batches and not more often.
template <class Backend>
class HostRounds final : public HostGroup {
 public:
  HostRounds(std::shared_ptr<HostCore> host, Backend database)
      : HostGroup(std::move(host), kind()), database_(std::move(database)) {}

  [[nodiscard]] static const void* kind() noexcept {
    static const char tag = 0;
    return &tag;
  }
  [[nodiscard]] bool holds(const Backend& other) const { return database_.same_database(other); }
  /// False where the store has a Host already.
  template <class Engine>
  [[nodiscard]] bool add(Engine& engine) {
    auto seat = std::make_unique<Seat>(*this, engine);
    if (!engine.drive(seat.get())) return false;
    seats_.push_back(std::move(seat));
    return true;
  }
  void take_out(const HostSeat& seat) override {
    bring_home();
    end_calls(&seat, Error(Errc::closed, "the store is no longer of this Host"), false);
    (void)seat.store.drive(nullptr);
    std::erase_if(seats_, [&](const auto& each) { return each.get() == &seat; });
  }
  void take_out_all() override {
    while (!seats_.empty())
      take_out(*seats_.back());
  }
  void each_store(const std::function<void(DrivenStore&)>& use) override {
    for (const Seat* seat : all())
      use(seat->store);
  }

 protected:
  void begin_poll() override {
    for (Seat* seat : all())
      seat->partner.begin_poll(), visited_.push_back(&seat->partner);
    visits_.push_back(seats_.size());
  }
  void leave_poll() noexcept override {
    for (std::size_t i = visits_.back(); i != 0; --i) {
      visited_.back()->leave_poll();
      visited_.pop_back();
    }
    visits_.pop_back();
  }
  void send_rounds() override;
  TimePoint finish_poll() override {
    TimePoint next = TimePoint::max();
    for (const Seat* seat : all())
      next = (std::min)(next, seat->store.finish_poll());
    return is_full() ? TimePoint::max() : next;
  }

 private:
  struct Seat final : HostSeat {
    template <class Engine>
    Seat(HostGroup& of, Engine& engine) : HostSeat(of, engine), partner(engine) {}
    RoundPartner<Backend>& partner;
  };
  struct Trip {
    Round round;
    std::vector<std::pair<RoundPartner<Backend>*, Manifest>> manifests;
  };
  [[nodiscard]] bool is_full() {
    return rounds_out_ >= (std::max)(host().options.lanes, std::size_t{1});
  }
  /// A copy: handlers attach stores and take others out.
  [[nodiscard]] std::vector<Seat*> all() const {
    std::vector<Seat*> seats;
    seats.reserve(seats_.size());
    for (const auto& seat : seats_)
      seats.push_back(seat.get());
    return seats;
  }

  Backend database_;
  std::vector<std::unique_ptr<Seat>> seats_;
  std::vector<RoundPartner<Backend>*> visited_;
  std::vector<std::size_t> visits_;
  std::size_t rounds_out_ = 0;
};

template <class Backend>
void HostRounds<Backend>::send_rounds() {
  const auto seats = all();
  if (!is_full()) {
    auto trip = std::make_shared<Trip>();
    trip->manifests.reserve(seats.size());
    for (Seat* seat : seats) {
      auto& [partner, mine] = trip->manifests.emplace_back(&seat->partner, Manifest());
      partner->prepare(trip->round, mine);
    }
    if (!trip->round.empty()) {
      ++rounds_out_;
      ++host().rounds;
      on_lane(
          Priority::save, [this, trip] { trip->round.perform(database_); },
          [this, trip] {
            --rounds_out_;
            for (auto& [partner, mine] : trip->manifests)
              partner->complete(trip->round, mine);
          });
    }
  }
  for (Seat* seat : seats) {
    auto relay = std::make_shared<Relay>();
    if (!seat->store.begin_relay(*relay)) continue;
    on_lane(
        Priority::bulk, [this, relay] { relay->perform(database_); },
        [store = &seat->store, relay] { store->end_relay(*relay); });
  }
}

}  // namespace persist::inline PERSIST_ABI
