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
`}}
