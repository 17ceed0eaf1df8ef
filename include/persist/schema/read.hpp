#pragma once

#include <persist/schema/place.hpp>
#include <persist/schema/read/number.hpp>
#include <persist/schema/token.hpp>
#include <persist/schema/write.hpp>

#include <algorithm>
#include <array>
#include <bitset>
#include <concepts>
#include <cstddef>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace persist::inline PERSIST_ABI::schema {

/// How a partial record becomes a whole value. Deep: what is missing takes the member's default, at
/// every depth, in elements and map values too.
namespace reconcile {
struct Deep {};
}  // namespace reconcile

namespace detail {

/// The walk that turns tokens into a value. A function returns false when it failed; then the
/// reader holds the error, and the value anything.
template <class Rules, class Reader>
class Reading {
 public:
  Reading(Reader& in, UnknownFields& unknown) noexcept : in_(in), unknown_(unknown) {}

  template <class T>
  [[nodiscard]] bool value(T& into, const Place& at) {
    constexpr Kind kind = kind_of<T>;
    static_assert(
        kind != Kind::none,
        "persist: this type cannot be stored: make it a plain aggregate, describe it with "
        "persist_fields, or specialise persist::adapt for it");
    if constexpr (kind == Kind::boolean)
      return expect(Token::boolean, at) && in_.boolean(into);
    else if constexpr (kind == Kind::integer || kind == Kind::real)
      return number(into, at);
    else if constexpr (kind == Kind::enumeration)
      return enumeration(into, at);
    else if constexpr (kind == Kind::text)
      return text(into, at);
    else if constexpr (kind == Kind::bytes)
      return bytes(into, at);
    else if constexpr (kind == Kind::optional)
      return optional(into, at);
    else if constexpr (kind == Kind::variant)
      return variant(into, at);
    else if constexpr (kind == Kind::sequence)
      return sequence(into, at);
    else if constexpr (kind == Kind::array)
      return array(into, at);
    else if constexpr (kind == Kind::set)
      return set(into, at);
    else if constexpr (kind == Kind::map)
      return map(into, at);
    else if constexpr (kind == Kind::tuple)
      return tuple(into, at);
    else if constexpr (kind == Kind::duration || kind == Kind::time_point)
      return chrono(into, at);
    else if constexpr (kind == Kind::structure)
      return structure(into, at);
    else if constexpr (kind == Kind::value)
      return read_value(in_, into);
    else if constexpr (kind == Kind::adapted)
      return adapted(into, at);
    else if constexpr (kind == Kind::unit)
      return expect(Token::null, at) && in_.null();
    else
      return false;
  }

 private:
  bool fail(Error error) { return in_.fail(std::move(error)), false; }
  bool mismatch(const Place& at, std::string_view expected, std::string found) {
    return fail(
        Error(Errc::schema_mismatch).at(at.path(), std::string(expected), std::move(found)));
  }
  /// Says that the item is of that sort, or fails. Broken input is let through, for the reader to
  /// word.
  bool expect(Token wanted, const Place& at) { return expect(wanted, at, name(wanted)); }
  bool expect(Token wanted, const Place& at, std::string_view expected) {
    const Token found = in_.peek();
    if (found == wanted || found == Token::bad || found == Token::end) [[likely]]
      return true;
    return mismatch(at, expected, describe(found));
  }
  /// What is found instead, with its value where that is short.
  std::string describe(Token found) {
    Integer whole;
    Real real;
    bool flag = false;
    std::string_view text;
    if (found == Token::integer && in_.integer(whole)) return text_of(whole);
    if (found == Token::real && in_.real(real)) return text_of(real);
    if (found == Token::boolean && in_.boolean(flag)) return flag ? "true" : "false";
    if (found == Token::text && in_.text(text))
      return "the text '" + Place().inside(text).path() + "'";
    return std::string(name(found));
  }

  template <class T>
  bool number(T& into, const Place& at) {
    constexpr bool is_real = kind_of<T> == Kind::real;
    const std::string_view expected = number_name<T>();
    if (in_.peek() == Token::real) {
      Real real;
      if (!in_.real(real)) return false;
      Integer whole;
      if constexpr (is_real)
        return convert(real, into) || mismatch(at, expected, text_of(real));
      else
        return (convert(real, whole) && convert(whole, into)) ||
               mismatch(at, expected, text_of(real));
    }
    Integer whole;
    if (!expect(Token::integer, at, expected) || !in_.integer(whole)) return false;
    return convert(whole, into) || mismatch(at, expected, text_of(whole));
  }

