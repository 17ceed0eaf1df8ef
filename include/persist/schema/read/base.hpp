#pragma once

#include <persist/schema/attributes.hpp>
#include <persist/schema/place.hpp>
#include <persist/schema/read/flood.hpp>
#include <persist/schema/read/number.hpp>
#include <persist/schema/token.hpp>
#include <persist/schema/value/walk.hpp>
#include <persist/schema/write.hpp>

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace persist::inline PERSIST_ABI::schema::detail {

/// What every part of the reading walk needs: the reader, the ways to fail, and what becomes of
/// what is unknown. A function returns false when it failed; then the reader holds the error.
template <class Rules, class Reader>
class ReadBase {
 public:
  using rules = Rules;
  using reader = Reader;

  ReadBase(Reader& in, UnknownFields& unknown) noexcept : in_(in), unknown_(unknown) {}
  [[nodiscard]] Reader& in() noexcept { return in_; }
  [[nodiscard]] UnknownFields& unknown() noexcept { return unknown_; }

  /// The first error counts: a reader keeps it.
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
    return unexpected(found, at, expected);
  }
  PERSIST_NOINLINE bool unexpected(Token found, const Place& at, std::string_view expected) {
    return mismatch(at, expected, describe(found));
  }
  /// Says that the key which was just added to `all` does not make the reading of this input slow,
  /// or fails.
  template <class C>
  bool spread(const C& all, const typename C::key_type& key, const Place& at) {
    if constexpr (is_flooded<C>) {
      if (is_crowded(all, key) && ++crowded_ > most_crowded_keys) [[unlikely]]
        return fail(Error(Errc::too_large, "more than " + std::to_string(most_crowded_keys) +
                                               " keys were chosen so that their hashes collide")
                        .at(at.path(), "", ""));
    }
    return true;
  }
  /// Begins a map, or passes over an empty array in its place: who has one kind of table, as Roblox
  /// does, cannot tell them apart and writes an empty map as []. `empty` says that it was one.
  bool begin_map(const Place& at, bool& empty) {
    std::size_t count = 0;
    const Token found = in_.peek();
    if (found == Token::map) [[likely]]
      return in_.begin_map(count);
    empty = found == Token::array;
    if (!empty) return expect(Token::map, at) && in_.begin_map(count);
    if (!in_.begin_array(count)) return false;
    if (in_.next_element()) return mismatch(at, name(Token::map), describe(Token::array));
    return in_.ok();
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

  /// A value of an enum or variant that this build does not know: kept, with what is in its place.
  template <class T>
  bool replace(const T& placeholder, const Place& at, std::string_view name, Kept item,
               bool is_whole = false) {
    KeptNode* node = at.keep(unknown_);
    if (node == nullptr) return drop(at);
    ValueWriter held;
    Writing<Rules, ValueWriter>(held, nullptr).value(placeholder, {});
    node->replaced = std::make_unique<KeptNode::Replaced>();
    *node->replaced = {std::string(name), std::move(item), held.take(), is_whole};
    return true;
  }
  /// Says that the error which is under way was decided on: nobody further out is asked again.
  void settle() noexcept { is_settled_ = true; }
  [[nodiscard]] bool is_settled() const noexcept { return is_settled_; }

  /// Something unknown where nothing can be kept.
  bool drop(const Place& at) {
    if constexpr (Rules::drops_unknown) {
      return unknown_.drop(at.path()), true;
    } else {
      return fail(
          Error(Errc::too_new,
                "this build does not know all of this (a newer build wrote it, or a member was "
                "removed since), and saving would lose it: give the elements a persist::Identity "
                "or a persist::Unknown member, or let the policy say drop_unknown")
              .at(at.path(), "", ""));
    }
  }

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

 private:
  Reader& in_;
  UnknownFields& unknown_;
  std::size_t crowded_ = 0;
  bool is_settled_ = false;
};

}  // namespace persist::inline PERSIST_ABI::schema::detail
