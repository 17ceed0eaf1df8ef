// builds: single no-exceptions
#include <persist/session/stack.hpp>

#include <persist/access/shared.hpp>
#include <persist/backend/memory.hpp>
#include <persist/codec/cbor.hpp>
#include <persist/codec/json.hpp>
#include <persist/lock/lease.hpp>
#include <persist/lock/none.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <type_traits>

#include <gtest/gtest.h>

namespace {

using namespace persist;

struct Player {
  int coins = 0;
};
struct Save {
  using data_type = Player;
};

using Plain = Stack<std::uint64_t, Player, backend::Memory, lock::Lease<>, codec::Cbor>;
using Named = Stack<std::string, Save, backend::Memory, access::Shared<lock::None>, codec::Json>;
using Empty = Stack<int, std::optional<Player>, backend::Memory, lock::None, codec::Cbor>;

// What the five arguments stand for.
static_assert(std::is_same_v<Plain::Key, key::Number<std::uint64_t>> &&
              std::is_same_v<Plain::KeyValue, std::uint64_t>);
static_assert(std::is_same_v<Named::Key, key::Text> &&
              std::is_same_v<Named::KeyValue, std::string>);
static_assert(std::is_same_v<Plain::Data, Player> && std::is_same_v<Named::Data, Player>,
              "a policy names its data, and plain data is its own policy");
static_assert(std::is_same_v<Named::Policy, DataPolicy<Save>>);
static_assert(std::is_same_v<Plain::Access, access::Confined> &&
              std::is_same_v<Named::Access, access::Synchronised>);
static_assert(std::is_same_v<Plain::Backend, backend::Memory> &&
              std::is_same_v<Named::Codec, codec::Json>);
static_assert(std::is_same_v<Plain::Handle, Session<Plain>>);

// A record that may be empty is one of what lies inside.
static_assert(detail::RecordOf<std::optional<Player>>::may_be_empty &&
              !detail::RecordOf<Player>::may_be_empty);
static_assert(std::is_same_v<detail::RecordOf<std::optional<Player>>::type, Player> &&
              std::is_same_v<detail::RecordOf<Player>::type, Player>);
static_assert(std::is_same_v<Empty::Data, std::optional<Player>>);

TEST(Stack, is_a_name_for_types_and_nothing_at_run_time) {
  EXPECT_TRUE(std::is_empty_v<Plain>);
  EXPECT_TRUE(std::is_empty_v<Named>);
  EXPECT_TRUE(std::is_empty_v<Empty>);
}

TEST(Stack, one_argument_more_or_less_makes_another_type_of_session) {
  using Json = Stack<std::uint64_t, Player, backend::Memory, lock::Lease<>, codec::Json>;
  EXPECT_FALSE((std::is_same_v<Plain::Handle, Json::Handle>));
}

}  // namespace
