#pragma once

#include <persist/schema/attributes.hpp>
#include <persist/schema/concept.hpp>
#include <persist/schema/key_text.hpp>
#include <persist/schema/kind.hpp>
#include <persist/schema/limits.hpp>
#include <persist/schema/name.hpp>
#include <persist/schema/place.hpp>
#include <persist/schema/plan.hpp>
#include <persist/schema/quantum.hpp>
#include <persist/schema/read.hpp>
#include <persist/schema/reconcile.hpp>
#include <persist/schema/refuse.hpp>
#include <persist/schema/value/pointer.hpp>
#include <persist/schema/value/reader.hpp>
#include <persist/schema/value/writer.hpp>
#include <persist/schema/write.hpp>

#include <array>
#include <concepts>
#include <cstddef>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

// JSON Pointer into typed data. A pointer goes where it would in what is stored: names are those
// that the policy gives, keys of maps and enums are texts, what is not stored is not there.

namespace persist::inline PERSIST_ABI {
namespace schema::detail {

/// Nothing is let go silently here, so what has no place is dropped for the caller to refuse it,
/// and what does not fit is not asked about.
template <class Policy>
using PathRules =
    Rules<typename FieldsOf<Policy>::type, true, typename ReconcileOf<Policy>::type, void>;

/// The same error, from a place further up.
[[nodiscard]] inline Error below(const Place& place, const Error& error) {
  std::string path = place.path();
  if (!path.empty() && !error.path().empty() && error.path().front() != '[') path += '.';
  return moved_to(error, path.append(error.path()));
}

/// What a typed value looks like when it is stored.
template <class Rules, class T>
[[nodiscard]] Result<Value> stored_form(const T& from) {
  ValueWriter out;
  Writing<Rules, ValueWriter>(out, nullptr).value(from, {});
  if (!out.ok()) return out.take_error();
  return out.take();
}

/// What is done where a pointer leads: it is looked at.
template <class Rules>
struct Getting {
  static constexpr bool changes = false;
  Value* into;

  template <class T>
  Result<void> found(const T& at, const Place& place) {
    Result<Value> form = stored_form<Rules>(at);
    if (!form) return below(place, form.error());
    *into = *std::move(form);
    return success;
  }
  /// The rest of the way leads through a value.
  Result<void> found_in(const Value& whole, std::string_view rest, const Place& place) {
    const auto found = follow(whole, rest);
    if (!found) return below(place, found.error());
    *into = **found;
    return success;
  }
  template <class T>
  Result<void> found_through(const T& at, std::string_view rest, const Place& place) {
    const Result<Value> form = stored_form<Rules>(at);
    return form ? found_in(*form, rest, place) : below(place, form.error());
  }
};

/// What is done where a pointer leads: a value is read into it, if `commit` says so. Without, the
/// call only says whether that would work.
template <class Rules>
struct Setting {
  static constexpr bool changes = true;
  const Value* value;
  bool commit;

  template <class T>
  Result<void> found(T& at, const Place& place) {
    return read_as(*value, at, place);
  }
  Result<void> found_in(Value& whole, std::string_view rest, const Place& place) {
    Value copy = commit ? *value : Value();
    auto done = put(whole, rest, commit ? &copy : nullptr, Put::assign);
    return done ? std::move(done) : Result<void>(below(place, done.error()));
  }
  /// What has no member to refer to is changed as a value, and read again as a whole.
  template <class T>
  Result<void> found_through(T& at, std::string_view rest, const Place& place) {
    Result<Value> form = stored_form<Rules>(at);
    if (!form) return below(place, form.error());
    Value copy = *value;
    if (auto done = put(*form, rest, &copy, Put::assign); !done) return below(place, done.error());
    return read_as(*form, at, place);
  }

 private:
  template <class T>
  Result<void> read_as(const Value& from, T& at, const Place& above) {
    static_assert(std::is_move_assignable_v<T>,
                  "persist: what is set by a pointer is read beside and then moved in");
    T made = fresh(at);
    ValueReader in(from);
    UnknownFields unknown;
    Place place = above;
    place.loose = true;  // nothing is kept: every part of the value needs a member
    Reading<Rules, ValueReader> walk(in, unknown);
    if (!walk.value(made, place) || !in.ok()) return in.take_error();
    if (!unknown.dropped().empty())
      return Error(Errc::schema_mismatch)
          .at(unknown.dropped().front(), "a name that this build knows", "another");
    if (commit) at = std::move(made);
    return success;
  }
  /// An adapted type may have no default; the one that is there stands for it.
  template <class T>
  static T fresh([[maybe_unused]] const T& at) {
    if constexpr (std::default_initializable<T>)
      return T{};
    else
      return at;
  }
};

/// A map whose values a step leads to.
template <class M>
concept found_by_text =
    kind_of<M> == Kind::map && text_key<typename M::key_type> &&
    requires(M& map, const typename M::key_type& key) { map.find(key) != map.end(); };

/// Follows a pointer into data, one function a kind, and has `use` do something where it leads.
template <class Rules, class Use>
class Following {
 public:
  Following(std::string_view pointer, Use use) : steps_(pointer), use_(use) {}
  Following(const Following&) = delete;
  Following& operator=(const Following&) = delete;

