#pragma once

#include <persist/detail/os.hpp>
#include <persist/detail/os_file.hpp>
#include <persist/record/head.hpp>

#include <cstdint>
#include <string>
#include <utility>

namespace persist::inline PERSIST_ABI::backend::sqlite {

/// Who of the owners is still there. Each open database locks one byte of a file beside it, at the
/// place that its owners' random number names; the machine gives the lock back however the process
/// ends, and no lock outlives a boot. So the lease of whoever's byte is free is over, and of one
/// whose byte is locked the boot clock is this one's.
class Presence {
 public:
  Presence() = default;

  /// `path` must be the database's one true path, so that all who open it meet.
  [[nodiscard]] static Result<Presence> announce(const std::string& path) {
    const detail::os::Files files;
    auto file = files.open(path + "-persist-open", detail::os::Access::share);
    if (!file) return file.error();
    for (;;) {
      Presence here;
      here.nonce_ = detail::os::random_bits() | 1;
      const auto locked = files.lock_byte(*file, place_of(here.nonce_));
      if (!locked) return locked.error();
      if (!*locked) continue;  // another's, and the next is not
      here.file_ = std::move(*file);
      return here;
    }
  }

  [[nodiscard]] std::uint64_t nonce() const noexcept { return nonce_; }
  /// Where that cannot be found out a lease is left to its clock.
  [[nodiscard]] bool is_there(std::uint64_t nonce) const {
    if (nonce == nonce_) return true;
    const auto locked = detail::os::Files{}.is_byte_locked(file_, place_of(nonce));
    return !locked || *locked;
  }
  /// Ends the lease of an owner that is gone. Expired, not cleared: it is still the owner.
  void judge(Head& head, TimePoint now) const {
    if (head.leased_at(now) && !is_there(head.fence.owner.nonce)) head.renewed = now - head.lease;
  }

 private:
  [[nodiscard]] static std::uint64_t place_of(std::uint64_t nonce) noexcept { return nonce >> 2; }

  detail::os::FileHandle file_;
  std::uint64_t nonce_ = 0;
};

}  // namespace persist::inline PERSIST_ABI::backend::sqlite
