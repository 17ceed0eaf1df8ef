#pragma once

#include <persist/store/offline_calls.hpp>

#include <string_view>
#include <utility>

// What a shop is told.

namespace persist::inline PERSIST_ABI {

/// What a shop does next about a purchase.
enum class PurchaseOutcome : std::uint8_t {
  granted,         ///< applied and saved now: take the money
  granted_before,  ///< an earlier try had been saved: take the money, nothing was given again
  retry_later,     ///< not saved: say nothing, and ask again with the same receipt
  refused,         ///< never granted, and asking again gives the same: give the money back
};
[[nodiscard]] constexpr std::string_view name(PurchaseOutcome outcome) noexcept {
  constexpr std::string_view names[] = {"granted", "granted_before", "retry_later", "refused"};
  return names[static_cast<std::uint8_t>(outcome)];
}

struct Purchase {
  PurchaseOutcome outcome = PurchaseOutcome::retry_later;
  Error why{Errc{}};  ///< of the last two
};

namespace detail {
/// Whether the same purchase may be answered otherwise another time. A function says so with any
/// other code than these.
[[nodiscard]] inline bool is_final(const Error& error) noexcept {
  return error == Errc::refused || error == Errc::invalid || error == Errc::too_large;
}
}  // namespace detail

template <class S>
template <class K, class F>
Purchase StoreCalls<S>::purchase(const K& key, ReceiptId receipt, F& fn) {
  bool is_new = false;
  auto apply = [&](Data& data) -> Result<void> {
    is_new = true;
    return detail::call(fn, data);
  };
  const Result<Grant> granted = grant_once(key, receipt, apply);
  using Outcome = PurchaseOutcome;
  if (!granted)
    return {detail::is_final(granted.error()) ? Outcome::refused : Outcome::retry_later,
            granted.error()};
  switch (*granted) {
    case Grant::durable:
      return {is_new ? Outcome::granted : Outcome::granted_before};
    case Grant::refused:
      return {Outcome::refused,
              Error(Errc::refused,
                    "the receipt is older than what is remembered: nobody can say "
                    "whether it was granted")};
    default:
      return {Outcome::retry_later,
              Error(Errc::unavailable, "the purchase is applied here and not saved yet")};
  }
}

}  // namespace persist::inline PERSIST_ABI
