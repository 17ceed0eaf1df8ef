#pragma once

#include <persist/testing/laws/backend/claim.hpp>

// The laws of a backend that holds schemas.

namespace persist::inline PERSIST_ABI::testing::laws {

/// A commit of data that needs that schema, which is only named or sent too.
template <class B>
CommitRequest save_with_schema(Driver<B>& d, Holding& holding, const Schema& schema, bool sends) {
  Draft draft = d.next(holding).data("data");
  draft.change().schema = &schema;
  draft.change().sends_schema = sends;
  CommitRequest request{{&draft.bind(), 1}};
  d.db.commit({&request, 1});
  request.changes = {};
  return request;
}
template <class B>
[[nodiscard]] SchemaRequest read_schema(Driver<B>& d, const Hash128& id) {
  SchemaRequest request{d.store, id};
  d.db.read_schemas({&request, 1});
  return request;
}
[[nodiscard]] inline Schema schema_of(std::string_view text) {
  return {schema_id(as_bytes(text)), as_bytes(text)};
}

template <class B>
void a_schema_nobody_sent_is_refused_and_one_that_was_sent_stays(Driver<B>& d) {
  const Schema schema = schema_of("names and kinds");
  Holding mine = d.take("k");
  d.report.that(read_schema(d, schema.id).error == Errc::unknown_schema, "nobody sent it yet");
  const CommitRequest refused = save_with_schema(d, mine, schema, false);
  d.report.that(refused.outcome == Outcome::failed && refused.error == Errc::unknown_schema,
                "what only names it is refused");
  d.report.that(!d.read("k").record.has_data, "and nothing is written");
  --mine.fence.write;
  d.report.that(save_with_schema(d, mine, schema, true).outcome == Outcome::applied,
                "the same commit with the schema is applied");
  d.report.that(as_text(read_schema(d, schema.id).bytes) == "names and kinds", "it is kept");
  Holding other = d.take("l");
  d.report.that(save_with_schema(d, other, schema, false).outcome == Outcome::applied,
                "and from then on naming it is enough");
  (void)d.erase("k");
  (void)d.erase("l");
  d.report.that(!failed(read_schema(d, schema.id).error), "it stays when its records are erased");
}

template <class B>
void a_schema_comes_with_its_commit_or_not_at_all(Driver<B>& d) {
  const Schema schema = schema_of("names and kinds");
  Holding old = d.take("k");
  Holding now = d.take_away("k");
  d.report.that(save_with_schema(d, old, schema, true).outcome == Outcome::fenced,
                "an old epoch is refused");
  d.report.that(read_schema(d, schema.id).error == Errc::unknown_schema, "and brings nothing");
  const Schema false_name{schema.id, as_bytes("other names")};
  d.report.that(save_with_schema(d, now, false_name, true).error == Errc::invalid,
                "a schema under another's name is refused");
  d.report.that(read_schema(d, schema.id).error == Errc::unknown_schema, "and not kept");
}

template <class B>
void a_schema_belongs_to_its_store(Driver<B>& d) {
  const Schema schema = schema_of("names and kinds");
  Holding mine = d.take("k");
  (void)save_with_schema(d, mine, schema, true);
  Driver<B> other(d.db, d.clock, d.report, "other");
  d.report.that(read_schema(other, schema.id).error == Errc::unknown_schema,
                "another store does not hold it");
}

template <class B>
void a_claim_whose_partner_cannot_be_read_makes_no_record(Driver<B>& d) {
  if constexpr (transactional_backend<B>) {
    const Schema schema = schema_of("names and kinds");
    Looker writer = look(d, "new");
    Holding partner = d.take("k");
    Draft claims = claim_with(d, writer, Claims::unleased).data("data");
    Draft names = d.next(partner).data("data");
    names.change().schema = &schema;
    Change changes[] = {claims.bind(), names.bind()};
    CommitRequest request{changes};
    d.db.commit({&request, 1});
    d.report.that(request.outcome == Outcome::failed, "a schema is missing");
    d.report.that(!d.read("new").found, "of the other nothing is there");
  }
}

template <class B>
void schemas_of_one_batch_are_known_to_what_follows(Driver<B>& d) {
  const Schema schema = schema_of("names and kinds");
  Holding first = d.take("k");
  Holding second = d.take("l");
  Draft sends = d.next(first).data("data");
  Draft names = d.next(second).data("data");
  for (Draft* draft : {&sends, &names})
    draft->change().schema = &schema;
  sends.change().sends_schema = true;
  CommitRequest batch[] = {{{&sends.bind(), 1}}, {{&names.bind(), 1}}};
  d.db.commit(batch);
  d.report.that(batch[0].outcome == Outcome::applied && batch[1].outcome == Outcome::applied,
                "both are applied");
}

}  // namespace persist::inline PERSIST_ABI::testing::laws
