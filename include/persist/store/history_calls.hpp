#pragma once

#include <persist/codec/json.hpp>
#include <persist/schema/value.hpp>
#include <persist/schema/value/diff.hpp>
#include <persist/store/offline_calls.hpp>

#include <algorithm>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

// The calls of a session and of a store about older states of the data.

namespace persist::inline PERSIST_ABI {

namespace detail {

/// An older state as it is put back: with what this build does not know of it.
template <class S>
struct OldState {
  typename S::Data data{};
  UnknownFields unknown;
  std::optional<codec::RecordVersion> version;  ///< where a newer build wrote it

  /// On any thread; reaches storage.
  [[nodiscard]] Result<void> read(StoreCore<S>& core, std::string_view key, std::uint64_t number) {
    Result<Snapshot> record = core.read(key, number);
    if (!record) return record.error();
    const auto info = core.decode(key, *record, data, unknown);
    if (!info) return info.error();
    using Policy = typename S::Policy;
    if (const auto after = codec::version_after<Policy>(*info);
        after != codec::version_of<Policy>())
      version = after;
    return success;
  }
  /// Makes it the data of the session, which is dirty then, or on an error changes nothing: `busy`,
  /// `closed`, `invalid`, `too_large`. The session's lock is the caller's.
  Result<void> put_into(SessionNode<S>& node) const {
    UnknownFields kept = std::exchange(node.unknown(), unknown.clone());
    const auto before = node.put_version(version);
    auto done = node.on_copy([&](typename S::Data& copy) -> Result<void> {
      copy = data;
      return success;
    });
    if (!done) {
      node.unknown() = std::move(kept);
      (void)node.put_version(before);
    }
    return done;
  }
};

/// An older state takes the place of what is there.
template <class S>
class RestoreChange : public AnyChange<S> {
 public:
  using Answer = Result<Saved>;
  using LoadOptions = LoadOptionsFor<typename S::Data>;
  static constexpr bool forces = true;
  static constexpr bool checks = true;
  static constexpr bool checks_live = true;

  explicit RestoreChange(std::uint64_t version) noexcept : version_(version) {}
  [[nodiscard]] LoadOptions load_options() const {
    LoadOptions options;
    options.conflict = Conflict::steal;
    options.default_value = old_.data;
    return options;
  }
  /// Nobody loses the record to a call that is refused in the end.
  Result<void> check(StoreCore<S>& core, std::string_view key) {
    if (auto read = old_.read(core, key, version_); !read) return read;
    const auto valid = [&] {
      const HookScope hook;
      return caught("the hook validate", [&] { return S::Policy::validate(old_.data); });
    };
    if (auto fits = valid(); !fits) return Error(fits.error()).for_key(key);
    auto now = core.read(key);
    if (!now) return now.is(Errc::not_found) ? Result<void>(success) : now.error();
    const auto readable = core.decode(key, *now);
    return readable ? Result<void>(success) : Result<void>(readable.error());
  }
  [[nodiscard]] bool saves() const noexcept { return true; }
  Result<void> apply(Session<S>& session, bool is_live) {
    auto& node = session.node();
    if (is_live && session.is_ephemeral()) return ephemeral(node.key());
    std::unique_lock<typename SessionNode<S>::SessionLock> writing(node.guard_lock());
    Result<void> done = old_.put_into(node);
    writing.unlock();
    node.tell_changes();
    return done;
  }
  [[nodiscard]] Answer answer(const Result<Saved>& saved, bool) { return saved; }

 private:
  std::uint64_t version_;
  OldState<S> old_;
};

}  // namespace detail

template <class S>
Result<void> Session<S>::restore(std::uint64_t version) {
  check_changeable<typename S::Policy>();
  if (Error no = refusal_to_store(); failed(no)) return no;
  detail::OldState<S> old;
  if (auto read = old.read(core(), id(), version); !read) return read;
  std::unique_lock<typename Node::SessionLock> writing(node_->guard_lock());
  Result<void> done = old.put_into(*node_);
  writing.unlock();
  node_->tell_changes();
  return done;
}

template <class S>
template <class K>
Result<std::vector<KeptVersion>> StoreCalls<S>::versions(const K& key,
                                                         const VersionsOptions& options) {
  KeyBuffer spelled;
  if (auto fits = spell(key, spelled); !fits) return fits.error();
  if constexpr (!versioned_backend<typename S::Backend>) return keeps_no_history();
  core_.waits_for_storage();
  ReadRequest request;
  request.store = core_.store();
  request.key = spelled.view();
  request.wants_data = false;
  request.wants_versions = true;
  core_.backend().read(std::span(&request, 1));
  if (failed(request.error)) return Error(request.error).for_key(spelled.view());
  if (!request.found) return Error(Errc::not_found, "there is no record").for_key(spelled.view());
  std::vector<KeptVersion> all = std::move(request.versions);
  std::erase_if(all, [&](const KeptVersion& each) {
    return (options.from && each.at < *options.from) || (options.to && each.at > *options.to);
  });
  if (!options.newest_first) std::reverse(all.begin(), all.end());
  if (all.size() > options.most) all.resize(options.most);
  return all;
}

template <class S>
template <class K>
Result<Saved> StoreCalls<S>::restore(const K& key, std::uint64_t version) {
  check_changeable<typename S::Policy>();
  detail::RestoreChange<S> what(version);
  return change(key, what);
}

template <class S>
template <class K>
Result<std::string> StoreCalls<S>::diff(const K& key, std::uint64_t from, std::uint64_t to) {
  KeyBuffer spelled;
  if (auto fits = spell(key, spelled); !fits) return fits.error();
  const auto read = [&](std::uint64_t version) -> Result<Value> {
    detail::OldState<S> state;
    if (auto got = state.read(core_, spelled.view(), version); !got) return got.error();
    auto value = schema::to_value<typename S::Policy>(state.data);
    if (!value) return Error(value.error()).for_key(spelled.view());
    return value;
  };
  const auto before = read(from);
  if (!before) return before.error();
  const auto after = read(to);
  if (!after) return after.error();
  return to_json(persist::diff(*before, *after), codec::JsonStyle::compact);
}

}  // namespace persist::inline PERSIST_ABI