  /// Recursion is as deep as the types nest, and no deeper than the data.
  template <class T>
  Result<void> value(T& at, const Place& place) {
    constexpr Kind kind = kind_of<T>;
    if constexpr (kind == Kind::value) {
      return use_.found_in(at, steps_.rest(), place);
    } else {
      if (steps_.done()) return use_.found(at, place);
      if constexpr (kind == Kind::structure)
        return structure(at, place);
      else if constexpr (kind == Kind::sequence || kind == Kind::array)
        return element(at, place);
      else if constexpr (found_by_text<T>)
        return entry(at, place);
      else if constexpr (kind == Kind::tuple)
        return tuple(at, place);
      else if constexpr (kind == Kind::variant)
        return variant(at, place);
      else if constexpr (kind == Kind::optional)
        return at.has_value() ? value(*at, place) : empty(place);
      else
        return use_.found_through(at, steps_.rest(), place);
    }
  }

 private:
  /// An error about the step that was taken last.
  [[nodiscard]] Error missing(const Place& above, const char* why) {
    return Error(Errc::not_found, why).at(above.inside(steps_.step()).path(), "", "");
  }

  [[nodiscard]] static Error empty(const Place& place) {
    return Error(Errc::not_found, "nothing is here to go into").at(place.path(), "", "");
  }

  using Member = Result<void> (*)(Following&, void*, const Place&);
  template <class M>
  static Result<void> member(Following& walk, void* at, const Place& place) {
    return walk.value(*static_cast<M*>(at), place);
  }
  /// What is looked at is what would be stored.
  template <class T, std::size_t I, class M>
  static Result<void> quantised_member(Following& walk, void* at, const Place& place) {
    M stored = quantised<Rules, T, I>(*static_cast<const M*>(at));
    return walk.value(stored, place);
  }
  template <class T, std::size_t I, class M>
  static consteval Member member_follower() {
    if constexpr (!Plan<Rules, T>::is_stored[I])
      return nullptr;
    else if constexpr (!Use::changes && is_quantised<Rules, T, I>)
      return &quantised_member<T, I, M>;
    else if constexpr (check_member<T, I, M>())
      return &member<M>;
  }
  template <class T, class... Ms>
  static consteval auto member_followers(Types<Ms...>) {
    return []<std::size_t... I>(std::index_sequence<I...>) {
      return std::array<Member, sizeof...(Ms)>{member_follower<T, I, Ms>()...};
    }(std::index_sequence_for<Ms...>{});
  }
  template <class T>
  Result<void> structure(T& at, const Place& place) {
    using P = Plan<Rules, T>;
    static constexpr auto followers = member_followers<T>(MemberTypes<T>{});
    const std::size_t slot = P::find(steps_.next());
    if (slot == P::none) return missing(place, "there is no such member");
    const std::size_t field = P::member_of(slot);
    const auto members = Describe<T>::apply(at, [](auto&... each) {
      return std::array<void*, sizeof...(each)>{static_cast<void*>(&each)...};
    });
    return followers[field](*this, members[field], place.inside(P::names[field]));
  }

  template <class S>
  Result<void> element(S& all, const Place& place) {
    const std::string_view step = steps_.next();
    const std::size_t size = all.size();
    const auto index = parse_index(step, size);
    Place inner = place.inside();
    if (!index) {
      return Error(Errc::schema_mismatch)
          .at(place.path(), "the index of an element", "'" + Place().inside(step).path() + "'");
    }
    inner.move_to(*index);
    if (*index < size) return at_index(all, inner);
    if constexpr (Use::changes && sequence_like<S>)
      if (*index == size && steps_.done()) return append(all, inner);
    return Error(Errc::not_found, "there are " + std::to_string(size) + " elements")
        .at(inner.path(), "", "");
  }
  template <class S>
  Result<void> at_index(S& all, const Place& place) {
    auto at = all.begin();
    std::advance(at, static_cast<std::ptrdiff_t>(place.index));
    if constexpr (std::same_as<decltype(*at), typename S::value_type&>) {
      return value(*at, place);
    } else {  // std::vector<bool> has no element to refer to
      typename S::value_type copy = *at;
      auto done = value(copy, place);
      if constexpr (Use::changes)
        if (done && use_.commit) *at = copy;
      return done;
    }
  }
  template <class S>
  Result<void> append(S& all, const Place& place) {
    typename S::value_type made{};
    auto done = value(made, place);
    if (!done || !use_.commit) return done;
    if constexpr (std::same_as<decltype(all.back()), typename S::value_type&>) {
      all.emplace_back();
      all.back() = std::move(made);
    } else {
      all.push_back(made);
    }
    return done;
  }

