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

  Value() noexcept = default;
  Value(std::nullptr_t) noexcept {}  // NOLINT(google-explicit-constructor): these are values
  Value(Array elements);             // NOLINT
  Value(Bytes bytes);                // NOLINT
  Value(std::string text);           // NOLINT
  template <class T>
    requires std::is_arithmetic_v<T>
  Value(T number) noexcept;                                   // NOLINT
  Value(std::string_view text) : Value(std::string(text)) {}  // NOLINT
  Value(const char* text) : Value(std::string(text)) {}       // NOLINT
  Value(const Value& other);
  Value(Value&& other) noexcept { swap(other); }
  Value& operator=(Value other) noexcept { return swap(other), *this; }
  ~Value();
  void swap(Value& other) noexcept { std::swap(kind_, other.kind_), std::swap(data_, other.data_); }

  /// `Value::array({1, "two", nullptr})`
  [[nodiscard]] static Value array(std::initializer_list<Value> elements = {});
  /// `Value::map({{"coins", 1}, {"name", "ada"}})`; of keys given twice the first counts.
  [[nodiscard]] static Value map(std::initializer_list<Member> members = {});
  /// A map of these members in any order; `corrupt`, naming the key, if one is there twice.
  [[nodiscard]] static Result<Value> map_of(std::vector<Member> members);

  [[nodiscard]] Kind kind() const noexcept { return kind_; }
  [[nodiscard]] bool is_null() const noexcept { return kind() == Kind::null; }
  [[nodiscard]] bool is_text() const noexcept { return kind() == Kind::text; }
  [[nodiscard]] bool is_array() const noexcept { return kind() == Kind::array; }
  [[nodiscard]] bool is_map() const noexcept { return kind() == Kind::map; }

  /// The value as a T, by the rules of a typed load: numbers convert where nothing is lost, what is
  /// missing takes its default, `schema_mismatch` names path, expected and found. Include
  /// schema/value.hpp to call it.
  template <class T>
  [[nodiscard]] Result<T> as() const;
  /// What is held, or null if it is of another kind. T is one of bool, std::int64_t, std::uint64_t,
  /// float, double, std::string, Bytes, Array.
  template <class T>
  [[nodiscard]] const T* get_if() const noexcept;

  /// How many elements or members; 0 for what has none.
  [[nodiscard]] std::size_t size() const noexcept;
  /// The elements of an array; none for what is no array.
  [[nodiscard]] std::span<const Value> elements() const noexcept;
  [[nodiscard]] std::span<Value> elements() noexcept;
  /// The members of a map in canonical order; none for what is no map.
  [[nodiscard]] std::span<const Member> members() const noexcept;

  /// The member of that name, or null; null too for what is no map. Time is logarithmic.
  [[nodiscard]] const Value* find(std::string_view key) const noexcept;
  [[nodiscard]] Value* find(std::string_view key) noexcept;
  /// The member of that name, or a null value: `value["settings"]["fov"]` never fails.
  [[nodiscard]] const Value& operator[](std::string_view key) const noexcept;
  /// The member of that name, made if it is not there; what is no map becomes one, and loses what
  /// it was. Making one moves those behind it: to build a large map, use `map_of`.
  [[nodiscard]] Value& operator[](std::string_view key);
  /// The element, or a null value where there is none. To change one, take it from elements().
  template <std::integral I>
  [[nodiscard]] const Value& operator[](I index) const noexcept {
    return element(static_cast<std::size_t>(index));
  }
  template <std::integral I>
  [[nodiscard]] const Value& operator[](I index) noexcept {
    return element(static_cast<std::size_t>(index));
  }
  /// Takes the member out and returns whether it was there. Moves those behind it.
  bool erase(std::string_view key);
  /// Appends to an array and returns the element; what is no array becomes one, and loses what it
  /// was.
  Value& push_back(Value element);
  /// Puts an element before the one at `index`, or at the end; returns whether there is such a
  /// place. Moves those behind it.
  bool insert(std::size_t index, Value element);
  /// Takes an element out of an array and returns whether it was there. Moves those behind it.
  bool erase_element(std::size_t index);

  /// Fills in what is missing from `defaults`, at every depth; see schema/value/reconcile.hpp,
  /// which is to be included to call it.
  std::size_t reconcile(Value defaults);
  /// A copy that shares nothing with this one, as every copy.
  [[nodiscard]] Value clone() const { return *this; }

  /// The same data. A float and a double of one value are equal, and so are two NaN.
  friend bool operator==(const Value& a, const Value& b) noexcept { return a.equals(b); }

 private:
  using Map = std::vector<Member>;
  [[nodiscard]] bool equals(const Value& other) const noexcept;
  std::size_t fill_in(const Value& defaults);
  [[nodiscard]] const Value& element(std::size_t index) const noexcept;
  [[nodiscard]] static Value of_map(Map members);
  [[nodiscard]] Map::iterator lower_bound(Map& map, std::string_view key) const noexcept;

  // By hand and not a std::variant: 16 bytes instead of 40, and half a second less in every unit.
  union Data {
    bool boolean;
    std::int64_t integer = 0;
    std::uint64_t unsigned_integer;
    float single;
    double real;
    std::string* text;
    Bytes* bytes;
    Array* array;
    Map* map;
  };
  Data data_;
  Kind kind_ = Kind::null;
};

