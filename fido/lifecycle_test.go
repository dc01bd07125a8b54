package fido_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/fido"
	"github.com/lakekey/lakekey/fido/audit"
	"github.com/lakekey/lakekey/fido/keypolicy"
)

type act = func(context.Context, []byte, fido.Act) (*fido.Credential, error)

func TestVerbs(t *testing.T) {
	for name, store := range stores(t) {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, store)
			verbs := map[string]act{
				"Approve": h.Approve, "Deny": h.Deny, "Quarantine": h.Quarantine, "Release": h.Release, "Revoke": h.Revoke, "ReportLost": h.ReportLost,
			}
			events := map[string]string{
				"Approve": "credential.approved", "Deny": "credential.denied", "Quarantine": "credential.quarantined", "Release": "credential.released",
				"Revoke": "credential.revoked", "ReportLost": "credential.reported-lost",
			}
			// From each state, what each verb leads to; the rest is refused.
			to := map[fido.State]map[string]fido.State{
				fido.StatePending:     {"Approve": fido.StateActive, "Deny": fido.StateRevoked, "Quarantine": fido.StateQuarantined, "Revoke": fido.StateRevoked, "ReportLost": fido.StateRevoked},
				fido.StateActive:      {"Quarantine": fido.StateQuarantined, "Revoke": fido.StateRevoked, "ReportLost": fido.StateRevoked},
				fido.StateQuarantined: {"Release": fido.StateActive, "Revoke": fido.StateRevoked, "ReportLost": fido.StateRevoked},
				fido.StateRevoked:     {},
			}
			said := map[fido.State]error{fido.StatePending: fido.ErrPending, fido.StateActive: nil, fido.StateQuarantined: fido.ErrQuarantined, fido.StateRevoked: fido.ErrRevoked}
			for from, leads := range to {
				for verb, do := range verbs {
					t.Run(string(from)+"/"+verb, func(t *testing.T) {
						key := newForge(t, fido.EdDSA)
						enrol(t, h.RelyingParty, ana, key)
						switch from {
						case fido.StatePending:
							h.pend(t, key.id)
						case fido.StateQuarantined:
							_, err := h.Quarantine(t.Context(), key.id, eve)
							require.NoError(t, err)
						case fido.StateRevoked:
							_, err := h.Revoke(t.Context(), key.id, eve)
							require.NoError(t, err)
						}
						before, err := store.Credential(t.Context(), key.id)
						require.NoError(t, err)
						h.at = h.at.Add(time.Minute)
						h.inbox.types()
						already := len(recorded(t, h.log, events[verb]))

						got, err := do(t.Context(), key.id, eve)
						records := recorded(t, h.log, events[verb])[already:]
						after, reading := store.Credential(t.Context(), key.id)
						require.NoError(t, reading)
						state, allowed := leads[verb]
						if !allowed {
							require.Error(t, err)
							if from == fido.StateRevoked {
								require.ErrorIs(t, err, fido.ErrRevoked)
							} else {
								require.ErrorIs(t, err, fido.ErrConflict)
							}
							require.Nil(t, got)
							require.Equal(t, before, after)
							require.Len(t, records, 1)
							require.Contains(t, records[0], `"outcome":"denied"`)
							require.Empty(t, h.inbox.types())
							return
						}
						require.NoError(t, err)
						require.Equal(t, state, got.State)
						require.Equal(t, state, after.State)
						require.Equal(t, after.Revision, got.Revision)
						require.Equal(t, []any{eve.By, h.at}, []any{after.StateBy, after.StateSince.UTC()})
						require.Contains(t, after.StateReason, "because")
						require.Equal(t, state == fido.StateRevoked, after.Revoked.Equal(h.at), "%v", after.Revoked)
						if verb == "Approve" {
							require.Equal(t, []any{h.at, eve.By, "because"}, []any{after.Approved.UTC(), after.ApprovedBy, after.Rationale})
						}
						require.Len(t, records, 2)
						require.Contains(t, records[0], `"phase":"intent"`)
						require.Contains(t, records[1], `"outcome":"ok"`)
						for _, r := range records {
							for _, part := range []string{`"actor":"eve@example.com"`, `"user":"ana@example.com"`, `"rationale":"because"`, audit.HashID(key.id), `"credential_name":"Key `} {
								require.Contains(t, r, part)
							}
						}
						require.Equal(t, []string{events[verb]}, h.inbox.types())

						require.ErrorIs(t, h.Active(t.Context(), key.id, true), said[state])
						_, err = signIn(t, h.RelyingParty, "", key)
						require.ErrorIs(t, err, said[state])
					})
				}
			}
		})
	}
}

