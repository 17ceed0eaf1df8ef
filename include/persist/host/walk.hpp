#pragma once

#include <persist/host/changes.hpp>
#include <persist/store/for_each.hpp>

#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace persist::inline PERSIST_ABI {

/// A walk over every record (store/for_each.hpp) that waits for nothing: storage is asked on lanes
/// and by the store's rounds, and everything else happens on the stores' thread, a page at a time.
template <class S, class F>
class HostWalk : private detail::Kept<F>,
                 private ForEach<S, F>,
                 public std::enable_shared_from_this<HostWalk<S, F>> {
 public:
  using Answer = Result<ForEachReport>;
  using State = AnswerState<Answer>;

  /// `until` is when it stops, between two pages, with what it has done.
  HostWalk(StoreCore<S>& core, F fn, ForEachOptions options, std::shared_ptr<State> state,
           TimePoint until)
      : detail::Kept<F>{std::move(fn)},
        ForEach<S, F>(core, detail::Kept<F>::function, std::move(options)),
        state_(std::move(state)),
        until_(until) {}

  void begin() {
    state_->take_back = [walk = this->weak_from_this()] {
      if (const auto self = walk.lock())
        for (Item& item : self->page_)
          item.loading.cancel();
    };
    go_on();
  }

 private:
  using Item = typename ForEach<S, F>::Item;

  [[nodiscard]] std::shared_ptr<HostWalk> me() { return this->shared_from_this(); }
  [[nodiscard]] HostGroup& group() const {
    return static_cast<HostSeat*>(this->core_.driver())->group;  // this runs in its poll
  }
  void end() { state_->answer(std::move(this->report_)); }

  /// Begins the next page.
  void go_on() {
    if (state_->is_over()) return;
    if (group().host().closing) {
      this->report_.error =
          Error(Errc::closed, "the Host is shutting down; `next` goes on from here");
      return end();
    }
    began_ = this->core_.now();
    if (began_ >= until_) {
      this->report_.error =
          Error(Errc::timeout, "the walk's deadline came; `next` goes on from here");
      return end();
    }
    if (!this->options_.only.empty()) return walk(this->next_told());
    auto page = std::make_shared<Result<KeyPage>>();
    group().on_lane(
        Priority::bulk, [self = me(), page] { *page = self->next_page(); },
        [self = me(), page] { self->walk(self->take(std::move(*page))); });
  }

  void walk(std::vector<std::string> keys) {
    if (state_->is_over()) return;
    if (failed(this->report_.error)) return end();
    keys_ = std::move(keys);
    if (this->options_.dry_run) return look();
    page_ = this->begin_page(keys_);
    left_ = page_.size() + 1;  // the last is this loop's own
    for (std::size_t i = 0; i < page_.size(); ++i)
      when_ready(this->core_, page_[i].loading, [self = me(), i] { self->change(self->page_[i]); });
    one_less();
  }
  void look() {
    auto reads = std::make_shared<std::vector<ReadRequest>>();
    group().on_lane(
        Priority::bulk, [self = me(), reads] { *reads = self->read(self->keys_); },
        [self = me(), reads] {
          if (self->state_->is_over()) return;
          self->look_at(std::move(*reads));
          self->end_page();
        });
  }
  void change(Item& item) {
    if (state_->is_over()) {  // what was loaded for it goes back
      if (auto session = item.loading.take()) this->core_.give_back_soon(session->node());
      return;
    }
    this->change_loaded(item);
    if (!item.saved) return one_less();
    expect_save(this->core_, *item.session, [self = me(), &item](const Result<Saved>&) {
      self->settle(item);
      self->one_less();
    });
  }
  void one_less() {
    if (--left_ == 0) end_page();
  }
  void end_page() {
    page_.clear();
    if (state_->is_over()) return;
    const Result<bool> more = detail::caught(
        "on_page", [this]() -> Result<bool> { return this->goes_on(keys_.size()); }, Errc::refused);
    if (!more) this->report_.error = more.error();
    if (!more || !*more) return end();
    const TimePoint next = this->earliest_next(began_, keys_.size());
    group().call_at(*state_, (std::min)(next, until_), [self = me()] { self->go_on(); });
  }

  std::shared_ptr<State> state_;
  TimePoint until_;
  TimePoint began_{};
  std::vector<std::string> keys_;  ///< of the page
  std::vector<Item> page_;
  std::size_t left_ = 0;  ///< of the page, that have not been dealt with
};

}  // namespace persist::inline PERSIST_ABI
