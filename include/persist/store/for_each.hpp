#pragma once

#include <persist/detail/caught.hpp>
#include <persist/schema/same.hpp>
#include <persist/store/offline_calls.hpp>
#include <persist/store/round.hpp>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

// Every record of a store, one page at a time.

namespace persist::inline PERSIST_ABI {

/// What a walk did, so far or in all.
struct ForEachReport {
  std::uint64_t seen = 0;       ///< records that the function was called with
  std::uint64_t changed = 0;    ///< of these, written; of a dry run: that would have been
  std::uint64_t unchanged = 0;  ///< of these, left as they were
  std::uint64_t held = 0;       ///< passed by because somebody held them
  std::uint64_t failed = 0;     ///< that could not be read, or whose change was refused
  std::vector<Missed> missed;   ///< the held and the failed, as many as `most_missed`
  std::string next;             ///< for `resume`: every record up to here was seen or missed
  bool done = false;            ///< the last record was reached
  Error error{Errc{}};          ///< why it stopped before that, where nobody asked it to
};

struct ForEachOptions {
  std::string resume{};             ///< the `next` of an earlier report
  std::vector<std::string> only{};  ///< these keys, as storage spells them, and no others
  std::uint64_t rate = 0;           ///< records a second at most; 0: as fast as they go
  /// Nothing is written and no lease is taken: the function gets copies of what is durable, of held
  /// records too. For an audit, and to see what a change would do.
  bool dry_run = false;
  bool rewrite = false;  ///< writes also what the function left as it was: in today's form
  /// What to do about a holder: pass by, wait for him, or ask him to let go (and wait), both for as
  /// long as `deadline`. Never `steal`.
  Conflict held = Conflict::refuse;
  Duration deadline = 10s;  ///< of one page: for what is held, and for what storage does not answer
  std::size_t page = 500;   ///< records that are loaded, and then saved, together
  std::size_t most_missed = 10'000;
  /// Called after each page; `false` stops. Keep `next` where a crash must not begin anew.
  std::function<bool(const ForEachReport&)> on_page{};
};

/// One walk. What is open in this store is changed where it is, and saved by its next save.
template <class S, class F>
class ForEach {
 public:
  using Data = typename S::Data;
  using Node = SessionNode<S>;

