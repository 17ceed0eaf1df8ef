#include <persist/codec/record.hpp>

#include <persist/codec/any_of.hpp>
#include <persist/codec/cbor.hpp>
#include <persist/codec/json.hpp>
#include <persist/codec/packed.hpp>
#include <persist/schema/policy.hpp>

#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include <fuzz/mend.hpp>
#include <fuzz/target.hpp>

namespace fuzz_record {

struct Look {
  int hat = 0;
};
struct One {
  int gold = 0;
  Look look;
  std::map<std::string, Look> worn;
};
struct Two {
  int gold = 0;
  Look look;
  std::map<std::string, Look> worn;
  int gems = 0;
};
struct Player {
  std::int64_t coins = 0;
  int gems = 0;
  Look look;
};
inline Two upgrade(One&& old) {
  return {old.gold, old.look, std::move(old.worn), 5};
}
inline persist::Result<Player> upgrade(Two&& old) {
  if (old.gold < 0) return persist::Error(persist::Errc::invalid, "a debt");
  return Player{std::int64_t{100} * old.gold, old.gems, old.look};
}
struct Build {
  using data_type = Player;
  using migrations = persist::Migrations<One, persist::Additive<Two>, Player>;
};

}  // namespace fuzz_record

namespace {

using namespace persist;
using Codec = codec::AnyOf<codec::Packed, codec::Cbor, codec::Json>;
using Policy = DataPolicy<fuzz_record::Build>;

}  // namespace

// A whole record: the envelope, what it says of versions and codecs, the migrations.
FUZZ_TARGET(record) {
  fuzz_record::Player first;
  UnknownFields unknown;
  const auto info = codec::decode_record<Codec, Policy>(input, first, unknown);
  if (!info) {
    fuzz::require(info.error().code() != Errc::unsupported, "a record is read or refused");
    return false;
  }
  const codec::RecordVersion version = codec::version_after<Policy>(*info);
  fuzz::require(version.schema_version >= info->schema_version, "no version goes back");
  Buffer out;
  const auto written = codec::encode_record<Codec, Policy>(first, unknown, version, out);
  // Json that was kept unread and has a name twice cannot be said in another format.
  fuzz::require(written || written.is(Errc::unsupported), "what was read can be written");
  if (!written) return true;
  fuzz_record::Player second;
  const auto again = codec::decode_record<Codec, Policy>(out, second, unknown);
  fuzz::require(bool(again), "what was written can be read");
  fuzz::require(again && first.coins == second.coins && first.gems == second.gems &&
                    first.look.hat == second.look.hat,
                "and no step runs twice");
  fuzz::require(again && static_cast<const codec::RecordVersion&>(*again) == version,
                "it says what it said");
  return true;
}
