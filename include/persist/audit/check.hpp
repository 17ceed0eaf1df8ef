#pragma once

#include <persist/audit/auditor.hpp>
#include <persist/store/for_each.hpp>

#include <string_view>
#include <utility>

namespace persist::inline PERSIST_ABI::audit {

struct Checked {
  Report report;
  ForEachReport walk;  ///< how far it came, and what could not be read

  /// Every record was looked at, and nothing was found.
  [[nodiscard]] bool is_clean() const noexcept {
    return walk.done && walk.failed == 0 && report.is_clean();
  }
};

/// Looks at all records of a store as they are stored, and says where they contradict their
/// ledgers, each other, or the law that there is one of a thing.
///
///     const auto checked = persist::audit::check(players, [](const PlayerData& data, auto&
///     account) {
///       account.ledger(data.ledger);
///       account.amount("coins", data.coins);
///       for (const Item& item : data.items) account.unique(item.id);
///     }, {.from = yesterday});
///
/// Takes no lease and writes nothing. Records change while it reads: what moves between two records
/// meanwhile may be seen in one of both, so look again at what is open before you act on it.
/// Blocks; a page of reads at a time (`how.page`, `how.rate`).
template <class Store, class F>
[[nodiscard]] Checked check(Store& store, F&& describe, Period period = {},
                            ForEachOptions how = {}) {
  using Data = typename Store::DataType;
  Auditor auditor(period);
  how.dry_run = true;
  ForEachReport walk = store.for_each(
      [&](std::string_view key, Data& data) {
        Account account;
        describe(std::as_const(data), account);
        auditor.add(key, account);
      },
      std::move(how));
  return {auditor.finish(), std::move(walk)};
}

}  // namespace persist::inline PERSIST_ABI::audit
