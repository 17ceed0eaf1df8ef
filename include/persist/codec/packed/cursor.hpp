#pragma once

#include <persist/bytes.hpp>
#include <persist/codec/input.hpp>
#include <persist/codec/packed/number.hpp>
#include <persist/error.hpp>
#include <persist/schema/read/flood.hpp>
#include <persist/schema/token.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace persist::inline PERSIST_ABI::codec::packed {

/// What reading by position is made of. Each step is given where it stands and returns where it
/// ended, so that the place stays in a register; null says that it failed, and then nothing more is
/// read.
class Cursor {
 public:
  Cursor(const Cursor&) = delete;
  Cursor& operator=(const Cursor&) = delete;

 protected:
  using At = const std::byte*;

  Cursor(ByteView bytes, schema::Limits limits) noexcept
      : begin_(bytes.data()),
        end_(bytes.data() + bytes.size()),
        limits_(limits),
        elements_((std::min)(limits.elements, bytes.size())) {}
  ~Cursor() = default;

  [[nodiscard]] const schema::Limits& limits() const noexcept { return limits_; }
  [[nodiscard]] Error take_error() { return std::move(error_); }
  [[nodiscard]] At begin() {
    if (left(begin_) <= limits_.bytes) return begin_;
    return refuse(begin_, Errc::too_large, "more bytes than the limit for one input");
  }
  [[nodiscard]] At finish(At at) {
    if (at == end_) return at;
    return corrupt(at, std::to_string(left(at)) + " bytes follow the end of the value");
  }

  At fail(Error error) { return error_ = std::move(error), nullptr; }
  At refuse(At at, Errc code, std::string what) {
    return fail({code, "packed at byte " + std::to_string(at - begin_) + ": " + std::move(what)});
  }
  At corrupt(At at, std::string what) { return refuse(at, Errc::corrupt, std::move(what)); }
  At cut_short(At at) { return corrupt(at, "the input ends in the middle of a value"); }
  [[nodiscard]] std::size_t left(At at) const noexcept {
    return static_cast<std::size_t>(end_ - at);
  }

  [[nodiscard]] At number(At at, std::uint64_t& into) {
    const At next = get_number(at, end_, into);
    return next != nullptr ? next : cut_short(at);
  }
  /// How many elements follow, of that many bytes each at least.
  [[nodiscard]] At count(At at, std::size_t least, std::size_t& into) {
    std::uint64_t said = 0;
    const At next = number(at, said);
    if (next == nullptr) return nullptr;
    if (said > left(next) / least)
      return corrupt(at, std::to_string(said) + " elements where " + std::to_string(left(next)) +
                             " bytes are left");
    // Each is a byte at least, so that lists inside each other cannot all promise the same bytes.
    if (said > elements_)
      return limits_.elements < left(begin_)
                 ? refuse(at, Errc::too_large, "more elements than the limit for one input")
                 : corrupt(at, "more elements than there are bytes");
    elements_ -= static_cast<std::size_t>(said);
    into = static_cast<std::size_t>(said);
    return next;
  }
  /// The bytes of a text, a byte string or a value.
  [[nodiscard]] At span(At at, std::string_view& into) {
    std::uint64_t size = 0;
    const At next = number(at, size);
    if (next == nullptr) return nullptr;
    if (size > left(next))
      return corrupt(at, "a length of " + std::to_string(size) + " bytes where " +
                             std::to_string(left(next)) + " are left");
    into = {reinterpret_cast<const char*>(next), static_cast<std::size_t>(size)};
    return next + size;
  }

  [[nodiscard]] At flag(At at, bool& into) {
    if (at == end_) return cut_short(at);
    if (*at > std::byte{1}) return corrupt(at, "neither true nor false");
    into = *at == std::byte{1};
    return at + 1;
  }

  /// Whether the key that was just added does not make the reading of this input slow.
  template <class C>
  [[nodiscard]] bool spread(At at, const C& all, const typename C::key_type& key) {
    if constexpr (schema::detail::is_flooded<C>) {
      using schema::detail::most_crowded_keys;
      if (schema::detail::is_crowded(all, key) && ++crowded_ > most_crowded_keys) [[unlikely]] {
        refuse(at, Errc::too_large,
               "more than " + std::to_string(most_crowded_keys) +
                   " keys were chosen so that their hashes collide");
        return false;
      }
    }
    return true;
  }

  /// Counts a container in, where the type can nest as deep as it likes.
  class Depth {
   public:
    Depth(Cursor& of, bool counts) noexcept : depth_(of.depth_), step_(counts ? 1 : 0) {
      depth_ += step_;
    }
    ~Depth() { depth_ -= step_; }
    Depth(const Depth&) = delete;
    Depth& operator=(const Depth&) = delete;

   private:
    std::uint32_t& depth_;
    std::uint32_t step_;
  };
  [[nodiscard]] bool is_too_deep() const noexcept {
    return depth_ > (std::min)(limits_.depth, Input::deepest);
  }

 private:
  At begin_;
  At end_;
  schema::Limits limits_;
  std::size_t elements_;
  std::uint32_t depth_ = 0;
  std::size_t crowded_ = 0;
  Error error_;
};

}  // namespace persist::inline PERSIST_ABI::codec::packed