struct Value::Member {
  std::string key;
  Value value;

  friend bool operator==(const Member& a, const Member& b) noexcept {
    return a.key == b.key && a.value == b.value;
  }
};

inline Value::Value(Array elements) : kind_(Kind::array) {
  data_.array = new Array(std::move(elements));
}
inline Value::Value(Bytes bytes) : kind_(Kind::bytes) {
  data_.bytes = new Bytes(std::move(bytes));
}
inline Value::Value(std::string text) : kind_(Kind::text) {
  data_.text = new std::string(std::move(text));
}
template <class T>
  requires std::is_arithmetic_v<T>
Value::Value(T number) noexcept {
  if constexpr (std::same_as<T, bool>) {
    kind_ = Kind::boolean, data_.boolean = number;
  } else if constexpr (std::same_as<T, float>) {
    kind_ = Kind::single, data_.single = number;
  } else if constexpr (std::floating_point<T>) {
    kind_ = Kind::real, data_.real = static_cast<double>(number);
  } else if (std::in_range<std::int64_t>(+number)) {
    kind_ = Kind::integer, data_.integer = static_cast<std::int64_t>(number);
  } else {
    kind_ = Kind::unsigned_integer, data_.unsigned_integer = static_cast<std::uint64_t>(number);
  }
}
inline Value::Value(const Value& other) : data_(other.data_), kind_(other.kind_) {
  if (kind_ == Kind::text) data_.text = new std::string(*other.data_.text);
  if (kind_ == Kind::bytes) data_.bytes = new Bytes(*other.data_.bytes);
  if (kind_ == Kind::array) data_.array = new Array(*other.data_.array);
  if (kind_ == Kind::map) data_.map = new Map(*other.data_.map);
}
inline Value::~Value() {
  if (kind_ == Kind::text) delete data_.text;
  if (kind_ == Kind::bytes) delete data_.bytes;
  if (kind_ == Kind::array) delete data_.array;
  if (kind_ == Kind::map) delete data_.map;
}
template <class T>
const T* Value::get_if() const noexcept {
  if constexpr (std::same_as<T, bool>)
    return kind_ == Kind::boolean ? &data_.boolean : nullptr;
  else if constexpr (std::same_as<T, std::int64_t>)
    return kind_ == Kind::integer ? &data_.integer : nullptr;
  else if constexpr (std::same_as<T, std::uint64_t>)
    return kind_ == Kind::unsigned_integer ? &data_.unsigned_integer : nullptr;
  else if constexpr (std::same_as<T, float>)
    return kind_ == Kind::single ? &data_.single : nullptr;
  else if constexpr (std::same_as<T, double>)
    return kind_ == Kind::real ? &data_.real : nullptr;
  else if constexpr (std::same_as<T, std::string>)
    return kind_ == Kind::text ? data_.text : nullptr;
  else if constexpr (std::same_as<T, Bytes>)
    return kind_ == Kind::bytes ? data_.bytes : nullptr;
  else if constexpr (std::same_as<T, Array>)
    return kind_ == Kind::array ? data_.array : nullptr;
  else
    static_assert(std::same_as<T, void>, "persist: a Value holds no such type: see Value::get_if");
}

inline Value Value::array(std::initializer_list<Value> elements) {
  return Value(Array(elements));
}

inline Value Value::of_map(Map members) {
  Value made;
  made.data_.map = new Map(std::move(members));
  made.kind_ = Kind::map;
  return made;
}
inline Value Value::map(std::initializer_list<Member> members) {
  Map map(members);
  std::stable_sort(map.begin(), map.end(),
                   [](const Member& a, const Member& b) { return canonical_less(a.key, b.key); });
  map.erase(std::unique(map.begin(), map.end(),
                        [](const Member& a, const Member& b) { return a.key == b.key; }),
            map.end());
  return of_map(std::move(map));
}

