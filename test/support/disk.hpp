#pragma once

#include <persist/detail/os_file.hpp>

#include <algorithm>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

// A disk in memory that behaves as badly as a real one may: what was not synced is gone after a
// power cut, or half there; writes fail for want of room; a sync fails and drops what it should
// have kept. In the place of detail::os::Files.

namespace persist_test {

using persist::ByteView;
using persist::Result;
using persist::success;
using persist::detail::os::Access;
using persist::detail::os::io_error;

class Disk {
 public:
  static constexpr std::size_t sector = 512;

  struct Node {
    std::vector<std::byte> now, durable;
    struct Change {
      std::uint64_t offset;
      std::vector<std::byte> bytes;
      bool cuts;
    };
    std::vector<Change> unsynced;
    std::uint64_t locked_by = 0;
  };
  class Handle {
   public:
    Handle() = default;
    Handle(std::shared_ptr<Node> of, std::string name, std::uint64_t number, std::uint64_t born)
        : node(std::move(of)), path(std::move(name)), id(number), generation(born) {}
    Handle(Handle&& other) noexcept { swap(other); }
    Handle& operator=(Handle other) noexcept { return swap(other), *this; }
    ~Handle() {
      if (node && node->locked_by == id) node->locked_by = 0;
    }
    void swap(Handle& other) noexcept {
      node.swap(other.node);
      path.swap(other.path);
      std::swap(id, other.id);
      std::swap(generation, other.generation);
    }
    std::shared_ptr<Node> node;
    std::string path;
    std::uint64_t id = 0;
    std::uint64_t generation = 0;
  };

  /// What can be set and looked at from outside.
  struct State {
    mutable std::recursive_mutex mutex;
    std::map<std::string, std::shared_ptr<Node>> names, durable_names;
    std::set<std::string> folders, durable_folders;
    std::uint64_t generation = 1, ids = 0;
    std::uint64_t operations = 0;
    std::uint64_t stop_at = 0;  ///< the operation after which nothing works any more; 0: never
    bool stopped = false;
    bool sync_lies = false;                  ///< says that it synced and did not
    int fail_syncs = 0;                      ///< how many of the next ones fail
    std::uint64_t room = ~std::uint64_t{0};  ///< bytes that still fit
    bool cut_fails = false;
    std::string stays;              ///< a file that cannot be removed, nor get another name
    std::function<void()> on_sync;  ///< called without the lock, before a file is synced
  };

  Disk() : state_(std::make_shared<State>()) {}
  [[nodiscard]] State& state() const { return *state_; }

  /// The process is killed: its handles are closed, what it wrote is there.
  void kill() const {
    const std::lock_guard hold(state_->mutex);
    ++state_->generation;
    state_->stopped = false;
    state_->stop_at = 0;
    for (const auto* names : {&state_->names, &state_->durable_names})
      for (const auto& [name, node] : *names)
        node->locked_by = 0;
  }
  /// The power is cut: what was not synced is gone. Of the last unsynced write the sectors stay
  /// whose bit is set in `kept`.
  void cut_power(std::uint64_t kept = 0) const {
    const std::lock_guard hold(state_->mutex);
    for (const auto& [name, node] : state_->durable_names)
      if (!node->unsynced.empty() && kept != 0) apply_sectors(*node, node->unsynced.back(), kept);
    lose_the_rest();
  }
  /// The power is cut, and of all that was not synced any part may be there: each name that was
  /// given or removed, each cut, each sector of each write. A name that was given to another file
  /// is one of the two, and a file that was given another name has one of them, as journals of file
  /// systems keep it.
  template <class Random>
  void cut_power_anyhow(Random& random) const {
    const std::lock_guard hold(state_->mutex);
    std::map<std::string, std::shared_ptr<Node>> left;
    for (const auto& [name, node] : state_->durable_names)
      if (state_->names.contains(name) || random() % 2 == 0) left.emplace(name, node);
    for (const auto& [name, node] : state_->names)
      if (random() % 2 == 0) left.insert_or_assign(name, node);
    for (const auto& [name, node] : state_->durable_names)
      if (!holds(left, node) && holds(state_->names, node)) left.emplace(name, node);
    for (const auto& [name, node] : left)
      for (const Node::Change& change : node->unsynced)
        if (!change.cuts)
          apply_sectors(*node, change, random());
        else if (random() % 2 == 0)
          apply(node->durable, change);
    state_->durable_names = std::move(left);
    lose_the_rest();
  }
  [[nodiscard]] std::vector<std::byte>& bytes(const std::string& path) const {
    return state_->names.at(path)->now;
  }
  /// A second disk with the same files, all of them durable.
  [[nodiscard]] Disk copy() const {
    const std::lock_guard hold(state_->mutex);
    Disk other;
    other.state_->folders = other.state_->durable_folders = state_->folders;
    for (const auto& [name, node] : state_->names) {
      auto same = std::make_shared<Node>();
      same->now = same->durable = node->now;
      other.state_->names[name] = other.state_->durable_names[name] = same;
    }
    return other;
  }
  [[nodiscard]] std::vector<std::string> files() const {
    std::vector<std::string> all;
    for (const auto& [name, node] : state_->names)
      all.push_back(name);
    return all;
  }

