#pragma once

#include <persist/detail/caught.hpp>
#include <persist/session/session.hpp>
#include <persist/store/core.hpp>

#include <algorithm>
#include <array>
#include <memory>
#include <tuple>
#include <utility>

namespace persist::inline PERSIST_ABI::detail {

/// Calls `use(fn, sessions…)` where the function came last.
template <class Use, class Last>
decltype(auto) function_first(Use&& use, Last& fn) {
  return use(fn);
}
template <class Use, class First, class... Rest>
decltype(auto) function_first(Use&& use, First& first, Rest&... rest) {
  if constexpr (sizeof...(Rest) == 0) {
    return use(first);
  } else {
    return function_first(
        [&](auto& fn, auto&... others) -> decltype(auto) { return use(fn, first, others...); },
        rest...);
  }
}

/// One change of several sessions, all or nothing: `fn` on copies, then one commit with all of
/// them.
template <class... S>
class Transaction {
  static_assert(sizeof...(S) <= 16, "persist: a transaction has at most 16 partners");
  static_assert(((S::Access::is_shared) && ...) || ((!S::Access::is_shared) && ...),
                "persist: the partners of a transaction are all in access::Shared, or none is: the "
                "thread that commits for one would touch the other");

 public:
  using Group = std::shared_ptr<TransactionGroup>;

  explicit Transaction(Session<S>&... sessions)
      : nodes_(&sessions.node()...), cores_{&sessions.node()...} {}
  ~Transaction() {
    for (std::size_t i = 0; i < locked_; ++i)
      cores_[i]->unlock();
  }
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;

  /// Why the partners cannot change together now, or `Errc{}`. Locks them.
  [[nodiscard]] Error check() {
    // The locks come first: what is checked must stay so.
    for (; locked_ < cores_.size(); ++locked_)
      if (!cores_[locked_]->try_lock()) {
        return Error(Errc::busy, "another thread is editing this session")
            .for_key(cores_[locked_]->key());
      }
    Error no{Errc{}};
    std::size_t i = 0;
    each([&](auto& node) {
      if (!failed(no)) no = check_one(node, i++);
    });
    if (failed(no)) return no;
    if (!share_a_database())
      return Error(Errc::unsupported, "the partners' stores do not share one open database");
    return Errc{};
  }

  /// From `begin_copy` on none boards; one that did so since `check` has not seen its partners.
  [[nodiscard]] Error is_out() {
    Error no{Errc{}};
    each([&no](auto& node) {
      const auto hold = node.core().lock();
      if (node.in_flight && !failed(no))
        no = Error(Errc::busy, "a save of this session is under way").for_key(node.key());
    });
    return no;
  }

  /// Runs `fn` on copies and moves them in when it and every rule said yes; otherwise nothing has
  /// changed.
  template <class F>
  [[nodiscard]] Result<Group> run(F& fn) {
    (check_changeable<typename S::Policy>(), ...);
    Result<void> captured = success;
    each([&](auto& node) {
      if (captured) captured = node.capture();
    });
    if (!captured) return captured.error();
    auto copies = std::apply([](auto*... node) { return std::tuple(node->data()...); }, nodes_);
    zip(copies, [](auto& node, auto& copy) { node.begin_copy(copy); });
    Running running(*this);
    if (Error no = is_out(); failed(no)) return no;
    const auto sent =
        std::apply([](auto*... node) { return std::array{node->last_sent()...}; }, nodes_);
    Result<void> done = caught(
        "the function",
        [&] { return std::apply([&](auto&... copy) { return call(fn, copy...); }, copies); },
        Errc::refused);
    each([&done](auto& node) {
      if (done && ended(node.state))
        done = Error(Errc::closed, "a partner ended meanwhile").for_key(node.key());
    });
    zip(copies, [&done](auto& node, auto& copy) {
      if (done) done = node.check(copy);
    });
    std::size_t applied = 0;
    zip(copies, [&](auto& node, auto& copy) {
      if (done) done = (++applied, node.apply(copy));
    });
    if (!done) {
      std::size_t i = 0;
      each([&](auto& node) {
        if (i < applied) node.apply_own();
        node.take_back(sent[i++]);
      });
      return done.error();
    }
    zip(copies, [](auto& node, auto& copy) { node.take_in(std::move(copy)); });
    auto group = std::make_shared<TransactionGroup>();
    each([&](auto& node) {
      group->partners.push_back({SessionPtr(&node), node.core().shared_from_this()});
    });
    bool all_there = true;
    each([&](auto& node) {
      const auto hold = node.core().lock();
      node.more().group = group;
      all_there = all_there && !ended(node.state);
    });
    running.end();
    if (all_there) return group;
    // One ended on another thread before it had partners.
    for (const TransactionGroup::Partner& partner : group->partners)
      partner.store->lose(*partner.session, *group);
    return Error(Errc::fenced, "a partner of the transaction ended meanwhile; all are lost");
  }

