#include <core/cycle.hpp>

#include <persist/clock.hpp>
#include <persist/codec/packed.hpp>
#include <persist/codec/record.hpp>
#include <persist/schema/policy.hpp>

#include <array>
#include <charconv>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

// What a good engineer writes for this one game without a library: the same codec, the same
// checksum, the same kind of map, and the same duties - one session per key, a fence of epoch,
// owner and write number that the write itself checks, a repeat that is told from a stranger's
// write for the last four epochs, versions and times, a limit, a dirty generation, a clean session
// compared once more at its release, and an answer that says what was written or why not.

namespace {

using Policy = persist::DataPolicy<bench::Profile>;
using Codec = persist::codec::Packed;

struct Owner {
  std::array<char, 24> server{};
  std::uint64_t nonce = 0, session = 0;
  bool operator==(const Owner&) const = default;
};
struct Fence {
  std::uint64_t epoch = 0;
  Owner owner;
  std::uint64_t write = 0;
};
struct PastWrite {
  std::uint64_t epoch = 0, nonce = 0, session = 0, write = 0;
};
struct Record {
  Fence fence;
  std::array<PastWrite, 4> past{};
  std::uint64_t version = 0, loads = 0;
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
    std::uint64_t epoch, version, loads;
    persist::WallTime created, updated;
    persist::Buffer data;
  };
  enum class Outcome { applied, repeated, refused };
  struct Change {
    std::string_view key;
    Fence fence;
    persist::Buffer* data;
    bool release;
    std::uint64_t version = 0;
    persist::WallTime now{};
  };

  Taken acquire(std::string_view key, const Owner& owner) {
    const std::lock_guard hold(mutex_);
    auto at = records_.find(key);
    if (at == records_.end()) at = records_.try_emplace(std::string(key)).first;
    Record& record = at->second;
    end_epoch(record);
    record.fence = {++epochs_, owner, 0};
    return {record.fence.epoch, record.version, record.loads,
            record.created,     record.updated, record.data};
  }
  Outcome commit(Change& change) {
    const std::lock_guard hold(mutex_);
    const auto at = records_.find(change.key);
    if (at == records_.end()) return Outcome::refused;
    Record& record = at->second;
    const Fence& fence = change.fence;
    if (record.fence.epoch != fence.epoch || record.fence.owner != fence.owner) {
      for (const PastWrite& past : record.past)
        if (past.epoch == fence.epoch && past.session == fence.owner.session &&
            past.write == fence.write)
          return Outcome::repeated;
      return Outcome::refused;
    }
    if (fence.write <= record.fence.write)
      return fence.write == record.fence.write ? Outcome::repeated : Outcome::refused;
    if (record.fence.write == 0) ++record.loads;
    record.fence.write = fence.write;
    change.now = persist::SystemClock::instance().wall();
    if (change.data != nullptr) {
      record.data.swap(*change.data);
      ++record.version;
      record.updated = change.now;
      if (record.created == persist::WallTime{}) record.created = change.now;
    }
    change.version = record.version;
    if (change.release) end_epoch(record);
    return Outcome::applied;
  }

 private:
  static void end_epoch(Record& record) {
    if (record.fence.owner == Owner{}) return;
    record.past = {PastWrite{record.fence.epoch, record.fence.owner.nonce,
                             record.fence.owner.session, record.fence.write},
                   record.past[0], record.past[1], record.past[2]};
    record.fence.owner = Owner{};
  }
  std::mutex mutex_;
  std::uint64_t epochs_ = 0;
  std::unordered_map<std::string, Record, TextHash, std::equal_to<>> records_;
};

struct Session {
  std::string key;
  bench::Profile data;
  persist::UnknownFields unknown;
  std::uint64_t number = 0, epoch = 0, write = 0, version = 0, loads = 0;
  persist::WallTime created{}, updated{};
  std::uint32_t edited = 0, saved = 0, bytes = 0, checksum = 0;
};
struct Saved {
  bool written;
  std::uint64_t version, bytes;
  persist::WallTime at;
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
      bench::need(bool(save(session, true)));
    }
  }
  void run(std::uint64_t id) {
    Session& session = load(id);
    session.data.coins += 1;
    ++session.edited;
    bench::need(bool(save(session, false)));
    bench::need(bool(save(session, true)));
  }

  Session& load(std::uint64_t id) {
    char digits[20];
    const std::string_view key(
        digits, static_cast<std::size_t>(std::to_chars(digits, digits + 20, id).ptr - digits));
    if (const auto open = sessions.find(key); open != sessions.end()) return *open->second;
    auto session = std::make_unique<Session>();
    session->key = key;
    session->number = ++owners;
    auto taken = database.acquire(key, {server, nonce, session->number});
    session->epoch = taken.epoch;
    session->version = taken.version, session->loads = taken.loads;
    session->created = taken.created, session->updated = taken.updated;
    if (!taken.data.empty()) {
      bench::need(bool(persist::codec::decode_record<Codec, Policy>(taken.data, session->data,
                                                                    session->unknown)));
      session->bytes = static_cast<std::uint32_t>(taken.data.size());
      session->checksum = checksum_of(taken.data);
    }
    return *sessions.try_emplace(session->key, std::move(session)).first->second;
  }
  persist::Result<Saved> save(Session& session, bool release) {
    buffer.clear();
    Database::Change change{session.key,
                            {session.epoch, {server, nonce, session.number}, ++session.write},
                            nullptr,
                            release};
    std::uint32_t checksum = session.checksum;
    auto bytes = session.bytes;
    if (session.edited != session.saved || release) {
      if (auto encoded = persist::codec::encode_record<Codec, Policy>(
              session.data, session.unknown, persist::codec::version_of<Policy>(), buffer);
          !encoded)
        return encoded.error();
      if (buffer.size() > limit) return persist::Error(persist::Errc::too_large, "too large");
      bytes = static_cast<std::uint32_t>(buffer.size());
      checksum = checksum_of(buffer);
      if (session.edited != session.saved || bytes != session.bytes || checksum != session.checksum)
        change.data = &buffer;
    }
    const bool written = change.data != nullptr;
    if (database.commit(change) == Database::Outcome::refused)
      return persist::Error(persist::Errc::fenced, "somebody else has the record");
    session.bytes = bytes, session.checksum = checksum, session.version = change.version;
    if (written) session.updated = change.now;
    session.saved = session.edited;
    const Saved saved{written, session.version, bytes, session.updated};
    if (release) sessions.erase(sessions.find(session.key));
    return saved;
  }

  static constexpr std::size_t limit = std::size_t{4} << 20;
  Database database;
  std::unordered_map<std::string, std::unique_ptr<Session>, TextHash, std::equal_to<>> sessions;
  persist::Buffer buffer;
  std::array<char, 24> server{"eu-1"};
  std::uint64_t nonce = 77, owners = 0;
};

}  // namespace

int main(int count, char** arguments) {
  return bench::run_cycles<Cycle>(count, arguments);
}
