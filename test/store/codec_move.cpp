// A store moves from one codec to another while it is played: the two deployments of each move,
// servers of the old and the new build side by side on one database, sessions open all the time.

#include <persist/codec/any_of.hpp>

#include <persist/codec/cbor.hpp>
#include <persist/codec/compressed.hpp>
#include <persist/codec/envelope.hpp>
#include <persist/codec/json.hpp>
#include <persist/codec/packed.hpp>
#include <persist/compress/zstd.hpp>
#include <persist/store.hpp>
#include <persist/testing/manual_clock.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <support/made_backends.hpp>

namespace codec_move {

using namespace persist;
using namespace std::chrono_literals;

using First = codec::Json;
using Second = codec::Cbor;
using Last = codec::Compressed<codec::Packed, compress::Zstd<3>>;

// The builds, in the order in which they are rolled out. What was not loaded since it was written
// is still as the first build wrote it, so later ones go on reading that.
using OnlyFirst = First;
using ReadsSecond = codec::AnyOf<First, Second>;
using WritesSecond = codec::AnyOf<Second, First>;
using ReadsLast = codec::AnyOf<Second, Last, First>;
using WritesLast = codec::AnyOf<Last, Second, First>;

struct Player {
  std::int64_t coins = 0;
  std::vector<std::string> bag;
};

/// A game server, whatever its build.
class Server {
 public:
  Server() = default;
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  virtual ~Server() = default;
  virtual void poll() = 0;
  /// Asks whoever plays the record for it; `joined` says when it came, or that it did not.
  virtual void begin_join(std::uint64_t player) = 0;
  [[nodiscard]] virtual bool is_joining(std::uint64_t player) const = 0;
  [[nodiscard]] virtual Error joined(std::uint64_t player) = 0;
  /// The data of one who is here, to look at and to change.
  virtual void edit(std::uint64_t player, const std::function<void(Player&)>& change) = 0;
  [[nodiscard]] virtual Player view(std::uint64_t player) const = 0;
  virtual void leave(std::uint64_t player) = 0;
  /// The bytes of the record.
  [[nodiscard]] virtual Buffer stored(std::uint64_t player) = 0;
};

template <class Codec>
class ServerOf final : public Server {
 public:
  using Players =
      Store<std::uint64_t, Player, backend::Memory, lock::Lease<conflict::Request>, Codec>;

  ServerOf(backend::Memory database, StoreOptions options)
      : players_("players", std::move(database), std::move(options)) {}

  void poll() override { players_.poll(); }
  void begin_join(std::uint64_t player) override {
    loading_.emplace(player, players_.begin_load(player));
  }
  [[nodiscard]] bool is_joining(std::uint64_t player) const override {
    return !loading_.at(player).ready();
  }
  [[nodiscard]] Error joined(std::uint64_t player) override {
    auto session = loading_.at(player).take();
    loading_.erase(player);
    if (!session) return session.error();
    here_.insert_or_assign(player, *std::move(session));
    return Errc{};
  }
  void edit(std::uint64_t player, const std::function<void(Player&)>& change) override {
    change(*here_.at(player).edit());
  }
  [[nodiscard]] Player view(std::uint64_t player) const override {
    return *here_.at(player).view();
  }
  void leave(std::uint64_t player) override {
    const auto saved = here_.at(player).release();
    EXPECT_TRUE(saved) << saved.error();
    here_.erase(player);
  }
  [[nodiscard]] Buffer stored(std::uint64_t player) override {
    auto record = players_.core().read(std::to_string(player));
    return record ? std::move(record->data) : Buffer();
  }

 private:
  Players players_;
  std::map<std::uint64_t, typename Players::Loading> loading_;
  std::map<std::uint64_t, typename Players::Session> here_;
};

/// Two servers and some players, who go from one to the other, play and leave.
struct CodecMove : ::testing::Test {
  struct Record {
    Player data;  ///< as it must be
    Server* at = nullptr;
  };
  static constexpr std::uint64_t sleeper = 3;  ///< who plays on the first and the last day only

  persist::testing::ManualClock clock;
  backend::Memory database{clock};
  std::array<std::unique_ptr<Server>, 2> servers;
  std::array<Record, 4> players;
  std::mt19937 random{7};
  int started = 0;

  std::size_t pick(std::size_t below) { return random() % below; }

