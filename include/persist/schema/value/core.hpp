#pragma once

#include <persist/bytes.hpp>
#include <persist/result.hpp>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace persist::inline PERSIST_ABI {

/// The order of keys in a map that has to be the same wherever it is written: shorter first, then
/// by bytes. This is the order of RFC 8949, section 4.2.1, for keys that are text.
[[nodiscard]] constexpr bool canonical_less(std::string_view a, std::string_view b) noexcept {
  return a.size() != b.size() ? a.size() < b.size() : a < b;
}

/// Data whose shape only its record knows: null, bool, integers, reals, text, bytes, arrays and
/// maps.
///
/// Maps are kept in canonical order, so equality and bytes do not depend on how one was built. A
/// value nests as deep as it was built; one that was read, no deeper than the reader's limit, so
/// destroying it is safe whatever the input was.
class Value {
 public:
  enum class Kind : std::uint8_t {
    null,
    boolean,
    integer,           ///< fits into std::int64_t
    unsigned_integer,  ///< only those that do not
    single,            ///< a float
    real,              ///< a double
    text,
    bytes,
    array,
    map
  };
  struct Member;
  using Bytes = std::vector<std::byte>;
  using Array = std::vector<Value>;

  Value() noexcept;
  Value(std::nullptr_t) noexcept;    // NOLINT(google-explicit-constructor): these are values
  Value(Array elements) noexcept;    // NOLINT
  Value(Bytes bytes) noexcept;       // NOLINT
  Value(std::string text) noexcept;  // NOLINT
  template <class T>
    requires std::is_arithmetic_v<T>
  Value(T number) noexcept;                                   // NOLINT
  Value(std::string_view text) : Value(std::string(text)) {}  // NOLINT
  Value(const char* text) : Value(std::string(text)) {}       // NOLINT
  Value(const Value& other);
  Value(Value&& other) noexcept;
  Value& operator=(const Value& other);
  Value& operator=(Value&& other) noexcept;
  ~Value();

  /// `Value::array({1, "two", nullptr})`
  [[nodiscard]] static Value array(std::initializer_list<Value> elements = {});
  /// `Value::map({{"coins", 1}, {"name", "ada"}})`; of keys given twice the first counts.
  [[nodiscard]] static Value map(std::initializer_list<Member> members = {});
  /// A map of these members in any order; `corrupt`, naming the key, if one is there twice.
  [[nodiscard]] static Result<Value> map_of(std::vector<Member> members);

  [[nodiscard]] Kind kind() const noexcept { return static_cast<Kind>(data_.index()); }
  [[nodiscard]] bool is_null() const noexcept { return kind() == Kind::null; }
  [[nodiscard]] bool is_text() const noexcept { return kind() == Kind::text; }
  [[nodiscard]] bool is_array() const noexcept { return kind() == Kind::array; }
  [[nodiscard]] bool is_map() const noexcept { return kind() == Kind::map; }

  /// The value as a T, by the rules of a typed load: numbers convert where nothing is lost.
  template <class T>
  [[nodiscard]] Result<T> as() const;
  /// What is held, or null if it is of another kind. T is one of bool, std::int64_t, std::uint64_t,
  /// float, double, std::string, Bytes, Array.
  template <class T>
  [[nodiscard]] const T* get_if() const noexcept {
    return std::get_if<T>(&data_);
  }

  /// How many elements or members; 0 for what has none.
  [[nodiscard]] std::size_t size() const noexcept;
  /// The elements of an array; none for what is no array.
  [[nodiscard]] std::span<const Value> elements() const noexcept;
  [[nodiscard]] std::span<Value> elements() noexcept;
  /// The members of a map in canonical order; none for what is no map.
  [[nodiscard]] std::span<const Member> members() const noexcept;

  [[nodiscard]] const Value* find(std::string_view key) const noexcept;
  [[nodiscard]] Value* find(std::string_view key) noexcept;
  /// The member of that name, or a null value: `value["settings"]["fov"]` never fails.
  [[nodiscard]] const Value& operator[](std::string_view key) const noexcept;
  /// The member of that name, made if it is not there; what is no map becomes one.
  [[nodiscard]] Value& operator[](std::string_view key);
  /// The element, or a null value where there is none.
  [[nodiscard]] const Value& operator[](std::size_t index) const noexcept;
  bool erase(std::string_view key);
  /// Appends to an array; what is no array becomes one.
  Value& push_back(Value element);

  /// The same data. A float and a double of one value are equal, and so are two NaN.
  friend bool operator==(const Value& a, const Value& b) noexcept { return a.equals(b); }

 private:
  using Map = std::vector<Member>;
  [[nodiscard]] bool equals(const Value& other) const noexcept;
  [[nodiscard]] Map::iterator lower_bound(Map& map, std::string_view key) const noexcept;

  std::variant<std::monostate, bool, std::int64_t, std::uint64_t, float, double, std::string, Bytes,
               Array, Map>
      data_;
};

struct Value::Member {
  std::string key;
  Value value;

  friend bool operator==(const Member& a, const Member& b) noexcept {
    return a.key == b.key && a.value == b.value;
  }
};

