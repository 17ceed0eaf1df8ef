#pragma once

#include <persist/audit/auditor.hpp>
#include <persist/backend/concept.hpp>
#include <persist/schema/value.hpp>
#include <persist/schema/value/pointer.hpp>

#include <persistctl/facts.hpp>
#include <persistctl/store.hpp>

#include <cstddef>
#include <ostream>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// Compares all records of a store with their ledgers and with each other.

namespace persistctl {

/// Where an audit finds what it compares. Paths are JSON Pointers in which a step `*` is every
/// element or member.
struct AuditPlan {
  std::string ledger = "/ledger";
  std::vector<std::pair<std::string, std::string>> amounts;  ///< what, and where it lies
  std::vector<std::string> unique;
  persist::audit::Period period;
};

/// Reads `coins=/coins,wood=/bag/wood`, or paths alone where nothing has a name. `invalid`.
[[nodiscard]] inline Result<std::vector<std::pair<std::string, std::string>>> read_paths(
    std::string_view text, bool have_names) {
  std::vector<std::pair<std::string, std::string>> all;
  while (!text.empty()) {
    std::string_view one = text.substr(0, text.find(','));
    text.remove_prefix((std::min)(text.size(), one.size() + 1));
    std::string name;
    if (have_names) {
      const std::size_t equals = one.find('=');
      if (equals == one.npos || equals == 0)
        return Error(Errc::invalid,
                     "say what lies where, as in coins=/coins, not " + std::string(one));
      name = one.substr(0, equals);
      one.remove_prefix(equals + 1);
    }
    if (auto fits = persist::schema::detail::check_pointer(one); !fits) return fits.error();
    all.emplace_back(std::move(name), one);
  }
  return all;
}

/// Calls `use` with each value that a path leads to.
template <class F>
void each_at(const Value& from, persist::schema::detail::PointerSteps steps, F& use) {
  if (steps.done()) return use(from);
  const std::string step(steps.next());
  if (step != "*") {
    const Value* next = from.find(step);
    if (next == nullptr && from.is_array())
      for (std::size_t i = 0; i < from.size(); ++i)
        if (std::to_string(i) == step) next = &from[i];
    return next != nullptr ? each_at(*next, steps, use) : void();
  }
  for (const Value& element : from.elements())
    each_at(element, steps, use);
  for (const Value::Member& member : from.members())
    each_at(member.value, steps, use);
}

class StoreAudit {
 public:
  explicit StoreAudit(AuditPlan plan) : plan_(std::move(plan)), auditor_(plan_.period) {}

  /// `schema_mismatch` where what lies at a path is of another kind; then nothing of it counts.
  [[nodiscard]] Result<void> add(std::string_view key, const Value& data) {
    persist::audit::Account account;
    Result<void> wrong = success;
    persist::audit::Ledger<most_lines> ledger;
    auto read_ledger = [&](const Value& at) {
      auto read = at.as<persist::audit::Ledger<most_lines>>();
      read ? void(ledger = *std::move(read)) : void(wrong = read.error());
    };
    look(data, plan_.ledger, read_ledger);
    account.ledger(ledger);
    for (const auto& [what, path] : plan_.amounts) {
      std::int64_t sum = 0;
      auto add = [&](const Value& at) {
        const auto number = at.as<std::int64_t>();
        number ? void(sum = persist::audit::plus(sum, *number)) : void(wrong = number.error());
      };
      look(data, path, add);
      account.amount(what, sum);
    }
    for (const std::string& path : plan_.unique) {
      auto add = [&](const Value& at) {
        if (const auto* text = at.get_if<std::string>()) return account.unique(*text);
        auto spelled = persist::to_json(at);
        spelled ? account.unique(*std::move(spelled)) : void(wrong = spelled.error());
      };
      look(data, path, add);
    }
    if (wrong) auditor_.add(key, account);
    return wrong;
  }
  [[nodiscard]] persist::audit::Report finish() { return auditor_.finish(); }
  /// The paths at which no record had anything: most likely they are written wrongly.
  [[nodiscard]] std::vector<std::string> unseen() const {
    std::vector<std::string> paths;
    if (!plan_.amounts.empty()) paths.push_back(plan_.ledger);
    for (const auto& [what, path] : plan_.amounts)
      paths.push_back(path);
    paths.insert(paths.end(), plan_.unique.begin(), plan_.unique.end());
    std::erase_if(paths, [this](const std::string& path) { return seen_.contains(path); });
    return paths;
  }

