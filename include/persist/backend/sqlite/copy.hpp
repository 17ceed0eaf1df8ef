#pragma once

#include <persist/backend/sqlite/connection.hpp>
#include <persist/detail/os_file.hpp>
#include <persist/result.hpp>

#include <memory>
#include <string>

namespace persist::inline PERSIST_ABI::backend::sqlite {

/// Copies page by page into a file that is there, as of one moment; who writes goes on meanwhile.
[[nodiscard]] inline Result<void> copy_pages(const std::string& from, const std::string& to) {
  Connection source, target;
  source.open(from);
  target.open(to);
  if (!source.good()) return source.error();
  if (!target.good()) return target.error();
  sqlite3_backup* copy = sqlite3_backup_init(target.get(), "main", source.get(), "main");
  if (copy == nullptr) {
    target.note(sqlite3_errcode(target.get()));
    return target.error();
  }
  int code = SQLITE_OK;
  do
    code = sqlite3_backup_step(copy, 1 << 20);  // and what is written meanwhile is not seen
  while (code == SQLITE_OK);
  sqlite3_backup_finish(copy);
  if (code == SQLITE_DONE) return success;
  target.note(code);
  return target.error();
}

/// Makes a copy that appears whole and synced under its name, or not at all.
[[nodiscard]] inline Result<void> copy_database(const std::string& from, const std::string& to) {
  using persist::detail::os::Access;
  const persist::detail::os::Files files;
  if (const auto there = files.open(to, Access::read); !there && there.error().os_error() != ENOENT)
    return there.error();
  else if (there)
    return Error(Errc::invalid, to + " is there already; nothing was copied: name another file");
  const std::string part = to + ".part";
  if (const auto made = files.open(part, Access::create); !made) {
    if (made.error().os_error() != EEXIST) return made.error();
    return Error(Errc::invalid, part +
                                    " is there already: another copy is being made, or was not "
                                    "finished and can be removed");
  }
  Result<void> done = copy_pages(from, part);
  if (done) {
    const auto file = files.open(part, Access::write);
    done = file ? files.sync(*file) : Result<void>(file.error());
  }
  if (done) done = files.rename(part, to);
  if (!done) {
    (void)files.remove(part);
    return done;
  }
  return files.sync_folder(persist::detail::os::parent_of(to));
}

}  // namespace persist::inline PERSIST_ABI::backend::sqlite
