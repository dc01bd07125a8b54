package fido_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/fido"
)

var errFault = errors.New("store: out of order")

// failing is a store of which one call fails: the at-th, before it has done anything
// or, where the answer to a commit is lost, after.
type failing struct {
	fido.Store
	calls, at int
	after     bool
	failed    string // the method whose call it was
}

func call[T any](f *failing, method string, do func() (T, error)) (T, error) {
	f.calls++
	if f.calls-1 != f.at {
		return do()
	}
	var none T
	f.failed = method
	if f.after {
		if _, err := do(); err != nil {
			return none, err
		}
	}
	return none, errFault
}

func act0(f *failing, method string, do func() error) error {
	_, err := call(f, method, func() (struct{}, error) { return struct{}{}, do() })
	return err
}

func (f *failing) PutCeremony(ctx context.Context, r fido.CeremonyRecord, now time.Time) error {
	return act0(f, "PutCeremony", func() error { return f.Store.PutCeremony(ctx, r, now) })
}

func (f *failing) TakeCeremony(ctx context.Context, id fido.Hash) (fido.CeremonyRecord, error) {
	return call(f, "TakeCeremony", func() (fido.CeremonyRecord, error) { return f.Store.TakeCeremony(ctx, id) })
}

func (f *failing) EnsureUser(ctx context.Context, key string, u fido.User) (fido.User, error) {
	return call(f, "EnsureUser", func() (fido.User, error) { return f.Store.EnsureUser(ctx, key, u) })
}

func (f *failing) UserByKey(ctx context.Context, key string) (fido.User, error) {
	return call(f, "UserByKey", func() (fido.User, error) { return f.Store.UserByKey(ctx, key) })
}

func (f *failing) User(ctx context.Context, handle []byte) (fido.User, error) {
	return call(f, "User", func() (fido.User, error) { return f.Store.User(ctx, handle) })
}

func (f *failing) UpdateUser(ctx context.Context, u fido.User) error {
	return act0(f, "UpdateUser", func() error { return f.Store.UpdateUser(ctx, u) })
}

func (f *failing) ListUsers(ctx context.Context, q fido.UserQuery) ([]fido.User, error) {
	return call(f, "ListUsers", func() ([]fido.User, error) { return f.Store.ListUsers(ctx, q) })
}

func (f *failing) AddInvites(ctx context.Context, all []fido.Invite, replace bool) error {
	return act0(f, "AddInvites", func() error { return f.Store.AddInvites(ctx, all, replace) })
}

func (f *failing) Invite(ctx context.Context, id fido.Hash) (fido.Invite, error) {
	return call(f, "Invite", func() (fido.Invite, error) { return f.Store.Invite(ctx, id) })
}

func (f *failing) Invites(ctx context.Context, handle []byte) ([]fido.Invite, error) {
	return call(f, "Invites", func() ([]fido.Invite, error) { return f.Store.Invites(ctx, handle) })
}

func (f *failing) AddCredential(ctx context.Context, c fido.Credential, a fido.Addition) error {
	return act0(f, "AddCredential", func() error { return f.Store.AddCredential(ctx, c, a) })
}

func (f *failing) Credential(ctx context.Context, id []byte) (fido.Credential, error) {
	return call(f, "Credential", func() (fido.Credential, error) { return f.Store.Credential(ctx, id) })
}

func (f *failing) Credentials(ctx context.Context, handle []byte) ([]fido.Credential, error) {
	return call(f, "Credentials", func() ([]fido.Credential, error) { return f.Store.Credentials(ctx, handle) })
}

func (f *failing) UpdateCredential(ctx context.Context, c fido.Credential) error {
	return act0(f, "UpdateCredential", func() error { return f.Store.UpdateCredential(ctx, c) })
}

func (f *failing) ListCredentials(ctx context.Context, q fido.CredentialQuery) ([]fido.Credential, error) {
	return call(f, "ListCredentials", func() ([]fido.Credential, error) { return f.Store.ListCredentials(ctx, q) })
}

func (f *failing) Swap(ctx context.Context, name string, old, fresh []byte) ([]byte, error) {
	return call(f, "Swap", func() ([]byte, error) { return f.Store.Swap(ctx, name, old, fresh) })
}

