#pragma once

#include <persist/record/message.hpp>
#include <persist/record/reader.hpp>
#include <persist/record/wake.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace persist::inline PERSIST_ABI::backend::rows {

/// A hint, and for whom.
struct Hinted {
  std::uint64_t nonce = 0;
  StoreId store{};
  std::string key;
  Hint why = Hint::freed;
};

/// As it is sent. Whoever sends need not be one of ours.
[[nodiscard]] inline Buffer encode_hint(const Hinted& hint) {
  Buffer bytes(as_bytes("psth"));
  append_little(bytes, static_cast<std::uint8_t>(hint.why));
  append_little(bytes, hint.store.index);
  bytes.append(std::string_view(hint.key));
  return bytes;
}
[[nodiscard]] inline std::optional<Hinted> decode_hint(ByteView bytes) {
  persist::detail::Reader from(bytes);
  const bool is_ours = as_text(from.bytes(4)) == "psth";
  const auto why = from.number<std::uint8_t>();
  const auto store = from.number<std::uint32_t>();
  const std::string_view key = as_text(from.bytes(from.left()));
  if (!is_ours || !from.good() || why > static_cast<std::uint8_t>(Hint::message)) return {};
  if (key.empty() || key.size() > 255) return {};
  return Hinted{0, {store}, std::string(key), static_cast<Hint>(why)};
}

}  // namespace persist::inline PERSIST_ABI::backend::rows
