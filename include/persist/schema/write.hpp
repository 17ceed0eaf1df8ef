#pragma once

#include <persist/schema/key_text.hpp>
#include <persist/schema/name.hpp>
#include <persist/schema/plan.hpp>
#include <persist/schema/quantum.hpp>
#include <persist/schema/refuse.hpp>
#include <persist/schema/spelled.hpp>
#include <persist/schema/value/walk.hpp>
#include <persist/schema/value/writer.hpp>
#include <persist/schema/write/kept.hpp>
#include <persist/schema/write/order.hpp>

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

// From types to tokens. How each kind looks is said here once, for every format; how a token looks
// in bytes is the format's. A writer's errors stay with it, so the walk asks only at its end.

namespace persist::inline PERSIST_ABI::schema {
namespace detail {

/// The walk that turns a value into tokens. One function a kind; each says what the kind looks like
/// in every format.
template <class Rules, class Writer>
class Writing {
 public:
  Writing(Writer& out, UnknownFields* unknown) noexcept : out_(out), unknown_(unknown) {}

  template <class T>
  void value(const T& from, Trail kept) {
    constexpr Kind kind = kind_of<T>;
    static_assert(
        kind != Kind::none,
        "persist: this type cannot be stored: make it a plain aggregate, describe it with "
        "persist_fields, or specialise persist::adapt for it");
    if constexpr (kind == Kind::boolean)
      out_.boolean(from);
    else if constexpr (kind == Kind::integer)
      integer(from);
    else if constexpr (kind == Kind::real)
      out_.real(from);
    else if constexpr (kind == Kind::enumeration)
      enumeration(from, kept);
    else if constexpr (kind == Kind::text)
      out_.text(std::string_view(from));
    else if constexpr (kind == Kind::bytes)
      out_.bytes(ByteView(from));
    else if constexpr (kind == Kind::optional)
      optional(from, kept);
    else if constexpr (kind == Kind::variant)
      variant(from, kept);
    else if constexpr (kind == Kind::sequence || kind == Kind::array)
      sequence(from, kept);
    else if constexpr (kind == Kind::set)
      set(from);
    else if constexpr (kind == Kind::map)
      map(from, kept);
    else if constexpr (kind == Kind::tuple)
      tuple(from, kept);
    else if constexpr (kind == Kind::duration)
      value(from.count(), {});
    else if constexpr (kind == Kind::time_point)
      value(from.time_since_epoch().count(), {});
    else if constexpr (kind == Kind::structure)
      structure(from, kept);
    else if constexpr (kind == Kind::value)
      write_value(out_, from);
    else if constexpr (kind == Kind::adapted)
      value(adapt<T>::store(from), kept);
    else if constexpr (kind == Kind::unit)
      out_.null();
  }

 private:
  template <class T>
  void integer(T from) {
    if constexpr (std::same_as<T, std::byte>)
      out_.unsigned_integer(std::to_integer<std::uint64_t>(from));
    else if constexpr (std::is_signed_v<T>)
      out_.integer(static_cast<std::int64_t>(from));
    else
      out_.unsigned_integer(static_cast<std::uint64_t>(from));
  }

  /// Whether the member still holds what was put in the place of a value that this build does not
  /// know; then that value has been written.
  template <class T>
  bool replaced(const T& from, Trail kept) {
    if (kept.node == nullptr || kept.node->replaced == nullptr) [[likely]]
      return false;
    const KeptNode::Replaced& unknown = *kept.node->replaced;
    ValueWriter now;
    Writing<Rules, ValueWriter>(now, nullptr).value(from, {});
    if (!(now.take() == unknown.placeholder)) {
      kept.node->overwritten = kept.mark;
      return false;
    }
    if (kind_of<T> == Kind::variant && !unknown.is_whole) {
      out_.begin_map(1);
      out_.key(unknown.name);
      write_kept(out_, unknown.item);
      out_.end_map();
    } else {
      write_kept(out_, unknown.item);
    }
    return true;
  }

  /// One that is empty takes with it what was unknown inside: what comes in later is another.
  template <class O>
  void optional(const O& from, Trail kept) {
    if (from.has_value()) return value(*from, kept);
    if (kept.node != nullptr) kept.node->overwritten = kept.mark;
    out_.null();
  }

  template <class E>
  void enumeration(E from, Trail kept) {
    if (replaced(from, kept)) return;
    if (const std::string_view name = enum_name(from); !name.empty())
      out_.text(name);
    else
      integer(static_cast<std::underlying_type_t<E>>(from));
  }

