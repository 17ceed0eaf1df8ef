// persist: player data for game servers. The single header, made by tools/amalgamate.py from
// include/persist: change it there.
//
// Distributed under the Boost Software License, Version 1.0.

#pragma once

#include "../host.hpp"

#include <asio/associated_cancellation_slot.hpp>
#include <asio/associated_executor.hpp>
#include <asio/async_result.hpp>
#include <asio/cancellation_type.hpp>
#include <asio/dispatch.hpp>
#include <asio/execution.hpp>
#include <asio/prefer.hpp>
#include <memory>
#include <utility>

// The calls of a Host with Asio's completion tokens. Needs standalone Asio 1.22 or later.

namespace persist::inline PERSIST_ABI {

/// Hands the answer of a call to a completion token; the signature is `void(R)`:
///
///   auto session = co_await persist::async(host.load(players, 42u), asio::use_awaitable);
///
/// The handler runs on its own executor, which is kept from running out of work until then. Of a
/// token without one it runs where completions do. The token's cancellation, of any kind, calls the
/// call off. Thread rule: that of the future.
template <class R, class Token>
auto async(Future<R> future, Token&& token) {
  return asio::async_initiate<Token, void(R)>(
      [](auto handler, Future<R> waits) {
        auto slot = asio::get_associated_cancellation_slot(handler);
        if (slot.is_connected())
          slot.assign([off = waits.canceller()](asio::cancellation_type) { off(); });
        auto executor = asio::prefer(asio::get_associated_executor(handler),
                                     asio::execution::outstanding_work.tracked);
        waits.then([executor, handler = std::move(handler)](R answer) mutable {
          asio::dispatch(executor,
                         [handler = std::move(handler), answer = std::move(answer)]() mutable {
                           // The slot is the handler's, whose thread may be emitting meanwhile.
                           auto slot_of = asio::get_associated_cancellation_slot(handler);
                           if (slot_of.is_connected()) slot_of.clear();
                           std::move(handler)(std::move(answer));
                         });
        });
      },
      token, std::move(future));
}

}  // namespace persist::inline PERSIST_ABI