  template <class M>
  Result<void> entry(M& all, const Place& place) {
    std::optional<typename M::key_type> key = parse_key<typename M::key_type>(steps_.next());
    if (!key) {
      return Error(Errc::schema_mismatch)
          .at(place.path(), "a key of this map", "'" + Place().inside(steps_.step()).path() + "'");
    }
    if (const auto at = all.find(*key); at != all.end()) {
      const KeyText text(at->first);
      return value(at->second, place.inside(text.view()));
    }
    if constexpr (Use::changes) {
      if (steps_.done()) {
        typename M::mapped_type made{};
        auto done = value(made, place.inside(steps_.step()));
        if (done && use_.commit) all.try_emplace(*std::move(key)).first->second = std::move(made);
        return done;
      }
    }
    return missing(place, "there is no such key");
  }

  /// A tuple's members differ in their types, so the one that is meant is found by counting.
  template <class T>
  Result<void> tuple(T& at, const Place& place) {
    const auto index = parse_index(steps_.next(), std::tuple_size_v<T>);
    if (!index || *index >= std::tuple_size_v<T>) return missing(place, "there is no such element");
    Place inner = place.inside();
    inner.move_to(*index);
    Result<void> done;
    std::size_t next = 0;
    const auto one = [&](auto& each) {
      if (next++ == *index) done = value(each, inner);
    };
    std::apply([&](auto&... each) { (one(each), ...); }, at);
    return done;
  }

  /// Into the alternative that is held. No other is there, which its stored form will say.
  template <class... Ts>
  Result<void> variant(std::variant<Ts...>& at, const Place& place) {
    const std::string_view pointer = steps_.rest();
    const std::string_view step = steps_.next();
    std::optional<Result<void>> done;
    const auto one = [&](auto* held) {
      using Held = std::remove_pointer_t<decltype(held)>;
      if constexpr (kind_of<Held> != Kind::unit)
        if (held != nullptr && type_name<Held> == step)
          done = value(*held, place.inside(type_name<Held>));
    };
    (one(std::get_if<Ts>(&at)), ...);
    return done ? *std::move(done) : use_.found_through(at, pointer, place);
  }

  PointerSteps steps_;
  Use use_;
};

/// Checks the pointer and the value, then sets it, or only says whether that would work. Limits
/// that the data keeps are held against a copy: a size is one of what is around what is set.
template <class Policy, class T>
Result<void> set_or_try(T& data, std::string_view pointer, const Value& value, bool commit) {
  if (auto fits = check_pointer(pointer); !fits) return fits;
  if (auto fits = check_depth(pointer, value); !fits) return fits;
  using Use = Setting<PathRules<Policy>>;
  const auto put_into = [&](T& into, bool really) {
    return Following<PathRules<Policy>, Use>(pointer, Use{&value, really}).value(into, Place{});
  };
  if constexpr (has_limits<RulesOf<Policy>, T>) {
    if (check_limits<RulesOf<Policy>>(data)) {
      T changed = data;
      auto done = put_into(changed, true);
      if (done) done = check_limits<RulesOf<Policy>>(changed);
      if (!done || !commit) return done;
    }
  }
  return put_into(data, commit);
}

}  // namespace schema::detail

/// What the pointer leads to, as it would be stored: `persist::get(data, "/inventory/0/count")`.
/// The policy says how members are called and which are stored. `invalid` (it is no JSON Pointer),
/// `not_found`, `schema_mismatch` (a step into what has no parts); path and words say where.
template <class Policy = schema::NoPolicy, storable_data T>
[[nodiscard]] Result<Value> get(const T& data, std::string_view pointer) {
  using Rules = schema::detail::PathRules<Policy>;
  using Use = schema::detail::Getting<Rules>;
  if (auto fits = schema::detail::check_pointer(pointer); !fits) return fits.error();
  Result<Value> made(Value{});
  schema::detail::Following<Rules, Use> walk(pointer, Use{&*made});
  // The walk is one for both; with this use it changes nothing.
  if (auto done = walk.value(const_cast<T&>(data), {}); !done) return done.error();  // NOLINT
  return made;
}

/// Reads the value into what the pointer leads to, and into nothing else, by the rules of a load:
/// numbers convert where nothing is lost, what is missing in it takes its type's default, or what
/// the policy's `reconcile` says. A key of a map is made where there is none, and so is the element
/// behind the last (`-`, or its index).
///
/// Errors as `get`, and `schema_mismatch` (path, expected, found) where the value does not fit, or
/// has a name that no member has; `too_large` where it nests too deep; `invalid` where it breaks a
/// `Limited` of the policy. Then nothing has changed. Data that broke one before is not held
/// against the limits, so that it can be mended step by step. With limits it costs a copy.
template <class Policy = schema::NoPolicy, storable_data T>
Result<void> set(T& data, std::string_view pointer, const Value& value) {
  return schema::detail::set_or_try<Policy>(data, pointer, value, true);
}

}  // namespace persist::inline PERSIST_ABI
