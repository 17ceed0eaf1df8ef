#pragma once

#include <persist/detail/config.hpp>

#include <cstdint>
#include <cstdio>
#include <functional>
#include <string_view>

namespace persist::inline PERSIST_ABI {

enum class LogLevel : std::uint8_t { debug, info, warning, error, off };

[[nodiscard]] constexpr std::string_view name(LogLevel level) noexcept {
  constexpr std::string_view names[] = {"debug", "info", "warning", "error", "off"};
  return names[static_cast<std::uint8_t>(level) % std::size(names)];
}

/// Where a store writes what nobody is connected to hear. The sink is called on the thread that
/// found out, one call a line, and may be null: then lines go to stderr. Nothing below `level` is
/// put together, let alone written.
struct Log {
  LogLevel level = LogLevel::warning;
  std::function<void(LogLevel, std::string_view)> sink;

  [[nodiscard]] bool wants(LogLevel line) const noexcept {
    return line >= level && line != LogLevel::off;
  }
  void write(LogLevel line, std::string_view text) const {
    if (!wants(line)) return;
    if (sink) return sink(line, text);
    const std::string_view word = name(line);
    std::fprintf(stderr, "persist: %.*s: %.*s\n", static_cast<int>(word.size()), word.data(),
                 static_cast<int>(text.size()), text.data());
  }
};

}  // namespace persist::inline PERSIST_ABI
