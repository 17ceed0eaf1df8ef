// A key that cannot be one is refused before the database hears of it, by every call.

#include <persist/store.hpp>

#include <persist/persist.hpp>
#include <persist/testing/manual_clock.hpp>

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <gtest/gtest.h>

namespace {

using namespace persist;

/// Counts what it is asked. Copies share one count.
class Counting {
 public:
  explicit Counting(backend::Memory inner) : inner_(std::move(inner)) {}
  [[nodiscard]] int asked() const noexcept { return *asked_; }

  [[nodiscard]] bool same_database(const Counting& other) const noexcept {
    return inner_.same_database(other.inner_);
  }
  [[nodiscard]] Result<void> status() const { return inner_.status(); }
  [[nodiscard]] Owner next_owner(ServerId server) { return inner_.next_owner(server); }
  void open_store(std::span<OpenStoreRequest> batch) { count().open_store(batch); }
  void acquire(std::span<AcquireRequest> batch) { count().acquire(batch); }
  void commit(std::span<CommitRequest> batch) { count().commit(batch); }
  void read(std::span<ReadRequest> batch) { count().read(batch); }
  void post(std::span<PostRequest> batch) { count().post(batch); }
  void relay(std::span<RelayRequest> batch) { count().relay(batch); }
  void erase(std::span<EraseRequest> batch) { count().erase(batch); }
  void scan(std::span<ScanRequest> batch) { count().scan(batch); }

 private:
  backend::Memory& count() { return ++*asked_, inner_; }
  backend::Memory inner_;
  std::shared_ptr<int> asked_ = std::make_shared<int>(0);
};

struct Save {
  int coins = 0;
};
struct Gift {
  int coins = 0;
};
struct SavePolicy {
  using data_type = Save;
  using message = std::variant<Gift>;
};
using Players = Store<std::string, SavePolicy, Counting>;

struct StoreKeys : ::testing::Test {
  persist::testing::ManualClock clock;
  Counting db{backend::Memory(clock)};
  Players players{"players", db, [this] {
                    StoreOptions told;
                    told.server_id = "eu-1";
                    told.clock = &clock;
                    return told;
                  }()};
};

TEST_F(StoreKeys, that_cannot_be_keys_are_invalid_before_any_io) {
  ASSERT_TRUE(players.status());
  const int before = db.asked();
  ASSERT_GT(before, 0) << "the store was opened";
  for (const std::string& key : {std::string(), std::string(256, 'x'), std::string(10'000, 'x'),
                                 std::string("a\0b", 3), std::string(1, '\0')}) {
    EXPECT_TRUE(players.load(key).is(Errc::invalid));
    EXPECT_TRUE(players.try_load(key).is(Errc::invalid));
    EXPECT_TRUE(players.find(key).is(Errc::invalid));
    EXPECT_TRUE(players.peek(key).is(Errc::invalid));
    EXPECT_TRUE(players.inspect(key).is(Errc::invalid));
    EXPECT_TRUE(players.peek(SpelledKey{key}).is(Errc::invalid));
    EXPECT_TRUE(players.update(key, [](Save& save) { ++save.coins; }).is(Errc::invalid));
    EXPECT_TRUE(players.overwrite(key, Save{}).is(Errc::invalid));
    EXPECT_TRUE(players.erase(key).is(Errc::invalid));
    EXPECT_TRUE(players.post(key, Gift{1}).is(Errc::invalid));
    EXPECT_TRUE(players.grant_once(key, ReceiptId("r"), [](Save& save) { ++save.coins; })
                    .is(Errc::invalid));
    Loading loading = players.begin_load(key);
    players.poll();
    EXPECT_TRUE(loading.ready() && loading.take().is(Errc::invalid));
    EXPECT_EQ(db.asked(), before) << key.size();
  }
  EXPECT_EQ(players.open_sessions(), 0u);
}

TEST_F(StoreKeys, of_any_byte_but_nul_are_records_of_their_own) {
  std::vector<std::string> keys{"../../etc/passwd", "..", "a/../b", std::string(255, 'x')};
  for (int byte = 1; byte < 256; ++byte)
    keys.emplace_back(1, static_cast<char>(byte));
  for (std::size_t i = 0; i < keys.size(); ++i)
    ASSERT_TRUE(players.overwrite(keys[i], Save{static_cast<int>(i)})) << keys[i];
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const auto read = players.peek(keys[i]);
    ASSERT_TRUE(read);
    EXPECT_EQ(read->data.coins, static_cast<int>(i)) << keys[i];
  }
}

}  // namespace
