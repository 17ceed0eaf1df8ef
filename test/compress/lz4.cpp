#include <persist/compress/lz4.hpp>

#include <compress/laws.hpp>

namespace test {

INSTANTIATE_TYPED_TEST_SUITE_P(Lz4, Compressor, persist::compress::Lz4);

}  // namespace test