  template <class T>
  bool text(T& into, const Place& at) {
    std::string_view found;
    if (!expect(Token::text, at) || !in_.text(found)) return false;
    into.assign(found.data(), found.size());
    return true;
  }

  template <class T>
  bool bytes(T& into, const Place& at) {
    ByteView found;
    const bool as_text = [] {
      if constexpr (requires { Reader::bytes_as_text; })
        return Reader::bytes_as_text;
      else
        return false;
    }();
    if (!(as_text && in_.peek() == Token::text) && !expect(Token::bytes, at)) return false;
    if (!in_.bytes(found)) return false;
    if constexpr (is_array<T>) {
      if (found.size() != into.size())
        return mismatch(at, std::to_string(into.size()) + " bytes", std::to_string(found.size()));
      std::copy(found.begin(), found.end(), into.begin());
    } else if constexpr (std::same_as<T, Buffer>) {
      into = Buffer(found);
    } else {
      into.assign(found.data(), found.data() + found.size());
    }
    return true;
  }

  /// A value of an enum or variant that this build does not know: kept, with what is in its place.
  template <class T>
  bool replace(const T& placeholder, const Place& at, std::string_view name, Kept item) {
    KeptNode* node = at.keep(unknown_);
    if (node == nullptr) return drop(at);
    ValueWriter held;
    Writing<Rules, ValueWriter>(held, nullptr).value(placeholder, {});
    node->replaced = std::make_unique<KeptNode::Replaced>();
    *node->replaced = {std::string(name), std::move(item), held.take()};
    return true;
  }
  /// Something unknown where nothing can be kept.
  bool drop(const Place& at) {
    if constexpr (Rules::drops_unknown) {
      return unknown_.drop(at.path()), true;
    } else {
      return fail(
          Error(
              Errc::too_new,
              "a newer build wrote this, and saving would lose it: give the elements a "
              "persist::Identity or a persist::Unknown member, or let the policy say drop_unknown")
              .at(at.path(), "", ""));
    }
  }

  template <class E>
  bool enumeration(E& into, const Place& at) {
    Kept unknown;
    if (in_.peek() == Token::text) {
      std::string_view text;
      if (!in_.text(text)) return false;
      if (const auto known = enum_value<E>(text)) return into = *known, true;
      unknown.value = Value(text);
    } else {
      Integer whole;
      std::underlying_type_t<E> underlying{};
      if (!expect(Token::integer, at, type_name<E>) || !in_.integer(whole)) return false;
      if (convert(whole, underlying)) return into = static_cast<E>(underlying), true;
      if (whole.negative) return mismatch(at, type_name<E>, text_of(whole));
      unknown.value = Value(whole.magnitude);
    }
    return replace(into, at, {}, std::move(unknown));
  }

  template <class T>
  bool optional(T& into, const Place& at) {
    static_assert(
        kind_of<typename T::value_type> != Kind::optional &&
            kind_of<typename T::value_type> != Kind::unit,
        "persist: an optional of an optional has two kinds of nothing, and storage has one");
    if (in_.peek() == Token::null) return into.reset(), in_.null();
    if (!into.has_value()) into.emplace();
    return value(*into, at);
  }

  template <class... Ts>
  bool variant(std::variant<Ts...>& into, const Place& at) {
    static_assert(distinct_names<Ts...>(),
                  "persist: two alternatives of a variant have one name: give one a persist_name");
    if (in_.peek() == Token::null) {
      if constexpr ((std::same_as<Ts, std::monostate> || ...))
        return into = std::monostate(), in_.null();
    }
    std::size_t count = 0;
    std::string_view name;
    const std::string_view expected = "a map with the name of the type as its key";
    if (!expect(Token::map, at, expected) || !in_.begin_map(count)) return false;
    if (!in_.next_key(name)) return in_.ok() && mismatch(at, expected, "an empty map");
    bool known = false;
    bool read = true;
    (
        [&] {
          if (known || kind_of<Ts> == Kind::unit || type_name<Ts> != name) return;
          known = true;
          if (!std::holds_alternative<Ts>(into)) into.template emplace<Ts>();
          read = value(*std::get_if<Ts>(&into), at);
        }(),
        ...);
    if (!known) {
      const std::string unknown_name(name);
      Kept item;
      read = read_kept(in_, item) && replace(into, at, unknown_name, std::move(item));
    }
    if (!read) return false;
    if (in_.next_key(name)) return mismatch(at, expected, "a map of more");
    return in_.ok();
  }
  template <class... Ts>
  static consteval bool distinct_names() {
    std::array<std::string_view, sizeof...(Ts)> names{type_name<Ts>...};
    std::sort(names.begin(), names.end());
    return std::adjacent_find(names.begin(), names.end()) == names.end();
  }