inline Value::Value() noexcept = default;
inline Value::Value(std::nullptr_t) noexcept {}
inline Value::Value(Array elements) noexcept : data_(std::move(elements)) {}
inline Value::Value(Bytes bytes) noexcept : data_(std::move(bytes)) {}
inline Value::Value(std::string text) noexcept : data_(std::move(text)) {}
template <class T>
  requires std::is_arithmetic_v<T>
Value::Value(T number) noexcept {
  if constexpr (std::same_as<T, bool> || std::same_as<T, float>)
    data_ = number;
  else if constexpr (std::floating_point<T>)
    data_ = static_cast<double>(number);
  else if (std::in_range<std::int64_t>(+number))
    data_ = static_cast<std::int64_t>(number);
  else
    data_ = static_cast<std::uint64_t>(number);
}
inline Value::Value(const Value& other) = default;
inline Value::Value(Value&& other) noexcept = default;
inline Value& Value::operator=(const Value& other) = default;
inline Value& Value::operator=(Value&& other) noexcept = default;
inline Value::~Value() = default;

inline Value Value::array(std::initializer_list<Value> elements) {
  return Value(Array(elements));
}

inline Value Value::map(std::initializer_list<Member> members) {
  Value made;
  Map& map = made.data_.emplace<Map>(members);
  std::stable_sort(map.begin(), map.end(),
                   [](const Member& a, const Member& b) { return canonical_less(a.key, b.key); });
  map.erase(std::unique(map.begin(), map.end(),
                        [](const Member& a, const Member& b) { return a.key == b.key; }),
            map.end());
  return made;
}

inline Result<Value> Value::map_of(std::vector<Member> members) {
  std::sort(members.begin(), members.end(),
            [](const Member& a, const Member& b) { return canonical_less(a.key, b.key); });
  const auto twice =
      std::adjacent_find(members.begin(), members.end(),
                         [](const Member& a, const Member& b) { return a.key == b.key; });
  if (twice != members.end())
    return Error(Errc::corrupt, "a map has the key '" + twice->key + "' twice");
  Value made;
  made.data_ = std::move(members);
  return made;
}

inline std::size_t Value::size() const noexcept {
  return elements().size() + members().size();
}
inline std::span<const Value> Value::elements() const noexcept {
  const Array* array = std::get_if<Array>(&data_);
  return array ? std::span<const Value>(*array) : std::span<const Value>();
}
inline std::span<Value> Value::elements() noexcept {
  Array* array = std::get_if<Array>(&data_);
  return array ? std::span<Value>(*array) : std::span<Value>();
}
inline std::span<const Value::Member> Value::members() const noexcept {
  const Map* map = std::get_if<Map>(&data_);
  return map ? std::span<const Member>(*map) : std::span<const Member>();
}

inline Value::Map::iterator Value::lower_bound(Map& map, std::string_view key) const noexcept {
  return std::lower_bound(map.begin(), map.end(), key,
                          [](const Member& member, std::string_view wanted) {
                            return canonical_less(member.key, wanted);
                          });
}
inline Value* Value::find(std::string_view key) noexcept {
  Map* map = std::get_if<Map>(&data_);
  if (map == nullptr) return nullptr;
  const auto at = lower_bound(*map, key);
  return at != map->end() && at->key == key ? &at->value : nullptr;
}
inline const Value* Value::find(std::string_view key) const noexcept {
  return const_cast<Value*>(this)->find(key);  // NOLINT: find changes nothing
}
inline const Value& Value::operator[](std::string_view key) const noexcept {
  static const Value null;
  const Value* found = find(key);
  return found ? *found : null;
}
inline Value& Value::operator[](std::string_view key) {
  if (!is_map()) data_.emplace<Map>();
  Map& map = std::get<Map>(data_);
  auto at = lower_bound(map, key);
  if (at == map.end() || at->key != key) at = map.insert(at, Member{std::string(key), Value()});
  return at->value;
}
inline const Value& Value::operator[](std::size_t index) const noexcept {
  static const Value null;
  return index < elements().size() ? elements()[index] : null;
}
inline bool Value::erase(std::string_view key) {
  Map* map = std::get_if<Map>(&data_);
  if (map == nullptr) return false;
  const auto at = lower_bound(*map, key);
  if (at == map->end() || at->key != key) return false;
  return map->erase(at), true;
}
inline Value& Value::push_back(Value element) {
  if (!is_array()) data_.emplace<Array>();
  return std::get<Array>(data_).emplace_back(std::move(element));
}

inline bool Value::equals(const Value& other) const noexcept {
  const auto as_real = [](const Value& value, double& into) {
    if (const float* single = value.get_if<float>())
      return into = static_cast<double>(*single), true;
    if (const double* real = value.get_if<double>()) return into = *real, true;
    return false;
  };
  double a = 0;
  double b = 0;
  if (as_real(*this, a) && as_real(other, b)) return a == b || (a != a && b != b);
  return data_ == other.data_;
}

}  // namespace persist::inline PERSIST_ABI
