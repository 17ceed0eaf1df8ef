#pragma once

#include <persist/bytes.hpp>
#include <persist/codec/cbor/reader.hpp>
#include <persist/codec/packed/cursor.hpp>
#include <persist/codec/packed/number.hpp>
#include <persist/codec/packed/size.hpp>
#include <persist/codec/packed/write.hpp>
#include <persist/detail/utf8.hpp>
#include <persist/schema/read/choice.hpp>
#include <persist/schema/read/container.hpp>
#include <persist/schema/value/walk.hpp>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

namespace persist::inline PERSIST_ABI::codec::packed {

/// The walk that reads values by position, for bytes whose description is that of the type. Each
/// step returns where it ended, or null where it failed.
template <class Rules, bool Nests>
class Reading : Cursor {
 public:
  using Cursor::At;
  using Cursor::take_error;

  Reading(ByteView bytes, schema::Limits limits) noexcept : Cursor(bytes, limits) {}

  /// Fills a fresh value with all of the bytes.
  template <class T>
  Result<void> run(T& into) {
    At at = begin();
    if (at != nullptr) at = value(at, into);
    if (at != nullptr) at = finish(at);
    return at != nullptr ? success : Result<void>(take_error());
  }

  /// Reads one value that begins there. Null on failure; then `take_error` has it.
  template <class T>
  [[nodiscard]] At value(At at, T& into) {
    constexpr Kind kind = kind_of<T>;
    if constexpr (kind == Kind::boolean)
      return boolean(at, into);
    else if constexpr (kind == Kind::integer)
      return integer(at, into);
    else if constexpr (kind == Kind::real)
      return real(at, into);
    else if constexpr (kind == Kind::enumeration)
      return enumeration(at, into);
    else if constexpr (kind == Kind::text)
      return text(at, into);
    else if constexpr (kind == Kind::bytes)
      return bytes(at, into);
    else if constexpr (kind == Kind::structure)
      return structure(at, into);
    else if constexpr (kind == Kind::optional)
      return optional(at, into);
    else if constexpr (kind == Kind::adapted)
      return adapted(at, into);
    else if constexpr (kind == Kind::duration || kind == Kind::time_point)
      return chrono(at, into);
    else if constexpr (kind == Kind::value)
      return dynamic(at, into);
    else if constexpr (kind == Kind::unit)
      return at;
    else
      return nested(at, into);
  }

 private:
  template <class T>
  [[nodiscard]] At nested(At at, T& into) {
    constexpr Kind kind = kind_of<T>;
    const Depth inside(*this, Nests);
    if (Nests && is_too_deep()) return refuse(at, Errc::too_large, "nested too deep");
    if constexpr (kind == Kind::variant)
      return variant(at, into);
    else if constexpr (kind == Kind::sequence)
      return sequence(at, into);
    else if constexpr (kind == Kind::set)
      return set(at, into);
    else if constexpr (kind == Kind::map)
      return map(at, into);
    else if constexpr (kind == Kind::array)
      return array(at, into);
    else
      return std::apply([&](auto&... element) { return all(at, element...); }, into);
  }
  template <class... Ts>
  [[nodiscard]] At all(At at, Ts&... into) {
    (void)(((at = value(at, into)) != nullptr) && ...);
    return at;
  }

