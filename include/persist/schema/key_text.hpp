#pragma once

#include <persist/schema/enumeration.hpp>
#include <persist/schema/kind.hpp>

#include <charconv>
#include <concepts>
#include <cstddef>
#include <optional>
#include <string_view>
#include <type_traits>

// Keys of maps as text. Both formats have text keys only, so that a record can move from one to the
// other.

namespace persist::inline PERSIST_ABI::schema {

/// A type whose values have a text of their own, so that a map of them is a map in every format:
/// texts, integers in decimal, enums by name.
template <class K>
concept text_key =
    (kind_of<K> == Kind::text && std::constructible_from<K, std::string_view>) ||
    (kind_of<K> == Kind::integer && std::integral<K>) || kind_of<K> == Kind::enumeration;

/// The text of a key, without allocating. Texts and names are referred to and must outlive it.
class KeyText {
 public:
  template <text_key K>
  explicit KeyText(const K& key) noexcept {
    if constexpr (kind_of<K> == Kind::text) {
      refer(key);
    } else if constexpr (std::is_enum_v<K>) {
      refer(enum_name(key));
      if (size_ == 0) print(+static_cast<std::underlying_type_t<K>>(key));
    } else {
      print(+key);
    }
  }
  [[nodiscard]] std::string_view view() const noexcept { return {text_ ? text_ : digits_, size_}; }
  friend bool operator<(const KeyText& a, const KeyText& b) noexcept { return a.view() < b.view(); }
  friend bool operator==(const KeyText& a, const KeyText& b) noexcept {
    return a.view() == b.view();
  }

 private:
  void refer(std::string_view text) noexcept { text_ = text.data(), size_ = text.size(); }
  void print(auto number) noexcept {
    text_ = nullptr;
    size_ = static_cast<std::size_t>(std::to_chars(digits_, digits_ + sizeof digits_, number).ptr -
                                     digits_);
  }

  const char* text_ = nullptr;
  std::size_t size_ = 0;
  char digits_[24];
};

/// The key that a text stands for; none if it is not exactly what a key would be written as.
template <text_key K>
[[nodiscard]] std::optional<K> parse_key(std::string_view text) {
  if constexpr (kind_of<K> == Kind::text) {
    return std::optional<K>(std::in_place, text);
  } else {
    if constexpr (std::is_enum_v<K>)
      if (const auto named = enum_value<K>(text)) return named;
    using Number = typename std::conditional_t<std::is_enum_v<K>, std::underlying_type<K>,
                                               std::type_identity<K>>::type;
    decltype(+Number{}) number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    const K key = static_cast<K>(number);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    // Writing it again finds leading zeros and what the narrow type cannot hold.
    return KeyText(key).view() == text ? std::optional<K>(key) : std::nullopt;
  }
}

}  // namespace persist::inline PERSIST_ABI::schema
