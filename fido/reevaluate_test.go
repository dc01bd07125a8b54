package fido_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/fido"
	"github.com/lakekey/lakekey/fido/audit"
	"github.com/lakekey/lakekey/fido/keypolicy"
	"github.com/lakekey/lakekey/fido/mds"
)

// told keeps the news.
type told struct{ notices []fido.Notice }

func (n *told) Notify(_ context.Context, notice fido.Notice) error {
	n.notices = append(n.notices, notice)
	return nil
}

func TestReevaluateQuarantinesWhatWasCompromised(t *testing.T) {
	root := newAuthority(t, "Root", nil)
	for name, store := range stores(t) {
		t.Run(name, func(t *testing.T) {
			var m models
			log, _ := memoryLog(t)
			metadata, news := &changing{fixed{blob: m.blob(t, fipsEntry(root))}}, &told{}
			cfg, now := config(), time.Now().UTC().Truncate(time.Second)
			cfg.Now = func() time.Time { return now }
			cfg.Audit, cfg.InsecureNoAudit, cfg.Notifier = log, false, news
			cfg.Metadata, cfg.Policy = metadata, policyOf(t, keypolicy.AttestedHardware())
			rp := party(t, cfg, store)
			key, c := genuineKey(t, rp, root)
			news.notices = nil

			r, err := rp.Reevaluate(t.Context(), fido.ReevaluateOptions{Quarantine: true})
			require.NoError(t, err)
			require.True(t, r.Done)
			require.Equal(t, 1, r.Metadata)
			require.Equal(t, cfg.Policy.Hash(), r.PolicyHash)
			require.Equal(t, 1, r.Looked)
			require.Empty(t, r.Findings, "nothing new, nothing to say")
			before := len(lines(t, log))

			// It becomes known that the model is broken.
			metadata.blob = m.blob(t, fipsEntry(root, mds.StatusReport{Status: mds.UserKeyRemoteCompromise}))
			r, err = rp.Reevaluate(t.Context(), fido.ReevaluateOptions{})
			require.NoError(t, err)
			require.Zero(t, r.Quarantined, "only reported")
			require.Len(t, r.Findings, 1)
			f := r.Findings[0]
			require.Equal(t, c.ID, f.Credential.ID)
			require.False(t, f.Decision.Allowed || f.Quarantined)
			require.Empty(t, f.Before.Status)
			require.Equal(t, []string{"USER_KEY_REMOTE_COMPROMISE"}, f.Credential.Evidence.Status)
			require.Equal(t, fido.StateActive, f.Credential.State)
			refusedFor(t, rp.Active(t.Context(), c.ID, true), "undesired_status") // nobody has to quarantine it for that
			recorded := strings.Join(lines(t, log)[before:], "\n")
			require.Contains(t, recorded, "metadata.reevaluated")
			require.Contains(t, recorded, "USER_KEY_REMOTE_COMPROMISE")
			require.Contains(t, recorded, "mds 2")
			before = len(lines(t, log))
			_, err = rp.Reevaluate(t.Context(), fido.ReevaluateOptions{})
			require.NoError(t, err)
			require.Len(t, lines(t, log), before, "it has been said")

			r, err = rp.Reevaluate(t.Context(), fido.ReevaluateOptions{Quarantine: true, By: "nightly job"})
			require.NoError(t, err)
			require.Equal(t, 1, r.Quarantined)
			require.True(t, r.Findings[0].Quarantined)
			stored, err := store.Credential(t.Context(), c.ID)
			require.NoError(t, err)
			require.Equal(t, fido.StateQuarantined, stored.State)
			require.Equal(t, "nightly job", stored.StateBy)
			require.Contains(t, stored.StateReason, "USER_KEY_REMOTE_COMPROMISE")
			require.Equal(t, stored, r.Findings[0].Credential)
			require.Len(t, news.notices, 1)
			require.Equal(t, "credential.quarantined", news.notices[0].Type)
			require.Equal(t, ana, news.notices[0].User.Name)
			_, err = signIn(t, rp, ana, key)
			require.ErrorIs(t, err, fido.ErrQuarantined)
			recorded = strings.Join(lines(t, log)[before:], "\n")
			require.Contains(t, recorded, "credential.quarantined")
			require.Contains(t, recorded, "nightly job")
			require.Contains(t, recorded, cfg.Policy.Hash())

			// Nothing takes it back: a newer blob that has forgotten, an older one, none.
			compromised := metadata.blob
			metadata.blob = m.blob(t, fipsEntry(root))
			for why, now := range map[string]fixed{
				"a blob that has forgotten": {blob: metadata.blob},
				"an older one":              {blob: (&models{ca: m.ca}).blob(t, fipsEntry(root))},
				"the same":                  {blob: compromised},
			} {
				metadata.fixed = now
				_, err = rp.Reevaluate(t.Context(), fido.ReevaluateOptions{Quarantine: true})
				require.NoError(t, err)
				require.ErrorIs(t, rp.Active(t.Context(), c.ID, true), fido.ErrQuarantined, why)
			}
		})
	}
}

