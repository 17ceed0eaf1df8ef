// Records in a key-value service of one's own: doc/write-a-backend.md goes through this file.

#include <persist/persist.hpp>
#include <persist/testing/laws/backend.hpp>

#include <iostream>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

namespace service {

/// Stands for the client of your service: a value has a revision, and a write can ask for one.
class Client {
 public:
  struct Row {
    std::string bytes;
    long revision = 0;
  };
  enum class Answer { done, other_revision };

  std::optional<Row> read(const std::string& key) {
    const std::lock_guard hold(mutex_);
    const auto found = rows_.find(key);
    return found == rows_.end() ? std::nullopt : std::optional(found->second);
  }
  /// Revision 0: the key must not be there.
  Answer write_if(const std::string& key, long revision, std::string bytes, long& written) {
    const std::lock_guard hold(mutex_);
    const auto found = rows_.find(key);
    if ((found == rows_.end() ? 0 : found->second.revision) != revision)
      return Answer::other_revision;
    written = ++revision_;
    rows_[key] = {std::move(bytes), written};
    return Answer::done;
  }

 private:
  std::mutex mutex_;
  std::map<std::string, Row> rows_;
  long revision_ = 0;
};

}  // namespace service

class ServiceMap {
 public:
  explicit ServiceMap(std::shared_ptr<service::Client> client) : client_(std::move(client)) {}

  persist::Result<persist::backend::kv::Entry> get(std::string_view key) {
    const auto row = client_->read(std::string(key));
    if (!row) return persist::backend::kv::Entry{};
    return persist::backend::kv::Entry{persist::Buffer(persist::as_bytes(row->bytes)),
                                       std::to_string(row->revision)};
  }

  persist::Result<persist::backend::kv::Swap> compare_and_swap(std::string_view key,
                                                               std::string_view seen,
                                                               persist::ByteView value) {
    const long revision = seen.empty() ? 0 : std::stol(std::string(seen));
    long written = 0;
    if (client_->write_if(std::string(key), revision, std::string(persist::as_text(value)),
                          written) != service::Client::Answer::done)
      return persist::backend::kv::Swap{};
    return persist::backend::kv::Swap{true, std::to_string(written)};
  }

 private:
  std::shared_ptr<service::Client> client_;
};

struct PlayerData {
  std::int64_t coins = 0;
};
using ServiceBackend = persist::backend::Kv<ServiceMap>;
using Players = persist::Store<std::uint64_t, PlayerData, ServiceBackend>;

/// How many of the laws do not hold on it.
template <class Make>
int broken_laws(Make make) {
  int broken = 0;
  for (const auto& law : persist::testing::backend_laws<ServiceBackend>()) {
    persist::testing::ManualClock clock;
    ServiceBackend backend = make(clock);
    const persist::testing::Report report = law(backend, clock);
    if (report.passed()) continue;
    ++broken;
    std::cerr << law.sentence << '\n' << report.text();
  }
  return broken;
}

int main() {
  const auto broken = broken_laws([](persist::Clock& clock) {
    return ServiceBackend(ServiceMap(std::make_shared<service::Client>()), {.calendar = &clock});
  });

  Players players("PlayerData", ServiceBackend(ServiceMap(std::make_shared<service::Client>())));
  auto session = players.load(42);
  if (!session) return std::cerr << session.error() << '\n', 1;
  session->edit()->coins += 10;
  if (const auto saved = session->release(); !saved) return std::cerr << saved.error() << '\n', 1;
  std::cout << "player 42 has " << players.peek(42)->data.coins << " coins, and " << broken
            << " laws are broken\n";
  return broken == 0 ? 0 : 1;
}
