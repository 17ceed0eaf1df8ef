#include <persist/session/stack.hpp>

#include <persist/backend/memory.hpp>
#include <persist/codec/cbor.hpp>
#include <persist/lock/lease.hpp>

#include <gtest/gtest.h>

namespace {

using namespace persist;

struct Data {
  int coins = 0;
};
struct Policy {
  using data_type = Data;
};
using Plain = Stack<std::uint64_t, Data, backend::Memory, lock::Lease<>, codec::Cbor>;
using WithPolicy = Stack<std::string, Policy, backend::Memory, lock::Lease<>, codec::Cbor>;

TEST(Stack, a_plain_type_means_a_policy_without_hooks) {
  static_assert(std::same_as<Plain::Key, key::Number<std::uint64_t>>);
  static_assert(std::same_as<Plain::Data, Data>);
  static_assert(std::same_as<WithPolicy::Data, Data>);
  static_assert(std::same_as<WithPolicy::Key, key::Text>);
  static_assert(!Plain::Policy::has_validate && !Plain::Policy::has_capture);
  static_assert(std::same_as<Plain::Access, access::Confined>);
  SUCCEED();
}

}  // namespace
