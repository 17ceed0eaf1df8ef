#pragma once

#include <persist/schema/value/core.hpp>

#include <algorithm>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// What a record holds and this build has no member for. It is kept as the bytes it came in, and
// goes back to the place it came from.

namespace persist::inline PERSIST_ABI {
namespace schema {

/// One item that was not understood: its bytes and how to read them, or a value if it came as one.
struct Kept {
  Buffer raw;
  bool (*decode)(ByteView raw, Value& into) = nullptr;  // tells the formats apart as well
  Value value;

  friend bool operator==(const Kept&, const Kept&) = default;
};

/// What is kept at one place and, by steps (field names, map keys, identities), below it.
struct KeptNode {
  /// An enum or variant value that this build does not know, or what did not fit a member at all,
  /// and what the member holds in its place.
  struct Replaced {
    std::string name;  // of the variant's alternative
    Kept item;
    Value placeholder;
    bool is_whole = false;  // the item is all of the member, whatever its kind

    friend bool operator==(const Replaced&, const Replaced&) = default;
  };

  std::map<std::string, Kept, std::less<>> fields;
  std::map<std::string, std::unique_ptr<KeptNode>, std::less<>> below;
  std::unique_ptr<Replaced> replaced;
  mutable bool reached =
      false;  // by the walk that is under way: what no walk reaches has lost its place

  mutable bool overwritten = false;  // the member holds something else than what was kept of it

  [[nodiscard]] bool empty() const noexcept { return fields.empty() && below.empty() && !replaced; }

  [[nodiscard]] std::unique_ptr<KeptNode> clone() const {
    auto copy = std::make_unique<KeptNode>();
    copy->fields = fields;
    for (const auto& [step, node] : below)
      copy->below.emplace(step, node->clone());
    if (replaced) copy->replaced = std::make_unique<Replaced>(*replaced);
    return copy;
  }

  [[nodiscard]] bool equals(const KeptNode& other) const {
    const auto same_node = [](const auto& a, const auto& b) {
      return a.first == b.first && a.second->equals(*b.second);
    };
    const bool same_place =
        replaced && other.replaced ? *replaced == *other.replaced : !replaced && !other.replaced;
    return same_place && fields == other.fields && below.size() == other.below.size() &&
           std::equal(below.begin(), below.end(), other.below.begin(), same_node);
  }

  /// Forgets what the last walk did not reach, and what was kept of a member that was changed or
  /// emptied: one that is changed back or filled again holds what the game put there.
  void prune() {
    if (std::exchange(overwritten, false)) replaced.reset(), fields.clear();
    std::erase_if(below,
                  [](const auto& entry) { return !std::exchange(entry.second->reached, false); });
    for (const auto& [step, node] : below)
      node->prune();
  }
  /// Takes back the marks of a walk that failed, or the next one would find them.
  void unmark() const noexcept {
    reached = overwritten = false;
    for (const auto& [step, node] : below)
      node->unmark();
  }
};

}  // namespace schema

/// A member of this type holds what is unknown in its struct and everything below, and so travels
/// with the value when elements of a sequence move. One pointer when empty.
class Unknown {
 public:
  Unknown() noexcept = default;
  Unknown(const Unknown& other) : node_(other.node_ ? other.node_->clone() : nullptr) {}
  Unknown(Unknown&&) noexcept = default;
  Unknown& operator=(Unknown other) noexcept { return node_.swap(other.node_), *this; }
  ~Unknown() = default;

  [[nodiscard]] bool empty() const noexcept { return !node_ || node_->empty(); }
  /// The same fields with the same bytes, so that a struct with such a member can be compared.
  friend bool operator==(const Unknown& a, const Unknown& b) {
    return a.empty() || b.empty() ? a.empty() == b.empty() : a.node_->equals(*b.node_);
  }
  /// The slot the walks fill and read.
  [[nodiscard]] std::unique_ptr<schema::KeptNode>& node() noexcept { return node_; }
  [[nodiscard]] const std::unique_ptr<schema::KeptNode>& node() const noexcept { return node_; }

 private:
  std::unique_ptr<schema::KeptNode> node_;
};

/// What is unknown in a record that is loaded. It belongs to the session, not to the value. One
/// pointer when empty.
class UnknownFields {
 public:
  [[nodiscard]] bool empty() const noexcept {
    return !state_ || !state_->root || state_->root->empty();
  }
  /// Places where something could not be kept, each once, for a signal to name them:
  /// `inventory[3].sockets`. At most 32; `dropped_count` has them all.
  [[nodiscard]] const std::vector<std::string>& dropped() const noexcept {
    static const std::vector<std::string> none;
    return state_ ? state_->dropped : none;
  }
  [[nodiscard]] std::size_t dropped_count() const noexcept {
    return state_ ? state_->dropped_count : 0;
  }
  void forget_dropped() noexcept {
    if (state_) state_->dropped.clear(), state_->dropped_count = 0;
  }
  void clear() noexcept { state_.reset(); }
  /// The same fields for a copy of the record; what was dropped is the original's to report.
  [[nodiscard]] UnknownFields clone() const {
    UnknownFields copy;
    if (root()) copy.state().root = root()->clone();
    return copy;
  }

  // For the walks.
  [[nodiscard]] const schema::KeptNode* root() const noexcept {
    return state_ ? state_->root.get() : nullptr;
  }
  /// The root, made if there is none.
  [[nodiscard]] schema::KeptNode& make_root() {
    if (!state().root) state().root = std::make_unique<schema::KeptNode>();
    return *state().root;
  }
  void drop(std::string path) {
    const auto& named = dropped();
    if (std::find(named.begin(), named.end(), path) != named.end()) return;
    if (state().dropped.size() < 32) state().dropped.push_back(std::move(path));
    ++state().dropped_count;
  }
  void prune() {
    if (state_ && state_->root) state_->root->prune();
  }

 private:
  struct State {
    std::unique_ptr<schema::KeptNode> root;
    std::vector<std::string> dropped;
    std::size_t dropped_count = 0;
  };
  [[nodiscard]] State& state() {
    if (!state_) state_ = std::make_unique<State>();
    return *state_;
  }

  std::unique_ptr<State> state_;
};

}  // namespace persist::inline PERSIST_ABI
