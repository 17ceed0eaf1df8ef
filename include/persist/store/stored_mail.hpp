#pragma once

#include <persist/backend/concept.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace persist::inline PERSIST_ABI {

/// Messages of a record that nobody plays, taken out of it without a session: with data or without,
/// and whatever that is.
template <class Backend>
class StoredMail {
 public:
  /// `lease` is how long the record is shut while they are taken out, at most; zero where the lock
  /// policy has no leases.
  StoredMail(Backend& backend, StoreId store, Duration lease) noexcept
      : backend_(backend), store_(store), lease_(lease) {}

  /// Takes out those that `goes(message)` picks, all or none, and says how many. None where there
  /// are none. `locked` where somebody has the record; `fenced` where somebody took it meanwhile;
  /// errors of storage. One round trip where nothing goes, else three.
  template <class Pick>
  [[nodiscard]] Result<std::size_t> remove(std::string_view key, const Owner& owner, Pick&& goes) {
    ReadRequest read{.store = store_, .key = key, .wants_data = false, .wants_inbox = true};
    backend_.read(std::span(&read, 1));
    if (failed(read.error)) return Error(read.error).for_key(key);
    if (picked(read.record.inbox, goes).empty()) return std::size_t{0};
    const auto mine = take(key, owner);
    if (!mine) return mine.error();
    return commit(key, mine->fence, picked(mine->inbox, goes));
  }
  /// Takes a record that nobody has; it is shut until it is given back, or the lease ends.
  /// `locked`, and errors of storage.
  [[nodiscard]] Result<Snapshot> take(std::string_view key, const Owner& owner) {
    AcquireRequest mine{.store = store_, .key = key, .owner = owner, .lease = lease_};
    send(mine, [&] { backend_.acquire(std::span(&mine, 1)); });
    if (mine.outcome == AcquireRequest::Outcome::taken) return std::move(mine.record);
    if (mine.outcome != AcquireRequest::Outcome::held) return Error(mine.error).for_key(key);
    return Error(Errc::locked, "somebody has the record")
        .for_key(key)
        .held_by({std::string(mine.holder.owner.server.view()), mine.holder.epoch,
                  std::chrono::duration_cast<std::chrono::milliseconds>(mine.holder.age)});
  }

 private:
  template <class Pick>
  [[nodiscard]] static std::vector<std::uint64_t> picked(const std::vector<Message>& inbox,
                                                         Pick&& goes) {
    std::vector<std::uint64_t> positions;
    for (const Message& each : inbox)
      if (goes(each)) positions.push_back(each.position);
    return positions;
  }
  /// Again where the reply was lost: it is known then that it is the same.
  template <class Request, class F>
  static void send(Request& request, F&& go) {
    for (int tries = 0; tries < 3; ++tries) {
      request.error = Errc{}, request.outcome = Request::Outcome::pending;
      go();
      if (request.error != Errc::unknown_outcome) return;
    }
  }
  [[nodiscard]] Result<std::size_t> commit(std::string_view key, Fence fence,
                                           const std::vector<std::uint64_t>& positions) {
    ++fence.write;
    Change change;
    change.store = store_, change.key = key, change.fence = fence;
    change.acknowledged = positions;
    change.lease = LeaseChange::release;
    CommitRequest request{.changes = std::span(&change, 1)};
    send(request, [&] { backend_.commit(std::span(&request, 1)); });
    using Outcome = CommitRequest::Outcome;
    if (request.outcome == Outcome::applied || request.outcome == Outcome::repeated ||
        change.landed)
      return positions.size();
    if (request.outcome == Outcome::failed) return Error(request.error).for_key(key);
    return Error(Errc::fenced, "somebody took the record meanwhile").for_key(key);
  }

  Backend& backend_;
  StoreId store_;
  Duration lease_;
};

}  // namespace persist::inline PERSIST_ABI
