#pragma once

#include <persist/bytes.hpp>
#include <persist/detail/os_file.hpp>
#include <persist/detail/siphash.hpp>
#include <persist/result.hpp>
#include <persist/spill/bytes.hpp>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// The folder of spilled entries: one file each, so that an entry goes with one `unlink`, and one
// that is damaged takes no other with it. Several stores may share a folder; each has the files
// that begin with its prefix, and one process at a time has those.

namespace persist::inline PERSIST_ABI::spill {

/// The name of an entry's file: `PREFIX-NUMBER.END`.
struct FileName {
  static constexpr std::string_view waits = ".spill", refused = ".refused", partial = ".tmp";

  std::string prefix;  ///< of the store
  std::uint64_t number = 0;
  std::string_view end = waits;

  /// At least eight digits, so that names sort as they were written.
  [[nodiscard]] std::string text() const {
    const std::string digits = std::to_string(number);
    return prefix + '-' + std::string(digits.size() < 8 ? 8 - digits.size() : 0, '0') + digits +
           std::string(end);
  }
  [[nodiscard]] static std::optional<FileName> read(std::string_view name) {
    constexpr std::uint64_t most = std::uint64_t{1} << 53;
    FileName made;
    const std::string_view ends[] = {waits, refused, partial};
    const auto* end = std::find_if(std::begin(ends), std::end(ends),
                                   [&](std::string_view each) { return name.ends_with(each); });
    if (end == std::end(ends)) return std::nullopt;
    made.end = *end;
    const std::string_view rest = name.substr(0, name.size() - end->size());
    const std::size_t dash = rest.rfind('-');
    if (dash == rest.npos) return std::nullopt;
    made.prefix = rest.substr(0, dash);
    const char* const stop = rest.data() + rest.size();
    const auto [at, wrong] = std::from_chars(rest.data() + dash + 1, stop, made.number);
    if (wrong != std::errc{} || at != stop || made.number >= most || made.text() != name)
      return std::nullopt;
    return made;
  }
  /// What the files of a store begin with: as much of its name as every file system takes, and a
  /// hash of all of it.
  [[nodiscard]] static std::string prefix_of(std::string_view store) {
    std::string made;
    for (const char letter : store.substr(0, 32)) {
      const bool plain = (letter >= '0' && letter <= '9') || (letter >= 'A' && letter <= 'Z') ||
                         (letter >= 'a' && letter <= 'z');
      made += plain ? letter : '_';
    }
    constexpr std::uint64_t key = 0x7370696c6c206a6f;  // part of the format
    const auto digest = persist::detail::siphash128({key, key}, as_bytes(store));
    constexpr std::string_view digits = "0123456789abcdef";
    made += '.';
    for (std::size_t i = 0; i < 8; ++i) {
      const auto byte = static_cast<unsigned>(digest[i]);
      made += {digits[byte >> 4], digits[byte & 15]};
    }
    return made;
  }
};

[[nodiscard]] inline std::string path_in(const std::string& folder, const std::string& file) {
  return folder + '/' + file;
}

/// The entries of a folder, of all stores or those of one prefix, as they were written.
template <class Files>
[[nodiscard]] Result<std::vector<FileName>> list_entries(const Files& files,
                                                         const std::string& folder,
                                                         std::string_view prefix = {}) {
  auto names = files.list(folder);
  if (!names) return names.error();
  std::vector<FileName> found;
  for (const std::string& name : *names)
    if (auto file = FileName::read(name); file && (prefix.empty() || file->prefix == prefix))
      found.push_back(*std::move(file));
  std::sort(found.begin(), found.end(), [](const FileName& a, const FileName& b) {
    return a.prefix != b.prefix ? a.prefix < b.prefix : a.number < b.number;
  });
  return found;
}

/// Reads one entry; takes no more memory than its file has bytes. `corrupt`, `too_new`, `io`.
template <class Files>
[[nodiscard]] Result<Entry> read_entry(const Files& files, const std::string& path) {
  using persist::detail::os::Access;
  auto file = files.open(path, Access::read);
  if (!file) return file.error();
  std::byte header[header_size];
  const auto got = files.read_at(*file, 0, header);
  if (!got) return got.error();
  const auto size = size_of(ByteView(header, *got));
  if (!size) return size.error();
  const auto there = files.size(*file);
  if (!there) return there.error();
  if (*there != *size) return detail::corrupt("is cut off, or something lies behind it");
  Buffer bytes;
  const auto read = files.read_at(*file, 0, {bytes.grow(*size), *size});
  if (!read) return read.error();
  bytes.shrink(*read);
  return decode(bytes);
}

/// Takes the entries of a store for as long as the handle lives. `locked` where another process has
/// them; `io`.
template <class Files>
[[nodiscard]] Result<typename Files::Handle> lock_entries(const Files& files,
                                                          const std::string& folder,
                                                          const std::string& prefix) {
  const std::string path = path_in(folder, prefix + ".lock");
  auto lock = files.open(path, persist::detail::os::Access::share);
  if (!lock) return lock;
  const auto taken = files.lock(*lock);
  if (!taken) return taken.error();
  if (*taken) return lock;
  return Error(Errc::locked, "another process has the spilled entries of this store in " + folder +
                                 "; give each server a folder of its own");
}

/// The files of one store in the folder, locked against other processes while this lives. For one
/// thread at a time. Every call blocks.
template <class Files = persist::detail::os::Files>
class Journal {
 public:
  /// What is to be written, and what became of it.
  struct Written {
    Buffer bytes;
    std::string file{};  ///< once it is there
    Error error{Errc{}};
  };

