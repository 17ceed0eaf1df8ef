#pragma once

#include <persist/backend/concept.hpp>

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace test {

/// A backend that takes so many bytes a record and no more, and where it is not transactional one
/// change a commit.
template <class Inner, bool Transactional = true>
class Narrow : public Inner {
 public:
  static constexpr bool is_transactional = Transactional;
  static constexpr std::size_t limit = 1024;

  struct Told {
    std::function<void()> after_read;  ///< runs when a batch was read, once
    std::size_t reads = 0;
    std::size_t acquired = 0;
    std::vector<std::size_t> sizes;  ///< of the data in the commits
    std::vector<std::string> keys;   ///< of the changes in the commits
  };

  using Inner::Inner;
  explicit Narrow(Inner inner) : Inner(std::move(inner)) {}

  [[nodiscard]] std::size_t largest_data() const { return limit; }
  [[nodiscard]] Told& told() noexcept { return *told_; }

  void acquire(std::span<persist::AcquireRequest> batch) {
    told_->acquired += batch.size();
    Inner::acquire(batch);
  }
  void commit(std::span<persist::CommitRequest> batch) {
    for (const persist::CommitRequest& request : batch) {
      EXPECT_TRUE(Transactional || request.changes.size() == 1);
      for (const persist::Change& change : request.changes) {
        told_->keys.emplace_back(change.key);
        if (change.data == nullptr) continue;
        EXPECT_LE(change.data->size(), limit) << "nothing larger may be sent";
        told_->sizes.push_back(change.data->size());
      }
    }
    Inner::commit(batch);
  }
  void read(std::span<persist::ReadRequest> batch) {
    told_->reads += batch.size();
    Inner::read(batch);
    if (const auto then = std::exchange(told_->after_read, nullptr)) then();
  }

 private:
  std::shared_ptr<Told> told_ = std::make_shared<Told>();
};

}  // namespace test
