#pragma once

#include <persist/detail/config.hpp>
#include <persist/error.hpp>
#include <persist/result.hpp>

#include <exception>
#include <string>
#include <string_view>
#include <utility>

namespace persist::inline PERSIST_ABI::detail {

/// A type without the Result around it.
template <class R>
struct UnwrapResult {
  using type = R;
};
template <class R>
struct UnwrapResult<Result<R>> {
  using type = R;
};

/// Calls code of the game's own. What it throws is an error, in words that begin with `who`.
template <class F>
[[nodiscard]] auto caught([[maybe_unused]] std::string_view who, F&& call,
                          [[maybe_unused]] Errc code = Errc::invalid) {
  using R = Result<typename UnwrapResult<decltype(call())>::type>;
#if PERSIST_HAS_EXCEPTIONS
  const auto threw = [&](std::string_view what) {
    return R(Error(code, std::string(who).append(" threw: ").append(what)));
  };
  try {
    return R(call());
  } catch (const std::exception& thrown) {
    return threw(thrown.what());
  } catch (...) {
    return threw("something that is no std::exception");
  }
#else
  return R(call());
#endif
}

}  // namespace persist::inline PERSIST_ABI::detail
