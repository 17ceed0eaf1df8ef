#pragma once

#include <persist/bytes.hpp>
#include <persist/codec/packed/description.hpp>
#include <persist/codec/packed/number.hpp>
#include <persist/detail/utf8.hpp>
#include <persist/error.hpp>
#include <persist/result.hpp>
#include <persist/schema/token.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace persist::inline PERSIST_ABI::codec::packed {

/// A type as another build described it. Nodes refer to each other by number, and to names and
/// numbers by where they lie in the description, which must outlive this. So it takes hardly more
/// memory than that does.
struct Layout {
  using Id = std::uint16_t;

  struct Node {
    Kind kind = Kind::none;  ///< how it is read: a map without texts as keys is a sequence
    Kind said = Kind::none;  ///< how it was described
    std::uint8_t code = 0;   ///< of an integer or enum; the size of a real
    bool is_empty = false;   ///< takes no bytes
    Id first = 0;            ///< the first of its members, or the node inside
    Id count = 0;            ///< of members; of a map the node of its values; of an array and a
                             ///< duration where its length and its unit lie
  };
  /// A field, an alternative, an element of a tuple, or an enumerator.
  struct Member {
    Id name = 0;  ///< where it lies; behind it an enumerator's value
    Id node = 0;
  };

  ByteView description;
  std::vector<Node> nodes;
  std::vector<Member> members;
  Id root = 0;

  [[nodiscard]] std::string_view name(const Member& of) const noexcept {
    std::size_t at = of.name;
    return text(at);
  }
  [[nodiscard]] std::int64_t value(const Member& enumerator) const noexcept {
    std::size_t at = enumerator.name;
    (void)text(at);
    std::int64_t made = 0;
    (void)from_unsigned(number(at), made);
    return made;
  }
  [[nodiscard]] std::uint64_t length(const Node& array) const noexcept {
    std::size_t at = array.count;
    return number(at);
  }
  /// The numerator and the denominator of what one is, in seconds.
  [[nodiscard]] std::pair<std::uint64_t, std::uint64_t> unit(const Node& duration) const noexcept {
    std::size_t at = duration.count;
    const std::uint64_t numerator = number(at);
    return {numerator, number(at)};
  }
  /// What that enum calls the value; empty where it has no name for it. Time is logarithmic.
  [[nodiscard]] std::string_view enumerator(const Node& type,
                                            const schema::Integer& of) const noexcept {
    constexpr auto most = static_cast<std::uint64_t>((std::numeric_limits<std::int64_t>::max)());
    if (of.magnitude > most) return {};
    const auto magnitude = static_cast<std::int64_t>(of.magnitude);
    const std::int64_t wanted = of.negative ? -1 - magnitude : magnitude;
    const auto begin = members.begin() + type.first;
    const auto end = begin + type.count;
    const auto found = std::lower_bound(
        begin, end, wanted,
        [this](const Member& each, std::int64_t than) { return value(each) < than; });
    return found != end && value(*found) == wanted ? name(*found) : std::string_view();
  }

 private:
  // What was looked at when it was parsed is whole.
  [[nodiscard]] std::uint64_t number(std::size_t& at) const noexcept {
    std::uint64_t made = 0;
    const std::byte* begin = description.data();
    at = static_cast<std::size_t>(get_number(begin + at, begin + description.size(), made) - begin);
    return made;
  }
  [[nodiscard]] std::string_view text(std::size_t& at) const noexcept {
    const auto size = static_cast<std::size_t>(number(at));
    at += size;
    return as_text(description.subspan(at - size, size));
  }
};

/// Reads a description. It comes from outside: what is not whole, nests too deep or refers to
/// nothing is `corrupt`. Memory is at most 4 times its size and 48 KiB; one that would take more,
/// because it is of thousands of parts with next to no names, is `too_large`.
class LayoutParser {
 public:
  explicit LayoutParser(ByteView bytes) noexcept
      : begin_(bytes.data()), at_(begin_), end_(begin_ + bytes.size()) {
    made_.description = bytes;
  }

