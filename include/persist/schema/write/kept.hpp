#pragma once

#include <persist/schema/key_text.hpp>
#include <persist/schema/kind.hpp>
#include <persist/schema/unknown.hpp>
#include <persist/schema/value/walk.hpp>

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

// How a writing walk finds what a reading walk kept. It costs one comparison with null at each
// place of a record in which everything is known.

namespace persist::inline PERSIST_ABI::schema::detail {

/// What is kept at the place where a writing walk stands, if anything.
struct Trail {
  const KeptNode* node = nullptr;
  bool mark = false;  ///< says to `prune` that this place is still there

  [[nodiscard]] Trail below(std::string_view step) const {
    if (node == nullptr) [[likely]]
      return {};
    return below_kept(step);
  }

 private:
  [[nodiscard]] Trail below_kept(std::string_view step) const {
    const auto at = node->below.find(step);
    if (at == node->below.end()) return {};
    if (mark) at->second->reached = true;
    return {at->second.get(), mark};
  }
};

/// The unknown fields of one struct or map, merged among the known ones while those are written.
template <class Writer>
class Extras {
 public:
  Extras(Writer& out, Trail kept) : out_(out) {
    if (kept.node == nullptr || kept.node->fields.empty()) [[likely]]
      return;
    for (const auto& field : kept.node->fields)
      fields_.push_back(&field);
    if constexpr (Writer::sorts_keys)
      std::sort(fields_.begin(), fields_.end(), [](const Field* a, const Field* b) {
        return Writer::key_less(a->first, b->first);
      });
  }
  [[nodiscard]] std::size_t count() const noexcept { return fields_.size(); }
  /// Writes those that come before the known key, where the format asks for an order.
  void until(std::string_view key) {
    if constexpr (Writer::sorts_keys)
      while (done_ < fields_.size() && Writer::key_less(fields_[done_]->first, key))
        write_next();
  }
  void rest() {
    while (done_ < fields_.size())
      write_next();
  }

 private:
  using Field = std::pair<const std::string, Kept>;
  void write_next() {
    const Field& field = *fields_[done_++];
    out_.key(field.first);
    write_kept(out_, field.second);
  }

  Writer& out_;
  std::vector<const Field*> fields_;
  std::size_t done_ = 0;
};

/// The steps that lead from one node to another below it; empty if it is not there. For messages
/// only.
[[nodiscard]] inline std::string path_between(const KeptNode& root, const KeptNode* wanted) {
  for (const auto& [step, node] : root.below) {
    if (node.get() == wanted) return step;
    if (const std::string path = path_between(*node, wanted); !path.empty())
      return std::string(step).append(1, '.').append(path);
  }
  return {};
}

/// The identity of an element, as text that may refer to the element.
template <class P, class T>
[[nodiscard]] KeyText identity_of(const T& element) {
  return Describe<T>::apply(element, [](const auto&... member) {
    const auto& identity = std::get<P::identity>(std::tie(member...));
    static_assert(text_key<std::remove_cvref_t<decltype(identity)>>,
                  "persist: an Identity is an integer, a text or an enum");
    return KeyText(identity);
  });
}

}  // namespace persist::inline PERSIST_ABI::schema::detail
