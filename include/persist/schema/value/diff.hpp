#pragma once

#include <persist/schema/value/core.hpp>

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace persist::inline PERSIST_ABI {
namespace schema::detail {

/// How many elements or members a patch may move for each value in it and in what it is applied to.
/// What `diff` makes stays below; a patch made to keep a server busy does not.
inline constexpr std::size_t moves_per_value = 256;

/// Finds what changes one value into another.
class Diffing {
 public:
  [[nodiscard]] Value take() { return Value(std::move(operations_)); }

  void value(const Value& a, const Value& b) {
    if (a == b) return;
    if (a.is_map() && b.is_map()) return map(a, b);
    if (a.is_array() && b.is_array()) return array(a.elements(), b);
    add_operation("replace", &b);
  }

 private:
  void map(const Value& a, const Value& b) {
    std::size_t common = 0;
    for (const Value::Member& member : a.members())
      common += b.find(member.key) != nullptr ? 1 : 0;
    const std::size_t changes = a.size() + b.size() - 2 * common;
    if (changes > moves_per_value) return add_operation("replace", &b);
    for (const Value::Member& member : a.members())
      if (b.find(member.key) == nullptr) at(member.key, [&] { add_operation("remove", nullptr); });
    for (const Value::Member& member : b.members()) {
      at(member.key, [&] {
        if (const Value* old = a.find(member.key))
          value(*old, member.value);
        else
          add_operation("add", &member.value);
      });
    }
  }

  /// What is equal at both ends stays. Between, elements change in their places, and what is left
  /// over is taken out or put in: exact for one gap, and never worse than linear.
  void array(std::span<const Value> a, const Value& whole) {
    const std::span<const Value> b = whole.elements();
    const std::size_t shorter = (std::min)(a.size(), b.size());
    std::size_t front = 0;
    while (front < shorter && a[front] == b[front])
      ++front;
    std::size_t back = 0;
    while (back < shorter - front && a[a.size() - 1 - back] == b[b.size() - 1 - back])
      ++back;
    const std::size_t changes = (std::max)(a.size(), b.size()) - shorter;
    if (changes > moves_per_value && back > 0) return add_operation("replace", &whole);
    for (std::size_t i = front; i < shorter - back; ++i)
      at(std::to_string(i), [&] { value(a[i], b[i]); });
    for (std::size_t i = a.size() - back; i > shorter - back; --i)
      at(std::to_string(i - 1), [&] { add_operation("remove", nullptr); });
    for (std::size_t i = shorter - back; i < b.size() - back; ++i)
      at(std::to_string(i), [&] { add_operation("add", &b[i]); });
  }

  /// Calls `use` one step further down.
  template <class F>
  void at(std::string_view step, F&& use) {
    const std::size_t above = path_.size();
    path_ += '/';
    for (const char c : step) {
      if (c == '~' || c == '/')
        path_ += c == '~' ? "~0" : "~1";
      else
        path_ += c;
    }
    use();
    path_.resize(above);
  }
  void add_operation(const char* name, const Value* value) {
    Value operation = Value::map({{"op", name}, {"path", path_}});
    if (value != nullptr) operation["value"] = *value;
    operations_.push_back(std::move(operation));
  }

  Value::Array operations_;
  std::string path_;
};

}  // namespace schema::detail

/// The JSON Patch (RFC 6902) that makes `b` of `a`: an array of `add`, `remove` and `replace`,
/// empty where both are equal. `apply` of it to `a` gives a value equal to `b`. Time and memory are
/// in proportion to both values, times their depth; recursion is as deep as they nest.
[[nodiscard]] inline Value diff(const Value& a, const Value& b) {
  schema::detail::Diffing walk;
  walk.value(a, b);
  return walk.take();
}

}  // namespace persist::inline PERSIST_ABI
