#pragma once

#include <persist/schema/place.hpp>
#include <persist/schema/token.hpp>
#include <persist/schema/value/core.hpp>
#include <persist/schema/value/reader.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

// JSON Pointer, RFC 6901: `/inventory/0/count`. Each call looks at the whole pointer first, so one
// that is no pointer never takes a step; then it goes step by step, without recursion.

namespace persist::inline PERSIST_ABI {
namespace schema::detail {

/// Whether every step begins with `/` and every `~` is one of `~0` and `~1`.
[[nodiscard]] inline Result<void> check_pointer(std::string_view pointer) {
  if (!pointer.empty() && pointer.front() != '/')
    return Error(Errc::invalid, "a JSON Pointer is empty or begins with '/': '" +
                                    Place().inside(pointer).path() + "'");
  for (std::size_t at = pointer.find('~'); at != pointer.npos; at = pointer.find('~', at + 1))
    if (at + 1 == pointer.size() || (pointer[at + 1] != '0' && pointer[at + 1] != '1'))
      return Error(Errc::invalid, "in a JSON Pointer '~' stands only in '~0' and '~1'");
  return success;
}

/// The steps of a pointer that was checked, one after another.
class PointerSteps {
 public:
  explicit PointerSteps(std::string_view pointer) noexcept : rest_(pointer) {}
  [[nodiscard]] bool done() const noexcept { return rest_.empty(); }
  /// What is left, a pointer from where these steps lead.
  [[nodiscard]] std::string_view rest() const noexcept { return rest_; }
  /// Takes a step and returns it, with what was escaped in it put back. Stands until the next call.
  std::string_view next() {
    rest_.remove_prefix(1);
    step_ = rest_.substr(0, rest_.find('/'));
    rest_.remove_prefix(step_.size());
    if (step_.find('~') == step_.npos) return step_;
    unescaped_.clear();
    for (std::size_t at = 0; at < step_.size(); ++at)
      unescaped_ += step_[at] != '~' ? step_[at] : step_[++at] == '0' ? '~' : '/';
    return step_ = unescaped_;
  }
  /// The step that was taken last.
  [[nodiscard]] std::string_view step() const noexcept { return step_; }

