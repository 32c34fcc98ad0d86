-- zonkeymwi in the proxy's database: a trigger that tells the bridge of new and
-- refreshed subscriptions, and a table in which it keeps what phones acknowledged.
-- Both are optional. The owner of {table} applies this, as often as they like.
--
-- To remove it all again, also as the owner, in the schema of {table}:
--   DROP TRIGGER IF EXISTS zonkeymwi_insert ON {table};
--   DROP TRIGGER IF EXISTS zonkeymwi_update ON {table};
--   DROP FUNCTION IF EXISTS zonkeymwi_changed();
--   DROP TABLE IF EXISTS zonkeymwi_ledger;

BEGIN;

-- Rather give up than hold the proxy up behind somebody's long transaction.
SET LOCAL lock_timeout = '2s';

-- What follows goes into the schema of the proxy's table, wherever that is.
SELECT set_config('search_path', quote_ident(n.nspname), true)
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.oid = to_regclass('{table}');

-- The trigger's function: NOTIFY on the channel zonkeymwi_<oid of the table>, with
-- presentity_uri, watcher_username and watcher_domain as JSON, once each per
-- transaction (PostgreSQL sees to that). It tells of active rows that are new,
-- became active, or have been refreshed (remote_cseq, expires, contact); not of the
-- proxy's other updates.
-- It never fails the proxy's statement: what it cannot tell (a payload of 8000
-- bytes, a column that is no more) the bridge's polls find.
--
-- A statement takes 15 us longer by it, 22 us where it tells. PostgreSQL commits
-- transactions that notify one after the other: as many a second as the disk has
-- flushes, unless the proxy's role has synchronous_commit = off, which for
-- subscriptions is no loss.
CREATE OR REPLACE FUNCTION zonkeymwi_changed() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $function$
BEGIN
  IF TG_OP = 'INSERT' THEN
    PERFORM pg_notify('zonkeymwi_' || TG_RELID, payload) FROM (
      SELECT json_build_array(presentity_uri, watcher_username, watcher_domain)::text AS payload
      FROM new_rows WHERE event = 'message-summary' AND status = 1) AS n
    WHERE octet_length(payload) < 8000;
  ELSE
    PERFORM pg_notify('zonkeymwi_' || TG_RELID, payload) FROM (
      SELECT json_build_array(presentity_uri, watcher_username, watcher_domain)::text AS payload FROM (
        SELECT presentity_uri, watcher_username, watcher_domain, callid, to_tag, from_tag, remote_cseq, expires, contact
        FROM new_rows WHERE event = 'message-summary' AND status = 1
        EXCEPT
        SELECT presentity_uri, watcher_username, watcher_domain, callid, to_tag, from_tag, remote_cseq, expires, contact
        FROM old_rows WHERE event = 'message-summary' AND status = 1) AS r) AS n
    WHERE octet_length(payload) < 8000;
  END IF;
  RETURN NULL;
EXCEPTION WHEN OTHERS THEN
  RAISE WARNING 'zonkeymwi_changed: %', SQLERRM;
  RETURN NULL;
END
$function$;

-- Once per statement, not per row. A trigger with transition tables is for one event, hence two.
DROP TRIGGER IF EXISTS zonkeymwi_insert ON {table};
CREATE TRIGGER zonkeymwi_insert AFTER INSERT ON {table}
REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION zonkeymwi_changed();

DROP TRIGGER IF EXISTS zonkeymwi_update ON {table};
CREATE TRIGGER zonkeymwi_update AFTER UPDATE ON {table}
REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION zonkeymwi_changed();

-- The ledger: what each phone or presence server last acknowledged, for database.ledger = true. The
-- bridge deletes what has expired. Room is left in each page so that an update
-- stays in it and touches no index.
CREATE TABLE IF NOT EXISTS zonkeymwi_ledger (
  callid text NOT NULL,
  to_tag text NOT NULL,
  from_tag text NOT NULL,
  new_messages bigint NOT NULL,
  old_messages bigint NOT NULL,
  new_urgent bigint NOT NULL,
  old_urgent bigint NOT NULL,
  remote_cseq bigint NOT NULL, -- the subscription's state then, as in {table}
  expires bigint NOT NULL,
  contact text NOT NULL,
  cseq bigint NOT NULL,        -- of the NOTIFY or the PUBLISH
  acked_at bigint NOT NULL,    -- Unix seconds
  PRIMARY KEY (callid, to_tag, from_tag)
) WITH (fillfactor = 70);

-- Of a publication (RFC 3903), whose callid is "sip:user@domain". A ledger made
-- before there were any has no such column yet.
ALTER TABLE zonkeymwi_ledger ADD COLUMN IF NOT EXISTS etag text NOT NULL DEFAULT '';

-- For a bridge with a role of its own, which needs no more than this:
-- GRANT SELECT ON {table} TO {role};
-- GRANT UPDATE (local_cseq) ON {table} TO {role}; -- only for sip.cseq = "database"
-- GRANT SELECT, INSERT, UPDATE, DELETE ON zonkeymwi_ledger TO {role};

COMMIT;
