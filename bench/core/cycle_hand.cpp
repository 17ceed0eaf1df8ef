#include <core/cycle.hpp>

#include <persist/clock.hpp>
#include <persist/codec/cbor.hpp>
#include <persist/codec/record.hpp>
#include <persist/schema/policy.hpp>

#include <charconv>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

// What a good engineer writes for this one game without a library: the same codec, the same
// checksum, the same kind of map, and the same duties - one session per key, a fence of epoch,
// owner and write number that the write itself checks, versions and times, a dirty generation, a
// clean session compared once more at its release.

namespace {

using Policy = persist::DataPolicy<bench::Profile>;
using Cbor = persist::codec::Cbor;

struct Record {
  std::uint64_t epoch = 0, owner = 0, write = 0, version = 0, loads = 0;
  persist::WallTime created{}, updated{};
  persist::Buffer data;
};

struct TextHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const noexcept {
    return std::hash<std::string_view>{}(text);
  }
};

/// The database: any thread may call it, so it locks.
class Database {
 public:
  struct Taken {
    std::uint64_t epoch, version;
    persist::Buffer data;
  };
  Taken acquire(std::string_view key, std::uint64_t owner) {
    const std::lock_guard hold(mutex_);
    auto at = records_.find(key);
    if (at == records_.end()) at = records_.try_emplace(std::string(key)).first;
    Record& record = at->second;
    record.epoch = ++epochs_, record.owner = owner, record.write = 0;
    return {record.epoch, record.version, record.data};
  }
  bool commit(std::string_view key, std::uint64_t epoch, std::uint64_t owner, std::uint64_t write,
              persist::Buffer* data, bool release) {
    const std::lock_guard hold(mutex_);
    const auto at = records_.find(key);
    if (at == records_.end()) return false;
    Record& record = at->second;
    if (record.epoch != epoch || record.owner != owner || write <= record.write) return false;
    if (record.write == 0) ++record.loads;
    record.write = write;
    if (data != nullptr) {
      record.data.swap(*data);
      ++record.version;
      record.updated = persist::SystemClock::instance().wall();
      if (record.created == persist::WallTime{}) record.created = record.updated;
    }
    if (release) record.owner = 0;
    return true;
  }

 private:
  std::mutex mutex_;
  std::uint64_t epochs_ = 0;
  std::unordered_map<std::string, Record, TextHash, std::equal_to<>> records_;
};

struct Session {
  std::string key;
  bench::Profile data;
  persist::UnknownFields unknown;
  std::uint64_t epoch = 0, owner = 0, write = 0;
  std::uint32_t edited = 0, saved = 0, bytes = 0, checksum = 0;
};

[[nodiscard]] std::uint32_t checksum_of(persist::ByteView record) {
  return persist::load_little<std::uint32_t>(record.data() +
                                             persist::codec::EnvelopeLayout::checksum);
}

struct Cycle {
  Cycle() {
    for (std::uint64_t id = 0; id < bench::records; ++id) {
      Session& session = load(id);
      session.data = bench::make_profile(id), ++session.edited;
      save(session, true);
    }
  }
  void run(std::uint64_t id) {
    Session& session = load(id);
    session.data.coins += 1;
    ++session.edited;
    save(session, false);
    save(session, true);
  }

  Session& load(std::uint64_t id) {
    char digits[20];
    const std::string_view key(
        digits, static_cast<std::size_t>(std::to_chars(digits, digits + 20, id).ptr - digits));
    if (const auto open = sessions.find(key); open != sessions.end()) return *open->second;
    auto session = std::make_unique<Session>();
    session->key = key;
    session->owner = ++owners;
    auto taken = database.acquire(key, session->owner);
    session->epoch = taken.epoch;
    if (!taken.data.empty()) {
      bench::need(bool(persist::codec::decode_record<Cbor, Policy>(taken.data, session->data,
                                                                   session->unknown)));
      session->bytes = static_cast<std::uint32_t>(taken.data.size());
      session->checksum = checksum_of(taken.data);
    }
    return *sessions.try_emplace(session->key, std::move(session)).first->second;
  }
  void save(Session& session, bool release) {
    buffer.clear();
    persist::Buffer* data = nullptr;
    if (session.edited != session.saved || release) {
      bench::need(bool(persist::codec::encode_record<Cbor, Policy>(
          session.data, session.unknown, persist::codec::version_of<Policy>(), buffer)));
      const auto bytes = static_cast<std::uint32_t>(buffer.size());
      const std::uint32_t checksum = checksum_of(buffer);
      if (session.edited != session.saved || bytes != session.bytes || checksum != session.checksum)
        data = &buffer;
      session.bytes = bytes, session.checksum = checksum;
    }
    bench::need(
        database.commit(session.key, session.epoch, session.owner, ++session.write, data, release));
    session.saved = session.edited;
    if (release) sessions.erase(sessions.find(session.key));
  }

  Database database;
  std::unordered_map<std::string, std::unique_ptr<Session>, TextHash, std::equal_to<>> sessions;
  persist::Buffer buffer;
  std::uint64_t owners = 0;
};

}  // namespace

int main(int count, char** arguments) {
  return bench::run_cycles<Cycle>(count, arguments);
}