inline Result<Value> Value::map_of(std::vector<Member> members) {
  std::sort(members.begin(), members.end(),
            [](const Member& a, const Member& b) { return canonical_less(a.key, b.key); });
  const auto twice =
      std::adjacent_find(members.begin(), members.end(),
                         [](const Member& a, const Member& b) { return a.key == b.key; });
  if (twice != members.end())
    return Error(Errc::corrupt, "a map has the key '" + twice->key + "' twice");
  return of_map(std::move(members));
}

inline std::size_t Value::size() const noexcept {
  return elements().size() + members().size();
}
inline std::span<const Value> Value::elements() const noexcept {
  return is_array() ? std::span<const Value>(*data_.array) : std::span<const Value>();
}
inline std::span<Value> Value::elements() noexcept {
  return is_array() ? std::span<Value>(*data_.array) : std::span<Value>();
}
inline std::span<const Value::Member> Value::members() const noexcept {
  return is_map() ? std::span<const Member>(*data_.map) : std::span<const Member>();
}

inline Value::Map::iterator Value::lower_bound(Map& map, std::string_view key) const noexcept {
  return std::lower_bound(map.begin(), map.end(), key,
                          [](const Member& member, std::string_view wanted) {
                            return canonical_less(member.key, wanted);
                          });
}
inline Value* Value::find(std::string_view key) noexcept {
  if (!is_map()) return nullptr;
  Map& map = *data_.map;
  const auto at = lower_bound(map, key);
  return at != map.end() && at->key == key ? &at->value : nullptr;
}
inline const Value* Value::find(std::string_view key) const noexcept {
  return const_cast<Value*>(this)->find(key);  // NOLINT: find changes nothing
}
inline const Value& Value::operator[](std::string_view key) const noexcept {
  static const Value null{};
  const Value* found = find(key);
  return found ? *found : null;
}
inline Value& Value::operator[](std::string_view key) {
  if (!is_map()) *this = of_map({});
  Map& map = *data_.map;
  auto at = lower_bound(map, key);
  if (at == map.end() || at->key != key) at = map.insert(at, Member{std::string(key), Value()});
  return at->value;
}
inline const Value& Value::element(std::size_t index) const noexcept {
  static const Value null{};
  return index < elements().size() ? elements()[index] : null;
}
inline bool Value::erase(std::string_view key) {
  if (!is_map()) return false;
  const auto at = lower_bound(*data_.map, key);
  if (at == data_.map->end() || at->key != key) return false;
  return data_.map->erase(at), true;
}
inline Value& Value::push_back(Value element) {
  if (!is_array()) *this = Value(Array());
  return data_.array->emplace_back(std::move(element));
}
inline bool Value::insert(std::size_t index, Value element) {
  if (!is_array() || index > size()) return false;
  data_.array->insert(data_.array->begin() + static_cast<std::ptrdiff_t>(index),
                      std::move(element));
  return true;
}
inline bool Value::erase_element(std::size_t index) {
  if (index >= elements().size()) return false;
  data_.array->erase(data_.array->begin() + static_cast<std::ptrdiff_t>(index));
  return true;
}

inline bool Value::equals(const Value& other) const noexcept {
  const auto is_real = [](Kind kind) { return kind == Kind::single || kind == Kind::real; };
  if (is_real(kind_) && is_real(other.kind_)) {
    const double a = kind_ == Kind::single ? static_cast<double>(data_.single) : data_.real;
    const double b =
        other.kind_ == Kind::single ? static_cast<double>(other.data_.single) : other.data_.real;
    return a == b || (a != a && b != b);
  }
  if (kind_ != other.kind_) return false;
  switch (kind_) {
    case Kind::boolean:
      return data_.boolean == other.data_.boolean;
    case Kind::integer:
      return data_.integer == other.data_.integer;
    case Kind::unsigned_integer:
      return data_.unsigned_integer == other.data_.unsigned_integer;
    case Kind::text:
      return *data_.text == *other.data_.text;
    case Kind::bytes:
      return *data_.bytes == *other.data_.bytes;
    case Kind::array:
      return *data_.array == *other.data_.array;
    case Kind::map:
      return *data_.map == *other.data_.map;
    case Kind::null:
    case Kind::single:
    case Kind::real:
      break;
  }
  return true;
}

}  // namespace persist::inline PERSIST_ABI
