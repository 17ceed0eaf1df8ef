#pragma once

#include <persist/schema/value/core.hpp>
#include <persist/schema/value/diff.hpp>
#include <persist/schema/value/pointer.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace persist::inline PERSIST_ABI {
namespace schema::detail {

/// Whether an integer and a real are the same number.
[[nodiscard]] inline bool same_number(const Value& integer, double real) noexcept {
  constexpr double beyond = 18446744073709551616.0;              // 2^64
  const bool can_be_one = real >= -beyond / 2 && real < beyond;  // and no NaN
  if (!can_be_one) return false;
  if (const auto* large = integer.get_if<std::uint64_t>())
    return real >= 0 && static_cast<double>(static_cast<std::uint64_t>(real)) == real &&
           static_cast<std::uint64_t>(real) == *large;
  if (real >= beyond / 2) return false;
  const auto whole = static_cast<std::int64_t>(real);
  return static_cast<double>(whole) == real && whole == *integer.get_if<std::int64_t>();
}
/// Equal as RFC 6902, section 4.6, has it: like `==`, but a number is a number, so 1 is 1.0.
[[nodiscard]] inline bool same_json(const Value& a, const Value& b) noexcept {
  const auto real = [](const Value& of, double& into) {
    if (const auto* single = of.get_if<float>()) return into = static_cast<double>(*single), true;
    const auto* wide = of.get_if<double>();
    return wide != nullptr && (into = *wide, true);
  };
  const auto is_integer = [](const Value& of) {
    return of.kind() == Value::Kind::integer || of.kind() == Value::Kind::unsigned_integer;
  };
  double number = 0;
  if (is_integer(a) && real(b, number)) return same_number(a, number);
  if (is_integer(b) && real(a, number)) return same_number(b, number);
  if (a.is_array() && b.is_array())
    return std::ranges::equal(a.elements(), b.elements(), same_json);
  if (a.is_map() && b.is_map())
    return std::ranges::equal(a.members(), b.members(),
                              [](const Value::Member& one, const Value::Member& other) {
                                return one.key == other.key && same_json(one.value, other.value);
                              });
  return a == b;
}

/// How many values there are in it, itself included.
[[nodiscard]] inline std::size_t count_values(const Value& value) noexcept {
  std::size_t count = 1;
  for (const Value& element : value.elements())
    count += count_values(element);
  for (const Value::Member& member : value.members())
    count += count_values(member.value);
  return count;
}

/// The operations of one patch, one after another, and what they may cost together.
class Patching {
 public:
  Patching(Value& root, const Value& patch)
      : root_(root), moves_left_(moves_per_value * (count_values(root) + count_values(patch))) {}

  Result<void> run(const Value& operation) {
    const auto* op = operation["op"].get_if<std::string>();
    const auto* path = operation["path"].get_if<std::string>();
    if (op == nullptr || path == nullptr)
      return Error(Errc::invalid, "an operation is a map with the texts `op` and `path`");
    if (auto fits = check_pointer(*path); !fits) return fits;
    const bool is_move = *op == "move";
    if (is_move || *op == "copy") return with_source(operation["from"], *path, is_move);
    if (*op == "remove") return remove(*path);
    if (*op != "add" && *op != "replace" && *op != "test")
      return Error(Errc::invalid, "there is no operation '" + Place().inside(*op).path() + "'");
    const Value* value = operation.find("value");
    if (value == nullptr) return Error(Errc::invalid, "this operation needs a `value`");
    if (*op == "add") return add(*path, Value(*value));
    auto target = follow(root_, *path);
    if (!target) return std::move(target).error();
    if (*op == "replace") return replace(**target, *path, *value);
    if (same_json(**target, *value)) return success;
    return Error(Errc::refused, "another value is there").at(path_text(root_, *path), "", "");
  }