  /// The alternative's name goes with it, so that alternatives can be added and moved.
  /// std::monostate is null.
  template <class... Ts>
  void variant(const std::variant<Ts...>& from, Trail kept) {
    if (replaced(from, kept)) return;
    if (from.valueless_by_exception())
      return out_.fail(Error(Errc::invalid, "a variant holds nothing because an assignment threw"));
    (
        [&] {
          if (const Ts* held = std::get_if<Ts>(&from)) alternative(*held, kept);
        }(),
        ...);
  }
  template <class T>
  void alternative(const T& from, Trail kept) {
    if constexpr (kind_of<T> == Kind::unit) {
      out_.null();
    } else {
      out_.begin_map(1);
      out_.key(type_name<T>);
      value(from, kept.below(type_name<T>));
      out_.end_map();
    }
  }

  /// Elements that nothing identifies have nothing kept for them, or the record was refused.
  template <class S>
  void sequence(const S& from, Trail kept) {
    using Element = typename S::value_type;
    out_.begin_array(from.size());
    if constexpr (is_identified<Rules, Element>) {
      if (kept.node != nullptr) {
        identified_elements(from, kept);
        return out_.end_array();
      }
    }
    for (const Element& element : from)
      value(element, {});
    out_.end_array();
  }

  /// Elements find their unknown fields by identity. Where two elements now have one identity,
  /// neither gets them, because they would be the wrong one's; they stay with the session, and the
  /// place is reported. One that is gone takes its own with it; one that is taken out and put back
  /// between two saves is the same one, because that is what an identity says.
  template <class S>
  void identified_elements(const S& from, Trail kept) {
    using P = Plan<Rules, typename S::value_type>;
    std::vector<KeyText> identities;
    identities.reserve(from.size());
    for (const auto& element : from)
      identities.push_back(identity_of<P>(element));
    std::vector<KeyText> sorted = identities;
    std::sort(sorted.begin(), sorted.end());
    std::size_t index = 0;
    for (const auto& element : from) {
      const KeyText& identity = identities[index++];
      Trail own = kept.below(identity.view());
      const auto range = std::equal_range(sorted.begin(), sorted.end(), identity);
      if (own.node != nullptr && range.second - range.first > 1) {
        report_ambiguous(own.node);
        own = {};
      }
      value(element, own);
    }
  }
  void report_ambiguous(const KeptNode* node) {
    if (unknown_ == nullptr || unknown_->root() == nullptr) return;
    unknown_->drop(path_between(*unknown_->root(), node));
  }

  /// What is unknown in an element of a set is never kept: elements are constants, and no path
  /// leads back.
  template <class S>
  void set(const S& from) {
    out_.begin_array(from.size());
    in_order(from, [&](const auto& element) { value(element, {}); });
    out_.end_array();
  }

  template <class M>
  void map(const M& from, Trail kept) {
    if constexpr (text_key<typename M::key_type>) {
      text_map(from, kept);
    } else {
      out_.begin_array(from.size());
      in_order(from, [&](const auto& entry) {
        out_.begin_array(2);
        value(entry.first, {});
        value(entry.second, {});
        out_.end_array();
      });
      out_.end_array();
    }
  }

  /// Keys are sorted where the format asks for it or the map has no order, as views: no key is
  /// copied.
  template <class M>
  void text_map(const M& from, Trail kept) {
    Extras<Writer> extras(out_, kept);
    out_.begin_map(from.size() + extras.count());
    const auto write = [&](std::string_view key, const auto& mapped) {
      extras.until(key);
      out_.key(key);
      value(mapped, kept.below(key));
    };
    if constexpr (Writer::sorts_keys || in_no_order<M>) {
      std::vector<KeyEntry> entries;
      entries.reserve(from.size());
      for (const auto& [key, mapped] : from)
        entries.emplace_back(KeyText(key), &mapped);
      sort_entries<Writer>(entries);
      for (const auto& [key, mapped] : entries)
        write(key.view(), *static_cast<const typename M::mapped_type*>(mapped));
    } else {
      for (const auto& [key, mapped] : from)
        write(KeyText(key).view(), mapped);
    }
    extras.rest();
    out_.end_map();
  }

  /// The members of a tuple cannot move, so their place is a path like a field's.
  template <class T>
  void tuple(const T& from, Trail kept) {
    std::apply(
        [&](const auto&... element) {
          out_.begin_array(sizeof...(element));
          std::size_t index = 0;
          (value(element, kept.node ? kept.below(std::to_string(index++)) : Trail{}), ...);
          out_.end_array();
        },
        from);
  }

