#include <persistctl/audit.hpp>
#include <persistctl/command_line.hpp>
#include <persistctl/export.hpp>
#include <persistctl/history.hpp>
#include <persistctl/import.hpp>
#include <persistctl/inbox.hpp>
#include <persistctl/open.hpp>
#include <persistctl/post.hpp>
#include <persistctl/show.hpp>
#include <persistctl/sources.hpp>
#include <persistctl/spill.hpp>
#include <persistctl/unlock.hpp>
#include <persistctl/unwrap.hpp>
#if PERSISTCTL_HAS_ZSTD
#include <persistctl/train.hpp>
#endif

#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

// persistctl: what an operator does with a database of records. Each command is a function; what it
// does lies in a header of its own, which knows no database.

namespace persistctl {
namespace {

constexpr int done = 0;
constexpr int not_done = 1;  // or only in part
constexpr int wrong_command_line = 2;
constexpr int folder_is_held = 3;

const Option dir_option{"--dir", "DIR", ""}, store_option{"--store", "NAME", ""};
const Option dictionary_option{
    "--dictionary", "FILES",
    "zstd dictionaries that records were compressed with, a comma between"};

/// What is done with the entries of a spill journal.
std::vector<Command> spill_commands() {
  const Option folder{"--spill", "FOLDER", "the game's StoreOptions::spill"};
  return {{"spill list",
           "",
           "Writes what a game could not save when it stopped, an entry a line: file, state, "
           "store, keys, bytes, time, reason.",
           {folder, store_option}},
          {"spill show",
           "ENTRY",
           "Writes everything that an entry holds, as JSON.",
           {folder, dictionary_option}},
          {"spill apply",
           "ENTRY",
           "Sends an entry, as the game does when it starts; where somebody wrote since, nothing.",
           {folder,
            dir_option,
            {"--store", "URI", ""},
            {"--force", "", "writes it over what is there, and also what a rule had refused"}}},
          {"spill drop", "ENTRY", "Forgets an entry: what it holds is lost.", {folder}}};
}

/// What is done with older states of a record.
std::vector<Command> history_commands() {
  return {{"history",
           "KEY",
           "Writes the states of a record that are kept, newest first, one a line, as JSON.",
           {dir_option, store_option}},
          {"diff",
           "KEY",
           "Writes what changes one state of a record into another, as a JSON Patch.",
           {dir_option,
            store_option,
            dictionary_option,
            {"--from", "VERSION", "the one before"},
            {"--to", "VERSION", "the one after (default: what is there now)"}}},
          {"restore",
           "KEY",
           "Makes an older state the data of a record; what it replaces is kept, to undo it.",
           {dir_option, store_option, {"--version", "VERSION", "which"}}}};
}

/// What is done with one record.
std::vector<Command> record_commands() {
  return {{"show",
           "KEY",
           "Writes everything that a record says of itself, as JSON.",
           {dir_option, store_option, dictionary_option}},
          {"inbox",
           "KEY",
           "Writes the messages that wait in a record, one a line, as JSON.",
           {dir_option, store_option}},
          {"post",
           "KEY",
           "Sends a message to a record, whoever holds it, and if there is none yet.",
           {dir_option,
            store_option,
            {"--type", "TYPE", "the game's type for it"},
            {"--json", "JSON", "the message"},
            {"--id", "ID", "names this one: sent again under it, it comes once (default: drawn)"},
            {"--priority", "N", "the higher, the sooner it is handled; 0 (the default) to 255"},
            {"--days", "N", "how long it waits to be handled (default: 7; at most 45)"}}},
          {"holder",
           "KEY",
           "Says which process has the folder, and which server wrote the record last.",
           {dir_option, store_option}},
          {"unlock",
           "KEY",
           "Takes a record away from whoever holds it; a session that had it can write no more.",
           {dir_option, store_option}}};
}

/// What is done with all records of a folder.
std::vector<Command> folder_commands() {
  return {
      {"import",
       "FILE.jsonl",
       "Takes in an export, a record a line; all of it is checked before anything is written.",
       {dir_option,
        store_option,
        {"--from", "SYSTEM",
         "what wrote it: profilestore (ProfileService's records too), suphi, rbx-persist, lapis"},
        {"--on-conflict", "WHAT",
         "where a record is there: fail (import nothing; the default), skip, replace"},
        {"--as-message", "TYPE", "the game's type for messages that nobody has processed yet"},
        {"--codec", "CODEC",
         "what the game's store reads: packed (the default), cbor, json, suphi"},
        {"--schema-version", "N",
         "what the records say of themselves (default: what lapis says, else 1)"}}},
      {"export",
       "",
       "Writes all records to standard output as JSON Lines: {\"key\", \"value\"}.",
       {dir_option,
        store_option,
        dictionary_option,
        {"--all", "", "metadata, user ids, times, counts and versions too"}}},
      {"list",
       "",
       "Writes the keys of all records, one a line.",
       {dir_option,
        store_option,
        {"--details", "", "and, after tabs: bytes, version, loads, waiting messages, last save"}}},
      {"train",
       "FILE",
       "Makes a zstd dictionary of the records, for compress::ZstdDict; FILE must not be there.",
       {dir_option,
        store_option,
        dictionary_option,
        {"--size", "BYTES", "the most it may have (default: 112640); it takes 100 times as much"}}},
      {"audit",
       "",
       "Compares all records with their ledgers (persist::audit::Ledger) and with each other; a "
       "finding a line, as JSON.",
       {dir_option,
        store_option,
        dictionary_option,
        {"--ledger", "PATH", "where it lies in the data (default: /ledger)"},
        {"--amount", "WHAT=PATH,...", "what the ledger must explain, as in coins=/coins"},
        {"--unique", "PATH,...", "of what there is one in the world, as in /items/*/id"},
        {"--hours", "N", "only what moved in the last N hours (default: all)"}}},
      {"backup",
       "COPY",
       "Writes a copy of a folder, or of an SQLite file, of one moment; it opens like any other.",
       {dir_option, store_option}},
      {"migrate",
       "",
       "Writes the SQL that makes the tables of a PostgreSQL database.",
       {dir_option, store_option, {"--apply", "", "and runs it where there are none"}}},
      {"compact",
       "",
       "Writes a folder again and removes what was there: of what was erased no byte stays.",
       {dir_option, store_option}}};
}

/// All that can be typed; `--help` is made of it.
const std::vector<Command>& commands() {
  static const std::vector<Command> all = [] {
    std::vector<Command> made = record_commands();
    for (auto& more : {history_commands(), folder_commands(), spill_commands()})
      made.insert(made.end(), more.begin(), more.end());
    return made;
  }();
  return all;
}

void print_help() {
  std::cout
      << "usage: persistctl COMMAND --dir DIR [--store NAME] ...\n"
         "       persistctl COMMAND --store URI ...\n\n"
         "  --dir DIR      the folder of records (backend::File)\n"
         "  --store NAME   the store in it; may be left out where there is only one\n"
         "  --store URI    any database, and behind a # the store in it: file:save#Players,\n"
         "                 sqlite:/srv/game.db, postgres://game@db/game, redis://cache,\n"
         "                 etcd:10.0.0.1:2379; a password goes into the environment\n"
      << help_text(commands())
      << "\nimport, unlock, restore, post, compact and spill apply need a folder for themselves; "
         "the "
         "others\nread it as it is, also while a server has it. Of other databases many have one "
         "at "
         "once. A key that begins with -- goes behind a "
         "single "
         "--.\n\n"
         "exit status: 0 done; 1 failed, or done only in part; 2 a mistake in the command "
         "line;\n3 another process has the folder\n";
}

/// With the reason that the system gave just now, where it gave one.
Error of_system(std::string what) {
  const int number = errno;
  return Error(Errc::io, std::move(what)).with_os(number);
}

/// Keys in messages come from outside, so what is printed is made harmless.
int fail(const Error& error, int status = not_done) {
  std::cerr << "persistctl: " << printable(error.message()) << '\n';
  return status;
}

/// The database and a store in it. Not yet open where an error is set.
struct Opened {
  std::optional<Database> db;
  OpenedStore store;
  int status = done;  ///< of the whole command, where it could not be opened
};

int fail_to_open(const Error& error) {
  return fail(error, error == Errc::locked ? folder_is_held : not_done);
}

#if PERSISTCTL_HAS_ZSTD
Result<void> load_dictionaries(const std::string& files) {
  std::istringstream names(files);
  for (std::string name; std::getline(names, name, ',');) {
    errno = 0;
    std::ifstream file(name, std::ios::binary);
    std::ostringstream bytes;
    if (!file || !(bytes << file.rdbuf())) return of_system("cannot read " + name);
    auto opened = persist::compress::ZstdDictionary::open(as_bytes(bytes.str()));
    if (!opened) return Error(Errc::invalid, name + ": " + std::string(opened.error().detail()));
    Dictionaries::known.push_back(*std::move(opened));
  }
  return success;
}
#else
Result<void> load_dictionaries(const std::string& files) {
  if (files.empty()) return success;
  return Error(Errc::unsupported, "this persistctl was built without zstd");
}
#endif

Opened open(const Typed& typed, For what) {
  Opened opened;
  if (const auto known = load_dictionaries(typed.get("--dictionary")); !known)
    return opened.status = fail(known.error()), opened;
  const auto place = place_of(typed.get("--dir"), typed.get("--store"));
  if (!place) return opened.status = fail(place.error(), wrong_command_line), opened;
  auto db = open_database(*place, what);
  if (!db) return opened.status = fail_to_open(db.error()), opened;
  opened.db = *std::move(db);
  auto store = open_store(*opened.db, place->store, what == For::importing);
  if (!store) return opened.status = fail(store.error()), opened;
  opened.store = *std::move(store);
  return opened;
}

/// What `--on-conflict`, `--codec` and `--schema-version` say; nothing, after a message, if it
/// makes no sense, or no game could open the store.
std::optional<ImportOptions> import_options(const Typed& typed) {
  ImportOptions options;
  options.message_type = typed.get("--as-message");
  const auto wrong = [](std::string what) {
    fail(Error(Errc::invalid, std::move(what)));
    return std::nullopt;
  };
  const Source* source = find_source(typed.get("--from"));
  if (source == nullptr)
    return wrong("say what wrote the file: --from profilestore, suphi, rbx-persist or lapis");
  options.read = source->read;
  if (const auto place = place_of(typed.get("--dir"), typed.get("--store"));
      place && !place->store.empty())
    if (const auto named = persist::check_store_name(place->store); !named)
      return wrong(std::string(named.error().detail()));
  const std::string policy = typed.get("--on-conflict", "fail");
  if (policy == "skip")
    options.on_conflict = OnConflict::skip;
  else if (policy == "replace")
    options.on_conflict = OnConflict::replace;
  else if (policy != "fail")
    return wrong("--on-conflict is fail, skip or replace, not " + policy);
  const std::string codec = typed.get("--codec", persist::codec::Packed::name);
  if (codec == persist::codec::Cbor::name)
    options.codec = persist::codec::Cbor::id;
  else if (codec == persist::codec::Json::name)
    options.codec = persist::codec::Json::id;
  else if (codec == persist::codec::Suphi<>::name)
    options.codec = persist::codec::Suphi<>::id;
  else if (codec != persist::codec::Packed::name)
    return wrong("--codec is packed, cbor, json or suphi, not " + codec);
  if (!typed.has("--schema-version")) return options;
  const std::string version = typed.get("--schema-version");
  const auto [end, error] = std::from_chars(version.data(), version.data() + version.size(),
                                            options.schema_version.emplace());
  if (error != std::errc{} || end != version.data() + version.size() || options.schema_version == 0)
    return wrong("--schema-version is a whole number from 1 on, not " + version);
  return options;
}

/// What an operator may have to act on is listed by name: records that stayed as they were, and
/// those that a server of the old system may have saved once more.
void print(const ImportReport& report) {
  std::cout << counted(report.imported, "record") << " imported, " << report.replaced
            << " replaced, " << report.skipped.size() << " skipped; "
            << counted(report.messages, "message") << " posted, " << report.repeated_messages
            << (report.repeated_messages == 1 ? " was" : " were")
            << " there from an earlier import\n";
  for (const std::string& key : report.skipped)
    std::cout << "skipped, because it was there: " << printable(key) << '\n';
  for (const std::string& line : report.active)
    std::cout << "imported, though a server had it when it was exported: " << printable(line)
              << '\n';
}

int import(const Typed& typed) {
  const auto options = import_options(typed);
  if (!options) return wrong_command_line;
  errno = 0;
  std::ifstream file(typed.word, std::ios::binary);
  if (!file) return fail(of_system("cannot open " + typed.word));
  auto opened = open(typed, For::importing);
  if (opened.status != done) return opened.status;
  Import import(*opened.db, opened.store, *options);
  const auto ran = import.run(file, typed.word);
  const ImportReport& report = import.report();
  if (ran || report.imported + report.replaced + report.messages != 0) print(report);
  if (ran) return done;
  fail(ran.error());
  if (report.imported + report.replaced + report.messages != 0)
    std::cerr << "persistctl: it stopped half-way; run it again with --on-conflict skip\n";
  return not_done;
}

int export_all(const Typed& typed) {
  auto opened = open(typed, For::reading);
  if (opened.status != done) return opened.status;
  const auto report =
      export_store(*opened.db, opened.store, std::cout, {.all = typed.has("--all")});
  if (!report) return fail(report.error());
  for (const Error& error : report->unreadable)
    fail(error);
  return report->unreadable.empty() ? done : not_done;
}

int list(const Typed& typed) {
  auto opened = open(typed, For::reading);
  if (opened.status != done) return opened.status;
  const auto listed = list_records(*opened.db, opened.store, std::cout, typed.has("--details"));
  return listed ? done : fail(listed.error());
}

int show(const Typed& typed) {
  auto opened = open(typed, For::reading);
  if (opened.status != done) return opened.status;
  const auto text = show_record(*opened.db, opened.store, typed.word);
  if (!text) return fail(text.error());
  std::cout << *text;
  return done;
}

int inbox(const Typed& typed) {
  auto opened = open(typed, For::reading);
  if (opened.status != done) return opened.status;
  const auto listed = list_inbox(*opened.db, opened.store, typed.word, std::cout);
  return listed ? done : fail(listed.error());
}

/// Of a folder two answers, since a process may have it while nobody plays, and a record may still
/// name a server whose process is gone.
int holder(const Typed& typed) {
  auto opened = open(typed, For::reading);
  if (opened.status != done) return opened.status;
  const auto place = place_of(typed.get("--dir"), typed.get("--store"));
  const auto text = holder_text(*opened.db, opened.store, typed.word);
  if (!text) return fail(text.error());
  if (!place->uri) {
    const auto process = File::holder(place->folder);
    if (!process) return fail(process.error());
    std::cout << "the folder: "
              << (*process ? "open in " + (*process)->text() : "nobody has it open") << '\n';
  }
  std::cout << "the record: " << *text << '\n';
  return done;
}

int post(const Typed& typed) {
  const auto message = message_of(typed);
  if (!message) return fail(message.error(), wrong_command_line);
  auto opened = open(typed, For::writing);
  if (opened.status != done) return opened.status;
  const auto posted = post_message(*opened.db, opened.store, typed.word, *message);
  if (!posted) return fail(posted.error());
  std::cout << (posted->repeated ? "it was posted before, at position " : "posted at position ")
            << posted->position << '\n';
  return done;
}

/// Needs the folder for itself: a server that is alive would have its sessions ended under it.
int unlock(const Typed& typed) {
  auto opened = open(typed, For::writing);
  if (opened.status != done) return opened.status;
  const auto unlocked = unlock_record(*opened.db, opened.store, typed.word);
  if (!unlocked) return fail(unlocked.error());
  std::cout << "free, under epoch " << unlocked->epoch << "; before: "
            << (unlocked->before.nobody() ? "free too"
                                          : "server " + printable(unlocked->before.server.view()))
            << '\n';
  return done;
}

int history(const Typed& typed) {
  auto opened = open(typed, For::reading);
  if (opened.status != done) return opened.status;
  const auto listed = list_history(*opened.db, opened.store, typed.word, std::cout);
  return listed ? done : fail(listed.error());
}

int diff(const Typed& typed) {
  const auto from = version_of(typed.get("--from"));
  if (!from) return fail(from.error(), wrong_command_line);
  const auto to = typed.has("--to") ? version_of(typed.get("--to")) : Result<std::uint64_t>(0);
  if (!to) return fail(to.error(), wrong_command_line);
  auto opened = open(typed, For::reading);
  if (opened.status != done) return opened.status;
  const auto text = diff_versions(*opened.db, opened.store, typed.word, *from, *to);
  if (!text) return fail(text.error());
  std::cout << *text;
  return done;
}

int restore(const Typed& typed) {
  const auto version = version_of(typed.get("--version"));
  if (!version) return fail(version.error(), wrong_command_line);
  auto opened = open(typed, For::writing);
  if (opened.status != done) return opened.status;
  const auto restored = restore_version(*opened.db, opened.store, typed.word, *version);
  if (!restored) return fail(restored.error());
  std::cout << "version " << *version << " is there again, as version " << restored->version;
  if (restored->undo != 0) std::cout << "; what it replaced is kept as version " << restored->undo;
  std::cout << '\n';
  return done;
}

#if PERSISTCTL_HAS_ZSTD
/// Writes the dictionary to a new file: an old one that records need is not to be lost.
int train(const Typed& typed) {
  std::size_t most = 112'640;
  if (typed.has("--size")) {
    const std::string size = typed.get("--size");
    const auto [end, error] = std::from_chars(size.data(), size.data() + size.size(), most);
    constexpr std::size_t limit = std::size_t{8} << 20;
    if (error != std::errc{} || end != size.data() + size.size() || most < 256 || most > limit)
      return fail(
          Error(Errc::invalid, "--size is a number of bytes from 256 to 8388608, not " + size),
          wrong_command_line);
  }
  if (std::ifstream(typed.word))
    return fail(Error(Errc::invalid, typed.word + " is there already"));
  auto opened = open(typed, For::reading);
  if (opened.status != done) return opened.status;
  const auto made = persistctl::train(*opened.db, opened.store, most);
  if (!made) return fail(made.error());
  const std::string_view bytes = as_text(made->first);
  errno = 0;
  std::ofstream file(typed.word, std::ios::binary);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  if (!file.flush()) {
    const Error why = of_system("cannot write " + typed.word);
    if (file.is_open()) std::remove(typed.word.c_str());  // half of one would still open
    return fail(why);
  }
  const TrainReport& report = made->second;
  std::cout << "dictionary " << report.id << " of " << report.bytes << " bytes, trained on "
            << report.records << " records\n"
            << report.tried << " other records: " << report.plain << " bytes; compressed "
            << report.without << ", with the dictionary " << report.with << '\n';
  if (!report.passed_over.empty()) std::cout << printable(report.passed_over) << '\n';
  return done;
}
#else
int train(const Typed&) {
  return fail(Error(Errc::unsupported, "this persistctl was built without zstd"));
}
#endif

/// What to compare; nothing, after a message, where it makes no sense.
std::optional<AuditPlan> audit_plan(const Typed& typed) {
  AuditPlan plan;
  const auto wrong = [](const Error& why) { return fail(why), std::nullopt; };
  const auto ledger = read_paths(typed.get("--ledger", plan.ledger), false);
  auto amounts = read_paths(typed.get("--amount"), true);
  const auto unique = read_paths(typed.get("--unique"), false);
  if (!ledger || !amounts || !unique)
    return wrong(!ledger ? ledger.error() : !amounts ? amounts.error() : unique.error());
  if (ledger->size() != 1) return wrong(Error(Errc::invalid, "--ledger is one path"));
  plan.ledger = ledger->front().second;
  plan.amounts = *std::move(amounts);
  for (const auto& [unnamed, path] : *unique)
    plan.unique.push_back(path);
  if (!typed.has("--hours")) return plan;
  const std::string text = typed.get("--hours");
  std::uint32_t hours = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), hours);
  if (error != std::errc{} || end != text.data() + text.size() || hours == 0)
    return wrong(Error(Errc::invalid, "--hours is a whole number from 1 on, not " + text));
  plan.period.from = persist::SystemClock::instance().wall() - std::chrono::hours(hours);
  return plan;
}