// Without metadata that can be relied on nothing is judged: nobody loses a key to
// an outage, and nobody gets one back.
func TestReevaluateWithoutMetadata(t *testing.T) {
	root := newAuthority(t, "Root", nil)
	var m models
	metadata := &changing{fixed{blob: m.blob(t, fipsEntry(root))}}
	cfg := config()
	cfg.Metadata, cfg.Policy = metadata, policyOf(t, keypolicy.AttestedHardware())
	store := fido.NewMemoryStore()
	rp := party(t, cfg, store)
	_, good := genuineKey(t, rp, root)
	_, bad := genuineKey(t, rp, root)
	_, err := rp.Quarantine(t.Context(), bad.ID, fido.Act{By: "admin", Rationale: "found in the street"})
	require.NoError(t, err)
	stale := &mds.StaleError{Number: 1}
	metadata.fixed = fixed{err: stale}
	r, err := rp.Reevaluate(t.Context(), fido.ReevaluateOptions{Quarantine: true})
	var is *mds.StaleError
	require.ErrorAs(t, err, &is)
	require.Zero(t, r.Looked)
	refusedFor(t, rp.Active(t.Context(), good.ID, true), "attested") // as its sign-in would be, and no state of its own
	require.ErrorIs(t, rp.Active(t.Context(), bad.ID, true), fido.ErrQuarantined)
	stored, err := store.Credential(t.Context(), good.ID)
	require.NoError(t, err)
	require.Equal(t, good.Evidence.Verdict, stored.Evidence.Verdict)
}

// An older blob, which another replica may still have, does not overwrite what a
// newer one has said.
func TestReevaluateWithAnOlderBlob(t *testing.T) {
	root := newAuthority(t, "Root", nil)
	var m models
	older := m.blob(t, fipsEntry(root))
	metadata := &changing{fixed{blob: m.blob(t, fipsEntry(root, mds.StatusReport{Status: mds.Revoked}))}}
	cfg := config()
	cfg.Metadata = metadata
	cfg.Policy = policyOf(t, keypolicy.Profile{Attested: true, InsecureTolerateStatus: []string{"REVOKED"}})
	store := fido.NewMemoryStore()
	_, c := genuineKey(t, party(t, cfg, store), root)
	metadata.blob, cfg.Policy = older, policyOf(t, keypolicy.Profile{Attested: true})
	r, err := party(t, cfg, store).Reevaluate(t.Context(), fido.ReevaluateOptions{Quarantine: true})
	require.NoError(t, err)
	require.Equal(t, 1, r.Quarantined)
	stored, err := store.Credential(t.Context(), c.ID)
	require.NoError(t, err)
	require.Equal(t, []string{"REVOKED"}, stored.Evidence.Status)
}

// A stricter policy takes keys out of use that it does not accept, whatever state
// they are in but revoked; and what has become known of a model is kept.
func TestReevaluateAfterAChangeOfPolicy(t *testing.T) {
	root := newAuthority(t, "Root", nil)
	store := fido.NewMemoryStore()
	cfg := config()
	approval, err := keypolicy.New(nil, keypolicy.Rule{Name: "all", Approval: keypolicy.ApprovalAlways})
	require.NoError(t, err)
	cfg.Policy = approval
	rp := party(t, cfg, store)
	pending := enrol(t, rp, ana, newForge(t, fido.ES256))
	require.Equal(t, fido.StatePending, pending.State)
	require.Zero(t, pending.Approved)
	require.Contains(t, pending.StateReason, "approval")
	cfg.Policy = nil
	rp = party(t, cfg, store)
	active, revoked := enrol(t, rp, ana, newForge(t, fido.ES256)), enrol(t, rp, ana, newForge(t, fido.ES256))
	_, err = rp.Revoke(t.Context(), revoked.ID, fido.Act{By: ana})
	require.NoError(t, err)
	_, genuine := genuineKey(t, rp, root)
	require.Equal(t, keypolicy.None, genuine.Evidence.Verdict, "its root is not known yet")

	var m models
	cfg.Metadata, cfg.Policy = fixed{blob: m.blob(t, fipsEntry(root))}, policyOf(t, keypolicy.AttestedHardware())
	rp = party(t, cfg, store)
	r, err := rp.Reevaluate(t.Context(), fido.ReevaluateOptions{Quarantine: true})
	require.NoError(t, err)
	require.Equal(t, 3, r.Looked)
	require.Equal(t, 2, r.Quarantined)
	require.Len(t, r.Findings, 3)
	for _, c := range []*fido.Credential{pending, active} {
		require.ErrorIs(t, rp.Active(t.Context(), c.ID, true), fido.ErrQuarantined)
	}
	require.ErrorIs(t, rp.Active(t.Context(), revoked.ID, true), fido.ErrRevoked)
	require.NoError(t, rp.Active(t.Context(), genuine.ID, true))
	stored, err := store.Credential(t.Context(), genuine.ID)
	require.NoError(t, err)
	require.Equal(t, keypolicy.Rooted, stored.Evidence.Verdict)
	require.Equal(t, "YubiKey 5 FIPS", stored.Evidence.Model)

	// Quarantine is no way around the approval.
	released, err := rp.Release(t.Context(), pending.ID, fido.Act{By: "admin", Rationale: "a mistake"})
	require.NoError(t, err)
	require.Equal(t, fido.StatePending, released.State)
}

