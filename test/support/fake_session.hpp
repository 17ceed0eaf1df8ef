#pragma once

#include <persist/record/requests.hpp>
#include <persist/session/commit.hpp>
#include <persist/session/core.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace test {

/// A store that does nothing but count.
struct FakeHost final : persist::SessionHost {
  int dirty = 0;
  void became_dirty(persist::SessionCore&) override { ++dirty; }
  void last_handle_dropped(persist::SessionCore&) override {}
  persist::Error board(persist::SessionCore&, persist::Aim) override { return persist::Errc{}; }
  void cut(persist::SessionCore&, persist::Cut&, persist::Change&) override {}
  void unboard(persist::SessionCore&, persist::Cut&) override {}
  void settle(persist::SessionCore&, persist::Cut&, persist::Change&, const persist::CommitRequest&,
              persist::Result<persist::Saved>&) override {}
  void end(persist::SessionCore&, persist::State, persist::Reason, bool) override {}
  void drain() override {}
};

/// A session without data.
struct FakeSession final : persist::SessionCore {
  FakeSession(FakeHost& host, std::string_view key, bool* told = nullptr)
      : SessionCore(host, key), gone(told) {
    state = persist::State::open;
  }
  ~FakeSession() override {
    if (gone != nullptr) *gone = true;
  }
  persist::Result<bool> encode(persist::Buffer&) override { return true; }
  persist::Result<void> decode(persist::Snapshot&) override { return persist::success; }
  persist::Result<void> fire_saving(persist::Reason) override { return persist::success; }
  void game_lets_go() override {}
  std::vector<std::string> take_dropped() override { return {}; }
  void deliver(persist::Event&, persist::SessionHost&) override {}
  void saved_as_encoded() override {}
  bool try_lock() override { return true; }
  void unlock() override {}
  bool* gone;
};

}  // namespace test
