#pragma once

#include <persist/backend/concept.hpp>

#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace persist::inline PERSIST_ABI::testing {

/// A request that outlives who sent it: all that it refers to is its own.
template <class Request>
class Parcel;

template <>
class Parcel<CommitRequest> {
 public:
  explicit Parcel(const CommitRequest& from) : changes_(from.changes.begin(), from.changes.end()) {
    for (Change& change : changes_)
      keep(change);
  }
  template <class Backend>
  void arrive(Backend& backend) {
    CommitRequest request{.changes = changes_};
    backend.commit(std::span(&request, 1));
  }

 private:
  /// A deque leaves what is in it where it is.
  struct Kept {
    std::deque<std::string> texts;
    std::deque<Buffer> buffers;
    std::deque<std::vector<std::uint64_t>> numbers;
    std::deque<std::vector<Send>> sends;
    std::deque<std::vector<Receipt>> receipts;
    std::deque<RecordLimits> limits;
    std::deque<HistoryRule> rules;
  };
  std::string_view text(std::string_view from) { return kept_->texts.emplace_back(from); }
  ByteView bytes(ByteView from) { return kept_->buffers.emplace_back(from).view(); }
  template <class T>
  static std::vector<T>& all(std::deque<std::vector<T>>& in, std::span<const T> from) {
    return in.emplace_back(from.begin(), from.end());
  }
  void keep(Change& change) {
    change.key = text(change.key);
    if (change.data != nullptr) change.data = &kept_->buffers.emplace_back(change.data->view());
    if (change.user_ids != nullptr)
      change.user_ids = &kept_->numbers.emplace_back(*change.user_ids);
    if (change.metadata != nullptr)
      change.metadata = &kept_->buffers.emplace_back(change.metadata->view());
    if (change.indexed != nullptr)
      change.indexed = &kept_->buffers.emplace_back(change.indexed->view());
    change.acknowledged = all(kept_->numbers, change.acknowledged);
    change.receipts = all(kept_->receipts, change.receipts);
    change.sends = all(kept_->sends, std::span<const Send>(change.sends));
    for (Send& send : change.sends) {
      send.key = text(send.key);
      send.message.type = text(send.message.type);
      send.message.payload = bytes(send.message.payload);
    }
    if (change.limits != nullptr) change.limits = &kept_->limits.emplace_back(*change.limits);
    if (change.history != nullptr) change.history = &kept_->rules.emplace_back(*change.history);
  }

  std::vector<Change> changes_;
  std::unique_ptr<Kept> kept_ = std::make_unique<Kept>();
};

template <>
class Parcel<AcquireRequest> {
 public:
  explicit Parcel(const AcquireRequest& from) : request_(from), key_(from.key) {}
  template <class Backend>
  void arrive(Backend& backend) {
    request_.key = key_;
    backend.acquire(std::span(&request_, 1));
  }

 private:
  AcquireRequest request_;
  std::string key_;
};

template <>
class Parcel<PostRequest> {
 public:
  explicit Parcel(const PostRequest& from)
      : request_(from), key_(from.key), type_(from.message.type), payload_(from.message.payload) {
    if (from.limits != nullptr) limits_ = *from.limits;
  }
  template <class Backend>
  void arrive(Backend& backend) {
    request_.key = key_;
    request_.message.type = type_;
    request_.message.payload = payload_;
    request_.limits = limits_ ? &*limits_ : nullptr;
    backend.post(std::span(&request_, 1));
  }

 private:
  PostRequest request_;
  std::string key_, type_;
  Buffer payload_;
  std::optional<RecordLimits> limits_;
};

template <>
class Parcel<RelayRequest> {
 public:
  explicit Parcel(const RelayRequest& from)
      : request_(from),
        after_(from.after),
        from_(from.take_from),
        take_(from.take.begin(), from.take.end()) {}
  template <class Backend>
  void arrive(Backend& backend) {
    request_.after = after_, request_.take_from = from_, request_.take = take_;
    backend.relay(std::span(&request_, 1));
  }

 private:
  RelayRequest request_;
  std::string after_, from_;
  std::vector<OutgoingMessage> take_;
};

template <>
class Parcel<EraseRequest> {
 public:
  explicit Parcel(const EraseRequest& from) : request_(from), key_(from.key) {
    if (from.limits != nullptr) limits_ = *from.limits;
  }
  template <class Backend>
  void arrive(Backend& backend) {
    request_.key = key_;
    request_.limits = limits_ ? &*limits_ : nullptr;
    backend.erase(std::span(&request_, 1));
  }

 private:
  EraseRequest request_;
  std::string key_;
  std::optional<RecordLimits> limits_;
};

}  // namespace persist::inline PERSIST_ABI::testing
