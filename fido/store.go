package fido

import (
	"context"
	"time"
)

// Store keeps what a relying party knows. Implementations are safe for
// concurrent use, also by several processes where they share data; what they
// return shares no memory with what they keep. Expiry is not theirs: they keep a
// record until it is taken, or may forget it once its time has passed. A method
// that returns an error has changed nothing.
//
// Test an implementation with package fido/fidotest.
type Store interface {
	// PutCeremony keeps r under r.ID. It may forget ceremonies and invitations
	// that expired before now; an invitation whose Expires is zero never does.
	PutCeremony(ctx context.Context, r CeremonyRecord, now time.Time) error
	// TakeCeremony removes and returns the record: of concurrent calls with the
	// same id one gets it, and the others get ErrNotFound.
	TakeCeremony(ctx context.Context, id Hash) (CeremonyRecord, error)

	// EnsureUser returns the user who has the key, a folded name, and adds u
	// under that key, with Revision 1, if there is none. Keys and handles are
	// unique.
	EnsureUser(ctx context.Context, key string, u User) (User, error)
	// UserByKey and User return ErrNotFound for somebody unknown.
	UserByKey(ctx context.Context, key string) (User, error)
	User(ctx context.Context, handle []byte) (User, error)
	// UpdateUser replaces what may change (DisplayName, Groups, Blocked) if the
	// stored Revision is still u.Revision, and adds one to it; otherwise it
	// returns ErrConflict.
	UpdateUser(ctx context.Context, u User) error
	// ListUsers returns a page of users in the order of their keys' bytes. The
	// names in q are folded.
	ListUsers(ctx context.Context, q UserQuery) ([]User, error)

	// AddInvites keeps invitations of existing users, or returns ErrNotFound. If
	// replace is set, it first removes all that have the UserHandle and Kind of
	// one of the new ones, in the same transaction.
	AddInvites(ctx context.Context, invites []Invite, replace bool) error
	// Invite returns ErrNotFound for an unknown ID.
	Invite(ctx context.Context, id Hash) (Invite, error)
	// Invites returns all of a user's invitations, in any order.
	Invites(ctx context.Context, userHandle []byte) ([]Invite, error)

	// AddCredential adds c with Revision 1, if all that a asks for holds. It
	// returns ErrNotFound if there is no such user, ErrCredentialExists if anybody
	// has a credential with c.ID, revoked or not, and ErrSerialTaken if c has a
	// SerialHash that a credential of another user has, which is not revoked.
	AddCredential(ctx context.Context, c Credential, a Addition) error
	// Credential returns ErrNotFound for an unknown ID.
	Credential(ctx context.Context, id []byte) (Credential, error)
	// Credentials returns all of a user's credentials, the oldest first.
	Credentials(ctx context.Context, userHandle []byte) ([]Credential, error)
	// UpdateCredential replaces what may change (SignCount, Evidence, Name,
	// UserVerified, BackupState, the four State… fields, Approved, ApprovedBy,
	// Rationale, LastUsed, Revoked) if the stored Revision is still c.Revision,
	// and adds one to it; otherwise it returns ErrConflict.
	UpdateCredential(ctx context.Context, c Credential) error
	// ListCredentials returns a page of credentials in the order of their IDs'
	// bytes.
	ListCredentials(ctx context.Context, q CredentialQuery) ([]Credential, error)

	// Swap sets the value called name to fresh if it is old, where nil means that
	// there is none, and returns what it is afterwards.
	Swap(ctx context.Context, name string, old, fresh []byte) ([]byte, error)
}

// Hash is the SHA-256 of a bearer secret: what a store keeps instead of it.
type Hash [32]byte

// Addition says under which conditions a credential is added. All are checked in
// the transaction that adds it.
type Addition struct {
	Invite *Hash // this invitation exists, and is removed: else ErrInviteInvalid
	Limit  int   // the user has fewer than so many credentials that are not revoked: else ErrLimit; 0: any number
}

// UserQuery asks for a page of users. The zero value asks for the first.
type UserQuery struct {
	Prefix string // names that begin so; empty: all
	After  string // the last name of the page before
	Limit  int    // the size of the page; 0: 100, and never more than 1,000
}

// CredentialQuery asks for a page of credentials that meet all conditions. The
// zero value asks for the first of all.
type CredentialQuery struct {
	State       State     // in this state; empty: any
	HeldAt      time.Time // held at that time, see [Credential.HeldAt]; zero: any
	UnusedSince time.Time // not revoked, and neither registered nor used since then; zero: any
	After       []byte    // the last ID of the page before
	Limit       int       // the size of the page; 0: 100, and never more than 1,000
}

// PageSize is the number of records that a query whose Limit is limit gets at
// most.
func PageSize(limit int) int {
	const usual, most = 100, 1000
	if limit <= 0 {
		return usual
	}
	return min(limit, most)
}

// CeremonyRecord is what is kept of a ceremony between begin and finish.
type CeremonyRecord struct {
	ID               Hash
	Purpose          Purpose
	Challenge        []byte
	UserHandle       []byte   // for whom; empty in a sign-in with a discoverable credential
	Allowed          [][]byte // the credential IDs that were offered in a sign-in; the one that a registration rests on
	Invite           *Hash    // the invitation that a registration uses
	UserVerification string   // what was asked of the key
	Conditional      bool     // a registration that the client may make without asking the person
	CredentialName   string   // what the new key is to be called
	RemoteAddr       string
	UserAgent        string
	Expires          time.Time
}
