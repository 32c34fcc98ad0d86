-- zonkeymwi in the proxy's SQLite file: a table in which the bridge keeps what
-- phones acknowledged, for database.ledger = true. It is optional.
--
-- To remove it again:
--   DROP TABLE IF EXISTS {ledger};

BEGIN IMMEDIATE;

-- What each phone or presence server last acknowledged. The bridge deletes what
-- has expired. A ledger made before there was an etag gets it by zonkeymwi migrate, or by
--   ALTER TABLE {ledger} ADD COLUMN etag TEXT NOT NULL DEFAULT '';
CREATE TABLE IF NOT EXISTS {ledger} (
  callid TEXT NOT NULL,
  to_tag TEXT NOT NULL,
  from_tag TEXT NOT NULL,
  new_messages INTEGER NOT NULL,
  old_messages INTEGER NOT NULL,
  new_urgent INTEGER NOT NULL,
  old_urgent INTEGER NOT NULL,
  remote_cseq INTEGER NOT NULL,  -- the subscription's state then, as in {table}
  expires INTEGER NOT NULL,
  contact TEXT NOT NULL,
  cseq INTEGER NOT NULL,         -- of the NOTIFY or the PUBLISH
  acked_at INTEGER NOT NULL,     -- Unix seconds
  etag TEXT NOT NULL DEFAULT '', -- of a publication (RFC 3903), whose callid is "sip:user@domain"
  PRIMARY KEY (callid, to_tag, from_tag)
);

COMMIT;