func TestQuarantineIsNoWayAroundApproval(t *testing.T) {
	h := newHouse(t, fido.NewMemoryStore())
	key := newForge(t, fido.EdDSA)
	enrol(t, h.RelyingParty, ana, key)
	h.pend(t, key.id)
	_, err := h.Quarantine(t.Context(), key.id, eve)
	require.NoError(t, err)
	c, err := h.Release(t.Context(), key.id, eve)
	require.NoError(t, err)
	require.Equal(t, fido.StatePending, c.State)
	_, err = signIn(t, h.RelyingParty, ana, key)
	require.ErrorIs(t, err, fido.ErrPending)
}

func TestNobodyDecidesAboutThemselves(t *testing.T) {
	h := newHouse(t, fido.NewMemoryStore())
	key := newForge(t, fido.EdDSA)
	enrol(t, h.RelyingParty, ana, key)
	for _, by := range []string{ana, "ANA@Example.com"} {
		self := fido.Act{By: by, Rationale: "me"}
		h.pend(t, key.id)
		_, err := h.Approve(t.Context(), key.id, self)
		require.ErrorIs(t, err, fido.ErrOwnApproval)
		_, err = h.Approve(t.Context(), key.id, eve)
		require.NoError(t, err)
		_, err = h.Quarantine(t.Context(), key.id, self)
		require.NoError(t, err)
		_, err = h.Release(t.Context(), key.id, self)
		require.ErrorIs(t, err, fido.ErrOwnApproval)
		_, err = h.Release(t.Context(), key.id, eve)
		require.NoError(t, err)
		_, err = h.Block(t.Context(), key.handle, self)
		require.NoError(t, err)
		_, err = h.Unblock(t.Context(), key.handle, self)
		require.ErrorIs(t, err, fido.ErrOwnApproval)
		_, err = h.Unblock(t.Context(), key.handle, eve)
		require.NoError(t, err)
	}
	require.Len(t, recorded(t, h.log, "credential.approved"), 2*(1+2), "attempts are recorded")
}

func TestActsSayWhoAndWhy(t *testing.T) {
	h := newHouse(t, fido.NewMemoryStore())
	key := newForge(t, fido.EdDSA)
	enrol(t, h.RelyingParty, ana, key)
	h.pend(t, key.id)
	invalid := func(err error, field string) {
		t.Helper()
		var e *fido.InvalidError
		require.ErrorAs(t, err, &e)
		require.Equal(t, field, e.Field)
		require.ErrorContains(t, err, "fido: the "+field+" ")
	}
	for _, do := range []act{h.Approve, h.Deny, h.Quarantine, h.Release, h.Revoke, h.ReportLost} {
		_, err := do(t.Context(), key.id, fido.Act{Rationale: "because"})
		invalid(err, "by")
		_, err = do(t.Context(), key.id, fido.Act{By: "e\u202eve", Rationale: "because"})
		invalid(err, "by")
		_, err = do(t.Context(), key.id, fido.Act{By: "eve", Rationale: strings.Repeat("x", 1001)})
		invalid(err, "rationale")
	}
	for _, do := range []act{h.Approve, h.Deny, h.Quarantine, h.Release} {
		_, err := do(t.Context(), key.id, fido.Act{By: "eve", Rationale: " \n"})
		invalid(err, "rationale")
	}
	_, err := h.Block(t.Context(), key.handle, fido.Act{By: "eve"})
	invalid(err, "rationale")
	_, err = h.SetGroups(t.Context(), key.handle, nil, fido.Act{})
	invalid(err, "by")
	_, err = h.IssueRecoveryCodes(t.Context(), key.handle, 3, fido.Act{})
	invalid(err, "by")
	_, err = h.InviteFor(t.Context(), fido.InviteRequest{UserName: ana, TTL: time.Hour})
	invalid(err, "by")
	require.Equal(t, fido.StatePending, mustCredential(t, h, key.id).State)
}

