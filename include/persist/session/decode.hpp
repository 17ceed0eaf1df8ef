#pragma once

#include <persist/codec/envelope.hpp>
#include <persist/codec/record.hpp>
#include <persist/detail/hook.hpp>
#include <persist/record/requests.hpp>
#include <persist/schema/value/reconcile.hpp>
#include <persist/session/node.hpp>
#include <persist/session/stack.hpp>

#include <atomic>
#include <cstdint>
#include <memory>
#include <type_traits>
#include <utility>

// How a session comes to its data: what was stored, or what a new record begins as. It runs where
// the batch is performed, so all it needs travels with the session.

namespace persist::inline PERSIST_ABI {

/// A default of the load goes before one of the policy, and that before a template: it is the whole
/// of a new record, and says more about it than what partial ones are filled in with.
template <class S>
Result<void> SessionNode<S>::begin_record(Snapshot& from, std::unique_ptr<Data> filler) {
  Result<void> given = success;
  if (rare_ && rare_.load()->default_value)
    data_ = std::move(*std::exchange(rare_.load()->default_value, nullptr));
  else if (Policy::has_defaults && !is_named)
    return Error(Errc::not_found, "there is no record, and its default needs the key itself")
        .for_key(key());
  else if (!Policy::has_defaults && filler)
    data_ = std::move(*filler);
  else
    given = in_hook("the hook defaults", [&] { data_ = Policy::defaults(key_value_); });
  if constexpr (gives_user_ids<typename S::Key>) {
    if (!is_named) return given;
    UserIds users;
    S::Key::user_ids(key_value_, users);
    from.user_ids.assign(users.begin(), users.end());
    more().user_ids.changed = !users.empty();
  }
  return given;
}

/// The walks leave alone what the record does not have, so a template is what they begin with. Data
/// without a shape is filled in afterwards. A record that waits for its schema or pieces is read
/// once more, and finds the template where it was or in the data.
template <class S>
Result<codec::RecordInfo> SessionNode<S>::decode_data(Snapshot& from,
                                                      std::unique_ptr<Data> filler) {
  [[maybe_unused]] const LoadScope<Policy> hooks;
  constexpr bool has_shape = !std::is_same_v<Data, Value>;
  if constexpr (has_shape)
    if (filler) data_ = std::move(*std::exchange(filler, nullptr));
  auto info = load_record<S>(key(), from, record_limit(), data_, unknown_);
  if constexpr (!has_shape)
    if (info && filler) data_.reconcile(std::move(*filler));
  if constexpr (codec::joins_records<typename S::Codec>)
    if (!info && from.needed_pieces != 0 && host() != nullptr) core().name_pieces(key(), from);
  const bool waits = info.is(Errc::unknown_schema) || (!info && from.needed_pieces != 0);
  if (waits && filler) set_template(std::move(filler));
  return info;
}

template <class S>
Result<void> SessionNode<S>::decode(Snapshot& from) {
  if constexpr (!codec::joins_records<typename S::Codec>)
    stored_bytes = static_cast<std::uint32_t>(from.data.size());
  else if (from.needed_pieces == 0)  // at the first try, or what is joined would be counted
    stored_bytes = static_cast<std::uint32_t>(codec::chunked::stored_size(from.data));
  std::unique_ptr<Data> filler = take_template();
  if (!from.has_data) return begin_record(from, std::move(filler));
  const auto info = decode_data(from, std::move(filler));
  if (!info) return info.error();
  note_encoded(from.data);
  constexpr auto usual = codec::version_of<Policy>();
  if (const auto after = codec::version_after<Policy>(*info); after != usual)
    rare().version = after;
  if constexpr (Policy::keep_durable) rare().durable = std::make_unique<Data>(data_);
  if (info->is_outdated) edited.fetch_add(1, std::memory_order_relaxed);
  auto keeps_rules = valid(data_);
  if (!keeps_rules) return codec::envelope::left_alone(keeps_rules.error());
  return keeps_rules;
}

}  // namespace persist::inline PERSIST_ABI