  // The calls of detail::os::Files.

  Result<Handle> open(const std::string& path, Access access) const {
    const std::lock_guard hold(state_->mutex);
    if (const auto ok = step("open", path); !ok) return ok.error();
    auto found = state_->names.find(path);
    const bool missing = found == state_->names.end();
    if (missing && access != Access::create && access != Access::share)
      return io_error("open", path, ENOENT);
    if (!missing && access == Access::create) return io_error("open", path, EEXIST);
    if (missing) {
      if (!state_->folders.contains(folder_of(path))) return io_error("open", path, ENOENT);
      found = state_->names.emplace(path, std::make_shared<Node>()).first;
    }
    return Handle(found->second, path, ++state_->ids, state_->generation);
  }
  Result<std::size_t> read_at(const Handle& file, std::uint64_t offset,
                              std::span<std::byte> to) const {
    const std::lock_guard hold(state_->mutex);
    if (const auto ok = alive(file); !ok) return ok.error();
    const auto& bytes = file.node->now;
    if (offset >= bytes.size()) return std::size_t{0};
    const std::size_t count =
        (std::min)(to.size(), bytes.size() - static_cast<std::size_t>(offset));
    if (count != 0) std::memcpy(to.data(), bytes.data() + offset, count);
    return count;
  }
  Result<void> write_at(const Handle& file, std::uint64_t offset, ByteView bytes) const {
    const std::lock_guard hold(state_->mutex);
    if (const auto ok = alive(file); !ok) return ok;
    if (const auto ok = step("write to", file.path); !ok) {
      if (state_->operations == state_->stop_at)
        put(*file.node, offset, bytes.first(bytes.size() / 2));
      return ok;
    }
    const std::uint64_t end =
        (std::max)(offset + bytes.size(), std::uint64_t{file.node->now.size()});
    const std::uint64_t grows = end - file.node->now.size();
    if (grows > state_->room) {
      const auto fits = bytes.size() - static_cast<std::size_t>(grows - state_->room);
      put(*file.node, offset, bytes.first(fits));
      state_->room = 0;
      return io_error("write to", file.path, ENOSPC);
    }
    state_->room -= grows;
    put(*file.node, offset, bytes);
    return success;
  }
  Result<void> write_at(const Handle& file, std::uint64_t offset,
                        std::span<const ByteView> pieces) const {
    std::vector<std::byte> all;
    for (const ByteView piece : pieces)
      all.insert(all.end(), piece.begin(), piece.end());
    return write_at(file, offset, ByteView(all));
  }
  Result<std::uint64_t> size(const Handle& file) const {
    const std::lock_guard hold(state_->mutex);
    if (const auto ok = alive(file); !ok) return ok.error();
    return std::uint64_t{file.node->now.size()};
  }
  Result<void> truncate(const Handle& file, std::uint64_t size) const {
    const std::lock_guard hold(state_->mutex);
    if (const auto ok = alive(file); !ok) return ok;
    if (state_->cut_fails) return io_error("cut back", file.path, EIO);
    if (const auto ok = step("cut back", file.path); !ok) return ok;
    if (state_->room != ~std::uint64_t{0} && size < file.node->now.size())
      state_->room += file.node->now.size() - size;
    file.node->now.resize(size);
    file.node->unsynced.push_back({size, {}, true});
    return success;
  }
  Result<void> sync(const Handle& file) const {
    std::function<void()> hook;
    {
      const std::lock_guard hold(state_->mutex);
      hook = state_->on_sync;
    }
    if (hook) hook();
    const std::lock_guard hold(state_->mutex);
    if (const auto ok = alive(file); !ok) return ok;
    if (const auto ok = step("sync", file.path); !ok) return ok;
    if (state_->sync_lies) return success;
    if (state_->fail_syncs > 0) {
      --state_->fail_syncs;
      file.node->unsynced.clear();  // the system takes them for written
      return io_error("sync", file.path, EIO);
    }
    for (const Node::Change& change : file.node->unsynced)
      apply(file.node->durable, change);
    file.node->unsynced.clear();
    return success;
  }
  Result<void> sync_folder(const std::string& path) const {
    const std::lock_guard hold(state_->mutex);
    if (const auto ok = step("sync", path); !ok) return ok;
    std::erase_if(state_->durable_names,
                  [&](const auto& entry) { return folder_of(entry.first) == path; });
    for (const auto& [name, node] : state_->names)
      if (folder_of(name) == path) state_->durable_names[name] = node;
    for (const std::string& folder : state_->folders)
      if (folder_of(folder) == path) state_->durable_folders.insert(folder);
    return success;
  }
  Result<void> rename(const std::string& from, const std::string& to) const {
    const std::lock_guard hold(state_->mutex);
    if (const auto ok = step("rename", from); !ok) return ok;
    if (from == state_->stays) return io_error("rename", from, EIO);
    const auto found = state_->names.find(from);
    if (found == state_->names.end()) return io_error("rename", from, ENOENT);
    state_->names[to] = found->second;
    state_->names.erase(from);
    return success;
  }
  Result<void> remove(const std::string& path) const {
    const std::lock_guard hold(state_->mutex);
    if (const auto ok = step("remove", path); !ok) return ok;
    if (path == state_->stays) return io_error("remove", path, EIO);
    return state_->names.erase(path) != 0 ? Result<void>(success)
                                          : Result<void>(io_error("remove", path, ENOENT));
  }
  Result<bool> make_folder(const std::string& path) const {
    const std::lock_guard hold(state_->mutex);
    if (const auto ok = step("make", path); !ok) return ok.error();
    return state_->folders.insert(without_slash(path)).second;
  }
  Result<std::vector<std::string>> list(const std::string& path) const {
    const std::lock_guard hold(state_->mutex);
    if (const auto ok = step("list", path); !ok) return ok.error();
    std::vector<std::string> all;
    for (const auto& [name, node] : state_->names)
      if (folder_of(name) == path) all.push_back(name.substr(path.size() + 1));
    return all;
  }
  Result<bool> lock(const Handle& file) const {
    const std::lock_guard hold(state_->mutex);
    if (const auto ok = alive(file); !ok) return ok.error();
    if (file.node->locked_by != 0 && file.node->locked_by != file.id) return false;
    file.node->locked_by = file.id;
    return true;
  }
  Result<bool> is_locked(const Handle& file) const {
    const std::lock_guard hold(state_->mutex);
    return file.node->locked_by != 0 && file.node->locked_by != file.id;
  }