// wholeLife is everything that can be asked of a relying party, in an order in which
// it works, as steps that can be taken again. got is what a step was given back.
func wholeLife(t *testing.T, h *house) []func() (got any, err error) {
	key, second := newForge(t, fido.EdDSA), newForge(t, fido.EdDSA)
	key.count = 10
	u := func() []byte { return key.handle }
	enrolled := func(f *forge) func() (any, error) {
		return func() (any, error) {
			invite, err := h.Invite(t.Context(), ana, time.Hour)
			if err != nil {
				return nil, err
			}
			c, err := h.BeginRegistration(t.Context(), fido.RegistrationRequest{Invite: invite})
			if err != nil {
				return nil, err
			}
			return nonNil(h.FinishRegistration(t.Context(), c.ID, f.register(t, c.Options)))
		}
	}
	signedIn := func(change ...func(*draft)) func() (any, error) {
		return func() (any, error) {
			c, err := h.BeginSignIn(t.Context(), fido.SignInRequest{UserName: ana})
			if err != nil {
				return nil, err
			}
			return nonNil(h.FinishSignIn(t.Context(), c.ID, fido.PurposeSignIn, key.assert(t, c.Options, change...)))
		}
	}
	on := func(do act, f *forge) func() (any, error) {
		return func() (any, error) { return nonNil(do(t.Context(), f.id, eve)) }
	}
	only := func(do func() error) func() (any, error) { return func() (any, error) { return nil, do() } }
	return []func() (any, error){
		enrolled(key), signedIn(), signedIn(),
		func() (any, error) { return nonNil(h.Rename(t.Context(), key.id, "blue", eve)) },
		only(func() error { _, err := h.IssueRecoveryCodes(t.Context(), u(), 2, eve); return err }),
		only(func() error { _, err := h.WithdrawInvites(t.Context(), u(), eve); return err }),
		only(func() error { _, err := h.SetGroups(t.Context(), u(), []string{"staff"}, eve); return err }),
		only(func() error { return h.RequestRevocation(t.Context(), key.id, eve) }),
		on(h.Quarantine, key), on(h.Release, key), signedIn(),
		only(func() error { _, err := h.Block(t.Context(), u(), eve); return err }),
		only(func() error { _, err := h.Unblock(t.Context(), u(), eve); return err }),
		func() (any, error) {
			r, err := h.Reevaluate(t.Context(), fido.ReevaluateOptions{})
			return nil, errors.Join(err, errIf(r == nil, "a report comes with an error, too"))
		},
		only(func() error { return h.Active(t.Context(), key.id, true) }),
		enrolled(second),
		only(func() error { _, err := h.Keyring(t.Context(), u()); return err }),
		only(func() error { _, err := h.Signals(t.Context(), u()); return err }),
		only(func() error { _, err := h.Users(t.Context(), fido.UserQuery{}); return err }),
		only(func() error { _, err := h.Key(t.Context(), "cookies"); return err }),
		on(h.Revoke, key), on(h.ReportLost, second),
	}
}

func nonNil[T any](v *T, err error) (any, error) {
	if v == nil {
		return nil, err
	}
	return v, err
}

func errIf(wrong bool, text string) error {
	if wrong {
		return errors.New(text)
	}
	return nil
}

// TestEveryStoreCallFails lets each call of a store fail that a life makes, before
// and after it has its effect. Nothing is handed out beside an error, nobody is let
// in by one, the step can be taken again, and the log says what happened.
func TestEveryStoreCallFails(t *testing.T) {
	counting := &failing{Store: fido.NewMemoryStore(), at: -1}
	for i, step := range wholeLife(t, newHouse(t, counting)) {
		_, err := step()
		require.NoError(t, err, "step %d", i)
	}
	require.Greater(t, counting.calls, 80)
	methods := map[string]bool{}
	for _, after := range []bool{false, true} {
		for at := 1; at < counting.calls; at++ { // the first is New's
			t.Run(fmt.Sprintf("call %d, after it: %v", at, after), func(t *testing.T) {
				store := &failing{Store: fido.NewMemoryStore(), at: at, after: after}
				h := newHouse(t, store)
				failed := 0
				for i, step := range wholeLife(t, h) {
					got, err := step()
					if err == nil {
						continue
					}
					require.ErrorIs(t, err, errFault, "step %d", i)
					require.Nil(t, got, "step %d", i)
					failed++
					if _, err = step(); after && err != nil {
						// It had happened already, and says so.
						known := false
						for _, said := range []error{fido.ErrConflict, fido.ErrRevoked, fido.ErrCredentialExists, fido.ErrQuarantined} {
							known = known || errors.Is(err, said)
						}
						require.True(t, known, "step %d: %v", i, err)
					} else {
						require.NoError(t, err, "step %d, again", i)
					}
				}
				require.LessOrEqual(t, failed, 1)
				methods[store.failed] = true
				intents, results := 0, 0
				for _, line := range lines(t, h.log) {
					intents += count(line, `"phase":"intent"`)
					results += count(line, `"phase":"result"`)
				}
				require.Equal(t, intents, results, "every act ended")
			})
		}
	}
	require.Len(t, methods, 16, "%v", methods)
	cfg := config()
	cfg.Audit, _ = memoryLog(t)
	cfg.InsecureNoAudit = false
	_, err := fido.New(cfg, &failing{Store: fido.NewMemoryStore()})
	require.ErrorIs(t, err, errFault)
}

func count(line, what string) int { return strings.Count(line, what) }
