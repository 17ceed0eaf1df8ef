#pragma once

#include <persist/bytes.hpp>
#include <persist/codec/input.hpp>
#include <persist/error.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

namespace persist::inline PERSIST_ABI::codec {

/// What the writers of all formats share: the buffer they append to, the nesting, and the first
/// failure.
///
/// After a failure a writer goes on appending, because a check per call costs more than bytes that
/// are thrown away; whoever made it asks `ok()` at the end and then drops what was written.
class Output {
 public:
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;

  [[nodiscard]] bool ok() const noexcept { return ok_; }
  /// Keeps the first failure.
  void fail(Error error) {
    if (ok_) error_ = std::move(error);
    ok_ = false;
  }
  /// The failure. Only after `ok()` said false.
  [[nodiscard]] Error take_error() { return std::move(error_); }

 protected:
  explicit Output(Buffer& out) noexcept : out_(out) {}
  ~Output() = default;

  /// What no reader would follow is not written either, or a record could be saved and never
  /// loaded.
  void enter() {
    if (++depth_ > Input::deepest) [[unlikely]]
      too_deep();
  }
  void leave() noexcept { --depth_; }
  [[nodiscard]] std::uint32_t depth() const noexcept { return depth_; }

  PERSIST_NOINLINE void not_utf8(std::size_t where) {
    fail({Errc::invalid, "a text is no UTF-8 from its byte " + std::to_string(where) +
                             " on: keep such bytes in a byte string (std::vector<std::byte>)"});
  }

  Buffer& out_;

 private:
  PERSIST_NOINLINE void too_deep() {
    fail({Errc::too_large, "the data is nested deeper than " + std::to_string(Input::deepest)});
  }

  std::uint32_t depth_ = 0;
  bool ok_ = true;
  Error error_;
};

}  // namespace persist::inline PERSIST_ABI::codec