int audit(const Typed& typed) {
  auto plan = audit_plan(typed);
  if (!plan) return wrong_command_line;
  auto opened = open(typed, For::reading);
  if (opened.status != done) return opened.status;
  const auto audited = audit_store(*opened.db, opened.store, *std::move(plan));
  if (!audited) return fail(audited.error());
  for (const Error& error : audited->unreadable)
    fail(error);
  for (const std::string& path : audited->unseen)
    fail(Error(Errc::not_found, "no record has anything at " + path));
  if (const auto written = write_findings(audited->report, std::cout); !written)
    return fail(written.error());
  const bool is_whole = audited->unreadable.empty() && audited->unseen.empty();
  return is_whole && audited->report.is_clean() ? done : not_done;
}

/// Copies one moment, so a server may go on writing meanwhile.
int backup(const Typed& typed) {
  const auto place = place_of(typed.get("--dir"), typed.get("--store"));
  if (!place) return fail(place.error(), wrong_command_line);
  auto db = open_database(*place, For::reading);
  if (!db) return fail_to_open(db.error());
  Result<void> copied =
      Error(Errc::unsupported, "a copy of such a database is made by its own programs");
  if (const File* file = db->get<File>()) copied = file->copy_to(typed.word);
#if PERSISTCTL_HAS_SQLITE
  if (const auto* file = db->get<persist::backend::Sqlite>()) copied = file->copy_to(typed.word);
#endif
  return copied ? done : fail(copied.error());
}