  /// Makes the folder where there is none; its parent must be there. `locked` where another process
  /// has the files of this store; `io`.
  ///
  /// What a process had written and not yet named when it was killed is an entry like any other,
  /// where it is whole.
  [[nodiscard]] static Result<Journal> open(const std::string& folder, std::string_view store,
                                            Files files = {}) {
    const auto made = files.make_folder(folder);
    if (!made) return made.error();
    if (auto named = files.sync_folder(persist::detail::os::parent_of(folder)); !named && *made)
      return named.error();
    Journal journal(folder, FileName::prefix_of(store), std::move(files));
    auto lock = lock_entries(journal.files_, folder, journal.prefix_);
    if (!lock) return lock.error();
    journal.lock_ = std::move(*lock);
    if (auto finished = journal.finish(); !finished) return finished.error();
    return journal;
  }

  [[nodiscard]] const std::string& folder() const noexcept { return folder_; }
  [[nodiscard]] Result<std::vector<FileName>> list() const {
    return list_entries(files_, folder_, prefix_);
  }
  [[nodiscard]] Result<Entry> read(const std::string& file) const {
    return read_entry(files_, path(file));
  }

  /// Writes entries, each there whole or not at all, also after a power cut: all are written before
  /// the first is synced, and synced before the first gets its name, so that they share what the
  /// disk does. Each that fails says why and leaves nothing, if the disk lets it.
  void write(std::span<Written> batch) {
    std::vector<Open> open(batch.size());
    for (std::size_t i = 0; i < batch.size(); ++i)
      put(batch[i], open[i]);
    const auto each = [&](auto&& step) {
      for (std::size_t i = 0; i < batch.size(); ++i) {
        if (failed(batch[i].error)) continue;
        if (auto done = step(open[i]); !done) batch[i].error = done.error();
      }
    };
    each([&](Open& one) { return files_.sync(*one.file); });
    each([&](Open& one) {
      const std::string partial = one.name.text();
      auto done = files_.rename(path(partial), path(named(one.name, FileName::waits)));
      if (done) one.name.end = FileName::waits;
      return done;
    });
    const auto synced = files_.sync_folder(folder_);
    each([&](Open&) { return Result<void>(synced); });
    for (std::size_t i = 0; i < batch.size(); ++i) {
      if (!failed(batch[i].error))
        batch[i].file = open[i].name.text();
      else if (open[i].file)
        (void)files_.remove(path(open[i].name.text()));
    }
  }
  /// The entry is kept and not sent again by itself. Says its new name.
  [[nodiscard]] Result<std::string> refuse(const std::string& file) {
    const auto name = FileName::read(file);
    if (!name) return Error(Errc::invalid, file + " is not the name of an entry");
    const std::string to = named(*name, FileName::refused);
    if (auto done = files_.rename(path(file), path(to)); !done) return done.error();
    if (auto done = files_.sync_folder(folder_); !done) return done.error();
    return to;
  }
  /// Not synced: an entry that a power cut brings back is sent once more, which changes nothing.
  [[nodiscard]] Result<void> remove(const std::string& file) { return files_.remove(path(file)); }

 private:
  using Access = persist::detail::os::Access;
  struct Open {
    FileName name;
    std::optional<typename Files::Handle> file;
  };

  Journal(std::string folder, std::string prefix, Files files)
      : files_(std::move(files)), folder_(std::move(folder)), prefix_(std::move(prefix)) {}

  [[nodiscard]] std::string path(const std::string& file) const { return path_in(folder_, file); }
  [[nodiscard]] static std::string named(FileName name, std::string_view end) {
    name.end = end;
    return name.text();
  }
  void put(Written& entry, Open& one) {
    one.name = {prefix_, ++last_, FileName::partial};
    auto file = files_.open(path(one.name.text()), Access::create);
    if (!file) {
      entry.error = file.error();
      return;
    }
    one.file.emplace(std::move(*file));
    if (auto done = files_.write_at(*one.file, 0, entry.bytes.view()); !done)
      entry.error = done.error();
  }
  /// Names what was left without its name, and learns which number was the last.
  [[nodiscard]] Result<void> finish() {
    const auto found = list();
    if (!found) return found.error();
    bool any = false;
    for (const FileName& name : *found) {
      last_ = (std::max)(last_, name.number);
      if (name.end != FileName::partial || !read(name.text())) continue;
      auto file = files_.open(path(name.text()), Access::write);
      if (!file) return file.error();
      if (auto synced = files_.sync(*file); !synced) return synced;
      const std::string to = named(name, FileName::waits);
      if (auto done = files_.rename(path(name.text()), path(to)); !done) return done;
      any = true;
    }
    return any ? files_.sync_folder(folder_) : Result<void>(success);
  }

  Files files_;
  std::string folder_;
  std::string prefix_;
  typename Files::Handle lock_;
  std::uint64_t last_ = 0;
};

}  // namespace persist::inline PERSIST_ABI::spill