func TestRename(t *testing.T) {
	h := newHouse(t, fido.NewMemoryStore())
	key := newForge(t, fido.EdDSA)
	require.Equal(t, "Key 1", enrol(t, h.RelyingParty, ana, key).Name)
	h.inbox.types()
	self := fido.Act{By: ana}
	c, err := h.Rename(t.Context(), key.id, "  the blue one ", self)
	require.NoError(t, err)
	require.Equal(t, "the blue one", c.Name)
	require.Equal(t, "the blue one", mustCredential(t, h, key.id).Name)
	require.Empty(t, h.inbox.types())
	records := recorded(t, h.log, "credential.renamed")
	require.Len(t, records, 2)
	require.Contains(t, records[0], "the blue one")
	require.NotContains(t, records[0], `"actor"`, "it is the person's own act")
	for _, bad := range []string{"", " ", strings.Repeat("x", 65), "a\u200bb", "a\x00", "\xff"} {
		_, err := h.Rename(t.Context(), key.id, bad, self)
		var invalid *fido.InvalidError
		require.ErrorAs(t, err, &invalid, "%q", bad)
	}
	_, err = h.Rename(t.Context(), []byte("unknown"), "x", self)
	require.ErrorIs(t, err, fido.ErrNotFound)
	_, err = h.Revoke(t.Context(), key.id, self)
	require.NoError(t, err)
	_, err = h.Rename(t.Context(), key.id, "history", self)
	require.ErrorIs(t, err, fido.ErrRevoked)
}

// What cannot be recorded does not happen.
func TestNoRecordNoChange(t *testing.T) {
	h := newHouse(t, fido.NewMemoryStore())
	key, pending := newForge(t, fido.EdDSA), newForge(t, fido.EdDSA)
	enrol(t, h.RelyingParty, ana, key)
	enrol(t, h.RelyingParty, ana, pending)
	h.pend(t, pending.id)
	codes, err := h.IssueRecoveryCodes(t.Context(), key.handle, 1, eve)
	require.NoError(t, err)
	before, user := mustCredential(t, h, key.id), key.handle
	person, err := h.User(t.Context(), user)
	require.NoError(t, err)
	require.NoError(t, h.log.Close())
	h.inbox.types()

	for _, do := range []act{h.Quarantine, h.Revoke, h.ReportLost} {
		_, err := do(t.Context(), key.id, eve)
		require.ErrorIs(t, err, audit.ErrClosed)
	}
	for _, do := range []act{h.Approve, h.Deny} {
		_, err := do(t.Context(), pending.id, eve)
		require.ErrorIs(t, err, audit.ErrClosed)
	}
	_, err = h.Rename(t.Context(), key.id, "x", eve)
	require.ErrorIs(t, err, audit.ErrClosed)
	_, err = h.Block(t.Context(), user, eve)
	require.ErrorIs(t, err, audit.ErrClosed)
	_, err = h.SetGroups(t.Context(), user, []string{"admins"}, eve)
	require.ErrorIs(t, err, audit.ErrClosed)
	_, err = h.IssueRecoveryCodes(t.Context(), user, 2, eve)
	require.ErrorIs(t, err, audit.ErrClosed)
	_, err = h.InviteFor(t.Context(), fido.InviteRequest{UserName: ben, TTL: time.Hour, Act: eve})
	require.ErrorIs(t, err, audit.ErrClosed)

	require.Equal(t, before, mustCredential(t, h, key.id))
	require.Equal(t, fido.StatePending, mustCredential(t, h, pending.id).State)
	after, err := h.User(t.Context(), user)
	require.NoError(t, err)
	require.Equal(t, person, after)
	_, err = h.UserByName(t.Context(), ben)
	require.ErrorIs(t, err, fido.ErrNotFound)
	require.Empty(t, h.inbox.types())
	silent := party(t, config(), h.store)
	_, err = silent.BeginRegistration(t.Context(), fido.RegistrationRequest{Invite: codes[0]})
	require.NoError(t, err, "the code is still good")
}

func TestHangingUpStopsNoChange(t *testing.T) {
	h := newHouse(t, fido.NewMemoryStore())
	key := newForge(t, fido.EdDSA)
	enrol(t, h.RelyingParty, ana, key)
	ctx, cancel := context.WithCancel(t.Context())
	stopping := &stoppingStore{Store: h.store, stop: cancel}
	rp := party(t, config(), stopping)
	_, err := rp.Revoke(ctx, key.id, eve)
	require.NoError(t, err)
	require.Equal(t, fido.StateRevoked, mustCredential(t, h, key.id).State)
}

// stoppingStore hangs up when the change is about to be made, as a caller may.
type stoppingStore struct {
	fido.Store
	stop context.CancelFunc
}

func (s *stoppingStore) UpdateCredential(ctx context.Context, c fido.Credential) error {
	s.stop()
	if err := ctx.Err(); err != nil {
		return err
	}
	return s.Store.UpdateCredential(ctx, c)
}