/// Needs the folder for itself: the log has one writer.
int compact(const Typed& typed) {
  const auto place = place_of(typed.get("--dir"), typed.get("--store"));
  if (!place) return fail(place.error(), wrong_command_line);
  if (place->uri)
    return fail(Error(Errc::unsupported, "only a folder of records (file:) is compacted"));
  if (const auto seen = File::open_snapshot(place->folder); !seen) return fail(seen.error());
  auto owned = File::open(place->folder);
  if (!owned) return fail_to_open(owned.error());
  const auto before = owned->stats();
  if (const auto compacted = owned->compact(); !compacted) return fail(compacted.error());
  const auto after = owned->stats();
  std::cout << before.bytes << " bytes before, " << after.bytes << " now, of " << after.records
            << " records\n";
  if (after.damaged_segments == 0) return done;
  std::cerr << "persistctl: " << after.damaged_segments
            << " segments hold damaged bytes of records and stay as they are\n";
  return not_done;
}

/// For who wants to see it first, and for databases whose game may make no tables.
int migrate(const Typed& typed) {
  auto place = place_of(typed.get("--dir"), typed.get("--store"));
  if (!place) return fail(place.error(), wrong_command_line);
  if (!place->uri || !place->uri->scheme().starts_with("postgres"))
    return fail(
        Error(Errc::unsupported, "what is no PostgreSQL database makes what it needs itself"));
#if PERSISTCTL_HAS_POSTGRES
  Uri uri = *place->uri;
  std::cout << persist::backend::Postgres::schema_sql(uri.take("schema").value_or("persist"));
  if (!typed.has("--apply")) return done;
  const auto made = open_database(*place, For::importing);
  return made ? done : fail_to_open(made.error());
#else
  return fail(Error(Errc::unsupported, "this persistctl was built without libpq"));
#endif
}

