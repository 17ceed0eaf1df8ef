#pragma once

#include <persist/record/requests.hpp>

#include <algorithm>
#include <cstdint>
#include <span>
#include <variant>

// What callers hand in to be performed together, and what a batch that could not be written does to
// it.

namespace persist::inline PERSIST_ABI::backend::file {

/// Asks that all that was handed in before is synced.
struct FlushRequest {
  Error error{Errc{}};
};

/// Asks for a step of a compaction of all that lies in segments up to `through`; 0: in all that
/// there are, and that is told.
struct CompactRequest {
  std::uint32_t through = 0;
  bool done = false;
  Error error{Errc{}};
};

/// What one caller handed in, to be performed by whoever leads.
struct Job {
  std::variant<std::span<OpenStoreRequest>, std::span<AcquireRequest>, std::span<CommitRequest>,
               std::span<PostRequest>, std::span<RelayRequest>, std::span<EraseRequest>,
               FlushRequest*, CompactRequest*>
      requests;
};

inline void fail(AcquireRequest& request, const Error& error) {
  request.outcome = AcquireRequest::Outcome::failed;
  request.error = error;
}
inline void fail(CommitRequest& request, const Error& error) {
  request.outcome = CommitRequest::Outcome::failed;
  request.error = error;
}
template <class Request>
void fail(Request& request, const Error& error) {
  request.error = error;
}

/// Whether a request can be done without a byte for the log.
[[nodiscard]] inline bool writes_nothing(const AcquireRequest&) noexcept {
  return true;
}
[[nodiscard]] inline bool writes_nothing(const CommitRequest& request) noexcept {
  return std::none_of(request.changes.begin(), request.changes.end(), [](const Change& change) {
    return change.writes() || change.lease == LeaseChange::release;
  });
}
template <class Request>
[[nodiscard]] bool writes_nothing(const Request&) noexcept {
  return false;
}

/// The request as it was before it failed.
inline AcquireRequest& renewed(AcquireRequest& request) {
  request.record = Snapshot{};
  return request.error = Error(Errc{}), request;
}
template <class Request>
Request& renewed(Request& request) {
  return request.error = Error(Errc{}), request;
}

}  // namespace persist::inline PERSIST_ABI::backend::file
