#pragma once

#include <persist/backend/file/job.hpp>
#include <persist/backend/redis/database.hpp>
#include <persist/backend/redis/rules.hpp>

#include <algorithm>
#include <concepts>
#include <deque>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

// A batch in rounds: each is one round trip for all requests that still need one. A request looks
// at the records it does not remember, is performed here, and is written where they still are what
// it was performed on. Where they are not the answer says what they are, and it is performed again.

namespace persist::inline PERSIST_ABI::backend::redis {

/// So many times in a row others may be faster before a request gives up: `unavailable`.
inline constexpr int most_tries = 64;
/// And so many commands are under way at once, whose bytes wait in memory.
inline constexpr std::size_t most_at_once = 512;

/// What a failure means to a write that was sent.
[[nodiscard]] inline Error in_doubt(const Error& error) {
  if (error == Errc::unknown_outcome) return error;
  return {Errc::unknown_outcome, std::string(error.detail()) + " while a write was on its way"};
}

/// One request on its way.
template <class Request>
struct Job {
  Request* request = nullptr;
  Turn turn{};
  std::vector<Command> commands{};  ///< of this round
  std::vector<Reply> replies{};
  bool is_done = false;
  bool is_written = false;  ///< the reply of this round says so, and that ends it
  bool has_taken = false;   ///< the same of a look that took the record
  bool sends_script = false;
  bool is_repeated = false;  ///< the same commands go again
  bool has_tried_to_take = false;
  int tries = 0;
};

template <class Request>
class Batch {
 public:
  Batch(Database& db, std::span<Request> requests) : db_(db), deadline_(db.pool().deadline()) {
    for (Request& request : requests)
      jobs_.emplace_back().request = &request;
  }

  void run() {
    std::vector<Job<Request>*> ready;
    for (;;) {
      ready.clear();
      Busy busy;
      bool all_done = true;
      for (Job<Request>& job : jobs_) {
        if (job.is_done) continue;
        all_done = false;
        if (jobs_.size() > 1 && !is_its_turn(job, busy)) continue;
        prepare(job);
        if (!job.is_done) ready.push_back(&job);
        if (ready.size() == most_at_once) break;
      }
      if (all_done) return;
      if (!ready.empty()) round(ready);
    }
  }

 private:
  using Mine = Job<Request>;

  /// What requests before are at work on. Its own keys: to perform a request changes what named
  /// them.
  struct Busy {
    std::set<std::pair<std::uint32_t, std::string>> records;
    std::set<std::pair<std::uint32_t, Hash128>> schemas;
  };
  /// Requests for one record go in their order, and those for a schema that is not known to be
  /// there.
  [[nodiscard]] bool is_its_turn(Mine& job, Busy& busy) {
    wanted_.clear();
    wanted_by(*job.request, job.turn, wanted_);
    bool is_free = true;
    for (const Wanted& each : wanted_)
      is_free = !busy.records.contains({each.store.index, std::string(each.key)}) && is_free;
    for (const Wanted& each : wanted_)
      busy.records.emplace(each.store.index, each.key);
    if constexpr (std::same_as<Request, CommitRequest>)
      for (const Change& change : job.request->changes)
        if (change.schema != nullptr && !holds(change.store, change.schema->id))
          is_free = busy.schemas.insert({change.store.index, change.schema->id}).second && is_free;
    return is_free;
  }
  [[nodiscard]] bool holds(StoreId store, const Hash128& id) {
    return db_.stores().stores().with(
        store, [&](const kv::KnownStore& all) { return all.schemas.contains(id); });
  }
  void fail(Mine& job, const Error& error) {
    file::fail(*job.request, error);
    job.is_done = true;
  }

  void prepare(Mine& job);
  [[nodiscard]] bool find_schemas(Mine& job);
  [[nodiscard]] bool look(Mine& job);
  void perform_or_look(Mine& job);
  void note_schema(const Change& change) {
    db_.stores().stores().with(change.store,
                               [&](kv::KnownStore& all) { all.schemas.insert(change.schema->id); });
  }
  void perform_now(Mine& job) {
    if constexpr (std::same_as<Request, CommitRequest>)
      perform(*job.request, job.turn,
              [&](StoreId store, const Hash128& id) { return holds(store, id); });
    else
      perform(*job.request, job.turn);
  }
  void round(std::span<Mine* const> ready);
  [[nodiscard]] Result<void> exchange(Connection& line, std::span<Mine* const> ready);
  [[nodiscard]] Result<void> wait_for_replicas(Connection& line, std::span<Mine* const> ready);
  void add(Connection& line, const Mine& job, const Command& command);
  void take_in(Mine& job);
  [[nodiscard]] Result<void> fill(Cell& cell, Answer all);
  void finish(Mine& job);