  template <class Codec>
  std::unique_ptr<Server> start() {
    StoreOptions options;
    options.server_id = "s" + std::to_string(++started);
    options.clock = &clock;
    options.log.sink = [](LogLevel, std::string_view) {};
    return std::make_unique<ServerOf<Codec>>(database, std::move(options));
  }
  /// A server joins a player, whoever has the record; all servers go on meanwhile.
  Error join(Server& server, std::uint64_t player) {
    server.begin_join(player);
    for (int i = 0; i < 100 && server.is_joining(player); ++i) {
      clock.advance(1s);
      for (const auto& each : servers)
        each->poll();
      server.poll();
    }
    Error why = server.joined(player);
    players[player].at = failed(why) ? nullptr : &server;
    return why;
  }
  void turn(std::uint64_t player) {
    Record& record = players[player];
    Server& server = *servers[pick(servers.size())];
    if (record.at != &server) {
      const Error why = join(server, player);
      ASSERT_FALSE(failed(why)) << why;
    }
    const Player seen = server.view(player);
    EXPECT_EQ(seen.coins, record.data.coins);
    EXPECT_EQ(seen.bag, record.data.bag);
    const std::string thing = "thing " + std::to_string(random());
    const auto play = [&](Player& data) {
      data.coins += 10;
      if (data.bag.size() > 4) data.bag.erase(data.bag.begin());
      data.bag.push_back(thing);
    };
    play(record.data);
    server.edit(player, play);
    if (pick(3) != 0) return;
    server.leave(player);
    record.at = nullptr;
  }
  void day() {
    for (int i = 0; i < 40; ++i)
      turn(pick(players.size() - 1));
  }
  /// One server after the other gets the new build, with those who are there at the time.
  template <class Codec>
  void deploy() {
    for (auto& server : servers) {
      for (Record& record : players)
        if (record.at == server.get()) record.at = nullptr;
      server = start<Codec>();
      day();
    }
  }
  [[nodiscard]] std::uint16_t codec_of(std::uint64_t player) {
    return codec::open_envelope(servers[0]->stored(player))->codec;
  }
  /// Who wrote the records, once all players have left.
  [[nodiscard]] bool all_written_by(std::uint16_t codec) {
    bool all = true;
    for (std::uint64_t player = 0; player < sleeper; ++player) {
      if (Server* at = std::exchange(players[player].at, nullptr)) at->leave(player);
      all = all && codec_of(player) == codec;
    }
    return all;
  }
  /// A build that was not to be there yet.
  void expect_wrong_codec(Server& server, std::uint64_t player, std::string_view words) {
    const Buffer before = servers[0]->stored(player);
    const Error why = join(server, player);
    EXPECT_EQ(why, Errc::wrong_codec);
    EXPECT_NE(why.message().find(words), std::string::npos) << why;
    EXPECT_EQ(as_text(servers[0]->stored(player)), as_text(before)) << "nothing was replaced";
    turn(player);  // the record was given back, and goes on where it can be read
  }
};

TEST_F(CodecMove, loses_nothing_in_two_deployments_for_each_step) {
  servers = {start<OnlyFirst>(), start<OnlyFirst>()};
  turn(sleeper);
  std::exchange(players[sleeper].at, nullptr)->leave(sleeper);
  day();
  deploy<ReadsSecond>();
  EXPECT_TRUE(all_written_by(First::id)) << "which all servers read";
  deploy<WritesSecond>();
  EXPECT_TRUE(all_written_by(Second::id));
  deploy<ReadsLast>();
  EXPECT_TRUE(all_written_by(Second::id));
  deploy<WritesLast>();
  EXPECT_TRUE(all_written_by(Last::id));

  EXPECT_EQ(codec_of(sleeper), First::id);
  ASSERT_FALSE(failed(join(*servers[0], sleeper)));
  EXPECT_EQ(servers[0]->view(sleeper).bag, players[sleeper].data.bag);
  servers[0]->leave(sleeper);
  EXPECT_EQ(codec_of(sleeper), Last::id) << "although nothing in it changed";
}

TEST_F(CodecMove, in_the_wrong_order_is_refused_and_replaces_nothing) {
  servers = {start<WritesSecond>(), start<WritesSecond>()};
  day();
  ASSERT_TRUE(all_written_by(Second::id));
  const auto left_out = start<OnlyFirst>();  // the first deployment never came there
  expect_wrong_codec(*left_out, 0, "written by the codec cbor, and this store reads json");
  ASSERT_FALSE(failed(join(*servers[0], 1)));
  expect_wrong_codec(*left_out, 1, "cbor");  // its holder let go of it
}

}  // namespace codec_move
