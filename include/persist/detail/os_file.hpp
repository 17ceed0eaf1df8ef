#pragma once

#include <persist/bytes.hpp>
#include <persist/result.hpp>

#include <algorithm>
#include <cerrno>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#if defined(__linux__)
#include <sys/vfs.h>
#else
#include <sys/mount.h>
#include <sys/param.h>
#endif
#include <unistd.h>

// The only place that makes file system calls. `backend::BasicFile<Files>` takes this policy as a
// template argument, so that tests can put a disk that fails in its place and users pay nothing.

namespace persist::inline PERSIST_ABI::detail::os {

/// `io` with errno's words, saying what was done to which file.
[[nodiscard]] inline Error io_error(std::string_view what, std::string_view path, int number) {
  return Error(Errc::io, "cannot " + std::string(what) + " " + std::string(path)).with_os(number);
}

/// The name of a file system that other machines write to as well, by the number that Linux has for
/// it; empty: none that is known.
[[nodiscard]] constexpr std::string_view network_name(std::uint64_t type) noexcept {
  constexpr struct {
    std::uint64_t type;
    std::string_view name;
  } known[] = {{0x6969, "NFS"},      {0x517b, "SMB"},       {0xff534d42, "CIFS"},
               {0xfe534d42, "SMB2"}, {0x01021997, "9P"},    {0x5346414f, "AFS"},
               {0x00c36400, "Ceph"}, {0x73757245, "Coda"},  {0x564c, "NCP"},
               {0x01161970, "GFS2"}, {0x7461636f, "OCFS2"}, {0x786f4256, "VirtualBox"}};
  for (const auto& each : known)
    if (each.type == type) return each.name;
  return {};
}
/// On which such file system a file or folder lies, where the system tells; empty: on none.
[[nodiscard]] inline Result<std::string_view> network_file_system(const std::string& path) {
  struct statfs about {};
  if (::statfs(path.c_str(), &about) != 0) return io_error("look at", path, errno);
#if defined(__linux__)
  return network_name(static_cast<std::uint32_t>(about.f_type));
#else
  return std::string_view((about.f_flags & MNT_LOCAL) != 0 ? "" : "network");
#endif
}

/// Where the name of a file or folder lies.
[[nodiscard]] inline std::string parent_of(std::string_view path) {
  const std::size_t slash = path.find_last_of('/');
  if (slash == path.npos) return ".";
  return std::string(path.substr(0, slash == 0 ? 1 : slash));
}

/// An open file; closes itself.
class FileHandle {
 public:
  FileHandle() noexcept = default;
  FileHandle(int descriptor, std::string path) noexcept
      : descriptor_(descriptor), path_(std::move(path)) {}
  FileHandle(FileHandle&& other) noexcept
      : descriptor_(std::exchange(other.descriptor_, -1)), path_(std::move(other.path_)) {}
  FileHandle& operator=(FileHandle other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    path_.swap(other.path_);
    return *this;
  }
  ~FileHandle() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  [[nodiscard]] int descriptor() const noexcept { return descriptor_; }
  [[nodiscard]] const std::string& path() const noexcept { return path_; }

 private:
  int descriptor_ = -1;
  std::string path_;
};

enum class Access : std::uint8_t {
  read,    ///< it must exist
  write,   ///< it must exist; for reading too
  create,  ///< made anew; it must not exist
  share,   ///< made where there is none: the lock file
};

/// The file system of the machine. Files are made 0600, folders 0700. All calls block; none retries
/// but after an interrupted call, and none is retried after a failed sync.
struct Files {
  using Handle = FileHandle;

