#pragma once

#include <persist/detail/config.hpp>

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace persist::inline PERSIST_ABI::testing {

/// Collects what a law found broken; belongs to no test framework. A law goes on after a failure
/// where that makes sense, so one run tells everything.
class Report {
 public:
  /// Notes a failure, with the line of the law, unless `holds`. Says whether it did.
  bool that(bool holds, std::string_view what, unsigned line = __builtin_LINE()) {
    ++checked_;
    if (!holds)
      failures_.push_back("line " + std::to_string(line) + ": not so: " + std::string(what));
    return holds;
  }
  [[nodiscard]] bool passed() const noexcept { return failures_.empty() && checked_ != 0; }
  [[nodiscard]] const std::vector<std::string>& failures() const noexcept { return failures_; }
  /// All failures, one a line; says so too where a law checked nothing at all.
  [[nodiscard]] std::string text() const {
    std::string all = checked_ == 0 ? "nothing was checked\n" : "";
    for (const std::string& failure : failures_)
      all.append(failure).append("\n");
    return all;
  }

 private:
  std::size_t checked_ = 0;
  std::vector<std::string> failures_;
};

}  // namespace persist::inline PERSIST_ABI::testing
