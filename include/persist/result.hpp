#pragma once

#include <persist/detail/fatal.hpp>
#include <persist/error.hpp>

#include <concepts>
#include <memory>
#include <type_traits>
#include <utility>

namespace persist::inline PERSIST_ABI {

/// What a function without a value returns when it worked: `return success;`.
struct Success {};
inline constexpr Success success{};

/// A value or the reason why there is none.
///
/// A default-constructed one is an error (`invalid`), so a forgotten assignment never reads as
/// success. Reading the value of one that holds an error ends the program with one sentence, in
/// every build: there is no undefined behaviour to reach from here. A success allocates nothing.
template <class T>
class [[nodiscard]] Result {
  static_assert(std::is_object_v<T>,
                "Result<T> holds an object: use T* or std::reference_wrapper for a reference");
  static_assert(!std::same_as<std::remove_cv_t<T>, Error>,
                "Result<Error> says nothing: return Error or Result<void>");

 public:
  using value_type = T;

  Result() noexcept : error_() {}
  Result(Error error) noexcept : error_(std::move(error)) {}  // NOLINT: an error is a result
  Result(Errc code) noexcept : error_(code) {}                // NOLINT
  template <class U = T>
    requires(std::convertible_to<U &&, T> && !std::same_as<std::remove_cvref_t<U>, Result> &&
             !std::same_as<std::remove_cvref_t<U>, Error> &&
             !std::same_as<std::remove_cvref_t<U>, Errc>)
  Result(U&& value) : has_(true) {  // NOLINT: a value is a result
    std::construct_at(std::addressof(value_), std::forward<U>(value));
  }
  Result(const Result& other)
    requires std::copy_constructible<T>
      : has_(other.has_) {
    has_ ? (void)std::construct_at(std::addressof(value_), other.value_)
         : (void)std::construct_at(std::addressof(error_), other.error_);
  }
  Result(Result&& other) noexcept(std::is_nothrow_move_constructible_v<T>) : has_(other.has_) {
    has_ ? (void)std::construct_at(std::addressof(value_), std::move(other.value_))
         : (void)std::construct_at(std::addressof(error_), std::move(other.error_));
  }
  Result& operator=(Result other) noexcept(std::is_nothrow_move_constructible_v<T>) {
    // Where moving the value throws, an error is left: something must be there to be destroyed.
    struct Otherwise {
      Result* at;
      ~Otherwise() {
        if (at != nullptr) std::construct_at(at);
      }
    } otherwise{this};
    std::destroy_at(this);
    std::construct_at(this, std::move(other));
    otherwise.at = nullptr;
    return *this;
  }
  ~Result() {
    has_ ? std::destroy_at(std::addressof(value_)) : std::destroy_at(std::addressof(error_));
  }

  [[nodiscard]] bool has_value() const noexcept { return has_; }
  explicit operator bool() const noexcept { return has_; }

  [[nodiscard]] T& value() & { return need_value(), value_; }
  [[nodiscard]] const T& value() const& { return need_value(), value_; }
  /// Of a temporary the value itself, so that `for (auto& row : *store.top<"coins">(10))` goes over
  /// rows that are there.
  [[nodiscard]] T value() && { return need_value(), std::move(value_); }
  [[nodiscard]] T& operator*() & { return value(); }
  [[nodiscard]] const T& operator*() const& { return value(); }
  [[nodiscard]] T operator*() && { return std::move(*this).value(); }
  [[nodiscard]] T* operator->() { return std::addressof(value()); }
  [[nodiscard]] const T* operator->() const { return std::addressof(value()); }
  template <class U>
  [[nodiscard]] T value_or(U&& other) && {
    return has_ ? std::move(value_) : static_cast<T>(std::forward<U>(other));
  }

  [[nodiscard]] const Error& error() const& { return need_error(), error_; }
  [[nodiscard]] Error&& error() && { return need_error(), std::move(error_); }
  /// Whether this failed with that code.
  [[nodiscard]] bool is(Errc code) const noexcept { return !has_ && error_.code() == code; }

 private:
  void need_value() const {
    if (!has_) [[unlikely]]
      detail::fatal(("a Result was read that holds an error: " + error_.message()).c_str());
  }
  void need_error() const {
    if (has_) [[unlikely]]
      detail::fatal("the error of a Result was read that holds a value");
  }

  union {
    T value_;
    Error error_;
  };
  bool has_ = false;
};

/// Whether it worked, and if not, why.
template <>
class [[nodiscard]] Result<void> {
 public:
  using value_type = void;

  Result() noexcept = default;
  Result(Success) noexcept : has_(true) {}                    // NOLINT: reads as `return success;`
  Result(Error error) noexcept : error_(std::move(error)) {}  // NOLINT: an error is a result
  Result(Errc code) noexcept : error_(code) {}                // NOLINT

  [[nodiscard]] bool has_value() const noexcept { return has_; }
  explicit operator bool() const noexcept { return has_; }
  void value() const {
    if (!has_) [[unlikely]]
      detail::fatal(("a Result was read that holds an error: " + error_.message()).c_str());
  }
  [[nodiscard]] const Error& error() const& {
    if (has_) [[unlikely]]
      detail::fatal("the error of a Result was read that holds a value");
    return error_;
  }
  [[nodiscard]] bool is(Errc code) const noexcept { return !has_ && error_.code() == code; }

 private:
  Error error_;
  bool has_ = false;
};

}  // namespace persist::inline PERSIST_ABI
