#pragma once

#include <persist/schema/key_text.hpp>
#include <persist/schema/kind.hpp>
#include <persist/schema/plan.hpp>
#include <persist/schema/read/base.hpp>
#include <persist/schema/read/missing.hpp>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

// Reading everything with elements. Containers are emptied first: a stored list replaces a default
// one, it is not appended to it. Elements are made in place with their defaults and then read into.

namespace persist::inline PERSIST_ABI::schema::detail {

/// Makes room for what the input promises, but for no more than a mebibyte: the promise may be a
/// lie.
template <class C>
void reserve(C& into, std::size_t count) {
  constexpr std::size_t most = (std::size_t{1} << 20) / sizeof(typename C::value_type);
  if constexpr (requires { into.reserve(count); }) into.reserve((std::min)(count, most));
}

/// Files what elements hold that is unknown under their identities. An identity that two elements
/// share identifies neither.
template <class Walk, class S>
[[nodiscard]] bool identify(Walk& walk, const S& all, const Place& at,
                            std::vector<std::pair<std::size_t, std::unique_ptr<KeptNode>>>& kept) {
  using P = Plan<typename Walk::rules, typename S::value_type>;
  std::vector<KeyText> identities;
  identities.reserve(static_cast<std::size_t>(std::distance(all.begin(), all.end())));
  for (const auto& element : all)
    identities.push_back(identity_of<P>(element));
  std::vector<KeyText> sorted = identities;
  std::sort(sorted.begin(), sorted.end());
  for (auto& [index, node] : kept) {
    if (node->empty()) continue;
    const auto [first, last] = std::equal_range(sorted.begin(), sorted.end(), identities[index]);
    KeptNode* parent = last - first == 1 ? at.keep(walk.unknown()) : nullptr;
    if (parent == nullptr) {
      Place element = at.inside();
      element.move_to(index);
      if (!walk.drop(element)) return false;
    } else {
      parent->below[std::string(identities[index].view())] = std::move(node);
    }
  }
  return true;
}

/// Reads an array, each element by `read_one`. What is unknown in an element is kept by the
/// element's identity, and without one not at all.
template <class Walk, class S, class F>
[[nodiscard]] bool read_elements(Walk& walk, const S& all, const Place& at, F&& read_one) {
  constexpr bool by_identity = is_identified<typename Walk::rules, typename S::value_type>;
  std::vector<std::pair<std::size_t, std::unique_ptr<KeptNode>>> kept;
  std::unique_ptr<KeptNode> own;
  Place element = at.inside();
  if constexpr (by_identity)
    element.anchor = &own;
  else
    element.loose = true;
  for (element.move_to(0); walk.in().next_element(); element.move_to(element.index + 1)) {
    if (!read_one(element)) return false;
    if (own) [[unlikely]]
      kept.emplace_back(element.index, std::move(own));
  }
  if (!walk.in().ok()) return false;
  if constexpr (by_identity)
    return kept.empty() || identify(walk, all, at, kept);
  else
    return true;
}

template <class Walk, class S>
[[nodiscard]] bool read_sequence(Walk& walk, S& into, const Place& at) {
  using Element = typename S::value_type;
  std::size_t count = 0;
  if (!walk.expect(Token::array, at) || !walk.in().begin_array(count)) return false;
  into.clear();
  reserve(into, count);
  return read_elements(walk, into, at, [&](const Place& element) {
    if constexpr (std::same_as<decltype(into.back()), Element&>) {
      into.emplace_back();
      return walk.value(into.back(), element);
    } else {  // std::vector<bool> has no element to refer to
      Element made{};
      if (!walk.value(made, element)) return false;
      into.push_back(made);
      return true;
    }
  });
}

/// An array that was shorter when it was written leaves the rest at its default.
template <class Walk, class A>
[[nodiscard]] bool read_array(Walk& walk, A& into, const Place& at) {
  std::size_t count = 0;
  if (!walk.expect(Token::array, at) || !walk.in().begin_array(count)) return false;
  std::size_t read = 0;
  const bool whole = read_elements(walk, into, at, [&](const Place& element) {
    if (element.index == into.size())
      return walk.mismatch(at, "at most " + std::to_string(into.size()) + " elements", "more");
    ++read;
    return walk.value(into[element.index], element);
  });
  if constexpr (!fills_all<typename Walk::rules>) {
    Place element = at.inside();
    for (element.move_to(read); whole && element.index < into.size();
         element.move_to(element.index + 1))
      if (!is_missing(walk, into[element.index], at, element)) return false;
  }
  return whole;
}

/// The type to read an element of a set into: a multimap's has a constant key.
template <class T>
struct Made {
  using type = T;
};
template <class A, class B>
struct Made<std::pair<const A, B>> {
  using type = std::pair<A, B>;
};

/// Elements of a set cannot be changed in place, so they are made outside. A repeated one means
/// that this was written as a list, where repeats count: refused, because they would be lost.
template <class Walk, class S>
[[nodiscard]] bool read_set(Walk& walk, S& into, const Place& at) {
  std::size_t count = 0;
  if (!walk.expect(Token::array, at) || !walk.in().begin_array(count)) return false;
  into.clear();
  reserve(into, count);
  Place element = at.inside();
  element.loose = true;
  for (element.move_to(0); walk.in().next_element(); element.move_to(element.index + 1)) {
    typename Made<typename S::value_type>::type made{};
    if (!walk.value(made, element)) return false;
    if constexpr (requires { into.emplace(std::move(made)).second; }) {
      const auto [where, fresh] = into.emplace(std::move(made));
      if (!fresh)
        return walk.mismatch(element, "an element that is not in the set yet", "a repeated one");
      if (!walk.spread(into, *where, at)) return false;
    } else {
      into.emplace(std::move(made));
    }
  }
  return walk.in().ok();
}

/// Adds an entry, and says whether it was not there. Keys that were written in the map's own order
/// are found at its end without a search.
template <class M>
[[nodiscard]] std::pair<typename M::iterator, bool> make_entry(M& into,
                                                               typename M::key_type&& key) {
  if constexpr (requires { typename M::key_compare; }) {
    const std::size_t before = into.size();
    const auto where = into.try_emplace(into.end(), std::move(key));
    return {where, into.size() != before};
  } else {
    return into.try_emplace(std::move(key));
  }
}

/// A key that is there twice is corrupt, also where two texts stand for one key. An enum key that
/// this build does not know is kept with the map, like a field that a struct does not have.
template <class Walk, class M>
[[nodiscard]] bool read_text_map(Walk& walk, M& into, const Place& at) {
  using Key = typename M::key_type;
  std::size_t count = 0;
  if (walk.in().peek() == Token::array) {
    bool empty = false;
    return walk.begin_map(at, empty);
  }
  if (!walk.expect(Token::map, at) || !walk.in().begin_map(count)) return false;
  reserve(into, count);
  Place entry = at.inside();
  for (std::string_view text; walk.in().next_key(text);) {
    std::optional<Key> key = parse_key<Key>(text);
    if (!key) {
      if (!std::is_enum_v<Key>)
        return walk.mismatch(at, "keys that are integers",
                             "the key '" + Place().inside(text).path() + "'");
      if (!walk.unknown_field(text, at)) return false;
      continue;
    }
    const auto [where, fresh] = make_entry(into, *std::move(key));
    const KeyText step(where->first);
    entry.move_to(step.view());
    if (!fresh)
      return walk.fail(Error(Errc::corrupt, "a key is there twice").at(entry.path(), "", ""));
    if (!walk.spread(into, where->first, at) || !walk.value(where->second, entry)) return false;
  }
  return walk.in().ok();
}

/// Keys that have no text: an array of pairs. No path leads to such a value.
template <class Walk, class M>
[[nodiscard]] bool read_pair_map(Walk& walk, M& into, const Place& at) {
  std::size_t count = 0;
  if (!walk.expect(Token::array, at) || !walk.in().begin_array(count)) return false;
  reserve(into, count);
  Place entry = at.inside();
  entry.loose = true;
  for (entry.move_to(0); walk.in().next_element(); entry.move_to(entry.index + 1)) {
    typename M::key_type key{};
    if (!walk.expect(Token::array, entry, "a pair of key and value") ||
        !walk.in().begin_array(count))
      return false;
    if (!walk.in().next_element())
      return walk.in().ok() && walk.mismatch(entry, "a pair of key and value", "nothing");
    if (!walk.value(key, entry)) return false;
    const auto [where, fresh] = into.try_emplace(std::move(key));
    if (!fresh)
      return walk.fail(Error(Errc::corrupt, "a key is there twice").at(entry.path(), "", ""));
    if (!walk.spread(into, where->first, at)) return false;
    if (!walk.in().next_element())
      return walk.in().ok() && walk.mismatch(entry, "a pair of key and value", "a key");
    if (!walk.value(where->second, entry)) return false;
    if (walk.in().next_element()) return walk.mismatch(entry, "a pair of key and value", "more");
    if (!walk.in().ok()) return false;
  }
  return walk.in().ok();
}

template <class Walk, class M>
[[nodiscard]] bool read_map(Walk& walk, M& into, const Place& at) {
  into.clear();
  if constexpr (text_key<typename M::key_type>)
    return read_text_map(walk, into, at);
  else
    return read_pair_map(walk, into, at);
}

/// A tuple that had fewer members when it was written leaves the rest at their defaults.
template <class Walk, class T>
[[nodiscard]] bool read_tuple(Walk& walk, T& into, const Place& at) {
  std::size_t count = 0;
  if (!walk.expect(Token::array, at) || !walk.in().begin_array(count)) return false;
  Place element = at.inside();
  bool more = true;
  const auto one = [&](auto& member) {
    element.move_to(element.index + 1);  // begins at 0: no_index is the number before it
    more = more && walk.in().next_element();
    if (!more && walk.in().ok()) return is_missing(walk, member, at, element);
    return !more || walk.value(member, element);
  };
  if (!std::apply([&](auto&... member) { return (one(member) && ...); }, into)) return false;
  if (more && walk.in().next_element())
    return walk.mismatch(at, "at most " + std::to_string(std::tuple_size_v<T>) + " elements",
                         "more");
  return walk.in().ok();
}

}  // namespace persist::inline PERSIST_ABI::schema::detail