 private:
  Result<void> with_source(const Value& member, std::string_view path, bool is_move) {
    const auto* from = member.get_if<std::string>();
    if (from == nullptr) return Error(Errc::invalid, "this operation needs the text `from`");
    if (auto fits = check_pointer(*from); !fits) return fits;
    const auto source = follow(root_, *from);
    if (!source) return source.error();
    if (!is_move) {
      if (auto fits = afford(**source, path); !fits) return fits;
      return add(path, Value(**source));
    }
    if (*from == path) return success;
    // No two pointers lead to one place, so their texts say which of two places is inside.
    if (path.starts_with(*from) && path[from->size()] == '/')
      return Error(Errc::invalid, "a value cannot be moved into itself")
          .at(path_text(root_, path), "", "");
    // Only what goes deeper can become too deep, so the rest is not looked through.
    if (steps_of(path) > steps_of(*from))
      if (auto fits = afford(**source, path); !fits) return fits;
    if (auto fits = move_rest(*from); !fits) return fits;
    auto taken = take(root_, *from);
    if (!taken) return std::move(taken).error();
    return put_in(path, *taken);
  }
  Result<void> add(std::string_view path, Value value) {
    if (auto fits = check_depth(path, value); !fits) return fits;
    return put_in(path, value);
  }
  Result<void> put_in(std::string_view path, Value& value) {
    if (auto fits = put(root_, path, nullptr, Put::insert); !fits) return fits;
    if (auto fits = move_rest(path); !fits) return fits;
    return put(root_, path, &value, Put::insert);
  }
  Result<void> replace(Value& target, std::string_view path, const Value& value) {
    if (auto fits = check_depth(path, value); !fits) return fits;
    target = value;
    return success;
  }
  Result<void> remove(std::string_view path) {
    if (auto fits = move_rest(path); !fits) return fits;
    if (auto taken = take(root_, path); !taken) return std::move(taken).error();
    return success;
  }

  [[nodiscard]] static std::ptrdiff_t steps_of(std::string_view path) noexcept {
    return std::count(path.begin(), path.end(), '/');
  }
  /// Counts what has to move aside for, or closes up after, the place the pointer leads to.
  Result<void> move_rest(std::string_view path) {
    if (path.empty()) return success;
    const auto parent = follow(root_, path.substr(0, path.rfind('/')));
    if (!parent) return parent.error();
    PointerSteps step(path.substr(path.rfind('/')));
    const std::size_t all = (*parent)->size();
    std::size_t moved = all;
    if ((*parent)->is_array()) {
      const auto index = parse_index(step.next(), all);
      moved = all - (std::min)(index.value_or(all), all);
    }
    return pay(moves_left_, moved, "moves");
  }
  /// Counts what is copied or looked through, and how deep it is going to lie.
  Result<void> afford(const Value& value, std::string_view path) {
    if (auto fits = check_depth(path, value); !fits) return fits;
    return pay_for(value);
  }
  Result<void> pay_for(const Value& value) {
    std::size_t bytes = sizeof(Value);
    if (const auto* text = value.get_if<std::string>()) bytes += text->size();
    if (const auto* raw = value.get_if<Value::Bytes>()) bytes += raw->size();
    if (auto fits = pay(bytes_left_, bytes, "copies"); !fits) return fits;
    for (const Value& element : value.elements())
      if (auto fits = pay_for(element); !fits) return fits;
    for (const Value::Member& member : value.members()) {
      if (auto fits = pay(bytes_left_, sizeof(std::string) + member.key.size(), "copies"); !fits)
        return fits;
      if (auto fits = pay_for(member.value); !fits) return fits;
    }
    return success;
  }
  static Result<void> pay(std::size_t& left, std::size_t cost, const char* what) {
    if (cost > left)
      return Error(Errc::too_large, std::string("the patch ") + what + " more than is allowed");
    left -= cost;
    return success;
  }

  Value& root_;
  std::size_t bytes_left_ = Limits().bytes;
  std::size_t moves_left_;
};

}  // namespace schema::detail

/// Applies a JSON Patch (RFC 6902) to a value: all of it, or nothing where one operation fails. It
/// works on a copy, so it takes the time and the memory of one.
///
/// A patch may come from outside. Errors say which operation failed: `invalid` (it is no patch, or
/// moves a value into itself), `refused` (a `test` found another value), `too_large` (it would nest
/// deeper than a record may, copies more than 64 MiB, or moves more than 256 values for each that
/// there is), and those of `locate`.
inline Result<void> apply(Value& to, const Value& patch) {
  if (!patch.is_array()) return Error(Errc::invalid, "a JSON Patch is an array of operations");
  Value copy = to;
  schema::detail::Patching work(copy, patch);
  for (std::size_t i = 0; i < patch.size(); ++i) {
    const Value& operation = patch[i];
    if (auto done = work.run(operation); !done) {
      const Error& why = done.error();
      const auto* op = operation["op"].get_if<std::string>();
      std::string words = "operation " + std::to_string(i);
      if (op != nullptr) words += " (" + schema::Place().inside(*op).path() + ")";
      if (!why.detail().empty()) words.append(": ").append(why.detail());
      return Error(why.code(), std::move(words))
          .at(std::string(why.path()), std::string(why.expected()), std::string(why.found()));
    }
  }
  to.swap(copy);
  return success;
}

}  // namespace persist::inline PERSIST_ABI
