#include <persist/backend/any/database.hpp>

#include <persist/backend/any.hpp>
#include <persist/persist.hpp>

#include <gtest/gtest.h>

using InMap = persist::backend::Kv<persist::backend::kv::MemoryMap>;

/// A database that cannot change two records in one commit, with a URI of its own.
template <>
struct persist::backend::UriOpener<InMap> {
  static constexpr std::string_view schemes[] = {"map"};
  static Result<InMap> open(Uri& uri, Clock*) {
    if (const auto all = uri.finish(""); !all) return all.error();
    return InMap(kv::MemoryMap());
  }
};

namespace {

using persist::Errc;
using persist::backend::Any;
using persist::backend::AnyOf;
using persist::backend::Memory;
using persist::backend::Needs;
using persist::backend::Uri;
namespace any = persist::backend::any;

/// Only what every backend must do.
struct Barest {
  Memory memory;

  [[nodiscard]] bool same_database(const Barest& other) const {
    return memory.same_database(other.memory);
  }
  [[nodiscard]] persist::Result<void> status() const { return memory.status(); }
  persist::Owner next_owner(persist::ServerId server) { return memory.next_owner(server); }
  void open_store(std::span<persist::OpenStoreRequest> batch) { memory.open_store(batch); }
  void acquire(std::span<persist::AcquireRequest> batch) { memory.acquire(batch); }
  void commit(std::span<persist::CommitRequest> batch) { memory.commit(batch); }
  void read(std::span<persist::ReadRequest> batch) { memory.read(batch); }
  void post(std::span<persist::PostRequest> batch) { memory.post(batch); }
  void relay(std::span<persist::RelayRequest> batch) { memory.relay(batch); }
  void erase(std::span<persist::EraseRequest> batch) { memory.erase(batch); }
  static constexpr bool is_transactional = false;
  static constexpr bool judges_leases = false;
};

struct AnyDatabase : ::testing::Test {};

TEST_F(AnyDatabase, names_the_first_need_that_is_not_met) {
  constexpr Needs none{.transactions = false,
                       .history = false,
                       .indexes = false,
                       .scan = false,
                       .schemas = false,
                       .clock = false};
  static_assert(any::missing<Memory>(Needs{}).empty());
  static_assert(any::missing<Barest>(none).empty());
  EXPECT_EQ(any::missing<InMap>(Needs{}), "transactions over records");
  const auto asking = [&](bool Needs::*need) {
    Needs needs = none;
    needs.*need = true;
    return any::missing<Barest>(needs);
  };
  EXPECT_EQ(asking(&Needs::transactions), "transactions over records");
  EXPECT_EQ(asking(&Needs::history), "older states of records");
  EXPECT_EQ(asking(&Needs::indexes), "ordered indexes");
  EXPECT_EQ(asking(&Needs::scan), "list of its records");
  EXPECT_EQ(asking(&Needs::schemas), "place for shared schemas");
  EXPECT_EQ(asking(&Needs::clock), "clock that judges leases");
}

TEST_F(AnyDatabase, that_lacks_what_a_program_needs_does_not_open) {
  const auto refused = persist::backend::open<InMap>("map:");
  ASSERT_TRUE(refused.is(Errc::unsupported));
  EXPECT_NE(refused.error().message().find("transactions over records"), std::string::npos);
  using Modest = AnyOf<Needs{.transactions = false}>;
  const auto opened = persist::backend::open<Modest, InMap>(*Uri::read("map:"));
  EXPECT_TRUE(opened) << opened.error().message();
}

TEST_F(AnyDatabase, answers_what_its_backend_cannot_do) {
  any::Model<Barest> model(Barest{Memory()});
  persist::ScanRequest scan;
  persist::SchemaRequest schema;
  persist::IndexRequest index;
  model.scan(std::span(&scan, 1));
  model.read_schemas(std::span(&schema, 1));
  model.query(std::span(&index, 1));
  EXPECT_EQ(scan.error, Errc::unsupported);
  EXPECT_EQ(schema.error, Errc::unsupported);
  EXPECT_EQ(index.error, Errc::unsupported);
  model.watch({}, {});
  EXPECT_TRUE(model.stores().empty());
  EXPECT_EQ(model.largest_data(), (std::numeric_limits<std::size_t>::max)());
}

TEST_F(AnyDatabase, is_not_the_same_as_one_of_another_type) {
  const Memory memory;
  const any::Model<Memory> plain{memory};
  const any::Model<Barest> barest(Barest{memory});
  EXPECT_FALSE(plain.same(barest));
  EXPECT_TRUE(plain.same(any::Model<Memory>(memory)));
}

}  // namespace
