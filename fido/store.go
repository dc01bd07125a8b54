package fido

import (
	"context"
	"time"
)

// Store keeps what a relying party knows. Implementations are safe for
// concurrent use, also by several processes where they share data; what they
// return shares no memory with what they keep. Expiry is not theirs: they keep a
// record until it is taken, or may forget it once its time has passed.
//
// Test an implementation with package fido/fidotest.
type Store interface {
	// PutCeremony keeps r under r.ID. It may forget ceremonies and invitations
	// that expired before now.
	PutCeremony(ctx context.Context, r CeremonyRecord, now time.Time) error
	// TakeCeremony removes and returns the record: of concurrent calls with the
	// same id one gets it, and the others get ErrNotFound.
	TakeCeremony(ctx context.Context, id Hash) (CeremonyRecord, error)

	// EnsureUser returns the user who has the key, a folded name, and adds u
	// under that key if there is none. Keys and handles are unique.
	EnsureUser(ctx context.Context, key string, u User) (User, error)
	// UserByKey and User return ErrNotFound for somebody unknown.
	UserByKey(ctx context.Context, key string) (User, error)
	User(ctx context.Context, handle []byte) (User, error)

	// AddInvite keeps an invitation; Invite returns it or ErrNotFound.
	AddInvite(ctx context.Context, i Invite) error
	Invite(ctx context.Context, id Hash) (Invite, error)

	// AddCredential adds c with Revision 1. If invite is not nil, it removes that
	// invitation in the same transaction, or returns ErrInviteInvalid if there is
	// none. It returns ErrCredentialExists if anybody has a credential with c.ID,
	// and ErrNotFound if there is no such user. After an error nothing is changed.
	AddCredential(ctx context.Context, c Credential, invite *Hash) error
	// Credential returns ErrNotFound for an unknown ID.
	Credential(ctx context.Context, id []byte) (Credential, error)
	// Credentials returns all of a user's credentials, the oldest first.
	Credentials(ctx context.Context, userHandle []byte) ([]Credential, error)
	// UpdateCredential replaces what may change (SignCount, UserVerified,
	// BackupState, LastUsed, Quarantine) if the stored Revision is still
	// c.Revision, and adds one to it; otherwise it returns ErrConflict.
	UpdateCredential(ctx context.Context, c Credential) error

	// Seed returns 32 secret bytes that stay the same for the life of the store:
	// fresh, if it is the first call.
	Seed(ctx context.Context, fresh [32]byte) ([32]byte, error)
}

// Hash is the SHA-256 of a bearer secret: what a store keeps instead of it.
type Hash [32]byte

// CeremonyRecord is what is kept of a ceremony between begin and finish.
type CeremonyRecord struct {
	ID               Hash
	Purpose          Purpose
	Challenge        []byte
	UserHandle       []byte   // for whom; empty in a sign-in with a discoverable credential
	Allowed          [][]byte // the credential IDs that were offered in a sign-in
	Invite           *Hash    // the invitation that a registration uses
	UserVerification string   // what was asked of the key
	RemoteAddr       string
	Expires          time.Time
}

// Invite is a stored invitation to register a key.
type Invite struct {
	ID         Hash
	UserHandle []byte
	Expires    time.Time
}
