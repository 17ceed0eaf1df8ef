#pragma once

#include <persist/bytes.hpp>
#include <persist/error.hpp>
#include <persist/schema/token.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace persist::inline PERSIST_ABI::codec {

/// What the readers of all formats share: the input, where they stand in it, what it may cost, and
/// the first failure.
///
/// A failure stays: every later call returns false and changes nothing but the position. Nothing
/// here recurses or allocates in proportion to what the input claims.
class Input {
 public:
  /// The deepest nesting any reader follows, whatever `Limits` says: open containers are kept in
  /// the object.
  static constexpr std::uint32_t deepest = 128;

  Input(const Input&) = delete;
  Input& operator=(const Input&) = delete;

  /// Whether nothing failed so far.
  [[nodiscard]] bool ok() const noexcept { return ok_; }
  /// The position of the next byte.
  [[nodiscard]] std::size_t offset() const noexcept { return at_; }
  /// Keeps the first failure; returns false, so that it can be returned.
  bool fail(Error error) {
    if (ok_) error_ = std::move(error);
    return ok_ = false;
  }
  /// The failure. Only after `ok()` said false.
  [[nodiscard]] Error take_error() { return std::move(error_); }

  /// A place before an item, to come back to from anywhere in it.
  struct Mark {
    std::size_t at;
    std::size_t elements;
    std::uint32_t depth;
  };
  [[nodiscard]] Mark mark() const noexcept { return {at_, elements_, depth_}; }
  /// Goes back there; a failure that came after it is forgotten.
  void rewind(const Mark& to) noexcept {
    at_ = to.at, elements_ = to.elements, depth_ = to.depth;
    ok_ = true;
  }

 protected:
  /// An array or map that was begun and not ended.
  struct Frame {
    std::uint64_t left;  ///< elements or pairs still to come, where the format says how many
    bool map;
    bool begun;  ///< whether an element was there
  };

  Input(std::string_view format, ByteView bytes, schema::Limits limits)
      : begin_(reinterpret_cast<const char*>(bytes.data())),
        size_(bytes.size()),
        format_(format),
        elements_((std::min)(limits.elements, bytes.size())),
        elements_are_limited_(limits.elements < bytes.size()),
        depth_limit_((std::min)(limits.depth, deepest)) {
    if (bytes.size() > limits.bytes) {
      too_large(std::to_string(bytes.size()) + " bytes, and the limit is " +
                std::to_string(limits.bytes));
    }
  }
  ~Input() = default;

  [[nodiscard]] bool at_end() const noexcept { return at_ == size_; }
  [[nodiscard]] std::size_t left() const noexcept { return size_ - at_; }
  [[nodiscard]] char next() const noexcept { return begin_[at_]; }
  [[nodiscard]] std::string_view view(std::size_t from, std::size_t size) const noexcept {
    return {begin_ + from, size};
  }

  bool corrupt(std::string_view what) { return corrupt_at(at_, what); }
  bool corrupt_at(std::size_t where, std::string_view what) {
    return fail_at(Errc::corrupt, where, what);
  }
  bool too_large(std::string_view what) { return fail_at(Errc::too_large, at_, what); }
  PERSIST_NOINLINE bool cut_short() { return corrupt("the input ends in the middle of an item"); }
  /// Another token than the one that was asked for: `schema_mismatch`, without a path, which the
  /// walk knows; `corrupt` where there is none at all.
  PERSIST_NOINLINE bool mismatch(std::string_view expected, schema::Token found) {
    if (found == schema::Token::bad) return false;  // peek has said why
    if (found == schema::Token::end) {
      return at_end() ? cut_short() : corrupt("an end where a value must be");
    }
    return fail(Error(Errc::schema_mismatch)
                    .at({}, std::string(expected), std::string(schema::name(found))));
  }

  /// Takes elements from the budget of the whole input, before anybody makes room for them. Each is
  /// a byte at least, so that containers inside each other cannot all promise the same bytes.
  bool take_elements(std::uint64_t count) {
    if (count <= elements_) return elements_ -= static_cast<std::size_t>(count), true;
    return elements_are_limited_ ? too_large("more elements than the limit for one input")
                                 : corrupt("more elements than there are bytes");
  }
  /// Goes into a container; `too_large` where that is deeper than the limit.
  bool enter(Frame frame) {
    if (depth_ >= depth_limit_)
      return too_large("nested deeper than " + std::to_string(depth_limit_));
    frames_[depth_++] = frame;
    return true;
  }
  void leave() noexcept { --depth_; }
  [[nodiscard]] std::uint32_t depth() const noexcept { return depth_; }
  [[nodiscard]] Frame& top() noexcept { return frames_[depth_ - 1]; }

  /// Reads one item of any kind and forgets it. A loop, not a recursion: the open containers are in
  /// `frames_`.
  template <class Reader>
  bool pass_over(Reader& reader) {
    const std::uint32_t outside = depth_;
    do {
      read_and_forget(reader);
      std::string_view key;
      while (ok_ && depth_ > outside &&
             !(top().map ? reader.next_key(key) : reader.next_element())) {
      }
    } while (ok_ && depth_ > outside);
    return ok_;
  }

  const char* begin_;
  std::size_t size_;
  std::size_t at_ = 0;

 private:
  /// A scalar, or the beginning of a container.
  template <class Reader>
  bool read_and_forget(Reader& reader) {
    std::size_t count;
    bool boolean;
    schema::Integer integer;
    schema::Real real;
    std::string_view text;
    ByteView bytes;
    switch (const auto token = reader.peek()) {
      case schema::Token::null:
        return reader.null();
      case schema::Token::boolean:
        return reader.boolean(boolean);
      case schema::Token::integer:
        return reader.integer(integer);
      case schema::Token::real:
        return reader.real(real);
      case schema::Token::text:
        return reader.text(text);
      case schema::Token::bytes:
        return reader.bytes(bytes);
      case schema::Token::array:
        return reader.begin_array(count);
      case schema::Token::map:
        return reader.begin_map(count);
      default:
        return mismatch("an item", token);
    }
  }

  PERSIST_NOINLINE bool fail_at(Errc code, std::size_t where, std::string_view what) {
    std::string text(format_);
    text.append(" at byte ").append(std::to_string(where)).append(": ").append(what);
    return fail({code, std::move(text)});
  }

  std::string_view format_;
  std::size_t elements_;
  bool elements_are_limited_;
  std::uint32_t depth_limit_;
  std::uint32_t depth_ = 0;
  bool ok_ = true;
  Error error_;
  Frame frames_[deepest];
};

}  // namespace persist::inline PERSIST_ABI::codec
