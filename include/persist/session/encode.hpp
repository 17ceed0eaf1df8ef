#pragma once

#include <persist/codec/record.hpp>
#include <persist/session/commit.hpp>
#include <persist/session/node.hpp>
#include <persist/session/stack.hpp>

#include <memory>
#include <string>
#include <utility>

// How the data of a session becomes the bytes of its record.

namespace persist::inline PERSIST_ABI {

template <class S>
Result<bool> SessionNode<S>::encode_data(const Data& data, UnknownFields& unknown, Buffer& out,
                                         bool asks_rules) {
  Result<void> written = asks_rules ? valid(data) : success;
  if (written) {
    if constexpr (detail::RecordOf<Data>::may_be_empty) {
      if (!data) return false;
      written =
          codec::encode_record<typename S::Codec, Policy>(*data, unknown, record_version(), out);
    } else {
      written =
          codec::encode_record<typename S::Codec, Policy>(data, unknown, record_version(), out);
    }
  }
  if (written) return true;
  Error why = written.error();
  return std::move(why).for_key(key());
}

template <class S>
Result<void> SessionNode<S>::index_data(const Data& data, Buffer& out) const {
  out.clear();
  return in_hook("the function of an index", [&] {
    using List = typename Policy::IndexList;
    if constexpr (!detail::RecordOf<Data>::may_be_empty)
      List::append(data, out);
    else if (data)
      List::append(*data, out);
  });
}

template <class S>
Result<bool> SessionNode<S>::encode(Cut& cut) {
  if constexpr (Policy::keep_durable) rare().encoded = std::make_unique<Data>(data_);
  using Codec = typename S::Codec;
  if constexpr (codec::wraps_records<Codec> || codec::joins_records<Codec>)
    cut.wrap = &wrapping_of<Codec>;
  if constexpr (codec::joins_records<Codec>)
    cut.split.begin(core().pieces_store(), core().hash(key()), extras ? extras->pieces : Pieces());
  Result<bool> exists = encode_data(data_, unknown_, cut.data, !cut.is_aside);
  if constexpr (Policy::has_indexes) {
    const Result<void> indexed = index_data(data_, cut.indexed);
    if (!indexed && !cut.is_aside) return indexed.error();
    cut.has_indexed = indexed.has_value();
  }
  cut.drops = !unknown_.dropped().empty();
  note_encoded(cut.data);
  using Written = typename detail::RecordOf<Data>::type;
  if constexpr (codec::shares_schemas<Codec, Policy, Written>)
    if (exists && *exists)
      cut.schema = Codec::template schema_of<Policy, Written>(
          cut.data.view().subspan(codec::EnvelopeLayout::size));
  return exists;
}

template <class S>
Result<void> SessionNode<S>::check(const Data& data) {
  Buffer bytes;
  // Encoding forgets what has lost its place, and this is a trial that may come to nothing.
  UnknownFields unknown = unknown_.clone();
  if (const auto encoded = encode_data(data, unknown, bytes); !encoded) return encoded.error();
  if constexpr (Policy::has_indexes) {
    Buffer entries;
    if (auto indexed = index_data(data, entries); !indexed) return indexed;
  }
  const std::size_t limit = core().most_bytes(!codec::wraps_records<typename S::Codec> &&
                                              !codec::splits_records<typename S::Codec>);
  if (bytes.size() <= limit) return success;
  return Error(Errc::too_large, "the record would have " + std::to_string(bytes.size()) +
                                    " bytes; the limit is " + std::to_string(limit))
      .for_key(key());
}

}  // namespace persist::inline PERSIST_ABI
