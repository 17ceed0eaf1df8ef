#include <persist/backend/file/batch.hpp>

#include <gtest/gtest.h>

#include <string>

namespace {

using namespace persist;
using namespace persist::backend::file;

std::string joined(Batch& batch) {
  std::string all;
  for (const ByteView piece : batch.pieces())
    all += as_text(piece);
  return all;
}

TEST(FileBatch, WhatIsLongStaysWhereItLiesAndTheOrderIsKept) {
  const std::string first(5000, 'a'), second(600, 'b'), third(512, 'c');
  Batch batch;
  batch.add(as_bytes(first));
  batch.own().append(std::string_view("between"));
  batch.add(as_bytes("short"));
  batch.add(as_bytes(second));
  batch.add(as_bytes(third));
  const auto pieces = batch.pieces();
  EXPECT_EQ(pieces[1].data(), as_bytes(first).data()) << "not copied";
  EXPECT_EQ(batch.own().size(), batch_header_size + 12);
  EXPECT_EQ(batch.size(), batch.own().size() + batch.elsewhere());
  EXPECT_EQ(joined(batch).substr(batch_header_size), first + "betweenshort" + second + third);
  EXPECT_EQ(joined(batch).size(), batch.size());
}

TEST(FileBatch, ItsHeaderIsThatOfTheSameBytesInOnePiece) {
  const std::string part(1000, 'x');
  Batch batch;
  batch.own().append(std::string_view("head"));
  batch.add(as_bytes(part));
  batch.own().append(std::string_view("tail"));
  Buffer whole(as_bytes(joined(batch)));
  batch.seal({7, 5, 4, 0, 0});
  seal(whole, {7, 5, 4, 0, 0});
  EXPECT_EQ(joined(batch), as_text(whole));
  EXPECT_EQ(BatchHeader::read(whole, 7)->length, 1008u);
}

TEST(FileBatch, AClearedOneBeginsAgainWithRoomForItsHeader) {
  const std::string part(1000, 'x');
  Batch batch;
  batch.add(as_bytes(part));
  batch.own().append(as_bytes(std::string(3 << 20, 'y')));
  batch.clear();
  EXPECT_EQ(batch.size(), batch_header_size);
  EXPECT_EQ(batch.pieces().size(), 1u);
  EXPECT_LT(batch.own().capacity(), 1u << 20) << "the memory of a big one is given back";
}

}  // namespace