// stopping is a store that fails after some pages, or in between.
type stopping struct {
	fido.Store
	updates   int // that succeed; negative: all
	conflicts int // before each update
}

var errStopped = errors.New("the store has stopped")

func (s *stopping) UpdateCredential(ctx context.Context, c fido.Credential) error {
	if s.conflicts > 0 {
		s.conflicts--
		return fido.ErrConflict
	}
	if s.updates == 0 {
		return errStopped
	}
	s.updates--
	return s.Store.UpdateCredential(ctx, c)
}

// TestReevaluateGoesOn: a run that was interrupted goes on where it was, in parts
// of any size, and looks at every key once.
func TestReevaluateGoesOn(t *testing.T) {
	const keys = 250
	memory := fido.NewMemoryStore()
	cfg := config()
	rp := party(t, cfg, memory)
	var ids [][]byte
	for i := range keys {
		ids = append(ids, enrol(t, rp, fmt.Sprintf("user%d@example.com", i), newForge(t, fido.ES256)).ID)
	}
	slices.SortFunc(ids, bytes.Compare)
	cfg.Policy = policyOf(t, keypolicy.AttestedHardware())
	store := &stopping{Store: memory, updates: -1}
	rp = party(t, cfg, store)

	store.updates, store.conflicts = 120, 3
	r, err := rp.Reevaluate(t.Context(), fido.ReevaluateOptions{Quarantine: true})
	require.ErrorIs(t, err, errStopped)
	require.False(t, r.Done)
	require.Equal(t, 120, r.Quarantined)
	require.Equal(t, ids[119], r.Last)
	store.updates = -1
	seen := r.Quarantined
	for !r.Done {
		r, err = rp.Reevaluate(t.Context(), fido.ReevaluateOptions{Quarantine: true, After: r.Last, Limit: 37})
		require.NoError(t, err)
		require.LessOrEqual(t, r.Looked, 37)
		seen += r.Quarantined
	}
	require.Equal(t, keys, seen)
	for _, id := range ids {
		require.ErrorIs(t, rp.Active(t.Context(), id, true), fido.ErrQuarantined)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	log, _ := memoryLog(t)
	cfg.Audit, cfg.InsecureNoAudit = log, false
	enrol(t, party(t, config(), memory), ana, newForge(t, fido.ES256))
	_, err = party(t, cfg, memory).Reevaluate(ctx, fido.ReevaluateOptions{Quarantine: true})
	require.ErrorIs(t, err, context.Canceled)
}

// What cannot be recorded is not done.
func TestReevaluateNoRecordNoAct(t *testing.T) {
	store := fido.NewMemoryStore()
	c := enrol(t, party(t, config(), store), ana, newForge(t, fido.ES256))
	log, _ := memoryLog(t)
	cfg := config()
	cfg.Audit, cfg.InsecureNoAudit, cfg.Policy = log, false, policyOf(t, keypolicy.DeviceBound())
	rp := party(t, cfg, store)
	require.NoError(t, log.Close())
	r, err := rp.Reevaluate(t.Context(), fido.ReevaluateOptions{Quarantine: true})
	require.ErrorIs(t, err, audit.ErrClosed)
	require.Zero(t, r.Quarantined)
	stored, err := store.Credential(t.Context(), c.ID)
	require.NoError(t, err)
	require.Equal(t, fido.StateActive, stored.State)
}

// Reports take effect on their day.
func TestReevaluateOnTheDay(t *testing.T) {
	root := newAuthority(t, "Root", nil)
	var m models
	now := time.Now()
	cfg := config()
	cfg.Now = func() time.Time { return now }
	cfg.Metadata, cfg.Policy = fixed{blob: m.blob(t, fipsEntry(root, mds.StatusReport{Status: mds.Revoked, EffectiveDate: now.Add(72 * time.Hour)}))}, policyOf(t, keypolicy.AttestedHardware())
	rp := party(t, cfg, fido.NewMemoryStore())
	genuineKey(t, rp, root)
	r, err := rp.Reevaluate(t.Context(), fido.ReevaluateOptions{Quarantine: true})
	require.NoError(t, err)
	require.Zero(t, r.Quarantined)
	now = now.Add(30 * 24 * time.Hour) // the attestation certificate has expired too, which says nothing
	r, err = rp.Reevaluate(t.Context(), fido.ReevaluateOptions{Quarantine: true})
	require.NoError(t, err)
	require.Equal(t, 1, r.Quarantined)
	require.Equal(t, keypolicy.Rooted, r.Findings[0].Credential.Evidence.Verdict)
}
