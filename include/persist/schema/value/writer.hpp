#pragma once

#include <persist/schema/value/core.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// The writing half of the pair that stands for a codec where the format is a Value: for
// conversions, for comparing what two values mean, and for tests of the walks without any bytes.

namespace persist::inline PERSIST_ABI::schema {

/// A writer whose format is a `Value`: what a codec's writer is to bytes.
class ValueWriter {
 public:
  /// So that the same data is the same value, whatever hashes say about the order of a set.
  static constexpr bool sorts_keys = true;
  [[nodiscard]] static constexpr bool key_less(std::string_view a, std::string_view b) noexcept {
    return canonical_less(a, b);
  }

  void null() { put(Value()); }
  void boolean(bool value) { put(Value(value)); }
  void integer(std::int64_t value) { put(Value(value)); }
  void unsigned_integer(std::uint64_t value) { put(Value(value)); }
  void real(double value) { put(Value(value)); }
  void real(float value) { put(Value(value)); }
  void text(std::string_view value) { put(Value(value)); }
  void bytes(ByteView value) { put(Value(Value::Bytes(value.begin(), value.end()))); }
  void begin_array(std::size_t count) { open_.emplace_back().elements.reserve(count); }
  void end_array() { close(Value(std::move(open_.back().elements))); }
  void begin_map(std::size_t count) { open_.emplace_back().members.reserve(count); }
  void key(std::string_view key) {
    open_.back().members.push_back({std::string(key), Value()}), open_.back().keyed = true;
  }
  /// Sorts the members; a key that was written twice makes the writer fail as `corrupt`.
  void end_map() {
    Result<Value> map = Value::map_of(std::move(open_.back().members));
    if (!map) fail(map.error());
    close(map ? *std::move(map) : Value());
  }
  void fail(Error error) {
    if (ok_) error_ = std::move(error);
    ok_ = false;
  }
  [[nodiscard]] bool ok() const noexcept { return ok_; }
  [[nodiscard]] Error take_error() { return std::move(error_); }
  /// What was written.
  [[nodiscard]] Value take() { return std::move(done_); }

 private:
  /// A container that was begun and not ended. `keyed` says that it is a map with a key that waits
  /// for its value; an empty map is told from an empty array by which end is called.
  struct Open {
    Value::Array elements;
    std::vector<Value::Member> members;
    bool keyed = false;
  };
  void put(Value value) {
    if (open_.empty())
      done_ = std::move(value);
    else if (open_.back().keyed)
      open_.back().members.back().value = std::move(value);
    else
      open_.back().elements.push_back(std::move(value));
  }
  void close(Value whole) {
    open_.pop_back();
    put(std::move(whole));
  }

  std::vector<Open> open_;
  Value done_;
  Error error_;
  bool ok_ = true;
};

}  // namespace persist::inline PERSIST_ABI::schema