  template <class T>
  [[nodiscard]] At boolean(At at, T& into) {
    bool is_true = false;
    at = flag(at, is_true);
    into = is_true;
    return at;
  }
  template <class T>
  [[nodiscard]] At integer(At at, T& into) {
    if constexpr (sizeof(T) == 1) {
      if (left(at) == 0) return cut_short(at);
      into = static_cast<T>(*at);
      return at + 1;
    } else {
      std::uint64_t found = 0;
      const At next = number(at, found);
      if (next == nullptr) return nullptr;
      return from_unsigned(found, into) ? next : corrupt(at, "a number too large for its field");
    }
  }
  template <class T>
  [[nodiscard]] At real(At at, T& into) {
    using Bits = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
    if (left(at) < sizeof(T)) return cut_short(at);
    into = std::bit_cast<T>(load_little<Bits>(at));
    return at + sizeof(T);
  }
  template <class E>
  [[nodiscard]] At enumeration(At at, E& into) {
    std::underlying_type_t<E> underlying{};
    at = value(at, underlying);
    into = static_cast<E>(underlying);
    return at;
  }
  template <class T>
  [[nodiscard]] At text(At at, T& into) {
    std::string_view found;
    const At next = span(at, found);
    if (next == nullptr) return nullptr;
    if (!persist::detail::is_ascii(found) && !persist::detail::is_utf8(found))
      return corrupt(at, "a text that is no UTF-8");
    into.assign(found.data(), found.size());
    return next;
  }
  template <class T>
  [[nodiscard]] At bytes(At at, T& into) {
    std::string_view found;
    const At next = span(at, found);
    if (next == nullptr) return nullptr;
    const ByteView all = as_bytes(found);
    if constexpr (schema::detail::is_array<T>) {
      if (all.size() != into.size()) return corrupt(at, "a byte string of another length");
      std::copy(all.begin(), all.end(), into.begin());
    } else if constexpr (std::is_same_v<T, Buffer>) {
      into = Buffer(all);
    } else {
      into.assign(all.data(), all.data() + all.size());
    }
    return next;
  }
  template <class O>
  [[nodiscard]] At optional(At at, O& into) {
    bool has_value = false;
    at = flag(at, has_value);
    if (at == nullptr || !has_value) return into.reset(), at;
    if (!into.has_value()) into.emplace();
    return value(at, *into);
  }
  template <class T>
  [[nodiscard]] At adapted(At at, T& into) {
    auto stored = adapt<T>::store(into);
    const At next = value(at, stored);
    if (next == nullptr) return nullptr;
    if constexpr (std::is_assignable_v<T&, decltype(adapt<T>::restore(std::move(stored)))>) {
      into = adapt<T>::restore(std::move(stored));
    } else {
      auto restored = adapt<T>::restore(std::move(stored));
      if (!restored) return fail(std::move(restored).error());
      into = *std::move(restored);
    }
    return next;
  }
  template <class T>
  [[nodiscard]] At chrono(At at, T& into) {
    typename T::rep found{};
    at = value(at, found);
    if constexpr (kind_of<T> == Kind::duration)
      into = T(found);
    else
      into = T(typename T::duration(found));
    return at;
  }
  [[nodiscard]] At dynamic(At at, Value& into) {
    std::string_view item;
    const At next = span(at, item);
    if (next == nullptr) return nullptr;
    CborReader in(as_bytes(item), limits());
    if (schema::read_value(in, into) && in.finish()) return next;
    return fail(in.take_error());
  }

  template <class T>
  [[nodiscard]] At structure(At at, T& into) {
    const Depth inside(*this, Nests);
    if (Nests && is_too_deep()) return refuse(at, Errc::too_large, "nested too deep");
    return schema::detail::Describe<T>::apply(into, [&](auto&... member) {
      [&]<std::size_t... I>(std::index_sequence<I...>) {
        (void)(((at = field<T, I>(at, member)) != nullptr) && ...);
      }(std::index_sequence_for<decltype(member)...>{});
      return at;
    });
  }
  template <class T, std::size_t I, class M>
  [[nodiscard]] At field(At at, M& member) {
    static_assert(!std::is_const_v<M>,
                  "persist: a member of a stored struct is const, so nothing can be read into it");
    if constexpr (std::is_same_v<M, Unknown>)
      member = Unknown();
    else if constexpr (schema::detail::Plan<Rules, T>::is_stored[I])
      return repeated<schema::detail::Plan<Rules, T>::times_more(I)>(value(at, member), member);
    return at;
  }
  /// What is written under other names too. The last of them counts.
  template <std::size_t Times, class M>
  [[nodiscard]] At repeated(At at, M& member) {
    if constexpr (Times != 0)
      for (std::size_t i = 0; i < Times && at != nullptr; ++i)
        at = value(at, member);
    return at;
  }