  /// Makes room for what the input promises, but for no more than a mebibyte: the promise may be a
  /// lie.
  template <class C>
  static void reserve(C& into, std::size_t count) {
    constexpr std::size_t most = (std::size_t{1} << 20) / sizeof(typename C::value_type);
    if constexpr (requires { into.reserve(count); }) into.reserve((std::min)(count, most));
  }

  template <class S>
  bool sequence(S& into, const Place& at) {
    using Element = typename S::value_type;
    std::size_t count = 0;
    if (!expect(Token::array, at) || !in_.begin_array(count)) return false;
    into.clear();
    reserve(into, count);
    Unidentified kept;
    std::unique_ptr<KeptNode> own;
    Place element = at.inside();
    if constexpr (identified<Element>())
      element.anchor = &own;
    else
      element.loose = true;
    for (element.index = 0; in_.next_element(); ++element.index) {
      if constexpr (std::same_as<decltype(into.back()), Element&>) {
        into.emplace_back();
        if (!value(into.back(), element)) return false;
      } else {  // std::vector<bool> has no element to refer to
        Element made{};
        if (!value(made, element)) return false;
        into.push_back(made);
      }
      if (own) [[unlikely]]
        kept.emplace_back(element.index, std::move(own));
    }
    if (!in_.ok()) return false;
    if constexpr (identified<Element>())
      return kept.empty() || identify(into, at, kept);
    else
      return true;
  }

  template <class A>
  bool array(A& into, const Place& at) {
    using Element = typename A::value_type;
    std::size_t count = 0;
    if (!expect(Token::array, at) || !in_.begin_array(count)) return false;
    Unidentified kept;
    std::unique_ptr<KeptNode> own;
    Place element = at.inside();
    if constexpr (identified<Element>())
      element.anchor = &own;
    else
      element.loose = true;
    for (element.index = 0; in_.next_element(); ++element.index) {
      if (element.index == into.size())
        return mismatch(at, "at most " + std::to_string(into.size()) + " elements", "more");
      if (!value(into[element.index], element)) return false;
      if (own) [[unlikely]]
        kept.emplace_back(element.index, std::move(own));
    }
    if (!in_.ok()) return false;
    if constexpr (identified<Element>())
      return kept.empty() || identify(into, at, kept);
    else
      return true;
  }

  using Unidentified = std::vector<std::pair<std::size_t, std::unique_ptr<KeptNode>>>;
  template <class Element>
  static consteval bool identified() {
    if constexpr (kind_of<Element> == Kind::structure)
      return Plan<Rules, Element>::identity != Plan<Rules, Element>::none;
    else
      return false;
  }
  /// Files what elements hold that is unknown under their identities. An identity that two elements
  /// share identifies neither.
  template <class S>
  bool identify(const S& all, const Place& at, Unidentified& kept) {
    using P = Plan<Rules, typename S::value_type>;
    std::vector<KeyText> identities;
    for (const auto& element : all)
      identities.push_back(identity_of<P>(element));
    std::vector<KeyText> sorted = identities;
    std::sort(sorted.begin(), sorted.end());
    for (auto& [index, node] : kept) {
      if (node->empty()) continue;
      const auto [first, last] = std::equal_range(sorted.begin(), sorted.end(), identities[index]);
      KeptNode* parent = last - first == 1 ? at.keep(unknown_) : nullptr;
      if (parent == nullptr) {
        Place element = at.inside();
        element.index = index;
        if (!drop(element)) return false;
      } else {
        parent->below[std::string(identities[index].view())] = std::move(node);
      }
    }
    return true;
  }