 private:
  std::string_view rest_;
  std::string_view step_;
  std::string unescaped_;
};

/// The element that a step means, among `size`: digits without leading zeros, or `-` for the one
/// behind the last. An index beyond all numbers is one that no array has. None if it is neither.
[[nodiscard]] inline std::optional<std::size_t> parse_index(std::string_view step,
                                                            std::size_t size) {
  if (step == "-") return size;
  if (step.empty() || (step.size() > 1 && step.front() == '0')) return std::nullopt;
  std::size_t index = 0;
  constexpr std::size_t most = Place::no_index - 1;
  for (const char c : step) {
    if (c < '0' || c > '9') return std::nullopt;
    const auto digit = static_cast<std::size_t>(c - '0');
    index = index > (most - digit) / 10 ? most : index * 10 + digit;
  }
  return index;
}

/// The child that a step leads to, or null.
[[nodiscard]] inline const Value* child_of(const Value& from, std::string_view step) {
  if (!from.is_array()) return from.find(step);
  const auto index = parse_index(step, from.size());
  return index && *index < from.size() ? &from.elements()[*index] : nullptr;
}

/// Where the first part of a pointer leads, in the form `inventory[3].count`. A long one is cut.
[[nodiscard]] inline std::string path_text(const Value& root, std::string_view pointer) {
  constexpr std::size_t longest = 256;
  std::string text;
  const Value* at = &root;
  for (PointerSteps steps(pointer); !steps.done();) {
    if (text.size() > longest) return text + "...";
    Place place;
    place.move_to(steps.next());
    if (at != nullptr && at->is_array()) {
      if (const auto index = parse_index(steps.step(), at->size())) place.move_to(*index);
    }
    const std::string step = place.path();
    if (!text.empty() && !step.starts_with('[')) text += '.';
    text += step;
    at = at != nullptr ? child_of(*at, steps.step()) : nullptr;
  }
  return text;
}

/// Why there is no child: the words are about the step, for a path to where it was to be taken.
[[nodiscard]] inline Error no_child(const Value& from, std::string_view step, bool is_root) {
  const std::string word = "the step '" + Place().inside(step).path() + "'";
  if (from.is_map()) return {Errc::not_found, "there is no member for " + word};
  if (!from.is_array()) {
    std::string words = word + " leads nowhere";
    if (from.is_null()) {
      if (is_root) words += " from the root of the value";
      words += ": begin a map there with Value::map()";
    }
    return Error(Errc::schema_mismatch, std::move(words))
        .at("", "a map or an array", std::string(name(ValueReader(from).peek())));
  }
  if (!parse_index(step, from.size()))
    return Error(Errc::schema_mismatch).at("", "the index of an element", word);
  return {Errc::not_found,
          "there is no element for " + word + " in an array of " + std::to_string(from.size())};
}

/// The same error, with another path.
[[nodiscard]] inline Error moved_to(const Error& error, std::string path) {
  return Error(error.code(), std::string(error.detail()))
      .at(std::move(path), std::string(error.expected()), std::string(error.found()));
}

/// Why the last step of a pointer leads nowhere from `from`. The path is that of where it was to
/// lead, or where nothing can be inside, of what is there.
[[nodiscard]] inline Error no_way(const Value& root, const Value& from, std::string_view pointer,
                                  std::string_view step) {
  const std::size_t last = pointer.rfind('/');
  const bool has_parts = from.is_map() || from.is_array();
  return moved_to(no_child(from, step, last == 0),
                  path_text(root, has_parts ? pointer : pointer.substr(0, last)));
}

/// Where a pointer that was checked leads.
[[nodiscard]] inline Result<const Value*> follow(const Value& root, std::string_view pointer) {
  const Value* at = &root;
  for (PointerSteps steps(pointer); !steps.done();) {
    const Value* child = child_of(*at, steps.next());
    if (child == nullptr) {
      const std::string_view taken = pointer.substr(0, pointer.size() - steps.rest().size());
      return no_way(root, *at, taken, steps.step());
    }
    at = child;
  }
  return at;
}
[[nodiscard]] inline Result<Value*> follow(Value& root, std::string_view pointer) {
  Result<const Value*> found = follow(std::as_const(root), pointer);
  if (!found) return std::move(found).error();
  return const_cast<Value*>(*found);  // NOLINT: into a value that may be changed
}

/// How deep a value may nest for a record with it to be read again.
inline constexpr std::size_t most_depth = Limits().depth;

/// Whether `value` nests in more than `left` arrays and maps. Looks no deeper than that.
[[nodiscard]] inline bool deeper_than(const Value& value, std::size_t left) {
  if (!value.is_array() && !value.is_map()) return false;
  const auto is_deeper = [left](const Value& inner) { return deeper_than(inner, left - 1); };
  return left == 0 || std::ranges::any_of(value.elements(), is_deeper) ||
         std::ranges::any_of(value.members(), is_deeper, &Value::Member::value);
}
/// Whether a value may be put where the pointer leads.
[[nodiscard]] inline Result<void> check_depth(std::string_view pointer, const Value& value) {
  const auto steps = static_cast<std::size_t>(std::count(pointer.begin(), pointer.end(), '/'));
  if (steps <= most_depth && !deeper_than(value, most_depth - steps)) return success;
  return Error(Errc::too_large, "the data would nest deeper than " + std::to_string(most_depth));
}

/// What is put among elements: in the place of one, or before it.
enum class Put : std::uint8_t { assign, insert };

/// Puts a value where a pointer that was checked leads; its parent must be there. Without a value
/// it only says whether that would work.
[[nodiscard]] inline Result<void> put(Value& root, std::string_view pointer, Value* value,
                                      Put how) {
  if (pointer.empty()) return value ? (void)(root = std::move(*value)) : (void)0, success;
  const std::size_t last = pointer.rfind('/');
  Result<Value*> found = follow(root, pointer.substr(0, last));
  if (!found) return std::move(found).error();
  Value& parent = **found;
  PointerSteps steps(pointer.substr(last));
  const std::string_view step = steps.next();
  const auto index = parse_index(step, parent.size());
  if (!parent.is_map() && (!parent.is_array() || !index || *index > parent.size()))
    return no_way(root, parent, pointer, step);
  if (value == nullptr) return success;
  if (parent.is_map())
    parent[step] = std::move(*value);
  else if (how == Put::assign && *index < parent.size())
    parent.elements()[*index] = std::move(*value);
  else
    parent.insert(*index, std::move(*value));
  return success;
}

/// Takes out what is there and returns it; the root leaves null.
[[nodiscard]] inline Result<Value> take(Value& root, std::string_view pointer) {
  if (pointer.empty()) return std::exchange(root, Value());
  Result<Value*> found = follow(root, pointer);
  if (!found) return std::move(found).error();
  Result<Value> taken(std::move(**found));
  const std::size_t last = pointer.rfind('/');
  Value& parent = **follow(root, pointer.substr(0, last));
  PointerSteps steps(pointer.substr(last));
  const std::string_view step = steps.next();
  if (parent.is_map())
    parent.erase(step);
  else
    parent.erase_element(*parse_index(step, parent.size()));
  return taken;
}

}  // namespace schema::detail

// Errors: `invalid` (it is no JSON Pointer), `not_found` (a step leads to a member or an element
// that is not there), `schema_mismatch` (a step into what has neither). They name the step, and as
// the path where it was to lead, or what has nothing inside. Nothing is changed by a call that
// fails.

/// What the pointer leads to, to be looked at in its place; it stands until the value is changed.
[[nodiscard]] inline Result<const Value*> locate(const Value& in, std::string_view pointer) {
  if (auto fits = schema::detail::check_pointer(pointer); !fits) return fits.error();
  return schema::detail::follow(in, pointer);
}
/// The same, to be changed in its place.
[[nodiscard]] inline Result<Value*> locate(Value& in, std::string_view pointer) {
  if (auto fits = schema::detail::check_pointer(pointer); !fits) return fits.error();
  return schema::detail::follow(in, pointer);
}
/// A copy of what the pointer leads to.
[[nodiscard]] inline Result<Value> get(const Value& in, std::string_view pointer) {
  Result<const Value*> found = locate(in, pointer);
  if (!found) return std::move(found).error();
  return Result<Value>(**found);
}
/// Puts a value there, in the place of the one that is there. A member of a map is made where there
/// is none, and so is the element behind the last (`-`, or its index); nothing further up is.
/// `too_large` where the data would nest too deep to be read again.
inline Result<void> set(Value& in, std::string_view pointer, Value value) {
  if (auto fits = schema::detail::check_pointer(pointer); !fits) return fits;
  if (auto fits = schema::detail::check_depth(pointer, value); !fits) return fits;
  return schema::detail::put(in, pointer, &value, schema::detail::Put::assign);
}
/// Takes out what is there; elements behind it move up. The empty pointer leaves null.
inline Result<void> erase(Value& in, std::string_view pointer) {
  if (auto fits = schema::detail::check_pointer(pointer); !fits) return fits;
  if (auto taken = schema::detail::take(in, pointer); !taken) return std::move(taken).error();
  return success;
}

}  // namespace persist::inline PERSIST_ABI