  template <class... Ts>
  [[nodiscard]] At variant(At at, std::variant<Ts...>& into) {
    static_assert(schema::detail::distinct_names<Ts...>(),
                  "persist: two alternatives of a variant have one name: give one a persist_name");
    std::uint64_t index = 0;
    const At next = number(at, index);
    if (next == nullptr) return nullptr;
    if (index >= sizeof...(Ts)) return corrupt(at, "an alternative that the variant does not have");
    At after = nullptr;
    const auto alternative = [&]<std::size_t I>(std::integral_constant<std::size_t, I>) {
      if (I != index) return;
      if (into.index() != I) into.template emplace<I>();
      after = value(next, *std::get_if<I>(&into));
    };
    [&]<std::size_t... I>(std::index_sequence<I...>) {
      (alternative(std::integral_constant<std::size_t, I>()), ...);
    }(std::index_sequence_for<Ts...>{});
    return after;
  }
  /// An element that takes no bytes of its own has one that says nothing.
  template <class... Ts>
  [[nodiscard]] At padding(At at) {
    if constexpr (is_padded<Rules, Ts...>)
      if (at != nullptr) return left(at) == 0 ? cut_short(at) : at + 1;
    return at;
  }

  template <class S>
  [[nodiscard]] At sequence(At at, S& into) {
    using Element = typename S::value_type;
    std::size_t size = 0;
    at = count(at, least_element<Rules, Element>, size);
    if (at == nullptr) return nullptr;
    into.clear();
    if constexpr (plain_row<S>) {
      into.resize(size);
      if (size != 0) std::memcpy(into.data(), at, size * sizeof(Element));
      return at + size * sizeof(Element);
    } else {
      schema::detail::reserve(into, size);
      for (std::size_t i = 0; i < size && at != nullptr; ++i) {
        if constexpr (std::is_same_v<decltype(into.back()), Element&>) {
          into.emplace_back();
          at = padding<Element>(value(at, into.back()));
        } else {  // std::vector<bool> has no element to refer to
          Element made{};
          at = value(at, made);
          into.push_back(made);
        }
      }
      return at;
    }
  }
  template <class A>
  [[nodiscard]] At array(At at, A& into) {
    for (auto& element : into) {
      at = padding<typename A::value_type>(value(at, element));
      if (at == nullptr) break;
    }
    return at;
  }
  template <class S>
  [[nodiscard]] At set(At at, S& into) {
    using Element = typename schema::detail::Made<typename S::value_type>::type;
    std::size_t size = 0;
    at = count(at, least_element<Rules, Element>, size);
    if (at == nullptr) return nullptr;
    into.clear();
    schema::detail::reserve(into, size);
    for (std::size_t i = 0; i < size; ++i) {
      Element made{};
      const At next = padding<Element>(value(at, made));
      if (next == nullptr) return nullptr;
      if constexpr (requires { into.emplace(std::move(made)).second; }) {
        const auto [where, fresh] = into.emplace(std::move(made));
        if (!fresh) return corrupt(at, "an element of a set is there twice");
        if (!spread(at, into, *where)) return nullptr;
      } else {
        into.emplace(std::move(made));
      }
      at = next;
    }
    return at;
  }
  template <class M>
  [[nodiscard]] At map(At at, M& into) {
    using Key = typename M::key_type;
    using Mapped = typename M::mapped_type;
    std::size_t size = 0;
    at = count(at, least_element<Rules, Key, Mapped>, size);
    if (at == nullptr) return nullptr;
    into.clear();
    schema::detail::reserve(into, size);
    for (std::size_t i = 0; i < size && at != nullptr; ++i) {
      Key key{};
      const At next = value(at, key);
      if (next == nullptr) return nullptr;
      const auto [where, fresh] = into.try_emplace(std::move(key));
      if (!fresh) return corrupt(at, "a key is there twice");
      if (!spread(at, into, where->first)) return nullptr;
      at = padding<Key, Mapped>(value(next, where->second));
    }
    return at;
  }
};

}  // namespace persist::inline PERSIST_ABI::codec::packed