  /// Commits all partners now, unless another thread has done so since.
  [[nodiscard]] Result<Transacted> commit(const Group& group) {
    auto& first = *std::get<0>(nodes_);
    auto& core = first.core();
    count(core);
    const Result<Saved> saved = core.commit_now(first, Aim::save, Reason::transaction);
    // What is not written is still applied here and will be: saying that it failed would have it
    // done twice.
    const auto hold = core.lock();
    if (saved || group->durable) return Transacted::durable;
    return first.group() == group.get() ? Result<Transacted>(Transacted::pending)
                                        : Result<Transacted>(saved.error());
  }
  [[nodiscard]] Result<Transacted> request() {
    auto& first = *std::get<0>(nodes_);
    count(first.core());
    first.core().request_save(first, false);
    return Transacted::pending;
  }

 private:
  /// While it lives no commit takes a partner: what a function did is whole, or gone.
  struct Running {
    explicit Running(Transaction& of) : transaction(&of) {}
    Running(const Running&) = delete;
    Running& operator=(const Running&) = delete;
    ~Running() { end(); }
    void end() {
      if (Transaction* of = std::exchange(transaction, nullptr))
        of->each([](auto& node) { node.end_copy(); });
    }
    Transaction* transaction;
  };
  template <class Core>
  static void count(Core& core) {
    const auto hold = core.lock();
    ++core.metrics().transactions;
  }
  /// Why the partner at that place cannot take part, or `Errc{}`.
  template <class Node>
  [[nodiscard]] Error check_one(Node& core, std::size_t i) {
    if (core.host() == nullptr)
      return Error(Errc::invalid, "a partner of the transaction is not open").for_key(core.key());
    const auto hold = core.core().lock();
    if (core.host() != nullptr && core.state == State::suspect)
      return Error(Errc::busy, "the lease of this session is in doubt").for_key(core.key());
    if (core.tie == Tie::none) return ephemeral(core.key());
    if (core.host() == nullptr || core.state != State::open)
      return Error(Errc::invalid, "a partner of the transaction is not open").for_key(core.key());
    if (HookScope::active())
      return Error(Errc::invalid, "a hook of a policy may not call the store");
    if (std::find(cores_.begin(), cores_.begin() + static_cast<std::ptrdiff_t>(i), &core) !=
        cores_.begin() + static_cast<std::ptrdiff_t>(i))
      return Error(Errc::invalid, "the same session takes part twice").for_key(core.key());
    if (core.edit_guards != 0 || core.in_function || core.in_flight || core.group() != nullptr)
      return Error(Errc::busy,
                   "a guard, a save, a function or a transaction of this session is open")
          .for_key(core.key());
    return Errc{};
  }
  [[nodiscard]] bool share_a_database() {
    auto& first = std::get<0>(nodes_)->core().backend();
    return std::apply(
        [&](auto*... node) { return (first.same_database(node->core().backend()) && ...); },
        nodes_);
  }
  template <class F>
  void each(F&& use) {
    std::apply([&](auto*... node) { (use(*node), ...); }, nodes_);
  }
  template <class Copies, class F>
  void zip(Copies& copies, F&& use) {
    [&]<std::size_t... I>(std::index_sequence<I...>) {
      (use(*std::get<I>(nodes_), std::get<I>(copies)), ...);
    }(std::index_sequence_for<S...>{});
  }

  std::tuple<SessionNode<S>*...> nodes_;
  std::array<SessionCore*, sizeof...(S)> cores_;
  std::size_t locked_ = 0;
};

}  // namespace persist::inline PERSIST_ABI::detail

namespace persist::inline PERSIST_ABI {

/// Changes several open sessions together: `fn(data, data, …)` runs at once on copies; if it
/// returns well and every result is valid and fits, the copies are moved in and committed in one
/// write.
///
/// `durable`, or `pending` (applied here; written with the next commit of any partner, and with all
/// of them). An error means that nothing has changed: `invalid` (a partner is not open, or takes
/// part twice, or a rule is broken), `busy`, `unsupported` (not one database), `too_large`, what
/// `fn` says; `fenced`: somebody newer has a record, and all partners are lost. Blocks for one
/// round trip.
template <class F, class... S>
  requires(sizeof...(S) >= 2)
Result<Transacted> transact_sessions(F&& fn, Session<S>&... sessions) {
  static_assert((transactional_backend<typename S::Backend> && ...),
                "this backend cannot commit several records together, so its sessions cannot take "
                "part in a transaction");
  Result<std::shared_ptr<TransactionGroup>> group;
  {
    detail::Transaction<S...> transaction(sessions...);
    if (Error no = transaction.check(); failed(no)) return no;
    group = transaction.run(fn);
    if (!group) return group.error();
  }
  detail::Transaction<S...> transaction(sessions...);
  return transaction.commit(*group);
}

/// As `transact_sessions`, but leaves the commit to the next poll: `pending`.
template <class F, class... S>
  requires(sizeof...(S) >= 2)
Result<Transacted> request_transaction(F&& fn, Session<S>&... sessions) {
  static_assert((transactional_backend<typename S::Backend> && ...),
                "this backend cannot commit several records together, so its sessions cannot take "
                "part in a transaction");
  {
    detail::Transaction<S...> transaction(sessions...);
    if (Error no = transaction.check(); failed(no)) return no;
    if (auto done = transaction.run(fn); !done) return done.error();
  }
  (sessions.node().tell_changes(), ...);
  detail::Transaction<S...> transaction(sessions...);
  return transaction.request();
}

}  // namespace persist::inline PERSIST_ABI
