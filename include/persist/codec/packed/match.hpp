#pragma once

#include <persist/bytes.hpp>
#include <persist/codec/packed/description.hpp>
#include <persist/codec/packed/layout.hpp>
#include <persist/codec/packed/number.hpp>

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace persist::inline PERSIST_ABI::codec::packed {

/// Compares a node and all below it with the description of a type of this program.
class LayoutMatch {
 public:
  LayoutMatch(const Layout& layout, ByteView description) noexcept
      : layout_(layout), at_(description.data()), end_(at_ + description.size()) {}

  [[nodiscard]] bool run(std::uint16_t node) { return same(node) && at_ == end_; }

 private:
  using Node = Layout::Node;

  std::uint64_t number() noexcept {
    std::uint64_t value = 0;
    at_ = get_number(at_, end_, value);  // it was made here, so it is whole
    return value;
  }
  bool text(std::string_view wanted) noexcept {
    const auto size = static_cast<std::size_t>(number());
    const std::string_view found(reinterpret_cast<const char*>(at_), size);
    at_ += size;
    return found == wanted;
  }
  [[nodiscard]] bool byte(unsigned wanted) noexcept {
    return std::to_integer<unsigned>(*at_++) == wanted;
  }

  [[nodiscard]] bool same(std::uint16_t id) {
    const Node& node = layout_.nodes[id];
    const auto kind = std::to_integer<std::uint8_t>(*at_++);
    if (kind == same_struct) return structs_[static_cast<std::size_t>(number())] == id;
    if (kind != static_cast<std::uint8_t>(node.said)) return false;
    switch (node.said) {
      case Kind::integer:
      case Kind::real:
        return byte(node.code);
      case Kind::enumeration:
        return byte(node.code) && named(node, false);
      case Kind::optional:
      case Kind::sequence:
      case Kind::set:
      case Kind::time_point:
        return same(node.first);
      case Kind::array:
        return number() == layout_.length(node) && same(node.first);
      case Kind::duration:
        return number() == layout_.unit(node).first && number() == layout_.unit(node).second &&
               same(node.first);
      case Kind::map:
        return map(node);
      case Kind::tuple:
        return number() == node.count && members(node);
      case Kind::structure:
        structs_.push_back(id);
        return named(node, true);
      case Kind::variant:
        return named(node, true);
      default:
        return true;
    }
  }
  [[nodiscard]] bool map(const Node& node) {
    if (node.kind == Kind::map) return byte(1) && same(node.first) && same(node.count);
    return byte(0) && members(layout_.nodes[node.first]);
  }
  [[nodiscard]] bool members(const Node& node) {
    for (std::size_t i = 0; i < node.count; ++i)
      if (!same(layout_.members[node.first + i].node)) return false;
    return true;
  }
  [[nodiscard]] bool named(const Node& node, bool has_types) {
    if (number() != node.count) return false;
    for (std::size_t i = 0; i < node.count; ++i) {
      const Layout::Member& member = layout_.members[node.first + i];
      if (!text(layout_.name(member))) return false;
      if (has_types ? !same(member.node) : number() != to_unsigned(layout_.value(member)))
        return false;
    }
    return true;
  }

  const Layout& layout_;
  const std::byte* at_;
  const std::byte* end_;
  std::vector<std::uint16_t> structs_;
};

/// Whether the node was described in these bytes, or by a type that says the same of itself.
[[nodiscard]] inline bool is_described_by(const Layout& layout, std::uint16_t node,
                                          ByteView description) {
  return LayoutMatch(layout, description).run(node);
}

}  // namespace persist::inline PERSIST_ABI::codec::packed
