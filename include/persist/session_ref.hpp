#pragma once

#include <persist/session/core.hpp>
#include <persist/session/grant.hpp>

#include <concepts>
#include <functional>
#include <utility>

// For gameplay code that sees its data and nothing of the stack it is stored with.

namespace persist::inline PERSIST_ABI {

template <class S>
class Session;

namespace detail {

/// What a session does that needs its store's types: one table for each store.
template <class Data>
struct SessionTable {
  /// Whether an edit may go to the data straight away: no lock to take, nothing captured.
  bool is_direct = false;
  Data& (*begin_edit)(SessionCore&) = nullptr;
  void (*end_edit)(SessionCore&) = nullptr;
  const Data& (*begin_view)(SessionCore&) = nullptr;
  void (*end_view)(SessionCore&) = nullptr;
  Result<Saved> (*save)(SessionCore&, SaveOptions) = nullptr;
  Result<void> (*request_save)(SessionCore&, SaveOptions) = nullptr;
  Result<Saved> (*release)(SessionCore&, Reason) = nullptr;
  Result<void> (*request_release)(SessionCore&, Reason) = nullptr;
  Result<Grant> (*grant_once)(SessionCore&, ReceiptId,
                              std::function<Result<void>(Data&)>&&) = nullptr;
};

}  // namespace detail

/// A session of whatever store, as seen by who only knows its data. As large as three pointers; a
/// handle like `Session`: copies are equal, and the last to go without a release releases.
///
/// Edits and views of a store for one thread touch the data itself; other calls go through one
/// table. Thread rule, errors and guarantees are those of the session.
template <class Data>
class SessionRef {
  using Table = detail::SessionTable<Data>;

 public:
  /// Of that session; done implicitly where a function takes a reference.
  template <class S>
    requires std::same_as<typename S::Data, Data>
  SessionRef(const Session<S>& session);  // NOLINT(google-explicit-constructor)
  SessionRef(const SessionRef& other) noexcept
      : core_(other.core_), data_(other.data_), table_(other.table_) {
    core_->refs.fetch_add(1, std::memory_order_relaxed);
    core_->take_handle();
  }
  SessionRef& operator=(SessionRef other) noexcept {
    std::swap(core_, other.core_), std::swap(data_, other.data_), std::swap(table_, other.table_);
    return *this;
  }
  ~SessionRef() {
    core_->drop_handle();
    if (core_->refs.fetch_sub(1, std::memory_order_acq_rel) == 1) delete core_;
  }
  friend bool operator==(const SessionRef& a, const SessionRef& b) noexcept {
    return a.core_ == b.core_;
  }

  class [[nodiscard]] Edit {
   public:
    explicit Edit(const SessionRef& of) : of_(of), is_direct_(of.is_direct()) {
      if (is_direct_)
        data_ = of.data_, of.core_->edit_guards.fetch_add(1, std::memory_order_relaxed);
      else
        data_ = &of.table_->begin_edit(*of.core_);
    }
    Edit(const Edit&) = delete;
    Edit& operator=(const Edit&) = delete;
    ~Edit() {
      if (is_direct_) {
        of_.core_->edit_guards.fetch_sub(1, std::memory_order_relaxed);
        of_.core_->mark_dirty();
      } else {
        of_.table_->end_edit(*of_.core_);
      }
    }
    [[nodiscard]] Data* operator->() const noexcept { return data_; }
    [[nodiscard]] Data& operator*() const noexcept { return *data_; }

   private:
    SessionRef of_;
    bool is_direct_;
    Data* data_ = nullptr;
  };
  class [[nodiscard]] View {
   public:
    explicit View(const SessionRef& of) : of_(of), is_direct_(of.is_direct()) {
      data_ = is_direct_ ? of.data_ : &of.table_->begin_view(*of.core_);
    }
    View(const View&) = delete;
    View& operator=(const View&) = delete;
    ~View() {
      if (!is_direct_) of_.table_->end_view(*of_.core_);
    }
    [[nodiscard]] const Data* operator->() const noexcept { return data_; }
    [[nodiscard]] const Data& operator*() const noexcept { return *data_; }

   private:
    SessionRef of_;
    bool is_direct_;
    const Data* data_ = nullptr;
  };

  /// A guard, as `Session::edit`. It stays where it is made: it can be neither moved nor copied.
  [[nodiscard]] Edit edit() const { return Edit(*this); }
  template <class F>
    requires std::invocable<F, Data&>
  decltype(auto) edit(F&& fn) const {
    const Edit guard(*this);
    return std::forward<F>(fn)(*guard);
  }
  [[nodiscard]] View view() const { return View(*this); }
  [[nodiscard]] Data clone() const {
    const View guard(*this);
    return *guard;
  }
  void touch() const {
    if (is_active()) core_->mark_dirty();
  }

  [[nodiscard]] std::string_view id() const noexcept { return core_->key(); }
  [[nodiscard]] State state() const noexcept { return core_->state; }
  [[nodiscard]] bool is_active() const noexcept { return !ended(core_->state); }
  [[nodiscard]] bool is_new() const noexcept { return core_->is_new; }
  [[nodiscard]] bool is_dirty() const noexcept { return core_->dirty(); }

  // As the calls of the same name of `Session`.
  Result<Saved> save(SaveOptions options = {}) const { return table_->save(*core_, options); }
  Result<void> request_save(SaveOptions options = {}) const {
    return table_->request_save(*core_, options);
  }
  Result<Saved> release(Reason reason = Reason::asked) const {
    return table_->release(*core_, reason);
  }
  Result<void> request_release(Reason reason = Reason::asked) const {
    return table_->request_release(*core_, reason);
  }
  Result<Grant> grant_once(ReceiptId receipt, std::function<Result<void>(Data&)> fn) const {
    return table_->grant_once(*core_, receipt, std::move(fn));
  }

 private:
  [[nodiscard]] bool is_direct() const noexcept {
    return table_->is_direct && !core_->is_watched() && !core_->in_function && !ended(core_->state);
  }

  SessionCore* core_;
  Data* data_;
  const Table* table_;
};

}  // namespace persist::inline PERSIST_ABI
