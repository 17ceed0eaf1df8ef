#pragma once

#include <persist/bytes.hpp>
#include <persist/codec/packed/description.hpp>
#include <persist/codec/packed/number.hpp>
#include <persist/detail/utf8.hpp>
#include <persist/error.hpp>
#include <persist/result.hpp>
#include <persist/schema/token.hpp>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace persist::inline PERSIST_ABI::codec::packed {

/// A type as another build described it. Nodes refer to each other by number.
struct Layout {
  struct Node {
    Kind kind = Kind::none;    ///< how it is read: a map without texts as keys is a sequence
    Kind said = Kind::none;    ///< how it was described
    std::uint8_t code = 0;     ///< of an integer or enum; the size of a real
    bool is_empty = false;     ///< takes no bytes
    std::uint16_t first = 0;   ///< the first of its members, or the node inside
    std::uint16_t count = 0;   ///< of members; of a map the node of its values; of a duration the
                               ///< first of two members that give its unit
    std::uint32_t length = 0;  ///< of an array
  };
  /// A field, an alternative, an element of a tuple, or an enumerator.
  struct Member {
    std::string_view name;
    std::int64_t value = 0;  ///< of an enumerator, or of a unit; else its node
  };

  std::vector<Node> nodes;
  std::vector<Member> members;
  std::uint16_t root = 0;

  /// What that enum calls the value; empty where it has no name for it.
  [[nodiscard]] std::string_view enumerator(const Node& type,
                                            const schema::Integer& value) const noexcept {
    for (std::size_t i = 0; i < type.count; ++i) {
      const Member& each = members[type.first + i];
      const bool negative = each.value < 0;
      const auto magnitude = static_cast<std::uint64_t>(negative ? -1 - each.value : each.value);
      if (negative == value.negative && magnitude == value.magnitude) return each.name;
    }
    return {};
  }
};

/// Reads a description. It comes from outside: what is not whole, nests too deep or refers to
/// nothing is `corrupt`. Memory is in proportion to the bytes, which the names refer to.
class LayoutParser {
 public:
  explicit LayoutParser(ByteView bytes) noexcept
      : begin_(bytes.data()), at_(begin_), end_(begin_ + bytes.size()) {}

  [[nodiscard]] Result<Layout> run() {
    if (static_cast<std::size_t>(end_ - begin_) > longest_description)
      return Error(Errc::too_large, "packed: a description of more than 64 KiB");
    made_.root = type(0);
    if (ok_ && at_ != end_) fail("bytes follow the description");
    if (!ok_) return std::move(error_);
    return std::move(made_);
  }

 private:
  using Id = std::uint16_t;
  static constexpr unsigned deepest = 128;

  Id fail(std::string_view what) {
    if (ok_) {
      error_ = Error(Errc::corrupt, "packed, in the description at byte " +
                                        std::to_string(at_ - begin_) + ": " + std::string(what));
    }
    ok_ = false;
    return 0;
  }
  [[nodiscard]] std::size_t left() const noexcept { return static_cast<std::size_t>(end_ - at_); }
  std::uint8_t byte() {
    if (at_ == end_) return fail("it ends too soon"), std::uint8_t{0};
    return std::to_integer<std::uint8_t>(*at_++);
  }
  std::uint64_t number() {
    std::uint64_t value = 0;
    const std::byte* next = get_number(at_, end_, value);
    if (next == nullptr) return fail("it ends too soon"), 0;
    at_ = next;
    return value;
  }
  std::string_view text() {
    const std::uint64_t size = number();
    if (!ok_ || size > left()) return fail("a name is longer than what is left"), "";
    const std::string_view found(reinterpret_cast<const char*>(at_), size);
    if (!persist::detail::is_utf8(found)) return fail("a name is no UTF-8"), "";
    at_ += size;
    return found;
  }
  /// How many members follow, each of that many bytes at least.
  std::size_t count(std::size_t least) {
    const std::uint64_t said = number();
    if (said > left() / least) return fail("more members than bytes are left"), 0;
    return static_cast<std::size_t>(said);
  }