int spill_list(const Typed& typed) {
  const auto listed = list_spilled(typed.get("--spill"), typed.get("--store"), std::cout);
  return listed ? done : fail(listed.error());
}

int spill_show(const Typed& typed) {
  if (const auto known = load_dictionaries(typed.get("--dictionary")); !known)
    return fail(known.error());
  const auto entry = find_spilled(typed.get("--spill"), typed.word);
  if (!entry) return fail(entry.error());
  const auto text = show_spilled(*entry);
  if (!text) return fail(text.error());
  std::cout << *text;
  return done;
}

/// Takes the entries of the store that the file is of, so that no game has them meanwhile.
Result<Files::Handle> lock_entries_of(const Typed& typed) {
  const auto name = spill::FileName::read(typed.word);
  if (!name || typed.word.find('/') != std::string::npos)
    return Error(Errc::invalid, "this is not the name of an entry: " + typed.word);
  return spill::lock_entries(Files(), typed.get("--spill"), name->prefix);
}

int forget(const Typed& typed, std::string_view what) {
  const auto removed = Files().remove(spill::path_in(typed.get("--spill"), typed.word));
  if (!removed) return fail(removed.error());
  std::cout << what << '\n';
  return done;
}

int spill_apply(const Typed& typed) {
  const auto lock = lock_entries_of(typed);
  if (!lock) return fail(lock.error(), lock.is(Errc::locked) ? folder_is_held : not_done);
  auto entry = find_spilled(typed.get("--spill"), typed.word);
  if (!entry) return fail(entry.error());
  if (const auto first = comes_first(typed.get("--spill"), *entry); !first)
    return fail(first.error());
  auto place = place_of(typed.get("--dir"), typed.get("--store"));
  if (!place) return fail(place.error(), wrong_command_line);
  auto db = open_database(*place, For::writing);
  if (!db) return fail_to_open(db.error());
  if (const auto there = open_store(*db, entry->entry.stores[0].name); !there)
    return fail(there.error());
  const auto applied = apply_spilled(*db, *std::move(entry), typed.has("--force"));
  if (!applied) return fail(applied.error());
  return forget(typed, *applied == Applied::now ? "saved; the entry is gone"
                                                : "it was saved before; the entry is gone");
}

