#pragma once

#include <persist/session_ref.hpp>
#include <persist/store/session_calls.hpp>

#include <utility>

namespace persist::inline PERSIST_ABI {
namespace detail {

/// What a `SessionRef` calls of a session of the stack `S`.
template <class S>
struct SessionTableOf {
  using Data = typename S::Data;
  using Node = SessionNode<S>;
  using Handle = Session<S>;

  static Node& node(SessionCore& core) noexcept { return static_cast<Node&>(core); }
  static Data& begin_edit(SessionCore& core) {
    check_changeable<typename S::Policy>();
    open_edit(node(core));
    return node(core).edit_target();
  }
  static void end_edit(SessionCore& core) { close_edit(node(core)); }
  static const Data& begin_view(SessionCore& core) {
    node(core).guard_lock().lock();
    return node(core).view_target();
  }
  static void end_view(SessionCore& core) { node(core).guard_lock().unlock(); }
  static Result<Saved> save(SessionCore& core, SaveOptions options) {
    return Handle(node(core)).save(options);
  }
  static Result<void> request_save(SessionCore& core, SaveOptions options) {
    return Handle(node(core)).request_save(options);
  }
  static Result<Saved> release(SessionCore& core, Reason reason) {
    return Handle(node(core)).release(reason);
  }
  static Result<void> request_release(SessionCore& core, Reason reason) {
    return Handle(node(core)).request_release(reason);
  }
  static Result<Grant> grant_once(SessionCore& core, ReceiptId receipt,
                                  std::function<Result<void>(Data&)>&& fn) {
    return Handle(node(core)).grant_once(receipt, std::move(fn));
  }

  static constexpr SessionTable<Data> table{!Node::is_shared && !S::Policy::has_capture,
                                            begin_edit,
                                            end_edit,
                                            begin_view,
                                            end_view,
                                            save,
                                            request_save,
                                            release,
                                            request_release,
                                            grant_once};
};

}  // namespace detail

template <class Data>
template <class S>
  requires std::same_as<typename S::Data, Data>
SessionRef<Data>::SessionRef(const Session<S>& session)
    : core_(&session.node()),
      data_(&session.node().data()),
      table_(&detail::SessionTableOf<S>::table) {
  core_->refs.fetch_add(1, std::memory_order_relaxed);
  core_->take_handle();
}

}  // namespace persist::inline PERSIST_ABI