  [[nodiscard]] Result<Handle> open(const std::string& path, Access access) const {
    constexpr int flags[] = {O_RDONLY, O_RDWR, O_RDWR | O_CREAT | O_EXCL, O_RDWR | O_CREAT};
    // To open a pipe that somebody put there would wait for its other end, for ever.
    const int got =
        ::open(path.c_str(), flags[static_cast<int>(access)] | O_CLOEXEC | O_NONBLOCK, 0600);
    if (got < 0) return io_error("open", path, errno);
    return Handle(got, path);
  }
  /// Fills `to` from `offset` on; a count below its size is the end of the file.
  [[nodiscard]] Result<std::size_t> read_at(const Handle& file, std::uint64_t offset,
                                            std::span<std::byte> to) const {
    std::size_t done = 0;
    while (done < to.size()) {
      const ssize_t got = ::pread(file.descriptor(), to.data() + done, to.size() - done,
                                  static_cast<off_t>(offset + done));
      if (got == 0) break;
      if (got < 0 && errno != EINTR) return io_error("read", file.path(), errno);
      if (got > 0) done += static_cast<std::size_t>(got);
    }
    return done;
  }
  /// Writes the pieces one behind the other, all of them, or fails; after a failure any part may
  /// have been written.
  [[nodiscard]] Result<void> write_at(const Handle& file, std::uint64_t offset,
                                      std::span<const ByteView> pieces) const {
    constexpr std::size_t most = 512;  // every system takes so many at once
    std::size_t done = 0;              // of the first piece
    while (!pieces.empty()) {
      ::iovec next[most];
      int count = 0;
      for (const ByteView piece : pieces.first((std::min)(most, pieces.size()))) {
        const ByteView left = piece.subspan(count == 0 ? done : 0);
        next[count++] = {const_cast<std::byte*>(left.data()), left.size()};  // it is only read
      }
      const ssize_t got = ::pwritev(file.descriptor(), next, count, static_cast<off_t>(offset));
      if (got < 0 && errno != EINTR) return io_error("write to", file.path(), errno);
      if (got < 0) continue;
      offset += static_cast<std::uint64_t>(got);
      done += static_cast<std::size_t>(got);
      for (; !pieces.empty() && done >= pieces.front().size(); pieces = pieces.subspan(1))
        done -= pieces.front().size();
    }
    return success;
  }
  [[nodiscard]] Result<void> write_at(const Handle& file, std::uint64_t offset,
                                      ByteView bytes) const {
    return write_at(file, offset, {&bytes, 1});
  }
  [[nodiscard]] Result<std::uint64_t> size(const Handle& file) const {
    struct stat about {};
    if (::fstat(file.descriptor(), &about) != 0) return io_error("look at", file.path(), errno);
    return static_cast<std::uint64_t>(about.st_size);
  }
  [[nodiscard]] Result<void> truncate(const Handle& file, std::uint64_t size) const {
    if (::ftruncate(file.descriptor(), static_cast<off_t>(size)) != 0)
      return io_error("cut back", file.path(), errno);
    return success;
  }
  /// Returns when the file's bytes and length survive a power cut. After a failure the system may
  /// have dropped them for good: a second call would lie.
  [[nodiscard]] Result<void> sync(const Handle& file) const {
#if defined(__APPLE__)
    const int failed = ::fcntl(file.descriptor(), F_FULLFSYNC);
#else
    const int failed = ::fdatasync(file.descriptor());
#endif
    if (failed != 0) return io_error("sync", file.path(), errno);
    return success;
  }
  /// Makes names that were given or removed in a folder survive a power cut.
  [[nodiscard]] Result<void> sync_folder(const std::string& path) const {
    const int got = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (got < 0) return io_error("open", path, errno);
    const Handle folder(got, path);
    if (::fsync(got) != 0) return io_error("sync", path, errno);
    return success;
  }
  [[nodiscard]] Result<void> rename(const std::string& from, const std::string& to) const {
    if (::rename(from.c_str(), to.c_str()) != 0) return io_error("rename", from, errno);
    return success;
  }
  [[nodiscard]] Result<void> remove(const std::string& path) const {
    if (::unlink(path.c_str()) != 0) return io_error("remove", path, errno);
    return success;
  }
  /// Makes a folder; one that is there already is fine. Says whether it was made.
  [[nodiscard]] Result<bool> make_folder(const std::string& path) const {
    if (::mkdir(path.c_str(), 0700) == 0) return true;
    const int why = errno;
    struct stat about {};
    if (why == EEXIST && ::stat(path.c_str(), &about) == 0 && S_ISDIR(about.st_mode)) return false;
    return io_error("make the folder", path, why);
  }
  [[nodiscard]] Result<std::vector<std::string>> list(const std::string& path) const {
    DIR* folder = ::opendir(path.c_str());
    if (folder == nullptr) return io_error("list", path, errno);
    std::vector<std::string> names;
    errno = 0;
    while (const dirent* entry = ::readdir(folder))
      names.emplace_back(entry->d_name);
    const int why = errno;
    ::closedir(folder);
    if (why != 0) return io_error("list", path, why);
    return names;
  }
  /// Takes the file's lock for as long as the handle lives; false where another handle, of this
  /// process or another, has it.
  [[nodiscard]] Result<bool> lock(const Handle& file) const {
    return lock_call(file, set_lock, 0, 0);
  }
  /// Whether another handle has the lock; takes nothing.
  [[nodiscard]] Result<bool> is_locked(const Handle& file) const {
    return lock_call(file, query_lock, 0, 0);
  }
  /// The same for one byte, which need not be there: a place below 2^63.
  [[nodiscard]] Result<bool> lock_byte(const Handle& file, std::uint64_t place) const {
    return lock_call(file, set_lock, static_cast<off_t>(place), 1);
  }
  [[nodiscard]] Result<bool> is_byte_locked(const Handle& file, std::uint64_t place) const {
    return lock_call(file, query_lock, static_cast<off_t>(place), 1);
  }

 private:
#if defined(F_OFD_SETLK)  // belong to the handle; older locks are lost when any handle is closed
  static constexpr int set_lock = F_OFD_SETLK, query_lock = F_OFD_GETLK;
#else
  static constexpr int set_lock = F_SETLK, query_lock = F_GETLK;
#endif
  static Result<bool> lock_call(const Handle& file, int command, off_t start, off_t length) {
    struct flock lock {};
    lock.l_type = F_WRLCK;
    lock.l_whence = SEEK_SET;
    lock.l_start = start;
    lock.l_len = length;
    if (::fcntl(file.descriptor(), command, &lock) == 0)
      return command == set_lock || lock.l_type != F_UNLCK;
    if (command == set_lock && (errno == EAGAIN || errno == EACCES)) return false;
    return io_error("lock", file.path(), errno);
  }
};

}  // namespace persist::inline PERSIST_ABI::detail::os