// A notice that is not delivered changes nothing.
func TestNoticesAreBestEffort(t *testing.T) {
	h := newHouse(t, fido.NewMemoryStore())
	key := newForge(t, fido.EdDSA)
	h.inbox.err = errors.New("no mail today")
	enrol(t, h.RelyingParty, ana, key)
	_, err := h.Revoke(t.Context(), key.id, fido.Act{By: ana})
	require.NoError(t, err)
	require.Len(t, h.inbox.notices, 2)
	n := h.inbox.notices[1]
	require.Equal(t, []any{"credential.revoked", ana, key.id, fido.StateRevoked, ana, h.at}, []any{n.Type, n.User.Name, n.Credential.ID, n.Credential.State, n.Act.By, n.At})
}

// Of many who decide about one pending key, one does.
func TestDecisionsRace(t *testing.T) {
	for name, store := range stores(t) {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, store)
			for range 10 {
				key := newForge(t, fido.EdDSA)
				enrol(t, h.RelyingParty, ana, key)
				h.pend(t, key.id)
				errs := make([]error, 16)
				var wg sync.WaitGroup
				for i := range errs {
					wg.Go(func() {
						if i%2 == 0 {
							_, errs[i] = h.Approve(t.Context(), key.id, eve)
						} else {
							_, errs[i] = h.Deny(t.Context(), key.id, eve)
						}
					})
				}
				wg.Wait()
				approved, denied := 0, 0
				for i, err := range errs {
					switch {
					case err == nil && i%2 == 0:
						approved++
					case err == nil:
						denied++
					default:
						require.True(t, errors.Is(err, fido.ErrConflict) || errors.Is(err, fido.ErrRevoked), "%v", err)
					}
				}
				require.Equal(t, 1, approved+denied)
				want := map[bool]fido.State{true: fido.StateActive, false: fido.StateRevoked}[approved == 1]
				require.Equal(t, want, mustCredential(t, h, key.id).State)
			}
		})
	}
}

// Where the policy asks for an approval, a new key waits for it.
func TestPolicyAsksForApproval(t *testing.T) {
	for name, store := range stores(t) {
		t.Run(name, func(t *testing.T) {
			policy, err := keypolicy.New(nil, keypolicy.Rule{Name: "all", Approval: keypolicy.ApprovalAlways})
			require.NoError(t, err)
			h := newHouse(t, store, func(c *fido.Config) { c.Policy = policy })
			key := newForge(t, fido.EdDSA)
			c := enrol(t, h.RelyingParty, ana, key)
			require.Equal(t, fido.StatePending, c.State)
			require.True(t, mustCredential(t, h, key.id).Approved.IsZero())
			require.Equal(t, []string{"credential.pending"}, h.inbox.types())
			require.Len(t, recorded(t, h.log, "credential.pending"), 1)
			_, err = signIn(t, h.RelyingParty, ana, key)
			require.ErrorIs(t, err, fido.ErrPending)
			for range h.HeldAt(t.Context(), h.at) {
				require.Fail(t, "nobody holds what was not approved")
			}
			waiting, err := h.Credentials(t.Context(), fido.CredentialQuery{State: fido.StatePending})
			require.NoError(t, err)
			require.Len(t, waiting, 1)
			h.at = h.at.Add(time.Hour)
			_, err = h.Approve(t.Context(), key.id, eve)
			require.NoError(t, err)
			_, err = signIn(t, h.RelyingParty, ana, key)
			require.NoError(t, err)
		})
	}
}

// What somebody asks for who may not do it is on record, and on the way to who may.
func TestRevocationIsAskedFor(t *testing.T) {
	h := newHouse(t, fido.NewMemoryStore())
	key := newForge(t, fido.EdDSA)
	enrol(t, h.RelyingParty, ana, key)
	h.inbox.types()
	left := fido.Act{By: "hr@example.com", Rationale: "she has left the company"}
	require.NoError(t, h.RequestRevocation(t.Context(), key.id, left))
	require.Equal(t, []string{"credential.revocation-requested"}, h.inbox.types())
	said := recorded(t, h.log, "credential.revocation-requested")
	require.Len(t, said, 1)
	require.Contains(t, said[0], "hr@example.com")
	require.Contains(t, said[0], left.Rationale)
	require.Contains(t, said[0], audit.HashID(key.id))
	require.NoError(t, h.Active(t.Context(), key.id, true), "it is for others to do")

	require.Error(t, h.RequestRevocation(t.Context(), key.id, fido.Act{By: "hr@example.com"}), "why?")
	require.ErrorIs(t, h.RequestRevocation(t.Context(), []byte("unknown"), left), fido.ErrNotFound)
	_, err := h.Revoke(t.Context(), key.id, eve)
	require.NoError(t, err)
	require.ErrorIs(t, h.RequestRevocation(t.Context(), key.id, left), fido.ErrRevoked)
	require.NoError(t, h.log.Close())
	require.Error(t, h.RequestRevocation(t.Context(), key.id, left), "no record")
}
