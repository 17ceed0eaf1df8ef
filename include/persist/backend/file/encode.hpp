#pragma once

#include <persist/backend/file/stage.hpp>

#include <deque>
#include <memory>
#include <utility>

namespace persist::inline PERSIST_ABI::backend::file {

/// Turns what is staged into the bytes of one batch, some of which lie in the requests and in this
/// encoder: both stay until it was written. Places and tombstones are filled in on the way; they
/// hold once the batch is written.
template <class Files>
class BatchEncoder {
 public:
  BatchEncoder(Batch& batch, const Index& index, const Log<Files>& log, Stage& stage)
      : batch_(batch), index_(index), log_(log), stage_(stage) {}

  void encode() {
    if (log_.nothing_in_newest()) {
      index_.write_stores(batch_.own());
      if (!stage_.new_run) write_entry(batch_.own(), RunEntry{index_.run, index_.opened_by});
    }
    if (stage_.new_run) write_entry(batch_.own(), RunEntry{*stage_.new_run, index_.opened_by});
    for (const StoreEntry& store : stage_.new_stores)
      write_entry(batch_.own(), store);
    for (const SchemaEntry& schema : stage_.new_schemas)
      write_entry(batch_.own(), schema);
    for (const ErasedEntry& moved : stage_.moved_tombstones)
      write_entry(batch_.own(), moved);
    for (Staged& staged : stage_.records()) {
      if (staged.erased) encode_erased(staged);
      if (staged.exists && staged.writes) encode_record(staged);
    }
    if (stage_.now_oldest != 0) write_oldest(batch_.own(), stage_.now_oldest);
  }
  /// Whether damaged bytes could not be moved out of the segment that was to be left.
  [[nodiscard]] bool left_behind() const noexcept { return left_behind_; }

 private:
  void encode_erased(Staged& staged) {
    const std::uint64_t begin = batch_.size();
    const StoreState& store = index_.stores[staged.store];
    Tombstone& left = *staged.erased;
    write_entry(batch_.own(), ErasedEntry{staged.store, store.hash(staged.key), left.epoch,
                                          left.version, staged.key});
    left.segment = log_.newest();
    left.size = static_cast<std::uint32_t>(batch_.size() - begin);
  }

  void encode_record(Staged& staged) {
    Record& record = staged.record;
    if (!spare_) spare_ = std::make_shared<Extra>();
    Extra* const extra = spare_.get();
    *extra = record.more();
    extra->receipts.reserve(extra->receipts.size() + 1);
    if (staged.history_changed) place_history(staged, *extra);
    fresh_.clear();
    each_place(record, *extra, [&](Place& place) { move(place); });
    if (stage_.leaving != 0 && record.lies_in(stage_.leaving)) gather(record, *extra);
    if (staged.data) add(record.data, *staged.data);
    if (staged.metadata) replace(extra->metadata, *staged.metadata);
    if (staged.user_ids) replace(extra->user_ids, *staged.user_ids);
    if (staged.indexed) replace(extra->indexed, *staged.indexed);
    if (staged.inbox_changed) {
      extra->inbox_messages = static_cast<std::uint32_t>(staged.inbox->messages.size());
      extra->inbox_bytes = static_cast<std::uint32_t>(staged.inbox->bytes);
      extra->last_position = staged.inbox->last_position;
      replace(extra->inbox, keep(encode_inbox(*staged.inbox)));
    }
    if (staged.outbox_changed) {
      extra->outbox_messages = static_cast<std::uint32_t>(staged.outbox->messages.size());
      const bool empty = staged.outbox->messages.empty();
      replace(extra->outbox, empty ? ByteView() : keep(encode_outbox(*staged.outbox)));
    }
    encode_receipts_of(staged, *extra);
    if (staged.history_changed) encode_history_of(staged, *extra);
    bool plain = extra->receipts_forgotten == 0;
    each_place(record, *extra, [&](Place& place) { plain = plain && &place == &record.data; });
    for (const FreshPart& part : fresh_)
      plain = plain && part.place == &record.data;
    record.extra = plain ? nullptr : std::exchange(spare_, nullptr);
    write_record(batch_.own(), log_.newest(), log_.end() + batch_.elsewhere(), staged.store,
                 staged.key, record, fresh_);
    for (const FreshPart& part : fresh_)
      batch_.add(part.bytes);
  }

  /// The places of the older states that stay; of those that are new, and of the list, empty ones.
  static void place_history(const Staged& staged, Extra& extra) {
    const std::vector<KeptPart>& kept = *staged.history;
    extra.history.assign(kept.empty() ? 0 : kept.size() + 1, Place{});
    for (std::size_t i = 0; i < kept.size(); ++i)
      extra.history[i + 1] = kept[i].place;
  }
  void encode_history_of(const Staged& staged, Extra& extra) {
    const std::vector<KeptPart>& kept = *staged.history;
    if (kept.empty()) return;
    add(extra.history[0], keep(encode_history(kept)));
    for (std::size_t i = 0; i < kept.size(); ++i)
      if (!kept[i].place.exists()) add(extra.history[i + 1], kept[i].fresh);
  }

  void encode_receipts_of(Staged& staged, Extra& extra) {
    extra.receipts_forgotten = staged.receipts_forgotten();
    if (staged.kept_receipts) {
      std::erase_if(fresh_, [&](const FreshPart& part) {
        return std::any_of(extra.receipts.begin(), extra.receipts.end(),
                           [&](const Place& page) { return part.place == &page; });
      });
      extra.receipts.clear();
      staged.new_receipts.insert(staged.new_receipts.begin(), staged.kept_receipts->begin(),
                                 staged.kept_receipts->end());
    }
    if (staged.new_receipts.empty()) return;
    extra.receipts.emplace_back();  // in the room reserved for it: fresh parts point to the others
    add(extra.receipts.back(), keep(encode_receipts(staged.new_receipts)));
  }

  /// Takes a part along that lies in the segment to be left.
  void move(Place& place) {
    if (place.segment != stage_.leaving) return;
    auto bytes = log_.read(place);
    if (!bytes) {
      left_behind_ = true;  // damaged: it stays where it is
      return;
    }
    add(place, keep(std::move(*bytes)));
  }
  /// Takes older states along that lie elsewhere, so that they lie together from now on.
  void gather(const Record& record, Extra& extra) {
    for (Place& place : extra.history) {
      const bool is_near = place.segment == stage_.leaving || place.segment == log_.newest();
      if (!place.exists() || is_near || !record.takes_along(place)) continue;
      if (auto bytes = log_.read(place)) add(place, keep(std::move(*bytes)));
    }
  }
  void add(Place& place, ByteView bytes) {
    std::erase_if(fresh_, [&](const FreshPart& part) { return part.place == &place; });
    fresh_.push_back({&place, bytes});
  }
  /// A part that is empty is not there.
  void replace(Place& place, ByteView bytes) {
    if (!bytes.empty()) return add(place, bytes);
    std::erase_if(fresh_, [&](const FreshPart& part) { return part.place == &place; });
    place = Place{};
  }
  [[nodiscard]] ByteView keep(Buffer&& bytes) {
    return kept_.emplace_back(std::move(bytes)).view();
  }

  Batch& batch_;
  const Index& index_;
  const Log<Files>& log_;
  Stage& stage_;
  std::vector<FreshPart> fresh_;
  std::deque<Buffer> kept_;
  std::shared_ptr<Extra> spare_;  ///< for the next record; most turn out to need none
  bool left_behind_ = false;
};

}  // namespace persist::inline PERSIST_ABI::backend::file
