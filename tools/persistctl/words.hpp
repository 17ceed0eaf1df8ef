#pragma once

#include <persist/bytes.hpp>
#include <persist/clock.hpp>
#include <persist/error.hpp>
#include <persist/record/requests.hpp>
#include <persist/result.hpp>
#include <persist/schema/value.hpp>

#include <cstddef>
#include <string>
#include <string_view>

// The words of the library that the whole tool uses.

namespace persistctl {

using persist::as_bytes;
using persist::as_text;
using persist::Buffer;
using persist::ByteView;
using persist::Errc;
using persist::Error;
using persist::failed;
using persist::Result;
using persist::success;
using persist::Value;
using persist::WallTime;

/// What an error says behind its code, for an error of the same code that says where.
[[nodiscard]] inline std::string without_code(const Error& error) {
  std::string words = error.message();
  const std::string code = std::string(persist::name(error.code())) + ": ";
  return words.starts_with(code) ? words.substr(code.size()) : words;
}

/// `1 record`, `2 records`; with a verb where one is given, `1 record was`, `2 records were`.
[[nodiscard]] inline std::string counted(std::size_t count, std::string_view what,
                                         std::string_view is = {}, std::string_view are = {}) {
  std::string text = std::to_string(count) + " " + std::string(what) + (count == 1 ? "" : "s");
  const std::string_view verb = count == 1 ? is : are;
  return verb.empty() ? text : text + " " + std::string(verb);
}

}  // namespace persistctl
