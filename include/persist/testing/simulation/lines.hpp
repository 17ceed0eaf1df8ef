#pragma once

#include <persist/backend/memory.hpp>
#include <persist/lock/external.hpp>
#include <persist/session/options.hpp>
#include <persist/testing/faulty.hpp>
#include <persist/testing/witness.hpp>

#include <optional>
#include <utility>

// What lies between a simulated server and its records.

namespace persist::inline PERSIST_ABI::testing {

using SimulatedDatabase = Witness<backend::Memory>;
using SimulatedLine = Faulty<SimulatedDatabase>;
/// The lock policy of an evening whose leases live in a database of their own.
using SimulatedExternal = lock::External<SimulatedLine>;

/// A server's lines: to the database, and with `lock::External` to that of its leases, on each of
/// which other things go wrong.
template <class Lock>
class SimulatedLines {
 public:
  static constexpr bool are_two = requires { typename Lock::leases; };

  SimulatedLines(const SimulatedDatabase& data, const SimulatedDatabase& leases,
                 Stragglers& stragglers, Faults faults)
      : data_(data, stragglers, faults), leases_(leases, stragglers, faults) {}

  /// Makes a store at their end.
  template <class Players>
  void open(std::optional<Players>& players, StoreOptions told) const {
    if constexpr (are_two)
      players.emplace("players", data_, leases_, std::move(told));
    else
      players.emplace("players", data_, std::move(told));
  }
  void set_faults(Faults faults) noexcept {
    data_.set_faults(faults);
    leases_.set_faults(faults);
  }
  /// Whether nothing gets through, to the data or to the leases.
  void cut(bool data, bool leases) noexcept {
    data_.cut(data);
    leases_.cut(leases);
  }
  [[nodiscard]] bool is_cut() const noexcept { return data_.is_cut() || leases_.is_cut(); }
  /// The database was put back, and what stood in for it on its way.
  void forget_reads() noexcept {
    data_.forget_reads();
    leases_.forget_reads();
  }
  /// Whether the database has no room left for data.
  void fill(bool is_full) noexcept { data_.fill(is_full); }

 private:
  SimulatedLine data_, leases_;
};

}  // namespace persist::inline PERSIST_ABI::testing