  ForEach(StoreCore<S>& core, F& fn, ForEachOptions options)
      : core_(core), calls_(core), fn_(fn), options_(std::move(options)) {
    options_.page = std::clamp<std::size_t>(options_.page, 1, 100'000);
    if (options_.held == Conflict::steal) options_.held = Conflict::request;
    report_.next = options_.resume;
  }

  ForEachReport run() {
    core_.waits_for_storage();
    report_.error = core_.refusal();
    if (!failed(report_.error) && core_.is_busy())
      report_.error =
          Error(Errc::busy, "for_each waits for what a handler of this store would have to do");
    while (!report_.done && !failed(report_.error)) {
      const TimePoint began = core_.now();
      std::vector<std::string> keys = next_keys();
      if (failed(report_.error)) break;
      const std::size_t most = keys.size();
      if (options_.dry_run)
        look_at(read(keys));
      else
        change(std::move(keys));
      if (!goes_on(most)) break;
      if (options_.rate != 0) wait_until(earliest_next(began, most), [] { return false; });
    }
    return std::move(report_);
  }

 protected:
  /// One record of a page on its way.
  struct Item {
    std::string key;
    Loading<S> loading;
    std::optional<Session<S>> session{};
    std::shared_ptr<std::optional<Result<Saved>>> saved{};  ///< where a save was asked for
  };

  [[nodiscard]] std::vector<std::string> next_keys() {
    return options_.only.empty() ? take(next_page()) : next_told();
  }
  [[nodiscard]] std::vector<std::string> next_told() {
    const std::size_t most = (std::min)(options_.page, options_.only.size() - passed_);
    const auto first = options_.only.begin() + static_cast<std::ptrdiff_t>(passed_);
    std::vector<std::string> keys(first, first + static_cast<std::ptrdiff_t>(most));
    passed_ += most;
    report_.done = passed_ == options_.only.size();
    return keys;
  }
  /// Asks storage.
  [[nodiscard]] Result<KeyPage> next_page() { return calls_.scan(report_.next, options_.page); }
  [[nodiscard]] std::vector<std::string> take(Result<KeyPage> page) {
    if (!page) {
      report_.error = page.error();
      return {};
    }
    report_.next = std::move(page->next);
    report_.done = page->done;
    return std::move(page->keys);
  }
  /// Behind a page of so many records.
  [[nodiscard]] bool goes_on(std::size_t page) {
    const bool is_wanted = page == 0 || !options_.on_page || options_.on_page(report_);
    return is_wanted && !report_.done && !failed(report_.error);
  }
  [[nodiscard]] TimePoint earliest_next(TimePoint began, std::size_t page) const {
    if (options_.rate == 0) return began;
    return after(began, Duration(std::chrono::seconds(page)) / options_.rate);
  }

  /// Calls the function. Says whether it made something else of the data.
  [[nodiscard]] Result<bool> call_on(std::string_view key, const Data& before, Data& copy) {
    Result<void> done = success;
    if constexpr (std::is_invocable_v<F&, std::string_view, Data&>)
      done = detail::call(fn_, key, copy);
    else
      done = detail::call(fn_, copy);
    if (!done) return done.error();
    return !schema::same(before, copy);
  }
  void count(bool has_changed) {
    ++report_.seen;
    ++(has_changed ? report_.changed : report_.unchanged);
  }
  void miss(std::string_view key, const Error& why) {
    const bool is_held = why == Errc::locked || why == Errc::busy;
    ++(is_held ? report_.held : report_.failed);
    if (report_.missed.size() < options_.most_missed)
      report_.missed.push_back({std::string(key), why});
    if (is_ailing(why)) report_.error = why;
  }

  /// Asks storage. What it answers refers to the keys.
  [[nodiscard]] std::vector<ReadRequest> read(const std::vector<std::string>& keys) {
    std::vector<ReadRequest> reads(keys.size());
    for (std::size_t i = 0; i < keys.size(); ++i)
      reads[i].store = core_.store(), reads[i].key = keys[i];
    core_.backend().read(std::span(reads));
    return reads;
  }
  void look_at(std::vector<ReadRequest> reads) {
    for (ReadRequest& read : reads) {
      if (failed(read.error)) {
        miss(read.key, read.error);
        continue;
      }
      if (!read.found || !read.record.has_data) continue;  // erased since
      Result<Data> data = core_.decode(read.key, read.record);
      Result<bool> changed = false;
      if (data) {
        Data copy = *data;
        changed = detail::caught(
            "the function of for_each", [&] { return call_on(read.key, *data, copy); },
            Errc::refused);
      }
      if (data && changed)
        count(*changed || options_.rewrite);
      else
        miss(read.key, data ? changed.error() : data.error());
    }
  }

  /// Changes what is open here, and has the others loaded.
  [[nodiscard]] std::vector<Item> begin_page(std::vector<std::string> keys) {
    const TimePoint until = after(core_.now(), options_.deadline);
    std::vector<Item> page;
    page.reserve(keys.size());
    for (std::string& key : keys) {
      if (auto here = calls_.find(SpelledKey{key})) {
        change_live(*here);
        continue;
      }
      LoadOptionsFor<Data> how;
      how.conflict = options_.held;
      Loading<S> loading = calls_.begin(SpelledKey{key}, key::read_spelling<typename S::Key>(key),
                                        std::move(how), LoadKind::offline, until);
      page.push_back({std::move(key), std::move(loading)});
    }
    return page;
  }
  void change(std::vector<std::string> keys) {
    std::vector<Item> page = begin_page(std::move(keys));
    wait_until(TimePoint::max(), [&] {
      return std::all_of(page.begin(), page.end(), [](Item& each) { return each.loading.ready(); });
    });
    for (Item& item : page)
      change_loaded(item);
    wait_until(after(core_.now(), options_.deadline), [&] {
      return std::all_of(page.begin(), page.end(), [](const Item& each) {
        return !each.session || ended(each.session->state());
      });
    });
    for (Item& item : page)
      if (item.saved) settle(item);
  }
  /// Runs the function on a copy of what a session holds, which is moved in where it differs.
  [[nodiscard]] Result<bool> change_session(Session<S>& session) {
    Node& node = session.node();
    Result<bool> changed;
    const std::unique_lock<typename Node::SessionLock> writing(node.guard_lock());
    const Result<void> done = node.on_copy([&](Data& copy) -> Result<void> {
      changed = call_on(node.key(), node.data(), copy);
      if (!changed) return changed.error();
      return *changed ? Result<void>(success) : Result<void>(Error(Errc::cancelled));
    });
    if (changed && !*changed) return false;  // the copy was not wanted
    return done ? Result<bool>(true) : Result<bool>(done.error());
  }
  void change_live(Session<S>& session) {
    const Result<bool> changed =
        session.is_ephemeral() ? Result<bool>(ephemeral(session.id())) : change_session(session);
    if (!changed) return miss(session.id(), changed.error());
    count(*changed || options_.rewrite);
    if (*changed || options_.rewrite) (void)session.request_save({.force = true});
  }
  void change_loaded(Item& item) {
    auto session = item.loading.take();
    if (!session) return miss(item.key, session.error());
    Node& node = session->node();
    item.session = *session;
    if (node.is_new) return core_.give_back_soon(node);  // erased since
    const Result<bool> changed = change_session(*session);
    if (changed && (*changed || options_.rewrite)) {
      session->touch();
      item.saved = std::make_shared<std::optional<Result<Saved>>>();
      core_.expect_save(node, [to = item.saved](const Result<Saved>& result) { *to = result; });
      return core_.request_release(node, Reason::asked);
    }
    core_.give_back_soon(node);
    changed ? count(false) : miss(item.key, changed.error());
  }
  /// What became of a record that was to be written. What is told to have failed must not happen
  /// later: the record goes back as it was.
  void settle(Item& item) {
    Node& node = item.session->node();
    if (ended(node.state) && node.was_saved) return count(true);
    const auto& last = *item.saved;
    const bool is_known = [&] {  // a later try may be out
      const auto hold = core_.lock();
      return last && !*last && !node.in_flight;
    }();
    const Error why = is_known ? last->error() : Error(Errc::unknown_outcome);
    if (!ended(node.state) && why != Errc::unknown_outcome) core_.give_back_soon(node);
    miss(item.key, why);
  }

  /// Polls the store, which does what this walk waits for, until `is_done` or that time.
  template <class Done>
  void wait_until(TimePoint until, Done&& is_done) {
    RoundPartner<typename S::Backend>* self = &core_;
    while (!is_done()) {
      const TimePoint next =
          poll_partners<typename S::Backend>(std::span(&self, 1), Duration::zero(), core_.clock());
      if (is_done() || core_.now() >= until) return;
      core_.sleep_until((std::min)(next, until));
    }
  }

  StoreCore<S>& core_;
  StoreCalls<S> calls_;
  F& fn_;
  ForEachOptions options_;
  ForEachReport report_;
  std::size_t passed_ = 0;  ///< of `only`
};

}  // namespace persist::inline PERSIST_ABI