  Id type(unsigned depth) {
    if (depth == deepest) return fail("it nests too deep");
    const std::uint8_t kind = byte();
    if (!ok_) return 0;
    if (kind == same_struct) {
      const std::uint64_t index = number();
      return index < structs_.size() ? structs_[index] : fail("it refers to no struct");
    }
    // A description of 64 KiB has fewer nodes than a number of 16 bits.
    const Id id = static_cast<Id>(made_.nodes.size());
    Layout::Node& node = made_.nodes.emplace_back();
    node.kind = node.said = static_cast<Kind>(kind);
    switch (static_cast<Kind>(kind)) {
      case Kind::boolean:
      case Kind::text:
      case Kind::bytes:
      case Kind::value:
        return id;
      case Kind::unit:
        made_.nodes[id].is_empty = true;
        return id;
      case Kind::integer:
        return integer(id);
      case Kind::real:
        return real(id);
      case Kind::enumeration:
        return enumeration(id);
      case Kind::optional:
      case Kind::sequence:
      case Kind::set:
        return inside(id, depth);
      case Kind::array:
        return array(id, depth);
      case Kind::map:
        return map(id, depth);
      case Kind::tuple:
        return tuple(id, depth);
      case Kind::structure:
        structs_.push_back(id);
        return named(id, depth);
      case Kind::variant:
        return named(id, depth);
      case Kind::duration:
        return duration(id, depth);
      case Kind::time_point:
        return inside(id, depth);
      case Kind::none:
      case Kind::adapted:
        break;
    }
    --at_;
    return fail("a kind of data that this build does not know");
  }
  Id integer(Id id) {
    const std::uint8_t code = byte();
    if (code > 7) return fail("an integer of no size");
    made_.nodes[id].code = code;
    return id;
  }
  Id real(Id id) {
    const std::uint8_t size = byte();
    if (size != 4 && size != 8) return fail("a real of no size");
    made_.nodes[id].code = size;
    return id;
  }
  Id enumeration(Id id) {
    (void)integer(id);
    const std::size_t members = reserve(id, count(2));
    for (std::size_t i = 0; i < members && ok_; ++i) {
      Layout::Member& member = made_.members[made_.nodes[id].first + i];
      member.name = text();
      (void)from_unsigned(number(), member.value);
    }
    return id;
  }
  Id inside(Id id, unsigned depth) {
    const Id child = type(depth + 1);
    Layout::Node& node = made_.nodes[id];
    node.first = child;
    const bool may_be_empty = node.kind == Kind::duration || node.kind == Kind::time_point;
    node.is_empty = may_be_empty && made_.nodes[child].is_empty;
    return id;
  }
  Id duration(Id id, unsigned depth) {
    const auto unit = static_cast<Id>(made_.members.size());
    for (int i = 0; i < 2; ++i)
      made_.members.push_back({{}, static_cast<std::int64_t>(number())});
    made_.nodes[id].count = unit;
    return inside(id, depth);
  }
  Id array(Id id, unsigned depth) {
    const std::uint64_t length = number();
    if (length > (std::numeric_limits<std::uint32_t>::max)()) return fail("an array too long");
    const Id child = type(depth + 1);
    made_.nodes[id].first = child;
    made_.nodes[id].length = static_cast<std::uint32_t>(length);
    made_.nodes[id].is_empty = length == 0;
    return id;
  }
  /// One whose keys are no texts is a sequence of pairs, in bytes as in words.
  Id map(Id id, unsigned depth) {
    const std::uint8_t has_text_keys = byte();
    if (has_text_keys > 1) return fail("a map of no sort");
    if (has_text_keys == 0) {
      const Id pair = static_cast<Id>(made_.nodes.size());
      made_.nodes.emplace_back().kind = Kind::tuple;
      made_.nodes[id].kind = Kind::sequence;  // of pairs
      made_.nodes[id].first = pair;
      (void)reserve(pair, 2);
      members(pair, 2, depth);
      return id;
    }
    const Id key = type(depth + 1);
    const Kind keys = made_.nodes[key].kind;
    if (keys != Kind::text && keys != Kind::integer && keys != Kind::enumeration)
      return fail("keys that have no text");
    const Id mapped = type(depth + 1);
    made_.nodes[id].first = key;
    made_.nodes[id].count = mapped;
    return id;
  }
  Id tuple(Id id, unsigned depth) {
    members(id, reserve(id, count(1)), depth);
    return id;
  }
  void members(Id id, std::size_t size, unsigned depth) {
    bool is_empty = true;
    for (std::size_t i = 0; i < size && ok_; ++i) {
      const Id child = type(depth + 1);
      is_empty = is_empty && made_.nodes[child].is_empty;
      made_.members[made_.nodes[id].first + i].value = child;
    }
    made_.nodes[id].is_empty = is_empty;
  }
  Id named(Id id, unsigned depth) {
    const std::size_t size = reserve(id, count(2));
    bool is_empty = made_.nodes[id].kind == Kind::structure;
    for (std::size_t i = 0; i < size && ok_; ++i) {
      const std::string_view name = text();
      const Id child = type(depth + 1);
      is_empty = is_empty && made_.nodes[child].is_empty;
      made_.members[made_.nodes[id].first + i] = {name, child};
    }
    made_.nodes[id].is_empty = is_empty;
    return id;
  }
  std::size_t reserve(Id id, std::size_t size) {
    if (!ok_) return 0;
    made_.nodes[id].first = static_cast<Id>(made_.members.size());
    made_.nodes[id].count = static_cast<Id>(size);
    made_.members.resize(made_.members.size() + size);
    return size;
  }

  const std::byte* begin_;
  const std::byte* at_;
  const std::byte* end_;
  Layout made_;
  std::vector<Id> structs_;
  bool ok_ = true;
  Error error_;
};

}  // namespace persist::inline PERSIST_ABI::codec::packed
