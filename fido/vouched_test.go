package fido_test

import (
	"bytes"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/fido"
	"github.com/lakekey/lakekey/fido/audit"
	"github.com/lakekey/lakekey/internal/secret"
)

// A registration that rests on a key which its owner has signed in with ends with
// that key, in every store.
func TestARegistrationEndsWithTheKeyItRestsOn(t *testing.T) {
	act := fido.Act{By: "admin@example.com", Rationale: "because"}
	for kind, store := range stores(t) {
		t.Run(kind, func(t *testing.T) {
			rp := party(t, config(), store)
			his := enrol(t, rp, ben, newForge(t, fido.EdDSA))
			for _, c := range []struct {
				want error
				end  func(id, handle []byte) error
			}{
				{nil, func([]byte, []byte) error { return nil }},
				{fido.ErrQuarantined, func(id, _ []byte) error { _, err := rp.Quarantine(t.Context(), id, act); return err }},
				{fido.ErrRevoked, func(id, _ []byte) error { _, err := rp.Revoke(t.Context(), id, act); return err }},
				{fido.ErrBlocked, func(_, handle []byte) error { _, err := rp.Block(t.Context(), handle, act); return err }},
			} {
				key, next := newForge(t, fido.EdDSA), newForge(t, fido.EdDSA)
				held := enrol(t, rp, ana, key)
				by := fido.RegistrationRequest{UserHandle: held.UserHandle, SignedInBy: held.ID}
				begun, err := rp.BeginRegistration(t.Context(), by)
				require.NoError(t, err)
				require.NoError(t, c.end(held.ID, held.UserHandle))
				_, err = rp.FinishRegistration(t.Context(), begun.ID, next.register(t, begun.Options))
				require.ErrorIs(t, err, c.want)
				_, err = rp.BeginRegistration(t.Context(), by)
				require.ErrorIs(t, err, c.want)
			}
			_, err := rp.BeginRegistration(t.Context(), fido.RegistrationRequest{UserHandle: his.UserHandle, SignedInBy: newForge(t, fido.EdDSA).id})
			require.ErrorIs(t, err, fido.ErrNotFound, "not a key of his")
		})
	}
}

// Whoever issued the link, and in which groups its user is, stands in the log by
// the time the link has been used, also where a program issued it that cannot write
// this log; and in which groups somebody was, whenever they sign in.
func TestTheLogSaysWhoInvitedAndIntoWhat(t *testing.T) {
	store := fido.NewMemoryStore()
	h := newHouse(t, store)
	cfg := config()
	cfg.Now = func() time.Time { return h.at }
	tool := party(t, cfg, store)
	token, err := tool.InviteFor(t.Context(), fido.InviteRequest{UserName: ana, TTL: time.Hour, Groups: []string{"ops", "admins"}, Act: fido.Act{By: "idp invite"}})
	require.NoError(t, err)
	begun, err := h.BeginRegistration(t.Context(), fido.RegistrationRequest{Invite: token})
	require.NoError(t, err)
	key := newForge(t, fido.EdDSA)
	_, err = h.FinishRegistration(t.Context(), begun.ID, key.register(t, begun.Options))
	require.NoError(t, err)
	used := recorded(t, h.log, "invite.used")
	require.Len(t, used, 1)
	require.Contains(t, used[0], `"rationale":"issued by idp invite at `)
	require.Contains(t, used[0], `"group":"admins, ops"`)
	for _, line := range recorded(t, h.log, "ceremony.finished") {
		require.NotContains(t, line, "issued by")
	}
	_, err = signIn(t, h.RelyingParty, ana, key)
	require.NoError(t, err)
	all := recorded(t, h.log, "ceremony.finished")
	require.Contains(t, all[len(all)-1], `"group":"admins, ops"`)
}

// That a refusal is not in the log is told to the operator, who alone can help.
func TestAnUnrecordedRefusalIsTold(t *testing.T) {
	var said bytes.Buffer
	h := newHouse(t, fido.NewMemoryStore(), func(c *fido.Config) { c.Logger = slog.New(slog.NewTextHandler(&said, nil)) })
	key := newForge(t, fido.EdDSA)
	enrol(t, h.RelyingParty, ana, key)
	require.NoError(t, h.log.Close())
	_, err := h.FinishSignIn(t.Context(), secret.New("no such ceremony"), fido.PurposeSignIn, []byte("{}"))
	require.ErrorIs(t, err, fido.ErrCeremonyNotFound)
	require.ErrorIs(t, err, audit.ErrClosed)
	require.Contains(t, said.String(), "a refusal could not be recorded")
	said.Reset()
	_, err = h.Approve(t.Context(), key.id, eve)
	require.Error(t, err)
	require.Contains(t, said.String(), "a refusal could not be recorded")
}
