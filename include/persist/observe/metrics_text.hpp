#pragma once

#include <persist/schema/fields.hpp>
#include <persist/store/metrics.hpp>

#include <cstdint>
#include <ostream>
#include <string_view>

namespace persist::inline PERSIST_ABI::observe {

/// Writes what a store has counted in the text format that Prometheus scrapes, one counter a line:
///
///     persist_saves_total{store="PlayerData",server="eu-1"} 12
///
/// Labels are escaped as the format asks. Takes the numbers of one moment (`store.metrics()`), so
/// any thread may write them. Source: the Prometheus text exposition format, version 0.0.4.
inline void write_metrics(std::ostream& to, const Metrics& metrics, std::string_view store,
                          std::string_view server) {
  const auto label = [&to](std::string_view name, std::string_view value) {
    to << name << "=\"";
    for (const char each : value) {
      if (each == '\n')
        to << "\\n";
      else if (each == '"' || each == '\\')
        to << '\\' << each;
      else
        to << each;
    }
    to << '"';
  };
  schema::for_each_field(metrics, [&](std::string_view name, std::uint64_t value) {
    to << "persist_" << name << "_total{";
    label("store", store);
    to << ',';
    label("server", server);
    to << "} " << value << '\n';
  });
}

}  // namespace persist::inline PERSIST_ABI::observe
