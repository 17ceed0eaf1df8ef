#pragma once

#include <persist/clock.hpp>

#include <optional>
#include <string>
#include <string_view>

namespace persist::inline PERSIST_ABI {

/// A purchase as the shop names it, and when it was made, where that is known. A receipt without a
/// time is granted only as long as nothing was forgotten that could have been it.
struct ReceiptId {
  std::string_view id;
  std::optional<WallTime> time{};

  ReceiptId(std::string_view text) : id(text) {}    // NOLINT: a text is a receipt
  ReceiptId(const char* text) : id(text) {}         // NOLINT
  ReceiptId(const std::string& text) : id(text) {}  // NOLINT
  ReceiptId(std::string_view text, WallTime when) : id(text), time(when) {}
};

}  // namespace persist::inline PERSIST_ABI
