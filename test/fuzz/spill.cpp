#include <persist/spill/bytes.hpp>

#include <fuzz/target.hpp>

namespace {

using namespace persist;

Buffer encoded(const spill::Entry& entry) {
  Buffer bytes;
  fuzz::require(bool(spill::encode(entry, bytes)), "what was read can be written");
  return bytes;
}

}  // namespace

// An entry of the spill journal whose payload is the input, with sums that fit, as a hostile writer
// has it; and the input as the whole file. It is read or refused; what is read is the same when it
// was written and read once more.
FUZZ_TARGET(spill) {
  if (const auto read = spill::decode(input); !read)
    fuzz::require(read.is(Errc::corrupt) || read.is(Errc::too_new), "damage is named as such");
  Buffer file;
  file.append(spill::magic);
  append_little(file, spill::format);
  append_little(file, static_cast<std::uint32_t>(input.size()));
  append_little(file, detail::crc32c(input));
  append_little(file, detail::crc32c(file));
  file.append(input);
  const auto read = spill::decode(file);
  if (!read) {
    fuzz::require(read.is(Errc::corrupt), "what makes no sense is named as such");
    return false;
  }
  fuzz::require(read->data_bytes() <= input.size(), "nothing is there that was not");
  const Buffer once = encoded(*read);
  const auto again = spill::decode(once);
  fuzz::require(again && encoded(*again) == once, "it stays as it is");
  return true;
}
