#pragma once

#include <persist/backend/forwarded.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>

namespace persist::inline PERSIST_ABI::backend {

/// How long batches took, in classes that each reach twice as far as the one before: up to 1, 2, 4
/// … microseconds, and the last one as long as it takes.
struct LatencyHistogram {
  static constexpr std::size_t classes = 28;  ///< the last but one ends at 67 s

  std::array<std::uint64_t, classes> counts{};
  Duration total{};

  /// The longest that is counted in that class.
  [[nodiscard]] static constexpr Duration limit(std::size_t which) noexcept {
    return which + 1 < classes ? Duration(std::chrono::microseconds(std::int64_t{1} << which))
                               : (Duration::max)();
  }
  [[nodiscard]] static constexpr std::size_t class_of(Duration took) noexcept {
    const auto micros = std::chrono::ceil<std::chrono::microseconds>(took).count();
    if (micros <= 1) return 0;
    const auto width = std::bit_width(static_cast<std::uint64_t>(micros - 1));
    return (std::min)(static_cast<std::size_t>(width), classes - 1);
  }
  [[nodiscard]] std::uint64_t count() const noexcept {
    std::uint64_t sum = 0;
    for (const std::uint64_t each : counts)
      sum += each;
    return sum;
  }
  /// So long at most took that share of the batches, from 0 to 1; zero where there was none.
  [[nodiscard]] Duration quantile(double share) const noexcept {
    const auto all = static_cast<double>(count());
    double seen = 0;
    for (std::size_t i = 0; i < classes && all > 0; ++i) {
      seen += static_cast<double>(counts[i]);
      if (seen >= share * all && seen > 0) return limit(i);
    }
    return Duration::zero();
  }
};

/// What was asked of a backend in one operation.
struct OperationMetrics {
  std::uint64_t batches = 0;
  std::uint64_t requests = 0;
  std::uint64_t failed = 0;  ///< requests that were answered with an error
  LatencyHistogram latency;  ///< of batches, from the call to its return
};

struct BackendMetrics {
  std::array<OperationMetrics, operations> all{};

  [[nodiscard]] const OperationMetrics& operator[](Operation operation) const noexcept {
    return all[static_cast<std::size_t>(operation)];
  }
};

/// Counts what goes to a backend, and how long it takes. `observe::write_metrics` writes it down.
///
/// Copies count together. A batch costs two looks at the clock and a few atomic additions. Any
/// thread may call it.
template <record_backend Inner>
class Metered : public Forwarded<Metered<Inner>, Inner> {
 public:
  /// `clock` must outlive every handle.
  explicit Metered(Inner inner, Clock& clock = SystemClock::instance())
      : Forwarded<Metered, Inner>(std::move(inner)), state_(std::make_shared<State>(clock)) {}

  /// What was counted until now. Batches that are under way meanwhile may be in some of the numbers
  /// and not yet in others.
  [[nodiscard]] BackendMetrics metrics() const {
    BackendMetrics now;
    for (std::size_t i = 0; i < operations; ++i) {
      const Counters& from = state_->counters[i];
      OperationMetrics& to = now.all[i];
      to.batches = from.batches.load(std::memory_order_relaxed);
      to.requests = from.requests.load(std::memory_order_relaxed);
      to.failed = from.failed.load(std::memory_order_relaxed);
      to.latency.total = Duration(from.total.load(std::memory_order_relaxed));
      for (std::size_t c = 0; c < LatencyHistogram::classes; ++c)
        to.latency.counts[c] = from.latency[c].load(std::memory_order_relaxed);
    }
    return now;
  }

 private:
  friend Forwarded<Metered, Inner>;

  struct Counters {
    std::atomic<std::uint64_t> batches = 0, requests = 0, failed = 0;
    std::atomic<Duration::rep> total = 0;
    std::array<std::atomic<std::uint64_t>, LatencyHistogram::classes> latency{};
  };
  struct State {
    explicit State(Clock& time) : clock(time) {}

    Clock& clock;
    std::array<Counters, operations> counters{};
  };

  template <class Request, class Go>
  void around(Operation operation, std::span<Request> batch, Go go) {
    const TimePoint begin = state_->clock.now();
    go(batch);
    const Duration took = state_->clock.now() - begin;
    std::uint64_t failures = 0;
    for (const Request& request : batch)
      failures += has_failed(request) ? 1 : 0;
    Counters& to = state_->counters[static_cast<std::size_t>(operation)];
    const auto add = [](auto& counter, auto by) {
      counter.fetch_add(by, std::memory_order_relaxed);
    };
    add(to.batches, std::uint64_t{1});
    add(to.requests, std::uint64_t{batch.size()});
    add(to.failed, failures);
    add(to.total, took.count());
    add(to.latency[LatencyHistogram::class_of(took)], std::uint64_t{1});
  }

  std::shared_ptr<State> state_;
};

}  // namespace persist::inline PERSIST_ABI::backend
