#pragma once

#include <persist/detail/config.hpp>

#include <atomic>
#include <utility>

namespace persist::inline PERSIST_ABI {

/// Keeps an object alive that counts those who point at it in a member `refs`, in one word where a
/// `std::shared_ptr` takes two. Counting is atomic: handles of a shared store are dropped by any
/// thread.
template <class T>
class Counted {
 public:
  Counted() noexcept = default;
  explicit Counted(T* object) noexcept : object_(object) {
    if (object_ != nullptr) object_->refs.fetch_add(1, std::memory_order_relaxed);
  }
  Counted(const Counted& other) noexcept : Counted(other.object_) {}
  Counted(Counted&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  Counted& operator=(Counted other) noexcept { return std::swap(object_, other.object_), *this; }
  ~Counted() {
    if (object_ != nullptr && object_->refs.fetch_sub(1, std::memory_order_acq_rel) == 1)
      delete object_;
  }

  [[nodiscard]] T* get() const noexcept { return object_; }
  [[nodiscard]] T& operator*() const noexcept { return *object_; }
  [[nodiscard]] T* operator->() const noexcept { return object_; }
  explicit operator bool() const noexcept { return object_ != nullptr; }
  friend bool operator==(const Counted&, const Counted&) noexcept = default;

 private:
  T* object_ = nullptr;
};

}  // namespace persist::inline PERSIST_ABI
