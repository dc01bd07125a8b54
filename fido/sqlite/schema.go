package sqlite

import "github.com/lakekey/lakekey/internal/sqlitedb"

// Times are nanoseconds since 1970, 0 for none. Lists are JSON.
var schema = sqlitedb.Component{Name: "fido", Migrations: []string{`
CREATE TABLE fido_users (
	handle       BLOB PRIMARY KEY,
	key          TEXT NOT NULL UNIQUE,
	name         TEXT NOT NULL,
	display_name TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE fido_invites (
	id          BLOB PRIMARY KEY,
	user_handle BLOB NOT NULL REFERENCES fido_users (handle),
	expires     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX fido_invites_expires ON fido_invites (expires);

CREATE TABLE fido_ceremonies (
	id                BLOB PRIMARY KEY,
	purpose           TEXT NOT NULL,
	challenge         BLOB NOT NULL,
	user_handle       BLOB,
	allowed           BLOB NOT NULL,
	invite            BLOB,
	user_verification TEXT NOT NULL,
	remote_addr       TEXT NOT NULL,
	expires           INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX fido_ceremonies_expires ON fido_ceremonies (expires);

CREATE TABLE fido_credentials (
	number             INTEGER PRIMARY KEY,
	id                 BLOB NOT NULL UNIQUE,
	user_handle        BLOB NOT NULL REFERENCES fido_users (handle),
	public_key         BLOB NOT NULL,
	algorithm          INTEGER NOT NULL,
	sign_count         INTEGER NOT NULL,
	attestation        INTEGER NOT NULL,
	aaguid             BLOB NOT NULL,
	hardware           INTEGER NOT NULL,
	format             TEXT NOT NULL,
	evidence           TEXT NOT NULL,
	transports         BLOB NOT NULL,
	user_verified      INTEGER NOT NULL,
	backup_eligible    INTEGER NOT NULL,
	backup_state       INTEGER NOT NULL,
	created            INTEGER NOT NULL,
	last_used          INTEGER NOT NULL,
	quarantine         TEXT NOT NULL,
	attestation_object BLOB,
	client_data_json   BLOB,
	revision           INTEGER NOT NULL
) STRICT;
CREATE INDEX fido_credentials_user ON fido_credentials (user_handle);

CREATE TABLE fido_seed (
	one  INTEGER PRIMARY KEY CHECK (one = 1),
	seed BLOB NOT NULL
) STRICT;
`, `
ALTER TABLE fido_users ADD COLUMN groups   BLOB    NOT NULL DEFAULT X'5b5d';
ALTER TABLE fido_users ADD COLUMN blocked  TEXT    NOT NULL DEFAULT '';
ALTER TABLE fido_users ADD COLUMN created  INTEGER NOT NULL DEFAULT 0;
ALTER TABLE fido_users ADD COLUMN revision INTEGER NOT NULL DEFAULT 1;

ALTER TABLE fido_invites ADD COLUMN kind    TEXT    NOT NULL DEFAULT 'link';
ALTER TABLE fido_invites ADD COLUMN created INTEGER NOT NULL DEFAULT 0;
ALTER TABLE fido_invites ADD COLUMN issuer  TEXT    NOT NULL DEFAULT '';
CREATE INDEX fido_invites_user ON fido_invites (user_handle);

ALTER TABLE fido_ceremonies ADD COLUMN conditional     INTEGER NOT NULL DEFAULT 0;
ALTER TABLE fido_ceremonies ADD COLUMN credential_name TEXT    NOT NULL DEFAULT '';
ALTER TABLE fido_ceremonies ADD COLUMN user_agent      TEXT    NOT NULL DEFAULT '';

ALTER TABLE fido_credentials RENAME COLUMN evidence TO note;
ALTER TABLE fido_credentials ADD COLUMN evidence     BLOB    NOT NULL DEFAULT X'';
ALTER TABLE fido_credentials ADD COLUMN name         TEXT    NOT NULL DEFAULT '';
ALTER TABLE fido_credentials ADD COLUMN discoverable INTEGER NOT NULL DEFAULT 0;
ALTER TABLE fido_credentials ADD COLUMN state        TEXT    NOT NULL DEFAULT '';
ALTER TABLE fido_credentials ADD COLUMN state_reason TEXT    NOT NULL DEFAULT '';
ALTER TABLE fido_credentials ADD COLUMN state_by     TEXT    NOT NULL DEFAULT '';
ALTER TABLE fido_credentials ADD COLUMN state_since  INTEGER NOT NULL DEFAULT 0;
ALTER TABLE fido_credentials ADD COLUMN approved     INTEGER NOT NULL DEFAULT 0;
ALTER TABLE fido_credentials ADD COLUMN approved_by  TEXT    NOT NULL DEFAULT '';
ALTER TABLE fido_credentials ADD COLUMN rationale    TEXT    NOT NULL DEFAULT '';
ALTER TABLE fido_credentials ADD COLUMN revoked      INTEGER NOT NULL DEFAULT 0;
ALTER TABLE fido_credentials ADD COLUMN serial_hash  BLOB;
UPDATE fido_credentials SET
	evidence = CAST(json_patch('{}', json_object(
		'verdict', CASE attestation WHEN 2 THEN 'rooted' WHEN 1 THEN 'self' ELSE 'none' END,
		'rooted_by', CASE attestation WHEN 2 THEN 'pinned' END,
		'aaguid', lower(substr(hex(aaguid), 1, 8) || '-' || substr(hex(aaguid), 9, 4) || '-' || substr(hex(aaguid), 13, 4) || '-' || substr(hex(aaguid), 17, 4) || '-' || substr(hex(aaguid), 21)),
		'format', format,
		'hardware', CASE WHEN hardware THEN json('true') END,
		'backup_eligible', CASE WHEN backup_eligible THEN json('true') END,
		'user_verified', CASE WHEN user_verified THEN json('true') END,
		'note', note)) AS BLOB),
	state = CASE quarantine WHEN '' THEN 'active' ELSE 'quarantined' END,
	state_reason = quarantine,
	state_since = CASE quarantine WHEN '' THEN created ELSE 0 END,
	approved = created;
ALTER TABLE fido_credentials DROP COLUMN attestation;
ALTER TABLE fido_credentials DROP COLUMN aaguid;
ALTER TABLE fido_credentials DROP COLUMN hardware;
ALTER TABLE fido_credentials DROP COLUMN format;
ALTER TABLE fido_credentials DROP COLUMN note;
ALTER TABLE fido_credentials DROP COLUMN quarantine;
CREATE INDEX fido_credentials_state ON fido_credentials (state, id) WHERE state <> 'active';
CREATE INDEX fido_credentials_serial ON fido_credentials (serial_hash) WHERE serial_hash IS NOT NULL;

CREATE TABLE fido_values (
	name  TEXT PRIMARY KEY,
	value BLOB NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO fido_values (name, value) SELECT 'seed', seed FROM fido_seed;
DROP TABLE fido_seed;
`}}