  Database& db_;
  TimePoint deadline_;
  std::deque<Mine> jobs_;
  std::vector<Wanted> wanted_;
};

/// What the request needs and has not is looked at; otherwise it is performed.
template <class Request>
void Batch<Request>::prepare(Mine& job) {
  job.replies.clear();
  job.has_taken = false;
  if (std::exchange(job.is_repeated, false)) return;
  job.commands.clear();
  if (++job.tries > most_tries)
    return fail(job, {Errc::unavailable, "others changed the record each time, and were faster"});
  if constexpr (std::same_as<Request, CommitRequest>)
    if (job.tries == 1 && !find_schemas(job)) return;
  if (!look(job) || !job.commands.empty()) return;
  perform_or_look(job);
}
template <class Request>
void Batch<Request>::perform_or_look(Mine& job) {
  job.turn.hints.clear(), job.turn.schemas.clear();
  job.turn.moment = db_.moment();
  perform_now(job);
  if (job.turn.has_changes()) {
    job.commands.push_back(write_of(job.turn, db_.is_own_clock(), db_.next_write_id(),
                                    [&](StoreId store) { return db_.name_of(store); }));
    for (const Hinted& hint : job.turn.hints)
      if (hint.nonce != db_.nonce() && db_.options().wakes) {
        job.commands.back().words.push_back(channel_of(hint.nonce));
        job.commands.back().words.push_back(
            encode_hint(db_.name_of(hint.store), hint.key, hint.why));
      }
    return;
  }
  // No refusal is given on the word of what is only remembered.
  if (std::erase_if(job.turn.cells, [](const Cell& cell) { return cell.is_remembered; }) == 0)
    return finish(job);
  (void)look(job);
}

/// Learns which schemas the store holds that the changes name and do not bring. False where nothing
/// could be learned.
template <class Request>
bool Batch<Request>::find_schemas(Mine& job) {
  for (const Change& change : job.request->changes) {
    if (change.schema == nullptr || change.sends_schema || holds(change.store, change.schema->id))
      continue;
    SchemaRequest asked{change.store, change.schema->id};
    kv::read_schema(db_.stores(), asked);
    if (is_ailing(asked.error)) return fail(job, asked.error), false;
    if (!failed(asked.error)) note_schema(change);
  }
  return true;
}

/// False where that failed.
template <class Request>
bool Batch<Request>::look(Mine& job) {
  std::vector<Wanted> wanted;
  wanted_by(*job.request, job.turn, wanted);
  for (const Wanted& each : wanted) {
    if (job.turn.find(each.store, each.key) != nullptr) continue;
    if (each.key.empty() || each.key.size() > 255)
      return fail(job, {Errc::invalid,
                        "a key has 1 to 255 bytes, this one " + std::to_string(each.key.size())}),
             false;
    auto home = db_.home(each.store);
    if (!home) return fail(job, kv::before_outcome(home.error())), false;
    Cell& cell = job.turn.cells.emplace_back();
    cell.store = each.store, cell.key = each.key, cell.home = std::move(*home);
    cell.name = cell.home->record(each.key);
    if constexpr (std::same_as<Request, CommitRequest>)
      if (job.tries == 1)
        if (auto known = db_.cache().take(cell.name)) {
          cell.seen = std::move(*known), cell.is_remembered = true;
          continue;
        }
    Command& command = job.commands.emplace_back();
    command.cell = job.turn.cells.size() - 1;
    command.keys = {cell.home->header_key, cell.name};
    command.words = {cell.home->header, ""};
    if constexpr (std::same_as<Request, AcquireRequest>) {
      const AcquireRequest& asks = *job.request;
      if (std::exchange(job.has_tried_to_take, true) || asks.claim_epoch != 0 ||
          asks.least_epoch != 0 || asks.intent == Intent::look || asks.intent == Intent::withdraw ||
          asks.owner.nobody())
        continue;
      const TimePoint now = db_.moment().now;
      const Buffer taking = encode_taking(asks.key, asks.owner, asks.lease, now);
      command.words = {cell.home->header, std::string(as_text(taking)), micros(now),
                       db_.is_own_clock() ? "1" : "0", text_of(asks.owner)};
    }
  }
  return true;
}

template <class Request>
void Batch<Request>::add(Connection& line, const Mine& job, const Command& command) {
  const std::string counted = std::to_string(command.keys.size());
  const std::string sha = job.sends_script ? "" : db_.pool().sha(command.script);
  Arguments words{job.sends_script ? "EVAL" : "EVALSHA"};
  words.push_back(job.sends_script ? all_scripts[static_cast<std::size_t>(command.script)]
                                   : std::string_view(sha));
  words.push_back(counted);
  words.insert(words.end(), command.keys.begin(), command.keys.end());
  words.insert(words.end(), command.words.begin(), command.words.end());
  line.add(words);
}

/// Sends the commands of all that are ready, and takes in what comes back. Where the connection
/// breaks, what has no reply yet and may have changed something is `unknown_outcome`.
template <class Request>
void Batch<Request>::round(std::span<Mine* const> ready) {
  auto line = db_.pool().take(deadline_);
  if (!line) {
    for (Mine* const job : ready)
      fail(*job, line.error());
    return;
  }
  auto done = exchange(**line, ready);
  for (Mine* const job : ready)
    if (job->replies.size() == job->commands.size()) take_in(*job);
  if (done) done = wait_for_replicas(**line, ready);
  for (Mine* const job : ready) {
    const bool is_whole = job->replies.size() == job->commands.size();
    if (!done && is_whole && db_.options().replicas > 0 && (job->is_written || job->has_taken))
      fail(*job, in_doubt(done.error()));
    else if (job->is_written)
      finish(*job);
    if (job->is_done || is_whole) continue;
    const bool is_known =
        std::none_of(job->commands.begin(), job->commands.end(), [](const Command& command) {
          return command.script == Script::write ||
                 (command.script == Script::look && command.words.size() > 2);
        });
    fail(*job, is_known ? done.error() : in_doubt(done.error()));
  }
  db_.pool().give_back(std::move(*line));
}
template <class Request>
Result<void> Batch<Request>::exchange(Connection& line, std::span<Mine* const> ready) {
  for (const Mine* const job : ready)
    for (const Command& command : job->commands)
      add(line, *job, command);
  if (const auto sent = line.flush(); !sent) return sent.error();
  for (Mine* const job : ready)
    while (job->replies.size() < job->commands.size()) {
      auto reply = line.next();
      if (!reply) return reply.error();
      job->replies.push_back(std::move(*reply));
    }
  return success;
}
/// Once for all that was written.
template <class Request>
Result<void> Batch<Request>::wait_for_replicas(Connection& line, std::span<Mine* const> ready) {
  const int wanted = db_.options().replicas;
  const auto is_written = [](const Mine* job) { return job->is_written || job->has_taken; };
  if (wanted <= 0 || std::none_of(ready.begin(), ready.end(), is_written)) return success;
  const auto most =
      std::chrono::ceil<std::chrono::milliseconds>(db_.options().deadline / 2).count();
  const auto reply = line.call({"WAIT", std::to_string(wanted), std::to_string(most)});
  if (!reply) return Error(Errc::unknown_outcome, std::string(reply.error().detail()));
  const std::int64_t have = Answer(reply->get()).integer();
  if (have >= wanted) return success;
  return Error(Errc::unknown_outcome, line.place() + " has it, but of its replicas only " +
                                          std::to_string(have) + " and not " +
                                          std::to_string(wanted) + " have");
}

template <class Request>
Result<void> Batch<Request>::fill(Cell& cell, Answer all) {
  auto stored =
      decode_stored(all, cell.name, [&](std::string_view store) { return db_.id_of(store); });
  if (!stored) return Error(stored.error()).for_key(cell.key);
  if (stored->record.exists && stored->record.key != cell.key)
    return kv::damaged(cell.name, "is another record").for_key(cell.key);
  cell.seen = std::move(*stored);
  cell.is_remembered = cell.is_changed = false;
  cell.changed = 0;
  return success;
}

/// What the replies of this round say.
template <class Request>
void Batch<Request>::take_in(Mine& job) {
  for (std::size_t i = 0; i < job.commands.size(); ++i) {
    const Answer answer(job.replies[i].get());
    if (answer.is_error() && answer.text().starts_with("NOSCRIPT"))
      return (void)(job.sends_script = job.is_repeated = true);
    if (answer.is_error()) return fail(job, describe(answer.text(), place_of(db_.options())));
    db_.time().heard(number_in(answer[0].text()).value_or(0),
                     number_in(answer[1].text()).value_or(0));
    const std::string_view what = answer[2].text();
    if (what == "birth") return fail(job, another_database(job.turn.cells[0].home->name));
    if (what == "done") return (void)(job.is_written = true);
    Result<void> filled = success;
    if (job.commands[i].script != Script::write)
      filled = fill(job.turn.cells[job.commands[i].cell], answer[3]);
    else
      for (std::size_t c = 0; c < job.turn.cells.size() && filled; ++c)
        filled = fill(job.turn.cells[c], answer[3 + c]);
    job.has_taken = what == "took";
    if (!filled) return fail(job, filled.error());
  }
}

/// The request is answered. What this server holds it remembers.
template <class Request>
void Batch<Request>::finish(Mine& job) {
  job.is_done = true;
  if constexpr (std::same_as<Request, AcquireRequest> || std::same_as<Request, CommitRequest>)
    for (Cell& cell : job.turn.cells)
      if (cell.record().head.fence.owner.nonce == db_.nonce() &&
          (job.is_written || !cell.is_changed)) {
        cell.seen.bytes = 512 + cell.name.size();
        for (const Sum& sum : cell.seen.sums)
          cell.seen.bytes += sum.size;
        db_.cache().keep(cell.name, std::move(cell.seen));
      }
  for (const Change* const change : job.turn.schemas)
    note_schema(*change);
  for (const Hinted& hint : job.turn.hints)
    if (hint.nonce == db_.nonce()) db_.wake(hint);
}

}  // namespace persist::inline PERSIST_ABI::backend::redis
