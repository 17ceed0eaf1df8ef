#pragma once

#include <persist/bytes.hpp>
#include <persist/codec/packed/description.hpp>
#include <persist/codec/packed/layout.hpp>
#include <persist/codec/packed/match.hpp>
#include <persist/codec/packed/read.hpp>
#include <persist/codec/packed/refusing.hpp>
#include <persist/codec/packed/token_reader.hpp>
#include <persist/schema/plan.hpp>
#include <persist/schema/read/missing.hpp>
#include <persist/schema/token.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace persist::inline PERSIST_ABI::codec::packed {

/// `TokenReader` for a program that knows its types. What has the shape it had when it was written
/// is read by position, however much around it has changed; so is a struct that was given more
/// fields, or the same ones in another order.
template <class Rules>
class Reader : public TokenReader {
 public:
  Reader(const Layout& layout, ByteView bytes, schema::Limits limits)
      : TokenReader(layout, bytes, limits), positional_(bytes, limits) {}

  /// Reads the next item if it can be read without its names; else changes nothing.
  template <class T>
  [[nodiscard]] schema::Direct direct(T& into) {
    if (may_refuse<T> || is_dynamic()) return schema::Direct::no;
    Shape* found = nullptr;
    const Fits fits = fits_here<T>(node_here(), found);
    if (fits == Fits::no) return schema::Direct::no;
    At after = here();
    if constexpr (kind_of<T> == Kind::structure)
      after =
          fits == Fits::moved ? moved(after, into, found->moves) : positional_.value(after, into);
    else
      after = positional_.value(after, into);
    if (after == nullptr) return fail(positional_.take_error()), schema::Direct::failed;
    go_to(after);
    return schema::Direct::done;
  }

 private:
  using Positional = Reading<Rules, false>;
  using At = const std::byte*;

  enum class Fits : std::uint8_t {
    no,
    same,   ///< in every name and kind
    moved,  ///< a struct all of whose fields are there with the same shapes
  };
  /// What was found out of a node for one type. Types are told apart by their descriptions.
  struct Shape {
    const char* type = nullptr;
    Fits fits = Fits::no;
    std::vector<std::uint16_t> moves;  ///< for each field that was written the member it belongs to
  };

  /// Whether a T can be read where such a node was written. Each pair of them is looked at once.
  template <class T>
  [[nodiscard]] Fits fits_here(std::uint16_t id, Shape*& found) {
    constexpr Kind kind = kind_of<T>;
    const Layout::Node& type = node(id);
    bool same = false;
    if constexpr (kind == Kind::boolean || kind == Kind::text) {
      same = type.kind == kind;
    } else if constexpr (kind == Kind::integer) {
      same = type.kind == kind && type.code == integer_code<T>();
    } else if constexpr (kind == Kind::real) {
      same = type.kind == kind && type.code == sizeof(T);
    } else if constexpr (kind != Kind::none && kind != Kind::value) {
      // What can nest as deep as it likes is read by name, where the depth is watched.
      if constexpr (!Description<Rules, T>::is_recursive) {
        constexpr auto& bytes = Description<Rules, T>::bytes;
        Asked& last = asked_[id % asked_.size()];
        if (last.shape == nullptr || last.node != id || last.shape->type != bytes.data()) {
          const auto [at, fresh] = shapes_.try_emplace({id, bytes.data()});
          last = {&at->second, id};
          if (fresh) find_out<T>(id, at->second, {bytes.data(), bytes.size()});
        }
        found = last.shape;
        return found->fits;
      }
    }
    return same ? Fits::same : Fits::no;
  }
  template <class T>
  void find_out(std::uint16_t id, Shape& shape, std::string_view description) {
    shape.type = description.data();
    if (is_described_by(layout(), id, as_bytes(description))) {
      shape.fits = Fits::same;
    } else if constexpr (kind_of<T> == Kind::structure) {
      if (node(id).kind == Kind::structure && find_moves<T>(node(id), shape.moves))
        shape.fits = Fits::moved;
    }
  }
  template <class T>
  [[nodiscard]] bool find_moves(const Layout::Node& type, std::vector<std::uint16_t>& moves) {
    using P = schema::detail::Plan<Rules, T>;
    if (P::other_names != 0) return false;
    // What becomes of missing members is for the walk by name to say.
    if (!schema::detail::fills_all<Rules> && type.count != P::stored_count) return false;
    static constexpr auto same = same_members<T>(schema::detail::MemberTypes<T>{});
    for (std::size_t i = 0; i < type.count; ++i) {
      const Layout::Member& field = member(type, i);
      const std::size_t to = P::find(layout().name(field));
      if (to == P::none || !same[to](*this, field.node)) return false;
      // One that is there twice is for the walk by name to refuse.
      if (std::find(moves.begin(), moves.end(), to) != moves.end()) return false;
      moves.push_back(static_cast<std::uint16_t>(to));
    }
    return true;
  }
  template <class T>
  [[nodiscard]] At moved(At at, T& into, const std::vector<std::uint16_t>& moves) {
    static constexpr auto readers = member_readers<T>(schema::detail::MemberTypes<T>{});
    const auto members = schema::detail::Describe<T>::apply(into, [](auto&... member) {
      (forget_unknown(member), ...);
      return std::array<void*, sizeof...(member)>{static_cast<void*>(&member)...};
    });
    for (const std::uint16_t to : moves) {
      at = readers[to](positional_, at, members[to]);
      if (at == nullptr) break;
    }
    return at;
  }
  template <class M>
  static void forget_unknown(M& member) {
    if constexpr (std::is_same_v<M, Unknown>) member = Unknown();
  }

  using SameMember = bool (*)(Reader&, std::uint16_t);
  using ReadMember = At (*)(Positional&, At, void*);
  template <class M>
  static bool same_member(Reader& self, std::uint16_t id) {
    Shape* found = nullptr;
    return self.template fits_here<M>(id, found) == Fits::same;
  }
  template <class M>
  static At read_member(Positional& walk, At at, void* member) {
    return walk.value(at, *static_cast<M*>(member));
  }
  template <class T, class... Ms>
  static consteval auto same_members(schema::detail::Types<Ms...>) {
    return std::array<SameMember, sizeof...(Ms)>{&same_member<Ms>...};
  }
  template <class M>
  static consteval ReadMember member_reader() {
    if constexpr (kind_of<M> == Kind::none)
      return nullptr;
    else
      return &read_member<M>;
  }
  template <class T, class... Ms>
  static consteval auto member_readers(schema::detail::Types<Ms...>) {
    return std::array<ReadMember, sizeof...(Ms)>{member_reader<Ms>()...};
  }

  Positional positional_;
  std::map<std::pair<std::uint16_t, const char*>, Shape> shapes_;
  struct Asked {
    Shape* shape = nullptr;
    std::uint16_t node = 0;
  };
  std::array<Asked, 64> asked_;  ///< the same, of what was asked last
};

}  // namespace persist::inline PERSIST_ABI::codec::packed
