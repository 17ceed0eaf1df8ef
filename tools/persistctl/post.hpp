#pragma once

#include <persist/backend/concept.hpp>
#include <persist/key/policy.hpp>
#include <persist/key/text.hpp>
#include <persist/record/key_hash.hpp>

#include <persistctl/command_line.hpp>
#include <persistctl/facts.hpp>
#include <persistctl/store.hpp>

#include <charconv>
#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

// A message from outside of the game: a gift of the support team, a reward of a website.

namespace persistctl {

struct NewMessage {
  std::string type;  ///< as the game calls it, without namespaces
  std::string json;
  std::string id;  ///< empty: one is drawn
  std::uint8_t priority = 0;
  std::chrono::days waits{7};
};

/// What `--type`, `--json`, `--id`, `--priority` and `--days` say. `invalid`.
[[nodiscard]] inline Result<NewMessage> message_of(const Typed& typed) {
  NewMessage message{typed.get("--type"), typed.get("--json"), typed.get("--id")};
  if (message.type.empty()) return Error(Errc::invalid, "say what the game calls it: --type TYPE");
  if (message.json.empty()) return Error(Errc::invalid, "say what is in it: --json JSON");
  if (auto value = decode_payload(persist::codec::Json::id, as_bytes(message.json)); !value)
    return Error(Errc::invalid, "--json: " + without_code(value.error()));
  const auto number = [&](std::string_view option, unsigned from, unsigned to,
                          unsigned usual) -> Result<unsigned> {
    if (!typed.has(option)) return usual;
    const std::string text = typed.get(option);
    unsigned said = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), said);
    if (error == std::errc{} && end == text.data() + text.size() && said >= from && said <= to)
      return said;
    return Error(Errc::invalid, std::string(option) + " is a whole number from " +
                                    std::to_string(from) + " to " + std::to_string(to) + ", not " +
                                    text);
  };
  const auto priority = number("--priority", 0, 255, 0);
  if (!priority) return priority.error();
  const auto days = number("--days", 1, 45, 7);  // longer than that no backend knows an id again
  if (!days) return days.error();
  message.priority = static_cast<std::uint8_t>(*priority);
  message.waits = std::chrono::days(*days);
  return message;
}

/// Sends it to the record, whoever holds it, and whether or not it is there yet. Again under the
/// same id it is sent once, and one that the game sends under that id is the same.
///
/// `full`: the inbox is, at the size that it has unless the game says otherwise; `too_large`;
/// `invalid`: no record can have that key.
template <persist::record_backend Backend>
[[nodiscard]] Result<persist::PostRequest> post_message(Backend& backend, const OpenedStore& store,
                                                        std::string_view key,
                                                        const NewMessage& message) {
  persist::KeyBuffer spelled;
  if (auto fits = persist::key::spell_checked<persist::key::Text>(key, spelled); !fits)
    return fits.error();
  std::string id = message.id;
  if (id.empty()) {  // no owner is given out twice
    const persist::Owner nobody_else = backend.next_owner(persist::ServerId("persistctl"));
    id = std::to_string(nobody_else.nonce) + '-' + std::to_string(nobody_else.session);
  }
  const persist::RecordLimits limits;
  persist::PostRequest request;
  request.store = store.id;
  request.key = spelled.view();
  request.origin.source = persist::key_hash(store.birth, id);
  request.origin.first_tried = store.now;
  request.message = {message.type, persist::codec::Json::id, message.priority,
                     store.now + message.waits, as_bytes(message.json)};
  request.limits = &limits;
  backend.post(std::span(&request, 1));
  if (failed(request.error)) return Error(request.error).for_key(key);
  request.key = {};  // it was this call's
  request.message = {};
  request.limits = nullptr;
  return request;
}

}  // namespace persistctl
