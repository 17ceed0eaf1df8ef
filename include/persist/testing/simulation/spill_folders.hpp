#pragma once

#include <persist/clock.hpp>
#include <persist/detail/os.hpp>
#include <persist/detail/os_file.hpp>
#include <persist/record/fence.hpp>
#include <persist/spill/journal.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace persist::inline PERSIST_ABI::testing {

/// The spill folders of the servers of an evening, in a folder of their own that goes with this,
/// and an account of what lies in them: by the files alone, whatever a store says of them.
class SpillFolders {
 public:
  /// What an entry writes, of one record.
  struct Write {
    std::string key;
    Fence fence;
    bool claims = false;
    bool gives_back = false;
  };
  enum class Fate : std::uint8_t { waits, gone, refused };
  struct Entry {
    spill::FileName name;  ///< while it waits
    std::vector<Write> writes;
    std::uint64_t follows = 0;
    bool may_be_late = false;  ///< what it follows may have given the record back before
    Fate fate = Fate::waits;
    TimePoint started{};        ///< when whoever wrote it was
    bool is_forgotten = false;  ///< the database was put back since to what it was before

    [[nodiscard]] bool writes_to(std::string_view key) const {
      for (const Write& write : writes)
        if (write.key == key) return true;
      return false;
    }
    [[nodiscard]] bool is_of(std::uint64_t session) const {
      for (const Write& write : writes)
        if (write.fence.owner.session == session) return true;
      return false;
    }
    [[nodiscard]] std::string file() const {
      spill::FileName now = name;
      if (fate == Fate::refused) now.end = spill::FileName::refused;
      return now.text();
    }
  };

  explicit SpillFolders(std::size_t servers) : known_(servers) {
    std::error_code ignored;
    const std::filesystem::path below = std::filesystem::temp_directory_path(ignored);
    do
      root_ = below / ("persist-evening-" + std::to_string(persist::detail::os::random_bits()));
    while (!std::filesystem::create_directory(root_, ignored) && !ignored);
  }
  SpillFolders(const SpillFolders&) = delete;
  SpillFolders& operator=(const SpillFolders&) = delete;
  ~SpillFolders() {
    std::error_code ignored;
    std::filesystem::remove_all(root_, ignored);
  }

  [[nodiscard]] bool is_usable() const {
    std::error_code ignored;
    return std::filesystem::is_directory(root_, ignored);
  }
  /// For `StoreOptions::spill`.
  [[nodiscard]] std::string of(std::size_t server) const {
    return (root_ / std::to_string(server)).string();
  }
  /// The text without what no two evenings have in common.
  [[nodiscard]] std::string without_root(std::string text) const {
    const std::string root = root_.string();
    for (auto at = text.find(root); at != text.npos; at = text.find(root, at))
      text.replace(at, root.size(), "…");
    return text;
  }
  /// A server that is killed writes nothing more: until `show` its folder is elsewhere.
  void hide(std::size_t server) { move(of(server), of(server) + ".away"); }
  void show(std::size_t server) { move(of(server) + ".away", of(server)); }

  [[nodiscard]] std::vector<Entry>& entries(std::size_t server) { return known_[server]; }
  [[nodiscard]] bool waits(std::size_t server, const Entry& entry) const {
    return is_there(server, entry.name, spill::FileName::waits) ||
           is_there(server, entry.name, spill::FileName::partial);
  }
  /// Takes what is new in the folder into the account, those that can be read. Says how many.
  std::size_t meet(std::size_t server, TimePoint started) {
    const persist::detail::os::Files files;
    const auto names = spill::list_entries(files, of(server));
    std::size_t met = 0;
    for (const spill::FileName& name : names ? *names : std::vector<spill::FileName>()) {
      if (find(server, name.number) != nullptr) continue;
      const auto read = spill::read_entry(files, spill::path_in(of(server), name.text()));
      if (!read) continue;
      Entry entry;
      entry.name = name, entry.follows = read->follows, entry.started = started;
      for (const spill::Part& part : read->parts)
        entry.writes.push_back({part.key, part.fence, part.claims != Claims::nothing,
                                part.lease == LeaseChange::release});
      if (const Entry* before = find(server, entry.follows))
        entry.may_be_late = std::any_of(before->writes.begin(), before->writes.end(),
                                        [](const Write& write) { return write.gives_back; });
      known_[server].push_back(std::move(entry));
      ++met;
    }
    return met;
  }
  /// Those of which something has become since the last call.
  std::vector<Entry*> settled(std::size_t server) {
    std::vector<Entry*> all;
    for (Entry& entry : known_[server]) {
      if (entry.fate != Fate::waits || waits(server, entry)) continue;
      entry.fate =
          is_there(server, entry.name, spill::FileName::refused) ? Fate::refused : Fate::gone;
      all.push_back(&entry);
    }
    return all;
  }
  /// A number is given again once its entry is gone.
  [[nodiscard]] Entry* find(std::size_t server, std::uint64_t number) {
    for (Entry& entry : known_[server])
      if (entry.name.number == number && entry.fate != Fate::gone) return &entry;
    return nullptr;
  }
  /// The process died when the entry was whole and had no name yet.
  void unname(std::size_t server, const Entry& entry) {
    move(path(server, entry.name), path(server, entry.name, spill::FileName::partial));
  }
  /// Whether all that was spilled of a session has left the journal.
  [[nodiscard]] bool is_all_gone(std::size_t server, std::uint64_t session) const {
    for (const Entry& entry : known_[server])
      if (entry.fate != Fate::gone && entry.is_of(session)) return false;
    return true;
  }
  /// The database is put back to what it was `then`. What was spilled by a server that ran then is
  /// taken out of its folder.
  void forget(std::size_t server, TimePoint then) {
    std::erase_if(known_[server], [&](Entry& entry) {
      if (entry.fate != Fate::waits) return false;
      entry.is_forgotten = true;
      if (entry.started > then) return false;
      for (const std::string_view end : {spill::FileName::waits, spill::FileName::partial})
        (void)persist::detail::os::Files().remove(path(server, entry.name, end));
      return true;
    });
  }

 private:
  [[nodiscard]] std::string path(std::size_t server, spill::FileName name,
                                 std::string_view end = spill::FileName::waits) const {
    name.end = end;
    return spill::path_in(of(server), name.text());
  }
  [[nodiscard]] bool is_there(std::size_t server, const spill::FileName& name,
                              std::string_view end) const {
    std::error_code ignored;
    return std::filesystem::exists(path(server, name, end), ignored);
  }
  static void move(const std::string& from, const std::string& to) {
    std::error_code ignored;
    std::filesystem::rename(from, to, ignored);
  }

  std::filesystem::path root_;
  std::vector<std::vector<Entry>> known_;  ///< by server
};

}  // namespace persist::inline PERSIST_ABI::testing