  using WriteMember = void (*)(Writing&, const void*, Trail);
  template <class M>
  static void write_member(Writing& walk, const void* member, Trail kept) {
    const M& from = *static_cast<const M*>(member);
    // One whose own kind asks that again is asked once more, and answers the same.
    if constexpr (Rules::asks)
      if (walk.replaced(from, kept)) return;
    walk.value(from, kept);
  }
  /// What was kept is asked for with the member as it is: a default may be no multiple.
  template <class T, std::size_t I, class M>
  static void write_quantised(Writing& walk, const void* member, Trail kept) {
    const M& from = *static_cast<const M*>(member);
    if constexpr (Rules::asks)
      if (walk.replaced(from, kept)) return;
    walk.value(quantised<Rules, T, I>(from), kept);
  }
  template <class T, std::size_t I, class M>
  static consteval WriteMember member_writer() {
    if constexpr (!Plan<Rules, T>::is_stored[I])
      return nullptr;
    else if constexpr (is_quantised<Rules, T, I>)
      return &write_quantised<T, I, M>;
    else if constexpr (check_member<T, I, M>())
      return &write_member<M>;
  }
  template <class T, class... Ms>
  static consteval auto member_writers(Types<Ms...>) {
    return []<std::size_t... I>(std::index_sequence<I...>) {
      return std::array<WriteMember, sizeof...(Ms)>{member_writer<T, I, Ms>()...};
    }(std::index_sequence_for<Ms...>{});
  }
  /// What is written for one name of a struct.
  template <class Name>
  struct Step {
    Name name{};
    std::size_t member = 0;
    WriteMember write = nullptr;
  };
  template <class T>
  static consteval auto steps_of() {
    using P = Plan<Rules, T>;
    constexpr const auto& names = spelled_names<Writer, P>();
    constexpr auto writers = member_writers<T>(MemberTypes<T>{});
    std::array<Step<typename std::remove_cvref_t<decltype(names)>::value_type>, P::written_count>
        steps{};
    std::size_t at = 0;
    for (const std::size_t slot : Writer::sorts_keys ? P::canonical : P::declared)
      steps[at++] = {names[slot], P::member_of(slot), writers[P::member_of(slot)]};
    return steps;
  }

  /// Members are written through a table, so that types that occur often are compiled once, and in
  /// the order that the format asks for.
  template <class T>
  void structure(const T& from, Trail kept) {
    using P = Plan<Rules, T>;
    static constexpr auto steps = steps_of<T>();
    const auto members = Describe<T>::apply(from, [](const auto&... member) {
      return std::array<const void*, sizeof...(member)>{static_cast<const void*>(&member)...};
    });
    if constexpr (P::unknown_holder != P::none)
      kept = {static_cast<const Unknown*>(members[P::unknown_holder])->node().get(),
              unknown_ != nullptr};
    if (kept.node == nullptr) [[likely]] {
      out_.begin_map(P::written_count);
      [&]<std::size_t... I>(std::index_sequence<I...>) {
        ((out_.key(steps[I].name), steps[I].write(*this, members[steps[I].member], {})), ...);
      }(std::make_index_sequence<steps.size()>{});
      return out_.end_map();
    }
    Extras<Writer> extras(out_, kept);
    out_.begin_map(P::written_count + extras.count());
    for (const auto& step : steps) {
      extras.until(text_of_name(step.name));
      out_.key(step.name);
      step.write(*this, members[step.member], kept.below(P::names[step.member]));
    }
    extras.rest();
    out_.end_map();
    if constexpr (P::unknown_holder != P::none)
      forget_stale(static_cast<const Unknown*>(members[P::unknown_holder])->node().get());
  }
  /// What such a member holds is not under the session's root, so nobody else prunes it.
  void forget_stale(KeptNode* node) {
    if (node == nullptr || unknown_ == nullptr) return;
    out_.ok() ? node->prune() : node->unmark();
  }

  Writer& out_;
  UnknownFields* unknown_;
};

}  // namespace detail

/// Writes `from` as one item, and what `unknown` kept of it back where it came from. What it kept
/// of elements and map values that are gone is forgotten. Errors are the writer's, and `invalid`
/// for a variant that holds nothing.
template <class Policy, class Writer, class T>
[[nodiscard]] Result<void> write(Writer& out, const T& from, UnknownFields& unknown) {
  detail::Writing<detail::RulesOf<Policy>, Writer>(out, &unknown)
      .value(from, {unknown.root(), true});
  if (!out.ok()) {
    if (unknown.root() != nullptr) unknown.root()->unmark();
    return out.take_error();
  }
  unknown.prune();
  return success;
}
/// The same for what was never read, like a new message.
template <class Policy, class Writer, class T>
[[nodiscard]] Result<void> write(Writer& out, const T& from) {
  detail::Writing<detail::RulesOf<Policy>, Writer>(out, nullptr).value(from, {});
  if (!out.ok()) return out.take_error();
  return success;
}

}  // namespace persist::inline PERSIST_ABI::schema
