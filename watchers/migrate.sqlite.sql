-- zonkeymwi in the proxy's SQLite file: a table in which the bridge keeps what
-- phones acknowledged, for database.ledger = true. It is optional.
--
-- To remove it again:
--   DROP TABLE IF EXISTS {ledger};

BEGIN IMMEDIATE;

-- What each phone last acknowledged. The bridge deletes what has expired.
CREATE TABLE IF NOT EXISTS {ledger} (
  callid TEXT NOT NULL,
  to_tag TEXT NOT NULL,
  from_tag TEXT NOT NULL,
  new_messages INTEGER NOT NULL,
  old_messages INTEGER NOT NULL,
  new_urgent INTEGER NOT NULL,
  old_urgent INTEGER NOT NULL,
  remote_cseq INTEGER NOT NULL, -- the subscription's state then, as in {table}
  expires INTEGER NOT NULL,
  contact TEXT NOT NULL,
  cseq INTEGER NOT NULL,        -- of the NOTIFY
  acked_at INTEGER NOT NULL,    -- Unix seconds
  PRIMARY KEY (callid, to_tag, from_tag)
);

COMMIT;