  template <class T>
  struct Made {
    using type = T;
  };
  template <class A, class B>
  struct Made<std::pair<const A, B>> {
    using type = std::pair<A, B>;
  };

  template <class S>
  bool set(S& into, const Place& at) {
    std::size_t count = 0;
    if (!expect(Token::array, at) || !in_.begin_array(count)) return false;
    into.clear();
    Place element = at.inside();
    element.loose = true;
    for (element.index = 0; in_.next_element(); ++element.index) {
      typename Made<typename S::value_type>::type made{};
      if (!value(made, element)) return false;
      if constexpr (requires { into.emplace(std::move(made)).second; }) {
        if (!into.emplace(std::move(made)).second)
          return mismatch(element, "an element that is not in the set yet", "a repeated one");
      } else {
        into.emplace(std::move(made));
      }
    }
    return in_.ok();
  }

  template <class M>
  bool map(M& into, const Place& at) {
    into.clear();
    if constexpr (text_key<typename M::key_type>)
      return text_map(into, at);
    else
      return pair_map(into, at);
  }

  template <class M>
  bool text_map(M& into, const Place& at) {
    using Key = typename M::key_type;
    std::size_t count = 0;
    if (!expect(Token::map, at) || !in_.begin_map(count)) return false;
    reserve(into, count);
    Place entry = at.inside();
    for (std::string_view text; in_.next_key(text);) {
      std::optional<Key> key = parse_key<Key>(text);
      if (!key) {
        if (!std::is_enum_v<Key>)
          return mismatch(at, "keys that are integers",
                          "the key '" + Place().inside(text).path() + "'");
        if (!unknown_field(text, at)) return false;
        continue;
      }
      const auto [where, fresh] = into.try_emplace(*std::move(key));
      const KeyText step(where->first);
      entry.name = step.view();
      if (!fresh)
        return fail(Error(Errc::corrupt, "a key is there twice").at(entry.path(), "", ""));
      if (!value(where->second, entry)) return false;
    }
    return in_.ok();
  }

  /// Keys that have no text: an array of pairs. No path leads to such a value.
  template <class M>
  bool pair_map(M& into, const Place& at) {
    std::size_t count = 0;
    if (!expect(Token::array, at) || !in_.begin_array(count)) return false;
    reserve(into, count);
    Place entry = at.inside();
    entry.loose = true;
    for (entry.index = 0; in_.next_element(); ++entry.index) {
      typename M::key_type key{};
      if (!expect(Token::array, entry, "a pair of key and value") || !in_.begin_array(count))
        return false;
      if (!in_.next_element())
        return in_.ok() && mismatch(entry, "a pair of key and value", "nothing");
      if (!value(key, entry)) return false;
      const auto [where, fresh] = into.try_emplace(std::move(key));
      if (!fresh)
        return fail(Error(Errc::corrupt, "a key is there twice").at(entry.path(), "", ""));
      if (!in_.next_element())
        return in_.ok() && mismatch(entry, "a pair of key and value", "a key");
      if (!value(where->second, entry)) return false;
      if (in_.next_element()) return mismatch(entry, "a pair of key and value", "more");
      if (!in_.ok()) return false;
    }
    return in_.ok();
  }

  template <class T>
  bool tuple(T& into, const Place& at) {
    std::size_t count = 0;
    if (!expect(Token::array, at) || !in_.begin_array(count)) return false;
    Place element = at.inside();
    bool more = true;
    const auto one = [&](auto& member) {
      element.index = element.index + 1;  // begins at 0: no_index is the number before it
      more = more && in_.next_element();
      return !more || value(member, element);
    };
    if (!std::apply([&](auto&... member) { return (one(member) && ...); }, into)) return false;
    if (more && in_.next_element())
      return mismatch(at, "at most " + std::to_string(std::tuple_size_v<T>) + " elements", "more");
    return in_.ok();
  }

  template <class T>
  bool chrono(T& into, const Place& at) {
    typename T::rep count{};
    if (!value(count, at)) return false;
    if constexpr (kind_of<T> == Kind::duration)
      into = T(count);
    else
      into = T(typename T::duration(count));
    return true;
  }

