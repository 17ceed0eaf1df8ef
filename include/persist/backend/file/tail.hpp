#pragma once

#include <persist/backend/file/log.hpp>

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

// Side files: what of a torn batch is on disk is moved there and not thrown away.

namespace persist::inline PERSIST_ABI::backend::file {

inline constexpr std::string_view tail_prefix = "torn-", tail_end = ".tail";
inline constexpr std::size_t most_tails = 8;  ///< that are kept

/// Keeps room for one more: a server that is killed every night leaves no heap of them.
template <class Files>
void drop_old_tails(const Log<Files>& log) {
  auto names = log.files.list(log.folder());
  if (!names) return;
  std::erase_if(*names, [](std::string_view name) {
    return !name.starts_with(tail_prefix) || !name.ends_with(tail_end);
  });
  std::sort(names->begin(), names->end());  // by run, which comes first and is of one length
  for (std::size_t i = 0; i + most_tails <= names->size(); ++i)
    (void)log.files.remove(log.path((*names)[i]));
}

/// Writes a side file, synced, and answers its path.
template <class Files>
[[nodiscard]] Result<std::string> save_tail(const Log<Files>& log, std::uint64_t run,
                                            std::uint32_t segment, std::uint64_t offset,
                                            ByteView tail) {
  drop_old_tails(log);
  std::string side =
      log.path(std::string(tail_prefix) + digits(run) + "-" + std::to_string(segment) + "-" +
               std::to_string(offset) + std::string(tail_end));
  (void)log.files.remove(side);  // of an open that ended here
  const auto file = log.files.open(side, detail::os::Access::create);
  if (!file) return file.error();
  if (const auto wrote = log.files.write_at(*file, 0, tail); !wrote) return wrote.error();
  if (const auto synced = log.files.sync(*file); !synced) return synced.error();
  if (const auto named = log.files.sync_folder(log.folder()); !named) return named.error();
  return side;
}

}  // namespace persist::inline PERSIST_ABI::backend::file
