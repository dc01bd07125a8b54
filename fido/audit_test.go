package fido_test

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/note"

	"github.com/lakekey/lakekey/fido"
	"github.com/lakekey/lakekey/fido/audit"
)

func memoryLog(t testing.TB) (*audit.Log, string) {
	t.Helper()
	signer, key, _, err := audit.NewSigner("example.com/audit")
	require.NoError(t, err)
	return audit.NewMemory(signer, audit.Options{}), key
}

// lines returns what was recorded, one line a record.
func lines(t testing.TB, log *audit.Log) []string {
	t.Helper()
	var b bytes.Buffer
	_, err := log.WriteTo(&b)
	require.NoError(t, err)
	return strings.Split(strings.TrimSpace(b.String()), "\n")
}

func TestEverythingIsRecorded(t *testing.T) {
	log, key := memoryLog(t)
	cfg := config()
	cfg.Audit, cfg.InsecureNoAudit = log, false
	store := fido.NewMemoryStore()
	rp := party(t, cfg, store)
	f := newForge(t, fido.ES256)
	f.aaguid = yubiKey5FIPS
	enrol(t, rp, ana, f, func(d *draft) { d.statement, d.count = packedSelf(t, f), 5 })
	_, err := signIn(t, rp, ana, f, func(d *draft) { d.count = 6 })
	require.NoError(t, err)
	_, err = signIn(t, rp, ana, f, func(d *draft) { d.origin = "https://evil.org" })
	require.Error(t, err)
	_, err = signIn(t, rp, ana, f, func(d *draft) { d.count = 6 })
	require.ErrorIs(t, err, fido.ErrQuarantined)

	recorded := lines(t, log)
	contains := func(what ...string) {
		t.Helper()
	next:
		for i, line := range recorded {
			for _, w := range what {
				if !strings.Contains(line, w) {
					continue next
				}
			}
			recorded = recorded[i+1:]
			return
		}
		require.Fail(t, "no such record (in this order)", "%q in\n%s", what, strings.Join(lines(t, log), "\n"))
	}
	contains("invite.issued", ana)
	contains("ceremony.begun", "registration", "192.0.2.7", ana)
	contains("credential.registered", "intent", ana, "self", "c1f9a0bc-1dd2-404a-b27f-8e29047a43fd", "https://login.example.com")
	contains("credential.registered", "result", `"ok"`)
	contains("invite.used", ana)
	contains("ceremony.finished", "registration")
	contains("ceremony.begun", "sign-in")
	contains("ceremony.finished", "sign-in", ana, "192.0.2.7", `"ok"`)
	contains("ceremony.failed", "denied", "origin", ana)
	contains("clone.suspected", "sign count went from 6 to 6")
	contains("credential.quarantined", "sign count went from 6 to 6")
	contains("ceremony.failed", "denied", "quarantined")

	all := strings.Join(lines(t, log), "\n")
	require.NotContains(t, all, b64(f.id), "credential IDs are hashed")
	var b bytes.Buffer
	_, err = log.WriteTo(&b)
	require.NoError(t, err)
	verifier, err := note.NewVerifier(key)
	require.NoError(t, err)
	checkpoint, err := log.Checkpoint(t.Context())
	require.NoError(t, err)
	report, err := audit.Verify(&b, verifier, audit.VerifyOptions{Checkpoints: [][]byte{checkpoint}})
	require.NoError(t, err)
	require.Empty(t, report.OpenIntents)
	for _, line := range lines(t, log) {
		require.True(t, json.Valid([]byte(line)))
	}
}

// What cannot be recorded does not happen.
func TestNoRecordNoAct(t *testing.T) {
	log, _ := memoryLog(t)
	cfg := config()
	cfg.Audit, cfg.InsecureNoAudit = log, false
	store := fido.NewMemoryStore()
	rp := party(t, cfg, store)
	silent := party(t, config(), store)
	key, second := newForge(t, fido.ES256), newForge(t, fido.ES256)
	enrol(t, rp, ana, key)
	invite, registration := beginRegistration(t, rp, ana)
	signin := beginSignIn(t, rp, ana)
	require.NoError(t, log.Close())

	_, err := rp.FinishRegistration(t.Context(), registration.ID, second.register(t, registration.Options))
	require.ErrorIs(t, err, audit.ErrClosed)
	_, err = store.Credential(t.Context(), second.id)
	require.ErrorIs(t, err, fido.ErrNotFound)
	_, err = silent.BeginRegistration(t.Context(), fido.RegistrationRequest{Invite: invite})
	require.NoError(t, err, "the invitation is still good")
	proof, err := rp.FinishSignIn(t.Context(), signin.ID, fido.PurposeSignIn, key.assert(t, signin.Options))
	require.ErrorIs(t, err, audit.ErrClosed)
	require.Nil(t, proof)
	_, err = rp.BeginSignIn(t.Context(), fido.SignInRequest{UserName: ana})
	require.NoError(t, err, "what has begun grants nothing, and its record is best effort")
	_, err = rp.Invite(t.Context(), ana, 1)
	require.ErrorIs(t, err, audit.ErrClosed)
}

func TestHangingUpHidesNothing(t *testing.T) {
	log, _ := memoryLog(t)
	cfg := config()
	cfg.Audit, cfg.InsecureNoAudit = log, false
	rp := party(t, cfg, fido.NewMemoryStore())
	key := newForge(t, fido.ES256)
	enrol(t, rp, ana, key)
	before := len(lines(t, log))
	c := beginSignIn(t, rp, ana)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := rp.FinishSignIn(ctx, c.ID, fido.PurposeSignIn, key.assert(t, c.Options, func(d *draft) { d.origin = "https://evil.org" }))
	failsCheck(t, err, "origin")
	require.Len(t, lines(t, log), before+2)
}
