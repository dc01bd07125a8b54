package sqlite_test

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/lakekey/lakekey/fido"
)

// alternating sends every call to the next of its stores, which share a file: no
// store may rely on what only it has seen.
type alternating struct {
	stores []fido.Store
	calls  atomic.Uint64
}

func (a *alternating) next() fido.Store { return a.stores[a.calls.Add(1)%uint64(len(a.stores))] }

func (a *alternating) PutCeremony(ctx context.Context, r fido.CeremonyRecord, now time.Time) error {
	return a.next().PutCeremony(ctx, r, now)
}

func (a *alternating) TakeCeremony(ctx context.Context, id fido.Hash) (fido.CeremonyRecord, error) {
	return a.next().TakeCeremony(ctx, id)
}

func (a *alternating) EnsureUser(ctx context.Context, key string, u fido.User) (fido.User, error) {
	return a.next().EnsureUser(ctx, key, u)
}

func (a *alternating) UserByKey(ctx context.Context, key string) (fido.User, error) {
	return a.next().UserByKey(ctx, key)
}

func (a *alternating) User(ctx context.Context, handle []byte) (fido.User, error) {
	return a.next().User(ctx, handle)
}

func (a *alternating) UpdateUser(ctx context.Context, u fido.User) error {
	return a.next().UpdateUser(ctx, u)
}

func (a *alternating) ListUsers(ctx context.Context, q fido.UserQuery) ([]fido.User, error) {
	return a.next().ListUsers(ctx, q)
}

func (a *alternating) AddInvites(ctx context.Context, invites []fido.Invite, replace bool) error {
	return a.next().AddInvites(ctx, invites, replace)
}

func (a *alternating) Invites(ctx context.Context, userHandle []byte) ([]fido.Invite, error) {
	return a.next().Invites(ctx, userHandle)
}

func (a *alternating) ListCredentials(ctx context.Context, q fido.CredentialQuery) ([]fido.Credential, error) {
	return a.next().ListCredentials(ctx, q)
}

func (a *alternating) Invite(ctx context.Context, id fido.Hash) (fido.Invite, error) {
	return a.next().Invite(ctx, id)
}

func (a *alternating) AddCredential(ctx context.Context, c fido.Credential, with fido.Addition) error {
	return a.next().AddCredential(ctx, c, with)
}

func (a *alternating) Credential(ctx context.Context, id []byte) (fido.Credential, error) {
	return a.next().Credential(ctx, id)
}

func (a *alternating) Credentials(ctx context.Context, userHandle []byte) ([]fido.Credential, error) {
	return a.next().Credentials(ctx, userHandle)
}

func (a *alternating) UpdateCredential(ctx context.Context, c fido.Credential) error {
	return a.next().UpdateCredential(ctx, c)
}

func (a *alternating) Swap(ctx context.Context, name string, old, fresh []byte) ([]byte, error) {
	return a.next().Swap(ctx, name, old, fresh)
}
