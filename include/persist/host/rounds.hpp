#pragma once

#include <persist/host/group_calls.hpp>
#include <persist/store/round.hpp>

#include <algorithm>
#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace persist::inline PERSIST_ABI {

/// The rounds of stores on one database: prepared and completed on the stores' thread, performed on
/// a lane. At most as many are out as there are lanes; what becomes due meanwhile makes up the
/// next, so that slow storage is asked in larger batches and not more often.
template <class Backend>
class HostRounds final : public HostGroup {
 public:
  HostRounds(std::shared_ptr<HostCore> host, Backend database, bool is_shared)
      : HostGroup(std::move(host), kind(), is_shared), database_(std::move(database)) {}

  [[nodiscard]] static const void* kind() noexcept {
    static const char tag = 0;
    return &tag;
  }
  [[nodiscard]] bool holds(const Backend& other) const { return database_.same_database(other); }
  /// False where the store has a Host already.
  template <class Engine>
  [[nodiscard]] bool add(Engine& engine) {
    const auto turn = my_turn();
    auto seat = std::make_unique<Seat>(*this, engine);
    if (!engine.drive(seat.get())) return false;
    seats_.push_back(std::move(seat));
    return true;
  }
  /// The seat stays: another thread may be about to make a call of it.
  void take_out(HostSeat& seat) override {
    bring_home([&] {
      close(seat);
      end_calls(&seat, Error(Errc::closed, "the store is no longer of this Host"), false);
      (void)seat.store.drive(nullptr);
      const auto at = std::find_if(seats_.begin(), seats_.end(),
                                   [&](const auto& each) { return each.get() == &seat; });
      if (at == seats_.end()) return;  // what followed one of its calls was quicker
      left_.push_back(std::move(*at));
      seats_.erase(at);
    });
  }
  TimePoint renew_leases(TimePoint now) override;
  void take_out_all() override {
    while (!seats_.empty())
      take_out(*seats_.back());
  }
  void each_store(const std::function<void(DrivenStore&)>& use) override {
    const auto turn = my_turn();
    const HostVisit here(this, &host());
    for (const Seat* seat : all())
      use(seat->store);
  }

 protected:
  void begin_poll() override {
    hear_of_renewals();
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
    Seat(HostGroup& of, Engine& engine)
        : HostSeat(of, engine),
          partner(engine),
          id(engine.store()),
          renew(Engine::Access::is_shared ? Duration::zero() : engine.options().renew) {}
    RoundPartner<Backend>& partner;
    StoreId id;
    Duration renew;
  };
  struct Part {
    RoundPartner<Backend>& partner;
    Duration renew;
    Manifest mine{};
  };
  /// A round, on its way.
  struct Trip {
    Round round;
    std::vector<Part> parts;
    TimePoint sent{};

    [[nodiscard]] std::span<const AcquireRequest> acquires_of(const Part& part) const {
      return std::span(round.acquires).subspan(part.mine.first_acquire, part.mine.acquires);
    }
  };
  struct Renewals;
  void perform(Trip& trip);
  void complete(Trip& trip);
  void hear_of_renewals();
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
  std::vector<std::unique_ptr<Seat>> left_;
  std::vector<RoundPartner<Backend>*> visited_;
  std::vector<std::size_t> visits_;
  std::size_t rounds_out_ = 0;
};

template <class Backend>
void HostRounds<Backend>::send_rounds() {
  const auto seats = all();
  if (!is_full()) {
    auto trip = std::make_shared<Trip>();
    trip->sent = host().clock.now();
    trip->parts.reserve(seats.size());
    for (Seat* seat : seats) {
      Part& part = trip->parts.emplace_back(Part{seat->partner, seat->renew});
      part.mine.most = budget().left(trip->sent);
      part.partner.prepare(trip->round, part.mine);
      budget().spend(part.mine.flights.size() + part.mine.acquires);
    }
    if (!trip->round.empty()) {
      ++rounds_out_;
      ++host().rounds;
      send_now(make_call([this, trip] { perform(*trip); }, [this, trip] { complete(*trip); }),
               Priority::closing);
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

/// On a lane. Where the stores' thread stays away after this, their leases are renewed all the
/// same.
template <class Backend>
void HostRounds<Backend>::perform(Trip& trip) {
  trip.round.perform(database_);
  leases().hear(trip.round.commits, trip.sent);
  for (const Part& part : trip.parts)
    leases().hear(trip.acquires_of(part), trip.sent, part.renew);
}

template <class Backend>
void HostRounds<Backend>::complete(Trip& trip) {
  --rounds_out_;
  for (Part& part : trip.parts)
    part.partner.complete(trip.round, part.mine);
}

template <class Backend>
void HostRounds<Backend>::hear_of_renewals() {
  for (const RenewedLease& renewed : leases().take_renewed())
    for (const Seat* seat : all())
      if (seat->id == renewed.store) seat->store.hear_of_renewal(renewed.key, renewed.number);
}

/// A batch of renewals: nobody waits for it but the table of leases.
template <class Backend>
struct HostRounds<Backend>::Renewals final : LaneTask {
  Renewals(std::shared_ptr<HostGroup> of, Backend database, HostLeases::Batch renewals)
      : group(std::move(of)), backend(std::move(database)), batch(std::move(renewals)) {}
  void perform() override {
    backend.commit(std::span(batch.commits));
    group->host().stall_renewals += group->leases().heard(batch);
  }
  void complete() override {}
  void hand_back(std::unique_ptr<LaneTask>) override {}
  std::shared_ptr<HostGroup> group;
  Backend backend;
  HostLeases::Batch batch;
};

template <class Backend>
TimePoint HostRounds<Backend>::renew_leases(TimePoint now) {
  const TimePoint polled = host().polled();
  if (now - polled > host().options.max_stall) return TimePoint::max();
  HostLeases::Batch batch;
  const TimePoint next = leases().collect(now, polled, batch);
  if (!batch.commits.empty())
    host().lanes.push(std::make_unique<Renewals>(shared_from_this(), database_, std::move(batch)),
                      Priority::renewal);
  return (std::min)(next, after(polled, host().options.max_stall + Duration(1)));
}

}  // namespace persist::inline PERSIST_ABI
