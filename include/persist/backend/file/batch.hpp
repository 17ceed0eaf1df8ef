#pragma once

#include <persist/backend/file/layout.hpp>

#include <span>
#include <vector>

namespace persist::inline PERSIST_ABI::backend::file {

/// The bytes of one batch, which begin with room for its header. What is long stays where it lies
/// and is written from there: the data of a thousand saves is not put together in one more buffer
/// first, whose memory would be fresh each time. Used again for the next batch.
class Batch {
 public:
  Batch() { clear(); }

  /// For heads and what is short; only ever appended to.
  [[nodiscard]] Buffer& own() noexcept { return own_; }
  [[nodiscard]] std::uint64_t size() const noexcept { return own_.size() + elsewhere_; }
  /// Of that, the bytes that are not in `own()`.
  [[nodiscard]] std::uint64_t elsewhere() const noexcept { return elsewhere_; }
  /// Goes on with bytes that stay as they are until the batch was written.
  void add(ByteView bytes) {
    if (bytes.size() < worth_a_piece) return own_.append(bytes);
    inserted_.push_back({own_.size(), bytes});
    elsewhere_ += bytes.size();
  }
  /// All of it, in order; valid until something is added.
  [[nodiscard]] std::span<const ByteView> pieces() {
    pieces_.clear();
    std::size_t at = 0;
    for (const Insert& insert : inserted_) {
      if (insert.at != at) pieces_.push_back(own_.view().subspan(at, insert.at - at));
      pieces_.push_back(insert.bytes);
      at = insert.at;
    }
    pieces_.push_back(own_.view().subspan(at));
    return pieces_;
  }
  /// Fills in the header, of which the length and the sum are the batch's own.
  void seal(const BatchHeader& header) { file::seal(own_.data(), header, pieces()); }
  void clear() {
    own_.clear();
    if (own_.capacity() > kept) own_ = Buffer();
    (void)own_.grow(batch_header_size);
    inserted_.clear();
    elsewhere_ = 0;
  }

 private:
  /// Copying less than this costs no more than to name it to the system.
  static constexpr std::size_t worth_a_piece = 512;
  static constexpr std::size_t kept = std::size_t{1} << 20;

  struct Insert {
    std::size_t at;  ///< of `own_`, before which it comes
    ByteView bytes;
  };
  Buffer own_;
  std::vector<Insert> inserted_;
  std::vector<ByteView> pieces_;
  std::uint64_t elsewhere_ = 0;
};

}  // namespace persist::inline PERSIST_ABI::backend::file
