#pragma once

#include <persist/session/signals.hpp>

#include <utility>

namespace persist::inline PERSIST_ABI {

/// The signals of a session, of all sessions of a store, or of those of a slot: `fn` is called as
/// `Signals` says, until the returned connection is dropped. `Self` says whose they are with
/// `heard()`.
template <class Self>
class Connects {
 public:
  template <class F>
  Connection on_saving(F&& fn) {
    return of().saving.connect(std::forward<F>(fn));
  }
  template <class F>
  Connection on_saved(F&& fn) {
    return of().saved.connect(std::forward<F>(fn));
  }
  template <class F>
  Connection on_save_refused(F&& fn) {
    return of().save_refused.connect(std::forward<F>(fn));
  }
  template <class F>
  Connection on_released(F&& fn) {
    return of().released.connect(std::forward<F>(fn));
  }
  template <class F>
  Connection on_state_changed(F&& fn) {
    return of().state_changed.connect(std::forward<F>(fn));
  }
  template <class F>
  Connection on_renewal_failed(F&& fn) {
    return of().renewal_failed.connect(std::forward<F>(fn));
  }
  template <class F>
  Connection on_dropped_fields(F&& fn) {
    return of().dropped_fields.connect(std::forward<F>(fn));
  }
  template <class F>
  Connection on_dead_letter(F&& fn) {
    return of().dead_letter.connect(std::forward<F>(fn));
  }
  /// `fn(old, now)`, of a store `fn(session, old, now)`, after each change of that member of the
  /// data, or of all of the data: at the end of the outermost guard, and when a message, purchase
  /// or transaction took effect. Not for what a listener of `saving` changes, nor what `capture`
  /// brings. A member is compared as it would be stored; types need no `operator==`.
  template <auto Member = Whole{}, class F>
  Connection on_changed(F&& fn) {
    return static_cast<Self&>(*this).watched().template connect<Member>(std::forward<F>(fn));
  }

 private:
  friend Self;
  Connects() = default;
  [[nodiscard]] auto& of() { return static_cast<Self&>(*this).heard(); }
};

}  // namespace persist::inline PERSIST_ABI