  [[nodiscard]] Result<Layout> run() {
    if (static_cast<std::size_t>(end_ - begin_) > longest_description)
      return Error(Errc::too_large, "packed: a description of more than 64 KiB");
    made_.root = type(0);
    if (ok_ && at_ != end_) fail("bytes follow the description");
    if (!ok_) return std::move(error_);
    return std::move(made_);
  }

 private:
  using Id = Layout::Id;
  static constexpr unsigned deepest = 128;
  static constexpr std::size_t free_memory = std::size_t{48} << 10;

  Id fail(std::string_view what, Errc code = Errc::corrupt) {
    if (ok_) {
      error_ = Error(code, "packed, in the description at byte " + std::to_string(at_ - begin_) +
                               ": " + std::string(what));
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
    switch (static_cast<Kind>(kind)) {
      case Kind::boolean:
      case Kind::text:
      case Kind::bytes:
      case Kind::value:
      case Kind::unit:
        return leaf(kind, 0);
      case Kind::integer:
        return leaf(kind, integer());
      case Kind::real:
        return leaf(kind, real());
      default:
        return ok_ ? branch(static_cast<Kind>(kind), depth) : Id{0};
    }
  }
  /// Types that have nothing inside are the same node wherever they are.
  Id leaf(std::uint8_t kind, std::uint8_t code) {
    if (!ok_) return 0;
    const auto wanted = static_cast<Kind>(kind);
    for (std::size_t i = 0; i < leaf_count_; ++i) {
      const Layout::Node& known = made_.nodes[leaves_[i]];
      if (known.kind == wanted && known.code == code) return leaves_[i];
    }
    const Id id = node(wanted);
    if (!ok_) return 0;
    made_.nodes[id].code = code;
    made_.nodes[id].is_empty = wanted == Kind::unit;
    return leaves_[leaf_count_++] = id;
  }
  Id node(Kind kind) {
    const std::size_t id = made_.nodes.size();
    if (!grow(made_.nodes, 1)) return 0;
    made_.nodes.back().kind = made_.nodes.back().said = kind;
    return static_cast<Id>(id);
  }
  Id branch(Kind kind, unsigned depth) {
    const auto known = {Kind::enumeration, Kind::optional, Kind::sequence,  Kind::set,
                        Kind::array,       Kind::map,      Kind::tuple,     Kind::structure,
                        Kind::variant,     Kind::duration, Kind::time_point};
    if (std::find(known.begin(), known.end(), kind) == known.end())
      return --at_, fail("a kind of data that this build does not know");
    const Id id = node(kind);
    if (!ok_) return 0;
    switch (kind) {
      case Kind::enumeration:
        return enumeration(id);
      case Kind::array:
        return array(id, depth);
      case Kind::map:
        return map(id, depth);
      case Kind::tuple:
        members(id, reserve(id, count(1)), depth);
        return id;
      case Kind::structure:
        if (grow(structs_, 1)) structs_.back() = id;
        return named(id, depth);
      case Kind::variant:
        return named(id, depth);
      case Kind::duration:
        made_.nodes[id].count = here();
        (void)number(), (void)number();
        return inside(id, depth);
      default:
        return inside(id, depth);
    }
  }
  std::uint8_t integer() {
    const std::uint8_t code = byte();
    if (code > 7) fail("an integer of no size");
    return code;
  }
  std::uint8_t real() {
    const std::uint8_t size = byte();
    if (size != 4 && size != 8) fail("a real of no size");
    return size;
  }
  /// By its values in ascending order, or a long one would cost its length at every element.
  Id enumeration(Id id) {
    made_.nodes[id].code = integer();
    const std::size_t members = reserve(id, count(2));
    for (std::size_t i = 0; i < members && ok_; ++i) {
      Layout::Member* const all = made_.members.data() + made_.nodes[id].first;
      all[i].name = here();
      (void)text(), (void)number();
      if (ok_ && i != 0 && made_.value(all[i - 1]) >= made_.value(all[i]))
        return fail("enumerators that are not in the order of their values");
    }
    return id;
  }
  Id inside(Id id, unsigned depth) {
    const Id child = type(depth + 1);
    if (!ok_) return 0;
    Layout::Node& node = made_.nodes[id];
    node.first = child;
    const bool may_be_empty = node.kind == Kind::duration || node.kind == Kind::time_point;
    node.is_empty = may_be_empty && made_.nodes[child].is_empty;
    return id;
  }
  Id array(Id id, unsigned depth) {
    made_.nodes[id].count = here();
    const std::uint64_t length = number();
    if (length > (std::numeric_limits<std::uint32_t>::max)()) return fail("an array too long");
    (void)inside(id, depth);
    if (ok_) made_.nodes[id].is_empty = length == 0;
    return id;
  }
  /// One whose keys are no texts is a sequence of pairs, in bytes as in words.
  Id map(Id id, unsigned depth) {
    const std::uint8_t has_text_keys = byte();
    if (has_text_keys > 1) return fail("a map of no sort");
    if (has_text_keys == 0) {
      const Id pair = node(Kind::tuple);
      if (!ok_) return 0;
      made_.nodes[pair].said = Kind::none;
      made_.nodes[id].kind = Kind::sequence;  // of pairs
      made_.nodes[id].first = pair;
      members(pair, reserve(pair, 2), depth);
      return id;
    }
    const Id key = type(depth + 1);
    if (!ok_) return 0;
    const Kind keys = made_.nodes[key].kind;
    if (keys != Kind::text && keys != Kind::integer && keys != Kind::enumeration)
      return fail("keys that have no text");
    const Id mapped = type(depth + 1);
    made_.nodes[id].first = key;
    made_.nodes[id].count = mapped;
    return id;
  }
  void members(Id id, std::size_t size, unsigned depth, bool have_names = false) {
    bool is_empty = made_.nodes[id].kind != Kind::variant;
    for (std::size_t i = 0; i < size && ok_; ++i) {
      const Id name = here();
      if (have_names) (void)text();
      const Id child = type(depth + 1);
      if (!ok_) return;
      is_empty = is_empty && made_.nodes[child].is_empty;
      made_.members[made_.nodes[id].first + i] = {name, child};
    }
    made_.nodes[id].is_empty = is_empty;
  }
  Id named(Id id, unsigned depth) {
    members(id, reserve(id, count(2)), depth, true);
    return id;
  }
  std::size_t reserve(Id id, std::size_t size) {
    const std::size_t first = made_.members.size();
    if (!ok_ || !grow(made_.members, size)) return 0;
    made_.nodes[id].first = static_cast<Id>(first);
    made_.nodes[id].count = static_cast<Id>(size);
    return size;
  }
  /// Numbers of 16 bits say where everything is: a description has no more than 64 KiB.
  [[nodiscard]] Id here() const noexcept { return static_cast<Id>(at_ - begin_); }
  /// Makes room, with what is moved counted twice. Members that were promised and do not come are
  /// paid for too, or descriptions inside each other could all promise the same bytes.
  template <class T>
  bool grow(std::vector<T>& all, std::size_t by) {
    const std::size_t size = all.size() + by;
    if (size > all.capacity()) {
      const std::size_t room = (std::max)(size, all.size() + all.size() / 2 + 8);
      const std::size_t memory = made_.nodes.capacity() * sizeof(Layout::Node) +
                                 made_.members.capacity() * sizeof(Layout::Member) +
                                 structs_.capacity() * sizeof(Id) + room * sizeof(T);
      if (memory > free_memory + 4 * made_.description.size() ||
          size > (std::numeric_limits<Id>::max)())
        return fail("more parts than its size gives reason for", Errc::too_large), false;
      all.reserve(room);
    }
    all.resize(size);
    return true;
  }

  const std::byte* begin_;
  const std::byte* at_;
  const std::byte* end_;
  Layout made_;
  std::vector<Id> structs_;
  std::array<Id, 16> leaves_{};  ///< boolean, text, bytes, value, unit, 8 integers, 2 reals
  std::size_t leaf_count_ = 0;
  bool ok_ = true;
  Error error_;
};

}  // namespace persist::inline PERSIST_ABI::codec::packed
