#pragma once

#include <persist/bytes.hpp>
#include <persist/schema/value/reader.hpp>
#include <persist/schema/value/walk.hpp>
#include <persist/schema/value/writer.hpp>

#include <cstddef>
#include <cstdint>
#include <deque>

// A format with bytes, for tests that have no codec: the bytes of an item are the number of a
// value.

namespace test {

inline std::deque<persist::Value>& raw_items() {
  static std::deque<persist::Value> items;
  return items;
}

class RawReader : public persist::schema::ValueReader {
 public:
  explicit RawReader(const persist::Value& from) : ValueReader(from) {}
  RawReader(persist::ByteView raw, persist::schema::Limits)
      : ValueReader(raw_items().at(persist::load_little<std::uint64_t>(raw.data()))) {}

  bool skip(persist::ByteView& raw) {
    persist::Value item;
    if (!persist::schema::read_value(static_cast<ValueReader&>(*this), item)) return false;
    persist::store_little(bytes_, std::uint64_t{raw_items().size()});
    raw_items().push_back(item);
    raw = bytes_;
    return true;
  }

 private:
  std::byte bytes_[8];
};

class RawWriter : public persist::schema::ValueWriter {
 public:
  using reader = RawReader;
  int raw_written = 0;

  void raw(persist::ByteView item) {
    ++raw_written;
    persist::schema::write_value(static_cast<ValueWriter&>(*this),
                                 raw_items().at(persist::load_little<std::uint64_t>(item.data())));
  }
};

}  // namespace test
