#pragma once

#include <persist/detail/config.hpp>

// What is there for people and for other programs; no part of the library reads it, and a save
// costs nothing for it. doc/format.md has the places in an envelope.

namespace persist::inline PERSIST_ABI::backend::postgres {

/// A row for each record with what its envelope says, and the payload where `codec::Json` wrote it
/// and nothing was done to it since.
inline constexpr const char* records_view = R"(CREATE VIEW persist_readable AS
SELECT s.store, s.key, s.version, s.epoch, s.owner, s.write_number, s.created, s.updated,
  s.load_count, s.inbox_messages, s.outbox_messages, s.data_bytes, s.codec, s.flags,
  s.schema_version, s.lowest_reader,
  CASE WHEN codec = 2 AND flags = 0 THEN CAST(convert_from(substr(data, 37), 'UTF8') AS json) END
    AS json
FROM (SELECT encode(n.name, 'escape') AS store, encode(r.key, 'escape') AS key, r.version, r.epoch,
  encode(r.owner, 'escape') AS owner, r.write_number,
  to_timestamp(r.created_ms / 1000.0) AS created, to_timestamp(r.updated_ms / 1000.0) AS updated,
  r.load_count, r.inbox_messages, r.outbox_messages, r.data_bytes, e.data,
  get_byte(e.data, 10) + 256 * get_byte(e.data, 11) AS codec,
  get_byte(e.data, 12) + 256 * get_byte(e.data, 13) AS flags,
  get_byte(e.data, 16) + 256 * get_byte(e.data, 17) + 65536 * get_byte(e.data, 18) AS schema_version,
  get_byte(e.data, 20) + 256 * get_byte(e.data, 21) + 65536 * get_byte(e.data, 22) AS lowest_reader
FROM persist_record r JOIN persist_store n ON n.id = r.store
  LEFT JOIN (SELECT d.record, d.data FROM persist_data d
    WHERE length(d.data) >= 36 AND substr(d.data, 1, 4) = '\xff707374') e ON e.record = r.id) s)";

/// The entries of declared indexes; an index without a name holds the user ids.
inline constexpr const char* indexes_view = R"(CREATE VIEW persist_indexes AS
SELECT encode(s.name, 'escape') AS store, encode(i.name, 'escape') AS index, i.value,
  encode(i.key, 'escape') AS key
FROM persist_index i JOIN persist_store s ON s.id = i.store)";

/// Posts a message in JSON, for a web back end in any language; answers its position. The same id
/// again answers as the first time and posts nothing. It says what `admit` in record/mailbox.hpp
/// says, of a message with an id and the usual limits.
inline constexpr const char* post_function = R"(CREATE FUNCTION persist_post(
  to_store text, to_key text, id text, type text, json json,
  expires interval DEFAULT '7 days', first_tried timestamptz DEFAULT clock_timestamp())
RETURNS bigint LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
  key_bytes bytea := convert_to(to_key, 'UTF8');
  source_id bytea := decode(md5(post.id), 'hex');
  type_bytes bytea := convert_to(post.type, 'UTF8');
  body bytea := convert_to(CAST(post.json AS text), 'UTF8');
  cost bigint := length(body) + length(type_bytes) + 64;
  tried bigint := CAST(floor(extract(epoch FROM post.first_tried) * 1000) AS bigint);
  now_ms bigint := CAST(floor(extract(epoch FROM clock_timestamp()) * 1000) AS bigint);
  week CONSTANT bigint := 7 * 86400000;
  place bigint;
  home bigint;
  number bytea;
  r persist_record%ROWTYPE;
BEGIN
  IF post.id IS NULL OR post.type IS NULL OR post.json IS NULL OR key_bytes IS NULL OR
     length(key_bytes) NOT BETWEEN 1 AND 255 THEN
    RAISE EXCEPTION 'a post has a key of 1 to 255 bytes, an id, a type and a JSON value'
      USING ERRCODE = 'invalid_parameter_value';
  END IF;
  IF post.expires > interval '45 days' THEN
    RAISE EXCEPTION 'a message waits for 45 days at most'
      USING ERRCODE = 'invalid_parameter_value';
  END IF;
  SELECT s.id INTO home FROM persist_store s WHERE s.name = convert_to(to_store, 'UTF8');
  IF home IS NULL THEN
    RAISE EXCEPTION 'there is no store "%"', to_store USING ERRCODE = 'no_data_found';
  END IF;
  INSERT INTO persist_record (id, store, key)
    SELECT nextval('persist_record_ids'), home, key_bytes
    WHERE NOT EXISTS (SELECT 1 FROM persist_record e WHERE e.store = home AND e.key = key_bytes)
    ON CONFLICT DO NOTHING;
  SELECT * INTO STRICT r FROM persist_record e WHERE e.store = home AND e.key = key_bytes
    FOR UPDATE;
  SELECT k.position INTO place FROM persist_known k WHERE k.record = r.id AND k.id = source_id;
  IF FOUND THEN
    RETURN place;
  END IF;
  IF tried <= r.ids_forgotten_ms OR tried + week <= now_ms THEN
    RAISE EXCEPTION 'the id was first tried so long ago that nobody can tell whether it took effect'
      USING ERRCODE = 'object_not_in_prerequisite_state';
  END IF;
  IF r.inbox_messages >= 1000 OR r.inbox_bytes + cost > 1048576 THEN
    RAISE EXCEPTION 'the inbox of "%" has no room; it empties when its owner plays', to_key
      USING ERRCODE = 'program_limit_exceeded';
  END IF;
  WITH gone AS (DELETE FROM persist_known k WHERE k.record = r.id
      AND k.first_tried_ms + week <= now_ms AND k.position NOT IN (SELECT f.position
        FROM persist_known f WHERE f.record = r.id ORDER BY f.position DESC LIMIT 63)
      RETURNING k.first_tried_ms)
    SELECT greatest(r.ids_forgotten_ms, max(first_tried_ms)) INTO r.ids_forgotten_ms FROM gone;
  place := r.last_position + 1;
  INSERT INTO persist_known VALUES (r.id, place, source_id, tried);
  INSERT INTO persist_inbox VALUES (r.id, place, source_id, 0, 0, tried, type_bytes, 2, 0, now_ms,
    now_ms + CAST(extract(epoch FROM post.expires) * 1000 AS bigint), body);
  UPDATE persist_record e SET last_position = place, inbox_messages = e.inbox_messages + 1,
    inbox_bytes = e.inbox_bytes + cost, ids_forgotten_ms = r.ids_forgotten_ms,
    revision = e.revision + 1 WHERE e.id = r.id;
  IF r.owner_nonce <> 0 THEN
    number := int4send(CAST(home AS int));
    PERFORM pg_notify('ps_hint_' || to_hex(r.owner_nonce), encode('\x7073746802' ||
      substr(number, 4, 1) || substr(number, 3, 1) || substr(number, 2, 1) ||
      substr(number, 1, 1) || key_bytes, 'hex'));
  END IF;
  RETURN place;
END $$)";

inline constexpr const char* readable[] = {records_view, indexes_view, post_function};

}  // namespace persist::inline PERSIST_ABI::backend::postgres
