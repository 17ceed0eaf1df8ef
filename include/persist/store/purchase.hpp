#pragma once

#include <persist/detail/caught.hpp>
#include <persist/error.hpp>
#include <persist/session/grant.hpp>
#include <persist/store/changes.hpp>

#include <cstdint>
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

  Purchase() = default;
  explicit Purchase(PurchaseOutcome came_to, Error error = Errc{})
      : outcome(came_to), why(std::move(error)) {}
  /// What did not succeed: whether the same may be answered otherwise another time. A function says
  /// so with any other code than these.
  Purchase(Error error)  // NOLINT(google-explicit-constructor): an error is an answer
      : outcome(is_final(error) ? PurchaseOutcome::refused : PurchaseOutcome::retry_later),
        why(std::move(error)) {}
  Purchase(Errc code) : Purchase(Error(code)) {}  // NOLINT(google-explicit-constructor)

 private:
  [[nodiscard]] static bool is_final(const Error& error) noexcept {
    return error == Errc::refused || error == Errc::invalid || error == Errc::too_large;
  }
};

namespace detail {

/// A purchase, for a shop.
template <class S, class F>
class PurchaseChange : public AnyChange<S> {
 public:
  using Data = typename S::Data;
  using Answer = Purchase;

  PurchaseChange(ReceiptId receipt, F& fn) : receipt_(receipt), fn_(fn) {}
  [[nodiscard]] bool saves() const noexcept { return *granted_ == Grant::pending; }
  Result<void> apply(Session<S>& session, bool) {
    is_new_ = false;  // an earlier try may have come too late
    granted_ = session.grant_once(receipt_, [this](Data& data) -> Result<void> {
      is_new_ = true;
      // What broke once may not break again: only what the function answers is a refusal.
      return caught(
          "the function of a purchase", [&] { return call(fn_, data); }, Errc::cancelled);
    });
    return granted_ ? Result<void>(success) : Result<void>(granted_.error());
  }
  /// In a session of the game's the player has it already, and a later save will say so.
  [[nodiscard]] Answer answer(const Result<Saved>& saved, bool is_live) {
    if (!saved)
      return is_live ? Purchase(PurchaseOutcome::retry_later, saved.error())
                     : Purchase(saved.error());
    if (*granted_ == Grant::refused)
      return Error(Errc::refused,
                   "the receipt is older than what is remembered: nobody can say whether it was "
                   "granted");
    return Purchase(is_new_ ? PurchaseOutcome::granted : PurchaseOutcome::granted_before);
  }

 private:
  ReceiptId receipt_;
  F& fn_;
  Result<Grant> granted_;
  bool is_new_ = false;
};

}  // namespace detail
}  // namespace persist::inline PERSIST_ABI
