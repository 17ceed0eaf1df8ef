#include <persist/backend/kv/value.hpp>

#include <fuzz/target.hpp>

#include <string>
#include <vector>

namespace {

using namespace persist;
namespace kv = backend::kv;

/// Stores get numbers as their names come.
struct KvStores {
  std::vector<std::string> names{};

  [[nodiscard]] Result<kv::Record> decode(ByteView value) {
    return kv::decode_record(value, "name", [this](std::string_view name) {
      names.emplace_back(name);
      return StoreId{static_cast<std::uint32_t>(names.size() - 1)};
    });
  }
  [[nodiscard]] Buffer encode(const kv::Record& record) const {
    return kv::encode_record(record, [this](StoreId store) { return names[store.index]; });
  }
};

}  // namespace

// A record's value whose payload is the input, with sums that fit, as a hostile writer has it; and
// the input as the whole value. It is read or refused; what is read is the same when it was written
// and read once more.
FUZZ_TARGET(kv_value) {
  KvStores stores;
  if (const auto read = stores.decode(input); !read)
    fuzz::require(read.is(Errc::corrupt) || read.is(Errc::too_new), "damage is named as such");
  Buffer value;
  kv::begin_value(value, kv::ValueKind::record);
  value.append(input);
  kv::seal_value(value);
  const auto read = stores.decode(value);
  if (!read) {
    fuzz::require(read.is(Errc::corrupt), "what makes no sense is named as such");
    return false;
  }
  std::size_t bytes = read->data.size() + read->metadata.size();
  for (const auto& kept : read->history)
    bytes += kept.data.size();
  fuzz::require(bytes <= input.size(), "nothing is there that was not");
  const Buffer once = stores.encode(*read);
  const auto again = stores.decode(once);
  fuzz::require(again && stores.encode(*again) == once, "it stays as it is");
  return true;
}
