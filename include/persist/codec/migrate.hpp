#pragma once

#include <persist/error.hpp>
#include <persist/result.hpp>
#include <persist/schema/fingerprint.hpp>
#include <persist/schema/kind.hpp>
#include <persist/schema/migrations.hpp>
#include <persist/schema/place.hpp>
#include <persist/schema/plan.hpp>
#include <persist/schema/read.hpp>
#include <persist/schema/unknown.hpp>
#include <persist/schema/value/reader.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

// Reading a record of an older schema version: as the struct of that version, and from there step
// by step to the newest.

namespace persist::inline PERSIST_ABI::codec {

namespace migrating {

using schema::detail::MemberTypes;
using schema::detail::Plan;
using schema::detail::Types;

/// The fingerprints of the fields of T, 0 for those that are not stored.
template <class Rules, class T>
inline constexpr auto field_prints = []<class... Ms>(Types<Ms...>) {
  std::array<std::uint64_t, sizeof...(Ms)> prints{};
  std::size_t at = 0;
  (
      [&] {
        if (Plan<Rules, T>::is_stored[at])
          prints[at] = schema::detail::compute_fingerprint<Rules, Ms>();
        ++at;
      }(),
      ...);
  return prints;
}(MemberTypes<T>{});

/// Whether a field is in both as it is, so that what was kept inside it has its place there too.
template <class Rules, class Old, class New>
[[nodiscard]] bool is_same_field(std::string_view name) noexcept {
  using Before = Plan<Rules, Old>;
  using After = Plan<Rules, New>;
  const std::size_t from = Before::find(name);
  const std::size_t to = After::find(name);
  return from != Before::none && to != After::none &&
         field_prints<Rules, Old>[Before::member_of(from)] ==
             field_prints<Rules, New>[After::member_of(to)];
}

}  // namespace migrating

/// One record on its way from an older version to the newest, which is decoded into `scratch`.
template <class Policy, class T>
class Migration {
 public:
  using List = schema::detail::VersionList<typename schema::detail::MigrationsOf<Policy>::type>;
  using Rules = schema::detail::RulesOf<Policy>;

  Migration(T& scratch, UnknownFields& unknown) noexcept : newest_(scratch), unknown_(unknown) {}

  /// Decodes a record of that version, which is older than the newest, by `decode(into, unknown)`.
  /// The errors are the codec's and those of the steps, whose place in the list is named.
  template <class Decode>
  [[nodiscard]] Result<void> run(std::uint32_t version, Decode&& decode) {
    unknown_.clear();
    Result<void> done = Error(Errc::corrupt, "schema version 0, and versions begin at 1");
    [&]<std::size_t... I>(std::index_sequence<I...>) {
      (void)((I + 1 == version && (done = from<I>(decode), true)) || ...);
    }(std::make_index_sequence<List::count - 1>{});
    if (!done) unknown_.clear();
    return done;
  }

 private:
  template <std::size_t I>
  using Type = typename List::template Type<I>;

  template <std::size_t I, class Decode>
  [[nodiscard]] Result<void> from(Decode& decode) {
    Type<I> old{};
    UnknownFields kept;
    auto decoded = decode(old, kept);
    if (decoded) decoded = carry<Type<I>>(kept);
    return decoded ? climb<I>(std::move(old)) : decoded;
  }
  template <std::size_t I>
  [[nodiscard]] Result<void> climb(Type<I>&& old) {
    if constexpr (I + 1 == List::count) {
      newest_ = std::move(old);
      return success;
    } else {
      auto next = schema::detail::run_step<typename List::template Version<I>>(std::move(old));
      if (!next) return failed_at(I + 1, next.error());
      if constexpr (std::is_same_v<std::remove_cvref_t<decltype(*next)>, Type<I + 1>>)
        return climb<I + 1>(*std::move(next));
      else
        return read_step<I + 1>(*next);
    }
  }
  /// What a step on values made is read as the version after it.
  template <std::size_t I>
  [[nodiscard]] Result<void> read_step(const Value& from) {
    if constexpr (I + 1 == List::count) {
      return read_value_as<I>(from, newest_);
    } else {
      Type<I> made{};
      const Result<void> done = read_value_as<I>(from, made);
      return done ? climb<I>(std::move(made)) : done;
    }
  }
  template <std::size_t I>
  [[nodiscard]] Result<void> read_value_as(const Value& from, Type<I>& into) {
    UnknownFields kept;
    schema::ValueReader in(from);
    if (const auto read = schema::read<Policy>(in, into, kept); !read)
      return failed_at(I, read.error());
    return carry<Type<I>>(kept);
  }

