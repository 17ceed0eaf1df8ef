#pragma once

#include <persist/backend/metered.hpp>
#include <persist/schema/fields.hpp>
#include <persist/store/metrics.hpp>

#include <cstdint>
#include <initializer_list>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>

// What was counted, in the text format that Prometheus scrapes. Labels are escaped as the format
// asks. What is written are the numbers of one moment, so any thread may write them. Source: the
// Prometheus text exposition format, version 0.0.4.

namespace persist::inline PERSIST_ABI::observe {

namespace detail {

using Labels = std::initializer_list<std::pair<std::string_view, std::string_view>>;

inline void write_line(std::ostream& to, std::string_view name, std::string_view end, Labels labels,
                       std::string_view value) {
  to << "persist_" << name << end;
  char before = '{';
  for (const auto& [label, text] : labels) {
    to << std::exchange(before, ',') << label << "=\"";
    for (const char each : text) {
      if (each == '\n')
        to << "\\n";
      else if (each == '"' || each == '\\')
        to << '\\' << each;
      else
        to << each;
    }
    to << '"';
  }
  to << "} " << value << '\n';
}
/// A time in seconds, as far as microseconds go.
[[nodiscard]] inline std::string seconds(Duration time) {
  const auto micros = std::chrono::floor<std::chrono::microseconds>(time).count();
  const std::string digits = std::to_string(micros % 1'000'000);
  return std::to_string(micros / 1'000'000) + '.' + std::string(6 - digits.size(), '0') + digits;
}

}  // namespace detail

/// Writes what a store has counted (`store.metrics()`), one counter a line:
///
///     persist_saves_total{store="PlayerData",server="eu-1"} 12
inline void write_metrics(std::ostream& to, const Metrics& metrics, std::string_view store,
                          std::string_view server) {
  schema::for_each_field(metrics, [&](std::string_view name, std::uint64_t value) {
    detail::write_line(to, name, "_total", {{"store", store}, {"server", server}},
                       std::to_string(value));
  });
}

/// Writes what a `backend::Metered` has counted (`backend.metrics()`), for each operation that was
/// asked of it: requests, those that failed, and a histogram of the seconds that batches took:
///
///     persist_backend_requests_total{backend="main",operation="commit"} 12
///     persist_backend_failed_total{backend="main",operation="commit"} 0
///     persist_backend_seconds_bucket{backend="main",operation="commit",le="0.000512"} 3
inline void write_metrics(std::ostream& to, const backend::BackendMetrics& metrics,
                          std::string_view backend) {
  for (std::size_t i = 0; i < backend::operations; ++i) {
    const backend::OperationMetrics& of = metrics.all[i];
    if (of.batches == 0) continue;
    const std::string_view operation = backend::name(static_cast<backend::Operation>(i));
    const auto line = [&](std::string_view name, std::string_view end, const std::string& value) {
      detail::write_line(to, name, end, {{"backend", backend}, {"operation", operation}}, value);
    };
    line("backend_requests", "_total", std::to_string(of.requests));
    line("backend_failed", "_total", std::to_string(of.failed));
    std::uint64_t up_to = 0;
    for (std::size_t c = 0; c < of.latency.counts.size(); ++c) {
      up_to += of.latency.counts[c];
      const bool is_last = c + 1 == of.latency.counts.size();
      const std::string limit = is_last ? "+Inf" : detail::seconds(of.latency.limit(c));
      detail::write_line(to, "backend_seconds", "_bucket",
                         {{"backend", backend}, {"operation", operation}, {"le", limit}},
                         std::to_string(up_to));
    }
    line("backend_seconds", "_sum", detail::seconds(of.latency.total));
    line("backend_seconds", "_count", std::to_string(up_to));
  }
}

}  // namespace persist::inline PERSIST_ABI::observe