 private:
  static std::string folder_of(const std::string& path) {
    const std::size_t slash = path.find_last_of('/');
    return slash == path.npos ? "." : without_slash(path.substr(0, slash));
  }
  static std::string without_slash(std::string path) {
    while (path.size() > 1 && path.back() == '/')
      path.pop_back();
    return path;
  }
  void lose_the_rest() const {
    kill();
    state_->folders = state_->durable_folders;
    std::erase_if(state_->durable_names, [&](const auto& entry) {
      return !state_->folders.contains(folder_of(entry.first));
    });
    state_->names = state_->durable_names;
    for (const auto& [name, node] : state_->names) {
      node->now = node->durable;
      node->unsynced.clear();
    }
  }
  static bool holds(const std::map<std::string, std::shared_ptr<Node>>& names,
                    const std::shared_ptr<Node>& node) {
    return std::any_of(names.begin(), names.end(),
                       [&](const auto& entry) { return entry.second == node; });
  }
  Result<void> alive(const Handle& file) const {
    if (!file.node || file.generation != state_->generation || state_->stopped)
      return io_error("use", file.path, EIO);
    return success;
  }
  Result<void> step(const char* what, const std::string& path) const {
    if (state_->stopped) return io_error(what, path, EIO);
    ++state_->operations;
    if (state_->stop_at != 0 && state_->operations >= state_->stop_at) {
      state_->stopped = true;
      return io_error(what, path, EIO);
    }
    return success;
  }
  static void apply(std::vector<std::byte>& to, const Node::Change& change) {
    if (change.cuts) return to.resize(change.offset);
    if (to.size() < change.offset + change.bytes.size())
      to.resize(change.offset + change.bytes.size());
    std::copy(change.bytes.begin(), change.bytes.end(),
              to.begin() + static_cast<std::ptrdiff_t>(change.offset));
  }
  static void put(Node& node, std::uint64_t offset, ByteView bytes) {
    node.unsynced.push_back({offset, {bytes.begin(), bytes.end()}, false});
    apply(node.now, node.unsynced.back());
  }
  static void apply_sectors(Node& node, const Node::Change& change, std::uint64_t kept) {
    for (std::size_t i = 0; i < change.bytes.size(); ++i) {
      const std::size_t at = static_cast<std::size_t>(change.offset) + i;
      const std::size_t bit = at / sector - static_cast<std::size_t>(change.offset) / sector;
      if (node.durable.size() <= at) node.durable.resize(at + 1);
      if (bit < 64 && ((kept >> bit) & 1) != 0) node.durable[at] = change.bytes[i];
    }
  }

  std::shared_ptr<State> state_;
};

}  // namespace persist_test