  [[nodiscard]] static Error failed_at(std::size_t version, const Error& why) {
    return Error(why.code(), "the migration from schema version " + std::to_string(version) +
                                 " to " + std::to_string(version + 1) + " failed" +
                                 (why.detail().empty() ? "" : ": ") + std::string(why.detail()))
        .at(std::string(why.path()), std::string(why.expected()), std::string(why.found()));
  }

  /// Takes over what that version did not know. It keeps its place where the newest version has the
  /// same place and does not use the name itself; elsewhere nobody could say what became of it, so
  /// it is handled as what cannot be kept always is.
  template <class Old>
  [[nodiscard]] Result<void> carry(UnknownFields& kept) {
    for (const std::string& path : kept.dropped())
      unknown_.drop(path);
    if (kept.empty()) return success;
    if constexpr (std::is_same_v<Old, T>) {
      // An older version may have left something there already.
      if (unknown_.empty()) return unknown_.make_root() = std::move(kept.make_root()), success;
    }
    return carry_root<Old>(kept.make_root());
  }
  template <class Old>
  [[nodiscard]] Result<void> carry_root(schema::KeptNode& from) {
    if constexpr (schema::kind_of<Old> == schema::Kind::structure &&
                  schema::kind_of<T> == schema::Kind::structure) {
      using P = schema::detail::Plan<Rules, T>;
      constexpr bool has_room = P::unknown_holder == P::none;
      for (auto& [name, item] : from.fields)
        if (!has_room || P::find(name) != P::none ||
            !unknown_.make_root().fields.try_emplace(name, std::move(item)).second)
          if (auto lost = lose(schema::Place().inside(name)); !lost) return lost;
      for (auto& [step, node] : from.below) {
        if (node->empty()) continue;
        if (!has_room || !migrating::is_same_field<Rules, Old, T>(step) ||
            !unknown_.make_root().below.try_emplace(step, std::move(node)).second)
          if (auto lost = lose_all(*node, schema::Place().inside(step)); !lost) return lost;
      }
      return success;
    } else {
      return lose_all(from, {});
    }
  }
  /// Everything that is kept at a place and below, each by its own path.
  [[nodiscard]] Result<void> lose_all(const schema::KeptNode& node, const schema::Place& at) {
    if (node.replaced)
      if (auto lost = lose(at); !lost) return lost;
    for (const auto& [name, item] : node.fields)
      if (auto lost = lose(at.inside(name)); !lost) return lost;
    for (const auto& [step, below] : node.below)
      if (auto lost = lose_all(*below, at.inside(step)); !lost) return lost;
    return success;
  }
  [[nodiscard]] Result<void> lose(const schema::Place& at) {
    if constexpr (Rules::drops_unknown) {
      unknown_.drop(at.path());
      return success;
    } else {
      return Error(Errc::too_new,
                   "this record of an older schema version holds what that version does not know, "
                   "and the newest has no place for it: let the version list the member, or the "
                   "policy say drop_unknown")
          .at(at.path(), "", "");
    }
  }

  T& newest_;
  UnknownFields& unknown_;
};

}  // namespace persist::inline PERSIST_ABI::codec
