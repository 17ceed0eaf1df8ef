#pragma once

#include <persist/backend/file/log.hpp>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <string>

namespace persist::inline PERSIST_ABI::backend::file {

/// Copies the first `size` bytes of a file into a new one and syncs it.
template <class Files>
[[nodiscard]] Result<void> copy_bytes(const Files& files, const typename Files::Handle& from,
                                      std::uint64_t size, const std::string& path) {
  // A segment may be a gigabyte: it is copied in pieces.
  constexpr std::uint64_t most = std::uint64_t{1} << 20;
  auto to = files.open(path, detail::os::Access::create);
  if (!to) return to.error();
  Buffer piece;
  for (std::uint64_t at = 0; at < size;) {
    piece.clear();
    const auto wanted = static_cast<std::size_t>((std::min)(most, size - at));
    const auto got = files.read_at(from, at, {piece.grow(wanted), wanted});
    if (!got) return got.error();
    if (*got != wanted) return Error(Errc::io, "a segment became shorter while it was copied");
    if (const auto wrote = files.write_at(*to, at, piece); !wrote) return wrote;
    at += wanted;
  }
  return files.sync(*to);
}

/// Whether a folder may become the copy: it is not there, or nothing is in it.
template <class Files>
[[nodiscard]] bool is_free(const Files& files, const std::string& folder) {
  const auto names = files.list(folder);
  if (!names) return names.error().os_error() == ENOENT;
  return std::all_of(names->begin(), names->end(),
                     [](const std::string& name) { return name == "." || name == ".."; });
}

/// Writes what a log holds now into `folder`. Batches are whole and never change, so nobody has to
/// wait meanwhile. It is written beside, synced, and given its name at the end: a copy that is
/// there is whole. `invalid`: something is in the folder, or in the one beside it that a copy which
/// broke off has left; both are left alone. `io` leaves an unfinished one.
template <class Files>
[[nodiscard]] Result<void> copy_log(const Log<Files>& log, std::string folder) {
  while (folder.size() > 1 && folder.back() == '/')
    folder.pop_back();
  const Files& files = log.files;
  const std::string draft = folder + ".new";
  for (const std::string& path : {folder, draft})
    if (!is_free(files, path))
      return Error(Errc::invalid, path + " is no empty folder: choose another name, or remove it");
  if (const auto made = files.make_folder(draft); !made) return made.error();
  for (const auto& [segment, size, name] : log.segments()) {
    const std::string path = draft + "/" + name;
    if (const auto copied = copy_bytes(files, segment->file, size, path); !copied) return copied;
  }
  if (const auto named = files.sync_folder(draft); !named) return named;
  if (const auto named = files.rename(draft, folder); !named) return named;
  const std::size_t slash = folder.find_last_of('/');
  return files.sync_folder(slash == folder.npos ? "." : slash == 0 ? "/" : folder.substr(0, slash));
}

}  // namespace persist::inline PERSIST_ABI::backend::file
