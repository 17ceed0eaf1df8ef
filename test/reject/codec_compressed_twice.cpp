// expect: compress first: what is sealed or compressed gets no smaller
#include <persist/persist.hpp>

struct Halves {
  static constexpr int id = 130;
  static constexpr std::string_view name = "halves";
  static std::size_t compress(persist::ByteView, std::span<std::byte>) { return 0; }
  static persist::Result<void> decompress(persist::ByteView, std::span<std::byte>) {
    return persist::success;
  }
};
using Once = persist::codec::Compressed<persist::codec::Packed, Halves>;

#ifdef PERSIST_REJECT_CONTROL
using Codec = Once;
#else
using Codec = persist::codec::Compressed<Once, Halves>;
#endif
static_assert(Codec::id != 0);
