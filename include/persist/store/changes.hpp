#pragma once

#include <persist/store/answers.hpp>
#include <persist/store/session_calls.hpp>

#include <mutex>
#include <type_traits>
#include <utility>

// Changes of a record by its key: what each does to a session, of the game's where one is open
// here, and otherwise of its own. How it comes to a session, and waits for storage or does not, is
// not its business: see offline_calls.hpp and host/changes.hpp.
//
//   Answer             what the caller gets
//   load_options()     how a session of its own is loaded
//   check(core, key)   before that, on any thread: whether it may go on; may reach storage
//   checks_live        whether also before a change of a session of the game's
//   apply(session, is_live)
//   saves()            whether a session of the game's is to be saved then, and
//   forces             whether even if it is clean
//   answer(saved, is_live)

namespace persist::inline PERSIST_ABI::detail {

template <class S>
struct AnyChange {
  using Node = SessionNode<S>;
  using Handle = Session<S>;
  using LoadOptions = LoadOptionsFor<typename S::Data>;
  static constexpr bool forces = false;
  static constexpr bool checks = false;
  static constexpr bool checks_live = false;

  [[nodiscard]] LoadOptions load_options() const {
    LoadOptions options;
    options.conflict = Conflict::refuse;
    return options;
  }
  Result<void> check(StoreCore<S>&, std::string_view) const { return success; }
};

/// `fn(data)`.
template <class S, class F>
class UpdateChange : public AnyChange<S> {
 public:
  using Data = typename S::Data;
  using R = std::invoke_result_t<F&, Data&>;
  using Answer = typename UpdateResult<R>::type;

  explicit UpdateChange(F& fn, UpdateOptions options = {}) noexcept : fn_(fn), options_(options) {}
  [[nodiscard]] bool saves() const noexcept { return false; }
  Result<void> apply(Session<S>& session, bool is_live) {
    auto& node = session.node();
    if (is_live && session.is_ephemeral()) return ephemeral(node.key());
    if (!is_live && node.is_new && !options_.create)
      return Error(Errc::not_found, "there is no record; .create = true makes one")
          .for_key(node.key());
    const std::unique_lock<typename SessionNode<S>::SessionLock> writing(node.guard_lock());
    return node.on_copy([&](Data& copy) -> Result<void> {
      if constexpr (std::is_void_v<R>) {
        fn_(copy);
        answer_ = success;
        return success;
      } else {
        answer_ = fn_(copy);
        return answer_ ? Result<void>(success) : Result<void>(answer_.error());
      }
    });
  }
  [[nodiscard]] Answer answer(const Result<Saved>& saved, bool) {
    return saved ? std::move(answer_) : Answer(saved.error());
  }

 private:
  F& fn_;
  UpdateOptions options_;
  Answer answer_;
};

/// The whole data.
template <class S>
class OverwriteChange : public AnyChange<S> {
 public:
  using Data = typename S::Data;
  using Answer = Result<Overwritten>;
  using LoadOptions = LoadOptionsFor<Data>;
  static constexpr bool forces = true;
  static constexpr bool checks = true;

  explicit OverwriteChange(Data data) : data_(std::move(data)) {}
  /// Before anybody loses the record to it.
  [[nodiscard]] Result<void> valid() const {
    const HookScope hook;
    return caught("the hook validate", [&] { return S::Policy::validate(data_); });
  }
  [[nodiscard]] LoadOptions load_options() const {
    LoadOptions options;
    options.conflict = Conflict::steal;
    options.default_value = data_;  // a record that does not exist yet begins as what it becomes
    return options;
  }
  /// Nobody loses the record to a call that is refused in the end.
  Result<void> check(StoreCore<S>& core, std::string_view key) const {
    auto record = core.read(key);
    if (!record) return success;
    const auto readable = core.decode(key, *record);
    return readable ? Result<void>(success) : Result<void>(readable.error());
  }
  [[nodiscard]] bool saves() const noexcept { return true; }
  Result<void> apply(Session<S>& session, bool) {
    auto& node = session.node();
    const std::unique_lock<typename SessionNode<S>::SessionLock> writing(node.guard_lock());
    answer_.dropped_unknown = !node.unknown().empty();
    UnknownFields kept = std::exchange(node.unknown(), UnknownFields());
    auto done = node.on_copy([&](Data& copy) -> Result<void> {
      if constexpr (has_sessions<typename S::LockPolicy> && !S::Access::is_shared)
        copy = std::move(data_);
      else
        copy = data_;  // it may have to be written again
      return success;
    });
    if (done)
      node.forget_version();
    else
      node.unknown() = std::move(kept);
    return done;
  }
  [[nodiscard]] Answer answer(const Result<Saved>& saved, bool) {
    if (!saved) return saved.error();
    answer_.version = saved->version;
    return answer_;
  }

 private:
  Data data_;
  Overwritten answer_;
};

/// A purchase.
template <class S, class F>
class GrantChange : public AnyChange<S> {
 public:
  using Answer = Result<Grant>;

  GrantChange(ReceiptId receipt, F& fn) : receipt_(receipt), fn_(fn) {}
  [[nodiscard]] bool saves() const noexcept { return *granted_ == Grant::pending; }
  Result<void> apply(Session<S>& session, bool) {
    granted_ = session.grant_once(receipt_, fn_);
    return granted_ ? Result<void>(success) : Result<void>(granted_.error());
  }
  /// A session of the game's that lives keeps the purchase until a later save.
  [[nodiscard]] Answer answer(const Result<Saved>& saved, bool is_live) {
    if (!saved) return is_live ? Answer(Grant::pending) : Answer(saved.error());
    return *granted_ == Grant::pending ? Answer(Grant::durable) : granted_;
  }

 private:
  ReceiptId receipt_;
  F& fn_;
  Answer granted_;
};

}  // namespace persist::inline PERSIST_ABI::detail
