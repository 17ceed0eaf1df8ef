#pragma once

#include <persist/store/store_calls.hpp>

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace persist::inline PERSIST_ABI {

struct SlotOptions {
  /// Its sessions are its own: not found by their key, and a load of that key asks them to let go
  /// as it would another server's.
  bool hidden = false;
};

/// A record's place in the game, before, between and after its sessions: what is connected,
/// attached or set here holds for each session that it opens. Dropping the slot drops its handle of
/// the session.
///
/// Outlives its store safely: `closed`. Thread rule: its store's.
template <class S>
class Slot : public Connects<Slot<S>> {
 public:
  using Data = typename S::Data;
  using Handle = Session<S>;
  using KeyValue = typename S::KeyValue;

  Slot(const std::shared_ptr<StoreCore<S>>& store, KeyValue key, SlotOptions options)
      : place_(std::make_shared<Place>(store, std::move(key), options.hidden)) {}
  Slot(Slot&&) noexcept = default;
  Slot& operator=(Slot&&) noexcept = default;
  Slot(const Slot&) = delete;
  Slot& operator=(const Slot&) = delete;
  ~Slot() = default;

  /// As `Store::load`; the session that is open already is answered again.
  Result<Handle> open(LoadOptionsFor<Data> options = {}) {
    const auto store = place_->store.lock();
    if (!store) return gone();
    StoreCalls<S> calls(*store);
    // No poll ends the one before while this call waits for its record.
    if (auto before = session(); before && place_->hidden && before->state() == State::releasing)
      (void)before->release();
    const TimePoint deadline = calls.deadline_of(options, store->options().load_deadline);
    return calls.finish(begin(*store, std::move(options), deadline), deadline);
  }
  /// As `Store::begin_load`.
  Loading<S> begin_open(LoadOptionsFor<Data> options = {}) {
    const auto store = place_->store.lock();
    if (!store) return Loading<S>(gone());
    StoreCalls<S> calls(*store);
    const TimePoint deadline = calls.deadline_of(options, store->options().begin_deadline);
    return begin(*store, std::move(options), deadline);
  }
  /// As `Session::release`; `closed` where nothing is open.
  Result<Saved> close(Reason reason = Reason::asked) {
    auto open = session();
    return open ? open->release(reason) : Result<Saved>(gone());
  }
  Result<void> request_close(Reason reason = Reason::asked) {
    auto open = session();
    return open ? open->request_release(reason) : Result<void>(gone());
  }

  [[nodiscard]] const KeyValue& key() const noexcept { return place_->key; }
  [[nodiscard]] bool is_hidden() const noexcept { return place_->hidden; }
  /// The session that it opened last, until that has ended.
  [[nodiscard]] std::optional<Handle> session() const {
    auto& current = place_->session;
    if (current && ended(current->state())) current.reset();
    return current;
  }
  [[nodiscard]] bool is_open() const {
    const auto open = session();
    return open && open->state() != State::loading;
  }

  // What holds for every session.
  void set_autosave(Duration interval) {
    place_->autosave = interval;
    if (auto open = session()) open->set_autosave(interval);
  }
  void set_min_gap(Duration gap) {
    place_->min_gap = gap;
    if (auto open = session()) open->set_min_gap(gap);
  }
  /// As `Session::attach`: the object is made once and hangs on each session in turn.
  template <class T, class... Args>
  T& attach(Args&&... args) {
    const void* const tag = &detail::attachment_tag<T>;
    auto& all = place_->attachments;
    const auto at =
        std::find_if(all.begin(), all.end(), [&](const auto& each) { return each.first == tag; });
    if (at != all.end()) return *static_cast<T*>(at->second.get());
    auto made = std::make_shared<T>(std::forward<Args>(args)...);
    all.emplace_back(tag, made);
    if (auto open = session()) place_->hang_on(*open);
    return *made;
  }

 private:
  friend Connects<Slot>;
  [[nodiscard]] auto& heard() { return place_->signals; }
  [[nodiscard]] auto& watched() {
    if (auto open = session()) open->node().heard_by |= SessionCore::changes_heard;
    return place_->signals.changed;
  }
  struct Place {
    Place(const std::shared_ptr<StoreCore<S>>& of, KeyValue named, bool is_hidden)
        : store(of), key(std::move(named)), hidden(is_hidden) {}

    /// Passes on what the session tells, to its very end, for as long as the place is there.
    template <class Signal>
    static void wire(Signal& from, const std::shared_ptr<Place>& to, Signal Signals<Data>::*which) {
      from.connect([weak = std::weak_ptr<Place>(to), which](auto&&... args) {
            if (const auto place = weak.lock()) (place->signals.*which).fire(args...);
          })
          .detach();
    }
    void hang_on(const Handle& on) {
      const auto& node = on.node();
      if (node.host() == nullptr) return;
      const auto hold = static_cast<StoreCore<S>&>(*node.host()).lock();
      auto& there = on.node().more().attachments;
      for (const auto& object : attachments)
        if (std::none_of(there.begin(), there.end(),
                         [&](const auto& each) { return each.first == object.first; }))
          there.push_back(object);
    }

    std::weak_ptr<StoreCore<S>> store;
    KeyValue key;
    bool hidden;
    Signals<Data> signals;
    std::vector<std::pair<const void*, std::shared_ptr<void>>> attachments;
    std::optional<Duration> autosave, min_gap;
    std::optional<Handle> session;
  };

  Loading<S> begin(StoreCore<S>& store, LoadOptionsFor<Data> options, TimePoint deadline) {
    if (auto open = session();
        open && open->state() != State::loading && open->state() != State::releasing)
      return Loading<S>(*std::move(open), LoadPtr());
    auto* own = place_->session ? &place_->session->node() : nullptr;
    Loading<S> loading = StoreCalls<S>(store).begin(place_->key, place_->key, std::move(options),
                                                    LoadKind::waits, deadline, place_->hidden, own);
    if (loading.session() && loading.session() != place_->session) adopt(*loading.session());
    return loading;
  }
  void adopt(Handle session) {
    auto& own = session.node().signals();
    const auto wire = [&](auto which) { Place::wire(own.*which, place_, which); };
    wire(&Signals<Data>::saving), wire(&Signals<Data>::saved);
    wire(&Signals<Data>::save_refused), wire(&Signals<Data>::released);
    wire(&Signals<Data>::state_changed), wire(&Signals<Data>::renewal_failed);
    wire(&Signals<Data>::dropped_fields), wire(&Signals<Data>::dead_letter);
    own.changed.also(std::shared_ptr<Watches<Data>>(place_, &place_->signals.changed));
    if (place_->signals.changed.any()) session.node().heard_by |= SessionCore::changes_heard;
    if (place_->autosave) session.set_autosave(*place_->autosave);
    if (place_->min_gap) session.set_min_gap(*place_->min_gap);
    place_->hang_on(session);
    place_->session = std::move(session);
  }
  [[nodiscard]] Error gone() const {
    return {Errc::closed, "nothing is open in this slot, or its store is gone"};
  }

  std::shared_ptr<Place> place_;
};

}  // namespace persist::inline PERSIST_ABI
