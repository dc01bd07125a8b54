package postgres

import "github.com/lakekey/lakekey/internal/postgresdb"

// Times are nanoseconds since 1970, 0 for none: a timestamptz has microseconds,
// and a revision of a record must not change its times. Lists are JSON. Keys are
// in the order of their bytes whatever the locale of the database.
//
// fido_serials says whose key has an attested serial number. Its rows are locked
// before a credential with one is added, and stay when that is revoked.
var schema = postgresdb.Component{Name: "fido", Migrations: []string{`
CREATE TABLE fido_users (
	handle       bytea  PRIMARY KEY,
	key          text   COLLATE "C" NOT NULL UNIQUE,
	name         text   NOT NULL,
	display_name text   NOT NULL,
	groups       json   NOT NULL,
	blocked      text   NOT NULL,
	created      bigint NOT NULL,
	revision     bigint NOT NULL
);

CREATE TABLE fido_invites (
	id          bytea  PRIMARY KEY,
	user_handle bytea  NOT NULL REFERENCES fido_users,
	kind        text   NOT NULL,
	created     bigint NOT NULL,
	issuer      text   NOT NULL,
	expires     bigint NOT NULL
);
CREATE INDEX fido_invites_user ON fido_invites (user_handle);
CREATE INDEX fido_invites_expires ON fido_invites (expires);

CREATE TABLE fido_ceremonies (
	id                bytea   PRIMARY KEY,
	purpose           text    NOT NULL,
	challenge         bytea   NOT NULL,
	user_handle       bytea,
	allowed           json    NOT NULL,
	invite            bytea,
	user_verification text    NOT NULL,
	conditional       boolean NOT NULL,
	credential_name   text    NOT NULL,
	remote_addr       text    NOT NULL,
	user_agent        text    NOT NULL,
	expires           bigint  NOT NULL
);
CREATE INDEX fido_ceremonies_expires ON fido_ceremonies (expires);

CREATE TABLE fido_credentials (
	number             bigint  GENERATED ALWAYS AS IDENTITY,
	id                 bytea   PRIMARY KEY,
	user_handle        bytea   NOT NULL REFERENCES fido_users,
	public_key         bytea   NOT NULL,
	algorithm          bigint  NOT NULL,
	sign_count         bigint  NOT NULL,
	evidence           json    NOT NULL,
	name               text    NOT NULL,
	transports         json    NOT NULL,
	discoverable       boolean NOT NULL,
	user_verified      boolean NOT NULL,
	backup_eligible    boolean NOT NULL,
	backup_state       boolean NOT NULL,
	state              text    NOT NULL,
	state_reason       text    NOT NULL,
	state_by           text    NOT NULL,
	state_since        bigint  NOT NULL,
	created            bigint  NOT NULL,
	approved           bigint  NOT NULL,
	approved_by        text    NOT NULL,
	rationale          text    NOT NULL,
	last_used          bigint  NOT NULL,
	revoked            bigint  NOT NULL,
	serial_hash        bytea,
	attestation_object bytea,
	client_data_json   bytea,
	revision           bigint  NOT NULL
);
CREATE INDEX fido_credentials_user ON fido_credentials (user_handle, number);
CREATE INDEX fido_credentials_state ON fido_credentials (state, id) WHERE state <> 'active';
CREATE INDEX fido_credentials_serial ON fido_credentials (serial_hash) WHERE serial_hash IS NOT NULL;

CREATE TABLE fido_serials (
	serial      bytea PRIMARY KEY,
	user_handle bytea NOT NULL REFERENCES fido_users
);

CREATE TABLE fido_values (
	name  text  PRIMARY KEY,
	value bytea NOT NULL
);
`}}
