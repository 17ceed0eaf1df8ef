#pragma once

#include <persist/session/commit.hpp>
#include <persist/session/core.hpp>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

// A session and its host without a store: what the lists and batches of a store are tested with.

namespace test {

/// Writes down what it was told.
class PlainHost : public persist::SessionHost {
 public:
  std::vector<std::string> became_dirty_, dropped_;

  void became_dirty(persist::SessionCore& session) override {
    session.listed = true;
    became_dirty_.emplace_back(session.key());
  }
  void last_handle_dropped(persist::SessionCore& session) override {
    dropped_.emplace_back(session.key());
  }
  persist::Error board(persist::SessionCore&, persist::Aim) override { return persist::Errc{}; }
  void cut(persist::SessionCore&, persist::Cut&, persist::Change&) override {}
  void unboard(persist::SessionCore&, persist::Cut&, bool,
               const persist::Result<persist::Saved>&) override {}
  void settle(persist::SessionCore&, persist::Cut&, persist::Change&, const persist::Flight&,
              persist::Result<persist::Saved>&) override {}
  void lose(persist::SessionCore&, const persist::TransactionGroup&) override {}
  persist::TimePoint finish_unknown(bool) override { return persist::TimePoint::max(); }
  void drain() override {}
  persist::StoreInfo about() const override { return {}; }
};

/// Its data is the bytes themselves; says to `ended` when it is gone.
class PlainSession : public persist::SessionCore {
 public:
  PlainSession(persist::SessionHost& host, std::string_view key, int* ended = nullptr)
      : SessionCore(host, key, sizeof(PlainSession)), ended_(ended) {}
  PlainSession(const PlainSession&) = delete;
  PlainSession& operator=(const PlainSession&) = delete;
  ~PlainSession() override {
    if (ended_ != nullptr) ++*ended_;
  }

  std::string text;

  persist::Result<bool> encode(persist::Cut& cut) override { return cut.data.append(text), true; }
  persist::Result<void> decode(persist::Snapshot& from) override {
    if (persist::as_text(from.data) == "damaged") return persist::Errc::corrupt;
    text = persist::as_text(from.data);
    return persist::success;
  }
  persist::Result<void> pull() override { return persist::success; }
  void fire_saving(persist::Reason) override {}
  void game_lets_go() override {}
  std::vector<std::string> take_dropped() override { return {}; }
  void deliver(persist::Event&, persist::SessionHost&) override {}
  void saved_as_encoded() override {}
  bool try_lock() override { return true; }
  void unlock() override {}

 private:
  int* ended_;
};

inline persist::SessionPtr plain_session(persist::SessionHost& host, std::string_view key,
                                         int* ended = nullptr) {
  return persist::SessionPtr(new (key) PlainSession(host, key, ended));
}

}  // namespace test
