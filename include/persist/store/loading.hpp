#pragma once

#include <persist/session/session.hpp>
#include <persist/store/core.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

namespace persist::inline PERSIST_ABI {

/// How a load goes about a holder, and whom its session is for.
enum class LoadKind : std::uint8_t {
  waits,    ///< as its conflict strategy says
  once,     ///< one attempt
  offline,  ///< for one change of a record that nobody plays
};

/// A load that `poll` carries on. Dropping it before it was taken calls it off: the record, or the
/// request to its holder, is given back.
template <class S>
class [[nodiscard]] Loading {
 public:
  explicit Loading(Error error) : error_(std::move(error)) {}
  /// `load` is null where the session is open already; `place` is the caller's among those who
  /// wait.
  Loading(Session<S> session, LoadPtr load, std::size_t place = 0)
      : session_(std::move(session)), load_(std::move(load)), place_(place) {}
  Loading(Loading&& other) noexcept
      : session_(std::exchange(other.session_, std::nullopt)),
        load_(std::move(other.load_)),
        place_(other.place_),
        error_(std::move(other.error_)) {}
  Loading& operator=(Loading&& other) noexcept {
    cancel();
    session_ = std::exchange(other.session_, std::nullopt);
    load_ = std::move(other.load_);
    place_ = other.place_;
    error_ = std::move(other.error_);
    return *this;
  }
  ~Loading() { cancel(); }

  /// Whether `take` has an answer.
  [[nodiscard]] bool ready() const noexcept { return !session_ || !load_ || load_->done; }
  /// The session, or why there is none: `locked` (names the holder), `cancelled`, what reading and
  /// decoding say; `busy` while it is not ready; where it has ended before it was taken `fenced`
  /// (somebody newer has the record) or `closed`. Once.
  [[nodiscard]] Result<Session<S>> take() {
    if (!session_)
      return failed(error_) ? error_ : Error(Errc::cancelled, "this load was taken or called off");
    if (!ready())
      return Error(Errc::busy, "the record is still being loaded").for_key(session_->id());
    Session<S> session = *std::exchange(session_, std::nullopt);
    const auto load = std::move(load_);
    if (load && failed(load->error)) return load->error;
    if (ended(session.state())) return gone(session);
    session.node().enter_game();
    return session;
  }
  /// Has `done` called among the listeners once `take` has an answer; or here, if it has one.
  void when_ready(std::function<void()> done) {
    if (session_ && load_) {
      auto* store = static_cast<StoreCore<S>*>(session_->node().host());
      if (store != nullptr) {
        const auto hold = store->lock();
        if (!load_->done) {
          load_->waiters[place_].done = std::move(done);
          return;
        }
      }
    }
    done();
  }
  void cancel() {
    if (!session_) return;
    auto& node = session_->node();
    if (load_ && !load_->done && node.host() != nullptr)
      static_cast<StoreCore<S>&>(*node.host()).abandon_load(node, place_);
    session_.reset();
    error_ = Error(Errc::cancelled, "the load was called off");
  }
  [[nodiscard]] const LoadPtr& load() const noexcept { return load_; }
  [[nodiscard]] const std::optional<Session<S>>& session() const noexcept { return session_; }

 private:
  static Error gone(const Session<S>& session) {
    const bool is_lost = session.state() == State::lost;
    return Error(is_lost ? Errc::fenced : Errc::closed,
                 is_lost ? "somebody else has the record since, or it was erased: load it again"
                         : "the session was released before this load was taken: load it again")
        .for_key(session.id());
  }

  std::optional<Session<S>> session_;
  LoadPtr load_;
  std::size_t place_ = 0;
  Error error_{Errc{}};
};

}  // namespace persist::inline PERSIST_ABI
