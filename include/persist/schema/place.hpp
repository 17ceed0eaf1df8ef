#pragma once

#include <persist/schema/unknown.hpp>

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace persist::inline PERSIST_ABI::schema {

/// Where a walk stands, as a chain of frames on its stack: it costs a few words a level, and
/// becomes text only when something is wrong.
struct Place {
  static constexpr std::size_t no_index = static_cast<std::size_t>(-1);

  const Place* up = nullptr;
  std::string_view name;         ///< a field, or the key of a map's value
  std::size_t index = no_index;  ///< an element
  /// Where what is unknown here and below is kept, if not by the path to it.
  std::unique_ptr<KeptNode>* anchor = nullptr;
  /// An element that can move and that nothing identifies: no path leads back to it.
  bool loose = false;
  /// What `keep` found by the path, because a key may be as long as the input and is not to be
  /// looked up for every field below it. Forgotten by `move_to`.
  mutable KeptNode* found = nullptr;

  /// A place right below this one, which must outlive it.
  [[nodiscard]] Place inside() const noexcept {
    Place place;
    place.up = this;
    return place;
  }
  [[nodiscard]] Place inside(std::string_view field) const noexcept {
    Place place = inside();
    place.name = field;
    return place;
  }

  /// Makes this the place of another field or key beside it.
  void move_to(std::string_view field) noexcept { name = field, found = nullptr; }
  /// The same for another element.
  void move_to(std::size_t element) noexcept { index = element, found = nullptr; }

  /// `inventory[3].count`. Keys come from outside, so they are shortened and made printable.
  [[nodiscard]] std::string path() const {
    std::string text = up ? up->path() : std::string();
    if (index != no_index) return text + '[' + std::to_string(index) + ']';
    if (name.empty()) return text;
    if (!text.empty()) text += '.';
    for (const char c : name.substr(0, 64))
      text += static_cast<unsigned char>(c) < 0x20 ? '?' : c;
    return name.size() > 64 ? text + "..." : text;
  }

  /// The node for what is unknown here, made if there is none; null where nothing can be kept.
  [[nodiscard]] KeptNode* keep(UnknownFields& unknown) const {
    if (anchor) {
      if (!*anchor) *anchor = std::make_unique<KeptNode>();
      return anchor->get();
    }
    if (loose) return nullptr;
    if (!up) return &unknown.make_root();
    if (found) return found;
    KeptNode* above = up->keep(unknown);
    if (above == nullptr) return nullptr;
    auto& below = above->below[step()];
    if (!below) below = std::make_unique<KeptNode>();
    return found = below.get();
  }

  /// The same node, if there is one.
  [[nodiscard]] KeptNode* kept(UnknownFields& unknown) const {
    if (anchor) return anchor->get();
    if (loose) return nullptr;
    if (!up) return unknown.root() == nullptr ? nullptr : &unknown.make_root();
    if (found) return found;
    KeptNode* above = up->kept(unknown);
    if (above == nullptr) return nullptr;
    const auto at = above->below.find(step());
    return at == above->below.end() ? nullptr : at->second.get();
  }
  /// Forgets what was kept here, in a field, and below.
  void forget(UnknownFields& unknown) const {
    found = nullptr;
    if (KeptNode* above = up->kept(unknown); above != nullptr) above->below.erase(step());
  }

 private:
  [[nodiscard]] std::string step() const {
    return index == no_index ? std::string(name) : std::to_string(index);
  }
};

}  // namespace persist::inline PERSIST_ABI::schema
