#pragma once

#include <persist/error.hpp>

#include <string>
#include <string_view>

namespace persist::inline PERSIST_ABI::backend::postgres {

/// What a SQLSTATE says to who retries.
enum class Trouble : std::uint8_t {
  contended,  ///< others were at work on the same rows; the same again may go through
  lost,       ///< the server ends the connection, or takes none now
  lasting,    ///< anything else
};

[[nodiscard]] inline bool is_of_class(std::string_view state, std::string_view whole) noexcept {
  return state.substr(0, 2) == whole;
}

/// What two made at once, a row or a table, and the guard of a remembered row (22012) are
/// contention too.
[[nodiscard]] inline Trouble trouble_of(std::string_view state) noexcept {
  if (state == "40001" || state == "40P01" || state == "23505" || state == "22012" ||
      state == "55P03" || state == "42P06" || state == "42P07")
    return Trouble::contended;
  if (is_of_class(state, "08") || state == "57P01" || state == "57P02" || state == "57P03" ||
      state == "57P05" || state == "53300" || state == "25P03")
    return Trouble::lost;
  return Trouble::lasting;
}

/// What a SQLSTATE means to a caller whose transaction was rolled back. `where` names the database
/// and holds no password.
[[nodiscard]] inline Error describe(std::string_view state, std::string_view words,
                                    const std::string& where) {
  const std::string said = where + ": " + std::string(words);
  if (trouble_of(state) == Trouble::contended)
    return {Errc::timeout, said + "; others were at work on the same records, nothing was written"};
  if (trouble_of(state) == Trouble::lost)
    return {Errc::unavailable, said + "; nothing was written"};
  if (state == "57014")
    return {Errc::timeout, said + "; nothing was written: see the server's statement_timeout"};
  if (is_of_class(state, "28") || state == "42501")
    return {Errc::refused, said + "; see the user, the password and the privileges it has"};
  if (state == "3D000") return {Errc::not_found, said + "; make it, or name another"};
  if (state == "53100" || state == "53400")
    return {Errc::io, said + "; the server has no room, nothing was written: free some there"};
  if (state == "25006")
    return {Errc::io, said +
                          "; the server is a replica or read-only, nothing was written: name the "
                          "primary (target_session_attrs=read-write)"};
  if (is_of_class(state, "54") || state == "22023")
    return {Errc::too_large, said + "; nothing was written"};
  if (state == "53200") return {Errc::unavailable, said + "; nothing was written: try later"};
  if (is_of_class(state, "XX") || is_of_class(state, "23"))
    return {Errc::corrupt, said + "; the tables are left as they are: see the server's log"};
  if (state == "42P01" || state == "42703" || state == "3F000")
    return {Errc::corrupt, said + "; the tables are not as persist made them: restore a backup"};
  return {Errc::io, said + " (SQLSTATE " + std::string(state) + "); nothing was written"};
}

}  // namespace persist::inline PERSIST_ABI::backend::postgres