 private:
  template <class F>
  void look(const Value& data, const std::string& path, F& use) {
    auto seen = [&](const Value& at) { seen_.insert(path), use(at); };
    each_at(data, persist::schema::detail::PointerSteps(path), seen);
  }
  static constexpr std::size_t most_lines = 1'000'000;  ///< as many as the game's ledger may have
  AuditPlan plan_;
  persist::audit::Auditor auditor_;
  std::set<std::string> seen_;
};

/// The findings as lines of JSON, and a line of what there is in all.
[[nodiscard]] inline Result<void> write_findings(const persist::audit::Report& report,
                                                 std::ostream& out) {
  Buffer text;
  Result<void> written = success;
  const auto line = [&](Facts facts) {
    if (written) written = write_facts(facts, text, persist::codec::JsonStyle::compact);
    text.push(std::byte{'\n'});
  };
  const auto list = [](const std::vector<std::string>& keys) {
    return Value(Value::Array(keys.begin(), keys.end()));
  };
  for (const auto& each : report.mismatches)
    line({{"finding", "mismatch"},
          {"key", each.key},
          {"what", each.what},
          {"explained", each.explained},
          {"there", each.there}});
  for (const auto& each : report.open)
    line({{"finding", "open move"},
          {"name", each.name},
          {"what", each.what},
          {"sum", each.sum},
          {"since", time_text(each.first)},
          {"keys", list(each.keys)}});
  for (const auto& each : report.duplicates)
    line({{"finding", "duplicate"}, {"id", each.id}, {"keys", list(each.keys)}});
  for (const auto& [what, flow] : report.flows)
    line({{"what", what},
          {"made", flow.made},
          {"destroyed", flow.destroyed},
          {"there", flow.there}});
  line({{"records", report.records}, {"lines", report.lines}, {"shortened", report.shortened}});
  if (!written) return written;
  out << as_text(text);
  return out.flush() ? Result<void>(success) : Error(Errc::io, "the findings could not be written");
}

struct Audited {
  persist::audit::Report report;
  std::vector<Error> unreadable;    ///< records that were left out, each with its key
  std::vector<std::string> unseen;  ///< paths at which no record has anything
};

/// Looks at every record of the store, a batch at a time.
template <persist::record_backend Backend>
[[nodiscard]] Result<Audited> audit_store(Backend& backend, const OpenedStore& store,
                                          AuditPlan plan) {
  const auto keys = all_keys(backend, store);
  if (!keys) return keys.error();
  Audited audited;
  StoreAudit audit(std::move(plan));
  for (std::size_t i = 0; i < keys->size();) {
    std::vector<persist::ReadRequest> batch;
    for (; i < keys->size() && batch.size() < batch_records; ++i)
      batch.push_back({.store = store.id, .key = (*keys)[i]});
    backend.read(batch);
    for (const persist::ReadRequest& record : batch) {
      if (!failed(record.error) && !record.record.has_data) continue;
      Result<void> done = record.error;
      if (!failed(record.error)) {
        const auto data = decode_data(backend, store, record.key, record.record.data);
        done = data ? audit.add(record.key, *data) : Result<void>(data.error());
      }
      if (!done) audited.unreadable.push_back(Error(done.error()).for_key(record.key));
    }
  }
  audited.report = audit.finish();
  audited.unseen = audit.unseen();
  return audited;
}

}  // namespace persistctl
