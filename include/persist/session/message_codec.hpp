#pragma once

#include <persist/codec/cbor.hpp>
#include <persist/codec/json.hpp>
#include <persist/record/message.hpp>
#include <persist/result.hpp>
#include <persist/schema/name.hpp>

#include <concepts>
#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace persist::inline PERSIST_ABI {

namespace detail {

template <class M, class Allowed>
struct MessageSet {
  static constexpr bool contains = std::same_as<M, Allowed>;
  static constexpr bool names_differ = true;
};
template <class M, class... Allowed>
struct MessageSet<M, std::variant<Allowed...>> {
  static constexpr bool contains = (std::same_as<M, Allowed> || ...);
  static constexpr std::size_t of_name(std::string_view name) {
    return (std::size_t{0} + ... + (schema::type_name<Allowed> == name ? 1U : 0U));
  }
  static constexpr bool names_differ = ((of_name(schema::type_name<Allowed>) == 1) && ...);
};

/// A function that the game hands over to change data may return nothing, a bool or a Result<void>.
template <class F, class... Args>
Result<void> call(F& fn, Args&... args) {
  if constexpr (!std::invocable<F&, Args&...>) {
    static_assert(std::invocable<F&, Args&...>,
                  "the function does not take what it is called with: fn(Data&), a handler "
                  "fn(Data&, const Gift&), a transaction fn(Data&, Data&, ...) in the order of its "
                  "sessions");
    return Errc::invalid;
  } else if constexpr (std::is_void_v<std::invoke_result_t<F&, Args&...>>) {
    fn(args...);
    return success;
  } else if constexpr (std::is_same_v<std::invoke_result_t<F&, Args&...>, bool>) {
    return fn(args...) ? Result<void>(success)
                       : Result<void>(Error(Errc::refused, "the function returned false"));
  } else {
    static_assert(std::is_same_v<std::invoke_result_t<F&, Args&...>, Result<void>>,
                  "the function returns nothing, a bool or a persist::Result<void>");
    return fn(args...);
  }
}

/// What a handler takes: one message, or all of a type that wait together.
template <class M>
struct Handled {
  using type = M;
  static constexpr bool is_batch = false;
};
template <class M>
struct Handled<std::span<const M>> {
  using type = M;
  static constexpr bool is_batch = true;
};

/// What a handler takes as its message: the second argument of a function, a lambda or an object
/// with one `()`; and whether it has a third, for the session. What names no message has no `type`.
template <class F>
struct HandledMessage {};
template <class F>
  requires requires { &F::operator(); }
struct HandledMessage<F> : HandledMessage<decltype(&F::operator())> {};
template <class R, class D, class M>
struct HandledMessage<R(D, M)> : Handled<std::remove_cvref_t<M>> {
  static constexpr bool takes_session = false;
};
template <class R, class D, class M, class Session>
struct HandledMessage<R(D, M, Session)> : Handled<std::remove_cvref_t<M>> {
  static constexpr bool takes_session = true;
};
template <class R, class... Args>
struct HandledMessage<R(Args...) noexcept> : HandledMessage<R(Args...)> {};
template <class F>
struct HandledMessage<F*> : HandledMessage<F> {};
template <class R, class C, class... Args>
struct HandledMessage<R (C::*)(Args...)> : HandledMessage<R(Args...)> {};
template <class R, class C, class... Args>
struct HandledMessage<R (C::*)(Args...) const> : HandledMessage<R(Args...)> {};
template <class R, class C, class... Args>
struct HandledMessage<R (C::*)(Args...) noexcept> : HandledMessage<R(Args...)> {};
template <class R, class C, class... Args>
struct HandledMessage<R (C::*)(Args...) const noexcept> : HandledMessage<R(Args...)> {};

template <class F>
struct CheckedHandler : HandledMessage<F> {
  static_assert(
      requires { typename HandledMessage<F>::type; },
      "a handler of messages names in its second argument the type that it takes, and is "
      "no template: [](Data&, const Gift&) { ... }, or std::span<const Gift> for all that wait; "
      "a third argument is the session");
};

}  // namespace detail

/// Changes data for messages of one type. Fails without a trace: it works on a copy. `Node` is the
/// session that they came to.
template <class Data, class Node>
struct MessageHandler {
  std::string_view type;
  bool is_batch = false;       ///< takes more than one at once
  bool is_of_expired = false;  ///< takes those whose time is over, and no others
  std::function<Result<void>(Data&, std::span<const Message* const>, Node&)> handle;
};

/// Checks at compile time that a record of that data takes messages of type M.
template <class Policy, class M>
constexpr void check_message() {
  static_assert(!std::is_void_v<typename Policy::message>,
                "this data takes no messages: name them in its policy, `using message = "
                "std::variant<Gift, Mail>`");
  static_assert(detail::MessageSet<M, typename Policy::message>::contains,
                "the data policy's `message` does not list this type of message");
  static_assert(detail::MessageSet<M, typename Policy::message>::names_differ,
                "two messages of this data have one name: give one of them a `persist_name`");
}

/// Messages are CBOR, whatever the store's codec: the reader may be another build with another one.
template <class M>
[[nodiscard]] Result<void> encode_message(const M& message, Buffer& out) {
  UnknownFields none;
  return codec::Cbor::encode<schema::NoPolicy>(message, none, out);
}

/// Reads a message that was written as CBOR or as JSON. `wrong_codec` for anything else.
template <class M>
[[nodiscard]] Result<M> decode_message(const Message& from) {
  Result<M> message(M{});
  UnknownFields ignored;
  Result<void> read;
  if (from.codec == codec::Cbor::id)
    read = codec::Cbor::decode<schema::NoPolicy>(from.payload, *message, ignored);
  else if (from.codec == codec::Json::id)
    read = codec::Json::decode<schema::NoPolicy>(from.payload, *message, ignored);
  else
    read = Error(Errc::wrong_codec,
                 "a message is CBOR or JSON; this one says codec " + std::to_string(from.codec));
  if (!read) return read.error();
  return message;
}

/// Turns a game's handler into one that takes what lies in an inbox.
template <class Data, class Node, class F>
[[nodiscard]] MessageHandler<Data, Node> core_handler(F&& fn, bool is_of_expired = false) {
  using Takes = detail::CheckedHandler<std::remove_cvref_t<F>>;
  using M = typename Takes::type;
  auto handle = [fn = std::forward<F>(fn)](Data& data, std::span<const Message* const> from,
                                           [[maybe_unused]] Node& node) mutable -> Result<void> {
    const auto give = [&](auto& message) {
      if constexpr (Takes::takes_session) {
        typename Node::Handle session(node);
        return detail::call(fn, data, message, session);
      } else {
        return detail::call(fn, data, message);
      }
    };
    if constexpr (Takes::is_batch) {
      std::vector<M> all;
      for (const Message* each : from) {
        Result<M> message = decode_message<M>(*each);
        if (!message) return message.error();
        all.push_back(*std::move(message));
      }
      const std::span<const M> messages(all);
      return give(messages);
    } else {
      Result<M> message = decode_message<M>(*from.front());
      return message ? give(*message) : Result<void>(message.error());
    }
  };
  return {schema::type_name<M>, Takes::is_batch, is_of_expired, std::move(handle)};
}

}  // namespace persist::inline PERSIST_ABI
