#pragma once

#include <persist/detail/fatal.hpp>
#include <persist/detail/fixed_string.hpp>
#include <persist/schema/key_text.hpp>
#include <persist/schema/kind.hpp>
#include <persist/schema/plan.hpp>

#include <charconv>
#include <cstddef>
#include <iterator>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>

// A member by its path, found by the compiler: `persist::at<"inventory.0.count">(data)`.

namespace persist::inline PERSIST_ABI {
namespace schema::detail {

/// The number that a step is, or `no_number`.
inline constexpr std::size_t no_number = static_cast<std::size_t>(-1);
[[nodiscard]] constexpr std::size_t number_of(std::string_view step) noexcept {
  if (step.empty() || step.size() > 9 || (step.size() > 1 && step[0] == '0')) return no_number;
  std::size_t number = 0;
  for (const char c : step) {
    if (c < '0' || c > '9') return no_number;
    number = number * 10 + static_cast<std::size_t>(c - '0');
  }
  return number;
}

/// The step of a path that begins at `From`.
template <auto Path, std::size_t From>
struct PathStep {
  static constexpr std::string_view text =
      Path.view().substr(From, Path.view().find('.', From) - From);
  static constexpr std::size_t number = number_of(text);
  static constexpr std::size_t next = From + text.size() + 1;
  static constexpr bool is_last = next > Path.view().size();
};

/// What is there only at run time was not there.
template <auto Path>
[[noreturn]] void nothing_at() {
  persist::detail::fatal(
      ("persist::at<\"" + std::string(Path.view()) + "\"> leads to what is not there").c_str());
}

template <auto Path, std::size_t From, class T>
[[nodiscard]] constexpr auto& step_to(T& in);

/// Goes on from where a step led.
template <auto Path, class Step, class T>
[[nodiscard]] constexpr auto& go_on(T& in) {
  if constexpr (Step::is_last)
    return in;
  else
    return step_to<Path, Step::next>(in);
}

template <auto Path, class Step, class T>
[[nodiscard]] constexpr auto& step_to_member(T& in) {
  using Struct = std::remove_cv_t<T>;
  constexpr std::size_t field = position_of<Struct>(Step::text);
  static_assert(field < Describe<Struct>::count,
                "persist: at<...> names a member that its struct does not have");
  if constexpr (field < Describe<Struct>::count)
    return Describe<Struct>::apply(in, [](auto&... member) -> auto& {
      return go_on<Path, Step>(std::get<field>(std::tie(member...)));
    });
  else
    return in;
}

template <auto Path, class Step, class T>
[[nodiscard]] constexpr auto& step_to_element(T& in) {
  static_assert(Step::number != no_number,
                "persist: at<...> goes into a sequence by what is no number");
  static_assert(
      std::is_same_v<decltype(*in.begin()), std::remove_cvref_t<decltype(*in.begin())>&> ||
          std::is_same_v<decltype(*in.begin()), const std::remove_cvref_t<decltype(*in.begin())>&>,
      "persist: at<...> leads into a sequence that has no elements to refer to");
  if (Step::number >= in.size()) nothing_at<Path>();
  return go_on<Path, Step>(*std::next(in.begin(), static_cast<std::ptrdiff_t>(Step::number)));
}

template <auto Path, class Step, class T>
[[nodiscard]] constexpr auto& step_to_entry(T& in) {
  const auto key = parse_key<typename T::key_type>(Step::text);
  const auto found = key ? in.find(*key) : in.end();
  if (found == in.end()) nothing_at<Path>();
  return go_on<Path, Step>(found->second);
}

template <auto Path, std::size_t From, class T>
constexpr auto& step_to(T& in) {
  using Step = PathStep<Path, From>;
  using Plain = std::remove_cv_t<T>;
  constexpr Kind kind = kind_of<Plain>;
  if constexpr (kind == Kind::structure) {
    return step_to_member<Path, Step>(in);
  } else if constexpr (kind == Kind::tuple || is_array<Plain>) {
    constexpr bool is_there = Step::number < std::tuple_size_v<Plain>;
    static_assert(is_there,
                  "persist: at<...> names an element that a tuple or array does not have");
    if constexpr (is_there)
      return go_on<Path, Step>(std::get<Step::number>(in));
    else
      return in;
  } else if constexpr (kind == Kind::sequence) {
    return step_to_element<Path, Step>(in);
  } else if constexpr (kind == Kind::map) {
    static_assert(text_key<typename Plain::key_type>,
                  "persist: at<...> goes into a map whose keys have no text");
    return step_to_entry<Path, Step>(in);
  } else if constexpr (kind == Kind::optional) {
    if (!in.has_value()) nothing_at<Path>();
    return step_to<Path, From>(*in);
  } else {
    static_assert(kind == Kind::none && kind != Kind::none,
                  "persist: at<...> goes on behind what has no members");
    return in;
  }
}

}  // namespace schema::detail

/// A reference to the member at that path. Names are those of the code, whatever a policy calls
/// them; steps go into structs, tuples and arrays, which the compiler checks, and into sequences,
/// maps with text keys and optionals, where a path to what is not there ends the program with one
/// sentence. It is as fast as the same by hand.
template <detail::FixedString Path, class T>
[[nodiscard]] constexpr auto& at(T& data) {
  static_assert(!Path.view().empty(), "persist: at<...> needs a path, like \"inventory.0.count\"");
  return schema::detail::step_to<Path, 0>(data);
}

}  // namespace persist::inline PERSIST_ABI
