-- zonkeymwi in the proxy's MySQL or MariaDB database: a table in which the bridge
-- keeps what phones acknowledged, for database.ledger = true. It is optional.
-- Nothing can tell the bridge of new subscriptions, as PostgreSQL does: it looks
-- for them every database.poll_interval.
--
-- To remove it again:
--   DROP TABLE IF EXISTS {ledger};
--
-- For a bridge with an account of its own, which needs no more than this. The
-- account's host is the one that SELECT CURRENT_USER() shows after the @.
-- GRANT SELECT ON {table} TO {role};
-- GRANT UPDATE (local_cseq) ON {table} TO {role}; -- only for sip.cseq = "database"
-- GRANT SELECT, INSERT, UPDATE, DELETE ON {ledger} TO {role};

-- What each phone or presence server last acknowledged. The bridge deletes what
-- has expired. Bytes are compared, as no collation does: of a key as long as
-- Kamailio's columns in utf8mb4.
CREATE TABLE IF NOT EXISTS {ledger} (
  callid VARBINARY(1020) NOT NULL,
  to_tag VARBINARY(512) NOT NULL,
  from_tag VARBINARY(512) NOT NULL,
  new_messages BIGINT NOT NULL,
  old_messages BIGINT NOT NULL,
  new_urgent BIGINT NOT NULL,
  old_urgent BIGINT NOT NULL,
  remote_cseq BIGINT NOT NULL,  -- the subscription's state then, as in {table}
  expires BIGINT NOT NULL,
  contact BLOB NOT NULL,
  cseq BIGINT NOT NULL,         -- of the NOTIFY or the PUBLISH
  acked_at BIGINT NOT NULL,     -- Unix seconds
  etag BLOB NOT NULL,           -- of a publication (RFC 3903), whose callid is "sip:user@domain"
  PRIMARY KEY (callid, to_tag, from_tag)
) ENGINE = InnoDB;
