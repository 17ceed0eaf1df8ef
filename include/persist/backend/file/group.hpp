#pragma once

#include <persist/detail/config.hpp>

#include <condition_variable>
#include <mutex>
#include <utility>
#include <vector>

namespace persist::inline PERSIST_ABI::backend::file {

/// Lets callers of many threads share one write and one sync. The first one leads: it performs what
/// has been handed in. All that comes while it is at it waits and is performed together by the
/// next leader. So each job waits for at most one sync before its own.
///
/// A mutex and a condition variable; only the leader is ever inside `perform`.
template <class Job>
class GroupCommit {
 public:
  /// Returns when the job was performed, by this thread or another. `perform(jobs)` takes a
  /// vector of pointers and must not throw.
  template <class Perform>
  void run(Job& job, Perform perform) {
    Waiting mine{&job, false};
    std::unique_lock hold(mutex_);
    queue_.push_back(&mine);
    changed_.wait(hold, [&] { return mine.done || !leading_; });
    if (mine.done) return;
    leading_ = true;
    const std::vector<Waiting*> taken = std::exchange(queue_, {});
    hold.unlock();
    std::vector<Job*> jobs;
    jobs.reserve(taken.size());
    for (const Waiting* waiting : taken)
      jobs.push_back(waiting->job);
    perform(jobs);
    hold.lock();
    leading_ = false;
    for (Waiting* waiting : taken)
      waiting->done = true;
    hold.unlock();
    changed_.notify_all();
  }
  /// How many wait for the one that is being performed.
  [[nodiscard]] std::size_t waiting() const {
    const std::lock_guard hold(mutex_);
    return queue_.size();
  }

 private:
  struct Waiting {
    Job* job;
    bool done;
  };
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Waiting*> queue_;
  bool leading_ = false;
};

}  // namespace persist::inline PERSIST_ABI::backend::file