  template <class T>
  bool adapted(T& into, const Place& at) {
    auto stored = adapt<T>::store(into);
    if (!value(stored, at)) return false;
    if constexpr (requires { into = adapt<T>::restore(std::move(stored)); }) {
      into = adapt<T>::restore(std::move(stored));
      return true;
    } else {
      auto restored = adapt<T>::restore(std::move(stored));
      if (!restored) return fail(std::move(restored).error().at(at.path(), "", ""));
      into = *std::move(restored);
      return true;
    }
  }

  using ReadMember = bool (*)(Reading&, void*, const Place&);
  template <class M>
  static bool read_member(Reading& walk, void* member, const Place& at) {
    return walk.value(*static_cast<M*>(member), at);
  }
  template <class T, std::size_t I, class M>
  static consteval ReadMember member_reader() {
    if constexpr (!Plan<Rules, T>::is_stored[I])
      return nullptr;
    else if constexpr (check_member<T, I, M>())
      return &read_member<M>;
  }
  template <class T, class... Ms>
  static consteval auto member_readers(Types<Ms...>) {
    return []<std::size_t... I>(std::index_sequence<I...>) {
      return std::array<ReadMember, sizeof...(Ms)>{member_reader<T, I, Ms>()...};
    }(std::index_sequence_for<Ms...>{});
  }

  /// Fields in the order in which this build writes them are recognised by one comparison each;
  /// others are looked up.
  template <class T>
  bool structure(T& into, const Place& above) {
    using P = Plan<Rules, T>;
    static constexpr auto readers = member_readers<T>(MemberTypes<T>{});
    const auto members = Describe<T>::apply(into, [](auto&... member) {
      return std::array<void*, sizeof...(member)>{static_cast<void*>(&member)...};
    });
    Place own = above;
    const bool keeps = P::unknown_holder != P::none;
    if constexpr (keeps) {
      own.anchor = &static_cast<Unknown*>(members[P::unknown_holder])->node();
      own.anchor->reset();
    }
    const Place& at = keeps ? own : above;
    std::size_t count = 0;
    if (!expect(Token::map, at) || !in_.begin_map(count)) return false;
    const auto& order = sorts_keys ? P::canonical : P::declared;
    std::bitset<P::count + 1> seen;
    std::size_t next = 0;
    Place member = at.inside();
    for (std::string_view key; in_.next_key(key);) {
      std::size_t field =
          next < order.size() && P::names[order[next]] == key ? order[next++] : P::none;
      if (field == P::none) field = P::find(key);
      if (field == P::none) {
        if (!unknown_field(key, at)) return false;
        continue;
      }
      member.name = P::names[field];
      if (seen.test(field))
        return fail(Error(Errc::corrupt, "a field is there twice").at(member.path(), "", ""));
      seen.set(field);
      if (!readers[field](*this, members[field], member)) return false;
    }
    return in_.ok();
  }
  static constexpr bool sorts_keys = [] {
    if constexpr (requires { Reader::sorts_keys; })
      return Reader::sorts_keys;
    else
      return false;
  }();

  /// A field without a member: kept with the struct it is in.
  bool unknown_field(std::string_view key, const Place& at) {
    std::string name(key);
    const Place field = at.inside(name);
    Kept item;
    if (!read_kept(in_, item)) return false;
    KeptNode* node = at.keep(unknown_);
    if (node == nullptr) return drop(field);
    if (!node->fields.try_emplace(name, std::move(item)).second)
      return fail(Error(Errc::corrupt, "a field is there twice").at(field.path(), "", ""));
    return true;
  }

  Reader& in_;
  UnknownFields& unknown_;
};

}  // namespace detail

/// Reads one item into `into`, which is a fresh value: members that are missing keep what it holds.
/// `unknown` is replaced by what has no member. Fails as `schema_mismatch` (names path, expected,
/// found), `corrupt`, `too_large`, or `too_new` where something unknown could not be kept; then
/// `into` holds anything and is to be thrown away.
template <class Policy, class Reader, class T>
[[nodiscard]] Result<void> read(Reader& in, T& into, UnknownFields& unknown) {
  unknown.clear();
  detail::Reading<detail::RulesOf<Policy>, Reader> walk(in, unknown);
  if (walk.value(into, Place{}) && in.ok()) return success;
  unknown.clear();
  return in.take_error();
}

}  // namespace persist::inline PERSIST_ABI::schema