/// An entry that nobody can read is dropped like any other.
int spill_drop(const Typed& typed) {
  const auto lock = lock_entries_of(typed);
  if (!lock) return fail(lock.error(), lock.is(Errc::locked) ? folder_is_held : not_done);
  return forget(typed, "dropped");
}

/// What could not be told is not done, as where the disk is full that the output goes to.
int end(int status) {
  if (std::cout.flush() || status != done) return status;
  return fail(Error(Errc::io, "the output could not be written; it is not whole"));
}

int run(std::span<const std::string_view> words) {
  const auto typed = read_command_line(commands(), words);
  if (!typed) return fail(typed.error(), wrong_command_line);
  if (typed->command == nullptr) return print_help(), done;
  for (const Option& option : typed->command->options) {
    if (option.name == "--spill" && !typed->has("--spill"))
      return fail(Error(Errc::invalid, "say which folder: --spill FOLDER"), wrong_command_line);
    if (option.name != "--dir") continue;
    if (const auto place = place_of(typed->get("--dir"), typed->get("--store")); !place)
      return fail(place.error(), wrong_command_line);
  }
  constexpr std::pair<std::string_view, int (*)(const Typed&)> functions[] = {
      {"import", import},
      {"export", export_all},
      {"list", list},
      {"show", show},
      {"inbox", inbox},
      {"holder", holder},
      {"post", post},
      {"unlock", unlock},
      {"audit", audit},
      {"backup", backup},
      {"compact", compact},
      {"migrate", migrate},
      {"history", history},
      {"diff", diff},
      {"restore", restore},
      {"train", train},
      {"spill list", spill_list},
      {"spill show", spill_show},
      {"spill apply", spill_apply},
      {"spill drop", spill_drop}};
  for (const auto& [name, function] : functions)
    if (name == typed->command->name) return end(function(*typed));
  return wrong_command_line;
}

}  // namespace
}  // namespace persistctl

int main(int count, char** words) {
  const std::vector<std::string_view> typed(words + 1, words + (count > 1 ? count : 1));
  return persistctl::run(typed);
}
