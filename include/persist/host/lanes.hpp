#pragma once

#include <persist/host/options.hpp>
#include <persist/store/round.hpp>

#include <array>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace persist::inline PERSIST_ABI {

/// Something for a lane: `perform` runs there, `complete` on the thread that answers. What it
/// brings along is bytes and numbers, or waits until it is complete.
class LaneTask {
 public:
  LaneTask() = default;
  LaneTask(const LaneTask&) = delete;
  LaneTask& operator=(const LaneTask&) = delete;
  virtual ~LaneTask() = default;

  virtual void perform() = 0;
  virtual void complete() = 0;
  /// It was performed: the last call on the lane. Hands itself back to who completes it.
  virtual void hand_back(std::unique_ptr<LaneTask> self) = 0;
};

/// The threads that wait for storage. What has the higher priority goes first, and within one what
/// came first.
class Lanes {
 public:
  explicit Lanes(std::size_t count) {
    threads_.reserve(count);
    for (std::size_t i = 0; i < count; ++i)
      threads_.emplace_back([this] { work(); });
  }
  Lanes(const Lanes&) = delete;
  Lanes& operator=(const Lanes&) = delete;
  ~Lanes() { stop(); }

  /// Waits for what is queued and performed. By who is no lane.
  void stop() {
    {
      const std::lock_guard hold(mutex_);
      ends_ = true;
    }
    came_.notify_all();
    for (std::thread& thread : threads_)
      thread.join();
    threads_.clear();
  }

  /// Whether this thread performs something, and may wait for storage.
  [[nodiscard]] static bool is_here() noexcept { return is_here_(); }
  [[nodiscard]] bool by_hand() const noexcept { return threads_.empty(); }
  void push(std::unique_ptr<LaneTask> task, Priority priority) {
    {
      const std::lock_guard hold(mutex_);
      if (ends_) return;
      queues_[static_cast<std::size_t>(priority)].push_back(std::move(task));
    }
    came_.notify_one();
  }
  /// Where there are no threads, or on a lane that has to wait for others: performs one task on
  /// this one. False where none waits.
  bool run_one() {
    if (!by_hand() && !is_here()) return false;  // it has better to do than to wait for storage
    std::unique_lock hold(mutex_);
    std::unique_ptr<LaneTask> task = take();
    hold.unlock();
    if (!task) return false;
    perform(std::move(task));
    return true;
  }

 private:
  static void perform(std::unique_ptr<LaneTask> task) {
    const bool was_here = std::exchange(is_here_(), true);
    task->perform();
    is_here_() = was_here;
    LaneTask& done = *task;
    done.hand_back(std::move(task));
  }
  [[nodiscard]] static bool& is_here_() noexcept {
    thread_local bool here = false;
    return here;
  }
  [[nodiscard]] std::unique_ptr<LaneTask> take() {
    for (auto& queue : queues_) {
      if (queue.empty()) continue;
      auto task = std::move(queue.front());
      queue.pop_front();
      return task;
    }
    return nullptr;
  }
  void work() {
    std::unique_lock hold(mutex_);
    while (true) {
      if (auto task = take()) {
        hold.unlock();
        perform(std::move(task));
        hold.lock();
      } else if (ends_) {
        return;
      } else {
        came_.wait(hold);
      }
    }
  }

  std::mutex mutex_;
  std::condition_variable came_;
  std::array<std::deque<std::unique_ptr<LaneTask>>, priorities> queues_;
  bool ends_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace persist::inline PERSIST_ABI
