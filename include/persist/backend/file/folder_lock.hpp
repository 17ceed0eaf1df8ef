#pragma once

#include <persist/backend/file/options.hpp>
#include <persist/detail/os.hpp>
#include <persist/detail/os_file.hpp>

#include <algorithm>
#include <charconv>
#include <optional>
#include <string>

namespace persist::inline PERSIST_ABI::backend::file {

/// One process at a time: a lock on a file of the folder, with who has it written inside. The lock
/// goes with the handle, so a process that is killed leaves the folder free.
template <class Files>
class FolderLock {
 public:
  /// Takes the lock, waiting for it as long as told; `locked`, naming the holder, if it was not to
  /// be had.
  [[nodiscard]] static Result<FolderLock> take(const Files& files, const std::string& folder,
                                               const FolderHolder& me, Duration patience,
                                               Clock& clock) {
    auto file = files.open(folder + "/lock", detail::os::Access::share);
    if (!file) return file.error();
    const TimePoint deadline = clock.now() + patience;
    Wake nobody;
    for (;;) {
      const auto taken = files.lock(*file);
      if (!taken) return taken.error();
      if (*taken) break;
      const TimePoint now = clock.now();
      if (now >= deadline) {
        const auto holder = read(files, *file);
        const bool is_ours = holder && holder->process == me.process && holder->host == me.host;
        return Error(Errc::locked,
                     folder + " is open in " +
                         (is_ours  ? std::string("this process: copy the backend that has it")
                          : holder ? holder->text()
                                   : std::string("another process")));
      }
      clock.wait_until((std::min)(deadline, now + std::chrono::milliseconds(50)), nobody);
    }
    const std::string text = "process " + std::to_string(me.process) + "\nhost " + me.host +
                             "\nsince_ms " + std::to_string(me.since.time_since_epoch().count()) +
                             "\n";
    Result<void> wrote = files.truncate(*file, 0);
    if (wrote) wrote = files.write_at(*file, 0, as_bytes(text));
    // A full disk must not keep a server from opening its folder: the lock is held, only its
    // holder goes unnamed.
    (void)wrote;
    return FolderLock(std::move(*file));
  }
  /// Who has the folder's lock now; nothing if nobody has. Changes nothing.
  [[nodiscard]] static Result<std::optional<FolderHolder>> holder(const Files& files,
                                                                  const std::string& folder) {
    const auto file = files.open(folder + "/lock", detail::os::Access::read);
    if (!file && file.error().os_error() == ENOENT) return std::optional<FolderHolder>();
    if (!file) return file.error();
    const auto held = files.is_locked(*file);
    if (!held) return held.error();
    if (!*held) return std::optional<FolderHolder>();
    return std::optional(read(files, *file).value_or(FolderHolder{}));
  }

 private:
  using Handle = typename Files::Handle;
  explicit FolderLock(Handle file) : file_(std::move(file)) {}

  [[nodiscard]] static std::optional<FolderHolder> read(const Files& files, const Handle& file) {
    std::byte bytes[512];
    const auto got = files.read_at(file, 0, bytes);
    if (!got) return std::nullopt;
    const std::string_view text = as_text(ByteView(bytes, *got));
    FolderHolder holder;
    const auto number = [](std::string_view digits) {
      std::int64_t value = 0;
      std::from_chars(digits.data(), digits.data() + digits.size(), value);
      return value;
    };
    holder.process = static_cast<std::uint64_t>(number(line(text, "process ")));
    holder.host = line(text, "host ");
    holder.since = WallTime(std::chrono::milliseconds(number(line(text, "since_ms "))));
    return holder.process == 0 ? std::nullopt : std::optional(holder);
  }
  [[nodiscard]] static std::string_view line(std::string_view text, std::string_view name) {
    const std::size_t at = text.find(name);
    if (at == text.npos) return {};
    const std::string_view rest = text.substr(at + name.size());
    return rest.substr(0, rest.find('\n'));
  }

  Handle file_;
};

}  // namespace persist::inline PERSIST_ABI::backend::file
